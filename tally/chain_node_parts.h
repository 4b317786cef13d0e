/* The inside of a shard's node. Internal to chain_node*.c and chain_blocks.c. */
#ifndef TALLY_CHAIN_NODE_PARTS_H
#define TALLY_CHAIN_NODE_PARTS_H

#include <sodium.h>

#include "tally/ballot_batch.h"
#include "tally/chain_journal.h"
#include "tally/chain_node.h"
#include "tally/chain_seen.h"
#include "tally/mmr.h"

/* A ballot of the unfinished block. */
struct pending {
    hash_t id, leaf;
    uint8_t *data; /* ballot, and hints behind it */
    size_t len, hints_len;
};

/* A shard that this one was split from. */
struct above {
    struct chain_seen *seen;
    struct mmr *ballots;
};

struct chain_node {
    const struct chain_dir *d;
    const struct signer *signer;
    struct metrics *metrics;
    struct chain_shard_look look; /* name, last header */
    hash_t previous;              /* of the next header */
    uint64_t least_time;
    int headers_fd, broken;

    struct mmr *ballots, *ids;
    struct chain_seen *seen;
    struct above above[CHAIN_SHARD_MAX];
    size_t above_count;
    struct chain_journal *journal;
    struct chain_sums *sums; /* pending ballots included */

    struct pending *pending; /* room for settings.block */
    size_t count;
    double since;   /* metrics_now of the first */
    uint32_t *slot; /* 1 + index in pending, by keyed hash of the id */
    size_t slots;
    uint8_t key[crypto_shorthash_KEYBYTES];

    struct ballot_layout *layout;
    struct ballot_batch *batch;
    struct chain_merge *merge;               /* under way, or NULL */
    uint64_t in_block[CHAIN_SEGMENT_BLOCKS]; /* ballots of the blocks of the last segment */
    uint64_t segment_bytes;                  /* of whole segments */
};

/* --- chain_node_take.c --- */

void node_pending_clear(struct chain_node *n);
/* Leaf of the ballot with this id, wherever it is; *found. */
MUST err_t node_find(struct chain_node *n, const hash_t *id, hash_t *leaf, int *found, struct fault *f);
/* Ballot i of the batch, which was found good, becomes pending. */
MUST err_t node_keep(struct chain_node *n, size_t i);

/* --- chain_blocks.c --- */

/* Writes the pending ballots, sorted, as the block at height. */
MUST err_t blocks_write(struct chain_node *n, uint64_t height, struct fault *f);
/* Deletes block files from height on, which never counted. */
MUST err_t blocks_cut(const struct chain_dir *d, const char *shard, uint64_t height, struct fault *f);

/* Joins blocks of segment k to the file at `to`, one after the other: ballots[i] are in block 16 k + i. */
MUST err_t segment_join(const struct chain_dir *d, const char *shard, uint64_t k,
                        const uint64_t ballots[CHAIN_SEGMENT_BLOCKS], unsigned blocks, const char *to,
                        struct fault *f);
/* A whole segment in a thread of low priority, and then the blocks are deleted. merge_end waits and frees. */
MUST err_t merge_start(struct chain_merge **out, const struct chain_dir *d, const char *shard, uint64_t k,
                       const uint64_t ballots[CHAIN_SEGMENT_BLOCKS], struct fault *f);
MUST err_t merge_end(struct chain_merge *m, struct fault *f);
/* Joins whole segments that were not joined before a crash. sizes: chain_shard_sizes. */
MUST err_t segments_complete(const struct chain_dir *d, const char *shard, const uint64_t *sizes,
                             uint64_t headers, struct fault *f);
/* Bytes of a segment's file; 0 if it is not there. */
uint64_t segment_size(const struct chain_dir *d, const char *shard, uint64_t k);
/* Ballots of the blocks of segment k, of which `headers` headers tell; returns how many blocks. */
unsigned segment_counts(uint64_t ballots[CHAIN_SEGMENT_BLOCKS], const uint64_t *sizes, uint64_t headers,
                        uint64_t k);

#endif
