/* Affine additions, eight side by side. Every lane has its own running product of denominators; one
 * inversion, of the product of the eight, serves all.
 *
 * The words in memory have the factor 2^256, a product here loses 2^260. With D = d 2^256 for a denominator
 * d, running products A' = A D 2^-260, and J = 2^518 / A for the last of them, going back J A' 2^-260 is
 * 2^518 / D; the slope of a numerator n 2^256 is then (n / d) 2^258, its square (n / d)^2 2^256 as it should
 * be, and its product with four times a coordinate too. */
#include "ceremony/math/p256_ifma.h"

#if P256_HAVE_IFMA

#include <stdlib.h>
#include <string.h>

#include "ceremony/math/p256_add_many.h"
#include "ceremony/math/p256_field.h"
#include "ceremony/math/p256_ifma_field.h"

#define AHEAD 4 /* groups fetched ahead */

/* Eight additions. */
struct group8 {
    fv_t d, before, xa;
    __mmask8 twice, rare; /* lanes that double; lanes whose sum needs no arithmetic */
};

void *p256_ifma_additions_scratch(void)
{
    size_t size = ADDITIONS / 8 * sizeof(struct group8);
    return aligned_alloc(64, (size + 63) / 64 * 64);
}

/* Two points to compute with in lanes that have none; nothing is done with their sum. */
static const struct p256_affine spare[2] = {{{1, 0, 0, 0}, {0, 0, 0, 0}}, {{2, 0, 0, 0}, {0, 0, 0, 0}}};

struct rows {
    const struct p256_affine *a[8], *b[8];
    __mmask8 minus_a, minus_b;
};

IFMA_INLINE void rows_of(struct rows *r, const struct additions *q, size_t first)
{
    if (first + 8 <= q->count) {
        for (int i = 0; i < 8; i++) {
            r->a[i] = &q->from[q->a[first + (size_t)i] & ADDITION_INDEX];
            r->b[i] = &q->from[q->b[first + (size_t)i] & ADDITION_INDEX];
        }
        r->minus_a = _mm256_movepi32_mask(_mm256_loadu_si256((const __m256i *)(const void *)&q->a[first]));
        r->minus_b = _mm256_movepi32_mask(_mm256_loadu_si256((const __m256i *)(const void *)&q->b[first]));
        return;
    }
    r->minus_a = r->minus_b = 0;
    for (size_t i = 0; i < 8; i++) {
        int there = first + i < q->count;
        r->a[i] = there ? &q->from[q->a[first + i] & ADDITION_INDEX] : &spare[0];
        r->b[i] = there ? &q->from[q->b[first + i] & ADDITION_INDEX] : &spare[1];
        if (there && (q->a[first + i] & ADDITION_MINUS))
            r->minus_a |= (__mmask8)(1 << i);
        if (there && (q->b[first + i] & ADDITION_MINUS))
            r->minus_b |= (__mmask8)(1 << i);
    }
}

#define PAIR(lo, hi)                                                                                         \
    _mm512_inserti64x4(_mm512_castsi256_si512(_mm256_loadu_si256((const __m256i *)(const void *)(lo))),      \
                       _mm256_loadu_si256((const __m256i *)(const void *)(hi)), 1)
#define EVEN _mm512_setr_epi64(0, 1, 8, 9, 4, 5, 12, 13)
#define ODD _mm512_setr_epi64(2, 3, 10, 11, 6, 7, 14, 15)

/* Four words of eight rows, word by word. */
IFMA_INLINE void transpose_in(__m512i w[4], const uint64_t *r0, const uint64_t *r1, const uint64_t *r2,
                              const uint64_t *r3, const uint64_t *r4, const uint64_t *r5, const uint64_t *r6,
                              const uint64_t *r7)
{
    __m512i a = PAIR(r0, r4), b = PAIR(r1, r5), c = PAIR(r2, r6), d = PAIR(r3, r7);
    __m512i ab0 = _mm512_unpacklo_epi64(a, b), ab1 = _mm512_unpackhi_epi64(a, b);
    __m512i cd0 = _mm512_unpacklo_epi64(c, d), cd1 = _mm512_unpackhi_epi64(c, d);
    w[0] = _mm512_permutex2var_epi64(ab0, EVEN, cd0);
    w[1] = _mm512_permutex2var_epi64(ab1, EVEN, cd1);
    w[2] = _mm512_permutex2var_epi64(ab0, ODD, cd0);
    w[3] = _mm512_permutex2var_epi64(ab1, ODD, cd1);
}

#define LOAD(w, row, what)                                                                                   \
    transpose_in(w, row[0]->what, row[1]->what, row[2]->what, row[3]->what, row[4]->what, row[5]->what,      \
                 row[6]->what, row[7]->what)

#define UNPAIR(lo, hi, v)                                                                                    \
    do {                                                                                                     \
        _mm256_storeu_si256((__m256i *)(void *)(lo), _mm512_castsi512_si256(v));                             \
        _mm256_storeu_si256((__m256i *)(void *)(hi), _mm512_extracti64x4_epi64(v, 1));                       \
    } while (0)

IFMA_INLINE void transpose_out(const __m512i w[4], uint64_t *r0, uint64_t *r1, uint64_t *r2, uint64_t *r3,
                               uint64_t *r4, uint64_t *r5, uint64_t *r6, uint64_t *r7)
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

#define STORE(w, row, what)                                                                                  \
    transpose_out(w, row[0]->what, row[1]->what, row[2]->what, row[3]->what, row[4]->what, row[5]->what,     \
                  row[6]->what, row[7]->what)

/* Four words of eight lanes. */
typedef struct {
    _Alignas(64) uint64_t w[4][8];
} lanes_t;

IFMA_INLINE fv_t lanes_load(const lanes_t *in)
{
    __m512i w[4];
    for (int i = 0; i < 4; i++)
        w[i] = _mm512_load_si512(in->w[i]);
    return fv_unpack(w);
}

static void lanes_set(lanes_t *l, int lane, const fe_t v)
{
    for (int i = 0; i < 4; i++)
        l->w[i][lane] = v[i];
}

/* --- lanes out of the ordinary --- */

/* Denominators of the lanes in look, which have equal x or one that is 0. */
static IFMA_TARGET __attribute__((noinline)) void look_closely(struct group8 *g, const struct additions *q,
                                                               size_t first, __mmask8 look)
{
    lanes_t d;
    memset(&d, 0, sizeof d);
    for (int i = 0; i < 8; i++) {
        struct p256_affine a, b;
        fe_t numerator, denominator;
        if (!(look >> i & 1))
            continue;
        addition_summand(&a, q->from, q->a[first + (size_t)i]);
        addition_summand(&b, q->from, q->b[first + (size_t)i]);
        enum addition_kind kind = addition_kind_of(&a, &b);
        if (kind == ADDITION_PLAIN)
            continue;
        if (kind == ADDITION_DOUBLE) {
            g->twice |= (__mmask8)(1 << i);
            addition_tangent(numerator, denominator, &a);
            lanes_set(&d, i, denominator);
        } else {
            g->rare |= (__mmask8)(1 << i);
            lanes_set(&d, i, fe_one);
        }
    }
    g->d = fv_select(g->d, lanes_load(&d), g->twice | g->rare);
}

static IFMA_TARGET __attribute__((noinline)) void numerators(fv_t *n, const struct group8 *g,
                                                             const struct additions *q, size_t first)
{
    lanes_t l;
    memset(&l, 0, sizeof l);
    for (int i = 0; i < 8; i++) {
        struct p256_affine a;
        fe_t numerator, denominator;
        if (!(g->twice >> i & 1))
            continue;
        addition_summand(&a, q->from, q->a[first + (size_t)i]);
        addition_tangent(numerator, denominator, &a);
        lanes_set(&l, i, numerator);
    }
    *n = fv_select(*n, lanes_load(&l), g->twice);
}

static void rare_sums(struct p256_affine sum[8], __mmask8 rare, const struct additions *q, size_t first)
{
    for (int i = 0; i < 8; i++) {
        struct p256_affine a, b;
        if (!(rare >> i & 1))
            continue;
        addition_summand(&a, q->from, q->a[first + (size_t)i]);
        addition_summand(&b, q->from, q->b[first + (size_t)i]);
        enum addition_kind kind = addition_kind_of(&a, &b);
        memset(&sum[i], 0, sizeof sum[i]);
        if (kind != ADDITION_NOTHING)
            sum[i] = kind == ADDITION_FIRST ? a : b;
    }
}

/* --- there and back --- */

/* x_b - x_a of eight additions, clean */
IFMA_INLINE void denominators(struct group8 *g, const struct additions *q, size_t first)
{
    struct rows r;
    __m512i a[4], b[4];
    rows_of(&r, q, first);
    LOAD(a, r.a, x);
    LOAD(b, r.b, x);
    __mmask8 look = _mm512_cmpeq_epi64_mask(a[0], b[0]);
    __m512i any_a = _mm512_or_si512(_mm512_or_si512(a[0], a[1]), _mm512_or_si512(a[2], a[3]));
    __m512i any_b = _mm512_or_si512(_mm512_or_si512(b[0], b[1]), _mm512_or_si512(b[2], b[3]));
    look |= _mm512_testn_epi64_mask(any_a, any_a) | _mm512_testn_epi64_mask(any_b, any_b);
    g->xa = fv_unpack(a);
    g->d = fv_clean(fv_carry(fv_add_wide(fv_sub_wide(fv_unpack(b), g->xa), fv_p(1))));
    g->twice = g->rare = 0;
    if (__builtin_expect(look != 0, 0))
        look_closely(g, q, first, look);
}

/* 2^518 / all, lane by lane */
static IFMA_TARGET fv_t invert_lanes(fv_t all)
{
    lanes_t l;
    __m512i w[4];
    fe_t v[8];
    fv_pack(w, fv_canonical(fv_clean(all)));
    for (int i = 0; i < 4; i++)
        _mm512_store_si512(l.w[i], w[i]);
    for (int lane = 0; lane < 8; lane++)
        for (int i = 0; i < 4; i++)
            v[lane][i] = l.w[i][lane];
    addition_invert(v, (const fe_t *)v, 8);
    for (int lane = 0; lane < 8; lane++) {
        for (int i = 0; i < 6; i++) /* 2^512 / all so far */
            fe_add(v[lane], v[lane], v[lane]);
        lanes_set(&l, lane, v[lane]);
    }
    return lanes_load(&l);
}

IFMA_INLINE fv_t signed_y(const __m512i w[4], __mmask8 minus)
{
    fv_t y = fv_unpack(w);
    return fv_select(y, fv_sub_wide(fv_p(1), y), minus);
}

/* inverse: 2^518 / d */
IFMA_INLINE void finish(struct group8 *g, const struct additions *q, size_t first, fv_t inverse)
{
    struct rows r;
    struct p256_affine *to[8], rare[8];
    __m512i w[4], v[4];
    rows_of(&r, q, first);
    LOAD(w, r.a, y);
    LOAD(v, r.b, y);
    fv_t ya = signed_y(w, r.minus_a), yb = signed_y(v, r.minus_b);
    fv_t n = fv_carry(fv_add_wide(fv_sub_wide(yb, ya), fv_p(1))), d = g->d;
    if (__builtin_expect(g->twice != 0, 0)) {
        numerators(&n, g, q, first);
        d = fv_select(d, fv_p(1), g->twice); /* x_b - x_a + p, no longer the denominator */
    }
    fv_t slope = fv_mul(n, inverse);
    fv_t x = fv_add_wide(fv_sqr_wide(slope), fv_p(3));
    x = fv_canonical(fv_sub_wide(fv_sub_wide(fv_sub_wide(x, g->xa), g->xa), d));
    fv_t t = fv_add_wide(fv_sub_wide(g->xa, x), fv_p(1));
    for (int i = 0; i < 5; i++)
        t.l[i] = _mm512_slli_epi64(t.l[i], 2);
    t = fv_mul_wide(fv_carry(t), slope);
    fv_t y = fv_canonical(fv_add_wide(fv_sub_wide(t, ya), fv_p(1)));
    for (size_t i = 0; i < 8; i++)
        to[i] = first + i < q->count && !(g->rare >> i & 1) ? &q->to[q->sum[first + i]] : &rare[i];
    if (__builtin_expect(g->rare != 0, 0)) {
        struct p256_affine sum[8];
        rare_sums(sum, g->rare, q, first);
        for (size_t i = 0; i < 8; i++)
            if (g->rare >> i & 1)
                q->to[q->sum[first + i]] = sum[i];
    }
    fv_pack(w, x);
    STORE(w, to, x);
    fv_pack(w, y);
    STORE(w, to, y);
}

static inline void fetch(const struct additions *q, size_t first)
{
    for (size_t i = first; i < first + 8 && i < q->count; i++) {
        __builtin_prefetch(&q->from[q->a[i] & ADDITION_INDEX]);
        __builtin_prefetch(&q->from[q->b[i] & ADDITION_INDEX]);
    }
}

IFMA_TARGET void p256_ifma_additions_flush(struct additions *q)
{
    struct group8 *group = q->scratch;
    size_t groups = (q->count + 7) / 8;
    fv_t all = fv_const((const uint64_t[5]){1, 0, 0, 0, 0});
    for (size_t i = 0; i < groups; i++) {
        fetch(q, 8 * (i + AHEAD));
        denominators(&group[i], q, 8 * i);
        group[i].before = all;
        all = fv_mul(all, group[i].d);
    }
    all = invert_lanes(all);
    for (size_t i = groups; i-- > 0;) {
        fv_t inverse = fv_mul(all, group[i].before);
        all = fv_mul(all, group[i].d);
        finish(&group[i], q, 8 * i, inverse);
    }
}

#else
typedef int p256_ifma_add_absent;
#endif
