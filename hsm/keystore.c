/* ceremony/keystore.h over the token process. What the process answers is foreign too: keys are checked
 * to be on the curve, and new ones are tried once before they are believed. */
#include <string.h>

#include "ceremony/base/secret.h"
#include "hsm/client.h"

static err_t ks_info(void *ctx, struct token_info *out, struct fault *f)
{
    struct client *c = ctx;
    struct client_status status;
    memset(out, 0, sizeof *out);
    TRY(client_status(c, &status, f)); /* is it still there? */
    *out = c->info;
    return OK;
}

static err_t ks_random(void *ctx, uint8_t *out, size_t len, struct fault *f)
{
    struct client *c = ctx;
    struct cbor_out o;
    struct cbor_in in;
    size_t results;
    memset(out, 0, len);
    if (len > 1024)
        return fault_set(f, ERR_BUG, "more than 1024 random bytes asked for");
    client_begin(c, &o, WIRE_RANDOM, 1);
    cbor_put_uint(&o, len);
    TRY(client_call(c, &o, &in, &results, f));
    cbor_get_fixed(&in, out, len);
    err_t e = client_end(c, &in, OK, f);
    if (e != OK)
        memset(out, 0, len);
    return e;
}

/* --- calls with a label and nothing back --- */

static void begin_label(struct client *c, struct cbor_out *o, enum wire_op op, size_t args,
                        const struct key_label *label)
{
    client_begin(c, o, op, args);
    cbor_put_bytes(o, label->b, KEY_LABEL_LEN);
}

static err_t finish_void(struct client *c, struct cbor_out *o, struct fault *f)
{
    struct cbor_in in;
    size_t results;
    TRY(client_call(c, o, &in, &results, f));
    return client_end(c, &in, OK, f);
}

static err_t ks_retire(void *ctx, const struct key_label *label, struct fault *f)
{
    struct cbor_out o;
    begin_label(ctx, &o, WIRE_RETIRE, 1, label);
    return finish_void(ctx, &o, f);
}

static err_t ks_forget(void *ctx, const struct key_label *label, struct fault *f)
{
    struct cbor_out o;
    begin_label(ctx, &o, WIRE_FORGET, 1, label);
    return finish_void(ctx, &o, f);
}

static err_t ks_bind(void *ctx, const struct key_label *label, enum binding what, const hash_t *value,
                     struct fault *f)
{
    struct cbor_out o;
    begin_label(ctx, &o, WIRE_BIND, 3, label);
    cbor_put_uint(&o, what);
    cbor_put_hash(&o, value);
    return finish_void(ctx, &o, f);
}

static err_t ks_rebind(void *ctx, const struct key_label *label, enum binding what, const hash_t *from,
                       const hash_t *to, struct fault *f)
{
    struct cbor_out o;
    begin_label(ctx, &o, WIRE_REBIND, 4, label);
    cbor_put_uint(&o, what);
    cbor_put_hash(&o, from);
    cbor_put_hash(&o, to);
    return finish_void(ctx, &o, f);
}

/* --- calls with a label and one byte string of known length back --- */

static err_t finish_fixed(struct client *c, struct cbor_out *o, void *out, size_t len, struct fault *f)
{
    struct cbor_in in;
    size_t results;
    memset(out, 0, len);
    TRY(client_call(c, o, &in, &results, f));
    cbor_get_fixed(&in, out, len);
    err_t e = client_end(c, &in, OK, f);
    if (e != OK)
        secret_wipe(out, len);
    return e;
}

static err_t ks_bound(void *ctx, hash_t *value, const struct key_label *label, enum binding what,
                      struct fault *f)
{
    struct cbor_out o;
    begin_label(ctx, &o, WIRE_BOUND, 2, label);
    cbor_put_uint(&o, what);
    return finish_fixed(ctx, &o, value->b, HASH_LEN, f);
}

static err_t ks_sign(void *ctx, uint8_t signature[SIGNATURE_LEN], const struct key_label *label,
                     const hash_t *digest, struct fault *f)
{
    struct cbor_out o;
    begin_label(ctx, &o, WIRE_SIGN, 2, label);
    cbor_put_hash(&o, digest);
    return finish_fixed(ctx, &o, signature, SIGNATURE_LEN, f);
}

static err_t ks_ecdh(void *ctx, uint8_t x_out[32], const struct key_label *label, const uint8_t peer[65],
                     struct fault *f)
{
    struct cbor_out o;
    begin_label(ctx, &o, WIRE_ECDH, 2, label);
    cbor_put_bytes(&o, peer, 65);
    return finish_fixed(ctx, &o, x_out, 32, f);
}

/* --- keys --- */

static err_t ks_keys(struct client *c, enum wire_op op, pubkey_t *identity, pubkey_t *ceremony,
                     const struct key_label *label, struct fault *f)
{
    struct cbor_out o;
    struct cbor_in in;
    size_t results;
    memset(identity, 0, sizeof *identity);
    memset(ceremony, 0, sizeof *ceremony);
    begin_label(c, &o, op, 1, label);
    TRY(client_call(c, &o, &in, &results, f));
    cbor_get_fixed(&in, identity->b, POINT_LEN);
    cbor_get_fixed(&in, ceremony->b, POINT_LEN);
    err_t e = client_end(c, &in, OK, f);
    if (e == OK) {
        e = check_point(identity);
        if (e == OK)
            e = check_point(ceremony);
        if (e == ERR_POINT)
            e = fault_set(f, ERR_TOKEN_KEY, "a public key from the token is not a point of P-256");
        else if (e != OK)
            fault_set(f, e, "checking the token's public keys");
    }
    if (e != OK) {
        memset(identity, 0, sizeof *identity);
        memset(ceremony, 0, sizeof *ceremony);
    }
    return e;
}

static err_t ks_keys_find(void *ctx, pubkey_t *identity, pubkey_t *ceremony, const struct key_label *label,
                          struct fault *f)
{
    return ks_keys(ctx, WIRE_KEYS_FIND, identity, ceremony, label, f);
}

/* One signature and one exchange: do the private keys belong to the public ones? */
static err_t keys_try(struct client *c, const pubkey_t *identity, const pubkey_t *ceremony,
                      const struct key_label *label, struct fault *f)
{
    hash_t digest;
    uint8_t signature[SIGNATURE_LEN], peer[65], expected[32], got[32];
    random_bytes(digest.b, HASH_LEN);
    TRY(ks_sign(c, signature, label, &digest, f));
    err_t e = ecdsa_verify_var(identity, &digest, signature);
    if (err_class(e) == CLASS_SYSTEM)
        return fault_set(f, e, "verifying a signature by the new identity key");
    if (e != OK)
        return fault_set(f, ERR_TOKEN_KEY, "a signature by the new identity key does not verify");
    e = check_ecdh(peer, expected, ceremony);
    if (e != OK)
        return fault_set(f, e, "no throw-away key could be made");
    TRY(ks_ecdh(c, got, label, peer, f));
    if (!secret_equal(got, expected, sizeof got))
        return fault_set(f, ERR_TOKEN_KEY, "the new ceremony key derives a wrong secret");
    return OK;
}

static err_t ks_keys_make(void *ctx, pubkey_t *identity, pubkey_t *ceremony, const struct key_label *label,
                          struct fault *f)
{
    struct client *c = ctx;
    struct fault undo;
    TRY(ks_keys(c, WIRE_KEYS_MAKE, identity, ceremony, label, f));
    err_t e = keys_try(c, identity, ceremony, label, f);
    if (e != OK) {
        (void)!ks_forget(c, label, &undo);
        memset(identity, 0, sizeof *identity);
        memset(ceremony, 0, sizeof *ceremony);
    }
    return e;
}

static err_t ks_labels(void *ctx, err_t (*fn)(void *fn_ctx, const struct key_label *label), void *fn_ctx,
                       struct fault *f)
{
    struct client *c = ctx;
    struct cbor_out o;
    struct cbor_in in;
    struct key_label labels[WIRE_LABELS_MAX];
    size_t results;
    client_begin(c, &o, WIRE_LABELS, 0);
    TRY(client_call(c, &o, &in, &results, f));
    size_t count = cbor_get_array(&in, 0, WIRE_LABELS_MAX);
    for (size_t i = 0; i < count; i++)
        cbor_get_fixed(&in, labels[i].b, KEY_LABEL_LEN);
    TRY(client_end(c, &in, OK, f));
    for (size_t i = 0; i < count; i++) {
        err_t e = fn(fn_ctx, &labels[i]); /* may call back into this keystore */
        if (e != OK)
            return e;
    }
    return OK;
}

static void ks_close(void *ctx)
{
    client_free(ctx);
}

static const struct keystore_ops hsm_ops = {
    .info = ks_info,
    .random = ks_random,
    .keys_make = ks_keys_make,
    .keys_find = ks_keys_find,
    .sign = ks_sign,
    .ecdh = ks_ecdh,
    .bind = ks_bind,
    .bound = ks_bound,
    .rebind = ks_rebind,
    .retire = ks_retire,
    .forget = ks_forget,
    .labels = ks_labels,
    .close = ks_close,
};

err_t hsm_open(struct keystore *out, const char *uri, const struct hsm_options *opt, struct fault *f)
{
    struct client *c;
    memset(out, 0, sizeof *out);
    TRY(client_start(&c, uri, opt, f));
    err_t e = client_open(c, uri, f);
    if (e != OK) {
        client_free(c);
        return e;
    }
    out->ctx = c;
    out->ops = &hsm_ops;
    return OK;
}
