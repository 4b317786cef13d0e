/* Ballots, imported counts, sums: good ones, and for every rule one that breaks it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ceremony/base/secret.h"
#include "tests/support/ballots.h"

static struct fixture *fx(void **state)
{
    return *state;
}

static int setup(void **state)
{
    *state = fixture_new(KIND_BALLOTS);
    return 0;
}

static int teardown(void **state)
{
    fixture_free(*state);
    return 0;
}

static err_t parse(struct fixture *x, const struct cbor_out *o, struct fault *f)
{
    struct ballot *b;
    fault_clear(f);
    err_t e = ballot_parse_var(&b, &x->ctx, o->data, o->len, f);
    ballot_free(b);
    return e;
}

/* Parse and proofs. */
static err_t judge(struct fixture *x, const struct cbor_out *o, struct fault *f)
{
    struct ballot *b;
    fault_clear(f);
    TRY(ballot_parse_var(&b, &x->ctx, o->data, o->len, f));
    err_t e = ballot_verify_var(&x->ctx, b, f);
    ballot_free(b);
    return e;
}

static void test_good(void **state)
{
    struct fixture *x = fx(state);
    static const char *const choices[] = {"mayor=a council=p,q,t school=yes", "mayor=w council=p school=no",
                                          "", "council=q,r"};
    struct tallies *t;
    struct fault f;
    assert_int_equal(tallies_new(&t, &x->ctx, x->e1), OK);
    assert_int_equal(t->count, 3);
    for (size_t i = 0; i < 4; i++) {
        struct cbor_out o = CBOR_OUT_INIT, again = CBOR_OUT_INIT;
        struct ballot_info info;
        fixture_ballot(x, &o, &info, x->e1, "town", choices[i]);
        assert_int_equal(o.len, ballot_len(&x->ctx, x->e1, (uint32_t)manifest_style(x->m, "town")));
        assert_true(o.len <= ballot_len_max(&x->ctx));
        assert_int_equal(judge(x, &o, &f), OK);
        struct ballot *b = fixture_parse(x, &o);
        assert_int_equal(hash_cmp(&b->id, &info.id), 0);
        assert_int_equal(hash_cmp(&b->leaf, &info.leaf), 0);
        fixture_encode(x, &again, b);
        assert_int_equal(again.len, o.len);
        assert_memory_equal(again.data, o.data, o.len);
        assert_int_equal(tallies_add_ballot_var(t, b), OK);
        ballot_free(b);
        cbor_out_free(&o);
        cbor_out_free(&again);
    }
    assert_int_equal(fixture_decrypt(x, t, "mayor", 0), 1);
    assert_int_equal(fixture_decrypt(x, t, "mayor", 1), 0);
    assert_int_equal(fixture_decrypt(x, t, "mayor", 3), 1);
    assert_int_equal(fixture_decrypt(x, t, "council", 0), 2);
    assert_int_equal(fixture_decrypt(x, t, "council", 1), 2);
    assert_int_equal(fixture_decrypt(x, t, "council", 3), 0);
    assert_int_equal(fixture_decrypt(x, t, "school", 1), 1);
    assert_int_equal(tallies_find(t, 0)->ballots, 4);
    tallies_free(t);
}

static err_t make(struct fixture *x, uint32_t place, const char *style, const struct selection *sel, size_t n)
{
    struct cbor_out o = CBOR_OUT_INIT;
    struct fault f;
    struct ballot_info info;
    err_t e = ballot_make(x->maker, &o, &info, place, style, sel, n, NULL, &f);
    assert_int_equal(o.len != 0, e == OK);
    if (e != OK)
        assert_true(hash_is_zero(&info.id));
    cbor_out_free(&o);
    return e;
}

static void test_make_rules(void **state)
{
    struct fixture *x = fx(state);
    const char *ab[] = {"a", "b"}, *aa[] = {"p", "p"}, *zz[] = {"zz"}, *four[] = {"p", "q", "r", "s"},
               *yes[] = {"yes"};
    struct selection over = {"mayor", 2, ab}, twice = {"council", 2, aa}, none = {"mayor", 1, zz},
                     many = {"council", 4, four}, nowhere = {"senate", 1, yes}, school = {"school", 1, yes};
    struct selection both[] = {school, school};
    assert_int_equal(make(x, x->e1, "town", &over, 1), ERR_RULE);
    assert_int_equal(make(x, x->e1, "town", &many, 1), ERR_RULE);
    assert_int_equal(make(x, x->e1, "town", &twice, 1), ERR_RULE);
    assert_int_equal(make(x, x->e1, "town", &none, 1), ERR_UNKNOWN);
    assert_int_equal(make(x, x->e1, "town", &nowhere, 1), ERR_UNKNOWN);
    assert_int_equal(make(x, x->e1, "small", &school, 1), ERR_UNKNOWN);
    assert_int_equal(make(x, x->e1, "town", both, 2), ERR_DUPLICATE);
    assert_int_equal(make(x, x->e2, "town", NULL, 0), ERR_UNKNOWN);
    assert_int_equal(make(x, x->e1, "village", NULL, 0), ERR_UNKNOWN);
    assert_int_equal(make(x, x->land, "town", NULL, 0), ERR_UNKNOWN);
    assert_int_equal(make(x, 1000, "town", NULL, 0), ERR_UNKNOWN);
    assert_int_equal(make(x, x->e1, "town", &school, 1), OK);
}

/* Names that begin alike, no name, a name longer than any; and a fault does not say what was chosen. */
static void test_choices(void **state)
{
    struct fixture *x = fx(state);
    struct cbor_out o = CBOR_OUT_INIT;
    struct fault f;
    char longer[3 * TEXT_ID_MAX];
    memset(longer, 'a', sizeof longer);
    longer[sizeof longer - 1] = '\0';
    const char *name[] = {"", "aa", longer};
    for (size_t i = 0; i < 3; i++) {
        struct selection s = {"mayor", 1, &name[i]};
        assert_int_equal(make(x, x->e1, "town", &s, 1), ERR_UNKNOWN);
    }
    longer[TEXT_ID_MAX] = '\0';
    struct selection s = {"mayor", 1, &name[2]};
    assert_int_equal(make(x, x->e1, "town", &s, 1), ERR_UNKNOWN);
    const char *again[] = {"q", "q"}, *wrong[] = {"p", "wrong"};
    struct selection bad[] = {{"council", 2, again}, {"council", 2, wrong}};
    for (size_t i = 0; i < 2; i++) {
        fault_clear(&f);
        assert_int_not_equal(ballot_make(x->maker, &o, NULL, x->e1, "town", &bad[i], 1, NULL, &f), OK);
        assert_null(strstr(f.detail, "option q"));
        assert_null(strstr(f.detail, "wrong"));
    }
    cbor_out_free(&o);
}

/* One seed gives one ballot id and the same ciphertexts, another seed others. */
static void test_seed(void **state)
{
    struct fixture *x = fx(state);
    void *seed;
    struct ballot_info a, b, c;
    struct cbor_out o = CBOR_OUT_INIT;
    struct fault f;
    assert_int_equal(secret_alloc(&seed, BALLOT_SEED_LEN), OK);
    random_bytes(seed, BALLOT_SEED_LEN);
    assert_int_equal(ballot_make(x->maker, &o, &a, x->e1, "town", NULL, 0, seed, &f), OK);
    assert_int_equal(ballot_make(x->maker, &o, &b, x->e1, "town", NULL, 0, seed, &f), OK);
    assert_int_equal(ballot_make(x->maker, &o, &c, x->e1, "town", NULL, 0, NULL, &f), OK);
    assert_int_equal(hash_cmp(&a.id, &b.id), 0);
    assert_int_not_equal(hash_cmp(&a.id, &c.id), 0);
    cbor_out_free(&o);
    secret_free(seed);
}

static void test_context(void **state)
{
    struct fixture *x = fx(state), *other = fixture_other(KIND_BALLOTS);
    struct cbor_out o = CBOR_OUT_INIT;
    struct fault f;
    fixture_ballot(other, &o, NULL, other->e1, "town", "mayor=a");
    assert_int_equal(parse(x, &o, &f), ERR_ELECTION);
    cbor_out_free(&o);
    /* The same manifest, another ceremony record. */
    fixture_ballot(x, &o, NULL, x->e1, "town", "mayor=a");
    x->r->id.b[0] ^= 1;
    assert_int_equal(parse(x, &o, &f), ERR_ELECTION);
    x->r->id.b[0] ^= 1;
    assert_int_equal(parse(x, &o, &f), OK);
    cbor_out_free(&o);
    fixture_free(other);
}

/* Every truncation, bytes behind, and every byte changed: refused, by form or by proof. */
static void test_bytes(void **state)
{
    struct fixture *x = fx(state);
    struct cbor_out o = CBOR_OUT_INIT;
    struct fault f;
    fixture_ballot(x, &o, NULL, x->e2, "rural", "mayor=a");
    size_t len = o.len;
    for (size_t i = 0; i < len; i++) {
        o.len = i;
        assert_int_not_equal(parse(x, &o, &f), OK);
    }
    o.len = len;
    for (size_t i = 0; i < len; i += i < 250 ? 1 : 7) {
        o.data[i] ^= 1;
        assert_int_not_equal(judge(x, &o, &f), OK);
        o.data[i] ^= 1;
    }
    cbor_put_null(&o);
    assert_int_equal(parse(x, &o, &f), ERR_TRAILING);
    for (size_t i = 0; i < 20000; i++)
        cbor_put_null(&o);
    assert_int_equal(parse(x, &o, &f), ERR_LIMIT);
    cbor_out_free(&o);
}

/* The head is changed for another one of the same length: the named error. */
static void replace(struct cbor_out *o, const char *from, const char *to)
{
    uint8_t *at = memmem(o->data, o->len, from, strlen(from));
    assert_non_null(at);
    memcpy(at, to, strlen(from));
}

static void test_named(void **state)
{
    struct fixture *x = fx(state);
    struct cbor_out o = CBOR_OUT_INIT;
    struct fault f;
    fixture_ballot(x, &o, NULL, x->e1, "rural", "mayor=a");
    replace(&o, "ballot", "ballet");
    assert_int_equal(parse(x, &o, &f), ERR_FORMAT);
    replace(&o, "ballet", "ballot");
    o.data[17] = 2; /* version */
    assert_int_equal(parse(x, &o, &f), ERR_VERSION);
    o.data[17] = 1;
    o.data[18] = 2; /* scheme */
    assert_int_equal(parse(x, &o, &f), ERR_VERSION);
    o.data[18] = 1;
    replace(&o, "e-1", "e-9");
    assert_int_equal(parse(x, &o, &f), ERR_UNKNOWN);
    replace(&o, "e-9", "w-1"); /* a place, without this style */
    assert_int_equal(parse(x, &o, &f), ERR_UNKNOWN);
    replace(&o, "w-1", "e-1");
    replace(&o, "rural", "mural");
    assert_int_equal(parse(x, &o, &f), ERR_UNKNOWN);
    replace(&o, "mural", "rural");
    replace(&o, "mayor", "major");
    assert_int_equal(parse(x, &o, &f), ERR_UNKNOWN);
    replace(&o, "major", "mayor");
    replace(&o, "school", "mayors");
    assert_int_equal(parse(x, &o, &f), ERR_UNKNOWN);
    assert_non_null(strstr(f.detail, "school"));
    cbor_out_free(&o);
    /* Another style of the place has other contests. */
    fixture_ballot(x, &o, NULL, x->e1, "small", "mayor=a");
    struct ballot *b = fixture_parse(x, &o);
    b->style = (uint32_t)manifest_style(x->m, "rural");
    cbor_out_free(&o);
    fixture_encode(x, &o, b);
    assert_int_equal(parse(x, &o, &f), ERR_FORMAT);
    ballot_free(b);
    cbor_out_free(&o);
}

static void test_points(void **state)
{
    struct fixture *x = fx(state);
    struct cbor_out o = CBOR_OUT_INIT;
    struct fault f;
    fixture_ballot(x, &o, NULL, x->e1, "small", "mayor=a");
    struct ballot *b = fixture_parse(x, &o);
    cbor_out_free(&o);
    point_t keep = b->vote[0].ct[1].A;
    memset(&b->vote[0].ct[1].A, 0, POINT_LEN); /* the identity */
    fixture_encode(x, &o, b);
    assert_int_equal(parse(x, &o, &f), ERR_POINT);
    cbor_out_free(&o);
    b->vote[0].ct[1].A = keep;
    b->vote[0].ct[1].A.b[0] = 4;
    fixture_encode(x, &o, b);
    assert_int_equal(parse(x, &o, &f), ERR_POINT);
    cbor_out_free(&o);
    b->vote[0].ct[1].A = keep;
    memcpy(b->id_response.b, group_order, SCALAR_LEN);
    fixture_encode(x, &o, b);
    assert_int_equal(parse(x, &o, &f), ERR_SCALAR);
    cbor_out_free(&o);
    ballot_free(b);
}

/* The forger is able: with honest values its ballots pass. */
static void test_votes_by_the_hundred(void **state)
{
    struct fixture *x = fx(state);
    struct cbor_out o = CBOR_OUT_INIT;
    struct fault f;
    static const int honest[] = {0, 1, 0, 0}, hundreds[] = {500, 0, 0, 0}, minus[] = {0, -500, 0, 0},
                     plus_minus[] = {500, -500, 0, 1}, two[] = {1, 1, 0, 0};
    fixture_forge(x, &o, x->e1, "small", honest);
    assert_int_equal(judge(x, &o, &f), OK);
    cbor_out_free(&o);
    fixture_forge(x, &o, x->e1, "small", hundreds);
    assert_int_equal(judge(x, &o, &f), ERR_PROOF);
    assert_non_null(strstr(f.detail, "mayor: option a"));
    cbor_out_free(&o);
    fixture_forge(x, &o, x->e1, "small", minus);
    assert_int_equal(judge(x, &o, &f), ERR_PROOF);
    assert_non_null(strstr(f.detail, "mayor: option b"));
    cbor_out_free(&o);
    fixture_forge(x, &o, x->e1, "small", plus_minus); /* the sum is 1 and proved */
    assert_int_equal(judge(x, &o, &f), ERR_PROOF);
    cbor_out_free(&o);
    fixture_forge(x, &o, x->e1, "small", two); /* each is 0 or 1, the sum is not */
    assert_int_equal(judge(x, &o, &f), ERR_PROOF);
    assert_non_null(strstr(f.detail, "limit"));
    cbor_out_free(&o);
}

static void test_too_many_of_three(void **state)
{
    struct fixture *x = fx(state);
    struct cbor_out o = CBOR_OUT_INIT;
    struct fault f;
    /* mayor, council and its placeholders, school */
    static const int honest[] = {0, 0, 0, 0, 1, 1, 0, 0, 0, 1, 0, 0, 0, 1},
                     four[] = {0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0, 0, 1},
                     minus[] = {0, 0, 0, 0, 1, 1, 1, 1, 0, -1, 0, 0, 0, 1};
    fixture_forge(x, &o, x->e1, "town", honest);
    assert_int_equal(judge(x, &o, &f), OK);
    cbor_out_free(&o);
    fixture_forge(x, &o, x->e1, "town", four);
    assert_int_equal(judge(x, &o, &f), ERR_PROOF);
    assert_non_null(strstr(f.detail, "limit 3"));
    cbor_out_free(&o);
    fixture_forge(x, &o, x->e1, "town", minus);
    assert_int_equal(judge(x, &o, &f), ERR_PROOF);
    assert_non_null(strstr(f.detail, "placeholder 1"));
    cbor_out_free(&o);
}

static void test_swapped(void **state)
{
    struct fixture *x = fx(state);
    struct cbor_out o = CBOR_OUT_INIT;
    struct fault f;
    fixture_ballot(x, &o, NULL, x->e1, "rural", "mayor=a school=no");
    struct ballot *b = fixture_parse(x, &o);
    cbor_out_free(&o);
    /* Between contests, with their proofs. */
    struct elgamal ct = b->vote[0].ct[0];
    struct zero_one p = b->vote[0].proof[0];
    b->vote[0].ct[0] = b->vote[1].ct[1];
    b->vote[0].proof[0] = b->vote[1].proof[1];
    b->vote[1].ct[1] = ct;
    b->vote[1].proof[1] = p;
    fixture_encode(x, &o, b);
    assert_int_equal(judge(x, &o, &f), ERR_PROOF);
    ballot_free(b);
    cbor_out_free(&o);
    /* Between options of one contest: the sum stays. */
    fixture_ballot(x, &o, NULL, x->e1, "rural", "mayor=a school=no");
    b = fixture_parse(x, &o);
    cbor_out_free(&o);
    ct = b->vote[0].ct[0];
    p = b->vote[0].proof[0];
    b->vote[0].ct[0] = b->vote[0].ct[1];
    b->vote[0].proof[0] = b->vote[0].proof[1];
    b->vote[0].ct[1] = ct;
    b->vote[0].proof[1] = p;
    fixture_encode(x, &o, b);
    assert_int_equal(judge(x, &o, &f), ERR_PROOF);
    ballot_free(b);
    cbor_out_free(&o);
}

static void test_copied_proof(void **state)
{
    struct fixture *x = fx(state);
    struct cbor_out o = CBOR_OUT_INIT;
    struct fault f;
    fixture_ballot(x, &o, NULL, x->e1, "small", "mayor=a");
    struct ballot *mine = fixture_parse(x, &o);
    cbor_out_free(&o);
    fixture_ballot(x, &o, NULL, x->e1, "small", "mayor=a");
    struct ballot *victim = fixture_parse(x, &o);
    cbor_out_free(&o);
    /* Vote like the victim: ciphertexts and proofs copied under an own id. */
    struct ballot_vote keep = mine->vote[0];
    mine->vote[0] = victim->vote[0];
    fixture_encode(x, &o, mine);
    assert_int_equal(judge(x, &o, &f), ERR_PROOF);
    cbor_out_free(&o);
    /* Only one proof copied. */
    mine->vote[0] = keep;
    mine->vote[0].proof[2] = victim->vote[0].proof[2];
    fixture_encode(x, &o, mine);
    assert_int_equal(judge(x, &o, &f), ERR_PROOF);
    cbor_out_free(&o);
    ballot_free(mine);
    ballot_free(victim);
}

/* (attack) Another voter's one-time key on a ballot of one's own: id, commitment and response copied. */
static void test_squatted_id(void **state)
{
    struct fixture *x = fx(state);
    struct cbor_out o = CBOR_OUT_INIT;
    struct fault f;
    static const int votes[] = {0, 0, 1, 0};
    fixture_ballot(x, &o, NULL, x->e1, "small", "mayor=a");
    struct ballot *victim = fixture_parse(x, &o);
    cbor_out_free(&o);
    fixture_forge(x, &o, x->e1, "small", votes);
    struct ballot *b = fixture_parse(x, &o);
    cbor_out_free(&o);
    b->pk = victim->pk;
    b->id_commitment = victim->id_commitment;
    b->id_response = victim->id_response;
    fixture_encode(x, &o, b);
    assert_int_equal(judge(x, &o, &f), ERR_PROOF);
    cbor_out_free(&o);
    ballot_free(b);
    ballot_free(victim);
}

/* (attack) A ballot replayed in another place that has the same style. */
static void test_other_place(void **state)
{
    struct fixture *x = fx(state);
    struct cbor_out o = CBOR_OUT_INIT;
    struct fault f;
    fixture_ballot(x, &o, NULL, x->e1, "rural", "mayor=a");
    replace(&o, "e-1", "e-2");
    assert_int_equal(parse(x, &o, &f), OK);
    assert_int_equal(judge(x, &o, &f), ERR_PROOF);
    cbor_out_free(&o);
}

static void test_many_names_all(void **state)
{
    struct fixture *x = fx(state);
    struct ballot *ballot[40];
    uint8_t wrong[40];
    struct fault f;
    static const int bad[] = {2, 0, 0, 0};
    assert_int_equal(ballot_verify_many_var(&x->ctx, NULL, 0, wrong, &f), OK);
    for (size_t i = 0; i < 40; i++) {
        struct cbor_out o = CBOR_OUT_INIT;
        if (i == 3 || i == 17 || i == 39)
            fixture_forge(x, &o, x->e1, "small", bad);
        else
            fixture_ballot(x, &o, NULL, x->e1, i % 2 ? "small" : "rural", "mayor=b");
        ballot[i] = fixture_parse(x, &o);
        cbor_out_free(&o);
    }
    const struct ballot *const *all = (const struct ballot *const *)ballot;
    assert_int_equal(ballot_verify_many_var(&x->ctx, all, 40, wrong, &f), ERR_PROOF);
    for (size_t i = 0; i < 40; i++) {
        assert_int_equal(wrong[i], i == 3 || i == 17 || i == 39);
        ballot_free(ballot[i]);
    }
}

static void test_sums(void **state)
{
    struct fixture *x = fx(state);
    struct tallies *t, *part, *land, *back;
    struct cbor_out o = CBOR_OUT_INIT;
    struct cbor_in in;
    struct fault f;
    uint32_t contest;
    assert_int_equal(tallies_new(&t, &x->ctx, x->e2), OK); /* mayor, school */
    assert_int_equal(tallies_new(&part, &x->ctx, x->w1), OK);
    assert_int_equal(tallies_new(&land, &x->ctx, x->land), OK);
    assert_int_equal(t->count, 2);
    assert_int_equal(land->count, 3);
    fixture_ballot(x, &o, NULL, x->w1, "town", "mayor=b council=p,q school=yes");
    struct ballot *b = fixture_parse(x, &o);
    cbor_out_free(&o);
    assert_int_equal(tallies_add_ballot_var(t, b), ERR_MISMATCH); /* no council there */
    assert_int_equal(t->tally[0].ballots, 0);
    assert_int_equal(tallies_add_ballot_var(part, b), OK);
    assert_int_equal(tallies_add_var(land, part), OK);
    assert_int_equal(tallies_add_var(land, part), OK);
    assert_int_equal(fixture_decrypt(x, land, "mayor", 1), 2);
    assert_int_equal(tallies_sub_var(land, part), OK);
    assert_int_equal(tallies_equal_var(land, part, &contest), 1);
    assert_int_equal(tallies_add_var(t, part), ERR_MISMATCH);
    /* Out and in again. */
    assert_int_equal(cbor_put_tallies(&o, &x->ctx, land), OK);
    assert_int_equal(tallies_new(&back, &x->ctx, x->land), OK);
    cbor_in_init(&in, o.data, o.len);
    cbor_get_tallies_var(&in, &x->ctx, back);
    assert_int_equal(cbor_in_end(&in, &f), OK);
    assert_int_equal(tallies_equal_var(land, back, NULL), 1);
    cbor_in_init(&in, o.data, o.len);
    cbor_get_tallies_var(&in, &x->ctx, t);
    assert_int_not_equal(cbor_in_end(&in, &f), OK);
    /* Down to nothing: the identity, encoded and read. */
    assert_int_equal(tallies_sub_var(land, part), OK);
    assert_int_equal(tallies_sub_var(land, part), ERR_SUM);
    assert_int_equal(tallies_equal_var(land, back, &contest), 0);
    assert_int_equal(contest, 0);
    cbor_out_free(&o);
    assert_int_equal(cbor_put_tallies(&o, &x->ctx, land), OK);
    cbor_in_init(&in, o.data, o.len);
    cbor_get_tallies_var(&in, &x->ctx, back);
    assert_int_equal(cbor_in_end(&in, &f), OK);
    assert_int_equal(tallies_equal_var(land, back, NULL), 1);
    assert_int_equal(fixture_decrypt(x, back, "mayor", 1), 0);
    cbor_out_free(&o);
    ballot_free(b);
    tallies_free(t);
    tallies_free(part);
    tallies_free(land);
    tallies_free(back);
}

/* --- imported counts --- */

static int setup_import(void **state)
{
    *state = fixture_new(KIND_IMPORT);
    return 0;
}

static struct count *parse_count(struct fixture *x, const struct cbor_out *o)
{
    struct count *c;
    struct fault f;
    assert_int_equal(count_parse_var(&c, &x->ctx, o->data, o->len, &f), OK);
    return c;
}

static void test_count(void **state)
{
    struct fixture *x = fx(state);
    struct cbor_out o = CBOR_OUT_INIT;
    struct fault f;
    struct tallies *t;
    uint8_t bad[2];
    const uint64_t value[] = {65535, 0, 12345, 1}, big[] = {65536, 0, 0, 0}, two[] = {3, 4};
    assert_int_equal(count_make(x->maker, &o, x->e1, 0, value, 4, &f), OK);
    assert_true(o.len <= count_len_max(&x->ctx));
    struct count *c = parse_count(x, &o);
    const struct count *list[2] = {c, c};
    assert_int_equal(c->ballots, 65535 + 12345 + 1);
    assert_int_equal(count_verify_many_var(&x->ctx, list, 2, bad, &f), OK);
    assert_int_equal(tallies_new(&t, &x->ctx, x->e1), OK);
    assert_int_equal(tallies_add_count_var(t, c), OK);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(fixture_decrypt(x, t, "mayor", i), value[i]);
    tallies_free(t);
    /* Places and limits. */
    struct cbor_out spare = CBOR_OUT_INIT;
    assert_int_equal(count_make(x->maker, &spare, x->e1, 0, big, 4, &f), ERR_LIMIT);
    assert_int_equal(count_make(x->maker, &spare, x->e2, 1, value, 5, &f), ERR_UNKNOWN);
    assert_int_equal(count_make(x->maker, &spare, x->land, 0, value, 4, &f), ERR_UNKNOWN);
    assert_int_equal(count_make(x->maker, &spare, x->e1, 2, two, 3, &f), ERR_BUG);
    assert_int_equal(ballot_make(x->maker, &spare, NULL, x->e1, "town", NULL, 0, NULL, &f), ERR_RULE);
    assert_int_equal(spare.len, 0);
    struct ballot *b;
    assert_int_equal(ballot_parse_var(&b, &x->ctx, o.data, o.len, &f), ERR_RULE);
    /* (attack) For another place; other totals; bits swapped. */
    replace(&o, "e-1", "e-2");
    struct count *moved = parse_count(x, &o);
    list[1] = moved;
    assert_int_equal(count_verify_many_var(&x->ctx, list, 2, bad, &f), ERR_PROOF);
    assert_int_equal(bad[0], 0);
    assert_int_equal(bad[1], 1);
    assert_non_null(strstr(f.detail, "e-2"));
    count_free(moved);
    replace(&o, "e-2", "e-1");
    uint8_t last[314]; /* one bit: [A, B, zero_one] */
    assert_true(o.len > 2 * sizeof last);
    uint8_t *end = o.data + o.len;
    memcpy(last, end - sizeof last, sizeof last);
    memcpy(end - sizeof last, end - 2 * sizeof last, sizeof last);
    memcpy(end - 2 * sizeof last, last, sizeof last);
    struct count *swapped = parse_count(x, &o);
    list[1] = swapped;
    assert_int_equal(count_verify_many_var(&x->ctx, list, 2, bad, &f), ERR_PROOF);
    assert_int_equal(bad[1], 1);
    count_free(swapped);
    count_free(c);
    for (size_t i = 0; i < o.len; i += i < 200 ? 1 : 97) {
        o.data[i] ^= 1;
        if (count_parse_var(&c, &x->ctx, o.data, o.len, &f) == OK) {
            list[0] = c;
            assert_int_equal(count_verify_many_var(&x->ctx, list, 1, bad, &f), ERR_PROOF);
            count_free(c);
        }
        o.data[i] ^= 1;
    }
    o.len--;
    assert_int_equal(count_parse_var(&c, &x->ctx, o.data, o.len, &f), ERR_TRUNCATED);
    cbor_out_free(&o);
}

#define CASE(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_good),
        CASE(test_make_rules),
        CASE(test_choices),
        CASE(test_seed),
        CASE(test_context),
        CASE(test_bytes),
        CASE(test_named),
        CASE(test_points),
        CASE(test_votes_by_the_hundred),
        CASE(test_too_many_of_three),
        CASE(test_swapped),
        CASE(test_copied_proof),
        CASE(test_squatted_id),
        CASE(test_other_place),
        CASE(test_many_names_all),
        CASE(test_sums),
        cmocka_unit_test_setup_teardown(test_count, setup_import, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
