/* Made-up voters for rehearsals and tests: a seed decides whom they vote for, never how a ballot is encrypted
 * (that randomness is fresh each time, so two runs have equal totals and different ballots).
 *
 * Voter number i of a place has a style and choices that depend on seed, place and i only. Earlier options
 * are more popular, some contests are left blank. */
#ifndef TALLY_SIMULATE_H
#define TALLY_SIMULATE_H

#include "ceremony/base/progress.h"
#include "tally/ballot.h"

/* Clear totals of what was voted. */
struct simulate_totals {
    size_t contest_count;
    uint64_t *ballots; /* by contest of the manifest: ballots whose style has it */
    uint64_t **votes;  /* [contest][option] */
};
MUST err_t simulate_totals_new(struct simulate_totals **out, const struct manifest *m);
void simulate_totals_free(struct simulate_totals *t);

/* Takes each finished ballot, in the order of voters. */
typedef err_t simulate_sink(void *ctx, const uint8_t *ballot, size_t len, struct fault *f);

/* Voters first .. first+count-1 of a lowest-level place. totals (may be NULL) are added to. Uses all threads
 * of OpenMP. ERR_RULE: the election is an import, or the place casts no ballots. */
MUST err_t simulate_ballots(const struct election_context *ctx, uint32_t place, uint64_t seed, uint64_t first,
                            uint64_t count, struct simulate_totals *totals, simulate_sink *sink,
                            void *sink_ctx, progress_fn progress, void *progress_ctx, struct fault *f);

#endif
