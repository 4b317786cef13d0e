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

#define AHEAD 8  /* groups fetched ahead */
#define BLOCK 8  /* groups that take each step together, so that no step waits for the one before */
#define CHAINS 4 /* running products, for the same reason */

/* Eight additions. */
struct group8 {
    fv_t d, before, n, xa, ya; /* n: the numerator of the slope */
    __mmask8 twice, rare;      /* lanes that double; lanes whose sum needs no arithmetic */
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

/* Addresses of eight summands; returns which are negative. */
IFMA_INLINE __mmask8 rows_at(const struct p256_affine *at[8], const struct additions *q,
                             const uint32_t index[8])
{
    __m512i i = _mm512_cvtepu32_epi64(_mm256_loadu_si256((const __m256i *)(const void *)index));
    __mmask8 other = _mm512_test_epi64_mask(i, FV_SET(ADDITION_OTHER));
    __m512i base = _mm512_mask_mov_epi64(FV_SET((int64_t)(uintptr_t)q->from[0]), other,
                                         FV_SET((int64_t)(uintptr_t)q->from[1]));
    __m512i offset = _mm512_slli_epi64(_mm512_and_si512(i, FV_SET(ADDITION_INDEX)), 6);
    _mm512_storeu_si512(at, FV_ADD(base, offset));
    return _mm512_test_epi64_mask(i, FV_SET(ADDITION_MINUS));
}

_Static_assert(sizeof(struct p256_affine) == 64, "an index is shifted by six bits");

IFMA_INLINE void rows_of(struct rows *r, const struct additions *q, size_t first)
{
    if (__builtin_expect(first + 8 <= q->count, 1)) {
        r->minus_a = rows_at(r->a, q, q->a + first);
        r->minus_b = rows_at(r->b, q, q->b + first);
        return;
    }
    r->minus_a = r->minus_b = 0;
    for (size_t i = 0; i < 8; i++) {
        int there = first + i < q->count;
        r->a[i] = there ? addition_at(q, q->a[first + i]) : &spare[0];
        r->b[i] = there ? addition_at(q, q->b[first + i]) : &spare[1];
        if (there && (q->a[first + i] & ADDITION_MINUS))
            r->minus_a |= (__mmask8)(1 << i);
        if (there && (q->b[first + i] & ADDITION_MINUS))
            r->minus_b |= (__mmask8)(1 << i);
    }
}

#define LOAD(w, row, what)                                                                                   \
    transpose_in(w, row[0]->what, row[1]->what, row[2]->what, row[3]->what, row[4]->what, row[5]->what,      \
                 row[6]->what, row[7]->what)

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
        addition_summand(&a, addition_at(q, q->a[first + (size_t)i]), q->a[first + (size_t)i]);
        addition_summand(&b, addition_at(q, q->b[first + (size_t)i]), q->b[first + (size_t)i]);
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
        addition_summand(&a, addition_at(q, q->a[first + (size_t)i]), q->a[first + (size_t)i]);
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
        addition_summand(&a, addition_at(q, q->a[i]), q->a[i]);
        addition_summand(&b, addition_at(q, q->b[i]), q->b[i]);
        enum addition_kind kind = addition_kind_of(&a, &b);
        if (kind != ADDITION_NOTHING)
            sum = kind == ADDITION_FIRST ? a : b;
        q->to[q->sum[i]] = sum;
    }
}

/* --- there and back --- */

/* x_b - x_a of eight additions, clean, and y_b - y_a: whatever is needed of the summands, so that they are
 * fetched once. */
IFMA_INLINE void differences(struct group8 *g, const struct additions *q, size_t first)
{
    struct rows r;
    __m512i a[4], b[4], ya[4], yb[4];
    rows_of(&r, q, first);
    LOAD(a, r.a, x);
    LOAD(b, r.b, x);
    LOAD(ya, r.a, y);
    LOAD(yb, r.b, y);
    __mmask8 look = _mm512_cmpeq_epi64_mask(a[0], b[0]);
    __m512i any_a = _mm512_or_si512(_mm512_or_si512(a[0], a[1]), _mm512_or_si512(a[2], a[3]));
    __m512i any_b = _mm512_or_si512(_mm512_or_si512(b[0], b[1]), _mm512_or_si512(b[2], b[3]));
    look |= _mm512_testn_epi64_mask(any_a, any_a) | _mm512_testn_epi64_mask(any_b, any_b);
    g->xa = fv_unpack(a);
    g->d = fv_clean(fv_carry(fv_add_wide(fv_sub_wide(fv_unpack(b), g->xa), fv_p(1))));
    g->ya = fv_negate_wide(fv_unpack(ya), r.minus_a);
    g->n = fv_carry(fv_add_wide(fv_sub_wide(fv_negate_wide(fv_unpack(yb), r.minus_b), g->ya), fv_p(1)));
    g->twice = g->rare = 0;
    if (__builtin_expect(look != 0, 0))
        look_closely(g, q, first, look);
    if (__builtin_expect(g->twice != 0, 0))
        numerators(&g->n, g, q, first);
}

/* 2^518 / u of the first lane, in all lanes */
static IFMA_TARGET __attribute__((noinline)) fv_t invert_lane(fv_t u)
{
    lanes_t l;
    __m512i w[4];
    fe_t v;
    fv_pack(w, fv_canonical(fv_clean(u)));
    for (int i = 0; i < 4; i++) {
        _mm512_store_si512(l.w[i], w[i]);
        v[i] = l.w[i][0];
    }
    fe_invert_var(v, v); /* 2^512 / u */
    for (int i = 0; i < 6; i++)
        fe_add(v, v, v);
    for (int i = 0; i < 4; i++)
        w[i] = FV_SET((int64_t)v[i]);
    return fv_unpack(w);
}

#define SWAP(a, how) ((fv_t){{how((a).l[0]), how((a).l[1]), how((a).l[2]), how((a).l[3]), how((a).l[4])}})
#define BY_4(l) _mm512_shuffle_i64x2(l, l, 0x4e)
#define BY_2(l) _mm512_permutex_epi64(l, 0x4e)
#define BY_1(l) _mm512_permutex_epi64(l, 0xb1)

/* all[i] = 2^518 / all[i], lane by lane. With U = A B 2^-260 and V = K / U, B V 2^-260 is K / A: so products
 * of chains, and then of lanes, are taken apart as they were made, and K stays the same. */
static IFMA_TARGET void invert_lanes(fv_t all[CHAINS])
{
    fv_t low = fv_mul(all[0], all[1]), high = fv_mul(all[2], all[3]);
    fv_t u8 = fv_mul(low, high);
    fv_t u4 = fv_mul(u8, SWAP(u8, BY_4));
    fv_t u2 = fv_mul(u4, SWAP(u4, BY_2));
    fv_t v = invert_lane(fv_mul(u2, SWAP(u2, BY_1)));
    v = fv_mul(SWAP(u2, BY_1), v);
    v = fv_mul(SWAP(u4, BY_2), v);
    v = fv_mul(SWAP(u8, BY_4), v);
    fv_t of_low = fv_mul(high, v), of_high = fv_mul(low, v), other = all[1];
    all[1] = fv_mul(all[0], of_low);
    all[0] = fv_mul(other, of_low);
    other = all[3];
    all[3] = fv_mul(all[2], of_high);
    all[2] = fv_mul(other, of_high);
}

_Static_assert(CHAINS == 4, "invert_lanes takes four");

/* A block on its way back. */
struct block {
    fv_t inverse[BLOCK], slope[BLOCK], x[BLOCK];
};

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
    fv_t y = fv_canonical(fv_mul_add_wide(t, b->slope[i], fv_sub_wide(fv_p(1), g->ya)));
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
        __builtin_prefetch(addition_at(q, q->a[i]));
        __builtin_prefetch(addition_at(q, q->b[i]));
    }
}

static IFMA_TARGET void forth(fv_t all[CHAINS], struct group8 *g, size_t groups, const struct additions *q,
                              size_t first)
{
    for (size_t i = 0; i < groups; i++) {
        if (first + 8 * (i + AHEAD + 1) <= q->count)
            fetch(q, first + 8 * (i + AHEAD));
        differences(&g[i], q, first + 8 * i);
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
        b.slope[i] = fv_mul(g[i].n, b.inverse[i]); /* inverse: 2^518 / d */
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
