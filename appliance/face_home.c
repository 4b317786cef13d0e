/* The home screen: where this machine, this trustee and this election stand, and the ways from here. */
#include <stdlib.h>
#include <string.h>

#include "appliance/face_parts.h"
#include "appliance/work.h"

/* --- what the board holds --- */

static void show_refused(struct page *p, const struct session *s)
{
    page_text(p, MSG_REFUSED_TEXT);
    for (size_t i = 0; i < s->b->refused_count; i++)
        page_fault(p, &s->b->refused[i].fault);
}

static err_t refused(struct face *face, struct fault *f)
{
    struct session s;
    struct page_event ev;
    err_t e = face_session(face, &s, 0, f);
    if (e != OK)
        return face_show(face, e, f);
    struct page *p = page_new(face->ui, MSG_REFUSED_TITLE);
    show_refused(p, &s);
    session_close(&s);
    e = page_run(p, &ev, f);
    page_free(p);
    return e;
}

/* --- the page --- */

enum { CEREMONY = 1, NIGHT, VERIFY, DRILL, TOOLS, TOKEN, REFUSED };

static void put_trustee(struct face *face, struct page *p, const struct session *s, const point_t *self)
{
    char text[2 * TEXT_TITLE_MAX + 64];
    struct enrolment own;
    const char *says = message_text(face->language,
                                    face->c.token != NULL ? MSG_HOME_TRUSTEE_NONE : MSG_HOME_TRUSTEE_UNKNOWN);
    if (self != NULL && work_self(&own, s, NULL, self) == OK) {
        snprintf(text, sizeof text, "%s, %s", own.name, own.organisation);
        says = text;
    }
    page_value(p, says, MSG_HOME_TRUSTEE);
}

static void put_token(struct face *face, struct page *p)
{
    char text[128];
    const char *arg[] = {face->token_label, face->token_serial};
    if (face->c.token == NULL ||
        message_format(text, sizeof text, face->language, MSG_HOME_TOKEN_VALUE, arg, 2) != OK)
        snprintf(text, sizeof text, "%s", message_text(face->language, MSG_HOME_TOKEN_NONE));
    page_value(p, text, MSG_HOME_TOKEN);
}

static void put_board(struct face *face, struct page *p, const struct session *s)
{
    char text[MESSAGE_MAX];
    const char *arg[] = {UI_NUMBER(s->b->entry_count), UI_NUMBER(s->b->refused_count), s->b->dir};
    if (message_format(text, sizeof text, face->language, MSG_HOME_BOARD_VALUE, arg, 3) == OK)
        page_value(p, text, MSG_HOME_BOARD);
}

/* One suggestion. */
static err_t put_next(struct face *face, struct page *p, const struct session *s, const point_t *self,
                      struct fault *f)
{
    struct status *st;
    uint32_t waiting;
    TRY(work_status(&st, s, self, f));
    enum step step = work_step(&waiting, s, st, self);
    page_text(p, MSG_RAW, s->el->m->title);
    page_head(p, MSG_HOME_NEXT);
    if (step == STEP_DONE)
        page_text(p, MSG_HOME_NEXT_READY);
    else if (face->c.token == NULL)
        page_text(p, MSG_HOME_NEXT_TOKEN);
    else
        page_text(p, MSG_HOME_NEXT_CEREMONY, message_text(face->language, step_message(step)));
    if (s->el->r == NULL)
        page_value(p, message_text(face->language, stage_message(st->stage)), MSG_HOME_STAGE);
    status_free(st);
    return OK;
}

static err_t put_election(struct face *face, struct page *p, struct fault *f)
{
    struct session s;
    point_t key;
    char missing[160];
    TRY(face_session(face, &s, 0, f));
    const point_t *self = face_self(face, &s, &key);
    err_t e = put_next(face, p, &s, self, f);
    put_trustee(face, p, &s, self);
    put_token(face, p);
    put_board(face, p, &s);
    page_check(p, face->selftest.err == OK ? PAGE_PASS : PAGE_FAIL, NULL, MSG_HOME_SELFTEST);
    face_election(p, s.el->m);
    sandbox_text(missing, sizeof missing, &face->confined);
    if (missing[0] != '\0')
        page_warn(p, MSG_HOME_NOT_CONFINED, missing);
    if (s.b->refused_count > 0)
        page_action(p, 'x', REFUSED, MSG_REFUSED_ACTION);
    session_close(&s);
    return e;
}

static err_t one_page(struct face *face, int *action, struct fault *f)
{
    struct page_event ev;
    struct page *p = page_new(face->ui, MSG_HOME_TITLE);
    page_help(p, MSG_HOME_HELP);
    err_t e = put_election(face, p, f);
    if (e != OK) {
        struct fault shown = *f;
        shown.err = e;
        page_fault(p, &shown);
        fault_clear(f);
    } else {
        page_action(p, 'k', CEREMONY, MSG_HOME_CEREMONY);
        page_action(p, 'n', NIGHT, MSG_HOME_NIGHT);
        page_action(p, 'v', VERIFY, MSG_HOME_VERIFY);
        page_action(p, 'd', DRILL, MSG_HOME_DRILL);
        page_action(p, 't', TOKEN, MSG_HOME_TOKEN_ACTION);
    }
    page_action(p, 'o', TOOLS, MSG_HOME_TOOLS);
    e = page_run(p, &ev, f);
    page_free(p);
    *action = ev.action;
    return e;
}

/* Trustees see what they decrypt; officials put it together. */
static err_t night(struct face *face, struct fault *f)
{
    struct page_event ev;
    for (;;) {
        struct page *p = page_new(face->ui, MSG_NIGHT_TITLE);
        page_text(p, MSG_NIGHT_MENU);
        page_action(p, 't', 1, MSG_NIGHT_TRUSTEE);
        page_action(p, 'o', 2, MSG_NIGHT_OFFICIAL);
        err_t e = page_run(p, &ev, f);
        page_free(p);
        if (e != OK || ev.action == PAGE_BACK)
            return e;
        TRY(ev.action == 1 ? face_decrypt(face, f) : face_night(face, f));
    }
}

static err_t go(struct face *face, int action, int *leave, struct fault *f)
{
    switch (action) {
    case CEREMONY:
        return face_ceremony(face, f);
    case NIGHT:
        return night(face, f);
    case VERIFY:
        return face_verify(face, f);
    case DRILL:
        return face_drill(face, f);
    case TOOLS:
        return face_tools(face, f);
    case TOKEN:
        return face_token(face, f);
    case REFUSED:
        return refused(face, f);
    default: {
        err_t e = ui_ask(face->ui, MSG_HOME_TITLE, f, MSG_HOME_LEAVE);
        *leave = e == OK;
        return e == ERR_REFUSED ? OK : e;
    }
    }
}

err_t face_home(struct face *face, struct fault *f)
{
    int leave = 0;
    while (!leave) {
        int action;
        fault_clear(f);
        TRY(one_page(face, &action, f));
        TRY(go(face, action, &leave, f));
    }
    return OK;
}
