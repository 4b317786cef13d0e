/* The corpus of mutants: for every check of conclave-verify a bundle that breaks it and nothing else, or
 * only what cannot stay whole with it, and the attacks of the protocol. */
#ifndef TESTS_MUTANTS_MUTANTS_H
#define TESTS_MUTANTS_MUTANTS_H

#include "tests/mutants/lab.h"

struct mutant {
    const char *name;
    const char *target; /* id of the check that it is there for */
    const char
        *expected; /* ids of all checks that must fail, separated by spaces, in the order of the table */
    void (*hook)(struct lab *l, enum lab_stage s);
    int other_anchor; /* verified against the anchor of another election */
    int chain_anchor; /* verified against a root of the chain that is none */
};

/* All of them; i < mutants_count(). */
size_t mutants_count(void);
const struct mutant *mutant_at(size_t i);

/* mutants_chain.c: those of voting chains. */
extern const struct mutant chain_mutants[];
extern const size_t chain_mutant_count;

#endif
