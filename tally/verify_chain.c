/* The voting chains of a bundle: chains/CHAIN/ is verified ballot by ballot (tally/chain_verify.h), its
 * ballot ids are compared with those of the precincts, and the records of its places with its snapshot. */
#include <stdlib.h>
#include <string.h>

#include "ceremony/base/file.h"
#include "tally/chain_verify.h"
#include "tally/id_sort.h"
#include "tally/verify_shard.h"

enum verify_id verify_chain_check(enum chain_check c)
{
    static const enum verify_id id[] = {
#define X(name, id, title) [CHAIN_CHECK_##name] = CHECK_C_##name,
        CHAIN_CHECKS(X)
#undef X
    };
    return id[c];
}

void verify_chain_found(const struct verify_chain_run *r, struct verify_outcome *o, const struct fault *f)
{
    char file[300], who[200];
    snprintf(file, sizeof file, "%s%s%s", r->dir, f->file[0] ? "/" : "", f->file);
    snprintf(who, sizeof who, "chain %s%s%s", r->ctx.c->id, f->who[0] ? ", " : "", f->who);
    outcome_fail(o, f->err, file, who, f->detail);
}

void verify_chain_twice(const struct verify *v, uint32_t chain, const hash_t *id, uint64_t at, uint64_t first,
                        struct verify_outcome *o)
{
    char dir[TEXT_ID_MAX + 16];
    struct verify_chain_run r = {.dir = dir};
    struct fault f;
    chain_context_init(&r.ctx, &v->ctx, chain);
    snprintf(dir, sizeof dir, BUNDLE_CHAINS "/%s", r.ctx.c->id);
    chain_twice(&f, v->chain[chain].r->snapshot, id, at, first);
    verify_chain_found(&r, o, &f);
}

static void on_found(void *ctx, enum chain_check check, const struct fault *f)
{
    struct verify_chain_run *r = ctx;
    verify_chain_found(r, &r->v->rep->outcome[verify_chain_check(check)], f);
}

static err_t on_progress(void *ctx, const char *what, uint64_t done, uint64_t total)
{
    struct verify_chain_run *r = ctx;
    return verify_tick(r->v, what, done, total);
}

/* --- which of its ballots the records leave out --- */

static int by_id(const void *a, const void *b)
{
    const struct chain_spooled *x = a, *y = b;
    int c = hash_cmp(&x->id, &y->id);
    return c ? c : (x->place > y->place) - (x->place < y->place);
}

static int by_number(const void *a, const void *b)
{
    const struct chain_spooled *x = a, *y = b;
    return (x->at > y->at) - (x->at < y->at);
}

static err_t leave_out(struct verify_chain *c, const struct node *n)
{
    size_t want = c->left_count + n->dropped_count;
    if (want > c->left_cap) {
        struct chain_spooled *more = realloc(c->left, 2 * want * sizeof *more);
        if (more == NULL)
            return ERR_MEMORY;
        c->left = more;
        c->left_cap = 2 * want;
    }
    for (size_t i = 0; i < n->dropped_count; i++)
        c->left[c->left_count++] = (struct chain_spooled){.id = n->dropped[i], .place = n->place};
    return OK;
}

/* The records of its places; the walk says what is wrong with them. */
err_t verify_chain_records(struct verify_chain_run *r)
{
    struct verify_chain *c = r->c;
    struct node_provider nodes;
    char dir[BUNDLE_PATH_MAX];
    TRY(verify_path(r->v, dir, BUNDLE_RECORDS));
    node_provider_dir(&nodes, dir);
    c->competes = calloc(r->ctx.c->place_count, 1);
    if (c->competes == NULL)
        return ERR_MEMORY;
    for (size_t i = 0; i < r->ctx.c->place_count; i++) {
        uint8_t *data = NULL;
        size_t len;
        struct node *n = NULL;
        err_t e = nodes.get(nodes.ctx, &r->v->ctx, r->ctx.place[i], &data, &len, NULL);
        if (e == OK)
            e = node_parse_var(&n, &r->v->ctx, r->ctx.place[i], data, len, NULL);
        free(data);
        c->competes[i] = e == OK && n->source_count > 0;
        if (c->competes[i])
            e = leave_out(c, n);
        node_free(n);
        if (e == ERR_MEMORY)
            return e;
    }
    if (c->left_count)
        qsort(c->left, c->left_count, sizeof *c->left, by_id);
    c->found = calloc(c->left_count + 1, 1);
    return c->found != NULL ? OK : ERR_MEMORY;
}

static struct chain_spooled *left_out(const struct verify_chain_run *r, const struct chain_spooled *b)
{
    const struct verify_chain *c = r->c;
    int64_t row = chain_row_of(&r->ctx, b->place);
    return row >= 0 && c->competes[row] && c->left_count
               ? bsearch(b, c->left, c->left_count, sizeof *b, by_id)
               : NULL;
}

int verify_chain_left_out(const struct verify_chain_run *r, const struct chain_spooled *b)
{
    return left_out(r, b) != NULL;
}

err_t verify_chain_leave_out(struct verify_chain_run *r, const struct chain_spooled *b)
{
    struct verify_chain *c = r->c;
    struct chain_spooled *x = left_out(r, b);
    if (x == NULL || c->found[x - c->left])
        return OK;
    c->found[x - c->left] = 1;
    c->found_count++;
    *x = *b;
    return verify_seen(r->v, &b->id, b->place);
}

int verify_chain_competes(const struct verify *v, uint32_t chain, uint32_t place)
{
    struct chain_context ctx;
    chain_context_init(&ctx, &v->ctx, chain);
    int64_t row = chain_row_of(&ctx, place);
    return row >= 0 && v->chain[chain].competes != NULL && v->chain[chain].competes[row];
}

static err_t on_ballot(void *ctx, const struct chain_spooled *b, struct fault *f)
{
    struct verify_chain_run *r = ctx;
    int64_t row = chain_row_of(&r->ctx, b->place);
    if (row < 0 || !r->c->competes[row])
        return OK;
    TRY(verify_chain_leave_out(r, b));
    return id_sort_add(r->v->ids, &b->id, b->place, 0, f);
}

/* What they contribute is taken out of the sums. */
static err_t sum_left_out(struct verify_chain_run *r)
{
    struct verify_chain *c = r->c;
    struct chain_spooled *list;
    char path[BUNDLE_PATH_MAX];
    size_t n = 0;
    if (c->found_count == 0 || c->r->snapshot == NULL)
        return OK;
    list = malloc(c->found_count * sizeof *list);
    err_t e = list != NULL ? chain_sums_new(&c->gone, &r->ctx) : ERR_MEMORY;
    for (size_t i = 0; e == OK && i < c->left_count; i++)
        if (c->found[i])
            list[n++] = c->left[i];
    if (e == OK)
        qsort(list, n, sizeof *list, by_number);
    if (e == OK)
        e = verify_path(r->v, path, r->dir);
    if (e == OK)
        e = chain_find_ballots(c->gone, &r->ctx, path, c->r->snapshot, list, n, NULL);
    free(list);
    if (e != OK && e != ERR_MEMORY) { /* said by the check of the ballots */
        chain_sums_free(c->gone);
        c->gone = NULL;
        e = OK;
    }
    return e;
}

/* --- one chain --- */

static err_t anchors(struct verify_chain_run *r, struct chain_anchor **out, size_t *count)
{
    const struct verify_options *o = r->v->opt;
    size_t len = strlen(r->ctx.c->id);
    *count = 0;
    *out = calloc(o->chain_anchor_count + 1, sizeof **out);
    if (*out == NULL)
        return ERR_MEMORY;
    for (size_t i = 0; i < o->chain_anchor_count; i++) {
        const char *text = o->chain_anchor[i];
        if (strncmp(text, r->ctx.c->id, len) != 0 || text[len] != ':')
            continue;
        if (chain_anchor_parse(&(*out)[*count], text + len + 1) == OK)
            ++*count;
        else
            verify_failf(r->v, CHECK_C_ANCHOR, ERR_USAGE, NULL, r->ctx.c->id,
                         "%.100s is not CHAIN:SHARD:SIZE:ROOT", text);
    }
    return OK;
}

void verify_chain_unchecked(struct verify *v, uint32_t chain, enum chain_check c)
{
    const struct chain_report *r = v->chain[chain].r;
    if (r != NULL && r->check[c].verdict == VERIFY_NOT_CHECKED)
        verify_skip(v, verify_chain_check(c), "chain %s: %s", v->m->chain[chain].id, r->check[c].reason);
}

/* Where a run that is stopped goes on: only if every file is the one that SHA256SUMS lists, and this list is
 * the same. */
static err_t resume_path(const struct verify_chain_run *r, char out[BUNDLE_PATH_MAX], const char **work)
{
    struct verify *v = r->v;
    char sums[BUNDLE_PATH_MAX], name[2 * HASH_LEN + TEXT_ID_MAX + 16] = "";
    hash_t h;
    *work = NULL;
    if (v->opt->resume == NULL || v->opt->parts || verify_failures(v, CHECK_FILES) > 0 ||
        verify_path(v, sums, BUNDLE_SUMS) != OK || file_hash(&h, sums, NULL) != OK)
        return OK;
    snprintf(name, sizeof name, "chain-%s-", r->ctx.c->id);
    hex_put(name + strlen(name), h.b, HASH_LEN);
    TRY(file_path(out, BUNDLE_PATH_MAX, v->opt->resume, name));
    *work = out;
    return OK;
}

static err_t one_chain(struct verify_chain_run *r)
{
    struct verify *v = r->v;
    struct chain_anchor *anchor = NULL;
    char path[BUNDLE_PATH_MAX], resume[BUNDLE_PATH_MAX];
    const char *work;
    size_t count;
    err_t e;
    GO(resume_path(r, resume, &work));
    GO(anchors(r, &anchor, &count));
    GO(verify_chain_records(r));
    GO(verify_path(v, path, r->dir));
    struct chain_verify_options o = {.anchor = anchor,
                                     .anchor_count = count,
                                     .work = work,
                                     .threads = v->opt->threads,
                                     .batch_points = v->opt->batch_points,
                                     .window = v->opt->window,
                                     .metrics = v->opt->metrics,
                                     .said = v->opt->parts ? verify_shard_said : NULL,
                                     .said_ctx = r,
                                     .ballot = on_ballot,
                                     .ballot_ctx = r,
                                     .ctx = r,
                                     .found = on_found,
                                     .progress = on_progress,
                                     .progress_ctx = r};
    GO(chain_verify(&r->c->r, &r->ctx, path, &o, &v->fault));
    if (r->c->r->snapshot != NULL && !chain_snapshot_complete(r->c->r->snapshot))
        verify_failf(v, CHECK_C_QUORUM, ERR_EARLY, r->dir, r->ctx.c->id,
                     "the voting goes on: it is not closed in every shard");
    for (size_t i = 0; i < CHAIN_CHECK_COUNT; i++)
        if (i != CHAIN_CHECK_IDS || v->opt->parts == NULL) /* which are compared later */
            verify_chain_unchecked(v, r->ctx.index, (enum chain_check)i);
    v->chain_ballots += r->c->r->proved + r->c->r->known;
    e = sum_left_out(r);
out:
    free(anchor);
    return e;
}

static int has_dir(const struct verify *v, const char *name)
{
    for (size_t i = 0; i < v->name_count; i++)
        if (v->name[i].kind == 'd' && strcmp(v->name[i].path, name) == 0)
            return 1;
    return 0;
}

/* Roots of chains that are not here. */
static void other_anchors(struct verify *v)
{
    for (size_t k = 0; k < v->opt->chain_anchor_count; k++) {
        const char *text = v->opt->chain_anchor[k], *id = NULL;
        for (size_t i = 0; i < v->m->chain_count && id == NULL; i++) {
            size_t len = strlen(v->m->chain[i].id);
            if (strncmp(text, v->m->chain[i].id, len) != 0 || text[len] != ':')
                continue;
            id = v->m->chain[i].id;
            if (!v->chain[i].is_here)
                verify_skip(v, CHECK_C_ANCHOR, "chain %s is not in this bundle", id);
        }
        if (id == NULL)
            verify_failf(v, CHECK_C_ANCHOR, ERR_UNKNOWN, NULL, NULL, "%.100s: the manifest has no such chain",
                         text);
    }
}

err_t verify_chains(struct verify *v)
{
    v->chain = calloc(v->m->chain_count + 1, sizeof *v->chain);
    if (v->chain == NULL)
        return ERR_MEMORY;
    for (uint32_t i = 0; i < v->m->chain_count; i++) {
        char dir[TEXT_ID_MAX + 16];
        struct verify_chain_run r = {.v = v, .c = &v->chain[i], .dir = dir};
        chain_context_init(&r.ctx, &v->ctx, i);
        snprintf(dir, sizeof dir, BUNDLE_CHAINS "/%s", r.ctx.c->id);
        v->chain[i].is_here = has_dir(v, dir);
        v->chain_count += (size_t)v->chain[i].is_here;
        if (v->chain[i].is_here)
            TRY(one_chain(&r));
    }
    other_anchors(v);
    return v->opt->parts ? verify_merge_shards_end(v) : OK;
}

void verify_chain_free(struct verify_chain *c)
{
    chain_report_free(c->r);
    chain_sums_free(c->gone);
    free(c->left);
    free(c->found);
    free(c->competes);
}

void verify_chains_free(struct verify *v)
{
    for (size_t i = 0; v->chain != NULL && i < v->m->chain_count; i++)
        verify_chain_free(&v->chain[i]);
    free(v->chain);
    v->chain = NULL;
}

err_t verify_check_chains(struct verify *v, enum verify_id id)
{
    if (!v->walked) {
        verify_skip(v, id, "the chains cannot be read without manifest, places and ceremony record");
        return OK;
    }
    if (id == CHECK_C_ANCHOR && v->chain_count == 0 && v->m->chain_count)
        verify_skip(v, id, "no voting chain is in this bundle");
    if (id == CHECK_C_BALLOTS && v->chain_count)
        verify_note(v, id, "%llu ballots of %zu voting chains", (unsigned long long)v->chain_ballots,
                    v->chain_count);
    return OK;
}

/* --- the records of its places --- */

/* Sums and ballots of the snapshot, without those that are left out. */
static err_t check_sums(struct verify *v, const struct verify_chain *c, const struct chain_context *ctx,
                        const struct node *n, const char *name, const char *place)
{
    size_t row = (size_t)chain_row_of(ctx, n->place), found = 0;
    const struct chain_row *have = &c->r->snapshot->sums->row[row];
    struct tallies *t = NULL;
    uint32_t contest = 0;
    for (size_t i = 0; i < c->left_count; i++)
        found += c->found[i] && c->left[i].place == n->place;
    if (c->unlooked && n->dropped_count) /* said where it was found */
        return OK;
    if (found < n->dropped_count)
        verify_failf(v, CHECK_R_DROPPED, ERR_MISSING, name, place,
                     "%zu of %zu ballots that are left out are in the chain", found, n->dropped_count);
    if (have->ballots < found || n->ballots != have->ballots - found)
        verify_failf(v, CHECK_R_SUMS, ERR_SUM, name, place,
                     "%llu ballots, but the snapshot has %llu, of which %zu do not count",
                     (unsigned long long)n->ballots, (unsigned long long)have->ballots, found);
    if (found && c->gone == NULL) {
        verify_skip(v, CHECK_R_SUMS, "ballots of chain %s that are left out cannot be read", ctx->c->id);
        return OK;
    }
    TRY(tallies_copy(&t, have->t));
    if ((c->gone != NULL && tallies_sub_var(t, c->gone->row[row].t) != OK) ||
        !tallies_equal_var(t, n->tallies, &contest))
        verify_failf(v, CHECK_R_SUMS, ERR_SUM, name, place,
                     "the sums are not those of the ballots that count");
    tallies_free(t);
    return OK;
}

err_t verify_chain_place(struct verify *v, uint32_t place, const struct node *n)
{
    char name[512], dir[TEXT_ID_MAX + 16];
    struct chain_context ctx;
    struct place p;
    int chain = places_chain(v->places, place);
    const struct verify_chain *c = &v->chain[chain];
    if (n == NULL)
        return OK;
    places_get(v->places, place, &p);
    chain_context_init(&ctx, &v->ctx, (uint32_t)chain);
    snprintf(dir, sizeof dir, BUNDLE_CHAINS "/%s", ctx.c->id);
    if (node_path(name, sizeof name, &v->ctx, BUNDLE_RECORDS, place) != OK)
        name[0] = '\0';
    int missing = n->source_count == 0;
    v->missing_count += missing ? 1 : 0;
    if (missing && c->is_here)
        verify_failf(v, CHECK_R_MISSING, ERR_MISMATCH, name, p.id,
                     "is stated as missing, and its chain is here");
    if (!missing && !c->is_here)
        verify_failf(v, CHECK_R_MISSING, ERR_MISSING, dir, p.id,
                     "the chain that the record counts is not here");
    if (!missing && (!c->is_here || c->r->snapshot == NULL))
        v->unread_exports++;
    if (missing || !c->is_here || c->r->snapshot == NULL)
        return OK;
    if (hash_cmp(&n->source[0].hash, &c->r->snapshot->id) != 0)
        verify_failf(v, CHECK_R_SOURCES, ERR_HASH, name, p.id,
                     "names another snapshot than that of its chain here");
    if (n->replaced_count)
        verify_failf(v, CHECK_R_CORRECTIONS, ERR_MISMATCH, name, p.id,
                     "states corrections of an export, and its ballots come from a chain");
    return check_sums(v, c, &ctx, n, name, p.id);
}
