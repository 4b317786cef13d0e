/* Merkle Mountain Range: a tree of RFC 9162, 2.1 that grows leaf by leaf, its nodes in an append-only file.
 *
 *   mmr_open(size and root of the last checkpoint) -> mmr_add ... -> mmr_sync -> (checkpoint) -> ... mmr_free
 *
 * Nodes are written in the order in which they are finished: a leaf, then every inner node that it completes.
 * Leaf i lies at 2 i - popcount(i), an inner node of height h behind the leaf that finished it, h further.
 * The root bags the peaks from right to left and is the tree hash of RFC 9162 at every size; so are the
 * proofs.
 *
 * Nodes gather in memory until mmr_sync, which writes and syncs them: what is counted in a checkpoint was
 * synced before. mmr_open cuts the file back to the checkpoint, so a torn tail does no harm. A file of NULL
 * keeps peaks only: no proofs then. Memory: 64 peaks and the nodes that are not synced.
 * One thread at a time. */
#ifndef TALLY_MMR_H
#define TALLY_MMR_H

#include "ceremony/base/hash.h"

#define MMR_SIZE_MAX ((uint64_t)1 << 48)
#define MMR_PATH_MAX 64

struct mmr;

/* Opens or makes the file for a tree of size leaves; *root (NULL: not compared) is what the peaks must give.
 * ERR_TRUNCATED: the file has fewer nodes. ERR_HASH: its peaks give another root. ERR_IO, ERR_MEMORY. */
MUST err_t mmr_open(struct mmr **out, const char *path, uint64_t size, const hash_t *root, struct fault *f);
/* Opens to read only: proofs and roots up to size. ERR_MISSING as well. */
MUST err_t mmr_open_read(struct mmr **out, const char *path, uint64_t size, struct fault *f);
void mmr_free(struct mmr *m); /* what was not synced is lost */

/* Appends leaves (their hashes). ERR_MEMORY: nothing was appended; ERR_LIMIT. */
MUST err_t mmr_add(struct mmr *m, const hash_t *leaf);
MUST err_t mmr_add_many(struct mmr *m, const hash_t *leaf, size_t count);
/* Hands everything appended to the system; and then makes it durable. Who has several files to sync writes
 * all of them first. After ERR_IO: only mmr_free, and open again. */
MUST err_t mmr_write(struct mmr *m, struct fault *f);
MUST err_t mmr_sync(struct mmr *m, struct fault *f);

uint64_t mmr_size(const struct mmr *m);
void mmr_root(const struct mmr *m, hash_t *out);

/* Root at an earlier size; ERR_BUG if it is larger than the tree's. */
MUST err_t mmr_root_at(struct mmr *m, hash_t *out, uint64_t size, struct fault *f);
MUST err_t mmr_leaf(struct mmr *m, hash_t *out, uint64_t index, struct fault *f);
/* Inclusion proof of leaf index in the tree of that size (RFC 9162, 2.1.3.1); check: merkle_path_check. */
MUST err_t mmr_inclusion(struct mmr *m, hash_t path[MMR_PATH_MAX], size_t *path_count, uint64_t index,
                         uint64_t size, struct fault *f);
/* Consistency proof, 1 <= from <= to (RFC 9162, 2.1.4.1). */
MUST err_t mmr_consistency(struct mmr *m, hash_t path[MMR_PATH_MAX], size_t *path_count, uint64_t from,
                           uint64_t to, struct fault *f);
/* Is the tree of root_to a continuation of root_from's (RFC 9162, 2.1.4.2)? ERR_HASH if the path does not
 * say so. from 0 is continued by everything: the path must be empty then. */
MUST err_t mmr_consistency_check(const hash_t *root_from, uint64_t from, const hash_t *root_to, uint64_t to,
                                 const hash_t *path, size_t path_count);

/* Nodes of a tree of that size, as the file has them. */
uint64_t mmr_nodes(uint64_t size);

#endif
