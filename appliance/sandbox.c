#include "appliance/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

#if defined __SANITIZE_ADDRESS__
#define CONFINES 0
#elif defined __has_feature
#if __has_feature(address_sanitizer)
#define CONFINES 0
#endif
#endif
#ifndef CONFINES
#define CONFINES 1
#endif

/* --- seccomp --- */

#if defined __x86_64__
#define ARCH AUDIT_ARCH_X86_64
#elif defined __aarch64__
#define ARCH AUDIT_ARCH_AARCH64
#else
#define ARCH 0 /* no filter is made */
#endif

#define FILTER_MAX 400
#define X32 0x40000000u
#define ALLOW SECCOMP_RET_ALLOW
#define REFUSE (SECCOMP_RET_ERRNO | EPERM)
#define UNKNOWN (SECCOMP_RET_ERRNO | ENOSYS)

struct filter {
    unsigned short len;
    struct sock_filter f[FILTER_MAX];
};

static void put(struct filter *p, unsigned code, unsigned k, unsigned jt, unsigned jf)
{
    if (p->len < FILTER_MAX) /* one too many makes a filter that the kernel does not take */
        p->f[p->len++] = (struct sock_filter){(uint16_t)code, (uint8_t)jt, (uint8_t)jf, k};
}

static void put_return(struct filter *p, unsigned action)
{
    put(p, BPF_RET | BPF_K, action, 0, 0);
}

static void put_call(struct filter *p, unsigned call, unsigned action)
{
    put(p, BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1);
    put_return(p, action);
}

static void load_argument(struct filter *p,
                          unsigned n) /* its low half: both architectures are little-endian */
{
    put(p, BPF_LD | BPF_W | BPF_ABS, (unsigned)offsetof(struct seccomp_data, args[0]) + 8 * n, 0, 0);
}

/* The call with one of these values as an argument, and refused otherwise. */
static void put_call_with(struct filter *p, unsigned call, unsigned argument, const unsigned *value,
                          unsigned count)
{
    put(p, BPF_JMP | BPF_JEQ | BPF_K, call, 0, 2 * count + 2);
    load_argument(p, argument);
    for (unsigned i = 0; i < count; i++)
        put_call(p, value[i], ALLOW);
    put_return(p, REFUSE);
}

/* Threads, no processes. Of clone3 the flags cannot be seen: libraries fall back to clone. */
static void put_threads_only(struct filter *p)
{
    put(p, BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 4);
    load_argument(p, 0);
    put(p, BPF_JMP | BPF_JSET | BPF_K, CLONE_THREAD, 0, 1);
    put_return(p, ALLOW);
    put_return(p, REFUSE);
    put_call(p, SYS_clone3, UNKNOWN);
#ifdef SYS_fork
    put_call(p, SYS_fork, REFUSE);
    put_call(p, SYS_vfork, REFUSE);
#endif
}

/* Never needed by any of us, and the ways to reach into others or the kernel. */
static void put_never(struct filter *p)
{
    static const unsigned never[] = {SYS_ptrace,
                                     SYS_process_vm_readv,
                                     SYS_process_vm_writev,
                                     SYS_kcmp,
                                     SYS_bpf,
                                     SYS_perf_event_open,
                                     SYS_userfaultfd,
                                     SYS_io_uring_setup,
                                     SYS_io_uring_enter,
                                     SYS_io_uring_register,
                                     SYS_init_module,
                                     SYS_finit_module,
                                     SYS_delete_module,
                                     SYS_kexec_load,
                                     SYS_reboot,
                                     SYS_swapon,
                                     SYS_swapoff,
                                     SYS_keyctl,
                                     SYS_add_key,
                                     SYS_request_key,
                                     SYS_pidfd_getfd,
                                     SYS_unshare,
                                     SYS_setns,
                                     SYS_open_by_handle_at,
                                     SYS_chroot,
                                     SYS_pivot_root,
                                     SYS_acct,
                                     SYS_quotactl,
                                     SYS_sethostname,
                                     SYS_setdomainname,
                                     SYS_settimeofday,
                                     SYS_clock_settime,
                                     SYS_adjtimex,
                                     SYS_clock_adjtime,
#ifdef SYS_iopl
                                     SYS_iopl,
                                     SYS_ioperm,
#endif
                                     SYS_syslog,
                                     SYS_vhangup,
                                     SYS_migrate_pages,
                                     SYS_move_pages};
    static const unsigned oneself[] = {0};
    for (size_t i = 0; i < sizeof never / sizeof never[0]; i++)
        put_call(p, never[i], REFUSE);
    put_call_with(p, SYS_prlimit64, 0, oneself, 1);
    /* Typing into somebody's terminal; on a console also by selecting text and pasting it. */
    put(p, BPF_JMP | BPF_JEQ | BPF_K, SYS_ioctl, 0, 6);
    load_argument(p, 1);
    put_call(p, TIOCSTI, REFUSE);
    put_call(p, TIOCLINUX, REFUSE);
    put_return(p, ALLOW);
}

/* Media are the launcher's alone. The calls of the newer interface are numbered alike everywhere. */
static void put_no_mounts(struct filter *p)
{
    enum { OPEN_TREE = 428, MOVE_MOUNT, FSOPEN, FSCONFIG, FSMOUNT, FSPICK, MOUNT_SETATTR = 442 };
    static const unsigned calls[] = {SYS_mount, SYS_umount2, OPEN_TREE, MOVE_MOUNT,   FSOPEN,
                                     FSCONFIG,  FSMOUNT,     FSPICK,    MOUNT_SETATTR};
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++)
        put_call(p, calls[i], REFUSE);
}

static void put_local_sockets(struct filter *p)
{
    static const unsigned family[] = {AF_UNIX};
    put_call_with(p, SYS_socket, 0, family, 1);
    put_call_with(p, SYS_socketpair, 0, family, 1);
}

/* Two ends for oneself and one's children, nothing that reaches others. */
static void put_pairs_only(struct filter *p)
{
    static const unsigned family[] = {AF_UNIX};
    static const unsigned calls[] = {SYS_socket, SYS_bind, SYS_connect, SYS_listen, SYS_accept, SYS_accept4};
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++)
        put_call(p, calls[i], REFUSE);
    put_call_with(p, SYS_socketpair, 0, family, 1);
}

static void put_no_sockets(struct filter *p)
{
    static const unsigned calls[] = {SYS_socket, SYS_socketpair, SYS_bind,   SYS_connect,
                                     SYS_listen, SYS_accept,     SYS_accept4};
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++)
        put_call(p, calls[i], REFUSE);
}

static void put_no_programs(struct filter *p)
{
    put_call(p, SYS_execve, REFUSE);
    put_call(p, SYS_execveat, REFUSE);
}

/* The keeper: what is listed, nothing else. */
static void put_keeper(struct filter *p)
{
    static const unsigned calls[] = {
        SYS_read,
        SYS_write,
        SYS_writev,
        SYS_pread64,
        SYS_close,
        SYS_lseek,
        SYS_fstat,
        SYS_newfstatat,
        SYS_sendto,
        SYS_recvfrom,
        SYS_ppoll,
        SYS_fcntl,
        SYS_dup,
        /* memory */
        SYS_mmap,
        SYS_munmap,
        SYS_mprotect,
        SYS_mremap,
        SYS_madvise,
        SYS_brk,
        SYS_mlock,
        SYS_munlock,
        SYS_mlock2,
        /* time, randomness, oneself */
        SYS_clock_gettime,
        SYS_clock_nanosleep,
        SYS_nanosleep,
        SYS_gettimeofday,
        SYS_getrandom,
        SYS_getpid,
        SYS_gettid,
        SYS_getppid,
        SYS_futex,
        SYS_sched_yield,
        SYS_sched_getaffinity,
        SYS_set_robust_list,
        SYS_rt_sigaction,
        SYS_rt_sigprocmask,
        SYS_rt_sigreturn,
        SYS_sigaltstack,
        SYS_signalfd4,
        SYS_tgkill,
        SYS_exit,
        SYS_exit_group,
        SYS_restart_syscall,
        /* ending the token's process */
        SYS_kill,
        SYS_wait4,
        SYS_waitid,
#ifdef SYS_poll
        SYS_poll,
        SYS_time,
#endif
    };
    static const unsigned terminal[] = {TCGETS, TCSETS, TCSETSW, TCSETSF, TIOCGWINSZ, TIOCGPGRP, TCFLSH};
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++)
        put_call(p, calls[i], ALLOW);
    put_call_with(p, SYS_ioctl, 1, terminal, sizeof terminal / sizeof terminal[0]);
    put_call(p, SYS_clone3, UNKNOWN);
    put_return(p, REFUSE);
}

static void make_filter(struct filter *p, enum sandbox_profile profile)
{
    p->len = 0;
    put(p, BPF_LD | BPF_W | BPF_ABS, (unsigned)offsetof(struct seccomp_data, arch), 0, 0);
    put(p, BPF_JMP | BPF_JEQ | BPF_K, ARCH, 1, 0);
    put_return(p, REFUSE);
    put(p, BPF_LD | BPF_W | BPF_ABS, (unsigned)offsetof(struct seccomp_data, nr), 0, 0);
    put(p, BPF_JMP | BPF_JGE | BPF_K, X32, 0, 1); /* the other numbering of x86-64 */
    put_return(p, REFUSE);
    if (profile == SANDBOX_KEEPER) {
        put_keeper(p);
        return;
    }
    if (profile != SANDBOX_LAUNCHER) {
        put_no_mounts(p);
        put_no_programs(p);
    }
    if (profile == SANDBOX_CHECKER)
        put_no_sockets(p);
    else if (profile == SANDBOX_FACE)
        put_pairs_only(p);
    else
        put_local_sockets(p);
    if (profile == SANDBOX_CHECKER || profile == SANDBOX_TOKEN)
        put_threads_only(p);
    put_never(p);
    put_return(p, ALLOW);
}

static int enter_seccomp(enum sandbox_profile profile)
{
    struct filter p;
    make_filter(&p, profile);
    struct sock_fprog program = {p.len, p.f};
    if (ARCH == 0 || p.len == FILTER_MAX)
        return 0;
    /* All threads at once, if there should be any. */
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) == 0;
}

/* --- Landlock (kernel documentation, userspace-api/landlock.rst); numbers here, because headers lag behind
 * --- */

#define LL_CREATE 444
#define LL_ADD 445
#define LL_RESTRICT 446
#define LL_VERSION_FLAG 1u
#define LL_PATH_BENEATH 1
#define LL_FS_EXECUTE (1ull << 0)
#define LL_FS_WRITE_FILE (1ull << 1)
#define LL_FS_READ_FILE (1ull << 2)
#define LL_FS_READ_DIR (1ull << 3)
#define LL_FS_REMOVE_DIR (1ull << 4)
#define LL_FS_REMOVE_FILE (1ull << 5)
#define LL_FS_MAKE_CHAR (1ull << 6)
#define LL_FS_MAKE_DIR (1ull << 7)
#define LL_FS_MAKE_REG (1ull << 8)
#define LL_FS_MAKE_BLOCK (1ull << 11)
#define LL_FS_REFER (1ull << 13)
#define LL_FS_TRUNCATE (1ull << 14)
#define LL_FS_ALL_1 ((1ull << 13) - 1)
#define LL_NET_BIND_CONNECT 3ull
#define LL_SCOPE_ABSTRACT 1ull
#define LL_SCOPE_SIGNAL 2ull

struct ll_ruleset {
    uint64_t fs, net, scope;
};

struct ll_path {
    uint64_t fs;
    int32_t fd;
} __attribute__((packed));

static int landlock_version(void)
{
    long v = syscall(LL_CREATE, NULL, 0, LL_VERSION_FLAG);
    return v > 0 ? (int)v : 0;
}

static uint64_t fs_all(int version)
{
    uint64_t all = LL_FS_ALL_1;
    all |= version >= 2 ? LL_FS_REFER : 0;
    all |= version >= 3 ? LL_FS_TRUNCATE : 0;
    return all;
}

/* 0 if there is nothing to allow, or it is allowed. */
static int allow_path(int ruleset, const struct sandbox_path *x, uint64_t handled)
{
    const uint64_t file = LL_FS_READ_FILE | LL_FS_WRITE_FILE | LL_FS_TRUNCATE;
    uint64_t may = LL_FS_READ_FILE | LL_FS_READ_DIR;
    struct stat st;
    if (x->path == NULL || handled == 0)
        return 0;
    int fd = open(x->path, O_PATH | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT || errno == ENOTDIR || errno == EACCES ? 0 : -1;
    if (x->how == SANDBOX_LIST)
        may = LL_FS_READ_DIR;
    if (x->how == SANDBOX_WRITE)
        may |= LL_FS_WRITE_FILE | LL_FS_REMOVE_DIR | LL_FS_REMOVE_FILE | LL_FS_MAKE_DIR | LL_FS_MAKE_REG |
               LL_FS_REFER | LL_FS_TRUNCATE;
    if (fstat(fd, &st) != 0 || !S_ISDIR(st.st_mode))
        may &= file;
    struct ll_path rule = {may & handled, fd};
    long r = syscall(LL_ADD, ruleset, LL_PATH_BENEATH, &rule, 0);
    close(fd);
    return r == 0 ? 0 : -1;
}

static int enter_landlock(enum sandbox_profile profile, const struct sandbox_path *paths, size_t count)
{
    int version = landlock_version();
    if (version == 0 || profile == SANDBOX_LAUNCHER) /* Landlock allows nobody to mount */
        return version;
    struct ll_ruleset attr = {0};
    if (profile == SANDBOX_KEEPER || profile == SANDBOX_CHECKER || profile == SANDBOX_FACE)
        attr.fs = fs_all(version);
    else if (profile == SANDBOX_TOKEN)
        attr.fs = LL_FS_EXECUTE | LL_FS_MAKE_CHAR | LL_FS_MAKE_BLOCK | (version >= 2 ? LL_FS_REFER : 0);
    attr.net = version >= 4 ? LL_NET_BIND_CONNECT : 0;
    if (version >= 6 && profile == SANDBOX_FACE)
        attr.scope = LL_SCOPE_ABSTRACT; /* it may end the keeper and the token process */
    if (version >= 6 && profile == SANDBOX_CHECKER)
        attr.scope = LL_SCOPE_ABSTRACT | LL_SCOPE_SIGNAL;
    if (attr.fs == 0 && attr.net == 0)
        return version; /* nothing that this version could add */
    long ruleset = syscall(LL_CREATE, &attr, sizeof attr, 0);
    if (ruleset < 0)
        return 0;
    /* Moving files between directories is refused by every ruleset that does not allow it. */
    struct sandbox_path root = {"/", 1};
    int bad = profile == SANDBOX_TOKEN && allow_path((int)ruleset, &root, attr.fs & LL_FS_REFER) != 0;
    for (size_t i = 0; i < count && !bad; i++)
        bad = allow_path((int)ruleset, &paths[i], attr.fs) != 0;
    bad = bad || syscall(LL_RESTRICT, (int)ruleset, 0) != 0;
    close((int)ruleset);
    return bad ? 0 : version;
}

/* --- the rest --- */

static int lower(int what, rlim_t to)
{
    struct rlimit r;
    if (getrlimit((__rlimit_resource_t)what, &r) != 0)
        return -1;
    r.rlim_max = r.rlim_max == RLIM_INFINITY || r.rlim_max > to ? to : r.rlim_max;
    r.rlim_cur = r.rlim_max;
    return setrlimit((__rlimit_resource_t)what, &r);
}

/* Of what root may do, only what root's files need: all else is of no use to who reads boards and holds
 * shares. The vendor's module may need its devices, the launcher mounts. */
static int drop_capabilities(enum sandbox_profile profile)
{
    const uint32_t files = 1u << CAP_DAC_OVERRIDE | 1u << CAP_DAC_READ_SEARCH | 1u << CAP_FOWNER;
    const uint32_t keep = 1u << CAP_IPC_LOCK | (profile == SANDBOX_KEEPER ? 0 : files);
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2];
    if (profile == SANDBOX_TOKEN || profile == SANDBOX_LAUNCHER)
        return 0;
    if (syscall(SYS_capget, &head, data) != 0)
        return -1;
    data[0].effective &= keep;
    data[0].permitted &= keep;
    data[0].inheritable = data[1].effective = data[1].permitted = data[1].inheritable = 0;
    return (int)syscall(SYS_capset, &head, data);
}

/* CAP_IPC_LOCK, or no limit: then what is locked for ever cannot make a later allocation fail. */
static int may_lock_all(void)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {0};
    struct rlimit r;
    if (getrlimit(RLIMIT_MEMLOCK, &r) == 0 && r.rlim_cur == RLIM_INFINITY)
        return 1;
    return syscall(SYS_capget, &head, data) == 0 && (data[0].effective >> CAP_IPC_LOCK & 1);
}

/* Secrets are in locked pages of their own, or are refused (ceremony/base/secret.h). Where it is allowed all
 * the rest of the two that have them is locked, too: what libraries and the vendor's module leave behind. */
static void lock_memory(enum sandbox_profile profile)
{
    if ((profile == SANDBOX_KEEPER || profile == SANDBOX_TOKEN) && may_lock_all() &&
        mlockall(MCL_CURRENT) == 0)
        (void)!mlockall(MCL_CURRENT | MCL_FUTURE);
}

static int enter_others(enum sandbox_profile profile)
{
    int bad = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    bad |= lower(RLIMIT_CORE, 0);
    if (CONFINES) { /* the sanitizer's leak check reads the process as a debugger does */
        lock_memory(profile);
        bad |= drop_capabilities(profile);
        bad |= prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
        bad |= lower(RLIMIT_NOFILE, profile == SANDBOX_KEEPER ? 32 : 1024);
        if (profile == SANDBOX_KEEPER)
            bad |= lower(RLIMIT_NPROC, 0);
    }
    return bad == 0;
}

void sandbox_enter(struct sandbox_state *out, enum sandbox_profile profile, const struct sandbox_path *paths,
                   size_t count)
{
    memset(out, 0, sizeof *out);
    out->others = enter_others(profile); /* first: the others need no-new-privileges */
    if (!CONFINES)
        return;
    out->landlock = enter_landlock(profile, paths, count);
    out->seccomp = enter_seccomp(profile);
}

void sandbox_probe(struct sandbox_state *out)
{
    unsigned action = SECCOMP_RET_ERRNO;
    memset(out, 0, sizeof *out);
    out->others = 1;
    if (!CONFINES)
        return;
    out->landlock = landlock_version();
    out->seccomp = ARCH != 0 && syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}

void sandbox_text(char *out, size_t out_len, const struct sandbox_state *s)
{
    const char *why = CONFINES ? "this kernel does not allow it" : "not with AddressSanitizer";
    const char *what = !s->seccomp && s->landlock == 0 ? "seccomp and Landlock"
                       : !s->seccomp                   ? "seccomp"
                       : s->landlock == 0              ? "Landlock"
                                                       : NULL;
    if (what != NULL)
        snprintf(out, out_len, "not confined by %s: %s", what, why);
    else if (!s->others)
        snprintf(out, out_len, "not confined by all limits: this kernel does not allow them");
    else if (out_len > 0)
        out[0] = '\0';
}
