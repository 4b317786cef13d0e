/* Nonces, and Schnorr's proof of knowledge of a discrete logarithm (RFC 8235 in commitment form). */
#ifndef CEREMONY_MATH_POK_H
#define CEREMONY_MATH_POK_H

#include "ceremony/math/group.h"

/* One-use nonce: HKDF-SHA256(ikm = secret, salt = fresh, info = CBOR ["conclave/nonce", statement]), 48
 * bytes, mod q. fresh: 32 bytes that mix the token's and the system's generators; statement: hash of the
 * complete statement and context. out in secret memory. ERR_BUG if it comes out 0. */
MUST err_t nonce_make(scalar_t *out, const void *secret, size_t secret_len, const uint8_t fresh[32],
                      const hash_t *statement);

struct pok {
    point_t R;  /* w G */
    scalar_t z; /* w + c x */
};

/* Challenge c = HashToScalar(label, CBOR [label, election, context, X, R]); context: a byte string
 * that binds ceremony, who proves and everything else the statement is about (deterministic CBOR).
 * label is also the domain separation tag. */
MUST err_t pok_prove(struct group *g, struct pok *out, const scalar_t *secret_x, const point_t *X,
                     const uint8_t fresh[32], const char *label, const hash_t *election, const void *context,
                     size_t context_len);
/* ERR_PROOF; ERR_POINT, ERR_SCALAR for malformed values, X = identity included. Variable time. */
MUST err_t pok_verify(struct group *g, const struct pok *p, const point_t *X, const char *label,
                      const hash_t *election, const void *context, size_t context_len);

/* [R, z] */
void cbor_put_pok(struct cbor_out *o, const struct pok *p);
void cbor_get_pok(struct cbor_in *in, struct group *g, struct pok *p);

#endif
