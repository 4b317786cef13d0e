#include <string.h>

#include "ceremony/math/p256_pippenger.h"
#include "tally/tune_parts.h"

#define WITHIN 1.02
#define ANSWER 0.03 /* seconds that checking what a node answers together may take */
#define NODE_LEAST 16

/* 0, as the kernel chooses, unless another width gains something. */
static uint32_t choose_window(const struct tune_machine *m, uint32_t points)
{
    const unsigned own = tune_window(points);
    double of_own = 0, best = 0;
    uint32_t width = 0;
    for (size_t i = 0; i < TUNE_WINDOWS; i++) {
        if (m->window[i].width == 0)
            continue;
        if (m->window[i].width == own)
            of_own = m->window[i].ballot;
        if (best == 0 || m->window[i].ballot < best) {
            best = m->window[i].ballot;
            width = m->window[i].width;
        }
    }
    return of_own > best * WITHIN ? width : 0;
}

/* 0, as the program chooses, where that is not too much. */
static uint32_t choose_node_batch(const struct tune_machine *m, size_t size)
{
    double fit = m->ballot[size] > 0 ? ANSWER / m->ballot[size] : SETTINGS_NODE_BATCH;
    return fit >= SETTINGS_NODE_BATCH ? 0 : fit < NODE_LEAST ? NODE_LEAST : (uint32_t)fit;
}

void tune_choose(struct settings *out, const struct tune_machine *m)
{
    size_t size = 0, step = 0;
    memset(out, 0, sizeof *out);
    for (size_t i = 1; i < TUNE_SIZES; i++)
        if (m->ballot[i] < m->ballot[size])
            size = i;
    double best = m->ballot[size];
    while (size > 0 && m->ballot[size - 1] <= best * WITHIN)
        size--;
    for (size_t i = 1; i < m->step_count; i++)
        if (m->step[i].ballot < m->step[step].ballot)
            step = i;
    best = m->step_count ? m->step[step].ballot : 0;
    while (step > 0 && m->step[step - 1].ballot <= best * WITHIN)
        step--;
    out->batch_points = (uint32_t)TUNE_SIZE(size);
    out->threads = m->step_count ? m->step[step].threads : 0;
    out->window = choose_window(m, out->batch_points);
    out->node_batch = choose_node_batch(m, size);
}

unsigned tune_window(size_t points)
{
    return p256_pippenger_width(points, 256);
}

static size_t size_index(uint32_t points)
{
    size_t i = 0;
    while (i + 1 < TUNE_SIZES && TUNE_SIZE(i) < points)
        i++;
    return i;
}

/* The step that was measured with so many threads, or the nearest one below. */
static size_t step_of(const struct tune_machine *m, uint32_t threads)
{
    size_t best = 0;
    for (size_t i = 0; i < m->step_count; i++)
        if (m->step[i].threads <= threads)
            best = i;
    return best;
}

/* Where the time of one ballot goes on one thread: what was measured apart, and what remains. */
static void split(struct tune_prediction *out, const struct tune_machine *m, size_t size)
{
    double points = (double)m->ballot_points, whole = m->ballot[size], sum = 0;
    double *p = out->part;
    p[TUNE_HASH] = 2 * (double)m->ballot_len * m->hash; /* challenge and leaf */
    p[TUNE_DECOMPRESS] = points * m->decompress;
    p[TUNE_MSM] = points * m->msm[size];
    for (int i = 0; i < TUNE_REST; i++)
        sum += p[i];
    p[TUNE_REST] = whole > sum ? whole - sum : 0;
    sum += p[TUNE_REST];
    for (int i = 0; i < TUNE_PART_COUNT; i++)
        p[i] /= sum;
}

/* t: processor seconds of a ballot without what only one thread does; alone: what only one does, in all. */
static void add_up(struct tune_time *t, const struct tune_machine *m, size_t step, double n, double ballot,
                   double alone)
{
    const double threads = m->step[step].threads, one = m->step[0].ballot;
    /* What more threads cost each other, as it was measured with whole ballots. */
    const double crowd = one > 0 ? m->step[step].ballot * threads / one : 1;
    const double others = m->step[step].ballot > 0 ? m->step[step].clock / m->step[step].ballot : 1;
    t->arithmetic = n * ballot * crowd / threads;
    t->alone = alone;
    t->disk = t->bytes * m->read;
    t->ids = n * m->id;
    t->processor = n * ballot * crowd + alone + t->ids;
    t->seconds = (t->disk > t->arithmetic ? t->disk : t->arithmetic) + alone + t->ids;
    double slow = (t->arithmetic + alone + t->ids) * (others > 1 ? others : 1);
    t->now = slow > t->seconds ? slow : t->seconds;
    t->rate = t->seconds > 0 ? n / t->seconds : 0;
}

void tune_predict(struct tune_prediction *out, const struct tune_machine *m, const struct settings *s,
                  uint64_t ballots, uint64_t precincts)
{
    static const char *const names[TUNE_PART_COUNT] = {"hashing", "decompression", "arithmetic",
                                                       "reading and scalars"};
    double n = (double)ballots;
    size_t step = step_of(m, s->threads ? s->threads : m->processors), size = size_index(s->batch_points);
    memset(out, 0, sizeof *out);
    split(out, m, size);
    out->exports.bytes = n * (double)m->ballot_len;
    out->chain.bytes = n * (double)m->segment_len;
    /* Files are read and hashed as a whole besides. */
    add_up(&out->exports, m, step, n, m->step[0].ballot + (double)m->ballot_len * (m->copy + m->hash),
           (double)precincts * m->precinct);
    /* One thread reads beside the others; between batches the leaves go into two trees, a node or two each.
     */
    add_up(&out->chain, m, step, n, m->hinted + m->segment + (double)m->segment_len * m->copy,
           n * 4 * m->hash_short);
    size_t most = 0;
    for (size_t i = 1; i < TUNE_PART_COUNT; i++)
        if (out->part[i] > out->part[most])
            most = i;
    out->bottleneck = names[most];
    if (out->exports.alone > out->exports.arithmetic)
        out->bottleneck = "precincts";
    if (out->exports.disk > out->exports.arithmetic + out->exports.alone)
        out->bottleneck = "disk";
}
