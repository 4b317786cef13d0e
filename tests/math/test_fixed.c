/* Secret multiples of fixed points, on each path of this processor, against OpenSSL. */
#include "ceremony/base/secret.h"
#include "ceremony/math/fixed.h"
#include "ceremony/math/fixed_lanes.h"
#include "ceremony/math/p256_ifma.h"
#include "tests/support/unit.h"

static struct group *g;

static int setup(void **state)
{
    (void)state;
    assert_err(secret_init(), OK);
    assert_err(group_new(&g), OK);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    group_free(g);
    return 0;
}

/* What OpenSSL says of a job. */
static void expect(point_t *out, const struct fixed_job *job, const point_t *Y)
{
    scalar_t k, one;
    scalar_set(&k, 0);
    scalar_set(&one, job->use_plus ? job->plus : 0);
    if (job->use_g)
        k = job->g;
    scalar_add(&k, &k, &one);
    assert_err(point_mul_base(g, out, &k), OK);
    if (job->use_y) {
        point_t more;
        assert_err(point_mul(g, &more, &job->y, Y), OK);
        assert_err(point_add(g, out, out, &more), OK);
    }
}

/* Runs the jobs on every path; swapping is not looked at here. */
static void check(struct fixed_job *job, size_t count, const point_t *Y)
{
    point_t want[FIXED_JOBS], got[FIXED_JOBS];
    for (size_t i = 0; i < count; i++)
        expect(&want[i], &job[i], Y);
    for (enum p256_path path = P256_PORTABLE; path <= P256_IFMA; path++) {
        struct fixed *f;
        if (!p256_path_available(path))
            continue;
        assert_err(fixed_new(path, &f, g, Y), OK);
        memset(got, 0xee, sizeof got);
        for (size_t i = 0; i < count; i++)
            job[i].out = &got[i];
        assert_err(fixed_run(f, job, count), OK);
        for (size_t i = 0; i < count; i++)
            if (!point_equal(&got[i], &want[i]))
                fail_msg("path %d, job %zu of %zu", (int)path, i, count);
        fixed_free(f);
    }
}

static void random_key(point_t *Y, scalar_t *y)
{
    scalar_random(y);
    assert_err(point_mul_base(g, Y, y), OK);
}

/* --- scalars --- */

static void power_of_two(scalar_t *out, unsigned bit)
{
    memset(out, 0, sizeof *out);
    out->b[SCALAR_LEN - 1 - bit / 8] = (uint8_t)(1u << (bit % 8));
}

static void shift_by(scalar_t *out, const scalar_t *a, int by)
{
    scalar_t d;
    scalar_set(&d, (uint64_t)(by < 0 ? -by : by));
    if (by < 0)
        scalar_sub(out, a, &d);
    else
        scalar_add(out, a, &d);
}

/* Scalars around every power of two, small ones and their opposites: every digit, carry and sign. */
static void edges_of_digits(void **state)
{
    (void)state;
    scalar_t y, edge[FIXED_JOBS];
    point_t Y;
    random_key(&Y, &y);
    size_t n = 0;
    for (unsigned bit = 0; bit < 256; bit += bit < 245 && bit > 10 ? 6 : 1) {
        for (int by = -1; by <= 1; by++) {
            scalar_t k;
            power_of_two(&k, bit);
            if (scalar_check(&k) != OK)
                continue;
            shift_by(&edge[n++], &k, by);
        }
        if (n + 3 <= FIXED_JOBS && bit < 255)
            continue;
        struct fixed_job job[FIXED_JOBS] = {0};
        for (size_t i = 0; i < n; i++)
            job[i] = i % 2 ? (struct fixed_job){.g = edge[i], .use_g = 1}
                           : (struct fixed_job){.y = edge[i], .use_y = 1};
        check(job, n, &Y);
        n = 0;
    }
}

static void small_scalars_and_their_opposites(void **state)
{
    (void)state;
    scalar_t y;
    point_t Y;
    random_key(&Y, &y);
    for (int from = 0; from < 96; from += 24) {
        struct fixed_job job[FIXED_JOBS] = {0};
        for (int i = 0; i < 24; i++) {
            scalar_set(&job[2 * i].g, (uint64_t)(from + i));
            scalar_neg(&job[2 * i + 1].g, &job[2 * i].g);
            job[2 * i].use_g = job[2 * i + 1].use_g = 1;
        }
        check(job, FIXED_JOBS, &Y);
    }
}

static void the_middle_of_the_order(void **state)
{
    (void)state;
    scalar_t two, half, y;
    point_t Y;
    random_key(&Y, &y);
    scalar_set(&two, 2);
    scalar_invert(&half, &two); /* (q + 1) / 2 */
    struct fixed_job job[9] = {0};
    for (int i = 0; i < 9; i++) {
        shift_by(&job[i].g, &half, i - 4);
        job[i].y = job[i].g;
        job[i].use_g = i % 2;
        job[i].use_y = !job[i].use_g;
    }
    check(job, 9, &Y);
}

static void random_scalars_of_every_number(void **state)
{
    (void)state;
    scalar_t y;
    point_t Y;
    random_key(&Y, &y);
    for (size_t count = 0; count <= FIXED_JOBS; count += count < 18 ? 1 : 10) {
        struct fixed_job job[FIXED_JOBS] = {0};
        for (size_t i = 0; i < count; i++) {
            unsigned kind = (unsigned)(count * 7 + i) % 5;
            scalar_random(&job[i].g);
            scalar_random(&job[i].y);
            job[i].use_g = kind != 1;
            job[i].use_y = kind != 0;
            job[i].use_plus = kind > 2;
            job[i].plus = i & 1;
        }
        check(job, count, &Y);
    }
}

/* --- what the formulas cannot do --- */

static void sums_that_meet_each_other(void **state)
{
    (void)state;
    for (uint64_t y = 1; y < 4; y++) { /* Y = y G, so that everything can meet */
        scalar_t ys;
        point_t Y;
        scalar_set(&ys, y);
        assert_err(point_mul_base(g, &Y, &ys), OK);
        struct fixed_job job[FIXED_JOBS] = {0};
        size_t n = 0;
        for (uint64_t k = 0; k < 3; k++)
            for (uint64_t l = 0; l < 3; l++)
                for (int sign = 0; sign < 2; sign++)
                    for (int plus = 0; plus < 2; plus++) {
                        struct fixed_job *j = &job[n++];
                        scalar_set(&j->g, k);
                        scalar_set(&j->y, l);
                        if (sign)
                            scalar_neg(&j->g, &j->g);
                        j->use_g = j->use_y = 1;
                        j->use_plus = plus;
                        j->plus = (uint8_t)(l & 1);
                    }
        check(job, n, &Y);
    }
    /* k G + l Y = 0 and k G = l Y, with large numbers */
    scalar_t y;
    point_t Y;
    random_key(&Y, &y);
    struct fixed_job job[4] = {0};
    for (int i = 0; i < 4; i++) {
        scalar_random(&job[i].y);
        scalar_mul(&job[i].g, &job[i].y, &y);
        if (i & 1)
            scalar_neg(&job[i].g, &job[i].g);
        job[i].use_g = job[i].use_y = 1;
        job[i].use_plus = i > 1;
        job[i].plus = i > 1;
    }
    check(job, 4, &Y);
}

/* --- places --- */

static void outputs_change_places(void **state)
{
    (void)state;
    for (enum p256_path path = P256_PORTABLE; path <= P256_IFMA; path++) {
        struct fixed *f;
        if (!p256_path_available(path))
            continue;
        assert_err(fixed_new(path, &f, g, &group_generator), OK);
        point_t got[4], want[4];
        struct fixed_job job[4] = {0};
        for (int i = 0; i < 4; i++) {
            scalar_random(&job[i].g);
            job[i].use_g = 1;
            job[i].out = &got[i];
            expect(&want[i], &job[i], &group_generator);
        }
        job[0].use_swap = job[2].use_swap = 1;
        job[0].swap = 1;
        job[1].swap = 1; /* not used */
        assert_err(fixed_run(f, job, 4), OK);
        assert_true(point_equal(&got[0], &want[1]) && point_equal(&got[1], &want[0]));
        assert_true(point_equal(&got[2], &want[2]) && point_equal(&got[3], &want[3]));
        fixed_free(f);
    }
}

static void what_makes_no_sense_is_refused(void **state)
{
    (void)state;
    static const point_t zero;
    struct fixed *f;
    point_t out, bad = group_generator;
    assert_err(fixed_new(p256_path_best(), &f, g, &zero), ERR_POINT);
    assert_null(f);
    memset(bad.b + 1, 0xff, 32);
    assert_err(fixed_new(p256_path_best(), &f, g, &bad), ERR_POINT);
    if (!p256_path_available(P256_IFMA))
        assert_err(fixed_new(P256_IFMA, &f, g, &group_generator), ERR_BUG);
    assert_err(fixed_new(p256_path_best(), &f, g, &group_generator), OK);
    struct fixed_job job[FIXED_JOBS + 1] = {0};
    for (size_t i = 0; i <= FIXED_JOBS; i++)
        job[i] = (struct fixed_job){.use_g = 1, .out = &out};
    memset(&out, 1, sizeof out);
    assert_err(fixed_run(f, job, FIXED_JOBS + 1), ERR_BUG);
    assert_memory_equal(&out, &zero, sizeof out);
    job[0].use_g = 0;
    memset(&out, 1, sizeof out);
    assert_err(fixed_run(f, job, 1), ERR_BUG);
    assert_memory_equal(&out, &zero, sizeof out);
    job[1].use_swap = 1;
    assert_err(fixed_run(f, job + 1, 1), ERR_BUG);
    assert_err(fixed_run(f, job, 0), OK);
    fixed_free(f);
}

#if P256_HAVE_IFMA
struct registers {
    _Alignas(64) uint8_t vector[32][64];
    uint64_t mask[8];
};

#define KEEP(n) "vmovdqu64 %%zmm" #n ", 64*" #n "(%0)\n\t"
#define KEEP_MASK(n) "kmovw %%k" #n ", %%eax\n\tmovq %%rax, 2048+8*" #n "(%0)\n\t"
#define FILL(n) "vpternlogd $0xff, %%zmm" #n ", %%zmm" #n ", %%zmm" #n "\n\t"
#define EACH_8(F, a, b, c, d, e, f, g, h) F(a) F(b) F(c) F(d) F(e) F(f) F(g) F(h)
#define EACH_32(F)                                                                                           \
    EACH_8(F, 0, 1, 2, 3, 4, 5, 6, 7)                                                                        \
    EACH_8(F, 8, 9, 10, 11, 12, 13, 14, 15)                                                                  \
    EACH_8(F, 16, 17, 18, 19, 20, 21, 22, 23) EACH_8(F, 24, 25, 26, 27, 28, 29, 30, 31)

/* What vectors and masks hold, of registers that were full of ones before the call, if there is one. */
__attribute__((noinline, target("avx512f"))) static void
registers_after(struct registers *r,
                void (*call)(struct fixed_lanes *, const struct fixed_table *, const struct fixed_digits *),
                struct fixed_lanes *out, const struct fixed_table *t, const struct fixed_digits *d)
{
    __asm__ volatile(EACH_32(FILL) "kxnorw %%k1, %%k1, %%k1\n\t" : : : "memory");
    if (call != NULL)
        call(out, t, d);
    __asm__ volatile(EACH_32(KEEP) EACH_8(KEEP_MASK, 0, 1, 2, 3, 4, 5, 6, 7) : : "r"(r) : "memory", "rax");
}

static size_t bytes_set(const struct registers *r)
{
    size_t n = 0;
    for (size_t i = 0; i < sizeof r->vector; i++)
        n += ((const uint8_t *)r->vector)[i] != 0;
    for (int i = 0; i < 8; i++)
        n += r->mask[i] != 0;
    return n;
}
#endif

static void vectors_hold_nothing_afterwards(void **state)
{
    (void)state;
#if P256_HAVE_IFMA
    if (p256_path_available(P256_IFMA)) {
        struct registers r;
        struct fixed_lanes lanes;
        struct fixed_digits digits;
        struct fixed_table *t = aligned_alloc(64, sizeof *t);
        assert_non_null(t);
        random_bytes(t, sizeof *t);
        for (int i = 0; i < FIXED_ROWS; i++)
            for (int k = 0; k < 8; k++) {
                digits.entry[i][k] = (uint8_t)((i + k) % (FIXED_ENTRIES + 1));
                digits.minus[i][k] = (uint8_t)(i & 1);
            }
        memset(&r, 0, sizeof r);
        registers_after(&r, NULL, &lanes, t, &digits);
        assert_true(bytes_set(&r) > 2048); /* this does look at them */
        registers_after(&r, p256_ifma_fixed, &lanes, t, &digits);
        assert_int_equal(bytes_set(&r), 0);
        free(t);
        return;
    }
#endif
    print_message("skipped: no AVX-512 IFMA here\n");
    skip();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(edges_of_digits),
        cmocka_unit_test(small_scalars_and_their_opposites),
        cmocka_unit_test(the_middle_of_the_order),
        cmocka_unit_test(random_scalars_of_every_number),
        cmocka_unit_test(sums_that_meet_each_other),
        cmocka_unit_test(outputs_change_places),
        cmocka_unit_test(what_makes_no_sense_is_refused),
        cmocka_unit_test(vectors_hold_nothing_afterwards),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
