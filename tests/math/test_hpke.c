#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "ceremony/base/secret.h"
#include "ceremony/math/hpke.h"
#include "tests/support/vectors.h"

#define PT_LEN 32
#define CT_LEN (PT_LEN + HPKE_TAG_LEN)

static const char info[] = "info of the test";

/* One sealed message and all that is needed to open it. */
struct sealed {
    struct group *g;
    scalar_t key, eph;
    point_t recipient;
    uint8_t enc[HPKE_ENC_LEN], ct[CT_LEN], dh_x[32];
    uint8_t pt[PT_LEN];
};

static int setup(void **state)
{
    static struct sealed s;
    if (secret_init() != OK || group_new(&s.g) != OK)
        return -1;
    scalar_random(&s.key);
    scalar_random(&s.eph);
    random_bytes(s.pt, PT_LEN);
    *state = &s;
    return point_mul_base(s.g, &s.recipient, &s.key) == OK &&
                   hpke_seal(s.g, s.enc, s.ct, &s.recipient, &s.eph, info, sizeof info, s.pt, PT_LEN) == OK &&
                   hpke_dh(s.g, s.dh_x, &s.eph, &s.recipient) == OK
               ? 0
               : -1;
}

static int teardown(void **state)
{
    group_free(((struct sealed *)*state)->g);
    return 0;
}

static err_t open_it(const struct sealed *s, uint8_t pt[PT_LEN])
{
    memset(pt, 0xaa, PT_LEN);
    return hpke_open(s->g, pt, s->enc, s->ct, CT_LEN, &s->recipient, s->dh_x, info, sizeof info);
}

static void assert_refused(const struct sealed *s, err_t want)
{
    static const uint8_t zero[PT_LEN];
    uint8_t pt[PT_LEN];
    assert_int_equal(open_it(s, pt), want);
    assert_memory_equal(pt, zero, PT_LEN);
}

static void seal_and_open(void **state)
{
    const struct sealed *s = *state;
    uint8_t pt[PT_LEN], dh_x[32], enc[HPKE_ENC_LEN], ct[CT_LEN];
    assert_int_equal(open_it(s, pt), OK);
    assert_memory_equal(pt, s->pt, PT_LEN);
    /* the recipient's side of the Diffie-Hellman */
    point_t eph;
    assert_int_equal(point_compress(s->g, &eph, s->enc), OK);
    assert_int_equal(hpke_dh(s->g, dh_x, &s->key, &eph), OK);
    assert_memory_equal(dh_x, s->dh_x, 32);
    /* a repetition gives the same bytes */
    assert_int_equal(hpke_seal(s->g, enc, ct, &s->recipient, &s->eph, info, sizeof info, s->pt, PT_LEN), OK);
    assert_memory_equal(enc, s->enc, HPKE_ENC_LEN);
    assert_memory_equal(ct, s->ct, CT_LEN);
}

static void empty_and_long_messages(void **state)
{
    const struct sealed *s = *state;
    static uint8_t pt[5000], ct[5000 + HPKE_TAG_LEN], back[5000];
    uint8_t enc[HPKE_ENC_LEN];
    random_bytes(pt, sizeof pt);
    for (size_t len = 0; len <= sizeof pt; len += 1250) {
        /* the long text is the info as well: it has no limit */
        assert_int_equal(hpke_seal(s->g, enc, ct, &s->recipient, &s->eph, pt, len, pt, len), OK);
        assert_int_equal(hpke_open(s->g, back, enc, ct, len + HPKE_TAG_LEN, &s->recipient, s->dh_x, pt, len),
                         OK);
        assert_memory_equal(pt, back, len);
        assert_int_equal(
            hpke_open(s->g, back, enc, ct, len + HPKE_TAG_LEN, &s->recipient, s->dh_x, info, sizeof info),
            ERR_DECRYPT);
    }
}

/* RFC 9180 appendix A.3.1: the keys of DHKEM(P-256, HKDF-SHA256). */
static void rfc9180_derive_key(void **state)
{
    const struct sealed *s = *state;
    static const char *const vector[][3] = {
        {"4270e54ffd08d79d5928020af4686d8f6b7d35dbe470265f1f5aa22816ce860e",
         "4995788ef4b9d6132b249ce59a77281493eb39af373d236a1fe415cb0c2d7beb",
         "04a92719c6195d5085104f469a8b9814d5838ff72b60501e2c4466e5e67b325ac9"
         "8536d7b61a1af4b78e5b7f951c0900be863c403ce65c9bfcb9382657222d18c4"},
        {"668b37171f1072f3cf12ea8a236a45df23fc13b82af3609ad1e354f6ef817550",
         "f3ce7fdae57e1a310d87f1ebbde6f328be0a99cdbcadf4d6589cf29de4b8ffd2",
         "04fe8c19ce0905191ebc298a9245792531f26f0cece2460639e8bc39cb7f706a82"
         "6a779b4cf969b8a0e539c7f62fb3d30ad6aa8f80e30f1d128aafd68a2ce72ea0"},
    };
    for (size_t i = 0; i < 2; i++) {
        uint8_t ikm[32], want[65], got[65];
        scalar_t sk, want_sk;
        point_t pk;
        unhex_exact(ikm, sizeof ikm, vector[i][0]);
        unhex_exact(want_sk.b, SCALAR_LEN, vector[i][1]);
        unhex_exact(want, sizeof want, vector[i][2]);
        assert_int_equal(hpke_derive_key(&sk, ikm, sizeof ikm), OK);
        assert_memory_equal(sk.b, want_sk.b, SCALAR_LEN);
        assert_int_equal(point_mul_base(s->g, &pk, &sk), OK);
        assert_int_equal(point_uncompress(s->g, got, &pk), OK);
        assert_memory_equal(got, want, sizeof want);
    }
}

/* Appendix A.3 has this KEM with AES-128-GCM and A.3's aad is not empty; so a message to its recipient in our
 * suite, sealed once by another implementation (HPKE of pyca/cryptography 48, OpenSSL and Rust). */
static void opens_what_another_implementation_sealed(void **state)
{
    const struct sealed *s = *state;
    static const char text[] = "Beauty is truth, truth beauty", its_info[] = "Ode on a Grecian Urn";
    uint8_t enc[HPKE_ENC_LEN], ct[sizeof text - 1 + HPKE_TAG_LEN], pt[sizeof text - 1], dh_x[32];
    scalar_t sk;
    point_t pk, eph;
    unhex_exact(sk.b, SCALAR_LEN, "f3ce7fdae57e1a310d87f1ebbde6f328be0a99cdbcadf4d6589cf29de4b8ffd2");
    unhex_exact(enc, sizeof enc,
                "046188ab3358ff21e0c4cdf0aee60696f4cc1985022b93bdc8019422c23b52dc63"
                "29a98b139d754bbee4c811a831a187fe19e0d05fd4895ac3693a4f8213fa2644");
    unhex_exact(ct, sizeof ct,
                "231a84a09cab6bbdb99cf60489f238ecb38c7054d991980932e93499e658e4ae763fa9ad920f16ea2ff1001a83");
    assert_int_equal(point_mul_base(s->g, &pk, &sk), OK);
    assert_int_equal(point_compress(s->g, &eph, enc), OK);
    assert_int_equal(hpke_dh(s->g, dh_x, &sk, &eph), OK);
    assert_int_equal(hpke_open(s->g, pt, enc, ct, sizeof ct, &pk, dh_x, its_info, sizeof its_info - 1), OK);
    assert_memory_equal(pt, text, sizeof pt);
}

/* The same with associated data, which that library does not offer: key and nonce by a second implementation
 * of the key schedule, checked against that library's messages, then its AES-GCM. */
static void opens_with_associated_data(void **state)
{
    const struct sealed *s = *state;
    static const char text[] = "Beauty is truth, truth beauty", its_info[] = "Ode on a Grecian Urn",
                      aad[] = "Count-0";
    static const uint8_t zero[sizeof text - 1];
    uint8_t enc[HPKE_ENC_LEN], ct[sizeof text - 1 + HPKE_TAG_LEN], pt[sizeof text - 1], dh_x[32],
        key[HPKE_ENC_LEN];
    scalar_t sk;
    point_t pk, eph;
    unhex_exact(sk.b, SCALAR_LEN, "f3ce7fdae57e1a310d87f1ebbde6f328be0a99cdbcadf4d6589cf29de4b8ffd2");
    unhex_exact(enc, sizeof enc,
                "046cb4d03ee0d782897d10547ad09c78eb0446ae6fa154901c2aed689ec80fd14a"
                "46ae8941434401ae7980d2a4b308f6b135178eaa1cb4103842ae3386115ab331");
    unhex_exact(ct, sizeof ct,
                "9fa2ac81760d1bbea946b25b109b89942085f4e9f271841ca734f10d7786a944ef568ccacc6e421e3e9873d4ca");
    assert_int_equal(point_mul_base(s->g, &pk, &sk), OK);
    assert_int_equal(point_uncompress(s->g, key, &pk), OK);
    assert_int_equal(point_compress(s->g, &eph, enc), OK);
    assert_int_equal(hpke_dh(s->g, dh_x, &sk, &eph), OK);
    assert_int_equal(hpke_open_aad(s->g, pt, enc, ct, sizeof ct, key, dh_x, its_info, sizeof its_info - 1,
                                   aad, sizeof aad - 1),
                     OK);
    assert_memory_equal(pt, text, sizeof pt);
    for (size_t len = 0; len < sizeof aad - 1; len++) {
        assert_int_equal(
            hpke_open_aad(s->g, pt, enc, ct, sizeof ct, key, dh_x, its_info, sizeof its_info - 1, aad, len),
            ERR_DECRYPT);
        assert_memory_equal(pt, zero, sizeof pt);
    }
    assert_int_equal(hpke_seal_aad(s->g, enc, ct, &pk, &s->eph, its_info, sizeof its_info - 1, aad,
                                   sizeof aad - 1, text, sizeof pt),
                     OK);
    assert_int_equal(hpke_dh(s->g, dh_x, &s->eph, &pk), OK);
    assert_int_equal(hpke_open_aad(s->g, pt, enc, ct, sizeof ct, key, dh_x, its_info, sizeof its_info - 1,
                                   aad, sizeof aad - 1),
                     OK);
    assert_memory_equal(pt, text, sizeof pt);
    assert_int_equal(hpke_open(s->g, pt, enc, ct, sizeof ct, &pk, dh_x, its_info, sizeof its_info - 1),
                     ERR_DECRYPT);
}

static void every_changed_byte_is_refused(void **state)
{
    const struct sealed *good = *state;
    for (size_t i = 0; i < CT_LEN; i++) {
        struct sealed s = *good;
        s.ct[i] ^= 0x10;
        assert_refused(&s, ERR_DECRYPT);
    }
    for (size_t i = 0; i < HPKE_ENC_LEN; i++) {
        struct sealed s = *good;
        s.enc[i] ^= 0x10;
        assert_refused(&s, ERR_POINT); /* a changed coordinate is off the curve */
    }
    struct sealed s = *good;
    s.dh_x[7] ^= 1;
    assert_refused(&s, ERR_DECRYPT);
}

static void another_enc_is_refused(void **state)
{
    struct sealed s = *(const struct sealed *)*state;
    point_t p;
    scalar_t k;
    scalar_random(&k);
    assert_int_equal(point_mul_base(s.g, &p, &k), OK);
    assert_int_equal(point_uncompress(s.g, s.enc, &p), OK);
    assert_refused(&s, ERR_DECRYPT);
    /* the opposite point has the same x, so the same dh_x: enc itself must be bound */
    s = *(const struct sealed *)*state;
    assert_int_equal(point_compress(s.g, &p, s.enc), OK);
    p.b[0] ^= 1;
    assert_int_equal(point_uncompress(s.g, s.enc, &p), OK);
    assert_refused(&s, ERR_DECRYPT);
}

static void identity_and_off_curve_enc_are_refused(void **state)
{
    struct sealed s = *(const struct sealed *)*state;
    memset(s.enc, 0, sizeof s.enc);
    assert_refused(&s, ERR_POINT);
    s.enc[0] = 4;
    assert_refused(&s, ERR_POINT);
    memset(s.enc + 1, 0xff, sizeof s.enc - 1);
    assert_refused(&s, ERR_POINT);
}

static void wrong_recipient_is_refused(void **state)
{
    struct sealed s = *(const struct sealed *)*state;
    s.recipient.b[0] ^= 1; /* -P: the same dh_x */
    assert_refused(&s, ERR_DECRYPT);
    s.recipient = group_generator;
    assert_refused(&s, ERR_DECRYPT);
    memset(&s.recipient, 0, sizeof s.recipient);
    assert_refused(&s, ERR_POINT);
}

static void wrong_info_is_refused(void **state)
{
    const struct sealed *s = *state;
    uint8_t pt[PT_LEN];
    for (size_t len = 0; len < sizeof info; len++)
        assert_int_equal(hpke_open(s->g, pt, s->enc, s->ct, CT_LEN, &s->recipient, s->dh_x, info, len),
                         ERR_DECRYPT);
}

static void short_ciphertexts_are_refused(void **state)
{
    const struct sealed *s = *state;
    uint8_t pt[PT_LEN];
    for (size_t len = 0; len < CT_LEN; len++)
        assert_int_equal(hpke_open(s->g, pt, s->enc, s->ct, len, &s->recipient, s->dh_x, info, sizeof info),
                         len < HPKE_TAG_LEN ? ERR_LIMIT : ERR_DECRYPT);
}

static void bad_keys_are_refused_when_sealing(void **state)
{
    const struct sealed *s = *state;
    static const uint8_t zero[CT_LEN];
    uint8_t enc[HPKE_ENC_LEN], ct[CT_LEN], dh_x[32];
    const point_t none = {{0}};
    scalar_t k = {{0}};
    memset(ct, 0xaa, sizeof ct);
    assert_int_equal(hpke_seal(s->g, enc, ct, &none, &s->eph, info, sizeof info, s->pt, PT_LEN), ERR_POINT);
    assert_memory_equal(ct, zero, CT_LEN);
    assert_int_equal(hpke_seal(s->g, enc, ct, &s->recipient, &k, info, sizeof info, s->pt, PT_LEN),
                     ERR_POINT);
    assert_int_equal(hpke_dh(s->g, dh_x, &k, &s->recipient), ERR_POINT);
    assert_int_equal(hpke_dh(s->g, dh_x, &s->eph, &none), ERR_POINT);
    memcpy(k.b, group_order, SCALAR_LEN);
    assert_int_equal(hpke_seal(s->g, enc, ct, &s->recipient, &k, info, sizeof info, s->pt, PT_LEN),
                     ERR_SCALAR);
    assert_int_equal(hpke_dh(s->g, dh_x, &k, &s->recipient), ERR_SCALAR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(seal_and_open),
        cmocka_unit_test(empty_and_long_messages),
        cmocka_unit_test(rfc9180_derive_key),
        cmocka_unit_test(opens_what_another_implementation_sealed),
        cmocka_unit_test(opens_with_associated_data),
        cmocka_unit_test(every_changed_byte_is_refused),
        cmocka_unit_test(another_enc_is_refused),
        cmocka_unit_test(identity_and_off_curve_enc_are_refused),
        cmocka_unit_test(wrong_recipient_is_refused),
        cmocka_unit_test(wrong_info_is_refused),
        cmocka_unit_test(short_ciphertexts_are_refused),
        cmocka_unit_test(bad_keys_are_refused_when_sealing),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
