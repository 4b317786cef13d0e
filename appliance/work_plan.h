/* Decryption night as the verb and the screens share it: what is about to be decrypted, whether that is
 * right, and the signing and decrypting. Asking and showing is left to them.
 *
 *   work_plan_open                      the plan and those before it, and the rules between them
 *   work_plan_verify                    every ballot, every record, every rule of the plan, on this machine;
 *                                       can be repeated and goes on where it was
 *   work_plan_levels, work_plan_reach   for the page that tells what would be decrypted
 *   work_plan_sign                      with a token, after the person typed the plan's words
 *   plan_work_free */
#ifndef APPLIANCE_WORK_PLAN_H
#define APPLIANCE_WORK_PLAN_H

#include "appliance/session.h"
#include "ceremony/base/progress.h"
#include "tally/aggregate.h"
#include "tally/plan.h"

struct plan_work {
    struct plan *p;
    struct plan_set older;
    struct plan_file file, *older_file; /* their bytes, for the vault; older.count */
    struct aggregate_result found;      /* set by work_plan_verify */
};

/* Who listens; all may be NULL. */
struct plan_watch {
    void *ctx;
    progress_fn progress; /* what: "exports", "chain" (its ballots), then "plan" */
    void (*event)(void *ctx, const struct aggregate_event *ev);
    plan_report_fn *violation;
};

/* older: files of every plan before this one. ERR_MISSING with w->p set if one of the chain is not among
 * them; w is for plan_work_free whatever is returned. */
MUST err_t work_plan_open(struct plan_work *w, const struct session *s, const char *plan,
                          const char *const *older, size_t older_count, const struct plan_watch *watch,
                          struct fault *f);
void plan_work_free(struct plan_work *w);

/* Recomputes every record from the ballots, into WORK/records, then checks the plan's rules against these. */
MUST err_t work_plan_verify(struct plan_work *w, const struct session *s, const char *exports,
                            const char *work, const struct plan_watch *watch, struct fault *f);

struct plan_level {
    uint64_t sums;      /* contests of places */
    uint64_t places;    /* or groups */
    uint64_t low, high; /* ballots of a contest of a place */
};
void work_plan_levels(struct plan_level out[LEVELS_MAX], const struct manifest *m, const struct plan *p);

/* What stands behind the plan, from the records that work_plan_verify left in WORK. */
struct plan_reach {
    size_t missing_count;
    uint32_t *missing;   /* indexes of lowest-level places */
    uint32_t *precincts; /* by place: lowest-level places in it that are not missing */
    uint64_t ballots;    /* of the whole */
};
MUST err_t work_plan_reach(struct plan_reach *out, const struct election_context *ctx, const struct plan *p,
                           const char *work, struct fault *f);
void plan_reach_free(struct plan_reach *r);
/* Precincts of a unit. */
MUST uint64_t plan_reach_unit(const struct plan_reach *r, const struct plan_unit *u);

/* Bits of the holders who signed a plan that is neither this one nor one before it. */
MUST uint32_t work_plan_rivals(const struct plan_work *w, const struct session *s);

/* Gives the plan to the vault, which shows its words on the terminal; before the token is asked for anything.
 */
MUST err_t work_plan_show(const struct plan_work *w, struct session *s, struct fault *f);

/* Signs the plan and puts the partial decryption on the board. s: with a token, after trustee_find; its
 * t.despite as in trustee.h. *is_signed: the plan is signed, whatever came after that (ERR_QUORUM: the
 * manifest wants more signatures before the first partial decryption). */
MUST err_t work_plan_sign(const struct plan_work *w, struct session *s, int *is_signed, struct fault *f);

#endif
