/* Decryption night: pages about a plan. */
#include <stdlib.h>
#include <string.h>

#include "appliance/night.h"

#define LINES 100 /* of a list at a time */
#define SHOWN 12  /* of what stands in a page itself */
#define UNITS_SHOWN 24

/* --- rules --- */

enum message night_rule_text(const char *rule)
{
    static const struct {
        const char *rule;
        enum message text;
    } texts[] = {{"plan-records", MSG_RULE_PLAN_RECORDS},
                 {"plan-root", MSG_RULE_PLAN_ROOT},
                 {"plan-order", MSG_RULE_PLAN_ORDER},
                 {"plan-level", MSG_RULE_PLAN_LEVEL},
                 {"plan-members", MSG_RULE_PLAN_MEMBERS},
                 {"plan-hash", MSG_RULE_PLAN_HASH},
                 {"plan-ballots", MSG_RULE_PLAN_BALLOTS},
                 {"plan-sum", MSG_RULE_PLAN_SUM},
                 {"plan-identity", MSG_RULE_PLAN_IDENTITY},
                 {"plan-minimum", MSG_RULE_PLAN_MINIMUM},
                 {"plan-remainder", MSG_RULE_PLAN_REMAINDER},
                 {"supersede-hash", MSG_RULE_SUPERSEDE_HASH},
                 {"supersede-change", MSG_RULE_SUPERSEDE_CHANGE},
                 {"supersede-remainder", MSG_RULE_SUPERSEDE_REMAINDER},
                 {"supersede-mixed", MSG_RULE_SUPERSEDE_MIXED},
                 {"supersede-exchange", MSG_RULE_SUPERSEDE_EXCHANGE}};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (strcmp(texts[i].rule, rule) == 0)
            return texts[i].text;
    return MSG_RULE_OTHER;
}

static int rule_seen(const struct night *n, size_t i)
{
    for (size_t j = 0; j < i; j++)
        if (n->found[j].kind == FOUND_RULE && strcmp(n->found[j].name, n->found[i].name) == 0)
            return 1;
    return 0;
}

static void put_rule(struct page *p, const struct night *n, size_t i)
{
    const struct tape_item *x = &n->found[i];
    enum message text = night_rule_text(x->name);
    size_t shown = 0, more = 0;
    page_head(p, MSG_REFUSE_RULE, x->name);
    if (text == MSG_RULE_OTHER)
        page_warn(p, text, x->name);
    else
        page_warn(p, text);
    for (size_t j = i; j < n->found_count; j++) {
        if (n->found[j].kind != FOUND_RULE || strcmp(n->found[j].name, x->name) != 0)
            continue;
        if (shown < SHOWN)
            page_fault(p, &n->found[j].fault);
        shown++;
        more += shown > SHOWN;
    }
    if (more > 0)
        page_text(p, MSG_REFUSE_MORE, UI_NUMBER(more));
}

err_t night_refusal(struct night *n, const struct refusal *what, err_t e, struct fault *f)
{
    enum { NOTES = 1 };
    struct fault why = *f;
    size_t notes = night_count(n->found, n->found_count, FOUND_REFUSED);
    why.err = e;
    for (;;) {
        struct page_event ev;
        struct page *p = page_new(n->face->ui, what->title);
        page_warn(p, what->text);
        if (e == ERR_UNVERIFIED)
            page_warn(p, MSG_REFUSE_ROOT);
        if (night_count(n->found, n->found_count, FOUND_RULE) == 0)
            page_fault(p, &why);
        for (size_t i = 0; i < n->found_count; i++)
            if (n->found[i].kind == FOUND_RULE && !rule_seen(n, i))
                put_rule(p, n, i);
        if (notes > 0)
            page_action(p, 'n', NOTES, MSG_REFUSE_NOTES);
        fault_clear(f);
        err_t r = page_run(p, &ev, f);
        page_free(p);
        if (r != OK || ev.action != NOTES)
            return r;
        TRY(night_notes(n, f));
    }
}

/* --- lists --- */

/* Shows count lines, put_heads and then LINES at a time. */
typedef void put_line(struct page *p, const struct night *n, size_t i);
typedef void put_heads(struct page *p);

static err_t show_list(struct night *n, enum message title, size_t count, put_heads *heads, put_line *line,
                       struct fault *f)
{
    enum { NEXT = 1, BEFORE };
    for (size_t at = 0;;) {
        struct page_event ev;
        size_t end = count - at > LINES ? at + LINES : count;
        struct page *p = page_new(n->face->ui, title);
        if (count == 0)
            page_text(p, MSG_PLAN_NOTHING);
        else
            page_text(p, MSG_PLAN_PAGE, UI_NUMBER(at + 1), UI_NUMBER(end), UI_NUMBER(count));
        if (count > 0)
            heads(p);
        for (size_t i = at; i < end; i++)
            line(p, n, i);
        if (end < count)
            page_action(p, 'n', NEXT, MSG_PLAN_NEXT);
        if (at > 0)
            page_action(p, 'p', BEFORE, MSG_PLAN_BEFORE);
        err_t e = page_run(p, &ev, f);
        page_free(p);
        if (e != OK || ev.action == PAGE_BACK)
            return e;
        at = ev.action == NEXT ? end : at - LINES;
    }
}

const char *night_place(char out[512], const struct night *n, const struct plan_unit *u)
{
    const char *const arg[] = {u->place};
    struct place x;
    if (u->is_group && message_format(out, 512, n->face->language, MSG_PLAN_GROUP, arg, 1) == OK)
        return out;
    places_get(n->s.el->places, u->member[0].place, &x);
    snprintf(out, 512, "%s", u->is_group || x.title[0] == '\0' ? u->place : x.title);
    return out;
}

static void unit_heads(struct page *p)
{
    static const enum table_kind kinds[] = {TABLE_LEFT, TABLE_LEFT, TABLE_LEFT, TABLE_RIGHT, TABLE_RIGHT};
    static const enum message heads[] = {MSG_PLAN_COL_PLACE, MSG_PLAN_COL_LEVEL, MSG_PLAN_COL_CONTEST,
                                         MSG_PLAN_COL_BALLOTS, MSG_PLAN_COL_PRECINCTS};
    page_table(p, kinds, heads, 5);
}

static void unit_line(struct page *p, const struct night *n, size_t i)
{
    const struct plan_unit *u = &n->w.p->unit[i];
    const struct manifest *m = n->s.el->m;
    char place[512];
    const char *cells[] = {night_place(place, n, u), m->level[u->level], m->contest[u->contest].title,
                           UI_NUMBER(u->ballots), UI_NUMBER(plan_reach_unit(&n->reach, u))};
    page_row(p, cells);
}

err_t night_places(struct night *n, struct fault *f)
{
    return show_list(n, MSG_PLAN_PLACES, n->w.p->unit_count, unit_heads, unit_line, f);
}

static void missing_heads(struct page *p)
{
    static const enum table_kind kinds[] = {TABLE_LEFT, TABLE_LEFT};
    static const enum message heads[] = {MSG_PLAN_COL_PLACE, MSG_PLAN_COL_TITLE};
    page_table(p, kinds, heads, 2);
}

static void missing_line(struct page *p, const struct night *n, size_t i)
{
    struct place x;
    places_get(n->s.el->places, n->reach.missing[i], &x);
    const char *cells[] = {x.id, x.title};
    page_row(p, cells);
}

err_t night_missing(struct night *n, struct fault *f)
{
    return show_list(n, MSG_PLAN_MISSING_LIST, n->reach.missing_count, missing_heads, missing_line, f);
}

static int is_note(const struct tape_item *x)
{
    return x->kind == FOUND_REFUSED || x->kind == FOUND_REPLACED || x->kind == FOUND_DROPPED ||
           x->kind == FOUND_FEW;
}

static void note_heads(struct page *p)
{
    static const enum table_kind kinds[] = {TABLE_LEFT, TABLE_LEFT, TABLE_LEFT};
    static const enum message heads[] = {MSG_PLAN_COL_WHAT, MSG_PLAN_COL_PLACE, MSG_PLAN_COL_WHY};
    page_table(p, kinds, heads, 3);
}

static enum message note_text(uint32_t kind)
{
    switch (kind) {
    case FOUND_REFUSED:
        return MSG_PLAN_NOTE_REFUSED;
    case FOUND_REPLACED:
        return MSG_PLAN_NOTE_REPLACED;
    case FOUND_FEW:
        return MSG_PLAN_NOTE_FEW;
    default:
        return MSG_PLAN_NOTE_DROPPED;
    }
}

static void note_line(struct page *p, const struct night *n, size_t number)
{
    size_t i = 0;
    for (size_t k = 0; i < n->found_count && (k += is_note(&n->found[i])) <= number; i++)
        ;
    if (i == n->found_count)
        return;
    const struct tape_item *x = &n->found[i];
    enum language l = n->face->language;
    char why[2048], hex[2 * HASH_LEN + 1];
    hex_put(hex, x->hash.b, HASH_LEN);
    if (x->kind == FOUND_REFUSED)
        message_fault(why, sizeof why, l, &x->fault);
    const char *const ballots[] = {UI_NUMBER(x->a)};
    if (x->kind == FOUND_FEW && message_format(why, sizeof why, l, MSG_PLAN_FEW, ballots, 1) != OK)
        why[0] = '\0';
    const char *cells[] = {message_text(l, note_text(x->kind)), x->name[0] ? x->name : "-",
                           x->kind == FOUND_REFUSED || x->kind == FOUND_FEW ? why : hex};
    page_row(p, cells);
}

err_t night_notes(struct night *n, struct fault *f)
{
    size_t count = 0;
    for (size_t i = 0; i < n->found_count; i++)
        count += is_note(&n->found[i]);
    return show_list(n, MSG_PLAN_NOTES, count, note_heads, note_line, f);
}

/* --- the summary --- */

static void put_levels(struct page *p, const struct night *n)
{
    static const enum table_kind kinds[] = {TABLE_LEFT, TABLE_RIGHT, TABLE_RIGHT, TABLE_RIGHT, TABLE_RIGHT};
    static const enum message heads[] = {MSG_PLAN_COL_LEVEL, MSG_PLAN_COL_PLACES, MSG_PLAN_COL_SUMS,
                                         MSG_PLAN_COL_LOW, MSG_PLAN_COL_HIGH};
    const struct manifest *m = n->s.el->m;
    struct plan_level level[LEVELS_MAX];
    work_plan_levels(level, m, n->w.p);
    page_table(p, kinds, heads, 5);
    for (size_t i = 0; i < m->level_count; i++) {
        if (level[i].sums == 0)
            continue;
        const char *cells[] = {m->level[i], UI_NUMBER(level[i].places), UI_NUMBER(level[i].sums),
                               UI_NUMBER(level[i].low), UI_NUMBER(level[i].high)};
        page_row(p, cells);
    }
}

/* Every sum, where there are few; otherwise those of the first level, and the list has the others. */
static void put_units(struct page *p, const struct night *n)
{
    const struct plan *plan = n->w.p;
    size_t shown = 0;
    if (plan->unit_count == 0)
        return;
    if (plan->unit_count <= UNITS_SHOWN)
        shown = plan->unit_count;
    while (shown < UNITS_SHOWN && shown < plan->unit_count && plan->unit[shown].level == plan->unit[0].level)
        shown++;
    page_head(p, MSG_PLAN_PLACES);
    unit_heads(p);
    for (size_t i = 0; i < shown; i++)
        unit_line(p, n, i);
    if (shown < plan->unit_count)
        page_text(p, MSG_PLAN_MORE_UNITS, UI_NUMBER(plan->unit_count - shown));
}

/* What the verb says of each. */
void night_few_blocks(struct page *p, const struct tape_item *found, size_t count)
{
    size_t shown = 0, few = night_count(found, count, FOUND_FEW);
    for (size_t i = 0; i < count && shown < SHOWN; i++) {
        if (found[i].kind != FOUND_FEW)
            continue;
        page_warn(p, MSG_PLAN_FEW_NOTE, found[i].name, UI_NUMBER(found[i].a));
        shown++;
    }
    if (few > shown)
        page_text(p, MSG_REFUSE_MORE, UI_NUMBER(few - shown));
}

static void put_lineage(struct page *p, const struct night *n)
{
    const struct aggregate_result *r = &n->w.found;
    uint64_t all = n->reach.precincts[0] + n->reach.missing_count;
    page_head(p, MSG_PLAN_LINEAGE);
    page_text(p, MSG_PLAN_VERIFIED, UI_NUMBER(r->ballots), UI_NUMBER(r->verified + r->known),
              UI_NUMBER(n->reach.precincts[0]), UI_NUMBER(all));
    if (n->reach.missing_count == 0)
        page_text(p, MSG_PLAN_ALL_HERE);
    else
        page_warn(p, MSG_PLAN_MISSING, UI_NUMBER(n->reach.missing_count));
    if (n->reach.missing_count > 0) {
        missing_heads(p);
        for (size_t i = 0; i < n->reach.missing_count && i < SHOWN; i++)
            missing_line(p, n, i);
    }
    if (r->dropped > 0)
        page_text(p, MSG_PLAN_DROPPED, UI_NUMBER(r->dropped));
    if (r->replaced > 0)
        page_text(p, MSG_PLAN_REPLACED, UI_NUMBER(r->replaced));
    if (r->few > 0)
        page_warn(p, MSG_PLAN_FEW_PLACES, UI_NUMBER(r->few));
    night_few_blocks(p, n->found, n->found_count);
    if (r->refused > 0)
        page_warn(p, MSG_PLAN_REFUSED, UI_NUMBER(r->refused));
}

void night_plan_blocks(struct page *p, const struct night *n)
{
    const struct plan *plan = n->w.p;
    char hex[2 * HASH_LEN + 1];
    face_election(p, n->s.el->m);
    hex_put(hex, plan->id.b, HASH_LEN);
    page_value(p, hex, MSG_PLAN_HASH);
    if (plan->has_supersedes) {
        hex_put(hex, plan->supersedes.b, 8);
        page_warn(p, MSG_PLAN_SUPERSEDES, hex);
    }
    page_head(p, MSG_PLAN_WHAT);
    page_text(p, MSG_PLAN_WHAT_TEXT, UI_NUMBER(n->s.el->m->minimum));
    put_levels(p, n);
    put_lineage(p, n);
    put_units(p, n);
}
