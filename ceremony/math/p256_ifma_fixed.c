/* Eight secret multiples of one fixed point. Every step is the same for every digit: rows are read whole, and
 * what does not apply to a lane is masked out. Of p256_ifma_field.h only what has no branch is used: not
 * fv_canonical. */
#include "ceremony/math/p256_ifma.h"

#if P256_HAVE_IFMA

#include "ceremony/math/fixed_lanes.h"
#include "ceremony/math/p256_ifma_field.h"

/* 2^260 modulo p */
static const uint64_t one_260[5] = {0x0000000000010, 0xf000000000000, 0xfffffffffffff, 0xffeffffffffff,
                                    0x00000000fffff};

struct sum {
    fv_t x, y;     /* clean, below p + 2^229 */
    fv_t zz, zzz;  /* raw, below 2p */
    __mmask8 none; /* lanes that are still the identity */
};

/* Wide, in 0 .. 15p, to clean and below p + 2^229: fv_canonical without its last look. */
IFMA_INLINE fv_t weak(fv_t a)
{
    __m512i q = _mm512_srai_epi64(FV_ADD(a.l[4], _mm512_srai_epi64(a.l[3], 52)), 48);
    a.l[0] = FV_ADD(a.l[0], q);
    a.l[1] = FV_SUB(a.l[1], _mm512_slli_epi64(q, 44));
    a.l[3] = FV_SUB(a.l[3], _mm512_slli_epi64(q, 36));
    a.l[4] = FV_ADD(FV_SUB(a.l[4], _mm512_slli_epi64(q, 48)), _mm512_slli_epi64(q, 16));
    return fv_clean(fv_carry(a));
}

/* a - b + k p, as a factor */
IFMA_INLINE fv_t less(fv_t a, fv_t b, int k)
{
    return fv_carry(fv_add_wide(fv_sub_wide(a, b), fv_p(k)));
}

IFMA_INLINE fv_t choose(fv_t a, __mmask8 take_b, fv_t b)
{
#pragma GCC unroll 5
    for (int i = 0; i < 5; i++)
        a.l[i] = _mm512_mask_mov_epi64(a.l[i], take_b, b.l[i]);
    return a;
}

/* Word by word of all entries, for eight digits: each of the row's vectors is read, whatever they are. */
IFMA_INLINE __m512i word_read(const uint64_t word[FIXED_ENTRIES], __m512i at)
{
    __m512i low = _mm512_permutex2var_epi64(_mm512_load_si512(word), at, _mm512_load_si512(word + 8));
    __m512i high = _mm512_permutex2var_epi64(_mm512_load_si512(word + 16), at, _mm512_load_si512(word + 24));
    return _mm512_mask_mov_epi64(low, _mm512_test_epi64_mask(at, FV_SET(16)), high);
}

/* The entries of one row, y with its sign; lanes whose digit is 0 get any. Clean. */
IFMA_INLINE void entry_read(fv_t *x, fv_t *y, const uint64_t row[8][FIXED_ENTRIES], __m512i digit,
                            __mmask8 minus)
{
    __m512i w[8], at = FV_SUB(digit, FV_SET(1));
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++)
        w[i] = word_read(row[i], at);
    *x = fv_unpack(w);
    *y = fv_unpack(w + 4);
    *y = choose(*y, minus, fv_clean(fv_carry(fv_sub_wide(fv_p(1), *y))));
}

/* s += (x2, y2): madd of XYZZ coordinates (Hyperelliptic.org, EFD). Neither equal nor opposite points meet
 * here: see fixed.c. Bounds in multiples of p: factors below 4, so products below 2. */
IFMA_INLINE void sum_add(struct sum *s, fv_t x2, fv_t y2, __mmask8 nothing)
{
    fv_t p = less(fv_mul_wide(x2, s->zz), s->x, 2);
    fv_t r = less(fv_mul_wide(y2, s->zzz), s->y, 2);
    fv_t pp = fv_sqr(p);
    fv_t ppp_wide = fv_mul_wide(p, pp), ppp = fv_carry(ppp_wide);
    fv_t q = fv_mul_wide(s->x, pp);
    fv_t x3 = fv_sub_wide(fv_sub_wide(fv_sqr_wide(r), ppp_wide), fv_add_wide(q, q));
    x3 = weak(fv_add_wide(x3, fv_p(6)));
    fv_t y3 = fv_sub_wide(fv_mul_wide(r, less(q, x3, 2)), fv_mul_wide(s->y, ppp));
    y3 = weak(fv_add_wide(y3, fv_p(2)));
    fv_t zz3 = fv_mul(s->zz, pp), zzz3 = fv_mul(s->zzz, ppp), one = fv_const(one_260);
    __mmask8 first = s->none & (__mmask8)~nothing;
    s->x = choose(choose(x3, first, x2), nothing, s->x);
    s->y = choose(choose(y3, first, y2), nothing, s->y);
    s->zz = choose(choose(zz3, first, one), nothing, s->zz);
    s->zzz = choose(choose(zzz3, first, one), nothing, s->zzz);
    s->none &= nothing;
}

/* Clean and below 2p, to canonical words. */
IFMA_INLINE void store(uint64_t out[4][8], fv_t a)
{
    __m512i w[4];
    fv_pack(w, fv_minus_p_once(a));
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++)
        _mm512_store_si512(out[i], w[i]);
}

IFMA_INLINE __m512i digits_load(const uint8_t in[8])
{
    return _mm512_cvtepu8_epi64(_mm_loadl_epi64((const __m128i *)in));
}

#define ZERO(reg) "vpxorq %%" reg ", %%" reg ", %%" reg "\n\t"
#define ZERO4(a, b, c, d) ZERO("zmm" a) ZERO("zmm" b) ZERO("zmm" c) ZERO("zmm" d)
#define ZERO_MASK(k) "kxorw %%k" k ", %%k" k ", %%k" k "\n\t"

/* Nothing of a secret stays in vectors and masks: no other code here uses the upper sixteen, so they would
 * live as long as the thread, and be saved wherever the kernel saves them. vzeroall: the lower sixteen. */
IFMA_INLINE void registers_wipe(void)
{
    __asm__ volatile("vzeroall\n\t" ZERO4("16", "17", "18", "19") ZERO4("20", "21", "22", "23")
                         ZERO4("24", "25", "26", "27") ZERO4("28", "29", "30", "31") ZERO_MASK("0")
                             ZERO_MASK("1") ZERO_MASK("2") ZERO_MASK("3") ZERO_MASK("4") ZERO_MASK("5")
                                 ZERO_MASK("6") ZERO_MASK("7")
                     :
                     :
                     : "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8",
                       "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15", "xmm16", "xmm17",
                       "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23", "xmm24", "xmm25", "xmm26",
                       "xmm27", "xmm28", "xmm29", "xmm30", "xmm31", "k1", "k2", "k3", "k4", "k5", "k6", "k7");
}

IFMA_TARGET void p256_ifma_fixed(struct fixed_lanes *out, const struct fixed_table *t,
                                 const struct fixed_digits *d)
{
    struct sum s = {.none = 0xff};
#pragma GCC unroll 5
    for (int i = 0; i < 5; i++)
        s.x.l[i] = s.y.l[i] = s.zz.l[i] = s.zzz.l[i] = _mm512_setzero_si512();
    for (int i = 0; i < FIXED_ROWS; i++) {
        fv_t x, y;
        __m512i digit = digits_load(d->entry[i]), minus = digits_load(d->minus[i]);
        entry_read(&x, &y, t->lanes[i], digit, _mm512_test_epi64_mask(minus, minus));
        sum_add(&s, x, y, _mm512_testn_epi64_mask(digit, digit));
    }
    store(out->x, s.x);
    store(out->y, s.y);
    store(out->zz, fv_clean(s.zz));
    store(out->zzz, fv_clean(s.zzz));
    registers_wipe();
}

#endif
