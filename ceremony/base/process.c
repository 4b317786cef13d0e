#include "ceremony/base/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <unistd.h>

extern char **environ;

static int spawn_with(pid_t *pid, const struct process_start *s, posix_spawn_file_actions_t *fa,
                      posix_spawnattr_t *attr)
{
    char name[] = "conclave";
    char *argv[] = {name, (char *)(uintptr_t)s->verb, NULL};
    short flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    int bad = posix_spawn_file_actions_addopen(fa, 0, "/dev/null", O_RDWR, 0);
    bad |= posix_spawn_file_actions_adddup2(fa, 0, 1);
    if (!s->keep_stderr)
        bad |= posix_spawn_file_actions_adddup2(fa, 0, 2);
    bad |= posix_spawn_file_actions_adddup2(fa, s->fd, s->as_fd);
    bad |= posix_spawn_file_actions_addclosefrom_np(fa, s->as_fd + 1);
    bad |= posix_spawnattr_setsigmask(attr, &none);
    bad |= posix_spawnattr_setsigdefault(attr, &all);
    if (s->own_group) {
        bad |= posix_spawnattr_setpgroup(attr, 0);
        flags |= POSIX_SPAWN_SETPGROUP;
    }
    bad |= posix_spawnattr_setflags(attr, flags);
    return bad != 0 ? bad : posix_spawn(pid, s->program, fa, attr, argv, environ);
}

int process_spawn(pid_t *pid, const struct process_start *start)
{
    posix_spawn_file_actions_t fa;
    posix_spawnattr_t attr;
    if (posix_spawn_file_actions_init(&fa) != 0)
        return ENOMEM;
    int r = posix_spawnattr_init(&attr);
    if (r == 0) {
        r = spawn_with(pid, start, &fa, &attr);
        posix_spawnattr_destroy(&attr);
    }
    posix_spawn_file_actions_destroy(&fa);
    return r;
}
