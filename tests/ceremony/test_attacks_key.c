/* Attacks from the confirmation on: who claims a share, whose record it is, what is decrypted. */
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

/* Everybody but seat 2 has confirmed. */
static struct world *almost(uint32_t n, uint32_t t)
{
    struct world *w = world_new(n, t, 0, 1);
    world_to_deal(w);
    world_cut(w, 0);
    world_confirm(w, ALL & ~bit(2));
    return w;
}

static err_t released(struct world *w)
{
    struct record *r;
    struct cbor_out bytes = CBOR_OUT_INIT;
    world_reopen(w);
    err_t e = record_make(&r, &bytes, &w->m, w->party[0].b, NULL, &f);
    record_free(r);
    cbor_out_free(&bytes);
    return e;
}

static const struct entry *entry_of(struct world *w, uint32_t seat, enum entry_kind kind)
{
    const struct entry *e;
    assert_int_equal(
        board_find(world_seat(w, seat)->b, &e, NULL, kind, NULL, &w->roster->seat[seat - 1].identity, NULL),
        OK);
    assert_non_null(e);
    return e;
}

static err_t confirmed(struct world *w, uint32_t seat)
{
    point_t D;
    const struct entry *used;
    fault_clear(&f);
    return confirm_check(&D, &used, w->party[0].b, w->roster, &w->cut, w->outcome, seat, w->g, &f);
}

/* Posts a confirmation of seat 2: values of oc, D as given, proofs of the scalar s. */
static void post_confirm(struct world *w, const struct outcome *oc, const point_t *D, const scalar_t *s)
{
    static const hash_t none;
    struct cbor_out st = CBOR_OUT_INIT, ev = CBOR_OUT_INIT, context = CBOR_OUT_INIT;
    struct pok pok;
    struct dleq dleq;
    point_t A, B, V, S;
    uint8_t fresh[32];
    random_bytes(fresh, sizeof fresh);
    confirm_context(&context, w->roster, &w->cut, oc, 2);
    assert_int_equal(point_mul_base(w->g, &S, s), OK);
    assert_int_equal(pok_prove(w->g, &pok, s, &S, fresh, "conclave/confirm-pok", &w->m.election, context.data,
                               context.len),
                     OK);
    cbor_out_free(&context);
    assert_int_equal(test_ciphertext(w->g, &A, &B, &V, w->roster, &w->cut.hash, &oc->Y), OK);
    struct dleq_statement x = {&w->m.election, &w->cut.hash, &none, "test", "test", 2, &S, 1, &A, D};
    assert_int_equal(dleq_prove(w->g, &dleq, &x, s, fresh), OK);
    confirm_statement(&st, w->roster, &w->cut, oc, D);
    cbor_put_array(&ev, 2);
    cbor_put_pok(&ev, &pok);
    cbor_put_dleq(&ev, &dleq);
    evil_post(w, 2, ENTRY_CONFIRM, &w->cut.hash, &st, &ev);
    world_reopen(w);
}

static void test_confirm_other_values(void **state)
{
    (void)state;
    struct world *w = almost(3, 2);
    scalar_t s;
    struct outcome *oc = malloc(sizeof *oc);
    assert_non_null(oc);
    scalar_random(&s);
    for (int i = 0; i < 4; i++) {
        *oc = *w->outcome;
        oc->Y = i == 0 ? oc->S[0] : oc->Y;
        oc->S[1] = i == 1 ? oc->S[0] : oc->S[1];
        oc->qual = i == 2 ? 3 : oc->qual;
        oc->holders = i == 3 ? 3 : oc->holders;
        post_confirm(w, oc, &oc->Y, &s);
        assert_int_equal(confirmed(w, 2), i == 0 ? ERR_MISMATCH : ERR_EQUIVOCATION);
        assert_non_null(strstr(f.who, "seat 2"));
        assert_int_equal(released(w), ERR_EARLY);
    }
    free(oc);
    world_free(w);
}

/* Who holds the share and proves only one of the two things has not confirmed. */
static void test_confirm_with_one_bad_proof(void **state)
{
    (void)state;
    struct world *w = almost(3, 2);
    static const hash_t none;
    const point_t *S = &w->outcome->S[1];
    struct cbor_out context = CBOR_OUT_INIT;
    scalar_t s = {{0}}, part;
    point_t A, B, V, D;
    struct pok pok;
    struct dleq dleq;
    const uint8_t fresh[32] = {1};
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(
            trustee_share_of(&world_seat(w, 2)->t, &part, w->roster, &w->outcome->deal[i], 2, &f), OK);
        scalar_add(&s, &s, &part);
    }
    assert_int_equal(test_ciphertext(w->g, &A, &B, &V, w->roster, &w->cut.hash, &w->outcome->Y), OK);
    assert_int_equal(point_mul(w->g, &D, &s, &A), OK);
    confirm_context(&context, w->roster, &w->cut, w->outcome, 2);
    assert_int_equal(pok_prove(w->g, &pok, &s, S, fresh, "conclave/confirm-pok", &w->m.election, context.data,
                               context.len),
                     OK);
    cbor_out_free(&context);
    struct dleq_statement x = {&w->m.election, &w->cut.hash, &none, "test", "test", 2, S, 1, &A, &D};
    assert_int_equal(dleq_prove(w->g, &dleq, &x, &s, fresh), OK);
    for (int i = 0; i < 3; i++) {
        struct cbor_out st = CBOR_OUT_INIT, ev = CBOR_OUT_INIT;
        struct pok p = pok;
        struct dleq d = dleq;
        p.z.b[31] ^= i == 0;
        d.z.b[31] ^= i == 1;
        confirm_statement(&st, w->roster, &w->cut, w->outcome, &D);
        cbor_put_array(&ev, 2);
        cbor_put_pok(&ev, &p);
        cbor_put_dleq(&ev, &d);
        const struct entry *e = evil_post(w, 2, ENTRY_CONFIRM, &w->cut.hash, &st, &ev);
        struct entry *only = (struct entry *)(uintptr_t)e;
        const struct board view = {.election = w->m.election, .entry = &only, .entry_count = 1};
        const struct entry *used;
        point_t got;
        fault_clear(&f);
        assert_int_equal(confirm_check(&got, &used, &view, w->roster, &w->cut, w->outcome, 2, w->g, &f),
                         i < 2 ? ERR_PROOF : OK);
        assert_true(i == 2 || strstr(f.detail, i == 0 ? "knowledge" : "test decryption") != NULL);
    }
    /* Repetitions of one statement: the good one counts. */
    assert_int_equal(released(w), OK);
    world_free(w);
}

/* D is easy to make (the randomness of the test is public); the proofs are not, without the share. */
static void test_confirm_without_the_share(void **state)
{
    (void)state;
    struct world *w = almost(3, 2);
    point_t A, B, V, D;
    scalar_t s, r;
    assert_int_equal(test_ciphertext(w->g, &A, &B, &V, w->roster, &w->cut.hash, &w->outcome->Y), OK);
    scalar_random(&s);
    scalar_random(&r);
    assert_int_equal(point_mul(w->g, &D, &r, &w->outcome->S[1]), OK);
    post_confirm(w, w->outcome, &D, &s);
    assert_int_equal(confirmed(w, 2), ERR_PROOF);
    assert_int_equal(released(w), ERR_EARLY);
    /* The honest one counts, whatever was said before: its statement is the only one that can be proved. */
    assert_int_equal(confirm_make(&world_seat(w, 2)->t, w->roster, &w->cut, &f), OK);
    world_reopen(w);
    assert_int_equal(confirmed(w, 2), OK);
    assert_int_equal(released(w), OK);
    const struct entry *one, *two;
    assert_int_equal(board_find(w->party[0].b, &one, &two, ENTRY_CONFIRM, &w->roster->ceremony,
                                &w->roster->seat[1].identity, &w->cut.hash),
                     ERR_EQUIVOCATION); /* and the author is named */
    world_free(w);
}

/* Another seat's confirmation under the own signature. */
static void test_confirm_copied(void **state)
{
    (void)state;
    struct world *w = almost(3, 2);
    struct cbor_out st = CBOR_OUT_INIT, ev = CBOR_OUT_INIT;
    const struct entry *e = entry_of(w, 1, ENTRY_CONFIRM);
    cbor_put_raw(&st, e->statement, e->statement_len);
    cbor_put_raw(&ev, e->evidence, e->evidence_len);
    evil_post(w, 2, ENTRY_CONFIRM, &w->cut.hash, &st, &ev);
    world_reopen(w);
    assert_int_equal(confirmed(w, 2), ERR_PROOF);
    assert_int_equal(released(w), ERR_EARLY);
    world_free(w);
}

/* After the release a holder signs another confirmation: evidence, and nothing else. */
static void test_confirm_twice_after_release(void **state)
{
    (void)state;
    struct world *w = world_new(3, 2, 0, 1);
    scalar_t s, *secret;
    uint32_t seat;
    world_to_record(w);
    hash_t id = w->record->id;
    scalar_random(&s);
    post_confirm(w, w->outcome, &w->outcome->Y, &s);
    world_record(w);
    assert_memory_equal(&w->record->id, &id, HASH_LEN);
    assert_int_equal(share_rebuild(&world_seat(w, 1)->t, w->record, &secret, &seat, &f), OK);
    secret_free(secret);
    world_free(w);
}

/* --- records --- */

/* Somebody plays a whole ceremony of this election with own keys and puts it on the honest board. */
static void test_ceremony_of_outsiders(void **state)
{
    (void)state;
    struct world *w = world_new(3, 2, 0, 1), *fake = world_new(3, 2, 0, 1);
    struct record *r;
    struct cbor_out bytes = CBOR_OUT_INIT;
    world_enroll(w);
    world_roster(w);
    fake->m.election = w->m.election;
    for (uint32_t i = 0; i < 3; i++)
        fake->party[i].b->election = w->m.election;
    world_to_record(fake);
    board_inject(w->party[0].b, fake->party[0].dir);
    world_reopen(w);
    world_deal(w, ALL);
    assert_int_equal(record_make(&r, &bytes, &w->m, w->party[0].b, &w->roster->ceremony, &f), ERR_EARLY);
    /* A trustee has no part in that record. */
    scalar_t *s;
    uint32_t seat;
    assert_int_equal(record_check(fake->record, &w->m, w->party[0].b, &f), OK);
    assert_int_equal(share_rebuild(&w->party[0].t, fake->record, &s, &seat, &f), ERR_MISMATCH);
    world_cut(w, 0);
    world_confirm(w, ALL);
    world_record(w);
    assert_int_equal(record_check(w->record, &w->m, w->party[0].b, &f), OK);
    assert_int_equal(record_make(&r, &bytes, &w->m, w->party[0].b, NULL, &f), ERR_CONFLICT);
    world_free(fake);
    world_free(w);
}

static void test_record_of_another_election(void **state)
{
    (void)state;
    struct world *w = world_new(2, 2, 0, 1);
    struct cbor_out bytes = CBOR_OUT_INIT;
    struct record *r, *made;
    world_to_record(w);
    assert_int_equal(record_make(&made, &bytes, &w->m, w->party[0].b, NULL, &f), OK);
    w->m.election.b[0] ^= 1;
    assert_int_equal(record_parse(&r, &w->m, bytes.data, bytes.len, &f), ERR_ELECTION);
    w->m.election.b[0] ^= 1;
    w->m.n = 3;
    assert_int_equal(record_parse(&r, &w->m, bytes.data, bytes.len, &f), ERR_MISMATCH);
    w->m.n = 2;
    assert_int_equal(record_parse(&r, &w->m, bytes.data, bytes.len, &f), OK);
    assert_memory_equal(&r->id, &made->id, HASH_LEN);
    record_free(r);
    for (size_t len = 0; len < bytes.len; len++)
        assert_int_not_equal(record_parse(&r, &w->m, bytes.data, len, &f), OK);
    record_free(made);
    cbor_out_free(&bytes);
    world_free(w);
}

static void test_record_every_byte(void **state)
{
    (void)state;
    struct world *w = world_new(2, 2, 0, 1);
    struct cbor_out bytes = CBOR_OUT_INIT;
    struct record *r;
    size_t parsed = 0;
    world_to_record(w);
    assert_int_equal(record_make(&r, &bytes, &w->m, w->party[0].b, NULL, &f), OK);
    hash_t id = r->id;
    record_free(r);
    for (size_t i = 0; i < bytes.len; i++) {
        bytes.data[i] ^= 1;
        if (record_parse(&r, &w->m, bytes.data, bytes.len, &f) == OK) {
            parsed++;
            assert_memory_not_equal(&r->id, &id, HASH_LEN);
            assert_int_not_equal(record_check(r, &w->m, w->party[0].b, &f), OK);
            record_free(r);
        }
        bytes.data[i] ^= 1;
    }
    assert_true(parsed > 0); /* names, say */
    cbor_out_free(&bytes);
    world_free(w);
}

/* A record that lacks the own confirmation, whatever else it has. */
static void test_record_without_own_confirmation(void **state)
{
    (void)state;
    struct world *w = world_new(3, 2, 0, 1);
    scalar_t *s;
    uint32_t seat;
    world_to_record(w);
    /* seat 3's own board never had its confirmation: entry and record are consistent otherwise */
    struct record *r = w->record;
    hash_t *last = &r->entry[r->entry_count - 1];
    hash_t keep = *last;
    *last = r->entry[r->entry_count - 2];
    assert_int_not_equal(share_rebuild(&world_seat(w, 3)->t, r, &s, &seat, &f), OK);
    *last = keep;
    r->seat[2].S = r->seat[1].S;
    r->id.b[0] ^= 1;
    assert_int_equal(share_rebuild(&world_seat(w, 3)->t, r, &s, &seat, &f), ERR_MISMATCH);
    assert_null(s);
    world_record(w);
    assert_int_equal(share_rebuild(&world_seat(w, 3)->t, w->record, &s, &seat, &f), OK);
    assert_int_equal(seat, 3);
    secret_free(s);
    /* A token without a part in it. */
    struct softkeys *other = softkeys_new("Other", "1");
    softkeys_add(other);
    struct trustee t = world_seat(w, 3)->t;
    t.vault = softkeys_vault(other);
    t.label = other->enrolment[0].label;
    t.identity = other->enrolment[0].identity_key;
    assert_int_equal(share_rebuild(&t, w->record, &s, &seat, &f), ERR_MISMATCH);
    assert_int_equal(trustee_find(&t, &f), ERR_MISSING);
    softkeys_free(other);
    world_free(w);
}

/* --- drills --- */

static void test_drill(void **state)
{
    (void)state;
    struct world *w = world_new(3, 2, 0, 1);
    hash_t challenge = {{1}}, other = {{2}};
    uint32_t seat;
    world_to_record(w);
    assert_int_equal(drill_make(&world_seat(w, 1)->t, w->record, &challenge, &f), OK);
    const struct entry *e = entry_of(w, 1, ENTRY_DRILL), *x;
    assert_int_equal(drill_check(e, w->record, w->g, &seat, &f), OK);
    assert_int_equal(seat, 1);
    /* An old proof for a new challenge. */
    struct cbor_out st = CBOR_OUT_INIT, ev = CBOR_OUT_INIT;
    cbor_put_array(&st, 2);
    cbor_put_hash(&st, &other);
    cbor_put_point(&st, &w->record->seat[0].S);
    cbor_put_raw(&ev, e->evidence, e->evidence_len);
    x = evil_post(w, 1, ENTRY_DRILL, &other, &st, &ev);
    assert_int_equal(drill_check(x, w->record, w->g, &seat, &f), ERR_PROOF);
    cbor_put_raw(&st, e->statement, e->statement_len);
    cbor_put_raw(&ev, e->evidence, e->evidence_len);
    x = evil_post(w, 1, ENTRY_DRILL, &other, &st, &ev);
    assert_int_equal(drill_check(x, w->record, w->g, &seat, &f), ERR_MISMATCH);
    /* Another seat's proof. */
    cbor_put_raw(&st, e->statement, e->statement_len);
    cbor_put_raw(&ev, e->evidence, e->evidence_len);
    x = evil_post(w, 2, ENTRY_DRILL, &challenge, &st, &ev);
    assert_int_equal(drill_check(x, w->record, w->g, &seat, &f), ERR_MISMATCH);
    world_free(w);
}

/* --- plans and partial decryptions --- */

/* Two honest trustees, two plans: the second sees the first's signature on the board and stops. */
static void test_rival_plan(void **state)
{
    (void)state;
    struct world *w = world_new(3, 2, 0, 1);
    world_to_record(w);
    struct target *x = targets_make(w, 1, 2, 3);
    struct plan_file one = plan_for(w, x, 1, NULL, 1), two = plan_for(w, x, 1, NULL, 2);
    struct plan_file two_after_one = plan_for(w, x, 1, &one.id, 2);
    struct trustee *a = &world_seat(w, 1)->t, *b = &world_seat(w, 2)->t;
    assert_int_equal(plan_sign(a, w->record, &one, NULL, 0, &f), OK);
    world_exchange(w);
    assert_int_equal(plan_rivals(b->b, w->record, &two.id, NULL), 1);
    assert_int_equal(plan_sign(b, w->record, &two, NULL, 0, &f), ERR_CONFLICT);
    assert_non_null(strstr(f.who, "seat 1"));
    /* A plan that supersedes it in the open. */
    assert_int_equal(plan_sign(b, w->record, &two_after_one, NULL, 0, &f), OK);
    world_exchange(w);
    assert_int_equal(plan_rivals(b->b, w->record, &one.id, NULL), 2);
    a->despite = 2;
    assert_int_equal(plan_sign(a, w->record, &one, NULL, 0, &f), OK); /* the person decided */
    plan_file_free(&one);
    plan_file_free(&two);
    plan_file_free(&two_after_one);
    targets_free(x, 1);
    world_free(w);
}

static void test_plan_split(void **state)
{
    (void)state;
    struct world *w = world_new(3, 2, 0, 1);
    world_to_record(w);
    struct trustee *t = &world_seat(w, 1)->t;
    struct target *x = targets_make(w, 1, 2, 3);
    struct plan_file one = plan_for(w, x, 1, NULL, 1), two = plan_for(w, x, 1, NULL, 2);
    struct plan_file three = plan_for(w, x, 1, NULL, 3);
    struct plan_file two_after_one = plan_for(w, x, 1, &one.id, 2),
                     two_after_three = plan_for(w, x, 1, &three.id, 2);
    struct plan_file three_after_one = plan_for(w, x, 1, &one.id, 3);
    struct plan_file *all[] = {&one, &two, &three, &two_after_one, &two_after_three, &three_after_one};
    assert_int_equal(plan_sign(t, w->record, &one, NULL, 0, &f), OK);
    assert_int_equal(plan_sign(t, w->record, &one, NULL, 0, &f), OK);
    assert_int_equal(plan_sign(t, w->record, &two, NULL, 0, &f), ERR_TOKEN_BOUND);
    assert_int_equal(plan_sign(t, w->record, &two_after_three, NULL, 0, &f), ERR_TOKEN_BOUND);
    assert_int_equal(decrypt_make(t, w->record, &two, x, 1, &f), ERR_TOKEN_BOUND);
    assert_int_equal(plan_signers(t->b, w->record, &two.id), 0);
    /* A signature that names another plan than its subject counts for neither. */
    struct cbor_out st = CBOR_OUT_INIT;
    cbor_put_array(&st, 2);
    cbor_put_hash(&st, &one.id);
    cbor_put_null(&st);
    evil_post(w, 2, ENTRY_PLAN, &two.id, &st, NULL);
    assert_int_equal(plan_signers(world_seat(w, 2)->b, w->record, &two.id), 0);
    /* Superseded in the open; the token lost power between writing the new plan and destroying the old. */
    struct softkeys *k = world_seat(w, 1)->token;
    struct soft_enrolment *mine = &k->enrolment[0];
    assert_true(mine->is_bound[BIND_PLAN]);
    mine->is_torn = 1;
    mine->torn_from = one.id;
    mine->bound[BIND_PLAN] = two_after_one.id;
    assert_int_equal(plan_sign(t, w->record, &three_after_one, NULL, 0, &f), ERR_TOKEN_BOUND);
    assert_int_equal(plan_sign(t, w->record, &two_after_three, NULL, 0, &f), ERR_TOKEN_BOUND);
    assert_int_equal(plan_sign(t, w->record, &two_after_one, NULL, 0, &f), OK);
    assert_int_equal(decrypt_make(t, w->record, &one, x, 1, &f), ERR_TOKEN_BOUND);
    assert_int_equal(decrypt_make(t, w->record, &two_after_one, x, 1, &f), OK);
    assert_int_equal(decrypt_make(t, w->record, &two_after_one, x, 1, &f), OK); /* repeated */
    targets_free(x, 1);
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        plan_file_free(all[i]);
    world_free(w);
}

static void put_partial(struct cbor_out *st, struct cbor_out *ev, const hash_t *plan, const struct target *x,
                        const struct partial *p)
{
    cbor_put_array(st, 2);
    cbor_put_hash(st, plan);
    cbor_put_array(st, 1);
    cbor_put_array(st, 3);
    cbor_put_text(st, x->place);
    cbor_put_text(st, x->contest);
    cbor_put_array(st, x->count);
    for (size_t o = 0; o < x->count; o++)
        cbor_put_point(st, &p->D[0][o]);
    cbor_put_array(ev, 1);
    cbor_put_dleq(ev, &p->proof[0]);
}

static void test_bad_partials(void **state)
{
    (void)state;
    struct world *w = world_new(3, 2, 0, 1);
    hash_t other = {{2}};
    struct partial *p, *q;
    struct cbor_out st = CBOR_OUT_INIT, ev = CBOR_OUT_INIT;
    const struct entry *e;
    world_to_record(w);
    struct target *x = targets_make(w, 1, 2, 3), *y = targets_make(w, 1, 2, 3);
    struct plan_file plan = plan_for(w, x, 1, NULL, 1);
    struct trustee *t = &world_seat(w, 1)->t;
    assert_int_equal(plan_sign(t, w->record, &plan, NULL, 0, &f), OK);
    assert_int_equal(decrypt_make(t, w->record, &plan, x, 1, &f), OK);
    e = entry_of(w, 1, ENTRY_PARTIAL);
    assert_int_equal(partial_parse(&p, e, w->record, &other, x, 1, &f), ERR_MISMATCH);
    assert_int_equal(partial_parse(&p, e, w->record, &plan.id, x, 1, &f), OK);
    assert_int_equal(partial_verify_var(p, w->record, x, 1, &f), OK);
    /* For other ciphertexts, or another place. */
    assert_int_equal(partial_verify_var(p, w->record, y, 1, &f), ERR_PROOF);
    strcpy(y[0].place, "elsewhere");
    assert_int_equal(partial_parse(&q, e, w->record, &plan.id, y, 1, &f), ERR_MISMATCH);
    /* Of another record. */
    w->record->id.b[0] ^= 1;
    assert_int_equal(partial_verify_var(p, w->record, x, 1, &f), ERR_PROOF);
    w->record->id.b[0] ^= 1;
    w->record->ceremony.b[0] ^= 1;
    assert_int_equal(partial_parse(&q, e, w->record, &plan.id, x, 1, &f), ERR_ELECTION);
    w->record->ceremony.b[0] ^= 1;
    /* The other seat signs it; then with two results swapped; then with another proof. */
    for (int i = 0; i < 3; i++) {
        if (i == 1) {
            point_t swap = p->D[0][0];
            p->D[0][0] = p->D[0][1];
            p->D[0][1] = swap;
        }
        p->proof[0].z.b[31] ^= i == 2;
        put_partial(&st, &ev, &plan.id, x, p);
        e = evil_post(w, i == 0 ? 2 : 1, ENTRY_PARTIAL, &plan.id, &st, &ev);
        assert_int_equal(partial_parse(&q, e, w->record, &plan.id, x, 1, &f), OK);
        assert_int_equal(partial_verify_var(q, w->record, x, 1, &f), ERR_PROOF);
        assert_non_null(strstr(f.who, i == 0 ? "seat 2" : "seat 1"));
        partial_free(q);
    }
    /* Two statements of seat 1 by now: named, and the two others decrypt. */
    const struct entry *one, *two;
    world_reopen(w);
    assert_int_equal(
        board_find(w->party[0].b, &one, &two, ENTRY_PARTIAL, NULL, &w->roster->seat[0].identity, &plan.id),
        ERR_EQUIVOCATION);
    assert_int_equal(decrypt_make(&world_seat(w, 1)->t, w->record, &plan, x, 1, &f), ERR_EQUIVOCATION);
    for (uint32_t j = 2; j <= 3; j++) {
        t = &world_seat(w, j)->t;
        assert_int_equal(plan_sign(t, w->record, &plan, NULL, 0, &f), OK);
    }
    t = &world_seat(w, 3)->t;
    assert_int_equal(decrypt_make(t, w->record, &plan, x, 1, &f), OK);
    assert_int_equal(decrypt_make(&world_seat(w, 2)->t, w->record, &plan, x, 1, &f),
                     ERR_PROOF); /* its own bad one */
    partial_free(p);
    targets_free(x, 1);
    targets_free(y, 1);
    plan_file_free(&plan);
    world_free(w);
}

/* A ciphertext of nothing cannot be decrypted with a proof that says something. */
static void test_identity_is_not_decrypted(void **state)
{
    (void)state;
    struct world *w = world_new(2, 2, 0, 1);
    world_to_record(w);
    struct target *x = targets_make(w, 1, 2, 3);
    memset(&x[0].A[1], 0, sizeof x[0].A[1]);
    struct plan_file plan = plan_for(w, x, 1, NULL, 1);
    struct trustee *t = &world_seat(w, 1)->t;
    assert_int_equal(plan_sign(t, w->record, &plan, NULL, 0, &f), OK);
    assert_int_equal(decrypt_make(t, w->record, &plan, x, 1, &f), ERR_POINT);
    const struct entry *e;
    assert_int_equal(board_find(t->b, &e, NULL, ENTRY_PARTIAL, NULL, NULL, NULL), OK);
    assert_null(e);
    targets_free(x, 1);
    plan_file_free(&plan);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_confirm_other_values),
        cmocka_unit_test(test_confirm_with_one_bad_proof),
        cmocka_unit_test(test_confirm_without_the_share),
        cmocka_unit_test(test_confirm_copied),
        cmocka_unit_test(test_confirm_twice_after_release),
        cmocka_unit_test(test_ceremony_of_outsiders),
        cmocka_unit_test(test_record_of_another_election),
        cmocka_unit_test(test_record_every_byte),
        cmocka_unit_test(test_record_without_own_confirmation),
        cmocka_unit_test(test_drill),
        cmocka_unit_test(test_plan_split),
        cmocka_unit_test(test_rival_plan),
        cmocka_unit_test(test_bad_partials),
        cmocka_unit_test(test_identity_is_not_decrypted),
    };
    return cmocka_run_group_tests(tests, secrets_setup, NULL);
}
