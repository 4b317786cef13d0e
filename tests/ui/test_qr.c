#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/picture.h"
#include "ui/qr.h"
#include "ui/qr_draw.h"
#include "ui/qrtext.h"

static void draw_all(const char *text)
{
    char *out;
    struct gray g;
    struct qr_found found;
    struct fault f;
    assert_int_equal(qr_draw_utf8(&out, text, QR_ANSI, &f), OK);
    free(out);
    assert_int_equal(qr_draw_utf8(&out, text, QR_PLAIN, &f), OK);
    free(out);
    assert_int_equal(qr_draw_svg(&out, text, &f), OK);
    free(out);
    assert_int_equal(picture_qr(&g, text, 3, &f), OK);
    assert_int_equal(qr_decode_gray(&found, &g), OK);
    assert_int_equal(found.count, 1);
    assert_string_equal(found.text[0], text);
    qr_found_free(&found);
    gray_free(&g);
}

static void test_messages(void **state)
{
    static const size_t sizes[] = {1, 2, 3, 30, 100, 333, 599, 600, 601, 2400};
    static uint8_t message[2400];
    (void)state;
    srand(1);
    for (size_t i = 0; i < sizeof message; i++)
        message[i] = (uint8_t)rand();
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct qrtext q;
        assert_int_equal(qrtext_split(&q, 'R', message, sizes[i]), OK);
        for (size_t k = 0; k < q.count; k++)
            draw_all(q.part[k]);
        qrtext_free(&q);
    }
}

/* A full part stays in version 20, side 97, so that it fits a terminal of 105 columns. */
static void test_part_size(void **state)
{
    static uint8_t message[QRTEXT_MESSAGE_MAX];
    struct qrtext q;
    struct qr code;
    (void)state;
    memset(message, 0xff, sizeof message);
    assert_int_equal(qrtext_split(&q, 'R', message, sizeof message), OK);
    assert_int_equal(qr_make(&code, q.part[QRTEXT_PARTS_MAX - 1], NULL), OK);
    assert_int_equal(code.side, 97);
    qr_free(&code);
    qrtext_free(&q);
}

static void test_other_texts(void **state)
{
    char most[1452];
    char *out;
    (void)state;
    draw_all("x");
    draw_all("https://example.org/election?a=b&c=<d>\"'");
    draw_all(" leading and trailing ");
    memset(most, 'A', 1451); /* what version 25, level M, takes of alphanumeric mode: ISO/IEC 18004 table 7 */
    most[1451] = '\0';
    draw_all(most);
    assert_int_equal(qr_draw_svg(&out, "", NULL), ERR_LIMIT);
    assert_int_equal(qr_draw_svg(&out, "a\nb", NULL), ERR_TEXT);
    assert_int_equal(qr_draw_svg(&out, "\xc3\xa4", NULL), ERR_TEXT);
    assert_null(out);
    char *more = malloc(10001);
    memset(more, 'A', 10000);
    more[10000] = '\0';
    assert_int_equal(qr_draw_utf8(&out, more, QR_PLAIN, NULL), ERR_LIMIT);
    more[1452] = '\0';
    assert_int_equal(qr_draw_utf8(&out, more, QR_PLAIN, NULL), ERR_LIMIT);
    free(more);
}

static void test_quiet_zone(void **state)
{
    char *out;
    struct qr_grid g;
    struct qr code;
    (void)state;
    assert_int_equal(qr_draw_utf8(&out, "QUIET", QR_ANSI, NULL), OK);
    assert_int_equal(qr_get_utf8(&g, out, QR_ANSI), OK);
    assert_int_equal(qr_make(&code, "QUIET", NULL), OK);
    assert_int_equal(g.width, code.side + 8);
    assert_int_equal(g.height, (g.width + 1) / 2 * 2);
    qr_free(&code);
    for (size_t y = 0; y < g.height; y++)
        for (size_t x = 0; x < g.width; x++)
            if (x < 4 || y < 4 || x >= g.width - 4 || y >= g.width - 4)
                assert_int_equal(g.dark[y * g.width + x], 0);
    qr_grid_free(&g);
    free(out);
}

static err_t check_utf8(const char *drawing, const char *text)
{
    struct qr_grid g;
    TRY(qr_get_utf8(&g, drawing, QR_PLAIN));
    err_t e = qr_check_grid(&g, text, NULL);
    qr_grid_free(&g);
    return e;
}

/* A drawing that was damaged, or is of another text, is noticed. */
static void test_check_notices(void **state)
{
    char *a, *b;
    (void)state;
    assert_int_equal(qr_draw_utf8(&a, "THE RIGHT TEXT", QR_PLAIN, NULL), OK);
    assert_int_equal(check_utf8(a, "THE RIGHT TEXT"), OK);
    assert_int_equal(check_utf8(a, "THE RIGHT TEXU"), ERR_MISMATCH);
    b = strdup(a);
    b[strlen(b) / 2] = '?';
    assert_int_equal(check_utf8(b, "THE RIGHT TEXT"), ERR_MISMATCH);
    strcpy(b, a);
    *strrchr(b, '\n') = '\0';
    assert_int_equal(check_utf8(b, "THE RIGHT TEXT"), ERR_MISMATCH);
    /* The finder pattern wiped out, in all lines. */
    struct qr_grid g;
    assert_int_equal(qr_get_utf8(&g, a, QR_PLAIN), OK);
    for (size_t y = 0; y < 12; y++)
        memset(g.dark + y * g.width, 0, g.width);
    assert_int_equal(qr_check_grid(&g, "THE RIGHT TEXT", NULL), ERR_MISMATCH);
    qr_grid_free(&g);
    free(a);
    free(b);
}

static void test_grid_readers_bad(void **state)
{
    static const char *const bad[] = {"", "\n", " ", "x\n", "  \n \n", "\x1b[0m\n", "\xe2\x96\n", "  \n\n"};
    static const char *const svg[] = {"", "<svg>", "viewBox=\"0 0 ", "viewBox=\"0 0 29 29\"",
                                      "viewBox=\"0 0 9999"};
    struct qr_grid g;
    char *out;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(qr_get_utf8(&g, bad[i], QR_PLAIN), ERR_MISMATCH);
    assert_int_equal(qr_get_utf8(&g, "  \n", QR_ANSI), ERR_MISMATCH);
    for (size_t i = 0; i < sizeof svg / sizeof svg[0]; i++)
        assert_int_equal(qr_get_svg(&g, svg[i]), ERR_MISMATCH);
    assert_int_equal(qr_draw_svg(&out, "SVG", NULL), OK);
    for (size_t n = strlen(out); n-- > 0;) {
        out[n] = '\0';
        assert_int_equal(qr_get_svg(&g, out), ERR_MISMATCH);
        assert_null(g.dark);
    }
    free(out);
}

/* Two codes side by side, one upside down: both are found. */
static void test_several(void **state)
{
    struct gray a, b, both;
    struct qr_found found;
    (void)state;
    assert_int_equal(picture_qr(&a, "FIRST", 4, NULL), OK);
    assert_int_equal(picture_qr(&b, "SECOND", 4, NULL), OK);
    assert_int_equal(gray_new(&both, a.width + b.width, a.height), OK);
    for (size_t y = 0; y < a.height; y++) {
        for (size_t x = 0; x < a.width; x++) {
            both.pixel[y * both.width + x] = a.pixel[y * a.width + x];
            both.pixel[y * both.width + a.width + x] =
                b.pixel[(b.height - 1 - y) * b.width + b.width - 1 - x];
        }
    }
    assert_int_equal(qr_decode_gray(&found, &both), OK);
    assert_int_equal(found.count, 2);
    assert_true(strcmp(found.text[0], "FIRST") == 0 || strcmp(found.text[1], "FIRST") == 0);
    assert_true(strcmp(found.text[0], "SECOND") == 0 || strcmp(found.text[1], "SECOND") == 0);
    qr_found_free(&found);
    gray_free(&a);
    gray_free(&b);
    gray_free(&both);
}

/* A bad photo: gray, noisy, uneven light, half a module blurred. */
static void test_photo(void **state)
{
    struct gray g;
    struct qr_found found;
    (void)state;
    srand(3);
    assert_int_equal(picture_qr(&g, "CONCLAVE1:R:1/1:00000000:BB8", 6, NULL), OK);
    for (size_t y = 0; y < g.height; y++)
        for (size_t x = 0; x + 2 < g.width; x++) {
            uint8_t *p = g.pixel + y * g.width + x;
            int v = (p[0] + p[1] + p[2]) / 3;
            v = 40 + v / 2 + (int)(x * 40 / g.width) + rand() % 30;
            *p = (uint8_t)v;
        }
    assert_int_equal(qr_decode_gray(&found, &g), OK);
    assert_int_equal(found.count, 1);
    qr_found_free(&found);
    gray_free(&g);
}

static void test_nothing_there(void **state)
{
    struct gray g;
    struct qr_found found;
    (void)state;
    srand(2);
    for (size_t side = 1; side < 400; side += 37) {
        assert_int_equal(gray_new(&g, side, 2 * side), OK);
        assert_int_equal(qr_decode_gray(&found, &g), OK);
        assert_int_equal(found.count, 0);
        qr_found_free(&found);
        for (size_t i = 0; i < 2 * side * side; i++)
            g.pixel[i] = (uint8_t)rand();
        assert_int_equal(qr_decode_gray(&found, &g), OK);
        assert_int_equal(found.count, 0);
        qr_found_free(&found);
        gray_free(&g);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages),      cmocka_unit_test(test_part_size),
        cmocka_unit_test(test_other_texts),   cmocka_unit_test(test_quiet_zone),
        cmocka_unit_test(test_check_notices), cmocka_unit_test(test_grid_readers_bad),
        cmocka_unit_test(test_several),       cmocka_unit_test(test_photo),
        cmocka_unit_test(test_nothing_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
