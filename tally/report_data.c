#include "tally/report_data.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ceremony/base/array.h"
#include "tally/resultqr.h"
#include "ui/qrtext.h"

struct walk {
    struct report_data *d;
    const struct election_context *ctx;
};

static err_t take_lowest(struct report_data *d, const struct node *n)
{
    struct report_input *in = &d->in;
    in->place_count++;
    TRY(array_room(&d->missing, in->missing_count + n->missing_count, &d->missing_cap, sizeof *d->missing,
                   64));
    for (size_t i = 0; i < n->missing_count; i++)
        d->missing[in->missing_count++] = n->missing[i];
    TRY(array_room(&d->dropped, in->dropped_count + n->dropped_count, &d->dropped_cap, sizeof *d->dropped,
                   64));
    for (size_t i = 0; i < n->dropped_count; i++)
        d->dropped[in->dropped_count++] = (struct report_dropped){n->place, n->dropped[i]};
    TRY(array_room(&d->replaced, in->replaced_count + n->replaced_count, &d->replaced_cap,
                   sizeof *d->replaced, 64));
    for (size_t i = 0; i < n->replaced_count; i++)
        d->replaced[in->replaced_count++] =
            (struct report_replaced){n->place, n->replaced[i].older, n->replaced[i].newer};
    return OK;
}

static err_t visit(void *ctx, const struct node *n, const hash_t *hash, struct fault *f)
{
    struct walk *w = ctx;
    (void)hash;
    if (n->level == 0)
        w->d->in.ballots = n->ballots;
    if (n->level + 1 != w->ctx->m->level_count)
        return OK;
    err_t e = take_lowest(w->d, n);
    return e == OK ? OK : fault_set(f, e, "the report");
}

/* Records are visited in the order of the tree; the page lists places in order of rows. */
static int by_place(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static int by_place_ballot(const void *a, const void *b)
{
    const struct report_dropped *x = a, *y = b;
    return x->place != y->place ? (x->place < y->place ? -1 : 1) : hash_cmp(&x->ballot, &y->ballot);
}

/* Corrections of one place keep their order: an insertion sort, there are few. */
static void sort_replaced(struct report_replaced *r, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        struct report_replaced item = r[i];
        size_t k = i;
        for (; k > 0 && r[k - 1].place > item.place; k--)
            r[k] = r[k - 1];
        r[k] = item;
    }
}

/* --- QR messages --- */

static err_t take_bytes(struct report_qr *q, struct cbor_out *o)
{
    if (o->err != OK) {
        err_t e = o->err;
        cbor_out_free(o);
        return e;
    }
    q->data = o->data; /* plain malloc'ed memory, public content */
    q->len = o->len;
    return OK;
}

static err_t anchor_code(struct report_qr *q, const struct record *r)
{
    struct cbor_out o = CBOR_OUT_INIT;
    anchor_write(&o, &r->election, &r->id);
    snprintf(q->title, sizeof q->title, "Anchor: fingerprint of election and ceremony");
    q->kind = QRTEXT_CEREMONY;
    return take_bytes(q, &o);
}

static err_t result_code(struct report_qr *q, const struct report_data *d, const struct target *target,
                         size_t i, const struct combination *c, struct fault *f)
{
    const struct election_context *ctx = d->in.ctx;
    const struct plan_unit *u = &d->in.plan->unit[i];
    struct resultqr *proof;
    struct cbor_out o = CBOR_OUT_INIT;
    struct place p;
    places_get(ctx->places, u->member[0].place, &p);
    TRY(resultqr_make(&proof, ctx->m, ctx->r, &d->in.plan->id, target, i, u->is_group ? u->place : p.title,
                      d->in.result->row[i].votes, c->used, c->used_count, f));
    resultqr_write(&o, proof);
    memcpy(q->title, proof->contest_title, sizeof q->title);
    resultqr_free(proof);
    q->kind = QRTEXT_RESULT;
    return take_bytes(q, &o);
}

static err_t make_codes(struct report_data *d, const struct target *target, const struct combination *c,
                        struct fault *f)
{
    const struct plan *plan = d->in.plan;
    d->qr = calloc(REPORT_QR_MAX + 1, sizeof *d->qr);
    if (d->qr == NULL)
        return ERR_MEMORY;
    TRY(anchor_code(&d->qr[0], d->in.ctx->r));
    size_t n = 1;
    for (size_t i = 0; i < plan->unit_count && n <= REPORT_QR_MAX; i++) {
        if (plan->unit[i].level != 0)
            continue;
        TRY(result_code(&d->qr[n], d, target, i, c, f));
        if (d->qr[n].len <= QRTEXT_MESSAGE_MAX) {
            n++;
            continue;
        }
        free(d->qr[n].data); /* too long for codes: only in the bundle */
        d->qr[n].data = NULL;
    }
    d->in.qr = d->qr;
    d->in.qr_count = n;
    return OK;
}

err_t report_gather_var(struct report_data **out, const struct election_context *ctx,
                        const struct node_provider *nodes, const struct plan *plan,
                        const struct target *target, const struct combination *combination, struct fault *f)
{
    *out = NULL;
    fault_clear(f);
    struct report_data *d = calloc(1, sizeof *d);
    if (d == NULL)
        return fault_set(f, ERR_MEMORY, "the report");
    struct walk w = {d, ctx};
    struct node_visitor visitor = {&w, visit, NULL};
    err_t e = ERR_BUG;
    if (combination->result == NULL || combination->result->row_count != plan->unit_count)
        goto out;
    for (size_t i = 0; i < plan->unit_count; i++) /* a result from a file may have any rows */
        if (combination->result->row[i].count != plan->unit[i].option_count) {
            e = fault_set(f, ERR_MISMATCH, "row %zu of the result is not unit %zu of the plan", i + 1, i + 1);
            goto out;
        }
    d->in.ctx = ctx;
    d->in.plan = plan;
    d->in.result = combination->result;
    for (size_t i = 0; i < combination->used_count; i++)
        d->in.used |= (uint32_t)1 << (combination->used[i]->seat - 1);
    GO(node_walk(&d->root, ctx, nodes, &visitor, f));
    if (hash_cmp(&d->root, &plan->root) != 0) {
        e = fault_set(f, ERR_HASH, "the plan is about other records than these");
        goto out;
    }
    if (d->missing != NULL)
        qsort(d->missing, d->in.missing_count, sizeof *d->missing, by_place);
    if (d->dropped != NULL)
        qsort(d->dropped, d->in.dropped_count, sizeof *d->dropped, by_place_ballot);
    sort_replaced(d->replaced, d->in.replaced_count);
    d->in.missing = d->missing;
    d->in.dropped = d->dropped;
    d->in.replaced = d->replaced;
    GO(make_codes(d, target, combination, f));
    *out = d;
    return OK;
out:
    report_data_free(d);
    if (f != NULL && f->err == OK)
        fault_set(f, e, "the report");
    return e;
}

void report_data_free(struct report_data *d)
{
    if (d == NULL)
        return;
    for (size_t i = 0; d->qr != NULL && i <= REPORT_QR_MAX; i++)
        free(d->qr[i].data);
    free(d->qr);
    free(d->missing);
    free(d->dropped);
    free(d->replaced);
    free(d);
}
