#include "tally/ballot_form.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CIPHER_LEN 71 /* [A, B] */
#define ZERO_ONE_LEN 243
#define EXACT_LEN 105

/* --- shared by the formats of the tally --- */

size_t cbor_head_len(uint64_t n)
{
    return n < 24 ? 1 : n < 256 ? 2 : n < 65536 ? 3 : n <= UINT32_MAX ? 5 : 9;
}

void tally_put_start(struct cbor_out *o, const struct election_context *ctx, const char *label)
{
    cbor_put_text(o, label);
    cbor_put_uint(o, BALLOT_VERSION);
    cbor_put_uint(o, SCHEME_P256_ELGAMAL);
    cbor_put_hash(o, &ctx->m->election);
    cbor_put_hash(o, &ctx->r->id);
}

static void get_version(struct cbor_in *in, uint64_t want)
{
    uint64_t v = cbor_get_uint(in, UINT64_MAX);
    if (in->err == OK && v != want)
        cbor_fail(in, ERR_VERSION);
}

static void get_bound_hash(struct cbor_in *in, const hash_t *want)
{
    hash_t h;
    cbor_get_hash(in, &h);
    if (in->err == OK && hash_cmp(&h, want) != 0)
        cbor_fail(in, ERR_ELECTION);
}

void tally_get_start(struct cbor_in *in, const struct election_context *ctx, const char *label)
{
    cbor_get_text_exact(in, label);
    get_version(in, BALLOT_VERSION);
    get_version(in, SCHEME_P256_ELGAMAL);
    get_bound_hash(in, &ctx->m->election);
    get_bound_hash(in, &ctx->r->id);
}

void tally_get_place(struct cbor_in *in, const struct election_context *ctx, struct place *out)
{
    char id[TEXT_ID_MAX + 1];
    memset(out, 0, sizeof *out);
    cbor_get_id(in, id, TEXT_ID_MAX);
    if (in->err != OK)
        return;
    int64_t index = places_find(ctx->places, id);
    if (index >= 0)
        places_get(ctx->places, (uint32_t)index, out);
    if (index < 0 || out->level + 1 != ctx->m->level_count) {
        cbor_fail(in, ERR_UNKNOWN);
        memset(out, 0, sizeof *out);
    }
}

err_t tally_get_end(struct cbor_in *in, struct fault *f, const char *fmt, ...)
{
    err_t e = cbor_in_end(in, f);
    if (e == OK || !f)
        return e;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(f->detail, sizeof f->detail, fmt, ap);
    va_end(ap);
    return e;
}

/* --- shape --- */

static size_t cipher_count(const struct contest *c)
{
    return c->option_count + (c->limit > 1 ? c->limit : 0);
}

static size_t vote_len(const struct contest *c)
{
    size_t n = cipher_count(c), id = strlen(c->id);
    return 1 + cbor_head_len(id) + id + 2 * cbor_head_len(n) + n * (CIPHER_LEN + ZERO_ONE_LEN) +
           (c->limit > 1 ? EXACT_LEN : ZERO_ONE_LEN);
}

static size_t style_len(const struct manifest *m, uint32_t style)
{
    const struct style *s = &m->style[style];
    size_t id = strlen(s->id), len = cbor_head_len(s->contest_count);
    for (size_t i = 0; i < s->contest_count; i++)
        len += vote_len(&m->contest[s->contest[i]]);
    /* head, label, version, scheme, two hashes, id, pk, commitment, response */
    return len + 1 + 16 + 2 + 68 + cbor_head_len(id) + id + 35 + 35 + 34;
}

size_t ballot_len(const struct election_context *ctx, uint32_t place, uint32_t style)
{
    struct place p;
    places_get(ctx->places, place, &p);
    size_t id = strlen(p.id);
    return style_len(ctx->m, style) + cbor_head_len(id) + id;
}

size_t ballot_len_max(const struct election_context *ctx)
{
    size_t max = 0;
    for (uint32_t i = 0; i < ctx->m->style_count; i++) {
        size_t len = style_len(ctx->m, i);
        max = len > max ? len : max;
    }
    return max + cbor_head_len(TEXT_ID_MAX) + TEXT_ID_MAX;
}

static err_t vote_alloc(struct ballot_vote *v, const struct manifest *m, uint32_t contest)
{
    v->contest = contest;
    v->limit = m->contest[contest].limit;
    v->option_count = m->contest[contest].option_count;
    v->cipher_count = cipher_count(&m->contest[contest]);
    v->ct = calloc(v->cipher_count, sizeof *v->ct);
    v->cta = calloc(v->cipher_count, sizeof *v->cta);
    v->proof = calloc(v->cipher_count, sizeof *v->proof);
    v->proof_a = calloc(v->cipher_count, sizeof *v->proof_a);
    return v->ct && v->cta && v->proof && v->proof_a ? OK : ERR_MEMORY;
}

err_t ballot_alloc(struct ballot **out, const struct election_context *ctx, uint32_t place, uint32_t style)
{
    const struct style *s = &ctx->m->style[style];
    *out = NULL;
    struct ballot *b = calloc(1, sizeof *b);
    if (!b)
        return ERR_MEMORY;
    b->place = place;
    b->style = style;
    b->vote = calloc(s->contest_count ? s->contest_count : 1, sizeof *b->vote);
    err_t e = b->vote ? OK : ERR_MEMORY;
    for (size_t i = 0; i < s->contest_count && e == OK; i++) {
        b->vote_count++;
        e = vote_alloc(&b->vote[i], ctx->m, s->contest[i]);
    }
    if (e != OK) {
        ballot_free(b);
        return e;
    }
    *out = b;
    return OK;
}

void ballot_free(struct ballot *b)
{
    if (!b)
        return;
    for (size_t i = 0; i < b->vote_count; i++) {
        free(b->vote[i].ct);
        free(b->vote[i].cta);
        free(b->vote[i].proof);
        free(b->vote[i].proof_a);
    }
    free(b->vote);
    free(b);
}

/* --- bytes --- */

err_t ballot_id(hash_t *out, const hash_t *election, const point_t *pk)
{
    struct cbor_out o = CBOR_OUT_INIT;
    cbor_put_array(&o, 3);
    cbor_put_text(&o, "conclave/ballot-id");
    cbor_put_hash(&o, election);
    cbor_put_point(&o, pk);
    return cbor_out_hash(&o, out);
}

static void put_vote(struct cbor_out *o, const struct manifest *m, const struct ballot_vote *v)
{
    cbor_put_array(o, 4);
    cbor_put_text(o, m->contest[v->contest].id);
    cbor_put_array(o, v->cipher_count);
    for (size_t i = 0; i < v->cipher_count; i++)
        cbor_put_elgamal(o, &v->ct[i]);
    cbor_put_array(o, v->cipher_count);
    for (size_t i = 0; i < v->cipher_count; i++)
        cbor_put_zero_one(o, &v->proof[i]);
    if (v->limit > 1)
        cbor_put_exact(o, &v->sum_exact);
    else
        cbor_put_zero_one(o, &v->sum_zero_one);
}

void ballot_put(struct cbor_out *o, const struct election_context *ctx, const struct ballot *b)
{
    struct place p;
    places_get(ctx->places, b->place, &p);
    cbor_put_array(o, 11);
    tally_put_start(o, ctx, "conclave/ballot");
    cbor_put_text(o, p.id);
    cbor_put_text(o, ctx->m->style[b->style].id);
    cbor_put_point(o, &b->pk);
    cbor_put_array(o, b->vote_count);
    for (size_t i = 0; i < b->vote_count; i++)
        put_vote(o, ctx->m, &b->vote[i]);
    cbor_put_point(o, &b->id_commitment);
    cbor_put_scalar(o, &b->id_response);
}

static void put_commitments(struct cbor_out *o, const struct zero_one *p)
{
    cbor_put_array(o, 4);
    cbor_put_point(o, &p->a0);
    cbor_put_point(o, &p->b0);
    cbor_put_point(o, &p->a1);
    cbor_put_point(o, &p->b1);
}

static void put_vote_context(struct cbor_out *o, const struct manifest *m, const struct ballot_vote *v)
{
    const struct contest *c = &m->contest[v->contest];
    cbor_put_array(o, 6);
    cbor_put_text(o, c->id);
    cbor_put_uint(o, v->limit);
    cbor_put_array(o, c->option_count);
    for (size_t i = 0; i < c->option_count; i++)
        cbor_put_text(o, c->option[i].id);
    cbor_put_array(o, v->cipher_count);
    for (size_t i = 0; i < v->cipher_count; i++)
        cbor_put_elgamal(o, &v->ct[i]);
    cbor_put_array(o, v->cipher_count);
    for (size_t i = 0; i < v->cipher_count; i++)
        put_commitments(o, &v->proof[i]);
    if (v->limit > 1) {
        cbor_put_array(o, 2);
        cbor_put_point(o, &v->sum_exact.a);
        cbor_put_point(o, &v->sum_exact.b);
    } else {
        put_commitments(o, &v->sum_zero_one);
    }
}

err_t ballot_challenge(const struct election_context *ctx, struct ballot *b)
{
    struct cbor_out o = CBOR_OUT_INIT;
    struct place p;
    places_get(ctx->places, b->place, &p);
    cbor_put_array(&o, 8);
    cbor_put_text(&o, "conclave/ballot-c");
    cbor_put_hash(&o, &ctx->m->election);
    cbor_put_hash(&o, &ctx->r->id);
    cbor_put_text(&o, p.id);
    cbor_put_text(&o, ctx->m->style[b->style].id);
    cbor_put_point(&o, &b->pk);
    cbor_put_array(&o, b->vote_count);
    for (size_t i = 0; i < b->vote_count; i++)
        put_vote_context(&o, ctx->m, &b->vote[i]);
    cbor_put_point(&o, &b->id_commitment);
    return cbor_out_scalar(&o, &b->c, "conclave/ballot");
}

/* --- reading --- */

static void get_vote(struct cbor_in *in, const struct manifest *m, struct ballot_vote *v)
{
    char id[TEXT_ID_MAX + 1];
    cbor_get_array_exact(in, 4);
    cbor_get_id(in, id, TEXT_ID_MAX);
    if (in->err == OK && strcmp(id, m->contest[v->contest].id) != 0)
        cbor_fail(in, ERR_UNKNOWN);
    cbor_get_array_exact(in, v->cipher_count);
    for (size_t i = 0; i < v->cipher_count && in->err == OK; i++)
        cbor_get_elgamal_var(in, &v->ct[i], &v->cta[i]);
    cbor_get_array_exact(in, v->cipher_count);
    for (size_t i = 0; i < v->cipher_count && in->err == OK; i++)
        cbor_get_zero_one_var(in, &v->proof[i], &v->proof_a[i]);
    if (v->limit > 1)
        cbor_get_exact_var(in, &v->sum_exact, &v->sum_exact_a);
    else
        cbor_get_zero_one_var(in, &v->sum_zero_one, &v->sum_zero_one_a);
}

static void get_point_var(struct cbor_in *in, point_t *out, struct p256_affine *a)
{
    cbor_get_fixed(in, out->b, POINT_LEN);
    if (in->err == OK && p256_decompress_var(a, out) != OK)
        cbor_fail(in, ERR_POINT);
}

static uint32_t get_style(struct cbor_in *in, const struct election_context *ctx, const struct place *place)
{
    char id[TEXT_ID_MAX + 1];
    cbor_get_id(in, id, TEXT_ID_MAX);
    if (in->err != OK)
        return 0;
    int style = manifest_style(ctx->m, id);
    for (uint32_t i = 0; i < place->style_count && style >= 0; i++)
        if (place->style[i] == (uint32_t)style)
            return (uint32_t)style;
    cbor_fail(in, ERR_UNKNOWN);
    return 0;
}

/* The sums that the last proof of each contest is about. The identity is refused, as in all of a ballot. */
static err_t vote_sums(struct ballot *b)
{
    size_t n = 2 * b->vote_count;
    struct p256_jacobian *sum = calloc(n, sizeof *sum);
    struct p256_affine *a = calloc(n, sizeof *a);
    err_t e = sum && a ? OK : ERR_MEMORY;
    for (size_t i = 0; i < b->vote_count && e == OK; i++) {
        const struct ballot_vote *v = &b->vote[i];
        for (size_t k = 0; k < v->cipher_count; k++) {
            p256_add_affine_var(&sum[2 * i], &sum[2 * i], &v->cta[k].A);
            p256_add_affine_var(&sum[2 * i + 1], &sum[2 * i + 1], &v->cta[k].B);
        }
        if (p256_is_zero_var(&sum[2 * i]) || p256_is_zero_var(&sum[2 * i + 1]))
            e = ERR_POINT;
    }
    if (e == OK)
        e = p256_to_affine_many_var(a, sum, n);
    for (size_t i = 0; i < b->vote_count && e == OK; i++)
        b->vote[i].sum_a = (struct elgamal_affine){a[2 * i], a[2 * i + 1]};
    free(sum);
    free(a);
    return e;
}

err_t ballot_parse_var(struct ballot **out, const struct election_context *ctx, const uint8_t *data,
                       size_t len, struct fault *f)
{
    *out = NULL;
    struct ballot *b = NULL;
    struct cbor_in in;
    struct place place;
    point_t pk;
    struct p256_affine pk_a;
    size_t i = 0;
    err_t e;

    if (ctx->m->kind != KIND_BALLOTS)
        return fault_set(f, ERR_RULE, "an election of imported counts takes no ballots");
    if (len > ballot_len_max(ctx))
        return fault_set(f, ERR_LIMIT, "no ballot of this election is that long");
    cbor_in_init(&in, data, len);
    cbor_get_array_exact(&in, 11);
    tally_get_start(&in, ctx, "conclave/ballot");
    tally_get_place(&in, ctx, &place);
    uint32_t style = get_style(&in, ctx, &place);
    get_point_var(&in, &pk, &pk_a);
    if (in.err != OK) {
        e = tally_get_end(&in, f, "head of a ballot");
        goto out;
    }
    e = ballot_alloc(&b, ctx, place.index, style);
    if (e != OK) {
        fault_set(f, e, "reading a ballot");
        goto out;
    }
    b->pk = pk;
    b->pk_a = pk_a;
    cbor_get_array_exact(&in, b->vote_count);
    for (; i < b->vote_count && in.err == OK; i++)
        get_vote(&in, ctx->m, &b->vote[i]);
    if (in.err != OK) {
        e = tally_get_end(&in, f, "contest %s of a ballot",
                          i ? ctx->m->contest[b->vote[i - 1].contest].id : "(list)");
        goto out;
    }
    get_point_var(&in, &b->id_commitment, &b->id_commitment_a);
    cbor_get_scalar(&in, &b->id_response);
    GO(tally_get_end(&in, f, "proof of the ballot id"));
    e = vote_sums(b);
    if (e == OK)
        e = ballot_challenge(ctx, b);
    if (e == OK)
        e = ballot_id(&b->id, &ctx->m->election, &b->pk);
    if (e != OK) {
        fault_set(f, e, "sum of a contest's ciphertexts");
        goto out;
    }
    merkle_leaf(&b->leaf, data, len);
    *out = b;
    b = NULL;
out:
    ballot_free(b);
    return e;
}
