/* What each process may not do, tried in that process: it is forked, enters its profile, and tries. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "appliance/sandbox.h"
#include "ceremony/base/file.h"
#include "ceremony/base/secret.h"
#include "tests/support/ceremony.h"

static char dir[512], open_dir[640], closed_dir[640], listed_dir[640];

/* --- attempts: 1 if it worked, 0 if it was refused --- */

static int attempt_read(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static int attempt_passwd(void)
{
    return attempt_read("/etc/passwd");
}

static int attempt_write(const char *where)
{
    char path[700];
    snprintf(path, sizeof path, "%s/made", where);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return 0;
    close(fd);
    return unlink(path) == 0;
}

static int attempt_socket(int family, int type)
{
    int fd = socket(family, type | SOCK_CLOEXEC, 0);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static int attempt_inet(void)
{
    return attempt_socket(AF_INET, SOCK_STREAM) || attempt_socket(AF_INET, SOCK_DGRAM);
}

static int attempt_inet6(void)
{
    return attempt_socket(AF_INET6, SOCK_STREAM);
}

static int attempt_netlink(void)
{
    return attempt_socket(AF_NETLINK, SOCK_RAW);
}

static int attempt_unix(void)
{
    return attempt_socket(AF_UNIX, SOCK_STREAM);
}

static int attempt_pair(void)
{
    int fd[2];
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd) == 0;
}

static int attempt_fork(void)
{
    long pid = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    if (pid == 0)
        _exit(0);
    if (pid > 0)
        waitpid((pid_t)pid, NULL, 0);
    return pid > 0;
}

static int attempt_libc_fork(void)
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    if (pid > 0)
        waitpid(pid, NULL, 0);
    return pid > 0;
}

/* As many as there may be, up to 64: who may fork at all gets far. */
static int attempt_fork_bomb(void)
{
    int many = 0;
    for (int i = 0; i < 64; i++)
        many += attempt_libc_fork();
    return many > 0;
}

static int attempt_exec(void) /* in this process: nothing comes back if it works */
{
    char *argv[] = {(char *)(uintptr_t) "true", NULL};
    execv("/bin/true", argv);
    return 0;
}

static void *idle(void *ctx)
{
    return ctx;
}

static int attempt_thread(void)
{
    pthread_t t;
    if (pthread_create(&t, NULL, idle, NULL) != 0)
        return 0;
    return pthread_join(t, NULL) == 0;
}

static int attempt_ptrace(void)
{
    return ptrace(PTRACE_TRACEME, 0, 0, 0) == 0 || ptrace(PTRACE_SEIZE, getppid(), 0, 0) == 0;
}

static int attempt_parents_memory(void)
{
    char byte;
    struct iovec {
        void *p;
        size_t len;
    } to = {&byte, 1}, from = {dir, 1};
    return syscall(SYS_process_vm_readv, getppid(), &to, 1UL, &from, 1UL, 0UL) == 1;
}

static int attempt_own_memory_file(void)
{
    return attempt_read("/proc/self/mem");
}

static int attempt_setuid_program(void)
{
    return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0; /* the keeper may not even ask */
}

static int attempt_core(void)
{
    struct rlimit r;
    return (getrlimit(RLIMIT_CORE, &r) == 0 && r.rlim_cur != 0) || prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 1;
}

static int attempt_typing(void)
{
    char c = '\n';
    if (ioctl(0, TIOCSTI, &c) == 0 || errno != EPERM)
        return 1;
    c = 3; /* TIOCL_PASTESEL */
    return ioctl(0, TIOCLINUX, &c) == 0 || errno != EPERM;
}

static int attempt_io_uring(void)
{
    char params[256] = {0};
    return syscall(SYS_io_uring_setup, 1UL, params) >= 0;
}

static int attempt_rename_out(void)
{
    char from[700], to[700];
    snprintf(from, sizeof from, "%s/here", open_dir);
    snprintf(to, sizeof to, "%s/moved", closed_dir);
    return link(from, to) == 0 && unlink(to) == 0;
}

static int attempt_named(void)
{
    char path[700];
    snprintf(path, sizeof path, "%s/here", open_dir);
    return attempt_read(path) && attempt_write(open_dir);
}

static int attempt_named_read_only(void)
{
    return attempt_write(closed_dir);
}

static int attempt_closed_reading(void)
{
    char path[700];
    snprintf(path, sizeof path, "%s/there", closed_dir);
    return attempt_read(path);
}

static int attempt_device(void)
{
    char path[700];
    snprintf(path, sizeof path, "%s/null", open_dir);
    int made = mknod(path, S_IFCHR | 0600, 1 << 8 | 3) == 0;
    unlink(path);
    return made;
}

static int attempt_secret_memory(void)
{
    void *p;
    if (secret_alloc(&p, 32) != OK)
        return 0;
    random_bytes(p, 32);
    secret_free(p);
    return 1;
}

static int attempt_mount(void)
{
    if (mount("none", open_dir, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) != 0)
        return 0;
    return umount2(open_dir, 0) == 0;
}

static int attempt_new_mount(void)
{
    int fd = (int)syscall(430 /* fsopen */, "tmpfs", 0);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static int attempt_signal(void)
{
    return kill(getppid(), 0) == 0;
}

static int attempt_list(void)
{
    DIR *d = opendir(listed_dir);
    if (d != NULL)
        closedir(d);
    return d != NULL;
}

static int attempt_list_read(void)
{
    char path[700];
    snprintf(path, sizeof path, "%s/name", listed_dir);
    return attempt_read(path) || attempt_write(listed_dir);
}

static int attempt_root(void)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {0};
    if (syscall(SYS_capget, &head, data) == 0 && (data[0].effective >> CAP_SYS_ADMIN & 1))
        return 1;
    return setpriority(PRIO_PROCESS, 0, -1) == 0;
}

static int attempt_limits_of_parent(void)
{
    struct rlimit r;
    return prlimit(getppid(), RLIMIT_NOFILE, NULL, &r) == 0;
}

static int attempt_own_limits(void)
{
    struct rlimit r;
    return getrlimit(RLIMIT_NOFILE, &r) == 0 && setrlimit(RLIMIT_NOFILE, &r) == 0;
}

/* --- running them --- */

enum needs { NOTHING, SECCOMP, LANDLOCK, SCOPES /* of Landlock, since version 6 */ };

struct attempt {
    const char *what;
    int (*run)(void);
    int may; /* bits of profiles */
    enum needs needs;
};

#define F (1 << SANDBOX_FACE)
#define C (1 << SANDBOX_CHECKER)
#define K (1 << SANDBOX_KEEPER)
#define T (1 << SANDBOX_TOKEN)
#define L (1 << SANDBOX_LAUNCHER)

static const struct attempt attempts[] = {
    {"read /etc/passwd", attempt_passwd, T | L, LANDLOCK},
    {"TCP or UDP over IPv4", attempt_inet, 0, SECCOMP},
    {"IPv6", attempt_inet6, 0, SECCOMP},
    {"netlink", attempt_netlink, 0, SECCOMP},
    {"a local socket", attempt_unix, T | L, SECCOMP},
    {"a pair of sockets", attempt_pair, F | T | L, SECCOMP},
    {"a process", attempt_fork, F | L, SECCOMP},
    {"a process by fork()", attempt_libc_fork, F | L, SECCOMP},
    {"a fork bomb", attempt_fork_bomb, F | L, SECCOMP},
    {"a thread", attempt_thread, F | C | T | L, SECCOMP},
    {"tracing", attempt_ptrace, 0, SECCOMP},
    {"another's memory", attempt_parents_memory, 0, SECCOMP},
    {"/proc/self/mem", attempt_own_memory_file, T | L, LANDLOCK}, /* and root, there */
    {"new privileges", attempt_setuid_program, 0, NOTHING},
    {"a core dump", attempt_core, 0, NOTHING},
    {"typing into the terminal", attempt_typing, 0, SECCOMP},
    {"io_uring", attempt_io_uring, 0, SECCOMP},
    {"files that were named", attempt_named, F | C | T | L, LANDLOCK},
    {"writing where only reading was named", attempt_named_read_only, T | L, LANDLOCK},
    {"reading where only reading was named", attempt_closed_reading, F | C | T | L, LANDLOCK},
    {"moving a file out", attempt_rename_out, T | L, LANDLOCK},
    {"a device", attempt_device, L, LANDLOCK},
    {"secret memory", attempt_secret_memory, F | C | K | T | L, NOTHING},
    {"names where only these were named", attempt_list, F | C | T | L, LANDLOCK},
    {"files where only names were named", attempt_list_read, T | L, LANDLOCK},
    {"mounting", attempt_mount, L, SECCOMP},
    {"the newer way to mount", attempt_new_mount, L, SECCOMP},
    {"what only root may do", attempt_root, T | L, SECCOMP},
    {"limits of another", attempt_limits_of_parent, 0, SECCOMP},
    {"limits of its own", attempt_own_limits, F | C | T | L, SECCOMP},
    {"a signal to another", attempt_signal, F | K | T | L, SCOPES},
};

static void files_new(void)
{
    char path[700];
    struct fault f;
    temp_dir(dir, sizeof dir);
    snprintf(open_dir, sizeof open_dir, "%s/open", dir);
    snprintf(closed_dir, sizeof closed_dir, "%s/closed", dir);
    assert_int_equal(mkdir(open_dir, 0700), 0);
    assert_int_equal(mkdir(closed_dir, 0700), 0);
    snprintf(listed_dir, sizeof listed_dir, "%s/listed", dir);
    assert_int_equal(mkdir(listed_dir, 0700), 0);
    snprintf(path, sizeof path, "%s/name", listed_dir);
    assert_int_equal(file_write(path, "x", 1, FILE_NEW, &f), OK);
    snprintf(path, sizeof path, "%s/here", open_dir);
    assert_int_equal(file_write(path, "x", 1, FILE_NEW, &f), OK);
    snprintf(path, sizeof path, "%s/there", closed_dir);
    assert_int_equal(file_write(path, "x", 1, FILE_NEW, &f), OK);
}

static void enter(struct sandbox_state *s, enum sandbox_profile profile)
{
    struct sandbox_path path[] = {{open_dir, SANDBOX_WRITE},
                                  {closed_dir, SANDBOX_READ},
                                  {listed_dir, SANDBOX_LIST},
                                  {"/nowhere/at/all", SANDBOX_WRITE}};
    int named = profile == SANDBOX_CHECKER || profile == SANDBOX_FACE;
    sandbox_enter(s, profile, path, named ? 4 : 0);
}

/* Exit status 0 or 1 as attempt says, 99 for what is not to be. */
static int in_profile(enum sandbox_profile profile, int (*run)(void), int without)
{
    pid_t pid = fork();
    if (pid == 0) {
        struct sandbox_state s;
        if (!without)
            enter(&s, profile);
        _exit(run() != 0);
    }
    int status;
    if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
        return 99;
    return WEXITSTATUS(status);
}

static int missing(const struct sandbox_state *have, enum needs needs)
{
    return (needs == SECCOMP && !have->seccomp) || (needs == LANDLOCK && have->landlock == 0) ||
           (needs == SCOPES && have->landlock < 6);
}

static void try_all(enum sandbox_profile profile)
{
    struct sandbox_state have;
    size_t tried = 0;
    sandbox_probe(&have);
    if (!have.seccomp && have.landlock == 0) {
        char text[160];
        sandbox_text(text, sizeof text, &have);
        print_message("skipped: %s\n", text);
        skip();
    }
    files_new();
    for (size_t i = 0; i < sizeof attempts / sizeof attempts[0]; i++) {
        const struct attempt *a = &attempts[i];
        if (missing(&have, a->needs)) {
            print_message("skipped: %s (this kernel lacks %s)\n", a->what,
                          a->needs == SECCOMP ? "seccomp" : "Landlock");
            continue;
        }
        int want = a->may >> profile & 1, alone = in_profile(profile, a->run, 1);
        if (want && (alone == 0 || (a->run == attempt_own_memory_file && geteuid() != 0))) {
            print_message("skipped: %s (not possible here, sandbox or not)\n", a->what);
            continue;
        }
        int got = in_profile(profile, a->run, 0);
        if (got != want)
            fail_msg("%s: %s (%d)", a->what, want ? "must work, is refused" : "worked", got);
        tried++;
    }
    print_message("%zu of %zu attempts\n", tried, sizeof attempts / sizeof attempts[0]);
    remove_tree(dir);
}

static void test_face(void **state)
{
    (void)state;
    try_all(SANDBOX_FACE);
}

static void test_checker(void **state)
{
    (void)state;
    try_all(SANDBOX_CHECKER);
}

static void test_keeper(void **state)
{
    (void)state;
    try_all(SANDBOX_KEEPER);
}

static void test_token(void **state)
{
    (void)state;
    try_all(SANDBOX_TOKEN);
}

static void test_launcher(void **state)
{
    (void)state;
    try_all(SANDBOX_LAUNCHER);
}

/* execve does not come back: the program's own exit status, 0, would look like a refusal; so the other way
 * round.
 * */
static void test_programs(void **state)
{
    (void)state;
    struct sandbox_state have;
    static const enum sandbox_profile closed[] = {SANDBOX_FACE, SANDBOX_CHECKER, SANDBOX_KEEPER,
                                                  SANDBOX_TOKEN};
    sandbox_probe(&have);
    if (!have.seccomp) {
        print_message("skipped: seccomp is left out or not there\n");
        skip();
    }
    files_new();
    for (int i = -1; i < 4; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            struct sandbox_state s;
            enter(&s, i < 0 ? SANDBOX_LAUNCHER : closed[i]);
            attempt_exec();
            _exit(42);
        }
        int status;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), i < 0 ? 0 : 42);
    }
    remove_tree(dir);
}

static long locked_kb(int status)
{
    char text[8192];
    ssize_t n = pread(status, text, sizeof text - 1, 0);
    text[n > 0 ? n : 0] = '\0';
    const char *at = strstr(text, "VmLck:");
    return at != NULL ? strtol(at + 6, NULL, 10) : -1;
}

/* All the memory of the two that have secrets, also what comes later; of the others nothing but the secrets.
 */
static void test_memory(void **state)
{
    (void)state;
    static const enum sandbox_profile all[] = {SANDBOX_FACE, SANDBOX_CHECKER, SANDBOX_KEEPER, SANDBOX_TOKEN};
    struct sandbox_state have;
    sandbox_probe(&have);
    if (!have.seccomp || geteuid() != 0 || mlockall(MCL_CURRENT) != 0) {
        print_message("skipped: all of the memory may not be locked here\n");
        skip();
    }
    munlockall();
    files_new();
    for (size_t i = 0; i < 4; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            struct sandbox_state s;
            enum { MORE = 4 << 20 };
            int status = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
            enter(&s, all[i]);
            long first = locked_kb(status);
            char *p = mmap(NULL, MORE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            long then = p != MAP_FAILED ? locked_kb(status) : -1;
            _exit(first > 1024 && then - first >= MORE / 1024 ? 1 : first == 0 && then == 0 ? 0 : 99);
        }
        int status;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), all[i] == SANDBOX_KEEPER || all[i] == SANDBOX_TOKEN);
    }
    remove_tree(dir);
}

/* What is missing is said; profiles add up and never come back. */
static void test_said(void **state)
{
    (void)state;
    char text[160];
    sandbox_text(text, sizeof text, &(struct sandbox_state){1, 3, 1});
    assert_string_equal(text, "");
    sandbox_text(text, sizeof text, &(struct sandbox_state){0, 3, 1});
    assert_non_null(strstr(text, "seccomp"));
    assert_null(strstr(text, "Landlock"));
    sandbox_text(text, sizeof text, &(struct sandbox_state){1, 0, 1});
    assert_non_null(strstr(text, "Landlock"));
    sandbox_text(text, sizeof text, &(struct sandbox_state){0, 0, 1});
    assert_non_null(strstr(text, "seccomp and Landlock"));
    sandbox_text(text, sizeof text, &(struct sandbox_state){1, 1, 0});
    assert_non_null(strstr(text, "limits"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_face),   cmocka_unit_test(test_checker),  cmocka_unit_test(test_keeper),
        cmocka_unit_test(test_token),  cmocka_unit_test(test_launcher), cmocka_unit_test(test_programs),
        cmocka_unit_test(test_memory), cmocka_unit_test(test_said),
    };
    return cmocka_run_group_tests(tests, secrets_setup, NULL);
}
