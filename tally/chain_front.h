/* The front of a chain's node: takes envelopes, gives each to the process of the shard that its ballot id
 * belongs to, and says what became of it.
 *
 *   chain_front_new -> chain_front_take (a file, standard input; any number of times) -> chain_front_finish
 *                   -> chain_front_free
 *
 * A shard's process that dies is started again, and the envelopes that it has not answered are given to it
 * again: what it had taken already it knows. An envelope that kills it several times in a row, alone, is
 * refused (ERR_BUG). While the front runs it listens on DIR/control for the splitting of shards: the shard's
 * last block is made, its halves begin, and the envelopes that wait go to them. Answers about different
 * shards may come in another order than the envelopes. Memory: what waits, at most CHAIN_FRONT_BYTES, and
 * d->tuning.queue envelopes for each shard. One thread. */
#ifndef TALLY_CHAIN_FRONT_H
#define TALLY_CHAIN_FRONT_H

#include <signal.h>

#include "tally/chain_dir.h"
#include "tally/signkey.h"

#define CHAIN_FRONT_BYTES ((size_t)64 << 20)

struct chain_front;

struct chain_front_job {
    const struct chain_dir *d;    /* locked */
    const struct signkey *header; /* signs headers */
    const struct signkey *envelope;
    const volatile sig_atomic_t *stop; /* may be NULL */
    void *ctx;
    /* An envelope's fate: its number from 1 over all that was taken; id: zeros if it has none that can be
     * read. OK: it is on disk. */
    void (*verdict)(void *ctx, uint64_t number, const hash_t *id, err_t err, int again);
    /* After some verdicts. */
    err_t (*flush)(void *ctx, struct fault *f);
};

/* Starts a process for each open shard. ERR_DONE: none is open. job's content outlives the front. */
MUST err_t chain_front_new(struct chain_front **out, const struct chain_front_job *job, struct fault *f);
/* Reads a CBOR sequence of byte strings, an envelope each, to its end. What cannot be read as such ends it
 * (ERR_FORMAT, ERR_TRUNCATED, ...), after what was before it. ERR_STOPPED. Any other error: a shard cannot go
 * on. */
MUST err_t chain_front_take(struct chain_front *fr, int fd, const char *name, struct fault *f);
/* Waits for all answers; blocks are finished, processes end. */
MUST err_t chain_front_finish(struct chain_front *fr, struct fault *f);
void chain_front_free(struct chain_front *fr); /* waits for processes that still run; they end */

/* Asks the front that runs in this directory to split a shard, and waits. *running 0: none does. The error is
 * the front's. */
MUST err_t chain_front_ask_split(const char *dir, const char *shard, int *running, struct fault *f);

#endif
