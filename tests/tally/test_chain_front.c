/* The front of a chain's node and its shards' processes, which are killed; exports, and what is pruned. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "ceremony/base/file.h"
#include "tally/chain_export.h"
#include "tally/chain_front.h"
#include "tally/chain_node.h"
#include "tally/chain_verify.h"
#include "tally/chain_wire.h"
#include "tests/support/ballots.h"

#define VOTES 60

static struct fixture *x;
static struct chain_context home;
static struct cbor_out envelope[VOTES];
static struct ballot_info info[VOTES];

struct told {
    int count[VOTES + 1], kills, kill_every, again;
    err_t err[VOTES + 1];
    size_t answers;
};

/* Children of this process, by the kernel. */
static pid_t some_child(void)
{
    char path[64], text[256] = "";
    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    FILE *in = fopen(path, "r");
    if (in) {
        if (!fgets(text, sizeof text, in))
            text[0] = '\0';
        fclose(in);
    }
    return (pid_t)strtol(text, NULL, 10);
}

static void on_verdict(void *ctx, uint64_t number, const hash_t *id, err_t e, int again)
{
    struct told *t = ctx;
    (void)id;
    assert_in_range(number, 1, VOTES);
    t->count[number]++;
    t->err[number] = e;
    t->again += again;
    t->answers++;
    if (t->kill_every > 0 && t->answers % (size_t)t->kill_every == 0 && some_child() > 0) {
        kill(some_child(), SIGKILL);
        t->kills++;
    }
}

static err_t on_flush(void *ctx, struct fault *f)
{
    (void)ctx;
    (void)f;
    return OK;
}

static void open_dir(struct chain_dir *d, const char *name, unsigned bits)
{
    static const struct chain_settings settings = {.block = 7, .seconds = 5, .hints = 1};
    struct fault f;
    fault_clear(&f);
    assert_int_equal(chain_dir_create(fixture_path(x, name), &x->ctx, "home", &settings, bits, &f), OK);
    assert_int_equal(chain_dir_open(d, fixture_path(x, name), &x->ctx, 1, &f), OK);
}

/* All envelopes into a file; count of them. */
static const char *envelopes_file(size_t count)
{
    struct cbor_out o = CBOR_OUT_INIT;
    struct fault f;
    const char *path = fixture_path(x, "envelopes");
    for (size_t i = 0; i < count; i++)
        cbor_put_bytes(&o, envelope[i].data, envelope[i].len);
    assert_int_equal(file_write(path, o.data, o.len, FILE_REPLACE, &f), OK);
    cbor_out_free(&o);
    return path;
}

static err_t run_front(const struct chain_dir *d, struct told *t, const char *path, struct fault *f)
{
    const struct chain_front_job job = {d, x->chain, x->envelope, NULL, t, on_verdict, on_flush};
    struct chain_front *fr;
    fault_clear(f);
    err_t e = chain_front_new(&fr, &job, f);
    if (e != OK)
        return e;
    FILE *in = fopen(path, "rb");
    assert_non_null(in);
    e = chain_front_take(fr, fileno(in), path, f);
    if (e == OK || err_class(e) == CLASS_INPUT) {
        struct fault end;
        err_t finished = chain_front_finish(fr, &end);
        if (finished != OK) {
            *f = end;
            e = finished;
        }
    }
    fclose(in);
    chain_front_free(fr);
    return e;
}

static void test_killed_shards(void **state)
{
    (void)state;
    struct chain_dir d;
    struct told t = {.kill_every = 9};
    struct fault f;
    open_dir(&d, "killed", 1);
    err_t e = run_front(&d, &t, envelopes_file(VOTES), &f);
    if (e != OK)
        fail_msg("%s %s", err_name(e), f.detail);
    assert_true(t.kills >= 3);
    for (size_t i = 1; i <= VOTES; i++) {
        assert_int_equal(t.count[i], 1);
        assert_int_equal(t.err[i], OK);
    }
    struct chain_shard_look *look;
    size_t count;
    assert_int_equal(chain_dir_shards(&look, &count, &d, &f), OK);
    assert_int_equal(look[0].last.size + look[1].last.size, VOTES);
    free(look);
    chain_dir_close(&d);
}

static size_t taken_in(const struct chain_dir *d)
{
    struct chain_shard_look *look;
    struct fault f;
    size_t count, all = 0;
    assert_int_equal(chain_dir_shards(&look, &count, d, &f), OK);
    for (size_t i = 0; i < count; i++)
        all += look[i].last.size;
    free(look);
    return all;
}

/* Batches, queue, threads and windows of any size: the same ballots; shards that die too. */
static void test_tuned(void **state)
{
    (void)state;
    static const struct chain_tuning row[] = {
        {1, 1, 1, 1024, 0}, {3, 2, 2, 1024, 5}, {4096, 65536, 3, 0, 15}, {5, 40, 1, 2048, 4}};
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        char name[16];
        struct chain_dir d;
        struct told t = {.kill_every = i == 3 ? 9 : 0};
        struct fault f;
        snprintf(name, sizeof name, "tuned-%zu", i);
        open_dir(&d, name, 1);
        d.tuning = row[i];
        err_t e = run_front(&d, &t, envelopes_file(VOTES), &f);
        if (e != OK)
            fail_msg("%s %s", err_name(e), f.detail);
        assert_int_equal(t.answers, VOTES);
        assert_int_equal(taken_in(&d), VOTES);
        chain_dir_close(&d);
    }
}

/* A second node is told so, whether it opens the directory or its shards' processes outlive the first. */
static void test_two_nodes(void **state)
{
    (void)state;
    struct chain_dir d, other;
    struct told t = {0};
    struct fault f;
    open_dir(&d, "two", 1);
    assert_int_equal(chain_dir_open(&other, fixture_path(x, "two"), &x->ctx, 1, &f), ERR_BUSY);
    assert_non_null(strstr(f.file, "lock"));
    assert_int_equal(run_front(&d, &t, envelopes_file(10), &f), OK);
    pid_t orphan = fork(); /* as a shard's process whose front was killed: it has the lock */
    assert_true(orphan >= 0);
    if (orphan == 0)
        for (;;)
            pause();
    chain_dir_close(&d);
    fault_clear(&f);
    assert_int_equal(chain_dir_open(&other, fixture_path(x, "two"), &x->ctx, 1, &f), ERR_BUSY);
    assert_int_equal(chain_dir_open(&other, fixture_path(x, "two"), &x->ctx, 0, &f), OK); /* looking */
    chain_dir_close(&other);
    kill(orphan, SIGKILL);
    waitpid(orphan, NULL, 0);
    assert_int_equal(chain_dir_open(&other, fixture_path(x, "two"), &x->ctx, 1, &f), OK);
    chain_dir_close(&other);
}

/* Files cannot grow: that is said, nothing is told to be taken that is not, and with room it goes on. */
static void test_disk_full(void **state)
{
    (void)state;
    struct chain_dir d;
    struct fault f;
    struct rlimit was, now;
    char path[256];
    size_t refused = 0;
    snprintf(path, sizeof path, "%s", envelopes_file(VOTES));
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
    for (size_t kib = 1; kib <= 16384; kib *= 8) {
        char name[16];
        struct told t = {0}, later = {0};
        snprintf(name, sizeof name, "full-%zu", kib);
        open_dir(&d, name, 1);
        now = was;
        now.rlim_cur = kib << 10;
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &now), 0);
        err_t e = run_front(&d, &t, path, &f);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
        if (e != OK && e != ERR_IO)
            fail_msg("%zu KiB: %s %s", kib, err_name(e), f.detail);
        refused += e == ERR_IO;
        size_t taken = 0;
        for (size_t i = 1; i <= VOTES; i++) {
            assert_true(t.count[i] <= 1 && t.err[i] == OK);
            taken += (size_t)t.count[i];
        }
        e = run_front(&d, &later, path, &f);
        if (e != OK)
            fail_msg("%zu KiB, afterwards: %s %s %s", kib, err_name(e), f.file, f.detail);
        assert_int_equal(later.answers, VOTES);
        assert_true((size_t)later.again >= taken);
        assert_int_equal(taken_in(&d), VOTES);
        chain_dir_close(&d);
    }
    assert_in_range(refused, 2, 5);
}

/* Kills every other child of the process that started it, for a while. */
static void kill_all(pid_t parent)
{
    char path[64], text[512];
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)parent, (int)parent);
    for (int i = 0; i < 150; i++) {
        FILE *in = fopen(path, "r");
        if (in && fgets(text, sizeof text, in))
            for (char *at = text, *end; strtol(at, &end, 10) > 0; at = end)
                if (strtol(at, NULL, 10) != getpid())
                    kill((pid_t)strtol(at, NULL, 10), SIGKILL);
        if (in)
            fclose(in);
        usleep(3000 + (useconds_t)(i % 7) * 4000);
    }
    _exit(0);
}

/* Whatever dies whenever: each envelope has at most one answer, and what was taken is there. */
static void test_killed_always(void **state)
{
    (void)state;
    struct chain_dir d;
    struct told t = {0}, later = {0};
    struct fault f;
    open_dir(&d, "always", 0);
    pid_t parent = getpid(), killer = fork();
    assert_true(killer >= 0);
    if (killer == 0)
        kill_all(parent);
    err_t e = run_front(&d, &t, envelopes_file(VOTES), &f);
    kill(killer, SIGKILL);
    waitpid(killer, NULL, 0);
    if (e != OK)
        assert_int_equal(e, ERR_BUG);
    for (size_t i = 1; i <= VOTES; i++) {
        assert_true(t.count[i] <= 1 && (e == ERR_BUG || t.count[i] == 1));
        assert_true(t.count[i] == 0 || t.err[i] == OK || t.err[i] == ERR_BUG);
    }
    assert_int_equal(run_front(&d, &later, envelopes_file(VOTES), &f), OK);
    for (size_t i = 1; i <= VOTES; i++)
        assert_int_equal(later.err[i], OK);
    size_t taken = 0;
    for (size_t i = 1; i <= VOTES; i++)
        taken += t.count[i] == 1 && t.err[i] == OK;
    assert_true((size_t)later.again >= taken);
    chain_dir_close(&d);
}

/* What is wrong with an item stops the file, after what was before it; what is wrong with an envelope only
 * refuses it. */
static void test_bad_input(void **state)
{
    (void)state;
    struct chain_dir d;
    struct told t = {0};
    struct fault f;
    uint8_t *data;
    size_t len;
    const char *path = envelopes_file(3);
    open_dir(&d, "bad", 0);
    assert_int_equal(file_read(&data, &len, path, 1 << 24, &f), OK);
    size_t one = len / 3; /* all of about one length */
    assert_int_equal(file_write(path, data, len - 5, FILE_REPLACE, &f), OK);
    assert_int_equal(run_front(&d, &t, path, &f), ERR_TRUNCATED);
    assert_non_null(strstr(f.file, "envelopes"));
    assert_int_equal(t.answers, 2);
    static const struct {
        uint8_t first;
        err_t e;
    } row[] = {{0x00, ERR_FORMAT}, {0x5f, ERR_FORMAT}, {0x5a, ERR_LIMIT}, {0x40, ERR_LIMIT}};
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        uint8_t first = data[0];
        memset(&t, 0, sizeof t);
        data[0] = row[i].first;
        assert_int_equal(file_write(path, data, len, FILE_REPLACE, &f), OK);
        assert_int_equal(run_front(&d, &t, path, &f), row[i].e);
        assert_int_equal(t.answers, 0);
        data[0] = first;
    }
    /* Inside of the first: form, then ciphertext. */
    memset(&t, 0, sizeof t);
    data[5] ^= 1;
    data[one + one / 2] ^= 1;
    assert_int_equal(file_write(path, data, len, FILE_REPLACE, &f), OK);
    assert_int_equal(run_front(&d, &t, path, &f), OK);
    assert_int_equal(t.err[1], ERR_FORMAT);
    assert_int_equal(t.err[2], ERR_DECRYPT);
    assert_int_equal(t.err[3], OK);
    free(data);
    chain_dir_close(&d);
}

/* A shard that cannot be opened is named, and ends it; nothing is answered. */
static void test_broken_shard(void **state)
{
    (void)state;
    struct chain_dir d;
    struct told t = {0};
    struct fault f;
    char path[CHAIN_PATH_MAX];
    open_dir(&d, "broken", 0);
    assert_int_equal(run_front(&d, &t, envelopes_file(20), &f), OK);
    assert_int_equal(chain_shard_path(path, &d, "", "ids"), OK);
    assert_int_equal(truncate(path, 32), 0);
    memset(&t, 0, sizeof t);
    assert_int_equal(run_front(&d, &t, envelopes_file(20), &f), ERR_TRUNCATED);
    assert_string_equal(f.who, "shard s");
    assert_string_equal(f.file, path); /* over the socket, too */
    assert_int_equal(t.answers, 0);
    chain_dir_close(&d);
}
/* Closing was interrupted: some shards are closed, the others go on. */
static void test_closed_half(void **state)
{
    (void)state;
    struct chain_dir d;
    struct chain_node *n;
    struct chain_shard_name open = {"1"};
    struct told t = {.again = 0};
    struct fault f;
    size_t closed = 0;
    open_dir(&d, "half", 1);
    assert_int_equal(chain_node_open(&n, &d, "0", signkey_signer(x->chain), NULL, &f), OK);
    assert_int_equal(chain_node_end(n, CHAIN_CLOSED, &f), OK);
    chain_node_free(n);
    err_t e = run_front(&d, &t, envelopes_file(VOTES), &f);
    if (e != OK)
        fail_msg("%s %s", err_name(e), f.detail);
    for (size_t i = 0; i < VOTES; i++) {
        int is_open = chain_shard_has(&open, &info[i].id);
        closed += !is_open;
        assert_int_equal(t.count[i + 1], 1);
        assert_int_equal(t.err[i + 1], is_open ? OK : ERR_DONE);
    }
    assert_in_range(closed, 1, VOTES - 1);
    chain_dir_close(&d);
}

static void test_frames(void **state)
{
    (void)state;
    struct chain_buffer b = {0};
    struct chain_frame frame;
    int got;
    assert_int_equal(chain_frame_put(&b, FRAME_ENVELOPE, 77, "abc", 3), OK);
    assert_int_equal(chain_frame_put(&b, FRAME_DONE, 0, NULL, 0), OK);
    size_t len = b.len;
    for (b.len = 0; b.len < FRAME_HEAD + 3; b.len++) {
        assert_int_equal(chain_frame_get(&b, &frame, 3, &got), OK);
        assert_int_equal(got, 0);
    }
    b.len = len;
    assert_int_equal(chain_frame_get(&b, &frame, 2, &got), ERR_LIMIT);
    assert_int_equal(chain_frame_get(&b, &frame, 3, &got), OK);
    assert_int_equal(got, 1);
    assert_int_equal(frame.type, FRAME_ENVELOPE);
    assert_int_equal(frame.number, 77);
    assert_memory_equal(frame.data, "abc", 3);
    assert_int_equal(chain_frame_get(&b, &frame, 3, &got), OK);
    assert_int_equal(frame.type, FRAME_DONE);
    b.pos = 0;
    b.data[0] = 0; /* shorter than a head */
    assert_int_equal(chain_frame_get(&b, &frame, 3, &got), ERR_LIMIT);
    chain_buffer_free(&b);
}

/* --- exports --- */

static void sign_final(const char *to, const struct chain_snapshot *s, int validator)
{
    struct cbor_out o = CBOR_OUT_INIT;
    struct fault f;
    hash_t kid;
    char path[512], hex[65];
    assert_int_equal(
        chain_finality_make(&o, &kid, &home, s->number, &s->id, signkey_signer(x->validator[validator]), &f),
        OK);
    hex_put(hex, kid.b, HASH_LEN);
    snprintf(path, sizeof path, "%s/finality/%s.cose", to, hex);
    assert_int_equal(file_write(path, o.data, o.len, FILE_REPLACE, &f), OK);
    cbor_out_free(&o);
}

static void expect_report(const char *to, enum verify_verdict ballots, enum verify_verdict trees,
                          uint64_t proved, uint64_t pruned)
{
    struct chain_report *r;
    struct fault f;
    static const struct chain_verify_options o = {.threads = 1};
    assert_int_equal(chain_verify(&r, &home, to, &o, &f), OK);
    assert_int_equal(r->check[CHAIN_CHECK_HEADERS].verdict, VERIFY_PASS);
    assert_int_equal(r->check[CHAIN_CHECK_FORM].verdict, VERIFY_PASS);
    assert_int_equal(r->check[CHAIN_CHECK_BALLOTS].verdict, ballots);
    assert_int_equal(r->check[CHAIN_CHECK_TREES].verdict, trees);
    assert_int_equal(r->check[CHAIN_CHECK_IDS].verdict, VERIFY_PASS);
    assert_int_equal(r->proved, proved);
    assert_int_equal(r->pruned, pruned);
    chain_report_free(r);
}

static void close_all(struct chain_dir *d)
{
    struct chain_shard_look *look;
    struct chain_node *n;
    struct fault f;
    size_t count;
    assert_int_equal(chain_dir_shards(&look, &count, d, &f), OK);
    for (size_t i = 0; i < count; i++)
        if (look[i].last.state == CHAIN_OPEN) {
            assert_int_equal(chain_node_open(&n, d, look[i].name.s, signkey_signer(x->chain), NULL, &f), OK);
            assert_int_equal(chain_node_end(n, CHAIN_CLOSED, &f), OK);
            chain_node_free(n);
        }
    free(look);
}

/* What is asked to make a shard's headers durable, and whether the disk refuses; by this process, not the
 * shards'. */
static struct {
    int count, fail;
} synced;

int fdatasync(int fd)
{
    char link[64], path[CHAIN_PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    path[n > 0 ? n : 0] = '\0';
    if (strlen(path) > 8 && strcmp(path + strlen(path) - 8, "/headers") == 0) {
        synced.count++;
        if (synced.fail) {
            errno = EIO;
            return -1;
        }
    }
    return (int)syscall(SYS_fdatasync, fd);
}

/* A header that a snapshot shows is durable, whether or not its node has come to that. */
static void test_export_is_durable(void **state)
{
    (void)state;
    struct chain_dir d;
    struct told t = {0};
    struct fault f;
    char to[256], path[CHAIN_PATH_MAX + 64];
    snprintf(to, sizeof to, "%s", fixture_path(x, "durable-1"));
    open_dir(&d, "durable", 1);
    assert_int_equal(run_front(&d, &t, envelopes_file(8), &f), OK);
    synced.fail = 1;
    assert_int_equal(chain_export(NULL, &d, to, 0, &f), ERR_IO);
    synced.fail = synced.count = 0;
    snprintf(path, sizeof path, "%s/snapshots/00000000.cbor", d.path);
    assert_int_not_equal(access(path, F_OK), 0);
    snprintf(path, sizeof path, "%s/snapshot.cbor", to);
    assert_int_not_equal(access(path, F_OK), 0);
    assert_int_equal(chain_export(NULL, &d, to, 0, &f), OK);
    assert_true(synced.count >= 1);
    chain_dir_close(&d);
}

/* The disk of a shard is not mounted: nothing goes on as if it had no ballots. */
static void test_missing_shard(void **state)
{
    (void)state;
    struct chain_dir d, again;
    struct chain_node *n;
    struct told t = {0};
    struct fault f;
    char shard[CHAIN_PATH_MAX], blocks[CHAIN_PATH_MAX], aside[CHAIN_PATH_MAX + 8];
    open_dir(&d, "missing", 1);
    assert_int_equal(run_front(&d, &t, envelopes_file(40), &f), OK);
    assert_int_equal(chain_shard_path(shard, &d, "0", NULL), OK);
    assert_int_equal(chain_shard_path(blocks, &d, "0", "blocks"), OK);
    snprintf(aside, sizeof aside, "%s-aside", d.path);
    for (int snapshot = 0; snapshot < 2; snapshot++) {
        if (snapshot)
            assert_int_equal(chain_export(NULL, &d, fixture_path(x, "missing-export"), 0, &f), OK);
        assert_int_equal(rename(shard, aside), 0);
        chain_dir_close(&d);
        assert_int_equal(chain_dir_open(&again, d.path, &x->ctx, 1, &f), ERR_RULE);
        assert_string_equal(f.file, d.path);
        assert_int_equal(mkdir(shard, 0700), 0);
        if (snapshot) {
            /* Even if it looks like a new one. */
            assert_int_equal(mkdir(blocks, 0700), 0);
            assert_int_equal(chain_dir_open(&again, d.path, &x->ctx, 1, &f), ERR_MISSING);
            assert_string_equal(f.file, shard);
            assert_int_equal(chain_dir_open(&again, d.path, &x->ctx, 0, &f), OK);
            assert_int_equal(chain_dir_settle(&again, &f), ERR_MISSING);
            assert_int_equal(chain_export(NULL, &again, fixture_path(x, "missing-other"), 0, &f),
                             ERR_MISSING);
            chain_dir_close(&again);
            assert_int_equal(rmdir(blocks), 0);
        } else {
            assert_int_equal(chain_dir_open(&again, d.path, &x->ctx, 1, &f), OK);
            assert_int_equal(chain_node_open(&n, &again, "0", signkey_signer(x->chain), NULL, &f),
                             ERR_MISSING);
            assert_string_equal(f.file, blocks);
            chain_dir_close(&again);
        }
        assert_int_equal(rmdir(shard), 0);
        assert_int_equal(rename(aside, shard), 0);
        assert_int_equal(chain_dir_open(&d, fixture_path(x, "missing"), &x->ctx, 1, &f), OK);
        assert_int_equal(taken_in(&d), 40);
    }
    chain_dir_close(&d);
}

static void test_export(void **state)
{
    (void)state;
    struct chain_dir d, twice;
    struct told t = {0};
    struct fault f;
    struct chain_snapshot *s, *again;
    struct chain_pruned pruned;
    uint32_t count;
    int lock;
    char to[256], later[256], path[CHAIN_PATH_MAX + 64];
    snprintf(to, sizeof to, "%s", fixture_path(x, "export-1"));
    snprintf(later, sizeof later, "%s", fixture_path(x, "export-2"));
    open_dir(&d, "export", 1);
    assert_int_equal(run_front(&d, &t, envelopes_file(40), &f), OK);
    assert_int_equal(chain_export(&s, &d, to, 0, &f), OK);
    assert_int_equal(s->number, 0);
    assert_int_equal(chain_sums_ballots(s->sums), 40);
    assert_int_equal(chain_snapshot_complete(s), 0);
    expect_report(to, VERIFY_PASS, VERIFY_PASS, 40, 0);
    assert_int_equal(chain_export(NULL, &d, to, 0, &f), ERR_EXISTS);
    /* Nothing new: the same snapshot. */
    assert_int_equal(chain_export(&again, &d, fixture_path(x, "export-same"), 1, &f), OK);
    assert_memory_equal(&again->id, &s->id, HASH_LEN);
    expect_report(fixture_path(x, "export-same"), VERIFY_PASS, VERIFY_PASS, 40, 0);
    chain_snapshot_free(again);
    assert_int_equal(chain_dir_lock_export(&lock, &d, &f), OK);
    assert_int_equal(chain_export(NULL, &d, later, 0, &f), ERR_BUSY);
    close(lock);
    memset(&t, 0, sizeof t);
    assert_int_equal(run_front(&d, &t, envelopes_file(VOTES), &f), OK);
    assert_int_equal(t.again, 40);
    close_all(&d);
    memset(&t, 0, sizeof t);
    assert_int_equal(run_front(&d, &t, envelopes_file(1), &f), ERR_DONE);
    assert_int_equal(chain_export(&again, &d, later, 0, &f), OK);
    assert_int_equal(again->number, 1);
    assert_memory_equal(&again->previous, &s->id, HASH_LEN);
    assert_int_equal(chain_snapshot_complete(again), 1);
    expect_report(later, VERIFY_PASS, VERIFY_PASS, VOTES, 0);
    /* Finality and pruning. */
    assert_int_equal(chain_prune(&pruned, &d, later, &f), ERR_QUORUM);
    sign_final(later, again, 0);
    sign_final(later, again, 0);
    assert_int_equal(chain_final_count(&count, &home, later, again, &f), OK);
    assert_int_equal(count, 1);
    assert_int_equal(chain_prune(&pruned, &d, later, &f), ERR_QUORUM);
    sign_final(later, s, 1);
    assert_int_equal(chain_final_count(&count, &home, later, again, &f), ERR_MISMATCH);
    sign_final(later, again, 1);
    /* A snapshot of another node of this chain. */
    open_dir(&twice, "export-other", 0);
    assert_int_equal(chain_prune(&pruned, &twice, later, &f), ERR_UNKNOWN);
    assert_int_equal(chain_export(NULL, &twice, fixture_path(x, "export-empty"), 0, &f), OK);
    assert_int_equal(chain_prune(&pruned, &twice, later, &f), ERR_UNKNOWN);
    chain_dir_close(&twice);
    assert_int_equal(chain_prune(&pruned, &d, later, &f), OK);
    assert_true(pruned.segments > 0 && pruned.bytes > 10000);
    assert_int_equal(chain_prune(&pruned, &d, later, &f), OK);
    assert_int_equal(pruned.segments, 0);
    expect_report(later, VERIFY_PASS, VERIFY_PASS, VOTES, 0); /* an export keeps what it has */
    snprintf(to, sizeof to, "%s", fixture_path(x, "export-pruned"));
    assert_int_equal(chain_export(NULL, &d, to, 0, &f), OK);
    expect_report(to, VERIFY_NOT_CHECKED, VERIFY_PASS, 0, VOTES);
    snprintf(path, sizeof path, "%s/leaves/s0", to);
    assert_int_equal(access(path, R_OK), 0);
    assert_int_equal(chain_export_publish(&d, &f), OK);
    snprintf(path, sizeof path, "%s/metrics/chain-export.prom", d.path);
    uint8_t *text;
    size_t len;
    assert_int_equal(file_read(&text, &len, path, 1 << 20, &f), OK);
    assert_non_null(
        strstr((char *)text,
               "conclave_chain_final_number{process=\"chain-export\",program=\"chain\",chain=\"home\"} 1\n"));
    assert_non_null(strstr(
        (char *)text,
        "conclave_chain_snapshot_number{process=\"chain-export\",program=\"chain\",chain=\"home\"} 1\n"));
    free(text);
    chain_snapshot_free(s);
    chain_snapshot_free(again);
    chain_dir_close(&d);
}

/* Killed after a segment was joined, before all its blocks were deleted; then the segment is pruned. */
static void test_prune_after_crash(void **state)
{
    (void)state;
    static const struct chain_settings settings = {.block = 1, .seconds = 5, .hints = 1};
    struct chain_dir d;
    struct chain_node *n;
    struct told t = {0};
    struct fault f;
    struct chain_snapshot *s;
    struct chain_pruned pruned;
    char to[256], segment[CHAIN_PATH_MAX], block[CHAIN_PATH_MAX];
    snprintf(to, sizeof to, "%s", fixture_path(x, "export-crash"));
    assert_int_equal(chain_dir_create(fixture_path(x, "crash"), &x->ctx, "home", &settings, 0, &f), OK);
    assert_int_equal(chain_dir_open(&d, fixture_path(x, "crash"), &x->ctx, 1, &f), OK);
    assert_int_equal(run_front(&d, &t, envelopes_file(40), &f), OK);
    assert_int_equal(chain_shard_path(segment, &d, "", "segments/00000001.zst"), OK);
    assert_int_equal(chain_shard_path(block, &d, "", "blocks/00000031.zst"), OK);
    assert_int_equal(access(block, F_OK), -1);
    assert_int_equal(link(segment, block), 0);
    assert_int_equal(chain_export(&s, &d, to, 0, &f), OK);
    expect_report(to, VERIFY_PASS, VERIFY_PASS, 40, 0);
    sign_final(to, s, 0);
    sign_final(to, s, 1);
    assert_int_equal(chain_prune(&pruned, &d, to, &f), OK);
    err_t e = chain_node_open(&n, &d, "", signkey_signer(x->chain), NULL, &f);
    if (e != OK)
        fail_msg("%s %s", err_name(e), f.detail);
    assert_int_equal(pruned.segments, 3);
    chain_node_free(n);
    chain_snapshot_free(s);
    chain_dir_close(&d);
}

static int setup(void **state)
{
    (void)state;
    x = fixture_chain_new();
    chain_context_init(&home, &x->ctx, 0);
    for (size_t i = 0; i < VOTES; i++) {
        struct cbor_out b = CBOR_OUT_INIT;
        fixture_ballot(x, &b, &info[i], i % 2 ? x->w1 : x->e2, i % 2 ? "town" : "rural", "mayor=b");
        assert_int_equal(chain_envelope_make(&envelope[i], &home, x->g, &info[i].id, b.data, b.len), OK);
        cbor_out_free(&b);
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    for (size_t i = 0; i < VOTES; i++)
        cbor_out_free(&envelope[i]);
    fixture_free(x);
    return 0;
}

int main(void)
{
    signal(SIGXFSZ, SIG_IGN); /* as conclave-tally does */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tuned),
        cmocka_unit_test(test_two_nodes),
        cmocka_unit_test(test_disk_full),
        cmocka_unit_test(test_killed_shards),
        cmocka_unit_test(test_killed_always),
        cmocka_unit_test(test_bad_input),
        cmocka_unit_test(test_broken_shard),
        cmocka_unit_test(test_closed_half),
        cmocka_unit_test(test_frames),
        cmocka_unit_test(test_export_is_durable),
        cmocka_unit_test(test_missing_shard),
        cmocka_unit_test(test_export),
        cmocka_unit_test(test_prune_after_crash),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
