#include "ceremony/math/elgamal.h"

#include <stdlib.h>
#include <string.h>

#include "ceremony/base/secret.h"
#include "ceremony/math/elgamal_key.h"

err_t elgamal_key_new(struct elgamal_key **out, struct group *g, const point_t *Y)
{
    *out = NULL;
    err_t e;
    void *secret;
    struct elgamal_key *k = calloc(1, sizeof *k);
    if (k == NULL)
        return ERR_MEMORY;
    k->g = g;
    GO(secret_alloc(&secret, sizeof *k->secret));
    k->secret = secret;
    GO(point_uncompress(g, k->generator, &group_generator));
    GO(fixed_new(&k->base, &group_generator));
    GO(fixed_new(&k->key, Y));
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
    fixed_free(k->key);
    fixed_free(k->base);
    secret_free(k->secret);
    free(k);
}

err_t elgamal_add(struct elgamal_key *k, uint8_t out[FIXED_RAW_LEN], const uint8_t a[FIXED_RAW_LEN],
                  const uint8_t b[FIXED_RAW_LEN])
{
    err_t e = OK;
    point_t p, q;
    fixed_compress(&p, a); /* out may be a */
    fixed_compress(&q, b);
    if (a[0] == 4 && b[0] == 4 && fixed_add(out, a, b))
        goto out;
    memset(out, 0, FIXED_RAW_LEN);
    GO(point_add(k->g, &p, &p, &q));
    if (!point_is_identity(&p))
        GO(point_uncompress(k->g, out, &p));
out:
    secret_wipe(&p, sizeof p);
    secret_wipe(&q, sizeof q);
    return e;
}

/* t = v G, or G for v = 0. One multiplication, left out for 0 and 1. */
static err_t choice_point(struct elgamal_key *k, uint32_t v)
{
    struct elgamal_scratch *s = k->secret;
    scalar_set(&s->k, v);
    if (v > 1)
        return fixed_mul(k->base, s->t, &s->k);
    memcpy(s->t, k->generator, sizeof s->t);
    return OK;
}

err_t elgamal_encrypt(struct elgamal_key *k, struct elgamal *out, uint32_t v, const scalar_t *r)
{
    err_t e;
    struct elgamal_scratch *s = k->secret;
    memset(out, 0, sizeof *out);
    GO(fixed_mul(k->base, s->x, r));
    GO(fixed_mul(k->key, s->y, r));
    GO(choice_point(k, v));
    /* v = 0 takes r Y after the addition was made all the same. */
    GO(elgamal_add(k, s->t, s->t, s->y));
    uint8_t zero = (uint8_t)(((uint64_t)v - 1) >> 63);
    elgamal_select(s->t, s->t, s->y, FIXED_RAW_LEN, (uint8_t)(0 - zero));
    fixed_compress(&out->A, s->x);
    fixed_compress(&out->B, s->t);
    if (point_is_identity(&out->A) || point_is_identity(&out->B))
        e = ERR_BUG; /* r = 0, or r chosen to cancel v */
out:
    if (e != OK)
        memset(out, 0, sizeof *out);
    secret_wipe(s, sizeof *s);
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

void cbor_get_sum_var(struct cbor_in *in, point_t *p, struct p256_affine *pa)
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
    get_elgamal(in, ct, pa, cbor_get_sum_var);
}
