/* The ballot ids of all parts, in order: which are there more than once. */
#include <stdlib.h>
#include <string.h>

#include "tally/part_ids.h"
#include "tally/verify_merge.h"
#include "tally/verify_shard.h"

struct copies {
    struct verify *v;
    const struct verify_shares *shares;
    unsigned n; /* parts */
    struct part_ids *ids;
    unsigned *part_of; /* of each place; 0: it has no export here */
    uint32_t places;
    verify_copy_fn *fn;
    void *ctx;
    /* the id at hand */
    int has_id;
    hash_t id;
    int has_first, is_told; /* one that competes was there; it was told */
    uint32_t first;         /* its place */
    uint8_t in_chain[CHAINS_MAX];
    uint64_t first_at[CHAINS_MAX];
    struct verify_outcome twice[CHAINS_MAX];
};

static err_t foreign(const struct part_id *x, struct fault *f)
{
    return fault_set(f, ERR_MISMATCH, "the ballot ids of part %u are of other exports or shards than its own",
                     x->k);
}

/* The shard of ballot `at`; count if there are not as many. One without ballots has none of them. */
static size_t shard_with(const struct verify_chain_shards *s, uint64_t at)
{
    size_t low = 0, high = s->count;
    while (low < high) { /* the first that ends behind it */
        size_t mid = low + (high - low) / 2;
        if (s->first[mid + 1] <= at)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

/* Of ballot `at` of a chain, which must be in a shard of this part. */
static err_t take_of_chain(struct copies *c, const struct part_id *x, uint32_t chain, struct fault *f)
{
    uint64_t at = x->origin & PART_AT_MAX;
    if (chain >= c->v->m->chain_count)
        return foreign(x, f);
    size_t shard = shard_with(&c->shares->chain[chain], at);
    size_t share = verify_share_of_shard(c->shares, chain, shard);
    if (share == c->shares->count || verify_share_part(c->shares, share, c->n) != x->k)
        return foreign(x, f);
    if (c->in_chain[chain])
        verify_chain_twice(c->v, chain, &x->id, at, c->first_at[chain], &c->twice[chain]);
    else
        c->first_at[chain] = at;
    c->in_chain[chain] = 1;
    return OK;
}

static err_t take(struct copies *c, const struct part_id *x, struct fault *f)
{
    if (!c->has_id || hash_cmp(&c->id, &x->id) != 0) {
        c->has_id = 1;
        c->id = x->id;
        c->has_first = c->is_told = 0;
        memset(c->in_chain, 0, sizeof c->in_chain);
    }
    if (x->origin != 0) {
        uint32_t chain = (uint32_t)(x->origin >> PART_AT_BITS) - 1;
        TRY(take_of_chain(c, x, chain, f));
        if (!verify_chain_competes(c->v, chain, x->place))
            return OK;
    } else if (x->place >= c->places || c->part_of[x->place] != x->k) {
        return foreign(x, f);
    }
    if (!c->has_first) {
        c->has_first = 1;
        c->first = x->place;
        return OK;
    }
    if (!c->is_told)
        TRY(c->fn(c->ctx, &c->id, c->first));
    c->is_told = 1;
    return c->fn(c->ctx, &x->id, x->place);
}

static err_t take_all(struct copies *c, struct fault *f)
{
    struct part_id *next;
    for (;;) {
        TRY(part_ids_peek(c->ids, &next, f));
        if (next == NULL)
            return OK;
        TRY(take(c, next, f));
        TRY(part_ids_step(c->ids, f));
    }
}

static err_t open_ids(struct copies *c)
{
    struct verify *v = c->v;
    const struct verify_parts *p = v->opt->parts;
    struct verify_parts_entry x;
    c->shares = verify_merge_shares(v, &c->n);
    c->places = places_count(v->places);
    c->part_of = calloc((size_t)c->places + 1, sizeof *c->part_of);
    if (c->part_of == NULL)
        return ERR_MEMORY;
    for (size_t i = 0; i < c->shares->count; i++)
        if (c->shares->share[i].chain < 0)
            c->part_of[c->shares->share[i].place] = verify_share_part(c->shares, i, c->n);
    TRY(part_ids_new(&c->ids, &v->fault));
    for (size_t i = 0; i < verify_parts_count(p); i++) {
        verify_parts_entry(p, i, &x);
        if (x.is_used)
            TRY(part_ids_add(c->ids, x.path, &x.part->head, &v->fault));
    }
    return OK;
}

err_t verify_merge_ids(struct verify *v, verify_copy_fn *fn, void *ctx)
{
    struct copies *c = calloc(1, sizeof *c);
    err_t e;
    if (c == NULL)
        return ERR_MEMORY;
    c->v = v;
    c->fn = fn;
    c->ctx = ctx;
    GO(open_ids(c));
    e = take_all(c, &v->fault);
out:
    for (uint32_t i = 0; i < v->m->chain_count; i++) {
        verify_outcome_add(&v->rep->outcome[CHECK_C_IDS], &c->twice[i]);
        if (c->twice[i].failure_count == 0)
            verify_chain_unchecked(v, i, CHAIN_CHECK_IDS);
        free(c->twice[i].failure);
    }
    part_ids_free(c->ids);
    free(c->part_of);
    free(c);
    return e;
}
