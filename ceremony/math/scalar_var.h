/* Scalars modulo q for public data, fast and in limbs; never give it a secret (group.h has the functions
 * for those). batch.c multiplies a dozen scalars for every proof it takes. */
#ifndef CEREMONY_MATH_SCALAR_VAR_H
#define CEREMONY_MATH_SCALAR_VAR_H

#include "ceremony/math/group.h"

typedef struct {
    uint64_t w[4]; /* below q, least significant limb first */
} scalar_var_t;

/* A factor, prepared (Montgomery form) so that each product with it costs one multiplication. */
typedef struct {
    uint64_t w[4];
} scalar_factor_t;

/* A sum of products that is reduced once, at the end: 448 bits. */
typedef struct {
    uint64_t w[7];
} scalar_wide_t;

/* ERR_SCALAR unless below q; out zeroed then. */
MUST err_t scalar_var_load(scalar_var_t *out, const scalar_t *in);
void scalar_var_store(scalar_t *out, const scalar_var_t *in);
void scalar_var_set(scalar_var_t *out, uint64_t v);
void scalar_var_add(scalar_var_t *out, const scalar_var_t *a, const scalar_var_t *b);
void scalar_var_sub(scalar_var_t *out, const scalar_var_t *a, const scalar_var_t *b);
void scalar_var_factor(scalar_factor_t *out, const scalar_var_t *a);
/* out = a b, and out += a b */
void scalar_var_mul(scalar_var_t *out, const scalar_factor_t *a, const scalar_var_t *b);
void scalar_var_mul_add(scalar_var_t *out, const scalar_factor_t *a, const scalar_var_t *b);

/* sum += a b, a of 128 bits (least significant limb first): 2^64 such products have room. */
void scalar_wide_mul_add(scalar_wide_t *sum, const uint64_t a[2], const scalar_var_t *b);
/* sum += other */
void scalar_wide_add(scalar_wide_t *sum, const scalar_wide_t *other);
/* out = sum mod q */
void scalar_wide_reduce(scalar_var_t *out, const scalar_wide_t *sum);

#endif
