/* A vault that is given enrolments, seeds, rosters and complaints which look right in all but one thing. */
#include "ceremony/base/secret.h"
#include "ceremony/math/hpke.h"
#include "ceremony/partial.h"
#include "tests/support/ceremony.h"
#include "tests/support/unit.h"

static struct fault f;

#define V(t) (t)->vault.ops
#define C(t) (t)->vault.ctx

static struct bytes bytes_of(const struct entry *e)
{
    return (struct bytes){e->bytes, e->bytes_len};
}

struct claim {
    uint32_t n, t;
    const char *name;
    point_t ceremony_key;
    hash_t commitment;
};

/* An enrolment that says whatever it is told to. */
static struct entry *enrolment(struct world *w, const struct signer *s, const struct claim *c)
{
    struct entry *e;
    struct cbor_out st = CBOR_OUT_INIT;
    const hash_t sealed = {{5}};
    cbor_put_array(&st, 10);
    cbor_put_uint(&st, c->n);
    cbor_put_uint(&st, c->t);
    cbor_put_text(&st, c->name);
    cbor_put_text(&st, "");
    cbor_put_bytes(&st, c->ceremony_key.b, POINT_LEN);
    cbor_put_text(&st, "Maker");
    cbor_put_text(&st, c->name);
    cbor_put_text(&st, "1");
    cbor_put_hash(&st, &sealed);
    cbor_put_hash(&st, &c->commitment);
    assert_err(entry_make(&e, ENTRY_ENROLL, &w->m.election, NULL, NULL, &st, NULL, s, &f), OK);
    cbor_out_free(&st);
    return e;
}

static err_t own_with(struct world *w, struct trustee *t, const struct entry *e)
{
    struct vault_own own = {w->m.election, t->label, bytes_of(e), NULL};
    fault_clear(&f);
    return V(t)->own(C(t), &own, &f);
}

/* Signed by the token's key but for another ceremony key; for the token's ceremony key but signed by another; for
 * thresholds that cannot be. */
static void test_enrolment(void **state)
{
    (void)state;
    struct world *w = world_new(3, 2, 0, 1);
    world_enroll(w);
    struct trustee *t = &w->party[0].t;
    const struct soft_enrolment *mine = &w->party[0].token->enrolment[0],
                                *other = &w->party[1].token->enrolment[0];
    struct signer me = softkeys_signer(w->party[0].token, 0), her = softkeys_signer(w->party[1].token, 0);
    struct claim c = {3, 2, "Ann", mine->ceremony_key, {{1}}};
    struct entry *e = enrolment(w, &me, &c);
    assert_err(own_with(w, t, e), OK);
    entry_free(e);
    e = enrolment(w, &her, &c);
    assert_err(own_with(w, t, e), ERR_MISMATCH);
    assert_non_null(strstr(f.detail, "not signed by the token's key"));
    entry_free(e);
    c.ceremony_key = other->ceremony_key;
    e = enrolment(w, &me, &c);
    assert_err(own_with(w, t, e), ERR_MISMATCH);
    assert_non_null(strstr(f.detail, "another ceremony key"));
    entry_free(e);
    static const uint32_t bad[][2] = {{3, 0}, {3, 1}, {3, 4}, {0, 0}, {1, 1}};
    c.ceremony_key = mine->ceremony_key;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        c.n = bad[i][0];
        c.t = bad[i][1];
        e = enrolment(w, &me, &c);
        assert_err(own_with(w, t, e), ERR_LIMIT);
        entry_free(e);
    }
    world_free(w);
}

/* (attack) A seed that somebody else knows, sealed to the right key with the right info. Who dealt from it would give
 * the contribution away. */
static void test_seed_of_somebody_else(void **state)
{
    (void)state;
    struct world *w = world_new(3, 2, 0, 1);
    struct sealed s;
    struct cbor_out info = CBOR_OUT_INIT, out = CBOR_OUT_INIT, st = CBOR_OUT_INIT;
    struct enrolment mine;
    struct vault_dealt *dealt = malloc(sizeof *dealt);
    const uint8_t known[32] = {1};
    const hash_t deal = {{2}};
    scalar_t eph;
    world_enroll(w);
    world_roster(w);
    struct trustee *t = &world_seat(w, 1)->t;
    assert_err(enrolment_parse(&mine, t->enrolment, &w->m, w->g, &f), OK);
    seed_info(&info, &w->m.election, &mine.identity, &mine.ceremony_key, &mine.commitment);
    scalar_random(&eph);
    assert_err(
        hpke_seal(w->g, s.enc, s.ct, &mine.ceremony_key, &eph, info.data, info.len, known, sizeof known), OK);
    assert_err(trustee_ready(t, w->roster, 1, &f), OK); /* once with the right one, and forgotten */
    assert_err(V(t)->seed_check(C(t), &f), OK);
    struct vault_own own = {w->m.election, t->label, bytes_of(t->enrolment), &s};
    assert_err(V(t)->own(C(t), &own, &f), OK);
    assert_err(V(t)->seed_check(C(t), &f), ERR_COMMITMENT);
    struct vault_roster r = {.ceremony = w->roster->ceremony, .n = w->n};
    for (uint32_t j = 0; j < w->n; j++)
        r.enrolment[j] = bytes_of(board_entry(t->b, &w->roster->seat[j].id));
    assert_err(V(t)->roster(C(t), &r, &f), OK);
    assert_err(V(t)->roster_sign(C(t), &out, &f), ERR_COMMITMENT);
    assert_err(V(t)->deal(C(t), &out, dealt, &f), ERR_COMMITMENT);
    cbor_put_array(&st, 1);
    cbor_put_hash(&st, &deal);
    struct bytes complaint = {st.data, st.len};
    assert_err(V(t)->sign(C(t), &out, ENTRY_COMPLAINT, &deal, &complaint, &f), ERR_COMMITMENT);
    assert_int_equal(out.len, 0);
    cbor_out_free(&st);
    cbor_out_free(&info);
    free(dealt);
    world_free(w);
}

/* A token that derives other secrets than its public key promises is found out before anything is signed, and no key
 * stays in it. */
static void test_token_that_cannot_open(void **state)
{
    (void)state;
    struct world *w = world_new(3, 2, 0, 1);
    struct party *p = &w->party[0];
    struct vault_person who = {w->m.election, 3, 2, "Ann", ""};
    struct vault_key key;
    struct sealed seed;
    struct cbor_out out = CBOR_OUT_INIT;
    p->token->wrong_ecdh = 1;
    assert_err(V(&p->t)->enroll(C(&p->t), &out, &key, &seed, &who, &f), ERR_TOKEN_CANNOT);
    assert_int_equal(out.len, 0);
    assert_int_equal(p->token->enrolment_count, 0);
    p->token->wrong_ecdh = 0;
    assert_err(V(&p->t)->enroll(C(&p->t), &out, &key, &seed, &who, &f), OK);
    cbor_out_free(&out);
    world_free(w);
}

static int by_id(const void *a, const void *b)
{
    const struct entry *const *x = a, *const *y = b;
    return hash_cmp(&(*x)->id, &(*y)->id);
}

/* Seats by these enrolments, under the ceremony id that follows from them. */
static err_t seat_all(struct world *w, struct trustee *t, const struct entry *e[3])
{
    struct vault_roster in = {.n = 3};
    struct cbor_out o = CBOR_OUT_INIT;
    qsort(e, 3, sizeof *e, by_id);
    cbor_put_array(&o, 5);
    cbor_put_text(&o, "conclave/ceremony");
    cbor_put_hash(&o, &w->m.election);
    cbor_put_uint(&o, 3);
    cbor_put_uint(&o, 2);
    cbor_put_array(&o, 3);
    for (int j = 0; j < 3; j++) {
        cbor_put_hash(&o, &e[j]->id);
        in.enrolment[j] = bytes_of(e[j]);
    }
    assert_err(cbor_out_hash(&o, &in.ceremony), OK);
    fault_clear(&f);
    return V(t)->roster(C(t), &in, &f);
}

/* (attack) A roster with another enrolment of the own key, or with one that was made for another threshold. */
static void test_roster(void **state)
{
    (void)state;
    struct world *w = world_new(3, 2, 0, 1);
    world_enroll(w);
    struct trustee *t = &w->party[0].t;
    struct signer me = softkeys_signer(w->party[0].token, 0), her = softkeys_signer(w->party[1].token, 0);
    const struct entry *good[3], *e[3];
    for (int i = 0; i < 3; i++)
        good[i] = w->party[i].t.enrolment;
    assert_err(trustee_ready(t, NULL, 0, &f), OK);
    memcpy(e, good, sizeof e);
    assert_err(seat_all(w, t, e), OK);
    struct claim c = {3, 2, "Ann again", w->party[0].token->enrolment[0].ceremony_key, {{1}}};
    struct entry *second = enrolment(w, &me, &c);
    memcpy(e, good, sizeof e);
    e[0] = second;
    assert_err(seat_all(w, t, e), ERR_MISMATCH);
    assert_non_null(strstr(f.detail, "another enrolment of your key"));
    entry_free(second);
    c = (struct claim){3, 3, "Bea", w->party[1].token->enrolment[0].ceremony_key, {{1}}};
    second = enrolment(w, &her, &c);
    memcpy(e, good, sizeof e);
    e[1] = second;
    assert_err(seat_all(w, t, e), ERR_MISMATCH);
    assert_non_null(strstr(f.detail, "enrolled for 3 of 3"));
    entry_free(second);
    world_free(w);
}

/* A complaint about the own deal, but in another ceremony, or with another subject. */
static void test_complaint_of_another_ceremony(void **state)
{
    (void)state;
    struct world *w = world_new(3, 2, 0, 1);
    struct cbor_out out = CBOR_OUT_INIT;
    struct deal own;
    world_to_deal(w);
    struct trustee *t = &world_seat(w, 1)->t;
    struct signer s = softkeys_signer(world_seat(w, 2)->token, 0);
    assert_err(deal_of_seat(&own, t->b, w->roster, w->g, 1, NULL, 0, &f), OK);
    assert_err(trustee_ready(t, w->roster, 1, &f), OK);
    for (int i = 0; i < 3; i++) {
        struct cbor_out st = CBOR_OUT_INIT;
        struct entry *e;
        hash_t ceremony = w->roster->ceremony, subject = own.statement_id;
        ceremony.b[0] ^= i == 0;
        subject.b[0] ^= i == 1;
        cbor_put_array(&st, 1);
        cbor_put_hash(&st, &own.statement_id);
        assert_err(entry_make(&e, ENTRY_COMPLAINT, &w->m.election, &ceremony, &subject, &st, NULL, &s, &f),
                   OK);
        struct bytes b = bytes_of(e);
        assert_err(V(t)->reveal(C(t), &out, &b, &f), i < 2 ? ERR_REFUSED : OK);
        entry_free(e);
        cbor_out_free(&st);
    }
    cbor_out_free(&out);
    world_free(w);
}

/* --- on the board --- */

static int by_hash(const void *a, const void *b)
{
    return hash_cmp(a, b);
}

/* (attack) A cut under the name of another; and one that lists a dealer's complaint about itself, which nobody has to
 * answer. */
static void test_cuts_by_hand(void **state)
{
    (void)state;
    struct world *w = world_new(3, 2, 2, 1);
    const struct entry *e;
    struct entry *stolen;
    struct cut c;
    struct cbor_out st = CBOR_OUT_INIT;
    struct outcome *oc = malloc(sizeof *oc);
    hash_t entry[4];
    world_to_deal(w);
    world_cut(w, 0);
    struct board *b = world_seat(w, 1)->b;
    struct signer s = softkeys_signer(world_seat(w, 3)->token, 0);
    assert_err(board_find(b, &e, NULL, ENTRY_CUT, NULL, NULL, NULL), OK);
    assert_err(cut_parse(&c, e, w->roster, &f), OK);
    cut_free(&c);
    cbor_put_array(&st, 3);
    cbor_put_text(&st, "deal");
    cbor_put_array(&st, 0);
    cbor_put_array(&st, 0);
    assert_err(
        entry_make(&stolen, ENTRY_CUT, &w->m.election, &w->roster->ceremony, &e->subject, &st, NULL, &s, &f),
        OK);
    assert_err(cut_parse(&c, stolen, w->roster, &f), ERR_MISMATCH);
    assert_null(c.entry);
    entry_free(stolen);
    cbor_out_free(&st);
    evil_complaint(w, 2, 2);
    world_reopen(w);
    b = world_seat(w, 1)->b;
    for (uint32_t j = 1; j <= 4; j++) {
        const point_t *author = &w->roster->seat[j < 4 ? j - 1 : 1].identity;
        assert_err(board_find(b, &e, NULL, j < 4 ? ENTRY_DEAL : ENTRY_COMPLAINT, NULL, author, NULL), OK);
        entry[j - 1] = e->id;
    }
    qsort(entry, 4, sizeof entry[0], by_hash);
    c = (struct cut){.entry_count = 4, .entry = entry};
    assert_err(cut_outcome(oc, &w->m, b, w->roster, &c, w->g, &f), OK);
    assert_int_equal(oc->qual, 7);
    assert_int_equal(oc->complaints[1], 0);
    free(oc);
    world_free(w);
}

/* The manifest says how many dealers must count, though fewer would be enough to hold and to decrypt. */
static void test_too_few_dealers(void **state)
{
    (void)state;
    struct world *w = world_new(4, 2, 0, 1);
    struct cut c;
    struct outcome *oc = malloc(sizeof *oc);
    world_enroll(w);
    world_roster(w);
    world_deal(w, 7);
    struct board *b = world_seat(w, 1)->b;
    assert_err(cut_make(&c, b, w->roster, 0, &f), OK);
    assert_int_equal(w->m.min_qual, 4);
    assert_err(cut_outcome(oc, &w->m, b, w->roster, &c, w->g, &f), ERR_QUORUM);
    assert_non_null(strstr(f.detail, "3 dealers qualify, 4 are needed"));
    w->m.min_qual = 3;
    assert_err(cut_outcome(oc, &w->m, b, w->roster, &c, w->g, &f), OK);
    assert_int_equal(oc->qual, 7);
    cut_free(&c);
    free(oc);
    world_free(w);
}

/* Who signed two rosters signed none. */
static void test_two_rosters(void **state)
{
    (void)state;
    struct world *w = world_new(3, 2, 0, 1);
    struct roster *r = malloc(sizeof *r);
    const hash_t other = {{7}};
    world_enroll(w);
    world_roster(w);
    struct party *p = world_seat(w, 2);
    assert_err(roster_signed_by(r, &w->m, p->b, w->g, &p->t.identity, &f), OK);
    struct signer s = softkeys_signer(p->token, 0);
    struct cbor_out st = CBOR_OUT_INIT;
    struct entry *e;
    int taken;
    cbor_put_array(&st, 3);
    for (uint32_t j = 0; j < 3; j++)
        cbor_put_hash(&st, j == 1 ? &other : &w->roster->seat[j].id);
    assert_err(entry_make(&e, ENTRY_ROSTER, &w->m.election, &other, NULL, &st, NULL, &s, &f), OK);
    assert_err(board_add(p->b, e, &taken, &f), OK);
    assert_err(roster_signed_by(r, &w->m, p->b, w->g, &p->t.identity, &f), ERR_EQUIVOCATION);
    cbor_out_free(&st);
    free(r);
    world_free(w);
}

/* A deal has no subject: with one it would be another statement under another name, and both would count. */
static void test_deal_with_subject(void **state)
{
    (void)state;
    struct world *w = world_new(3, 2, 0, 1);
    const struct entry *e;
    const hash_t subject = {{1}};
    struct deal d;
    world_to_deal(w);
    struct signer s = softkeys_signer(world_seat(w, 2)->token, 0);
    assert_err(board_find(w->party[0].b, &e, NULL, ENTRY_DEAL, NULL, &s.key, NULL), OK);
    assert_err(deal_check(&d, e, w->roster, w->g, &f), OK);
    struct cbor_out st = CBOR_OUT_INIT, ev = CBOR_OUT_INIT;
    struct entry *named;
    cbor_put_raw(&st, e->statement, e->statement_len);
    cbor_put_raw(&ev, e->evidence, e->evidence_len);
    assert_err(
        entry_make(&named, ENTRY_DEAL, &w->m.election, &w->roster->ceremony, &subject, &st, &ev, &s, &f), OK);
    assert_err(deal_check(&d, named, w->roster, w->g, &f), ERR_FORMAT);
    entry_free(named);
    cbor_out_free(&st);
    cbor_out_free(&ev);
    world_free(w);
}

/* A reveal by seat 1 for seat 2, with any of its items replaced. */
struct reveal {
    hash_t deal;
    uint64_t seat;
    scalar_t eph;
    struct sealed sealed;
};

static err_t judged(struct world *w, const struct deal *d, const struct reveal *r)
{
    struct cbor_out st = CBOR_OUT_INIT, file = CBOR_OUT_INIT;
    struct signer s = softkeys_signer(world_seat(w, 1)->token, 0);
    struct entry *e;
    scalar_t share;
    hash_t subject;
    subject_seat(&subject, 2);
    sealed_put(&file, &r->sealed);
    cbor_put_array(&st, 4);
    cbor_put_hash(&st, &r->deal);
    cbor_put_uint(&st, r->seat);
    cbor_put_bytes(&st, r->eph.b, SCALAR_LEN);
    cbor_put_bytes(&st, file.data, file.len);
    assert_err(
        entry_make(&e, ENTRY_REVEAL, &w->m.election, &w->roster->ceremony, &subject, &st, NULL, &s, &f), OK);
    err_t judgement = reveal_check(&share, e, w->roster, d, 2, w->g, &f);
    assert_int_equal(scalar_is_zero(&share), judgement != OK);
    entry_free(e);
    cbor_out_free(&st);
    cbor_out_free(&file);
    return judgement;
}

/* Seals this share to seat 2 as seat 1 should have. */
static void seal(struct world *w, struct sealed *out, const struct deal *d, const scalar_t *share,
                 const scalar_t *eph)
{
    struct cbor_out info = CBOR_OUT_INIT;
    share_info(&info, w->roster, d, 2);
    assert_err(hpke_seal(w->g, out->enc, out->ct, &w->roster->seat[1].ceremony_key, eph, info.data, info.len,
                         share->b, SCALAR_LEN),
               OK);
    cbor_out_free(&info);
}

static void name_file(struct deal *d, const struct sealed *s)
{
    struct cbor_out file = CBOR_OUT_INIT;
    sealed_put(&file, s);
    assert_err(cbor_out_hash(&file, &d->share[1]), OK);
}

/* (attack) A dealer who sent a bad share and answers the complaint with something good that was never sent; and every
 * other reveal that is right but for one thing. */
static void test_reveals(void **state)
{
    (void)state;
    struct world *w = world_new(3, 2, 0, 1);
    struct deal d, other;
    struct reveal good = {.seat = 2}, r;
    scalar_t share, bad, eph, q;
    world_to_deal(w);
    struct trustee *t = &world_seat(w, 2)->t;
    assert_err(deal_of_seat(&d, t->b, w->roster, w->g, 1, NULL, 0, &f), OK);
    assert_err(trustee_share_of(t, &share, w->roster, &d, 2, &f), OK);
    good.deal = d.statement_id;
    scalar_set(&eph, 5); /* small, so that there is a second form of it in 32 bytes */
    good.eph = eph;
    seal(w, &good.sealed, &d, &share, &eph);
    assert_err(judged(w, &d, &good), ERR_SHARE); /* not the bytes that the deal named */
    name_file(&d, &good.sealed);
    assert_err(judged(w, &d, &good), OK);
    r = good;
    r.deal.b[0] ^= 1;
    assert_err(judged(w, &d, &r), ERR_SHARE);
    r = good;
    r.seat = 3;
    assert_err(judged(w, &d, &r), ERR_SHARE);
    r = good; /* 5 + q, 0, q - 5, q */
    memcpy(q.b, group_order, SCALAR_LEN);
    memcpy(r.eph.b, group_order, SCALAR_LEN);
    r.eph.b[SCALAR_LEN - 1] = (uint8_t)(r.eph.b[SCALAR_LEN - 1] + 5);
    assert_err(judged(w, &d, &r), ERR_SHARE);
    memset(&r.eph, 0, sizeof r.eph);
    assert_err(judged(w, &d, &r), ERR_SHARE);
    scalar_neg(&r.eph, &eph); /* which opens it, for the exchange gives only an x-coordinate */
    assert_err(judged(w, &d, &r), ERR_SHARE);
    r.eph = q;
    assert_err(judged(w, &d, &r), ERR_SHARE);
    r = good;
    r.sealed.ct[0] ^= 1;
    assert_err(judged(w, &d, &r), ERR_SHARE);
    name_file(&d, &r.sealed); /* it does not open */
    assert_err(judged(w, &d, &r), ERR_SHARE);
    /* What opens is not on the polynomial; nor below q. */
    scalar_set(&bad, 1);
    scalar_add(&bad, &share, &bad);
    seal(w, &r.sealed, &d, &bad, &eph);
    name_file(&d, &r.sealed);
    assert_err(judged(w, &d, &r), ERR_SHARE);
    memset(&bad, 0xff, sizeof bad);
    seal(w, &r.sealed, &d, &bad, &eph);
    name_file(&d, &r.sealed);
    assert_err(judged(w, &d, &r), ERR_SHARE);
    /* The bad one was sent, a good one is shown. */
    assert_err(judged(w, &d, &good), ERR_SHARE);
    /* Sealed for another deal. */
    assert_err(deal_of_seat(&other, t->b, w->roster, w->g, 3, NULL, 0, &f), OK);
    seal(w, &r.sealed, &other, &share, &eph);
    name_file(&d, &r.sealed);
    assert_err(judged(w, &d, &r), ERR_SHARE);
    world_free(w);
}

/* Statement and subject name one plan; who signs holds a share. */
static void test_partial_of_another_plan(void **state)
{
    (void)state;
    struct world *w = world_new(3, 2, 0, 1);
    struct partial *p;
    const struct entry *e;
    const hash_t other = {{9}};
    world_to_record(w);
    struct target *x = targets_make(w, 1, 2, 3);
    struct plan_file plan = plan_for(w, x, 1, NULL, 1);
    struct trustee *t = &world_seat(w, 1)->t;
    struct signer s = softkeys_signer(world_seat(w, 1)->token, 0);
    assert_err(plan_sign(t, w->record, &plan, NULL, 0, &f), OK);
    assert_err(decrypt_make(t, w->record, &plan, x, 1, &f), OK);
    assert_err(board_find(t->b, &e, NULL, ENTRY_PARTIAL, NULL, &s.key, NULL), OK);
    assert_err(partial_parse(&p, e, w->record, &plan.id, x, 1, &f), OK);
    partial_free(p);
    for (int i = 0; i < 2; i++) { /* the subject is of another plan; the statement is */
        struct cbor_out st = CBOR_OUT_INIT, ev = CBOR_OUT_INIT;
        struct entry *mixed;
        cbor_put_raw(&st, e->statement, e->statement_len);
        cbor_put_raw(&ev, e->evidence, e->evidence_len);
        if (i == 1)
            memcpy(st.data + 3, other.b, HASH_LEN); /* behind [plan: */
        assert_err(entry_make(&mixed, ENTRY_PARTIAL, &w->m.election, &e->ceremony, i == 0 ? &other : &plan.id,
                              &st, &ev, &s, &f),
                   OK);
        assert_err(partial_parse(&p, mixed, w->record, &plan.id, x, 1, &f), ERR_MISMATCH);
        entry_free(mixed);
        cbor_out_free(&st);
        cbor_out_free(&ev);
    }
    w->record->holders &= ~UINT32_C(1);
    assert_err(partial_parse(&p, e, w->record, &plan.id, x, 1, &f), ERR_ELECTION);
    targets_free(x, 1);
    plan_file_free(&plan);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_enrolment),
        cmocka_unit_test(test_seed_of_somebody_else),
        cmocka_unit_test(test_token_that_cannot_open),
        cmocka_unit_test(test_roster),
        cmocka_unit_test(test_complaint_of_another_ceremony),
        cmocka_unit_test(test_cuts_by_hand),
        cmocka_unit_test(test_too_few_dealers),
        cmocka_unit_test(test_two_rosters),
        cmocka_unit_test(test_deal_with_subject),
        cmocka_unit_test(test_reveals),
        cmocka_unit_test(test_partial_of_another_plan),
    };
    return cmocka_run_group_tests(tests, secrets_setup, NULL);
}
