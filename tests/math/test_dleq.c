#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ceremony/base/secret.h"
#include "ceremony/math/dleq.h"
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
        cmocka_unit_test(forged_batch_of_a_prover_who_knows_the_key),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
