/* Deterministic CBOR: what is written reads back, and nothing but the one encoding is read. */
#include "ceremony/base/cbor.h"
#include "ceremony/base/secret.h"
#include "tests/support/unit.h"

static void start(struct cbor_in *in, const char *bytes, size_t len)
{
    cbor_in_init(in, bytes, len);
}

static void test_uint_edges(void **state)
{
    (void)state;
    static const uint64_t v[] = {
        0, 1, 23, 24, 255, 256, 65535, 65536, UINT32_MAX, (uint64_t)UINT32_MAX + 1, UINT64_MAX};
    static const size_t len[] = {1, 1, 1, 2, 2, 3, 3, 5, 5, 9, 9};
    for (size_t i = 0; i < sizeof v / sizeof v[0]; i++) {
        struct cbor_out o = CBOR_OUT_INIT;
        struct cbor_in in;
        cbor_put_uint(&o, v[i]);
        assert_int_equal(o.len, len[i]);
        cbor_in_init(&in, o.data, o.len);
        assert_true(cbor_get_uint(&in, UINT64_MAX) == v[i]);
        assert_err(cbor_in_end(&in, NULL), OK);
        if (v[i] > 0) {
            cbor_in_init(&in, o.data, o.len);
            assert_true(cbor_get_uint(&in, v[i] - 1) == 0);
            assert_err(cbor_in_end(&in, NULL), ERR_LIMIT);
        }
        cbor_out_free(&o);
    }
}

/* RFC 8949 appendix A has these as valid CBOR; the deterministic rules or our subset exclude them. */
static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
        err_t err;
    } bad[] = {
        {"", 0, ERR_TRUNCATED},
        {"\x18\x17", 2, ERR_CANONICAL},             /* 23 in two bytes */
        {"\x19\x00\xff", 3, ERR_CANONICAL},         /* 255 in three */
        {"\x1a\x00\x00\xff\xff", 5, ERR_CANONICAL}, /* 65535 in five */
        {"\x1b\x00\x00\x00\x00\xff\xff\xff\xff", 9, ERR_CANONICAL},
        {"\x18", 1, ERR_TRUNCATED},
        {"\x20", 1, ERR_FORMAT},             /* -1 */
        {"\xf4", 1, ERR_FORMAT},             /* false */
        {"\xf7", 1, ERR_FORMAT},             /* undefined */
        {"\xf9\x3c\x00", 3, ERR_FORMAT},     /* 1.0 */
        {"\x5f\x41\x00\xff", 4, ERR_FORMAT}, /* indefinite byte string */
        {"\x9f\xff", 2, ERR_FORMAT},         /* indefinite array */
        {"\xff", 1, ERR_FORMAT},
        {"\x1c", 1, ERR_FORMAT}, /* reserved */
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct cbor_in in;
        size_t len;
        start(&in, bad[i].bytes, bad[i].len);
        assert_null(cbor_get_raw(&in, &len));
        assert_err(cbor_in_end(&in, NULL), bad[i].err);
    }
}

static void test_strings(void **state)
{
    (void)state;
    struct cbor_in in;
    size_t len;
    uint8_t fixed[3];
    char text[5];
    start(&in, "\x43\x01\x02\x03", 4);
    cbor_get_fixed(&in, fixed, 3);
    assert_err(cbor_in_end(&in, NULL), OK);
    assert_memory_equal(fixed, "\1\2\3", 3);
    start(&in, "\x43\x01\x02", 3); /* cut */
    cbor_get_fixed(&in, fixed, 3);
    assert_err(cbor_in_end(&in, NULL), ERR_TRUNCATED);
    assert_memory_equal(fixed, "\0\0\0", 3);
    start(&in, "\x5b\xff\xff\xff\xff\xff\xff\xff\xff", 9); /* 2^64-1 bytes announced */
    assert_null(cbor_get_bytes(&in, 0, SIZE_MAX, &len));
    assert_int_not_equal(in.err, OK);
    start(&in, "\x62\xc3\xa9", 3); /* e acute, composed */
    cbor_get_text(&in, text, 4);
    assert_err(cbor_in_end(&in, NULL), OK);
    start(&in, "\x63\x65\xcc\x81", 4); /* the same decomposed: not NFC */
    cbor_get_text(&in, text, 4);
    assert_err(cbor_in_end(&in, NULL), ERR_TEXT);
    start(&in, "\x61\xff", 2); /* not UTF-8 */
    cbor_get_text(&in, text, 4);
    assert_err(cbor_in_end(&in, NULL), ERR_TEXT);
    start(&in, "\x65hello", 6);
    cbor_get_text(&in, text, 4);
    assert_err(cbor_in_end(&in, NULL), ERR_LIMIT);
    assert_string_equal(text, "");
}

static void test_first_error_stays(void **state)
{
    (void)state;
    struct cbor_in in;
    struct fault f;
    fault_clear(&f);
    start(&in, "\x83\x01\x20\x03", 4);
    cbor_get_array_exact(&in, 3);
    cbor_get_uint_exact(&in, 1);
    cbor_get_uint_exact(&in, 2);
    assert_int_equal(cbor_get_array(&in, 0, 100), 0);
    assert_err(cbor_in_end(&in, &f), ERR_FORMAT);
    assert_int_equal(f.at, 2);
}

static void test_trailing_and_kinds(void **state)
{
    (void)state;
    struct cbor_in in;
    start(&in, "\x01\x01", 2);
    cbor_get_uint_exact(&in, 1);
    assert_err(cbor_in_end(&in, NULL), ERR_TRAILING);
    start(&in, "\x01", 1);
    cbor_get_array(&in, 0, 9);
    assert_err(cbor_in_end(&in, NULL), ERR_FORMAT);
    start(&in, "\x84", 1);
    assert_int_equal(cbor_get_array(&in, 0, 3), 0);
    assert_err(cbor_in_end(&in, NULL), ERR_LIMIT);
    start(&in, "\xf6", 1);
    assert_true(cbor_get_null(&in));
    assert_err(cbor_in_end(&in, NULL), OK);
    start(&in, "\xd2\x01", 2); /* tag 18 */
    cbor_get_tag_exact(&in, 18);
    cbor_get_uint_exact(&in, 1);
    assert_err(cbor_in_end(&in, NULL), OK);
    start(&in, "\xd8\x12\x01", 3); /* tag 18 in two bytes */
    cbor_get_tag_exact(&in, 18);
    assert_err(cbor_in_end(&in, NULL), ERR_CANONICAL);
}

static void test_depth(void **state)
{
    (void)state;
    char deep[100000];
    struct cbor_in in;
    size_t len;
    memset(deep, '\x81', sizeof deep);
    start(&in, deep, sizeof deep);
    assert_null(cbor_get_raw(&in, &len));
    assert_err(cbor_in_end(&in, NULL), ERR_LIMIT);
}

/* Whatever the bytes, a raw item that is read encodes to itself; nothing reads outside. */
static void test_random(void **state)
{
    (void)state;
    for (int i = 0; i < 200000; i++) {
        uint8_t buf[24];
        size_t len;
        struct cbor_in in;
        random_bytes(buf, sizeof buf);
        size_t n = buf[23] % 23;
        uint8_t *exact = malloc(n + 1); /* so that the sanitizer sees a step too far */
        assert_non_null(exact);
        memcpy(exact, buf, n);
        cbor_in_init(&in, exact, n);
        const uint8_t *item = cbor_get_raw(&in, &len);
        assert_true(item == NULL ? len == 0 : len <= n);
        free(exact);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_uint_edges),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_first_error_stays),
        cmocka_unit_test(test_trailing_and_kinds),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_random),
    };
    return secret_init() == OK ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
