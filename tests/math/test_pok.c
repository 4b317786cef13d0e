#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "ceremony/base/secret.h"
#include "ceremony/math/pok.h"

#define LABEL "conclave/test-pok"

struct proved {
    struct group *g;
    scalar_t x;
    point_t X;
    hash_t election;
    uint8_t fresh[32];
    struct pok p;
};

static const uint8_t context[] = {0x82, 0x01, 0x61, 'c'};

static int setup(void **state)
{
    static struct proved s;
    if (secret_init() != OK || group_new(&s.g) != OK)
        return -1;
    scalar_random(&s.x);
    random_bytes(&s.election, sizeof s.election);
    random_bytes(s.fresh, sizeof s.fresh);
    *state = &s;
    return point_mul_base(s.g, &s.X, &s.x) == OK && pok_prove(s.g, &s.p, &s.x, &s.X, s.fresh, LABEL,
                                                              &s.election, context, sizeof context) == OK
               ? 0
               : -1;
}

static int teardown(void **state)
{
    group_free(((struct proved *)*state)->g);
    return 0;
}

static err_t verify(const struct proved *s)
{
    return pok_verify(s->g, &s->p, &s->X, LABEL, &s->election, context, sizeof context);
}

static void good(void **state)
{
    assert_int_equal(verify(*state), OK);
}

static void broken_values(void **state)
{
    const struct proved *const is = *state;
    struct proved s = *is;
    s.p.z.b[31] ^= 1;
    assert_int_equal(verify(&s), ERR_PROOF);
    s = *is;
    s.p.R.b[0] ^= 1;
    assert_int_equal(verify(&s), ERR_PROOF);
    s = *is;
    s.X.b[0] ^= 1;
    assert_int_equal(verify(&s), ERR_PROOF);
    s = *is;
    memset(&s.X, 0, sizeof s.X);
    assert_int_equal(verify(&s), ERR_POINT);
    s = *is;
    memset(&s.p.R, 0, sizeof s.p.R);
    assert_int_equal(verify(&s), ERR_POINT);
    s = *is;
    memset(s.p.z.b, 0xff, SCALAR_LEN);
    assert_int_equal(verify(&s), ERR_SCALAR);
}

static void another_context_or_label(void **state)
{
    struct proved s = *(const struct proved *)*state;
    uint8_t other[sizeof context];
    memcpy(other, context, sizeof other);
    other[1] ^= 1;
    assert_int_equal(pok_verify(s.g, &s.p, &s.X, LABEL, &s.election, other, sizeof other), ERR_PROOF);
    assert_int_equal(pok_verify(s.g, &s.p, &s.X, LABEL, &s.election, context, sizeof context - 1), ERR_PROOF);
    assert_int_equal(pok_verify(s.g, &s.p, &s.X, LABEL "2", &s.election, context, sizeof context), ERR_PROOF);
    s.election.b[0] ^= 1;
    assert_int_equal(verify(&s), ERR_PROOF);
}

/* docs/spec/ceremony.md computed again: the challenge; with X NULL, without X, as in weak proofs. */
static void challenge(scalar_t *c, const struct proved *s, const point_t *X)
{
    struct cbor_out o = CBOR_OUT_INIT;
    cbor_put_array(&o, X != NULL ? 5 : 4);
    cbor_put_text(&o, LABEL);
    cbor_put_hash(&o, &s->election);
    cbor_put_bytes(&o, context, sizeof context);
    if (X != NULL)
        cbor_put_bytes(&o, X->b, POINT_LEN);
    cbor_put_bytes(&o, s->p.R.b, POINT_LEN);
    assert_int_equal(hash_to_scalar(c, LABEL, o.data, o.len), OK);
    cbor_out_free(&o);
}

/* z G = R + c X? */
static int holds(const struct proved *s, const scalar_t *c)
{
    point_t left, right;
    assert_int_equal(point_mul_base(s->g, &left, &s->p.z), OK);
    assert_int_equal(point_mul(s->g, &right, c, &s->X), OK);
    assert_int_equal(point_add(s->g, &right, &right, &s->p.R), OK);
    return point_equal(&left, &right);
}

static void transcript_as_specified(void **state)
{
    const struct proved *s = *state;
    struct cbor_out o = CBOR_OUT_INIT;
    scalar_t c, w;
    hash_t statement;
    point_t R;
    challenge(&c, s, &s->X);
    assert_true(holds(s, &c));
    cbor_put_array(&o, 4);
    cbor_put_text(&o, LABEL);
    cbor_put_hash(&o, &s->election);
    cbor_put_bytes(&o, context, sizeof context);
    cbor_put_bytes(&o, s->X.b, POINT_LEN);
    hash_one(&statement, o.data, o.len);
    cbor_out_free(&o);
    assert_int_equal(nonce_make(&w, &s->x, sizeof s->x, s->fresh, &statement), OK);
    assert_int_equal(point_mul_base(s->g, &R, &w), OK);
    assert_true(point_equal(&R, &s->p.R));
}

/* R and z chosen first, then X = (z G - R) / c: a proof about an X of which nobody knows the logarithm, if
 * the challenge left X out. */
static void weak_fiat_shamir_forgery_fails(void **state)
{
    struct proved s = *(const struct proved *)*state;
    scalar_t c, r;
    scalar_random(&r);
    scalar_random(&s.p.z);
    assert_int_equal(point_mul_base(s.g, &s.p.R, &r), OK);
    challenge(&c, &s, NULL);
    scalar_sub(&r, &s.p.z, &r);
    scalar_t inverse;
    scalar_invert(&inverse, &c);
    scalar_mul(&r, &r, &inverse);
    assert_int_equal(point_mul_base(s.g, &s.X, &r), OK);
    assert_true(holds(&s, &c)); /* it is a forgery of that proof */
    assert_int_equal(verify(&s), ERR_PROOF);
}

static void prove_refuses_bad_points(void **state)
{
    const struct proved *s = *state;
    const point_t none = {{0}};
    struct pok p, zero = {{{0}}, {{0}}};
    memset(&p, 0xaa, sizeof p);
    assert_int_equal(
        pok_prove(s->g, &p, &s->x, &none, s->fresh, LABEL, &s->election, context, sizeof context), ERR_POINT);
    assert_memory_equal(&p, &zero, sizeof p);
}

/* One fresh value used under two statements must not give one nonce. */
static void nonces_depend_on_everything(void **state)
{
    const struct proved *s = *state;
    scalar_t w[5];
    scalar_t x = s->x;
    uint8_t fresh[32];
    hash_t statement = s->election;
    memcpy(fresh, s->fresh, sizeof fresh);
    assert_int_equal(nonce_make(&w[0], &x, sizeof x, fresh, &statement), OK);
    assert_int_equal(nonce_make(&w[1], &x, sizeof x, fresh, &statement), OK);
    assert_memory_equal(&w[0], &w[1], SCALAR_LEN);
    statement.b[31] ^= 1;
    assert_int_equal(nonce_make(&w[1], &x, sizeof x, fresh, &statement), OK);
    fresh[0] ^= 1;
    assert_int_equal(nonce_make(&w[2], &x, sizeof x, fresh, &statement), OK);
    x.b[31] ^= 1;
    assert_int_equal(nonce_make(&w[3], &x, sizeof x, fresh, &statement), OK);
    assert_int_equal(nonce_make(&w[4], &x, sizeof x - 1, fresh, &statement), OK);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(scalar_check(&w[i]), OK);
        for (size_t j = 0; j < i; j++)
            assert_memory_not_equal(&w[i], &w[j], SCALAR_LEN);
    }
    struct pok other;
    assert_int_equal(
        pok_prove(s->g, &other, &s->x, &s->X, s->fresh, LABEL, &s->election, context, sizeof context - 1),
        OK);
    assert_false(point_equal(&other.R, &s->p.R));
}

static void cbor_form(void **state)
{
    const struct proved *s = *state;
    struct cbor_out o = CBOR_OUT_INIT;
    struct cbor_in in;
    struct pok p;
    cbor_put_pok(&o, &s->p);
    assert_int_equal(o.err, OK);
    cbor_in_init(&in, o.data, o.len);
    cbor_get_pok(&in, s->g, &p);
    assert_int_equal(cbor_in_end(&in, NULL), OK);
    assert_memory_equal(&p, &s->p, sizeof p);
    for (size_t len = 0; len < o.len; len++) {
        cbor_in_init(&in, o.data, len);
        cbor_get_pok(&in, s->g, &p);
        assert_int_equal(cbor_in_end(&in, NULL), ERR_TRUNCATED);
        assert_true(point_is_identity(&p.R) && scalar_is_zero(&p.z));
    }
    memset(o.data + o.len - SCALAR_LEN, 0xff, SCALAR_LEN);
    cbor_in_init(&in, o.data, o.len);
    cbor_get_pok(&in, s->g, &p);
    assert_int_equal(cbor_in_end(&in, NULL), ERR_SCALAR);
    memset(o.data + 3, 0, POINT_LEN);
    cbor_in_init(&in, o.data, o.len);
    cbor_get_pok(&in, s->g, &p);
    assert_int_equal(cbor_in_end(&in, NULL), ERR_POINT);
    cbor_out_free(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good),
        cmocka_unit_test(transcript_as_specified),
        cmocka_unit_test(broken_values),
        cmocka_unit_test(another_context_or_label),
        cmocka_unit_test(weak_fiat_shamir_forgery_fails),
        cmocka_unit_test(prove_refuses_bad_points),
        cmocka_unit_test(nonces_depend_on_everything),
        cmocka_unit_test(cbor_form),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
