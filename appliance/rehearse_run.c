#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "appliance/rehearse.h"

double rehearse_clock(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

double rehearse_cpu(void)
{
    struct rusage u;
    getrusage(RUSAGE_CHILDREN, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

void rehearse_say(struct rehearsal *r, const char *fmt, ...)
{
    va_list ap;
    fprintf(r->out, "[%6.1f s] ", rehearse_clock() - r->started);
    va_start(ap, fmt);
    vfprintf(r->out, fmt, ap);
    va_end(ap);
    fprintf(r->out, "\n");
    fflush(r->out);
}

err_t rehearse_path(char out[4096], const struct rehearsal *r, const char *fmt, ...)
{
    va_list ap;
    int n = snprintf(out, 4096, "%s/", r->dir);
    va_start(ap, fmt);
    int k = n < 0 || n >= 4096 ? -1 : vsnprintf(out + n, 4096 - (size_t)n, fmt, ap);
    va_end(ap);
    return k < 0 || n + k >= 4096 ? ERR_LIMIT : OK;
}

/* The child: what it may see is its own token's configuration and nothing else of the environment but paths.
 */
static void become(const struct party *p, const char *const *argv, int in, int out)
{
    static const char *const kept[] = {"PATH",           "HOME",         "LANG",          "LC_ALL",
                                       "TERM",           "ASAN_OPTIONS", "UBSAN_OPTIONS", "OMP_NUM_THREADS",
                                       "LD_LIBRARY_PATH"};
    const char *value[sizeof kept / sizeof kept[0]];
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++)
        value[i] = getenv(kept[i]);
    clearenv();
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++)
        if (value[i] != NULL)
            setenv(kept[i], value[i], 1);
    if (p->conf != NULL)
        setenv("SOFTHSM2_CONF", p->conf, 1);
    dup2(in, 0);
    dup2(out, 1);
    dup2(out, 2);
    execv(argv[0], (char *const *)(uintptr_t)argv);
    _exit(127);
}

/* Reads the child's output to its end: into the log, to the terminal if wanted, and the last part into tail.
 */
static void drain(struct rehearsal *r, const struct party *p, int fd, char *tail, size_t tail_len)
{
    char path[4096], buf[4096];
    FILE *log = rehearse_path(path, r, "log") == OK ? fopen(path, "ae") : NULL;
    size_t have = 0;
    for (;;) {
        ssize_t n = read(fd, buf, sizeof buf);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        if (log != NULL)
            fwrite(buf, 1, (size_t)n, log);
        if (p->show)
            fwrite(buf, 1, (size_t)n, r->out);
        size_t take = (size_t)n < tail_len - 1 ? (size_t)n : tail_len - 1;
        if (have + take > tail_len - 1) {
            size_t drop = have + take - (tail_len - 1);
            memmove(tail, tail + drop, have - drop);
            have -= drop;
        }
        memcpy(tail + have, buf + n - take, take);
        have += take;
    }
    tail[have] = '\0';
    if (log != NULL)
        fclose(log);
    fflush(r->out);
}

static void log_command(struct rehearsal *r, const char *const *argv)
{
    char path[4096];
    FILE *log = rehearse_path(path, r, "log") == OK ? fopen(path, "ae") : NULL;
    if (log == NULL)
        return;
    fprintf(log, "\n$");
    for (size_t i = 0; argv[i] != NULL; i++)
        fprintf(log, " %s", argv[i]);
    fprintf(log, "\n");
    fclose(log);
}

err_t rehearse_run(struct rehearsal *r, const struct party *p, const char *const *argv, struct fault *f)
{
    int in[2], out[2], status;
    char tail[400];
    log_command(r, argv);
    fflush(NULL);
    if (pipe2(in, O_CLOEXEC) != 0)
        return fault_set(f, ERR_IO, "pipe: %s", strerror(errno));
    if (pipe2(out, O_CLOEXEC) != 0) {
        close(in[0]);
        close(in[1]);
        return fault_set(f, ERR_IO, "pipe: %s", strerror(errno));
    }
    pid_t pid = fork();
    if (pid == 0)
        become(p, argv, in[0], out[1]);
    close(in[0]);
    close(out[1]);
    /* Answers are a line or two: they fit into the pipe. */
    if (pid > 0 && p->input != NULL && write(in[1], p->input, strlen(p->input)) < 0)
        fprintf(r->out, "(the party did not read its input)\n");
    close(in[1]);
    tail[0] = '\0';
    if (pid > 0)
        drain(r, p, out[0], tail, sizeof tail);
    close(out[0]);
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return fault_set(f, ERR_IO, "fork: %s", strerror(errno));
    if (WIFEXITED(status) && WEXITSTATUS(status) == p->expect_status)
        return OK;
    const char *prog = strrchr(argv[0], '/');
    return fault_set(f, ERR_MISMATCH, "%s %s ended with %s %d: %s", prog != NULL ? prog + 1 : argv[0],
                     argv[1] != NULL ? argv[1] : "", WIFEXITED(status) ? "status" : "signal",
                     WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status), tail);
}
