/* Corrections of few ballots. A correction may exchange one voter's ballot for ballots that somebody knows:
 * the sums then differ by more than the minimum, the unknown ballot is alone in the difference all the same.
 * So not the numbers of ballots are compared, but the ballots, by id and leaf, which only those can who have
 * both exports. */
#include <stdlib.h>
#include <string.h>

#include "tally/aggregate_run.h"

/* --- finding them --- */

/* The fewest ballots of any contest, of those with some; 0: of none. */
static uint64_t fewest(const struct manifest *m, const uint64_t *by_style)
{
    uint64_t least = 0;
    for (uint32_t c = 0; c < m->contest_count; c++) {
        uint64_t sum = 0;
        for (size_t s = 0; s < m->style_count; s++)
            for (size_t i = 0; by_style[s] > 0 && i < m->style[s].contest_count; i++)
                sum += m->style[s].contest[i] == c ? by_style[s] : 0;
        if (sum > 0 && (least == 0 || sum < least))
            least = sum;
    }
    return least;
}

/* *least: ballots that only one of the two has; 0 if there are none, or not too few. */
static err_t compare(struct agg_run *run, uint64_t *least, const struct agg_export *a,
                     const struct agg_export *b, struct fault *f)
{
    const struct manifest *m = run->ctx->m;
    uint64_t *count = calloc(m->style_count + 1, sizeof *count);
    err_t e = count ? OK : fault_set(f, ERR_MEMORY, "comparing a correction");
    *least = 0;
    for (int side = 0; side < 2 && e == OK; side++) {
        memset(count, 0, m->style_count * sizeof *count);
        e = agg_changed(run->ix, count, m->style_count, side ? b->row : a->row, side ? a->row : b->row, f);
        uint64_t n = e == OK ? fewest(m, count) : 0;
        if (n > 0 && n < m->minimum && (*least == 0 || n < *least))
            *least = n;
    }
    free(count);
    return e;
}

static err_t add_few(struct agg_run *run, uint32_t place, struct fault *f)
{
    uint32_t *more = realloc(run->few, (run->result->few + 1) * sizeof *more);
    if (!more)
        return fault_set(f, ERR_MEMORY, "comparing corrections");
    run->few = more;
    run->few[run->result->few++] = place;
    return OK;
}

err_t agg_compare(struct agg_run *run, uint32_t place, const struct agg_export *older, size_t older_count,
                  const struct agg_export *newer, struct fault *f)
{
    uint64_t least = 0;
    if (run->ctx->m->kind == KIND_IMPORT) /* known counts */
        return OK;
    if (run->result->few > 0 && run->few[run->result->few - 1] == place)
        return OK;
    if (older_count > AGG_CHAIN_MAX)
        return add_few(run, place, f);
    for (size_t i = 0; i < older_count; i++) {
        TRY(compare(run, &least, &older[i], newer, f));
        if (least == 0)
            continue;
        struct aggregate_event ev = {.kind = AGGREGATE_FEW,
                                     .place = agg_place_id(run, place),
                                     .id = older[i].id,
                                     .other = newer->id,
                                     .items = least};
        TRY(add_few(run, place, f));
        return agg_tell(run, &ev);
    }
    return OK;
}

/* --- what was decrypted before --- */

struct watched {
    hash_t *hash;     /* by place: node hash now */
    uint8_t *watched; /* by place: one of the places, or around one */
    uint8_t *same;    /* by place: the older plan at hand names this hash */
};

static err_t hash_now(const struct agg_run *run, hash_t *out, uint32_t place, struct fault *f)
{
    struct node_provider nodes;
    uint8_t *data = NULL;
    size_t len;
    node_provider_dir(&nodes, run->records_dir);
    err_t e = nodes.get(nodes.ctx, run->ctx, place, &data, &len, f);
    if (e == OK)
        e = node_hash(out, data, len);
    free(data);
    return e;
}

static int64_t parent_of(const struct agg_run *run, uint32_t place)
{
    struct place p;
    places_get(run->ctx->places, place, &p);
    return p.parent;
}

static err_t watch(struct watched *w, const struct agg_run *run, struct fault *f)
{
    size_t n = places_count(run->ctx->places);
    w->hash = calloc(n, sizeof *w->hash);
    w->watched = calloc(n, 1);
    w->same = calloc(n, 1);
    if (!w->hash || !w->watched || !w->same)
        return fault_set(f, ERR_MEMORY, "comparing corrections");
    for (size_t i = 0; i < run->result->few; i++)
        for (int64_t at = run->few[i]; at >= 0 && !w->watched[at]; at = parent_of(run, (uint32_t)at)) {
            w->watched[at] = 1;
            TRY(hash_now(run, &w->hash[at], (uint32_t)at, f));
        }
    return OK;
}

/* A plan that names the record of the place, or of one around it, as it is now, was about the corrected
 * export. */
static err_t check_older(struct watched *w, const struct agg_run *run, const struct plan *older,
                         struct fault *f)
{
    memset(w->same, 0, places_count(run->ctx->places));
    for (size_t i = 0; older && i < older->unit_count; i++)
        for (size_t k = 0; k < older->unit[i].member_count; k++) {
            const struct plan_member *m = &older->unit[i].member[k];
            if (w->watched[m->place] && hash_cmp(&m->hash, &w->hash[m->place]) == 0)
                w->same[m->place] = 1;
        }
    for (size_t i = 0; i < run->result->few; i++) {
        int64_t at = run->few[i];
        while (at >= 0 && !w->same[at])
            at = parent_of(run, (uint32_t)at);
        if (at >= 0)
            continue;
        fault_set(f, ERR_MINIMUM,
                  "supersede-exchange: a correction takes away or adds fewer ballots than the minimum, "
                  "and an earlier plan may have been about the export that it replaces");
        return fault_who(f, ERR_MINIMUM, "%s", agg_place_id(run, run->few[i]));
    }
    return OK;
}

err_t agg_check_few(const struct agg_run *run, const struct plan *plan, const struct plan_set *older,
                    struct fault *f)
{
    struct watched w = {0};
    err_t e = OK;
    if (run->result->few == 0 || !plan->has_supersedes)
        return OK;
    GO(watch(&w, run, f));
    if (older == NULL || older->count == 0)
        GO(check_older(&w, run, NULL, f));
    for (size_t i = 0; older && i < older->count; i++)
        GO(check_older(&w, run, older->plan[i], f));
out:
    free(w.hash);
    free(w.watched);
    free(w.same);
    return e;
}
