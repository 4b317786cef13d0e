/* Long jobs on a page: shown, paused, stopped; in slices or in a process of their own. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ui/progress.h"
#include "ui/screen.h"
#include "ui/term.h"
#include "ui/ui_parts.h"

#define DRAW_MS 100
#define WAIT_MS 500
#define END_MS 3000 /* that a child gets to end */

static uint64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* --- the child's side --- */

static err_t obey(int fd)
{
    char c;
    int flags = MSG_DONTWAIT;
    for (;;) {
        ssize_t n = recv(fd, &c, 1, flags);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return OK;
        if (n <= 0 || c == 's')
            return ERR_STOPPED;
        flags = c == 'p' ? 0 : MSG_DONTWAIT; /* paused: wait for the next word */
    }
}

err_t job_progress(void *fd, const char *what, uint64_t done, uint64_t total)
{
    struct job_report r = {.done = done, .total = total};
    snprintf(r.what, sizeof r.what, "%s", what);
    ssize_t n = send(*(int *)fd, &r, sizeof r, MSG_DONTWAIT | MSG_NOSIGNAL);
    (void)n; /* one that does not fit is followed by others */
    return obey(*(int *)fd);
}

static err_t end_job(int fd, err_t e, const struct fault *f)
{
    struct job_report r = {.ended = 1};
    fault_clear(&r.fault);
    if (f != NULL && e != OK)
        r.fault = *f;
    r.fault.err = e;
    return send(fd, &r, sizeof r, MSG_NOSIGNAL) == (ssize_t)sizeof r ? OK : ERR_IO;
}

static void child(int fd, int out, job_work work, void *ctx)
{
    struct fault f;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    fault_clear(&f);
    err_t e = work(ctx, job_progress, &fd, out, &f);
    e = end_job(fd, e, &f);
    _exit(e == OK ? 0 : 1);
}

err_t job_fork(struct page_job *job, int *out_fd, job_work work, void *ctx, struct fault *f)
{
    int pair[2], out[2] = {-1, -1};
    *job = (struct page_job){.fd = -1};
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return fault_set(f, ERR_IO, "a socket: %s", strerror(errno));
    int piped = out_fd == NULL || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, out) == 0;
    pid_t pid = piped ? fork() : -1;
    if (pid == 0) {
        close(pair[0]);
        if (out[0] >= 0)
            close(out[0]);
        child(pair[1], out[1], work, ctx);
    }
    close(pair[1]);
    if (out[1] >= 0)
        close(out[1]);
    if (pid < 0) {
        close(pair[0]);
        if (out[0] >= 0)
            close(out[0]);
        return fault_set(f, ERR_IO, "a process: %s", strerror(errno));
    }
    job->fd = pair[0];
    job->pid = pid;
    if (out_fd != NULL)
        *out_fd = out[0];
    return OK;
}

/* --- this side --- */

/* The child may be one that reads foreign files: nothing it says is believed beyond its form. */
static void tame(struct job_report *r)
{
    r->what[sizeof r->what - 1] = '\0';
    r->fault.file[sizeof r->fault.file - 1] = '\0';
    r->fault.who[sizeof r->fault.who - 1] = '\0';
    r->fault.detail[sizeof r->fault.detail - 1] = '\0';
    if ((unsigned)r->fault.err > ERR_STOPPED)
        r->fault.err = ERR_BUG;
}

static void died(const struct page *p, struct job_report *r)
{
    r->ended = 1;
    fault_clear(&r->fault);
    fault_set(&r->fault, ERR_IO, "%s", page_say(p, MSG_JOB_DIED));
}

static void receive(const struct page *p, struct page_job *job, struct job_report *r)
{
    struct job_report got;
    for (;;) {
        ssize_t n = recv(job->fd, &got, sizeof got, MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return;
        if (n != (ssize_t)sizeof got) {
            died(p, r);
            return;
        }
        tame(&got);
        if (got.ended)
            snprintf(got.what, sizeof got.what, "%s", r->what);
        *r = got;
        if (r->ended)
            return;
    }
}

static void tell(const struct page_job *job, char word)
{
    if (job->step == NULL) {
        ssize_t n = send(job->fd, &word, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
        (void)n;
    }
}

static void one_step(struct page_job *job, struct job_report *r)
{
    err_t e = job->step(job->ctx, r);
    if (e == OK)
        return;
    r->ended = 1;
    if (r->fault.err != e) {
        fault_clear(&r->fault);
        r->fault.err = e;
    }
}

/* Waits for the child to end by itself, then ends it. */
static void reap(struct page_job *job)
{
    if (job->fd >= 0)
        close(job->fd);
    job->fd = -1;
    for (int i = 0; job->pid > 0; i++) {
        pid_t got = waitpid(job->pid, NULL, i * 20 < END_MS ? WNOHANG : 0);
        if (got == job->pid || (got < 0 && errno != EINTR))
            break;
        struct timespec t = {0, 20000000};
        nanosleep(&t, NULL);
        if (i * 20 + 20 >= END_MS)
            kill(job->pid, SIGKILL);
    }
    job->pid = 0;
}

/* --- what is shown --- */

static void measure(struct job_view *v)
{
    uint64_t now = now_ms();
    if (v->last_time == 0 || v->report.done < v->last_done || v->paused) {
        v->last_time = now;
        v->last_done = v->report.done;
        return;
    }
    uint64_t passed = now - v->last_time;
    if (passed < 1000)
        return;
    uint64_t rate = (uint64_t)((__uint128_t)(v->report.done - v->last_done) * 1000000 / passed);
    v->rate_milli = v->rate_milli == 0 ? rate : (v->rate_milli * 3 + rate) / 4;
    v->last_time = now;
    v->last_done = v->report.done;
}

static void rate_text(char *out, size_t out_len, const struct page *p)
{
    const struct job_view *v = p->job;
    uint64_t rate = v->rate_milli;
    char speed[32], left[32];
    out[0] = '\0';
    if (rate == 0)
        return;
    if (rate < 10000)
        snprintf(speed, sizeof speed, "%llu.%llu", (unsigned long long)(rate / 1000),
                 (unsigned long long)(rate % 1000 / 100));
    else
        snprintf(speed, sizeof speed, "%llu", (unsigned long long)(rate / 1000));
    if (v->report.total > v->report.done) {
        progress_duration(left, (v->report.total - v->report.done) * 1000 / rate);
        ui_say(out, out_len, p->ui, UI_ARGS(MSG_JOB_RATE, speed, left));
    } else {
        ui_say(out, out_len, p->ui, UI_ARGS(MSG_JOB_RATE_ONLY, speed));
    }
}

void job_layout(struct rows *r, const struct page *p)
{
    const struct job_view *v = p->job;
    char text[MESSAGE_MAX], percent[16];
    if (v == NULL)
        return;
    rows_begin(r, -1);
    message_clean(text, sizeof text, v->report.what);
    rows_wrap(r, -1, STYLE_BOLD, "", text);
    if (v->report.total > 0) {
        uint64_t done = v->report.done < v->report.total ? v->report.done : v->report.total;
        rows_begin(r, -1);
        rows_put_bar(r, STYLE_BOLD, done, v->report.total, r->width > 56 ? 50 : r->width - 6);
        snprintf(percent, sizeof percent, " %llu %%",
                 (unsigned long long)((__uint128_t)done * 100 / v->report.total));
        rows_put(r, STYLE_PLAIN, percent);
        ui_say(text, sizeof text, p->ui,
               UI_ARGS(MSG_JOB_COUNT, UI_NUMBER(v->report.done), UI_NUMBER(v->report.total)));
    } else {
        message_number(text, v->report.done);
    }
    rows_wrap(r, -1, STYLE_PLAIN, "", text);
    rate_text(text, sizeof text, p);
    rows_wrap(r, -1, STYLE_PLAIN, "", v->paused ? page_say(p, MSG_JOB_PAUSED) : text);
    rows_begin(r, -1);
    snprintf(text, sizeof text, "[%c] %s", v->paused ? 'r' : 's',
             page_say(p, v->paused ? MSG_JOB_RESUME : MSG_JOB_PAUSE));
    rows_wrap(r, -1, STYLE_BOLD, "", text);
}

static err_t draw(struct page *p)
{
    struct view view = {.message = p->job->asking ? page_say(p, MSG_JOB_STOP_ASK) : "", .message_is_bad = 1};
    err_t e = view_draw(&view, p);
    view_free(&view);
    return e;
}

/* --- keys and the loop --- */

static void pause_or_go(const struct page *p, const struct page_job *job, int paused)
{
    p->job->paused = paused;
    tell(job, paused ? 'p' : 'r');
}

/* 1: stop. */
static int take_key(struct page *p, const struct page_job *job, int key)
{
    struct job_view *v = p->job;
    if (v->asking) {
        v->asking = 0;
        return key == 'y' || key == 'Y';
    }
    if (key == KEY_ESC)
        v->asking = 1;
    else if (key == 's' || (key == 'r' && v->paused))
        pause_or_go(p, job, key == 's' && !v->paused);
    else if (key == KEY_DOWN_ || key == KEY_PGDN)
        p->scroll++;
    else if ((key == KEY_UP_ || key == KEY_PGUP) && p->scroll > 0)
        p->scroll--;
    return 0;
}

static err_t screen_job(struct page *p, struct page_job *job, struct fault *f)
{
    struct job_view *v = p->job;
    while (!v->report.ended) {
        int seen, busy = job->step != NULL && !v->paused;
        measure(v);
        if (!busy || now_ms() - v->drawn >= DRAW_MS) {
            TRY(draw(p));
            v->drawn = now_ms();
        }
        if (busy)
            one_step(job, &v->report);
        int key = ui_key(p->ui, job->step == NULL ? job->fd : -1, busy ? 0 : WAIT_MS, &seen);
        if (key != KEY_NONE) {
            v->drawn = 0;
            if (take_key(p, job, key))
                return fault_set(f, ERR_STOPPED, "stopped by the person");
        }
        if (key == KEY_NONE && (seen & TERM_STOP))
            return fault_set(f, ERR_STOPPED, "a signal, or the end of the terminal");
        if (key == KEY_NONE && (seen & TERM_OTHER))
            receive(p, job, &v->report);
    }
    return OK;
}

/* Lines: what it does when that changes, and each tenth. */
static void speak(const struct page *p, char said[64])
{
    struct job_view *v = p->job;
    char text[MESSAGE_MAX], what[128], count[256];
    uint64_t tenth = v->report.total > 0 ? v->report.done * 10 / v->report.total : 0;
    if (strcmp(said, v->report.what) == 0 && tenth <= v->spoken)
        return;
    snprintf(said, 64, "%s", v->report.what);
    v->spoken = tenth;
    message_clean(what, sizeof what, v->report.what);
    ui_say(count, sizeof count, p->ui,
           UI_ARGS(MSG_JOB_COUNT, UI_NUMBER(v->report.done), UI_NUMBER(v->report.total)));
    snprintf(text, sizeof text, "%s: %s", what, count);
    line_say(p->ui, text);
}

static err_t line_job(struct page *p, struct page_job *job, struct fault *f)
{
    struct job_view *v = p->job;
    char said[64] = "", answer[16];
    line_say(p->ui, p->title);
    line_say(p->ui, page_say(p, MSG_LINE_STOP));
    while (!v->report.ended) {
        int busy = job->step != NULL && !v->paused;
        if (busy)
            one_step(job, &v->report);
        enum line_got got =
            line_read(p->ui, answer, sizeof answer, job->step == NULL ? job->fd : -1, busy ? 0 : WAIT_MS);
        if (got == LINE_OTHER)
            receive(p, job, &v->report);
        if (got == LINE_END || (got == LINE_TEXT && strcmp(answer, "<") == 0))
            return fault_set(f, ERR_STOPPED, "stopped by the person, a signal, or the end of the input");
        if (got == LINE_TEXT && strcmp(answer, "s") == 0) {
            pause_or_go(p, job, !v->paused);
            line_say(p->ui, page_say(p, v->paused ? MSG_JOB_PAUSED : MSG_JOB_RESUME));
        }
        speak(p, said);
    }
    return OK;
}

err_t page_run_job(struct page *p, struct page_job *job, struct fault *f)
{
    struct job_view view = {0};
    if (p == NULL || p->err != OK) {
        tell(job, 's');
        reap(job);
        return fault_set(f, p == NULL ? ERR_MEMORY : p->err, "the page of a job");
    }
    fault_clear(&view.report.fault);
    p->job = &view;
    err_t e = p->ui->lines ? line_job(p, job, f) : screen_job(p, job, f);
    p->job = NULL;
    if (e != OK)
        tell(job, 's');
    reap(job);
    if (e == OK && view.report.fault.err != OK) {
        e = view.report.fault.err;
        if (f != NULL)
            *f = view.report.fault;
    }
    return e;
}
