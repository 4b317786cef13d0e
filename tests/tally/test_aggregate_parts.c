/* Aggregation on many machines: what each verified is taken over, and the records are those of one machine,
 * to the byte. */
#include "tests/support/unit.h"

#include <sqlite3.h>
#include <unistd.h>

#include "ceremony/base/file.h"
#include "tally/aggregate.h"
#include "tally/aggregate_part.h"
#include "tally/signkey.h"
#include "tests/support/tree.h"

static const char *const place_id[] = {"whole", "a", "b", "a1", "a2", "a3", "b1", "b2", "b3"};

static void vote(struct tree *t, const char *file, const char *place, size_t ballots, uint64_t revision,
                 const hash_t *replaces, hash_t *id)
{
    struct tree_box box = {0};
    tree_cast(t, &box, place, "one", "y", ballots);
    tree_export(t, file, place, &box, revision, replaces, id);
    tree_box_free(&box);
}

/* Five places with exports, one with a correction, a ballot in two of them, and a file that is none. */
static void fill(struct tree *t)
{
    hash_t first;
    char path[256];
    struct fault f;
    tree_new(t, &(struct tree_shape){
                    .rows = "whole,nation,,W,,\na,county,whole,A,,\nb,county,whole,B,,\n"
                            "a1,precinct,a,P,one,\na2,precinct,a,P,one,\na3,precinct,a,P,one,\n"
                            "b1,precinct,b,P,one,\nb2,precinct,b,P,one,\nb3,precinct,b,P,one,\n"});
    vote(t, "d", "a1", 12, 0, NULL, NULL);
    vote(t, "b", "b3", 15, 0, NULL, &first);
    vote(t, "a", "b3", 14, 1, &first, NULL);
    vote(t, "e", "a3", 1, 0, NULL, NULL);
    for (int i = 0; i < 2; i++) {
        struct tree_box box = {0};
        tree_cast(t, &box, i ? "b2" : "a2", "one", "y", 11);
        tree_cast_key(t, &box, i ? "b2" : "a2", 77);
        tree_export(t, i ? "f" : "c", i ? "b2" : "a2", &box, 0, NULL, NULL);
        tree_box_free(&box);
    }
    assert_int_equal(file_write(tree_path(t, path, "exports", "g"), "x", 1, FILE_NEW, &f), OK);
}

static err_t run(struct tree *t, const char *work, struct aggregate_options o, struct aggregate_result *r,
                 struct fault *f)
{
    char exports[256], dir[256], records[256], name[64];
    o.accept_corrections = 1;
    snprintf(name, sizeof name, "%s-records", work);
    return aggregate(r, &t->ctx, tree_path(t, exports, "exports", NULL), tree_path(t, dir, work, NULL),
                     tree_path(t, records, name, NULL), &o, NULL, f);
}

static void same_records(struct tree *t, const char *one, const char *other)
{
    char dir[2][256], path[4096];
    uint8_t *data[2];
    size_t len[2];
    struct fault f;
    tree_path(t, dir[0], one, NULL);
    tree_path(t, dir[1], other, NULL);
    for (size_t i = 0; i < sizeof place_id / sizeof *place_id; i++) {
        for (int k = 0; k < 2; k++) {
            assert_int_equal(node_path(path, sizeof path, &t->ctx, dir[k], tree_place(t, place_id[i])), OK);
            assert_int_equal(file_read(&data[k], &len[k], path, NODE_MAX, &f), OK);
        }
        assert_int_equal(len[0], len[1]);
        assert_memory_equal(data[0], data[1], len[0]);
        free(data[0]);
        free(data[1]);
    }
}

static void test_same(void **state)
{
    struct tree t;
    struct aggregate_result alone, r;
    struct fault f;
    char work[3][256], name[3][16];
    (void)state;
    fill(&t);
    assert_int_equal(run(&t, "one", (struct aggregate_options){0}, &alone, &f), OK);
    assert_int_equal(alone.verified, 6);
    assert_int_equal(alone.refused, 1);
    assert_int_equal(alone.replaced, 1);
    assert_int_equal(alone.dropped, 1);
    assert_int_equal(alone.missing, 1);
    uint64_t files = 0, verified = 0;
    const char *from[3];
    for (unsigned k = 1; k <= 3; k++) {
        snprintf(name[k - 1], sizeof name[k - 1], "part%u", k);
        from[k - 1] = tree_path(&t, work[k - 1], name[k - 1], NULL);
        assert_int_equal(
            run(&t, name[k - 1], (struct aggregate_options){.part = k, .parts = 3, .threads = 2}, &r, &f),
            OK);
        assert_true(r.files >= 2 && r.files <= 3);
        assert_int_equal(r.places, 0); /* nothing is settled */
        files += r.files;
        verified += r.verified;
    }
    assert_int_equal(files, 7);
    assert_int_equal(verified, 6);
    struct aggregate_options merge = {.from = from, .from_count = 3};
    assert_int_equal(run(&t, "all", merge, &r, &f), OK);
    assert_int_equal(r.known, 6);
    assert_int_equal(r.verified, 0);
    assert_memory_equal(&r.root, &alone.root, sizeof r.root);
    assert_int_equal(r.ballots, alone.ballots);
    assert_int_equal(r.dropped, 1);
    assert_int_equal(r.few, alone.few);
    same_records(&t, "one-records", "all-records");
    assert_int_equal(run(&t, "all", merge, &r, &f), OK); /* again: nothing is there twice */
    assert_memory_equal(&r.root, &alone.root, sizeof r.root);
    merge.from_count = 2; /* a part is missing: verified here */
    assert_int_equal(run(&t, "some", merge, &r, &f), OK);
    assert_true(r.verified >= 2 && r.known >= 2);
    assert_int_equal(r.verified + r.known, 6);
    assert_memory_equal(&r.root, &alone.root, sizeof r.root);
    same_records(&t, "one-records", "some-records");
    tree_free(&t);
}

static void test_refused(void **state)
{
    struct tree t;
    struct aggregate_result r;
    struct fault f;
    char path[256], work[256], index[300], junk[8192];
    sqlite3 *db;
    (void)state;
    fill(&t);
    const char *from[] = {tree_path(&t, work, "part", NULL)};
    struct aggregate_options merge = {.from = from, .from_count = 1};
    assert_int_equal(run(&t, "all", merge, &r, &f), ERR_MISSING);
    t.r.id.b[0] ^= 1;
    assert_int_equal(run(&t, "empty", (struct aggregate_options){.part = 8, .parts = 8}, &r, &f), OK);
    t.r.id.b[0] ^= 1;
    from[0] = tree_path(&t, path, "empty", NULL); /* another record's */
    assert_int_equal(run(&t, "all", merge, &r, &f), ERR_ELECTION);
    from[0] = work;
    assert_int_equal(run(&t, "part", (struct aggregate_options){.part = 1, .parts = 1}, &r, &f), OK);
    assert_int_equal(run(&t, "part", merge, &r, &f), ERR_BUSY); /* from itself */
    snprintf(index, sizeof index, "%s/index.sqlite", work);
    assert_int_equal(sqlite3_open(index, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "DELETE FROM ballots WHERE rowid = 5", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    assert_int_equal(run(&t, "all", merge, &r, &f), ERR_FORMAT);
    assert_non_null(strstr(f.detail, "lacks ballots"));
    memset(junk, 'x', sizeof junk);
    assert_int_equal(file_write(index, junk, sizeof junk, FILE_REPLACE, &f), OK);
    assert_int_equal(run(&t, "all", merge, &r, &f), ERR_FORMAT);
    merge.from_count = 0; /* what was half taken over does no harm */
    assert_int_equal(run(&t, "all", merge, &r, &f), OK);
    assert_int_equal(r.known + r.verified, 6);
    tree_free(&t);
}

/* --- signed parts --- */

struct signing {
    struct tree t;
    struct signkey *key;
    struct part_signers signers; /* of one */
    char work[256], path[300];
};

static void set_up(struct signing *s)
{
    struct aggregate_result r;
    struct fault f;
    memset(s, 0, sizeof *s);
    fill(&s->t);
    assert_int_equal(run(&s->t, "part", (struct aggregate_options){.part = 1, .parts = 1}, &r, &f), OK);
    tree_path(&s->t, s->work, "part", NULL);
    snprintf(s->path, sizeof s->path, "%s/" AGG_PART_SIGNED, s->work);
    s->key = s->t.key;
    s->signers.count = 1;
    s->signers.signer = calloc(1, sizeof *s->signers.signer);
    assert_non_null(s->signers.signer);
    s->signers.signer[0].key = signkey_signer(s->key)->key;
    cose_kid(&s->signers.signer[0].kid, &s->signers.signer[0].key);
    snprintf(s->signers.signer[0].name, sizeof s->signers.signer[0].name, "Anna");
}

static void tear_down(struct signing *s)
{
    part_signers_free(&s->signers);
    tree_free(&s->t);
}

static uint8_t *sealed(const struct signing *s, size_t *len)
{
    char path[300];
    uint8_t *data;
    struct fault f;
    snprintf(path, sizeof path, "%s/" AGG_PART, s->work);
    assert_int_equal(file_read(&data, len, path, 1 << 20, &f), OK);
    return data;
}

static void sign_bytes(struct signing *s, const uint8_t *data, size_t len)
{
    struct cbor_out out = CBOR_OUT_INIT;
    struct fault f;
    assert_int_equal(cose_sign(&out, signkey_signer(s->key), data, len, &f), OK);
    assert_int_equal(file_write(s->path, out.data, out.len, FILE_REPLACE, &f), OK);
    cbor_out_free(&out);
}

static err_t take(struct signing *s)
{
    const char *from[] = {s->work};
    struct aggregate_result r;
    struct fault f;
    return run(&s->t, "all",
               (struct aggregate_options){.from = from, .from_count = 1, .signers = &s->signers}, &r, &f);
}

/* Any byte of a signed part that is changed, or left out, is found; signed anew, so is most of it. */
static void test_signed(void **state)
{
    (void)state;
    struct signing s;
    struct fault f;
    size_t len, good = 0;
    set_up(&s);
    uint8_t *data = sealed(&s, &len);
    assert_true(agg_part_sealed(data, len));
    assert_int_equal(take(&s), ERR_MISSING);
    assert_int_equal(file_write(s.path, data, len, FILE_REPLACE, &f), OK);
    assert_int_equal(take(&s), ERR_SIGNATURE); /* unsigned under this name */
    sign_bytes(&s, data, len);
    assert_int_equal(take(&s), OK);
    assert_int_equal(take(&s), OK); /* it was only read */
    s.signers.signer[0].kid.b[0] ^= 1;
    assert_int_equal(take(&s), ERR_UNKNOWN);
    s.signers.signer[0].kid.b[0] ^= 1;
    for (size_t i = 0; i < len; i++) {
        struct agg_part_standing standing;
        hash_t program;
        assert_int_equal(part_program(&program, &f), OK);
        data[i] ^= 1;
        sign_bytes(&s, data, len);
        good += agg_part_check(&standing, s.work, &s.t.ctx, &s.signers, &program, &f) == OK;
        data[i] ^= 1;
        struct agg_part *p;
        struct cose unused;
        assert_int_not_equal(agg_part_read(&p, &unused, data, i, &f), OK);
        assert_null(p);
    }
    assert_true(good <= 5); /* its number, the version's text */
    sign_bytes(&s, data, len);
    s.t.r.id.b[0] ^= 1;
    assert_int_equal(take(&s), ERR_ELECTION);
    s.t.r.id.b[0] ^= 1;
    free(data);
    tear_down(&s);
}

/* What stands for a file of a part is one. */
static void test_signed_files(void **state)
{
    (void)state;
    struct signing s;
    struct fault f;
    char index[300], other[300];
    size_t len;
    set_up(&s);
    uint8_t *data = sealed(&s, &len);
    sign_bytes(&s, data, len);
    snprintf(index, sizeof index, "%s/index.sqlite", s.work);
    snprintf(other, sizeof other, "%s/other", s.work);
    assert_int_equal(rename(index, other), 0);
    assert_int_equal(take(&s), ERR_FORMAT); /* none */
    assert_int_equal(symlink("other", index), 0);
    assert_int_equal(take(&s), ERR_FORMAT);
    assert_int_equal(unlink(index), 0);
    assert_int_equal(file_write(index, "x", 1, FILE_NEW, &f), OK);
    assert_int_equal(take(&s), ERR_HASH);
    assert_int_equal(rename(other, index), 0);
    assert_int_equal(take(&s), OK);
    /* what SQLite would play back when it opens the index */
    static const char *const journal[] = {"wal", "journal", "shm"};
    for (size_t i = 0; i < sizeof journal / sizeof *journal; i++) {
        snprintf(other, sizeof other, "%s/index.sqlite-%s", s.work, journal[i]);
        assert_int_equal(file_write(other, "x", 1, FILE_NEW, &f), OK);
        assert_int_equal(take(&s), ERR_UNKNOWN);
        assert_int_equal(unlink(other), 0);
    }
    assert_int_equal(take(&s), OK);
    free(data);
    tear_down(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_same), cmocka_unit_test(test_refused),
                                       cmocka_unit_test(test_signed), cmocka_unit_test(test_signed_files)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
