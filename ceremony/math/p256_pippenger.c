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

#define GROUP_ENTRIES 65536 /* filled at once, where one window has fewer */
#define FEW_POINTS 1024     /* up to here memory counts more: a precinct's node has 500 KB in all */
#define FEW_GROUP 4         /* windows filled at once then */

struct pippenger {
    unsigned width, windows; /* bits of a digit; digits of a scalar */
    unsigned group;          /* windows filled at once */
    size_t per_window;       /* 2^(width - 1) buckets: digits are -per_window .. per_window */
    size_t segment;          /* buckets of a segment, a power of 2 */
    unsigned segment_log;    /* of 2 */
    size_t segments;         /* of all windows */
    size_t count;
    const struct p256_affine *p;
    uint16_t *digit;         /* windows rows of count: magnitude, and the sign in the top bit */
    uint32_t *start, *len;   /* of a group's buckets by magnitude, 0 included; in entry, then in sum */
    uint32_t *entry;         /* points by bucket, with ADDITION_MINUS */
    struct p256_affine *sum; /* segment rows of segments buckets each; then the segments' totals; then, from
                              * lists on, the sums in pairs, and so on, of a group's buckets */
    size_t lists;
    struct additions *q;
};

/* 2^(width - 1) in every digit but the top one. */
static void digits_offset(wide_t offset, const struct pippenger *b)
{
    memset(offset, 0, sizeof(wide_t));
    for (unsigned i = 0; i + 1 < b->windows; i++) {
        unsigned bit = i * b->width + b->width - 1;
        offset[bit / 64] |= UINT64_C(1) << bit % 64;
    }
}

/* With the offset added once and for all, digits can be read off as unsigned, and are signed when it is taken
 * off again. The top digit keeps its sign and takes the carry: windows * width > bits leaves room. */
static void digits_read(struct pippenger *b, const scalar_t *k)
{
    wide_t offset, w;
    digits_offset(offset, b);
    for (size_t i = 0; i < b->count; i++) {
        unsigned __int128 sum = 0;
        wide_load(w, &k[i]);
        for (int j = 0; j < 5; j++) {
            sum += (unsigned __int128)w[j] + offset[j];
            w[j] = (uint64_t)sum;
            sum >>= 64;
        }
        for (unsigned n = 0; n < b->windows; n++) {
            int32_t d = (int32_t)wide_bits(w, n * b->width, b->width);
            if (n + 1 < b->windows)
                d -= (int32_t)b->per_window;
            int32_t minus = d >> 31; /* all ones for a negative one */
            b->digit[n * b->count + i] = (uint16_t)(((d ^ minus) - minus) | (minus & 0x8000));
        }
    }
}

/* --- fill --- */

/* Sorts the points of windows first .. first + group - 1 by bucket into entry. */
static void group_sort(struct pippenger *b, unsigned first, unsigned group)
{
    size_t stride = b->per_window + 1;
    const uint16_t *digit = b->digit + first * b->count;
    memset(b->len, 0, group * stride * sizeof *b->len);
    for (unsigned w = 0; w < group; w++)
        for (size_t i = 0; i < b->count; i++)
            b->len[w * stride + (digit[w * b->count + i] & 0x7fff)]++;
    uint32_t at = 0;
    for (size_t i = 0; i < group * stride; i++) {
        b->start[i] = at;
        at += b->len[i];
    }
    for (unsigned w = 0; w < group; w++)
        for (size_t i = 0; i < b->count; i++) {
            uint32_t d = digit[w * b->count + i];
            b->entry[b->start[w * stride + (d & 0x7fff)]++] = (uint32_t)i | (d & 0x8000) << 16;
        }
    for (size_t i = 0; i < group * stride; i++)
        b->start[i] -= b->len[i];
}

/* Where the sum of a bucket goes. */
static uint32_t bucket_place(const struct pippenger *b, size_t bucket)
{
    return (uint32_t)((bucket & (b->segment - 1)) * b->segments + (bucket >> b->segment_log));
}

/* The first round of a bucket: pairs of points, from p by index, to its place or to a list that begins at at.
 * Returns the length of the list; len is what is left to add up. */
static uint32_t bucket_pairs(struct pippenger *b, size_t i, size_t bucket, uint32_t at)
{
    const uint32_t *entry = b->entry + b->start[i];
    uint32_t half = b->len[i] / 2, odd = b->len[i] % 2, all = half + odd;
    uint32_t to = all > 1 ? at : bucket_place(b, bucket);
    additions_put_pairs(b->q, to, entry, half);
    if (odd)
        additions_copy(b->q, to + half, entry[2 * half]);
    if (all == 0)
        memset(&b->sum[to], 0, sizeof b->sum[to]);
    b->start[i] = at;
    b->len[i] = all > 1 ? all : 0;
    return b->len[i];
}

/* A round of all buckets: the upper half of each list onto the lower. Returns whether one is still longer
 * than one. */
static int group_halve(struct pippenger *b, unsigned first, unsigned group)
{
    int again = 0;
    for (unsigned w = 0; w < group; w++) {
        size_t i = w * (b->per_window + 1) + 1, bucket = (first + w) * b->per_window;
        for (size_t end = i + b->per_window; i < end; i++, bucket++) {
            uint32_t half = b->len[i] / 2, rest = b->len[i] - half, at = b->start[i];
            if (half == 0)
                continue;
            additions_put_run(b->q, rest > 1 ? at : bucket_place(b, bucket), at, at + rest, half);
            b->len[i] = rest;
            again |= rest > 1;
        }
    }
    additions_flush(b->q);
    return again;
}

static void group_fill(struct pippenger *b, unsigned first, unsigned group)
{
    uint32_t at = (uint32_t)b->lists;
    group_sort(b, first, group);
    additions_from(b->q, b->sum, b->p);
    for (unsigned w = 0; w < group; w++)
        for (size_t d = 1; d <= b->per_window; d++)
            at += bucket_pairs(b, w * (b->per_window + 1) + d, (first + w) * b->per_window + d - 1, at);
    additions_flush(b->q);
    additions_from(b->q, b->sum, b->sum);
    while (group_halve(b, first, group))
        continue;
}

/* --- reduce --- */

/* Row j becomes the sum of rows j, j + 1, ...; the totals, in the row behind the last, the sum of those sums.
 */
static void segments_reduce(struct pippenger *b)
{
    uint32_t n = (uint32_t)b->segments, totals = (uint32_t)b->segment * n;
    memcpy(b->sum + totals, b->sum + totals - n, n * sizeof *b->sum);
    additions_from(b->q, b->sum, b->sum);
    for (uint32_t row = (uint32_t)b->segment - 1; row-- > 0;) {
        additions_put_run(b->q, row * n, row * n, (row + 1) * n, n);
        if (row + 2 < b->segment) /* the row finished in the step before; the last one was copied */
            additions_put_run(b->q, totals, totals, (row + 1) * n, n);
        additions_flush(b->q);
    }
    if (b->segment > 1)
        additions_put_run(b->q, totals, totals, 0, n);
    additions_flush(b->q);
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
unsigned p256_pippenger_width(size_t count, unsigned bits)
{
    unsigned best = P256_WIDTH_MIN;
    double best_cost = 0;
    for (unsigned width = P256_WIDTH_MIN; width <= P256_WIDTH_MAX; width++) {
        double buckets = (double)(1u << (width - 1)), empty = 1, base = 1 - 1 / buckets;
        for (size_t n = count; n > 0; n /= 2) {
            empty *= n % 2 ? base : 1;
            base *= base;
        }
        double cost = (bits / width + 1) * ((double)count + buckets * (1 + empty));
        if (width == P256_WIDTH_MIN || cost < best_cost) {
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
    size_t buckets = b->group * (b->per_window + 1), entries = b->group * b->count;
    b->digit = malloc(b->windows * b->count * sizeof *b->digit);
    b->start = malloc(buckets * sizeof *b->start);
    b->len = malloc(buckets * sizeof *b->len);
    b->entry = calloc(entries + 6, sizeof *b->entry); /* additions_put_pairs reads ahead */
    b->sum = aligned_alloc(64, (b->lists + entries / 2 + buckets) * sizeof *b->sum);
    return !b->digit || !b->start || !b->len || !b->entry || !b->sum ? ERR_MEMORY : OK;
}

err_t p256_pippenger_var(enum p256_path path, struct p256_jacobian *out, const scalar_t *k,
                         const struct p256_affine *p, size_t count, unsigned bits, unsigned width)
{
    err_t e;
    struct pippenger b = {.count = count, .p = p};
    if (width != 0 && (width < P256_WIDTH_MIN || width > P256_WIDTH_MAX))
        return ERR_BUG;
    b.width = width ? width : p256_pippenger_width(count, bits);
    b.windows = bits / b.width + 1;
    b.per_window = (size_t)1 << (b.width - 1);
    size_t group = count <= FEW_POINTS ? FEW_GROUP : count < GROUP_ENTRIES ? GROUP_ENTRIES / count : 1;
    b.group = group < b.windows ? (unsigned)group : b.windows;
    b.segment = best_segment(&b);
    b.segment_log = (unsigned)__builtin_ctzl(b.segment);
    b.segments = b.windows * b.per_window / b.segment;
    b.lists = (b.segment + 1) * b.segments;
    GO(pippenger_alloc(&b));
    GO(additions_new(&b.q, path, b.group * count / 2));
    digits_read(&b, k);
    pippenger_run(out, &b);
out:
    additions_free(b.q);
    free(b.digit);
    free(b.start);
    free(b.len);
    free(b.entry);
    free(b.sum);
    return e;
}
