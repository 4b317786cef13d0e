/* Inside of struct elgamal_key, for elgamal.c and zero_one.c only. */
#ifndef CEREMONY_MATH_ELGAMAL_KEY_H
#define CEREMONY_MATH_ELGAMAL_KEY_H

#include "ceremony/math/elgamal.h"
#include "ceremony/math/fixed.h"
#include "ceremony/math/nonces.h"

/* What is to be computed, and intermediate values; wiped by elgamal_run. */
struct elgamal_secret {
    struct fixed_job job[FIXED_JOBS];
    size_t count;
    scalar_t k, u;
};

struct elgamal_key {
    struct group *g; /* borrowed */
    struct fixed *fixed;
    struct elgamal_secret *secret; /* secret_alloc */
    struct nonces *nonces;         /* secret_alloc */
};

/* mask: all ones takes b, zero takes a; out may be either */
static inline void elgamal_select(void *out, const void *a, const void *b, size_t len, uint8_t mask)
{
    uint8_t *o = out;
    const uint8_t *p = a, *q = b;
    __asm__("" : "+r"(mask)); /* or a compiler might branch on it */
    for (size_t i = 0; i < len; i++)
        o[i] = (uint8_t)((p[i] & ~mask) | (q[i] & mask));
}

/* Room for count more jobs, after a run if there is none; the first of them, zeroed. */
MUST err_t elgamal_room(struct elgamal_key *k, struct fixed_job **out, size_t count);

#endif
