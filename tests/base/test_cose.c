/* COSE_Sign1: one form only, identity independent of the signature. */
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>

#include "ceremony/base/cose.h"
#include "ceremony/base/secret.h"
#include "tests/support/unit.h"

static err_t sign(void *ctx, uint8_t signature[SIGNATURE_LEN], const hash_t *digest, struct fault *f)
{
    uint8_t der[80];
    const uint8_t *p = der;
    size_t len = sizeof der;
    EVP_PKEY_CTX *c = EVP_PKEY_CTX_new(ctx, NULL);
    (void)f;
    assert_int_equal(EVP_PKEY_sign_init(c), 1);
    assert_int_equal(EVP_PKEY_sign(c, der, &len, digest->b, HASH_LEN), 1);
    EVP_PKEY_CTX_free(c);
    ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &p, (long)len);
    BN_bn2binpad(ECDSA_SIG_get0_r(sig), signature, 32);
    BN_bn2binpad(ECDSA_SIG_get0_s(sig), signature + 32, 32);
    ECDSA_SIG_free(sig);
    return OK;
}

struct world {
    EVP_PKEY *pkey;
    struct signer s;
};

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    uint8_t pub[65];
    size_t len;
    w->pkey = EVP_EC_gen("P-256");
    EVP_PKEY_get_octet_string_param(w->pkey, OSSL_PKEY_PARAM_PUB_KEY, pub, sizeof pub, &len);
    w->s.key.b[0] = 2 | (pub[64] & 1);
    memcpy(w->s.key.b + 1, pub + 1, 32);
    w->s.ctx = w->pkey;
    w->s.sign = sign;
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    EVP_PKEY_free(w->pkey);
    free(w);
    return 0;
}

static void test_round_trip(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 40; i++) { /* high and low s come by chance */
        struct cbor_out o = CBOR_OUT_INIT;
        struct cose m;
        assert_err(cose_sign(&o, &w->s, "payload", 7, NULL), OK);
        assert_err(cose_parse(&m, o.data, o.len, NULL), OK);
        assert_memory_equal(m.payload, "payload", 7);
        assert_err(cose_verify(&m, &w->s.key, NULL), OK);
        cbor_out_free(&o);
    }
}

static void test_every_byte(void **state)
{
    struct world *w = *state;
    struct cbor_out o = CBOR_OUT_INIT;
    assert_err(cose_sign(&o, &w->s, "payload", 7, NULL), OK);
    for (size_t i = 0; i < o.len; i++) {
        for (int bit = 0; bit < 8; bit++) {
            struct cose m;
            o.data[i] ^= (uint8_t)(1 << bit);
            err_t e = cose_parse(&m, o.data, o.len, NULL);
            assert_true(e != OK || cose_verify(&m, &w->s.key, NULL) != OK);
            o.data[i] ^= (uint8_t)(1 << bit);
        }
    }
    for (size_t n = 0; n < o.len; n++) {
        struct cose m;
        assert_int_not_equal(cose_parse(&m, o.data, n, NULL), OK);
    }
    cbor_out_free(&o);
}

/* q - s verifies under ECDSA too: the second form must not be readable, and would not change the identity. */
static void test_malleated(void **state)
{
    struct world *w = *state;
    static const uint8_t order[32] = {0xff, 0xff, 0xff, 0xff, 0,    0,    0,    0,    0xff, 0xff, 0xff,
                                      0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17,
                                      0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51};
    struct cbor_out o = CBOR_OUT_INIT;
    struct cose m;
    assert_err(cose_sign(&o, &w->s, "payload", 7, NULL), OK);
    uint8_t *s = o.data + o.len - 32;
    for (int i = 31, borrow = 0; i >= 0; i--) {
        int d = order[i] - s[i] - borrow;
        borrow = d < 0;
        s[i] = (uint8_t)(d + (borrow << 8));
    }
    assert_err(cose_parse(&m, o.data, o.len, NULL), ERR_SIGNATURE);
    hash_t digest, kid, id, again;
    cose_kid(&kid, &w->s.key);
    assert_err(cose_digest(&digest, &kid, "payload", 7), OK);
    assert_err(ecdsa_verify_var(&w->s.key, &digest, o.data + o.len - 64), OK); /* it is a signature ... */
    assert_err(cose_id(&id, &kid, "payload", 7), OK);
    struct cbor_out low = CBOR_OUT_INIT;
    assert_err(cose_build(&low, &kid, "payload", 7, o.data + o.len - 64),
               OK); /* ... brought to the low form */
    assert_err(cose_parse(&m, low.data, low.len, NULL), OK);
    again = m.id;
    assert_int_equal(hash_cmp(&id, &again), 0);
    cbor_out_free(&low);
    cbor_out_free(&o);
}

static void test_other_key(void **state)
{
    struct world *w = *state;
    void *second;
    setup(&second);
    struct world *x = second;
    struct cbor_out o = CBOR_OUT_INIT;
    struct cose m;
    assert_err(cose_sign(&o, &w->s, "payload", 7, NULL), OK);
    assert_err(cose_parse(&m, o.data, o.len, NULL), OK);
    assert_err(cose_verify(&m, &x->s.key, NULL), ERR_SIGNATURE);
    cose_kid(&m.kid, &x->s.key); /* kid replaced: the signature covers it */
    assert_err(cose_verify(&m, &x->s.key, NULL), ERR_SIGNATURE);
    pubkey_t off = {{2, 1}};
    cose_kid(&m.kid, &off);
    assert_int_not_equal(cose_verify(&m, &off, NULL), OK);
    cbor_out_free(&o);
    teardown(&second);
}

/* Whoever has the private key d can choose r = -e/d: then e/s G + r/s Q is the identity for every s, about
 * which OpenSSL says that it could not find out. It is a wrong signature, and not a lack of memory: that
 * would end the reading of a whole board. */
static void test_signature_to_the_identity(void **state)
{
    struct world *w = *state;
    struct cbor_out o = CBOR_OUT_INIT;
    struct cose m;
    hash_t digest, kid;
    BIGNUM *d = NULL, *e = BN_new(), *r = BN_new(), *q = BN_new();
    BN_CTX *ctx = BN_CTX_new();
    EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
    uint8_t signature[SIGNATURE_LEN] = {0};
    cose_kid(&kid, &w->s.key);
    assert_err(cose_digest(&digest, &kid, "payload", 7), OK);
    assert_int_equal(EVP_PKEY_get_bn_param(w->pkey, OSSL_PKEY_PARAM_PRIV_KEY, &d), 1);
    assert_int_equal(EC_GROUP_get_order(group, q, ctx), 1);
    assert_non_null(BN_bin2bn(digest.b, HASH_LEN, e));
    assert_non_null(BN_mod_inverse(r, d, q, ctx));
    assert_int_equal(BN_mod_mul(r, r, e, q, ctx), 1);
    assert_int_equal(BN_sub(r, q, r), 1);
    assert_int_equal(BN_bn2binpad(r, signature, 32), 32);
    for (uint8_t s = 1; s < 4; s++) {
        signature[63] = s;
        assert_err(ecdsa_verify_var(&w->s.key, &digest, signature), ERR_SIGNATURE);
    }
    assert_err(cose_build(&o, &kid, "payload", 7, signature), OK);
    assert_err(cose_parse(&m, o.data, o.len, NULL), OK);
    assert_err(cose_verify(&m, &w->s.key, NULL), ERR_SIGNATURE);
    cbor_out_free(&o);
    BN_clear_free(d);
    BN_free(e);
    BN_free(r);
    BN_free(q);
    BN_CTX_free(ctx);
    EC_GROUP_free(group);
}

/* Numbers outside 1 .. q-1. */
static void test_numbers_out_of_range(void **state)
{
    struct world *w = *state;
    hash_t digest = {{1}};
    uint8_t signature[SIGNATURE_LEN];
    for (int which = 0; which < 4; which++) {
        memset(signature, 0, sizeof signature);
        signature[31] = which != 0;
        signature[63] = which != 1;
        if (which == 2)
            memset(signature, 0xff, 32);
        if (which == 3)
            memset(signature + 32, 0xff, 32);
        assert_err(ecdsa_verify_var(&w->s.key, &digest, signature), ERR_SIGNATURE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_every_byte),
        cmocka_unit_test(test_malleated),
        cmocka_unit_test(test_other_key),
        cmocka_unit_test(test_signature_to_the_identity),
        cmocka_unit_test(test_numbers_out_of_range),
    };
    return secret_init() == OK ? cmocka_run_group_tests(tests, setup, teardown) : 1;
}
