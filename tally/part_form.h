/* Partial reports of a verification (docs/spec/parts.md): what one machine found in its part of the exports
 * and of the shards of voting chains.
 *
 *   part_finding_put   appends what was found in one export
 *   part_shard_put     and in one shard of a voting chain
 *   part_build         head and findings make the bytes of a report
 *   part_read          a report, signed or not, with every form checked
 *   part_signers_read  whose signatures count
 *
 * A report says nothing by itself: who signed it says so. Whether it fits a bundle is verify_merge.h's to
 * find out. Signing is done by conclave-tally, so that the verifier holds no secret. Public data. */
#ifndef TALLY_PART_FORM_H
#define TALLY_PART_FORM_H

#include "ceremony/base/cose.h"
#include "tally/chain_form.h"
#include "tally/verify_state.h"

#define PART_COUNT_MAX 65536u
#define PART_FILE_MAX ((size_t)256 << 20)
#define PART_VERSION_MAX 32
#define PART_NAME_MAX 100
#define PART_IDS_SUFFIX ".ids"

/* An entry of a file of ids: id, place, origin, big-endian. Origin: 0 for an export, else where in a chain.
 */
#define PART_ENTRY_LEN (HASH_LEN + 4 + 8)
#define PART_AT_BITS 48 /* of a ballot's number in its chain */
#define PART_AT_MAX (((uint64_t)1 << PART_AT_BITS) - 1)

#define PART_BAD 1u     /* not signed, or cannot be opened */
#define PART_UNREAD 2u  /* some items could not be read */
#define PART_MISSING 4u /* the record says that the place is missing */

/* Ballot `at` (struct chain_spooled) of this chain of the manifest. */
static inline uint64_t part_origin(uint32_t chain, uint64_t at)
{
    return (uint64_t)(chain + 1) << PART_AT_BITS | at;
}

struct part_head {
    hash_t election, record;
    hash_t bundle;  /* SHA-256 of SHA256SUMS */
    unsigned k, n;  /* part k of n, from 1 */
    hash_t program; /* SHA-256 of the executable */
    hash_t ids;     /* SHA-256 of the file of ballot ids */
    uint64_t id_count;
    char version[PART_VERSION_MAX + 1];
};

struct part_found { /* of one check */
    enum verify_id check;
    size_t failure_count, failure_kept, note_count;
    struct verify_failure *failure;
    char **note;
};
/* What an outcome has, borrowed; and filed in another one. */
struct part_found part_found_of(enum verify_id check, const struct verify_outcome *o);
void part_found_file(struct verify_outcome *to, const struct part_found *x);

struct part_finding {
    char place[TEXT_ID_MAX + 1];
    err_t file_err; /* of hashing the export; OK: */
    hash_t file;
    hash_t record; /* SHA-256 of the place's record; zeros if it cannot be read */
    uint64_t items, ids;
    unsigned flags;
    size_t left_out_count, found_count;
    hash_t *left_out; /* ids that the record leaves out, and are in the export */
    struct part_found *found;
};

struct part_file {
    char *name; /* inside the chain's directory */
    err_t err;  /* of hashing it; OK: */
    hash_t hash;
};

struct part_left { /* a ballot that the record of its place leaves out, and is in the shard */
    hash_t id;
    uint32_t place;
    uint64_t at; /* struct chain_spooled */
    uint8_t leaf[16];
};

struct part_reason { /* why a check of the shard was not done, or not of everything */
    enum verify_id check;
    char *text;
};

struct part_shard {
    char chain[TEXT_ID_MAX + 1], shard[CHAIN_SHARD_MAX + 1];
    hash_t snapshot, headers; /* snapshot id; SHA-256 of the file of its headers, zeros if it has none */
    hash_t records;           /* verify_shard_records */
    uint64_t proved, pruned, ids;
    size_t file_count, left_count, found_count, reason_count;
    struct part_file *file; /* its segments, ids, leaves, sorted by name */
    struct part_left *left; /* ascending at */
    struct part_found *found;
    struct part_reason *reason;
};

struct part {
    struct part_head head;
    hash_t id; /* SHA-256 of the report without its signature: equal reports have equal ids */
    int is_signed;
    hash_t kid;
    size_t count;
    struct part_finding *finding; /* in the order of places */
    size_t shard_count;
    struct part_shard *shard; /* in the order of chains and shards */
};

/* left_out and found stay the caller's. */
void part_finding_put(struct cbor_out *out, const struct part_finding *f);
void part_shard_put(struct cbor_out *out, const struct part_shard *s);
/* Findings one after the other, made by part_finding_put or part_shard_put. */
struct part_list {
    size_t count;
    struct cbor_out bytes;
};
/* ERR_MEMORY, ERR_LIMIT: more parts are needed. */
MUST err_t part_build(struct cbor_out *out, const struct part_head *h, const struct part_list *findings,
                      const struct part_list *shards, struct fault *f);

/* *signature: the message that was signed, a view into data; meaningless if !(*out)->is_signed. Freed with
 * part_free. ERR_FORMAT, ERR_VERSION, ERR_LIMIT, ... */
MUST err_t part_read(struct part **out, struct cose *signature, const void *data, size_t len,
                     struct fault *f);
/* What may be signed or not: if it is a signed message, *signature is it, *kid its signer, and *data and *len
 * become those of its payload. */
MUST err_t part_unwrap(struct cose *signature, int *is_signed, hash_t *kid, const uint8_t **data, size_t *len,
                       struct fault *f);
void part_free(struct part *p);
void part_shard_free(struct part_shard *s); /* what it points to */

/* "part-K-of-N", in a directory; with this suffix. ERR_LIMIT. */
MUST err_t part_path(char *out, size_t out_len, const char *dir, unsigned k, unsigned n, const char *suffix);
/* "K/N". ERR_USAGE. */
MUST err_t part_parse_number(unsigned *k, unsigned *n, const char *text, struct fault *f);
/* Hash of the running program's file. */
MUST err_t part_program(hash_t *out, struct fault *f);

struct part_signer {
    hash_t kid;
    pubkey_t key;
    char name[PART_NAME_MAX + 1];
};
struct part_signers {
    size_t count;
    struct part_signer *signer;
};
/* Lines "KEY [NAME]", KEY as conclave-tally key show prints it; empty lines and lines that start with # do
 * not count. ERR_FORMAT, ERR_POINT, ERR_DUPLICATE, ERR_TEXT. Freed with part_signers_free. */
MUST err_t part_signers_read(struct part_signers *out, const char *path, struct fault *f);
void part_signers_free(struct part_signers *s);
/* NULL if not among them. */
const struct part_signer *part_signer_find(const struct part_signers *s, const hash_t *kid);

#endif
