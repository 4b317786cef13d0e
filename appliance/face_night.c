/* Decryption night for officials: aggregate and plan, partial decryptions, combine, result, publish. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "appliance/night.h"
#include "appliance/night_result.h"
#include "ceremony/base/file.h"
#include "tally/publish.h"
#include "tally/steps.h"

#define LOOK_AGAIN_MS 3000

struct officials {
    struct night n;
    char plan[4096], result[4096], records[4096];
    struct publish_paths paths;
    int has_result, has_bundle;
    struct fault trouble; /* why there is no plan to work with */
    /* what the last combination said of each seat */
    int is_checked;
    hash_t checked_plan;
    uint64_t state[TRUSTEES_MAX];
    struct fault fault[TRUSTEES_MAX];
    size_t good;
    uint32_t seen; /* partial decryptions that were there then */
};

/* --- the folders --- */

static err_t ask_folders(struct face *face, struct fault *f)
{
    struct page_event ev;
    struct page *p = page_new(face->ui, MSG_OFFICIAL_FILES);
    page_text(p, MSG_OFFICIAL_FILES_TEXT);
    page_field_text(p, face->exports, sizeof face->exports, 1, MSG_DECRYPT_EXPORTS_DIR);
    page_field_text(p, face->tally, sizeof face->tally, 1, MSG_OFFICIAL_WORK);
    page_field_text(p, face->bundle, sizeof face->bundle, 1, MSG_OFFICIAL_OUT);
    page_action_flags(p, 'g', 1, PAGE_NEEDS_ALL, MSG_OK);
    err_t e = page_run(p, &ev, f);
    page_free(p);
    return e;
}

static int is_dir(const char *path)
{
    return path[0] != '\0' && file_is_dir(path, NULL) == OK;
}

/* Reads what is there anew: board, plan, result. A plan that is not there is no error. */
static err_t look(struct officials *o, struct fault *f)
{
    struct face *face = o->n.face;
    plan_work_free(&o->n.w);
    session_close(&o->n.s);
    TRY(face_session(face, &o->n.s, 1, f));
    TRY(file_path(o->plan, sizeof o->plan, face->tally, BUNDLE_PLAN));
    TRY(file_path(o->result, sizeof o->result, face->tally, BUNDLE_RESULT));
    TRY(file_path(o->records, sizeof o->records, face->tally, BUNDLE_RECORDS));
    o->paths = (struct publish_paths){.board = face->board,
                                      .exports = face->exports,
                                      .records = o->records,
                                      .plan = o->plan,
                                      .result = o->result,
                                      .out = face->bundle};
    o->has_result = access(o->result, R_OK) == 0;
    o->has_bundle = is_dir(face->bundle);
    if (access(o->plan, R_OK) != 0)
        return OK;
    TRY(plan_load_var(&o->n.w.p, &o->n.s.el->ctx, o->plan, f));
    if (hash_cmp(&o->checked_plan, &o->n.w.p->id) != 0)
        o->is_checked = 0;
    return OK;
}

/* --- aggregate and plan --- */

static err_t aggregate_work(struct night_child *child, void *ctx, struct fault *f)
{
    struct officials *o = ctx;
    struct face *face = o->n.face;
    struct aggregate_result result;
    struct aggregate_options how = {.accept_corrections = 1};
    struct aggregate_report report = {child, night_aggregate};
    struct plan_set older = {0};
    struct plan *plan;
    TRY(file_is_dir(face->exports, f));
    TRY(aggregate(&result, &o->n.s.el->ctx, face->exports, face->tally, o->records, &how, &report, f));
    TRY(night_progress(child, "plan", 0, 0));
    TRY(step_plan_var(&plan, &o->n.s.el->ctx, o->records, &older, o->plan, f));
    plan_free(plan);
    return OK;
}

static err_t run_aggregate(struct officials *o, enum message *note, struct fault *f)
{
    struct night *n = &o->n;
    free(n->found);
    struct night_rights may = {.temp = n->face->tally};
    TRY(file_mkdir(n->face->tally, f)); /* only what is there can be named */
    night_allow(&may, n->face->c.board, 0);
    night_allow(&may, n->face->exports, 0);
    err_t e = night_job_confined(n->face, MSG_OFFICIAL_AGGREGATING, MSG_DECRYPT_VERIFYING_TEXT,
                                 aggregate_work, o, &may, &n->found, &n->found_count, f);
    *note = e == OK ? MSG_OFFICIAL_AGGREGATED : e == ERR_STOPPED ? MSG_DECRYPT_STOPPED : *note;
    return e;
}

/* The new plan is published apart from what was published of the old one. */
static err_t run_supersede(struct officials *o, enum message *note, struct fault *f)
{
    struct face *face = o->n.face;
    char old[4096];
    int made;
    snprintf(old, sizeof old, "%s", o->plan);
    TRY(night_supersede(&o->n, old, &made, f));
    if (!made)
        return OK;
    *note = MSG_OFFICIAL_AGGREGATED;
    if (o->has_bundle && strlen(face->bundle) + 3 < sizeof face->bundle)
        strcat(face->bundle, "-2");
    return OK;
}

/* --- combine --- */

static int partial_here(const struct session *s, uint32_t seat, const hash_t *plan)
{
    const struct entry *one = NULL;
    err_t e = board_find(s->b, &one, NULL, ENTRY_PARTIAL, &s->el->r->ceremony,
                         &s->el->r->seat[seat - 1].identity, plan);
    return (e == OK || e == ERR_EQUIVOCATION) && one != NULL;
}

static uint32_t count_partials(const struct officials *o)
{
    const struct record *r = o->n.s.el->r;
    uint32_t here = 0;
    for (uint32_t j = 1; j <= r->n; j++)
        here += (r->holders >> (j - 1) & 1) && partial_here(&o->n.s, j, &o->n.w.p->id);
    return here;
}

static err_t combine_work(struct night_child *child, void *ctx, struct fault *f)
{
    struct officials *o = ctx;
    struct combination *c = NULL;
    err_t e = step_combine_var(&c, o->n.s.el, o->n.s.b, o->n.w.p, o->result, night_progress, child, f);
    for (size_t i = 0; c != NULL && i < c->seat_count; i++) {
        struct tape_item item = {.kind = FOUND_SEAT, .number = c->seat[i].seat, .a = c->seat[i].state};
        item.fault = c->seat[i].fault;
        err_t put = tape_put(&child->tape, &item);
        e = e == OK ? put : e;
    }
    combination_free(c);
    return e;
}

static err_t run_combine(struct officials *o, enum message *note, struct fault *f)
{
    struct night *n = &o->n;
    struct tape_item *found;
    size_t count;
    struct night_rights may = {0};
    night_allow(&may, n->face->c.board, 0);
    night_allow(&may, n->face->tally, 1);
    err_t e = night_job_confined(n->face, MSG_OFFICIAL_COMBINE, MSG_JOB_PARTIALS, combine_work, o, &may,
                                 &found, &count, f);
    int any = night_count(found, count, FOUND_SEAT) > 0;
    if (any) {
        o->is_checked = 1;
        o->checked_plan = n->w.p->id;
        o->good = 0;
        o->seen = count_partials(o);
        memset(o->state, 0, sizeof o->state);
    }
    for (size_t i = 0; i < count; i++) {
        const struct tape_item *x = &found[i];
        if (x->kind != FOUND_SEAT || x->number < 1 || x->number > TRUSTEES_MAX)
            continue;
        o->state[x->number - 1] = x->a;
        o->fault[x->number - 1] = x->fault;
        o->good += x->a == COMBINE_USED || x->a == COMBINE_SPARE;
    }
    free(found);
    if (e == OK)
        *note = MSG_OFFICIAL_COMBINED_NOW;
    if (e == ERR_QUORUM && any) { /* the table says it */
        fault_clear(f);
        return OK;
    }
    return e;
}

/* --- publish --- */

static err_t publish_work(struct night_child *child, void *ctx, struct fault *f)
{
    struct officials *o = ctx;
    struct publish_report report;
    TRY(publish(&report, &o->paths, night_progress, child, f));
    struct tape_item item = {
        .kind = FOUND_PUBLISHED, .number = (uint32_t)report.already, .a = report.files, .b = report.bytes};
    return tape_put(&child->tape, &item);
}

/* The folder that a bundle is made in: it appears there under its name when it is whole. */
static err_t folder_of(char out[4096], const char *path, struct fault *f)
{
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/')
        n--;
    while (n > 0 && path[n - 1] != '/')
        n--;
    while (n > 1 && path[n - 1] == '/')
        n--;
    snprintf(out, 4096, "%.*s", (int)(n > 0 ? n : 1), n > 0 ? path : ".");
    return file_mkdir(out, f);
}

static err_t run_publish(struct officials *o, struct fault *f)
{
    enum { VERIFY = 1 };
    struct night *n = &o->n;
    struct page_event ev;
    struct tape_item *found;
    size_t count;
    struct night_rights may = {0};
    char around[4096];
    TRY(folder_of(around, n->face->bundle, f));
    night_allow(&may, n->face->c.board, 0);
    night_allow(&may, n->face->exports, 0);
    night_allow(&may, n->face->tally, 0);
    night_allow(&may, around, 1);
    err_t e = night_job_confined(n->face, MSG_OFFICIAL_PUBLISHING, MSG_OFFICIAL_PUBLISHING_TEXT, publish_work,
                                 o, &may, &found, &count, f);
    if (e != OK) {
        free(found);
        return e;
    }
    struct page *p = page_new(n->face->ui, MSG_OFFICIAL_PUBLISHED_TITLE);
    for (size_t i = 0; i < count; i++) {
        const struct tape_item *x = &found[i];
        if (x->kind == FOUND_PUBLISHED && x->number)
            page_text(p, MSG_OFFICIAL_PUBLISHED_BEFORE, n->face->bundle);
        else if (x->kind == FOUND_PUBLISHED)
            page_text(p, MSG_OFFICIAL_PUBLISHED, n->face->bundle, UI_NUMBER(x->a), UI_NUMBER(x->b));
    }
    free(found);
    page_action(p, 'v', VERIFY, MSG_OFFICIAL_VERIFY);
    e = page_run(p, &ev, f);
    page_free(p);
    return e != OK || ev.action != VERIFY ? e : face_verify(n->face, f);
}

/* --- the page --- */

static const char *state_text(char out[1024], const struct officials *o, uint32_t seat, int is_here)
{
    enum language l = o->n.face->language;
    const char *const arg[] = {message_error_meaning(l, o->fault[seat - 1].err)};
    if (!is_here)
        return message_text(l, MSG_OFFICIAL_ABSENT);
    if (!o->is_checked)
        return message_text(l, MSG_OFFICIAL_HERE);
    switch (o->state[seat - 1]) {
    case COMBINE_USED:
        return message_text(l, MSG_OFFICIAL_GOOD);
    case COMBINE_SPARE:
        return message_text(l, o->has_result ? MSG_OFFICIAL_SPARE : MSG_OFFICIAL_GOOD);
    case COMBINE_EQUIVOCATED:
        return message_text(l, MSG_OFFICIAL_TWICE);
    case COMBINE_BAD:
        return message_format(out, 1024, l, MSG_OFFICIAL_BAD, arg, 1) == OK ? out : "?";
    default: /* came after the last check */
        return message_text(l, MSG_OFFICIAL_HERE);
    }
}

/* Rows of the holders. */
static void put_seats(struct page *p, const struct officials *o)
{
    static const enum table_kind kinds[] = {TABLE_RIGHT, TABLE_LEFT, TABLE_LEFT, TABLE_LEFT};
    static const enum message heads[] = {MSG_MINUTES_SEAT, MSG_MINUTES_NAME, MSG_OFFICIAL_COL_SIGNED,
                                         MSG_OFFICIAL_COL_PARTIAL};
    const struct record *r = o->n.s.el->r;
    const hash_t *plan = &o->n.w.p->id;
    uint32_t signers = plan_signers(o->n.s.b, r, plan);
    page_table(p, kinds, heads, 4);
    for (uint32_t j = 1; j <= r->n; j++) {
        char state[1024];
        if (!(r->holders >> (j - 1) & 1))
            continue;
        const char *cells[] = {UI_NUMBER(j), r->seat[j - 1].name,
                               message_text(o->n.face->language,
                                            signers >> (j - 1) & 1 ? MSG_OFFICIAL_YES : MSG_OFFICIAL_ABSENT),
                               state_text(state, o, j, partial_here(&o->n.s, j, plan))};
        page_row(p, cells);
    }
}

static err_t show_words(struct officials *o, struct fault *f)
{
    struct page_event ev;
    struct page *p = page_new(o->n.face->ui, MSG_OFFICIAL_PLAN_SHOW);
    page_text(p, MSG_OFFICIAL_PLAN_TEXT);
    page_words(p, &o->n.w.p->id, 0);
    err_t e = page_run(p, &ev, f);
    page_free(p);
    return e;
}

enum { FOLDERS = 1, AGGREGATE, WORDS, COMBINE, RESULT, PUBLISH, VERIFY, NOTES, SUPERSEDE };

static void put_partials(struct page *p, const struct officials *o)
{
    char hex[2 * HASH_LEN + 1];
    const struct manifest *m = o->n.s.el->m;
    uint32_t here = count_partials(o);
    night_few_blocks(p, o->n.found, o->n.found_count);
    night_quorum_blocks(p, &o->n.s, &o->n.w.p->id);
    page_text(p, MSG_OFFICIAL_PARTIALS, UI_NUMBER(here), UI_NUMBER(m->t));
    if (o->is_checked)
        page_text(p, MSG_OFFICIAL_CHECKED, UI_NUMBER(o->good), UI_NUMBER(m->t));
    if (o->has_result)
        page_text(p, MSG_OFFICIAL_COMBINED);
    else if (here < m->t || (o->is_checked && o->good < m->t && here <= o->seen))
        page_text(p, MSG_OFFICIAL_WAIT);
    else
        page_text(p, MSG_OFFICIAL_ENOUGH);
    put_seats(p, o);
    hex_put(hex, o->n.w.p->id.b, HASH_LEN);
    page_value(p, hex, MSG_OFFICIAL_PLAN);
    if (o->n.w.p->has_supersedes) {
        hex_put(hex, o->n.w.p->supersedes.b, 8);
        page_text(p, MSG_OFFICIAL_SUPERSEDES, hex);
    }
    if (here > 0)
        page_action(p, 'c', COMBINE, MSG_OFFICIAL_COMBINE);
    if (o->has_result) {
        page_action(p, 'r', RESULT, MSG_OFFICIAL_SHOW);
        page_action(p, 'p', PUBLISH, MSG_OFFICIAL_PUBLISH);
    }
    page_action(p, 'w', WORDS, MSG_OFFICIAL_PLAN_SHOW);
    if (o->n.found_count > 0)
        page_action(p, 'n', NOTES, MSG_PLAN_NOTES);
    page_action(p, 's', SUPERSEDE, MSG_SUPERSEDE_TITLE);
}

static struct page *main_page(const struct officials *o, enum message note)
{
    struct page *p = page_new(o->n.face->ui, MSG_OFFICIAL_TITLE);
    page_value(p, o->n.s.el->m->title, MSG_ELECTION);
    if (o->n.w.p != NULL) {
        put_partials(p, o);
    } else if (o->trouble.err != OK) {
        page_fault(p, &o->trouble);
    } else {
        page_text(p, MSG_OFFICIAL_NO_PLAN);
        page_action(p, 'a', AGGREGATE, MSG_OFFICIAL_AGGREGATE);
    }
    if (o->has_bundle)
        page_action(p, 'v', VERIFY, MSG_OFFICIAL_VERIFY);
    page_action(p, 'f', FOLDERS, MSG_OFFICIAL_FILES);
    page_tick(p, LOOK_AGAIN_MS);
    if (note != MSG_OFFICIAL_TITLE)
        page_note(p, note);
    return p;
}

static err_t act(struct officials *o, int action, enum message *note, struct fault *f)
{
    switch (action) {
    case FOLDERS:
        return ask_folders(o->n.face, f);
    case AGGREGATE:
        return run_aggregate(o, note, f);
    case WORDS:
        return show_words(o, f);
    case COMBINE:
        return run_combine(o, note, f);
    case RESULT:
        return night_result(&o->n, o->result, f);
    case PUBLISH:
        return run_publish(o, f);
    case VERIFY:
        return face_verify(o->n.face, f);
    case NOTES:
        return night_notes(&o->n, f);
    case SUPERSEDE:
        return run_supersede(o, note, f);
    default: /* a tick: only look again */
        return OK;
    }
}

static err_t run(struct officials *o, struct fault *f)
{
    enum message note = MSG_OFFICIAL_TITLE;
    for (;;) {
        struct page_event ev;
        fault_clear(&o->trouble);
        err_t e = look(o, f);
        if (e != OK && o->n.s.el == NULL)
            return face_show(o->n.face, e, f);
        if (e != OK) {
            o->trouble = *f;
            fault_clear(f);
            plan_work_free(&o->n.w);
        }
        struct page *p = main_page(o, note);
        e = page_run(p, &ev, f);
        page_free(p);
        if (e != OK || ev.action == PAGE_BACK)
            return e;
        if (ev.action != PAGE_TICK)
            note = MSG_OFFICIAL_TITLE;
        e = act(o, ev.action, &note, f);
        TRY(face_show(o->n.face, e, f));
    }
}

err_t face_night(struct face *face, struct fault *f)
{
    struct officials *o = calloc(1, sizeof *o);
    if (o == NULL)
        return fault_set(f, ERR_MEMORY, "a screen");
    o->n.face = face;
    night_guess(face, NULL);
    err_t e = run(o, f);
    free(o->n.found);
    plan_work_free(&o->n.w);
    session_close(&o->n.s);
    free(o);
    return e;
}
