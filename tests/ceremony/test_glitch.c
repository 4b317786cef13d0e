/* A machine that computes wrongly once: every product of scalars and every multiple of a point, one after the
 * other, is replaced by another value (--wrap in the Makefile). Whatever a vault gives out in spite of that
 * must be good: what is published cannot be taken back, names its author as a cheat, and a wrong response
 * says something of the secret. */
#include "ceremony/base/secret.h"
#include "ceremony/partial.h"
#include "tests/support/ceremony.h"
#include "tests/support/unit.h"

#define N 3
#define TARGETS 2

static size_t calls, glitch_at; /* 0: never */

void __real_scalar_mul(scalar_t *out, const scalar_t *a, const scalar_t *b);
void __wrap_scalar_mul(scalar_t *out, const scalar_t *a, const scalar_t *b);
err_t __real_point_mul(struct group *g, point_t *out, const scalar_t *k, const point_t *p);
err_t __wrap_point_mul(struct group *g, point_t *out, const scalar_t *k, const point_t *p);
err_t __real_point_mul_base(struct group *g, point_t *out, const scalar_t *k);
err_t __wrap_point_mul_base(struct group *g, point_t *out, const scalar_t *k);

static int glitch(void)
{
    return ++calls == glitch_at;
}

void __wrap_scalar_mul(scalar_t *out, const scalar_t *a, const scalar_t *b)
{
    __real_scalar_mul(out, a, b);
    if (glitch())
        out->b[SCALAR_LEN - 1] ^= 1;
}

err_t __wrap_point_mul(struct group *g, point_t *out, const scalar_t *k, const point_t *p)
{
    err_t e = __real_point_mul(g, out, k, p);
    if (glitch())
        *out = group_generator;
    return e;
}

err_t __wrap_point_mul_base(struct group *g, point_t *out, const scalar_t *k)
{
    err_t e = __real_point_mul_base(g, out, k);
    if (glitch())
        *out = group_generator;
    return e;
}

struct box {
    struct world *w;
    struct party *p; /* of seat 1 */
    struct vault_shares *in;
    struct bytes confirmation;
    struct target *target;
    struct plan_file plan;
    struct vault_dealt dealt;
};

static const hash_t challenge = {{3}};

/* --- each operation, and whether what it gave is good --- */

static err_t make_deal(struct box *b, struct cbor_out *entry, struct fault *f)
{
    return b->p->t.vault.ops->deal(b->p->t.vault.ctx, entry, &b->dealt, f);
}

static err_t make_confirm(struct box *b, struct cbor_out *entry, struct fault *f)
{
    return b->p->t.vault.ops->confirm(b->p->t.vault.ctx, entry, b->in, f);
}

static err_t make_drill(struct box *b, struct cbor_out *entry, struct fault *f)
{
    return b->p->t.vault.ops->drill(b->p->t.vault.ctx, entry, b->in, &b->confirmation, &b->w->record->id,
                                    &challenge, f);
}

static err_t make_partial(struct box *b, struct cbor_out *entry, struct fault *f)
{
    return b->p->t.vault.ops->decrypt(b->p->t.vault.ctx, entry, b->in, &b->confirmation, f);
}

static err_t check_deal(struct box *b, const struct entry *e)
{
    struct deal d;
    struct fault f;
    TRY(deal_check(&d, e, b->w->roster, b->w->g, &f));
    for (uint32_t j = 1; j <= N; j++) {
        struct party *p = world_seat(b->w, j);
        TRY(p->t.vault.ops->share_check(p->t.vault.ctx, 1, d.C, &b->dealt.share[j - 1], &f));
    }
    return OK;
}

static err_t check_confirm(struct box *b, const struct entry *e)
{
    struct entry *only = (struct entry *)(uintptr_t)e;
    const struct entry *used;
    struct board view = {.election = b->w->m.election, .entry = &only, .entry_count = 1};
    struct fault f;
    point_t D;
    return confirm_check(&D, &used, &view, b->w->roster, &b->w->cut, b->w->outcome, 1, b->w->g, &f);
}

static err_t check_drill(struct box *b, const struct entry *e)
{
    struct fault f;
    uint32_t seat;
    return drill_check(e, b->w->record, b->w->g, &seat, &f);
}

static err_t check_partial(struct box *b, const struct entry *e)
{
    struct fault f;
    struct partial *p;
    TRY(partial_parse(&p, e, b->w->record, &b->plan.id, b->target, TARGETS, &f));
    err_t r = partial_verify_var(p, b->w->record, b->target, TARGETS, &f);
    partial_free(p);
    return r;
}

/* --- glitches one after the other --- */

static void run(struct box *b, err_t (*make)(struct box *, struct cbor_out *, struct fault *),
                err_t (*check)(struct box *, const struct entry *))
{
    size_t caught = 0, refused = 0, harmless = 0;
    for (size_t at = 1;; at++) {
        struct cbor_out bytes = CBOR_OUT_INIT;
        struct fault f;
        struct entry *e;
        fault_clear(&f);
        calls = 0;
        glitch_at = at;
        err_t made = make(b, &bytes, &f);
        int hit = calls >= at;
        glitch_at = 0;
        caught += made == ERR_SELFTEST;
        refused += made != OK && made != ERR_SELFTEST;
        if (made == OK) {
            assert_err(entry_parse(&e, bytes.data, bytes.len, &b->w->m.election, &f), OK);
            bytes = (struct cbor_out)CBOR_OUT_INIT;
            if (check(b, e) != OK)
                fail_msg("after a glitch at call %zu something bad was given out", at);
            entry_free(e);
            harmless += (size_t)hit;
        }
        cbor_out_free(&bytes);
        if (!hit) {
            assert_err(made, OK);
            break;
        }
    }
    print_message("caught %zu, refused %zu, harmless %zu\n", caught, refused, harmless);
    assert_true(caught > 0);
}

static void test_glitches(void **state)
{
    (void)state;
    struct box b = {.w = world_new(N, 2, 0, 1)};
    struct fault f;
    uint32_t seat;
    world_to_record(b.w);
    for (uint32_t j = 1; j <= N; j++)
        assert_err(trustee_ready(&world_seat(b.w, j)->t, b.w->roster, 1, &f), OK);
    b.p = world_seat(b.w, 1);
    run(&b, make_deal, check_deal);
    assert_err(trustee_shares(&b.p->t, b.w->record, &b.in, &seat, &b.confirmation, &f), OK);
    assert_int_equal(seat, 1);
    run(&b, make_confirm, check_confirm);
    run(&b, make_drill, check_drill);
    b.target = targets_make(b.w, TARGETS, 3, 4);
    b.plan = plan_for(b.w, b.target, TARGETS, NULL, 1);
    assert_err(plan_sign(&b.p->t, b.w->record, &b.plan, NULL, 0, &f), OK);
    run(&b, make_partial, check_partial);
    free(b.in);
    targets_free(b.target, TARGETS);
    plan_file_free(&b.plan);
    world_free(b.w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_glitches)};
    return cmocka_run_group_tests(tests, secrets_setup, NULL);
}
