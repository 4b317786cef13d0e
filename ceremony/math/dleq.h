/* Batched Chaum-Pedersen: one proof that D_o = s A_o for all o, with S = s G.
 *
 *   T   = SHA-256(CBOR ["conclave/dleq", election, record, plan, place, contest, seat, S, m,
 *                       A_1, D_1, ... A_m, D_m])
 *   d_o = HashToScalar("conclave/dleq-w", CBOR ["conclave/dleq-w", election, T, o])   o = 1..m
 *   M   = sum d_o A_o,  Z = sum d_o D_o
 *   c   = HashToScalar("conclave/dleq-c", CBOR ["conclave/dleq-c", election, T, M, Z, a, b])
 *   a = w G, b = w M, z = w + c s;  holds iff  z G = a + c S  and  z M = b + c Z.
 *
 * Every weight depends on every pair. ComputeComposites of RFC 9497, where a weight depends on its own
 * pair only, lets a prover who knows s forge a batch; docs/spec/ says more, tests/ keep the forgery. */
#ifndef CEREMONY_MATH_DLEQ_H
#define CEREMONY_MATH_DLEQ_H

#include "ceremony/math/group.h"

struct dleq_statement {
    const hash_t *election, *record, *plan;
    const char *place, *contest; /* identifiers */
    uint32_t seat;
    const point_t *S;
    size_t count; /* m >= 1 */
    const point_t *A, *D;
};

struct dleq {
    point_t a, b;
    scalar_t z;
};

/* Constant time in secret_s. fresh: see nonce_make. A, D: checked points, not the identity
 * (ERR_POINT). */
MUST err_t dleq_prove(struct group *g, struct dleq *out, const struct dleq_statement *st,
                      const scalar_t *secret_s, const uint8_t fresh[32]);

/* One proof. ERR_PROOF, ERR_POINT, ERR_SCALAR. Variable time, uses p256_var. */
MUST err_t dleq_verify_var(const struct dleq_statement *st, const struct dleq *proof);

/* Many proofs: one equation with fresh 128-bit weights (drawn here, after all input is fixed), bisected
 * if it does not hold. bad: count bytes, set to 1 for each proof that is wrong. Returns OK if none
 * is, ERR_PROOF if some are. */
MUST err_t dleq_verify_many_var(const struct dleq_statement *st, const struct dleq *proof, size_t count,
                                uint8_t *bad);

/* [a, b, z] */
void cbor_put_dleq(struct cbor_out *o, const struct dleq *p);
void cbor_get_dleq(struct cbor_in *in, struct group *g, struct dleq *p);

#endif
