/* Encrypted tallies: for each contest of a place the ballots that have it and one ciphertext per option,
 * as running sums. They are public data; all of this is variable time.
 *
 * A struct tallies always holds the contests of one place in manifest order (of its styles on the lowest
 * level, of a style below it higher up), whether or not anybody voted. */
#ifndef TALLY_SUMS_H
#define TALLY_SUMS_H

#include "ceremony/manifest.h"
#include "ceremony/math/elgamal.h"
#include "ceremony/record.h"

/* The election: everything that ballots, exports and nodes are bound to. The three stay the caller's and
 * outlive whatever is made from the context. */
struct election_context {
    const struct manifest *m;
    const struct places *places;
    const struct record *r; /* its election is m's */
};

#define BALLOTS_MAX ((uint64_t)1 << 48) /* of a contest, of a place: sums do not wrap */

struct tally {
    uint32_t contest; /* index in the manifest */
    uint64_t ballots;
    size_t option_count;
    struct p256_jacobian *A, *B; /* option_count each */
};

struct tallies {
    size_t count;
    struct tally *tally;
};

/* Zero sums for the contests of a place of any level; freed with tallies_free. ERR_MEMORY. */
MUST err_t tallies_new(struct tallies **out, const struct election_context *ctx, uint32_t place);
MUST err_t tallies_copy(struct tallies **out, const struct tallies *t);
void tallies_free(struct tallies *t);
void tallies_zero(struct tallies *t);

/* The tally of a contest (index), or NULL. */
struct tally *tallies_find(const struct tallies *t, uint32_t contest);

/* t += part, t -= part. Each contest of part must be in t (ERR_MISMATCH; t is unchanged then); t may have
 * more. ERR_SUM if ballots would leave 0..2^48. */
MUST err_t tallies_add_var(struct tallies *t, const struct tallies *part);
MUST err_t tallies_sub_var(struct tallies *t, const struct tallies *part);

/* 1 if contests, ballots and all sums are equal. *contest (may be NULL): manifest index of the first that
 * differs. */
MUST int tallies_equal_var(const struct tallies *a, const struct tallies *b, uint32_t *contest);

/* [* [contest, ballots, [+ [A, B]]]] as in docs/spec/formats.md. */
MUST err_t cbor_put_tallies(struct cbor_out *o, const struct election_context *ctx, const struct tallies *t);
/* Reads into t, made by tallies_new for the place it must be about: the cursor fails with ERR_UNKNOWN when
 * the contests are not these in this order, ERR_POINT, ERR_LIMIT. */
void cbor_get_tallies_var(struct cbor_in *in, const struct election_context *ctx, struct tallies *t);

/* The ciphertexts of one option list, compressed; out has option_count. ERR_MEMORY. */
MUST err_t tally_compress_var(struct elgamal *out, const struct tally *t);

#endif
