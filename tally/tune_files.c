/* What tune measures with files, and the clocks. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "ceremony/base/file.h"
#include "tally/aggregate.h"
#include "tally/chain_segment.h"
#include "tally/tune_parts.h"

#define HOUR 500000 /* of the exports: nobody's */
#define ROOM_FOR_ALL(s)                                                                                      \
    (2 * TUNE_BALLOTS *                                                                                      \
     (s)->points) /* points of a batch of all ballots of the sample                       \
                                      */

/* --- clocks and limits --- */

static double clock_of(clockid_t which)
{
    struct timespec t;
    clock_gettime(which, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double tune_thread_time(void)
{
    return clock_of(CLOCK_THREAD_CPUTIME_ID);
}

double tune_process_time(void)
{
    return clock_of(CLOCK_PROCESS_CPUTIME_ID);
}

/* cpu.max of a control group: "QUOTA PERIOD", or "max PERIOD". */
static uint32_t group_allows(const char *root, const char *group, uint32_t n)
{
    char path[8400];
    double quota, period;
    snprintf(path, sizeof path, "%.4000s%s/cpu.max", root, group);
    FILE *in = fopen(path, "re");
    if (in == NULL)
        return n;
    if (fscanf(in, "%lf %lf", &quota, &period) == 2 && quota > 0 && period > 0 && ceil(quota / period) < n)
        n = (uint32_t)ceil(quota / period);
    fclose(in);
    return n;
}

uint32_t tune_allowed(uint32_t n, const char *own, const char *root)
{
    char line[4096], *slash;
    FILE *in = fopen(own, "re");
    if (in == NULL)
        return n;
    while (fgets(line, sizeof line, in) != NULL) {
        char *group = line + strlen("0::");
        if (strncmp(line, "0::/", 4) != 0)
            continue;
        line[strcspn(line, "\n")] = '\0';
        n = group_allows(root, group, n);
        while ((slash = strrchr(group, '/')) != NULL) { /* and those that it is in */
            *slash = '\0';
            n = group_allows(root, group, n);
        }
        break;
    }
    fclose(in);
    return n > 0 ? n : 1;
}

/* --- hints, segments --- */

/* For all ballots of the sample at once. */
static err_t all_new(struct ballot_batch **b, struct tallies **sums, const struct tune_sample *s)
{
    TRY(tallies_new(sums, &s->ctx, s->place));
    err_t e = ballot_batch_new(b, s->layout, &s->ctx, ROOM_FOR_ALL(s), 1);
    if (e != OK)
        tallies_free(*sums);
    return e;
}

err_t tune_hints(uint8_t **out, const struct tune_sample *s)
{
    struct ballot_batch *b;
    struct tallies *sums;
    uint64_t count;
    *out = NULL;
    TRY(all_new(&b, &sums, s));
    uint8_t *hints = malloc(TUNE_BALLOTS * 32 * s->points);
    err_t e = hints ? tune_batch_once(b, sums, s, NULL, TUNE_BALLOTS, &count) : ERR_MEMORY;
    if (e == OK && count != TUNE_BALLOTS)
        e = ERR_BUG;
    for (size_t i = 0; i < TUNE_BALLOTS && e == OK; i++) {
        size_t points;
        const struct p256_affine *p = ballot_batch_affine(b, i, &points);
        if (points == s->points)
            chain_hints_of(hints + i * 32 * points, p, points);
        else
            e = ERR_BUG;
    }
    ballot_batch_free(b);
    tallies_free(sums);
    if (e != OK) {
        free(hints);
        return e;
    }
    *out = hints;
    return OK;
}

static err_t write_segment(const struct tune_sample *s, const char *path, const uint8_t *hints, size_t count,
                           struct fault *f)
{
    struct chain_segment_writer *w;
    size_t each = 32 * s->points;
    uint64_t content = 0;
    for (size_t i = 0; i < count; i++)
        content += chain_pair_len(s->ballot[i].len, each);
    TRY(chain_segment_create(&w, path, content, f));
    for (size_t i = 0; i < count; i++) {
        err_t e = chain_segment_put(w, s->ballot[i].data, s->ballot[i].len, hints + i * each, each, f);
        if (e != OK) {
            chain_segment_abandon(w);
            return e;
        }
    }
    return chain_segment_commit(w, f);
}

static err_t read_segment(const struct tune_sample *s, const char *path, size_t count, struct fault *f)
{
    struct chain_segment *in;
    struct chain_pair p;
    TRY(chain_segment_open(&in, &s->ctx, path, count, f));
    err_t e;
    do
        e = chain_segment_next(in, &p, f);
    while (e == OK && p.ballot != NULL);
    chain_segment_close(in);
    return e;
}

/* A segment of so many ballots: seconds for reading it, and its bytes. */
struct segment {
    size_t count;
    double seconds;
    off_t bytes;
};

static err_t measure_segment(struct segment *g, const struct tune_sample *s, const uint8_t *hints,
                             double each, struct fault *f)
{
    char path[sizeof s->dir + 16];
    struct stat st;
    snprintf(path, sizeof path, "%s/segment", s->dir);
    TRY(write_segment(s, path, hints, g->count, f));
    if (stat(path, &st) != 0)
        return fault_set(f, ERR_IO, "a file that was written is not there");
    g->bytes = st.st_size;
    double begin = metrics_now();
    for (int i = 0; i < 3 || metrics_now() - begin < each; i++) {
        double start = tune_thread_time();
        TRY(read_segment(s, path, g->count, f));
        double took = tune_thread_time() - start;
        g->seconds = i == 0 || took < g->seconds ? took : g->seconds;
    }
    return OK;
}

/* The difference of two, so that opening a file, which a segment of thousands needs once, does not count. */
err_t tune_measure_segment(struct tune_machine *m, const struct tune_sample *s, double each, struct fault *f)
{
    struct segment all = {.count = TUNE_BALLOTS}, half = {.count = TUNE_BALLOTS / 2};
    uint8_t *hints;
    TRY(tune_hints(&hints, s));
    err_t e = measure_segment(&all, s, hints, each / 2, f);
    if (e == OK)
        e = measure_segment(&half, s, hints, each / 2, f);
    free(hints);
    if (e != OK)
        return e;
    double took = (all.seconds - half.seconds) / (TUNE_BALLOTS / 2);
    m->segment = took > 1e-8 ? took : 1e-8;
    m->segment_len = (size_t)(all.bytes - half.bytes) / (TUNE_BALLOTS / 2);
    return OK;
}

/* --- exports --- */

static err_t write_export(const struct tune_sample *s, const struct ballot_batch *b, uint32_t i,
                          const char *dir, struct fault *f)
{
    char path[sizeof s->dir + 32];
    struct tallies *t;
    struct export_writer *w;
    snprintf(path, sizeof path, "%s/p%02u" EXPORT_SUFFIX, dir, i);
    TRY(tallies_new(&t, &s->ctx, s->place + i));
    err_t e = ballot_batch_sum(b, i, i + 1, t);
    if (e == OK)
        e = export_writer_open(&w, &s->ctx, s->place + i, path, f);
    if (e == OK) {
        e = export_writer_item(w, s->ballot[i].data, s->ballot[i].len, f);
        if (e == OK)
            e = export_writer_finish(w, NULL, t, 0, NULL, HOUR, signkey_signer(s->key), f);
        else
            export_writer_abandon(w);
    }
    tallies_free(t);
    return e;
}

/* One ballot each; *ballots: processor seconds that they take together in one batch. */
static err_t write_exports(const struct tune_sample *s, const char *dir, double *ballots, struct fault *f)
{
    struct ballot_batch *b;
    struct tallies *sums;
    uint64_t count;
    TRY(file_mkdir(dir, f));
    TRY(all_new(&b, &sums, s));
    err_t e = OK;
    for (int i = 0; i < 3 && e == OK; i++) {
        double start = tune_thread_time();
        e = tune_batch_once(b, sums, s, NULL, TUNE_BALLOTS, &count);
        double took = tune_thread_time() - start;
        *ballots = i == 0 || took < *ballots ? took : *ballots;
    }
    for (uint32_t i = 0; i < TUNE_BALLOTS && e == OK; i++)
        e = write_export(s, b, i, dir, f);
    ballot_batch_free(b);
    tallies_free(sums);
    return e;
}

/* Aggregates what is in exports, as an official does; *took: less of it, if it took less. */
static err_t aggregate_once(const struct tune_sample *s, const char *exports, int round, double *took,
                            struct fault *f)
{
    char work[sizeof s->dir + 40], records[sizeof work + 16];
    struct aggregate_result result;
    static const struct aggregate_options options = {.threads = 1};
    snprintf(work, sizeof work, "%s-work-%d", exports, round);
    snprintf(records, sizeof records, "%s/records", work);
    double start = tune_process_time();
    TRY(aggregate(&result, &s->ctx, exports, work, records, &options, NULL, f));
    double now = tune_process_time() - start;
    *took = round == 0 || now < *took ? now : *took;
    return result.refused == 0 ? OK
                               : fault_set(f, ERR_BUG, "an export that was made to measure with is refused");
}

err_t tune_measure_exports(struct tune_machine *m, const struct tune_sample *s, double each, struct fault *f)
{
    char full[sizeof s->dir + 16], none[sizeof s->dir + 16];
    double ballots = 0, with = 0, without = 0;
    snprintf(full, sizeof full, "%s/exports", s->dir);
    snprintf(none, sizeof none, "%s/none", s->dir);
    TRY(file_mkdir(none, f));
    TRY(write_exports(s, full, &ballots, f));
    for (int i = 0; i < (each < 0.05 ? 1 : 5); i++) {
        TRY(aggregate_once(s, none, i, &without, f));
        TRY(aggregate_once(s, full, i, &with, f));
    }
    double took = (with - without - ballots) / TUNE_BALLOTS;
    m->precinct = took > 1e-6 ? took : 1e-6;
    return OK;
}
