/* QR codes: made with libqrencode, drawn for a terminal or a page, read with zbar.
 *
 * Every drawing is taken apart again before it is returned: the characters, or the path of the SVG,
 * are turned back into a picture, zbar reads it, and the text must be the one that was given.
 * Level M; a quiet zone of four modules is part of each drawing (ISO/IEC 18004 section 6.3.8). */
#ifndef UI_QR_H
#define UI_QR_H

#include <stdio.h>

#include "ceremony/base/err.h"
#include "ui/image.h"

#define QR_VERSION_MAX 25
#define QR_QUIET 4         /* modules */
#define QR_SYMBOLS_MAX 256 /* that qr_decode_gray returns */

/* The modules of a code, without the quiet zone. */
struct qr {
    size_t side;     /* modules */
    uint8_t *module; /* side x side, row by row; 1 is dark */
};

/* text: printable ASCII. Upper case, digits, space and $%*+-./: alone make the smallest codes.
 * out: freed by qr_free. ERR_TEXT: another character; ERR_LIMIT: empty or over QR_VERSION_MAX.
 * On error out is zeroed. */
MUST err_t qr_make(struct qr *out, const char *text, struct fault *f);
void qr_free(struct qr *q);

enum qr_style {
    QR_ANSI, /* dark on light by explicit colours, whatever those of the terminal are */
    QR_PLAIN /* block characters alone: for dark ink on light ground, files and paper */
};

/* Half-block characters in UTF-8, two modules to a character, one line per row of characters.
 * *out: malloc'ed text, freed with free(). Errors as qr_make, and ERR_MISMATCH when the drawing does
 * not read back as text. On error *out is NULL. */
MUST err_t qr_draw_utf8(char **out, const char *text, enum qr_style style, struct fault *f);

/* One <svg> element, one path, for a page or a file of its own. As qr_draw_utf8. */
MUST err_t qr_draw_svg(char **out, const char *text, struct fault *f);

/* Writes a message (ui/qrtext.h) as codes for a terminal, each with its text below. Errors as qrtext_split
 * and qr_draw_utf8. */
MUST err_t qr_print(FILE *out, char kind, const void *message, size_t len, struct fault *f);

/* What was read from a picture: bytes of unknown origin, NUL-terminated; a symbol with a NUL inside
 * is left out. */
struct qr_found {
    char **text;
    size_t count;
};

/* All QR codes in the picture, no other kind of code; none is OK with count 0. Freed by
 * qr_found_free. ERR_MEMORY; ERR_LIMIT: more than QR_SYMBOLS_MAX. On error out is zeroed. */
MUST err_t qr_decode_gray(struct qr_found *out, const struct gray *g);
void qr_found_free(struct qr_found *q);

#endif
