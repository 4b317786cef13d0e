#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "ceremony/base/secret.h"
#include "ui/prompt.h"

static const int watched[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};

/* Signals are blocked and arrive through a descriptor while the echo is off, so that no handler and
 * no global state is needed to restore the terminal. */
struct quiet_terminal {
    int fd, signals;
    struct termios before;
    sigset_t mask_before, set;
};

/* Signals that the caller blocks or ignores stay as they are. */
static void watch(struct quiet_terminal *t)
{
    struct sigaction action;
    sigset_t blocked;
    sigemptyset(&t->set);
    pthread_sigmask(SIG_BLOCK, NULL, &blocked);
    for (size_t i = 0; i < sizeof watched / sizeof watched[0]; i++)
        if (!sigismember(&blocked, watched[i]) && sigaction(watched[i], NULL, &action) == 0 &&
            action.sa_handler != SIG_IGN)
            sigaddset(&t->set, watched[i]);
}

static err_t terminal_quiet(const struct quiet_terminal *t)
{
    struct termios now = t->before;
    now.c_lflag &= ~(tcflag_t)(ECHO | ECHOE | ECHOK | ECHONL);
    now.c_lflag |= ICANON | ISIG;
    return tcsetattr(t->fd, TCSAFLUSH, &now) == 0 ? OK : ERR_IO;
}

static err_t terminal_open(struct quiet_terminal *t, int fd)
{
    t->fd = fd;
    t->signals = -1;
    if (tcgetattr(fd, &t->before) != 0)
        return ERR_MISSING;
    watch(t);
    if (pthread_sigmask(SIG_BLOCK, &t->set, &t->mask_before) != 0)
        return ERR_IO;
    t->signals = signalfd(-1, &t->set, SFD_CLOEXEC);
    err_t e = t->signals < 0 ? ERR_IO : terminal_quiet(t);
    if (e != OK) {
        if (t->signals >= 0)
            close(t->signals);
        pthread_sigmask(SIG_SETMASK, &t->mask_before, NULL);
    }
    return e;
}

static void terminal_close(const struct quiet_terminal *t)
{
    tcsetattr(t->fd, TCSADRAIN, &t->before);
    close(t->signals);
    pthread_sigmask(SIG_SETMASK, &t->mask_before, NULL);
}

/* Lets a signal that arrived take its course with the terminal restored. OK: ask again. */
static err_t deliver(const struct quiet_terminal *t)
{
    struct signalfd_siginfo info;
    if (read(t->signals, &info, sizeof info) != (ssize_t)sizeof info)
        return OK;
    int number = (int)info.ssi_signo;
    /* A half-typed secret must not reach whoever reads the terminal next. */
    tcsetattr(t->fd, TCSAFLUSH, &t->before);
    raise(number);
    pthread_sigmask(SIG_SETMASK, &t->mask_before, NULL);
    pthread_sigmask(SIG_BLOCK, &t->set, NULL);
    return number == SIGTSTP ? terminal_quiet(t) : ERR_STOPPED;
}

static err_t write_text(int fd, const char *text)
{
    size_t len = strlen(text);
    while (len > 0) {
        ssize_t n = write(fd, text, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return ERR_IO;
        text += n;
        len -= (size_t)n;
    }
    return OK;
}

/* Reads up to the line end, byte by byte so that nothing stays in a buffer of ours. What is over
 * PROMPT_SECRET_MAX is read and dropped. */
static err_t read_quietly(const struct quiet_terminal *t, char *secret, size_t *len, const char *question)
{
    size_t n = 0;
    *len = 0;
    for (;;) {
        struct pollfd p[2] = {{t->signals, POLLIN, 0}, {t->fd, POLLIN, 0}};
        if (poll(p, 2, -1) < 0 && errno != EINTR)
            return ERR_IO;
        if (p[0].revents != 0) {
            TRY(deliver(t));
            n = 0;
            TRY(write_text(t->fd, question));
            continue;
        }
        if (p[1].revents == 0)
            continue;
        char c;
        ssize_t got = read(t->fd, &c, 1);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return ERR_IO;
        if (got == 0)
            return ERR_STOPPED;
        if (c == '\n')
            break;
        if (n < PROMPT_SECRET_MAX)
            secret[n] = c;
        secret_wipe(&c, 1);
        if (n <= PROMPT_SECRET_MAX)
            n++;
    }
    if (n > PROMPT_SECRET_MAX)
        return ERR_LIMIT;
    secret[n] = '\0';
    *len = n;
    return OK;
}

err_t prompt_secret_fd(char **secret, size_t *len, int fd, const char *question, struct fault *f)
{
    struct quiet_terminal t;
    void *memory = NULL;
    *secret = NULL;
    *len = 0;
    err_t e = secret_alloc(&memory, PROMPT_SECRET_MAX + 1);
    if (e != OK)
        return fault_set(f, e, "no memory for a secret");
    e = terminal_open(&t, fd);
    if (e != OK) {
        secret_free(memory);
        return fault_set(f, e, "there is no terminal to ask on");
    }
    e = write_text(fd, question);
    if (e == OK)
        e = read_quietly(&t, memory, len, question);
    terminal_close(&t);
    err_t ended = write_text(fd, "\n");
    e = e == OK ? ended : e;
    secret_burn_stack();
    if (e != OK) {
        secret_free(memory);
        *len = 0;
        return fault_set(f, e, "nothing was read from the terminal");
    }
    *secret = memory;
    return OK;
}

err_t prompt_secret(char **secret, size_t *len, const char *question, struct fault *f)
{
    *secret = NULL;
    *len = 0;
    int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return fault_set(f, ERR_MISSING, "there is no terminal to ask on");
    err_t e = prompt_secret_fd(secret, len, fd, question, f);
    close(fd);
    return e;
}

/* --- from a file --- */

static err_t file_is_private(int fd, struct fault *f)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return fault_set(f, ERR_IO, "%s", strerror(errno));
    if (!S_ISREG(st.st_mode))
        return fault_set(f, ERR_RULE, "not a regular file");
    if (st.st_uid != geteuid())
        return fault_set(f, ERR_RULE, "the file belongs to another user");
    if (st.st_mode & 077)
        return fault_set(f, ERR_RULE, "others can read the file of a secret; chmod 600");
    return OK;
}

/* First line of fd into secret, which has PROMPT_SECRET_MAX + 1 bytes. */
static err_t first_line(char *secret, size_t *len, int fd, struct fault *f)
{
    size_t got = 0;
    while (got < PROMPT_SECRET_MAX + 1) {
        ssize_t n = read(fd, secret + got, PROMPT_SECRET_MAX + 1 - got);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fault_set(f, ERR_IO, "%s", strerror(errno));
        if (n == 0)
            break;
        got += (size_t)n;
    }
    const char *end = memchr(secret, '\n', got);
    size_t line = end != NULL ? (size_t)(end - secret) : got;
    if (line > PROMPT_SECRET_MAX)
        return fault_set(f, ERR_LIMIT, "the first line has more than %d bytes", PROMPT_SECRET_MAX);
    if (line > 0 && secret[line - 1] == '\r')
        line--;
    if (line == 0)
        return fault_set(f, ERR_MISSING, "the first line is empty");
    if (memchr(secret, '\0', line) != NULL)
        return fault_set(f, ERR_TEXT, "the first line holds a NUL");
    secret_wipe(secret + line, PROMPT_SECRET_MAX + 1 - line);
    *len = line;
    return OK;
}

err_t prompt_secret_file(char **secret, size_t *len, const char *path, struct fault *f)
{
    void *memory = NULL;
    err_t e;
    *secret = NULL;
    *len = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) {
        e = fault_set(f, errno == ENOENT ? ERR_MISSING : ERR_IO, "cannot open: %s", strerror(errno));
        goto out;
    }
    GO(file_is_private(fd, f));
    GO(secret_alloc(&memory, PROMPT_SECRET_MAX + 1));
    GO(first_line(memory, len, fd, f));
    *secret = memory;
    memory = NULL;
out:
    secret_free(memory);
    if (fd >= 0)
        close(fd);
    return fault_file(f, e, path);
}
