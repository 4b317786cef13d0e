/* Ballots of several exports through one batch: small precincts share the equation of 65,536 points, large
 * ones take several.
 *
 *   export_flow_new; export_flow_add for each export; export_flow_end; export_flow_free
 *
 * What was judged comes back in the order in which it was added: span for each run of ballots of one export,
 * end once all of its ballots were handed out. Both may come during a later export_flow_add. One thread.
 * Memory: that of the batch, and up to 4,096 exports that wait for their end. Ballots only, no counts. */
#ifndef TALLY_EXPORT_FLOW_H
#define TALLY_EXPORT_FLOW_H

#include "tally/ballot_batch.h"
#include "tally/export.h"

struct export_flow_ops {
    /* Items from..to - 1 of b are the next ballots of this export, judged; their tag is the offset in the
     * file. An error ends the flow. */
    err_t (*span)(void *ctx, const struct ballot_batch *b, size_t from, size_t to);
    /* 1: the rest of the export need not be read. */
    int (*enough)(void *ctx);
    /* Nothing more comes. why: OK at the end of the file, or what export_next said, with its fault. */
    err_t (*end)(void *ctx, err_t why, const struct fault *f);
    /* Instead of end, where the flow is freed before. */
    void (*drop)(void *ctx);
};

struct export_flow;
/* points, threads: as ballot_batch_new. */
MUST err_t export_flow_new(struct export_flow **out, const struct ballot_layout *layout,
                           const struct election_context *ctx, size_t points, size_t threads);
void export_flow_free(struct export_flow *flow);
/* Reads all items of r, which is no longer needed afterwards. ops and ctx are, until end or drop was called,
 * which is not before this returns.
 * Errors are those of ballot_batch_run and of the callbacks; the flow can only be freed then. */
MUST err_t export_flow_add(struct export_flow *flow, struct export_reader *r,
                           const struct export_flow_ops *ops, void *ctx);
/* Judges what waits. */
MUST err_t export_flow_end(struct export_flow *flow);

#endif
