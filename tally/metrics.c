#include "tally/metrics.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "ceremony/base/file.h"

static const struct {
    const char *name, *help;
    enum metric_kind kind;
} table[METRIC_COUNT] = {
#define X(id, name, kind, help) {name, help, kind},
    METRICS_LIST(X)
#undef X
};

static const char *const error_names[] = {
#define X(name, class, meaning, advice) #name,
    ERR_LIST(X)
#undef X
};
#define ERROR_COUNT (sizeof error_names / sizeof error_names[0])
_Static_assert(ERROR_COUNT <= METRIC_SLOTS && METRIC_BUCKETS_MAX < METRIC_SLOTS, "a slot for each");

/* Upper bounds, as they are compared and as they are written. */
struct bounds {
    size_t count;
    struct {
        double at;
        const char *text;
    } bound[METRIC_BUCKETS_MAX];
};
#define B(x)                                                                                                 \
    {                                                                                                        \
        x, #x                                                                                                \
    }
static const struct bounds latency = {17,
                                      {B(0.0001), B(0.00025), B(0.0005), B(0.001), B(0.0025), B(0.005),
                                       B(0.01), B(0.025), B(0.05), B(0.1), B(0.25), B(0.5), B(1.0), B(2.5),
                                       B(5.0), B(10.0), B(30.0)}};
static const struct bounds brief = {19,
                                    {B(1e-07), B(2.5e-07), B(5e-07), B(1e-06), B(2.5e-06), B(5e-06), B(1e-05),
                                     B(2.5e-05), B(5e-05), B(0.0001), B(0.00025), B(0.0005), B(0.001),
                                     B(0.0025), B(0.005), B(0.01), B(0.025), B(0.05), B(0.1)}};
static const struct bounds sizes = {16,
                                    {B(1.0), B(2.0), B(5.0), B(10.0), B(20.0), B(50.0), B(100.0), B(200.0),
                                     B(500.0), B(1000.0), B(2000.0), B(5000.0), B(10000.0), B(20000.0),
                                     B(50000.0), B(100000.0)}};
#undef B

static const struct bounds *bounds_of(enum metric id)
{
    switch (table[id].kind) {
    case METRIC_LATENCY:
        return &latency;
    case METRIC_SHORT:
        return &brief;
    case METRIC_SIZES:
        return &sizes;
    default:
        return NULL;
    }
}

const char *metrics_name(enum metric id)
{
    return table[id].name;
}

const char *metrics_type(enum metric id)
{
    switch (table[id].kind) {
    case METRIC_COUNTER:
    case METRIC_ERRORS:
    case METRIC_CPU:
        return "counter";
    case METRIC_GAUGE:
    case METRIC_FROM_HERE:
        return "gauge";
    default:
        return "histogram";
    }
}

/* --- counting --- */

static double seconds(clockid_t clock)
{
    struct timespec t;
    if (clock_gettime(clock, &t) != 0)
        return 0;
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

double metrics_now(void)
{
    return seconds(CLOCK_MONOTONIC);
}

err_t metrics_init(struct metrics *m, const char *program, const char *process, const char *chain,
                   const char *shard)
{
    const char *const from[] = {program, process, chain, shard};
    memset(m, 0, sizeof *m);
    char *const to[] = {m->program, m->process, m->chain, m->shard};
    for (size_t i = 0; i < 4; i++) {
        if (i >= 2 && from[i] == NULL)
            continue;
        if (from[i] == NULL || !text_is_id(from[i], strlen(from[i]))) {
            memset(m, 0, sizeof *m);
            return ERR_TEXT;
        }
        snprintf(to[i], sizeof m->program, "%s", from[i]);
    }
    m->start = seconds(CLOCK_REALTIME);
    return OK;
}

void metrics_add(struct metrics *m, enum metric id, uint64_t n)
{
    if (m != NULL && table[id].kind == METRIC_COUNTER)
        atomic_fetch_add_explicit(&m->v[id].n[0], n, memory_order_relaxed);
}

void metrics_refused(struct metrics *m, enum metric id, err_t why, uint64_t n)
{
    if (m != NULL && table[id].kind == METRIC_ERRORS && (size_t)why < ERROR_COUNT)
        atomic_fetch_add_explicit(&m->v[id].n[why], n, memory_order_relaxed);
}

void metrics_set(struct metrics *m, enum metric id, double value)
{
    if (m == NULL || table[id].kind != METRIC_GAUGE)
        return;
    atomic_store_explicit(&m->v[id].value, value, memory_order_relaxed);
    atomic_store_explicit(&m->v[id].is_set, 1, memory_order_release);
}

void metrics_more(struct metrics *m, enum metric id, double more)
{
    if (m == NULL || table[id].kind != METRIC_GAUGE)
        return;
    double was = atomic_load_explicit(&m->v[id].value, memory_order_relaxed);
    while (!atomic_compare_exchange_weak(&m->v[id].value, &was, was + more))
        ;
    atomic_store_explicit(&m->v[id].is_set, 1, memory_order_release);
}

void metrics_observe_many(struct metrics *m, enum metric id, double value, uint64_t count)
{
    const struct bounds *b = bounds_of(id);
    if (m == NULL || b == NULL || count == 0)
        return;
    if (!(value > 0))
        value = 0;
    size_t i = 0;
    while (i < b->count && value > b->bound[i].at)
        i++;
    double billionths = value * 1e9 * (double)count;
    atomic_fetch_add_explicit(&m->v[id].n[i], count, memory_order_relaxed);
    if (billionths < 9e18)
        atomic_fetch_add_explicit(&m->v[id].sum, (uint64_t)(billionths + 0.5), memory_order_relaxed);
}

void metrics_observe(struct metrics *m, enum metric id, double value)
{
    metrics_observe_many(m, id, value, 1);
}

/* --- writing --- */

/* Help and label values are ours or identifiers, which have nothing to escape; escaped all the same, so that
 * a change of the table cannot break the format. */
static void put_escaped(FILE *out, const char *text, int quote)
{
    for (; *text != '\0'; text++) {
        if (*text == '\n')
            fputs("\\n", out);
        else if (*text == '\\' || (*text == '"' && quote))
            fprintf(out, "\\%c", *text);
        else
            putc(*text, out);
    }
}

static void put_label(FILE *out, const char *name, const char *value)
{
    if (value[0] == '\0')
        return;
    fprintf(out, ",%s=\"", name);
    put_escaped(out, value, 1);
    putc('"', out);
}

/* NAME SUFFIX {process="...",...,EXTRA="VALUE"} and a space */
static void put_series(FILE *out, const struct metrics *m, enum metric id, const char *suffix,
                       const char *extra, const char *value)
{
    fprintf(out, "%s%s{process=\"", table[id].name, suffix);
    put_escaped(out, m->process, 1);
    putc('"', out);
    put_label(out, "program", m->program);
    put_label(out, "chain", m->chain);
    put_label(out, "shard", m->shard);
    if (extra != NULL)
        put_label(out, extra, value);
    fputs("} ", out);
}

static uint64_t load(const _Atomic uint64_t *n)
{
    return atomic_load_explicit(n, memory_order_relaxed);
}

static void put_histogram(FILE *out, const struct metrics *m, enum metric id, const struct bounds *b)
{
    uint64_t below = 0, sum = load(&m->v[id].sum);
    for (size_t i = 0; i < b->count; i++) {
        below += load(&m->v[id].n[i]);
        put_series(out, m, id, "_bucket", "le", b->bound[i].text);
        fprintf(out, "%llu\n", (unsigned long long)below);
    }
    below += load(&m->v[id].n[b->count]);
    put_series(out, m, id, "_bucket", "le", "+Inf");
    fprintf(out, "%llu\n", (unsigned long long)below);
    put_series(out, m, id, "_sum", NULL, NULL);
    fprintf(out, "%llu.%09llu\n", (unsigned long long)(sum / 1000000000),
            (unsigned long long)(sum % 1000000000));
    put_series(out, m, id, "_count", NULL, NULL);
    fprintf(out, "%llu\n", (unsigned long long)below);
}

static double resident(void)
{
    unsigned long long pages = 0;
    FILE *in = fopen("/proc/self/statm", "re");
    if (in == NULL)
        return -1;
    int got = fscanf(in, "%*u %llu", &pages);
    fclose(in);
    return got == 1 ? (double)pages * (double)sysconf(_SC_PAGESIZE) : -1;
}

static double from_here(const struct metrics *m, enum metric id)
{
    if (id == METRIC_RUNNING)
        return !m->ended;
    return id == METRIC_START ? m->start : id == METRIC_UPDATE ? seconds(CLOCK_REALTIME) : resident();
}

/* Whether this program has the metric at all: those of its kind from the start, others once they are used. */
static int is_written(const struct metrics *m, enum metric id)
{
    const char *family = strcmp(m->program, "aggregate") == 0 ? "verify" : m->program;
    const char *name = table[id].name + strlen("conclave_");
    size_t len = strlen(family);
    uint64_t any = 0;
    switch (table[id].kind) {
    case METRIC_CPU:
    case METRIC_FROM_HERE:
        return 1;
    case METRIC_GAUGE:
        return atomic_load_explicit(&m->v[id].is_set, memory_order_acquire);
    default:
        for (size_t i = 0; i < METRIC_SLOTS; i++)
            any |= load(&m->v[id].n[i]);
        return any != 0 ||
               (table[id].kind != METRIC_ERRORS && strncmp(name, family, len) == 0 && name[len] == '_');
    }
}

static void put_errors(FILE *out, const struct metrics *m, enum metric id)
{
    for (size_t i = 0; i < ERROR_COUNT; i++) {
        uint64_t n = load(&m->v[id].n[i]);
        if (n == 0)
            continue;
        put_series(out, m, id, "", "error", error_names[i]);
        fprintf(out, "%llu\n", (unsigned long long)n);
    }
}

static void put_samples(FILE *out, const struct metrics *m, enum metric id)
{
    const struct bounds *b = bounds_of(id);
    double value;
    switch (table[id].kind) {
    case METRIC_COUNTER:
        put_series(out, m, id, "", NULL, NULL);
        fprintf(out, "%llu\n", (unsigned long long)load(&m->v[id].n[0]));
        return;
    case METRIC_ERRORS:
        put_errors(out, m, id);
        return;
    case METRIC_GAUGE:
        value = atomic_load_explicit(&m->v[id].value, memory_order_relaxed);
        break;
    case METRIC_CPU:
        value = seconds(CLOCK_PROCESS_CPUTIME_ID);
        break;
    case METRIC_FROM_HERE:
        value = from_here(m, id);
        if (value < 0)
            return;
        break;
    default:
        put_histogram(out, m, id, b);
        return;
    }
    put_series(out, m, id, "", NULL, NULL);
    if (isfinite(value))
        fprintf(out, "%.15g\n", value);
    else
        fputs(isnan(value) ? "NaN\n" : value > 0 ? "+Inf\n" : "-Inf\n", out);
}

void metrics_put_head(FILE *out, enum metric id)
{
    fprintf(out, "# HELP %s ", table[id].name);
    put_escaped(out, table[id].help, 0);
    fprintf(out, "\n# TYPE %s %s\n", table[id].name, metrics_type(id));
}

err_t metrics_write(const struct metrics *m, FILE *out)
{
    for (enum metric id = 0; id < METRIC_COUNT; id++) {
        if (!is_written(m, id))
            continue;
        metrics_put_head(out, id);
        put_samples(out, m, id);
    }
    return ferror(out) ? ERR_IO : OK;
}

static err_t io_fault(struct fault *f, const char *path)
{
    fault_set(f, ERR_IO, "the numbers cannot be written: %s", strerror(errno));
    return fault_file(f, ERR_IO, path);
}

err_t metrics_write_file(const struct metrics *m, const char *path, struct fault *f)
{
    char temp[4096];
    const char *slash = strrchr(path, '/');
    int dir_len = slash == NULL ? 0 : (int)(slash + 1 - path);
    int n = snprintf(temp, sizeof temp, "%.*s.tmp-%s.XXXXXX", dir_len, path, m->process);
    if (n < 0 || (size_t)n >= sizeof temp)
        return fault_set(f, ERR_LIMIT, "the path of the numbers is too long");
    int fd = mkostemp(temp, 0);
    if (fd < 0)
        return io_fault(f, path);
    FILE *out = fdopen(fd, "w");
    if (out == NULL) {
        io_fault(f, path);
        close(fd);
        unlink(temp);
        return ERR_IO;
    }
    int bad = metrics_write(m, out) != OK;
    bad |= fflush(out) != 0 || fchmod(fd, 0644) != 0;
    if (fclose(out) != 0 || bad || rename(temp, path) != 0) {
        io_fault(f, path);
        unlink(temp);
        return ERR_IO;
    }
    return OK;
}

static int is_due(struct metrics *m, int force)
{
    double now = metrics_now();
    if (m == NULL || (!force && m->published > 0 && now - m->published < 1))
        return 0;
    m->published = now;
    m->ended = force;
    return 1;
}

err_t metrics_publish_file(struct metrics *m, const char *path, int force, struct fault *f)
{
    return is_due(m, force) ? metrics_write_file(m, path, f) : OK;
}

err_t metrics_new_for(struct metrics **out, const char *program, const char *path, struct fault *f)
{
    char name[TEXT_ID_MAX + 1] = "";
    *out = NULL;
    if (path == NULL)
        return OK;
    const char *slash = strrchr(path, '/'), *base = slash == NULL ? path : slash + 1;
    size_t len = strlen(base);
    if (len > 5 && len - 5 <= TEXT_ID_MAX && strcmp(base + len - 5, ".prom") == 0)
        snprintf(name, sizeof name, "%.*s", (int)(len - 5), base);
    struct metrics *m = calloc(1, sizeof *m);
    if (m == NULL)
        return fault_set(f, ERR_MEMORY, "numbers");
    if (metrics_init(m, program, name, NULL, NULL) != OK) {
        free(m);
        return fault_set(f, ERR_USAGE,
                         "--metrics: a file NAME.prom, NAME of letters, digits, '.', '_' and '-'");
    }
    *out = m;
    return OK;
}

err_t metrics_publish(struct metrics *m, const char *dir, int force, struct fault *f)
{
    char name[sizeof m->process + 8], path[4096];
    if (!is_due(m, force))
        return OK;
    snprintf(name, sizeof name, "%s.prom", m->process);
    if (file_path(path, sizeof path, dir, name) != OK)
        return fault_set(f, ERR_LIMIT, "the path of the numbers is too long");
    TRY(file_mkdir(dir, f));
    return metrics_write_file(m, path, f);
}
