/* Pictures of QR codes, as somebody's camera or scanner would bring them. */
#ifndef TESTS_SUPPORT_PICTURE_H
#define TESTS_SUPPORT_PICTURE_H

#include "ui/image.h"

/* The code of text with its quiet zone, scale pixels a module. Freed with gray_free. Errors of qr_make and
 * gray_new. */
MUST err_t picture_qr(struct gray *out, const char *text, size_t scale, struct fault *f);

/* Writes a gray PNG over what is there. ERR_IO. */
MUST err_t picture_write(const char *path, const struct gray *g, struct fault *f);

#endif
