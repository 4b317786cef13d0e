/* Internal to the trustee's phases: opening what is sealed to the token, and posting entries. */
#ifndef CEREMONY_TRUSTEE_SECRET_H
#define CEREMONY_TRUSTEE_SECRET_H

#include "ceremony/math/hpke.h"
#include "ceremony/seed.h"
#include "ceremony/trustee.h"

/* Signs with the token and puts the entry on the board; frees statement and evidence (may be NULL). */
MUST err_t trustee_post(struct trustee *t, const struct entry **out, enum entry_kind kind, const hash_t *ceremony,
                        const hash_t *subject, struct cbor_out *statement, struct cbor_out *evidence, struct fault *f);

/* Opens a detached ciphertext of 32 bytes with the token; frees info. secret_out: secret memory. */
MUST err_t trustee_open(struct trustee *t, uint8_t secret_out[32], const uint8_t *sealed, size_t sealed_len,
                        struct cbor_out *info, struct fault *f);

/* The own seed, checked against the own commitment; secret memory, freed with secret_free. */
MUST err_t trustee_seed(struct trustee *t, uint8_t **secret_seed, struct fault *f);

/* The share of dealer d for the own seat, opened and checked: ERR_SHARE, ERR_DECRYPT, ERR_MISSING. */
MUST err_t trustee_share_of(struct trustee *t, scalar_t *secret_share, const struct roster *r, const struct deal *d,
                            uint32_t seat, struct fault *f);

/* Whether the dealer can be blamed for this error of trustee_share_of: not for a token or disk that fails, or a
 * ciphertext that is not here. */
MUST int share_is_bad(err_t e);

/* CBOR of a sealed share: encapsulated key and ciphertext. */
void sealed_put(struct cbor_out *o, const uint8_t enc[65], const uint8_t ct[48]);

#endif
