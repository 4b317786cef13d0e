/* Inside the token process: the two key pairs of an enrolment.
 *
 * CKA_ID is one role byte and the 16-byte enrolment label; CKA_LABEL says the same for people. */
#ifndef HSM_KEYS_H
#define HSM_KEYS_H

#include "hsm/session.h"

#define OBJECT_ID_LEN (1 + KEY_LABEL_LEN)
#define OBJECT_NAME_MAX 64

/* "conclave WORD HEX" */
void keys_name(char out[OBJECT_NAME_MAX], const char *word, const struct key_label *label);

/* As the operations of ceremony/keystore.h with the same names. */
MUST err_t keys_make(struct session *s, pubkey_t *identity, pubkey_t *ceremony, const struct key_label *label,
                     struct fault *f);
MUST err_t keys_find(struct session *s, pubkey_t *identity, pubkey_t *ceremony, const struct key_label *label,
                     struct fault *f);
MUST err_t keys_sign(struct session *s, uint8_t signature[SIGNATURE_LEN], const struct key_label *label,
                     const hash_t *digest, struct fault *f);
MUST err_t keys_ecdh(struct session *s, uint8_t secret_x[32], const struct key_label *label,
                     const uint8_t peer[65], struct fault *f);
MUST err_t keys_destroy(struct session *s, const struct key_label *label, enum key_role role,
                        struct fault *f);
MUST err_t keys_labels(struct session *s, struct key_label *out, size_t *count, size_t max, struct fault *f);

/* A public key as CKA_EC_POINT gives it (DER OCTET STRING or bare, compressed or not), checked to be on
 * P-256 and not the identity. ERR_POINT. */
MUST err_t keys_point(pubkey_t *out, const uint8_t *point, size_t len);

#endif
