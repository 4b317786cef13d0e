/* Aggregation of many small exports: exports per second and peak memory, "name value unit" lines.
 * One ballot each, one contest of four options. Usage: bench_aggregate [EXPORTS], 10,000 if not said; 175,000
 * are those of a large nation, and take some minutes to make. All threads; wall clock. A tenth of them is
 * aggregated first, so that one sees that memory does not follow. Each run is a process of its own: peak
 * memory is the process's. */
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "tally/aggregate.h"
#include "tests/support/tree.h"

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* A nation, a county for each hundred precincts. */
static char *make_rows(size_t precincts)
{
    size_t size = 64 * precincts + 4096, at;
    char *rows = malloc(size);
    assert_non_null(rows);
    at = (size_t)snprintf(rows, size, "whole,nation,,Whole,,\n");
    for (size_t i = 0; i < precincts; i++) {
        if (i % 100 == 0)
            at += (size_t)snprintf(rows + at, size - at, "c%zu,county,whole,C,,\n", i / 100);
        at += (size_t)snprintf(rows + at, size - at, "p%zu,precinct,c%zu,P,one,\n", i, i / 100);
    }
    return rows;
}

static void make_export(struct tree *t, size_t i)
{
    struct tree_box *box = calloc(1, sizeof *box);
    char place[32];
    assert_non_null(box);
    snprintf(place, sizeof place, "p%zu", i);
    tree_cast(t, box, place, "one", i % 2 ? "x" : "y", 1);
    tree_export(t, place, place, box, 0, NULL, NULL);
    tree_box_free(box);
    free(box);
}

static void run(struct tree *t, const char *name, size_t exports, int known)
{
    struct aggregate_result r;
    struct fault f;
    struct rusage u;
    char dir[256], work[256], records[256];
    double start = now();
    err_t e = aggregate(&r, &t->ctx, tree_path(t, dir, "exports", NULL), tree_path(t, work, "work", NULL),
                        tree_path(t, records, "records", NULL), NULL, NULL, &f);
    double seconds = now() - start;
    if (e != OK || (known ? r.known : r.verified) == 0 || r.files != exports)
        fail_msg("%s: %s", err_name(e), f.detail);
    getrusage(RUSAGE_SELF, &u);
    printf("%s_%zu %.1f exports/s\n", name, exports, (double)exports / seconds);
    printf("%s_%zu_peak_memory %.1f MiB\n", name, exports, (double)u.ru_maxrss / 1024);
    fflush(stdout);
}

static void run_apart(struct tree *t, const char *name, size_t exports, int known)
{
    pid_t child = fork();
    int status;
    if (child == 0) {
        run(t, name, exports, known);
        _exit(0);
    }
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

int main(int argc, char **argv)
{
    size_t exports = argc > 1 ? strtoul(argv[1], NULL, 10) : 10000;
    if (exports < 10 || exports > 1000000)
        return 2;
    mallopt(M_MMAP_THRESHOLD, 1 << 20); /* as conclave-tally does */
    struct tree t;
    char *rows = make_rows(exports);
    tree_new(&t,
             &(struct tree_shape){
                 .rows = rows, .options = ",{\"id\":\"v\",\"title\":\"V\"},{\"id\":\"w\",\"title\":\"W\"}"});
    free(rows);
    for (size_t i = 0; i < exports / 10; i++)
        make_export(&t, i);
    run_apart(&t, "aggregate", exports / 10, 0);
    for (size_t i = exports / 10; i < exports; i++)
        make_export(&t, i);
    char work[256];
    tree_rm(tree_path(&t, work, "work", NULL));
    tree_rm(tree_path(&t, work, "records", NULL));
    run_apart(&t, "aggregate", exports, 0);
    run_apart(&t, "aggregate_again", exports, 1);
    tree_free(&t);
    return 0;
}
