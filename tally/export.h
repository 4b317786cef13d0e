/* Precinct exports (docs/spec/formats.md "Precinct export"): one signed header, then the items, streamed.
 *
 * Writing: export_writer_open, export_writer_item for each item in order, export_writer_finish (or _abandon).
 * Looking: export_header_read: form and signature of the header only. Nothing is said about the items.
 * Reading: export_open, export_next until it gives NULL, export_close.
 * Verifying: export_verify: everything; its tallies were recomputed from the items on this machine. Many
 * exports: export_verifier.
 *
 * Memory is bounded by one item and one batch; finding doubled ballot ids in one export takes 64 bytes a
 * ballot up to 65,536 ballots, a temporary file above. A fault names file, byte offset and ballot. */
#ifndef TALLY_EXPORT_H
#define TALLY_EXPORT_H

#include <stdio.h>

#include "tally/count.h"

#define EXPORT_ITEMS_MAX ((uint64_t)1 << 32)
#define EXPORT_SUFFIX ".cexp"

struct export_header {
    hash_t id;      /* message id */
    uint32_t place; /* index */
    enum election_kind kind;
    uint64_t revision;
    int has_replaces;
    hash_t replaces; /* message id of the export replaced; zeros if none */
    uint64_t time;   /* hours since 1970, UTC */
    uint64_t items;
    hash_t root;
    struct tallies *tallies;
    pubkey_t author;
    uint64_t body; /* byte offset of the first item */
};

void export_header_free(struct export_header *h);

/* --- writing --- */

struct export_writer;

/* Items are spooled into a temporary file beside path. */
MUST err_t export_writer_open(struct export_writer **out, const struct election_context *ctx, uint32_t place,
                              const char *path, struct fault *f);
/* Bytes of one ballot or count, in the order of the export (ballots: sorted by ballot id within each 100). */
MUST err_t export_writer_item(struct export_writer *w, const void *item, size_t len, struct fault *f);
/* Signs and writes. tallies: sums of the items. revision 0 has no replaces (NULL), others need one (ERR_BUG).
 * mode FILE_NEW: as file.h. id may be NULL. w is freed in any case. ERR_SIGNATURE if signer's key is not the
 * place's. */
MUST err_t export_writer_finish(struct export_writer *w, hash_t *id, const struct tallies *tallies,
                                uint64_t revision, const hash_t *replaces, uint64_t time,
                                const struct signer *signer, struct fault *f);
void export_writer_abandon(struct export_writer *w);

/* --- reading --- */

/* Reads and checks the header: form, election, record, place known and of the lowest level, kind as the
 * manifest's, signature by the place's effective key, contests of the tallies; and that the file is no longer
 * than its items can be (ERR_TRAILING). ERR_ELECTION, ERR_UNKNOWN, ERR_SIGNATURE, ERR_FORMAT, ... Freed with
 * export_header_free. */
MUST err_t export_header_read(struct export_header **out, const struct election_context *ctx,
                              const char *path, struct fault *f);

struct export_reader;
/* Reads and checks the signed header; the items follow one by one. */
MUST err_t export_open(struct export_reader **out, const struct election_context *ctx, const char *path,
                       struct fault *f);
const struct export_header *export_reader_header(const struct export_reader *r);
/* *item: the next item's bytes, good until the next call; NULL at the end of the file, where the number of
 * items must be the header's (ERR_MISSING fewer, ERR_TRAILING more). ERR_LIMIT for items larger than the
 * manifest's shape allows. */
MUST err_t export_next(struct export_reader *r, const uint8_t **item, size_t *len, struct fault *f);
/* Offset of the item last returned, and its number from 0. */
uint64_t export_item_offset(const struct export_reader *r);
uint64_t export_item_index(const struct export_reader *r);
/* SHA-256 of the file, once export_next has given NULL. */
void export_reader_hash(const struct export_reader *r, hash_t *out);
void export_close(struct export_reader *r);

/* --- verifying --- */

struct export_callbacks { /* each may be NULL */
    void *ctx;
    /* Each ballot in order, after its proofs passed. What it returns other than OK ends the verification.
     * Nothing is settled before export_verify has returned OK. */
    err_t (*ballot)(void *ctx, const hash_t *id, const hash_t *leaf, uint32_t style, uint64_t index,
                    struct fault *f);
    /* Items done so far; ERR_STOPPED ends it. */
    err_t (*progress)(void *ctx, uint64_t done, uint64_t total);
};

/* Everything: header as above; items: form, place, all proofs, no ballot id twice (ERR_DUPLICATE), order
 * (ERR_RULE), number (ERR_MISSING, ERR_TRAILING), Merkle root (ERR_HASH), tallies equal to the sums
 * recomputed (ERR_SUM); imports: one count for each contest of the place, in order (ERR_MISMATCH). The first
 * bad item is the one reported; other ballots among the 255 behind it that are bad by themselves are listed
 * in f->detail. *out: the header, whose tallies are now verified; freed with export_header_free. cb may be
 * NULL. */
MUST err_t export_verify(struct export_header **out, const struct election_context *ctx, const char *path,
                         const struct export_callbacks *cb, struct fault *f);

/* The same for many exports, whose ballots share batches (ballot_batch.h), so that small ones are as fast as
 * large ones: export_verifier_new, _add for each, _end, _free. One thread; one verifier for each thread.
 * Memory: that of a batch, and of up to 4,096 small exports that wait to be judged. */
struct export_task {
    const char *path;
    const struct export_callbacks *cb; /* may be NULL */
    const hash_t *file;                /* SHA-256 that the file must have (ERR_IO: it changed), or NULL */
    struct fault *fault;               /* may be NULL */
    err_t (*done)(struct export_task *task); /* err, fault and header are set; an error ends the verifier */
    err_t err;
    struct export_header *header; /* if OK; done's to free */
};

struct export_verifier;
struct ballot_layout;
/* layout: of ctx, outlives it; NULL in an election of counts. points, threads: as ballot_batch_new. */
MUST err_t export_verifier_new(struct export_verifier **out, const struct election_context *ctx,
                               const struct ballot_layout *layout, size_t points, size_t threads);
void export_verifier_free(struct export_verifier *v);
/* t and what it points to stay where they are until done is called, here or later. What is wrong with the
 * export is in the task. ERR_MEMORY and what done returns end it: only export_verifier_free is left then. */
MUST err_t export_verifier_add(struct export_verifier *v, struct export_task *t);
/* Ends all that were added. */
MUST err_t export_verifier_end(struct export_verifier *v);

/* --- single ballots --- */

/* What the ballots with these ids (ascending, distinct) contribute: out is made by tallies_new for the place
 * and is set to their sum. One pass. No proof is checked, so export_id is the message id of an export that
 * was verified: the file must still be this one (ERR_HASH). ERR_MISSING if a ballot is not in it. */
MUST err_t export_find_ballots(struct tallies *out, const struct election_context *ctx, const char *path,
                               const hash_t *export_id, const hash_t *id, size_t count, struct fault *f);

#endif
