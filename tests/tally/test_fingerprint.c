#include "tally/fingerprint.h"
#include "tests/support/unit.h"

static void each_kind_travels(void **state)
{
    (void)state;
    for (int k = FINGERPRINT_ELECTION; k <= FINGERPRINT_PLAN; k++) {
        struct cbor_out o = CBOR_OUT_INIT;
        enum fingerprint_kind kind;
        hash_t h, back;
        struct fault f;
        memset(&h, 7 + k, sizeof h);
        fingerprint_write(&o, (enum fingerprint_kind)k, &h);
        assert_err(o.err, OK);
        assert_err(fingerprint_parse(&kind, &back, o.data, o.len, &f), OK);
        assert_int_equal(kind, k);
        assert_memory_equal(&back, &h, sizeof h);
        for (size_t len = 0; len < o.len; len++)
            assert_err(fingerprint_parse(&kind, &back, o.data, len, &f), ERR_TRUNCATED);
        cbor_put_null(&o);
        assert_err(fingerprint_parse(&kind, &back, o.data, o.len, &f), ERR_TRAILING);
        cbor_out_free(&o);
    }
}

static err_t parse(const char *label, const char *name, size_t hash_len)
{
    static const hash_t zero;
    uint8_t bytes[64];
    struct cbor_out o = CBOR_OUT_INIT;
    enum fingerprint_kind kind;
    hash_t h;
    memset(bytes, 5, sizeof bytes);
    cbor_put_array(&o, 3);
    cbor_put_text(&o, label);
    cbor_put_text(&o, name);
    cbor_put_bytes(&o, bytes, hash_len);
    err_t e = fingerprint_parse(&kind, &h, o.data, o.len, NULL);
    if (e != OK)
        assert_memory_equal(&h, &zero, sizeof h);
    cbor_out_free(&o);
    return e;
}

static void others_are_refused(void **state)
{
    (void)state;
    assert_err(parse("conclave/fingerprint", "roster", HASH_LEN), OK);
    assert_err(parse("conclave/fingerprint", "key", HASH_LEN), ERR_UNKNOWN);
    assert_err(parse("conclave/fingerprint", "", HASH_LEN), ERR_UNKNOWN);
    assert_err(parse("conclave/fingerprint", "plans", HASH_LEN), ERR_UNKNOWN);
    assert_err(parse("conclave/anchor", "roster", HASH_LEN), ERR_FORMAT);
    assert_int_not_equal(parse("conclave/fingerprint", "roster", HASH_LEN - 1), OK);
    assert_int_not_equal(parse("conclave/fingerprint", "roster", HASH_LEN + 1), OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_travels),
        cmocka_unit_test(others_are_refused),
    };
    return cmocka_run_group_tests_name("fingerprint", tests, NULL, NULL);
}
