#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <gmp.h>

#include "ceremony/base/secret.h"
#include "ceremony/math/group.h"
#include "tests/support/rfc9497.h"
#include "tests/support/vectors.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static int setup(void **state)
{
    return secret_init() == OK && group_new((struct group **)state) == OK ? 0 : -1;
}

static int teardown(void **state)
{
    group_free(*state);
    return 0;
}

static scalar_t small(uint64_t v)
{
    scalar_t s;
    scalar_set(&s, v);
    return s;
}

/* q - v */
static scalar_t minus(uint64_t v)
{
    scalar_t s = small(v);
    scalar_neg(&s, &s);
    return s;
}

static point_t base_times(struct group *g, const scalar_t *k)
{
    point_t p;
    assert_int_equal(point_mul_base(g, &p, k), OK);
    return p;
}

static void mpz_from(mpz_t z, const uint8_t *b, size_t len)
{
    mpz_import(z, len, 1, 1, 1, 0, b);
}

static void assert_scalar_mpz(const scalar_t *s, const mpz_t z)
{
    mpz_t t;
    mpz_init(t);
    mpz_from(t, s->b, SCALAR_LEN);
    assert_int_equal(mpz_cmp(t, z), 0);
    mpz_clear(t);
}

/* --- scalars --- */

static void scalars_agree_with_gmp(void **state)
{
    (void)state;
    const scalar_t edge[] = {small(0), small(1), small(2), small(UINT64_MAX), minus(1), minus(2)};
    mpz_t a, b, r, q;
    mpz_inits(a, b, r, q, NULL);
    mpz_from(q, group_order, SCALAR_LEN);
    for (size_t i = 0; i < 400; i++) {
        scalar_t x, y, z;
        scalar_random(&x);
        scalar_random(&y);
        if (i < COUNT(edge) * COUNT(edge)) {
            x = edge[i / COUNT(edge)];
            y = edge[i % COUNT(edge)];
        }
        mpz_from(a, x.b, SCALAR_LEN);
        mpz_from(b, y.b, SCALAR_LEN);
        mpz_add(r, a, b);
        mpz_mod(r, r, q);
        scalar_add(&z, &x, &y);
        assert_scalar_mpz(&z, r);
        mpz_sub(r, a, b);
        mpz_mod(r, r, q);
        scalar_sub(&z, &x, &y);
        assert_scalar_mpz(&z, r);
        mpz_mul(r, a, b);
        mpz_mod(r, r, q);
        scalar_mul(&z, &x, &y);
        assert_scalar_mpz(&z, r);
        if (mpz_invert(r, a, q) == 0)
            mpz_set_ui(r, 0);
        scalar_invert(&z, &x);
        assert_scalar_mpz(&z, r);
        mpz_neg(r, b);
        mpz_mod(r, r, q);
        scalar_neg(&y, &y); /* out may be an input */
        assert_scalar_mpz(&y, r);
    }
    mpz_clears(a, b, r, q, NULL);
}

static void scalar_reduce_agrees_with_gmp(void **state)
{
    (void)state;
    uint8_t wide[64];
    mpz_t r, q;
    mpz_inits(r, q, NULL);
    mpz_from(q, group_order, SCALAR_LEN);
    for (size_t i = 0; i < 200; i++) {
        scalar_t s;
        size_t len = i % 65;
        random_bytes(wide, sizeof wide);
        if (i >= 130)
            memset(wide, 0xff, sizeof wide);
        mpz_from(r, wide, len);
        mpz_mod(r, r, q);
        scalar_reduce(&s, wide, len);
        assert_scalar_mpz(&s, r);
    }
    scalar_t s;
    scalar_reduce(&s, group_order, SCALAR_LEN);
    assert_true(scalar_is_zero(&s));
    mpz_clears(r, q, NULL);
}

static void scalars_at_or_over_the_order_are_refused(void **state)
{
    (void)state;
    scalar_t s = minus(1);
    assert_int_equal(scalar_check(&s), OK);
    s = small(0);
    assert_int_equal(scalar_check(&s), OK);
    memcpy(s.b, group_order, SCALAR_LEN);
    assert_int_equal(scalar_check(&s), ERR_SCALAR);
    s.b[31]++;
    assert_int_equal(scalar_check(&s), ERR_SCALAR);
    memset(s.b, 0xff, SCALAR_LEN);
    assert_int_equal(scalar_check(&s), ERR_SCALAR);
}

/* --- points --- */

static void generator_times_edge_scalars(void **state)
{
    struct group *g = *state;
    scalar_t s = small(1);
    point_t p = base_times(g, &s), sum;
    assert_true(point_equal(&p, &group_generator));
    s = small(0);
    p = base_times(g, &s);
    assert_true(point_is_identity(&p));
    s = minus(1);
    p = base_times(g, &s);
    assert_int_equal(p.b[0], 2);
    assert_memory_equal(p.b + 1, group_generator.b + 1, 32);
    assert_int_equal(point_add(g, &sum, &p, &group_generator), OK);
    assert_true(point_is_identity(&sum));
    assert_int_equal(point_sub(g, &sum, &group_generator, &group_generator), OK);
    assert_true(point_is_identity(&sum));
}

/* Known multiples: RFC 6979 A.2.5 private and public key; 2 G. */
static void known_multiples(void **state)
{
    struct group *g = *state;
    static const char *const known[][2] = {
        {"c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721",
         "0360fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6"},
        {"0000000000000000000000000000000000000000000000000000000000000002",
         "037cf27b188d034f7e8a52380304b51ac3c08969e277f21b35a60b48fc47669978"},
    };
    for (size_t i = 0; i < COUNT(known); i++) {
        scalar_t k;
        point_t want, got;
        unhex_exact(k.b, SCALAR_LEN, known[i][0]);
        unhex_exact(want.b, POINT_LEN, known[i][1]);
        got = base_times(g, &k);
        assert_true(point_equal(&got, &want));
        assert_int_equal(point_mul(g, &got, &k, &group_generator), OK);
        assert_true(point_equal(&got, &want));
    }
}

/* k P by both routes, for scalars of every length: the folding to q - k must not show. */
static void multiples_agree_for_scalars_of_every_length(void **state)
{
    struct group *g = *state;
    scalar_t k = small(1), one = small(1), r;
    point_t step = group_generator, a, b;
    scalar_random(&r);
    const point_t P = base_times(g, &r);
    for (unsigned bits = 0; bits < 256; bits++) {
        a = base_times(g, &k);
        assert_true(point_equal(&a, &step));
        scalar_t kr, k1;
        scalar_mul(&kr, &k, &r);
        assert_int_equal(point_mul(g, &a, &k, &P), OK);
        b = base_times(g, &kr);
        assert_true(point_equal(&a, &b));
        scalar_sub(&k1, &k, &one);
        assert_int_equal(point_mul2(g, &a, &one, &k1, &group_generator), OK);
        assert_true(point_equal(&a, &step));
        scalar_add(&k, &k, &k);
        assert_int_equal(point_add(g, &step, &step, &step), OK);
    }
}

static void sums_agree(void **state)
{
    struct group *g = *state;
    scalar_t k[5], x[5], total = small(0), t;
    point_t p[5], sum, want;
    for (size_t i = 0; i < 5; i++) {
        scalar_random(&k[i]);
        scalar_random(&x[i]);
        if (i == 3)
            x[i] = small(0); /* the identity among the points */
        if (i == 4)
            k[i] = small(0);
        p[i] = base_times(g, &x[i]);
        scalar_mul(&t, &k[i], &x[i]);
        scalar_add(&total, &total, &t);
    }
    want = base_times(g, &total);
    assert_int_equal(point_mul_sum(g, &sum, k, p, 5), OK);
    assert_true(point_equal(&sum, &want));
    assert_int_equal(point_mul_sum(g, &sum, k, p, 0), OK);
    assert_true(point_is_identity(&sum));
    assert_int_equal(point_mul2(g, &sum, &k[0], &k[1], &p[1]), OK);
    scalar_mul(&t, &k[1], &x[1]);
    scalar_add(&t, &t, &k[0]);
    want = base_times(g, &t);
    assert_true(point_equal(&sum, &want));
    /* the same point, its opposite */
    scalar_neg(&t, &k[0]);
    assert_int_equal(point_mul2(g, &sum, &k[0], &t, &group_generator), OK);
    assert_true(point_is_identity(&sum));
    assert_int_equal(point_mul2(g, &sum, &k[0], &k[0], &group_generator), OK);
    scalar_add(&t, &k[0], &k[0]);
    want = base_times(g, &t);
    assert_true(point_equal(&sum, &want));
}

static void identity_is_an_element_of_sums_only(void **state)
{
    struct group *g = *state;
    const point_t zero = {{0}};
    point_t out;
    uint8_t raw[65];
    scalar_t k;
    scalar_random(&k);
    assert_int_equal(point_check(g, &zero), ERR_POINT);
    assert_int_equal(point_check_sum(g, &zero), OK);
    assert_int_equal(point_uncompress(g, raw, &zero), ERR_POINT);
    assert_int_equal(point_mul(g, &out, &k, &zero), OK);
    assert_true(point_is_identity(&out));
    assert_int_equal(point_add(g, &out, &zero, &group_generator), OK);
    assert_true(point_equal(&out, &group_generator));
    assert_int_equal(point_sub(g, &out, &zero, &group_generator), OK);
    assert_int_equal(point_add(g, &out, &out, &group_generator), OK);
    assert_true(point_is_identity(&out));
    assert_int_equal(point_sub(g, &out, &group_generator, &zero), OK);
    assert_true(point_equal(&out, &group_generator));
}

/* x whose x^3 - 3x + b is not a square, by GMP. */
static void off_curve(point_t *p)
{
    mpz_t x, y, prime, b;
    mpz_inits(x, y, NULL);
    mpz_init_set_str(prime, "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff", 16);
    mpz_init_set_str(b, "5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b", 16);
    unsigned v = 1;
    do {
        mpz_set_ui(x, ++v);
        mpz_powm_ui(y, x, 3, prime);
        mpz_submul_ui(y, x, 3);
        mpz_add(y, y, b);
        mpz_mod(y, y, prime);
    } while (mpz_legendre(y, prime) != -1);
    memset(p, 0, sizeof *p);
    p->b[0] = 2;
    p->b[32] = (uint8_t)v;
    mpz_clears(x, y, prime, b, NULL);
}

static void bad_points_are_refused(void **state)
{
    struct group *g = *state;
    point_t bad[8], out;
    for (size_t i = 0; i < 6; i++)
        bad[i] = group_generator;
    bad[0].b[0] = 0;
    bad[1].b[0] = 1;
    bad[2].b[0] = 4;
    bad[3].b[0] = 6; /* hybrid form */
    bad[4].b[0] = 0xff;
    off_curve(&bad[5]);
    /* x = p, which is x = 0 when reduced, and there is a point with x = 0 */
    unhex_exact(bad[6].b, POINT_LEN, "02ffffffff00000001000000000000000000000000ffffffffffffffffffffffff");
    memset(bad[7].b, 0xff, POINT_LEN);
    bad[7].b[0] = 2;
    const scalar_t k = small(5);
    for (size_t i = 0; i < COUNT(bad); i++) {
        uint8_t raw[65];
        memset(&out, 0xaa, sizeof out);
        assert_int_equal(point_check(g, &bad[i]), ERR_POINT);
        assert_int_equal(point_check_sum(g, &bad[i]), ERR_POINT);
        assert_int_equal(point_uncompress(g, raw, &bad[i]), ERR_POINT);
        assert_int_equal(point_mul(g, &out, &k, &bad[i]), ERR_POINT);
        assert_true(point_is_identity(&out)); /* zeroed */
        memset(&out, 0xaa, sizeof out);
        assert_int_equal(point_mul2(g, &out, &k, &k, &bad[i]), ERR_POINT);
        assert_true(point_is_identity(&out));
        assert_int_equal(point_add(g, &out, &group_generator, &bad[i]), ERR_POINT);
        assert_int_equal(point_add(g, &out, &bad[i], &group_generator), ERR_POINT);
        assert_int_equal(point_sub(g, &out, &group_generator, &bad[i]), ERR_POINT);
        memset(&out, 0xaa, sizeof out);
        assert_int_equal(point_mul_sum(g, &out, &k, &bad[i], 1), ERR_POINT);
        assert_true(point_is_identity(&out));
    }
    point_t x0 = {{2}};
    assert_int_equal(point_check(g, &x0), OK);
}

static void uncompressed_form(void **state)
{
    struct group *g = *state;
    uint8_t raw[65], bad[65];
    point_t p, back;
    for (size_t i = 0; i < 20; i++) {
        scalar_t k;
        scalar_random(&k);
        p = base_times(g, &k);
        assert_int_equal(point_uncompress(g, raw, &p), OK);
        assert_int_equal(raw[0], 4);
        assert_int_equal(point_compress(g, &back, raw), OK);
        assert_true(point_equal(&p, &back));
    }
    memcpy(bad, raw, sizeof bad);
    bad[64] ^= 1;
    assert_int_equal(point_compress(g, &back, bad), ERR_POINT);
    assert_true(point_is_identity(&back));
    for (unsigned prefix = 0; prefix < 256; prefix++) {
        memcpy(bad, raw, sizeof bad);
        bad[0] = (uint8_t)prefix;
        if (prefix != 4)
            assert_int_equal(point_compress(g, &back, bad), ERR_POINT);
    }
    memset(bad, 0, sizeof bad);
    assert_int_equal(point_compress(g, &back, bad), ERR_POINT);
    bad[0] = 4;
    assert_int_equal(point_compress(g, &back, bad), ERR_POINT);
}

static void cursor_checks(void **state)
{
    struct group *g = *state;
    struct cbor_out o = CBOR_OUT_INIT;
    struct cbor_in in;
    point_t p, zero = {{0}}, bad = group_generator;
    scalar_t s = minus(1);
    bad.b[0] = 5;
    cbor_put_point(&o, &group_generator);
    cbor_put_point(&o, &zero);
    cbor_put_scalar(&o, &s);
    cbor_in_init(&in, o.data, o.len);
    cbor_get_point(&in, g, &p);
    assert_true(point_equal(&p, &group_generator));
    cbor_get_sum(&in, g, &p);
    assert_true(point_is_identity(&p));
    cbor_get_scalar(&in, &s);
    assert_int_equal(cbor_in_end(&in, NULL), OK);
    /* the second item read as a point that may not be the identity: the place is that item's start */
    cbor_in_init(&in, o.data, o.len);
    cbor_get_point(&in, g, &p);
    cbor_get_point(&in, g, &p);
    cbor_get_scalar(&in, &s);
    assert_true(scalar_is_zero(&s));
    assert_int_equal(in.err, ERR_POINT);
    assert_int_equal(in.err_pos, 35);
    cbor_out_free(&o);
    cbor_put_point(&o, &bad);
    cbor_in_init(&in, o.data, o.len);
    cbor_get_sum(&in, g, &p);
    assert_int_equal(in.err, ERR_POINT);
    assert_true(point_is_identity(&p));
    cbor_out_free(&o);
    cbor_put_bytes(&o, group_order, SCALAR_LEN);
    cbor_in_init(&in, o.data, o.len);
    cbor_get_scalar(&in, &s);
    assert_int_equal(in.err, ERR_SCALAR);
    assert_int_equal(in.err_pos, 0);
    cbor_out_free(&o);
    cbor_put_bytes(&o, group_order, SCALAR_LEN - 1);
    cbor_in_init(&in, o.data, o.len);
    cbor_get_scalar(&in, &s);
    assert_int_equal(in.err, ERR_LIMIT);
    cbor_out_free(&o);
}

/* --- hashing, Lagrange --- */

static void xmd_file(const char *name)
{
    json_t *j = vectors_json(name), *test;
    size_t i;
    if (j == NULL)
        skip();
    const char *dst = vectors_text(j, "DST");
    json_array_foreach(json_object_get(j, "tests"), i, test)
    {
        uint8_t want[256], got[256];
        const char *msg = vectors_text(test, "msg");
        size_t len = (size_t)strtoul(vectors_text(test, "len_in_bytes"), NULL, 16);
        assert_true(len <= sizeof want);
        unhex_exact(want, len, vectors_text(test, "uniform_bytes"));
        err_t e = expand_message_xmd(got, len, (const uint8_t *)dst, strlen(dst), msg, strlen(msg));
        assert_int_equal(e, OK);
        assert_memory_equal(got, want, len);
    }
    assert_true(i > 5);
    json_decref(j);
}

static void rfc9380_expand_message(void **state)
{
    (void)state;
    xmd_file("rfc9380/expand_message_xmd_SHA256_38.json");
}

static void rfc9380_expand_message_long_tag(void **state)
{
    (void)state;
    xmd_file("rfc9380/expand_message_xmd_SHA256_256.json");
}

static void hash_limits(void **state)
{
    (void)state;
    scalar_t s, t;
    char dst[257];
    uint8_t out[4];
    memset(dst, 'x', sizeof dst);
    dst[256] = '\0';
    assert_int_equal(hash_to_scalar(&s, dst, "m", 1), ERR_BUG);
    assert_true(scalar_is_zero(&s));
    dst[255] = '\0';
    assert_int_equal(hash_to_scalar(&s, dst, "m", 1), OK);
    assert_int_equal(hash_to_scalar(&t, "y", "m", 1), OK);
    assert_false(scalar_is_zero(&s));
    assert_memory_not_equal(s.b, t.b, SCALAR_LEN);
    assert_int_equal(expand_message_xmd(out, 0, (const uint8_t *)"y", 1, "m", 1), ERR_BUG);
    assert_int_equal(expand_message_xmd(out, sizeof out, (const uint8_t *)"", 0, "m", 1), ERR_BUG);
    struct cbor_out o = CBOR_OUT_INIT;
    cbor_put_text(&o, "m");
    assert_int_equal(cbor_out_scalar(&o, &s, "y"), OK);
    assert_null(o.data);
    assert_int_equal(hash_to_scalar(&t, "y", "\x61m", 2), OK);
    assert_memory_equal(s.b, t.b, SCALAR_LEN);
    o.err = ERR_MEMORY;
    assert_int_equal(cbor_out_scalar(&o, &s, "y"), ERR_MEMORY);
    assert_true(scalar_is_zero(&s));
}

/* Up to two points or scalars, hex, with a comma between. */
static size_t split(uint8_t *out, size_t len, const char *text)
{
    size_t n = 0;
    for (const char *p = text; p != NULL && n < 2; n++) {
        const char *comma = strchr(p, ',');
        assert_int_equal(unhex(out + n * len, len, p, comma == NULL ? SIZE_MAX : (size_t)(comma - p)), len);
        p = comma == NULL ? NULL : comma + 1;
    }
    return n;
}

/* VOPRF: (k, B, blinded, evaluated). POPRF: k is tweaked with the info and the roles are exchanged. */
static void rfc9497_case(const struct rfc9497 *r, const scalar_t *skS, const json_t *v)
{
    point_t C[2], D[2], B;
    scalar_t k = *skS, m, nonce;
    uint8_t want[64], got[64], info[256] = "Info";
    const int poprf = r->mode == 2;
    size_t count = split(poprf ? D[0].b : C[0].b, POINT_LEN, vectors_text(v, "BlindedElement"));
    assert_int_equal(split(poprf ? C[0].b : D[0].b, POINT_LEN, vectors_text(v, "EvaluationElement")), count);
    const json_t *proof = json_object_get(v, "Proof");
    unhex_exact(want, sizeof want, vectors_text(proof, "proof"));
    unhex_exact(nonce.b, SCALAR_LEN, vectors_text(proof, "r"));
    if (poprf) {
        size_t len = unhex(info + 6, sizeof info - 6, vectors_text(v, "Info"), SIZE_MAX);
        info[5] = (uint8_t)len;
        assert_int_equal(rfc9497_scalar(r, &m, info, 6 + len), OK);
        scalar_add(&k, &k, &m);
    }
    assert_int_equal(point_mul_base(r->g, &B, &k), OK);
    for (size_t i = 0; i < count; i++) {
        point_t p;
        assert_int_equal(point_mul(r->g, &p, &k, &C[i]), OK);
        assert_true(point_equal(&p, &D[i]));
    }
    assert_int_equal(rfc9497_prove(r, got, &k, &B, C, D, count, &nonce), OK);
    assert_memory_equal(got, want, sizeof want);
    assert_int_equal(rfc9497_verify(r, got, &B, C, D, count), OK);
}

static void rfc9497_proofs(void **state)
{
    json_t *all = vectors_json("rfc9497/allVectors.json"), *suite, *v;
    size_t i, j, done = 0;
    if (all == NULL)
        skip();
    json_array_foreach(all, i, suite)
    {
        struct rfc9497 r = {*state, (unsigned)json_integer_value(json_object_get(suite, "mode")), 256};
        scalar_t skS;
        if (strcmp(vectors_text(suite, "identifier"), "P256-SHA256") != 0 || r.mode == 0)
            continue;
        unhex_exact(skS.b, SCALAR_LEN, vectors_text(suite, "skSm"));
        json_array_foreach(json_object_get(suite, "vectors"), j, v)
        {
            rfc9497_case(&r, &skS, v);
            done++;
        }
    }
    assert_int_equal(done, 6);
    json_decref(all);
}

static void lagrange_small(void **state)
{
    (void)state;
    const uint32_t x[] = {1, 3, 4}, twice[] = {1, 2, 1}, zero[] = {1, 0};
    scalar_t l, c, sum = small(0);
    const uint64_t f[] = {7 + 5 + 2, 7 + 15 + 18, 7 + 20 + 32}; /* 7 + 5 X + 2 X^2 */
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(lagrange_at_zero(&l, x, 3, i), OK);
        c = small(f[i]);
        scalar_mul(&l, &l, &c);
        scalar_add(&sum, &sum, &l);
    }
    c = small(7);
    assert_memory_equal(sum.b, c.b, SCALAR_LEN);
    assert_int_equal(lagrange_at_zero(&l, twice, 3, 0), ERR_BUG);
    assert_int_equal(lagrange_at_zero(&l, zero, 2, 0), ERR_BUG);
    assert_int_equal(lagrange_at_zero(&l, zero, 2, 1), ERR_BUG);
    assert_int_equal(lagrange_at_zero(&l, x, 3, 3), ERR_BUG);
    assert_int_equal(lagrange_at_zero(&l, x, 0, 0), ERR_BUG);
    assert_int_equal(lagrange_at_zero(&l, x, 1, 0), OK);
    c = small(1);
    assert_memory_equal(l.b, c.b, SCALAR_LEN);
}

/* sum over dealers and k of x^k C_jk */
static point_t verification_share(struct group *g, const json_t *round1, uint32_t x)
{
    point_t sum = {{0}}, p;
    const json_t *dealer, *c;
    size_t j, k;
    json_array_foreach(round1, j, dealer)
    {
        scalar_t power = small(1), sx = small(x);
        json_array_foreach(json_object_get(dealer, "vss_commitment"), k, c)
        {
            unhex_exact(p.b, POINT_LEN, json_string_value(c));
            assert_int_equal(point_mul(g, &p, &power, &p), OK);
            assert_int_equal(point_add(g, &sum, &sum, &p), OK);
            scalar_mul(&power, &power, &sx);
        }
    }
    return sum;
}

/* Interpolates the secret from the last t shares. */
static scalar_t interpolate(const scalar_t *share, size_t n, size_t t)
{
    uint32_t x[32];
    scalar_t sum = small(0), l;
    for (size_t i = 0; i < t; i++)
        x[i] = (uint32_t)(n - t + i + 1);
    for (size_t i = 0; i < t; i++) {
        assert_int_equal(lagrange_at_zero(&l, x, t, i), OK);
        scalar_mul(&l, &l, &share[x[i] - 1]);
        scalar_add(&sum, &sum, &l);
    }
    return sum;
}

static void cocktail_case(struct group *g, const json_t *v)
{
    size_t n = (size_t)json_integer_value(json_object_get(v, "n")), i;
    size_t t = (size_t)json_integer_value(json_object_get(v, "t"));
    const json_t *round1 = json_object_get(v, "round1"), *p;
    scalar_t share[32];
    point_t Y, got, want;
    assert_true(n <= 32 && t <= n);
    unhex_exact(Y.b, POINT_LEN, vectors_text(v, "group_public_key"));
    json_array_foreach(json_object_get(v, "round2"), i, p)
    {
        unhex_exact(share[i].b, SCALAR_LEN, vectors_text(p, "secret_share"));
        unhex_exact(want.b, POINT_LEN, vectors_text(p, "verification_share"));
        got = base_times(g, &share[i]);
        assert_true(point_equal(&got, &want));
        got = verification_share(g, round1, (uint32_t)i + 1);
        assert_true(point_equal(&got, &want));
    }
    assert_int_equal(i, n);
    got = verification_share(g, round1, 0);
    assert_true(point_equal(&got, &Y));
    scalar_t secret = interpolate(share, n, t);
    got = base_times(g, &secret);
    assert_true(point_equal(&got, &Y));
    secret = interpolate(share, n, t - 1); /* one fewer gives another value */
    got = base_times(g, &secret);
    assert_false(point_equal(&got, &Y));
}

static void cocktail_dkg(void **state)
{
    json_t *all = vectors_json("cocktail-dkg/cocktail-dkg-p256-sha256.json"), *v;
    size_t i;
    if (all == NULL)
        skip();
    json_array_foreach(json_object_get(all, "vectors"), i, v) cocktail_case(*state, v);
    assert_true(i >= 3);
    json_decref(all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scalars_agree_with_gmp),
        cmocka_unit_test(scalar_reduce_agrees_with_gmp),
        cmocka_unit_test(scalars_at_or_over_the_order_are_refused),
        cmocka_unit_test(generator_times_edge_scalars),
        cmocka_unit_test(known_multiples),
        cmocka_unit_test(multiples_agree_for_scalars_of_every_length),
        cmocka_unit_test(sums_agree),
        cmocka_unit_test(identity_is_an_element_of_sums_only),
        cmocka_unit_test(bad_points_are_refused),
        cmocka_unit_test(uncompressed_form),
        cmocka_unit_test(cursor_checks),
        cmocka_unit_test(rfc9380_expand_message),
        cmocka_unit_test(rfc9380_expand_message_long_tag),
        cmocka_unit_test(hash_limits),
        cmocka_unit_test(rfc9497_proofs),
        cmocka_unit_test(lagrange_small),
        cmocka_unit_test(cocktail_dkg),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
