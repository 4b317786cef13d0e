/* 10,000 ciphertexts, as 2,500 sums of four options: one trustee's partial decryption with proofs, its
 * verification, and the combination of five. */
#include <omp.h>
#include <string.h>

#include "ceremony/base/secret.h"
#include "ceremony/partial.h"
#include "tests/bench/bench.h"

#define TARGETS 2500
#define OPTIONS 4
#define T 5
#define N 9

static err_t fresh(void *ctx, uint8_t out[32], struct fault *f)
{
    (void)ctx;
    (void)f;
    random_bytes(out, 32);
    return OK;
}

/* A record whose shares are on a known polynomial. */
static void make_record(struct group *g, struct record *r, scalar_t share[N])
{
    scalar_t a[T];
    for (int k = 0; k < T; k++)
        scalar_random(&a[k]);
    CHECK(point_mul_base(g, &r->Y, &a[0]));
    r->n = N;
    r->t = T;
    r->holders = (1 << N) - 1;
    random_bytes(&r->election, sizeof r->election);
    random_bytes(&r->id, sizeof r->id);
    for (uint32_t j = 1; j <= N; j++) {
        scalar_t x;
        scalar_set(&x, j);
        share[j - 1] = a[T - 1];
        for (int k = T - 1; k-- > 0;) {
            scalar_mul(&share[j - 1], &share[j - 1], &x);
            scalar_add(&share[j - 1], &share[j - 1], &a[k]);
        }
        CHECK(point_mul_base(g, &r->seat[j - 1].S, &share[j - 1]));
        r->seat[j - 1].identity = r->seat[j - 1].S;
    }
}

static void make_targets(struct group *g, const struct record *r, struct target *x, point_t *A, point_t *B)
{
    for (size_t i = 0; i < TARGETS; i++) {
        x[i] = (struct target){.ballots = 5000, .count = OPTIONS, .A = A + OPTIONS * i, .B = B + OPTIONS * i};
        snprintf(x[i].place, sizeof x[i].place, "place-%zu", i);
        snprintf(x[i].contest, sizeof x[i].contest, "contest");
        for (size_t o = 0; o < OPTIONS; o++) {
            scalar_t k, v;
            scalar_random(&k);
            scalar_set(&v, i);
            CHECK(point_mul_base(g, &x[i].A[o], &k));
            CHECK(point_mul2(g, &x[i].B[o], &v, &k, &r->Y));
        }
    }
}

int main(void)
{
    static struct record r;
    static struct target x[TARGETS];
    static point_t A[TARGETS * OPTIONS], B[TARGETS * OPTIONS];
    static uint64_t limit[TARGETS], *count[TARGETS];
    scalar_t share[N];
    hash_t plan;
    struct group *g;
    struct partial *p[T];
    CHECK(secret_init());
    omp_set_num_threads(1);
    CHECK(group_new(&g));
    random_bytes(&plan, sizeof plan);
    make_record(g, &r, share);
    make_targets(g, &r, x, A, B);
    for (uint32_t k = 0; k < T; k++) {
        struct cbor_out st = CBOR_OUT_INIT, ev = CBOR_OUT_INIT;
        double start = cpu();
        CHECK(partial_make(&st, &ev, g, &r, k + 1, &plan, x, TARGETS, &share[k], fresh, NULL, NULL));
        if (k == 0) {
            figure("partial/make-10000", cpu() - start, "s", 1);
            figure("partial/size-10000", (double)(st.len + ev.len), "bytes", 1);
        }
        struct entry e = {.kind = ENTRY_PARTIAL,
                          .author = r.seat[k].identity,
                          .subject = plan,
                          .statement = st.data,
                          .statement_len = st.len,
                          .evidence = ev.data,
                          .evidence_len = ev.len};
        CHECK(partial_parse(&p[k], &e, &r, &plan, x, TARGETS, NULL));
        start = cpu();
        CHECK(partial_verify_var(p[k], &r, x, TARGETS, NULL));
        if (k == 0)
            figure("partial/verify-10000", cpu() - start, "s", 1);
        cbor_out_free(&st);
        cbor_out_free(&ev);
    }
    for (size_t i = 0; i < TARGETS; i++) {
        limit[i] = 5000;
        count[i] = calloc(OPTIONS, sizeof *count[i]);
    }
    double start = cpu();
    CHECK(partial_combine_var(count, (const struct partial *const *)p, &r, x, TARGETS, limit, NULL));
    figure("partial/combine-5-of-10000", cpu() - start, "s", 1);
    for (size_t i = 0; i < TARGETS; i++) {
        if (count[i][0] != i)
            CHECK(ERR_SUM);
        free(count[i]);
    }
    for (uint32_t k = 0; k < T; k++)
        partial_free(p[k]);
    group_free(g);
    return 0;
}
