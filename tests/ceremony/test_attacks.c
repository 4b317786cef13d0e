/* Attacks on a ceremony up to the cut, one test each, tried in a real ceremony. The marks (attack) of the
 * protocol and those that the review of the code brought up. test_attacks_key.c has the rest. */
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

static struct world *dealt(uint32_t n, uint32_t t, uint32_t min_qual)
{
    struct world *w = world_new(n, t, min_qual, 1);
    world_to_deal(w);
    return w;
}

/* The ceremony still comes to an end, with these dealers. */
static void assert_ends(struct world *w, uint32_t qual)
{
    world_cut(w, 0);
    assert_int_equal(w->outcome->qual, qual);
    world_confirm(w, ALL);
    world_record(w);
    assert_int_equal(record_check(w->record, &w->m, w->party[0].b, &f), OK);
}

/* --- enrolments and rosters --- */

/* One enrolment in two rosters would give one polynomial twice. */
static void test_second_roster(void **state)
{
    (void)state;
    struct world *w = world_new(3, 2, 0, 1);
    world_enroll(w);
    /* The third has a second token and enrols a second time: two rosters for the first two. */
    struct softkeys *second = softkeys_new("Other", "x");
    struct trustee twice = {.m = &w->m, .b = w->party[2].b, .g = w->g, .vault = softkeys_vault(second)};
    struct roster one, two;
    assert_int_equal(enroll_make(&twice, "Trustee 2", "Somewhere", &f), OK);
    world_reopen(w);
    struct board *b = w->party[0].b;
    hash_t first = w->party[2].t.enrolment->id;
    const struct entry *e;
    assert_int_equal(board_find(b, &e, NULL, ENTRY_ENROLL, NULL, &twice.identity, NULL), OK);
    assert_int_equal(roster_make(&one, &w->m, b, w->g, NULL, 0, &f), ERR_QUORUM);
    assert_int_equal(roster_make(&one, &w->m, b, w->g, &e->id, 1, &f), OK);
    assert_int_equal(roster_make(&two, &w->m, b, w->g, &first, 1, &f), OK);
    assert_memory_not_equal(&one.ceremony, &two.ceremony, HASH_LEN);
    struct trustee *t = &w->party[0].t;
    assert_int_equal(roster_sign(t, &one, &f), OK);
    assert_int_equal(roster_sign(t, &two, &f), ERR_DONE);
    assert_int_equal(deal_make(t, &two, &f), ERR_MISMATCH);
    assert_int_equal(deal_make(t, &one, &f), OK);
    /* A board on which the first roster was never signed: only the token knows. */
    char dir[64];
    struct board *clean;
    temp_dir(dir, sizeof dir);
    assert_int_equal(board_open(&clean, dir, &w->m.election, &f), OK);
    for (size_t i = 0; i < b->entry_count; i++) {
        uint8_t *copy = malloc(b->entry[i]->bytes_len);
        struct entry *x;
        int taken;
        assert_non_null(copy);
        memcpy(copy, b->entry[i]->bytes, b->entry[i]->bytes_len);
        assert_int_equal(entry_parse(&x, copy, b->entry[i]->bytes_len, &w->m.election, &f), OK);
        if (x->kind == ENTRY_ENROLL)
            assert_int_equal(board_add(clean, x, &taken, &f), OK);
        else
            entry_free(x);
    }
    struct enrolment own;
    uint8_t *sealed;
    size_t len;
    hash_t h;
    assert_int_equal(enrolment_parse(&own, t->enrolment, &w->m, w->g, &f), OK);
    assert_int_equal(board_detached_get(b, &sealed, &len, &own.sealed, &f), OK);
    assert_int_equal(board_detached_put(clean, &h, sealed, len, &f), OK);
    free(sealed);
    t->b = clean;
    assert_int_equal(trustee_find(t, &f), OK);
    assert_int_equal(roster_sign(t, &two, &f), OK);
    assert_int_equal(deal_make(t, &two, &f), ERR_TOKEN_BOUND);
    assert_int_equal(board_find(clean, &e, NULL, ENTRY_DEAL, NULL, NULL, NULL), OK);
    assert_null(e);
    /* And were the token to forget: the polynomials have nothing in common but a_0, the proofs no nonce. */
    uint8_t *seed;
    scalar_t a[2], eph[2];
    t->b = b;
    assert_int_equal(trustee_find(t, &f), OK);
    assert_int_equal(trustee_seed(t, &seed, &f), OK);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(seed_coefficient(&a[i], seed, i == 0 ? &one.ceremony : &two.ceremony, 1), OK);
        assert_int_equal(seed_encapsulation(&eph[i], seed, i == 0 ? &one.ceremony : &two.ceremony, 1), OK);
    }
    assert_memory_not_equal(&a[0], &a[1], sizeof a[0]);
    assert_memory_not_equal(&eph[0], &eph[1], sizeof eph[0]);
    secret_free(seed);
    board_free(clean);
    remove_tree(dir);
    softkeys_free(second);
    world_free(w);
}

/* Nonces are fresh even for the same statement: the same deal proved twice. */
static void test_nonce_never_repeats(void **state)
{
    (void)state;
    struct world *w = dealt(2, 2, 0);
    const struct entry *e;
    struct pok one, two;
    struct cbor_in in;
    evil_deal(w, 1, &(struct evil_deal){0}); /* the same statement, proved again */
    world_reopen(w);
    struct board *b = w->party[0].b;
    size_t count = 0;
    for (size_t i = 0; i < b->entry_count; i++) {
        e = b->entry[i];
        if (e->kind != ENTRY_DEAL || !point_equal(&e->author, &w->roster->seat[0].identity))
            continue;
        cbor_in_init(&in, e->evidence, e->evidence_len);
        cbor_get_pok(&in, w->g, count++ == 0 ? &one : &two);
        assert_int_equal(cbor_in_end(&in, &f), OK);
    }
    assert_int_equal(count, 2);
    assert_memory_not_equal(&one.R, &two.R, POINT_LEN);
    assert_int_equal(board_find(b, &e, NULL, ENTRY_DEAL, NULL, &w->roster->seat[0].identity, NULL), OK);
    world_free(w);
}

static void post_enrolment(struct world *w, struct softkeys *k, const point_t *ceremony_key,
                           const hash_t *sealed, const hash_t *commitment)
{
    struct cbor_out st = CBOR_OUT_INIT;
    struct signer s = softkeys_signer(k, 0);
    cbor_put_array(&st, 10);
    cbor_put_uint(&st, w->n);
    cbor_put_uint(&st, w->t);
    cbor_put_text(&st, "Mallory");
    cbor_put_text(&st, "");
    cbor_put_point(&st, ceremony_key);
    cbor_put_text(&st, "M");
    cbor_put_text(&st, "M");
    cbor_put_text(&st, "M");
    cbor_put_hash(&st, sealed);
    cbor_put_hash(&st, commitment);
    evil_post_as(w, &s, ENTRY_ENROLL, NULL, NULL, &st, NULL);
}

/* n-1 honest enrolments, and one of Mallory's making with keys of her token. */
static struct world *with_mallory(struct softkeys **mallory, uint32_t n, int copy_key, int copy_commitment,
                                  int copy_seed)
{
    struct world *w = world_new(n, 2, n - 1, 1);
    struct enrolment victim;
    for (uint32_t i = 0; i + 1 < n; i++)
        assert_int_equal(enroll_make(&w->party[i].t, "Honest", "", &f), OK);
    *mallory = w->party[n - 1].token;
    softkeys_add(*mallory);
    assert_int_equal(enrolment_parse(&victim, w->party[0].t.enrolment, &w->m, w->g, &f), OK);
    hash_t other = {{1}};
    post_enrolment(w, *mallory, copy_key ? &victim.ceremony_key : &(*mallory)->enrolment[0].ceremony_key,
                   copy_seed ? &victim.sealed : &other, copy_commitment ? &victim.commitment : &other);
    world_reopen(w);
    return w;
}

static void test_duplicated_key(void **state)
{
    (void)state;
    struct softkeys *mallory;
    struct roster r;
    struct world *w = with_mallory(&mallory, 3, 1, 0, 0);
    assert_int_equal(roster_make(&r, &w->m, w->party[0].b, w->g, NULL, 0, &f), ERR_DUPLICATE);
    world_free(w);
    w = with_mallory(&mallory, 3, 0, 0, 0);
    assert_int_equal(roster_make(&r, &w->m, w->party[0].b, w->g, NULL, 0, &f), OK);
    world_free(w);
}

/* Rogue key: whoever copies a commitment cannot open it, for it binds the committer. */
static void test_copied_commitment(void **state)
{
    (void)state;
    struct softkeys *mallory;
    struct world *w = with_mallory(&mallory, 4, 0, 1, 1);
    struct roster *r = w->roster = calloc(1, sizeof *w->roster);
    assert_int_equal(roster_make(r, &w->m, w->party[0].b, w->g, NULL, 0, &f), OK);
    for (uint32_t i = 0; i < 4; i++)
        w->party_of[roster_seat(r, i < 3 ? &w->party[i].t.identity : &mallory->enrolment[0].identity_key) -
                    1] = i;
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(roster_sign(&w->party[i].t, r, &f), OK);
        assert_int_equal(deal_make(&w->party[i].t, r, &f), OK);
    }
    /* A copied sealed seed does not open for her. */
    assert_int_equal(trustee_find(&w->party[3].t, &f), OK);
    assert_int_equal(roster_check_own(&w->party[3].t, r, &f), ERR_DECRYPT);
    /* She repeats the victim's points, with a proof that she cannot make; the commitment stops it before. */
    uint32_t victim = roster_seat(r, &w->party[0].t.identity), seat = roster_seat(r, &w->party[3].t.identity);
    struct deal d;
    struct cbor_out st = CBOR_OUT_INIT, ev = CBOR_OUT_INIT;
    const struct entry *e;
    assert_int_equal(deal_of_seat(&d, w->party[0].b, r, w->g, victim, NULL, 0, &f), OK);
    assert_int_equal(board_find(w->party[0].b, &e, NULL, ENTRY_DEAL, NULL, &w->party[0].t.identity, NULL),
                     OK);
    cbor_put_raw(&st, e->statement, e->statement_len);
    cbor_put_raw(&ev, e->evidence, e->evidence_len);
    evil_post(w, seat, ENTRY_DEAL, NULL, &st, &ev);
    world_reopen(w);
    assert_int_equal(deal_of_seat(&d, w->party[0].b, r, w->g, seat, NULL, 0, &f), ERR_COMMITMENT);
    world_cut(w, bit(seat));
    assert_int_equal(w->outcome->fate[seat - 1], FATE_BAD_DEAL);
    world_confirm(w, ALL);
    world_record(w);
    world_free(w);
}

static void test_one_model(void **state)
{
    (void)state;
    struct world *w = world_new(4, 2, 0, 1);
    struct roster r;
    strcpy(w->party[1].token->info.model, "Model 0");
    world_enroll(w);
    assert_int_equal(roster_make(&r, &w->m, w->party[0].b, w->g, NULL, 0, &f), ERR_RULE);
    w->m.same_model_max = 2;
    assert_int_equal(roster_make(&r, &w->m, w->party[0].b, w->g, NULL, 0, &f), OK);
    world_free(w);
}

/* A compromised appliance signs a second enrolment with the victim's token, or the roster has another. */
static void test_swapped_enrolment(void **state)
{
    (void)state;
    struct world *w = world_new(3, 2, 0, 1);
    struct roster r;
    world_enroll(w);
    struct trustee *t = &w->party[0].t;
    hash_t real = t->enrolment->id;
    post_enrolment(w, w->party[0].token, &w->party[0].token->enrolment[0].ceremony_key, &real, &real);
    assert_int_equal(roster_make(&r, &w->m, t->b, w->g, &real, 1, &f), ERR_EQUIVOCATION);
    assert_non_null(strstr(f.who, "Mallory"));
    hash_t id[3];
    size_t count = 0;
    for (size_t i = 0; i < t->b->entry_count; i++)
        if (hash_cmp(&t->b->entry[i]->id, &real) != 0)
            id[count++] = t->b->entry[i]->id;
    assert_int_equal(roster_from_ids(&r, &w->m, t->b, w->g, id, count, &f), OK);
    assert_int_equal(roster_sign(t, &r, &f), ERR_MISMATCH);
    assert_int_equal(trustee_find(t, &f), ERR_MISSING);
    world_reopen(w);
    assert_int_equal(roster_sign(&w->party[1].t, &r, &f), ERR_EQUIVOCATION);
    hash_t swap = id[0];
    id[0] = id[1];
    id[1] = swap;
    assert_int_equal(roster_from_ids(&r, &w->m, w->party[1].b, w->g, id, count, &f), ERR_CANONICAL);
    world_free(w);
}

/* The same, when the roster is signed: late evidence, nobody is stopped. */
static void test_late_second_enrolment(void **state)
{
    (void)state;
    struct world *w = world_new(3, 2, 0, 1);
    const struct entry *one, *two;
    world_enroll(w);
    world_roster(w);
    hash_t h = {{1}};
    post_enrolment(w, world_seat(w, 2)->token, &world_seat(w, 2)->token->enrolment[0].ceremony_key, &h, &h);
    world_reopen(w);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(deal_make(&w->party[i].t, w->roster, &f), OK);
    assert_int_equal(
        board_find(w->party[0].b, &one, &two, ENTRY_ENROLL, NULL, &w->roster->seat[1].identity, NULL),
        ERR_EQUIVOCATION);
    world_reopen(w);
    assert_ends(w, 7);
    world_free(w);
}

static void test_other_sizes(void **state)
{
    (void)state;
    struct world *w = world_new(3, 2, 0, 1);
    struct roster r;
    world_enroll(w);
    w->m.t = 3;
    assert_int_equal(roster_make(&r, &w->m, w->party[0].b, w->g, NULL, 0, &f), ERR_MISMATCH);
    world_free(w);
}

/* --- deals --- */

static void test_bad_proof(void **state)
{
    (void)state;
    struct world *w = world_new(4, 2, 3, 1);
    struct deal d;
    world_enroll(w);
    world_roster(w);
    world_deal(w, ALL & ~bit(2));
    evil_deal(w, 2, &(struct evil_deal){.bad_proof = 1});
    world_exchange(w);
    assert_int_equal(deal_of_seat(&d, w->party[0].b, w->roster, w->g, 2, NULL, 0, &f), ERR_PROOF);
    assert_non_null(strstr(f.who, "seat 2"));
    assert_ends(w, 13);
    assert_int_equal(w->outcome->fate[1], FATE_BAD_DEAL);
    world_free(w);
}

/* Two deals: both kept, the dealer named and out, the others go on. */
static void test_equivocating_deals(void **state)
{
    (void)state;
    struct world *w = dealt(4, 2, 3);
    const struct entry *one, *two;
    struct deal d;
    scalar_t more;
    scalar_set(&more, 1);
    evil_deal(w, 2, &(struct evil_deal){.twist = &more});
    world_exchange(w);
    assert_int_equal(
        board_find(w->party[0].b, &one, &two, ENTRY_DEAL, NULL, &w->roster->seat[1].identity, NULL),
        ERR_EQUIVOCATION);
    assert_non_null(two);
    assert_int_equal(deal_of_seat(&d, w->party[0].b, w->roster, w->g, 2, NULL, 0, &f), ERR_EQUIVOCATION);
    assert_non_null(strstr(f.who, "seat 2"));
    assert_ends(w, 13);
    assert_int_equal(w->outcome->fate[1], FATE_EQUIVOCATED);
    world_free(w);
}

/* A second deal that only turns up after the cut. */
static void test_late_second_deal(void **state)
{
    (void)state;
    struct world *w = dealt(4, 2, 3);
    scalar_t more, *s;
    uint32_t seat;
    world_cut(w, 0);
    world_confirm(w, ALL);
    world_record(w);
    scalar_set(&more, 1);
    evil_deal(w, 2, &(struct evil_deal){.twist = &more});
    world_exchange(w);
    assert_int_equal(record_check(w->record, &w->m, w->party[0].b, &f), OK);
    assert_int_equal(share_rebuild(&w->party[0].t, w->record, &s, &seat, &f), OK);
    secret_free(s);
    world_free(w);
}

/* The victim's own sealed seed comes back as the share: her token opens it for nobody under another name. */
static void test_sealed_seed_as_share(void **state)
{
    (void)state;
    struct world *w = world_new(4, 2, 3, 1);
    uint32_t bad, missing;
    world_enroll(w);
    world_roster(w);
    world_deal(w, ALL & ~bit(1));
    evil_deal(
        w, 1,
        &(struct evil_deal){.victims = bit(3), .how = SHARE_SEED, .replace = &w->roster->seat[2].sealed});
    world_exchange(w);
    struct trustee *t = &world_seat(w, 3)->t;
    assert_int_equal(shares_check(t, w->roster, &bad, &missing, &f), OK);
    assert_int_equal(bad, bit(1));
    assert_int_equal(complaint_make(t, w->roster, bad, &f), OK);
    evil_reveal(w, 1, 3, 0);
    world_exchange(w);
    assert_ends(w, 14);
    assert_int_equal(w->outcome->fate[0], FATE_OUT_REVEAL);
    world_free(w);
}

/* Who deals last makes the own public share the identity: holds nothing, the others go on. */
static void test_zero_share(void **state)
{
    (void)state;
    struct world *w = world_new(4, 2, 3, 1);
    scalar_t sum, part, a[2], j;
    uint8_t *seed;
    world_enroll(w);
    world_roster(w);
    world_deal(w, ALL & ~bit(2));
    struct trustee *t = &world_seat(w, 2)->t;
    scalar_set(&sum, 0);
    for (uint32_t i = 1; i <= 4; i++) {
        struct deal d;
        if (i == 2)
            continue;
        assert_int_equal(deal_of_seat(&d, t->b, w->roster, w->g, i, NULL, 0, &f), OK);
        assert_int_equal(trustee_share_of(t, &part, w->roster, &d, 2, &f), OK);
        scalar_add(&sum, &sum, &part);
    }
    assert_int_equal(trustee_seed(t, &seed, &f), OK);
    assert_int_equal(seed_contribution(&a[0], seed, &w->m.election, &t->identity), OK);
    assert_int_equal(seed_coefficient(&a[1], seed, &w->roster->ceremony, 1), OK);
    secret_free(seed);
    /* a_0 + 2 (a_1 + x) = -sum */
    scalar_set(&j, 2);
    scalar_invert(&j, &j);
    scalar_add(&sum, &sum, &a[0]);
    scalar_mul(&sum, &sum, &j);
    scalar_add(&sum, &sum, &a[1]);
    scalar_neg(&sum, &sum);
    evil_deal(w, 2, &(struct evil_deal){.twist = &sum});
    world_exchange(w);
    assert_ends(w, 15);
    assert_int_equal(w->outcome->holders, 13);
    world_free(w);
}

/* --- complaints, reveals, cuts --- */

static void test_complaint_of_an_outsider(void **state)
{
    (void)state;
    struct world *w = dealt(3, 2, 0);
    struct softkeys *out = softkeys_new("Out", "0");
    struct signer s;
    struct deal d;
    size_t count;
    softkeys_add(out);
    s = softkeys_signer(out, 0);
    assert_int_equal(deal_of_seat(&d, w->party[0].b, w->roster, w->g, 1, NULL, 0, &f), OK);
    struct cbor_out st = CBOR_OUT_INIT;
    cbor_put_array(&st, 1);
    cbor_put_hash(&st, &d.statement_id);
    evil_post_as(w, &s, ENTRY_COMPLAINT, &w->roster->ceremony, &d.statement_id, &st, NULL);
    /* Signed by a seat, but for another ceremony. */
    hash_t other = {{5}};
    s = softkeys_signer(world_seat(w, 2)->token, 0);
    cbor_put_array(&st, 1);
    cbor_put_hash(&st, &d.statement_id);
    evil_post_as(w, &s, ENTRY_COMPLAINT, &other, &d.statement_id, &st, NULL);
    /* And the dealer about itself. */
    evil_complaint(w, 1, 1);
    world_exchange(w);
    assert_int_equal(reveal_make(&world_seat(w, 1)->t, w->roster, &count, &f), OK);
    assert_int_equal(count, 0);
    assert_ends(w, 7);
    assert_int_equal(w->outcome->complaints[0], 0);
    assert_int_equal(w->cut.entry_count, 3);
    softkeys_free(out);
    world_free(w);
}

static void test_unasked_reveal(void **state)
{
    (void)state;
    struct world *w = dealt(3, 2, 0);
    evil_reveal(w, 1, 2, 0);
    world_exchange(w);
    assert_ends(w, 7);
    assert_int_equal(w->outcome->dismissed[0], 0);
    world_free(w);
}

/* An answer with another key, or two answers. */
static void test_bad_answers(void **state)
{
    (void)state;
    for (int two = 0; two < 2; two++) {
        struct world *w = dealt(4, 2, 3);
        evil_complaint(w, 3, 1);
        evil_reveal(w, 1, 3, 1);
        if (two)
            evil_reveal(w, 1, 3, 0);
        world_exchange(w);
        assert_ends(w, 14);
        assert_int_equal(w->outcome->fate[0], FATE_OUT_REVEAL);
        world_free(w);
    }
}

static void test_late_reveal(void **state)
{
    (void)state;
    struct world *w = dealt(4, 2, 3);
    size_t count;
    evil_complaint(w, 3, 1);
    world_exchange(w);
    world_cut(w, 0);
    assert_int_equal(w->outcome->fate[0], FATE_OUT_SILENT);
    world_confirm(w, ALL);
    world_record(w);
    hash_t id = w->record->id;
    assert_int_equal(reveal_make(&world_seat(w, 1)->t, w->roster, &count, &f), OK);
    assert_int_equal(count, 1);
    world_exchange(w);
    world_record(w);
    assert_memory_equal(&w->record->id, &id, HASH_LEN);
    assert_int_equal(w->record->qual, 14);
    assert_int_equal(record_check(w->record, &w->m, w->party[0].b, &f), OK);
    world_free(w);
}

/* Once confirmed, a dealer answers nothing any more. */
static void test_complaint_after_confirmation(void **state)
{
    (void)state;
    struct world *w = dealt(4, 2, 3);
    size_t count;
    evil_complaint(w, 3, 1);
    world_exchange(w);
    assert_int_equal(reveal_make(&world_seat(w, 1)->t, w->roster, &count, &f), OK);
    world_cut(w, 0);
    world_confirm(w, ALL);
    assert_int_equal(reveal_make(&world_seat(w, 1)->t, w->roster, &count, &f), ERR_DONE);
    world_free(w);
}

/* One seat signs hundreds of deals, complaints and reveals: the cut does not grow with them. */
static void test_flood(void **state)
{
    (void)state;
    struct world *w = dealt(4, 2, 3);
    for (unsigned i = 0; i < 60; i++) {
        struct cbor_out st = CBOR_OUT_INIT;
        hash_t h = {{(uint8_t)i, 1}};
        cbor_put_array(&st, 1);
        cbor_put_hash(&st, &h);
        evil_post(w, 4, ENTRY_COMPLAINT, &h, &st, NULL);
        cbor_put_uint(&st, i);
        evil_post(w, 4, ENTRY_DEAL, NULL, &st, NULL);
        cbor_put_uint(&st, i);
        subject_seat(&h, 1);
        evil_post(w, 4, ENTRY_REVEAL, &h, &st, NULL);
        cbor_put_uint(&st, i);
        evil_post(w, 4, ENTRY_REVEAL, NULL, &st, NULL);
    }
    world_reopen(w);
    assert_ends(w, 7);
    assert_int_equal(w->outcome->fate[3], FATE_EQUIVOCATED);
    assert_int_equal(w->cut.entry_count, 3 + 2 + 2);
    world_free(w);
}

/* Anybody can sign rubbish under the subject of the real cut, with a smaller id. */
static void test_cut_with_stolen_subject(void **state)
{
    (void)state;
    struct world *w = dealt(3, 2, 0);
    struct softkeys *out = softkeys_new("Out", "0");
    size_t count;
    softkeys_add(out);
    struct signer s = softkeys_signer(out, 0);
    world_cut(w, 0);
    for (uint64_t i = 0; i < 8; i++) {
        struct cbor_out st = CBOR_OUT_INIT;
        cbor_put_uint(&st, i);
        if (i < 4) {
            evil_post_as(w, &s, ENTRY_CUT, &w->roster->ceremony, &w->cut.hash, &st, NULL);
        } else if (i < 7) {
            evil_post(w, 2, ENTRY_CUT, &w->cut.hash, &st, NULL);
        } else {
            cbor_out_free(&st);
            cut_statement(&st, &w->cut); /* the real content, an outsider's signature */
            evil_post_as(w, &s, ENTRY_CUT, &w->roster->ceremony, &w->cut.hash, &st, NULL);
        }
    }
    world_reopen(w);
    world_confirm(w, ALL);
    world_record(w);
    assert_int_equal(record_check(w->record, &w->m, w->party[0].b, &f), OK);
    scalar_t *secret;
    uint32_t seat;
    assert_int_equal(share_rebuild(&w->party[0].t, w->record, &secret, &seat, &f), OK);
    secret_free(secret);
    assert_int_equal(reveal_make(&w->party[0].t, w->roster, &count, &f), OK);
    softkeys_free(out);
    world_free(w);
}

/* A cut that lists an entry of another kind, or marks seats that do not exist. */
static void test_strange_cuts(void **state)
{
    (void)state;
    struct world *w = dealt(3, 2, 0);
    struct cut c = {.entry_count = 1, .entry = &w->roster->seat[0].id}, out;
    struct outcome *oc = calloc(1, sizeof *oc);
    struct cbor_out st = CBOR_OUT_INIT;
    assert_int_equal(cut_outcome(oc, &w->m, w->party[0].b, w->roster, &c, w->g, &f), ERR_RULE);
    c.absent = bit(4);
    cut_statement(&st, &c);
    const struct entry *e = evil_post(w, 1, ENTRY_CUT, NULL, &st, NULL);
    assert_int_equal(cut_parse(&out, e, w->roster, &f), ERR_LIMIT);
    free(oc);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_second_roster),
        cmocka_unit_test(test_nonce_never_repeats),
        cmocka_unit_test(test_duplicated_key),
        cmocka_unit_test(test_copied_commitment),
        cmocka_unit_test(test_one_model),
        cmocka_unit_test(test_swapped_enrolment),
        cmocka_unit_test(test_late_second_enrolment),
        cmocka_unit_test(test_other_sizes),
        cmocka_unit_test(test_bad_proof),
        cmocka_unit_test(test_equivocating_deals),
        cmocka_unit_test(test_late_second_deal),
        cmocka_unit_test(test_sealed_seed_as_share),
        cmocka_unit_test(test_zero_share),
        cmocka_unit_test(test_complaint_of_an_outsider),
        cmocka_unit_test(test_unasked_reveal),
        cmocka_unit_test(test_bad_answers),
        cmocka_unit_test(test_late_reveal),
        cmocka_unit_test(test_complaint_after_confirmation),
        cmocka_unit_test(test_flood),
        cmocka_unit_test(test_cut_with_stolen_subject),
        cmocka_unit_test(test_strange_cuts),
    };
    return cmocka_run_group_tests(tests, secrets_setup, NULL);
}
