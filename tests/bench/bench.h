/* What the figures share: a clock, a line "name value unit", and giving up loudly. */
#ifndef TESTS_BENCH_BENCH_H
#define TESTS_BENCH_BENCH_H

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "ceremony/base/err.h"

#define CHECK(call)                                                                                          \
    do {                                                                                                     \
        err_t check_ = (call);                                                                               \
        if (check_ != OK) {                                                                                  \
            fprintf(stderr, "%s: %s\n", #call, err_name(check_));                                            \
            exit(1);                                                                                         \
        }                                                                                                    \
    } while (0)

/* CPU seconds of this process. */
static inline double cpu(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static inline double wall(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* name, value, unit, threads */
static inline void figure(const char *name, double value, const char *unit, int threads)
{
    printf("%s %.3f %s %d\n", name, value, unit, threads);
    fflush(stdout);
}

#endif
