/* A line that shows how far a long job is: phase, bar, count, rate, time left, time since the start.
 *
 * On a terminal the line is rewritten at most ten times a second; elsewhere each phase prints one
 * line when it starts and one when it ends. Give progress_step and the struct to library code as
 * its progress_fn, and call progress_end when the job returns, however it went. */
#ifndef UI_PROGRESS_H
#define UI_PROGRESS_H

#include <signal.h>
#include <stdio.h>

#include "ceremony/base/progress.h"

struct progress {
    FILE *out;
    int is_terminal;
    size_t columns;
    const volatile sig_atomic_t *stop; /* may be NULL; not 0: the job is asked to stop */
    uint64_t (*now)(void);             /* nanoseconds, monotonic */
    char what[64];                     /* phase being shown, empty: none */
    uint64_t done, total;
    uint64_t first;                /* of done, where the phase began: resumed jobs */
    uint64_t started, drawn;       /* times */
    uint64_t rate_time, rate_done; /* where the window of the rate began */
    uint64_t rate_milli;           /* items per 1000 seconds, smoothed; 0: not known yet */
};

/* Looks whether out is a terminal, and how wide. stop may be NULL. */
void progress_init(struct progress *p, FILE *out, const volatile sig_atomic_t *stop);

/* A progress_fn; ctx is a struct progress. OK, or ERR_STOPPED once *stop is set. */
MUST err_t progress_step(void *ctx, const char *what, uint64_t done, uint64_t total);

/* Ends the line of the phase being shown. Idempotent. */
void progress_end(struct progress *p);

/* "7 s", "3:05" (minutes), "2:03:05" (hours). */
void progress_duration(char out[32], uint64_t seconds);

#endif
