/* Which machine code the kernel runs: portable C (with MULX and ADX where the compiler and the processor have
 * them), or eight points side by side in AVX-512 IFMA. The functions of p256_var.h choose by themselves;
 * tests and figures name one here. Results are the same to the byte. */
#ifndef CEREMONY_MATH_P256_PATH_H
#define CEREMONY_MATH_P256_PATH_H

#include "ceremony/math/p256_var.h"

enum p256_path { P256_PORTABLE, P256_IFMA };

/* Whether this processor has it. To name a path that it has not is ERR_BUG in the functions below. */
int p256_path_available(enum p256_path path);
/* The fastest there is. */
enum p256_path p256_path_best(void);

/* The portable path's step: up to P256_FEW points. Bit i of the result says that point i is bad; it is the
 * identity then. */
#define P256_FEW 4
unsigned p256_decompress_few_var(struct p256_affine *out, const point_t *in, size_t count);

MUST err_t p256_decompress_many_on_var(enum p256_path path, struct p256_affine *out, const point_t *in,
                                       size_t count, size_t *bad);
MUST err_t p256_decompress_sums_on_var(enum p256_path path, struct p256_affine *out, const point_t *in,
                                       size_t count, size_t *bad);
MUST err_t p256_lift_many_on_var(enum p256_path path, struct p256_affine *out, const point_t *in,
                                 const uint8_t (*y)[32], size_t count, size_t *bad);
MUST err_t p256_msm_on_var(enum p256_path path, struct p256_jacobian *out, const scalar_t *k,
                           const struct p256_affine *p, size_t count, unsigned bits);
/* The same with digits (windows) of so many bits where there are enough points for buckets, 0: as it chooses.
 * ERR_BUG: another number. The sum is the same. */
#define P256_WIDTH_MIN 2
#define P256_WIDTH_MAX 15 /* so that a digit fits 16 bits */
MUST err_t p256_msm_width_var(enum p256_path path, struct p256_jacobian *out, const scalar_t *k,
                              const struct p256_affine *p, size_t count, unsigned bits, unsigned width);

#endif
