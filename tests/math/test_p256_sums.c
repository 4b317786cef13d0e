/* Sums of many lists against one addition after the other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ceremony/base/secret.h"
#include "ceremony/math/p256_sums.h"

#define POINTS 40
#define LISTS 300
#define LIST_MAX 40

struct points {
    struct p256_affine p[POINTS];
    uint32_t index[LISTS * LIST_MAX];
    size_t start[LISTS + 1];
    struct p256_affine sum[LISTS];
};

static unsigned below(unsigned n)
{
    uint32_t r;
    random_bytes(&r, sizeof r);
    return r % n;
}

/* Some random ones, their negatives, the identity. */
static void fill(struct points *x)
{
    struct p256_affine g;
    p256_generator(&g);
    for (int i = 0; i < POINTS; i++) {
        struct p256_jacobian j;
        scalar_t k;
        scalar_random(&k);
        assert_int_equal(p256_mul_var(&j, &k, &g), OK);
        p256_to_affine_var(&x->p[i], &j);
        if (i % 4 == 3)
            p256_neg(&x->p[i], &x->p[i - 1]);
    }
    memset(&x->p[0], 0, sizeof x->p[0]);
    x->p[1] = g;
}

static void check(const struct points *x, size_t lists)
{
    for (size_t i = 0; i < lists; i++) {
        struct p256_jacobian want, got;
        p256_zero(&want);
        for (size_t k = x->start[i]; k < x->start[i + 1]; k++)
            p256_add_affine_var(&want, &want, &x->p[x->index[k]]);
        p256_from_affine(&got, &x->sum[i]);
        assert_true(p256_equal_var(&want, &got));
    }
}

static void check_lists(enum p256_path path)
{
    struct points *x = calloc(1, sizeof *x);
    struct p256_sums *s;
    assert_non_null(x);
    assert_int_equal(p256_sums_new(&s, path), OK);
    fill(x);
    for (unsigned kinds = 1; kinds <= POINTS; kinds += 3) { /* few kinds: equal and opposite ones meet */
        for (size_t i = 0; i < LISTS; i++) {
            size_t n = i < 3 ? i : below(LIST_MAX);
            for (size_t k = 0; k < n; k++)
                x->index[x->start[i] + k] = below(kinds + 3 < POINTS ? kinds + 3 : POINTS);
            x->start[i + 1] = x->start[i] + n;
        }
        assert_int_equal(p256_sums_var(s, x->sum, x->p, x->index, x->start, LISTS), OK);
        check(x, LISTS);
    }
    assert_int_equal(p256_sums_var(s, x->sum, x->p, x->index, x->start, 0), OK);
    p256_sums_free(s);
    p256_sums_free(NULL);
    free(x);
}

static void test_lists(void **state)
{
    (void)state;
    check_lists(P256_PORTABLE);
    if (p256_path_available(P256_IFMA))
        check_lists(P256_IFMA);
}

/* One list of all. */
static void test_long(void **state)
{
    (void)state;
    struct points *x = calloc(1, sizeof *x);
    struct p256_sums *s;
    assert_non_null(x);
    assert_int_equal(p256_sums_new(&s, p256_path_best()), OK);
    fill(x);
    for (size_t k = 0; k < LISTS * LIST_MAX; k++)
        x->index[k] = below(POINTS);
    x->start[1] = LISTS * LIST_MAX;
    assert_int_equal(p256_sums_var(s, x->sum, x->p, x->index, x->start, 1), OK);
    check(x, 1);
    p256_sums_free(s);
    free(x);
}

int main(void)
{
    if (secret_init() != OK)
        return 1;
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_lists), cmocka_unit_test(test_long)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
