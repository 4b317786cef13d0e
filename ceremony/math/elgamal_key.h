/* Inside of struct elgamal_key, for elgamal.c and zero_one.c only. */
#ifndef CEREMONY_MATH_ELGAMAL_KEY_H
#define CEREMONY_MATH_ELGAMAL_KEY_H

#include "ceremony/math/elgamal.h"
#include "ceremony/math/fixed.h"

/* Intermediate values of one operation, wiped at its end. */
struct elgamal_scratch {
    scalar_t k, c, z, u;
    uint8_t x[FIXED_RAW_LEN], y[FIXED_RAW_LEN], t[FIXED_RAW_LEN];
    point_t real_a, real_b, fake_a, fake_b;
};

struct elgamal_key {
    struct group *g; /* borrowed */
    struct fixed_base *base, *key;
    struct elgamal_scratch *secret; /* secret_alloc */
    uint8_t generator[FIXED_RAW_LEN];
};

/* mask: all ones takes b, zero takes a; out may be either */
static inline void elgamal_select(void *out, const void *a, const void *b, size_t len, uint8_t mask)
{
    uint8_t *o = out;
    const uint8_t *p = a, *q = b;
    for (size_t i = 0; i < len; i++)
        o[i] = (uint8_t)((p[i] & ~mask) | (q[i] & mask));
}

/* out = a + b; out may be an input. Constant time but for a = b, a = -b and the identity, which random
 * scalars do not meet. */
MUST err_t elgamal_add(struct elgamal_key *k, uint8_t out[FIXED_RAW_LEN], const uint8_t a[FIXED_RAW_LEN],
                       const uint8_t b[FIXED_RAW_LEN]);

#endif
