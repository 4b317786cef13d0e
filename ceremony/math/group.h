/* The group NIST P-256 (FIPS 186-5, SEC 2), its scalars, and hashing to scalars.
 *
 * Points travel and are passed as 33 bytes SEC1 compressed; scalars as 32 bytes big-endian below q.
 * The functions here are constant time in scalars (OpenSSL nistz256, GMP mpn_sec_*) and may be
 * used with secrets; scalars that are secret live in secret_alloc memory. Bulk work on public
 * data is in p256_var.h.
 * A struct group is for one thread at a time. */
#ifndef CEREMONY_MATH_GROUP_H
#define CEREMONY_MATH_GROUP_H

#include "ceremony/base/cbor.h"
#include "ceremony/base/cose.h"
#include "ceremony/base/err.h"

#define SCALAR_LEN 32

typedef pubkey_t point_t; /* 33 bytes; the identity, where a sum may be it, is 33 zero bytes */
typedef struct {
    uint8_t b[SCALAR_LEN];
} scalar_t;

struct group;

/* ERR_MEMORY. One for each thread. */
MUST err_t group_new(struct group **out);
void group_free(struct group *g);

extern const point_t group_generator;
extern const uint8_t group_order[SCALAR_LEN];

/* --- reading and writing --- */

/* OK if p is a point of the curve, compressed, not the identity; ERR_POINT otherwise. */
MUST err_t point_check(struct group *g, const point_t *p);
/* The same, but 33 zero bytes (the identity, in sums) are allowed. */
MUST err_t point_check_sum(struct group *g, const point_t *p);
MUST int point_is_identity(const point_t *p);
MUST int point_equal(const point_t *a, const point_t *b);
/* 04|x|y of a checked point. ERR_POINT. */
MUST err_t point_uncompress(struct group *g, uint8_t out[65], const point_t *p);
/* Reads 04|x|y; ERR_POINT if not on the curve. */
MUST err_t point_compress(struct group *g, point_t *out, const uint8_t in[65]);

/* ERR_SCALAR unless the bytes are below q. Zero is allowed; constant time. */
MUST err_t scalar_check(const scalar_t *s);
MUST int scalar_is_zero(const scalar_t *s);
void scalar_set(scalar_t *out, uint64_t v);

/* Cursor helpers: read and check; the cursor fails with ERR_POINT / ERR_SCALAR. */
void cbor_get_point(struct cbor_in *in, struct group *g, point_t *out);
void cbor_get_sum(struct cbor_in *in, struct group *g, point_t *out); /* identity allowed */
void cbor_get_scalar(struct cbor_in *in, scalar_t *out);
void cbor_put_point(struct cbor_out *o, const point_t *p);
void cbor_put_scalar(struct cbor_out *o, const scalar_t *s);

/* --- arithmetic modulo q; constant time; out may be an input --- */

void scalar_add(scalar_t *out, const scalar_t *a, const scalar_t *b);
void scalar_sub(scalar_t *out, const scalar_t *a, const scalar_t *b);
void scalar_neg(scalar_t *out, const scalar_t *a);
void scalar_mul(scalar_t *out, const scalar_t *a, const scalar_t *b);
/* 1/a; a = 0 gives 0. */
void scalar_invert(scalar_t *out, const scalar_t *a);
/* out = in mod q, in: big-endian, len <= 64 bytes. */
void scalar_reduce(scalar_t *out, const uint8_t *in, size_t len);
/* Uniform by rejection from random_bytes; never 0. */
void scalar_random(scalar_t *out);

/* --- the group; constant time in scalars; points are public or masked ---
 * Each returns ERR_POINT if an input is not a point (the identity, 33 zero bytes, is accepted as an
 * input and may come out), ERR_MEMORY. On error out is zeroed. out may be an input. */

MUST err_t point_mul_base(struct group *g, point_t *out, const scalar_t *k);              /* k G */
MUST err_t point_mul(struct group *g, point_t *out, const scalar_t *k, const point_t *p); /* k P */
/* secret_x = x-coordinate of k P, P: 04|x|y, k in 1..q-1: one ECDH (SP 800-56A, 5.7.1.2). The group has no
 * small subgroups: that P is on the curve, and so not the identity, is all there is to validate. ERR_POINT.
 */
MUST err_t point_dh(struct group *g, uint8_t secret_x[32], const scalar_t *k, const uint8_t in[65]);
MUST err_t point_mul2(struct group *g, point_t *out, const scalar_t *k, const scalar_t *l,
                      const point_t *p); /* k G + l P */
MUST err_t point_add(struct group *g, point_t *out, const point_t *a, const point_t *b);
MUST err_t point_sub(struct group *g, point_t *out, const point_t *a, const point_t *b);
/* sum k_i P_i, count >= 0 */
MUST err_t point_mul_sum(struct group *g, point_t *out, const scalar_t *k, const point_t *p, size_t count);

/* --- hash to scalar: hash_to_field of RFC 9380 section 5 with expand_message_xmd(SHA-256), L = 48,
 * modulo q; this is HashToScalar of P256-SHA256 in RFC 9497 --- */

/* dst: at most 255 bytes. msg: the deterministic CBOR of the input. */
MUST err_t hash_to_scalar(scalar_t *out, const char *dst, const void *msg, size_t msg_len);
/* The same with a byte string as tag, and frees o. Returns o's error if it has one. */
MUST err_t cbor_out_scalar(struct cbor_out *o, scalar_t *out, const char *dst);
MUST err_t expand_message_xmd(uint8_t *out, size_t out_len, const uint8_t *dst, size_t dst_len,
                              const void *msg, size_t msg_len);

/* Coefficient of Lagrange at 0 for seat x[i] among count distinct seats (1..n, public). */
MUST err_t lagrange_at_zero(scalar_t *out, const uint32_t *x, size_t count, size_t i);

#endif
