#include "tally/count.h"

#include <stdlib.h>
#include <string.h>

#include "ceremony/base/secret.h"
#include "tally/ballot_form.h"

#define BIT_LEN (1 + 35 + 35 + 243)

void count_free(struct count *c)
{
    if (!c)
        return;
    free(c->bit);
    free(c);
}

static err_t count_alloc(struct count **out, const struct manifest *m, uint32_t place, uint32_t contest)
{
    struct count *c = calloc(1, sizeof *c);
    *out = NULL;
    if (!c)
        return ERR_MEMORY;
    c->place = place;
    c->contest = contest;
    c->option_count = m->contest[contest].option_count;
    c->bits = m->import_bits;
    c->bit = calloc(c->option_count * c->bits, sizeof *c->bit);
    if (!c->bit) {
        free(c);
        return ERR_MEMORY;
    }
    *out = c;
    return OK;
}

size_t count_len_max(const struct election_context *ctx)
{
    size_t options = 0;
    for (size_t i = 0; i < ctx->m->contest_count; i++)
        if (ctx->m->contest[i].option_count > options)
            options = ctx->m->contest[i].option_count;
    return 256 + 2 * (TEXT_ID_MAX + 2) + options * (9 + ctx->m->import_bits * (size_t)BIT_LEN);
}

/* --- bytes --- */

static void put_bit(struct cbor_out *o, const struct count_bit *b)
{
    cbor_put_array(o, 3);
    cbor_put_point(o, &b->ct.A);
    cbor_put_point(o, &b->ct.B);
    cbor_put_zero_one(o, &b->proof);
}

static void count_put(struct cbor_out *o, const struct election_context *ctx, const struct count *c)
{
    struct place p;
    places_get(ctx->places, c->place, &p);
    cbor_put_array(o, 9);
    tally_put_start(o, ctx, "conclave/count");
    cbor_put_text(o, p.id);
    cbor_put_text(o, ctx->m->contest[c->contest].id);
    cbor_put_uint(o, c->ballots);
    cbor_put_array(o, c->option_count);
    for (size_t i = 0; i < c->option_count; i++) {
        cbor_put_array(o, c->bits);
        for (uint32_t j = 0; j < c->bits; j++)
            put_bit(o, &c->bit[i * c->bits + j]);
    }
}

static void put_bit_context(struct cbor_out *o, const struct count_bit *b)
{
    cbor_put_array(o, 6);
    cbor_put_point(o, &b->ct.A);
    cbor_put_point(o, &b->ct.B);
    cbor_put_point(o, &b->proof.a0);
    cbor_put_point(o, &b->proof.b0);
    cbor_put_point(o, &b->proof.a1);
    cbor_put_point(o, &b->proof.b1);
}

static err_t count_challenge(const struct election_context *ctx, struct count *c)
{
    struct cbor_out o = CBOR_OUT_INIT;
    const struct contest *contest = &ctx->m->contest[c->contest];
    struct place p;
    places_get(ctx->places, c->place, &p);
    cbor_put_array(&o, 8);
    cbor_put_text(&o, "conclave/count-c");
    cbor_put_hash(&o, &ctx->m->election);
    cbor_put_hash(&o, &ctx->r->id);
    cbor_put_text(&o, p.id);
    cbor_put_text(&o, contest->id);
    cbor_put_uint(&o, c->ballots);
    cbor_put_array(&o, c->option_count);
    for (size_t i = 0; i < c->option_count; i++)
        cbor_put_text(&o, contest->option[i].id);
    cbor_put_array(&o, c->option_count);
    for (size_t i = 0; i < c->option_count; i++) {
        cbor_put_array(&o, c->bits);
        for (uint32_t j = 0; j < c->bits; j++)
            put_bit_context(&o, &c->bit[i * c->bits + j]);
    }
    return cbor_out_scalar(&o, &c->c, "conclave/count");
}

/* --- making --- */

struct count_work {
    scalar_t r;
    struct zero_one_state state[];
};

/* Nonces of all proofs, and the randomness of all ciphertexts, from fresh bytes and from what is encrypted.
 */
static err_t start_nonces(struct ballot_maker *mk, const struct count *c, const uint64_t *value)
{
    struct cbor_out o = CBOR_OUT_INIT;
    hash_t statement;
    struct place p;
    places_get(mk->ctx->places, c->place, &p);
    cbor_put_array(&o, 5);
    cbor_put_text(&o, "conclave/count-nonces");
    cbor_put_hash(&o, &mk->ctx->m->election);
    cbor_put_hash(&o, &mk->ctx->r->id);
    cbor_put_text(&o, p.id);
    cbor_put_text(&o, mk->ctx->m->contest[c->contest].id);
    TRY(cbor_out_hash(&o, &statement));
    return elgamal_nonces(mk->key, value, c->option_count * sizeof *value, &statement);
}

static err_t fill(struct ballot_maker *mk, struct count_work *w, struct count *c, const uint64_t *value)
{
    TRY(start_nonces(mk, c, value));
    for (size_t i = 0; i < c->option_count; i++) {
        for (uint32_t j = 0; j < c->bits; j++) {
            struct count_bit *b = &c->bit[i * c->bits + j];
            uint32_t v = (uint32_t)(value[i] >> j) & 1;
            TRY(elgamal_nonce(mk->key, &w->r));
            TRY(elgamal_encrypt_later(mk->key, &b->ct, v, &w->r));
            TRY(zero_one_commit_later(mk->key, &b->proof, &w->state[i * c->bits + j], v, &w->r));
        }
    }
    TRY(elgamal_run(mk->key));
    TRY(count_challenge(mk->ctx, c));
    for (size_t i = 0; i < c->option_count * c->bits; i++)
        zero_one_respond_more(&c->bit[i].proof, &w->state[i], &c->c);
    return OK;
}

static err_t check_values(const struct election_context *ctx, uint64_t *sum, uint32_t place, uint32_t contest,
                          const uint64_t *value, size_t option_count, struct fault *f)
{
    struct place p;
    if (ctx->m->kind != KIND_IMPORT)
        return fault_set(f, ERR_RULE, "counts are imported only into an election of the kind import");
    if (place >= places_count(ctx->places) || contest >= ctx->m->contest_count)
        return fault_set(f, ERR_UNKNOWN, "no such place or contest");
    places_get(ctx->places, place, &p);
    if (p.level + 1 != ctx->m->level_count || places_has_contest(ctx->places, place, contest) != 1)
        return fault_set(f, ERR_UNKNOWN, "%s does not vote on contest %s", p.id, ctx->m->contest[contest].id);
    if (option_count != ctx->m->contest[contest].option_count)
        return fault_set(f, ERR_BUG, "one value for each option");
    *sum = 0;
    for (size_t i = 0; i < option_count; i++) {
        if (value[i] >> ctx->m->import_bits)
            return fault_set(f, ERR_LIMIT, "%s, contest %s: a count is over the manifest's %u bits", p.id,
                             ctx->m->contest[contest].id, ctx->m->import_bits);
        *sum += value[i];
    }
    return OK;
}

err_t count_make(struct ballot_maker *mk, struct cbor_out *out, uint32_t place, uint32_t contest,
                 const uint64_t *value, size_t option_count, struct fault *f)
{
    struct count *c = NULL;
    struct count_work *w = NULL;
    struct cbor_out bytes = CBOR_OUT_INIT;
    uint64_t ballots = 0;
    err_t e;

    TRY(check_values(mk->ctx, &ballots, place, contest, value, option_count, f));
    e = count_alloc(&c, mk->ctx->m, place, contest);
    if (e == OK) {
        c->ballots = ballots;
        e = secret_alloc((void **)&w, sizeof *w + option_count * c->bits * sizeof w->state[0]);
    }
    if (e == OK) {
        e = fill(mk, w, c, value);
        elgamal_nonces_end(mk->key);
        if (e != OK)
            elgamal_drop(mk->key);
    }
    if (e == OK)
        count_put(&bytes, mk->ctx, c);
    if (e == OK)
        e = bytes.err;
    if (e == OK) {
        cbor_put_raw(out, bytes.data, bytes.len);
        e = out->err;
    }
    if (e != OK)
        fault_set(f, e, "encrypting a count");
    cbor_out_free(&bytes);
    count_free(c);
    secret_free(w);
    secret_burn_stack();
    return e;
}

/* --- reading --- */

#define BIT_POINTS 6

/* The form of a bit; its points are looked at together with all others. */
static void get_bit_form(struct cbor_in *in, struct count_bit *b)
{
    point_t *const point[BIT_POINTS] = {&b->ct.A,     &b->ct.B,     &b->proof.a0,
                                        &b->proof.b0, &b->proof.a1, &b->proof.b1};
    cbor_get_array_exact(in, 3);
    for (size_t i = 0; i < BIT_POINTS; i++) {
        if (i == 2)
            cbor_get_array_exact(in, 7);
        cbor_get_fixed(in, point[i]->b, POINT_LEN);
    }
    cbor_get_scalar(in, &b->proof.c0);
    cbor_get_scalar(in, &b->proof.z0);
    cbor_get_scalar(in, &b->proof.z1);
}

/* The same, each point where it is. */
static void get_bit(struct cbor_in *in, struct count_bit *b)
{
    cbor_get_array_exact(in, 3);
    cbor_get_fixed(in, b->ct.A.b, POINT_LEN);
    cbor_get_fixed(in, b->ct.B.b, POINT_LEN);
    if (in->err == OK &&
        (p256_decompress_var(&b->ct_a.A, &b->ct.A) != OK || p256_decompress_var(&b->ct_a.B, &b->ct.B) != OK))
        cbor_fail(in, ERR_POINT);
    cbor_get_zero_one_var(in, &b->proof, &b->proof_a);
}

static void get_bits(struct cbor_in *in, struct count *c, void (*get)(struct cbor_in *, struct count_bit *))
{
    cbor_get_array_exact(in, c->option_count);
    for (size_t i = 0; i < c->option_count && in->err == OK; i++) {
        cbor_get_array_exact(in, c->bits);
        for (uint32_t j = 0; j < c->bits && in->err == OK; j++)
            get(in, &c->bit[i * c->bits + j]);
    }
}

/* ERR_POINT if one of them is none. */
static err_t lift_bits(struct count *c)
{
    size_t count = c->option_count * c->bits, bad;
    point_t *point = calloc(count * BIT_POINTS, sizeof *point);
    struct p256_affine *a = calloc(count * BIT_POINTS, sizeof *a);
    err_t e = point && a ? OK : ERR_MEMORY;
    for (size_t i = 0; i < count && e == OK; i++) {
        const struct count_bit *b = &c->bit[i];
        const point_t all[BIT_POINTS] = {b->ct.A,     b->ct.B,     b->proof.a0,
                                         b->proof.b0, b->proof.a1, b->proof.b1};
        memcpy(point + i * BIT_POINTS, all, sizeof all);
    }
    if (e == OK)
        e = p256_decompress_many_var(a, point, count * BIT_POINTS, &bad);
    for (size_t i = 0; i < count && e == OK; i++) {
        const struct p256_affine *p = a + i * BIT_POINTS;
        c->bit[i].ct_a = (struct elgamal_affine){p[0], p[1]};
        c->bit[i].proof_a = (struct zero_one_affine){p[2], p[3], p[4], p[5]};
    }
    free(point);
    free(a);
    return e;
}

static uint32_t get_contest(struct cbor_in *in, const struct election_context *ctx, const struct place *place)
{
    char id[TEXT_ID_MAX + 1];
    cbor_get_id(in, id, TEXT_ID_MAX);
    if (in->err != OK)
        return 0;
    int contest = manifest_contest(ctx->m, id);
    if (contest >= 0 && places_has_contest(ctx->places, place->index, (uint32_t)contest) == 1)
        return (uint32_t)contest;
    cbor_fail(in, ERR_UNKNOWN);
    return 0;
}

err_t count_parse_var(struct count **out, const struct election_context *ctx, const uint8_t *data, size_t len,
                      struct fault *f)
{
    *out = NULL;
    struct count *c = NULL;
    struct cbor_in in;
    struct place place;
    err_t e;

    if (ctx->m->kind != KIND_IMPORT)
        return fault_set(f, ERR_RULE, "this election takes ballots, not imported counts");
    if (len > count_len_max(ctx))
        return fault_set(f, ERR_LIMIT, "no count of this election is that long");
    cbor_in_init(&in, data, len);
    cbor_get_array_exact(&in, 9);
    tally_get_start(&in, ctx, "conclave/count");
    tally_get_place(&in, ctx, &place);
    uint32_t contest = get_contest(&in, ctx, &place);
    if (in.err != OK)
        return tally_get_end(&in, f, "head of an imported count");
    e = count_alloc(&c, ctx->m, place.index, contest);
    if (e != OK)
        return fault_set(f, e, "reading a count");
    /* No count is more than its bits can say. */
    c->ballots = cbor_get_uint(&in, c->option_count * (((uint64_t)1 << c->bits) - 1));
    struct cbor_in bits = in;
    get_bits(&in, c, get_bit_form);
    e = in.err == OK ? lift_bits(c) : ERR_POINT;
    if (e == ERR_MEMORY) {
        fault_set(f, e, "reading a count");
        goto out;
    }
    if (e != OK) { /* once more, for what is wrong first, and where */
        in = bits;
        get_bits(&in, c, get_bit);
    }
    GO(tally_get_end(&in, f, "count of place %s, contest %s", place.id, ctx->m->contest[contest].id));
    e = count_challenge(ctx, c);
    if (e != OK) {
        fault_set(f, e, "reading a count");
        goto out;
    }
    merkle_leaf(&c->leaf, data, len);
    *out = c;
    c = NULL;
out:
    count_free(c);
    return e;
}

/* --- verifying --- */

static err_t add_count(const void *items, struct batch *eq, size_t i)
{
    const struct count *const *all = items, *c = all[i];
    for (size_t k = 0; k < c->option_count * c->bits; k++) {
        const struct count_bit *b = &c->bit[k];
        TRY(batch_zero_one(eq, &b->ct_a, &b->proof_a, &b->proof, &c->c));
    }
    return OK;
}

err_t count_verify_many_var(const struct election_context *ctx, const struct count *const *c, size_t count,
                            uint8_t *bad, struct fault *f)
{
    err_t e = batch_find_bad(&ctx->r->Y, bad, count, 1, add_count, c);
    if (e != OK)
        return fault_set(f, e, "checking counts");
    for (size_t i = 0; i < count; i++) {
        struct place p;
        if (!bad[i])
            continue;
        places_get(ctx->places, c[i]->place, &p);
        return fault_set(f, ERR_PROOF, "place %s, contest %s: a bit of the count is not proved to be 0 or 1",
                         p.id, ctx->m->contest[c[i]->contest].id);
    }
    return OK;
}

/* --- adding up --- */

/* sum 2^j P_j by Horner, most significant first; add: into r. */
static void add_weighted(struct p256_jacobian *r, const struct count_bit *bit, uint32_t bits, int use_b)
{
    struct p256_jacobian acc;
    p256_zero(&acc);
    for (uint32_t j = bits; j-- > 0;) {
        p256_double_var(&acc, &acc);
        p256_add_affine_var(&acc, &acc, use_b ? &bit[j].ct_a.B : &bit[j].ct_a.A);
    }
    p256_add_var(r, r, &acc);
}

err_t tallies_add_count_var(struct tallies *t, const struct count *c)
{
    struct tally *into = tallies_find(t, c->contest);
    if (!into || into->option_count != c->option_count)
        return ERR_MISMATCH;
    into->ballots += c->ballots;
    for (size_t i = 0; i < c->option_count; i++) {
        add_weighted(&into->A[i], &c->bit[i * c->bits], c->bits, 0);
        add_weighted(&into->B[i], &c->bit[i * c->bits], c->bits, 1);
    }
    return OK;
}
