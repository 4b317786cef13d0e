/* Files: complete or not at all, never overwritten, bounded; texts and identifiers; secret memory; errors. */
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ceremony/base/file.h"
#include "ceremony/base/secret.h"
#include "ceremony/base/text.h"
#include "tests/support/unit.h"

static char dir[256];

static const char *in_dir(const char *name)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

static int setup(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "build/tests/tmp/file-%d", (int)getpid());
    return file_mkdir(dir, NULL) == OK ? 0 : 1;
}

static void test_write_read(void **state)
{
    (void)state;
    uint8_t *data;
    size_t len;
    struct fault f;
    assert_err(file_write(in_dir("a"), "one", 3, FILE_NEW, &f), OK);
    assert_err(file_write(in_dir("a"), "one", 3, FILE_NEW, &f), OK); /* the same again */
    assert_err(file_write(in_dir("a"), "two", 3, FILE_NEW, &f), ERR_EXISTS);
    assert_string_equal(f.file, in_dir("a"));
    assert_err(file_read(&data, &len, in_dir("a"), 3, &f), OK);
    assert_memory_equal(data, "one", 4);
    free(data);
    assert_err(file_write(in_dir("a"), "two!", 4, FILE_REPLACE, &f), OK);
    assert_err(file_read(&data, &len, in_dir("a"), 3, &f), ERR_LIMIT);
    assert_null(data);
    assert_err(file_read(&data, &len, in_dir("none"), 3, &f), ERR_MISSING);
    assert_err(file_read(&data, &len, dir, 3, &f), ERR_FORMAT);
    assert_int_equal(mkfifo(in_dir("fifo"), 0600), 0);
    assert_err(file_read(&data, &len, in_dir("fifo"), 3, &f), ERR_FORMAT); /* and does not hang */
    FILE *in;
    assert_err(file_open(&in, in_dir("fifo"), &f), ERR_FORMAT);
    assert_null(in);
    assert_err(file_is_dir(in_dir("fifo"), &f), ERR_FORMAT);
    assert_err(file_is_dir(in_dir("none"), &f), ERR_MISSING);
    assert_err(file_is_dir(dir, &f), OK);
}

/* State that is written in place: a regular file, never what a link leads to. And one that only pretends to be
 * long. */
static void test_state(void **state)
{
    (void)state;
    struct fault f;
    struct stat st;
    hash_t h, want;
    int fd;
    char target[512];
    assert_err(file_open_state(&fd, in_dir("state"), O_RDONLY, 0, &f), ERR_MISSING);
    assert_int_equal(fd, -1);
    assert_err(file_open_state(&fd, in_dir("state"), O_RDWR | O_CREAT, 0600, &f), OK);
    assert_int_equal(write(fd, "abc", 3), 3);
    assert_int_equal(close(fd), 0);
    snprintf(target, sizeof target, "%s/nowhere", dir);
    assert_int_equal(symlink(target, in_dir("link")), 0);
    assert_err(file_open_state(&fd, in_dir("link"), O_RDWR | O_CREAT | O_TRUNC, 0600, &f), ERR_FORMAT);
    assert_string_equal(f.file, in_dir("link"));
    assert_int_not_equal(lstat(target, &st), 0);
    assert_int_equal(mkfifo(in_dir("pipe"), 0600), 0);
    static const int flags[] = {O_RDONLY, O_WRONLY | O_CREAT | O_TRUNC, O_RDWR | O_CREAT};
    for (size_t i = 0; i < 3; i++) {
        assert_err(file_open_state(&fd, in_dir("pipe"), flags[i], 0600, &f), ERR_FORMAT);
        assert_err(file_open_state(&fd, dir, flags[i], 0600, &f), ERR_FORMAT);
        assert_int_equal(fd, -1);
    }
    hash_one(&want, "abc", 3);
    assert_err(file_hash_max(&h, in_dir("state"), 3, &f), OK);
    assert_memory_equal(&h, &want, sizeof h);
    assert_int_equal(truncate(in_dir("state"), (off_t)1 << 40), 0);
    assert_err(file_hash_max(&h, in_dir("state"), 1 << 20, &f), ERR_LIMIT);
    assert_string_equal(f.file, in_dir("state"));
    assert_true(hash_is_zero(&h));
    static const char *const made[] = {"state", "link", "pipe"};
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(unlink(in_dir(made[i])), 0);
}

static err_t collect(void *ctx, const char *name, struct fault *f)
{
    (void)f;
    strcat(ctx, name);
    strcat(ctx, " ");
    return OK;
}

static void test_abandon_and_list(void **state)
{
    (void)state;
    struct file_writer w;
    char names[500] = "";
    assert_err(file_writer_open(&w, in_dir("b"), NULL), OK);
    assert_err(file_writer_add(&w, "x", 1, NULL), OK);
    assert_err(file_list(dir, collect, names, NULL), OK);
    assert_string_equal(names,
                        "a fifo "); /* but no temporary file; the FIFO is refused by whoever reads it */
    file_writer_abandon(&w);
    names[0] = '\0';
    assert_err(file_list(in_dir("absent"), collect, names, NULL), OK);
    assert_string_equal(names, "");
}

/* A full disk, by the limit on file sizes: a named error, nothing under the name. */
static void test_full_disk(void **state)
{
    (void)state;
    pid_t pid = fork();
    if (pid == 0) {
        struct rlimit small = {1000, 1000};
        static char big[5000];
        signal(SIGXFSZ, SIG_IGN);
        setrlimit(RLIMIT_FSIZE, &small);
        err_t e = file_write(in_dir("big"), big, sizeof big, FILE_NEW, NULL);
        _exit(e == ERR_IO && access(in_dir("big"), F_OK) != 0 ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void test_text(void **state)
{
    (void)state;
    static const char *const good[] = {"", "Ada Lovelace", "Zo\xc3\xab", "\xe6\x9d\xb1\xe4\xba\xac",
                                       "50 % (a+b) = c"};
    static const char *const bad[] = {"a\tb",
                                      "a\nb",
                                      "\x1b[31m",
                                      "\xe2\x80\xae"
                                      "abc",
                                      "a\xe2\x80\x8b"
                                      "b",
                                      "\xef\xbb\xbf"
                                      "a",
                                      "\xc2\xa0",
                                      "e\xcc\x81",
                                      "\xff",
                                      "\xc0\x80",
                                      "\xed\xa0\x80",
                                      "\xee\x80\x80",
                                      "\xe2\x81\xa6x",
                                      "\xc2\xad"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_err(text_check(good[i], strlen(good[i])), OK);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_err(text_check(bad[i], strlen(bad[i])), ERR_TEXT);
    assert_true(text_is_id("precinct-1.a_B", 14));
    static const char *const no[] = {"", ".", "..", ".a", "-a", "_a", "a/b", "a b", "\xc3\xa9", "a\\b"};
    for (size_t i = 0; i < sizeof no / sizeof no[0]; i++)
        assert_false(text_is_id(no[i], strlen(no[i])));
    assert_false(text_is_id("may\0r", 5));
    char longest[66];
    memset(longest, 'a', sizeof longest);
    assert_true(text_is_id(longest, 64));
    assert_false(text_is_id(longest, 65));
}

static void test_secret_memory(void **state)
{
    (void)state;
    uint8_t *p;
    assert_err(secret_alloc((void **)&p, 100), OK);
    for (int i = 0; i < 100; i++)
        assert_int_equal(p[i], 0);
    secret_free(p);
    secret_free(NULL);
    struct rlimit core;
    getrlimit(RLIMIT_CORE, &core);
    assert_int_equal(core.rlim_cur, 0);
#ifndef __SANITIZE_ADDRESS__ /* its mlock does nothing and always succeeds */
    /* Locking fails: an error, not silence. Root ignores the limit, so the capability is given up by becoming
     * nobody. */
    pid_t pid = fork();
    if (pid == 0) {
        struct rlimit none = {0, 0};
        setrlimit(RLIMIT_MEMLOCK, &none);
        if (getuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
            _exit(2);
        err_t e = secret_alloc((void **)&p, 100);
        _exit(e == ERR_LOCK && p == NULL ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 2)
        skip();
    assert_int_equal(WEXITSTATUS(status), 0);
#else
    pid_t pid;
    int status;
#endif
    /* A step outside ends the process. */
    pid = fork();
    if (pid == 0) {
        volatile uint8_t *q;
        signal(SIGSEGV, SIG_DFL); /* cmocka has a handler of its own */
        if (secret_alloc((void **)(uintptr_t)&q, 4096) != OK)
            _exit(0);
        q[4096] = 1;
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_false(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void test_faults(void **state)
{
    (void)state;
    struct fault f;
    char text[2048];
    assert_err(fault_set(&f, ERR_PROOF, "option %d", 3), ERR_PROOF);
    f.at = 17;
    assert_err(fault_file(&f, ERR_PROOF, "x.cexp"), ERR_PROOF);
    assert_err(fault_file(&f, ERR_PROOF, "later.cexp"), ERR_PROOF);
    assert_err(fault_who(&f, ERR_PROOF, "precinct %d", 7), ERR_PROOF);
    fault_text(text, sizeof text, &f);
    assert_string_equal(text,
                        "x.cexp, byte 17: precinct 7: a zero-knowledge proof does not verify: option 3. "
                        "To do: refuse it and name its author. [ERR_PROOF]");
    strcpy(f.file, "Zürich");
    fault_text(text, sizeof text, &f);
    assert_memory_equal(text, "Zürich", strlen("Zürich"));
    strcpy(f.file, "a\x1b[2J\xc2\x9bm\nb"); /* a name on a courier's medium */
    fault_text(text, sizeof text, &f);
    assert_memory_equal(text, "a?[2J??m?b", 10);
    fault_text(text, 10, &f);
    assert_int_equal(strlen(text), 9);
    assert_int_equal(err_class((err_t)9999), CLASS_BUG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_write_read),
        cmocka_unit_test(test_state),
        cmocka_unit_test(test_abandon_and_list),
        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_secret_memory),
        cmocka_unit_test(test_faults),
    };
    return secret_init() == OK ? cmocka_run_group_tests(tests, setup, NULL) : 1;
}
