/* One shard of a voting chain as a piece of its own: made for a partial report, and taken from one. */
#include "tally/verify_shard.h"

#include <stdlib.h>
#include <string.h>

#include "ceremony/base/file.h"
#include "tally/id_sort.h"
#include "tally/verify_piece.h"

#define NAME_MAX_HERE 63 /* of a file inside the chain's directory; no good one is longer */

struct making {
    struct verify_chain_run r;
    struct chain_shard_name name;
    uint64_t ids;
    struct verify_outcome outcome[CHAIN_CHECK_COUNT];
    size_t left_count, left_cap;
    struct part_left *left;
};

/* --- what it was made of --- */

err_t verify_shard_records(const struct verify *v, const struct chain_context *ctx, hash_t *out)
{
    struct hash_ctx h;
    hash_init(&h);
    for (size_t i = 0; i < ctx->c->place_count; i++) {
        char name[512];
        hash_t one;
        err_t e = node_path(name, sizeof name, &v->ctx, BUNDLE_RECORDS, ctx->place[i]);
        if (e == OK)
            e = verify_file_hash(v, &one, name);
        if (e == ERR_MEMORY)
            return e;
        if (e != OK)
            memset(&one, 0, sizeof one);
        hash_add(&h, one.b, HASH_LEN);
    }
    hash_end(&h, out);
    return OK;
}

err_t verify_shard_headers(const struct verify *v, const struct chain_context *ctx, const char *shard,
                           hash_t *out)
{
    char name[TEXT_ID_MAX + 64];
    snprintf(name, sizeof name, BUNDLE_CHAINS "/%s/headers/s%s.cbor", ctx->c->id, shard);
    err_t e = verify_file_hash(v, out, name);
    if (e != OK)
        memset(out, 0, sizeof *out);
    return e == ERR_MEMORY ? e : OK;
}

static err_t hash_file(const struct making *m, struct verify *v, const char *path, struct part_shard *out)
{
    const char *name = path + strlen(m->r.dir) + 1;
    struct part_file *x = &out->file[out->file_count];
    if (strlen(name) > NAME_MAX_HERE)
        return OK;
    x->err = verify_file_hash(v, &x->hash, path);
    if (x->err == ERR_MEMORY)
        return x->err;
    if (x->err == ERR_IO) { /* nobody is to sign that a disk did not do what it should */
        fault_set(&v->fault, ERR_IO, "it could not be read");
        return fault_file(&v->fault, ERR_IO, path);
    }
    if (x->err != OK)
        memset(&x->hash, 0, sizeof x->hash);
    x->name = strdup(name);
    if (x->name == NULL)
        return ERR_MEMORY;
    out->file_count++;
    return OK;
}

static err_t hash_files(const struct making *m, struct verify *v, struct part_shard *out)
{
    size_t from[VERIFY_SHARD_KINDS], count[VERIFY_SHARD_KINDS], all = 0, done = 0;
    for (unsigned k = 0; k < VERIFY_SHARD_KINDS; k++) {
        verify_shard_names(v, m->r.ctx.index, &m->name, k, &from[k], &count[k]);
        all += count[k];
    }
    out->file = calloc(all + 1, sizeof *out->file);
    if (out->file == NULL)
        return ERR_MEMORY;
    for (unsigned k = 0; k < VERIFY_SHARD_KINDS; k++)
        for (size_t i = from[k]; i < from[k] + count[k]; i++) {
            if (v->name[i].kind == 'f')
                TRY(hash_file(m, v, v->name[i].path, out));
            TRY(verify_tick(v, "files of a shard", ++done, all));
        }
    return OK;
}

/* Where a run that was stopped goes on: of these very files only, and of this program, which the report
 * names. */
static err_t work_path(const struct making *m, const struct part_shard *s, const hash_t *program,
                       const char *dir, char *out, const char **work)
{
    char name[TEXT_ID_MAX + CHAIN_SHARD_MAX + 2 * HASH_LEN + 16];
    struct hash_ctx h;
    hash_t id;
    *work = NULL;
    hash_init(&h);
    hash_add(&h, program->b, HASH_LEN);
    hash_add(&h, s->snapshot.b, HASH_LEN);
    hash_add(&h, s->headers.b, HASH_LEN);
    for (size_t i = 0; i < s->file_count; i++) {
        if (s->file[i].err != OK)
            return OK;
        hash_add(&h, s->file[i].name, strlen(s->file[i].name) + 1);
        hash_add(&h, s->file[i].hash.b, HASH_LEN);
    }
    hash_end(&h, &id);
    snprintf(name, sizeof name, "chain-%s-s%s-", m->r.ctx.c->id, m->name.s);
    hex_put(name + strlen(name), id.b, HASH_LEN);
    TRY(file_path(out, BUNDLE_PATH_MAX, dir, name));
    *work = out;
    return OK;
}

/* --- what is found --- */

static void on_found(void *ctx, enum chain_check check, const struct fault *f)
{
    struct making *m = ctx;
    verify_chain_found(&m->r, &m->outcome[check], f);
}

static err_t on_progress(void *ctx, const char *what, uint64_t done, uint64_t total)
{
    struct making *m = ctx;
    return verify_tick(m->r.v, what, done, total);
}

static err_t keep_left(struct making *m, const struct chain_spooled *b)
{
    if (m->left_count == m->left_cap) {
        size_t cap = m->left_cap ? 2 * m->left_cap : 16;
        struct part_left *more = realloc(m->left, cap * sizeof *more);
        if (more == NULL)
            return ERR_MEMORY;
        m->left = more;
        m->left_cap = cap;
    }
    struct part_left *x = &m->left[m->left_count++];
    *x = (struct part_left){.id = b->id, .place = b->place, .at = b->at};
    memcpy(x->leaf, b->leaf, sizeof x->leaf);
    return OK;
}

static err_t on_ballot(void *ctx, const struct chain_spooled *b, struct fault *f)
{
    struct making *m = ctx;
    if (b->at > PART_AT_MAX)
        return fault_set(f, ERR_LIMIT, "the chain has more ballots than can be numbered");
    if (verify_chain_left_out(&m->r, b))
        TRY(keep_left(m, b));
    m->ids++;
    return id_sort_add(m->r.v->ids, &b->id, b->place, part_origin(m->r.ctx.index, b->at), f);
}

static err_t take_reasons(const struct chain_report *r, struct part_shard *out)
{
    out->reason = calloc(CHAIN_CHECK_COUNT, sizeof *out->reason);
    if (out->reason == NULL)
        return ERR_MEMORY;
    for (unsigned i = 0; i < CHAIN_CHECK_COUNT; i++) {
        if (r->check[i].reason[0] == '\0')
            continue;
        struct part_reason *x = &out->reason[out->reason_count];
        *x = (struct part_reason){verify_chain_check((enum chain_check)i), strdup(r->check[i].reason)};
        if (x->text == NULL)
            return ERR_MEMORY;
        out->reason_count++;
    }
    return OK;
}

static err_t take_found(struct making *m, struct part_shard *out)
{
    out->found = calloc(CHAIN_CHECK_COUNT, sizeof *out->found);
    if (out->found == NULL)
        return ERR_MEMORY;
    for (unsigned i = 0; i < CHAIN_CHECK_COUNT; i++) {
        TRY(m->outcome[i].broken);
        if (m->outcome[i].failure_count == 0)
            continue;
        out->found[out->found_count++] =
            part_found_of(verify_chain_check((enum chain_check)i), &m->outcome[i]);
        m->outcome[i] = (struct verify_outcome){0};
    }
    return OK;
}

/* That a disk failed says nothing about the chain. */
static err_t disk_failed(struct verify *v, const struct part_shard *s)
{
    for (size_t i = 0; i < s->found_count; i++)
        for (size_t k = 0; k < s->found[i].failure_kept; k++)
            if (s->found[i].failure[k].err == ERR_IO) {
                fault_set(&v->fault, ERR_IO, "it could not be read");
                return fault_file(&v->fault, ERR_IO, s->found[i].failure[k].file);
            }
    return OK;
}

static err_t look(struct making *m, struct part_shard *out, const char *work)
{
    struct verify *v = m->r.v;
    struct chain_report *report = NULL;
    char path[BUNDLE_PATH_MAX];
    err_t e;
    GO(verify_path(v, path, m->r.dir));
    struct chain_verify_options o = {.only = &m->name,
                                     .work = work,
                                     .threads = v->opt->threads,
                                     .batch_points = v->opt->batch_points,
                                     .window = v->opt->window,
                                     .metrics = v->opt->metrics,
                                     .ballot = on_ballot,
                                     .ballot_ctx = m,
                                     .ctx = m,
                                     .found = on_found,
                                     .progress = on_progress,
                                     .progress_ctx = m};
    GO(chain_verify(&report, &m->r.ctx, path, &o, &v->fault));
    if (hash_cmp(&report->snapshot->id, &out->snapshot) != 0)
        GO(fault_set(&v->fault, ERR_HASH, "the snapshot of chain %s changed meanwhile", m->r.ctx.c->id));
    out->proved = report->proved + report->known;
    out->pruned = report->pruned;
    out->ids = m->ids;
    GO(take_reasons(report, out));
    GO(take_found(m, out));
    e = disk_failed(v, out);
out:
    chain_report_free(report);
    return e;
}

err_t verify_shard_make(struct verify *v, const struct verify_shares *shares, size_t share,
                        const hash_t *program, const char *dir, struct part_shard *out,
                        char work[BUNDLE_PATH_MAX])
{
    const struct verify_share *x = &shares->share[share];
    const struct verify_chain_shards *chain = &shares->chain[x->chain];
    char inside[TEXT_ID_MAX + 16];
    struct verify_chain c = {0};
    const char *at;
    err_t e;
    memset(out, 0, sizeof *out);
    work[0] = '\0';
    struct making *m = calloc(1, sizeof *m);
    if (m == NULL)
        return ERR_MEMORY;
    m->r = (struct verify_chain_run){.v = v, .c = &c, .dir = inside};
    m->name = chain->shard[x->shard].name;
    chain_context_init(&m->r.ctx, &v->ctx, (uint32_t)x->chain);
    snprintf(inside, sizeof inside, BUNDLE_CHAINS "/%s", m->r.ctx.c->id);
    snprintf(out->chain, sizeof out->chain, "%s", m->r.ctx.c->id);
    snprintf(out->shard, sizeof out->shard, "%s", m->name.s);
    out->snapshot = chain->id;
    GO(verify_shard_headers(v, &m->r.ctx, m->name.s, &out->headers));
    GO(verify_shard_records(v, &m->r.ctx, &out->records));
    GO(hash_files(m, v, out));
    GO(work_path(m, out, program, dir, work, &at));
    GO(verify_chain_records(&m->r));
    GO(look(m, out, at));
    out->left = m->left;
    out->left_count = m->left_count;
    m->left = NULL;
out:
    for (size_t i = 0; i < CHAIN_CHECK_COUNT; i++)
        free(m->outcome[i].failure);
    free(m->left);
    free(m);
    verify_chain_free(&c);
    return e;
}

/* --- taken from a report --- */

static int chain_check_of(enum verify_id id)
{
    for (unsigned i = 0; i < CHAIN_CHECK_COUNT; i++)
        if (verify_chain_check((enum chain_check)i) == id)
            return (int)i;
    return -1;
}

static err_t take_left_out(struct verify_chain_run *r, const struct part_shard *s)
{
    for (size_t i = 0; i < s->left_count; i++) {
        struct chain_spooled b = {.id = s->left[i].id, .place = s->left[i].place, .at = s->left[i].at};
        memcpy(b.leaf, s->left[i].leaf, sizeof b.leaf);
        TRY(verify_chain_leave_out(r, &b));
    }
    return OK;
}

/* Nobody who counts looked at it. */
static void unlooked(struct verify_chain_run *r, const char *why, struct chain_said *out)
{
    static const enum chain_check c[] = {CHAIN_CHECK_FORM,  CHAIN_CHECK_BALLOTS, CHAIN_CHECK_ORDER,
                                         CHAIN_CHECK_TREES, CHAIN_CHECK_TALLY,   CHAIN_CHECK_IDS};
    static const enum verify_id also[] = {CHECK_R_SUMS, CHECK_R_DROPPED};
    snprintf(r->why, sizeof r->why, "%s", why);
    for (size_t i = 0; i < sizeof c / sizeof *c; i++)
        out->reason[c[i]] = r->why;
    for (size_t i = 0; i < sizeof also / sizeof *also; i++)
        verify_skip(r->v, also[i], "chain %s: %s", r->ctx.c->id, why);
    r->c->unlooked = 1;
    r->v->unlooked_exports++;
}

err_t verify_shard_said(void *ctx, size_t shard, struct chain_said *out, struct fault *f)
{
    struct verify_chain_run *r = ctx;
    const struct part_shard *s;
    const char *why;
    if (!r->has_records)
        TRY(verify_shard_records(r->v, &r->ctx, &r->records));
    r->has_records = 1;
    TRY(verify_merge_shard(r->v, &r->ctx, shard, &r->records, &s, &why, f));
    if (s == NULL) {
        unlooked(r, why, out);
        return OK;
    }
    for (size_t i = 0; i < s->found_count; i++) {
        int c = chain_check_of(s->found[i].check);
        if (c < 0)
            return fault_set(f, ERR_RULE, "shard s%s: a report says something that is not of chains",
                             s->shard);
        part_found_file(&r->v->rep->outcome[s->found[i].check], &s->found[i]);
        out->failures[c] = s->found[i].failure_count;
    }
    for (size_t i = 0; i < s->reason_count; i++) {
        int c = chain_check_of(s->reason[i].check);
        if (c < 0)
            return fault_set(f, ERR_RULE, "shard s%s: a report says something that is not of chains",
                             s->shard);
        out->reason[c] = s->reason[i].text;
    }
    out->proved = s->proved;
    out->pruned = s->pruned;
    return take_left_out(r, s);
}
