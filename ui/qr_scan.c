#include <stdlib.h>
#include <string.h>
#include <zbar.h>

#include "ui/qr.h"

void qr_found_free(struct qr_found *q)
{
    for (size_t i = 0; q->text != NULL && i < q->count; i++)
        free(q->text[i]);
    free(q->text);
    memset(q, 0, sizeof *q);
}

/* Without the D-Bus call zbar tells every code it reads to the whole system. */
static zbar_image_scanner_t *scanner_new(void)
{
    zbar_image_scanner_t *s = zbar_image_scanner_create();
    if (s == NULL)
        return NULL;
    zbar_image_scanner_request_dbus(s, 0);
    zbar_image_scanner_set_config(s, ZBAR_NONE, ZBAR_CFG_ENABLE, 0);
    zbar_image_scanner_set_config(s, ZBAR_QRCODE, ZBAR_CFG_ENABLE, 1);
    return s;
}

static err_t take(struct qr_found *out, const zbar_symbol_t *symbol)
{
    if (out->count == QR_SYMBOLS_MAX)
        return ERR_LIMIT;
    size_t len = zbar_symbol_get_data_length(symbol);
    const char *data = zbar_symbol_get_data(symbol);
    if (zbar_symbol_get_type(symbol) != ZBAR_QRCODE || memchr(data, '\0', len) != NULL)
        return OK;
    char *text = malloc(len + 1);
    if (text == NULL)
        return ERR_MEMORY;
    memcpy(text, data, len);
    text[len] = '\0';
    out->text[out->count++] = text;
    return OK;
}

err_t qr_decode_gray(struct qr_found *out, const struct gray *g)
{
    err_t e = ERR_MEMORY;
    memset(out, 0, sizeof *out);
    zbar_image_scanner_t *scanner = scanner_new();
    zbar_image_t *image = zbar_image_create();
    out->text = calloc(QR_SYMBOLS_MAX, sizeof *out->text);
    if (scanner == NULL || image == NULL || out->text == NULL)
        goto out;
    zbar_image_set_format(image, zbar_fourcc('Y', '8', '0', '0'));
    zbar_image_set_size(image, g->width, g->height);
    zbar_image_set_data(image, g->pixel, (size_t)g->width * g->height, NULL);
    if (zbar_scan_image(scanner, image) < 0)
        goto out;
    e = OK;
    const zbar_symbol_t *symbol = zbar_image_first_symbol(image);
    for (; symbol != NULL && e == OK; symbol = zbar_symbol_next(symbol))
        e = take(out, symbol);
out:
    if (e != OK)
        qr_found_free(out);
    if (image != NULL)
        zbar_image_destroy(image);
    if (scanner != NULL)
        zbar_image_scanner_destroy(scanner);
    return e;
}
