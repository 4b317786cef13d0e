/* The verifier's report is the same whatever the threads, and however often it was stopped. */
#include "tests/support/unit.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "ceremony/base/file.h"
#include "ceremony/base/secret.h"
#include "tally/verify_hashed.h"
#include "tally/verify_print.h"
#include "tally/verify_resume.h"
#include "tally/verify_state.h"
#include "tests/mutants/mutants.h"
#include "tests/support/tree.h"

struct fixture {
    char dir[64], good[128], state[128], entries[160], anchor[2 * HASH_LEN + 1];
    struct lab *l;
};

static int setup(void **state)
{
    struct fixture *x = calloc(1, sizeof *x);
    assert_non_null(x);
    assert_int_equal(secret_init(), OK);
    snprintf(x->dir, sizeof x->dir, "/tmp/conclave-resume-XXXXXX");
    assert_non_null(mkdtemp(x->dir));
    snprintf(x->good, sizeof x->good, "%s/good", x->dir);
    snprintf(x->state, sizeof x->state, "%s/state", x->dir);
    snprintf(x->entries, sizeof x->entries, "%s/verified-exports", x->state);
    x->l = lab_build(x->good, NULL);
    hex_put(x->anchor, x->l->anchor.b, HASH_LEN);
    *state = x;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *x = *state;
    lab_free(x->l);
    tree_rm(x->dir);
    free(x);
    return 0;
}

/* The report as JSON; freed with free(). NULL and the error if there is none. */
static err_t report(char **out, const char *dir, const struct verify_options *o)
{
    struct verify_report *r;
    struct fault f;
    size_t len;
    *out = NULL;
    fault_clear(&f);
    err_t e = verify_bundle(&r, dir, o, &f);
    assert_int_equal(f.err, e);
    if (e != OK)
        return e;
    const struct verify_report *one[] = {r};
    FILE *stream = open_memstream(out, &len);
    assert_non_null(stream);
    assert_int_equal(verify_print_json(stream, one, 1, verify_exit_status(r)), OK);
    assert_int_equal(fclose(stream), 0);
    verify_report_free(r);
    return OK;
}

struct stop {
    unsigned calls, after; /* 0: never */
};

static err_t stop_after(void *ctx, const char *what, uint64_t done, uint64_t total)
{
    struct stop *s = ctx;
    assert_non_null(what);
    assert_true(done <= total);
    return ++s->calls == s->after ? ERR_STOPPED : OK;
}

static off_t size_of(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? st.st_size : 0;
}

/* Stopped at every place where it can be stopped, each time going on from what is there. */
static void test_stopped(void **state)
{
    struct fixture *x = *state;
    char *want, *got;
    struct verify_options plain = {.anchor = x->anchor};
    struct stop s = {.after = 0};
    assert_int_equal(report(&want, x->good, &plain), OK);
    assert_non_null(strstr(want, "\"verdict\": \"PASS\""));
    for (unsigned threads = 1; threads <= 3; threads += 2) {
        struct verify_options o = {.anchor = x->anchor,
                                   .threads = (int)threads,
                                   .resume = x->state,
                                   .progress = stop_after,
                                   .progress_ctx = &s};
        unsigned stops = 0;
        off_t before = 0;
        tree_rm(x->state);
        for (unsigned after = 1;; after++) {
            s = (struct stop){.after = after};
            err_t e = report(&got, x->good, &o);
            assert_true(size_of(x->entries) >= before); /* nothing that is there is lost */
            before = size_of(x->entries);
            if (e == OK)
                break;
            assert_int_equal(e, ERR_STOPPED);
            stops++;
        }
        assert_true(stops > 2);
        assert_string_equal(got, want);
        free(got);
        s = (struct stop){.after = 0}; /* all is known now */
        assert_int_equal(report(&got, x->good, &o), OK);
        assert_int_equal(size_of(x->entries), before);
        assert_string_equal(got, want);
        free(got);
    }
    free(want);
}

static int concerns_exports(const struct mutant *m)
{
    return strncmp(m->target, "exports.", 8) == 0 || strncmp(m->target, "records.", 8) == 0;
}

/* Bad bundles: with threads, with a new directory, and going on. */
static void test_mutants(void **state)
{
    struct fixture *x = *state;
    size_t seen = 0;
    for (size_t i = 0; i < mutants_count(); i++) {
        char path[256], anchor[2 * HASH_LEN + 1], *want, *got;
        if (!concerns_exports(mutant_at(i)))
            continue;
        snprintf(path, sizeof path, "%s/mutant", x->dir);
        tree_rm(path);
        tree_rm(x->state);
        struct lab *l = lab_build(path, mutant_at(i)->hook);
        hex_put(anchor, l->anchor.b, HASH_LEN);
        lab_free(l);
        struct verify_options o = {.anchor = anchor, .threads = 1};
        assert_int_equal(report(&want, path, &o), OK);
        assert_non_null(strstr(want, "\"verdict\": \"FAIL\""));
        for (int round = 0; round < 3; round++) {
            o.threads = round == 0 ? 4 : 1;
            o.resume = round == 0 ? NULL : x->state;
            assert_int_equal(report(&got, path, &o), OK);
            if (strcmp(got, want) != 0)
                fail_msg("%s: another report in round %d", mutant_at(i)->name, round);
            free(got);
        }
        free(want);
        seen++;
    }
    assert_true(seen > 10);
}

/* A file that changed after it was found good is verified again. */
static void test_changed(void **state)
{
    struct fixture *x = *state;
    char path[256], file[300], *got;
    struct fault f;
    snprintf(path, sizeof path, "%s/changed", x->dir);
    struct lab *l = lab_build(path, NULL);
    char anchor[2 * HASH_LEN + 1];
    hex_put(anchor, l->anchor.b, HASH_LEN);
    lab_free(l);
    struct verify_options o = {.anchor = anchor, .resume = x->state};
    tree_rm(x->state);
    assert_int_equal(report(&got, path, &o), OK);
    assert_non_null(strstr(got, "\"verdict\": \"PASS\""));
    free(got);
    uint8_t *data;
    size_t len;
    snprintf(file, sizeof file, "%s/exports/a1.cexp", path);
    assert_int_equal(file_read(&data, &len, file, 1 << 24, &f), OK);
    data[len - 1] ^= 1;
    assert_int_equal(file_write(file, data, len, FILE_REPLACE, &f), OK);
    assert_int_equal(report(&got, path, &o), OK);
    assert_non_null(strstr(got, "\"verdict\": \"FAIL\""));
    assert_non_null(strstr(got, "does not prove that its maker owns the ballot id"));
    free(got);
    free(data);
}

static void put(const char *path, const void *data, size_t len)
{
    struct fault f;
    assert_int_equal(file_write(path, data, len, FILE_REPLACE, &f), OK);
}

/* The file itself: torn, foreign, locked. */
static void test_file(void **state)
{
    struct fixture *x = *state;
    hash_t election = {{1}}, record = {{2}}, h[600], other = {{9}};
    struct verify_resume *r, *second;
    struct fault f;
    struct stat st;
    uint8_t *data;
    size_t len;
    tree_rm(x->state);
    random_bytes(h, sizeof h);
    assert_int_equal(verify_resume_open(&r, x->state, &election, &record, &f), OK);
    assert_int_equal(verify_resume_open(&second, x->state, &election, &record, &f), ERR_BUSY);
    for (size_t i = 0; i < 600; i++)
        assert_int_equal(verify_resume_add(r, &h[i], &f), OK);
    assert_int_equal(verify_resume_save(r, &f), OK);
    verify_resume_close(r);
    assert_int_equal(file_read(&data, &len, x->entries, 1 << 20, &f), OK);
    for (size_t cut = 0; cut <= 90; cut += 9) {
        put(x->entries, data, len - cut);
        assert_int_equal(verify_resume_open(&r, x->state, &election, &record, &f), OK);
        for (size_t i = 0; i < 600; i++)
            assert_int_equal(verify_resume_has(r, &h[i]), i < 600 - (cut + 39) / 40);
        assert_false(verify_resume_has(r, &other));
        assert_int_equal(verify_resume_add(r, &other, &f), OK); /* behind what is whole */
        assert_int_equal(verify_resume_save(r, &f), OK);
        verify_resume_close(r);
        assert_int_equal(verify_resume_open(&r, x->state, &election, &record, &f), OK);
        assert_true(verify_resume_has(r, &other));
        assert_true(verify_resume_has(r, &h[0]));
        verify_resume_close(r);
    }
    data[len - 40 * 100] ^= 1; /* what follows an entry that is not right does not count */
    put(x->entries, data, len);
    assert_int_equal(verify_resume_open(&r, x->state, &election, &record, &f), OK);
    assert_true(verify_resume_has(r, &h[499]));
    assert_false(verify_resume_has(r, &h[500]));
    assert_false(verify_resume_has(r, &h[599]));
    verify_resume_close(r);
    /* A hole of 1 TB behind the entries takes no memory, and is cut off. */
    assert_int_equal(truncate(x->entries, (off_t)1 << 40), 0);
    assert_int_equal(verify_resume_open(&r, x->state, &election, &record, &f), OK);
    assert_true(verify_resume_has(r, &h[499]));
    verify_resume_close(r);
    assert_int_equal(stat(x->entries, &st), 0);
    assert_true(st.st_size < 1 << 20);
    assert_int_equal(verify_resume_open(&r, x->state, &other, &record, &f), ERR_ELECTION);
    assert_int_equal(verify_resume_open(&r, x->state, &election, &other, &f), ERR_ELECTION);
    put(x->entries, data, 40); /* cut off in the head */
    assert_int_equal(verify_resume_open(&r, x->state, &election, &record, &f), OK);
    assert_false(verify_resume_has(r, &h[0]));
    verify_resume_close(r);
    put(x->entries, "something else", 14);
    assert_int_equal(verify_resume_open(&r, x->state, &election, &record, &f), ERR_FORMAT);
    data[0] ^= 1;
    put(x->entries, data, len);
    assert_int_equal(verify_resume_open(&r, x->state, &election, &record, &f), ERR_FORMAT);
    assert_int_equal(unlink(x->entries), 0);
    assert_int_equal(symlink("/dev/null", x->entries), 0);
    assert_int_not_equal(verify_resume_open(&r, x->state, &election, &record, &f), OK);
    free(data);
}

/* A bundle's verification says so too. */
static void test_other_election(void **state)
{
    struct fixture *x = *state;
    hash_t election = {{1}}, record = {{2}};
    struct verify_resume *r;
    struct fault f;
    char *got;
    tree_rm(x->state);
    assert_int_equal(verify_resume_open(&r, x->state, &election, &record, &f), OK);
    verify_resume_close(r);
    struct verify_options o = {.anchor = x->anchor, .resume = x->state};
    assert_int_equal(report(&got, x->good, &o), ERR_ELECTION);
}

/* --- files that were hashed --- */

static time_t later; /* seconds that this test's clock is ahead */

time_t time(time_t *out)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    if (out)
        *out = t.tv_sec + later;
    return t.tv_sec + later;
}

/* DIR/files-HASH for a bundle. */
static const char *hashed_path(const struct fixture *x, const char *bundle, hash_t *sums)
{
    static char path[400];
    char file[300], hex[2 * HASH_LEN + 1];
    struct fault f;
    snprintf(file, sizeof file, "%s/SHA256SUMS", bundle);
    assert_int_equal(file_hash(sums, file, &f), OK);
    hex_put(hex, sums->b, HASH_LEN);
    snprintf(path, sizeof path, "%s/files-%s", x->state, hex);
    return path;
}

static size_t listed_in(const char *bundle)
{
    char file[300];
    struct fault f;
    uint8_t *data;
    size_t len, n = 0;
    snprintf(file, sizeof file, "%s/SHA256SUMS", bundle);
    assert_int_equal(file_read(&data, &len, file, 1 << 24, &f), OK);
    for (size_t i = 0; i < len; i++)
        n += data[i] == '\n';
    free(data);
    return n;
}

#define HASHED_HEAD 56
#define HASHED_ENTRY 64

/* What changed a moment ago is read again; what did not is remembered, once, and read again when anything of
 * it changes. What the file says is believed: so it is only the verifier's own. */
static void test_hashed(void **state)
{
    struct fixture *x = *state;
    char path[256], file[300], anchor[2 * HASH_LEN + 1], *want, *got;
    struct fault f;
    struct stat st;
    hash_t sums, listed;
    uint8_t *data;
    size_t len;
    snprintf(path, sizeof path, "%s/hashed", x->dir);
    struct lab *l = lab_build(path, NULL);
    hex_put(anchor, l->anchor.b, HASH_LEN);
    lab_free(l);
    struct verify_options plain = {.anchor = anchor}, o = {.anchor = anchor, .resume = x->state};
    assert_int_equal(report(&want, path, &plain), OK);
    tree_rm(x->state);
    assert_int_equal(report(&got, path, &o), OK);
    assert_string_equal(got, want);
    free(got);
    const char *entries = hashed_path(x, path, &sums);
    assert_int_equal(size_of(entries), HASHED_HEAD);
    later = 60;
    for (int round = 0; round < 2; round++) {
        assert_int_equal(report(&got, path, &o), OK);
        assert_string_equal(got, want);
        free(got);
        if (size_of(entries) == HASHED_HEAD) {
            print_message("the file system of /tmp keeps too little of its files: they are always read\n");
            later = 0;
            free(want);
            skip();
        }
        assert_int_equal(size_of(entries), HASHED_HEAD + HASHED_ENTRY * listed_in(path));
    }
    /* other content of the same length, at the same place, with the same time: only ctime tells */
    snprintf(file, sizeof file, "%s/exports/a1.cexp", path);
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(file_read(&data, &len, file, 1 << 24, &f), OK);
    assert_int_equal(file_hash(&listed, file, &f), OK);
    data[len - 1] ^= 1;
    int fd = open(file, O_WRONLY);
    assert_int_equal(pwrite(fd, data, len, 0), len);
    const struct timespec times[2] = {st.st_atim, st.st_mtim};
    assert_int_equal(futimens(fd, times), 0);
    close(fd);
    assert_int_equal(report(&got, path, &o), OK);
    assert_non_null(strstr(got, "its hash is not the one in SHA256SUMS"));
    free(got);
    assert_int_equal(size_of(entries), HASHED_HEAD + HASHED_ENTRY * listed_in(path)); /* nothing about it */
    /* ... and if its own file said that it was right, it would not be read */
    struct verify_hashed *h;
    assert_int_equal(verify_hashed_open(&h, x->state, &sums, &f), OK);
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(verify_hashed_add(h, "exports/a1.cexp", &listed, &st, &f), OK);
    assert_int_equal(verify_hashed_save(h, &f), OK);
    verify_hashed_close(h);
    assert_int_equal(report(&got, path, &o), OK);
    assert_null(strstr(got, "its hash is not the one in SHA256SUMS"));
    assert_non_null(strstr(got, "\"verdict\": \"FAIL\"")); /* exports are read all the same */
    free(got);
    assert_int_equal(chmod(entries, 0666), 0);
    assert_int_equal(report(&got, path, &o), ERR_REFUSED);
    later = 0;
    free(data);
    free(want);
}

/* Each field counts; torn, foreign, locked, somebody else's. */
static void test_hashed_file(void **state)
{
    struct fixture *x = *state;
    struct verify_hashed *h, *second;
    struct fault f;
    hash_t sums = {{1}}, listed = {{2}}, other = {{3}};
    struct stat st = {.st_mode = S_IFREG | 0644, .st_dev = 5, .st_ino = 6, .st_size = 7}, now;
    char path[400], hex[2 * HASH_LEN + 1];
    uint8_t *data;
    size_t len;
    tree_rm(x->state);
    hex_put(hex, sums.b, HASH_LEN);
    snprintf(path, sizeof path, "%s/files-%s", x->state, hex);
    assert_int_equal(verify_hashed_open(&h, x->state, &sums, &f), OK);
    assert_int_equal(verify_hashed_open(&second, x->state, &sums, &f), ERR_BUSY);
    for (st.st_ino = 0; st.st_ino < 600; st.st_ino++)
        assert_int_equal(verify_hashed_add(h, "exports/a", &listed, &st, &f), OK);
    assert_int_equal(verify_hashed_save(h, &f), OK);
    verify_hashed_close(h);
    st.st_ino = 6;
    assert_int_equal(file_read(&data, &len, path, 1 << 20, &f), OK);
    assert_int_equal(len, HASHED_HEAD + 600 * HASHED_ENTRY);
    assert_int_equal(verify_hashed_open(&h, x->state, &sums, &f), OK);
    assert_true(verify_hashed_has(h, "exports/a", &listed, &st));
    assert_false(verify_hashed_has(h, "exports/b", &listed, &st));
    assert_false(verify_hashed_has(h, "exports/a", &other, &st));
    for (int i = 0; i < 6; i++) {
        now = st;
        if (i == 0)
            now.st_dev++;
        if (i == 1)
            now.st_ino = 600;
        if (i == 2)
            now.st_size++;
        if (i == 3)
            now.st_mtim.tv_nsec++;
        if (i == 4)
            now.st_ctim.tv_nsec++;
        if (i == 5)
            now.st_mode = S_IFLNK | 0777;
        assert_false(verify_hashed_has(h, "exports/a", &listed, &now));
    }
    verify_hashed_close(h);
    for (size_t cut = 0; cut <= 130; cut += 13) {
        assert_int_equal(truncate(path, (off_t)(len - cut)), 0);
        assert_int_equal(verify_hashed_open(&h, x->state, &sums, &f), OK);
        for (now = st, now.st_ino = 0; now.st_ino < 600; now.st_ino++)
            assert_int_equal(verify_hashed_has(h, "exports/a", &listed, &now),
                             now.st_ino < 600 - (cut + 63) / 64);
        verify_hashed_close(h);
        put(path, data, len);
        assert_int_equal(chmod(path, 0600), 0);
    }
    assert_int_equal(verify_hashed_open(&h, x->state, &other, &f), OK); /* of another bundle: another file */
    assert_false(verify_hashed_has(h, "exports/a", &listed, &st));
    verify_hashed_close(h);
    assert_int_equal(chmod(path, 0620), 0);
    assert_int_equal(verify_hashed_open(&h, x->state, &sums, &f), ERR_REFUSED);
    assert_int_equal(chmod(path, 0600), 0);
    char twin[420];
    snprintf(twin, sizeof twin, "%s.twin", path);
    assert_int_equal(link(path, twin), 0);
    assert_int_equal(verify_hashed_open(&h, x->state, &sums, &f), ERR_REFUSED);
    assert_int_equal(unlink(twin), 0);
    if (geteuid() == 0) { /* another user's */
        assert_int_equal(chown(path, 12345, (gid_t)-1), 0);
        assert_int_equal(verify_hashed_open(&h, x->state, &sums, &f), ERR_REFUSED);
        assert_int_equal(chown(path, 0, (gid_t)-1), 0);
    }
    data[0] ^= 1;
    put(path, data, len);
    assert_int_equal(chmod(path, 0600), 0);
    assert_int_equal(verify_hashed_open(&h, x->state, &sums, &f), ERR_FORMAT);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(symlink("/dev/null", path), 0);
    assert_int_equal(verify_hashed_open(&h, x->state, &sums, &f), ERR_FORMAT);
    free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stopped),        cmocka_unit_test(test_mutants),
        cmocka_unit_test(test_changed),        cmocka_unit_test(test_file),
        cmocka_unit_test(test_other_election), cmocka_unit_test(test_hashed),
        cmocka_unit_test(test_hashed_file),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
