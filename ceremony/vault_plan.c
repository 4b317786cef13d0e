/* The local vault: reading a plan's bytes, binding the token to them. */
#include <stdlib.h>
#include <string.h>

#include "ceremony/base/array.h"
#include "ceremony/vault_parts.h"

/* --- reading, with no knowledge of the election (docs/spec/plan.md) --- */

#define UNITS_MAX ((size_t)1 << 22)

/* SHA-256(CBOR ["conclave/plan-id", bstr]) without a copy of the bytes. */
static err_t plan_id(hash_t *out, const struct bytes *plan)
{
    struct cbor_out head = CBOR_OUT_INIT;
    struct hash_ctx h;
    cbor_put_array(&head, 2);
    cbor_put_text(&head, "conclave/plan-id");
    cbor_put_bytes_head(&head, plan->len);
    err_t e = head.err;
    if (e == OK) {
        hash_init(&h);
        hash_add(&h, head.data, head.len);
        hash_add(&h, plan->data, plan->len);
        hash_end(&h, out);
    }
    cbor_out_free(&head);
    return e;
}

void vault_plan_free(struct vault_plan *p)
{
    for (size_t i = 0; i < p->count; i++)
        free(p->target[i].A);
    free(p->target);
    memset(p, 0, sizeof *p);
}

static void get_unit(struct cbor_in *in, struct group *g, struct target *x)
{
    char id[TEXT_ID_MAX + 1];
    hash_t member;
    point_t B;
    cbor_get_array_exact(in, 6);
    cbor_get_id(in, x->place, TEXT_ID_MAX);
    cbor_get_id(in, id, TEXT_ID_MAX); /* level */
    size_t members = cbor_get_array(in, 1, PLACES_MAX);
    for (size_t i = 0; i < members && in->err == OK; i++) {
        cbor_get_array_exact(in, 2);
        cbor_get_id(in, id, TEXT_ID_MAX);
        cbor_get_hash(in, &member);
    }
    cbor_get_id(in, x->contest, TEXT_ID_MAX);
    x->ballots = cbor_get_uint(in, (uint64_t)1 << 48);
    x->count = cbor_get_array(in, 1, OPTIONS_MAX);
    if (in->err != OK)
        return;
    x->A = calloc(x->count, sizeof *x->A);
    if (x->A == NULL)
        cbor_fail(in, ERR_MEMORY);
    for (size_t o = 0; o < x->count && in->err == OK; o++) {
        cbor_get_array_exact(in, 2);
        cbor_get_sum(in, g, &x->A[o]);
        cbor_get_fixed(in, B.b, POINT_LEN);
    }
}

static void get_units(struct cbor_in *in, struct group *g, struct vault_plan *p)
{
    size_t cap = 0, count = cbor_get_array(in, 1, UNITS_MAX);
    for (size_t i = 0; i < count && in->err == OK; i++) {
        /* not for count at once: it is only claimed so far */
        if (array_room(&p->target, i + 1, &cap, sizeof *p->target, 16) != OK) {
            cbor_fail(in, ERR_MEMORY);
            return;
        }
        memset(&p->target[i], 0, sizeof p->target[i]);
        p->count++;
        get_unit(in, g, &p->target[i]);
    }
}

err_t vault_plan_read(struct vault_plan *out, const struct bytes *plan, struct fault *f)
{
    struct group *g;
    struct cbor_in in;
    hash_t root;
    memset(out, 0, sizeof *out);
    if (plan->len > VAULT_PLAN_MAX)
        return fault_set(f, ERR_LIMIT, "the plan is too large");
    TRY(group_new(&g));
    cbor_in_init(&in, plan->data, plan->len);
    cbor_get_array_exact(&in, 8);
    cbor_get_text_exact(&in, "conclave/plan");
    cbor_get_uint_exact(&in, 1);
    cbor_get_uint_exact(&in, SCHEME_P256_ELGAMAL);
    cbor_get_hash(&in, &out->election);
    cbor_get_hash(&in, &out->record);
    cbor_get_hash(&in, &root);
    out->has_supersedes = !cbor_get_null(&in);
    if (out->has_supersedes)
        cbor_get_hash(&in, &out->supersedes);
    get_units(&in, g, out);
    err_t e = cbor_in_end(&in, f);
    if (e == OK)
        e = plan_id(&out->id, plan);
    group_free(g);
    if (e != OK)
        vault_plan_free(out);
    return e;
}

/* --- one plan --- */

err_t vault_local_plan(void *ctx, const hash_t *id, const struct bytes *plan, struct fault *f)
{
    struct vault_local *v = ctx;
    if (v->has_plan && hash_cmp(&v->plan.id, id) == 0)
        return OK;
    v->has_plan = 0;
    vault_plan_free(&v->plan);
    TRY(vault_plan_read(&v->plan, plan, f));
    err_t e = hash_cmp(&v->plan.id, id) == 0
                  ? OK
                  : fault_set(f, ERR_MISMATCH, "the plan's bytes have another hash");
    if (e == OK && v->on_plan != NULL)
        e = v->on_plan(v->on_plan_ctx, &v->plan, f);
    if (e != OK)
        vault_plan_free(&v->plan);
    v->has_plan = e == OK;
    return e;
}

static err_t needs_plan(const struct vault_local *v, struct fault *f)
{
    TRY(vault_needs_roster(v, f));
    if (!v->has_plan)
        return fault_set(f, ERR_BUG, "the vault was not given the plan");
    if (hash_cmp(&v->plan.election, &v->election) != 0)
        return fault_set(f, ERR_ELECTION, "the plan is of another election");
    return OK;
}

err_t vault_local_plan_before(void *ctx, const struct bytes *plan, struct fault *f)
{
    struct vault_local *v = ctx;
    struct vault_plan p;
    if (v->before_count == VAULT_PLANS_MAX)
        return fault_set(f, ERR_LIMIT, "more than %d plans", VAULT_PLANS_MAX);
    TRY(vault_plan_read(&p, plan, f));
    if (p.has_supersedes) { /* the first of a chain leads nowhere */
        v->before[v->before_count].id = p.id;
        v->before[v->before_count++].supersedes = p.supersedes;
    }
    vault_plan_free(&p);
    return OK;
}

/* Replaces the plan that is bound, if it is one of the chain behind this plan: *previous. Each step is what
 * the bytes of a plan say. torn: two are bound, because power went between writing the new binding and
 * destroying the old one. */
static err_t replace_plan(struct vault_local *v, hash_t *previous, const hash_t *bound, int torn,
                          struct fault *f)
{
    const struct keystore *ks = &v->ks;
    hash_t at = v->plan.supersedes;
    for (size_t steps = 0; steps <= v->before_count; steps++) {
        err_t e = torn || hash_cmp(bound, &at) == 0
                      ? ks->ops->rebind(ks->ctx, &v->key.label, BIND_PLAN, &at, &v->plan.id, f)
                      : ERR_TOKEN_BOUND;
        if (e != ERR_TOKEN_BOUND) {
            *previous = at;
            return e;
        }
        size_t i = 0;
        while (i < v->before_count && hash_cmp(&v->before[i].id, &at) != 0)
            i++;
        if (i == v->before_count)
            break;
        at = v->before[i].supersedes;
    }
    return fault_set(f, ERR_TOKEN_BOUND, "your token signed another plan, which this one does not supersede");
}

err_t vault_local_plan_sign(void *ctx, struct cbor_out *entry, struct fault *f)
{
    struct vault_local *v = ctx;
    const struct vault_plan *p = &v->plan;
    const struct keystore *ks = &v->ks;
    hash_t previous = p->supersedes;
    TRY(needs_plan(v, f));
    TRY(vault_is_bound(v, f));
    /* The token first: once it is bound, it cannot be brought to sign a second plan by another board. */
    if (p->has_supersedes) {
        hash_t bound;
        err_t e = ks->ops->bound(ks->ctx, &bound, &v->key.label, BIND_PLAN, f);
        int torn = e == ERR_TOKEN_BOUND;
        if (torn || (e == OK && hash_cmp(&bound, &p->id) != 0))
            e = replace_plan(v, &previous, &bound, torn, f);
        if (e != OK && e != ERR_MISSING)
            return e;
        fault_clear(f);
    }
    TRY(ks->ops->bind(ks->ctx, &v->key.label, BIND_PLAN, &p->id, f));
    struct cbor_out st = CBOR_OUT_INIT;
    cbor_put_array(&st, 2);
    cbor_put_hash(&st, &p->id);
    if (p->has_supersedes)
        cbor_put_hash(&st, &previous);
    else
        cbor_put_null(&st);
    return vault_entry_sign(v, entry, ENTRY_PLAN, &v->roster.ceremony, &p->id, &st, NULL, f);
}

err_t vault_local_plan_bound(void *ctx, struct fault *f)
{
    struct vault_local *v = ctx;
    hash_t bound;
    TRY(needs_plan(v, f));
    err_t e = v->ks.ops->bound(v->ks.ctx, &bound, &v->key.label, BIND_PLAN, f);
    if (e == ERR_MISSING)
        return fault_set(f, ERR_EARLY, "your token has not signed this plan, or was removed");
    if (e == OK && hash_cmp(&bound, &v->plan.id) != 0)
        e = fault_set(f, ERR_TOKEN_BOUND, "your token signed another plan");
    return e;
}
