/* Taking ballots into the unfinished block. */
#include <stdlib.h>
#include <string.h>

#include "tally/chain_node_parts.h"
#include "tally/chain_segment.h"

/* --- pending --- */

static size_t slot_of(const struct chain_node *n, const hash_t *id)
{
    uint64_t h;
    crypto_shorthash((uint8_t *)&h, id->b, HASH_LEN, n->key);
    size_t at = (size_t)h & (n->slots - 1);
    while (n->slot[at] != 0 && hash_cmp(&n->pending[n->slot[at] - 1].id, id) != 0)
        at = (at + 1) & (n->slots - 1);
    return at;
}

/* The pending ballot of an id, or NULL. */
static struct pending *pending_of(const struct chain_node *n, const hash_t *id)
{
    uint32_t v = n->slot[slot_of(n, id)];
    return v == 0 ? NULL : &n->pending[v - 1];
}

void node_pending_clear(struct chain_node *n)
{
    for (size_t i = 0; i < n->count; i++)
        free(n->pending[i].data);
    n->count = 0;
    if (n->slot)
        memset(n->slot, 0, n->slots * sizeof *n->slot);
}

static err_t find_in(struct chain_seen *seen, struct mmr *ballots, const hash_t *id, hash_t *leaf, int *found,
                     struct fault *f)
{
    uint64_t index;
    TRY(chain_seen_find(seen, id, &index, f));
    if (index == CHAIN_SEEN_NONE)
        return OK;
    *found = 1;
    return mmr_leaf(ballots, leaf, index, f);
}

err_t node_find(struct chain_node *n, const hash_t *id, hash_t *leaf, int *found, struct fault *f)
{
    const struct pending *p = pending_of(n, id);
    *found = p != NULL;
    if (p) {
        *leaf = p->leaf;
        return OK;
    }
    TRY(find_in(n->seen, n->ballots, id, leaf, found, f));
    for (size_t i = 0; i < n->above_count && !*found; i++)
        TRY(find_in(n->above[i].seen, n->above[i].ballots, id, leaf, found, f));
    return OK;
}

err_t node_keep(struct chain_node *n, size_t i)
{
    const struct ballot_item *it = ballot_batch_item(n->batch, i);
    struct pending *p = &n->pending[n->count];
    size_t points;
    const struct p256_affine *point = ballot_batch_affine(n->batch, i, &points);
    if (n->count == n->d->settings.block)
        return ERR_BUG;
    size_t hints = n->d->settings.hints ? 32 * points : 0;
    p->data = malloc(it->len + hints);
    if (!p->data)
        return ERR_MEMORY;
    memcpy(p->data, ballot_batch_bytes(n->batch, i), it->len);
    if (hints > 0)
        chain_hints_of(p->data + it->len, point, points);
    p->id = it->id;
    p->leaf = it->leaf;
    p->len = it->len;
    p->hints_len = hints;
    /* No row: the place was looked at before. */
    struct tallies *t = chain_sums_row(n->sums, &n->d->ctx, it->place, 1);
    err_t e = t ? ballot_batch_sum(n->batch, i, i + 1, t) : ERR_BUG;
    if (e != OK) {
        free(p->data);
        return e;
    }
    if (n->count == 0)
        n->since = metrics_now();
    n->slot[slot_of(n, &p->id)] = (uint32_t)n->count + 1;
    n->count++;
    return OK;
}

/* --- offers --- */

static int is_about_ballot(err_t e)
{
    return err_class(e) == CLASS_INPUT || err_class(e) == CLASS_CRYPTO || err_class(e) == CLASS_RULE;
}

static void refuse(struct chain_node *n, struct chain_offer *o, err_t e)
{
    o->err = e;
    metrics_refused(n->metrics, METRIC_CHAIN_REFUSED, e, 1);
}

/* An id that is there already: the same ballot, or another one. */
static void known(struct chain_node *n, struct chain_offer *o, const hash_t *have, const hash_t *leaf)
{
    if (hash_cmp(have, leaf) != 0) {
        refuse(n, o, ERR_DUPLICATE);
        return;
    }
    o->again = 1;
    metrics_add(n->metrics, METRIC_CHAIN_AGAIN, 1);
}

/* Before any proof: what is here already costs no arithmetic. */
static err_t look_up(struct chain_node *n, struct chain_offer *o, int *is_new, struct fault *f)
{
    hash_t have, leaf;
    int found;
    *is_new = 0;
    TRY(node_find(n, &o->id, &have, &found, f));
    if (!found) {
        *is_new = 1;
        return OK;
    }
    merkle_leaf(&leaf, o->data, o->len);
    known(n, o, &have, &leaf);
    return OK;
}

/* Fills the batch from offer *at on. */
static err_t fill(struct chain_node *n, struct chain_offer *offer, size_t count, size_t *at, struct fault *f)
{
    double start = metrics_now();
    size_t first = *at;
    ballot_batch_clear(n->batch);
    for (; *at < count; ++*at) {
        struct chain_offer *o = &offer[*at];
        int is_new;
        if (o->err != OK) {
            metrics_refused(n->metrics, METRIC_CHAIN_REFUSED, o->err, 1);
            continue;
        }
        if (!ballot_batch_has_room(n->batch, o->len))
            break;
        TRY(look_up(n, o, &is_new, f));
        if (is_new && ballot_batch_put(n->batch, o->data, o->len, *at) != OK)
            return fault_set(f, ERR_MEMORY, "ballots");
    }
    if (*at > first)
        metrics_observe_many(n->metrics, METRIC_CHAIN_NULLIFIER,
                             (metrics_now() - start) / (double)(*at - first), *at - first);
    return OK;
}

/* A ballot whose proofs are looked at. */
static err_t take_one(struct chain_node *n, size_t i, struct chain_offer *o, struct fault *f)
{
    const struct ballot_item *it = ballot_batch_item(n->batch, i);
    hash_t have;
    int found;
    if (it->err != OK && !is_about_ballot(it->err))
        return fault_set(f, it->err, "reading a ballot");
    err_t e = it->err;
    if (e == OK && chain_row_of(&n->d->ctx, it->place) < 0)
        e = ERR_UNKNOWN;
    if (e == OK && hash_cmp(&it->id, &o->id) != 0)
        e = ERR_MISMATCH;
    if (e == OK && !chain_shard_has(&n->look.name, &it->id))
        e = ERR_RULE;
    if (e != OK) {
        refuse(n, o, e);
        return OK;
    }
    TRY(node_find(n, &it->id, &have, &found, f)); /* twice in this batch */
    if (found) {
        known(n, o, &have, &it->leaf);
        return OK;
    }
    if (n->count == n->d->settings.block)
        TRY(chain_node_block(n, f));
    e = node_keep(n, i);
    if (e == OK)
        e = chain_journal_add(n->journal, o->data, o->len);
    metrics_add(n->metrics, METRIC_CHAIN_ACCEPTED, 1);
    metrics_add(n->metrics, METRIC_CHAIN_WRITTEN, o->len); /* of the journal */
    return e == OK ? OK : fault_set(f, e, "keeping a ballot");
}

static err_t offer_all(struct chain_node *n, struct chain_offer *offer, size_t count, struct fault *f)
{
    for (size_t at = 0; at < count;) {
        TRY(fill(n, offer, count, &at, f));
        size_t batch = ballot_batch_count(n->batch);
        double start = metrics_now();
        if (batch == 0)
            continue;
        if (ballot_batch_run(n->batch) != OK)
            return fault_set(f, ERR_MEMORY, "checking ballots");
        metrics_observe(n->metrics, METRIC_CHAIN_PROOFS, metrics_now() - start);
        metrics_observe(n->metrics, METRIC_CHAIN_BATCH, (double)batch);
        for (size_t i = 0; i < batch; i++)
            TRY(take_one(n, i, &offer[ballot_batch_item(n->batch, i)->tag], f));
    }
    double start = metrics_now();
    TRY(chain_journal_sync(n->journal, f));
    metrics_observe(n->metrics, METRIC_CHAIN_SYNC, metrics_now() - start);
    return n->count == n->d->settings.block ? chain_node_block(n, f) : OK;
}

err_t chain_node_offer(struct chain_node *n, struct chain_offer *offer, size_t count, struct fault *f)
{
    if (n->broken || n->look.last.state != CHAIN_OPEN)
        return fault_set(f, n->broken ? ERR_IO : ERR_DONE, "the shard does not take ballots");
    for (size_t i = 0; i < count; i++)
        offer[i].again = 0;
    err_t e = offer_all(n, offer, count, f);
    if (e != OK)
        n->broken = 1;
    metrics_set(n->metrics, METRIC_CHAIN_LAG, (double)n->count);
    return e;
}
