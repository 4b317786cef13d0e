/* Collecting the parts of a message in any order, with strangers among them. */
#include "tests/support/unit.h"

#include "ceremony/base/secret.h"
#include "ui/qr_collect.h"

static struct fault f;

static void test_any_order(void **state)
{
    uint8_t data[700], *back;
    size_t len;
    char kind, missing[64];
    struct qrtext t, other;
    struct qr_collect c = {0};
    (void)state;
    random_bytes(data, sizeof data);
    assert_err(qrtext_split_parts(&t, QRTEXT_ENTRY, data, sizeof data, 100), OK);
    assert_err(qrtext_split_parts(&other, QRTEXT_ENTRY, data, sizeof data - 1, 100), OK);
    assert_int_equal(t.count, 7);
    qr_collect_missing(&c, missing, sizeof missing);
    assert_string_equal(missing, "");
    assert_false(qr_collect_complete(&c));
    assert_err(qr_collect_join(&c, &back, &len, &kind, &f), ERR_MISSING);
    static const size_t order[] = {3, 0, 6, 3, 4};
    for (size_t i = 0; i < 5; i++)
        assert_err(qr_collect_add(&c, t.part[order[i]]), i == 3 ? ERR_DONE : OK);
    assert_err(qr_collect_add(&c, other.part[1]), ERR_CONFLICT);
    assert_err(qr_collect_add(&c, "HTTPS://EXAMPLE.ORG"), ERR_FORMAT);
    assert_err(qr_collect_add(&c, "CONCLAVE2:E:1/1:00000000:00"), ERR_VERSION);
    qr_collect_missing(&c, missing, sizeof missing);
    assert_string_equal(missing, "2-3, 6");
    qr_collect_missing(&c, missing, 4);
    assert_string_equal(missing, "2-3");
    assert_int_equal(c.have, 4);
    for (size_t i = 0; i < t.count; i++)
        if (c.text[i] == NULL)
            assert_err(qr_collect_add(&c, t.part[i]), OK);
    assert_true(qr_collect_complete(&c));
    assert_err(qr_collect_join(&c, &back, &len, &kind, &f), OK);
    assert_int_equal(kind, QRTEXT_ENTRY);
    assert_int_equal(len, sizeof data);
    assert_memory_equal(back, data, len);
    free(back);
    qr_collect_clear(&c);
    assert_err(qr_collect_add(&c, other.part[1]), OK);
    qr_collect_clear(&c);
    qrtext_free(&t);
    qrtext_free(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_any_order)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
