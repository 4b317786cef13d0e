#include "tally/ballot_form.h"

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

static err_t add_item(const void *items, struct batch *eq, size_t i)
{
    const struct ballot *const *b = items;
    return add_ballot(eq, b[i]);
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
    err_t e = batch_find_bad(&ctx->r->Y, bad, count, 8, add_item, b);
    if (e != OK)
        return fault_set(f, e, "checking ballots");
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
