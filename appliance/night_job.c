/* Decryption night: work in child processes, and the paths to propose. */
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "appliance/face_parts.h"
#include "appliance/night.h"
#include "ceremony/base/file.h"

/* --- children --- */

struct whole_job {
    struct night_child child;
    night_work *work;
    void *ctx;
    const struct night_rights *may;
    struct launcher *launcher;
    struct fault *f;
    err_t e;
};

void night_allow(struct night_rights *may, const char *path, int writable)
{
    if (may->count < NIGHT_PATHS_MAX)
        may->path[may->count++] = (struct sandbox_path){path, writable};
}

static void *end_thread(void *ctx)
{
    pthread_exit(ctx);
}

/* libc opens the library that ends threads only when the first one ends so, as OpenMP's do. */
static err_t load_thread_end(struct fault *f)
{
    pthread_t thread;
    return pthread_create(&thread, NULL, end_thread, NULL) == 0 && pthread_join(thread, NULL) == 0
               ? OK
               : fault_set(f, ERR_MEMORY, "a thread");
}

err_t night_confine(struct sandbox_state *out, const struct night_rights *may, struct fault *f)
{
    struct sandbox_path path[NIGHT_PATHS_MAX + 2];
    size_t n = 0;
    TRY(load_thread_end(f));
    path[n++] = (struct sandbox_path){"/sys/devices/system/cpu", 0};
    if (may->temp != NULL) {
        path[n++] = (struct sandbox_path){may->temp, 1};
        if (setenv("SQLITE_TMPDIR", may->temp, 1) != 0)
            return fault_set(f, ERR_MEMORY, "a process");
    }
    for (size_t i = 0; i < may->count && i < NIGHT_PATHS_MAX; i++)
        path[n++] = may->path[i];
    sandbox_enter(out, may->processes ? SANDBOX_FACE : SANDBOX_CHECKER, path, n);
    return OK;
}

/* A thread of its own: OpenMP's threads of the parent are not in the child, and those of a new thread are. */
static void *run_thread(void *ctx)
{
    struct whole_job *j = ctx;
    j->e = j->work(&j->child, j->ctx, j->f);
    return NULL;
}

/* It neither reads the person's keys nor writes on the screen. */
static err_t leave_terminal(struct fault *f)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0)
        return fault_set(f, ERR_IO, "a process: /dev/null cannot be opened");
    close(null);
    return OK;
}

static err_t in_child(void *ctx, progress_fn progress, void *progress_ctx, int out, struct fault *f)
{
    struct whole_job *j = ctx;
    pthread_t thread;
    (void)out;
    j->child.progress = progress;
    j->child.progress_ctx = progress_ctx;
    j->f = f;
    struct sandbox_state state;
    launcher_forget(j->launcher);
    TRY(leave_terminal(f));
    TRY(night_confine(&state, j->may, f));
    if (pthread_create(&thread, NULL, run_thread, j) != 0 || pthread_join(thread, NULL) != 0)
        return fault_set(f, ERR_MEMORY, "a thread");
    return j->e;
}

err_t night_job_confined(struct face *face, enum message title, enum message text, night_work *work,
                         void *ctx, const struct night_rights *may, struct tape_item **found, size_t *count,
                         struct fault *f)
{
    struct whole_job j = {.work = work,
                          .ctx = ctx,
                          .may = may,
                          .launcher = face->c.launcher,
                          .child = {.tape = {.fd = -1}, .language = face->language}};
    struct page_job job;
    struct page *p = NULL;
    struct fault reading;
    err_t e;
    *found = NULL;
    *count = 0;
    GO(tape_open(&j.child.tape, f));
    p = page_new(face->ui, title);
    page_text(p, text);
    GO(job_fork(&job, NULL, in_child, &j, f));
    e = page_run_job(p, &job, f);
    err_t r = tape_read(found, count, &j.child.tape, &reading);
    if (e == OK && r != OK) {
        *f = reading;
        e = r;
    }
out:
    page_free(p);
    tape_close(&j.child.tape);
    return e;
}

err_t night_progress(void *child, const char *what, uint64_t done, uint64_t total)
{
    static const struct {
        const char *what;
        enum message text;
    } phase[] = {{"exports", MSG_JOB_EXPORTS},   {"plan", MSG_JOB_PLAN},
                 {"partials", MSG_JOB_PARTIALS}, {"combining", MSG_JOB_COMBINING},
                 {"publish", MSG_JOB_PUBLISH},   {"hashes", MSG_JOB_HASHES},
                 {"chain", MSG_JOB_CHAIN},       {"ballots of a chain", MSG_JOB_CHAIN}};
    const struct night_child *c = child;
    for (size_t i = 0; i < sizeof phase / sizeof phase[0]; i++)
        if (strcmp(phase[i].what, what) == 0)
            what = message_text(c->language, phase[i].text);
    return c->progress(c->progress_ctx, what, done, total);
}

/* --- what a child found --- */

static void put(struct night_child *c, struct tape_item *item)
{
    err_t e = tape_put(&c->tape, item); /* what was found is also in the error that ends the work */
    (void)e;
}

void night_event(void *child, const struct aggregate_event *ev)
{
    static const uint32_t kind[] = {[AGGREGATE_REFUSED] = FOUND_REFUSED,
                                    [AGGREGATE_REPLACED] = FOUND_REPLACED,
                                    [AGGREGATE_DROPPED] = FOUND_DROPPED,
                                    [AGGREGATE_FEW] = FOUND_FEW,
                                    [AGGREGATE_NODE] = 0};
    struct tape_item item = {.hash = ev->kind == AGGREGATE_REPLACED || ev->kind == AGGREGATE_FEW ? ev->other
                                                                                                 : ev->id,
                             .a = ev->items};
    item.kind = (size_t)ev->kind < sizeof kind / sizeof kind[0] ? kind[ev->kind] : 0;
    if (item.kind == 0)
        return;
    snprintf(item.name, sizeof item.name, "%s", ev->place);
    if (ev->fault != NULL)
        item.fault = *ev->fault;
    put(child, &item);
}

err_t night_aggregate(void *child, const struct aggregate_event *ev)
{
    night_event(child, ev);
    if (ev->kind == AGGREGATE_CHAIN)
        return night_progress(child, "chain", ev->items, ev->total);
    if (ev->kind != AGGREGATE_VERIFIED && ev->kind != AGGREGATE_KNOWN)
        return OK;
    return night_progress(child, "exports", ev->done, 0);
}

void night_violation(void *child, const char *rule, const struct fault *f)
{
    struct tape_item item = {.kind = FOUND_RULE, .fault = *f};
    snprintf(item.name, sizeof item.name, "%s", rule);
    put(child, &item);
}

size_t night_count(const struct tape_item *found, size_t count, uint32_t kind)
{
    size_t n = 0;
    for (size_t i = 0; i < count; i++)
        n += found[i].kind == kind;
    return n;
}

size_t night_list(struct page *p, const struct tape_item *found, size_t count, uint32_t kind,
                  enum message head)
{
    char lines[NIGHT_LINES_MAX * 160] = "";
    size_t shown = 0, len = 0;
    for (size_t i = 0; i < count && shown < NIGHT_LINES_MAX; i++) {
        if (found[i].kind != kind)
            continue;
        if (shown++ == 0)
            page_head(p, head);
        if (found[i].fault.err != OK)
            page_fault(p, &found[i].fault);
        else if (len < sizeof lines)
            len +=
                (size_t)snprintf(lines + len, sizeof lines - len, "%s%s", len > 0 ? "\n" : "", found[i].text);
    }
    if (len > 0)
        page_raw(p, lines);
    return shown;
}

/* --- paths --- */

/* The first of these below the board, or beside it, that is there. */
static void guess(char out[4096], const char *board, const char *const *name, size_t count, int is_dir)
{
    static const char *const from[] = {"", "../"};
    char path[4200], real[4096];
    for (size_t i = 0; out[0] == '\0' && i < 2 * count; i++) {
        if (snprintf(path, sizeof path, "%s/%s%s", board, from[i % 2], name[i / 2]) >= (int)sizeof path)
            continue;
        if (is_dir ? file_is_dir(path, NULL) != OK : access(path, R_OK) != 0)
            continue;
        if (realpath(path, real) != NULL)
            snprintf(out, 4096, "%s", real);
    }
}

/* DIR/name, where DIR is what the board lies in; in the home itself, which is not opened as a whole, its
 * folder for that. */
static void beside(char out[4096], const char *board, const char *name)
{
    char real[4096], home[4096];
    char *slash;
    if (out[0] != '\0' || realpath(board, real) == NULL || (slash = strrchr(real, '/')) == NULL)
        return;
    *slash = '\0';
    if (getenv("HOME") != NULL && realpath(getenv("HOME"), home) != NULL && strcmp(real, home) == 0 &&
        snprintf(real, sizeof real, "%s/" FACE_WORK_FOLDER, home) >= (int)sizeof real)
        return;
    if (snprintf(out, 4096, "%s/%s", real, name) >= 4096)
        out[0] = '\0';
}

void night_files_dir(char *out, size_t size, const struct face *face)
{
    const char *home = getenv("HOME");
    char path[4200], name[17];
    hash_t election;
    out[0] = '\0';
    if (home == NULL || home[0] != '/' || file_path(path, sizeof path, face->board, BUNDLE_MANIFEST) != OK ||
        manifest_election_of(&election, path, NULL) != OK)
        return;
    hex_put(name, election.b, 8);
    int n = snprintf(out, size, "%s/" FACE_CARRIED_FOLDER "/%s", home, name);
    if (n < 0 || (size_t)n >= size)
        out[0] = '\0';
}

/* What came by medium, where nothing lies beside the board. */
static void guess_carried(struct face *face)
{
    static const char *const name[] = {"exports", "bundle", "plan.cbor"};
    char *const out[] = {face->exports, face->bundle, face->plan};
    char dir[4096], path[4200];
    night_files_dir(dir, sizeof dir, face);
    for (int i = 0; i < 3 && dir[0] != '\0'; i++)
        if (out[i][0] == '\0' && file_path(path, 4096, dir, name[i]) == OK && access(path, R_OK) == 0)
            snprintf(out[i], 4096, "%.4095s", path);
}

void night_guess(struct face *face, const hash_t *election)
{
    static const char *const exports[] = {"exports"};
    static const char *const plan[] = {"plan.cbor", "tally/plan.cbor"};
    static const char *const tally[] = {"tally"};
    const char *home = getenv("HOME");
    char hex[17], made[sizeof face->plan];
    if (face->c.board == NULL)
        return;
    guess(face->exports, face->board, exports, 1, 1);
    guess(face->plan, face->board, plan, 2, 0);
    guess(face->tally, face->board, tally, 1, 1);
    guess_carried(face);
    beside(face->tally, face->board, "tally");
    beside(face->bundle, face->board, "bundle");
    if (face->plan[0] == '\0' && file_path(made, sizeof made, face->tally, BUNDLE_PLAN) == OK &&
        access(made, R_OK) == 0)
        memcpy(face->plan, made, sizeof made);
    if (election == NULL || face->work[0] != '\0' || home == NULL || home[0] != '/')
        return;
    hex_put(hex, election->b, 8);
    if (snprintf(face->work, sizeof face->work, "%s/" FACE_WORK_FOLDER "/%s", home, hex) >=
        (int)sizeof face->work)
        face->work[0] = '\0';
}
