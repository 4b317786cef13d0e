/* The ballot ids of one shard: a file of 32 bytes each in order, and a table to find them (the live nullifier
 * set). Internal to chain_*.c.
 *
 *   chain_seen_open (count of the last header) -> chain_seen_find ...
 *     -> chain_seen_append, _sync (before the header) -> chain_seen_commit (after it) -> ...
 *     -> chain_seen_free
 *
 * DIR/ids is data. DIR/ids.table is derived: slots of 8 bytes, 24 bits of a keyed hash and the number of the
 * id, open addressing, at most half full, mapped into memory, so that what is not used can leave it: 16 to 32
 * bytes of disk an id, no heap. A match is compared with the id in DIR/ids. The key is random, so nobody can
 * make ids that crowd one place.
 * The table is made anew from DIR/ids when it is missing, damaged, or was not closed before the machine went
 * down; a program that was killed leaves it good, as what it wrote is still the system's. */
#ifndef TALLY_CHAIN_SEEN_H
#define TALLY_CHAIN_SEEN_H

#include "ceremony/base/hash.h"

#define CHAIN_SEEN_NONE UINT64_MAX

struct chain_seen;

/* ids behind count are cut off (if writable). ERR_TRUNCATED: fewer are there. A shard that has ended is
 * opened to read: its table may still have to be made. */
MUST err_t chain_seen_open(struct chain_seen **out, const char *dir, uint64_t count, int writable,
                           struct fault *f);
void chain_seen_free(struct chain_seen *s);

/* *index: number of the id, or CHAIN_SEEN_NONE. */
MUST err_t chain_seen_find(const struct chain_seen *s, const hash_t *id, uint64_t *index, struct fault *f);
/* Writes ids behind the others, not found before the commit; durable after chain_seen_sync. */
MUST err_t chain_seen_append(struct chain_seen *s, const hash_t *id, size_t count, struct fault *f);
MUST err_t chain_seen_sync(struct chain_seen *s, struct fault *f);
/* What was appended counts now. */
MUST err_t chain_seen_commit(struct chain_seen *s, struct fault *f);

#endif
