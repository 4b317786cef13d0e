/* The officials' steps of decryption night, from files to files, as the verbs and the screens share them: the
 * plan and the result are written once and never overwritten. Nothing is printed. */
#ifndef TALLY_STEPS_H
#define TALLY_STEPS_H

#include "tally/bundle.h"
#include "tally/combine.h"
#include "tally/plan.h"

/* Makes the plan from DIR/LEVEL/PLACE.cbor, checks all its rules, and writes it. older: every plan before it,
 * back to the first. *out (freed with plan_free) is as it was read back. ERR_EXISTS if another plan is there.
 * out_path NULL: it is made and checked, and not written. */
MUST err_t step_plan_var(struct plan **out, const struct election_context *ctx, const char *records,
                         const struct plan_set *older, const char *out_path, struct fault *f);

/* Combines the partial decryptions on the board and writes the result. A result that is there keeps the
 * partials it was made from: later ones change nothing. *out as combine_partials_var, also set with
 * ERR_QUORUM. The record is checked first. progress may be NULL. */
MUST err_t step_combine_var(struct combination **out, const struct bundle_election *be, const struct board *b,
                            const struct plan *plan, const char *out_path, progress_fn progress,
                            void *progress_ctx, struct fault *f);

#endif
