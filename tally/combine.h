/* Combining partial decryptions to the result.
 *
 * Given a plan's targets, the ceremony record and a board, looks at the partial decryptions of every holder,
 * checks the proofs of each alone, names and leaves out the bad ones and their authors only, and decrypts
 * with any t good ones. Nothing is decided by who is late: with fewer than t it says who is there
 * (ERR_QUORUM), and is called again when more have come. Everything here is public; variable time. */
#ifndef TALLY_COMBINE_H
#define TALLY_COMBINE_H

#include "ceremony/base/progress.h"
#include "ceremony/partial.h"
#include "tally/result.h"

enum combine_state {
    COMBINE_ABSENT,      /* nothing on the board for this plan */
    COMBINE_USED,        /* good, and among the t that decrypted */
    COMBINE_SPARE,       /* good, not needed */
    COMBINE_EQUIVOCATED, /* two different statements for one plan: left out */
    COMBINE_BAD          /* see fault */
};

struct combine_seat {
    uint32_t seat;
    enum combine_state state;
    const struct entry *entry,
        *other;              /* what was looked at; other: the second statement of an equivocation */
    struct partial *partial; /* USED and SPARE only */
    struct fault fault;
};

struct combination {
    size_t seat_count;
    struct combine_seat seat[TRUSTEES_MAX]; /* the holders, ascending */
    size_t used_count;
    const struct partial *used[TRUSTEES_MAX]; /* t of them, ascending seats */
    struct result *result;                    /* NULL if there are not enough */
};

struct combine_options {
    const hash_t
        *only; /* statement ids that must be the ones used (a result that exists), or NULL: lowest seats */
    size_t only_count;
    progress_fn progress; /* NULL: no calls */
    void *progress_ctx;
};

/* *out is set also when ERR_QUORUM is returned (its report says who is missing or bad), and is freed with
 * combination_free; its entries are the board's. options may be NULL.
 * ERR_QUORUM: fewer than t good partials. ERR_MISMATCH: one of options->only is not among the good ones, or
 * they are not t. ERR_LIMIT, ERR_SUM: the decrypted counts break a rule of result.h (the sums were not sums
 * of valid ballots). */
MUST err_t combine_partials_var(struct combination **out, const struct manifest *m, const struct record *r,
                                const struct board *b, const hash_t *plan, const struct target *target,
                                size_t target_count, const struct combine_options *options, struct fault *f);
void combination_free(struct combination *c);

/* One sentence about a seat, for a person: "3 Carol Chen: proof does not verify ...". Cut to out_len. */
void combine_seat_text(char *out, size_t out_len, const struct combine_seat *s, const struct record *r);

#endif
