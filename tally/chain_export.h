/* From a node's directory to what is published (docs/spec/chain.md "Export"), and dropping what is final.
 *
 * Who calls it: `chain export` and `chain prune`, also while a node takes ballots: nothing that a header
 * covers changes, but for the files of blocks, which are joined, and the running tallies, of which there are
 * the last two. What is gone when it is looked for is looked for again, in its new place. What is in journals
 * is not in a block and not in the export. A snapshot is kept under its number before anything of it is
 * written elsewhere, so there are never two with one number. */
#ifndef TALLY_CHAIN_EXPORT_H
#define TALLY_CHAIN_EXPORT_H

#include "tally/chain_dir.h"

/* Writes the export into a directory without one (ERR_EXISTS; an interrupted one is made again). with_ids:
 * ids and leaves also of shards from which nothing was pruned. *out (may be NULL): the snapshot, the last one
 * again if nothing has changed since; freed with chain_snapshot_free. Whole segments are linked where the
 * file system can. */
MUST err_t chain_export(struct chain_snapshot **out, const struct chain_dir *d, const char *to, int with_ids,
                        struct fault *f);

/* Different validators that signed this snapshot, in EXPORT/finality. A file that is no finality of this
 * chain: its error; one about another snapshot: ERR_MISMATCH. */
MUST err_t chain_final_count(uint32_t *out, const struct chain_context *ctx, const char *export_dir,
                             const struct chain_snapshot *s, struct fault *f);

struct chain_pruned {
    uint64_t segments, bytes;
};
/* Deletes the segments below the snapshot of an export that a quorum has signed (ERR_QUORUM) and that is one
 * of this node's (ERR_UNKNOWN). Ids and trees stay. Can be repeated. */
MUST err_t chain_prune(struct chain_pruned *out, const struct chain_dir *d, const char *export_dir,
                       struct fault *f);

/* Writes numbers (metrics.h) about the snapshots: how many were made, and which was pruned to; -1: none. */
MUST err_t chain_export_publish(const struct chain_dir *d, struct fault *f);

/* DIR/snapshots/NUMBER.cbor of a node or an export. ERR_LIMIT. */
MUST err_t chain_snapshot_path(char out[CHAIN_PATH_MAX], const char *dir, uint64_t number);
/* How many snapshots a node has made; and the last one, NULL if none. */
MUST err_t chain_snapshots_count(uint64_t *out, const struct chain_dir *d);
MUST err_t chain_snapshot_last(struct chain_snapshot **out, uint64_t *number, const struct chain_dir *d,
                               struct fault *f);
void chain_shard_row(struct chain_shard *out, const struct chain_shard_look *s);
/* Each shard has what the node's last snapshot shows. ERR_MISSING: less; ERR_CONFLICT: something else. */
MUST err_t chain_shards_grew(const struct chain_snapshot *last, const struct chain_shard *shard, size_t count,
                             const struct chain_dir *d, struct fault *f);

/* EXPORT/snapshot.cbor. bytes, len: may be NULL; freed with free(). */
MUST err_t chain_snapshot_read(struct chain_snapshot **out, uint8_t **bytes, size_t *len,
                               const struct chain_context *ctx, const char *path, struct fault *f);

#endif
