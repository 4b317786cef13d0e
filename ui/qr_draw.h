/* The two text drawings of a QR code and their readers. Inside qr.h's module; tests reach in to
 * damage a drawing and see that the check notices. */
#ifndef UI_QR_DRAW_H
#define UI_QR_DRAW_H

#include "ui/qr.h"

/* Modules as drawn, with the quiet zone; width x height, 1 is dark. */
struct qr_grid {
    size_t width, height;
    uint8_t *dark;
};

void qr_grid_free(struct qr_grid *g);

/* Back into modules, from the text alone. ERR_MISMATCH when it holds anything that a drawing of
 * qr.h would not; ERR_MEMORY. g: freed by qr_grid_free, zeroed on error. */
MUST err_t qr_get_utf8(struct qr_grid *g, const char *text, enum qr_style style);
MUST err_t qr_get_svg(struct qr_grid *g, const char *text);

/* ERR_MISMATCH unless zbar reads exactly one code, with this text. */
MUST err_t qr_check_grid(const struct qr_grid *g, const char *text, struct fault *f);

#endif
