/* Chain exports: a good one is good, and everything that can be wrong with one is found and named. */
#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ceremony/base/file.h"
#include "tally/chain_export.h"
#include "tally/chain_segment.h"
#include "tally/chain_signed.h"
#include "tally/chain_verify_run.h"
#include "tests/support/ballots.h"
#include "tests/support/chain_maker.h"
#include "tests/support/tree.h"
#include "tests/support/unit.h"

#define POOL 56
#define FOUND_MAX 64

struct bench {
    struct fixture *x;
    struct chain_context home, abroad;
    struct cbor_out pool[POOL]; /* ballots of home's places, shard 1 first */
    struct ballot_info info[POOL];
    size_t ones; /* of shard 1 */
};

static struct bench bench;

/* --- making --- */

static int setup(void **state)
{
    (void)state;
    struct bench *b = &bench;
    size_t zeros = POOL;
    b->x = fixture_chain_new();
    chain_context_init(&b->home, &b->x->ctx, 0);
    chain_context_init(&b->abroad, &b->x->ctx, 1);
    while (b->ones < zeros) { /* at least 20 of each */
        struct cbor_out o = CBOR_OUT_INIT;
        struct ballot_info info;
        int town = (b->ones + zeros) % 3 == 0;
        fixture_ballot(b->x, &o, &info, town ? b->x->w1 : b->x->e2, town ? "town" : "rural",
                       town ? "mayor=a council=p,q school=yes" : "mayor=b school=no");
        int one = info.id.b[0] >> 7;
        if (one ? b->ones >= POOL / 2 : POOL - zeros >= POOL / 2) {
            cbor_out_free(&o);
            continue;
        }
        size_t at = one ? b->ones++ : --zeros;
        b->pool[at] = o;
        b->info[at] = info;
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    for (size_t i = 0; i < POOL; i++)
        cbor_out_free(&bench.pool[i]);
    fixture_free(bench.x);
    return 0;
}

/* 28 ballots in shard 1, in 20 blocks; 6 in shard 0, which is split; 22 in its halves. */
static void plan_shards(struct chain_maker *mk)
{
    struct bench *b = &bench;
    chain_maker_init(mk, &b->home, signkey_signer(b->x->chain));
    mk->validator[0] = signkey_signer(b->x->validator[0]);
    mk->validator[2] = signkey_signer(b->x->validator[2]);
    size_t zero = chain_maker_shard(mk, "0", CHAIN_SPLIT);
    chain_maker_shard(mk, "00", CHAIN_CLOSED);
    chain_maker_shard(mk, "01", CHAIN_CLOSED);
    size_t one = chain_maker_shard(mk, "1", CHAIN_CLOSED);
    for (size_t i = 0; i < b->ones; i++) {
        chain_maker_put_to(mk, one, b->pool[i].data, b->pool[i].len);
        if (i < 19)
            chain_maker_block(mk, one);
    }
    for (size_t i = b->ones; i < POOL; i++) {
        if (i < b->ones + 6)
            chain_maker_put_to(mk, zero, b->pool[i].data, b->pool[i].len);
        else
            chain_maker_put(mk, b->pool[i].data, b->pool[i].len);
        if (i == b->ones + 2 || i == b->ones + 5)
            chain_maker_block(mk, zero);
    }
}

static const char *dir(void)
{
    return fixture_path(bench.x, "chain");
}

/* --- verifying --- */

struct found {
    struct chain_report *r;
    err_t err;
    size_t count;
    enum chain_check check[FOUND_MAX];
    struct fault fault[FOUND_MAX];
    uint64_t stop_at; /* ballots after which progress says so; 0: never */
};

static void on_found(void *ctx, enum chain_check check, const struct fault *f)
{
    struct found *x = ctx;
    if (x->count < FOUND_MAX) {
        x->check[x->count] = check;
        x->fault[x->count] = *f;
    }
    x->count++;
}

static err_t on_progress(void *ctx, const char *what, uint64_t done, uint64_t total)
{
    struct found *x = ctx;
    (void)what;
    assert_true(done <= total);
    return x->stop_at && done >= x->stop_at ? ERR_STOPPED : OK;
}

static void verify_as(struct found *x, const struct chain_context *ctx, struct chain_verify_options o)
{
    struct fault f;
    uint64_t stop_at = x->stop_at;
    memset(x, 0, sizeof *x);
    x->stop_at = stop_at;
    o.ctx = o.progress_ctx = x;
    o.found = on_found;
    o.progress = on_progress;
    x->err = chain_verify(&x->r, ctx, dir(), &o, &f);
}

static void verify(struct found *x, struct chain_verify_options o)
{
    x->stop_at = 0;
    verify_as(x, &bench.home, o);
    if (x->err != OK)
        fail_msg("chain_verify: %s", err_name(x->err));
}

static void list(const struct found *x, enum verify_verdict v, char out[512])
{
    out[0] = '\0';
    for (size_t i = 0; i < CHAIN_CHECK_COUNT; i++)
        if (x->r->check[i].verdict == v && (v == VERIFY_FAIL || i != CHAIN_CHECK_ANCHOR)) {
            strcat(out, out[0] ? " " : "");
            strcat(out, chain_check_id(i) + 6);
        }
}

/* failed, unchecked: ids without "chain.", in the order of the table. */
static void expect(const struct found *x, const char *failed, const char *unchecked)
{
    char have[512];
    list(x, VERIFY_FAIL, have);
    if (strcmp(have, failed) != 0 || strcmp((list(x, VERIFY_NOT_CHECKED, have), have), unchecked) != 0) {
        list(x, VERIFY_FAIL, have);
        printf("failed: %s (expected %s)\n", have, failed);
        list(x, VERIFY_NOT_CHECKED, have);
        printf("not checked: %s (expected %s)\n", have, unchecked);
        for (size_t i = 0; i < CHAIN_CHECK_COUNT; i++)
            if (x->r->check[i].reason[0])
                printf("  %s: %s\n", chain_check_id(i), x->r->check[i].reason);
        for (size_t i = 0; i < x->count && i < FOUND_MAX; i++)
            printf("  %s %s %s, %s: %s\n", chain_check_id(x->check[i]), err_name(x->fault[i].err),
                   x->fault[i].file, x->fault[i].who, x->fault[i].detail);
        fail_msg("another verdict");
    }
    assert_int_equal(chain_report_verdict(x->r), failed[0]      ? VERIFY_FAIL
                                                 : unchecked[0] ? VERIFY_NOT_CHECKED
                                                                : VERIFY_PASS);
    if (failed[0] || unchecked[0])
        assert_int_equal(chain_report_counts(x->r), 0);
}

/* Some failure has this check, error, and all of these in its text. */
static void expect_found(const struct found *x, enum chain_check check, err_t e, const char *file,
                         const char *who, const char *detail)
{
    for (size_t i = 0; i < x->count && i < FOUND_MAX; i++)
        if (x->check[i] == check && x->fault[i].err == e && strcmp(x->fault[i].file, file) == 0 &&
            strcmp(x->fault[i].who, who) == 0 && strstr(x->fault[i].detail, detail) != NULL)
            return;
    for (size_t i = 0; i < x->count && i < FOUND_MAX; i++)
        printf("  %s %s '%s' '%s': %s\n", chain_check_id(x->check[i]), err_name(x->fault[i].err),
               x->fault[i].file, x->fault[i].who, x->fault[i].detail);
    fail_msg("not found: %s %s %s %s: %s", chain_check_id(check), err_name(e), file, who, detail);
}

static void done(struct found *x)
{
    chain_report_free(x->r);
    x->r = NULL;
}

/* Looks at everything, expects these failures. */
static struct found look(const char *failed, const char *unchecked)
{
    struct found x;
    verify(&x, (struct chain_verify_options){0});
    expect(&x, failed, unchecked);
    return x;
}

static void write_good(struct chain_maker *mk)
{
    plan_shards(mk);
    chain_maker_write(mk, dir());
}

#define BALLOT_CHECKS "ballots order trees tally ids"

/* --- good ones --- */

static void test_good(void **state)
{
    (void)state;
    struct chain_maker mk;
    struct found x;
    for (int hints = 0; hints < 2; hints++) {
        plan_shards(&mk);
        if (!hints)
            for (size_t s = 0; s < mk.shard_count; s++)
                for (size_t i = 0; i < mk.shard[s].count; i++)
                    mk.shard[s].ballot[i].hints_len = 0;
        mk.lists = hints;
        chain_maker_write(&mk, dir());
        x = look("", "");
        assert_int_equal(x.r->proved, POOL);
        assert_int_equal(x.r->headers, 20 + 2 + 1 + 1);
        assert_int_equal(x.r->signers, 2);
        assert_int_equal(chain_report_counts(x.r), 1);
        assert_int_equal(x.r->check[CHAIN_CHECK_ANCHOR].verdict, VERIFY_NOT_CHECKED);
        done(&x);
        chain_maker_free(&mk);
    }
}

static void test_quick(void **state)
{
    (void)state;
    struct chain_maker mk;
    struct found x;
    write_good(&mk);
    verify(&x, (struct chain_verify_options){.quick = 1});
    expect(&x, "", BALLOT_CHECKS);
    assert_int_equal(x.r->proved, 0);
    assert_int_equal(chain_report_counts(x.r), 0);
    done(&x);
    chain_maker_free(&mk);
}

static void test_open_does_not_count(void **state)
{
    (void)state;
    struct chain_maker mk;
    plan_shards(&mk);
    mk.shard[3].state = CHAIN_OPEN;
    chain_maker_write(&mk, dir());
    struct found x = look("", "");
    assert_int_equal(chain_report_verdict(x.r), VERIFY_PASS);
    assert_int_equal(chain_report_counts(x.r), 0);
    done(&x);
    chain_maker_free(&mk);
}

/* A chain that nobody used, and shards that end with a header without ballots. */
static void test_empty(void **state)
{
    (void)state;
    struct chain_maker mk;
    chain_maker_init(&mk, &bench.home, signkey_signer(bench.x->chain));
    mk.validator[0] = signkey_signer(bench.x->validator[0]);
    mk.validator[1] = signkey_signer(bench.x->validator[1]);
    chain_maker_shard(&mk, "", CHAIN_CLOSED);
    chain_maker_write(&mk, dir());
    struct found x = look("", "");
    assert_int_equal(chain_report_counts(x.r), 1);
    done(&x);
    chain_maker_free(&mk);

    plan_shards(&mk);
    for (size_t i = 0; i < 4; i++) {
        chain_maker_block(&mk, i);
        chain_maker_block(&mk, i);
    }
    chain_maker_write(&mk, dir());
    /* the block that ends it comes behind one without ballots that does not close */
    x = look("headers", BALLOT_CHECKS);
    expect_found(&x, CHAIN_CHECK_HEADERS, ERR_RULE, "headers/s0.cbor", "shard s0",
                 "header 2: has no ballots");
    done(&x);
    chain_maker_free(&mk);

    plan_shards(&mk);
    for (size_t i = 1; i < 4; i++) {
        if (i < 3)
            chain_maker_block(&mk, i);
        chain_maker_block(&mk, i);
    }
    chain_maker_block(&mk, 3); /* 28 ballots, then nothing */
    chain_maker_write(&mk, dir());
    x = look("", "");
    done(&x);
    chain_maker_free(&mk);
}

/* --- what it is of --- */

static void test_other_chain(void **state)
{
    (void)state;
    struct chain_maker mk;
    struct found x = {.stop_at = 0};
    write_good(&mk);
    verify_as(&x, &bench.abroad, (struct chain_verify_options){0});
    assert_int_equal(x.err, OK);
    expect(&x, "form", "quorum headers " BALLOT_CHECKS);
    expect_found(&x, CHAIN_CHECK_FORM, ERR_UNKNOWN, "snapshot.cbor", "", "");
    done(&x);
    chain_maker_free(&mk);

    struct fixture *other = fixture_chain_other();
    struct chain_context ctx;
    chain_context_init(&ctx, &other->ctx, 0);
    write_good(&mk);
    verify_as(&x, &ctx, (struct chain_verify_options){0});
    expect(&x, "form", "quorum headers " BALLOT_CHECKS);
    expect_found(&x, CHAIN_CHECK_FORM, ERR_ELECTION, "snapshot.cbor", "", "");
    done(&x);
    chain_maker_free(&mk);
    fixture_free(other);
}

static void test_snapshot_bytes(void **state)
{
    (void)state;
    struct chain_maker mk;
    size_t len;
    write_good(&mk);
    uint8_t *data = chain_maker_read(dir(), "snapshot.cbor", &len);
    chain_maker_file(dir(), "snapshot.cbor", data, len - 1);
    struct found x = look("form", "quorum headers " BALLOT_CHECKS);
    done(&x);
    free(data);
    assert_int_equal(unlink(fixture_path(bench.x, "chain/snapshot.cbor")), 0);
    x = look("form", "quorum headers " BALLOT_CHECKS);
    expect_found(&x, CHAIN_CHECK_FORM, ERR_MISSING, "snapshot.cbor", "", "");
    done(&x);
    chain_maker_free(&mk);
}

static void test_unknown_files(void **state)
{
    (void)state;
    struct chain_maker mk;
    write_good(&mk);
    chain_maker_file(dir(), "notes.txt", "x", 1);
    chain_maker_file(dir(), "headers/s2.cbor", "x", 1);
    chain_maker_file(dir(), "segments/s1/00000002.zst", "x", 1);
    chain_maker_file(dir(), "segments/s1/1.zst", "x", 1);
    struct found x = look("form", "");
    expect_found(&x, CHAIN_CHECK_FORM, ERR_UNKNOWN, "notes.txt", "", "");
    expect_found(&x, CHAIN_CHECK_FORM, ERR_UNKNOWN, "headers/s2.cbor", "", "");
    expect_found(&x, CHAIN_CHECK_FORM, ERR_UNKNOWN, "segments/s1/00000002.zst", "", "");
    expect_found(&x, CHAIN_CHECK_FORM, ERR_UNKNOWN, "segments/s1/1.zst", "", "");
    done(&x);
    chain_maker_write(&mk, dir());
    chain_maker_file(dir(), "ids/s1", "x", 1);
    x = look("form", BALLOT_CHECKS);
    expect_found(&x, CHAIN_CHECK_FORM, ERR_LIMIT, "ids/s1", "shard s1", "");
    done(&x);
    chain_maker_free(&mk);
}

/* --- the quorum --- */

static void finality_name(size_t validator, char out[128])
{
    hash_t kid;
    memcpy(out, "finality/", 10);
    cose_kid(&kid, &bench.home.c->validator[validator]);
    hex_put(out + 9, kid.b, HASH_LEN);
    memcpy(out + 9 + 2 * HASH_LEN, ".cose", 6);
}

static void test_quorum(void **state)
{
    (void)state;
    struct chain_maker mk;
    char name[128], other[128];
    size_t len;
    plan_shards(&mk);
    mk.validator[2] = NULL;
    chain_maker_write(&mk, dir());
    struct found x = look("quorum", "");
    expect_found(&x, CHAIN_CHECK_QUORUM, ERR_QUORUM, "finality", "", "1 of 3");
    done(&x);

    /* the same signer again, as if it were the second */
    finality_name(0, name);
    finality_name(2, other);
    uint8_t *data = chain_maker_read(dir(), name, &len);
    chain_maker_file(dir(), other, data, len);
    x = look("quorum", "");
    expect_found(&x, CHAIN_CHECK_QUORUM, ERR_QUORUM, "finality", "", "1 of 3");
    expect_found(&x, CHAIN_CHECK_QUORUM, x.fault[0].err == ERR_QUORUM ? x.fault[1].err : x.fault[0].err,
                 other, "", "validator 1");
    done(&x);
    free(data);
    chain_maker_free(&mk);

    /* of another snapshot of this number */
    plan_shards(&mk);
    mk.time--;
    chain_maker_write(&mk, dir());
    data = chain_maker_read(dir(), other, &len);
    chain_maker_free(&mk);
    write_good(&mk);
    chain_maker_file(dir(), other, data, len);
    x = look("quorum", "");
    expect_found(&x, CHAIN_CHECK_QUORUM, ERR_MISMATCH, other, "", "another snapshot");
    done(&x);
    free(data);
    /* a signature that is none */
    data = chain_maker_read(dir(), name, &len);
    data[len - 1] ^= 1;
    chain_maker_file(dir(), name, data, len);
    x = look("quorum", "");
    done(&x);
    free(data);
    chain_maker_free(&mk);
}

/* --- headers --- */

static void keep_headers(size_t from, size_t to, size_t skip)
{
    size_t len, offset[64], count;
    uint8_t *data = chain_maker_read(dir(), "headers/s1.cbor", &len);
    chain_maker_items(data, len, offset, &count, 64);
    offset[count] = len;
    struct cbor_out o = CBOR_OUT_INIT;
    for (size_t i = from; i < to && i < count; i++)
        if (i != skip)
            cbor_put_raw(&o, data + offset[i], offset[i + 1] - offset[i]);
    chain_maker_file(dir(), "headers/s1.cbor", o.data, o.len);
    cbor_out_free(&o);
    free(data);
}

static void test_headers_skipped(void **state)
{
    (void)state;
    struct chain_maker mk;
    write_good(&mk);
    keep_headers(0, 99, 7);
    struct found x = look("headers", BALLOT_CHECKS);
    expect_found(&x, CHAIN_CHECK_HEADERS, ERR_MISSING, "headers/s1.cbor", "shard s1",
                 "header 7: was skipped");
    done(&x);
    chain_maker_write(&mk, dir());
    keep_headers(0, 19, 99);
    x = look("headers", BALLOT_CHECKS);
    expect_found(&x, CHAIN_CHECK_HEADERS, ERR_MISSING, "headers/s1.cbor", "shard s1",
                 "19 headers, the snapshot has 20");
    done(&x);
    chain_maker_free(&mk);
}

static void sign_header(const struct chain_header *like, const char *name)
{
    struct cbor_out o = CBOR_OUT_INIT;
    struct chain_header h = *like;
    assert_err(chain_header_make(&o, &h, &bench.home, signkey_signer(bench.x->chain), NULL), OK);
    chain_maker_file(dir(), name, o.data, o.len);
    cbor_out_free(&o);
}

static void append_header(const struct chain_header *like)
{
    struct cbor_out o = CBOR_OUT_INIT, message = CBOR_OUT_INIT;
    struct chain_header h = *like;
    size_t len;
    uint8_t *data = chain_maker_read(dir(), "headers/s1.cbor", &len);
    assert_err(chain_header_make(&message, &h, &bench.home, signkey_signer(bench.x->chain), NULL), OK);
    cbor_put_raw(&o, data, len);
    cbor_put_bytes(&o, message.data, message.len);
    chain_maker_file(dir(), "headers/s1.cbor", o.data, o.len);
    cbor_out_free(&o);
    cbor_out_free(&message);
    free(data);
}

static void test_headers_forked(void **state)
{
    (void)state;
    struct chain_maker mk;
    write_good(&mk);
    /* two of one height, both signed: in the file, and as evidence */
    struct chain_header fork = mk.shard[3].last;
    fork.time++;
    sign_header(&fork, "evidence/1.cose");
    struct found x = look("headers", "");
    expect_found(&x, CHAIN_CHECK_HEADERS, ERR_EQUIVOCATION, "", "shard s1",
                 "header 19: evidence/ has another one");
    done(&x);
    fork.time++;
    sign_header(&fork, "evidence/2.cose");
    x = look("headers", "");
    expect_found(&x, CHAIN_CHECK_HEADERS, ERR_EQUIVOCATION, "evidence", "",
                 "shard s1, header 19: two different ones");
    done(&x);
    fork.height = 20;
    fork.previous = mk.shard[3].last.id;
    chain_maker_write(&mk, dir());
    sign_header(&fork, "evidence/3.cose");
    x = look("headers", "");
    expect_found(&x, CHAIN_CHECK_HEADERS, ERR_EQUIVOCATION, "", "shard s1",
                 "behind the one that ended the shard");
    done(&x);
    /* evidence that says nothing new, and some that is none */
    chain_maker_write(&mk, dir());
    sign_header(&mk.shard[3].last, "evidence/4.cose");
    x = look("", "");
    done(&x);
    chain_maker_file(dir(), "evidence/5.cose", "x", 1);
    x = look("form", "");
    done(&x);

    chain_maker_write(&mk, dir());
    fork.height = 18;
    append_header(&fork);
    x = look("headers", BALLOT_CHECKS);
    expect_found(&x, CHAIN_CHECK_HEADERS, ERR_TRAILING, "headers/s1.cbor", "shard s1", "");
    done(&x);
    chain_maker_write(&mk, dir());
    keep_headers(0, 19, 99);
    append_header(&fork);
    x = look("headers", BALLOT_CHECKS);
    expect_found(&x, CHAIN_CHECK_HEADERS, ERR_EQUIVOCATION, "headers/s1.cbor", "shard s1", "header 18");
    done(&x);
    chain_maker_free(&mk);
}

struct change {
    size_t shard;
    uint64_t height;
    int what;
};

static void change_header(void *ctx, struct chain_maker *mk, size_t shard, struct chain_header *h)
{
    const struct change *c = ctx;
    (void)mk;
    if (shard != c->shard || h->height != c->height)
        return;
    switch (c->what) {
    case 0:
        h->previous.b[0] ^= 1;
        break;
    case 1:
        h->time = 7;
        break;
    case 2:
        h->size += 70000;
        break;
    case 3:
        h->root.b[0] ^= 1;
        break;
    case 4:
        h->ids.b[0] ^= 1;
        break;
    case 5:
        h->tally.b[0] ^= 1;
        break;
    case 6:
        h->state = CHAIN_CLOSED;
        break;
    }
}

static struct found changed(size_t shard, uint64_t height, int what, const char *failed,
                            const char *unchecked)
{
    struct chain_maker mk;
    struct change c = {shard, height, what};
    plan_shards(&mk);
    mk.header = change_header;
    mk.hook_ctx = &c;
    chain_maker_write(&mk, dir());
    struct found x = look(failed, unchecked);
    chain_maker_free(&mk);
    return x;
}

static void test_header_fields(void **state)
{
    (void)state;
    struct found x = changed(3, 5, 0, "headers", BALLOT_CHECKS);
    expect_found(&x, CHAIN_CHECK_HEADERS, ERR_HASH, "headers/s1.cbor", "shard s1",
                 "header 5: names another header");
    done(&x);
    x = changed(1, 0, 0, "headers", BALLOT_CHECKS);
    expect_found(&x, CHAIN_CHECK_HEADERS, ERR_HASH, "headers/s00.cbor", "shard s00",
                 "header 0: names another header");
    done(&x);
    x = changed(3, 5, 1, "headers", BALLOT_CHECKS);
    expect_found(&x, CHAIN_CHECK_HEADERS, ERR_RULE, "headers/s1.cbor", "shard s1", "header 5: is earlier");
    done(&x);
    x = changed(1, 0, 1, "headers", BALLOT_CHECKS);
    done(&x);
    x = changed(3, 5, 2, "headers", BALLOT_CHECKS);
    expect_found(&x, CHAIN_CHECK_HEADERS, ERR_RULE, "headers/s1.cbor", "shard s1", "header 5: its size");
    done(&x);
    x = changed(3, 5, 3, "trees", "");
    expect_found(&x, CHAIN_CHECK_TREES, ERR_HASH, "", "shard s1", "header 5: the tree of the 6 ballots");
    done(&x);
    x = changed(3, 5, 4, "trees", "");
    expect_found(&x, CHAIN_CHECK_TREES, ERR_HASH, "", "shard s1", "header 5: the tree of ids");
    done(&x);
    x = changed(3, 5, 5, "tally", "");
    expect_found(&x, CHAIN_CHECK_TALLY, ERR_SUM, "", "shard s1", "header 5: the running tally");
    done(&x);
    x = changed(3, 5, 6, "headers", BALLOT_CHECKS);
    expect_found(&x, CHAIN_CHECK_HEADERS, ERR_TRAILING, "headers/s1.cbor", "shard s1",
                 "header 6: follows one that ended");
    done(&x);
}

static void test_header_bytes(void **state)
{
    (void)state;
    struct chain_maker mk;
    size_t len, offset[64], count;
    write_good(&mk);
    uint8_t *data = chain_maker_read(dir(), "headers/s1.cbor", &len);
    chain_maker_items(data, len, offset, &count, 64);
    data[offset[4] - 1] ^= 1; /* of header 3, the signature */
    chain_maker_file(dir(), "headers/s1.cbor", data, len);
    struct found x = look("headers", BALLOT_CHECKS);
    expect_found(&x, CHAIN_CHECK_HEADERS, ERR_SIGNATURE, "headers/s1.cbor", "shard s1", "");
    done(&x);
    data[offset[4] - 1] ^= 1;
    data[offset[3]] ^= 0x20; /* no byte string */
    chain_maker_file(dir(), "headers/s1.cbor", data, len);
    x = look("form", "headers " BALLOT_CHECKS);
    done(&x);
    data[offset[3]] ^= 0x20;
    chain_maker_file(dir(), "headers/s1.cbor", data, len - 5);
    x = look("form", "headers " BALLOT_CHECKS);
    expect_found(&x, CHAIN_CHECK_FORM, ERR_TRUNCATED, "headers/s1.cbor", "shard s1", "");
    done(&x);
    /* another shard's headers under this name */
    free(data);
    data = chain_maker_read(dir(), "headers/s01.cbor", &len);
    chain_maker_file(dir(), "headers/s1.cbor", data, len);
    x = look("headers", BALLOT_CHECKS);
    expect_found(&x, CHAIN_CHECK_HEADERS, ERR_UNKNOWN, "headers/s1.cbor", "shard s1", "another shard");
    done(&x);
    free(data);
    assert_int_equal(unlink(fixture_path(bench.x, "chain/headers/s1.cbor")), 0);
    x = look("form", "headers " BALLOT_CHECKS);
    expect_found(&x, CHAIN_CHECK_FORM, ERR_MISSING, "headers/s1.cbor", "shard s1", "");
    done(&x);
    chain_maker_free(&mk);
}

/* --- segments --- */

static void test_segments_truncated(void **state)
{
    (void)state;
    struct chain_maker mk;
    size_t len;
    write_good(&mk);
    uint8_t *data = chain_maker_read(dir(), "segments/s1/00000001.zst", &len);
    chain_maker_file(dir(), "segments/s1/00000001.zst", data, len / 2);
    struct found x = look("form", BALLOT_CHECKS);
    assert_string_equal(x.fault[0].file, "segments/s1/00000001.zst");
    assert_string_equal(x.fault[0].who, "shard s1");
    done(&x);
    chain_maker_file(dir(), "segments/s1/00000001.zst", data, 0);
    x = look("form", BALLOT_CHECKS);
    done(&x);
    chain_maker_file(dir(), "segments/s1/00000001.zst", data, len + 1); /* a NUL is behind it */
    x = look("trees", "ballots order tally ids");
    expect_found(&x, CHAIN_CHECK_TREES, ERR_TRAILING, "segments/s1/00000001.zst", "shard s1", "");
    done(&x);
    free(data);
    assert_int_equal(unlink(fixture_path(bench.x, "chain/segments/s1/00000001.zst")), 0);
    x = look("form", BALLOT_CHECKS);
    expect_found(&x, CHAIN_CHECK_FORM, ERR_MISSING, "segments/s1/00000001.zst", "shard s1", "");
    done(&x);
    chain_maker_free(&mk);
}

static void swap_files(const char *a, const char *b)
{
    size_t a_len, b_len;
    uint8_t *x = chain_maker_read(dir(), a, &a_len), *y = chain_maker_read(dir(), b, &b_len);
    chain_maker_file(dir(), a, y, b_len);
    chain_maker_file(dir(), b, x, a_len);
    free(x);
    free(y);
}

static void test_segments_swapped(void **state)
{
    (void)state;
    struct chain_maker mk;
    write_good(&mk);
    swap_files("segments/s1/00000000.zst", "segments/s1/00000001.zst"); /* 16 and 12 ballots */
    struct found x = look("trees tally", "ballots order ids");
    expect_found(&x, CHAIN_CHECK_TREES, ERR_MISSING, "segments/s1/00000000.zst", "shard s1", "ballot 12");
    done(&x);
    chain_maker_free(&mk);
}

/* The same number of ballots, in another order or another shard. */
static void test_ballots_moved(void **state)
{
    (void)state;
    struct chain_maker mk, original;
    struct chain_made_ballot b;
    struct found x;
    write_good(&original);
    plan_shards(&mk); /* two ballots exchanged, signed by nobody */
    b = mk.shard[3].ballot[3];
    mk.shard[3].ballot[3] = mk.shard[3].ballot[17];
    mk.shard[3].ballot[17] = b;
    chain_maker_write(&mk, fixture_path(bench.x, "other"));
    chain_maker_write(&original, dir());
    size_t len;
    for (size_t k = 0; k < 2; k++) {
        char name[64];
        snprintf(name, sizeof name, "segments/s1/%08zu.zst", k);
        uint8_t *data = chain_maker_read(fixture_path(bench.x, "other"), name, &len);
        chain_maker_file(dir(), name, data, len);
        free(data);
    }
    x = look("trees tally", "");
    expect_found(&x, CHAIN_CHECK_TREES, ERR_HASH, "", "shard s1", "header 3");
    done(&x);
    chain_maker_free(&mk);

    plan_shards(&mk); /* between shards, signed */
    b = mk.shard[3].ballot[18];
    mk.shard[3].ballot[18] = mk.shard[1].ballot[0];
    mk.shard[1].ballot[0] = b;
    chain_maker_write(&mk, dir());
    x = look("order", "");
    expect_found(&x, CHAIN_CHECK_ORDER, ERR_RULE, "", "shard s1", "of another shard");
    expect_found(&x, CHAIN_CHECK_ORDER, ERR_RULE, "", "shard s00", "of another shard");
    done(&x);
    chain_maker_free(&mk);
    chain_maker_free(&original);
}

static void test_order_in_block(void **state)
{
    (void)state;
    struct chain_maker mk;
    plan_shards(&mk);
    struct chain_made_shard *s = &mk.shard[0]; /* two blocks of three */
    struct chain_made_ballot b = s->ballot[3];
    s->ballot[3] = s->ballot[5];
    s->ballot[5] = b;
    chain_maker_write(&mk, dir());
    struct found x = look("order", "");
    expect_found(&x, CHAIN_CHECK_ORDER, ERR_RULE, "", "shard s0", "ballot 4: not sorted");
    done(&x);
    chain_maker_free(&mk);
}

/* Recompressed with other bytes: one ballot's last byte. Its proof breaks, its tree too. */
static void test_recompressed(void **state)
{
    (void)state;
    struct chain_maker mk, original;
    size_t len;
    write_good(&original);
    plan_shards(&mk);
    struct chain_made_ballot *b = &mk.shard[3].ballot[2];
    b->data[b->len - 1] ^= 1;
    chain_maker_write(&mk, fixture_path(bench.x, "other"));
    uint8_t *data = chain_maker_read(fixture_path(bench.x, "other"), "segments/s1/00000000.zst", &len);
    chain_maker_file(dir(), "segments/s1/00000000.zst", data, len);
    free(data);
    struct found x = look("ballots trees", "");
    expect_found(&x, CHAIN_CHECK_BALLOTS, ERR_PROOF, "", "shard s1", "ballot 2: ");
    done(&x);
    /* the same, signed by a chain that does not look */
    chain_maker_write(&mk, dir());
    x = look("ballots", "");
    expect_found(&x, CHAIN_CHECK_BALLOTS, ERR_PROOF, "", "shard s1", "ballot 2: ");
    done(&x);
    chain_maker_free(&mk);
    chain_maker_free(&original);
}

static void test_unreadable_ballot(void **state)
{
    (void)state;
    struct chain_maker mk;
    plan_shards(&mk);
    mk.shard[3].ballot[2].data[0] ^= 1;
    chain_maker_write(&mk, dir());
    struct found x = look("ballots trees", "tally");
    expect_found(&x, CHAIN_CHECK_BALLOTS, ERR_FORMAT, "", "shard s1", "ballot 2: ");
    done(&x);
    chain_maker_free(&mk);
}

static void test_foreign_place(void **state)
{
    (void)state;
    struct chain_maker mk;
    struct cbor_out o = CBOR_OUT_INIT;
    plan_shards(&mk);
    fixture_ballot(bench.x, &o, NULL, bench.x->e1, "rural", "mayor=a");
    chain_maker_put(&mk, o.data, o.len); /* into what is open */
    chain_maker_write(&mk, dir());
    cbor_out_free(&o);
    struct found x = look("ballots", "tally");
    for (size_t i = 0; i < x.count; i++)
        assert_int_equal(x.fault[i].err, ERR_UNKNOWN);
    done(&x);
    chain_maker_free(&mk);
}

static void test_hints(void **state)
{
    (void)state;
    struct chain_maker mk;
    for (int what = 0; what < 4; what++) {
        plan_shards(&mk);
        struct chain_made_ballot *b = &mk.shard[3].ballot[2];
        if (what == 0)
            b->hints[31] ^= 1;
        else if (what == 1)
            b->hints_len -= 32;
        else if (what == 2)
            memset(b->hints, 0xff, 32); /* not below p */
        else {                          /* -y: on the curve, of the other parity */
            static const uint8_t p[32] = {0xff, 0xff, 0xff, 0xff, 0,    0,    0,    1,    0,    0,    0,
                                          0,    0,    0,    0,    0,    0,    0,    0,    0,    0xff, 0xff,
                                          0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
            int borrow = 0;
            for (int i = 31; i >= 0; i--) {
                int d = p[i] - b->hints[i] - borrow;
                borrow = d < 0;
                b->hints[i] = (uint8_t)(d & 255);
            }
        }
        chain_maker_write(&mk, dir());
        struct found x = look("form", "");
        expect_found(&x, CHAIN_CHECK_FORM, ERR_POINT, "", "shard s1", "ballot 2: a hint");
        done(&x);
        chain_maker_free(&mk);
    }
}

/* --- sums --- */

static void move_votes(void *ctx, struct chain_maker *mk, size_t shard, struct chain_sums *s)
{
    (void)mk;
    if (shard != *(size_t *)ctx)
        return;
    struct tally *t = &s->row[0].t->tally[0];
    struct p256_jacobian B = t->B[0];
    t->B[0] = t->B[1];
    t->B[1] = B;
    free(s->row[0].bytes);
    s->row[0].bytes = NULL;
}

/* Headers, running tally and snapshot agree on sums that are not those of the ballots. */
static void test_tally_not_sum(void **state)
{
    (void)state;
    struct chain_maker mk;
    size_t shard = 1;
    plan_shards(&mk);
    mk.running = move_votes;
    mk.hook_ctx = &shard;
    chain_maker_write(&mk, dir());
    struct found x = look("tally", "");
    expect_found(&x, CHAIN_CHECK_TALLY, ERR_SUM, "", "shard s00", "header 0: the running tally");
    done(&x);
    verify(&x, (struct chain_verify_options){.quick = 1}); /* which a quick look cannot see */
    expect(&x, "", BALLOT_CHECKS);
    done(&x);
    chain_maker_free(&mk);
}

static void snapshot_votes(void *ctx, struct chain_maker *mk, struct chain_snapshot *s)
{
    size_t one = 1;
    (void)ctx;
    move_votes(&one, mk, 1, s->sums);
}

static void test_snapshot_not_sum(void **state)
{
    (void)state;
    struct chain_maker mk;
    struct found x;
    plan_shards(&mk);
    mk.snapshot = snapshot_votes;
    chain_maker_write(&mk, dir());
    x = look("tally", "");
    expect_found(&x, CHAIN_CHECK_TALLY, ERR_SUM, "snapshot.cbor", "", "place e-2");
    done(&x);
    verify(&x, (struct chain_verify_options){.quick = 1});
    assert_int_equal(x.r->check[CHAIN_CHECK_TALLY].verdict, VERIFY_FAIL);
    done(&x);
    chain_maker_free(&mk);
}

static void test_running_file(void **state)
{
    (void)state;
    struct chain_maker mk;
    size_t len;
    write_good(&mk);
    swap_files("tallies/s00.cbor", "tallies/s01.cbor");
    struct found x = look("tally", "");
    expect_found(&x, CHAIN_CHECK_TALLY, ERR_HASH, "tallies/s00.cbor", "shard s00", "");
    done(&x);
    uint8_t *data = chain_maker_read(dir(), "tallies/s1.cbor", &len);
    chain_maker_file(dir(), "tallies/s1.cbor", data, len - 1);
    free(data);
    x = look("form tally", "");
    done(&x);
    chain_maker_free(&mk);
}

static void change_snapshot(void *ctx, struct chain_maker *mk, struct chain_snapshot *s)
{
    (void)mk;
    switch (*(int *)ctx) {
    case 0:
        s->shard[3].head.b[0] ^= 1;
        break;
    case 1:
        s->shard[3].root.b[0] ^= 1;
        break;
    case 2:
        s->shard[3].ids.b[0] ^= 1;
        break;
    case 3:
        s->shard[3].headers++;
        break;
    case 4:
        s->shard[3].state = CHAIN_OPEN;
        break;
    }
}

static void test_snapshot_rows(void **state)
{
    (void)state;
    static const err_t e[] = {ERR_HASH, ERR_MISMATCH, ERR_MISMATCH, ERR_MISSING, ERR_MISMATCH};
    for (int what = 0; what < 5; what++) {
        struct chain_maker mk;
        plan_shards(&mk);
        mk.snapshot = change_snapshot;
        mk.hook_ctx = &what;
        chain_maker_write(&mk, dir());
        struct found x = look("headers", BALLOT_CHECKS);
        expect_found(&x, CHAIN_CHECK_HEADERS, e[what], "headers/s1.cbor", "shard s1", "");
        done(&x);
        chain_maker_free(&mk);
    }
}

/* --- ids --- */

/* Once in the shard that was split, once in its half: trees and sums are all right. */
static void test_id_twice(void **state)
{
    (void)state;
    struct chain_maker mk;
    plan_shards(&mk);
    const struct chain_made_ballot *b = &mk.shard[0].ballot[4];
    size_t half = b->id.b[0] >> 6 & 1 ? 2 : 1;
    chain_maker_put_to(&mk, half, b->data, b->len);
    chain_maker_write(&mk, dir());
    struct found x = look("ids", "");
    expect_found(&x, CHAIN_CHECK_IDS, ERR_DUPLICATE, "", half == 2 ? "shard s01" : "shard s00",
                 "of ballot 4 of shard s0");
    done(&x);
    /* and with a work directory, where ids are spooled */
    struct found y;
    verify(&y, (struct chain_verify_options){.work = fixture_path(bench.x, "work-ids")});
    expect(&y, "ids", "");
    expect_found(&y, CHAIN_CHECK_IDS, ERR_DUPLICATE, "", half == 2 ? "shard s01" : "shard s00",
                 "of ballot 4 of shard s0");
    done(&y);
    chain_maker_free(&mk);
    plan_shards(&mk); /* in one block */
    chain_maker_put_to(&mk, 3, bench.pool[bench.ones - 1].data, bench.pool[bench.ones - 1].len);
    chain_maker_write(&mk, dir());
    x = look("ids", "");
    done(&x);
    chain_maker_free(&mk);
}

/* --- pruning --- */

static void prune(const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "chain/%s", name);
    assert_int_equal(unlink(fixture_path(bench.x, path)), 0);
}

static void test_pruned(void **state)
{
    (void)state;
    struct chain_maker mk;
    plan_shards(&mk);
    mk.lists = 1;
    chain_maker_write(&mk, dir());
    prune("segments/s1/00000000.zst");
    struct found x = look("", "ballots tally");
    assert_int_equal(x.r->pruned, 16);
    assert_int_equal(x.r->proved, POOL - 16);
    assert_int_equal(chain_report_counts(x.r), 0);
    done(&x);
    /* what is left is still compared: ids, leaves */
    swap_files("ids/s00", "ids/s01");
    verify(&x, (struct chain_verify_options){0});
    assert_int_equal(chain_report_verdict(x.r), VERIFY_FAIL);
    done(&x);
    chain_maker_write(&mk, dir());
    size_t len;
    uint8_t *data = chain_maker_read(dir(), "leaves/s1", &len);
    data[5 * 32] ^= 1;
    chain_maker_file(dir(), "leaves/s1", data, len);
    x = look("trees", "");
    expect_found(&x, CHAIN_CHECK_TREES, ERR_MISMATCH, "leaves/s1", "shard s1", "ballot 5");
    done(&x);
    prune("segments/s1/00000000.zst");
    x = look("trees", "ballots tally");
    expect_found(&x, CHAIN_CHECK_TREES, ERR_HASH, "", "shard s1", "header 5");
    done(&x);
    data[5 * 32] ^= 1;
    chain_maker_file(dir(), "leaves/s1", data, len);
    free(data);
    /* one id for another: sorting and prefix are seen as well */
    data = chain_maker_read(dir(), "ids/s1", &len);
    data[5 * 32] ^= 0x80;
    chain_maker_file(dir(), "ids/s1", data, len);
    free(data);
    x = look("order trees", "ballots tally");
    done(&x);
    prune("ids/s1");
    x = look("form", BALLOT_CHECKS);
    done(&x);
    chain_maker_free(&mk);
}

/* --- anchors --- */

static void test_anchors(void **state)
{
    (void)state;
    struct chain_maker mk;
    struct chain_anchor a;
    struct found x;
    struct merkle tree;
    char text[160], hex[65];
    write_good(&mk);
    merkle_init(&tree);
    for (size_t i = 0; i < 21; i++) { /* within the last block */
        hash_t leaf;
        merkle_leaf(&leaf, mk.shard[3].ballot[i].data, mk.shard[3].ballot[i].len);
        merkle_add(&tree, &leaf);
    }
    hash_t root;
    merkle_root(&tree, &root);
    hex_put(hex, root.b, HASH_LEN);
    snprintf(text, sizeof text, "1:21:%s", hex);
    assert_err(chain_anchor_parse(&a, text), OK);
    verify(&x, (struct chain_verify_options){.anchor = &a, .anchor_count = 1});
    expect(&x, "", "");
    assert_int_equal(x.r->check[CHAIN_CHECK_ANCHOR].verdict, VERIFY_PASS);
    done(&x);
    verify(&x, (struct chain_verify_options){.quick = 1, .anchor = &a, .anchor_count = 1});
    assert_int_equal(x.r->check[CHAIN_CHECK_ANCHOR].verdict, VERIFY_NOT_CHECKED);
    done(&x);
    a.root.b[0] ^= 1;
    verify(&x, (struct chain_verify_options){.anchor = &a, .anchor_count = 1});
    expect(&x, "anchor", "");
    expect_found(&x, CHAIN_CHECK_ANCHOR, ERR_MISMATCH, "", "shard s1", "the root of 21 ballots");
    done(&x);
    /* also where the ballots were read by an earlier run, which was not asked */
    char kept[256];
    snprintf(kept, sizeof kept, "%s", fixture_path(bench.x, "work-anchors"));
    verify(&x, (struct chain_verify_options){.work = kept});
    done(&x);
    for (int good = 0; good < 2; good++) {
        a.root.b[0] ^= (uint8_t)good;
        verify(&x, (struct chain_verify_options){.work = kept, .anchor = &a, .anchor_count = 1});
        assert_int_equal(x.r->proved, 0);
        assert_int_equal(x.r->check[CHAIN_CHECK_ANCHOR].verdict, good ? VERIFY_PASS : VERIFY_FAIL);
        done(&x);
    }
    tree_rm(kept);
    a.size = 28; /* of a header: a quick look sees it */
    verify(&x, (struct chain_verify_options){.quick = 1, .anchor = &a, .anchor_count = 1});
    assert_int_equal(x.r->check[CHAIN_CHECK_ANCHOR].verdict, VERIFY_FAIL);
    done(&x);
    a.root = mk.shard[3].last.root;
    verify(&x, (struct chain_verify_options){.quick = 1, .anchor = &a, .anchor_count = 1});
    assert_int_equal(x.r->check[CHAIN_CHECK_ANCHOR].verdict, VERIFY_PASS);
    done(&x);
    a.size = 29; /* the shard is closed */
    verify(&x, (struct chain_verify_options){.anchor = &a, .anchor_count = 1});
    expect(&x, "anchor", "");
    done(&x);
    assert_err(chain_shard_parse(&a.shard, "10"), OK);
    verify(&x, (struct chain_verify_options){.anchor = &a, .anchor_count = 1});
    expect(&x, "anchor", "");
    done(&x);
    chain_maker_free(&mk);
    static const char *const bad[] = {"", "1", "1:5", "1:0:", "2:5:", "1:05x:", "1::"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(text, sizeof text, "%s%s", bad[i], hex);
        assert_err(chain_anchor_parse(&a, text), ERR_USAGE);
    }
    snprintf(text, sizeof text, ":5:%s", hex);
    assert_err(chain_anchor_parse(&a, text), OK);
    snprintf(text, sizeof text, "s01:5:%s", hex);
    assert_err(chain_anchor_parse(&a, text), OK);
    snprintf(text, sizeof text, "1:0:%s", hex);
    assert_err(chain_anchor_parse(&a, text), ERR_USAGE);
}

/* --- from a trusted snapshot --- */

static void set_time(void *ctx, struct chain_maker *mk, size_t shard, struct chain_header *h)
{
    (void)ctx;
    (void)mk;
    (void)shard;
    h->time = 5;
}

/* An export, and an older snapshot in it: of shard 0 one block, of shard 1 ten. time: of all its headers;
 * those of mk have 5. */
static void write_older(struct chain_maker *mk, struct chain_maker *older, int same_headers)
{
    size_t len;
    plan_shards(mk);
    plan_shards(older);
    chain_maker_drop(older, 2);
    chain_maker_drop(older, 1);
    chain_maker_cut(older, 0, 1);
    chain_maker_cut(older, 1, 10);
    older->shard[0].state = older->shard[1].state = CHAIN_OPEN;
    mk->header = set_time;
    older->header = same_headers ? set_time : NULL;
    chain_maker_write(older, fixture_path(bench.x, "older"));
    uint8_t *data = chain_maker_read(fixture_path(bench.x, "older"), "snapshot.cbor", &len);
    mk->previous = older->made->id;
    mk->number = 1;
    chain_maker_write(mk, dir());
    chain_maker_file(dir(), "snapshots/00000000.cbor", data, len);
    free(data);
}

static void test_older(void **state)
{
    (void)state;
    struct chain_maker mk, older;
    size_t len;
    write_older(&mk, &older, 0);
    struct found x = look("headers", "");
    expect_found(&x, CHAIN_CHECK_HEADERS, ERR_EQUIVOCATION, "", "shard s1",
                 "header 9 is another one than snapshot 0 names");
    expect_found(&x, CHAIN_CHECK_HEADERS, ERR_EQUIVOCATION, "", "shard s0", "header 0");
    done(&x);
    chain_maker_free(&mk);
    chain_maker_free(&older);

    write_older(&mk, &older, 1);
    uint8_t *data = chain_maker_read(dir(), "snapshots/00000000.cbor", &len);
    x = look("", "");
    done(&x);
    chain_maker_file(dir(), "snapshots/00000003.cbor", data, len);
    x = look("form", "");
    expect_found(&x, CHAIN_CHECK_FORM, ERR_MISMATCH, "snapshots/00000003.cbor", "", "");
    done(&x);
    mk.previous.b[0] ^= 1; /* names another one */
    chain_maker_write(&mk, dir());
    chain_maker_file(dir(), "snapshots/00000000.cbor", data, len);
    x = look("headers", "");
    expect_found(&x, CHAIN_CHECK_HEADERS, ERR_HASH, "snapshots/00000000.cbor", "", "");
    done(&x);
    mk.previous.b[0] ^= 1;
    mk.time = 7; /* earlier than the older one */
    chain_maker_write(&mk, dir());
    chain_maker_file(dir(), "snapshots/00000000.cbor", data, len);
    x = look("headers", "");
    expect_found(&x, CHAIN_CHECK_HEADERS, ERR_RULE, "snapshots/00000000.cbor", "", "later time");
    done(&x);
    /* there were more ballots then */
    chain_maker_cut(&mk, 3, 5);
    mk.time = 500001;
    chain_maker_write(&mk, dir());
    chain_maker_file(dir(), "snapshots/00000000.cbor", data, len);
    x = look("headers", "");
    expect_found(&x, CHAIN_CHECK_HEADERS, ERR_MISSING, "snapshots/00000000.cbor", "shard s1",
                 "had more headers");
    done(&x);
    free(data);
    chain_maker_free(&mk);
    chain_maker_free(&older);
}

/* Many older snapshots that say the same cost nothing; too many different headers are refused by name. */
static void test_many_older(void **state)
{
    (void)state;
    struct chain_run v = {.expected = NULL};
    struct chain_expected row = {.shard = 0};
    struct fault f;
    err_t e = OK;
    for (uint64_t number = 0; number < 300; number++)
        for (row.shard = 0; row.shard < 10000; row.shard++) {
            row.number = number;
            e = chain_expect(&v, &row, &f);
            if (e != OK)
                fail_msg("%s after %llu snapshots", err_name(e), (unsigned long long)number);
        }
    assert_true(v.expected_cap <= 65536);
    for (row.height = 1; e == OK && row.height <= 4 * CHAIN_EXPECTED_MAX; row.height++)
        e = chain_expect(&v, &row, &f);
    assert_int_equal(e, ERR_LIMIT);
    assert_true(row.height > CHAIN_EXPECTED_MAX);
    assert_true(v.expected_cap <= 2 * CHAIN_EXPECTED_MAX);
    free(v.expected);
}

/* Opens what the key "validator" signed, asks about the snapshot of the export, and keeps it if it may. */
static err_t remember(struct fault *f)
{
    struct chain_signed m;
    struct chain_snapshot *s = NULL;
    char path[4200];
    snprintf(path, sizeof path, "%s/snapshot.cbor", dir());
    fault_clear(f);
    err_t e = chain_snapshot_read(&s, NULL, NULL, &bench.home, path, f);
    assert_int_equal(e, OK);
    e = chain_signed_open(&m, &bench.home, NULL, fixture_path(bench.x, "validator"), f);
    if (e == OK)
        e = chain_signed_allow(&m, dir(), s, f);
    if (e == OK)
        e = chain_signed_keep(&m, s, f);
    chain_signed_close(&m);
    chain_snapshot_free(s);
    return e;
}

/* A validator signs what it signed, and what grew from that; no fork of it, and nothing that leaves out the
 * proof. */
static void test_validator_remembers(void **state)
{
    (void)state;
    struct chain_maker mk, older;
    struct chain_signed m, again;
    struct fault f;
    size_t len;
    write_older(&mk, &older, 1);
    uint8_t *data = chain_maker_read(dir(), "snapshots/00000000.cbor", &len);
    chain_maker_write(&older, dir());
    assert_int_equal(remember(&f), OK);
    assert_int_equal(remember(&f), OK);
    older.time++; /* another one with its number */
    chain_maker_write(&older, dir());
    assert_int_equal(remember(&f), ERR_CONFLICT);
    chain_maker_write(&mk, dir());
    assert_int_equal(remember(&f), ERR_CONFLICT); /* names it, but does not show it */
    mk.previous.b[0] ^= 1;
    chain_maker_write(&mk, dir());
    chain_maker_file(dir(), "snapshots/00000000.cbor", data, len);
    assert_int_equal(remember(&f), ERR_CONFLICT);
    mk.previous.b[0] ^= 1;
    mk.number = 2; /* a step is missing between */
    chain_maker_write(&mk, dir());
    chain_maker_file(dir(), "snapshots/00000000.cbor", data, len);
    assert_int_equal(remember(&f), ERR_CONFLICT);
    mk.number = 1;
    chain_maker_write(&mk, dir());
    chain_maker_file(dir(), "snapshots/00000000.cbor", data, len);
    assert_int_equal(remember(&f), OK);
    assert_int_equal(remember(&f), OK);
    older.time--;
    chain_maker_write(&older, dir());
    assert_int_equal(remember(&f), ERR_CONFLICT); /* the earlier one again */

    assert_int_equal(chain_signed_open(&m, &bench.home, NULL, fixture_path(bench.x, "validator"), &f), OK);
    assert_int_equal(m.number, 1);
    assert_int_equal(chain_signed_open(&again, &bench.home, m.path, "", &f), ERR_BUSY);
    chain_signed_close(&again);
    chain_signed_close(&m);
    assert_int_equal(chain_signed_open(&again, &bench.abroad, m.path, "", &f), ERR_MISMATCH);
    chain_signed_close(&again);
    assert_int_equal(truncate(m.path, 10), 0);
    assert_int_not_equal(chain_signed_open(&again, &bench.home, m.path, "", &f), OK);
    chain_signed_close(&again);
    free(data);
    chain_maker_free(&mk);
    chain_maker_free(&older);
}

static void test_trusted(void **state)
{
    (void)state;
    struct chain_maker mk, older;
    struct found x;
    write_older(&mk, &older, 1);
    const hash_t old_id = older.made->id;
    x = look("", ""); /* not trusted: everything is looked at */
    assert_int_equal(x.r->proved, POOL);
    done(&x);
    verify(&x, (struct chain_verify_options){.trust = &old_id, .trust_count = 1});
    expect(&x, "", "tally");
    assert_int_equal(x.r->trusted, 3 + 10);
    assert_int_equal(x.r->proved, POOL - 13);
    assert_int_equal(chain_report_counts(x.r), 0);
    done(&x);
    /* and what was not checked is not checked when it is asked again */
    for (int again = 0; again < 2; again++) {
        verify(&x, (struct chain_verify_options){
                       .trust = &old_id, .trust_count = 1, .work = fixture_path(bench.x, "work-trust")});
        expect(&x, "", "tally");
        assert_int_equal(x.r->known, again ? POOL - 13 : 0);
        done(&x);
    }
    /* the snapshot itself: nothing is proved, everything is hashed */
    verify(&x, (struct chain_verify_options){.trust = &mk.made->id, .trust_count = 1});
    expect(&x, "", "");
    assert_int_equal(x.r->trusted, POOL);
    assert_int_equal(chain_report_counts(x.r), 0);
    done(&x);
    hash_t nobody = {{1}};
    verify_as(&x, &bench.home, (struct chain_verify_options){.trust = &nobody, .trust_count = 1});
    assert_int_equal(x.err, ERR_MISSING);

    /* bad ballots: behind the trusted ones they are found, before they are not looked at */
    mk.shard[3].ballot[2].data[mk.shard[3].ballot[2].len - 1] ^= 1;
    mk.shard[3].ballot[22].data[mk.shard[3].ballot[22].len - 1] ^= 1;
    older.shard[1].ballot[2].data[older.shard[1].ballot[2].len - 1] ^= 1;
    chain_maker_write(&older, fixture_path(bench.x, "older"));
    mk.previous = older.made->id;
    chain_maker_write(&mk, dir());
    size_t len;
    uint8_t *data = chain_maker_read(fixture_path(bench.x, "older"), "snapshot.cbor", &len);
    chain_maker_file(dir(), "snapshots/00000000.cbor", data, len);
    free(data);
    verify(&x, (struct chain_verify_options){.trust = &older.made->id, .trust_count = 1});
    expect(&x, "ballots", "tally");
    assert_int_equal(x.count, 1);
    expect_found(&x, CHAIN_CHECK_BALLOTS, ERR_PROOF, "", "shard s1", "ballot 22: ");
    done(&x);
    x = look("ballots", "");
    assert_int_equal(x.count, 2);
    done(&x);
    chain_maker_free(&mk);
    chain_maker_free(&older);
}

/* --- stopping and going on --- */

struct spooled {
    size_t count;
    uint64_t e2, w1;
    struct chain_spooled ballot[2 * POOL];
};

static err_t on_spooled(void *ctx, const struct chain_spooled *b, struct fault *f)
{
    struct spooled *s = ctx;
    (void)f;
    assert_int_equal(b->at, s->count);
    s->ballot[s->count++] = *b;
    s->e2 += b->place == bench.x->e2;
    s->w1 += b->place == bench.x->w1;
    return OK;
}

static err_t ignore_spooled(void *ctx, const struct chain_spooled *b, struct fault *f)
{
    (void)ctx;
    (void)b;
    (void)f;
    return OK;
}

/* Killed between writing ids and writing where to go on: the ids behind are cut off. Ids that are gone: from
 * the start. */
static void test_killed(void **state)
{
    (void)state;
    struct chain_maker mk;
    struct found x;
    struct spooled s = {0};
    struct fault f;
    char work[200], ids[220];
    size_t len;
    write_good(&mk);
    snprintf(work, sizeof work, "%s", fixture_path(bench.x, "work-killed"));
    snprintf(ids, sizeof ids, "%s/ids", work);
    x.stop_at = 40;
    verify_as(&x, &bench.home, (struct chain_verify_options){.work = work});
    assert_int_equal(x.err, ERR_STOPPED);
    FILE *out = fopen(ids, "ab");
    assert_non_null(out);
    assert_int_equal(fwrite("torn by a power cut, or a kill", 1, 30, out), 30);
    assert_int_equal(fclose(out), 0);
    verify(&x, (struct chain_verify_options){.work = work});
    expect(&x, "", "");
    assert_int_equal(x.r->known + x.r->proved, POOL);
    done(&x);
    assert_err(chain_spool_each(&bench.home, work, &mk.made->id, on_spooled, &s, &f), OK);
    assert_int_equal(s.count, POOL);
    assert_int_equal(truncate(ids, 100), 0);
    verify(&x, (struct chain_verify_options){.work = work});
    expect(&x, "", "");
    assert_int_equal(x.r->known, 0);
    assert_int_equal(x.r->proved, POOL);
    done(&x);
    /* a state that cannot be read is none */
    uint8_t *data = chain_maker_read(work, "state.cbor", &len);
    for (size_t cut = 0; cut < len; cut += 1 + len / 9) {
        chain_maker_file(work, "state.cbor", data, cut);
        verify(&x, (struct chain_verify_options){.work = work});
        expect(&x, "", "");
        assert_int_equal(x.r->known, 0);
        done(&x);
    }
    free(data);
    /* and so is one with a bit that a disk has changed, in it or in the ids */
    static const char *const files[] = {"state.cbor", "ids"};
    for (size_t i = 0; i < 2; i++) {
        data = chain_maker_read(work, files[i], &len);
        for (size_t at = 0; at < len; at += 1 + len / 23) {
            data[at] ^= (uint8_t)(1u << at % 8);
            chain_maker_file(work, files[i], data, len);
            err_t e = chain_spool_each(&bench.home, work, &mk.made->id, ignore_spooled, NULL, &f);
            assert_int_equal(e, i == 0 ? ERR_FORMAT : ERR_HASH);
            verify(&x, (struct chain_verify_options){.work = work});
            expect(&x, "", "");
            assert_int_equal(x.r->known, 0);
            assert_int_equal(x.r->proved, POOL);
            done(&x);
            free(data);
            data = chain_maker_read(work, files[i], &len);
        }
        free(data);
    }
    chain_maker_free(&mk);
}

static void test_resume(void **state)
{
    (void)state;
    struct chain_maker mk;
    struct found x;
    struct spooled s = {0};
    struct fault f;
    const char *work = "work-resume";
    write_good(&mk);
    x.stop_at = 12;
    verify_as(&x, &bench.home, (struct chain_verify_options){.work = fixture_path(bench.x, work)});
    assert_int_equal(x.err, ERR_STOPPED);
    assert_null(x.r);
    assert_err(chain_spool_each(&bench.home, fixture_path(bench.x, work), &mk.made->id, on_spooled, &s, &f),
               ERR_FORMAT);
    verify(&x, (struct chain_verify_options){.work = fixture_path(bench.x, work)});
    expect(&x, "", "");
    assert_int_equal(x.r->known + x.r->proved, POOL);
    assert_int_equal(chain_report_counts(x.r), 1);
    done(&x);
    assert_err(chain_spool_each(&bench.home, fixture_path(bench.x, work), &mk.made->id, on_spooled, &s, &f),
               OK);
    assert_int_equal(s.count, POOL);
    assert_int_equal(s.e2 + s.w1, POOL);
    assert_int_equal(s.e2, mk.made->sums->row[0].ballots);
    /* again: nothing is checked twice */
    verify(&x, (struct chain_verify_options){.work = fixture_path(bench.x, work)});
    expect(&x, "", "");
    assert_int_equal(x.r->known, POOL);
    assert_int_equal(x.r->proved, 0);
    done(&x);
    /* another snapshot in the same directory starts anew */
    mk.time++;
    chain_maker_write(&mk, dir());
    assert_err(chain_spool_each(&bench.home, fixture_path(bench.x, work), &mk.made->id, on_spooled, &s, &f),
               ERR_FORMAT);
    verify(&x, (struct chain_verify_options){.work = fixture_path(bench.x, work)});
    expect(&x, "", "");
    assert_int_equal(x.r->known, 0);
    done(&x);
    chain_maker_free(&mk);
}

/* --- single ballots --- */

static void test_find(void **state)
{
    (void)state;
    struct chain_maker mk;
    struct found x;
    struct spooled s = {0};
    struct fault f;
    struct chain_sums *sums, *want;
    struct chain_spooled pick[8];
    static const size_t at[] = {0, 5, 6, 27, 28, 43, 44, 55};
    write_good(&mk);
    verify(&x, (struct chain_verify_options){.ballot = on_spooled, .ballot_ctx = &s});
    expect(&x, "", "");
    assert_int_equal(s.count, POOL);
    assert_err(chain_sums_new(&sums, &bench.home), OK);
    assert_err(chain_find_ballots(sums, &bench.home, dir(), x.r->snapshot, NULL, 0, &f), OK);
    assert_int_equal(chain_sums_ballots(sums), 0);
    assert_err(chain_find_ballots(sums, &bench.home, dir(), x.r->snapshot, s.ballot, s.count, &f), OK);
    assert_true(chain_sums_equal_var(sums, x.r->snapshot->sums, &bench.home, NULL));
    chain_sums_free(sums);

    assert_err(chain_sums_new(&sums, &bench.home), OK);
    assert_err(chain_sums_new(&want, &bench.home), OK);
    for (size_t i = 0; i < 8; i++) {
        pick[i] = s.ballot[at[i]];
        for (size_t k = 0; k < POOL; k++)
            if (hash_cmp(&bench.info[k].id, &pick[i].id) == 0) {
                struct ballot *b = fixture_parse(bench.x, &bench.pool[k]);
                assert_err(chain_sums_add_ballot_var(want, &bench.home, b), OK);
                ballot_free(b);
            }
    }
    assert_err(chain_find_ballots(sums, &bench.home, dir(), x.r->snapshot, pick, 8, &f), OK);
    assert_true(chain_sums_equal_var(sums, want, &bench.home, NULL));
    pick[6].leaf[3] ^= 1;
    assert_err(chain_find_ballots(sums, &bench.home, dir(), x.r->snapshot, pick, 8, &f), ERR_HASH);
    pick[6].leaf[3] ^= 1;
    pick[2].id.b[31] ^= 1; /* whoever names a ballot does not choose another */
    assert_err(chain_find_ballots(sums, &bench.home, dir(), x.r->snapshot, pick, 8, &f), ERR_MISMATCH);
    pick[2].id.b[31] ^= 1;
    pick[0].place++;
    assert_err(chain_find_ballots(sums, &bench.home, dir(), x.r->snapshot, pick, 8, &f), ERR_MISMATCH);
    pick[0].place--;
    pick[7].at = POOL;
    assert_err(chain_find_ballots(sums, &bench.home, dir(), x.r->snapshot, pick, 8, &f), ERR_MISSING);
    chain_sums_free(sums);
    chain_sums_free(want);
    done(&x);
    chain_maker_free(&mk);
}

/* One shard by itself: of the rest nothing is read but the headers of those that it was split from. */
static void test_only(void **state)
{
    (void)state;
    struct chain_maker mk;
    struct found x;
    static const char *const gone[] = {"chain/snapshots", "chain/finality", "chain/tallies"};
    write_good(&mk);
    for (size_t i = 0; i < sizeof gone / sizeof *gone; i++)
        tree_rm(fixture_path(bench.x, gone[i]));
    for (size_t i = 0; i < mk.shard_count; i++) {
        const struct chain_made_shard *s = &mk.shard[i];
        uint64_t headers = 0;
        for (size_t k = 0; k < mk.shard_count; k++)
            if (strncmp(mk.shard[k].name.s, s->name.s, strlen(mk.shard[k].name.s)) == 0)
                headers += mk.made->shard[k].headers;
        verify(&x, (struct chain_verify_options){.only = &s->name});
        expect(&x, "", "");
        assert_int_equal(x.count, 0);
        assert_int_equal(x.r->proved, s->count);
        assert_int_equal(x.r->headers, headers);
        done(&x);
    }
    /* of the last one only its own */
    assert_int_equal(unlink(fixture_path(bench.x, "chain/headers/s1.cbor")), 0);
    for (size_t i = 0; i < mk.shard_count; i++) {
        int is_bad = strncmp(mk.shard[i].name.s, "1", 1) == 0;
        verify(&x, (struct chain_verify_options){.only = &mk.shard[i].name});
        expect(&x, "", is_bad ? BALLOT_CHECKS : "");
        done(&x);
    }
    chain_maker_free(&mk);
}

/* --- two exports --- */

static void later(void *ctx, struct chain_maker *mk, size_t shard, struct chain_header *h)
{
    (void)ctx;
    (void)mk;
    h->time += shard == 1 && h->height >= 2;
}

/* Shard 0 was never used. */
static void plan_half(struct chain_maker *mk)
{
    chain_maker_init(mk, &bench.home, signkey_signer(bench.x->chain));
    mk->validator[0] = signkey_signer(bench.x->validator[0]);
    mk->validator[1] = signkey_signer(bench.x->validator[1]);
    chain_maker_shard(mk, "0", CHAIN_CLOSED);
    chain_maker_shard(mk, "1", CHAIN_CLOSED);
    for (size_t i = 0; i < 5; i++) {
        chain_maker_put(mk, bench.pool[i].data, bench.pool[i].len);
        chain_maker_block(mk, 1);
    }
}

static void test_fork(void **state)
{
    (void)state;
    struct chain_maker a, b;
    struct chain_fork fork;
    struct fault f;
    plan_half(&a);
    plan_half(&b);
    b.header = later;
    chain_maker_write(&a, dir());
    struct found x = look("", "");
    done(&x);
    const char *const dirs[2] = {dir(), fixture_path(bench.x, "other")};
    chain_maker_write(&b, dirs[1]);
    struct chain_snapshot *const s[2] = {a.made, b.made};
    assert_err(chain_fork_find(&fork, &bench.home, dirs, s, &f), OK);
    assert_string_equal(fork.shard.s, "1");
    assert_int_equal(fork.height, 2);
    for (size_t i = 0; i < 2; i++) {
        struct chain_header h;
        assert_err(chain_header_parse(&h, &bench.home, fork.header[i].data, fork.header[i].len, &f), OK);
        assert_int_equal(hash_cmp(&h.id, &fork.header[i].id), 0);
        assert_int_equal(h.time, a.time + i);
    }
    struct chain_snapshot *const same[2] = {a.made, a.made};
    const char *const once[2] = {dirs[0], dirs[0]};
    assert_err(chain_fork_find(&fork, &bench.home, once, same, &f), ERR_MISSING);
    chain_maker_free(&a);
    chain_maker_free(&b);
}

/* --- a bomb --- */

static void test_bomb(void **state)
{
    (void)state;
    struct chain_maker mk;
    write_good(&mk);
    /* a frame that says what so many ballots take, and is gigabytes of zeros */
    static const uint8_t head[] = {0x28, 0xb5, 0x2f, 0xfd, 0xa0, 0x00, 0x00, 0x00, 0x40};
    struct cbor_out o = CBOR_OUT_INIT;
    cbor_put_raw(&o, head, sizeof head);
    for (size_t i = 0; i < 8192; i++) /* blocks of 128 KiB, one byte repeated: 1 GiB */
        cbor_put_raw(&o, i + 1 < 8192 ? "\x02\x00\x10\x00" : "\x03\x00\x10\x00", 4);
    chain_maker_file(dir(), "segments/s1/00000000.zst", o.data, o.len);
    cbor_out_free(&o);
    struct found x = look("form", BALLOT_CHECKS);
    expect_found(&x, CHAIN_CHECK_FORM, ERR_LIMIT, "segments/s1/00000000.zst", "shard s1", "");
    done(&x);
    chain_maker_free(&mk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_quick),
        cmocka_unit_test(test_open_does_not_count),
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_other_chain),
        cmocka_unit_test(test_snapshot_bytes),
        cmocka_unit_test(test_unknown_files),
        cmocka_unit_test(test_quorum),
        cmocka_unit_test(test_headers_skipped),
        cmocka_unit_test(test_headers_forked),
        cmocka_unit_test(test_header_fields),
        cmocka_unit_test(test_header_bytes),
        cmocka_unit_test(test_segments_truncated),
        cmocka_unit_test(test_segments_swapped),
        cmocka_unit_test(test_ballots_moved),
        cmocka_unit_test(test_order_in_block),
        cmocka_unit_test(test_recompressed),
        cmocka_unit_test(test_unreadable_ballot),
        cmocka_unit_test(test_foreign_place),
        cmocka_unit_test(test_hints),
        cmocka_unit_test(test_tally_not_sum),
        cmocka_unit_test(test_snapshot_not_sum),
        cmocka_unit_test(test_running_file),
        cmocka_unit_test(test_snapshot_rows),
        cmocka_unit_test(test_id_twice),
        cmocka_unit_test(test_pruned),
        cmocka_unit_test(test_anchors),
        cmocka_unit_test(test_older),
        cmocka_unit_test(test_many_older),
        cmocka_unit_test(test_validator_remembers),
        cmocka_unit_test(test_trusted),
        cmocka_unit_test(test_resume),
        cmocka_unit_test(test_killed),
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_only),
        cmocka_unit_test(test_fork),
        cmocka_unit_test(test_bomb),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
