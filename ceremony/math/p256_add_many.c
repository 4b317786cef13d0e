/* The additions in portable C, and what both paths share. */
#include "ceremony/math/p256_add_many.h"

#include <stdlib.h>
#include <string.h>

#include "ceremony/math/p256_field.h"
#include "ceremony/math/p256_ifma.h"

#define CHAINS 8 /* running products that do not wait for each other */
#define BLOCK 32
#define AHEAD 16 /* summands fetched ahead */

struct scratch {
    uint8_t kind[ADDITIONS];
    fe_t *denominator, *before; /* most; most + CHAINS */
    fe_t value[];
};

static struct scratch *scratch_new(size_t most)
{
    struct scratch *s = calloc(1, sizeof *s + (2 * most + CHAINS) * sizeof(fe_t));
    if (s != NULL) {
        s->denominator = s->value;
        s->before = s->value + most;
    }
    return s;
}

err_t additions_new(struct additions **out, enum p256_path path, size_t expected)
{
    *out = NULL;
    if (!p256_path_available(path))
        return ERR_BUG;
    struct additions *q = calloc(1, sizeof *q);
    if (q == NULL)
        return ERR_MEMORY;
    q->path = path;
    q->most = ADDITIONS_LEAST;
    while (q->most < ADDITIONS && q->most < expected)
        q->most *= 2;
#if P256_HAVE_IFMA
    if (path == P256_IFMA)
        q->scratch = p256_ifma_additions_scratch(q->most);
#endif
    if (path == P256_PORTABLE)
        q->scratch = scratch_new(q->most);
    if (q->scratch == NULL) {
        free(q);
        return ERR_MEMORY;
    }
    *out = q;
    return OK;
}

void additions_free(struct additions *q)
{
    if (q == NULL)
        return;
    free(q->scratch);
    free(q);
}

enum addition_kind addition_kind_of(const struct p256_affine *a, const struct p256_affine *b)
{
    if (p256_affine_is_zero_var(b))
        return ADDITION_FIRST;
    if (p256_affine_is_zero_var(a))
        return ADDITION_SECOND;
    if (!fe_equal(a->x, b->x))
        return ADDITION_PLAIN;
    return fe_equal(a->y, b->y) ? ADDITION_DOUBLE : ADDITION_NOTHING;
}

void addition_tangent(uint64_t numerator[4], uint64_t denominator[4], const struct p256_affine *a)
{
    fe_t t;
    fe_sqr(t, a->x);
    fe_sub(t, t, fe_one);
    fe_add(numerator, t, t);
    fe_add(numerator, numerator, t);
    fe_add(denominator, a->y, a->y);
}

void addition_invert(uint64_t (*a)[4], size_t count)
{
    fe_t before[ADDITION_INVERSES], all, t;
    fe_copy(all, fe_one);
    for (size_t i = 0; i < count; i++) {
        fe_copy(before[i], all);
        fe_mul(all, all, a[i]);
    }
    fe_invert_var(all, all);
    for (size_t i = count; i-- > 0;) {
        fe_mul(t, all, before[i]);
        fe_mul(all, all, a[i]);
        fe_copy(a[i], t);
    }
}

/* The coordinate may be the identity's, or b may be +-a: then it is looked at closely. */
static uint8_t denominator_of(fe_t denominator, const struct additions *q, size_t i)
{
    const uint64_t *ax = addition_at(q, q->a[i])->x, *bx = addition_at(q, q->b[i])->x;
    fe_sub(denominator, bx, ax);
    if (!fe_is_zero(denominator) && !fe_is_zero(ax) && !fe_is_zero(bx))
        return ADDITION_PLAIN;
    struct p256_affine a, b;
    fe_t unused;
    addition_summand(&a, addition_at(q, q->a[i]), q->a[i]);
    addition_summand(&b, addition_at(q, q->b[i]), q->b[i]);
    enum addition_kind kind = addition_kind_of(&a, &b);
    if (kind == ADDITION_DOUBLE)
        addition_tangent(unused, denominator, &a);
    else if (kind != ADDITION_PLAIN)
        fe_copy(denominator, fe_one);
    return (uint8_t)kind;
}

/* Sums that need no arithmetic. */
static void add_rare(const struct additions *q, size_t i, uint8_t kind)
{
    struct p256_affine *sum = &q->to[q->sum[i]];
    if (kind == ADDITION_FIRST)
        addition_summand(sum, addition_at(q, q->a[i]), q->a[i]);
    if (kind == ADDITION_SECOND)
        addition_summand(sum, addition_at(q, q->b[i]), q->b[i]);
    if (kind == ADDITION_NOTHING)
        memset(sum, 0, sizeof *sum);
}

/* A block of additions takes each step together: no step waits for the result of the one before. Nothing is
 * copied that was just written, since processors wait when they read in one piece what was written in two. */
struct block {
    const struct p256_affine *a[BLOCK], *b[BLOCK];
    fe_t ya[BLOCK], inverse[BLOCK], slope[BLOCK], x[BLOCK], y[BLOCK];
};

/* The numerator of a slope; a's y goes to ya. */
static void numerator_of(fe_t numerator, struct block *o, const struct additions *q, size_t first, size_t i)
{
    const struct scratch *s = q->scratch;
    uint32_t ia = q->a[first + i], ib = q->b[first + i];
    fe_t yb, unused;
    o->a[i] = addition_at(q, ia);
    o->b[i] = addition_at(q, ib);
    fe_negate_if(o->ya[i], o->a[i]->y, (uint64_t)((int64_t)(int32_t)ia >> 63));
    fe_negate_if(yb, o->b[i]->y, (uint64_t)((int64_t)(int32_t)ib >> 63));
    fe_sub(numerator, yb, o->ya[i]);
    if (s->kind[first + i] == ADDITION_DOUBLE) {
        struct p256_affine a;
        addition_summand(&a, o->a[i], ia);
        addition_tangent(numerator, unused, &a);
    }
}

static void block_sums(struct block *o, const struct additions *q, size_t first, size_t n)
{
    const struct scratch *s = q->scratch;
    fe_t t;
    for (size_t i = 0; i < n; i++)
        numerator_of(o->slope[i], o, q, first, i);
    fe_mul_each(o->slope, (const fe_t *)o->slope, (const fe_t *)o->inverse, n);
    fe_sqr_each(o->x, (const fe_t *)o->slope, n);
    for (size_t i = 0; i < n; i++) {
        fe_sub(t, o->x[i], o->a[i]->x);
        fe_sub(o->x[i], t, o->b[i]->x);
        fe_sub(o->y[i], o->a[i]->x, o->x[i]);
    }
    fe_mul_each(o->y, (const fe_t *)o->y, (const fe_t *)o->slope, n);
    for (size_t i = 0; i < n; i++) {
        struct p256_affine *sum = &q->to[q->sum[first + i]];
        uint8_t kind = s->kind[first + i];
        if (kind > ADDITION_DOUBLE) {
            add_rare(q, first + i, kind);
            continue;
        }
        fe_copy(sum->x, o->x[i]);
        fe_sub(sum->y, o->y[i], o->ya[i]);
    }
}

/* Denominators from first to first + n - 1, and the running products behind each. */
static void block_forth(struct scratch *s, const struct additions *q, size_t first, size_t n)
{
    for (size_t i = first; i < first + n; i++) {
        if (i + AHEAD < q->count) {
            __builtin_prefetch(addition_at(q, q->a[i + AHEAD]));
            __builtin_prefetch(addition_at(q, q->b[i + AHEAD]));
        }
        s->kind[i] = denominator_of(s->denominator[i], q, i);
    }
    fe_mul_each(s->before + first + CHAINS, (const fe_t *)s->before + first,
                (const fe_t *)s->denominator + first,
                n); /* in this order: what comes later needs the first */
}

/* Inverses from first to first + n - 1; first is where all[0] belongs. */
static void block_inverses(struct block *o, fe_t all[CHAINS], const struct scratch *s, size_t first, size_t n)
{
    for (size_t k = (n + CHAINS - 1) / CHAINS * CHAINS; k > 0;) {
        k -= CHAINS;
        size_t m = n - k < CHAINS ? n - k : CHAINS;
        fe_mul_each(o->inverse + k, (const fe_t *)all, (const fe_t *)s->before + first + k, m);
        fe_mul_each(all, (const fe_t *)all, (const fe_t *)s->denominator + first + k, m);
    }
}

static void fetch_block(const struct additions *q, size_t end)
{
    for (size_t i = end < BLOCK ? 0 : end - BLOCK; i < end; i++) {
        __builtin_prefetch(addition_at(q, q->a[i]));
        __builtin_prefetch(addition_at(q, q->b[i]));
    }
}

_Static_assert(BLOCK % CHAINS == 0, "a block begins with the first chain");

/* before[i]: the product of the denominators before i in its chain; the last of them are the chains'
 * products. */
static void flush_portable(struct additions *q)
{
    struct scratch *s = q->scratch;
    struct block block;
    fe_t all[CHAINS];
    for (size_t i = 0; i < CHAINS; i++)
        fe_copy(s->before[i], fe_one);
    for (size_t i = 0; i < q->count; i += BLOCK)
        block_forth(s, q, i, q->count - i < BLOCK ? q->count - i : BLOCK);
    for (size_t i = 0; i < CHAINS; i++)
        fe_copy(all[(q->count + i) % CHAINS], s->before[q->count + i]);
    addition_invert(all, CHAINS);
    for (size_t end = q->count; end > 0;) {
        size_t n = (end - 1) % BLOCK + 1;
        end -= n;
        fetch_block(q, end);
        block_inverses(&block, all, s, end, n);
        block_sums(&block, q, end, n);
    }
}

void additions_flush(struct additions *q)
{
    if (q->count == 0)
        return;
#if P256_HAVE_IFMA
    if (q->path == P256_IFMA)
        p256_ifma_additions_flush(q);
#endif
    if (q->path == P256_PORTABLE)
        flush_portable(q);
    q->count = 0;
}
