/* Gathers what the report page shows from checked data, for publish.h and for verifiers, who make the page
 * again.
 *
 * Reads the records once (node_walk, which checks them) for missing places, dropped ballots and corrections,
 * and makes the QR messages. The same bundle gives the same data. */
#ifndef TALLY_REPORT_DATA_H
#define TALLY_REPORT_DATA_H

#include "tally/combine.h"
#include "tally/report.h"

struct report_data {
    struct report_input in; /* points into this and into what was given */
    hash_t root;            /* of the records */
    size_t missing_cap, dropped_cap, replaced_cap;
    uint32_t *missing;
    struct report_dropped *dropped;
    struct report_replaced *replaced;
    struct report_qr *qr;
};

/* combination: of this plan, with its result; used partials are those the result lists. target: plan_targets.
 * Everything given outlives *out, which is freed with report_data_free. Errors as node_walk; ERR_HASH if the
 * plan is about other records; ERR_MISMATCH: the rows of the result are not the units of the plan. */
MUST err_t report_gather_var(struct report_data **out, const struct election_context *ctx,
                             const struct node_provider *nodes, const struct plan *plan,
                             const struct target *target, const struct combination *combination,
                             struct fault *f);
void report_data_free(struct report_data *d);

#endif
