/* The local vault: the share of the key, for a moment: confirmation, drill, partial decryption. */
#include <stdlib.h>
#include <string.h>

#include "ceremony/base/secret.h"
#include "ceremony/vault_parts.h"

/* --- values that follow from the points, checked against the roster --- */

static err_t first_point_committed(const struct vault_local *v, uint32_t i, const point_t *C0,
                                   struct fault *f)
{
    const struct enrolment *who = &v->roster.seat[i - 1];
    hash_t commitment;
    TRY(enrolment_commitment(&commitment, &v->election, &who->identity, C0));
    if (hash_cmp(&commitment, &who->commitment) == 0)
        return OK;
    fault_set(f, ERR_COMMITMENT, "the first point is not the one committed to when enrolling");
    return fault_who(f, ERR_COMMITMENT, "seat %u, %s", i, who->name);
}

/* qual, holders, deals, Y and S of out. */
static err_t values_of(struct vault_local *v, struct outcome *out, const struct vault_shares *in,
                       struct fault *f)
{
    const struct roster *r = &v->roster;
    uint32_t all = r->n == 32 ? UINT32_MAX : (UINT32_C(1) << r->n) - 1;
    memset(out, 0, sizeof *out);
    if ((in->qual & ~all) != 0 || (in->holders & ~in->qual) != 0 ||
        (uint32_t)__builtin_popcount(in->holders) < r->t)
        return fault_set(f, ERR_RULE, "holders are at least %u of the dealers that count", r->t);
    if (!(in->holders >> (v->seat - 1) & 1))
        return fault_set(f, ERR_RULE, "your seat holds no share");
    out->qual = in->qual;
    out->holders = in->holders;
    for (uint32_t i = 1; i <= r->n; i++) {
        if (!(in->qual >> (i - 1) & 1))
            continue;
        out->deal[i - 1].seat = i;
        memcpy(out->deal[i - 1].C, in->dealer[i - 1].C, r->t * sizeof(point_t));
        for (uint32_t k = 0; k < r->t; k++)
            TRY(point_check(v->g, &out->deal[i - 1].C[k]));
        TRY(first_point_committed(v, i, &out->deal[i - 1].C[0], f));
    }
    TRY(outcome_sum(out, r, v->g, f));
    return out->holders == in->holders ? OK : fault_set(f, ERR_MISMATCH, "a holder's share is zero");
}

/* The share of one dealer: revealed, or opened with the token. */
static err_t share_of(struct vault_local *v, scalar_t *secret_part, const struct deal *d,
                      const struct vault_dealer *in, struct fault *f)
{
    point_t expected, got;
    if (!in->is_public)
        return vault_secret_share_of(v, secret_part, d, &in->share, f);
    *secret_part = in->public_share;
    TRY(scalar_check(secret_part));
    TRY(deal_expected(v->g, &expected, d, v->t, v->seat));
    TRY(point_mul_base(v->g, &got, secret_part));
    return point_equal(&got, &expected) ? OK : fault_set(f, ERR_SHARE, "not on the polynomial of the deal");
}

err_t vault_secret_share(struct vault_local *v, scalar_t **secret_share, const struct vault_shares *in,
                         struct outcome *values, struct fault *f)
{
    scalar_t *s = NULL, *part = NULL;
    point_t S;
    err_t e;
    *secret_share = NULL;
    TRY(vault_needs_roster(v, f));
    GO(values_of(v, values, in, f));
    GO(secret_alloc((void **)&s, sizeof *s));
    GO(secret_alloc((void **)&part, sizeof *part));
    for (uint32_t i = 1; i <= v->n; i++) {
        if (!(in->qual >> (i - 1) & 1))
            continue;
        e = share_of(v, part, &values->deal[i - 1], &in->dealer[i - 1], f);
        if (e != OK) {
            e = fault_who(f, e, "seat %u, %s", i, v->roster.seat[i - 1].name);
            goto out;
        }
        scalar_add(s, s, part);
    }
    GO(point_mul_base(v->g, &S, s));
    if (!point_equal(&S, &values->S[v->seat - 1])) {
        e = fault_set(f, ERR_MISMATCH, "the rebuilt share does not belong to the key");
        goto out;
    }
    *secret_share = s;
    s = NULL;
out:
    secret_free(part);
    secret_free(s);
    secret_burn_stack();
    return e;
}

/* --- confirming --- */

/* The values of a confirmation are compared with everybody's, for ever: they are made twice. */
static err_t made_twice(struct vault_local *v, const struct outcome *oc, const struct vault_shares *in,
                        struct fault *f)
{
    struct outcome *again = calloc(1, sizeof *again);
    if (again == NULL)
        return fault_set(f, ERR_MEMORY, "confirmation");
    err_t e = values_of(v, again, in, f);
    if (e == OK && (!point_equal(&again->Y, &oc->Y) || memcmp(again->S, oc->S, sizeof oc->S) != 0))
        e = vault_made(ERR_MISMATCH, "a point of the key", f);
    free(again);
    return e;
}

static err_t prove_and_sign(struct vault_local *v, struct cbor_out *entry, const struct cut *cut,
                            const struct outcome *oc, scalar_t **secret, struct fault *f)
{
    static const hash_t none;
    const struct roster *r = &v->roster;
    struct cbor_out st = CBOR_OUT_INIT, ev = CBOR_OUT_INIT, context = CBOR_OUT_INIT;
    uint8_t fresh[32];
    struct pok pok;
    struct dleq dleq;
    point_t A, B, V, D;
    const point_t *S = &oc->S[v->seat - 1];
    TRY(test_ciphertext(v->g, &A, &B, &V, r, &cut->hash, &oc->Y));
    TRY(point_mul(v->g, &D, *secret, &A));
    confirm_context(&context, r, cut, oc, v->seat);
    err_t e = context.err;
    if (e == OK)
        e = seed_fresh(&v->ks, fresh, f);
    if (e == OK)
        e = pok_prove(v->g, &pok, *secret, S, fresh, "conclave/confirm-pok", &r->election, context.data,
                      context.len);
    if (e == OK)
        e = vault_made(
            pok_verify(v->g, &pok, S, "conclave/confirm-pok", &r->election, context.data, context.len),
            "a proof", f);
    cbor_out_free(&context);
    if (e == OK)
        e = seed_fresh(&v->ks, fresh, f);
    struct dleq_statement statement = {&r->election, &cut->hash, &none, "test", "test",
                                       v->seat,      S,          1,     &A,     &D};
    if (e == OK)
        e = dleq_prove(v->g, &dleq, &statement, *secret, fresh);
    if (e == OK) /* of the test ciphertext as others will make it: again, from the cut */
        e = test_ciphertext(v->g, &A, &B, &V, r, &cut->hash, &oc->Y);
    if (e == OK)
        e = vault_made(dleq_verify_var(&statement, &dleq), "a proof", f);
    secret_wipe(fresh, sizeof fresh);
    secret_free(*secret);
    *secret = NULL;
    secret_burn_stack();
    if (e != OK)
        return e;
    confirm_statement(&st, r, cut, oc, &D);
    cbor_put_array(&ev, 2);
    cbor_put_pok(&ev, &pok);
    cbor_put_dleq(&ev, &dleq);
    return vault_entry_sign(v, entry, ENTRY_CONFIRM, &r->ceremony, &cut->hash, &st, &ev, f);
}

err_t vault_local_confirm(void *ctx, struct cbor_out *entry, const struct vault_shares *in, struct fault *f)
{
    struct vault_local *v = ctx;
    scalar_t *secret = NULL;
    struct cut cut = {.hash = in->cut};
    TRY(vault_bind(v, f));
    struct outcome *oc = calloc(1, sizeof *oc);
    if (oc == NULL)
        return fault_set(f, ERR_MEMORY, "confirmation");
    err_t e = vault_secret_share(v, &secret, in, oc, f);
    if (e == OK)
        e = made_twice(v, oc, in, f);
    if (e == OK)
        e = prove_and_sign(v, entry, &cut, oc, &secret, f);
    secret_free(secret);
    free(oc);
    secret_burn_stack();
    return e;
}

/* --- later --- */

/* The own key signed that these values are the key's. */
static err_t confirmed(struct vault_local *v, const struct bytes *confirmation, const struct vault_shares *in,
                       const struct outcome *oc, struct fault *f)
{
    struct entry *e;
    struct cut cut = {.hash = in->cut};
    point_t D;
    struct cbor_out want = CBOR_OUT_INIT;
    TRY(vault_entry_read(v, &e, confirmation, VAULT_ENTRY_MAX, f));
    int same = e->kind == ENTRY_CONFIRM && point_equal(&e->author, &v->key.identity) &&
               hash_cmp(&e->ceremony, &v->roster.ceremony) == 0 && hash_cmp(&e->subject, &in->cut) == 0 &&
               e->statement_len > POINT_LEN;
    if (same) { /* compared as a whole: only D is read from it */
        memcpy(D.b, e->statement + e->statement_len - POINT_LEN, POINT_LEN);
        confirm_statement(&want, &v->roster, &cut, oc, &D);
        same =
            want.err == OK && want.len == e->statement_len && memcmp(want.data, e->statement, want.len) == 0;
    }
    err_t err = want.err;
    cbor_out_free(&want);
    entry_free(e);
    if (err != OK)
        return err;
    return same ? OK : fault_set(f, ERR_MISMATCH, "your token's key did not confirm these values");
}

/* The share, after all that must be so. values: freed by the caller. */
static err_t share_again(struct vault_local *v, scalar_t **secret, struct outcome **values,
                         const struct vault_shares *in, const struct bytes *confirmation, struct fault *f)
{
    *secret = NULL;
    *values = NULL;
    TRY(vault_is_bound(v, f));
    struct outcome *oc = *values = calloc(1, sizeof *oc);
    if (oc == NULL)
        return fault_set(f, ERR_MEMORY, "share");
    TRY(values_of(v, oc, in, f));
    TRY(confirmed(v, confirmation, in, oc, f));
    return vault_secret_share(v, secret, in, oc, f);
}

err_t vault_local_drill(void *ctx, struct cbor_out *entry, const struct vault_shares *in,
                        const struct bytes *confirmation, const hash_t *record, const hash_t *challenge,
                        struct fault *f)
{
    struct vault_local *v = ctx;
    scalar_t *secret;
    struct outcome *oc;
    uint8_t fresh[32];
    struct pok pok;
    struct cbor_out context = CBOR_OUT_INIT, st = CBOR_OUT_INIT, ev = CBOR_OUT_INIT;
    err_t e;
    GO(share_again(v, &secret, &oc, in, confirmation, f));
    const point_t *S = &oc->S[v->seat - 1];
    cbor_put_array(&context, 3); /* drill_context */
    cbor_put_hash(&context, record);
    cbor_put_uint(&context, v->seat);
    cbor_put_hash(&context, challenge);
    GO(context.err);
    GO(seed_fresh(&v->ks, fresh, f));
    e = pok_prove(v->g, &pok, secret, S, fresh, "conclave/drill-pok", &v->election, context.data,
                  context.len);
    if (e == OK)
        e = vault_made(
            pok_verify(v->g, &pok, S, "conclave/drill-pok", &v->election, context.data, context.len),
            "a proof", f);
    secret_wipe(fresh, sizeof fresh);
    secret_free(secret);
    secret = NULL;
    secret_burn_stack();
    GO(e);
    cbor_put_array(&st, 2);
    cbor_put_hash(&st, challenge);
    cbor_put_point(&st, S);
    cbor_put_pok(&ev, &pok);
    e = vault_entry_sign(v, entry, ENTRY_DRILL, &v->roster.ceremony, challenge, &st, &ev, f);
out:
    secret_free(secret);
    secret_burn_stack();
    cbor_out_free(&context);
    free(oc);
    return e;
}

static err_t fresh_from_token(void *ctx, uint8_t out[32], struct fault *f)
{
    return seed_fresh(ctx, out, f);
}

/* What partial_make reads of a record. */
static err_t record_of(struct record **out, const struct vault_local *v, const struct outcome *oc)
{
    struct record *r = *out = calloc(1, sizeof *r);
    if (r == NULL)
        return ERR_MEMORY;
    r->id = v->plan.record;
    r->election = v->election;
    r->ceremony = v->roster.ceremony;
    r->n = v->n;
    r->t = v->t;
    r->seat[v->seat - 1].S = oc->S[v->seat - 1];
    return OK;
}

err_t vault_local_decrypt(void *ctx, struct cbor_out *entry, const struct vault_shares *in,
                          const struct bytes *confirmation, struct fault *f)
{
    struct vault_local *v = ctx;
    const struct vault_plan *p = &v->plan;
    scalar_t *secret = NULL;
    struct outcome *oc = NULL;
    struct record *r = NULL;
    struct cbor_out st = CBOR_OUT_INIT, ev = CBOR_OUT_INIT;
    err_t e;
    TRY(vault_local_plan_bound(v, f));
    GO(share_again(v, &secret, &oc, in, confirmation, f));
    GO(record_of(&r, v, oc));
    e = partial_make(&st, &ev, v->g, r, v->seat, &p->id, p->target, p->count, secret, fresh_from_token,
                     &v->ks, f);
    secret_free(secret);
    secret = NULL;
    secret_burn_stack();
    if (e == OK)
        e = vault_entry_sign(v, entry, ENTRY_PARTIAL, &v->roster.ceremony, &p->id, &st, &ev, f);
out:
    secret_free(secret);
    cbor_out_free(&st);
    cbor_out_free(&ev);
    free(oc);
    free(r);
    return e;
}
