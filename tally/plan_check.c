/* Checking a plan against records (docs/spec/plan.md). It shares no code with plan_make.c on purpose. */
#include <stdlib.h>
#include <string.h>

#include "tally/plan.h"
#include "tally/plan_rules.h"

struct entry_of { /* a member of a unit, to be found by place and contest */
    uint32_t place, contest;
    uint32_t unit, member;
};

struct unit_state {
    uint64_t ballots; /* of the members seen so far */
    size_t seen;
    int wrong;                 /* do not report the sum of what has wrong parts */
    struct p256_jacobian *sum; /* A then B; only for more than one member */
};

struct check {
    const struct plan *p;
    const struct election_context *ctx;
    struct plan_reporter rep;
    size_t entry_count;
    struct entry_of *entry;
    struct unit_state *state;
    uint8_t *present;   /* by place */
    struct elgamal *ct; /* scratch, OPTIONS_MAX */
};

/* --- reporting --- */

err_t plan_rule_error(const char *rule)
{
    static const struct {
        const char *id;
        err_t err;
    } rules[] = {
#define X(id, err, sentence) {id, err},
        PLAN_RULES(X)
#undef X
    };
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (strcmp(rules[i].id, rule) == 0)
            return rules[i].err;
    return ERR_BUG;
}

void plan_violated(struct plan_reporter *r, const char *rule, const struct fault *f)
{
    if (r->first.err == OK)
        r->first = *f;
    if (r->report)
        r->report(r->ctx, rule, f);
}

void plan_unit_violated(struct plan_reporter *r, const struct election_context *ctx,
                        const struct plan_unit *u, const char *rule, const char *detail, uint64_t number)
{
    struct fault f = {0};
    const char *contest = ctx->m->contest[u->contest].id;
    fault_set(&f, plan_rule_error(rule), "%s: contest %s: %s (%llu)", rule, contest, detail,
              (unsigned long long)number);
    fault_who(&f, f.err, "%s", u->place);
    plan_violated(r, rule, &f);
}

static void bad(struct check *c, const struct plan_unit *u, const char *rule, const char *detail,
                uint64_t number)
{
    plan_unit_violated(&c->rep, c->ctx, u, rule, detail, number);
}

/* --- what needs no records --- */

static void check_order(struct check *c)
{
    for (size_t i = 0; i < c->p->unit_count; i++) {
        const struct plan_unit *u = &c->p->unit[i], *b = i ? u - 1 : NULL;
        for (size_t j = 1; j < u->member_count; j++)
            if (u->member[j].place <= u->member[j - 1].place) {
                bad(c, u, "plan-order", "members are not in order of rows, member", j);
                break;
            }
        if (!b)
            continue;
        int follows = u->level != b->level                       ? u->level > b->level
                      : u->member[0].place != b->member[0].place ? u->member[0].place > b->member[0].place
                                                                 : u->contest > b->contest;
        if (!follows)
            bad(c, u, "plan-order", "the unit does not follow the one before, number", i);
    }
}

static void check_shape(struct check *c)
{
    for (size_t i = 0; i < c->p->unit_count; i++) {
        const struct plan_unit *u = &c->p->unit[i];
        if (!(c->ctx->m->decrypt_levels >> u->level & 1))
            bad(c, u, "plan-level", "this level is not decrypted, level", u->level);
        if (u->ballots < c->ctx->m->minimum)
            bad(c, u, "plan-minimum", "ballots", u->ballots);
        for (size_t o = 0; o < u->option_count; o++)
            if (point_is_identity(&u->A[o])) {
                bad(c, u, "plan-identity", "the sum cannot be decrypted, option", o);
                break;
            }
        struct place first, p;
        places_get(c->ctx->places, u->member[0].place, &first);
        for (size_t j = 0; j < u->member_count; j++) {
            places_get(c->ctx->places, u->member[j].place, &p);
            if (p.level != u->level || p.parent != first.parent ||
                strcmp(p.group[0] ? p.group : p.id, u->place) != 0) {
                bad(c, u, "plan-members", "a member is not of this place or group, member", j);
                break;
            }
        }
    }
}

/* --- remainders --- */

static int entry_cmp(const void *x, const void *y)
{
    const struct entry_of *a = x, *b = y;
    if (a->place != b->place)
        return a->place < b->place ? -1 : 1;
    if (a->contest != b->contest)
        return a->contest < b->contest ? -1 : 1;
    if (a->unit != b->unit)
        return a->unit < b->unit ? -1 : 1;
    return (a->member > b->member) - (a->member < b->member);
}

/* The first of the place with this contest or a later one. */
static size_t first_entry(const struct check *c, uint32_t place, uint32_t contest)
{
    size_t low = 0, high = c->entry_count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        const struct entry_of *e = &c->entry[mid];
        if (e->place < place || (e->place == place && e->contest < contest))
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

/* The unit of this contest that contains the place, or -1. */
static int64_t unit_at(const struct check *c, uint32_t place, uint32_t contest)
{
    size_t i = first_entry(c, place, contest);
    if (i == c->entry_count || c->entry[i].place != place || c->entry[i].contest != contest)
        return -1;
    return c->entry[i].unit;
}

static err_t check_remainders(struct check *c)
{
    size_t n = c->p->unit_count;
    uint64_t *below = calloc(n ? n : 1, sizeof *below);
    if (!below)
        return ERR_MEMORY;
    for (size_t i = 0; i < n; i++) {
        const struct plan_unit *u = &c->p->unit[i];
        struct place p;
        places_get(c->ctx->places, u->member[0].place, &p);
        while (p.parent >= 0) {
            int64_t up = unit_at(c, (uint32_t)p.parent, u->contest);
            if (up >= 0) {
                below[up] += u->ballots; /* 2^22 units of 2^48 do not overflow by much: compared below */
                if (below[up] > (uint64_t)1 << 50)
                    below[up] = (uint64_t)1 << 50;
                break;
            }
            places_get(c->ctx->places, (uint32_t)p.parent, &p);
        }
    }
    for (size_t i = 0; i < n; i++) {
        const struct plan_unit *u = &c->p->unit[i];
        if (below[i] > u->ballots)
            bad(c, u, "plan-remainder", "its parts have more ballots than it has", below[i]);
        else if (u->ballots != below[i] && u->ballots - below[i] < c->ctx->m->minimum)
            bad(c, u, "plan-remainder", "ballots outside of the parts that are decrypted",
                u->ballots - below[i]);
    }
    free(below);
    return OK;
}

/* --- against the records --- */

static err_t compare_sum(struct check *c, uint32_t unit, const struct tally *t)
{
    const struct plan_unit *u = &c->p->unit[unit];
    TRY(tally_compress_var(c->ct, t));
    for (size_t o = 0; o < u->option_count; o++)
        if (!point_equal(&c->ct[o].A, &u->A[o]) || !point_equal(&c->ct[o].B, &u->B[o])) {
            bad(c, u, "plan-sum", "the sum is not that of the records, option", o);
            break;
        }
    return OK;
}

static err_t add_member(struct check *c, uint32_t unit, const struct tally *t)
{
    const struct plan_unit *u = &c->p->unit[unit];
    struct unit_state *s = &c->state[unit];
    size_t n = u->option_count;
    if (!s->sum) {
        s->sum = calloc(2 * n, sizeof *s->sum); /* z = 0: the identity */
        if (!s->sum)
            return ERR_MEMORY;
    }
    for (size_t o = 0; t && o < n; o++) {
        p256_add_var(&s->sum[o], &s->sum[o], &t->A[o]);
        p256_add_var(&s->sum[n + o], &s->sum[n + o], &t->B[o]);
    }
    s->ballots += t ? t->ballots : 0;
    if (++s->seen < u->member_count)
        return OK;
    struct tally whole = {u->contest, s->ballots, n, s->sum, s->sum + n};
    if (s->ballots != u->ballots)
        bad(c, u, "plan-ballots", "the records have another number of ballots", s->ballots);
    err_t e = s->wrong ? OK : compare_sum(c, unit, &whole);
    free(s->sum);
    s->sum = NULL;
    return e;
}

static err_t visit(void *ctx, const struct node *n, const hash_t *hash, struct fault *f)
{
    struct check *c = ctx;
    (void)f;
    c->present[n->place] = node_present(c->ctx, n) ? 1 : 0;
    for (size_t i = first_entry(c, n->place, 0); i < c->entry_count && c->entry[i].place == n->place; i++) {
        uint32_t unit = c->entry[i].unit;
        const struct plan_unit *u = &c->p->unit[unit];
        if (hash_cmp(&u->member[c->entry[i].member].hash, hash) != 0) {
            bad(c, u, "plan-hash", "the record is another one, member", c->entry[i].member);
            c->state[unit].wrong = 1;
        }
        TRY(add_member(c, unit, tallies_find(n->tallies, u->contest)));
    }
    return OK;
}

static void wrong_record(void *ctx, uint32_t place, const struct fault *f)
{
    struct check *c = ctx;
    (void)place;
    plan_violated(&c->rep, "plan-records", f);
}

/* Groups are whole, and nothing missing is a member. Places by which a unit is made were checked by
 * check_shape. */
static void check_complete(struct check *c)
{
    for (size_t i = 0; i < c->p->unit_count; i++) {
        const struct plan_unit *u = &c->p->unit[i];
        struct place p;
        size_t there = 0;
        for (size_t j = 0; j < u->member_count; j++)
            there += c->present[u->member[j].place];
        if (there != u->member_count) {
            bad(c, u, "plan-members", "a member is missing from the records; members there", there);
            continue;
        }
        places_get(c->ctx->places, u->member[0].place, &p);
        if (!p.group[0])
            continue;
        const char *group = p.group;
        size_t all = 0;
        for (int64_t s = places_first_child(c->ctx->places, (uint32_t)p.parent); s >= 0;
             s = places_next_sibling(c->ctx->places, (uint32_t)s)) {
            places_get(c->ctx->places, (uint32_t)s, &p);
            all += c->present[s] && strcmp(p.group, group) == 0;
        }
        if (all != u->member_count)
            bad(c, u, "plan-members", "not all places of the group are in it; the group has", all);
    }
}

static err_t check_records(struct check *c, const struct node_provider *nodes, struct fault *f)
{
    struct node_visitor v = {.ctx = c, .visit = visit, .wrong = wrong_record};
    hash_t root;
    err_t e = node_walk(&root, c->ctx, nodes, &v, f);
    enum err_class k = err_class(e);
    if (k == CLASS_SYSTEM || k == CLASS_BUG)
        return e;
    if (e != OK && c->rep.first.err == OK) /* whatever it was: not checked is not good */
        plan_violated(&c->rep, "plan-records", f ? f : &(struct fault){.err = e});
    if (e == OK && hash_cmp(&root, &c->p->root) != 0) {
        struct fault g = {0};
        fault_set(&g, plan_rule_error("plan-root"), "plan-root: the plan was made from other records");
        plan_violated(&c->rep, "plan-root", &g);
    }
    if (e == OK)
        check_complete(c);
    return OK;
}

/* --- the whole --- */

static err_t index_members(struct check *c)
{
    size_t total = 0, at = 0;
    for (size_t i = 0; i < c->p->unit_count; i++)
        total += c->p->unit[i].member_count;
    c->entry = malloc((total ? total : 1) * sizeof *c->entry);
    c->state = calloc(c->p->unit_count ? c->p->unit_count : 1, sizeof *c->state);
    c->present = calloc(places_count(c->ctx->places) + (size_t)1, 1);
    c->ct = malloc(OPTIONS_MAX * sizeof *c->ct);
    if (!c->entry || !c->state || !c->present || !c->ct)
        return ERR_MEMORY;
    for (uint32_t i = 0; i < c->p->unit_count; i++)
        for (uint32_t j = 0; j < c->p->unit[i].member_count; j++)
            c->entry[at++] = (struct entry_of){c->p->unit[i].member[j].place, c->p->unit[i].contest, i, j};
    c->entry_count = total;
    qsort(c->entry, total, sizeof *c->entry, entry_cmp);
    return OK;
}

err_t plan_check(const struct plan *p, const struct election_context *ctx, const struct node_provider *nodes,
                 plan_report_fn *report, void *report_ctx, struct fault *f)
{
    struct check c = {.p = p, .ctx = ctx, .rep = {report, report_ctx, {0}}};
    err_t e;

    if (f)
        fault_clear(f);
    GO(index_members(&c));
    check_order(&c);
    check_shape(&c);
    GO(check_remainders(&c));
    GO(check_records(&c, nodes, f));
    e = c.rep.first.err;
    if (e != OK && f)
        *f = c.rep.first;
out:
    for (size_t i = 0; c.state && i < p->unit_count; i++)
        free(c.state[i].sum);
    free(c.entry);
    free(c.state);
    free(c.present);
    free(c.ct);
    if (e != OK && f && f->err == OK)
        fault_set(f, e, "checking the plan");
    return e;
}
