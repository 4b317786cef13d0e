/* Running the checks, and filing what they find. */
#include "tally/verify.h"

#include <omp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ceremony/base/array.h"
#include "ceremony/base/file.h"
#include "tally/id_sort.h"
#include "tally/verify_chain.h"
#include "tally/verify_state.h"

static const struct {
    const char *id, *title, *spec;
    int required;
    err_t (*run)(struct verify *v, enum verify_id id);
} checks[CHECK_COUNT] = {
#define X(name, id, title, spec, required, fn) {id, title, spec, required, verify_check_##fn},
    VERIFY_CHECKS(X)
#undef X
};

size_t verify_check_count(void)
{
    return CHECK_COUNT;
}

const char *verify_check_id(size_t i)
{
    return i < CHECK_COUNT ? checks[i].id : "";
}

const char *verify_verdict_name(enum verify_verdict v)
{
    return v == VERIFY_PASS ? "PASS" : v == VERIFY_FAIL ? "FAIL" : "NOT CHECKED";
}

/* --- filing --- */

/* Names in a bundle are anybody's bytes: what a terminal could take for a command is shown as a question
 * mark. */
static void copy_shown(char *out, size_t size, const char *text)
{
    size_t len = strlen(text);
    if (len >= size)
        len = size - 1;
    memcpy(out, text, len);
    out[len] = '\0';
    if (text_check(out, len) == OK)
        return;
    for (size_t i = 0; i < len; i++)
        if (out[i] < 0x20 || out[i] > 0x7e)
            out[i] = '?';
}

void outcome_fail(struct verify_outcome *o, err_t e, const char *file, const char *who, const char *detail)
{
    /* Nobody else is to blame for want of memory. */
    if (e == ERR_MEMORY || e == ERR_LOCK || e == ERR_RANDOM) {
        o->broken = e;
        return;
    }
    o->failure_count++;
    size_t at = o->failure_kept;
    if (at == VERIFY_KEPT_MAX)
        return;
    if (array_room(&o->failure, at + 1, &o->failure_cap, sizeof *o->failure, 4) != OK)
        return; /* counted all the same */
    o->failure_kept++;
    struct verify_failure *x = &o->failure[at];
    x->err = e;
    copy_shown(x->file, sizeof x->file, file ? file : "");
    copy_shown(x->who, sizeof x->who, who ? who : "");
    copy_shown(x->detail, sizeof x->detail, detail && detail[0] ? detail : err_meaning(e));
}

void outcome_note(struct verify_outcome *o, const char *text)
{
    if (o->note_count == VERIFY_KEPT_MAX)
        return;
    char *copy = strdup(text);
    char **p = copy ? realloc(o->note, (o->note_count + 1) * sizeof *p) : NULL;
    if (p == NULL) {
        free(copy);
        o->broken = ERR_MEMORY;
        return;
    }
    copy_shown(copy, strlen(copy) + 1, text);
    o->note = p;
    o->note[o->note_count++] = copy;
}

static const char *relative(const struct verify *v, const char *file)
{
    size_t len = strlen(v->dir);
    if (strncmp(file, v->dir, len) != 0)
        return file;
    file += len;
    while (*file == '/')
        file++;
    return file;
}

void verify_fail(struct verify *v, enum verify_id id, const struct fault *f)
{
    char detail[600];
    if (f->at >= 0)
        snprintf(detail, sizeof detail, "%s (%s %lld)", f->detail[0] ? f->detail : err_meaning(f->err),
                 f->is_line ? "line" : "byte", f->at);
    else
        snprintf(detail, sizeof detail, "%s", f->detail);
    outcome_fail(&v->rep->outcome[id], f->err, relative(v, f->file), f->who, detail);
}

void verify_failf(struct verify *v, enum verify_id id, err_t e, const char *file, const char *who,
                  const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    outcome_fail(&v->rep->outcome[id], e, file, who, text);
}

void verify_skip(struct verify *v, enum verify_id id, const char *fmt, ...)
{
    struct verify_outcome *o = &v->rep->outcome[id];
    va_list ap;
    if (o->reason[0])
        return;
    va_start(ap, fmt);
    vsnprintf(o->reason, sizeof o->reason, fmt, ap);
    va_end(ap);
}

void verify_note(struct verify *v, enum verify_id id, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    outcome_note(&v->rep->outcome[id], text);
}

size_t verify_failures(const struct verify *v, enum verify_id id)
{
    return v->rep->outcome[id].failure_count;
}

err_t verify_path(const struct verify *v, char out[BUNDLE_PATH_MAX], const char *name)
{
    return file_path(out, BUNDLE_PATH_MAX, v->dir, name);
}

err_t verify_tick(struct verify *v, const char *what, uint64_t done, uint64_t total)
{
    return v->opt->progress ? v->opt->progress(v->opt->progress_ctx, what, done, total) : OK;
}

/* --- running --- */

static err_t report_new(struct verify_report **out, const char *input, size_t count)
{
    struct verify_report *r = calloc(1, sizeof *r);
    *out = NULL;
    if (r == NULL)
        return ERR_MEMORY;
    r->outcome = calloc(count, sizeof *r->outcome);
    if (r->outcome == NULL) {
        free(r);
        return ERR_MEMORY;
    }
    r->count = count;
    copy_shown(r->input, sizeof r->input, input);
    *out = r;
    return OK;
}

static err_t open_state(struct verify **out, const char *dir, const struct verify_options *o)
{
    struct verify *v = calloc(1, sizeof *v);
    *out = v;
    if (v == NULL)
        return ERR_MEMORY;
    v->dir = dir;
    v->opt = o;
    fault_clear(&v->fault);
    TRY(report_new(&v->rep, dir, CHECK_COUNT));
    v->rep->kind = "bundle";
    v->rep->has_anchor = o->anchor != NULL;
    for (size_t i = 0; i < CHECK_COUNT; i++) {
        struct verify_outcome *x = &v->rep->outcome[i];
        x->id = checks[i].id;
        x->title = checks[i].title;
        x->spec = checks[i].spec;
        x->required = checks[i].required;
    }
    return group_new(&v->g);
}

static void close_outcome(struct verify_outcome *o)
{
    o->verdict = o->failure_count ? VERIFY_FAIL : o->reason[0] ? VERIFY_NOT_CHECKED : VERIFY_PASS;
}

static int any_failed(const struct verify *v)
{
    for (size_t i = 0; i < CHECK_COUNT; i++)
        if (v->rep->outcome[i].failure_count)
            return 1;
    return 0;
}

static err_t run_all(struct verify *v, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (v->opt->stop_early && any_failed(v)) {
            verify_skip(v, (enum verify_id)i, "stopped at the first failure");
            continue;
        }
        TRY(checks[i].run(v, (enum verify_id)i));
        for (size_t k = 0; k < CHECK_COUNT; k++) /* a check can fail another one */
            TRY(v->rep->outcome[k].broken);
    }
    for (size_t i = 0; i < CHECK_COUNT; i++)
        close_outcome(&v->rep->outcome[i]);
    return OK;
}

err_t verify_run(struct verify **out, const char *dir, const struct verify_options *o, struct fault *f)
{
    return verify_run_first(out, dir, o, CHECK_COUNT, f);
}

err_t verify_run_first(struct verify **out, const char *dir, const struct verify_options *o, size_t count,
                       struct fault *f)
{
    int threads = omp_get_max_threads();
    err_t e = open_state(out, dir, o);
    if (e == OK) {
        if (o->threads > 0)
            omp_set_num_threads(o->threads);
        e = run_all(*out, count);
        omp_set_num_threads(threads);
    }
    if (e == OK)
        return OK;
    if (*out && (*out)->fault.err == e && f)
        *f = (*out)->fault;
    else
        fault_set(f, e, "verifying %.400s", dir);
    verify_close(*out);
    *out = NULL;
    return e;
}

void verify_close(struct verify *v)
{
    if (v == NULL)
        return;
    for (size_t i = 0; i < v->name_count; i++)
        free(v->name[i].path);
    free(v->name);
    for (size_t i = 0; i < TRUSTEES_MAX; i++)
        partial_free(v->used[i]);
    result_free(v->result);
    if (v->plan)
        plan_targets_free(v->target, v->plan->unit_count);
    plan_free(v->plan);
    node_free(v->whole);
    verify_chains_free(v);
    id_sort_free(v->ids);
    sqlite3_finalize(v->put_seen);
    sqlite3_finalize(v->put_dropped);
    sqlite3_close(v->index);
    cut_free(&v->cut);
    free(v->view.entry);
    board_free(v->b);
    group_free(v->g);
    record_free(v->r);
    free(v->record_bytes);
    places_free(v->places);
    manifest_free(v->m);
    verify_report_free(v->rep);
    free(v);
}

static void outcome_free(struct verify_outcome *o)
{
    for (size_t k = 0; k < o->note_count; k++)
        free(o->note[k]);
    free(o->note);
    free(o->failure);
}

/* What an election without voting chains cannot be right or wrong about is in no list of what passed. */
static err_t leave_out_chains(struct verify *v)
{
    struct verify_report *r = v->rep;
    size_t kept = 0;
    if (v->m == NULL || v->m->chain_count)
        return OK;
    verify_note(v, CHECK_MANIFEST, "no voting chain in this election: the checks chain.* do not apply");
    TRY(r->outcome[CHECK_MANIFEST].broken);
    for (size_t i = 0; i < r->count; i++) {
        struct verify_outcome x = r->outcome[i];
        int drop = strncmp(x.id, "chain.", 6) == 0 && x.verdict != VERIFY_FAIL;
        if (drop)
            outcome_free(&x);
        else
            r->outcome[kept++] = x;
    }
    memset(r->outcome + kept, 0, (r->count - kept) * sizeof *r->outcome);
    r->count = kept;
    return OK;
}

err_t verify_bundle(struct verify_report **out, const char *dir, const struct verify_options *o,
                    struct fault *f)
{
    struct verify *v;
    *out = NULL;
    TRY(verify_run(&v, dir, o, f));
    err_t e = leave_out_chains(v);
    if (e != OK) {
        verify_close(v);
        return fault_set(f, e, "verifying %.400s", dir);
    }
    *out = v->rep;
    v->rep = NULL;
    verify_close(v);
    return OK;
}

err_t verify_unreadable(struct verify_report **out, const char *input, const struct fault *why)
{
    TRY(report_new(out, input, 1));
    struct verify_outcome *o = &(*out)->outcome[0];
    (*out)->kind = "message";
    *o = (struct verify_outcome){
        .id = "qr.form", .title = "the message can be read", .spec = "qr.md", .required = 1};
    outcome_fail(o, why->err, why->file, why->who, why->detail);
    close_outcome(o);
    return OK;
}

/* --- the report --- */

void verify_report_free(struct verify_report *r)
{
    if (r == NULL)
        return;
    for (size_t i = 0; i < r->count; i++)
        outcome_free(&r->outcome[i]);
    free(r->outcome);
    free(r->content);
    free(r);
}

enum verify_verdict verify_verdict(const struct verify_report *r)
{
    enum verify_verdict all = VERIFY_PASS;
    for (size_t i = 0; i < r->count; i++) {
        const struct verify_outcome *o = &r->outcome[i];
        if (o->verdict == VERIFY_FAIL)
            return VERIFY_FAIL;
        if (o->verdict == VERIFY_NOT_CHECKED && o->required)
            all = VERIFY_NOT_CHECKED;
    }
    return all;
}

int verify_exit_status(const struct verify_report *r)
{
    switch (verify_verdict(r)) {
    case VERIFY_PASS:
        return VERIFY_EXIT_GOOD;
    case VERIFY_NOT_CHECKED:
        return VERIFY_EXIT_UNCHECKED;
    default:
        return VERIFY_EXIT_FAILED;
    }
}
