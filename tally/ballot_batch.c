#include "tally/ballot_batch.h"

#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "ceremony/base/pages.h"
#include "ceremony/math/p256_sums.h"

#define BYTES_PER_POINT 52 /* the least a ballot has for each of its points */
#define BYTES_EACH 320     /* memory for a point: what is kept, and what the sum of multiples takes */
#define CHUNK_POINTS 2048  /* decompressed at a time, while they are in the cache */
#define PART_MIN 64        /* ballots that are worth a thread */
#define RUN_MIN 8          /* ballots whose sum is worth lists */
#define HINT_LEN 32
#define PARTS 16 /* of a range that does not hold */

struct slot {
    struct ballot_item item;
    size_t offset, hints_len; /* of its bytes; hints follow them */
    struct ballot_at at;
    size_t point, count; /* its points; none if it could not be read */
    scalar_var_t c;
};

/* Lists of points to be added up. */
struct lists {
    size_t count, start_cap, used, index_cap;
    size_t *start; /* count + 1 */
    uint32_t *index;
    struct p256_affine *sum; /* count */
    size_t sum_cap;
};

/* Ballots from to to - 1, which one thread checks: an equation of their own. */
struct part {
    struct ballot_batch *b;
    struct ballot_scan *scan;
    size_t from, to;
    point_t *packed;        /* points of a chunk */
    uint8_t (*y)[HINT_LEN]; /* their hints */
    size_t packed_cap, y_cap;
    struct p256_sums *sums;
    struct lists lists;
    err_t err;
};

struct ballot_batch {
    enum p256_path path;
    const struct ballot_layout *layout;
    const struct election_context *ctx;
    struct p256_affine G, Y;
    size_t bytes_max, full; /* full: points in the equation of a full batch */
    int done;               /* ballot_batch_run was called */

    uint8_t *data;
    size_t len, cap; /* with hints */
    size_t used;     /* without */
    struct slot *slot;
    size_t count, slot_cap;

    size_t points, point_cap; /* behind those of each part two more, for G and Y */
    struct p256_affine *p;
    scalar_t *k;
    size_t threads;
    struct part *part; /* threads of them */
};

size_t ballot_batch_points_in(size_t memory, size_t threads)
{
    size_t points = memory / BYTES_EACH / (threads ? threads : 1);
    return points < BALLOT_BATCH_POINTS ? points : BALLOT_BATCH_POINTS;
}

size_t ballot_batch_points(size_t threads)
{
    return ballot_batch_points_in(BALLOT_BATCH_MEMORY, threads);
}

/* All at once, for what a full batch takes: pages that are not written to cost nothing, and arrays that grow
 * leave holes behind. One ballot that is larger still grows them. */
static err_t reserve(struct ballot_batch *b, size_t points)
{
    b->data = pages_alloc(b->bytes_max);
    b->p = pages_alloc(points * sizeof *b->p);
    b->k = pages_alloc(points * sizeof *b->k);
    if (!b->data || !b->p || !b->k)
        return ERR_MEMORY;
    b->cap = b->bytes_max;
    b->point_cap = points;
    return OK;
}

err_t ballot_batch_new(struct ballot_batch **out, const struct ballot_layout *layout,
                       const struct election_context *ctx, size_t points, size_t threads)
{
    return ballot_batch_new_on(p256_path_best(), out, layout, ctx, points, threads);
}

err_t ballot_batch_new_on(enum p256_path path, struct ballot_batch **out, const struct ballot_layout *layout,
                          const struct election_context *ctx, size_t points, size_t threads)
{
    err_t e;
    *out = NULL;
    if (!p256_path_available(path))
        return ERR_BUG;
    struct ballot_batch *b = calloc(1, sizeof *b);
    if (!b)
        return ERR_MEMORY;
    b->path = path;
    b->layout = layout;
    b->ctx = ctx;
    b->bytes_max = points * BYTES_PER_POINT;
    b->full = points / (threads ? threads : 1);
    p256_generator(&b->G);
    GO(reserve(b, points + 2 * threads));
    GO(p256_decompress_var(&b->Y, &ctx->r->Y));
    b->part = calloc(threads, sizeof *b->part);
    if (!b->part)
        GO(ERR_MEMORY);
    for (; b->threads < threads; b->threads++) {
        b->part[b->threads].b = b;
        GO(ballot_scan_new(&b->part[b->threads].scan, layout));
        e = p256_sums_new(&b->part[b->threads].sums, path);
        if (e != OK) {
            ballot_scan_free(b->part[b->threads].scan);
            goto out;
        }
    }
    *out = b;
    b = NULL;
out:
    ballot_batch_free(b);
    return e;
}

void ballot_batch_free(struct ballot_batch *b)
{
    if (!b)
        return;
    for (size_t i = 0; i < b->threads; i++) {
        struct part *p = &b->part[i];
        ballot_scan_free(p->scan);
        p256_sums_free(p->sums);
        free(p->packed);
        free(p->y);
        free(p->lists.start);
        free(p->lists.index);
        free(p->lists.sum);
    }
    free(b->part);
    free(b->data);
    free(b->slot);
    free(b->p);
    free(b->k);
    free(b);
}

void ballot_batch_clear(struct ballot_batch *b)
{
    b->len = b->used = b->count = b->points = 0;
    b->done = 0;
}

/* --- putting --- */

/* *p has room for count items of size, at the least. */
static err_t make_room(void *p, size_t *cap, size_t count, size_t size)
{
    void *old, *more;
    if (count <= *cap)
        return OK;
    size_t want = *cap ? *cap : 64;
    while (want < count) {
        if (want > SIZE_MAX / size / 4)
            return ERR_MEMORY;
        want += want / 2;
    }
    memcpy(&old, p, sizeof old);
    more = realloc(old, want * size);
    if (!more)
        return ERR_MEMORY;
    memcpy(p, &more, sizeof more);
    *cap = want;
    return OK;
}

int ballot_batch_has_room(const struct ballot_batch *b, size_t len)
{
    return b->count == 0 || (b->used < b->bytes_max && len <= b->bytes_max - b->used);
}

err_t ballot_batch_put_hinted(struct ballot_batch *b, const uint8_t *data, size_t len, const uint8_t *hints,
                              size_t hints_len, uint64_t tag)
{
    if (b->done)
        return ERR_BUG;
    TRY(make_room(&b->data, &b->cap, b->len + len + hints_len, 1));
    TRY(make_room(&b->slot, &b->slot_cap, b->count + 1, sizeof *b->slot));
    struct slot *s = &b->slot[b->count++];
    *s = (struct slot){.item = {.tag = tag, .len = len}, .offset = b->len, .hints_len = hints_len};
    if (len)
        memcpy(b->data + b->len, data, len);
    if (hints_len)
        memcpy(b->data + b->len + len, hints, hints_len);
    b->len += len + hints_len;
    b->used += len;
    return OK;
}

err_t ballot_batch_put(struct ballot_batch *b, const uint8_t *data, size_t len, uint64_t tag)
{
    return ballot_batch_put_hinted(b, data, len, NULL, 0, tag);
}

/* --- reading --- */

/* What each ballot is, and where its points will be: the parts have as many points each, about. */
static err_t cut(struct ballot_batch *b, size_t *parts)
{
    struct ballot_scan *scan = b->part[0].scan;
    size_t all = 0, done = 0, n = 0;
    for (size_t i = 0; i < b->count; i++) {
        struct slot *s = &b->slot[i];
        s->item.err = ballot_scan_start(scan, &s->at, b->data + s->offset, s->item.len);
        s->count = s->item.err == OK ? ballot_layout_points(b->layout, s->at.style) : 0;
        all += s->count;
    }
    *parts = omp_in_parallel() || b->count < PART_MIN * b->threads ? 1 : b->threads;
    b->points = 0;
    for (size_t i = 0; n < *parts; n++) {
        struct part *p = &b->part[n];
        p->from = i;
        for (; i < b->count && (n + 1 == *parts || done < all * (n + 1) / *parts); i++) {
            b->slot[i].point = b->points;
            b->points += b->slot[i].count;
            done += b->slot[i].count;
        }
        p->to = i;
        b->points += 2;
    }
    size_t cap = b->point_cap;
    TRY(make_room(&b->p, &cap, b->points, sizeof *b->p));
    return make_room(&b->k, &b->point_cap, b->points, sizeof *b->k);
}

/* --- sums --- */

/* A list of count points from first on, step apart. */
static err_t lists_add(struct lists *l, size_t first, size_t count, size_t step)
{
    TRY(make_room(&l->start, &l->start_cap, l->count + 2, sizeof *l->start));
    TRY(make_room(&l->index, &l->index_cap, l->used + count, sizeof *l->index));
    for (size_t i = 0; i < count; i++)
        l->index[l->used + i] = (uint32_t)(first + i * step);
    l->start[l->count++] = l->used;
    l->used += count;
    l->start[l->count] = l->used;
    return OK;
}

/* from: the points that the indexes are about. */
static err_t lists_sum(struct part *p, const struct p256_affine *from)
{
    struct lists *l = &p->lists;
    if (l->count == 0)
        return OK;
    TRY(make_room(&l->sum, &l->sum_cap, l->count, sizeof *l->sum));
    return p256_sums_var(p->sums, l->sum, from, l->index, l->start, l->count);
}

/* A sum of all ciphertexts of a contest that is the identity, in A or in B, is refused. */
static err_t refuse_zero_sums(struct part *p, size_t from, size_t to)
{
    const struct ballot_batch *b = p->b;
    size_t base = b->slot[from].point, at = 0;
    p->lists.count = p->lists.used = 0;
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = from; i < to; i++) {
            struct slot *s = &b->slot[i];
            struct ballot_layout_vote v = {0};
            if (s->count == 0)
                continue;
            while (ballot_layout_next(b->layout, s->at.style, &v))
                for (size_t side = 0; side < 2; side++) {
                    if (pass == 0)
                        TRY(lists_add(&p->lists, s->point - base + v.point + side, v.ciphers, 2));
                    else if (p256_affine_is_zero_var(&p->lists.sum[at++]) && s->item.err == OK)
                        s->item.err = ERR_POINT;
                }
        }
        if (pass == 0)
            TRY(lists_sum(p, b->p + base));
    }
    return OK;
}

static int has_zero(const struct p256_affine *p, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (p256_affine_is_zero_var(&p[i]))
            return 1;
    return 0;
}

/* A ballot with a bad point, or a bad hint: which of the two? */
static err_t lift_again(struct part *p, struct slot *s, const point_t *packed)
{
    size_t bad;
    err_t e = p256_decompress_many_on_var(p->b->path, p->b->p + s->point, packed, s->count, &bad);
    s->item.hints_wrong = e == OK;
    return e == ERR_POINT ? OK : e;
}

/* Points of ballots from to to - 1, all with hints or all without: off the curve, and sums that are the
 * identity. */
static err_t lift_chunk(struct part *p, size_t from, size_t to, size_t count, int hinted)
{
    struct ballot_batch *b = p->b;
    size_t bad, first = b->slot[from].point;
    err_t e = hinted ? p256_lift_many_on_var(b->path, b->p + first, p->packed,
                                             (const uint8_t(*)[HINT_LEN])p->y, count, &bad)
                     : p256_decompress_many_on_var(b->path, b->p + first, p->packed, count, &bad);
    if (e != OK && e != ERR_POINT)
        return e;
    for (size_t i = from; i < to && e != OK; i++) {
        struct slot *s = &b->slot[i];
        if (s->item.err != OK || !has_zero(b->p + s->point, s->count))
            continue;
        if (hinted)
            TRY(lift_again(p, s, p->packed + (s->point - first)));
        if (!s->item.hints_wrong)
            s->item.err = ERR_POINT;
    }
    return refuse_zero_sums(p, from, to);
}

static int is_hinted(const struct slot *s)
{
    return s->count > 0 && s->hints_len == s->count * HINT_LEN;
}

/* One ballot: form, scalars, hashes, and its points packed. What it cannot read has points all the same,
 * which nothing looks at. */
static err_t read_one(struct part *p, struct slot *s, point_t *packed)
{
    const uint8_t *data = p->b->data + s->offset;
    if (s->item.err == OK)
        s->item.err = ballot_scan_read(p->scan, packed, &s->at, data);
    if (s->item.err != OK) {
        if (s->count)
            memset(packed, 0, s->count * sizeof *packed);
        merkle_leaf(&s->item.leaf, data, s->item.len);
        return OK;
    }
    s->item.place = s->at.place;
    s->item.style = s->at.style;
    return ballot_scan_hash(p->scan, &s->c, &s->item.id, &s->item.leaf, &s->at, data, s->item.len);
}

static err_t read_part(struct part *p)
{
    const struct ballot_batch *b = p->b;
    struct slot *slot = b->slot;
    for (size_t from = p->from, to; from < p->to; from = to) {
        size_t count = 0;
        int hinted = is_hinted(&slot[from]);
        for (to = from; to < p->to && count < CHUNK_POINTS && is_hinted(&slot[to]) == hinted; to++) {
            struct slot *s = &slot[to];
            TRY(make_room(&p->packed, &p->packed_cap, count + s->count, sizeof *p->packed));
            TRY(read_one(p, s, p->packed + count));
            if (hinted) {
                TRY(make_room(&p->y, &p->y_cap, count + s->count, sizeof *p->y));
                memcpy(p->y + count, b->data + s->offset + s->item.len, s->hints_len);
            } else if (s->hints_len && s->count) {
                s->item.hints_wrong = 1; /* not as many as it has points */
            }
            count += s->count;
        }
        if (count)
            TRY(lift_chunk(p, from, to, count, hinted));
    }
    return OK;
}

/* What could not be read this way is read item by item, which says why. */
static err_t read_again(struct part *p)
{
    struct ballot_batch *b = p->b;
    for (size_t i = p->from; i < p->to; i++) {
        struct slot *s = &b->slot[i];
        struct ballot *ballot;
        if (s->item.err == OK)
            continue;
        s->item.hints_wrong = 0;
        s->item.err = ballot_parse_var(&ballot, b->ctx, b->data + s->offset, s->item.len, NULL);
        if (s->item.err == OK) {
            ballot_free(ballot);
            return ERR_BUG;
        }
        if (s->item.err == ERR_MEMORY)
            return ERR_MEMORY;
    }
    return OK;
}

/* --- proofs --- */

/* One equation for ballots from to to - 1, with weights of its own. OK, ERR_PROOF, ERR_MEMORY. */
static err_t check_equation(struct part *p, size_t from, size_t to)
{
    struct ballot_batch *b = p->b;
    struct fold f;
    struct p256_jacobian sum;
    struct p256_affine kept[2];
    scalar_t kept_k[2];
    size_t first = SIZE_MAX, end = 0;
    fold_start(&f);
    for (size_t i = from; i < to; i++) {
        const struct slot *s = &b->slot[i];
        if (s->count == 0)
            continue;
        first = first == SIZE_MAX ? s->point : first;
        end = s->point + s->count;
        if (s->item.err == OK)
            ballot_scan_fold(p->scan, &f, b->k + s->point, &s->at, b->data + s->offset, &s->c);
        else
            memset(b->k + s->point, 0, s->count * sizeof *b->k);
    }
    if (first == SIZE_MAX)
        return OK;
    memcpy(kept, b->p + end, sizeof kept);
    memcpy(kept_k, b->k + end, sizeof kept_k);
    b->p[end] = b->G;
    b->p[end + 1] = b->Y;
    fold_end(&f, &b->k[end], &b->k[end + 1]);
    size_t all = end + 2 - first; /* a window is chosen for full batches, not for what is left or bisected */
    unsigned window = 2 * all >= b->full ? ballot_layout_window(b->layout) : 0;
    err_t e = p256_msm_width_var(b->path, &sum, b->k + first, b->p + first, all, 256, window);
    memcpy(b->p + end, kept, sizeof kept);
    memcpy(b->k + end, kept_k, sizeof kept_k);
    if (e != OK)
        return e;
    return p256_is_zero_var(&sum) ? OK : ERR_PROOF;
}

static err_t check_range(struct part *p, size_t from, size_t to)
{
    err_t e = check_equation(p, from, to);
    if (e != ERR_PROOF)
        return e;
    if (to - from == 1) {
        p->b->slot[from].item.err = ERR_PROOF;
        return OK;
    }
    size_t count = to - from, parts = count < PARTS ? count : PARTS;
    for (size_t i = 0; i < parts; i++)
        TRY(check_range(p, from + count * i / parts, from + count * (i + 1) / parts));
    return OK;
}

static err_t check_part(struct part *p)
{
    TRY(read_part(p));
    TRY(read_again(p));
    return p->from == p->to ? OK : check_range(p, p->from, p->to);
}

static void count(const struct ballot_batch *b, double start)
{
    struct metrics *m = ballot_layout_metrics(b->layout);
    if (m == NULL || b->count == 0)
        return;
    metrics_add(m, METRIC_VERIFY_BALLOTS, b->count);
    metrics_add(m, METRIC_VERIFY_UNPACKED, b->len);
    metrics_observe(m, METRIC_VERIFY_BATCH, metrics_now() - start);
    metrics_observe(m, METRIC_VERIFY_SIZE, (double)b->count);
    for (size_t i = 0; i < b->count; i++)
        if (b->slot[i].item.err != OK)
            metrics_refused(m, METRIC_VERIFY_REFUSED, b->slot[i].item.err, 1);
}

err_t ballot_batch_run(struct ballot_batch *b)
{
    size_t parts;
    double start = metrics_now();
    if (b->done)
        return ERR_BUG;
    b->done = 1;
    TRY(cut(b, &parts));
#pragma omp parallel for schedule(static, 1) num_threads((int)parts) if (parts > 1)
    for (size_t i = 0; i < parts; i++)
        b->part[i].err = check_part(&b->part[i]);
    for (size_t i = 0; i < parts; i++)
        TRY(b->part[i].err);
    count(b, start);
    return OK;
}

/* --- what came out --- */

size_t ballot_batch_count(const struct ballot_batch *b)
{
    return b->count;
}

const struct ballot_item *ballot_batch_item(const struct ballot_batch *b, size_t i)
{
    return &b->slot[i].item;
}

const struct p256_affine *ballot_batch_affine(const struct ballot_batch *b, size_t i, size_t *count)
{
    *count = b->slot[i].count;
    return *count > 0 ? b->p + b->slot[i].point : NULL;
}

const uint8_t *ballot_batch_bytes(const struct ballot_batch *b, size_t i)
{
    return b->data + b->slot[i].offset;
}

err_t ballot_batch_fault(const struct ballot_batch *b, size_t i, struct fault *f)
{
    const struct slot *s = &b->slot[i];
    struct ballot *ballot;
    if (s->item.err == OK)
        return OK;
    err_t e = ballot_parse_var(&ballot, b->ctx, b->data + s->offset, s->item.len, f);
    if (e != OK)
        return e;
    e = ballot_verify_var(b->ctx, ballot, f);
    ballot_free(ballot);
    if (e == OK) /* found bad with fresh weights, and good with others: never */
        return fault_set(f, ERR_BUG, "two checks of one ballot disagree");
    return e;
}

/* Whether t has the contests of a style. */
static err_t fits(const struct ballot_batch *b, uint32_t style, const struct tallies *t)
{
    struct ballot_layout_vote v = {0};
    while (ballot_layout_next(b->layout, style, &v)) {
        const struct tally *into = tallies_find(t, v.contest);
        if (!into || into->option_count != v.option_count)
            return ERR_MISMATCH;
    }
    return OK;
}

static int counts(const struct slot *s)
{
    return s->count > 0 && (s->item.err == OK || s->item.err == ERR_PROOF);
}

/* Few ballots, one after the other. */
static void add_one(const struct ballot_batch *b, const struct slot *s, struct tallies *t)
{
    struct ballot_layout_vote v = {0};
    while (ballot_layout_next(b->layout, s->at.style, &v)) {
        struct tally *into = tallies_find(t, v.contest);
        const struct p256_affine *ct = b->p + s->point + v.point;
        into->ballots++;
        for (size_t o = 0; o < v.option_count; o++) {
            p256_add_affine_var(&into->A[o], &into->A[o], &ct[2 * o]);
            p256_add_affine_var(&into->B[o], &into->B[o], &ct[2 * o + 1]);
        }
    }
}

/* Ballots of one style, whose points are at equal distances: one list for each ciphertext. */
static err_t add_run(const struct ballot_batch *b, size_t from, size_t count, struct tallies *t)
{
    struct part *p = &b->part[0];
    const struct slot *s = &b->slot[from];
    struct ballot_layout_vote v = {0};
    size_t at = 0;
    p->lists.count = p->lists.used = 0;
    while (ballot_layout_next(b->layout, s->at.style, &v))
        for (size_t k = 0; k < 2 * v.option_count; k++)
            TRY(lists_add(&p->lists, v.point + k, count, s->count));
    TRY(lists_sum(p, b->p + s->point));
    memset(&v, 0, sizeof v);
    while (ballot_layout_next(b->layout, s->at.style, &v)) {
        struct tally *into = tallies_find(t, v.contest);
        into->ballots += count;
        for (size_t o = 0; o < v.option_count; o++, at += 2) {
            p256_add_affine_var(&into->A[o], &into->A[o], &p->lists.sum[at]);
            p256_add_affine_var(&into->B[o], &into->B[o], &p->lists.sum[at + 1]);
        }
    }
    return OK;
}

/* Ballots from from on that can be added as one run. */
static size_t run_length(const struct ballot_batch *b, size_t from, size_t to)
{
    const struct slot *s = &b->slot[from];
    size_t n = 1;
    while (from + n < to && counts(&s[n]) && s[n].at.style == s->at.style &&
           s[n].point == s->point + n * s->count)
        n++;
    return n;
}

err_t ballot_batch_sum(const struct ballot_batch *b, size_t from, size_t to, struct tallies *t)
{
    for (size_t i = from; i < to; i++)
        if (counts(&b->slot[i]))
            TRY(fits(b, b->slot[i].at.style, t));
    while (from < to) {
        size_t n = counts(&b->slot[from]) ? run_length(b, from, to) : 0;
        if (n >= RUN_MIN)
            TRY(add_run(b, from, n, t));
        for (size_t i = 0; i < n && n < RUN_MIN; i++)
            add_one(b, &b->slot[from + i], t);
        from += n ? n : 1;
    }
    return OK;
}
