/* Baby-step giant-step (Shanks 1971). The x-coordinate is the same for j G and -j G, so a table of
 * m baby steps lets every giant step be 2m + 1 wide: v = i (2m + 1) + j or - j with 0 <= j <= m. */
#include <stdlib.h>
#include <string.h>

#include "ceremony/math/elgamal.h"
#include "ceremony/math/p256_field.h"

#define BABY_MAX ((uint64_t)1 << 22)
#define RANGE_MAX (UINT64_MAX / 2) /* so that no step past the end overflows */
#define CHUNK 256                  /* points whose conversion shares an inversion */

struct slot {
    uint64_t x; /* lowest limb of the x-coordinate */
    uint64_t j; /* 0: free */
};

struct dlog {
    uint64_t m;
    size_t mask; /* slots - 1 */
    struct slot *slot;
    struct p256_affine minus_step; /* -(2m + 1) G */
};

static size_t slot_of(const struct dlog *d, uint64_t x)
{
    return (size_t)(x * UINT64_C(0x9e3779b97f4a7c15) >> 20) & d->mask;
}

static void table_put(struct dlog *d, uint64_t x, uint64_t j)
{
    size_t i = slot_of(d, x);
    while (d->slot[i].j != 0)
        i = (i + 1) & d->mask;
    d->slot[i] = (struct slot){x, j};
}

/* Fills the table with 1 .. m times G. */
static err_t table_fill(struct dlog *d)
{
    struct p256_affine G, affine[CHUNK];
    struct p256_jacobian j[CHUNK], at;
    p256_generator(&G);
    p256_zero(&at);
    for (uint64_t done = 0; done < d->m;) {
        size_t n = d->m - done < CHUNK ? (size_t)(d->m - done) : CHUNK;
        for (size_t i = 0; i < n; i++) {
            p256_add_affine_var(&at, &at, &G);
            j[i] = at;
        }
        TRY(p256_to_affine_many_var(affine, j, n));
        for (size_t i = 0; i < n; i++)
            table_put(d, affine[i].x[0], done + i + 1);
        done += n;
    }
    return OK;
}

static err_t base_mul(struct p256_jacobian *out, uint64_t v)
{
    struct p256_affine G;
    scalar_t k;
    p256_generator(&G);
    scalar_set(&k, v);
    return p256_mul_var(out, &k, &G);
}

err_t dlog_new(struct dlog **out, uint64_t max)
{
    *out = NULL;
    if (max > RANGE_MAX)
        return ERR_BUG;
    err_t e = ERR_MEMORY;
    struct dlog *d = calloc(1, sizeof *d);
    if (d == NULL)
        return ERR_MEMORY;
    d->m = 1;
    while (d->m < BABY_MAX && 2 * d->m * d->m < max)
        d->m += d->m / 8 + 1;
    size_t slots = 4;
    while (slots < 2 * d->m)
        slots *= 2;
    d->mask = slots - 1;
    d->slot = calloc(slots, sizeof *d->slot);
    if (d->slot == NULL)
        goto out;
    GO(table_fill(d));
    struct p256_jacobian step;
    GO(base_mul(&step, 2 * d->m + 1));
    p256_to_affine_var(&d->minus_step, &step);
    p256_neg(&d->minus_step, &d->minus_step);
    *out = d;
    d = NULL;
out:
    dlog_free(d);
    return e;
}

void dlog_free(struct dlog *d)
{
    if (d == NULL)
        return;
    free(d->slot);
    free(d);
}

/* *found and *v are set if try G = M and try <= max. */
static err_t candidate(int *found, uint64_t *v, uint64_t try, uint64_t max, const struct p256_jacobian *M)
{
    struct p256_jacobian t;
    if (try > max)
        return OK;
    TRY(base_mul(&t, try));
    if (p256_equal_var(&t, M)) {
        *found = 1;
        *v = try;
    }
    return OK;
}

/* p = M - center G: is M within m steps of center? */
static err_t look_up(const struct dlog *d, int *found, uint64_t *v, uint64_t center,
                     const struct p256_affine *p, uint64_t max, const struct p256_jacobian *M)
{
    if (fe_is_zero(p->x) && fe_is_zero(p->y))
        return candidate(found, v, center, max, M);
    for (size_t i = slot_of(d, p->x[0]); d->slot[i].j != 0 && !*found; i = (i + 1) & d->mask) {
        uint64_t j = d->slot[i].j;
        if (d->slot[i].x != p->x[0])
            continue;
        TRY(candidate(found, v, center + j, max, M));
        if (j <= center && !*found)
            TRY(candidate(found, v, center - j, max, M));
    }
    return OK;
}

err_t dlog_find_var(const struct dlog *d, uint64_t *v, const struct p256_jacobian *M, uint64_t max)
{
    struct p256_jacobian j[CHUNK], at = *M;
    struct p256_affine affine[CHUNK];
    int found = 0;
    *v = 0;
    if (max > RANGE_MAX)
        return ERR_BUG;
    uint64_t step = 2 * d->m + 1,
             last = max / step + (max % step > d->m); /* the last center is last * step */
    size_t chunk = 4;
    for (uint64_t i = 0; i <= last;) {
        size_t n = last - i < chunk ? (size_t)(last - i) + 1 : chunk;
        n = n < CHUNK ? n : CHUNK;
        for (size_t x = 0; x < n; x++) {
            j[x] = at;
            p256_add_affine_var(&at, &at, &d->minus_step);
        }
        TRY(p256_to_affine_many_var(affine, j, n));
        for (size_t x = 0; x < n && !found; x++)
            TRY(look_up(d, &found, v, (i + x) * step, &affine[x], max, M));
        if (found)
            return OK;
        i += n;
        chunk = chunk < CHUNK ? 2 * chunk : CHUNK;
    }
    return ERR_LIMIT;
}
