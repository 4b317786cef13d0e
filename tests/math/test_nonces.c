/* The stream of nonces: as specified, and another one for everything that goes into it. */
#include <sodium.h>

#include "ceremony/base/secret.h"
#include "ceremony/math/elgamal.h"
#include "ceremony/math/nonces.h"
#include "tests/support/unit.h"

static const uint8_t secret[5] = "vote", fresh[32] = {9};
static const hash_t statement = {{7}};

static void first(scalar_t out[3], const void *s, size_t len, const uint8_t *r, const hash_t *h)
{
    struct nonces n;
    assert_err(nonces_start(&n, s, len, r, h), OK);
    for (int i = 0; i < 3; i++)
        assert_err(nonces_next(&n, &out[i]), OK);
    nonces_end(&n);
}

/* docs/spec/proofs.md, with libsodium's stream cipher on its own. */
static void as_specified(void **state)
{
    (void)state;
    uint8_t key[32], stream[3000], nonce[crypto_stream_chacha20_NONCEBYTES] = {0};
    struct cbor_out info = CBOR_OUT_INIT;
    struct nonces n;
    cbor_put_array(&info, 2);
    cbor_put_text(&info, "conclave/nonces");
    cbor_put_hash(&info, &statement);
    assert_err(hkdf(key, sizeof key, fresh, sizeof fresh, secret, sizeof secret, info.data, info.len), OK);
    crypto_stream_chacha20(stream, sizeof stream, nonce, key);
    assert_err(nonces_start(&n, secret, sizeof secret, fresh, &statement), OK);
    for (size_t i = 0; i + SCALAR_LEN <= sizeof stream; i += SCALAR_LEN) {
        scalar_t k;
        assert_err(nonces_next(&n, &k), OK);
        assert_memory_equal(k.b, stream + i, SCALAR_LEN);
    }
    cbor_out_free(&info);
}

static void depends_on_everything(void **state)
{
    (void)state;
    static const uint8_t other_secret[5] = "Vote", other_fresh[32] = {8};
    static const hash_t other_statement = {{6}};
    scalar_t a[3], b[3];
    first(a, secret, sizeof secret, fresh, &statement);
    first(b, secret, sizeof secret, fresh, &statement);
    assert_memory_equal(a, b, sizeof a);
    first(b, other_secret, sizeof other_secret, fresh, &statement);
    assert_memory_not_equal(&a[0], &b[0], sizeof a[0]);
    first(b, secret, sizeof secret - 1, fresh, &statement);
    assert_memory_not_equal(&a[0], &b[0], sizeof a[0]);
    first(b, secret, sizeof secret, other_fresh, &statement);
    assert_memory_not_equal(&a[0], &b[0], sizeof a[0]);
    first(b, secret, sizeof secret, fresh, &other_statement);
    assert_memory_not_equal(&a[0], &b[0], sizeof a[0]);
}

/* Not without a start, not after the end; and nothing stays behind. */
static void start_and_end(void **state)
{
    (void)state;
    static const struct nonces wiped;
    struct nonces n = {0};
    scalar_t k;
    assert_err(nonces_next(&n, &k), ERR_BUG);
    assert_err(nonces_start(&n, secret, sizeof secret, fresh, &statement), OK);
    assert_err(nonces_next(&n, &k), OK);
    static const uint8_t zero[SCALAR_LEN];
    assert_memory_equal(n.buffer, zero, sizeof zero); /* what was given out is not kept */
    nonces_end(&n);
    assert_memory_equal(&n, &wiped, sizeof n);
    assert_err(nonces_next(&n, &k), ERR_BUG);
}

/* No proof that is one of many without the nonces of what it is part of. */
static void proofs_need_them(void **state)
{
    (void)state;
    struct group *g;
    struct elgamal_key *key;
    struct zero_one p;
    struct exact x;
    struct zero_one_state zs;
    struct exact_state xs;
    struct elgamal ct;
    scalar_t y, r;
    point_t Y;
    assert_err(group_new(&g), OK);
    scalar_random(&y);
    scalar_random(&r);
    assert_err(point_mul_base(g, &Y, &y), OK);
    assert_err(elgamal_key_new(&key, g, &Y), OK);
    assert_err(zero_one_commit_later(key, &p, &zs, 1, &r), ERR_BUG);
    assert_err(exact_commit_later(key, &x, &xs, &r), ERR_BUG);
    assert_err(elgamal_nonces(key, secret, sizeof secret, &statement), OK);
    assert_err(zero_one_commit_later(key, &p, &zs, 1, &r), OK);
    assert_err(elgamal_run(key), OK);
    elgamal_nonces_end(key);
    assert_err(zero_one_commit_later(key, &p, &zs, 1, &r), ERR_BUG);
    /* One made alone ends what it started. */
    assert_err(elgamal_encrypt(key, &ct, 1, &r), OK);
    assert_err(zero_one_commit(key, &p, &zs, 1, &r, &ct), OK);
    assert_err(exact_commit(key, &x, &xs, &r), OK);
    assert_err(zero_one_commit_later(key, &p, &zs, 1, &r), ERR_BUG);
    elgamal_key_free(key);
    group_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_specified),
        cmocka_unit_test(depends_on_everything),
        cmocka_unit_test(start_and_end),
        cmocka_unit_test(proofs_need_them),
    };
    return secret_init() == OK ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
