/* Retiring: the end of a trustee's part of a key. */
#include "appliance/face_steps.h"

static err_t retire_token(struct face *face, struct session *s, void *ctx, struct fault *f)
{
    (void)face;
    return work_retire(s, ctx, f);
}

static err_t agree(struct face *face, const struct session *s, struct fault *f)
{
    struct page_event ev;
    hash_t anchor;
    struct page *p = step_summary(face, MSG_RETIRE_TITLE, MSG_RETIRE_TEXT, s->el->m);
    record_anchor(&anchor, &s->el->m->election, &s->el->r->id);
    page_value(p, UI_NUMBER(__builtin_popcount(s->el->r->holders)), MSG_RETIRE_HOLDERS);
    page_head(p, MSG_RETIRE_KEY);
    page_words(p, &anchor, 0);
    page_field_words(p, &anchor, MSG_TYPE_WORDS);
    page_action_flags(p, 'd', 1, PAGE_NEEDS_ALL | PAGE_DANGER, MSG_RETIRE_DO);
    err_t e = page_run(p, &ev, f);
    page_free(p);
    return e != OK ? e : ev.action == 1 ? OK : face_back(f);
}

err_t face_retire(struct face *face, struct fault *f)
{
    struct session s;
    int again = 0;
    err_t e = step_token(face, f);
    if (e == OK)
        e = face_session(face, &s, 1, f);
    if (e == OK) {
        e = agree(face, &s, f);
        session_close(&s);
    }
    if (e == OK)
        e = face_with_token(face, 1, retire_token, &again, f);
    if (e == OK)
        return ui_show(face->ui, MSG_RETIRE_TITLE, f, again ? MSG_RETIRE_AGAIN : MSG_RETIRE_DONE);
    return face_show(face, e, f);
}
