/* The field of P-256, p = 2^256 - 2^224 + 2^192 + 2^96 - 1, for p256_var and its sums, for fixed.c,
 * and for whoever needs a coordinate.
 *
 * Elements are four 64-bit limbs, least significant first, in Montgomery form (R = 2^256), always fully
 * reduced, so that equality is equality of limbs. Every function here but fe_invert_var, fe_is_zero, fe_equal
 * and fe_load runs the same instructions whatever the values; outputs may be inputs. */
#ifndef CEREMONY_MATH_P256_FIELD_H
#define CEREMONY_MATH_P256_FIELD_H

#include <stddef.h>
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
/* r[i] = a[i] b[i], and r[i] = a[i]^2, i < n */
void fe_mul_each(fe_t *r, const fe_t *a, const fe_t *b, size_t n);
void fe_sqr_each(fe_t *r, const fe_t *a, size_t n);
/* 1/a by Fermat; 0 gives 0. */
void fe_invert(fe_t r, const fe_t a);
/* The same for public data, in a third of the time (GMP). */
void fe_invert_var(fe_t r, const fe_t a);
/* r[i] = a[i]^((p+1)/4): a square root of a[i] if there is one. count <= FE_MANY; four together take little
 * more time than two. */
#define FE_MANY 4
void fe_sqrt_many(fe_t *r, const fe_t *a, size_t count);
/* Reads big-endian; 0 unless below p. */
int fe_load(fe_t r, const uint8_t in[32]);
void fe_store(uint8_t out[32], const fe_t a);

/* *s = a + b + carry, and *s = a - b - borrow; return the carry and the borrow, 0 or 1. Compilers need to be
 * told that these are single instructions: written with fe_wide, sums take twice the time. */
#if defined(__clang__)
static inline uint64_t fe_adc(uint64_t *s, uint64_t a, uint64_t b, uint64_t carry)
{
    unsigned long long out;
    *s = __builtin_addcll(a, b, carry, &out);
    return out;
}

static inline uint64_t fe_sbb(uint64_t *s, uint64_t a, uint64_t b, uint64_t borrow)
{
    unsigned long long out;
    *s = __builtin_subcll(a, b, borrow, &out);
    return out;
}
#elif defined(__x86_64__)
static inline uint64_t fe_adc(uint64_t *s, uint64_t a, uint64_t b, uint64_t carry)
{
    unsigned long long out;
    uint64_t c = __builtin_ia32_addcarryx_u64((unsigned char)carry, a, b, &out);
    *s = out;
    return c;
}

static inline uint64_t fe_sbb(uint64_t *s, uint64_t a, uint64_t b, uint64_t borrow)
{
    unsigned long long out;
    uint64_t c = __builtin_ia32_sbb_u64((unsigned char)borrow, a, b, &out);
    *s = out;
    return c;
}
#else
static inline uint64_t fe_adc(uint64_t *s, uint64_t a, uint64_t b, uint64_t carry)
{
    fe_wide w = (fe_wide)a + b + carry;
    *s = (uint64_t)w;
    return (uint64_t)(w >> 64);
}

static inline uint64_t fe_sbb(uint64_t *s, uint64_t a, uint64_t b, uint64_t borrow)
{
    fe_wide w = (fe_wide)a - b - borrow;
    *s = (uint64_t)w;
    return (uint64_t)(w >> 64) & 1;
}
#endif

/* r = a + b, and r = a - b, modulo 2^256; return all ones for a carry, for a borrow, else 0. gcc's own code
 * for the chain of carries takes twice as long. */
#if defined(__x86_64__) && !defined(__clang__)
#define FE_CHAIN(first, next, r, a, b)                                                                       \
    uint64_t r0_ = (a)[0], r1_ = (a)[1], r2_ = (a)[2], r3_ = (a)[3], mask_;                                  \
    __asm__(first " %5, %0\n\t" next " %6, %1\n\t" next " %7, %2\n\t" next " %8, %3\n\tsbbq %4, %4"          \
            : "+&r"(r0_), "+&r"(r1_), "+&r"(r2_), "+&r"(r3_), "=&r"(mask_)                                   \
            : "rm"((b)[0]), "rm"((b)[1]), "rm"((b)[2]), "rm"((b)[3])                                         \
            : "cc");                                                                                         \
    (r)[0] = r0_;                                                                                            \
    (r)[1] = r1_;                                                                                            \
    (r)[2] = r2_;                                                                                            \
    (r)[3] = r3_;                                                                                            \
    return mask_

static inline uint64_t fe_limbs_add(uint64_t r[4], const uint64_t a[4], const uint64_t b[4])
{
    FE_CHAIN("addq", "adcq", r, a, b);
}

static inline uint64_t fe_limbs_sub(uint64_t r[4], const uint64_t a[4], const uint64_t b[4])
{
    FE_CHAIN("subq", "sbbq", r, a, b);
}
#else
static inline uint64_t fe_limbs_add(uint64_t r[4], const uint64_t a[4], const uint64_t b[4])
{
    uint64_t c = fe_adc(&r[0], a[0], b[0], 0);
    c = fe_adc(&r[1], a[1], b[1], c);
    c = fe_adc(&r[2], a[2], b[2], c);
    return 0 - fe_adc(&r[3], a[3], b[3], c);
}

static inline uint64_t fe_limbs_sub(uint64_t r[4], const uint64_t a[4], const uint64_t b[4])
{
    uint64_t c = fe_sbb(&r[0], a[0], b[0], 0);
    c = fe_sbb(&r[1], a[1], b[1], c);
    c = fe_sbb(&r[2], a[2], b[2], c);
    return 0 - fe_sbb(&r[3], a[3], b[3], c);
}
#endif

/* r = (carry:t) - p if that is not negative, else t. carry: 0 or 1; (carry:t) < 2p. */
static inline void fe_reduce_once(fe_t r, const uint64_t t[4], uint64_t carry)
{
#if defined(__x86_64__) && !defined(__clang__)
    static const uint64_t p1 = FE_P1, p3 = FE_P3;
    uint64_t s0 = t[0], s1 = t[1], s2 = t[2], s3 = t[3];
    __asm__("subq $-1, %0\n\tsbbq %9, %1\n\tsbbq $0, %2\n\tsbbq %10, %3\n\tsbbq $0, %4\n\t"
            "cmovcq %5, %0\n\tcmovcq %6, %1\n\tcmovcq %7, %2\n\tcmovcq %8, %3"
            : "+&r"(s0), "+&r"(s1), "+&r"(s2), "+&r"(s3), "+&r"(carry)
            : "rm"(t[0]), "rm"(t[1]), "rm"(t[2]), "rm"(t[3]), "m"(p1), "m"(p3)
            : "cc");
    r[0] = s0;
    r[1] = s1;
    r[2] = s2;
    r[3] = s3;
#else
    uint64_t s[4], unused, c;
    c = fe_sbb(&s[0], t[0], FE_P0, 0);
    c = fe_sbb(&s[1], t[1], FE_P1, c);
    c = fe_sbb(&s[2], t[2], 0, c);
    c = fe_sbb(&s[3], t[3], FE_P3, c);
    uint64_t keep = 0 - fe_sbb(&unused, carry, 0, c);
    r[0] = (t[0] & keep) | (s[0] & ~keep);
    r[1] = (t[1] & keep) | (s[1] & ~keep);
    r[2] = (t[2] & keep) | (s[2] & ~keep);
    r[3] = (t[3] & keep) | (s[3] & ~keep);
#endif
}

static inline void fe_add(fe_t r, const fe_t a, const fe_t b)
{
    uint64_t t[4], carry = fe_limbs_add(t, a, b);
    fe_reduce_once(r, t, carry & 1);
}

static inline void fe_sub(fe_t r, const fe_t a, const fe_t b)
{
    uint64_t t[4], mask = fe_limbs_sub(t, a, b);
    const uint64_t p[4] = {FE_P0 & mask, FE_P1 & mask, 0, FE_P3 & mask};
    (void)fe_limbs_add(r, t, p);
}

/* r = a where mask is 0, -a where it is all ones; a is not 0 then */
static inline void fe_negate_if(fe_t r, const fe_t a, uint64_t mask)
{
    static const uint64_t p[4] = {FE_P0, FE_P1, 0, FE_P3};
    uint64_t t[4];
    (void)fe_limbs_sub(t, p, a);
    r[0] = a[0] ^ ((a[0] ^ t[0]) & mask);
    r[1] = a[1] ^ ((a[1] ^ t[1]) & mask);
    r[2] = a[2] ^ ((a[2] ^ t[2]) & mask);
    r[3] = a[3] ^ ((a[3] ^ t[3]) & mask);
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
