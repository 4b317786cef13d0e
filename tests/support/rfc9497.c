#include "tests/support/rfc9497.h"

#include <stdlib.h>
#include <string.h>

struct transcript {
    uint8_t data[512];
    size_t len;
};

static void add(struct transcript *t, const void *data, size_t len)
{
    if (len > sizeof t->data - t->len)
        abort();
    memcpy(t->data + t->len, data, len);
    t->len += len;
}

static void add_sized(struct transcript *t, const void *data, size_t len)
{
    const uint8_t head[2] = {(uint8_t)(len >> 8), (uint8_t)len};
    add(t, head, 2);
    add(t, data, len);
}

static void add_tag(struct transcript *t, const struct rfc9497 *r, const char *prefix)
{
    const uint8_t mode = (uint8_t)r->mode;
    add(t, prefix, strlen(prefix));
    add(t, "OPRFV1-", 7);
    add(t, &mode, 1);
    add(t, "-P256-SHA256", 12);
}

err_t rfc9497_scalar(const struct rfc9497 *r, scalar_t *out, const void *msg, size_t msg_len)
{
    struct transcript dst = {.len = 0};
    uint8_t wide[48];
    add_tag(&dst, r, "HashToScalar-");
    TRY(expand_message_xmd(wide, sizeof wide, dst.data, dst.len, msg, msg_len));
    scalar_reduce(out, wide, sizeof wide);
    return OK;
}

err_t rfc9497_weight(const struct rfc9497 *r, scalar_t *out, const point_t *B, size_t i, const point_t *C,
                     const point_t *D)
{
    struct transcript t = {.len = 0}, tag = {.len = 0};
    hash_t seed;
    const uint8_t index[2] = {(uint8_t)(i >> 8), (uint8_t)i};
    add_sized(&t, B->b, POINT_LEN);
    add_tag(&tag, r, "Seed-");
    add_sized(&t, tag.data, tag.len);
    hash_one(&seed, t.data, t.len);
    t.len = 0;
    add_sized(&t, seed.b, HASH_LEN);
    add(&t, index, 2);
    add_sized(&t, C->b, POINT_LEN);
    add_sized(&t, D->b, POINT_LEN);
    add(&t, "Composite", 9);
    TRY(rfc9497_scalar(r, out, t.data, t.len));
    if (r->weight_bits < 256)
        memset(out->b, 0, SCALAR_LEN - r->weight_bits / 8);
    return OK;
}

static err_t composites(const struct rfc9497 *r, point_t *M, point_t *Z, const point_t *B, const point_t *C,
                        const point_t *D, size_t count)
{
    err_t e = OK;
    scalar_t *d = calloc(count, sizeof *d);
    if (d == NULL)
        return ERR_MEMORY;
    for (size_t i = 0; i < count && e == OK; i++)
        e = rfc9497_weight(r, &d[i], B, i, &C[i], &D[i]);
    if (e == OK)
        e = point_mul_sum(r->g, M, d, C, count);
    if (e == OK)
        e = point_mul_sum(r->g, Z, d, D, count);
    free(d);
    return e;
}

static err_t challenge(const struct rfc9497 *r, scalar_t *c, const point_t *B, const point_t *M,
                       const point_t *Z, const point_t *t2, const point_t *t3)
{
    struct transcript t = {.len = 0};
    add_sized(&t, B->b, POINT_LEN);
    add_sized(&t, M->b, POINT_LEN);
    add_sized(&t, Z->b, POINT_LEN);
    add_sized(&t, t2->b, POINT_LEN);
    add_sized(&t, t3->b, POINT_LEN);
    add(&t, "Challenge", 9);
    return rfc9497_scalar(r, c, t.data, t.len);
}

err_t rfc9497_prove(const struct rfc9497 *r, uint8_t proof[64], const scalar_t *k, const point_t *B,
                    const point_t *C, const point_t *D, size_t count, const scalar_t *nonce)
{
    point_t M, Z, t2, t3;
    scalar_t c, s;
    TRY(composites(r, &M, &Z, B, C, D, count));
    TRY(point_mul(r->g, &Z, k, &M));
    TRY(point_mul_base(r->g, &t2, nonce));
    TRY(point_mul(r->g, &t3, nonce, &M));
    TRY(challenge(r, &c, B, &M, &Z, &t2, &t3));
    scalar_mul(&s, &c, k);
    scalar_sub(&s, nonce, &s);
    memcpy(proof, c.b, SCALAR_LEN);
    memcpy(proof + SCALAR_LEN, s.b, SCALAR_LEN);
    return OK;
}

err_t rfc9497_verify(const struct rfc9497 *r, const uint8_t proof[64], const point_t *B, const point_t *C,
                     const point_t *D, size_t count)
{
    point_t M, Z, t2, t3, p[2];
    scalar_t c, s, k[2], again;
    memcpy(c.b, proof, SCALAR_LEN);
    memcpy(s.b, proof + SCALAR_LEN, SCALAR_LEN);
    TRY(composites(r, &M, &Z, B, C, D, count));
    TRY(point_mul2(r->g, &t2, &s, &c, B));
    k[0] = s;
    k[1] = c;
    p[0] = M;
    p[1] = Z;
    TRY(point_mul_sum(r->g, &t3, k, p, 2));
    TRY(challenge(r, &again, B, &M, &Z, &t2, &t3));
    return memcmp(c.b, again.b, SCALAR_LEN) == 0 ? OK : ERR_PROOF;
}
