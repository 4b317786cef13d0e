/* What a trustee derives from the seed, and fresh randomness. All outputs are secret: callers give secret
 * memory. Sources: HKDF (RFC 5869); 48 bytes are reduced modulo q as in RFC 9380. */
#ifndef CEREMONY_SEED_H
#define CEREMONY_SEED_H

#include "ceremony/keystore.h"
#include "ceremony/phase.h"

#define SEED_LEN 32

/* a_i0: from seed, election and identity key only, as it is fixed when enrolling. */
MUST err_t seed_contribution(scalar_t *out, const uint8_t *secret_seed, const hash_t *election,
                             const point_t *identity);
/* a_ik, k = 1..t-1, and the private key of the encapsulation to a recipient, j = 1..n: from seed and ceremony
 * id (and purpose and index), so that two rosters never share one polynomial. */
MUST err_t seed_coefficient(scalar_t *out, const uint8_t *secret_seed, const hash_t *ceremony, uint32_t k);
MUST err_t seed_encapsulation(scalar_t *out, const uint8_t *secret_seed, const hash_t *ceremony, uint32_t j);

/* 32 bytes: SHA-256(CBOR ["conclave/fresh", 32 bytes of the token, 32 bytes of the system]). */
MUST err_t seed_fresh(struct keystore *ks, uint8_t out[32], struct fault *f);

/* Context of a deal's proof of knowledge: [ceremony, seat, [C], [share hash]]. */
MUST err_t deal_context(struct cbor_out *o, const struct roster *r, const struct deal *d);

#endif
