#include "ui/image.h"

#include <png.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

#include <jerror.h>

#include "ceremony/base/file.h"

#define JPEG_SCANS_MAX 64            /* progressive files with more are made to waste time */
#define JPEG_MEMORY_MAX (256L << 20) /* of libjpeg for itself */

void gray_free(struct gray *g)
{
    free(g->pixel);
    memset(g, 0, sizeof *g);
}

err_t gray_new(struct gray *out, size_t width, size_t height)
{
    memset(out, 0, sizeof *out);
    if (width < 1 || height < 1 || width > IMAGE_SIDE_MAX || height > IMAGE_SIDE_MAX ||
        width * height > IMAGE_PIXELS_MAX)
        return ERR_LIMIT;
    out->pixel = malloc(width * height);
    if (out->pixel == NULL)
        return ERR_MEMORY;
    memset(out->pixel, 255, width * height);
    out->width = (uint32_t)width;
    out->height = (uint32_t)height;
    return OK;
}

static err_t new_picture(struct gray *out, size_t width, size_t height, struct fault *f)
{
    err_t e = gray_new(out, width, height);
    return e == OK ? OK : fault_set(f, e, "the picture has %zu x %zu pixels", width, height);
}

/* --- PNG --- */

static const uint8_t png_magic[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};

/* The simplified reader stops after the last row; this sees that all chunks up to IEND are here. */
static int png_is_whole(const uint8_t *data, size_t len)
{
    size_t pos = sizeof png_magic;
    while (len - pos >= 12) {
        size_t n = (size_t)data[pos] << 24 | (size_t)data[pos + 1] << 16 | (size_t)data[pos + 2] << 8 |
                   data[pos + 3];
        if (n > len - pos - 12)
            return 0;
        if (memcmp(data + pos + 4, "IEND", 4) == 0)
            return 1;
        pos += 12 + n;
    }
    return 0;
}

/* libpng tells want of memory from damage in its message only. */
static err_t png_fault(const png_image *png, struct fault *f)
{
    if (strcasestr(png->message, "memory") != NULL)
        return fault_set(f, ERR_MEMORY, "no memory for a PNG file");
    return fault_set(f, ERR_FORMAT, "damaged PNG file: %s", png->message);
}

static err_t parse_png(struct gray *out, const uint8_t *data, size_t len, struct fault *f)
{
    png_image png;
    png_color white = {255, 255, 255};
    err_t e;
    memset(&png, 0, sizeof png);
    png.version = PNG_IMAGE_VERSION;
    if (!png_is_whole(data, len))
        return fault_set(f, ERR_TRUNCATED, "the PNG file ends early");
    if (!png_image_begin_read_from_memory(&png, data, len))
        return png_fault(&png, f);
    GO(new_picture(out, png.width, png.height, f));
    png.format = PNG_FORMAT_GRAY;
    if (!png_image_finish_read(&png, &white, out->pixel, (png_int_32)out->width, NULL))
        e = png_fault(&png, f);
out:
    png_image_free(&png);
    return e;
}

/* --- JPEG --- */

struct jpeg_reader {
    struct jpeg_decompress_struct j; /* first: libjpeg hands this back */
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    jmp_buf back;
    err_t err;
    char message[JMSG_LENGTH_MAX];
};

static void jpeg_fail(struct jpeg_reader *r, err_t e)
{
    r->err = e;
    r->j.err->format_message((j_common_ptr)&r->j, r->message);
    longjmp(r->back, 1);
}

static void on_jpeg_error(j_common_ptr j)
{
    struct jpeg_reader *r = (struct jpeg_reader *)j;
    jpeg_fail(r, j->err->msg_code == JERR_OUT_OF_MEMORY ? ERR_MEMORY : ERR_FORMAT);
}

/* libjpeg fills up what is not there with gray and only warns. */
static void on_jpeg_message(j_common_ptr j, int level)
{
    struct jpeg_reader *r = (struct jpeg_reader *)j;
    if (level < 0 && (j->err->msg_code == JWRN_JPEG_EOF || j->err->msg_code == JWRN_HIT_MARKER))
        jpeg_fail(r, ERR_TRUNCATED);
}

static void on_jpeg_progress(j_common_ptr j)
{
    struct jpeg_reader *r = (struct jpeg_reader *)j;
    if (r->j.input_scan_number > JPEG_SCANS_MAX) {
        j->err->msg_code = JERR_BAD_PROGRESSION;
        jpeg_fail(r, ERR_LIMIT);
    }
}

static void jpeg_rows(struct jpeg_reader *r, struct gray *out, const uint8_t *data, size_t len,
                      struct fault *f)
{
    r->progress.progress_monitor = on_jpeg_progress;
    r->j.progress = &r->progress;
    r->j.mem->max_memory_to_use = JPEG_MEMORY_MAX;
    jpeg_mem_src(&r->j, data, len);
    jpeg_read_header(&r->j, TRUE);
    r->err = new_picture(out, r->j.image_width, r->j.image_height, f);
    if (r->err != OK)
        return;
    r->j.out_color_space = JCS_GRAYSCALE;
    jpeg_start_decompress(&r->j);
    while (r->j.output_scanline < r->j.output_height) {
        JSAMPROW row = out->pixel + (size_t)r->j.output_scanline * out->width;
        jpeg_read_scanlines(&r->j, &row, 1);
    }
    jpeg_finish_decompress(&r->j);
}

static err_t parse_jpeg(struct gray *out, const uint8_t *data, size_t len, struct fault *f)
{
    struct jpeg_reader *r = calloc(1, sizeof *r);
    if (r == NULL)
        return fault_set(f, ERR_MEMORY, "no memory for a JPEG file");
    r->j.err = jpeg_std_error(&r->errors);
    r->errors.error_exit = on_jpeg_error;
    r->errors.emit_message = on_jpeg_message;
    if (setjmp(r->back) == 0) {
        jpeg_create_decompress(&r->j);
        jpeg_rows(r, out, data, len, f);
    } else {
        fault_set(f, r->err, "damaged JPEG file: %s", r->message);
    }
    err_t e = r->err;
    jpeg_destroy_decompress(&r->j);
    free(r);
    return e;
}

/* --- PNM (netpbm pgm(5), ppm(5)), binary, 8 bits --- */

static int is_space(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* A decimal number after white space and comments; 0 where there is none, or it is over a million. */
static size_t pnm_number(const uint8_t *data, size_t len, size_t *pos)
{
    size_t v = 0, start = *pos;
    while (*pos < len && (is_space(data[*pos]) || data[*pos] == '#')) {
        if (data[*pos] == '#')
            while (*pos < len && data[*pos] != '\n')
                ++*pos;
        else
            ++*pos;
    }
    if (*pos == start)
        return 0;
    for (; *pos < len && data[*pos] >= '0' && data[*pos] <= '9'; ++*pos) {
        v = v * 10 + (size_t)(data[*pos] - '0');
        if (v > 1000000)
            return 0;
    }
    return v;
}

/* ITU-R BT.601 weights, rounded. */
static unsigned luma(const uint8_t *rgb)
{
    return (299u * rgb[0] + 587u * rgb[1] + 114u * rgb[2] + 500u) / 1000u;
}

static err_t parse_pnm(struct gray *out, const uint8_t *data, size_t len, struct fault *f)
{
    size_t pos = 2, channels = data[1] == '6' ? 3 : 1;
    size_t width = pnm_number(data, len, &pos), height = pnm_number(data, len, &pos);
    size_t top = pnm_number(data, len, &pos);
    if (pos >= len)
        return fault_set(f, ERR_TRUNCATED, "the PNM file ends early");
    if (width == 0 || height == 0 || top == 0 || !is_space(data[pos]))
        return fault_set(f, ERR_FORMAT, "damaged PNM header");
    if (top > 255)
        return fault_set(f, ERR_LIMIT, "PNM with more than 8 bits");
    pos++;
    TRY(new_picture(out, width, height, f));
    size_t count = width * height;
    if (len - pos < count * channels)
        return fault_set(f, ERR_TRUNCATED, "the PNM file ends early");
    for (size_t i = 0; i < count; i++) {
        const uint8_t *p = data + pos + i * channels;
        unsigned v = channels == 3 ? luma(p) : p[0];
        out->pixel[i] = (uint8_t)(v >= top ? 255 : v * 255 / top);
    }
    return OK;
}

/* --- any --- */

typedef err_t parse_fn(struct gray *out, const uint8_t *data, size_t len, struct fault *f);

static parse_fn *parser_of(const uint8_t *data, size_t len)
{
    if (len >= sizeof png_magic && memcmp(data, png_magic, sizeof png_magic) == 0)
        return parse_png;
    if (len >= 3 && data[0] == 0xff && data[1] == 0xd8 && data[2] == 0xff)
        return parse_jpeg;
    if (len >= 3 && data[0] == 'P' && (data[1] == '5' || data[1] == '6') && is_space(data[2]))
        return parse_pnm;
    return NULL;
}

int image_is(const uint8_t *data, size_t len)
{
    return parser_of(data, len) != NULL;
}

err_t image_parse(struct gray *out, const uint8_t *data, size_t len, struct fault *f)
{
    memset(out, 0, sizeof *out);
    if (len > IMAGE_FILE_MAX)
        return fault_set(f, ERR_LIMIT, "%zu bytes, at most %zu allowed", len, IMAGE_FILE_MAX);
    parse_fn *parse = parser_of(data, len);
    if (parse == NULL)
        return fault_set(f, ERR_FORMAT, "no PNG, JPEG or PNM picture");
    err_t e = parse(out, data, len, f);
    if (e != OK)
        gray_free(out);
    return e;
}

err_t image_read(struct gray *out, const char *path, struct fault *f)
{
    uint8_t *data;
    size_t len;
    memset(out, 0, sizeof *out);
    TRY(file_read(&data, &len, path, IMAGE_FILE_MAX, f));
    err_t e = fault_file(f, image_parse(out, data, len, f), path);
    free(data);
    return e;
}
