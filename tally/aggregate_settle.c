/* Which exports count, and which copies of a ballot. Depends on the set of verified exports only: rows come
 * in order of place, revision, message id, name. */
#include <stdlib.h>
#include <string.h>

#include "ceremony/base/array.h"
#include "tally/aggregate_run.h"

#define SORT_MEMORY ((size_t)48 << 20)

struct candidate {
    struct agg_export x;
    char name[256];
};

struct settling {
    struct agg_run *run;
    /* the place at hand and what is taken of it */
    int have_place, have_taken;
    uint32_t place;
    struct candidate taken;
    size_t replaced, chain_count;
    struct agg_export chain[AGG_CHAIN_MAX]; /* what was taken before */
    /* exports of one revision of it, collected until the next one comes */
    size_t count, cap;
    struct candidate *candidate;
};

static err_t refuse(struct settling *s, const struct candidate *c, err_t e, const char *why)
{
    struct fault f = {0};
    fault_set(&f, e, "%s", why);
    fault_file(&f, e, c->name);
    fault_who(&f, e, "%s", agg_place_id(s->run, s->place));
    return agg_refuse(s->run, c->name, agg_place_id(s->run, s->place), &c->x.id, &f);
}

static int is_accepted(const struct agg_run *run, const hash_t *id)
{
    if (run->options->accept_corrections)
        return 1;
    for (size_t i = 0; i < run->options->correction_count; i++)
        if (hash_cmp(&run->options->correction[i], id) == 0)
            return 1;
    return 0;
}

static err_t correct(struct settling *s, const struct candidate *c, struct fault *f)
{
    if (!s->have_taken || s->taken.x.revision + 1 != c->x.revision || !c->x.has_replaces ||
        hash_cmp(&c->x.replaces, &s->taken.x.id) != 0)
        return refuse(s, c, ERR_MISSING,
                      "a correction, but the export that it replaces is not the one taken");
    if (!is_accepted(s->run, &c->x.id))
        return refuse(s, c, ERR_REFUSED, "a correction that nobody has accepted");
    if (s->replaced == NODE_REPLACED_MAX)
        return refuse(s, c, ERR_LIMIT, "too many corrections of one place");
    struct aggregate_event ev = {.kind = AGGREGATE_REPLACED,
                                 .file = c->name,
                                 .place = agg_place_id(s->run, s->place),
                                 .id = s->taken.x.id,
                                 .other = c->x.id,
                                 .items = c->x.items};
    TRY(agg_replaced(s->run->ix, s->place, s->replaced++, &s->taken.x.id, &c->x.id, f));
    if (s->chain_count < AGG_CHAIN_MAX)
        s->chain[s->chain_count] = s->taken.x;
    s->chain_count++;
    s->taken = *c;
    s->run->result->replaced++;
    TRY(agg_tell(s->run, &ev));
    return agg_compare(s->run, s->place, s->chain, s->chain_count, &s->taken.x, f);
}

static err_t end_revision(struct settling *s, struct fault *f)
{
    size_t n = s->count;
    int conflict = 0;
    s->count = 0;
    for (size_t i = 1; i < n; i++)
        conflict = conflict || hash_cmp(&s->candidate[i].x.id, &s->candidate[0].x.id) != 0;
    for (size_t i = 0; i < n; i++) {
        const struct candidate *c = &s->candidate[i];
        if (places_chain(s->run->ctx->places, s->place) >= 0)
            TRY(refuse(s, c, ERR_RULE,
                       "the ballots of this place come from a voting chain, not from a precinct"));
        else if (i && hash_cmp(&c->x.id, &c[-1].x.id) == 0)
            TRY(refuse(s, c, ERR_DUPLICATE, "a copy of an export that is here under another name"));
        else if (conflict)
            TRY(refuse(s, c, ERR_CONFLICT, "different exports of this place with the same revision"));
        else if (c->x.revision > 0)
            TRY(correct(s, c, f));
        else if (c->x.has_replaces)
            TRY(refuse(s, c, ERR_RULE, "a first export that claims to replace another"));
        else {
            s->taken = *c;
            s->have_taken = 1;
        }
    }
    return OK;
}

static err_t end_place(struct settling *s, struct fault *f)
{
    TRY(end_revision(s, f));
    if (s->have_taken)
        TRY(agg_take(s->run->ix, s->place, s->taken.x.row, s->taken.name, f));
    s->have_taken = 0;
    s->replaced = s->chain_count = 0;
    return OK;
}

static err_t next_export(void *ctx, const struct agg_export *x, const char *name, struct fault *f)
{
    struct settling *s = ctx;
    if (s->have_place && s->place != x->place)
        TRY(end_place(s, f));
    else if (s->count && s->candidate[0].x.revision != x->revision)
        TRY(end_revision(s, f));
    s->have_place = 1;
    s->place = x->place;
    if (array_room(&s->candidate, s->count + 1, &s->cap, sizeof *s->candidate, 4) != OK)
        return fault_set(f, ERR_MEMORY, "comparing exports");
    struct candidate *c = &s->candidate[s->count++];
    c->x = *x;
    size_t len = strlen(name);
    memcpy(c->name, name, len < sizeof c->name ? len + 1 : sizeof c->name);
    c->name[sizeof c->name - 1] = '\0';
    return OK;
}

/* --- ballot ids that are in more than one place --- */

struct copies {
    struct agg_run *run;
    struct id_sort *ids;
};

static err_t add_ballot(void *ctx, const hash_t *id, uint32_t place, int64_t row, struct fault *f)
{
    struct copies *c = ctx;
    return id_sort_add(c->ids, id, place, (uint64_t)row, f);
}

/* In order of id and place; no place has an id twice. */
static err_t settle_copy(void *ctx, const struct id_copy *copy, int first, struct fault *f)
{
    struct agg_run *run = ((struct copies *)ctx)->run;
    if (first && run->ctx->m->duplicates == DUPLICATE_FIRST)
        return OK;
    struct aggregate_event ev = {
        .kind = AGGREGATE_DROPPED, .place = agg_place_id(run, copy->source), .id = copy->id, .items = 1};
    if (copy->position & AGG_CHAIN_BALLOT)
        TRY(agg_chain_drop(run, &copy->id, copy->source, copy->position & ~AGG_CHAIN_BALLOT, f));
    else
        TRY(agg_drop(run->ix, (int64_t)copy->position, &copy->id, f));
    run->result->dropped++;
    return agg_tell(run, &ev);
}

static err_t settle_copies(struct agg_run *run, struct fault *f)
{
    struct copies c = {.run = run};
    err_t e = id_sort_new(&c.ids, SORT_MEMORY);
    if (e != OK)
        return fault_set(f, e, "comparing ballot ids");
    id_sort_observe(c.ids, run->options->metrics);
    GO(agg_each_ballot(run->ix, add_ballot, &c, f));
    GO(agg_chain_ids(run, c.ids, f));
    GO(id_sort_finish(c.ids, settle_copy, &c, f));
    GO(agg_chain_dropped(run, f));
out:
    id_sort_free(c.ids);
    return e;
}

err_t agg_settle(struct agg_run *run, struct fault *f)
{
    struct settling *s = calloc(1, sizeof *s);
    if (!s)
        return fault_set(f, ERR_MEMORY, "comparing exports");
    s->run = run;
    err_t e;
    GO(agg_each_present(run->ix, next_export, s, f));
    if (s->have_place)
        GO(end_place(s, f));
    GO(agg_chain_settle(run, f));
    GO(settle_copies(run, f));
out:
    free(s->candidate);
    free(s);
    return e;
}
