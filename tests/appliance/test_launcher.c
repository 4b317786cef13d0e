/* The launcher: it does its five errands and no other, whoever asks; what it starts is the caller's child. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "appliance/launcher_wire.h"
#include "tests/support/ceremony.h"

#define TOKEN_URI "pkcs11:token=one?module-path=/usr/lib/one.so"

/* --- what is started here: this program again, which tells what it is --- */

struct told {
    char verb[32], argument[64];
    pid_t parent, group;
    int seccomp, no_new_privileges, stdin_is_null, others_open, blocked;
};

static int tell(int argc, char **argv)
{
    struct told t = {.parent = getppid(), .group = getpgrp()};
    struct stat in, null;
    sigset_t mask;
    snprintf(t.verb, sizeof t.verb, "%s", argv[1]);
    snprintf(t.argument, sizeof t.argument, "%s", argc > 2 ? argv[2] : "-");
    t.seccomp = prctl(PR_GET_SECCOMP, 0, 0, 0, 0);
    t.no_new_privileges = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);
    t.stdin_is_null = fstat(0, &in) == 0 && stat("/dev/null", &null) == 0 && in.st_rdev == null.st_rdev;
    for (int fd = LAUNCHER_CHILD_FD + 1; fd < 200; fd++)
        t.others_open += fcntl(fd, F_GETFD) >= 0;
    sigprocmask(SIG_SETMASK, NULL, &mask);
    for (int s = 1; s < 32; s++) {
        struct sigaction a;
        t.blocked += sigismember(&mask, s) == 1 || (sigaction(s, NULL, &a) == 0 && a.sa_handler == SIG_IGN);
    }
    return send(LAUNCHER_CHILD_FD, &t, sizeof t, 0) == (ssize_t)sizeof t ? 7 : 8;
}

static void hear(struct told *t, int fd, pid_t pid)
{
    int status;
    assert_int_equal(recv(fd, t, sizeof *t, 0), sizeof *t);
    assert_int_equal(waitpid(pid, &status, 0), pid); /* it is our own child */
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 7);
    assert_int_equal(t->parent, getpid());
    assert_true(t->stdin_is_null);
    assert_int_equal(t->others_open, 0);
    assert_int_equal(t->blocked, 0);
    assert_int_equal(t->no_new_privileges, 1);
}

static void pair_new(int fd[2])
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd), 0);
}

/* --- errands --- */

static void test_starts(void **state)
{
    struct launcher *l;
    struct told t;
    struct fault f;
    struct sandbox_state kernel;
    pid_t pid;
    int fd[2];
    (void)state;
    sandbox_probe(&kernel);
    assert_int_equal(launcher_start(&l, TOKEN_URI, NULL, &f), OK);
    assert_int_equal(launcher_state(l)->seccomp, kernel.seccomp);

    pair_new(fd);
    assert_int_equal(launcher_keeper(l, &pid, fd[1]), 0);
    close(fd[1]);
    hear(&t, fd[0], pid);
    close(fd[0]);
    assert_string_equal(t.verb, "keeper-process");
    assert_string_equal(t.argument, "/usr/lib/one.so");
    assert_int_equal(t.group, getpgrp()); /* it asks on the terminal */
    assert_int_equal(t.seccomp, kernel.seccomp ? 2 : t.seccomp);

    pair_new(fd);
    assert_int_equal(launcher_token(l, &pid, fd[1], 0), 0);
    close(fd[1]);
    hear(&t, fd[0], pid);
    close(fd[0]);
    assert_string_equal(t.verb, "token-process");
    assert_string_equal(t.argument, "/usr/lib/one.so");
    assert_int_equal(t.group, pid);
    launcher_stop(l);

    /* no module was named: none may be */
    assert_int_equal(launcher_start(&l, "pkcs11:token=one", NULL, &f), OK);
    pair_new(fd);
    assert_int_equal(launcher_keeper(l, &pid, fd[1]), 0);
    close(fd[1]);
    hear(&t, fd[0], pid);
    close(fd[0]);
    assert_string_equal(t.argument, "");
    launcher_stop(l);
    assert_int_equal(launcher_start(&l, "no uri", NULL, &f), ERR_USAGE);
    assert_null(l);
}

static void test_camera(void **state)
{
    struct launcher *l;
    struct qr_camera c;
    struct told t;
    struct fault f;
    (void)state;
    assert_int_equal(launcher_start(&l, NULL, NULL, &f), OK);
    assert_int_equal(launcher_camera(l, &c, "/dev/video5", &f), OK);
    hear(&t, c.fd, c.pid);
    close(c.fd);
    assert_string_equal(t.verb, "camera-process");
    assert_string_equal(t.argument, "5");
    assert_int_equal(launcher_camera(l, &c, "/dev/video64", &f), ERR_IO);
    assert_int_equal(launcher_camera(l, &c, "/etc/passwd", &f), ERR_BUG);
    launcher_stop(l);

    /* the camera's process itself: only a number, and nothing but the camera */
    assert_int_equal(launcher_camera_main(-1, "/dev/sda"), 2);
    assert_int_equal(launcher_camera_main(-1, ""), 2);
    assert_int_equal(launcher_camera_main(-1, "64"), 2);
    assert_int_equal(launcher_camera_main(-1, "1x"), 2);
}

/* The machine's own disks, loops, names that lead elsewhere. */
static void test_devices(void **state)
{
    static const char *const names[] = {"",     ".",      "..",   "../sda",      "/dev/sda", "null",
                                        "zero", "mem",    "disk", "loop0",       "tty",      "no-such",
                                        "a/b",  "random", "fd/0", "mapper/root", "pts/0"};
    struct launcher *l;
    struct media m;
    struct fault f;
    int unmounted;
    (void)state;
    assert_int_equal(launcher_start(&l, NULL, NULL, &f), OK);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        m = (struct media){0};
        snprintf(m.device, sizeof m.device, "%s", names[i]);
        assert_int_equal(launcher_mount(l, &m, &f), ERR_MISSING);
        assert_string_equal(m.mount, "");
        if (names[i][0] == '\0')
            continue;
        snprintf(m.mount, sizeof m.mount, "/tmp"); /* what the caller says of it does not count */
        assert_int_equal(launcher_remove(l, &m, &unmounted, &f), ERR_MISSING);
        assert_int_equal(unmounted, 0);
    }
    struct media_list *list = malloc(sizeof *list);
    assert_int_equal(launcher_media_list(l, list, &f), OK);
    free(list);
    launcher_stop(l);
}

/* --- packets that the screens would not send --- */

struct raw {
    int fd;
    pid_t pid;
};

static struct raw raw_start(const char *scratch)
{
    int fd[2], none;
    struct sandbox_state s;
    pair_new(fd);
    pid_t pid = fork();
    if (pid == 0) {
        const struct launcher_process p = {.fd = fd[1], .scratch = scratch};
        close(fd[0]);
        launcher_serve(&p);
    }
    close(fd[1]);
    assert_int_equal(launcher_recv(fd[0], &s, sizeof s, &none), 1);
    return (struct raw){fd[0], pid};
}

static void raw_end(const struct raw *r)
{
    int status;
    close(r->fd);
    assert_int_equal(waitpid(r->pid, &status, 0), r->pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_strange_packets(void **state)
{
    (void)state;
    static const uint32_t errands[] = {0, 7, 1000, UINT32_MAX};
    struct launcher_reply reply;
    struct launcher_request q;
    struct raw r = raw_start(NULL);
    int none;
    for (size_t i = 0; i < 4; i++) {
        q = (struct launcher_request){.errand = errands[i]};
        assert_int_equal(launcher_send(r.fd, &q, sizeof q, -1), 1);
        assert_int_equal(launcher_recv(r.fd, &reply, sizeof reply, &none), 1);
        assert_int_equal(reply.err, ERR_BUG);
        assert_int_equal(none, -1);
    }
    for (uint32_t e = LAUNCH_KEEPER; e <= LAUNCH_CAMERA; e++) { /* nothing to serve */
        q = (struct launcher_request){.errand = e};
        assert_int_equal(launcher_send(r.fd, &q, sizeof q, -1), 1);
        assert_int_equal(launcher_recv(r.fd, &reply, sizeof reply, &none), 1);
        assert_int_equal(reply.err, ERR_BUG);
    }
    memset(&q, 'a', sizeof q); /* a name without an end, and a descriptor nobody asked for */
    q.errand = LAUNCH_OPEN;
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_int_equal(launcher_send(r.fd, &q, sizeof q, null), 1);
    assert_int_equal(launcher_recv(r.fd, &reply, sizeof reply, &none), 1);
    assert_int_equal(reply.err, ERR_MISSING);
    close(null);
    raw_end(&r);

    r = raw_start(NULL);
    assert_int_equal(launcher_send(r.fd, "short", 5, -1), 1);
    assert_int_equal(launcher_recv(r.fd, &reply, sizeof reply, &none), 0); /* it has ended */
    raw_end(&r);
}

/* --- the end --- */

static void test_end(void **state)
{
    char dir[512];
    struct launcher *l;
    struct fault f;
    struct media m = {.device = "no-such"};
    pid_t pid;
    int fd[2];
    (void)state;
    temp_dir(dir, sizeof dir);
    struct raw r = raw_start(dir);
    assert_int_equal(access(dir, F_OK), 0);
    assert_int_equal(kill(r.pid, SIGTERM), 0); /* not before the screens, which restore the terminal */
    assert_int_equal(kill(r.pid, SIGINT), 0);
    struct launcher_request q = {.errand = 99};
    struct launcher_reply reply;
    int none;
    assert_int_equal(launcher_send(r.fd, &q, sizeof q, -1), 1);
    assert_int_equal(launcher_recv(r.fd, &reply, sizeof reply, &none), 1);
    raw_end(&r);
    assert_int_not_equal(access(dir, F_OK), 0);

    /* a child that forgot it has none; nobody has one after the end */
    assert_int_equal(launcher_start(&l, NULL, NULL, &f), OK);
    launcher_forget(l);
    assert_int_equal(launcher_mount(l, &m, &f), ERR_IO);
    pair_new(fd);
    assert_int_equal(launcher_keeper(l, &pid, fd[1]), EIO);
    assert_int_equal(pid, 0);
    close(fd[0]);
    close(fd[1]);
    launcher_stop(l);
    launcher_stop(NULL);
    launcher_forget(NULL);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strstr(argv[1], "-process") != NULL)
        return tell(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_starts),          cmocka_unit_test(test_camera), cmocka_unit_test(test_devices),
        cmocka_unit_test(test_strange_packets), cmocka_unit_test(test_end),
    };
    return cmocka_run_group_tests(tests, secrets_setup, NULL);
}
