#include "tally/aggregate.h"

#include <omp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "ceremony/base/array.h"
#include "ceremony/base/file.h"
#include "tally/aggregate_part.h"
#include "tally/aggregate_run.h"
#include "tally/ballot_batch.h"

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

#define NAME_LEN 256
#define CHUNK 2048                       /* exports in hand at one time */
#define CHUNK_BYTES ((uint64_t)64 << 20) /* and for each thread, so that one hears of it soon */
#define LARGE ((uint64_t)16 << 20)       /* an export that all threads share */
#define BATCH_MEMORY ((size_t)24 << 20)  /* of all threads: less is slower by some per cent */
#define STORE_BALLOTS 8192               /* ids that wait to be stored */
#define READ_FIRST ((off_t)1 << 20)      /* larger ones are hashed only after a look at their header */

struct job {
    struct scan *scan;
    char *name;
    hash_t file;
    struct agg_export x;
    int known;
    uint64_t size;
    err_t err;
    struct fault *fault; /* if err */
    const char *place;   /* if known */
    char *path;          /* while it is verified */
    struct export_task task;
    struct export_callbacks cb;
    struct agg_ballot *ballot;
    size_t count, cap;
};

struct scan {
    struct agg_run *run;
    struct ballot_layout *layout;
    int threads;
    struct export_verifier **verifier; /* one for each thread */
    omp_lock_t lock;                   /* around the index */
    size_t stored;                     /* ids since the last commit */
    err_t store_err;                   /* nothing is stored any more: the transaction is gone */
    size_t dir_count, dir_cap, seen;
    char **dir; /* chain exports */
    size_t count, next;
    uint64_t bytes;
    err_t err; /* of the system: the run is over */
    struct fault fault;
    struct job job[CHUNK];
};

static err_t keep_ballot(void *ctx, const hash_t *id, const hash_t *leaf, uint32_t style, uint64_t index,
                         struct fault *f)
{
    struct job *j = ctx;
    (void)index;
    if (array_room(&j->ballot, j->count + 1, &j->cap, sizeof *j->ballot, 8) != OK)
        return fault_set(f, ERR_MEMORY, "ballots of an export");
    j->ballot[j->count++] = (struct agg_ballot){*id, *leaf, style};
    return OK;
}

static err_t look_up(struct scan *s, struct job *j, struct fault *f)
{
    omp_set_lock(&s->lock);
    err_t e = agg_find(s->run->ix, &j->x, &j->file, f);
    omp_unset_lock(&s->lock);
    return e;
}

/* The same bytes under two names are verified by two threads: the second finds them stored. Many exports are
 * one transaction. */
static err_t store(struct scan *s, struct job *j, const struct export_header *h, struct fault *f)
{
    omp_set_lock(&s->lock);
    err_t e = s->store_err != OK ? s->store_err : agg_find(s->run->ix, &j->x, &j->file, f);
    if (e == ERR_MISSING) {
        e = agg_add(s->run->ix, s->run->ctx, &j->file, h, j->ballot, j->count, f);
        s->stored += j->count + 1;
        if (e == OK)
            e = agg_find(s->run->ix, &j->x, &j->file, f);
        if (e == OK && s->stored >= STORE_BALLOTS) {
            s->stored = 0;
            e = agg_commit(s->run->ix, f);
            if (e == OK)
                e = agg_begin(s->run->ix, f);
        }
        s->store_err = e;
    }
    omp_unset_lock(&s->lock);
    return e;
}

/* The system failed, or a rule of the program: the run is over. */
static err_t give_up(struct scan *s, err_t e, const struct fault *f)
{
#pragma omp critical(aggregate_give_up)
    if (s->err == OK) {
        fault_clear(&s->fault);
        if (f && f->err != OK)
            s->fault = *f;
        else
            fault_set(&s->fault, e, "verifying exports");
#pragma omp atomic write
        s->err = e;
    }
    return e;
}

/* What is wrong with a file, in the same words wherever the directory is. */
static err_t job_fault(struct scan *s, struct job *j, err_t e, struct fault *f, const char *path)
{
    enum err_class c = err_class(e);
    struct export_header *h = NULL;
    if (f->err == OK)
        fault_set(f, e, "verifying an export");
    memset(f->file, 0, sizeof f->file);
    fault_file(f, e, j->name);
    if (path && export_header_read(&h, s->run->ctx, path, NULL) == OK) {
        j->place = agg_place_id(s->run, h->place);
        fault_who(f, e, "%s", j->place);
    }
    export_header_free(h);
    j->err = e;
    j->fault = malloc(sizeof *j->fault);
    if (c == CLASS_SYSTEM || c == CLASS_BUG)
        return give_up(s, e, f);
    if (!j->fault)
        return give_up(s, ERR_MEMORY, NULL);
    *j->fault = *f;
    return OK;
}

static err_t on_done(struct export_task *t)
{
    struct job *j = t->cb->ctx;
    struct scan *s = j->scan;
    struct fault *f = t->fault;
    err_t e = t->err;
    if (e == OK)
        e = store(s, j, t->header, f);
    if (e != OK)
        e = job_fault(s, j, e, f, j->path);
    export_header_free(t->header);
    free(f);
    free(j->path);
    free(j->ballot);
    t->fault = NULL;
    j->path = NULL;
    j->ballot = NULL;
    return e;
}

static err_t verify_new(struct scan *s, struct job *j, struct export_verifier *v, const char *path)
{
    j->path = strdup(path);
    j->task.fault = calloc(1, sizeof *j->task.fault);
    if (!j->path || !j->task.fault)
        return ERR_MEMORY;
    fault_clear(j->task.fault);
    j->scan = s;
    j->cb = (struct export_callbacks){.ctx = j, .ballot = keep_ballot};
    j->task.path = j->path;
    j->task.cb = &j->cb;
    j->task.file = &j->file;
    j->task.done = on_done;
    return export_verifier_add(v, &j->task);
}

/* Before all of a large file is read: is it signed, and no longer than it can be? */
static err_t hash_export(struct scan *s, struct job *j, const char *path, struct fault *f)
{
    struct stat st;
    if (lstat(path, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size > READ_FIRST) {
        struct export_header *first = NULL;
        err_t e = export_header_read(&first, s->run->ctx, path, f);
        export_header_free(first);
        TRY(e);
    }
    return file_hash(&j->file, path, f);
}

static err_t examine(struct scan *s, struct job *j, struct export_verifier *v)
{
    char path[4096];
    struct fault f;
    fault_clear(&f);
    if (strlen(j->name) >= NAME_LEN || file_path(path, sizeof path, s->run->exports_dir, j->name) != OK) {
        err_t e = fault_set(&f, ERR_LIMIT, "the file name is too long");
        return job_fault(s, j, e, &f, NULL);
    }
    err_t e = hash_export(s, j, path, &f);
    if (e == OK)
        e = look_up(s, j, &f);
    j->known = e == OK;
    if (e == ERR_MISSING && f.err == OK)
        return verify_new(s, j, v, path);
    return e == OK ? OK : job_fault(s, j, e, &f, path);
}

static err_t tell_job(struct scan *s, struct job *j, struct fault *f)
{
    struct agg_run *run = s->run;
    run->result->files++;
    metrics_add(run->options->metrics, METRIC_VERIFY_EXPORTS, 1);
    metrics_add(run->options->metrics, METRIC_VERIFY_READ, j->size);
    if (j->err != OK)
        return agg_refuse(run, j->name, j->place, NULL, j->fault);
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

static int is_large(const struct job *j)
{
    return j->size >= LARGE;
}

/* A share of the exports that are large, or are not: one after the other, until there is none left. */
static void work(struct scan *s, struct export_verifier *v, int large)
{
    err_t e = OK, over = OK;
    while (e == OK && over == OK) {
        size_t i;
#pragma omp atomic capture
        i = s->next++;
        if (i >= s->count)
            break;
        metrics_set(s->run->options->metrics, METRIC_VERIFY_QUEUE, (double)(s->count - i - 1));
        if (is_large(&s->job[i]) == large)
            e = examine(s, &s->job[i], v);
#pragma omp atomic read
        over = s->err;
    }
    if (e == OK && over == OK)
        e = export_verifier_end(v);
    if (e != OK)
        give_up(s, e, NULL);
}

static size_t points_each(const struct scan *s)
{
    size_t given = s->run->options->batch_points;
    return given ? given : ballot_batch_points_in(BATCH_MEMORY, (size_t)s->threads);
}

static err_t verifier_new(struct scan *s, struct export_verifier **out, size_t points, size_t threads)
{
    err_t e = export_verifier_new(out, s->run->ctx, s->layout, points, threads);
    return e == OK ? OK : give_up(s, e, NULL);
}

static void free_verifiers(struct scan *s)
{
    for (int i = 0; i < s->threads; i++) {
        export_verifier_free(s->verifier[i]);
        s->verifier[i] = NULL;
    }
}

/* One export at a time, all threads for the inside of it. */
static void work_wide(struct scan *s, int large)
{
    struct export_verifier *v;
    size_t threads = (size_t)s->threads;
    free_verifiers(s);
    if (verifier_new(s, &v, threads * points_each(s), threads) != OK)
        return;
    s->next = 0;
    work(s, v, large);
    export_verifier_free(v);
}

/* Each thread has exports and a batch of its own. */
static void work_side_by_side(struct scan *s)
{
    for (int i = 0; i < s->threads; i++)
        if (!s->verifier[i] && verifier_new(s, &s->verifier[i], points_each(s), 1) != OK)
            return;
    s->next = 0;
#pragma omp parallel num_threads(s->threads)
    work(s, s->verifier[omp_get_thread_num()], 0);
}

static err_t examine_all(struct scan *s, struct fault *f)
{
    size_t large = 0;
    for (size_t i = 0; i < s->count; i++)
        large += (size_t)is_large(&s->job[i]);
    if (large)
        work_wide(s, 1);
    if (s->err == OK && s->count - large > 0) {
        if (s->count - large < (size_t)s->threads || s->threads == 1)
            work_wide(s, 0);
        else
            work_side_by_side(s);
    }
    if (s->err != OK && f)
        *f = s->fault;
    return s->err;
}

static void free_jobs(struct scan *s)
{
    for (size_t i = 0; i < s->count; i++) {
        struct job *j = &s->job[i];
        free(j->name);
        free(j->fault);
        free(j->task.fault);
        free(j->path);
        free(j->ballot);
    }
    s->count = 0;
    s->bytes = 0;
}

static err_t do_chunk(struct scan *s, struct fault *f)
{
    err_t e;
    GO(agg_begin(s->run->ix, f));
    GO(examine_all(s, f));
    GO(agg_commit(s->run->ix, f));
    GO(agg_begin(s->run->ix, f));
    for (size_t i = 0; i < s->count; i++)
        GO(tell_job(s, &s->job[i], f));
    GO(agg_commit(s->run->ix, f));
out:
    if (e != OK) {
        free_verifiers(s); /* they may hold jobs */
        agg_rollback(s->run->ix);
    }
    free_jobs(s);
    return e;
}

/* A directory: looked at when the files are done, as it uses all threads for a long time. */
static err_t note_dir(struct scan *s, const char *name, struct fault *f)
{
    if (array_room(&s->dir, s->dir_count + 1, &s->dir_cap, sizeof *s->dir, 8) != OK)
        return fault_set(f, ERR_MEMORY, "reading exports");
    s->dir[s->dir_count] = strdup(name);
    return s->dir[s->dir_count++] ? OK : fault_set(f, ERR_MEMORY, "reading exports");
}

static err_t add_file(void *ctx, const char *name, struct fault *f)
{
    struct scan *s = ctx;
    const struct aggregate_options *o = s->run->options;
    char path[4096];
    struct stat st = {0};
    if (file_path(path, sizeof path, s->run->exports_dir, name) == OK && lstat(path, &st) == 0 &&
        S_ISDIR(st.st_mode))
        return note_dir(s, name, f);
    if (o->parts && s->seen++ % o->parts != o->part - 1)
        return OK;
    struct job *j = &s->job[s->count++];
    *j = (struct job){.scan = s, .name = strdup(name), .place = ""};
    if (!j->name)
        return fault_set(f, ERR_MEMORY, "reading exports");
    j->size = st.st_size > 0 ? (uint64_t)st.st_size : 0;
    s->bytes += j->size;
    return s->count == CHUNK || s->bytes >= CHUNK_BYTES * (uint64_t)s->threads ? do_chunk(s, f) : OK;
}

static err_t scan_new(struct scan **out, struct agg_run *run)
{
    struct scan *s = calloc(1, sizeof *s);
    *out = s;
    if (!s)
        return ERR_MEMORY;
    s->run = run;
    s->threads = run->options->threads > 0 ? run->options->threads : omp_get_max_threads();
    omp_init_lock(&s->lock);
    s->verifier = calloc((size_t)s->threads, sizeof(struct export_verifier *));
    if (!s->verifier)
        return ERR_MEMORY;
    if (run->ctx->m->kind != KIND_BALLOTS)
        return OK;
    TRY(ballot_layout_new(&s->layout, run->ctx));
    ballot_layout_observe(s->layout, run->options->metrics);
    ballot_layout_set_window(s->layout, run->options->window);
    metrics_set(run->options->metrics, METRIC_VERIFY_THREADS, s->threads);
    return OK;
}

static void scan_free(struct scan *s)
{
    if (!s)
        return;
    if (s->verifier)
        free_verifiers(s);
    free(s->verifier);
    free_jobs(s);
    for (size_t i = 0; i < s->dir_count; i++)
        free(s->dir[i]);
    free(s->dir);
    ballot_layout_free(s->layout);
    omp_destroy_lock(&s->lock);
    free(s);
}

struct expected {
    const struct agg_run *run;
    size_t seen;
    uint64_t bytes;
};

static err_t add_size(void *ctx, const char *name, struct fault *f)
{
    struct expected *x = ctx;
    const struct aggregate_options *o = x->run->options;
    char path[4096];
    struct stat st = {0};
    (void)f;
    if (file_path(path, sizeof path, x->run->exports_dir, name) == OK && lstat(path, &st) == 0 &&
        S_ISDIR(st.st_mode))
        return OK;
    if (o->parts && x->seen++ % o->parts != o->part - 1)
        return OK;
    x->bytes += S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
    return OK;
}

/* Only where numbers are wanted: how much there is to read. Chains add theirs. */
static err_t expect_bytes(const struct agg_run *run, struct fault *f)
{
    struct expected x = {.run = run};
    if (run->options->metrics == NULL)
        return OK;
    TRY(file_list(run->exports_dir, add_size, &x, f));
    metrics_more(run->options->metrics, METRIC_VERIFY_EXPECTED, (double)x.bytes);
    return OK;
}

static err_t read_exports(struct agg_run *run, struct fault *f)
{
    struct scan *s;
    TRY(file_is_dir(run->exports_dir, f));
    TRY(expect_bytes(run, f));
    err_t e = scan_new(&s, run);
    if (e != OK)
        fault_set(f, e, "reading exports");
    if (e == OK)
        e = file_list(run->exports_dir, add_file, s, f);
    if (e == OK && s->count)
        e = do_chunk(s, f);
    if (e == OK)
        free_verifiers(s);
    for (size_t i = 0; e == OK && i < s->dir_count; i++)
        e = agg_chain_add(run, s->dir[i], f);
    scan_free(s);
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

/* What another machine verified. Only this program opens its index, one at a time. */
static err_t take_over(struct agg_run *run, const char *dir, struct fault *f)
{
    const struct aggregate_options *o = run->options;
    struct agg_part_standing standing = {.n = 0};
    struct agg_index *other = NULL;
    hash_t program;
    err_t e;
    GO(file_is_dir(dir, f));
    if (o->signers) {
        if (o->program)
            program = *o->program;
        else
            GO(part_program(&program, f));
        GO(agg_part_check(&standing, dir, run->ctx, o->signers, &program, f));
    }
    GO(agg_open(&other, run->ctx, dir, f));
    GO(agg_copy(run->ix, other, f));
    struct aggregate_event ev = {.kind = AGGREGATE_TAKEN,
                                 .file = dir,
                                 .place = standing.signer,
                                 .items = standing.k,
                                 .total = standing.n};
    e = agg_tell(run, &ev);
out:
    agg_close(other);
    return e;
}

/* run->result stays filled if all went well; run->few is the caller's to free in any case. */
static err_t run_all(struct agg_run *run, const char *work_dir, struct fault *f)
{
    err_t e;
    memset(run->result, 0, sizeof *run->result);
    if (f)
        fault_clear(f);
    run->work_dir = work_dir;
    GO(file_mkdir(work_dir, f));
    GO(file_mkdir(run->records_dir, f));
    GO(agg_open(&run->ix, run->ctx, work_dir, f));
    GO(agg_clear(run->ix, f));
    for (size_t i = 0; i < run->options->from_count; i++)
        GO(take_over(run, run->options->from[i], f));
    GO(read_exports(run, f));
    if (run->options->parts)
        goto out;
    GO(settle(run, f));
    GO(agg_write_records(run, f));
out:
    agg_close(run->ix);
    run->ix = NULL;
    agg_chain_free(run);
    if (e == OK && run->options->parts)
        e = agg_part_write(work_dir, run->ctx, run->options->part, run->options->parts, f);
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
