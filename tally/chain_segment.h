/* Segments of ballots (docs/spec/chain.md "Export"): one zstd frame, a CBOR sequence of pairs of byte
 * strings, a ballot's bytes and the hints for its points.
 *
 *   writing: chain_segment_create (with the length of the content, which must be known) -> _put ... -> _commit
 *   reading: chain_segment_open -> chain_segment_next until it gives NULL -> chain_segment_close
 *
 * A reader trusts nothing: the frame must state its content size, which may not be more than the number of
 * ballots expected can need; the window is at most 8 MiB; a ballot and its hints are bounded by the manifest;
 * behind the last ballot there is nothing, in the frame and behind it. Memory: one pair, zstd's window, 128
 * KiB of the file. Nothing is said about what a ballot means: parse it. */
#ifndef TALLY_CHAIN_SEGMENT_H
#define TALLY_CHAIN_SEGMENT_H

#include "tally/chain_form.h"

#define CHAIN_WINDOW_LOG 23 /* 8 MiB */

/* --- hints: y coordinates of a ballot's points in order of appearance, 32 bytes big-endian each --- */

/* Points of any ballot in this election at the most. */
MUST size_t chain_points_max(const struct election_context *e);
/* Of points in this order (ballot_batch_affine); out has 32 bytes for each. */
void chain_hints_of(uint8_t *out, const struct p256_affine *point, size_t count);

/* --- writing --- */

struct chain_segment_writer;

/* Bytes that a pair takes in the content. */
MUST uint64_t chain_pair_len(size_t ballot_len, size_t hints_len);
/* Writes to path (FILE_REPLACE: a segment is made again from what it is made of). content: sum of
 * chain_pair_len. */
MUST err_t chain_segment_create(struct chain_segment_writer **out, const char *path, uint64_t content,
                                struct fault *f);
MUST err_t chain_segment_put(struct chain_segment_writer *w, const uint8_t *ballot, size_t len,
                             const uint8_t *hints, size_t hints_len, struct fault *f);
/* Durable when it returns OK; w is freed in any case. ERR_BUG: the content is not as long as it was said. */
MUST err_t chain_segment_commit(struct chain_segment_writer *w, struct fault *f);
void chain_segment_abandon(struct chain_segment_writer *w);

/* --- reading --- */

struct chain_segment;

struct chain_pair {
    const uint8_t *ballot, *hints; /* until the next call; hints NULL and 0 if there are none */
    size_t len, hints_len;         /* hints_len: a multiple of 32 */
};
/* ballots: how many there are, as the headers say. ERR_LIMIT: the content is larger than so many can be, or
 * smaller, or the frame wants too much memory. ERR_FORMAT: no zstd frame, or one without its size.
 * ERR_MISSING, ERR_IO. */
MUST err_t chain_segment_open(struct chain_segment **out, const struct election_context *e, const char *path,
                              uint64_t ballots, struct fault *f);
/* The next pair; p->ballot NULL at the end, where the number of ballots must be the one expected
 * (ERR_MISSING, ERR_TRAILING) and frame and file must end. ERR_TRUNCATED, ERR_CANONICAL, ERR_FORMAT,
 * ERR_LIMIT. */
MUST err_t chain_segment_next(struct chain_segment *s, struct chain_pair *p, struct fault *f);
/* Bytes of content, as the frame says. */
uint64_t chain_segment_content(const struct chain_segment *s);
void chain_segment_close(struct chain_segment *s);

#endif
