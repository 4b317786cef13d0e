/* The additions in portable C, and what both paths share. */
#include "ceremony/math/p256_add_many.h"

#include <stdlib.h>
#include <string.h>

#include "ceremony/math/p256_field.h"
#include "ceremony/math/p256_ifma.h"

struct scratch {
    uint8_t kind[ADDITIONS];
    fe_t denominator[ADDITIONS], before[ADDITIONS];
};

err_t additions_new(struct additions **out, enum p256_path path)
{
    *out = NULL;
    if (!p256_path_available(path))
        return ERR_BUG;
    struct additions *q = calloc(1, sizeof *q);
    if (q == NULL)
        return ERR_MEMORY;
    q->path = path;
#if P256_HAVE_IFMA
    if (path == P256_IFMA)
        q->scratch = p256_ifma_additions_scratch();
#endif
    if (path == P256_PORTABLE)
        q->scratch = calloc(1, sizeof(struct scratch));
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

void addition_summand(struct p256_affine *out, const struct p256_affine *from, uint32_t index)
{
    *out = from[index & ADDITION_INDEX];
    if (index & ADDITION_MINUS)
        p256_neg(out, out);
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

void addition_invert(uint64_t (*r)[4], const uint64_t (*a)[4], size_t count)
{
    fe_t before[8], all;
    fe_copy(all, fe_one);
    for (size_t i = 0; i < count; i++) {
        fe_copy(before[i], all);
        fe_mul(all, all, a[i]);
    }
    fe_invert(all, all);
    for (size_t i = count; i-- > 0;) {
        fe_mul(before[i], all, before[i]);
        fe_mul(all, all, a[i]);
        fe_copy(r[i], before[i]);
    }
}

/* The coordinate may be the identity's, or b may be +-a: then it is looked at closely. */
static uint8_t denominator_of(fe_t denominator, const struct additions *q, size_t i)
{
    const uint64_t *ax = q->from[q->a[i] & ADDITION_INDEX].x, *bx = q->from[q->b[i] & ADDITION_INDEX].x;
    fe_sub(denominator, bx, ax);
    if (!fe_is_zero(denominator) && !fe_is_zero(ax) && !fe_is_zero(bx))
        return ADDITION_PLAIN;
    struct p256_affine a, b;
    fe_t unused;
    addition_summand(&a, q->from, q->a[i]);
    addition_summand(&b, q->from, q->b[i]);
    enum addition_kind kind = addition_kind_of(&a, &b);
    if (kind == ADDITION_DOUBLE)
        addition_tangent(unused, denominator, &a);
    else if (kind != ADDITION_PLAIN)
        fe_copy(denominator, fe_one);
    return (uint8_t)kind;
}

static void add_finish(struct p256_affine *sum, const struct p256_affine *a, const struct p256_affine *b,
                       const fe_t numerator, const fe_t inverse)
{
    fe_t slope, x, t;
    fe_mul(slope, numerator, inverse);
    fe_sqr(x, slope);
    fe_sub(x, x, a->x);
    fe_sub(x, x, b->x);
    fe_sub(t, a->x, x);
    fe_mul(t, t, slope);
    fe_sub(sum->y, t, a->y);
    fe_copy(sum->x, x);
}

static void add_one(struct additions *q, size_t i, uint8_t kind, const fe_t inverse)
{
    struct p256_affine a, b, *sum = &q->to[q->sum[i]];
    fe_t numerator, unused;
    addition_summand(&a, q->from, q->a[i]);
    addition_summand(&b, q->from, q->b[i]);
    if (kind == ADDITION_FIRST)
        *sum = a;
    if (kind == ADDITION_SECOND)
        *sum = b;
    if (kind == ADDITION_NOTHING)
        memset(sum, 0, sizeof *sum);
    if (kind == ADDITION_PLAIN) {
        fe_sub(numerator, b.y, a.y);
        add_finish(sum, &a, &b, numerator, inverse);
    }
    if (kind == ADDITION_DOUBLE) {
        addition_tangent(numerator, unused, &a);
        add_finish(sum, &a, &b, numerator, inverse);
    }
}

static void flush_portable(struct additions *q)
{
    struct scratch *s = q->scratch;
    fe_t all, inverse;
    fe_copy(all, fe_one);
    for (size_t i = 0; i < q->count; i++) {
        s->kind[i] = denominator_of(s->denominator[i], q, i);
        fe_copy(s->before[i], all);
        fe_mul(all, all, s->denominator[i]);
    }
    fe_invert(all, all);
    for (size_t i = q->count; i-- > 0;) {
        fe_mul(inverse, all, s->before[i]);
        fe_mul(all, all, s->denominator[i]);
        add_one(q, i, s->kind[i], inverse);
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
