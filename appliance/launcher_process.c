/* The launcher's own side: what it is asked is checked, whoever asks. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "appliance/launcher_wire.h"
#include "appliance/media_parts.h"

#define CAMERAS 64

/* --- starting --- */

static void default_signals(void)
{
    sigset_t none;
    sigemptyset(&none);
    for (int s = 1; s < 32; s++)
        signal(s, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* In the new process. stdin and stdout are /dev/null here already. */
static _Noreturn void become(const char *verb, const char *argument, int fd, int quiet, int own_group)
{
    char *const argv[] = {(char *)(uintptr_t) "conclave", (char *)(uintptr_t)verb,
                          (char *)(uintptr_t)argument, NULL};
    default_signals();
    if ((own_group && setpgid(0, 0) != 0) || (quiet && dup2(0, 2) < 0))
        _exit(127);
    if (fd == LAUNCHER_CHILD_FD ? fcntl(fd, F_SETFD, 0) != 0 : dup2(fd, LAUNCHER_CHILD_FD) < 0)
        _exit(127);
    close_range(LAUNCHER_CHILD_FD + 1, ~0u, 0);
    execv("/proc/self/exe", argv);
    _exit(127);
}

/* The parent's child and not this process's own: the parent waits for it, and its end ends it. */
static void start(struct launcher_reply *reply, const char *verb, const char *argument, int fd, int quiet,
                  int own_group)
{
    if (fd < 0) {
        reply->err = ERR_BUG;
        return;
    }
    long pid = syscall(SYS_clone, (unsigned long)(CLONE_PARENT | SIGCHLD), 0UL, 0UL, 0UL, 0UL);
    if (pid == 0)
        become(verb, argument, fd, quiet, own_group);
    reply->err = pid > 0 ? OK : ERR_IO;
    reply->number = pid > 0 ? (uint32_t)pid : (uint32_t)errno;
}

static void start_camera(struct launcher_reply *reply, uint32_t number, int fd)
{
    char text[16];
    if (number >= CAMERAS) {
        reply->err = ERR_BUG;
        return;
    }
    snprintf(text, sizeof text, "%u", number);
    start(reply, "camera-process", text, fd, 1, 1);
}

/* --- devices --- */

static void say(struct launcher_reply *reply, err_t e, const struct fault *f)
{
    reply->err = (uint32_t)e;
    snprintf(reply->detail, sizeof reply->detail, "%s", f->detail);
}

static err_t open_it(int *fd, const char *name, struct fault *f)
{
    char path[128];
    struct stat st;
    TRY(media_device_check(name, NULL, f));
    snprintf(path, sizeof path, "/dev/%s", name);
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
    if (*fd >= 0 && fstat(*fd, &st) == 0 && S_ISBLK(st.st_mode))
        return OK;
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
    return fault_set(f, ERR_IO, "%s cannot be read", name);
}

static err_t mount_it(struct media *m, const struct launcher_request *r, struct fault *f)
{
    char path[128];
    struct stat st;
    memset(m, 0, sizeof *m);
    TRY(media_device_check(r->name, NULL, f));
    snprintf(path, sizeof path, "/dev/%s", r->name);
    if (lstat(path, &st) != 0 || !S_ISBLK(st.st_mode))
        return fault_set(f, ERR_MISSING, "%s is no device", r->name);
    memcpy(m->device, r->name, sizeof m->device);
    m->read_only = r->number != 0;
    return media_mount(m, NULL, f);
}

/* Where it is mounted is for the kernel to say, not for who asks. */
static err_t unmount_it(uint32_t *done, const char *name, struct fault *f)
{
    struct media m = {0};
    int unmounted;
    TRY(media_device_check(name, NULL, f));
    snprintf(m.device, sizeof m.device, "%s", name);
    media_find_mount(&m, NULL);
    *done = 1;
    if (m.mount[0] == '\0')
        return OK;
    err_t e = media_unmount(&m, &unmounted, f);
    *done = (uint32_t)unmounted;
    return e;
}

/* --- serving --- */

static void serve_one(const struct launcher_process *p, const struct launcher_request *r, int fd)
{
    struct launcher_reply reply = {.err = ERR_BUG};
    struct fault f;
    int give = -1;
    fault_clear(&f);
    switch (r->errand) {
    case LAUNCH_KEEPER:
        start(&reply, "keeper-process", p->module, fd, 0, 0);
        break;
    case LAUNCH_TOKEN:
        start(&reply, "token-process", p->module, fd, !r->number, 1);
        break;
    case LAUNCH_CAMERA:
        start_camera(&reply, r->number, fd);
        break;
    case LAUNCH_OPEN:
        say(&reply, open_it(&give, r->name, &f), &f);
        break;
    case LAUNCH_MOUNT:
        say(&reply, mount_it(&reply.media, r, &f), &f);
        break;
    case LAUNCH_UMOUNT:
        say(&reply, unmount_it(&reply.number, r->name, &f), &f);
        break;
    default:
        break;
    }
    (void)!launcher_send(p->fd, &reply, sizeof reply, give);
    if (give >= 0)
        close(give);
}

/* It ends with its socket, not with the keys that end the screens: those restore the terminal first. */
static void prepare(const struct launcher_process *p)
{
    static const int others[] = {SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGTSTP, SIGTTIN, SIGTTOU, SIGPIPE};
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        signal(others[i], SIG_IGN);
    if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0)
        _exit(1);
    if (p->fd > 3)
        close_range(3, (unsigned)p->fd - 1, 0);
    close_range((unsigned)p->fd + 1, ~0u, 0);
    prctl(PR_SET_NAME, "conclave-launch");
}

_Noreturn void launcher_serve(const struct launcher_process *p)
{
    struct launcher_request r;
    struct sandbox_state state;
    int fd;
    prepare(p);
    sandbox_enter(&state, SANDBOX_LAUNCHER, NULL, 0);
    if (!launcher_send(p->fd, &state, sizeof state, -1))
        _exit(1);
    while (launcher_recv(p->fd, &r, sizeof r, &fd)) {
        r.name[sizeof r.name - 1] = '\0';
        serve_one(p, &r, fd);
        if (fd >= 0)
            close(fd);
    }
    if (p->scratch != NULL)
        rmdir(p->scratch);
    _exit(0);
}

/* --- the camera's process --- */

int launcher_camera_main(int fd, const char *number)
{
    char device[64], *end;
    struct sandbox_state state; /* the same kernel: what it refuses is said about the screens */
    unsigned long n = strtoul(number, &end, 10);
    if (number[0] < '0' || number[0] > '9' || *end != '\0' || n >= CAMERAS)
        return 2;
    snprintf(device, sizeof device, "/dev/video%lu", n);
    const struct sandbox_path path[] = {{device, 1}, {"/dev/null", 1}, {"/usr/lib", 0},
                                        {"/lib", 0}, {"/lib64", 0},    {"/etc/ld.so.cache", 0}};
    sandbox_enter(&state, SANDBOX_CHECKER, path, sizeof path / sizeof path[0]);
    return qr_camera_serve(fd, device);
}
