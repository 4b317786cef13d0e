/* Pieces of a batch: each is parsed, hashed, checked and added up by one thread. */
#include <stdlib.h>
#include <string.h>

#include "ceremony/base/array.h"
#include "tally/ballot_form.h"
#include "tally/chain_verify_full.h"

#define PIECE_LEAST 256 /* ballots: fewer are not worth an equation of their own */

err_t chain_batch_cut(struct chain_batch *b, size_t threads)
{
    size_t most = b->slot_count / threads + 1;
    if (most < PIECE_LEAST)
        most = PIECE_LEAST;
    if (most > CHAIN_PIECE_BALLOTS)
        most = CHAIN_PIECE_BALLOTS;
    b->piece_count = 0;
    for (size_t i = 0; i < b->slot_count;) {
        size_t bytes = 0, k = i;
        if (b->slot[i].kind == SLOT_KNOWN) {
            i++;
            continue;
        }
        for (;
             k < b->slot_count && b->slot[k].kind != SLOT_KNOWN && k - i < most && bytes < CHAIN_PIECE_BYTES;
             k++)
            bytes += b->slot[k].len + b->slot[k].hints_len;
        TRY(array_room(&b->piece, b->piece_count + 1, &b->piece_cap, sizeof *b->piece, 16));
        b->piece[b->piece_count++] = (struct chain_piece){.first = i, .count = k - i};
        i = k;
    }
    return OK;
}

static void clear_piece(struct chain_piece *p)
{
    for (size_t i = 0; i < p->sum_count; i++)
        tallies_free(p->sum[i].t);
    free(p->sum);
    free(p->trouble);
    *p = (struct chain_piece){0};
}

void chain_batch_clear(struct chain_batch *b)
{
    for (size_t i = 0; i < b->piece_count; i++)
        clear_piece(&b->piece[i]);
    b->used = b->slot_count = b->block_count = b->piece_count = 0;
    b->at_boundary = b->last = b->broken = 0;
    b->err = OK;
}

void chain_batch_free(struct chain_batch *b)
{
    chain_batch_clear(b);
    free(b->data);
    free(b->slot);
    free(b->block);
    free(b->piece);
    *b = (struct chain_batch){0};
}

/* --- one piece --- */

struct chain_worker {
    const struct chain_run *v;
    struct ballot_batch *proofs;
    struct order {
        uint32_t place;
        size_t slot;
        int64_t item; /* in proofs */
    } * order;
    /* at hand */
    struct chain_batch *b;
    struct chain_piece *p;
    size_t block;
};

err_t chain_worker_new(struct chain_worker **out, const struct chain_run *v,
                       const struct ballot_layout *layout, size_t threads)
{
    *out = NULL;
    struct chain_worker *w = calloc(1, sizeof *w);
    if (w == NULL)
        return ERR_MEMORY;
    err_t e;
    w->v = v;
    size_t points = v->o->batch_points ? v->o->batch_points : ballot_batch_points(threads);
    GO(ballot_batch_new(&w->proofs, layout, v->ctx->e, points, 1));
    w->order = malloc(CHAIN_PIECE_BALLOTS * sizeof *w->order);
    e = w->order != NULL ? OK : ERR_MEMORY;
out:
    if (e != OK)
        chain_worker_free(w);
    else
        *out = w;
    return e;
}

void chain_worker_free(struct chain_worker *w)
{
    if (w == NULL)
        return;
    ballot_batch_free(w->proofs);
    free(w->order);
    free(w);
}

static err_t trouble(struct chain_worker *w, size_t slot, enum chain_check check, err_t e, const char *detail)
{
    struct chain_piece *p = w->p;
    TRY(array_room(&p->trouble, p->trouble_count + 1, &p->trouble_cap, sizeof *p->trouble, 4));
    struct chain_trouble *t = &p->trouble[p->trouble_count++];
    *t = (struct chain_trouble){.slot = slot, .check = check};
    fault_clear(&t->f);
    fault_set(&t->f, e, "%s", detail);
    return OK;
}

/* Ballot id and place of a ballot that is not looked at otherwise: a trusted snapshot says that it is good.
 */
static err_t peek(struct chain_worker *w, size_t slot)
{
    struct chain_slot *x = &w->b->slot[slot];
    const struct election_context *e = w->v->ctx->e;
    struct cbor_in in;
    struct place place;
    char style[TEXT_ID_MAX + 1];
    point_t pk;
    merkle_leaf(&x->leaf, w->b->data + x->at, x->len);
    cbor_in_init(&in, w->b->data + x->at, x->len);
    cbor_get_array(&in, 1, 64);
    tally_get_start(&in, e, "conclave/ballot");
    tally_get_place(&in, e, &place);
    cbor_get_id(&in, style, TEXT_ID_MAX);
    cbor_get_fixed(&in, pk.b, POINT_LEN);
    if (in.err != OK) {
        x->unread = 1;
        return trouble(w, slot, CHAIN_CHECK_BALLOTS, in.err, "not a ballot of this election");
    }
    x->place = place.index;
    return ballot_id(&x->id, &e->m->election, &pk);
}

static int by_place(const void *a, const void *b)
{
    const struct order *x = a, *y = b;
    if (x->place != y->place)
        return x->place < y->place ? -1 : 1;
    return (x->slot > y->slot) - (x->slot < y->slot);
}

/* The sum of some ballots of one block and place. */
static err_t add_sum(struct chain_worker *w, const struct order *o, size_t n)
{
    struct chain_piece *p = w->p;
    struct tallies *t = NULL;
    TRY(array_room(&p->sum, p->sum_count + 1, &p->sum_cap, sizeof *p->sum, 4));
    TRY(tallies_new(&t, w->v->ctx->e, o->place));
    for (size_t i = 0, last; i < n; i = last) {
        for (last = i + 1; last < n && o[last].item == o[last - 1].item + 1;)
            last++; /* the batch adds many that follow each other faster */
        err_t e = ballot_batch_sum(w->proofs, (size_t)o[i].item, (size_t)o[last - 1].item + 1, t);
        if (e != OK) {
            tallies_free(t);
            return e;
        }
    }
    p->sum[p->sum_count++] = (struct chain_part_sum){w->block, o->place, n, t};
    return OK;
}

static err_t add_up(struct chain_worker *w, size_t n)
{
    if (n)
        qsort(w->order, n, sizeof *w->order, by_place);
    for (size_t k = 0, last; k < n; k = last) {
        for (last = k + 1; last < n && w->order[last].place == w->order[k].place;)
            last++;
        TRY(add_sum(w, w->order + k, last - k));
    }
    return OK;
}

/* What the batch found out about one ballot. */
static err_t take_item(struct chain_worker *w, size_t i, size_t *n)
{
    const struct ballot_item *item = ballot_batch_item(w->proofs, i);
    size_t slot = (size_t)item->tag;
    struct chain_slot *x = &w->b->slot[slot];
    struct fault f;
    x->leaf = item->leaf;
    if (item->err != OK) {
        fault_clear(&f);
        err_t e = ballot_batch_fault(w->proofs, i, &f);
        if (e == ERR_MEMORY)
            return e;
        x->unread = item->err != ERR_PROOF;
        x->unsummed = x->unread;
        TRY(trouble(w, slot, CHAIN_CHECK_BALLOTS, item->err, f.detail));
        if (x->unread)
            return OK;
    }
    x->id = item->id;
    x->place = item->place;
    if (chain_row_of(w->v->ctx, item->place) < 0) {
        x->unsummed = 1;
        return trouble(w, slot, CHAIN_CHECK_BALLOTS, ERR_UNKNOWN,
                       "it is of a place that does not belong to this chain");
    }
    if (item->hints_wrong)
        TRY(trouble(w, slot, CHAIN_CHECK_FORM, ERR_POINT, "a hint is not the y coordinate of its point"));
    w->order[(*n)++] = (struct order){item->place, slot, (int64_t)i};
    return OK;
}

/* The ballots that were put: verdicts, and sums block by block. */
static err_t run(struct chain_worker *w)
{
    size_t count = ballot_batch_count(w->proofs), n = 0;
    if (count == 0)
        return OK;
    TRY(ballot_batch_run(w->proofs));
    for (size_t i = 0; i < count; i++) {
        size_t slot = (size_t)ballot_batch_item(w->proofs, i)->tag, block = w->block;
        while (w->b->block[block].complete && w->b->block[block].end <= slot)
            block++;
        if (block != w->block) {
            TRY(add_up(w, n));
            n = 0;
            w->block = block;
        }
        TRY(take_item(w, i, &n));
    }
    TRY(add_up(w, n));
    ballot_batch_clear(w->proofs);
    return OK;
}

static err_t check_piece(struct chain_worker *w)
{
    for (size_t i = w->p->first; i < w->p->first + w->p->count; i++) {
        const struct chain_slot *x = &w->b->slot[i];
        if (x->kind == SLOT_HASHED) {
            TRY(peek(w, i));
            continue;
        }
        if (!ballot_batch_has_room(w->proofs, x->len))
            TRY(run(w));
        const uint8_t *data = w->b->data + x->at;
        TRY(ballot_batch_put_hinted(w->proofs, data, x->len, data + x->len, x->hints_len, i));
    }
    return run(w);
}

void chain_piece_check(struct chain_worker *w, struct chain_batch *b, struct chain_piece *p)
{
    w->b = b;
    w->p = p;
    w->block = 0;
    ballot_batch_clear(w->proofs);
    p->err = check_piece(w);
    if (p->err != OK)
        fault_set(&p->fault, p->err, "checking ballots of a chain");
}
