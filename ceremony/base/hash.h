/* SHA-256 (FIPS 180-4), HMAC and HKDF (RFC 2104, RFC 5869), and the Merkle tree hash of RFC 9162.
 *
 * Hash inputs of the protocol are never bare concatenations: they are built with cbor.h. */
#ifndef CEREMONY_BASE_HASH_H
#define CEREMONY_BASE_HASH_H

#include "ceremony/base/err.h"

#define HASH_LEN 32

typedef struct {
    uint8_t b[HASH_LEN];
} hash_t;

struct hash_ctx {
    _Alignas(8) unsigned char state[128];
};

/* SHA-256 in steps: init, add any number of times, end; or of one buffer. */
void hash_init(struct hash_ctx *c);
void hash_add(struct hash_ctx *c, const void *data, size_t len);
void hash_end(struct hash_ctx *c, hash_t *out); /* wipes c */
void hash_one(hash_t *out, const void *data, size_t len);

/* -1, 0, 1 in byte order. Not constant time: for public values. */
int hash_cmp(const hash_t *a, const hash_t *b);
int hash_is_zero(const hash_t *a);

/* out: hex, lower case, 2*len characters and a NUL. */
void hex_put(char *out, const void *data, size_t len);
/* Reads exactly 2*len hex digits, lower case only, then the end. ERR_FORMAT otherwise; out zeroed. */
MUST err_t hex_get(uint8_t *out, size_t len, const char *text);

/* HKDF-SHA256 with extract and expand. okm_len <= 255*32, else ERR_BUG. Constant time in ikm. */
MUST err_t hkdf(uint8_t *okm, size_t okm_len, const void *salt, size_t salt_len, const void *ikm,
                size_t ikm_len, const void *info, size_t info_len);
/* The two halves alone, as HPKE needs them. */
void hkdf_extract(hash_t *prk, const void *salt, size_t salt_len, const void *ikm, size_t ikm_len);
MUST err_t hkdf_expand(uint8_t *okm, size_t okm_len, const hash_t *prk, const void *info, size_t info_len);

/* Merkle tree hash, RFC 9162 section 2.1.1: leaf = H(0x00 | data), node = H(0x01 | left | right),
 * empty tree = H(""). The tree is built leaf by leaf in O(log n) memory: */
struct merkle {
    hash_t peak[64]; /* roots of the complete subtrees, largest first */
    uint64_t count;  /* leaves so far */
};
void merkle_init(struct merkle *m);
void merkle_leaf(hash_t *out, const void *data, size_t len);
void merkle_add(struct merkle *m, const hash_t *leaf);
void merkle_root(const struct merkle *m, hash_t *out);

/* Inclusion proofs, RFC 9162 section 2.1.3. leaves: count leaf hashes, count >= 1, index < count.
 * path: at most 64 hashes; *path_count is set. */
void merkle_path(hash_t *path, size_t *path_count, const hash_t *leaves, uint64_t count, uint64_t index);
/* OK, or ERR_HASH when the path does not lead from leaf to root. */
MUST err_t merkle_path_check(const hash_t *root, uint64_t count, uint64_t index, const hash_t *leaf,
                             const hash_t *path, size_t path_count);

#endif
