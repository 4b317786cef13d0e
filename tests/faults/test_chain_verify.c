/* Verifying a chain export with the i-th allocation and disk call failing: it is verified, or the machine's
 * want is said. Never a verdict that comes from that want. */
#include "tests/faults/inject.h"

#include <sys/stat.h>
#include <unistd.h>

#include "tally/aggregate.h"
#include "tally/chain_verify.h"
#include "tests/support/ballots.h"
#include "tests/support/chain_maker.h"
#include "tests/support/tree.h"

#define VOTES 5

static struct faulty {
    struct fixture *x;
    struct chain_context ctx;
    char dir[160], exports[128], work[128], records[128];
    struct chain_report *r;
    struct aggregate_result result;
    struct chain_sums *sums;
    struct chain_spooled ballot[VOTES];
    size_t ballots;
    int quick, keeps;
} z;

static void one(const char *name, void (*before)(void *), err_t (*run)(void *, struct fault *),
                void (*after)(void *, err_t))
{
    struct inject_op op = {
        .name = name, .before = before, .run = run, .after = after, .ctx = &z, .dir = z.x->dir};
    inject_all(&op);
}

static int setup(void **state)
{
    struct chain_maker mk;
    if (inject_setup(state) != 0)
        return -1;
    z.x = fixture_chain_new();
    chain_context_init(&z.ctx, &z.x->ctx, 0);
    snprintf(z.exports, sizeof z.exports, "%s/exports", z.x->dir);
    snprintf(z.dir, sizeof z.dir, "%s/home", z.exports);
    snprintf(z.work, sizeof z.work, "%s/work", z.x->dir);
    snprintf(z.records, sizeof z.records, "%s/records", z.x->dir);
    assert_int_equal(mkdir(z.exports, 0755), 0);
    chain_maker_init(&mk, &z.ctx, signkey_signer(z.x->chain));
    mk.validator[0] = signkey_signer(z.x->validator[0]);
    mk.validator[1] = signkey_signer(z.x->validator[1]);
    size_t first = chain_maker_shard(&mk, "", CHAIN_SPLIT);
    chain_maker_shard(&mk, "0", CHAIN_CLOSED);
    chain_maker_shard(&mk, "1", CHAIN_CLOSED);
    for (size_t i = 0; i < VOTES; i++) {
        struct cbor_out o = CBOR_OUT_INIT;
        fixture_ballot(z.x, &o, NULL, z.x->e2, "rural", "mayor=a school=yes");
        if (i < 2)
            chain_maker_put_to(&mk, first, o.data, o.len);
        else
            chain_maker_put(&mk, o.data, o.len);
        cbor_out_free(&o);
    }
    mk.lists = 1;
    chain_maker_write(&mk, z.dir);
    chain_maker_free(&mk);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fixture_free(z.x);
    return 0;
}

/* --- verifying --- */

static void before_verify(void *ctx)
{
    (void)ctx;
    tree_rm(z.work);
    z.ballots = 0;
}

static err_t keep(void *ctx, const struct chain_spooled *b, struct fault *f)
{
    (void)ctx;
    (void)f;
    if (z.ballots < VOTES)
        z.ballot[z.ballots] = *b;
    z.ballots++;
    return OK;
}

static err_t run_verify(void *ctx, struct fault *f)
{
    struct chain_verify_options o = {
        .quick = z.quick, .work = z.keeps ? z.work : NULL, .threads = 1, .ballot = keep};
    (void)ctx;
    z.r = INJECT_POISON;
    z.ballots = 0;
    return chain_verify(&z.r, &z.ctx, z.dir, &o, f);
}

static void after_verify(void *ctx, err_t e)
{
    (void)ctx;
    if (e != OK) {
        inject_zero(z.r);
        return;
    }
    inject_check(chain_report_verdict(z.r) == (z.quick ? VERIFY_NOT_CHECKED : VERIFY_PASS),
                 "another verdict");
    inject_check(z.quick || z.r->proved + z.r->known == VOTES, "not all ballots");
    inject_check(z.quick || z.ballots == VOTES, "not all ballots were told");
    chain_report_free(z.r);
}

static void test_verify(void **state)
{
    (void)state;
    z.keeps = 0;
    z.quick = 1;
    one("chain, quick look", before_verify, run_verify, after_verify);
    z.quick = 0;
    one("chain, every ballot", before_verify, run_verify, after_verify);
    z.keeps = 1;
    one("chain, going on", before_verify, run_verify, after_verify);
    inject_end();
}

/* --- single ballots --- */

static err_t run_find(void *ctx, struct fault *f)
{
    struct chain_report *r = NULL;
    (void)ctx;
    z.sums = NULL;
    z.ballots = 0;
    struct chain_verify_options o = {.threads = 1, .ballot = keep};
    err_t e = chain_verify(&r, &z.ctx, z.dir, &o, f);
    if (e == OK)
        e = chain_sums_new(&z.sums, &z.ctx);
    if (e == OK)
        e = chain_find_ballots(z.sums, &z.ctx, z.dir, r->snapshot, z.ballot, z.ballots, f);
    if (e == OK && !chain_sums_equal_var(z.sums, r->snapshot->sums, &z.ctx, NULL))
        e = fault_set(f, ERR_BUG, "another sum");
    chain_report_free(r);
    return e;
}

static void after_find(void *ctx, err_t e)
{
    (void)ctx;
    (void)e;
    chain_sums_free(z.sums);
}

static void test_find(void **state)
{
    (void)state;
    one("ballots of a chain", NULL, run_find, after_find);
    inject_end();
}

/* --- aggregating --- */

static void before_aggregate(void *ctx)
{
    before_verify(ctx);
    tree_rm(z.records);
}

static err_t run_aggregate(void *ctx, struct fault *f)
{
    struct aggregate_options o = {.threads = 1};
    (void)ctx;
    memset(&z.result, 0x5a, sizeof z.result);
    return aggregate(&z.result, &z.x->ctx, z.exports, z.work, z.records, &o, NULL, f);
}

static void after_aggregate(void *ctx, err_t e)
{
    (void)ctx;
    if (e != OK) {
        inject_zeroed(&z.result, sizeof z.result, "the result");
        return;
    }
    inject_check(z.result.ballots == VOTES, "not all ballots");
    inject_check(z.result.refused == 0, "refused");
}

static void test_aggregate(void **state)
{
    (void)state;
    one("aggregating a chain", before_aggregate, run_aggregate, after_aggregate);
    inject_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verify),
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_aggregate),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
