/* SHA-256, HKDF and the Merkle tree hash against published values. */
#include "ceremony/base/hash.h"
#include "ceremony/base/secret.h"
#include "tests/support/unit.h"

static void assert_hash(const hash_t *h, const char *hex)
{
    char text[65];
    hex_put(text, h->b, HASH_LEN);
    assert_string_equal(text, hex);
}

static void test_sha256(void **state)
{
    (void)state;
    hash_t h;
    hash_one(&h, "abc", 3); /* FIPS 180-4 example */
    assert_hash(&h, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    struct hash_ctx c;
    hash_init(&c);
    for (int i = 0; i < 1000000; i++)
        hash_add(&c, "a", 1);
    hash_end(&c, &h);
    assert_hash(&h, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

static void test_hkdf(void **state)
{
    (void)state;
    /* RFC 5869 A.1 and A.3 */
    uint8_t ikm[22], salt[13], info[10], okm[42];
    char hex[85];
    memset(ikm, 0x0b, sizeof ikm);
    for (int i = 0; i < 13; i++)
        salt[i] = (uint8_t)i;
    for (int i = 0; i < 10; i++)
        info[i] = (uint8_t)(0xf0 + i);
    assert_err(hkdf(okm, 42, salt, 13, ikm, 22, info, 10), OK);
    hex_put(hex, okm, 42);
    assert_string_equal(
        hex, "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");
    assert_err(hkdf(okm, 42, NULL, 0, ikm, 22, NULL, 0), OK);
    hex_put(hex, okm, 42);
    assert_string_equal(
        hex, "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8");
    uint8_t *big = malloc(255 * 32 + 1);
    assert_err(hkdf(big, 255 * 32 + 1, NULL, 0, ikm, 22, NULL, 0), ERR_BUG);
    free(big);
}

/* RFC 9162 2.1.1, recursively: an independent second definition. */
static void mth(hash_t *out, const hash_t *leaf, size_t n)
{
    if (n == 1) {
        *out = leaf[0];
        return;
    }
    size_t k = 1;
    while (2 * k < n)
        k *= 2;
    uint8_t node[65] = {1};
    hash_t h;
    mth(&h, leaf, k);
    memcpy(node + 1, h.b, 32);
    mth(&h, leaf + k, n - k);
    memcpy(node + 33, h.b, 32);
    hash_one(out, node, sizeof node);
}

static void test_merkle(void **state)
{
    (void)state;
    hash_t leaf[130], root, want, path[64];
    struct merkle m;
    size_t count;
    merkle_init(&m);
    merkle_root(&m, &root);
    assert_hash(&root, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    for (size_t n = 1; n <= 130; n++) {
        uint8_t data[2] = {(uint8_t)n, (uint8_t)(n >> 8)};
        merkle_leaf(&leaf[n - 1], data, 2);
        merkle_add(&m, &leaf[n - 1]);
        merkle_root(&m, &root);
        mth(&want, leaf, n);
        assert_int_equal(hash_cmp(&root, &want), 0);
        for (size_t i = 0; i<n; i += n> 40 ? 7 : 1) {
            merkle_path(path, &count, leaf, n, i);
            assert_err(merkle_path_check(&root, n, i, &leaf[i], path, count), OK);
            assert_err(merkle_path_check(&root, n, n, &leaf[i], path, count), ERR_HASH);
            if (n > 1) {
                assert_err(merkle_path_check(&root, n, (i + 1) % n, &leaf[i], path, count), ERR_HASH);
                assert_err(merkle_path_check(&root, n, i, &leaf[(i + 1) % n], path, count), ERR_HASH);
                assert_err(merkle_path_check(&root, n, i, &leaf[i], path, count - 1), ERR_HASH);
                path[count] = path[0];
                assert_err(merkle_path_check(&root, n, i, &leaf[i], path, count + 1), ERR_HASH);
                path[count / 2].b[5] ^= 1;
                assert_err(merkle_path_check(&root, n, i, &leaf[i], path, count), ERR_HASH);
            }
        }
    }
}

static void test_hex(void **state)
{
    (void)state;
    uint8_t out[2];
    assert_err(hex_get(out, 2, "0aff"), OK);
    assert_memory_equal(out, "\x0a\xff", 2);
    static const char *const bad[] = {"0aFF", "0af", "0aff0", "0ag0", "", "0x0a", " 0aff"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_err(hex_get(out, 2, bad[i]), ERR_FORMAT);
        assert_memory_equal(out, "\0\0", 2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sha256),
        cmocka_unit_test(test_hkdf),
        cmocka_unit_test(test_merkle),
        cmocka_unit_test(test_hex),
    };
    return secret_init() == OK ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
