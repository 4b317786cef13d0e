#include "ceremony/math/scalar_var.h"

#include <endian.h>
#include <string.h>

typedef unsigned __int128 wide;

static const uint64_t order[4] = {UINT64_C(0xf3b9cac2fc632551), UINT64_C(0xbce6faada7179e84),
                                  UINT64_C(0xffffffffffffffff), UINT64_C(0xffffffff00000000)};
/* 2^512 mod q, and -1/q mod 2^64 */
static const uint64_t order_rr[4] = {UINT64_C(0x83244c95be79eea2), UINT64_C(0x4699799c49bd6fa6),
                                     UINT64_C(0x2845b2392b6bec59), UINT64_C(0x66e12d94f3d95620)};
#define ORDER_NEG_INV UINT64_C(0xccd1c8aaee00bc4f)

static uint64_t add4(uint64_t r[4], const uint64_t a[4], const uint64_t b[4])
{
    wide s = 0;
    for (int i = 0; i < 4; i++) {
        s += (wide)a[i] + b[i];
        r[i] = (uint64_t)s;
        s >>= 64;
    }
    return (uint64_t)s;
}

static uint64_t sub4(uint64_t r[4], const uint64_t a[4], const uint64_t b[4])
{
    uint64_t borrow = 0;
    for (int i = 0; i < 4; i++) {
        wide d = (wide)a[i] - b[i] - borrow;
        r[i] = (uint64_t)d;
        borrow = (uint64_t)(d >> 64) & 1;
    }
    return borrow;
}

/* r = (carry:t) mod q, for values below 2q */
static void reduce_once(uint64_t r[4], const uint64_t t[4], uint64_t carry)
{
    uint64_t s[4];
    uint64_t borrow = sub4(s, t, order);
    memcpy(r, carry || !borrow ? s : t, sizeof s);
}

/* r = a b / 2^256 mod q, by rows (CIOS) */
static void mont_mul(uint64_t r[4], const uint64_t a[4], const uint64_t b[4])
{
    uint64_t t[6] = {0};
    for (int i = 0; i < 4; i++) {
        wide s = 0;
        for (int j = 0; j < 4; j++) {
            s += (wide)a[i] * b[j] + t[j];
            t[j] = (uint64_t)s;
            s >>= 64;
        }
        s += t[4];
        t[4] = (uint64_t)s;
        t[5] = (uint64_t)(s >> 64);
        uint64_t m = t[0] * ORDER_NEG_INV;
        s = ((wide)m * order[0] + t[0]) >> 64;
        for (int j = 1; j < 4; j++) {
            s += (wide)m * order[j] + t[j];
            t[j - 1] = (uint64_t)s;
            s >>= 64;
        }
        s += t[4];
        t[3] = (uint64_t)s;
        t[4] = t[5] + (uint64_t)(s >> 64);
    }
    reduce_once(r, t, t[4]);
}

err_t scalar_var_load(scalar_var_t *out, const scalar_t *in)
{
    uint64_t t[4];
    for (int i = 0; i < 4; i++) {
        memcpy(&out->w[i], in->b + 8 * (3 - i), 8);
        out->w[i] = be64toh(out->w[i]);
    }
    if (sub4(t, out->w, order))
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
    uint64_t carry = add4(t, a->w, b->w);
    reduce_once(out->w, t, carry);
}

void scalar_var_sub(scalar_var_t *out, const scalar_var_t *a, const scalar_var_t *b)
{
    if (sub4(out->w, a->w, b->w))
        add4(out->w, out->w, order);
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

/* sum += a b, from limb at on */
static void row_add(scalar_wide_t *sum, int at, uint64_t a, const uint64_t b[4])
{
    wide s = 0;
    for (int j = 0; j < 4; j++) {
        s += (wide)a * b[j] + sum->w[at + j];
        sum->w[at + j] = (uint64_t)s;
        s >>= 64;
    }
    for (int j = at + 4; j < 7; j++) {
        s += sum->w[j];
        sum->w[j] = (uint64_t)s;
        s >>= 64;
    }
}

void scalar_wide_mul_add(scalar_wide_t *sum, const uint64_t a[2], const scalar_var_t *b)
{
    row_add(sum, 0, a[0], b->w);
    row_add(sum, 1, a[1], b->w);
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
