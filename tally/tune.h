/* What this machine can do, what holds it up, and how long an election would take on it (conclave-tally
 * tune).
 *
 *   tune_sample_new     a made-up election with contests like those asked for, and some real ballots of it
 *   tune_measure        hash, decompression, arithmetic at several sizes of batches, whole ballots, exports,
 *                       a segment of a chain, the disk
 *   tune_choose         threads, batch size, window, envelopes of a chain's node: the settings (settings.h)
 *   tune_predict        seconds for a number of ballots, and which part of the machine is the bottleneck
 *
 * Ballots are measured whole, by ballot_batch.h, and precincts by aggregate.h, which verification runs; the
 * parts are measured apart to say where the time goes. What processors do is measured in time of the threads
 * that did it: it is the same, nearly, on a machine that is busy with other things, and says what this one
 * does when it is not. The clock is read beside it, and says what others leave now. The disk is measured by
 * the clock. The keys made for it are of nobody's election; nothing is kept but the settings. */
#ifndef TALLY_TUNE_H
#define TALLY_TUNE_H

#include "ceremony/base/progress.h"
#include "ceremony/manifest.h"
#include "tally/settings.h"

/* --- the ballots to measure with --- */

#define TUNE_CONTESTS_MAX 200
#define TUNE_BALLOTS 48 /* different ones, each of a place of its own; batches are filled with copies */

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
/* dir: made if absent; a directory for what is measured with files is made in it, and removed with the
 * sample. Freed with tune_sample_free. ERR_MEMORY, ERR_LOCK, ERR_IO. */
MUST err_t tune_sample_new(struct tune_sample **out, const struct tune_shape *shape, const char *dir,
                           struct fault *f);
void tune_sample_free(struct tune_sample *s);
size_t tune_sample_len(const struct tune_sample *s); /* bytes of a ballot */

/* --- measuring --- */

#define TUNE_SIZES 6 /* batches of 2^12 to 2^17 points */
#define TUNE_SIZE(i) ((size_t)4096 << (i))
#define TUNE_STEPS 11 /* numbers of threads: 1, 2, 4, ... and all */
#define TUNE_WINDOWS 5

struct tune_machine {
    uint32_t processors; /* that this process may use; a limit of its control group counts */
    int has_ifma;
    /* Seconds of a processor: */
    double make;               /* for making one ballot */
    double hash;               /* for a byte of a long message */
    double hash_short;         /* for a message of 64 bytes */
    double decompress;         /* for a point */
    double lift;               /* the same with its y as a hint */
    double msm[TUNE_SIZES];    /* for a point with a weight of 128 bits, in a sum of so many */
    double ballot[TUNE_SIZES]; /* for a whole ballot on one thread */
    struct {
        unsigned width;
        double ballot; /* in a batch of the size chosen, with digits of this width; width 0: not measured */
    } window[TUNE_WINDOWS];
    double hinted;   /* for a whole ballot with hints, in a batch of the size chosen */
    double segment;  /* for a ballot that is read from a segment of a chain */
    double precinct; /* for an export, but its ballots: file, signature, sums, index, record */
    double id;       /* for a ballot id in the search for those that are there twice */
    double unpack;   /* for a byte that zstd gives */
    double copy;     /* for a byte that is read from a file */
    size_t step_count;
    struct {
        uint32_t threads;
        double ballot; /* for a ballot, divided by the threads: seconds on a machine to itself */
        double clock;  /* seconds of the clock for a ballot, with so many threads at work now */
    } step[TUNE_STEPS];
    /* Seconds of the clock: */
    double read, write, sync; /* for a byte from the disk, to it; for an fsync of a little */
    double packed;            /* bytes of a packed byte of ballots */
    size_t ballot_len, ballot_points, segment_len; /* segment_len: bytes of a ballot in a segment */
};

/* The disk of the sample's directory is measured, with a temporary file of 32 MiB. each: seconds for each
 * measurement (0.2 is good; tests take less). ERR_IO, ERR_MEMORY, ERR_STOPPED. */
MUST err_t tune_measure(struct tune_machine *out, const struct tune_sample *s, double each,
                        progress_fn progress, void *progress_ctx, struct fault *f);

/* --- deciding --- */

/* The smallest batch within 2 % of the fastest, the fewest threads within 2 % of the fastest; a window only
 * if it gains 2 %; ballots that a chain's node answers together: as many as take 30 ms, so that an answer
 * takes less than 100. */
void tune_choose(struct settings *out, const struct tune_machine *m);
/* Bits of the digits in which the arithmetic takes factors in a batch of so many points: it follows from the
 * size, where the settings do not say. */
unsigned tune_window(size_t points);

enum tune_part { TUNE_HASH, TUNE_DECOMPRESS, TUNE_MSM, TUNE_REST, TUNE_PART_COUNT };

struct tune_time {
    double processor; /* seconds of processors, all together */
    double seconds;   /* on a machine that does nothing else */
    double now;       /* while others use it as they did while it was measured */
    double rate;      /* ballots per second on a machine that does nothing else */
    double bytes;     /* that are read */
    double arithmetic, alone, disk,
        ids; /* arithmetic and disk overlap; what one thread does, and ids, come after */
};

struct tune_prediction {
    struct tune_time exports,
        chain; /* the ballots in so many exports of precincts, or in one chain with hints */
    double part[TUNE_PART_COUNT]; /* shares of a ballot's arithmetic in an export, of 1 */
    const char *
        bottleneck; /* "decompression", "arithmetic", "hashing", "reading and scalars", "precincts", "disk" */
};
void tune_predict(struct tune_prediction *out, const struct tune_machine *m, const struct settings *s,
                  uint64_t ballots, uint64_t precincts);

#endif
