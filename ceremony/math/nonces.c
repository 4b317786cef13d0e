#include "ceremony/math/nonces.h"

#include <sodium.h>
#include <string.h>

#include "ceremony/base/secret.h"

#define STREAM_BLOCK 64

err_t nonces_start(struct nonces *n, const void *secret, size_t secret_len, const uint8_t fresh[32],
                   const hash_t *statement)
{
    struct cbor_out info = CBOR_OUT_INIT;
    nonces_end(n);
    cbor_put_array(&info, 2);
    cbor_put_text(&info, "conclave/nonces");
    cbor_put_hash(&info, statement);
    err_t e = info.err;
    if (e == OK)
        e = hkdf(n->key, sizeof n->key, fresh, 32, secret, secret_len, info.data, info.len);
    n->used = sizeof n->buffer;
    n->started = e == OK;
    cbor_out_free(&info);
    secret_burn_stack();
    return e;
}

static void refill(struct nonces *n)
{
    static const uint8_t nonce[8]; /* a key is used for one stream */
    memset(n->buffer, 0, sizeof n->buffer);
    crypto_stream_chacha20_xor_ic(n->buffer, n->buffer, sizeof n->buffer, nonce, n->blocks, n->key);
    n->blocks += sizeof n->buffer / STREAM_BLOCK;
    n->used = 0;
}

err_t nonces_next(struct nonces *n, scalar_t *out)
{
    int bad = 1;
    memset(out, 0, sizeof *out);
    if (!n->started)
        return ERR_BUG;
    while (bad) {
        if (n->used == sizeof n->buffer)
            refill(n);
        memcpy(out->b, n->buffer + n->used, SCALAR_LEN);
        secret_wipe(n->buffer + n->used, SCALAR_LEN);
        n->used += SCALAR_LEN;
        bad = (scalar_check(out) != OK) | scalar_is_zero(out);
        secret_declassify(&bad, sizeof bad); /* and then it is forgotten */
    }
    return OK;
}

void nonces_end(struct nonces *n)
{
    secret_wipe(n, sizeof *n);
}
