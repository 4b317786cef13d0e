/* Collects the texts of one message as they are read from QR codes, one after the other and in any order,
 * until all parts are there. */
#ifndef UI_QR_COLLECT_H
#define UI_QR_COLLECT_H

#include "ui/qrtext.h"

struct qr_collect {              /* all zeros: empty */
    struct qrtext_place message; /* part: not used */
    char *text[QRTEXT_PARTS_MAX];
    size_t have;
};

/* OK: a part that was not here. ERR_DONE: it is here already. ERR_CONFLICT: of another message than the
 * one that was begun, or another content. ERR_FORMAT, ERR_LIMIT, ERR_VERSION: no text of this program.
 * ERR_MEMORY. Only OK changes anything. */
MUST err_t qr_collect_add(struct qr_collect *c, const char *text);
MUST int qr_collect_complete(const struct qr_collect *c);
/* "2, 4-7" of the parts that are not here, cut to size. */
void qr_collect_missing(const struct qr_collect *c, char *out, size_t size);
/* As qrtext_join. */
MUST err_t qr_collect_join(const struct qr_collect *c, uint8_t **message, size_t *len, char *kind,
                           struct fault *f);
/* Frees the texts; empty after it. */
void qr_collect_clear(struct qr_collect *c);

#endif
