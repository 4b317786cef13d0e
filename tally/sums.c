#include "tally/sums.h"

#include <stdlib.h>
#include <string.h>

static err_t tally_init(struct tally *t, uint32_t contest, size_t option_count)
{
    t->contest = contest;
    t->option_count = option_count;
    t->A = calloc(option_count, sizeof *t->A); /* z = 0: the identity */
    t->B = calloc(option_count, sizeof *t->B);
    return t->A && t->B ? OK : ERR_MEMORY;
}

err_t tallies_new(struct tallies **out, const struct election_context *ctx, uint32_t place)
{
    *out = NULL;
    struct tallies *t = calloc(1, sizeof *t);
    if (!t)
        return ERR_MEMORY;
    size_t count = 0;
    for (uint32_t i = 0; i < ctx->m->contest_count; i++)
        count += places_has_contest(ctx->places, place, i) == 1;
    t->tally = calloc(count ? count : 1, sizeof *t->tally);
    if (!t->tally) {
        free(t);
        return ERR_MEMORY;
    }
    for (uint32_t i = 0; i < ctx->m->contest_count && t->count < count; i++) {
        if (places_has_contest(ctx->places, place, i) != 1)
            continue;
        err_t e = tally_init(&t->tally[t->count++], i, ctx->m->contest[i].option_count);
        if (e != OK) {
            tallies_free(t);
            return e;
        }
    }
    *out = t;
    return OK;
}

err_t tallies_copy(struct tallies **out, const struct tallies *t)
{
    *out = NULL;
    struct tallies *c = calloc(1, sizeof *c);
    if (!c)
        return ERR_MEMORY;
    c->tally = calloc(t->count ? t->count : 1, sizeof *c->tally);
    if (!c->tally) {
        free(c);
        return ERR_MEMORY;
    }
    for (size_t i = 0; i < t->count; i++) {
        const struct tally *from = &t->tally[i];
        c->count++;
        err_t e = tally_init(&c->tally[i], from->contest, from->option_count);
        if (e != OK) {
            tallies_free(c);
            return e;
        }
        c->tally[i].ballots = from->ballots;
        memcpy(c->tally[i].A, from->A, from->option_count * sizeof *from->A);
        memcpy(c->tally[i].B, from->B, from->option_count * sizeof *from->B);
    }
    *out = c;
    return OK;
}

void tallies_free(struct tallies *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < t->count; i++) {
        free(t->tally[i].A);
        free(t->tally[i].B);
    }
    free(t->tally);
    free(t);
}

void tallies_zero(struct tallies *t)
{
    for (size_t i = 0; i < t->count; i++) {
        t->tally[i].ballots = 0;
        for (size_t o = 0; o < t->tally[i].option_count; o++) {
            p256_zero(&t->tally[i].A[o]);
            p256_zero(&t->tally[i].B[o]);
        }
    }
}

struct tally *tallies_find(const struct tallies *t, uint32_t contest)
{
    size_t low = 0, high = t->count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (t->tally[mid].contest == contest)
            return &t->tally[mid];
        if (t->tally[mid].contest < contest)
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}

static void jacobian_sub(struct p256_jacobian *r, const struct p256_jacobian *p)
{
    struct p256_affine a;
    p256_to_affine_var(&a, p);
    p256_neg(&a, &a);
    p256_add_affine_var(r, r, &a);
}

/* All of part must fit before anything changes. */
static err_t fits(const struct tallies *t, const struct tallies *part, int subtract)
{
    for (size_t i = 0; i < part->count; i++) {
        const struct tally *p = &part->tally[i], *into = tallies_find(t, p->contest);
        if (!into || into->option_count != p->option_count)
            return ERR_MISMATCH;
        if (subtract ? p->ballots > into->ballots : p->ballots > BALLOTS_MAX - into->ballots)
            return ERR_SUM;
    }
    return OK;
}

err_t tallies_add_var(struct tallies *t, const struct tallies *part)
{
    TRY(fits(t, part, 0));
    for (size_t i = 0; i < part->count; i++) {
        const struct tally *p = &part->tally[i];
        struct tally *into = tallies_find(t, p->contest);
        into->ballots += p->ballots;
        for (size_t o = 0; o < p->option_count; o++) {
            p256_add_var(&into->A[o], &into->A[o], &p->A[o]);
            p256_add_var(&into->B[o], &into->B[o], &p->B[o]);
        }
    }
    return OK;
}

err_t tallies_sub_var(struct tallies *t, const struct tallies *part)
{
    TRY(fits(t, part, 1));
    for (size_t i = 0; i < part->count; i++) {
        const struct tally *p = &part->tally[i];
        struct tally *into = tallies_find(t, p->contest);
        into->ballots -= p->ballots;
        for (size_t o = 0; o < p->option_count; o++) {
            jacobian_sub(&into->A[o], &p->A[o]);
            jacobian_sub(&into->B[o], &p->B[o]);
        }
    }
    return OK;
}

static int tally_equal(const struct tally *a, const struct tally *b)
{
    if (a->contest != b->contest || a->ballots != b->ballots || a->option_count != b->option_count)
        return 0;
    for (size_t o = 0; o < a->option_count; o++)
        if (!p256_equal_var(&a->A[o], &b->A[o]) || !p256_equal_var(&a->B[o], &b->B[o]))
            return 0;
    return 1;
}

int tallies_equal_var(const struct tallies *a, const struct tallies *b, uint32_t *contest)
{
    for (size_t i = 0; i < a->count && i < b->count; i++) {
        if (tally_equal(&a->tally[i], &b->tally[i]))
            continue;
        if (contest)
            *contest = a->tally[i].contest;
        return 0;
    }
    if (a->count == b->count)
        return 1;
    if (contest)
        *contest = a->count > b->count ? a->tally[b->count].contest : b->tally[a->count].contest;
    return 0;
}

err_t tally_compress_var(struct elgamal *out, const struct tally *t)
{
    size_t n = t->option_count;
    struct p256_affine *a = malloc(2 * n * sizeof *a);
    if (!a)
        return ERR_MEMORY;
    err_t e = p256_to_affine_many_var(a, t->A, n);
    if (e == OK)
        e = p256_to_affine_many_var(a + n, t->B, n);
    for (size_t o = 0; o < n && e == OK; o++) {
        p256_compress(&out[o].A, &a[o]);
        p256_compress(&out[o].B, &a[n + o]);
    }
    free(a);
    if (e != OK)
        memset(out, 0, n * sizeof *out);
    return e;
}

err_t cbor_put_tallies(struct cbor_out *o, const struct election_context *ctx, const struct tallies *t)
{
    struct elgamal *ct = malloc(OPTIONS_MAX * sizeof *ct);
    if (!ct)
        return ERR_MEMORY;
    err_t e = OK;
    cbor_put_array(o, t->count);
    for (size_t i = 0; i < t->count && e == OK; i++) {
        const struct tally *p = &t->tally[i];
        e = tally_compress_var(ct, p);
        if (e != OK)
            break;
        cbor_put_array(o, 3);
        cbor_put_text(o, ctx->m->contest[p->contest].id);
        cbor_put_uint(o, p->ballots);
        cbor_put_array(o, p->option_count);
        for (size_t k = 0; k < p->option_count; k++)
            cbor_put_elgamal(o, &ct[k]);
    }
    free(ct);
    return e != OK ? e : o->err;
}

/* One by one: says at which byte a point is bad. */
static void get_sums(struct cbor_in *in, struct tally *p)
{
    for (size_t k = 0; k < p->option_count && in->err == OK; k++) {
        struct elgamal ct;
        struct elgamal_affine a;
        cbor_get_elgamal_sum_var(in, &ct, &a);
        if (in->err != OK)
            return;
        p256_from_affine(&p->A[k], &a.A);
        p256_from_affine(&p->B[k], &a.B);
    }
}

/* All points of a contest at once. 1 if that is all; 0: nothing was read that counts. */
static int get_sums_together(struct cbor_in *in, struct tally *p)
{
    point_t point[2 * OPTIONS_MAX];
    struct p256_affine a[2 * OPTIONS_MAX];
    size_t bad;
    if (p->option_count > OPTIONS_MAX)
        return 0;
    for (size_t k = 0; k < p->option_count; k++) {
        cbor_get_array_exact(in, 2);
        cbor_get_fixed(in, point[2 * k].b, POINT_LEN);
        cbor_get_fixed(in, point[2 * k + 1].b, POINT_LEN);
    }
    if (in->err != OK || p256_decompress_sums_var(a, point, 2 * p->option_count, &bad) != OK)
        return 0;
    for (size_t k = 0; k < p->option_count; k++) {
        p256_from_affine(&p->A[k], &a[2 * k]);
        p256_from_affine(&p->B[k], &a[2 * k + 1]);
    }
    return 1;
}

void cbor_get_tallies_var(struct cbor_in *in, const struct election_context *ctx, struct tallies *t)
{
    tallies_zero(t);
    cbor_get_array_exact(in, t->count);
    for (size_t i = 0; i < t->count && in->err == OK; i++) {
        struct tally *p = &t->tally[i];
        char id[TEXT_ID_MAX + 1];
        cbor_get_array_exact(in, 3);
        cbor_get_id(in, id, TEXT_ID_MAX);
        if (in->err == OK && strcmp(id, ctx->m->contest[p->contest].id) != 0)
            cbor_fail(in, ERR_UNKNOWN);
        p->ballots = cbor_get_uint(in, BALLOTS_MAX);
        cbor_get_array_exact(in, p->option_count);
        struct cbor_in start = *in;
        if (in->err == OK && !get_sums_together(in, p)) {
            *in = start;
            get_sums(in, p);
        }
    }
    if (in->err != OK)
        tallies_zero(t);
}
