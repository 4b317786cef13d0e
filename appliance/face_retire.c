/* Retiring: the end of a trustee's part of a key. */
#include "appliance/face_steps.h"

static err_t retire_token(struct face *face, struct session *s, void *ctx, struct fault *f)
{
    (void)face;
    return work_retire(s, ctx, f);
}

static err_t agree(struct face *face, const struct session *s, struct fault *f)
{
    hash_t anchor;
    struct page *p = step_summary(face, MSG_RETIRE_TITLE, MSG_RETIRE_TEXT, s->el->m);
    record_anchor(&anchor, &s->el->m->election, &s->el->r->id);
    page_value(p, UI_NUMBER(__builtin_popcount(s->el->r->holders)), MSG_RETIRE_HOLDERS);
    page_head(p, MSG_RETIRE_KEY);
    page_words(p, &anchor, 0);
    TRY(step_agree(p, MSG_OK, f));
    return step_type_words(face, MSG_RETIRE_TITLE, MSG_RETIRE_TYPE, &anchor, PAGE_DANGER, MSG_RETIRE_DO, f);
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
