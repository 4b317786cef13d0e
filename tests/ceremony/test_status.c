/* What a board says about where a ceremony stands, with entries on it that want to mislead. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ceremony/status.h"
#include "tests/support/ceremony.h"

static struct fault f;

static uint32_t bit(uint32_t seat)
{
    return UINT32_C(1) << (seat - 1);
}

static struct status *read(struct world *w, uint32_t seat)
{
    struct status *s;
    world_reopen(w);
    const struct party *p = w->roster != NULL ? world_seat(w, seat) : &w->party[0];
    assert_int_equal(status_read_of(&s, &w->m, p->b, w->g, w->roster != NULL ? &w->roster->ceremony : NULL,
                                    &p->t.identity, &f),
                     OK);
    return s;
}

static void assert_stage(struct world *w, enum stage stage)
{
    struct status *s = read(w, 1);
    assert_string_equal(stage_name(s->stage), stage_name(stage));
    status_free(s);
}

static void test_stages(void **state)
{
    (void)state;
    struct world *w = world_new(3, 2, 2, 1);
    struct status *s;
    size_t count;
    assert_stage(w, STAGE_ENROLL);
    world_enroll(w);
    assert_stage(w, STAGE_ROSTER);
    world_roster(w);
    assert_stage(w, STAGE_DEAL);
    world_deal(w, 3);
    s = read(w, 1);
    assert_int_equal(s->stage, STAGE_DEAL);
    assert_int_equal(s->seat[2].deal_error, ERR_MISSING);
    assert_true(s->seat[1].dealt);
    status_free(s);
    world_deal(w, ALL);
    assert_stage(w, STAGE_CUT);
    evil_complaint(w, 3, 1);
    s = read(w, 1);
    assert_int_equal(s->stage, STAGE_COMPLAIN);
    assert_int_equal(s->seat[0].complaints, bit(3));
    status_free(s);
    assert_int_equal(reveal_make(&world_seat(w, 1)->t, w->roster, &count, &f), OK);
    world_cut(w, 0);
    assert_stage(w, STAGE_CONFIRM);
    world_confirm(w, 3);
    s = read(w, 1);
    assert_int_equal(s->stage, STAGE_CONFIRM);
    assert_int_equal(s->seat[2].confirm_error, ERR_MISSING);
    status_free(s);
    world_confirm(w, ALL);
    assert_stage(w, STAGE_RELEASED);
    /* Late evidence does not take it back. */
    evil_complaint(w, 3, 2);
    assert_stage(w, STAGE_RELEASED);
    world_free(w);
}

/* One seat proposes a cut without the others, confirms it, and lets accomplices do so: nobody is led to it.
 */
static void test_cut_of_a_few(void **state)
{
    (void)state;
    struct world *w = world_new(5, 3, 0, 1);
    struct cut few;
    struct cbor_out st = CBOR_OUT_INIT;
    world_to_deal(w);
    world_cut(w, 0);
    assert_int_equal(cut_make(&few, w->party[0].b, w->roster, bit(4) | bit(5), &f), OK);
    assert_int_equal(cut_sign(&world_seat(w, 1)->t, w->roster, &few, &f), OK);
    for (uint32_t j = 1; j <= 2; j++) {
        cbor_put_uint(&st, j);
        evil_post(w, j, ENTRY_CONFIRM, &few.hash, &st, NULL);
    }
    struct status *s = read(w, 4);
    assert_true(s->has_cut);
    assert_memory_equal(&s->cut.hash, &w->cut.hash, HASH_LEN);
    assert_int_equal(s->stage, STAGE_CONFIRM);
    status_free(s);
    /* Who signed it too is led there. */
    assert_int_equal(cut_sign(&world_seat(w, 3)->t, w->roster, &few, &f), OK);
    s = read(w, 3);
    assert_memory_equal(&s->cut.hash, &few.hash, HASH_LEN);
    status_free(s);
    cut_free(&few);
    world_confirm(w, ALL);
    assert_stage(w, STAGE_RELEASED);
    world_free(w);
}

/* A stalled holder is cut out: the second cut is the one shown when it is confirmed. */
static void test_second_cut(void **state)
{
    (void)state;
    struct world *w = world_new(4, 2, 0, 1);
    world_to_deal(w);
    world_cut(w, 0);
    world_confirm(w, 7);
    assert_stage(w, STAGE_CONFIRM);
    world_cut(w, bit(4));
    for (uint32_t j = 1; j <= 3; j++)
        assert_int_equal(cut_sign(&world_seat(w, j)->t, w->roster, &w->cut, &f), OK);
    struct status *s = read(w, 2);
    assert_memory_equal(&s->cut.hash, &w->cut.hash, HASH_LEN);
    status_free(s);
    world_confirm(w, ALL);
    s = read(w, 4);
    assert_int_equal(s->stage, STAGE_RELEASED);
    assert_memory_equal(&s->cut.hash, &w->cut.hash, HASH_LEN);
    assert_int_equal(s->outcome.holders, 7);
    status_free(s);
    world_free(w);
}

/* A roster signed by nobody in it is no roster; a second real one is a reason to stop. */
static void test_rosters(void **state)
{
    (void)state;
    struct world *w = world_new(3, 2, 0, 1);
    struct softkeys *out = softkeys_new("Out", "0");
    struct cbor_out st = CBOR_OUT_INIT;
    struct roster r;
    struct status *s;
    softkeys_add(out);
    struct signer signer = softkeys_signer(out, 0);
    world_enroll(w);
    assert_int_equal(roster_make(&r, &w->m, w->party[0].b, w->g, NULL, 0, &f), OK);
    roster_statement(&st, &r);
    evil_post_as(w, &signer, ENTRY_ROSTER, &r.ceremony, NULL, &st, NULL);
    s = read(w, 1);
    assert_false(s->has_roster);
    status_free(s);
    /* An outsider's whole ceremony beside the real one. */
    struct world *fake = world_new(3, 2, 0, 1);
    fake->m.election = w->m.election;
    for (uint32_t i = 0; i < 3; i++)
        fake->party[i].b->election = w->m.election;
    world_roster(w);
    world_to_record(fake);
    board_inject(w->party[0].b, fake->party[0].dir);
    s = read(w, 1);
    assert_int_equal(s->stage, STAGE_DEAL);
    assert_false(s->rosters_differ);
    status_free(s);
    assert_int_equal(status_read(&s, &w->m, w->party[0].b, w->g, &f), OK);
    assert_true(s->rosters_differ);
    status_free(s);
    world_free(fake);
    softkeys_free(out);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stages),
        cmocka_unit_test(test_cut_of_a_few),
        cmocka_unit_test(test_second_cut),
        cmocka_unit_test(test_rosters),
    };
    return cmocka_run_group_tests(tests, secrets_setup, NULL);
}
