/* Files besides the board taken in from a medium and given out to it: plans, exports of precincts and
 * chains, records, results, bundles. The work in child processes that may read the one and write the other;
 * the difference before it, the result after it. */
#include <stdlib.h>
#include <string.h>

#include "appliance/carry.h"
#include "appliance/face_entry.h"
#include "appliance/face_media.h"
#include "appliance/night.h"
#include "ceremony/base/file.h"

enum { ITEM_COUNTS = 1, ITEM_NEW, ITEM_REFUSED, ITEM_COPIED, ITEM_PLAN };

struct files {
    struct face *face;
    char from[CARRY_PATH], to[CARRY_PATH];
    const struct carry_paths *here; /* giving out; NULL: taking in */
    uint32_t kinds;
    int copy;
};

static const enum message kind_text[CARRY_KINDS] = {
    [CARRY_PLAN] = MSG_FILES_PLANS,     [CARRY_EXPORT] = MSG_FILES_EXPORTS,
    [CARRY_RECORD] = MSG_FILES_RECORDS, [CARRY_RESULT] = MSG_FILES_RESULTS,
    [CARRY_BUNDLE] = MSG_FILES_BUNDLES, [CARRY_CHAIN] = MSG_FILES_CHAINS,
};

static err_t election_of(struct face *face, hash_t *out, struct fault *f)
{
    char path[4200];
    TRY(file_path(path, sizeof path, face->board, BUNDLE_MANIFEST));
    return manifest_election_of(out, path, f);
}

/* --- children --- */

static err_t tell(void *ctx, const char *what, uint64_t done, uint64_t total)
{
    const struct night_child *c = ctx;
    enum message text = strcmp(what, "check") == 0  ? MSG_FILES_CHECKING
                        : strcmp(what, "copy") == 0 ? MSG_MEDIA_COPYING
                                                    : MSG_MEDIA_COMPARING;
    return c->progress(c->progress_ctx, message_text(c->language, text), done / 1024, total / 1024);
}

static err_t put_items(struct night_child *child, const struct carry *c)
{
    size_t told[2] = {0, 0};
    for (uint32_t k = 0; k < CARRY_KINDS; k++) {
        size_t n[3] = {0, 0, 0};
        for (size_t i = 0; i < c->count; i++)
            n[c->item[i].state] += c->item[i].kind == (enum carry_kind)k;
        struct tape_item item = {.kind = ITEM_COUNTS, .number = k, .a = n[CARRY_NEW], .b = n[CARRY_KNOWN]};
        snprintf(item.text, sizeof item.text, "%zu", n[CARRY_REFUSED]);
        TRY(tape_put(&child->tape, &item));
    }
    for (size_t i = 0; i < c->count; i++) {
        const struct carry_item *x = &c->item[i];
        int refused = x->state == CARRY_REFUSED;
        if (x->state == CARRY_KNOWN || told[refused]++ >= NIGHT_LINES_MAX)
            continue;
        struct tape_item item = {.kind = refused ? ITEM_REFUSED : ITEM_NEW, .number = x->kind};
        snprintf(item.text, sizeof item.text, "%s", x->name);
        if (refused)
            item.fault = *x->fault;
        TRY(tape_put(&child->tape, &item));
    }
    return OK;
}

static err_t put_newest(struct night_child *child, const struct files *w, const struct bundle_election *el,
                        struct fault *f)
{
    char path[CARRY_PATH];
    struct tape_item item = {.kind = ITEM_PLAN};
    if (w->here != NULL)
        return OK;
    TRY(carry_newest(path, w->to, el, f));
    if (path[0] == '\0' || snprintf(item.text, sizeof item.text, "%s", path) >= (int)sizeof item.text)
        return OK;
    return tape_put(&child->tape, &item);
}

/* Looks at all of it, and copies it if that was agreed to. */
static err_t work(struct night_child *child, void *ctx, struct fault *f)
{
    const struct files *w = ctx;
    struct bundle_election *el = NULL;
    struct carry c = {0};
    struct carry_report report;
    err_t e;
    GO(bundle_election_load(&el, w->face->board, 1, f));
    e = w->here != NULL ? carry_gather(&c, w->here, w->kinds, el, f) : carry_find(&c, w->from, el, f);
    if (e == OK)
        e = carry_check(&c, w->to, el, tell, child, f);
    if (e == OK && w->copy) {
        GO(carry_copy(&report, &c, w->to, el, tell, child, f));
        struct tape_item item = {.kind = ITEM_COPIED, .a = report.copied, .b = report.bytes};
        GO(tape_put(&child->tape, &item));
        GO(put_newest(child, w, el, f));
    }
    if (e == OK)
        e = put_items(child, &c);
out:
    carry_free(&c);
    bundle_election_free(el);
    return e;
}

static err_t run(struct files *w, enum message title, int copy, struct tape_item **found, size_t *count,
                 struct fault *f)
{
    struct night_rights may = {.temp = NULL};
    const struct carry_paths *p = w->here;
    w->copy = copy;
    if (copy)
        TRY(file_mkdir(w->to, f)); /* only what is there can be named */
    night_allow(&may, w->face->board, 0);
    night_allow(&may, w->to, copy);
    const char *const from[] = {p == NULL ? w->from : NULL, p != NULL ? p->plans : NULL,
                                p != NULL ? p->exports : NULL, p != NULL ? p->bundle : NULL};
    for (size_t i = 0; i < sizeof from / sizeof from[0]; i++)
        if (from[i] != NULL && from[i][0] != '\0')
            night_allow(&may, from[i], 0);
    return night_job_confined(w->face, title, copy ? MSG_FILES_COPYING : MSG_FILES_LOOKING, work, w, &may,
                              found, count, f);
}

/* --- pages --- */

static const struct tape_item *first_of(const struct tape_item *found, size_t count, uint32_t kind)
{
    static const struct tape_item none;
    for (size_t i = 0; i < count; i++)
        if (found[i].kind == kind)
            return &found[i];
    return &none;
}

/* Kinds against new, known, refused. How many are new. */
static uint64_t put_table(struct page *p, enum language l, const struct tape_item *found, size_t count)
{
    static const enum table_kind kinds[] = {TABLE_LEFT, TABLE_RIGHT, TABLE_RIGHT, TABLE_RIGHT};
    static const enum message heads[] = {MSG_FILES_COL_KIND, MSG_FILES_COL_NEW, MSG_FILES_COL_KNOWN,
                                         MSG_FILES_COL_REFUSED};
    uint64_t fresh = 0;
    page_table(p, kinds, heads, 4);
    for (size_t i = 0; i < count; i++) {
        const struct tape_item *x = &found[i];
        if (x->kind != ITEM_COUNTS || x->number >= CARRY_KINDS)
            continue;
        const char *cell[] = {message_text(l, kind_text[x->number]), UI_NUMBER(x->a), UI_NUMBER(x->b),
                              x->text};
        page_row(p, cell);
        fresh += x->a;
    }
    return fresh;
}

static void put_list(struct page *p, const struct tape_item *found, size_t count, uint32_t kind,
                     enum message head)
{
    if (night_list(p, found, count, kind, head) == NIGHT_LINES_MAX)
        page_text(p, MSG_FILES_FIRST, UI_NUMBER(NIGHT_LINES_MAX));
}

static err_t difference(const struct files *w, enum message title, const struct tape_item *found,
                        size_t count, struct fault *f)
{
    struct page_event ev;
    struct page *p = page_new(w->face->ui, title);
    page_text(p, MSG_FILES_DIFFERENCE);
    page_value(p, w->from, MSG_MEDIA_FROM);
    page_value(p, w->to, MSG_MEDIA_TO);
    uint64_t fresh = put_table(p, w->face->language, found, count);
    if (fresh == 0)
        page_text(p, MSG_FILES_NOTHING_NEW);
    put_list(p, found, count, ITEM_NEW, MSG_MEDIA_LIST_NEW);
    put_list(p, found, count, ITEM_REFUSED, MSG_MEDIA_LIST_REFUSED);
    if (fresh > 0)
        page_action(p, 'c', 1, MSG_FILES_DO);
    err_t e = page_run(p, &ev, f);
    page_free(p);
    return e != OK ? e : ev.action == 1 ? OK : face_back(f);
}

static err_t done(const struct files *w, enum message title, const struct tape_item *found, size_t count,
                  struct fault *f)
{
    struct page_event ev;
    char bytes[32];
    const struct tape_item *n = first_of(found, count, ITEM_COPIED);
    face_bytes(bytes, n->b);
    struct page *p = page_new(w->face->ui, title);
    page_text(p, MSG_FILES_DONE, UI_NUMBER(n->a), bytes);
    page_value(p, w->to, MSG_MEDIA_TO);
    if (w->here == NULL)
        page_text(p, MSG_FILES_PROPOSED);
    put_list(p, found, count, ITEM_REFUSED, MSG_MEDIA_LIST_REFUSED);
    err_t e = page_run(p, &ev, f);
    page_free(p);
    return e;
}

/* --- in --- */

static void propose(char *out, size_t size, const char *dir, const char *name)
{
    char path[CARRY_PATH];
    if (file_path(path, sizeof path, dir, name) == OK && file_is_dir(path, NULL) == OK && strlen(path) < size)
        memcpy(out, path, strlen(path) + 1);
}

/* What arrived is proposed where it is asked for. */
static void take_up(struct files *w, const struct tape_item *found, size_t count)
{
    struct face *face = w->face;
    const struct tape_item *plan = first_of(found, count, ITEM_PLAN);
    uint64_t has[CARRY_KINDS] = {0};
    for (size_t i = 0; i < count; i++)
        if (found[i].kind == ITEM_COUNTS && found[i].number < CARRY_KINDS)
            has[found[i].number] = found[i].a + found[i].b;
    if (has[CARRY_PLAN] > 0 && plan->text[0] != '\0')
        snprintf(face->plan, sizeof face->plan, "%s", plan->text);
    if (has[CARRY_EXPORT] + has[CARRY_CHAIN] > 0)
        propose(face->exports, sizeof face->exports, w->to, BUNDLE_EXPORTS);
    if (has[CARRY_BUNDLE] > 0)
        propose(face->bundle, sizeof face->bundle, w->to, "bundle");
    if (has[CARRY_RECORD] + has[CARRY_RESULT] > 0 && file_is_dir(face->tally, NULL) != OK)
        propose(face->tally, sizeof face->tally, w->to, ".");
}

err_t media_face_take(struct face *face, const struct media *m, struct fault *f)
{
    struct files *w = calloc(1, sizeof *w);
    struct tape_item *found = NULL;
    size_t count;
    hash_t election;
    err_t e;
    if (w == NULL)
        return fault_set(f, ERR_MEMORY, "a screen");
    w->face = face;
    snprintf(w->from, sizeof w->from, "%s", m->mount);
    GO(election_of(face, &election, f));
    night_files_dir(w->to, sizeof w->to, face);
    if (w->to[0] == '\0') {
        e = fault_set(f, ERR_MISSING, "%s", message_text(face->language, MSG_FILES_NO_HOME));
        goto out;
    }
    night_guess(face, &election);
    GO(run(w, MSG_FILES_IN_TITLE, 0, &found, &count, f));
    GO(difference(w, MSG_FILES_IN_TITLE, found, count, f));
    free(found);
    GO(run(w, MSG_FILES_IN_TITLE, 1, &found, &count, f));
    take_up(w, found, count);
    e = done(w, MSG_FILES_IN_TITLE, found, count, f);
out:
    free(found);
    free(w);
    return e;
}

/* --- out --- */

struct giving {
    char plans[4096], records[4200];
    struct carry_paths paths;
};

/* Officials have plans in their folder; a trustee has the one that was chosen. */
static err_t find_here(struct face *face, struct giving *g, struct fault *f)
{
    night_guess(face, NULL);
    snprintf(g->plans, sizeof g->plans, "%s", face->tally);
    if (file_is_dir(face->tally, NULL) != OK && face->plan[0] != '\0') {
        snprintf(g->plans, sizeof g->plans, "%s", face->plan);
        char *slash = strrchr(g->plans, '/');
        if (slash != NULL)
            *slash = '\0';
    }
    if (file_path(g->records, sizeof g->records, face->tally, BUNDLE_RECORDS) != OK)
        return fault_set(f, ERR_LIMIT, "path too long");
    g->paths = (struct carry_paths){.plans = g->plans,
                                    .exports = face->exports,
                                    .records = g->records,
                                    .results = face->tally,
                                    .bundle = face->bundle};
    return OK;
}

/* Which kinds; only those of which there are files. */
static err_t choose(struct files *w, struct fault *f)
{
    struct bundle_election *el;
    struct carry c = {0};
    char line[CARRY_KINDS][160];
    const char *label[CARRY_KINDS];
    int chosen[CARRY_KINDS];
    uint32_t kind[CARRY_KINDS];
    size_t n = 0;
    TRY(bundle_election_load(&el, w->face->board, 1, f));
    err_t e = carry_gather(&c, w->here, ~UINT32_C(0), el, f);
    bundle_election_free(el);
    for (uint32_t k = 0; e == OK && k < CARRY_KINDS; k++) {
        size_t files = 0;
        for (size_t i = 0; i < c.count; i++)
            files += c.item[i].kind == (enum carry_kind)k;
        if (files == 0)
            continue;
        const char *arg[] = {message_text(w->face->language, kind_text[k]), UI_NUMBER(files)};
        err_t ignored = message_format(line[n], sizeof line[n], w->face->language, MSG_FILES_LINE, arg, 2);
        (void)ignored; /* a text without its places is shown as it is */
        label[n] = line[n];
        kind[n] = k;
        chosen[n++] = 1;
    }
    carry_free(&c);
    TRY(e);
    if (n == 0) {
        TRY(ui_show(w->face->ui, MSG_FILES_OUT_TITLE, f, MSG_FILES_NONE_HERE));
        return face_back(f);
    }
    TRY(face_pick(w->face, MSG_FILES_OUT_TITLE, MSG_FILES_OUT_TEXT, MSG_FILES_MARK, label, chosen, n, f));
    w->kinds = 0;
    for (size_t i = 0; i < n; i++)
        w->kinds |= chosen[i] ? UINT32_C(1) << kind[i] : 0;
    return w->kinds != 0 ? OK : face_back(f);
}

err_t media_face_give(struct face *face, const struct media *m, struct fault *f)
{
    struct files *w = calloc(1, sizeof *w);
    struct giving *g = calloc(1, sizeof *g);
    struct tape_item *found = NULL;
    size_t count;
    hash_t election;
    err_t e = OK;
    if (w == NULL || g == NULL) {
        e = fault_set(f, ERR_MEMORY, "a screen");
        goto out;
    }
    w->face = face;
    GO(election_of(face, &election, f));
    GO(find_here(face, g, f));
    w->here = &g->paths;
    snprintf(w->from, sizeof w->from, "%s", message_text(face->language, MSG_FILES_THIS_MACHINE));
    GO(media_board_dir(w->to, sizeof w->to, m->mount, &election));
    GO(choose(w, f));
    GO(run(w, MSG_FILES_OUT_TITLE, 0, &found, &count, f));
    GO(difference(w, MSG_FILES_OUT_TITLE, found, count, f));
    free(found);
    GO(run(w, MSG_FILES_OUT_TITLE, 1, &found, &count, f));
    e = done(w, MSG_FILES_OUT_TITLE, found, count, f);
out:
    free(found);
    free(g);
    free(w);
    return e;
}
