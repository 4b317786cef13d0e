#include "tally/chain_verify.h"

#include <omp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "ceremony/base/file.h"
#include "tally/ballot_form.h"
#include "tally/chain_verify_run.h"

static const char *const check_id[] = {
#define X(name, id, title) id,
    CHAIN_CHECKS(X)
#undef X
};

static const char *const check_title[] = {
#define X(name, id, title) title,
    CHAIN_CHECKS(X)
#undef X
};

const char *chain_check_id(enum chain_check c)
{
    return check_id[c];
}

const char *chain_check_title(enum chain_check c)
{
    return check_title[c];
}

err_t chain_export_chain(uint32_t *out, const struct election_context *e, const char *dir, struct fault *f)
{
    char path[CHAIN_PATH_MAX], id[TEXT_ID_MAX + 1];
    uint8_t start[512];
    struct cbor_in in;
    FILE *file = NULL;
    *out = 0;
    TRY(file_is_dir(dir, f));
    if (file_path(path, sizeof path, dir, "snapshot.cbor") != OK)
        return fault_set(f, ERR_LIMIT, "the path of the export is too long");
    TRY(file_open(&file, path, f));
    size_t len = fread(start, 1, sizeof start, file);
    fclose(file);
    cbor_in_init(&in, start, len);
    cbor_get_array(&in, 1, 64);
    tally_get_start(&in, e, "conclave/chain-snapshot");
    cbor_get_id(&in, id, TEXT_ID_MAX);
    if (in.err != OK) {
        fault_set(f, in.err, "not the snapshot of a chain of this election");
        return fault_file(f, in.err, path);
    }
    int chain = manifest_chain(e->m, id);
    if (chain < 0) {
        fault_set(f, ERR_UNKNOWN, "the manifest has no chain %s", id);
        return fault_file(f, ERR_UNKNOWN, path);
    }
    *out = (uint32_t)chain;
    return OK;
}

/* --- filing --- */

void chain_fail(struct chain_run *v, enum chain_check c, const struct fault *f)
{
    struct chain_verdict *x = &v->r->check[c];
    if (v->muted)
        return;
    x->verdict = VERIFY_FAIL;
    x->failures++;
    if (v->o->found != NULL)
        v->o->found(v->o->ctx, c, f);
}

static void name_shard(const struct chain_run *v, int64_t shard, struct fault *f)
{
    if (shard >= 0 && v->s != NULL && (uint64_t)shard < v->s->shard_count)
        fault_who(f, f->err, "shard s%s", v->s->shard[shard].name.s);
}

void chain_failf(struct chain_run *v, enum chain_check c, err_t e, const char *file, int64_t shard,
                 const char *fmt, ...)
{
    struct fault f;
    char detail[sizeof f.detail];
    va_list ap;
    fault_clear(&f);
    va_start(ap, fmt);
    vsnprintf(detail, sizeof detail, fmt, ap);
    va_end(ap);
    fault_set(&f, e, "%s", detail);
    if (file != NULL)
        fault_file(&f, e, file);
    name_shard(v, shard, &f);
    chain_fail(v, c, &f);
}

err_t chain_file(struct chain_run *v, enum chain_check c, err_t e, struct fault *why, const char *file,
                 int64_t shard, struct fault *f)
{
    enum err_class class = err_class(e);
    if (e == OK)
        return OK;
    if (why->err == OK)
        fault_set(why, e, "cannot be read");
    if (class == CLASS_SYSTEM || class == CLASS_BUG) {
        if (f != NULL)
            *f = *why;
        return e;
    }
    why->file[0] = '\0'; /* the same words wherever the directory is */
    if (file != NULL)
        fault_file(why, e, file);
    name_shard(v, shard, why);
    chain_fail(v, c, why);
    return OK;
}

void chain_skip(struct chain_run *v, enum chain_check c, const char *fmt, ...)
{
    struct chain_verdict *x = &v->r->check[c];
    va_list ap;
    if (v->muted)
        return;
    if (x->verdict != VERIFY_FAIL)
        x->verdict = VERIFY_NOT_CHECKED;
    if (x->reason[0] != '\0')
        return;
    va_start(ap, fmt);
    vsnprintf(x->reason, sizeof x->reason, fmt, ap);
    va_end(ap);
}

err_t chain_tick(struct chain_run *v, uint64_t more)
{
    v->done += more;
    return v->o->progress == NULL
               ? OK
               : v->o->progress(v->o->progress_ctx, "ballots of a chain", v->done, v->total);
}

/* --- names --- */

err_t chain_path(const struct chain_run *v, char out[CHAIN_PATH_MAX], const char *name, struct fault *f)
{
    err_t e = file_path(out, CHAIN_PATH_MAX, v->dir, name);
    return e == OK ? OK : fault_set(f, e, "the path of the export is too long");
}

void chain_shard_file(char out[CHAIN_FILE_MAX], const char *kind, const struct chain_shard *shard,
                      const char *suffix)
{
    snprintf(out, CHAIN_FILE_MAX, "%s/s%s%s", kind, shard->name.s, suffix);
}

int chain_has(const struct chain_run *v, const char *name)
{
    char path[CHAIN_PATH_MAX];
    struct stat st;
    return chain_path(v, path, name, NULL) == OK && lstat(path, &st) == 0;
}

void chain_twice(struct fault *f, const struct chain_snapshot *s, const hash_t *id, uint64_t at,
                 uint64_t first)
{
    char hex[2 * HASH_LEN + 1];
    size_t here = 0, there = 0;
    hex_put(hex, id->b, HASH_LEN);
    for (; here + 1 < s->shard_count && at >= s->shard[here].size; here++)
        at -= s->shard[here].size;
    for (; there + 1 < s->shard_count && first >= s->shard[there].size; there++)
        first -= s->shard[there].size;
    fault_clear(f);
    fault_set(f, ERR_DUPLICATE, "ballot id %.16s is that of ballot %llu here and of ballot %llu of shard s%s",
              hex, (unsigned long long)at, (unsigned long long)first, s->shard[there].name.s);
    fault_who(f, ERR_DUPLICATE, "shard s%s", s->shard[here].name.s);
}

/* --- anchors --- */

err_t chain_anchor_parse(struct chain_anchor *out, const char *text)
{
    char shard[CHAIN_SHARD_MAX + 1], number[21];
    memset(out, 0, sizeof *out);
    const char *first = strchr(text, ':'), *second = first != NULL ? strchr(first + 1, ':') : NULL;
    if (text[0] == 's')
        text++;
    if (second == NULL || (size_t)(first - text) >= sizeof shard ||
        (size_t)(second - first - 1) >= sizeof number || second == first + 1)
        return ERR_USAGE;
    memcpy(shard, text, (size_t)(first - text));
    shard[first - text] = '\0';
    memcpy(number, first + 1, (size_t)(second - first - 1));
    number[second - first - 1] = '\0';
    if (strspn(number, "0123456789") != strlen(number) || strlen(number) > 15 ||
        chain_shard_parse(&out->shard, shard) != OK || hex_get(out->root.b, HASH_LEN, second + 1) != OK) {
        memset(out, 0, sizeof *out);
        return ERR_USAGE;
    }
    out->size = strtoull(number, NULL, 10);
    return out->size > 0 ? OK : ERR_USAGE;
}

void chain_anchor_compare(struct chain_run *v, size_t shard, const struct chain_anchor *a, const hash_t *root)
{
    if (hash_cmp(&a->root, root) != 0)
        chain_failf(v, CHAIN_CHECK_ANCHOR, ERR_MISMATCH, NULL, (int64_t)shard,
                    "the root of %llu ballots is not the one printed elsewhere", (unsigned long long)a->size);
}

struct inside { /* an anchor inside of a block */
    size_t shard, i;
    uint64_t size;
};

static int by_ballot(const void *a, const void *b)
{
    const struct inside *x = a, *y = b;
    if (x->shard != y->shard)
        return x->shard < y->shard ? -1 : 1;
    if (x->size != y->size)
        return x->size < y->size ? -1 : 1;
    return (x->i > y->i) - (x->i < y->i);
}

/* Where others or an earlier run looked at the ballots, those that a root is about are read here; what is
 * found is told as if they were read one after the other. */
static err_t read_anchors(struct chain_run *v)
{
    size_t count = 0;
    if (v->s == NULL || v->o->quick || (v->o->said == NULL && v->o->work == NULL))
        return OK;
    struct inside *list = calloc(v->o->anchor_count + 1, sizeof *list);
    if (list == NULL)
        return ERR_MEMORY;
    for (size_t i = 0; i < v->o->anchor_count; i++) {
        const struct chain_anchor *a = &v->o->anchor[i];
        const struct chain_shard *s = chain_shard_find(v->s->shard, v->s->shard_count, a->shard.s);
        if (s != NULL && s->size >= a->size && !v->anchor_seen[i] && !v->bad_shard[s - v->s->shard])
            list[count++] = (struct inside){(size_t)(s - v->s->shard), i, a->size};
    }
    if (count)
        qsort(list, count, sizeof *list, by_ballot);
    for (size_t k = 0; k < count; k++) {
        hash_t root;
        err_t e = chain_root_at(v, list[k].shard, list[k].size, &root);
        if (e != OK && err_class(e) == CLASS_SYSTEM) {
            free(list);
            return e;
        }
        if (e != OK)
            continue;
        v->anchor_seen[list[k].i] = 1;
        chain_anchor_compare(v, list[k].shard, &v->o->anchor[list[k].i], &root);
    }
    free(list);
    return OK;
}

/* Which roots could be compared is only known at the end. */
static err_t check_anchors(struct chain_run *v)
{
    TRY(read_anchors(v));
    for (size_t i = 0; i < v->o->anchor_count; i++) {
        const struct chain_anchor *a = &v->o->anchor[i];
        const struct chain_shard *shard =
            v->s != NULL ? chain_shard_find(v->s->shard, v->s->shard_count, a->shard.s) : NULL;
        if (v->s == NULL || v->anchor_seen[i])
            continue;
        if (shard == NULL)
            chain_failf(v, CHAIN_CHECK_ANCHOR, ERR_UNKNOWN, NULL, -1,
                        "there is no shard s%s, which has a root printed elsewhere", a->shard.s);
        else if (shard->size < a->size && shard->state != CHAIN_OPEN)
            chain_failf(v, CHAIN_CHECK_ANCHOR, ERR_MISSING, NULL, shard - v->s->shard,
                        "it ended with %llu ballots, and a root of %llu was printed elsewhere",
                        (unsigned long long)shard->size, (unsigned long long)a->size);
        else if (shard->size < a->size)
            chain_skip(v, CHAIN_CHECK_ANCHOR, "shard s%s has not %llu ballots yet", a->shard.s,
                       (unsigned long long)a->size);
        else
            chain_skip(v, CHAIN_CHECK_ANCHOR,
                       "the root of %llu ballots of shard s%s needs the ballots themselves",
                       (unsigned long long)a->size, a->shard.s);
    }
    if (v->o->anchor_count == 0)
        chain_skip(v, CHAIN_CHECK_ANCHOR, "no root that was printed elsewhere was given");
    return OK;
}

/* --- the whole --- */

err_t chain_run_zero(struct chain_run *v)
{
    struct chain_sums *zero = NULL;
    err_t e = chain_sums_new(&zero, v->ctx);
    if (e == OK)
        e = chain_running_hash(&v->zero_tally, v->ctx, zero);
    chain_sums_free(zero);
    return e;
}

err_t chain_run_again(struct chain_run *v, const struct chain_context *ctx, const char *dir,
                      struct chain_snapshot *s)
{
    static const struct chain_verify_options none = {0};
    *v = (struct chain_run){.ctx = ctx, .dir = dir, .o = &none, .s = s};
    v->end = calloc(s->shard_count, sizeof *v->end);
    return v->end != NULL ? chain_run_zero(v) : ERR_MEMORY;
}

static void skip_ballots(struct chain_run *v, const char *why)
{
    static const enum chain_check c[] = {CHAIN_CHECK_BALLOTS, CHAIN_CHECK_ORDER, CHAIN_CHECK_TREES,
                                         CHAIN_CHECK_TALLY, CHAIN_CHECK_IDS};
    for (size_t i = 0; i < sizeof c / sizeof *c; i++)
        chain_skip(v, c[i], "%s", why);
}

static err_t look(struct chain_run *v, struct fault *f)
{
    v->muted = v->o->only != NULL;
    TRY(chain_verify_quick(v, f));
    v->muted = 0;
    if (v->o->only != NULL)
        return v->s != NULL ? chain_verify_full(v, f)
                            : fault_set(f, ERR_UNVERIFIED, "the snapshot cannot be read");
    if (v->s == NULL) {
        chain_skip(v, CHAIN_CHECK_QUORUM, "the snapshot cannot be read");
        chain_skip(v, CHAIN_CHECK_HEADERS, "the snapshot cannot be read");
        skip_ballots(v, "the snapshot cannot be read");
        chain_skip(v, CHAIN_CHECK_ANCHOR, "the snapshot cannot be read");
        return OK;
    }
    if (v->o->quick)
        skip_ballots(v, "a quick look at headers and snapshot only");
    else
        TRY(chain_verify_full(v, f));
    return check_anchors(v);
}

static void run_free(struct chain_run *v)
{
    chain_snapshot_free(v->trusted);
    id_sort_free(v->ids);
    free(v->expected);
    free(v->evidence);
    free(v->bad_shard);
    free(v->end);
    free(v->anchor_seen);
}

err_t chain_verify(struct chain_report **out, const struct chain_context *ctx, const char *dir,
                   const struct chain_verify_options *o, struct fault *f)
{
    static const struct chain_verify_options none = {0};
    struct fault mine;
    int threads = omp_get_max_threads();
    *out = NULL;
    if (f == NULL)
        f = &mine;
    fault_clear(f);
    TRY(file_is_dir(dir, f));
    struct chain_run v = {.ctx = ctx, .dir = dir, .o = o != NULL ? o : &none};
    v.r = calloc(1, sizeof *v.r);
    v.anchor_seen = calloc(v.o->anchor_count + 1, 1);
    if (v.r == NULL || v.anchor_seen == NULL) {
        chain_report_free(v.r);
        run_free(&v);
        return fault_set(f, ERR_MEMORY, "verifying a chain");
    }
    for (size_t i = 0; i < CHAIN_CHECK_COUNT; i++)
        v.r->check[i].verdict = VERIFY_PASS;
    if (v.o->threads > 0)
        omp_set_num_threads(v.o->threads);
    err_t e = look(&v, f);
    omp_set_num_threads(threads);
    run_free(&v);
    if (e != OK) {
        chain_report_free(v.r);
        return f->err == OK ? fault_set(f, e, "verifying a chain") : e;
    }
    *out = v.r;
    return OK;
}

void chain_report_free(struct chain_report *r)
{
    if (r == NULL)
        return;
    chain_snapshot_free(r->snapshot);
    free(r);
}

enum verify_verdict chain_report_verdict(const struct chain_report *r)
{
    enum verify_verdict all = VERIFY_PASS;
    for (size_t i = 0; i < CHAIN_CHECK_COUNT; i++) {
        if (r->check[i].verdict == VERIFY_FAIL)
            return VERIFY_FAIL;
        if (r->check[i].verdict == VERIFY_NOT_CHECKED && i != CHAIN_CHECK_ANCHOR)
            all = VERIFY_NOT_CHECKED;
    }
    return all;
}

int chain_report_counts(const struct chain_report *r)
{
    return chain_report_verdict(r) == VERIFY_PASS && r->trusted == 0 && r->pruned == 0 &&
           r->snapshot != NULL && chain_snapshot_complete(r->snapshot);
}
