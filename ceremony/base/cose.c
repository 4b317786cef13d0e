#include "ceremony/base/cose.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <string.h>

#include "ceremony/base/openssl.h"

#define COSE_SIGN1_TAG 18
#define PAYLOAD_MAX ((size_t)1 << 28)

/* (q-1)/2, the largest low s (big-endian). q: SEC 2 section 2.4.2. */
static const uint8_t half_order[32] = {0x7f, 0xff, 0xff, 0xff, 0x80, 0x00, 0x00, 0x00, 0x7f, 0xff, 0xff,
                                       0xff, 0xff, 0xff, 0xff, 0xff, 0xde, 0x73, 0x7d, 0x56, 0xd3, 0x8b,
                                       0xcf, 0x42, 0x79, 0xdc, 0xe5, 0x61, 0x7e, 0x31, 0x92, 0xa8};
static const uint8_t order[32] = {0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff,
                                  0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17,
                                  0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51};

void cose_kid(hash_t *out, const pubkey_t *key)
{
    hash_one(out, key->b, POINT_LEN);
}

static void put_protected(struct cbor_out *o, const hash_t *kid)
{
    cbor_put_map(o, 2);
    cbor_put_uint(o, 1);
    cbor_put_raw(o, "\x26", 1); /* -7: ES256 */
    cbor_put_uint(o, 4);
    cbor_put_hash(o, kid);
}

/* An array of four whose second item is the protected header as a byte string. */
static err_t structure(hash_t *out, const char *label, int with_aad, const hash_t *kid, const void *payload,
                       size_t payload_len)
{
    struct cbor_out head = CBOR_OUT_INIT, o = CBOR_OUT_INIT;
    put_protected(&head, kid);
    cbor_put_array(&o, with_aad ? 4 : 3);
    cbor_put_text(&o, label);
    cbor_put_bytes(&o, head.data, head.len);
    if (with_aad)
        cbor_put_bytes(&o, "", 0);
    cbor_put_bytes(&o, payload, payload_len);
    if (head.err != OK)
        o.err = head.err;
    cbor_out_free(&head);
    return cbor_out_hash(&o, out);
}

err_t cose_digest(hash_t *digest, const hash_t *kid, const void *payload, size_t payload_len)
{
    return structure(digest, "Signature1", 1, kid, payload, payload_len);
}

err_t cose_id(hash_t *id, const hash_t *kid, const void *payload, size_t payload_len)
{
    return structure(id, "conclave/message", 0, kid, payload, payload_len);
}

static void low_s(uint8_t s[32])
{
    if (memcmp(s, half_order, 32) <= 0)
        return;
    int borrow = 0;
    for (int i = 31; i >= 0; i--) {
        int d = order[i] - s[i] - borrow;
        borrow = d < 0;
        s[i] = (uint8_t)(d + (borrow << 8));
    }
}

err_t cose_build(struct cbor_out *out, const hash_t *kid, const void *payload, size_t payload_len,
                 const uint8_t signature[SIGNATURE_LEN])
{
    uint8_t sig[SIGNATURE_LEN];
    memcpy(sig, signature, sizeof sig);
    low_s(sig + 32);
    struct cbor_out head = CBOR_OUT_INIT;
    put_protected(&head, kid);
    cbor_put_tag(out, COSE_SIGN1_TAG);
    cbor_put_array(out, 4);
    cbor_put_bytes(out, head.data, head.len);
    cbor_put_map(out, 0);
    cbor_put_bytes(out, payload, payload_len);
    cbor_put_bytes(out, sig, sizeof sig);
    err_t e = head.err != OK ? head.err : out->err;
    cbor_out_free(&head);
    return e;
}

static err_t parse_protected(hash_t *kid, const uint8_t *data, size_t len, struct fault *f)
{
    static const uint8_t start[] = {0xa2, 0x01, 0x26, 0x04};
    struct cbor_in in;
    memset(kid, 0, sizeof *kid);
    if (len < sizeof start || memcmp(data, start, sizeof start) != 0)
        return fault_set(f, ERR_FORMAT, "the protected header is not {1: -7, 4: kid}");
    cbor_in_init(&in, data + sizeof start, len - sizeof start);
    cbor_get_hash(&in, kid);
    return cbor_in_end(&in, f);
}

err_t cose_parse(struct cose *out, const void *data, size_t len, struct fault *f)
{
    memset(out, 0, sizeof *out);
    struct cose m = {0};
    struct cbor_in in;
    size_t head_len;
    cbor_in_init(&in, data, len);
    cbor_get_tag_exact(&in, COSE_SIGN1_TAG);
    cbor_get_array_exact(&in, 4);
    const uint8_t *head = cbor_get_bytes(&in, 1, 64, &head_len);
    cbor_get_map(&in, 0, 0);
    m.payload = cbor_get_bytes(&in, 0, PAYLOAD_MAX, &m.payload_len);
    cbor_get_fixed(&in, m.signature, SIGNATURE_LEN);
    TRY(cbor_in_end(&in, f));
    TRY(parse_protected(&m.kid, head, head_len, f));
    if (memcmp(m.signature + 32, half_order, 32) > 0)
        return fault_set(f, ERR_SIGNATURE, "the signature has a high s");
    TRY(cose_id(&m.id, &m.kid, m.payload, m.payload_len));
    *out = m;
    return OK;
}

static EVP_PKEY *public_key(const pubkey_t *key)
{
    EVP_PKEY *pkey = NULL;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, (char *)"prime256v1", 0),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, (void *)(uintptr_t)key->b, POINT_LEN),
        OSSL_PARAM_construct_end()};
    if (ctx == NULL || EVP_PKEY_fromdata_init(ctx) != 1 ||
        EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) != 1)
        pkey = NULL;
    EVP_PKEY_CTX_free(ctx);
    return pkey;
}

/* r|s as the DER SEQUENCE that OpenSSL takes. Returns the length, 0 on error. */
static int der_signature(uint8_t **der, const uint8_t signature[SIGNATURE_LEN])
{
    int n = 0;
    *der = NULL;
    ECDSA_SIG *sig = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(signature, 32, NULL), *s = BN_bin2bn(signature + 32, 32, NULL);
    if (sig == NULL || r == NULL || s == NULL || ECDSA_SIG_set0(sig, r, s) != 1) {
        BN_free(r);
        BN_free(s);
    } else {
        n = i2d_ECDSA_SIG(sig, der);
    }
    ECDSA_SIG_free(sig);
    return n < 0 ? 0 : n;
}

err_t ecdsa_verify_var(const pubkey_t *key, const hash_t *digest, const uint8_t signature[SIGNATURE_LEN])
{
    if (key->b[0] != 2 && key->b[0] != 3)
        return ERR_POINT;
    openssl_begin();
    EVP_PKEY *pkey = public_key(key);
    if (pkey == NULL)
        return openssl_point_error();
    uint8_t *der;
    int der_len = der_signature(&der, signature), verdict = -1;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(pkey, NULL);
    /* 1 good, 0 wrong; below 0 it could not be found out: for want of memory, or because the signer chose a
     * signature that leads to the identity, which has no x-coordinate. */
    openssl_begin();
    if (der_len > 0 && ctx != NULL && EVP_PKEY_verify_init(ctx) == 1)
        verdict = EVP_PKEY_verify(ctx, der, (size_t)der_len, digest->b, HASH_LEN);
    err_t e = verdict == 1 ? OK : verdict == 0 ? ERR_SIGNATURE : openssl_signature_error();
    EVP_PKEY_CTX_free(ctx);
    OPENSSL_free(der);
    EVP_PKEY_free(pkey);
    openssl_begin();
    return e;
}

err_t cose_verify(const struct cose *m, const pubkey_t *key, struct fault *f)
{
    hash_t kid, digest;
    cose_kid(&kid, key);
    if (hash_cmp(&kid, &m->kid) != 0)
        return fault_set(f, ERR_SIGNATURE, "signed with another key than expected");
    TRY(cose_digest(&digest, &m->kid, m->payload, m->payload_len));
    err_t e = ecdsa_verify_var(key, &digest, m->signature);
    return e == OK ? OK : fault_set(f, e, "ECDSA over the Sig_structure");
}

err_t cose_sign(struct cbor_out *out, const struct signer *s, const void *payload, size_t payload_len,
                struct fault *f)
{
    hash_t kid, digest;
    uint8_t sig[SIGNATURE_LEN];
    cose_kid(&kid, &s->key);
    TRY(cose_digest(&digest, &kid, payload, payload_len));
    TRY(s->sign(s->ctx, sig, &digest, f));
    err_t e = ecdsa_verify_var(&s->key, &digest, sig);
    if (e != OK)
        return fault_set(f, e, "the signature just made does not verify under the own key");
    return cose_build(out, &kid, payload, payload_len, sig);
}
