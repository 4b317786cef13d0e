#include "tally/ballot_form.h"

#include <omp.h>
#include <stdlib.h>
#include <string.h>

/* --- equations --- */

static err_t add_vote(struct batch *eq, const struct ballot_vote *v, const scalar_t *c)
{
    for (size_t i = 0; i < v->cipher_count; i++)
        TRY(batch_zero_one(eq, &v->cta[i], &v->proof_a[i], &v->proof[i], c));
    if (v->limit > 1)
        return batch_exact(eq, &v->sum_a, v->limit, &v->sum_exact_a, &v->sum_exact, c);
    return batch_zero_one(eq, &v->sum_a, &v->sum_zero_one_a, &v->sum_zero_one, c);
}

static err_t add_ballot(struct batch *eq, const struct ballot *b)
{
    for (size_t i = 0; i < b->vote_count; i++)
        TRY(add_vote(eq, &b->vote[i], &b->c));
    return batch_schnorr(eq, &b->pk_a, &b->id_commitment_a, &b->id_response, &b->c);
}

/* One equation for the range; if it does not hold, each half again, with new weights. Errors other than of
 * the proofs end it. */
static err_t check_range(struct batch *eq, const struct ballot *const *b, size_t count, uint8_t *bad)
{
    err_t e = OK;
    batch_reset(eq);
    for (size_t i = 0; i < count && e == OK; i++)
        e = add_ballot(eq, b[i]);
    if (e == OK)
        e = batch_check(eq);
    if (e == OK || err_class(e) != CLASS_CRYPTO)
        return e;
    if (count == 1) {
        bad[0] = 1;
        return OK;
    }
    TRY(check_range(eq, b, count / 2, bad));
    return check_range(eq, b + count / 2, count - count / 2, bad + count / 2);
}

static err_t check_chunk(const struct election_context *ctx, const struct ballot *const *b, size_t count,
                         uint8_t *bad)
{
    struct batch *eq;
    if (count == 0)
        return OK;
    TRY(batch_new(&eq, &ctx->r->Y));
    err_t e = check_range(eq, b, count, bad);
    batch_free(eq);
    return e;
}

/* --- one proof after the other: finds the sentence for a bad ballot --- */

static err_t name_vote(struct group *g, const struct election_context *ctx, const struct ballot *b,
                       const struct ballot_vote *v, struct fault *f)
{
    const struct contest *c = &ctx->m->contest[v->contest];
    const point_t *Y = &ctx->r->Y;
    struct elgamal sum;
    for (size_t i = 0; i < v->cipher_count; i++) {
        if (zero_one_verify(g, Y, &v->ct[i], &v->proof[i], &b->c) == OK)
            continue;
        if (i < v->option_count)
            return fault_set(f, ERR_PROOF, "contest %s: option %s is not proved to be 0 or 1", c->id,
                             c->option[i].id);
        return fault_set(f, ERR_PROOF, "contest %s: placeholder %zu is not proved to be 0 or 1", c->id,
                         i - v->option_count + 1);
    }
    p256_compress(&sum.A, &v->sum_a.A);
    p256_compress(&sum.B, &v->sum_a.B);
    if (v->limit > 1 ? exact_verify(g, Y, &sum, v->limit, &v->sum_exact, &b->c) != OK
                     : zero_one_verify(g, Y, &sum, &v->sum_zero_one, &b->c) != OK)
        return fault_set(f, ERR_PROOF,
                         "contest %s: the sum of the votes is not proved to be within the limit %u", c->id,
                         v->limit);
    return OK;
}

static err_t name_ballot(const struct election_context *ctx, const struct ballot *b, struct fault *f)
{
    struct group *g;
    err_t e = group_new(&g);
    if (e != OK)
        return fault_set(f, e, "checking a ballot");
    for (size_t i = 0; i < b->vote_count && e == OK; i++)
        e = name_vote(g, ctx, b, &b->vote[i], f);
    if (e == OK)
        e = fault_set(f, ERR_PROOF, "the ballot does not prove that its maker owns the ballot id");
    group_free(g);
    return e;
}

err_t ballot_verify_many_var(const struct election_context *ctx, const struct ballot *const *b, size_t count,
                             uint8_t *bad, struct fault *f)
{
    memset(bad, 0, count);
    size_t parts = omp_in_parallel() ? 1 : (size_t)omp_get_max_threads();
    if (parts > count / 8)
        parts = count / 8 ? count / 8 : 1;
    err_t e = OK;
#pragma omp parallel for schedule(static) if (parts > 1)
    for (size_t p = 0; p < parts; p++) {
        size_t from = count * p / parts, to = count * (p + 1) / parts;
        err_t mine = check_chunk(ctx, b + from, to - from, bad + from);
        if (mine != OK) {
#pragma omp critical(ballot_verify_error)
            e = mine;
        }
    }
    if (e != OK) {
        memset(bad, 1, count);
        return fault_set(f, e, "checking ballots");
    }
    for (size_t i = 0; i < count; i++)
        if (bad[i])
            return name_ballot(ctx, b[i], f);
    return OK;
}

err_t ballot_verify_var(const struct election_context *ctx, const struct ballot *b, struct fault *f)
{
    uint8_t bad;
    return ballot_verify_many_var(ctx, &b, 1, &bad, f);
}

/* --- collecting --- */

struct ballot_batch {
    const struct election_context *ctx;
    size_t count, cap;
    struct ballot **ballot;
    uint64_t *index;
};

err_t ballot_batch_new(struct ballot_batch **out, const struct election_context *ctx)
{
    *out = calloc(1, sizeof **out);
    if (!*out)
        return ERR_MEMORY;
    (*out)->ctx = ctx;
    return OK;
}

void ballot_batch_clear(struct ballot_batch *b)
{
    for (size_t i = 0; i < b->count; i++)
        ballot_free(b->ballot[i]);
    b->count = 0;
}

void ballot_batch_free(struct ballot_batch *b)
{
    if (!b)
        return;
    ballot_batch_clear(b);
    free(b->ballot);
    free(b->index);
    free(b);
}

static err_t batch_grow(struct ballot_batch *b)
{
    size_t cap = b->cap ? 2 * b->cap : 16;
    struct ballot **ballot = realloc(b->ballot, cap * sizeof(struct ballot *));
    if (!ballot)
        return ERR_MEMORY;
    b->ballot = ballot;
    uint64_t *index = realloc(b->index, cap * sizeof *index);
    if (!index)
        return ERR_MEMORY;
    b->index = index;
    b->cap = cap;
    return OK;
}

err_t ballot_batch_add(struct ballot_batch *b, struct ballot *ballot, uint64_t index)
{
    if (b->count == b->cap && batch_grow(b) != OK) {
        ballot_free(ballot);
        return ERR_MEMORY;
    }
    b->ballot[b->count] = ballot;
    b->index[b->count++] = index;
    return OK;
}

size_t ballot_batch_count(const struct ballot_batch *b)
{
    return b->count;
}

const struct ballot *ballot_batch_get(const struct ballot_batch *b, size_t i)
{
    return i < b->count ? b->ballot[i] : NULL;
}

err_t ballot_batch_check_var(struct ballot_batch *b, void (*fn)(void *ctx, uint64_t index), void *fn_ctx,
                             struct fault *f)
{
    if (b->count == 0)
        return OK;
    uint8_t *bad = malloc(b->count);
    if (!bad)
        return fault_set(f, ERR_MEMORY, "checking ballots");
    err_t e = ballot_verify_many_var(b->ctx, (const struct ballot *const *)b->ballot, b->count, bad, f);
    for (size_t i = 0; i < b->count && e == ERR_PROOF && fn; i++)
        if (bad[i])
            fn(fn_ctx, b->index[i]);
    free(bad);
    return e;
}

/* --- adding up --- */

static err_t ballot_fits(const struct tallies *t, const struct ballot *b)
{
    for (size_t i = 0; i < b->vote_count; i++) {
        const struct tally *into = tallies_find(t, b->vote[i].contest);
        if (!into || into->option_count != b->vote[i].option_count)
            return ERR_MISMATCH;
    }
    return OK;
}

err_t tallies_add_ballot_var(struct tallies *t, const struct ballot *b)
{
    TRY(ballot_fits(t, b));
    for (size_t i = 0; i < b->vote_count; i++) {
        const struct ballot_vote *v = &b->vote[i];
        struct tally *into = tallies_find(t, v->contest);
        into->ballots++;
        for (size_t o = 0; o < v->option_count; o++) {
            p256_add_affine_var(&into->A[o], &into->A[o], &v->cta[o].A);
            p256_add_affine_var(&into->B[o], &into->B[o], &v->cta[o].B);
        }
    }
    return OK;
}

err_t tallies_sub_ballot_var(struct tallies *t, const struct ballot *b)
{
    TRY(ballot_fits(t, b));
    for (size_t i = 0; i < b->vote_count; i++)
        if (tallies_find(t, b->vote[i].contest)->ballots == 0)
            return ERR_SUM;
    for (size_t i = 0; i < b->vote_count; i++) {
        const struct ballot_vote *v = &b->vote[i];
        struct tally *into = tallies_find(t, v->contest);
        into->ballots--;
        for (size_t o = 0; o < v->option_count; o++) {
            struct p256_affine minus;
            p256_neg(&minus, &v->cta[o].A);
            p256_add_affine_var(&into->A[o], &into->A[o], &minus);
            p256_neg(&minus, &v->cta[o].B);
            p256_add_affine_var(&into->B[o], &into->B[o], &minus);
        }
    }
    return OK;
}
