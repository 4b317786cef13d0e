/* The token fails at each call of each phase in turn: the named error, nothing half-written, and the
 * repetition gives what an undisturbed run gives. Also a token that answers, but wrongly. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ceremony/base/secret.h"
#include "tests/support/ceremony.h"

static struct fault f;

struct phase {
    const char *name;
    err_t (*run)(struct world *w, struct trustee *t, struct fault *f);
    enum entry_kind kind; /* what it puts on the board */
    void (*before)(struct world *w);
};

static err_t run_enroll(struct world *w, struct trustee *t, struct fault *out)
{
    (void)w;
    return enroll_make(t, "Trustee 0", "Somewhere", out);
}

static err_t run_roster(struct world *w, struct trustee *t, struct fault *out)
{
    return roster_sign(t, w->roster, out);
}

static err_t run_deal(struct world *w, struct trustee *t, struct fault *out)
{
    return deal_make(t, w->roster, out);
}

static err_t run_complaint(struct world *w, struct trustee *t, struct fault *out)
{
    uint32_t bad, missing;
    TRY(shares_check(t, w->roster, &bad, &missing, out));
    return complaint_make(t, w->roster, bad, out);
}

static err_t run_reveal(struct world *w, struct trustee *t, struct fault *out)
{
    size_t count;
    return reveal_make(t, w->roster, &count, out);
}

static err_t run_cut(struct world *w, struct trustee *t, struct fault *out)
{
    return cut_sign(t, w->roster, &w->cut, out);
}

static err_t run_confirm(struct world *w, struct trustee *t, struct fault *out)
{
    return confirm_make(t, w->roster, &w->cut, out);
}

static const hash_t challenge = {{2}};

/* One unit; the same ciphertexts each time, or the statement would differ. */
static struct target *plan_targets_of(struct world *w, struct plan_file *plan)
{
    struct target *x = targets_make(w, 1, 2, 0);
    for (size_t o = 0; o < 2; o++)
        x[0].A[o] = x[0].B[o] = w->record->seat[o].S;
    *plan = plan_for(w, x, 1, NULL, 1);
    return x;
}

static err_t run_drill(struct world *w, struct trustee *t, struct fault *out)
{
    return drill_make(t, w->record, &challenge, out);
}

static err_t run_plan(struct world *w, struct trustee *t, struct fault *out)
{
    struct plan_file plan;
    struct target *x = plan_targets_of(w, &plan);
    err_t e = plan_sign(t, w->record, &plan, NULL, 0, out);
    targets_free(x, 1);
    plan_file_free(&plan);
    return e;
}

static err_t run_decrypt(struct world *w, struct trustee *t, struct fault *out)
{
    struct plan_file plan;
    struct target *x = plan_targets_of(w, &plan);
    err_t e = decrypt_make(t, w->record, &plan, x, 1, out);
    targets_free(x, 1);
    plan_file_free(&plan);
    return e;
}

static void before_roster(struct world *w)
{
    world_enroll(w);
    w->roster = calloc(1, sizeof *w->roster);
    assert_int_equal(roster_make(w->roster, &w->m, w->party[0].b, w->g, NULL, 0, &f), OK);
    for (uint32_t i = 0; i < w->n; i++)
        w->party_of[roster_seat(w->roster, &w->party[i].t.identity) - 1] = i;
}

static void before_deal(struct world *w)
{
    world_enroll(w);
    world_roster(w);
}

/* The dealer that is not party 0 is bad to it, and everybody else deals. */
static void before_complaint(struct world *w)
{
    before_deal(w);
    uint32_t me = roster_seat(w->roster, &w->party[0].t.identity), dealer = me % w->n + 1;
    world_deal(w, ALL & ~(UINT32_C(1) << (dealer - 1)));
    evil_deal(w, dealer, &(struct evil_deal){.victims = UINT32_C(1) << (me - 1), .how = SHARE_OFF});
    world_exchange(w);
}

static void before_reveal(struct world *w)
{
    world_to_deal(w);
    uint32_t me = roster_seat(w->roster, &w->party[0].t.identity);
    evil_complaint(w, me % w->n + 1, me);
    world_exchange(w);
}

static void before_cut(struct world *w)
{
    world_to_deal(w);
    assert_int_equal(cut_make(&w->cut, w->party[0].b, w->roster, 0, &f), OK);
}

static void before_confirm(struct world *w)
{
    world_to_deal(w);
    world_cut(w, 0);
}

static void before_decrypt(struct world *w)
{
    world_to_record(w);
    assert_int_equal(run_plan(w, &w->party[0].t, &f), OK);
}

static const struct phase phases[] = {
    {"enroll", run_enroll, ENTRY_ENROLL, NULL},
    {"roster", run_roster, ENTRY_ROSTER, before_roster},
    {"deal", run_deal, ENTRY_DEAL, before_deal},
    {"complaint", run_complaint, ENTRY_COMPLAINT, before_complaint},
    {"reveal", run_reveal, ENTRY_REVEAL, before_reveal},
    {"cut", run_cut, ENTRY_CUT, before_cut},
    {"confirm", run_confirm, ENTRY_CONFIRM, before_confirm},
    {"drill", run_drill, ENTRY_DRILL, world_to_record},
    {"plan", run_plan, ENTRY_PLAN, world_to_record},
    {"partial", run_decrypt, ENTRY_PARTIAL, before_decrypt},
};

static size_t own_entries(const struct party *p, enum entry_kind kind, hash_t *statement)
{
    size_t count = 0;
    for (size_t i = 0; i < p->b->entry_count; i++) {
        const struct entry *e = p->b->entry[i];
        if (e->kind != kind || !point_equal(&e->author, &p->t.identity))
            continue;
        if (statement != NULL)
            *statement = e->statement_id;
        count++;
    }
    return count;
}

/* All calls of one phase fail in turn, each with another error of a token, in one ceremony; the last run is
 * let through. Returns how many calls there were. */
static size_t fail_each_call(struct world *w, const struct phase *x)
{
    static const err_t errors[] = {ERR_TOKEN_REMOVED, ERR_TOKEN_FAILED, ERR_TOKEN_LOCKED, ERR_TOKEN_PIN};
    struct party *p = &w->party[0];
    size_t call = 1;
    for (;; call++) {
        err_t with = errors[call % 4];
        assert_true(call < 1000);
        softkeys_fail(p->token, call, with);
        fault_clear(&f);
        err_t e = x->run(w, &p->t, &f);
        int reached = p->token->fail_at <= p->token->calls;
        p->token->fail_at = 0;
        if (e == OK)
            assert_false(reached);
        if (!reached)
            return e == OK ? call - 1 : 0;
        assert_int_equal(e, with);
        assert_int_equal(f.err, with);
        assert_int_equal(own_entries(p, x->kind, NULL), 0);
        if (x->kind ==
            ENTRY_ENROLL) /* at most the keys of this one attempt are left, when forgetting failed too */
            assert_true(p->token->enrolment_count <= 1);
        if (x->kind == ENTRY_ENROLL)
            p->token->enrolment_count = 0;
        /* As a new process would find it. */
        world_reopen(w);
        assert_int_equal(p->b->refused_count, 0);
        assert_int_equal(own_entries(p, x->kind, NULL), 0);
    }
}

static void test_each_call_of_each_phase(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof phases / sizeof phases[0]; i++) {
        struct world *w = world_new(3, 2, 2, 1);
        hash_t first = {{0}}, again = {{0}};
        if (phases[i].before != NULL)
            phases[i].before(w);
        size_t calls = fail_each_call(w, &phases[i]);
        print_message("%s: %zu calls\n", phases[i].name, calls);
        assert_true(calls > 0);
        world_reopen(w);
        assert_int_equal(own_entries(&w->party[0], phases[i].kind, &first), 1);
        if (phases[i].kind != ENTRY_REVEAL) {
            assert_int_equal(phases[i].run(w, &w->party[0].t, &f), OK);
            assert_int_equal(own_entries(&w->party[0], phases[i].kind, &again), 1);
            assert_memory_equal(&first, &again, HASH_LEN);
        }
        world_free(w);
    }
}

/* --- tokens that answer wrongly --- */

static void test_wrong_ecdh(void **state)
{
    (void)state;
    struct world *w = world_new(3, 2, 0, 1);
    struct softkeys *k = w->party[0].token;
    k->wrong_ecdh = 1;
    assert_int_equal(enroll_make(&w->party[0].t, "Trustee 0", "", &f), ERR_TOKEN_CANNOT);
    assert_int_equal(k->enrolment_count, 0);
    assert_int_equal(w->party[0].b->entry_count, 0);
    k->wrong_ecdh = 0;
    world_to_deal(w);
    /* Broken later: nobody else is accused. */
    uint32_t bad, missing;
    size_t count = w->party[0].b->entry_count;
    k->wrong_ecdh = 1;
    assert_int_equal(shares_check(&w->party[0].t, w->roster, &bad, &missing, &f), OK);
    assert_int_equal(bad, 7);
    assert_int_equal(complaint_make(&w->party[0].t, w->roster, bad, &f), ERR_DECRYPT);
    assert_int_equal(w->party[0].b->entry_count, count);
    world_free(w);
}

static void test_wrong_signature(void **state)
{
    (void)state;
    struct world *w = world_new(2, 2, 0, 1);
    world_enroll(w);
    struct roster r;
    assert_int_equal(roster_make(&r, &w->m, w->party[0].b, w->g, NULL, 0, &f), OK);
    w->party[0].token->wrong_signature = 1;
    assert_int_equal(roster_sign(&w->party[0].t, &r, &f), ERR_SIGNATURE);
    w->party[0].token->wrong_signature = 0;
    assert_int_equal(roster_sign(&w->party[0].t, &r, &f), OK);
    world_free(w);
}

/* A token whose generator is dead: the system's alone makes seeds that differ. */
static void test_dead_generator(void **state)
{
    (void)state;
    struct world *w = world_new(3, 2, 0, 1);
    for (uint32_t i = 0; i < 3; i++)
        w->party[i].token->random = SOFT_RANDOM_ZERO;
    world_to_record(w);
    for (uint32_t i = 0; i < 3; i++)
        for (uint32_t j = 0; j < i; j++)
            assert_memory_not_equal(&w->roster->seat[i].commitment, &w->roster->seat[j].commitment, HASH_LEN);
    assert_int_equal(record_check(w->record, &w->m, w->party[0].b, &f), OK);
    world_free(w);
}

/* Another token is in the slot: it finds nothing of its own, and holds no seat. */
static void test_wrong_token(void **state)
{
    (void)state;
    struct world *w = world_new(2, 2, 0, 1);
    struct softkeys *other = softkeys_new("Other", "1");
    world_to_deal(w);
    struct trustee t = {.m = &w->m, .b = w->party[0].b, .g = w->g, .vault = softkeys_vault(other)};
    assert_int_equal(trustee_find(&t, &f), ERR_MISSING);
    assert_int_equal(enroll_make(&t, "", "", &f), ERR_TEXT);
    assert_int_equal(enroll_make(&t, "bell\a", "", &f), ERR_TEXT);
    assert_int_equal(enroll_make(&t, "Late", "", &f), OK);
    assert_int_equal(deal_make(&t, w->roster, &f), ERR_MISMATCH);
    assert_int_equal(roster_sign(&t, w->roster, &f), ERR_MISMATCH);
    softkeys_free(other);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_call_of_each_phase),
        cmocka_unit_test(test_wrong_ecdh),
        cmocka_unit_test(test_wrong_signature),
        cmocka_unit_test(test_dead_generator),
        cmocka_unit_test(test_wrong_token),
    };
    return cmocka_run_group_tests(tests, secrets_setup, NULL);
}
