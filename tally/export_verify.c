/* Exports verified completely. Ballots go through export_flow, many exports at a time; counts export by
 * export. What is said of a bad export does not depend on what else is in the batch. */
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "tally/ballot_form.h"
#include "tally/export_check.h"
#include "tally/export_flow.h"

err_t export_item_fault(struct export_check *c, err_t e, uint64_t index, uint64_t offset, size_t len)
{
    struct fault *f = c->fault;
    c->err = e;
    c->first_bad = index;
    if (!f)
        return e;
    char detail[sizeof f->detail];
    memcpy(detail, f->detail, sizeof detail);
    detail[sizeof detail - 1] = '\0';
    long long inner = f->at > 0 ? f->at : 0;
    fault_set(f, e, "%s %llu: %.400s", c->ctx->m->kind == KIND_IMPORT ? "count" : "ballot",
              (unsigned long long)index, detail);
    f->at = (long long)(offset + cbor_head_len(len)) + inner;
    return fault_file(f, e, c->path);
}

err_t export_settle(struct export_check *c, struct fault *f)
{
    const struct export_header *h = c->header;
    hash_t root;
    uint32_t contest;
    err_t e = OK;
    merkle_root(&c->tree, &root);
    if (c->ctx->m->kind == KIND_IMPORT && c->done != c->sums->count)
        e = fault_set(f, ERR_MISMATCH, "%llu counts for %zu contests", (unsigned long long)c->done,
                      c->sums->count);
    else if (hash_cmp(&root, &h->root) != 0)
        e = fault_set(f, ERR_HASH, "the items do not have the Merkle root that was signed");
    else if (!tallies_equal_var(c->sums, h->tallies, &contest))
        e = fault_set(f, ERR_SUM, "contest %s: the signed tally is not the sum of the items",
                      c->ctx->m->contest[contest].id);
    return fault_file(f, e, c->path);
}

/* --- ballots --- */

struct export_verifier {
    const struct election_context *ctx;
    struct export_flow *flow; /* NULL: an election of counts */
};

/* A task while its ballots are on their way. */
struct running {
    struct export_task *task;
    struct export_check c;
    int changed; /* the file is not the one that the task is about */
};

static void list_also(struct export_check *c, uint64_t index)
{
    struct fault *f = c->fault;
    size_t len = f ? strlen(f->detail) : 0;
    if (f && len + 32 < sizeof f->detail)
        snprintf(f->detail + len, sizeof f->detail - len, "; also %llu", (unsigned long long)index);
}

/* What is wrong with a ballot by itself. */
static err_t judge(struct export_check *c, const struct ballot_batch *b, size_t i)
{
    const struct ballot_item *it = ballot_batch_item(b, i);
    if (it->err != OK)
        return ballot_batch_fault(b, i, c->fault);
    if (it->place != c->header->place)
        return fault_set(c->fault, ERR_UNKNOWN, "it is of another place than the export");
    return OK;
}

/* And with its place among the others. */
static err_t take_ballot(struct export_check *c, const struct ballot_item *it)
{
    int cmp = c->done % BALLOT_BATCH ? hash_cmp(&c->previous, &it->id) : -1;
    err_t e = id_set_add(c->ids, &it->id);
    if (e == ERR_DUPLICATE)
        return fault_set(c->fault, e, "its ballot id was used before in this export");
    if (e != OK)
        return fault_set(c->fault, e, "keeping ballot ids");
    if (cmp >= 0)
        return fault_set(c->fault, ERR_RULE, "ballots are not sorted by ballot id within their batch");
    c->previous = it->id;
    merkle_add(&c->tree, &it->leaf);
    return OK;
}

/* What is only needed once ballots of it were judged: thousands may wait for that. */
static err_t begin(struct export_check *c)
{
    if (c->sums)
        return OK;
    err_t e = tallies_new(&c->sums, c->ctx, c->header->place);
    if (e == OK)
        e = id_set_new(&c->ids, c->header->items);
    return e == OK ? OK : fault_set(c->fault, e, "verifying an export");
}

static void end_with(struct export_check *c, err_t e)
{
    c->err = e;
    c->stop = 1;
}

static err_t take_span(void *ctx, const struct ballot_batch *b, size_t from, size_t to)
{
    struct running *r = ctx;
    struct export_check *c = &r->c;
    TRY(begin(c));
    for (size_t i = from; i < to; i++, c->done++) {
        const struct ballot_item *it = ballot_batch_item(b, i);
        if (c->err != OK) {
            if (it->err != OK && !c->stop && c->done < c->first_bad + ALSO_WINDOW)
                list_also(c, c->done);
            continue;
        }
        err_t e = judge(c, b, i);
        if (e == OK)
            e = take_ballot(c, it);
        if (e != OK) {
            c->err = export_item_fault(c, e, c->done, it->tag, it->len);
            continue;
        }
        if (c->cb && c->cb->ballot)
            e = c->cb->ballot(c->cb->ctx, &it->id, &it->leaf, it->style, c->done, c->fault);
        if (e != OK)
            end_with(c, e);
    }
    if (c->err != OK)
        return OK;
    err_t e = ballot_batch_sum(b, from, to, c->sums);
    if (e != OK)
        end_with(c, fault_set(c->fault, e, "adding ballots up"));
    else if (c->cb && c->cb->progress && (e = c->cb->progress(c->cb->ctx, c->done, c->header->items)) != OK)
        end_with(c, fault_set(c->fault, e, "verifying an export"));
    return OK;
}

static int is_enough(void *ctx)
{
    const struct export_check *c = &((const struct running *)ctx)->c;
    return c->stop || (c->err != OK && c->done >= c->first_bad + ALSO_WINDOW);
}

static void drop_export(void *ctx)
{
    struct running *r = ctx;
    export_header_free(r->c.header);
    id_set_free(r->c.ids);
    tallies_free(r->c.sums);
    free(r);
}

static err_t finish(struct running *r, err_t e)
{
    struct export_task *t = r->task;
    if (e == OK && r->changed) {
        e = fault_set(t->fault, ERR_IO, "the file changed while it was read");
        fault_file(t->fault, e, t->path);
    }
    t->err = e;
    if (e == OK) {
        t->header = r->c.header;
        r->c.header = NULL;
    }
    drop_export(r);
    return t->done ? t->done(t) : OK;
}

static err_t end_export(void *ctx, err_t why, const struct fault *f)
{
    struct running *r = ctx;
    struct export_check *c = &r->c;
    if (c->err == OK && why != OK) {
        if (c->fault)
            *c->fault = *f;
        c->err = why;
    }
    if (c->err == OK)
        c->err = begin(c);
    return finish(r, c->err == OK ? export_settle(c, c->fault) : c->err);
}

static const struct export_flow_ops ballot_ops = {take_span, is_enough, end_export, drop_export};

/* --- exports --- */

err_t export_verifier_new(struct export_verifier **out, const struct election_context *ctx,
                          const struct ballot_layout *layout, size_t points, size_t threads)
{
    *out = NULL;
    struct export_verifier *v = calloc(1, sizeof *v);
    if (!v)
        return ERR_MEMORY;
    v->ctx = ctx;
    err_t e = layout ? export_flow_new(&v->flow, layout, ctx, points, threads) : OK;
    if (e != OK) {
        free(v);
        return e;
    }
    *out = v;
    return OK;
}

void export_verifier_free(struct export_verifier *v)
{
    if (!v)
        return;
    export_flow_free(v->flow);
    free(v);
}

static void check_start(struct running *r, const struct election_context *ctx, struct export_reader *reader)
{
    struct export_check *c = &r->c;
    c->ctx = ctx;
    c->cb = r->task->cb;
    c->path = r->task->path;
    c->fault = r->task->fault;
    c->header = reader->header;
    merkle_init(&c->tree);
}

/* All of it was read? Then its hash is known. */
static int is_other_file(const struct export_task *t, const struct export_reader *reader)
{
    hash_t h;
    return t->file && reader->at_end && (export_reader_hash(reader, &h), hash_cmp(&h, t->file) != 0);
}

err_t export_verifier_add(struct export_verifier *v, struct export_task *t)
{
    struct export_reader *reader = NULL;
    struct running *r = calloc(1, sizeof *r);
    if (!r)
        return ERR_MEMORY;
    r->task = t;
    t->err = OK;
    t->header = NULL;
    err_t e = export_open(&reader, v->ctx, t->path, t->fault);
    if (e == OK) {
        check_start(r, v->ctx, reader);
        reader->header = NULL; /* the task's now */
    }
    if (e == OK && !v->flow)
        e = begin(&r->c);
    if (e == OK && !v->flow)
        e = export_check_counts(&r->c, reader, t->fault);
    if (e == OK && v->flow) {
        e = export_flow_add(v->flow, reader, &ballot_ops, r);
        r->changed = e == OK && is_other_file(t, reader);
        export_close(reader);
        return e;
    }
    r->changed = e == OK && is_other_file(t, reader);
    export_close(reader);
    return finish(r, e);
}

err_t export_verifier_end(struct export_verifier *v)
{
    return v->flow ? export_flow_end(v->flow) : OK;
}

err_t export_verify(struct export_header **out, const struct election_context *ctx, const char *path,
                    const struct export_callbacks *cb, struct fault *f)
{
    struct ballot_layout *layout = NULL;
    struct export_verifier *v = NULL;
    struct export_task t = {.path = path, .cb = cb, .fault = f};
    size_t threads = (size_t)omp_get_max_threads();
    err_t e = OK;
    *out = NULL;
    if (ctx->m->kind == KIND_BALLOTS)
        e = ballot_layout_new(&layout, ctx);
    if (e == OK)
        e = export_verifier_new(&v, ctx, layout, ballot_batch_points(threads) * threads, threads);
    if (e == OK)
        e = export_verifier_add(v, &t);
    if (e == OK)
        e = export_verifier_end(v);
    if (e != OK && f && f->err == OK)
        fault_set(f, e, "verifying an export");
    if (e == OK) {
        e = t.err;
        *out = t.header;
    }
    export_verifier_free(v);
    ballot_layout_free(layout);
    return e;
}
