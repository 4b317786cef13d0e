#include <stdlib.h>
#include <string.h>

#include "ceremony/base/file.h"
#include "tally/metrics.h"
#include "tally/tune.h"
#include "tally/verb.h"

#define NATION 159000000u /* ballots of the United States in 2020 */

static void print_machine(FILE *out, const struct tune_machine *m, double load)
{
    if (load > 0.5)
        fprintf(out,
                "busy           load %.1f: others work on this machine, and these are figures of what they "
                "leave\n",
                load);
    fprintf(out, "machine        %u processors%s\n", m->processors, m->has_ifma ? ", AVX-512 IFMA" : "");
    fprintf(out, "ballot         %zu bytes, %zu points; made in %.0f us\n", m->ballot_len, m->ballot_points,
            m->make * 1e6);
    fprintf(out, "hash           %.0f MB/s; 64 bytes in %.0f ns\n", 1e-6 / m->hash, m->hash_short * 1e9);
    fprintf(out, "decompression  %.2f us a point; %.2f us with a hint\n", m->decompress * 1e6, m->lift * 1e6);
    fprintf(out, "ids            %.2f million/s, copies found\n", 1e-6 / m->id);
    fprintf(out, "zstd           %.0f MB/s out; ballots shrink to %.0f %%\n", 1e-6 / m->unpack,
            m->packed * 100);
    fprintf(out, "disk           %.0f MB/s read, %.0f MB/s written, %.2f ms a sync\n", 1e-6 / m->read,
            1e-6 / m->write, m->sync * 1e3);
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
            "its size: the one with the fewest additions.\n\n%12s %14s\n",
            "threads", "ballots/s");
    for (size_t i = 0; i < m->step_count; i++)
        fprintf(out, "%12u %14.0f%s\n", m->step[i].threads, 1 / m->step[i].ballot,
                m->step[i].threads == s->threads ? "  <- chosen" : "");
}

static void print_prediction(FILE *out, const struct tune_machine *m, const struct settings *s,
                             uint64_t ballots, int explain)
{
    struct tune_prediction p;
    char total[32];
    tune_predict(&p, m, s, ballots);
    progress_duration(total, (uint64_t)(p.seconds + 0.5));
    fprintf(out, "\nprediction     %llu ballots in %s, %.0f per second; %.1f GB are read\n",
            (unsigned long long)ballots, total, p.rate, p.bytes / 1e9);
    fprintf(out, "               arithmetic %.0f s, meanwhile reading %.0f s, then ids %.0f s\n",
            p.arithmetic, p.disk, p.ids);
    fprintf(out, "bottleneck     %s\n", p.bottleneck);
    if (explain)
        fprintf(
            out,
            "Of a ballot's arithmetic: hashing %.0f %%, decompression %.0f %%, one sum of all points %.0f "
            "%%, and %.0f %% for\n"
            "reading the form, scalars, and adding up. Hints (in segments of chains) would save %.0f %%.\n",
            p.part[TUNE_HASH] * 100, p.part[TUNE_DECOMPRESS] * 100, p.part[TUNE_MSM] * 100,
            p.part[TUNE_REST] * 100, p.part[TUNE_DECOMPRESS] * 100 * (1 - m->lift / m->decompress));
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
    fprintf(v->out, "written        %s: threads %u, batch of %u points (window %u)\n", path, s->threads,
            s->batch_points, tune_window(s->batch_points));
    return OK;
}

err_t verb_tune(struct verb_run *v, int argc, char **argv)
{
    const char *work = NULL, *path = NULL, *manifest = NULL, *ballots_text = NULL, *contests = NULL,
               *options = NULL, *each_text = NULL;
    int explain = 0;
    const struct arg spec[] = {
        {"work", ARG_TEXT, &work, "DIR", "work directory: its disk is measured, DIR/settings.json is written",
         1},
        {"settings", ARG_TEXT, &path, "FILE", "write this file instead", 0},
        {"explain", ARG_FLAG, &explain, NULL, "say why", 0},
        {"election", ARG_TEXT, &manifest, "FILE", "manifest: ballots like those of its largest style", 0},
        {"contests", ARG_TEXT, &contests, "N", "or so many contests, default 1", 0},
        {"options", ARG_TEXT, &options, "N", "with so many options in all, default four each", 0},
        {"ballots", ARG_TEXT, &ballots_text, "N", "predict the time for so many; default 159000000", 0},
        {"milliseconds", ARG_TEXT, &each_text, "N", "for each measurement, default 200", 0},
        {0},
    };
    char to[BUNDLE_PATH_MAX];
    uint64_t ballots = NATION, each = 200;
    double load = 0; /* before we add to it */
    struct tune_shape *shape = NULL;
    struct tune_sample *sample = NULL;
    struct tune_machine m;
    struct settings s;
    struct progress progress;
    TRY(verb_options(v, argc, argv, spec, NULL));
    if (v->help_shown)
        return OK;
    TRY(args_number(&ballots, ballots_text, "ballots", 1, UINT64_C(1000000000000), &v->fault));
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
    GO(tune_sample_new(&sample, shape, &v->fault));
    if (getloadavg(&load, 1) != 1)
        load = 0;
    GO(tune_measure(&m, sample, work, (double)each / 1000, progress.is_terminal ? progress_step : NULL,
                    &progress, &v->fault));
    progress_end(&progress);
    tune_choose(&s, &m);
    print_machine(v->out, &m, load);
    if (explain)
        print_explained(v->out, &m, &s);
    print_prediction(v->out, &m, &s, ballots, explain);
    e = save(v, &s, &m, to);
out:
    progress_end(&progress);
    tune_sample_free(sample);
    free(shape);
    return e;
}
