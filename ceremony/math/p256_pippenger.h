/* Multi-scalar multiplication by buckets, for many points; the part of p256_msm_var above its small counts.
 * Public data. No globals, thread-safe. */
#ifndef CEREMONY_MATH_P256_PIPPENGER_H
#define CEREMONY_MATH_P256_PIPPENGER_H

#include <endian.h>
#include <string.h>

#include "ceremony/math/p256_path.h"

/* A scalar, least significant limb first, and room for a carry out of 256 bits. */
typedef uint64_t wide_t[5];

static inline void wide_load(wide_t w, const scalar_t *k)
{
    for (int i = 0; i < 4; i++) {
        memcpy(&w[i], k->b + 8 * (3 - i), 8);
        w[i] = be64toh(w[i]);
    }
    w[4] = 0;
}

#define SCALAR_BITS 256

static inline unsigned p256_bit_length(const scalar_t *k)
{
    wide_t w;
    wide_load(w, k);
    for (unsigned i = 4; i-- > 0;)
        if (w[i] != 0)
            return 64 * i + 64 - (unsigned)__builtin_clzll(w[i]);
    return 0;
}

#define P256_PIPPENGER_POINTS (UINT32_MAX / 4)

/* Bits of a digit for so many points and scalars of so many bits: what p256_pippenger_var takes. */
unsigned p256_pippenger_width(size_t count, unsigned bits);

/* out = sum k[i] P[i], scalars of at most bits <= 256 bits; 1 <= count <= P256_PIPPENGER_POINTS. width: bits
 * of a digit, P256_WIDTH_MIN to P256_WIDTH_MAX, or 0: p256_pippenger_width. ERR_MEMORY (about 130 bytes a
 * point at 2^16 points), ERR_BUG: another width; out then unchanged. */
MUST err_t p256_pippenger_var(enum p256_path path, struct p256_jacobian *out, const scalar_t *k,
                              const struct p256_affine *p, size_t count, unsigned bits, unsigned width);

#endif
