/* Precincts and voting chains in one aggregation. */
#include <sys/stat.h>
#include <unistd.h>

#include "ceremony/base/file.h"
#include "tally/aggregate.h"
#include "tally/chain_verify.h"
#include "tests/support/ballots.h"
#include "tests/support/chain_maker.h"
#include "tests/support/tree.h"
#include "tests/support/unit.h"

#define PER_PLACE 6

static struct fixture *x;
static struct chain_context home, abroad;
static struct cbor_out e1[PER_PLACE], e2[PER_PLACE], w1[PER_PLACE], w2[2];
static struct ballot_info e1_info[PER_PLACE], e2_info[PER_PLACE], w1_info[PER_PLACE], w2_info[2];

/* One vote for an option of mayor, under the one-time key of this number. */
static void make(struct cbor_out *out, struct ballot_info *info, uint32_t place, const char *style,
                 int option, uint8_t key)
{
    int value[16] = {0};
    value[option] = 1;
    for (int i = 9; i < 12; i++)
        value[i] = 1; /* council is left blank: its placeholders; in a rural ballot there is no such */
    fixture_forge_key(x, out, place, style, value, key);
    struct ballot *b = fixture_parse(x, out);
    info->id = b->id;
    ballot_free(b);
}

/* The first ballot of e-2 has the id of one of e-1; the first one of w-2 that of one of w-1. */
static int setup(void **state)
{
    (void)state;
    x = fixture_chain_new();
    chain_context_init(&home, &x->ctx, 0);
    chain_context_init(&abroad, &x->ctx, 1);
    for (uint8_t i = 0; i < PER_PLACE; i++) {
        make(&e1[i], &e1_info[i], x->e1, "rural", i % 2 ? 0 : 1, (uint8_t)(1 + i));
        make(&e2[i], &e2_info[i], x->e2, "rural", i % 2 ? 0 : 2, (uint8_t)(i ? 40 + i : 1));
        make(&w1[i], &w1_info[i], x->w1, "town", 1, (uint8_t)(80 + i));
    }
    for (uint8_t i = 0; i < 2; i++)
        make(&w2[i], &w2_info[i], fixture_place(x, "w-2"), "town", 0, (uint8_t)(i ? 120 : 80));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    for (size_t i = 0; i < PER_PLACE; i++) {
        cbor_out_free(&e1[i]);
        cbor_out_free(&e2[i]);
        cbor_out_free(&w1[i]);
    }
    cbor_out_free(&w2[0]);
    cbor_out_free(&w2[1]);
    fixture_free(x);
    return 0;
}

static int by_id(const void *a, const void *b)
{
    const struct ballot_info *const *p = a, *const *q = b;
    return hash_cmp(&(*p)->id, &(*q)->id);
}

static void write_precinct(const char *name, uint32_t place, struct cbor_out *ballot,
                           struct ballot_info *info)
{
    struct export_writer *w;
    struct tallies *t;
    struct ballot_info *order[PER_PLACE];
    struct fault f;
    char path[300];
    snprintf(path, sizeof path, "%s/exports/%s", x->dir, name);
    assert_err(tallies_new(&t, &x->ctx, place), OK);
    assert_err(export_writer_open(&w, &x->ctx, place, path, &f), OK);
    for (size_t i = 0; i < PER_PLACE; i++)
        order[i] = &info[i];
    qsort(order, PER_PLACE, sizeof *order, by_id);
    for (size_t i = 0; i < PER_PLACE; i++) {
        struct cbor_out *o = &ballot[order[i] - info];
        struct ballot *b = fixture_parse(x, o);
        assert_err(tallies_add_ballot_var(t, b), OK);
        ballot_free(b);
        assert_err(export_writer_item(w, o->data, o->len, &f), OK);
    }
    assert_err(export_writer_finish(w, NULL, t, 0, NULL, 500000, signkey_signer(x->east), &f), OK);
    tallies_free(t);
}

static void plan_home(struct chain_maker *mk)
{
    chain_maker_init(mk, &home, signkey_signer(x->chain));
    mk->validator[0] = signkey_signer(x->validator[0]);
    mk->validator[1] = signkey_signer(x->validator[1]);
    chain_maker_shard(mk, "0", CHAIN_CLOSED);
    chain_maker_shard(mk, "1", CHAIN_CLOSED);
    for (size_t i = 0; i < PER_PLACE; i++) {
        chain_maker_put(mk, e2[i].data, e2[i].len);
        chain_maker_put(mk, w1[i].data, w1[i].len);
    }
}

static const char *in_exports(const char *name)
{
    char path[200];
    snprintf(path, sizeof path, "exports/%s", name);
    return fixture_path(x, path);
}

static void write_home(struct chain_maker *mk)
{
    plan_home(mk);
    chain_maker_write(mk, in_exports("from home"));
}

static void write_abroad(struct chain_maker *mk)
{
    chain_maker_init(mk, &abroad, signkey_signer(x->chain));
    for (size_t i = 0; i < abroad.c->validator_count; i++)
        for (size_t k = 0; k < 3; k++)
            if (memcmp(&abroad.c->validator[i], &signkey_signer(x->validator[k])->key, sizeof(pubkey_t)) == 0)
                mk->validator[i] = signkey_signer(x->validator[k]);
    chain_maker_shard(mk, "", CHAIN_CLOSED);
    for (size_t i = 0; i < 2; i++)
        chain_maker_put(mk, w2[i].data, w2[i].len);
    chain_maker_write(mk, in_exports("abroad"));
}

static void fresh(void)
{
    tree_rm(fixture_path(x, "exports"));
    tree_rm(fixture_path(x, "work"));
    tree_rm(fixture_path(x, "records"));
    assert_int_equal(mkdir(fixture_path(x, "exports"), 0755), 0);
}

/* --- running --- */

struct log {
    struct aggregate_result r;
    size_t refused, dropped, chain;
    struct fault fault[8];
    char where[8][80];
    char drop[8][80];
    hash_t drop_id[8];
    uint64_t stop_at;
    err_t err;
    struct fault end;
};

#define STOP_REFUSED UINT64_MAX

static err_t on_event(void *ctx, const struct aggregate_event *ev)
{
    struct log *l = ctx;
    if (ev->kind == AGGREGATE_REFUSED && l->refused < 8) {
        l->fault[l->refused] = *ev->fault;
        snprintf(l->where[l->refused++], 80, "%s", ev->place);
        if (l->stop_at == STOP_REFUSED)
            return ERR_STOPPED;
    }
    if (ev->kind == AGGREGATE_DROPPED && l->dropped < 8) {
        l->drop_id[l->dropped] = ev->id;
        snprintf(l->drop[l->dropped++], 80, "%s", ev->place);
    }
    if (ev->kind == AGGREGATE_CHAIN) {
        assert_true(ev->items <= ev->total);
        l->chain++;
        if (l->stop_at && ev->items >= l->stop_at)
            return ERR_STOPPED;
    }
    return OK;
}

static void run_in(struct log *l, const char *work, const struct aggregate_options *o)
{
    uint64_t stop_at = l->stop_at;
    memset(l, 0, sizeof *l);
    l->stop_at = stop_at;
    struct aggregate_report report = {l, on_event};
    l->err = aggregate(&l->r, &x->ctx, fixture_path(x, "exports"), fixture_path(x, work),
                       fixture_path(x, "records"), o, &report, &l->end);
}

static void run(struct log *l)
{
    run_in(l, "work", NULL);
}

static struct node *node_of(const char *level, const char *id)
{
    char path[300];
    uint8_t *data;
    size_t len;
    struct node *n;
    struct fault f;
    snprintf(path, sizeof path, "%s/records/%s/%s.cbor", x->dir, level, id);
    assert_err(file_read(&data, &len, path, NODE_MAX, &f), OK);
    assert_err(node_parse_var(&n, &x->ctx, fixture_place(x, id), data, len, &f), OK);
    free(data);
    return n;
}

static void check_node(const char *id, const hash_t *source, uint64_t ballots, const hash_t *dropped,
                       int64_t a, int64_t b, int64_t c)
{
    struct node *n = node_of("precinct", id);
    assert_int_equal(n->source_count, source != NULL);
    if (source != NULL)
        assert_int_equal(hash_cmp(&n->source[0].hash, source), 0);
    assert_int_equal(n->ballots, ballots);
    assert_int_equal(n->dropped_count, dropped != NULL);
    if (dropped != NULL)
        assert_int_equal(hash_cmp(&n->dropped[0], dropped), 0);
    assert_int_equal(fixture_decrypt(x, n->tallies, "mayor", 0), a);
    assert_int_equal(fixture_decrypt(x, n->tallies, "mayor", 1), b);
    assert_int_equal(fixture_decrypt(x, n->tallies, "mayor", 2), c);
    node_free(n);
}

static void test_together(void **state)
{
    (void)state;
    struct chain_maker h, a;
    struct log l = {.stop_at = 0};
    fresh();
    write_precinct("e1", x->e1, e1, e1_info);
    write_home(&h);
    write_abroad(&a);
    run(&l);
    assert_err(l.err, OK);
    assert_int_equal(l.refused, 0);
    assert_int_equal(l.r.files, 3);
    assert_int_equal(l.r.verified, 3);
    assert_int_equal(l.r.missing, 0);
    assert_true(l.chain > 0);
    /* the rule: the first place in order of rows */
    assert_int_equal(l.r.dropped, 2);
    assert_int_equal(l.r.ballots, 3 * PER_PLACE + 2 - 2);
    struct export_header *header;
    struct fault f;
    assert_err(export_header_read(&header, &x->ctx, in_exports("e1"), &f), OK);
    check_node("e-1", &header->id, PER_PLACE, NULL, 3, 3, 0);
    check_node("e-2", &h.made->id, PER_PLACE - 1, &e2_info[0].id, 3, 0, 2);
    check_node("w-1", &h.made->id, PER_PLACE, NULL, 0, PER_PLACE, 0);
    check_node("w-2", &a.made->id, 1, &w2_info[0].id, 1, 0, 0);
    hash_t e1_id = header->id;
    export_header_free(header);
    /* again: known, the same bytes */
    hash_t root = l.r.root;
    run(&l);
    assert_err(l.err, OK);
    assert_int_equal(l.r.known, 3);
    assert_int_equal(l.r.verified, 0);
    assert_int_equal(hash_cmp(&root, &l.r.root), 0);
    /* and from nothing, under other names */
    assert_int_equal(rename(in_exports("from home"), in_exports("zzz")), 0);
    tree_rm(fixture_path(x, "work"));
    run(&l);
    assert_int_equal(hash_cmp(&root, &l.r.root), 0);
    /* the trustee's way: only the root that was verified here */
    struct plan plan = {.root = root};
    assert_err(aggregate_verified(&l.r, &x->ctx, fixture_path(x, "exports"), fixture_path(x, "work2"), &plan,
                                  NULL, NULL, NULL, &f),
               OK);
    tree_rm(in_exports("abroad"));
    assert_err(aggregate_verified(&l.r, &x->ctx, fixture_path(x, "exports"), fixture_path(x, "work2"), &plan,
                                  NULL, NULL, NULL, &f),
               ERR_UNVERIFIED);
    tree_rm(fixture_path(x, "work2"));
    /* the other rule: no copy counts, in the precinct or in the chain */
    x->m->duplicates = DUPLICATE_NONE;
    run(&l);
    x->m->duplicates = DUPLICATE_FIRST;
    assert_err(l.err, OK);
    assert_int_equal(l.r.dropped, 2);
    assert_int_equal(l.r.missing, 1); /* w-2: its chain was taken away above */
    assert_int_equal(l.r.ballots, 3 * PER_PLACE - 2);
    check_node("e-2", &h.made->id, PER_PLACE - 1, &e2_info[0].id, 3, 0, 2);
    check_node("e-1", &e1_id, PER_PLACE - 1, &e2_info[0].id, 3, 2, 0);
    chain_maker_free(&h);
    chain_maker_free(&a);
}

/* What was verified is what is taken out: an export that was changed since is noticed. */
static void test_changed_since(void **state)
{
    (void)state;
    struct chain_maker h;
    struct log l = {.stop_at = 0};
    fresh();
    write_precinct("e1", x->e1, e1, e1_info);
    write_home(&h);
    run(&l);
    assert_err(l.err, OK);
    assert_int_equal(l.dropped, 1);
    assert_string_equal(l.drop[0], "e-2");
    /* other votes in the ballot that is taken out: its place in the segments is the same */
    for (size_t s = 0; s < 2; s++)
        for (size_t i = 0; i < h.shard[s].count; i++)
            if (hash_cmp(&h.shard[s].ballot[i].id, &e2_info[0].id) == 0)
                h.shard[s].ballot[i].data[h.shard[s].ballot[i].len - 1] ^= 1;
    hash_t id = h.made->id;
    chain_maker_write(&h, fixture_path(x, "other"));
    assert_true(hash_cmp(&id, &h.made->id) != 0);
    for (size_t s = 0; s < 2; s++) {
        char name[64];
        size_t len;
        snprintf(name, sizeof name, "segments/s%zu/00000000.zst", s);
        uint8_t *data = chain_maker_read(fixture_path(x, "other"), name, &len);
        chain_maker_file(in_exports("from home"), name, data, len);
        free(data);
    }
    run(&l);
    assert_err(l.err, ERR_HASH);
    /* from nothing it is not even verified */
    tree_rm(fixture_path(x, "work"));
    run(&l);
    assert_err(l.err, OK);
    assert_int_equal(l.refused, 1);
    assert_int_equal(l.fault[0].err, ERR_PROOF);
    assert_string_equal(l.where[0], "home");
    chain_maker_free(&h);
}

static void expect_refused(struct log *l, err_t e, const char *file, const char *where, uint64_t missing)
{
    run(l);
    assert_err(l->err, OK);
    for (size_t i = 0; i < l->refused; i++)
        if (l->fault[i].err == e && strcmp(l->fault[i].file, file) == 0 && strcmp(l->where[i], where) == 0) {
            assert_int_equal(l->r.missing, missing);
            return;
        }
    for (size_t i = 0; i < l->refused; i++)
        printf("refused %s '%s' '%s': %s\n", err_name(l->fault[i].err), l->fault[i].file, l->where[i],
               l->fault[i].detail);
    fail_msg("not refused: %s %s %s", err_name(e), file, where);
}

static void test_refused(void **state)
{
    (void)state;
    struct chain_maker h, other;
    struct log l = {.stop_at = 0};
    fresh();
    write_precinct("e1", x->e1, e1, e1_info);
    /* voting goes on */
    plan_home(&h);
    h.shard[0].state = CHAIN_OPEN;
    chain_maker_write(&h, in_exports("from home"));
    expect_refused(&l, ERR_EARLY, "from home", "home", 3);
    chain_maker_free(&h);
    /* too few validators */
    plan_home(&h);
    h.validator[0] = NULL;
    chain_maker_write(&h, in_exports("from home"));
    expect_refused(&l, ERR_QUORUM, "from home/finality", "home", 3);
    chain_maker_free(&h);
    /* headers and snapshot, ids and leaves: everything but the ballots */
    plan_home(&h);
    h.lists = 1;
    chain_maker_write(&h, in_exports("from home"));
    tree_rm(in_exports("from home/segments"));
    expect_refused(&l, ERR_UNVERIFIED, "from home", "home", 3);
    assert_non_null(strstr(l.fault[0].detail, "chain.ballots"));
    check_node("e-2", NULL, 0, NULL, 0, 0, 0);
    chain_maker_free(&h);
    /* two that are final and complete: nobody is believed */
    write_home(&h);
    plan_home(&other);
    other.time++;
    chain_maker_write(&other, in_exports("again"));
    expect_refused(&l, ERR_CONFLICT, "again", "home", 3);
    assert_int_equal(l.refused, 2);
    /* its key signed two headers of one height: named, and kept */
    assert_non_null(strstr(l.fault[0].detail, "two headers 0 of shard s0"));
    for (int i = 0; i < 2; i++) {
        char name[120], hex[17];
        struct chain_header header;
        size_t len;
        hex_put(hex, (i ? &other : &h)->shard[0].last.id.b, 8);
        snprintf(name, sizeof name, "home-s0-0-%s.cose", hex);
        uint8_t *data = chain_maker_read(fixture_path(x, "work/evidence"), name, &len);
        assert_err(chain_header_parse(&header, &home, data, len, NULL), OK);
        assert_int_equal(hash_cmp(&header.id, &(i ? &other : &h)->shard[0].last.id), 0);
        free(data);
    }
    chain_maker_free(&other);
    /* twice the same */
    chain_maker_write(&h, in_exports("again"));
    expect_refused(&l, ERR_DUPLICATE, "from home", "home", 1);
    assert_int_equal(l.r.duplicates, 1);
    tree_rm(in_exports("again"));
    /* a precinct of a place that has a chain */
    write_precinct("e2", x->e2, e2, e2_info);
    expect_refused(&l, ERR_RULE, "e2", "e-2", 1);
    assert_int_equal(unlink(in_exports("e2")), 0);
    /* a directory that is nothing */
    assert_int_equal(mkdir(in_exports("new folder"), 0755), 0);
    expect_refused(&l, ERR_FORMAT, "new folder", "", 1);
    chain_maker_free(&h);
}

static void test_stopped(void **state)
{
    (void)state;
    struct chain_maker h;
    struct log l = {.stop_at = 1};
    fresh();
    write_home(&h);
    run(&l);
    assert_err(l.err, ERR_STOPPED);
    l.stop_at = 0;
    run(&l);
    assert_err(l.err, OK);
    assert_int_equal(l.r.ballots, 2 * PER_PLACE);
    chain_maker_free(&h);
}

/* Validators who sign two pasts of a chain: who counted the first does not count the second. */
static void test_two_pasts(void **state)
{
    (void)state;
    struct chain_maker h, other;
    struct log l = {.stop_at = 0};
    fresh();
    write_home(&h);
    run(&l);
    assert_err(l.err, OK);
    assert_int_equal(l.r.ballots, 2 * PER_PLACE);
    /* the same ballots in a later snapshot */
    tree_rm(in_exports("from home"));
    h.number++;
    h.time++;
    chain_maker_write(&h, in_exports("later"));
    run(&l);
    assert_err(l.err, OK);
    assert_int_equal(l.refused, 0);
    assert_int_equal(l.r.ballots, 2 * PER_PLACE);
    /* one ballot less, and nothing is left of the first */
    tree_rm(in_exports("later"));
    plan_home(&other);
    other.shard[1].count--;
    chain_maker_write(&other, in_exports("second"));
    for (int round = 0; round < 2; round++) {
        run(&l);
        assert_err(l.err, OK);
        assert_int_equal(l.refused, 1);
        assert_int_equal(l.fault[0].err, ERR_EQUIVOCATION);
        assert_int_equal(l.r.ballots, 0);
    }
    tree_rm(fixture_path(x, "work")); /* nobody remembers */
    run(&l);
    assert_int_equal(l.refused, 0);
    assert_int_equal(l.r.ballots, 2 * PER_PLACE - 1);
    other.shard[1].count++;
    chain_maker_free(&other);
    chain_maker_free(&h);
}

/* What did not count is not remembered: two that contradict each other, and what a run took that was stopped
 * before its end. */
static void test_not_remembered(void **state)
{
    (void)state;
    struct chain_maker h, other;
    struct log l = {.stop_at = 0};
    fresh();
    write_home(&h);
    plan_home(&other);
    other.shard[1].count--;
    chain_maker_write(&other, in_exports("second"));
    run(&l);
    assert_err(l.err, OK);
    assert_int_equal(l.refused, 2);
    assert_int_equal(l.fault[0].err, ERR_CONFLICT);
    /* the second one is taken, and its copy refused: there it is stopped */
    tree_rm(in_exports("from home"));
    chain_maker_write(&other, in_exports("third"));
    l.stop_at = STOP_REFUSED;
    run(&l);
    assert_err(l.err, ERR_STOPPED);
    assert_int_equal(l.fault[0].err, ERR_DUPLICATE);
    l.stop_at = 0;
    tree_rm(in_exports("second"));
    tree_rm(in_exports("third"));
    chain_maker_write(&h, in_exports("from home"));
    run(&l);
    assert_err(l.err, OK);
    assert_int_equal(l.refused, 0);
    assert_int_equal(l.r.ballots, 2 * PER_PLACE);
    other.shard[1].count++;
    chain_maker_free(&other);
    chain_maker_free(&h);
}

/* --- shards on several machines --- */

static void remove_work(void)
{
    static const char *const work[] = {"work", "work1", "work2"};
    for (size_t i = 0; i < sizeof work / sizeof *work; i++)
        tree_rm(fixture_path(x, work[i]));
}

static void make_parts(struct log *l, uint64_t verified[2])
{
    for (unsigned k = 1; k <= 2; k++) {
        run_in(l, k == 1 ? "work1" : "work2", &(struct aggregate_options){.part = k, .parts = 2});
        assert_err(l->err, OK);
        verified[k - 1] = l->r.verified;
    }
}

/* Takes over what both have. */
static void run_from(struct log *l)
{
    char one[256], two[256];
    snprintf(one, sizeof one, "%s", fixture_path(x, "work1"));
    snprintf(two, sizeof two, "%s", fixture_path(x, "work2"));
    const char *const from[] = {one, two};
    tree_rm(fixture_path(x, "work"));
    run_in(l, "work", &(struct aggregate_options){.from = from, .from_count = 2});
    assert_err(l->err, OK);
}

struct spools {
    size_t count;
    int how; /* 0: only counted; 1: one record less; 2: another snapshot's state */
};

static err_t on_work(void *ctx, const char *name, struct fault *f)
{
    struct spools *s = ctx;
    char path[300];
    (void)f;
    snprintf(path, sizeof path, "work1/chains/%s/ids", name);
    if (strstr(name, "-s") == NULL || access(fixture_path(x, path), F_OK) != 0)
        return OK;
    s->count++;
    if (s->how == 1)
        assert_int_equal(truncate(fixture_path(x, path), 51), 0);
    snprintf(path, sizeof path, "work1/chains/%s/state.cbor", name);
    if (s->how == 2)
        assert_int_equal(truncate(fixture_path(x, path), 100), 0);
    return OK;
}

static void test_parts(void **state)
{
    (void)state;
    struct chain_maker h, a;
    struct log l = {.stop_at = 0};
    struct fault f;
    uint64_t verified[2];
    fresh();
    remove_work();
    write_precinct("e1", x->e1, e1, e1_info);
    write_home(&h);
    write_abroad(&a);
    run(&l);
    assert_err(l.err, OK);
    hash_t root = l.r.root;
    make_parts(&l, verified);
    assert_int_equal(verified[0] + verified[1], 4); /* an export and three shards */
    assert_true(verified[0] >= 2 && verified[1] >= 1);
    run_from(&l);
    assert_int_equal(l.r.verified, 0);
    assert_int_equal(l.r.known, 3);
    assert_int_equal(l.r.dropped, 2);
    assert_int_equal(hash_cmp(&root, &l.r.root), 0);
    run_from(&l); /* a part was not used up */
    assert_int_equal(l.r.verified, 0);
    /* what is not whole there is verified here */
    for (int how = 0; how <= 2; how++) {
        struct spools s = {.how = how};
        assert_err(file_list(fixture_path(x, "work1/chains"), on_work, &s, &f), OK);
        assert_true(s.count > 0);
        run_from(&l);
        assert_int_equal(l.r.verified > 0, how > 0);
        assert_int_equal(hash_cmp(&root, &l.r.root), 0);
    }
    make_parts(&l, verified);
    run_from(&l);
    assert_int_equal(l.r.verified, 0);
    assert_int_equal(hash_cmp(&root, &l.r.root), 0);
    remove_work();
    chain_maker_free(&h);
    chain_maker_free(&a);
}

/* A ballot that is not proved: its part says so, and so does the run over everything. */
static void test_bad_part(void **state)
{
    (void)state;
    struct chain_maker h;
    struct log l = {.stop_at = 0};
    size_t refused = 0;
    fresh();
    remove_work();
    plan_home(&h);
    h.shard[1].ballot[0].data[h.shard[1].ballot[0].len - 1] ^= 1;
    chain_maker_write(&h, in_exports("from home"));
    for (unsigned k = 1; k <= 2; k++) {
        run_in(&l, k == 1 ? "work1" : "work2", &(struct aggregate_options){.part = k, .parts = 2});
        assert_err(l.err, OK);
        refused += l.refused;
        if (l.refused)
            assert_int_equal(l.fault[0].err, ERR_PROOF);
    }
    assert_int_equal(refused, 1);
    run_from(&l);
    assert_int_equal(l.refused, 1);
    assert_int_equal(l.fault[0].err, ERR_PROOF);
    assert_string_equal(l.where[0], "home");
    remove_work();
    chain_maker_free(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_together),  cmocka_unit_test(test_changed_since),
        cmocka_unit_test(test_refused),   cmocka_unit_test(test_stopped),
        cmocka_unit_test(test_two_pasts), cmocka_unit_test(test_not_remembered),
        cmocka_unit_test(test_parts),     cmocka_unit_test(test_bad_part),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
