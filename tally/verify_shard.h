/* One shard of a voting chain as a piece of its own (verify_shard.c). Inside verify*.c only. */
#ifndef TALLY_VERIFY_SHARD_H
#define TALLY_VERIFY_SHARD_H

#include "tally/part_form.h"
#include "tally/verify_chain.h"
#include "tally/verify_piece.h"

/* SHA-256 of the hashes of the records of the chain's places, in the order of its rows; zeros for each that
 * cannot be read. And of the file with a shard's headers; zeros if it cannot be read. ERR_MEMORY. */
MUST err_t verify_shard_records(const struct verify *v, const struct chain_context *ctx, hash_t *out);
MUST err_t verify_shard_headers(const struct verify *v, const struct chain_context *ctx, const char *shard,
                                hash_t *out);

/* Verifies the ballots of the shard of this share; its ids go to v->ids. out: freed with part_shard_free,
 * after errors too. work: a directory in dir from which a run of this program (hash of its file) that was
 * stopped goes on, "" if there is none;
 * to be forgotten (chain_verify_forget) when the report is there. Errors are those of the system. */
MUST err_t verify_shard_make(struct verify *v, const struct verify_shares *shares, size_t share,
                             const hash_t *program, const char *dir, struct part_shard *out,
                             char work[BUNDLE_PATH_MAX]);
/* chain_said_fn; ctx: struct verify_chain_run. Files what a report says of a shard. */
MUST err_t verify_shard_said(void *ctx, size_t shard, struct chain_said *out, struct fault *f);

#endif
