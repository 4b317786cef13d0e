#include "ceremony/math/fold.h"

#include <sodium.h>
#include <string.h>

#include "ceremony/base/secret.h"

#define WEIGHT_LEN 16
#define STREAM_BLOCK 64

void fold_start(struct fold *f)
{
    memset(&f->at_G, 0, sizeof f->at_G);
    memset(&f->at_Y, 0, sizeof f->at_Y);
    random_bytes(f->key, sizeof f->key);
    f->blocks = 0;
    f->used = sizeof f->buffer;
}

static void refill(struct fold *f)
{
    static const uint8_t nonce[8]; /* the key is used for one stream */
    memset(f->buffer, 0, sizeof f->buffer);
    crypto_stream_chacha20_xor_ic(f->buffer, f->buffer, sizeof f->buffer, nonce, f->blocks, f->key);
    f->blocks += sizeof f->buffer / STREAM_BLOCK;
    f->used = 0;
}

/* k: the weight as a scalar. */
static void draw(struct fold *f, fold_weight_t *out, scalar_t *k)
{
    if (f->used == sizeof f->buffer)
        refill(f);
    memcpy(out->w, f->buffer + f->used, WEIGHT_LEN);
    f->used += WEIGHT_LEN;
    scalar_var_store(k, &(scalar_var_t){{out->w[0], out->w[1], 0, 0}});
}

void fold_zero_one(struct fold *f, scalar_t k[4], scalar_wide_t *a, scalar_wide_t *b,
                   const struct fold_zero_one *p, const scalar_var_t *c)
{
    fold_weight_t w[4];
    scalar_var_t c1;
    for (int i = 0; i < 4; i++)
        draw(f, &w[i], &k[i]);
    scalar_var_sub(&c1, c, &p->c0);
    scalar_wide_mul_add(a, w[0].w, &p->c0);
    scalar_wide_mul_add(a, w[2].w, &c1);
    scalar_wide_mul_add(b, w[1].w, &p->c0);
    scalar_wide_mul_add(b, w[3].w, &c1);
    scalar_wide_mul_add(&f->at_G, w[0].w, &p->z0);
    scalar_wide_mul_add(&f->at_G, w[2].w, &p->z1);
    scalar_wide_mul_add(&f->at_G, w[3].w, &c1);
    scalar_wide_mul_add(&f->at_Y, w[1].w, &p->z0);
    scalar_wide_mul_add(&f->at_Y, w[3].w, &p->z1);
}

void fold_exact(struct fold *f, scalar_t k[2], scalar_wide_t *a, scalar_wide_t *b, const scalar_var_t *z,
                uint32_t L, const scalar_var_t *c)
{
    fold_weight_t w[2];
    scalar_factor_t factor;
    scalar_var_t limit;
    for (int i = 0; i < 2; i++)
        draw(f, &w[i], &k[i]);
    scalar_wide_mul_add(a, w[0].w, c);
    scalar_wide_mul_add(b, w[1].w, c);
    scalar_var_set(&limit, L);
    scalar_var_factor(&factor, &limit);
    scalar_var_mul(&limit, &factor, c);
    scalar_wide_mul_add(&f->at_G, w[1].w, &limit);
    scalar_wide_mul_add(&f->at_G, w[0].w, z);
    scalar_wide_mul_add(&f->at_Y, w[1].w, z);
}

void fold_schnorr(struct fold *f, scalar_t k[2], const scalar_var_t *z, const scalar_var_t *c)
{
    fold_weight_t w;
    scalar_wide_t x = {{0}};
    scalar_var_t xk;
    draw(f, &w, &k[0]);
    scalar_wide_mul_add(&x, w.w, c);
    scalar_wide_reduce(&xk, &x);
    scalar_var_store(&k[1], &xk);
    scalar_wide_mul_add(&f->at_G, w.w, z);
}

void fold_end(const struct fold *f, scalar_t *at_G, scalar_t *at_Y)
{
    static const scalar_var_t zero;
    scalar_var_t k;
    scalar_wide_reduce(&k, &f->at_G);
    scalar_var_sub(&k, &zero, &k);
    scalar_var_store(at_G, &k);
    scalar_wide_reduce(&k, &f->at_Y);
    scalar_var_sub(&k, &zero, &k);
    scalar_var_store(at_Y, &k);
}
