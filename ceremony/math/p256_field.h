/* The field of P-256, p = 2^256 - 2^224 + 2^192 + 2^96 - 1, for p256_var, p256_msm and p256_ct.
 *
 * Elements are four 64-bit limbs, least significant first, in Montgomery form (R = 2^256), always fully
 * reduced, so that equality is equality of limbs. Every function here but fe_is_zero, fe_equal and
 * fe_load runs the same instructions whatever the values; outputs may be inputs. */
#ifndef CEREMONY_MATH_P256_FIELD_H
#define CEREMONY_MATH_P256_FIELD_H

#include <stdint.h>
#include <string.h>

typedef uint64_t fe_t[4];
typedef unsigned __int128 fe_wide;

#define FE_P0 UINT64_C(0xffffffffffffffff)
#define FE_P1 UINT64_C(0x00000000ffffffff)
#define FE_P3 UINT64_C(0xffffffff00000001)

extern const fe_t fe_one;
extern const fe_t fe_curve_b;

void fe_mul(fe_t r, const fe_t a, const fe_t b);
void fe_sqr(fe_t r, const fe_t a);
/* 1/a by Fermat; 0 gives 0. */
void fe_invert(fe_t r, const fe_t a);
/* a^((p+1)/4): a square root of a if there is one. */
void fe_sqrt(fe_t r, const fe_t a);
/* Reads big-endian; 0 unless below p. */
int fe_load(fe_t r, const uint8_t in[32]);
void fe_store(uint8_t out[32], const fe_t a);

/* r = (carry:t) - p if that is not negative, else t. carry: 0 or 1; (carry:t) < 2p. */
static inline void fe_reduce_once(fe_t r, const uint64_t t[4], uint64_t carry)
{
    uint64_t s[4];
    fe_wide d = (fe_wide)t[0] - FE_P0;
    s[0] = (uint64_t)d;
    d = (fe_wide)t[1] - FE_P1 - ((uint64_t)(d >> 64) & 1);
    s[1] = (uint64_t)d;
    d = (fe_wide)t[2] - ((uint64_t)(d >> 64) & 1);
    s[2] = (uint64_t)d;
    d = (fe_wide)t[3] - FE_P3 - ((uint64_t)(d >> 64) & 1);
    s[3] = (uint64_t)d;
    d = (fe_wide)carry - ((uint64_t)(d >> 64) & 1);
    uint64_t keep = (uint64_t)(d >> 64);
    for (int i = 0; i < 4; i++)
        r[i] = (t[i] & keep) | (s[i] & ~keep);
}

static inline void fe_add(fe_t r, const fe_t a, const fe_t b)
{
    uint64_t t[4];
    fe_wide s = 0;
    for (int i = 0; i < 4; i++) {
        s += (fe_wide)a[i] + b[i];
        t[i] = (uint64_t)s;
        s >>= 64;
    }
    fe_reduce_once(r, t, (uint64_t)s);
}

static inline void fe_sub(fe_t r, const fe_t a, const fe_t b)
{
    uint64_t t[4], borrow = 0;
    for (int i = 0; i < 4; i++) {
        fe_wide d = (fe_wide)a[i] - b[i] - borrow;
        t[i] = (uint64_t)d;
        borrow = (uint64_t)(d >> 64) & 1;
    }
    uint64_t mask = 0 - borrow;
    fe_wide s = (fe_wide)t[0] + (FE_P0 & mask);
    r[0] = (uint64_t)s;
    s = (fe_wide)t[1] + (FE_P1 & mask) + (uint64_t)(s >> 64);
    r[1] = (uint64_t)s;
    s = (fe_wide)t[2] + (uint64_t)(s >> 64);
    r[2] = (uint64_t)s;
    r[3] = t[3] + (FE_P3 & mask) + (uint64_t)(s >> 64);
}

static inline void fe_copy(fe_t r, const fe_t a)
{
    memcpy(r, a, sizeof(fe_t));
}

static inline void fe_zero(fe_t r)
{
    memset(r, 0, sizeof(fe_t));
}

static inline void fe_neg(fe_t r, const fe_t a)
{
    static const fe_t zero = {0, 0, 0, 0};
    fe_sub(r, zero, a);
}

static inline int fe_is_zero(const fe_t a)
{
    return (a[0] | a[1] | a[2] | a[3]) == 0;
}

static inline int fe_equal(const fe_t a, const fe_t b)
{
    return ((a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2]) | (a[3] ^ b[3])) == 0;
}

#endif
