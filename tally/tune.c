#include "tally/tune.h"

#include <fcntl.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#include "ceremony/base/file.h"
#include "ceremony/math/p256_field.h"
#include "tally/id_sort.h"
#include "tally/tune_parts.h"

#define DISK_BYTES ((size_t)32 << 20)
#define DISK_BLOCK ((size_t)1 << 20)
#define SYNCS 24
#define DECOMPRESSED 4096
#define IDS_QUICK ((size_t)100000)
#define IDS ((size_t)3000000) /* more than fit in its memory: they go by the disk */

struct bench {
    struct tune_machine *m;
    const struct tune_sample *s;
    double each;
    size_t points; /* of the largest sum */
    struct p256_affine *p;
    point_t *packed;
    uint8_t (*y)[32];
    scalar_t *weight;
    progress_fn progress;
    void *progress_ctx;
    struct fault *f;
    uint64_t done;
};

typedef err_t bench_fn(struct bench *b, size_t arg);

/* Seconds of this thread in the fastest of some runs, in about b->each seconds, two runs at the least. Other
 * programs only ever add. */
static err_t fastest(double *out, struct bench *b, bench_fn *fn, size_t arg)
{
    double begin = metrics_now(), best = 0;
    for (int i = 0; i < 2 || metrics_now() - begin < b->each; i++) {
        double start = tune_thread_time();
        TRY(fn(b, arg));
        double took = tune_thread_time() - start;
        if (i == 0 || took < best)
            best = took;
    }
    *out = best > 0 ? best : 1e-9;
    return OK;
}

/* What is compared with each other is measured in turns, and the best turn of each counts: a neighbour who
 * works for some seconds must not decide what is chosen. */
#define ROUNDS(b) ((b)->each < 0.05 ? 1 : 3)

static void keep_less(double *best, double t)
{
    if (*best == 0 || t < *best)
        *best = t;
}

static err_t step(struct bench *b, const char *what)
{
    return b->progress ? b->progress(b->progress_ctx, what, ++b->done, 0) : OK;
}

/* --- points to work on: G, 2 G, 3 G, ... --- */

static err_t points_make(struct bench *b)
{
    struct p256_affine g;
    struct p256_jacobian *sum = malloc(b->points * sizeof *sum);
    b->p = malloc(b->points * sizeof *b->p);
    b->weight = calloc(b->points, sizeof *b->weight);
    b->packed = malloc(DECOMPRESSED * sizeof *b->packed);
    b->y = malloc(DECOMPRESSED * sizeof *b->y);
    err_t e = sum && b->p && b->weight && b->packed && b->y ? OK : ERR_MEMORY;
    if (e == OK) {
        p256_generator(&g);
        p256_from_affine(&sum[0], &g);
        for (size_t i = 1; i < b->points; i++)
            p256_add_affine_var(&sum[i], &sum[i - 1], &g);
        e = p256_to_affine_many_var(b->p, sum, b->points);
    }
    free(sum);
    for (size_t i = 0; i < DECOMPRESSED && e == OK; i++) {
        p256_compress(&b->packed[i], &b->p[i]);
        fe_store(b->y[i], b->p[i].y);
    }
    for (size_t i = 0; i < b->points && e == OK; i++)
        random_bytes(b->weight[i].b + SCALAR_LEN / 2, SCALAR_LEN / 2);
    return e;
}

/* --- arithmetic --- */

static err_t run_hash(struct bench *b, size_t len)
{
    hash_t h;
    size_t times = len < 1000 ? 1000 : 1;
    for (size_t i = 0; i < times; i++)
        hash_one(&h, b->p, len);
    return OK;
}

static err_t run_decompress(struct bench *b, size_t hints)
{
    size_t bad;
    struct p256_affine *out = malloc(DECOMPRESSED * sizeof *out);
    if (out == NULL)
        return ERR_MEMORY;
    err_t e = hints ? p256_lift_many_var(out, b->packed, (const uint8_t(*)[32])b->y, DECOMPRESSED, &bad)
                    : p256_decompress_many_var(out, b->packed, DECOMPRESSED, &bad);
    free(out);
    return e;
}

static err_t run_msm(struct bench *b, size_t count)
{
    struct p256_jacobian out;
    return p256_msm_var(&out, b->weight, b->p, count, 128);
}

static err_t measure_math(struct bench *b)
{
    struct tune_machine *m = b->m;
    size_t len = b->points * sizeof *b->p < DISK_BLOCK ? b->points * sizeof *b->p : DISK_BLOCK;
    double t;
    TRY(step(b, "hashing"));
    TRY(fastest(&t, b, run_hash, len));
    m->hash = t / (double)len;
    TRY(fastest(&t, b, run_hash, 64));
    m->hash_short = t / 1000;
    TRY(step(b, "decompression"));
    TRY(fastest(&t, b, run_decompress, 0));
    m->decompress = t / DECOMPRESSED;
    TRY(fastest(&t, b, run_decompress, 1));
    m->lift = t / DECOMPRESSED;
    for (size_t round = 0; round < ROUNDS(b); round++)
        for (size_t i = 0; i < TUNE_SIZES; i++) {
            TRY(step(b, "arithmetic"));
            TRY(fastest(&t, b, run_msm, TUNE_SIZE(i)));
            keep_less(&m->msm[i], t / (double)TUNE_SIZE(i));
        }
    return OK;
}

/* --- whole ballots --- */

err_t tune_batch_once(struct ballot_batch *batch, struct tallies *sums, const struct tune_sample *s,
                      const uint8_t *hints, uint64_t most, uint64_t *count)
{
    uint64_t n = 0;
    size_t each = hints ? 32 * s->points : 0;
    ballot_batch_clear(batch);
    while (n < most && ballot_batch_has_room(batch, s->ballot[0].len)) {
        const struct cbor_out *one = &s->ballot[n % TUNE_BALLOTS];
        TRY(ballot_batch_put_hinted(batch, one->data, one->len,
                                    hints ? hints + n % TUNE_BALLOTS * each : NULL, each, n));
        n++;
    }
    TRY(ballot_batch_run(batch));
    for (size_t i = 0; i < ballot_batch_count(batch); i++) /* all of the sample's ballots are good */
        if (ballot_batch_item(batch, i)->err != OK || ballot_batch_item(batch, i)->hints_wrong)
            return ERR_BUG;
    tallies_zero(sums);
    for (size_t i = 0; i < n; i += TUNE_BALLOTS) /* a block or an export has about so many of one place */
        TRY(ballot_batch_sum(batch, i, i + TUNE_BALLOTS < n ? i + TUNE_BALLOTS : n, sums));
    *count = n;
    return OK;
}

struct whole {
    struct ballot_batch **batch; /* one for each thread */
    struct tallies **sums;       /* likewise */
    uint64_t *count;             /* ballots that it judged */
    size_t threads;
    const uint8_t *hints; /* or NULL */
    double processor;     /* seconds that all threads had, so far */
};

static void whole_free(struct whole *w)
{
    for (size_t i = 0; i < w->threads && w->batch != NULL && w->sums != NULL; i++) {
        ballot_batch_free(w->batch[i]);
        tallies_free(w->sums[i]);
    }
    free(w->batch);
    free(w->sums);
    free(w->count);
    memset(w, 0, sizeof *w);
}

static err_t whole_new(struct whole *w, const struct tune_sample *s, size_t points, size_t threads)
{
    memset(w, 0, sizeof *w);
    w->threads = threads;
    w->batch = calloc(threads, sizeof(struct ballot_batch *));
    w->count = calloc(threads, sizeof *w->count);
    w->sums = calloc(threads, sizeof(struct tallies *));
    err_t e = w->batch && w->sums && w->count ? OK : ERR_MEMORY;
    for (size_t i = 0; i < threads && e == OK; i++) {
        e = ballot_batch_new(&w->batch[i], s->layout, &s->ctx, points, 1);
        if (e == OK)
            e = tallies_new(&w->sums[i], &s->ctx, s->place);
    }
    if (e != OK)
        whole_free(w);
    return e;
}

/* Each thread fills and judges its batch until so many ballots were judged by all. */
static err_t whole_run(struct whole *w, const struct tune_sample *s, uint64_t ballots)
{
    err_t e = OK;
    uint64_t share = ballots / w->threads + (ballots % w->threads != 0);
#pragma omp parallel for num_threads((int)w->threads) schedule(static, 1)
    for (size_t i = 0; i < w->threads; i++) {
        err_t mine = OK;
        double start = tune_thread_time();
        for (uint64_t done = 0; done < share && mine == OK; done += w->count[i])
            mine = tune_batch_once(w->batch[i], w->sums[i], s, w->hints, share - done, &w->count[i]);
#pragma omp critical
        {
            w->processor += tune_thread_time() - start;
            if (mine != OK)
                e = mine;
        }
    }
    return e;
}

/* What is measured of ballots: full batches of so many points, so many threads. */
struct how {
    size_t points, threads;
    const uint8_t *hints;
};

/* Seconds of processors for a ballot, and of the clock (NULL: nobody asks). */
static err_t measure_whole(struct bench *b, double *processor, double *clock, const struct how *h)
{
    struct whole w;
    size_t full = h->points / b->s->points ? h->points / b->s->points : 1;
    double begin = metrics_now(), ballots = (double)(full * h->threads), best = 0, best_clock = 0;
    TRY(whole_new(&w, b->s, h->points, h->threads));
    w.hints = h->hints;
    err_t e = whole_run(&w, b->s, full * h->threads); /* memory is there afterwards */
    for (int i = 0; e == OK && (i < 1 || metrics_now() - begin < b->each); i++) {
        double start = metrics_now();
        w.processor = 0;
        e = whole_run(&w, b->s, full * h->threads);
        keep_less(&best, w.processor);
        keep_less(&best_clock, metrics_now() - start);
    }
    whole_free(&w);
    keep_less(processor, best / ballots);
    if (clock != NULL)
        keep_less(clock, best_clock / ballots);
    return e;
}

/* 1, 2, 4, ... threads, and as many as there are processors. */
static void steps_set(struct tune_machine *m)
{
    uint32_t n = 1;
    while (n < m->processors && m->step_count + 1 < TUNE_STEPS) {
        m->step[m->step_count++].threads = n;
        n *= 2;
    }
    m->step[m->step_count++].threads = m->processors;
}

static err_t measure_sizes(struct bench *b)
{
    for (size_t round = 0; round < ROUNDS(b); round++)
        for (size_t i = 0; i < TUNE_SIZES; i++) {
            struct how h = {TUNE_SIZE(i), 1, NULL};
            TRY(step(b, "ballots"));
            TRY(measure_whole(b, &b->m->ballot[i], NULL, &h));
        }
    return OK;
}

/* The width that the kernel chooses, and those beside it. */
static err_t measure_windows(struct bench *b, size_t points)
{
    struct tune_machine *m = b->m;
    struct how h = {points, 1, NULL};
    unsigned own = tune_window(points);
    err_t e = OK;
    for (size_t round = 0; round < ROUNDS(b) && e == OK; round++)
        for (unsigned i = 0; i < TUNE_WINDOWS && e == OK; i++) {
            unsigned width = own + i - TUNE_WINDOWS / 2;
            if (width < SETTINGS_WINDOW_MIN || width > SETTINGS_WINDOW_MAX)
                continue;
            m->window[i].width = width;
            ballot_layout_set_window(b->s->layout, width);
            e = step(b, "windows");
            if (e == OK)
                e = measure_whole(b, &m->window[i].ballot, NULL, &h);
        }
    ballot_layout_set_window(b->s->layout, 0);
    return e;
}

static err_t measure_hinted(struct bench *b, size_t points)
{
    uint8_t *hints;
    TRY(tune_hints(&hints, b->s));
    struct how h = {points, 1, hints};
    err_t e = OK;
    for (size_t round = 0; round < ROUNDS(b) && e == OK; round++) {
        e = step(b, "ballots with hints");
        if (e == OK)
            e = measure_whole(b, &b->m->hinted, NULL, &h);
    }
    free(hints);
    return e;
}

static err_t measure_threads(struct bench *b, size_t points)
{
    struct tune_machine *m = b->m;
    steps_set(m);
    for (size_t round = 0; round < ROUNDS(b); round++)
        for (size_t i = 0; i < m->step_count; i++) {
            struct how h = {points, m->step[i].threads, NULL};
            TRY(step(b, "threads"));
            TRY(measure_whole(b, &m->step[i].ballot, &m->step[i].clock, &h));
        }
    for (size_t i = 0; i < m->step_count; i++)
        m->step[i].ballot /= m->step[i].threads;
    return OK;
}

static err_t measure_ballots(struct bench *b)
{
    struct settings s;
    TRY(measure_sizes(b));
    tune_choose(&s, b->m); /* the size; with it, the rest */
    TRY(measure_windows(b, s.batch_points));
    tune_choose(&s, b->m);
    ballot_layout_set_window(b->s->layout, s.window);
    err_t e = measure_hinted(b, s.batch_points);
    if (e == OK)
        e = measure_threads(b, s.batch_points);
    ballot_layout_set_window(b->s->layout, 0);
    return e;
}

/* --- ids, packing, disk --- */

static err_t no_copy(void *ctx, const struct id_copy *copy, int first, struct fault *f)
{
    (void)ctx;
    (void)copy;
    (void)first;
    return fault_set(f, ERR_BUG, "a random id came twice");
}

static err_t run_ids(struct bench *b, size_t count)
{
    struct id_sort *ids;
    hash_t id;
    TRY(id_sort_new(&ids, 0));
    err_t e = OK;
    for (size_t i = 0; i < count && e == OK; i++) {
        memset(&id, 0, sizeof id);
        uint64_t mixed = (i + 1) * UINT64_C(0x9e3779b97f4a7c15);
        memcpy(id.b, &mixed, sizeof mixed);
        e = id_sort_add(ids, &id, 0, i, b->f);
    }
    if (e == OK)
        e = id_sort_finish(ids, no_copy, NULL, b->f);
    id_sort_free(ids);
    return e;
}

static err_t measure_packing(struct bench *b)
{
    size_t len = 0, at = 0, bound;
    for (size_t i = 0; i < TUNE_BALLOTS; i++)
        len += b->s->ballot[i].len;
    bound = ZSTD_compressBound(len);
    uint8_t *plain = malloc(len), *packed = malloc(bound);
    err_t e = plain && packed ? OK : ERR_MEMORY;
    for (size_t i = 0; i < TUNE_BALLOTS && e == OK; i++) {
        memcpy(plain + at, b->s->ballot[i].data, b->s->ballot[i].len);
        at += b->s->ballot[i].len;
    }
    size_t packed_len = e == OK ? ZSTD_compress(packed, bound, plain, len, 3) : 0;
    if (e == OK && ZSTD_isError(packed_len))
        e = ERR_MEMORY;
    double begin = metrics_now(), best = 0;
    for (int i = 0; e == OK && (i < 3 || metrics_now() - begin < b->each / 4); i++) {
        double start = tune_thread_time();
        if (ZSTD_decompress(plain, len, packed, packed_len) != len)
            e = ERR_BUG;
        double took = tune_thread_time() - start;
        if (i == 0 || took < best)
            best = took;
    }
    b->m->unpack = best / (double)len;
    b->m->packed = (double)packed_len / (double)len;
    free(plain);
    free(packed);
    return e;
}

static err_t disk_fault(struct bench *b, const char *what)
{
    fault_set(b->f, ERR_IO, "%s", what);
    return fault_file(b->f, ERR_IO, b->s->dir);
}

static err_t disk_write(struct bench *b, int fd, uint8_t *block)
{
    double start = metrics_now();
    for (size_t at = 0; at < DISK_BYTES; at += DISK_BLOCK)
        if (pwrite(fd, block, DISK_BLOCK, (off_t)at) != (ssize_t)DISK_BLOCK)
            return disk_fault(b, "cannot write here what is to be measured");
    if (fsync(fd) != 0)
        return disk_fault(b, "cannot sync");
    b->m->write = (metrics_now() - start) / DISK_BYTES;
    return OK;
}

static err_t disk_read(struct bench *b, int fd, uint8_t *block)
{
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED); /* from the disk, not from memory, if it can be had */
    double start = metrics_now(), processor = tune_thread_time();
    for (size_t at = 0; at < DISK_BYTES; at += DISK_BLOCK)
        if (pread(fd, block, DISK_BLOCK, (off_t)at) != (ssize_t)DISK_BLOCK)
            return disk_fault(b, "cannot read back");
    b->m->read = (metrics_now() - start) / DISK_BYTES;
    b->m->copy = (tune_thread_time() - processor) / DISK_BYTES;
    return OK;
}

static err_t disk_sync(struct bench *b, int fd, const uint8_t *block)
{
    double start = metrics_now();
    for (int i = 0; i < SYNCS; i++)
        if (pwrite(fd, block, 4096, (off_t)(DISK_BYTES + 4096 * (size_t)i)) != 4096 || fdatasync(fd) != 0)
            return disk_fault(b, "cannot sync");
    b->m->sync = (metrics_now() - start) / SYNCS;
    return OK;
}

static err_t measure_disk(struct bench *b)
{
    char path[4096];
    if (file_path(path, sizeof path, b->s->dir, "disk-XXXXXX") != OK)
        return fault_set(b->f, ERR_LIMIT, "path too long");
    uint8_t *block = malloc(DISK_BLOCK);
    if (block == NULL)
        return ERR_MEMORY;
    random_bytes(block, DISK_BLOCK); /* some disks pack what they write */
    int fd = mkostemp(path, O_CLOEXEC);
    err_t e = fd < 0 ? disk_fault(b, "cannot create a file here") : OK;
    if (fd >= 0)
        unlink(path);
    if (e == OK)
        e = disk_write(b, fd, block);
    if (e == OK)
        e = disk_read(b, fd, block);
    if (e == OK)
        e = disk_sync(b, fd, block);
    if (fd >= 0)
        close(fd);
    free(block);
    return e;
}

err_t tune_measure(struct tune_machine *out, const struct tune_sample *s, double each, progress_fn progress,
                   void *progress_ctx, struct fault *f)
{
    double t;
    size_t ids = each < 0.1 ? IDS_QUICK : IDS;
    struct bench b = {.m = out,
                      .s = s,
                      .each = each,
                      .points = TUNE_SIZE(TUNE_SIZES - 1),
                      .progress = progress,
                      .progress_ctx = progress_ctx,
                      .f = f};
    memset(out, 0, sizeof *out);
    out->processors = tune_allowed((uint32_t)omp_get_num_procs(), "/proc/self/cgroup", "/sys/fs/cgroup");
    out->has_ifma = p256_path_best() == P256_IFMA;
    out->make = s->make;
    out->ballot_len = tune_sample_len(s);
    out->ballot_points = s->points;
    err_t e = points_make(&b);
    if (e == OK)
        e = measure_math(&b);
    if (e == OK)
        e = measure_ballots(&b);
    if (e == OK)
        e = step(&b, "ids");
    if (e == OK)
        e = fastest(&t, &b, run_ids, ids);
    if (e == OK) {
        out->id = t / (double)ids;
        e = measure_packing(&b);
    }
    if (e == OK)
        e = step(&b, "a segment of a chain");
    if (e == OK)
        e = tune_measure_segment(out, s, each, f);
    if (e == OK)
        e = step(&b, "exports of precincts");
    if (e == OK)
        e = tune_measure_exports(out, s, each, f);
    if (e == OK)
        e = step(&b, "disk");
    if (e == OK)
        e = measure_disk(&b);
    free(b.p);
    free(b.packed);
    free(b.y);
    free(b.weight);
    if (e != OK) {
        memset(out, 0, sizeof *out);
        if (f != NULL && f->err == OK)
            fault_set(f, e, "measuring this machine");
    }
    return e;
}
