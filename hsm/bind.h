/* Inside the token process: bindings, 32-byte values that a token keeps for an enrolment.
 *
 * A binding is a private CKO_DATA token object: CKA_APPLICATION "conclave", CKA_LABEL
 * "conclave bind-ceremony HEX" or "conclave bind-plan HEX", CKA_OBJECT_ID the DER object identifier
 * 2.25.N with N the enrolment label as a number (ITU-T X.667), CKA_VALUE the value; not modifiable.
 * Modules that refuse data objects (NSS softoken) get a generic secret key with the same CKA_LABEL and
 * CKA_ID = 0x11 (ceremony) or 0x12 (plan) | enrolment label | value: NSS does not let the CKA_VALUE of a
 * stored key be read, and takes two keys with one CKA_ID for the same.
 * Both forms are looked for. Two different values under one name are what a crash in rebind leaves:
 * nothing may be done with either until the same rebind is repeated, which finishes it. */
#ifndef HSM_BIND_H
#define HSM_BIND_H

#include "hsm/session.h"

/* As the operations of ceremony/keystore.h with the same names. */
MUST err_t bind_put(struct session *s, const struct key_label *label, enum binding what, const hash_t *value,
                    struct fault *f);
MUST err_t bind_get(struct session *s, hash_t *value, const struct key_label *label, enum binding what,
                    struct fault *f);
MUST err_t bind_replace(struct session *s, const struct key_label *label, enum binding what,
                        const hash_t *from, const hash_t *to, struct fault *f);
/* Destroys both bindings. Idempotent. */
MUST err_t bind_destroy(struct session *s, const struct key_label *label, struct fault *f);

#endif
