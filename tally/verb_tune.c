#include <stdlib.h>
#include <string.h>

#include "ceremony/base/file.h"
#include "tally/metrics.h"
#include "tally/tune.h"
#include "tally/verb.h"

#define NATION 159000000u /* ballots of the United States in 2020 */
#define PRECINCT 900      /* ballots of a precinct there */

struct wanted {
    uint64_t ballots, precincts;
    int explain;
};

static void print_machine(FILE *out, const struct tune_machine *m, double load)
{
    if (load > 0.5)
        fprintf(
            out,
            "busy           load %.1f: others work on this machine; times are of processors, so that counts "
            "little\n",
            load);
    fprintf(out, "machine        %u processors%s\n", m->processors, m->has_ifma ? ", AVX-512 IFMA" : "");
    fprintf(out, "ballot         %zu bytes, %zu points; made in %.0f us\n", m->ballot_len, m->ballot_points,
            m->make * 1e6);
    fprintf(out, "hash           %.0f MB/s; 64 bytes in %.0f ns\n", 1e-6 / m->hash, m->hash_short * 1e9);
    fprintf(out, "decompression  %.2f us a point; %.2f us with a hint\n", m->decompress * 1e6, m->lift * 1e6);
    fprintf(out, "ballots        %.0f/s of a processor; %.0f with hints\n", 1 / m->step[0].ballot,
            1 / m->hinted);
    fprintf(out, "precincts      %.0f us each besides their ballots\n", m->precinct * 1e6);
    fprintf(out, "segments       %.1f us a ballot, %zu bytes\n", m->segment * 1e6, m->segment_len);
    fprintf(out, "ids            %.2f million/s, copies found\n", 1e-6 / m->id);
    fprintf(out, "zstd           %.0f MB/s out; ballots shrink to %.0f %%\n", 1e-6 / m->unpack,
            m->packed * 100);
    fprintf(out, "disk           %.0f MB/s read, %.0f MB/s written, %.2f ms a sync\n", 1e-6 / m->read,
            1e-6 / m->write, m->sync * 1e3);
}

static unsigned window_of(const struct settings *s)
{
    return s->window ? s->window : tune_window(s->batch_points);
}

static void print_explained(FILE *out, const struct tune_machine *m, const struct settings *s)
{
    fprintf(out, "\n%12s %10s %8s %16s %14s\n", "batch points", "MiB", "window", "us a point, sum",
            "ballots/s");
    for (size_t i = 0; i < TUNE_SIZES; i++)
        fprintf(out, "%12zu %10.1f %8u %16.3f %14.0f%s\n", TUNE_SIZE(i),
                (double)TUNE_SIZE(i) * 310 / (1 << 20), tune_window(TUNE_SIZE(i)), m->msm[i] * 1e6,
                1 / m->ballot[i], TUNE_SIZE(i) == s->batch_points ? "  <- chosen" : "");
    fprintf(out,
            "A batch is chosen if none is more than 2 %% faster; a smaller one takes less memory. The window "
            "follows from\n"
            "its size, the one with the fewest additions, unless another one gains 2 %%.\n\n%12s %14s\n",
            "window", "ballots/s");
    for (size_t i = 0; i < TUNE_WINDOWS; i++)
        if (m->window[i].width != 0)
            fprintf(out, "%12u %14.0f%s\n", m->window[i].width, 1 / m->window[i].ballot,
                    m->window[i].width == window_of(s) ? "  <- chosen" : "");
    fprintf(out, "\n%12s %14s %16s\n", "threads", "ballots/s", "by the clock now");
    for (size_t i = 0; i < m->step_count; i++)
        fprintf(out, "%12u %14.0f %16.0f%s\n", m->step[i].threads, 1 / m->step[i].ballot,
                1 / m->step[i].clock, m->step[i].threads == s->threads ? "  <- chosen" : "");
    fprintf(out, "The first is for a machine that does nothing else, from the time that each thread had.\n");
}

/* Hours, minutes and seconds, or seconds and tenths of them where there are few. */
static void duration(char out[32], double seconds)
{
    if (seconds < 100)
        snprintf(out, 32, "%.1f s", seconds);
    else
        progress_duration(out, (uint64_t)(seconds + 0.5));
}

static void print_time(FILE *out, const char *what, const struct tune_time *t)
{
    char total[32], now[32], processor[32];
    duration(total, t->seconds);
    duration(now, t->now);
    duration(processor, t->processor);
    fprintf(out, "%-14s in %s on a machine to itself, %.0f per second; in %s beside what runs here now\n",
            what, total, t->rate, now);
    fprintf(
        out,
        "               %s of processors; arithmetic %.0f s, meanwhile reading %.0f s (%.1f GB), then one "
        "thread %.0f s, ids %.0f s\n",
        processor, t->arithmetic, t->disk, t->bytes / 1e9, t->alone, t->ids);
}

static void print_prediction(FILE *out, const struct tune_machine *m, const struct settings *s,
                             const struct wanted *want)
{
    struct tune_prediction p;
    tune_predict(&p, m, s, want->ballots, want->precincts);
    fprintf(out, "\nprediction     %llu ballots on %u threads, in %llu precincts, and in one chain:\n",
            (unsigned long long)want->ballots, s->threads, (unsigned long long)want->precincts);
    print_time(out, "precincts", &p.exports);
    print_time(out, "chain", &p.chain);
    fprintf(out, "bottleneck     %s\n", p.bottleneck);
    if (want->explain)
        fprintf(
            out,
            "Of a ballot's arithmetic in a precinct: hashing %.0f %%, decompression %.0f %%, one sum of all "
            "points %.0f %%, and\n"
            "%.0f %% for reading the form, scalars, and adding up. A chain has hints in place of "
            "decompression.\n",
            p.part[TUNE_HASH] * 100, p.part[TUNE_DECOMPRESS] * 100, p.part[TUNE_MSM] * 100,
            p.part[TUNE_REST] * 100);
}

static err_t shape_of(struct verb_run *v, struct tune_shape *shape, const char *manifest,
                      const char *contests, const char *options)
{
    uint64_t c = 1, o = 4;
    if (manifest == NULL) {
        TRY(args_number(&c, contests, "contests", 1, TUNE_CONTESTS_MAX, &v->fault));
        o = 4 * c;
        TRY(args_number(&o, options, "options", 2, UINT32_MAX, &v->fault));
        return tune_shape_even(shape, (uint32_t)c, (uint32_t)o, &v->fault);
    }
    if (contests != NULL || options != NULL)
        return fault_set(&v->fault, ERR_USAGE, "either --election, or --contests and --options");
    struct manifest *m;
    TRY(manifest_load(&m, manifest, &v->fault));
    err_t e = tune_shape_manifest(shape, m, &v->fault);
    manifest_free(m);
    return e;
}

static err_t save(struct verb_run *v, const struct settings *s, const struct tune_machine *m,
                  const char *path)
{
    char about[200];
    snprintf(about, sizeof about, "measured: %.0f ballots/s of %zu points on %u processors",
             1 / m->step[m->step_count - 1].ballot, m->ballot_points, m->processors);
    TRY(settings_save(s, about, path, &v->fault));
    fprintf(v->out, "written        %s: threads %u, batch of %u points, window %u, a node's answers %u\n",
            path, s->threads, s->batch_points, window_of(s),
            settings_or(0, s->node_batch, SETTINGS_NODE_BATCH));
    return OK;
}

err_t verb_tune(struct verb_run *v, int argc, char **argv)
{
    const char *work = NULL, *path = NULL, *manifest = NULL, *ballots_text = NULL, *contests = NULL,
               *options = NULL, *each_text = NULL, *precincts_text = NULL;
    struct wanted want = {.ballots = NATION};
    const struct arg spec[] = {
        {"work", ARG_TEXT, &work, "DIR", "work directory: its disk is measured, DIR/settings.json is written",
         1},
        {"settings", ARG_TEXT, &path, "FILE", "write this file instead", 0},
        {"explain", ARG_FLAG, &want.explain, NULL, "say why", 0},
        {"election", ARG_TEXT, &manifest, "FILE", "manifest: ballots like those of its largest style", 0},
        {"contests", ARG_TEXT, &contests, "N", "or so many contests, default 1", 0},
        {"options", ARG_TEXT, &options, "N", "with so many options in all, default four each", 0},
        {"ballots", ARG_TEXT, &ballots_text, "N", "predict the time for so many; default 159000000", 0},
        {"precincts", ARG_TEXT, &precincts_text, "N", "in so many; default one for 900 ballots", 0},
        {"milliseconds", ARG_TEXT, &each_text, "N", "for each measurement, default 200", 0},
        {0},
    };
    char to[BUNDLE_PATH_MAX];
    uint64_t each = 200;
    double load = 0; /* before we add to it */
    struct tune_shape *shape = NULL;
    struct tune_sample *sample = NULL;
    struct tune_machine m;
    struct settings s;
    struct progress progress;
    TRY(verb_options(v, argc, argv, spec, NULL));
    if (v->help_shown)
        return OK;
    TRY(args_number(&want.ballots, ballots_text, "ballots", 1, UINT64_C(1000000000000), &v->fault));
    want.precincts = want.ballots / PRECINCT + 1;
    TRY(args_number(&want.precincts, precincts_text, "precincts", 1, want.ballots, &v->fault));
    TRY(args_number(&each, each_text, "milliseconds", 1, 60000, &v->fault));
    TRY(verb_path(v, to, path, work, SETTINGS_FILE, "settings"));
    progress_init(&progress, v->err, v->program->stop);
    err_t e = OK;
    shape = calloc(1, sizeof *shape);
    if (shape == NULL) {
        e = fault_set(&v->fault, ERR_MEMORY, "tune");
        goto out;
    }
    GO(shape_of(v, shape, manifest, contests, options));
    GO(tune_sample_new(&sample, shape, work, &v->fault));
    if (getloadavg(&load, 1) != 1)
        load = 0;
    GO(tune_measure(&m, sample, (double)each / 1000, progress.is_terminal ? progress_step : NULL, &progress,
                    &v->fault));
    progress_end(&progress);
    tune_choose(&s, &m);
    print_machine(v->out, &m, load);
    if (want.explain)
        print_explained(v->out, &m, &s);
    print_prediction(v->out, &m, &s, &want);
    e = save(v, &s, &m, to);
out:
    progress_end(&progress);
    tune_sample_free(sample);
    free(shape);
    return e;
}
