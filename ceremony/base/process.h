/* A program's own second process: the program once more, under a verb that only it uses, at the other end of
 * a socket (the token process of hsm/client.c, the keeper of appliance/keeper.c).
 *
 * It gets nothing of this process but the socket: stdin and stdout are /dev/null, so that what a module
 * prints is not drawn over a screen, other descriptors are closed, no signal is blocked or ignored. */
#ifndef CEREMONY_BASE_PROCESS_H
#define CEREMONY_BASE_PROCESS_H

#include <sys/types.h>

#include "ceremony/base/err.h"

struct process_start {
    const char *program; /* path of the executable */
    const char *verb;    /* its only argument */
    int fd, as_fd;       /* fd of this process becomes as_fd, 3 or more and the highest one, in the other */
    int own_group;       /* Ctrl-C on the terminal is not for it; it cannot read from the terminal then */
    int keep_stderr;     /* otherwise /dev/null, too */
};

/* Returns 0, or the number of errno; *pid is to be waited for by the caller. */
MUST int process_spawn(pid_t *pid, const struct process_start *start);

#endif
