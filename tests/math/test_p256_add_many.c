/* Additions that share an inversion, and multi-scalar multiplication of many different points, on every path
 * against one addition after the other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ceremony/base/secret.h"
#include "ceremony/math/p256_add_many.h"

static const enum p256_path paths[] = {P256_PORTABLE, P256_IFMA};
#define PATHS (sizeof paths / sizeof paths[0])

/* out[i] = (i + 1) G */
static void multiples(struct p256_affine *out, size_t count)
{
    struct p256_jacobian *j = calloc(count, sizeof *j);
    struct p256_affine g;
    assert_non_null(j);
    p256_generator(&g);
    p256_from_affine(&j[0], &g);
    for (size_t i = 1; i < count; i++)
        p256_add_affine_var(&j[i], &j[i - 1], &g);
    assert_int_equal(p256_to_affine_many_var(out, j, count), OK);
    free(j);
}

static uint32_t random_below(uint32_t n)
{
    uint32_t r;
    random_bytes(&r, sizeof r);
    return r % n;
}

#define POINTS 40
#define FROM (POINTS + 3)
#define MOST 9000

/* Points, the identity twice, and one with x = 0. */
static void make_from(struct p256_affine from[FROM])
{
    point_t zero_x;
    multiples(from, POINTS);
    memset(&from[POINTS], 0, 2 * sizeof *from);
    memset(&zero_x, 0, sizeof zero_x);
    zero_x.b[0] = 2;
    assert_int_equal(p256_decompress_var(&from[POINTS + 2], &zero_x), OK);
}

/* Of all kinds, or only those that are plain: the fewer of the others, the more vectors have just one. */
static void pick_pair(uint32_t *a, uint32_t *b, unsigned plain)
{
    *a = random_below(FROM);
    *b = random_below(8) == 0 ? *a : random_below(FROM);
    if (random_below(100) < plain) {
        *a = random_below(POINTS / 2);
        *b = POINTS / 2 + random_below(POINTS / 2);
    }
    *a |= random_below(4) * ADDITION_OTHER; /* and the next bit is ADDITION_MINUS */
    *b |= random_below(4) * ADDITION_OTHER;
}

static void slow_sum(struct p256_affine *out, const struct p256_affine *from, uint32_t a, uint32_t b)
{
    struct p256_affine x, y;
    struct p256_jacobian j;
    addition_summand(&x, &from[a & ADDITION_INDEX], a);
    addition_summand(&y, &from[b & ADDITION_INDEX], b);
    p256_from_affine(&j, &x);
    p256_add_affine_var(&j, &j, &y);
    p256_to_affine_var(out, &j);
}

static void test_additions(void **state)
{
    (void)state;
    static const size_t counts[] = {1, 2, 7, 8, 9, 31, 32, 33, 63, 64, 65, 200, 4095, 4096, 4097, MOST};
    static struct p256_affine from[FROM], other[FROM], got[MOST], want[MOST];
    static uint32_t a[MOST], b[MOST];
    make_from(from);
    memcpy(other, from, sizeof other);
    for (size_t n = 0; n < 3 * sizeof counts / sizeof counts[0]; n++) {
        size_t count = counts[n / 3];
        for (size_t i = 0; i < count; i++) {
            pick_pair(&a[i], &b[i], n % 3 == 0 ? 0 : n % 3 == 1 ? 97 : 100);
            slow_sum(&want[i], from, a[i], b[i]);
        }
        for (size_t k = 0; k < PATHS; k++) {
            struct additions *q;
            if (!p256_path_available(paths[k])) {
                assert_int_equal(additions_new(&q, paths[k], count), ERR_BUG);
                assert_null(q);
                continue;
            }
            memset(got, 0xa5, sizeof got);
            assert_int_equal(additions_new(&q, paths[k], n % 2 ? count : 1), OK);
            additions_from(q, got, from, other);
            for (size_t i = 0; i < count; i++) /* from the end: sums are not in order of places */
                additions_put(q, (uint32_t)(count - 1 - i), a[count - 1 - i], b[count - 1 - i]);
            additions_flush(q);
            additions_free(q);
            assert_memory_equal(got, want, count * sizeof *got);
        }
    }
}

/* Runs, and sums in the place of a summand; every run of 1 to 300 and one over several flushes. */
static void test_runs(void **state)
{
    (void)state;
    static struct p256_affine from[MOST], got[MOST], want[MOST];
    multiples(from, MOST);
    for (size_t k = 0; k < PATHS; k++) {
        struct additions *q;
        if (!p256_path_available(paths[k]))
            continue;
        assert_int_equal(additions_new(&q, paths[k], 1000 * k), OK);
        for (size_t n = 0; n <= 301; n++) {
            size_t run = n == 301 ? MOST / 2 : n;
            for (size_t i = 0; i < run; i++)
                slow_sum(&want[i], from, (uint32_t)i, (uint32_t)(run + i));
            memcpy(got, from, sizeof got);
            additions_from(q, got, got, NULL);
            additions_put_run(q, 0, 0, (uint32_t)run, run);
            additions_flush(q);
            assert_memory_equal(got, want, run * sizeof *got);
            assert_memory_equal(got + run, from + run, sizeof got - run * sizeof *got);
        }
        additions_free(q);
    }
}

/* sum k[i] (i + 1) G */
static void check_msm(const struct p256_affine *p, const scalar_t *k, size_t count, unsigned bits)
{
    scalar_t sum, t;
    struct p256_affine g;
    struct p256_jacobian want, got;
    p256_generator(&g);
    scalar_set(&sum, 0);
    for (size_t i = 0; i < count; i++) {
        scalar_set(&t, i + 1);
        scalar_mul(&t, &t, &k[i]);
        scalar_add(&sum, &sum, &t);
    }
    assert_int_equal(p256_mul_var(&want, &sum, &g), OK);
    for (size_t i = 0; i < PATHS; i++) {
        if (!p256_path_available(paths[i]))
            continue;
        assert_int_equal(p256_msm_on_var(paths[i], &got, k, p, count, bits), OK);
        assert_true(p256_equal_var(&got, &want));
    }
}

static void test_msm_many(void **state)
{
    (void)state;
    static const size_t counts[] = {65, 777, 8193, 66000};
    struct p256_affine *p = calloc(66000, sizeof *p);
    scalar_t *k = calloc(66000, sizeof *k);
    multiples(p, 66000);
    for (size_t n = 0; n < sizeof counts / sizeof counts[0]; n++) {
        for (size_t i = 0; i < counts[n]; i++)
            scalar_random(&k[i]);
        check_msm(p, k, counts[n], 256);
        for (size_t i = 0; i < counts[n]; i++)
            memset(k[i].b, 0, 16);
        check_msm(p, k, counts[n], 128);
        for (size_t i = 0; i < counts[n]; i++) /* short ones among them, and one window only */
            memset(k[i].b, 0, i % 3 == 0 ? 30 : 32);
        check_msm(p, k, counts[n], 128);
    }
    free(p);
    free(k);
}

static int setup(void **state)
{
    (void)state;
    return secret_init();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_additions),
        cmocka_unit_test(test_runs),
        cmocka_unit_test(test_msm_many),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
