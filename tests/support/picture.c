#include "tests/support/picture.h"

#include <png.h>
#include <string.h>

#include "ui/qr.h"

err_t picture_qr(struct gray *out, const char *text, size_t scale, struct fault *f)
{
    struct qr q;
    memset(out, 0, sizeof *out);
    TRY(qr_make(&q, text, f));
    size_t side = (q.side + 2 * QR_QUIET) * scale;
    err_t e = gray_new(out, side, side);
    for (size_t y = 0; e == OK && y < q.side * scale; y++)
        for (size_t x = 0; x < q.side * scale; x++)
            if (q.module[y / scale * q.side + x / scale])
                out->pixel[(y + QR_QUIET * scale) * side + x + QR_QUIET * scale] = 0;
    qr_free(&q);
    return e == OK ? OK : fault_set(f, e, "a picture with %zu pixels a module", scale);
}

err_t picture_write(const char *path, const struct gray *g, struct fault *f)
{
    png_image png = {
        .version = PNG_IMAGE_VERSION, .width = g->width, .height = g->height, .format = PNG_FORMAT_GRAY};
    int written = png_image_write_to_file(&png, path, 0, g->pixel, (png_int_32)g->width, NULL);
    png_image_free(&png);
    return written ? OK : fault_set(f, ERR_IO, "%.400s", path);
}
