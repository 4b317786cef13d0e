/* Pippenger's method with signed digits and affine additions throughout.
 *
 * 1. Digits. Windows that only the longer scalars reach have rows of their own, without the others.
 * 2. Fill. Points come into the buckets one after the other, window by window: the first that comes waits,
 * the second makes an addition with it. Whenever so many additions are put as share an inversion, they are
 * made, and the sums come into their buckets again, before the next points, until in every bucket one is
 * left. So what is added was read or made not long before, and is in the cache still.
 * 3. Reduce. sum (j + 1) bucket[j] of every window, by suffix sums: the buckets of a window are cut into
 * segments of equal length, and all segments of all windows take their steps at the same time, again sharing
 * inversions.
 * 4. The sums of the segments, and the windows by doubling. These are few, and Jacobian. */
#include "ceremony/math/p256_pippenger.h"

#include <stdlib.h>
#include <string.h>

#include "ceremony/base/pages.h"
#include "ceremony/math/p256_add_many.h"

#define DIGITS 256        /* scalars whose digits are taken together */
#define NOBODY UINT32_MAX /* waits */

/* Additions that are put, and who waits for one. Who: a point with ADDITION_OTHER, or a sum's place. */
struct meeting {
    uint32_t *a, *b, *place, *bucket; /* of those that are put; put may be written, too */
    size_t put;
    uint32_t *waiting; /* in each bucket of all windows: who, or NOBODY */
    uint32_t *free;    /* places without a sum */
    uint32_t *freed;   /* places whose sum is in an addition that is put: free when it is made */
    size_t frees, freeds;
};

struct pippenger {
    unsigned width, windows; /* bits of a digit; digits of a scalar */
    unsigned low;            /* windows that all scalars reach */
    size_t per_window;       /* 2^(width - 1) buckets: digits are -per_window .. per_window */
    size_t segment;          /* buckets of a segment, a power of 2 */
    size_t segments;         /* of all windows; the top one has fewer, as its digits are smaller */
    size_t count, longer;
    const struct p256_affine *p;
    uint32_t *which; /* the longer ones, which reach the windows above */
    uint16_t *digit; /* rows of count, then of longer: magnitude, and the sign in the top bit */
    struct meeting m;
    struct p256_affine *sum; /* places; the identity; of each segment the suffix sum, twice, and the total */
    size_t places;
    struct additions *q;
};

/* --- digits --- */

/* 2^(width - 1) in every digit but the top one. */
static void digits_offset(wide_t offset, const struct pippenger *b)
{
    memset(offset, 0, sizeof(wide_t));
    for (unsigned i = 0; i + 1 < b->windows; i++) {
        unsigned bit = i * b->width + b->width - 1;
        offset[bit / 64] |= UINT64_C(1) << bit % 64;
    }
}

/* Scalars, limb by limb. */
struct limbs {
    uint64_t w[6][DIGITS];
};

static void limbs_put(struct limbs *l, size_t at, const scalar_t *k, const wide_t offset)
{
    wide_t w;
    uint64_t carry = 0;
    wide_load(w, k);
    for (int j = 0; j < 5; j++) {
        unsigned __int128 sum = (unsigned __int128)w[j] + offset[j] + carry;
        l->w[j][at] = (uint64_t)sum;
        carry = (uint64_t)(sum >> 64);
    }
}

/* One digit of n scalars. With the offset added once and for all, digits can be read off as unsigned, and are
 * signed when it is taken off again. The top digit keeps its sign and takes the carry: windows * width > bits
 * leaves room. */
static void limbs_digit(uint16_t *digit, const struct pippenger *b, const struct limbs *l, unsigned window,
                        size_t n)
{
    unsigned at = window * b->width, shift = at % 64;
    const uint64_t *low = l->w[at / 64], *high = l->w[at / 64 + 1];
    uint32_t mask = (UINT32_C(1) << b->width) - 1;
    int32_t middle = window + 1 < b->windows ? (int32_t)b->per_window : 0;
#pragma omp simd
    for (size_t i = 0; i < n; i++) {
        uint64_t bits = low[i] >> shift | high[i] << 1 << (63 - shift);
        int32_t d = (int32_t)((uint32_t)bits & mask) - middle, minus = d >> 31;
        digit[i] = (uint16_t)(((d ^ minus) - minus) | (minus & 0x8000));
    }
}

/* The row of a window. */
static uint16_t *digits_of(const struct pippenger *b, unsigned window)
{
    size_t low = window < b->low ? window : b->low;
    return b->digit + low * b->count + (window - low) * b->longer;
}

/* Windows from first to end - 1, of the scalars of which, or of all (NULL). */
static void digits_read(struct pippenger *b, const scalar_t *k, const uint32_t *which, size_t count,
                        unsigned first, unsigned end)
{
    struct limbs l;
    wide_t offset;
    digits_offset(offset, b);
    memset(l.w[5], 0, sizeof l.w[5]);
    for (size_t at = 0; at < count; at += DIGITS) {
        size_t n = count - at < DIGITS ? count - at : DIGITS;
        for (size_t i = 0; i < n; i++)
            limbs_put(&l, i, &k[which ? which[at + i] : at + i], offset);
        for (unsigned w = first; w < end; w++)
            limbs_digit(digits_of(b, w) + at, b, &l, w, n);
    }
}

/* Windows that a scalar reaches: its digits from there on are 0. The offset is less than 3/4 of what they
 * hold, and so that nothing is carried out of them, the scalar less than a quarter. */
static unsigned reaches(const struct pippenger *b, const scalar_t *k)
{
    unsigned windows = (p256_bit_length(k) + 1) / b->width + 1;
    return windows < b->windows ? windows : b->windows;
}

/* Where to cut, so that there are the fewest digits. */
static void digits_cut(struct pippenger *b, const scalar_t *k)
{
    size_t reach[SCALAR_BITS + 2] = {0}, best = SIZE_MAX, above = b->count;
    for (size_t i = 0; i < b->count; i++)
        reach[reaches(b, &k[i])]++;
    for (unsigned low = 1; low <= b->windows; low++) {
        above -= reach[low];
        size_t digits = low * b->count + (b->windows - low) * above;
        if (digits >= best)
            continue;
        best = digits;
        b->low = low;
        b->longer = above;
    }
}

static void digits_find(struct pippenger *b, const scalar_t *k)
{
    size_t n = 0;
    for (size_t i = 0; i < b->count && n < b->longer; i++)
        if (reaches(b, &k[i]) > b->low)
            b->which[n++] = (uint32_t)i;
    digits_read(b, k, NULL, b->count, 0, b->low);
    digits_read(b, k, b->which, b->longer, b->low, b->windows);
}

/* --- fill --- */

/* Who was waiting in a bucket, who comes now, and which additions count: written without branches, which
 * would be taken every other time. What is put last only counts if somebody waited. */
static inline uint32_t meet(struct meeting *m, uint32_t bucket, uint32_t who)
{
    uint32_t other = m->waiting[bucket], met = other != NOBODY;
    m->a[m->put] = other;
    m->b[m->put] = who;
    m->bucket[m->put] = bucket;
    m->waiting[bucket] = who | (0 - met); /* NOBODY, if they go away together */
    return other;
}

static inline void point_comes(struct meeting *m, uint32_t bucket, uint32_t point)
{
    uint32_t other = meet(m, bucket, point), met = other != NOBODY, is_point = other / ADDITION_OTHER & 1;
    uint32_t fresh = m->free[m->frees - 1];
    m->place[m->put] = other ^ ((other ^ fresh) & (0 - is_point));
    m->frees -= met & is_point;
    m->put += met;
}

static inline void sum_comes(struct meeting *m, uint32_t bucket, uint32_t sum)
{
    uint32_t other = meet(m, bucket, sum), met = other != NOBODY, is_point = other / ADDITION_OTHER & 1;
    m->place[m->put] = sum;
    m->freed[m->freeds] = other;
    m->freeds += met & ~is_point;
    m->put += met;
}

/* The sums that were made come in: there are never more than half as many additions of them. */
static void sums_come(struct meeting *all)
{
    struct meeting m = *all; /* in registers, here and below */
    size_t sums = m.put;
    m.put = 0;
    for (size_t i = 0; i < sums; i++)
        sum_comes(&m, m.bucket[i], m.place[i]);
    *all = m;
}

/* Makes the additions that are put. */
static void meeting_make(struct meeting *m, struct additions *q)
{
    q->count = m->put;
    additions_flush(q);
    memcpy(m->free + m->frees, m->freed, m->freeds * sizeof *m->free);
    m->frees += m->freeds;
    m->freeds = 0;
    sums_come(m);
}

/* Points from to end - 1 of a window's row; index: which they are, or NULL. */
static void points_come(struct meeting *all, uint32_t bucket, const uint16_t *digit, const uint32_t *index,
                        size_t from, size_t end)
{
    struct meeting m = *all;
    for (size_t i = from; i < end; i++) {
        uint32_t d = digit[i], size = d & 0x7fff, point = index ? index[i] : (uint32_t)i;
        if (size != 0)
            point_comes(&m, bucket + size - 1, point | ADDITION_OTHER | (d & 0x8000) << 16);
    }
    *all = m;
}

static void window_fill(struct pippenger *b, unsigned window)
{
    const uint32_t *index = window < b->low ? NULL : b->which;
    size_t count = index ? b->longer : b->count, most = b->q->most;
    for (size_t i = 0, end; i < count; i = end) {
        if (b->m.put + ADDITIONS_RUN > most)
            meeting_make(&b->m, b->q);
        end = count - i < most - b->m.put ? count : i + most - b->m.put;
        points_come(&b->m, window * (uint32_t)b->per_window, digits_of(b, window), index, i, end);
    }
}

/* --- reduce --- */

/* The sum of a bucket. */
static uint32_t bucket_sum(const struct pippenger *b, size_t bucket)
{
    uint32_t who = b->m.waiting[bucket];
    return who == NOBODY ? (uint32_t)b->places : who;
}

/* Suffix sums of a segment, from its end on, are there and here by turns. */
static struct p256_affine *suffix_sums(const struct pippenger *b, size_t row)
{
    return b->sum + b->places + 1 + row % 2 * b->segments;
}

static struct p256_affine *totals(const struct pippenger *b)
{
    return suffix_sums(b, 0) + 2 * b->segments;
}

/* The suffix sums of rows become those of row 0; totals, the sum of all of them. */
static void segments_reduce(struct pippenger *b)
{
    size_t last = b->segment - 1;
    uint32_t n = (uint32_t)b->segments, to_total = (uint32_t)(totals(b) - b->sum);
    struct p256_affine *start = suffix_sums(b, last);
    for (size_t s = 0; s < n; s++)
        additions_copy(b->q, (uint32_t)(start - b->sum + (ptrdiff_t)s), bucket_sum(b, s * b->segment + last));
    memcpy(totals(b), start, n * sizeof *start);
    for (size_t row = last; row-- > 0;) {
        uint32_t here = (uint32_t)(suffix_sums(b, row) - b->sum);
        uint32_t there = (uint32_t)(suffix_sums(b, row + 1) - b->sum);
        for (uint32_t s = 0; s < n; s++)
            additions_put(b->q, here + s, bucket_sum(b, s * b->segment + row), there + s);
        if (row + 1 < last) /* the row finished in the step before; the last one was copied */
            additions_put_run(b->q, to_total, to_total, there, n);
        additions_flush(b->q);
    }
    if (last > 0)
        additions_put_run(b->q, to_total, to_total, (uint32_t)(suffix_sums(b, 0) - b->sum), n);
    additions_flush(b->q);
}

/* Segments of windows 0 .. windows - 1. */
static size_t segments_of(const struct pippenger *b, unsigned windows)
{
    return windows < b->windows ? windows * b->per_window / b->segment : b->segments;
}

/* Segment s of a window stands for s segment times its sum, in row 0, and its total. */
static void window_sum(struct p256_jacobian *out, const struct pippenger *b, unsigned window)
{
    size_t first = segments_of(b, window), n = segments_of(b, window + 1) - first;
    const struct p256_affine *sum = suffix_sums(b, 0) + first, *total = totals(b) + first;
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
    additions_from(b->q, b->sum, b->sum, b->p);
    for (unsigned w = 0; w < b->windows; w++)
        window_fill(b, w);
    while (b->m.put > 0)
        meeting_make(&b->m, b->q);
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

/* The top digit is what is left of bits above the other windows, and a carry. */
static size_t all_segments(const struct pippenger *b, unsigned bits)
{
    size_t most = (size_t)1 << (bits - (b->windows - 1) * b->width);
    size_t top = most < b->per_window ? most : b->per_window;
    return (b->windows - 1) * b->per_window / b->segment + (top + b->segment - 1) / b->segment;
}

/* Places: at most one sum waits in each bucket, and of every addition that is put there are its sum and
 * a sum that is in it. */
static err_t pippenger_alloc(struct pippenger *b)
{
    size_t digits = b->low * b->count + (b->windows - b->low) * b->longer;
    size_t buckets = b->segments * b->segment, most = b->q->most;
    b->places = buckets + 2 * most;
    b->digit = pages_alloc(digits * sizeof *b->digit);
    b->which = malloc((b->longer + 1) * sizeof *b->which);
    b->m = (struct meeting){.a = b->q->a, .b = b->q->b, .place = b->q->sum};
    b->m.bucket = malloc((most + 1) * sizeof *b->m.bucket);
    b->m.waiting = malloc(buckets * sizeof *b->m.waiting);
    b->m.free = malloc(b->places * sizeof *b->m.free);
    b->m.freed = malloc((most + 1) * sizeof *b->m.freed);
    b->sum = pages_alloc((b->places + 1 + 3 * b->segments) * sizeof *b->sum);
    if (!b->digit || !b->which || !b->m.bucket || !b->m.waiting || !b->m.free || !b->m.freed || !b->sum)
        return ERR_MEMORY;
    memset(b->m.waiting, 0xff, buckets * sizeof *b->m.waiting);
    while (b->m.frees < b->places) { /* the first is taken first */
        b->m.free[b->m.frees] = (uint32_t)(b->places - 1 - b->m.frees);
        b->m.frees++;
    }
    memset(&b->sum[b->places], 0, sizeof *b->sum);
    return OK;
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
    b.segment = best_segment(&b);
    b.segments = all_segments(&b, bits);
    digits_cut(&b, k);
    GO(additions_new(&b.q, path, count));
    GO(pippenger_alloc(&b));
    digits_find(&b, k);
    pippenger_run(out, &b);
out:
    additions_free(b.q);
    free(b.digit);
    free(b.which);
    free(b.m.bucket);
    free(b.m.waiting);
    free(b.m.free);
    free(b.m.freed);
    free(b.sum);
    return e;
}
