/* The public-data scalars against the constant-time ones (GMP), at random and near 0 and q. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ceremony/base/secret.h"
#include "ceremony/math/scalar_var.h"

static void pick(scalar_t *out, int i)
{
    if (i < 4) {
        scalar_set(out, (uint64_t)i);
    } else if (i < 8) {
        scalar_set(out, (uint64_t)i - 3);
        scalar_neg(out, out);
    } else if (i < 10) {
        memset(out->b, i == 8 ? 0x7f : 0xff, SCALAR_LEN);
        out->b[3] = 0xfe;
    } else {
        scalar_random(out);
    }
}

static void assert_scalar(const scalar_var_t *got, const scalar_t *want)
{
    scalar_t s;
    scalar_var_store(&s, got);
    assert_memory_equal(&s, want, sizeof s);
}

static void test_arithmetic(void **state)
{
    (void)state;
    for (int i = 0; i < 30; i++) {
        for (int j = 0; j < 30; j++) {
            scalar_t a, b, want;
            scalar_var_t x, y, r;
            scalar_factor_t f;
            pick(&a, i);
            pick(&b, j);
            assert_int_equal(scalar_var_load(&x, &a), OK);
            assert_int_equal(scalar_var_load(&y, &b), OK);
            scalar_add(&want, &a, &b);
            scalar_var_add(&r, &x, &y);
            assert_scalar(&r, &want);
            scalar_sub(&want, &a, &b);
            scalar_var_sub(&r, &x, &y);
            assert_scalar(&r, &want);
            scalar_mul(&want, &a, &b);
            scalar_var_factor(&f, &x);
            scalar_var_mul(&r, &f, &y);
            assert_scalar(&r, &want);
            scalar_add(&want, &want, &b);
            r = y;
            scalar_var_mul_add(&r, &f, &y);
            assert_scalar(&r, &want);
        }
    }
}

/* Sums of products of 128 by 256 bits, reduced once: the same as reduced each time. */
static void test_wide(void **state)
{
    (void)state;
    for (int rounds = 0; rounds < 20; rounds++) {
        scalar_wide_t sum = {{0}}, half = {{0}};
        scalar_t want, a, b;
        scalar_var_t r, y;
        scalar_set(&want, 0);
        for (int i = 0; i < 200; i++) {
            uint64_t w[2];
            random_bytes(w, sizeof w);
            if (i < 20)
                w[0] = w[1] = UINT64_MAX;
            pick(&b, i % 30);
            assert_int_equal(scalar_var_load(&y, &b), OK);
            scalar_var_store(&a, &(scalar_var_t){{w[0], w[1], 0, 0}});
            scalar_mul(&a, &a, &b);
            scalar_add(&want, &want, &a);
            scalar_wide_mul_add(i % 2 ? &sum : &half, w, &y);
        }
        scalar_wide_add(&sum, &half);
        scalar_wide_reduce(&r, &sum);
        assert_scalar(&r, &want);
    }
    scalar_wide_t top;
    scalar_t want;
    scalar_var_t r;
    memset(&top, 0xff, sizeof top); /* 2^448 - 1 */
    scalar_reduce(&want, (const uint8_t *)&top, sizeof top);
    scalar_wide_reduce(&r, &top);
    assert_scalar(&r, &want);
}

static void test_load(void **state)
{
    (void)state;
    scalar_t s;
    scalar_var_t x;
    static const scalar_var_t zero;
    memcpy(s.b, group_order, SCALAR_LEN);
    assert_int_equal(scalar_var_load(&x, &s), ERR_SCALAR);
    assert_memory_equal(&x, &zero, sizeof x);
    memset(s.b, 0xff, SCALAR_LEN);
    assert_int_equal(scalar_var_load(&x, &s), ERR_SCALAR);
    scalar_set(&s, 77);
    scalar_var_set(&x, 77);
    assert_scalar(&x, &s);
}

int main(void)
{
    if (secret_init() != OK)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arithmetic),
        cmocka_unit_test(test_wide),
        cmocka_unit_test(test_load),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
