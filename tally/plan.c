#include "tally/plan.h"

#include <stdlib.h>
#include <string.h>

#include "ceremony/base/array.h"
#include "ceremony/base/file.h"

err_t plan_hash(hash_t *out, const uint8_t *data, size_t len)
{
    struct cbor_out o = CBOR_OUT_INIT;
    cbor_put_array(&o, 2);
    cbor_put_text(&o, "conclave/plan-id");
    cbor_put_bytes(&o, data, len);
    return cbor_out_hash(&o, out);
}

void plan_free(struct plan *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->unit_count; i++) {
        free(p->unit[i].member);
        free(p->unit[i].A);
        free(p->unit[i].B);
    }
    free(p->unit);
    free(p);
}

/* --- reading --- */

static void get_version(struct cbor_in *in, uint64_t v)
{
    if (cbor_get_uint(in, UINT64_MAX) != v)
        cbor_fail(in, ERR_VERSION);
}

static void get_same_hash(struct cbor_in *in, hash_t *out, const hash_t *want)
{
    cbor_get_hash(in, out);
    if (in->err == OK && hash_cmp(out, want) != 0)
        cbor_fail(in, ERR_ELECTION);
}

static void get_level(struct cbor_in *in, const struct election_context *ctx, struct plan_unit *u)
{
    char level[TEXT_ID_MAX + 1];
    cbor_get_id(in, level, TEXT_ID_MAX);
    for (u->level = 0; in->err == OK && u->level < ctx->m->level_count; u->level++)
        if (strcmp(level, ctx->m->level[u->level]) == 0)
            return;
    cbor_fail(in, ERR_UNKNOWN);
    u->level = 0;
}

static void get_members(struct cbor_in *in, const struct election_context *ctx, struct plan_unit *u)
{
    size_t count = cbor_get_array(in, 1, places_count(ctx->places)), cap = 0;
    char id[TEXT_ID_MAX + 1] = "";
    for (size_t i = 0; i < count && in->err == OK; i++) {
        /* not for count at once: it is only claimed so far */
        if (array_room(&u->member, i + 1, &cap, sizeof *u->member, 1) != OK) {
            cbor_fail(in, ERR_MEMORY);
            return;
        }
        struct plan_member *m = &u->member[i];
        cbor_get_array_exact(in, 2);
        cbor_get_id(in, id, TEXT_ID_MAX);
        int64_t place = in->err == OK ? places_find(ctx->places, id) : 0;
        if (place < 0)
            cbor_fail(in, ERR_UNKNOWN);
        m->place = place < 0 ? 0 : (uint32_t)place;
        cbor_get_hash(in, &m->hash);
        u->member_count++;
    }
    u->is_group = !(u->member_count == 1 && strcmp(id, u->place) == 0);
}

static void get_sums(struct cbor_in *in, struct plan_unit *u, size_t option_count)
{
    cbor_get_array_exact(in, option_count);
    if (in->err != OK)
        return;
    u->A = calloc(option_count, sizeof *u->A);
    u->B = calloc(option_count, sizeof *u->B);
    u->option_count = option_count;
    if (!u->A || !u->B)
        cbor_fail(in, ERR_MEMORY);
    for (size_t i = 0; i < option_count && in->err == OK; i++) {
        struct elgamal ct;
        struct elgamal_affine a;
        cbor_get_elgamal_sum_var(in, &ct, &a);
        u->A[i] = ct.A;
        u->B[i] = ct.B;
    }
}

static void get_unit(struct cbor_in *in, const struct election_context *ctx, struct plan_unit *u)
{
    char contest[TEXT_ID_MAX + 1];
    cbor_get_array_exact(in, 6);
    cbor_get_id(in, u->place, TEXT_ID_MAX);
    get_level(in, ctx, u);
    get_members(in, ctx, u);
    cbor_get_id(in, contest, TEXT_ID_MAX);
    int c = in->err == OK ? manifest_contest(ctx->m, contest) : 0;
    if (c < 0)
        cbor_fail(in, ERR_UNKNOWN);
    u->ballots = cbor_get_uint(in, (uint64_t)1 << 48);
    if (in->err != OK)
        return;
    u->contest = (uint32_t)c;
    get_sums(in, u, ctx->m->contest[c].option_count);
}

static void get_plan(struct cbor_in *in, const struct election_context *ctx, struct plan *p)
{
    size_t cap = 0;
    cbor_get_array_exact(in, 8);
    cbor_get_text_exact(in, "conclave/plan");
    get_version(in, 1);
    get_version(in, SCHEME_P256_ELGAMAL);
    get_same_hash(in, &p->election, &ctx->m->election);
    get_same_hash(in, &p->record, &ctx->r->id);
    cbor_get_hash(in, &p->root);
    p->has_supersedes = !cbor_get_null(in);
    if (p->has_supersedes)
        cbor_get_hash(in, &p->supersedes);
    size_t count = cbor_get_array(in, 1, PLAN_UNITS_MAX);
    for (size_t i = 0; i < count && in->err == OK; i++) {
        if (array_room(&p->unit, i + 1, &cap, sizeof *p->unit, 16) != OK) {
            cbor_fail(in, ERR_MEMORY);
            return;
        }
        memset(&p->unit[i], 0, sizeof p->unit[i]);
        p->unit_count++;
        get_unit(in, ctx, &p->unit[i]);
    }
}

err_t plan_parse_var(struct plan **out, const struct election_context *ctx, const uint8_t *data, size_t len,
                     struct fault *f)
{
    struct cbor_in in;
    err_t e;

    *out = NULL;
    if (len > PLAN_MAX)
        return fault_set(f, ERR_LIMIT, "the plan is too large");
    struct plan *p = calloc(1, sizeof *p);
    if (!p)
        return fault_set(f, ERR_MEMORY, "reading the plan");
    cbor_in_init(&in, data, len);
    get_plan(&in, ctx, p);
    GO(cbor_in_end(&in, f));
    GO(plan_hash(&p->id, data, len));
out:
    if (e != OK)
        plan_free(p);
    else
        *out = p;
    return e;
}

err_t plan_load_var(struct plan **out, const struct election_context *ctx, const char *path, struct fault *f)
{
    uint8_t *data = NULL;
    size_t len;
    *out = NULL;
    TRY(file_read(&data, &len, path, PLAN_MAX, f));
    err_t e = plan_parse_var(out, ctx, data, len, f);
    free(data);
    return e == OK ? OK : fault_file(f, e, path);
}

void plan_set_free(struct plan_set *s)
{
    for (size_t i = 0; i < s->count; i++)
        plan_free(s->plan[i]);
    free(s->plan);
    *s = (struct plan_set){0};
}

err_t plan_set_load_var(struct plan_set *out, const struct election_context *ctx, const char *const *path,
                        size_t count, struct fault *f)
{
    err_t e = OK;
    *out = (struct plan_set){.plan = calloc(count ? count : 1, sizeof *out->plan)};
    if (!out->plan)
        return fault_set(f, ERR_MEMORY, "reading plans");
    for (size_t i = 0; i < count && e == OK; i++) {
        e = plan_load_var(&out->plan[i], ctx, path[i], f);
        out->count += e == OK;
    }
    if (e != OK)
        plan_set_free(out);
    return e;
}

/* --- targets --- */

void plan_targets_free(struct target *t, size_t count)
{
    for (size_t i = 0; t && i < count; i++) {
        free(t[i].A);
        free(t[i].B);
    }
    free(t);
}

err_t plan_targets(struct target **out, const struct election_context *ctx, const struct plan *p)
{
    *out = NULL;
    struct target *t = calloc(p->unit_count ? p->unit_count : 1, sizeof *t);
    if (!t)
        return ERR_MEMORY;
    for (size_t i = 0; i < p->unit_count; i++) {
        const struct plan_unit *u = &p->unit[i];
        memcpy(t[i].place, u->place, sizeof t[i].place);
        memcpy(t[i].contest, ctx->m->contest[u->contest].id, sizeof t[i].contest);
        t[i].ballots = u->ballots;
        t[i].count = u->option_count;
        t[i].A = malloc(u->option_count * sizeof *t[i].A);
        t[i].B = malloc(u->option_count * sizeof *t[i].B);
        if (!t[i].A || !t[i].B) {
            plan_targets_free(t, p->unit_count);
            return ERR_MEMORY;
        }
        memcpy(t[i].A, u->A, u->option_count * sizeof *t[i].A);
        memcpy(t[i].B, u->B, u->option_count * sizeof *t[i].B);
    }
    *out = t;
    return OK;
}
