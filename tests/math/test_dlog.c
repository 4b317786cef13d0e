/* Baby-step giant-step: all of a range, its ends, and what lies outside. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ceremony/base/secret.h"
#include "ceremony/math/elgamal.h"

static void times_g(struct p256_jacobian *out, uint64_t v, int negative)
{
    struct p256_affine G;
    scalar_t k;
    p256_generator(&G);
    scalar_set(&k, v);
    if (negative)
        scalar_neg(&k, &k);
    assert_int_equal(p256_mul_var(out, &k, &G), OK);
}

static void check_range(uint64_t max)
{
    struct dlog *d;
    uint64_t values[] = {0, 1, 2, max / 2, max / 2 + 1, max - 1, max}, v;
    struct p256_jacobian M;
    assert_int_equal(dlog_new(&d, max), OK);
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        if (values[i] > max)
            continue;
        times_g(&M, values[i], 0);
        assert_int_equal(dlog_find_var(d, &v, &M, max), OK);
        assert_int_equal(v, values[i]);
        if (values[i] > 0)
            assert_int_equal(dlog_find_var(d, &v, &M, values[i] - 1), ERR_LIMIT);
    }
    for (uint64_t past = 1; past < 20; past++) {
        times_g(&M, max + past, 0);
        assert_int_equal(dlog_find_var(d, &v, &M, max), ERR_LIMIT);
        assert_int_equal(v, 0);
        times_g(&M, past, 1); /* -1, -2, ... have the x-coordinate of 1, 2, ... */
        assert_int_equal(dlog_find_var(d, &v, &M, max), ERR_LIMIT);
    }
    dlog_free(d);
}

static void test_ends(void **state)
{
    (void)state;
    static const uint64_t max[] = {1, 2, 3, 4, 5, 7, 10, 100, 900, 65535, 65536, 1000003, 160000000};
    for (size_t i = 0; i < sizeof max / sizeof max[0]; i++)
        check_range(max[i]);
}

static void test_range_of_zero(void **state)
{
    (void)state;
    struct dlog *d;
    struct p256_jacobian M;
    uint64_t v;
    assert_int_equal(dlog_new(&d, 0), OK);
    p256_zero(&M);
    assert_int_equal(dlog_find_var(d, &v, &M, 0), OK);
    assert_int_equal(v, 0);
    times_g(&M, 1, 0);
    assert_int_equal(dlog_find_var(d, &v, &M, 0), ERR_LIMIT);
    dlog_free(d);
}

static void test_every_value(void **state)
{
    (void)state;
    struct dlog *d;
    struct p256_jacobian M;
    struct p256_affine G;
    uint64_t v;
    p256_generator(&G);
    p256_zero(&M);
    assert_int_equal(dlog_new(&d, 1500), OK);
    for (uint64_t i = 0; i <= 1500; i++) {
        assert_int_equal(dlog_find_var(d, &v, &M, 1500), OK);
        assert_int_equal(v, i);
        p256_add_affine_var(&M, &M, &G);
    }
    assert_int_equal(dlog_find_var(d, &v, &M, 1500), ERR_LIMIT);
    assert_int_equal(dlog_find_var(d, &v, &M, 3000), OK); /* a larger range than the table was made for */
    assert_int_equal(v, 1501);
    dlog_free(d);
}

static void test_not_small(void **state)
{
    (void)state;
    struct dlog *d;
    struct p256_jacobian M;
    struct p256_affine G;
    scalar_t k;
    uint64_t v;
    p256_generator(&G);
    scalar_random(&k);
    assert_int_equal(p256_mul_var(&M, &k, &G), OK);
    assert_int_equal(dlog_new(&d, 1000000), OK);
    assert_int_equal(dlog_find_var(d, &v, &M, 1000000), ERR_LIMIT);
    assert_int_equal(dlog_find_var(d, &v, &M, UINT64_MAX), ERR_BUG);
    dlog_free(d);
    assert_int_equal(dlog_new(&d, UINT64_MAX), ERR_BUG);
    assert_null(d);
}

int main(void)
{
    if (secret_init() != OK)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_range_of_zero),
        cmocka_unit_test(test_every_value),
        cmocka_unit_test(test_not_small),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
