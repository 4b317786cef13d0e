#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ceremony/base/secret.h"
#include "ui/page_layout.h"
#include "ui/ui_parts.h"

static struct ui make_ui(enum language l)
{
    return (struct ui){.config = {.language = l}, .lines = 1};
}

static hash_t some_hash(uint8_t first)
{
    hash_t h = {{first, 1, 2, 3}};
    return h;
}

/* --- keys --- */

static int key_of(const char *bytes, int final)
{
    struct keys k = {0};
    k.len = strlen(bytes);
    memcpy(k.byte, bytes, k.len);
    return keys_next(&k, final);
}

static void test_keys(void **state)
{
    static const struct {
        const char *bytes;
        int key;
    } known[] = {
        {"a", 'a'},
        {"\xc3\xb1", 0xf1},
        {"\r", KEY_ENTER_},
        {"\n", KEY_ENTER_},
        {"\x7f", KEY_ERASE},
        {"\x08", KEY_ERASE},
        {"\x03", KEY_ESC},
        {"\x15", KEY_ERASE_LINE},
        {"\x1b[A", KEY_UP_},
        {"\x1bOA", KEY_UP_},
        {"\x1b[5~", KEY_PGUP},
        {"\x1b[6~", KEY_PGDN},
        {"\x1b[Z", KEY_BACKTAB},
        {"\x1bOP", KEY_HELP_},
        {"\x1b[11~", KEY_HELP_},
        {"\x1b[[A", KEY_HELP_},
        {"\x1b[1;5C", KEY_RIGHT_},
        {"\x1b[H", KEY_HOME_},
        {"\x1b[4~", KEY_END_},
        {"\x1b[99~", KEY_OTHER},
        {"\xff", KEY_OTHER},
        {"\x1b[200\x01", KEY_OTHER},
    };
    (void)state;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (key_of(known[i].bytes, 0) != known[i].key)
            fail_msg("sequence %zu gives %d", i, key_of(known[i].bytes, 0));
    assert_int_equal(key_of("\x1b", 0), KEY_NONE);
    assert_int_equal(key_of("\x1b", 1), KEY_ESC);
    assert_int_equal(key_of("\x1b[", 0), KEY_NONE);
    assert_int_equal(key_of("\x1b[", 1), KEY_ESC);
    assert_int_equal(key_of("\xc3", 0), KEY_NONE);
    assert_int_equal(key_of("\xc3", 1), KEY_OTHER);
    assert_int_equal(key_of("\x1bx", 0), KEY_ESC);
}

/* Any bytes give keys until none are left, and leave no trace. */
static void test_keys_random(void **state)
{
    static const char likely[] = "\x1b[O;~AZ0159?\xc3\xb1";
    (void)state;
    for (int round = 0; round < 20000; round++) {
        struct keys k = {0};
        uint8_t draw[KEYS_BYTES];
        random_bytes(draw, sizeof draw);
        k.len = draw[0] % (KEYS_BYTES + 1);
        for (size_t i = 0; i < k.len; i++)
            k.byte[i] = draw[i] & 1 ? draw[i] : (uint8_t)likely[draw[i] / 2 % (sizeof likely - 1)];
        for (size_t before = k.len; k.len > 0; before = k.len) {
            assert_int_not_equal(keys_next(&k, 1), KEY_NONE);
            assert_true(k.len < before);
        }
        for (size_t i = 0; i < KEYS_BYTES; i++)
            assert_int_equal(k.byte[i], 0);
    }
}

/* --- building --- */

static struct page *whole_page(struct ui *ui, size_t *index)
{
    static const enum table_kind kinds[] = {TABLE_LEFT, TABLE_RIGHT, TABLE_BAR};
    static const enum message heads[] = {MSG_LINE, MSG_BYTE, MSG_BACK};
    const char *row[] = {"a name that is long, and longer: \xe6\x97\xa5\xe6\x9c\xac", "123456", "77"};
    const char *bad[] = {"\x1b]0;x\x07", "\xff\xfe", "not a number"};
    static uint64_t number = 3;
    static char name[20] = "x";
    hash_t h = some_hash(1);
    struct page *p = page_new(ui, MSG_HELP_TITLE, "\x1b[31mtitle");
    page_text(p, MSG_HELP_OTHER);
    page_head(p, MSG_BACK);
    page_raw(p, "line one\nline two, \xe2\x80\xae reversed and "
                "a-word-that-is-longer-than-any-row-could-ever-be-here");
    page_warn(p, MSG_TOO_SMALL);
    page_value(p, "v", MSG_LINE);
    page_value(p, "", MSG_HELP_KEYS);
    page_check(p, PAGE_NOT_CHECKED, "detail", MSG_BACK);
    page_table(p, kinds, heads, 3);
    page_row(p, row);
    page_row(p, bad);
    page_bar(p, "bar", 9, 0);
    page_bar(p, "another bar", UINT64_MAX, 5);
    page_words(p, &h, 1);
    page_qr(p, "TEXT");
    page_field_text(p, name, sizeof name, 1, MSG_LINE);
    page_field_number(p, &number, 1, 5, MSG_BYTE);
    page_field_words(p, &h, MSG_HELP_KEYS);
    page_field_choice(p, index, MSG_BACK);
    page_item(p, MSG_YES);
    page_item_raw(p, "raw", "detail");
    page_action(p, 'a', 1, MSG_BACK);
    page_action_flags(p, 'b', 2, PAGE_NEEDS_ALL | PAGE_DANGER, MSG_GO_ON);
    return p;
}

/* At any width no row is wider, nothing commands the terminal, and ASCII stays ASCII. */
static void test_layout(void **state)
{
    size_t index = 1;
    (void)state;
    for (int l = 0; l < LANGUAGE_COUNT; l++) {
        struct ui ui = make_ui((enum language)l);
        struct page *p = whole_page(&ui, &index);
        assert_int_equal(p->err, OK);
        for (size_t width = 8; width < 200; width++) {
            for (int form = 0; form < 4; form++) {
                struct rows r;
                rows_init(&r, width, form & 1, form >> 1);
                p->focus = width % (p->fields + p->actions);
                assert_int_equal(page_layout(&r, p, 1), OK);
                for (size_t i = 0; i < r.count; i++) {
                    const char *text = r.row[i].text != NULL ? r.row[i].text : "";
                    assert_true(text_width(text) <= width);
                    for (const char *s = text; *s != '\0'; s++)
                        assert_true((unsigned char)*s >= ' ' && *s != 0x7f && (!(form & 1) || *s > 0));
                }
                rows_free(&r);
            }
        }
        page_free(p);
    }
}

static void test_mistakes(void **state)
{
    struct ui ui = make_ui(LANGUAGE_EN);
    struct page_event event;
    struct fault f;
    const char *row[] = {"x"};
    (void)state;
    fault_clear(&f);
    struct page *p = page_new(&ui, MSG_BACK);
    page_row(p, row); /* no table */
    assert_int_equal(page_run(p, &event, &f), ERR_BUG);
    page_free(p);
    p = page_new(&ui, MSG_BACK);
    page_text(p, MSG_HELP_TITLE); /* an argument is missing */
    assert_int_equal(page_run(p, &event, &f), ERR_BUG);
    page_free(p);
    p = page_new(&ui, MSG_BACK);
    page_action(p, 'a', 1, MSG_YES);
    page_action(p, 'a', 2, MSG_NO); /* the key twice */
    assert_int_equal(page_run(p, &event, &f), ERR_BUG);
    page_free(p);
    p = page_new(&ui, MSG_BACK);
    page_action(p, '?', 1, MSG_YES);
    assert_int_equal(page_run(p, &event, &f), ERR_BUG);
    page_free(p);
    p = page_new(&ui, MSG_BACK);
    page_item(p, MSG_YES); /* no choice */
    assert_int_equal(page_run(p, &event, &f), ERR_BUG);
    page_free(p);
    page_text(NULL, MSG_BACK);
    page_head(NULL, MSG_BACK);
    page_item_raw(NULL, "", NULL);
    page_action(NULL, 'a', 1, MSG_BACK);
    page_tick(NULL, 1);
    page_free(NULL);
    assert_int_equal(page_run(NULL, &event, &f), ERR_MEMORY);
}

/* --- fields --- */

static void type(struct page *p, size_t field, const char *text)
{
    char problem[512] = "";
    for (; *text != '\0'; text++)
        field_key(p, &p->field[field], *text, problem, sizeof problem);
}

static err_t check(struct page *p, size_t field)
{
    char problem[512] = "";
    err_t e = field_check(p, &p->field[field], problem, sizeof problem);
    assert_int_equal(e != OK, problem[0] != '\0');
    return e;
}

static void test_fields(void **state)
{
    struct ui ui = make_ui(LANGUAGE_ES);
    uint64_t number = 7;
    char name[8] = "", words[WORDS_TEXT_SIZE], problem[512] = "";
    hash_t h = some_hash(5);
    (void)state;
    struct page *p = page_new(&ui, MSG_BACK);
    page_field_text(p, name, sizeof name, 3, MSG_LINE);
    page_field_number(p, &number, 1, 9, MSG_BYTE);
    page_field_words(p, &h, MSG_BACK);
    page_field_exact(p, "last try", MSG_YES);
    assert_int_equal(check(p, 0), ERR_FORMAT);
    type(p, 0, "abcdefghijk");
    assert_string_equal(name, "abcdefg");
    assert_int_equal(check(p, 0), OK);
    field_key(p, &p->field[0], 0x202e, problem, sizeof problem); /* would reverse the row */
    assert_string_not_equal(problem, "");
    type(p, 1, "0");
    assert_int_equal(check(p, 1), ERR_FORMAT);
    assert_int_equal(number, 7);
    field_key(p, &p->field[1], KEY_ERASE_LINE, problem, sizeof problem);
    type(p, 1, "99999999999999999999999");
    assert_int_equal(check(p, 1), ERR_FORMAT);
    field_key(p, &p->field[1], KEY_ERASE_LINE, problem, sizeof problem);
    type(p, 1, "x4");
    assert_int_equal(check(p, 1), OK);
    assert_int_equal(number, 4);
    assert_int_equal(words_put(words, &words_en, &h), OK);
    type(p, 2, words);
    assert_int_equal(check(p, 2), ERR_FORMAT); /* the words of another language */
    field_key(p, &p->field[2], KEY_ERASE_LINE, problem, sizeof problem);
    assert_int_equal(words_put(words, &words_es, &h), OK);
    type(p, 2, words);
    assert_int_equal(check(p, 2), OK);
    type(p, 3, "LAST try");
    assert_int_equal(check(p, 3), OK);
    type(p, 3, "!");
    assert_int_equal(check(p, 3), ERR_FORMAT);
    page_free(p);
}

static struct page *compare_page(struct ui *ui, uint8_t first)
{
    hash_t h = some_hash(first);
    struct page *p = page_new(ui, MSG_HELP_KEYS);
    page_words(p, &h, 1);
    page_field_words(p, &h, MSG_BACK);
    page_action_flags(p, 'g', 1, PAGE_NEEDS_ALL, MSG_GO_ON);
    return p;
}

/* Ticks and words come back with the page, but not for another fingerprint, and not once the gate was passed.
 */
static void test_kept(void **state)
{
    struct ui ui = make_ui(LANGUAGE_EN);
    (void)state;
    struct page *p = compare_page(&ui, 1);
    field_tick(&p->field[0], 80);
    field_tick(&p->field[0], 80);
    assert_int_equal(p->field[0].ticked, 8);
    assert_int_equal(check(p, 0), ERR_FORMAT);
    type(p, 1, "abac");
    page_keep(p, PAGE_BACK);
    page_free(p);
    p = compare_page(&ui, 1);
    page_recall(p);
    assert_int_equal(p->field[0].ticked, 8);
    assert_string_equal(p->field[1].text, "abac");
    page_free(p);
    p = compare_page(&ui, 2);
    page_recall(p);
    assert_int_equal(p->field[0].ticked, 0);
    page_free(p);
    p = compare_page(&ui, 1);
    page_recall(p);
    page_keep(p, 1);
    page_free(p);
    p = compare_page(&ui, 1);
    page_recall(p);
    assert_int_equal(p->field[0].ticked, 0);
    assert_string_equal(p->field[1].text, "");
    page_free(p);
    for (size_t i = 0; i < KEPT_MAX; i++) {
        free(ui.kept[i].title);
        for (size_t k = 0; k < PAGE_FIELDS_MAX; k++)
            free(ui.kept[i].typed[k]);
    }
}

static void test_pin(void **state)
{
    struct ui ui = make_ui(LANGUAGE_EN);
    void *secret;
    (void)state;
    assert_int_equal(secret_alloc(&secret, 9), OK);
    struct page *p = page_new(&ui, MSG_BACK);
    page_field_pin(p, secret, 9, 4, MSG_LINE);
    type(p, 0, "12");
    assert_int_equal(check(p, 0), ERR_FORMAT);
    type(p, 0, "3456789");
    assert_string_equal(secret, "12345678");
    struct rows r;
    rows_init(&r, 40, 0, 0);
    p->focus = 0;
    assert_int_equal(page_layout(&r, p, 1), OK);
    for (size_t i = 0; i < r.count; i++)
        assert_true(r.row[i].text == NULL || strpbrk(r.row[i].text, "12345678") == NULL);
    rows_free(&r);
    page_wipe_pins(p);
    for (size_t i = 0; i < 9; i++)
        assert_int_equal(((char *)secret)[i], 0);
    page_free(p);
    secret_free(secret);
}

/* --- jobs, the child's side --- */

static void test_job_words(void **state)
{
    int pair[2];
    struct job_report r;
    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
    assert_int_equal(job_progress(&pair[1], "phase", 3, 9), OK);
    assert_int_equal(recv(pair[0], &r, sizeof r, 0), sizeof r);
    assert_string_equal(r.what, "phase");
    assert_int_equal(r.done, 3);
    assert_int_equal(send(pair[0], "p", 1, 0), 1);
    assert_int_equal(send(pair[0], "r", 1, 0), 1);
    assert_int_equal(job_progress(&pair[1], "phase", 4, 9), OK);
    assert_int_equal(send(pair[0], "s", 1, 0), 1);
    assert_int_equal(job_progress(&pair[1], "phase", 5, 9), ERR_STOPPED);
    for (int i = 0; i < 1000; i++) /* nobody reads: nothing waits */
        assert_int_equal(job_progress(&pair[1], "phase", 5, 9), OK);
    close(pair[0]);
    assert_int_equal(job_progress(&pair[1], "phase", 6, 9), ERR_STOPPED);
    close(pair[1]);
}

int main(void)
{
    if (secret_init() != OK)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys),     cmocka_unit_test(test_keys_random), cmocka_unit_test(test_layout),
        cmocka_unit_test(test_mistakes), cmocka_unit_test(test_fields),      cmocka_unit_test(test_kept),
        cmocka_unit_test(test_pin),      cmocka_unit_test(test_job_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
