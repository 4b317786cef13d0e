#include <string.h>

#include "ceremony/math/p256_pippenger.h"
#include "tally/tune_parts.h"

#define WITHIN 1.02

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
}

unsigned tune_window(size_t points)
{
    return p256_pippenger_width(points, 128);
}

static size_t size_index(uint32_t points)
{
    size_t i = 0;
    while (i + 1 < TUNE_SIZES && TUNE_SIZE(i) < points)
        i++;
    return i;
}

/* Seconds for a ballot with so many threads: the step that was measured, or the nearest one below, in
 * proportion. */
static double ballot_seconds(const struct tune_machine *m, uint32_t threads)
{
    size_t best = 0;
    for (size_t i = 0; i < m->step_count; i++)
        if (m->step[i].threads <= threads)
            best = i;
    return m->step[best].ballot;
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

void tune_predict(struct tune_prediction *out, const struct tune_machine *m, const struct settings *s,
                  uint64_t ballots)
{
    static const char *const names[TUNE_PART_COUNT] = {"hashing", "decompression", "arithmetic",
                                                       "reading and scalars"};
    double n = (double)ballots;
    memset(out, 0, sizeof *out);
    split(out, m, size_index(s->batch_points));
    out->bytes = n * (double)m->ballot_len;
    out->arithmetic = n * ballot_seconds(m, s->threads ? s->threads : m->processors);
    out->disk = out->bytes * m->read;
    out->ids = n * m->id;
    out->seconds = (out->disk > out->arithmetic ? out->disk : out->arithmetic) + out->ids;
    out->rate = out->seconds > 0 ? n / out->seconds : 0;
    size_t most = 0;
    for (size_t i = 1; i < TUNE_PART_COUNT; i++)
        if (out->part[i] > out->part[most])
            most = i;
    out->bottleneck = out->disk > out->arithmetic ? "disk" : names[most];
}
