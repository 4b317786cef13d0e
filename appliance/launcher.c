/* The caller's side of the launcher. */
#include "appliance/launcher.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "appliance/keeper.h"
#include "appliance/launcher_wire.h"

_Static_assert(KEEPER_FD == LAUNCHER_CHILD_FD && HSM_SERVER_FD == LAUNCHER_CHILD_FD, "one place for all");

struct launcher {
    int fd;
    pid_t pid;
    pthread_mutex_t lock; /* of a question and its answer: screens and work with a token are two threads */
    struct sandbox_state state;
};

/* --- packets --- */

int launcher_send(int to, const void *data, size_t len, int fd)
{
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct iovec part = {(void *)(uintptr_t)data, len};
    struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1};
    ssize_t n;
    if (fd >= 0) {
        m.msg_control = &control;
        m.msg_controllen = sizeof control.room;
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof fd);
        memcpy(CMSG_DATA(c), &fd, sizeof fd);
    }
    do
        n = sendmsg(to, &m, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n == (ssize_t)len;
}

int launcher_recv(int from, void *data, size_t len, int *fd)
{
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct iovec part = {data, len};
    struct msghdr m = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control.room};
    ssize_t n;
    *fd = -1;
    do
        n = recvmsg(from, &m, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return 0;
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    if (c != NULL && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
        c->cmsg_len == CMSG_LEN(sizeof *fd))
        memcpy(fd, CMSG_DATA(c), sizeof *fd);
    if (n == (ssize_t)len && (m.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0)
        return 1;
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
    return 0;
}

/* --- the process --- */

err_t launcher_start(struct launcher **out, const char *token, const char *scratch, struct fault *f)
{
    struct launcher_process p = {.fd = -1, .scratch = scratch};
    int pair[2];
    *out = NULL;
    if (token != NULL)
        TRY(hsm_uri_module(p.module, sizeof p.module, token, f));
    struct launcher *l = calloc(1, sizeof *l);
    if (l == NULL)
        return fault_set(f, ERR_MEMORY, "the process that starts others");
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
        free(l);
        return fault_set(f, ERR_IO, "a socket: %s", strerror(errno));
    }
    pthread_mutex_init(&l->lock, NULL);
    l->fd = pair[0];
    p.fd = pair[1];
    l->pid = fork();
    if (l->pid == 0) {
        close(pair[0]);
        launcher_serve(&p);
    }
    close(pair[1]);
    int ignored;
    if (l->pid < 0 || !launcher_recv(l->fd, &l->state, sizeof l->state, &ignored)) {
        launcher_stop(l);
        return fault_set(f, ERR_IO, "the process that starts others cannot be started");
    }
    *out = l;
    return OK;
}

void launcher_stop(struct launcher *l)
{
    if (l == NULL)
        return;
    if (l->fd >= 0)
        close(l->fd);
    while (l->pid > 0 && waitpid(l->pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    pthread_mutex_destroy(&l->lock);
    free(l);
}

void launcher_forget(struct launcher *l)
{
    if (l == NULL)
        return;
    if (l->fd >= 0)
        close(l->fd);
    l->fd = -1;
    l->pid = 0;
}

const struct sandbox_state *launcher_state(const struct launcher *l)
{
    return &l->state;
}

/* --- errands --- */

/* give: a descriptor for the launcher, or -1; take: what it answers, -1 if there is none. */
static err_t ask(struct launcher *l, struct launcher_reply *reply, uint32_t errand, uint32_t number,
                 const char *name, int give, int *take, struct fault *f)
{
    struct launcher_request r = {.errand = errand, .number = number};
    memset(reply, 0, sizeof *reply);
    *take = -1;
    if (strlen(name) >= sizeof r.name)
        return fault_set(f, ERR_LIMIT, "name of a device");
    memcpy(r.name, name, strlen(name));
    pthread_mutex_lock(&l->lock);
    int heard = l->fd >= 0 && launcher_send(l->fd, &r, sizeof r, give) &&
                launcher_recv(l->fd, reply, sizeof *reply, take);
    pthread_mutex_unlock(&l->lock);
    if (!heard)
        return fault_set(f, ERR_IO, "the process that starts others and mounts media has ended; start again");
    reply->detail[sizeof reply->detail - 1] = '\0';
    return reply->err == OK ? OK : fault_set(f, (err_t)reply->err, "%s", reply->detail);
}

static int start(struct launcher *l, pid_t *pid, uint32_t errand, uint32_t number, int fd)
{
    struct launcher_reply reply;
    int none;
    *pid = 0;
    err_t e = ask(l, &reply, errand, number, "", fd, &none, NULL);
    if (e != OK)
        return reply.number != 0 ? (int)reply.number : EIO;
    *pid = (pid_t)reply.number;
    return 0;
}

int launcher_keeper(void *launcher, pid_t *pid, int fd)
{
    return start(launcher, pid, LAUNCH_KEEPER, 0, fd);
}

int launcher_token(void *launcher, pid_t *pid, int fd, int keep_stderr)
{
    return start(launcher, pid, LAUNCH_TOKEN, keep_stderr != 0, fd);
}

err_t launcher_camera(struct launcher *l, struct qr_camera *c, const char *device, struct fault *f)
{
    unsigned number;
    int pair[2];
    if (l == NULL)
        return qr_camera_open(c, device, f);
    *c = (struct qr_camera){.fd = -1};
    if (sscanf(device, "/dev/video%u", &number) != 1)
        return fault_set(f, ERR_BUG, "name of a camera");
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return fault_set(f, ERR_IO, "a socket: %s", strerror(errno));
    int r = start(l, &c->pid, LAUNCH_CAMERA, number, pair[1]);
    close(pair[1]);
    if (r == 0) {
        c->fd = pair[0];
        return OK;
    }
    close(pair[0]);
    return fault_set(f, ERR_IO, "a process: %s", strerror(r));
}

/* --- media --- */

static int open_device(void *ctx, const char *name)
{
    struct launcher_reply reply;
    int fd;
    err_t e = ask(ctx, &reply, LAUNCH_OPEN, 0, name, -1, &fd, NULL);
    return e == OK ? fd : -1;
}

err_t launcher_media_list(struct launcher *l, struct media_list *out, struct fault *f)
{
    const struct media_paths paths = {.open = open_device, .open_ctx = l};
    return media_list(out, l != NULL ? &paths : NULL, f);
}

err_t launcher_mount(struct launcher *l, struct media *m, struct fault *f)
{
    struct launcher_reply reply;
    int none;
    if (l == NULL || m->mount[0] != '\0')
        return media_mount(m, NULL, f);
    TRY(ask(l, &reply, LAUNCH_MOUNT, m->read_only != 0, m->device, -1, &none, f));
    memcpy(m->mount, reply.media.mount, sizeof m->mount);
    m->room = reply.media.room;
    m->read_only = reply.media.read_only;
    m->size = m->size != 0 ? m->size : reply.media.size;
    return OK;
}

err_t launcher_remove(struct launcher *l, struct media *m, int *unmounted, struct fault *f)
{
    struct launcher_reply reply;
    int none;
    *unmounted = 0;
    if (l == NULL || m->mount[0] == '\0' || m->device[0] == '\0')
        return media_remove(m, unmounted, f);
    TRY(media_sync(m, f));
    TRY(ask(l, &reply, LAUNCH_UMOUNT, 0, m->device, -1, &none, f));
    *unmounted = reply.number == 1;
    if (*unmounted) {
        m->mount[0] = '\0';
        m->room = 0;
    }
    return OK;
}
