#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "ceremony/base/secret.h"
#include "ui/prompt.h"

/* Runs the gate on typed; *said: what it printed, freed by the caller. */
static err_t gate(const hash_t *h, const char *typed, char **said)
{
    size_t len;
    struct fault f;
    FILE *in = fmemopen((void *)(uintptr_t)typed, strlen(typed), "r"), *out = open_memstream(said, &len);
    assert_non_null(in);
    assert_non_null(out);
    err_t e = prompt_words(in, out, "Type the words of the roster", &words_en, h, &f);
    fclose(in);
    fclose(out);
    return e;
}

static void test_gate(void **state)
{
    hash_t h, other;
    char text[WORDS_TEXT_SIZE], wrong[WORDS_TEXT_SIZE], typed[8 * WORDS_TEXT_SIZE], *said;
    (void)state;
    hash_one(&h, "a", 1);
    hash_one(&other, "b", 1);
    assert_int_equal(words_put(text, &words_en, &h), OK);
    assert_int_equal(words_put(wrong, &words_en, &other), OK);

    snprintf(typed, sizeof typed, "%s\n", text);
    assert_int_equal(gate(&h, typed, &said), OK);
    assert_string_equal(said, "Type the words of the roster\n> ");
    free(said);

    snprintf(typed, sizeof typed, "%s\nfoo\n\n%s", wrong, text);
    assert_int_equal(gate(&h, typed, &said), OK);
    assert_non_null(strstr(said, "word 1 differs"));
    assert_non_null(strstr(said, "word 1 is not in the list"));
    assert_null(strstr(said, "foo"));
    free(said);

    /* Over several lines; then begun, given up with an empty line, and typed again. */
    snprintf(typed, sizeof typed, "%s\n", text);
    for (char *p = typed; *p != '\0'; p++)
        if (*p == ' ')
            *p = '\n';
    assert_int_equal(gate(&h, typed, &said), OK);
    free(said);
    snprintf(typed, sizeof typed, "zebra zebra\n\n%s\n", text);
    assert_int_equal(gate(&h, typed, &said), OK);
    assert_non_null(strstr(said, "2 words instead of 17"));
    free(said);

    snprintf(typed, sizeof typed, "%s\n%s\n", wrong, wrong);
    assert_int_equal(gate(&h, typed, &said), ERR_REFUSED);
    free(said);
    assert_int_equal(gate(&h, "zebra\n", &said), ERR_REFUSED);
    free(said);
    char *big = malloc(100002);
    memset(big, 'a', 100000);
    strcpy(big + 100000, "\n");
    assert_int_equal(gate(&h, big, &said), ERR_REFUSED);
    assert_non_null(strstr(said, "too long"));
    free(said);
    for (int i = 0; i + 9 <= 100000; i += 9)
        memcpy(big + i, "zebra   \n", 9);
    big[99990] = '\0';
    assert_int_equal(gate(&h, big, &said), ERR_REFUSED);
    free(said);
    free(big);
}

/* --- terminal: a child asks on a pseudo terminal, the test is the person --- */

struct session {
    int master;
    pid_t child;
    char seen[4096];
    size_t seen_len;
};

static void on_signal(int n)
{
    (void)n;
}

/* Exit status of the child: the error, or 100 if the secret is the expected one. */
static int ask(int catches)
{
    char *secret;
    size_t len;
    struct termios before, after;
    if (catches) {
        struct sigaction a = {.sa_handler = on_signal};
        sigaction(SIGINT, &a, NULL);
    }
    if (secret_init() != OK || tcgetattr(0, &before) != 0)
        return 99;
    err_t e = prompt_secret(&secret, &len, "PIN: ", NULL);
    if (tcgetattr(0, &after) != 0 || after.c_lflag != before.c_lflag)
        return 98;
    if (e != OK)
        return secret == NULL && len == 0 ? (int)e : 97;
    int good = len == 7 && strcmp(secret, "s3cret!") == 0;
    secret_free(secret);
    return good ? 100 : 96;
}

static void session_start(struct session *s, int catches)
{
    memset(s, 0, sizeof *s);
    s->child = forkpty(&s->master, NULL, NULL, NULL);
    assert_true(s->child >= 0);
    if (s->child == 0)
        _exit(ask(catches));
}

static void session_expect(struct session *s, const char *text)
{
    while (strstr(s->seen, text) == NULL && s->seen_len < sizeof s->seen - 1) {
        struct pollfd p = {s->master, POLLIN, 0};
        if (poll(&p, 1, 10000) <= 0)
            fail_msg("no \"%s\" in \"%s\"", text, s->seen);
        ssize_t n = read(s->master, s->seen + s->seen_len, sizeof s->seen - 1 - s->seen_len);
        if (n <= 0)
            fail_msg("terminal closed before \"%s\"", text);
        s->seen_len += (size_t)n;
    }
}

static void session_type(struct session *s, const char *text)
{
    assert_int_equal(write(s->master, text, strlen(text)), strlen(text));
}

/* Reads to the end; returns the wait status. */
static int session_end(struct session *s)
{
    int status;
    while (s->seen_len < sizeof s->seen - 1) {
        ssize_t n = read(s->master, s->seen + s->seen_len, sizeof s->seen - 1 - s->seen_len);
        if (n <= 0)
            break;
        s->seen_len += (size_t)n;
    }
    assert_int_equal(waitpid(s->child, &status, 0), s->child);
    close(s->master);
    return status;
}

static void test_secret(void **state)
{
    struct session s;
    (void)state;
    session_start(&s, 0);
    session_expect(&s, "PIN: ");
    session_type(&s, "s3cret!\n");
    int status = session_end(&s);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 100);
    assert_null(strstr(s.seen, "s3cret"));
}

static void test_secret_interrupted(void **state)
{
    struct session s;
    (void)state;
    session_start(&s, 0);
    session_expect(&s, "PIN: ");
    session_type(&s, "half\x03");
    int status = session_end(&s);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGINT);
    assert_null(strstr(s.seen, "half"));
    /* A program that catches the signal goes on with an error, and its terminal as before. */
    session_start(&s, 1);
    session_expect(&s, "PIN: ");
    session_type(&s, "half\x03");
    status = session_end(&s);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), ERR_STOPPED);
}

static void test_secret_other_ends(void **state)
{
    struct session s;
    char big[PROMPT_SECRET_MAX + 3];
    (void)state;
    session_start(&s, 0);
    session_expect(&s, "PIN: ");
    session_type(&s, "\x04"); /* end of input */
    assert_int_equal(WEXITSTATUS(session_end(&s)), ERR_STOPPED);
    memset(big, 'x', sizeof big - 2);
    strcpy(big + sizeof big - 2, "\n");
    session_start(&s, 0);
    session_expect(&s, "PIN: ");
    session_type(&s, big);
    assert_int_equal(WEXITSTATUS(session_end(&s)), ERR_LIMIT);
    assert_null(strstr(s.seen, "xxx"));
}

/* Signals sent by others: the terminal is restored on each of them. */
static void test_secret_killed(void **state)
{
    static const int signals[] = {SIGTERM, SIGHUP, SIGQUIT};
    (void)state;
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
        int master, slave, status;
        struct termios before, during, after;
        char seen[16] = "";
        assert_int_equal(openpty(&master, &slave, NULL, NULL, NULL), 0);
        assert_int_equal(tcgetattr(slave, &before), 0);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            char *secret;
            size_t len;
            _exit(secret_init() != OK || prompt_secret_fd(&secret, &len, slave, "PIN: ", NULL) != OK);
        }
        assert_int_equal(read(master, seen, 5), 5);
        assert_int_equal(tcgetattr(slave, &during), 0);
        assert_int_equal(during.c_lflag & ECHO, 0);
        kill(child, signals[i]);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), signals[i]);
        assert_int_equal(tcgetattr(slave, &after), 0);
        assert_int_equal(after.c_lflag, before.c_lflag);
        close(master);
        close(slave);
    }
}

/* Stopped and continued: asked again, what was typed before is forgotten. */
static void test_secret_suspended(void **state)
{
    struct session s;
    int status;
    (void)state;
    session_start(&s, 0);
    session_expect(&s, "PIN: ");
    session_type(&s, "wrong");
    kill(s.child, SIGTSTP);
    /* The session of a pseudo terminal is an orphaned process group, which SIGTSTP does not stop. */
    session_expect(&s, "PIN: PIN: ");
    session_type(&s, "s3cret!\n");
    status = session_end(&s);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 100);
}

static void test_no_terminal(void **state)
{
    char *secret;
    size_t len;
    int fd = open("/dev/null", O_RDWR);
    (void)state;
    assert_int_equal(prompt_secret_fd(&secret, &len, fd, "PIN: ", NULL), ERR_MISSING);
    assert_null(secret);
    close(fd);
}

/* --- file --- */

static err_t from_file(const char *path, const void *data, size_t data_len, mode_t mode, const char *want)
{
    char *secret;
    size_t len;
    struct fault f;
    unlink(path);
    int fd = open(path, O_CREAT | O_WRONLY | O_EXCL, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, data_len), data_len);
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
    err_t e = prompt_secret_file(&secret, &len, path, &f);
    if (e == OK) {
        assert_int_equal(len, strlen(want));
        assert_string_equal(secret, want);
    } else {
        assert_null(secret);
        assert_int_equal(len, 0);
        assert_string_equal(f.file, path);
    }
    secret_free(secret);
    unlink(path);
    return e;
}

static void test_file(void **state)
{
    char dir[] = "/tmp/conclave-prompt-XXXXXX", path[100], big[PROMPT_SECRET_MAX + 2],
         most[PROMPT_SECRET_MAX + 1];
    char *secret;
    size_t len;
    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/pin", dir);
    memset(big, 'x', sizeof big);
    memset(most, 'x', sizeof most - 1);
    most[PROMPT_SECRET_MAX] = '\0';
    assert_int_equal(from_file(path, "1234\n", 5, 0600, "1234"), OK);
    assert_int_equal(from_file(path, "1234", 4, 0400, "1234"), OK);
    assert_int_equal(from_file(path, "12 34\r\nsecond\n", 14, 0600, "12 34"), OK);
    assert_int_equal(from_file(path, most, PROMPT_SECRET_MAX, 0600, most), OK);
    assert_int_equal(from_file(path, big, PROMPT_SECRET_MAX + 1, 0600, NULL), ERR_LIMIT);
    assert_int_equal(from_file(path, "", 0, 0600, NULL), ERR_MISSING);
    assert_int_equal(from_file(path, "\n1234\n", 6, 0600, NULL), ERR_MISSING);
    assert_int_equal(from_file(path,
                               "12\0"
                               "34\n",
                               6, 0600, NULL),
                     ERR_TEXT);
    assert_int_equal(from_file(path, "1234\n", 5, 0640, NULL), ERR_RULE);
    assert_int_equal(from_file(path, "1234\n", 5, 0604, NULL), ERR_RULE);
    assert_int_equal(prompt_secret_file(&secret, &len, path, NULL), ERR_MISSING);
    assert_int_equal(prompt_secret_file(&secret, &len, dir, NULL), ERR_RULE);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(prompt_secret_file(&secret, &len, path, NULL), ERR_RULE);
    unlink(path);
    rmdir(dir);
}

static int start(void **state)
{
    (void)state;
    return secret_init() == OK ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gate),
        cmocka_unit_test(test_secret),
        cmocka_unit_test(test_secret_interrupted),
        cmocka_unit_test(test_secret_other_ends),
        cmocka_unit_test(test_secret_killed),
        cmocka_unit_test(test_secret_suspended),
        cmocka_unit_test(test_no_terminal),
        cmocka_unit_test(test_file),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
