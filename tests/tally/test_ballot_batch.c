/* Ballots checked by the batch against ballots checked one by one: the same verdict on every one, whichever
 * byte is wrong; forged ballots that cancel each other; many bad ones; sums. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ceremony/base/secret.h"
#include "tally/ballot_batch.h"
#include "tally/ballot_form.h"
#include "tests/support/ballots.h"

struct world {
    struct fixture *x;
    struct ballot_layout *layout;
    struct ballot_batch *b;
};

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    w->x = fixture_new(KIND_BALLOTS);
    assert_int_equal(ballot_layout_new(&w->layout, &w->x->ctx), OK);
    assert_int_equal(ballot_batch_new(&w->b, w->layout, &w->x->ctx, BALLOT_BATCH_POINTS, 1), OK);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    ballot_batch_free(w->b);
    ballot_layout_free(w->layout);
    fixture_free(w->x);
    free(w);
    return 0;
}

/* The other opinion. */
static err_t judge(const struct world *w, const uint8_t *data, size_t len, hash_t *id, hash_t *leaf)
{
    struct ballot *b;
    TRY(ballot_parse_var(&b, &w->x->ctx, data, len, NULL));
    *id = b->id;
    *leaf = b->leaf;
    err_t e = ballot_verify_var(&w->x->ctx, b, NULL);
    ballot_free(b);
    return e;
}

static void put(struct world *w, const uint8_t *data, size_t len, uint64_t tag)
{
    assert_int_equal(ballot_batch_put(w->b, data, len, tag), OK);
}

/* Runs the batch and compares each verdict; returns how many are bad. */
static size_t run_and_compare(struct world *w)
{
    size_t bad = 0;
    assert_int_equal(ballot_batch_run(w->b), OK);
    for (size_t i = 0; i < ballot_batch_count(w->b); i++) {
        const struct ballot_item *it = ballot_batch_item(w->b, i);
        hash_t id, leaf;
        err_t e = judge(w, ballot_batch_bytes(w->b, i), it->len, &id, &leaf);
        if (it->err != e)
            fail_msg("ballot %zu: %s, not %s", (size_t)it->tag, err_name(it->err), err_name(e));
        bad += e != OK;
        if (i % 5 == 0) {
            struct fault f;
            fault_clear(&f);
            assert_int_equal(ballot_batch_fault(w->b, i, &f), e);
            assert_int_equal(f.err, e);
        }
        if (e == OK || e == ERR_PROOF) {
            assert_int_equal(hash_cmp(&it->id, &id), 0);
            assert_int_equal(hash_cmp(&it->leaf, &leaf), 0);
        }
        merkle_leaf(&leaf, ballot_batch_bytes(w->b, i), it->len);
        assert_int_equal(hash_cmp(&it->leaf, &leaf), 0);
    }
    return bad;
}

static void make(struct world *w, struct cbor_out *o, const char *style, const char *choices)
{
    fixture_ballot(w->x, o, NULL, w->x->e1, style, choices);
}

static void test_good(void **state)
{
    struct world *w = *state;
    static const char *const what[][2] = {{"town", "mayor=a council=p,q,t school=yes"},
                                          {"small", "mayor=w"},
                                          {"rural", ""},
                                          {"town", "council=q,r"},
                                          {"rural", "school=no"}};
    struct tallies *one, *many;
    uint32_t contest;
    assert_int_equal(tallies_new(&one, &w->x->ctx, w->x->e1), OK);
    assert_int_equal(tallies_new(&many, &w->x->ctx, w->x->e1), OK);
    for (size_t i = 0; i < 20; i++) {
        struct cbor_out o = CBOR_OUT_INIT;
        make(w, &o, what[i % 5][0], what[i % 5][1]);
        put(w, o.data, o.len, 1000 + i);
        struct ballot *b = fixture_parse(w->x, &o);
        assert_int_equal(tallies_add_ballot_var(one, b), OK);
        ballot_free(b);
        cbor_out_free(&o);
    }
    assert_int_equal(run_and_compare(w), 0);
    for (size_t i = 0; i < 20; i++) {
        const struct ballot_item *it = ballot_batch_item(w->b, i);
        assert_int_equal(it->tag, 1000 + i);
        assert_int_equal(it->place, w->x->e1);
        assert_int_equal((int)it->style, manifest_style(w->x->m, what[i % 5][0]));
    }
    assert_int_equal(ballot_batch_sum(w->b, 0, 7, many), OK);
    assert_int_equal(ballot_batch_sum(w->b, 7, 20, many), OK);
    assert_true(tallies_equal_var(one, many, &contest));
    assert_int_equal(ballot_batch_put(w->b, (const uint8_t *)"", 0, 0), ERR_BUG);
    assert_int_equal(ballot_batch_run(w->b), ERR_BUG);
    tallies_free(one);
    tallies_free(many);
    ballot_batch_clear(w->b);
    assert_int_equal(ballot_batch_run(w->b), OK); /* nothing is wrong with nothing */
}

static void test_mismatch(void **state)
{
    struct world *w = *state;
    struct cbor_out o = CBOR_OUT_INIT;
    struct tallies *t, *zero;
    uint32_t contest;
    assert_int_equal(tallies_new(&t, &w->x->ctx, fixture_place(w->x, "e-2")), OK); /* no council */
    assert_int_equal(tallies_new(&zero, &w->x->ctx, fixture_place(w->x, "e-2")), OK);
    make(w, &o, "rural", "mayor=a");
    put(w, o.data, o.len, 0);
    cbor_out_free(&o);
    make(w, &o, "town", "mayor=a");
    put(w, o.data, o.len, 1);
    cbor_out_free(&o);
    assert_int_equal(run_and_compare(w), 0);
    assert_int_equal(ballot_batch_sum(w->b, 0, 2, t), ERR_MISMATCH);
    assert_true(tallies_equal_var(t, zero, &contest));
    assert_int_equal(ballot_batch_sum(w->b, 0, 1, t), OK);
    assert_int_equal(tallies_find(t, 0)->ballots, 1);
    tallies_free(t);
    tallies_free(zero);
}

/* y coordinates of a ballot's points, in its order. */
static size_t hints_of(struct world *w, uint8_t *out, const struct cbor_out *o)
{
    struct ballot_at at;
    struct ballot_scan *s;
    point_t point[200];
    struct group *g = w->x->g;
    assert_int_equal(ballot_scan_new(&s, w->layout), OK);
    assert_int_equal(ballot_scan_start(s, &at, o->data, o->len), OK);
    size_t n = ballot_layout_points(w->layout, at.style);
    assert_true(n <= 200);
    assert_int_equal(ballot_scan_read(s, point, &at, o->data), OK);
    for (size_t i = 0; i < n; i++) {
        uint8_t xy[65];
        assert_int_equal(point_uncompress(g, xy, &point[i]), OK);
        memcpy(out + 32 * i, xy + 33, 32);
    }
    ballot_scan_free(s);
    return 32 * n;
}

/* Hints that are right, wrong, of another length, for ballots that are good or bad: never another verdict. */
static void test_hints(void **state)
{
    struct world *w = *state;
    struct cbor_out o[2] = {CBOR_OUT_INIT, CBOR_OUT_INIT};
    uint8_t hints[2][32 * 200];
    size_t len[2];
    make(w, &o[0], "town", "mayor=a council=p,q,t school=yes");
    make(w, &o[1], "small", "mayor=b");
    for (int i = 0; i < 2; i++)
        len[i] = hints_of(w, hints[i], &o[i]);
    for (uint64_t tag = 0; tag < 60; tag++) {
        int k = tag % 2, wrong_hint = tag % 5 == 1, wrong_point = tag % 7 == 1, wrong_proof = tag % 11 == 1;
        size_t n = tag % 13 == 1 ? 0 : tag % 17 == 1 ? len[k] - 32 : len[k];
        size_t at = o[k].len - (wrong_point ? 34 + 20 : 1); /* the commitment of the id; its response */
        o[k].data[at] ^= wrong_point || wrong_proof;
        hints[k][len[k] - 32 * (1 + tag % 9) + tag % 32] ^= (uint8_t)(wrong_hint << tag % 8);
        assert_int_equal(ballot_batch_put_hinted(w->b, o[k].data, o[k].len, hints[k], n, tag), OK);
        o[k].data[at] ^= wrong_point || wrong_proof;
        hints[k][len[k] - 32 * (1 + tag % 9) + tag % 32] ^= (uint8_t)(wrong_hint << tag % 8);
    }
    size_t bad = run_and_compare(w);
    assert_true(bad > 8 && bad < 20);
    for (size_t i = 0; i < 60; i++) {
        const struct ballot_item *it = ballot_batch_item(w->b, i);
        size_t n = i % 13 == 1 ? 0 : i % 17 == 1 ? 1 : 2;
        int moved = i % 7 == 1; /* its hints are another point's */
        if (it->err == OK || it->err == ERR_PROOF)
            assert_int_equal(it->hints_wrong, n == 1 || (n == 2 && (i % 5 == 1 || moved)));
        else
            assert_int_equal(it->hints_wrong, 0);
    }
    cbor_out_free(&o[0]);
    cbor_out_free(&o[1]);
}

/* Runs of one style, with bad ones between, by one thread and by three. */
static void test_sums(void **state)
{
    struct world *w = *state;
    struct cbor_out o[3] = {CBOR_OUT_INIT, CBOR_OUT_INIT, CBOR_OUT_INIT};
    make(w, &o[0], "town", "mayor=a council=p,q,t school=yes");
    make(w, &o[1], "town", "mayor=w council=q");
    make(w, &o[2], "small", "mayor=b");
    for (size_t threads = 1; threads <= 3; threads += 2) {
        struct ballot_batch *b;
        struct tallies *want, *got;
        uint32_t contest;
        assert_int_equal(tallies_new(&want, &w->x->ctx, w->x->e1), OK);
        assert_int_equal(tallies_new(&got, &w->x->ctx, w->x->e1), OK);
        assert_int_equal(ballot_batch_new(&b, w->layout, &w->x->ctx, BALLOT_BATCH_POINTS, threads), OK);
        for (size_t i = 0; i < 250; i++) {
            const struct cbor_out *one = &o[i % 50 < 30 ? i % 2 : 2];
            int broken = i == 70 || i == 249;
            assert_int_equal(ballot_batch_put(b, one->data, one->len - (size_t)broken, i), OK);
            if (broken)
                continue;
            struct ballot *parsed = fixture_parse(w->x, one);
            assert_int_equal(tallies_add_ballot_var(want, parsed), OK);
            ballot_free(parsed);
        }
        assert_int_equal(ballot_batch_run(b), OK);
        assert_int_equal(ballot_batch_item(b, 69)->err, OK);
        assert_int_not_equal(ballot_batch_item(b, 70)->err, OK);
        assert_int_equal(ballot_batch_sum(b, 0, 3, got), OK);
        assert_int_equal(ballot_batch_sum(b, 3, 250, got), OK);
        assert_true(tallies_equal_var(want, got, &contest));
        tallies_free(want);
        tallies_free(got);
        ballot_batch_free(b);
    }
    for (size_t i = 0; i < 3; i++)
        cbor_out_free(&o[i]);
}

/* Bytes of a ballot, one at a time, a step apart: after some runs all of them. */
static void mutate_each(struct world *w, const char *style, const char *choices, size_t step)
{
    struct cbor_out o = CBOR_OUT_INIT;
    size_t bad = 0, all = 0;
    uint8_t start;
    make(w, &o, style, choices);
    random_bytes(&start, 1);
    for (size_t from = start % step; from < o.len;) {
        ballot_batch_clear(w->b);
        for (size_t n = 0; n < 150 && from < o.len; n++, from += step, all++) {
            uint8_t bit;
            random_bytes(&bit, 1);
            o.data[from] ^= (uint8_t)(1 << bit % 8);
            put(w, o.data, o.len, from);
            o.data[from] ^= (uint8_t)(1 << bit % 8);
        }
        put(w, o.data, o.len, o.len); /* a good one among them */
        bad += run_and_compare(w);
    }
    assert_int_equal(bad, all);
    cbor_out_free(&o);
}

static void test_mutations(void **state)
{
    struct world *w = *state;
    mutate_each(w, "small", "mayor=b", 3);
    mutate_each(w, "town", "mayor=a council=p,q,t school=yes", 17);
}

/* Bytes lost, added, doubled; other places and styles; other elections. */
static void test_shapes(void **state)
{
    struct world *w = *state;
    struct cbor_out o = CBOR_OUT_INIT, p = CBOR_OUT_INIT;
    struct fixture *other = fixture_other(KIND_BALLOTS);
    uint8_t *more;
    make(w, &o, "small", "mayor=b");
    more = calloc(1, 2 * o.len);
    assert_non_null(more);
    for (size_t len = 0; len < o.len; len += len < 140 ? 1 : 41)
        put(w, o.data, len, len);
    memcpy(more, o.data, o.len);
    memcpy(more + o.len, o.data, o.len);
    put(w, more, o.len + 1, 1);
    put(w, more, 2 * o.len, 2);
    memset(more, 0xff, 2 * o.len);
    put(w, more, 2 * o.len, 3);
    fixture_ballot(other, &p, NULL, other->e1, "small", "mayor=b");
    put(w, p.data, p.len, 4);
    memcpy(more, o.data, o.len);
    for (size_t i = 0; i + 3 < o.len && i < 200; i++)
        if (memcmp(o.data + i, "e-1", 3) == 0) {
            memcpy(more + i, "w-1", 3); /* does not vote in this style */
            put(w, more, o.len, 5);
            memcpy(more + i, "e-9", 3);
            put(w, more, o.len, 6);
            memcpy(more + i, "e\0001", 3);
            put(w, more, o.len, 7);
        }
    size_t count = ballot_batch_count(w->b);
    assert_int_equal(run_and_compare(w), count);
    assert_int_equal(ballot_batch_item(w->b, count - 1)->tag, 7);
    free(more);
    cbor_out_free(&o);
    cbor_out_free(&p);
    fixture_free(other);
}

/* An identifier with zeros behind it is another one, wherever memory goes on with zeros. */
static void test_zeros(void **state)
{
    struct world *w = *state;
    struct cbor_out o = CBOR_OUT_INIT;
    struct ballot_at at;
    struct ballot_scan *scan;
    make(w, &o, "town", "mayor=a");
    assert_int_equal(ballot_scan_new(&scan, w->layout), OK);
    assert_int_equal(ballot_scan_start(scan, &at, o.data, o.len), OK);
    ballot_scan_free(scan);
    size_t style = at.body - 5, place = style - 4; /* 64 town, 63 e-1 */
    assert_int_equal(o.data[style], 0x64);
    assert_int_equal(o.data[place], 0x63);
    for (size_t zeros = 1; zeros <= 19; zeros++) {
        uint8_t *more = calloc(1, o.len + zeros);
        assert_non_null(more);
        put(w, o.data, o.len, 0); /* the place of the one before is known */
        for (int which = 0; which < 2; which++) {
            size_t item = which ? place : style, behind = item + 1 + (o.data[item] & 31);
            memset(more, 0, o.len + zeros);
            memcpy(more, o.data, behind);
            memcpy(more + behind + zeros, o.data + behind, o.len - behind);
            more[item] = (uint8_t)(more[item] + zeros);
            put(w, more, o.len + zeros, zeros);
        }
        free(more);
    }
    assert_int_equal(run_and_compare(w), 38);
    cbor_out_free(&o);
}

/* A sum of ciphertexts that is the identity, in A or in B; a point that is. */
static void test_identity(void **state)
{
    struct world *w = *state;
    struct cbor_out o = CBOR_OUT_INIT, changed = CBOR_OUT_INIT;
    make(w, &o, "town", "school=yes");
    for (int b_side = 0; b_side < 2; b_side++) {
        struct ballot *b = fixture_parse(w->x, &o);
        struct ballot_vote *school = &b->vote[2];
        assert_int_equal(school->option_count, 2);
        point_t *from = b_side ? &school->ct[0].B : &school->ct[0].A;
        point_t *to = b_side ? &school->ct[1].B : &school->ct[1].A;
        *to = *from;
        to->b[0] ^= 1;
        fixture_encode(w->x, &changed, b);
        put(w, changed.data, changed.len, (uint64_t)b_side);
        cbor_out_free(&changed);
        memset(to->b, 0, sizeof to->b);
        fixture_encode(w->x, &changed, b);
        put(w, changed.data, changed.len, 2 + (uint64_t)b_side);
        cbor_out_free(&changed);
        ballot_free(b);
    }
    put(w, o.data, o.len, 4);
    assert_int_equal(run_and_compare(w), 4);
    assert_int_equal(ballot_batch_item(w->b, 0)->err, ERR_POINT);
    assert_int_equal(ballot_batch_item(w->b, 4)->err, OK);
    cbor_out_free(&o);
}

static void bump(scalar_t *s, int up)
{
    scalar_t one;
    scalar_set(&one, 1);
    if (up)
        scalar_add(s, s, &one);
    else
        scalar_sub(s, s, &one);
}

/* Wrong by opposite amounts: with equal weights the total would be zero. Scalars are not hashed, so all
 * challenges stay. */
static void test_cancelling(void **state)
{
    struct world *w = *state;
    struct cbor_out o[2] = {CBOR_OUT_INIT, CBOR_OUT_INIT}, changed = CBOR_OUT_INIT;
    make(w, &o[0], "small", "mayor=a");
    make(w, &o[1], "small", "mayor=b");
    for (int kind = 0; kind < 5; kind++) {
        ballot_batch_clear(w->b);
        for (int i = 0; i < 2; i++) {
            struct ballot *b = fixture_parse(w->x, &o[i]);
            struct ballot_vote *v = &b->vote[0];
            if (kind == 0)
                bump(&b->id_response, i);
            if (kind == 1)
                bump(&v->proof[2].z0, i);
            if (kind == 2) { /* in one ballot; the other one is good */
                bump(&v->proof[0].z1, 0);
                bump(&v->proof[1].z1, 1);
                i = 1;
            }
            if (kind == 3) { /* the sum's proof against an option's */
                bump(&v->sum_zero_one.z0, i);
                bump(&v->proof[3].z0, !i);
            }
            if (kind == 4) { /* two branches of one proof */
                bump(&v->proof[0].z0, 0);
                bump(&v->proof[0].z1, 1);
            }
            fixture_encode(w->x, &changed, b);
            put(w, changed.data, changed.len, (uint64_t)i);
            cbor_out_free(&changed);
            ballot_free(b);
        }
        put(w, o[0].data, o[0].len, 2);
        assert_int_equal(run_and_compare(w), kind == 2 ? 1 : 2);
    }
    cbor_out_free(&o[0]);
    cbor_out_free(&o[1]);
}

/* Votes that are not allowed, with the best proofs there can be. */
static void test_forged(void **state)
{
    struct world *w = *state;
    static const int value[][4] = {{2, -1, 0, 0}, {1, 1, 0, 0}, {0, 0, 0, 5}, {1, 0, 0, 0}, {-1, 1, 0, 0}};
    for (size_t i = 0; i < 5; i++) {
        struct cbor_out o = CBOR_OUT_INIT;
        fixture_forge(w->x, &o, w->x->e1, "small", value[i]);
        put(w, o.data, o.len, i);
        cbor_out_free(&o);
    }
    assert_int_equal(run_and_compare(w), 4);
    assert_int_equal(ballot_batch_item(w->b, 3)->err, OK);
}

/* Bad ones at the ends, in the middle, side by side, and all of them. */
static void test_many_bad(void **state)
{
    struct world *w = *state;
    enum { COUNT = 300 };
    struct cbor_out o = CBOR_OUT_INIT;
    make(w, &o, "small", "mayor=a");
    for (int all = 0; all < 2; all++) {
        struct ballot_batch *one = w->b;
        if (all) /* and shared by threads */
            assert_int_equal(ballot_batch_new(&w->b, w->layout, &w->x->ctx, BALLOT_BATCH_POINTS, 3), OK);
        for (size_t i = 0; i < COUNT; i++) {
            int bad = all || i == 0 || i == 17 || i == 18 || i == 150 || i == COUNT - 1;
            o.data[o.len - 1] ^= (uint8_t)bad;
            put(w, o.data, o.len, i);
            o.data[o.len - 1] ^= (uint8_t)bad;
        }
        assert_int_equal(ballot_batch_run(w->b), OK);
        for (size_t i = 0; i < COUNT; i++) {
            int bad = all || i == 0 || i == 17 || i == 18 || i == 150 || i == COUNT - 1;
            assert_int_equal(ballot_batch_item(w->b, i)->err, bad ? ERR_PROOF : OK);
        }
        if (all) {
            ballot_batch_free(w->b);
            w->b = one;
        }
    }
    cbor_out_free(&o);
}

static void test_room(void **state)
{
    struct world *w = *state;
    struct ballot_batch *b;
    struct cbor_out o = CBOR_OUT_INIT;
    size_t n = 0;
    make(w, &o, "small", "mayor=a");
    assert_int_equal(ballot_batch_new(&b, w->layout, &w->x->ctx, 300, 1), OK);
    for (; ballot_batch_has_room(b, o.len); n++)
        assert_int_equal(ballot_batch_put(b, o.data, o.len, n), OK);
    assert_true(n * 30 <= 300 && n >= 8);
    assert_int_equal(ballot_batch_run(b), OK);
    ballot_batch_free(b);
    assert_int_equal(ballot_batch_new(&b, w->layout, &w->x->ctx, 1, 1), OK);
    assert_true(ballot_batch_has_room(b, o.len)); /* one always has */
    assert_int_equal(ballot_batch_put(b, o.data, o.len, 0), OK);
    assert_false(ballot_batch_has_room(b, o.len));
    assert_int_equal(ballot_batch_run(b), OK);
    assert_int_equal(ballot_batch_item(b, 0)->err, OK);
    ballot_batch_free(b);
    cbor_out_free(&o);
}

static void test_counts_have_none(void **state)
{
    (void)state;
    struct fixture *x = fixture_new(KIND_IMPORT);
    struct ballot_layout *l;
    assert_int_equal(ballot_layout_new(&l, &x->ctx), ERR_RULE);
    assert_null(l);
    fixture_free(x);
}

int main(void)
{
    if (secret_init() != OK)
        return 1;
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_good),
        T(test_mismatch),
        T(test_sums),
        T(test_hints),
        T(test_mutations),
        T(test_shapes),
        T(test_identity),
        T(test_cancelling),
        T(test_forged),
        T(test_many_bad),
        T(test_zeros),
        T(test_room),
        cmocka_unit_test(test_counts_have_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
