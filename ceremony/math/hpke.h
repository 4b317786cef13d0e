/* HPKE (RFC 9180), base mode, single message, one suite: DHKEM(P-256, HKDF-SHA256) (0x0010),
 * HKDF-SHA256 (0x0001), AES-256-GCM (0x0002); sequence number 0, aad empty where it is not given.
 *
 * Sealing takes the ephemeral private key from the caller (derived from the dealer's seed, so that
 * a repetition gives the same bytes, and so that a reveal can show it). Opening takes the x-coordinate
 * of the Diffie-Hellman point, which is all the token gives; enc is checked to be a point first. */
#ifndef CEREMONY_MATH_HPKE_H
#define CEREMONY_MATH_HPKE_H

#include "ceremony/math/group.h"

#define HPKE_ENC_LEN 65 /* uncompressed point */
#define HPKE_TAG_LEN 16

/* ct: pt_len + 16 bytes. secret_eph in 1..q-1. Constant time in secret_eph and pt. */
MUST err_t hpke_seal(struct group *g, uint8_t enc[HPKE_ENC_LEN], uint8_t *ct, const point_t *recipient,
                     const scalar_t *secret_eph, const void *info, size_t info_len, const void *pt,
                     size_t pt_len);

/* pt: ct_len - 16 bytes (in secret memory if it is a secret), zeroed on error. dh_x: x-coordinate of the
 * shared point. recipient: the public key it was sealed to. ERR_DECRYPT, ERR_POINT, ERR_LIMIT. */
MUST err_t hpke_open(struct group *g, uint8_t *pt, const uint8_t enc[HPKE_ENC_LEN], const uint8_t *ct,
                     size_t ct_len, const point_t *recipient, const uint8_t dh_x[32], const void *info,
                     size_t info_len);

/* The same with associated data. */
MUST err_t hpke_seal_aad(struct group *g, uint8_t enc[HPKE_ENC_LEN], uint8_t *ct, const point_t *recipient,
                         const scalar_t *secret_eph, const void *info, size_t info_len, const void *aad,
                         size_t aad_len, const void *pt, size_t pt_len);
/* recipient: 04|x|y of the public key, checked by the caller: who opens many decompresses it once. */
MUST err_t hpke_open_aad(struct group *g, uint8_t *pt, const uint8_t enc[HPKE_ENC_LEN], const uint8_t *ct,
                         size_t ct_len, const uint8_t recipient[HPKE_ENC_LEN], const uint8_t dh_x[32],
                         const void *info, size_t info_len, const void *aad, size_t aad_len);

/* x-coordinate of secret * P, for holders of a private key in memory: who has the ephemeral key (a
 * reveal: P the recipient's key), or a test keystore. ERR_POINT for the identity. */
MUST err_t hpke_dh(struct group *g, uint8_t dh_x[32], const scalar_t *secret, const point_t *p);

/* DeriveKeyPair of RFC 9180 section 7.1.3, for the published vectors. ERR_BUG if no counter fits. */
MUST err_t hpke_derive_key(scalar_t *out, const void *ikm, size_t ikm_len);

#endif
