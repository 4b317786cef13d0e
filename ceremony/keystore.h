/* What a ceremony needs from whoever holds a trustee's keys. hsm/ implements it over PKCS#11;
 * tests implement it with keys in memory and with tokens that misbehave.
 *
 * A token holds, for each enrolment, two P-256 key pairs named by a 16-byte enrolment label:
 * an identity key (sign only) and a ceremony key (derive only), and small write-once bindings.
 * All calls are in one session that is logged in when the first private operation needs it;
 * a token that was removed gives ERR_TOKEN_REMOVED from every later call. */
#ifndef CEREMONY_KEYSTORE_H
#define CEREMONY_KEYSTORE_H

#include "ceremony/base/cose.h"

#define KEY_LABEL_LEN 16

struct key_label {
    uint8_t b[KEY_LABEL_LEN];
};

struct token_info { /* as the token reports it, cleaned by text_check rules, trailing spaces cut */
    char label[33], manufacturer[33], model[17], serial[17];
};

enum key_role { KEY_IDENTITY, KEY_CEREMONY };

/* Bindings: each at most once per enrolment, except that PLAN may be replaced by keystore_rebind. */
enum binding { BIND_CEREMONY, BIND_PLAN };

struct keystore {
    void *ctx;
    const struct keystore_ops *ops;
};

struct keystore_ops {
    err_t (*info)(void *ctx, struct token_info *out, struct fault *f);

    /* len <= 1024 bytes of the token's own generator (C_GenerateRandom). */
    err_t (*random)(void *ctx, uint8_t *out, size_t len, struct fault *f);

    /* Makes both key pairs in the token and checks their attributes afterwards (sensitive, never
     * extractable, local, not modifiable, not copyable, sign only / derive only).
     * ERR_EXISTS if the label is taken, ERR_TOKEN_FULL, ERR_TOKEN_KEY if an attribute is not as it must be
     * (the keys are destroyed then). */
    err_t (*keys_make)(void *ctx, pubkey_t *identity, pubkey_t *ceremony, const struct key_label *label,
                       struct fault *f);

    /* Public halves of keys made before, attributes checked again. ERR_TOKEN_KEY if absent. */
    err_t (*keys_find)(void *ctx, pubkey_t *identity, pubkey_t *ceremony, const struct key_label *label,
                       struct fault *f);

    /* ECDSA r|s over a digest with the identity key (CKM_ECDSA). */
    err_t (*sign)(void *ctx, uint8_t signature[SIGNATURE_LEN], const struct key_label *label,
                  const hash_t *digest, struct fault *f);

    /* x_out: x-coordinate of d*P with the ceremony key (CKM_ECDH1_DERIVE, CKD_NULL), a secret.
     * peer: uncompressed SEC1 point 04|x|y, already checked by the caller to be on the curve. */
    err_t (*ecdh)(void *ctx, uint8_t x_out[32], const struct key_label *label, const uint8_t peer[65],
                  struct fault *f);

    /* Binds value if nothing is bound; OK if the same is bound already; ERR_TOKEN_BOUND otherwise. */
    err_t (*bind)(void *ctx, const struct key_label *label, enum binding what, const hash_t *value,
                  struct fault *f);

    /* Value bound, or ERR_MISSING. */
    err_t (*bound)(void *ctx, hash_t *value, const struct key_label *label, enum binding what,
                   struct fault *f);

    /* Replaces a BIND_PLAN binding: new is written before old is destroyed. ERR_TOKEN_BOUND if old is
     * not what is bound. OK if new is bound already; finishes a replacement that was interrupted, which
     * leaves both bound (bound and bind give ERR_TOKEN_BOUND until then). */
    err_t (*rebind)(void *ctx, const struct key_label *label, enum binding what, const hash_t *from,
                    const hash_t *to, struct fault *f);

    /* Destroys the ceremony key (retiring). Idempotent. */
    err_t (*retire)(void *ctx, const struct key_label *label, struct fault *f);

    /* Destroys both key pairs and all bindings of an enrolment that was never published. Idempotent. */
    err_t (*forget)(void *ctx, const struct key_label *label, struct fault *f);

    /* Calls fn for the label of every enrolment whose identity key is in the token. */
    err_t (*labels)(void *ctx, err_t (*fn)(void *fn_ctx, const struct key_label *label), void *fn_ctx,
                    struct fault *f);

    void (*close)(void *ctx); /* logs out, ends the session, frees ctx */
};

#endif
