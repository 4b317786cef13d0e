#include "ceremony/math/scalar_var.h"

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
        out->w[i] = 0;
        for (int j = 0; j < 8; j++)
            out->w[i] = out->w[i] << 8 | in->b[8 * (3 - i) + j];
    }
    if (sub4(t, out->w, order))
        return OK;
    memset(out, 0, sizeof *out);
    return ERR_SCALAR;
}

void scalar_var_store(scalar_t *out, const scalar_var_t *in)
{
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 8; j++)
            out->b[8 * (3 - i) + j] = (uint8_t)(in->w[i] >> (56 - 8 * j));
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
