/* Partial reports of a verification (docs/spec/parts.md): what one machine found in its part of the exports.
 *
 *   part_finding_put   appends what was found in one export
 *   part_build         head and findings make the bytes of a report
 *   part_read          a report, signed or not, with every form checked
 *   part_signers_read  whose signatures count
 *
 * A report says nothing by itself: who signed it says so. Whether it fits a bundle is verify_merge.h's to
 * find out. Signing is done by conclave-tally, so that the verifier holds no secret. Public data. */
#ifndef TALLY_PART_FORM_H
#define TALLY_PART_FORM_H

#include "ceremony/base/cose.h"
#include "tally/verify_state.h"

#define PART_COUNT_MAX 65536u
#define PART_FILE_MAX ((size_t)256 << 20)
#define PART_VERSION_MAX 32
#define PART_NAME_MAX 100
#define PART_IDS_SUFFIX ".ids"

#define PART_BAD 1u     /* not signed, or cannot be opened */
#define PART_UNREAD 2u  /* some items could not be read */
#define PART_MISSING 4u /* the record says that the place is missing */

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
    struct verify_outcome outcome; /* failures and notes only */
};

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

struct part {
    struct part_head head;
    hash_t id; /* SHA-256 of the report without its signature: equal reports have equal ids */
    int is_signed;
    hash_t kid;
    size_t count;
    struct part_finding *finding; /* in the order of places */
};

/* left_out and found stay the caller's. */
void part_finding_put(struct cbor_out *out, const struct part_finding *f);
/* findings: count of them, made by part_finding_put. ERR_MEMORY, ERR_LIMIT: more parts are needed. */
MUST err_t part_build(struct cbor_out *out, const struct part_head *h, size_t count,
                      const struct cbor_out *findings, struct fault *f);

/* *signature: the message that was signed, a view into data; meaningless if !(*out)->is_signed. Freed with
 * part_free. ERR_FORMAT, ERR_VERSION, ERR_LIMIT, ... */
MUST err_t part_read(struct part **out, struct cose *signature, const void *data, size_t len,
                     struct fault *f);
void part_free(struct part *p);

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
