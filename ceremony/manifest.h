/* The election as people write it: manifest.json and jurisdictions.csv.
 *
 * The manifest is strict JSON (RFC 8259): unknown keys, duplicate keys, wrong types, texts that
 * text_check refuses and numbers outside their limits are errors that name the place, such as
 * "contests[3].options[1].title". The election hash covers the bytes of the file; the manifest names the
 * SHA-256 of the jurisdictions, so the hash covers these too. docs/spec/manifest.md has every key.
 *
 * Order: manifest_load, then places_load. Neither changes afterwards. */
#ifndef CEREMONY_MANIFEST_H
#define CEREMONY_MANIFEST_H

#include "ceremony/base/cose.h"
#include "ceremony/base/err.h"
#include "ceremony/base/text.h"

#define SCHEME_P256_ELGAMAL 1
#define TRUSTEES_MAX 32
#define LEVELS_MAX 8
#define CONTESTS_MAX 1000
#define OPTIONS_MAX 200
#define STYLES_MAX 10000
#define CHAINS_MAX 64
#define CHAIN_PLACES_MAX 10000
#define VALIDATORS_MAX 64
#define MANIFEST_MAX ((size_t)16 << 20)       /* bytes of manifest.json */
#define JURISDICTIONS_MAX ((size_t)256 << 20) /* bytes of jurisdictions.csv */

enum election_kind { KIND_BALLOTS = 0, KIND_IMPORT = 1 };
enum duplicate_rule { DUPLICATE_FIRST, DUPLICATE_NONE }; /* which copy of a ballot id counts */

struct option {
    char id[TEXT_ID_MAX + 1], title[TEXT_TITLE_MAX + 1];
    int write_in;
};

struct contest {
    char id[TEXT_ID_MAX + 1], title[TEXT_TITLE_MAX + 1];
    uint32_t limit; /* select up to: 1..option_count */
    size_t option_count;
    struct option *option;
};

struct style {
    char id[TEXT_ID_MAX + 1];
    size_t contest_count;
    uint32_t *contest; /* indexes into manifest.contest, ascending */
};

/* A voting chain (docs/spec/chain.md): all ballots of its places come from it. */
struct chain {
    char id[TEXT_ID_MAX + 1], title[TEXT_TITLE_MAX + 1];
    size_t place_count;
    char (*place)[TEXT_ID_MAX + 1];   /* in order of rows; places_of_chain has their indexes */
    pubkey_t key, envelope;           /* signs block headers; opens envelopes */
    uint32_t validator_count, quorum; /* validator_count / 2 < quorum <= validator_count */
    pubkey_t *validator;
};

struct manifest {
    hash_t election; /* SHA-256(CBOR ["conclave/election", bytes of manifest.json]) */
    uint32_t scheme;
    enum election_kind kind;
    char title[TEXT_TITLE_MAX + 1], date[11]; /* YYYY-MM-DD */
    uint32_t n, t, min_qual;                  /* 2 <= t <= n <= 32; t <= min_qual <= n, default n */
    uint32_t same_model_max; /* tokens of one model at the most: default t-1; n if rehearsal */
    int rehearsal;
    size_t level_count; /* 1..8; level[0] is the whole, the last one casts ballots */
    char level[LEVELS_MAX][TEXT_ID_MAX + 1];
    char places_file[TEXT_ID_MAX + 1]; /* name beside the manifest */
    hash_t places_hash;
    size_t contest_count, style_count;
    struct contest *contest;
    struct style *style;
    size_t chain_count; /* 0 without the key `chains`, and in imports */
    struct chain *chain;
    uint32_t decrypt_levels; /* bit i: level i is decrypted */
    uint32_t minimum;        /* ballots, at least 2; 1 in imports and rehearsals */
    uint32_t plan_quorum;    /* signatures a plan needs before the first partial: 0 or t..n */
    enum duplicate_rule duplicates;
    uint32_t import_bits;                  /* KIND_IMPORT: 1..32, counts are below 2^bits; else 0 */
    uint32_t *contest_by_id, *style_by_id; /* indexes in order of ids; NULL: searched one by one */
};

/* Reads and checks; *out is freed with manifest_free. */
MUST err_t manifest_load(struct manifest **out, const char *path, struct fault *f);
MUST err_t manifest_parse(struct manifest **out, const uint8_t *data, size_t len, struct fault *f);
void manifest_free(struct manifest *m);

/* Which election the bytes of a manifest.json would be, whatever they say. */
MUST err_t manifest_election(hash_t *out, const uint8_t *data, size_t len);
MUST err_t manifest_election_of(hash_t *out, const char *path, struct fault *f);

/* The bytes of manifest.json for the fields of m (election, *_by_id are not used), always the same for the
 * same fields; min_qual and same_model_max of 0 stand for their defaults. They are read back before they are
 * given out, so m's rules are checked. *out freed with free(). */
MUST err_t manifest_write(uint8_t **out, size_t *len, const struct manifest *m, struct fault *f);

/* Index, or -1. */
MUST int manifest_contest(const struct manifest *m, const char *id);
MUST int manifest_style(const struct manifest *m, const char *id);
MUST int manifest_chain(const struct manifest *m, const char *id);

/* Warnings for `election check`: what is allowed but unwise, one sentence each (fewer than t faults can stop
 * it, minimum below 10, rehearsal, ...). fn is called for each. */
void manifest_warnings(const struct manifest *m, void (*fn)(void *ctx, const char *sentence), void *ctx);

/* --- places: the rows of jurisdictions.csv (RFC 4180, UTF-8, header row) ---
 * Columns: place,level,parent,title,styles,group,key
 *   place   identifier, unique       level   name of a level       parent  identifier, empty for the root
 *   title   text                     styles  identifiers separated by space, lowest level only
 *   group   reporting group, or empty; a group's members are siblings of one level
 *   key     hex of the compressed public key that signs exports of this place; empty: nearest one upward
 * A parent comes before its children and is exactly one level above. The row number is the place's index; the
 * order of rows is the order of everything published. Kept compactly: about 60 bytes and the identifiers
 * per place. Every place above the lowest level has a child, every place of the lowest level has a style.
 * m is used by the places and must live as long. */
#define PLACES_MAX 1000000

struct places;

struct place {
    uint32_t index, level;
    int64_t parent; /* index; -1 for the root */
    const char *id; /* valid as long as the struct places */
    const char *title;
    uint32_t style_count;
    const uint32_t *style; /* indexes into manifest.style; lowest level only */
    const char *group;     /* "" if none */
    const pubkey_t *key;   /* effective signing key (own or inherited); NULL if there is none upward */
};

/* jurisdictions.csv, from a file, whose hash must be the manifest's (ERR_HASH), or from bytes, whose hash the
 * caller has checked. Every rule for places is checked and the line named. Freed with places_free. */
MUST err_t places_load(struct places **out, const struct manifest *m, const char *path, struct fault *f);
MUST err_t places_parse(struct places **out, const struct manifest *m, const uint8_t *data, size_t len,
                        struct fault *f);
void places_free(struct places *p);
/* Rows, and the row index < places_count; the texts in out are views into p. */
uint32_t places_count(const struct places *p);
void places_get(const struct places *p, uint32_t index, struct place *out);
MUST int64_t places_find(const struct places *p, const char *id); /* index or -1 */
/* Children are rows too; iterate: first child, next sibling, -1 at the end. */
MUST int64_t places_first_child(const struct places *p, uint32_t index);
MUST int64_t places_next_sibling(const struct places *p, uint32_t index);
/* 1 if contest (index) is on a style of this lowest-level place, or of a place below it. */
MUST int places_has_contest(const struct places *p, uint32_t index, uint32_t contest);
/* The chain (index in the manifest) that takes a place's ballots, or -1: a precinct does. */
MUST int places_chain(const struct places *p, uint32_t index);
/* The places of a chain, chain.place_count of them, ascending; p's. */
const uint32_t *places_of_chain(const struct places *p, uint32_t chain);

#endif
