/* What a validator has signed: the last snapshot of a chain, kept in a file of the validator's
 * (docs/spec/chain.md).
 *
 *   chain_signed_open   before signing; nobody else has the file then
 *   chain_signed_allow  is this snapshot that one, or one that grew from it?
 *   chain_signed_keep   writes it, durable when it returns; only then the signature is made
 *
 * Two forks of a chain that are both without fault cannot be told apart by looking at one of them; who signs
 * both helps the node to show two people two pasts. The file is the validator's memory against that. Public
 * data; whoever can take the file away can make the validator forget. */
#ifndef TALLY_CHAIN_SIGNED_H
#define TALLY_CHAIN_SIGNED_H

#include "tally/chain_form.h"

struct chain_signed {
    const struct chain_context *ctx;
    char path[4096];
    int lock_fd;
    int is_first; /* nothing is remembered */
    uint64_t number;
    hash_t snapshot;
};

/* path NULL: beside the key, KEY.CHAIN-XXXXXXXXXXXXXXXX.signed with 16 digits of the election. ERR_BUSY,
 * ERR_FORMAT, ERR_MISMATCH (of another election or chain), ERR_IO. Closed with chain_signed_close, also after
 * an error. */
MUST err_t chain_signed_open(struct chain_signed *out, const struct chain_context *ctx, const char *path,
                             const char *key, struct fault *f);
void chain_signed_close(struct chain_signed *s);

/* s: of the export in dir, completely verified (chain_verify.h: with that what is in snapshots/ is part of
 * it). ERR_CONFLICT: neither the snapshot that is remembered nor one that names it, directly or by steps that
 * are all in the export, as the one before it. */
MUST err_t chain_signed_allow(const struct chain_signed *m, const char *dir, const struct chain_snapshot *s,
                              struct fault *f);
MUST err_t chain_signed_keep(struct chain_signed *m, const struct chain_snapshot *s, struct fault *f);

#endif
