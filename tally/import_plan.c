#include "tally/import_plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "ceremony/names.h"

#define NATION_TITLE "United States"

/* --- rows --- */

static int same(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

static int same_county(const struct medsl_place *a, const struct medsl_place *b)
{
    return same(a->state, b->state) && same(a->state_name, b->state_name) && same(a->county, b->county) &&
           same(a->county_fips, b->county_fips);
}

static uint32_t add_node(struct import_plan *p, uint32_t level, uint32_t parent, uint32_t place)
{
    p->node[p->node_count] = (struct import_node){level, parent, place, 0};
    p->level_nodes[level]++;
    return (uint32_t)p->node_count++;
}

/* Places are sorted, so each state and county is one stretch. */
static err_t make_nodes(struct import_plan *p)
{
    const struct medsl *t = p->t;
    uint32_t state = 0, county = 0;
    p->node = calloc(3 * t->place_count + 1, sizeof *p->node);
    if (p->node == NULL)
        return ERR_MEMORY;
    add_node(p, IMPORT_NATION, 0, 0);
    for (uint32_t i = 0; i < t->place_count; i++) {
        const struct medsl_place *a = &t->place[i], *before = i > 0 ? a - 1 : NULL;
        int new_state = before == NULL || !same(a->state, before->state);
        if (new_state)
            state = add_node(p, IMPORT_STATE, 0, i);
        if (new_state || !same_county(a, before))
            county = add_node(p, IMPORT_COUNTY, state, i);
        add_node(p, IMPORT_PRECINCT, county, i);
    }
    return OK;
}

/* --- identifiers --- */

static int has_jurisdiction(const struct medsl_place *a)
{
    return a->jurisdiction[0] != '\0' && !same(a->jurisdiction, a->county);
}

static void node_key(const void *ctx, size_t i, char key[SLUG_KEY_MAX])
{
    const struct import_plan *p = ctx;
    const struct import_node *n = &p->node[i];
    const struct medsl_place *a = &p->t->place[n->place];
    const char s = SLUG_BETWEEN, h = SLUG_HIDDEN;
    if (n->level == IMPORT_NATION)
        snprintf(key, SLUG_KEY_MAX, "us%cnation", h);
    else if (n->level == IMPORT_STATE)
        snprintf(key, SLUG_KEY_MAX, "%s%cstate", a->state, h);
    else if (n->level == IMPORT_COUNTY)
        snprintf(key, SLUG_KEY_MAX, "%s%c%s%ccounty%c%s%c%s", a->state, s, a->county, h, s, a->county_fips, s,
                 a->state_name);
    else
        snprintf(key, SLUG_KEY_MAX, "%s%c%s%c%s%c%s%cprecinct%c%s%c%s%c%s%c%s", a->state, s, a->county, s,
                 has_jurisdiction(a) ? a->jurisdiction : "", s, a->precinct, h, s, a->state_name, s,
                 a->county_fips, s, a->jurisdiction, s, a->jurisdiction_fips);
}

/* The stage is said unless it is the general election. */
static const char *other_stage(const struct medsl_contest *c)
{
    return strcasecmp(c->stage, "GEN") == 0 ? "" : c->stage;
}

static void contest_key(const void *ctx, size_t i, char key[SLUG_KEY_MAX])
{
    const struct import_plan *p = ctx;
    const struct medsl_contest *c = &p->t->contest[i];
    const char s = SLUG_BETWEEN, h = SLUG_HIDDEN;
    int many = p->level_nodes[IMPORT_STATE] > 1;
    snprintf(key, SLUG_KEY_MAX, "%s%c%s%c%s%c%s%c%s%c%s%ccontest%c%s%c%s%c%s", many ? c->state : "", s,
             c->county, s, c->office, s, c->district, s, c->special ? "special" : "", s, other_stage(c), h, s,
             c->state, s, c->county_fips, s, c->stage);
}

struct option_range {
    const struct import_plan *p;
    size_t first;
};

static void option_key(const void *ctx, size_t i, char key[SLUG_KEY_MAX])
{
    const struct option_range *r = ctx;
    const struct medsl_option *o = &r->p->t->option[r->first + i];
    const char s = SLUG_BETWEEN;
    snprintf(key, SLUG_KEY_MAX, "%s%c%s%c%s", o->candidate, s, o->party, s, o->write_in ? "write-in" : "");
}

static err_t make_ids(struct import_plan *p)
{
    const struct medsl *t = p->t;
    p->node_id = calloc(p->node_count, sizeof *p->node_id);
    p->contest_id = calloc(t->contest_count, sizeof *p->contest_id);
    p->option_id = calloc(t->option_count, sizeof *p->option_id);
    if (p->node_id == NULL || p->contest_id == NULL || p->option_id == NULL)
        return ERR_MEMORY;
    TRY(slug_make(p->node_id, p->node_count, node_key, p));
    TRY(slug_make(p->contest_id, t->contest_count, contest_key, p));
    for (size_t i = 0; i < t->contest_count; i++) {
        struct option_range r = {p, t->contest[i].first_option};
        TRY(slug_make(p->option_id + r.first, t->contest[i].option_count, option_key, &r));
    }
    return OK;
}

/* --- titles --- */

/* Appends; what is over the limit is cut between characters. */
static void add(char *out, const char *text)
{
    size_t used = strlen(out), len = strlen(text), room = TEXT_TITLE_MAX - used;
    if (len > room) {
        len = room;
        while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80)
            len--;
    }
    memcpy(out + used, text, len);
    out[used + len] = '\0';
}

static void add3(char *out, const char *before, const char *text, const char *after)
{
    if (text[0] == '\0')
        return;
    add(out, before);
    add(out, text);
    add(out, after);
}

void import_node_title(char out[TEXT_TITLE_MAX + 1], const struct import_plan *p, size_t node)
{
    const struct import_node *n = &p->node[node];
    const struct medsl_place *a = &p->t->place[n->place];
    out[0] = '\0';
    if (n->level == IMPORT_NATION)
        add(out, NATION_TITLE);
    else if (n->level == IMPORT_STATE)
        add(out, a->state_name);
    else if (n->level == IMPORT_COUNTY)
        add(out, a->county);
    else {
        add3(out, "", has_jurisdiction(a) ? a->jurisdiction : "", ": ");
        add(out, a->precinct);
    }
}

void import_contest_title(char out[TEXT_TITLE_MAX + 1], const struct import_plan *p, size_t contest)
{
    const struct medsl_contest *c = &p->t->contest[contest];
    out[0] = '\0';
    add(out, c->office);
    add3(out, ", ", c->district, "");
    add3(out, ", ", c->county, "");
    add3(out, ", ", p->level_nodes[IMPORT_STATE] > 1 ? c->state : "", "");
    add3(out, " (", other_stage(c), ")");
    add(out, c->special ? " (special)" : "");
}

void import_option_title(char out[TEXT_TITLE_MAX + 1], const struct import_plan *p, size_t option)
{
    const struct medsl_option *o = &p->t->option[option];
    out[0] = '\0';
    add(out, o->candidate);
    add3(out, " (", o->party, ")");
}

/* --- styles --- */

/* Contests of a place, ascending. Cells are sorted by option and options by contest. */
static size_t place_contests(uint32_t *out, const struct medsl *t, uint32_t place)
{
    size_t n = 0;
    for (uint32_t i = t->place_cell[place]; i < t->place_cell[place + 1]; i++) {
        uint32_t contest = t->option[t->cell[i].option].contest;
        if (n == 0 || out[n - 1] != contest)
            out[n++] = contest;
    }
    return n;
}

static err_t add_style(struct import_plan *p, size_t *cap, const uint32_t *contest, size_t count)
{
    if (p->style_count == *cap) {
        size_t more = *cap * 2 + 64;
        struct style *grown = realloc(p->style, more * sizeof *grown);
        if (grown == NULL)
            return ERR_MEMORY;
        p->style = grown;
        *cap = more;
    }
    struct style *s = &p->style[p->style_count];
    memset(s, 0, sizeof *s);
    snprintf(s->id, sizeof s->id, "style-%zu", p->style_count + 1);
    s->contest = calloc(count, sizeof *s->contest);
    if (s->contest == NULL)
        return ERR_MEMORY;
    memcpy(s->contest, contest, count * sizeof *contest);
    s->contest_count = count;
    p->style_count++;
    return OK;
}

static err_t make_styles(struct import_plan *p)
{
    struct names *seen = NULL;
    size_t cap = 0;
    err_t e = ERR_MEMORY;
    uint32_t *contest = calloc(p->t->contest_count, sizeof *contest);
    if (contest == NULL || names_new(&seen) != OK)
        goto out;
    e = OK;
    for (size_t i = 0; i < p->node_count; i++) {
        struct import_node *n = &p->node[i];
        int added;
        if (n->level != IMPORT_PRECINCT)
            continue;
        size_t count = place_contests(contest, p->t, n->place);
        GO(names_add(seen, &n->style, &added, (const char *)contest, count * sizeof *contest));
        if (added)
            GO(add_style(p, &cap, contest, count));
    }
out:
    names_free(seen);
    free(contest);
    return e;
}

/* --- the whole --- */

err_t import_plan_make(struct import_plan **out, const char *csv_path, const struct medsl_rules *rules,
                       struct fault *f)
{
    *out = NULL;
    struct import_plan *p = calloc(1, sizeof *p);
    if (p == NULL)
        return fault_set(f, ERR_MEMORY, "import");
    err_t e = medsl_read(&p->t, csv_path, rules, f);
    if (e != OK) {
        import_plan_free(p);
        return e;
    }
    GO(make_nodes(p));
    GO(make_ids(p));
    GO(make_styles(p));
    for (size_t i = 0; i < p->t->cell_count; i++)
        if (p->t->cell[i].votes > p->largest)
            p->largest = p->t->cell[i].votes;
    p->bits = 1;
    while (p->largest >> p->bits != 0)
        p->bits++;
    *out = p;
    return OK;
out:
    import_plan_free(p);
    return fault_set(f, e, "making identifiers and styles");
}

void import_plan_free(struct import_plan *p)
{
    if (p == NULL)
        return;
    for (size_t i = 0; i < p->style_count; i++)
        free(p->style[i].contest);
    free(p->style);
    free(p->node);
    free(p->node_id);
    free(p->contest_id);
    free(p->option_id);
    medsl_free(p->t);
    free(p);
}
