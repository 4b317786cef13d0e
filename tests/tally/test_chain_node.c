/* A shard's node: what it takes and refuses, what is there after it was left at any moment, splitting. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "ceremony/base/file.h"
#include "tally/chain_journal.h"
#include "tally/chain_node.h"
#include "tally/chain_seen.h"
#include "tests/support/ballots.h"

#define VOTES 40

static struct fixture *x;
static struct {
    struct cbor_out data;
    struct ballot_info info;
} vote[VOTES];

static const struct chain_settings settings = {.block = 8, .seconds = 5, .hints = 1};

static void open_dir(struct chain_dir *d, const char *name, int create)
{
    struct fault f;
    fault_clear(&f);
    if (create)
        assert_int_equal(chain_dir_create(fixture_path(x, name), &x->ctx, "home", &settings, 0, &f), OK);
    err_t e = chain_dir_open(d, fixture_path(x, name), &x->ctx, 1, &f);
    if (e != OK)
        fail_msg("%s %s %s", err_name(e), f.file, f.detail);
}

static struct chain_node *node(struct chain_dir *d, const char *shard)
{
    struct chain_node *n;
    struct fault f;
    fault_clear(&f);
    err_t e = chain_node_open(&n, d, shard, signkey_signer(x->chain), NULL, &f);
    if (e != OK)
        fail_msg("%s %s %s", err_name(e), f.file, f.detail);
    return n;
}

static struct chain_offer offer_of(size_t i)
{
    return (struct chain_offer){.data = vote[i].data.data, .len = vote[i].data.len, .id = vote[i].info.id};
}

/* Offers votes from..to-1; all must be taken, or be there already. */
static void give(struct chain_node *n, size_t from, size_t to, int again)
{
    struct chain_offer o[VOTES];
    struct fault f;
    for (size_t i = from; i < to; i++)
        o[i - from] = offer_of(i);
    assert_int_equal(chain_node_offer(n, o, to - from, &f), OK);
    for (size_t i = 0; i < to - from; i++) {
        assert_int_equal(o[i].err, OK);
        assert_int_equal(o[i].again, again);
    }
}

static void expect(const struct chain_node *n, uint64_t headers, uint64_t ballots, uint64_t pending)
{
    struct chain_node_status s;
    chain_node_get_status(n, &s);
    assert_int_equal(s.headers, headers);
    assert_int_equal(s.ballots, ballots);
    assert_int_equal(s.pending, pending);
}

static void test_blocks(void **state)
{
    (void)state;
    struct chain_dir d;
    struct chain_shard_look look;
    struct fault f;
    open_dir(&d, "blocks", 1);
    struct chain_node *n = node(&d, "");
    expect(n, 0, 0, 0);
    assert_int_equal(chain_node_due(n), -1);
    give(n, 0, 5, 0);
    expect(n, 0, 0, 5);
    assert_true(chain_node_due(n) > 3000 && chain_node_due(n) <= 5001);
    give(n, 0, 5, 1);
    give(n, 5, 8, 0);
    expect(n, 1, 8, 0);
    give(n, 8, 30, 0);
    expect(n, 3, 24, 6);
    give(n, 0, 30, 1);
    assert_int_equal(chain_node_block(n, &f), OK);
    assert_int_equal(chain_node_block(n, &f), OK);
    expect(n, 4, 30, 0);
    chain_node_free(n);
    n = node(&d, "");
    expect(n, 4, 30, 0);
    give(n, 0, 30, 1);
    give(n, 30, 33, 0);
    assert_int_equal(chain_node_end(n, CHAIN_CLOSED, &f), OK);
    expect(n, 5, 33, 0);
    struct chain_offer o = offer_of(34);
    assert_int_equal(chain_node_offer(n, &o, 1, &f), ERR_DONE);
    chain_node_free(n);
    assert_int_equal(chain_node_open(&n, &d, "", signkey_signer(x->chain), NULL, &f), ERR_DONE);
    assert_null(n);
    assert_int_equal(chain_shard_look(&look, &d, "", &f), OK);
    assert_int_equal(look.last.state, CHAIN_CLOSED);
    assert_int_equal(look.last.size, 33);
    struct chain_sums *sums;
    assert_int_equal(chain_shard_tally(&sums, &d, &look, &f), OK);
    assert_int_equal(chain_sums_ballots(sums), 33);
    assert_int_equal(fixture_decrypt(x, sums->row[0].t, "mayor", 0), 17);
    assert_int_equal(fixture_decrypt(x, sums->row[1].t, "mayor", 1), 16);
    chain_sums_free(sums);
    chain_dir_close(&d);
}

/* Blocks are joined by sixteen; nothing of them is left. */
static void test_segments(void **state)
{
    (void)state;
    struct chain_dir d;
    struct fault f;
    char path[CHAIN_PATH_MAX];
    open_dir(&d, "segments", 1);
    struct chain_node *n = node(&d, "");
    for (size_t i = 0; i < 18; i++) {
        give(n, 2 * i, 2 * i + 2, 0);
        assert_int_equal(chain_node_block(n, &f), OK);
    }
    chain_node_free(n);
    assert_int_equal(chain_shard_path(path, &d, "", "segments/00000000.zst"), OK);
    assert_int_equal(access(path, R_OK), 0);
    assert_int_equal(chain_shard_path(path, &d, "", "blocks/00000015.zst"), OK);
    assert_int_not_equal(access(path, F_OK), 0);
    assert_int_equal(chain_shard_path(path, &d, "", "blocks/00000016.zst"), OK);
    assert_int_equal(access(path, R_OK), 0);
    n = node(&d, "");
    expect(n, 18, 36, 0);
    chain_node_free(n);
    chain_dir_close(&d);
}

static void test_refused(void **state)
{
    (void)state;
    struct chain_dir d;
    struct fault f;
    struct cbor_out elsewhere = CBOR_OUT_INIT, forged = CBOR_OUT_INIT, other = CBOR_OUT_INIT;
    struct ballot_info info;
    struct chain_offer o[9];
    static const int bad_values[] = {2, 0, 0, 0, 0, 0};
    open_dir(&d, "refused", 1);
    struct chain_node *n = node(&d, "");
    give(n, 0, 1, 0);
    fixture_ballot(x, &elsewhere, &info, x->e1, "small", "mayor=a");
    o[0] = (struct chain_offer){.data = elsewhere.data, .len = elsewhere.len, .id = info.id};
    fixture_forge(x, &forged, x->e2, "rural", bad_values);
    struct ballot *b = fixture_parse(x, &forged);
    o[1] = (struct chain_offer){.data = forged.data, .len = forged.len, .id = b->id};
    ballot_free(b);
    o[2] = offer_of(1);
    o[2].len--;
    o[3] = offer_of(2);
    o[3].id.b[7] ^= 1;
    o[4] = offer_of(3);
    o[5] = offer_of(3);
    /* Another ballot that claims an id which was used. */
    o[6] = offer_of(4);
    o[6].id = vote[0].info.id;
    o[7] = offer_of(5);
    o[7].err = ERR_DECRYPT;
    o[8] = offer_of(6);
    assert_int_equal(chain_node_offer(n, o, 9, &f), OK);
    static const err_t want[] = {ERR_UNKNOWN, ERR_PROOF, ERR_TRUNCATED, ERR_MISMATCH, OK, OK, ERR_DUPLICATE,
                                 ERR_DECRYPT, OK};
    for (size_t i = 0; i < 9; i++)
        if (o[i].err != want[i])
            fail_msg("%zu: %s", i, err_name(o[i].err));
    assert_int_equal(o[4].again, 0);
    assert_int_equal(o[5].again, 1);
    expect(n, 0, 0, 3);
    chain_node_free(n);
    assert_int_equal(chain_node_open(&n, &d, "", signkey_signer(x->envelope), NULL, &f), ERR_SIGNATURE);
    assert_int_equal(chain_node_open(&n, &d, "0", signkey_signer(x->chain), NULL, &f), ERR_MISSING);
    /* A second process is kept out. */
    struct chain_dir twice;
    assert_int_equal(chain_dir_open(&twice, d.path, &x->ctx, 1, &f), ERR_BUSY);
    assert_int_equal(chain_dir_create(d.path, &x->ctx, "home", &settings, 0, &f), ERR_EXISTS);
    chain_dir_close(&d);
    cbor_out_free(&elsewhere);
    cbor_out_free(&forged);
    cbor_out_free(&other);
}

/* The same ballot again with other proofs: another leaf, the same id. */
static void test_other_bytes(void **state)
{
    (void)state;
    struct chain_dir d;
    struct fault f;
    struct cbor_out a = CBOR_OUT_INIT, b = CBOR_OUT_INIT;
    struct ballot_info one, two;
    uint8_t seed[BALLOT_SEED_LEN];
    memset(seed, 7, sizeof seed);
    assert_int_equal(ballot_make(x->maker, &a, &one, x->e2, "rural", NULL, 0, seed, &f), OK);
    memset(seed, 7, sizeof seed);
    assert_int_equal(ballot_make(x->maker, &b, &two, x->e2, "rural", NULL, 0, seed, &f), OK);
    assert_memory_equal(&one.id, &two.id, HASH_LEN);
    assert_memory_not_equal(&one.leaf, &two.leaf, HASH_LEN);
    open_dir(&d, "other", 1);
    struct chain_node *n = node(&d, "");
    struct chain_offer o[2] = {{.data = a.data, .len = a.len, .id = one.id},
                               {.data = b.data, .len = b.len, .id = one.id}};
    assert_int_equal(chain_node_offer(n, o, 2, &f), OK);
    assert_int_equal(o[0].err, OK);
    assert_int_equal(o[1].err, ERR_DUPLICATE);
    assert_int_equal(chain_node_block(n, &f), OK);
    assert_int_equal(chain_node_offer(n, o, 2, &f), OK);
    assert_int_equal(o[0].again, 1);
    assert_int_equal(o[1].err, ERR_DUPLICATE);
    chain_node_free(n);
    chain_dir_close(&d);
    cbor_out_free(&a);
    cbor_out_free(&b);
}

static void test_split(void **state)
{
    (void)state;
    struct chain_dir d;
    struct chain_shard_look *look;
    struct chain_shard_look up;
    struct fault f;
    size_t count, taken[2] = {0, 0};
    open_dir(&d, "split", 1);
    struct chain_node *n = node(&d, "");
    give(n, 0, 20, 0);
    assert_int_equal(chain_node_end(n, CHAIN_SPLIT, &f), OK);
    chain_node_free(n);
    chain_dir_close(&d);
    open_dir(&d, "split", 0); /* makes the halves */
    assert_int_equal(chain_dir_shards(&look, &count, &d, &f), OK);
    assert_int_equal(count, 3);
    assert_string_equal(look[1].name.s, "0");
    free(look);
    for (int half = 0; half < 2; half++) {
        n = node(&d, half ? "1" : "0");
        for (size_t i = 0; i < 30; i++) {
            struct chain_offer o = offer_of(i);
            int mine = vote[i].info.id.b[0] >> 7 == half;
            assert_int_equal(chain_node_offer(n, &o, 1, &f), OK);
            if (i < 20) {
                assert_int_equal(o.again, 1); /* the parent has it */
            } else {
                assert_int_equal(o.err, mine ? OK : ERR_RULE);
                taken[half] += (size_t)mine;
            }
        }
        assert_int_equal(chain_node_end(n, CHAIN_CLOSED, &f), OK);
        expect(n, 1 + (taken[half] >= 8 ? 1 : 0), taken[half], 0);
        chain_node_free(n);
    }
    assert_int_equal(taken[0] + taken[1], 10);
    assert_int_equal(chain_shard_look(&up, &d, "", &f), OK);

    chain_dir_close(&d);
}

/* --- left at any moment --- */

/* A child that takes votes one by one, says so, and dies at a moment it does not choose. */
static void takes_and_dies(const char *name, int out)
{
    struct chain_dir d;
    struct chain_node *n;
    struct fault f;
    if (chain_dir_open(&d, fixture_path(x, name), &x->ctx, 1, &f) != OK ||
        chain_node_open(&n, &d, "", signkey_signer(x->chain), NULL, &f) != OK)
        _exit(3);
    for (uint8_t i = 0; i < VOTES; i++) {
        struct chain_offer o = offer_of(i);
        if (chain_node_offer(n, &o, 1, &f) != OK || o.err != OK || write(out, &i, 1) != 1)
            _exit(4);
    }
    _exit(0);
}

static void test_killed(void **state)
{
    (void)state;
    struct chain_dir d;
    uint8_t told[VOTES] = {0}, i;
    unsigned seed = 1, early = 0;
    open_dir(&d, "killed", 1);
    chain_dir_close(&d);
    for (int round = 0; round < 60; round++) {
        int pipe_fd[2];
        assert_int_equal(pipe(pipe_fd), 0);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0)
            takes_and_dies("killed", pipe_fd[1]);
        close(pipe_fd[1]);
        usleep(300 + (useconds_t)(rand_r(&seed) % (round < 20 ? 30000 : 5000)));
        kill(child, SIGKILL);
        while (read(pipe_fd[0], &i, 1) == 1)
            told[i] = 1;
        close(pipe_fd[0]);
        int status;
        waitpid(child, &status, 0);
        early += WIFSIGNALED(status) != 0;
        if (WIFEXITED(status))
            assert_int_equal(WEXITSTATUS(status), 0);
        open_dir(&d, "killed", 0);
        struct chain_node *n = node(&d, "");
        struct chain_offer o[VOTES];
        struct fault f;
        size_t count = 0;
        for (size_t k = 0; k < VOTES; k++)
            if (told[k])
                o[count++] = offer_of(k);
        assert_int_equal(chain_node_offer(n, o, count, &f), OK);
        for (size_t k = 0; k < count; k++)
            assert_int_equal(o[k].again, 1);
        chain_node_free(n);
        chain_dir_close(&d);
    }
    assert_true(early > 0);
}

/* --- splitting, stopped at each call to the system --- */

static struct {
    int at; /* the call at which this process is killed; 0: none */
    int seen;
} doom;

static void another_call(void)
{
    if (doom.at > 0 && ++doom.seen == doom.at)
        kill(getpid(), SIGKILL);
}

int fdatasync(int fd)
{
    another_call();
    return (int)syscall(SYS_fdatasync, fd);
}

int fsync(int fd)
{
    another_call();
    return (int)syscall(SYS_fsync, fd);
}

int mkdir(const char *path, mode_t mode)
{
    another_call();
    return (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode);
}

int unlink(const char *path)
{
    another_call();
    return (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
}

ssize_t write(int fd, const void *data, size_t len)
{
    another_call();
    return syscall(SYS_write, fd, data, len);
}

ssize_t pwrite(int fd, const void *data, size_t len, off_t at)
{
    another_call();
    return syscall(SYS_pwrite64, fd, data, len, at);
}

/* A child that splits, makes the halves, and ends at its call number at. */
static int splits_until(const char *name, int at)
{
    int status;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct chain_dir d;
        struct chain_node *n;
        struct fault f;
        if (chain_dir_open(&d, fixture_path(x, name), &x->ctx, 1, &f) != OK ||
            chain_node_open(&n, &d, "", signkey_signer(x->chain), NULL, &f) != OK)
            _exit(3);
        doom.at = at;
        if (chain_node_end(n, CHAIN_SPLIT, &f) != OK)
            _exit(4);
        chain_node_free(n);
        chain_dir_close(&d);
        if (chain_dir_open(&d, fixture_path(x, name), &x->ctx, 1, &f) != OK)
            _exit(5);
        _exit(0);
    }
    waitpid(child, &status, 0);
    if (WIFSIGNALED(status))
        return 1;
    assert_int_equal(WEXITSTATUS(status), 0);
    return 0;
}

/* Afterwards the shard is open, with all of its ballots, or it is split and both halves know them. */
static void expect_whole_or_halves(const char *name)
{
    struct chain_dir d;
    struct chain_shard_look *look;
    struct fault f;
    size_t count, open = 0;
    open_dir(&d, name, 0);
    assert_int_equal(chain_dir_shards(&look, &count, &d, &f), OK);
    assert_int_equal(count, look[0].last.state == CHAIN_SPLIT ? 3 : 1);
    for (size_t i = 0; i < count; i++) {
        if (look[i].last.state != CHAIN_OPEN)
            continue;
        struct chain_node *n = node(&d, look[i].name.s);
        open++;
        for (size_t k = 0; k < 20; k++) {
            struct chain_offer o = offer_of(k);
            assert_int_equal(chain_node_offer(n, &o, 1, &f), OK);
            assert_int_equal(o.again, 1);
        }
        chain_node_free(n);
    }
    assert_int_equal(open, count == 3 ? 2 : 1);
    free(look);
    chain_dir_close(&d);
}

static void test_split_killed(void **state)
{
    (void)state;
    struct chain_dir d;
    char name[32];
    int at = 1, killed = 1;
    for (; killed; at++) {
        snprintf(name, sizeof name, "split-%d", at);
        open_dir(&d, name, 1);
        struct chain_node *n = node(&d, "");
        give(n, 0, 20, 0);
        chain_node_free(n);
        chain_dir_close(&d);
        killed = splits_until(name, at);
        expect_whole_or_halves(name);
    }
    assert_true(at > 15);
}

/* --- the clock --- */

static time_t clock_offset;

time_t time(time_t *out)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    time_t now = t.tv_sec + clock_offset;
    if (out)
        *out = now;
    return now;
}

/* A clock that is set back: headers never go back, and blocks are due as before. */
static void test_clock_back(void **state)
{
    (void)state;
    struct chain_dir d;
    struct chain_shard_look look;
    struct fault f;
    uint64_t last = 0;
    static const time_t offsets[] = {0, 3 * 86400, -86400, -40L * 365 * 86400, 0};
    open_dir(&d, "clock", 1);
    for (size_t i = 0; i < sizeof offsets / sizeof offsets[0]; i++) {
        clock_offset = offsets[i];
        struct chain_node *n = node(&d, "");
        give(n, 4 * i, 4 * i + 4, 0);
        assert_in_range(chain_node_due(n), 0, 5001);
        assert_int_equal(chain_node_block(n, &f), OK);
        chain_node_free(n);
        assert_int_equal(chain_shard_look(&look, &d, "", &f), OK);
        assert_true(look.last.time >= last);
        last = look.last.time;
    }
    clock_offset = 0;
    assert_int_equal(look.last.size, 20);
    assert_true(last >= (uint64_t)time(NULL) / 3600 + 71); /* what was signed stays */
    chain_dir_close(&d);
}

/* Every file cut at many places: the node opens with what was acknowledged, or says which file is short; it
 * never goes on with less. */
static void test_torn_files(void **state)
{
    (void)state;
    static const char *const files[] = {"headers",   "ballots.mmr", "ids.mmr", "ids",
                                        "ids.table", "journal",     "tally.0", "tally.1"};
    struct chain_dir d;
    struct fault f;
    char path[CHAIN_PATH_MAX];
    open_dir(&d, "torn", 1);
    struct chain_node *n = node(&d, "");
    give(n, 0, 20, 0);
    chain_node_free(n);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        uint8_t *data;
        size_t len;
        assert_int_equal(chain_shard_path(path, &d, "", files[i]), OK);
        assert_int_equal(file_read(&data, &len, path, 1 << 24, &f), OK);
        /* The table is large and empty: a few cuts tell. */
        size_t step = len > 20000 ? len / 5 + 1 : len / 23 + 1;
        for (size_t cut = 0; cut < len; cut += step) {
            assert_int_equal(truncate(path, (off_t)cut), 0);
            fault_clear(&f);
            err_t e = chain_node_open(&n, &d, "", signkey_signer(x->chain), NULL, &f);
            if (e == OK) {
                struct chain_node_status s;
                chain_node_get_status(n, &s);
                /* Only the journal may lose what it alone has: 4 ballots, of which none was cut by us before.
                 */
                if (strcmp(files[i], "journal") != 0)
                    assert_int_equal(s.ballots + s.pending, 20);
                assert_int_equal(s.ballots, 16);
                chain_node_free(n);
            } else {
                assert_true(e == ERR_TRUNCATED || e == ERR_HASH || e == ERR_MISSING);
                assert_true(f.file[0] != '\0');
            }
            assert_int_equal(file_write(path, data, len, FILE_REPLACE, &f), OK);
            /* Nothing else was cut or deleted meanwhile: with the file put back all of it is there. */
            assert_int_equal(chain_node_open(&n, &d, "", signkey_signer(x->chain), NULL, &f), OK);
            struct chain_node_status s;
            chain_node_get_status(n, &s);
            assert_int_equal(s.ballots + s.pending, 20);
            chain_node_free(n);
        }
        free(data);
    }
    chain_dir_close(&d);
}

/* One bit of headers or journal changed, at many places: nothing that was acknowledged is lost. It opens with
 * all of it, or names the file, and with the file put back all of it is there. */
static void test_damaged_files(void **state)
{
    (void)state;
    static const char *const files[] = {"headers", "journal"};
    struct chain_dir d;
    struct fault f;
    struct chain_node_status s;
    struct chain_node *n;
    char path[CHAIN_PATH_MAX];
    size_t refused = 0;
    open_dir(&d, "damaged", 1);
    n = node(&d, "");
    give(n, 0, 20, 0);
    chain_node_free(n);
    for (size_t i = 0; i < 2; i++) {
        uint8_t *data;
        size_t len;
        assert_int_equal(chain_shard_path(path, &d, "", files[i]), OK);
        assert_int_equal(file_read(&data, &len, path, 1 << 24, &f), OK);
        /* The head of the journal bit by bit; the records behind have a check of their own. */
        for (size_t at = 0; at < (i == 1 ? 24 : len); at += i == 1 ? 1 : 1 + len / 61) {
            data[at] ^= (uint8_t)(1u << at % 8);
            assert_int_equal(file_write(path, data, len, FILE_REPLACE, &f), OK);
            data[at] ^= (uint8_t)(1u << at % 8);
            fault_clear(&f);
            err_t e = chain_node_open(&n, &d, "", signkey_signer(x->chain), NULL, &f);
            if (e == OK) {
                chain_node_get_status(n, &s);
                assert_int_equal(s.ballots + s.pending, 20);
                chain_node_free(n);
            } else {
                assert_true(f.file[0] != '\0');
                refused++;
            }
            assert_int_equal(file_write(path, data, len, FILE_REPLACE, &f), OK);
            assert_int_equal(chain_node_open(&n, &d, "", signkey_signer(x->chain), NULL, &f), OK);
            chain_node_get_status(n, &s);
            assert_int_equal(s.ballots + s.pending, 20);
            chain_node_free(n);
        }
        free(data);
    }
    assert_true(refused > 20);
    chain_dir_close(&d);
}

/* What is no regular file is refused where state is written in place: no waiting at a FIFO, and nothing is
 * written where a symbolic link leads. A file with a hole of 1 TB is not filled with zeros. */
static void test_other_kinds(void **state)
{
    (void)state;
    static const char *const files[] = {"headers", "ballots.mmr", "ids.mmr", "ids",
                                        "journal", "tally.0",     "tally.1"};
    struct chain_dir d;
    struct fault f;
    struct stat st;
    struct chain_node_status s;
    struct chain_node *n;
    char path[CHAIN_PATH_MAX], aside[CHAIN_PATH_MAX + 8], canary[CHAIN_PATH_MAX];
    open_dir(&d, "kinds", 1);
    n = node(&d, "");
    give(n, 0, 20, 0);
    chain_node_free(n);
    assert_int_equal(chain_dir_path(canary, &d, "canary"), OK);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        for (int kind = 0; kind < 3; kind++) {
            assert_int_equal(file_write(canary, "canary", 6, FILE_REPLACE, &f), OK);
            assert_int_equal(chain_shard_path(path, &d, "", files[i]), OK);
            snprintf(aside, sizeof aside, "%s.aside", path);
            assert_int_equal(rename(path, aside), 0);
            assert_int_equal(kind == 0   ? mkfifo(path, 0600)
                             : kind == 1 ? symlink(canary, path)
                                         : mkdir(path, 0700),
                             0);
            fault_clear(&f);
            err_t e = chain_node_open(&n, &d, "", signkey_signer(x->chain), NULL, &f);
            if (e == OK) { /* the running tally that is written next: when the block is finished */
                e = chain_node_block(n, &f);
                chain_node_free(n);
            }
            assert_true(e == ERR_FORMAT || e == ERR_HASH || e == ERR_TRUNCATED || e == ERR_IO);
            assert_true(f.file[0] != '\0');
            assert_int_equal(stat(canary, &st), 0);
            assert_int_equal(st.st_size, 6);
            assert_int_equal(remove(path), 0);
            assert_int_equal(rename(aside, path), 0);
            n = node(&d, "");
            chain_node_get_status(n, &s);
            assert_int_equal(s.ballots + s.pending, 20);
            chain_node_free(n);
        }
    assert_int_equal(chain_shard_path(path, &d, "", "journal"), OK);
    assert_int_equal(truncate(path, (off_t)1 << 40), 0);
    n = node(&d, "");
    chain_node_get_status(n, &s);
    assert_int_equal(s.ballots + s.pending, 20);
    chain_node_free(n);
    assert_int_equal(stat(path, &st), 0);
    assert_true(st.st_size < (off_t)1 << 30);
    chain_dir_close(&d);
}

/* --- its parts --- */

static err_t count_one(void *ctx, const uint8_t *data, size_t len, struct fault *f)
{
    (void)f;
    size_t *count = ctx;
    assert_int_equal(len, 100 + *count % 3);
    assert_int_equal(data[0], (uint8_t)*count);
    ++*count;
    return OK;
}

static void test_journal(void **state)
{
    (void)state;
    struct chain_journal *j;
    struct fault f;
    uint8_t data[128], *bytes;
    size_t count = 0, len, n;
    const char *path = fixture_path(x, "journal");
    assert_int_equal(chain_journal_open(&j, path, 5, 128, count_one, &count, &f), OK);
    for (size_t i = 0; i < 20; i++) {
        memset(data, (int)i, sizeof data);
        assert_int_equal(chain_journal_add(j, data, 100 + i % 3), OK);
        if (i == 9)
            assert_int_equal(chain_journal_sync(j, &f), OK);
    }
    chain_journal_free(j);
    assert_int_equal(chain_journal_open(&j, path, 5, 128, count_one, &count, &f), OK);
    assert_int_equal(count, 10); /* what was not synced was not promised */
    chain_journal_free(j);
    assert_int_equal(file_read(&bytes, &len, path, 1 << 20, &f), OK);
    for (size_t cut = 0; cut < len; cut += 37) {
        n = count = 0;
        assert_int_equal(file_write(path, bytes, cut, FILE_REPLACE, &f), OK);
        assert_int_equal(chain_journal_open(&j, path, 5, 128, count_one, &count, &f), OK);
        for (size_t end = 24; end + 20 + 100 + n % 3 <= cut; n++)
            end += 20 + 100 + n % 3;
        assert_int_equal(count, n);
        chain_journal_free(j);
    }
    /* One of an earlier block is emptied, one of a later block means that headers are missing. */
    assert_int_equal(file_write(path, bytes, len, FILE_REPLACE, &f), OK);
    assert_int_equal(chain_journal_open(&j, path, 4, 128, count_one, &count, &f), ERR_TRUNCATED);
    assert_null(j);
    count = 0;
    assert_int_equal(chain_journal_open(&j, path, 6, 128, count_one, &count, &f), OK);
    assert_int_equal(count, 0);
    assert_int_equal(chain_journal_add(j, data, 100), OK);
    assert_int_equal(chain_journal_sync(j, &f), OK);
    assert_int_equal(chain_journal_next(j, &f), OK);
    chain_journal_free(j);
    free(bytes);
    assert_int_equal(file_read(&bytes, &len, path, 1 << 20, &f), OK);
    for (size_t i = 24; i < len; i++)
        assert_int_equal(bytes[i], 0);
    free(bytes);
}

static void id_of(hash_t *out, uint64_t i)
{
    hash_one(out, &i, sizeof i);
}

static void test_seen(void **state)
{
    (void)state;
    enum { N = 100000 }; /* more than half of the smallest table */
    struct chain_seen *s;
    struct fault f;
    hash_t *id = malloc(N * sizeof *id), other;
    uint64_t index;
    const char *dir = fixture_path(x, "seen");
    char path[256];
    assert_int_equal(file_mkdir(dir, &f), OK);
    for (size_t i = 0; i < N; i++)
        id_of(&id[i], i);
    assert_int_equal(chain_seen_open(&s, dir, 0, 1, &f), OK);
    for (size_t i = 0; i < N; i += 1000) {
        assert_int_equal(chain_seen_append(s, id + i, 1000, &f), OK);
        assert_int_equal(chain_seen_sync(s, &f), OK);
        assert_int_equal(chain_seen_find(s, &id[i], &index, &f), OK);
        assert_true(index == CHAIN_SEEN_NONE);
        assert_int_equal(chain_seen_commit(s, &f), OK);
    }
    for (int round = 0; round < 4; round++) {
        for (size_t i = 0; i < N; i += 7) {
            assert_int_equal(chain_seen_find(s, &id[i], &index, &f), OK);
            assert_int_equal(index, i);
            id_of(&other, N + i);
            assert_int_equal(chain_seen_find(s, &other, &index, &f), OK);
            assert_true(index == CHAIN_SEEN_NONE);
        }
        chain_seen_free(s);
        snprintf(path, sizeof path, "%s/ids.table", dir);
        if (round == 0)
            assert_int_equal(unlink(path), 0);
        if (round == 1)
            assert_int_equal(truncate(path, 5000), 0);
        assert_int_equal(chain_seen_open(&s, dir, N, round != 2, &f), OK);
    }
    chain_seen_free(s);
    assert_int_equal(chain_seen_open(&s, dir, N + 1, 1, &f), ERR_TRUNCATED);
    /* Fewer count: the rest is cut off, and the table made again. */
    assert_int_equal(chain_seen_open(&s, dir, 5, 1, &f), OK);
    assert_int_equal(chain_seen_find(s, &id[7], &index, &f), OK);
    assert_true(index == CHAIN_SEEN_NONE);
    assert_int_equal(chain_seen_find(s, &id[4], &index, &f), OK);
    assert_int_equal(index, 4);
    chain_seen_free(s);
    free(id);
}

static int setup(void **state)
{
    (void)state;
    x = fixture_chain_new();
    for (size_t i = 0; i < VOTES; i++)
        fixture_ballot(x, &vote[i].data, &vote[i].info, i % 2 ? x->w1 : x->e2, i % 2 ? "town" : "rural",
                       i % 2 ? "mayor=b" : "mayor=a");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    for (size_t i = 0; i < VOTES; i++)
        cbor_out_free(&vote[i].data);
    fixture_free(x);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_killed), /* forks: before anything starts threads */
        cmocka_unit_test(test_split_killed),  cmocka_unit_test(test_clock_back),
        cmocka_unit_test(test_blocks),        cmocka_unit_test(test_segments),
        cmocka_unit_test(test_refused),       cmocka_unit_test(test_other_bytes),
        cmocka_unit_test(test_split),         cmocka_unit_test(test_torn_files),
        cmocka_unit_test(test_damaged_files), cmocka_unit_test(test_other_kinds),
        cmocka_unit_test(test_journal),       cmocka_unit_test(test_seen),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
