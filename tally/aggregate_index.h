/* The index of an aggregation: WORK/index.sqlite.
 *
 *   exports                             what was verified on this machine, by SHA-256 of the file; stays
 *   ballots                             ids, leaves and styles of their ballots; stay, too
 *   meta                                what must not change: owner, ballots of voting chains counted here
 *   present, taken, replaced, dropped   the run: which exports are there, which count; of one run
 *
 * Owned by one process at a time (exclusive lock). Calls are for one thread at a time; aggregate.c holds a
 * lock around those made from threads. */
#ifndef TALLY_AGGREGATE_INDEX_H
#define TALLY_AGGREGATE_INDEX_H

#include "tally/export.h"

struct agg_index;

struct agg_ballot {
    hash_t id, leaf;
    uint32_t style;
};

struct agg_export {
    int64_t row;
    hash_t id; /* message id */
    uint32_t place;
    uint64_t revision, items;
    int has_replaces;
    hash_t replaces;
};

/* ERR_ELECTION, ERR_BUSY, ERR_FORMAT for a damaged file, ERR_IO. */
MUST err_t agg_open(struct agg_index **out, const struct election_context *ctx, const char *work_dir,
                    struct fault *f);
void agg_close(struct agg_index *ix);

/* The first value that is given for a name stays, from run to run; *same = 1 if this is it. */
MUST err_t agg_remember(struct agg_index *ix, const char *name, const void *value, size_t len, int *same,
                        struct fault *f);

/* One transaction at a time. */
MUST err_t agg_begin(struct agg_index *ix, struct fault *f);
MUST err_t agg_commit(struct agg_index *ix, struct fault *f);
void agg_rollback(struct agg_index *ix);

/* ERR_MISSING (f untouched) if no file of this hash was verified. */
MUST err_t agg_find(struct agg_index *ix, struct agg_export *out, const hash_t *file, struct fault *f);
/* A verified export with its ballots, in the caller's transaction, which is rolled back if this fails. */
MUST err_t agg_add(struct agg_index *ix, const struct election_context *ctx, const hash_t *file,
                   const struct export_header *h, const struct agg_ballot *ballot, size_t count,
                   struct fault *f);

/* All verified exports of another index of the same election, in transactions of its own. ERR_FORMAT: it is
 * damaged. */
MUST err_t agg_copy(struct agg_index *ix, struct agg_index *from, struct fault *f);

/* --- the run --- */

/* Forgets the tables of the run before. */
MUST err_t agg_clear(struct agg_index *ix, struct fault *f);
MUST err_t agg_present(struct agg_index *ix, int64_t row, const char *name, struct fault *f);
/* All that are present, in order of place, revision, message id, name. fn may call agg_take and
 * agg_replaced. */
typedef err_t agg_row_fn(void *ctx, const struct agg_export *x, const char *name, struct fault *f);
MUST err_t agg_each_present(struct agg_index *ix, agg_row_fn *fn, void *ctx, struct fault *f);
MUST err_t agg_take(struct agg_index *ix, uint32_t place, int64_t row, const char *name, struct fault *f);
MUST err_t agg_replaced(struct agg_index *ix, uint32_t place, size_t number, const hash_t *older,
                        const hash_t *newer, struct fault *f);

/* Every ballot of the exports taken, in no order that matters. */
typedef err_t agg_ballot_fn(void *ctx, const hash_t *id, uint32_t place, int64_t row, struct fault *f);
MUST err_t agg_each_ballot(struct agg_index *ix, agg_ballot_fn *fn, void *ctx, struct fault *f);
MUST err_t agg_drop(struct agg_index *ix, int64_t row, const hash_t *id, struct fault *f);

/* How many ballots of one export are not in another one, by style: adds to count[style]. */
MUST err_t agg_changed(struct agg_index *ix, uint64_t *count, size_t style_count, int64_t in, int64_t not_in,
                       struct fault *f);

/* The export taken for a place: ERR_MISSING (f untouched) if none. tallies: made by tallies_new for the
 * place, set to the verified sums. name: at least 256 bytes. */
MUST err_t agg_taken(struct agg_index *ix, struct agg_export *out, struct tallies *tallies, char *name,
                     const struct election_context *ctx, uint32_t place, struct fault *f);
/* *out is malloc'ed; ids ascending. */
MUST err_t agg_dropped(struct agg_index *ix, hash_t **out, size_t *count, int64_t row, struct fault *f);
struct node_replaced;
MUST err_t agg_replacements(struct agg_index *ix, struct node_replaced **out, size_t *count, uint32_t place,
                            struct fault *f);

#endif
