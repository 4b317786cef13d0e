/* COSE_Sign1 (RFC 9052 section 4.2) with ES256, in one fixed form:
 *
 *   18([ << {1: -7, 4: kid} >>, {}, payload, signature ])
 *
 * kid = SHA-256 of the author's compressed public key; the unprotected header is empty; the
 * signature is r|s with low s. Any other form is rejected. The identity of a message is the hash of
 * protected header and payload, so a second valid signature does not make a second message. */
#ifndef CEREMONY_BASE_COSE_H
#define CEREMONY_BASE_COSE_H

#include "ceremony/base/cbor.h"

#define POINT_LEN 33 /* SEC1 compressed */
#define SIGNATURE_LEN 64

typedef struct {
    uint8_t b[POINT_LEN];
} pubkey_t;

struct cose {
    hash_t kid;
    const uint8_t *payload; /* view into the message */
    size_t payload_len;
    uint8_t signature[SIGNATURE_LEN];
    hash_t id; /* SHA-256(CBOR ["conclave/message", protected, payload]) */
};

/* kid of a public key. */
void cose_kid(hash_t *out, const pubkey_t *key);

/* digest = SHA-256 of the Sig_structure ["Signature1", protected, h'', payload]. */
MUST err_t cose_digest(hash_t *digest, const hash_t *kid, const void *payload, size_t payload_len);

/* Identity of the message that cose_build makes from the same input. */
MUST err_t cose_id(hash_t *id, const hash_t *kid, const void *payload, size_t payload_len);

/* Appends the message to out. The signature's s is brought to its low form. */
MUST err_t cose_build(struct cbor_out *out, const hash_t *kid, const void *payload, size_t payload_len,
                      const uint8_t signature[SIGNATURE_LEN]);

/* Parses one message that fills data. Does not check the signature. ERR_FORMAT, ERR_CANONICAL,
 * ERR_SIGNATURE for a high s. */
MUST err_t cose_parse(struct cose *out, const void *data, size_t len, struct fault *f);

/* ERR_SIGNATURE unless key has this kid and signed the payload; ERR_POINT for a bad key. */
MUST err_t cose_verify(const struct cose *m, const pubkey_t *key, struct fault *f);

/* ECDSA P-256 over a digest (FIPS 186-5). Public data, variable time. */
MUST err_t ecdsa_verify_var(const pubkey_t *key, const hash_t *digest,
                            const uint8_t signature[SIGNATURE_LEN]);

/* A signer: whatever holds a private key. sign makes r|s over digest. */
struct signer {
    pubkey_t key;
    void *ctx;
    err_t (*sign)(void *ctx, uint8_t signature[SIGNATURE_LEN], const hash_t *digest, struct fault *f);
};
/* Appends the signed message: digest, sign, check of the own signature, build. */
MUST err_t cose_sign(struct cbor_out *out, const struct signer *s, const void *payload, size_t payload_len,
                     struct fault *f);

#endif
