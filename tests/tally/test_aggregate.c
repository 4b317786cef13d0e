/* Aggregation: what is refused and named, what counts, interruption, the same bytes from the same set. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "ceremony/base/file.h"
#include "tally/aggregate.h"
#include "tests/support/tree.h"

/* --- help --- */

struct log {
    size_t verified, known, refused, replaced, dropped, missing, nodes, few;
    err_t last;                             /* error of the last refusal */
    char place[TEXT_ID_MAX + 1], file[256]; /* of it */
    char dropped_from[TEXT_ID_MAX + 1];
    size_t stop_after; /* verified exports; 0: never */
};

static err_t listen(void *ctx, const struct aggregate_event *ev)
{
    struct log *l = ctx;
    l->verified += ev->kind == AGGREGATE_VERIFIED;
    l->known += ev->kind == AGGREGATE_KNOWN;
    l->replaced += ev->kind == AGGREGATE_REPLACED;
    l->missing += ev->kind == AGGREGATE_MISSING;
    l->few += ev->kind == AGGREGATE_FEW ? ev->items : 0;
    l->nodes += ev->kind == AGGREGATE_NODE;
    if (ev->kind == AGGREGATE_REFUSED) {
        l->refused++;
        l->last = ev->fault->err;
        snprintf(l->place, sizeof l->place, "%s", ev->place);
        snprintf(l->file, sizeof l->file, "%s", ev->file);
        assert_string_equal(ev->fault->file, ev->file);
    }
    if (ev->kind == AGGREGATE_DROPPED) {
        l->dropped++;
        snprintf(l->dropped_from, sizeof l->dropped_from, "%s", ev->place);
    }
    return l->stop_after && l->verified >= l->stop_after ? ERR_STOPPED : OK;
}

static err_t run(struct tree *t, const char *work, const struct aggregate_options *options,
                 struct aggregate_result *r, struct log *l)
{
    struct fault f;
    char exports[256], work_dir[256], records[256], name[64];
    struct log none;
    if (!l)
        l = &none;
    size_t stop = l == &none ? 0 : l->stop_after;
    memset(l, 0, sizeof *l);
    l->stop_after = stop;
    struct aggregate_report report = {l, listen};
    snprintf(name, sizeof name, "%s-records", work);
    err_t e =
        aggregate(r, &t->ctx, tree_path(t, exports, "exports", NULL), tree_path(t, work_dir, work, NULL),
                  tree_path(t, records, name, NULL), options, &report, &f);
    assert_int_equal(e, f.err);
    return e;
}

static void run_ok(struct tree *t, const char *work, const struct aggregate_options *options,
                   struct aggregate_result *r, struct log *l)
{
    assert_int_equal(run(t, work, options, r, l), OK);
    struct node_provider nodes;
    struct fault f;
    char dir[256], name[64];
    hash_t root;
    snprintf(name, sizeof name, "%s-records", work);
    node_provider_dir(&nodes, tree_path(t, dir, name, NULL));
    assert_int_equal(node_walk(&root, &t->ctx, &nodes, NULL, &f), OK);
    assert_memory_equal(&root, &r->root, sizeof root);
}

static struct node *record(struct tree *t, const char *work, const char *place)
{
    char dir[256], name[64], path[4096];
    uint8_t *data;
    size_t len;
    struct node *n;
    struct fault f;
    snprintf(name, sizeof name, "%s-records", work);
    tree_path(t, dir, name, NULL);
    assert_int_equal(node_path(path, sizeof path, &t->ctx, dir, tree_place(t, place)), OK);
    assert_int_equal(file_read(&data, &len, path, NODE_MAX, &f), OK);
    assert_int_equal(node_parse_var(&n, &t->ctx, tree_place(t, place), data, len, &f), OK);
    free(data);
    return n;
}

/* Decrypts with the whole key: votes for an option of a contest. */
static uint64_t votes(struct tree *t, const char *work, const char *place, size_t option)
{
    struct node *n = record(t, work, place);
    struct p256_jacobian d, m, sum;
    struct p256_affine a, g;
    const struct tally *s = &n->tallies->tally[0];
    p256_to_affine_var(&a, &s->A[option]);
    assert_int_equal(p256_mul_var(&d, &t->secret, &a), OK);
    p256_to_affine_var(&a, &d);
    p256_neg(&a, &a);
    p256_add_affine_var(&m, &s->B[option], &a);
    p256_generator(&g);
    p256_zero(&sum);
    uint64_t v = 0;
    for (; v < 10000 && !p256_equal_var(&sum, &m); v++)
        p256_add_affine_var(&sum, &sum, &g);
    node_free(n);
    assert_true(v < 10000);
    return v;
}

static uint64_t ballots(struct tree *t, const char *work, const char *place)
{
    struct node *n = record(t, work, place);
    uint64_t b = n->ballots;
    assert_int_equal(n->tallies->tally[0].ballots, b);
    node_free(n);
    return b;
}

/* place gets x ballots for x and y for y. */
static void vote(struct tree *t, const char *file, const char *place, size_t x, size_t y, hash_t *id)
{
    struct tree_box box = {0};
    tree_cast(t, &box, place, "one", "x", x);
    tree_cast(t, &box, place, "one", "y", y);
    tree_export(t, file, place, &box, 0, NULL, id);
    tree_box_free(&box);
}

static const char one_rows[] = "whole,nation,,Whole,,\na,county,whole,A,,\nb,county,whole,B,,\n"
                               "a1,precinct,a,A1,one,\na2,precinct,a,A2,one,\n"
                               "b1,precinct,b,B1,one,\nb2,precinct,b,B2,one,\n";

static void read_file(struct tree *t, const char *name, uint8_t **data, size_t *len)
{
    char path[256];
    struct fault f;
    assert_int_equal(file_read(data, len, tree_path(t, path, "exports", name), 1 << 24, &f), OK);
}

static void write_file(struct tree *t, const char *name, const uint8_t *data, size_t len)
{
    char path[256];
    struct fault f;
    assert_int_equal(file_write(tree_path(t, path, "exports", name), data, len, FILE_REPLACE, &f), OK);
}

static void remove_file(struct tree *t, const char *name)
{
    char path[256];
    assert_int_equal(unlink(tree_path(t, path, "exports", name)), 0);
}

/* --- interruption; first, because a process that forks must not have started threads --- */

static void many_rows(char *rows, size_t size, size_t n)
{
    size_t at =
        (size_t)snprintf(rows, size, "whole,nation,,Whole,,\na,county,whole,A,,\nb,county,whole,B,,\n");
    for (size_t i = 0; i < n; i++)
        at += (size_t)snprintf(rows + at, size - at, "p%zu,precinct,%s,P,one,\n", i, i < n / 2 ? "a" : "b");
}

static void test_kill(void **state)
{
    (void)state;
    struct tree t;
    struct aggregate_result r, again;
    struct log l = {0};
    char rows[4096];
    size_t n = 40, killed = 0;
    many_rows(rows, sizeof rows, n);
    tree_new(&t, &(struct tree_shape){.rows = rows});
    for (size_t i = 0; i < n; i++) {
        char file[32], place[32];
        snprintf(file, sizeof file, "f%zu", i * 7 % n);
        snprintf(place, sizeof place, "p%zu", i);
        vote(&t, file, place, 2 + i % 3, 1, NULL);
    }
    unsigned seed = 1;
    for (int round = 0; round < 25; round++) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            struct fault f;
            char exports[256], work[256], records[256];
            err_t e = aggregate(&r, &t.ctx, tree_path(&t, exports, "exports", NULL),
                                tree_path(&t, work, "killed", NULL),
                                tree_path(&t, records, "killed-records", NULL), NULL, NULL, &f);
            _exit(e == OK ? 0 : 1);
        }
        seed = seed * 1103515245 + 12345;
        /* later and later: what was verified is kept by the batch */
        usleep((useconds_t)(1000 + (seed >> 16) % 2000 + (unsigned)(round * round) * 1000));
        kill(child, SIGKILL);
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        killed += WIFSIGNALED(status);
        if (WIFEXITED(status))
            assert_int_equal(WEXITSTATUS(status), 0);
    }
    assert_true(killed > 0);
    run_ok(&t, "killed", NULL, &r, &l);
    assert_int_equal(l.verified + l.known, n);
    assert_true(l.known > 0);
    run_ok(&t, "straight", NULL, &again, &l);
    assert_int_equal(l.verified, n);
    assert_memory_equal(&r.root, &again.root, sizeof r.root);
    assert_int_equal(r.ballots, again.ballots);
    tree_free(&t);
}

/* --- what is good --- */

static void test_good(void **state)
{
    (void)state;
    struct tree t;
    struct aggregate_result r, other;
    struct log l = {0};
    tree_new(&t, &(struct tree_shape){.rows = one_rows});
    vote(&t, "one.cexp", "a1", 3, 2, NULL);
    vote(&t, "two.cexp", "a2", 1, 4, NULL);
    vote(&t, "three", "b2", 0, 0, NULL); /* nobody came: not missing */
    run_ok(&t, "w", NULL, &r, &l);
    assert_int_equal(r.files, 3);
    assert_int_equal(r.verified, 3);
    assert_int_equal(r.missing, 1);
    assert_int_equal(l.missing, 1);
    assert_int_equal(l.nodes, 7);
    assert_int_equal(r.places, 7);
    assert_int_equal(r.ballots, 10);
    assert_int_equal(votes(&t, "w", "whole", 0), 4);
    assert_int_equal(votes(&t, "w", "whole", 1), 6);
    assert_int_equal(votes(&t, "w", "a1", 0), 3);
    assert_int_equal(ballots(&t, "w", "a"), 10);
    struct node *b = record(&t, "w", "b");
    assert_int_equal(b->missing_count, 1);
    assert_int_equal(b->missing[0], tree_place(&t, "b1"));
    node_free(b);

    run_ok(&t, "w", NULL, &other, &l); /* nothing is verified twice */
    assert_int_equal(l.known, 3);
    assert_int_equal(l.verified, 0);
    assert_memory_equal(&other.root, &r.root, sizeof r.root);

    /* Late precinct into the old work directory, and everything under other names, one thread, in a new
     * one. */
    vote(&t, "zz", "b1", 5, 0, NULL);
    run_ok(&t, "w", NULL, &r, &l);
    assert_int_equal(l.known, 3);
    assert_int_equal(l.verified, 1);
    assert_int_equal(r.missing, 0);
    assert_int_not_equal(hash_cmp(&r.root, &other.root), 0);
    const char *const from[] = {"one.cexp", "two.cexp", "three", "zz"}, *const to[] = {"9", "8", "7", "0"};
    for (int i = 0; i < 4; i++) {
        uint8_t *data;
        size_t len;
        read_file(&t, from[i], &data, &len);
        remove_file(&t, from[i]);
        write_file(&t, to[i], data, len);
        free(data);
    }
    run_ok(&t, "new", &(struct aggregate_options){.threads = 1}, &other, &l);
    assert_memory_equal(&other.root, &r.root, sizeof r.root);
    assert_int_equal(votes(&t, "new", "b", 0), 5);
    tree_free(&t);
}

static void test_empty(void **state)
{
    (void)state;
    struct tree t;
    struct aggregate_result r;
    tree_new(&t, &(struct tree_shape){.rows = one_rows});
    run_ok(&t, "w", NULL, &r, NULL);
    assert_int_equal(r.missing, 4);
    assert_int_equal(r.ballots, 0);
    tree_free(&t);
}

static void test_import(void **state)
{
    (void)state;
    struct tree t;
    struct aggregate_result r;
    struct fault f;
    struct tree_box box = {0};
    struct tallies *sums;
    struct count *c;
    tree_new(&t, &(struct tree_shape){.rows = one_rows, .kind = KIND_IMPORT});
    uint64_t value[] = {200, 55};
    assert_int_equal(count_make(t.maker, &box.ballot[0], tree_place(&t, "a1"), 0, value, 2, &f), OK);
    box.count = 1;
    assert_int_equal(count_parse_var(&c, &t.ctx, box.ballot[0].data, box.ballot[0].len, &f), OK);
    assert_int_equal(tallies_new(&sums, &t.ctx, tree_place(&t, "a1")), OK);
    assert_int_equal(tallies_add_count_var(sums, c), OK);
    tree_export_tallies(&t, "x", "a1", &box, sums, NULL);
    tallies_free(sums);
    count_free(c);
    tree_box_free(&box);
    run_ok(&t, "w", NULL, &r, NULL);
    assert_int_equal(r.verified, 1);
    assert_int_equal(r.ballots, 0);
    assert_int_equal(votes(&t, "w", "whole", 0), 200);
    assert_int_equal(votes(&t, "w", "whole", 1), 55);
    struct node *n = record(&t, "w", "whole");
    assert_int_equal(n->tallies->tally[0].ballots, 255);
    node_free(n);
    tree_free(&t);
}

/* --- what is refused --- */

/* The file as changed is refused with this error; the rest goes on. */
static void expect_refused(struct tree *t, const char *file, err_t err, const char *place)
{
    struct aggregate_result r;
    struct log l = {0};
    run_ok(t, "w", NULL, &r, &l);
    assert_int_equal(l.refused, 1);
    assert_string_equal(l.file, file);
    assert_string_equal(err_name(l.last), err_name(err));
    assert_string_equal(l.place, place);
    assert_int_equal(r.missing, 3);
    assert_int_equal(votes(t, "w", "whole", 0), 3);
}

static void test_refused(void **state)
{
    (void)state;
    struct tree t;
    uint8_t *data;
    size_t len;
    tree_new(&t, &(struct tree_shape){.rows = one_rows});
    vote(&t, "good", "a1", 3, 2, NULL);
    vote(&t, "bad", "a2", 2, 1, NULL);
    read_file(&t, "bad", &data, &len);

    write_file(&t, "bad", data, len - 1);
    expect_refused(&t, "bad", ERR_TRUNCATED, "a2");
    write_file(&t, "bad", data, 0);
    expect_refused(&t, "bad", ERR_TRUNCATED, "");
    write_file(&t, "bad", (const uint8_t *)"not an export at all", 20);
    expect_refused(&t, "bad", ERR_FORMAT, "");
    data[len - 1] ^= 1; /* in the last ballot's proof */
    write_file(&t, "bad", data, len);
    expect_refused(&t, "bad", ERR_PROOF, "a2");
    data[len - 1] ^= 1;
    uint8_t *root = memmem(data, len,
                           "\x62"
                           "a2",
                           3);
    assert_non_null(root);
    memcpy(root,
           "\x62"
           "zz",
           3); /* unknown place */
    write_file(&t, "bad", data, len);
    expect_refused(&t, "bad", ERR_UNKNOWN, "");
    memcpy(root,
           "\x62"
           "a1",
           3); /* known, but not signed so */
    write_file(&t, "bad", data, len);
    expect_refused(&t, "bad", ERR_SIGNATURE, "");
    memcpy(root,
           "\x62"
           "a2",
           3);
    hash_t election = t.m->election;
    uint8_t *e = memmem(data, len, election.b, HASH_LEN);
    e[0] ^= 1;
    write_file(&t, "bad", data, len);
    expect_refused(&t, "bad", ERR_ELECTION, "");
    e[0] ^= 1;
    free(data);
    tree_free(&t);
}

/* One voter's ciphertext published as a precinct with 400 ballots; 500 votes more in the signed tally. */
static void test_false_counts(void **state)
{
    (void)state;
    struct tree t;
    struct tallies *sums;
    struct ballot *b;
    struct fault f;
    struct tree_box box = {0};
    tree_new(&t, &(struct tree_shape){.rows = one_rows});
    vote(&t, "good", "a1", 3, 2, NULL);
    tree_cast(&t, &box, "a2", "one", "x", 1);
    assert_int_equal(ballot_parse_var(&b, &t.ctx, box.ballot[0].data, box.ballot[0].len, &f), OK);
    assert_int_equal(tallies_new(&sums, &t.ctx, tree_place(&t, "a2")), OK);
    assert_int_equal(tallies_add_ballot_var(sums, b), OK);
    sums->tally[0].ballots = 400;
    tree_export_tallies(&t, "precinct7", "a2", &box, sums, NULL);
    expect_refused(&t, "precinct7", ERR_SUM, "a2");
    remove_file(&t, "precinct7");

    sums->tally[0].ballots = 1;
    struct p256_affine g;
    p256_generator(&g);
    for (int i = 0; i < 500; i++)
        p256_add_affine_var(&sums->tally[0].B[0], &sums->tally[0].B[0], &g);
    tree_export_tallies(&t, "plus500", "a2", &box, sums, NULL);
    expect_refused(&t, "plus500", ERR_SUM, "a2");
    ballot_free(b);
    tallies_free(sums);
    tree_box_free(&box);
    tree_free(&t);
}

/* A ballot of another precinct in this one's export. */
static void test_other_place(void **state)
{
    (void)state;
    struct tree t;
    struct tallies *sums;
    struct ballot *b;
    struct fault f;
    struct tree_box box = {0};
    tree_new(&t, &(struct tree_shape){.rows = one_rows});
    vote(&t, "good", "a1", 3, 2, NULL);
    tree_cast(&t, &box, "b1", "one", "x", 1);
    assert_int_equal(ballot_parse_var(&b, &t.ctx, box.ballot[0].data, box.ballot[0].len, &f), OK);
    assert_int_equal(tallies_new(&sums, &t.ctx, tree_place(&t, "a2")), OK);
    assert_int_equal(tallies_add_ballot_var(sums, b), OK);
    tree_export_tallies(&t, "x", "a2", &box, sums, NULL);
    expect_refused(&t, "x", ERR_UNKNOWN, "a2");
    ballot_free(b);
    tallies_free(sums);
    tree_box_free(&box);
    tree_free(&t);
}

static void test_conflict(void **state)
{
    (void)state;
    struct tree t;
    struct aggregate_result r;
    struct log l = {0};
    tree_new(&t, &(struct tree_shape){.rows = one_rows});
    vote(&t, "good", "a1", 3, 2, NULL);
    vote(&t, "this", "a2", 1, 1, NULL);
    vote(&t, "that", "a2", 5, 1, NULL);
    run_ok(&t, "w", NULL, &r, &l);
    assert_int_equal(l.refused, 2);
    assert_int_equal(l.last, ERR_CONFLICT);
    assert_string_equal(l.place, "a2");
    assert_int_equal(r.missing, 3);
    assert_int_equal(r.ballots, 5);
    remove_file(&t, "that");
    run_ok(&t, "w", NULL, &r, &l);
    assert_int_equal(l.refused, 0);
    assert_int_equal(r.ballots, 7);
    tree_free(&t);
}

static void test_copy(void **state)
{
    (void)state;
    struct tree t;
    struct aggregate_result r, once;
    struct log l = {0};
    uint8_t *data;
    size_t len;
    tree_new(&t, &(struct tree_shape){.rows = one_rows});
    vote(&t, "a-file", "a1", 3, 2, NULL);
    run_ok(&t, "once", NULL, &once, NULL);
    read_file(&t, "a-file", &data, &len);
    write_file(&t, "copy", data, len);
    free(data);
    run_ok(&t, "w", NULL, &r, &l);
    assert_int_equal(l.refused, 1);
    assert_int_equal(l.last, ERR_DUPLICATE);
    assert_string_equal(l.file, "copy");
    assert_int_equal(r.duplicates, 1);
    assert_int_equal(r.refused, 0);
    assert_int_equal(r.ballots, 5);
    assert_memory_equal(&r.root, &once.root, sizeof r.root);
    tree_free(&t);
}

/* --- corrections --- */

static void correct(struct tree *t, const char *file, size_t x, uint64_t revision, const hash_t *replaces,
                    hash_t *id)
{
    struct tree_box box = {0};
    tree_cast(t, &box, "a1", "one", "x", x);
    tree_export(t, file, "a1", &box, revision, replaces, id);
    tree_box_free(&box);
}

static void test_correction(void **state)
{
    (void)state;
    struct tree t;
    struct aggregate_result r;
    struct log l = {0};
    hash_t first, second, third;
    tree_new(&t, &(struct tree_shape){.rows = one_rows});
    correct(&t, "r0", 2, 0, NULL, &first);
    correct(&t, "r1", 3, 1, &first, &second);
    correct(&t, "r2", 4, 2, &second, &third);

    run_ok(&t, "w", NULL, &r, &l); /* nobody accepted */
    assert_int_equal(l.refused, 2);
    assert_int_equal(r.replaced, 0);
    assert_int_equal(r.ballots, 2);
    run_ok(&t, "w", &(struct aggregate_options){.correction = &second, .correction_count = 1}, &r, &l);
    assert_int_equal(l.refused, 1);
    assert_int_equal(l.last, ERR_REFUSED);
    assert_string_equal(l.file, "r2");
    assert_int_equal(r.ballots, 3);
    run_ok(&t, "w", &(struct aggregate_options){.accept_corrections = 1}, &r, &l);
    assert_int_equal(r.replaced, 2);
    assert_int_equal(r.ballots, 4);
    struct node *n = record(&t, "w", "a1");
    assert_int_equal(n->replaced_count, 2);
    assert_memory_equal(&n->replaced[0].older, &first, sizeof first);
    assert_memory_equal(&n->replaced[1].older, &second, sizeof first);
    assert_memory_equal(&n->source[0].hash, &third, sizeof third);
    node_free(n);

    /* The one in the middle is gone: the last has no predecessor. */
    remove_file(&t, "r1");
    run_ok(&t, "w", &(struct aggregate_options){.accept_corrections = 1}, &r, &l);
    assert_int_equal(l.refused, 1);
    assert_int_equal(l.last, ERR_MISSING);
    assert_int_equal(r.ballots, 2);
    remove_file(&t, "r2");

    /* Two corrections of the same revision: neither; the first one stays. */
    correct(&t, "r1a", 5, 1, &first, NULL);
    correct(&t, "r1b", 6, 1, &first, NULL);
    run_ok(&t, "w", &(struct aggregate_options){.accept_corrections = 1}, &r, &l);
    assert_int_equal(l.refused, 2);
    assert_int_equal(l.last, ERR_CONFLICT);
    assert_int_equal(r.ballots, 2);
    remove_file(&t, "r0");
    run_ok(&t, "w", &(struct aggregate_options){.accept_corrections = 1}, &r, &l);
    assert_int_equal(r.missing, 4);
    remove_file(&t, "r1b");
    run_ok(&t, "w", &(struct aggregate_options){.accept_corrections = 1}, &r, &l);
    assert_int_equal(l.last, ERR_MISSING);
    assert_int_equal(r.missing, 4);
    tree_free(&t);
}

/* --- one ballot id in two places --- */

static void double_vote(struct tree *t)
{
    const char *const place[] = {"b1", "a2"};
    hash_t id[2];
    for (int i = 0; i < 2; i++) {
        struct tree_box box = {0};
        tree_cast(t, &box, place[i], "one", "y", 3);
        tree_cast_key(t, &box, place[i], 77);
        id[i] = box.info[3].id;
        tree_export(t, i ? "z" : "a", place[i], &box, 0, NULL, NULL);
        tree_box_free(&box);
    }
    assert_memory_equal(&id[0], &id[1], sizeof id[0]);
}

static void test_ballot_twice(void **state)
{
    (void)state;
    struct tree t;
    struct aggregate_result r;
    struct log l = {0};
    tree_new(&t, &(struct tree_shape){.rows = one_rows});
    double_vote(&t);
    run_ok(&t, "w", NULL, &r, &l);
    assert_int_equal(r.dropped, 1);
    assert_string_equal(l.dropped_from, "b1"); /* a2 is the first row */
    assert_int_equal(r.ballots, 7);
    assert_int_equal(votes(&t, "w", "a2", 0), 1);
    assert_int_equal(votes(&t, "w", "b1", 0), 0);
    assert_int_equal(votes(&t, "w", "b1", 1), 3);
    struct node *n = record(&t, "w", "b1");
    assert_int_equal(n->dropped_count, 1);
    assert_int_equal(n->ballots, 3);
    node_free(n);
    remove_file(&t, "z"); /* without the other copy it counts */
    run_ok(&t, "w", NULL, &r, &l);
    assert_int_equal(r.dropped, 0);
    assert_int_equal(votes(&t, "w", "b1", 0), 1);
    tree_free(&t);

    tree_new(&t, &(struct tree_shape){.rows = one_rows, .duplicates = "none"});
    double_vote(&t);
    run_ok(&t, "w", NULL, &r, &l);
    assert_int_equal(r.dropped, 2);
    assert_int_equal(r.ballots, 6);
    assert_int_equal(votes(&t, "w", "whole", 0), 0);
    assert_int_equal(votes(&t, "w", "whole", 1), 6);
    tree_free(&t);
}

/* --- the work directory --- */

static err_t run_inside(void *ctx, const struct aggregate_event *ev)
{
    struct tree *t = ctx;
    struct aggregate_result r;
    struct log l = {0};
    (void)ev;
    assert_int_equal(run(t, "w", NULL, &r, &l), ERR_BUSY);
    return ERR_STOPPED;
}

static void test_work(void **state)
{
    (void)state;
    struct tree t;
    struct aggregate_result r;
    struct fault f;
    char exports[256], work[256], records[256];
    tree_new(&t, &(struct tree_shape){.rows = one_rows});
    vote(&t, "good", "a1", 3, 2, NULL);
    struct aggregate_report report = {&t, run_inside};
    assert_int_equal(aggregate(&r, &t.ctx, tree_path(&t, exports, "exports", NULL),
                               tree_path(&t, work, "w", NULL), tree_path(&t, records, "w-records", NULL),
                               NULL, &report, &f),
                     ERR_STOPPED);
    run_ok(&t, "w", NULL, &r, NULL);
    assert_int_equal(r.known, 1);
    t.r.id.b[0] ^= 1;
    assert_int_equal(run(&t, "w", NULL, &r, NULL), ERR_ELECTION);
    t.r.id.b[0] ^= 1;
    tree_path(&t, records, "w-records", "precinct/a1.cbor");
    assert_int_equal(file_write(records, "x", 1, FILE_REPLACE, &f), OK);
    run_ok(&t, "w", NULL, &r, NULL); /* a damaged record is made again */
    tree_free(&t);
}

/* --- the trustee's own run --- */

static void test_verified(void **state)
{
    (void)state;
    struct tree t;
    struct aggregate_result r;
    struct fault f;
    struct cbor_out o = CBOR_OUT_INIT;
    struct plan *p;
    struct node_provider nodes;
    char exports[256], work[256], dir[256];
    tree_new(&t, &(struct tree_shape){.rows = one_rows, .minimum = 3});
    vote(&t, "a1", "a1", 3, 2, NULL);
    vote(&t, "b1", "b1", 3, 2, NULL);
    run_ok(&t, "official", NULL, &r, NULL);
    node_provider_dir(&nodes, tree_path(&t, dir, "official-records", NULL));
    assert_int_equal(plan_make(&o, NULL, &t.ctx, &nodes, NULL, &f), OK);
    assert_int_equal(plan_parse_var(&p, &t.ctx, o.data, o.len, &f), OK);
    tree_path(&t, exports, "exports", NULL);
    tree_path(&t, work, "mine", NULL);
    assert_int_equal(aggregate_verified(&r, &t.ctx, exports, work, p, NULL, NULL, NULL, &f), OK);
    node_provider_dir(&nodes, tree_path(&t, dir, "mine", "records"));
    assert_int_equal(plan_check(p, &t.ctx, &nodes, NULL, NULL, &f), OK);
    remove_file(&t, "b1");
    assert_int_equal(aggregate_verified(&r, &t.ctx, exports, work, p, NULL, NULL, NULL, &f), ERR_UNVERIFIED);
    plan_free(p);
    cbor_out_free(&o);
    tree_free(&t);
}

/* --- corrections of few ballots --- */

static const struct aggregate_options accept = {.accept_corrections = 1};

/* a1 gets kept ballots of the box and added new ones; the box holds them afterwards. */
static void exchange(struct tree *t, struct tree_box *box, const char *file, size_t kept, size_t added,
                     uint64_t revision, hash_t *id)
{
    hash_t before = *id;
    while (box->count > kept)
        cbor_out_free(&box->ballot[--box->count]);
    tree_cast(t, box, "a1", "one", "x", added);
    tree_export(t, file, "a1", box, revision, revision ? &before : NULL, id);
}

/* What officials make of the exports there are. older may be NULL. */
static struct plan *official_plan(struct tree *t, struct plan *older)
{
    struct cbor_out o = CBOR_OUT_INIT;
    struct aggregate_result r;
    struct node_provider nodes;
    struct plan *p;
    struct fault f;
    char dir[256];
    run_ok(t, "official", &accept, &r, NULL);
    node_provider_dir(&nodes, tree_path(t, dir, "official-records", NULL));
    if (older)
        assert_int_equal(plan_make_after(&o, NULL, &t->ctx, &nodes, &older, 1, &f), OK);
    else
        assert_int_equal(plan_make(&o, NULL, &t->ctx, &nodes, NULL, &f), OK);
    assert_int_equal(plan_parse_var(&p, &t->ctx, o.data, o.len, &f), OK);
    cbor_out_free(&o);
    return p;
}

static err_t trustee(struct tree *t, const struct plan *p, struct plan *older, struct aggregate_result *r,
                     struct log *l, struct fault *f)
{
    char exports[256], work[256];
    struct plan_set set = {&older, older != NULL};
    struct aggregate_report report = {l, listen};
    memset(l, 0, sizeof *l);
    return aggregate_verified(r, &t->ctx, tree_path(t, exports, "exports", NULL),
                              tree_path(t, work, "mine", NULL), p, &set, NULL, &report, f);
}

/* Six ballots become ten, and one of the six is not among them: numbers tell nothing, ballots do. */
static void test_exchange(void **state)
{
    (void)state;
    struct tree t;
    struct tree_box box = {0};
    struct aggregate_result r;
    struct log l = {0};
    struct fault f;
    hash_t id = {{0}};
    tree_new(&t, &(struct tree_shape){.rows = one_rows, .minimum = 3});
    vote(&t, "b2", "b2", 3, 0, NULL);
    exchange(&t, &box, "r0", 0, 6, 0, &id);
    struct plan *first = official_plan(&t, NULL);
    assert_int_equal(trustee(&t, first, NULL, &r, &l, &f), OK);
    exchange(&t, &box, "r1", 5, 5, 1, &id);
    struct plan *second = official_plan(&t, first), *fresh = official_plan(&t, NULL);
    assert_int_equal(trustee(&t, second, first, &r, &l, &f), ERR_MINIMUM);
    assert_non_null(strstr(f.detail, "supersede-exchange"));
    assert_string_equal(f.who, "a1");
    assert_int_equal(l.few, 1);
    assert_int_equal(trustee(&t, second, NULL, &r, &l, &f), ERR_MINIMUM);

    /* No plan was signed before the correction: worth a note. Later plans that show the same of a1 are good.
     */
    assert_int_equal(trustee(&t, fresh, NULL, &r, &l, &f), OK);
    assert_int_equal(r.few, 1);
    assert_int_equal(l.few, 1);
    vote(&t, "b1", "b1", 4, 0, NULL);
    struct plan *third = official_plan(&t, fresh);
    assert_int_equal(trustee(&t, third, fresh, &r, &l, &f), OK);
    plan_free(third);
    third = official_plan(&t, first);
    assert_int_equal(trustee(&t, third, first, &r, &l, &f), ERR_MINIMUM);
    plan_free(first);
    plan_free(second);
    plan_free(third);
    plan_free(fresh);
    tree_box_free(&box);
    tree_free(&t);
}

/* Each step is large enough, and the third is the first without one ballot. */
static void test_exchange_by_steps(void **state)
{
    (void)state;
    struct tree t;
    struct tree_box box = {0};
    struct aggregate_result r;
    struct log l = {0};
    hash_t id = {{0}};
    tree_new(&t, &(struct tree_shape){.rows = one_rows, .minimum = 3});
    exchange(&t, &box, "r0", 0, 6, 0, &id);
    exchange(&t, &box, "r1", 6, 4, 1, &id);
    run_ok(&t, "w", &accept, &r, &l);
    assert_int_equal(r.few, 0);
    exchange(&t, &box, "r2", 5, 0, 2, &id);
    run_ok(&t, "w", &accept, &r, &l);
    assert_int_equal(r.few, 1);
    assert_int_equal(l.few, 1);
    tree_box_free(&box);
    tree_free(&t);
}

/* Good corrections, and none at all. */
static void test_exchange_of_many(void **state)
{
    (void)state;
    struct tree t;
    struct tree_box box = {0};
    struct aggregate_result r;
    struct log l = {0};
    struct fault f;
    hash_t id = {{0}};
    tree_new(&t, &(struct tree_shape){.rows = one_rows, .minimum = 3});
    exchange(&t, &box, "r0", 0, 6, 0, &id);
    struct plan *first = official_plan(&t, NULL);
    exchange(&t, &box, "r1", 6, 0, 1, &id);
    exchange(&t, &box, "r2", 3, 7, 2, &id);
    struct plan *second = official_plan(&t, first);
    assert_int_equal(trustee(&t, second, first, &r, &l, &f), OK);
    assert_int_equal(r.replaced, 2);
    assert_int_equal(r.few, 0);
    plan_free(first);
    plan_free(second);
    tree_box_free(&box);
    tree_free(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kill),
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_import),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_false_counts),
        cmocka_unit_test(test_other_place),
        cmocka_unit_test(test_conflict),
        cmocka_unit_test(test_copy),
        cmocka_unit_test(test_correction),
        cmocka_unit_test(test_ballot_twice),
        cmocka_unit_test(test_work),
        cmocka_unit_test(test_verified),
        cmocka_unit_test(test_exchange),
        cmocka_unit_test(test_exchange_by_steps),
        cmocka_unit_test(test_exchange_of_many),
    };
    return cmocka_run_group_tests_name("tally/aggregate", tests, NULL, NULL);
}
