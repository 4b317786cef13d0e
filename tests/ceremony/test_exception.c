/* Exceptions: what may be noted, that many can be, and that nothing else than text gets onto a board. */
#include <time.h>

#include "tests/support/unit.h"

#include "ceremony/exception.h"
#include "tests/support/ceremony.h"

static struct fault f;

struct seen {
    size_t count;
    char text[8][EXCEPTION_TEXT_MAX + 1], author[8][TEXT_TITLE_MAX + 1];
    uint64_t time[8];
};

static err_t see(void *ctx, const struct exception_shown *x, struct fault *fault)
{
    struct seen *s = ctx;
    (void)fault;
    assert_true(s->count < 8);
    strcpy(s->text[s->count], x->what.text);
    strcpy(s->author[s->count], x->author);
    s->time[s->count++] = x->what.time;
    return OK;
}

static void test_noted_before_and_after_the_roster(void **state)
{
    (void)state;
    struct world *w = world_new(3, 2, 0, 1);
    struct seen s = {0};
    hash_t zero = {{0}};
    const struct entry *e, *other;
    world_enroll(w);
    struct trustee *t = &w->party[0].t;
    assert_err(exception_make(t, "The seal of the room was broken at 09:10", &f), OK);
    assert_err(board_find(t->b, &e, NULL, ENTRY_EXCEPTION, &zero, &t->identity, NULL), OK);
    assert_non_null(e);
    world_roster(w);
    t = &w->party[0].t;
    assert_err(exception_make(t, "Zwölf statt elf Beobachter", &f), OK);
    assert_err(board_find(t->b, &e, &other, ENTRY_EXCEPTION, &w->roster->ceremony, &t->identity, NULL), OK);
    assert_non_null(e);
    hash_t subject = e->subject;
    world_reopen(w);
    assert_int_equal(w->party[1].b->refused_count, 0);
    assert_err(exception_each(w->party[1].b, &w->m, w->g, see, &s, &f), OK);
    assert_int_equal(s.count, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_true(s.time[i] <= (uint64_t)time(NULL) && s.time[i] > 1600000000);
        assert_string_equal(s.author[i], s.author[0]);
        assert_string_not_equal(s.author[i], "");
    }
    /* two are no equivocation */
    assert_err(board_find(w->party[1].b, &e, &other, ENTRY_EXCEPTION, NULL, NULL, &subject), OK);
    world_free(w);
}

static void test_the_ceremony_goes_on(void **state)
{
    (void)state;
    struct world *w = world_new(3, 2, 0, 1);
    world_to_deal(w);
    assert_err(exception_make(&world_seat(w, 2)->t, "Power was off for a minute", &f), OK);
    world_cut(w, 0);
    world_confirm(w, ALL);
    world_record(w);
    assert_non_null(w->record);
    world_free(w);
}

static void test_texts_refused(void **state)
{
    (void)state;
    struct world *w = world_new(2, 2, 0, 1);
    char text[EXCEPTION_TEXT_MAX + 2];
    world_enroll(w);
    struct trustee *t = &w->party[0].t;
    size_t before = t->b->entry_count;
    assert_err(exception_make(t, "", &f), ERR_LIMIT);
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    assert_err(exception_make(t, text, &f), ERR_LIMIT);
    assert_err(exception_make(t, "two\nlines", &f), ERR_TEXT);
    assert_err(exception_make(t, "\033[2J", &f), ERR_TEXT);
    assert_int_equal(t->b->entry_count, before);
    text[EXCEPTION_TEXT_MAX] = '\0';
    assert_err(exception_make(t, text, &f), OK);
    world_free(w);
}

/* Entries that an author made with another program. */
static err_t made(struct world *w, struct cbor_out *st, int right_subject)
{
    struct signer signer = softkeys_signer(w->party[0].token, 0);
    struct entry *e;
    hash_t subject = {{1}};
    if (right_subject)
        assert_err(exception_subject(&subject, &w->m.election, st->data, st->len), OK);
    err_t err = entry_make(&e, ENTRY_EXCEPTION, &w->m.election, NULL, &subject, st, NULL, &signer, &f);
    if (err == OK)
        entry_free(e);
    cbor_out_free(st);
    return err;
}

static void test_forms_refused(void **state)
{
    (void)state;
    struct world *w = world_new(2, 2, 0, 1);
    struct cbor_out st = CBOR_OUT_INIT;
    world_enroll(w);
    exception_statement(&st, 5, "good");
    assert_err(made(w, &st, 1), OK);
    exception_statement(&st, 5, "good");
    assert_err(made(w, &st, 0), ERR_MISMATCH);
    exception_statement(&st, 5, "");
    assert_err(made(w, &st, 1), ERR_LIMIT);
    exception_statement(&st, 5, "bell\a");
    assert_err(made(w, &st, 1), ERR_TEXT);
    exception_statement(&st, (UINT64_C(1) << 40) + 1, "late");
    assert_err(made(w, &st, 1), ERR_LIMIT);
    cbor_put_array(&st, 1);
    cbor_put_text(&st, "no time");
    assert_err(made(w, &st, 1), ERR_FORMAT);
    exception_statement(&st, 5, "more");
    cbor_put_uint(&st, 1);
    assert_err(made(w, &st, 1), ERR_TRAILING);
    world_free(w);
}

/* Who never enrolled can note something, too, and has no name. */
static void test_unknown_author(void **state)
{
    (void)state;
    struct world *w = world_new(2, 2, 0, 1);
    struct softkeys *out = softkeys_new("Out", "0");
    struct cbor_out st = CBOR_OUT_INIT;
    struct seen s = {0};
    hash_t subject;
    softkeys_add(out);
    struct signer signer = softkeys_signer(out, 0);
    exception_statement(&st, 7, "I was here");
    assert_err(exception_subject(&subject, &w->m.election, st.data, st.len), OK);
    evil_post_as(w, &signer, ENTRY_EXCEPTION, NULL, &subject, &st, NULL);
    assert_err(exception_each(w->party[0].b, &w->m, w->g, see, &s, &f), OK);
    assert_int_equal(s.count, 1);
    assert_string_equal(s.author[0], "");
    assert_int_equal(s.time[0], 7);
    world_free(w);
    softkeys_free(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_noted_before_and_after_the_roster),
        cmocka_unit_test(test_the_ceremony_goes_on),
        cmocka_unit_test(test_texts_refused),
        cmocka_unit_test(test_forms_refused),
        cmocka_unit_test(test_unknown_author),
    };
    return cmocka_run_group_tests(tests, secrets_setup, NULL);
}
