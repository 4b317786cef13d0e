/* A whole ceremony read back as docs/spec/ceremony.md says, with nothing of ceremony/ but CBOR, hashes, the
 * group and HPKE: every hash, every challenge, every derived scalar and every sealed message is computed
 * again from the bytes on the board and the keys of the tokens. What a transcript leaves out shows here,
 * though prover and verifier agree. */
#include "ceremony/base/secret.h"
#include "ceremony/math/hpke.h"
#include "tests/support/ceremony.h"
#include "tests/support/unit.h"

#define N 4
#define T 3

/* --- the notation of the specification --- */

static void bytes(struct cbor_out *o, const void *data, size_t len)
{
    cbor_put_bytes(o, data, len);
}

static void point(struct cbor_out *o, const point_t *p)
{
    bytes(o, p->b, POINT_LEN);
}

static struct cbor_out list(size_t items, const char *label)
{
    struct cbor_out o = CBOR_OUT_INIT;
    cbor_put_array(&o, items);
    if (label != NULL)
        cbor_put_text(&o, label);
    return o;
}

static hash_t H(struct cbor_out o)
{
    hash_t h;
    assert_err(o.err, OK);
    hash_one(&h, o.data, o.len);
    cbor_out_free(&o);
    return h;
}

static scalar_t HS(const char *dst, struct cbor_out o)
{
    scalar_t s;
    assert_err(hash_to_scalar(&s, dst, o.data, o.len), OK);
    cbor_out_free(&o);
    return s;
}

static scalar_t KDF(const void *salt, size_t salt_len, const void *key, size_t key_len, struct cbor_out info)
{
    uint8_t okm[48];
    scalar_t s;
    assert_err(hkdf(okm, sizeof okm, salt, salt_len, key, key_len, info.data, info.len), OK);
    scalar_reduce(&s, okm, sizeof okm);
    cbor_out_free(&info);
    return s;
}

static void assert_hash(hash_t have, hash_t want)
{
    assert_memory_equal(&have, &want, sizeof have);
}

static void assert_point(point_t have, point_t want)
{
    assert_memory_equal(&have, &want, sizeof have);
}

static struct group *g;

static point_t times(const scalar_t *k, const point_t *p)
{
    point_t out;
    assert_err(p == NULL ? point_mul_base(g, &out, k) : point_mul(g, &out, k, p), OK);
    return out;
}

static point_t plus(point_t a, point_t b)
{
    assert_err(point_add(g, &a, &a, &b), OK);
    return a;
}

/* z P = R + c X */
static void assert_schnorr(const scalar_t *z, const point_t *P, const point_t *R, const scalar_t *c,
                           const point_t *X)
{
    assert_point(times(z, P), plus(*R, times(c, X)));
}

static void assert_pok(struct cbor_in *in, const char *label, const hash_t *election, struct cbor_out context,
                       const point_t *X)
{
    point_t R;
    scalar_t z;
    struct cbor_out o = list(5, label);
    cbor_get_array_exact(in, 2);
    cbor_get_point(in, g, &R);
    cbor_get_scalar(in, &z);
    assert_err(in->err, OK);
    cbor_put_hash(&o, election);
    bytes(&o, context.data, context.len);
    point(&o, X);
    point(&o, &R);
    scalar_t c = HS(label, o);
    assert_schnorr(&z, NULL, &R, &c, X);
    cbor_out_free(&context);
}

struct pairs {
    const hash_t *election, *record, *plan;
    const char *place, *contest;
    uint32_t seat;
    point_t S;
    size_t m;
    const point_t *A, *D;
};

static void assert_dleq(struct cbor_in *in, const struct pairs *x)
{
    point_t a, b, M = {{0}}, Z = {{0}};
    scalar_t z;
    struct cbor_out o = list(9 + 2 * x->m, "conclave/dleq");
    cbor_get_array_exact(in, 3);
    cbor_get_point(in, g, &a);
    cbor_get_point(in, g, &b);
    cbor_get_scalar(in, &z);
    assert_err(in->err, OK);
    cbor_put_hash(&o, x->election);
    cbor_put_hash(&o, x->record);
    cbor_put_hash(&o, x->plan);
    cbor_put_text(&o, x->place);
    cbor_put_text(&o, x->contest);
    cbor_put_uint(&o, x->seat);
    point(&o, &x->S);
    cbor_put_uint(&o, x->m);
    for (size_t i = 0; i < x->m; i++) {
        point(&o, &x->A[i]);
        point(&o, &x->D[i]);
    }
    hash_t t = H(o);
    for (size_t i = 0; i < x->m; i++) {
        o = list(4, "conclave/dleq-w");
        cbor_put_hash(&o, x->election);
        cbor_put_hash(&o, &t);
        cbor_put_uint(&o, i + 1);
        scalar_t d = HS("conclave/dleq-w", o);
        M = plus(M, times(&d, &x->A[i]));
        Z = plus(Z, times(&d, &x->D[i]));
    }
    o = list(7, "conclave/dleq-c");
    cbor_put_hash(&o, x->election);
    cbor_put_hash(&o, &t);
    point(&o, &M);
    point(&o, &Z);
    point(&o, &a);
    point(&o, &b);
    scalar_t c = HS("conclave/dleq-c", o);
    assert_schnorr(&z, NULL, &a, &c, &x->S);
    assert_schnorr(&z, &M, &b, &c, &Z);
}

/* Opens with the private key. */
static void open_sealed(uint8_t out[32], const struct board *b, const hash_t *file, const scalar_t *key,
                        const point_t *recipient, struct cbor_out info, uint8_t enc[65])
{
    uint8_t *data, ct[48];
    size_t len;
    point_t E;
    struct cbor_in in;
    hash_t have;
    assert_err(board_detached_get(b, &data, &len, file, NULL), OK);
    hash_one(&have, data, len);
    assert_hash(have, *file);
    cbor_in_init(&in, data, len);
    cbor_get_array_exact(&in, 2);
    cbor_get_fixed(&in, enc, 65);
    cbor_get_fixed(&in, ct, 48);
    assert_err(cbor_in_end(&in, NULL), OK);
    assert_err(point_compress(g, &E, enc), OK);
    point_t dh = times(key, &E);
    assert_err(hpke_open(g, out, enc, ct, sizeof ct, recipient, dh.b + 1, info.data, info.len), OK);
    cbor_out_free(&info);
    free(data);
}

/* --- what is read from the board --- */

struct dealt {
    point_t C[T];
    hash_t share[N], commitment, sealed_seed;
    scalar_t a[T];
    uint8_t seed[32];
};

static const struct entry *of_seat(struct world *w, uint32_t seat, enum entry_kind kind)
{
    const struct entry *e;
    const struct party *p = world_seat(w, seat);
    assert_err(board_find(w->party[0].b, &e, NULL, kind, NULL, &p->t.identity, NULL), OK);
    assert_non_null(e);
    return e;
}

static const struct soft_enrolment *keys(struct world *w, uint32_t seat)
{
    return &world_seat(w, seat)->token->enrolment[0];
}

static void read_enrolment(struct world *w, struct dealt *d, uint32_t seat)
{
    const struct entry *e = of_seat(w, seat, ENTRY_ENROLL);
    struct cbor_in in;
    char text[TEXT_TITLE_MAX + 1];
    point_t ceremony_key;
    cbor_in_init(&in, e->statement, e->statement_len);
    cbor_get_array_exact(&in, 10);
    cbor_get_uint_exact(&in, N);
    cbor_get_uint_exact(&in, T);
    cbor_get_text(&in, text, TEXT_TITLE_MAX);
    cbor_get_text(&in, text, TEXT_TITLE_MAX);
    cbor_get_point(&in, g, &ceremony_key);
    for (int i = 0; i < 3; i++)
        cbor_get_text(&in, text, TEXT_TITLE_MAX);
    cbor_get_hash(&in, &d->sealed_seed);
    cbor_get_hash(&in, &d->commitment);
    assert_err(cbor_in_end(&in, NULL), OK);
    assert_point(ceremony_key, keys(w, seat)->ceremony_key);
}

static void read_deal(struct world *w, struct dealt *d, uint32_t seat)
{
    const struct entry *e = of_seat(w, seat, ENTRY_DEAL);
    struct cbor_in in;
    struct cbor_out context = list(4, NULL);
    cbor_in_init(&in, e->statement, e->statement_len);
    cbor_get_array_exact(&in, 2);
    cbor_get_array_exact(&in, T);
    for (int k = 0; k < T; k++)
        cbor_get_point(&in, g, &d->C[k]);
    cbor_get_array_exact(&in, N);
    for (int j = 0; j < N; j++)
        cbor_get_hash(&in, &d->share[j]);
    assert_err(cbor_in_end(&in, NULL), OK);
    cbor_put_hash(&context, &e->ceremony);
    cbor_put_uint(&context, seat);
    cbor_put_array(&context, T);
    for (int k = 0; k < T; k++)
        point(&context, &d->C[k]);
    cbor_put_array(&context, N);
    for (int j = 0; j < N; j++)
        cbor_put_hash(&context, &d->share[j]);
    cbor_in_init(&in, e->evidence, e->evidence_len);
    assert_pok(&in, "conclave/deal-pok", &w->m.election, context, &d->C[0]);
    assert_err(cbor_in_end(&in, NULL), OK);
}

/* --- the checks, in the order of the specification --- */

/* 3. Enrolment: the seed is sealed to the own key and gives what was committed to. */
static void check_enrolment(struct world *w, struct dealt *d, uint32_t seat)
{
    static const hash_t zeros;
    const struct soft_enrolment *k = keys(w, seat);
    uint8_t enc[65];
    struct cbor_out o = list(4, "conclave/commit");
    cbor_put_hash(&o, &w->m.election);
    point(&o, &k->identity_key);
    point(&o, &d->C[0]);
    assert_hash(H(o), d->commitment);
    o = list(8, "conclave/seed");
    cbor_put_hash(&o, &w->m.election);
    cbor_put_hash(&o, &zeros);
    cbor_put_uint(&o, 0);
    cbor_put_uint(&o, 0);
    point(&o, &k->identity_key);
    point(&o, &k->ceremony_key);
    cbor_put_hash(&o, &d->commitment);
    open_sealed(d->seed, world_seat(w, seat)->b, &d->sealed_seed, &k->ceremony, &k->ceremony_key, o, enc);
    o = list(3, "conclave/contribution");
    cbor_put_hash(&o, &w->m.election);
    point(&o, &k->identity_key);
    d->a[0] = KDF("conclave/seed", 13, d->seed, 32, o);
}

/* 4. Roster: seats in ascending order of ids, and the ceremony id. */
static void check_roster(struct world *w, const hash_t *ceremony)
{
    struct cbor_out o = list(5, "conclave/ceremony");
    hash_t last = {{0}};
    cbor_put_hash(&o, &w->m.election);
    cbor_put_uint(&o, N);
    cbor_put_uint(&o, T);
    cbor_put_array(&o, N);
    for (uint32_t j = 1; j <= N; j++) {
        const struct entry *e = of_seat(w, j, ENTRY_ENROLL);
        assert_true(hash_cmp(&last, &e->id) < 0);
        last = e->id;
        cbor_put_hash(&o, &e->id);
    }
    assert_hash(H(o), *ceremony);
}

static struct cbor_out indexed(const char *label, const hash_t *ceremony, uint32_t index)
{
    struct cbor_out o = list(3, label);
    cbor_put_hash(&o, ceremony);
    cbor_put_uint(&o, index);
    return o;
}

/* 5. Deal: polynomial, encapsulation keys and shares all follow from the seed and the ceremony. */
static void check_deal(struct world *w, struct dealt *d, uint32_t seat, const hash_t *ceremony)
{
    for (uint32_t k = 0; k < T; k++) {
        if (k > 0)
            d->a[k] = KDF("conclave/seed", 13, d->seed, 32, indexed("conclave/coefficient", ceremony, k));
        assert_point(times(&d->a[k], NULL), d->C[k]);
    }
    struct cbor_out o = list(5, "conclave/points");
    cbor_put_hash(&o, &w->m.election);
    cbor_put_hash(&o, ceremony);
    cbor_put_uint(&o, seat);
    cbor_put_array(&o, T);
    for (uint32_t k = 0; k < T; k++)
        point(&o, &d->C[k]);
    hash_t points = H(o);
    for (uint32_t j = 1; j <= N; j++) {
        const struct soft_enrolment *k = keys(w, j);
        uint8_t enc[65], E[65];
        scalar_t share, f = d->a[T - 1], x;
        o = list(8, "conclave/share");
        cbor_put_hash(&o, &w->m.election);
        cbor_put_hash(&o, ceremony);
        cbor_put_uint(&o, seat);
        cbor_put_uint(&o, j);
        point(&o, &keys(w, seat)->identity_key);
        point(&o, &k->ceremony_key);
        cbor_put_hash(&o, &points);
        open_sealed(share.b, w->party[0].b, &d->share[j - 1], &k->ceremony, &k->ceremony_key, o, enc);
        scalar_set(&x, j);
        for (int i = T - 2; i >= 0; i--) {
            scalar_mul(&f, &f, &x);
            scalar_add(&f, &f, &d->a[i]);
        }
        assert_memory_equal(share.b, f.b, SCALAR_LEN);
        scalar_t e = KDF("conclave/seed", 13, d->seed, 32, indexed("conclave/encapsulation", ceremony, j));
        point_t eG = times(&e, NULL);
        assert_err(point_uncompress(g, E, &eG), OK);
        assert_memory_equal(enc, E, 65);
    }
}

/* S_j from all deals. */
static point_t holder(const struct dealt *d, uint32_t j)
{
    scalar_t x, power;
    point_t S = {{0}};
    scalar_set(&x, j);
    scalar_set(&power, 1);
    for (int k = 0; k < T; k++) {
        for (int i = 0; i < N; i++)
            S = plus(S, times(&power, &d[i].C[k]));
        scalar_mul(&power, &power, &x);
    }
    return S;
}

/* 7. The cut's hash. */
static hash_t check_cut(struct world *w, const hash_t *ceremony)
{
    const struct entry *e = of_seat(w, 1, ENTRY_CUT);
    struct cbor_out o = list(4, "conclave/cut");
    cbor_put_hash(&o, &w->m.election);
    cbor_put_hash(&o, ceremony);
    bytes(&o, e->statement, e->statement_len);
    hash_t h = H(o);
    assert_hash(h, e->subject);
    return h;
}

/* 8. Confirmation. */
static void check_confirmation(struct world *w, const struct dealt *d, uint32_t seat, const hash_t *ceremony,
                               const hash_t *cut)
{
    static const hash_t zeros;
    const struct entry *e = of_seat(w, seat, ENTRY_CONFIRM);
    struct cbor_in in;
    struct cbor_out o, context = list(6, NULL);
    point_t Y = {{0}}, S[N], D, got;
    for (int i = 0; i < N; i++)
        Y = plus(Y, d[i].C[0]);
    assert_hash(e->subject, *cut);
    cbor_in_init(&in, e->statement, e->statement_len);
    cbor_get_array_exact(&in, 6);
    cbor_get_hash(&in, &(hash_t){{0}});
    cbor_get_uint_exact(&in, (1 << N) - 1);
    cbor_get_uint_exact(&in, (1 << N) - 1);
    cbor_get_point(&in, g, &got);
    assert_point(got, Y);
    cbor_get_array_exact(&in, N);
    for (uint32_t j = 1; j <= N; j++) {
        S[j - 1] = holder(d, j);
        cbor_get_point(&in, g, &got);
        assert_point(got, S[j - 1]);
    }
    cbor_get_point(&in, g, &D);
    assert_err(cbor_in_end(&in, NULL), OK);
    o = list(3, "conclave/test-r");
    cbor_put_hash(&o, &w->m.election);
    cbor_put_hash(&o, cut);
    scalar_t r = HS("conclave/test-r", o);
    point_t A = times(&r, NULL);
    assert_point(D, times(&r, &S[seat - 1])); /* s r G */
    cbor_put_hash(&context, ceremony);
    cbor_put_hash(&context, cut);
    cbor_put_uint(&context, seat);
    cbor_put_uint(&context, (1 << N) - 1);
    cbor_put_uint(&context, (1 << N) - 1);
    point(&context, &Y);
    cbor_in_init(&in, e->evidence, e->evidence_len);
    cbor_get_array_exact(&in, 2);
    assert_pok(&in, "conclave/confirm-pok", &w->m.election, context, &S[seat - 1]);
    assert_dleq(&in,
                &(struct pairs){&w->m.election, cut, &zeros, "test", "test", seat, S[seat - 1], 1, &A, &D});
    assert_err(cbor_in_end(&in, NULL), OK);
}

/* 10. A drill's proof. */
static void check_drill(struct world *w, const point_t *S, uint32_t seat)
{
    const hash_t challenge = {{4, 2}};
    struct fault f;
    struct cbor_in in;
    struct cbor_out context = list(3, NULL);
    assert_err(drill_make(&world_seat(w, seat)->t, w->record, &challenge, &f), OK);
    world_reopen(w);
    const struct entry *e = of_seat(w, seat, ENTRY_DRILL);
    assert_hash(e->subject, challenge);
    cbor_put_hash(&context, &w->record->id);
    cbor_put_uint(&context, seat);
    cbor_put_hash(&context, &challenge);
    cbor_in_init(&in, e->evidence, e->evidence_len);
    assert_pok(&in, "conclave/drill-pok", &w->m.election, context, S);
    assert_err(cbor_in_end(&in, NULL), OK);
}

/* 10. A partial decryption: every pair of every target. */
static void check_partial(struct world *w, const point_t *S, uint32_t seat)
{
    enum { TARGETS = 2, OPTIONS = 3 };
    struct fault f;
    struct cbor_in in, ev;
    hash_t plan_id;
    char id[TEXT_ID_MAX + 1];
    struct target *x = targets_make(w, TARGETS, OPTIONS, 5);
    struct plan_file plan = plan_for(w, x, TARGETS, NULL, 1);
    struct party *p = world_seat(w, seat);
    assert_err(plan_sign(&p->t, w->record, &plan, NULL, 0, &f), OK);
    assert_err(decrypt_make(&p->t, w->record, &plan, x, TARGETS, &f), OK);
    world_reopen(w);
    const struct entry *e = of_seat(w, seat, ENTRY_PARTIAL);
    struct cbor_out o = list(2, "conclave/plan-id");
    bytes(&o, plan.bytes.data, plan.bytes.len);
    assert_hash(H(o), e->subject);
    cbor_in_init(&in, e->statement, e->statement_len);
    cbor_in_init(&ev, e->evidence, e->evidence_len);
    cbor_get_array_exact(&in, 2);
    cbor_get_hash(&in, &plan_id);
    assert_hash(plan_id, e->subject);
    cbor_get_array_exact(&in, TARGETS);
    cbor_get_array_exact(&ev, TARGETS);
    for (size_t i = 0; i < TARGETS; i++) {
        point_t D[OPTIONS];
        cbor_get_array_exact(&in, 3);
        cbor_get_id(&in, id, TEXT_ID_MAX);
        assert_string_equal(id, x[i].place);
        cbor_get_id(&in, id, TEXT_ID_MAX);
        assert_string_equal(id, x[i].contest);
        cbor_get_array_exact(&in, OPTIONS);
        for (size_t k = 0; k < OPTIONS; k++)
            cbor_get_point(&in, g, &D[k]);
        assert_dleq(&ev, &(struct pairs){&w->m.election, &w->record->id, &plan_id, x[i].place, x[i].contest,
                                         seat, *S, OPTIONS, x[i].A, D});
    }
    assert_err(cbor_in_end(&in, NULL), OK);
    assert_err(cbor_in_end(&ev, NULL), OK);
    targets_free(x, TARGETS);
    plan_file_free(&plan);
}

static void test_ceremony_read_back(void **state)
{
    (void)state;
    struct dealt d[N];
    struct world *w = world_new(N, T, 0, 1);
    g = w->g;
    world_to_record(w);
    hash_t ceremony = of_seat(w, 1, ENTRY_DEAL)->ceremony, cut;
    check_roster(w, &ceremony);
    for (uint32_t j = 1; j <= N; j++) {
        read_enrolment(w, &d[j - 1], j);
        read_deal(w, &d[j - 1], j);
        check_enrolment(w, &d[j - 1], j);
        check_deal(w, &d[j - 1], j, &ceremony);
    }
    cut = check_cut(w, &ceremony);
    for (uint32_t j = 1; j <= N; j++)
        check_confirmation(w, d, j, &ceremony, &cut);
    point_t S = holder(d, 3);
    check_drill(w, &S, 3);
    check_partial(w, &S, 3);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_ceremony_read_back)};
    return cmocka_run_group_tests(tests, secrets_setup, NULL);
}
