#include "ui/progress.h"

#include <inttypes.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define SECOND UINT64_C(1000000000)
#define DRAW_EVERY (SECOND / 10)
#define RATE_EVERY SECOND
#define BAR_WIDTH 20
#define COLUMNS_DEFAULT 80

static uint64_t monotonic(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

void progress_init(struct progress *p, FILE *out, const volatile sig_atomic_t *stop)
{
    struct winsize size;
    memset(p, 0, sizeof *p);
    p->out = out;
    p->stop = stop;
    p->now = monotonic;
    p->columns = COLUMNS_DEFAULT;
    int fd = fileno(out);
    p->is_terminal = fd >= 0 && isatty(fd);
    if (p->is_terminal && ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col >= 20)
        p->columns = size.ws_col;
}

void progress_duration(char out[32], uint64_t seconds)
{
    uint64_t h = seconds / 3600, m = seconds / 60 % 60, s = seconds % 60;
    if (h > 0)
        snprintf(out, 32, "%" PRIu64 ":%02" PRIu64 ":%02" PRIu64, h, m, s);
    else if (m > 0)
        snprintf(out, 32, "%" PRIu64 ":%02" PRIu64, m, s);
    else
        snprintf(out, 32, "%" PRIu64 " s", s);
}

/* count * scale / time in long double: counts of votes times nanoseconds overflow 64 bits. */
static uint64_t per(uint64_t count, uint64_t scale, uint64_t time)
{
    long double v = time == 0 ? 0 : (long double)count * (long double)scale / (long double)time;
    return v < 1e18L ? (uint64_t)v : (uint64_t)1e18L;
}

/* A window of one second or more, mixed with the rate so far. */
static void update_rate(struct progress *p, uint64_t now)
{
    if (now - p->rate_time < RATE_EVERY)
        return;
    uint64_t moved = p->done > p->rate_done ? p->done - p->rate_done : 0;
    uint64_t rate = per(moved, 1000 * SECOND, now - p->rate_time);
    p->rate_milli = p->rate_milli == 0 ? rate : p->rate_milli / 4 * 3 + rate / 4;
    p->rate_time = now;
    p->rate_done = p->done;
}

static void put_rate(char out[48], uint64_t rate_milli)
{
    if (rate_milli >= 10000)
        snprintf(out, 48, "%" PRIu64 "/s", rate_milli / 1000);
    else
        snprintf(out, 48, "%" PRIu64 ".%" PRIu64 "/s", rate_milli / 1000, rate_milli / 100 % 10);
}

static void put_bar(char out[BAR_WIDTH + 16], uint64_t done, uint64_t total)
{
    uint64_t full = per(done, BAR_WIDTH, total), percent = per(done, 100, total);
    full = full > BAR_WIDTH ? BAR_WIDTH : full;
    percent = percent > 100 ? 100 : percent;
    char bar[BAR_WIDTH + 1];
    for (uint64_t i = 0; i < BAR_WIDTH; i++)
        bar[i] = i < full ? '#' : '.';
    bar[BAR_WIDTH] = '\0';
    snprintf(out, BAR_WIDTH + 16, "[%s] %3" PRIu64 "%%", bar, percent);
}

static void draw(struct progress *p, uint64_t now)
{
    char line[320], bar[BAR_WIDTH + 16] = "", rate[48] = "", elapsed[32], left[32] = "", total[32] = "";
    update_rate(p, now);
    progress_duration(elapsed, (now - p->started) / SECOND);
    if (p->total > 0) {
        put_bar(bar, p->done, p->total);
        snprintf(total, sizeof total, "/%" PRIu64, p->total);
    }
    if (p->rate_milli > 0) {
        put_rate(rate, p->rate_milli);
        if (p->total > p->done)
            progress_duration(left, per(p->total - p->done, 1000, p->rate_milli));
    }
    int n = snprintf(line, sizeof line, "%s %s %" PRIu64 "%s %s%s %s%s%s", p->what, bar, p->done, total, rate,
                     rate[0] != '\0' ? "," : "", left, left[0] != '\0' ? " left, " : "", elapsed);
    /* One column stays free, or the terminal would wrap and the line could not be rewritten. */
    if (n >= (int)p->columns)
        n = (int)p->columns - 1;
    fprintf(p->out, "\r%.*s\x1b[K", n, line);
    fflush(p->out);
    p->drawn = now;
}

static void begin(struct progress *p, const char *what, uint64_t done, uint64_t total, uint64_t now)
{
    snprintf(p->what, sizeof p->what, "%s", what);
    p->first = p->rate_done = done;
    p->started = p->rate_time = now;
    p->drawn = 0;
    p->rate_milli = 0;
    if (p->is_terminal)
        return;
    if (total > 0)
        fprintf(p->out, "%s: %" PRIu64 " to do\n", p->what, total > done ? total - done : 0);
    else
        fprintf(p->out, "%s\n", p->what);
    fflush(p->out);
}

void progress_end(struct progress *p)
{
    char rate[48], time[32], total[32] = "";
    if (p->what[0] == '\0')
        return;
    uint64_t spent = p->now() - p->started;
    put_rate(rate, per(p->done > p->first ? p->done - p->first : 0, 1000 * SECOND, spent));
    if (spent < 60 * SECOND)
        snprintf(time, sizeof time, "%" PRIu64 ".%" PRIu64 " s", spent / SECOND, spent / (SECOND / 10) % 10);
    else
        progress_duration(time, spent / SECOND);
    if (p->total > p->done)
        snprintf(total, sizeof total, " of %" PRIu64, p->total);
    fprintf(p->out, "%s%s: %" PRIu64 "%s in %s, %s%s\n", p->is_terminal ? "\r" : "", p->what, p->done, total,
            time, rate, p->is_terminal ? "\x1b[K" : "");
    fflush(p->out);
    p->what[0] = '\0';
}

err_t progress_step(void *ctx, const char *what, uint64_t done, uint64_t total)
{
    struct progress *p = ctx;
    uint64_t now = p->now();
    if (strncmp(p->what, what, sizeof p->what - 1) != 0) {
        progress_end(p);
        begin(p, what, done, total, now);
    }
    p->done = done;
    p->total = total;
    if (p->is_terminal && (p->drawn == 0 || now - p->drawn >= DRAW_EVERY))
        draw(p, now);
    return p->stop != NULL && *p->stop ? ERR_STOPPED : OK;
}
