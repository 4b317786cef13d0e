/* Inside the token process: listing tokens, initialising one, and the facts the probe reports. */
#ifndef HSM_ADMIN_H
#define HSM_ADMIN_H

#include "hsm/session.h"

/* The index-th token that matches s->uri and can hold keys; *found = 0 when there are fewer. */
MUST err_t admin_token(struct session *s, struct hsm_token *out, int *found, size_t index, struct fault *f);

/* As hsm_init; force_label may be empty. A PIN of length 0: typed on the token's keypad. */
MUST err_t admin_init(struct session *s, const char *label, const char *force_label, const uint8_t *so_pin,
                      size_t so_pin_len, const uint8_t *user_pin, size_t user_pin_len, struct fault *f);

struct admin_status {
    uint64_t flags, total_memory, free_memory; /* memory: UINT64_MAX when the token does not say */
    uint64_t firmware;                         /* major << 8 | minor */
    uint64_t mechanisms;                       /* 1: EC key generation, 2: ECDSA, 4: ECDH */
    uint64_t nss;
};
/* Fills out for the token of a session that was picked; needs no login. */
MUST err_t admin_status(struct session *s, struct admin_status *out, struct fault *f);

#endif
