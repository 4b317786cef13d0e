#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ceremony/base/secret.h"
#include "ceremony/math/dleq.h"
#include "ceremony/math/pok.h"
#include "tests/support/rfc9497.h"

#define PAIRS 5

/* One trustee's partial decryption of one (place, contest), with all it points to. */
struct partial {
    struct group *g;
    scalar_t s;
    point_t S, A[PAIRS], D[PAIRS];
    hash_t election, record, plan;
    struct dleq_statement st;
    struct dleq proof;
};

static void point_random(struct group *g, point_t *p)
{
    scalar_t k;
    scalar_random(&k);
    assert_int_equal(point_mul_base(g, p, &k), OK);
}

static void prove(struct partial *p)
{
    uint8_t fresh[32];
    random_bytes(fresh, sizeof fresh);
    assert_int_equal(dleq_prove(p->g, &p->proof, &p->st, &p->s, fresh), OK);
}

/* The statement is about p's own arrays. */
static void partial_bind(struct partial *p)
{
    p->st = (struct dleq_statement){&p->election, &p->record, &p->plan, "P-17", "mayor", 3,
                                    &p->S,        PAIRS,      p->A,     p->D};
}

static void partial_copy(struct partial *out, const struct partial *p)
{
    *out = *p;
    partial_bind(out);
}

static void partial_make(struct partial *p, struct group *g)
{
    memset(p, 0, sizeof *p);
    p->g = g;
    scalar_random(&p->s);
    assert_int_equal(point_mul_base(g, &p->S, &p->s), OK);
    for (size_t i = 0; i < PAIRS; i++) {
        point_random(g, &p->A[i]);
        assert_int_equal(point_mul(g, &p->D[i], &p->s, &p->A[i]), OK);
    }
    random_bytes(&p->election, sizeof p->election);
    random_bytes(&p->record, sizeof p->record);
    random_bytes(&p->plan, sizeof p->plan);
    partial_bind(p);
    prove(p);
}

static int setup(void **state)
{
    static struct partial p;
    struct group *g;
    if (secret_init() != OK || group_new(&g) != OK)
        return -1;
    partial_make(&p, g);
    *state = &p;
    return 0;
}

static int teardown(void **state)
{
    group_free(((struct partial *)*state)->g);
    return 0;
}

/* Both verifiers must agree. */
static err_t verify(const struct partial *p)
{
    uint8_t bad = 0xaa;
    err_t one = dleq_verify_var(&p->st, &p->proof), many = dleq_verify_many_var(&p->st, &p->proof, 1, &bad);
    assert_int_equal(many, one == OK ? OK : ERR_PROOF);
    assert_int_equal(bad, one != OK);
    return one;
}

/* --- docs/spec/ceremony.md, computed again: by OpenSSL, and without dleq.c --- */

struct transcript {
    hash_t T;
    point_t M, Z;
    scalar_t c;
};

static void transcript_points(struct transcript *x, const struct partial *p)
{
    const struct dleq_statement *st = &p->st;
    struct cbor_out o = CBOR_OUT_INIT;
    scalar_t d[PAIRS];
    cbor_put_array(&o, 9 + 2 * st->count);
    cbor_put_text(&o, "conclave/dleq");
    cbor_put_hash(&o, st->election);
    cbor_put_hash(&o, st->record);
    cbor_put_hash(&o, st->plan);
    cbor_put_text(&o, st->place);
    cbor_put_text(&o, st->contest);
    cbor_put_uint(&o, st->seat);
    cbor_put_bytes(&o, st->S->b, POINT_LEN);
    cbor_put_uint(&o, st->count);
    for (size_t i = 0; i < st->count; i++) {
        cbor_put_bytes(&o, st->A[i].b, POINT_LEN);
        cbor_put_bytes(&o, st->D[i].b, POINT_LEN);
    }
    hash_one(&x->T, o.data, o.len);
    cbor_out_free(&o);
    for (size_t i = 0; i < st->count; i++) {
        o = (struct cbor_out)CBOR_OUT_INIT;
        cbor_put_array(&o, 4);
        cbor_put_text(&o, "conclave/dleq-w");
        cbor_put_hash(&o, st->election);
        cbor_put_hash(&o, &x->T);
        cbor_put_uint(&o, i + 1);
        assert_int_equal(hash_to_scalar(&d[i], "conclave/dleq-w", o.data, o.len), OK);
        cbor_out_free(&o);
    }
    assert_int_equal(point_mul_sum(p->g, &x->M, d, st->A, st->count), OK);
    assert_int_equal(point_mul_sum(p->g, &x->Z, d, st->D, st->count), OK);
}

static void transcript_challenge(struct transcript *x, const struct partial *p)
{
    struct cbor_out o = CBOR_OUT_INIT;
    cbor_put_array(&o, 7);
    cbor_put_text(&o, "conclave/dleq-c");
    cbor_put_hash(&o, p->st.election);
    cbor_put_hash(&o, &x->T);
    cbor_put_bytes(&o, x->M.b, POINT_LEN);
    cbor_put_bytes(&o, x->Z.b, POINT_LEN);
    cbor_put_bytes(&o, p->proof.a.b, POINT_LEN);
    cbor_put_bytes(&o, p->proof.b.b, POINT_LEN);
    assert_int_equal(hash_to_scalar(&x->c, "conclave/dleq-c", o.data, o.len), OK);
    cbor_out_free(&o);
}

/* z P = R + c X? */
static int holds(struct group *g, const scalar_t *z, const point_t *P, const point_t *R, const scalar_t *c,
                 const point_t *X)
{
    point_t left, right;
    assert_int_equal(point_mul(g, &left, z, P), OK);
    assert_int_equal(point_mul(g, &right, c, X), OK);
    assert_int_equal(point_add(g, &right, &right, R), OK);
    return point_equal(&left, &right);
}

static int first_holds(const struct partial *p, const struct transcript *x)
{
    return holds(p->g, &p->proof.z, &group_generator, &p->proof.a, &x->c, &p->S);
}

static int second_holds(const struct partial *p, const struct transcript *x)
{
    return holds(p->g, &p->proof.z, &x->M, &p->proof.b, &x->c, &x->Z);
}

/* A proof by hand, of whatever the statement says: commitments off by errors (NULL: none), z = w + c s. */
static void prove_by_hand(struct partial *p, struct transcript *x, const point_t *error_a,
                          const point_t *error_b)
{
    scalar_t w;
    transcript_points(x, p);
    scalar_random(&w);
    assert_int_equal(point_mul_base(p->g, &p->proof.a, &w), OK);
    assert_int_equal(point_mul(p->g, &p->proof.b, &w, &x->M), OK);
    if (error_a != NULL)
        assert_int_equal(point_add(p->g, &p->proof.a, &p->proof.a, error_a), OK);
    if (error_b != NULL)
        assert_int_equal(point_add(p->g, &p->proof.b, &p->proof.b, error_b), OK);
    transcript_challenge(x, p);
    scalar_mul(&p->proof.z, &x->c, &p->s);
    scalar_add(&p->proof.z, &p->proof.z, &w);
}

/* Everything is in T, every weight comes from T, everything is in c: what is left out could be chosen last.
 */
static void transcript_as_specified(void **state)
{
    struct partial p;
    struct transcript x;
    const uint8_t fresh[32] = {3};
    scalar_t w;
    point_t a;
    partial_copy(&p, *state);
    for (size_t m = 1; m <= PAIRS; m += PAIRS - 1) {
        p.st.count = m;
        assert_int_equal(dleq_prove(p.g, &p.proof, &p.st, &p.s, fresh), OK);
        transcript_points(&x, &p);
        transcript_challenge(&x, &p);
        assert_true(first_holds(&p, &x));
        assert_true(second_holds(&p, &x));
        assert_int_equal(nonce_make(&w, &p.s, sizeof p.s, fresh, &x.T), OK);
        assert_int_equal(point_mul_base(p.g, &a, &w), OK);
        assert_true(point_equal(&a, &p.proof.a));
        prove_by_hand(&p, &x, NULL, NULL);
        assert_int_equal(dleq_verify_var(&p.st, &p.proof), OK);
    }
}

/* Who has the share can always make one of the two equations true. */
static void one_equation_is_not_enough(void **state)
{
    struct partial p;
    struct transcript x;
    uint8_t bad;
    for (int other_S = 0; other_S < 2; other_S++) {
        partial_copy(&p, *state);
        if (other_S)
            point_random(p.g, &p.S);
        else
            point_random(p.g, &p.D[2]);
        prove_by_hand(&p, &x, NULL, NULL);
        assert_int_equal(first_holds(&p, &x), !other_S);
        assert_int_equal(second_holds(&p, &x), other_S);
        assert_int_equal(dleq_verify_var(&p.st, &p.proof), ERR_PROOF);
        assert_int_equal(dleq_verify_many_var(&p.st, &p.proof, 1, &bad), ERR_PROOF);
    }
}

static void good(void **state)
{
    struct partial p;
    partial_copy(&p, *state);
    assert_int_equal(verify(&p), OK);
    for (size_t m = 1; m < PAIRS; m++) {
        p.st.count = m;
        prove(&p);
        assert_int_equal(verify(&p), OK);
    }
}

static void broken_proof_values(void **state)
{
    struct partial p;
    partial_copy(&p, *state);
    p.proof.z.b[31] ^= 1;
    assert_int_equal(verify(&p), ERR_PROOF);
    partial_copy(&p, *state);
    p.proof.a.b[0] ^= 1;
    assert_int_equal(verify(&p), ERR_PROOF);
    partial_copy(&p, *state);
    p.proof.b.b[0] ^= 1;
    assert_int_equal(verify(&p), ERR_PROOF);
    partial_copy(&p, *state);
    memset(p.proof.z.b, 0xff, SCALAR_LEN);
    assert_int_equal(verify(&p), ERR_SCALAR);
    partial_copy(&p, *state);
    memset(&p.proof.a, 0, POINT_LEN);
    assert_int_equal(verify(&p), ERR_POINT);
    partial_copy(&p, *state);
    memset(p.proof.b.b + 1, 0xff, 32);
    assert_int_equal(verify(&p), ERR_POINT);
}

static void broken_statement_points(void **state)
{
    struct partial p;
    const point_t none = {{0}};
    point_t t;
    partial_copy(&p, *state);
    p.S.b[0] ^= 1;
    assert_int_equal(verify(&p), ERR_PROOF);
    for (size_t i = 0; i < PAIRS; i++) {
        partial_copy(&p, *state);
        p.A[i].b[0] ^= 1;
        assert_int_equal(verify(&p), ERR_PROOF);
        partial_copy(&p, *state);
        p.D[i].b[0] ^= 1;
        assert_int_equal(verify(&p), ERR_PROOF);
        partial_copy(&p, *state);
        p.D[i] = none;
        assert_int_equal(verify(&p), ERR_POINT);
        partial_copy(&p, *state);
        p.A[i] = none;
        assert_int_equal(verify(&p), ERR_POINT);
    }
    partial_copy(&p, *state);
    p.S = none;
    assert_int_equal(verify(&p), ERR_POINT);
    /* pairs exchanged, a pair left out, none at all */
    partial_copy(&p, *state);
    t = p.A[0], p.A[0] = p.A[1], p.A[1] = t;
    t = p.D[0], p.D[0] = p.D[1], p.D[1] = t;
    assert_int_equal(verify(&p), ERR_PROOF);
    partial_copy(&p, *state);
    p.st.count--;
    assert_int_equal(verify(&p), ERR_PROOF);
    p.st.count = 0;
    assert_int_equal(dleq_verify_var(&p.st, &p.proof), ERR_BUG);
}

static void another_context(void **state)
{
    struct partial p;
    partial_copy(&p, *state);
    p.st.seat = 4;
    assert_int_equal(verify(&p), ERR_PROOF);
    partial_copy(&p, *state);
    p.st.place = "P-18";
    assert_int_equal(verify(&p), ERR_PROOF);
    partial_copy(&p, *state);
    p.st.contest = "judge";
    assert_int_equal(verify(&p), ERR_PROOF);
    partial_copy(&p, *state);
    p.st.place = "P-17m"; /* the border between two texts moved */
    p.st.contest = "ayor";
    assert_int_equal(verify(&p), ERR_PROOF);
    partial_copy(&p, *state);
    p.plan.b[0] ^= 1;
    assert_int_equal(verify(&p), ERR_PROOF);
    partial_copy(&p, *state);
    p.record.b[31] ^= 1;
    assert_int_equal(verify(&p), ERR_PROOF);
    partial_copy(&p, *state);
    p.election.b[5] ^= 1;
    assert_int_equal(verify(&p), ERR_PROOF);
}

/* A prover who knows s and states a wrong D: by a random point, or so that the errors sum to zero. */
static void wrong_decryption_with_the_key(void **state)
{
    struct partial p;
    point_t x;
    partial_copy(&p, *state);
    point_random(p.g, &p.D[2]);
    prove(&p);
    assert_int_equal(verify(&p), ERR_PROOF);
    partial_copy(&p, *state);
    point_random(p.g, &x);
    assert_int_equal(point_add(p.g, &p.D[0], &p.D[0], &x), OK);
    assert_int_equal(point_sub(p.g, &p.D[1], &p.D[1], &x), OK);
    prove(&p);
    assert_int_equal(verify(&p), ERR_PROOF);
    /* all by one other key */
    partial_copy(&p, *state);
    scalar_random(&p.s);
    prove(&p);
    assert_int_equal(verify(&p), ERR_PROOF);
}

static void prove_refuses_bad_input(void **state)
{
    struct partial p;
    const struct dleq zero = {0};
    const uint8_t fresh[32] = {0};
    partial_copy(&p, *state);
    memset(&p.A[1], 0, POINT_LEN);
    assert_int_equal(dleq_prove(p.g, &p.proof, &p.st, &p.s, fresh), ERR_POINT);
    assert_memory_equal(&p.proof, &zero, sizeof zero);
    partial_copy(&p, *state);
    memset(&p.D[1], 0, POINT_LEN);
    assert_int_equal(dleq_prove(p.g, &p.proof, &p.st, &p.s, fresh), ERR_POINT);
    partial_copy(&p, *state);
    memset(&p.S, 0, POINT_LEN);
    assert_int_equal(dleq_prove(p.g, &p.proof, &p.st, &p.s, fresh), ERR_POINT);
    partial_copy(&p, *state);
    p.st.count = 0;
    assert_int_equal(dleq_prove(p.g, &p.proof, &p.st, &p.s, fresh), ERR_BUG);
    assert_memory_equal(&p.proof, &zero, sizeof zero);
}

/* The same fresh bytes under two plans: a repeated nonce would give the key by one subtraction. */
static void one_fresh_value_gives_two_nonces(void **state)
{
    struct partial p, q;
    const uint8_t fresh[32] = {7};
    partial_copy(&p, *state);
    partial_copy(&q, *state);
    q.plan.b[0] ^= 1;
    assert_int_equal(dleq_prove(p.g, &p.proof, &p.st, &p.s, fresh), OK);
    assert_int_equal(dleq_prove(q.g, &q.proof, &q.st, &q.s, fresh), OK);
    assert_false(point_equal(&p.proof.a, &q.proof.a));
}

static void cbor_form(void **state)
{
    const struct partial *p = *state;
    struct cbor_out o = CBOR_OUT_INIT;
    struct cbor_in in;
    struct dleq got;
    const struct dleq zero = {0};
    cbor_put_dleq(&o, &p->proof);
    assert_int_equal(o.err, OK);
    cbor_in_init(&in, o.data, o.len);
    cbor_get_dleq(&in, p->g, &got);
    assert_int_equal(cbor_in_end(&in, NULL), OK);
    assert_memory_equal(&got, &p->proof, sizeof got);
    for (size_t len = 0; len < o.len; len++) {
        cbor_in_init(&in, o.data, len);
        cbor_get_dleq(&in, p->g, &got);
        assert_int_equal(cbor_in_end(&in, NULL), ERR_TRUNCATED);
        assert_memory_equal(&got, &zero, sizeof got);
    }
    memset(o.data + o.len - SCALAR_LEN, 0xff, SCALAR_LEN);
    cbor_in_init(&in, o.data, o.len);
    cbor_get_dleq(&in, p->g, &got);
    assert_int_equal(cbor_in_end(&in, NULL), ERR_SCALAR);
    memset(o.data + 3, 0, POINT_LEN);
    cbor_in_init(&in, o.data, o.len);
    cbor_get_dleq(&in, p->g, &got);
    assert_int_equal(cbor_in_end(&in, NULL), ERR_POINT);
    cbor_out_free(&o);
}

/* --- many --- */

#define MANY 37

struct many {
    struct partial p[MANY];
    struct dleq_statement st[MANY];
    struct dleq proof[MANY];
    uint8_t bad[MANY];
};

static struct many *many_new(struct group *g)
{
    struct many *m = calloc(1, sizeof *m);
    assert_non_null(m);
    for (size_t i = 0; i < MANY; i++) {
        partial_make(&m->p[i], g);
        if (i % 3 == 1) { /* two proofs of one trustee after each other */
            partial_copy(&m->p[i], &m->p[i - 1]);
            m->p[i].st.place = "P-99";
            prove(&m->p[i]);
        }
    }
    return m;
}

static err_t many_verify(struct many *m)
{
    for (size_t i = 0; i < MANY; i++) {
        m->st[i] = m->p[i].st;
        m->proof[i] = m->p[i].proof;
    }
    memset(m->bad, 0xaa, sizeof m->bad);
    return dleq_verify_many_var(m->st, m->proof, MANY, m->bad);
}

static void many_good_and_none(void **state)
{
    struct many *m = many_new(((struct partial *)*state)->g);
    static const uint8_t none[MANY];
    assert_int_equal(many_verify(m), OK);
    assert_memory_equal(m->bad, none, MANY);
    assert_int_equal(dleq_verify_many_var(NULL, NULL, 0, NULL), OK);
    free(m);
}

static void many_names_exactly_the_bad_ones(void **state)
{
    struct many *m = many_new(((struct partial *)*state)->g);
    uint8_t want[MANY] = {0};
    m->p[0].proof.z.b[31] ^= 1;
    m->p[5].D[4].b[0] ^= 1;
    m->p[6].st.seat++;
    m->p[17].proof.a = m->p[18].proof.a;
    memset(&m->p[20].proof.z, 0xff, SCALAR_LEN); /* not canonical */
    memset(&m->p[21].D[0], 0, POINT_LEN);        /* the identity */
    memset(m->p[36].proof.b.b + 1, 0xff, 32);    /* off the curve */
    want[0] = want[5] = want[6] = want[17] = want[20] = want[21] = want[36] = 1;
    assert_int_equal(many_verify(m), ERR_PROOF);
    assert_memory_equal(m->bad, want, MANY);
    for (size_t i = 0; i < MANY; i++)
        m->p[i].proof.z = m->p[0].proof.z;
    memset(want, 1, MANY);
    assert_int_equal(many_verify(m), ERR_PROOF);
    assert_memory_equal(m->bad, want, MANY);
    free(m);
}

/* Two proofs of one statement, z + x and z - x: both equations still hold in the plain sum. */
static void many_catches_a_cancelling_pair(void **state)
{
    struct many *m = many_new(((struct partial *)*state)->g);
    uint8_t want[MANY] = {0};
    scalar_t x, before, after;
    partial_copy(&m->p[9], &m->p[8]);
    prove(&m->p[9]);
    assert_int_equal(many_verify(m), OK);
    scalar_random(&x);
    scalar_add(&before, &m->p[8].proof.z, &m->p[9].proof.z);
    scalar_add(&m->p[8].proof.z, &m->p[8].proof.z, &x);
    scalar_sub(&m->p[9].proof.z, &m->p[9].proof.z, &x);
    scalar_add(&after, &m->p[8].proof.z, &m->p[9].proof.z);
    assert_memory_equal(&before, &after, sizeof before);
    want[8] = want[9] = 1;
    assert_int_equal(many_verify(m), ERR_PROOF);
    assert_memory_equal(m->bad, want, MANY);
    free(m);
}

/* a + E and b - E: the two equations of one proof are wrong by opposite errors. */
static void many_catches_errors_that_cancel_within_a_proof(void **state)
{
    struct many *m = many_new(((struct partial *)*state)->g);
    uint8_t want[MANY] = {0};
    struct transcript x;
    point_t error, minus;
    point_random(m->p[0].g, &error);
    minus = error;
    minus.b[0] ^= 1;
    prove_by_hand(&m->p[4], &x, &error, &minus);
    assert_false(first_holds(&m->p[4], &x));
    want[4] = 1;
    assert_int_equal(many_verify(m), ERR_PROOF);
    assert_memory_equal(m->bad, want, MANY);
    /* Two, so that no half of the search is a single proof that is checked without weights. */
    for (size_t i = 0; i < MANY; i++)
        prove_by_hand(&m->p[i], &x, &error, &minus);
    memset(want, 1, MANY);
    assert_int_equal(many_verify(m), ERR_PROOF);
    assert_memory_equal(m->bad, want, MANY);
    free(m);
}

/* --- the attack on weights that depend on their own pair only --- */

#define TOY_BITS 8
#define TRIES 4096

/* D1 = s A1 + x X and D2 = s A2 - y X pass if d1(x) x = d2(y) y. As d1 depends on x only and d2 on y
 * only, two lists are made and one value found in both: work grows with the root of the number of values
 * (generalised birthday, Wagner 2002; with 8192 pairs of full weights, about 2^31). */
static int forge(const struct rfc9497 *r, struct partial *p, const point_t *X)
{
    static uint32_t at[TRIES << TOY_BITS];
    static point_t first[TRIES + 1];
    point_t D1 = p->D[0], D2 = p->D[1];
    scalar_t d;
    memset(at, 0, sizeof at);
    for (uint32_t x = 1; x <= TRIES; x++) {
        assert_int_equal(point_add(r->g, &D1, &D1, X), OK);
        assert_int_equal(rfc9497_weight(r, &d, &p->S, 0, &p->A[0], &D1), OK);
        first[x] = D1;
        if (d.b[31] != 0)
            at[d.b[31] * x] = x;
    }
    for (uint32_t y = 1; y <= TRIES; y++) {
        assert_int_equal(point_sub(r->g, &D2, &D2, X), OK);
        assert_int_equal(rfc9497_weight(r, &d, &p->S, 1, &p->A[1], &D2), OK);
        uint32_t x = d.b[31] == 0 ? 0 : at[d.b[31] * y];
        if (x != 0) {
            p->D[0] = first[x];
            p->D[1] = D2;
            return 1;
        }
    }
    return 0;
}

static void forged_batch_of_a_prover_who_knows_the_key(void **state)
{
    const struct partial *honest = *state;
    const struct rfc9497 toy = {honest->g, 1, TOY_BITS};
    struct partial p;
    uint8_t proof[64];
    scalar_t w;
    partial_copy(&p, honest);
    /* X = G: the first count is moved up, the second down, by as many votes as x and y say */
    assert_true(forge(&toy, &p, &group_generator));
    assert_false(point_equal(&p.D[0], &honest->D[0]));
    assert_false(point_equal(&p.D[1], &honest->D[1]));
    scalar_random(&w);
    assert_int_equal(rfc9497_prove(&toy, proof, &p.s, &p.S, p.A, p.D, PAIRS, &w), OK);
    assert_int_equal(rfc9497_verify(&toy, proof, &p.S, p.A, p.D, PAIRS), OK); /* a valid proof of a lie */
    /* The same pairs under weights that depend on every pair. */
    prove(&p);
    assert_int_equal(verify(&p), ERR_PROOF);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(transcript_as_specified),
        cmocka_unit_test(one_equation_is_not_enough),
        cmocka_unit_test(good),
        cmocka_unit_test(broken_proof_values),
        cmocka_unit_test(broken_statement_points),
        cmocka_unit_test(another_context),
        cmocka_unit_test(wrong_decryption_with_the_key),
        cmocka_unit_test(prove_refuses_bad_input),
        cmocka_unit_test(one_fresh_value_gives_two_nonces),
        cmocka_unit_test(cbor_form),
        cmocka_unit_test(many_good_and_none),
        cmocka_unit_test(many_names_exactly_the_bad_ones),
        cmocka_unit_test(many_catches_a_cancelling_pair),
        cmocka_unit_test(many_catches_errors_that_cancel_within_a_proof),
        cmocka_unit_test(forged_batch_of_a_prover_who_knows_the_key),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
