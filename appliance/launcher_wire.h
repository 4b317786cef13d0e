/* What goes between a caller and its launcher. Inside launcher.h's module. */
#ifndef APPLIANCE_LAUNCHER_WIRE_H
#define APPLIANCE_LAUNCHER_WIRE_H

#include "appliance/launcher.h"

#define LAUNCHER_CHILD_FD 3 /* KEEPER_FD and HSM_SERVER_FD */

enum launcher_errand {
    LAUNCH_KEEPER = 1, /* with a descriptor, as the next two */
    LAUNCH_TOKEN,      /* number: it keeps stderr */
    LAUNCH_CAMERA,     /* number of the camera */
    LAUNCH_OPEN,       /* name of a device; the answer has a descriptor */
    LAUNCH_MOUNT,      /* name; number: for reading only */
    LAUNCH_UMOUNT      /* name */
};

/* One packet each; both sides are this program. */
struct launcher_request {
    uint32_t errand, number;
    char name[64];
};

struct launcher_reply {
    uint32_t err, number; /* err_t, with the fault; number: errno, a process, or a flag */
    char detail[512];
    struct media media;
};

/* fd -1: none. Return 0 if it cannot be done, or the other end is closed. */
int launcher_send(int to, const void *data, size_t len, int fd);
int launcher_recv(int from, void *data, size_t len, int *fd);

struct launcher_process {
    int fd;
    char module[LAUNCHER_MODULE_MAX]; /* "": none was named */
    const char *scratch;              /* NULL: none */
};
/* The process itself: serves fd until it closes, and does not return. */
_Noreturn void launcher_serve(const struct launcher_process *p);

#endif
