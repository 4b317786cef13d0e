#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/picture.h"
#include "ui/qr_read.h"

static char path[] = "/tmp/conclave-qr-XXXXXX";

static int start(void **state)
{
    (void)state;
    int fd = mkstemp(path);
    return fd < 0 ? -1 : close(fd);
}

static int end(void **state)
{
    (void)state;
    return unlink(path);
}

static void test_good(void **state)
{
    struct gray g;
    struct qr_found found;
    struct fault f;
    (void)state;
    assert_int_equal(picture_qr(&g, "CONCLAVE1:R:1/1:00000000:BB8", 3, NULL), OK);
    assert_int_equal(picture_write(path, &g, &f), OK);
    gray_free(&g);
    assert_int_equal(qr_read_file(&found, path, &f), OK);
    assert_int_equal(found.count, 1);
    assert_string_equal(found.text[0], "CONCLAVE1:R:1/1:00000000:BB8");
    qr_found_free(&found);
}

static void test_bad_files(void **state)
{
    struct gray g;
    struct qr_found found;
    struct fault f;
    (void)state;
    assert_int_equal(qr_read_file(&found, "/nonexistent/x.png", &f), ERR_MISSING);
    assert_string_equal(f.file, "/nonexistent/x.png");
    assert_int_equal(gray_new(&g, 100, 100), OK);
    assert_int_equal(picture_write(path, &g, &f), OK);
    gray_free(&g);
    assert_int_equal(qr_read_file(&found, path, &f), ERR_MISSING);
    assert_non_null(strstr(f.detail, "no readable QR code"));
    FILE *out = fopen(path, "w");
    fputs("P5 5 5 255 x", out);
    fclose(out);
    assert_int_equal(qr_read_file(&found, path, &f), ERR_TRUNCATED);
    assert_string_equal(f.file, path);
    assert_int_equal(qr_read_file(&found, path, NULL), ERR_TRUNCATED);
    assert_null(found.text);
}

/* Finder patterns everywhere: zbar tries all triples of them, which takes it minutes and more. */
static void test_time_limit(void **state)
{
    struct gray g;
    struct qr_found found;
    struct fault f;
    (void)state;
    assert_int_equal(gray_new(&g, 3000, 3000), OK);
    for (size_t y = 0; y < g.height; y++) {
        for (size_t x = 0; x < g.width; x++) {
            size_t a = x % 9, b = y % 9;
            int light_ring =
                ((a == 1 || a == 5) && b >= 1 && b <= 5) || ((b == 1 || b == 5) && a >= 1 && a <= 5);
            if (a < 7 && b < 7 && !light_ring)
                g.pixel[y * g.width + x] = 0;
        }
    }
    assert_int_equal(picture_write(path, &g, &f), OK);
    gray_free(&g);
    assert_int_equal(qr_read_file_limit(&found, path, 1, &f), ERR_LIMIT);
    assert_non_null(strstr(f.detail, "within 1 seconds"));
    assert_null(found.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad_files),
        cmocka_unit_test(test_time_limit),
    };
    return cmocka_run_group_tests(tests, start, end);
}
