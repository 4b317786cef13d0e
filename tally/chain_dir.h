/* The directory of a chain's node, and one shard's part of it. Internal to chain_*.c and verb_chain*.c.
 *
 *   chain.cbor              what it is bound to: election, record, chain; settings
 *   lock, control           one front at a time; the socket on which it listens
 *   export.lock             one export or pruning at a time
 *   metrics/                numbers (metrics.h)
 *   snapshots/NNNNNNNN.cbor those that were exported
 *   final                   number of the snapshot that ballots were pruned to
 *   shards/sNAME/           headers       CBOR sequence of byte strings: the last one is the checkpoint
 *                           ballots.mmr, ids.mmr, ids, ids.table
 *                           tally.0, tally.1   running tally at the headers of even and odd height
 *                           journal       the unfinished block
 *                           blocks/NNNNNNNN.zst    finished blocks of the last segment
 *                           segments/NNNNNNNN.zst  16 blocks each
 *
 * A header is signed and synced after everything that it covers. What is behind the last header, in any file
 * but the journal, was never finished and is cut off when the shard is opened. */
#ifndef TALLY_CHAIN_DIR_H
#define TALLY_CHAIN_DIR_H

#include "tally/chain_form.h"

#define CHAIN_PATH_MAX 4096

struct chain_settings {
    uint32_t block;   /* ballots of a block: 1 to 65535 */
    uint32_t seconds; /* a block is finished after so long: 1 to 5 */
    uint32_t hints;   /* 1: segments have the y coordinates of points */
};

/* How a process that takes ballots works. Not of the chain: set by whoever opened the directory, lost when it
 * is closed. */
struct chain_tuning {
    uint32_t batch;                /* envelopes that a shard answers together */
    uint32_t queue;                /* envelopes that wait, for each shard */
    uint32_t threads;              /* of each shard's process, that check ballots */
    uint32_t batch_points, window; /* of their equations; 0: as the program chooses */
};

struct chain_dir {
    char path[CHAIN_PATH_MAX];
    struct chain_context ctx;
    struct chain_settings settings;
    struct chain_tuning tuning; /* chain_dir_open: the usual numbers (settings.h) */
    int lock_fd;                /* -1: not locked */
};

/* Makes a new directory with 2^bits shards. ERR_EXISTS: there is one; ERR_UNKNOWN: no such chain. */
MUST err_t chain_dir_create(const char *path, const struct election_context *e, const char *chain,
                            const struct chain_settings *settings, unsigned bits, struct fault *f);
/* Opens; lock: ERR_BUSY if another process has it. What a crash left half done is completed then. Closed with
 * chain_dir_close. ERR_ELECTION: of another election or record. */
MUST err_t chain_dir_open(struct chain_dir *out, const char *path, const struct election_context *e, int lock,
                          struct fault *f);
void chain_dir_close(struct chain_dir *d);
/* Of one that was opened without a lock: completes what a crash left, unless a node runs, which has done it.
 */
MUST err_t chain_dir_settle(struct chain_dir *d, struct fault *f);
/* Both of them do this: the shards cover all ids (ERR_RULE), and none has less than in the last snapshot
 * (ERR_MISSING, ERR_CONFLICT): the disk of a shard is not mounted, for example. */
MUST err_t chain_dir_check(const struct chain_dir *d, struct fault *f);
/* A lock for exports and pruning, which do not mind a node that runs; *fd is closed to give it up. ERR_BUSY.
 */
MUST err_t chain_dir_lock_export(int *fd, const struct chain_dir *d, struct fault *f);

/* DIR/name; DIR/shards/sNAME[/file]. ERR_LIMIT. */
MUST err_t chain_dir_path(char out[CHAIN_PATH_MAX], const struct chain_dir *d, const char *name);
MUST err_t chain_shard_path(char out[CHAIN_PATH_MAX], const struct chain_dir *d, const char *shard,
                            const char *file);

/* Syncs a directory. */
MUST err_t chain_sync_dir(const char *path, struct fault *f);

/* Where a shard stands, from its last header. */
struct chain_shard_look {
    struct chain_shard_name name;
    uint64_t headers; /* 0: none yet, last is zeros (open, empty roots) */
    struct chain_header last;
    uint64_t end; /* bytes of complete headers */
};
MUST err_t chain_shard_look(struct chain_shard_look *out, const struct chain_dir *d, const char *shard,
                            struct fault *f);
/* Ballots up to and with each block, look->headers of them; freed with free(). */
MUST err_t chain_shard_sizes(uint64_t **out, const struct chain_dir *d, const struct chain_shard_look *look,
                             struct fault *f);
/* All shards, sorted; freed with free(). */
MUST err_t chain_dir_shards(struct chain_shard_look **out, size_t *count, const struct chain_dir *d,
                            struct fault *f);
/* Makes the directory of a shard, durable. */
MUST err_t chain_shard_create(const struct chain_dir *d, const char *shard, struct fault *f);
/* The name of a half. ERR_RULE: the shard is as small as one can be. */
MUST err_t chain_shard_half(struct chain_shard_name *out, const struct chain_shard_name *of, char bit,
                            struct fault *f);

/* Running tally of a shard at its last header, checked against it; zeros without one. Freed with
 * chain_sums_free. ERR_HASH. */
MUST err_t chain_shard_tally(struct chain_sums **out, const struct chain_dir *d,
                             const struct chain_shard_look *look, struct fault *f);
/* tally.0 or tally.1, and number of a block or segment as a file name: out has 32. */
const char *chain_tally_name(uint64_t height);
void chain_number_name(char out[32], const char *in, uint64_t number);

#endif
