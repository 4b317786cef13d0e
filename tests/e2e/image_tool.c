/* Core images of a running program, and a search for secrets in files.
 *
 *   image_tool trace DIR COMMAND...     runs COMMAND and the keeper that it starts under ptrace and writes
 *                                       images of their memory, those of the keeper under DIR/keeper-...:
 *       link  when it first puts a file in its place
 *       use   when it last asked the token for randomness, which for confirm is while the share is in use
 *       held  at its first wait4, where it closes its session: the operation is over
 *       exit  when it exits
 *     with NAME.map saying which bytes are from where. The token's process is not traced. Exit status: that
 *     of COMMAND; 77 if tracing is not allowed here.
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

/* The call that begins, or 0 when one ends. argument: its second one. */
static unsigned long call_of(pid_t pid, unsigned long *argument)
{
    struct __ptrace_syscall_info info;
    int known = ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof info, &info) > 0;
    *argument = known && info.op == PTRACE_SYSCALL_INFO_ENTRY ? info.entry.args[1] : 0;
    return known && info.op == PTRACE_SYSCALL_INFO_ENTRY ? info.entry.nr : 0;
}

/* A request for randomness to the token's process (hsm/wire.h): an array of two that begins with a 2. */
static int asks_randomness(pid_t pid, unsigned long call, unsigned long data)
{
    errno = 0;
    long word = call == SYS_sendto ? ptrace(PTRACE_PEEKDATA, pid, data, 0) : 0;
    return errno == 0 && (word & 0xffff) == 0x0282;
}

static int is_link(unsigned long call)
{
#ifdef SYS_link
    if (call == SYS_link)
        return 1;
#endif
    return call == SYS_linkat;
}

#define TRACED_MAX 8

struct traced {
    pid_t pid;
    const char *name; /* of its images begin so; NULL: not known before it runs its program */
    int linked, held;
};

static struct traced *traced_of(struct traced *all, pid_t pid)
{
    for (int i = 0; i < TRACED_MAX; i++)
        if (all[i].pid == pid || all[i].pid == 0) {
            all[i].pid = pid;
            return &all[i];
        }
    return NULL;
}

static void image_of(const struct traced *t, const char *dir, const char *when)
{
    char name[64];
    snprintf(name, sizeof name, "%s%s", t->name, when);
    image(t->pid, dir, name);
}

/* Which program it runs now: ourselves again as keeper, the token's process, or another. */
static void named(struct traced *t)
{
    char path[64], line[256] = "";
    snprintf(path, sizeof path, "/proc/%d/cmdline", (int)t->pid);
    FILE *f = fopen(path, "r");
    size_t n = f != NULL ? fread(line, 1, sizeof line - 1, f) : 0;
    if (f != NULL)
        fclose(f);
    const char *verb = n > 0 ? line + strlen(line) + 1 : line;
    t->name = strcmp(verb, "keeper-process") == 0  ? "keeper-"
              : strcmp(verb, "token-process") == 0 ? NULL
                                                   : "";
}

static void at_call(struct traced *t, const char *dir)
{
    unsigned long argument, call = call_of(t->pid, &argument);
    if (!t->linked && is_link(call)) {
        image_of(t, dir, "link");
        t->linked = 1;
    }
    if (asks_randomness(t->pid, call, argument))
        image_of(t, dir, "use");
    if (!t->held && (call == SYS_wait4 || call == SYS_waitid)) {
        image_of(t, dir, "held");
        t->held = 1;
    }
}

/* The signal to be handed on, or -1 when the process is to be let go. */
static int at_stop(struct traced *t, int status, const char *dir)
{
    int event = status >> 16;
    if (event == PTRACE_EVENT_EXEC) {
        named(t);
        return t->name == NULL ? -1 : 0;
    }
    if (event == PTRACE_EVENT_EXIT) {
        if (t->name != NULL)
            image_of(t, dir, "exit");
        return 0;
    }
    if (event != 0)
        return 0;
    if (WSTOPSIG(status) == (SIGTRAP | 0x80)) {
        if (t->name != NULL)
            at_call(t, dir);
        return 0;
    }
    return t->name == NULL && WSTOPSIG(status) == SIGSTOP ? 0 : WSTOPSIG(status);
}

static int follow(pid_t first, const char *dir)
{
    struct traced all[TRACED_MAX] = {{first, "", 0, 0}};
    int status, result = CANNOT;
    pid_t pid = first;
    if (ptrace(PTRACE_SYSCALL, first, 0, 0) != 0)
        return CANNOT;
    while ((pid = waitpid(-1, &status, __WALL)) > 0) {
        struct traced *t = traced_of(all, pid);
        if (t == NULL)
            return CANNOT;
        if (WIFEXITED(status) || WIFSIGNALED(status)) {
            if (pid == first)
                result = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
            continue;
        }
        int deliver = at_stop(t, status, dir);
        ptrace(deliver < 0 ? PTRACE_DETACH : PTRACE_SYSCALL, pid, 0, (long)(deliver < 0 ? 0 : deliver));
    }
    return result;
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
    /* No threads; processes that are started, which libc does by vfork. */
    long options = PTRACE_O_TRACEEXIT | PTRACE_O_TRACEEXEC | PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL |
                   PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK;
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
