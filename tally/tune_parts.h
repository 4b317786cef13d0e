/* Inside of struct tune_sample, for tune*.c only. */
#ifndef TALLY_TUNE_PARTS_H
#define TALLY_TUNE_PARTS_H

#include "ceremony/base/secret.h"
#include "tally/ballot_batch.h"
#include "tally/metrics.h"
#include "tally/signkey.h"
#include "tally/tune.h"

struct tune_sample {
    struct manifest *m;
    struct places *places;
    struct record r; /* of a key that nobody has */
    struct election_context ctx;
    struct ballot_layout *layout;
    struct cbor_out ballot[TUNE_BALLOTS];
    size_t points;
    double make;         /* seconds for each of them */
    struct signkey *key; /* of the places, which are rows place to place + TUNE_BALLOTS - 1 */
    uint32_t place;
    char dir[4096];
};

/* Seconds of the processor that this thread has had, and all threads of this process. */
double tune_thread_time(void);
double tune_process_time(void);
/* Processors that this process may use at once, not more than n: what its control groups (version 2) allow.
 * own: /proc/self/cgroup; root: where they are mounted. */
uint32_t tune_allowed(uint32_t n, const char *own, const char *root);

/* Fills a batch with up to most ballots, with hints if there are some, judges it, and adds it up in sums. */
MUST err_t tune_batch_once(struct ballot_batch *b, struct tallies *sums, const struct tune_sample *s,
                           const uint8_t *hints, uint64_t most, uint64_t *count);
/* y coordinates of the ballots' points, as a batch knows them; freed with free(). */
MUST err_t tune_hints(uint8_t **out, const struct tune_sample *s);

/* m->precinct, by aggregation of exports; m->segment, m->segment_len. */
MUST err_t tune_measure_exports(struct tune_machine *m, const struct tune_sample *s, double each,
                                struct fault *f);
MUST err_t tune_measure_segment(struct tune_machine *m, const struct tune_sample *s, double each,
                                struct fault *f);

#endif
