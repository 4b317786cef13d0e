/* Drill: is my share still there? And who else proved it. */
#include "appliance/face_steps.h"

#define BIT(seat) (UINT32_C(1) << ((seat)-1))
enum { PROVE = 1, CHECK };

static err_t drill_token(struct face *face, struct session *s, void *ctx, struct fault *f)
{
    (void)face;
    TRY(trustee_find(&s->t, f));
    return drill_make(&s->t, s->el->r, ctx, f);
}

static err_t prove(struct face *face, const char *text, hash_t *challenge, struct fault *f)
{
    struct session s;
    TRY(step_token(face, f));
    TRY(face_session(face, &s, 1, f));
    struct page *p = step_summary(face, MSG_DRILL_TITLE, MSG_DRILL_PROMISE, s.el->m);
    session_close(&s);
    page_value(p, text, MSG_DRILL_CHALLENGE);
    TRY(step_agree(p, MSG_DRILL_DO, f));
    return face_with_token(face, 1, drill_token, challenge, f);
}

static err_t show(struct face *face, const char *text, const hash_t *challenge, struct fault *f)
{
    struct session s;
    struct page_event ev;
    uint32_t good, bad;
    TRY(face_session(face, &s, 1, f));
    err_t e = work_drills(&good, &bad, &s, challenge, f);
    if (e != OK) {
        session_close(&s);
        return e;
    }
    struct page *p = page_new(face->ui, MSG_DRILL_TITLE);
    page_value(p, text, MSG_DRILL_CHALLENGE);
    page_text(p, MSG_DRILL_RESULT);
    for (uint32_t j = 1; j <= s.el->r->n; j++) {
        if (!(s.el->r->holders & BIT(j)))
            continue;
        page_check(p,
                   good & BIT(j)  ? PAGE_PASS
                   : bad & BIT(j) ? PAGE_FAIL
                                  : PAGE_NOT_CHECKED,
                   message_text(face->language, good & BIT(j)  ? MSG_DRILL_GOOD
                                                : bad & BIT(j) ? MSG_DRILL_BAD
                                                               : MSG_DRILL_NONE),
                   MSG_DRILL_SEAT, UI_NUMBER(j), s.el->r->seat[j - 1].name);
    }
    session_close(&s);
    page_action(p, 'g', 1, MSG_OK);
    e = page_run(p, &ev, f);
    page_free(p);
    return e;
}

err_t face_drill(struct face *face, struct fault *f)
{
    char text[TEXT_TITLE_MAX + 1] = "";
    hash_t challenge;
    for (;;) {
        struct page_event ev;
        struct page *p = page_new(face->ui, MSG_DRILL_TITLE);
        page_text(p, MSG_DRILL_TEXT);
        page_field_text(p, text, sizeof text, 4, MSG_DRILL_FIELD);
        page_action_flags(p, 'p', PROVE, PAGE_NEEDS_ALL, MSG_DRILL_PROVE);
        page_action_flags(p, 'c', CHECK, PAGE_NEEDS_ALL, MSG_DRILL_CHECK);
        err_t e = page_run(p, &ev, f);
        page_free(p);
        if (e != OK || ev.action == PAGE_BACK)
            return e;
        e = work_challenge(&challenge, text);
        if (e == OK && ev.action == PROVE)
            e = prove(face, text, &challenge, f);
        if (e == OK)
            e = show(face, text, &challenge, f);
        TRY(face_show(face, e, f));
    }
}
