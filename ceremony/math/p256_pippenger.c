/* Pippenger's method with signed digits and affine additions throughout.
 *
 * 1. Fill. For a group of windows the points are sorted by digit; each bucket halves its list, round by
 * round, until it is one point. The additions of a round do not depend on each other, so they share
 * inversions. The first round takes the points from where they are, by index.
 * 2. Reduce. sum (j + 1) bucket[j] of every window, by suffix sums: the buckets of a window are cut into
 * segments of equal length, and all segments of all windows take their steps at the same time, again sharing
 * inversions.
 * 3. The sums of the segments, and the windows by doubling. These are few, and Jacobian. */
#include "ceremony/math/p256_pippenger.h"

#include <stdlib.h>
#include <string.h>

#include "ceremony/math/p256_add_many.h"

#define WIDTH_MAX 16
#define GROUP_ENTRIES 65536 /* filled at once, where one window has fewer */

struct pippenger {
    unsigned width, windows; /* bits of a digit; digits of a scalar */
    unsigned group;          /* windows filled at once */
    size_t per_window;       /* 2^(width - 1) buckets: digits are -per_window .. per_window */
    size_t segment;          /* buckets of a segment, a power of 2 */
    size_t segments;         /* of all windows */
    size_t count;
    wide_scalar_t *k; /* with the offset that makes digits signed */
    const struct p256_affine *p;
    int32_t *digit;           /* of one window */
    uint32_t *start, *len;    /* of the buckets of a group (start: one more); in entry, then in list */
    uint32_t *entry;          /* points by bucket, with ADDITION_MINUS */
    struct p256_affine *list; /* their sums in pairs, and so on; the first of each bucket in the end */
    struct p256_affine *sum;  /* segment rows of segments buckets each; then the segments' totals */
    struct additions *q;
};

/* Every digit but the top one has 2^(width-1) added, once and for all, so that it can be read off as
 * unsigned. The top digit keeps its sign and takes the carry: windows * width > bits leaves room. */
static void offset_digits(wide_scalar_t k, unsigned width, unsigned windows)
{
    wide_scalar_t offset = {0, 0, 0, 0, 0};
    for (unsigned i = 0; i + 1 < windows; i++) {
        unsigned bit = i * width + width - 1;
        offset[bit / 64] |= UINT64_C(1) << bit % 64;
    }
    unsigned __int128 sum = 0;
    for (int i = 0; i < 5; i++) {
        sum += (unsigned __int128)k[i] + offset[i];
        k[i] = (uint64_t)sum;
        sum >>= 64;
    }
}

/* The digits of a window; those of identities are 0. */
static void digits_read(struct pippenger *b, unsigned window)
{
    int32_t minus = window + 1 < b->windows ? (int32_t)b->per_window : 0;
    for (size_t i = 0; i < b->count; i++)
        b->digit[i] = (int32_t)wide_bits(b->k[i], window * b->width, b->width) - minus;
}

/* --- fill --- */

static void group_count(struct pippenger *b, unsigned first, unsigned group)
{
    memset(b->len, 0, group * b->per_window * sizeof *b->len);
    for (unsigned w = 0; w < group; w++) {
        uint32_t *len = b->len + w * b->per_window;
        digits_read(b, first + w);
        for (size_t i = 0; i < b->count; i++)
            if (b->digit[i] != 0)
                len[abs(b->digit[i]) - 1]++;
    }
}

/* Sorts the points of windows first .. first + group - 1 by bucket into entry. */
static void group_sort(struct pippenger *b, unsigned first, unsigned group)
{
    size_t total = group * b->per_window;
    group_count(b, first, group);
    uint32_t at = 0;
    for (size_t i = 0; i < total; i++) {
        b->start[i] = at;
        at += b->len[i];
    }
    for (unsigned w = group; w-- > 0;) { /* the digits of the last one are still there */
        uint32_t *start = b->start + w * b->per_window;
        if (w + 1 != group)
            digits_read(b, first + w);
        for (size_t i = 0; i < b->count; i++) {
            int32_t d = b->digit[i];
            if (d > 0)
                b->entry[start[d - 1]++] = (uint32_t)i;
            if (d < 0)
                b->entry[start[-d - 1]++] = (uint32_t)i | ADDITION_MINUS;
        }
    }
    for (size_t i = 0; i < total; i++)
        b->start[i] -= b->len[i];
}

/* The first round: pairs of points, from p by index to list. Every bucket has a place there, with the
 * identity if it is empty. */
static void group_pairs(struct pippenger *b, size_t total)
{
    uint32_t at = 0;
    additions_from(b->q, b->list, b->p);
    for (size_t i = 0; i < total; i++) {
        const uint32_t *entry = b->entry + b->start[i];
        uint32_t half = b->len[i] / 2, odd = b->len[i] % 2;
        for (uint32_t j = 0; j < half; j++)
            additions_put(b->q, at + j, entry[2 * j], entry[2 * j + 1]);
        if (odd)
            additions_copy(b->q, at + half, entry[2 * half]);
        if (b->len[i] == 0)
            memset(&b->list[at], 0, sizeof b->list[at]);
        b->start[i] = at;
        b->len[i] = half + odd;
        at += b->len[i] == 0 ? 1 : b->len[i];
    }
    additions_flush(b->q);
}

static void group_fill(struct pippenger *b, unsigned first, unsigned group)
{
    size_t total = group * b->per_window;
    group_sort(b, first, group);
    group_pairs(b, total);
    additions_from(b->q, b->list, b->list);
    for (int again = 1; again;) {
        again = 0;
        for (size_t i = 0; i < total; i++) {
            uint32_t half = b->len[i] / 2, rest = b->len[i] - half, at = b->start[i];
            for (uint32_t j = 0; j < half; j++)
                additions_put(b->q, at + j, at + j, at + rest + j);
            b->len[i] = rest;
            again |= rest > 1;
        }
        additions_flush(b->q);
    }
    for (size_t i = 0; i < total; i++) {
        size_t bucket = first * b->per_window + i;
        b->sum[bucket % b->segment * b->segments + bucket / b->segment] = b->list[b->start[i]];
    }
}

/* --- reduce --- */

/* Row j becomes the sum of rows j, j + 1, ...; the totals, in the row behind the last, the sum of those sums.
 */
static void segments_reduce(struct pippenger *b)
{
    size_t n = b->segments, totals = b->segment * n;
    memcpy(b->sum + totals, b->sum + totals - n, n * sizeof *b->sum);
    additions_from(b->q, b->sum, b->sum);
    for (size_t row = b->segment - 1; row-- > 0;) {
        for (size_t i = row * n; i < (row + 1) * n; i++)
            additions_put(b->q, (uint32_t)i, (uint32_t)i, (uint32_t)(i + n));
        if (row + 2 < b->segment) /* the row finished in the step before; the last one was copied */
            for (size_t i = 0; i < n; i++)
                additions_put(b->q, (uint32_t)(totals + i), (uint32_t)(totals + i),
                              (uint32_t)((row + 1) * n + i));
        additions_flush(b->q);
    }
    if (b->segment > 1) {
        for (size_t i = 0; i < n; i++)
            additions_put(b->q, (uint32_t)(totals + i), (uint32_t)(totals + i), (uint32_t)i);
        additions_flush(b->q);
    }
}

/* Segment s of a window stands for s segment times its sum, in row 0, and its total. */
static void window_sum(struct p256_jacobian *out, const struct pippenger *b, unsigned window)
{
    size_t n = b->per_window / b->segment;
    const struct p256_affine *sum = b->sum + window * n, *total = sum + b->segment * b->segments;
    struct p256_jacobian running;
    p256_zero(&running);
    p256_zero(out);
    for (size_t s = n; s-- > 1;) {
        p256_add_affine_var(&running, &running, &sum[s]);
        p256_add_var(out, out, &running);
    }
    for (size_t i = 1; i < b->segment; i *= 2)
        p256_double_var(out, out);
    for (size_t s = 0; s < n; s++)
        p256_add_affine_var(out, out, &total[s]);
}

static void pippenger_run(struct p256_jacobian *out, struct pippenger *b)
{
    struct p256_jacobian sum;
    for (unsigned first = 0; first < b->windows; first += b->group)
        group_fill(b, first, b->windows - first < b->group ? b->windows - first : b->group);
    segments_reduce(b);
    p256_zero(out);
    for (unsigned w = b->windows; w-- > 0;) {
        for (unsigned i = 0; i < b->width; i++)
            p256_double_var(out, out);
        window_sum(&sum, b, w);
        p256_add_var(out, out, &sum);
    }
}

/* --- sizes --- */

/* The width with the fewest additions: for each window one a point, less one for each bucket that has any,
 * and two for each bucket to reduce it. */
static unsigned best_width(size_t count, unsigned bits)
{
    unsigned best = 2;
    double best_cost = 0;
    for (unsigned width = 2; width <= WIDTH_MAX; width++) {
        double buckets = (double)(1u << (width - 1)), empty = 1, base = 1 - 1 / buckets;
        for (size_t n = count; n > 0; n /= 2) {
            empty *= n % 2 ? base : 1;
            base *= base;
        }
        double cost = (bits / width + 1) * ((double)count + buckets * (1 + empty));
        if (width == 2 || cost < best_cost) {
            best = width;
            best_cost = cost;
        }
    }
    return best;
}

/* Each row of segments costs an inversion, each segment some Jacobian additions: about eight segments weigh
 * as much as a row. */
static size_t best_segment(const struct pippenger *b)
{
    size_t segment = 1;
    while (segment < b->per_window && 16 * segment * segment < b->windows * b->per_window)
        segment *= 2;
    return segment;
}

static err_t pippenger_alloc(struct pippenger *b)
{
    size_t buckets = b->group * b->per_window, entries = b->group * b->count;
    b->digit = calloc(b->count, sizeof *b->digit);
    b->start = calloc(buckets, sizeof *b->start);
    b->len = calloc(buckets, sizeof *b->len);
    b->entry = calloc(entries, sizeof *b->entry);
    b->list = calloc(entries / 2 + buckets, sizeof *b->list);
    b->sum = calloc((b->segment + 1) * b->segments, sizeof *b->sum);
    return !b->digit || !b->start || !b->len || !b->entry || !b->list || !b->sum ? ERR_MEMORY : OK;
}

err_t p256_pippenger_var(enum p256_path path, struct p256_jacobian *out, wide_scalar_t *k,
                         const struct p256_affine *p, size_t count, unsigned bits)
{
    err_t e;
    struct pippenger b = {.count = count, .k = k, .p = p};
    b.width = best_width(count, bits);
    b.windows = bits / b.width + 1;
    b.per_window = (size_t)1 << (b.width - 1);
    size_t group = count < GROUP_ENTRIES ? GROUP_ENTRIES / count : 1;
    b.group = group < b.windows ? (unsigned)group : b.windows;
    b.segment = best_segment(&b);
    b.segments = b.windows * b.per_window / b.segment;
    GO(pippenger_alloc(&b));
    GO(additions_new(&b.q, path));
    for (size_t i = 0; i < count; i++)
        offset_digits(k[i], b.width, b.windows);
    pippenger_run(out, &b);
out:
    additions_free(b.q);
    free(b.digit);
    free(b.start);
    free(b.len);
    free(b.entry);
    free(b.list);
    free(b.sum);
    return e;
}
