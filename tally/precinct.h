/* The precinct node: takes ballots, keeps them in a SQLite journal, gives receipts, makes the export.
 *
 *   open:   bound to one election, record and place
 *     |  cast: verified, durable, then acknowledged           <--+ correct: the next revision
 *     |  every 100 ballots: the batch is sorted, checkpoint      |
 *   closed: read-only; export signed and written ----------------+
 *
 * 1. What was acknowledged is on disk (WAL, synchronous=FULL) and is in the tally after any crash.
 * 2. A ballot of an unfinished batch is in the table pending, keyed by ballot id. When there are 100, one
 *    transaction moves them, sorted by id, into the table ballot (batch, id) and adds a checkpoint (sums,
 *    count, root); deleted content is overwritten and the journal truncated. So where a ballot of a finished
 *    batch lies within its page says nothing about who voted before whom (which pages were free may hint at
 *    how pending had grown), and there are no times finer than hours. While a batch is unfinished the files
 *    may show the order of its ballots to who takes the disk.
 * 3. Opening recomputes: every batch's hashes against its checkpoint's root, the last checkpoint's sums from
 *    the one before and its ballots, pending ballots with their proofs. What does not agree is ERR_HASH,
 *    ERR_SUM or ERR_PROOF: the node does not start.
 * 4. At 900 ballots: at most 500 KB of heap beyond the libraries, 5 MB of disk with the export for a contest
 *    of four options. One process at a time (ERR_BUSY), one thread at a time. */
#ifndef TALLY_PRECINCT_H
#define TALLY_PRECINCT_H

#include "tally/export.h"

struct precinct;

enum precinct_state { PRECINCT_OPEN, PRECINCT_CLOSED };

struct precinct_status {
    uint32_t place; /* index */
    enum precinct_state state;
    uint64_t ballots, batches, pending;
    uint64_t revision;
    int has_export;
    hash_t export_id; /* of the last close */
};

/* Opens the journal file, made if create is set and it is not there (ERR_MISSING else). ERR_ELECTION: it
 * belongs to another election, record or place. ERR_RULE: an import, or not a place of the lowest level.
 * ctx's content outlives the node. */
MUST err_t precinct_open(struct precinct **out, const struct election_context *ctx, uint32_t place,
                         const char *path, int create, struct fault *f);
void precinct_free(struct precinct *p); /* closes the file, not the voting */
void precinct_get_status(const struct precinct *p, struct precinct_status *out);

/* --- receipts --- */

#define RECEIPT_PATH_MAX 64

/* ["conclave/receipt", 1, 1, election, record, place, ballot id, leaf, root, size, index, [* path]]
 * size 0 (root zeros, no path): taken and durable, its batch is not finished yet. */
struct receipt {
    hash_t election, record, ballot, leaf, root;
    char place[TEXT_ID_MAX + 1];
    uint64_t size, index;
    size_t path_count;
    hash_t path[RECEIPT_PATH_MAX];
};

/* Bytes of a receipt (docs/spec/result-qr.md), and strictly back. */
MUST err_t receipt_make(struct cbor_out *out, const struct receipt *r);
MUST err_t receipt_parse(struct receipt *out, const uint8_t *data, size_t len, struct fault *f);
/* Does the path lead from leaf to root (RFC 9162)? ERR_HASH; ERR_EARLY for size 0; ERR_ELECTION or
 * ERR_UNKNOWN for another election or place. root, size (may be NULL, 0): those of an export, which must be
 * the receipt's (ERR_MISMATCH). ballot (may be NULL): the voter's copy, whose leaf and id it must be
 * (ERR_MISMATCH). */
MUST err_t receipt_check(const struct election_context *ctx, const struct receipt *r, const hash_t *root,
                         uint64_t size, const uint8_t *ballot, size_t ballot_len, struct fault *f);

/* The receipt of a ballot that was taken: without a path (size 0) in an unfinished batch; towards the root of
 * its batch's checkpoint; after closing towards the export's root. ERR_MISSING: no such ballot here. */
MUST err_t precinct_receipt(struct precinct *p, struct receipt *out, const hash_t *ballot_id,
                            struct fault *f);

/* --- casting --- */

/* Verifies and takes one ballot; when this returns OK it is durable. The very same bytes again: OK, *again =
 * 1, nothing changes. ERR_PROOF; ERR_DUPLICATE: used ballot id; ERR_ELECTION, ERR_UNKNOWN (place, style);
 * ERR_FORMAT and so on; ERR_DONE: closed; ERR_IO (disk full: not taken). info, again may be NULL. */
MUST err_t precinct_cast(struct precinct *p, struct ballot_info *info, int *again, const uint8_t *ballot,
                         size_t len, struct fault *f);

struct cast_item {
    const uint8_t *data;
    size_t len;
    err_t err;               /* out: OK: taken (or again) */
    int again;               /* out */
    struct ballot_info info; /* out, if OK */
};
/* Many in one transaction, verified in batches. Bad ones are refused one by one (item.err); the rest is
 * taken. Returns OK if all are, the first item's error if some are not (they are taken otherwise), or ERR_IO,
 * ERR_MEMORY, ERR_DONE...: none is taken, and none is refused. */
MUST err_t precinct_cast_batch(struct precinct *p, struct cast_item *item, size_t count, struct fault *f);

/* --- closing --- */

/* Finishes the last batch, writes the signed export to path (FILE_NEW), sets the state to closed. Can be
 * repeated: gives the same export (same id, from the stored header). time: hours since 1970. ERR_SIGNATURE:
 * not the place's key. */
MUST err_t precinct_close(struct precinct *p, hash_t *export_id, const char *path, uint64_t time,
                          const struct signer *signer, struct fault *f);

/* Opens a closed node for a correction: further ballots can be cast, the next close makes revision + 1, which
 * names the export it replaces. ERR_EARLY if it is not closed. */
MUST err_t precinct_correct(struct precinct *p, struct fault *f);
/* Takes a ballot out during a correction (batches are formed again). ERR_EARLY outside one, ERR_MISSING. */
MUST err_t precinct_remove(struct precinct *p, const hash_t *ballot_id, struct fault *f);

#endif
