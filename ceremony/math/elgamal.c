#include "ceremony/math/elgamal.h"

#include <stdlib.h>
#include <string.h>

#include "ceremony/base/secret.h"
#include "ceremony/math/elgamal_key.h"

err_t elgamal_key_new(struct elgamal_key **out, struct group *g, const point_t *Y)
{
    return elgamal_key_new_on(p256_path_best(), out, g, Y);
}

err_t elgamal_key_new_on(enum p256_path path, struct elgamal_key **out, struct group *g, const point_t *Y)
{
    *out = NULL;
    err_t e;
    void *secret, *nonces;
    struct elgamal_key *k = calloc(1, sizeof *k);
    if (k == NULL)
        return ERR_MEMORY;
    k->g = g;
    GO(secret_alloc(&secret, sizeof *k->secret));
    k->secret = secret;
    GO(secret_alloc(&nonces, sizeof *k->nonces));
    k->nonces = nonces;
    GO(fixed_new(path, &k->fixed, g, Y));
    *out = k;
    k = NULL;
out:
    elgamal_key_free(k);
    return e;
}

void elgamal_key_free(struct elgamal_key *k)
{
    if (k == NULL)
        return;
    fixed_free(k->fixed);
    secret_free(k->secret);
    secret_free(k->nonces);
    free(k);
}

err_t elgamal_nonces(struct elgamal_key *k, const void *secret, size_t secret_len, const hash_t *statement)
{
    uint8_t fresh[32];
    random_bytes(fresh, sizeof fresh);
    err_t e = nonces_start(k->nonces, secret, secret_len, fresh, statement);
    secret_wipe(fresh, sizeof fresh);
    return e;
}

err_t elgamal_nonce(struct elgamal_key *k, scalar_t *out)
{
    return nonces_next(k->nonces, out);
}

void elgamal_nonces_end(struct elgamal_key *k)
{
    nonces_end(k->nonces);
}

err_t elgamal_run(struct elgamal_key *k)
{
    struct elgamal_secret *s = k->secret;
    uint8_t identity = 0;
    err_t e = fixed_run(k->fixed, s->job, s->count);
    for (size_t i = 0; i < s->count && e == OK; i++)
        identity |= s->job[i].out->b[0] == 0; /* whether there is one at all: never, with random scalars */
    if (identity) {
        e = ERR_BUG;
        for (size_t i = 0; i < s->count; i++)
            memset(s->job[i].out, 0, sizeof *s->job[i].out);
    }
    secret_wipe(s, sizeof *s);
    secret_burn_stack();
    return e;
}

void elgamal_drop(struct elgamal_key *k)
{
    for (size_t i = 0; i < k->secret->count; i++)
        memset(k->secret->job[i].out, 0, sizeof *k->secret->job[i].out);
    secret_wipe(k->secret, sizeof *k->secret);
}

err_t elgamal_room(struct elgamal_key *k, struct fixed_job **out, size_t count)
{
    *out = NULL;
    if (k->secret->count + count > FIXED_JOBS)
        TRY(elgamal_run(k));
    *out = &k->secret->job[k->secret->count];
    k->secret->count += count;
    return OK;
}

err_t elgamal_mul_later(struct elgamal_key *k, point_t *out, const scalar_t *s)
{
    struct fixed_job *job;
    memset(out, 0, sizeof *out);
    TRY(elgamal_room(k, &job, 1));
    *job = (struct fixed_job){.g = *s, .use_g = 1, .out = out};
    return OK;
}

err_t elgamal_encrypt_later(struct elgamal_key *k, struct elgamal *out, uint32_t v, const scalar_t *r)
{
    struct fixed_job *job;
    memset(out, 0, sizeof *out);
    TRY(elgamal_room(k, &job, 2));
    job[0] = (struct fixed_job){.g = *r, .use_g = 1, .out = &out->A};
    job[1] = (struct fixed_job){.y = *r, .use_y = 1, .out = &out->B};
    int is_large = v > 1; /* a count, not a vote: that may show */
    secret_declassify(&is_large, sizeof is_large);
    if (is_large) {
        job[1].use_g = 1;
        scalar_set(&job[1].g, v);
    } else {
        job[1].use_plus = 1;
        job[1].plus = (uint8_t)v;
    }
    return OK;
}

err_t elgamal_encrypt(struct elgamal_key *k, struct elgamal *out, uint32_t v, const scalar_t *r)
{
    err_t e = elgamal_encrypt_later(k, out, v, r);
    if (e == OK)
        e = elgamal_run(k); /* ERR_BUG: r = 0, or r chosen to cancel v */
    if (e != OK)
        memset(out, 0, sizeof *out);
    secret_burn_stack();
    return e;
}

void cbor_put_elgamal(struct cbor_out *o, const struct elgamal *ct)
{
    cbor_put_array(o, 2);
    cbor_put_point(o, &ct->A);
    cbor_put_point(o, &ct->B);
}

static void get_decompressed(struct cbor_in *in, point_t *p, struct p256_affine *pa,
                             err_t (*decompress)(struct p256_affine *, const point_t *))
{
    struct p256_affine spare;
    size_t at = in->pos;
    if (pa == NULL)
        pa = &spare;
    memset(pa, 0, sizeof *pa);
    cbor_get_fixed(in, p->b, sizeof p->b);
    if (in->err != OK)
        return;
    err_t e = decompress(pa, p);
    if (e == OK)
        return;
    memset(p, 0, sizeof *p);
    in->pos = at; /* the error is where the point begins */
    cbor_fail(in, e);
}

void cbor_get_point_var(struct cbor_in *in, point_t *p, struct p256_affine *pa)
{
    get_decompressed(in, p, pa, p256_decompress_var);
}

static void get_sum_var(struct cbor_in *in, point_t *p, struct p256_affine *pa)
{
    get_decompressed(in, p, pa, p256_decompress_sum_var);
}

static void get_elgamal(struct cbor_in *in, struct elgamal *ct, struct elgamal_affine *pa,
                        void (*get)(struct cbor_in *, point_t *, struct p256_affine *))
{
    cbor_get_array_exact(in, 2);
    get(in, &ct->A, pa == NULL ? NULL : &pa->A);
    get(in, &ct->B, pa == NULL ? NULL : &pa->B);
}

void cbor_get_elgamal_var(struct cbor_in *in, struct elgamal *ct, struct elgamal_affine *pa)
{
    get_elgamal(in, ct, pa, cbor_get_point_var);
}

void cbor_get_elgamal_sum_var(struct cbor_in *in, struct elgamal *ct, struct elgamal_affine *pa)
{
    get_elgamal(in, ct, pa, get_sum_var);
}
