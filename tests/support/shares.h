/* Trustees without tokens, for tests of what comes after the plan: the fixture's key shared 3 of 5, sums with
 * known votes, and signed partial decryptions on a board in the fixture's directory. */
#ifndef TESTS_SUPPORT_SHARES_H
#define TESTS_SUPPORT_SHARES_H

#include "tally/combine.h"
#include "tests/support/ballots.h"

#define SHARES_N 5
#define SHARES_T 3

struct shares {
    struct fixture *x; /* its record has SHARES_N seats from now on */
    scalar_t share[SHARES_N];
    struct signkey *key[SHARES_N];
    hash_t plan;
    struct board *b;
    size_t count;
    struct target target[8];
};

void shares_new(struct shares *s, struct fixture *x);
void shares_free(struct shares *s);
/* Another target with these votes, as many as the contest has options. */
void shares_target(struct shares *s, const char *place, const char *contest, uint64_t ballots,
                   const uint64_t *votes);
/* Posts the partial decryption of a seat (1..5) for a plan. wrong: 0 good, 1 bad proof (statement as it
 * should be), 2 another statement with a good proof (of another share). */
void shares_post(struct shares *s, uint32_t seat, const hash_t *plan, int wrong);

#endif
