/* Imported counts (docs/spec/formats.md "Imported count"): for elections of the kind import, whose key never
 * meets a ballot. The counts of one contest in one place, each encrypted bit by bit with 0/1 proofs, so
 * that every count is proved to be below 2^bits; the place is in the challenge. */
#ifndef TALLY_COUNT_H
#define TALLY_COUNT_H

#include "tally/ballot.h"

struct count_bit {
    struct elgamal ct;
    struct elgamal_affine ct_a;
    struct zero_one proof;
    struct zero_one_affine proof_a;
};

struct count {
    uint32_t place, contest; /* indexes */
    uint64_t ballots;        /* sum of the counts, as stated */
    hash_t leaf;             /* Merkle leaf hash of the bytes */
    size_t option_count;
    uint32_t bits;
    scalar_t c;
    struct count_bit *bit; /* [option * bits + j], least significant first */
};

/* Encrypts and proves. value: option_count counts in manifest order. out: bytes are appended (untouched on
 * error). mk is a maker of the same context (its table is used). randomness is drawn here.
 * ERR_LIMIT: a value that does not fit. ERR_UNKNOWN: the contest is not of this place. ERR_RULE: not an
 * import. */
MUST err_t count_make(struct ballot_maker *mk, struct cbor_out *out, uint32_t place, uint32_t contest,
                      const uint64_t *value, size_t option_count, struct fault *f);

/* Parses one that fills data; freed with count_free. Errors as ballot_parse_var. */
MUST err_t count_parse_var(struct count **out, const struct election_context *ctx, const uint8_t *data,
                           size_t len, struct fault *f);
void count_free(struct count *c);
MUST size_t count_len_max(const struct election_context *ctx);

/* All proofs of count of them in one batch. bad as in ballot_verify_many_var. ERR_PROOF naming place and
 * contest. */
MUST err_t count_verify_many_var(const struct election_context *ctx, const struct count *const *c,
                                 size_t count, uint8_t *bad, struct fault *f);

/* Adds sum 2^j (A_j, B_j) of each option, and the ballots. ERR_MISMATCH if t lacks the contest. */
MUST err_t tallies_add_count_var(struct tallies *t, const struct count *c);

#endif
