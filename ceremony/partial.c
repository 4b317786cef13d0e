#include "ceremony/partial.h"

#include <stdlib.h>
#include <string.h>

#include "ceremony/base/secret.h"
#include "ceremony/math/elgamal.h"
#include "ceremony/math/p256_var.h"

static struct dleq_statement statement_of(const struct record *r, uint32_t seat, const hash_t *plan,
                                          const struct target *x, const point_t *D)
{
    return (struct dleq_statement){&r->election,         &r->id,   plan, x->place, x->contest, seat,
                                   &r->seat[seat - 1].S, x->count, x->A, D};
}

static err_t decrypt_target(struct group *g, struct dleq *proof, point_t *D, const struct dleq_statement *x,
                            const scalar_t *secret_share, const uint8_t fresh[32], struct fault *f)
{
    err_t e = OK;
    for (size_t o = 0; o < x->count && e == OK; o++) {
        /* An identity would give the identity: nothing was encrypted there, and a proof over it says nothing.
         */
        e = point_is_identity(&x->A[o]) ? ERR_POINT : point_mul(g, &D[o], secret_share, &x->A[o]);
    }
    if (e == OK)
        e = dleq_prove(g, proof, x, secret_share, fresh);
    if (e != OK)
        fault_set(f, e, "partial decryption");
    return fault_who(f, e, "%s, %s", x->place, x->contest);
}

/* Some targets, which are verified together before they leave. */
#define CHECKED 32

struct made {
    struct dleq_statement st[CHECKED];
    struct dleq proof[CHECKED];
    uint8_t bad[CHECKED];
    point_t D[CHECKED][OPTIONS_MAX];
};

/* What is published cannot be taken back: a second statement would be equivocation. */
static err_t check_made(struct made *m, size_t count, struct fault *f)
{
    err_t e = dleq_verify_many_var(m->st, m->proof, count, m->bad);
    size_t i = 0;
    if (e != ERR_PROOF)
        return e == OK ? OK : fault_set(f, e, "checking a partial decryption");
    while (i + 1 < count && !m->bad[i])
        i++;
    fault_set(f, ERR_SELFTEST,
              "a partial decryption that was just made is wrong: this machine computed wrongly");
    return fault_who(f, ERR_SELFTEST, "%s, %s", m->st[i].place, m->st[i].contest);
}

static void put_made(struct cbor_out *statement, struct cbor_out *evidence, const struct made *m,
                     size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct dleq_statement *x = &m->st[i];
        cbor_put_array(statement, 3);
        cbor_put_text(statement, x->place);
        cbor_put_text(statement, x->contest);
        cbor_put_array(statement, x->count);
        for (size_t o = 0; o < x->count; o++)
            cbor_put_point(statement, &x->D[o]);
        cbor_put_dleq(evidence, &m->proof[i]);
    }
}

err_t partial_make(struct cbor_out *statement, struct cbor_out *evidence, struct group *g,
                   const struct record *r, uint32_t seat, const hash_t *plan, const struct target *target,
                   size_t target_count, const scalar_t *secret_share,
                   err_t (*fresh)(void *ctx, uint8_t out[32], struct fault *f), void *fresh_ctx,
                   struct fault *f)
{
    uint8_t rnd[32];
    err_t e = OK;
    struct made *m = malloc(sizeof *m);
    if (m == NULL)
        return fault_set(f, ERR_MEMORY, "partial decryption");
    cbor_put_array(statement, 2);
    cbor_put_hash(statement, plan);
    cbor_put_array(statement, target_count);
    cbor_put_array(evidence, target_count);
    for (size_t done = 0; done < target_count;) {
        size_t n = 0;
        for (; n < CHECKED && done + n < target_count; n++) {
            const struct target *x = &target[done + n];
            if (x->count < 1 || x->count > OPTIONS_MAX)
                GO(fault_set(f, ERR_LIMIT, "%zu options", x->count));
            GO(fresh(fresh_ctx, rnd, f));
            m->st[n] = statement_of(r, seat, plan, x, m->D[n]);
            e = decrypt_target(g, &m->proof[n], m->D[n], &m->st[n], secret_share, rnd, f);
            secret_wipe(rnd, sizeof rnd);
            GO(e);
        }
        GO(check_made(m, n, f));
        put_made(statement, evidence, m, n);
        done += n;
    }
    e = statement->err != OK ? statement->err : evidence->err;
out:
    free(m);
    return e;
}

/* --- reading --- */

void partial_free(struct partial *p)
{
    if (p == NULL)
        return;
    if (p->D != NULL)
        free(p->D[0]);
    free(p->D);
    free(p->proof);
    free(p);
}

static err_t partial_new(struct partial **out, const struct target *target, size_t count, struct fault *f)
{
    size_t options = 0;
    for (size_t i = 0; i < count; i++)
        options += target[i].count;
    struct partial *p = calloc(1, sizeof *p);
    *out = p;
    if (p == NULL || count == 0)
        return fault_set(f, p == NULL ? ERR_MEMORY : ERR_BUG, "partial decryption");
    p->target_count = count;
    p->D = calloc(count, sizeof *p->D);
    p->proof = calloc(count, sizeof *p->proof);
    point_t *all = calloc(options, sizeof *all);
    if (p->D != NULL)
        p->D[0] = all;
    if (p->D == NULL || p->proof == NULL || all == NULL) {
        if (p->D == NULL)
            free(all);
        return fault_set(f, ERR_MEMORY, "partial decryption");
    }
    for (size_t i = 1; i < count; i++)
        p->D[i] = p->D[i - 1] + target[i - 1].count;
    return OK;
}

/* Points are only copied here; whoever verifies decompresses them, which is their check. */
static err_t read_statement(struct partial *p, const struct entry *entry, const struct target *target,
                            size_t count, struct fault *f)
{
    struct cbor_in in;
    cbor_in_init(&in, entry->statement, entry->statement_len);
    cbor_get_array_exact(&in, 2);
    cbor_get_hash(&in, &p->plan);
    size_t have = cbor_get_array(&in, 1, SIZE_MAX);
    if (in.err == OK && have != count)
        return fault_set(f, ERR_MISMATCH, "%zu targets, the plan has %zu", have, count);
    for (size_t i = 0; i < count && in.err == OK; i++) {
        char place[TEXT_ID_MAX + 1], contest[TEXT_ID_MAX + 1];
        cbor_get_array_exact(&in, 3);
        cbor_get_id(&in, place, TEXT_ID_MAX);
        cbor_get_id(&in, contest, TEXT_ID_MAX);
        cbor_get_array_exact(&in, target[i].count);
        for (size_t o = 0; o < target[i].count && in.err == OK; o++)
            cbor_get_fixed(&in, p->D[i][o].b, POINT_LEN);
        if (in.err == OK && (strcmp(place, target[i].place) != 0 || strcmp(contest, target[i].contest) != 0))
            return fault_set(f, ERR_MISMATCH, "target %zu is %s, %s; the plan has %s, %s", i, place, contest,
                             target[i].place, target[i].contest);
    }
    return cbor_in_end(&in, f);
}

static err_t read_evidence(struct partial *p, const struct entry *entry, struct group *g, struct fault *f)
{
    struct cbor_in in;
    cbor_in_init(&in, entry->evidence, entry->evidence_len);
    cbor_get_array_exact(&in, p->target_count);
    for (size_t i = 0; i < p->target_count && in.err == OK; i++)
        cbor_get_dleq(&in, g, &p->proof[i]);
    return cbor_in_end(&in, f);
}

err_t partial_parse(struct partial **out, const struct entry *entry, const struct record *r,
                    const hash_t *plan, const struct target *target, size_t target_count, struct fault *f)
{
    struct partial *p = NULL;
    struct group *g = NULL;
    uint32_t seat = 0;
    err_t e;
    *out = NULL;
    for (uint32_t j = 1; j <= r->n; j++)
        if (point_equal(&r->seat[j - 1].identity, &entry->author))
            seat = j;
    if (entry->kind != ENTRY_PARTIAL || seat == 0 || !(r->holders >> (seat - 1) & 1) ||
        hash_cmp(&entry->ceremony, &r->ceremony) != 0)
        return fault_set(f, ERR_ELECTION, "not a partial decryption by a holder of this key");
    GO(group_new(&g));
    GO(partial_new(&p, target, target_count, f));
    p->seat = seat;
    p->statement_id = entry->statement_id;
    GO(read_statement(p, entry, target, target_count, f));
    if (hash_cmp(&p->plan, plan) != 0 || hash_cmp(&entry->subject, plan) != 0) {
        e = fault_set(f, ERR_MISMATCH, "made for another plan");
        goto out;
    }
    GO(read_evidence(p, entry, g, f));
    *out = p;
    p = NULL;
out:
    partial_free(p);
    group_free(g);
    return seat == 0 ? e : fault_who(f, e, "seat %u, %s", seat, r->seat[seat - 1].name);
}

err_t partial_verify_var(const struct partial *p, const struct record *r, const struct target *target,
                         size_t target_count, struct fault *f)
{
    struct dleq_statement *st = calloc(target_count, sizeof *st);
    uint8_t *bad = calloc(target_count, 1);
    err_t e = st == NULL || bad == NULL ? fault_set(f, ERR_MEMORY, "proofs") : OK;
    for (size_t i = 0; e == OK && i < target_count; i++)
        st[i] = statement_of(r, p->seat, &p->plan, &target[i], p->D[i]);
    if (e == OK)
        e = dleq_verify_many_var(st, p->proof, target_count, bad);
    for (size_t i = 0; e == ERR_PROOF && i < target_count; i++) {
        if (bad[i]) {
            fault_set(f, e, "partial decryption of %s in %s", target[i].contest, target[i].place);
            break;
        }
    }
    free(bad);
    free(st);
    return fault_who(f, e, "seat %u, %s", p->seat, r->seat[p->seat - 1].name);
}

/* --- combining --- */

/* M = B - sum lambda_i D_i */
static err_t combine_option(struct p256_jacobian *M, const struct partial *const *p, uint32_t t,
                            const scalar_t *minus_lambda, size_t i, size_t o, const point_t *B)
{
    struct p256_affine part[TRUSTEES_MAX], b;
    for (uint32_t k = 0; k < t; k++)
        TRY(p256_decompress_var(&part[k], &p[k]->D[i][o]));
    TRY(p256_decompress_sum_var(&b, B));
    TRY(p256_msm_var(M, minus_lambda, part, t, 256));
    p256_add_affine_var(M, M, &b);
    return OK;
}

static err_t combine_target(uint64_t *count, const struct partial *const *p, uint32_t t,
                            const scalar_t *minus_lambda, const struct target *target, size_t i,
                            uint64_t limit, const struct dlog *dlog, struct fault *f)
{
    err_t e = OK;
    for (size_t o = 0; o < target[i].count && e == OK; o++) {
        struct p256_jacobian M;
        e = combine_option(&M, p, t, minus_lambda, i, o, &target[i].B[o]);
        if (e == OK)
            e = dlog_find_var(dlog, &count[o], &M, limit);
        if (e != OK)
            fault_set(f, e, "option %zu has no count up to %llu", o + 1, (unsigned long long)limit);
    }
    return fault_who(f, e, "%s, %s", target[i].place, target[i].contest);
}

err_t partial_combine_var(uint64_t *const *count, const struct partial *const *p, const struct record *r,
                          const struct target *target, size_t target_count, const uint64_t *limit,
                          struct fault *f)
{
    scalar_t minus_lambda[TRUSTEES_MAX];
    uint32_t seat[TRUSTEES_MAX];
    uint64_t top = 1;
    struct dlog *dlog = NULL;
    if (target_count == 0)
        return fault_set(f, ERR_BUG, "nothing to combine");
    for (uint32_t k = 0; k < r->t; k++)
        seat[k] = p[k]->seat;
    for (uint32_t k = 0; k < r->t; k++) {
        TRY(lagrange_at_zero(&minus_lambda[k], seat, r->t, k));
        scalar_neg(&minus_lambda[k], &minus_lambda[k]);
    }
    for (size_t i = 0; i < target_count; i++)
        top = limit[i] > top ? limit[i] : top;
    err_t e = dlog_new(&dlog, top);
    for (size_t i = 0; i < target_count && e == OK; i++)
        e = combine_target(count[i], p, r->t, minus_lambda, target, i, limit[i], dlog, f);
    dlog_free(dlog);
    for (size_t i = 0; i < target_count && e != OK; i++)
        memset(count[i], 0, target[i].count * sizeof *count[i]);
    return e;
}
