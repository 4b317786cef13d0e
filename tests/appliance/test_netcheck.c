/* The appliance does not run on a machine with a network: interfaces as the kernel shows them, faked in a
 * directory, and real ones in a network namespace of the test's own. */
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/unit.h"

#include "appliance/netcheck.h"
#include "ceremony/base/file.h"
#include "tests/support/ceremony.h"

static struct fault f;

static void interface(const char *dir, const char *name, const char *flags, const char *operstate)
{
    char path[512], sub[400];
    snprintf(sub, sizeof sub, "%s/%s", dir, name);
    assert_err(file_mkdir(sub, &f), OK);
    snprintf(path, sizeof path, "%s/flags", sub);
    if (flags != NULL)
        assert_err(file_write(path, flags, strlen(flags), FILE_REPLACE, &f), OK);
    snprintf(path, sizeof path, "%s/operstate", sub);
    assert_err(file_write(path, operstate, strlen(operstate), FILE_REPLACE, &f), OK);
}

/* In a child with a network namespace of its own, where loopback alone exists: the result of netcheck
 * there, up: another interface is switched on before. -1: no such namespace can be made. */
static int in_namespace(const char *class, int up)
{
    pid_t pid = fork();
    if (pid == 0) {
        struct fault why;
        if (unshare(CLONE_NEWNET) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0)
            _exit(255);
        if (up) {
            if (system("(ip link add test0 type dummy || ip link add test0 type veth peer name test1) "
                       "2>/dev/null && ip link set test0 up 2>/dev/null") != 0)
                _exit(254);
        }
        fault_clear(&why);
        err_t e = netcheck(class, &why);
        if (e == ERR_RULE && up && strstr(why.detail, "test0") == NULL)
            _exit(253);
        _exit((int)e);
    }
    int status;
    assert_true(pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void test_what_the_kernel_shows(void **state)
{
    char dir[256];
    (void)state;
    if (in_namespace("/nonexistent", 0) == 255) {
        print_message("skipped: no network namespace can be made here\n");
        skip();
    }
    temp_dir(dir, sizeof dir);
    assert_int_equal(in_namespace(dir, 0), OK);
    interface(dir, "lo", "0x9\n", "unknown\n");
    interface(dir, "eth0", "0x1002\n", "down\n");
    interface(dir, "wlan0", "0x1002\n", "down\n");
    assert_int_equal(in_namespace(dir, 0), OK);
    interface(dir, "eth0", "0x1003\n", "down\n"); /* up, no cable */
    assert_int_equal(in_namespace(dir, 0), ERR_RULE);
    interface(dir, "eth0", "0x1002\n", "up\n");
    assert_int_equal(in_namespace(dir, 0), ERR_RULE);
    interface(dir, "eth0", "0x1002\n", "down\n");
    interface(dir, "wlan0", "rubbish\n", "down\n"); /* what cannot be told is not taken for down */
    assert_int_equal(in_namespace(dir, 0), ERR_RULE);
    remove_tree(dir);
}

static void test_real_interfaces(void **state)
{
    (void)state;
    int e = in_namespace("/nonexistent", 0);
    if (e == 255) {
        print_message("skipped: no network namespace can be made here\n");
        skip();
    }
    assert_int_equal(e, OK);
    e = in_namespace("/nonexistent", 1);
    if (e == 254) {
        print_message("skipped: no network interface can be made here\n");
        skip();
    }
    assert_int_equal(e, ERR_RULE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_the_kernel_shows),
        cmocka_unit_test(test_real_interfaces),
    };
    return cmocka_run_group_tests(tests, secrets_setup, NULL);
}
