/* The bytes of a voting chain (docs/spec/chain.md): headers, running tallies, snapshots, finality, envelopes.
 *
 * Who reads them: the node (chain_node.h) its own, the verifier everybody's. Parsing checks form, binding to
 * election, record and chain, and signatures; what one thing says about another (links, sums, trees) is for
 * the caller. All of this is public data, except what is in an envelope: that is for the chain until it is in
 * a block. Functions are thread-safe as long as each thread has its own objects and group. */
#ifndef TALLY_CHAIN_FORM_H
#define TALLY_CHAIN_FORM_H

#include "tally/ballot.h"

#define CHAIN_SHARD_MAX 16      /* bits of a shard's name */
#define CHAIN_BLOCK_MAX 65535   /* ballots of a block */
#define CHAIN_SEGMENT_BLOCKS 16 /* blocks of a segment */
#define CHAIN_SHARDS_MAX ((1u << (CHAIN_SHARD_MAX + 1)) - 1)
#define CHAIN_HEADERS_MAX UINT32_MAX           /* of a shard */
#define CHAIN_BALLOTS_MAX ((uint64_t)1 << 40)  /* of a shard */
#define CHAIN_SNAPSHOT_MAX ((size_t)512 << 20) /* bytes */
#define CHAIN_HEADER_MAX 1024                  /* bytes of a signed header */
#define CHAIN_FINALITY_MAX 1024                /* bytes of a signed finality */

enum chain_state { CHAIN_OPEN = 0, CHAIN_SPLIT = 1, CHAIN_CLOSED = 2 };

/* One chain of an election. Everything in it stays e's. */
struct chain_context {
    const struct election_context *e;
    uint32_t index; /* in the manifest */
    const struct chain *c;
    const uint32_t *place; /* c->place_count rows, ascending */
};
void chain_context_init(struct chain_context *out, const struct election_context *e, uint32_t chain);
/* The row of a place (index) within the chain, or -1. */
MUST int64_t chain_row_of(const struct chain_context *ctx, uint32_t place);

/* --- shards --- */

struct chain_shard_name {
    char s[CHAIN_SHARD_MAX + 1]; /* of 0 and 1 */
};
/* ERR_FORMAT unless text is 0 to 16 characters 0 or 1. */
MUST err_t chain_shard_parse(struct chain_shard_name *out, const char *text);
/* 1 if the shard takes this ballot id. */
MUST int chain_shard_has(const struct chain_shard_name *shard, const hash_t *id);

/* --- sums: one row for each place of the chain --- */

struct chain_row {
    uint64_t ballots;
    struct tallies *t;
    uint8_t *bytes; /* the encoded row, NULL when it has changed since */
    size_t len;
};
struct chain_sums {
    size_t count;
    struct chain_row *row;
};
/* Zeros. Freed with chain_sums_free. */
MUST err_t chain_sums_new(struct chain_sums **out, const struct chain_context *ctx);
void chain_sums_free(struct chain_sums *s);
/* ERR_UNKNOWN: not a place of this chain. */
MUST err_t chain_sums_add_ballot_var(struct chain_sums *s, const struct chain_context *ctx,
                                     const struct ballot *b);
/* The same for the sum of several ballots of one place. */
MUST err_t chain_sums_add_tallies_var(struct chain_sums *s, const struct chain_context *ctx, uint32_t place,
                                      const struct tallies *t, uint64_t ballots);
/* The sums of a place for the caller to add `ballots` ballots to; NULL if it is no place of this chain. */
struct tallies *chain_sums_row(struct chain_sums *s, const struct chain_context *ctx, uint32_t place,
                               uint64_t ballots);
MUST err_t chain_sums_add_var(struct chain_sums *s, const struct chain_sums *part);
MUST err_t chain_sums_sub_var(struct chain_sums *s, const struct chain_sums *part);
/* 1 if equal; *place (may be NULL): index of the first place that differs. */
MUST int chain_sums_equal_var(const struct chain_sums *a, const struct chain_sums *b,
                              const struct chain_context *ctx, uint32_t *place);
MUST uint64_t chain_sums_ballots(const struct chain_sums *s);
/* [* [place, ballots, [* tally]]]: only rows that changed are encoded anew. */
MUST err_t chain_sums_put(struct cbor_out *o, const struct chain_context *ctx, struct chain_sums *s);
/* Reads all rows into s, which is of this chain, and worth nothing after an error; the cursor fails with
 * ERR_UNKNOWN when the places are not the chain's in order. */
void chain_sums_get_var(struct cbor_in *in, const struct chain_context *ctx, struct chain_sums *s);

/* The running tally and its hash (header.tally). */
MUST err_t chain_running_put(struct cbor_out *o, const struct chain_context *ctx, struct chain_sums *s);
MUST err_t chain_running_hash(hash_t *out, const struct chain_context *ctx, struct chain_sums *s);
/* Bytes that fill data, into s. */
MUST err_t chain_running_parse_var(struct chain_sums *s, const struct chain_context *ctx, const uint8_t *data,
                                   size_t len, struct fault *f);

/* --- headers --- */

struct chain_header {
    hash_t id; /* message id */
    struct chain_shard_name shard;
    uint64_t height;
    hash_t previous; /* message id; zeros at the start */
    uint64_t size;   /* ballots */
    hash_t root, ids, tally;
    uint64_t time; /* hours since 1970 */
    enum chain_state state;
};
/* Signs with the chain's key (ERR_SIGNATURE for another); h->id is set. Appends the signed message. */
MUST err_t chain_header_make(struct cbor_out *out, struct chain_header *h, const struct chain_context *ctx,
                             const struct signer *signer, struct fault *f);
/* One signed header that fills data; the signature is checked. ERR_ELECTION, ERR_UNKNOWN (another chain),
 * ERR_SIGNATURE, ERR_FORMAT, ERR_LIMIT, ... */
MUST err_t chain_header_parse(struct chain_header *out, const struct chain_context *ctx, const uint8_t *data,
                              size_t len, struct fault *f);

/* The same without the signature: for headers that this program has signed or checked before. */
MUST err_t chain_header_form(struct chain_header *out, const struct chain_context *ctx, const uint8_t *data,
                             size_t len, struct fault *f);

/* --- snapshots --- */

struct chain_shard {
    struct chain_shard_name name;
    enum chain_state state;
    uint64_t headers; /* 0: no header yet: no head, size 0, empty roots, open */
    hash_t head;      /* message id of the last header; zeros if none */
    uint64_t size;
    hash_t root, ids;
};
struct chain_snapshot {
    hash_t id; /* snapshot id; set by make and parse */
    uint64_t number;
    hash_t previous; /* snapshot id; zeros for number 0 */
    uint64_t time;
    size_t shard_count;
    struct chain_shard *shard; /* sorted by name */
    struct chain_sums *sums;
};
/* Appends the bytes. The shards are checked as when parsing. */
MUST err_t chain_snapshot_make(struct cbor_out *out, struct chain_snapshot *s,
                               const struct chain_context *ctx, struct fault *f);
/* Bytes that fill data. Freed with chain_snapshot_free. Besides form: shards sorted, each split one with both
 * halves, each other without any; the first ones 2^k of equal length (ERR_RULE); ballots of the rows add up
 * to those of the shards (ERR_SUM). */
MUST err_t chain_snapshot_parse_var(struct chain_snapshot **out, const struct chain_context *ctx,
                                    const uint8_t *data, size_t len, struct fault *f);
void chain_snapshot_free(struct chain_snapshot *s);
/* Shards sorted, and they are the leaves and inner nodes of whole binary trees. ERR_RULE, ERR_DUPLICATE. */
MUST err_t chain_shards_check(const struct chain_shard *shard, size_t count, struct fault *f);
/* The shard of that name, or NULL. */
const struct chain_shard *chain_shard_find(const struct chain_shard *shard, size_t count, const char *name);
/* 1 if no shard is open. */
MUST int chain_snapshot_complete(const struct chain_snapshot *s);
/* SHA-256(CBOR ["conclave/chain-snapshot-id", bytes]). */
MUST err_t chain_snapshot_id(hash_t *out, const uint8_t *data, size_t len);

/* --- finality --- */

struct chain_finality {
    uint32_t validator; /* index in the manifest's chain */
    uint64_t number;
    hash_t snapshot;
};
/* ERR_SIGNATURE: the signer is no validator. kid may be NULL. */
MUST err_t chain_finality_make(struct cbor_out *out, hash_t *kid, const struct chain_context *ctx,
                               uint64_t number, const hash_t *snapshot, const struct signer *signer,
                               struct fault *f);
/* One signed finality that fills data. ERR_UNKNOWN: of no validator of this chain. */
MUST err_t chain_finality_parse(struct chain_finality *out, const struct chain_context *ctx,
                                const uint8_t *data, size_t len, struct fault *f);

/* --- envelopes --- */

struct chain_envelope {
    hash_t ballot;           /* id, as the sender says */
    const uint8_t *enc, *ct; /* HPKE_ENC_LEN and ct_len bytes, views */
    size_t ct_len;
};
/* Seals the bytes of a ballot with this id. Appends the envelope. */
MUST err_t chain_envelope_make(struct cbor_out *out, const struct chain_context *ctx, struct group *g,
                               const hash_t *ballot, const uint8_t *data, size_t len);
/* Form only: views into data. ERR_ELECTION, ERR_UNKNOWN: another chain. */
MUST err_t chain_envelope_parse(struct chain_envelope *out, const struct chain_context *ctx,
                                const uint8_t *data, size_t len, struct fault *f);
/* Upper bound of an envelope's length in this election. */
MUST size_t chain_envelope_len_max(const struct election_context *e);
/* What opening envelopes of a chain takes, made once; one thread. */
struct chain_opener;
MUST err_t chain_opener_new(struct chain_opener **out, const struct chain_context *ctx);
void chain_opener_free(struct chain_opener *o);
/* pt has ct_len - 16 bytes; dh_x: x-coordinate of the chain's envelope key times enc. ERR_DECRYPT. */
MUST err_t chain_envelope_open(uint8_t *pt, struct chain_opener *o, const struct chain_envelope *v,
                               const uint8_t dh_x[32]);

#endif
