#include "appliance/work_plan.h"

#include <stdlib.h>
#include <string.h>

#include "ceremony/base/file.h"
#include "tally/settings.h"

/* --- opening --- */

/* Bytes of the file for the vault, freed with drop_file, and, if p is not NULL, the plan. */
static err_t load_file(struct plan_file *out, struct plan **p, const struct election_context *ctx,
                       const char *path, struct fault *f)
{
    uint8_t *data;
    size_t len;
    struct plan *parsed;
    memset(out, 0, sizeof *out);
    TRY(file_read(&data, &len, path, PLAN_MAX, f));
    err_t e = plan_parse_var(&parsed, ctx, data, len, f);
    if (e != OK) {
        free(data);
        return fault_file(f, e, path);
    }
    *out = (struct plan_file){parsed->id, parsed->has_supersedes, parsed->supersedes, {data, len}};
    if (p != NULL)
        *p = parsed;
    else
        plan_free(parsed);
    return OK;
}

static void drop_file(struct plan_file *p)
{
    free((void *)(uintptr_t)p->bytes.data);
    memset(p, 0, sizeof *p);
}

err_t work_plan_open(struct plan_work *w, const struct session *s, const char *plan, const char *const *older,
                     size_t older_count, const struct plan_watch *watch, struct fault *f)
{
    const struct election_context *ctx = &s->el->ctx;
    memset(w, 0, sizeof *w);
    TRY(fault_file(f, record_check(s->el->r, s->el->m, s->b, f), BUNDLE_RECORD));
    TRY(load_file(&w->file, &w->p, ctx, plan, f));
    if (older_count == 0 && w->p->has_supersedes)
        return fault_set(f, ERR_MISSING,
                         "this plan supersedes another one, which is needed, and all before it");
    TRY(plan_set_load_var(&w->older, ctx, older, older_count, f));
    w->older_file = calloc(older_count > 0 ? older_count : 1, sizeof *w->older_file);
    if (w->older_file == NULL)
        return fault_set(f, ERR_MEMORY, "plans");
    for (size_t i = 0; i < older_count; i++)
        TRY(load_file(&w->older_file[i], NULL, ctx, older[i], f));
    return plan_supersede_all(w->older.plan, w->older.count, w->p, ctx, watch->violation, watch->ctx, f);
}

void plan_work_free(struct plan_work *w)
{
    for (size_t i = 0; w->older_file != NULL && i < w->older.count; i++)
        drop_file(&w->older_file[i]);
    free(w->older_file);
    drop_file(&w->file);
    plan_free(w->p);
    plan_set_free(&w->older);
    memset(w, 0, sizeof *w);
}

/* --- verifying --- */

struct run {
    const struct plan_watch *watch;
    uint64_t total;
};

static err_t on_event(void *ctx, const struct aggregate_event *ev)
{
    const struct run *r = ctx;
    if (r->watch->event != NULL)
        r->watch->event(r->watch->ctx, ev);
    if (r->watch->progress != NULL && ev->kind == AGGREGATE_CHAIN)
        return r->watch->progress(r->watch->ctx, "chain", ev->items, ev->total);
    if (r->watch->progress == NULL || (ev->kind != AGGREGATE_VERIFIED && ev->kind != AGGREGATE_KNOWN))
        return OK;
    return r->watch->progress(r->watch->ctx, "exports", ev->done, r->total);
}

static err_t count_file(void *ctx, const char *name, struct fault *f)
{
    (void)name;
    (void)f;
    ++*(uint64_t *)ctx;
    return OK;
}

err_t work_plan_verify(struct plan_work *w, const struct session *s, const char *exports, const char *work,
                       const struct plan_watch *watch, struct fault *f)
{
    struct run run = {watch, 0};
    struct aggregate_report report = {&run, on_event};
    struct node_provider nodes;
    char records[4200];
    struct settings tuned;
    TRY(file_is_dir(exports, f));
    TRY(settings_load(&tuned, NULL, work, f));
    const struct aggregate_options how = {.accept_corrections = 1,
                                          .threads = (int)tuned.threads,
                                          .batch_points = tuned.batch_points,
                                          .window = tuned.window};
    TRY(file_list(exports, count_file, &run.total, f));
    if (watch->progress != NULL)
        TRY(watch->progress(watch->ctx, "exports", 0, run.total));
    TRY(aggregate_verified(&w->found, &s->el->ctx, exports, work, w->p, &w->older, &how, &report, f));
    if (watch->progress != NULL)
        TRY(watch->progress(watch->ctx, "plan", 0, 0));
    TRY(file_path(records, sizeof records, work, BUNDLE_RECORDS));
    node_provider_dir(&nodes, records);
    return plan_check(w->p, &s->el->ctx, &nodes, watch->violation, watch->ctx, f);
}

/* --- what it is about --- */

void work_plan_levels(struct plan_level out[LEVELS_MAX], const struct manifest *m, const struct plan *p)
{
    memset(out, 0, LEVELS_MAX * sizeof *out);
    for (size_t i = 0; i < p->unit_count; i++) {
        const struct plan_unit *u = &p->unit[i], *before = i > 0 ? u - 1 : NULL;
        if (u->level >= m->level_count)
            continue;
        struct plan_level *x = &out[u->level];
        x->low = x->sums == 0 || u->ballots < x->low ? u->ballots : x->low;
        x->high = u->ballots > x->high ? u->ballots : x->high;
        x->sums++;
        x->places += before == NULL || before->level != u->level || strcmp(before->place, u->place) != 0;
    }
}

static err_t fill_reach(struct plan_reach *out, const struct election_context *ctx, const struct node *whole)
{
    uint32_t count = places_count(ctx->places);
    out->ballots = whole->ballots;
    out->missing_count = whole->missing_count;
    out->missing = calloc(whole->missing_count + 1, sizeof *out->missing);
    out->precincts = calloc((size_t)count + 1, sizeof *out->precincts);
    if (out->missing == NULL || out->precincts == NULL)
        return ERR_MEMORY;
    if (whole->missing_count > 0)
        memcpy(out->missing, whole->missing, whole->missing_count * sizeof *out->missing);
    for (uint32_t i = 0, k = 0; i < count; i++) {
        struct place p;
        places_get(ctx->places, i, &p);
        while (k < out->missing_count && out->missing[k] < i)
            k++;
        if (p.level + 1 == ctx->m->level_count && !(k < out->missing_count && out->missing[k] == i))
            out->precincts[i] = 1;
    }
    for (uint32_t i = count; i-- > 0;) { /* parents come before their children */
        struct place p;
        places_get(ctx->places, i, &p);
        if (p.parent >= 0)
            out->precincts[p.parent] += out->precincts[i];
    }
    return OK;
}

err_t work_plan_reach(struct plan_reach *out, const struct election_context *ctx, const struct plan *p,
                      const char *work, struct fault *f)
{
    struct node_provider nodes;
    struct node *whole = NULL;
    uint8_t *data = NULL;
    size_t len;
    char records[4200];
    hash_t h;
    err_t e;
    memset(out, 0, sizeof *out);
    GO(file_path(records, sizeof records, work, BUNDLE_RECORDS));
    node_provider_dir(&nodes, records);
    GO(nodes.get(nodes.ctx, ctx, 0, &data, &len, f));
    GO(node_hash(&h, data, len));
    if (hash_cmp(&h, &p->root) != 0)
        GO(fault_set(f, ERR_HASH, "the record of the whole is not the one that the plan names"));
    GO(node_parse_var(&whole, ctx, 0, data, len, f));
    GO(fill_reach(out, ctx, whole));
out:
    node_free(whole);
    free(data);
    if (e != OK)
        plan_reach_free(out);
    return e;
}

void plan_reach_free(struct plan_reach *r)
{
    free(r->missing);
    free(r->precincts);
    memset(r, 0, sizeof *r);
}

uint64_t plan_reach_unit(const struct plan_reach *r, const struct plan_unit *u)
{
    uint64_t n = 0;
    for (size_t i = 0; i < u->member_count; i++)
        n += r->precincts[u->member[i].place];
    return n;
}

/* --- signing --- */

static uint32_t older_signers(const struct plan_work *w, const struct session *s)
{
    uint32_t bits = 0;
    for (size_t i = 0; i < w->older.count; i++)
        bits |= plan_signers(s->b, s->el->r, &w->older.plan[i]->id);
    return bits;
}

uint32_t work_plan_rivals(const struct plan_work *w, const struct session *s)
{
    return plan_rivals(s->b, s->el->r, &w->p->id, w->p->has_supersedes ? &w->p->supersedes : NULL) &
           ~older_signers(w, s);
}

err_t work_plan_show(const struct plan_work *w, struct session *s, struct fault *f)
{
    return s->t.vault.ops->plan(s->t.vault.ctx, &w->file.id, &w->file.bytes, f);
}

err_t work_plan_sign(const struct plan_work *w, struct session *s, int *is_signed, struct fault *f)
{
    struct target *target;
    *is_signed = 0;
    s->t.despite |= older_signers(w, s); /* those who signed one of these have nothing against this one */
    TRY(plan_targets(&target, &s->el->ctx, w->p));
    /* The token may be bound to any plan of the chain: whose trustee was not there for the second one signs
     * the third after the first. All of them were compared with this one. */
    err_t e = plan_sign(&s->t, s->el->r, &w->file, w->older_file, w->older.count, f);
    *is_signed = e == OK;
    if (e == OK)
        e = decrypt_make(&s->t, s->el->r, &w->file, target, w->p->unit_count, f);
    plan_targets_free(target, w->p->unit_count);
    return e;
}
