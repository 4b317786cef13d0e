#include "ceremony/math/scalar_var.h"

#include <endian.h>
#include <string.h>

#include "ceremony/math/p256_field.h"

typedef unsigned __int128 wide;

static const uint64_t order[4] = {UINT64_C(0xf3b9cac2fc632551), UINT64_C(0xbce6faada7179e84),
                                  UINT64_C(0xffffffffffffffff), UINT64_C(0xffffffff00000000)};
/* 2^512 mod q, and -1/q mod 2^64 */
static const uint64_t order_rr[4] = {UINT64_C(0x83244c95be79eea2), UINT64_C(0x4699799c49bd6fa6),
                                     UINT64_C(0x2845b2392b6bec59), UINT64_C(0x66e12d94f3d95620)};
#define ORDER_NEG_INV UINT64_C(0xccd1c8aaee00bc4f)

/* r = (carry:t) mod q, for values below 2q; without a branch, which would be taken every other time */
static void reduce_once(uint64_t r[4], const uint64_t t[4], uint64_t carry)
{
    uint64_t s[4];
    uint64_t keep = fe_limbs_sub(s, t, order) & (carry - 1);
    for (int i = 0; i < 4; i++)
        r[i] = s[i] ^ ((s[i] ^ t[i]) & keep);
}

/* *w += a b + carry; returns what does not fit. Written out below: a loop takes twice the time. */
static inline uint64_t mul_add(uint64_t *w, uint64_t a, uint64_t b, uint64_t carry)
{
    wide s = (wide)a * b + *w + carry;
    *w = (uint64_t)s;
    return (uint64_t)(s >> 64);
}

/* t = (t + a b + m q) / 2^64, with m so that it can be divided */
static inline void mont_row(uint64_t t[5], uint64_t a, const uint64_t b[4])
{
    uint64_t c = mul_add(&t[0], a, b[0], 0);
    c = mul_add(&t[1], a, b[1], c);
    c = mul_add(&t[2], a, b[2], c);
    c = mul_add(&t[3], a, b[3], c);
    wide top = (wide)t[4] + c;
    uint64_t m = t[0] * ORDER_NEG_INV;
    c = mul_add(&t[0], m, order[0], 0);
    c = mul_add(&t[1], m, order[1], c);
    c = mul_add(&t[2], m, order[2], c);
    c = mul_add(&t[3], m, order[3], c);
    top += c;
    t[0] = t[1];
    t[1] = t[2];
    t[2] = t[3];
    t[3] = (uint64_t)top;
    t[4] = (uint64_t)(top >> 64);
}

/* r = a b / 2^256 mod q, by rows (CIOS) */
static void mont_mul(uint64_t r[4], const uint64_t a[4], const uint64_t b[4])
{
    uint64_t t[5] = {0};
    mont_row(t, a[0], b);
    mont_row(t, a[1], b);
    mont_row(t, a[2], b);
    mont_row(t, a[3], b);
    reduce_once(r, t, t[4]);
}

err_t scalar_var_load(scalar_var_t *out, const scalar_t *in)
{
    uint64_t t[4];
    for (int i = 0; i < 4; i++) {
        memcpy(&out->w[i], in->b + 8 * (3 - i), 8);
        out->w[i] = be64toh(out->w[i]);
    }
    if (fe_limbs_sub(t, out->w, order))
        return OK;
    memset(out, 0, sizeof *out);
    return ERR_SCALAR;
}

void scalar_var_store(scalar_t *out, const scalar_var_t *in)
{
    for (int i = 0; i < 4; i++) {
        uint64_t w = htobe64(in->w[i]);
        memcpy(out->b + 8 * (3 - i), &w, 8);
    }
}

void scalar_var_set(scalar_var_t *out, uint64_t v)
{
    *out = (scalar_var_t){{v, 0, 0, 0}};
}

void scalar_var_add(scalar_var_t *out, const scalar_var_t *a, const scalar_var_t *b)
{
    uint64_t t[4];
    uint64_t carry = fe_limbs_add(t, a->w, b->w);
    reduce_once(out->w, t, carry & 1);
}

void scalar_var_sub(scalar_var_t *out, const scalar_var_t *a, const scalar_var_t *b)
{
    uint64_t t[4], minus = fe_limbs_sub(t, a->w, b->w);
    const uint64_t q[4] = {order[0] & minus, order[1] & minus, order[2] & minus, order[3] & minus};
    (void)fe_limbs_add(out->w, t, q);
}

void scalar_var_factor(scalar_factor_t *out, const scalar_var_t *a)
{
    mont_mul(out->w, a->w, order_rr);
}

void scalar_var_mul(scalar_var_t *out, const scalar_factor_t *a, const scalar_var_t *b)
{
    mont_mul(out->w, a->w, b->w);
}

void scalar_var_mul_add(scalar_var_t *out, const scalar_factor_t *a, const scalar_var_t *b)
{
    scalar_var_t t;
    scalar_var_mul(&t, a, b);
    scalar_var_add(out, out, &t);
}

void scalar_wide_mul_add(scalar_wide_t *sum, const uint64_t a[2], const scalar_var_t *b)
{
    uint64_t *w = sum->w, low, high;
    low = mul_add(&w[0], a[0], b->w[0], 0);
    low = mul_add(&w[1], a[0], b->w[1], low);
    low = mul_add(&w[2], a[0], b->w[2], low);
    low = mul_add(&w[3], a[0], b->w[3], low);
    high = mul_add(&w[1], a[1], b->w[0], 0);
    high = mul_add(&w[2], a[1], b->w[1], high);
    high = mul_add(&w[3], a[1], b->w[2], high);
    wide s = (wide)a[1] * b->w[3] + w[4] + high; /* has room for low, too */
    s += low;
    w[4] = (uint64_t)s;
    s = (s >> 64) + w[5];
    w[5] = (uint64_t)s;
    w[6] += (uint64_t)(s >> 64);
}

void scalar_wide_add(scalar_wide_t *sum, const scalar_wide_t *other)
{
    wide s = 0;
    for (int i = 0; i < 7; i++) {
        s += (wide)sum->w[i] + other->w[i];
        sum->w[i] = (uint64_t)s;
        s >>= 64;
    }
}

/* 2^256 high + low: high 2^256 is one Montgomery product with 2^512. */
void scalar_wide_reduce(scalar_var_t *out, const scalar_wide_t *sum)
{
    uint64_t high[4] = {sum->w[4], sum->w[5], sum->w[6], 0}, low[4];
    scalar_var_t h, l;
    mont_mul(h.w, high, order_rr);
    memcpy(low, sum->w, sizeof low);
    reduce_once(l.w, low, 0);
    scalar_var_add(out, &h, &l);
}
