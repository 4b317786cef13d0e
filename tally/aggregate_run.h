/* The state of one run of aggregate(), shared by its three steps: read the exports, settle, write records. */
#ifndef TALLY_AGGREGATE_RUN_H
#define TALLY_AGGREGATE_RUN_H

#include "tally/aggregate.h"
#include "tally/aggregate_index.h"
#include "tally/chain_verify.h"
#include "tally/id_sort.h"

struct agg_chain {
    uint32_t chain; /* index in the manifest */
    char *name, *work;
    struct chain_report *r;
    int is_taken;
    size_t drop_count, drop_cap;
    struct chain_spooled *drop; /* ballots that do not count, by their number */
    struct chain_sums *gone;    /* what these contribute; NULL if there are none */
};

struct agg_run {
    const struct election_context *ctx;
    const char *exports_dir, *records_dir;
    const struct aggregate_options *options;
    const struct aggregate_report *report; /* may be NULL */
    struct agg_index *ix;
    struct aggregate_result *result;
    const char *work_dir;
    size_t chain_count, chain_cap; /* chain exports that may count */
    struct agg_chain *chain;
    uint64_t shard_seen; /* of all chain exports, when a part is made */
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

/* aggregate_chain.c: exports of voting chains. _add: a directory of the exports. _settle: which count; says
 * so. _ids: adds all ballots of those taken to ids, with AGG_CHAIN_BALLOT in their position; _drop: such a
 * ballot does not count; _dropped: all were told. _fill: the node of a place of a chain, ERR_MISSING (f
 * untouched) if none is taken. */
#define AGG_CHAIN_BALLOT ((uint64_t)1 << 63)
MUST err_t agg_chain_add(struct agg_run *run, const char *name, struct fault *f);
MUST err_t agg_chain_settle(struct agg_run *run, struct fault *f);
MUST err_t agg_chain_ids(struct agg_run *run, struct id_sort *ids, struct fault *f);
MUST err_t agg_chain_drop(struct agg_run *run, const hash_t *id, uint32_t place, uint64_t at,
                          struct fault *f);
MUST err_t agg_chain_dropped(struct agg_run *run, struct fault *f);
MUST err_t agg_chain_fill(struct agg_run *run, struct node *n, struct fault *f);
void agg_chain_free(struct agg_run *run);

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
