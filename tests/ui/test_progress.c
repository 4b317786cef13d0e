#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ui/progress.h"

#define MS UINT64_C(1000000)

/* The clock has no context; one test runs at a time. */
static uint64_t clock_now;

static uint64_t fake_clock(void)
{
    return clock_now;
}

struct screen {
    char *text;
    size_t len;
    FILE *out;
    struct progress p;
};

static void screen_open(struct screen *s, int terminal)
{
    memset(s, 0, sizeof *s);
    s->out = open_memstream(&s->text, &s->len);
    assert_non_null(s->out);
    progress_init(&s->p, s->out, NULL);
    assert_int_equal(s->p.is_terminal, 0);
    s->p.is_terminal = terminal;
    s->p.now = fake_clock;
    clock_now = 1000 * MS;
}

static void screen_close(struct screen *s)
{
    fclose(s->out);
    free(s->text);
}

static size_t count_of(const char *text, char c)
{
    size_t n = 0;
    for (; *text != '\0'; text++)
        n += *text == c;
    return n;
}

static void test_plain(void **state)
{
    struct screen s;
    (void)state;
    screen_open(&s, 0);
    for (uint64_t i = 0; i <= 1000; i++) {
        assert_int_equal(progress_step(&s.p, "verify ballots", i, 1000), OK);
        clock_now += 2 * MS;
    }
    assert_int_equal(progress_step(&s.p, "aggregate", 0, 0), OK);
    progress_end(&s.p);
    progress_end(&s.p);
    assert_string_equal(s.text, "verify ballots: 1000 to do\nverify ballots: 1000 in 2.0 s, 499/s\n"
                                "aggregate\naggregate: 0 in 0.0 s, 0.0/s\n");
    screen_close(&s);
}

/* 10 seconds of steps each millisecond: at most 10 lines a second, each of which fits the width. */
static void test_terminal(void **state)
{
    struct screen s;
    (void)state;
    screen_open(&s, 1);
    for (uint64_t i = 0; i < 10000; i++) {
        assert_int_equal(progress_step(&s.p, "verify ballots", i, 20000), OK);
        clock_now += MS;
    }
    fflush(s.out);
    assert_in_range(count_of(s.text, '\r'), 90, 101);
    assert_int_equal(count_of(s.text, '\n'), 0);
    const char *last = strrchr(s.text, '\r');
    assert_non_null(strstr(last, "verify ballots [#########...........]  49% 9900/20000 "));
    assert_non_null(strstr(last, "/s, 10 s left, 9 s\x1b[K"));
    char *save = NULL, *copy = strdup(s.text);
    for (char *line = strtok_r(copy, "\r", &save); line != NULL; line = strtok_r(NULL, "\r", &save))
        assert_true(strlen(line) <= 79 + 3);
    free(copy);
    progress_end(&s.p);
    assert_non_null(strstr(s.text, "\rverify ballots: 9999 of 20000 in 10.0 s, "));
    screen_close(&s);
}

static void test_narrow(void **state)
{
    struct screen s;
    (void)state;
    screen_open(&s, 1);
    s.p.columns = 30;
    assert_int_equal(progress_step(&s.p,
                                   "a phase with a name that is far too long for it to be shown whole, which "
                                   "nobody would want",
                                   UINT64_MAX - 1, UINT64_MAX),
                     OK);
    fflush(s.out);
    assert_int_equal(strlen(s.text), 1 + 29 + 3);
    progress_end(&s.p);
    screen_close(&s);
}

/* Counts that go back, exceed the total, or are huge, in no time at all. */
static void test_strange_counts(void **state)
{
    static const uint64_t v[] = {0, 5, 3, UINT64_MAX, 0, UINT64_MAX / 2, 1};
    struct screen s;
    (void)state;
    screen_open(&s, 1);
    for (size_t i = 0; i < 7; i++) {
        for (size_t j = 0; j < 7; j++) {
            assert_int_equal(progress_step(&s.p, "strange", v[i], v[j]), OK);
            clock_now += i * 700 * MS;
        }
    }
    progress_end(&s.p);
    screen_close(&s);
}

static void test_stop(void **state)
{
    struct screen s;
    volatile sig_atomic_t stop = 0;
    (void)state;
    screen_open(&s, 0);
    s.p.stop = &stop;
    assert_int_equal(progress_step(&s.p, "x", 1, 2), OK);
    stop = 1;
    assert_int_equal(progress_step(&s.p, "x", 2, 2), ERR_STOPPED);
    progress_end(&s.p);
    screen_close(&s);
}

static void test_duration(void **state)
{
    char out[32];
    (void)state;
    progress_duration(out, 7);
    assert_string_equal(out, "7 s");
    progress_duration(out, 185);
    assert_string_equal(out, "3:05");
    progress_duration(out, 7385);
    assert_string_equal(out, "2:03:05");
    progress_duration(out, UINT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),  cmocka_unit_test(test_terminal),
        cmocka_unit_test(test_narrow), cmocka_unit_test(test_strange_counts),
        cmocka_unit_test(test_stop),   cmocka_unit_test(test_duration),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
