/* What this machine can do, what holds it up, and how long an election would take on it (conclave-tally
 * tune).
 *
 *   tune_sample_new     a made-up election with contests like those asked for, and some real ballots of it
 *   tune_measure        hash, decompression, arithmetic at several sizes of batches, whole ballots, the disk
 *   tune_choose         threads and batch size: the settings (settings.h)
 *   tune_predict        seconds for a number of ballots, and which part of the machine is the bottleneck
 *
 * Ballots are measured whole, by ballot_batch.h, which verification runs; the parts are measured apart to say
 * where the time goes. Times are of the wall clock: on a busy machine they say what the rest of it can do.
 * Nothing here is secret, and nothing is kept but the settings. */
#ifndef TALLY_TUNE_H
#define TALLY_TUNE_H

#include "ceremony/base/progress.h"
#include "ceremony/manifest.h"
#include "tally/settings.h"

/* --- the ballots to measure with --- */

#define TUNE_CONTESTS_MAX 200
#define TUNE_BALLOTS 48 /* different ones; batches are filled with copies */

struct tune_shape {
    size_t contest_count;
    struct {
        uint32_t options, limit;
    } contest[TUNE_CONTESTS_MAX];
};

/* options in all, dealt evenly to the contests. ERR_LIMIT: 1 to 200 contests, 2 to OPTIONS_MAX options each.
 */
MUST err_t tune_shape_even(struct tune_shape *out, uint32_t contests, uint32_t options, struct fault *f);
/* The largest style of a manifest. ERR_RULE: an import; ERR_LIMIT: too many contests. */
MUST err_t tune_shape_manifest(struct tune_shape *out, const struct manifest *m, struct fault *f);

struct tune_sample;
/* Freed with tune_sample_free. ERR_MEMORY, ERR_LOCK. */
MUST err_t tune_sample_new(struct tune_sample **out, const struct tune_shape *shape, struct fault *f);
void tune_sample_free(struct tune_sample *s);
size_t tune_sample_len(const struct tune_sample *s); /* bytes of a ballot */

/* --- measuring --- */

#define TUNE_SIZES 6 /* batches of 2^12 to 2^17 points */
#define TUNE_SIZE(i) ((size_t)4096 << (i))
#define TUNE_STEPS 11 /* numbers of threads: 1, 2, 4, ... and all */

struct tune_machine {
    uint32_t processors;
    int has_ifma;
    double make;               /* seconds for making one ballot */
    double hash;               /* seconds for a byte of a long message */
    double hash_short;         /* seconds for a message of 64 bytes */
    double decompress;         /* seconds for a point */
    double lift;               /* the same with its y as a hint */
    double msm[TUNE_SIZES];    /* seconds for a point with a weight of 128 bits, in a sum of so many */
    double ballot[TUNE_SIZES]; /* seconds for a whole ballot on one thread */
    size_t step_count;
    struct {
        uint32_t threads;
        double ballot; /* seconds for a ballot, with so many threads at work */
    } step[TUNE_STEPS];
    double id;                /* seconds for a ballot id in the search for those that are there twice */
    double unpack;            /* seconds for a byte that zstd gives */
    double packed;            /* bytes of a packed byte of ballots */
    double read, write, sync; /* seconds for a byte from the disk, to it; for an fsync of a little */
    size_t ballot_len, ballot_points;
};

/* dir: the disk that is measured; a temporary file of 32 MiB is made there. each: seconds for each
 * measurement (0.2 is good; tests take less). ERR_IO, ERR_MEMORY, ERR_STOPPED. */
MUST err_t tune_measure(struct tune_machine *out, const struct tune_sample *s, const char *dir, double each,
                        progress_fn progress, void *progress_ctx, struct fault *f);

/* --- deciding --- */

/* The smallest batch within 2 % of the fastest, the fewest threads within 2 % of the fastest. */
void tune_choose(struct settings *out, const struct tune_machine *m);
/* Bits of the digits in which the arithmetic takes weights in a batch of so many points: it follows from the
 * size. */
unsigned tune_window(size_t points);

enum tune_part { TUNE_HASH, TUNE_DECOMPRESS, TUNE_MSM, TUNE_REST, TUNE_PART_COUNT };

struct tune_prediction {
    double seconds;               /* in all */
    double arithmetic, disk, ids; /* arithmetic and disk overlap; ids come after */
    double part[TUNE_PART_COUNT]; /* shares of arithmetic, of 1 */
    double rate;                  /* ballots per second */
    double bytes;                 /* that are read */
    const char *bottleneck; /* "decompression", "arithmetic", "hashing", "reading and scalars", "disk" */
};
void tune_predict(struct tune_prediction *out, const struct tune_machine *m, const struct settings *s,
                  uint64_t ballots);

#endif
