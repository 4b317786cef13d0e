/* One export while it is verified: what was found so far. Internal to export_verify.c (ballots) and
 * export_counts.c (imported counts). */
#ifndef TALLY_EXPORT_CHECK_H
#define TALLY_EXPORT_CHECK_H

#include "tally/export_form.h"

#define ALSO_WINDOW 256 /* items behind the first bad one among which others that are bad are listed */

struct export_check {
    const struct election_context *ctx;
    const struct export_callbacks *cb;
    const char *path;
    struct export_header *header;
    struct id_set *ids;
    struct merkle tree;
    struct tallies *sums;
    hash_t previous;
    uint64_t done;       /* items looked at */
    err_t err;           /* of the first item that is wrong, or of a callback: */
    uint64_t first_bad;  /* index of that item */
    int stop;            /* nothing of the rest matters */
    struct fault *fault; /* the caller's; may be NULL */
};

/* What is said of an item at a file offset, whose head has head_len bytes: which, where in which file. Puts
 * it around what is in c->fault, and returns e. */
MUST err_t export_item_fault(struct export_check *c, err_t e, uint64_t index, uint64_t offset, size_t len);
/* The header against what was counted. */
MUST err_t export_settle(struct export_check *c, struct fault *f);
/* Verifies all counts that r has. */
MUST err_t export_check_counts(struct export_check *c, struct export_reader *r, struct fault *f);

#endif
