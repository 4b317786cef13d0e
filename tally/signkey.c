#include "tally/signkey.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "ceremony/base/file.h"
#include "ceremony/base/secret.h"
#include "ceremony/math/group.h"

#define SALT_LEN crypto_pwhash_argon2id_SALTBYTES
#define NONCE_LEN crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define SEALED_LEN (SCALAR_LEN + crypto_aead_xchacha20poly1305_ietf_ABYTES)
#define FILE_MAX 512
#define PASS_MAX 1024

/* OpenSSL sees the scalar while it signs, and not longer. */
struct signkey {
    struct signer signer;
    scalar_t *secret; /* secret_alloc */
    struct group *g;
};

struct key_file {
    enum signkey_level level;
    pubkey_t key;
    uint8_t salt[SALT_LEN], nonce[NONCE_LEN], sealed[SEALED_LEN];
};

static const struct {
    unsigned long long ops;
    size_t mem;
} cost[] = {
    [SIGNKEY_REHEARSAL] = {1, 8192},
    [SIGNKEY_STANDARD] = {crypto_pwhash_argon2id_OPSLIMIT_MODERATE, crypto_pwhash_argon2id_MEMLIMIT_MODERATE},
    [SIGNKEY_HIGH] = {crypto_pwhash_argon2id_OPSLIMIT_SENSITIVE, crypto_pwhash_argon2id_MEMLIMIT_SENSITIVE},
};

/* --- the file --- */

/* Everything before the sealed scalar: what the seal covers. */
static void put_head(struct cbor_out *o, const struct key_file *k)
{
    cbor_put_array(o, 7);
    cbor_put_text(o, "conclave/signkey");
    cbor_put_uint(o, 1);
    cbor_put_uint(o, k->level);
    cbor_put_bytes(o, k->key.b, POINT_LEN);
    cbor_put_bytes(o, k->salt, SALT_LEN);
    cbor_put_bytes(o, k->nonce, NONCE_LEN);
}

static err_t read_file(struct key_file *k, const char *path, struct fault *f)
{
    uint8_t *data;
    size_t len;
    struct cbor_in in;
    memset(k, 0, sizeof *k);
    TRY(file_read(&data, &len, path, FILE_MAX, f));
    cbor_in_init(&in, data, len);
    cbor_get_array_exact(&in, 7);
    cbor_get_text_exact(&in, "conclave/signkey");
    if (cbor_get_uint(&in, UINT64_MAX) != 1)
        cbor_fail(&in, ERR_VERSION);
    k->level = (enum signkey_level)cbor_get_uint(&in, SIGNKEY_HIGH);
    cbor_get_fixed(&in, k->key.b, POINT_LEN);
    cbor_get_fixed(&in, k->salt, SALT_LEN);
    cbor_get_fixed(&in, k->nonce, NONCE_LEN);
    cbor_get_fixed(&in, k->sealed, SEALED_LEN);
    err_t e = cbor_in_end(&in, f);
    free(data);
    if (e != OK) {
        fault_set(f, e, "not a file with a signing key");
        memset(k, 0, sizeof *k);
    }
    return fault_file(f, e, path);
}

/* Key of the seal from the passphrase. */
static err_t stretch(uint8_t *secret_out, const struct key_file *k, const char *secret_pass, size_t pass_len,
                     struct fault *f)
{
    static const char none = 0;
    if (crypto_pwhash_argon2id(secret_out, crypto_aead_xchacha20poly1305_ietf_KEYBYTES,
                               pass_len ? secret_pass : &none, pass_len, k->salt, cost[k->level].ops,
                               cost[k->level].mem, crypto_pwhash_argon2id_ALG_ARGON2ID13) != 0)
        return fault_set(f, ERR_MEMORY, "Argon2id needs %zu KiB", cost[k->level].mem >> 10);
    return OK;
}

static err_t seal(struct cbor_out *file, struct key_file *k, const scalar_t *secret, const char *secret_pass,
                  size_t pass_len, struct fault *f)
{
    void *key;
    err_t e = secret_alloc(&key, crypto_aead_xchacha20poly1305_ietf_KEYBYTES);
    if (e != OK)
        return fault_set(f, e, "sealing a signing key");
    random_bytes(k->salt, SALT_LEN);
    random_bytes(k->nonce, NONCE_LEN);
    e = stretch(key, k, secret_pass, pass_len, f);
    put_head(file, k);
    if (e == OK && file->err != OK)
        e = fault_set(f, file->err, "sealing a signing key");
    if (e == OK) {
        crypto_aead_xchacha20poly1305_ietf_encrypt(k->sealed, NULL, secret->b, SCALAR_LEN, file->data,
                                                   file->len, NULL, k->nonce, key);
        cbor_put_bytes(file, k->sealed, SEALED_LEN);
        e = file->err;
    }
    secret_free(key);
    secret_burn_stack();
    return e;
}

static err_t check_pass(enum signkey_level level, size_t pass_len, struct fault *f)
{
    if (level > SIGNKEY_HIGH)
        return fault_set(f, ERR_BUG, "no such level");
    if (pass_len > PASS_MAX)
        return fault_set(f, ERR_LIMIT, "a passphrase has at most %d bytes", PASS_MAX);
    if (pass_len == 0 && level != SIGNKEY_REHEARSAL)
        return fault_set(f, ERR_LIMIT, "the passphrase is empty");
    return OK;
}

err_t signkey_new(pubkey_t *key, const char *path, enum signkey_level level, const char *secret_pass,
                  size_t pass_len, struct fault *f)
{
    struct group *g = NULL;
    scalar_t *secret = NULL;
    struct key_file k = {.level = level};
    struct cbor_out file = CBOR_OUT_INIT;
    err_t e;

    if (key)
        memset(key, 0, sizeof *key);
    TRY(check_pass(level, pass_len, f));
    e = group_new(&g);
    if (e == OK)
        e = secret_alloc((void **)&secret, sizeof *secret);
    if (e == OK) {
        scalar_random(secret);
        e = point_mul_base(g, &k.key, secret);
    }
    if (e != OK) {
        fault_set(f, e, "making a signing key");
        goto out;
    }
    GO(seal(&file, &k, secret, secret_pass, pass_len, f));
    GO(file_write(path, file.data, file.len, FILE_NEW, f));
    if (key)
        *key = k.key;
out:
    cbor_out_free(&file);
    secret_free(secret);
    group_free(g);
    secret_burn_stack();
    return e;
}

err_t signkey_public(pubkey_t *key, const char *path, struct fault *f)
{
    struct key_file k;
    err_t e = read_file(&k, path, f);
    *key = k.key;
    return e;
}

/* --- signing --- */

static err_t ossl_fault(struct fault *f)
{
    return fault_set(f, ERR_MEMORY, "OpenSSL could not sign");
}

static err_t split_signature(uint8_t signature[SIGNATURE_LEN], const uint8_t *der, size_t len)
{
    ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &der, (long)len);
    err_t e = ERR_MEMORY;
    if (sig && BN_bn2binpad(ECDSA_SIG_get0_r(sig), signature, 32) == 32 &&
        BN_bn2binpad(ECDSA_SIG_get0_s(sig), signature + 32, 32) == 32)
        e = OK;
    ECDSA_SIG_free(sig);
    return e;
}

static err_t make_pkey(EVP_PKEY **out, const pubkey_t *key, const scalar_t *secret)
{
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    BIGNUM *d = BN_secure_new();
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    OSSL_PARAM *params = NULL;
    if (d && BN_bin2bn(secret->b, SCALAR_LEN, d))
        BN_set_flags(d, BN_FLG_CONSTTIME);
    if (build && d && ctx &&
        OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) == 1 &&
        OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, key->b, POINT_LEN) == 1 &&
        OSSL_PARAM_BLD_push_BN_pad(build, OSSL_PKEY_PARAM_PRIV_KEY, d, SCALAR_LEN) == 1)
        params = OSSL_PARAM_BLD_to_param(build);
    *out = NULL;
    if (params && EVP_PKEY_fromdata_init(ctx) == 1 &&
        EVP_PKEY_fromdata(ctx, out, EVP_PKEY_KEYPAIR, params) != 1)
        *out = NULL;
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(build);
    EVP_PKEY_CTX_free(ctx);
    BN_clear_free(d);
    return *out ? OK : ERR_MEMORY;
}

static err_t signkey_sign(void *ctx, uint8_t signature[SIGNATURE_LEN], const hash_t *digest, struct fault *f)
{
    struct signkey *k = ctx;
    uint8_t der[128];
    size_t len = sizeof der;
    EVP_PKEY *pkey = NULL;
    EVP_PKEY_CTX *c = NULL;
    err_t e = make_pkey(&pkey, &k->signer.key, k->secret);
    memset(signature, 0, SIGNATURE_LEN);
    if (e == OK)
        c = EVP_PKEY_CTX_new(pkey, NULL);
    e = ERR_MEMORY;
    if (c && EVP_PKEY_sign_init(c) == 1 && EVP_PKEY_sign(c, der, &len, digest->b, HASH_LEN) == 1)
        e = split_signature(signature, der, len);
    EVP_PKEY_CTX_free(c);
    EVP_PKEY_free(pkey); /* clears the scalar */
    secret_burn_stack();
    return e == OK ? OK : ossl_fault(f);
}

/* The scalar must be the one of the public key in clear. */
static err_t check_pair(struct group *g, const scalar_t *secret, const pubkey_t *key)
{
    point_t p;
    TRY(scalar_check(secret));
    TRY(point_mul_base(g, &p, secret));
    return point_equal(&p, key) ? OK : ERR_MISMATCH;
}

static err_t unseal(struct group *g, scalar_t *secret, const struct key_file *k, const char *secret_pass,
                    size_t pass_len, struct fault *f)
{
    struct cbor_out head = CBOR_OUT_INIT;
    void *key;
    err_t e = secret_alloc(&key, crypto_aead_xchacha20poly1305_ietf_KEYBYTES);
    if (e != OK)
        return fault_set(f, e, "opening a signing key");
    put_head(&head, k);
    e = head.err == OK ? stretch(key, k, secret_pass, pass_len, f)
                       : fault_set(f, head.err, "opening a signing key");
    if (e == OK && crypto_aead_xchacha20poly1305_ietf_decrypt(secret->b, NULL, NULL, k->sealed, SEALED_LEN,
                                                              head.data, head.len, k->nonce, key) != 0)
        e = ERR_DECRYPT;
    if (e == OK)
        e = check_pair(g, secret, &k->key);
    if (e != OK && err_class(e) != CLASS_SYSTEM)
        e = fault_set(f, ERR_DECRYPT, "the passphrase is wrong, or the file was changed");
    else if (e != OK)
        fault_set(f, e, "opening a signing key");
    secret_free(key);
    cbor_out_free(&head);
    return e;
}

err_t signkey_open(struct signkey **out, const char *path, const char *secret_pass, size_t pass_len,
                   struct fault *f)
{
    *out = NULL;
    struct key_file file;
    struct signkey *k = NULL;
    err_t e;
    TRY(read_file(&file, path, f));
    if (pass_len > PASS_MAX)
        return fault_set(f, ERR_LIMIT, "a passphrase has at most %d bytes", PASS_MAX);
    k = calloc(1, sizeof *k);
    e = k ? group_new(&k->g) : ERR_MEMORY;
    if (e == OK)
        e = secret_alloc((void **)&k->secret, sizeof *k->secret);
    if (e != OK) {
        fault_set(f, e, "opening a signing key");
        goto out;
    }
    GO(unseal(k->g, k->secret, &file, secret_pass, pass_len, f));
    k->signer = (struct signer){file.key, k, signkey_sign};
    *out = k;
    k = NULL;
out:
    signkey_close(k);
    secret_burn_stack();
    return fault_file(f, e, path);
}

const struct signer *signkey_signer(const struct signkey *k)
{
    return &k->signer;
}

err_t signkey_forked(const struct signkey *k)
{
    return secret_lock_again(k->secret, sizeof *k->secret);
}

err_t signkey_dh(uint8_t secret_dh_x[32], const struct signkey *k, const uint8_t p[65])
{
    return point_dh(k->g, secret_dh_x, k->secret, p);
}

void signkey_close(struct signkey *k)
{
    if (!k)
        return;
    secret_free(k->secret);
    group_free(k->g);
    secret_wipe(k, sizeof *k);
    free(k);
}
