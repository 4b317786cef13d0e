/* Confirmations, public side. */
#include <stdlib.h>
#include <string.h>

#include "ceremony/phase.h"

static err_t hashed(scalar_t *out, const char *label, const struct roster *r, const hash_t *cut)
{
    struct cbor_out o = CBOR_OUT_INIT;
    cbor_put_array(&o, 3);
    cbor_put_text(&o, label);
    cbor_put_hash(&o, &r->election);
    cbor_put_hash(&o, cut);
    return cbor_out_scalar(&o, out, label);
}

err_t test_ciphertext(struct group *g, point_t *A, point_t *B, point_t *V, const struct roster *r,
                      const hash_t *cut, const point_t *Y)
{
    scalar_t rnd, v;
    TRY(hashed(&rnd, "conclave/test-r", r, cut));
    TRY(hashed(&v, "conclave/test-v", r, cut));
    TRY(point_mul_base(g, A, &rnd));
    TRY(point_mul_base(g, V, &v));
    return point_mul2(g, B, &v, &rnd, Y);
}

void confirm_statement(struct cbor_out *o, const struct roster *r, const struct cut *c,
                       const struct outcome *oc, const point_t *D)
{
    cbor_put_array(o, 6);
    cbor_put_hash(o, &c->hash);
    cbor_put_uint(o, oc->qual);
    cbor_put_uint(o, oc->holders);
    cbor_put_point(o, &oc->Y);
    cbor_put_array(o, (size_t)__builtin_popcount(oc->holders));
    for (uint32_t j = 0; j < r->n; j++)
        if (oc->holders >> j & 1)
            cbor_put_point(o, &oc->S[j]);
    cbor_put_point(o, D);
}

void confirm_context(struct cbor_out *o, const struct roster *r, const struct cut *c,
                     const struct outcome *oc, uint32_t seat)
{
    cbor_put_array(o, 6);
    cbor_put_hash(o, &r->ceremony);
    cbor_put_hash(o, &c->hash);
    cbor_put_uint(o, seat);
    cbor_put_uint(o, oc->qual);
    cbor_put_uint(o, oc->holders);
    cbor_put_point(o, &oc->Y);
}

static err_t parse_and_compare(point_t *D, struct pok *pok, struct dleq *dleq, const struct entry *e,
                               const struct roster *r, const struct cut *c, const struct outcome *oc,
                               struct group *g, struct fault *f)
{
    /* The statement is compared as a whole: only D is read from it. */
    if (e->statement_len < 2 + POINT_LEN)
        return fault_set(f, ERR_TRUNCATED, "confirmation");
    memcpy(D->b, e->statement + e->statement_len - POINT_LEN, POINT_LEN);
    TRY(point_check(g, D));
    struct cbor_out want = CBOR_OUT_INIT;
    confirm_statement(&want, r, c, oc, D);
    err_t err = want.err;
    if (err == OK && (want.len != e->statement_len || memcmp(want.data, e->statement, want.len) != 0))
        err = fault_set(f, ERR_MISMATCH, "the confirmation has other values than follow from the cut");
    cbor_out_free(&want);
    if (err != OK)
        return err;
    struct cbor_in in;
    cbor_in_init(&in, e->evidence, e->evidence_len);
    cbor_get_array_exact(&in, 2);
    cbor_get_pok(&in, g, pok);
    cbor_get_dleq(&in, g, dleq);
    return cbor_in_end(&in, f);
}

static err_t check_entry(point_t *D, const struct entry *e, const struct roster *r, const struct cut *c,
                         const struct outcome *oc, uint32_t seat, struct group *g, struct fault *f)
{
    static const hash_t none;
    struct pok pok;
    struct dleq dleq;
    point_t A, B, V;
    const point_t *S = &oc->S[seat - 1];
    TRY(parse_and_compare(D, &pok, &dleq, e, r, c, oc, g, f));
    struct cbor_out context = CBOR_OUT_INIT;
    confirm_context(&context, r, c, oc, seat);
    err_t err = context.err;
    if (err == OK)
        err = pok_verify(g, &pok, S, "conclave/confirm-pok", &r->election, context.data, context.len);
    cbor_out_free(&context);
    if (err != OK)
        return fault_set(f, err, "proof of knowledge of the share");
    TRY(test_ciphertext(g, &A, &B, &V, r, &c->hash, &oc->Y));
    struct dleq_statement st = {&r->election, &c->hash, &none, "test", "test", seat, S, 1, &A, D};
    err = dleq_verify_var(&st, &dleq);
    return err == OK ? OK : fault_set(f, err, "proof of the test decryption");
}

err_t confirm_check(point_t *D, const struct entry **used, const struct board *b, const struct roster *r,
                    const struct cut *c, const struct outcome *oc, uint32_t seat, struct group *g,
                    struct fault *f)
{
    const struct enrolment *who = &r->seat[seat - 1];
    const struct entry *first = NULL;
    err_t e = ERR_MISSING;
    int two = 0;
    memset(D, 0, sizeof *D);
    *used = NULL;
    for (size_t i = 0; i < b->entry_count && *used == NULL; i++) {
        const struct entry *x = b->entry[i];
        struct fault why;
        fault_clear(&why);
        if (x->kind != ENTRY_CONFIRM || hash_cmp(&x->ceremony, &r->ceremony) != 0 ||
            hash_cmp(&x->subject, &c->hash) != 0 || !point_equal(&x->author, &who->identity))
            continue;
        err_t tried = check_entry(D, x, r, c, oc, seat, g, &why);
        if (err_class(tried) == CLASS_SYSTEM) {
            memset(D, 0, sizeof *D);
            return fault_set(f, tried, "checking the confirmation of seat %u", seat);
        }
        if (tried == OK)
            *used = x;
        if (first == NULL && f != NULL)
            *f = why;
        if (first == NULL)
            e = tried;
        two |= first != NULL && hash_cmp(&first->statement_id, &x->statement_id) != 0;
        first = first != NULL ? first : x;
    }
    if (*used != NULL) {
        fault_clear(f);
        return OK;
    }
    memset(D, 0, sizeof *D);
    if (first == NULL)
        fault_set(f, ERR_MISSING, "has not confirmed");
    if (two)
        e = fault_set(f, ERR_EQUIVOCATION, "different confirmations of one cut, none of them good");
    return fault_who(f, e, "seat %u, %s", seat, who->name);
}

/* sum lambda_i D_i over the given seats equals r Y? Then B - that = V. */
static err_t combines(struct group *g, const uint32_t *seat, uint32_t t, const point_t D[TRUSTEES_MAX],
                      const point_t *B, const point_t *V, struct fault *f)
{
    scalar_t lambda[TRUSTEES_MAX];
    point_t part[TRUSTEES_MAX], sum;
    for (uint32_t i = 0; i < t; i++) {
        TRY(lagrange_at_zero(&lambda[i], seat, t, i));
        part[i] = D[seat[i] - 1];
    }
    TRY(point_mul_sum(g, &sum, lambda, part, t));
    TRY(point_add(g, &sum, &sum, V));
    return point_equal(&sum, B) ? OK : fault_set(f, ERR_DECRYPT, "the test decryption does not come out");
}

err_t test_decrypts(struct group *g, const struct roster *r, const struct cut *c, const struct outcome *oc,
                    const point_t D[TRUSTEES_MAX], struct fault *f)
{
    uint32_t seat[TRUSTEES_MAX], count = 0;
    point_t A, B, V;
    for (uint32_t j = 1; j <= r->n; j++)
        if (oc->holders >> (j - 1) & 1)
            seat[count++] = j;
    if (count < r->t)
        return fault_set(f, ERR_QUORUM, "%u holders", count);
    TRY(test_ciphertext(g, &A, &B, &V, r, &c->hash, &oc->Y));
    /* Windows of t neighbours cover every holder; each D_j is proved against S_j besides. */
    for (uint32_t first = 0; first + r->t <= count; first++)
        TRY(combines(g, seat + first, r->t, D, &B, &V, f));
    return OK;
}
