/* Signing keys of officials and precincts, in a file; also the keys that open a chain's envelopes. (Trustees'
 * keys live in tokens; conclave-tally links none.)
 *
 * CBOR ["conclave/signkey", 1, level, key, salt, nonce, sealed]: key is the public key in clear; sealed is
 * the private scalar under XChaCha20-Poly1305 with a key from the passphrase by Argon2id (RFC 9106);
 * everything before it is the associated data. The passphrase is asked for by the caller and wiped by the
 * caller. */
#ifndef TALLY_SIGNKEY_H
#define TALLY_SIGNKEY_H

#include "ceremony/base/cose.h"

enum signkey_level {                        /* memory of Argon2id */
                     SIGNKEY_REHEARSAL = 0, /* 8 KiB: not for elections */
                     SIGNKEY_STANDARD = 1,  /* 256 MiB */
                     SIGNKEY_HIGH = 2,      /* 1 GiB */
};

struct signkey;

/* Makes a key and its file (FILE_NEW: never overwrites). secret_pass: in secret memory. key may be NULL.
 * ERR_EXISTS, ERR_LIMIT for an empty passphrase (allowed at SIGNKEY_REHEARSAL) or one over 1024 bytes,
 * ERR_MEMORY, ERR_IO. */
MUST err_t signkey_new(pubkey_t *key, const char *path, enum signkey_level level, const char *secret_pass,
                       size_t pass_len, struct fault *f);

/* The public key of a file, unproven until it is opened. */
MUST err_t signkey_public(pubkey_t *key, const char *path, struct fault *f);

/* Opens; the scalar is in locked memory until signkey_close, and OpenSSL has a copy of it only while it signs
 * or multiplies. For one thread at a time. The signer inside is good until signkey_close. ERR_DECRYPT: wrong
 * passphrase or damaged file. */
MUST err_t signkey_open(struct signkey **out, const char *path, const char *secret_pass, size_t pass_len,
                        struct fault *f);
const struct signer *signkey_signer(const struct signkey *k);
/* First of all in a process made by fork() that uses the key: locks its memory there, too. ERR_LOCK. */
MUST err_t signkey_forked(const struct signkey *k);
/* secret_dh_x = x-coordinate of the private scalar times p (RFC 9180, DH): for a key that opens envelopes,
 * never for one that signs. ERR_POINT. */
MUST err_t signkey_dh(uint8_t secret_dh_x[32], const struct signkey *k, const uint8_t p[65]);
void signkey_close(struct signkey *k); /* wipes */

#endif
