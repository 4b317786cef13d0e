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

#define AHEAD 4  /* groups fetched ahead */
#define BLOCK 8  /* groups that take each step together, so that no step waits for the one before */
#define CHAINS 4 /* running products, for the same reason */

/* Eight additions. */
struct group8 {
    fv_t d, before, xa;
    __mmask8 twice, rare; /* lanes that double; lanes whose sum needs no arithmetic */
};

void *p256_ifma_additions_scratch(size_t most)
{
    size_t size = most / 8 * sizeof(struct group8);
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

static void rare_sums(const struct additions *q, __mmask8 rare, size_t first)
{
    for (size_t i = first; rare != 0; i++, rare >>= 1) {
        struct p256_affine a, b, sum = {0};
        if (!(rare & 1))
            continue;
        addition_summand(&a, q->from, q->a[i]);
        addition_summand(&b, q->from, q->b[i]);
        enum addition_kind kind = addition_kind_of(&a, &b);
        if (kind != ADDITION_NOTHING)
            sum = kind == ADDITION_FIRST ? a : b;
        q->to[q->sum[i]] = sum;
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

/* all[i] = 2^518 / all[i], lane by lane */
static IFMA_TARGET void invert_lanes(fv_t all[CHAINS])
{
    lanes_t l;
    __m512i w[4];
    fe_t v[8 * CHAINS];
    for (size_t c = 0; c < CHAINS; c++) {
        fv_pack(w, fv_canonical(fv_clean(all[c])));
        for (int i = 0; i < 4; i++)
            _mm512_store_si512(l.w[i], w[i]);
        for (size_t lane = 0; lane < 8; lane++)
            for (int i = 0; i < 4; i++)
                v[8 * c + lane][i] = l.w[i][lane];
    }
    addition_invert(v, 8 * CHAINS);
    for (size_t c = 0; c < CHAINS; c++) {
        for (int lane = 0; lane < 8; lane++) {
            uint64_t *x = v[8 * c + (size_t)lane];
            for (int i = 0; i < 6; i++) /* 2^512 / all so far */
                fe_add(x, x, x);
            lanes_set(&l, lane, x);
        }
        all[c] = lanes_load(&l);
    }
}

/* A block on its way back. */
struct block {
    struct rows rows[BLOCK];
    fv_t inverse[BLOCK], slope[BLOCK], x[BLOCK], ya[BLOCK];
};

/* inverse: 2^518 / d */
IFMA_INLINE void step_slope(struct block *b, size_t i, const struct group8 *g, const struct additions *q,
                            size_t first)
{
    const struct rows *r = &b->rows[i];
    __m512i w[4], v[4];
    LOAD(w, r->a, y);
    LOAD(v, r->b, y);
    fv_t ya = fv_unpack(w), yb = fv_unpack(v);
    if (r->minus_a | r->minus_b) { /* only where points are taken by index */
        ya = fv_negate_wide(ya, r->minus_a);
        yb = fv_negate_wide(yb, r->minus_b);
    }
    fv_t n = fv_carry(fv_add_wide(fv_sub_wide(yb, ya), fv_p(1)));
    if (__builtin_expect(g->twice != 0, 0))
        numerators(&n, g, q, first);
    b->ya[i] = ya;
    b->slope[i] = fv_mul(n, b->inverse[i]);
}

IFMA_INLINE void step_x(struct block *b, size_t i, const struct group8 *g)
{
    fv_t d = g->d;
    if (__builtin_expect(g->twice != 0, 0))
        d = fv_select(d, fv_p(1), g->twice); /* x_b - x_a + p, no longer the denominator */
    fv_t minus = fv_sub_wide(fv_sub_wide(fv_sub_wide(fv_p(3), d), g->xa), g->xa);
    b->x[i] = fv_canonical(fv_sqr_add_wide(b->slope[i], minus));
}

/* Sums of the lanes that need no arithmetic, and of lanes without points, are written elsewhere. */
static inline void rows_to(struct p256_affine *to[8], struct p256_affine *nowhere, const struct group8 *g,
                           const struct additions *q, size_t first)
{
    for (size_t i = 0; i < 8; i++)
        to[i] = &q->to[q->sum[first + i]];
    if (__builtin_expect(g->rare != 0 || first + 8 > q->count, 0))
        for (size_t i = 0; i < 8; i++)
            if (first + i >= q->count || (g->rare >> i & 1))
                to[i] = nowhere;
}

IFMA_INLINE void step_y(const struct block *b, size_t i, const struct group8 *g, const struct additions *q,
                        size_t first)
{
    struct p256_affine *to[8], nowhere;
    __m512i w[4];
    rows_to(to, &nowhere, g, q, first);
    fv_t t = fv_carry(fv_add_wide(fv_times_4(fv_sub_wide(g->xa, b->x[i])), fv_p(4)));
    fv_t y = fv_canonical(fv_mul_add_wide(t, b->slope[i], fv_sub_wide(fv_p(1), b->ya[i])));
    if (__builtin_expect(g->rare != 0, 0))
        rare_sums(q, g->rare, first);
    fv_pack(w, b->x[i]);
    STORE(w, to, x);
    fv_pack(w, y);
    STORE(w, to, y);
}

static inline void fetch(const struct additions *q, size_t first)
{
    for (size_t i = first; i < first + 8; i++) {
        __builtin_prefetch(&q->from[q->a[i] & ADDITION_INDEX]);
        __builtin_prefetch(&q->from[q->b[i] & ADDITION_INDEX]);
    }
}

static IFMA_TARGET void forth(fv_t all[CHAINS], struct group8 *g, size_t groups, const struct additions *q,
                              size_t first)
{
    for (size_t i = 0; i < groups; i++) {
        if (first + 8 * (i + AHEAD + 1) <= q->count)
            fetch(q, first + 8 * (i + AHEAD));
        denominators(&g[i], q, first + 8 * i);
    }
    for (size_t i = 0; i < groups; i++) {
        g[i].before = all[i % CHAINS];
        all[i % CHAINS] = fv_mul(all[i % CHAINS], g[i].d);
    }
}

static IFMA_TARGET void back(fv_t all[CHAINS], struct group8 *g, size_t groups, const struct additions *q,
                             size_t first)
{
    struct block b;
    for (size_t i = groups; i-- > 0;) {
        b.inverse[i] = fv_mul(all[i % CHAINS], g[i].before);
        all[i % CHAINS] = fv_mul(all[i % CHAINS], g[i].d);
    }
    for (size_t i = 0; i < groups; i++)
        rows_of(&b.rows[i], q, first + 8 * i);
    for (size_t i = 0; i < groups; i++)
        step_slope(&b, i, &g[i], q, first + 8 * i);
    for (size_t i = 0; i < groups; i++)
        step_x(&b, i, &g[i]);
    for (size_t i = 0; i < groups; i++)
        step_y(&b, i, &g[i], q, first + 8 * i);
}

IFMA_TARGET void p256_ifma_additions_flush(struct additions *q)
{
    struct group8 *group = q->scratch;
    size_t groups = (q->count + 7) / 8, blocks = (groups + BLOCK - 1) / BLOCK;
    fv_t all[CHAINS];
    for (size_t i = 0; i < CHAINS; i++)
        all[i] = fv_const((const uint64_t[5]){1, 0, 0, 0, 0});
    for (size_t i = 0; i < groups; i += BLOCK)
        forth(all, group + i, groups - i < BLOCK ? groups - i : BLOCK, q, 8 * i);
    invert_lanes(all);
    for (size_t i = blocks * BLOCK; i > 0;) {
        i -= BLOCK;
        back(all, group + i, groups - i < BLOCK ? groups - i : BLOCK, q, 8 * i);
    }
}

#else
typedef int p256_ifma_add_absent;
#endif
