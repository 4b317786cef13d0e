#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ui/words.h"

static hash_t sample(unsigned i)
{
    hash_t h;
    char text[32];
    snprintf(text, sizeof text, "sample %u", i);
    hash_one(&h, text, strlen(text));
    return h;
}

static int differ_by_one(const char *a, const char *b)
{
    size_t la = strlen(a), lb = strlen(b), i = 0;
    if (la > lb)
        return differ_by_one(b, a);
    while (i < la && a[i] == b[i])
        i++;
    return lb == la ? i < la && strcmp(a + i + 1, b + i + 1) == 0
                    : lb == la + 1 && strcmp(a + i, b + i + 1) == 0;
}

static void check_list(const struct word_list *list)
{
    for (int i = 0; i < WORDS_LIST_COUNT; i++) {
        const char *w = list->word[i];
        assert_non_null(w);
        assert_in_range(strlen(w), 4, WORDS_WORD_MAX);
        assert_int_equal(strspn(w, "abcdefghijklmnopqrstuvwxyz"), strlen(w));
        if (i > 0) {
            assert_true(strcmp(list->word[i - 1], w) < 0);
            assert_int_not_equal(strncmp(list->word[i - 1], w, 4), 0);
        }
    }
    for (int i = 0; i < WORDS_LIST_COUNT; i++)
        for (int j = i + 1; j < WORDS_LIST_COUNT; j++)
            if (differ_by_one(list->word[i], list->word[j]))
                fail_msg("too alike: %s %s", list->word[i], list->word[j]);
}

static void test_list(void **state)
{
    (void)state;
    check_list(&words_en);
    check_list(&words_es);
}

static void hash_list(char hex[2 * HASH_LEN + 1], const struct word_list *list)
{
    struct hash_ctx c;
    hash_t h;
    hash_init(&c);
    for (int i = 0; i < WORDS_LIST_COUNT; i++) {
        hash_add(&c, list->word[i], strlen(list->word[i]));
        hash_add(&c, "\n", 1);
    }
    hash_end(&c, &h);
    hex_put(hex, h.b, HASH_LEN);
}

/* The order is part of the format: this fails when a word is changed. */
static void test_list_is_frozen(void **state)
{
    char hex[2 * HASH_LEN + 1];
    (void)state;
    hash_list(hex, &words_en);
    assert_string_equal(hex, "de8e86b3257e2af8ef9cfd4a534d01faf6a77d9d9652e13319a0615569d71a85");
    hash_list(hex, &words_es);
    assert_string_equal(hex, "1b5cd161fcaaff0574e72d02db638b23e22ec506dd5203b98398af9b6341e3bf");
}

/* Words of both languages stand for the same number, each read with its own list. */
static void test_languages_agree(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 200; i++) {
        hash_t h = sample(i);
        char en[WORDS_TEXT_SIZE], es[WORDS_TEXT_SIZE];
        uint8_t a[WORDS_PREFIX_LEN], b[WORDS_PREFIX_LEN];
        assert_int_equal(words_put(en, &words_en, &h), OK);
        assert_int_equal(words_put(es, &words_es, &h), OK);
        assert_int_equal(words_get(a, &words_en, en, NULL), OK);
        assert_int_equal(words_get(b, &words_es, es, NULL), OK);
        assert_memory_equal(a, b, sizeof a);
        assert_int_not_equal(words_match(&words_en, &h, es, NULL), OK);
    }
}

static void test_known(void **state)
{
    hash_t zero = {{0}}, ones, counting;
    char text[WORDS_TEXT_SIZE];
    (void)state;
    memset(&ones, 0xff, sizeof ones);
    assert_int_equal(words_put(text, &words_en, &zero), OK);
    assert_string_equal(text,
                        "aardvark aardvark aardvark aardvark aardvark aardvark aardvark aardvark aardvark "
                        "aardvark aardvark aardvark aardvark aardvark aardvark aardvark triangle");
    assert_int_equal(words_put(text, &words_en, &ones), OK);
    assert_string_equal(text,
                        "zucchini zucchini zucchini zucchini zucchini zucchini zucchini zucchini zucchini "
                        "zucchini zucchini zucchini zucchini zucchini zucchini zucchini immune");
    for (int i = 0; i < HASH_LEN; i++)
        counting.b[i] = (uint8_t)i;
    assert_int_equal(words_put(text, &words_en, &counting), OK);
    assert_string_equal(text, "aardvark amethyst knee amethyst exist adjust broccoli bugle apex "
                              "gargoyle drift botany abroad lukewarm ensure latch possible");
}

static void test_round_trip(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2000; i++) {
        hash_t h = sample(i);
        char text[WORDS_TEXT_SIZE];
        uint8_t prefix[WORDS_PREFIX_LEN];
        assert_int_equal(words_put(text, &words_en, &h), OK);
        assert_int_equal(words_get(prefix, &words_en, text, NULL), OK);
        assert_memory_equal(prefix, h.b, WORDS_PREFIX_LEN);
        assert_int_equal(words_match(&words_en, &h, text, NULL), OK);
    }
}

/* Writes the words of h in another form: each cut to cut letters, upper case, given separator. */
static void retell(char *out, const char *text, size_t cut, int upper, const char *sep)
{
    char *p = out;
    size_t n = 0;
    for (; *text != '\0'; text++) {
        if (*text == ' ') {
            p = stpcpy(p, sep);
            n = 0;
        } else if (n++ < cut) {
            *p++ = (char)(upper ? toupper((unsigned char)*text) : *text);
        }
    }
    *p = '\0';
}

static void test_forms(void **state)
{
    static const char *const seps[] = {" ", "-", "\n", "\r\n \t", "  -  ", "\xc2\xa0", "\xe2\x80\x83", "\v"};
    hash_t h = sample(7);
    char text[WORDS_TEXT_SIZE], other[WORDS_INPUT_MAX + 1], framed[WORDS_INPUT_MAX + 64];
    (void)state;
    assert_int_equal(words_put(text, &words_en, &h), OK);
    for (size_t s = 0; s < sizeof seps / sizeof seps[0]; s++) {
        for (size_t cut = 4; cut <= 8; cut++) {
            for (int upper = 0; upper < 2; upper++) {
                retell(other, text, cut, upper, seps[s]);
                snprintf(framed, sizeof framed, "%s%s%s", seps[s], other, seps[s]);
                assert_int_equal(words_match(&words_en, &h, framed, NULL), OK);
            }
        }
    }
    retell(other, text, 3, 0, " ");
    assert_int_equal(words_match(&words_en, &h, other, NULL), ERR_FORMAT);
    retell(other, text, 8, 0, "");
    assert_int_equal(words_match(&words_en, &h, other, NULL), ERR_FORMAT);
}

static void test_wrong(void **state)
{
    hash_t h = sample(8), other = sample(9);
    char text[WORDS_TEXT_SIZE], bad[2 * WORDS_INPUT_MAX];
    uint8_t prefix[WORDS_PREFIX_LEN], zero[WORDS_PREFIX_LEN] = {0};
    struct fault f;
    (void)state;
    assert_int_equal(words_put(text, &words_en, &h), OK);

    assert_int_equal(words_match(&words_en, &other, text, &f), ERR_MISMATCH);
    assert_non_null(strstr(f.detail, "word 1 "));
    snprintf(bad, sizeof bad, "%s zebra", text);
    assert_int_equal(words_get(prefix, &words_en, bad, &f), ERR_TRAILING);
    snprintf(bad, sizeof bad, "%.*s", (int)(strrchr(text, ' ') - text), text);
    assert_int_equal(words_get(prefix, &words_en, bad, &f), ERR_TRUNCATED);
    assert_int_equal(words_get(prefix, &words_en, "", &f), ERR_TRUNCATED);
    assert_int_equal(words_get(prefix, &words_en, " - \n", &f), ERR_TRUNCATED);
    assert_int_equal(words_get(prefix, &words_en, "zebra abacus qwertz", &f), ERR_FORMAT);
    assert_non_null(strstr(f.detail, "word 3 "));
    assert_null(strstr(f.detail, "qwertz"));
    assert_int_equal(words_get(prefix, &words_en, "zebras", &f), ERR_FORMAT);
    assert_int_equal(words_get(prefix, &words_en, "zebra\xff", &f), ERR_TEXT);
    assert_int_equal(words_get(prefix, &words_en, "\xc3\xa9lan", &f), ERR_FORMAT);
    memset(bad, 'a', sizeof bad - 1);
    bad[sizeof bad - 1] = '\0';
    assert_int_equal(words_get(prefix, &words_en, bad, &f), ERR_LIMIT);
    bad[1000] = '\0';
    assert_int_equal(words_get(prefix, &words_en, bad, &f), ERR_FORMAT);
    assert_memory_equal(prefix, zero, sizeof zero);
}

/* Another word in each of the 17 places: the check word catches all but about 1 in 2048. */
static void test_check_word(void **state)
{
    unsigned tried = 0, missed = 0;
    (void)state;
    for (unsigned i = 0; i < 200; i++) {
        hash_t h = sample(i);
        char text[WORDS_TEXT_SIZE];
        assert_int_equal(words_put(text, &words_en, &h), OK);
        for (unsigned place = 0; place < WORDS_COUNT; place++) {
            char bad[2 * WORDS_TEXT_SIZE] = "", copy[WORDS_TEXT_SIZE], *save = NULL;
            uint8_t prefix[WORDS_PREFIX_LEN];
            memcpy(copy, text, sizeof copy);
            unsigned n = 0;
            for (char *w = strtok_r(copy, " ", &save); w != NULL; w = strtok_r(NULL, " ", &save)) {
                const char *put = n++ == place ? words_en.word[(i * 31 + place * 7) % WORDS_LIST_COUNT] : w;
                strcat(strcat(bad, put), " ");
            }
            if (words_match(&words_en, &h, bad, NULL) == OK)
                continue; /* the replacement was the same word */
            tried++;
            err_t e = words_get(prefix, &words_en, bad, NULL);
            missed += e == OK;
            assert_true(e == OK || e == ERR_MISMATCH);
        }
    }
    assert_true(tried > 3000);
    assert_true(missed < 20);
}

static void test_anchor(void **state)
{
    hash_t h = sample(1);
    char text[WORDS_TEXT_SIZE], hex[2 * HASH_LEN + 1], form[200];
    (void)state;
    assert_int_equal(words_put(text, &words_en, &h), OK);
    hex_put(hex, h.b, HASH_LEN);
    assert_int_equal(words_anchor_match(&words_en, &h, text, NULL), OK);
    assert_int_equal(words_anchor_match(&words_en, &h, hex, NULL), OK);
    snprintf(form, sizeof form, " %s\n", hex);
    for (char *p = form; *p != '\0'; p++)
        *p = (char)toupper((unsigned char)*p);
    assert_int_equal(words_anchor_match(&words_en, &h, form, NULL), OK);
    hex[63] = hex[63] == '0' ? '1' : '0';
    assert_int_equal(words_anchor_match(&words_en, &h, hex, NULL), ERR_MISMATCH);
    hex[63] = '\0';
    assert_int_equal(words_anchor_match(&words_en, &h, hex, NULL), ERR_FORMAT);
    assert_int_equal(words_anchor_match(&words_en, &h, "", NULL), ERR_TRUNCATED);
}

static void test_random_text(void **state)
{
    (void)state;
    srand(1);
    for (int i = 0; i < 20000; i++) {
        char text[300];
        uint8_t prefix[WORDS_PREFIX_LEN];
        size_t n = (size_t)rand() % (sizeof text - 1);
        for (size_t k = 0; k < n; k++)
            text[k] = (char)(rand() % 4 == 0 ? " -\n\xc2"[rand() % 4] : rand() % 255 + 1);
        text[n] = '\0';
        assert_int_not_equal(words_get(prefix, &words_en, text, NULL), OK);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_list_is_frozen),
        cmocka_unit_test(test_languages_agree),
        cmocka_unit_test(test_known),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_wrong),
        cmocka_unit_test(test_check_word),
        cmocka_unit_test(test_anchor),
        cmocka_unit_test(test_random_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
