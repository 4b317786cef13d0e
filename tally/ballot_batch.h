/* Many ballots checked at once, whatever they come from: exports, segments of a chain, a stream.
 *
 *   layout = ballot_layout_new(ctx)                    once, shared by all threads (ballot_layout.h)
 *   b = ballot_batch_new(layout, ctx, points, threads)             one for each thread
 *   while ballot_batch_has_room(b, len): ballot_batch_put(b, bytes, len, tag)
 *   ballot_batch_run(b)                                form, points, challenges, all proofs in one equation
 *   ballot_batch_item(b, i), ballot_batch_fault(b, i), ballot_batch_sum(b, from, to, tallies)
 *   ballot_batch_clear(b)                              and so on
 *
 * The verdict on each ballot is that of ballot_parse_var and ballot_verify_var. All equations of all ballots
 * become one, with weights drawn after the bytes are here; if it does not hold, the batch is cut into
 * sixteen, each with new weights, until every bad ballot is named: all of 2,000 bad cost about five times as
 * much as all good. Duplicate ids, order, places and sums are for the caller to judge.
 *
 * Calls are for one thread at a time. A batch is at its best at 65,536 points (BALLOT_BATCH_POINTS; 2,184
 * ballots of one contest with four options). Memory: 160 bytes a point (32 more with a hint) (its share of
 * the ballot's bytes, the decompressed point, a scalar) and 200 a ballot, so 11 MB for 65,536 points, kept
 * until ballot_batch_free; and during ballot_batch_run what p256_msm_var takes for as many points. Public
 * data, variable time. */
#ifndef TALLY_BALLOT_BATCH_H
#define TALLY_BALLOT_BATCH_H

#include "ceremony/math/p256_path.h"
#include "tally/ballot_layout.h"

#define BALLOT_BATCH_POINTS ((size_t)1 << 16)
#define BALLOT_BATCH_MEMORY ((size_t)64 << 20)

/* Points for each of so many batches that are at work at once: all of them together take no more memory than
 * BALLOT_BATCH_MEMORY, about, however many processors there are. */
MUST size_t ballot_batch_points(size_t threads);
/* The same for another limit. */
MUST size_t ballot_batch_points_in(size_t memory, size_t threads);

struct ballot_item {
    uint64_t tag;    /* the caller's */
    err_t err;       /* after ballot_batch_run: OK, ERR_PROOF, or why it cannot be read */
    int hints_wrong; /* hints were given, and are not the y coordinates of its points; if it could be read */
    size_t len;
    uint32_t place, style; /* these and the id only if it could be read */
    hash_t id, leaf;       /* leaf in any case */
};

struct ballot_batch;
/* points: of the ballots that have room; one ballot always has. threads: of OpenMP that share
 * ballot_batch_run if it is not called in a parallel region, each with an equation of its own; 1 or more.
 * ERR_MEMORY, ERR_POINT (the joint key). */
MUST err_t ballot_batch_new(struct ballot_batch **out, const struct ballot_layout *layout,
                            const struct election_context *ctx, size_t points, size_t threads);
/* The same on this path of the kernel, for tests and figures. ERR_BUG if the processor has it not. */
MUST err_t ballot_batch_new_on(enum p256_path path, struct ballot_batch **out,
                               const struct ballot_layout *layout, const struct election_context *ctx,
                               size_t points, size_t threads);
void ballot_batch_free(struct ballot_batch *b);
void ballot_batch_clear(struct ballot_batch *b);

MUST int ballot_batch_has_room(const struct ballot_batch *b, size_t len);
/* Copies the bytes. ERR_MEMORY; ERR_BUG after ballot_batch_run without ballot_batch_clear. */
MUST err_t ballot_batch_put(struct ballot_batch *b, const uint8_t *data, size_t len, uint64_t tag);
/* The same with hints: the y coordinates of its points in order of appearance, 32 bytes big-endian each,
 * which save the square roots. They are checked; wrong ones (hints_wrong) only cost time, and never change
 * the verdict. hints_len 0: none. */
MUST err_t ballot_batch_put_hinted(struct ballot_batch *b, const uint8_t *data, size_t len,
                                   const uint8_t *hints, size_t hints_len, uint64_t tag);
/* Judges all that were put. OK also if some are bad: see their err. ERR_MEMORY: nothing is known then;
 * ERR_BUG if the two ways of reading disagree. */
MUST err_t ballot_batch_run(struct ballot_batch *b);

MUST size_t ballot_batch_count(const struct ballot_batch *b);
const struct ballot_item *ballot_batch_item(const struct ballot_batch *b, size_t i);
/* Bytes of ballot i, until ballot_batch_clear. */
const uint8_t *ballot_batch_bytes(const struct ballot_batch *b, size_t i);
/* Points of ballot i in order of appearance (ballot_layout.h), after ballot_batch_run; NULL and 0 if it could
 * not be read. */
const struct p256_affine *ballot_batch_affine(const struct ballot_batch *b, size_t i, size_t *count);
/* The sentence for a bad one, as ballot_parse_var or ballot_verify_var says it; returns its err. OK and f
 * untouched if it is good. */
MUST err_t ballot_batch_fault(const struct ballot_batch *b, size_t i, struct fault *f);
/* Adds ballots from to to - 1 (those that could be read) to t, as tallies_add_ballot_var does.
 * ERR_MISMATCH if t lacks a contest of one of them: nothing was added then. ERR_MEMORY: some were. */
MUST err_t ballot_batch_sum(const struct ballot_batch *b, size_t from, size_t to, struct tallies *t);

#endif
