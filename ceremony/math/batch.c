/* Batch verification of proofs that come one by one: fold.h gives the scalars, here are the points.
 * Commitments have the short weight as their scalar, so that they cost half of what the other points do. */
#include <stdlib.h>
#include <string.h>

#include "ceremony/math/elgamal.h"
#include "ceremony/math/fold.h"

struct terms {
    scalar_t *k;
    struct p256_affine *p;
    size_t count, cap;
};

struct batch {
    struct p256_affine Y;
    struct terms full, half; /* scalars of 256 and of 128 bits */
    struct fold fold;
};

static err_t terms_room(struct terms *t, size_t more)
{
    if (t->cap - t->count >= more)
        return OK;
    size_t cap = t->cap == 0 ? 64 : t->cap;
    while (cap - t->count < more) {
        if (cap > SIZE_MAX / sizeof *t->p / 2)
            return ERR_MEMORY;
        cap *= 2;
    }
    scalar_t *k = realloc(t->k, cap * sizeof *k);
    if (k == NULL)
        return ERR_MEMORY;
    t->k = k;
    struct p256_affine *p = realloc(t->p, cap * sizeof *p);
    if (p == NULL)
        return ERR_MEMORY;
    t->p = p;
    t->cap = cap;
    return OK;
}

/* There is room. */
static void terms_add(struct terms *t, const scalar_t *k, const struct p256_affine *p)
{
    t->k[t->count] = *k;
    t->p[t->count++] = *p;
}

static void terms_add_wide(struct terms *t, const scalar_wide_t *k, const struct p256_affine *p)
{
    scalar_var_t r;
    scalar_wide_reduce(&r, k);
    scalar_var_store(&t->k[t->count], &r);
    t->p[t->count++] = *p;
}

static err_t room(struct batch *b, size_t full, size_t half)
{
    TRY(terms_room(&b->full, full + 2)); /* two more for G and Y when it is checked */
    return terms_room(&b->half, half);
}

static int is_identity(const struct p256_affine *p)
{
    static const struct p256_affine identity;
    return memcmp(p, &identity, sizeof identity) == 0;
}

err_t batch_new(struct batch **out, const point_t *Y)
{
    *out = NULL;
    struct batch *b = calloc(1, sizeof *b);
    if (b == NULL)
        return ERR_MEMORY;
    err_t e = p256_decompress_var(&b->Y, Y);
    if (e != OK) {
        free(b);
        return e;
    }
    fold_start(&b->fold);
    *out = b;
    return OK;
}

void batch_free(struct batch *b)
{
    if (b == NULL)
        return;
    free(b->full.k);
    free(b->full.p);
    free(b->half.k);
    free(b->half.p);
    free(b);
}

void batch_reset(struct batch *b)
{
    b->full.count = b->half.count = 0;
    fold_start(&b->fold);
}

err_t batch_zero_one(struct batch *b, const struct elgamal_affine *ct, const struct zero_one_affine *pa,
                     const struct zero_one *p, const scalar_t *c)
{
    struct fold_zero_one z;
    scalar_var_t cc;
    scalar_wide_t a = {{0}}, bb = {{0}};
    scalar_t k[4];
    TRY(scalar_var_load(&cc, c));
    TRY(scalar_var_load(&z.c0, &p->c0));
    TRY(scalar_var_load(&z.z0, &p->z0));
    TRY(scalar_var_load(&z.z1, &p->z1));
    if (is_identity(&ct->A) || is_identity(&ct->B) || is_identity(&pa->a0) || is_identity(&pa->b0) ||
        is_identity(&pa->a1) || is_identity(&pa->b1))
        return ERR_POINT;
    TRY(room(b, 2, 4));
    fold_zero_one(&b->fold, k, &a, &bb, &z, &cc);
    terms_add(&b->half, &k[0], &pa->a0);
    terms_add(&b->half, &k[1], &pa->b0);
    terms_add(&b->half, &k[2], &pa->a1);
    terms_add(&b->half, &k[3], &pa->b1);
    terms_add_wide(&b->full, &a, &ct->A);
    terms_add_wide(&b->full, &bb, &ct->B);
    return OK;
}

err_t batch_exact(struct batch *b, const struct elgamal_affine *ct, uint32_t L, const struct exact_affine *pa,
                  const struct exact *p, const scalar_t *c)
{
    scalar_var_t cc, z;
    scalar_wide_t a = {{0}}, bb = {{0}};
    scalar_t k[2];
    TRY(scalar_var_load(&cc, c));
    TRY(scalar_var_load(&z, &p->z));
    if (is_identity(&ct->A) || is_identity(&ct->B) || is_identity(&pa->a) || is_identity(&pa->b))
        return ERR_POINT;
    TRY(room(b, 2, 2));
    fold_exact(&b->fold, k, &a, &bb, &z, L, &cc);
    terms_add(&b->half, &k[0], &pa->a);
    terms_add(&b->half, &k[1], &pa->b);
    terms_add_wide(&b->full, &a, &ct->A);
    terms_add_wide(&b->full, &bb, &ct->B);
    return OK;
}

err_t batch_schnorr(struct batch *b, const struct p256_affine *X, const struct p256_affine *R,
                    const scalar_t *z, const scalar_t *c)
{
    scalar_var_t cc, zz;
    scalar_t k[2];
    TRY(scalar_var_load(&cc, c));
    TRY(scalar_var_load(&zz, z));
    if (is_identity(X) || is_identity(R))
        return ERR_POINT;
    TRY(room(b, 1, 1));
    fold_schnorr(&b->fold, k, &zz, &cc);
    terms_add(&b->half, &k[0], R);
    terms_add(&b->full, &k[1], X);
    return OK;
}

err_t batch_check(struct batch *b)
{
    struct p256_jacobian full, half;
    struct p256_affine G;
    scalar_t at_G, at_Y;
    err_t e;
    size_t count = b->full.count;
    TRY(room(b, 0, 0));
    p256_generator(&G);
    fold_end(&b->fold, &at_G, &at_Y);
    terms_add(&b->full, &at_G, &G);
    terms_add(&b->full, &at_Y, &b->Y);
    GO(p256_msm_var(&full, b->full.k, b->full.p, b->full.count, 256));
    GO(p256_msm_var(&half, b->half.k, b->half.p, b->half.count, FOLD_WEIGHT_BITS));
    p256_add_var(&full, &full, &half);
    e = p256_is_zero_var(&full) ? OK : ERR_PROOF;
out:
    b->full.count = count; /* more can be added */
    return e;
}
