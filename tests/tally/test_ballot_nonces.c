/* What a generator that repeats itself gives away about ballots and counts. The program's own is replaced by
 * one that gives the same bytes again and again (--wrap in the Makefile). */
#include "ceremony/base/secret.h"
#include "tally/ballot_form.h"
#include "tally/chain_form.h"
#include "tally/count.h"
#include "tests/support/ballots.h"
#include "tests/support/unit.h"

static int stuck;

void __real_random_bytes(void *out, size_t len);
void __wrap_random_bytes(void *out, size_t len);

void __wrap_random_bytes(void *out, size_t len)
{
    if (stuck)
        memset(out, 0x5a, len);
    else
        __real_random_bytes(out, len);
}

static struct ballot *make(struct fixture *x, const char *mayor, const uint8_t seed[BALLOT_SEED_LEN])
{
    static const char *const council[] = {"p", "q"};
    struct selection sel[] = {{.contest = "mayor", .option = &mayor, .option_count = 1},
                              {.contest = "council", .option = council, .option_count = 2}};
    struct cbor_out o = CBOR_OUT_INIT;
    struct fault f;
    assert_err(ballot_make(x->maker, &o, NULL, x->e1, "town", sel, 2, seed, &f), OK);
    struct ballot *b = fixture_parse(x, &o);
    assert_err(ballot_verify_var(&x->ctx, b, &f), OK);
    cbor_out_free(&o);
    return b;
}

/* Commitments that both have. */
static size_t common(const struct ballot *a, const struct ballot *b)
{
    size_t n = point_equal(&a->id_commitment, &b->id_commitment);
    for (size_t i = 0; i < a->vote_count; i++) {
        const struct ballot_vote *p = &a->vote[i], *q = &b->vote[i];
        for (size_t k = 0; k < p->cipher_count; k++)
            n += point_equal(&p->proof[k].a0, &q->proof[k].a0) +
                 point_equal(&p->proof[k].b0, &q->proof[k].b0) +
                 point_equal(&p->proof[k].a1, &q->proof[k].a1) +
                 point_equal(&p->proof[k].b1, &q->proof[k].b1);
        n += p->limit > 1 ? point_equal(&p->sum_exact.a, &q->sum_exact.a)
                          : point_equal(&p->sum_zero_one.a0, &q->sum_zero_one.a0) +
                                point_equal(&p->sum_zero_one.a1, &q->sum_zero_one.a1);
    }
    return n;
}

/* (attack) One seed, another choice in one contest, and a generator that gives the same bytes: with the same
 * commitments in the other contests, two responses to two challenges would give their randomness, and with it
 * the votes. */
static void test_same_seed_other_choice(void **state)
{
    struct fixture *x = *state;
    const uint8_t seed[BALLOT_SEED_LEN] = {1, 2, 3};
    stuck = 1;
    struct ballot *a = make(x, "a", seed), *b = make(x, "b", seed), *again = make(x, "a", seed);
    stuck = 0;
    assert_true(point_equal(&a->vote[1].ct[0].A, &b->vote[1].ct[0].A)); /* one seed, one randomness */
    assert_memory_not_equal(&a->c, &b->c, sizeof a->c);
    assert_int_equal(common(a, b), 0);
    /* The same ballot again is the same ballot: one challenge, one response. */
    assert_memory_equal(&a->c, &again->c, sizeof a->c);
    ballot_free(a);
    ballot_free(b);
    ballot_free(again);
}

/* With a generator that works, nothing of two ballots of one seed is the same but what comes from the seed.
 */
static void test_fresh(void **state)
{
    struct fixture *x = *state;
    const uint8_t seed[BALLOT_SEED_LEN] = {4};
    struct ballot *a = make(x, "a", seed), *b = make(x, "a", seed);
    assert_true(point_equal(&a->vote[0].ct[0].A, &b->vote[0].ct[0].A));
    assert_int_equal(common(a, b), 0);
    ballot_free(a);
    ballot_free(b);
}

static struct count *make_count(struct fixture *x, const uint64_t value[4])
{
    struct cbor_out o = CBOR_OUT_INIT;
    struct count *c;
    struct fault f;
    assert_err(count_make(x->maker, &o, x->e1, 0, value, 4, &f), OK);
    assert_err(count_parse_var(&c, &x->ctx, o.data, o.len, &f), OK);
    cbor_out_free(&o);
    return c;
}

/* Counts: ciphertexts too, which have no seed. */
static void test_counts(void **state)
{
    struct fixture *x = *state;
    const uint64_t one[4] = {7, 8, 9, 10}, two[4] = {7, 8, 9, 11};
    stuck = 1;
    struct count *a = make_count(x, one), *b = make_count(x, two);
    stuck = 0;
    for (size_t i = 0; i < a->option_count * a->bits; i++) {
        assert_false(point_equal(&a->bit[i].ct.A, &b->bit[i].ct.A));
        assert_false(point_equal(&a->bit[i].proof.a0, &b->bit[i].proof.a0));
        assert_false(point_equal(&a->bit[i].proof.a1, &b->bit[i].proof.a1));
    }
    count_free(a);
    count_free(b);
}

static void make_envelope(struct cbor_out *o, struct fixture *x, const struct chain_context *ctx,
                          const uint8_t *data, size_t len)
{
    const hash_t id = {{3}};
    assert_err(chain_envelope_make(o, ctx, x->g, &id, data, len), OK);
}

/* Two envelopes never share an ephemeral key: it would be one key and one nonce of AES-GCM for two ballots.
 */
static void test_envelopes(void **state)
{
    struct fixture *x = *state;
    struct chain_context ctx;
    struct chain_envelope one, two;
    struct cbor_out a = CBOR_OUT_INIT, b = CBOR_OUT_INIT;
    const uint8_t data[2][100] = {{1}, {2}};
    chain_context_init(&ctx, &x->ctx, 0);
    stuck = 1;
    make_envelope(&a, x, &ctx, data[0], sizeof data[0]);
    make_envelope(&b, x, &ctx, data[1], sizeof data[1]);
    stuck = 0;
    assert_err(chain_envelope_parse(&one, &ctx, a.data, a.len, NULL), OK);
    assert_err(chain_envelope_parse(&two, &ctx, b.data, b.len, NULL), OK);
    assert_memory_not_equal(one.enc, two.enc, 65);
    cbor_out_free(&b);
    b = (struct cbor_out)CBOR_OUT_INIT;
    make_envelope(&b, x, &ctx, data[0], sizeof data[0]);
    assert_err(chain_envelope_parse(&two, &ctx, b.data, b.len, NULL), OK);
    assert_memory_not_equal(one.enc, two.enc, 65);
    cbor_out_free(&a);
    cbor_out_free(&b);
}

static int setup_chain(void **state)
{
    *state = fixture_chain_new();
    return 0;
}

static int setup_ballots(void **state)
{
    *state = fixture_new(KIND_BALLOTS);
    return 0;
}

static int setup_import(void **state)
{
    *state = fixture_new(KIND_IMPORT);
    return 0;
}

static int teardown(void **state)
{
    fixture_free(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_same_seed_other_choice, setup_ballots, teardown),
        cmocka_unit_test_setup_teardown(test_fresh, setup_ballots, teardown),
        cmocka_unit_test_setup_teardown(test_counts, setup_import, teardown),
        cmocka_unit_test_setup_teardown(test_envelopes, setup_chain, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
