#include "appliance/night_result.h"

#include <stdlib.h>
#include <string.h>

#include "tally/result.h"

#define CHOICES 60 /* places in a list at a time */

/* --- one place --- */

static void share_text(char out[16], uint64_t part, uint64_t whole)
{
    if (whole == 0) {
        snprintf(out, 16, "-");
        return;
    }
    unsigned __int128 tenths = ((unsigned __int128)part * 2000 + whole) / ((unsigned __int128)whole * 2);
    snprintf(out, 16, "%llu.%u %%", (unsigned long long)(tenths / 10), (unsigned)(tenths % 10));
}

static void put_contest(struct page *p, const struct contest *c, const struct result_row *row,
                        const char *place, int is_import)
{
    static const enum table_kind kinds[] = {TABLE_LEFT, TABLE_RIGHT, TABLE_RIGHT, TABLE_BAR};
    static const enum message heads[] = {MSG_RESULT_COL_OPTION, MSG_RESULT_COL_VOTES, MSG_RESULT_COL_SHARE,
                                         MSG_RESULT_COL_BAR};
    char votes[24], share[16], bar[48];
    page_head(p, MSG_RESULT_OF, c->title, place);
    page_text(p, is_import ? MSG_RESULT_VOTES : MSG_RESULT_BALLOTS, UI_NUMBER(row->ballots));
    page_table(p, kinds, heads, 4);
    for (size_t i = 0; i < row->count; i++) {
        message_number(votes, row->votes[i]);
        share_text(share, row->votes[i], row->ballots);
        snprintf(bar, sizeof bar, "%s/%llu", votes, (unsigned long long)row->ballots);
        const char *cells[] = {c->option[i].title, votes, share, bar};
        page_row(p, cells);
    }
}

/* The units of the place of unit `first`, which stand together. *chosen: whether another place is wanted. */
static err_t show_place(struct night *n, const struct result *r, size_t first, int *chosen, struct fault *f)
{
    enum { PLACES = 1 };
    const struct plan *plan = n->w.p;
    const struct manifest *m = n->s.el->m;
    struct page_event ev;
    char place[512];
    struct page *p = page_new(n->face->ui, MSG_RESULT_TITLE);
    page_value(p, m->title, MSG_ELECTION);
    page_value(p, night_place(place, n, &plan->unit[first]), MSG_PLAN_COL_PLACE);
    page_text(p, MSG_RESULT_NOT_YET);
    for (size_t i = first; i < plan->unit_count && plan->unit[i].level == plan->unit[first].level &&
                           strcmp(plan->unit[i].place, plan->unit[first].place) == 0;
         i++)
        put_contest(p, &m->contest[plan->unit[i].contest], &r->row[i], place, m->kind == KIND_IMPORT);
    page_action(p, 'l', PLACES, MSG_RESULT_PLACES);
    err_t e = page_run(p, &ev, f);
    page_free(p);
    *chosen = e == OK && ev.action == PLACES;
    return e;
}

/* --- which place --- */

/* The first unit of each place; *count of them. */
static size_t *place_units(const struct plan *plan, size_t *count)
{
    size_t *out = calloc(plan->unit_count + 1, sizeof *out);
    *count = 0;
    for (size_t i = 0; out != NULL && i < plan->unit_count; i++)
        if (i == 0 || plan->unit[i].level != plan->unit[i - 1].level ||
            strcmp(plan->unit[i].place, plan->unit[i - 1].place) != 0)
            out[(*count)++] = i;
    return out;
}

/* *at: the place shown, then the one chosen. */
static err_t choose(struct night *n, const size_t *unit, size_t count, size_t *at, struct fault *f)
{
    enum { TAKE = 1, NEXT, BEFORE };
    for (size_t from = *at / CHOICES * CHOICES;;) {
        struct page_event ev;
        size_t end = count - from > CHOICES ? from + CHOICES : count,
               index = *at >= from && *at < end ? *at - from : 0;
        struct page *p = page_new(n->face->ui, MSG_RESULT_PLACES);
        page_text(p, MSG_PLAN_PAGE, UI_NUMBER(from + 1), UI_NUMBER(end), UI_NUMBER(count));
        page_field_choice(p, &index, MSG_RESULT_CHOOSE);
        for (size_t i = from; i < end; i++) {
            const struct plan_unit *u = &n->w.p->unit[unit[i]];
            char place[512];
            page_item_raw(p, night_place(place, n, u), n->s.el->m->level[u->level]);
        }
        page_action_flags(p, 'g', TAKE, PAGE_NEEDS_ALL, MSG_OK);
        if (end < count)
            page_action(p, 'n', NEXT, MSG_PLAN_NEXT);
        if (from > 0)
            page_action(p, 'p', BEFORE, MSG_PLAN_BEFORE);
        err_t e = page_run(p, &ev, f);
        page_free(p);
        if (e != OK || ev.action == PAGE_BACK)
            return e;
        if (ev.action == TAKE) {
            *at = from + index;
            return OK;
        }
        from = ev.action == NEXT ? end : from - CHOICES;
    }
}

/* Rows are those of the plan, and within their limits. */
static err_t check_rows(const struct night *n, const struct result *r, struct fault *f)
{
    const struct plan *plan = n->w.p;
    if (hash_cmp(&r->plan, &plan->id) != 0 || r->row_count != plan->unit_count)
        return fault_set(f, ERR_MISMATCH, "it is the result of another plan");
    for (size_t i = 0; i < r->row_count; i++) {
        const struct plan_unit *u = &plan->unit[i];
        TRY(result_row_check(&r->row[i], n->s.el->m, f));
        if (strcmp(r->row[i].place, u->place) != 0 ||
            strcmp(r->row[i].contest, n->s.el->m->contest[u->contest].id) != 0)
            return fault_set(f, ERR_MISMATCH, "row %zu of the result is not unit %zu of the plan", i + 1,
                             i + 1);
    }
    return OK;
}

err_t night_result(struct night *n, const char *path, struct fault *f)
{
    struct result *r = NULL;
    size_t *unit = NULL, count = 0, at = 0;
    err_t e;
    GO(result_load(&r, path, f));
    GO(fault_file(f, check_rows(n, r, f), path));
    unit = place_units(n->w.p, &count);
    if (unit == NULL)
        GO(fault_set(f, ERR_MEMORY, "the result"));
    for (int more = count > 0; more;) {
        GO(show_place(n, r, unit[at], &more, f));
        if (more)
            GO(choose(n, unit, count, &at, f));
    }
out:
    free(unit);
    result_free(r);
    return e;
}
