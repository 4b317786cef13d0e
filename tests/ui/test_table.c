#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ui/table.h"

static const struct table_column columns[] = {
    {"Option", TABLE_LEFT}, {"Votes", TABLE_RIGHT}, {"", TABLE_BAR}};

static void expect(const struct table *t, enum table_style style, size_t bar, const char *want)
{
    char *text;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    assert_int_equal(table_print(t, out, style, bar), OK);
    fclose(out);
    assert_string_equal(text, want);
    free(text);
}

static void row(struct table *t, const char *a, const char *b, const char *c)
{
    const char *cells[] = {a, b, c};
    assert_int_equal(table_row(t, cells), OK);
}

static void test_result(void **state)
{
    struct table *t;
    (void)state;
    assert_int_equal(table_new(&t, columns, 3), OK);
    row(t, "J\xc3\xbcrgen", "1200", "1200");
    row(t, "\xe9\xb8\xa1\xe9\xb8\xad", "630", "630");
    row(t, "Nobody", "1", "1");
    row(t, "Write-in", "0", "0");
    expect(t, TABLE_ASCII, 10,
           "Option    Votes\n"
           "--------  -----  ----------\n"
           "J\xc3\xbcrgen     1200  ##########\n"
           "\xe9\xb8\xa1\xe9\xb8\xad        630  #####\n"
           "Nobody        1  #\n"
           "Write-in      0\n");
    expect(t, TABLE_UNICODE, 4,
           "Option    Votes\n"
           "\u2500\u2500\u2500\u2500\u2500\u2500\u2500\u2500  \u2500\u2500\u2500\u2500\u2500  "
           "\u2500\u2500\u2500\u2500\n"
           "J\xc3\xbcrgen     1200  \u2588\u2588\u2588\u2588\n"
           "\xe9\xb8\xa1\xe9\xb8\xad        630  \u2588\u2588\n"
           "Nobody        1  \u258f\n"
           "Write-in      0\n");
    table_free(t);
}

/* A bar in the middle keeps the columns after it in line. */
static void test_bar_in_the_middle(void **state)
{
    static const struct table_column c[] = {{"a long head", TABLE_BAR}, {"n", TABLE_RIGHT}};
    struct table *t;
    (void)state;
    assert_int_equal(table_new(&t, c, 2), OK);
    const char *r1[] = {"18446744073709551615", "5"}, *r2[] = {"9223372036854775807", "42"};
    assert_int_equal(table_row(t, r1), OK);
    assert_int_equal(table_row(t, r2), OK);
    expect(t, TABLE_ASCII, 4, "a long head   n\n-----------  --\n####          5\n#            42\n");
    expect(t, TABLE_UNICODE, 2,
           "a long head   n\n"
           "\u2500\u2500\u2500\u2500\u2500\u2500\u2500\u2500\u2500\u2500\u2500  \u2500\u2500\n"
           "\u2588\u2588            5\n"
           "\u2589            42\n");
    table_free(t);
}

/* Of a whole: the full width is the whole, not the largest. */
static void test_bar_of_whole(void **state)
{
    struct table *t;
    (void)state;
    assert_int_equal(table_new(&t, columns, 3), OK);
    row(t, "A", "12", "12/24");
    row(t, "B", "6", "6/24");
    row(t, "C", "0", "0/0");
    expect(t, TABLE_ASCII, 8,
           "Option  Votes\n"
           "------  -----  --------\n"
           "A          12  ####\n"
           "B           6  ##\n"
           "C           0\n");
    table_free(t);
}

static void test_bad(void **state)
{
    struct table *t;
    const char *escape[] = {"\x1b[2J", "1", "1"}, *newline[] = {"a\nb", "1", "1"},
               *bidi[] = {"\u202e", "1", "1"};
    const char *bars[] = {"",    "-1", "1.5", "x",     "18446744073709551616",      " 1",
                          "2/1", "1/", "/2",  "1/2/3", "000000000000000000000001/2"};
    (void)state;
    assert_int_equal(table_new(&t, columns, 0), ERR_BUG);
    assert_null(t);
    assert_int_equal(table_new(&t, columns, TABLE_COLUMNS_MAX + 1), ERR_BUG);
    assert_int_equal(table_new(&t, columns, 3), OK);
    assert_int_equal(table_row(t, escape), ERR_TEXT);
    assert_int_equal(table_row(t, newline), ERR_TEXT);
    assert_int_equal(table_row(t, bidi), ERR_TEXT);
    for (size_t i = 0; i < sizeof bars / sizeof bars[0]; i++) {
        const char *cells[] = {"a", "1", bars[i]};
        assert_int_equal(table_row(t, cells), ERR_FORMAT);
    }
    assert_int_equal(table_print(t, stdout, TABLE_ASCII, 0), ERR_BUG);
    assert_int_equal(table_print(t, stdout, TABLE_ASCII, 201), ERR_BUG);
    expect(t, TABLE_ASCII, 1, "Option  Votes\n------  -----  -\n");
    FILE *full = fopen("/dev/full", "w");
    assert_non_null(full);
    assert_int_equal(table_print(t, full, TABLE_ASCII, 1), ERR_IO);
    fclose(full);
    table_free(t);
    table_free(NULL);
}

static void test_many_rows(void **state)
{
    struct table *t;
    (void)state;
    assert_int_equal(table_new(&t, columns, 3), OK);
    for (int i = 0; i < 5000; i++)
        row(t, "x", "2", "2");
    FILE *null = fopen("/dev/null", "w");
    assert_int_equal(table_print(t, null, TABLE_UNICODE, 200), OK);
    fclose(null);
    table_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_result),       cmocka_unit_test(test_bar_in_the_middle),
        cmocka_unit_test(test_bar_of_whole), cmocka_unit_test(test_bad),
        cmocka_unit_test(test_many_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
