/* The sums of a chain or of one of its shards, and the running tally. */
#include <stdlib.h>
#include <string.h>

#include "tally/ballot_form.h"
#include "tally/chain_parts.h"

#define POINTS_AT_ONCE 8192 /* one inversion for so many */

static void changed(struct chain_row *r)
{
    free(r->bytes);
    r->bytes = NULL;
    r->len = 0;
}

err_t chain_sums_new(struct chain_sums **out, const struct chain_context *ctx)
{
    *out = NULL;
    struct chain_sums *s = calloc(1, sizeof *s);
    if (!s)
        return ERR_MEMORY;
    s->row = calloc(ctx->c->place_count, sizeof *s->row);
    if (!s->row) {
        free(s);
        return ERR_MEMORY;
    }
    s->count = ctx->c->place_count;
    for (size_t i = 0; i < s->count; i++) {
        err_t e = tallies_new(&s->row[i].t, ctx->e, ctx->place[i]);
        if (e != OK) {
            chain_sums_free(s);
            return e;
        }
    }
    *out = s;
    return OK;
}

void chain_sums_free(struct chain_sums *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->count; i++) {
        tallies_free(s->row[i].t);
        free(s->row[i].bytes);
    }
    free(s->row);
    free(s);
}

err_t chain_sums_add_ballot_var(struct chain_sums *s, const struct chain_context *ctx, const struct ballot *b)
{
    int64_t i = chain_row_of(ctx, b->place);
    if (i < 0)
        return ERR_UNKNOWN;
    TRY(tallies_add_ballot_var(s->row[i].t, b));
    s->row[i].ballots++;
    changed(&s->row[i]);
    return OK;
}

err_t chain_sums_add_tallies_var(struct chain_sums *s, const struct chain_context *ctx, uint32_t place,
                                 const struct tallies *t, uint64_t ballots)
{
    int64_t i = chain_row_of(ctx, place);
    if (i < 0)
        return ERR_UNKNOWN;
    if (ballots > BALLOTS_MAX - s->row[i].ballots)
        return ERR_SUM;
    TRY(tallies_add_var(s->row[i].t, t));
    s->row[i].ballots += ballots;
    changed(&s->row[i]);
    return OK;
}

struct tallies *chain_sums_row(struct chain_sums *s, const struct chain_context *ctx, uint32_t place,
                               uint64_t ballots)
{
    int64_t i = chain_row_of(ctx, place);
    if (i < 0)
        return NULL;
    s->row[i].ballots += ballots;
    changed(&s->row[i]);
    return s->row[i].t;
}

/* Sums to which nothing was ever added need no additions of points. */
static int is_empty(const struct chain_row *r)
{
    if (r->ballots > 0)
        return 0;
    for (size_t i = 0; i < r->t->count; i++)
        for (size_t o = 0; o < r->t->tally[i].option_count; o++)
            if (r->t->tally[i].ballots > 0 || p256_is_zero_var(&r->t->tally[i].A[o]) == 0 ||
                p256_is_zero_var(&r->t->tally[i].B[o]) == 0)
                return 0;
    return 1;
}

err_t chain_sums_add_var(struct chain_sums *s, const struct chain_sums *part)
{
    for (size_t i = 0; i < s->count; i++)
        if (part->row[i].ballots > BALLOTS_MAX - s->row[i].ballots)
            return ERR_SUM;
    for (size_t i = 0; i < s->count; i++) {
        if (is_empty(&part->row[i]))
            continue;
        TRY(tallies_add_var(s->row[i].t, part->row[i].t));
        s->row[i].ballots += part->row[i].ballots;
        changed(&s->row[i]);
    }
    return OK;
}

err_t chain_sums_sub_var(struct chain_sums *s, const struct chain_sums *part)
{
    for (size_t i = 0; i < s->count; i++)
        if (part->row[i].ballots > s->row[i].ballots)
            return ERR_SUM;
    for (size_t i = 0; i < s->count; i++) {
        if (is_empty(&part->row[i]))
            continue;
        TRY(tallies_sub_var(s->row[i].t, part->row[i].t));
        s->row[i].ballots -= part->row[i].ballots;
        changed(&s->row[i]);
    }
    return OK;
}

int chain_sums_equal_var(const struct chain_sums *a, const struct chain_sums *b,
                         const struct chain_context *ctx, uint32_t *place)
{
    for (size_t i = 0; i < a->count; i++) {
        if (a->row[i].ballots == b->row[i].ballots && tallies_equal_var(a->row[i].t, b->row[i].t, NULL))
            continue;
        if (place)
            *place = ctx->place[i];
        return 0;
    }
    return 1;
}

uint64_t chain_sums_ballots(const struct chain_sums *s)
{
    uint64_t n = 0;
    for (size_t i = 0; i < s->count; i++)
        n += s->row[i].ballots;
    return n;
}

/* --- writing --- */

static size_t row_points(const struct chain_row *r)
{
    size_t n = 0;
    for (size_t i = 0; i < r->t->count; i++)
        n += 2 * r->t->tally[i].option_count;
    return n;
}

/* p: the row's points, for each contest its A and then its B. */
static err_t row_encode(struct chain_row *r, const struct chain_context *ctx, uint32_t place,
                        const struct p256_affine *p)
{
    struct cbor_out o = CBOR_OUT_INIT;
    struct place where;
    places_get(ctx->e->places, place, &where);
    cbor_put_array(&o, 3);
    cbor_put_text(&o, where.id);
    cbor_put_uint(&o, r->ballots);
    cbor_put_array(&o, r->t->count);
    for (size_t i = 0; i < r->t->count; i++) {
        const struct tally *t = &r->t->tally[i];
        cbor_put_array(&o, 3);
        cbor_put_text(&o, ctx->e->m->contest[t->contest].id);
        cbor_put_uint(&o, t->ballots);
        cbor_put_array(&o, t->option_count);
        for (size_t k = 0; k < t->option_count; k++) {
            struct elgamal ct;
            p256_compress(&ct.A, &p[k]);
            p256_compress(&ct.B, &p[t->option_count + k]);
            cbor_put_elgamal(&o, &ct);
        }
        p += 2 * t->option_count;
    }
    if (o.err != OK) {
        err_t e = o.err;
        cbor_out_free(&o);
        return e;
    }
    r->bytes = o.data;
    r->len = o.len;
    return OK;
}

static void gather(struct p256_jacobian *out, const struct chain_row *r)
{
    for (size_t i = 0; i < r->t->count; i++) {
        const struct tally *t = &r->t->tally[i];
        memcpy(out, t->A, t->option_count * sizeof *out);
        memcpy(out + t->option_count, t->B, t->option_count * sizeof *out);
        out += 2 * t->option_count;
    }
}

/* Rows from..to-1, whose changed ones have `points` points. */
static err_t encode_some(struct chain_sums *s, const struct chain_context *ctx, size_t from, size_t to,
                         size_t points)
{
    if (points == 0)
        return OK;
    struct p256_jacobian *j = calloc(points, sizeof *j);
    struct p256_affine *a = malloc(points * sizeof *a);
    err_t e = j && a ? OK : ERR_MEMORY;
    size_t n = 0;
    for (size_t i = from; i < to && e == OK; i++)
        if (!s->row[i].bytes) {
            gather(j + n, &s->row[i]);
            n += row_points(&s->row[i]);
        }
    if (e == OK)
        e = p256_to_affine_many_var(a, j, n);
    n = 0;
    for (size_t i = from; i < to && e == OK; i++)
        if (!s->row[i].bytes) {
            e = row_encode(&s->row[i], ctx, ctx->place[i], a + n);
            n += row_points(&s->row[i]);
        }
    free(j);
    free(a);
    return e;
}

static err_t encode(struct chain_sums *s, const struct chain_context *ctx)
{
    size_t from = 0, points = 0;
    for (size_t i = 0; i < s->count; i++) {
        if (!s->row[i].bytes)
            points += row_points(&s->row[i]);
        if (points < POINTS_AT_ONCE)
            continue;
        TRY(encode_some(s, ctx, from, i + 1, points));
        from = i + 1;
        points = 0;
    }
    return encode_some(s, ctx, from, s->count, points);
}

err_t chain_sums_put(struct cbor_out *o, const struct chain_context *ctx, struct chain_sums *s)
{
    TRY(encode(s, ctx));
    cbor_put_array(o, s->count);
    for (size_t i = 0; i < s->count; i++)
        cbor_put_raw(o, s->row[i].bytes, s->row[i].len);
    return o->err;
}

err_t chain_running_put(struct cbor_out *o, const struct chain_context *ctx, struct chain_sums *s)
{
    cbor_put_array(o, 7);
    chain_put_start(o, ctx, "conclave/chain-tally");
    return chain_sums_put(o, ctx, s);
}

/* Hashed in pieces: all rows may be much. */
err_t chain_running_hash(hash_t *out, const struct chain_context *ctx, struct chain_sums *s)
{
    struct cbor_out o = CBOR_OUT_INIT;
    struct hash_ctx h;
    memset(out, 0, sizeof *out);
    TRY(encode(s, ctx));
    cbor_put_array(&o, 7);
    chain_put_start(&o, ctx, "conclave/chain-tally");
    cbor_put_array(&o, s->count);
    err_t e = o.err;
    if (e == OK) {
        hash_init(&h);
        hash_add(&h, o.data, o.len);
        for (size_t i = 0; i < s->count; i++)
            hash_add(&h, s->row[i].bytes, s->row[i].len);
        hash_end(&h, out);
    }
    cbor_out_free(&o);
    return e;
}

/* --- reading --- */

void chain_sums_get_var(struct cbor_in *in, const struct chain_context *ctx, struct chain_sums *s)
{
    cbor_get_array_exact(in, s->count);
    for (size_t i = 0; i < s->count && in->err == OK; i++) {
        struct chain_row *r = &s->row[i];
        struct place place;
        char id[TEXT_ID_MAX + 1];
        changed(r);
        cbor_get_array_exact(in, 3);
        cbor_get_id(in, id, TEXT_ID_MAX);
        places_get(ctx->e->places, ctx->place[i], &place);
        if (in->err == OK && strcmp(id, place.id) != 0)
            cbor_fail(in, ERR_UNKNOWN);
        r->ballots = cbor_get_uint(in, BALLOTS_MAX);
        cbor_get_tallies_var(in, ctx->e, r->t);
    }
}

err_t chain_running_parse_var(struct chain_sums *s, const struct chain_context *ctx, const uint8_t *data,
                              size_t len, struct fault *f)
{
    struct cbor_in in;
    cbor_in_init(&in, data, len);
    cbor_get_array_exact(&in, 7);
    chain_get_start(&in, ctx, "conclave/chain-tally");
    chain_sums_get_var(&in, ctx, s);
    return tally_get_end(&in, f, "running tally of the chain %s", ctx->c->id);
}
