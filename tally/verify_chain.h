/* The voting chains of a bundle (verify_chain.c). Inside verify*.c only. */
#ifndef TALLY_VERIFY_CHAIN_H
#define TALLY_VERIFY_CHAIN_H

#include "tally/chain_verify.h"
#include "tally/verify_state.h"

struct verify_chain {
    int is_here, unlooked;  /* unlooked: nobody looked at all of its ballots (verify_merge.h) */
    struct chain_report *r; /* if it is here */
    struct chain_sums
        *gone; /* of the ballots that records leave out; NULL if there are none or they cannot be read */
    size_t left_count, left_cap, found_count; /* left out; of these in the chain */
    struct chain_spooled *left;               /* by id and place; leaf and number once found */
    uint8_t *found, *competes;                /* of each left; of each place: its record counts the chain */
};

struct verify_chain_run {
    struct verify *v;
    struct verify_chain *c;
    struct chain_context ctx;
    const char *dir; /* inside the bundle */
    char why[256];
    int has_records; /* of verify_shard.c: */
    hash_t records;
};

/* Verifies every chain that is here, and files what is found. After the exports, before the walk over the
 * records. */
MUST err_t verify_chains(struct verify *v);
void verify_chains_free(struct verify *v);
/* The record of a place of a chain, or NULL if it cannot be read. Errors are those of the
 * system. */
MUST err_t verify_chain_place(struct verify *v, uint32_t place, const struct node *n);

/* --- for verify_shard.c and verify_merge.c --- */

enum verify_id verify_chain_check(enum chain_check c);
/* Adds a failure of a chain to o, in the words of the report of the bundle. */
void verify_chain_found(const struct verify_chain_run *r, struct verify_outcome *o, const struct fault *f);
/* Ballot `at` has the id of `first`, both of this chain. */
void verify_chain_twice(const struct verify *v, uint32_t chain, const hash_t *id, uint64_t at, uint64_t first,
                        struct verify_outcome *o);
/* Says why this check of a chain was not done, if nothing of it failed. */
void verify_chain_unchecked(struct verify *v, uint32_t chain, enum chain_check c);
/* The records of its places: what they leave out, and whether they count the chain. ERR_MEMORY. */
MUST err_t verify_chain_records(struct verify_chain_run *r);
/* 1 if the record of its place leaves this ballot out, and counts the chain. */
MUST int verify_chain_left_out(const struct verify_chain_run *r, const struct chain_spooled *b);
/* The same; it is filed as found, once. */
MUST err_t verify_chain_leave_out(struct verify_chain_run *r, const struct chain_spooled *b);
/* 1 if the ballots of this place are compared with those of others. */
MUST int verify_chain_competes(const struct verify *v, uint32_t chain, uint32_t place);
void verify_chain_free(struct verify_chain *c);

#endif
