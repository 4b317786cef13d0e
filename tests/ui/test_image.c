#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jpeglib.h>

#include "tests/support/picture.h"
#include "ui/image.h"
#include "ui/qr.h"

#define TEXT "CONCLAVE1:R:1/1:00000000:BB8"
#define CUTS 50

struct bytes {
    uint8_t *data;
    size_t len;
};

static struct bytes as_jpeg(const struct gray *g, int progressive, int channels)
{
    struct jpeg_compress_struct j;
    struct jpeg_error_mgr errors;
    struct bytes b = {NULL, 0};
    unsigned long size = 0;
    j.err = jpeg_std_error(&errors);
    jpeg_create_compress(&j);
    jpeg_mem_dest(&j, &b.data, &size);
    j.image_width = g->width;
    j.image_height = g->height;
    j.input_components = channels;
    j.in_color_space = channels == 3 ? JCS_RGB : JCS_GRAYSCALE;
    jpeg_set_defaults(&j);
    if (progressive)
        jpeg_simple_progression(&j);
    jpeg_start_compress(&j, TRUE);
    uint8_t *row = malloc((size_t)g->width * (size_t)channels);
    while (j.next_scanline < j.image_height) {
        for (size_t x = 0; x < g->width * (size_t)channels; x++)
            row[x] = g->pixel[(size_t)j.next_scanline * g->width + x / (size_t)channels];
        jpeg_write_scanlines(&j, &row, 1);
    }
    jpeg_finish_compress(&j);
    jpeg_destroy_compress(&j);
    free(row);
    b.len = size;
    return b;
}

static struct bytes as_png(const struct gray *g, png_uint_32 format)
{
    png_image png;
    struct bytes b = {NULL, 0};
    size_t channels = PNG_IMAGE_SAMPLE_CHANNELS(format), n = (size_t)g->width * g->height;
    memset(&png, 0, sizeof png);
    png.version = PNG_IMAGE_VERSION;
    png.width = g->width;
    png.height = g->height;
    png.format = format;
    uint8_t *px = malloc(n * channels);
    for (size_t i = 0; i < n * channels; i++) {
        /* With alpha: everything black, light modules transparent. */
        uint8_t v = g->pixel[i / channels];
        px[i] = format & PNG_FORMAT_FLAG_ALPHA ? (i % channels + 1 == channels ? (uint8_t)(255 - v) : 0) : v;
    }
    assert_true(png_image_write_to_memory(&png, NULL, &b.len, 0, px, 0, NULL));
    b.data = malloc(b.len);
    assert_true(png_image_write_to_memory(&png, b.data, &b.len, 0, px, 0, NULL));
    free(px);
    return b;
}

static struct bytes as_pnm(const struct gray *g, int channels)
{
    struct bytes b;
    size_t n = (size_t)g->width * g->height;
    b.data = malloc(n * (size_t)channels + 100);
    b.len = (size_t)sprintf((char *)b.data, "P%d\n# made by a test\n%u %u\n255\n", channels == 3 ? 6 : 5,
                            g->width, g->height);
    for (size_t i = 0; i < n; i++)
        for (int c = 0; c < channels; c++)
            b.data[b.len++] = g->pixel[i];
    return b;
}

static void expect_text(const struct gray *g)
{
    struct qr_found found;
    assert_int_equal(qr_decode_gray(&found, g), OK);
    assert_int_equal(found.count, 1);
    assert_string_equal(found.text[0], TEXT);
    qr_found_free(&found);
}

/* Reads back whole; refused when cut anywhere; survives damage anywhere. */
static void exercise(struct bytes b)
{
    struct gray g;
    struct fault f;
    assert_true(image_is(b.data, b.len));
    assert_int_equal(image_parse(&g, b.data, b.len, &f), OK);
    expect_text(&g);
    gray_free(&g);
    for (size_t i = 0; i < CUTS; i++) {
        size_t cut = b.len * i / CUTS;
        uint8_t *copy = malloc(cut + 1); /* so that a read behind the end is seen by a sanitizer */
        memcpy(copy, b.data, cut);
        assert_int_not_equal(image_parse(&g, copy, cut, &f), OK);
        assert_null(g.pixel);
        assert_int_equal(g.width, 0);
        free(copy);
    }
    for (size_t cut = b.len - 1; cut > 0 && b.len - cut < 20; cut--)
        assert_int_not_equal(image_parse(&g, b.data, cut, &f), OK);
    for (size_t i = 0; i < 1000; i++) {
        size_t at = i < 100 ? i % b.len : (size_t)rand() % b.len;
        uint8_t old = b.data[at];
        b.data[at] = (uint8_t)rand();
        if (image_parse(&g, b.data, b.len, &f) == OK)
            gray_free(&g);
        b.data[at] = old;
    }
    free(b.data);
}

static void test_formats(void **state)
{
    struct gray g;
    (void)state;
    srand(1);
    assert_int_equal(picture_qr(&g, TEXT, 4, NULL), OK);
    exercise(as_pnm(&g, 1));
    exercise(as_pnm(&g, 3));
    exercise(as_jpeg(&g, 0, 1));
    exercise(as_jpeg(&g, 0, 3));
    exercise(as_jpeg(&g, 1, 3));
    exercise(as_png(&g, PNG_FORMAT_GRAY));
    exercise(as_png(&g, PNG_FORMAT_RGB));
    exercise(as_png(&g, PNG_FORMAT_RGBA));
    exercise(as_png(&g, PNG_FORMAT_GA));
    gray_free(&g);
}

static void test_pnm_bad(void **state)
{
    static const struct {
        const char *text;
        err_t e;
    } bad[] = {
        {"P5 1 1 255 ", ERR_TRUNCATED},
        {"P5 1 1 255", ERR_TRUNCATED},
        {"P5 0 1 255 x", ERR_FORMAT},
        {"P5 1 0 255 x", ERR_FORMAT},
        {"P5 1 1 0 x", ERR_FORMAT},
        {"P5 -1 1 255 x", ERR_FORMAT},
        {"P5 1 1 256 xx", ERR_LIMIT},
        {"P5 1 1 255xx", ERR_FORMAT},
        {"P5 40000 1 255 x", ERR_LIMIT},
        {"P5 30000 30000 255 x", ERR_LIMIT},
        {"P5 99999999999 1 255 x", ERR_FORMAT},
        {"P5 4294967297 1 255 x", ERR_FORMAT},
        {"P5 # ", ERR_TRUNCATED},
        {"P5 8000 8000 255 x", ERR_TRUNCATED},
        {"P6 1 1 255 xx", ERR_TRUNCATED},
        {"P4 1 1 x", ERR_FORMAT},
        {"P5", ERR_FORMAT},
        {"", ERR_FORMAT},
        {"GIF89a", ERR_FORMAT},
    };
    struct gray g;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (image_parse(&g, (const uint8_t *)bad[i].text, strlen(bad[i].text), NULL) != bad[i].e)
            fail_msg("%s", bad[i].text);
    assert_int_equal(image_parse(&g, (const uint8_t *)"P5 2 1 1 \x01\x00", 11, NULL), OK);
    assert_int_equal(g.pixel[0], 255);
    assert_int_equal(g.pixel[1], 0);
    gray_free(&g);
    assert_int_equal(image_parse(&g, (const uint8_t *)"P6 1 1 255 \xff\x00\x00", 14, NULL), OK);
    assert_int_equal(g.pixel[0], 76);
    gray_free(&g);
    assert_int_equal(gray_new(&g, 0, 5), ERR_LIMIT);
    assert_int_equal(gray_new(&g, SIZE_MAX, SIZE_MAX), ERR_LIMIT);
}

/* Small files that claim to be huge are refused before memory is taken. */
static void test_huge_claims(void **state)
{
    struct gray small, g;
    (void)state;
    assert_int_equal(gray_new(&small, 16, 16), OK);
    struct bytes b = as_jpeg(&small, 0, 1);
    for (size_t i = 0; i + 9 < b.len; i++) {
        if (b.data[i] == 0xff && b.data[i + 1] == 0xc0) { /* SOF0: height and width */
            memset(b.data + i + 5, 0xf0, 4);
            break;
        }
    }
    assert_int_equal(image_parse(&g, b.data, b.len, NULL), ERR_LIMIT);
    free(b.data);
    b = as_png(&small, PNG_FORMAT_GRAY);
    b.data[16] = 0x7f; /* width; the checksum of the chunk is wrong then too */
    assert_int_not_equal(image_parse(&g, b.data, b.len, NULL), OK);
    free(b.data);
    uint8_t *zeros = calloc(1, IMAGE_FILE_MAX + 1);
    assert_int_equal(image_parse(&g, zeros, IMAGE_FILE_MAX + 1, NULL), ERR_LIMIT);
    free(zeros);
    gray_free(&small);
}

static void test_files(void **state)
{
    struct gray g, back;
    struct fault f;
    char dir[] = "/tmp/conclave-image-XXXXXX", path[100];
    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/qr.png", dir);
    assert_int_equal(picture_qr(&g, TEXT, 2, NULL), OK);
    assert_int_equal(picture_write(path, &g, &f), OK);
    assert_int_equal(image_read(&back, path, &f), OK);
    assert_int_equal(back.width, g.width);
    assert_int_equal(back.height, g.height);
    assert_memory_equal(back.pixel, g.pixel, (size_t)g.width * g.height);
    gray_free(&back);
    unlink(path);
    assert_int_equal(image_read(&back, path, &f), ERR_MISSING);
    assert_non_null(strstr(f.file, "qr.png"));
    FILE *out = fopen(path, "w");
    fputs("no picture", out);
    fclose(out);
    assert_int_equal(image_read(&back, path, &f), ERR_FORMAT);
    assert_non_null(strstr(f.file, "qr.png"));
    assert_null(back.pixel);
    unlink(path);
    rmdir(dir);
    gray_free(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_formats),
        cmocka_unit_test(test_pnm_bad),
        cmocka_unit_test(test_huge_claims),
        cmocka_unit_test(test_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
