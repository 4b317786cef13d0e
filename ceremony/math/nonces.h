/* Nonces of many proofs about one secret thing, a ballot for example: a stream of scalars that nobody can
 * foresee who lacks the secret or the fresh bytes, and that is another one for another secret, statement or
 * fresh value. So a generator that repeats itself does not repeat a nonce under another challenge, as
 * nonce_make (pok.h) for one.
 *
 *   key = HKDF-SHA256(ikm = secret, salt = fresh, info = CBOR ["conclave/nonces", statement]), 32 bytes
 *   stream = ChaCha20 (RFC 8439 block function, 64-bit counter from 0, nonce 0) under key
 *
 * nonces_start -> nonces_next, any number of times -> nonces_end. The struct lives in secret memory. secret
 * and statement together must determine all that the challenges will depend on but the nonces. */
#ifndef CEREMONY_MATH_NONCES_H
#define CEREMONY_MATH_NONCES_H

#include "ceremony/math/group.h"

#define NONCES_BUFFER 512

struct nonces {
    uint8_t key[32], buffer[NONCES_BUFFER];
    uint64_t blocks;
    size_t used;
    int started;
};

/* fresh: 32 bytes of the system's generator. ERR_MEMORY. Constant time in secret. */
MUST err_t nonces_start(struct nonces *n, const void *secret, size_t secret_len, const uint8_t fresh[32],
                        const hash_t *statement);
/* 1 .. q - 1: the next 32 bytes of the stream that are (all but one in 2^32). ERR_BUG if nothing was started.
 */
MUST err_t nonces_next(struct nonces *n, scalar_t *out);
/* Wipes. */
void nonces_end(struct nonces *n);

#endif
