#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "ceremony/base/text.h"
#include "ui/messages_list.h"

/* The places {1} to {9} in a text, as bits. */
static unsigned places(const char *s)
{
    unsigned seen = 0;
    for (; *s != '\0'; s++)
        if (s[0] == '{' && s[1] >= '1' && s[1] <= '9' && s[2] == '}')
            seen |= 1u << (s[1] - '0');
    return seen;
}

static void test_complete(void **state)
{
    (void)state;
    for (int id = 0; id < MESSAGE_COUNT; id++) {
        const char *en = message_text(LANGUAGE_EN, (enum message)id);
        assert_non_null(en);
        for (int l = 0; l < LANGUAGE_COUNT; l++) {
            const char *text = message_text((enum language)l, (enum message)id);
            assert_non_null(text);
            assert_true(text[0] != '\0');
            if (places(text) != places(en))
                fail_msg("other places in \"%s\" than in \"%s\"", text, en);
        }
    }
}

/* No place is left out: {1} {3} would hide an argument. */
static void test_places_in_order(void **state)
{
    (void)state;
    for (int id = 0; id < MESSAGE_COUNT; id++) {
        unsigned seen = places(message_text(LANGUAGE_EN, (enum message)id)) >> 1;
        if ((seen & (seen + 1)) != 0)
            fail_msg("a place is missing in \"%s\"", message_text(LANGUAGE_EN, (enum message)id));
    }
}

static void test_printable(void **state)
{
    (void)state;
    for (int l = 0; l < LANGUAGE_COUNT; l++) {
        for (int id = 0; id < MESSAGE_COUNT; id++) {
            const char *text = message_text((enum language)l, (enum message)id);
            for (const char *s = text; *s != '\0';) {
                size_t n = strcspn(s, "\n");
                if (text_check(s, n) != OK)
                    fail_msg("not printable: \"%s\"", text);
                s += n + (s[n] == '\n');
            }
        }
    }
}

static void test_errors(void **state)
{
    (void)state;
#define X(id, class, what, todo)                                                                             \
    assert_string_equal(message_error_meaning(LANGUAGE_EN, id), err_meaning(id));                            \
    assert_string_equal(message_error_advice(LANGUAGE_EN, id), err_advice(id));                              \
    assert_non_null(message_error_meaning(LANGUAGE_ES, id));                                                 \
    assert_int_equal(message_error_advice(LANGUAGE_ES, id)[0] == '\0', err_advice(id)[0] == '\0');           \
    assert_string_not_equal(message_error_meaning(LANGUAGE_ES, id), err_meaning(id));
    ERR_LIST(X)
#undef X
}

static void test_arguments(void **state)
{
    char out[64];
    const char *two[] = {"a\x1b[2J\nb", "2"}, *three[] = {"1", "2", "3"};
    (void)state;
    assert_int_equal(message_format(out, sizeof out, LANGUAGE_EN, MSG_JOB_COUNT, two, 2), OK);
    assert_string_equal(out, "a?[2J\nb of 2");
    assert_int_equal(message_format(out, sizeof out, LANGUAGE_ES, MSG_JOB_COUNT, three, 2), OK);
    assert_string_equal(out, "1 de 2");
    assert_int_equal(message_format(out, sizeof out, LANGUAGE_EN, MSG_JOB_COUNT, two, 1), ERR_BUG);
    assert_string_equal(out, "a?[2J\nb of ?");
    assert_int_equal(message_format(out, sizeof out, LANGUAGE_EN, MSG_JOB_COUNT, three, 3), ERR_BUG);
    assert_int_equal(message_format(out, sizeof out, LANGUAGE_EN, MESSAGE_COUNT, NULL, 0), ERR_BUG);
    assert_int_equal(message_format(out, 4, LANGUAGE_EN, MSG_JOB_COUNT, three, 2), OK);
    assert_string_equal(out, "1 o");
}

static void test_clean(void **state)
{
    char out[16];
    (void)state;
    message_clean(out, sizeof out, "e\xcc\x81\tb\x07");
    assert_string_equal(out, "\xc3\xa9 b?");
    message_clean(out, sizeof out, "a\xe2\x80\xae\xff");
    assert_string_equal(out, "a??");
    message_clean(out, 4, "ab\xc3\xa9");
    assert_string_equal(out, "ab"); /* cut at a character */
}

static void test_fault(void **state)
{
    struct fault f;
    char out[512];
    (void)state;
    fault_clear(&f);
    fault_set(&f, ERR_PROOF, "ballot 7");
    snprintf(f.file, sizeof f.file, "x.cbor");
    f.at = 12;
    message_fault(out, sizeof out, LANGUAGE_EN, &f);
    assert_string_equal(out, "x.cbor, byte 12: a zero-knowledge proof does not verify: ballot 7. "
                             "To do: refuse it and name its author. [ERR_PROOF]");
    message_fault(out, sizeof out, LANGUAGE_ES, &f);
    assert_non_null(strstr(out, "una prueba de conocimiento cero"));
}

/* Sentences of the program: with what it found in their places, and within one another. */
static void test_detail(void **state)
{
    char out[512];
    struct fault f;
    (void)state;
    assert_int_equal(message_detail(out, sizeof out, LANGUAGE_ES, "the generator repeats itself"), 1);
    assert_string_equal(out, "el generador se repite");
    assert_int_equal(
        message_detail(out, sizeof out, LANGUAGE_ES,
                       "plan-sum: contest mayor: the sum is not that of the records, option (0)"),
        1);
    assert_string_equal(out,
                        "plan-sum: votaci\u00f3n mayor: la suma no es la de los registros, opci\u00f3n (0)");
    assert_int_equal(message_detail(out, sizeof out, LANGUAGE_ES, "ballot 12: its proofs do not verify"), 1);
    assert_string_equal(out, "papeleta 12: sus pruebas no se verifican");
    assert_int_equal(
        message_detail(out, sizeof out, LANGUAGE_ES, "3 of 12 ballots that are left out are in the export"),
        1);
    assert_string_equal(out, "3 de 12 papeletas que quedan fuera est\u00e1n en la exportaci\u00f3n");
    /* an empty place, text before and behind: not that sentence */
    assert_int_equal(message_detail(out, sizeof out, LANGUAGE_ES, "cannot be read: "), 0);
    assert_int_equal(message_detail(out, sizeof out, LANGUAGE_ES, "it cannot be read"), 0);
    assert_int_equal(message_detail(out, sizeof out, LANGUAGE_ES, "cannot be read now"), 0);
    assert_string_equal(out, "cannot be read now");
    assert_int_equal(message_detail(out, sizeof out, LANGUAGE_ES, ""), 0);
    message_detail_text(out, sizeof out, LANGUAGE_ES, "cannot be read\x1b[2J now");
    assert_string_equal(out, "Detalle t\u00e9cnico (en ingl\u00e9s): cannot be read?[2J now");
    message_detail_text(out, 12, LANGUAGE_ES, "the generator repeats itself");
    assert_string_equal(out, "el generado");
    assert_int_equal(message_detail(out, sizeof out, LANGUAGE_EN, "whatever\x07"), 1);
    assert_string_equal(out, "whatever?");
    fault_clear(&f);
    fault_set(&f, ERR_SUM, "something new");
    message_fault(out, sizeof out, LANGUAGE_ES, &f);
    assert_string_equal(
        out, "una suma no es la suma de sus partes. Qu\u00e9 hacer: rech\u00e1cela y nombre a su autor. "
             "Detalle t\u00e9cnico (en ingl\u00e9s): something new. [ERR_SUM]");
    fault_set(&f, ERR_SUM, "it is the result of another plan");
    message_fault(out, sizeof out, LANGUAGE_ES, &f);
    assert_string_equal(out,
                        "una suma no es la suma de sus partes: es el resultado de otro plan. Qu\u00e9 hacer: "
                        "rech\u00e1cela y nombre a su autor. [ERR_SUM]");
}

/* Both sides of a sentence have the same places, in use from the first one on, and say something. */
static void test_details(void **state)
{
    (void)state;
    for (int l = 0; l < LANGUAGE_COUNT; l++) {
        const struct message_list *list = message_list_of((enum language)l);
        for (size_t i = 0; i < list->details; i++) {
            unsigned here = places(list->detail[i].english);
            if (places(list->detail[i].said) != here || (here >> 1 & ((here >> 1) + 1)) != 0)
                fail_msg("places of \"%s\"", list->detail[i].english);
            assert_int_equal(text_check(list->detail[i].said, strlen(list->detail[i].said)), OK);
        }
    }
    assert_int_equal(message_list_of(LANGUAGE_EN)->details, 0);
    assert_true(message_list_of(LANGUAGE_ES)->details > 150);
}

static void test_languages(void **state)
{
    enum language l;
    (void)state;
    assert_int_equal(language_find(&l, "es_MX.UTF-8"), OK);
    assert_int_equal(l, LANGUAGE_ES);
    assert_int_equal(language_find(&l, "EN"), OK);
    assert_int_equal(l, LANGUAGE_EN);
    assert_int_equal(language_find(&l, "est"), ERR_UNKNOWN);
    assert_int_equal(language_find(&l, NULL), ERR_UNKNOWN);
    assert_ptr_equal(language_words(LANGUAGE_ES), &words_es);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_complete),  cmocka_unit_test(test_places_in_order),
        cmocka_unit_test(test_printable), cmocka_unit_test(test_errors),
        cmocka_unit_test(test_arguments), cmocka_unit_test(test_clean),
        cmocka_unit_test(test_fault),     cmocka_unit_test(test_detail),
        cmocka_unit_test(test_details),   cmocka_unit_test(test_languages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
