/* A whole small election in a temporary directory, in one process: three trustees with tokens in memory (2
 * decrypt), a nation of two counties and four precincts, made-up ballots, exports, records, plan, partial
 * decryptions, result.
 *
 *   DIR/board, DIR/exports, DIR/work/{records,plan.cbor,result.cbor}
 *
 * What publishing starts from. Fails the test on any error. */
#ifndef TESTS_SUPPORT_WHOLE_H
#define TESTS_SUPPORT_WHOLE_H

#include "ceremony/trustee.h"
#include "tally/bundle.h"
#include "tally/publish.h"
#include "tally/simulate.h"
#include "tests/support/softkeys.h"

#define WHOLE_N 3
#define WHOLE_T 2

struct whole {
    char dir[200], key[2 * POINT_LEN + 1]; /* key: hex of that which signs for every place */
    struct bundle_election *el;
    struct board *b;
    struct group *g;
    struct softkeys *token[WHOLE_N];
    struct trustee trustee[WHOLE_N];
    struct roster roster;
    struct plan *plan;
    struct plan_file plan_file; /* its bytes */
    struct target *target;
    struct simulate_totals *totals; /* what was voted */
};

/* ballots: in each of the precincts a1, a2, b1; b2 has none and reports nothing. */
void whole_new(struct whole *w, uint64_t ballots);
void whole_free(struct whole *w);

/* The same step by step, for other elections: whole_open, whole_ceremony, exports and records made by the
 * caller, whole_plan, whole_decrypt. */
void whole_open(struct whole *w, const char *dir); /* there already, removed by whole_free; NULL: a new one */
void whole_ceremony(struct whole *w, const char *manifest, const char *jurisdictions);
void whole_plan(struct whole *w);    /* from DIR/work/records */
void whole_decrypt(struct whole *w); /* to DIR/work/result.cbor */
/* DIR/name in one of eight buffers that take turns. */
const char *whole_path(const struct whole *w, const char *name);
/* Paths for publish, to DIR/name. */
struct publish_paths whole_paths(const struct whole *w, const char *name);

#endif
