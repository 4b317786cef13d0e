/* Exceptions: those that were noted, and noting one. */
#include <stdlib.h>
#include <string.h>

#include "appliance/face_entry.h"
#include "ceremony/exception.h"

static err_t list_one(void *ctx, const struct exception_shown *x, struct fault *f)
{
    struct page *p = ctx;
    char when[32];
    (void)f;
    face_time(when, x->what.time);
    if (x->author[0] != '\0')
        page_text(p, MSG_EXCEPTION_ONE, when, x->author, x->what.text);
    else
        page_text(p, MSG_EXCEPTION_ONE, when, "?", x->what.text);
    return OK;
}

static size_t count_of(const struct board *b)
{
    size_t count = 0;
    for (size_t i = 0; i < b->entry_count; i++)
        count += b->entry[i]->kind == ENTRY_EXCEPTION;
    return count;
}

/* The page with all of them. */
static err_t list_page(struct face *face, enum message note, int *action, struct fault *f)
{
    struct session s;
    struct page_event ev = {PAGE_BACK};
    TRY(face_session(face, &s, 0, f));
    struct page *p = page_new(face->ui, MSG_EXCEPTION_TITLE);
    page_text(p, MSG_EXCEPTION_TEXT);
    if (count_of(s.b) == 0)
        page_text(p, MSG_EXCEPTION_NONE);
    err_t e = exception_each(s.b, s.el->m, s.g, list_one, p, f);
    session_close(&s);
    page_action(p, 'n', 1, MSG_EXCEPTION_ADD);
    if (note != MSG_EXCEPTION_TITLE)
        page_note(p, note);
    if (e == OK)
        e = page_run(p, &ev, f);
    page_free(p);
    *action = ev.action;
    return e;
}

/* What is signed, from the data itself. */
static err_t confirm(struct face *face, const char *text, struct fault *f)
{
    struct session s;
    struct page_event ev;
    TRY(face_session(face, &s, 0, f));
    struct page *p = page_new(face->ui, MSG_EXCEPTION_CHECK);
    face_election(p, s.el->m);
    session_close(&s);
    page_head(p, MSG_EXCEPTION_FIELD);
    page_raw(p, text);
    page_warn(p, MSG_EXCEPTION_PROMISE);
    page_action_flags(p, 's', 1, PAGE_NEEDS_READ, MSG_EXCEPTION_SIGN);
    err_t e = page_run(p, &ev, f);
    page_free(p);
    return e != OK ? e : ev.action == 1 ? OK : face_back(f);
}

static err_t sign(struct face *face, struct session *s, void *text, struct fault *f)
{
    (void)face;
    TRY(trustee_find(&s->t, f));
    return exception_make(&s->t, text, f);
}

/* Until it is signed or given up; what was typed stays. */
static err_t note_one(struct face *face, char *text, struct fault *f)
{
    for (;;) {
        struct page_event ev;
        struct page *p = page_new(face->ui, MSG_EXCEPTION_NEW);
        page_text(p, MSG_EXCEPTION_ASK);
        page_field_text(p, text, EXCEPTION_TEXT_MAX + 1, 1, MSG_EXCEPTION_FIELD);
        page_action_flags(p, 'g', 1, PAGE_NEEDS_ALL, MSG_OK);
        err_t e = page_run(p, &ev, f);
        page_free(p);
        if (e != OK || ev.action != 1)
            return e != OK ? e : face_back(f);
        e = confirm(face, text, f);
        if (e == ERR_REFUSED)
            continue;
        return e == OK ? face_with_token(face, 0, sign, text, f) : e;
    }
}

err_t face_exception(struct face *face, struct fault *f)
{
    char *text = calloc(1, EXCEPTION_TEXT_MAX + 1);
    enum message note = MSG_EXCEPTION_TITLE;
    int action = 0;
    if (text == NULL)
        return fault_set(f, ERR_MEMORY, "exception");
    err_t e = OK;
    while (e == OK) {
        e = list_page(face, note, &action, f);
        note = MSG_EXCEPTION_TITLE;
        if (e != OK || action != 1)
            break;
        err_t noted = note_one(face, text, f);
        if (noted == OK) {
            note = MSG_EXCEPTION_DONE;
            text[0] = '\0';
        }
        e = face_show(face, noted, f);
    }
    free(text);
    return face_show(face, e, f);
}
