/* The key ceremony: who has done what, what is missing, and what this trustee does now. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "appliance/face_parts.h"
#include "ceremony/base/file.h"

#define WATCH_MS 3000

enum message stage_message(enum stage stage)
{
    static const enum message text[] = {
        [STAGE_ENROLL] = MSG_STAGE_ENROLL,     [STAGE_ROSTER] = MSG_STAGE_ROSTER,
        [STAGE_DEAL] = MSG_STAGE_DEAL,         [STAGE_CUT] = MSG_STAGE_CUT,
        [STAGE_COMPLAIN] = MSG_STAGE_COMPLAIN, [STAGE_CONFIRM] = MSG_STAGE_CONFIRM,
        [STAGE_RELEASED] = MSG_STAGE_RELEASED,
    };
    return text[stage];
}

/* What a step is called, what is said about it, and what it runs. */
static const struct {
    enum message name, text;
    ceremony_step *run;
} steps[] = {
    [STEP_STOP] = {MSG_STEP_STOP, MSG_STEP_STOP_TEXT, NULL},
    [STEP_ENROLL] = {MSG_STEP_ENROLL, MSG_STEP_ENROLL_TEXT, step_enroll},
    [STEP_FULL] = {MSG_STEP_FULL, MSG_STEP_FULL_TEXT, NULL},
    [STEP_WAIT_ENROLL] = {MSG_STEP_WAIT_ENROLL, MSG_STEP_WAIT_TEXT, NULL},
    [STEP_ROSTER] = {MSG_STEP_ROSTER, MSG_STEP_ROSTER_TEXT, step_roster},
    [STEP_DEAL] = {MSG_STEP_DEAL, MSG_STEP_DEAL_TEXT, step_deal},
    [STEP_WAIT_DEALS] = {MSG_STEP_WAIT_DEALS, MSG_STEP_WAIT_TEXT, NULL},
    [STEP_REVEAL] = {MSG_STEP_REVEAL, MSG_STEP_REVEAL_TEXT, step_reveal},
    [STEP_WAIT_REVEALS] = {MSG_STEP_WAIT_REVEALS, MSG_STEP_WAIT_TEXT, NULL},
    [STEP_OPEN] = {MSG_STEP_OPEN, MSG_STEP_OPEN_TEXT, step_open},
    [STEP_CONFIRM] = {MSG_STEP_CONFIRM, MSG_STEP_CONFIRM_TEXT, step_confirm},
    [STEP_WAIT_CONFIRM] = {MSG_STEP_WAIT_CONFIRM, MSG_STEP_WAIT_TEXT, NULL},
    [STEP_OUT] = {MSG_STEP_OUT, MSG_STEP_OUT_TEXT, NULL},
    [STEP_RECORD] = {MSG_STEP_RECORD, MSG_STEP_RECORD_TEXT, step_record},
    [STEP_DONE] = {MSG_STEP_DONE, MSG_STEP_DONE_TEXT, NULL},
};

enum message step_message(enum step step)
{
    return steps[step].name;
}

/* --- the table --- */

static const char *say(const struct face *face, enum message m)
{
    return message_text(face->language, m);
}

enum message fate_message(enum seat_fate fate)
{
    static const enum message text[] = {
        [FATE_QUALIFIED] = MSG_FATE_QUALIFIED, [FATE_ABSENT] = MSG_FATE_ABSENT,
        [FATE_EQUIVOCATED] = MSG_FATE_TWO,     [FATE_BAD_DEAL] = MSG_FATE_BAD,
        [FATE_OUT_MANY] = MSG_FATE_MANY,       [FATE_OUT_SILENT] = MSG_FATE_SILENT,
        [FATE_OUT_REVEAL] = MSG_FATE_REVEAL,
    };
    return text[fate];
}

static const char *deal_cell(const struct face *face, const struct status_seat *x)
{
    return say(face, x->dealt                            ? MSG_CELL_YES
                     : x->deal_error == ERR_MISSING      ? MSG_CELL_NO
                     : x->deal_error == ERR_EQUIVOCATION ? MSG_CELL_TWO
                                                         : MSG_CELL_BAD);
}

static const char *confirm_cell(const struct face *face, const struct status *st, uint32_t j)
{
    const struct status_seat *x = &st->seat[j];
    if (x->confirmed)
        return say(face, MSG_CELL_YES);
    if (st->has_cut && st->outcome.fate[j] != FATE_QUALIFIED)
        return say(face, fate_message(st->outcome.fate[j]));
    if (st->has_cut && st->cut_error == OK && !(st->outcome.holders >> j & 1))
        return say(face, MSG_CELL_NO_SHARE);
    return say(face, x->confirm_error == OK || x->confirm_error == ERR_MISSING ? MSG_CELL_NO : MSG_CELL_BAD);
}

static void put_seats(struct face *face, struct page *p, const struct status *st)
{
    static const enum table_kind kinds[] = {TABLE_RIGHT, TABLE_LEFT, TABLE_LEFT, TABLE_LEFT,
                                            TABLE_LEFT,  TABLE_LEFT, TABLE_LEFT};
    static const enum message heads[] = {MSG_COL_SEAT,  MSG_COL_NAME,      MSG_COL_ENROLLED, MSG_COL_ROSTER,
                                         MSG_COL_DEALT, MSG_COL_COMPLAINT, MSG_COL_CONFIRMED};
    page_table(p, kinds, heads, 7);
    for (uint32_t j = 0; j < st->roster.n; j++) {
        const struct status_seat *x = &st->seat[j];
        char seat[24], complaints[128];
        seats_text(complaints, x->complaints);
        const char *cell[] = {
            message_number(seat, j + 1), st->roster.seat[j].name,
            say(face, MSG_CELL_YES),     say(face, x->roster_signed ? MSG_CELL_YES : MSG_CELL_NO),
            deal_cell(face, x),          complaints,
            confirm_cell(face, st, j)};
        page_row(p, cell);
    }
}

/* Before there is a roster: who has enrolled. */
static void put_enrolled(struct page *p, const struct session *s)
{
    static const enum table_kind kinds[] = {TABLE_LEFT, TABLE_LEFT, TABLE_LEFT, TABLE_LEFT};
    static const enum message heads[] = {MSG_COL_ENROLLED, MSG_COL_ORGANISATION, MSG_COL_TOKEN,
                                         MSG_COL_SERIAL};
    size_t count = 0;
    for (size_t i = 0; i < s->b->entry_count; i++) {
        struct enrolment x;
        if (s->b->entry[i]->kind != ENTRY_ENROLL ||
            enrolment_parse(&x, s->b->entry[i], s->el->m, s->g, NULL) != OK)
            continue;
        if (count++ == 0)
            page_table(p, kinds, heads, 4);
        const char *cell[] = {x.name, x.organisation, x.model, x.serial};
        page_row(p, cell);
    }
    page_text(p, MSG_ENROLLED_COUNT, UI_NUMBER(count), UI_NUMBER(s->el->m->n));
}

/* --- the page --- */

enum { NOW = 1, CUT, ANEW, OTHERS, WORDS, TOKEN, MEDIA };

struct view {
    enum step step;
    int has_roster;
    enum message note;
    int has_note;
};

static void put_now(struct face *face, struct page *p, const struct status *st, enum step step,
                    uint32_t waiting)
{
    char text[MESSAGE_MAX];
    if (step == STEP_STOP)
        page_warn(p, steps[step].name);
    else
        page_head(p, MSG_NOW, say(face, steps[step].name));
    page_text(p, steps[step].text);
    if (waiting != 0) {
        face_seats(text, sizeof text, &st->roster, waiting);
        page_text(p, MSG_WAITING_FOR, text);
    }
    if (st->has_cut && st->cut_error != OK)
        page_warn(p, MSG_CUT_CANNOT, message_error_meaning(face->language, st->cut_error));
}

static void put_actions(struct face *face, struct page *p, const struct view *v, const struct status *st)
{
    int opened = v->has_roster && hash_cmp(&face->opened, &st->roster.ceremony) == 0;
    if (face->c.token == NULL)
        page_action(p, 't', TOKEN, MSG_HOME_TOKEN_ACTION);
    else if (v->step == STEP_OPEN && opened)
        page_action(p, 'c', CUT, MSG_DO_CUT);
    if (face->c.token != NULL && steps[v->step].run != NULL)
        page_action(p, 'n', NOW, MSG_DO, say(face, steps[v->step].name));
    if (face->c.token != NULL && v->step == STEP_OPEN && !opened)
        page_action(p, 'c', CUT, MSG_DO_CUT);
    page_action(p, 'm', MEDIA, MSG_TOOLS_MEDIA);
    if (v->has_roster)
        page_action(p, 'w', WORDS, MSG_SHOW_WORDS);
    page_action(p, 'r', ANEW, MSG_READ_ANEW);
    if (v->step != STEP_DONE)
        page_action(p, 'o', OTHERS, MSG_OTHER_STEPS);
    if (steps[v->step].run == NULL && v->step != STEP_DONE)
        page_tick(p, WATCH_MS);
}

static err_t build(struct face *face, struct page *p, struct view *v, struct fault *f)
{
    struct session s;
    struct status *st = NULL;
    point_t key;
    uint32_t waiting;
    TRY(face_session(face, &s, 0, f));
    const point_t *self = face_self(face, &s, &key);
    err_t e = work_status(&st, &s, self, f);
    if (e == OK) {
        v->step = work_step(&waiting, &s, st, self);
        v->has_roster = st->has_roster;
        page_text(p, MSG_RAW, s.el->m->title);
        put_now(face, p, st, v->step, waiting);
        if (st->has_roster)
            put_seats(face, p, st);
        else
            put_enrolled(p, &s);
        put_actions(face, p, v, st);
    }
    status_free(st);
    session_close(&s);
    return e;
}

/* When the entries of the board last changed. */
static struct timespec changed(const struct face *face)
{
    char path[4200];
    struct stat st = {0};
    if (file_path(path, sizeof path, face->board, BUNDLE_ENTRIES) != OK || stat(path, &st) != 0)
        return (struct timespec){0, 0};
    return st.st_mtim;
}

static err_t one_page(struct face *face, struct view *v, int *action, struct fault *f)
{
    struct page_event ev;
    struct timespec before = changed(face), now;
    struct page *p = page_new(face->ui, MSG_CEREMONY_TITLE);
    page_help(p, MSG_CEREMONY_HELP);
    *action = PAGE_BACK;
    err_t e = build(face, p, v, f);
    if (e != OK) {
        page_free(p);
        return face_show(face, e, f);
    }
    if (v->has_note)
        page_note(p, v->note);
    v->has_note = 0;
    do {
        e = page_run(p, &ev, f);
        now = changed(face);
    } while (e == OK && ev.action == PAGE_TICK && memcmp(&before, &now, sizeof now) == 0);
    page_free(p);
    *action = ev.action;
    return e;
}

/* --- going on --- */

/* Steps out of turn: the rules, not this list, say what may be done when. */
static const struct {
    char key;
    ceremony_step *run;
    enum message text;
} others[] = {
    {'e', step_enroll, MSG_STEP_ENROLL},   {'o', step_open, MSG_STEP_OPEN},
    {'a', step_reveal, MSG_STEP_REVEAL},   {'c', step_cut, MSG_DO_CUT},
    {'f', step_confirm, MSG_STEP_CONFIRM},
};

static err_t do_step(struct face *face, struct view *v, ceremony_step *step, struct fault *f)
{
    enum message note = MESSAGE_COUNT;
    err_t e = step(face, &note, f);
    v->has_note = e == OK && note != MESSAGE_COUNT;
    v->note = note;
    return face_show(face, e, f);
}

static err_t other_steps(struct face *face, struct view *v, struct fault *f)
{
    struct page_event ev;
    struct page *p = page_new(face->ui, MSG_OTHER_STEPS);
    page_text(p, MSG_OTHER_STEPS_TEXT);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        page_action(p, others[i].key, (int)i + 1, others[i].text);
    err_t e = page_run(p, &ev, f);
    page_free(p);
    return e != OK || ev.action == PAGE_BACK ? e : do_step(face, v, others[ev.action - 1].run, f);
}

static err_t go(struct face *face, struct view *v, int action, struct fault *f)
{
    switch (action) {
    case NOW:
        return do_step(face, v, steps[v->step].run, f);
    case CUT:
        return do_step(face, v, step_cut, f);
    case OTHERS:
        return other_steps(face, v, f);
    case WORDS:
        return do_step(face, v, step_words, f);
    case TOKEN:
        return face_token(face, f);
    case MEDIA:
        return face_media(face, f);
    default: /* read anew */
        return OK;
    }
}

err_t face_ceremony(struct face *face, struct fault *f)
{
    struct view v = {.has_note = 0};
    for (;;) {
        int action;
        TRY(one_page(face, &v, &action, f));
        if (action == PAGE_BACK)
            return OK;
        TRY(go(face, &v, action, f));
    }
}
