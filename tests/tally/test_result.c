/* Result file, combination, result proofs: each rule is broken once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tally/resultqr.h"
#include "tests/support/shares.h"

static const uint64_t mayor[4] = {120, 0, 55, 25}, council[5] = {200, 100, 0, 199, 1}, school[2] = {0, 0};

static int setup(void **state)
{
    struct shares *s = calloc(1, sizeof *s);
    shares_new(s, fixture_new(KIND_BALLOTS));
    shares_target(s, "land", "mayor", 200, mayor);
    shares_target(s, "land", "council", 200, council);
    shares_target(s, "land", "school", 200, school);
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    struct shares *s = *state;
    struct fixture *x = s->x;
    shares_free(s);
    fixture_free(x);
    free(s);
    return 0;
}

static err_t combine(struct combination **c, struct shares *s, const struct combine_options *o,
                     struct fault *f)
{
    return combine_partials_var(c, s->x->m, s->x->r, s->b, &s->plan, s->target, s->count, o, f);
}

static struct combination *combine_ok(struct shares *s, const struct combine_options *o)
{
    struct combination *c;
    struct fault f;
    err_t e = combine(&c, s, o, &f);
    if (e != OK)
        fail_msg("combine: %s %s", err_name(e), f.detail);
    return c;
}

static void check_votes(const struct combination *c)
{
    const struct result *r = c->result;
    assert_int_equal(r->row_count, 3);
    assert_memory_equal(r->row[0].votes, mayor, sizeof mayor);
    assert_memory_equal(r->row[1].votes, council, sizeof council);
    assert_memory_equal(r->row[2].votes, school, sizeof school);
    assert_int_equal(r->row[1].ballots, 200);
    assert_int_equal(r->partial_count, SHARES_T);
}

static enum combine_state state_of(const struct combination *c, uint32_t seat)
{
    for (size_t i = 0; i < c->seat_count; i++)
        if (c->seat[i].seat == seat)
            return c->seat[i].state;
    fail();
    return COMBINE_ABSENT;
}

/* --- combining --- */

static void any_t_combine(void **state)
{
    struct shares *s = *state;
    static const uint32_t order[] = {5, 2, 4};
    for (size_t i = 0; i < 3; i++)
        shares_post(s, order[i], &s->plan, 0);
    struct combination *c = combine_ok(s, NULL);
    check_votes(c);
    assert_int_equal(state_of(c, 1), COMBINE_ABSENT);
    assert_int_equal(state_of(c, 5), COMBINE_USED);
    assert_int_equal(c->used[0]->seat, 2);
    combination_free(c);
}

static void too_few_needs_no_restart(void **state)
{
    struct shares *s = *state;
    struct combination *c;
    struct fault f;
    hash_t other = s->plan;
    other.b[0] ^= 1;
    shares_post(s, 1, &s->plan, 0);
    shares_post(s, 3, &s->plan, 0);
    shares_post(s, 4, &other, 0); /* of another plan: not there */
    assert_int_equal(combine(&c, s, NULL, &f), ERR_QUORUM);
    assert_non_null(strstr(f.detail, "seat 4 absent"));
    assert_non_null(c);
    assert_null(c->result);
    assert_int_equal(state_of(c, 3), COMBINE_SPARE);
    combination_free(c);
    shares_post(s, 4, &s->plan, 0);
    c = combine_ok(s, NULL);
    check_votes(c);
    combination_free(c);
}

static void bad_ones_are_named_and_left_out(void **state)
{
    struct shares *s = *state;
    shares_post(s, 1, &s->plan, 1);
    shares_post(s, 2, &s->plan, 2); /* another share than the record's, as good a proof as can be */
    shares_post(s, 3, &s->plan, 0);
    shares_post(s, 4, &s->plan, 0);
    struct combination *c;
    struct fault f;
    char line[512];
    assert_int_equal(combine(&c, s, NULL, &f), ERR_QUORUM);
    assert_non_null(strstr(f.detail, "seat 1 bad"));
    assert_int_equal(state_of(c, 1), COMBINE_BAD);
    assert_int_equal(state_of(c, 2), COMBINE_BAD);
    assert_int_equal(c->seat[0].fault.err, ERR_PROOF);
    assert_int_equal(c->seat[1].fault.err, ERR_PROOF);
    combine_seat_text(line, sizeof line, &c->seat[0], s->x->r);
    assert_non_null(strstr(line, "[ERR_PROOF]"));
    combination_free(c);
    shares_post(s, 5, &s->plan, 0);
    c = combine_ok(s, NULL);
    check_votes(c);
    combination_free(c);
}

static void equivocation_leaves_out_its_author(void **state)
{
    struct shares *s = *state;
    shares_post(s, 1, &s->plan, 0);
    shares_post(s, 1, &s->plan, 2);
    for (uint32_t j = 2; j <= 4; j++)
        shares_post(s, j, &s->plan, 0);
    struct combination *c = combine_ok(s, NULL);
    assert_int_equal(state_of(c, 1), COMBINE_EQUIVOCATED);
    assert_non_null(c->seat[0].entry);
    assert_non_null(c->seat[0].other);
    assert_int_equal(c->used[0]->seat, 2);
    check_votes(c);
    combination_free(c);
}

static void a_good_proof_beside_a_bad_one_counts(void **state)
{
    struct shares *s = *state;
    for (int i = 0; i < 4; i++)
        shares_post(s, 1, &s->plan, 1);
    shares_post(s, 1, &s->plan, 0);
    shares_post(s, 2, &s->plan, 0);
    shares_post(s, 3, &s->plan, 0);
    struct combination *c = combine_ok(s, NULL);
    assert_int_equal(state_of(c, 1), COMBINE_USED);
    check_votes(c);
    combination_free(c);
}

/* Anybody can sign an entry that looks like a partial decryption. */
static void a_stranger_is_no_seat(void **state)
{
    struct shares *s = *state;
    struct record *r = s->x->r;
    struct partial *p;
    struct fault f;
    const struct entry *e;
    shares_post(s, 1, &s->plan, 0);
    assert_int_equal(board_find(s->b, &e, NULL, ENTRY_PARTIAL, &r->ceremony, &r->seat[0].identity, &s->plan),
                     OK);
    struct entry copy = *e;
    copy.author = r->Y;
    fault_clear(&f);
    assert_int_equal(partial_parse(&p, &copy, r, &s->plan, s->target, s->count, &f), ERR_ELECTION);
    assert_null(p);
    assert_string_equal(f.who, "");
}

static void a_result_keeps_its_partials(void **state)
{
    struct shares *s = *state;
    for (uint32_t j = 3; j <= 5; j++)
        shares_post(s, j, &s->plan, 0);
    struct combination *first = combine_ok(s, NULL);
    shares_post(s, 1, &s->plan, 0);
    struct combine_options only = {first->result->partial, first->result->partial_count, NULL, NULL};
    struct combination *again = combine_ok(s, &only);
    assert_int_equal(again->used[0]->seat, 3);
    assert_int_equal(state_of(again, 1), COMBINE_SPARE);
    combination_free(again);

    struct combination *c;
    struct fault f;
    first->result->partial[0].b[3] ^= 1;
    assert_int_equal(combine(&c, s, &only, &f), ERR_MISMATCH);
    assert_null(c);
    first->result->partial[0].b[3] ^= 1;
    only.only_count = 2;
    assert_int_equal(combine(&c, s, &only, &f), ERR_MISMATCH);
    combination_free(first);
}

/* Plus and minus 500 votes that a sum of invalid ballots would hide. */
static void impossible_counts_are_refused(void **state)
{
    struct shares *s = *state;
    static const uint64_t many[4] = {500, 0, 0, 0}, over[4] = {150, 150, 0, 0};
    struct combination *c;
    struct fault f;
    shares_target(s, "west", "mayor", 400, many);
    for (uint32_t j = 1; j <= 3; j++)
        shares_post(s, j, &s->plan, 0);
    assert_int_equal(combine(&c, s, NULL, &f), ERR_LIMIT);
    assert_null(c);
    hash_t second = s->plan;
    second.b[1] ^= 1;
    s->plan = second;
    free(s->target[--s->count].A);
    free(s->target[s->count].B);
    shares_target(s, "west", "mayor", 200, over); /* each count could be, the sum could not */
    for (uint32_t j = 1; j <= 3; j++)
        shares_post(s, j, &s->plan, 0);
    assert_int_equal(combine(&c, s, NULL, &f), ERR_LIMIT);
}

/* --- the file --- */

static void result_is_read_strictly(void **state)
{
    struct shares *s = *state;
    for (uint32_t j = 1; j <= 3; j++)
        shares_post(s, j, &s->plan, 0);
    struct combination *c = combine_ok(s, NULL);
    struct cbor_out o = CBOR_OUT_INIT, o2 = CBOR_OUT_INIT;
    struct result *r;
    struct fault f;
    result_write(&o, c->result);
    assert_int_equal(result_parse(&r, o.data, o.len, &f), OK);
    result_write(&o2, r);
    assert_int_equal(o.len, o2.len);
    assert_memory_equal(o.data, o2.data, o.len);
    result_free(r);
    for (size_t i = 0; i < o.len; i++)
        assert_int_equal(result_parse(&r, o.data, i, &f), ERR_TRUNCATED);
    cbor_put_null(&o);
    assert_int_equal(result_parse(&r, o.data, o.len, &f), ERR_TRAILING);
    cbor_out_free(&o2);
    c->result->partial[1] = c->result->partial[0];
    result_write(&o2, c->result);
    assert_int_equal(result_parse(&r, o2.data, o2.len, &f), ERR_DUPLICATE);
    o2.data[1 + 2 + 15] = 2; /* the version, behind the label */
    assert_int_not_equal(result_parse(&r, o2.data, o2.len, &f), OK);
    assert_null(r);
    cbor_out_free(&o);
    cbor_out_free(&o2);
    combination_free(c);
}

static void rows_keep_the_rules(void **state)
{
    struct shares *s = *state;
    uint64_t votes[5] = {3, 3, 3, 0, 0};
    struct fault f;
    struct result_row row = {.place = "land", .contest = "council", .ballots = 3, .count = 5, .votes = votes};
    assert_int_equal(result_row_check(&row, s->x->m, &f), OK);
    votes[3] = 1;
    assert_int_equal(result_row_check(&row, s->x->m, &f), ERR_LIMIT);
    votes[3] = 0;
    votes[0] = 4;
    assert_int_equal(result_row_check(&row, s->x->m, &f), ERR_LIMIT);
    row.count = 4;
    assert_int_equal(result_row_check(&row, s->x->m, &f), ERR_MISMATCH);
    strcpy(row.contest, "nobody");
    assert_int_equal(result_row_check(&row, s->x->m, &f), ERR_UNKNOWN);
    s->x->m->kind = KIND_IMPORT;
    strcpy(row.contest, "mayor");
    votes[0] = votes[1] = votes[2] = votes[3] = 1;
    row.ballots = 5;
    assert_int_equal(result_row_check(&row, s->x->m, &f), ERR_SUM);
    row.ballots = 4;
    assert_int_equal(result_row_check(&row, s->x->m, &f), OK);
    s->x->m->kind = KIND_BALLOTS;
}

/* --- result proofs --- */

static struct resultqr *make_proof(struct shares *s)
{
    struct resultqr *q;
    struct fault f;
    for (uint32_t j = 1; j <= 3; j++)
        shares_post(s, j, &s->plan, 0);
    struct combination *c = combine_ok(s, NULL);
    err_t e = resultqr_make(&q, s->x->m, s->x->r, &s->plan, s->target, 1, "Land", c->result->row[1].votes,
                            c->used, c->used_count, &f);
    assert_int_equal(e, OK);
    combination_free(c);
    return q;
}

static void proof_travels(void **state)
{
    struct shares *s = *state;
    struct resultqr *q = make_proof(s), *r;
    struct cbor_out o = CBOR_OUT_INIT, o2 = CBOR_OUT_INIT;
    struct fault f;
    resultqr_write(&o, q);
    assert_int_equal(resultqr_parse(&r, o.data, o.len, &f), OK);
    resultqr_write(&o2, r);
    assert_int_equal(o.len, o2.len);
    assert_memory_equal(o.data, o2.data, o.len);
    assert_int_equal(resultqr_check(r, &f), OK);
    assert_int_equal(resultqr_check_record(r, s->x->r, &f), OK);
    assert_memory_equal(r->votes, council, sizeof council);
    resultqr_free(r);
    for (size_t i = 0; i < o.len; i++)
        assert_int_not_equal(resultqr_parse(&r, o.data, i, &f), OK);
    cbor_put_null(&o);
    assert_int_equal(resultqr_parse(&r, o.data, o.len, &f), ERR_TRAILING);
    cbor_out_free(&o);
    cbor_out_free(&o2);
    resultqr_free(q);
}

static void proof_that_lies_is_refused(void **state)
{
    struct shares *s = *state;
    struct resultqr *q = make_proof(s);
    struct fault f;
    point_t keep;
    q->votes[0]--;
    assert_int_equal(resultqr_check(q, &f), ERR_SUM);
    assert_non_null(strstr(f.detail, "option p"));
    q->votes[0] = 201;
    assert_int_equal(resultqr_check(q, &f), ERR_LIMIT);
    q->votes[0] = 200;
    q->limit = 2;
    assert_int_equal(resultqr_check(q, &f), ERR_LIMIT);
    q->limit = 3;
    keep = q->Y;
    q->Y = q->partial[0].S;
    assert_int_equal(resultqr_check(q, &f), ERR_MISMATCH);
    q->Y = keep;
    keep = q->partial[1].D[2];
    q->partial[1].D[2] = q->partial[1].D[3];
    assert_int_equal(resultqr_check(q, &f), ERR_PROOF);
    assert_non_null(strstr(f.detail, "seat 2"));
    q->partial[1].D[2] = keep;
    q->plan.b[0] ^= 1; /* decrypted for another plan */
    assert_int_equal(resultqr_check(q, &f), ERR_PROOF);
    q->plan.b[0] ^= 1;
    strcpy(q->place, "west");
    assert_int_equal(resultqr_check(q, &f), ERR_PROOF);
    strcpy(q->place, "land");
    keep = q->B[1];
    q->B[1] = q->B[0];
    assert_int_equal(resultqr_check(q, &f), ERR_SUM);
    q->B[1] = keep;
    assert_int_equal(resultqr_check(q, &f), OK);
    resultqr_free(q);
}

/* Two of three seats under a key of their own agree with themselves: only the record shows it. */
static void proof_of_another_key_needs_the_record(void **state)
{
    struct shares *s = *state;
    struct resultqr *q = make_proof(s);
    struct fault f;
    struct record other = *s->x->r;
    other.Y = other.seat[0].S;
    assert_int_equal(resultqr_check_record(q, &other, &f), ERR_MISMATCH);
    other = *s->x->r;
    other.id.b[0] ^= 1;
    assert_int_equal(resultqr_check_record(q, &other, &f), ERR_ELECTION);
    other = *s->x->r;
    other.t = 4;
    assert_int_equal(resultqr_check_record(q, &other, &f), ERR_MISMATCH);
    other = *s->x->r;
    other.seat[1].S = other.seat[2].S;
    assert_int_equal(resultqr_check_record(q, &other, &f), ERR_MISMATCH);
    other = *s->x->r;
    other.holders &= ~4u;
    assert_int_equal(resultqr_check_record(q, &other, &f), ERR_MISMATCH);
    resultqr_free(q);
}

static void anchor_travels(void **state)
{
    (void)state;
    hash_t election, record, e2, r2;
    struct cbor_out o = CBOR_OUT_INIT;
    struct fault f;
    memset(&election, 7, sizeof election);
    memset(&record, 9, sizeof record);
    anchor_write(&o, &election, &record);
    assert_int_equal(anchor_parse(&e2, &r2, o.data, o.len, &f), OK);
    assert_memory_equal(&e2, &election, sizeof e2);
    assert_memory_equal(&r2, &record, sizeof r2);
    assert_int_equal(anchor_parse(&e2, &r2, o.data, o.len - 1, &f), ERR_TRUNCATED);
    cbor_put_null(&o);
    assert_int_equal(anchor_parse(&e2, &r2, o.data, o.len, &f), ERR_TRAILING);
    hash_t want, have;
    o.len--;
    hash_one(&have, o.data, o.len);
    record_anchor(&want, &election, &record);
    assert_memory_equal(&want, &have, sizeof want);
    cbor_out_free(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(any_t_combine, setup, teardown),
        cmocka_unit_test_setup_teardown(too_few_needs_no_restart, setup, teardown),
        cmocka_unit_test_setup_teardown(bad_ones_are_named_and_left_out, setup, teardown),
        cmocka_unit_test_setup_teardown(equivocation_leaves_out_its_author, setup, teardown),
        cmocka_unit_test_setup_teardown(a_good_proof_beside_a_bad_one_counts, setup, teardown),
        cmocka_unit_test_setup_teardown(a_stranger_is_no_seat, setup, teardown),
        cmocka_unit_test_setup_teardown(a_result_keeps_its_partials, setup, teardown),
        cmocka_unit_test_setup_teardown(impossible_counts_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(result_is_read_strictly, setup, teardown),
        cmocka_unit_test_setup_teardown(rows_keep_the_rules, setup, teardown),
        cmocka_unit_test_setup_teardown(proof_travels, setup, teardown),
        cmocka_unit_test_setup_teardown(proof_that_lies_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(proof_of_another_key_needs_the_record, setup, teardown),
        cmocka_unit_test(anchor_travels),
    };
    return cmocka_run_group_tests_name("result", tests, NULL, NULL);
}
