#include "tally/ballot_form.h"

#include <stdlib.h>
#include <string.h>

#include "ceremony/base/secret.h"
#include "ceremony/math/pok.h"

#define ID_LEN (TEXT_ID_MAX + 2) /* a name that is longer than any id differs from all of them */

/* Everything secret of one ballot, in secret memory, wiped when it is done. */
struct work {
    uint8_t seed[BALLOT_SEED_LEN], okm[48], fresh[32];
    uint8_t chosen[ID_LEN], option[ID_LEN];
    scalar_t sk, nonce, sum_r, product;
    size_t cipher_count;
    scalar_t *r;                     /* inside the same allocation */
    struct zero_one_state *zero_one; /* one for each ciphertext, one for each contest */
    struct exact_state *exact;       /* one for each contest */
    uint32_t *v;                     /* one for each ciphertext */
    uint8_t *basis;                  /* of the nonces: seed, and one byte for each ciphertext */
};

err_t ballot_maker_new(struct ballot_maker **out, const struct election_context *ctx)
{
    *out = NULL;
    struct ballot_maker *mk = calloc(1, sizeof *mk);
    if (!mk)
        return ERR_MEMORY;
    mk->ctx = ctx;
    err_t e = group_new(&mk->g);
    if (e == OK)
        e = elgamal_key_new(&mk->key, mk->g, &ctx->r->Y);
    if (e != OK) {
        ballot_maker_free(mk);
        return e;
    }
    *out = mk;
    return OK;
}

void ballot_maker_free(struct ballot_maker *mk)
{
    if (!mk)
        return;
    elgamal_key_free(mk->key);
    secret_free(mk->secret_work);
    group_free(mk->g);
    free(mk);
}

/* The maker's work memory, larger if this ballot needs it. Locking memory costs more than a proof: it is
 * kept. */
static err_t work_take(struct work **out, struct ballot_maker *mk, const struct ballot *b,
                       const uint8_t *secret_seed)
{
    size_t n = 0, votes = b->vote_count;
    for (size_t i = 0; i < votes; i++)
        n += b->vote[i].cipher_count;
    struct work *w;
    size_t len = sizeof *w + n * sizeof *w->r + (n + votes) * sizeof *w->zero_one + votes * sizeof *w->exact +
                 n * sizeof *w->v + sizeof w->seed + n;
    len = (len + 15) & ~(size_t)15; /* guarded memory ends at a page: keep it aligned */
    *out = NULL;
    if (len > mk->secret_work_len) {
        secret_free(mk->secret_work);
        mk->secret_work_len = 0;
        TRY(secret_alloc(&mk->secret_work, len));
        mk->secret_work_len = len;
    }
    w = mk->secret_work;
    w->cipher_count = n;
    w->v = (uint32_t *)(w + 1);
    w->r = (scalar_t *)(w->v + n);
    w->zero_one = (struct zero_one_state *)(w->r + n);
    w->exact = (struct exact_state *)(w->zero_one + n + votes);
    w->basis = (uint8_t *)(w->exact + votes);
    if (secret_seed)
        memcpy(w->seed, secret_seed, sizeof w->seed);
    else
        random_bytes(w->seed, sizeof w->seed);
    *out = w;
    return OK;
}

/* out = HKDF(seed, purpose and place in the ballot), 48 bytes mod q; not 0. */
static err_t derive(struct work *w, scalar_t *out, const struct election_context *ctx, const struct ballot *b,
                    const char *purpose, uint32_t contest, size_t index)
{
    struct cbor_out info = CBOR_OUT_INIT;
    struct place p;
    places_get(ctx->places, b->place, &p);
    cbor_put_array(&info, 8);
    cbor_put_text(&info, "conclave/ballot-random");
    cbor_put_hash(&info, &ctx->m->election);
    cbor_put_hash(&info, &ctx->r->id);
    cbor_put_text(&info, p.id);
    cbor_put_text(&info, ctx->m->style[b->style].id);
    cbor_put_text(&info, purpose);
    cbor_put_uint(&info, contest);
    cbor_put_uint(&info, index);
    err_t e = info.err;
    if (e == OK)
        e = hkdf(w->okm, sizeof w->okm, NULL, 0, w->seed, sizeof w->seed, info.data, info.len);
    if (e == OK)
        scalar_reduce(out, w->okm, sizeof w->okm);
    int zero = scalar_is_zero(out);
    secret_declassify(&zero, sizeof zero);
    if (e == OK && zero)
        e = ERR_BUG;
    cbor_out_free(&info);
    return e;
}

/* --- choices --- */

/* out = id, filled up with zeros. Every id takes the same steps: past its end the position stays. */
static void pad_id(uint8_t out[ID_LEN], const char *id)
{
    for (size_t i = 0, at = 0; i < ID_LEN; i++) {
        out[i] = (uint8_t)id[at];
        at += id[at] != '\0';
    }
}

/* Each option is compared with as many names as the limit allows, those that were not chosen being empty:
 * neither which nor how many shows in the time. */
static err_t choose(struct work *w, uint32_t *v, const struct contest *c, const struct ballot_vote *vote,
                    const struct selection *s, struct fault *f)
{
    uint32_t unknown = 0, twice = 0;
    if (s->option_count > vote->limit)
        return fault_set(f, ERR_RULE, "contest %s: more options are chosen than the %u that are allowed",
                         c->id, vote->limit);
    for (size_t i = 0; i < vote->limit; i++) {
        uint32_t real = i < s->option_count, found = 0;
        pad_id(w->chosen, real ? s->option[i] : "");
        for (size_t o = 0; o < c->option_count; o++) {
            pad_id(w->option, c->option[o].id);
            uint32_t equal = (uint32_t)secret_equal(w->chosen, w->option, ID_LEN);
            found |= equal;
            twice |= equal & v[o];
            v[o] |= equal;
        }
        unknown |= real & (found ^ 1);
    }
    secret_declassify(&unknown, sizeof unknown);
    secret_declassify(&twice, sizeof twice);
    if (unknown)
        return fault_set(f, ERR_UNKNOWN, "contest %s has no such option", c->id);
    if (twice)
        return fault_set(f, ERR_RULE, "contest %s: one option is chosen twice", c->id);
    for (size_t i = 0; vote->limit > 1 && i < vote->limit; i++)
        v[vote->option_count + i] = i + s->option_count < vote->limit;
    return OK;
}

static err_t set_choices(struct work *w, const struct manifest *m, const struct ballot *b,
                         const struct selection *sel, size_t count, struct fault *f)
{
    static const struct selection blank = {0};
    uint32_t *v = w->v;
    size_t used = 0;
    for (size_t i = 0; i < b->vote_count; i++) {
        const struct contest *c = &m->contest[b->vote[i].contest];
        const struct selection *mine = &blank;
        for (size_t k = 0; k < count; k++) {
            if (strcmp(sel[k].contest, c->id) != 0)
                continue;
            if (mine != &blank)
                return fault_set(f, ERR_DUPLICATE, "contest %s is named twice", c->id);
            mine = &sel[k];
            used++;
        }
        TRY(choose(w, v, c, &b->vote[i], mine, f));
        v += b->vote[i].cipher_count;
    }
    if (used != count)
        return fault_set(f, ERR_UNKNOWN, "a contest is not on ballots of style %s", m->style[b->style].id);
    return OK;
}

/* --- encrypting and proving --- */

static err_t commit_vote(struct ballot_maker *mk, struct work *w, const struct ballot *b, size_t i,
                         size_t first)
{
    struct ballot_vote *vote = &b->vote[i];
    uint32_t v = 0;
    scalar_set(&w->sum_r, 0);
    for (size_t k = 0; k < vote->cipher_count; k++) {
        size_t at = first + k;
        TRY(derive(w, &w->r[at], mk->ctx, b, "r", vote->contest, k));
        TRY(elgamal_encrypt_later(mk->key, &vote->ct[k], w->v[at], &w->r[at]));
        TRY(zero_one_commit_later(mk->key, &vote->proof[k], &w->zero_one[at], w->v[at], &w->r[at]));
        scalar_add(&w->sum_r, &w->sum_r, &w->r[at]);
        v += w->v[at];
    }
    int zero = scalar_is_zero(&w->sum_r); /* the sum would show its votes; never, with random numbers */
    secret_declassify(&zero, sizeof zero);
    if (zero)
        return ERR_BUG;
    if (vote->limit > 1)
        return exact_commit_later(mk->key, &vote->sum_exact, &w->exact[i], &w->sum_r);
    return zero_one_commit_later(mk->key, &vote->sum_zero_one, &w->zero_one[w->cipher_count + i], v,
                                 &w->sum_r);
}

static void respond_vote(struct work *w, const struct ballot *b, size_t i, size_t first)
{
    struct ballot_vote *vote = &b->vote[i];
    for (size_t k = 0; k < vote->cipher_count; k++)
        zero_one_respond_more(&vote->proof[k], &w->zero_one[first + k], &b->c);
    if (vote->limit > 1)
        exact_respond(&vote->sum_exact, &w->exact[i], &b->c);
    else
        zero_one_respond_more(&vote->sum_zero_one, &w->zero_one[w->cipher_count + i], &b->c);
}

/* The nonce of the id proof: bound to all that the ballot says up to then. */
static err_t id_commit(struct ballot_maker *mk, struct work *w, struct ballot *b)
{
    hash_t statement;
    random_bytes(w->fresh, sizeof w->fresh);
    TRY(ballot_challenge(mk->ctx, b));
    hash_one(&statement, b->c.b, sizeof b->c.b);
    TRY(nonce_make(&w->nonce, w->sk.b, sizeof w->sk.b, w->fresh, &statement));
    TRY(elgamal_mul_later(mk->key, &b->id_commitment, &w->nonce));
    return elgamal_run(mk->key);
}

/* Nonces of all proofs, from fresh bytes and from all that this ballot will be: seed and choices determine
 * every ciphertext. With a generator that repeats itself, another ballot still has other nonces. */
static err_t start_nonces(struct ballot_maker *mk, struct work *w, const struct ballot *b)
{
    struct cbor_out o = CBOR_OUT_INIT;
    hash_t statement;
    struct place p;
    places_get(mk->ctx->places, b->place, &p);
    cbor_put_array(&o, 5);
    cbor_put_text(&o, "conclave/ballot-nonces");
    cbor_put_hash(&o, &mk->ctx->m->election);
    cbor_put_hash(&o, &mk->ctx->r->id);
    cbor_put_text(&o, p.id);
    cbor_put_text(&o, mk->ctx->m->style[b->style].id);
    TRY(cbor_out_hash(&o, &statement));
    memcpy(w->basis, w->seed, sizeof w->seed);
    for (size_t i = 0; i < w->cipher_count; i++)
        w->basis[sizeof w->seed + i] = (uint8_t)w->v[i];
    return elgamal_nonces(mk->key, w->basis, sizeof w->seed + w->cipher_count, &statement);
}

static err_t fill(struct ballot_maker *mk, struct work *w, struct ballot *b)
{
    size_t first = 0;
    TRY(start_nonces(mk, w, b));
    TRY(derive(w, &w->sk, mk->ctx, b, "id", 0, 0));
    TRY(elgamal_mul_later(mk->key, &b->pk, &w->sk));
    for (size_t i = 0; i < b->vote_count; i++) {
        TRY(commit_vote(mk, w, b, i, first));
        first += b->vote[i].cipher_count;
    }
    TRY(elgamal_run(mk->key));
    TRY(id_commit(mk, w, b));
    TRY(ballot_challenge(mk->ctx, b));
    first = 0;
    for (size_t i = 0; i < b->vote_count; i++) {
        respond_vote(w, b, i, first);
        first += b->vote[i].cipher_count;
    }
    scalar_mul(&w->product, &b->c, &w->sk);
    scalar_add(&b->id_response, &w->nonce, &w->product);
    return ballot_id(&b->id, &mk->ctx->m->election, &b->pk);
}

static err_t find_style(const struct election_context *ctx, uint32_t *style, uint32_t place, const char *id,
                        struct fault *f)
{
    struct place p;
    int found = manifest_style(ctx->m, id);
    if (place >= places_count(ctx->places))
        return fault_set(f, ERR_UNKNOWN, "there is no place %u", place);
    places_get(ctx->places, place, &p);
    if (p.level + 1 != ctx->m->level_count)
        return fault_set(f, ERR_UNKNOWN, "%s is not a place where ballots are cast", p.id);
    for (uint32_t i = 0; i < p.style_count && found >= 0; i++) {
        *style = (uint32_t)found;
        if (p.style[i] == *style)
            return OK;
    }
    return fault_set(f, ERR_UNKNOWN, "%s has no ballots of this style", p.id);
}

err_t ballot_make(struct ballot_maker *mk, struct cbor_out *out, struct ballot_info *info, uint32_t place,
                  const char *style_id, const struct selection *selection, size_t selection_count,
                  const uint8_t *secret_seed, struct fault *f)
{
    struct ballot *b = NULL;
    struct work *w = NULL;
    struct cbor_out bytes = CBOR_OUT_INIT;
    uint32_t style = 0;
    err_t e;

    if (info)
        memset(info, 0, sizeof *info);
    if (mk->ctx->m->kind != KIND_BALLOTS)
        return fault_set(f, ERR_RULE, "an election of imported counts takes no ballots");
    TRY(find_style(mk->ctx, &style, place, style_id, f));
    e = ballot_alloc(&b, mk->ctx, place, style);
    if (e == OK)
        e = work_take(&w, mk, b, secret_seed);
    if (e != OK) {
        fault_set(f, e, "making a ballot");
        goto out;
    }
    GO(set_choices(w, mk->ctx->m, b, selection, selection_count, f));
    e = fill(mk, w, b);
    elgamal_nonces_end(mk->key);
    if (e != OK)
        elgamal_drop(mk->key);
    else
        ballot_put(&bytes, mk->ctx, b);
    if (e == OK)
        e = bytes.err;
    if (e != OK) {
        fault_set(f, e, "making a ballot");
        goto out;
    }
    cbor_put_raw(out, bytes.data, bytes.len);
    e = out->err;
    if (e == OK && info) {
        info->id = b->id;
        info->pk = b->pk;
        merkle_leaf(&info->leaf, bytes.data, bytes.len);
    }
out:
    cbor_out_free(&bytes);
    ballot_free(b);
    if (w != NULL)
        secret_wipe(w, mk->secret_work_len);
    secret_burn_stack();
    return e;
}
