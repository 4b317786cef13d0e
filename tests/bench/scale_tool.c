/* What tests/bench/scale.sh measures with: elections of any size with ballots of tests/bench/pool.h, and the
 * cost of a command.
 *
 *   scale_tool make DIR CHAIN PRECINCTS EACH THREADS
 *       an election in DIR: a voting chain of CHAIN ballots (0: none) in eight shards and a hundred
 *       places, and PRECINCTS exports of one to EACH ballots. Prints "made", waits for a line (meanwhile somebody
 *       aggregates), then plans and decrypts, and prints "decrypted"
 *   scale_tool run NAME BALLOTS BYTES COMMAND...
 *       prints NAME, ballots, seconds of the clock, of the processor (user, system), peak memory in MB,
 *       bytes */
#include <omp.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ceremony/base/file.h"
#include "tally/chain_segment.h"
#include "tally/export_form.h"
#include "tally/signkey.h"
#include "tests/bench/bench.h"
#include "tests/bench/pool.h"
#include "tests/support/unit.h"
#include "tests/support/whole.h"

#define SHARD_BITS 3
#define SHARDS 8
#define BLOCK 1000
#define SEGMENT (BLOCK * CHAIN_SEGMENT_BLOCKS)
#define PLACES 100 /* of the chain; and precincts of a county */
#define OPTIONS 4
#define EACH_MAX 1000 /* ballots of a precinct */
#define TIME 500000

#define GOOD(call)                                                                                           \
    do {                                                                                                     \
        fault_clear(&fault);                                                                                 \
        err_t e_ = (call);                                                                                   \
        if (e_ != OK)                                                                                        \
            fail_msg("%s: %s %s", #call, err_name(e_), fault.detail);                                        \
    } while (0)

struct item { /* one ballot */
    uint8_t *bytes;
    hash_t id;
    uint32_t place;
    struct p256_affine cipher[2 * OPTIONS];
};

struct shard {
    struct chain_shard_name name;
    struct item *item; /* SEGMENT of them */
    size_t count;      /* at hand */
    uint64_t segments;
    struct merkle leaves, ids;
    struct chain_sums *sums;
    struct chain_header last;
    FILE *headers;
    uint64_t bytes;
};

struct making {
    struct whole w;
    struct chain_context chain;
    struct signkey *key, *validator, *signer; /* signer: of places */
    struct shard shard[SHARDS];
    size_t len, points;
};

static void *room(size_t bytes)
{
    void *p = calloc(1, bytes);
    assert_non_null(p);
    return p;
}

/* --- the election --- */

static char *jurisdictions(const struct making *mk, size_t chain, size_t precincts)
{
    char *text = NULL;
    size_t len;
    FILE *o = open_memstream(&text, &len);
    assert_non_null(o);
    fprintf(o, "place,level,parent,title,styles,group,key\nland,nation,,The land,,,%s\n", mk->w.key);
    if (chain)
        fprintf(o, "online,county,land,Online,,,\n");
    for (size_t i = 0; chain && i < PLACES; i++)
        fprintf(o, "p%07zu,precinct,online,Precinct,one,,\n", i);
    for (size_t i = 0; i < precincts; i++) {
        if (i % PLACES == 0)
            fprintf(o, "c%zu,county,land,County,,,\n", i / PLACES);
        fprintf(o, "p%07zu,precinct,c%zu,Precinct,one,,\n", PLACES + i, i / PLACES);
    }
    assert_int_equal(file_memstream_end(o, &text), OK);
    return text;
}

static struct signkey *new_key(const struct making *mk, const char *name, char hex[2 * POINT_LEN + 1])
{
    struct fault fault;
    struct signkey *k;
    pubkey_t key;
    GOOD(signkey_new(&key, whole_path(&mk->w, name), SIGNKEY_REHEARSAL, "", 0, &fault));
    GOOD(signkey_open(&k, whole_path(&mk->w, name), "", 0, &fault));
    hex_put(hex, key.b, POINT_LEN);
    return k;
}

static void put_chain(struct making *mk, FILE *o)
{
    char chain[2 * POINT_LEN + 1], envelope[2 * POINT_LEN + 1], validator[2 * POINT_LEN + 1];
    mk->key = new_key(mk, "chain.key", chain);
    signkey_close(new_key(mk, "envelope.key", envelope));
    mk->validator = new_key(mk, "validator.key", validator);
    fputs(",\"chains\":[{\"id\":\"online\",\"title\":\"Online\",\"places\":[", o);
    for (size_t i = 0; i < PLACES; i++)
        fprintf(o, "%s\"p%07zu\"", i ? "," : "", i);
    fprintf(o, "],\"key\":\"%s\",\"envelope\":\"%s\",\"validators\":[\"%s\"],\"quorum\":1}]", chain, envelope,
            validator);
}

static void hold_election(struct making *mk, size_t chain, size_t precincts)
{
    char *text = NULL, *table = jurisdictions(mk, chain, precincts), hex[2 * HASH_LEN + 1];
    struct fault fault;
    size_t len;
    hash_t h;
    hash_one(&h, table, strlen(table));
    hex_put(hex, h.b, HASH_LEN);
    FILE *o = open_memstream(&text, &len);
    assert_non_null(o);
    fprintf(o,
            "{\"conclave\":1,\"scheme\":\"p256-elgamal\",\"kind\":\"ballots\",\"title\":\"Scale\","
            "\"date\":\"2028-11-07\",\"trustees\":{\"n\":3,\"t\":2,\"rehearsal\":true},"
            "\"levels\":[\"nation\",\"county\",\"precinct\"],"
            "\"jurisdictions\":{\"file\":\"jurisdictions.csv\",\"sha256\":\"%s\"},\"contests\":["
            "{\"id\":\"mayor\",\"title\":\"Mayor\",\"limit\":1,\"options\":[",
            hex);
    for (int i = 0; i < OPTIONS; i++)
        fprintf(o, "%s{\"id\":\"o%d\",\"title\":\"Option %d\"}", i ? "," : "", i, i);
    fputs("]}],\"styles\":[{\"id\":\"one\",\"contests\":[\"mayor\"]}],"
          "\"decryption\":{\"levels\":[\"nation\"],\"minimum\":2},\"duplicate_ballots\":\"first\"",
          o);
    if (chain)
        put_chain(mk, o);
    fputs("}", o);
    assert_int_equal(file_memstream_end(o, &text), OK);
    whole_ceremony(&mk->w, text, table);
    GOOD(signkey_open(&mk->signer, whole_path(&mk->w, "sign.key"), "", 0, &fault));
    free(text);
    free(table);
}

static uint32_t place_of(const struct making *mk, size_t number)
{
    char id[16];
    snprintf(id, sizeof id, "p%07zu", number);
    int64_t i = places_find(mk->w.el->places, id);
    assert_true(i >= 0);
    return (uint32_t)i;
}

/* --- the chain --- */

static size_t pair_room(const struct making *mk)
{
    return mk->len + 32 * mk->points;
}

static const char *chain_path(const struct making *mk, const char *kind, const struct shard *s,
                              const char *suffix, char out[300])
{
    snprintf(out, 300, "%s/exports/online/%s/s%s%s", mk->w.dir, kind, s->name.s, suffix);
    return out;
}

static void open_shards(struct making *mk)
{
    struct fault fault;
    char path[300];
    for (size_t i = 0; i < SHARDS; i++) {
        struct shard *s = &mk->shard[i];
        for (int k = 0; k < SHARD_BITS; k++)
            s->name.s[k] = "01"[i >> (SHARD_BITS - 1 - k) & 1];
        s->item = room(SEGMENT * sizeof *s->item);
        for (size_t k = 0; k < SEGMENT; k++)
            s->item[k].bytes = room(pair_room(mk));
        merkle_init(&s->leaves);
        merkle_init(&s->ids);
        s->last = (struct chain_header){.shard = s->name, .time = TIME};
        hash_one(&s->last.root, "", 0);
        s->last.ids = s->last.root;
        GOOD(chain_sums_new(&s->sums, &mk->chain));
        GOOD(file_mkdir(chain_path(mk, "segments", s, "", path), &fault));
        GOOD(file_mkdir(whole_path(&mk->w, "exports/online/headers"), &fault));
        s->headers = fopen(chain_path(mk, "headers", s, ".cbor", path), "wbe");
        assert_non_null(s->headers);
    }
}

static int by_id(const void *a, const void *b)
{
    return hash_cmp(&((const struct item *)a)->id, &((const struct item *)b)->id);
}

static void add_item(const struct making *mk, struct shard *s, const struct item *x)
{
    hash_t leaf;
    merkle_leaf(&leaf, x->bytes, mk->len);
    merkle_add(&s->leaves, &leaf);
    merkle_leaf(&leaf, x->id.b, HASH_LEN);
    merkle_add(&s->ids, &leaf);
    struct tallies *t = chain_sums_row(s->sums, &mk->chain, x->place, 1);
    assert_non_null(t);
    t->tally[0].ballots++;
    for (size_t i = 0; i < OPTIONS; i++) {
        p256_add_affine_var(&t->tally[0].A[i], &t->tally[0].A[i], &x->cipher[2 * i]);
        p256_add_affine_var(&t->tally[0].B[i], &t->tally[0].B[i], &x->cipher[2 * i + 1]);
    }
}

static void end_block(struct making *mk, struct shard *s, uint64_t height, enum chain_state state)
{
    struct cbor_out o = CBOR_OUT_INIT, item = CBOR_OUT_INIT;
    struct chain_header h = {
        .shard = s->name, .height = height, .previous = s->last.id, .time = TIME, .state = state};
    struct fault fault;
    h.size = s->leaves.count;
    merkle_root(&s->leaves, &h.root);
    merkle_root(&s->ids, &h.ids);
    GOOD(chain_running_hash(&h.tally, &mk->chain, s->sums));
    GOOD(chain_header_make(&o, &h, &mk->chain, signkey_signer(mk->key), &fault));
    cbor_put_bytes(&item, o.data, o.len);
    assert_int_equal(fwrite(item.data, 1, item.len, s->headers), item.len);
    s->bytes += item.len;
    cbor_out_free(&o);
    cbor_out_free(&item);
    s->last = h;
}

/* What is at hand becomes sixteen blocks (fewer at the end) and their segment. */
static void end_segment(struct making *mk, struct shard *s, int closed)
{
    struct chain_segment_writer *w;
    struct fault fault;
    char suffix[32], path[300];
    struct stat st;
    uint64_t height = s->segments * CHAIN_SEGMENT_BLOCKS;
    for (size_t from = 0; from < s->count; from += BLOCK, height++) {
        size_t n = s->count - from < BLOCK ? s->count - from : BLOCK;
        qsort(s->item + from, n, sizeof *s->item, by_id);
        for (size_t i = 0; i < n; i++)
            add_item(mk, s, &s->item[from + i]);
        end_block(mk, s, height, closed && from + n == s->count ? CHAIN_CLOSED : CHAIN_OPEN);
    }
    if (s->count == 0) { /* closed by a header of its own */
        end_block(mk, s, height, CHAIN_CLOSED);
        return;
    }
    snprintf(suffix, sizeof suffix, "/%08llu.zst", (unsigned long long)s->segments++);
    chain_path(mk, "segments", s, suffix, path);
    GOOD(chain_segment_create(&w, path, s->count * chain_pair_len(mk->len, 32 * mk->points), &fault));
    for (size_t i = 0; i < s->count; i++)
        GOOD(chain_segment_put(w, s->item[i].bytes, mk->len, s->item[i].bytes + mk->len, 32 * mk->points,
                               &fault));
    GOOD(chain_segment_commit(w, &fault));
    assert_int_equal(stat(path, &st), 0);
    s->bytes += (uint64_t)st.st_size;
    s->count = 0;
}

static void end_shards(struct making *mk, int threads)
{
    char path[300];
    struct fault fault;
#pragma omp parallel for num_threads(threads) schedule(dynamic, 1) private(fault, path)
    for (size_t i = 0; i < SHARDS; i++) {
        struct shard *s = &mk->shard[i];
        struct cbor_out o = CBOR_OUT_INIT;
        end_segment(mk, s, 1);
        assert_int_equal(fclose(s->headers), 0);
        GOOD(chain_running_put(&o, &mk->chain, s->sums));
#pragma omp critical(whole_path)
        GOOD(file_mkdir(whole_path(&mk->w, "exports/online/tallies"), &fault));
        GOOD(file_write(chain_path(mk, "tallies", s, ".cbor", path), o.data, o.len, FILE_NEW, &fault));
        cbor_out_free(&o);
        for (size_t k = 0; k < SEGMENT; k++)
            free(s->item[k].bytes);
        free(s->item);
    }
}

static void make_final(struct making *mk)
{
    struct chain_snapshot s = {.time = TIME, .shard_count = SHARDS};
    struct cbor_out o = CBOR_OUT_INIT;
    char name[2 * HASH_LEN + 64] = "exports/online/finality/";
    struct fault fault;
    hash_t kid;
    s.shard = room(SHARDS * sizeof *s.shard);
    GOOD(chain_sums_new(&s.sums, &mk->chain));
    for (size_t i = 0; i < SHARDS; i++) {
        const struct chain_header *h = &mk->shard[i].last;
        s.shard[i] = (struct chain_shard){h->shard, h->state, h->height + 1, h->id, h->size, h->root, h->ids};
        GOOD(chain_sums_add_var(s.sums, mk->shard[i].sums));
        chain_sums_free(mk->shard[i].sums);
    }
    GOOD(chain_snapshot_make(&o, &s, &mk->chain, &fault));
    GOOD(file_write(whole_path(&mk->w, "exports/online/snapshot.cbor"), o.data, o.len, FILE_NEW, &fault));
    cbor_out_free(&o);
    GOOD(chain_finality_make(&o, &kid, &mk->chain, 0, &s.id, signkey_signer(mk->validator), &fault));
    GOOD(file_mkdir(whole_path(&mk->w, name), &fault));
    hex_put(name + strlen(name), kid.b, HASH_LEN);
    strcat(name, ".cose");
    GOOD(file_write(whole_path(&mk->w, name), o.data, o.len, FILE_NEW, &fault));
    cbor_out_free(&o);
    chain_sums_free(s.sums);
    free(s.shard);
}

/* One thread's ballots of a round. */
struct hand {
    struct pool *pool;
    struct pool_ballot b[POOL_MANY];
    struct p256_affine cipher[POOL_MANY][2 * OPTIONS];
    uint8_t *bytes;
    size_t count;
};

static void hand_new(struct hand *h, struct making *mk, uint32_t place)
{
    h->pool = pool_new(&mk->w.el->ctx, place, 1); /* of all threads the same: numbers tell ballots apart */
    mk->len = pool_len(h->pool);
    mk->points = pool_points(h->pool);
    assert_int_equal(pool_options(h->pool), OPTIONS);
    h->bytes = room(POOL_MANY * pair_room(mk));
    for (size_t i = 0; i < POOL_MANY; i++)
        h->b[i] = (struct pool_ballot){.data = h->bytes + i * pair_room(mk), .cipher = h->cipher[i]};
}

static void hand_free(struct hand *h)
{
    pool_free(h->pool);
    free(h->bytes);
}

static void deal_hand(struct making *mk, const struct hand *h)
{
    for (size_t i = 0; i < h->count; i++) {
        struct shard *s = &mk->shard[h->b[i].id.b[0] >> (8 - SHARD_BITS)];
        struct item *x = &s->item[s->count++];
        x->id = h->b[i].id;
        x->place = h->b[i].place;
        memcpy(x->bytes, h->b[i].data, pair_room(mk));
        memcpy(x->cipher, h->cipher[i], sizeof x->cipher);
        if (s->count == SEGMENT)
            end_segment(mk, s, 0);
    }
}

static void make_chain(struct making *mk, uint64_t ballots, int threads)
{
    struct hand *hand = room((size_t)threads * sizeof *hand);
    uint32_t place[PLACES];
    chain_context_init(&mk->chain, &mk->w.el->ctx, 0);
    for (size_t i = 0; i < PLACES; i++)
        place[i] = place_of(mk, i);
    for (int t = 0; t < threads; t++) {
        hand_new(&hand[t], mk, place[0]);
        for (size_t i = 0; i < POOL_MANY; i++)
            hand[t].b[i].hints = hand[t].b[i].data + mk->len;
    }
    open_shards(mk);
    double start = wall(), used = cpu(), made = 0;
    for (uint64_t at = 0; at < ballots; at += (uint64_t)threads * POOL_MANY) {
        double before = cpu();
#pragma omp parallel for num_threads(threads) schedule(static, 1)
        for (int t = 0; t < threads; t++) {
            struct hand *h = &hand[t];
            uint64_t first = at + (uint64_t)t * POOL_MANY, left = ballots > first ? ballots - first : 0;
            h->count = left < POOL_MANY ? (size_t)left : POOL_MANY;
            for (size_t i = 0; i < h->count; i++)
                h->b[i].place = place[(first + i) % PLACES];
            pool_make(h->pool, h->b, h->count, first);
        }
        made += cpu() - before;
        for (int t = 0; t < threads; t++)
            deal_hand(mk, &hand[t]);
    }
    end_shards(mk, threads);
    make_final(mk);
    fprintf(stderr, "chain: %llu ballots, %.0f s; CPU per ballot: made %.1f us, all %.1f us\n",
            (unsigned long long)ballots, wall() - start, made / (double)ballots * 1e6,
            (cpu() - used) / (double)ballots * 1e6);
    for (int t = 0; t < threads; t++)
        hand_free(&hand[t]);
    free(hand);
}

/* --- precincts --- */

/* As export_writer_finish does, but for fsync: nobody needs these files after a power cut. */
static void write_export(struct making *mk, const struct hand *h, size_t from, size_t n)
{
    struct tallies *t;
    struct merkle tree;
    struct cbor_out header = CBOR_OUT_INIT;
    struct fault fault;
    struct place place;
    char path[300];
    uint8_t head[9];
    hash_t leaf, id;
    size_t order[EACH_MAX];
    uint32_t index = h->b[from].place;
    for (size_t i = 0; i < n; i++) { /* sorted by id */
        size_t k = i;
        for (; k > 0 && hash_cmp(&h->b[order[k - 1]].id, &h->b[from + i].id) > 0; k--)
            order[k] = order[k - 1];
        order[k] = from + i;
    }
    merkle_init(&tree);
    GOOD(tallies_new(&t, &mk->w.el->ctx, index));
    t->tally[0].ballots = n;
    for (size_t i = 0; i < n; i++) {
        merkle_leaf(&leaf, h->b[order[i]].data, mk->len);
        merkle_add(&tree, &leaf);
        for (size_t k = 0; k < OPTIONS; k++) {
            p256_add_affine_var(&t->tally[0].A[k], &t->tally[0].A[k], &h->cipher[order[i]][2 * k]);
            p256_add_affine_var(&t->tally[0].B[k], &t->tally[0].B[k], &h->cipher[order[i]][2 * k + 1]);
        }
    }
    struct export_content content = {index, n, {{0}}, t};
    merkle_root(&tree, &content.root);
    GOOD(export_header_make(&header, &id, &mk->w.el->ctx, &content, 0, NULL, TIME, signkey_signer(mk->signer),
                            &fault));
    places_get(mk->w.el->places, index, &place);
    snprintf(path, sizeof path, "%s/exports/%s" EXPORT_SUFFIX, mk->w.dir, place.id);
    FILE *o = fopen(path, "wbe");
    assert_non_null(o);
    fwrite(header.data, 1, header.len, o);
    for (size_t i = 0; i < n; i++) {
        fwrite(head, 1, export_bytes_head(head, mk->len), o);
        fwrite(h->b[order[i]].data, 1, mk->len, o);
    }
    assert_int_equal(fclose(o), 0);
    cbor_out_free(&header);
    tallies_free(t);
}

static uint64_t make_precincts(struct making *mk, size_t precincts, size_t each, uint64_t first)
{
    struct hand *h = room(sizeof *h);
    uint64_t ballots = 0;
    size_t next = 0;
    hand_new(h, mk, place_of(mk, PLACES));
    while (next < precincts) {
        size_t begin = next, at = 0;
        for (; next < precincts && at + each <= POOL_MANY; next++) {
            uint32_t place = place_of(mk, PLACES + next);
            for (size_t i = 0; i <= next % each; i++)
                h->b[at++].place = place;
        }
        pool_make(h->pool, h->b, at, first + ballots);
        ballots += at;
        for (at = 0; begin < next; at += begin % each + 1, begin++)
            write_export(mk, h, at, begin % each + 1);
    }
    hand_free(h);
    free(h);
    return ballots;
}

static int make(const char *dir, uint64_t chain, size_t precincts, size_t each, int threads)
{
    struct making *mk = room(sizeof *mk);
    char line[16];
    uint64_t exported = 0;
    if (chain > POOL_MAX || chain + (uint64_t)precincts * each > POOL_MAX || each < 1 || each > EACH_MAX ||
        threads < 1) {
        fprintf(stderr, "at most %llu ballots, %d of a precinct; at least one thread\n",
                (unsigned long long)POOL_MAX, EACH_MAX);
        return 2;
    }
    whole_open(&mk->w, dir);
    hold_election(mk, (size_t)chain, precincts);
    if (chain)
        make_chain(mk, chain, threads);
    if (precincts)
        exported = make_precincts(mk, precincts, each, chain);
    printf("made %llu %llu\n", (unsigned long long)chain, (unsigned long long)exported);
    fflush(stdout);
    if (fgets(line, sizeof line, stdin) == NULL)
        return 0;
    whole_plan(&mk->w);
    whole_decrypt(&mk->w);
    printf("decrypted\n");
    return 0;
}

/* --- the cost of a command --- */

static int run(const char *name, const char *ballots, const char *bytes, char **argv)
{
    struct rusage u;
    int status;
    double start = wall();
    pid_t child = fork();
    if (child == 0) {
        execv(argv[0], argv);
        _exit(127);
    }
    if (child < 0 || wait4(child, &status, 0, &u) != child)
        return 1;
    fprintf(stderr, "%s %s %.2f %.2f %.2f %.1f %s\n", name, ballots, wall() - start,
            (double)u.ru_utime.tv_sec + (double)u.ru_utime.tv_usec / 1e6,
            (double)u.ru_stime.tv_sec + (double)u.ru_stime.tv_usec / 1e6, (double)u.ru_maxrss / 1024, bytes);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

int main(int argc, char **argv)
{
    if (argc == 7 && strcmp(argv[1], "make") == 0)
        return make(argv[2], strtoull(argv[3], NULL, 10), strtoul(argv[4], NULL, 10),
                    strtoul(argv[5], NULL, 10), atoi(argv[6]));
    if (argc > 5 && strcmp(argv[1], "run") == 0)
        return run(argv[2], argv[3], argv[4], argv + 5);
    fprintf(stderr,
            "usage: scale_tool make DIR CHAIN PRECINCTS EACH THREADS | run NAME BALLOTS BYTES COMMAND...\n");
    return 2;
}
