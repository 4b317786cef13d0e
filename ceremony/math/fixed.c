/* EC_GROUP_precompute_mult is deprecated in OpenSSL 3 and has no successor: without it every multiple
 * of the joint key costs what a first multiple costs, about four times as much. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "ceremony/math/fixed.h"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/obj_mac.h>
#include <stdlib.h>
#include <string.h>

#include "ceremony/base/openssl.h"
#include "ceremony/base/secret.h"
#include "ceremony/math/p256_field.h"

struct fixed_base {
    EC_GROUP *curve; /* with the base as its generator */
    BN_CTX *ctx;
    BIGNUM *secret_k;
    EC_POINT *result;
};

static err_t fixed_set_base(struct fixed_base *f, const point_t *base)
{
    openssl_begin();
    if (EC_POINT_oct2point(f->curve, f->result, base->b, sizeof base->b, f->ctx) != 1)
        return openssl_point_error();
    const BIGNUM *order = EC_GROUP_get0_order(f->curve), *cofactor = EC_GROUP_get0_cofactor(f->curve);
    BIGNUM *q = BN_dup(order), *h = BN_dup(cofactor);
    err_t e = ERR_MEMORY;
    if (q != NULL && h != NULL && EC_GROUP_set_generator(f->curve, f->result, q, h) == 1 &&
        EC_GROUP_precompute_mult(f->curve, f->ctx) == 1)
        e = OK;
    BN_free(q);
    BN_free(h);
    if (e != OK)
        ERR_clear_error();
    return e;
}

err_t fixed_new(struct fixed_base **out, const point_t *base)
{
    *out = NULL;
    if (base->b[0] != 2 && base->b[0] != 3)
        return ERR_POINT;
    err_t e = ERR_MEMORY;
    struct fixed_base *f = calloc(1, sizeof *f);
    if (f == NULL)
        return ERR_MEMORY;
    f->curve = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
    f->ctx = BN_CTX_secure_new();
    f->secret_k = BN_secure_new();
    if (f->curve != NULL)
        f->result = EC_POINT_new(f->curve);
    if (f->ctx == NULL || f->secret_k == NULL || f->result == NULL)
        goto out;
    BN_set_flags(f->secret_k, BN_FLG_CONSTTIME);
    GO(fixed_set_base(f, base));
    *out = f;
    f = NULL;
out:
    fixed_free(f);
    return e;
}

void fixed_free(struct fixed_base *f)
{
    if (f == NULL)
        return;
    EC_POINT_clear_free(f->result);
    BN_clear_free(f->secret_k);
    BN_CTX_free(f->ctx);
    EC_GROUP_free(f->curve);
    free(f);
}

/* mask: all ones takes b, zero takes a */
static void select_bytes(uint8_t *out, const uint8_t *a, const uint8_t *b, size_t len, uint8_t mask)
{
    for (size_t i = 0; i < len; i++)
        out[i] = (uint8_t)((a[i] & ~mask) | (b[i] & mask));
}

static void negate_if(uint8_t raw[FIXED_RAW_LEN], uint8_t mask)
{
    fe_t y;
    uint8_t minus[32];
    if (!fe_load(y, raw + 33)) /* never: these bytes were just written from a field element */
        return;
    fe_neg(y, y);
    fe_store(minus, y);
    select_bytes(raw + 33, raw + 33, minus, sizeof minus, mask);
    secret_wipe(y, sizeof y);
    secret_wipe(minus, sizeof minus);
}

err_t fixed_mul(struct fixed_base *f, uint8_t out[FIXED_RAW_LEN], const scalar_t *k)
{
    /* The length of a BIGNUM shows in the time: of k and q - k, the one with the top bit goes in. */
    scalar_t minus, full;
    scalar_neg(&minus, k);
    uint8_t flip = (uint8_t)((k->b[0] >> 7) - 1);
    select_bytes(full.b, k->b, minus.b, SCALAR_LEN, flip);
    memset(out, 0, FIXED_RAW_LEN);
    err_t e = ERR_MEMORY;
    if (BN_bin2bn(full.b, SCALAR_LEN, f->secret_k) != NULL &&
        EC_POINT_mul(f->curve, f->result, f->secret_k, NULL, NULL, f->ctx) == 1) {
        if (EC_POINT_is_at_infinity(f->curve, f->result))
            e = OK;
        else if (EC_POINT_point2oct(f->curve, f->result, POINT_CONVERSION_UNCOMPRESSED, out, FIXED_RAW_LEN,
                                    f->ctx) == FIXED_RAW_LEN)
            e = OK;
    }
    if (e == OK)
        negate_if(out, flip);
    else
        memset(out, 0, FIXED_RAW_LEN);
    if (e != OK)
        ERR_clear_error();
    BN_clear(f->secret_k);
    secret_wipe(&minus, sizeof minus);
    secret_wipe(&full, sizeof full);
    return e;
}

int fixed_add(uint8_t out[FIXED_RAW_LEN], const uint8_t a[FIXED_RAW_LEN], const uint8_t b[FIXED_RAW_LEN])
{
    struct {
        fe_t ax, ay, bx, by, slope, t, x;
    } s;
    int usable = fe_load(s.ax, a + 1) & fe_load(s.ay, a + 33) & fe_load(s.bx, b + 1) & fe_load(s.by, b + 33);
    fe_sub(s.t, s.bx, s.ax);
    usable &= !fe_is_zero(s.t);
    fe_invert(s.t, s.t);
    fe_sub(s.slope, s.by, s.ay);
    fe_mul(s.slope, s.slope, s.t);
    fe_sqr(s.x, s.slope);
    fe_sub(s.x, s.x, s.ax);
    fe_sub(s.x, s.x, s.bx);
    fe_sub(s.t, s.ax, s.x);
    fe_mul(s.t, s.t, s.slope);
    fe_sub(s.t, s.t, s.ay);
    out[0] = 4;
    fe_store(out + 1, s.x);
    fe_store(out + 33, s.t);
    if (!usable)
        memset(out, 0, FIXED_RAW_LEN);
    secret_wipe(&s, sizeof s);
    return usable;
}

void fixed_compress(point_t *out, const uint8_t raw[FIXED_RAW_LEN])
{
    out->b[0] = (uint8_t)((raw[0] >> 1) | (raw[FIXED_RAW_LEN - 1] & 1));
    memcpy(out->b + 1, raw + 1, 32);
}
