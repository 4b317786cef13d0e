#include "tests/support/shares.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ceremony/base/secret.h"

void shares_new(struct shares *s, struct fixture *x)
{
    scalar_t a[SHARES_T];
    struct fault f;
    memset(s, 0, sizeof *s);
    s->x = x;
    struct record *r = x->r;
    r->n = SHARES_N;
    r->t = SHARES_T;
    r->holders = r->qual = (1u << SHARES_N) - 1;
    random_bytes(r->ceremony.b, HASH_LEN);
    a[0] = x->secret;
    scalar_random(&a[1]);
    scalar_random(&a[2]);
    for (uint32_t j = 1; j <= SHARES_N; j++) {
        scalar_t at, *share = &s->share[j - 1];
        char name[16];
        struct seat *seat = &r->seat[j - 1];
        scalar_set(&at, j);
        *share = a[2];
        scalar_mul(share, share, &at);
        scalar_add(share, share, &a[1]);
        scalar_mul(share, share, &at);
        scalar_add(share, share, &a[0]);
        assert_int_equal(point_mul_base(x->g, &seat->S, share), OK);
        snprintf(name, sizeof name, "seat-%u.key", j);
        assert_int_equal(signkey_new(&seat->identity, fixture_path(x, name), SIGNKEY_REHEARSAL, "p", 1, &f),
                         OK);
        assert_int_equal(signkey_open(&s->key[j - 1], fixture_path(x, name), "p", 1, &f), OK);
        snprintf(seat->name, sizeof seat->name, "Trustee %u <& \"co\">", j);
        snprintf(seat->organisation, sizeof seat->organisation, "Organisation %u", j);
        snprintf(seat->model, sizeof seat->model, "Model %u", j);
    }
    random_bytes(s->plan.b, HASH_LEN);
    assert_int_equal(board_open(&s->b, x->dir, &r->election, &f), OK);
}

void shares_free(struct shares *s)
{
    board_free(s->b);
    for (size_t i = 0; i < SHARES_N; i++)
        signkey_close(s->key[i]);
    for (size_t i = 0; i < s->count; i++) {
        free(s->target[i].A);
        free(s->target[i].B);
    }
}

void shares_target(struct shares *s, const char *place, const char *contest, uint64_t ballots,
                   const uint64_t *votes)
{
    struct target *t = &s->target[s->count++];
    int index = manifest_contest(s->x->m, contest);
    assert_true(index >= 0);
    snprintf(t->place, sizeof t->place, "%s", place);
    snprintf(t->contest, sizeof t->contest, "%s", contest);
    t->ballots = ballots;
    t->count = s->x->m->contest[index].option_count;
    t->A = calloc(t->count, sizeof *t->A);
    t->B = calloc(t->count, sizeof *t->B);
    for (size_t o = 0; o < t->count; o++) {
        scalar_t r, v;
        scalar_random(&r);
        scalar_set(&v, votes[o]);
        assert_int_equal(point_mul_base(s->x->g, &t->A[o], &r), OK);
        assert_int_equal(point_mul2(s->x->g, &t->B[o], &v, &r, &s->x->r->Y), OK);
    }
}

static err_t fresh(void *ctx, uint8_t out[32], struct fault *f)
{
    (void)ctx;
    (void)f;
    random_bytes(out, 32);
    return OK;
}

void shares_post(struct shares *s, uint32_t seat, const hash_t *plan, int wrong)
{
    struct cbor_out statement = CBOR_OUT_INIT, evidence = CBOR_OUT_INIT;
    struct record *r = s->x->r;
    struct entry *e;
    struct fault f;
    int taken;
    scalar_t share = s->share[seat - 1];
    point_t S = r->seat[seat - 1].S;
    if (wrong == 2) {
        scalar_random(&share);
        assert_int_equal(point_mul_base(s->x->g, &r->seat[seat - 1].S, &share), OK);
    }
    assert_int_equal(partial_make(&statement, &evidence, s->x->g, r, seat, plan, s->target, s->count, &share,
                                  fresh, NULL, &f),
                     OK);
    r->seat[seat - 1].S = S;
    if (wrong == 1)
        evidence.data[evidence.len - 1] ^= 1; /* the last byte of z */
    err_t err = entry_make(&e, ENTRY_PARTIAL, &r->election, &r->ceremony, plan, &statement, &evidence,
                           signkey_signer(s->key[seat - 1]), &f);
    assert_int_equal(err, OK);
    assert_int_equal(board_add(s->b, e, &taken, &f), OK);
    if (!taken)
        entry_free(e);
    cbor_out_free(&statement);
    cbor_out_free(&evidence);
}
