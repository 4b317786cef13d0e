/* Texts of rules and checks, what comes back from a child process, and sheets to print. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "appliance/night.h"
#include "appliance/sheet.h"
#include "ceremony/base/file.h"
#include "tally/verify_state.h"
#include "tests/support/ceremony.h"

static void test_rules_have_texts(void **state)
{
    static const char *const rules[] = {
#define X(id, err, sentence) id,
        PLAN_RULES(X)
#undef X
            "supersede-exchange"};
    (void)state;
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        enum message text = night_rule_text(rules[i]);
        if (text == MSG_RULE_OTHER)
            fail_msg("no text for the rule %s", rules[i]);
        for (size_t j = 0; j < i; j++)
            assert_int_not_equal(text, night_rule_text(rules[j]));
    }
    assert_int_equal(night_rule_text("no-such-rule"), MSG_RULE_OTHER);
}

static void test_checks_have_texts(void **state)
{
    static const char *const titles[] = {
#define X(name, id, title, spec, required, fn) title,
        VERIFY_CHECKS(X)
#undef X
    };
    (void)state;
    assert_int_equal(verify_check_count(), sizeof titles / sizeof titles[0]);
    for (size_t i = 0; i < verify_check_count(); i++) {
        enum message text = face_check_text(verify_check_id(i));
        if (text == MESSAGE_COUNT)
            fail_msg("no text for the check %s", verify_check_id(i));
        assert_string_equal(message_text(LANGUAGE_EN, text), titles[i]);
        assert_string_not_equal(message_text(LANGUAGE_ES, text), titles[i]);
    }
    assert_int_equal(face_check_text("no.such"), MESSAGE_COUNT);
}

static void test_tape(void **state)
{
    struct tape t;
    struct tape_item item = {.kind = FOUND_NOTE, .number = 7, .a = 1, .b = 2}, *got;
    size_t count;
    struct fault f;
    (void)state;
    assert_int_equal(tape_open(&t, &f), OK);
    strcpy(item.text, "said");
    assert_int_equal(tape_put(&t, &item), OK);
    assert_int_equal(tape_read(&got, &count, &t, &f), OK);
    assert_int_equal(count, 1);
    assert_int_equal(got[0].number, 7);
    assert_string_equal(got[0].text, "said");
    free(got);
    assert_int_equal(night_count(NULL, 0, FOUND_NOTE), 0);

    /* a child that lies: texts without an end, an error that does not exist, half an item */
    memset(&item, 0xff, sizeof item);
    assert_int_equal(tape_put(&t, &item), OK);
    assert_int_equal(write(t.fd, "half", 4), 4);
    assert_int_equal(tape_read(&got, &count, &t, &f), OK);
    assert_int_equal(count, 2);
    assert_true(strlen(got[1].text) < sizeof got[1].text && strlen(got[1].name) < sizeof got[1].name);
    assert_true(strlen(got[1].fault.detail) < sizeof got[1].fault.detail);
    assert_int_equal(got[1].fault.err, ERR_BUG);
    assert_int_equal(night_count(got, count, FOUND_NOTE), 1);
    free(got);
    tape_close(&t);
    tape_close(&t);
}

static void test_tape_is_bounded(void **state)
{
    struct tape t;
    struct tape_item item = {.kind = FOUND_NOTE};
    struct fault f;
    (void)state;
    assert_int_equal(tape_open(&t, &f), OK);
    t.written = TAPE_MAX;
    assert_int_equal(tape_put(&t, &item), OK);
    assert_int_equal(lseek(t.fd, 0, SEEK_END), 0);
    tape_close(&t);
}

/* --- what the child that verifies may still do --- */

enum { READS_OTHERS = 1, READS_NAMED = 2, WRITES_NAMED = 4, WRITES_WORK = 8, SOCKET = 16 };

static int opens(const char *dir, const char *name, int flags)
{
    char path[700];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    int fd = open(path, flags | O_CLOEXEC, 0600);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static int try_rights(const char *exports, const char *work)
{
    struct sandbox_state s;
    struct night_rights may = {.temp = work};
    char *argv[] = {(char *)(uintptr_t) "sh", (char *)(uintptr_t) "-c", (char *)(uintptr_t) "exit 64", NULL};
    night_allow(&may, exports, 0);
    if (night_confine(&s, &may, NULL) != OK)
        return 128;
    int can = opens("/etc", "passwd", O_RDONLY) ? READS_OTHERS : 0;
    can |= opens(exports, "one.cexp", O_RDONLY) ? READS_NAMED : 0;
    can |= opens(exports, "new", O_WRONLY | O_CREAT) ? WRITES_NAMED : 0;
    can |= opens(work, "new", O_WRONLY | O_CREAT) ? WRITES_WORK : 0;
    can |= socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) >= 0 ? SOCKET : 0;
    execv("/bin/sh", argv); /* exit status 64 if it works */
    return can;
}

static void test_child_is_confined(void **state)
{
    char dir[512], exports[640], work[640], path[700];
    struct sandbox_state have;
    struct fault f;
    int status;
    (void)state;
    sandbox_probe(&have);
    if (have.landlock == 0 && !have.seccomp) {
        print_message("skipped: this kernel or build has neither seccomp nor Landlock\n");
        skip();
    }
    temp_dir(dir, sizeof dir);
    snprintf(exports, sizeof exports, "%s/exports", dir);
    snprintf(work, sizeof work, "%s/work", dir);
    assert_int_equal(mkdir(exports, 0700), 0);
    assert_int_equal(mkdir(work, 0700), 0);
    snprintf(path, sizeof path, "%s/one.cexp", exports);
    assert_int_equal(file_write(path, "x", 1, FILE_NEW, &f), OK);
    pid_t pid = fork();
    if (pid == 0)
        _exit(try_rights(exports, work));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    int can = WEXITSTATUS(status);
    remove_tree(dir);
    assert_int_equal(can & (READS_NAMED | WRITES_WORK), READS_NAMED | WRITES_WORK);
    if (have.seccomp)
        assert_int_equal(can & ~(READS_OTHERS | WRITES_NAMED), READS_NAMED | WRITES_WORK);
    if (have.landlock > 0)
        assert_int_equal(can & (READS_OTHERS | WRITES_NAMED), 0);
    else
        print_message("skipped: reading other files (this kernel lacks Landlock)\n");
}

static struct sheet *some_sheet(void)
{
    struct sheet *s = sheet_new(LANGUAGE_EN, "Minutes: <b>\x1b[31m");
    sheet_fact(s, "Hash", "0123");
    sheet_head(s, "Steps");
    sheet_step(s, "seat 1 Ann & Bob: enrolled", "00ff");
    sheet_step(s, "seat 2: enrolled", "11ee");
    sheet_table(s, (const char *const[]){"seat", "name"}, 2);
    sheet_row(s, (const char *const[]){"1", "Ann"});
    sheet_para(s, "done");
    sheet_sign(s, "Ann");
    sheet_rule(s);
    return s;
}

static void part_of(void *ctx, enum sheet_kind kind, const char *const *text, size_t count)
{
    char *out = ctx;
    sprintf(out + strlen(out), "%d", (int)kind);
    for (size_t i = 0; i < count; i++)
        sprintf(out + strlen(out), " %s", text[i]);
    strcat(out, ";");
}

static void test_sheet(void **state)
{
    struct sheet *s = some_sheet();
    char *text, *again;
    size_t len, len2;
    (void)state;
    assert_int_equal(sheet_text(&text, &len, s), OK);
    assert_non_null(strstr(text, "Minutes: <b>?[31m\n===="));
    assert_non_null(strstr(text, "   2. seat 2: enrolled\n      11ee\n"));
    assert_non_null(strstr(text, "seat  name\n"));
    assert_int_equal(sheet_text(&again, &len2, s), OK);
    assert_int_equal(len, len2);
    assert_memory_equal(text, again, len);
    free(text);
    free(again);
    char parts[512] = "";
    assert_int_equal(sheet_each(s, part_of, parts), OK);
    assert_string_equal(parts, "0 Minutes: <b>?[31m;2 Hash 0123;0 Steps;5 seat 1 Ann & Bob: enrolled 00ff;"
                               "5 seat 2: enrolled 11ee;3 seat name;4 1 Ann;1 done;6 Ann;7;");
    assert_int_equal(sheet_each(NULL, part_of, parts), ERR_MEMORY);
    assert_int_equal(sheet_html(&text, &len, s), OK);
    assert_non_null(strstr(text, "<h1>Minutes: &lt;b&gt;?[31m</h1>"));
    assert_non_null(strstr(text, "<ol>\n<li>seat 1 Ann &amp; Bob: enrolled<code>00ff</code></li>\n<li>"));
    assert_non_null(strstr(text, "</ol>\n<table>\n<tr><th>seat</th><th>name</th></tr>\n<tr><td>1</td>"));
    assert_non_null(strstr(text, "default-src 'none'; style-src 'sha256-"));
    assert_null(strstr(text, "<b>"));
    assert_int_equal(strlen(text), len);
    free(text);
    sheet_free(s);
}

static void test_sheet_refuses(void **state)
{
    static const char *const many[] = {"1", "2", "3", "4", "5", "6", "7", "8", "9"};
    struct sheet *s = sheet_new(LANGUAGE_ES, "");
    char *text;
    size_t len;
    (void)state;
    sheet_para(s, "no table");
    sheet_row(s, many);
    assert_int_equal(sheet_text(&text, &len, s), ERR_BUG);
    assert_null(text);
    assert_int_equal(sheet_html(&text, &len, s), ERR_BUG);
    sheet_free(s);
    s = sheet_new(LANGUAGE_ES, "");
    sheet_table(s, many, 9);
    assert_int_equal(sheet_text(&text, &len, s), ERR_BUG);
    sheet_free(s);
    assert_int_equal(sheet_text(&text, &len, NULL), ERR_MEMORY);
    sheet_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rules_have_texts),
        cmocka_unit_test(test_checks_have_texts),
        cmocka_unit_test(test_tape),
        cmocka_unit_test(test_tape_is_bounded),
        cmocka_unit_test(test_child_is_confined),
        cmocka_unit_test(test_sheet),
        cmocka_unit_test(test_sheet_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
