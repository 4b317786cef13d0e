/* A trustee's plan signature, partial decryption and retirement. */
#include <stdlib.h>

#include "ceremony/trustee_parts.h"

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
        if (e->kind == ENTRY_PLAN && hash_cmp(&e->ceremony, &r->ceremony) == 0 && names_plan(e, plan) &&
            seat != 0 && r->holders >> (seat - 1) & 1)
            who |= UINT32_C(1) << (seat - 1);
    }
    return who;
}

uint32_t plan_rivals(const struct board *b, const struct record *r, const hash_t *plan,
                     const hash_t *previous)
{
    /* Who also signed this plan or the one before it has moved on from any third one. */
    uint32_t agree = plan_signers(b, r, plan) | (previous != NULL ? plan_signers(b, r, previous) : 0),
             rivals = 0;
    for (size_t i = 0; i < b->entry_count; i++) {
        const struct entry *e = b->entry[i];
        uint32_t seat = seat_of(r, &e->author);
        if (e->kind == ENTRY_PLAN && hash_cmp(&e->ceremony, &r->ceremony) == 0 && seat != 0 &&
            hash_cmp(&e->subject, plan) != 0 && names_plan(e, &e->subject) &&
            (r->holders & ~agree) >> (seat - 1) & 1)
            rivals |= UINT32_C(1) << (seat - 1);
    }
    return rivals;
}

/* Two honest trustees must not decrypt two plans: a difference of one ballot would show it. */
static err_t no_rival_plan(const struct trustee *t, const struct record *r, const hash_t *plan,
                           const hash_t *previous, struct fault *f)
{
    uint32_t own = UINT32_C(1) << (seat_of(r, &t->identity) - 1); /* what it signed itself, the token knows */
    uint32_t rivals = plan_rivals(t->b, r, plan, previous) & ~t->despite & ~own;
    if (rivals == 0)
        return OK;
    uint32_t seat = (uint32_t)__builtin_ctz(rivals) + 1;
    fault_set(f, ERR_CONFLICT,
              "another plan is signed on this board; find out with all trustees which one holds");
    return fault_who(f, ERR_CONFLICT, "seat %u, %s", seat, r->seat[seat - 1].name);
}

/* Tells the vault the ceremony of the record. */
static err_t tell_ceremony(struct trustee *t, const struct record *r, struct fault *f)
{
    struct roster *roster = malloc(sizeof *roster);
    if (roster == NULL)
        return fault_set(f, ERR_MEMORY, "roster");
    err_t e = trustee_roster_of(roster, t, r, f);
    if (e == OK)
        e = trustee_ready(t, roster, 0, f);
    free(roster);
    return e;
}

/* And the plan. */
static err_t tell_plan(struct trustee *t, const struct record *r, const struct plan_file *plan,
                       struct fault *f)
{
    TRY(tell_ceremony(t, r, f));
    return t->vault.ops->plan(t->vault.ctx, &plan->id, &plan->bytes, f);
}

err_t plan_sign(struct trustee *t, const struct record *r, const struct plan_file *plan,
                const struct plan_file *older, size_t older_count, struct fault *f)
{
    const struct entry *before;
    struct cbor_out entry = CBOR_OUT_INIT;
    TRY(is_holder(t, r, f));
    TRY(no_rival_plan(t, r, &plan->id, plan->has_supersedes ? &plan->supersedes : NULL, f));
    TRY(tell_plan(t, r, plan, f));
    for (size_t i = 0; i < older_count; i++)
        TRY(t->vault.ops->plan_before(t->vault.ctx, &older[i].bytes, f));
    /* The token is bound to the plan before it signs, also when the signature is here already. */
    err_t e = t->vault.ops->plan_sign(t->vault.ctx, &entry, f);
    if (e == OK)
        e = board_find(t->b, &before, NULL, ENTRY_PLAN, &r->ceremony, &t->identity, &plan->id);
    if (e == OK && before == NULL)
        e = trustee_post(t, NULL, ENTRY_PLAN, &entry, f);
    cbor_out_free(&entry);
    return e;
}

static err_t plan_gate(struct trustee *t, const struct record *r, const struct plan_file *plan,
                       struct fault *f)
{
    TRY(tell_plan(t, r, plan, f));
    TRY(t->vault.ops->plan_bound(t->vault.ctx, f));
    uint32_t who = (uint32_t)__builtin_popcount(plan_signers(t->b, r, &plan->id));
    if (who < t->m->plan_quorum)
        return fault_set(f, ERR_QUORUM, "%u trustees signed this plan, the manifest asks for %u", who,
                         t->m->plan_quorum);
    return OK;
}

err_t decrypt_make(struct trustee *t, const struct record *r, const struct plan_file *plan,
                   const struct target *target, size_t target_count, struct fault *f)
{
    const struct entry *before;
    struct vault_shares *in;
    struct bytes confirmation;
    uint32_t seat;
    struct cbor_out entry = CBOR_OUT_INIT;
    TRY(is_holder(t, r, f));
    TRY(plan_gate(t, r, plan, f));
    TRY(board_find(t->b, &before, NULL, ENTRY_PARTIAL, &r->ceremony, &t->identity, &plan->id));
    if (before != NULL) {
        struct partial *p;
        err_t e = partial_parse(&p, before, r, &plan->id, target, target_count, f);
        if (e == OK)
            e = partial_verify_var(p, r, target, target_count, f);
        partial_free(p);
        return e; /* repeated */
    }
    TRY(trustee_shares(t, r, &in, &seat, &confirmation, f));
    err_t e = t->vault.ops->decrypt(t->vault.ctx, &entry, in, &confirmation, f);
    free(in);
    if (e == OK)
        e = trustee_post(t, NULL, ENTRY_PARTIAL, &entry, f);
    cbor_out_free(&entry);
    return e;
}

/* --- retiring --- */

static err_t destroy_key(struct trustee *t, const struct entry *retirement, struct fault *f)
{
    struct bytes bytes = {retirement->bytes, retirement->bytes_len};
    return t->vault.ops->retire(t->vault.ctx, &t->m->election, &bytes, f);
}

err_t retire_again(struct trustee *t, const struct record *r, struct fault *f)
{
    for (size_t i = 0; i < t->b->entry_count; i++) {
        const struct entry *e = t->b->entry[i];
        if (e->kind != ENTRY_RETIRE || hash_cmp(&e->subject, &r->id) != 0)
            continue;
        err_t err = destroy_key(t, e, f);
        if (err != ERR_MISSING)
            return err;
    }
    return fault_set(f, ERR_MISSING, "this token did not retire from this key");
}

static err_t sign_retirement(struct trustee *t, const struct record *r, const struct entry **out,
                             struct fault *f)
{
    struct cbor_out st = CBOR_OUT_INIT, entry = CBOR_OUT_INIT;
    TRY(tell_ceremony(t, r, f));
    cbor_put_array(&st, 1);
    cbor_put_hash(&st, &r->id);
    struct bytes statement = {st.data, st.len};
    err_t e = st.err;
    if (e == OK)
        e = t->vault.ops->sign(t->vault.ctx, &entry, ENTRY_RETIRE, &r->id, &statement, f);
    if (e == OK)
        e = trustee_post(t, out, ENTRY_RETIRE, &entry, f);
    cbor_out_free(&st);
    cbor_out_free(&entry);
    return e;
}

err_t retire_make(struct trustee *t, const struct record *r, struct fault *f)
{
    const struct entry *before;
    TRY(is_holder(t, r, f));
    TRY(board_find(t->b, &before, NULL, ENTRY_RETIRE, &r->ceremony, &t->identity, &r->id));
    if (before == NULL)
        TRY(sign_retirement(t, r, &before, f));
    return destroy_key(t, before, f);
}
