/* A board copied in and out: the work in child processes, the difference before it, the result after it. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "appliance/face_entry.h"
#include "appliance/face_media.h"
#include "appliance/night.h"

enum { ITEM_COUNTS = 1, ITEM_SEALED, ITEM_NEW, ITEM_REFUSED, ITEM_COPIED, ITEM_CONFLICT };

struct carry {
    struct face *face;
    char dir[1200]; /* the board on the medium */
    const char *mount;
};

/* --- children --- */

static err_t put_counts(struct night_child *child, const struct merge_report *r)
{
    struct tape_item counts = {
        .kind = ITEM_COUNTS, .a = r->added, .b = r->known, .number = (uint32_t)r->refused};
    struct tape_item sealed = {.kind = ITEM_SEALED, .a = r->detached};
    TRY(tape_put(&child->tape, &counts));
    return tape_put(&child->tape, &sealed);
}

static err_t put_difference(struct night_child *child, const struct face *face, const struct session *s,
                            const struct board *news)
{
    for (size_t i = 0; i < news->entry_count; i++) {
        struct tape_item item = {.kind = ITEM_NEW};
        char line[512];
        face_entry_line(line, face, s, news, news->entry[i]);
        snprintf(item.text, sizeof item.text, "%s", line);
        TRY(tape_put(&child->tape, &item));
    }
    for (size_t i = 0; i < news->refused_count; i++) {
        struct tape_item item = {.kind = ITEM_REFUSED, .fault = news->refused[i].fault};
        TRY(tape_put(&child->tape, &item));
    }
    return OK;
}

static err_t preview_work(struct night_child *child, void *ctx, struct fault *f)
{
    struct carry *c = ctx;
    struct session s;
    struct board *news = NULL;
    struct merge_report report;
    TRY(face_session(c->face, &s, 0, f));
    err_t e = board_merge_preview(&news, s.b, c->dir, &report, f);
    if (e == OK)
        e = put_counts(child, &report);
    if (e == OK)
        e = put_difference(child, c->face, &s, news);
    board_free(news);
    session_close(&s);
    return e;
}

static err_t merge_work(struct night_child *child, void *ctx, struct fault *f)
{
    struct carry *c = ctx;
    struct session s;
    struct merge_report report;
    TRY(face_session(c->face, &s, 0, f));
    err_t e = board_merge(s.b, c->dir, &report, f);
    if (e == OK)
        e = put_counts(child, &report);
    session_close(&s);
    return e;
}

static err_t copy_progress(void *ctx, const char *what, uint64_t done, uint64_t total)
{
    const struct night_child *c = ctx;
    enum message text = strcmp(what, "copy") == 0 ? MSG_MEDIA_COPYING : MSG_MEDIA_COMPARING;
    return c->progress(c->progress_ctx, message_text(c->language, text), done, total);
}

static err_t copy_work(struct night_child *child, void *ctx, struct fault *f)
{
    struct carry *c = ctx;
    struct session s;
    struct media_report report;
    TRY(face_session(c->face, &s, 0, f));
    err_t e = media_copy_out(&report, s.b, s.el->m->places_file, c->dir, copy_progress, child, f);
    session_close(&s);
    struct tape_item item = {
        .kind = ITEM_COPIED, .a = report.copied, .b = report.known, .number = (uint32_t)report.conflicts};
    if (e == OK)
        e = tape_put(&child->tape, &item);
    for (size_t i = 0;
         e == OK && i < report.conflicts && i < sizeof report.conflict / sizeof report.conflict[0]; i++) {
        struct tape_item conflict = {.kind = ITEM_CONFLICT};
        snprintf(conflict.text, sizeof conflict.text, "%s", report.conflict[i]);
        e = tape_put(&child->tape, &conflict);
    }
    return e;
}

static const struct tape_item *item_of(const struct tape_item *found, size_t count, uint32_t kind)
{
    static const struct tape_item none;
    for (size_t i = 0; i < count; i++)
        if (found[i].kind == kind)
            return &found[i];
    return &none;
}

/* --- which board on the medium --- */

static err_t election_here(struct face *face, hash_t *out, struct fault *f)
{
    struct session s;
    TRY(face_session(face, &s, 0, f));
    *out = s.el->m->election;
    session_close(&s);
    return OK;
}

/* Those of this election come first; *mine: how many. */
static err_t boards_on(struct media_board *list, size_t *mine, size_t *all, const struct media *m,
                       const hash_t *election, struct fault *f)
{
    *mine = 0;
    TRY(media_boards(list, all, m->mount, f));
    for (size_t i = 0; i < *all; i++)
        if (hash_cmp(&list[i].election, election) == 0) {
            struct media_board x = list[i];
            list[i] = list[*mine];
            list[(*mine)++] = x;
        }
    return OK;
}

static err_t choose_board(struct face *face, const struct media_board *list, size_t count, size_t *at,
                          struct fault *f)
{
    struct page_event ev;
    struct page *p = page_new(face->ui, MSG_MEDIA_IN_TITLE);
    page_text(p, MSG_MEDIA_WHICH);
    page_field_choice(p, at, MSG_MEDIA_BOARD_FIELD);
    for (size_t i = 0; i < count; i++) {
        char detail[64];
        const char *arg[] = {UI_NUMBER(list[i].entries)};
        err_t e = message_format(detail, sizeof detail, face->language, MSG_MEDIA_BOARD_ENTRIES, arg, 1);
        (void)e; /* a text without its place is shown as it is */
        page_item_raw(p, list[i].dir, detail);
    }
    page_action_flags(p, 'g', 1, PAGE_NEEDS_ALL, MSG_OK);
    err_t e = page_run(p, &ev, f);
    page_free(p);
    return e != OK ? e : ev.action == 1 ? OK : face_back(f);
}

/* The folder of this election's board on the medium; *mine: how many there are, and *others, of other
 * elections. None: the folder for a new one. */
static err_t find_board(struct face *face, struct carry *c, const struct media *m, int ask, size_t *mine,
                        size_t *others, struct fault *f)
{
    struct media_board *list = calloc(MEDIA_BOARDS_MAX, sizeof *list);
    size_t all, at = 0;
    hash_t election;
    err_t e;
    if (list == NULL)
        return fault_set(f, ERR_MEMORY, "list of boards");
    GO(election_here(face, &election, f));
    GO(boards_on(list, mine, &all, m, &election, f));
    *others = all - *mine;
    GO(media_board_dir(c->dir, sizeof c->dir, m->mount, &election));
    if (*mine > 1 && ask)
        GO(choose_board(face, list, *mine, &at, f));
    if (*mine > 0)
        memcpy(c->dir, list[at].dir, sizeof c->dir);
out:
    free(list);
    return e;
}

static int is_own_board(const struct face *face, const struct carry *c)
{
    char a[PATH_MAX], b[PATH_MAX];
    return realpath(face->board, a) != NULL && realpath(c->dir, b) != NULL && strcmp(a, b) == 0;
}

/* --- in --- */

static void list_items(struct page *p, const struct tape_item *found, size_t count, uint32_t kind,
                       enum message head)
{
    size_t shown = night_list(p, found, count, kind, head), all = night_count(found, count, kind);
    if (all > shown)
        page_text(p, MSG_MEDIA_MORE, UI_NUMBER(all - shown));
}

static err_t difference(struct face *face, const struct carry *c, const struct tape_item *found, size_t count,
                        struct fault *f)
{
    const struct tape_item *n = item_of(found, count, ITEM_COUNTS);
    const struct tape_item *sealed = item_of(found, count, ITEM_SEALED);
    struct page_event ev;
    struct page *p = page_new(face->ui, MSG_MEDIA_IN_TITLE);
    page_text(p, MSG_MEDIA_DIFFERENCE);
    page_value(p, c->dir, MSG_MEDIA_FROM);
    page_value(p, face->board, MSG_MEDIA_TO);
    page_value(p, UI_NUMBER(n->a), MSG_MEDIA_NEW);
    page_value(p, UI_NUMBER(sealed->a), MSG_MEDIA_NEW_SEALED);
    page_value(p, UI_NUMBER(n->b), MSG_MEDIA_KNOWN);
    page_value(p, UI_NUMBER(n->number), MSG_MEDIA_REFUSED);
    if (n->a + sealed->a == 0)
        page_text(p, MSG_MEDIA_NOTHING_NEW);
    list_items(p, found, count, ITEM_NEW, MSG_MEDIA_LIST_NEW);
    list_items(p, found, count, ITEM_REFUSED, MSG_MEDIA_LIST_REFUSED);
    if (n->a + sealed->a > 0)
        page_action_flags(p, 'c', 1, PAGE_NEEDS_READ, MSG_MEDIA_IN_DO);
    err_t e = page_run(p, &ev, f);
    page_free(p);
    return e != OK ? e : ev.action == 1 ? OK : face_back(f);
}

err_t media_face_in(struct face *face, const struct media *m, struct fault *f)
{
    struct carry c = {.face = face, .mount = m->mount};
    struct night_rights look = {0}, merge = {0};
    struct tape_item *found = NULL;
    size_t count, mine, others;
    err_t e;
    TRY(find_board(face, &c, m, 1, &mine, &others, f));
    if (mine == 0)
        return ui_show(face->ui, MSG_MEDIA_IN_TITLE, f, MSG_MEDIA_NO_BOARD, UI_NUMBER(others));
    if (is_own_board(face, &c))
        return ui_show(face->ui, MSG_MEDIA_IN_TITLE, f, MSG_MEDIA_SAME);
    night_allow(&look, face->board, 0);
    night_allow(&look, c.dir, 0);
    night_allow(&merge, face->board, 1);
    night_allow(&merge, c.dir, 0);
    GO(night_job_confined(face, MSG_MEDIA_IN_TITLE, MSG_MEDIA_LOOKING, preview_work, &c, &look, &found,
                          &count, f));
    GO(difference(face, &c, found, count, f));
    free(found);
    GO(night_job_confined(face, MSG_MEDIA_IN_TITLE, MSG_MEDIA_LOOKING, merge_work, &c, &merge, &found, &count,
                          f));
    e = ui_show(face->ui, MSG_MEDIA_IN_TITLE, f, MSG_MEDIA_IN_DONE,
                UI_NUMBER(item_of(found, count, ITEM_COUNTS)->a),
                UI_NUMBER(item_of(found, count, ITEM_SEALED)->a));
out:
    free(found);
    return e;
}

/* --- out --- */

static err_t summary(struct face *face, const struct carry *c, const struct media *m, struct fault *f)
{
    struct session s;
    struct page_event ev;
    char room[32];
    TRY(face_session(face, &s, 0, f));
    struct page *p = page_new(face->ui, MSG_MEDIA_OUT_TITLE);
    page_text(p, MSG_MEDIA_OUT_TEXT);
    face_election(p, s.el->m);
    page_value(p, UI_NUMBER(s.b->entry_count), MSG_MEDIA_OUT_ENTRIES);
    session_close(&s);
    page_value(p, face->board, MSG_MEDIA_FROM);
    page_value(p, c->dir, MSG_MEDIA_TO);
    face_bytes(room, m->room);
    page_value(p, room, MSG_MEDIA_OUT_ROOM);
    page_action(p, 'c', 1, MSG_MEDIA_OUT_DO);
    err_t e = page_run(p, &ev, f);
    page_free(p);
    return e != OK ? e : ev.action == 1 ? OK : face_back(f);
}

static err_t result(struct face *face, const struct tape_item *found, size_t count, struct fault *f)
{
    const struct tape_item *n = item_of(found, count, ITEM_COPIED);
    struct page_event ev;
    struct page *p = page_new(face->ui, MSG_MEDIA_OUT_TITLE);
    page_text(p, MSG_MEDIA_OUT_DONE, UI_NUMBER(n->a), UI_NUMBER(n->b));
    if (n->number > 0)
        page_warn(p, MSG_MEDIA_CONFLICTS, UI_NUMBER(n->number));
    for (size_t i = 0; i < count; i++)
        if (found[i].kind == ITEM_CONFLICT)
            page_raw(p, found[i].text);
    err_t e = page_run(p, &ev, f);
    page_free(p);
    return e;
}

err_t media_face_out(struct face *face, const struct media *m, struct fault *f)
{
    struct carry c = {.face = face, .mount = m->mount};
    struct night_rights may = {0};
    struct tape_item *found = NULL;
    size_t count, mine, others;
    TRY(find_board(face, &c, m, 0, &mine, &others, f));
    if (is_own_board(face, &c))
        return ui_show(face->ui, MSG_MEDIA_OUT_TITLE, f, MSG_MEDIA_SAME);
    TRY(summary(face, &c, m, f));
    night_allow(&may, face->board, 0);
    night_allow(&may, c.mount, 1); /* the board's folder there may be made now */
    err_t e = night_job_confined(face, MSG_MEDIA_OUT_TITLE, MSG_MEDIA_OUT_TEXT, copy_work, &c, &may, &found,
                                 &count, f);
    if (e == OK)
        e = result(face, found, count, f);
    free(found);
    return e;
}
