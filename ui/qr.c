#include "ui/qr.h"

#include <errno.h>
#include <qrencode.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ui/qr_draw.h"

#define CHECK_SCALE 4

void qr_free(struct qr *q)
{
    free(q->module);
    memset(q, 0, sizeof *q);
}

static err_t text_drawable(const char *text, struct fault *f)
{
    if (text[0] == '\0')
        return fault_set(f, ERR_LIMIT, "there is no text for the QR code");
    for (size_t i = 0; text[i] != '\0'; i++)
        if (text[i] < 0x20 || text[i] > 0x7e)
            return fault_set(f, ERR_TEXT, "character %zu for the QR code is not printable ASCII", i + 1);
    return OK;
}

err_t qr_make(struct qr *out, const char *text, struct fault *f)
{
    memset(out, 0, sizeof *out);
    TRY(text_drawable(text, f));
    errno = 0;
    QRcode *code = QRcode_encodeString(text, 0, QR_ECLEVEL_M, QR_MODE_8, 1);
    err_t e = OK;
    if (code == NULL && errno != ERANGE) {
        e = fault_set(f, ERR_MEMORY, "no memory for a QR code");
        goto out;
    }
    if (code == NULL || code->version > QR_VERSION_MAX) {
        e = fault_set(f, ERR_LIMIT, "%zu characters are too many for one QR code", strlen(text));
        goto out;
    }
    out->side = (size_t)code->width;
    out->module = malloc(out->side * out->side);
    if (out->module == NULL) {
        out->side = 0;
        e = fault_set(f, ERR_MEMORY, "no memory for a QR code");
        goto out;
    }
    for (size_t i = 0; i < out->side * out->side; i++)
        out->module[i] = code->data[i] & 1;
out:
    QRcode_free(code);
    return e;
}

static err_t reads_as(const struct gray *g, const char *text, struct fault *f)
{
    struct qr_found found;
    TRY(qr_decode_gray(&found, g));
    int same = found.count == 1 && strcmp(found.text[0], text) == 0;
    qr_found_free(&found);
    return same ? OK : fault_set(f, ERR_MISMATCH, "the QR code that was drawn does not read back");
}

/* The drawing, already taken apart into modules with the quiet zone around. */
err_t qr_check_grid(const struct qr_grid *grid, const char *text, struct fault *f)
{
    struct gray g;
    size_t width = grid->width * CHECK_SCALE;
    TRY(gray_new(&g, width, grid->height * CHECK_SCALE));
    for (size_t y = 0; y < g.height; y++)
        for (size_t x = 0; x < width; x++)
            if (grid->dark[y / CHECK_SCALE * grid->width + x / CHECK_SCALE])
                g.pixel[y * width + x] = 0;
    err_t e = reads_as(&g, text, f);
    gray_free(&g);
    return e;
}
