/* The decryption plan: that what it shows is never about fewer ballots than the minimum, and each rule
 * broken once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "ceremony/base/file.h"
#include "tally/plan.h"
#include "tests/support/tree.h"

/* --- help --- */

struct seen {
    char rules[512];
    size_t count;
};

static void see(void *ctx, const char *rule, const struct fault *f)
{
    struct seen *s = ctx;
    assert_int_not_equal(f->err, OK);
    assert_true(f->detail[0] != '\0');
    s->count++;
    if (!strstr(s->rules, rule) && strlen(s->rules) + strlen(rule) + 2 < sizeof s->rules) {
        strcat(s->rules, rule);
        strcat(s->rules, " ");
    }
}

static struct node_provider records_of(struct tree *t, char dir[256], const char *name)
{
    struct node_provider nodes;
    node_provider_dir(&nodes, tree_path(t, dir, name, NULL));
    return nodes;
}

static err_t try_make(struct tree *t, const char *name, const hash_t *supersedes, struct plan **out)
{
    struct cbor_out o = CBOR_OUT_INIT;
    struct fault f = {0};
    char dir[256];
    hash_t id;
    struct node_provider nodes = records_of(t, dir, name);
    *out = NULL;
    err_t e = plan_make(&o, &id, &t->ctx, &nodes, supersedes, &f);
    assert_int_equal(e, f.err);
    if (e == OK) {
        assert_int_equal(plan_parse_var(out, &t->ctx, o.data, o.len, &f), OK);
        assert_memory_equal(&(*out)->id, &id, sizeof id);
    }
    cbor_out_free(&o);
    return e;
}

static struct plan *make(struct tree *t, const char *name)
{
    struct plan *p;
    assert_int_equal(try_make(t, name, NULL, &p), OK);
    return p;
}

/* A plan as someone would make it who does not care for the minimum. */
static struct plan *make_careless(struct tree *t, const char *name)
{
    uint32_t minimum = t->m->minimum;
    t->m->minimum = 1;
    struct plan *p = make(t, name);
    t->m->minimum = minimum;
    return p;
}

static err_t check(struct tree *t, const struct plan *p, const char *name, struct seen *s)
{
    struct fault f;
    char dir[256];
    struct node_provider nodes = records_of(t, dir, name);
    memset(s, 0, sizeof *s);
    err_t e = plan_check(p, &t->ctx, &nodes, see, s, &f);
    assert_int_equal(e, f.err);
    assert_int_equal(e == OK, s->count == 0);
    return e;
}

static void set_name(struct plan_unit *u, const char *place)
{
    snprintf(u->place, sizeof u->place, "%s", place);
}

static int has(const struct plan *p, const char *place, uint32_t contest)
{
    for (size_t i = 0; i < p->unit_count; i++)
        if (strcmp(p->unit[i].place, place) == 0 && p->unit[i].contest == contest)
            return 1;
    return 0;
}

/* What a check must say: exactly this rule, and the error. */
#define ASSERT_BROKEN(t, p, name, err, rule)                                                                 \
    do {                                                                                                     \
        struct seen s_;                                                                                      \
        assert_int_equal(check(t, p, name, &s_), err);                                                       \
        assert_string_equal(s_.rules, rule " ");                                                             \
    } while (0)

#define ASSERT_GOOD(t, p, name)                                                                              \
    do {                                                                                                     \
        struct seen s_;                                                                                      \
        err_t e_ = check(t, p, name, &s_);                                                                   \
        if (e_ != OK)                                                                                        \
            fail_msg("%s: %s", err_name(e_), s_.rules);                                                      \
    } while (0)

static const struct tree_votes plenty[] = {{"a1", 500, 400, 0, 0}, {"a2", 40, 40, 0, 0}, {"a3", 30, 0, 0, 0},
                                           {"b1", 60, 50, 0, 0},   {"b2", 70, 0, 0, 0},  {"b3", 80, 0, 0, 0},
                                           {NULL, 0, 0, 0, 0}};

/* --- making --- */

static void test_make(void **state)
{
    (void)state;
    struct tree t;
    hash_t root;
    tree_new(&t, &(struct tree_shape){0});
    tree_records(&t, "records", plenty, &root);
    struct plan *p = make(&t, "records");
    assert_memory_equal(&p->root, &root, sizeof root);
    assert_int_equal(p->has_supersedes, 0);
    /* mayor: 1 + 2 + 6; judge: 1 + 2 + 3 */
    assert_int_equal(p->unit_count, 15);
    assert_string_equal(p->unit[0].place, "whole");
    assert_int_equal(p->unit[0].ballots, 780);
    assert_int_equal(p->unit[1].contest, 1);
    assert_int_equal(p->unit[1].ballots, 490);
    ASSERT_GOOD(&t, p, "records");

    struct target *target;
    assert_int_equal(plan_targets(&target, &t.ctx, p), OK);
    assert_string_equal(target[1].contest, "judge");
    assert_string_equal(target[1].place, "whole");
    assert_int_equal(target[0].count, 2);
    assert_memory_equal(target[0].A, p->unit[0].A, 2 * sizeof(point_t));
    plan_targets_free(target, p->unit_count);
    plan_free(p);
    tree_free(&t);
}

static void test_nothing_to_decrypt(void **state)
{
    (void)state;
    struct tree t;
    struct plan *p;
    tree_new(&t, &(struct tree_shape){0});
    tree_records(&t, "records", (struct tree_votes[]){{"a1", 5, 4, 0, 0}, {"b1", 4, 4, 0, 0}, {0}}, NULL);
    assert_int_equal(try_make(&t, "records", NULL, &p), ERR_MINIMUM);
    p = make_careless(&t, "records");
    ASSERT_BROKEN(&t, p, "records", ERR_MINIMUM, "plan-minimum plan-remainder");
    plan_free(p);
    tree_free(&t);
}

/* County minus state: the whole minus county a would be the 3 ballots of county b. */
static void test_county_minus_state(void **state)
{
    (void)state;
    struct tree t;
    tree_new(&t, &(struct tree_shape){.decrypt = "[\"nation\", \"county\"]"});
    tree_records(&t, "records", (struct tree_votes[]){{"a1", 100, 0, 0, 0}, {"b1", 3, 0, 0, 0}, {0}}, NULL);
    struct plan *p = make(&t, "records");
    assert_int_equal(p->unit_count, 1);
    ASSERT_GOOD(&t, p, "records");
    plan_free(p);

    p = make_careless(&t, "records"); /* whole, a, b */
    assert_int_equal(p->unit_count, 3);
    ASSERT_BROKEN(&t, p, "records", ERR_MINIMUM, "plan-minimum plan-remainder");
    free(p->unit[2].member);
    free(p->unit[2].A);
    free(p->unit[2].B);
    p->unit_count = 2; /* b itself is left out: it can still be subtracted */
    ASSERT_BROKEN(&t, p, "records", ERR_MINIMUM, "plan-remainder");
    plan_free(p);
    tree_free(&t);
}

/* The same over a level that is not decrypted. */
static void test_levels_apart(void **state)
{
    (void)state;
    struct tree t;
    tree_new(&t, &(struct tree_shape){.decrypt = "[\"nation\", \"precinct\"]"});
    tree_records(&t, "records",
                 (struct tree_votes[]){
                     {"a1", 100, 0, 0, 0}, {"a2", 20, 0, 0, 0}, {"b1", 20, 0, 0, 0}, {"b2", 4, 0, 0, 0}, {0}},
                 NULL);
    struct plan *p = make(&t, "records");
    assert_true(has(p, "whole", 0) && has(p, "a1", 0) && has(p, "a2", 0));
    assert_false(has(p, "b1", 0)); /* ties: the later row */
    assert_false(has(p, "b2", 0));
    assert_false(has(p, "a", 0));
    ASSERT_GOOD(&t, p, "records");
    plan_free(p);
    tree_free(&t);
}

static const char deep_rows[] =
    "w,nation,,W,,\n"
    "s,state,w,S,,\nu,state,w,U,,\n"
    "sa,county,s,SA,,\nsb,county,s,SB,,\nua,county,u,UA,,\n"
    "sa1,precinct,sa,P,both,\nsa2,precinct,sa,P,both,\nsb1,precinct,sb,P,both,\nua1,precinct,ua,P,both,\n";
static const char deep_levels[] = "[\"nation\", \"state\", \"county\", \"precinct\"]";

/* A part that is left out goes with all that is in it: otherwise its precincts would leave 4 of the state
 * again. */
static void test_leave_out_subtree(void **state)
{
    (void)state;
    struct tree t;
    tree_new(&t, &(struct tree_shape){.levels = deep_levels, .decrypt = deep_levels, .rows = deep_rows});
    tree_records(
        &t, "records",
        (struct tree_votes[]){
            {"sa1", 30, 0, 0, 0}, {"sa2", 30, 0, 0, 0}, {"sb1", 4, 0, 0, 0}, {"ua1", 900, 0, 0, 0}, {0}},
        NULL);
    struct plan *p = make(&t, "records");
    assert_true(has(p, "w", 0) && has(p, "s", 0) && has(p, "u", 0) && has(p, "ua", 0) && has(p, "ua1", 0));
    assert_false(has(p, "sa", 0) || has(p, "sa1", 0) || has(p, "sa2", 0));
    assert_int_equal(p->unit_count, 5);
    ASSERT_GOOD(&t, p, "records");
    plan_free(p);
    tree_free(&t);
}

/* A contest on two ballots of a thousand. */
static void test_contest_on_two_ballots(void **state)
{
    (void)state;
    struct tree t;
    tree_new(&t, &(struct tree_shape){0});
    tree_records(&t, "records", (struct tree_votes[]){{"a1", 500, 2, 0, 0}, {"b1", 500, 0, 0, 0}, {0}}, NULL);
    struct plan *p = make(&t, "records");
    assert_int_equal(p->unit_count, 5);
    for (size_t i = 0; i < p->unit_count; i++)
        assert_int_equal(p->unit[i].contest, 0);
    plan_free(p);
    p = make_careless(&t, "records");
    struct seen s;
    assert_int_equal(check(&t, p, "records", &s), ERR_MINIMUM);
    assert_int_equal(s.count, 3 + 1); /* whole, a, a1 have too few; what a1 has outside of parts is too few */
    plan_free(p);
    tree_free(&t);
}

static const char group_rows[] = "whole,nation,,Whole,,\n"
                                 "a,county,whole,A,,\nb,county,whole,B,,\n"
                                 "a1,precinct,a,A1,both,small\na2,precinct,a,A2,one,\n"
                                 "a3,precinct,a,A3,one,small\n"
                                 "a4,precinct,a,A4,one,small\nb1,precinct,b,B1,both,\n";

static void test_groups(void **state)
{
    (void)state;
    struct tree t;
    tree_new(&t, &(struct tree_shape){.rows = group_rows});
    tree_records(&t, "records",
                 (struct tree_votes[]){{"a1", 6, 6, 0, 0},
                                       {"a2", 50, 0, 0, 0},
                                       {"a3", 7, 0, 0, 0},
                                       {"a4", 0, 0, 1, 0},
                                       {"b1", 80, 80, 0, 0},
                                       {0}},
                 NULL);
    struct plan *p = make(&t, "records");
    size_t i = 0;
    while (i < p->unit_count && strcmp(p->unit[i].place, "small") != 0)
        i++;
    assert_true(i < p->unit_count);
    assert_int_equal(p->unit[i].is_group, 1);
    assert_int_equal(p->unit[i].ballots, 13);
    assert_int_equal(p->unit[i].member_count, 2);                         /* a4 is missing */
    assert_false(has(p, "small", 1) || has(p, "a", 1) || has(p, "b", 1)); /* judge: 6 ballots in a */
    assert_true(has(p, "whole", 1));
    ASSERT_GOOD(&t, p, "records");

    p->unit[i].member_count = 1; /* only a1, as the group */
    p->unit[i].ballots = 10;
    struct seen s;
    assert_int_not_equal(check(&t, p, "records", &s), OK);
    assert_non_null(strstr(s.rules, "plan-members"));
    assert_non_null(strstr(s.rules, "plan-ballots"));
    set_name(&p->unit[i], "a1"); /* a1, as itself */
    assert_int_not_equal(check(&t, p, "records", &s), OK);
    assert_non_null(strstr(s.rules, "plan-members"));
    plan_free(p);
    tree_free(&t);
}

/* --- the theorem, over random elections --- */

static unsigned next_random(unsigned *seed)
{
    *seed = *seed * 1103515245 + 12345;
    return *seed >> 16;
}

/* Lowest-level places that are in the same units cannot be told apart; any combination of the units' sums
 * is one of the sums of such classes. So every class that is in a unit at all must have 0 ballots or at
 * least the minimum. */
static void assert_private(struct tree *t, const struct plan *p, const struct tree_votes *votes)
{
    for (uint32_t contest = 0; contest < 2; contest++) {
        uint64_t sign[32] = {0};
        size_t n = 0;
        for (; votes[n].place; n++)
            for (size_t u = 0; u < p->unit_count; u++)
                for (size_t m = 0; m < p->unit[u].member_count && p->unit[u].contest == contest; m++)
                    for (int64_t at = tree_place(t, votes[n].place); at >= 0;) {
                        struct place pl;
                        if (at == (int64_t)p->unit[u].member[m].place)
                            sign[n] |= (uint64_t)1 << u;
                        places_get(t->places, (uint32_t)at, &pl);
                        at = pl.parent;
                    }
        for (size_t i = 0; i < n; i++) {
            uint64_t class = 0;
            for (size_t j = 0; j < n; j++)
                if (sign[i] == sign[j] && !votes[j].absent)
                    class += contest == 0 ? votes[j].mayor : votes[j].judge;
            if (sign[i])
                assert_true(class == 0 || class >= t->m->minimum);
        }
    }
}

static void test_random(void **state)
{
    (void)state;
    static const char random_rows[] =
        "w,nation,,W,,\n"
        "s,state,w,S,,\nu,state,w,U,,\n"
        "sa,county,s,SA,,g\nsb,county,s,SB,,\nsc,county,s,SC,,g\nua,county,u,UA,,\nub,county,u,UB,,\n"
        "p0,precinct,sa,P,both,k\np1,precinct,sa,P,both,k\np2,precinct,sa,P,one,\np3,precinct,sb,P,both,\n"
        "p4,precinct,sb,P,one,\np5,precinct,sc,P,both,\np6,precinct,sc,P,one,l\np7,precinct,sc,P,both,l\n"
        "p8,precinct,ua,P,one,\np9,precinct,ua,P,both,\npa,precinct,ub,P,both,\npb,precinct,ub,P,one,\n";
    static const char *const decrypt[] = {deep_levels, "[\"nation\", \"precinct\"]",
                                          "[\"nation\", \"county\"]",
                                          "[\"nation\", \"state\", \"precinct\"]"};
    static const char *const id[] = {"p0", "p1", "p2", "p3", "p4", "p5", "p6", "p7", "p8", "p9", "pa", "pb"};
    unsigned seed = 7, made = 0;
    for (size_t d = 0; d < 4; d++) {
        struct tree t;
        tree_new(&t, &(struct tree_shape){.levels = deep_levels, .decrypt = decrypt[d], .rows = random_rows});
        for (int round = 0; round < 25; round++) {
            struct tree_votes v[13] = {0};
            for (int i = 0; i < 12; i++) {
                static const uint64_t size[] = {0, 3, 5, 9, 10, 12, 30, 200};
                v[i].place = id[i];
                v[i].mayor = size[next_random(&seed) % 8];
                v[i].absent = next_random(&seed) % 12 == 0;
                int both = i == 0 || i == 1 || i == 3 || i == 5 || i == 7 || i == 9 || i == 10;
                v[i].judge = both ? size[next_random(&seed) % 8] : 0;
            }
            struct plan *p;
            tree_records(&t, "records", v, NULL);
            err_t e = try_make(&t, "records", NULL, &p);
            if (e == ERR_MINIMUM)
                continue;
            assert_int_equal(e, OK);
            made++;
            assert_true(p->unit_count <= 64);
            ASSERT_GOOD(&t, p, "records");
            assert_private(&t, p, v);
            plan_free(p);
        }
        tree_free(&t);
    }
    assert_true(made > 50);
}

/* --- plans that are wrong --- */

static void swap_units(struct plan *p, size_t i, size_t j)
{
    struct plan_unit u = p->unit[i];
    p->unit[i] = p->unit[j];
    p->unit[j] = u;
}

static void test_altered_plan(void **state)
{
    (void)state;
    struct tree t;
    struct seen s;
    tree_new(&t, &(struct tree_shape){0});
    tree_records(&t, "records", plenty, NULL);
    struct plan *p = make(&t, "records");

    p->root.b[0] ^= 1;
    ASSERT_BROKEN(&t, p, "records", ERR_HASH, "plan-root");
    p->root.b[0] ^= 1;
    swap_units(p, 0, 1);
    ASSERT_BROKEN(&t, p, "records", ERR_CANONICAL, "plan-order");
    swap_units(p, 0, 1);
    p->unit[4].member[0].hash.b[3] ^= 1;
    ASSERT_BROKEN(&t, p, "records", ERR_HASH, "plan-hash");
    p->unit[4].member[0].hash.b[3] ^= 1;
    p->unit[0].ballots++; /* also 1 outside of its parts */
    assert_int_equal(check(&t, p, "records", &s), ERR_MINIMUM);
    assert_string_equal(s.rules, "plan-remainder plan-ballots ");
    p->unit[0].ballots--;
    point_t keep = p->unit[2].B[1];
    p->unit[2].B[1] = p->unit[2].B[0];
    ASSERT_BROKEN(&t, p, "records", ERR_SUM, "plan-sum");
    p->unit[2].B[1] = keep;
    keep = p->unit[2].A[1];
    memset(&p->unit[2].A[1], 0, sizeof keep);
    assert_int_equal(check(&t, p, "records", &s), ERR_RULE);
    assert_string_equal(s.rules, "plan-identity plan-sum ");
    p->unit[2].A[1] = keep;
    t.m->decrypt_levels = 5; /* counties are not decrypted */
    ASSERT_BROKEN(&t, p, "records", ERR_RULE, "plan-level");
    t.m->decrypt_levels = 7;
    set_name(&p->unit[3], "b"); /* one place under another's name */
    ASSERT_BROKEN(&t, p, "records", ERR_MISMATCH, "plan-members");
    set_name(&p->unit[3], p->unit[2].place);
    ASSERT_GOOD(&t, p, "records");
    plan_free(p);
    tree_free(&t);
}

static void test_unit_twice(void **state)
{
    (void)state;
    struct tree t;
    struct seen s;
    tree_new(&t, &(struct tree_shape){0});
    tree_records(&t, "records", plenty, NULL);
    struct plan *p = make(&t, "records");
    struct plan twice = *p;
    twice.unit = calloc(p->unit_count + 1, sizeof *twice.unit);
    assert_non_null(twice.unit);
    memcpy(twice.unit, p->unit, p->unit_count * sizeof *p->unit);
    twice.unit[p->unit_count] = p->unit[p->unit_count - 1];
    twice.unit_count++;
    assert_int_not_equal(check(&t, &twice, "records", &s), OK);
    assert_non_null(strstr(s.rules, "plan-order"));
    free(twice.unit);
    plan_free(p);
    tree_free(&t);
}

/* A plan of rubbish costs whoever reads it no more than its length: 100,000 copies of two units, one inside
 * the other. */
static void test_many_copies(void **state)
{
    (void)state;
    struct tree t;
    struct plan_unit *unit = calloc(100000, sizeof *unit);
    assert_non_null(unit);
    tree_new(&t, &(struct tree_shape){0});
    tree_records(&t, "records", plenty, NULL);
    struct plan *p = make(&t, "records"), many = *p;
    many.unit = unit;
    many.unit_count = 100000;
    for (size_t i = 0; i < many.unit_count; i++)
        unit[i] = p->unit[i % 2 ? 1 : p->unit_count - 1];
    struct timespec from, to;
    struct fault f;
    char dir[256];
    struct node_provider nodes = records_of(&t, dir, "records");
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
    assert_int_not_equal(plan_check(&many, &t.ctx, &nodes, NULL, NULL, &f), OK);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
    assert_true(to.tv_sec - from.tv_sec < 10); /* compared in pairs: 16 s; without: 1 s */
    free(unit);
    plan_free(p);
    tree_free(&t);
}

/* A place that is missing is no unit, and no member. */
static void test_missing_member(void **state)
{
    (void)state;
    struct tree t;
    struct tree_votes v[7];
    tree_new(&t, &(struct tree_shape){0});
    tree_records(&t, "records", plenty, NULL);
    struct plan *p = make(&t, "records");
    memcpy(v, plenty, sizeof v);
    v[2].absent = 1;
    tree_records(&t, "fewer", v, NULL);
    struct seen s;
    assert_int_not_equal(check(&t, p, "fewer", &s), OK);
    assert_non_null(strstr(s.rules, "plan-members"));
    plan_free(p);
    p = make(&t, "fewer");
    assert_false(has(p, "a3", 0));
    ASSERT_GOOD(&t, p, "fewer");
    plan_free(p);
    tree_free(&t);
}

static void make_identity(const struct tree *t, struct node *n, void *arg)
{
    (void)t;
    (void)arg;
    p256_zero(&n->tallies->tally[0].A[0]);
}

/* A sum that nobody can decrypt, with ballots: it is left out, the others are not. */
static void test_undecryptable(void **state)
{
    (void)state;
    struct tree t;
    struct plan *p;
    tree_new(&t, &(struct tree_shape){0});
    tree_records(&t, "records", plenty, NULL);
    tree_alter(&t, "records", "a1", make_identity, NULL);
    tree_repair(&t, "records");
    p = make(&t, "records");
    ASSERT_GOOD(&t, p, "records");
    assert_false(has(p, "a1", 0));
    assert_true(has(p, "a1", 1) && has(p, "a2", 0) && has(p, "a", 0) && has(p, "whole", 0));
    plan_free(p);
    /* A whole county: what is inside of it would show a rest. */
    tree_records(&t, "records", plenty, NULL);
    for (size_t i = 0; plenty[i].place; i++)
        if (plenty[i].place[0] == 'b')
            tree_alter(&t, "records", plenty[i].place, make_identity, NULL);
    tree_repair(&t, "records");
    p = make(&t, "records");
    ASSERT_GOOD(&t, p, "records");
    assert_false(has(p, "b", 0) || has(p, "b1", 0) || has(p, "b2", 0));
    assert_true(has(p, "a1", 0) && has(p, "whole", 0));
    plan_free(p);
    tree_free(&t);
}

/* --- records that are wrong --- */

static void move_ballots(const struct tree *t, struct node *n, void *arg)
{
    (void)t;
    n->ballots += (uint64_t) * (int64_t *)arg;
    n->tallies->tally[0].ballots += (uint64_t) * (int64_t *)arg;
}

static void move_sum(const struct tree *t, struct node *n, void *arg)
{
    struct p256_affine g;
    (void)t;
    p256_generator(&g);
    if (*(int *)arg)
        p256_neg(&g, &g);
    p256_add_affine_var(&n->tallies->tally[0].B[0], &n->tallies->tally[0].B[0], &g);
}

static void omit_child(const struct tree *t, struct node *n, void *arg)
{
    (void)t;
    (void)arg;
    n->source_count--;
}

static void rename_child(const struct tree *t, struct node *n, void *arg)
{
    (void)t;
    (void)arg;
    n->source[0].hash.b[0] ^= 1;
}

static void claim_missing(const struct tree *t, struct node *n, void *arg)
{
    (void)arg;
    n->missing = malloc(sizeof *n->missing);
    assert_non_null(n->missing);
    n->missing[0] = tree_place(t, "a2");
    n->missing_count = 1;
}

static void test_altered_records(void **state)
{
    (void)state;
    struct tree t;
    struct plan *p, *none;
    int64_t more = 500, fewer = -400;
    int plus = 0, minus = 1;
    tree_new(&t, &(struct tree_shape){0});
    tree_records(&t, "good", plenty, NULL);
    p = make(&t, "good");

    tree_records(&t, "r1", plenty, NULL); /* the parent claims what its children do not give */
    tree_alter(&t, "r1", "a", move_ballots, &more);
    ASSERT_BROKEN(&t, p, "r1", ERR_SUM, "plan-records");
    assert_int_equal(try_make(&t, "r1", NULL, &none), ERR_SUM);
    int64_t huge = (int64_t)BALLOTS_MAX - 1000; /* children that cannot be added up */
    tree_records(&t, "r1", plenty, NULL);
    tree_alter(&t, "r1", "a2", move_ballots, &huge);
    tree_alter(&t, "r1", "a3", move_ballots, &huge);
    struct seen s;
    assert_int_equal(check(&t, p, "r1", &s), ERR_HASH);
    assert_non_null(strstr(s.rules, "plan-records"));
    assert_int_equal(try_make(&t, "r1", NULL, &none), ERR_SUM);
    tree_records(&t, "r1", plenty, NULL);
    tree_alter(&t, "r1", "whole", move_sum, &plus);
    ASSERT_BROKEN(&t, p, "r1", ERR_SUM, "plan-records");
    tree_records(&t, "r1", plenty, NULL); /* a child of the whole is left out */
    tree_alter(&t, "r1", "whole", omit_child, NULL);
    ASSERT_BROKEN(&t, p, "r1", ERR_MISSING, "plan-records");
    tree_records(&t, "r1", plenty, NULL);
    tree_alter(&t, "r1", "b", rename_child, NULL);
    ASSERT_BROKEN(&t, p, "r1", ERR_HASH, "plan-records");
    tree_records(&t, "r1", plenty, NULL);
    tree_alter(&t, "r1", "a", claim_missing, NULL);
    ASSERT_BROKEN(&t, p, "r1", ERR_MISMATCH, "plan-records");

    /* Votes moved from a1 to b1, all sums above made to fit: only hashes tell, and they do. */
    tree_records(&t, "r1", plenty, NULL);
    tree_alter(&t, "r1", "a1", move_sum, &minus);
    tree_alter(&t, "r1", "b1", move_sum, &plus);
    tree_repair(&t, "r1");
    assert_int_equal(check(&t, p, "r1", &s), ERR_HASH);
    assert_non_null(strstr(s.rules, "plan-root"));
    assert_non_null(strstr(s.rules, "plan-hash"));
    tree_records(&t, "r1", plenty, NULL);
    tree_alter(&t, "r1", "a1", move_ballots, &fewer);
    assert_int_not_equal(check(&t, p, "r1", &s), OK);
    plan_free(p);
    tree_free(&t);
}

/* --- two plans --- */

/* A plan for the same places with other votes that supersedes older. */
static struct plan *make_next(struct tree *t, const struct plan *older, const struct tree_votes *votes)
{
    struct plan *p;
    tree_records(t, "next", votes, NULL);
    assert_int_equal(try_make(t, "next", &older->id, &p), OK);
    ASSERT_GOOD(t, p, "next");
    return p;
}

static err_t supersede(struct tree *t, const struct plan *older, const struct plan *newer, struct seen *s)
{
    struct fault f;
    memset(s, 0, sizeof *s);
    struct plan *const one = (struct plan *)(uintptr_t)older; /* only read */
    err_t e = plan_supersede_all(&one, 1, newer, &t->ctx, see, s, &f);
    assert_int_equal(e, f.err);
    return e;
}

static void expect_supersede(struct tree *t, const struct tree_votes *before, const struct tree_votes *after,
                             err_t err, const char *rules)
{
    struct seen s;
    tree_records(t, "records", before, NULL);
    struct plan *older = make(t, "records"), *newer = make_next(t, older, after);
    assert_int_equal(supersede(t, older, newer, &s), err);
    assert_string_equal(s.rules, rules);
    plan_free(newer);
    plan_free(older);
}

static void test_supersede(void **state)
{
    (void)state;
    struct tree t;
    struct tree_votes v[7];
    tree_new(&t, &(struct tree_shape){0});
    memcpy(v, plenty, sizeof v);
    expect_supersede(&t, plenty, v, OK, "");

    v[0].mayor++; /* two plans, one ballot's difference */
    expect_supersede(&t, plenty, v, ERR_MINIMUM, "supersede-change supersede-remainder ");
    v[0].mayor = plenty[0].mayor + 10;
    expect_supersede(&t, plenty, v, OK, "");
    v[0].mayor = plenty[0].mayor;
    v[0].salt = 1; /* as many ballots, but other ones */
    expect_supersede(&t, plenty, v, ERR_MINIMUM, "supersede-change supersede-remainder ");
    v[0].salt = 0;

    /* Late precinct b3, then with few ballots. */
    struct tree_votes late[7];
    memcpy(late, plenty, sizeof late);
    late[5].absent = 1;
    expect_supersede(&t, late, plenty, OK, "");
    v[5].mayor = 3;
    struct seen s;
    tree_records(&t, "records", late, NULL);
    struct plan *older = make(&t, "records"), *newer = make_next(&t, older, v);
    assert_int_equal(supersede(&t, older, newer, &s), ERR_MINIMUM);
    assert_non_null(strstr(s.rules, "supersede-change"));
    plan_free(newer);

    newer = make_next(&t, older, plenty);
    older->id.b[0] ^= 1;
    assert_int_equal(supersede(&t, older, newer, &s), ERR_MISMATCH);
    assert_string_equal(s.rules, "supersede-hash ");
    plan_free(newer);
    plan_free(older);
    tree_free(&t);
}

/* 10 more ballots, then 11 fewer: each step is large enough, but the third plan minus the first is one
 * ballot. */
static void test_supersede_chain(void **state)
{
    (void)state;
    struct tree t;
    struct seen s;
    struct fault f;
    struct tree_votes v[7];
    tree_new(&t, &(struct tree_shape){0});
    memcpy(v, plenty, sizeof v);
    tree_records(&t, "records", plenty, NULL);
    struct plan *first = make(&t, "records");
    v[0].mayor = plenty[0].mayor + 10;
    struct plan *second = make_next(&t, first, v);
    v[0].mayor = plenty[0].mayor - 1;
    struct plan *third = make_next(&t, second, v);
    assert_int_equal(supersede(&t, first, second, &s), OK);
    assert_int_equal(supersede(&t, second, third, &s), ERR_MISSING); /* the first must be looked at, too */
    struct plan *all[] = {first, second};
    memset(&s, 0, sizeof s);
    assert_int_equal(plan_supersede_all(all, 2, third, &t.ctx, see, &s, &f), ERR_MINIMUM);
    assert_string_equal(s.rules, "supersede-change supersede-remainder ");
    plan_free(third);

    v[0].mayor = plenty[0].mayor + 20;
    third = make_next(&t, second, v);
    assert_int_equal(plan_supersede_all(all, 2, third, &t.ctx, NULL, NULL, &f), OK);
    assert_int_equal(plan_supersede_all(&all[1], 1, third, &t.ctx, NULL, NULL, &f), ERR_MISSING);
    assert_int_equal(plan_supersede_all(all, 1, third, &t.ctx, NULL, NULL, &f), ERR_MISMATCH);
    assert_int_equal(plan_supersede_all(NULL, 0, third, &t.ctx, NULL, NULL, &f), ERR_MISSING);
    assert_int_equal(plan_supersede_all(NULL, 0, first, &t.ctx, NULL, NULL, &f), OK);
    plan_free(third);
    plan_free(second);
    plan_free(first);
    tree_free(&t);
}

/* Every unit changes enough, and yet: what changes outside of the parts is 3 ballots. */
static void test_supersede_remainder(void **state)
{
    (void)state;
    static const char rows[] = "whole,nation,,Whole,,\na,county,whole,A,,\nb,county,whole,B,,\n"
                               "c,county,whole,C,,\nd,county,whole,D,,\n"
                               "a1,precinct,a,P,one,\nb1,precinct,b,P,one,\nc1,precinct,c,P,one,\n"
                               "d1,precinct,d,P,one,\n";
    struct tree t;
    tree_new(&t, &(struct tree_shape){.rows = rows, .decrypt = "[\"nation\", \"county\"]"});
    struct tree_votes before[] = {
        {"a1", 100, 0, 0, 0}, {"b1", 100, 0, 0, 0}, {"c1", 5, 0, 0, 0}, {"d1", 5, 0, 0, 0}, {0}};
    struct tree_votes after[] = {
        {"a1", 120, 0, 0, 0}, {"b1", 120, 0, 0, 0}, {"c1", 8, 0, 0, 0}, {"d1", 5, 0, 0, 0}, {0}};
    expect_supersede(&t, before, after, ERR_MINIMUM, "supersede-remainder ");
    after[2] = before[2];
    expect_supersede(&t, before, after, OK, "");
    after[2].salt = 1;
    expect_supersede(&t, before, after, ERR_MINIMUM, "supersede-remainder ");

    /* Before: c and d have 3 ballots, so that b is left out. Then 10 more come to c: now b is shown, too.
     * The old whole minus a and b would be the 3 ballots. */
    struct tree_votes few[] = {{"a1", 120, 0, 0, 0}, {"b1", 100, 0, 0, 0}, {"c1", 3, 0, 0, 0}, {0}};
    struct tree_votes more[] = {{"a1", 120, 0, 0, 0}, {"b1", 100, 0, 0, 0}, {"c1", 13, 0, 0, 0}, {0}};
    expect_supersede(&t, few, more, ERR_MINIMUM, "supersede-mixed ");
    expect_supersede(&t, more, few, ERR_MINIMUM, "supersede-mixed ");
    tree_free(&t);
}

/* --- the theorem for two plans: late ballots --- */

#define PRECINCTS 6
#define COHORTS (2 * PRECINCTS) /* ballots there from the beginning, and late ones, of each precinct */
#define PRIME 2147483647u

struct span {
    size_t count;
    uint64_t row[64][COHORTS]; /* reduced: the pivot of each is 1 and 0 in all others */
    size_t pivot[64];
};

static uint64_t inverse(uint64_t a)
{
    uint64_t r = 1;
    for (uint32_t e = PRIME - 2; e; e >>= 1, a = a * a % PRIME)
        if (e & 1)
            r = r * a % PRIME;
    return r;
}

static void subtract(uint64_t *v, const uint64_t *row, uint64_t times)
{
    for (size_t i = 0; i < COHORTS; i++)
        v[i] = (v[i] + (PRIME - times) * row[i]) % PRIME;
}

/* Reduces v by the span; 1 if nothing is left of it. */
static int reduce(const struct span *s, uint64_t v[COHORTS])
{
    uint64_t any = 0;
    for (size_t i = 0; i < s->count; i++)
        subtract(v, s->row[i], v[s->pivot[i]]);
    for (size_t i = 0; i < COHORTS; i++)
        any |= v[i];
    return any == 0;
}

static void span_add(struct span *s, uint64_t v[COHORTS])
{
    if (reduce(s, v))
        return;
    size_t p = 0;
    while (!v[p])
        p++;
    uint64_t k = inverse(v[p]);
    for (size_t i = 0; i < COHORTS; i++)
        v[i] = v[i] * k % PRIME;
    for (size_t i = 0; i < s->count; i++)
        subtract(s->row[i], v, s->row[i][p]);
    memcpy(s->row[s->count], v, sizeof s->row[0]);
    s->pivot[s->count++] = p;
}

static void span_plan(struct tree *t, struct span *s, const struct plan *p, const struct tree_votes *votes,
                      const uint64_t size[COHORTS], int late)
{
    for (size_t u = 0; u < p->unit_count; u++) {
        uint64_t v[COHORTS] = {0};
        for (size_t i = 0; i < PRECINCTS; i++)
            for (int64_t at = tree_place(t, votes[i].place); at >= 0;) {
                struct place pl;
                if (at == (int64_t)p->unit[u].member[0].place) {
                    v[i] = size[i] > 0;
                    v[PRECINCTS + i] = late && size[PRECINCTS + i] > 0;
                }
                places_get(t->places, (uint32_t)at, &pl);
                at = pl.parent;
            }
        span_add(s, v);
    }
}

/* The fewest ballots, above none, of any set that is a combination of what the two plans show. */
static uint64_t fewest(const struct span *s, const uint64_t size[COHORTS])
{
    uint64_t least = UINT64_MAX;
    for (uint32_t set = 1; set < 1u << COHORTS; set++) {
        uint64_t v[COHORTS], ballots = 0;
        int real = 1;
        for (size_t i = 0; i < COHORTS; i++) {
            v[i] = set >> i & 1;
            ballots += v[i] ? size[i] : 0;
            real = real && (!v[i] || size[i]);
        }
        if (real && ballots < least && reduce(s, v))
            least = ballots;
    }
    return least;
}

static struct plan *try_after(struct tree *t, const char *name, struct plan *older)
{
    struct cbor_out o = CBOR_OUT_INIT;
    struct fault f = {0};
    struct plan *p = NULL;
    char dir[256];
    struct node_provider nodes = records_of(t, dir, name);
    err_t e = plan_make_after(&o, NULL, &t->ctx, &nodes, &older, 1, &f);
    assert_int_equal(e, f.err);
    if (e == OK)
        assert_int_equal(plan_parse_var(&p, &t->ctx, o.data, o.len, &f), OK);
    else
        assert_int_equal(e, ERR_MINIMUM);
    cbor_out_free(&o);
    return p;
}

/* If the rules accept a plan after another, no combination of both is about fewer ballots than the minimum.
 */
static void test_supersede_random(void **state)
{
    (void)state;
    static const char *const id[] = {"a1", "a2", "a3", "b1", "b2", "b3"};
    static const uint64_t first[] = {0, 3, 10, 12, 25, 40}, late[] = {0, 0, 0, 4, 10, 15};
    unsigned seed = 11, accepted = 0, refused = 0, kept_count = 0;
    struct tree t;
    tree_new(&t, &(struct tree_shape){0});
    for (int round = 0; round < 300; round++) {
        struct tree_votes before[PRECINCTS + 1] = {0}, after[PRECINCTS + 1] = {0};
        uint64_t size[COHORTS];
        struct plan *older, *newer;
        struct seen s;
        for (size_t i = 0; i < PRECINCTS; i++) {
            size[i] = first[next_random(&seed) % 6];
            size[PRECINCTS + i] = late[next_random(&seed) % 6];
            before[i].place = after[i].place = id[i];
            before[i].mayor = size[i];
            after[i].mayor = size[i] + size[PRECINCTS + i];
        }
        tree_records(&t, "records", before, NULL);
        if (try_make(&t, "records", NULL, &older) != OK)
            continue;
        newer = make_next(&t, older, after);
        struct span *span = calloc(1, sizeof *span);
        assert_non_null(span);
        span_plan(&t, span, older, before, size, 0);
        span_plan(&t, span, newer, after, size, 1);
        if (supersede(&t, older, newer, &s) == OK) {
            accepted++;
            assert_true(fewest(span, size) >= t.m->minimum);
        } else {
            refused++;
        }
        struct plan *kept = try_after(&t, "next", older);
        if (kept) {
            kept_count++;
            ASSERT_GOOD(&t, kept, "next");
            memset(span, 0, sizeof *span);
            span_plan(&t, span, older, before, size, 0);
            span_plan(&t, span, kept, after, size, 1);
            assert_true(fewest(span, size) >= t.m->minimum);
            plan_free(kept);
        }
        free(span);
        plan_free(newer);
        plan_free(older);
    }
    assert_true(accepted > 20 && refused > 20 && kept_count > accepted);
    tree_free(&t);
}

/* --- reading --- */

static void test_parse(void **state)
{
    (void)state;
    struct tree t;
    struct cbor_out o = CBOR_OUT_INIT;
    struct fault f;
    struct plan *p;
    char dir[256];
    tree_new(&t, &(struct tree_shape){0});
    tree_records(&t, "records", plenty, NULL);
    struct node_provider nodes = records_of(&t, dir, "records");
    assert_int_equal(plan_make(&o, NULL, &t.ctx, &nodes, NULL, &f), OK);
    for (size_t len = 0; len < o.len; len++) {
        assert_int_not_equal(plan_parse_var(&p, &t.ctx, o.data, len, &f), OK);
        assert_null(p);
    }
    cbor_put_null(&o);
    assert_int_equal(plan_parse_var(&p, &t.ctx, o.data, o.len, &f), ERR_TRAILING);
    o.len--;
    t.r.id.b[0] ^= 1;
    assert_int_equal(plan_parse_var(&p, &t.ctx, o.data, o.len, &f), ERR_ELECTION);
    t.r.id.b[0] ^= 1;
    for (size_t i = 0; i < o.len; i++) { /* one byte changed: refused, or another plan with another hash */
        hash_t before, after;
        assert_int_equal(plan_hash(&before, o.data, o.len), OK);
        o.data[i] ^= 0x40;
        assert_int_equal(plan_hash(&after, o.data, o.len), OK);
        assert_int_not_equal(hash_cmp(&before, &after), 0);
        if (plan_parse_var(&p, &t.ctx, o.data, o.len, &f) == OK)
            plan_free(p);
        o.data[i] ^= 0x40;
    }
    cbor_out_free(&o);
    tree_free(&t);
}

static void test_parse_node(void **state)
{
    (void)state;
    struct tree t;
    struct fault f;
    struct node *n;
    uint8_t *data;
    size_t len;
    char path[256];
    tree_new(&t, &(struct tree_shape){0});
    struct tree_votes v[] = {{"a1", 500, 400, 0, 0}, {"a2", 0, 0, 1, 0}, {0}};
    tree_records(&t, "records", v, NULL);
    assert_int_equal(file_read(&data, &len, tree_path(&t, path, "records", "county/a.cbor"), 1 << 20, &f),
                     OK);
    uint32_t a = tree_place(&t, "a");
    for (size_t i = 0; i < len; i++) {
        assert_int_not_equal(node_parse_var(&n, &t.ctx, a, data, i, &f), OK);
        assert_null(n);
        data[i] ^= 0x20;
        if (node_parse_var(&n, &t.ctx, a, data, len, &f) == OK)
            node_free(n);
        data[i] ^= 0x20;
    }
    assert_int_equal(node_parse_var(&n, &t.ctx, tree_place(&t, "b"), data, len, &f), ERR_MISMATCH);
    t.m->election.b[0] ^= 1;
    assert_int_equal(node_parse_var(&n, &t.ctx, a, data, len, &f), ERR_ELECTION);
    t.m->election.b[0] ^= 1;
    assert_int_equal(node_parse_var(&n, &t.ctx, a, data, len, &f), OK);
    assert_int_equal(n->missing_count, 1);
    node_free(n);
    free(data);
    tree_free(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_make),
        cmocka_unit_test(test_nothing_to_decrypt),
        cmocka_unit_test(test_county_minus_state),
        cmocka_unit_test(test_levels_apart),
        cmocka_unit_test(test_leave_out_subtree),
        cmocka_unit_test(test_contest_on_two_ballots),
        cmocka_unit_test(test_groups),
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_altered_plan),
        cmocka_unit_test(test_unit_twice),
        cmocka_unit_test(test_many_copies),
        cmocka_unit_test(test_missing_member),
        cmocka_unit_test(test_undecryptable),
        cmocka_unit_test(test_altered_records),
        cmocka_unit_test(test_supersede),
        cmocka_unit_test(test_supersede_chain),
        cmocka_unit_test(test_supersede_remainder),
        cmocka_unit_test(test_supersede_random),
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_parse_node),
    };
    return cmocka_run_group_tests_name("tally/plan", tests, NULL, NULL);
}
