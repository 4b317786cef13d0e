/* Figures of verifying a chain export, "name value unit" lines. Usage: bench_chain_verify [BALLOTS], 10,000
 * if not said. Ballots of two contests with six options in all, in blocks of 100, with hints. A tenth of them
 * is verified first, so that one sees that memory does not follow. By CPU time; each run is a process of its
 * own, whose peak memory is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tally/chain_verify.h"
#include "tests/bench/bench.h"
#include "tests/support/ballots.h"
#include "tests/support/chain_maker.h"

#define BLOCK 100

static struct fixture *x;
static struct chain_context ctx;
static char path[128];

static void make(size_t ballots)
{
    struct chain_maker mk;
    chain_maker_init(&mk, &ctx, signkey_signer(x->chain));
    for (size_t i = 0; i < 2; i++)
        mk.validator[i] = signkey_signer(x->validator[i]);
    for (size_t i = 0; i < 8; i++) {
        const char name[] = {"01"[i >> 2 & 1], "01"[i >> 1 & 1], "01"[i & 1], '\0'};
        chain_maker_shard(&mk, name, CHAIN_CLOSED);
    }
    for (size_t i = 0; i < ballots; i++) {
        struct cbor_out o = CBOR_OUT_INIT;
        fixture_ballot(x, &o, NULL, x->e2, "rural", i % 3 ? "mayor=a school=yes" : "mayor=c");
        chain_maker_put(&mk, o.data, o.len);
        cbor_out_free(&o);
    }
    for (size_t i = 0; i < 8; i++) { /* no more blocks than the maker has */
        size_t n = mk.shard[i].count,
               per = n / (CHAIN_MAKER_BLOCKS - 1) > BLOCK ? n / (CHAIN_MAKER_BLOCKS - 1) + 1 : BLOCK;
        chain_maker_cut_blocks(&mk, i, per);
    }
    chain_maker_write(&mk, path);
    chain_maker_free(&mk);
}

static void verify(size_t ballots, int quick)
{
    struct chain_report *r;
    struct rusage u;
    struct fault f;
    char name[64];
    double start = cpu();
    CHECK(chain_verify(&r, &ctx, path, &(struct chain_verify_options){.quick = quick, .threads = 1}, &f));
    double took = cpu() - start;
    if (chain_report_verdict(r) != (quick ? VERIFY_NOT_CHECKED : VERIFY_PASS) ||
        r->proved != (quick ? 0 : ballots))
        exit(1);
    getrusage(RUSAGE_SELF, &u);
    if (quick) {
        snprintf(name, sizeof name, "chain/quick-%zu", ballots);
        figure(name, took * 1e3, "ms", 1);
    } else {
        snprintf(name, sizeof name, "chain/verify-%zu", ballots);
        figure(name, (double)ballots / took, "ballots/s", 1);
        snprintf(name, sizeof name, "chain/verify-%zu-memory", ballots);
        figure(name, (double)u.ru_maxrss / 1024, "MB", 1);
    }
    chain_report_free(r);
}

static void apart(void (*fn)(size_t ballots, int quick), size_t ballots, int quick)
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        if (fn != NULL)
            fn(ballots, quick);
        else
            make(ballots);
        _exit(0);
    }
    if (child < 0 || waitpid(child, &status, 0) != child || status != 0)
        exit(1);
}

int main(int argc, char **argv)
{
    size_t ballots = argc > 1 ? strtoul(argv[1], NULL, 10) : 10000;
    if (ballots < 100 || ballots > 3000000)
        return 2;
    x = fixture_chain_new();
    chain_context_init(&ctx, &x->ctx, 0);
    snprintf(path, sizeof path, "%s/chain", x->dir);
    for (size_t n = ballots / 10; n <= ballots; n = n < ballots ? ballots : n + 1) {
        apart(NULL, n, 0);
        apart(verify, n, 1);
        apart(verify, n, 0);
    }
    fixture_free(x);
    return 0;
}
