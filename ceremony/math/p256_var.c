/* Points: decompression, addition, conversion. Formulas for a = -3: dbl-2001-b, add-2007-bl and
 * madd-2007-bl of the Explicit-Formulas Database (Bernstein, Lange). */
#include "ceremony/math/p256_var.h"

#include <stdlib.h>
#include <string.h>

#include "ceremony/math/p256_field.h"
#include "ceremony/math/p256_path.h"

int p256_affine_is_zero_var(const struct p256_affine *p)
{
    return fe_is_zero(p->x) && fe_is_zero(p->y);
}

/* x^3 - 3x + b */
static void curve_y2(fe_t y2, const fe_t x)
{
    fe_t t;
    fe_sqr(y2, x);
    fe_mul(y2, y2, x);
    fe_add(t, x, x);
    fe_add(t, t, x);
    fe_sub(y2, y2, t);
    fe_add(y2, y2, fe_curve_b);
}

int p256_on_curve_var(const struct p256_affine *p)
{
    fe_t y2, t;
    curve_y2(y2, p->x);
    fe_sqr(t, p->y);
    return fe_equal(t, y2);
}

/* p->y = root, or its negative, by the parity in the first byte; 0 if root is none. */
static int root_fits(struct p256_affine *p, const fe_t root, const fe_t y2, const point_t *in)
{
    fe_t t;
    uint8_t bytes[32];
    fe_sqr(t, root);
    if (!fe_equal(t, y2))
        return 0;
    fe_store(bytes, root);
    if ((bytes[31] & 1) == (in->b[0] & 1))
        fe_copy(p->y, root);
    else
        fe_neg(p->y, root);
    return 1;
}

unsigned p256_decompress_few_var(struct p256_affine *out, const point_t *in, size_t count)
{
    fe_t y2[P256_FEW], root[P256_FEW];
    unsigned bad = 0;
    memset(out, 0, count * sizeof *out);
    for (size_t i = 0; i < count; i++) {
        if ((in[i].b[0] | 1) != 3 || !fe_load(out[i].x, in[i].b + 1))
            bad |= 1u << i;
        curve_y2(y2[i], out[i].x);
    }
    fe_sqrt_many(root, (const fe_t *)y2, count);
    for (size_t i = 0; i < count; i++) {
        if (!root_fits(&out[i], root[i], y2[i], &in[i]))
            bad |= 1u << i;
        if (bad >> i & 1)
            memset(&out[i], 0, sizeof out[i]);
    }
    return bad;
}

err_t p256_decompress_var(struct p256_affine *out, const point_t *in)
{
    return p256_decompress_few_var(out, in, 1) == 0 ? OK : ERR_POINT;
}

err_t p256_decompress_sum_var(struct p256_affine *out, const point_t *in)
{
    static const point_t identity;
    if (memcmp(in, &identity, sizeof identity) != 0)
        return p256_decompress_var(out, in);
    memset(out, 0, sizeof *out);
    return OK;
}

void p256_generator(struct p256_affine *out)
{
    static const struct p256_affine g = {{UINT64_C(0x79e730d418a9143c), UINT64_C(0x75ba95fc5fedb601),
                                          UINT64_C(0x79fb732b77622510), UINT64_C(0x18905f76a53755c6)},
                                         {UINT64_C(0xddf25357ce95560a), UINT64_C(0x8b4ab8e4ba19e45c),
                                          UINT64_C(0xd2e88688dd21f325), UINT64_C(0x8571ff1825885d85)}};
    *out = g;
}

void p256_zero(struct p256_jacobian *out)
{
    memset(out, 0, sizeof *out);
}

int p256_is_zero_var(const struct p256_jacobian *p)
{
    return fe_is_zero(p->z);
}

void p256_from_affine(struct p256_jacobian *out, const struct p256_affine *p)
{
    if (p256_affine_is_zero_var(p)) {
        p256_zero(out);
        return;
    }
    fe_copy(out->x, p->x);
    fe_copy(out->y, p->y);
    fe_copy(out->z, fe_one);
}

/* z_inv: 1/z */
static void to_affine(struct p256_affine *out, const struct p256_jacobian *p, const fe_t z_inv)
{
    fe_t zz, zzz;
    fe_sqr(zz, z_inv);
    fe_mul(zzz, zz, z_inv);
    fe_mul(out->x, p->x, zz);
    fe_mul(out->y, p->y, zzz);
}

void p256_to_affine_var(struct p256_affine *out, const struct p256_jacobian *p)
{
    fe_t z_inv;
    fe_invert_var(z_inv, p->z);
    to_affine(out, p, z_inv);
}

err_t p256_to_affine_many_var(struct p256_affine *out, const struct p256_jacobian *in, size_t count)
{
    if (count == 0)
        return OK;
    fe_t *before = calloc(count, sizeof *before); /* product of all z != 0 before i */
    if (before == NULL) {
        memset(out, 0, count * sizeof *out);
        return ERR_MEMORY;
    }
    fe_t all, z_inv;
    fe_copy(all, fe_one);
    for (size_t i = 0; i < count; i++) {
        fe_copy(before[i], all);
        if (!fe_is_zero(in[i].z))
            fe_mul(all, all, in[i].z);
    }
    fe_invert_var(all, all);
    for (size_t i = count; i-- > 0;) {
        if (fe_is_zero(in[i].z)) {
            memset(&out[i], 0, sizeof out[i]);
            continue;
        }
        fe_mul(z_inv, all, before[i]);
        fe_mul(all, all, in[i].z);
        to_affine(&out[i], &in[i], z_inv);
    }
    free(before);
    return OK;
}

void p256_compress(point_t *out, const struct p256_affine *p)
{
    uint8_t y[32];
    memset(out, 0, sizeof *out);
    if (p256_affine_is_zero_var(p))
        return;
    fe_store(y, p->y);
    out->b[0] = 2 | (y[31] & 1);
    fe_store(out->b + 1, p->x);
}

void p256_compress_var(point_t *out, const struct p256_jacobian *p)
{
    struct p256_affine a;
    p256_to_affine_var(&a, p);
    p256_compress(out, &a);
}

void p256_neg(struct p256_affine *out, const struct p256_affine *p)
{
    fe_copy(out->x, p->x);
    fe_neg(out->y, p->y);
}

void p256_double_var(struct p256_jacobian *r, const struct p256_jacobian *a)
{
    if (fe_is_zero(a->z)) {
        p256_zero(r);
        return;
    }
    fe_t delta, gamma, beta, alpha, t, u;
    fe_sqr(delta, a->z);
    fe_sqr(gamma, a->y);
    fe_mul(beta, a->x, gamma);
    fe_sub(t, a->x, delta);
    fe_add(u, a->x, delta);
    fe_mul(alpha, t, u);
    fe_add(t, alpha, alpha);
    fe_add(alpha, alpha, t); /* 3 (x - z^2)(x + z^2) */
    fe_add(t, a->y, a->z);
    fe_sqr(t, t);
    fe_sub(t, t, gamma);
    fe_sub(r->z, t, delta);
    fe_add(beta, beta, beta);
    fe_add(beta, beta, beta); /* 4 beta */
    fe_sqr(t, alpha);
    fe_add(u, beta, beta);
    fe_sub(r->x, t, u);
    fe_sub(t, beta, r->x);
    fe_mul(t, t, alpha);
    fe_sqr(gamma, gamma);
    fe_add(gamma, gamma, gamma);
    fe_add(gamma, gamma, gamma);
    fe_add(gamma, gamma, gamma);
    fe_sub(r->y, t, gamma);
}

/* The end of both additions: h = u2 - u1 != 0, rr = 2 (s2 - s1), z3 = z h with the caller's z. */
static void add_finish(struct p256_jacobian *r, const fe_t u1, const fe_t s1, const fe_t h, const fe_t rr)
{
    fe_t i, j, v, t;
    fe_add(i, h, h);
    fe_sqr(i, i);
    fe_mul(j, h, i);
    fe_mul(v, u1, i);
    fe_mul(t, s1, j);
    fe_sqr(r->x, rr);
    fe_sub(r->x, r->x, j);
    fe_sub(r->x, r->x, v);
    fe_sub(r->x, r->x, v);
    fe_sub(v, v, r->x);
    fe_mul(v, v, rr);
    fe_add(t, t, t);
    fe_sub(r->y, v, t);
}

void p256_add_var(struct p256_jacobian *r, const struct p256_jacobian *a, const struct p256_jacobian *b)
{
    if (fe_is_zero(a->z)) {
        *r = *b;
        return;
    }
    if (fe_is_zero(b->z)) {
        *r = *a;
        return;
    }
    fe_t z1z1, z2z2, u1, u2, s1, s2, h, rr;
    fe_sqr(z1z1, a->z);
    fe_sqr(z2z2, b->z);
    fe_mul(u1, a->x, z2z2);
    fe_mul(u2, b->x, z1z1);
    fe_mul(s1, a->y, b->z);
    fe_mul(s1, s1, z2z2);
    fe_mul(s2, b->y, a->z);
    fe_mul(s2, s2, z1z1);
    fe_sub(h, u2, u1);
    fe_sub(rr, s2, s1);
    if (fe_is_zero(h)) {
        if (fe_is_zero(rr))
            p256_double_var(r, a);
        else
            p256_zero(r);
        return;
    }
    fe_add(rr, rr, rr);
    fe_mul(z1z1, a->z, b->z);
    fe_add(z1z1, z1z1, z1z1);
    fe_mul(r->z, z1z1, h);
    add_finish(r, u1, s1, h, rr);
}

void p256_add_affine_var(struct p256_jacobian *r, const struct p256_jacobian *a, const struct p256_affine *b)
{
    if (p256_affine_is_zero_var(b)) {
        *r = *a;
        return;
    }
    if (fe_is_zero(a->z)) {
        p256_from_affine(r, b);
        return;
    }
    fe_t zz, u1, u2, s1, s2, h, rr;
    fe_sqr(zz, a->z);
    fe_mul(u2, b->x, zz);
    fe_mul(s2, b->y, a->z);
    fe_mul(s2, s2, zz);
    fe_sub(h, u2, a->x);
    fe_sub(rr, s2, a->y);
    if (fe_is_zero(h)) {
        if (fe_is_zero(rr))
            p256_double_var(r, a);
        else
            p256_zero(r);
        return;
    }
    fe_copy(u1, a->x);
    fe_copy(s1, a->y);
    fe_add(rr, rr, rr);
    fe_add(zz, a->z, a->z);
    fe_mul(r->z, zz, h);
    add_finish(r, u1, s1, h, rr);
}

int p256_equal_var(const struct p256_jacobian *a, const struct p256_jacobian *b)
{
    int a_zero = fe_is_zero(a->z), b_zero = fe_is_zero(b->z);
    if (a_zero || b_zero)
        return a_zero && b_zero;
    fe_t za, zb, u, v;
    fe_sqr(za, a->z);
    fe_sqr(zb, b->z);
    fe_mul(u, a->x, zb);
    fe_mul(v, b->x, za);
    if (!fe_equal(u, v))
        return 0;
    fe_mul(za, za, a->z);
    fe_mul(zb, zb, b->z);
    fe_mul(u, a->y, zb);
    fe_mul(v, b->y, za);
    return fe_equal(u, v);
}
