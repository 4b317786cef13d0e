/* Ballots verified per second and core, everything included: form, hashes, points, proofs, sum; beside
 * OpenSSL, one proof after the other, in the same run. One contest of four options, and 12 contests with 60
 * in all; on each path of the kernel; with hints, as segments of a chain have them. One thread, CPU time. */
#include <omp.h>
#include <openssl/evp.h>
#include <string.h>

#include "ceremony/base/secret.h"
#include "tally/ballot_batch.h"
#include "tally/chain_segment.h"
#include "tests/bench/bench.h"

#define BALLOTS 64 /* that are different */

struct election {
    struct manifest *m;
    struct places *places;
    struct record r;
    struct election_context ctx;
    struct ballot_layout *layout;
    size_t points; /* of a ballot */
    struct cbor_out ballot[BALLOTS];
    uint8_t *hints[BALLOTS];
};

/* contests of five options, or one of four */
static char *make_manifest(size_t contests, size_t options, const char *places_hash)
{
    size_t size = 1024 + contests * (128 + options * 48), at;
    char *json = malloc(size);
    at = (size_t)snprintf(
        json, size,
        "{\"conclave\":1,\"scheme\":\"p256-elgamal\",\"kind\":\"ballots\",\"title\":\"Bench\","
        "\"date\":\"2028-11-07\",\"trustees\":{\"n\":3,\"t\":2,\"rehearsal\":true},"
        "\"levels\":[\"land\",\"precinct\"],"
        "\"jurisdictions\":{\"file\":\"j.csv\",\"sha256\":\"%s\"},\"contests\":[",
        places_hash);
    for (size_t c = 0; c < contests; c++) {
        at +=
            (size_t)snprintf(json + at, size - at,
                             "%s{\"id\":\"c%zu\",\"title\":\"C\",\"limit\":1,\"options\":[", c ? "," : "", c);
        for (size_t o = 0; o < options; o++)
            at += (size_t)snprintf(json + at, size - at, "%s{\"id\":\"o%zu\",\"title\":\"O\"}", o ? "," : "",
                                   o);
        at += (size_t)snprintf(json + at, size - at, "]}");
    }
    at += (size_t)snprintf(json + at, size - at, "],\"styles\":[{\"id\":\"all\",\"contests\":[");
    for (size_t c = 0; c < contests; c++)
        at += (size_t)snprintf(json + at, size - at, "%s\"c%zu\"", c ? "," : "", c);
    snprintf(json + at, size - at,
             "]}],\"decryption\":{\"levels\":[\"land\"],\"minimum\":2},\"duplicate_ballots\":\"first\"}");
    return json;
}

static void make_context(struct election *x, struct group *g, size_t contests, size_t options)
{
    static const char csv[] = "place,level,parent,title,styles,group,key\n"
                              "land,land,,Land,,,\nprecinct,precinct,land,P,all,,\n";
    char hex[2 * HASH_LEN + 1];
    struct fault f;
    hash_t h;
    scalar_t secret;
    hash_one(&h, csv, sizeof csv - 1);
    hex_put(hex, h.b, HASH_LEN);
    char *json = make_manifest(contests, options, hex);
    CHECK(manifest_parse(&x->m, (const uint8_t *)json, strlen(json), &f));
    CHECK(places_parse(&x->places, x->m, (const uint8_t *)csv, sizeof csv - 1, &f));
    free(json);
    x->r.election = x->m->election;
    x->r.scheme = SCHEME_P256_ELGAMAL;
    hash_one(&x->r.id, "record", 6);
    scalar_random(&secret);
    CHECK(point_mul_base(g, &x->r.Y, &secret));
    x->ctx = (struct election_context){x->m, x->places, &x->r};
    CHECK(ballot_layout_new(&x->layout, &x->ctx));
    x->points = ballot_layout_points(x->layout, 0);
}

/* As a node of a chain finds them, from the points that it has. */
static void make_hints(struct election *x)
{
    struct ballot_batch *b;
    CHECK(ballot_batch_new(&b, x->layout, &x->ctx, BALLOTS * x->points, 1));
    for (size_t i = 0; i < BALLOTS; i++)
        CHECK(ballot_batch_put(b, x->ballot[i].data, x->ballot[i].len, i));
    CHECK(ballot_batch_run(b));
    for (size_t i = 0; i < BALLOTS; i++) {
        size_t count;
        const struct p256_affine *p = ballot_batch_affine(b, i, &count);
        x->hints[i] = malloc(32 * count);
        chain_hints_of(x->hints[i], p, count);
    }
    ballot_batch_free(b);
}

static void make_ballots(struct election *x)
{
    static const char *const choice[] = {"o0"};
    struct ballot_maker *maker;
    struct selection s[12];
    CHECK(ballot_maker_new(&maker, &x->ctx));
    for (size_t c = 0; c < x->m->contest_count; c++)
        s[c] = (struct selection){x->m->contest[c].id, 1, choice};
    for (size_t i = 0; i < BALLOTS; i++)
        CHECK(ballot_make(maker, &x->ballot[i], NULL, 1, "all", s, x->m->contest_count, NULL, NULL));
    ballot_maker_free(maker);
    make_hints(x);
}

/* The best of some batches: other programs may be running. */
static double verify(struct election *x, enum p256_path path, int hinted)
{
    struct ballot_batch *b;
    struct tallies *t;
    double best = 0;
    CHECK(tallies_new(&t, &x->ctx, 1));
    CHECK(ballot_batch_new_on(path, &b, x->layout, &x->ctx, BALLOT_BATCH_POINTS, 1));
    for (int round = 0; round < 4; round++) {
        double start = cpu();
        ballot_batch_clear(b);
        for (size_t i = 0; ballot_batch_has_room(b, x->ballot[i % BALLOTS].len); i++)
            CHECK(ballot_batch_put_hinted(b, x->ballot[i % BALLOTS].data, x->ballot[i % BALLOTS].len,
                                          x->hints[i % BALLOTS], hinted ? 32 * x->points : 0, i));
        CHECK(ballot_batch_run(b));
        CHECK(ballot_batch_sum(b, 0, ballot_batch_count(b), t));
        double rate = (double)ballot_batch_count(b) / (cpu() - start);
        best = rate > best ? rate : best;
        for (size_t i = 0; i < ballot_batch_count(b); i++)
            CHECK(ballot_batch_item(b, i)->err);
    }
    ballot_batch_free(b);
    tallies_free(t);
    return best;
}

/* Each proof by itself, on OpenSSL alone. */
static double one_by_one(struct election *x, struct group *g)
{
    size_t done = 0;
    double start = cpu();
    for (; done < 4 || cpu() - start < 0.3; done++) {
        struct ballot *b;
        scalar_t minus;
        point_t t;
        CHECK(ballot_parse_var(&b, &x->ctx, x->ballot[done % BALLOTS].data, x->ballot[done % BALLOTS].len,
                               NULL));
        for (size_t i = 0; i < b->vote_count; i++) {
            const struct ballot_vote *v = &b->vote[i];
            struct elgamal sum;
            for (size_t k = 0; k < v->cipher_count; k++)
                CHECK(zero_one_verify(g, &x->r.Y, &v->ct[k], &v->proof[k], &b->c));
            p256_compress(&sum.A, &v->sum_a.A);
            p256_compress(&sum.B, &v->sum_a.B);
            CHECK(zero_one_verify(g, &x->r.Y, &sum, &v->sum_zero_one, &b->c));
        }
        scalar_neg(&minus, &b->c);
        CHECK(point_mul2(g, &t, &b->id_response, &minus, &b->pk));
        CHECK(point_equal(&t, &b->id_commitment) ? OK : ERR_PROOF);
        ballot_free(b);
    }
    return (double)done / (cpu() - start);
}

static void bench(const char *name, struct group *g, size_t contests, size_t options)
{
    static const char *const path_name[] = {[P256_PORTABLE] = "portable", [P256_IFMA] = "ifma"};
    struct election *x = calloc(1, sizeof *x);
    char line[128];
    double best = 0;
    make_context(x, g, contests, options);
    make_ballots(x);
    snprintf(line, sizeof line, "verify/%s-size", name);
    figure(line, (double)x->ballot[0].len, "bytes", 1);
    for (enum p256_path path = P256_PORTABLE; path <= P256_IFMA; path++) {
        if (!p256_path_available(path))
            continue;
        for (int hinted = 0; hinted < 2; hinted++) {
            double rate = verify(x, path, hinted);
            snprintf(line, sizeof line, "verify/%s-%s%s", name, path_name[path], hinted ? "-hinted" : "");
            figure(line, rate, "ballots/s", 1);
            best = hinted ? best : rate;
        }
    }
    double openssl = one_by_one(x, g);
    snprintf(line, sizeof line, "verify/%s-openssl-one-by-one", name);
    figure(line, openssl, "ballots/s", 1);
    snprintf(line, sizeof line, "verify/%s-times-openssl", name);
    figure(line, best / openssl, "x", 1);
    for (size_t i = 0; i < BALLOTS; i++) {
        cbor_out_free(&x->ballot[i]);
        free(x->hints[i]);
    }
    ballot_layout_free(x->layout);
    places_free(x->places);
    manifest_free(x->m);
    free(x);
}

/* 64 bytes: ours, and OpenSSL with the digest fetched once, and fetched each time. */
static void bench_hash(void)
{
    enum { ROUNDS = 500000 };
    hash_t h = {{0}};
    uint8_t data[64] = {0};
    EVP_MD *md = EVP_MD_fetch(NULL, "SHA256", NULL);
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    double start = cpu();
    for (int i = 0; i < ROUNDS; i++) {
        hash_one(&h, data, sizeof data);
        data[0] = h.b[0];
    }
    figure("hash/64-bytes", (cpu() - start) * 1e9 / ROUNDS, "ns", 1);
    start = cpu();
    for (int i = 0; i < ROUNDS; i++) {
        if (EVP_DigestInit_ex2(c, md, NULL) != 1 || EVP_DigestUpdate(c, data, sizeof data) != 1 ||
            EVP_DigestFinal_ex(c, h.b, NULL) != 1)
            CHECK(ERR_BUG);
        data[0] = h.b[0];
    }
    figure("hash/64-bytes-evp-fetched", (cpu() - start) * 1e9 / ROUNDS, "ns", 1);
    start = cpu();
    for (int i = 0; i < ROUNDS / 5; i++) {
        if (EVP_Digest(data, sizeof data, h.b, NULL, EVP_sha256(), NULL) != 1)
            CHECK(ERR_BUG);
        data[0] = h.b[0];
    }
    figure("hash/64-bytes-evp-one-shot", (cpu() - start) * 1e9 / (ROUNDS / 5.0), "ns", 1);
    struct merkle m;
    merkle_init(&m);
    start = cpu();
    for (int i = 0; i < ROUNDS; i++)
        merkle_add(&m, &h);
    figure("hash/merkle-add", (cpu() - start) * 1e9 / ROUNDS, "ns", 1);
    EVP_MD_CTX_free(c);
    EVP_MD_free(md);
}

int main(void)
{
    struct group *g;
    CHECK(secret_init());
    omp_set_num_threads(1);
    CHECK(group_new(&g));
    bench_hash();
    bench("4-options", g, 1, 4);
    bench("60-options", g, 12, 5);
    group_free(g);
    return 0;
}
