/* A vault whose caller lies: every rule that ceremony/vault.h lists, broken by who reads the board. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ceremony/base/secret.h"
#include "ceremony/math/hpke.h"
#include "tests/support/ceremony.h"

static struct fault f;

#define V(t) (t)->vault.ops
#define C(t) (t)->vault.ctx

static struct bytes bytes_of(const struct entry *e)
{
    return (struct bytes){e->bytes, e->bytes_len};
}

static const struct entry *only(const struct board *b, enum entry_kind kind, const point_t *author)
{
    const struct entry *e;
    assert_int_equal(board_find(b, &e, NULL, kind, NULL, author, NULL), OK);
    assert_non_null(e);
    return e;
}

static struct vault_roster roster_values(const struct world *w)
{
    struct vault_roster r = {.ceremony = w->roster->ceremony, .n = w->n};
    for (uint32_t j = 0; j < w->n; j++)
        r.enrolment[j] = bytes_of(board_entry(w->party[0].b, &w->roster->seat[j].id));
    return r;
}

static void unbind(struct world *w, uint32_t seat, enum binding what)
{
    world_seat(w, seat)->token->enrolment[0].is_bound[what] = 0;
}

/* --- whose enrolment, which roster --- */

static void test_own_enrolment(void **state)
{
    (void)state;
    struct world *w = world_new(3, 2, 0, 1);
    world_enroll(w);
    struct trustee *t = &w->party[0].t;
    struct vault_own own = {w->m.election, t->label, bytes_of(w->party[1].t.enrolment), NULL};
    assert_int_equal(V(t)->own(C(t), &own, &f), ERR_MISMATCH);
    own.label = w->party[1].t.label;
    assert_int_equal(V(t)->own(C(t), &own, &f), ERR_TOKEN_KEY);
    own.label = t->label;
    own.enrolment = bytes_of(t->enrolment);
    own.election.b[0] ^= 1;
    assert_int_equal(V(t)->own(C(t), &own, &f), ERR_ELECTION);
    own.election.b[0] ^= 1;
    /* Every byte of it is signed. */
    uint8_t *copy = malloc(own.enrolment.len);
    assert_non_null(copy);
    for (size_t i = 0; i < own.enrolment.len; i += 7) {
        struct vault_own bad = own;
        memcpy(copy, own.enrolment.data, own.enrolment.len);
        copy[i] ^= 1;
        bad.enrolment.data = copy;
        assert_int_not_equal(V(t)->own(C(t), &bad, &f), OK);
    }
    free(copy);
    /* Nothing goes on from there. */
    struct cbor_out out = CBOR_OUT_INIT;
    struct vault_dealt *dealt = malloc(sizeof *dealt);
    assert_int_equal(V(t)->deal(C(t), &out, dealt, &f), ERR_BUG);
    assert_int_equal(V(t)->seed_check(C(t), &f), ERR_BUG);
    assert_int_equal(V(t)->own(C(t), &own, &f), OK);
    assert_int_equal(V(t)->deal(C(t), &out, dealt, &f), ERR_BUG);
    assert_int_equal(V(t)->seed_check(C(t), &f), ERR_BUG);
    assert_int_equal(out.len, 0);
    free(dealt);
    /* Rubbish in place of the seed. */
    struct sealed other;
    memset(&other, 0, sizeof other);
    own.seed = &other;
    assert_int_equal(V(t)->own(C(t), &own, &f), OK);
    assert_int_equal(V(t)->seed_check(C(t), &f), ERR_POINT);
    world_free(w);
}

static void test_other_roster_under_the_same_id(void **state)
{
    (void)state;
    struct world *w = world_new(3, 2, 0, 1);
    struct softkeys *stranger = softkeys_new("Stranger", "9");
    world_enroll(w);
    world_roster(w);
    struct trustee *t = &world_seat(w, 2)->t;
    struct trustee s = {.m = &w->m, .b = w->party[0].b, .g = w->g, .vault = softkeys_vault(stranger)};
    assert_int_equal(enroll_make(&s, "Stranger", "", &f), OK);
    assert_int_equal(trustee_ready(t, NULL, 1, &f), OK);
    struct vault_roster good = roster_values(w), r = good;
    /* The stranger in the place of seat 1 or 3, whichever keeps the order, so that the id alone is wrong. */
    int low = hash_cmp(&s.enrolment->id, &w->roster->seat[1].id) < 0;
    r.enrolment[low ? 0 : 2] = bytes_of(s.enrolment);
    assert_int_equal(V(t)->roster(C(t), &r, &f), ERR_MISMATCH);
    assert_non_null(strstr(f.detail, "another ceremony"));
    r = good;
    r.enrolment[1] = good.enrolment[0];
    assert_int_equal(V(t)->roster(C(t), &r, &f), ERR_CANONICAL);
    r = good;
    r.n = 2;
    assert_int_equal(V(t)->roster(C(t), &r, &f), ERR_QUORUM);
    r = good;
    r.ceremony.b[0] ^= 1;
    assert_int_equal(V(t)->roster(C(t), &r, &f), ERR_MISMATCH);
    /* The own one is missing. */
    hash_t of_s;
    r = good;
    of_s = s.enrolment->id;
    uint32_t at =
        hash_cmp(&of_s, &w->roster->seat[0].id) > 0 && hash_cmp(&of_s, &w->roster->seat[2].id) < 0 ? 1 : 3;
    if (at == 1) {
        r.enrolment[1] = bytes_of(s.enrolment);
        assert_int_equal(V(t)->roster(C(t), &r, &f), ERR_MISMATCH);
        assert_non_null(strstr(f.detail, "not in this roster"));
    }
    struct cbor_out out = CBOR_OUT_INIT;
    assert_int_equal(V(t)->roster_sign(C(t), &out, &f), ERR_BUG);
    assert_int_equal(V(t)->bind(C(t), &f), ERR_BUG);
    assert_int_equal(V(t)->roster(C(t), &good, &f), OK);
    assert_int_equal(V(t)->roster_sign(C(t), &out, &f), OK);
    cbor_out_free(&out);
    softkeys_free(stranger);
    world_free(w);
}

/* --- signatures --- */

static void test_forbidden_kinds(void **state)
{
    (void)state;
    static const enum entry_kind forbidden[] = {ENTRY_ENROLL,  ENTRY_ROSTER, ENTRY_DEAL, ENTRY_REVEAL,
                                                ENTRY_CONFIRM, ENTRY_DRILL,  ENTRY_PLAN, ENTRY_PARTIAL};
    struct world *w = world_new(2, 2, 0, 1);
    world_enroll(w);
    world_roster(w);
    struct trustee *t = &world_seat(w, 1)->t;
    static const uint8_t nothing[] = {0x80};
    struct bytes st = {nothing, 1};
    hash_t subject = {{1}};
    struct cbor_out out = CBOR_OUT_INIT;
    assert_int_equal(trustee_ready(t, w->roster, 0, &f), OK);
    for (size_t i = 0; i < sizeof forbidden / sizeof forbidden[0]; i++)
        assert_int_equal(V(t)->sign(C(t), &out, forbidden[i], &subject, &st, &f), ERR_REFUSED);
    assert_int_equal(V(t)->sign(C(t), &out, ENTRY_KINDS, &subject, &st, &f), ERR_REFUSED);
    /* Nobody is accused by a token that was not seen to open its own seed. */
    assert_int_equal(V(t)->sign(C(t), &out, ENTRY_COMPLAINT, &subject, &st, &f), ERR_BUG);
    assert_int_equal(out.len, 0);
    assert_int_equal(trustee_ready(t, w->roster, 1, &f), OK);
    assert_int_equal(V(t)->sign(C(t), &out, ENTRY_COMPLAINT, &subject, &st, &f), OK);
    cbor_out_free(&out);
    struct softkeys *k = world_seat(w, 1)->token;
    assert_int_equal(trustee_ready(t, w->roster, 1, &f), OK);
    k->wrong_ecdh = 1;
    assert_int_equal(V(t)->sign(C(t), &out, ENTRY_COMPLAINT, &subject, &st, &f), ERR_DECRYPT);
    k->wrong_ecdh = 0;
    world_free(w);
}

/* --- bindings --- */

static void test_bound_to_another_ceremony(void **state)
{
    (void)state;
    struct world *w = world_new(3, 2, 0, 1);
    world_to_record(w);
    struct party *p = world_seat(w, 1);
    struct trustee *t = &p->t;
    struct soft_enrolment *keys = &p->token->enrolment[0];
    struct vault_shares *in;
    struct bytes confirmation;
    struct cbor_out out = CBOR_OUT_INIT;
    uint32_t seat;
    hash_t challenge = {{1}};
    const struct entry *complaint = p->t.enrolment; /* not even looked at */
    struct bytes any = bytes_of(complaint);
    struct vault_dealt *dealt = malloc(sizeof *dealt);
    hash_t good = keys->bound[BIND_CEREMONY];
    assert_int_equal(trustee_shares(t, w->record, &in, &seat, &confirmation, &f), OK);
    for (int bound = 0; bound < 2; bound++) {
        keys->is_bound[BIND_CEREMONY] = bound;
        keys->bound[BIND_CEREMONY].b[0] ^= 1;
        assert_int_equal(trustee_ready(t, w->roster, 1, &f), OK);
        err_t want = bound ? ERR_TOKEN_BOUND : ERR_EARLY;
        assert_int_equal(V(t)->drill(C(t), &out, in, &confirmation, &w->record->id, &challenge, &f), want);
        assert_int_equal(V(t)->reveal(C(t), &out, &any, &f), want);
        if (bound) {
            assert_int_equal(V(t)->deal(C(t), &out, dealt, &f), ERR_TOKEN_BOUND);
            assert_int_equal(V(t)->confirm(C(t), &out, in, &f), ERR_TOKEN_BOUND);
            assert_int_equal(V(t)->bind(C(t), &f), ERR_TOKEN_BOUND);
        }
        keys->bound[BIND_CEREMONY] = good;
    }
    assert_int_equal(out.len, 0);
    assert_int_equal(V(t)->drill(C(t), &out, in, &confirmation, &w->record->id, &challenge, &f), OK);
    cbor_out_free(&out);
    free(dealt);
    free(in);
    world_free(w);
}

/* --- the share --- */

struct lie {
    const char *what;
    void (*tell)(struct world *w, struct vault_shares *in);
    err_t want;
};

static uint32_t other_seat(uint32_t seat)
{
    return seat % 3 + 1;
}

static void lie_polynomial(struct world *w, struct vault_shares *in)
{
    (void)w;
    in->dealer[1].C[1] = in->dealer[2].C[1];
}

static void lie_first_point(struct world *w, struct vault_shares *in)
{
    (void)w;
    in->dealer[1].C[0] = in->dealer[2].C[0];
}

/* HPKE says nothing about who sealed. */
static void lie_sealed(struct world *w, struct vault_shares *in)
{
    struct deal d = {.seat = 2};
    scalar_t share, eph;
    struct cbor_out info = CBOR_OUT_INIT;
    memcpy(d.C, in->dealer[1].C, sizeof d.C);
    share_info(&info, w->roster, &d, 1);
    scalar_random(&share);
    scalar_random(&eph);
    assert_int_equal(hpke_seal(w->g, in->dealer[1].share.enc, in->dealer[1].share.ct,
                               &w->roster->seat[0].ceremony_key, &eph, info.data, info.len, share.b,
                               SCALAR_LEN),
                     OK);
    cbor_out_free(&info);
}

static void lie_no_point(struct world *w, struct vault_shares *in)
{
    (void)w;
    memset(&in->dealer[1].C[1], 0, sizeof in->dealer[1].C[1]);
}

static void lie_public_share(struct world *w, struct vault_shares *in)
{
    (void)w;
    in->dealer[1].is_public = 1;
    scalar_set(&in->dealer[1].public_share, 7);
}

static void lie_scalar(struct world *w, struct vault_shares *in)
{
    (void)w;
    in->dealer[1].is_public = 1;
    memset(&in->dealer[1].public_share, 0xff, SCALAR_LEN);
}

static void lie_other_ciphertext(struct world *w, struct vault_shares *in)
{
    (void)w;
    in->dealer[1].share = in->dealer[2].share;
}

static void lie_ciphertext(struct world *w, struct vault_shares *in)
{
    (void)w;
    in->dealer[1].share.ct[3] ^= 1;
}

static void lie_off_curve(struct world *w, struct vault_shares *in)
{
    (void)w;
    in->dealer[1].share.enc[40] ^= 1;
}

static void lie_nobody(struct world *w, struct vault_shares *in)
{
    (void)w;
    in->qual = in->holders = 0;
}

static void lie_stranger_holds(struct world *w, struct vault_shares *in)
{
    (void)w;
    in->holders |= UINT32_C(1) << 20;
}

static void lie_not_me(struct world *w, struct vault_shares *in)
{
    (void)w;
    in->holders &= ~UINT32_C(1);
}

static const struct lie lies[] = {
    {"points of another polynomial", lie_polynomial, ERR_DECRYPT}, /* the ciphertext is bound to the points */
    {"a share of the liar, sealed to the right key", lie_sealed, ERR_SHARE},
    {"a first point that was not committed to", lie_first_point, ERR_COMMITMENT},
    {"a point that is none", lie_no_point, ERR_POINT},
    {"a public share that is not on the polynomial", lie_public_share, ERR_SHARE},
    {"a public share that is no scalar", lie_scalar, ERR_SCALAR},
    {"a ciphertext of another dealer", lie_other_ciphertext, ERR_DECRYPT},
    {"a ciphertext that does not open", lie_ciphertext, ERR_DECRYPT},
    {"an encapsulation off the curve", lie_off_curve, ERR_POINT},
    {"nobody holds", lie_nobody, ERR_RULE},
    {"a stranger holds", lie_stranger_holds, ERR_RULE},
    {"the own seat does not hold", lie_not_me, ERR_RULE},
};

static void test_lies_about_shares(void **state)
{
    (void)state;
    struct world *w = world_new(3, 2, 0, 1);
    struct vault_shares *in, *lie = malloc(sizeof *lie);
    struct bytes confirmation;
    struct cbor_out out = CBOR_OUT_INIT;
    uint32_t seat;
    hash_t challenge = {{1}};
    assert_non_null(lie);
    world_to_record(w);
    struct trustee *t = &world_seat(w, 1)->t;
    assert_int_equal(trustee_shares(t, w->record, &in, &seat, &confirmation, &f), OK);
    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        *lie = *in;
        lies[i].tell(w, lie);
        err_t e = V(t)->confirm(C(t), &out, lie, &f);
        if (e != lies[i].want)
            fail_msg("%s: %s", lies[i].what, err_name(e));
        assert_int_not_equal(V(t)->drill(C(t), &out, lie, &confirmation, &w->record->id, &challenge, &f), OK);
        assert_int_equal(out.len, 0);
    }
    /* True values that the own key did not confirm: fewer dealers, another cut, somebody else's confirmation.
     */
    for (int i = 0; i < 4; i++) {
        *lie = *in;
        struct bytes c = confirmation;
        if (i == 0)
            lie->qual = lie->holders = 3;
        if (i == 1)
            lie->cut.b[0] ^= 1;
        if (i == 2)
            c = bytes_of(only(t->b, ENTRY_CONFIRM, &w->roster->seat[other_seat(1) - 1].identity));
        if (i == 3)
            c = bytes_of(only(t->b, ENTRY_DEAL, &t->identity));
        assert_int_equal(V(t)->drill(C(t), &out, lie, &c, &w->record->id, &challenge, &f), ERR_MISMATCH);
        assert_int_equal(out.len, 0);
    }
    assert_int_equal(V(t)->drill(C(t), &out, in, &confirmation, &w->record->id, &challenge, &f), OK);
    cbor_out_free(&out);
    free(lie);
    free(in);
    world_free(w);
}

static void test_reveal_needs_a_complaint(void **state)
{
    (void)state;
    struct world *w = world_new(4, 3, 0, 1);
    struct cbor_out out = CBOR_OUT_INIT, st = CBOR_OUT_INIT;
    struct softkeys *stranger = softkeys_new("Stranger", "9");
    softkeys_add(stranger);
    world_to_deal(w);
    struct trustee *t = &world_seat(w, 1)->t;
    struct deal own;
    assert_int_equal(deal_of_seat(&own, t->b, w->roster, w->g, 1, NULL, 0, &f), OK);
    evil_complaint(w, 2, 3); /* about another deal */
    evil_complaint(w, 1, 1); /* by oneself */
    struct signer s = softkeys_signer(stranger, 0);
    cbor_put_array(&st, 1);
    cbor_put_hash(&st, &own.statement_id);
    evil_post_as(w, &s, ENTRY_COMPLAINT, &w->roster->ceremony, &own.statement_id, &st, NULL);
    world_reopen(w);
    const struct entry *wrong[] = {
        only(t->b, ENTRY_COMPLAINT, &w->roster->seat[1].identity), only(t->b, ENTRY_COMPLAINT, &t->identity),
        only(t->b, ENTRY_COMPLAINT, &s.key), only(t->b, ENTRY_DEAL, &w->roster->seat[1].identity)};
    assert_int_equal(trustee_ready(t, w->roster, 1, &f), OK);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct bytes b = bytes_of(wrong[i]);
        assert_int_equal(V(t)->reveal(C(t), &out, &b, &f), ERR_REFUSED);
    }
    assert_int_equal(out.len, 0);
    evil_complaint(w, 4, 1);
    world_reopen(w);
    struct bytes good = bytes_of(only(t->b, ENTRY_COMPLAINT, &w->roster->seat[3].identity));
    assert_int_equal(trustee_ready(t, w->roster, 1, &f), OK);
    assert_int_equal(V(t)->reveal(C(t), &out, &good, &f), OK);
    cbor_out_free(&out);
    softkeys_free(stranger);
    world_free(w);
}

/* --- plans --- */

static void test_only_what_stands_in_the_plan(void **state)
{
    (void)state;
    struct world *w = world_new(3, 2, 0, 1);
    world_to_record(w);
    struct trustee *t = &world_seat(w, 1)->t;
    struct target *x = targets_make(w, 2, 2, 3), *y = targets_make(w, 2, 2, 3);
    struct plan_file plan = plan_for(w, x, 2, NULL, 1), other = plan_for(w, y, 2, NULL, 1);
    struct vault_shares *in;
    struct bytes confirmation;
    struct cbor_out out = CBOR_OUT_INIT;
    uint32_t seat;
    assert_int_equal(trustee_shares(t, w->record, &in, &seat, &confirmation, &f), OK);
    /* No plan at all; other bytes under the id of this one; bytes that are none. */
    assert_int_equal(V(t)->decrypt(C(t), &out, in, &confirmation, &f), ERR_BUG);
    assert_int_equal(V(t)->plan_sign(C(t), &out, &f), ERR_BUG);
    assert_int_equal(V(t)->plan(C(t), &plan.id, &other.bytes, &f), ERR_MISMATCH);
    assert_int_equal(V(t)->plan_sign(C(t), &out, &f), ERR_BUG);
    struct bytes cut = {plan.bytes.data, plan.bytes.len - 1};
    assert_int_equal(V(t)->plan(C(t), &plan.id, &cut, &f), ERR_TRUNCATED);
    assert_int_equal(V(t)->decrypt(C(t), &out, in, &confirmation, &f), ERR_BUG);
    /* Taken but not signed; signed: what is multiplied is what stands there. */
    assert_int_equal(V(t)->plan(C(t), &plan.id, &plan.bytes, &f), OK);
    assert_int_equal(V(t)->decrypt(C(t), &out, in, &confirmation, &f), ERR_EARLY);
    assert_int_equal(plan_sign(t, w->record, &plan, NULL, 0, &f), OK);
    assert_int_equal(decrypt_make(t, w->record, &plan, y, 2, &f), OK);
    const struct entry *e = only(t->b, ENTRY_PARTIAL, &t->identity);
    struct partial *p;
    assert_int_equal(partial_parse(&p, e, w->record, &plan.id, y, 2, &f), OK);
    assert_int_equal(partial_verify_var(p, w->record, y, 2, &f), ERR_PROOF);
    assert_int_equal(partial_verify_var(p, w->record, x, 2, &f), OK);
    partial_free(p);
    /* The token is bound: the other one is not decrypted, whoever claims what. */
    assert_int_equal(V(t)->plan(C(t), &other.id, &other.bytes, &f), OK);
    assert_int_equal(V(t)->plan_sign(C(t), &out, &f), ERR_TOKEN_BOUND);
    assert_int_equal(V(t)->plan_bound(C(t), &f), ERR_TOKEN_BOUND);
    assert_int_equal(V(t)->decrypt(C(t), &out, in, &confirmation, &f), ERR_TOKEN_BOUND);
    assert_int_equal(out.len, 0);
    plan_file_free(&plan);
    plan_file_free(&other);
    targets_free(x, 2);
    targets_free(y, 2);
    free(in);
    world_free(w);
}

static void test_second_plan(void **state)
{
    (void)state;
    struct world *w = world_new(2, 2, 0, 1);
    world_to_record(w);
    struct trustee *t = &world_seat(w, 1)->t;
    struct target *x = targets_make(w, 1, 1, 3);
    struct plan_file one = plan_for(w, x, 1, NULL, 1), two = plan_for(w, x, 1, NULL, 2);
    struct plan_file after_two = plan_for(w, x, 1, &two.id, 3), after_one = plan_for(w, x, 1, &one.id, 4);
    assert_int_equal(plan_sign(t, w->record, &one, NULL, 0, &f), OK);
    assert_int_equal(plan_sign(t, w->record, &two, NULL, 0, &f), ERR_TOKEN_BOUND);
    assert_int_equal(plan_sign(t, w->record, &after_two, NULL, 0, &f), ERR_TOKEN_BOUND);
    assert_int_equal(plan_sign(t, w->record, &after_one, NULL, 0, &f), OK);
    assert_int_equal(decrypt_make(t, w->record, &one, x, 1, &f), ERR_TOKEN_BOUND);
    assert_int_equal(decrypt_make(t, w->record, &after_one, x, 1, &f), OK);
    /* Of another election, with the right hash. */
    hash_t keep = w->m.election;
    w->m.election.b[0] ^= 1;
    struct plan_file foreign = plan_for(w, x, 1, NULL, 1);
    w->m.election = keep;
    unbind(w, 1, BIND_PLAN);
    assert_int_equal(plan_sign(t, w->record, &foreign, NULL, 0, &f), ERR_ELECTION);
    struct plan_file *all[] = {&one, &two, &after_one, &after_two, &foreign};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        plan_file_free(all[i]);
    targets_free(x, 1);
    world_free(w);
}

/* A person says no when the plan is shown: nothing is signed, the token stays free. */
static err_t say_no(void *ctx, const struct vault_plan *p, struct fault *out)
{
    ++*(int *)ctx;
    assert_int_equal(p->count, 1);
    return fault_set(out, ERR_REFUSED, "no");
}

/* A chain of plans: the token may be bound to any of them, if their bytes say that they follow each other. */
static void test_chain_of_plans(void **state)
{
    (void)state;
    struct world *w = world_new(2, 2, 0, 1);
    world_to_record(w);
    struct party *p = world_seat(w, 1);
    struct trustee *t = &p->t;
    struct target *x = targets_make(w, 1, 1, 3);
    struct plan_file one = plan_for(w, x, 1, NULL, 1), two = plan_for(w, x, 1, &one.id, 2);
    struct plan_file three = plan_for(w, x, 1, &two.id, 3), stray = plan_for(w, x, 1, NULL, 4);
    struct plan_file liar = plan_for(w, x, 1, &stray.id, 5), older[] = {one, two}, wrong[] = {one, liar};
    assert_int_equal(plan_sign(t, w->record, &one, NULL, 0, &f), OK);
    assert_int_equal(plan_sign(t, w->record, &three, NULL, 0, &f), ERR_TOKEN_BOUND);
    assert_int_equal(plan_sign(t, w->record, &three, wrong, 2, &f), ERR_TOKEN_BOUND);
    assert_int_equal(plan_sign(t, w->record, &liar, older, 2, &f), ERR_TOKEN_BOUND);
    assert_memory_equal(&p->token->enrolment[0].bound[BIND_PLAN], &one.id, HASH_LEN);
    assert_int_equal(plan_sign(t, w->record, &three, older, 2, &f), OK);
    assert_memory_equal(&p->token->enrolment[0].bound[BIND_PLAN], &three.id, HASH_LEN);
    /* and not back */
    assert_int_equal(plan_sign(t, w->record, &two, older, 1, &f), ERR_TOKEN_BOUND);
    struct plan_file *all[] = {&one, &two, &three, &stray, &liar};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        plan_file_free(all[i]);
    targets_free(x, 1);
    world_free(w);
}

static void test_plan_is_shown(void **state)
{
    (void)state;
    struct world *w = world_new(2, 2, 0, 1);
    int shown = 0;
    world_to_record(w);
    struct party *p = world_seat(w, 1);
    struct target *x = targets_make(w, 1, 1, 3);
    struct plan_file plan = plan_for(w, x, 1, NULL, 1);
    vault_local_on_plan(&p->t.vault, say_no, &shown);
    assert_int_equal(plan_sign(&p->t, w->record, &plan, NULL, 0, &f), ERR_REFUSED);
    assert_int_equal(decrypt_make(&p->t, w->record, &plan, x, 1, &f), ERR_REFUSED);
    assert_int_equal(shown, 2);
    assert_false(p->token->enrolment[0].is_bound[BIND_PLAN]);
    plan_file_free(&plan);
    targets_free(x, 1);
    world_free(w);
}

/* Every plan cut short at every byte, and every byte changed: refused, or of another hash. */
static void test_plan_bytes(void **state)
{
    (void)state;
    struct world *w = world_new(2, 2, 0, 1);
    world_to_record(w);
    struct target *x = targets_make(w, 2, 2, 3);
    hash_t before = {{7}};
    struct plan_file plan = plan_for(w, x, 2, &before, 1);
    struct vault_plan p;
    assert_int_equal(vault_plan_read(&p, &plan.bytes, &f), OK);
    assert_memory_equal(&p.id, &plan.id, HASH_LEN);
    assert_memory_equal(&p.supersedes, &before, HASH_LEN);
    assert_int_equal(p.count, 2);
    assert_memory_equal(p.target[1].A, x[1].A, 2 * sizeof(point_t));
    assert_string_equal(p.target[1].contest, x[1].contest);
    vault_plan_free(&p);
    uint8_t *copy = malloc(plan.bytes.len + 1);
    assert_non_null(copy);
    for (size_t i = 0; i < plan.bytes.len; i++) {
        struct bytes b = {copy, i};
        memcpy(copy, plan.bytes.data, plan.bytes.len);
        assert_int_not_equal(vault_plan_read(&p, &b, &f), OK);
        b.len = plan.bytes.len;
        copy[i] ^= 0x41;
        if (vault_plan_read(&p, &b, &f) == OK)
            assert_int_not_equal(hash_cmp(&p.id, &plan.id), 0);
        vault_plan_free(&p);
    }
    memcpy(copy, plan.bytes.data, plan.bytes.len);
    copy[plan.bytes.len] = 0;
    struct bytes longer = {copy, plan.bytes.len + 1};
    assert_int_equal(vault_plan_read(&p, &longer, &f), ERR_TRAILING);
    free(copy);
    plan_file_free(&plan);
    targets_free(x, 2);
    world_free(w);
}

/* --- destroying keys --- */

static void test_keys_are_not_destroyed_by_asking(void **state)
{
    (void)state;
    struct world *w = world_new(3, 2, 0, 1);
    struct softkeys *k = w->party[0].token;
    world_to_record(w);
    struct party *p = world_seat(w, 1);
    struct trustee *t = &p->t;
    struct keystore ks = softkeys_store(p->token);
    struct vault later;
    /* forget: only what was made in this session, and once. */
    assert_int_equal(vault_local_open(&later, &ks, &f), OK);
    assert_int_equal(later.ops->forget(later.ctx, &f), ERR_REFUSED);
    later.ops->close(later.ctx);
    assert_int_equal(k->enrolment_count, 1);
    /* retire: only with a retirement that this key signed. */
    struct bytes any = bytes_of(only(t->b, ENTRY_DEAL, &t->identity));
    assert_int_equal(V(t)->retire(C(t), &w->m.election, &any, &f), ERR_REFUSED);
    assert_int_equal(retire_make(&world_seat(w, 2)->t, w->record, &f), OK);
    world_reopen(w);
    any = bytes_of(only(t->b, ENTRY_RETIRE, &w->roster->seat[1].identity));
    assert_int_equal(V(t)->retire(C(t), &w->m.election, &any, &f), ERR_MISSING);
    assert_false(p->token->enrolment[0].retired);
    assert_true(world_seat(w, 2)->token->enrolment[0].retired);
    assert_int_equal(retire_again(&world_seat(w, 2)->t, w->record, &f), OK);
    assert_int_equal(retire_again(t, w->record, &f), ERR_MISSING);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_own_enrolment),
        cmocka_unit_test(test_other_roster_under_the_same_id),
        cmocka_unit_test(test_forbidden_kinds),
        cmocka_unit_test(test_bound_to_another_ceremony),
        cmocka_unit_test(test_lies_about_shares),
        cmocka_unit_test(test_reveal_needs_a_complaint),
        cmocka_unit_test(test_only_what_stands_in_the_plan),
        cmocka_unit_test(test_second_plan),
        cmocka_unit_test(test_chain_of_plans),
        cmocka_unit_test(test_plan_is_shown),
        cmocka_unit_test(test_plan_bytes),
        cmocka_unit_test(test_keys_are_not_destroyed_by_asking),
    };
    return cmocka_run_group_tests(tests, secrets_setup, NULL);
}
