/* Batch verification with small exponents (Bellare, Garay, Rabin 1998): every equation, brought to the
 * form sum k_i P_i = 0, is multiplied by a random 128-bit weight of its own; the total is zero for a
 * wrong equation with probability 2^-128. Signs are such that commitments keep the short weight as
 * their scalar, so that they cost half of what the other points do. G and Y collect scalars. */
#include <stdlib.h>
#include <string.h>

#include "ceremony/base/secret.h"
#include "ceremony/math/elgamal.h"
#include "ceremony/math/scalar_var.h"

#define WEIGHT_LEN 16
#define WEIGHT_BITS (8 * WEIGHT_LEN)
#define WEIGHTS_MAX 4

struct terms {
    scalar_t *k;
    struct p256_affine *p;
    size_t count, cap;
};

struct batch {
    struct p256_affine Y;
    struct terms full, half; /* scalars of 256 and of 128 bits */
    scalar_var_t at_G, at_Y; /* what is subtracted there */
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
static void terms_add(struct terms *t, const scalar_var_t *k, const struct p256_affine *p)
{
    scalar_var_store(&t->k[t->count], k);
    t->p[t->count++] = *p;
}

static err_t room(struct batch *b, size_t full, size_t half)
{
    TRY(terms_room(&b->full, full + 2)); /* two more for G and Y when it is checked */
    return terms_room(&b->half, half);
}

struct weights {
    scalar_var_t w[WEIGHTS_MAX];
    scalar_factor_t f[WEIGHTS_MAX]; /* the same, as factors */
};

static void draw(struct weights *out, size_t count)
{
    uint8_t bytes[WEIGHTS_MAX * WEIGHT_LEN];
    random_bytes(bytes, count * WEIGHT_LEN);
    for (size_t i = 0; i < count; i++) {
        memset(&out->w[i], 0, sizeof out->w[i]);
        memcpy(out->w[i].w, bytes + i * WEIGHT_LEN, WEIGHT_LEN);
        scalar_var_factor(&out->f[i], &out->w[i]);
    }
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
    memset(&b->at_G, 0, sizeof b->at_G);
    memset(&b->at_Y, 0, sizeof b->at_Y);
}

/* w0 (a0 + c0 A - z0 G) + w1 (b0 + c0 B - z0 Y) + w2 (a1 + c1 A - z1 G) + w3 (b1 + c1 (B - G) - z1 Y) */
err_t batch_zero_one(struct batch *b, const struct elgamal_affine *ct, const struct zero_one_affine *pa,
                     const struct zero_one *p, const scalar_t *c)
{
    scalar_var_t c0, c1, z0, z1, k;
    struct weights w;
    TRY(scalar_var_load(&c1, c));
    TRY(scalar_var_load(&c0, &p->c0));
    TRY(scalar_var_load(&z0, &p->z0));
    TRY(scalar_var_load(&z1, &p->z1));
    if (is_identity(&ct->A) || is_identity(&ct->B) || is_identity(&pa->a0) || is_identity(&pa->b0) ||
        is_identity(&pa->a1) || is_identity(&pa->b1))
        return ERR_POINT;
    TRY(room(b, 2, 4));
    scalar_var_sub(&c1, &c1, &c0);
    draw(&w, 4);
    terms_add(&b->half, &w.w[0], &pa->a0);
    terms_add(&b->half, &w.w[1], &pa->b0);
    terms_add(&b->half, &w.w[2], &pa->a1);
    terms_add(&b->half, &w.w[3], &pa->b1);
    scalar_var_mul(&k, &w.f[0], &c0);
    scalar_var_mul_add(&k, &w.f[2], &c1);
    terms_add(&b->full, &k, &ct->A);
    scalar_var_mul(&k, &w.f[3], &c1);
    scalar_var_add(&b->at_G, &b->at_G, &k);
    scalar_var_mul_add(&k, &w.f[1], &c0);
    terms_add(&b->full, &k, &ct->B);
    scalar_var_mul_add(&b->at_G, &w.f[0], &z0);
    scalar_var_mul_add(&b->at_G, &w.f[2], &z1);
    scalar_var_mul_add(&b->at_Y, &w.f[1], &z0);
    scalar_var_mul_add(&b->at_Y, &w.f[3], &z1);
    return OK;
}

/* w0 (a + c A - z G) + w1 (b + c (B - L G) - z Y) */
err_t batch_exact(struct batch *b, const struct elgamal_affine *ct, uint32_t L, const struct exact_affine *pa,
                  const struct exact *p, const scalar_t *c)
{
    scalar_var_t cc, z, limit, k;
    scalar_factor_t kf;
    struct weights w;
    TRY(scalar_var_load(&cc, c));
    TRY(scalar_var_load(&z, &p->z));
    if (is_identity(&ct->A) || is_identity(&ct->B) || is_identity(&pa->a) || is_identity(&pa->b))
        return ERR_POINT;
    TRY(room(b, 2, 2));
    draw(&w, 2);
    scalar_var_set(&limit, L);
    terms_add(&b->half, &w.w[0], &pa->a);
    terms_add(&b->half, &w.w[1], &pa->b);
    scalar_var_mul(&k, &w.f[0], &cc);
    terms_add(&b->full, &k, &ct->A);
    scalar_var_mul(&k, &w.f[1], &cc);
    terms_add(&b->full, &k, &ct->B);
    scalar_var_factor(&kf, &k);
    scalar_var_mul_add(&b->at_G, &kf, &limit);
    scalar_var_mul_add(&b->at_G, &w.f[0], &z);
    scalar_var_mul_add(&b->at_Y, &w.f[1], &z);
    return OK;
}

/* w0 (R + c X - z G) */
err_t batch_schnorr(struct batch *b, const struct p256_affine *X, const struct p256_affine *R,
                    const scalar_t *z, const scalar_t *c)
{
    scalar_var_t cc, zz, k;
    struct weights w;
    TRY(scalar_var_load(&cc, c));
    TRY(scalar_var_load(&zz, z));
    if (is_identity(X) || is_identity(R))
        return ERR_POINT;
    TRY(room(b, 1, 1));
    draw(&w, 1);
    terms_add(&b->half, &w.w[0], R);
    scalar_var_mul(&k, &w.f[0], &cc);
    terms_add(&b->full, &k, X);
    scalar_var_mul_add(&b->at_G, &w.f[0], &zz);
    return OK;
}

err_t batch_check(struct batch *b)
{
    static const scalar_var_t zero;
    struct p256_jacobian full, half;
    struct p256_affine G;
    scalar_var_t k;
    err_t e;
    size_t count = b->full.count;
    TRY(room(b, 0, 0));
    p256_generator(&G);
    scalar_var_sub(&k, &zero, &b->at_G);
    terms_add(&b->full, &k, &G);
    scalar_var_sub(&k, &zero, &b->at_Y);
    terms_add(&b->full, &k, &b->Y);
    GO(p256_msm_var(&full, b->full.k, b->full.p, b->full.count, 256));
    GO(p256_msm_var(&half, b->half.k, b->half.p, b->half.count, WEIGHT_BITS));
    p256_add_var(&full, &full, &half);
    e = p256_is_zero_var(&full) ? OK : ERR_PROOF;
out:
    b->full.count = count; /* more can be added */
    return e;
}
