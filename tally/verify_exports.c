/* All exports of a bundle: some thousand in hand at a time, each thread with a batch that small ones share;
 * large ones are shared by all threads. What was found is filed in the order of places, so that the report
 * does not depend on threads, batches or interruptions. */
#include <omp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tally/id_sort.h"
#include "tally/verify_piece.h"

#define CHUNK 2048                       /* exports in hand */
#define CHUNK_BYTES ((uint64_t)64 << 20) /* and for each thread, so that a stop loses little */
#define LARGE ((uint64_t)16 << 20)       /* an export that all threads share */
#define BATCH_MEMORY ((size_t)24 << 20)  /* of all threads: less is slower by some per cent */
#define COUNTS_MEMORY ((size_t)48 << 20) /* parsed counts of all threads */
#define ID_MEMORY ((size_t)40 << 20)

struct verify_exports {
    struct verify *v;
    struct ballot_layout *layout; /* NULL: an election of counts */
    struct verify_resume *resume;
    int threads;
    struct export_flow **flow; /* one for each thread */
    uint64_t bytes, total;     /* looked at; of all exports */
    size_t count, next;
    uint64_t chunk_bytes;
    err_t err; /* the run is over */
    struct fault fault;
    struct verify_job job[CHUNK];
};

/* --- from the threads --- */

void verify_exports_error(struct verify_exports *x, err_t e, const struct fault *f)
{
    (void)e; /* gcc takes an atomic write for no use */
#pragma omp critical(verify_exports_error)
    if (x->err == OK) {
        fault_clear(&x->fault);
        if (f && f->err != OK)
            x->fault = *f;
#pragma omp atomic write
        x->err = e;
    }
}

err_t verify_exports_ids(struct verify_exports *x, uint32_t place, const hash_t *id, size_t count)
{
    err_t e = OK;
    struct fault f;
    fault_clear(&f);
#pragma omp critical(verify_exports_ids)
    for (size_t i = 0; i < count && e == OK; i++)
        e = id_sort_add(x->v->ids, &id[i], place, 0, &f);
    if (e != OK)
        verify_exports_error(x, e, &f);
    return e;
}

err_t verify_exports_progress(struct verify_exports *x, uint64_t bytes)
{
    err_t e;
#pragma omp critical(verify_exports_progress)
    {
        x->bytes += bytes;
        e = verify_tick(x->v, "exports, KiB", x->bytes >> 10, x->total >> 10);
    }
    return e;
}

const struct verify_resume *verify_exports_resume(const struct verify_exports *x)
{
    return x->resume;
}

size_t verify_exports_share(const struct verify_exports *x)
{
    return COUNTS_MEMORY / (size_t)(omp_in_parallel() ? x->threads : 1);
}

/* --- a chunk --- */

static int is_large(const struct verify_job *j)
{
    return j->size >= LARGE;
}

/* One export after the other, until there is none left. */
static void work(struct verify_exports *x, struct export_flow *flow, int large)
{
    err_t e = OK, over = OK;
    while (e == OK && over == OK) {
        size_t i;
#pragma omp atomic capture
        i = x->next++;
        if (i >= x->count)
            break;
        metrics_set(x->v->opt->metrics, METRIC_VERIFY_QUEUE, (double)(x->count - i - 1));
        if (is_large(&x->job[i]) == large)
            e = verify_job_start(&x->job[i], flow);
#pragma omp atomic read
        over = x->err;
    }
    if (e == OK && over == OK && flow)
        e = export_flow_end(flow);
    if (e != OK)
        verify_exports_error(x, e, NULL);
}

static err_t flow_new(struct verify_exports *x, struct export_flow **out, size_t points, size_t threads)
{
    *out = NULL;
    if (!x->layout)
        return OK;
    err_t e = export_flow_new(out, x->layout, &x->v->ctx, points, threads);
    if (e != OK)
        verify_exports_error(x, e, NULL);
    return e;
}

static void free_flows(struct verify_exports *x)
{
    for (int i = 0; i < x->threads; i++) {
        export_flow_free(x->flow[i]);
        x->flow[i] = NULL;
    }
}

static size_t points_each(const struct verify_exports *x)
{
    size_t given = x->v->opt->batch_points;
    return given ? given : ballot_batch_points_in(BATCH_MEMORY, (size_t)x->threads);
}

static void work_wide(struct verify_exports *x, int large)
{
    struct export_flow *flow;
    size_t threads = (size_t)x->threads;
    free_flows(x);
    if (flow_new(x, &flow, threads * points_each(x), threads) != OK)
        return;
    x->next = 0;
    work(x, flow, large);
    export_flow_free(flow);
}

static void work_side_by_side(struct verify_exports *x)
{
    for (int i = 0; i < x->threads; i++)
        if (!x->flow[i] && flow_new(x, &x->flow[i], points_each(x), 1) != OK)
            return;
    x->next = 0;
#pragma omp parallel num_threads(x->threads)
    work(x, x->flow[omp_get_thread_num()], 0);
    if (x->err != OK)
        free_flows(x); /* they may hold jobs */
}

static void look_at_all(struct verify_exports *x)
{
    size_t large = 0;
    for (size_t i = 0; i < x->count; i++)
        large += (size_t)is_large(&x->job[i]);
    if (large)
        work_wide(x, 1);
    if (x->err == OK && x->count - large > 0) {
        if (x->count - large < (size_t)x->threads || x->threads == 1)
            work_wide(x, 0);
        else
            work_side_by_side(x);
    }
}

/* --- filing --- */

static int is_clean(const struct verify_job *j)
{
    static const enum verify_id items[] = {CHECK_SIGNED, CHECK_BALLOTS, CHECK_IDS,
                                           CHECK_ORDER,  CHECK_ROOT,    CHECK_TALLY};
    for (size_t i = 0; i < sizeof items / sizeof *items; i++)
        if (verify_job_failures(j, items[i]))
            return 0;
    return j->over && !j->unread && !j->bad;
}

static err_t remember(struct verify_exports *x, const struct verify_job *j)
{
    if (!x->resume || !j->is_new || !j->has_hash || !is_clean(j))
        return OK;
    return verify_resume_add(x->resume, &j->hash, &x->v->fault);
}

void verify_outcome_add(struct verify_outcome *to, const struct verify_outcome *from)
{
    for (size_t i = 0; i < from->failure_kept; i++) {
        const struct verify_failure *f = &from->failure[i];
        outcome_fail(to, f->err, f->file, f->who, f->detail);
    }
    to->failure_count += from->failure_count - from->failure_kept;
    for (size_t i = 0; i < from->note_count; i++)
        outcome_note(to, from->note[i]);
    if (from->broken != OK)
        to->broken = from->broken;
}

static err_t file_job(struct verify_exports *x, const struct verify_job *j)
{
    struct verify *v = x->v;
    if (v->piece)
        return verify_piece_keep(v, j);
    for (size_t i = 0; j->v && i < CHECK_COUNT; i++)
        verify_outcome_add(&v->rep->outcome[i], &j->v->rep->outcome[i]);
    v->items += j->done;
    metrics_add(v->opt->metrics, METRIC_VERIFY_EXPORTS, 1);
    metrics_add(v->opt->metrics, METRIC_VERIFY_READ, j->size);
    v->bad_exports += (size_t)j->bad;
    v->unread_exports += (size_t)j->unread;
    for (size_t i = 0; i < j->left_out_count && !j->missing; i++)
        TRY(verify_seen(v, &j->left_out[i], j->place));
    return OK;
}

static err_t do_chunk(struct verify_exports *x)
{
    err_t e = OK;
    look_at_all(x);
    for (size_t i = 0; i < x->count && e == OK; i++)
        e = remember(x, &x->job[i]); /* also of a run that is over */
    if (e == OK && x->resume)
        e = verify_resume_save(x->resume, &x->v->fault);
    if (x->err != OK) {
        x->v->fault = x->fault;
        e = x->err;
    }
    for (size_t i = 0; i < x->count; i++) {
        if (e == OK)
            e = file_job(x, &x->job[i]);
        verify_job_free(&x->job[i]);
    }
    x->count = 0;
    x->chunk_bytes = 0;
    return e;
}

/* --- the whole --- */

static uint64_t size_of(const struct verify *v, const char *file)
{
    char path[BUNDLE_PATH_MAX];
    struct stat st;
    return verify_path(v, path, file) == OK && lstat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
}

static err_t add_place(struct verify_exports *x, uint32_t place)
{
    struct verify_job *j = &x->job[x->count];
    struct place p;
    places_get(x->v->places, place, &p);
    if (p.level + 1 != x->v->m->level_count)
        return OK;
    memset(j, 0, sizeof *j);
    verify_export_name(x->v, place, j->file);
    if (!verify_has_file(x->v, j->file) || (x->v->piece && !verify_piece_has(x->v->piece, place)))
        return OK;
    j->x = x;
    j->all = x->v;
    j->place = place;
    j->who = p.id;
    j->size = size_of(x->v, j->file);
    x->count++;
    x->chunk_bytes += j->size;
    return x->count == CHUNK || x->chunk_bytes >= CHUNK_BYTES * (uint64_t)x->threads ? do_chunk(x) : OK;
}

static err_t start(struct verify_exports *x)
{
    struct verify *v = x->v;
    x->threads = omp_get_max_threads();
    x->flow = calloc((size_t)x->threads, sizeof(struct export_flow *));
    if (!x->flow)
        return ERR_MEMORY;
    if (v->piece)
        x->total = verify_piece_bytes(v->piece);
    for (size_t i = 0; i < v->name_count && !v->piece; i++)
        if (strncmp(v->name[i].path, BUNDLE_EXPORTS "/", sizeof BUNDLE_EXPORTS) == 0)
            x->total += size_of(v, v->name[i].path);
    metrics_more(v->opt->metrics, METRIC_VERIFY_EXPECTED, (double)x->total);
    metrics_set(v->opt->metrics, METRIC_VERIFY_THREADS, x->threads);
    if (v->m->kind == KIND_BALLOTS) {
        TRY(ballot_layout_new(&x->layout, &v->ctx));
        ballot_layout_observe(x->layout, v->opt->metrics);
        ballot_layout_set_window(x->layout, v->opt->window);
        TRY(id_sort_new(&v->ids, ID_MEMORY));
        id_sort_observe(v->ids, v->opt->metrics);
    }
    if (v->opt->resume)
        TRY(verify_resume_open(&x->resume, v->opt->resume, &v->m->election, &v->r->id, &v->fault));
    return OK;
}

err_t verify_exports(struct verify *v)
{
    if (v->opt->parts)
        return verify_merge_exports(v);
    struct verify_exports *x = calloc(1, sizeof *x);
    if (!x)
        return ERR_MEMORY;
    x->v = v;
    err_t e = start(x);
    for (uint32_t i = 0; i < places_count(v->places) && e == OK; i++)
        e = add_place(x, i);
    if (e == OK && x->count)
        e = do_chunk(x);
    if (x->flow)
        free_flows(x);
    for (size_t i = 0; i < x->count; i++)
        verify_job_free(&x->job[i]);
    free(x->flow);
    ballot_layout_free(x->layout);
    verify_resume_close(x->resume);
    free(x);
    return e;
}
