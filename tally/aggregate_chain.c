/* Exports of voting chains in an aggregation: verified completely, settled, and put into the records of their
 * places. */
#include <stdlib.h>
#include <string.h>

#include "ceremony/base/array.h"
#include "ceremony/base/file.h"
#include "tally/aggregate_run.h"

#define SNAPSHOT "snapshot.cbor"

static const char *chain_id(const struct agg_run *run, uint32_t chain)
{
    return run->ctx->m->chain[chain].id;
}

/* --- verifying --- */

struct watch {
    struct agg_run *run;
    const char *name, *id;
    int has_first;
    struct fault first;
};

static void on_found(void *ctx, enum chain_check check, const struct fault *f)
{
    struct watch *w = ctx;
    (void)check;
    if (!w->has_first)
        w->first = *f;
    w->has_first = 1;
}

static err_t on_progress(void *ctx, const char *what, uint64_t done, uint64_t total)
{
    struct watch *w = ctx;
    struct aggregate_event ev = {
        .kind = AGGREGATE_CHAIN, .file = w->name, .place = w->id, .items = done, .total = total};
    (void)what;
    return agg_tell(w->run, &ev);
}

/* The same words wherever the directories are. */
static err_t refuse(struct agg_run *run, const char *name, const char *id, const hash_t *snapshot,
                    struct fault *f)
{
    char inside[sizeof f->file], who[sizeof f->who];
    memcpy(inside, f->file, sizeof inside);
    memcpy(who, f->who, sizeof who);
    f->file[0] = f->who[0] = '\0';
    if (inside[0] == '\0' || inside[0] == '/' || strlen(name) + 1 + strlen(inside) >= sizeof f->file)
        fault_file(f, f->err, name);
    else {
        memcpy(f->file, name, strlen(name));
        f->file[strlen(name)] = '/';
        memcpy(f->file + strlen(name) + 1, inside, strlen(inside) + 1);
    }
    fault_who(f, f->err, "%s%s%s", id, id[0] && who[0] ? ", " : "", who);
    return agg_refuse(run, name, id, snapshot, f);
}

/* Why an export does not count although nothing in it is wrong. */
static void why_not(const struct chain_report *r, struct fault *f)
{
    fault_clear(f);
    for (size_t i = 0; i < CHAIN_CHECK_COUNT; i++)
        if (i != CHAIN_CHECK_ANCHOR && r->check[i].verdict == VERIFY_NOT_CHECKED) {
            fault_set(f, ERR_UNVERIFIED, "%s: %s", chain_check_id(i), r->check[i].reason);
            return;
        }
    fault_set(f, ERR_EARLY, "voting goes on in this chain: its snapshot is not complete");
}

static err_t keep(struct agg_run *run, uint32_t chain, const char *name, const char *work,
                  struct chain_report *r, struct fault *f)
{
    if (array_room(&run->chain, run->chain_count + 1, &run->chain_cap, sizeof *run->chain, 4) != OK)
        return fault_set(f, ERR_MEMORY, "a chain export");
    struct agg_chain *c = &run->chain[run->chain_count];
    *c = (struct agg_chain){.chain = chain, .name = strdup(name), .work = strdup(work)};
    if (!c->name || !c->work) {
        free(c->name);
        free(c->work);
        return fault_set(f, ERR_MEMORY, "a chain export");
    }
    c->r = r;
    run->chain_count++;
    struct aggregate_event ev = {.kind = r->proved ? AGGREGATE_VERIFIED : AGGREGATE_KNOWN,
                                 .file = c->name,
                                 .place = chain_id(run, chain),
                                 .id = r->snapshot->id,
                                 .items = chain_sums_ballots(r->snapshot->sums)};
    if (r->proved)
        run->result->verified++;
    else
        run->result->known++;
    return agg_tell(run, &ev);
}

/* WORK/chains/HASH OF THE SNAPSHOT'S FILE; of a shard "-s" and its name behind it. */
static err_t work_path(char out[4096], const char *work_dir, const hash_t *snapshot, struct fault *f)
{
    char name[8 + 2 * HASH_LEN + 1] = "chains/";
    hex_put(name + 7, snapshot->b, HASH_LEN);
    return file_path(out, 4096, work_dir, name) == OK ? OK : fault_set(f, ERR_LIMIT, "the path is too long");
}

static err_t snapshot_hash(hash_t *out, const char *dir, struct fault *f)
{
    char path[4096];
    if (file_path(path, sizeof path, dir, SNAPSHOT) != OK)
        return fault_set(f, ERR_LIMIT, "the path is too long");
    return file_hash_max(out, path, CHAIN_SNAPSHOT_MAX, f);
}

static struct chain_verify_options options_of(struct watch *w)
{
    const struct aggregate_options *o = w->run->options;
    return (struct chain_verify_options){.threads = o->threads,
                                         .batch_points = o->batch_points,
                                         .window = o->window,
                                         .metrics = o->metrics,
                                         .ctx = w,
                                         .found = on_found,
                                         .progress = on_progress,
                                         .progress_ctx = w};
}

/* Where the machines of from have finished shards; freed with free_finished. */
static err_t finished_by(const struct agg_run *run, const hash_t *snapshot, char ***out, struct fault *f)
{
    char path[4096];
    *out = calloc(run->options->from_count + 1, sizeof(char *));
    if (!*out)
        return fault_set(f, ERR_MEMORY, "a chain export");
    for (size_t i = 0; i < run->options->from_count; i++) {
        TRY(work_path(path, run->options->from[i], snapshot, f));
        (*out)[i] = strdup(path);
        if (!(*out)[i])
            return fault_set(f, ERR_MEMORY, "a chain export");
    }
    return OK;
}

static void free_finished(char **list)
{
    for (size_t i = 0; list && list[i]; i++)
        free(list[i]);
    free(list);
}

static err_t verify(struct agg_run *run, struct watch *w, uint32_t chain, const char *dir, struct fault *f)
{
    char work[4096], **finished = NULL;
    struct chain_context ctx;
    struct chain_report *r = NULL;
    struct chain_verify_options o = options_of(w);
    hash_t snapshot;
    TRY(snapshot_hash(&snapshot, dir, f));
    TRY(work_path(work, run->work_dir, &snapshot, f));
    chain_context_init(&ctx, run->ctx, chain);
    err_t done = finished_by(run, &snapshot, &finished, f);
    o.work = work;
    o.finished = (const char *const *)finished;
    o.finished_count = run->options->from_count;
    if (done == OK)
        done = chain_verify(&r, &ctx, dir, &o, f);
    free_finished(finished);
    TRY(done);
    if (chain_report_counts(r)) {
        err_t e = keep(run, chain, w->name, work, r, f);
        if (run->chain_count == 0 || run->chain[run->chain_count - 1].r != r)
            chain_report_free(r);
        return e;
    }
    if (!w->has_first)
        why_not(r, &w->first);
    err_t e = refuse(run, w->name, w->id, r->snapshot ? &r->snapshot->id : NULL, &w->first);
    chain_report_free(r);
    return e;
}

/* --- a part: some of the shards --- */

static err_t one_shard(struct watch *w, const struct chain_context *ctx, const char *dir,
                       const hash_t *snapshot, const struct chain_shard *shard, struct fault *f)
{
    struct agg_run *run = w->run;
    struct chain_verify_options o = options_of(w);
    struct chain_report *r = NULL;
    char work[4096 + CHAIN_SHARD_MAX + 3];
    TRY(work_path(work, run->work_dir, snapshot, f));
    snprintf(work + strlen(work), CHAIN_SHARD_MAX + 3, "-s%s", shard->name.s);
    o.work = work;
    o.only = &shard->name;
    w->has_first = 0;
    TRY(chain_verify(&r, ctx, dir, &o, f));
    int good = !w->has_first && r->proved + r->known == shard->size;
    struct aggregate_event ev = {.kind = r->proved ? AGGREGATE_VERIFIED : AGGREGATE_KNOWN,
                                 .file = w->name,
                                 .place = w->id,
                                 .id = r->snapshot->id,
                                 .items = shard->size};
    if (good)
        *(r->proved ? &run->result->verified : &run->result->known) += 1;
    else if (!w->has_first)
        why_not(r, &w->first);
    err_t e = good ? agg_tell(run, &ev) : refuse(run, w->name, w->id, &r->snapshot->id, &w->first);
    chain_report_free(r);
    return e;
}

/* What is wrong with the rest is found by the run over everything. */
static err_t some_shards(struct watch *w, uint32_t chain, const char *dir, struct fault *f)
{
    struct agg_run *run = w->run;
    char path[4096];
    struct chain_context ctx;
    struct chain_snapshot *s = NULL;
    struct fault why;
    uint8_t *data = NULL;
    size_t len;
    hash_t snapshot;
    fault_clear(&why);
    chain_context_init(&ctx, run->ctx, chain);
    TRY(snapshot_hash(&snapshot, dir, f));
    if (file_path(path, sizeof path, dir, SNAPSHOT) != OK)
        return fault_set(f, ERR_LIMIT, "the path is too long");
    TRY(file_read(&data, &len, path, CHAIN_SNAPSHOT_MAX, f));
    err_t e = chain_snapshot_parse_var(&s, &ctx, data, len, &why);
    free(data);
    if (e == ERR_MEMORY)
        return fault_set(f, e, "a chain export");
    if (e != OK)
        return refuse(run, w->name, w->id, NULL, &why);
    for (size_t i = 0; i < s->shard_count && e == OK; i++)
        if (s->shard[i].size > 0 && run->shard_seen++ % run->options->parts == run->options->part - 1)
            e = one_shard(w, &ctx, dir, &snapshot, &s->shard[i], f);
    chain_snapshot_free(s);
    return e;
}

err_t agg_chain_add(struct agg_run *run, const char *name, struct fault *f)
{
    struct watch w = {.run = run, .name = name, .id = ""};
    char dir[4096];
    struct fault why;
    uint32_t chain;
    fault_clear(&why);
    run->result->files++;
    if (file_path(dir, sizeof dir, run->exports_dir, name) != OK || strlen(name) >= 256) {
        fault_set(&why, ERR_LIMIT, "the file name is too long");
        return refuse(run, name, "", NULL, &why);
    }
    err_t e = chain_export_chain(&chain, run->ctx, dir, &why);
    if (e == ERR_MISSING) {
        fault_clear(&why);
        e = fault_set(&why, ERR_FORMAT, "not a regular file, nor the export of a voting chain");
    }
    if (e != OK && err_class(e) == CLASS_SYSTEM) {
        *f = why;
        return e;
    }
    if (e != OK)
        return refuse(run, name, "", NULL, &why);
    w.id = chain_id(run, chain);
    return run->options->parts ? some_shards(&w, chain, dir, f) : verify(run, &w, chain, dir, f);
}

/* --- settling --- */

static int by_chain(const void *a, const void *b)
{
    const struct agg_chain *x = a, *y = b;
    if (x->chain != y->chain)
        return x->chain < y->chain ? -1 : 1;
    int c = hash_cmp(&x->r->snapshot->id, &y->r->snapshot->id);
    return c ? c : strcmp(x->name, y->name);
}

static err_t refuse_one(struct agg_run *run, struct agg_chain *c, err_t e, const char *why)
{
    struct fault f;
    fault_clear(&f);
    fault_set(&f, e, "%s", why);
    return refuse(run, c->name, chain_id(run, c->chain), &c->r->snapshot->id, &f);
}

/* Where two exports of a chain differ is kept as evidence: WORK/evidence/CHAIN-SHARD-HEIGHT-ID.cose, twice.
 */
static err_t keep_fork(struct agg_run *run, const struct agg_chain *a, const struct agg_chain *b, char *out,
                       size_t size, struct fault *f)
{
    struct chain_context ctx;
    char dir[2][4096], evidence[4096], path[4096], name[TEXT_ID_MAX + 80], hex[17];
    const char *const dirs[2] = {dir[0], dir[1]};
    struct chain_snapshot *const s[2] = {a->r->snapshot, b->r->snapshot};
    struct chain_fork fork;
    chain_context_init(&ctx, run->ctx, a->chain);
    snprintf(out, size, "different snapshots of this chain, all of them final and complete");
    if (file_path(dir[0], sizeof dir[0], run->exports_dir, a->name) != OK ||
        file_path(dir[1], sizeof dir[1], run->exports_dir, b->name) != OK ||
        file_path(evidence, sizeof evidence, run->work_dir, "evidence") != OK)
        return fault_set(f, ERR_LIMIT, "the path is too long");
    err_t e = chain_fork_find(&fork, &ctx, dirs, s, f);
    if (e == ERR_MISSING)
        return OK;
    TRY(e);
    TRY(file_mkdir(evidence, f));
    for (size_t i = 0; i < 2; i++) {
        hex_put(hex, fork.header[i].id.b, 8);
        snprintf(name, sizeof name, "%s-s%s-%llu-%s.cose", ctx.c->id, fork.shard.s,
                 (unsigned long long)fork.height, hex);
        if (file_path(path, sizeof path, evidence, name) != OK)
            return fault_set(f, ERR_LIMIT, "the path is too long");
        TRY(file_write(path, fork.header[i].data, fork.header[i].len, FILE_REPLACE, f));
    }
    snprintf(out, size,
             "different snapshots of this chain, final and complete; its key signed two headers %llu of "
             "shard s%s, which are "
             "kept in the folder evidence of the work directory",
             (unsigned long long)fork.height, fork.shard.s);
    return OK;
}

/* Which ballots, in which order. */
static void ballots_hash(hash_t *out, const struct chain_snapshot *s)
{
    struct hash_ctx h;
    hash_init(&h);
    for (size_t i = 0; i < s->shard_count; i++) {
        hash_add(&h, s->shard[i].name.s, strlen(s->shard[i].name.s) + 1);
        hash_add(&h, s->shard[i].root.b, HASH_LEN); /* of so many, as it is that of a tree */
    }
    hash_end(&h, out);
}

/* Nobody can add to a chain that is complete: one that was counted here, perhaps for a plan that was
 * decrypted, has the same ballots ever after. */
static err_t take_first(struct agg_run *run, struct agg_chain *c, struct fault *f)
{
    char name[TEXT_ID_MAX + 16];
    hash_t ballots;
    int same;
    snprintf(name, sizeof name, "chain:%s", chain_id(run, c->chain));
    ballots_hash(&ballots, c->r->snapshot);
    TRY(agg_remember(run->ix, name, ballots.b, HASH_LEN, &same, f));
    c->is_taken = same;
    return same ? OK
                : refuse_one(run, c, ERR_EQUIVOCATION,
                             "a final and complete snapshot with other ballots was counted here before: its "
                             "validators signed two pasts of this chain");
}

err_t agg_chain_settle(struct agg_run *run, struct fault *f)
{
    if (run->chain_count)
        qsort(run->chain, run->chain_count, sizeof *run->chain, by_chain);
    for (size_t i = 0, k; i < run->chain_count; i = k) {
        char why[400] = "";
        for (k = i + 1; k < run->chain_count && run->chain[k].chain == run->chain[i].chain; k++)
            if (why[0] == '\0' &&
                hash_cmp(&run->chain[k].r->snapshot->id, &run->chain[i].r->snapshot->id) != 0)
                TRY(keep_fork(run, &run->chain[i], &run->chain[k], why, sizeof why, f));
        for (size_t j = i; j < k; j++) {
            struct agg_chain *c = &run->chain[j];
            if (j > i && hash_cmp(&c->r->snapshot->id, &c[-1].r->snapshot->id) == 0)
                TRY(refuse_one(run, c, ERR_DUPLICATE, "a copy of an export that is here under another name"));
            else if (why[0] != '\0')
                TRY(refuse_one(run, c, ERR_CONFLICT, why));
            else
                TRY(take_first(run, c, f));
        }
    }
    return OK;
}

static struct agg_chain *taken(const struct agg_run *run, int chain)
{
    for (size_t i = 0; i < run->chain_count; i++)
        if (run->chain[i].is_taken && run->chain[i].chain == (uint32_t)chain)
            return &run->chain[i];
    return NULL;
}

static err_t add_id(void *ctx, const struct chain_spooled *b, struct fault *f)
{
    return id_sort_add(ctx, &b->id, b->place, b->at | AGG_CHAIN_BALLOT, f);
}

err_t agg_chain_ids(struct agg_run *run, struct id_sort *ids, struct fault *f)
{
    for (size_t i = 0; i < run->chain_count; i++) {
        struct agg_chain *c = &run->chain[i];
        struct chain_context ctx;
        chain_context_init(&ctx, run->ctx, c->chain);
        if (c->is_taken)
            TRY(chain_spool_each(&ctx, c->work, &c->r->snapshot->id, add_id, ids, f));
    }
    return OK;
}

err_t agg_chain_drop(struct agg_run *run, const hash_t *id, uint32_t place, uint64_t at, struct fault *f)
{
    struct agg_chain *c = taken(run, places_chain(run->ctx->places, place));
    if (!c)
        return fault_set(f, ERR_BUG, "a ballot of no chain");
    if (array_room(&c->drop, c->drop_count + 1, &c->drop_cap, sizeof *c->drop, 16) != OK)
        return fault_set(f, ERR_MEMORY, "ballots of a chain that do not count");
    c->drop[c->drop_count++] = (struct chain_spooled){.id = *id, .place = place, .at = at};
    return OK;
}

static int by_number(const void *a, const void *b)
{
    const struct chain_spooled *x = a, *y = b;
    return (x->at > y->at) - (x->at < y->at);
}

static int by_place(const void *a, const void *b)
{
    const struct chain_spooled *x = a, *y = b;
    if (x->place != y->place)
        return x->place < y->place ? -1 : 1;
    return hash_cmp(&x->id, &y->id);
}

struct leaves {
    struct agg_chain *c;
    size_t next;
};

static err_t take_leaf(void *ctx, const struct chain_spooled *b, struct fault *f)
{
    struct leaves *l = ctx;
    (void)f;
    if (l->next < l->c->drop_count && l->c->drop[l->next].at == b->at)
        l->c->drop[l->next++] = *b;
    return OK;
}

/* What the ballots that do not count contribute is read from the export again, and compared with what was
 * verified. */
err_t agg_chain_dropped(struct agg_run *run, struct fault *f)
{
    for (size_t i = 0; i < run->chain_count; i++) {
        struct agg_chain *c = &run->chain[i];
        struct leaves l = {c, 0};
        struct chain_context ctx;
        char dir[4096];
        if (c->drop_count == 0)
            continue;
        chain_context_init(&ctx, run->ctx, c->chain);
        qsort(c->drop, c->drop_count, sizeof *c->drop, by_number);
        TRY(chain_spool_each(&ctx, c->work, &c->r->snapshot->id, take_leaf, &l, f));
        TRY(chain_sums_new(&c->gone, &ctx));
        if (file_path(dir, sizeof dir, run->exports_dir, c->name) != OK)
            return fault_set(f, ERR_LIMIT, "the path of an export is too long");
        TRY(chain_find_ballots(c->gone, &ctx, dir, c->r->snapshot, c->drop, c->drop_count, f));
        qsort(c->drop, c->drop_count, sizeof *c->drop, by_place);
    }
    return OK;
}

/* --- records --- */

static err_t list_dropped(const struct agg_chain *c, struct node *n)
{
    size_t from = 0, to;
    while (from < c->drop_count && c->drop[from].place < n->place)
        from++;
    for (to = from; to < c->drop_count && c->drop[to].place == n->place;)
        to++;
    if (from == to)
        return OK;
    n->dropped = malloc((to - from) * sizeof *n->dropped);
    if (!n->dropped)
        return ERR_MEMORY;
    for (size_t i = from; i < to; i++)
        n->dropped[n->dropped_count++] = c->drop[i].id;
    return OK;
}

err_t agg_chain_fill(struct agg_run *run, struct node *n, struct fault *f)
{
    struct agg_chain *c = taken(run, places_chain(run->ctx->places, n->place));
    struct chain_context ctx;
    if (!c)
        return ERR_MISSING;
    chain_context_init(&ctx, run->ctx, c->chain);
    size_t row = (size_t)chain_row_of(&ctx, n->place);
    const struct chain_row *sum = &c->r->snapshot->sums->row[row];
    n->source = malloc(sizeof *n->source);
    if (!n->source)
        return fault_set(f, ERR_MEMORY, "the record of a place");
    n->source[0] = (struct node_source){n->place, c->r->snapshot->id};
    n->source_count = n->source_cap = 1;
    TRY(tallies_add_var(n->tallies, sum->t));
    n->ballots = sum->ballots;
    TRY(list_dropped(c, n));
    if (n->dropped_count == 0)
        return OK;
    TRY(tallies_sub_var(n->tallies, c->gone->row[row].t));
    n->ballots -= n->dropped_count;
    return OK;
}

void agg_chain_free(struct agg_run *run)
{
    for (size_t i = 0; i < run->chain_count; i++) {
        struct agg_chain *c = &run->chain[i];
        chain_report_free(c->r);
        chain_sums_free(c->gone);
        free(c->drop);
        free(c->name);
        free(c->work);
    }
    free(run->chain);
    run->chain = NULL;
    run->chain_count = run->chain_cap = 0;
}
