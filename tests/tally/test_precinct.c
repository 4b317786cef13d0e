/* The precinct node: casting, refusals, recovery, receipts, closing, corrections, its budget, and kill -9. */
#include <malloc.h>
#include <omp.h>
#include <setjmp.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "ceremony/base/file.h"
#include "ceremony/base/secret.h"
#include "tally/precinct_form.h"
#include "tests/support/ballots.h"

/* --- the heap, counted (not under a sanitizer, which has its own) --- */

#ifndef __SANITIZE_ADDRESS__
#define COUNT_HEAP 1
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t m);
void *__libc_realloc(void *p, size_t n);
void *__libc_memalign(size_t align, size_t n);
static size_t heap_peak;
static int heap_sampling;

static size_t heap_now(void)
{
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

static void heap_sample(size_t n)
{
    if (!heap_sampling || n < 512)
        return;
    size_t now = heap_now();
    heap_peak = now > heap_peak ? now : heap_peak;
}

void *malloc(size_t n)
{
    void *p = __libc_malloc(n);
    heap_sample(n);
    return p;
}

void *calloc(size_t n, size_t m)
{
    void *p = __libc_calloc(n, m);
    heap_sample(n * m);
    return p;
}

void *realloc(void *old, size_t n)
{
    void *p = __libc_realloc(old, n);
    heap_sample(n);
    return p;
}

void *aligned_alloc(size_t align, size_t n)
{
    void *p = __libc_memalign(align, n);
    heap_sample(n);
    return p;
}
#else
static int heap_sampling;
#endif

/* --- ballots made once --- */

#define MADE 320

struct made {
    uint8_t *data;
    size_t len;
    struct ballot_info info;
};

static struct {
    struct fixture *x;
    struct made ballot[MADE]; /* e-1, style small: mayor=a for even, b for odd */
    unsigned file;
} box;

static void make_one(struct made *m, uint32_t place, const char *style, const char *choices)
{
    struct cbor_out o = CBOR_OUT_INIT;
    fixture_ballot(box.x, &o, &m->info, place, style, choices);
    m->data = o.data;
    m->len = o.len;
}

static int setup(void **state)
{
    (void)state;
    omp_set_num_threads(1); /* children are forked */
    box.x = fixture_new(KIND_BALLOTS);
    for (size_t i = 0; i < MADE; i++)
        make_one(&box.ballot[i], box.x->e1, "small", i % 2 ? "mayor=b" : "mayor=a");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    for (size_t i = 0; i < MADE; i++)
        free(box.ballot[i].data);
    fixture_free(box.x);
    return 0;
}

/* A journal of its own for each test. */
static const char *journal(char path[256])
{
    char name[32];
    snprintf(name, sizeof name, "journal-%u.db", box.file++);
    snprintf(path, 256, "%s", fixture_path(box.x, name));
    return path;
}

static struct precinct *open_at(const char *path)
{
    struct precinct *p;
    struct fault f;
    fault_clear(&f);
    err_t e = precinct_open(&p, &box.x->ctx, box.x->e1, path, 1, &f);
    if (e != OK)
        fail_msg("open: %s %s", err_name(e), f.detail);
    return p;
}

static void cast(struct precinct *p, size_t from, size_t to)
{
    struct fault f;
    for (size_t i = from; i < to; i++) {
        err_t e = precinct_cast(p, NULL, NULL, box.ballot[i].data, box.ballot[i].len, &f);
        if (e != OK)
            fail_msg("cast %zu: %s %s", i, err_name(e), f.detail);
    }
}

static struct precinct_status status(struct precinct *p)
{
    struct precinct_status s;
    precinct_get_status(p, &s);
    return s;
}

static int64_t votes(struct precinct *p, size_t option)
{
    return fixture_decrypt(box.x, p->sums, "mayor", option);
}

static err_t try_cast(struct precinct *p, const struct cbor_out *o, struct fault *f)
{
    uint64_t before = status(p).ballots;
    struct ballot_info info;
    fault_clear(f);
    err_t e = precinct_cast(p, &info, NULL, o->data, o->len, f);
    assert_int_equal(status(p).ballots, before + (e == OK));
    if (e != OK) {
        assert_true(hash_is_zero(&info.id));
        assert_string_equal(f->who, "e-1");
        assert_int_equal(f->err, e);
    }
    return e;
}

/* --- casting --- */

static void test_cast(void **state)
{
    (void)state;
    char path[256];
    struct precinct *p = open_at(journal(path));
    struct ballot_info info;
    struct fault f;
    int again = 7;
    assert_int_equal(precinct_cast(p, &info, &again, box.ballot[0].data, box.ballot[0].len, &f), OK);
    assert_int_equal(again, 0);
    assert_int_equal(hash_cmp(&info.id, &box.ballot[0].info.id), 0);
    assert_int_equal(precinct_cast(p, &info, &again, box.ballot[0].data, box.ballot[0].len, &f), OK);
    assert_int_equal(again, 1);
    assert_int_equal(status(p).ballots, 1);
    cast(p, 1, 150);
    assert_int_equal(status(p).batches, 1);
    assert_int_equal(status(p).pending, 50);
    assert_int_equal(precinct_cast(p, &info, &again, box.ballot[3].data, box.ballot[3].len, &f), OK);
    assert_int_equal(again, 1); /* from a finished batch */
    assert_int_equal(votes(p, 0), 75);
    assert_int_equal(votes(p, 1), 75);
    precinct_free(p);
    p = open_at(path); /* a checkpoint and 50 to replay */
    assert_int_equal(status(p).ballots, 150);
    assert_int_equal(status(p).pending, 50);
    assert_int_equal(votes(p, 0), 75);
    cast(p, 150, 200);
    assert_int_equal(status(p).batches, 2);
    assert_int_equal(status(p).pending, 0);
    precinct_free(p);
    p = open_at(path);
    assert_int_equal(votes(p, 1), 100);
    precinct_free(p);
}

static void test_refused(void **state)
{
    (void)state;
    struct fixture *x = box.x, *other = fixture_other(KIND_BALLOTS);
    char path[256];
    struct precinct *p = open_at(journal(path));
    struct fault f;
    struct cbor_out o = CBOR_OUT_INIT;
    static const int hundreds[] = {500, -500, 0, 0};
    cast(p, 0, 5);
    fixture_forge(x, &o, x->e1, "small", hundreds);
    assert_int_equal(try_cast(p, &o, &f), ERR_PROOF);
    assert_non_null(strstr(f.detail, "mayor"));
    cbor_out_free(&o);
    fixture_ballot(x, &o, NULL, x->e2, "rural", "mayor=a");
    assert_int_equal(try_cast(p, &o, &f), ERR_UNKNOWN);
    assert_non_null(strstr(f.detail, "e-2"));
    cbor_out_free(&o);
    fixture_ballot(other, &o, NULL, other->e1, "small", "mayor=a");
    assert_int_equal(try_cast(p, &o, &f), ERR_ELECTION);
    cbor_out_free(&o);
    fixture_ballot(x, &o, NULL, x->e1, "town", "mayor=a");
    o.len -= 1;
    assert_int_equal(try_cast(p, &o, &f), ERR_TRUNCATED);
    o.len = 0;
    assert_int_equal(try_cast(p, &o, &f), ERR_TRUNCATED);
    cbor_out_free(&o);
    assert_int_equal(votes(p, 0), 3);
    precinct_free(p);
    fixture_free(other);
}

/* (attack) The id of a ballot that was cast: by its maker a second time, and by one who only saw it. */
static void test_used_id(void **state)
{
    (void)state;
    struct fixture *x = box.x;
    char path[256];
    struct precinct *p = open_at(journal(path));
    struct fault f;
    struct cbor_out o = CBOR_OUT_INIT, two = CBOR_OUT_INIT;
    void *seed;
    const char *a[] = {"a"}, *b[] = {"b"};
    struct selection first = {"mayor", 1, a}, second = {"mayor", 1, b};
    assert_int_equal(secret_alloc(&seed, BALLOT_SEED_LEN), OK);
    random_bytes(seed, BALLOT_SEED_LEN);
    assert_int_equal(ballot_make(x->maker, &o, NULL, x->e1, "small", &first, 1, seed, &f), OK);
    assert_int_equal(ballot_make(x->maker, &two, NULL, x->e1, "small", &second, 1, seed, &f), OK);
    assert_int_equal(try_cast(p, &o, &f), OK);
    assert_int_equal(try_cast(p, &two, &f), ERR_DUPLICATE);
    struct ballot *mine = fixture_parse(x, &o);
    struct cbor_out squat = CBOR_OUT_INIT;
    struct made fresh;
    make_one(&fresh, x->e1, "small", "mayor=c");
    cbor_put_raw(&squat, fresh.data, fresh.len);
    struct ballot *thief = fixture_parse(x, &squat);
    cbor_out_free(&squat);
    thief->pk = mine->pk;
    thief->id_commitment = mine->id_commitment;
    thief->id_response = mine->id_response;
    fixture_encode(x, &squat, thief);
    assert_int_equal(try_cast(p, &squat, &f), ERR_PROOF);
    assert_int_equal(votes(p, 0), 1);
    assert_int_equal(votes(p, 2), 0);
    ballot_free(mine);
    ballot_free(thief);
    free(fresh.data);
    cbor_out_free(&squat);
    cbor_out_free(&o);
    cbor_out_free(&two);
    secret_free(seed);
    precinct_free(p);
}

static void test_cast_batch(void **state)
{
    (void)state;
    struct fixture *x = box.x;
    char path[256];
    struct precinct *p = open_at(journal(path));
    struct fault f;
    struct cbor_out bad = CBOR_OUT_INIT;
    static const int hundreds[] = {0, 500, 0, 0};
    struct cast_item item[252];
    fixture_forge(x, &bad, x->e1, "small", hundreds);
    for (size_t i = 0; i < 250; i++)
        item[i] = (struct cast_item){.data = box.ballot[i].data, .len = box.ballot[i].len};
    item[70] = (struct cast_item){.data = bad.data, .len = bad.len};
    item[33] = (struct cast_item){.data = bad.data, .len = 20};
    item[250] = item[2]; /* again, in the same transaction */
    item[251] = (struct cast_item){.data = box.ballot[33].data, .len = box.ballot[33].len};
    assert_int_equal(precinct_cast_batch(p, item, 252, &f), ERR_TRUNCATED); /* the first refused */
    assert_int_equal(f.err, ERR_TRUNCATED);
    assert_int_equal(item[33].err, ERR_TRUNCATED);
    assert_int_equal(item[70].err, ERR_PROOF);
    assert_int_equal(item[250].err, OK);
    assert_int_equal(item[250].again, 1);
    assert_int_equal(item[251].err, OK);
    assert_int_equal(hash_cmp(&item[4].info.id, &box.ballot[4].info.id), 0);
    assert_int_equal(status(p).ballots, 249);
    assert_int_equal(status(p).batches, 2);
    assert_int_equal(precinct_cast_batch(p, item, 0, &f), OK);
    precinct_free(p);
    p = open_at(path);
    assert_int_equal(status(p).ballots, 249);
    assert_int_equal(votes(p, 0) + votes(p, 1), 249);
    precinct_free(p);
    cbor_out_free(&bad);
}

static void test_bound(void **state)
{
    (void)state;
    struct fixture *x = box.x, *other = fixture_other(KIND_BALLOTS), *import = fixture_new(KIND_IMPORT);
    char path[256], none[256];
    struct precinct *p, *q;
    struct fault f;
    assert_int_equal(precinct_open(&p, &x->ctx, x->e1, journal(none), 0, &f), ERR_MISSING);
    p = open_at(journal(path));
    assert_int_equal(precinct_open(&q, &x->ctx, x->e1, path, 0, &f), ERR_BUSY);
    precinct_free(p);
    assert_int_equal(precinct_open(&q, &x->ctx, x->e2, path, 1, &f), ERR_ELECTION);
    assert_int_equal(precinct_open(&q, &other->ctx, other->e1, path, 1, &f), ERR_ELECTION);
    x->r->id.b[5] ^= 1;
    assert_int_equal(precinct_open(&q, &x->ctx, x->e1, path, 1, &f), ERR_ELECTION);
    x->r->id.b[5] ^= 1;
    assert_int_equal(precinct_open(&q, &x->ctx, x->land, none, 1, &f), ERR_RULE);
    assert_int_equal(precinct_open(&q, &x->ctx, 99, none, 1, &f), ERR_UNKNOWN);
    assert_int_equal(precinct_open(&q, &import->ctx, import->e1, none, 1, &f), ERR_RULE);
    assert_null(q);
    assert_int_equal(
        file_write(none, "this is not a journal, but long enough to be taken for one", 58, FILE_NEW, &f), OK);
    assert_int_equal(precinct_open(&q, &x->ctx, x->e1, none, 1, &f), ERR_FORMAT);
    assert_string_equal(f.file, none);
    p = open_at(path);
    precinct_free(p);
    fixture_free(other);
    fixture_free(import);
}

/* Where each of the first 100 ballots lies in the journal; it is there once, and the log is empty. */
static void lie(const char *path, size_t at[100])
{
    uint8_t *data;
    size_t len;
    struct fault f;
    char wal[300];
    snprintf(wal, sizeof wal, "%s-wal", path);
    assert_int_equal(access(wal, F_OK) == 0 ? file_read(&data, &len, wal, 1, &f) : OK, OK);
    if (access(wal, F_OK) == 0)
        free(data);
    assert_int_equal(file_read(&data, &len, path, 1 << 24, &f), OK);
    for (size_t i = 0; i < 100; i++) {
        const struct made *b = &box.ballot[i];
        const uint8_t *tail = b->data + b->len - 32; /* response of the id proof: random */
        uint8_t *found = memmem(data, len, tail, 32);
        assert_non_null(found);
        at[i] = (size_t)(found - data);
        assert_null(memmem(found + 1, len - at[i] - 1, tail, 32));
    }
    free(data);
}

#define PAGE 16384

/* (attack) Who voted when: a finished batch lies on the disk the same way in whatever order it was cast. */
static void test_order_is_gone(void **state)
{
    (void)state;
    char path[256];
    static const size_t step[] = {1, 99, 37};
    size_t at[3][100];
    for (size_t k = 0; k < 3; k++) {
        struct precinct *p = open_at(journal(path));
        for (size_t i = 0; i < 100; i++)
            cast(p, i * step[k] % 100, i * step[k] % 100 + 1);
        assert_int_equal(status(p).batches, 1);
        lie(path, at[k]);
        precinct_free(p);
        lie(path, at[k]);
    }
    /* Which pages were free may differ; which ballots share one, and where they are in it, does not. */
    for (size_t k = 1; k < 3; k++)
        for (size_t i = 0; i < 100; i++) {
            assert_int_equal(at[k][i] % PAGE, at[0][i] % PAGE);
            for (size_t j = 0; j < i; j++)
                assert_int_equal(at[k][i] / PAGE == at[k][j] / PAGE, at[0][i] / PAGE == at[0][j] / PAGE);
        }
}

/* --- a journal that was changed does not open --- */

static void change(const char *path, const char *sql)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    char *message = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s: %s", sql, message);
    assert_int_equal(sqlite3_changes(db) > 0, 1);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* The database refuses the second ballot of a batch, after one that was no ballot: none is kept, none is
 * called kept. */
static void test_rolled_back(void **state)
{
    (void)state;
    char path[256];
    struct fault f;
    struct cast_item item[4];
    precinct_free(open_at(journal(path)));
    change(path, "CREATE TRIGGER full BEFORE INSERT ON pending WHEN (SELECT count(*) FROM pending) = 1 "
                 "BEGIN SELECT RAISE(ABORT, 'full'); END; UPDATE node SET key = key WHERE key = 'state'");
    struct precinct *p = open_at(path);
    for (size_t i = 0; i < 4; i++)
        item[i] = (struct cast_item){.data = box.ballot[i].data, .len = i ? box.ballot[i].len : 7};
    assert_int_equal(precinct_cast_batch(p, item, 4, &f), ERR_IO);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(item[i].err, ERR_IO);
        assert_true(hash_is_zero(&item[i].info.id));
    }
    assert_int_equal(status(p).ballots, 0);
    precinct_free(p);
}

static err_t reopen(const char *path)
{
    struct precinct *p;
    struct fault f;
    err_t e = precinct_open(&p, &box.x->ctx, box.x->e1, path, 0, &f);
    precinct_free(p);
    return e;
}

static void test_changed(void **state)
{
    (void)state;
    static const struct {
        const char *sql;
        err_t want;
    } tries[] = {
        {"UPDATE ballot SET bytes = substr(bytes, 1, 700) || x'00' || substr(bytes, 702) WHERE batch = 0",
         ERR_HASH},
        {"DELETE FROM ballot WHERE id = (SELECT min(id) FROM ballot)", ERR_FORMAT},
        {"DELETE FROM checkpoint WHERE batch = 1", ERR_FORMAT},
        {"UPDATE checkpoint SET tallies = (SELECT tallies FROM checkpoint WHERE batch = 0) WHERE batch = 1",
         ERR_SUM},
        {"UPDATE checkpoint SET root = zeroblob(32) WHERE batch = 0", ERR_HASH},
        {"UPDATE pending SET bytes = substr(bytes, 1, length(bytes) - 1) || x'00'", ERR_PROOF},
        {"UPDATE pending SET id = zeroblob(32) WHERE id = (SELECT min(id) FROM pending)", ERR_HASH},
        {"UPDATE node SET value = x'02' WHERE key = 'format'", ERR_VERSION},
        {"UPDATE node SET value = x'6162' WHERE key = 'place'", ERR_ELECTION},
    };
    for (size_t i = 0; i < sizeof tries / sizeof tries[0]; i++) {
        char path[256];
        struct precinct *p = open_at(journal(path));
        cast(p, 0, 203);
        precinct_free(p);
        assert_int_equal(reopen(path), OK);
        change(path, tries[i].sql);
        err_t e = reopen(path);
        if (e != tries[i].want && !(tries[i].want == ERR_PROOF && e == ERR_HASH))
            fail_msg("%s: %s, expected %s", tries[i].sql, err_name(e), err_name(tries[i].want));
    }
}

/* --- receipts --- */

static void test_receipts(void **state)
{
    (void)state;
    struct fixture *x = box.x, *other;
    char path[256];
    struct precinct *p = open_at(journal(path));
    struct receipt r, back;
    struct fault f;
    struct cbor_out o = CBOR_OUT_INIT;
    hash_t none = {{1}}, id;
    const struct made *b = &box.ballot[40];
    assert_int_equal(precinct_receipt(p, &r, &b->info.id, &f), ERR_MISSING);
    cast(p, 0, 90);
    assert_int_equal(precinct_receipt(p, &r, &b->info.id, &f), OK);
    assert_int_equal(r.size, 0);
    assert_int_equal(receipt_check(&x->ctx, &r, NULL, 0, b->data, b->len, &f), ERR_EARLY);
    assert_int_equal(receipt_make(&o, &r), OK);
    assert_int_equal(receipt_parse(&back, o.data, o.len, &f), OK);
    assert_memory_equal(&r, &back, sizeof r);
    cbor_out_free(&o);
    cast(p, 90, 230);
    assert_int_equal(precinct_receipt(p, &r, &b->info.id, &f), OK);
    assert_int_equal(r.size, 100);
    assert_int_equal(receipt_check(&x->ctx, &r, NULL, 0, b->data, b->len, &f), OK);
    assert_int_equal(precinct_receipt(p, &r, &box.ballot[150].info.id, &f), OK);
    assert_int_equal(r.size, 200);
    assert_int_equal(receipt_check(&x->ctx, &r, NULL, 0, b->data, b->len, &f), ERR_MISMATCH);
    /* After closing: towards the export. */
    struct export_header *h;
    char file[256];
    snprintf(file, sizeof file, "%s", fixture_path(x, "receipts.cexp"));
    assert_int_equal(precinct_close(p, &id, file, 500001, signkey_signer(x->east), &f), OK);
    assert_int_equal(export_verify(&h, &x->ctx, file, NULL, &f), OK);
    assert_int_equal(hash_cmp(&h->id, &id), 0);
    for (size_t i = 0; i < 230; i += 23) {
        assert_int_equal(precinct_receipt(p, &r, &box.ballot[i].info.id, &f), OK);
        assert_int_equal(receipt_make(&o, &r), OK);
        assert_int_equal(receipt_parse(&back, o.data, o.len, &f), OK);
        assert_int_equal(
            receipt_check(&x->ctx, &back, &h->root, h->items, box.ballot[i].data, box.ballot[i].len, &f), OK);
        o.len--;
        assert_int_equal(receipt_parse(&back, o.data, o.len, &f), ERR_TRUNCATED);
        cbor_out_free(&o);
    }
    /* Each rule. */
    assert_int_equal(receipt_check(&x->ctx, &r, &none, h->items, NULL, 0, &f), ERR_MISMATCH);
    back = r;
    back.path[0].b[0] ^= 1;
    assert_int_equal(receipt_check(&x->ctx, &back, NULL, 0, NULL, 0, &f), ERR_HASH);
    back = r;
    back.index ^= 1;
    assert_int_equal(receipt_check(&x->ctx, &back, NULL, 0, NULL, 0, &f), ERR_HASH);
    snprintf(r.place, sizeof r.place, "e-7");
    assert_int_equal(receipt_check(&x->ctx, &r, NULL, 0, NULL, 0, &f), ERR_UNKNOWN);
    other = fixture_other(KIND_BALLOTS);
    assert_int_equal(receipt_check(&other->ctx, &r, NULL, 0, NULL, 0, &f), ERR_ELECTION);
    fixture_free(other);
    export_header_free(h);
    precinct_free(p);
}

/* --- closing, corrections --- */

static struct export_header *verified(const char *path)
{
    struct export_header *h;
    struct fault f;
    err_t e = export_verify(&h, &box.x->ctx, path, NULL, &f);
    if (e != OK)
        fail_msg("%s: %s %s", path, err_name(e), f.detail);
    return h;
}

static void test_close(void **state)
{
    (void)state;
    struct fixture *x = box.x;
    char path[256], file[256], copy[256];
    struct precinct *p = open_at(journal(path));
    struct fault f;
    hash_t id, again;
    snprintf(file, sizeof file, "%s", fixture_path(x, "close.cexp"));
    snprintf(copy, sizeof copy, "%s", fixture_path(x, "close-copy.cexp"));
    cast(p, 0, 130);
    assert_int_equal(precinct_close(p, &id, file, 500001, signkey_signer(x->west), &f), ERR_SIGNATURE);
    assert_int_equal(status(p).state, PRECINCT_OPEN);
    assert_int_equal(status(p).pending, 30);
    assert_int_equal(access(file, F_OK), -1);
    assert_int_equal(precinct_correct(p, &f), ERR_EARLY);
    assert_int_equal(precinct_remove(p, &box.ballot[3].info.id, &f), ERR_EARLY);
    cast(p, 130, 131);
    assert_int_equal(precinct_close(p, &id, file, 500001, signkey_signer(x->east), &f), OK);
    assert_int_equal(status(p).state, PRECINCT_CLOSED);
    assert_int_equal(precinct_cast(p, NULL, NULL, box.ballot[140].data, box.ballot[140].len, &f), ERR_DONE);
    struct export_header *h = verified(file);
    assert_int_equal(h->items, 131);
    assert_int_equal(fixture_decrypt(x, h->tallies, "mayor", 0), 66);
    export_header_free(h);
    /* Again, later, from a new start, without the key: the same bytes. */
    precinct_free(p);
    p = open_at(path);
    assert_int_equal(status(p).has_export, 1);
    assert_int_equal(precinct_close(p, &again, file, 600000, NULL, &f), OK);
    assert_int_equal(hash_cmp(&id, &again), 0);
    assert_int_equal(precinct_close(p, &again, copy, 600000, NULL, &f), OK);
    hash_t one, two;
    assert_int_equal(file_hash(&one, file, &f), OK);
    assert_int_equal(file_hash(&two, copy, &f), OK);
    assert_int_equal(hash_cmp(&one, &two), 0);
    assert_int_equal(file_write(copy, "x", 1, FILE_REPLACE, &f), OK);
    assert_int_equal(precinct_close(p, &again, copy, 600000, NULL, &f), ERR_EXISTS);
    precinct_free(p);
}

static void test_correct(void **state)
{
    (void)state;
    struct fixture *x = box.x;
    char path[256], file[4][256];
    struct precinct *p = open_at(journal(path));
    struct fault f;
    hash_t id[4];
    for (size_t i = 0; i < 4; i++) {
        char name[32];
        snprintf(name, sizeof name, "correct-%zu.cexp", i);
        snprintf(file[i], sizeof file[i], "%s", fixture_path(x, name));
    }
    cast(p, 0, 250);
    assert_int_equal(precinct_close(p, &id[0], file[0], 1, signkey_signer(x->east), &f), OK);
    /* Late ballots. */
    assert_int_equal(precinct_correct(p, &f), OK);
    assert_int_equal(status(p).state, PRECINCT_OPEN);
    assert_int_equal(status(p).pending, 50);
    assert_int_equal(votes(p, 0), 125);
    cast(p, 250, 310);
    assert_int_equal(precinct_close(p, &id[1], file[1], 2, signkey_signer(x->east), &f), OK);
    struct export_header *h = verified(file[1]);
    assert_int_equal(h->revision, 1);
    assert_int_equal(hash_cmp(&h->replaces, &id[0]), 0);
    assert_int_equal(h->items, 310);
    export_header_free(h);
    /* Ballots taken out: of the first batch, of the last, of the middle. */
    assert_int_equal(precinct_correct(p, &f), OK);
    hash_t none = {{9}};
    assert_int_equal(precinct_remove(p, &none, &f), ERR_MISSING);
    assert_int_equal(precinct_remove(p, &box.ballot[0].info.id, &f), OK);
    assert_int_equal(precinct_remove(p, &box.ballot[309].info.id, &f), OK);
    assert_int_equal(precinct_remove(p, &box.ballot[150].info.id, &f), OK);
    assert_int_equal(precinct_remove(p, &box.ballot[0].info.id, &f), ERR_MISSING);
    assert_int_equal(status(p).ballots, 307);
    assert_int_equal(votes(p, 0), 153);
    precinct_free(p);
    p = open_at(path);
    assert_int_equal(precinct_close(p, &id[2], file[2], 3, signkey_signer(x->east), &f), OK);
    h = verified(file[2]);
    assert_int_equal(h->revision, 2);
    assert_int_equal(hash_cmp(&h->replaces, &id[1]), 0);
    assert_int_equal(h->items, 307);
    assert_int_equal(fixture_decrypt(x, h->tallies, "mayor", 1), 154);
    export_header_free(h);
    /* Until only full batches are left, and one more. */
    assert_int_equal(precinct_correct(p, &f), OK);
    for (size_t i = 1; i <= 8; i++)
        assert_int_equal(precinct_remove(p, &box.ballot[i].info.id, &f), OK);
    assert_int_equal(status(p).ballots, 299);
    assert_int_equal(status(p).batches, 2);
    assert_int_equal(status(p).pending, 99);
    assert_int_equal(precinct_close(p, &id[3], file[3], 4, signkey_signer(x->east), &f), OK);
    export_header_free(verified(file[3]));
    precinct_free(p);
}

/* --- budget --- */

static long size_of(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? (long)st.st_size : 0;
}

static void test_budget(void **state)
{
    (void)state;
    struct fixture *x = box.x;
    char path[256], wal[300], file[256];
    struct precinct *p;
    struct fault f;
    long disk = 0;
#ifdef COUNT_HEAP
    size_t base = heap_now();
#endif
    heap_sampling = 1;
    p = open_at(journal(path));
    snprintf(wal, sizeof wal, "%s-wal", path);
    struct cast_item *many = calloc(300, sizeof *many);
    assert_non_null(many);
    for (size_t i = 0; i < 300; i++)
        many[i] = (struct cast_item){.data = box.ballot[i].data, .len = box.ballot[i].len};
    for (size_t i = 0; i < 300; i += 150)
        assert_int_equal(precinct_cast_batch(p, many + i, 150, &f), OK);
    free(many);
    for (size_t i = 300; i < 900; i++) {
        struct made b;
        heap_sampling = 0; /* the voter's memory, not the node's */
        make_one(&b, x->e1, "small", "mayor=a");
        heap_sampling = 1;
        assert_int_equal(precinct_cast(p, NULL, NULL, b.data, b.len, &f), OK);
        free(b.data);
        long now = size_of(path) + size_of(wal);
        disk = now > disk ? now : disk;
    }
    snprintf(file, sizeof file, "%s", fixture_path(x, "budget.cexp"));
    assert_int_equal(precinct_close(p, NULL, file, 1, signkey_signer(x->east), &f), OK);
    long total = size_of(path) + size_of(wal) + size_of(file);
    disk = total > disk ? total : disk;
    precinct_free(p);
    p = open_at(path);
    assert_int_equal(status(p).ballots, 900);
    precinct_free(p);
    heap_sampling = 0;
    print_message("900 ballots: disk %ld KB with the export (journal at most %ld KB)\n", disk / 1000,
                  (disk - size_of(file)) / 1000);
    assert_true(disk <= 5000000);
#ifdef COUNT_HEAP
    size_t heap = heap_peak - base;
    print_message("900 ballots: heap at most %zu KB, SQLite's included\n", heap / 1000);
    assert_true(heap <= 500000);
#endif
}

/* --- kill -9 --- */

static void child(const char *path, int fd, unsigned from)
{
    struct precinct *p;
    if (precinct_open(&p, &box.x->ctx, box.x->e1, path, 1, NULL) != OK)
        _exit(2);
    for (unsigned i = from; i < MADE; i++) {
        if (precinct_cast(p, NULL, NULL, box.ballot[i].data, box.ballot[i].len, NULL) != OK)
            _exit(3);
        if (write(fd, &i, sizeof i) != sizeof i)
            _exit(4);
    }
    _exit(0);
}

static void test_kill(void **state)
{
    (void)state;
    char path[256];
    journal(path);
    unsigned next = 0, rounds = 0;
    while (next < MADE && rounds++ < 40) {
        int fd[2], how;
        assert_int_equal(pipe(fd), 0);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0)
            child(path, fd[1], next);
        close(fd[1]);
        unsigned wait_us, got, acked = next;
        random_bytes(&wait_us, sizeof wait_us);
        if (read(fd[0], &got, sizeof got) == sizeof got) /* it is running */
            acked = got + 1;
        usleep(wait_us % 60000);
        kill(pid, SIGKILL);
        while (read(fd[0], &got, sizeof got) == sizeof got)
            acked = got + 1;
        close(fd[0]);
        assert_int_equal(waitpid(pid, &how, 0), pid);
        assert_true(WIFSIGNALED(how) || WEXITSTATUS(how) == 0);
        struct precinct *p = open_at(path);
        struct receipt r;
        struct fault f;
        /* All that was acknowledged, and at most one that was not. */
        assert_true(status(p).ballots == acked || status(p).ballots == acked + 1);
        for (unsigned i = 0; i < acked; i++)
            assert_int_equal(precinct_receipt(p, &r, &box.ballot[i].info.id, &f), OK);
        unsigned count = (unsigned)status(p).ballots;
        assert_int_equal(votes(p, 0), (count + 1) / 2);
        assert_int_equal(votes(p, 1), count / 2);
        precinct_free(p);
        next = acked; /* the one in doubt is cast again: acknowledged again */
    }
    print_message("killed %u times, %u ballots acknowledged\n", rounds, next);
    assert_true(rounds > 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cast),          cmocka_unit_test(test_refused),
        cmocka_unit_test(test_used_id),       cmocka_unit_test(test_cast_batch),
        cmocka_unit_test(test_rolled_back),   cmocka_unit_test(test_bound),
        cmocka_unit_test(test_changed),       cmocka_unit_test(test_receipts),
        cmocka_unit_test(test_close),         cmocka_unit_test(test_correct),
        cmocka_unit_test(test_order_is_gone), cmocka_unit_test(test_budget),
        cmocka_unit_test(test_kill),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
