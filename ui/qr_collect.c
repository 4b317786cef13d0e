#include "ui/qr_collect.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

err_t qr_collect_add(struct qr_collect *c, const char *text)
{
    struct qrtext_place at;
    TRY(qrtext_look(&at, text));
    if (c->have > 0 &&
        (at.kind != c->message.kind || at.parts != c->message.parts || strcmp(at.hash, c->message.hash) != 0))
        return ERR_CONFLICT;
    char **place = &c->text[at.part - 1];
    if (*place != NULL)
        return strcmp(*place, text) == 0 ? ERR_DONE : ERR_CONFLICT;
    *place = strdup(text);
    if (*place == NULL)
        return ERR_MEMORY;
    c->message = at;
    c->have++;
    return OK;
}

int qr_collect_complete(const struct qr_collect *c)
{
    return c->have > 0 && c->have == c->message.parts;
}

void qr_collect_missing(const struct qr_collect *c, char *out, size_t size)
{
    size_t at = 0, n = c->have > 0 ? c->message.parts : 0;
    if (size > 0)
        out[0] = '\0';
    for (size_t i = 0; i < n && at < size; i++) {
        size_t first = i;
        if (c->text[i] != NULL)
            continue;
        while (i + 1 < n && c->text[i + 1] == NULL)
            i++;
        at += (size_t)snprintf(out + at, size - at, i > first ? "%s%zu-%zu" : "%s%zu", at > 0 ? ", " : "",
                               first + 1, i + 1);
    }
}

err_t qr_collect_join(const struct qr_collect *c, uint8_t **message, size_t *len, char *kind, struct fault *f)
{
    const char *text[QRTEXT_PARTS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < QRTEXT_PARTS_MAX; i++)
        if (c->text[i] != NULL)
            text[count++] = c->text[i];
    return qrtext_join(message, len, kind, text, count, f);
}

void qr_collect_clear(struct qr_collect *c)
{
    for (size_t i = 0; i < QRTEXT_PARTS_MAX; i++)
        free(c->text[i]);
    memset(c, 0, sizeof *c);
}
