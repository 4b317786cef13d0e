#include "ui/qr_read.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ui/image.h"

#define TEXT_MAX 7089 /* digits in the largest QR code, ISO/IEC 18004 table 1 */

/* What the child says, followed by count times a length (uint32_t) and a text. */
struct answer {
    uint32_t err, count;
    char detail[sizeof((struct fault *)0)->detail];
};

static err_t write_all(int fd, const void *data, size_t len)
{
    const char *p = data;
    while (len > 0) {
        ssize_t n = write(fd, p, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return ERR_IO;
        p += n;
        len -= (size_t)n;
    }
    return OK;
}

/* ERR_STOPPED, which no picture gives, when the child ended before; ERR_IO. */
static err_t read_all(int fd, void *data, size_t len)
{
    char *p = data;
    while (len > 0) {
        ssize_t n = read(fd, p, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? ERR_IO : ERR_STOPPED;
        p += n;
        len -= (size_t)n;
    }
    return OK;
}

/* --- child --- */

static err_t decode(struct qr_found *found, const char *path, struct fault *f)
{
    struct gray g;
    TRY(image_read(&g, path, f));
    err_t e = qr_decode_gray(found, &g);
    gray_free(&g);
    if (e != OK)
        return fault_set(f, e, "the picture cannot be searched for QR codes");
    return found->count > 0 ? OK : fault_set(f, ERR_MISSING, "there is no readable QR code in the picture");
}

static err_t say(int fd, const struct answer *a, const struct qr_found *found)
{
    TRY(write_all(fd, a, sizeof *a));
    for (size_t i = 0; i < found->count; i++) {
        uint32_t len = (uint32_t)strlen(found->text[i]);
        TRY(write_all(fd, &len, sizeof len));
        TRY(write_all(fd, found->text[i], len));
    }
    return OK;
}

static void child(int fd, const char *path, unsigned seconds, void (*enter)(const char *path))
{
    struct rlimit cpu = {seconds, seconds}, none = {0, 0};
    struct qr_found found = {0};
    struct answer a = {0};
    struct fault f;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGXCPU, SIG_DFL);
    if (setrlimit(RLIMIT_CPU, &cpu) != 0 || setrlimit(RLIMIT_CORE, &none) != 0)
        _exit(1);
    if (enter != NULL)
        enter(path);
    fault_clear(&f);
    a.err = (uint32_t)decode(&found, path, &f);
    a.count = a.err == OK ? (uint32_t)found.count : 0;
    memcpy(a.detail, f.detail, sizeof a.detail);
    _exit(say(fd, &a, &found) == OK ? 0 : 1);
}

/* --- parent: the child may have been taken over by the picture, so its answer is checked too --- */

static err_t hear_text(struct qr_found *out, int fd)
{
    uint32_t len;
    TRY(read_all(fd, &len, sizeof len));
    if (len > TEXT_MAX)
        return ERR_FORMAT;
    char *text = out->text[out->count] = calloc(1, (size_t)len + 1);
    if (text == NULL)
        return ERR_MEMORY;
    out->count++;
    return read_all(fd, text, len);
}

static err_t hear(struct qr_found *out, int fd, struct fault *f)
{
    struct answer a;
    TRY(read_all(fd, &a, sizeof a));
    a.detail[sizeof a.detail - 1] = '\0';
    if (a.err >= ERR_STOPPED || a.count > QR_SYMBOLS_MAX)
        return ERR_FORMAT;
    if (a.err != OK)
        return fault_set(f, (err_t)a.err, "%s", a.detail);
    out->text = calloc(QR_SYMBOLS_MAX, sizeof *out->text);
    if (out->text == NULL)
        return ERR_MEMORY;
    for (uint32_t i = 0; i < a.count; i++)
        TRY(hear_text(out, fd));
    return OK;
}

err_t qr_read_file_limit(struct qr_found *out, const char *path, unsigned seconds, struct fault *f)
{
    return qr_read_file_in(out, path, seconds, NULL, f);
}

err_t qr_read_file_in(struct qr_found *out, const char *path, unsigned seconds,
                      void (*enter)(const char *path), struct fault *f)
{
    int fd[2], status = 0;
    struct fault own;
    memset(out, 0, sizeof *out);
    if (pipe(fd) != 0)
        return fault_set(f, ERR_IO, "no pipe: %s", strerror(errno));
    pid_t pid = fork();
    if (pid < 0) {
        close(fd[0]);
        close(fd[1]);
        return fault_set(f, ERR_IO, "no process: %s", strerror(errno));
    }
    if (pid == 0)
        child(fd[1], path, seconds, enter);
    close(fd[1]);
    f = f != NULL ? f : &own;
    fault_clear(f);
    err_t e = hear(out, fd[0], f);
    close(fd[0]);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    if (e == ERR_STOPPED && WIFSIGNALED(status) &&
        (WTERMSIG(status) == SIGXCPU || WTERMSIG(status) == SIGKILL))
        e = fault_set(f, ERR_LIMIT, "the picture was not read within %u seconds", seconds);
    else if ((e == ERR_IO && f->err == OK) ||
             (e == ERR_STOPPED && WIFEXITED(status) && WEXITSTATUS(status) != 0))
        e = fault_set(f, ERR_IO, "the process that reads the picture cannot be heard");
    else if (e == ERR_STOPPED)
        e = fault_set(f, ERR_FORMAT, "reading the picture failed; it may be made to do harm");
    if (e == ERR_MEMORY && f->err == OK)
        fault_set(f, e, "no memory for the texts of the picture");
    if (e != OK)
        qr_found_free(out);
    return fault_file(f, e, path);
}

err_t qr_read_file(struct qr_found *out, const char *path, struct fault *f)
{
    return qr_read_file_limit(out, path, QR_READ_SECONDS, f);
}
