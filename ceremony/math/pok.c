#include "ceremony/math/pok.h"

#include <string.h>

#include "ceremony/base/secret.h"

#define NONCE_WIDE_LEN 48

err_t nonce_make(scalar_t *out, const void *secret, size_t secret_len, const uint8_t fresh[32],
                 const hash_t *statement)
{
    void *wide = NULL;
    struct cbor_out info = CBOR_OUT_INIT;
    err_t e;
    cbor_put_array(&info, 2);
    cbor_put_text(&info, "conclave/nonce");
    cbor_put_hash(&info, statement);
    GO(info.err);
    GO(secret_alloc(&wide, NONCE_WIDE_LEN));
    GO(hkdf(wide, NONCE_WIDE_LEN, fresh, 32, secret, secret_len, info.data, info.len));
    scalar_reduce(out, wide, NONCE_WIDE_LEN);
    int zero = scalar_is_zero(out);
    secret_declassify(&zero, sizeof zero);
    if (zero)
        e = ERR_BUG;
out:
    if (e != OK)
        secret_wipe(out, sizeof *out);
    cbor_out_free(&info);
    secret_free(wide);
    secret_burn_stack();
    return e;
}

/* [label, election, context, X] for the nonce, [label, election, context, X, R] for the challenge. */
static void put_statement(struct cbor_out *o, const char *label, const hash_t *election, const void *context,
                          size_t context_len, const point_t *X, const point_t *R)
{
    cbor_put_array(o, R == NULL ? 4 : 5);
    cbor_put_text(o, label);
    cbor_put_hash(o, election);
    cbor_put_bytes(o, context, context_len);
    cbor_put_point(o, X);
    if (R != NULL)
        cbor_put_point(o, R);
}

static err_t challenge(scalar_t *c, const char *label, const hash_t *election, const void *context,
                       size_t context_len, const point_t *X, const point_t *R)
{
    struct cbor_out o = CBOR_OUT_INIT;
    put_statement(&o, label, election, context, context_len, X, R);
    return cbor_out_scalar(&o, c, label);
}

err_t pok_prove(struct group *g, struct pok *out, const scalar_t *secret_x, const point_t *X,
                const uint8_t fresh[32], const char *label, const hash_t *election, const void *context,
                size_t context_len)
{
    void *mem = NULL;
    struct cbor_out o = CBOR_OUT_INIT;
    hash_t statement;
    scalar_t c;
    err_t e;
    GO(point_check(g, X));
    GO(secret_alloc(&mem, sizeof(scalar_t)));
    scalar_t *secret_w = mem;
    put_statement(&o, label, election, context, context_len, X, NULL);
    GO(cbor_out_hash(&o, &statement));
    GO(nonce_make(secret_w, secret_x, sizeof *secret_x, fresh, &statement));
    GO(point_mul_base(g, &out->R, secret_w));
    GO(challenge(&c, label, election, context, context_len, X, &out->R));
    scalar_mul(&out->z, &c, secret_x);
    scalar_add(&out->z, &out->z, secret_w);
out:
    if (e != OK)
        secret_wipe(out, sizeof *out);
    cbor_out_free(&o);
    secret_free(mem);
    secret_burn_stack();
    return e;
}

err_t pok_verify(struct group *g, const struct pok *p, const point_t *X, const char *label,
                 const hash_t *election, const void *context, size_t context_len)
{
    scalar_t c;
    point_t left;
    TRY(point_check(g, X));
    TRY(point_check(g, &p->R));
    TRY(scalar_check(&p->z));
    TRY(challenge(&c, label, election, context, context_len, X, &p->R));
    scalar_neg(&c, &c);
    TRY(point_mul2(g, &left, &p->z, &c, X));
    return point_equal(&left, &p->R) ? OK : ERR_PROOF;
}

void cbor_put_pok(struct cbor_out *o, const struct pok *p)
{
    cbor_put_array(o, 2);
    cbor_put_point(o, &p->R);
    cbor_put_scalar(o, &p->z);
}

void cbor_get_pok(struct cbor_in *in, struct group *g, struct pok *p)
{
    cbor_get_array_exact(in, 2);
    cbor_get_point(in, g, &p->R);
    cbor_get_scalar(in, &p->z);
    if (in->err != OK)
        memset(p, 0, sizeof *p);
}
