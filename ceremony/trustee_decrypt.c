/* A trustee's plan signature, partial decryption and retirement. */
#include <string.h>

#include "ceremony/base/secret.h"
#include "ceremony/trustee_secret.h"

static uint32_t seat_of(const struct record *r, const point_t *identity)
{
    for (uint32_t j = 1; j <= r->n; j++)
        if (point_equal(&r->seat[j - 1].identity, identity))
            return j;
    return 0;
}

static err_t is_holder(const struct trustee *t, const struct record *r, struct fault *f)
{
    uint32_t seat = seat_of(r, &t->identity);
    if (seat == 0 || !(r->holders >> (seat - 1) & 1))
        return fault_set(f, ERR_MISMATCH, "your key holds no share of this record");
    return OK;
}

static int names_plan(const struct entry *e, const hash_t *plan)
{
    struct cbor_in in;
    hash_t named, previous;
    cbor_in_init(&in, e->statement, e->statement_len);
    cbor_get_array_exact(&in, 2);
    cbor_get_hash(&in, &named);
    if (!cbor_get_null(&in))
        cbor_get_hash(&in, &previous);
    return cbor_in_end(&in, NULL) == OK && hash_cmp(&named, plan) == 0 && hash_cmp(&e->subject, plan) == 0;
}

uint32_t plan_signers(const struct board *b, const struct record *r, const hash_t *plan)
{
    uint32_t who = 0;
    for (size_t i = 0; i < b->entry_count; i++) {
        const struct entry *e = b->entry[i];
        uint32_t seat = seat_of(r, &e->author);
        if (e->kind == ENTRY_PLAN && hash_cmp(&e->ceremony, &r->ceremony) == 0 && names_plan(e, plan) && seat != 0 &&
            r->holders >> (seat - 1) & 1)
            who |= UINT32_C(1) << (seat - 1);
    }
    return who;
}

uint32_t plan_rivals(const struct board *b, const struct record *r, const hash_t *plan, const hash_t *previous)
{
    /* Who also signed this plan or the one before it has moved on from any third one. */
    uint32_t agree = plan_signers(b, r, plan) | (previous != NULL ? plan_signers(b, r, previous) : 0), rivals = 0;
    for (size_t i = 0; i < b->entry_count; i++) {
        const struct entry *e = b->entry[i];
        uint32_t seat = seat_of(r, &e->author);
        if (e->kind == ENTRY_PLAN && hash_cmp(&e->ceremony, &r->ceremony) == 0 && seat != 0 &&
            hash_cmp(&e->subject, plan) != 0 && names_plan(e, &e->subject) && (r->holders & ~agree) >> (seat - 1) & 1)
            rivals |= UINT32_C(1) << (seat - 1);
    }
    return rivals;
}

/* Two honest trustees must not decrypt two plans: a difference of one ballot would show it. */
static err_t no_rival_plan(const struct trustee *t, const struct record *r, const hash_t *plan, const hash_t *previous,
                           struct fault *f)
{
    uint32_t own = UINT32_C(1) << (seat_of(r, &t->identity) - 1); /* what it signed itself, the token knows */
    uint32_t rivals = plan_rivals(t->b, r, plan, previous) & ~t->despite & ~own;
    if (rivals == 0)
        return OK;
    uint32_t seat = (uint32_t)__builtin_ctz(rivals) + 1;
    fault_set(f, ERR_CONFLICT, "another plan is signed on this board; find out with all trustees which one holds");
    return fault_who(f, ERR_CONFLICT, "seat %u, %s", seat, r->seat[seat - 1].name);
}

err_t plan_sign(struct trustee *t, const struct record *r, const hash_t *plan, const hash_t *previous,
                struct fault *f)
{
    const struct entry *before;
    TRY(is_holder(t, r, f));
    TRY(no_rival_plan(t, r, plan, previous, f));
    /* The token first: once it is bound, it cannot be brought to sign a second plan by another board. */
    if (previous != NULL) {
        hash_t bound;
        err_t e = t->ks.ops->bound(t->ks.ctx, &bound, &t->label, BIND_PLAN, f);
        /* Power went between writing the new binding and destroying the old one: both are there, rebind ends it. */
        int torn = e == ERR_TOKEN_BOUND;
        if (torn || (e == OK && hash_cmp(&bound, plan) != 0))
            e = t->ks.ops->rebind(t->ks.ctx, &t->label, BIND_PLAN, previous, plan, f);
        if (e != OK && e != ERR_MISSING)
            return e;
        fault_clear(f);
    }
    TRY(t->ks.ops->bind(t->ks.ctx, &t->label, BIND_PLAN, plan, f));
    TRY(board_find(t->b, &before, NULL, ENTRY_PLAN, &r->ceremony, &t->identity, plan));
    if (before != NULL)
        return OK; /* repeated */
    struct cbor_out st = CBOR_OUT_INIT;
    cbor_put_array(&st, 2);
    cbor_put_hash(&st, plan);
    if (previous != NULL)
        cbor_put_hash(&st, previous);
    else
        cbor_put_null(&st);
    return trustee_post(t, NULL, ENTRY_PLAN, &r->ceremony, plan, &st, NULL, f);
}

static err_t plan_gate(struct trustee *t, const struct record *r, const hash_t *plan, struct fault *f)
{
    hash_t bound;
    err_t e = t->ks.ops->bound(t->ks.ctx, &bound, &t->label, BIND_PLAN, f);
    if (e == ERR_MISSING)
        return fault_set(f, ERR_EARLY, "your token has not signed this plan");
    if (e == OK && hash_cmp(&bound, plan) != 0)
        e = fault_set(f, ERR_TOKEN_BOUND, "your token signed another plan");
    if (e != OK)
        return e;
    uint32_t who = (uint32_t)__builtin_popcount(plan_signers(t->b, r, plan));
    if (who < t->m->plan_quorum)
        return fault_set(f, ERR_QUORUM, "%u trustees signed this plan, the manifest asks for %u", who,
                         t->m->plan_quorum);
    return OK;
}

static err_t fresh_from_token(void *ctx, uint8_t out[32], struct fault *f)
{
    return seed_fresh(ctx, out, f);
}

err_t decrypt_make(struct trustee *t, const struct record *r, const hash_t *plan, const struct target *target,
                   size_t target_count, struct fault *f)
{
    const struct entry *before;
    struct cbor_out st = CBOR_OUT_INIT, ev = CBOR_OUT_INIT;
    scalar_t *secret;
    uint32_t seat;
    TRY(is_holder(t, r, f));
    TRY(plan_gate(t, r, plan, f));
    TRY(board_find(t->b, &before, NULL, ENTRY_PARTIAL, &r->ceremony, &t->identity, plan));
    if (before != NULL) {
        struct partial *p;
        err_t e = partial_parse(&p, before, r, plan, target, target_count, f);
        if (e == OK)
            e = partial_verify_var(p, r, target, target_count, f);
        partial_free(p);
        return e; /* repeated */
    }
    TRY(share_rebuild(t, r, &secret, &seat, f));
    err_t e = partial_make(&st, &ev, t->g, r, seat, plan, target, target_count, secret, fresh_from_token, &t->ks, f);
    secret_free(secret);
    secret_burn_stack();
    if (e != OK) {
        cbor_out_free(&st);
        cbor_out_free(&ev);
        return e;
    }
    return trustee_post(t, NULL, ENTRY_PARTIAL, &r->ceremony, plan, &st, &ev, f);
}

/* --- retiring --- */

struct retired {
    struct trustee *t;
    const struct record *r;
    struct fault *f;
    int found;
};

/* Is this the key that signed a retirement? The token says so by signing: its ceremony key is gone, so that
 * trustee_find cannot tell. */
static err_t signed_retirement(void *ctx, const struct key_label *label)
{
    struct retired *x = ctx;
    struct keystore *ks = &x->t->ks;
    uint8_t signature[SIGNATURE_LEN];
    int signed_now = 0;
    for (size_t i = 0; i < x->t->b->entry_count && !x->found; i++) {
        const struct entry *e = x->t->b->entry[i];
        if (e->kind != ENTRY_RETIRE || hash_cmp(&e->subject, &x->r->id) != 0)
            continue;
        if (!signed_now) {
            err_t err = ks->ops->sign(ks->ctx, signature, label, &x->r->id, x->f);
            if (err == ERR_TOKEN_KEY) /* no identity key under this label */
                return OK;
            TRY(err);
            signed_now = 1;
        }
        err_t verdict = ecdsa_verify_var(&e->author, &x->r->id, signature);
        if (err_class(verdict) == CLASS_SYSTEM)
            return fault_set(x->f, verdict, "looking for the own retirement");
        x->found = verdict == OK;
    }
    return x->found ? ks->ops->retire(ks->ctx, label, x->f) : OK; /* in case the first time was cut short */
}

err_t retire_again(struct trustee *t, const struct record *r, struct fault *f)
{
    struct retired x = {t, r, f, 0};
    TRY(t->ks.ops->labels(t->ks.ctx, signed_retirement, &x, f));
    if (!x.found)
        return fault_set(f, ERR_MISSING, "this token did not retire from this key");
    fault_clear(f);
    return OK;
}

err_t retire_make(struct trustee *t, const struct record *r, struct fault *f)
{
    const struct entry *before;
    TRY(is_holder(t, r, f));
    TRY(board_find(t->b, &before, NULL, ENTRY_RETIRE, &r->ceremony, &t->identity, &r->id));
    if (before == NULL) {
        struct cbor_out st = CBOR_OUT_INIT;
        cbor_put_array(&st, 1);
        cbor_put_hash(&st, &r->id);
        TRY(trustee_post(t, NULL, ENTRY_RETIRE, &r->ceremony, &r->id, &st, NULL, f));
    }
    return t->ks.ops->retire(t->ks.ctx, &t->label, f);
}
