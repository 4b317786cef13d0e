/* Any entry of the board as QR codes. */
#include <stdlib.h>
#include <string.h>

#include "appliance/face_entry.h"
#include "ui/qrtext.h"

/* Newest first. */
static int by_time(const void *a, const void *b)
{
    const struct entry *x = *(const struct entry *const *)a, *y = *(const struct entry *const *)b;
    if (x->time != y->time)
        return x->time < y->time ? 1 : -1;
    if (x->kind != y->kind)
        return x->kind < y->kind ? -1 : 1;
    return hash_cmp(&x->id, &y->id);
}

static err_t choose(struct face *face, const struct session *s, const struct entry **sorted, size_t *at,
                    int *action, struct fault *f)
{
    struct page_event ev;
    struct page *p = page_new(face->ui, MSG_QR_SHOW_TITLE);
    page_text(p, s->b->entry_count > 0 ? MSG_QR_SHOW_TEXT : MSG_QR_SHOW_NONE);
    if (s->b->entry_count > 0)
        page_field_choice(p, at, MSG_QR_SHOW_FIELD);
    for (size_t i = 0; i < s->b->entry_count; i++) {
        char line[512], detail[64], hex[17];
        face_entry_line(line, face, s, NULL, sorted[i]);
        hex_put(hex, sorted[i]->id.b, 8);
        const char *arg[] = {hex, UI_NUMBER(sorted[i]->bytes_len)};
        err_t ignored = message_format(detail, sizeof detail, face->language, MSG_ENTRY_DETAIL, arg, 2);
        (void)ignored;
        page_item_raw(p, line, detail);
    }
    if (s->b->entry_count > 0)
        page_action_flags(p, 'g', 1, PAGE_NEEDS_ALL, MSG_QR_SHOW_DO);
    err_t e = page_run(p, &ev, f);
    page_free(p);
    *action = e == OK ? ev.action : PAGE_BACK;
    return e;
}

static err_t show(struct face *face, const struct session *s, const struct entry *x, struct fault *f)
{
    struct page_event ev;
    struct page *p = page_new(face->ui, MSG_QR_SHOW_PAGE);
    face_entry_values(p, face, s, x);
    if (x->kind == ENTRY_DEAL)
        page_warn(p, MSG_QR_SHOW_DEAL);
    if (x->bytes_len > QRTEXT_MESSAGE_MAX) {
        page_warn(p, MSG_QR_SHOW_LARGE);
    } else {
        page_text(p, MSG_QR_SHOW_HOW);
        page_qr_message(p, QRTEXT_ENTRY, x->bytes, x->bytes_len);
    }
    err_t e = page_run(p, &ev, f);
    page_free(p);
    return e;
}

err_t face_qr_show(struct face *face, struct fault *f)
{
    struct session s;
    size_t at = 0;
    int action = 1;
    err_t e = face_session(face, &s, 0, f);
    if (e != OK)
        return face_show(face, e, f);
    const struct entry **sorted = calloc(s.b->entry_count + 1, sizeof *sorted);
    if (sorted == NULL)
        e = fault_set(f, ERR_MEMORY, "list of entries");
    for (size_t i = 0; i < s.b->entry_count && e == OK; i++)
        sorted[i] = s.b->entry[i];
    if (e == OK)
        qsort(sorted, s.b->entry_count, sizeof *sorted, by_time);
    while (e == OK) {
        e = choose(face, &s, sorted, &at, &action, f);
        if (e != OK || action != 1 || at >= s.b->entry_count)
            break;
        e = show(face, &s, sorted[at], f);
    }
    free(sorted);
    session_close(&s);
    return face_show(face, e, f);
}
