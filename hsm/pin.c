#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "ceremony/base/secret.h"
#include "hsm/hsm.h"
#include "hsm/uri.h"

/* --- from a file --- */

/* path: a source that is a path, or a file: URI (RFC 8089) without a host. */
static err_t source_path(char path[1024], const char *source, struct fault *f)
{
    if (source[0] == '|')
        return fault_set(f, ERR_USAGE, "a pin-source that starts with | runs a program and is refused");
    int is_uri = strncasecmp(source, "file:", 5) == 0;
    if (is_uri) {
        source += 5;
        if (strncmp(source, "//", 2) == 0)
            source += 2;
        if (strncasecmp(source, "localhost/", 10) == 0)
            source += 9;
    }
    if (source[0] != '/' && is_uri)
        return fault_set(f, ERR_USAGE, "a pin-source that is a file: URI names another host");
    size_t n = 0;
    for (const char *p = source; *p != 0; p++) {
        unsigned v = (unsigned char)*p;
        if (is_uri && *p == '%') {
            if (!isxdigit((unsigned char)p[1]) || !isxdigit((unsigned char)p[2]) ||
                sscanf(p + 1, "%2x", &v) != 1 || v == 0)
                return fault_set(f, ERR_USAGE, "the pin-source is not a well formed file: URI");
            p += 2;
        }
        if (n + 1 >= 1024)
            return fault_set(f, ERR_USAGE, "the path in pin-source is too long");
        path[n++] = (char)v;
    }
    path[n] = 0;
    return OK;
}

static err_t read_pin(char *secret_out, size_t max, int fd, struct fault *f)
{
    struct stat st;
    size_t n = 0;
    ssize_t got = 1;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        return fault_set(f, ERR_FORMAT, "the PIN's file is not a regular file");
    while (n < max && (got = read(fd, secret_out + n, max - n)) != 0) {
        if (got < 0 && errno != EINTR)
            return fault_set(f, ERR_IO, "the PIN's file cannot be read");
        n += got > 0 ? (size_t)got : 0;
    }
    if (n == max && (secret_out[n - 1] != '\n' || memchr(secret_out, '\n', n - 1) != NULL))
        return fault_set(f, ERR_LIMIT, "the PIN is too long");
    if (n > 0 && secret_out[n - 1] == '\n')
        n--;
    if (n > 0 && secret_out[n - 1] == '\r')
        n--;
    secret_wipe(secret_out + n, max - n);
    if (n == 0 || memchr(secret_out, 0, n) != NULL || memchr(secret_out, '\n', n) != NULL)
        return fault_set(f, ERR_FORMAT, "the PIN's file must hold one line, the PIN");
    return OK;
}

static err_t open_source(int *fd, char path[1024], const char *source, struct fault *f)
{
    *fd = -1;
    TRY(source_path(path, source, f));
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (*fd >= 0)
        return OK;
    if (errno == ENOENT)
        fault_set(f, ERR_MISSING, "the file that pin-source names is not there");
    else
        fault_set(f, ERR_IO, "the file that pin-source names cannot be opened");
    return fault_file(f, errno == ENOENT ? ERR_MISSING : ERR_IO, path);
}

err_t hsm_pin_file_open(int *fd, const char *source, struct fault *f)
{
    char path[1024];
    return open_source(fd, path, source, f);
}

err_t hsm_uri_pin_file(char out[1024], const char *uri, struct fault *f)
{
    P11KitUri *u;
    out[0] = '\0';
    TRY(uri_parse(&u, uri, f));
    const char *source = p11_kit_uri_get_pin_source(u);
    err_t e = source != NULL ? source_path(out, source, f) : OK;
    p11_kit_uri_free(u);
    return e;
}

err_t hsm_pin_file_read(char *secret_out, size_t max, int fd, struct fault *f)
{
    memset(secret_out, 0, max);
    if (max < 2)
        return fault_set(f, ERR_BUG, "no room for a PIN");
    (void)!lseek(fd, 0, SEEK_SET); /* what is no file is refused below */
    err_t e = read_pin(secret_out, max, fd, f);
    if (e != OK)
        secret_wipe(secret_out, max);
    return e;
}

err_t hsm_pin_file(char *secret_out, size_t max, const char *source, struct fault *f)
{
    char path[1024];
    int fd;
    memset(secret_out, 0, max);
    if (max < 2)
        return fault_set(f, ERR_BUG, "no room for a PIN");
    TRY(open_source(&fd, path, source, f));
    err_t e = read_pin(secret_out, max, fd, f);
    close(fd);
    if (e != OK)
        secret_wipe(secret_out, max);
    return e == OK ? OK : fault_file(f, e, path);
}

/* --- from a terminal --- */

static void tty_say(int tty, const char *text)
{
    size_t len = strlen(text);
    while (len > 0) {
        ssize_t n = write(tty, text, len);
        if (n <= 0)
            return;
        text += n;
        len -= (size_t)n;
    }
}

/* One key: OK with *key, or ERR_STOPPED when a signal is pending in sig, ERR_IO when the terminal ended. */
static err_t tty_key(int tty, int sig, char *key)
{
    struct pollfd p[2] = {{tty, POLLIN, 0}, {sig, POLLIN, 0}};
    for (;;) {
        int n = poll(p, 2, -1);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return ERR_IO;
        if (p[1].revents != 0)
            return ERR_STOPPED;
        return read(tty, key, 1) == 1 ? OK : ERR_IO;
    }
}

/* UTF-8: takes a whole character away. */
static size_t last_char(const char *text, size_t len)
{
    while (len > 0 && ((unsigned char)text[--len] & 0xc0) == 0x80)
        ;
    return len;
}

static err_t tty_read(char *secret_out, size_t max, int tty, int sig, struct fault *f)
{
    size_t n = 0;
    for (;;) {
        char key = 0;
        err_t e = tty_key(tty, sig, &key);
        if (e != OK)
            return fault_set(
                f, e, e == ERR_STOPPED ? "stopped while asking for the PIN" : "the terminal went away");
        if (key == '\r' || key == '\n')
            break;
        if (key == 0x03 || (key == 0x04 && n == 0))
            return fault_set(f, ERR_REFUSED, "no PIN was typed");
        if (key == 0x7f || key == 0x08)
            n = last_char(secret_out, n);
        else if (key == 0x15)
            n = 0;
        else if ((unsigned char)key >= 0x20 && n < max) /* one too many is kept to be noticed */
            secret_out[n++] = key;
    }
    if (n == max)
        return fault_set(f, ERR_LIMIT, "the PIN is longer than %zu bytes", max - 1);
    if (n == 0)
        return fault_set(f, ERR_REFUSED, "no PIN was typed");
    secret_wipe(secret_out + n, max - n);
    return OK;
}

static err_t tty_ask(char *secret_out, size_t max, int tty, int sig, struct fault *f)
{
    struct termios saved, quiet;
    if (tcgetattr(tty, &saved) != 0)
        return fault_set(f, ERR_IO, "the terminal cannot be set up");
    quiet = saved;
    /* Keys come one by one, also Ctrl-C, so that no way out leaves the echo off. */
    quiet.c_lflag &= (tcflag_t) ~(ECHO | ECHONL | ICANON | ISIG | IEXTEN);
    quiet.c_cc[VMIN] = 1;
    quiet.c_cc[VTIME] = 0;
    if (tcsetattr(tty, TCSAFLUSH, &quiet) != 0)
        return fault_set(f, ERR_IO, "the terminal cannot be set up");
    err_t e = tty_read(secret_out, max, tty, sig, f);
    tcsetattr(tty, TCSAFLUSH, &saved);
    tty_say(tty, "\n");
    return e;
}

static void tty_prompt(int tty, const struct hsm_pin_info *info)
{
    char text[300];
    snprintf(text, sizeof text, "%sPIN of token \"%s\" (%s)%s",
             info->final_try   ? "LAST TRY: one more wrong PIN locks the token.\n"
             : info->tries_low ? "A wrong PIN was given before; tries are limited.\n"
                               : "",
             info->label, info->serial, info->keypad ? ": type it on the token's own keypad\n" : ": ");
    tty_say(tty, text);
}

err_t hsm_pin_prompt_on(int tty, char *secret_out, size_t max, const struct hsm_pin_info *info,
                        const char *question, struct fault *f)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};
    sigset_t wait_for, saved;
    err_t e;
    if (question != NULL)
        tty_say(tty, question);
    else
        tty_prompt(tty, info);
    if (info->keypad)
        return OK;
    memset(secret_out, 0, max);
    sigemptyset(&wait_for);
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
        sigaddset(&wait_for, signals[i]);
    pthread_sigmask(SIG_BLOCK, &wait_for, &saved);
    int sig = signalfd(-1, &wait_for, SFD_CLOEXEC);
    if (sig < 0)
        e = fault_set(f, ERR_IO, "the terminal cannot be set up");
    else
        e = tty_ask(secret_out, max, tty, sig, f);
    if (sig >= 0)
        close(sig);
    if (e != OK)
        secret_wipe(secret_out, max);
    pthread_sigmask(SIG_SETMASK, &saved, NULL); /* a signal that came meanwhile is delivered here */
    return e;
}

err_t hsm_pin_prompt(void *ctx, char *secret_out, size_t max, const struct hsm_pin_info *info,
                     struct fault *f)
{
    (void)ctx;
    int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    if (tty < 0)
        return fault_set(f, ERR_IO, "there is no terminal to ask for the PIN");
    err_t e = hsm_pin_prompt_on(tty, secret_out, max, info, NULL, f);
    close(tty);
    return e;
}
