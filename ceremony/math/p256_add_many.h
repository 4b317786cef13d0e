/* Affine additions by the thousand, which share an inversion: the inner loop of p256_pippenger.c. Public
 * data.
 *
 * Order: additions_new; additions_from before a series with other arrays; additions_put for each;
 * additions_flush when the sums are needed; additions_free. Between two flushes no sum may be a summand of
 * another addition put, and no place gets two sums. Equal, opposite and identity (0, 0) summands are all
 * right. */
#ifndef CEREMONY_MATH_P256_ADD_MANY_H
#define CEREMONY_MATH_P256_ADD_MANY_H

#include "ceremony/math/p256_path.h"

#define ADDITIONS 2048               /* that share an inversion, at the most */
#define ADDITIONS_LEAST 512          /* and however few there are */
#define ADDITION_MINUS (1u << 31)    /* added to the index of a summand: its negative */
#define ADDITION_OTHER (1u << 30)    /* the same: it is one of other[], not of from[] */
#define ADDITION_INDEX (~(3u << 30)) /* and without both */

#define ADDITIONS_RUN 256 /* at most so many at once; written four by four, so there is a margin */

struct additions {
    enum p256_path path;
    const struct p256_affine *from[2]; /* from, other */
    struct p256_affine *to;
    size_t count, most;
    uint32_t sum[ADDITIONS + 3], a[ADDITIONS + 3], b[ADDITIONS + 3];
    void *scratch; /* of the path */
};

/* expected: so many before a flush; from ADDITIONS_LEAST to ADDITIONS of them share an inversion, 64 bytes
 * each (208 with vectors). ERR_MEMORY, *out NULL */
MUST err_t additions_new(struct additions **out, enum p256_path path, size_t expected);
void additions_free(struct additions *q);
void additions_flush(struct additions *q);

/* From now on sums go to to[], and summands are of from[] or other[]; these may be the same array. Nothing
 * may be waiting. */
static inline void additions_from(struct additions *q, struct p256_affine *to, const struct p256_affine *from,
                                  const struct p256_affine *other)
{
    q->to = to;
    q->from[0] = from;
    q->from[1] = other;
}

/* Where a summand is. */
static inline const struct p256_affine *addition_at(const struct additions *q, uint32_t index)
{
    return q->from[index / ADDITION_OTHER & 1] + (index & ADDITION_INDEX);
}

/* Room for a run of n <= ADDITIONS_RUN additions. */
static inline void additions_room(struct additions *q, size_t n)
{
    if (q->count + n > q->most)
        additions_flush(q);
}

/* to[sum] = from[a] + from[b]; a and b may have ADDITION_MINUS. */
static inline void additions_put(struct additions *q, uint32_t sum, uint32_t a, uint32_t b)
{
    additions_room(q, 1);
    q->sum[q->count] = sum;
    q->a[q->count] = a;
    q->b[q->count++] = b;
}

/* to[sum + i] = from[a + i] + from[b + i], i < n */
static inline void additions_put_run(struct additions *q, uint32_t sum, uint32_t a, uint32_t b, size_t n)
{
    while (n > 0) {
        uint32_t run = n < ADDITIONS_RUN ? (uint32_t)n : ADDITIONS_RUN;
        additions_room(q, run);
        uint32_t *to_sum = q->sum + q->count, *to_a = q->a + q->count, *to_b = q->b + q->count;
        for (uint32_t i = 0; i < run; i += 4)
            for (uint32_t j = i; j < i + 4; j++) {
                to_sum[j] = sum + j;
                to_a[j] = a + j;
                to_b[j] = b + j;
            }
        q->count += run;
        sum += run;
        a += run;
        b += run;
        n -= run;
    }
}

/* p, or -p if index says so */
static inline void addition_summand(struct p256_affine *out, const struct p256_affine *p, uint32_t index)
{
    *out = *p;
    if (index & ADDITION_MINUS)
        p256_neg(out, out);
}

/* The sum of one summand. */
static inline void additions_copy(struct additions *q, uint32_t sum, uint32_t a)
{
    addition_summand(&q->to[sum], addition_at(q, a), a);
}

/* What the paths have in common: how an addition is done, when it is not the plain one. */
enum addition_kind { ADDITION_PLAIN, ADDITION_DOUBLE, ADDITION_FIRST, ADDITION_SECOND, ADDITION_NOTHING };
enum addition_kind addition_kind_of(const struct p256_affine *a, const struct p256_affine *b);
/* Numerator and denominator of the tangent's slope, 3 (x^2 - 1) and 2 y. */
void addition_tangent(uint64_t numerator[4], uint64_t denominator[4], const struct p256_affine *a);
/* a[i] = 1/a[i], none 0, with one inversion; count <= ADDITION_INVERSES */
#define ADDITION_INVERSES 64
void addition_invert(uint64_t (*a)[4], size_t count);

#endif
