/* Multi-scalar multiplication by buckets, for many points; the part of p256_msm_var above its small counts.
 * Public data. No globals, thread-safe. */
#ifndef CEREMONY_MATH_P256_PIPPENGER_H
#define CEREMONY_MATH_P256_PIPPENGER_H

#include "ceremony/math/p256_path.h"

/* A scalar, least significant limb first, and room for a carry out of 256 bits. */
typedef uint64_t wide_scalar_t[5];

/* count <= 32 bits from position at */
static inline uint32_t wide_bits(const wide_scalar_t w, unsigned at, unsigned count)
{
    unsigned limb = at / 64, shift = at % 64;
    if (limb > 4)
        return 0;
    uint64_t v = w[limb] >> shift;
    if (shift + count > 64 && limb < 4)
        v |= w[limb + 1] << (64 - shift);
    return (uint32_t)(v & ((UINT64_C(1) << count) - 1));
}

#define P256_PIPPENGER_POINTS (UINT32_MAX / 4)

/* out = sum k[i] P[i], scalars of at most bits <= 256 bits; 1 <= count <= P256_PIPPENGER_POINTS. k is used
 * up. ERR_MEMORY (about 150 bytes a point at 2^16 points), out then unchanged. */
MUST err_t p256_pippenger_var(enum p256_path path, struct p256_jacobian *out, wide_scalar_t *k,
                              const struct p256_affine *p, size_t count, unsigned bits);

#endif
