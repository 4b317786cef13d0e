/* Sums k_1 P_1 + ... + k_n P_n: interleaved wNAF (Straus) for few points, buckets with signed digits
 * (Pippenger) for many.
 *
 * The buckets are filled with affine additions: all (bucket, point) entries of a group of windows are
 * sorted by bucket, then every bucket halves its list, round by round. The additions of a round do not
 * depend on each other, so a whole chunk of them shares one inversion. */
#include <stdlib.h>
#include <string.h>

#include "ceremony/math/p256_field.h"
#include "ceremony/math/p256_var.h"

#define SCALAR_BITS 256
#define STRAUS_MAX 64 /* above this count the buckets are faster */

#define WNAF_WIDTH 5
#define WNAF_TABLE (1 << (WNAF_WIDTH - 2))
#define WNAF_LEN (SCALAR_BITS + 1)

#define WINDOW_MAX 15
#define GROUP_ENTRIES 65536 /* entries filled at once, where one window has fewer */
#define CHUNK 512           /* additions that share an inversion */

/* A scalar, and room for a carry out of 256 bits. */
typedef uint64_t wide_t[5];

static void wide_load(wide_t w, const scalar_t *k)
{
    for (int i = 0; i < 4; i++) {
        w[i] = 0;
        for (int j = 0; j < 8; j++)
            w[i] = w[i] << 8 | k->b[8 * (3 - i) + j];
    }
    w[4] = 0;
}

/* count <= 32 bits from position at */
static uint32_t wide_bits(const wide_t w, unsigned at, unsigned count)
{
    unsigned limb = at / 64, shift = at % 64;
    if (limb > 4)
        return 0;
    uint64_t v = w[limb] >> shift;
    if (shift + count > 64 && limb < 4)
        v |= w[limb + 1] << (64 - shift);
    return (uint32_t)(v & ((UINT64_C(1) << count) - 1));
}

static unsigned wide_bit_length(const wide_t w)
{
    for (int i = 4; i >= 0; i--)
        if (w[i] != 0)
            return (unsigned)(64 * i + 64 - __builtin_clzll(w[i]));
    return 0;
}

/* --- Straus --- */

struct straus {
    size_t count;
    int8_t (*digit)[WNAF_LEN];
    struct p256_affine (*odd)[WNAF_TABLE]; /* P, 3P, 5P, ... */
    struct p256_jacobian (*odd_jacobian)[WNAF_TABLE];
};

/* k = sum digit[i] 2^i, digits odd or 0, below 2^(WNAF_WIDTH - 1); returns the number of digits. */
static unsigned wnaf(int8_t digit[WNAF_LEN], const wide_t k)
{
    unsigned len = 0, carry = 0;
    memset(digit, 0, WNAF_LEN);
    for (unsigned at = 0; at < WNAF_LEN;) {
        if (wide_bits(k, at, 1) == carry) {
            at++;
            continue;
        }
        int word = (int)(wide_bits(k, at, WNAF_WIDTH) + carry);
        carry = (unsigned)word >> (WNAF_WIDTH - 1) & 1;
        word -= (int)(carry << WNAF_WIDTH);
        digit[at] = (int8_t)word;
        len = at + 1;
        at += WNAF_WIDTH;
    }
    return len;
}

static void odd_multiples(struct p256_jacobian out[WNAF_TABLE], const struct p256_affine *p)
{
    struct p256_jacobian twice;
    p256_from_affine(&out[0], p);
    p256_double_var(&twice, &out[0]);
    for (int i = 1; i < WNAF_TABLE; i++)
        p256_add_var(&out[i], &out[i - 1], &twice);
}

static void straus_run(struct p256_jacobian *out, const struct straus *s, unsigned len)
{
    p256_zero(out);
    for (unsigned at = len; at-- > 0;) {
        p256_double_var(out, out);
        for (size_t i = 0; i < s->count; i++) {
            int d = s->digit[i][at];
            if (d > 0)
                p256_add_affine_var(out, out, &s->odd[i][d / 2]);
            if (d < 0) {
                struct p256_affine minus;
                p256_neg(&minus, &s->odd[i][-d / 2]);
                p256_add_affine_var(out, out, &minus);
            }
        }
    }
}

static err_t straus(struct p256_jacobian *out, const wide_t *k, const struct p256_affine *p, size_t count)
{
    err_t e = ERR_MEMORY;
    unsigned len = 0;
    struct straus s = {.count = count};
    s.digit = calloc(count, sizeof *s.digit);
    s.odd = calloc(count, sizeof *s.odd);
    s.odd_jacobian = calloc(count, sizeof *s.odd_jacobian);
    if (s.digit == NULL || s.odd == NULL || s.odd_jacobian == NULL)
        goto out;
    for (size_t i = 0; i < count; i++) {
        unsigned n = wnaf(s.digit[i], k[i]);
        len = n > len ? n : len;
        odd_multiples(s.odd_jacobian[i], &p[i]);
    }
    GO(p256_to_affine_many_var(s.odd[0], s.odd_jacobian[0], count * WNAF_TABLE));
    straus_run(out, &s, len);
    e = OK;
out:
    free(s.digit);
    free(s.odd);
    free(s.odd_jacobian);
    return e;
}

/* --- additions that share an inversion --- */

/* list[to] += list[from]. None of the entries of one chunk depends on another. */
struct addition {
    uint32_t to, from;
};

enum addition_kind { KIND_ADD, KIND_DOUBLE, KIND_KEEP, KIND_COPY, KIND_CANCEL };

struct chunk {
    struct p256_affine *list;
    size_t count;
    struct addition add[CHUNK];
    uint8_t kind[CHUNK];
    fe_t denominator[CHUNK], before[CHUNK];
};

static enum addition_kind addition_classify(fe_t denominator, const struct p256_affine *a,
                                            const struct p256_affine *b)
{
    fe_sub(denominator, b->x, a->x);
    if (!fe_is_zero(denominator) && !fe_is_zero(a->x) && !fe_is_zero(b->x))
        return KIND_ADD;
    /* x = 0 is also the identity's, so it is looked at more closely; curve points with x = 0 exist. */
    enum addition_kind kind = KIND_ADD;
    if (p256_affine_is_zero_var(b))
        kind = KIND_KEEP;
    else if (p256_affine_is_zero_var(a))
        kind = KIND_COPY;
    else if (fe_is_zero(denominator))
        kind = fe_equal(a->y, b->y) ? KIND_DOUBLE : KIND_CANCEL;
    if (kind == KIND_DOUBLE)
        fe_add(denominator, a->y, a->y);
    else if (kind != KIND_ADD)
        fe_copy(denominator, fe_one);
    return kind;
}

/* *a += *b with 1/denominator known */
static void addition_finish(struct p256_affine *a, const struct p256_affine *b, enum addition_kind kind,
                            const fe_t inverse)
{
    fe_t slope, x, t;
    if (kind == KIND_KEEP)
        return;
    if (kind == KIND_COPY) {
        *a = *b;
        return;
    }
    if (kind == KIND_CANCEL) {
        memset(a, 0, sizeof *a);
        return;
    }
    if (kind == KIND_DOUBLE) { /* 3 (x^2 - 1) */
        fe_sqr(t, a->x);
        fe_sub(t, t, fe_one);
        fe_add(slope, t, t);
        fe_add(slope, slope, t);
    } else {
        fe_sub(slope, b->y, a->y);
    }
    fe_mul(slope, slope, inverse);
    fe_sqr(x, slope);
    fe_sub(x, x, a->x);
    fe_sub(x, x, b->x);
    fe_sub(t, a->x, x);
    fe_mul(t, t, slope);
    fe_sub(a->y, t, a->y);
    fe_copy(a->x, x);
}

static void chunk_flush(struct chunk *c)
{
    if (c->count == 0)
        return;
    fe_t all, inverse;
    fe_copy(all, fe_one);
    for (size_t i = 0; i < c->count; i++) {
        c->kind[i] =
            (uint8_t)addition_classify(c->denominator[i], &c->list[c->add[i].to], &c->list[c->add[i].from]);
        fe_copy(c->before[i], all);
        fe_mul(all, all, c->denominator[i]);
    }
    fe_invert(all, all);
    for (size_t i = c->count; i-- > 0;) {
        fe_mul(inverse, all, c->before[i]);
        fe_mul(all, all, c->denominator[i]);
        addition_finish(&c->list[c->add[i].to], &c->list[c->add[i].from], c->kind[i], inverse);
    }
    c->count = 0;
}

static void chunk_add(struct chunk *c, size_t to, size_t from)
{
    c->add[c->count++] = (struct addition){(uint32_t)to, (uint32_t)from};
    if (c->count == CHUNK)
        chunk_flush(c);
}

/* --- Pippenger --- */

struct buckets {
    unsigned width, windows; /* bits of a digit; digits of a scalar */
    unsigned group;          /* windows filled at once */
    size_t per_window;       /* 2^(width - 1): digits are -per_window .. per_window */
    size_t count;
    wide_t *k; /* with the offset that makes digits signed */
    const struct p256_affine *p;
    uint32_t *start, *len; /* group * per_window (+ 1): the list of each bucket */
    struct p256_affine *list;
    struct chunk chunk;
};

/* Every digit but the top one has 2^(width-1) added, once and for all, so that it can be read off as
 * unsigned. The top digit keeps its sign and takes the carry: windows * width > bits leaves room. */
static void offset_digits(wide_t k, unsigned width, unsigned windows)
{
    wide_t offset = {0, 0, 0, 0, 0};
    for (unsigned i = 0; i + 1 < windows; i++) {
        unsigned bit = i * width + width - 1;
        offset[bit / 64] |= UINT64_C(1) << bit % 64;
    }
    fe_wide sum = 0;
    for (int i = 0; i < 5; i++) {
        sum += (fe_wide)k[i] + offset[i];
        k[i] = (uint64_t)sum;
        sum >>= 64;
    }
}

static int digit_of(const struct buckets *b, size_t i, unsigned window)
{
    int d = (int)wide_bits(b->k[i], window * b->width, b->width);
    return window + 1 < b->windows ? d - (int)b->per_window : d;
}

/* Sorts the entries of windows first .. first + group - 1 by bucket into list. */
static void buckets_sort(struct buckets *b, unsigned first, unsigned group)
{
    size_t total = group * b->per_window;
    memset(b->len, 0, total * sizeof *b->len);
    for (unsigned w = 0; w < group; w++)
        for (size_t i = 0; i < b->count; i++) {
            int d = digit_of(b, i, first + w);
            if (d != 0)
                b->len[w * b->per_window + (size_t)abs(d) - 1]++;
        }
    b->start[0] = 0;
    for (size_t i = 0; i < total; i++) {
        b->start[i + 1] = b->start[i] + b->len[i];
        b->len[i] = 0;
    }
    for (unsigned w = 0; w < group; w++)
        for (size_t i = 0; i < b->count; i++) {
            int d = digit_of(b, i, first + w);
            if (d == 0)
                continue;
            size_t bucket = w * b->per_window + (size_t)abs(d) - 1;
            struct p256_affine *entry = &b->list[b->start[bucket] + b->len[bucket]++];
            if (d > 0)
                *entry = b->p[i];
            else
                p256_neg(entry, &b->p[i]);
        }
}

/* Leaves the sum of each bucket in the first entry of its list: the upper half of every list is added
 * to the lower, until no list is longer than one. */
static void buckets_fill(struct buckets *b, unsigned group)
{
    size_t total = group * b->per_window;
    b->chunk.list = b->list;
    for (int again = 1; again;) {
        again = 0;
        for (size_t i = 0; i < total; i++) {
            uint32_t half = b->len[i] / 2, rest = b->len[i] - half;
            for (uint32_t j = 0; j < half; j++)
                chunk_add(&b->chunk, b->start[i] + j, b->start[i] + rest + j);
            b->len[i] = rest;
            again |= rest > 1;
        }
        chunk_flush(&b->chunk);
    }
}

/* sum of (j + 1) bucket[j] over one window */
static void window_sum(struct p256_jacobian *out, const struct buckets *b, unsigned window_in_group)
{
    struct p256_jacobian running;
    p256_zero(&running);
    p256_zero(out);
    for (size_t j = b->per_window; j-- > 0;) {
        size_t bucket = window_in_group * b->per_window + j;
        if (b->len[bucket] > 0)
            p256_add_affine_var(&running, &running, &b->list[b->start[bucket]]);
        p256_add_var(out, out, &running);
    }
}

static void buckets_run(struct p256_jacobian *out, struct buckets *b)
{
    struct p256_jacobian sum;
    p256_zero(out);
    for (unsigned top = b->windows; top > 0;) {
        unsigned group = top < b->group ? top : b->group;
        buckets_sort(b, top - group, group);
        buckets_fill(b, group);
        for (unsigned w = group; w-- > 0;) {
            for (unsigned i = 0; i < b->width; i++)
                p256_double_var(out, out);
            window_sum(&sum, b, w);
            p256_add_var(out, out, &sum);
        }
        top -= group;
    }
}

/* The width with the fewest field multiplications: about 6 for an entry, 28 for a bucket. */
static unsigned best_width(size_t count, unsigned bits)
{
    unsigned best = 2;
    double best_cost = 0;
    for (unsigned width = 2; width <= WINDOW_MAX; width++) {
        double cost = (bits / width + 1) * (6.0 * (double)count + 28.0 * (double)(1u << (width - 1)));
        if (width == 2 || cost < best_cost) {
            best = width;
            best_cost = cost;
        }
    }
    return best;
}

/* k is used up. */
static err_t pippenger(struct p256_jacobian *out, wide_t *k, const struct p256_affine *p, size_t count,
                       unsigned bits)
{
    err_t e = ERR_MEMORY;
    struct buckets *b = calloc(1, sizeof *b);
    if (b == NULL)
        return ERR_MEMORY;
    b->width = best_width(count, bits);
    b->windows = bits / b->width + 1;
    b->per_window = (size_t)1 << (b->width - 1);
    b->count = count;
    b->k = k;
    b->p = p;
    size_t group = count < GROUP_ENTRIES ? GROUP_ENTRIES / count : 1;
    b->group = group < b->windows ? (unsigned)group : b->windows;
    b->start = calloc(b->group * b->per_window + 1, sizeof *b->start);
    b->len = calloc(b->group * b->per_window, sizeof *b->len);
    b->list = calloc(b->group * count, sizeof *b->list);
    if (b->start == NULL || b->len == NULL || b->list == NULL)
        goto out;
    for (size_t i = 0; i < count; i++)
        offset_digits(k[i], b->width, b->windows);
    buckets_run(out, b);
    e = OK;
out:
    free(b->start);
    free(b->len);
    free(b->list);
    free(b);
    return e;
}

err_t p256_msm_var(struct p256_jacobian *out, const scalar_t *k, const struct p256_affine *p, size_t count,
                   unsigned bits)
{
    err_t e = OK;
    p256_zero(out);
    if (bits > SCALAR_BITS || count > UINT32_MAX / 2)
        return ERR_BUG;
    if (count == 0)
        return OK;
    struct p256_jacobian sum;
    unsigned longest = 0;
    wide_t *w = calloc(count, sizeof *w);
    if (w == NULL)
        return ERR_MEMORY;
    for (size_t i = 0; i < count; i++) {
        wide_load(w[i], &k[i]);
        unsigned n = wide_bit_length(w[i]);
        longest = n > longest ? n : longest;
    }
    if (longest > bits)
        GO(ERR_BUG);
    if (longest == 0)
        goto out;
    if (count <= STRAUS_MAX)
        GO(straus(&sum, (const wide_t *)w, p, count));
    else
        GO(pippenger(&sum, w, p, count, longest));
    *out = sum;
out:
    free(w);
    return e;
}

err_t p256_mul_var(struct p256_jacobian *out, const scalar_t *k, const struct p256_affine *p)
{
    return p256_msm_var(out, k, p, 1, SCALAR_BITS);
}
