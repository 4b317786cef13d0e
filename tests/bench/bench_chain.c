/* Figures of a chain's node, "name value unit" lines. Usage: bench_chain [BALLOTS], 8,000 if not said.
 *   mmr/...        leaves appended; durable: written and synced every 8,192 leaves
 *   nullifier/...  is this id new? against 2^20 ids in the table
 *   node/...       ballots of one contest of four options, in envelopes: one shard's process takes them with
 *                  256 on the way all the time, which keeps its core busy. Latency: from handing an
 *                  envelope to the front to its answer, when the ballot is on disk. Per core: by CPU time
 *                  of the shard. */
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "ceremony/base/file.h"
#include "ceremony/base/secret.h"
#include "tally/chain_front.h"
#include "tally/chain_seen.h"
#include "tally/mmr.h"
#include "tests/bench/bench.h"

#define IN_FLIGHT 128
#define IDS ((size_t)1 << 20)

static char dir[64];

static const char *path_of(const char *name)
{
    static char path[4][128];
    static unsigned turn;
    char *p = path[turn++ % 4];
    snprintf(p, sizeof path[0], "%s/%s", dir, name);
    return p;
}

/* --- trees --- */

static void bench_mmr(void)
{
    enum { LEAVES = 1 << 21, SYNC = 8192 };
    struct mmr *m;
    struct fault f;
    hash_t *leaf = malloc(SYNC * sizeof *leaf);
    random_bytes(leaf, SYNC * sizeof *leaf);
    CHECK(mmr_open(&m, NULL, 0, NULL, &f));
    double start = cpu();
    for (size_t i = 0; i < LEAVES; i += SYNC)
        CHECK(mmr_add_many(m, leaf, SYNC));
    figure("mmr/append-memory", LEAVES / (cpu() - start), "leaves/s", 1);
    mmr_free(m);
    CHECK(mmr_open(&m, path_of("mmr"), 0, NULL, &f));
    double start_wall = wall();
    start = cpu();
    for (size_t i = 0; i < LEAVES; i += SYNC) {
        CHECK(mmr_add_many(m, leaf, SYNC));
        CHECK(mmr_sync(m, &f));
    }
    figure("mmr/append-durable", LEAVES / (wall() - start_wall), "leaves/s", 1);
    figure("mmr/append-durable-cpu", LEAVES / (cpu() - start), "leaves/s", 1);
    hash_t path[MMR_PATH_MAX];
    size_t count;
    start = cpu();
    for (uint64_t i = 0; i < 10000; i++)
        CHECK(mmr_inclusion(m, path, &count, i * 199 % LEAVES, LEAVES, &f));
    figure("mmr/inclusion-proof", 10000 / (cpu() - start), "proofs/s", 1);
    mmr_free(m);
    free(leaf);
}

static void bench_nullifiers(void)
{
    struct chain_seen *s;
    struct fault f;
    hash_t *id = malloc(2 * IDS * sizeof *id);
    uint64_t index, found = 0;
    random_bytes(id, 2 * IDS * sizeof *id);
    CHECK(file_mkdir(path_of("seen"), &f));
    CHECK(chain_seen_open(&s, path_of("seen"), 0, 1, &f));
    for (size_t i = 0; i < IDS; i += 8192) {
        CHECK(chain_seen_append(s, id + i, 8192, &f));
        CHECK(chain_seen_sync(s, &f));
        CHECK(chain_seen_commit(s, &f));
    }
    double start = cpu();
    for (size_t i = IDS; i < 2 * IDS; i++) {
        CHECK(chain_seen_find(s, &id[i], &index, &f));
        found += index != CHAIN_SEEN_NONE;
    }
    figure("nullifier/new", (double)IDS / (cpu() - start), "checks/s", 1);
    start = cpu();
    for (size_t i = 0; i < IDS; i++) {
        CHECK(chain_seen_find(s, &id[i], &index, &f));
        found += index == i;
    }
    figure("nullifier/known", (double)IDS / (cpu() - start), "checks/s", 1);
    if (found != IDS)
        CHECK(ERR_MISMATCH);
    chain_seen_free(s);
    free(id);
}

/* --- a node --- */

struct election {
    struct manifest *m;
    struct places *places;
    struct record r;
    struct election_context ctx;
    struct signkey *chain, *envelope;
};

static struct signkey *key_make(const char *name, char hex[67])
{
    struct signkey *k;
    struct fault f;
    pubkey_t key;
    CHECK(signkey_new(&key, path_of(name), SIGNKEY_REHEARSAL, "", 0, &f));
    CHECK(signkey_open(&k, path_of(name), "", 0, &f));
    hex_put(hex, key.b, POINT_LEN);
    return k;
}

static void election_make(struct election *e)
{
    static const char rows[] =
        "place,level,parent,title,styles,group,key\nall,nation,,All,,,\np,precinct,all,P,s,,\n";
    char text[4096], key[67], envelope[67], validator[67], hash[65];
    struct fault f;
    struct group *g;
    scalar_t secret;
    hash_t h;
    memset(e, 0, sizeof *e);
    e->chain = key_make("chain", key);
    e->envelope = key_make("envelope", envelope);
    signkey_close(key_make("validator", validator));
    hash_one(&h, rows, sizeof rows - 1);
    hex_put(hash, h.b, HASH_LEN);
    snprintf(
        text, sizeof text,
        "{\"conclave\":1,\"scheme\":\"p256-elgamal\",\"kind\":\"ballots\",\"title\":\"B\",\"date\":\"2028-11-"
        "07\","
        "\"trustees\":{\"n\":3,\"t\":2},\"levels\":[\"nation\",\"precinct\"],\"jurisdictions\":{\"file\":\"j."
        "csv\","
        "\"sha256\":\"%s\"},\"contests\":[{\"id\":\"c\",\"title\":\"C\",\"limit\":1,\"options\":["
        "{\"id\":\"a\",\"title\":\"A\"},{\"id\":\"b\",\"title\":\"B\"},{\"id\":\"d\",\"title\":\"D\"},"
        "{\"id\":\"e\",\"title\":\"E\"}]}],\"styles\":[{\"id\":\"s\",\"contests\":[\"c\"]}],"
        "\"decryption\":{\"levels\":[\"nation\"],\"minimum\":5},\"duplicate_ballots\":\"first\",\"chains\":[{"
        "\"id\":\"home\",\"title\":\"Home\",\"places\":[\"p\"],\"key\":\"%s\",\"envelope\":\"%s\","
        "\"validators\":"
        "[\"%s\"],\"quorum\":1}]}",
        hash, key, envelope, validator);
    CHECK(manifest_parse(&e->m, (const uint8_t *)text, strlen(text), &f));
    CHECK(places_parse(&e->places, e->m, (const uint8_t *)rows, sizeof rows - 1, &f));
    CHECK(group_new(&g));
    scalar_random(&secret);
    e->r.election = e->m->election;
    random_bytes(e->r.id.b, HASH_LEN);
    e->r.scheme = SCHEME_P256_ELGAMAL;
    CHECK(point_mul_base(g, &e->r.Y, &secret));
    group_free(g);
    e->ctx = (struct election_context){e->m, e->places, &e->r};
}

struct load {
    struct cbor_out *item; /* envelopes as they are written */
    size_t count, accepted;
    double *sent, *took;
    int pipe[2];
    atomic_size_t answered;
};

static void envelopes_make(struct load *l, const struct election *e)
{
    static const char *const options[] = {"a"};
    const struct selection sel = {"c", 1, options};
    struct chain_context ctx;
    struct ballot_maker *mk;
    struct group *g;
    struct fault f;
    chain_context_init(&ctx, &e->ctx, 0);
    CHECK(ballot_maker_new(&mk, &e->ctx));
    CHECK(group_new(&g));
    for (size_t i = 0; i < l->count; i++) {
        struct cbor_out ballot = CBOR_OUT_INIT, envelope = CBOR_OUT_INIT;
        struct ballot_info info;
        CHECK(ballot_make(mk, &ballot, &info, 1, "s", &sel, 1, NULL, &f));
        CHECK(chain_envelope_make(&envelope, &ctx, g, &info.id, ballot.data, ballot.len));
        cbor_put_bytes(&l->item[i], envelope.data, envelope.len);
        cbor_out_free(&ballot);
        cbor_out_free(&envelope);
    }
    ballot_maker_free(mk);
    group_free(g);
}

static void on_verdict(void *ctx, uint64_t number, const hash_t *id, err_t err, int again)
{
    struct load *l = ctx;
    (void)id;
    l->took[number - 1] = wall() - l->sent[number - 1];
    l->accepted += err == OK && !again;
    atomic_fetch_add(&l->answered, 1);
}

static err_t on_flush(void *ctx, struct fault *f)
{
    (void)ctx;
    (void)f;
    return OK;
}

/* Never more than IN_FLIGHT without an answer. */
static void *write_all(void *ctx)
{
    struct load *l = ctx;
    for (size_t i = 0; i < l->count; i++) {
        while (i - atomic_load(&l->answered) >= IN_FLIGHT)
            usleep(200);
        l->sent[i] = wall();
        if (write(l->pipe[1], l->item[i].data, l->item[i].len) != (ssize_t)l->item[i].len)
            CHECK(ERR_IO);
    }
    close(l->pipe[1]);
    return NULL;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void run_node(struct load *l, const struct election *e)
{
    static const struct chain_settings settings = {1000, 5, 1};
    struct chain_dir d;
    struct chain_front *fr;
    struct fault f;
    struct rusage u;
    pthread_t writer;
    CHECK(chain_dir_create(path_of("node"), &e->ctx, "home", &settings, 0, &f));
    CHECK(chain_dir_open(&d, path_of("node"), &e->ctx, 1, &f));
    const struct chain_front_job job = {&d, e->chain, e->envelope, NULL, l, on_verdict, on_flush};
    CHECK(chain_front_new(&fr, &job, &f));
    double start = wall();
    if (pipe(l->pipe) != 0 || pthread_create(&writer, NULL, write_all, l) != 0)
        CHECK(ERR_IO);
    CHECK(chain_front_take(fr, l->pipe[0], "pipe", &f));
    pthread_join(writer, NULL);
    double took = wall() - start;
    CHECK(chain_front_finish(fr, &f));
    chain_front_free(fr);
    chain_dir_close(&d);
    getrusage(RUSAGE_CHILDREN, &u);
    double used = (double)u.ru_utime.tv_sec + (double)u.ru_stime.tv_sec +
                  (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
    if (l->accepted != l->count)
        CHECK(ERR_MISMATCH);
    qsort(l->took, l->count, sizeof *l->took, by_size);
    figure("node/ballots", (double)l->count / took, "ballots/s", 1);
    figure("node/ballots-per-core", (double)l->count / used, "ballots/s", 1);
    figure("node/latency-p50", l->took[l->count / 2] * 1e3, "ms", 1);
    figure("node/latency-p99", l->took[l->count * 99 / 100] * 1e3, "ms", 1);
    figure("node/latency-max", l->took[l->count - 1] * 1e3, "ms", 1);
    figure("node/memory", (double)u.ru_maxrss / 1024, "MB", 1);
}

static void bench_node(size_t ballots)
{
    struct election e;
    struct load l = {.count = ballots};
    l.item = calloc(ballots, sizeof *l.item);
    l.sent = calloc(ballots, sizeof *l.sent);
    l.took = calloc(ballots, sizeof *l.took);
    election_make(&e);
    envelopes_make(&l, &e);
    run_node(&l, &e);
    for (size_t i = 0; i < ballots; i++)
        cbor_out_free(&l.item[i]);
    free(l.item);
    free(l.sent);
    free(l.took);
    signkey_close(e.chain);
    signkey_close(e.envelope);
    places_free(e.places);
    manifest_free(e.m);
}

int main(int argc, char **argv)
{
    char remove[96];
    size_t ballots = argc > 1 ? strtoul(argv[1], NULL, 10) : 8000;
    CHECK(secret_init());
    snprintf(dir, sizeof dir, "%s/conclave-bench-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    if (!mkdtemp(dir))
        CHECK(ERR_IO);
    bench_node(ballots); /* first: what a process takes over when it is forked is small */
    bench_mmr();
    bench_nullifiers();
    snprintf(remove, sizeof remove, "rm -rf '%s'", dir);
    return system(remove) == 0 ? 0 : 1;
}
