/* Core images of a running program, and a search for secrets in files.
 *
 *   image_tool trace DIR COMMAND...     runs COMMAND under ptrace and writes images of its memory:
 *       DIR/link  when it first puts a file in its place, which for confirm is while the share is in use
 *       DIR/held  at its first wait4, where conclave closes its session: the operation is over
 *       DIR/exit  when it exits
 *     with NAME.map saying which bytes are from where. Exit status: that of COMMAND;
 *     77 if tracing is not allowed here.
 *   image_tool search SECRETS FILE...   SECRETS: lines "NAME HEX". Looks in each FILE for every secret: raw,
 *     reversed (limbs of GMP and OpenSSL), each half of 16 bytes alone, its negative modulo the group's
 *     order, hexadecimal, base64. Prints what it finds; exit status 1 then. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ceremony/math/group.h"

#define CANNOT 77

/* --- trace --- */

static int copy_range(int mem, FILE *out, unsigned long from, unsigned long to)
{
    static char page[4096];
    int any = 0;
    for (unsigned long at = from; at < to; at += sizeof page) {
        if (pread(mem, page, sizeof page, (off_t)at) != (ssize_t)sizeof page)
            continue;
        if (fwrite(page, 1, sizeof page, out) != sizeof page)
            return -1;
        any = 1;
    }
    return any;
}

static void image(pid_t pid, const char *dir, const char *name)
{
    char path[4200], line[1024];
    snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
    FILE *maps = fopen(path, "r");
    snprintf(path, sizeof path, "/proc/%d/mem", (int)pid);
    int mem = open(path, O_RDONLY | O_CLOEXEC);
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *out = fopen(path, "w");
    snprintf(path, sizeof path, "%s/%s.map", dir, name);
    FILE *map = fopen(path, "w");
    if (maps == NULL || mem < 0 || out == NULL || map == NULL) {
        fprintf(stderr, "image_tool: cannot make the image %s\n", name);
        exit(CANNOT);
    }
    while (fgets(line, sizeof line, maps) != NULL) {
        unsigned long from, to;
        char mode[8];
        if (sscanf(line, "%lx-%lx %7s", &from, &to, mode) != 3 || strstr(line, "[v") != NULL)
            continue;
        if (mode[0] != 'r' && to - from > (1UL << 20)) /* address space set aside, not memory */
            continue;
        long at = ftell(out);
        if (copy_range(mem, out, from, to) > 0)
            fprintf(map, "%10lx %s", (unsigned long)at, line);
    }
    fclose(map);
    fclose(out);
    close(mem);
    fclose(maps);
}

/* The call that begins, or 0 when one ends. */
static unsigned long call_of(pid_t pid)
{
    struct __ptrace_syscall_info info;
    int known = ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof info, &info) > 0;
    return known && info.op == PTRACE_SYSCALL_INFO_ENTRY ? info.entry.nr : 0;
}

static int is_link(unsigned long call)
{
#ifdef SYS_link
    if (call == SYS_link)
        return 1;
#endif
    return call == SYS_linkat;
}

static int follow(pid_t pid, const char *dir)
{
    int status, linked = 0, held = 0, deliver = 0;
    for (;;) {
        if (ptrace(PTRACE_SYSCALL, pid, 0, (long)deliver) != 0 || waitpid(pid, &status, __WALL) != pid)
            return CANNOT;
        deliver = 0;
        if (WIFEXITED(status))
            return WEXITSTATUS(status);
        if (WIFSIGNALED(status))
            return 128 + WTERMSIG(status);
        if (status >> 8 == (SIGTRAP | PTRACE_EVENT_EXIT << 8)) {
            image(pid, dir, "exit");
        } else if (WSTOPSIG(status) == (SIGTRAP | 0x80)) {
            unsigned long call = call_of(pid);
            if (!linked && is_link(call)) {
                image(pid, dir, "link");
                linked = 1;
            }
            if (!held && (call == SYS_wait4 || call == SYS_waitid)) {
                image(pid, dir, "held");
                held = 1;
            }
        } else if (status >> 8 != (SIGTRAP | PTRACE_EVENT_EXEC << 8)) {
            deliver = WSTOPSIG(status);
        }
    }
}

static int trace(const char *dir, char **command)
{
    int status;
    mkdir(dir, 0700);
    pid_t pid = fork();
    if (pid == 0) {
        if (ptrace(PTRACE_TRACEME, 0, 0, 0) != 0)
            _exit(CANNOT);
        raise(SIGSTOP);
        execvp(command[0], command);
        _exit(127);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status))
        return CANNOT;
    long options = PTRACE_O_TRACEEXIT | PTRACE_O_TRACEEXEC | PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL;
    if (ptrace(PTRACE_SETOPTIONS, pid, 0, options) != 0) {
        kill(pid, SIGKILL);
        return CANNOT;
    }
    return follow(pid, dir);
}

/* --- search --- */

#define PATTERNS 65536
#define PATTERN_MAX 512

struct pattern {
    const char *name, *form;
    size_t len;
    unsigned char *b;
    int next; /* of those that begin with the same two bytes */
};

struct search {
    struct pattern p[PATTERNS];
    int count, first[65536];
    unsigned long hits;
};

static void add(struct search *s, const char *name, const char *form, const void *b, size_t len)
{
    const unsigned char *c = b;
    if (s->count == PATTERNS || len < 4)
        abort();
    struct pattern *p = &s->p[s->count];
    *p = (struct pattern){name, form, len, malloc(len), s->first[c[0] << 8 | c[1]]};
    if (p->b == NULL)
        abort();
    memcpy(p->b, b, len);
    s->first[c[0] << 8 | c[1]] = s->count++;
}

static void add_halves(struct search *s, const char *name, const unsigned char *b, size_t len)
{
    unsigned char r[PATTERN_MAX];
    for (size_t i = 0; i < len; i++)
        r[i] = b[len - 1 - i];
    for (size_t at = 0; at + 16 <= len; at += 16) {
        add(s, name, "raw", b + at, 16);
        add(s, name, "limbs", r + at, 16);
    }
}

static void add_text(struct search *s, const char *name, const unsigned char *b, size_t len)
{
    static const char *const digits[] = {"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
                                         "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"};
    char text[2 * PATTERN_MAX + 1];
    for (int upper = 0; upper < 2; upper++) {
        for (size_t i = 0; i < len; i++)
            snprintf(text + 2 * i, 3, upper ? "%02X" : "%02x", b[i]);
        add(s, name, "hex", text, 2 * len);
    }
    /* Wherever it begins within a group of three bytes, its whole groups look the same. */
    for (size_t skip = 0; skip < 3; skip++)
        for (int kind = 0; kind < 2; kind++) {
            size_t n = 0;
            for (size_t i = skip; i + 3 <= len; i += 3) {
                unsigned v = (unsigned)b[i] << 16 | (unsigned)b[i + 1] << 8 | b[i + 2];
                for (int shift = 18; shift >= 0; shift -= 6)
                    text[n++] = digits[kind][v >> shift & 63];
            }
            if (n >= 8)
                add(s, name, "base64", text, n);
        }
}

static void add_secret(struct search *s, const char *name, const unsigned char *b, size_t len)
{
    if (len >= 16)
        add_halves(s, name, b, len);
    else
        add(s, name, "raw", b, len);
    add_text(s, name, b, len);
    if (len == SCALAR_LEN) {
        scalar_t k;
        memcpy(k.b, b, SCALAR_LEN);
        if (scalar_check(&k) == OK) {
            scalar_neg(&k, &k);
            add_halves(s, name, k.b, SCALAR_LEN);
        }
    }
}

static void read_secrets(struct search *s, const char *path)
{
    char line[2 * PATTERN_MAX + 200];
    FILE *f = fopen(path, "r");
    if (f == NULL) {
        perror(path);
        exit(2);
    }
    while (fgets(line, sizeof line, f) != NULL) {
        unsigned char b[PATTERN_MAX];
        char *space = strchr(line, ' ');
        if (space == NULL)
            continue;
        *space = 0;
        size_t len = strcspn(space + 1, "\n") / 2;
        space[1 + 2 * len] = 0;
        if (len > PATTERN_MAX || hex_get(b, len, space + 1) != OK) {
            fprintf(stderr, "image_tool: %s is not hexadecimal\n", line);
            exit(2);
        }
        add_secret(s, strdup(line), b, len);
    }
    fclose(f);
}

static void search_bytes(struct search *s, const char *path, const unsigned char *b, size_t len)
{
    for (size_t i = 0; i + 4 <= len; i++)
        for (int k = s->first[b[i] << 8 | b[i + 1]]; k >= 0; k = s->p[k].next) {
            const struct pattern *p = &s->p[k];
            if (p->len > len - i || memcmp(p->b, b + i, p->len) != 0)
                continue;
            s->hits++;
            printf("%s (%s) in %s at %lx\n", p->name, p->form, path, (unsigned long)i);
        }
}

static void search_file(struct search *s, const char *path)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st) != 0) {
        perror(path);
        exit(2);
    }
    if (S_ISREG(st.st_mode) && st.st_size > 0) {
        void *b = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (b == MAP_FAILED) {
            perror(path);
            exit(2);
        }
        search_bytes(s, path, b, (size_t)st.st_size);
        munmap(b, (size_t)st.st_size);
    }
    close(fd);
}

int main(int argc, char **argv)
{
    if (argc > 3 && strcmp(argv[1], "trace") == 0)
        return trace(argv[2], argv + 3);
    if (argc < 4 || strcmp(argv[1], "search") != 0)
        return 2;
    struct search *s = calloc(1, sizeof *s);
    if (s == NULL)
        return 2;
    for (size_t i = 0; i < 65536; i++)
        s->first[i] = -1;
    read_secrets(s, argv[2]);
    int patterns = s->count;
    for (int i = 3; i < argc; i++)
        search_file(s, argv[i]);
    printf("%d patterns, %d files, %lu found\n", patterns, argc - 3, s->hits);
    return s->hits > 0;
}
