/* What a child process found (job_fork), in the order in which it found it: items in an anonymous file that
 * both processes have open. The child appends; the parent reads all of it after the child has ended, and
 * takes nothing in it for more than text and numbers. */
#ifndef APPLIANCE_TAPE_H
#define APPLIANCE_TAPE_H

#include "ceremony/base/hash.h"

struct tape_item {
    uint32_t kind, number; /* as those who use it agree */
    uint64_t a, b;
    hash_t hash;
    char name[128];
    char text[1024];
    struct fault fault;
};

#define TAPE_MAX 20000 /* items; more are not kept */

struct tape {
    int fd;
    size_t written; /* in the child */
};

/* ERR_IO. Closed with tape_close, which also takes a tape that was never opened if it is { -1 }. */
MUST err_t tape_open(struct tape *t, struct fault *f);
void tape_close(struct tape *t);

/* Texts that do not fit are cut. ERR_IO when the system has no room for it. */
MUST err_t tape_put(struct tape *t, const struct tape_item *item);
/* All items; *out is freed with free(). ERR_MEMORY, ERR_IO. */
MUST err_t tape_read(struct tape_item **out, size_t *count, const struct tape *t, struct fault *f);

#endif
