/* The self-test sees each wrong answer, each kind of dead generator, and is fast enough for every start. */
#include <time.h>

#include "tests/support/unit.h"

#include "appliance/selftest.h"
#include "ceremony/base/secret.h"
#include "tests/support/softkeys.h"
#include "ui/messages.h"

static struct fault f;

static int setup(void **state)
{
    (void)state;
    return secret_init() == OK ? 0 : -1;
}

static void test_all_pass(void **state)
{
    struct softkeys *token = softkeys_new("Model", "1");
    struct keystore ks = softkeys_store(token);
    struct selftest st;
    struct timespec a, b;
    (void)state;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
    assert_err(selftest_run(&st, &ks, NULL, &f), OK);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
    print_message("%zu tests, %.0f ms\n", st.count,
                  (double)(b.tv_sec - a.tv_sec) * 1e3 + (double)(b.tv_nsec - a.tv_nsec) / 1e6);
    assert_int_equal(st.failed, 0);
    assert_int_equal(st.count, selftest_kat_count + 2);
    softkeys_free(token);
}

static void test_each_known_answer_is_compared(void **state)
{
    (void)state;
    for (size_t i = 0; i < selftest_kat_count; i++) {
        char said[100];
        assert_int_equal(message_detail(said, sizeof said, LANGUAGE_ES, selftest_kats[i].title), 1);
        struct selftest_hook hook = {.broken = selftest_kats[i].id};
        struct selftest st;
        fault_clear(&f);
        assert_err(selftest_run(&st, NULL, &hook, &f), ERR_SELFTEST);
        assert_int_equal(st.failed, 1);
        assert_err(st.check[i].err, ERR_SELFTEST);
        assert_non_null(strstr(f.detail, selftest_kats[i].id));
        assert_non_null(strstr(f.detail, selftest_kats[i].title));
    }
}

/* --- generators --- */

enum kind { ALL_ZERO, RUN_OF_SIX, RUN_OF_BITS, FEW_VALUES, MORE_ONES, AGAIN, BROKEN };

static err_t bad_random(void *ctx, uint8_t *out, size_t len, struct fault *fault)
{
    enum kind kind = *(enum kind *)ctx;
    random_bytes(out, len);
    for (size_t i = 0; i < len; i++) {
        if (kind == ALL_ZERO)
            out[i] = 0;
        if (kind == FEW_VALUES)
            out[i] = (uint8_t)(out[i] % 16 * 17);
        if (kind == MORE_ONES) /* three of four bits */
            out[i] |= (uint8_t)((i > 0 ? out[i - 1] * 167u : 0) >> 1 | out[(i * 7 + 3) % len]);
    }
    if (kind == RUN_OF_SIX)
        memset(out + len / 2, 0x5a, 6);
    if (kind == RUN_OF_BITS)
        memset(out + len / 2 + 1, 0xff, 5), out[len / 2] = 0x0f, out[len / 2 + 6] = 0x80;
    if (kind == AGAIN)
        memcpy(out + len / 2, out, 32);
    return kind == BROKEN ? fault_set(fault, ERR_RANDOM, "no source") : OK;
}

static err_t health_of(enum kind kind, char detail[160])
{
    struct selftest_hook hook = {.random = bad_random, .random_ctx = &kind};
    struct selftest st;
    err_t e = selftest_run(&st, NULL, &hook, &f);
    assert_string_equal(st.check[st.count - 1].id, "random-system");
    memcpy(detail, st.check[st.count - 1].detail, 160);
    return e;
}

static void test_dead_generators(void **state)
{
    char detail[160];
    (void)state;
    assert_err(health_of(ALL_ZERO, detail), ERR_RANDOM);
    assert_string_equal(detail, "repetition count test");
    assert_err(health_of(RUN_OF_SIX, detail), ERR_RANDOM);
    assert_string_equal(detail, "repetition count test");
    assert_err(health_of(RUN_OF_BITS, detail), ERR_RANDOM);
    assert_string_equal(detail, "repetition count test");
    assert_err(health_of(FEW_VALUES, detail), ERR_RANDOM);
    assert_err(health_of(MORE_ONES, detail), ERR_RANDOM);
    assert_err(health_of(AGAIN, detail), ERR_RANDOM);
    assert_string_equal(detail, "the same block came twice");
    assert_err(health_of(BROKEN, detail), ERR_RANDOM);
    assert_string_equal(detail, "no source");
}

static void test_cutoffs(void **state)
{
    uint8_t data[SELFTEST_RANDOM_LEN];
    char detail[160];
    (void)state;
    for (int times = 0; times < 50; times++) {
        random_bytes(data, sizeof data);
        assert_err(selftest_health(data, sizeof data, detail), OK);
    }
    /* 18 of the first window's first byte are still good, 19 not */
    for (size_t i = 0; i < 512; i++)
        data[i] = (uint8_t)(i % 255 + (i % 255 >= data[0]));
    data[0] = 1;
    for (size_t i = 1, count = 1; i < 512; i++) {
        if (data[i] == 1)
            data[i] = 2;
        if (i % 20 == 0 && count < 18)
            data[i] = 1, count++;
    }
    assert_err(selftest_health(data, 512, detail), OK);
    data[511] = 1;
    assert_err(selftest_health(data, 512, detail), ERR_RANDOM);
    assert_string_equal(detail, "adaptive proportion test");
}

static void test_dead_token(void **state)
{
    struct softkeys *token = softkeys_new("Model", "1");
    struct keystore ks = softkeys_store(token);
    struct selftest st;
    (void)state;
    token->random = SOFT_RANDOM_ZERO;
    assert_err(selftest_run(&st, &ks, NULL, &f), ERR_RANDOM);
    assert_string_equal(st.check[st.count - 1].id, "random-token");
    token->random = SOFT_RANDOM_GOOD;
    softkeys_fail(token, 2, ERR_TOKEN_REMOVED);
    assert_err(selftest_run(&st, &ks, NULL, &f), ERR_TOKEN_REMOVED);
    assert_int_equal(st.failed, 1);
    softkeys_free(token);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_pass),        cmocka_unit_test(test_each_known_answer_is_compared),
        cmocka_unit_test(test_dead_generators), cmocka_unit_test(test_cutoffs),
        cmocka_unit_test(test_dead_token),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
