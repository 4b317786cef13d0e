/* The state of one run of aggregate(), shared by its three steps: read the exports, settle, write records. */
#ifndef TALLY_AGGREGATE_RUN_H
#define TALLY_AGGREGATE_RUN_H

#include "tally/aggregate.h"
#include "tally/aggregate_index.h"

struct agg_run {
    const struct election_context *ctx;
    const char *exports_dir, *records_dir;
    const struct aggregate_options *options;
    const struct aggregate_report *report; /* may be NULL */
    struct agg_index *ix;
    struct aggregate_result *result;
    uint32_t
        *few; /* result->few places whose correction is of too few ballots, in order; freed with free() */
};

/* Tells the caller of aggregate(); fills ev->done. */
MUST err_t agg_tell(struct agg_run *run, struct aggregate_event *ev);
/* A file that does not count; counts it. place: identifier or "". */
MUST err_t agg_refuse(struct agg_run *run, const char *name, const char *place, const hash_t *id,
                      const struct fault *fault);
const char *agg_place_id(const struct agg_run *run, uint32_t place);

/* aggregate_settle.c: which exports and which copies of a ballot count. In one transaction of the caller. */
MUST err_t agg_settle(struct agg_run *run, struct fault *f);

/* aggregate_few.c: what a correction changed. Tells AGGREGATE_FEW, once for each place. older, newer: of
 * place, in the order of revisions. */
#define AGG_CHAIN_MAX                                                                                        \
    32 /* corrections of a place that are compared; one more is taken for one of few ballots */
MUST err_t agg_compare(struct agg_run *run, uint32_t place, const struct agg_export *older,
                       size_t older_count, const struct agg_export *newer, struct fault *f);
/* supersede-exchange (docs/spec/plan.md). */
MUST err_t agg_check_few(const struct agg_run *run, const struct plan *plan, const struct plan_set *older,
                         struct fault *f);

/* aggregate_records.c: the records of all places. */
MUST err_t agg_write_records(struct agg_run *run, struct fault *f);

#endif
