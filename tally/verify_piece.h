/* Inside verify*.c only: what a part of a verification (verify_part.h) and their merging (verify_merge.h)
 * share with the run over all exports. */
#ifndef TALLY_VERIFY_PIECE_H
#define TALLY_VERIFY_PIECE_H

#include "tally/chain_form.h"
#include "tally/verify_export.h"

/* --- which export, and which shard of a chain, is in which part (verify_shares.c) --- */

struct verify_share {
    int64_t chain;         /* -1: the export of this place; else of this chain */
    uint32_t place, shard; /* the shard's index in the snapshot */
    uint64_t before, size; /* bytes of those before it, of its own */
};
struct verify_chain_shards { /* of a chain that is not here, or whose snapshot cannot be read: none */
    hash_t id;               /* of the snapshot */
    size_t count;
    struct chain_shard *shard; /* all of its snapshot */
    uint64_t *first; /* number in the chain of each one's first ballot; the last: how many there are */
};
struct verify_shares {
    size_t count;
    uint64_t total;
    struct verify_share *share; /* in the order of places, then chains and shards */
    struct verify_chain_shards chain[CHAINS_MAX];
};
/* Every export that is here and of a place, and every shard with headers. Freed with verify_shares_free. */
MUST err_t verify_shares_new(struct verify_shares *out, const struct verify *v);
void verify_shares_free(struct verify_shares *s);
/* Its index; count if there is no such share. */
MUST size_t verify_share_of_shard(const struct verify_shares *s, uint32_t chain, size_t shard);
/* Files of the bundle with the ballots of a shard, in the order of names: *count of them from v->name[*from]
 * on are in kind/sNAME, for kind 0 to VERIFY_SHARD_KINDS - 1. */
#define VERIFY_SHARD_KINDS 3
void verify_shard_names(const struct verify *v, uint32_t chain, const struct chain_shard_name *shard,
                        unsigned kind, size_t *from, size_t *count);
/* From 1 to n. */
MUST unsigned verify_share_part(const struct verify_shares *s, size_t i, unsigned n);
/* exports/PLACE.cexp; out has TEXT_ID_MAX + 32 bytes. */
void verify_export_name(const struct verify *v, uint32_t place, char *out);

/* --- a part that is being made (verify_part.c) --- */

/* 1 if this export is to be looked at. */
MUST int verify_piece_has(const struct verify_piece *p, uint32_t place);
/* Of its exports, for saying how far it is. */
MUST uint64_t verify_piece_bytes(const struct verify_piece *p);
/* Instead of filing it: what was found goes into the partial report. */
MUST err_t verify_piece_keep(struct verify *v, const struct verify_job *j);

/* --- merging (verify_merge.c) --- */

/* Before anything else: who says what of which export. */
MUST err_t verify_merge_start(struct verify *v);
/* Instead of looking at the exports: what partial reports say. */
MUST err_t verify_merge_exports(struct verify *v);
/* 1 if a report says what hash this export has: *e and *have. */
MUST int verify_merge_hash(const struct verify *v, const char *path, err_t *e, hash_t *have);
/* Before verify_chains: nothing of chains was asked. And after it: ERR_UNKNOWN if a report says something of
 * a shard that is not here. */
MUST err_t verify_merge_shards_end(struct verify *v);
/* What is said of this shard (index in the snapshot of ctx's chain). *out NULL: nobody who counts says
 * anything, and *why is the reason, until the next call. ERR_HASH: they had other files or records than
 * these; ERR_MISMATCH: it is in a report of another part, or in none although its part is here, or leaves out
 * ballots of another shard; ERR_SUM: not all its ballots were looked at, and nothing is said to be wrong. */
struct part_shard;
MUST err_t verify_merge_shard(struct verify *v, const struct chain_context *ctx, size_t shard,
                              const hash_t *records, const struct part_shard **out, const char **why,
                              struct fault *f);
/* What the parts at hand divide, after verify_merge_exports; *n: how many parts. */
const struct verify_shares *verify_merge_shares(const struct verify *v, unsigned *n);
/* Calls fn with each copy of each id that is there more than once among the exports, and the chains whose
 * ballots count; files ids that are twice in a chain. */
typedef err_t verify_copy_fn(void *ctx, const hash_t *id, uint32_t place);
MUST err_t verify_merge_ids(struct verify *v, verify_copy_fn *fn, void *ctx);

#endif
