/* Inside chain_verify_full.c, _feed.c, _batch.c and _keep.c only: every ballot of every shard.
 *
 *   feed    reads headers and segments of a shard one after the other, and fills batches
 *   batch   ballots in hand, cut into pieces; each piece is checked by one thread while the next one is filled
 *   state   trees and running tallies, ballot after ballot; where to go on after a stop */
#ifndef TALLY_CHAIN_VERIFY_FULL_H
#define TALLY_CHAIN_VERIFY_FULL_H

#include "tally/ballot_batch.h"
#include "tally/chain_segment.h"
#include "tally/chain_verify_run.h"

#define CHAIN_PIECE_BYTES ((size_t)4 << 20)
#define CHAIN_PIECE_BALLOTS 2048
#define CHAIN_BATCH_SLOTS 65536
#define CHAIN_NO_PLACE UINT32_MAX /* in the spool: not known, the body is not there */
#define CHAIN_UNREAD (UINT32_MAX - 1)

enum chain_slot_kind {
    SLOT_FULL,   /* to be checked */
    SLOT_HASHED, /* before a trusted snapshot: only hashed */
    SLOT_KNOWN,  /* leaf and id from `leaves` and `ids` */
};

struct chain_slot {
    enum chain_slot_kind kind;
    int unread;                /* no ballot: no id */
    int unsummed;              /* not in the sums of its piece */
    int has_said;              /* 1: said_id, 2: said_leaf */
    size_t at, len, hints_len; /* in the batch's data; hints behind the ballot */
    uint32_t place;
    hash_t leaf, id;
    hash_t said_leaf, said_id; /* in `leaves` and `ids` */
};

struct chain_block {
    struct chain_header h;
    size_t end;   /* slots of the batch up to its last one here */
    int complete; /* nothing of it comes later */
};

struct chain_part_sum { /* ballots of one block and place */
    size_t block;
    uint32_t place;
    uint64_t ballots;
    struct tallies *t;
};

struct chain_trouble {
    size_t slot;
    enum chain_check check;
    struct fault f;
};

struct chain_piece {
    size_t first, count; /* slots */
    size_t sum_count, sum_cap, trouble_count, trouble_cap;
    struct chain_part_sum *sum; /* blocks ascending */
    struct chain_trouble *trouble;
    err_t err; /* of the system */
    struct fault fault;
};

/* Where reading can begin again: at the start of a segment. */
struct chain_resume {
    uint64_t segment, offset;
    struct chain_link link;
};

struct chain_batch {
    uint8_t *data;
    size_t used, cap;
    struct chain_slot *slot;
    size_t slot_count, slot_cap;
    struct chain_block *block;
    size_t block_count, block_cap;
    struct chain_piece *piece;
    size_t piece_count, piece_cap;
    uint64_t first;  /* number of the first ballot in its shard */
    int at_boundary; /* it ends where a segment does: */
    struct chain_resume resume;
    int last;   /* of the shard */
    int broken; /* the rest of the shard cannot be read: */
    enum chain_check check;
    char file[CHAIN_FILE_MAX];
    err_t err; /* of the system, or why it is broken */
    struct fault fault;
};

/* --- feed: chain_verify_feed.c --- */

struct chain_feed;
MUST err_t chain_feed_open(struct chain_feed **out, struct chain_run *v, size_t shard,
                           const struct chain_resume *from, struct fault *f);
void chain_feed_close(struct chain_feed *d);
/* Fills b, emptied before. What goes wrong is in b. Touches nothing but the feed and b. */
void chain_feed_fill(struct chain_feed *d, struct chain_batch *b, size_t bytes);

/* Adds to the numbers how many bytes are read from p on. */
struct chain_progress;
void chain_feed_expect(const struct chain_run *v, const struct chain_progress *p);

/* --- batch: chain_verify_batch.c --- */

/* Cuts into pieces, of which as many threads have one each. ERR_MEMORY. */
MUST err_t chain_batch_cut(struct chain_batch *b, size_t threads);
/* What one of so many threads needs; ERR_MEMORY. */
struct chain_worker;
MUST err_t chain_worker_new(struct chain_worker **out, const struct chain_run *v,
                            const struct ballot_layout *layout, size_t threads);
void chain_worker_free(struct chain_worker *w);
/* Everything about a piece that does not depend on others. */
void chain_piece_check(struct chain_worker *w, struct chain_batch *b, struct chain_piece *p);
void chain_batch_clear(struct chain_batch *b); /* keeps its memory */
void chain_batch_free(struct chain_batch *b);

/* --- keep: chain_verify_keep.c --- */

struct chain_progress { /* between two segments */
    uint64_t shard;     /* shards that are done: the one at hand */
    int inside;         /* 1: of this shard: 2: all are done */
    struct chain_resume at;
    struct merkle leaves, ids;
    struct chain_sums *running;
    int partial; /* running is not all of the shard's: */
    hash_t trusted_tally;
    uint64_t no_tally; /* headers of the shard whose running tally cannot be compared */
    uint64_t untold;   /* of the shards before, less those that follow from the trusted snapshot */
    uint64_t spooled;  /* ballots in the spool */
    uint64_t checked;  /* of these with proofs */
    uint64_t trusted, pruned;
};

struct chain_keep;
/* Opens v->o->work. *p: where to go on, or the start. ERR_IO, ERR_BUSY. */
MUST err_t chain_keep_open(struct chain_keep **out, struct chain_run *v, struct chain_progress *p,
                           struct fault *f);
void chain_keep_close(struct chain_keep *s);
/* k NULL, without a work directory: nothing is kept. */
MUST err_t chain_keep_put(struct chain_keep *k, const struct chain_spooled *b, struct fault *f);
MUST err_t chain_keep_save(struct chain_keep *k, const struct chain_run *v, const struct chain_progress *p,
                           struct fault *f);
/* Appends what a run with `only` finished in this directory; *taken = 0 if there is nothing that fits. */
MUST err_t chain_keep_take(struct chain_keep *k, const struct chain_run *v, const struct chain_shard *shard,
                           const char *dir, int *taken, struct fault *f);
/* Every ballot spooled so far, in order. */
MUST err_t chain_keep_each(struct chain_keep *k, uint64_t count, chain_spool_fn *fn, void *ctx,
                           struct fault *f);

#endif
