/* Fault injection: an operation of the library is run again and again, and each time another request to the
 * system fails: the k-th allocation, the k-th piece of secret memory, the k-th lock, the k-th call that
 * touches a disk; once, and from there on. Linked by the programs of tests/faults only (Makefile), which wrap
 * these calls.
 *
 * After each run the operation must have succeeded with the right result, or have failed with an error of
 * class system; what it gave out must be zeroed, nothing may be left in memory, no file descriptor open, no
 * temporary file there; and the same again without a fault must succeed.
 *
 * Not made to fail: GMP and OpenMP, which end the program by design, the loader, and zbar, which
 * does not look at what malloc returns. In a plain build the
 * allocations of every library fail (the program defines malloc); under the sanitizers only those of our code
 * and, through the allocators of secret_init, of OpenSSL. */
#ifndef TESTS_FAULTS_INJECT_H
#define TESTS_FAULTS_INJECT_H

#include "tests/support/unit.h"

enum inject_kind { INJECT_HEAP, INJECT_SECRET, INJECT_LOCK, INJECT_DISK, INJECT_KINDS };

struct inject_op {
    const char *name;
    void (*before)(void *ctx); /* makes the state to start from; may be NULL */
    /* The operation, all of it: asserts nothing, for a failed assertion would leave it in the middle. Poisons
     * its outputs first (INJECT_POISON). */
    err_t (*run)(void *ctx, struct fault *f);
    /* e OK: compares the results with what they must be. Else: inject_zero on each output. Frees. */
    void (*after)(void *ctx, err_t e);
    void *ctx;
    int forks;       /* a child process may have met the fault */
    const char *dir; /* holds no temporary file afterwards; may be NULL */
};

/* All kinds; a dozen k of each, the same on every machine. FAULTS_SECONDS: as many as fit this time for each
 * kind; 0: every k. */
void inject_all(const struct inject_op *op);
/* At the end of a test: fails it if there were problems in any operation. */
void inject_end(void);

#define INJECT_POISON ((void *)(uintptr_t)0x10)

/* Inside after: problems are collected and reported with the call that failed. */
void inject_check(int ok, const char *what);
#define inject_zero(pointer) inject_check((pointer) == NULL, #pointer " is not NULL after an error")
/* len bytes are all zero. */
void inject_zeroed(const void *data, size_t len, const char *what);

/* Makes the directory to, of one level of directories and files, the same as from. */
void inject_copy_tree(const char *to, const char *from);

/* Setup of a group: starts the library with the counting allocators. */
int inject_setup(void **state);

#endif
