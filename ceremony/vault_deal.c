/* The local vault: the own polynomial, sealing shares of it, opening those of others, reveals. */
#include <stdlib.h>
#include <string.h>

#include "ceremony/base/secret.h"
#include "ceremony/math/hpke.h"
#include "ceremony/vault_parts.h"

/* --- the own polynomial --- */

/* All t coefficients a_i0 .. a_i,t-1, in secret memory. */
static err_t polynomial(struct vault_local *v, scalar_t **secret_a, const uint8_t *seed)
{
    err_t e;
    scalar_t *a;
    *secret_a = NULL;
    TRY(secret_alloc((void **)&a, v->t * sizeof *a));
    GO(seed_contribution(&a[0], seed, &v->election, &v->key.identity));
    for (uint32_t k = 1; k < v->t; k++)
        GO(seed_coefficient(&a[k], seed, &v->roster.ceremony, k));
    *secret_a = a;
    return OK;
out:
    secret_free(a);
    return e;
}

/* f(j), Horner; constant time in the coefficients. */
static void evaluate(scalar_t *out, const scalar_t *a, uint32_t t, uint32_t j)
{
    scalar_t x;
    scalar_set(&x, j);
    *out = a[t - 1];
    for (uint32_t k = t - 1; k-- > 0;) {
        scalar_mul(out, out, &x);
        scalar_add(out, out, &a[k]);
    }
}

/* Ciphertext of the share of seat j: the same bytes whenever it is made again. */
static err_t seal_share(struct vault_local *v, struct sealed *out, const struct deal *d, const uint8_t *seed,
                        const scalar_t *a, uint32_t j)
{
    const struct roster *r = &v->roster;
    scalar_t *s = NULL;
    struct cbor_out info = CBOR_OUT_INIT;
    err_t e;
    GO(secret_alloc((void **)&s, 3 * sizeof *s));
    evaluate(&s[0], a, r->t, j);
    share_info(&info, r, d, j);
    GO(info.err);
    GO(seed_encapsulation(&s[1], seed, &r->ceremony, j));
    GO(hpke_seal(v->g, out->enc, out->ct, &r->seat[j - 1].ceremony_key, &s[1], info.data, info.len, s[0].b,
                 SCALAR_LEN));
    GO(share_opens(&s[2], r, d, j, &s[1], out->enc, out->ct,
                   v->g)); /* as everybody would see it, were it revealed */
out:
    secret_free(s);
    secret_burn_stack();
    cbor_out_free(&info);
    return e;
}

/* Points and ciphertexts, and the deal that names them. */
static err_t make_shares(struct vault_local *v, struct deal *d, struct vault_dealt *out, const uint8_t *seed,
                         const scalar_t *a, struct fault *f)
{
    memset(d, 0, sizeof *d);
    d->seat = v->seat;
    for (uint32_t k = 0; k < v->t; k++)
        TRY(point_mul_base(v->g, &d->C[k], &a[k]));
    memcpy(out->C, d->C, sizeof out->C);
    for (uint32_t j = 1; j <= v->n; j++) {
        struct cbor_out file = CBOR_OUT_INIT;
        TRY(vault_made(seal_share(v, &out->share[j - 1], d, seed, a, j), "a share", f));
        sealed_put(&file, &out->share[j - 1]);
        TRY(cbor_out_hash(&file, &d->share[j - 1]));
    }
    return OK;
}

static void deal_statement(struct cbor_out *st, const struct vault_local *v, const struct deal *d)
{
    cbor_put_array(st, 2);
    cbor_put_array(st, v->t);
    for (uint32_t k = 0; k < v->t; k++)
        cbor_put_point(st, &d->C[k]);
    cbor_put_array(st, v->n);
    for (uint32_t j = 0; j < v->n; j++)
        cbor_put_hash(st, &d->share[j]);
}

static err_t prove_deal(struct vault_local *v, struct cbor_out *entry, const struct deal *d,
                        const scalar_t *a0, struct fault *f)
{
    struct cbor_out st = CBOR_OUT_INIT, ev = CBOR_OUT_INIT, context = CBOR_OUT_INIT;
    uint8_t fresh[32];
    struct pok proof;
    TRY(seed_fresh(&v->ks, fresh, f));
    err_t e = deal_context(&context, &v->roster, d);
    if (e == OK)
        e = pok_prove(v->g, &proof, a0, &d->C[0], fresh, "conclave/deal-pok", &v->election, context.data,
                      context.len);
    if (e == OK)
        e = vault_made(
            pok_verify(v->g, &proof, &d->C[0], "conclave/deal-pok", &v->election, context.data, context.len),
            "a proof", f);
    cbor_out_free(&context);
    secret_wipe(fresh, sizeof fresh);
    if (e == ERR_SELFTEST)
        return e;
    if (e != OK)
        return fault_set(f, e, "making the proof of knowledge");
    deal_statement(&st, v, d);
    cbor_put_pok(&ev, &proof);
    return vault_entry_sign(v, entry, ENTRY_DEAL, &v->roster.ceremony, NULL, &st, &ev, f);
}

err_t vault_local_deal(void *ctx, struct cbor_out *entry, struct vault_dealt *out, struct fault *f)
{
    struct vault_local *v = ctx;
    struct deal *d = NULL;
    uint8_t *seed = NULL;
    scalar_t *a = NULL;
    err_t e;
    memset(out, 0, sizeof *out);
    TRY(vault_bind(v, f));
    d = malloc(sizeof *d);
    if (d == NULL)
        return fault_set(f, ERR_MEMORY, "deal");
    GO(vault_secret_seed(v, &seed, f));
    GO(polynomial(v, &a, seed));
    GO(make_shares(v, d, out, seed, a, f));
    GO(prove_deal(v, entry, d, &a[0], f));
out:
    secret_free(a);
    secret_free(seed);
    free(d);
    secret_burn_stack();
    if (e != OK)
        memset(out, 0, sizeof *out);
    return e;
}

/* --- reveals --- */

/* Who complains, from a signed complaint about exactly this deal. */
static err_t complainer(struct vault_local *v, uint32_t *seat, const struct deal *d,
                        const struct bytes *complaint, struct fault *f)
{
    struct entry *e;
    hash_t named, own;
    struct cbor_out st = CBOR_OUT_INIT;
    *seat = 0;
    deal_statement(&st, v, d);
    err_t err =
        entry_statement_id(&own, ENTRY_DEAL, &v->election, &v->roster.ceremony, &v->key.identity, NULL, &st);
    cbor_out_free(&st);
    TRY(err);
    TRY(vault_entry_read(v, &e, complaint, VAULT_ENTRY_MAX, f));
    uint32_t j = roster_seat(&v->roster, &e->author);
    if (complaint_parse(&named, e) != OK || j == 0 || j == v->seat ||
        hash_cmp(&e->ceremony, &v->roster.ceremony) != 0 || hash_cmp(&named, &own) != 0)
        err = fault_set(f, ERR_REFUSED,
                        "this is no complaint of another seat about your deal: nothing is revealed");
    entry_free(e);
    *seat = err == OK ? j : 0;
    return err;
}

static err_t sign_reveal(struct vault_local *v, struct cbor_out *entry, const struct deal *d,
                         const uint8_t *seed, const struct vault_dealt *dealt, uint32_t seat, struct fault *f)
{
    scalar_t *eph;
    struct cbor_out st = CBOR_OUT_INIT, file = CBOR_OUT_INIT, deal = CBOR_OUT_INIT;
    hash_t subject, id;
    deal_statement(&deal, v, d);
    err_t e =
        entry_statement_id(&id, ENTRY_DEAL, &v->election, &v->roster.ceremony, &v->key.identity, NULL, &deal);
    cbor_out_free(&deal);
    TRY(e);
    TRY(secret_alloc((void **)&eph, sizeof *eph));
    e = seed_encapsulation(eph, seed, &v->roster.ceremony, seat);
    sealed_put(&file, &dealt->share[seat - 1]);
    cbor_put_array(&st, 4);
    cbor_put_hash(&st, &id);
    cbor_put_uint(&st, seat);
    cbor_put_scalar(&st, eph);
    cbor_put_bytes(&st, file.data, file.len);
    subject_seat(&subject, seat);
    secret_free(eph);
    e = e == OK ? file.err : e;
    cbor_out_free(&file);
    if (e == OK)
        return vault_entry_sign(v, entry, ENTRY_REVEAL, &v->roster.ceremony, &subject, &st, NULL, f);
    cbor_out_free(&st);
    return e;
}

err_t vault_local_reveal(void *ctx, struct cbor_out *entry, const struct bytes *complaint, struct fault *f)
{
    struct vault_local *v = ctx;
    struct deal *d = NULL;
    struct vault_dealt *dealt = NULL;
    uint8_t *seed = NULL;
    scalar_t *a = NULL;
    uint32_t seat;
    err_t e;
    TRY(vault_is_bound(v, f));
    d = malloc(sizeof *d);
    dealt = calloc(1, sizeof *dealt);
    if (d == NULL || dealt == NULL) {
        e = fault_set(f, ERR_MEMORY, "reveal");
        goto out;
    }
    GO(vault_secret_seed(v, &seed, f));
    GO(polynomial(v, &a, seed));
    GO(make_shares(v, d, dealt, seed, a, f));
    GO(complainer(v, &seat, d, complaint, f));
    GO(sign_reveal(v, entry, d, seed, dealt, seat, f));
out:
    secret_free(a);
    secret_free(seed);
    free(dealt);
    free(d);
    secret_burn_stack();
    return e;
}

/* --- opening a share --- */

err_t vault_secret_share_of(struct vault_local *v, scalar_t *secret_share, const struct deal *d,
                            const struct sealed *s, struct fault *f)
{
    point_t expected, got;
    struct cbor_out info = CBOR_OUT_INIT;
    err_t e;
    share_info(&info, &v->roster, d, v->seat);
    GO(vault_open(v, secret_share->b, s, &info, f));
    if (scalar_check(secret_share) != OK) {
        e = fault_set(f, ERR_SHARE, "not a canonical scalar");
        goto out;
    }
    GO(deal_expected(v->g, &expected, d, v->t, v->seat));
    GO(point_mul_base(v->g, &got, secret_share));
    if (!point_equal(&got, &expected))
        e = fault_set(f, ERR_SHARE, "not on the polynomial of the deal");
out:
    if (e != OK)
        secret_wipe(secret_share, sizeof *secret_share);
    secret_burn_stack();
    return e;
}

err_t vault_local_share_check(void *ctx, uint32_t dealer, const point_t C[TRUSTEES_MAX],
                              const struct sealed *share, struct fault *f)
{
    struct vault_local *v = ctx;
    scalar_t *s;
    TRY(vault_needs_roster(v, f));
    if (dealer < 1 || dealer > v->n)
        return fault_set(f, ERR_BUG, "dealer %u", dealer);
    struct deal *d = calloc(1, sizeof *d);
    if (d == NULL)
        return fault_set(f, ERR_MEMORY, "share");
    err_t e = secret_alloc((void **)&s, sizeof *s);
    if (e != OK)
        fault_set(f, e, "share");
    d->seat = dealer;
    memcpy(d->C, C, v->t * sizeof *C);
    for (uint32_t k = 0; k < v->t && e == OK; k++) /* as deal_check did, which the caller ran or not */
        e = point_check(v->g, &d->C[k]);
    if (e == OK)
        e = vault_secret_share_of(v, s, d, share, f);
    if (s != NULL)
        secret_free(s);
    free(d);
    return e;
}
