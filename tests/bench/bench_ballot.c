/* Ballots made, verified and cast, per second; one contest of four options. */
#include <omp.h>
#include <string.h>

#include "ceremony/base/secret.h"
#include "tally/ballot_batch.h"
#include "tally/ballot_form.h"
#include "tests/bench/bench.h"
#include "tests/support/ballots.h"

#define BALLOTS 1000

/* Everything that a ballot takes to be counted, in batches of BALLOT_BATCH_POINTS: form, hashes, points,
 * proofs, sum. Each is put often enough for two batches. */
static double verify_batches(struct fixture *x, struct cbor_out *b, size_t count)
{
    struct ballot_layout *layout;
    struct ballot_batch *batch;
    struct tallies *t;
    size_t done = 0, full = 0;
    CHECK(ballot_layout_new(&layout, &x->ctx));
    CHECK(ballot_batch_new(&batch, layout, &x->ctx, BALLOT_BATCH_POINTS, 1));
    CHECK(tallies_new(&t, &x->ctx, x->e1));
    double start = 0;
    for (size_t i = 0; full < 3; i = (i + 1) % count) {
        if (!ballot_batch_has_room(batch, b[i].len)) {
            CHECK(ballot_batch_run(batch));
            CHECK(ballot_batch_sum(batch, 0, ballot_batch_count(batch), t));
            done += full ? ballot_batch_count(batch) : 0;
            ballot_batch_clear(batch);
            if (full++ == 0)
                start = cpu(); /* the first one brings the memory in */
        }
        CHECK(ballot_batch_put(batch, b[i].data, b[i].len, i));
    }
    double rate = (double)done / (cpu() - start);
    tallies_free(t);
    ballot_batch_free(batch);
    ballot_layout_free(layout);
    return rate;
}

static void cast_all(struct fixture *x, struct cbor_out *b, size_t count)
{
    struct precinct *p;
    double start = wall();
    CHECK(precinct_open(&p, &x->ctx, x->e1, fixture_path(x, "bench-journal"), 1, NULL));
    for (size_t i = 0; i < count; i++)
        CHECK(precinct_cast(p, NULL, NULL, b[i].data, b[i].len, NULL));
    figure("precinct/cast-durable", (double)count / (wall() - start), "ballots/s", 1);
    precinct_free(p);
}

static void cast_batches(struct fixture *x, struct cbor_out *b)
{
    struct precinct *p;
    struct cast_item *item = calloc(BALLOTS, sizeof *item);
    for (size_t i = 0; i < BALLOTS; i++)
        item[i] = (struct cast_item){.data = b[i].data, .len = b[i].len};
    double start = wall();
    CHECK(precinct_open(&p, &x->ctx, x->e1, fixture_path(x, "bench-journal-2"), 1, NULL));
    for (size_t i = 0; i < BALLOTS; i += 100)
        CHECK(precinct_cast_batch(p, item + i, 100, NULL));
    figure("precinct/cast-durable-by-100", BALLOTS / (wall() - start), "ballots/s", 1);
    precinct_free(p);
    free(item);
}

static void make(struct fixture *x, struct cbor_out *b, size_t count, enum p256_path path, const char *name)
{
    elgamal_key_free(x->maker->key);
    CHECK(elgamal_key_new_on(path, &x->maker->key, x->maker->g, &x->ctx.r->Y));
    double start = cpu();
    for (size_t i = 0; i < count; i++) {
        cbor_out_free(&b[i]);
        b[i] = (struct cbor_out)CBOR_OUT_INIT;
        fixture_ballot(x, &b[i], NULL, x->e1, "small", i % 2 ? "mayor=a" : "mayor=b");
    }
    figure(name, (double)count / (cpu() - start), "ballots/s", 1);
}

int main(void)
{
    CHECK(secret_init());
    omp_set_num_threads(1);
    struct fixture *x = fixture_new(KIND_BALLOTS);
    struct cbor_out *b = calloc(BALLOTS, sizeof *b);
    struct ballot **parsed = calloc(BALLOTS, sizeof *parsed);
    uint8_t *bad = calloc(BALLOTS, 1);
    make(x, b, BALLOTS, P256_PORTABLE, "ballot/make-portable");
    make(x, b, BALLOTS, p256_path_best(), "ballot/make");
    figure("ballot/size", (double)b[0].len, "bytes", 1);
    double start = cpu();
    for (size_t i = 0; i < BALLOTS; i++)
        CHECK(ballot_parse_var(&parsed[i], &x->ctx, b[i].data, b[i].len, NULL));
    CHECK(ballot_verify_many_var(&x->ctx, (const struct ballot *const *)parsed, BALLOTS, bad, NULL));
    figure("ballot/verify-by-1000", BALLOTS / (cpu() - start), "ballots/s", 1);
    figure("ballot/verify-batched", verify_batches(x, b, BALLOTS), "ballots/s", 1);
    start = cpu();
    for (size_t i = 0; i < 100; i++)
        CHECK(ballot_verify_var(&x->ctx, parsed[i], NULL));
    figure("ballot/verify-one-by-one", 100 / (cpu() - start), "ballots/s", 1);
    cast_all(x, b, 300);
    cast_batches(x, b);
    for (size_t i = 0; i < BALLOTS; i++) {
        ballot_free(parsed[i]);
        cbor_out_free(&b[i]);
    }
    free(b);
    free(parsed);
    free(bad);
    fixture_free(x);
    return 0;
}
