/* The voting chains of a bundle (verify_chain.c). Inside verify*.c only. */
#ifndef TALLY_VERIFY_CHAIN_H
#define TALLY_VERIFY_CHAIN_H

#include "tally/verify_state.h"

/* Verifies every chain that is here, and files what is found. After the exports, before the walk over the
 * records. */
MUST err_t verify_chains(struct verify *v);
/* Verifies this chain of the manifest, if it is here, into the directory of v->opt->resume: verify_chains has
 * little left to do then. Files nothing. */
MUST err_t verify_chain_ahead(struct verify *v, uint32_t chain);
void verify_chains_free(struct verify *v);
/* The record of a place of a chain, or NULL if it cannot be read. Errors are those of the
 * system. */
MUST err_t verify_chain_place(struct verify *v, uint32_t place, const struct node *n);

#endif
