/* Gray pictures: read from a file that somebody brings (photo or scan of a QR code).
 *
 * Reads PNG (libpng), JPEG (libjpeg) and PNM (P5, P6). Files are hostile: sizes are limited before
 * anything is allocated, a file that ends early is refused, nothing is guessed from the name. */
#ifndef UI_IMAGE_H
#define UI_IMAGE_H

#include "ceremony/base/err.h"

#define IMAGE_FILE_MAX ((size_t)32 << 20)
#define IMAGE_PIXELS_MAX ((size_t)64 << 20)
#define IMAGE_SIDE_MAX 32768

/* 8 bits a pixel, 0 black to 255 white, rows from the top without padding. */
struct gray {
    uint32_t width, height;
    uint8_t *pixel;
};

/* out: width x height white pixels; freed by gray_free. ERR_LIMIT (a side is 0, or too large),
 * ERR_MEMORY; out is zeroed then. */
MUST err_t gray_new(struct gray *out, size_t width, size_t height);
void gray_free(struct gray *g);

/* 1 if data start like a picture that image_parse reads. */
MUST int image_is(const uint8_t *data, size_t len);

/* Colours become gray, transparent becomes white. out: freed by gray_free.
 * ERR_FORMAT: no picture of a known kind, or damaged; ERR_TRUNCATED; ERR_LIMIT: file or picture too
 * large; ERR_MEMORY; image_read also as file_read. On error out is zeroed. */
MUST err_t image_parse(struct gray *out, const uint8_t *data, size_t len, struct fault *f);
MUST err_t image_read(struct gray *out, const char *path, struct fault *f);

#endif
