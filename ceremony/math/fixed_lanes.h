/* Between fixed.c and p256_ifma_fixed.c: eight multiples of one table side by side. */
#ifndef CEREMONY_MATH_FIXED_LANES_H
#define CEREMONY_MATH_FIXED_LANES_H

#include <stdint.h>

#include "ceremony/math/fixed.h"

/* Affine coordinates, 4 words each, canonical; one: entry by entry, in Montgomery form with R = 2^256; lanes:
 * word by word, with R = 2^260. */
struct fixed_table {
    union {
        _Alignas(64) uint64_t one[FIXED_ROWS][FIXED_ENTRIES][8];
        _Alignas(64) uint64_t lanes[FIXED_ROWS][8][FIXED_ENTRIES];
    };
};

/* Digits of eight scalars: entry number 0 (none) to FIXED_ENTRIES, and whether its opposite is meant. */
struct fixed_digits {
    uint8_t entry[FIXED_ROWS][8], minus[FIXED_ROWS][8];
};

/* x = X / ZZ, y = Y / ZZZ, ZZ^3 = ZZZ^2, word by word and lane by lane, canonical, R = 2^260; the identity
 * has ZZ = 0. */
struct fixed_lanes {
    _Alignas(64) uint64_t x[4][8], y[4][8], zz[4][8], zzz[4][8];
};

/* Eight multiples. Constant time. Only where p256_ifma_available. No vector or mask register holds anything
 * afterwards; what was on the stack, the caller burns. */
void p256_ifma_fixed(struct fixed_lanes *out, const struct fixed_table *t, const struct fixed_digits *d);

#endif
