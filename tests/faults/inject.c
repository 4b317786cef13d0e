#include "tests/faults/inject.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <ftw.h>
#include <gmp.h>
#include <link.h>
#include <omp.h>
#include <openssl/err.h>
#include <sodium.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "ceremony/base/secret.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#define HEAP_IS_OURS 0
#else
#define HEAP_IS_OURS 1
#endif

/* --- the one place that decides --- */

#define TRACE_MAX 24

static struct {
    atomic_int armed; /* faults are counted */
    enum inject_kind kind;
    unsigned long fail_at; /* 0: only count */
    int stays;             /* from there on */
    atomic_ulong count, fired;
    void *trace[TRACE_MAX];
    int trace_len;
} plan;

static _Thread_local int exempt; /* inside GMP, or in here */

static int fails(enum inject_kind kind)
{
    if (!plan.armed || exempt || plan.kind != kind)
        return 0;
    unsigned long n = ++plan.count;
    if (plan.fail_at == 0 || n < plan.fail_at || (n > plan.fail_at && !plan.stays))
        return 0;
    if (plan.fired++ == 0) {
        exempt++;
        plan.trace_len = backtrace(plan.trace, TRACE_MAX);
        exempt--;
    }
    return 1;
}

/* --- memory: what is taken while an operation runs is remembered until it is given back --- */

#define LIVE_SLOTS ((size_t)1 << 19)
#define LIVE_GONE ((void *)(uintptr_t)1)
#define LIVE_CALLERS 16

static struct live {
    void *p;
    void *caller[LIVE_CALLERS];
} * live;
static size_t live_used, live_now;
static atomic_int tracking; /* 2: who asked for it, too */

#if HEAP_IS_OURS
static atomic_flag live_lock = ATOMIC_FLAG_INIT;

static size_t slot_of(const void *p)
{
    return (size_t)(((uintptr_t)p >> 4) * UINT64_C(0x9e3779b97f4a7c15) >> 40) % LIVE_SLOTS;
}

static void live_add(void *p)
{
    if (!tracking || exempt || p == NULL)
        return;
    void *trace[LIVE_CALLERS + 2] = {NULL};
    int n = 0;
    exempt++;
    if (tracking > 1)
        n = backtrace(trace, LIVE_CALLERS + 2);
    exempt--;
    while (atomic_flag_test_and_set(&live_lock))
        ;
    size_t i = slot_of(p);
    while (live[i].p != NULL && live[i].p != LIVE_GONE)
        i = (i + 1) % LIVE_SLOTS;
    live[i].p = p;
    for (int k = 0; k < LIVE_CALLERS; k++)
        live[i].caller[k] = k + 2 < n ? trace[k + 2] : NULL;
    live_used++;
    live_now++;
    if (live_used > LIVE_SLOTS / 2)
        tracking = 0; /* too much for the table: this run says nothing about leaks */
    atomic_flag_clear(&live_lock);
}

static void live_remove(const void *p)
{
    if (!tracking || p == NULL)
        return;
    while (atomic_flag_test_and_set(&live_lock))
        ;
    for (size_t i = slot_of(p); live[i].p != NULL; i = (i + 1) % LIVE_SLOTS)
        if (live[i].p == p) {
            live[i].p = LIVE_GONE;
            live_now--;
            break;
        }
    atomic_flag_clear(&live_lock);
}

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t len);
void *__libc_realloc(void *p, size_t n);
void __libc_free(void *p);

/* Ranges of code whose allocations may not fail. */
#define RANGES_MAX 8
static struct {
    uintptr_t from, to;
} range[RANGES_MAX];
static size_t range_count;

static int library(struct dl_phdr_info *info, size_t size, void *ctx)
{
    (void)size;
    (void)ctx;
    static const char *const spared[] = {"libgomp", "libgmp", "ld-linux", "libcmocka", "libgcc_s", "libzbar"};
    for (size_t s = 0; s < sizeof spared / sizeof spared[0]; s++) {
        if (strstr(info->dlpi_name, spared[s]) == NULL || range_count == RANGES_MAX)
            continue;
        uintptr_t from = UINTPTR_MAX, to = 0;
        for (int i = 0; i < info->dlpi_phnum; i++) {
            const ElfW(Phdr) *h = &info->dlpi_phdr[i];
            uintptr_t a = info->dlpi_addr + h->p_vaddr;
            if (h->p_type != PT_LOAD)
                continue;
            from = a < from ? a : from;
            to = a + h->p_memsz > to ? a + h->p_memsz : to;
        }
        range[range_count].from = from;
        range[range_count++].to = to;
    }
    return 0;
}

static int spared_caller(const void *caller)
{
    for (size_t i = 0; i < range_count; i++)
        if ((uintptr_t)caller >= range[i].from && (uintptr_t)caller < range[i].to)
            return 1;
    return 0;
}

#define HEAP_CALL(real_call)                                                                                 \
    do {                                                                                                     \
        int spare_ = !plan.armed && !tracking ? 1 : spared_caller(__builtin_return_address(0));              \
        if (!spare_ && fails(INJECT_HEAP)) {                                                                 \
            errno = ENOMEM;                                                                                  \
            return NULL;                                                                                     \
        }                                                                                                    \
        void *p_ = (real_call);                                                                              \
        if (!spare_)                                                                                         \
            live_add(p_);                                                                                    \
        return p_;                                                                                           \
    } while (0)

void *malloc(size_t n)
{
    HEAP_CALL(__libc_malloc(n));
}

void *calloc(size_t n, size_t len)
{
    HEAP_CALL(__libc_calloc(n, len));
}

void *realloc(void *old, size_t n)
{
    if (plan.armed && !spared_caller(__builtin_return_address(0)) && fails(INJECT_HEAP)) {
        errno = ENOMEM;
        return NULL;
    }
    void *p = __libc_realloc(old, n);
    if (p != NULL || n == 0) {
        live_remove(old);
        if (!spared_caller(__builtin_return_address(0)))
            live_add(p);
    }
    return p;
}

void free(void *p)
{
    live_remove(p);
    __libc_free(p);
}
#else
void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t len);
void *__real_realloc(void *p, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t len);
void *__wrap_realloc(void *p, size_t n);

void *__wrap_malloc(size_t n)
{
    return fails(INJECT_HEAP) ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t len)
{
    return fails(INJECT_HEAP) ? NULL : __real_calloc(n, len);
}

void *__wrap_realloc(void *p, size_t n)
{
    return fails(INJECT_HEAP) ? NULL : __real_realloc(p, n);
}
#endif

/* GMP's allocators abort when memory is out; nothing that it asks for fails. */
static void *(*gmp_take)(size_t);
static void *(*gmp_resize)(void *, size_t, size_t);

static void *gmp_take_exempt(size_t n)
{
    exempt++;
    void *p = gmp_take(n);
    exempt--;
    return p;
}

static void *gmp_resize_exempt(void *p, size_t old, size_t n)
{
    exempt++;
    void *q = gmp_resize(p, old, n);
    exempt--;
    return q;
}

typedef void *gmp_alloc_fn(size_t);
typedef void *gmp_realloc_fn(void *, size_t, size_t);
typedef void gmp_free_fn(void *, size_t);
void __real___gmp_set_memory_functions(gmp_alloc_fn *a, gmp_realloc_fn *r, gmp_free_fn *f);
void __wrap___gmp_set_memory_functions(gmp_alloc_fn *a, gmp_realloc_fn *r, gmp_free_fn *f);

void __wrap___gmp_set_memory_functions(gmp_alloc_fn *a, gmp_realloc_fn *r, gmp_free_fn *f)
{
    gmp_take = a;
    gmp_resize = r;
    __real___gmp_set_memory_functions(gmp_take_exempt, gmp_resize_exempt, f);
}

/* --- secret memory and locks --- */

static atomic_long secrets;
void *__real_sodium_malloc(size_t n);
void __real_sodium_free(void *p);
int __real_mlock(const void *p, size_t n);
void *__wrap_sodium_malloc(size_t n);
void __wrap_sodium_free(void *p);
int __wrap_mlock(const void *p, size_t n);

void *__wrap_sodium_malloc(size_t n)
{
    if (fails(INJECT_SECRET)) {
        errno = ENOMEM;
        return NULL;
    }
    void *p = __real_sodium_malloc(n);
    secrets += p != NULL;
    return p;
}

void __wrap_sodium_free(void *p)
{
    secrets -= p != NULL;
    __real_sodium_free(p);
}

int __wrap_mlock(const void *p, size_t n)
{
    if (fails(INJECT_LOCK)) {
        errno = ENOMEM;
        return -1;
    }
    return __real_mlock(p, n);
}

/* --- disks: calls of our code by --wrap, those of SQLite by its table of system calls --- */

static int disk_fails(int number)
{
    if (!fails(INJECT_DISK))
        return 0;
    errno = number;
    return 1;
}

#define DISK(type, name, params, args, bad, number)                                                          \
    type __real_##name params;                                                                               \
    type __wrap_##name params;                                                                               \
    type __wrap_##name params                                                                                \
    {                                                                                                        \
        if (disk_fails(number))                                                                              \
            return bad;                                                                                      \
        return __real_##name args;                                                                           \
    }

DISK(ssize_t, read, (int fd, void *p, size_t n), (fd, p, n), -1, EIO)
DISK(ssize_t, __read_chk, (int fd, void *p, size_t n, size_t m), (fd, p, n, m), -1, EIO)
DISK(ssize_t, write, (int fd, const void *p, size_t n), (fd, p, n), -1, ENOSPC)
DISK(ssize_t, pread, (int fd, void *p, size_t n, off_t at), (fd, p, n, at), -1, EIO)
DISK(ssize_t, __pread_chk, (int fd, void *p, size_t n, off_t at, size_t m), (fd, p, n, at, m), -1, EIO)
DISK(ssize_t, pwrite, (int fd, const void *p, size_t n, off_t at), (fd, p, n, at), -1, ENOSPC)
DISK(int, ftruncate, (int fd, off_t n), (fd, n), -1, EIO)
DISK(int, fdatasync, (int fd), (fd), -1, EIO)
DISK(int, fflush, (FILE * s), (s), EOF, ENOSPC)
DISK(int, fsync, (int fd), (fd), -1, EIO)
DISK(int, syncfs, (int fd), (fd), -1, EIO)
DISK(FILE *, fopen, (const char *p, const char *m), (p, m), NULL, EIO)
DISK(FILE *, fdopen, (int fd, const char *m), (fd, m), NULL, ENOMEM)
DISK(int, link, (const char *a, const char *b), (a, b), -1, EROFS)
DISK(int, rename, (const char *a, const char *b), (a, b), -1, EROFS)
DISK(int, renameat2, (int a, const char *b, int c, const char *d, unsigned e), (a, b, c, d, e), -1, EROFS)
DISK(int, mkostemp, (char *t, int flags), (t, flags), -1, ENOSPC)
DISK(int, mkdir, (const char *p, mode_t m), (p, m), -1, EROFS)
DISK(int, fchmod, (int fd, mode_t m), (fd, m), -1, EROFS)
DISK(DIR *, opendir, (const char *p), (p), NULL, EIO)

/* As stdio sees it: nothing came or went, and the stream is marked. */
static size_t stream_failed(FILE *s)
{
    s->_flags |= 0x20;
    errno = EIO;
    return 0;
}

size_t __real_fwrite(const void *p, size_t n, size_t m, FILE *s);
size_t __wrap_fwrite(const void *p, size_t n, size_t m, FILE *s);

size_t __wrap_fwrite(const void *p, size_t n, size_t m, FILE *s)
{
    if (!fails(INJECT_DISK))
        return __real_fwrite(p, n, m, s);
    stream_failed(s);
    errno = ENOSPC;
    return 0;
}

size_t __real_fread(void *p, size_t n, size_t m, FILE *s);
size_t __wrap_fread(void *p, size_t n, size_t m, FILE *s);
size_t __real___fread_chk(void *p, size_t len, size_t n, size_t m, FILE *s);
size_t __wrap___fread_chk(void *p, size_t len, size_t n, size_t m, FILE *s);

size_t __wrap_fread(void *p, size_t n, size_t m, FILE *s)
{
    return fails(INJECT_DISK) ? stream_failed(s) : __real_fread(p, n, m, s);
}

size_t __wrap___fread_chk(void *p, size_t len, size_t n, size_t m, FILE *s)
{
    return fails(INJECT_DISK) ? stream_failed(s) : __real___fread_chk(p, len, n, m, s);
}

/* The stream is gone whatever fclose says. */
int __real_fclose(FILE *s);
int __wrap_fclose(FILE *s);

int __wrap_fclose(FILE *s)
{
    int bad = disk_fails(ENOSPC), number = errno;
    int r = __real_fclose(s);
    if (!bad)
        return r;
    errno = number;
    return EOF;
}

int __real_open(const char *p, int flags, ...);
int __wrap_open(const char *p, int flags, ...);

int __wrap_open(const char *p, int flags, ...)
{
    va_list list;
    va_start(list, flags);
    int mode = flags & O_CREAT ? va_arg(list, int) : 0;
    va_end(list);
    return disk_fails(EMFILE) ? -1 : __real_open(p, flags, mode);
}

static ssize_t lite_pwrite(int fd, const void *p, size_t n, off_t at)
{
    return disk_fails(ENOSPC) ? -1 : __real_pwrite(fd, p, n, at);
}

static ssize_t lite_write(int fd, const void *p, size_t n)
{
    return disk_fails(ENOSPC) ? -1 : __real_write(fd, p, n);
}

static ssize_t lite_pread(int fd, void *p, size_t n, off_t at)
{
    /* EIO would do, but SQLite takes that for a damaged database, and says so. */
    return disk_fails(EACCES) ? -1 : __real_pread(fd, p, n, at);
}

static int lite_truncate(int fd, off_t n)
{
    return disk_fails(EIO) ? -1 : __real_ftruncate(fd, n);
}

static int lite_open(const char *p, int flags, int mode)
{
    return disk_fails(EMFILE) ? -1 : __real_open(p, flags, mode);
}

/* libsqlite3's own calls, which have no place in its table. */
int fdatasync(int fd)
{
    return disk_fails(EIO) ? -1 : (int)syscall(SYS_fdatasync, fd);
}

static void sqlite_calls(void)
{
    sqlite3_initialize();
    sqlite3_vfs *v = sqlite3_vfs_find(NULL);
    v->xSetSystemCall(v, "pwrite", (sqlite3_syscall_ptr)lite_pwrite);
    v->xSetSystemCall(v, "pwrite64", (sqlite3_syscall_ptr)lite_pwrite);
    v->xSetSystemCall(v, "write", (sqlite3_syscall_ptr)lite_write);
    v->xSetSystemCall(v, "pread", (sqlite3_syscall_ptr)lite_pread);
    v->xSetSystemCall(v, "pread64", (sqlite3_syscall_ptr)lite_pread);
    v->xSetSystemCall(v, "ftruncate", (sqlite3_syscall_ptr)lite_truncate);
    v->xSetSystemCall(v, "open", (sqlite3_syscall_ptr)lite_open);
}

/* --- running --- */

static const char *const kind_name[INJECT_KINDS] = {"allocation", "secret memory", "lock", "disk"};
static const struct inject_op *running;
static unsigned problems;

#define SEEN_MAX 4096
static uint64_t seen[SEEN_MAX];
static size_t seen_count;

/* One report for each (message, place of the failed call). */
static int is_new(const char *what)
{
    uint64_t h = 0xcbf29ce484222325;
    for (const char *c = what; *c != '\0'; c++)
        h = (h ^ (uint8_t)*c) * 0x100000001b3;
    for (int i = 0; i < plan.trace_len; i++)
        h = (h ^ (uintptr_t)plan.trace[i]) * 0x100000001b3;
    for (size_t i = 0; i < seen_count; i++)
        if (seen[i] == h)
            return 0;
    if (seen_count < SEEN_MAX)
        seen[seen_count++] = h;
    return 1;
}

static void problem(const char *what, const struct fault *f)
{
    problems++;
    if (!is_new(what))
        return;
    fflush(stdout);
    fprintf(stderr, "PROBLEM %s: %s %lu%s: %s%s%s\n", running->name, kind_name[plan.kind], plan.fail_at,
            plan.stays ? " and later" : "", what, f != NULL ? ": " : "", f != NULL ? f->detail : "");
    backtrace_symbols_fd(plan.trace, plan.trace_len, 2);
}

void inject_check(int ok, const char *what)
{
    if (!ok)
        problem(what, NULL);
}

void inject_zeroed(const void *data, size_t len, const char *what)
{
    const uint8_t *b = data;
    uint8_t any = 0;
    for (size_t i = 0; i < len; i++)
        any |= b[i];
    inject_check(any == 0, what);
}

static size_t open_files(void)
{
    size_t n = 0;
    DIR *d = __real_opendir("/proc/self/fd");
    while (d != NULL && readdir(d) != NULL)
        n++;
    if (d != NULL)
        closedir(d);
    return n;
}

static int temporary;

static int look_temp(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    temporary |= strncmp(path + at->base, ".tmp", 4) == 0;
    return 0;
}

/* OpenSSL 3.0 loses a few blocks when memory runs out while it looks up an algorithm; that is not ours to
 * mend. */
static int lost_by_openssl(const struct live *block)
{
    Dl_info info;
    int depth = 0;
    while (depth < LIVE_CALLERS && block->caller[depth] != NULL && dladdr(block->caller[depth], &info) != 0 &&
           strstr(info.dli_fname, "libcrypto") != NULL)
        depth++;
    return depth > 3; /* what we forget to free was asked for nearer to us */
}

static size_t tracking_end(void)
{
    size_t left = 0;
    int was = tracking;
    tracking = 0;
    for (size_t i = 0; was && live_now > 0 && i < LIVE_SLOTS; i++)
        if (live[i].p != NULL && live[i].p != LIVE_GONE && !lost_by_openssl(&live[i])) {
            if (left++ == 0)
                plan.trace_len = 0;
            for (int k = 0; k < LIVE_CALLERS && plan.trace_len < TRACE_MAX && live[i].caller[k] != NULL; k++)
                plan.trace[plan.trace_len++] = live[i].caller[k];
        }
    if (live_used > 0)
        madvise(live, LIVE_SLOTS * sizeof *live, MADV_DONTNEED);
    live_used = live_now = 0;
    return left;
}

static const char *copy_from, *copy_to;

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    return at->level > 0 ? remove(path) : 0;
}

static int copy_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    char to[4096], block[16384];
    ssize_t n;
    (void)at;
    snprintf(to, sizeof to, "%s%s", copy_to, path + strlen(copy_from));
    if (type == FTW_D)
        return __real_mkdir(to, 0755) != 0 && errno != EEXIST;
    int in = __real_open(path, O_RDONLY),
        out = __real_open(to, O_WRONLY | O_CREAT | O_EXCL, st->st_mode & 0777);
    while ((n = __real_read(in, block, sizeof block)) > 0)
        n = __real_write(out, block, (size_t)n) == n ? n : -1;
    close(in);
    close(out);
    return n != 0;
}

void inject_copy_tree(const char *to, const char *from)
{
    nftw(to, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    copy_from = from;
    copy_to = to;
    assert_int_equal(nftw(from, copy_one, 16, FTW_PHYS), 0);
}

static void arm(enum inject_kind kind, unsigned long fail_at, int stays, int deep)
{
    plan.kind = kind;
    plan.fail_at = fail_at;
    plan.stays = stays;
    plan.count = plan.fired = 0;
    plan.trace_len = 0;
    tracking = HEAP_IS_OURS ? 1 + deep : 0;
    plan.armed = 1;
}

/* One run with a fault; 0 when the fault was beyond the end. *leak: blocks left. */
static int once(const struct inject_op *op, enum inject_kind kind, unsigned long k, int stays, int deep,
                size_t *leak)
{
    struct fault f;
    fault_clear(&f);
    if (op->before != NULL)
        op->before(op->ctx);
    size_t files = open_files();
    long held = secrets;
    arm(kind, k, stays, deep);
    err_t e = op->run(op->ctx, &f);
    plan.armed = 0;
    exempt = 0;
    int fired = plan.fired > 0 || (op->forks && k > 0);
    if (e != OK && (!fired || err_class(e) != CLASS_SYSTEM))
        problem(err_name(e), &f);
    op->after(op->ctx, e);
    ERR_clear_error(); /* the texts of errors are OpenSSL's to keep */
    *leak = tracking_end();
    inject_check(held == secrets, "secret memory is left");
    inject_check(files == open_files(), "an open file is left");
    temporary = 0;
    if (op->dir != NULL)
        nftw(op->dir, look_temp, 16, FTW_PHYS);
    inject_check(!temporary, "a temporary file is left");
    if (e != OK && fired) {
        fault_clear(&f);
        e = op->run(op->ctx, &f);
        if (e != OK) {
            char text[128];
            snprintf(text, sizeof text, "the repetition fails with %s", err_name(e));
            problem(text, &f);
        }
        op->after(op->ctx, e);
    }
    return fired;
}

static void probe(const struct inject_op *op, enum inject_kind kind, unsigned long k, int stays)
{
    size_t leak = 0, again = 0;
    once(op, kind, k, stays, 0, &leak);
    /* What a library keeps for later it keeps once. */
    if (leak > 0)
        once(op, kind, k, stays, 0, &again);
    if (leak > 0 && again > 0) {
        once(op, kind, k, stays, 1, &again);
        inject_check(again == 0, "memory is left");
    }
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* How many calls fail in turn, by default: not by the clock, so that every machine tries the same ones. */
#define SAMPLE 12

static void one_kind(const struct inject_op *op, enum inject_kind kind, double seconds)
{
    size_t leak;
    once(op, kind, 0, 0, 0, &leak);
    double start = now();
    once(op, kind, 0, 0, 0, &leak);
    double each = now() - start;
    unsigned long total = plan.count, tried = 0;
    /* Two modes, and about one repetition for each. */
    unsigned long most = seconds < 0    ? SAMPLE
                         : seconds == 0 ? total
                                        : (unsigned long)(seconds / (each * 3 + 1e-9)) + 8;
    unsigned long step = total > most ? (total + most - 1) / most : 1;
    start = now();
    for (unsigned long k = 1; k <= total; k += step) {
        probe(op, kind, k + tried % step <= total ? k + tried % step : k, 0);
        probe(op, kind, k, 1);
        tried++;
    }
    if (total > 0)
        printf("%-28s %-14s %7lu calls, %5lu tried, %6.2f s\n", op->name, kind_name[kind], total, tried,
               now() - start);
}

void inject_all(const struct inject_op *op)
{
    const char *text = getenv("FAULTS_SECONDS"), *only = getenv("FAULTS_KIND");
    double seconds = text != NULL ? atof(text) : -1;
    running = op;
    for (int kind = 0; kind < INJECT_KINDS; kind++)
        if (only == NULL || atoi(only) == kind)
            one_kind(op, (enum inject_kind)kind, seconds);
    fflush(stdout);
#ifdef __SANITIZE_ADDRESS__
    inject_check(__lsan_do_recoverable_leak_check() == 0, "memory is left (see above)");
#endif
}

void inject_end(void)
{
    unsigned n = problems;
    problems = 0;
    if (n > 0)
        fail_msg("%u problems, see above", n);
}

int inject_setup(void **state)
{
    (void)state;
    void *frames[2];
    setvbuf(stdout, NULL, _IOLBF, 1 << 16);
    /* One thread: the k-th call is the same one in every run. */
    omp_set_num_threads(1);
    backtrace(frames, 2);
#if HEAP_IS_OURS
    dl_iterate_phdr(library, NULL);
#endif
    live = mmap(NULL, LIVE_SLOTS * sizeof *live, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (live == MAP_FAILED || secret_init() != OK)
        return -1;
    sqlite_calls();
    return 0;
}
