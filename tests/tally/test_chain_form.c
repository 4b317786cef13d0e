/* The bytes of a voting chain: each round, and each rule broken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <zstd.h>

#include "ceremony/base/file.h"
#include "ceremony/math/p256_field.h"
#include "tally/ballot_form.h"
#include "tally/chain_segment.h"
#include "tests/support/ballots.h"
#include "tests/support/chain_maker.h"

static struct fixture *x, *other;
static struct chain_context home, abroad, foreign;

static void sample_header(struct chain_header *h)
{
    memset(h, 0, sizeof *h);
    assert_int_equal(chain_shard_parse(&h->shard, "01"), OK);
    h->height = 7;
    memset(&h->previous, 1, HASH_LEN);
    h->size = 4711;
    memset(&h->root, 2, HASH_LEN);
    memset(&h->ids, 3, HASH_LEN);
    memset(&h->tally, 4, HASH_LEN);
    h->time = 490000;
    h->state = CHAIN_SPLIT;
}

static void test_header(void **state)
{
    (void)state;
    struct chain_header h, back;
    struct cbor_out o = CBOR_OUT_INIT;
    struct fault f;
    sample_header(&h);
    assert_int_equal(chain_header_make(&o, &h, &home, signkey_signer(x->chain), &f), OK);
    assert_true(o.len <= CHAIN_HEADER_MAX);
    assert_int_equal(chain_header_parse(&back, &home, o.data, o.len, &f), OK);
    assert_memory_equal(&h.id, &back.id, HASH_LEN);
    assert_string_equal(back.shard.s, "01");
    assert_int_equal(back.height, 7);
    assert_int_equal(back.size, 4711);
    assert_memory_equal(&back.ids, &h.ids, HASH_LEN);
    assert_memory_equal(&back.tally, &h.tally, HASH_LEN);
    assert_int_equal(back.time, 490000);
    assert_int_equal(back.state, CHAIN_SPLIT);
    assert_int_equal(chain_header_parse(&back, &abroad, o.data, o.len, &f), ERR_UNKNOWN);
    assert_int_equal(chain_header_parse(&back, &foreign, o.data, o.len, &f), ERR_ELECTION);
    assert_int_equal(chain_header_parse(&back, &home, o.data, o.len - 1, &f), ERR_TRUNCATED);
    for (size_t i = 0; i < o.len; i++) {
        o.data[i] ^= 4;
        assert_int_not_equal(chain_header_parse(&back, &home, o.data, o.len, &f), OK);
        assert_int_equal(back.size, 0);
        o.data[i] ^= 4;
    }
    o.data[o.len - 1] ^= 1;
    assert_int_equal(chain_header_parse(&back, &home, o.data, o.len, &f), ERR_SIGNATURE);
    cbor_put_null(&o);
    assert_int_equal(chain_header_parse(&back, &home, o.data, o.len, &f), ERR_TRAILING);
    cbor_out_free(&o);
    assert_int_equal(chain_header_make(&o, &h, &home, signkey_signer(x->validator[0]), &f), ERR_SIGNATURE);
    assert_int_equal(o.len, 0);
}

/* A header whose payload is made here, signed by the right key. */
static err_t raw_header(const char *shard, uint64_t height, uint64_t size, uint64_t time, uint64_t how)
{
    struct cbor_out p = CBOR_OUT_INIT, o = CBOR_OUT_INIT;
    struct chain_header back;
    struct fault f;
    hash_t h = {{0}};
    cbor_put_array(&p, 15);
    tally_put_start(&p, &x->ctx, "conclave/chain-header");
    cbor_put_text(&p, "home");
    cbor_put_text(&p, shard);
    cbor_put_uint(&p, height);
    cbor_put_hash(&p, &h);
    cbor_put_uint(&p, size);
    for (int i = 0; i < 3; i++)
        cbor_put_hash(&p, &h);
    cbor_put_uint(&p, time);
    cbor_put_uint(&p, how);
    assert_int_equal(cose_sign(&o, signkey_signer(x->chain), p.data, p.len, &f), OK);
    err_t e = chain_header_parse(&back, &home, o.data, o.len, &f);
    cbor_out_free(&p);
    cbor_out_free(&o);
    return e;
}

static void test_header_limits(void **state)
{
    (void)state;
    assert_int_equal(raw_header("", 0, 0, 0, 0), OK);
    assert_int_equal(raw_header("0101010101010101", CHAIN_HEADERS_MAX - 1, CHAIN_BALLOTS_MAX, UINT32_MAX, 2),
                     OK);
    assert_int_equal(raw_header("01010101010101011", 0, 0, 0, 0), ERR_LIMIT);
    assert_int_equal(raw_header("2", 0, 0, 0, 0), ERR_FORMAT);
    assert_int_equal(raw_header("", CHAIN_HEADERS_MAX, 0, 0, 0), ERR_LIMIT);
    assert_int_equal(raw_header("", 0, CHAIN_BALLOTS_MAX + 1, 0, 0), ERR_LIMIT);
    assert_int_equal(raw_header("", 0, 0, (uint64_t)UINT32_MAX + 1, 0), ERR_LIMIT);
    assert_int_equal(raw_header("", 0, 0, 0, 3), ERR_LIMIT);
}

static void test_shard_names(void **state)
{
    (void)state;
    struct chain_shard_name n;
    hash_t id = {{0xa5, 0x80}};
    assert_int_equal(chain_shard_parse(&n, ""), OK);
    assert_int_equal(chain_shard_has(&n, &id), 1);
    assert_int_equal(chain_shard_parse(&n, "101001011"), OK);
    assert_int_equal(chain_shard_has(&n, &id), 1);
    assert_int_equal(chain_shard_parse(&n, "101001010"), OK);
    assert_int_equal(chain_shard_has(&n, &id), 0);
    assert_int_equal(chain_shard_parse(&n, "0"), OK);
    assert_int_equal(chain_shard_has(&n, &id), 0);
    assert_int_equal(chain_shard_parse(&n, "10 "), ERR_FORMAT);
    assert_int_equal(chain_shard_parse(&n, "00000000000000000"), ERR_FORMAT);
    assert_string_equal(n.s, "");
}

static struct ballot *some_ballot(uint32_t place, const char *style, const char *choices, struct cbor_out *o)
{
    fixture_ballot(x, o, NULL, place, style, choices);
    return fixture_parse(x, o);
}

static void test_sums(void **state)
{
    (void)state;
    struct chain_sums *s, *t, *back;
    struct cbor_out o = CBOR_OUT_INIT, first = CBOR_OUT_INIT, again = CBOR_OUT_INIT;
    struct cbor_out bytes[3] = {CBOR_OUT_INIT, CBOR_OUT_INIT, CBOR_OUT_INIT};
    struct ballot *b[3];
    struct fault f;
    hash_t h, want;
    uint32_t place;
    b[0] = some_ballot(x->e2, "rural", "mayor=a school=yes", &bytes[0]);
    b[1] = some_ballot(x->w1, "town", "mayor=b council=p,q", &bytes[1]);
    b[2] = some_ballot(x->e1, "small", "mayor=b", &bytes[2]);
    assert_int_equal(chain_sums_new(&s, &home), OK);
    assert_int_equal(chain_sums_new(&t, &home), OK);
    assert_int_equal(chain_sums_new(&back, &home), OK);
    assert_int_equal(chain_running_put(&o, &home, s), OK);
    assert_int_equal(chain_running_hash(&h, &home, s), OK);
    hash_one(&want, o.data, o.len);
    assert_memory_equal(&h, &want, HASH_LEN);
    cbor_out_free(&o);
    assert_int_equal(chain_sums_add_ballot_var(s, &home, b[2]), ERR_UNKNOWN);
    assert_int_equal(chain_sums_add_ballot_var(s, &home, b[0]), OK);
    assert_int_equal(chain_running_put(&first, &home, s), OK);
    assert_int_equal(chain_sums_add_ballot_var(s, &home, b[1]), OK);
    assert_int_equal(chain_sums_add_ballot_var(s, &home, b[0]), OK);
    assert_int_equal(chain_sums_ballots(s), 3);
    assert_int_equal(fixture_decrypt(x, s->row[0].t, "mayor", 0), 2);
    assert_int_equal(fixture_decrypt(x, s->row[1].t, "council", 1), 1);
    assert_int_equal(chain_running_put(&o, &home, s), OK);
    assert_int_equal(chain_running_hash(&h, &home, s), OK);
    hash_one(&want, o.data, o.len);
    assert_memory_equal(&h, &want, HASH_LEN);
    assert_int_equal(chain_running_parse_var(back, &home, o.data, o.len, &f), OK);
    assert_int_equal(chain_sums_equal_var(s, back, &home, NULL), 1);
    assert_int_equal(chain_running_parse_var(back, &home, o.data, o.len - 1, &f), ERR_TRUNCATED);
    assert_int_equal(chain_running_parse_var(back, &abroad, o.data, o.len, &f), ERR_UNKNOWN);
    /* Subtracting what came later leaves the bytes as they were. */
    assert_int_equal(chain_sums_add_ballot_var(t, &home, b[1]), OK);
    assert_int_equal(chain_sums_add_ballot_var(t, &home, b[0]), OK);
    assert_int_equal(chain_sums_equal_var(s, t, &home, &place), 0);
    assert_int_equal(place, x->e2);
    assert_int_equal(chain_sums_sub_var(s, t), OK);
    assert_int_equal(chain_running_put(&again, &home, s), OK);
    assert_int_equal(again.len, first.len);
    assert_memory_equal(again.data, first.data, first.len);
    assert_int_equal(chain_sums_sub_var(s, t), ERR_SUM);
    assert_int_equal(chain_sums_add_var(s, t), OK);
    assert_int_equal(chain_sums_ballots(s), 3);
    for (int i = 0; i < 3; i++) {
        ballot_free(b[i]);
        cbor_out_free(&bytes[i]);
    }
    cbor_out_free(&o);
    cbor_out_free(&first);
    cbor_out_free(&again);
    chain_sums_free(s);
    chain_sums_free(t);
    chain_sums_free(back);
}

/* --- snapshots --- */

static void shard_set(struct chain_shard *s, const char *name, enum chain_state state, uint64_t headers,
                      uint64_t size)
{
    memset(s, 0, sizeof *s);
    assert_int_equal(chain_shard_parse(&s->name, name), OK);
    s->state = state;
    s->headers = headers;
    s->size = size;
    hash_one(&s->root, "", 0);
    s->ids = s->root;
    if (headers > 0)
        memset(&s->head, 9, HASH_LEN);
    if (size > 0)
        memset(&s->root, 8, HASH_LEN);
}

static void test_shards(void **state)
{
    (void)state;
    static const struct {
        const char *name[6];
        enum chain_state how[6];
        err_t want;
    } row[] = {
        {{""}, {CHAIN_OPEN}, OK},
        {{"", "0", "1"}, {CHAIN_SPLIT, CHAIN_CLOSED, CHAIN_OPEN}, OK},
        {{"0", "1", "10", "11"}, {CHAIN_OPEN, CHAIN_SPLIT, CHAIN_CLOSED, CHAIN_OPEN}, OK},
        {{"00", "01", "10", "11"}, {CHAIN_OPEN, CHAIN_OPEN, CHAIN_OPEN, CHAIN_OPEN}, OK},
        {{"0", "1", "10", "100", "101", "11"},
         {CHAIN_OPEN, CHAIN_SPLIT, CHAIN_SPLIT, CHAIN_CLOSED, CHAIN_CLOSED, CHAIN_OPEN},
         OK},
        {{"0"}, {CHAIN_OPEN}, ERR_RULE},
        {{"1", "0"}, {CHAIN_OPEN, CHAIN_OPEN}, ERR_RULE},
        {{"0", "0", "1"}, {CHAIN_OPEN, CHAIN_OPEN, CHAIN_OPEN}, ERR_DUPLICATE},
        {{"", "0"}, {CHAIN_SPLIT, CHAIN_OPEN}, ERR_RULE},
        {{"", "0", "1"}, {CHAIN_OPEN, CHAIN_OPEN, CHAIN_OPEN}, ERR_RULE},
        {{"", "0", "1"}, {CHAIN_CLOSED, CHAIN_OPEN, CHAIN_OPEN}, ERR_RULE},
        {{"", "0"}, {CHAIN_OPEN, CHAIN_OPEN}, ERR_RULE},
        {{""}, {CHAIN_SPLIT}, ERR_RULE},
        {{"0", "1", "100"}, {CHAIN_OPEN, CHAIN_OPEN, CHAIN_OPEN}, ERR_RULE},
        {{"0", "10", "11"}, {CHAIN_OPEN, CHAIN_OPEN, CHAIN_OPEN}, ERR_RULE},
    };
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        struct chain_shard s[6];
        size_t n = 0;
        struct fault f;
        for (; n < 6 && row[i].name[n]; n++)
            shard_set(&s[n], row[i].name[n], row[i].how[n], 1, 0);
        err_t e = chain_shards_check(s, n, &f);
        if (e != row[i].want)
            fail_msg("row %zu: %s %s", i, err_name(e), f.detail);
    }
    struct chain_shard s;
    struct fault f;
    shard_set(&s, "", CHAIN_OPEN, 0, 0);
    assert_int_equal(chain_shards_check(&s, 1, &f), OK);
    s.size = 1;
    assert_int_equal(chain_shards_check(&s, 1, &f), ERR_RULE);
    shard_set(&s, "", CHAIN_CLOSED, 0, 0);
    assert_int_equal(chain_shards_check(&s, 1, &f), ERR_RULE);
    shard_set(&s, "", CHAIN_OPEN, 2, 0);
    s.ids.b[0] ^= 1;
    assert_int_equal(chain_shards_check(&s, 1, &f), ERR_HASH);
    assert_int_equal(chain_shards_check(&s, 0, &f), ERR_RULE);
}

static void test_snapshot(void **state)
{
    (void)state;
    struct chain_shard shard[3];
    struct chain_snapshot s = {.number = 2, .time = 490001, .shard_count = 3, .shard = shard}, *back;
    struct cbor_out o = CBOR_OUT_INIT, bytes = CBOR_OUT_INIT;
    struct ballot *b = some_ballot(x->e2, "rural", "mayor=a school=yes", &bytes);
    struct fault f;
    hash_t id;
    shard_set(&shard[0], "", CHAIN_SPLIT, 5, 1);
    shard_set(&shard[1], "0", CHAIN_CLOSED, 1, 1);
    shard_set(&shard[2], "1", CHAIN_OPEN, 0, 0);
    memset(&s.previous, 5, HASH_LEN);
    assert_int_equal(chain_sums_new(&s.sums, &home), OK);
    assert_int_equal(chain_sums_add_ballot_var(s.sums, &home, b), OK);
    assert_int_equal(chain_snapshot_make(&o, &s, &home, &f), ERR_SUM);
    assert_int_equal(chain_sums_add_ballot_var(s.sums, &home, b), OK);
    assert_int_equal(chain_snapshot_make(&o, &s, &home, &f), OK);
    assert_int_equal(chain_snapshot_id(&id, o.data, o.len), OK);
    assert_memory_equal(&id, &s.id, HASH_LEN);
    assert_int_equal(chain_snapshot_parse_var(&back, &home, o.data, o.len, &f), OK);
    assert_memory_equal(&back->id, &id, HASH_LEN);
    assert_int_equal(back->number, 2);
    assert_int_equal(back->shard_count, 3);
    assert_memory_equal(&back->shard[1], &shard[1], sizeof shard[1]);
    assert_int_equal(back->shard[2].headers, 0);
    assert_int_equal(chain_sums_equal_var(back->sums, s.sums, &home, NULL), 1);
    assert_int_equal(chain_snapshot_complete(back), 0);
    back->shard[2].state = CHAIN_CLOSED;
    assert_int_equal(chain_snapshot_complete(back), 1);
    chain_snapshot_free(back);
    assert_int_equal(chain_snapshot_parse_var(&back, &abroad, o.data, o.len, &f), ERR_UNKNOWN);
    assert_null(back);
    assert_int_equal(chain_snapshot_parse_var(&back, &foreign, o.data, o.len, &f), ERR_ELECTION);
    for (size_t n = 0; n < o.len; n += 7)
        assert_int_not_equal(chain_snapshot_parse_var(&back, &home, o.data, n, &f), OK);
    cbor_put_null(&o);
    assert_int_equal(chain_snapshot_parse_var(&back, &home, o.data, o.len, &f), ERR_TRAILING);
    cbor_out_free(&o);
    s.number = 0;
    assert_int_equal(chain_snapshot_make(&o, &s, &home, &f), OK);
    assert_int_equal(chain_snapshot_parse_var(&back, &home, o.data, o.len, &f), ERR_FORMAT);
    cbor_out_free(&o);
    cbor_out_free(&bytes);
    ballot_free(b);
    chain_sums_free(s.sums);
}

static void test_finality(void **state)
{
    (void)state;
    struct cbor_out o = CBOR_OUT_INIT;
    struct chain_finality back;
    struct fault f;
    hash_t snapshot, kid, want;
    memset(&snapshot, 6, sizeof snapshot);
    assert_int_equal(chain_finality_make(&o, &kid, &home, 3, &snapshot, signkey_signer(x->validator[1]), &f),
                     OK);
    cose_kid(&want, &home.c->validator[1]);
    assert_memory_equal(&kid, &want, HASH_LEN);
    assert_int_equal(chain_finality_parse(&back, &home, o.data, o.len, &f), OK);
    assert_int_equal(back.validator, 1);
    assert_int_equal(back.number, 3);
    assert_memory_equal(&back.snapshot, &snapshot, HASH_LEN);
    assert_int_equal(chain_finality_parse(&back, &abroad, o.data, o.len, &f), ERR_UNKNOWN);
    assert_int_equal(chain_finality_parse(&back, &foreign, o.data, o.len, &f), ERR_UNKNOWN);
    o.data[o.len - 1] ^= 1;
    assert_int_equal(chain_finality_parse(&back, &home, o.data, o.len, &f), ERR_SIGNATURE);
    cbor_out_free(&o);
    /* By a validator of both chains, for the other one. */
    assert_int_equal(
        chain_finality_make(&o, NULL, &abroad, 3, &snapshot, signkey_signer(x->validator[0]), &f), OK);
    assert_int_equal(chain_finality_parse(&back, &home, o.data, o.len, &f), ERR_UNKNOWN);
    cbor_out_free(&o);
    assert_int_equal(chain_finality_make(&o, NULL, &home, 3, &snapshot, signkey_signer(x->chain), &f),
                     ERR_SIGNATURE);
}

/* --- envelopes --- */

static void test_envelope(void **state)
{
    (void)state;
    struct cbor_out ballot = CBOR_OUT_INIT, o = CBOR_OUT_INIT;
    struct ballot_info info;
    struct chain_envelope v;
    struct fault f;
    struct chain_opener *opener, *other_opener;
    uint8_t dh[32], *pt;
    assert_int_equal(chain_opener_new(&opener, &home), OK);
    assert_int_equal(chain_opener_new(&other_opener, &abroad), OK);
    fixture_ballot(x, &ballot, &info, x->e2, "rural", "mayor=a");
    assert_int_equal(chain_envelope_make(&o, &home, x->g, &info.id, ballot.data, ballot.len), OK);
    assert_true(o.len <= chain_envelope_len_max(&x->ctx));
    assert_int_equal(chain_envelope_parse(&v, &home, o.data, o.len, &f), OK);
    assert_memory_equal(&v.ballot, &info.id, HASH_LEN);
    assert_int_equal(v.ct_len, ballot.len + 16);
    pt = malloc(v.ct_len);
    assert_int_equal(signkey_dh(dh, x->envelope, v.enc), OK);
    assert_int_equal(chain_envelope_open(pt, opener, &v, dh), OK);
    assert_memory_equal(pt, ballot.data, ballot.len);
    /* The id is bound, and so is the chain. */
    v.ballot.b[5] ^= 1;
    assert_int_equal(chain_envelope_open(pt, opener, &v, dh), ERR_DECRYPT);
    v.ballot.b[5] ^= 1;
    assert_int_equal(chain_envelope_open(pt, other_opener, &v, dh), ERR_DECRYPT);
    for (size_t i = 0; i < ballot.len; i++)
        assert_int_equal(pt[i], 0);
    assert_int_equal(chain_envelope_parse(&v, &abroad, o.data, o.len, &f), ERR_UNKNOWN);
    assert_int_equal(chain_envelope_parse(&v, &foreign, o.data, o.len, &f), ERR_ELECTION);
    for (size_t n = 0; n < o.len; n += 11)
        assert_int_not_equal(chain_envelope_parse(&v, &home, o.data, n, &f), OK);
    assert_int_equal(chain_envelope_parse(&v, &home, o.data, o.len, &f), OK);
    uint8_t enc[65];
    memcpy(enc, v.enc, 65);
    enc[40] ^= 1;
    assert_int_equal(signkey_dh(dh, x->envelope, enc), ERR_POINT);
    memset(enc, 0, sizeof enc);
    assert_int_equal(signkey_dh(dh, x->envelope, enc), ERR_POINT);
    free(pt);
    chain_opener_free(opener);
    chain_opener_free(other_opener);
    cbor_out_free(&o);
    cbor_out_free(&ballot);
}

/* --- segments --- */

#define PAIRS 40

struct pairs {
    struct cbor_out ballot[PAIRS];
    uint8_t *hints[PAIRS];
    size_t hints_len[PAIRS];
    uint64_t content;
};

static void pairs_make(struct pairs *p)
{
    static const char *const style[] = {"town", "rural"};
    memset(p, 0, sizeof *p);
    for (size_t i = 0; i < PAIRS; i++) {
        struct ballot *b = some_ballot(i % 2 ? x->e2 : x->w1, style[i % 2], "mayor=a", &p->ballot[i]);
        p->hints_len[i] = i % 3 == 2 ? 0 : 32 * chain_maker_points(b);
        p->hints[i] = malloc(p->hints_len[i] + 1);
        if (p->hints_len[i] > 0)
            chain_maker_hints(p->hints[i], b);
        p->content += chain_pair_len(p->ballot[i].len, p->hints_len[i]);
        ballot_free(b);
    }
}

static void pairs_free(struct pairs *p)
{
    for (size_t i = 0; i < PAIRS; i++) {
        cbor_out_free(&p->ballot[i]);
        free(p->hints[i]);
    }
}

static void segment_write(const struct pairs *p, const char *path, size_t count, uint64_t content, err_t want)
{
    struct chain_segment_writer *w;
    struct fault f;
    assert_int_equal(chain_segment_create(&w, path, content, &f), OK);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(
            chain_segment_put(w, p->ballot[i].data, p->ballot[i].len, p->hints[i], p->hints_len[i], &f), OK);
    assert_int_equal(chain_segment_commit(w, &f), want);
}

/* Reads all; what the last call says. */
static err_t segment_read(const struct pairs *p, const char *path, uint64_t ballots, uint64_t *count)
{
    struct chain_segment *s;
    struct chain_pair pair;
    struct fault f;
    *count = 0;
    fault_clear(&f);
    err_t e = chain_segment_open(&s, &x->ctx, path, ballots, &f);
    if (e != OK)
        return e;
    for (;; ++*count) {
        e = chain_segment_next(s, &pair, &f);
        if (e != OK || !pair.ballot)
            break;
        if (!p)
            continue;
        assert_int_equal(pair.len, p->ballot[*count].len);
        assert_memory_equal(pair.ballot, p->ballot[*count].data, pair.len);
        assert_int_equal(pair.hints_len, p->hints_len[*count]);
        assert_true((pair.hints == NULL) == (pair.hints_len == 0));
        if (pair.hints)
            assert_memory_equal(pair.hints, p->hints[*count], pair.hints_len);
    }
    if (e != OK)
        assert_non_null(strstr(f.file, path));
    chain_segment_close(s);
    return e;
}

static void test_segment(void **state)
{
    (void)state;
    struct pairs p;
    uint64_t n;
    const char *path = fixture_path(x, "segment");
    pairs_make(&p);
    segment_write(&p, path, PAIRS, p.content, OK);
    assert_int_equal(segment_read(&p, path, PAIRS, &n), OK);
    assert_int_equal(n, PAIRS);
    assert_int_equal(segment_read(&p, path, PAIRS + 1, &n), ERR_MISSING);
    assert_int_equal(segment_read(&p, path, PAIRS - 1, &n), ERR_TRAILING);
    assert_int_equal(segment_read(&p, path, 3, &n), ERR_LIMIT);
    assert_int_equal(segment_read(&p, fixture_path(x, "absent"), 3, &n), ERR_MISSING);
    segment_write(&p, path, PAIRS - 1, p.content, ERR_BUG);
    pairs_free(&p);
}

static void test_segment_damage(void **state)
{
    (void)state;
    struct pairs p;
    uint64_t n;
    uint8_t *data;
    size_t len;
    struct fault f;
    const char *path = fixture_path(x, "segment"), *bad = fixture_path(x, "bad");
    pairs_make(&p);
    segment_write(&p, path, PAIRS, p.content, OK);
    assert_int_equal(file_read(&data, &len, path, 1 << 24, &f), OK);
    for (size_t cut = 0; cut < len; cut += 997) {
        assert_int_equal(file_write(bad, data, cut, FILE_REPLACE, &f), OK);
        err_t e = segment_read(NULL, bad, PAIRS, &n);
        assert_true(e == ERR_TRUNCATED || (e == ERR_FORMAT && cut < 18));
    }
    for (size_t i = 0; i < len; i += 1009) { /* may be readable still: then the tree tells */
        data[i] ^= 0x10;
        assert_int_equal(file_write(bad, data, len, FILE_REPLACE, &f), OK);
        err_t e = segment_read(NULL, bad, PAIRS, &n);
        assert_true(e != ERR_IO && e != ERR_BUG && e != ERR_MEMORY);
        data[i] ^= 0x10;
    }
    uint8_t *longer = malloc(len + 1);
    memcpy(longer, data, len);
    longer[len] = 0;
    assert_int_equal(file_write(bad, longer, len + 1, FILE_REPLACE, &f), OK);
    assert_int_equal(segment_read(&p, bad, PAIRS, &n), ERR_TRAILING);
    free(longer);
    free(data);
    pairs_free(&p);
}

/* A frame around content that is made here. */
static err_t frame(const void *content, size_t len, int with_size, int window_log, uint64_t ballots)
{
    uint64_t n;
    struct fault f;
    size_t cap = ZSTD_compressBound(len);
    uint8_t *out = malloc(cap);
    ZSTD_CCtx *z = ZSTD_createCCtx();
    ZSTD_CCtx_setParameter(z, ZSTD_c_contentSizeFlag, with_size);
    if (window_log > 0)
        ZSTD_CCtx_setParameter(z, ZSTD_c_windowLog, window_log);
    size_t out_len = ZSTD_compress2(z, out, cap, content, len);
    assert_false(ZSTD_isError(out_len));
    assert_int_equal(file_write(fixture_path(x, "frame"), out, out_len, FILE_REPLACE, &f), OK);
    ZSTD_freeCCtx(z);
    free(out);
    return segment_read(NULL, fixture_path(x, "frame"), ballots, &n);
}

/* Three bytes, stored, under the head of a frame with this window. */
static err_t windowed(uint8_t window)
{
    uint64_t n;
    struct fault f;
    uint8_t b[] = {0x28, 0xb5, 0x2f, 0xfd, 0xc0, window, 3, 0, 0, 0, 0, 0, 0, 0, 25, 0, 0, 0x41, 'x', 0x40};
    assert_int_equal(file_write(fixture_path(x, "frame"), b, sizeof b, FILE_REPLACE, &f), OK);
    return segment_read(NULL, fixture_path(x, "frame"), 1, &n);
}

static void test_segment_forms(void **state)
{
    (void)state;
    size_t max = ballot_len_max(&x->ctx), huge = (size_t)64 << 20;
    uint8_t *big = calloc(1, huge);
    assert_int_equal(frame("\x41x\x40", 3, 1, 0, 1), OK);
    assert_int_equal(frame("\x41x\x40", 3, 0, 0, 1), ERR_FORMAT);        /* size unknown */
    assert_int_equal(frame("\x58\x01x\x40", 4, 1, 0, 1), ERR_CANONICAL); /* not the shortest head */
    assert_int_equal(frame("\x59\x00\x01x\x40", 5, 1, 0, 1), ERR_CANONICAL);
    assert_int_equal(frame("\x61x\x40", 3, 1, 0, 1), ERR_FORMAT); /* text */
    assert_int_equal(frame("\x5fx\x40", 3, 1, 0, 1), ERR_FORMAT);
    assert_int_equal(frame("\x41x\x41y", 4, 1, 0, 1), ERR_FORMAT); /* hints of one byte */
    assert_int_equal(frame("\x41x", 2, 1, 0, 1), ERR_TRUNCATED);
    assert_int_equal(frame("\x41x\x40\x40", 4, 1, 0, 1), ERR_TRAILING);
    assert_int_equal(frame("\x41x\x40", 3, 1, 0, 2), ERR_MISSING);
    big[0] = 0x5a;
    big[1] = (uint8_t)((max + 1) >> 24);
    big[2] = (uint8_t)((max + 1) >> 16);
    big[3] = (uint8_t)((max + 1) >> 8);
    big[4] = (uint8_t)(max + 1);
    assert_int_equal(frame(big, max + 8, 1, 0, 1), max + 1 > 65535 ? ERR_LIMIT : ERR_CANONICAL);
    big[0] = 0x59;
    big[1] = big[3];
    big[2] = big[4];
    assert_int_equal(frame(big, max + 8, 1, 0, 1), ERR_LIMIT);
    assert_int_equal(frame(big, huge, 1, 0, 40), ERR_LIMIT);      /* the bomb: few bytes, much content */
    assert_int_equal(frame(big, huge, 1, 26, 100000), ERR_LIMIT); /* a window of 64 MiB */
    assert_int_equal(windowed(13 << 3), OK);                      /* 8 MiB */
    assert_int_equal(windowed(13 << 3 | 1), ERR_LIMIT);           /* 9 MiB, though three bytes need none */
    assert_int_equal(windowed(20 << 3), ERR_LIMIT);               /* 1 GiB */
    free(big);
}

/* A hint is the y of its point: with the compressed x it gives the point. */
static void test_hints(void **state)
{
    (void)state;
    struct cbor_out o = CBOR_OUT_INIT;
    struct ballot *b = some_ballot(x->w1, "town", "mayor=a council=p", &o);
    size_t count = chain_maker_points(b);
    uint8_t *hints = malloc(32 * count), y[32];
    assert_int_equal(count, chain_points_max(&x->ctx));
    assert_int_equal(count, 2 + (4 * 6 + 4) + (8 * 6 + 2) + (2 * 6 + 4));
    chain_maker_hints(hints, b);
    fe_store(y, b->pk_a.y);
    assert_memory_equal(hints, y, 32);
    fe_store(y, b->vote[0].cta[0].B.y);
    assert_memory_equal(hints + 64, y, 32);
    fe_store(y, b->vote[0].proof_a[3].b1.y);
    assert_memory_equal(hints + 32 * 24, y, 32);
    fe_store(y, b->vote[0].sum_zero_one_a.b1.y);
    assert_memory_equal(hints + 32 * 28, y, 32);
    fe_store(y, b->vote[1].sum_exact_a.b.y);
    assert_memory_equal(hints + 32 * (28 + 50), y, 32);
    fe_store(y, b->id_commitment_a.y);
    assert_memory_equal(hints + 32 * (count - 1), y, 32);
    free(hints);
    ballot_free(b);
    cbor_out_free(&o);
}

static int setup(void **state)
{
    (void)state;
    x = fixture_chain_new();
    other = fixture_chain_other();
    chain_context_init(&home, &x->ctx, 0);
    chain_context_init(&abroad, &x->ctx, 1);
    chain_context_init(&foreign, &other->ctx, 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fixture_free(x);
    fixture_free(other);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_header),        cmocka_unit_test(test_header_limits),
        cmocka_unit_test(test_shard_names),   cmocka_unit_test(test_sums),
        cmocka_unit_test(test_shards),        cmocka_unit_test(test_snapshot),
        cmocka_unit_test(test_finality),      cmocka_unit_test(test_envelope),
        cmocka_unit_test(test_segment),       cmocka_unit_test(test_segment_damage),
        cmocka_unit_test(test_segment_forms), cmocka_unit_test(test_hints),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
