/* What is constant time here and what is left behind:
 *  - Scalars: GMP's mpn_sec_ and mpn_cnd_ functions on fixed sizes, scratch on our own stack, wiped.
 *  - k P: OpenSSL's nistz256 walks fixed windows and reads its tables in full. Two things around it
 *    depend on the length of the BIGNUM (BN_bin2bn drops leading zero bytes, the scalar is recoded limb
 *    by limb). So k or q - k, whichever is larger, goes in; its top byte is never below 0x7f; the
 *    sign of the result is put right without a branch.
 *  - The BIGNUM of the scalar, the product and the context are kept and cleared after each use. The window
 * tables and the recoded scalar are temporaries of OpenSSL on heap and stack: the heap is wiped on free by
 * the allocators of secret_init(), the stack by secret_burn_stack(), which is the caller's to call. OpenSSL's
 * secure heap is not set up, so BN_secure_new gives ordinary pages, for one call.
 *  - Reading a compressed point (a square root) and adding two points is variable time in the points.
 *    Whether a result is the identity shows in the time. */
#include "ceremony/math/group.h"

#include <gmp.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/obj_mac.h>
#include <stdlib.h>
#include <string.h>

#include "ceremony/base/openssl.h"
#include "ceremony/base/secret.h"

_Static_assert(GMP_NUMB_BITS == 64 && sizeof(mp_limb_t) == 8, "limbs of 64 bits are assumed");

#define LIMBS 4
#define REDUCE_LIMBS 8
#define SCRATCH 128 /* limbs; group_new checks that GMP asks for no more */
#define RAW_LEN 65  /* 04|x|y, or all zero for the identity */

const point_t group_generator = {{0x03, 0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8, 0xbc,
                                  0xe6, 0xe5, 0x63, 0xa4, 0x40, 0xf2, 0x77, 0x03, 0x7d, 0x81, 0x2d,
                                  0xeb, 0x33, 0xa0, 0xf4, 0xa1, 0x39, 0x45, 0xd8, 0x98, 0xc2, 0x96}};

const uint8_t group_order[SCALAR_LEN] = {0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff,
                                         0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17,
                                         0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51};

/* q and the field's p, least significant limb first. */
static const mp_limb_t order[LIMBS] = {0xf3b9cac2fc632551, 0xbce6faada7179e84, 0xffffffffffffffff,
                                       0xffffffff00000000};
static const mp_limb_t field[LIMBS] = {0xffffffffffffffff, 0x00000000ffffffff, 0x0000000000000000,
                                       0xffffffff00000001};

struct group {
    EC_GROUP *curve;
    BN_CTX *ctx;
    BIGNUM *secret_k;
    EC_POINT *p, *r, *sum;
};

/* --- limbs --- */

static void limbs_load(mp_limb_t *out, size_t limbs, const uint8_t *in)
{
    for (size_t i = 0; i < limbs; i++) {
        mp_limb_t v = 0;
        for (size_t j = 0; j < 8; j++)
            v = v << 8 | in[8 * (limbs - 1 - i) + j];
        out[i] = v;
    }
}

static void limbs_store(uint8_t out[SCALAR_LEN], const mp_limb_t in[LIMBS])
{
    for (size_t i = 0; i < LIMBS; i++)
        for (size_t j = 0; j < 8; j++)
            out[8 * (LIMBS - 1 - i) + j] = (uint8_t)(in[i] >> (56 - 8 * j));
}

/* a = take ? b : a, without a branch; take is 0 or 1. */
static void limbs_select(mp_limb_t a[LIMBS], const mp_limb_t b[LIMBS], mp_limb_t take)
{
    for (size_t i = 0; i < LIMBS; i++)
        a[i] ^= (0 - take) & (a[i] ^ b[i]);
}

/* --- scalars --- */

err_t scalar_check(const scalar_t *s)
{
    mp_limb_t a[LIMBS], t[LIMBS];
    limbs_load(a, LIMBS, s->b);
    mp_limb_t below = mpn_cnd_sub_n(1, t, a, order, LIMBS);
    secret_wipe(a, sizeof a);
    secret_wipe(t, sizeof t);
    return below ? OK : ERR_SCALAR;
}

int scalar_is_zero(const scalar_t *s)
{
    static const scalar_t zero;
    return secret_equal(s->b, zero.b, SCALAR_LEN);
}

void scalar_set(scalar_t *out, uint64_t v)
{
    mp_limb_t a[LIMBS] = {v, 0, 0, 0};
    limbs_store(out->b, a);
    secret_wipe(a, sizeof a);
}

void scalar_add(scalar_t *out, const scalar_t *a, const scalar_t *b)
{
    mp_limb_t x[LIMBS], y[LIMBS];
    limbs_load(x, LIMBS, a->b);
    limbs_load(y, LIMBS, b->b);
    mp_limb_t carry = mpn_cnd_add_n(1, x, x, y, LIMBS);
    mp_limb_t borrow = mpn_cnd_sub_n(1, y, x, order, LIMBS);
    limbs_select(x, y, carry | (borrow ^ 1));
    limbs_store(out->b, x);
    secret_wipe(x, sizeof x);
    secret_wipe(y, sizeof y);
}

void scalar_sub(scalar_t *out, const scalar_t *a, const scalar_t *b)
{
    mp_limb_t x[LIMBS], y[LIMBS];
    limbs_load(x, LIMBS, a->b);
    limbs_load(y, LIMBS, b->b);
    mp_limb_t borrow = mpn_cnd_sub_n(1, x, x, y, LIMBS);
    mpn_cnd_add_n(borrow, x, x, order, LIMBS);
    limbs_store(out->b, x);
    secret_wipe(x, sizeof x);
    secret_wipe(y, sizeof y);
}

void scalar_neg(scalar_t *out, const scalar_t *a)
{
    static const scalar_t zero;
    scalar_sub(out, &zero, a);
}

void scalar_mul(scalar_t *out, const scalar_t *a, const scalar_t *b)
{
    mp_limb_t x[LIMBS], y[LIMBS], r[REDUCE_LIMBS], scratch[SCRATCH];
    limbs_load(x, LIMBS, a->b);
    limbs_load(y, LIMBS, b->b);
    mpn_sec_mul(r, x, LIMBS, y, LIMBS, scratch);
    mpn_sec_div_r(r, REDUCE_LIMBS, order, LIMBS, scratch);
    limbs_store(out->b, r);
    secret_wipe(x, sizeof x);
    secret_wipe(y, sizeof y);
    secret_wipe(r, sizeof r);
    secret_wipe(scratch, sizeof scratch);
}

void scalar_invert(scalar_t *out, const scalar_t *a)
{
    mp_limb_t x[LIMBS], r[LIMBS] = {0}, scratch[SCRATCH];
    limbs_load(x, LIMBS, a->b);
    mp_limb_t good = mpn_sec_invert(r, x, order, LIMBS, 2 * 256, scratch) != 0;
    for (size_t i = 0; i < LIMBS; i++)
        r[i] &= 0 - good;
    limbs_store(out->b, r);
    secret_wipe(x, sizeof x);
    secret_wipe(r, sizeof r);
    secret_wipe(scratch, sizeof scratch);
}

void scalar_reduce(scalar_t *out, const uint8_t *in, size_t len)
{
    uint8_t wide[8 * REDUCE_LIMBS] = {0};
    mp_limb_t r[REDUCE_LIMBS], scratch[SCRATCH];
    if (len > sizeof wide) /* the caller broke the rule; never read or write past the buffer */
        abort();
    if (len > 0)
        memcpy(wide + sizeof wide - len, in, len);
    limbs_load(r, REDUCE_LIMBS, wide);
    mpn_sec_div_r(r, REDUCE_LIMBS, order, LIMBS, scratch);
    limbs_store(out->b, r);
    secret_wipe(wide, sizeof wide);
    secret_wipe(r, sizeof r);
    secret_wipe(scratch, sizeof scratch);
}

/* Not in 1 .. q - 1: one in 2^32, and then forgotten, so that it may show. */
static int scalar_is_bad(const scalar_t *s)
{
    int bad = (scalar_check(s) != OK) | scalar_is_zero(s);
    secret_declassify(&bad, sizeof bad);
    return bad;
}

void scalar_random(scalar_t *out)
{
    do
        random_bytes(out->b, SCALAR_LEN);
    while (scalar_is_bad(out));
}

/* --- points: reading and writing --- */

err_t group_new(struct group **out)
{
    *out = NULL;
    if (mpn_sec_mul_itch(LIMBS, LIMBS) > SCRATCH || mpn_sec_div_r_itch(REDUCE_LIMBS, LIMBS) > SCRATCH ||
        mpn_sec_invert_itch(LIMBS) > SCRATCH)
        return ERR_BUG;
    struct group *g = calloc(1, sizeof *g);
    if (g == NULL)
        return ERR_MEMORY;
    g->curve = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
    g->ctx = BN_CTX_secure_new();
    g->secret_k = BN_secure_new();
    if (g->curve != NULL) {
        g->p = EC_POINT_new(g->curve);
        g->r = EC_POINT_new(g->curve);
        g->sum = EC_POINT_new(g->curve);
    }
    if (g->ctx == NULL || g->secret_k == NULL || g->p == NULL || g->r == NULL || g->sum == NULL) {
        group_free(g);
        return ERR_MEMORY;
    }
    BN_set_flags(g->secret_k, BN_FLG_CONSTTIME);
    *out = g;
    return OK;
}

void group_free(struct group *g)
{
    if (g == NULL)
        return;
    EC_POINT_clear_free(g->sum);
    EC_POINT_clear_free(g->r);
    EC_POINT_clear_free(g->p);
    BN_clear_free(g->secret_k);
    BN_CTX_free(g->ctx);
    EC_GROUP_free(g->curve);
    free(g);
}

int point_is_identity(const point_t *p)
{
    static const point_t zero;
    return secret_equal(p->b, zero.b, POINT_LEN);
}

int point_equal(const point_t *a, const point_t *b)
{
    return secret_equal(a->b, b->b, POINT_LEN);
}

/* OpenSSL checks that coordinates are below p and that the point is on the curve. */
static err_t read_octets(struct group *g, EC_POINT *out, const uint8_t *in, size_t len)
{
    openssl_begin();
    return EC_POINT_oct2point(g->curve, out, in, len, g->ctx) == 1 ? OK : openssl_point_error();
}

static err_t read_point(struct group *g, EC_POINT *out, const point_t *p)
{
    if (p->b[0] != 2 && p->b[0] != 3)
        return ERR_POINT;
    return read_octets(g, out, p->b, POINT_LEN);
}

static err_t read_sum(struct group *g, EC_POINT *out, const point_t *p)
{
    if (!point_is_identity(p))
        return read_point(g, out, p);
    return EC_POINT_set_to_infinity(g->curve, out) == 1 ? OK : ERR_MEMORY;
}

static err_t read_raw(struct group *g, EC_POINT *out, const uint8_t raw[RAW_LEN])
{
    if (raw[0] == 4)
        return read_octets(g, out, raw, RAW_LEN);
    return EC_POINT_set_to_infinity(g->curve, out) == 1 ? OK : ERR_MEMORY;
}

static err_t write_raw(struct group *g, uint8_t raw[RAW_LEN], const EC_POINT *p)
{
    memset(raw, 0, RAW_LEN);
    if (EC_POINT_is_at_infinity(g->curve, p))
        return OK;
    size_t n = EC_POINT_point2oct(g->curve, p, POINT_CONVERSION_UNCOMPRESSED, raw, RAW_LEN, g->ctx);
    if (n == RAW_LEN)
        return OK;
    ERR_clear_error();
    memset(raw, 0, RAW_LEN);
    return ERR_MEMORY;
}

static void raw_compress(point_t *out, const uint8_t raw[RAW_LEN])
{
    uint8_t prefix = (uint8_t)((raw[0] >> 1) | (raw[RAW_LEN - 1] & 1)); /* 04 -> 02 or 03, 00 -> 00 */
    memmove(out->b + 1, raw + 1, POINT_LEN - 1);
    out->b[0] = prefix;
}

static err_t write_point(struct group *g, point_t *out, const EC_POINT *p)
{
    uint8_t raw[RAW_LEN];
    err_t e = write_raw(g, raw, p);
    raw_compress(out, raw);
    secret_wipe(raw, sizeof raw);
    return e;
}

err_t point_check(struct group *g, const point_t *p)
{
    return read_point(g, g->p, p);
}

err_t point_check_sum(struct group *g, const point_t *p)
{
    return read_sum(g, g->p, p);
}

err_t point_uncompress(struct group *g, uint8_t out[65], const point_t *p)
{
    err_t e = read_point(g, g->p, p);
    if (e == OK)
        e = write_raw(g, out, g->p);
    if (e != OK)
        memset(out, 0, RAW_LEN);
    return e;
}

err_t point_compress(struct group *g, point_t *out, const uint8_t in[65])
{
    err_t e = in[0] == 4 ? read_octets(g, g->p, in, RAW_LEN) : ERR_POINT;
    if (e == OK)
        raw_compress(out, in);
    else
        memset(out, 0, sizeof *out);
    return e;
}

static void get_checked(struct cbor_in *in, point_t *out, struct group *g,
                        err_t (*check)(struct group *, const point_t *))
{
    size_t at = in->pos;
    cbor_get_fixed(in, out->b, POINT_LEN);
    if (in->err != OK)
        return;
    err_t e = check(g, out);
    if (e == OK)
        return;
    memset(out, 0, sizeof *out);
    in->pos = at;
    cbor_fail(in, e);
}

void cbor_get_point(struct cbor_in *in, struct group *g, point_t *out)
{
    get_checked(in, out, g, point_check);
}

void cbor_get_sum(struct cbor_in *in, struct group *g, point_t *out)
{
    get_checked(in, out, g, point_check_sum);
}

void cbor_get_scalar(struct cbor_in *in, scalar_t *out)
{
    size_t at = in->pos;
    cbor_get_fixed(in, out->b, SCALAR_LEN);
    if (in->err != OK || scalar_check(out) == OK)
        return;
    secret_wipe(out, sizeof *out);
    in->pos = at;
    cbor_fail(in, ERR_SCALAR);
}

void cbor_put_point(struct cbor_out *o, const point_t *p)
{
    cbor_put_bytes(o, p->b, POINT_LEN);
}

void cbor_put_scalar(struct cbor_out *o, const scalar_t *s)
{
    cbor_put_bytes(o, s->b, SCALAR_LEN);
}

/* --- points: arithmetic --- */

/* The larger of k and q - k, as bytes; returns 1 if it was q - k. */
static mp_limb_t fold_scalar(uint8_t out[SCALAR_LEN], const scalar_t *k)
{
    mp_limb_t a[LIMBS], b[LIMBS];
    limbs_load(a, LIMBS, k->b);
    mpn_cnd_sub_n(1, b, order, a, LIMBS);
    mp_limb_t flip = (a[LIMBS - 1] >> 63) ^ 1;
    limbs_select(a, b, flip);
    limbs_store(out, a);
    secret_wipe(a, sizeof a);
    secret_wipe(b, sizeof b);
    return flip;
}

/* y = p - y if flip. y is not 0: the curve has no point of order two. */
static void raw_negate(uint8_t raw[RAW_LEN], mp_limb_t flip)
{
    mp_limb_t y[LIMBS], n[LIMBS];
    limbs_load(y, LIMBS, raw + 33);
    mpn_cnd_sub_n(1, n, field, y, LIMBS);
    limbs_select(y, n, flip);
    limbs_store(raw + 33, y);
    secret_wipe(y, sizeof y);
    secret_wipe(n, sizeof n);
}

/* raw = k p, or k G if p is NULL. Uses g->r. */
static err_t mul_raw(struct group *g, uint8_t raw[RAW_LEN], const scalar_t *k, const EC_POINT *p)
{
    memset(raw, 0, RAW_LEN);
    if (p != NULL && EC_POINT_is_at_infinity(g->curve, p))
        return OK;
    uint8_t bytes[SCALAR_LEN];
    mp_limb_t flip = fold_scalar(bytes, k);
    err_t e = ERR_MEMORY;
    if (BN_bin2bn(bytes, SCALAR_LEN, g->secret_k) != NULL &&
        EC_POINT_mul(g->curve, g->r, p == NULL ? g->secret_k : NULL, p, p == NULL ? NULL : g->secret_k,
                     g->ctx) == 1)
        e = write_raw(g, raw, g->r);
    if (e == OK && raw[0] == 4)
        raw_negate(raw, flip);
    if (e != OK)
        ERR_clear_error();
    BN_clear(g->secret_k);
    /* The product may be a shared secret: another point takes its place. */
    if (EC_POINT_copy(g->r, EC_GROUP_get0_generator(g->curve)) != 1) {
        e = ERR_MEMORY;
        secret_wipe(raw, RAW_LEN);
    }
    secret_wipe(bytes, sizeof bytes);
    return e;
}

static err_t mul_point(struct group *g, point_t *out, const scalar_t *k, const EC_POINT *p)
{
    uint8_t raw[RAW_LEN];
    err_t e = mul_raw(g, raw, k, p);
    raw_compress(out, raw);
    secret_wipe(raw, sizeof raw);
    return e;
}

/* g->sum += k p */
static err_t mul_into_sum(struct group *g, const scalar_t *k, const EC_POINT *p)
{
    uint8_t raw[RAW_LEN];
    err_t e = mul_raw(g, raw, k, p);
    if (e == OK)
        e = read_raw(g, g->r, raw);
    if (e == OK && EC_POINT_add(g->curve, g->sum, g->sum, g->r, g->ctx) != 1)
        e = ERR_MEMORY;
    secret_wipe(raw, sizeof raw);
    return e;
}

err_t point_mul_base(struct group *g, point_t *out, const scalar_t *k)
{
    return mul_point(g, out, k, NULL);
}

err_t point_mul(struct group *g, point_t *out, const scalar_t *k, const point_t *p)
{
    err_t e = read_sum(g, g->p, p);
    if (e == OK)
        e = mul_point(g, out, k, g->p);
    if (e != OK)
        memset(out, 0, sizeof *out);
    return e;
}

err_t point_dh(struct group *g, uint8_t secret_x[32], const scalar_t *k, const uint8_t in[65])
{
    uint8_t raw[RAW_LEN] = {0};
    err_t e = in[0] == 4 ? read_octets(g, g->p, in, RAW_LEN) : ERR_POINT;
    if (e == OK)
        e = mul_raw(g, raw, k, g->p);
    if (e == OK && raw[0] != 4) /* k = 0 */
        e = ERR_POINT;
    memcpy(secret_x, raw + 1, 32);
    if (e != OK)
        secret_wipe(secret_x, 32);
    secret_wipe(raw, sizeof raw);
    secret_burn_stack();
    return e;
}

err_t point_mul2(struct group *g, point_t *out, const scalar_t *k, const scalar_t *l, const point_t *p)
{
    err_t e = ERR_MEMORY;
    if (EC_POINT_set_to_infinity(g->curve, g->sum) != 1)
        goto out;
    GO(read_sum(g, g->p, p));
    GO(mul_into_sum(g, k, NULL));
    GO(mul_into_sum(g, l, g->p));
    e = write_point(g, out, g->sum);
out:
    if (e != OK)
        memset(out, 0, sizeof *out);
    return e;
}

err_t point_add(struct group *g, point_t *out, const point_t *a, const point_t *b)
{
    err_t e;
    GO(read_sum(g, g->sum, a));
    GO(read_sum(g, g->p, b));
    e = EC_POINT_add(g->curve, g->sum, g->sum, g->p, g->ctx) == 1 ? write_point(g, out, g->sum) : ERR_MEMORY;
out:
    if (e != OK)
        memset(out, 0, sizeof *out);
    return e;
}

err_t point_sub(struct group *g, point_t *out, const point_t *a, const point_t *b)
{
    point_t minus = *b;
    if (minus.b[0] == 2 || minus.b[0] == 3)
        minus.b[0] ^= 1;
    return point_add(g, out, a, &minus);
}

err_t point_mul_sum(struct group *g, point_t *out, const scalar_t *k, const point_t *p, size_t count)
{
    err_t e = ERR_MEMORY;
    if (EC_POINT_set_to_infinity(g->curve, g->sum) != 1)
        goto out;
    for (size_t i = 0; i < count; i++) {
        GO(read_sum(g, g->p, &p[i]));
        GO(mul_into_sum(g, &k[i], g->p));
    }
    e = write_point(g, out, g->sum);
out:
    if (e != OK)
        memset(out, 0, sizeof *out);
    return e;
}

/* --- hash to scalar --- */

/* RFC 9380 section 5.3.1; section 5.3.3 for a tag over 255 bytes. */
err_t expand_message_xmd(uint8_t *out, size_t out_len, const uint8_t *dst, size_t dst_len, const void *msg,
                         size_t msg_len)
{
    static const uint8_t z_pad[64];
    hash_t b0, bi, long_dst;
    struct hash_ctx c;
    size_t ell = (out_len + HASH_LEN - 1) / HASH_LEN;
    if (out_len == 0 || ell > 255 || dst_len == 0) {
        memset(out, 0, out_len);
        return ERR_BUG;
    }
    if (dst_len > 255) {
        hash_init(&c);
        hash_add(&c, "H2C-OVERSIZE-DST-", 17);
        hash_add(&c, dst, dst_len);
        hash_end(&c, &long_dst);
        dst = long_dst.b;
        dst_len = HASH_LEN;
    }
    const uint8_t head[3] = {(uint8_t)(out_len >> 8), (uint8_t)out_len, 0}, tail = (uint8_t)dst_len;
    hash_init(&c);
    hash_add(&c, z_pad, sizeof z_pad);
    hash_add(&c, msg, msg_len);
    hash_add(&c, head, sizeof head);
    hash_add(&c, dst, dst_len);
    hash_add(&c, &tail, 1);
    hash_end(&c, &b0);
    memset(&bi, 0, sizeof bi);
    for (size_t i = 0; i < ell; i++) {
        const uint8_t counter = (uint8_t)(i + 1);
        for (size_t j = 0; j < HASH_LEN; j++)
            bi.b[j] ^= b0.b[j];
        hash_init(&c);
        hash_add(&c, bi.b, HASH_LEN);
        hash_add(&c, &counter, 1);
        hash_add(&c, dst, dst_len);
        hash_add(&c, &tail, 1);
        hash_end(&c, &bi);
        size_t left = out_len - i * HASH_LEN;
        memcpy(out + i * HASH_LEN, bi.b, left < HASH_LEN ? left : HASH_LEN);
    }
    secret_wipe(&b0, sizeof b0);
    secret_wipe(&bi, sizeof bi);
    return OK;
}

err_t hash_to_scalar(scalar_t *out, const char *dst, const void *msg, size_t msg_len)
{
    uint8_t wide[48];
    size_t dst_len = strlen(dst);
    memset(out, 0, sizeof *out);
    if (dst_len > 255)
        return ERR_BUG;
    TRY(expand_message_xmd(wide, sizeof wide, (const uint8_t *)dst, dst_len, msg, msg_len));
    scalar_reduce(out, wide, sizeof wide);
    secret_wipe(wide, sizeof wide);
    return OK;
}

err_t cbor_out_scalar(struct cbor_out *o, scalar_t *out, const char *dst)
{
    err_t e = o->err;
    memset(out, 0, sizeof *out);
    if (e == OK)
        e = hash_to_scalar(out, dst, o->data, o->len);
    cbor_out_free(o);
    return e;
}

/* --- Lagrange --- */

err_t lagrange_at_zero(scalar_t *out, const uint32_t *x, size_t count, size_t i)
{
    scalar_t num, den, xi, xj;
    memset(out, 0, sizeof *out);
    if (i >= count || x[i] == 0)
        return ERR_BUG;
    scalar_set(&num, 1);
    scalar_set(&den, 1);
    scalar_set(&xi, x[i]);
    for (size_t j = 0; j < count; j++) {
        if (j == i)
            continue;
        if (x[j] == 0 || x[j] == x[i])
            return ERR_BUG;
        scalar_set(&xj, x[j]);
        scalar_mul(&num, &num, &xj);
        scalar_sub(&xj, &xj, &xi);
        scalar_mul(&den, &den, &xj);
    }
    scalar_invert(&den, &den);
    scalar_mul(out, &num, &den);
    return OK;
}
