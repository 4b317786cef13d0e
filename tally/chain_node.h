/* One shard of a voting chain, open for ballots: checks them, makes them durable, makes blocks.
 *
 *   chain_node_open -> chain_node_offer ...  (chain_node_due says when a block is due: chain_node_block)
 *                   -> chain_node_end (split or closed) -> chain_node_free
 *
 * 1. What chain_node_offer has taken is in the journal, synced, before it returns: after any crash it is in
 *    the shard.
 * 2. A block: ballots sorted by id into blocks/, leaves into the trees, ids, running tally, each synced; then
 *    the signed header, which makes all of it count; then the journal is emptied.
 * 3. Opening goes on from the last header: what is behind it is cut off, ballots in the journal are checked
 *    again, with their proofs.
 * 4. A ballot id is taken once, here and in the shards that this one was split from. The very same bytes
 *    again are no error.
 * 5. Memory: the unfinished block (at most `block` ballots and their hints), the peaks of the trees, sums, a
 *    batch of ballot_batch.h; none of it grows with the ballots taken.
 * After an error of the system the node is broken: free it and open again.
 * One process has a shard open, one thread uses the node; one more, of low priority, joins 16 blocks to a
 * segment. */
#ifndef TALLY_CHAIN_NODE_H
#define TALLY_CHAIN_NODE_H

#include "tally/chain_dir.h"
#include "tally/metrics.h"

struct chain_node;

struct chain_node_status {
    enum chain_state state;
    uint64_t headers, ballots; /* under the last header */
    uint64_t pending;          /* in the journal */
    hash_t head;               /* of the last header; zeros */
};

/* signer: of the chain's key (ERR_SIGNATURE). metrics may be NULL. d, signer and metrics outlive the node.
 * ERR_DONE: the shard has been split or closed. */
MUST err_t chain_node_open(struct chain_node **out, const struct chain_dir *d, const char *shard,
                           const struct signer *signer, struct metrics *metrics, struct fault *f);
void chain_node_free(struct chain_node *n); /* waits for the segment that is being joined */
void chain_node_get_status(const struct chain_node *n, struct chain_node_status *out);

struct chain_offer {
    const uint8_t *data; /* a ballot, out of its envelope */
    size_t len;
    hash_t id; /* which it is said to be */
    err_t err; /* out; set to other than OK before: it was refused already, and is left alone */
    int again; /* out: it was here already */
};
/* Takes ballots. Bad ones are refused one by one (offer.err): ERR_PROOF, ERR_FORMAT, ...; ERR_UNKNOWN: not a
 * place of this chain; ERR_MISMATCH: not of the id said; ERR_RULE: not of this shard; ERR_DUPLICATE: another
 * ballot has this id. Returns OK then too: what is not refused is durable. Anything else: nobody may be told
 * that a ballot was taken or refused, and the node is broken. */
MUST err_t chain_node_offer(struct chain_node *n, struct chain_offer *offer, size_t count, struct fault *f);

/* Milliseconds until a block is due, 0 if it is, -1 if nothing is pending. */
MUST int chain_node_due(const struct chain_node *n);
/* Makes a block of what is pending; nothing without any. */
MUST err_t chain_node_block(struct chain_node *n, struct fault *f);
/* The last block, CHAIN_SPLIT or CHAIN_CLOSED. Nothing can be offered then. */
MUST err_t chain_node_end(struct chain_node *n, enum chain_state state, struct fault *f);

#endif
