#include "ceremony/math/fixed.h"

#include <stdlib.h>
#include <string.h>

#include "ceremony/base/secret.h"
#include "ceremony/math/fixed_lanes.h"
#include "ceremony/math/p256_field.h"
#include "ceremony/math/p256_ifma.h"

#define DIGIT_BITS 6
#define MASK(bit) (0 - (uint64_t)(bit))

/* x = X / ZZ, y = Y / ZZZ; the identity has ZZ = 0. */
struct xyzz {
    fe_t x, y, zz, zzz;
};

struct fixed {
    struct group *g; /* borrowed */
    enum p256_path path;
    point_t key;
    struct p256_affine generator;
    struct fixed_table *table[2]; /* of G, of Y */
    struct secret_room {
        struct xyzz part[2][FIXED_JOBS]; /* multiples of G, of Y; the sum of job i ends in part[0][i] */
        fe_t product[FIXED_JOBS];
        uint8_t odd[FIXED_JOBS]; /* the sum met a case that its formula cannot do */
        struct fixed_digits digits;
        struct fixed_lanes lanes;
    } * secret;
};

/* Keeps a compiler from finding out that a mask is one of two values, and branching. */
static inline uint64_t opaque(uint64_t mask)
{
    __asm__("" : "+r"(mask));
    return mask;
}

/* all ones if a = b, for small numbers */
static inline uint64_t mask_equal(uint64_t a, uint64_t b)
{
    return opaque(MASK(((a ^ b) - 1) >> 63));
}

static inline uint64_t mask_fe_zero(const fe_t a)
{
    uint64_t any = a[0] | a[1] | a[2] | a[3];
    return opaque(((any | (0 - any)) >> 63) - 1);
}

/* all ones takes b */
static inline void fe_choose(fe_t r, const fe_t a, const fe_t b, uint64_t mask)
{
    for (int i = 0; i < 4; i++)
        r[i] = (a[i] & ~mask) | (b[i] & mask);
}

static inline void xyzz_choose(struct xyzz *r, const struct xyzz *a, const struct xyzz *b, uint64_t mask)
{
    fe_choose(r->x, a->x, b->x, mask);
    fe_choose(r->y, a->y, b->y, mask);
    fe_choose(r->zz, a->zz, b->zz, mask);
    fe_choose(r->zzz, a->zzz, b->zzz, mask);
}

/* --- sums; ZZ = 0 comes out where an operand is the identity, or both are equal or opposite --- */

/* P and R are the differences of x and of y; u1, s1 the first point's coordinates with a common denominator.
 */
static void add_rest(struct xyzz *r, const fe_t p, const fe_t d, const fe_t u1, const fe_t s1, const fe_t zz,
                     const fe_t zzz)
{
    fe_t pp, ppp, q, x, y, t;
    fe_sqr(pp, p);
    fe_mul(ppp, p, pp);
    fe_mul(q, u1, pp);
    fe_mul(t, s1, ppp);
    fe_sqr(x, d);
    fe_sub(x, x, ppp);
    fe_sub(x, x, q);
    fe_sub(x, x, q);
    fe_sub(y, q, x);
    fe_mul(y, y, d);
    fe_sub(r->y, y, t);
    fe_mul(r->zz, zz, pp);
    fe_mul(r->zzz, zzz, ppp);
    fe_copy(r->x, x);
}

static void add_affine(struct xyzz *r, const struct xyzz *a, const fe_t x, const fe_t y)
{
    fe_t p, d;
    fe_mul(p, x, a->zz);
    fe_sub(p, p, a->x);
    fe_mul(d, y, a->zzz);
    fe_sub(d, d, a->y);
    add_rest(r, p, d, a->x, a->y, a->zz, a->zzz);
}

static void add_full(struct xyzz *r, const struct xyzz *a, const struct xyzz *b)
{
    fe_t p, d, u1, s1, zz, zzz;
    fe_mul(u1, a->x, b->zz);
    fe_mul(p, b->x, a->zz);
    fe_sub(p, p, u1);
    fe_mul(s1, a->y, b->zzz);
    fe_mul(d, b->y, a->zzz);
    fe_sub(d, d, s1);
    fe_mul(zz, a->zz, b->zz);
    fe_mul(zzz, a->zzz, b->zzz);
    add_rest(r, p, d, u1, s1, zz, zzz);
}

/* --- tables --- */

static void table_set(struct fixed_table *t, size_t row, size_t entry, struct p256_affine *p,
                      enum p256_path path)
{
    if (path != P256_IFMA) {
        fe_copy(t->one[row][entry], p->x);
        fe_copy(t->one[row][entry] + 4, p->y);
        return;
    }
    for (int k = 0; k < 4; k++) { /* 2^256 to 2^260 */
        fe_add(p->x, p->x, p->x);
        fe_add(p->y, p->y, p->y);
    }
    for (int k = 0; k < 4; k++) {
        t->lanes[row][k][entry] = p->x[k];
        t->lanes[row][4 + k][entry] = p->y[k];
    }
}

/* row i, entry e: (e + 1) 2^(6 i) base */
static err_t table_fill(struct fixed_table *t, const point_t *base, enum p256_path path)
{
    size_t count = (size_t)FIXED_ROWS * FIXED_ENTRIES;
    struct p256_affine start, *flat = NULL;
    err_t e = p256_decompress_var(&start, base);
    if (e != OK)
        return e;
    struct p256_jacobian step, *sum = malloc(count * sizeof *sum);
    flat = malloc(count * sizeof *flat);
    if (sum == NULL || flat == NULL) {
        e = ERR_MEMORY;
        goto out;
    }
    p256_from_affine(&step, &start);
    for (size_t i = 0; i < FIXED_ROWS; i++) {
        struct p256_jacobian *row = sum + i * FIXED_ENTRIES;
        row[0] = step;
        for (size_t k = 1; k < FIXED_ENTRIES; k++)
            p256_add_var(&row[k], &row[k - 1], &step);
        p256_double_var(&step, &row[FIXED_ENTRIES - 1]);
    }
    GO(p256_to_affine_many_var(flat, sum, count));
    for (size_t i = 0; i < count; i++)
        table_set(t, i / FIXED_ENTRIES, i % FIXED_ENTRIES, &flat[i], path);
out:
    free(sum);
    free(flat);
    return e;
}

err_t fixed_new(enum p256_path path, struct fixed **out, struct group *g, const point_t *key)
{
    *out = NULL;
    if (!p256_path_available(path))
        return ERR_BUG;
    const point_t *const base[2] = {&group_generator, key};
    void *secret;
    err_t e = OK;
    struct fixed *f = calloc(1, sizeof *f);
    if (f == NULL)
        return ERR_MEMORY;
    f->g = g;
    f->path = path;
    f->key = *key;
    p256_generator(&f->generator);
    for (int i = 0; i < 2; i++) {
        f->table[i] = aligned_alloc(64, sizeof *f->table[i]);
        if (f->table[i] == NULL) {
            e = ERR_MEMORY;
            goto out;
        }
        GO(table_fill(f->table[i], base[i], path));
    }
    GO(secret_alloc(&secret, sizeof *f->secret));
    f->secret = secret;
    *out = f;
    f = NULL;
out:
    fixed_free(f);
    return e;
}

void fixed_free(struct fixed *f)
{
    if (f == NULL)
        return;
    secret_free(f->secret);
    free(f->table[0]);
    free(f->table[1]);
    free(f);
}

/* --- multiples ---
 *
 * Of k and q - k the one below 2^255 is taken, with its sign. Its digits in base 64 are -32 .. 32 (Booth):
 * the digits before row i sum to a with |a| <= 2^(6i-1), the one at row i is e 2^(6i) with e = 0 or |e| >= 1.
 * So the sum is never the entry nor its opposite as a number; nor modulo q: for i < 42 both are below 2^252,
 * and at the top a + e = k < 2^255 < q is 0 only if both are, and |a - e| <= |k| + 2 |a| < q. So add_affine
 * is right. */

static void digits_set(struct fixed_digits *d, int lane, const scalar_t *k)
{
    scalar_t minus;
    uint64_t w[5] = {0};
    scalar_neg(&minus, k);
    uint64_t flip = opaque(MASK(k->b[0] >> 7));
    for (int i = 0; i < SCALAR_LEN; i++) {
        uint64_t byte = (k->b[i] & ~flip) | (minus.b[i] & flip);
        w[(SCALAR_LEN - 1 - i) / 8] |= byte << (8 * ((SCALAR_LEN - 1 - i) % 8));
    }
    for (int i = 0; i < FIXED_ROWS; i++) {
        int at = DIGIT_BITS * i - 1; /* odd: never a multiple of 64 */
        uint64_t t = i == 0 ? w[0] << 1 : w[at / 64] >> (at % 64) | w[at / 64 + 1] << (64 - at % 64);
        t &= 127;
        uint64_t value = (t >> 1) + (t & 1), negative = opaque(MASK(t >> 6));
        d->entry[i][lane] = (uint8_t)((value & ~negative) | ((64 - value) & negative));
        d->minus[i][lane] = (uint8_t)((negative ^ flip) & 1);
    }
    secret_wipe(&minus, sizeof minus);
    secret_wipe(w, sizeof w);
}

/* Two words at a time, in registers: what any processor of 64 bits can do. */
typedef uint64_t pair_t __attribute__((vector_size(16), may_alias));

/* (x, y) = row[entry - 1] or its opposite; (0, 0) for entry 0. Reads all of the row. */
static void entry_read(uint64_t xy[8], const uint64_t row[FIXED_ENTRIES][8], uint64_t entry, uint64_t minus)
{
    pair_t a = {0}, b = {0}, c = {0}, d = {0};
    fe_t y;
    for (uint64_t e = 0; e < FIXED_ENTRIES; e++) {
        const pair_t *p = (const pair_t *)row[e];
        uint64_t is = mask_equal(e + 1, entry);
        pair_t mask = {is, is};
        a |= p[0] & mask;
        b |= p[1] & mask;
        c |= p[2] & mask;
        d |= p[3] & mask;
    }
    memcpy(xy, &a, sizeof a);
    memcpy(xy + 2, &b, sizeof b);
    memcpy(xy + 4, &c, sizeof c);
    memcpy(xy + 6, &d, sizeof d);
    fe_neg(y, xy + 4);
    fe_choose(xy + 4, xy + 4, y, opaque(MASK(minus)));
}

static void mul_one(struct xyzz *out, const struct fixed_table *t, const struct fixed_digits *d, int lane)
{
    struct {
        struct xyzz sum, more, first;
        uint64_t xy[8];
    } s;
    uint64_t none = ~UINT64_C(0);
    memset(&s, 0, sizeof s);
    fe_copy(s.first.zz, fe_one);
    fe_copy(s.first.zzz, fe_one);
    for (int i = 0; i < FIXED_ROWS; i++) {
        uint64_t nothing = mask_equal(d->entry[i][lane], 0);
        entry_read(s.xy, t->one[i], d->entry[i][lane], d->minus[i][lane]);
        fe_copy(s.first.x, s.xy);
        fe_copy(s.first.y, s.xy + 4);
        add_affine(&s.more, &s.sum, s.xy, s.xy + 4);
        xyzz_choose(&s.more, &s.more, &s.first, none);
        xyzz_choose(&s.sum, &s.more, &s.sum, nothing);
        none &= nothing;
    }
    *out = s.sum;
    secret_wipe(&s, sizeof s);
}

#if P256_HAVE_IFMA
static void lane_read(fe_t out, uint64_t words[4][8], int lane)
{
    static const fe_t from_260 = {0, 0, 0, UINT64_C(1) << 60}; /* 2^252: with R = 2^256, divides by 2^4 */
    fe_t a = {words[0][lane], words[1][lane], words[2][lane], words[3][lane]};
    fe_mul(out, a, from_260);
}

static void mul_eight(struct secret_room *s, struct xyzz *const to[8], int count, const struct fixed_table *t)
{
    p256_ifma_fixed(&s->lanes, t, &s->digits);
    for (int i = 0; i < count; i++) {
        lane_read(to[i]->x, s->lanes.x, i);
        lane_read(to[i]->y, s->lanes.y, i);
        lane_read(to[i]->zz, s->lanes.zz, i);
        lane_read(to[i]->zzz, s->lanes.zzz, i);
    }
}
#endif

static void mul_group(struct fixed *f, struct xyzz *const to[8], int count, int base)
{
#if P256_HAVE_IFMA
    if (f->path == P256_IFMA) {
        mul_eight(f->secret, to, count, f->table[base]);
        return;
    }
#endif
    for (int i = 0; i < count; i++)
        mul_one(to[i], f->table[base], &f->secret->digits, i);
}

/* The multiples of one base, of the jobs that use it, into part. Which lane does what depends on public
 * facts. */
static void mul_all(struct fixed *f, int base, const struct fixed_job *job, size_t count)
{
    struct xyzz *to[8];
    int lanes = 0;
    for (size_t i = 0; i < count; i++) {
        if (base == 0 ? !job[i].use_g : !job[i].use_y)
            continue;
        digits_set(&f->secret->digits, lanes, base == 0 ? &job[i].g : &job[i].y);
        to[lanes++] = &f->secret->part[base][i];
        if (lanes == 8) {
            mul_group(f, to, lanes, base);
            lanes = 0;
        }
    }
    if (lanes > 0)
        mul_group(f, to, lanes, base);
}

/* --- a run --- */

/* part[0][i] = the sum of what job i uses; odd[i] = 1 if that is not a sum of this kind. */
static void add_parts(struct fixed *f, const struct fixed_job *job, size_t i)
{
    struct secret_room *s = f->secret;
    struct xyzz *sum = &s->part[0][i], more;
    uint64_t odd = 0;
    if (job->use_g && job->use_y) {
        add_full(&more, sum, &s->part[1][i]);
        odd |= mask_fe_zero(more.zz);
        *sum = more;
    } else if (job->use_y) {
        *sum = s->part[1][i];
    }
    if (job->use_plus) {
        add_affine(&more, sum, f->generator.x, f->generator.y);
        odd |= mask_fe_zero(more.zz);
        xyzz_choose(sum, sum, &more, opaque(MASK(job->plus)));
    }
    s->odd[i] = (uint8_t)(odd & 1);
    secret_wipe(&more, sizeof more);
}

/* part[0][i].zzz = its inverse, all with one inversion; 0 stays. */
static void invert_all(struct secret_room *s, size_t count)
{
    fe_t all, t, inverse;
    fe_copy(all, fe_one);
    for (size_t i = 0; i < count; i++) {
        fe_choose(t, s->part[0][i].zzz, fe_one, mask_fe_zero(s->part[0][i].zzz));
        fe_copy(s->product[i], all);
        fe_mul(all, all, t);
    }
    fe_invert(inverse, all);
    for (size_t i = count; i-- > 0;) {
        uint64_t zero = mask_fe_zero(s->part[0][i].zzz);
        fe_choose(t, s->part[0][i].zzz, fe_one, zero);
        fe_mul(all, inverse, s->product[i]);
        fe_mul(inverse, inverse, t);
        fe_choose(s->part[0][i].zzz, all, s->part[0][i].zzz, zero);
    }
    secret_wipe(all, sizeof all);
    secret_wipe(t, sizeof t);
    secret_wipe(inverse, sizeof inverse);
}

/* SEC 1, 2.3.3. sum: with 1 / ZZZ in place of ZZZ. */
static void compress(point_t *out, const struct xyzz *sum)
{
    fe_t x, y;
    uint8_t bytes[32];
    uint8_t some = (uint8_t)~mask_fe_zero(sum->zz);
    fe_mul(x, sum->zz, sum->zzz); /* 1 / Z */
    fe_sqr(x, x);
    fe_mul(x, x, sum->x);
    fe_mul(y, sum->y, sum->zzz);
    fe_store(bytes, y);
    out->b[0] = (uint8_t)((2 | (bytes[31] & 1)) & some);
    fe_store(bytes, x);
    for (int i = 0; i < 32; i++)
        out->b[1 + i] = bytes[i] & some;
    secret_wipe(x, sizeof x);
    secret_wipe(y, sizeof y);
    secret_wipe(bytes, sizeof bytes);
}

/* By OpenSSL: what random scalars do not meet. */
static err_t compute_odd(struct fixed *f, const struct fixed_job *job)
{
    scalar_t plus, g;
    scalar_set(&plus, job->use_plus ? job->plus : 0);
    scalar_set(&g, 0);
    if (job->use_g)
        g = job->g;
    scalar_add(&g, &g, &plus);
    err_t e = point_mul2(f->g, job->out, &g, &job->y, &f->key);
    secret_wipe(&plus, sizeof plus);
    secret_wipe(&g, sizeof g);
    return e;
}

static void swap_if(point_t *a, point_t *b, uint8_t bit)
{
    uint8_t mask = (uint8_t)opaque(MASK(bit));
    for (size_t i = 0; i < sizeof a->b; i++) {
        uint8_t d = (a->b[i] ^ b->b[i]) & mask;
        a->b[i] ^= d;
        b->b[i] ^= d;
    }
}

err_t fixed_run(struct fixed *f, const struct fixed_job *job, size_t count)
{
    err_t e = count <= FIXED_JOBS ? OK : ERR_BUG;
    for (size_t i = 0; i < count && e == OK; i++)
        if ((!job[i].use_g && !job[i].use_y) || (job[i].use_swap && i + 1 == count))
            e = ERR_BUG;
    if (e == OK) {
        mul_all(f, 0, job, count);
        mul_all(f, 1, job, count);
        for (size_t i = 0; i < count; i++)
            add_parts(f, &job[i], i);
        invert_all(f->secret, count);
    }
    secret_declassify(f->secret->odd, sizeof f->secret->odd);
    for (size_t i = 0; i < count && e == OK; i++) {
        if (f->secret->odd[i])
            e = compute_odd(f, &job[i]);
        else
            compress(job[i].out, &f->secret->part[0][i]);
    }
    for (size_t i = 0; i < count && e == OK; i++)
        if (job[i].use_swap)
            swap_if(job[i].out, job[i + 1].out, job[i].swap);
    for (size_t i = 0; i < count; i++)
        secret_declassify(job[i].out, sizeof *job[i].out);
    for (size_t i = 0; i < count && e != OK; i++)
        memset(job[i].out, 0, sizeof *job[i].out);
    secret_wipe(f->secret, sizeof *f->secret);
    return e;
}
