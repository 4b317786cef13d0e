/* The ballots of a shard's unfinished block: durable before they are acknowledged, gone when the block is
 * finished. Internal to chain_*.c.
 *
 * One file that is written over again and again: a head with the height of the block, then for each ballot
 * its length, 16 bytes of SHA-256 over height, number, length and content, and the content. What is behind
 * the last complete record was never acknowledged. When the block is finished, all of it is overwritten with
 * zeros, which are synced with the next ballots or at the end, so that the order in which its ballots came is
 * not kept (a disk that writes elsewhere than it is told keeps it; see the guide). */
#ifndef TALLY_CHAIN_JOURNAL_H
#define TALLY_CHAIN_JOURNAL_H

#include "ceremony/base/hash.h"

struct chain_journal;

typedef err_t chain_journal_fn(void *ctx, const uint8_t *data, size_t len, struct fault *f);

/* Before anything of a shard is cut back to its last header: does the journal fit to that many headers?
 * Writes nothing. ERR_TRUNCATED: it is of a later block, so headers are missing; or it has no head, which
 * cannot be behind the first header. ERR_MISSING: there is none, likewise. ERR_FORMAT: its head is damaged.
 * max: bytes of a ballot. */
MUST err_t chain_journal_check(const char *path, uint64_t height, size_t max, struct fault *f);

/* Opens or makes the journal for the block at height; fn is called for each ballot that is in it. One that is
 * left from an earlier block is emptied; where the head says another block than the records, which are bound
 * to theirs, the records count. Errors as above. */
MUST err_t chain_journal_open(struct chain_journal **out, const char *path, uint64_t height, size_t max,
                              chain_journal_fn *fn, void *ctx, struct fault *f);
void chain_journal_free(struct chain_journal *j);

/* Takes a ballot into memory, and writes all that were taken: durable when it returns OK. */
MUST err_t chain_journal_add(struct chain_journal *j, const uint8_t *data, size_t len);
MUST err_t chain_journal_sync(struct chain_journal *j, struct fault *f);
/* The block is finished: empties the file, which is for the next block then. */
MUST err_t chain_journal_next(struct chain_journal *j, struct fault *f);

#endif
