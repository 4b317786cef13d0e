/* Ballots (docs/spec/formats.md "Ballot"): made on the voter's device, parsed, verified, added up.
 *
 *   maker = ballot_maker_new(ctx);  ballot_make(maker, ...)  for each ballot;  ballot_maker_free
 *   ballot_parse_var(bytes) -> ballot_verify_var (one) or ballot_verify_many_var -> tallies_add_ballot_var
 *
 * Structure (ids, order, counts, canonical form, points on the curve) is checked when parsing; proofs are
 * checked afterwards, one equation for many ballots with fresh weights. A ballot counts only when both
 * passed. Making is constant time in the choices; everything named _var is for public data. */
#ifndef TALLY_BALLOT_H
#define TALLY_BALLOT_H

#include "tally/sums.h"

#define BALLOT_BATCH 100 /* ballots of one batch in exports and precincts: nothing finer is published */
#define BALLOT_SEED_LEN 32

/* --- making --- */

struct selection {
    const char *contest; /* identifier */
    size_t option_count;
    const char *const *option; /* identifiers; write-ins are options like others */
};

struct ballot_info {
    hash_t id;   /* ballot id */
    hash_t leaf; /* Merkle leaf hash of the ballot's bytes */
    point_t pk;
};

/* Holds the table of the joint key; one thread. Freed with ballot_maker_free. */
struct ballot_maker;
MUST err_t ballot_maker_new(struct ballot_maker **out, const struct election_context *ctx);
void ballot_maker_free(struct ballot_maker *mk);

/* Encrypts and proves one ballot for a lowest-level place (index) and a style of it. Contests that are not
 * named are left blank. secret_seed: 32 bytes in secret memory, used for one ballot only, or NULL: drawn here
 * and forgotten. The one-time key and the randomness of every ciphertext come from it by HKDF per purpose and
 * index; nonces of proofs are drawn fresh, so a repetition gives the same ciphertexts with other proofs.
 * out: the ballot's bytes are appended (untouched on error). info may be NULL.
 * ERR_RULE: more options than the limit, or one option twice. ERR_UNKNOWN: style not of this place, contest
 * not on the style, option not in the contest. ERR_DUPLICATE: a contest named twice. Faults never name what
 * was chosen. Time does not depend on which and how many options are chosen; it may on which contests are
 * named. */
MUST err_t ballot_make(struct ballot_maker *mk, struct cbor_out *out, struct ballot_info *info,
                       uint32_t place, const char *style, const struct selection *selection,
                       size_t selection_count, const uint8_t *secret_seed, struct fault *f);

/* --- reading --- */

struct ballot_vote {
    uint32_t contest, limit;           /* index in the manifest; its limit */
    size_t option_count, cipher_count; /* cipher_count = options, plus limit placeholders if limit > 1 */
    struct elgamal *ct;                /* cipher_count each */
    struct elgamal_affine *cta;
    struct zero_one *proof;
    struct zero_one_affine *proof_a;
    struct elgamal_affine sum_a;  /* sum of all ciphertexts, placeholders included; not the identity */
    struct zero_one sum_zero_one; /* limit = 1 */
    struct zero_one_affine sum_zero_one_a;
    struct exact sum_exact; /* limit > 1 */
    struct exact_affine sum_exact_a;
};

struct ballot {
    uint32_t place, style; /* indexes */
    hash_t id, leaf;       /* ballot id; Merkle leaf hash of the bytes */
    point_t pk, id_commitment;
    struct p256_affine pk_a, id_commitment_a;
    scalar_t id_response;
    scalar_t c; /* recomputed challenge */
    size_t vote_count;
    struct ballot_vote *vote;
};

/* Exact upper bound of a ballot's length in this election: what is longer is refused unread. */
MUST size_t ballot_len_max(const struct election_context *ctx);
/* Length of every ballot of this place and style. */
MUST size_t ballot_len(const struct election_context *ctx, uint32_t place, uint32_t style);

/* Parses one ballot that fills data; checks all but the proofs. Freed with ballot_free.
 * ERR_ELECTION: another election or record. ERR_UNKNOWN: place, style or contest not known or not where it
 * belongs. ERR_VERSION, ERR_FORMAT, ERR_CANONICAL, ERR_TRAILING, ERR_TRUNCATED, ERR_LIMIT, ERR_POINT,
 * ERR_SCALAR. */
MUST err_t ballot_parse_var(struct ballot **out, const struct election_context *ctx, const uint8_t *data,
                            size_t len, struct fault *f);
void ballot_free(struct ballot *b);

/* Ballot id of a one-time key. */
MUST err_t ballot_id(hash_t *out, const hash_t *election, const point_t *pk);

/* --- verifying --- */

/* One ballot; ERR_PROOF with a sentence that names contest and option. */
MUST err_t ballot_verify_var(const struct election_context *ctx, const struct ballot *b, struct fault *f);

/* Many: bad has count bytes, set to 1 for each ballot that is wrong. Weights are drawn here, fresh for the
 * batch and for each step of bisection. Threads of OpenMP share the work if the caller is not in a parallel
 * region. OK if none is bad, ERR_PROOF if some are (f: the first of them, detail as from ballot_verify_var).
 */
MUST err_t ballot_verify_many_var(const struct election_context *ctx, const struct ballot *const *b,
                                  size_t count, uint8_t *bad, struct fault *f);

/* --- adding up --- */

/* Adds the options' ciphertexts (not the placeholders) and counts the ballot in each of its contests.
 * ERR_MISMATCH if t lacks a contest. */
MUST err_t tallies_add_ballot_var(struct tallies *t, const struct ballot *b);

#endif
