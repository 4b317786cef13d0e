/* Work with the token in a thread, so that the screen is drawn anew, helps and counts the time meanwhile.
 * What the work has to ask is asked by the thread of the screen. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "appliance/face_parts.h"

#define TICK_MS 1000

struct face_busy {
    struct face *face;
    pthread_t ui;
    pthread_mutex_t lock;
    pthread_cond_t answered;
    int wake[2]; /* from the work to the screen: 'q' a question, 'd' done */
    err_t (*question)(void *ctx, struct fault *f);
    void *question_ctx;
    struct fault *question_fault;
    err_t answer;
    int silent_ms;   /* work that is over by then has no page */
    int asked, lent; /* lent: another process has the terminal */
    err_t (*work)(void *ctx, struct fault *f);
    void *ctx;
    struct fault *f;
    err_t e;
};

/* --- the thread of the work --- */

static void wake(const struct face_busy *b, char what)
{
    while (write(b->wake[1], &what, 1) < 0 && errno == EINTR)
        ;
}

static void *run_work(void *ctx)
{
    struct face_busy *b = ctx;
    b->e = b->work(b->ctx, b->f);
    wake(b, 'd');
    return NULL;
}

err_t face_ask(struct face *face, err_t (*question)(void *ctx, struct fault *f), void *ctx, struct fault *f)
{
    struct face_busy *b = face->busy;
    if (b == NULL || pthread_equal(b->ui, pthread_self()))
        return question(ctx, f);
    pthread_mutex_lock(&b->lock);
    b->question = question;
    b->question_ctx = ctx;
    b->question_fault = f;
    b->asked = 1;
    wake(b, 'q');
    while (b->asked)
        pthread_cond_wait(&b->answered, &b->lock);
    err_t e = b->answer;
    pthread_mutex_unlock(&b->lock);
    return e;
}

void face_lent(struct face *face, int lent)
{
    if (face->busy != NULL)
        face->busy->lent = lent;
}

/* --- the thread of the screen --- */

static void answer(struct face_busy *b)
{
    pthread_mutex_lock(&b->lock);
    b->answer = b->question(b->question_ctx, b->question_fault);
    b->asked = 0;
    pthread_cond_signal(&b->answered);
    pthread_mutex_unlock(&b->lock);
}

static int is_awake(const struct face_busy *b, int ms)
{
    struct pollfd p = {.fd = b->wake[0], .events = POLLIN};
    int n;
    while ((n = poll(&p, 1, ms)) < 0 && errno == EINTR)
        ;
    return n != 0;
}

/* Until the work says something. Esc does not stop a token: this is said. */
static err_t show_busy(struct face_busy *b, time_t since, struct fault *f)
{
    int pressed = 0;
    for (;;) {
        struct page_event ev;
        struct page *p = page_new(b->face->ui, MSG_WORKING_TITLE);
        page_text(p, MSG_WORKING);
        page_value(p, UI_NUMBER((uint64_t)(time(NULL) - since)), MSG_WORKING_SECONDS);
        page_watch(p, b->wake[0]);
        page_tick(p, TICK_MS);
        if (pressed)
            page_note(p, MSG_WORKING_WAIT);
        err_t e = page_run(p, &ev, f);
        page_free(p);
        if (e != OK || ev.action == PAGE_WATCH)
            return e;
        pressed |= ev.action == PAGE_BACK;
    }
}

/* A signal that asks to end ends the program here and now, as it does in the middle of any work: what is
 * written is whole, and the other processes end with this one. */
static void end_now(struct face_busy *b)
{
    ui_close(b->face->ui);
    _exit(1);
}

static void attend(struct face_busy *b)
{
    time_t since = time(NULL);
    int soon = 1, blind = ui_is_lines(b->face->ui);
    struct fault ignored;
    for (char what = 0; what != 'd';) {
        if (!is_awake(b, blind || b->lent ? -1 : soon ? b->silent_ms : 0)) {
            err_t e = show_busy(b, since, &ignored);
            if (e == ERR_STOPPED)
                end_now(b);
            blind = e != OK; /* no page can be shown: the work goes on without one */
            continue;
        }
        if (read(b->wake[0], &what, 1) != 1) {
            what = 0;
        } else if (what == 'q') {
            answer(b);
            since = time(NULL);
            soon = 0; /* after a PIN it takes a while */
        }
    }
}

static err_t start(pthread_t *thread, struct face_busy *b)
{
    sigset_t all, before;
    sigfillset(&all); /* signals that ask to end are for the screen; crashes are for whoever crashes */
    sigdelset(&all, SIGSEGV);
    sigdelset(&all, SIGBUS);
    sigdelset(&all, SIGFPE);
    sigdelset(&all, SIGILL);
    sigdelset(&all, SIGABRT);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int bad = pthread_create(thread, NULL, run_work, b) != 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return bad ? ERR_MEMORY : OK;
}

err_t face_busy_after(struct face *face, int silent_ms, err_t (*work)(void *ctx, struct fault *f), void *ctx,
                      struct fault *f)
{
    pthread_t thread;
    struct face_busy b = {.face = face,
                          .ui = pthread_self(),
                          .silent_ms = silent_ms,
                          .lock = PTHREAD_MUTEX_INITIALIZER,
                          .answered = PTHREAD_COND_INITIALIZER,
                          .work = work,
                          .ctx = ctx,
                          .f = f};
    if (pipe2(b.wake, O_CLOEXEC) != 0)
        return fault_set(f, ERR_IO, "a pipe: %s", strerror(errno));
    face->busy = &b;
    err_t e = start(&thread, &b);
    if (e == OK) {
        attend(&b);
        pthread_join(thread, NULL);
        e = b.e;
    } else {
        e = fault_set(f, e, "a thread");
    }
    face->busy = NULL;
    close(b.wake[0]);
    close(b.wake[1]);
    pthread_cond_destroy(&b.answered);
    pthread_mutex_destroy(&b.lock);
    return e;
}

err_t face_busy(struct face *face, err_t (*work)(void *ctx, struct fault *f), void *ctx, struct fault *f)
{
    return face_busy_after(face, FACE_SILENT_MS, work, ctx, f);
}
