/* Proofs about an ElGamal ciphertext: 0 or 1 (Cramer, Damgard, Schoenmakers 1994), and exactly L
 * (Chaum, Pedersen 1992). */
#include <string.h>

#include "ceremony/base/secret.h"
#include "ceremony/math/elgamal.h"
#include "ceremony/math/elgamal_key.h"

/* --- prover --- */

/* For a proof that is made alone: what it is about, and whose it is. */
static err_t nonces_of_one(struct elgamal_key *k, const char *label, const scalar_t *r, const point_t *point,
                           size_t count)
{
    struct cbor_out o = CBOR_OUT_INIT;
    hash_t statement;
    cbor_put_array(&o, 1 + count);
    cbor_put_text(&o, label);
    for (size_t i = 0; i < count; i++)
        cbor_put_bytes(&o, point[i].b, POINT_LEN);
    TRY(cbor_out_hash(&o, &statement));
    return elgamal_nonces(k, r, sizeof *r, &statement);
}

/* With c and z of the false branch drawn at random, its commitments need only the two fixed bases:
 *   z G - c A = u G,   z Y - c (B - (1 - v) G) = u Y + (1 - 2v) c G,   u = z - c r. */
err_t zero_one_commit_later(struct elgamal_key *k, struct zero_one *out, struct zero_one_state *state,
                            uint32_t v, const scalar_t *r)
{
    struct elgamal_secret *s = k->secret;
    struct fixed_job *job;
    memset(out, 0, sizeof *out);
    memset(state, 0, sizeof *state);
    int is_bad = v > 1;
    secret_declassify(&is_bad, sizeof is_bad);
    if (is_bad)
        return ERR_BUG;
    TRY(elgamal_nonce(k, &state->w));
    TRY(elgamal_nonce(k, &state->c));
    TRY(elgamal_nonce(k, &state->z));
    TRY(elgamal_room(k, &job, 4));
    uint8_t mask = (uint8_t)(0 - v);
    state->r = *r;
    scalar_set(&state->v, v);
    scalar_mul(&s->u, &state->c, r);
    scalar_sub(&s->u, &state->z, &s->u);
    scalar_neg(&s->k, &state->c);
    job[0] = (struct fixed_job){.use_g = 1, .out = &out->a0};
    job[1] = (struct fixed_job){.use_g = 1, .out = &out->a1};
    elgamal_select(&job[0].g, &state->w, &s->u, sizeof job->g, mask);
    elgamal_select(&job[1].g, &s->u, &state->w, sizeof job->g, mask);
    job[2] =
        (struct fixed_job){.y = state->w, .use_y = 1, .use_swap = 1, .swap = (uint8_t)v, .out = &out->b0};
    job[3] = (struct fixed_job){.y = s->u, .use_y = 1, .use_g = 1, .out = &out->b1};
    elgamal_select(&job[3].g, &state->c, &s->k, sizeof job->g, mask);
    return OK;
}

err_t zero_one_commit(struct elgamal_key *k, struct zero_one *out, struct zero_one_state *state, uint32_t v,
                      const scalar_t *r, const struct elgamal *ct)
{
    int identity = point_is_identity(&ct->A) || point_is_identity(&ct->B);
    const point_t about[2] = {ct->A, ct->B};
    err_t e = nonces_of_one(k, "conclave/zero-one-nonces", r, about, 2);
    if (e == OK)
        e = zero_one_commit_later(k, out, state, v, r);
    if (e == OK && identity)
        e = ERR_POINT;
    if (e == OK)
        e = elgamal_run(k);
    elgamal_nonces_end(k);
    if (e != OK) {
        elgamal_drop(k);
        memset(out, 0, sizeof *out);
        secret_wipe(state, sizeof *state);
    }
    secret_burn_stack();
    return e;
}

void zero_one_respond_more(struct zero_one *out, struct zero_one_state *state, const scalar_t *c)
{
    uint8_t mask = (uint8_t)(0 - state->v.b[SCALAR_LEN - 1]);
    scalar_t true_c, true_z;
    scalar_sub(&true_c, c, &state->c);
    scalar_mul(&true_z, &true_c, &state->r);
    scalar_add(&true_z, &true_z, &state->w);
    elgamal_select(&out->c0, &true_c, &state->c, sizeof out->c0, mask);
    elgamal_select(&out->z0, &true_z, &state->z, sizeof out->z0, mask);
    elgamal_select(&out->z1, &state->z, &true_z, sizeof out->z1, mask);
    secret_wipe(&true_c, sizeof true_c);
    secret_wipe(&true_z, sizeof true_z);
    secret_wipe(state, sizeof *state);
}

void zero_one_respond(struct zero_one *out, struct zero_one_state *state, const scalar_t *c)
{
    zero_one_respond_more(out, state, c);
    secret_burn_stack();
}

err_t exact_commit_later(struct elgamal_key *k, struct exact *out, struct exact_state *state,
                         const scalar_t *r)
{
    struct fixed_job *job;
    memset(out, 0, sizeof *out);
    memset(state, 0, sizeof *state);
    TRY(elgamal_nonce(k, &state->w));
    TRY(elgamal_room(k, &job, 2));
    state->r = *r;
    job[0] = (struct fixed_job){.g = state->w, .use_g = 1, .out = &out->a};
    job[1] = (struct fixed_job){.y = state->w, .use_y = 1, .out = &out->b};
    return OK;
}

err_t exact_commit(struct elgamal_key *k, struct exact *out, struct exact_state *state, const scalar_t *r)
{
    err_t e = nonces_of_one(k, "conclave/exact-nonces", r, NULL, 0);
    if (e == OK)
        e = exact_commit_later(k, out, state, r);
    if (e == OK)
        e = elgamal_run(k);
    elgamal_nonces_end(k);
    if (e != OK) {
        memset(out, 0, sizeof *out);
        secret_wipe(state, sizeof *state);
    }
    secret_burn_stack();
    return e;
}

void exact_respond(struct exact *out, struct exact_state *state, const scalar_t *c)
{
    scalar_mul(&out->z, c, &state->r);
    scalar_add(&out->z, &out->z, &state->w);
    secret_wipe(state, sizeof *state);
    secret_burn_stack();
}

/* --- verifier, one by one, on OpenSSL alone: a second opinion on what a batch says --- */

/* a = z P - c Q; P is G where NULL */
static err_t equation(struct group *g, const point_t *a, const scalar_t *z, const point_t *P,
                      const scalar_t *c, const point_t *Q)
{
    point_t t, base[2] = {P == NULL ? group_generator : *P, *Q};
    scalar_t k[2] = {*z, *c};
    scalar_neg(&k[1], c);
    TRY(point_mul_sum(g, &t, k, base, 2));
    return point_equal(&t, a) ? OK : ERR_PROOF;
}

static err_t refuse_identity(const point_t *const *p, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (point_is_identity(p[i]))
            return ERR_POINT;
    return OK;
}

err_t zero_one_verify(struct group *g, const point_t *Y, const struct elgamal *ct, const struct zero_one *p,
                      const scalar_t *c)
{
    const point_t *const points[] = {Y, &ct->A, &ct->B, &p->a0, &p->b0, &p->a1, &p->b1};
    scalar_t c1;
    point_t less;
    TRY(refuse_identity(points, sizeof points / sizeof points[0]));
    TRY(scalar_check(c));
    TRY(scalar_check(&p->c0));
    TRY(scalar_check(&p->z0));
    TRY(scalar_check(&p->z1));
    for (size_t i = 3; i < sizeof points / sizeof points[0]; i++)
        TRY(point_check(g, points[i]));
    scalar_sub(&c1, c, &p->c0);
    TRY(point_sub(g, &less, &ct->B, &group_generator));
    TRY(equation(g, &p->a0, &p->z0, NULL, &p->c0, &ct->A));
    TRY(equation(g, &p->b0, &p->z0, Y, &p->c0, &ct->B));
    TRY(equation(g, &p->a1, &p->z1, NULL, &c1, &ct->A));
    return equation(g, &p->b1, &p->z1, Y, &c1, &less);
}

err_t exact_verify(struct group *g, const point_t *Y, const struct elgamal *ct, uint32_t L,
                   const struct exact *p, const scalar_t *c)
{
    const point_t *const points[] = {Y, &ct->A, &ct->B, &p->a, &p->b};
    scalar_t limit;
    point_t less;
    TRY(refuse_identity(points, sizeof points / sizeof points[0]));
    TRY(scalar_check(c));
    TRY(scalar_check(&p->z));
    TRY(point_check(g, &p->a));
    TRY(point_check(g, &p->b));
    scalar_set(&limit, L);
    TRY(point_mul_base(g, &less, &limit));
    TRY(point_sub(g, &less, &ct->B, &less));
    TRY(equation(g, &p->a, &p->z, NULL, c, &ct->A));
    return equation(g, &p->b, &p->z, Y, c, &less);
}

/* --- CBOR --- */

void cbor_put_zero_one(struct cbor_out *o, const struct zero_one *p)
{
    cbor_put_array(o, 7);
    cbor_put_point(o, &p->a0);
    cbor_put_point(o, &p->b0);
    cbor_put_point(o, &p->a1);
    cbor_put_point(o, &p->b1);
    cbor_put_scalar(o, &p->c0);
    cbor_put_scalar(o, &p->z0);
    cbor_put_scalar(o, &p->z1);
}

void cbor_get_zero_one_var(struct cbor_in *in, struct zero_one *p, struct zero_one_affine *pa)
{
    cbor_get_array_exact(in, 7);
    cbor_get_point_var(in, &p->a0, pa == NULL ? NULL : &pa->a0);
    cbor_get_point_var(in, &p->b0, pa == NULL ? NULL : &pa->b0);
    cbor_get_point_var(in, &p->a1, pa == NULL ? NULL : &pa->a1);
    cbor_get_point_var(in, &p->b1, pa == NULL ? NULL : &pa->b1);
    cbor_get_scalar(in, &p->c0);
    cbor_get_scalar(in, &p->z0);
    cbor_get_scalar(in, &p->z1);
}

void cbor_put_exact(struct cbor_out *o, const struct exact *p)
{
    cbor_put_array(o, 3);
    cbor_put_point(o, &p->a);
    cbor_put_point(o, &p->b);
    cbor_put_scalar(o, &p->z);
}

void cbor_get_exact_var(struct cbor_in *in, struct exact *p, struct exact_affine *pa)
{
    cbor_get_array_exact(in, 3);
    cbor_get_point_var(in, &p->a, pa == NULL ? NULL : &pa->a);
    cbor_get_point_var(in, &p->b, pa == NULL ? NULL : &pa->b);
    cbor_get_scalar(in, &p->z);
}
