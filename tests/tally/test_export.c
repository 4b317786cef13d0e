/* Exports and signing keys: a good one, and for every rule one that breaks it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "ceremony/base/file.h"
#include "ceremony/base/secret.h"
#include "tally/ballot_batch.h"
#include "tally/export_form.h"
#include "tests/support/ballots.h"

#define BALLOTS 205

struct bytes {
    uint8_t *data;
    size_t len;
    hash_t id;
};

struct box {
    struct fixture *x;
    struct bytes ballot[BALLOTS]; /* sorted within each 100 */
};

static int by_id(const void *a, const void *b)
{
    return hash_cmp(&((const struct bytes *)a)->id, &((const struct bytes *)b)->id);
}

static struct box box;

static int setup(void **state)
{
    struct fixture *x = box.x = fixture_new(KIND_BALLOTS);
    for (size_t i = 0; i < BALLOTS; i++) {
        struct cbor_out o = CBOR_OUT_INIT;
        struct ballot_info info;
        fixture_ballot(x, &o, &info, x->e1, i % 3 ? "small" : "rural", i % 2 ? "mayor=a" : "mayor=c");
        box.ballot[i] = (struct bytes){o.data, o.len, info.id};
    }
    for (size_t i = 0; i < BALLOTS; i += 100)
        qsort(box.ballot + i, BALLOTS - i < 100 ? BALLOTS - i : 100, sizeof box.ballot[0], by_id);
    *state = &box;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    for (size_t i = 0; i < BALLOTS; i++)
        free(box.ballot[i].data);
    fixture_free(box.x);
    return 0;
}

static struct tallies *sums_of(const struct bytes *b, size_t count)
{
    struct tallies *t;
    assert_int_equal(tallies_new(&t, &box.x->ctx, box.x->e1), OK);
    for (size_t i = 0; i < count; i++) {
        struct ballot *p;
        if (ballot_parse_var(&p, &box.x->ctx, b[i].data, b[i].len, NULL) != OK)
            continue;
        assert_int_equal(tallies_add_ballot_var(t, p), OK);
        ballot_free(p);
    }
    return t;
}

/* Writes an export of these items, with the sums of t (or of the items). */
static const char *export_of(const char *name, const struct bytes *b, size_t count, const struct tallies *t)
{
    struct fixture *x = box.x;
    struct export_writer *w;
    struct fault f;
    struct tallies *mine = sums_of(b, t ? 0 : count);
    const char *path = fixture_path(x, name);
    hash_t id;
    assert_int_equal(export_writer_open(&w, &x->ctx, x->e1, path, &f), OK);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(export_writer_item(w, b[i].data, b[i].len, &f), OK);
    assert_int_equal(export_writer_finish(w, &id, t ? t : mine, 0, NULL, 500000, signkey_signer(x->east), &f),
                     OK);
    tallies_free(mine);
    return path;
}

static err_t verify(const char *path, struct fault *f)
{
    struct export_header *h;
    fault_clear(f);
    err_t e = export_verify(&h, &box.x->ctx, path, NULL, f);
    assert_int_equal(h != NULL, e == OK);
    export_header_free(h);
    return e;
}

struct seen {
    uint64_t count, progress;
    uint64_t stop;
};

static err_t on_ballot(void *ctx, const hash_t *id, const hash_t *leaf, uint32_t style, uint64_t index,
                       struct fault *f)
{
    struct seen *s = ctx;
    (void)leaf;
    (void)style;
    (void)f;
    assert_int_equal(index, s->count);
    assert_int_equal(hash_cmp(id, &box.ballot[index].id), 0);
    s->count++;
    return OK;
}

static err_t on_progress(void *ctx, uint64_t done, uint64_t total)
{
    struct seen *s = ctx;
    s->progress = done;
    assert_int_equal(total, BALLOTS);
    return s->stop ? ERR_STOPPED : OK;
}

static void test_good(void **state)
{
    (void)state;
    struct fixture *x = box.x;
    struct seen seen = {0};
    struct export_callbacks cb = {&seen, on_ballot, on_progress};
    struct export_header *h, *quick;
    struct fault f;
    const char *path = export_of("good.cexp", box.ballot, BALLOTS, NULL);
    err_t e = export_verify(&h, &x->ctx, path, &cb, &f);
    if (e != OK)
        fail_msg("%s %s", err_name(e), f.detail);
    assert_int_equal(seen.count, BALLOTS);
    assert_int_equal(seen.progress, BALLOTS);
    assert_int_equal(h->items, BALLOTS);
    assert_int_equal(h->place, x->e1);
    assert_int_equal(h->revision, 0);
    assert_int_equal(h->has_replaces, 0);
    assert_int_equal(h->time, 500000);
    assert_int_equal(tallies_find(h->tallies, 0)->ballots, BALLOTS);
    assert_int_equal(fixture_decrypt(x, h->tallies, "mayor", 0), BALLOTS / 2);
    assert_int_equal(fixture_decrypt(x, h->tallies, "mayor", 2), BALLOTS - BALLOTS / 2);
    assert_int_equal(export_header_read(&quick, &x->ctx, path, &f), OK);
    assert_int_equal(hash_cmp(&quick->id, &h->id), 0);
    assert_int_equal(tallies_equal_var(quick->tallies, h->tallies, NULL), 1);
    export_header_free(quick);
    export_header_free(h);
    seen = (struct seen){.stop = 1};
    assert_int_equal(export_verify(&h, &x->ctx, path, &cb, &f), ERR_STOPPED);
    /* Written twice: refused, the first stays. */
    struct export_writer *w;
    struct tallies *zero = sums_of(NULL, 0);
    assert_int_equal(export_writer_open(&w, &x->ctx, x->e1, path, &f), OK);
    assert_int_equal(export_writer_finish(w, NULL, zero, 0, NULL, 1, signkey_signer(x->east), &f),
                     ERR_EXISTS);
    assert_int_equal(verify(path, &f), OK);
    tallies_free(zero);
    /* Nobody voted: all contests are there, as zeros. */
    path = export_of("empty.cexp", NULL, 0, NULL);
    assert_int_equal(export_verify(&h, &x->ctx, path, NULL, &f), OK);
    assert_int_equal(h->tallies->count, 3);
    assert_int_equal(fixture_decrypt(x, h->tallies, "council", 4), 0);
    export_header_free(h);
}

static void test_items(void **state)
{
    (void)state;
    struct fault f;
    struct bytes b[120];
    memcpy(b, box.ballot, sizeof b);
    /* Out of order. */
    b[5] = box.ballot[6];
    b[6] = box.ballot[5];
    assert_int_equal(verify(export_of("order.cexp", b, 120, NULL), &f), ERR_RULE);
    assert_non_null(strstr(f.detail, "ballot 6"));
    assert_non_null(strstr(f.file, "order.cexp"));
    assert_true(f.at > 0);
    /* The same ballot in two batches. */
    memcpy(b, box.ballot, sizeof b);
    b[99] = box.ballot[99];
    struct bytes dup[101];
    memcpy(dup, b, 100 * sizeof b[0]);
    dup[100] = b[42];
    assert_int_equal(verify(export_of("twice.cexp", dup, 101, NULL), &f), ERR_DUPLICATE);
    assert_non_null(strstr(f.detail, "ballot 100"));
    /* What is no ballot. */
    struct bytes none = {(uint8_t *)"\x80", 1, {{0}}};
    b[50] = none;
    assert_int_equal(verify(export_of("none.cexp", b, 120, NULL), &f), ERR_FORMAT);
    assert_non_null(strstr(f.detail, "ballot 50"));
}

static void test_proofs(void **state)
{
    (void)state;
    struct fixture *x = box.x;
    struct fault f;
    struct bytes b[30];
    struct cbor_out bad[2] = {CBOR_OUT_INIT, CBOR_OUT_INIT};
    static const int votes[] = {500, -500, 0, 0};
    memcpy(b, box.ballot, sizeof b);
    for (size_t i = 0; i < 2; i++) {
        fixture_forge(x, &bad[i], x->e1, "small", votes);
        b[10 + 9 * i] = (struct bytes){bad[i].data, bad[i].len, {{0}}};
    }
    assert_int_equal(verify(export_of("proof.cexp", b, 30, NULL), &f), ERR_PROOF);
    assert_non_null(strstr(f.detail, "ballot 10"));
    assert_non_null(strstr(f.detail, "also 19"));
    cbor_out_free(&bad[0]);
    cbor_out_free(&bad[1]);
    /* A ballot of another place. */
    fixture_ballot(x, &bad[0], NULL, x->e2, "rural", "mayor=a");
    memcpy(b, box.ballot, sizeof b);
    b[3] = (struct bytes){bad[0].data, bad[0].len, {{0}}};
    assert_int_equal(verify(export_of("place.cexp", b, 3, NULL), &f), OK);
    struct tallies *t = sums_of(b, 3);
    assert_int_equal(verify(export_of("place2.cexp", b, 5, t), &f), ERR_UNKNOWN);
    tallies_free(t);
    cbor_out_free(&bad[0]);
}

#define TOGETHER 8

struct together {
    char path[TOGETHER][256];
    struct export_task task[TOGETHER];
    struct fault fault[TOGETHER];
    hash_t file[TOGETHER];
    size_t done;
};

static err_t on_done(struct export_task *t)
{
    (void)t;
    return OK;
}

static err_t on_done_stop(struct export_task *t)
{
    export_header_free(t->header);
    t->header = NULL;
    return ERR_STOPPED;
}

/* All in one batch of so many points: every verdict as if alone, whichever ballots share an equation. */
static void verify_together(struct together *all, size_t points, size_t threads)
{
    struct ballot_layout *layout;
    struct export_verifier *v;
    assert_int_equal(ballot_layout_new(&layout, &box.x->ctx), OK);
    assert_int_equal(export_verifier_new(&v, &box.x->ctx, layout, points, threads), OK);
    for (size_t i = 0; i < TOGETHER; i++) {
        fault_clear(&all->fault[i]);
        all->task[i] = (struct export_task){
            .path = all->path[i], .fault = &all->fault[i], .file = &all->file[i], .done = on_done};
        assert_int_equal(export_verifier_add(v, &all->task[i]), OK);
    }
    assert_int_equal(export_verifier_end(v), OK);
    for (size_t i = 0; i < TOGETHER; i++) {
        struct fault f;
        err_t e = verify(all->path[i], &f);
        if (i == TOGETHER - 1)
            e = ERR_IO; /* not the file that the task is about */
        assert_int_equal(all->task[i].err, e);
        assert_int_equal(all->task[i].header != NULL, e == OK);
        if (e != OK && e != ERR_IO) {
            assert_string_equal(all->fault[i].detail, f.detail);
            assert_true(all->fault[i].at == f.at);
        }
        export_header_free(all->task[i].header);
    }
    export_verifier_free(v);
    ballot_layout_free(layout);
}

static void test_together(void **state)
{
    (void)state;
    struct fixture *x = box.x;
    struct together *all = calloc(1, sizeof *all);
    struct cbor_out bad[2] = {CBOR_OUT_INIT, CBOR_OUT_INIT};
    struct bytes b[BALLOTS];
    struct fault f;
    struct stat st;
    static const int votes[] = {500, -500, 0, 0};
    static const size_t count[TOGETHER] = {3, 120, 0, 40, 60, 205, 20, 30};
    assert_non_null(all);
    for (size_t i = 0; i < 2; i++)
        fixture_forge(x, &bad[i], x->e1, "small", votes);
    for (size_t i = 0; i < TOGETHER; i++) {
        char name[32];
        memcpy(b, box.ballot, sizeof b);
        if (i == 3 || i == 4) /* forged ones, that are bad by opposite amounts in the sums */
            b[2 * i] = (struct bytes){bad[i - 3].data, bad[i - 3].len, {{0}}};
        if (i == 4)
            b[50].len--; /* and one that cannot be read */
        if (i == 5)
            b[204] = b[7];
        snprintf(name, sizeof name, "together-%zu.cexp", i);
        snprintf(all->path[i], sizeof all->path[i], "%s", export_of(name, b, count[i], NULL));
    }
    assert_int_equal(stat(all->path[6], &st), 0);
    assert_int_equal(truncate(all->path[6], st.st_size - 100), 0);
    for (size_t i = 0; i < TOGETHER; i++)
        assert_int_equal(file_hash(&all->file[i], all->path[i], &f), OK);
    all->file[TOGETHER - 1].b[0] ^= 1;
    verify_together(all, BALLOT_BATCH_POINTS, 1);
    verify_together(all, 1000, 1);
    verify_together(all, BALLOT_BATCH_POINTS, 3);
    assert_int_equal(all->task[0].err, OK);
    assert_int_equal(all->task[1].err, OK);
    assert_int_equal(all->task[2].err, OK);
    assert_int_equal(all->task[3].err, ERR_PROOF);
    assert_non_null(strstr(all->fault[3].detail, "ballot 6"));
    assert_int_equal(all->task[4].err, ERR_PROOF);
    assert_non_null(strstr(all->fault[4].detail, "also 50"));
    assert_int_equal(all->task[5].err, ERR_DUPLICATE);
    assert_int_equal(all->task[6].err, ERR_TRUNCATED);
    assert_int_equal(all->task[7].err, ERR_IO);
    cbor_out_free(&bad[0]);
    cbor_out_free(&bad[1]);
    free(all);
}

/* Ended in the middle: nothing is left behind. */
static void test_together_stopped(void **state)
{
    (void)state;
    struct ballot_layout *layout;
    struct export_verifier *v;
    char path[256];
    snprintf(path, sizeof path, "%s", export_of("stopped.cexp", box.ballot, 30, NULL));
    struct export_task t[3] = {{.path = path, .done = on_done_stop},
                               {.path = path, .done = on_done},
                               {.path = path, .done = on_done}};
    assert_int_equal(ballot_layout_new(&layout, &box.x->ctx), OK);
    assert_int_equal(export_verifier_new(&v, &box.x->ctx, layout, BALLOT_BATCH_POINTS, 1), OK);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(export_verifier_add(v, &t[i]), OK);
    assert_int_equal(export_verifier_end(v), ERR_STOPPED);
    assert_null(t[1].header);
    export_verifier_free(v);
    ballot_layout_free(layout);
}

/* (attack) The official signs sums that are not those of the ballots. */
static void test_sums(void **state)
{
    (void)state;
    struct fault f;
    struct tallies *t = sums_of(box.ballot, 60);
    tallies_find(t, 2)->ballots++;
    assert_int_equal(verify(export_of("sum1.cexp", box.ballot, 60, t), &f), ERR_SUM);
    assert_non_null(strstr(f.detail, "school"));
    tallies_find(t, 2)->ballots--;
    struct p256_jacobian *B = tallies_find(t, 0)->B;
    struct p256_affine g;
    p256_generator(&g);
    p256_add_affine_var(&B[1], &B[1], &g); /* one vote more for b */
    assert_int_equal(verify(export_of("sum2.cexp", box.ballot, 60, t), &f), ERR_SUM);
    assert_non_null(strstr(f.detail, "mayor"));
    tallies_free(t);
    /* All votes, no ballots. */
    t = sums_of(box.ballot, 60);
    assert_int_equal(verify(export_of("sum3.cexp", NULL, 0, t), &f), ERR_SUM);
    tallies_free(t);
}

static void test_header(void **state)
{
    (void)state;
    struct fixture *x = box.x;
    struct fault f;
    struct export_writer *w;
    struct export_header *h;
    struct tallies *t = sums_of(NULL, 0);
    hash_t some = {{1}};
    char path[256];
    snprintf(path, sizeof path, "%s", fixture_path(x, "key.cexp"));
    /* Not the place's key, when writing. */
    assert_int_equal(export_writer_open(&w, &x->ctx, x->e1, path, &f), OK);
    assert_int_equal(export_writer_finish(w, NULL, t, 0, NULL, 1, signkey_signer(x->west), &f),
                     ERR_SIGNATURE);
    assert_int_equal(export_header_read(&h, &x->ctx, path, &f), ERR_MISSING);
    assert_int_equal(export_writer_open(&w, &x->ctx, x->e1, path, &f), OK);
    assert_int_equal(export_writer_finish(w, NULL, t, 1, NULL, 1, signkey_signer(x->east), &f), ERR_BUG);
    assert_int_equal(export_writer_open(&w, &x->ctx, x->e1, path, &f), OK);
    assert_int_equal(export_writer_finish(w, NULL, t, 2, &some, 1, signkey_signer(x->east), &f), OK);
    assert_int_equal(export_header_read(&h, &x->ctx, path, &f), OK);
    assert_int_equal(h->revision, 2);
    assert_int_equal(hash_cmp(&h->replaces, &some), 0);
    export_header_free(h);
    tallies_free(t);
    /* (attack) Signed by another official of the same election. */
    struct cbor_out forged = CBOR_OUT_INIT;
    struct cose m;
    uint8_t *data;
    size_t len;
    assert_int_equal(file_read(&data, &len, path, 1 << 20, &f), OK);
    assert_int_equal(cose_parse(&m, data, len, &f), OK);
    assert_int_equal(cose_sign(&forged, signkey_signer(x->west), m.payload, m.payload_len, &f), OK);
    assert_int_equal(file_write(fixture_path(x, "forged.cexp"), forged.data, forged.len, FILE_NEW, &f), OK);
    assert_int_equal(export_header_read(&h, &x->ctx, fixture_path(x, "forged.cexp"), &f), ERR_SIGNATURE);
    cbor_out_free(&forged);
    free(data);
    /* Another election; another kind. */
    struct fixture *other = fixture_other(KIND_BALLOTS);
    assert_int_equal(export_header_read(&h, &other->ctx, path, &f), ERR_ELECTION);
    assert_null(h);
    fixture_free(other);
    x->m->kind = KIND_IMPORT;
    x->m->import_bits = 1;
    assert_int_equal(export_header_read(&h, &x->ctx, path, &f), ERR_RULE);
    x->m->kind = KIND_BALLOTS;
    x->m->import_bits = 0;
    assert_int_equal(export_header_read(&h, &x->ctx, x->dir, &f), ERR_FORMAT);
}

static void rewrite(const char *path, const uint8_t *data, size_t len)
{
    FILE *out = fopen(path, "wb");
    assert_non_null(out);
    assert_int_equal(len ? fwrite(data, 1, len, out) : 0, len);
    fclose(out);
}

/* Every byte of the header, many of the items: any change is found; any cut too. */
static void test_bytes(void **state)
{
    (void)state;
    struct fixture *x = box.x;
    struct fault f;
    uint8_t *data;
    size_t len;
    struct export_header *h;
    const char *path = export_of("bytes.cexp", box.ballot, 3, NULL);
    assert_int_equal(export_header_read(&h, &x->ctx, path, &f), OK);
    size_t body = h->body;
    export_header_free(h);
    assert_int_equal(file_read(&data, &len, path, 1 << 24, &f), OK);
    for (size_t i = 0; i < len; i += i < body ? 1 : 11) {
        data[i] ^= 4;
        rewrite(path, data, len);
        err_t e = verify(path, &f);
        if (e == OK)
            fail_msg("a change of byte %zu passed", i);
        data[i] ^= 4;
    }
    for (size_t cut = 0; cut < len; cut += cut < body ? 13 : 101) {
        rewrite(path, data, cut);
        assert_int_not_equal(verify(path, &f), OK);
    }
    /* An item too few: at a border the file looks complete. */
    rewrite(path, data, len - box.ballot[2].len - 3);
    assert_int_equal(verify(path, &f), ERR_MISSING);
    rewrite(path, data, body);
    assert_int_equal(verify(path, &f), ERR_MISSING);
    /* One byte behind, and one item behind. */
    uint8_t *more = malloc(len + 1);
    assert_non_null(more);
    memcpy(more, data, len);
    more[len] = 0x40;
    rewrite(path, more, len + 1);
    assert_int_equal(verify(path, &f), ERR_TRAILING);
    assert_int_equal(f.at, len);
    free(more);
    /* The promise of an item of 4 GiB. */
    memcpy(data + body, "\x5a\xff\xff\xff\xff", 5);
    rewrite(path, data, len);
    assert_int_equal(verify(path, &f), ERR_LIMIT);
    memcpy(data + body, "\x59\x00\x10", 3);
    rewrite(path, data, len);
    assert_int_equal(verify(path, &f), ERR_CANONICAL);
    rewrite(path, (const uint8_t *)"hello", 5);
    assert_int_equal(verify(path, &f), ERR_FORMAT);
    rewrite(path, NULL, 0);
    assert_int_equal(verify(path, &f), ERR_TRUNCATED);
    free(data);
}

static void test_find(void **state)
{
    (void)state;
    struct fixture *x = box.x;
    struct fault f;
    hash_t ids[2] = {box.ballot[150].id, box.ballot[20].id}, none = {{7}};
    if (hash_cmp(&ids[0], &ids[1]) > 0) {
        hash_t swap = ids[0];
        ids[0] = ids[1];
        ids[1] = swap;
    }
    const char *path = export_of("find.cexp", box.ballot, BALLOTS, NULL);
    struct bytes two[2] = {box.ballot[150], box.ballot[20]};
    struct tallies *want = sums_of(two, 2), *got = sums_of(NULL, 0);
    struct export_header *verified;
    assert_int_equal(export_verify(&verified, &x->ctx, path, NULL, &f), OK);
    assert_int_equal(export_find_ballots(got, &x->ctx, path, &verified->id, ids, 2, &f), OK);
    assert_int_equal(tallies_equal_var(want, got, NULL), 1);
    assert_int_equal(tallies_find(got, 0)->ballots, 2);
    assert_int_equal(export_find_ballots(got, &x->ctx, path, &verified->id, &none, 1, &f), ERR_MISSING);
    assert_int_equal(tallies_find(got, 0)->ballots, 0);
    /* A courier makes it a terabyte long; nobody reads that to refuse it. */
    struct export_header *none_read;
    assert_int_equal(truncate(path, (off_t)1 << 40), 0);
    assert_int_equal(export_header_read(&none_read, &x->ctx, path, &f), ERR_TRAILING);
    assert_null(none_read);
    assert_int_equal(export_find_ballots(got, &x->ctx, path, &verified->id, ids, 2, &f), ERR_TRAILING);
    path = export_of("find-again.cexp", box.ballot, BALLOTS, NULL);
    /* Another file under this name, since it was verified. */
    verified->id.b[0] ^= 1;
    assert_int_equal(export_find_ballots(got, &x->ctx, path, &verified->id, ids, 2, &f), ERR_HASH);
    assert_int_equal(tallies_find(got, 0)->ballots, 0);
    export_header_free(verified);
    /* The whole without the two is the sum of the others. */
    struct export_header *h;
    assert_int_equal(export_verify(&h, &x->ctx, path, NULL, &f), OK);
    assert_int_equal(tallies_sub_var(h->tallies, want), OK);
    assert_int_equal(tallies_find(h->tallies, 0)->ballots, BALLOTS - 2);
    assert_int_equal(fixture_decrypt(x, h->tallies, "mayor", 0) + fixture_decrypt(x, h->tallies, "mayor", 2),
                     BALLOTS - 2);
    export_header_free(h);
    tallies_free(want);
    tallies_free(got);
}

static void test_import(void **state)
{
    (void)state;
    struct fixture *x = fixture_new(KIND_IMPORT);
    struct fault f;
    struct cbor_out item[2] = {CBOR_OUT_INIT, CBOR_OUT_INIT};
    static const uint64_t mayor[] = {10, 20, 30, 40}, school[] = {65535, 0};
    assert_int_equal(count_make(x->maker, &item[0], x->e2, 0, mayor, 4, &f), OK);
    assert_int_equal(count_make(x->maker, &item[1], x->e2, 2, school, 2, &f), OK);
    struct tallies *t;
    struct count *c;
    assert_int_equal(tallies_new(&t, &x->ctx, x->e2), OK);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(count_parse_var(&c, &x->ctx, item[i].data, item[i].len, &f), OK);
        assert_int_equal(tallies_add_count_var(t, c), OK);
        count_free(c);
    }
    /* More votes than the bits of both options can say: 131071 where 131070 are possible. */
    static const uint8_t is[] = {'s', 'c', 'h', 'o', 'o', 'l', 0x19, 0xff, 0xff};
    uint8_t *at = memmem(item[1].data, item[1].len, is, sizeof is);
    assert_non_null(at);
    for (uint8_t last = 0xfe; last >= 0xfe; last++) {
        struct cbor_out changed = CBOR_OUT_INIT;
        const uint8_t claim[] = {0x1a, 0, 1, 0xff, last};
        cbor_put_raw(&changed, item[1].data, (size_t)(at - item[1].data) + 6);
        cbor_put_raw(&changed, claim, sizeof claim);
        cbor_put_raw(&changed, at + sizeof is, item[1].len - (size_t)(at - item[1].data) - sizeof is);
        assert_int_equal(count_parse_var(&c, &x->ctx, changed.data, changed.len, &f),
                         last == 0xfe ? OK : ERR_LIMIT);
        count_free(c);
        cbor_out_free(&changed);
    }
    static const struct {
        size_t count, first, second;
        err_t want;
    } tries[] = {{2, 0, 1, OK}, {2, 1, 0, ERR_MISMATCH}, {1, 0, 0, ERR_MISMATCH}, {2, 0, 0, ERR_MISMATCH}};
    for (size_t i = 0; i < sizeof tries / sizeof tries[0]; i++) {
        struct export_writer *w;
        struct export_header *h;
        char name[16];
        snprintf(name, sizeof name, "%zu.cexp", i);
        const char *path = fixture_path(x, name);
        assert_int_equal(export_writer_open(&w, &x->ctx, x->e2, path, &f), OK);
        for (size_t k = 0; k < tries[i].count; k++) {
            const struct cbor_out *o = &item[k ? tries[i].second : tries[i].first];
            assert_int_equal(export_writer_item(w, o->data, o->len, &f), OK);
        }
        assert_int_equal(export_writer_finish(w, NULL, t, 0, NULL, 9, signkey_signer(x->east), &f), OK);
        assert_int_equal(export_verify(&h, &x->ctx, path, NULL, &f), tries[i].want);
        if (h) {
            assert_int_equal(fixture_decrypt(x, h->tallies, "mayor", 3), 40);
            assert_int_equal(fixture_decrypt(x, h->tallies, "school", 0), 65535);
            assert_int_equal(tallies_find(h->tallies, 0)->ballots, 100);
        }
        export_header_free(h);
    }
    tallies_free(t);
    cbor_out_free(&item[0]);
    cbor_out_free(&item[1]);
    fixture_free(x);
}

static void test_id_set(void **state)
{
    (void)state;
    static const uint64_t expected[] = {10, 1000000}; /* in memory, in a file */
    for (size_t k = 0; k < 2; k++) {
        struct id_set *s;
        assert_int_equal(id_set_new(&s, expected[k]), OK);
        for (unsigned i = 0; i < 10; i++) {
            hash_t h;
            hash_one(&h, &i, sizeof i);
            assert_int_equal(id_set_add(s, &h), OK);
            assert_int_equal(id_set_add(s, &h), ERR_DUPLICATE);
        }
        id_set_free(s);
    }
}

static void test_signkey(void **state)
{
    (void)state;
    struct fixture *x = box.x;
    struct signkey *k;
    struct fault f;
    pubkey_t key, shown;
    uint8_t *data;
    size_t len;
    const char *path = fixture_path(x, "new.key");
    char many[1100] = {0};
    assert_int_equal(signkey_new(&key, path, SIGNKEY_STANDARD, "", 0, &f), ERR_LIMIT);
    assert_int_equal(signkey_new(&key, path, SIGNKEY_REHEARSAL, many, sizeof many, &f), ERR_LIMIT);
    assert_int_equal(signkey_open(&k, path, "good", 4, &f), ERR_MISSING);
    assert_int_equal(signkey_new(&key, path, SIGNKEY_REHEARSAL, "good", 4, &f), OK);
    assert_int_equal(signkey_new(&shown, path, SIGNKEY_REHEARSAL, "good", 4, &f), ERR_EXISTS);
    assert_int_equal(signkey_public(&shown, path, &f), OK);
    assert_memory_equal(&shown, &key, sizeof key);
    assert_int_equal(signkey_open(&k, path, "bad", 3, &f), ERR_DECRYPT);
    assert_null(k);
    assert_non_null(strstr(f.detail, "passphrase is wrong"));
    assert_int_equal(signkey_open(&k, path, "good", 4, &f), OK);
    struct cbor_out o = CBOR_OUT_INIT;
    struct cose m;
    assert_int_equal(cose_sign(&o, signkey_signer(k), "hello", 5, &f), OK);
    assert_int_equal(cose_parse(&m, o.data, o.len, &f), OK);
    assert_int_equal(cose_verify(&m, &key, &f), OK);
    cbor_out_free(&o);
    signkey_close(k);
    /* Any byte changed: not opened. */
    assert_int_equal(file_read(&data, &len, path, 1000, &f), OK);
    const char *other = fixture_path(x, "changed.key");
    for (size_t i = 0; i < len; i++) {
        if (i == 19)
            continue; /* the level: see below */
        data[i] ^= 1;
        rewrite(other, data, len);
        assert_int_not_equal(signkey_open(&k, other, "good", 4, &f), OK);
        data[i] ^= 1;
    }
    data[19] = 3;
    rewrite(other, data, len);
    assert_int_equal(signkey_open(&k, other, "good", 4, &f), ERR_LIMIT);
    rewrite(other, data, len - 1);
    assert_int_not_equal(signkey_public(&shown, other, &f), OK);
    free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_items),
        cmocka_unit_test(test_proofs),
        cmocka_unit_test(test_together),
        cmocka_unit_test(test_together_stopped),
        cmocka_unit_test(test_sums),
        cmocka_unit_test(test_header),
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_import),
        cmocka_unit_test(test_id_set),
        cmocka_unit_test(test_signkey),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
