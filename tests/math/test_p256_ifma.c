/* Vectors of field elements against GMP, where carries and the last subtraction are hardest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <gmp.h>

#include "ceremony/base/secret.h"
#include "ceremony/math/p256_ifma.h"

#if P256_HAVE_IFMA
#include "ceremony/math/p256_ifma_field.h"

static void field_order(mpz_t p)
{
    mpz_init_set_str(p, "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff", 16);
}

/* A value into one lane of clean limbs. */
static void lane_set(uint64_t limb[5][8], int lane, const mpz_t v)
{
    mpz_t t;
    mpz_init_set(t, v);
    for (int i = 0; i < 5; i++) {
        limb[i][lane] = mpz_get_ui(t) & (uint64_t)FV_MASK;
        mpz_fdiv_q_2exp(t, t, 52);
    }
    assert_int_equal(mpz_sgn(t), 0);
    mpz_clear(t);
}

static void lane_get(mpz_t v, uint64_t limb[5][8], int lane, int is_clean)
{
    mpz_set_ui(v, 0);
    for (int i = 4; i >= 0; i--) {
        uint64_t l = limb[i][lane];
        if (is_clean)
            assert_true(l <= (uint64_t)FV_MASK);
        mpz_mul_2exp(v, v, 52);
        mpz_add_ui(v, v, l & (uint64_t)FV_MASK);
    }
}

IFMA_INLINE fv_t load(uint64_t limb[5][8])
{
    fv_t a;
    for (int i = 0; i < 5; i++)
        a.l[i] = _mm512_loadu_si512(limb[i]);
    return a;
}

IFMA_INLINE void store(uint64_t limb[5][8], fv_t a)
{
    for (int i = 0; i < 5; i++)
        _mm512_storeu_si512(limb[i], a.l[i]);
}

typedef uint64_t limbs_t[5][8];

static IFMA_TARGET void run_mul(limbs_t out, limbs_t a, limbs_t b)
{
    store(out, fv_mul(load(a), load(b)));
}

static IFMA_TARGET void run_sqr(limbs_t out, limbs_t a)
{
    store(out, fv_sqr(load(a)));
}

static IFMA_TARGET void run_canonical(limbs_t out, limbs_t a)
{
    store(out, fv_canonical(load(a)));
}

/* The same sum in limbs of both signs. */
static IFMA_TARGET void run_canonical_of_difference(limbs_t out, limbs_t a, limbs_t b)
{
    store(out, fv_canonical(fv_sub_wide(load(a), load(b))));
}

static IFMA_TARGET void run_pack(limbs_t out, limbs_t a)
{
    __m512i w[4];
    fv_pack(w, load(a));
    store(out, fv_unpack(w));
}

/* k p + d for small k and d, 2^256 + d, k 2^208 + d, then random below 2^bits. */
static void edge(mpz_t v, const mpz_t p, unsigned n, unsigned bits)
{
    int d = (int)(n % 5) - 2;
    unsigned k = n / 5;
    if (k < 8) {
        mpz_mul_ui(v, p, k);
    } else if (k < 24) {
        mpz_set_ui(v, 1);
        mpz_mul_2exp(v, v, 52 * (k % 4 + 1) + (k / 4 - 2) * 12);
    } else {
        uint8_t b[40];
        random_bytes(b, sizeof b);
        if (n % 3 == 0)
            memset(b + n % 20, n % 2 ? 0xff : 0, 16);
        mpz_import(v, sizeof b, 1, 1, 0, 0, b);
        d = 0;
    }
    if (d < 0)
        mpz_sub_ui(v, v, (unsigned)-d);
    else
        mpz_add_ui(v, v, (unsigned)d);
    if (mpz_sgn(v) < 0)
        mpz_neg(v, v);
    mpz_fdiv_r_2exp(v, v, bits);
}

#define EDGES 400

/* out = a b / 2^260 modulo p, and below 2p for factors below 4p */
static void assert_product(limbs_t out, limbs_t a, limbs_t b, const mpz_t p)
{
    mpz_t x, y, z;
    mpz_inits(x, y, z, NULL);
    for (int lane = 0; lane < 8; lane++) {
        lane_get(x, a, lane, 1);
        lane_get(y, b, lane, 1);
        lane_get(z, out, lane, 0);
        mpz_mul(x, x, y);
        mpz_mul_2exp(y, z, 260);
        mpz_sub(x, x, y);
        assert_int_equal(mpz_divisible_p(x, p), 1);
        mpz_sub(z, z, p);
        assert_true(mpz_cmp(z, p) < 0);
    }
    mpz_clears(x, y, z, NULL);
}

static void test_products(void **state)
{
    (void)state;
    if (!p256_ifma_available())
        skip();
    mpz_t p, v;
    limbs_t a, b, out;
    field_order(p);
    mpz_init(v);
    for (unsigned n = 0; n < EDGES; n++) {
        for (unsigned lane = 0; lane < 8; lane++) {
            edge(v, p, n, 258);
            lane_set(a, (int)lane, v);
            edge(v, p, n * 7 + lane * 31, 258);
            lane_set(b, (int)lane, v);
        }
        run_mul(out, a, b);
        assert_product(out, a, b, p);
        run_sqr(out, b);
        assert_product(out, b, b, p);
    }
    mpz_clears(p, v, NULL);
}

static void test_canonical(void **state)
{
    (void)state;
    if (!p256_ifma_available())
        skip();
    mpz_t p, v, w, got;
    limbs_t a, b, out;
    field_order(p);
    mpz_inits(v, w, got, NULL);
    for (unsigned n = 0; n < EDGES; n++) {
        for (unsigned lane = 0; lane < 8; lane++) {
            edge(v, p, n + lane, 259);
            lane_set(a, (int)lane, v);
            edge(w, p, n * 3 + lane * 17, 259);
            if (mpz_cmp(w, v) > 0)
                mpz_set(w, v);
            lane_set(b, (int)lane, w);
        }
        for (int difference = 0; difference < 2; difference++) {
            if (difference)
                run_canonical_of_difference(out, a, b);
            else
                run_canonical(out, a);
            for (int lane = 0; lane < 8; lane++) {
                lane_get(v, a, lane, 1);
                lane_get(w, b, lane, 1);
                if (difference)
                    mpz_sub(v, v, w);
                mpz_mod(v, v, p);
                lane_get(got, out, lane, 1);
                assert_int_equal(mpz_cmp(v, got), 0);
            }
        }
        limbs_t again;
        run_pack(again, out);
        assert_memory_equal(again, out, sizeof out);
    }
    mpz_clears(p, v, w, got, NULL);
}

static int setup(void **state)
{
    (void)state;
    return secret_init();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_products),
        cmocka_unit_test(test_canonical),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}

#else
static void test_absent(void **state)
{
    (void)state;
    print_message("no AVX-512 IFMA on this architecture\n");
    skip();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_absent)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
#endif
