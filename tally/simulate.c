#include "tally/simulate.h"

#include <omp.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK 256 /* ballots made between two calls of the sink */

/* --- totals --- */

err_t simulate_totals_new(struct simulate_totals **out, const struct manifest *m)
{
    *out = NULL;
    struct simulate_totals *t = calloc(1, sizeof *t);
    if (t == NULL)
        return ERR_MEMORY;
    t->contest_count = m->contest_count;
    t->ballots = calloc(m->contest_count, sizeof *t->ballots);
    t->votes = calloc(m->contest_count, sizeof *t->votes);
    int good = t->ballots != NULL && t->votes != NULL;
    for (size_t c = 0; good && c < m->contest_count; c++) {
        t->votes[c] = calloc(m->contest[c].option_count, sizeof **t->votes);
        good = t->votes[c] != NULL;
    }
    if (!good) {
        simulate_totals_free(t);
        return ERR_MEMORY;
    }
    *out = t;
    return OK;
}

void simulate_totals_free(struct simulate_totals *t)
{
    if (t == NULL)
        return;
    for (size_t c = 0; t->votes != NULL && c < t->contest_count; c++)
        free(t->votes[c]);
    free(t->votes);
    free(t->ballots);
    free(t);
}

/* --- choices: a hash as generator; they are public --- */

struct dice {
    hash_t block;
    size_t used;
};

static void dice_init(struct dice *d, uint64_t seed, const char *place, uint64_t voter)
{
    struct cbor_out o = CBOR_OUT_INIT;
    cbor_put_array(&o, 4);
    cbor_put_text(&o, "conclave/simulate");
    cbor_put_uint(&o, seed);
    cbor_put_text(&o, place);
    cbor_put_uint(&o, voter);
    if (cbor_out_hash(&o, &d->block) != OK)
        memset(&d->block, 0, sizeof d->block); /* no memory: the next allocation says so */
    d->used = 0;
}

static uint32_t dice_throw(struct dice *d)
{
    if (d->used + 4 > HASH_LEN) {
        hash_one(&d->block, d->block.b, HASH_LEN);
        d->used = 0;
    }
    const uint8_t *b = d->block.b + d->used;
    d->used += 4;
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

/* Option number o has weight 1/(o+2) of the whole, roughly. */
static size_t popular(struct dice *d, size_t count)
{
    uint64_t all = 0, at;
    for (size_t o = 0; o < count; o++)
        all += 840000 / (o + 2);
    at = dice_throw(d) % all;
    for (size_t o = 0; o < count; o++) {
        uint64_t weight = 840000 / (o + 2);
        if (at < weight)
            return o;
        at -= weight;
    }
    return 0;
}

/* Picks distinct options of a contest: *picked of them, at most the limit; 0 is a blank contest. */
static void choose(struct dice *d, const struct contest *c, size_t *pick, size_t *picked)
{
    *picked = 0;
    if (dice_throw(d) % 20 == 0)
        return;
    size_t want = c->limit == 1 ? 1 : 1 + dice_throw(d) % c->limit;
    for (size_t i = 0; i < want; i++) {
        size_t o = popular(d, c->option_count), k = 0;
        while (k < *picked && pick[k] != o)
            k++;
        if (k == *picked)
            pick[(*picked)++] = o;
    }
}

struct voter {
    struct dice dice;
    const struct style *style;
};

static void voter_init(struct voter *v, const struct election_context *ctx, const struct place *p,
                       uint64_t seed, uint64_t number)
{
    dice_init(&v->dice, seed, p->id, number);
    v->style = &ctx->m->style[p->style[dice_throw(&v->dice) % p->style_count]];
}

static void count_choice(struct simulate_totals *t, uint32_t contest, const size_t *pick, size_t picked)
{
    if (t == NULL)
        return;
    t->ballots[contest]++;
    for (size_t i = 0; i < picked; i++)
        t->votes[contest][pick[i]]++;
}

/* --- one ballot --- */

static err_t make_one(struct ballot_maker *mk, struct cbor_out *out, const struct election_context *ctx,
                      const struct place *p, uint64_t seed, uint64_t number, struct fault *f)
{
    struct voter v;
    voter_init(&v, ctx, p, seed, number);
    size_t contests = v.style->contest_count, pick[OPTIONS_MAX];
    struct selection *selection = calloc(contests, sizeof *selection);
    const char **option = calloc(contests * OPTIONS_MAX, sizeof *option);
    err_t e = ERR_MEMORY;
    if (selection == NULL || option == NULL)
        goto out;
    for (size_t i = 0; i < contests; i++) {
        const struct contest *c = &ctx->m->contest[v.style->contest[i]];
        const char **mine = option + i * OPTIONS_MAX;
        selection[i].contest = c->id;
        choose(&v.dice, c, pick, &selection[i].option_count);
        for (size_t k = 0; k < selection[i].option_count; k++)
            mine[k] = c->option[pick[k]].id;
        selection[i].option = mine;
    }
    e = ballot_make(mk, out, NULL, p->index, v.style->id, selection, contests, NULL, f);
out:
    free(selection);
    free(option);
    return e;
}

static void count_one(const struct election_context *ctx, const struct place *p, uint64_t seed,
                      uint64_t number, struct simulate_totals *totals)
{
    struct voter v;
    size_t pick[OPTIONS_MAX], picked;
    voter_init(&v, ctx, p, seed, number);
    for (size_t i = 0; i < v.style->contest_count; i++) {
        uint32_t contest = v.style->contest[i];
        choose(&v.dice, &ctx->m->contest[contest], pick, &picked);
        count_choice(totals, contest, pick, picked);
    }
}

static err_t place_get(struct place *p, const struct election_context *ctx, uint32_t place, struct fault *f)
{
    places_get(ctx->places, place, p);
    if (ctx->m->kind != KIND_BALLOTS || p->style_count == 0)
        return fault_set(f, ERR_RULE, "no ballots are cast in place %s", p->id);
    return OK;
}

/* --- many, with one maker for each thread --- */

struct crew {
    int count;
    struct ballot_maker **maker;
    struct cbor_out ballot[CHUNK];
};

static void crew_free(struct crew *c)
{
    if (c == NULL)
        return;
    for (int i = 0; c->maker != NULL && i < c->count; i++)
        ballot_maker_free(c->maker[i]);
    for (size_t i = 0; i < CHUNK; i++)
        cbor_out_free(&c->ballot[i]);
    free(c->maker);
    free(c);
}

static err_t crew_new(struct crew **out, const struct election_context *ctx, uint64_t work)
{
    *out = NULL;
    struct crew *c = calloc(1, sizeof *c);
    if (c == NULL)
        return ERR_MEMORY;
    c->count = omp_get_max_threads();
    if ((uint64_t)c->count > work)
        c->count = work ? (int)work : 1;
    c->maker = calloc((size_t)c->count, sizeof *c->maker);
    err_t e = c->maker == NULL ? ERR_MEMORY : OK;
    for (int i = 0; e == OK && i < c->count; i++)
        e = ballot_maker_new(&c->maker[i], ctx);
    if (e != OK)
        crew_free(c);
    else
        *out = c;
    return e;
}

static err_t make_chunk(struct crew *c, const struct election_context *ctx, const struct place *p,
                        uint64_t seed, uint64_t first, int count, struct fault *f)
{
    err_t result = OK;
#pragma omp parallel for schedule(dynamic, 4) num_threads(c->count)
    for (int i = 0; i < count; i++) {
        struct fault mine;
        fault_clear(&mine);
        err_t e =
            make_one(c->maker[omp_get_thread_num()], &c->ballot[i], ctx, p, seed, first + (uint64_t)i, &mine);
        if (e != OK) {
#pragma omp critical(conclave_simulate)
            if (result == OK) {
                result = e;
                if (f != NULL)
                    *f = mine;
            }
        }
    }
    return result == OK ? OK : fault_set(f, result, "making ballots");
}

err_t simulate_ballots(const struct election_context *ctx, uint32_t place, uint64_t seed, uint64_t first,
                       uint64_t count, struct simulate_totals *totals, simulate_sink *sink, void *sink_ctx,
                       progress_fn progress, void *progress_ctx, struct fault *f)
{
    struct place p;
    struct crew *c;
    TRY(place_get(&p, ctx, place, f));
    err_t e = crew_new(&c, ctx, count);
    if (e != OK)
        return fault_set(f, e, "the makers of ballots");
    for (uint64_t done = 0; done < count;) {
        int n = count - done < CHUNK ? (int)(count - done) : CHUNK;
        if (progress != NULL)
            GO(progress(progress_ctx, "ballots", done, count));
        GO(make_chunk(c, ctx, &p, seed, first + done, n, f));
        for (int i = 0; i < n; i++) {
            GO(sink(sink_ctx, c->ballot[i].data, c->ballot[i].len, f));
            cbor_out_free(&c->ballot[i]);
            count_one(ctx, &p, seed, first + done + (uint64_t)i, totals);
        }
        done += (uint64_t)n;
    }
    if (progress != NULL)
        GO(progress(progress_ctx, "ballots", count, count));
out:
    crew_free(c);
    return e;
}
