/* The DLEQ proof of RFC 9497 section 2.2, suite P256-SHA256, from our primitives: its vectors check
 * them, and its composites are what the forgery in test_dleq is made against. Not used by the programs. */
#ifndef TESTS_SUPPORT_RFC9497_H
#define TESTS_SUPPORT_RFC9497_H

#include "ceremony/math/group.h"

struct rfc9497 {
    struct group *g;
    unsigned mode;        /* of the context string: 1 VOPRF, 2 POPRF */
    unsigned weight_bits; /* 256 as published; less cuts each weight to its low bits (a multiple of 8) */
};

err_t rfc9497_scalar(const struct rfc9497 *r, scalar_t *out, const void *msg, size_t msg_len);
/* The weight of pair i (from 0), which depends on B, i, C and D only. */
err_t rfc9497_weight(const struct rfc9497 *r, scalar_t *out, const point_t *B, size_t i, const point_t *C,
                     const point_t *D);
/* B = k G. proof: c | s. The nonce is given, as in the vectors. */
err_t rfc9497_prove(const struct rfc9497 *r, uint8_t proof[64], const scalar_t *k, const point_t *B,
                    const point_t *C, const point_t *D, size_t count, const scalar_t *nonce);
err_t rfc9497_verify(const struct rfc9497 *r, const uint8_t proof[64], const point_t *B, const point_t *C,
                     const point_t *D, size_t count);

#endif
