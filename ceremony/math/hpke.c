/* Everything derived from the shared point lives in one struct in secret memory. The AES key schedule is
 * in the cipher context of OpenSSL, which cleanses it when the context is freed. */
#include "ceremony/math/hpke.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <string.h>

#include "ceremony/base/secret.h"

#define KEY_LEN 32
#define NONCE_LEN 12
#define LABELED_MAX 512

static const uint8_t kem_suite[] = {'K', 'E', 'M', 0x00, 0x10};
static const uint8_t hpke_suite[] = {'H', 'P', 'K', 'E', 0x00, 0x10, 0x00, 0x01, 0x00, 0x02};

struct suite {
    const uint8_t *id;
    size_t id_len;
};

static const struct suite kem = {kem_suite, sizeof kem_suite};
static const struct suite hpke = {hpke_suite, sizeof hpke_suite};

struct schedule {
    point_t dh;
    hash_t eae_prk, shared, secret;
    uint8_t key[KEY_LEN], nonce[NONCE_LEN];
    uint8_t labeled[LABELED_MAX]; /* an ikm or an info with its label in front */
    size_t labeled_len;
};

static err_t labeled_add(struct schedule *s, const void *data, size_t len)
{
    if (len > LABELED_MAX - s->labeled_len)
        return ERR_BUG;
    if (len > 0)
        memcpy(s->labeled + s->labeled_len, data, len);
    s->labeled_len += len;
    return OK;
}

static err_t labeled_start(struct schedule *s, const struct suite *suite, const char *label)
{
    TRY(labeled_add(s, "HPKE-v1", 7));
    TRY(labeled_add(s, suite->id, suite->id_len));
    return labeled_add(s, label, strlen(label));
}

/* LabeledExtract and LabeledExpand, RFC 9180 section 4. */
static err_t labeled_extract(struct schedule *s, hash_t *prk, const struct suite *suite, const void *salt,
                             size_t salt_len, const char *label, const void *ikm, size_t ikm_len)
{
    s->labeled_len = 0;
    TRY(labeled_start(s, suite, label));
    TRY(labeled_add(s, ikm, ikm_len));
    hkdf_extract(prk, salt, salt_len, s->labeled, s->labeled_len);
    return OK;
}

static err_t labeled_expand(struct schedule *s, uint8_t *okm, size_t okm_len, const struct suite *suite,
                            const hash_t *prk, const char *label, const void *info, size_t info_len)
{
    const uint8_t head[2] = {(uint8_t)(okm_len >> 8), (uint8_t)okm_len};
    s->labeled_len = 0;
    TRY(labeled_add(s, head, sizeof head));
    TRY(labeled_start(s, suite, label));
    TRY(labeled_add(s, info, info_len));
    return hkdf_expand(okm, okm_len, prk, s->labeled, s->labeled_len);
}

/* info is of any length: HKDF takes its labelled form in one piece. */
static err_t info_hash(hash_t *out, const void *info, size_t info_len)
{
    static const char label[] = "info_hash";
    struct cbor_out o = CBOR_OUT_INIT; /* only as a growing buffer */
    cbor_put_raw(&o, "HPKE-v1", 7);
    cbor_put_raw(&o, hpke.id, hpke.id_len);
    cbor_put_raw(&o, label, sizeof label - 1);
    cbor_put_raw(&o, info, info_len);
    err_t e = o.err;
    if (e == OK)
        hkdf_extract(out, NULL, 0, o.data, o.len);
    cbor_out_free(&o);
    return e;
}

/* ExtractAndExpand (section 4.1) and KeySchedule in mode_base (section 5.1). */
static err_t derive(struct schedule *s, const uint8_t dh_x[32], const uint8_t enc[HPKE_ENC_LEN],
                    const uint8_t recipient[HPKE_ENC_LEN], const void *info, size_t info_len)
{
    uint8_t kem_context[2 * HPKE_ENC_LEN];
    memcpy(kem_context, enc, HPKE_ENC_LEN);
    memcpy(kem_context + HPKE_ENC_LEN, recipient, HPKE_ENC_LEN);
    TRY(labeled_extract(s, &s->eae_prk, &kem, NULL, 0, "eae_prk", dh_x, 32));
    TRY(labeled_expand(s, s->shared.b, HASH_LEN, &kem, &s->eae_prk, "shared_secret", kem_context,
                       sizeof kem_context));
    uint8_t context[1 + 2 * HASH_LEN] = {0}; /* mode_base, psk_id_hash, info_hash */
    hash_t h;
    TRY(labeled_extract(s, &h, &hpke, NULL, 0, "psk_id_hash", NULL, 0));
    memcpy(context + 1, h.b, HASH_LEN);
    TRY(info_hash(&h, info, info_len));
    memcpy(context + 1 + HASH_LEN, h.b, HASH_LEN);
    TRY(labeled_extract(s, &s->secret, &hpke, s->shared.b, HASH_LEN, "secret", NULL, 0));
    TRY(labeled_expand(s, s->key, KEY_LEN, &hpke, &s->secret, "key", context, sizeof context));
    return labeled_expand(s, s->nonce, NONCE_LEN, &hpke, &s->secret, "base_nonce", context, sizeof context);
}

/* ct: pt_len bytes and the tag. */
static err_t aead_seal(const struct schedule *s, uint8_t *ct, const uint8_t *aad, size_t aad_len,
                       const uint8_t *pt, size_t pt_len)
{
    int n;
    uint8_t none[16];
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    int good = c != NULL && EVP_EncryptInit_ex(c, EVP_aes_256_gcm(), NULL, s->key, s->nonce) == 1 &&
               (aad_len == 0 || EVP_EncryptUpdate(c, NULL, &n, aad, (int)aad_len) == 1) &&
               (pt_len == 0 || EVP_EncryptUpdate(c, ct, &n, pt, (int)pt_len) == 1) &&
               EVP_EncryptFinal_ex(c, none, &n) == 1 &&
               EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, HPKE_TAG_LEN, ct + pt_len) == 1;
    EVP_CIPHER_CTX_free(c);
    ERR_clear_error();
    return good ? OK : ERR_MEMORY;
}

static err_t aead_open(const struct schedule *s, uint8_t *pt, const uint8_t *aad, size_t aad_len,
                       const uint8_t *ct, size_t pt_len)
{
    int n;
    uint8_t none[16], tag[HPKE_TAG_LEN];
    memcpy(tag, ct + pt_len, sizeof tag);
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    int ready = c != NULL && EVP_DecryptInit_ex(c, EVP_aes_256_gcm(), NULL, s->key, s->nonce) == 1 &&
                (aad_len == 0 || EVP_DecryptUpdate(c, NULL, &n, aad, (int)aad_len) == 1) &&
                (pt_len == 0 || EVP_DecryptUpdate(c, pt, &n, ct, (int)pt_len) == 1) &&
                EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, HPKE_TAG_LEN, tag) == 1;
    int good = ready && EVP_DecryptFinal_ex(c, none, &n) == 1;
    EVP_CIPHER_CTX_free(c);
    ERR_clear_error();
    return good ? OK : ready ? ERR_DECRYPT : ERR_MEMORY;
}

err_t hpke_seal(struct group *g, uint8_t enc[HPKE_ENC_LEN], uint8_t *ct, const point_t *recipient,
                const scalar_t *secret_eph, const void *info, size_t info_len, const void *pt, size_t pt_len)
{
    return hpke_seal_aad(g, enc, ct, recipient, secret_eph, info, info_len, NULL, 0, pt, pt_len);
}

err_t hpke_seal_aad(struct group *g, uint8_t enc[HPKE_ENC_LEN], uint8_t *ct, const point_t *recipient,
                    const scalar_t *secret_eph, const void *info, size_t info_len, const void *aad,
                    size_t aad_len, const void *pt, size_t pt_len)
{
    err_t e;
    void *mem = NULL;
    point_t eph;
    uint8_t key[HPKE_ENC_LEN];
    if (pt_len > INT32_MAX || aad_len > INT32_MAX)
        return ERR_BUG;
    GO(secret_alloc(&mem, sizeof(struct schedule)));
    struct schedule *s = mem;
    GO(scalar_check(secret_eph));
    GO(point_uncompress(g, key, recipient));
    GO(point_mul_base(g, &eph, secret_eph));
    GO(point_uncompress(g, enc, &eph)); /* ERR_POINT when secret_eph is 0 */
    GO(point_mul(g, &s->dh, secret_eph, recipient));
    GO(derive(s, s->dh.b + 1, enc, key, info, info_len));
    GO(aead_seal(s, ct, aad, aad_len, pt, pt_len));
out:
    if (e != OK) {
        memset(enc, 0, HPKE_ENC_LEN);
        memset(ct, 0, pt_len + HPKE_TAG_LEN);
    }
    secret_free(mem);
    secret_burn_stack();
    return e;
}

err_t hpke_open(struct group *g, uint8_t *pt, const uint8_t enc[HPKE_ENC_LEN], const uint8_t *ct,
                size_t ct_len, const point_t *recipient, const uint8_t dh_x[32], const void *info,
                size_t info_len)
{
    uint8_t key[HPKE_ENC_LEN];
    err_t e = point_uncompress(g, key, recipient);
    if (e == OK)
        return hpke_open_aad(g, pt, enc, ct, ct_len, key, dh_x, info, info_len, NULL, 0);
    if (ct_len > HPKE_TAG_LEN)
        secret_wipe(pt, ct_len - HPKE_TAG_LEN);
    return e;
}

err_t hpke_open_aad(struct group *g, uint8_t *pt, const uint8_t enc[HPKE_ENC_LEN], const uint8_t *ct,
                    size_t ct_len, const uint8_t recipient[HPKE_ENC_LEN], const uint8_t dh_x[32],
                    const void *info, size_t info_len, const void *aad, size_t aad_len)
{
    err_t e;
    void *mem = NULL;
    point_t eph;
    if (ct_len < HPKE_TAG_LEN)
        return ERR_LIMIT;
    size_t pt_len = ct_len - HPKE_TAG_LEN;
    if (pt_len > INT32_MAX || aad_len > INT32_MAX) {
        e = ERR_LIMIT;
        goto out;
    }
    GO(secret_alloc(&mem, sizeof(struct schedule)));
    struct schedule *s = mem;
    GO(point_compress(g, &eph, enc));
    GO(derive(s, dh_x, enc, recipient, info, info_len));
    GO(aead_open(s, pt, aad, aad_len, ct, pt_len));
out:
    if (e != OK)
        secret_wipe(pt, pt_len);
    secret_free(mem);
    secret_burn_stack();
    return e;
}

err_t hpke_dh(struct group *g, uint8_t dh_x[32], const scalar_t *secret, const point_t *p)
{
    point_t dh;
    err_t e;
    GO(point_check(g, p));
    GO(scalar_check(secret));
    GO(point_mul(g, &dh, secret, p));
    if (point_is_identity(&dh))
        e = ERR_POINT;
    memcpy(dh_x, dh.b + 1, 32);
out:
    if (e != OK)
        memset(dh_x, 0, 32);
    secret_wipe(&dh, sizeof dh);
    secret_burn_stack();
    return e;
}

err_t hpke_derive_key(scalar_t *out, const void *ikm, size_t ikm_len)
{
    err_t e;
    void *mem = NULL;
    GO(secret_alloc(&mem, sizeof(struct schedule)));
    struct schedule *s = mem;
    GO(labeled_extract(s, &s->eae_prk, &kem, NULL, 0, "dkp_prk", ikm, ikm_len));
    for (unsigned i = 0; i < 256; i++) {
        const uint8_t counter = (uint8_t)i;
        GO(labeled_expand(s, out->b, SCALAR_LEN, &kem, &s->eae_prk, "candidate", &counter, 1));
        if (scalar_check(out) == OK && !scalar_is_zero(out))
            goto out;
    }
    e = ERR_BUG;
out:
    if (e != OK)
        secret_wipe(out, sizeof *out);
    secret_free(mem);
    secret_burn_stack();
    return e;
}
