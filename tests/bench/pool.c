#include "tests/bench/pool.h"

#include <stdlib.h>
#include <string.h>

#include "ceremony/math/p256_add_many.h"
#include "tally/ballot_form.h"
#include "tally/ballot_layout.h"
#include "tally/chain_segment.h"
#include "tests/bench/bench.h"

#define POINT_ITEM 35
#define SCALAR_ITEM 34
#define CIPHER_LEN 71
#define COMMITMENTS 140
#define ZERO_ONE_LEN 243
#define OPTIONS_HERE 16

/* Where the rows lie in the array of points; behind them the points of the ballots at hand. */
enum { ROW_G0, ROW_G1, ROW_Y0, ROW_Y1, ROW_Y1_G, ROW_C, ROWS };

struct nonce {
    uint32_t i, j; /* in the two rows */
};

struct proof {
    int v;
    scalar_var_t r;
    struct nonce w, t; /* of the branch that is true, and a1 or a0 of the other */
    uint32_t c;        /* its challenge */
};

struct made {
    struct proof proof[OPTIONS_HERE + 1]; /* the last one on the sum */
    struct nonce key, commitment;
};

struct pool {
    const struct election_context *ctx;
    struct ballot_layout *layout;
    struct ballot_scan *scan;
    struct additions *add;
    scalar_var_t s0[POOL_ROW], s1[POOL_ROW], c[POOL_ROW];
    struct p256_affine *point;
    struct made *made;
    uint8_t *sample; /* a real ballot: what is not replaced is right */
    size_t len, points, options, place_at, place_len;
    struct ballot_at at;
    uint64_t random;
};

static void *room(size_t bytes)
{
    void *p = calloc(1, bytes);
    if (p == NULL)
        exit(1);
    return p;
}

/* splitmix64 (Steele, Lea, Flood 2014) */
static uint64_t draw(struct pool *p)
{
    uint64_t z = p->random += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static struct nonce draw_nonce(struct pool *p)
{
    uint64_t z = draw(p);
    return (struct nonce){(uint32_t)(z % POOL_ROW), (uint32_t)(z / POOL_ROW % POOL_ROW)};
}

static void draw_scalar(struct pool *p, scalar_var_t *out)
{
    scalar_t s;
    uint64_t w[6];
    for (size_t i = 0; i < 6; i++)
        w[i] = draw(p);
    scalar_reduce(&s, (const uint8_t *)w, sizeof w);
    CHECK(scalar_var_load(out, &s));
}

static void nonce_scalar(const struct pool *p, scalar_var_t *out, const struct nonce *n)
{
    scalar_var_add(out, &p->s0[n->i], &p->s1[n->j]);
}

/* --- the pool --- */

/* Multiples of base by s, s + d, s + 2 d, ...; s[] gets these numbers. */
static void fill_row(struct p256_affine *to, const scalar_var_t *s, const scalar_var_t *step,
                     const struct p256_affine *base)
{
    struct p256_jacobian *j = room(POOL_ROW * sizeof *j), d;
    scalar_t k;
    scalar_var_store(&k, &s[0]);
    CHECK(p256_mul_var(&j[0], &k, base));
    scalar_var_store(&k, step);
    CHECK(p256_mul_var(&d, &k, base));
    for (size_t i = 1; i < POOL_ROW; i++)
        p256_add_var(&j[i], &j[i - 1], &d);
    CHECK(p256_to_affine_many_var(to, j, POOL_ROW));
    free(j);
}

static void fill_rows(struct pool *p)
{
    struct p256_affine G, Y, *row = p->point;
    scalar_var_t d0, d1, *s = p->s0;
    p256_generator(&G);
    CHECK(p256_decompress_var(&Y, &p->ctx->r->Y));
    draw_scalar(p, &p->s0[0]);
    draw_scalar(p, &p->s1[0]);
    draw_scalar(p, &d0);
    draw_scalar(p, &d1);
    for (size_t i = 1; i < POOL_ROW; i++) {
        scalar_var_add(&s[i], &s[i - 1], &d0);
        scalar_var_add(&p->s1[i], &p->s1[i - 1], &d1);
    }
    fill_row(row + ROW_G0 * POOL_ROW, p->s0, &d0, &G);
    fill_row(row + ROW_G1 * POOL_ROW, p->s1, &d1, &G);
    fill_row(row + ROW_Y0 * POOL_ROW, p->s0, &d0, &Y);
    fill_row(row + ROW_Y1 * POOL_ROW, p->s1, &d1, &Y);
    struct p256_jacobian *j = room(POOL_ROW * sizeof *j);
    for (size_t i = 0; i < POOL_ROW; i++) {
        p256_from_affine(&j[i], &row[ROW_Y1 * POOL_ROW + i]);
        p256_add_affine_var(&j[i], &j[i], &G);
    }
    CHECK(p256_to_affine_many_var(row + ROW_Y1_G * POOL_ROW, j, POOL_ROW));
    free(j);
    draw_scalar(p, &p->c[0]);
    draw_scalar(p, &d0);
    for (size_t i = 1; i < POOL_ROW; i++)
        scalar_var_add(&p->c[i], &p->c[i - 1], &d0);
    fill_row(row + ROW_C * POOL_ROW, p->c, &d0, &G);
}

static void take_sample(struct pool *p, uint32_t place)
{
    struct ballot_maker *maker;
    struct cbor_out o = CBOR_OUT_INIT;
    struct place where;
    places_get(p->ctx->places, place, &where);
    CHECK(ballot_maker_new(&maker, p->ctx));
    CHECK(ballot_make(maker, &o, NULL, place, p->ctx->m->style[where.style[0]].id, NULL, 0, NULL, NULL));
    ballot_maker_free(maker);
    CHECK(ballot_scan_start(p->scan, &p->at, o.data, o.len));
    p->sample = o.data;
    p->len = o.len;
    p->place_len = strlen(where.id);
    uint8_t *found = memmem(o.data, p->at.body, where.id, p->place_len);
    if (found == NULL)
        exit(1);
    p->place_at = (size_t)(found - o.data);
}

struct pool *pool_new(const struct election_context *ctx, uint32_t place, uint64_t seed)
{
    struct pool *p = room(sizeof *p);
    p->ctx = ctx;
    p->random = seed;
    p->options = ctx->m->contest[0].option_count;
    p->points = 6 * p->options + 6;
    if (ctx->m->contest_count != 1 || ctx->m->contest[0].limit != 1 || p->options > OPTIONS_HERE) {
        fprintf(stderr, "pool: one contest with limit 1 only\n");
        exit(1);
    }
    CHECK(ballot_layout_new(&p->layout, ctx));
    CHECK(ballot_scan_new(&p->scan, p->layout));
    CHECK(additions_new(&p->add, p256_path_best(), ADDITIONS));
    size_t each = p->points + p->options + 1; /* and one sum more for each proof */
    p->point = room((ROWS * POOL_ROW + POOL_MANY * each) * sizeof *p->point);
    p->made = room(POOL_MANY * sizeof *p->made);
    fill_rows(p);
    take_sample(p, place);
    return p;
}

void pool_free(struct pool *p)
{
    additions_free(p->add);
    ballot_scan_free(p->scan);
    ballot_layout_free(p->layout);
    free(p->sample);
    free(p->point);
    free(p->made);
    free(p);
}

size_t pool_len(const struct pool *p)
{
    return p->len;
}

size_t pool_points(const struct pool *p)
{
    return p->points;
}

size_t pool_options(const struct pool *p)
{
    return p->options;
}

/* --- points --- */

static void put_sum(struct pool *p, uint32_t at, unsigned row, unsigned second, const struct nonce *n)
{
    additions_put(p->add, at, row * POOL_ROW + n->i, second * POOL_ROW + n->j);
}

/* What a ballot says and all that is one addition. extra: where each t Y goes. */
static void begin(struct pool *p, struct made *m, uint32_t at, uint32_t extra, uint64_t number)
{
    size_t n = p->options, chosen = draw(p) % (n + n / 8 + 1); /* beyond the last: blank */
    struct proof *sum = &m->proof[n];
    scalar_var_set(&sum->r, 0);
    m->key = (struct nonce){(uint32_t)(number / POOL_ROW), (uint32_t)(number % POOL_ROW)};
    m->commitment = draw_nonce(p);
    put_sum(p, at, ROW_G0, ROW_G1, &m->key);
    put_sum(p, at + (uint32_t)p->points - 1, ROW_G0, ROW_G1, &m->commitment);
    for (size_t k = 0; k <= n; k++) {
        struct proof *x = &m->proof[k];
        uint32_t first = at + 1 + (uint32_t)(2 * n + 4 * k);
        x->v = k == n ? chosen < n : chosen == k;
        if (k < n) {
            struct nonce r = draw_nonce(p);
            nonce_scalar(p, &x->r, &r);
            scalar_var_add(&sum->r, &sum->r, &x->r);
            put_sum(p, at + 1 + 2 * (uint32_t)k, ROW_G0, ROW_G1, &r);
            put_sum(p, at + 2 + 2 * (uint32_t)k, ROW_Y0, x->v ? ROW_Y1_G : ROW_Y1, &r);
        }
        x->w = draw_nonce(p);
        x->t = draw_nonce(p);
        x->c = (uint32_t)(draw(p) % POOL_ROW);
        put_sum(p, first + 2 * (uint32_t)x->v, ROW_G0, ROW_G1, &x->w);
        put_sum(p, first + 2 * (uint32_t)x->v + 1, ROW_Y0, ROW_Y1, &x->w);
        put_sum(p, first + 2 * (uint32_t)!x->v, ROW_G0, ROW_G1, &x->t);
        put_sum(p, extra + (uint32_t)k, ROW_Y0, ROW_Y1, &x->t);
    }
}

/* The second commitment of the branch that is not true: t Y + c1 G, or t Y - c0 G. */
static void finish_points(struct pool *p, const struct made *m, uint32_t at, uint32_t extra)
{
    for (size_t k = 0; k <= p->options; k++) {
        const struct proof *x = &m->proof[k];
        uint32_t c = ROW_C * POOL_ROW + x->c;
        additions_put(p->add, at + 1 + (uint32_t)(2 * p->options + 4 * k) + 2 * (uint32_t)!x->v + 1,
                      extra + (uint32_t)k, x->v ? c | ADDITION_MINUS : c);
    }
}

/* --- bytes --- */

static void put_point(uint8_t *item, const struct p256_affine *a)
{
    point_t c;
    p256_compress(&c, a);
    memcpy(item + 2, c.b, POINT_LEN);
}

static void put_scalar(uint8_t *item, const scalar_var_t *s)
{
    scalar_t b;
    scalar_var_store(&b, s);
    memcpy(item + 2, b.b, SCALAR_LEN);
}

struct where {
    uint8_t *key, *cipher, *proof, *sum, *commitment, *response;
};

static void find_items(const struct pool *p, struct where *w, uint8_t *data)
{
    w->response = data + p->len - SCALAR_ITEM;
    w->commitment = w->response - POINT_ITEM;
    w->sum = w->commitment - ZERO_ONE_LEN;
    w->proof = w->sum - p->options * ZERO_ONE_LEN;
    w->cipher = w->proof - cbor_head_len(p->options) - p->options * CIPHER_LEN;
    w->key = data + p->at.body;
}

static uint8_t *proof_item(const struct pool *p, const struct where *w, size_t k)
{
    return k < p->options ? w->proof + k * ZERO_ONE_LEN : w->sum;
}

static void put_points(const struct pool *p, const struct where *w, const struct p256_affine *a)
{
    put_point(w->key, a++);
    for (size_t k = 0; k < p->options; k++) {
        put_point(w->cipher + k * CIPHER_LEN + 1, a++);
        put_point(w->cipher + k * CIPHER_LEN + 1 + POINT_ITEM, a++);
    }
    for (size_t k = 0; k <= p->options; k++)
        for (size_t i = 0; i < 4; i++)
            put_point(proof_item(p, w, k) + 1 + i * POINT_ITEM, a++);
    put_point(w->commitment, a);
}

/* c_true = c - c_other; z_other = t + c_other r; z_true = w + c_true r */
static void respond(const struct pool *p, uint8_t *item, const struct proof *x, const scalar_var_t *c)
{
    scalar_var_t c_true, z_true, z_other;
    scalar_factor_t r;
    scalar_var_factor(&r, &x->r);
    scalar_var_sub(&c_true, c, &p->c[x->c]);
    nonce_scalar(p, &z_other, &x->t);
    scalar_var_mul_add(&z_other, &r, &p->c[x->c]);
    nonce_scalar(p, &z_true, &x->w);
    scalar_var_mul_add(&z_true, &r, &c_true);
    item += 1 + 4 * POINT_ITEM;
    put_scalar(item, x->v ? &p->c[x->c] : &c_true);
    put_scalar(item + SCALAR_ITEM, x->v ? &z_other : &z_true);
    put_scalar(item + 2 * SCALAR_ITEM, x->v ? &z_true : &z_other);
}

static void write_ballot(struct pool *p, struct pool_ballot *b, const struct made *m,
                         const struct p256_affine *a)
{
    struct place place;
    struct ballot_at at;
    struct where w;
    scalar_var_t c, key, z;
    scalar_factor_t f;
    hash_t leaf;
    memcpy(b->data, p->sample, p->len);
    places_get(p->ctx->places, b->place, &place);
    if (strlen(place.id) != p->place_len)
        exit(1);
    memcpy(b->data + p->place_at, place.id, p->place_len);
    CHECK(ballot_scan_start(p->scan, &at, b->data, p->len));
    find_items(p, &w, b->data);
    put_points(p, &w, a);
    CHECK(ballot_scan_hash(p->scan, &c, &b->id, &leaf, &at, b->data, p->len));
    for (size_t k = 0; k <= p->options; k++)
        respond(p, proof_item(p, &w, k), &m->proof[k], &c);
    nonce_scalar(p, &key, &m->key);
    scalar_var_factor(&f, &key);
    nonce_scalar(p, &z, &m->commitment);
    scalar_var_mul_add(&z, &f, &c);
    put_scalar(w.response, &z);
    memcpy(b->cipher, a + 1, 2 * p->options * sizeof *a);
    if (b->hints != NULL)
        chain_hints_of(b->hints, a, p->points);
}

void pool_make(struct pool *p, struct pool_ballot *b, size_t count, uint64_t first)
{
    uint32_t at = ROWS * POOL_ROW, extra = at + (uint32_t)(count * p->points);
    if (count > POOL_MANY || first + count > POOL_MAX) {
        fprintf(stderr, "pool: too many ballots\n");
        exit(1);
    }
    uint32_t points = (uint32_t)p->points, more = (uint32_t)p->options + 1;
    additions_from(p->add, p->point, p->point, NULL);
    for (uint32_t i = 0; i < count; i++)
        begin(p, &p->made[i], at + i * points, extra + i * more, first + i);
    additions_flush(p->add);
    for (uint32_t i = 0; i < count; i++)
        finish_points(p, &p->made[i], at + i * points, extra + i * more);
    additions_flush(p->add);
    for (size_t i = 0; i < count; i++)
        write_ballot(p, &b[i], &p->made[i], p->point + at + i * p->points);
}
