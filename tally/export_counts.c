/* Exports of imported counts: read, checked and added up by the batch. */
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "tally/ballot_form.h"
#include "tally/export_check.h"

#define BATCH_ITEMS 256
#define BATCH_BYTES ((size_t)48 << 20) /* parsed; large counts come in smaller batches */

struct item {
    uint8_t *data;
    size_t len;
    uint64_t offset;
    struct count *count;
    err_t err;
};

struct counts {
    struct export_check *c;
    struct export_reader *r;
    size_t cap, used;
    struct item item[BATCH_ITEMS];
};

static err_t item_fault(struct counts *b, err_t e, size_t i)
{
    return export_item_fault(b->c, e, b->c->done + i, b->item[i].offset, b->item[i].len);
}

static void batch_clear(struct counts *b)
{
    for (size_t i = 0; i < b->used; i++) {
        free(b->item[i].data);
        count_free(b->item[i].count);
    }
    b->used = 0;
}

static err_t batch_read(struct counts *b, int *end, struct fault *f)
{
    *end = 0;
    while (b->used < b->cap) {
        const uint8_t *data;
        size_t len;
        TRY(export_next(b->r, &data, &len, f));
        if (!data) {
            *end = 1;
            return OK;
        }
        struct item *it = &b->item[b->used];
        *it = (struct item){.data = malloc(len + 1), .len = len, .offset = export_item_offset(b->r)};
        if (!it->data)
            return fault_set(f, ERR_MEMORY, "reading an export");
        memcpy(it->data, data, len);
        b->used++;
    }
    return OK;
}

/* Form first, in threads; the first bad item in order is the one reported. */
static err_t batch_parse(struct counts *b, struct fault *f)
{
    const struct election_context *ctx = b->c->ctx;
#pragma omp parallel for schedule(dynamic, 4) if (b->used > 8 && !omp_in_parallel())
    for (size_t i = 0; i < b->used; i++)
        b->item[i].err = count_parse_var(&b->item[i].count, ctx, b->item[i].data, b->item[i].len, NULL);
    for (size_t i = 0; i < b->used; i++) {
        struct item *it = &b->item[i];
        if (it->err != OK)
            return item_fault(b, count_parse_var(&it->count, ctx, it->data, it->len, f), i);
        if (it->count->place != b->c->header->place) {
            fault_set(f, ERR_UNKNOWN, "it is of another place than the export");
            return item_fault(b, ERR_UNKNOWN, i);
        }
    }
    return OK;
}

/* Names the first bad item with its reason and lists the others. */
static err_t name_bad(struct counts *b, const uint8_t *bad, struct fault *f)
{
    size_t first = 0;
    while (first < b->used && !bad[first])
        first++;
    err_t e = item_fault(b, ERR_PROOF, first);
    for (size_t i = first + 1; i < b->used && f; i++) {
        size_t len = strlen(f->detail);
        if (bad[i] && len + 32 < sizeof f->detail)
            snprintf(f->detail + len, sizeof f->detail - len, "; also %llu",
                     (unsigned long long)(b->c->done + i));
    }
    return e;
}

static err_t batch_proofs(struct counts *b, struct fault *f)
{
    const struct count *count[BATCH_ITEMS];
    uint8_t bad[BATCH_ITEMS];
    for (size_t i = 0; i < b->used; i++)
        count[i] = b->item[i].count;
    err_t e = count_verify_many_var(b->c->ctx, count, b->used, bad, f);
    return e == ERR_PROOF ? name_bad(b, bad, f) : e;
}

static err_t take_count(struct counts *b, size_t i, struct fault *f)
{
    struct export_check *c = b->c;
    const struct count *n = b->item[i].count;
    uint64_t index = c->done + i;
    if (index >= c->sums->count || c->sums->tally[index].contest != n->contest) {
        fault_set(f, ERR_MISMATCH, "contest %s is not the next of this place",
                  c->ctx->m->contest[n->contest].id);
        return item_fault(b, ERR_MISMATCH, i);
    }
    merkle_add(&c->tree, &n->leaf);
    err_t e = tallies_add_count_var(c->sums, n);
    if (e != OK) {
        fault_set(f, e, "adding the count up");
        return item_fault(b, e, i);
    }
    return OK;
}

static err_t batch_take(struct counts *b, struct fault *f)
{
    struct export_check *c = b->c;
    for (size_t i = 0; i < b->used; i++)
        TRY(take_count(b, i, f));
    c->done += b->used;
    batch_clear(b);
    if (!c->cb || !c->cb->progress)
        return OK;
    err_t e = c->cb->progress(c->cb->ctx, c->done, c->header->items);
    return e == OK ? OK : fault_set(f, e, "verifying an export");
}

static size_t batch_cap(const struct election_context *ctx)
{
    size_t cap = BATCH_BYTES / (4 * count_len_max(ctx) + 1); /* parsed: about thrice the bytes */
    return cap < 1 ? 1 : cap > BATCH_ITEMS ? BATCH_ITEMS : cap;
}

err_t export_check_counts(struct export_check *c, struct export_reader *r, struct fault *f)
{
    int end = 0;
    err_t e = OK;
    struct counts *b = calloc(1, sizeof *b);
    if (!b)
        return fault_set(f, ERR_MEMORY, "verifying an export");
    b->c = c;
    b->r = r;
    b->cap = batch_cap(c->ctx);
    while (!end && e == OK) {
        e = batch_read(b, &end, f);
        if (e == OK && b->used) {
            e = batch_parse(b, f);
            if (e == OK)
                e = batch_proofs(b, f);
            if (e == OK)
                e = batch_take(b, f);
        }
    }
    batch_clear(b);
    free(b);
    return e == OK ? export_settle(c, f) : e;
}
