/* Where everything is in the bytes of a ballot. All ballots of a style are the same but for points and
 * scalars: the same heads at the same offsets, which follow from the manifest. So bytes are compared with
 * what must be there, and points and scalars taken by offset, ten times as fast as item by item. Whatever is
 * not exactly so is left to ballot_parse_var, which says what is wrong. Internal to ballot_batch*.c.
 *
 *   ballot_layout_new; ballot_scan_new for each thread; ballot_scan_read, _hash, _fold for each ballot
 *
 * Order of a ballot's points, here and in what is folded: one-time key; for each contest A, B of each
 * ciphertext, a0, b0, a1, b1 of each proof, then those of the proof on the sum (a, b if it is an exact one);
 * commitment of the ballot id. */
#ifndef TALLY_BALLOT_LAYOUT_H
#define TALLY_BALLOT_LAYOUT_H

#include "ceremony/math/fold.h"
#include "tally/ballot.h"
#include "tally/metrics.h"

struct ballot_layout;
/* Some hundred bytes for each contest, 32 for each style. ctx outlives it. ERR_RULE: an election of counts.
 */
MUST err_t ballot_layout_new(struct ballot_layout **out, const struct election_context *ctx);
void ballot_layout_free(struct ballot_layout *l);
/* Where batches of this layout count what they do (metrics.h), or NULL; the layout is what all of them share.
 */
void ballot_layout_observe(struct ballot_layout *l, struct metrics *m);
struct metrics *ballot_layout_metrics(const struct ballot_layout *l);
/* Bits of a digit in the equations of their full batches (p256_path.h), 0 (so it begins): as the kernel
 * chooses. */
void ballot_layout_set_window(struct ballot_layout *l, unsigned window);
unsigned ballot_layout_window(const struct ballot_layout *l);
/* Points of a ballot of this style. */
MUST size_t ballot_layout_points(const struct ballot_layout *l, uint32_t style);

/* What is at hand while ballots are read, one after the other; one thread. */
struct ballot_scan;
MUST err_t ballot_scan_new(struct ballot_scan **out, const struct ballot_layout *l);
void ballot_scan_free(struct ballot_scan *s);

struct ballot_at {
    uint32_t place, style;
    size_t body; /* offset of the one-time key's item; everything behind it has its fixed place */
};

/* The start of a ballot and its length: what it is, and so where everything must be. ERR_FORMAT. */
MUST err_t ballot_scan_start(struct ballot_scan *s, struct ballot_at *at, const uint8_t *data, size_t len);
/* Everything else but the curve: point has room for ballot_layout_points of them. ERR_FORMAT: a head is not
 * what it must be; ERR_SCALAR: a scalar is not below q. */
MUST err_t ballot_scan_read(const struct ballot_scan *s, point_t *point, const struct ballot_at *at,
                            const uint8_t *data);
/* Challenge, ballot id and leaf of a ballot that was read. ERR_MEMORY. */
MUST err_t ballot_scan_hash(struct ballot_scan *s, scalar_var_t *c, hash_t *id, hash_t *leaf,
                            const struct ballot_at *at, const uint8_t *data, size_t len);
/* Adds all equations of a ballot that was read. k: scalars of its points. */
void ballot_scan_fold(const struct ballot_scan *s, struct fold *f, scalar_t *k, const struct ballot_at *at,
                      const uint8_t *data, const scalar_var_t *c);
/* The contests of a style, one after the other: v zeroed at first; 0 when there are no more. */
struct ballot_layout_vote {
    size_t number; /* of contests seen */
    uint32_t contest;
    size_t option_count, ciphers; /* ciphers: with placeholders */
    size_t point;                 /* index of the first A among the ballot's points; then B, A, B, ... */
};
MUST int ballot_layout_next(const struct ballot_layout *l, uint32_t style, struct ballot_layout_vote *v);

#endif
