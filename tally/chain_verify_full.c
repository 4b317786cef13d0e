/* Every ballot of every shard: trees and running tallies at every header, order, and no id twice. */
#include <omp.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ceremony/base/file.h"
#include "tally/chain_verify_full.h"

#define SAVE_SECONDS 10
#define ID_MEMORY ((size_t)48 << 20)
#define BATCH_BYTES_MAX ((size_t)64 << 20) /* two of them */

struct full {
    struct chain_run *v;
    struct chain_keep *keep;
    struct ballot_layout *layout;
    int threads;
    struct chain_worker **worker;
    struct chain_batch batch[2];
    struct chain_progress at;
    time_t saved;
    /* the shard at hand */
    const struct chain_shard *shard, *old; /* old: in the trusted snapshot, or NULL */
    hash_t previous;
    int has_previous;
    int trees_bad, said_bad, tally_bad;
    int unsaid;           /* a shard was not looked at to its end */
    struct id_sort *sort; /* without a work directory; else they are spooled there */
    uint64_t first;       /* ballot of an id that is there twice */
    uint64_t *start;      /* of each shard in the spool */
    uint64_t *before;     /* ballots of the shards before it, as the snapshot counts them */
    uint64_t from, to;    /* shards to be looked at */
};

static const char *shard_file(const struct full *x, char out[CHAIN_FILE_MAX], const char *kind,
                              const char *suffix)
{
    chain_shard_file(out, kind, x->shard, suffix);
    return out;
}

/* --- ballot after ballot --- */

static void anchor_at(struct full *x, uint64_t size)
{
    struct chain_run *v = x->v;
    hash_t root;
    for (size_t i = 0; i < v->o->anchor_count; i++) {
        const struct chain_anchor *a = &v->o->anchor[i];
        if (a->size != size || strcmp(a->shard.s, x->shard->name.s) != 0 || v->anchor_seen[i])
            continue;
        v->anchor_seen[i] = 1;
        merkle_root(&x->at.leaves, &root);
        chain_anchor_compare(v, (size_t)x->at.shard, a, &root);
    }
}

static void check_said(struct full *x, const struct chain_slot *s, uint64_t number)
{
    char file[CHAIN_FILE_MAX];
    int id = (s->has_said & 1) && !s->unread && hash_cmp(&s->id, &s->said_id) != 0;
    int leaf = (s->has_said & 2) && hash_cmp(&s->leaf, &s->said_leaf) != 0;
    if (x->said_bad || s->kind == SLOT_KNOWN || (!id && !leaf))
        return;
    x->said_bad = 1;
    chain_failf(x->v, CHAIN_CHECK_TREES, ERR_MISMATCH, shard_file(x, file, id ? "ids" : "leaves", ""),
                (int64_t)x->at.shard, "ballot %llu is another one than in the segment",
                (unsigned long long)number);
}

static err_t tell_id(struct full *x, const struct chain_spooled *b, struct fault *f)
{
    const struct chain_verify_options *o = x->v->o;
    if (o->ballot != NULL)
        TRY(o->ballot(o->ballot_ctx, b, f));
    return x->sort == NULL ? OK : id_sort_add(x->sort, &b->id, b->place, b->at, f);
}

static err_t put_id(struct full *x, const struct chain_slot *s, uint64_t number, struct fault *f)
{
    uint64_t at = x->before[x->at.shard] + number;
    struct chain_spooled b = {s->id, s->unread ? CHAIN_UNREAD : s->place, at, {0}};
    memcpy(b.leaf, s->leaf.b, sizeof b.leaf);
    x->at.spooled++;
    if (x->keep != NULL)
        return chain_keep_put(x->keep, &b, f);
    return s->unread ? OK : tell_id(x, &b, f);
}

static err_t take_slot(struct full *x, const struct chain_slot *s, uint64_t number, struct fault *f)
{
    struct chain_run *v = x->v;
    merkle_add(&x->at.leaves, &s->leaf);
    if (s->unread)
        x->has_previous = 0;
    else {
        hash_t leaf;
        merkle_leaf(&leaf, s->id.b, HASH_LEN);
        merkle_add(&x->at.ids, &leaf);
        if (!chain_shard_has(&x->shard->name, &s->id))
            chain_failf(v, CHAIN_CHECK_ORDER, ERR_RULE, NULL, (int64_t)x->at.shard,
                        "ballot %llu is of another shard by its id", (unsigned long long)number);
        if (x->has_previous && hash_cmp(&x->previous, &s->id) > 0)
            chain_failf(v, CHAIN_CHECK_ORDER, ERR_RULE, NULL, (int64_t)x->at.shard,
                        "ballot %llu: not sorted by ballot id within its block", (unsigned long long)number);
        x->previous = s->id;
        x->has_previous = 1;
    }
    if (v->o->anchor_count)
        anchor_at(x, number + 1);
    check_said(x, s, number);
    if (s->kind == SLOT_FULL)
        x->at.checked++;
    else if (s->kind == SLOT_KNOWN && (x->old == NULL || number >= x->old->size))
        x->at.pruned++;
    else
        x->at.trusted++;
    x->at.partial |= s->kind != SLOT_FULL || s->unsummed;
    return put_id(x, s, number, f);
}

/* --- header after header --- */

static void check_trees(struct full *x, const struct chain_header *h)
{
    hash_t leaves, ids;
    merkle_root(&x->at.leaves, &leaves);
    merkle_root(&x->at.ids, &ids);
    int l = hash_cmp(&leaves, &h->root) != 0, i = hash_cmp(&ids, &h->ids) != 0;
    if (x->trees_bad || (!l && !i))
        return;
    x->trees_bad = 1; /* as all that follow are, too */
    chain_failf(x->v, CHAIN_CHECK_TREES, ERR_HASH, NULL, (int64_t)x->at.shard,
                "header %llu: %s of the %llu ballots here is not the root that it signs",
                (unsigned long long)h->height, l ? "the tree" : "the tree of ids",
                (unsigned long long)h->size);
}

static err_t check_tally(struct full *x, const struct chain_header *h)
{
    hash_t have;
    if (x->at.partial) {
        x->at.no_tally++;
        if (x->old != NULL && h->height + 1 == x->old->headers) {
            x->at.trusted_tally = h->tally;
            x->at.no_tally = 0;
        }
        return OK;
    }
    if (x->tally_bad)
        return OK;
    TRY(chain_running_hash(&have, x->v->ctx, x->at.running));
    if (hash_cmp(&have, &h->tally) == 0)
        return OK;
    x->tally_bad = 1;
    chain_failf(x->v, CHAIN_CHECK_TALLY, ERR_SUM, NULL, (int64_t)x->at.shard,
                "header %llu: the running tally that it signs is not the sum of the ballots",
                (unsigned long long)h->height);
    return OK;
}

/* What was found out about single ballots, up to this one. */
static void tell(struct full *x, const struct chain_batch *b, size_t slot, size_t *piece, size_t *next)
{
    for (; *piece < b->piece_count; ++*piece, *next = 0) {
        const struct chain_piece *p = &b->piece[*piece];
        for (; *next < p->trouble_count && p->trouble[*next].slot <= slot; ++*next) {
            const struct chain_trouble *t = &p->trouble[*next];
            chain_failf(x->v, t->check, t->f.err, NULL, (int64_t)x->at.shard, "ballot %llu: %s",
                        (unsigned long long)(b->first + t->slot), t->f.detail);
        }
        if (slot + 1 < p->first + p->count)
            return;
    }
}

static err_t add_sums(struct full *x, const struct chain_batch *b, size_t block, size_t *piece, size_t *next)
{
    for (; *piece < b->piece_count; ++*piece, *next = 0) {
        const struct chain_piece *p = &b->piece[*piece];
        for (; *next < p->sum_count && p->sum[*next].block == block; ++*next) {
            const struct chain_part_sum *s = &p->sum[*next];
            TRY(chain_sums_add_tallies_var(x->at.running, x->v->ctx, s->place, s->t, s->ballots));
        }
        if (*next < p->sum_count)
            return OK;
    }
    return OK;
}

/* In order: ballots, sums, headers. */
static err_t consume(struct full *x, const struct chain_batch *b, struct fault *f)
{
    size_t slot = 0, sum_piece = 0, sum = 0, told_piece = 0, told = 0;
    for (size_t k = 0; k < b->block_count; k++) {
        const struct chain_block *block = &b->block[k];
        size_t end = block->complete ? block->end : b->slot_count;
        for (; slot < end; slot++) {
            tell(x, b, slot, &told_piece, &told);
            TRY(take_slot(x, &b->slot[slot], b->first + slot, f));
        }
        TRY(add_sums(x, b, k, &sum_piece, &sum));
        if (!block->complete)
            continue;
        x->has_previous = 0;
        check_trees(x, &block->h);
        TRY(check_tally(x, &block->h));
    }
    return OK;
}

/* --- a batch is checked while the next one is read --- */

static err_t work(struct full *x, struct chain_batch *now, struct chain_batch *next, struct chain_feed *d,
                  size_t bytes, struct fault *f)
{
    chain_batch_clear(next);
    err_t e = chain_batch_cut(now, (size_t)x->threads);
    if (e != OK)
        return e;
#pragma omp parallel num_threads(x->threads)
#pragma omp single
    {
        if (!now->last && !now->broken) {
#pragma omp task
            chain_feed_fill(d, next, bytes);
        }
        for (size_t i = 0; i < now->piece_count; i++) {
#pragma omp task firstprivate(i)
            {
                metrics_set(x->v->o->metrics, METRIC_VERIFY_QUEUE, (double)(now->piece_count - i - 1));
                chain_piece_check(x->worker[omp_get_thread_num()], now, &now->piece[i]);
            }
        }
    }
    for (size_t i = 0; i < now->piece_count; i++)
        if (now->piece[i].err != OK) {
            if (f != NULL)
                *f = now->piece[i].fault;
            return now->piece[i].err;
        }
    return consume(x, now, f);
}

/* --- the end of a shard --- */

/* What its ballots before the trusted snapshot were added up to follows from the last running tally. */
static err_t check_trusted_tally(struct full *x, struct fault *f)
{
    char file[CHAIN_FILE_MAX], path[CHAIN_PATH_MAX];
    struct chain_sums *end = NULL;
    struct fault why;
    uint8_t *data = NULL;
    size_t len;
    hash_t have;
    err_t e;
    fault_clear(&why);
    GO(chain_path(x->v, path, shard_file(x, file, "tallies", ".cbor"), f));
    GO(chain_sums_new(&end, x->v->ctx));
    GO(file_read(&data, &len, path, CHAIN_SNAPSHOT_MAX, &why));
    GO(chain_running_parse_var(end, x->v->ctx, data, len, &why));
    e = chain_sums_sub_var(end, x->at.running);
    if (e == OK)
        e = chain_running_hash(&have, x->v->ctx, end);
    if (e == ERR_SUM || (e == OK && hash_cmp(&have, &x->at.trusted_tally) != 0)) {
        chain_failf(x->v, CHAIN_CHECK_TALLY, ERR_SUM, file, (int64_t)x->at.shard,
                    "less the ballots behind the trusted snapshot it is not the running tally there");
        e = OK;
    }
out:
    chain_sums_free(end);
    free(data);
    if (e == OK)
        return OK;
    chain_skip(x->v, CHAIN_CHECK_TALLY, "the running tally of shard s%s cannot be read", x->shard->name.s);
    return why.err == OK ? e : chain_file(x->v, CHAIN_CHECK_FORM, e, &why, file, (int64_t)x->at.shard, f);
}

static err_t end_shard(struct full *x, uint64_t pruned_before, struct fault *f)
{
    struct chain_run *v = x->v;
    int after_trust = x->old != NULL && x->old->size > 0;
    if (after_trust && x->at.pruned == pruned_before && !v->r->check[CHAIN_CHECK_BALLOTS].failures)
        TRY(check_trusted_tally(x, f));
    else if (after_trust)
        chain_skip(v, CHAIN_CHECK_TALLY,
                   "shard s%s: not all ballots behind the trusted snapshot are here and good",
                   x->shard->name.s);
    if (after_trust && x->at.no_tally > 1) {
        x->at.untold += x->at.no_tally - 1;
        chain_skip(v, CHAIN_CHECK_TALLY,
                   "shard s%s: the running tallies of %llu headers behind the trusted snapshot are not "
                   "compared one by one",
                   x->shard->name.s, (unsigned long long)(x->at.no_tally - 1));
    }
    if (!after_trust && x->at.partial)
        chain_skip(v, CHAIN_CHECK_TALLY, "shard s%s: not all ballots are here or can be read",
                   x->shard->name.s);
    return OK;
}

static void begin_shard(struct full *x)
{
    struct chain_run *v = x->v;
    x->shard = &v->s->shard[x->at.shard];
    x->old = v->trusted != NULL
                 ? chain_shard_find(v->trusted->shard, v->trusted->shard_count, x->shard->name.s)
                 : NULL;
    x->has_previous = x->trees_bad = x->said_bad = x->tally_bad = 0;
}

static err_t start_of(struct full *x)
{
    x->at.at = (struct chain_resume){0};
    chain_link_start(x->v, &x->at.at.link, (size_t)x->at.shard);
    merkle_init(&x->at.leaves);
    merkle_init(&x->at.ids);
    x->at.partial = 0;
    x->at.no_tally = 0;
    memset(&x->at.trusted_tally, 0, sizeof x->at.trusted_tally);
    chain_sums_free(x->at.running);
    x->at.running = NULL;
    return chain_sums_new(&x->at.running, x->v->ctx);
}

static int no_failure(const struct chain_run *v)
{
    for (size_t i = 0; i < CHAIN_CHECK_COUNT; i++)
        if (v->r->check[i].failures)
            return 0;
    return 1;
}

/* Where to go on is kept only as long as everything is good and there: what is wrong, and why something was
 * not looked at, is found again by the next run, and what was pruned may be there then. */
static err_t save(struct full *x, int now, struct fault *f)
{
    time_t t = time(NULL);
    if (!no_failure(x->v) || x->unsaid || x->at.pruned || (!now && t - x->saved < SAVE_SECONDS))
        return OK;
    x->saved = t;
    return chain_keep_save(x->keep, x->v, &x->at, f);
}

/* What cannot be said as a shard cannot be read; without: the check that says why. */
static void cannot_say(struct full *x, enum chain_check without, const char *why, uint64_t behind)
{
    static const enum chain_check c[] = {CHAIN_CHECK_BALLOTS, CHAIN_CHECK_ORDER, CHAIN_CHECK_TREES,
                                         CHAIN_CHECK_TALLY, CHAIN_CHECK_IDS};
    x->unsaid = 1;
    for (size_t i = 0; i < sizeof c / sizeof *c; i++)
        if (c[i] != without)
            chain_skip(x->v, c[i], "shard s%s: %s behind ballot %llu", x->shard->name.s, why,
                       (unsigned long long)behind);
}

static err_t run_shard(struct full *x, struct fault *f)
{
    size_t bytes = 2 * CHAIN_PIECE_BYTES * (size_t)x->threads, turn = 0;
    uint64_t pruned = x->at.pruned;
    struct chain_feed *d = NULL;
    struct chain_batch *b;
    err_t e;
    if (bytes > BATCH_BYTES_MAX)
        bytes = BATCH_BYTES_MAX;
    GO(chain_feed_open(&d, x->v, (size_t)x->at.shard, &x->at.at, f));
    chain_batch_clear(&x->batch[0]);
    chain_feed_fill(d, &x->batch[0], bytes);
    do {
        b = &x->batch[turn % 2];
        if (b->err != OK && !b->broken) {
            if (f != NULL)
                *f = b->fault;
            e = b->err;
            goto out;
        }
        GO(work(x, b, &x->batch[++turn % 2], d, bytes, f));
        if (b->broken) {
            GO(chain_file(x->v, b->check, b->err, &b->fault, b->file, (int64_t)x->at.shard, f));
            cannot_say(x, b->check, "it cannot be read", b->first + b->slot_count);
            x->at.partial = 1;
        }
        if (b->at_boundary)
            x->at.at = b->resume;
        err_t stop = chain_tick(x->v, b->slot_count);
        if (b->at_boundary && !b->last && !b->broken)
            GO(save(x, stop == ERR_STOPPED, f));
        GO(stop);
    } while (!b->last && !b->broken);
    if (!b->broken)
        e = end_shard(x, pruned, f);
out:
    chain_feed_close(d);
    return e;
}

/* --- ids --- */

struct spooled {
    struct full *x;
    size_t shard;
};

static err_t told_twice(void *ctx, const struct id_copy *c, int first, struct fault *f)
{
    struct full *x = ctx;
    struct fault why;
    (void)f;
    if (first) {
        x->first = c->position;
        return OK;
    }
    chain_twice(&why, x->v->s, &c->id, c->position, x->first);
    chain_fail(x->v, CHAIN_CHECK_IDS, &why);
    return OK;
}

static err_t sort_spooled(void *ctx, const struct chain_spooled *b, struct fault *f)
{
    struct spooled *t = ctx;
    struct full *x = t->x;
    struct chain_spooled copy = *b;
    while (t->shard + 1 < x->to && b->at >= x->start[t->shard + 1])
        t->shard++;
    if (b->place == CHAIN_UNREAD)
        return OK;
    copy.at = x->before[t->shard] + b->at - x->start[t->shard];
    return tell_id(x, &copy, f);
}

static err_t check_ids(struct full *x, struct fault *f)
{
    struct spooled t = {.x = x, .shard = x->from};
    if (x->keep != NULL) {
        err_t e = x->v->o->only == NULL ? id_sort_new(&x->sort, ID_MEMORY) : OK;
        if (e == OK)
            e = chain_keep_each(x->keep, x->at.spooled, sort_spooled, &t, f);
        if (e != OK)
            return e;
    }
    if (x->sort == NULL)
        return OK;
    id_sort_observe(x->sort, x->v->o->metrics);
    return id_sort_finish(x->sort, told_twice, x, f);
}

/* --- the whole --- */

/* Which shards, and where they begin. */
static err_t open_shards(struct full *x)
{
    struct chain_run *v = x->v;
    const struct chain_verify_options *o = v->o;
    size_t count = v->s->shard_count;
    x->start = calloc(count + 1, sizeof *x->start);
    x->before = calloc(count + 1, sizeof *x->before);
    if (x->start == NULL || x->before == NULL)
        return ERR_MEMORY;
    for (size_t i = 0; i < count; i++)
        x->before[i + 1] = x->before[i] + v->s->shard[i].size;
    x->to = count;
    if (o->only == NULL)
        return OK;
    const struct chain_shard *only = chain_shard_find(v->s->shard, count, o->only->s);
    if (only == NULL)
        return ERR_UNKNOWN;
    x->from = (uint64_t)(only - v->s->shard);
    x->to = x->from + 1;
    v->total = only->size;
    return OK;
}

static err_t open_all(struct full *x, struct fault *f)
{
    struct chain_run *v = x->v;
    TRY(open_shards(x));
    if (v->o->said != NULL)
        return OK;
    err_t e = ballot_layout_new(&x->layout, v->ctx->e);
    if (e != OK)
        return fault_set(f, e, "reading ballots of a chain");
    x->threads = omp_get_max_threads();
    ballot_layout_observe(x->layout, v->o->metrics);
    ballot_layout_set_window(x->layout, v->o->window);
    metrics_set(v->o->metrics, METRIC_VERIFY_THREADS, x->threads);
    x->worker = calloc((size_t)x->threads, sizeof *x->worker);
    if (x->worker == NULL)
        return ERR_MEMORY;
    for (int i = 0; i < x->threads; i++)
        TRY(chain_worker_new(&x->worker[i], v, x->layout, (size_t)x->threads));
    x->at.shard = x->from;
    if (v->o->work != NULL)
        TRY(chain_keep_open(&x->keep, v, &x->at, f));
    if (x->at.spooled == 0 && !x->at.inside) /* new, or nothing was finished */
        x->at.shard = x->from;
    if (x->at.shard < x->from || x->at.shard > x->to)
        return fault_set(f, ERR_FORMAT, "the work directory is of another run");
    chain_feed_expect(v, &x->at);
    if (v->o->work == NULL)
        return v->o->only == NULL ? id_sort_new(&x->sort, ID_MEMORY) : OK;
    for (uint64_t i = x->from; i < x->to; i++) /* those behind x->at.shard are set when they begin */
        x->start[i + 1] = x->start[i] + v->s->shard[i].size;
    return OK;
}

static void close_all(struct full *x)
{
    for (int i = 0; x->worker != NULL && i < x->threads; i++)
        chain_worker_free(x->worker[i]);
    free(x->worker);
    ballot_layout_free(x->layout);
    chain_batch_free(&x->batch[0]);
    chain_batch_free(&x->batch[1]);
    chain_sums_free(x->at.running);
    chain_keep_close(x->keep);
    id_sort_free(x->sort);
    free(x->start);
    free(x->before);
}

static err_t take_said(struct full *x, struct fault *f)
{
    struct chain_run *v = x->v;
    struct chain_said said = {0};
    TRY(v->o->said(v->o->said_ctx, (size_t)x->at.shard, &said, f));
    for (size_t i = 0; i < CHAIN_CHECK_COUNT; i++) {
        if (said.failures[i])
            v->r->check[i].verdict = VERIFY_FAIL;
        v->r->check[i].failures += said.failures[i];
        if (said.reason[i] != NULL)
            chain_skip(v, (enum chain_check)i, "%s", said.reason[i]);
    }
    x->at.checked += said.proved;
    x->at.pruned += said.pruned;
    return chain_tick(v, x->shard->size);
}

/* What a run with `only` has finished. */
static err_t take_finished(struct full *x, int *taken, struct fault *f)
{
    struct chain_run *v = x->v;
    char dir[CHAIN_PATH_MAX];
    *taken = 0;
    for (size_t i = 0; i < v->o->finished_count && x->keep != NULL && !v->bad_shard[x->at.shard]; i++) {
        int n = snprintf(dir, sizeof dir, "%s-s%s", v->o->finished[i], x->shard->name.s);
        if (n < 0 || (size_t)n >= sizeof dir)
            return fault_set(f, ERR_LIMIT, "the path of a work directory is too long");
        TRY(chain_keep_take(x->keep, v, x->shard, dir, taken, f));
        if (!*taken)
            continue;
        x->at.spooled += x->shard->size;
        x->at.checked += x->shard->size;
        v->r->known += x->shard->size;
        return chain_tick(v, x->shard->size);
    }
    return OK;
}

static err_t run_all(struct full *x, struct fault *f)
{
    struct chain_run *v = x->v;
    v->done = x->at.spooled;
    v->r->known = x->at.checked;
    if (x->at.untold)
        chain_skip(v, CHAIN_CHECK_TALLY,
                   "the running tallies of %llu headers behind the trusted snapshot were not compared one by "
                   "one by the run before",
                   (unsigned long long)x->at.untold);
    for (; x->at.shard < x->to; x->at.shard++, x->at.inside = 0) {
        begin_shard(x);
        if (!x->at.inside)
            x->start[x->at.shard] = x->at.spooled;
        if (x->shard->headers == 0)
            continue;
        if (v->o->said != NULL) {
            TRY(take_said(x, f));
            continue;
        }
        if (!x->at.inside) {
            int taken = 0;
            TRY(take_finished(x, &taken, f));
            if (taken)
                continue;
            TRY(start_of(x));
        }
        x->at.inside = 1;
        if (v->bad_shard[x->at.shard]) {
            cannot_say(x, CHAIN_CHECK_HEADERS, "its headers cannot be followed, nothing was looked at", 0);
            continue;
        }
        TRY(run_shard(x, f));
    }
    if (x->at.running == NULL)
        TRY(chain_sums_new(&x->at.running, v->ctx));
    x->at.inside = 2;
    return save(x, 1, f);
}

err_t chain_verify_full(struct chain_run *v, struct fault *f)
{
    struct full x = {.v = v, .saved = time(NULL)};
    err_t e;
    GO(open_all(&x, f));
    GO(run_all(&x, f));
    GO(check_ids(&x, f));
    v->r->proved = x.at.checked - v->r->known;
    v->r->trusted = x.at.trusted;
    v->r->pruned = x.at.pruned;
    if (x.at.pruned && v->o->only == NULL)
        chain_skip(v, CHAIN_CHECK_BALLOTS, "%llu ballots were pruned", (unsigned long long)x.at.pruned);
out:
    close_all(&x);
    if (e != OK && f != NULL && f->err == OK)
        fault_set(f, e, "verifying a chain");
    return e;
}
