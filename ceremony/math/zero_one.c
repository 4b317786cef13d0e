/* Proofs about an ElGamal ciphertext: 0 or 1 (Cramer, Damgard, Schoenmakers 1994), and exactly L
 * (Chaum, Pedersen 1992). */
#include <string.h>

#include "ceremony/base/secret.h"
#include "ceremony/math/elgamal.h"
#include "ceremony/math/elgamal_key.h"

/* --- prover --- */

/* With c and z of the false branch drawn at random, its commitments need only the two fixed bases:
 *   z G - c A = u G,   z Y - c (B - (1 - v) G) = u Y + (1 - 2v) c G,   u = z - c r. */
static err_t commit_false(struct elgamal_key *k, uint8_t mask, const scalar_t *r)
{
    struct elgamal_scratch *s = k->secret;
    scalar_random(&s->c);
    scalar_random(&s->z);
    scalar_mul(&s->u, &s->c, r);
    scalar_sub(&s->u, &s->z, &s->u);
    TRY(fixed_mul(k->base, s->x, &s->u));
    TRY(fixed_mul(k->key, s->y, &s->u));
    scalar_neg(&s->k, &s->c);
    elgamal_select(&s->k, &s->c, &s->k, sizeof s->k, mask);
    TRY(fixed_mul(k->base, s->t, &s->k));
    TRY(elgamal_add(k, s->y, s->y, s->t));
    fixed_compress(&s->fake_a, s->x);
    fixed_compress(&s->fake_b, s->y);
    return OK;
}

static err_t commit_true(struct elgamal_key *k, point_t *a, point_t *b, scalar_t *w)
{
    struct elgamal_scratch *s = k->secret;
    scalar_random(w);
    TRY(fixed_mul(k->base, s->x, w));
    TRY(fixed_mul(k->key, s->y, w));
    fixed_compress(a, s->x);
    fixed_compress(b, s->y);
    return OK;
}

err_t zero_one_commit(struct elgamal_key *k, struct zero_one *out, struct zero_one_state *state, uint32_t v,
                      const scalar_t *r, const struct elgamal *ct)
{
    err_t e;
    struct elgamal_scratch *s = k->secret;
    memset(out, 0, sizeof *out);
    memset(state, 0, sizeof *state);
    if (v > 1)
        return ERR_BUG;
    if (point_is_identity(&ct->A) || point_is_identity(&ct->B))
        return ERR_POINT;
    uint8_t mask = (uint8_t)(0 - v);
    GO(commit_true(k, &s->real_a, &s->real_b, &state->w));
    GO(commit_false(k, mask, r));
    elgamal_select(&out->a0, &s->real_a, &s->fake_a, sizeof out->a0, mask);
    elgamal_select(&out->b0, &s->real_b, &s->fake_b, sizeof out->b0, mask);
    elgamal_select(&out->a1, &s->fake_a, &s->real_a, sizeof out->a1, mask);
    elgamal_select(&out->b1, &s->fake_b, &s->real_b, sizeof out->b1, mask);
    state->r = *r;
    scalar_set(&state->v, v);
    state->c = s->c;
    state->z = s->z;
out:
    if (e != OK) {
        memset(out, 0, sizeof *out);
        secret_wipe(state, sizeof *state);
    }
    secret_wipe(s, sizeof *s);
    secret_burn_stack();
    return e;
}

void zero_one_respond(struct zero_one *out, struct zero_one_state *state, const scalar_t *c)
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
    secret_burn_stack();
}

err_t exact_commit(struct elgamal_key *k, struct exact *out, struct exact_state *state, const scalar_t *r)
{
    memset(out, 0, sizeof *out);
    memset(state, 0, sizeof *state);
    err_t e = commit_true(k, &out->a, &out->b, &state->w);
    if (e == OK) {
        state->r = *r;
    } else {
        memset(out, 0, sizeof *out);
        secret_wipe(state, sizeof *state);
    }
    secret_wipe(k->secret, sizeof *k->secret);
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
