/* The field of P-256 on eight elements side by side, for the files p256_ifma_*.c only; public data.
 *
 * An element is five limbs of 52 bits in five vectors. Products are Montgomery's with R = 2^260; the words in
 * memory (struct p256_affine) are x 2^256, and here they are taken as they are. So a product of two such
 * words lacks a factor of 2^4; who multiplies sees to that. p = -1 modulo 2^52, so the multiplier of a step
 * of the reduction is the lowest limb itself, and p + 1 has three limbs that are not zero.
 *
 * Three forms. Clean: limbs below 2^52. Raw: the low 52 bits of the limbs are those of the clean form, above
 * is anything, the top limb is clean; the multiplier looks at 52 bits only, so factors may be raw. Wide:
 * limbs are signed 64-bit summands; only the sum means something. A value is below 2^259 when it is
 * multiplied. */
#ifndef CEREMONY_MATH_P256_IFMA_FIELD_H
#define CEREMONY_MATH_P256_IFMA_FIELD_H

#include <immintrin.h>
#include <stdint.h>

#define IFMA_TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")))
#define IFMA_INLINE static inline __attribute__((always_inline)) IFMA_TARGET

typedef struct {
    __m512i l[5];
} fv_t;

/* limbs of p but the lowest, which is all ones; limb 2 is 0 */
#define FV_P1 INT64_C(0x00000fffffffffff)
#define FV_P3 INT64_C(0x0000001000000000)
#define FV_P4 INT64_C(0x0000ffffffff0000)
#define FV_MASK INT64_C(0x000fffffffffffff)

#define FV_SET(v) _mm512_set1_epi64(v)
#define FV_LO(t, a, b) _mm512_madd52lo_epu64(t, a, b)
#define FV_HI(t, a, b) _mm512_madd52hi_epu64(t, a, b)
#define FV_ADD(a, b) _mm512_add_epi64(a, b)
#define FV_SUB(a, b) _mm512_sub_epi64(a, b)

/* t += a b 2^(52 at), in t[at] and t[at + 1] */
#define FV_ROW1(at, x, y)                                                                                    \
    t[at] = FV_LO(t[at], x, y);                                                                              \
    t[(at) + 1] = FV_HI(t[(at) + 1], x, y)

/* One step of the reduction: adds t[at] p, which clears t[at], and carries it into the next. */
#define FV_STEP(at)                                                                                          \
    t[(at) + 1] = FV_ADD(t[(at) + 1], _mm512_srli_epi64(t[at], 52));                                         \
    t[(at) + 1] = FV_LO(t[(at) + 1], t[at], FV_SET(INT64_C(1) << 44));                                       \
    t[(at) + 2] = FV_HI(t[(at) + 2], t[at], FV_SET(INT64_C(1) << 44));                                       \
    t[(at) + 3] = FV_LO(t[(at) + 3], t[at], FV_SET(FV_P3));                                                  \
    t[(at) + 4] = FV_HI(t[(at) + 4], t[at], FV_SET(FV_P3));                                                  \
    t[(at) + 4] = FV_LO(t[(at) + 4], t[at], FV_SET(FV_P4));                                                  \
    t[(at) + 5] = FV_HI(t[(at) + 5], t[at], FV_SET(FV_P4))

/* t / 2^260 modulo p, wide: below t / 2^260 + p. Loops would leave t in memory. */
#define FV_REDUCE                                                                                            \
    FV_STEP(0);                                                                                              \
    FV_STEP(1);                                                                                              \
    FV_STEP(2);                                                                                              \
    FV_STEP(3);                                                                                              \
    FV_STEP(4)

#define FV_ZERO _mm512_setzero_si512()

/* wide to raw; the sum must be in 0 .. 2^260 - 1 */
IFMA_INLINE fv_t fv_carry(fv_t a)
{
    a.l[1] = FV_ADD(a.l[1], _mm512_srai_epi64(a.l[0], 52));
    a.l[2] = FV_ADD(a.l[2], _mm512_srai_epi64(a.l[1], 52));
    a.l[3] = FV_ADD(a.l[3], _mm512_srai_epi64(a.l[2], 52));
    a.l[4] = FV_ADD(a.l[4], _mm512_srai_epi64(a.l[3], 52));
    return a;
}

/* raw to clean */
IFMA_INLINE fv_t fv_clean(fv_t a)
{
    const __m512i mask = FV_SET(FV_MASK);
    return (fv_t){{_mm512_and_si512(a.l[0], mask), _mm512_and_si512(a.l[1], mask),
                   _mm512_and_si512(a.l[2], mask), _mm512_and_si512(a.l[3], mask), a.l[4]}};
}

#define FV_ROW(i)                                                                                            \
    FV_ROW1(i, a.l[i], b.l[0]);                                                                              \
    FV_ROW1(i + 1, a.l[i], b.l[1]);                                                                          \
    FV_ROW1(i + 2, a.l[i], b.l[2]);                                                                          \
    FV_ROW1(i + 3, a.l[i], b.l[3]);                                                                          \
    FV_ROW1(i + 4, a.l[i], b.l[4])

/* a b + c; c wide, of any sign */
IFMA_INLINE fv_t fv_mul_add_wide(fv_t a, fv_t b, fv_t c)
{
    __m512i t[10] = {FV_ZERO, FV_ZERO, FV_ZERO, FV_ZERO, FV_ZERO, c.l[0], c.l[1], c.l[2], c.l[3], c.l[4]};
    FV_ROW(0);
    FV_ROW(1);
    FV_ROW(2);
    FV_ROW(3);
    FV_ROW(4);
    FV_REDUCE;
    return (fv_t){{t[5], t[6], t[7], t[8], t[9]}};
}

IFMA_INLINE fv_t fv_mul_wide(fv_t a, fv_t b)
{
    return fv_mul_add_wide(a, b, (fv_t){{FV_ZERO, FV_ZERO, FV_ZERO, FV_ZERO, FV_ZERO}});
}

#define FV_DOUBLE(i) t[i] = FV_ADD(t[i], t[i])

/* a a + c. Products of two different limbs are doubled: those with the top limb by doubling that. What is
 * doubled of limbs 5 and 6 is summed apart from c. */
IFMA_INLINE fv_t fv_sqr_add_wide(fv_t a, fv_t c)
{
    __m512i t[10] = {FV_ZERO, FV_ZERO, FV_ZERO, FV_ZERO, FV_ZERO, FV_ZERO, FV_ZERO, c.l[2], c.l[3], c.l[4]};
    __m512i top = FV_ADD(a.l[4], a.l[4]);
    FV_ROW1(1, a.l[0], a.l[1]);
    FV_ROW1(2, a.l[0], a.l[2]);
    FV_ROW1(3, a.l[0], a.l[3]);
    FV_ROW1(3, a.l[1], a.l[2]);
    FV_ROW1(4, a.l[1], a.l[3]);
    FV_ROW1(5, a.l[2], a.l[3]);
    FV_DOUBLE(1);
    FV_DOUBLE(2);
    FV_DOUBLE(3);
    FV_DOUBLE(4);
    FV_DOUBLE(5);
    FV_DOUBLE(6);
    t[5] = FV_ADD(t[5], c.l[0]);
    t[6] = FV_ADD(t[6], c.l[1]);
    FV_ROW1(0, a.l[0], a.l[0]);
    FV_ROW1(2, a.l[1], a.l[1]);
    FV_ROW1(4, a.l[2], a.l[2]);
    FV_ROW1(6, a.l[3], a.l[3]);
    FV_ROW1(8, a.l[4], a.l[4]);
    FV_ROW1(4, a.l[0], top);
    FV_ROW1(5, a.l[1], top);
    FV_ROW1(6, a.l[2], top);
    FV_ROW1(7, a.l[3], top);
    FV_REDUCE;
    return (fv_t){{t[5], t[6], t[7], t[8], t[9]}};
}

IFMA_INLINE fv_t fv_sqr_wide(fv_t a)
{
    return fv_sqr_add_wide(a, (fv_t){{FV_ZERO, FV_ZERO, FV_ZERO, FV_ZERO, FV_ZERO}});
}

IFMA_INLINE fv_t fv_mul(fv_t a, fv_t b)
{
    return fv_carry(fv_mul_wide(a, b));
}

IFMA_INLINE fv_t fv_sqr(fv_t a)
{
    return fv_carry(fv_sqr_wide(a));
}

/* Summands, of clean or wide ones; the result is wide. */
IFMA_INLINE fv_t fv_add_wide(fv_t a, fv_t b)
{
    return (fv_t){{FV_ADD(a.l[0], b.l[0]), FV_ADD(a.l[1], b.l[1]), FV_ADD(a.l[2], b.l[2]),
                   FV_ADD(a.l[3], b.l[3]), FV_ADD(a.l[4], b.l[4])}};
}

IFMA_INLINE fv_t fv_sub_wide(fv_t a, fv_t b)
{
    return (fv_t){{FV_SUB(a.l[0], b.l[0]), FV_SUB(a.l[1], b.l[1]), FV_SUB(a.l[2], b.l[2]),
                   FV_SUB(a.l[3], b.l[3]), FV_SUB(a.l[4], b.l[4])}};
}

IFMA_INLINE fv_t fv_times_4(fv_t a)
{
    return (fv_t){{_mm512_slli_epi64(a.l[0], 2), _mm512_slli_epi64(a.l[1], 2), _mm512_slli_epi64(a.l[2], 2),
                   _mm512_slli_epi64(a.l[3], 2), _mm512_slli_epi64(a.l[4], 2)}};
}

/* k p, k < 8 */
IFMA_INLINE fv_t fv_p(int k)
{
    return (fv_t){{FV_SET(FV_MASK * k), FV_SET(FV_P1 * k), _mm512_setzero_si512(), FV_SET(FV_P3 * k),
                   FV_SET(FV_P4 * k)}};
}

/* a, or p - a in the lanes of m */
IFMA_INLINE fv_t fv_negate_wide(fv_t a, __mmask8 m)
{
    const fv_t p = fv_p(1);
    return (fv_t){
        {_mm512_mask_sub_epi64(a.l[0], m, p.l[0], a.l[0]), _mm512_mask_sub_epi64(a.l[1], m, p.l[1], a.l[1]),
         _mm512_mask_sub_epi64(a.l[2], m, p.l[2], a.l[2]), _mm512_mask_sub_epi64(a.l[3], m, p.l[3], a.l[3]),
         _mm512_mask_sub_epi64(a.l[4], m, p.l[4], a.l[4])}};
}

IFMA_INLINE fv_t fv_const(const uint64_t limb[5])
{
    return (fv_t){{FV_SET((int64_t)limb[0]), FV_SET((int64_t)limb[1]), FV_SET((int64_t)limb[2]),
                   FV_SET((int64_t)limb[3]), FV_SET((int64_t)limb[4])}};
}

/* b in the lanes of m, a in the others */
IFMA_INLINE fv_t fv_select(fv_t a, fv_t b, __mmask8 m)
{
    return (fv_t){{_mm512_mask_mov_epi64(a.l[0], m, b.l[0]), _mm512_mask_mov_epi64(a.l[1], m, b.l[1]),
                   _mm512_mask_mov_epi64(a.l[2], m, b.l[2]), _mm512_mask_mov_epi64(a.l[3], m, b.l[3]),
                   _mm512_mask_mov_epi64(a.l[4], m, b.l[4])}};
}

/* Clean a below 2^257, minus p where a is not below p. */
IFMA_INLINE fv_t fv_minus_p_once(fv_t a)
{
    fv_t d = fv_carry(fv_sub_wide(a, fv_p(1)));
    __mmask8 keep = _mm512_movepi64_mask(d.l[4]);
    return fv_select(fv_clean(d), a, keep);
}

/* Wide, in 0 .. 15p, to clean and below p. The multiple of p is guessed from the top; what is left is below p
 * but for about one in 2^32, and is looked at again then. */
IFMA_INLINE fv_t fv_canonical(fv_t a)
{
    __m512i q = _mm512_srai_epi64(FV_ADD(a.l[4], _mm512_srai_epi64(a.l[3], 52)), 48);
    a.l[0] = FV_ADD(a.l[0], q);
    a.l[1] = FV_SUB(a.l[1], _mm512_slli_epi64(q, 44));
    a.l[3] = FV_SUB(a.l[3], _mm512_slli_epi64(q, 36));
    a.l[4] = FV_ADD(FV_SUB(a.l[4], _mm512_slli_epi64(q, 48)), _mm512_slli_epi64(q, 16));
    a = fv_clean(fv_carry(a));
    if (__builtin_expect(_mm512_cmpge_epu64_mask(a.l[4], FV_SET(FV_P4)) != 0, 0))
        a = fv_minus_p_once(a);
    return a;
}

/* From 4 words to 5 limbs, clean. */
IFMA_INLINE fv_t fv_unpack(const __m512i w[4])
{
    const __m512i mask = FV_SET(FV_MASK);
    fv_t r; /* 0xa8: (a | b) & c */
    r.l[0] = _mm512_and_si512(w[0], mask);
    r.l[1] = _mm512_ternarylogic_epi64(_mm512_srli_epi64(w[0], 52), _mm512_slli_epi64(w[1], 12), mask, 0xa8);
    r.l[2] = _mm512_ternarylogic_epi64(_mm512_srli_epi64(w[1], 40), _mm512_slli_epi64(w[2], 24), mask, 0xa8);
    r.l[3] = _mm512_ternarylogic_epi64(_mm512_srli_epi64(w[2], 28), _mm512_slli_epi64(w[3], 36), mask, 0xa8);
    r.l[4] = _mm512_srli_epi64(w[3], 16);
    return r;
}

/* Clean and below 2^256, to words. */
IFMA_INLINE void fv_pack(__m512i w[4], fv_t a)
{
    w[0] = _mm512_or_si512(a.l[0], _mm512_slli_epi64(a.l[1], 52));
    w[1] = _mm512_or_si512(_mm512_srli_epi64(a.l[1], 12), _mm512_slli_epi64(a.l[2], 40));
    w[2] = _mm512_or_si512(_mm512_srli_epi64(a.l[2], 24), _mm512_slli_epi64(a.l[3], 28));
    w[3] = _mm512_or_si512(_mm512_srli_epi64(a.l[3], 36), _mm512_slli_epi64(a.l[4], 16));
}

#define PAIR(lo, hi)                                                                                         \
    _mm512_inserti64x4(_mm512_castsi256_si512(_mm256_loadu_si256((const __m256i *)(const void *)(lo))),      \
                       _mm256_loadu_si256((const __m256i *)(const void *)(hi)), 1)
#define EVEN _mm512_setr_epi64(0, 1, 8, 9, 4, 5, 12, 13)
#define ODD _mm512_setr_epi64(2, 3, 10, 11, 6, 7, 14, 15)

/* Four words of eight rows, word by word. */
IFMA_INLINE void transpose_in(__m512i w[4], const void *r0, const void *r1, const void *r2, const void *r3,
                              const void *r4, const void *r5, const void *r6, const void *r7)
{
    __m512i a = PAIR(r0, r4), b = PAIR(r1, r5), c = PAIR(r2, r6), d = PAIR(r3, r7);
    __m512i ab0 = _mm512_unpacklo_epi64(a, b), ab1 = _mm512_unpackhi_epi64(a, b);
    __m512i cd0 = _mm512_unpacklo_epi64(c, d), cd1 = _mm512_unpackhi_epi64(c, d);
    w[0] = _mm512_permutex2var_epi64(ab0, EVEN, cd0);
    w[1] = _mm512_permutex2var_epi64(ab1, EVEN, cd1);
    w[2] = _mm512_permutex2var_epi64(ab0, ODD, cd0);
    w[3] = _mm512_permutex2var_epi64(ab1, ODD, cd1);
}

#define UNPAIR(lo, hi, v)                                                                                    \
    do {                                                                                                     \
        _mm256_storeu_si256((__m256i *)(void *)(lo), _mm512_castsi512_si256(v));                             \
        _mm256_storeu_si256((__m256i *)(void *)(hi), _mm512_extracti64x4_epi64(v, 1));                       \
    } while (0)

IFMA_INLINE void transpose_out(const __m512i w[4], void *r0, void *r1, void *r2, void *r3, void *r4, void *r5,
                               void *r6, void *r7)
{
    __m512i ab0 = _mm512_permutex2var_epi64(w[0], EVEN, w[2]),
            cd0 = _mm512_permutex2var_epi64(w[0], ODD, w[2]);
    __m512i ab1 = _mm512_permutex2var_epi64(w[1], EVEN, w[3]),
            cd1 = _mm512_permutex2var_epi64(w[1], ODD, w[3]);
    UNPAIR(r0, r4, _mm512_unpacklo_epi64(ab0, ab1));
    UNPAIR(r1, r5, _mm512_unpackhi_epi64(ab0, ab1));
    UNPAIR(r2, r6, _mm512_unpacklo_epi64(cd0, cd1));
    UNPAIR(r3, r7, _mm512_unpackhi_epi64(cd0, cd1));
}

/* Lanes where two canonical elements are equal. */
IFMA_INLINE __mmask8 fv_equal(fv_t a, fv_t b)
{
    __mmask8 m = _mm512_cmpeq_epi64_mask(a.l[0], b.l[0]);
    m = _mm512_mask_cmpeq_epi64_mask(m, a.l[1], b.l[1]);
    m = _mm512_mask_cmpeq_epi64_mask(m, a.l[2], b.l[2]);
    m = _mm512_mask_cmpeq_epi64_mask(m, a.l[3], b.l[3]);
    return _mm512_mask_cmpeq_epi64_mask(m, a.l[4], b.l[4]);
}

#endif
