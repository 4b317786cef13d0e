/* The rules between two plans (docs/spec/plan.md, "Superseding").
 *
 * Units of both plans are merged by (place or group, contest). A merged unit has an old side, a new side or
 * both, and the merged unit around it. */
#include <stdlib.h>
#include <string.h>

#include "tally/plan.h"
#include "tally/plan_rules.h"

enum { OLDER, NEWER };

struct merged {
    uint32_t leader; /* the place, or the first place of the group */
    uint32_t contest;
    const struct plan_unit *side[2];
    int64_t parent;    /* index; -1 */
    int64_t around[2]; /* nearest one around it that is in this plan; -1 */
    uint64_t rest[2];  /* ballots without those of its parts, by plan */
};

struct pair {
    const struct election_context *ctx;
    struct plan_reporter rep;
    uint32_t *leader; /* by place, UINT32_MAX until asked for */
    size_t count;
    struct merged *merged;
};

static uint32_t leader_of(struct pair *k, uint32_t place)
{
    if (k->leader[place] != UINT32_MAX)
        return k->leader[place];
    struct place p, s;
    places_get(k->ctx->places, place, &p);
    uint32_t first = place;
    if (p.group[0])
        for (int64_t i = places_first_child(k->ctx->places, (uint32_t)p.parent); i >= 0 && i < (int64_t)place;
             i = places_next_sibling(k->ctx->places, (uint32_t)i)) {
            places_get(k->ctx->places, (uint32_t)i, &s);
            if (strcmp(s.group, p.group) == 0) {
                first = (uint32_t)i;
                break;
            }
        }
    k->leader[place] = first;
    return first;
}

static int merged_cmp(const void *x, const void *y)
{
    const struct merged *a = x, *b = y;
    if (a->leader != b->leader)
        return a->leader < b->leader ? -1 : 1;
    return (a->contest > b->contest) - (a->contest < b->contest);
}

static int64_t find(const struct pair *k, uint32_t leader, uint32_t contest)
{
    struct merged key = {.leader = leader, .contest = contest};
    const struct merged *m = bsearch(&key, k->merged, k->count, sizeof key, merged_cmp);
    return m ? m - k->merged : -1;
}

/* Rows put parents before children, a group's first place is a sibling of the others: leaders are sorted,
 * so that whatever is around a unit comes before it. */
static err_t merge(struct pair *k, const struct plan *const plan[2])
{
    size_t total = plan[0]->unit_count + plan[1]->unit_count, at = 0;
    k->merged = calloc(total ? total : 1, sizeof *k->merged);
    if (!k->merged)
        return ERR_MEMORY;
    for (int s = 0; s < 2; s++)
        for (size_t i = 0; i < plan[s]->unit_count; i++) {
            const struct plan_unit *u = &plan[s]->unit[i];
            k->merged[at].leader = leader_of(k, u->member[0].place);
            k->merged[at].contest = u->contest;
            k->merged[at++].side[s] = u;
        }
    qsort(k->merged, total, sizeof *k->merged, merged_cmp);
    for (size_t i = 0; i < total; i++) {
        struct merged *last = k->count ? &k->merged[k->count - 1] : NULL, now = k->merged[i];
        if (last && merged_cmp(last, &now) == 0) {
            for (int s = 0; s < 2; s++)
                if (now.side[s]) {
                    if (last->side[s])
                        return ERR_DUPLICATE; /* a plan that names a unit twice */
                    last->side[s] = now.side[s];
                }
            continue;
        }
        k->merged[k->count++] = now;
    }
    return OK;
}

static int in_both(const struct merged *m)
{
    return m->side[OLDER] && m->side[NEWER];
}

static int64_t change_of(const struct merged *m)
{
    return (int64_t)m->side[NEWER]->ballots - (int64_t)m->side[OLDER]->ballots;
}

static void link_units(struct pair *k)
{
    for (size_t i = 0; i < k->count; i++) {
        struct merged *m = &k->merged[i];
        struct place p;
        places_get(k->ctx->places, m->leader, &p);
        m->parent = -1;
        while (p.parent >= 0 && m->parent < 0) {
            uint32_t up = (uint32_t)p.parent;
            m->parent = find(k, leader_of(k, up), m->contest);
            places_get(k->ctx->places, up, &p);
        }
        const struct merged *up = m->parent >= 0 ? &k->merged[m->parent] : NULL;
        for (int s = 0; s < 2; s++) {
            m->around[s] = !up ? -1 : up->side[s] ? m->parent : up->around[s];
            m->rest[s] = m->side[s] ? m->side[s]->ballots : 0;
        }
    }
    for (size_t i = 0; i < k->count; i++) {
        const struct merged *m = &k->merged[i];
        for (int s = 0; s < 2; s++)
            if (m->side[s] && m->around[s] >= 0) { /* each plan kept plan-remainder: not negative */
                uint64_t *rest = &k->merged[m->around[s]].rest[s];
                *rest -= *rest > m->side[s]->ballots ? m->side[s]->ballots : *rest;
            }
    }
}

static int same_sums(const struct plan_unit *a, const struct plan_unit *b)
{
    return a->option_count == b->option_count && memcmp(a->A, b->A, a->option_count * sizeof *a->A) == 0 &&
           memcmp(a->B, b->B, a->option_count * sizeof *a->B) == 0;
}

static uint64_t absolute(int64_t v)
{
    return v < 0 ? (uint64_t)-v : (uint64_t)v;
}

static void check_change(struct pair *k)
{
    uint64_t min = k->ctx->m->minimum;
    for (size_t i = 0; i < k->count; i++) {
        const struct merged *m = &k->merged[i];
        if (!in_both(m))
            continue;
        uint64_t d = absolute(change_of(m));
        if (d == 0 && !same_sums(m->side[OLDER], m->side[NEWER]))
            plan_unit_violated(&k->rep, k->ctx, m->side[NEWER], "supersede-change",
                               "other ballots, but as many; nobody can say how few changed", 0);
        else if (d > 0 && d < min)
            plan_unit_violated(&k->rep, k->ctx, m->side[NEWER], "supersede-change", "ballots more or fewer",
                               d);
    }
}

/* r += or -= the change of the sums of m: all A, then all B. */
static err_t add_change(struct p256_jacobian *r, const struct merged *m, int subtract)
{
    size_t n = m->side[NEWER]->option_count;
    for (int s = 0; s < 2; s++)
        for (size_t o = 0; o < 2 * n; o++) {
            const struct plan_unit *u = m->side[s];
            struct p256_affine a;
            TRY(p256_decompress_sum_var(&a, o < n ? &u->A[o] : &u->B[o - n]));
            if ((s == OLDER) != subtract)
                p256_neg(&a, &a);
            p256_add_affine_var(&r[o], &r[o], &a);
        }
    return OK;
}

/* sums[i] (NULL where nothing changed) collects the change of the rest of i, where the rest has as many
 * ballots as before: were they the same ones? */
static err_t changed_sums(struct pair *k, struct p256_jacobian **sums, size_t into, const struct merged *m,
                          int subtract)
{
    const struct merged *i = &k->merged[into];
    if (i->rest[OLDER] != i->rest[NEWER] || i->rest[OLDER] == 0 || same_sums(m->side[OLDER], m->side[NEWER]))
        return OK;
    if (!sums[into])
        sums[into] = calloc(2 * m->side[NEWER]->option_count, sizeof **sums);
    return sums[into] ? add_change(sums[into], m, subtract) : ERR_MEMORY;
}

static void check_rest(struct pair *k, const struct merged *m, const struct p256_jacobian *sums)
{
    uint64_t d = absolute((int64_t)m->rest[NEWER] - (int64_t)m->rest[OLDER]);
    if (d > 0 && d < k->ctx->m->minimum)
        plan_unit_violated(&k->rep, k->ctx, m->side[NEWER], "supersede-remainder",
                           "ballots more or fewer outside of its parts", d);
    for (size_t o = 0; sums && o < 2 * m->side[NEWER]->option_count; o++)
        if (!p256_is_zero_var(&sums[o])) {
            plan_unit_violated(&k->rep, k->ctx, m->side[NEWER], "supersede-remainder",
                               "other ballots outside of its parts, but as many", 0);
            return;
        }
}

static err_t check_remainder(struct pair *k)
{
    struct p256_jacobian **sums = calloc(k->count ? k->count : 1, sizeof *sums);
    err_t e = sums ? OK : ERR_MEMORY;
    for (size_t i = 0; i < k->count && e == OK; i++) {
        const struct merged *m = &k->merged[i];
        if (!in_both(m))
            continue;
        e = changed_sums(k, sums, i, m, 0);
        /* parts that only one plan has are supersede-mixed, if the rest has ballots */
        if (e == OK && m->around[OLDER] >= 0 && m->around[OLDER] == m->around[NEWER])
            e = changed_sums(k, sums, (size_t)m->around[OLDER], m, 1);
    }
    for (size_t i = 0; i < k->count && e == OK; i++)
        if (in_both(&k->merged[i]))
            check_rest(k, &k->merged[i], sums[i]);
    for (size_t i = 0; sums && i < k->count; i++)
        free(sums[i]);
    free(sums);
    return e;
}

/* What only one plan shows must be outside of everything that the other one shows, but for rests without
 * ballots. */
static void check_mixed(struct pair *k)
{
    for (size_t i = 0; i < k->count; i++) {
        const struct merged *m = &k->merged[i];
        for (int t = 0; t < 2; t++)
            if (!m->side[t] && m->around[t] >= 0 && k->merged[m->around[t]].rest[t] > 0)
                plan_unit_violated(&k->rep, k->ctx, m->side[1 - t], "supersede-mixed",
                                   t == OLDER ? "only the new plan shows it, inside of an old rest of"
                                              : "only the old plan shows it, inside of a new rest of",
                                   k->merged[m->around[t]].rest[t]);
    }
}

static void check_hash(struct plan_reporter *rep, const struct plan *newer)
{
    struct fault f = {0};
    fault_set(&f, plan_rule_error("supersede-hash"), "supersede-hash: the new plan names %s",
              newer->has_supersedes ? "another plan" : "none that it supersedes");
    plan_violated(rep, "supersede-hash", &f);
}

/* Every rule but the hash. */
static err_t check_pair(const struct plan *older, const struct plan *newer,
                        const struct election_context *ctx, struct plan_reporter *rep)
{
    struct pair k = {.ctx = ctx, .rep = *rep};
    const struct plan *plan[2] = {older, newer};
    size_t n = places_count(ctx->places);
    err_t e = OK;

    k.leader = malloc((n ? n : 1) * sizeof *k.leader);
    if (!k.leader) {
        e = ERR_MEMORY;
        goto out;
    }
    memset(k.leader, 0xff, n * sizeof *k.leader);
    GO(merge(&k, plan));
    link_units(&k);
    check_change(&k);
    GO(check_remainder(&k));
    check_mixed(&k);
    *rep = k.rep;
out:
    free(k.leader);
    free(k.merged);
    return e;
}

/* The plan of this hash among the older ones, or NULL. */
static const struct plan *find_plan(struct plan *const *older, size_t count, const hash_t *id)
{
    for (size_t i = 0; i < count; i++)
        if (hash_cmp(&older[i]->id, id) == 0)
            return older[i];
    return NULL;
}

/* Whoever signs a plan may have decrypted any of those before it, back to the first. */
static err_t check_chain(struct plan *const *older, size_t count, const struct plan *newer, struct fault *f)
{
    const struct plan *at = newer;
    for (size_t steps = 0; at->has_supersedes && steps <= count; steps++) {
        const struct plan *before = find_plan(older, count, &at->supersedes);
        char hex[2 * HASH_LEN + 1];
        if (before == NULL) {
            hex_put(hex, at->supersedes.b, HASH_LEN);
            return fault_set(f, ERR_MISSING, "plan %.16s, which %s supersedes, is not here", hex,
                             at == newer ? "this plan" : "an earlier one");
        }
        at = before;
    }
    return OK;
}

err_t plan_supersede_all(struct plan *const *older, size_t count, const struct plan *newer,
                         const struct election_context *ctx, plan_report_fn *report, void *report_ctx,
                         struct fault *f)
{
    struct plan_reporter rep = {report, report_ctx, {0}};
    err_t e = OK;

    if (f)
        fault_clear(f);
    if (count > 0 && (!newer->has_supersedes || find_plan(older, count, &newer->supersedes) == NULL))
        check_hash(&rep, newer);
    else
        TRY(check_chain(older, count, newer, f));
    for (size_t i = 0; i < count; i++)
        GO(check_pair(older[i], newer, ctx, &rep));
    e = rep.first.err;
    if (e != OK && f)
        *f = rep.first;
out:
    if (e != OK && f && f->err == OK)
        fault_set(f, e, "comparing two plans");
    return e;
}
