/* Giving up rights: what a process of the appliance may still do (docs/processes.md).
 *
 * Each process enters its profile once, as early as it can, and never leaves it; children inherit it. Seccomp
 * refuses calls (EPERM), Landlock refuses files and TCP where the kernel has it, both without being root.
 * Besides: no new privileges, no core dumps, not readable by other processes of the user, limits on
 * descriptors and processes. What the kernel refuses is reported, never passed over; under AddressSanitizer,
 * whose runtime needs these rights, seccomp and Landlock are left out, and that is reported too. */
#ifndef APPLIANCE_SANDBOX_H
#define APPLIANCE_SANDBOX_H

#include "ceremony/base/err.h"

enum sandbox_profile {
    SANDBOX_FACE,    /* draws, forks children: no network, no programs, no files but those named */
    SANDBOX_CHECKER, /* reads foreign files: no network, no sockets, no programs, no files but those named */
    SANDBOX_KEEPER,  /* token session, seed, share: its open descriptors and nothing else */
    SANDBOX_TOKEN,   /* the vendor's module: its store, local sockets; no network, no programs */
    SANDBOX_LAUNCHER /* mounts media and starts keeper and token process (launcher.h), which inherit this */
};

enum sandbox_how {
    SANDBOX_READ,
    SANDBOX_WRITE, /* what is there may be changed, and files made */
    SANDBOX_LIST   /* names only */
};

struct sandbox_path {
    const char *path;
    int how; /* enum sandbox_how */
};

struct sandbox_state {
    int seccomp;  /* 1: the filter holds */
    int landlock; /* version of the kernel's Landlock in force; 0: none */
    int others;   /* 1: no new privileges, no dumps, limits */
};

/* paths: for SANDBOX_FACE and SANDBOX_CHECKER; what is not there is passed over. The process should have one
 * thread. */
void sandbox_enter(struct sandbox_state *out, enum sandbox_profile profile, const struct sandbox_path *paths,
                   size_t count);

/* What is missing, as a sentence; empty if nothing is. */
void sandbox_text(char *out, size_t out_len, const struct sandbox_state *s);

/* What this kernel would do, without giving anything up. */
void sandbox_probe(struct sandbox_state *out);

#endif
