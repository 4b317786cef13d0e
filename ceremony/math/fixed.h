/* Multiples of one fixed point by secret scalars, constant time, many times: the joint key Y and the
 * generator, for who encrypts ballots.
 *
 * OpenSSL's nistz256 keeps a table for the generator of a group object and reads it in full for every
 * window; here each base is the generator of a group object of its own. Points go in and out as 04|x|y,
 * or 65 zero bytes for the identity. For one thread at a time. */
#ifndef CEREMONY_MATH_FIXED_H
#define CEREMONY_MATH_FIXED_H

#include "ceremony/math/group.h"

#define FIXED_RAW_LEN 65

struct fixed_base;

/* base: a checked point, not the identity. ERR_POINT, ERR_MEMORY. Freed with fixed_free. */
MUST err_t fixed_new(struct fixed_base **out, const point_t *base);
void fixed_free(struct fixed_base *f);

/* out = k base. Time tells only whether the result is the identity. ERR_MEMORY; out zeroed then. */
MUST err_t fixed_mul(struct fixed_base *f, uint8_t out[FIXED_RAW_LEN], const scalar_t *k);

/* out = a + b for points that are not the identity, time independent of them. Returns 0 when
 * a = b or a = -b, where this formula gives nothing (out is zeroed); else 1. out may be an input. */
MUST int fixed_add(uint8_t out[FIXED_RAW_LEN], const uint8_t a[FIXED_RAW_LEN],
                   const uint8_t b[FIXED_RAW_LEN]);

/* SEC 1: from the uncompressed to the compressed form. */
void fixed_compress(point_t *out, const uint8_t raw[FIXED_RAW_LEN]);

#endif
