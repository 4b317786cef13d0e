/* Whole ceremonies of many sizes, repetition of every phase, complaints, cuts. */
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

static uint32_t bit(uint32_t seat)
{
    return UINT32_C(1) << (seat - 1);
}

/* Any t of the holders decrypt one target: first t, last t and a scattered choice. */
static void check_decryption(struct world *w)
{
    enum { OPTIONS = 3 };
    struct target *x = targets_make(w, 2, OPTIONS, 5);
    struct partial *p[PARTIES_MAX] = {NULL};
    const struct partial *chosen[PARTIES_MAX];
    uint32_t count = 0;
    uint64_t counts[2][OPTIONS], *const result[2] = {counts[0], counts[1]};
    const uint64_t limit[2] = {100, 100};
    struct plan_file plan = plan_for(w, x, 2, NULL, 1);
    for (uint32_t j = 1; j <= w->n; j++) {
        const struct entry *e;
        if (!(w->record->holders & bit(j)))
            continue;
        struct party *q = world_seat(w, j);
        assert_int_equal(plan_sign(&q->t, w->record, &plan, NULL, 0, &f), OK);
        assert_int_equal(decrypt_make(&q->t, w->record, &plan, x, 2, &f), OK);
        assert_int_equal(board_find(q->b, &e, NULL, ENTRY_PARTIAL, NULL, &q->t.identity, &plan.id), OK);
        assert_int_equal(partial_parse(&p[count], e, w->record, &plan.id, x, 2, &f), OK);
        assert_int_equal(partial_verify_var(p[count], w->record, x, 2, &f), OK);
        count++;
    }
    for (uint32_t pick = 0; pick < 3; pick++) {
        for (uint32_t i = 0; i < w->t; i++)
            chosen[i] = p[pick == 0 ? i : pick == 1 ? count - w->t + i : i * (count - 1) / (w->t - 1)];
        assert_int_equal(partial_combine_var(result, chosen, w->record, x, 2, limit, &f), OK);
        for (size_t o = 0; o < OPTIONS; o++) {
            assert_int_equal(result[0][o], 5 + o);
            assert_int_equal(result[1][o], 5 + OPTIONS + o);
        }
    }
    for (uint32_t i = 0; i < count; i++)
        partial_free(p[i]);
    targets_free(x, 2);
    plan_file_free(&plan);
}

static void run(uint32_t n, uint32_t t, int shared)
{
    struct world *w = world_new(n, t, 0, shared);
    world_to_record(w);
    assert_int_equal(__builtin_popcount(w->record->holders), n);
    assert_int_equal(w->record->qual, w->record->holders);
    for (uint32_t j = 1; j <= (n < 4 ? n : 3); j++)
        assert_int_equal(record_check(w->record, &w->m, world_seat(w, j)->b, &f), OK);
    check_decryption(w);
    world_free(w);
}

static void test_2_of_2(void **state)
{
    (void)state;
    run(2, 2, 0);
}

static void test_2_of_3(void **state)
{
    (void)state;
    run(3, 2, 0);
}

static void test_3_of_5(void **state)
{
    (void)state;
    run(5, 3, 0);
}

static void test_5_of_9(void **state)
{
    (void)state;
    run(9, 5, 1);
}

static void test_seat_32(void **state)
{
    (void)state;
    run(32, 2, 1);
}

/* Statement ids of a kind, by the author, must stay the only ones. */
static void assert_single(const struct board *b, const struct trustee *t, enum entry_kind kind)
{
    size_t count = 0;
    for (size_t i = 0; i < b->entry_count; i++)
        count += b->entry[i]->kind == kind && point_equal(&b->entry[i]->author, &t->identity);
    assert_int_equal(count, 1);
}

static void test_repeated(void **state)
{
    (void)state;
    struct world *w = world_new(3, 2, 0, 1);
    hash_t challenge;
    world_to_record(w);
    struct trustee *t = &world_seat(w, 2)->t;
    random_bytes(challenge.b, HASH_LEN);
    for (int round = 0; round < 2; round++) {
        assert_int_equal(enroll_make(t, "Trustee 1", "Somewhere", &f), OK);
        assert_int_equal(roster_sign(t, w->roster, &f), OK);
        assert_int_equal(deal_make(t, w->roster, &f), OK);
        assert_int_equal(confirm_make(t, w->roster, &w->cut, &f), OK);
        world_reopen(w);
        t = &world_seat(w, 2)->t;
    }
    assert_int_equal(cut_sign(&world_seat(w, 1)->t, w->roster, &w->cut, &f), OK);
    assert_single(t->b, t, ENTRY_ENROLL);
    assert_single(t->b, t, ENTRY_ROSTER);
    assert_single(t->b, t, ENTRY_DEAL);
    assert_single(t->b, t, ENTRY_CONFIRM);
    assert_single(t->b, &world_seat(w, 1)->t, ENTRY_CUT);
    world_free(w);
}

/* A trustee whose medium is lost deals and confirms again on an older copy: other proofs, same statements. */
static void test_repeated_on_older_board(void **state)
{
    (void)state;
    struct world *w = world_new(3, 2, 0, 0);
    char old[64];
    struct board *b, *now;
    struct merge_report report;
    hash_t deal, confirm;
    const struct entry *e;
    world_enroll(w);
    world_roster(w);
    temp_dir(old, sizeof old);
    assert_int_equal(board_open(&b, old, &w->m.election, &f), OK);
    assert_int_equal(board_merge(b, world_seat(w, 1)->dir, &report, &f), OK);
    world_deal(w, ALL);
    world_cut(w, 0);
    world_confirm(w, ALL);
    struct party *p = world_seat(w, 1);
    now = p->b;
    assert_int_equal(board_find(now, &e, NULL, ENTRY_DEAL, NULL, &p->t.identity, NULL), OK);
    deal = e->statement_id;
    assert_int_equal(board_find(now, &e, NULL, ENTRY_CONFIRM, NULL, &p->t.identity, NULL), OK);
    confirm = e->statement_id;
    hash_t confirm_id = e->id;
    p->t.b = b;
    assert_int_equal(trustee_find(&p->t, &f), OK);
    assert_int_equal(deal_make(&p->t, w->roster, &f), OK);
    assert_int_equal(board_find(b, &e, NULL, ENTRY_DEAL, NULL, &p->t.identity, NULL), OK);
    assert_memory_equal(&e->statement_id, &deal, HASH_LEN);
    assert_int_equal(board_merge(b, world_seat(w, 2)->dir, &report, &f), OK);
    world_record(w);
    struct record *before = w->record, *after;
    struct cbor_out bytes = CBOR_OUT_INIT;
    /* A confirmation made again, on a board that lacks the first. */
    for (size_t i = 0; i < b->entry_count; i++)
        if (hash_cmp(&b->entry[i]->id, &confirm_id) == 0) {
            entry_free(b->entry[i]);
            memmove(&b->entry[i], &b->entry[i + 1], (--b->entry_count - i) * sizeof *b->entry);
        }
    assert_int_equal(confirm_make(&p->t, w->roster, &w->cut, &f), OK);
    assert_int_equal(board_find(b, &e, NULL, ENTRY_CONFIRM, NULL, &p->t.identity, NULL), OK);
    assert_memory_equal(&e->statement_id, &confirm, HASH_LEN);
    assert_true(hash_cmp(&e->id, &confirm_id) != 0);
    /* Other entries, the same record. */
    assert_int_equal(record_make(&after, &bytes, &w->m, b, &w->roster->ceremony, &f), OK);
    assert_memory_equal(&after->id, &before->id, HASH_LEN);
    assert_int_equal(record_check(before, &w->m, b, &f), OK);
    record_free(after);
    cbor_out_free(&bytes);
    board_free(b);
    remove_tree(old);
    world_free(w);
}

/* Ciphertexts lost on the way come back when the dealer repeats. */
static void test_lost_ciphertexts(void **state)
{
    (void)state;
    struct world *w = world_new(3, 2, 0, 1);
    struct deal d;
    uint32_t bad, missing;
    char path[1024], hex[65];
    world_to_deal(w);
    assert_int_equal(deal_of_seat(&d, world_seat(w, 1)->b, w->roster, w->g, 2, NULL, 0, &f), OK);
    hex_put(hex, d.share[0].b, HASH_LEN);
    snprintf(path, sizeof path, "%s/detached/%s.bin", world_seat(w, 1)->dir, hex);
    assert_int_equal(remove(path), 0);
    assert_int_equal(shares_check(&world_seat(w, 1)->t, w->roster, &bad, &missing, &f), OK);
    assert_int_equal(bad, 0);
    assert_int_equal(missing, bit(2));
    world_cut(w, 0);
    assert_int_equal(confirm_make(&world_seat(w, 1)->t, w->roster, &w->cut, &f), ERR_MISSING);
    assert_int_equal(deal_make(&world_seat(w, 2)->t, w->roster, &f), OK);
    assert_int_equal(confirm_make(&world_seat(w, 1)->t, w->roster, &w->cut, &f), OK);
    world_free(w);
}

/* Couriers in any order: the same record, byte for byte. */
static void test_record_order(void **state)
{
    (void)state;
    struct world *w = world_new(4, 2, 0, 0);
    world_to_deal(w);
    world_cut(w, 0);
    /* Two more sign the same cut; confirmations stay on the own boards. */
    assert_int_equal(cut_sign(&world_seat(w, 3)->t, w->roster, &w->cut, &f), OK);
    assert_int_equal(cut_sign(&world_seat(w, 4)->t, w->roster, &w->cut, &f), OK);
    for (uint32_t j = 1; j <= 4; j++)
        assert_int_equal(confirm_make(&world_seat(w, j)->t, w->roster, &w->cut, &f), OK);
    struct cbor_out first = CBOR_OUT_INIT;
    for (int order = 0; order < 3; order++) {
        static const uint32_t way[3][4] = {{0, 1, 2, 3}, {3, 2, 1, 0}, {2, 0, 3, 1}};
        char dir[64];
        struct board *b;
        struct merge_report report;
        struct record *r;
        struct cbor_out bytes = CBOR_OUT_INIT;
        temp_dir(dir, sizeof dir);
        assert_int_equal(board_open(&b, dir, &w->m.election, &f), OK);
        for (int i = 0; i < 4; i++)
            assert_int_equal(board_merge(b, w->party[way[order][i]].dir, &report, &f), OK);
        assert_int_equal(record_make(&r, &bytes, &w->m, b, NULL, &f), OK);
        if (order == 0) {
            first = bytes;
        } else {
            assert_int_equal(bytes.len, first.len);
            assert_memory_equal(bytes.data, first.data, first.len);
            cbor_out_free(&bytes);
        }
        record_free(r);
        board_free(b);
        remove_tree(dir);
    }
    cbor_out_free(&first);
    world_free(w);
}

/* --- complaints --- */

static void complain_all(struct world *w)
{
    for (uint32_t j = 1; j <= w->n; j++) {
        uint32_t bad, missing;
        struct trustee *t = &world_seat(w, j)->t;
        assert_int_equal(shares_check(t, w->roster, &bad, &missing, &f), OK);
        if (bad != 0)
            assert_int_equal(complaint_make(t, w->roster, bad, &f), OK);
    }
    world_exchange(w);
}

static struct world *with_evil_dealer(uint32_t n, uint32_t t, uint32_t min_qual, uint32_t victims,
                                      enum bad_share how)
{
    struct world *w = world_new(n, t, min_qual, 1);
    world_enroll(w);
    world_roster(w);
    world_deal(w, ALL & ~bit(1));
    evil_deal(w, 1, &(struct evil_deal){.victims = victims, .how = how});
    world_exchange(w);
    return w;
}

/* A false complaint is answered; the share is public from then on and used. */
static void test_complaint_dismissed(void **state)
{
    (void)state;
    struct world *w = world_new(4, 2, 0, 1);
    size_t count;
    world_to_deal(w);
    evil_complaint(w, 3, 1);
    world_exchange(w);
    assert_int_equal(reveal_make(&world_seat(w, 1)->t, w->roster, &count, &f), OK);
    assert_int_equal(count, 1);
    assert_int_equal(reveal_make(&world_seat(w, 1)->t, w->roster, &count, &f), OK); /* repeated */
    assert_int_equal(count, 0);
    assert_int_equal(reveal_make(&world_seat(w, 2)->t, w->roster, &count, &f), OK); /* nobody complained */
    assert_int_equal(count, 0);
    world_exchange(w);
    world_cut(w, 0);
    assert_int_equal(w->outcome->qual, 15);
    assert_int_equal(w->outcome->dismissed[0], bit(3));
    assert_int_equal(w->outcome->complaints[0], bit(3));
    /* Used without the ciphertext: the complainer's token would not open it anyway. */
    world_confirm(w, ALL);
    world_record(w);
    check_decryption(w);
    world_free(w);
}

/* The dealer sent rubbish, then shows the key of it: out. With min_qual below n the others go on. */
static void test_bad_dealer_bad_reveal(void **state)
{
    (void)state;
    static const enum bad_share kinds[] = {SHARE_OFF, SHARE_GARBAGE, SHARE_NOT_CANONICAL, SHARE_OTHER_SEAT,
                                           SHARE_BAD_POINT};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        struct world *w = with_evil_dealer(5, 2, 4, bit(3), kinds[i]);
        uint32_t bad, missing;
        assert_int_equal(shares_check(&world_seat(w, 3)->t, w->roster, &bad, &missing, &f), OK);
        assert_int_equal(bad, bit(1));
        assert_int_equal(missing, 0);
        complain_all(w);
        evil_reveal(w, 1, 3, 0);
        world_exchange(w);
        world_cut(w, 0);
        assert_int_equal(w->outcome->fate[0], FATE_OUT_REVEAL);
        assert_int_equal(w->outcome->qual, 30);
        world_confirm(w, ALL);
        world_record(w);
        assert_int_equal(w->record->holders, 30);
        check_decryption(w);
        world_free(w);
    }
}

static void test_silent_dealer(void **state)
{
    (void)state;
    struct world *w = with_evil_dealer(4, 2, 3, bit(2), SHARE_OFF);
    complain_all(w);
    world_cut(w, 0);
    assert_int_equal(w->outcome->fate[0], FATE_OUT_SILENT);
    assert_int_equal(w->outcome->qual, 14);
    world_confirm(w, ALL);
    world_record(w);
    check_decryption(w);
    world_free(w);
}

static void test_many_complainers(void **state)
{
    (void)state;
    struct world *w = with_evil_dealer(5, 2, 4, bit(2) | bit(4), SHARE_GARBAGE);
    size_t count;
    complain_all(w);
    assert_int_equal(reveal_make(&world_seat(w, 1)->t, w->roster, &count, &f), ERR_RULE);
    world_cut(w, 0);
    assert_int_equal(w->outcome->fate[0], FATE_OUT_MANY);
    world_confirm(w, ALL);
    world_record(w);
    check_decryption(w);
    world_free(w);
}

/* Nobody confirms a bad share, and min_qual = n stops the ceremony when a dealer is out. */
static void test_no_confirmation_without_complaint(void **state)
{
    (void)state;
    struct world *w = with_evil_dealer(3, 2, 0, bit(2), SHARE_OFF);
    world_cut(w, 0);
    assert_int_equal(confirm_make(&world_seat(w, 2)->t, w->roster, &w->cut, &f), ERR_SHARE);
    assert_non_null(strstr(f.who, "seat 1"));
    complain_all(w);
    assert_int_equal(confirm_make(&world_seat(w, 2)->t, w->roster, &w->cut, &f), ERR_RULE);
    struct cut cut;
    assert_int_equal(cut_make(&cut, world_seat(w, 2)->b, w->roster, 0, &f), OK);
    assert_int_equal(cut_outcome(w->outcome, &w->m, world_seat(w, 2)->b, w->roster, &cut, w->g, &f),
                     ERR_QUORUM);
    cut_free(&cut);
    world_free(w);
}

/* Who accuses t dealers holds no share and gets nothing revealed. */
static void test_void_complainer(void **state)
{
    (void)state;
    struct world *w = world_new(5, 3, 0, 1);
    size_t count;
    world_to_deal(w);
    for (uint32_t i = 1; i <= 3; i++)
        evil_complaint(w, 5, i);
    evil_complaint(w, 4, 1);
    world_exchange(w);
    assert_int_equal(reveal_make(&world_seat(w, 1)->t, w->roster, &count, &f), OK);
    assert_int_equal(count, 1); /* seat 4 only */
    assert_int_equal(reveal_make(&world_seat(w, 2)->t, w->roster, &count, &f), OK);
    assert_int_equal(count, 0);
    world_exchange(w);
    world_cut(w, 0);
    assert_int_equal(w->outcome->voided, bit(5));
    assert_int_equal(w->outcome->qual, 31);
    assert_int_equal(w->outcome->holders, 15);
    assert_int_equal(confirm_make(&world_seat(w, 5)->t, w->roster, &w->cut, &f), ERR_RULE);
    world_confirm(w, ALL);
    world_record(w);
    check_decryption(w);
    world_free(w);
}

/* --- absence, cuts, lateness --- */

static void test_absent_seat(void **state)
{
    (void)state;
    struct world *w = world_new(4, 2, 3, 1);
    world_enroll(w);
    world_roster(w);
    world_deal(w, ALL & ~bit(4));
    world_cut(w, bit(4));
    assert_int_equal(w->outcome->fate[3], FATE_ABSENT);
    assert_int_equal(w->outcome->holders, 7);
    world_confirm(w, ALL);
    world_record(w);
    check_decryption(w);
    /* Late: changes nothing. */
    hash_t id = w->record->id;
    assert_int_equal(deal_make(&world_seat(w, 4)->t, w->roster, &f), OK);
    world_exchange(w);
    world_record(w);
    assert_memory_equal(&w->record->id, &id, HASH_LEN);
    scalar_t *s;
    uint32_t seat;
    assert_int_equal(share_rebuild(&world_seat(w, 1)->t, w->record, &s, &seat, &f), OK);
    secret_free(s);
    assert_int_equal(share_rebuild(&world_seat(w, 4)->t, w->record, &s, &seat, &f), ERR_MISMATCH);
    world_free(w);
}

static void test_too_few_holders(void **state)
{
    (void)state;
    struct world *w = world_new(4, 3, 3, 1);
    struct cut cut;
    world_to_deal(w);
    w->outcome = calloc(1, sizeof *w->outcome);
    assert_int_equal(cut_make(&cut, w->party[0].b, w->roster, bit(4), &f), OK);
    assert_int_equal(cut_outcome(w->outcome, &w->m, w->party[0].b, w->roster, &cut, w->g, &f), ERR_QUORUM);
    cut_free(&cut);
    assert_int_equal(cut_make(&cut, w->party[0].b, w->roster, bit(5), &f), ERR_LIMIT);
    world_free(w);
}

static void test_cut_leaves_out(void **state)
{
    (void)state;
    struct world *w = world_new(3, 2, 2, 0);
    world_to_deal(w);
    evil_complaint(w, 2, 1); /* only on the board of seat 2 */
    struct cut cut;
    assert_int_equal(cut_make(&cut, world_seat(w, 3)->b, w->roster, 0, &f), OK);
    assert_int_equal(cut_sign(&world_seat(w, 3)->t, w->roster, &cut, &f), OK);
    assert_int_equal(cut_sign(&world_seat(w, 2)->t, w->roster, &cut, &f), ERR_RULE);
    assert_int_equal(confirm_make(&world_seat(w, 2)->t, w->roster, &cut, &f), ERR_RULE);
    cut_free(&cut);
    /* And one that lists what a board does not have cannot be judged there. */
    assert_int_equal(cut_make(&cut, world_seat(w, 2)->b, w->roster, 0, &f), OK);
    assert_int_equal(confirm_make(&world_seat(w, 3)->t, w->roster, &cut, &f), ERR_MISSING);
    cut_free(&cut);
    world_free(w);
}

/* One holder stalls; the others cut again without it. The late confirmation of the first cut changes nothing.
 */
static void test_stalled_confirmation(void **state)
{
    (void)state;
    struct world *w = world_new(4, 2, 0, 1);
    world_to_deal(w);
    world_cut(w, 0);
    struct cut first = w->cut;
    memset(&w->cut, 0, sizeof w->cut);
    for (uint32_t j = 1; j <= 3; j++)
        assert_int_equal(confirm_make(&world_seat(w, j)->t, w->roster, &first, &f), OK);
    struct record *r;
    struct cbor_out bytes = CBOR_OUT_INIT;
    world_reopen(w);
    assert_int_equal(record_make(&r, &bytes, &w->m, w->party[0].b, NULL, &f), ERR_EARLY);
    world_cut(w, bit(4));
    /* A seat that dealt is called absent: everybody has to say so. */
    assert_int_equal(confirm_make(&world_seat(w, 2)->t, w->roster, &w->cut, &f), ERR_REFUSED);
    for (uint32_t j = 1; j <= 3; j++)
        assert_int_equal(cut_sign(&world_seat(w, j)->t, w->roster, &w->cut, &f), OK);
    world_confirm(w, ALL);
    world_record(w);
    hash_t id = w->record->id;
    assert_int_equal(w->record->holders, 7);
    assert_int_equal(confirm_make(&world_seat(w, 4)->t, w->roster, &first, &f), OK);
    world_reopen(w);
    world_record(w);
    assert_memory_equal(&w->record->id, &id, HASH_LEN);
    /* Once it is released nobody confirms another. */
    struct cut third;
    assert_int_equal(cut_make(&third, w->party[0].b, w->roster, bit(1), &f), OK);
    assert_int_equal(confirm_make(&world_seat(w, 2)->t, w->roster, &third, &f), ERR_DONE);
    cut_free(&third);
    cut_free(&first);
    check_decryption(w);
    world_free(w);
}

static void test_phases_out_of_order(void **state)
{
    (void)state;
    struct world *w = world_new(3, 2, 0, 1);
    struct roster r;
    assert_int_equal(roster_make(&r, &w->m, w->party[0].b, w->g, NULL, 0, &f), ERR_QUORUM);
    world_enroll(w);
    assert_int_equal(roster_make(&r, &w->m, w->party[0].b, w->g, NULL, 0, &f), OK);
    assert_int_equal(deal_make(&w->party[0].t, &r, &f), ERR_EARLY);
    world_roster(w);
    struct record *rec;
    struct cbor_out bytes = CBOR_OUT_INIT;
    assert_int_equal(record_make(&rec, &bytes, &w->m, w->party[0].b, NULL, &f), ERR_EARLY);
    world_deal(w, ALL);
    world_cut(w, 0);
    world_confirm(w, ALL);
    world_record(w);
    struct target *x = targets_make(w, 1, 1, 0);
    struct plan_file plan = plan_for(w, x, 1, NULL, 1);
    assert_int_equal(decrypt_make(&w->party[0].t, w->record, &plan, x, 1, &f), ERR_EARLY);
    w->m.plan_quorum = 2;
    assert_int_equal(plan_sign(&w->party[0].t, w->record, &plan, NULL, 0, &f), OK);
    assert_int_equal(decrypt_make(&w->party[0].t, w->record, &plan, x, 1, &f), ERR_QUORUM);
    assert_int_equal(plan_sign(&w->party[1].t, w->record, &plan, NULL, 0, &f), OK);
    world_reopen(w);
    assert_int_equal(decrypt_make(&w->party[0].t, w->record, &plan, x, 1, &f), OK);
    targets_free(x, 1);
    plan_file_free(&plan);
    /* Retired: no share any more. */
    scalar_t *s;
    uint32_t seat;
    assert_int_equal(retire_make(&w->party[0].t, w->record, &f), OK);
    assert_int_equal(share_rebuild(&w->party[0].t, w->record, &s, &seat, &f), ERR_TOKEN_KEY);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_2_of_2),
        cmocka_unit_test(test_2_of_3),
        cmocka_unit_test(test_3_of_5),
        cmocka_unit_test(test_5_of_9),
        cmocka_unit_test(test_seat_32),
        cmocka_unit_test(test_repeated),
        cmocka_unit_test(test_repeated_on_older_board),
        cmocka_unit_test(test_lost_ciphertexts),
        cmocka_unit_test(test_record_order),
        cmocka_unit_test(test_complaint_dismissed),
        cmocka_unit_test(test_bad_dealer_bad_reveal),
        cmocka_unit_test(test_silent_dealer),
        cmocka_unit_test(test_many_complainers),
        cmocka_unit_test(test_no_confirmation_without_complaint),
        cmocka_unit_test(test_void_complainer),
        cmocka_unit_test(test_absent_seat),
        cmocka_unit_test(test_too_few_holders),
        cmocka_unit_test(test_cut_leaves_out),
        cmocka_unit_test(test_stalled_confirmation),
        cmocka_unit_test(test_phases_out_of_order),
    };
    return cmocka_run_group_tests(tests, secrets_setup, NULL);
}
