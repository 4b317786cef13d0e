/* Exponential ElGamal and the proofs of a ballot.
 *
 *   (A, B) = (r G, v G + r Y)
 *
 * Proofs are in commitment form with one challenge c for everything a ballot (or an imported tally)
 * contains; c is recomputed by the verifier and never read. A prover commits to all, hashes, responds:
 *   zero_one: v in {0,1}. Disjunctive Chaum-Pedersen (Cramer, Damgard, Schoenmakers 1994):
 *       a0 = z0 G - c0 A,  b0 = z0 Y - c0 B,  a1 = z1 G - c1 A,  b1 = z1 Y - c1 (B - G),  c1 = c - c0
 *   exact: v = L. Chaum-Pedersen: a = z G - c A,  b = z Y - c (B - L G)
 * The verifier's equations can be checked one by one or with 128-bit weights in a batch. */
#ifndef CEREMONY_MATH_ELGAMAL_H
#define CEREMONY_MATH_ELGAMAL_H

#include "ceremony/math/group.h"
#include "ceremony/math/p256_path.h"

struct elgamal {
    point_t A, B;
};

struct zero_one {
    point_t a0, b0, a1, b1;
    scalar_t c0, z0, z1;
};

struct exact {
    point_t a, b;
    scalar_t z;
};

/* Fixed-base table for the joint key, for those who encrypt many times. Constant-time use. */
struct elgamal_key;
MUST err_t elgamal_key_new(struct elgamal_key **out, struct group *g, const point_t *Y);
/* On a path that is named (p256_path.h), for tests and figures. ERR_BUG if the processor has it not. */
MUST err_t elgamal_key_new_on(enum p256_path path, struct elgamal_key **out, struct group *g,
                              const point_t *Y);
void elgamal_key_free(struct elgamal_key *k);

/* v: 0..2^32-1; r: secret. Constant time, but time tells v > 1 from v <= 1 (ballots know 0 and 1 only).
 * ERR_BUG if r = 0 or B would be the identity. */
MUST err_t elgamal_encrypt(struct elgamal_key *k, struct elgamal *out, uint32_t v, const scalar_t *r);

/* Nonces of the proofs that follow, until elgamal_nonces_end: a stream (nonces.h) from 32 fresh bytes, the
 * secret and the statement, which together determine everything that the challenge will depend on.
 * elgamal_nonce: the next one, for who needs more of them. Constant time in secret. */
MUST err_t elgamal_nonces(struct elgamal_key *k, const void *secret, size_t secret_len,
                          const hash_t *statement);
MUST err_t elgamal_nonce(struct elgamal_key *k, scalar_t *out);
void elgamal_nonces_end(struct elgamal_key *k);

/* Prover. state is secret: lives in secret memory, used once, wiped by respond. A proof made alone starts and
 * ends nonces of its own, from r and, where it is known, the ciphertext. Constant time in v and r. ERR_BUG
 * unless v is 0 or 1; ERR_POINT if ct holds the identity. Who hands v or r of another ciphertext gets a proof
 * that does not verify. */
struct zero_one_state {
    scalar_t w, r;
    scalar_t v;    /* 0 or 1 */
    scalar_t c, z; /* challenge and response of the branch that is not true */
};
MUST err_t zero_one_commit(struct elgamal_key *k, struct zero_one *out, struct zero_one_state *state,
                           uint32_t v, const scalar_t *r, const struct elgamal *ct);
void zero_one_respond(struct zero_one *out, struct zero_one_state *state, const scalar_t *c);

struct exact_state {
    scalar_t w, r;
};
/* First and last move of the prover, around the challenge c; state is secret, and wiped by exact_respond. */
MUST err_t exact_commit(struct elgamal_key *k, struct exact *out, struct exact_state *state,
                        const scalar_t *r);
void exact_respond(struct exact *out, struct exact_state *state, const scalar_t *c);

/* The same for many, several times faster: _later only notes what is to be computed, elgamal_run computes all
 * of it (and a full queue by itself). Outputs and commitments are there after elgamal_run; what is pointed to
 * stays until then. Proofs take their nonces from elgamal_nonces (ERR_BUG without). Every noted scalar is in
 * the key's secret memory, and wiped by the run. elgamal_run: ERR_BUG if any result is the identity (r = 0,
 * or r chosen to cancel v); after an error everything noted since the last run is zeroed, and nothing of the
 * ballot may be used; elgamal_drop forgets what was noted, zeroing its outputs. zero_one_respond_more leaves
 * burning the stack to the caller. */
MUST err_t elgamal_encrypt_later(struct elgamal_key *k, struct elgamal *out, uint32_t v, const scalar_t *r);
MUST err_t elgamal_mul_later(struct elgamal_key *k, point_t *out, const scalar_t *s); /* s G */
MUST err_t zero_one_commit_later(struct elgamal_key *k, struct zero_one *out, struct zero_one_state *state,
                                 uint32_t v, const scalar_t *r);
MUST err_t exact_commit_later(struct elgamal_key *k, struct exact *out, struct exact_state *state,
                              const scalar_t *r);
MUST err_t elgamal_run(struct elgamal_key *k);
void elgamal_drop(struct elgamal_key *k);
void zero_one_respond_more(struct zero_one *out, struct zero_one_state *state, const scalar_t *c);

/* Verifier, one proof at a time: every equation exactly, on OpenSSL, which makes it a second opinion on
 * what a batch says. ERR_PROOF, ERR_POINT (also for the identity), ERR_SCALAR. */
MUST err_t zero_one_verify(struct group *g, const point_t *Y, const struct elgamal *ct,
                           const struct zero_one *p, const scalar_t *c);
MUST err_t exact_verify(struct group *g, const point_t *Y, const struct elgamal *ct, uint32_t L,
                        const struct exact *p, const scalar_t *c);

/* Verifier, batched. A batch collects weighted equations that must sum to the identity; every equation
 * gets its own random 128-bit weight when it is added. Points are given decompressed, so that the
 * caller decompresses each once. */
struct elgamal_affine {
    struct p256_affine A, B;
};
struct zero_one_affine {
    struct p256_affine a0, b0, a1, b1;
};
struct exact_affine {
    struct p256_affine a, b;
};

struct batch; /* memory grows with the points added, until batch_reset; adding after an error is harmless */
/* Y: ERR_POINT. The batch_ functions that take points want them decompressed from the same proof, refuse
 * the identity (ERR_POINT) and scalars not below q (ERR_SCALAR), or say ERR_MEMORY;
 * nothing was added then. Challenge and bytes must be fixed before a proof is added. */
MUST err_t batch_new(struct batch **out, const point_t *Y);
void batch_free(struct batch *b);
void batch_reset(struct batch *b);
MUST err_t batch_zero_one(struct batch *b, const struct elgamal_affine *ct, const struct zero_one_affine *pa,
                          const struct zero_one *p, const scalar_t *c);
MUST err_t batch_exact(struct batch *b, const struct elgamal_affine *ct, uint32_t L,
                       const struct exact_affine *pa, const struct exact *p, const scalar_t *c);
/* z G = R + c X */
MUST err_t batch_schnorr(struct batch *b, const struct p256_affine *X, const struct p256_affine *R,
                         const scalar_t *z, const scalar_t *c);
/* OK if all added equations hold (up to 2^-128), ERR_PROOF if not. */
MUST err_t batch_check(struct batch *b);

/* Adds the equations of item i; items is the caller's. */
typedef err_t batch_add_fn(const void *items, struct batch *b, size_t i);
/* Of count items: bad[i] = 1 for each whose equations do not hold, otherwise 0. Weights are drawn fresh for
 * all and for each step of bisection. Threads of OpenMP take at least part items each, if the caller is not
 * in a parallel region. Errors are those of batch_new and those of add that are not about a proof; every item
 * is bad then. */
MUST err_t batch_find_bad(const point_t *Y, uint8_t *bad, size_t count, size_t part, batch_add_fn *add,
                          const void *items);

/* CBOR: [A, B], [a0, b0, a1, b1, c0, z0, z1], [a, b, z]. The _var readers also decompress, which is
 * how points are checked to be on the curve; pa may be NULL when only the form is wanted. */
void cbor_get_point_var(struct cbor_in *in, point_t *p, struct p256_affine *pa);
void cbor_put_elgamal(struct cbor_out *o, const struct elgamal *ct);
void cbor_get_elgamal_var(struct cbor_in *in, struct elgamal *ct, struct elgamal_affine *pa);
void cbor_get_elgamal_sum_var(struct cbor_in *in, struct elgamal *ct,
                              struct elgamal_affine *pa); /* identity allowed */
void cbor_put_zero_one(struct cbor_out *o, const struct zero_one *p);
void cbor_get_zero_one_var(struct cbor_in *in, struct zero_one *p, struct zero_one_affine *pa);
void cbor_put_exact(struct cbor_out *o, const struct exact *p);
void cbor_get_exact_var(struct cbor_in *in, struct exact *p, struct exact_affine *pa);

/* Discrete logarithm of M = v G for 0 <= v <= max: baby-step giant-step, O(sqrt max) (Shanks). The table
 * is built once, for the usual max, and used for many, also with another max. ERR_LIMIT if there is no v
 * in the range; ERR_BUG if max is over 2^63 - 1. */
struct dlog;
MUST err_t dlog_new(struct dlog **out, uint64_t max);
void dlog_free(struct dlog *d);
MUST err_t dlog_find_var(const struct dlog *d, uint64_t *v, const struct p256_jacobian *M, uint64_t max);

#endif
