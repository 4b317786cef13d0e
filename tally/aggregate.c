#include "tally/aggregate.h"

#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "ceremony/base/file.h"
#include "tally/aggregate_run.h"

#define CHUNK 64 /* exports in hand at one time */

const char *agg_place_id(const struct agg_run *run, uint32_t place)
{
    struct place p;
    places_get(run->ctx->places, place, &p);
    return p.id;
}

err_t agg_tell(struct agg_run *run, struct aggregate_event *ev)
{
    if (!run->report || !run->report->event)
        return OK;
    if (!ev->file)
        ev->file = "";
    if (!ev->place)
        ev->place = "";
    ev->done = run->result->files;
    return run->report->event(run->report->ctx, ev);
}

err_t agg_refuse(struct agg_run *run, const char *name, const char *place, const hash_t *id,
                 const struct fault *fault)
{
    struct aggregate_event ev = {.kind = AGGREGATE_REFUSED, .file = name, .place = place, .fault = fault};
    if (id)
        ev.id = *id;
    if (fault->err == ERR_DUPLICATE && id)
        run->result->duplicates++;
    else
        run->result->refused++;
    return agg_tell(run, &ev);
}

/* --- step 1: every export is verified, once --- */

struct job {
    char name[256];
    hash_t file;
    struct agg_export x;
    int known, too_long;
    err_t err;
    struct fault fault;
    char place[TEXT_ID_MAX + 1];
    struct agg_ballot *ballot;
    size_t count, cap;
};

struct scan {
    struct agg_run *run;
    omp_lock_t lock; /* around the index */
    size_t count;
    struct job job[CHUNK];
};

static err_t keep_ballot(void *ctx, const hash_t *id, const hash_t *leaf, uint32_t style, uint64_t index,
                         struct fault *f)
{
    struct job *j = ctx;
    (void)index;
    if (j->count == j->cap) {
        size_t cap = j->cap ? 2 * j->cap : 128;
        struct agg_ballot *more = realloc(j->ballot, cap * sizeof *more);
        if (!more)
            return fault_set(f, ERR_MEMORY, "ballots of an export");
        j->ballot = more;
        j->cap = cap;
    }
    j->ballot[j->count++] = (struct agg_ballot){*id, *leaf, style};
    return OK;
}

static err_t look_up(struct scan *s, struct job *j)
{
    omp_set_lock(&s->lock);
    err_t e = agg_find(s->run->ix, &j->x, &j->file, &j->fault);
    omp_unset_lock(&s->lock);
    return e;
}

/* The same bytes under two names are verified by two threads: the second finds them stored. */
static err_t store(struct scan *s, struct job *j, const struct export_header *h)
{
    omp_set_lock(&s->lock);
    err_t e = agg_find(s->run->ix, &j->x, &j->file, &j->fault);
    if (e == ERR_MISSING) {
        e = agg_add(s->run->ix, s->run->ctx, &j->file, h, j->ballot, j->count, &j->fault);
        if (e == OK)
            e = agg_find(s->run->ix, &j->x, &j->file, &j->fault);
    }
    omp_unset_lock(&s->lock);
    return e;
}

static err_t verify_new(struct scan *s, struct job *j, const char *path)
{
    struct export_callbacks cb = {.ctx = j, .ballot = keep_ballot};
    struct export_header *h = NULL;
    hash_t after;
    err_t e;

    GO(export_verify(&h, s->run->ctx, path, &cb, &j->fault));
    GO(file_hash(&after, path, &j->fault));
    if (hash_cmp(&after, &j->file) != 0) {
        e = fault_set(&j->fault, ERR_IO, "the file changed while it was read");
        goto out;
    }
    GO(store(s, j, h));
out:
    export_header_free(h);
    free(j->ballot);
    j->ballot = NULL;
    j->count = j->cap = 0;
    return e;
}

static void examine(struct scan *s, struct job *j)
{
    char path[4096];
    err_t e = j->too_long ? ERR_LIMIT : file_path(path, sizeof path, s->run->exports_dir, j->name);
    if (e != OK) {
        fault_set(&j->fault, ERR_LIMIT, "the file name is too long");
        goto out;
    }
    /* Before all of the file is read: is it signed, and no longer than it can be? */
    struct export_header *first = NULL;
    e = export_header_read(&first, s->run->ctx, path, &j->fault);
    export_header_free(first);
    if (e == OK)
        e = file_hash(&j->file, path, &j->fault);
    if (e != OK)
        goto out;
    e = look_up(s, j);
    j->known = e == OK;
    if (e == ERR_MISSING)
        e = verify_new(s, j, path);
out:
    j->err = e;
    if (e != OK) {
        if (j->fault.err == OK)
            fault_set(&j->fault, e, "verifying an export");
        memset(j->fault.file, 0, sizeof j->fault.file); /* the same words wherever the directory is */
        fault_file(&j->fault, e, j->name);
        struct export_header *h = NULL;
        if (!j->too_long && export_header_read(&h, s->run->ctx, path, NULL) == OK) {
            memcpy(j->place, agg_place_id(s->run, h->place), strlen(agg_place_id(s->run, h->place)));
            fault_who(&j->fault, e, "%s", j->place);
        }
        export_header_free(h);
    }
}

static err_t tell_job(struct scan *s, struct job *j, struct fault *f)
{
    struct agg_run *run = s->run;
    run->result->files++;
    if (j->err != OK) {
        enum err_class c = err_class(j->err);
        if (c == CLASS_SYSTEM || c == CLASS_BUG) {
            if (f)
                *f = j->fault;
            return j->err;
        }
        return agg_refuse(run, j->name, j->place, NULL, &j->fault);
    }
    TRY(agg_present(run->ix, j->x.row, j->name, f));
    struct aggregate_event ev = {.kind = j->known ? AGGREGATE_KNOWN : AGGREGATE_VERIFIED,
                                 .file = j->name,
                                 .place = agg_place_id(run, j->x.place),
                                 .id = j->x.id,
                                 .items = j->x.items};
    if (j->known)
        run->result->known++;
    else
        run->result->verified++;
    return agg_tell(run, &ev);
}

static int threads_of(const struct agg_run *run)
{
    return run->options->threads > 0 ? run->options->threads : omp_get_max_threads();
}

static err_t do_chunk(struct scan *s, struct fault *f)
{
    int threads = threads_of(s->run);
    err_t e = OK;
    if (s->count < (size_t)threads) { /* few: the threads are for the inside of each */
        for (size_t i = 0; i < s->count; i++)
            examine(s, &s->job[i]);
    } else {
#pragma omp parallel for schedule(dynamic) num_threads(threads)
        for (size_t i = 0; i < s->count; i++)
            examine(s, &s->job[i]);
    }
    GO(agg_begin(s->run->ix, f));
    for (size_t i = 0; i < s->count; i++)
        GO(tell_job(s, &s->job[i], f));
    GO(agg_commit(s->run->ix, f));
out:
    if (e != OK)
        agg_rollback(s->run->ix);
    s->count = 0;
    return e;
}

static err_t add_file(void *ctx, const char *name, struct fault *f)
{
    struct scan *s = ctx;
    struct job *j = &s->job[s->count++];
    memset(j, 0, sizeof *j);
    size_t len = strlen(name);
    j->too_long = len >= sizeof j->name;
    memcpy(j->name, name, j->too_long ? sizeof j->name - 1 : len);
    return s->count == CHUNK ? do_chunk(s, f) : OK;
}

static err_t read_exports(struct agg_run *run, struct fault *f)
{
    TRY(file_is_dir(run->exports_dir, f));
    struct scan *s = calloc(1, sizeof *s);
    if (!s)
        return fault_set(f, ERR_MEMORY, "reading exports");
    s->run = run;
    omp_init_lock(&s->lock);
    err_t e = file_list(run->exports_dir, add_file, s, f);
    if (e == OK && s->count)
        e = do_chunk(s, f);
    omp_destroy_lock(&s->lock);
    free(s);
    return e;
}

/* --- the whole --- */

static err_t settle(struct agg_run *run, struct fault *f)
{
    err_t e;
    GO(agg_begin(run->ix, f));
    GO(agg_settle(run, f));
    GO(agg_commit(run->ix, f));
out:
    if (e != OK)
        agg_rollback(run->ix);
    return e;
}

/* run->result stays filled if all went well; run->few is the caller's to free in any case. */
static err_t run_all(struct agg_run *run, const char *work_dir, struct fault *f)
{
    err_t e;
    memset(run->result, 0, sizeof *run->result);
    if (f)
        fault_clear(f);
    GO(file_mkdir(work_dir, f));
    GO(file_mkdir(run->records_dir, f));
    GO(agg_open(&run->ix, run->ctx, work_dir, f));
    GO(agg_clear(run->ix, f));
    GO(read_exports(run, f));
    GO(settle(run, f));
    GO(agg_write_records(run, f));
out:
    agg_close(run->ix);
    run->ix = NULL;
    if (e != OK) {
        memset(run->result, 0, sizeof *run->result);
        if (f && f->err == OK)
            fault_set(f, e, "aggregating");
    }
    return e;
}

err_t aggregate(struct aggregate_result *out, const struct election_context *ctx, const char *exports_dir,
                const char *work_dir, const char *records_dir, const struct aggregate_options *options,
                const struct aggregate_report *report, struct fault *f)
{
    static const struct aggregate_options none = {0};
    struct agg_run run = {.ctx = ctx,
                          .exports_dir = exports_dir,
                          .records_dir = records_dir,
                          .options = options ? options : &none,
                          .report = report,
                          .result = out};
    err_t e = run_all(&run, work_dir, f);
    free(run.few);
    return e;
}

err_t aggregate_verified(struct aggregate_result *out, const struct election_context *ctx,
                         const char *exports_dir, const char *work_dir, const struct plan *plan,
                         const struct plan_set *older, const struct aggregate_options *options,
                         const struct aggregate_report *report, struct fault *f)
{
    static const struct aggregate_options all = {.accept_corrections = 1};
    char records[4096];
    struct agg_run run = {.ctx = ctx,
                          .exports_dir = exports_dir,
                          .records_dir = records,
                          .options = options ? options : &all,
                          .report = report,
                          .result = out};
    memset(out, 0, sizeof *out);
    if (file_path(records, sizeof records, work_dir, "records") != OK)
        return fault_set(f, ERR_LIMIT, "the path of the work directory is too long");
    err_t e = run_all(&run, work_dir, f);
    if (e == OK && hash_cmp(&out->root, &plan->root) != 0)
        e = fault_set(f, ERR_UNVERIFIED,
                      "what was verified here is not what the plan is about: %llu files, %llu refused, "
                      "%llu places missing, %llu ballots",
                      (unsigned long long)out->files, (unsigned long long)out->refused,
                      (unsigned long long)out->missing, (unsigned long long)out->ballots);
    if (e == OK && plan->has_supersedes)
        e = agg_check_few(&run, plan, older, f);
    free(run.few);
    return e;
}
