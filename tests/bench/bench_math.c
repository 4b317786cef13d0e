/* Figures of ceremony/math: one line each, "name value unit". Built like a test, run by hand or make bench.
 * One thread; CPU time. OpenSSL's own figures stand beside ours as peers. */
#include <openssl/ec.h>
#include <openssl/obj_mac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ceremony/base/secret.h"
#include "ceremony/math/elgamal.h"
#include "ceremony/math/p256_path.h"
#include "tests/bench/bench.h"

#define POINTS 65536
#define PROOFS 1000

static double now_us(void)
{
    return cpu() * 1e6;
}

static void *many(size_t count, size_t size)
{
    void *p = calloc(count, size);
    if (p == NULL)
        CHECK(ERR_MEMORY);
    return p;
}

static struct p256_affine *make_points(size_t count)
{
    struct p256_affine *p = many(count, sizeof *p), g;
    struct p256_jacobian *j = many(count, sizeof *j);
    p256_generator(&g);
    p256_from_affine(&j[0], &g);
    for (size_t i = 1; i < count; i++)
        p256_add_affine_var(&j[i], &j[i - 1], &g);
    CHECK(p256_to_affine_many_var(p, j, count));
    free(j);
    return p;
}

static const struct {
    enum p256_path path;
    const char *name;
} paths[] = {{P256_PORTABLE, "portable"}, {P256_IFMA, "ifma"}};
#define PATHS (sizeof paths / sizeof paths[0])

/* The least of several runs, since other programs only ever make it more. */
static void least(double *best, double since)
{
    double t = now_us() - since;
    if (*best == 0 || t < *best)
        *best = t;
}

static void per_point(const char *what, const char *path, double us, double openssl)
{
    char name[96];
    snprintf(name, sizeof name, "%s_%s_per_point", what, path);
    figure(name, us, "us", 1);
    snprintf(name, sizeof name, "%s_%s_to_openssl", what, path);
    figure(name, us / openssl, "ratio", 1);
}

static void bench_msm_bits(const struct p256_affine *p, const scalar_t *k, unsigned bits, double openssl)
{
    static const size_t counts[] = {16, 256, 1024, 4096, 16384, POINTS};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++)
        for (size_t j = 0; j < PATHS; j++) {
            char name[64];
            struct p256_jacobian r;
            double best = 0;
            if (!p256_path_available(paths[j].path))
                continue;
            for (size_t n = counts[i] < 10000 ? 20 : 6; n-- > 0;) {
                double t = now_us();
                CHECK(p256_msm_on_var(paths[j].path, &r, k, p, counts[i], bits));
                least(&best, t);
            }
            snprintf(name, sizeof name, "msm_%zu_points_%u_bits", counts[i], bits);
            per_point(name, paths[j].name, best / (double)counts[i], openssl);
        }
}

static void bench_msm(const struct p256_affine *p, double openssl)
{
    scalar_t *k = many(POINTS, sizeof *k);
    for (size_t i = 0; i < POINTS; i++)
        scalar_random(&k[i]);
    bench_msm_bits(p, k, 256, openssl);
    for (size_t i = 0; i < POINTS; i++)
        memset(k[i].b, 0, 16);
    bench_msm_bits(p, k, 128, openssl);
    free(k);
}

#define COMPRESSED 2048

static double openssl_decompress(const point_t *c)
{
    EC_GROUP *curve = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
    EC_POINT *q = EC_POINT_new(curve);
    BN_CTX *ctx = BN_CTX_new();
    double best = 0;
    for (int n = 0; n < 5; n++) {
        double t = now_us();
        for (size_t i = 0; i < COMPRESSED; i++)
            if (EC_POINT_oct2point(curve, q, c[i].b, sizeof c[i].b, ctx) != 1)
                CHECK(ERR_POINT);
        least(&best, t);
    }
    BN_CTX_free(ctx);
    EC_POINT_free(q);
    EC_GROUP_free(curve);
    figure("openssl_decompress_per_point", best / COMPRESSED, "us", 1);
    return best / COMPRESSED;
}

static void bench_decompress(struct group *g, const struct p256_affine *p)
{
    point_t *c = many(COMPRESSED, sizeof *c);
    uint8_t(*y)[32] = many(COMPRESSED, sizeof *y), full[65];
    struct p256_affine *a = many(COMPRESSED, sizeof *a);
    double best = 0;
    size_t bad;
    for (size_t i = 0; i < COMPRESSED; i++) {
        p256_compress(&c[i], &p[i]);
        CHECK(point_uncompress(g, full, &c[i]));
        memcpy(y[i], full + 33, sizeof y[i]);
    }
    double openssl = openssl_decompress(c);
    for (int n = 0; n < 5; n++) {
        double t = now_us();
        for (size_t i = 0; i < COMPRESSED; i++)
            CHECK(p256_decompress_var(&a[i], &c[i]));
        least(&best, t);
    }
    per_point("decompress", "one_by_one", best / COMPRESSED, openssl);
    for (size_t j = 0; j < PATHS; j++) {
        double lift = 0;
        best = 0;
        for (int n = 0; n < 15 && p256_path_available(paths[j].path); n++) {
            double t = now_us();
            CHECK(p256_decompress_many_on_var(paths[j].path, a, c, COMPRESSED, &bad));
            least(&best, t);
            t = now_us();
            CHECK(p256_lift_many_on_var(paths[j].path, a, c, (const uint8_t(*)[32])y, COMPRESSED, &bad));
            least(&lift, t);
        }
        if (best == 0)
            continue;
        per_point("decompress", paths[j].name, best / COMPRESSED, openssl);
        per_point("lift", paths[j].name, lift / COMPRESSED, openssl);
    }
    free(c);
    free(y);
    free(a);
}

/* Microseconds for a multiple of any point. */
static double bench_openssl_mul(void)
{
    EC_GROUP *curve = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
    EC_POINT *q = EC_POINT_new(curve), *r = EC_POINT_new(curve);
    BN_CTX *ctx = BN_CTX_new();
    BIGNUM *k = BN_new();
    double base = 0, any = 0;
    for (int i = 0; i < 500; i++) {
        scalar_t s;
        scalar_random(&s);
        if (BN_bin2bn(s.b, SCALAR_LEN, k) == NULL)
            CHECK(ERR_MEMORY);
        double t = now_us();
        if (EC_POINT_mul(curve, q, k, NULL, NULL, ctx) != 1)
            CHECK(ERR_MEMORY);
        base += now_us() - t;
        t = now_us();
        if (EC_POINT_mul(curve, r, NULL, q, k, ctx) != 1)
            CHECK(ERR_MEMORY);
        any += now_us() - t;
    }
    figure("openssl_mul_generator", base / 500, "us", 1);
    figure("openssl_mul_point", any / 500, "us", 1);
    BN_free(k);
    BN_CTX_free(ctx);
    EC_POINT_free(r);
    EC_POINT_free(q);
    EC_GROUP_free(curve);
    return any / 500;
}

struct item {
    struct elgamal ct;
    struct zero_one p;
    scalar_t r, c;
};

static void bench_prove(struct group *g, const point_t *Y, struct item *item)
{
    struct elgamal_key *k;
    struct zero_one_state st;
    CHECK(elgamal_key_new(&k, g, Y));
    double t = now_us();
    for (size_t i = 0; i < PROOFS; i++) {
        scalar_random(&item[i].r);
        CHECK(elgamal_encrypt(k, &item[i].ct, i % 2, &item[i].r));
    }
    figure("elgamal_encrypt", (now_us() - t) / PROOFS, "us", 1);
    t = now_us();
    for (size_t i = 0; i < PROOFS; i++) {
        CHECK(zero_one_commit(k, &item[i].p, &st, i % 2, &item[i].r, &item[i].ct));
        scalar_random(&item[i].c);
        zero_one_respond(&item[i].p, &st, &item[i].c);
    }
    figure("zero_one_prove", (now_us() - t) / PROOFS, "us", 1);
    elgamal_key_free(k);
}

/* As a verifier does it: decompression of all six points is part of the price. */
static void add_item(struct batch *b, const struct item *item)
{
    struct elgamal_affine ct;
    struct zero_one_affine pa;
    CHECK(p256_decompress_var(&ct.A, &item->ct.A));
    CHECK(p256_decompress_var(&ct.B, &item->ct.B));
    CHECK(p256_decompress_var(&pa.a0, &item->p.a0));
    CHECK(p256_decompress_var(&pa.b0, &item->p.b0));
    CHECK(p256_decompress_var(&pa.a1, &item->p.a1));
    CHECK(p256_decompress_var(&pa.b1, &item->p.b1));
    CHECK(batch_zero_one(b, &ct, &pa, &item->p, &item->c));
}

static void bench_verify(struct group *g, const point_t *Y, const struct item *item)
{
    static const size_t sizes[] = {1, 100, PROOFS};
    struct batch *b;
    double t = now_us();
    for (size_t i = 0; i < 50; i++)
        CHECK(zero_one_verify(g, Y, &item[i].ct, &item[i].p, &item[i].c));
    figure("zero_one_verify_single", (now_us() - t) / 50, "us", 1);
    CHECK(batch_new(&b, Y));
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        char name[64];
        size_t rounds = PROOFS / sizes[s] < 50 ? PROOFS / sizes[s] : 50;
        t = now_us();
        for (size_t n = 0; n < rounds; n++) {
            batch_reset(b);
            for (size_t i = 0; i < sizes[s]; i++)
                add_item(b, &item[n * sizes[s] + i]);
            CHECK(batch_check(b));
        }
        snprintf(name, sizeof name, "zero_one_verify_batch_of_%zu_per_proof", sizes[s]);
        figure(name, (now_us() - t) / (double)(rounds * sizes[s]), "us", 1);
    }
    batch_free(b);
}

static void bench_dlog(void)
{
    struct dlog *d;
    struct p256_jacobian m;
    struct p256_affine g;
    scalar_t k;
    uint64_t v;
    double t = now_us();
    CHECK(dlog_new(&d, 100000000));
    figure("dlog_table_1e8", (now_us() - t) / 1e3, "ms", 1);
    p256_generator(&g);
    scalar_set(&k, 99999999);
    CHECK(p256_mul_var(&m, &k, &g));
    t = now_us();
    CHECK(dlog_find_var(d, &v, &m, 100000000));
    figure("dlog_find_1e8_worst", (now_us() - t) / 1e3, "ms", 1);
    dlog_free(d);
}

int main(void)
{
    struct group *g;
    scalar_t y;
    point_t Y;
    CHECK(secret_init());
    CHECK(group_new(&g));
    scalar_random(&y);
    CHECK(point_mul_base(g, &Y, &y));
    struct p256_affine *p = make_points(POINTS);
    struct item *item = many(PROOFS, sizeof *item);
    bench_msm(p, bench_openssl_mul());
    bench_decompress(g, p);
    bench_prove(g, &Y, item);
    bench_verify(g, &Y, item);
    bench_dlog();
    free(item);
    free(p);
    group_free(g);
    return 0;
}
