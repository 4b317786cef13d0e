/* Encryption, the 0/1 and exact proofs, one by one and in batches, and their CBOR. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ceremony/base/secret.h"
#include "ceremony/math/elgamal.h"

struct fixture {
    struct group *g;
    scalar_t y;
    point_t Y;
    struct elgamal_key *k;
    struct batch *b;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_int_equal(secret_init(), OK);
    assert_int_equal(group_new(&f->g), OK);
    scalar_random(&f->y);
    assert_int_equal(point_mul_base(f->g, &f->Y, &f->y), OK);
    assert_int_equal(elgamal_key_new(&f->k, f->g, &f->Y), OK);
    assert_int_equal(batch_new(&f->b, &f->Y), OK);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    batch_free(f->b);
    elgamal_key_free(f->k);
    group_free(f->g);
    free(f);
    return 0;
}

/* A ciphertext, its proof, and the challenge, which here is just a random number. */
struct sample {
    scalar_t r, c;
    struct elgamal ct;
    struct zero_one p;
};

static void prove(struct fixture *f, struct sample *s, uint32_t v)
{
    struct zero_one_state st;
    static const struct zero_one_state wiped;
    scalar_random(&s->r);
    scalar_random(&s->c);
    assert_int_equal(elgamal_encrypt(f->k, &s->ct, v, &s->r), OK);
    assert_int_equal(zero_one_commit(f->k, &s->p, &st, v, &s->r, &s->ct), OK);
    zero_one_respond(&s->p, &st, &s->c);
    assert_memory_equal(&st, &wiped, sizeof st);
}

static void open_ct(struct elgamal_affine *out, const struct elgamal *ct)
{
    assert_int_equal(p256_decompress_sum_var(&out->A, &ct->A), OK);
    assert_int_equal(p256_decompress_sum_var(&out->B, &ct->B), OK);
}

static void open_zero_one(struct zero_one_affine *out, const struct zero_one *p)
{
    assert_int_equal(p256_decompress_sum_var(&out->a0, &p->a0), OK);
    assert_int_equal(p256_decompress_sum_var(&out->b0, &p->b0), OK);
    assert_int_equal(p256_decompress_sum_var(&out->a1, &p->a1), OK);
    assert_int_equal(p256_decompress_sum_var(&out->b1, &p->b1), OK);
}

static err_t add_sample(struct batch *b, const struct sample *s)
{
    struct elgamal_affine ct;
    struct zero_one_affine pa;
    open_ct(&ct, &s->ct);
    open_zero_one(&pa, &s->p);
    return batch_zero_one(b, &ct, &pa, &s->p, &s->c);
}

/* The same verdict from the single verifier and from a batch of one. */
static err_t verify(struct fixture *f, const struct sample *s)
{
    err_t single = zero_one_verify(f->g, &f->Y, &s->ct, &s->p, &s->c);
    batch_reset(f->b);
    err_t batched = add_sample(f->b, s);
    if (batched == OK)
        batched = batch_check(f->b);
    batch_reset(f->b);
    assert_int_equal(single, batched);
    return single;
}

static void shift_point(struct fixture *f, point_t *p)
{
    assert_int_equal(point_add(f->g, p, p, &group_generator), OK);
}

static void shift_scalar(scalar_t *k)
{
    scalar_t one;
    scalar_set(&one, 1);
    scalar_add(k, k, &one);
}

/* --- encryption --- */

static void test_encrypt(void **state)
{
    struct fixture *f = *state;
    static const uint32_t values[] = {0, 1, 2, 3, 900, 65536, UINT32_MAX};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        struct elgamal ct;
        scalar_t r, v, minus_y;
        point_t want, got;
        scalar_random(&r);
        assert_int_equal(elgamal_encrypt(f->k, &ct, values[i], &r), OK);
        assert_int_equal(point_mul_base(f->g, &want, &r), OK);
        assert_true(point_equal(&ct.A, &want));
        scalar_set(&v, values[i]);
        assert_int_equal(point_mul_base(f->g, &want, &v), OK);
        scalar_neg(&minus_y, &f->y);
        assert_int_equal(point_mul(f->g, &got, &minus_y, &ct.A), OK);
        assert_int_equal(point_add(f->g, &got, &got, &ct.B), OK);
        assert_memory_equal(&got, &want, sizeof got);
    }
}

/* Small r, and keys that are small multiples of G, meet the cases that the additions of fixed.c cannot do. */
static void test_encrypt_special(void **state)
{
    struct fixture *f = *state;
    for (uint64_t y = 1; y < 4; y++) {
        struct elgamal_key *k;
        scalar_t ys;
        point_t Y;
        scalar_set(&ys, y);
        assert_int_equal(point_mul_base(f->g, &Y, &ys), OK);
        assert_int_equal(elgamal_key_new(&k, f->g, &Y), OK);
        for (uint64_t n = 1; n < 5; n++) {
            for (uint32_t v = 0; v < 8; v++) {
                scalar_t r, t;
                struct elgamal ct;
                point_t A, B;
                scalar_set(&r, n);
                if (v >= 4)
                    scalar_neg(&r, &r);
                scalar_mul(&t, &r, &ys);
                scalar_t vs;
                scalar_set(&vs, v % 4);
                scalar_add(&t, &t, &vs);
                assert_int_equal(point_mul_base(f->g, &A, &r), OK);
                assert_int_equal(point_mul_base(f->g, &B, &t), OK);
                err_t want = scalar_is_zero(&t) ? ERR_BUG : OK;
                assert_int_equal(elgamal_encrypt(k, &ct, v % 4, &r), want);
                if (want == OK) {
                    assert_true(point_equal(&ct.A, &A));
                    assert_true(point_equal(&ct.B, &B));
                }
            }
        }
        elgamal_key_free(k);
    }
}

static void test_encrypt_refused(void **state)
{
    struct fixture *f = *state;
    struct elgamal_key *k;
    struct elgamal ct;
    scalar_t zero;
    point_t bad = {{0}};
    scalar_set(&zero, 0);
    assert_int_equal(elgamal_encrypt(f->k, &ct, 1, &zero), ERR_BUG);
    assert_true(point_is_identity(&ct.A) && point_is_identity(&ct.B));
    assert_int_equal(elgamal_key_new(&k, f->g, &bad), ERR_POINT); /* identity */
    assert_null(k);
    memset(bad.b, 0xff, sizeof bad.b);
    bad.b[0] = 2;
    assert_int_equal(elgamal_key_new(&k, f->g, &bad), ERR_POINT);
}

static void test_sums(void **state)
{
    struct fixture *f = *state;
    struct elgamal sum = {{{0}}, {{0}}};
    scalar_t minus_y;
    point_t got, want;
    scalar_t five;
    for (uint32_t i = 0; i < 12; i++) {
        struct elgamal ct;
        scalar_t r;
        scalar_random(&r);
        assert_int_equal(elgamal_encrypt(f->k, &ct, i % 12 < 5, &r), OK);
        assert_int_equal(point_add(f->g, &sum.A, &sum.A, &ct.A), OK);
        assert_int_equal(point_add(f->g, &sum.B, &sum.B, &ct.B), OK);
    }
    scalar_neg(&minus_y, &f->y);
    scalar_set(&five, 5);
    assert_int_equal(point_mul(f->g, &got, &minus_y, &sum.A), OK);
    assert_int_equal(point_add(f->g, &got, &got, &sum.B), OK);
    assert_int_equal(point_mul_base(f->g, &want, &five), OK);
    assert_true(point_equal(&got, &want));
}

/* --- 0/1 --- */

static void test_zero_one(void **state)
{
    struct fixture *f = *state;
    for (uint32_t i = 0; i < 10; i++) {
        struct sample s;
        prove(f, &s, i % 2);
        assert_int_equal(verify(f, &s), OK);
    }
}

static void test_zero_one_broken(void **state)
{
    struct fixture *f = *state;
    for (uint32_t v = 0; v < 2; v++) {
        struct sample good;
        prove(f, &good, v);
        for (int i = 0; i < 10; i++) {
            struct sample s = good;
            point_t *points[] = {&s.ct.A, &s.ct.B, &s.p.a0, &s.p.b0, &s.p.a1, &s.p.b1};
            scalar_t *scalars[] = {&s.c, &s.p.c0, &s.p.z0, &s.p.z1};
            if (i < 6)
                shift_point(f, points[i]);
            else
                shift_scalar(scalars[i - 6]);
            assert_int_equal(verify(f, &s), ERR_PROOF);
        }
        struct sample s = good;
        s.p.a0 = good.p.a1;
        s.p.a1 = good.p.a0;
        assert_int_equal(verify(f, &s), ERR_PROOF);
    }
}

static void test_zero_one_refused(void **state)
{
    struct fixture *f = *state;
    struct sample good;
    prove(f, &good, 1);
    for (int i = 0; i < 10; i++) {
        struct sample s = good;
        point_t *points[] = {&s.ct.A, &s.ct.B, &s.p.a0, &s.p.b0, &s.p.a1, &s.p.b1};
        scalar_t *scalars[] = {&s.c, &s.p.c0, &s.p.z0, &s.p.z1};
        if (i < 6)
            memset(points[i], 0, sizeof *points[i]); /* the identity */
        else
            memcpy(scalars[i - 6]->b, group_order, SCALAR_LEN);
        assert_int_equal(verify(f, &s), i < 6 ? ERR_POINT : ERR_SCALAR);
    }
    struct sample s = good;
    s.p.b1.b[0] = 5;
    assert_int_equal(zero_one_verify(f->g, &f->Y, &s.ct, &s.p, &s.c), ERR_POINT);
}

/* The zero point is refused when it would make the proof of (identity, v G) trivial. */
static void test_trivial_ciphertext(void **state)
{
    struct fixture *f = *state;
    struct sample s;
    prove(f, &s, 1);
    memset(&s.ct.A, 0, sizeof s.ct.A);
    s.ct.B = group_generator;
    assert_int_equal(verify(f, &s), ERR_POINT);
}

static void test_two_cannot_be_proved(void **state)
{
    struct fixture *f = *state;
    struct zero_one_state st;
    struct sample s;
    scalar_random(&s.r);
    scalar_random(&s.c);
    assert_int_equal(elgamal_encrypt(f->k, &s.ct, 2, &s.r), OK);
    assert_int_equal(zero_one_commit(f->k, &s.p, &st, 2, &s.r, &s.ct), ERR_BUG);
    for (uint32_t claim = 0; claim < 2; claim++) { /* a dishonest prover says 0 or 1 */
        assert_int_equal(zero_one_commit(f->k, &s.p, &st, claim, &s.r, &s.ct), OK);
        zero_one_respond(&s.p, &st, &s.c);
        assert_int_equal(verify(f, &s), ERR_PROOF);
    }
}

static void test_wrong_key_or_challenge(void **state)
{
    struct fixture *f = *state;
    struct sample s;
    struct batch *other;
    point_t Y = f->Y;
    prove(f, &s, 0);
    shift_point(f, &Y);
    assert_int_equal(zero_one_verify(f->g, &Y, &s.ct, &s.p, &s.c), ERR_PROOF);
    assert_int_equal(batch_new(&other, &Y), OK);
    assert_int_equal(add_sample(other, &s), OK);
    assert_int_equal(batch_check(other), ERR_PROOF);
    batch_free(other);
    scalar_random(&s.c);
    assert_int_equal(verify(f, &s), ERR_PROOF);
}

/* c = c0 + c1 is what holds the two branches together: a prover free to choose both proves anything. */
static void test_challenges_must_sum(void **state)
{
    struct fixture *f = *state;
    struct sample s;
    scalar_random(&s.r);
    assert_int_equal(elgamal_encrypt(f->k, &s.ct, 2, &s.r), OK);
    /* Simulate branch 0 alone with c0 = c, so that c1 = 0; branch 1 then has to hold with z1 alone. */
    scalar_t minus;
    scalar_random(&s.c);
    s.p.c0 = s.c;
    scalar_random(&s.p.z0);
    scalar_random(&s.p.z1);
    scalar_neg(&minus, &s.p.c0);
    assert_int_equal(point_mul2(f->g, &s.p.a0, &s.p.z0, &minus, &s.ct.A), OK);
    point_t pair[2] = {f->Y, s.ct.B};
    scalar_t k[2] = {s.p.z0, minus};
    assert_int_equal(point_mul_sum(f->g, &s.p.b0, k, pair, 2), OK);
    assert_int_equal(point_mul_base(f->g, &s.p.a1, &s.p.z1), OK);
    assert_int_equal(point_mul(f->g, &s.p.b1, &s.p.z1, &f->Y), OK);
    assert_int_equal(verify(f, &s), OK); /* this is only sound because c is a hash of all of it ... */
    shift_scalar(&s.c);
    assert_int_equal(verify(f, &s), ERR_PROOF); /* ... which comes out otherwise */
}

static void test_commit_refuses_identity(void **state)
{
    struct fixture *f = *state;
    struct zero_one_state st;
    struct sample s;
    prove(f, &s, 1);
    memset(&s.ct.A, 0, sizeof s.ct.A);
    assert_int_equal(zero_one_commit(f->k, &s.p, &st, 1, &s.r, &s.ct), ERR_POINT);
}

/* Two proofs for one ciphertext share no number: nonces are fresh. */
static void test_fresh_nonces(void **state)
{
    struct fixture *f = *state;
    struct zero_one_state st;
    struct zero_one p[2];
    struct sample s;
    prove(f, &s, 1);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(zero_one_commit(f->k, &p[i], &st, 1, &s.r, &s.ct), OK);
        zero_one_respond(&p[i], &st, &s.c);
    }
    assert_memory_not_equal(&p[0].a0, &p[1].a0, sizeof p[0].a0);
    assert_memory_not_equal(&p[0].a1, &p[1].a1, sizeof p[0].a1);
    assert_memory_not_equal(&p[0].c0, &p[1].c0, sizeof p[0].c0);
    assert_memory_not_equal(&p[0].z1, &p[1].z1, sizeof p[0].z1);
}

/* --- exact --- */

struct exact_sample {
    scalar_t r, c;
    struct elgamal ct;
    struct exact p;
};

static void prove_exact(struct fixture *f, struct exact_sample *s, uint32_t v)
{
    struct exact_state st;
    scalar_random(&s->r);
    scalar_random(&s->c);
    assert_int_equal(elgamal_encrypt(f->k, &s->ct, v, &s->r), OK);
    assert_int_equal(exact_commit(f->k, &s->p, &st, &s->r), OK);
    exact_respond(&s->p, &st, &s->c);
}

static err_t add_exact(struct batch *b, const struct exact_sample *s, uint32_t L)
{
    struct elgamal_affine ct;
    struct exact_affine pa;
    open_ct(&ct, &s->ct);
    assert_int_equal(p256_decompress_sum_var(&pa.a, &s->p.a), OK);
    assert_int_equal(p256_decompress_sum_var(&pa.b, &s->p.b), OK);
    return batch_exact(b, &ct, L, &pa, &s->p, &s->c);
}

static err_t verify_exact(struct fixture *f, const struct exact_sample *s, uint32_t L)
{
    err_t single = exact_verify(f->g, &f->Y, &s->ct, L, &s->p, &s->c);
    batch_reset(f->b);
    err_t batched = add_exact(f->b, s, L);
    if (batched == OK)
        batched = batch_check(f->b);
    batch_reset(f->b);
    assert_int_equal(single, batched);
    return single;
}

static void test_exact(void **state)
{
    struct fixture *f = *state;
    static const uint32_t limits[] = {0, 1, 2, 5, 1000, UINT32_MAX};
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        struct exact_sample s;
        prove_exact(f, &s, limits[i]);
        assert_int_equal(verify_exact(f, &s, limits[i]), OK);
        assert_int_equal(verify_exact(f, &s, limits[i] + 1), ERR_PROOF);
        assert_int_equal(verify_exact(f, &s, limits[i] - 1), ERR_PROOF);
    }
}

static void test_exact_broken(void **state)
{
    struct fixture *f = *state;
    struct exact_sample good;
    prove_exact(f, &good, 3);
    for (int i = 0; i < 6; i++) {
        struct exact_sample s = good;
        point_t *points[] = {&s.ct.A, &s.ct.B, &s.p.a, &s.p.b};
        scalar_t *scalars[] = {&s.c, &s.p.z};
        if (i < 4)
            shift_point(f, points[i]);
        else
            shift_scalar(scalars[i - 4]);
        assert_int_equal(verify_exact(f, &s, 3), ERR_PROOF);
        if (i < 4)
            memset(points[i], 0, sizeof *points[i]);
        else
            memset(scalars[i - 4]->b, 0xff, SCALAR_LEN);
        assert_int_equal(verify_exact(f, &s, 3), i < 4 ? ERR_POINT : ERR_SCALAR);
    }
}

/* --- batches --- */

#define BATCH 40

static void make_schnorr(struct fixture *f, point_t *X, point_t *R, scalar_t *z, scalar_t *c)
{
    scalar_t x, w;
    scalar_random(&x);
    scalar_random(&w);
    scalar_random(c);
    assert_int_equal(point_mul_base(f->g, X, &x), OK);
    assert_int_equal(point_mul_base(f->g, R, &w), OK);
    scalar_mul(z, c, &x);
    scalar_add(z, z, &w);
}

static err_t add_schnorr(struct batch *b, const point_t *X, const point_t *R, const scalar_t *z,
                         const scalar_t *c)
{
    struct p256_affine x, r;
    assert_int_equal(p256_decompress_sum_var(&x, X), OK);
    assert_int_equal(p256_decompress_sum_var(&r, R), OK);
    return batch_schnorr(b, &x, &r, z, c);
}

static void test_batch_mixed(void **state)
{
    struct fixture *f = *state;
    struct exact_sample ex;
    batch_reset(f->b);
    assert_int_equal(batch_check(f->b), OK); /* nothing is wrong with nothing */
    for (uint32_t i = 0; i < BATCH; i++) {
        struct sample s;
        point_t X, R;
        scalar_t z, c;
        prove(f, &s, i % 2);
        assert_int_equal(add_sample(f->b, &s), OK);
        make_schnorr(f, &X, &R, &z, &c);
        assert_int_equal(add_schnorr(f->b, &X, &R, &z, &c), OK);
    }
    assert_int_equal(batch_check(f->b), OK);
    assert_int_equal(batch_check(f->b), OK); /* a check leaves the batch as it was */
    prove_exact(f, &ex, 4);
    assert_int_equal(add_exact(f->b, &ex, 4), OK);
    assert_int_equal(batch_check(f->b), OK);
    assert_int_equal(add_exact(f->b, &ex, 5), OK);
    assert_int_equal(batch_check(f->b), ERR_PROOF);
    batch_reset(f->b);
    assert_int_equal(add_exact(f->b, &ex, 4), OK);
    assert_int_equal(batch_check(f->b), OK);
}

static void test_batch_finds_one(void **state)
{
    struct fixture *f = *state;
    struct sample s[BATCH];
    for (uint32_t i = 0; i < BATCH; i++)
        prove(f, &s[i], i % 2);
    for (uint32_t bad = 0; bad < BATCH; bad += 13) {
        struct sample saved = s[bad];
        shift_scalar(bad % 2 ? &s[bad].p.z1 : &s[bad].p.z0);
        batch_reset(f->b);
        for (uint32_t i = 0; i < BATCH; i++)
            assert_int_equal(add_sample(f->b, &s[i]), OK);
        assert_int_equal(batch_check(f->b), ERR_PROOF);
        s[bad] = saved;
    }
}

/* Errors that cancel when all weights are equal: z of one proof up, of the other down. */
static void test_batch_cancelling(void **state)
{
    struct fixture *f = *state;
    struct sample s[2];
    scalar_t one;
    scalar_set(&one, 1);
    prove(f, &s[0], 0);
    prove(f, &s[1], 0);
    scalar_add(&s[0].p.z0, &s[0].p.z0, &one);
    scalar_sub(&s[1].p.z0, &s[1].p.z0, &one);
    batch_reset(f->b);
    assert_int_equal(add_sample(f->b, &s[0]), OK);
    assert_int_equal(add_sample(f->b, &s[1]), OK);
    assert_int_equal(batch_check(f->b), ERR_PROOF);
    /* The same inside one proof: a0 and a1 shifted against each other, and a0 against b0. */
    for (int i = 0; i < 2; i++) {
        prove(f, &s[0], 1);
        shift_point(f, &s[0].p.a0);
        point_t *other = i == 0 ? &s[0].p.a1 : &s[0].p.b0;
        assert_int_equal(point_sub(f->g, other, other, &group_generator), OK);
        assert_int_equal(verify(f, &s[0]), ERR_PROOF);
    }
    /* Two ciphertexts, 2 and -1, claimed as 0 or 1: their sum is 1. */
    struct elgamal_affine ct;
    struct zero_one_affine pa;
    prove(f, &s[0], 1);
    prove(f, &s[1], 0);
    shift_point(f, &s[0].ct.B);
    assert_int_equal(point_sub(f->g, &s[1].ct.B, &s[1].ct.B, &group_generator), OK);
    s[1].c = s[0].c;
    batch_reset(f->b);
    for (int i = 0; i < 2; i++) {
        open_ct(&ct, &s[i].ct);
        open_zero_one(&pa, &s[i].p);
        assert_int_equal(batch_zero_one(f->b, &ct, &pa, &s[i].p, &s[i].c), OK);
    }
    assert_int_equal(batch_check(f->b), ERR_PROOF);
}

static void test_batch_schnorr(void **state)
{
    struct fixture *f = *state;
    point_t X, R, zero = {{0}};
    scalar_t z, c, q;
    memcpy(q.b, group_order, SCALAR_LEN);
    make_schnorr(f, &X, &R, &z, &c);
    batch_reset(f->b);
    assert_int_equal(add_schnorr(f->b, &X, &R, &z, &c), OK);
    assert_int_equal(batch_check(f->b), OK);
    assert_int_equal(add_schnorr(f->b, &zero, &R, &z, &c), ERR_POINT);
    assert_int_equal(add_schnorr(f->b, &X, &zero, &z, &c), ERR_POINT);
    assert_int_equal(add_schnorr(f->b, &X, &R, &q, &c), ERR_SCALAR);
    assert_int_equal(add_schnorr(f->b, &X, &R, &z, &q), ERR_SCALAR);
    assert_int_equal(batch_check(f->b), OK); /* what was refused is not in it */
    for (int i = 0; i < 4; i++) {
        point_t x = X, r = R;
        scalar_t zz = z, cc = c;
        if (i < 2)
            shift_point(f, i == 0 ? &x : &r);
        else
            shift_scalar(i == 2 ? &zz : &cc);
        batch_reset(f->b);
        assert_int_equal(add_schnorr(f->b, &x, &r, &zz, &cc), OK);
        assert_int_equal(batch_check(f->b), ERR_PROOF);
    }
    batch_reset(f->b);
}

static void test_batch_key(void **state)
{
    (void)state;
    struct batch *b;
    point_t bad = {{0}};
    assert_int_equal(batch_new(&b, &bad), ERR_POINT);
    assert_null(b);
    bad.b[0] = 7;
    assert_int_equal(batch_new(&b, &bad), ERR_POINT);
}

/* --- CBOR --- */

static void test_cbor(void **state)
{
    struct fixture *f = *state;
    struct sample s, t;
    struct exact_sample ex, ey;
    struct elgamal_affine ct, want_ct;
    struct zero_one_affine pa, want_pa;
    struct exact_affine ea;
    struct cbor_out o = CBOR_OUT_INIT;
    struct cbor_in in;
    prove(f, &s, 1);
    prove_exact(f, &ex, 2);
    cbor_put_elgamal(&o, &s.ct);
    cbor_put_zero_one(&o, &s.p);
    cbor_put_exact(&o, &ex.p);
    assert_int_equal(o.err, OK);
    cbor_in_init(&in, o.data, o.len);
    cbor_get_elgamal_var(&in, &t.ct, &ct);
    cbor_get_zero_one_var(&in, &t.p, &pa);
    cbor_get_exact_var(&in, &ey.p, &ea);
    assert_int_equal(cbor_in_end(&in, NULL), OK);
    assert_memory_equal(&s.ct, &t.ct, sizeof s.ct);
    assert_memory_equal(&s.p, &t.p, sizeof s.p);
    assert_memory_equal(&ex.p, &ey.p, sizeof ex.p);
    open_ct(&want_ct, &s.ct);
    open_zero_one(&want_pa, &s.p);
    assert_memory_equal(&ct, &want_ct, sizeof ct);
    assert_memory_equal(&pa, &want_pa, sizeof pa);
    cbor_in_init(&in, o.data, o.len);
    cbor_get_elgamal_var(&in, &t.ct, NULL);
    cbor_get_zero_one_var(&in, &t.p, NULL);
    cbor_get_exact_var(&in, &ey.p, NULL);
    assert_int_equal(cbor_in_end(&in, NULL), OK);
    cbor_out_free(&o);
}

static void read_zero_one(const struct cbor_out *o, err_t want)
{
    struct cbor_in in;
    struct zero_one p;
    struct zero_one_affine pa;
    cbor_in_init(&in, o->data, o->len);
    cbor_get_zero_one_var(&in, &p, &pa);
    assert_int_equal(cbor_in_end(&in, NULL), want);
}

static void test_cbor_refused(void **state)
{
    struct fixture *f = *state;
    struct sample s;
    prove(f, &s, 0);
    for (int i = 0; i < 7; i++) {
        struct cbor_out o = CBOR_OUT_INIT;
        struct zero_one p = s.p;
        point_t *points[] = {&p.a0, &p.b0, &p.a1, &p.b1};
        scalar_t *scalars[] = {&p.c0, &p.z0, &p.z1};
        if (i < 4)
            memset(points[i], 0, sizeof *points[i]);
        else
            memcpy(scalars[i - 4]->b, group_order, SCALAR_LEN);
        cbor_put_zero_one(&o, &p);
        read_zero_one(&o, i < 4 ? ERR_POINT : ERR_SCALAR);
        o.len--;
        read_zero_one(&o, i < 4 ? ERR_POINT : i == 6 ? ERR_TRUNCATED : ERR_SCALAR);
        cbor_out_free(&o);
    }
}

static void test_cbor_elgamal_identity(void **state)
{
    struct fixture *f = *state;
    struct elgamal_affine pa;
    struct sample s;
    struct cbor_in in;
    prove(f, &s, 0);
    for (int i = 0; i < 3; i++) {
        struct cbor_out o = CBOR_OUT_INIT;
        struct elgamal ct = s.ct, got;
        if (i == 0)
            memset(&ct.A, 0, sizeof ct.A);
        if (i == 1)
            memset(&ct.B, 0, sizeof ct.B);
        if (i == 2)
            ct.B.b[0] ^= 6; /* 02 and 03 become 04 and 05 */
        cbor_put_elgamal(&o, &ct);
        cbor_in_init(&in, o.data, o.len);
        cbor_get_elgamal_var(&in, &got, &pa);
        assert_int_equal(cbor_in_end(&in, NULL), ERR_POINT);
        cbor_in_init(&in, o.data, o.len);
        cbor_get_elgamal_sum_var(&in, &got, &pa);
        assert_int_equal(cbor_in_end(&in, NULL), i < 2 ? OK : ERR_POINT);
        if (i < 2)
            assert_memory_equal(&got, &ct, sizeof ct);
        cbor_out_free(&o);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_encrypt),
        cmocka_unit_test(test_encrypt_special),
        cmocka_unit_test(test_encrypt_refused),
        cmocka_unit_test(test_sums),
        cmocka_unit_test(test_zero_one),
        cmocka_unit_test(test_zero_one_broken),
        cmocka_unit_test(test_zero_one_refused),
        cmocka_unit_test(test_trivial_ciphertext),
        cmocka_unit_test(test_two_cannot_be_proved),
        cmocka_unit_test(test_wrong_key_or_challenge),
        cmocka_unit_test(test_challenges_must_sum),
        cmocka_unit_test(test_commit_refuses_identity),
        cmocka_unit_test(test_fresh_nonces),
        cmocka_unit_test(test_exact),
        cmocka_unit_test(test_exact_broken),
        cmocka_unit_test(test_batch_mixed),
        cmocka_unit_test(test_batch_finds_one),
        cmocka_unit_test(test_batch_cancelling),
        cmocka_unit_test(test_batch_schnorr),
        cmocka_unit_test(test_batch_key),
        cmocka_unit_test(test_cbor),
        cmocka_unit_test(test_cbor_refused),
        cmocka_unit_test(test_cbor_elgamal_identity),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
