/* A trustee's deal, complaints and reveals. */
#include <stdlib.h>
#include <string.h>

#include "ceremony/base/secret.h"
#include "ceremony/trustee_secret.h"

static err_t own_seat(const struct trustee *t, const struct roster *r, uint32_t *seat, struct fault *f)
{
    *seat = roster_seat(r, &t->identity);
    return *seat != 0 ? OK : fault_set(f, ERR_MISMATCH, "your key has no seat in this roster");
}

/* All t coefficients a_i0 .. a_i,t-1, in secret memory. */
static err_t polynomial(struct trustee *t, scalar_t **secret_a, const uint8_t *seed, const struct roster *r)
{
    err_t e;
    scalar_t *a;
    *secret_a = NULL;
    TRY(secret_alloc((void **)&a, r->t * sizeof *a));
    GO(seed_contribution(&a[0], seed, &r->election, &t->identity));
    for (uint32_t k = 1; k < r->t; k++)
        GO(seed_coefficient(&a[k], seed, &r->ceremony, k));
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
static err_t seal_share(struct trustee *t, struct cbor_out *file, const struct roster *r, const struct deal *d,
                        const uint8_t *seed, const scalar_t *a, uint32_t j)
{
    uint8_t enc[65], ct[SCALAR_LEN + HPKE_TAG_LEN];
    scalar_t *s;
    struct cbor_out info = CBOR_OUT_INIT;
    TRY(secret_alloc((void **)&s, 2 * sizeof *s));
    evaluate(&s[0], a, r->t, j);
    share_info(&info, r, d, j);
    err_t e = info.err;
    if (e == OK)
        e = seed_encapsulation(&s[1], seed, &r->ceremony, j);
    if (e == OK)
        e = hpke_seal(t->g, enc, ct, &r->seat[j - 1].ceremony_key, &s[1], info.data, info.len, s[0].b, SCALAR_LEN);
    if (e == OK)
        sealed_put(file, enc, ct);
    secret_free(s);
    secret_burn_stack();
    cbor_out_free(&info);
    return e == OK ? file->err : e;
}

/* Points and ciphertexts, written as detached files before the deal that names them. */
static err_t make_shares(struct trustee *t, const struct roster *r, struct deal *d, const uint8_t *seed,
                         const scalar_t *a, struct fault *f)
{
    for (uint32_t k = 0; k < r->t; k++)
        TRY(point_mul_base(t->g, &d->C[k], &a[k]));
    for (uint32_t j = 1; j <= r->n; j++) {
        struct cbor_out file = CBOR_OUT_INIT;
        err_t e = seal_share(t, &file, r, d, seed, a, j);
        if (e == OK)
            e = board_detached_put(t->b, &d->share[j - 1], file.data, file.len, f);
        cbor_out_free(&file);
        if (e != OK)
            return e;
    }
    return OK;
}

static err_t post_deal(struct trustee *t, const struct roster *r, const struct deal *d, const scalar_t *a0,
                       struct fault *f)
{
    struct cbor_out st = CBOR_OUT_INIT, ev = CBOR_OUT_INIT, context = CBOR_OUT_INIT;
    uint8_t fresh[32];
    struct pok proof;
    TRY(seed_fresh(&t->ks, fresh, f));
    err_t e = deal_context(&context, r, d);
    if (e == OK)
        e = pok_prove(t->g, &proof, a0, &d->C[0], fresh, "conclave/deal-pok", &r->election, context.data,
                      context.len);
    cbor_out_free(&context);
    secret_wipe(fresh, sizeof fresh);
    if (e != OK)
        return fault_set(f, e, "making the proof of knowledge");
    cbor_put_array(&st, 2);
    cbor_put_array(&st, r->t);
    for (uint32_t k = 0; k < r->t; k++)
        cbor_put_point(&st, &d->C[k]);
    cbor_put_array(&st, r->n);
    for (uint32_t j = 0; j < r->n; j++)
        cbor_put_hash(&st, &d->share[j]);
    cbor_put_pok(&ev, &proof);
    return trustee_post(t, NULL, ENTRY_DEAL, &r->ceremony, NULL, &st, &ev, f);
}

/* The person compared the words and this trustee signed exactly this roster. */
static err_t roster_gate(struct trustee *t, const struct roster *r, struct fault *f)
{
    struct roster signed_one;
    err_t e = roster_signed_by(&signed_one, t->m, t->b, t->g, &t->identity, f);
    if (e == ERR_MISSING)
        return fault_set(f, ERR_EARLY, "compare the roster's words and sign the roster first");
    if (e == OK && hash_cmp(&signed_one.ceremony, &r->ceremony) != 0)
        return fault_set(f, ERR_MISMATCH, "you signed another roster");
    return e;
}

static int ciphertexts_here(const struct trustee *t, const struct roster *r, const struct deal *d)
{
    for (uint32_t j = 0; j < r->n; j++) {
        uint8_t *data;
        size_t len;
        if (board_detached_get(t->b, &data, &len, &d->share[j], NULL) != OK)
            return 0;
        free(data);
    }
    return 1;
}

err_t deal_make(struct trustee *t, const struct roster *r, struct fault *f)
{
    struct deal d = {0};
    uint8_t *seed = NULL;
    scalar_t *a = NULL;
    err_t e;
    TRY(own_seat(t, r, &d.seat, f));
    TRY(roster_gate(t, r, f));
    TRY(roster_check_own(t, r, f));
    TRY(t->ks.ops->bind(t->ks.ctx, &t->label, BIND_CEREMONY, &r->ceremony, f));
    struct deal before;
    err_t dealt = deal_of_seat(&before, t->b, r, t->g, d.seat, NULL, 0, f);
    if (dealt == OK && ciphertexts_here(t, r, &before))
        return OK; /* repeated */
    if (dealt != OK && dealt != ERR_MISSING)
        return dealt;
    fault_clear(f);
    GO(trustee_seed(t, &seed, f));
    GO(polynomial(t, &a, seed, r));
    GO(make_shares(t, r, &d, seed, a, f)); /* repeated: the same bytes, in case some were lost on the way */
    if (dealt == ERR_MISSING)
        GO(post_deal(t, r, &d, &a[0], f));
    else if (memcmp(d.share, before.share, sizeof d.share) != 0)
        e = fault_set(f, ERR_MISMATCH, "the own deal names other ciphertexts than this token makes");
out:
    secret_free(a);
    secret_free(seed);
    secret_burn_stack();
    return e;
}

/* --- checking shares, complaining, answering --- */

err_t trustee_share_of(struct trustee *t, scalar_t *secret_share, const struct roster *r, const struct deal *d,
                       uint32_t seat, struct fault *f)
{
    uint8_t *sealed = NULL;
    size_t len;
    point_t expected, got;
    struct cbor_out info = CBOR_OUT_INIT;
    err_t e = board_detached_get(t->b, &sealed, &len, &d->share[seat - 1], f);
    if (e == ERR_HASH || e == ERR_LIMIT)
        e = fault_set(f, ERR_MISSING, "the ciphertext of the share is damaged on this board");
    GO(e);
    share_info(&info, r, d, seat);
    GO(trustee_open(t, secret_share->b, sealed, len, &info, f));
    if (scalar_check(secret_share) != OK) {
        e = fault_set(f, ERR_SHARE, "not a canonical scalar");
        goto out;
    }
    GO(deal_expected(t->g, &expected, d, r->t, seat));
    GO(point_mul_base(t->g, &got, secret_share));
    if (!point_equal(&got, &expected))
        e = fault_set(f, ERR_SHARE, "not on the polynomial of the deal");
out:
    if (e != OK)
        secret_wipe(secret_share, sizeof *secret_share);
    secret_burn_stack();
    free(sealed);
    return fault_who(f, e, "share of seat %u, %s", d->seat, r->seat[d->seat - 1].name);
}

int share_is_bad(err_t e)
{
    return e != ERR_MISSING && (e == ERR_SHARE || e == ERR_DECRYPT || e == ERR_POINT || e == ERR_SCALAR ||
                                err_class(e) == CLASS_INPUT);
}

err_t shares_check(struct trustee *t, const struct roster *r, uint32_t *bad, uint32_t *missing, struct fault *f)
{
    uint32_t seat;
    *bad = *missing = 0;
    scalar_t *s;
    TRY(own_seat(t, r, &seat, f));
    TRY(secret_alloc((void **)&s, sizeof *s));
    err_t e = OK;
    for (uint32_t i = 1; i <= r->n && e == OK; i++) {
        struct deal d;
        e = deal_of_seat(&d, t->b, r, t->g, i, NULL, 0, NULL);
        if (err_class(e) == CLASS_SYSTEM)
            break;
        if (e != OK) { /* no public deal: counted by the cut, not by complaints */
            e = OK;
            continue;
        }
        e = trustee_share_of(t, s, r, &d, seat, f);
        if (e == ERR_MISSING)
            *missing |= UINT32_C(1) << (i - 1);
        else if (share_is_bad(e))
            *bad |= UINT32_C(1) << (i - 1);
        else if (e != OK)
            break;
        e = OK;
    }
    secret_free(s);
    if (e == OK)
        fault_clear(f);
    return e;
}

err_t complaint_make(struct trustee *t, const struct roster *r, uint32_t bad, struct fault *f)
{
    uint8_t *seed;
    uint32_t seat;
    TRY(own_seat(t, r, &seat, f));
    /* If the own seed does not open, the own token is at fault and nobody is accused. */
    TRY(trustee_seed(t, &seed, f));
    secret_free(seed);
    for (uint32_t i = 1; i <= r->n; i++) {
        struct deal d;
        const struct entry *before;
        if (!(bad >> (i - 1) & 1))
            continue;
        TRY(deal_of_seat(&d, t->b, r, t->g, i, NULL, 0, f));
        TRY(board_find(t->b, &before, NULL, ENTRY_COMPLAINT, &r->ceremony, &t->identity, &d.statement_id));
        if (before != NULL)
            continue;
        struct cbor_out st = CBOR_OUT_INIT;
        cbor_put_array(&st, 1);
        cbor_put_hash(&st, &d.statement_id);
        TRY(trustee_post(t, NULL, ENTRY_COMPLAINT, &r->ceremony, &d.statement_id, &st, NULL, f));
    }
    return OK;
}

static err_t reveal_one(struct trustee *t, const struct roster *r, const struct deal *d, const uint8_t *seed,
                        uint32_t complainer, struct fault *f)
{
    scalar_t *eph = NULL, *a = NULL;
    struct cbor_out st = CBOR_OUT_INIT, file = CBOR_OUT_INIT;
    hash_t subject, have;
    err_t e;
    GO(secret_alloc((void **)&eph, sizeof *eph));
    GO(polynomial(t, &a, seed, r));
    GO(seal_share(t, &file, r, d, seed, a, complainer));
    hash_one(&have, file.data, file.len);
    if (hash_cmp(&have, &d->share[complainer - 1]) != 0) {
        e = fault_set(f, ERR_MISMATCH, "the own deal names another ciphertext than this token makes");
        goto out;
    }
    GO(seed_encapsulation(eph, seed, &r->ceremony, complainer));
    cbor_put_array(&st, 4);
    cbor_put_hash(&st, &d->statement_id);
    cbor_put_uint(&st, complainer);
    cbor_put_scalar(&st, eph);
    cbor_put_bytes(&st, file.data, file.len);
    subject_seat(&subject, complainer);
    e = trustee_post(t, NULL, ENTRY_REVEAL, &r->ceremony, &subject, &st, NULL, f);
out:
    secret_free(eph);
    secret_free(a);
    cbor_out_free(&st);
    cbor_out_free(&file);
    secret_burn_stack();
    return e;
}

/* Seats whose complaint about this trustee's deal counts, were the board cut now: the public rule decides, so that
 * nothing is revealed for a complaint that is void or not signed by its seat. */
static err_t complainers(struct trustee *t, const struct roster *r, uint32_t seat, uint32_t *who, struct fault *f)
{
    struct cut now;
    *who = 0;
    struct outcome *oc = calloc(1, sizeof *oc);
    if (oc == NULL)
        return fault_set(f, ERR_MEMORY, "complaints");
    err_t e = cut_make(&now, t->b, r, 0, f);
    if (e == OK) {
        e = cut_outcome(oc, t->m, t->b, r, &now, t->g, f);
        if (e == OK || e == ERR_QUORUM) {
            *who = oc->complaints[seat - 1];
            e = OK;
            fault_clear(f);
        }
        cut_free(&now);
    }
    free(oc);
    return e;
}

/* Once the own confirmation covers a cut with the complaint, or the key is out, there is nothing to answer. */
static err_t not_confirmed_yet(const struct trustee *t, const struct roster *r, struct fault *f)
{
    for (size_t i = 0; i < t->b->entry_count; i++) {
        const struct entry *e = t->b->entry[i];
        if (e->kind != ENTRY_CUT || hash_cmp(&e->ceremony, &r->ceremony) != 0)
            continue;
        const struct entry *own;
        struct cut c;
        if (board_find(t->b, &own, NULL, ENTRY_CONFIRM, &r->ceremony, &t->identity, &e->subject) == OK && own == NULL)
            continue;
        err_t err = cut_parse(&c, e, r, NULL);
        if (err_class(err) == CLASS_SYSTEM)
            return err;
        if (err != OK)
            continue; /* somebody's rubbish with this subject */
        err = cut_covers(&c, t->b, r, NULL);
        cut_free(&c);
        if (err == OK)
            return fault_set(f, ERR_DONE, "you confirmed a cut that settles these complaints");
    }
    return OK;
}

err_t reveal_make(struct trustee *t, const struct roster *r, size_t *count, struct fault *f)
{
    struct deal d;
    uint32_t seat;
    uint8_t *seed;
    *count = 0;
    TRY(own_seat(t, r, &seat, f));
    TRY(deal_of_seat(&d, t->b, r, t->g, seat, NULL, 0, f));
    uint32_t who;
    TRY(complainers(t, r, seat, &who, f));
    if (who == 0)
        return OK;
    if ((uint32_t)__builtin_popcount(who) >= r->t)
        return fault_set(f, ERR_RULE, "%d trustees complain: at %u nothing is revealed", __builtin_popcount(who), r->t);
    TRY(not_confirmed_yet(t, r, f));
    TRY(trustee_seed(t, &seed, f));
    err_t e = OK;
    for (uint32_t j = 1; j <= r->n && e == OK; j++) {
        const struct entry *before;
        hash_t subject;
        if (!(who >> (j - 1) & 1))
            continue;
        subject_seat(&subject, j);
        e = board_find(t->b, &before, NULL, ENTRY_REVEAL, &r->ceremony, &t->identity, &subject);
        if (e == OK && before == NULL)
            e = reveal_one(t, r, &d, seed, j, f);
        *count += e == OK && before == NULL;
    }
    secret_free(seed);
    return e;
}
