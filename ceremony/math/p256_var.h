/* P-256 for public data: variable-time, fast; never give it a secret.
 *
 * This is the kernel behind every public verification of more than a few points: multi-scalar
 * multiplication (Pippenger, signed digits, batch-affine additions), fast decompression, and sums
 * of many points. Field elements are 4x64-bit limbs in Montgomery form.
 * Who calls it: decompress points read from files, add them up or put them into one equation,
 * compress the result or ask whether it is the identity. No contexts, no globals, thread-safe.
 * Equal, opposite and identity inputs are all right everywhere. */
#ifndef CEREMONY_MATH_P256_VAR_H
#define CEREMONY_MATH_P256_VAR_H

#include "ceremony/math/group.h"

struct p256_affine {
    uint64_t x[4], y[4]; /* Montgomery form; the identity is x = y = 0 */
};

struct p256_jacobian {
    uint64_t x[4], y[4], z[4]; /* identity: z = 0 */
};

/* ERR_POINT unless in is a compressed point of the curve. The identity (33 zero bytes) is refused. */
MUST err_t p256_decompress_var(struct p256_affine *out, const point_t *in);
/* The same; 33 zero bytes give the identity (for sums). */
MUST err_t p256_decompress_sum_var(struct p256_affine *out, const point_t *in);
int p256_affine_is_zero_var(const struct p256_affine *p);
/* Whether coordinates below p are a point's; the identity's (0, 0) are not. */
MUST int p256_on_curve_var(const struct p256_affine *p);

/* Many at once, which is faster for a dozen and more: out[i] is what p256_decompress_var, for sums
 * p256_decompress_sum_var, makes of in[i]. Every point is looked at, also behind a bad one: a bad one is the
 * identity in out (a point that is accepted never is), and ERR_POINT comes back with the index of
 * the first of them in *bad, else count. out and in do not overlap. */
MUST err_t p256_decompress_many_var(struct p256_affine *out, const point_t *in, size_t count, size_t *bad);
MUST err_t p256_decompress_sums_var(struct p256_affine *out, const point_t *in, size_t count, size_t *bad);
/* The same with hints: y[i] is claimed to be the y coordinate of in[i], big-endian. That is checked (below p,
 * on the curve with this x, of the parity that in[i] says), which costs a few per cent of a square root. A
 * wrong hint is a bad point. */
MUST err_t p256_lift_many_var(struct p256_affine *out, const point_t *in, const uint8_t (*y)[32],
                              size_t count, size_t *bad);

/* G, the identity, and between the two forms; to_affine takes an inversion. */
void p256_generator(struct p256_affine *out);
void p256_zero(struct p256_jacobian *out);
MUST int p256_is_zero_var(const struct p256_jacobian *p);
void p256_from_affine(struct p256_jacobian *out, const struct p256_affine *p);
void p256_to_affine_var(struct p256_affine *out, const struct p256_jacobian *p);
/* Many at once with one inversion; out and in do not overlap. ERR_MEMORY. */
MUST err_t p256_to_affine_many_var(struct p256_affine *out, const struct p256_jacobian *in, size_t count);
void p256_compress(point_t *out, const struct p256_affine *p);       /* identity: 33 zero bytes */
void p256_compress_var(point_t *out, const struct p256_jacobian *p); /* with an inversion */

/* -P, P + Q, P + Q, 2 P; complete: any points, also equal ones and the identity. r may be an input. */
void p256_neg(struct p256_affine *out, const struct p256_affine *p);
void p256_add_var(struct p256_jacobian *r, const struct p256_jacobian *a, const struct p256_jacobian *b);
void p256_add_affine_var(struct p256_jacobian *r, const struct p256_jacobian *a, const struct p256_affine *b);
void p256_double_var(struct p256_jacobian *r, const struct p256_jacobian *a);
MUST int p256_equal_var(const struct p256_jacobian *a, const struct p256_jacobian *b);

/* out = k P, and out = sum k[i] P[i]. Scalars big-endian below q. Any count, 0 included. For small counts
 * (to 24) uses interleaved wNAF (Straus), above Pippenger. bits: upper bound on the bit length of every
 * scalar (128 for batch weights, 256 otherwise). ERR_MEMORY; ERR_BUG if a scalar is longer than bits.
 * On error out is the identity. */
MUST err_t p256_mul_var(struct p256_jacobian *out, const scalar_t *k, const struct p256_affine *p);
MUST err_t p256_msm_var(struct p256_jacobian *out, const scalar_t *k, const struct p256_affine *p,
                        size_t count, unsigned bits);

#endif
