/* Multiples of two fixed points, the generator G and a key Y, by secret scalars, constant time and many at
 * once: for who encrypts ballots (elgamal.h), and for nobody else.
 *
 * Each base has a table of FIXED_ROWS times FIXED_ENTRIES points; a multiple is a sum of one entry of every
 * row, with a sign. Every row is read whole, whatever the digit; digits 0 and the first addition take the
 * same steps as others. Where the processor has AVX-512 IFMA, eight multiples are computed side by side. No
 * result is normalised alone: one inversion for a run.
 *
 * What time tells: nothing of the scalars, but if a part of a sum is the identity or two parts are equal or
 * opposite, which random scalars do not meet: such a job goes through group.h. Tables are public. */
#ifndef CEREMONY_MATH_FIXED_H
#define CEREMONY_MATH_FIXED_H

#include "ceremony/math/p256_path.h"

#define FIXED_ROWS 43 /* digits of 6 bits, of a scalar below 2^255 and its sign */
#define FIXED_ENTRIES 32
#define FIXED_JOBS 48 /* in one run */

/* out = g G + y Y + plus G, compressed; 33 zero bytes if that is the identity. Scalars below q. What is used
 * is public; numbers, plus and swap (0 or 1) are secret, and jobs live in secret memory. */
struct fixed_job {
    scalar_t g, y;
    uint8_t use_g, use_y, use_plus, use_swap;
    uint8_t plus, swap; /* swap: what this job and the next one give change places */
    point_t *out;
};

struct fixed;

/* g is borrowed; key: a checked point, not the identity. For one thread. ERR_POINT, ERR_MEMORY, ERR_LOCK;
 * ERR_BUG: a path that the processor has not. Freed with fixed_free. */
MUST err_t fixed_new(enum p256_path path, struct fixed **out, struct group *g, const point_t *key);
void fixed_free(struct fixed *f);

/* Computes count jobs, at most FIXED_JOBS. Intermediate values are wiped, but those on the stack, which the
 * caller burns. ERR_BUG, ERR_MEMORY; all outputs are zeroed then. */
MUST err_t fixed_run(struct fixed *f, const struct fixed_job *job, size_t count);

#endif
