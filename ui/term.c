#include "ui/term.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

/* What handlers need; written before they are installed. */
static struct {
    volatile sig_atomic_t taken, waiting, stopped, resized, suspend;
    int fd, wake[2], guard;
    pid_t owner;
    struct termios before, raw;
    char sequence[TERM_SEQUENCE_MAX];
    size_t sequence_len;
    int installed;
} term = {.fd = -1, .wake = {-1, -1}, .guard = -1};

static const int asks[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
static const int crashes[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGSYS, SIGXCPU};

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

/* Async-signal-safe. */
static void put_back(int fd)
{
    ssize_t done = write(fd, term.sequence, term.sequence_len);
    (void)done;
    tcsetattr(fd, TCSADRAIN, &term.before);
}

static void restore(void)
{
    if (!term.taken || getpid() != term.owner)
        return;
    term.taken = 0;
    put_back(term.fd);
    ssize_t done = write(term.guard, "x", 1);
    (void)done;
}

static void die_of(int number)
{
    struct sigaction plain = {.sa_handler = SIG_DFL};
    sigset_t set;
    sigaction(number, &plain, NULL);
    sigemptyset(&set);
    sigaddset(&set, number);
    raise(number);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static void on_crash(int number)
{
    restore();
    die_of(number);
}

static void wake(void)
{
    int saved = errno;
    ssize_t done = write(term.wake[1], "w", 1);
    (void)done;
    errno = saved;
}

static void on_ask(int number)
{
    if (!term.waiting || getpid() != term.owner) {
        restore();
        die_of(number);
        return;
    }
    term.stopped = 1;
    wake();
}

static void on_event(int number)
{
    if (number == SIGTSTP)
        term.suspend = 1;
    else
        term.resized = 1;
    wake();
}

static void install(const int *number, size_t count, void (*handler)(int), int flags)
{
    struct sigaction a = {.sa_handler = handler, .sa_flags = flags}, now;
    sigemptyset(&a.sa_mask);
    for (size_t i = 0; i < count; i++)
        if (sigaction(number[i], NULL, &now) == 0 && now.sa_handler != SIG_IGN)
            sigaction(number[i], &a, NULL);
}

/* The stack of a handler of its own: a crash may be the stack's end. */
static void crash_stack(void)
{
    static char space[32768];
    stack_t s = {.ss_sp = space, .ss_size = sizeof space};
    sigaltstack(&s, NULL);
}

err_t term_watch(void)
{
    static const int events[] = {SIGWINCH, SIGCONT, SIGTSTP};
    term.owner = getpid();
    if (term.installed)
        return OK;
    if (pipe2(term.wake, O_CLOEXEC | O_NONBLOCK) != 0)
        return ERR_IO;
    install(asks, COUNT(asks), on_ask, 0);
    install(events, COUNT(events), on_event, SA_RESTART);
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_PDEATHSIG, SIGHUP);
    term.installed = 1;
    return OK;
}

/* --- the guardian --- */

static void close_others(int keep_a, int keep_b)
{
    int low = keep_a < keep_b ? keep_a : keep_b, high = keep_a < keep_b ? keep_b : keep_a;
    if (low > 0)
        close_range(0, (unsigned)low - 1, 0);
    if (high > low + 1)
        close_range((unsigned)low + 1, (unsigned)high - 1, 0);
    close_range((unsigned)high + 1, ~0u, 0);
}

/* Ends at a byte (all is well) or, after the end of the pipe, with the terminal restored. Only if it is still
 * as we made it: a shell may have been quicker. */
static void guardian(int in, int fd)
{
    struct termios now;
    char c;
    for (int s = 1; s < 32; s++)
        signal(s, SIG_IGN);
    setpgid(0, 0);
    close_others(in, fd);
    prctl(PR_SET_NAME, "conclave-guard");
    for (;;) {
        ssize_t n = read(in, &c, 1);
        if (n < 0 && errno == EINTR)
            continue;
        if (n == 1 && c == 'x')
            _exit(0);
        break;
    }
    if (tcgetattr(fd, &now) == 0 && (now.c_lflag & (ICANON | ECHO)) == (term.raw.c_lflag & (ICANON | ECHO)))
        put_back(fd);
    _exit(0);
}

static err_t guard_start(void)
{
    int p[2];
    if (pipe2(p, O_CLOEXEC) != 0)
        return ERR_IO;
    pid_t child = fork();
    if (child == 0) { /* twice, so that nobody has to wait for it */
        if (fork() == 0)
            guardian(p[0], term.fd);
        _exit(0);
    }
    close(p[0]);
    if (child < 0) {
        close(p[1]);
        return ERR_IO;
    }
    while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
        ;
    term.guard = p[1];
    return OK;
}

/* --- taking and giving back --- */

static void make_raw(struct termios *t)
{
    t->c_iflag &= ~(tcflag_t)(BRKINT | ICRNL | INLCR | IGNCR | ISTRIP | IXON);
    t->c_lflag &= ~(tcflag_t)(ECHO | ECHONL | ICANON | ISIG | IEXTEN);
    t->c_cc[VMIN] = 1;
    t->c_cc[VTIME] = 0;
}

err_t term_take(int fd, const char *sequence)
{
    size_t len = strlen(sequence);
    TRY(term_watch());
    if (tcgetattr(fd, &term.before) != 0)
        return ERR_IO;
    term.fd = fd;
    term.sequence_len = len <= sizeof term.sequence ? len : 0;
    memcpy(term.sequence, sequence, term.sequence_len);
    term.raw = term.before;
    make_raw(&term.raw);
    TRY(guard_start());
    crash_stack();
    install(crashes, COUNT(crashes), on_crash, SA_ONSTACK | SA_NODEFER);
    atexit(restore);
    return term_again();
}

err_t term_again(void)
{
    if (tcsetattr(term.fd, TCSADRAIN, &term.raw) != 0)
        return ERR_IO;
    term.taken = 1;
    return OK;
}

void term_pause(void)
{
    if (!term.taken || getpid() != term.owner)
        return;
    term.taken = 0;
    put_back(term.fd);
}

void term_give_back(void)
{
    restore();
    if (term.guard >= 0) {
        ssize_t done = write(term.guard, "x", 1);
        (void)done;
        close(term.guard);
    }
    term.guard = -1;
}

/* --- waiting --- */

static int seen_signals(void)
{
    char drain[64];
    int seen = 0;
    while (read(term.wake[0], drain, sizeof drain) > 0)
        ;
    if (term.stopped)
        seen |= TERM_STOP;
    if (term.resized)
        seen |= TERM_RESIZED;
    if (term.suspend)
        seen |= TERM_SUSPEND;
    term.resized = term.suspend = 0;
    return seen;
}

int term_wait(int in, int other, int ms)
{
    struct pollfd p[3] = {{in, POLLIN, 0}, {term.wake[0], POLLIN, 0}, {other, POLLIN, 0}};
    term.waiting = 1;
    int n = term.stopped ? 0 : poll(p, other >= 0 ? 3 : 2, ms);
    term.waiting = 0;
    int seen = seen_signals();
    if (n > 0 && p[0].revents != 0)
        seen |= TERM_INPUT;
    if (n > 0 && other >= 0 && p[2].revents != 0)
        seen |= TERM_OTHER;
    return seen;
}
