/* The variable-time kernel against OpenSSL (through group.h), on random and edge inputs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ceremony/base/secret.h"
#include "ceremony/math/p256_field.h"
#include "ceremony/math/p256_path.h"

#define POOL 64

struct fixture {
    struct group *g;
    scalar_t k[POOL]; /* pool point i = k[i] G; 0 is the identity, 1 is G, 2 is -G */
    point_t p[POOL];
    struct p256_affine a[POOL];
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_int_equal(secret_init(), OK);
    assert_int_equal(group_new(&f->g), OK);
    for (int i = 0; i < POOL; i++) {
        if (i < 2)
            scalar_set(&f->k[i], (uint64_t)i);
        else if (i == 2)
            scalar_neg(&f->k[2], &f->k[1]);
        else
            scalar_random(&f->k[i]);
        assert_int_equal(point_mul_base(f->g, &f->p[i], &f->k[i]), OK);
        assert_int_equal(p256_decompress_sum_var(&f->a[i], &f->p[i]), OK);
    }
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    group_free(f->g);
    free(f);
    return 0;
}

static void assert_point(const struct p256_jacobian *got, const point_t *want)
{
    point_t p;
    p256_compress_var(&p, got);
    assert_memory_equal(&p, want, sizeof p);
}

/* A Jacobian form of a pool point with z != 1. */
static void pool_jacobian(struct p256_jacobian *out, const struct fixture *f, int i)
{
    struct p256_jacobian t;
    scalar_t two;
    struct p256_affine minus;
    scalar_set(&two, 2);
    assert_int_equal(p256_mul_var(&t, &two, &f->a[i]), OK);
    p256_neg(&minus, &f->a[i]);
    p256_add_affine_var(out, &t, &minus);
}

static void test_field(void **state)
{
    (void)state;
    static const uint8_t p_bytes[32] = {0xff, 0xff, 0xff, 0xff, 0,    0,    0,    1,    0,    0,    0,
                                        0,    0,    0,    0,    0,    0,    0,    0,    0,    0xff, 0xff,
                                        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    uint8_t b[32], back[32];
    fe_t x, y, z;
    assert_int_equal(fe_load(x, p_bytes), 0);
    memset(b, 0xff, sizeof b);
    assert_int_equal(fe_load(x, b), 0);
    memcpy(b, p_bytes, sizeof b);
    b[31] = 0xfe; /* p - 1 = -1 */
    assert_int_equal(fe_load(x, b), 1);
    fe_store(back, x);
    assert_memory_equal(b, back, sizeof b);
    fe_sqr(y, x);
    assert_true(fe_equal(y, fe_one));
    fe_add(y, x, fe_one);
    assert_true(fe_is_zero(y));
    fe_invert(z, y);
    assert_true(fe_is_zero(z));
    fe_invert_var(z, y);
    assert_true(fe_is_zero(z));
    for (int i = 0; i < 300; i++) { /* few bits set, so that limbs are zero and quotients long */
        fe_zero(x);
        x[i % 4] = UINT64_C(1) << i % 64;
        x[i / 75] |= (uint64_t)(i % 3);
        fe_invert(y, x);
        fe_invert_var(z, x);
        assert_true(fe_equal(y, z));
    }
    for (int i = 0; i < 200; i++) {
        random_bytes(b, sizeof b);
        if (i % 4 == 0) /* long runs of ones and zeros carry further */
            memset(b + i % 24, i % 8 == 0 ? 0xff : 0, 8);
        if (!fe_load(x, b))
            continue;
        fe_sqr(y, x);
        fe_mul(z, x, x);
        assert_true(fe_equal(y, z));
        fe_sqrt_many(&z, (const fe_t *)&y, 1);
        fe_sqr(z, z);
        assert_true(fe_equal(y, z));
        fe_invert(y, x);
        fe_invert_var(z, x);
        assert_true(fe_equal(y, z));
        fe_mul(y, y, x);
        assert_true(fe_equal(y, fe_one));
        fe_neg(y, x);
        fe_add(y, y, x);
        assert_true(fe_is_zero(y));
    }
}

static void test_decompress(void **state)
{
    struct fixture *f = *state;
    struct p256_affine a;
    point_t p, back;
    int good = 0;
    for (int i = 0; i < 300; i++) {
        random_bytes(p.b, sizeof p.b);
        p.b[0] = (uint8_t)(i % 6);
        err_t want = point_check(f->g, &p);
        assert_int_equal(p256_decompress_var(&a, &p), want);
        p256_compress(&back, &a);
        if (want == OK) {
            assert_memory_equal(&p, &back, sizeof p);
            good++;
        } else {
            assert_true(point_is_identity(&back)); /* zeroed on error */
        }
    }
    assert_true(good > 10);
    uint8_t full[65];
    assert_int_equal(point_uncompress(f->g, full, &f->p[5]), OK);
    assert_int_equal(p256_decompress_var(&a, &f->p[5]), OK);
    uint8_t y[32];
    fe_store(y, a.y);
    assert_memory_equal(y, full + 33, 32);
}

static void test_decompress_refused(void **state)
{
    struct fixture *f = *state;
    struct p256_affine a;
    point_t p;
    assert_int_equal(p256_decompress_var(&a, &f->p[0]), ERR_POINT); /* identity */
    assert_int_equal(p256_decompress_sum_var(&a, &f->p[0]), OK);
    memset(&p, 0, sizeof p);
    p.b[32] = 1;
    assert_int_equal(p256_decompress_sum_var(&a, &p), ERR_POINT);
    p = f->p[1];
    p.b[0] = 4;
    assert_int_equal(p256_decompress_var(&a, &p), ERR_POINT);
    memset(p.b, 0xff, sizeof p.b); /* x >= p */
    p.b[0] = 2;
    assert_int_equal(p256_decompress_var(&a, &p), ERR_POINT);
    memset(p.b, 0, sizeof p.b); /* x = 0 is a point; x = p is the same in other bytes */
    p.b[0] = 2;
    assert_int_equal(p256_decompress_var(&a, &p), OK);
    static const uint8_t p_point[33] = {2,    0xff, 0xff, 0xff, 0xff, 0,    0,    0,    1,    0,    0,
                                        0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0xff,
                                        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    memcpy(p.b, p_point, sizeof p.b);
    assert_int_equal(p256_decompress_var(&a, &p), ERR_POINT);
}

static const enum p256_path paths[] = {P256_PORTABLE, P256_IFMA};
#define PATHS (sizeof paths / sizeof paths[0])

/* What one at a time makes of them: the reference for many. Returns the index of the first bad one. */
static size_t one_by_one(struct p256_affine *out, const point_t *in, size_t count, int sums)
{
    size_t bad = count;
    for (size_t i = count; i-- > 0;)
        if ((sums ? p256_decompress_sum_var(&out[i], &in[i]) : p256_decompress_var(&out[i], &in[i])) != OK)
            bad = i;
    return bad;
}

static const uint8_t field_p[32] = {0xff, 0xff, 0xff, 0xff, 0,    0,    0,    1,    0,    0,    0,
                                    0,    0,    0,    0,    0,    0,    0,    0,    0,    0xff, 0xff,
                                    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

/* Good points, and with mischief > 0 about one in so many bad in one of eight ways. */
static void make_compressed(const struct fixture *f, point_t *in, size_t count, unsigned mischief)
{
    for (size_t i = 0; i < count; i++) {
        uint8_t r[2];
        random_bytes(r, sizeof r);
        in[i] = f->p[1 + i * 5 % (POOL - 1)];
        if (i % 11 == 3)
            memset(in[i].b + 1, 0, 32); /* x = 0 */
        if (mischief == 0 || r[0] % mischief != 0)
            continue;
        switch (r[1] % 8) {
        case 0:
            memset(&in[i], 0, sizeof in[i]);
            break;
        case 1:
            memset(in[i].b + 1, 0xff, 32);
            break;
        case 2:
            memcpy(in[i].b + 1, field_p, 32);
            break;
        case 3:
            in[i].b[0] = 4;
            break;
        case 4:
            in[i].b[0] = 0;
            break;
        case 5:
            random_bytes(in[i].b + 1, 32);
            break; /* half of these are right */
        case 6:
            memcpy(in[i].b + 1, field_p, 32), in[i].b[32]--;
            break; /* x = -1 */
        default:
            in[i].b[r[0] % 32 + 1] ^= 1;
        }
    }
}

static void test_decompress_many(void **state)
{
    struct fixture *f = *state;
    enum { MOST = 600 };
    static point_t in[MOST];
    static struct p256_affine out[MOST], want[MOST];
    for (size_t n = 0; n < 60; n++) {
        size_t count = n < 40 ? n : 8 * n, bad;
        make_compressed(f, in, count, n % 3 == 0 ? 0 : (unsigned)(n % 3 == 1 ? 2 : 40));
        for (size_t k = 0; k < PATHS; k++) {
            if (!p256_path_available(paths[k])) {
                assert_int_equal(p256_decompress_many_on_var(paths[k], out, in, count, &bad), ERR_BUG);
                continue;
            }
            for (int sums = 0; sums < 2; sums++) {
                size_t first = one_by_one(want, in, count, sums);
                memset(out, 0xa5, sizeof out);
                err_t e = sums ? p256_decompress_sums_on_var(paths[k], out, in, count, &bad)
                               : p256_decompress_many_on_var(paths[k], out, in, count, &bad);
                assert_int_equal(e, first == count ? OK : ERR_POINT);
                assert_int_equal(bad, first);
                assert_memory_equal(out, want, count * sizeof *out);
            }
        }
        if (n % 3 == 0)
            assert_int_equal(p256_decompress_many_var(out, in, count, &bad), OK);
    }
}

/* Hints of good points, and with mischief bad ones. what[i]: whether the hint should be taken. */
static void make_hints(const struct fixture *f, point_t *in, uint8_t (*y)[32], uint8_t *what, size_t count,
                       unsigned mischief)
{
    for (size_t i = 0; i < count; i++) {
        uint8_t full[65], r[2];
        random_bytes(r, sizeof r);
        in[i] = f->p[1 + i * 5 % (POOL - 1)];
        assert_int_equal(point_uncompress(f->g, full, &in[i]), OK);
        memcpy(y[i], full + 33, 32);
        what[i] = mischief == 0 || r[0] % mischief != 0;
        if (what[i])
            continue;
        switch (r[1] % 7) {
        case 0:
            in[i].b[0] ^= 1;
            break; /* the other parity */
        case 1:
            y[i][r[0] % 32] ^= 2;
            break;
        case 2:
            memset(y[i], 0xff, 32);
            break;
        case 3:
            memset(y[i], 0, 32);
            break;
        case 4:
            memset(&in[i], 0, sizeof in[i]);
            break;
        case 5:
            memset(in[i].b + 1, 0xff, 32);
            break;
        default:
            memcpy(y[i], in[i].b + 1, 32);
        }
    }
}

static void test_lift_many(void **state)
{
    struct fixture *f = *state;
    enum { MOST = 600 };
    static point_t in[MOST];
    static uint8_t y[MOST][32], what[MOST];
    static struct p256_affine out[MOST], want[MOST];
    for (size_t n = 0; n < 60; n++) {
        size_t count = n < 40 ? n : 8 * n, bad, first = count, ignore;
        make_hints(f, in, y, what, count, n % 3 == 0 ? 0 : (unsigned)(n % 3 == 1 ? 2 : 40));
        for (size_t i = count; i-- > 0;)
            if (!what[i])
                first = i;
        (void)!p256_decompress_many_on_var(P256_PORTABLE, want, in, count, &ignore);
        for (size_t i = 0; i < count; i++)
            if (!what[i])
                memset(&want[i], 0, sizeof want[i]);
        for (size_t k = 0; k < PATHS; k++) {
            if (!p256_path_available(paths[k]))
                continue;
            memset(out, 0xa5, sizeof out);
            err_t e = p256_lift_many_on_var(paths[k], out, in, (const uint8_t(*)[32])y, count, &bad);
            assert_int_equal(e, first == count ? OK : ERR_POINT);
            assert_int_equal(bad, first);
            assert_memory_equal(out, want, count * sizeof *out);
        }
    }
}

/* The other root, and y = p, which is 0 in other bytes. */
static void test_lift_refused(void **state)
{
    (void)state;
    uint8_t y[1][32];
    struct p256_affine p, out;
    point_t in;
    fe_t t;
    size_t bad;
    memset(&in, 0, sizeof in); /* x = 0 */
    in.b[0] = 2;
    assert_int_equal(p256_decompress_var(&p, &in), OK);
    fe_store(y[0], p.y);
    assert_int_equal(p256_lift_many_var(&out, &in, (const uint8_t(*)[32])y, 1, &bad), OK);
    assert_memory_equal(&out, &p, sizeof p);
    fe_neg(t, p.y);
    fe_store(y[0], t);
    assert_int_equal(p256_lift_many_var(&out, &in, (const uint8_t(*)[32])y, 1, &bad), ERR_POINT);
    assert_int_equal(bad, 0);
    assert_true(p256_affine_is_zero_var(&out));
    memcpy(y[0], field_p, 32);
    in.b[0] = 3;
    assert_int_equal(p256_lift_many_var(&out, &in, (const uint8_t(*)[32])y, 1, &bad), ERR_POINT);
}

static void test_generator(void **state)
{
    (void)state;
    struct p256_affine a;
    point_t p;
    p256_generator(&a);
    p256_compress(&p, &a);
    assert_memory_equal(&p, &group_generator, sizeof p);
}

static void test_add(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 8; i++) {
        for (int j = 0; j < 8; j++) {
            struct p256_jacobian a, b, r;
            struct p256_affine minus;
            point_t want;
            pool_jacobian(&a, f, i);
            pool_jacobian(&b, f, j);
            assert_int_equal(point_add(f->g, &want, &f->p[i], &f->p[j]), OK);
            p256_add_var(&r, &a, &b);
            assert_point(&r, &want);
            p256_add_affine_var(&r, &a, &f->a[j]);
            assert_point(&r, &want);
            r = a;
            p256_add_var(&r, &r, &b);
            assert_point(&r, &want);
            assert_int_equal(point_sub(f->g, &want, &f->p[i], &f->p[j]), OK);
            p256_neg(&minus, &f->a[j]);
            p256_add_affine_var(&a, &a, &minus);
            assert_point(&a, &want);
            assert_int_equal(p256_is_zero_var(&a), point_is_identity(&want));
        }
    }
}

static void test_double_and_equal(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 8; i++) {
        struct p256_jacobian a, b, c;
        point_t want;
        pool_jacobian(&a, f, i);
        p256_from_affine(&b, &f->a[i]);
        assert_true(p256_equal_var(&a, &b));
        assert_int_equal(point_add(f->g, &want, &f->p[i], &f->p[i]), OK);
        p256_double_var(&c, &a);
        assert_point(&c, &want);
        p256_double_var(&a, &a);
        assert_point(&a, &want);
        assert_int_equal(p256_equal_var(&a, &b), i == 0);
        p256_from_affine(&c, &f->a[(i + 1) % 8]);
        assert_false(p256_equal_var(&b, &c));
        fe_neg(c.y, b.y);
        fe_copy(c.x, b.x);
        fe_copy(c.z, b.z);
        assert_int_equal(p256_equal_var(&b, &c), i == 0);
    }
}

static void test_to_affine_many(void **state)
{
    struct fixture *f = *state;
    struct p256_jacobian in[POOL];
    struct p256_affine out[POOL];
    for (int i = 0; i < POOL; i++)
        pool_jacobian(&in[i], f, i % 5 == 0 ? 0 : i);
    assert_int_equal(p256_to_affine_many_var(out, in, POOL), OK);
    for (int i = 0; i < POOL; i++)
        assert_memory_equal(&out[i], &f->a[i % 5 == 0 ? 0 : i], sizeof out[i]);
    assert_int_equal(p256_to_affine_many_var(out, in, 0), OK);
}

static void order_minus(scalar_t *k, uint64_t v)
{
    scalar_set(k, v);
    scalar_neg(k, k);
}

static void test_mul(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 40; i++) {
        scalar_t k;
        point_t want;
        struct p256_jacobian r;
        if (i < 5)
            scalar_set(&k, (uint64_t)i);
        else if (i < 10)
            order_minus(&k, (uint64_t)i - 4);
        else
            scalar_random(&k);
        for (int j = 0; j < 4; j++) {
            assert_int_equal(point_mul(f->g, &want, &k, &f->p[j]), OK);
            assert_int_equal(p256_mul_var(&r, &k, &f->a[j]), OK);
            assert_point(&r, &want);
        }
    }
}

/* sum k_i P_i = (sum k_i x_i) G, where P_i = x_i G */
static void check_msm(struct fixture *f, const scalar_t *k, const int *which, size_t count, unsigned bits)
{
    struct p256_affine *p = calloc(count + 1, sizeof *p);
    scalar_t sum, t;
    point_t want;
    struct p256_jacobian r;
    scalar_set(&sum, 0);
    for (size_t i = 0; i < count; i++) {
        p[i] = f->a[which[i]];
        scalar_mul(&t, &k[i], &f->k[which[i]]);
        scalar_add(&sum, &sum, &t);
    }
    assert_int_equal(point_mul_base(f->g, &want, &sum), OK);
    for (size_t i = 0; i < PATHS; i++) {
        if (!p256_path_available(paths[i])) {
            assert_int_equal(p256_msm_on_var(paths[i], &r, k, p, count, bits), ERR_BUG);
            continue;
        }
        assert_int_equal(p256_msm_on_var(paths[i], &r, k, p, count, bits), OK);
        assert_point(&r, &want);
    }
    free(p);
}

enum pattern { RANDOM, SAME_POINT, OPPOSITE, ALL_EQUAL, EXTREME, IDENTITIES, PATTERNS };

static void make_msm(scalar_t *k, int *which, size_t count, unsigned bits, enum pattern pattern)
{
    for (size_t i = 0; i < count; i++) {
        which[i] = (int)(i * 7 % POOL);
        scalar_random(&k[i]);
        if (pattern == SAME_POINT)
            which[i] = 5;
        if (pattern == OPPOSITE) {
            which[i] = 1 + (int)(i % 2);
            if (i % 2 == 1)
                k[i] = k[i - 1];
        }
        if (pattern == ALL_EQUAL) {
            which[i] = 9;
            k[i] = k[0];
        }
        if (pattern == IDENTITIES && i % 3 != 0)
            which[i] = 0;
        if (pattern == EXTREME) { /* 0, 1, all ones, top bit, q - 1, q - 2, ... */
            memset(k[i].b, 0, 32);
            if (i % 6 == 1)
                k[i].b[31] = 1;
            if (i % 6 == 2)
                memset(k[i].b + 16, 0xff, 16);
            if (i % 6 == 3)
                k[i].b[bits == 128 ? 16 : 0] = 0x80;
            if (i % 6 >= 4)
                order_minus(&k[i], i);
        }
        if (bits == 128)
            memset(k[i].b, 0, 16);
    }
}

static void run_msm(struct fixture *f, size_t count, unsigned bits)
{
    scalar_t *k = calloc(count + 1, sizeof *k);
    int *which = calloc(count + 1, sizeof *which);
    for (int pattern = 0; pattern < PATTERNS; pattern++) {
        make_msm(k, which, count, bits, (enum pattern)pattern);
        check_msm(f, k, which, count, bits);
    }
    free(k);
    free(which);
}

static void test_msm_small(void **state)
{
    for (size_t count = 0; count <= 70; count++) {
        run_msm(*state, count, 128);
        run_msm(*state, count, 256);
    }
}

static void test_msm_large(void **state)
{
    run_msm(*state, 300, 128);
    run_msm(*state, 300, 256);
    run_msm(*state, 5000, 128);
    run_msm(*state, 5000, 256);
}

/* Every scalar q - 1, and every scalar with all windows at their limit. */
static void test_msm_carry(void **state)
{
    struct fixture *f = *state;
    static const size_t counts[] = {1, 24, 25, 64, 65, 100, 500, 3000};
    for (size_t n = 0; n < sizeof counts / sizeof counts[0]; n++) {
        scalar_t *k = calloc(counts[n], sizeof *k);
        int *which = calloc(counts[n], sizeof *which);
        for (int round = 0; round < 4; round++) {
            static const uint8_t fill[] = {0, 0xff, 0x80, 0x7f};
            for (size_t i = 0; i < counts[n]; i++) {
                which[i] = 1 + (int)(i % 60);
                memset(k[i].b, fill[round], 32);
                k[i].b[4] = k[i].b[5] = 0; /* keeps it below q */
                if (round == 0)
                    order_minus(&k[i], 1);
            }
            check_msm(f, k, which, counts[n], 256);
        }
        free(k);
        free(which);
    }
}

/* Scalars of every length: 2^n - 1, of which all digits are at their limit, 2^n, 0, a few of each or many; so
 * that some windows are reached by few, and what is carried out of the last is not lost. */
static void test_msm_lengths(void **state)
{
    struct fixture *f = *state;
    static const size_t counts[] = {25, 260, 700, 5000};
    for (size_t n = 0; n < sizeof counts / sizeof counts[0]; n++) {
        scalar_t *k = calloc(counts[n], sizeof *k);
        int *which = calloc(counts[n], sizeof *which);
        for (unsigned most = 1; most <= 256; most += most < 250 ? 5 : 1) {
            for (size_t i = 0; i < counts[n]; i++) {
                unsigned bits = i % 11 ? (unsigned)i % (most < 14 ? most : 14) : (unsigned)i % (most + 1);
                which[i] = 1 + (int)(i % 60);
                memset(&k[i], 0, sizeof k[i]);
                for (unsigned at = 0; at < bits && i % 3; at++)
                    k[i].b[31 - at / 8] |= (uint8_t)(1 << at % 8);
                if (bits > 0 && i % 3 == 0)
                    k[i].b[31 - (bits - 1) / 8] = (uint8_t)(1 << (bits - 1) % 8);
                if (bits == 256)
                    order_minus(&k[i], 1);
            }
            check_msm(f, k, which, counts[n], 256);
        }
        free(k);
        free(which);
    }
}

static void test_msm_refuses_long_scalars(void **state)
{
    struct fixture *f = *state;
    struct p256_jacobian r;
    scalar_t k;
    memset(&k, 0, sizeof k);
    k.b[15] = 1; /* 2^128 */
    assert_int_equal(p256_msm_var(&r, &k, &f->a[1], 1, 128), ERR_BUG);
    assert_true(p256_is_zero_var(&r));
    assert_int_equal(p256_msm_var(&r, &k, &f->a[1], 1, 129), OK);
    assert_int_equal(p256_msm_var(&r, &k, &f->a[1], 1, 257), ERR_BUG);
}

/* The sum does not depend on the bits of a digit. */
static void test_msm_width(void **state)
{
    enum { COUNT = 300 };
    struct fixture *f = *state;
    scalar_t k[COUNT];
    struct p256_affine p[COUNT], sum, want;
    struct p256_jacobian r;
    for (size_t i = 0; i < COUNT; i++) {
        p[i] = f->a[i % POOL];
        scalar_random(&k[i]);
    }
    assert_int_equal(p256_msm_var(&r, k, p, COUNT, 256), OK);
    assert_int_equal(p256_to_affine_many_var(&want, &r, 1), OK);
    for (unsigned width = P256_WIDTH_MIN; width <= P256_WIDTH_MAX; width++) {
        assert_int_equal(p256_msm_width_var(p256_path_best(), &r, k, p, COUNT, 256, width), OK);
        assert_int_equal(p256_to_affine_many_var(&sum, &r, 1), OK);
        assert_memory_equal(&sum, &want, sizeof want);
    }
    assert_int_equal(p256_msm_width_var(p256_path_best(), &r, k, p, COUNT, 256, 1), ERR_BUG);
    assert_int_equal(p256_msm_width_var(p256_path_best(), &r, k, p, COUNT, 256, 16), ERR_BUG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_msm_width),
        cmocka_unit_test(test_field),
        cmocka_unit_test(test_decompress),
        cmocka_unit_test(test_decompress_refused),
        cmocka_unit_test(test_decompress_many),
        cmocka_unit_test(test_lift_many),
        cmocka_unit_test(test_lift_refused),
        cmocka_unit_test(test_generator),
        cmocka_unit_test(test_add),
        cmocka_unit_test(test_double_and_equal),
        cmocka_unit_test(test_to_affine_many),
        cmocka_unit_test(test_mul),
        cmocka_unit_test(test_msm_small),
        cmocka_unit_test(test_msm_large),
        cmocka_unit_test(test_msm_carry),
        cmocka_unit_test(test_msm_lengths),
        cmocka_unit_test(test_msm_refuses_long_scalars),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
