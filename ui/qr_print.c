#include <stdlib.h>

#include "ui/qr.h"
#include "ui/qrtext.h"

err_t qr_print(FILE *out, char kind, const void *message, size_t len, struct fault *f)
{
    struct qrtext texts;
    err_t e = qrtext_split(&texts, kind, message, len);
    if (e != OK)
        return fault_set(f, e, "a message as QR codes");
    for (size_t i = 0; i < texts.count && e == OK; i++) {
        char *drawing;
        e = qr_draw_utf8(&drawing, texts.part[i], QR_ANSI, f);
        if (e == OK)
            fprintf(out, "%s%s\n", drawing, texts.part[i]);
        free(drawing);
    }
    qrtext_free(&texts);
    return e;
}
