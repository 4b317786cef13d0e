/* From the start of the appliance to its home screen, and what all screens do the same way. */
#include "appliance/face.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "appliance/face_parts.h"
#include "appliance/netcheck.h"
#include "appliance/selftest.h"
#include "ui/qr_collect.h"

/* --- errors --- */

err_t face_back(struct fault *f)
{
    fault_clear(f);
    return ERR_REFUSED;
}

/* What was refused may be a folder that this process gave up. */
static void say_outside(const struct face *face, struct fault *f)
{
    size_t len = strlen(f->detail);
    snprintf(f->detail + len, sizeof f->detail - len, " (%s)", message_text(face->language, MSG_OUTSIDE));
}

err_t face_show(struct face *face, err_t e, struct fault *f)
{
    struct fault shown;
    if (e == OK || e == ERR_STOPPED || (e == ERR_REFUSED && f->detail[0] == '\0')) {
        fault_clear(f);
        return OK;
    }
    shown = *f;
    shown.err = e;
    if (face->confined.landlock > 0 && strstr(shown.detail, strerror(EACCES)) != NULL)
        say_outside(face, &shown);
    fault_clear(f);
    return ui_show_fault(face->ui, &shown, f);
}

/* --- parts of pages --- */

void face_election(struct page *p, const struct manifest *m)
{
    char hash[2 * HASH_LEN + 1];
    page_value(p, m->title, MSG_ELECTION);
    page_value(p, m->date, MSG_ELECTION_DATE);
    hex_put(hash, m->election.b, HASH_LEN);
    page_value(p, hash, MSG_ELECTION_HASH);
    page_text(p, MSG_TN, UI_NUMBER(m->t), UI_NUMBER(m->n));
    if (m->rehearsal)
        page_warn(p, MSG_ELECTION_REHEARSAL);
}

err_t face_ask_text(struct face *face, char *value, size_t size, size_t min_len, enum message title,
                    enum message question, struct fault *f)
{
    struct page_event ev;
    struct page *p = page_new(face->ui, title);
    page_field_text(p, value, size, min_len, question);
    page_action_flags(p, 'g', 1, PAGE_NEEDS_ALL, MSG_OK);
    err_t e = page_run(p, &ev, f);
    page_free(p);
    return e != OK ? e : ev.action == 1 ? OK : face_back(f);
}

err_t face_pick(struct face *face, enum message title, enum message text, enum message mark,
                const char *const *label, int *chosen, size_t count, struct fault *f)
{
    enum { TOGGLE = 1, GO_ON };
    size_t at = 0;
    for (;;) {
        struct page_event ev;
        struct page *p = page_new(face->ui, title);
        page_text(p, text);
        page_field_choice(p, &at, title);
        for (size_t i = 0; i < count; i++)
            page_item_raw(p, label[i], chosen[i] ? message_text(face->language, mark) : NULL);
        page_action(p, 't', TOGGLE, MSG_PICK_TOGGLE);
        page_action(p, 'g', GO_ON, MSG_OK);
        err_t e = page_run(p, &ev, f);
        page_free(p);
        if (e != OK || ev.action == PAGE_BACK)
            return e != OK ? e : face_back(f);
        if (ev.action == GO_ON)
            return OK;
        if (at < count)
            chosen[at] = !chosen[at];
    }
}

void face_names(struct page *p, const struct roster *r, int all)
{
    static const enum table_kind kinds[] = {TABLE_RIGHT, TABLE_LEFT, TABLE_LEFT,
                                            TABLE_LEFT,  TABLE_LEFT, TABLE_LEFT};
    static const enum message heads[] = {MSG_COL_SEAT,  MSG_COL_NAME,   MSG_COL_ORGANISATION,
                                         MSG_COL_TOKEN, MSG_COL_SERIAL, MSG_COL_ENROLMENT};
    page_table(p, kinds, heads, all ? 6 : 3);
    for (uint32_t j = 0; j < r->n; j++) {
        const struct enrolment *x = &r->seat[j];
        char seat[24], id[17];
        hex_put(id, x->id.b, 8);
        const char *cell[] = {message_number(seat, j + 1), x->name, x->organisation, x->model, x->serial, id};
        page_row(p, cell);
    }
}

void face_seats(char *out, size_t size, const struct roster *r, uint32_t seats)
{
    size_t len = 0;
    snprintf(out, size, "-");
    for (uint32_t j = 1; j <= r->n && len < size; j++)
        if (seats >> (j - 1) & 1)
            len += (size_t)snprintf(out + len, size - len, "%s%u %s", len > 0 ? ", " : "", j,
                                    r->seat[j - 1].name);
}

/* --- sessions --- */

err_t face_session(struct face *face, struct session *s, int need_record, struct fault *f)
{
    if (face->c.board == NULL) {
        memset(s, 0, sizeof *s);
        return fault_set(f, ERR_MISSING, "no election was chosen");
    }
    return session_open(s, &face->c, need_record, NULL, f);
}

const point_t *face_self(const struct face *face, const struct session *s, point_t *out)
{
    struct enrolment x;
    if (hash_cmp(&face->self_election, &s->el->m->election) == 0) {
        *out = face->self;
        return out;
    }
    if (face->c.token == NULL || face->token_serial[0] == '\0' ||
        work_self(&x, s, face->token_serial, NULL) != OK)
        return NULL;
    *out = x.identity;
    return out;
}

/* One try: session, work, and what the token showed about who this is. */
static err_t once(struct face *face, int need_record, face_work *work, void *ctx, struct fault *f)
{
    struct session s;
    TRY(session_open_token(&s, &face->c, need_record, NULL, f));
    err_t e = work(face, &s, ctx, f);
    if (s.t.enrolment != NULL) {
        face->self_election = s.el->m->election;
        face->self = s.t.identity;
    }
    session_close(&s);
    return e;
}

struct token_work {
    struct face *face;
    int need_record;
    face_work *work;
    void *ctx;
};

static err_t run_once(void *ctx, struct fault *f)
{
    const struct token_work *w = ctx;
    return once(w->face, w->need_record, w->work, w->ctx, f);
}

err_t face_with_token(struct face *face, int need_record, face_work *work, void *ctx, struct fault *f)
{
    if (face->c.board == NULL)
        return fault_set(f, ERR_MISSING, "no election was chosen");
    if (face->c.token == NULL)
        TRY(face_token(face, f));
    if (face->c.token == NULL)
        return face_back(f);
    for (;;) {
        fault_clear(f);
        struct token_work w = {face, need_record, work, ctx};
        err_t e = face_busy(face, run_once, &w, f);
        face->c.last_try = 0;
        if (e == OK || err_class(e) != CLASS_TOKEN)
            return e;
        err_t again = token_again(face, e, f);
        if (again != OK)
            return again;
    }
}

/* --- start --- */

static err_t show_checks(struct face *face, const struct selftest *st, struct fault *f)
{
    struct page_event ev;
    struct page *p = page_new(face->ui, MSG_HOME_SELFTEST);
    page_fault(p, &face->selftest);
    page_warn(p, MSG_SELFTEST_FAILED);
    for (size_t i = 0; i < st->count; i++) {
        char title[200], detail[400] = "";
        message_detail_text(title, sizeof title, face->language, st->check[i].title);
        if (st->check[i].detail[0] != '\0')
            message_detail_text(detail, sizeof detail, face->language, st->check[i].detail);
        page_check(p, st->check[i].err == OK ? PAGE_PASS : PAGE_FAIL, detail, MSG_RAW, title);
    }
    err_t e = page_run(p, &ev, f);
    page_free(p);
    return e;
}

/* No network, and a machine that calculates right; nothing else is done on one that fails. */
static err_t start_checks(struct face *face, struct fault *f)
{
    if (face->network.err != OK) {
        TRY(ui_show_fault(face->ui, &face->network, f));
        *f = face->network;
        return f->err;
    }
    struct selftest *st = malloc(sizeof *st);
    if (st == NULL)
        return fault_set(f, ERR_MEMORY, "self-test");
    err_t e = selftest_run(st, NULL, NULL, &face->selftest);
    face->selftest.err = e;
    if (e != OK) {
        err_t shown = show_checks(face, st, f);
        if (shown == OK)
            *f = face->selftest;
    }
    free(st);
    return e;
}

err_t face_language(struct face *face, struct fault *f)
{
    size_t at = face->language;
    struct page_event ev;
    struct page *p = page_new(face->ui, MSG_LANGUAGE_TITLE);
    page_text(p, MSG_LANGUAGE_ASK);
    page_field_choice(p, &at, MSG_LANGUAGE_FIELD);
    for (int l = 0; l < LANGUAGE_COUNT; l++)
        page_item_raw(p, language_name((enum language)l), NULL);
    page_action_flags(p, 'g', 1, PAGE_NEEDS_ALL, MSG_OK);
    err_t e = page_run(p, &ev, f);
    page_free(p);
    if (e != OK || ev.action != 1)
        return e;
    face->language = (enum language)at;
    face->c.language = face->language;
    ui_set_language(face->ui, face->language);
    return OK;
}

/* To the keeper, which shows a plan's words itself. */
static err_t suspend(void *ctx, struct fault *f)
{
    struct face *face = ctx;
    (void)f;
    face_lent(face, 1);
    ui_suspend(face->ui);
    return OK;
}

static err_t resume(void *ctx, struct fault *f)
{
    struct face *face = ctx;
    (void)f;
    face_lent(face, 0);
    (void)!ui_resume(face->ui); /* the next page says so, if there is no terminal any more */
    return OK;
}

static void lend_terminal(void *ctx, int lend)
{
    struct fault f;
    err_t ignored = face_ask(ctx, lend ? suspend : resume, ctx, &f);
    (void)ignored; /* the screens end, and take nothing any more */
}

static err_t take_options(struct face *face, const struct appliance_options *o, struct fault *f)
{
    if (o->language != NULL && language_find(&face->language, o->language) != OK)
        return fault_set(f, ERR_USAGE, "this language is not there; en and es are");
    if (o->language == NULL &&
        language_find(&face->language, getenv("LANG") != NULL ? getenv("LANG") : "en") != OK)
        face->language = LANGUAGE_EN;
    if (o->board != NULL && strlen(o->board) >= sizeof face->board)
        return fault_set(f, ERR_LIMIT, "the path of the board is too long");
    if (o->token != NULL && strlen(o->token) >= sizeof face->token_filter)
        return fault_set(f, ERR_LIMIT, "the token's URI is too long");
    if (o->board != NULL) {
        snprintf(face->board, sizeof face->board, "%s", o->board);
        face->c.board = face->board;
    }
    if (o->token != NULL)
        snprintf(face->token_filter, sizeof face->token_filter, "%s", o->token);
    face->rehearsal = o->rehearsal;
    face->c.pin = face_pin;
    face->c.language = face->language;
    face->c.keep_rights = 1;
    face->c.terminal = lend_terminal;
    face->c.terminal_ctx = face;
    face->c.rehearsal = o->rehearsal;
    face->c.pin_ctx = face;
    return OK;
}

static err_t run(struct face *face, const struct appliance_options *o, struct fault *f)
{
    if (o->language == NULL)
        TRY(face_language(face, f));
    TRY(start_checks(face, f));
    if (o->token != NULL)
        TRY(token_preset(face, f));
    if (face->c.board == NULL)
        TRY(face_board(face, f));
    return face_home(face, f);
}

err_t appliance_run(const struct appliance_options *o, struct fault *f)
{
    struct face *face = calloc(1, sizeof *face);
    if (face == NULL)
        return fault_set(f, ERR_MEMORY, "the screens");
    err_t e = take_options(face, o, f);
    if (e != OK)
        goto out;
    /* asked now, because the kernel tells of interfaces over a socket; refused on a screen */
    if (!face->rehearsal)
        face->network.err = netcheck(NULL, &face->network);
    GO(face_confine(face, o, f));
    struct ui_config config = {
        .mode = o->lines ? UI_LINES : UI_AUTO, .language = face->language, .rehearsal = face->rehearsal};
    GO(ui_open(&face->ui, &config, f));
    face->c.lines = ui_is_lines(face->ui);
    e = run(face, o, f);
    ui_close(face->ui);
    if (e == ERR_STOPPED) {
        fault_clear(f);
        e = OK;
    }
out:
    if (face->read != NULL)
        qr_collect_clear(face->read);
    free(face->read);
    launcher_stop(face->c.launcher);
    free(face);
    return e;
}
