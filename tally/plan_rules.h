/* Reporting of violated rules, shared by the checks of one plan and of two. */
#ifndef TALLY_PLAN_RULES_H
#define TALLY_PLAN_RULES_H

#include "tally/plan.h"

struct plan_reporter {
    plan_report_fn *report; /* may be NULL */
    void *ctx;
    struct fault first;
};

/* The error of a rule of PLAN_RULES. */
MUST err_t plan_rule_error(const char *rule);
/* Reports; keeps the first. */
void plan_violated(struct plan_reporter *r, const char *rule, const struct fault *f);
/* The same with a sentence that names place and contest. */
void plan_unit_violated(struct plan_reporter *r, const struct election_context *ctx,
                        const struct plan_unit *u, const char *rule, const char *detail, uint64_t number);

#endif
