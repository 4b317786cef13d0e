/* Entries and boards: what is refused, what is one entry, merging as set union. */
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
#include "tests/support/ceremony.h"

static struct fault f;

struct fixture {
    struct softkeys *token;
    struct signer signer;
    hash_t election;
    char dir[2][64];
    struct board *board[2];
};

static int setup(void **state)
{
    struct fixture *x = calloc(1, sizeof *x);
    assert_non_null(x);
    x->token = softkeys_new("Model", "1");
    softkeys_add(x->token);
    softkeys_add(x->token);
    x->signer = softkeys_signer(x->token, 0);
    memset(x->election.b, 7, HASH_LEN);
    for (int i = 0; i < 2; i++) {
        temp_dir(x->dir[i], sizeof x->dir[i]);
        assert_int_equal(board_open(&x->board[i], x->dir[i], &x->election, &f), OK);
    }
    *state = x;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *x = *state;
    for (int i = 0; i < 2; i++) {
        board_free(x->board[i]);
        remove_tree(x->dir[i]);
    }
    softkeys_free(x->token);
    free(x);
    return 0;
}

static struct entry *make_entry(const struct fixture *x, const struct signer *s, enum entry_kind kind,
                                const char *text, const char *evidence)
{
    struct entry *e;
    struct cbor_out st = CBOR_OUT_INIT, ev = CBOR_OUT_INIT;
    hash_t subject = {{9}};
    cbor_put_text(&st, text);
    if (evidence != NULL)
        cbor_put_text(&ev, evidence);
    assert_int_equal(
        entry_make(&e, kind, &x->election, NULL, &subject, &st, evidence != NULL ? &ev : NULL, s, &f), OK);
    cbor_out_free(&st);
    cbor_out_free(&ev);
    return e;
}

static struct entry *add(const struct fixture *x, int board, const struct signer *s, enum entry_kind kind,
                         const char *text, const char *evidence)
{
    int taken;
    struct entry *e = make_entry(x, s, kind, text, evidence);
    assert_int_equal(board_add(x->board[board], e, &taken, &f), OK);
    assert_true(taken);
    return e;
}

static err_t parse_copy(struct entry **out, const uint8_t *data, size_t len, const hash_t *election)
{
    uint8_t *copy = malloc(len + 1);
    assert_non_null(copy);
    memcpy(copy, data, len);
    fault_clear(&f);
    return entry_parse(out, copy, len, election, &f);
}

static void test_every_byte(void **state)
{
    struct fixture *x = *state;
    struct entry *e = make_entry(x, &x->signer, ENTRY_DEAL, "statement", "proof"), *out;
    uint8_t *data = malloc(e->bytes_len + 1);
    assert_non_null(data);
    memcpy(data, e->bytes, e->bytes_len);
    data[e->bytes_len] = 0;
    for (size_t i = 0; i < e->bytes_len; i++)
        for (unsigned bit = 0; bit < 8; bit++) {
            data[i] ^= (uint8_t)(1 << bit);
            assert_int_not_equal(parse_copy(&out, data, e->bytes_len, &x->election), OK);
            assert_null(out);
            data[i] ^= (uint8_t)(1 << bit);
        }
    for (size_t len = 0; len < e->bytes_len; len++)
        assert_int_not_equal(parse_copy(&out, data, len, &x->election), OK);
    assert_int_equal(parse_copy(&out, data, e->bytes_len + 1, &x->election), ERR_TRAILING);
    free(data);
    entry_free(e);
}

static void test_other_election(void **state)
{
    struct fixture *x = *state;
    struct entry *e = make_entry(x, &x->signer, ENTRY_DEAL, "a", NULL), *out;
    hash_t other = {{8}};
    assert_int_equal(parse_copy(&out, e->bytes, e->bytes_len, &other), ERR_ELECTION);
    entry_free(e);
}

static void test_evidence_where_none_belongs(void **state)
{
    struct fixture *x = *state;
    struct cbor_out st = CBOR_OUT_INIT, ev = CBOR_OUT_INIT;
    struct entry *e;
    static const enum entry_kind bare[] = {ENTRY_ENROLL, ENTRY_ROSTER, ENTRY_COMPLAINT, ENTRY_REVEAL,
                                           ENTRY_CUT,    ENTRY_PLAN,   ENTRY_RETIRE,    ENTRY_EXCEPTION};
    cbor_put_uint(&st, 1);
    cbor_put_uint(&ev, 1);
    for (size_t i = 0; i < sizeof bare / sizeof bare[0]; i++)
        assert_int_equal(entry_make(&e, bare[i], &x->election, NULL, NULL, &st, &ev, &x->signer, &f),
                         ERR_LIMIT);
    cbor_out_free(&st);
    cbor_out_free(&ev);
}

/* (attack) A malleated or repeated signature is no second message and frames nobody. */
static void test_malleated_signature(void **state)
{
    struct fixture *x = *state;
    struct entry *e = add(x, 0, &x->signer, ENTRY_COMPLAINT, "statement", NULL), *out;
    uint8_t *data = malloc(e->bytes_len);
    assert_non_null(data);
    memcpy(data, e->bytes, e->bytes_len);
    /* s -> q - s is valid ECDSA, and refused. */
    scalar_t s;
    memcpy(s.b, data + e->bytes_len - 32, 32);
    scalar_neg(&s, &s);
    memcpy(data + e->bytes_len - 32, s.b, 32);
    assert_int_equal(parse_copy(&out, data, e->bytes_len, &x->election), ERR_SIGNATURE);
    free(data);
    /* Another valid signature of the same message: another file, the same entry. */
    struct cose m;
    struct cbor_out again = CBOR_OUT_INIT;
    assert_int_equal(cose_parse(&m, e->bytes, e->bytes_len, &f), OK);
    assert_int_equal(cose_sign(&again, &x->signer, m.payload, m.payload_len, &f), OK);
    assert_memory_not_equal(again.data, e->bytes, e->bytes_len);
    assert_int_equal(parse_copy(&out, again.data, again.len, &x->election), OK);
    assert_memory_equal(&out->id, &e->id, HASH_LEN);
    int taken;
    assert_int_equal(board_add(x->board[0], out, &taken, &f), OK);
    assert_false(taken);
    assert_int_equal(board_add(x->board[1], out, &taken, &f), OK);
    assert_true(taken);
    struct merge_report report;
    assert_int_equal(board_merge(x->board[0], x->dir[1], &report, &f), OK);
    assert_int_equal(report.known, 1);
    assert_int_equal(report.added + report.refused, 0);
    const struct entry *one, *two;
    assert_int_equal(board_find(x->board[0], &one, &two, ENTRY_COMPLAINT, NULL, &x->signer.key, NULL), OK);
    cbor_out_free(&again);
}

/* The same statement with another proof (or hour) is repetition; another statement is equivocation. */
static void test_repetition_and_equivocation(void **state)
{
    struct fixture *x = *state;
    const struct entry *one, *two;
    add(x, 0, &x->signer, ENTRY_DEAL, "statement", "proof 1");
    add(x, 0, &x->signer, ENTRY_DEAL, "statement", "proof 2");
    assert_int_equal(x->board[0]->entry_count, 2);
    assert_int_equal(board_find(x->board[0], &one, &two, ENTRY_DEAL, NULL, &x->signer.key, NULL), OK);
    assert_null(two);
    assert_memory_equal(&one->id, &x->board[0]->entry[0]->id, HASH_LEN); /* the smallest */
    struct signer other = softkeys_signer(x->token, 1);
    add(x, 0, &other, ENTRY_DEAL, "another", "proof"); /* of another author */
    assert_int_equal(board_find(x->board[0], &one, &two, ENTRY_DEAL, NULL, &x->signer.key, NULL), OK);
    add(x, 1, &x->signer, ENTRY_DEAL, "another", "proof");
    struct merge_report report;
    assert_int_equal(board_merge(x->board[0], x->dir[1], &report, &f), OK);
    assert_int_equal(report.added, 1);
    assert_int_equal(board_find(x->board[0], &one, &two, ENTRY_DEAL, NULL, &x->signer.key, NULL),
                     ERR_EQUIVOCATION);
    assert_non_null(one);
    assert_non_null(two);
    assert_memory_not_equal(&one->statement_id, &two->statement_id, HASH_LEN);
    assert_int_equal(board_find(x->board[0], &one, &two, ENTRY_DEAL, NULL, &other.key, NULL), OK);
    assert_int_equal(x->board[0]->entry_count, 4); /* both are kept */
}

static void assert_same_set(const struct board *a, const struct board *b)
{
    assert_int_equal(a->entry_count, b->entry_count);
    for (size_t i = 0; i < a->entry_count; i++)
        assert_memory_equal(&a->entry[i]->id, &b->entry[i]->id, HASH_LEN);
}

static void test_merge(void **state)
{
    struct fixture *x = *state;
    struct merge_report report;
    char text[16], third[64];
    struct board *b;
    hash_t h;
    uint8_t *data;
    size_t len;
    for (int i = 0; i < 12; i++) {
        snprintf(text, sizeof text, "%d", i);
        add(x, i % 2, &x->signer, ENTRY_PLAN, text, NULL);
    }
    assert_int_equal(board_detached_put(x->board[1], &h, "abc", 3, &f), OK);
    assert_int_equal(board_merge(x->board[0], x->dir[1], &report, &f), OK);
    assert_int_equal(report.added, 6);
    assert_int_equal(report.detached, 1);
    assert_int_equal(board_merge(x->board[0], x->dir[1], &report, &f), OK); /* twice */
    assert_int_equal(report.added, 0);
    assert_int_equal(report.known, 6);
    assert_int_equal(board_merge(x->board[1], x->dir[0], &report, &f), OK);
    assert_same_set(x->board[0], x->board[1]);
    assert_int_equal(board_detached_get(x->board[0], &data, &len, &h, &f), OK);
    assert_int_equal(len, 3);
    free(data);
    temp_dir(third, sizeof third);
    assert_int_equal(board_open(&b, third, &x->election, &f), OK);
    assert_int_equal(board_merge(b, x->dir[1], &report, &f), OK);
    assert_int_equal(board_merge(b, x->dir[0], &report, &f), OK);
    assert_same_set(b, x->board[0]);
    board_free(b);
    assert_int_equal(board_open(&b, third, &x->election, &f), OK); /* from disk */
    assert_same_set(b, x->board[0]);
    assert_int_equal(b->refused_count, 0);
    board_free(b);
    remove_tree(third);
    assert_int_equal(board_merge(x->board[0], "build/tests/tmp/nothing-here", &report, &f), ERR_MISSING);
    assert_int_equal(report.added + report.known + report.refused, 0);
}

static void write_file(const char *dir, const char *sub, const char *name, const void *data, size_t len)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", dir, sub);
    assert_int_equal(file_mkdir(path, &f), OK);
    snprintf(path, sizeof path, "%s/%s/%s", dir, sub, name);
    FILE *out = fopen(path, "wb");
    assert_non_null(out);
    assert_int_equal(fwrite(data, 1, len, out), len);
    assert_int_equal(fclose(out), 0);
}

static err_t refused_as(const struct board *b, const char *name)
{
    for (size_t i = 0; i < b->refused_count; i++)
        if (strstr(b->refused[i].file, name) != NULL)
            return b->refused[i].fault.err;
    return OK;
}

/* (attack) A signature that its author computed to lead to the identity is a wrong one: the entry is refused
 * and everything else read, where "no memory" would keep the whole board from being opened. */
static void test_signature_to_the_identity(void **state)
{
    struct fixture *x = *state;
    struct entry *good = add(x, 1, &x->signer, ENTRY_PLAN, "good", NULL);
    struct entry *e = make_entry(x, &x->signer, ENTRY_PLAN, "statement", NULL);
    char name[ENTRY_NAME_SIZE];
    struct cose m;
    hash_t digest;
    scalar_t r, s, h;
    struct merge_report report;
    struct board *again;
    assert_int_equal(cose_parse(&m, e->bytes, e->bytes_len, &f), OK);
    assert_int_equal(cose_digest(&digest, &m.kid, m.payload, m.payload_len), OK);
    scalar_reduce(&h, digest.b, HASH_LEN); /* r = -h/d, any s */
    scalar_invert(&r, &x->token->enrolment[0].identity);
    scalar_mul(&r, &r, &h);
    scalar_neg(&r, &r);
    scalar_set(&s, 5);
    memcpy(e->bytes + e->bytes_len - 64, r.b, 32);
    memcpy(e->bytes + e->bytes_len - 32, s.b, 32);
    entry_file_name(name, e);
    write_file(x->dir[1], "entries", name, e->bytes, e->bytes_len);
    assert_int_equal(board_open(&again, x->dir[1], &x->election, &f), OK);
    assert_int_equal(again->entry_count, 1);
    assert_int_equal(refused_as(again, name), ERR_SIGNATURE);
    board_free(again);
    assert_int_equal(board_merge(x->board[0], x->dir[1], &report, &f), OK);
    assert_int_equal(report.added, 1);
    assert_int_equal(report.refused, 1);
    assert_non_null(board_entry(x->board[0], &good->id));
    entry_free(e);
}

static void test_rubbish(void **state)
{
    struct fixture *x = *state;
    char name[ENTRY_NAME_SIZE], path[512];
    uint8_t noise[3000];
    struct merge_report report;
    struct entry *good = add(x, 1, &x->signer, ENTRY_PLAN, "good", NULL);
    struct entry *e = make_entry(x, &x->signer, ENTRY_PLAN, "damaged", NULL);
    entry_file_name(name, e);
    random_bytes(noise, sizeof noise);
    write_file(x->dir[1], "entries", name, e->bytes, e->bytes_len - 1);
    write_file(x->dir[1], "entries", "noise.cose", noise, sizeof noise);
    write_file(x->dir[1], "entries", "empty.cose", "", 0);
    write_file(x->dir[1], "entries", "wrong-name.cose", e->bytes, e->bytes_len);
    write_file(x->dir[1], "entries", ".tmp-abc", noise, 10); /* skipped */
    write_file(x->dir[1], "entries", "huge.cose", "", 0);
    snprintf(path, sizeof path, "%s/entries/huge.cose", x->dir[1]);
    assert_int_equal(truncate(path, (off_t)ENTRY_MAX + 1), 0);
    write_file(x->dir[1], "detached", "noise.bin", noise, 100);
    write_file(x->dir[1], "detached", "big.bin", noise, sizeof noise);
    snprintf(path, sizeof path, "%s/detached/big.bin", x->dir[1]);
    assert_int_equal(truncate(path, DETACHED_MAX + 1), 0);
    hash_t other = {{3}};
    struct entry *foreign;
    struct cbor_out st = CBOR_OUT_INIT;
    cbor_put_uint(&st, 1);
    assert_int_equal(entry_make(&foreign, ENTRY_PLAN, &other, NULL, NULL, &st, NULL, &x->signer, &f), OK);
    cbor_out_free(&st);
    write_file(x->dir[1], "entries", "foreign.cose", foreign->bytes, foreign->bytes_len);
    snprintf(path, sizeof path, "%s/entries/directory.cose", x->dir[1]);
    assert_int_equal(mkdir(path, 0755), 0);
    snprintf(path, sizeof path, "%s/entries/pipe.cose", x->dir[1]);
    assert_int_equal(mkfifo(path, 0644), 0);

    assert_int_equal(board_merge(x->board[0], x->dir[1], &report, &f), OK);
    assert_int_equal(report.added, 1);
    assert_int_equal(report.refused, 10);
    const struct board *b = x->board[0];
    assert_int_equal(refused_as(b, name), ERR_TRUNCATED);
    assert_int_not_equal(refused_as(b, "noise.cose"), OK);
    assert_int_equal(refused_as(b, "empty.cose"), ERR_TRUNCATED);
    assert_int_equal(refused_as(b, "wrong-name.cose"), ERR_MISMATCH);
    assert_int_equal(refused_as(b, "huge.cose"), ERR_LIMIT);
    assert_int_equal(refused_as(b, "foreign.cose"), ERR_ELECTION);
    assert_int_equal(refused_as(b, "noise.bin"), ERR_HASH);
    assert_int_equal(refused_as(b, "big.bin"), ERR_LIMIT);
    assert_non_null(board_entry(b, &good->id));
    entry_free(foreign);
    entry_free(e);
}

/* A damaged file of the own board is replaced by a good copy, and kept beside it. */
static void test_damaged_own_file(void **state)
{
    struct fixture *x = *state;
    char name[ENTRY_NAME_SIZE], hex[80], path[512];
    struct merge_report report;
    hash_t h;
    uint8_t *data;
    size_t len;
    struct entry *e = add(x, 1, &x->signer, ENTRY_PLAN, "x", NULL);
    assert_int_equal(board_detached_put(x->board[1], &h, "abc", 3, &f), OK);
    entry_file_name(name, e);
    hex_put(hex, h.b, HASH_LEN);
    strcat(hex, ".bin");
    write_file(x->dir[0], "entries", name, "damaged", 7);
    write_file(x->dir[0], "detached", hex, "abd", 3);
    assert_int_equal(board_detached_get(x->board[0], &data, &len, &h, &f), ERR_HASH);
    assert_int_equal(board_merge(x->board[0], x->dir[1], &report, &f), OK);
    assert_int_equal(report.added, 1);
    assert_int_equal(board_detached_get(x->board[0], &data, &len, &h, &f), OK);
    free(data);
    board_free(x->board[0]);
    assert_int_equal(board_open(&x->board[0], x->dir[0], &x->election, &f), OK);
    assert_non_null(board_entry(x->board[0], &e->id));
    snprintf(path, sizeof path, "%s/entries/%s.damaged", x->dir[0], name);
    assert_int_equal(access(path, F_OK), 0);
    h.b[0] ^= 1;
    assert_int_equal(board_detached_get(x->board[0], &data, &len, &h, &f), ERR_MISSING);
}

/* Too many bad files are not all remembered, but none is taken. */
static void test_many_bad_files(void **state)
{
    struct fixture *x = *state;
    struct merge_report report;
    for (int i = 0; i < 1100; i++) {
        char name[32];
        snprintf(name, sizeof name, "%d.cose", i);
        write_file(x->dir[1], "entries", name, "x", 1);
    }
    assert_int_equal(board_merge(x->board[0], x->dir[1], &report, &f), OK);
    assert_int_equal(report.refused, 1100);
    assert_int_equal(x->board[0]->refused_count, 1000);
    assert_int_equal(x->board[0]->entry_count, 0);
}

/* --- whose entries a merge takes --- */

static size_t refused_with(const struct board *b, err_t e)
{
    size_t n = 0;
    for (size_t i = 0; i < b->refused_count; i++)
        n += b->refused[i].fault.err == e;
    return n;
}

/* After the roster, of those without a seat only enrolments are taken; each other one is named. */
static void test_strangers_after_the_roster(void **state)
{
    struct fixture *x = *state;
    struct merge_report report;
    struct board *news;
    struct world *w = world_new(3, 2, 0, 1);
    struct board *b;
    world_enroll(w);
    world_exchange(w);
    assert_int_equal(board_open(&b, x->dir[1], &w->m.election, &f), OK);
    x->election = w->m.election;
    board_free(x->board[1]);
    x->board[1] = b;
    add(x, 1, &x->signer, ENTRY_DEAL, "before the roster", NULL);
    assert_int_equal(board_merge(w->party[0].b, x->dir[1], &report, &f), OK);
    assert_int_equal(report.added, 1);
    world_roster(w);
    add(x, 1, &x->signer, ENTRY_PARTIAL, "after it", NULL);
    add(x, 1, &x->signer, ENTRY_ROSTER, "their own", NULL);
    add(x, 1, &x->signer, ENTRY_ENROLL, "a new token", NULL);
    assert_int_equal(board_merge_preview(&news, w->party[0].b, x->dir[1], &report, &f), OK);
    assert_int_equal(report.added, 1);
    assert_int_equal(refused_with(news, ERR_UNKNOWN), 2);
    board_free(news);
    assert_int_equal(board_merge(w->party[0].b, x->dir[1], &report, &f), OK);
    assert_int_equal(report.added, 1);
    assert_int_equal(report.known, 1);
    assert_int_equal(report.refused, 2);
    assert_int_equal(refused_with(w->party[0].b, ERR_UNKNOWN), 2);
    assert_non_null(strstr(w->party[0].b->refused[0].fault.file, "entries"));
    world_free(w);
}

/* The same rules for an entry that comes by itself, as from a QR code. */
static struct entry *made(struct fixture *x, enum entry_kind kind, const char *text)
{
    struct cbor_out st = CBOR_OUT_INIT;
    struct entry *e;
    cbor_put_text(&st, text);
    assert_int_equal(entry_make(&e, kind, &x->election, NULL, NULL, &st, NULL, &x->signer, &f), OK);
    cbor_out_free(&st);
    return e;
}

static void test_admit_one(void **state)
{
    struct fixture *x = *state;
    struct world *w = world_new(3, 2, 0, 1);
    int taken;
    world_enroll(w);
    world_exchange(w);
    x->election = w->m.election;
    struct board *b = w->party[0].b;
    struct entry *before = made(x, ENTRY_DEAL, "before the roster");
    assert_int_equal(board_admit(b, before, &taken, &f), OK);
    assert_int_equal(taken, 1);
    world_roster(w);
    b = w->party[0].b;
    struct entry *e = made(x, ENTRY_DEAL, "before the roster"); /* known: no question of admission */
    assert_int_equal(board_admit(b, e, &taken, &f), OK);
    assert_int_equal(taken, 0);
    entry_free(e);
    e = made(x, ENTRY_PARTIAL, "after it");
    assert_int_equal(board_admit(b, e, &taken, &f), ERR_UNKNOWN);
    assert_int_equal(taken, 0);
    assert_null(board_entry(b, &e->id));
    entry_free(e);
    e = made(x, ENTRY_ENROLL, "a new token");
    assert_int_equal(board_admit(b, e, &taken, &f), OK);
    assert_int_equal(taken, 1);
    world_free(w);
}

static void test_too_many_strangers(void **state)
{
    struct fixture *x = *state;
    struct merge_report report;
    char text[32];
    for (int i = 0; i < BOARD_STRANGE_MAX - 1; i++) { /* as if they were there */
        struct entry *e = calloc(1, sizeof *e);
        assert_non_null(e);
        e->bytes_len = 1;
        e->id.b[0] = (uint8_t)(i >> 8);
        e->id.b[1] = (uint8_t)i;
        struct board *b = x->board[0];
        b->entry = realloc(b->entry, (b->entry_count + 1) * sizeof *b->entry);
        assert_non_null(b->entry);
        b->entry[b->entry_count++] = e;
    }
    for (int i = 0; i < 3; i++) {
        snprintf(text, sizeof text, "entry %d", i);
        add(x, 1, &x->signer, ENTRY_DEAL, text, NULL);
    }
    assert_int_equal(board_merge(x->board[0], x->dir[1], &report, &f), OK);
    assert_int_equal(report.added, 1);
    assert_int_equal(refused_with(x->board[0], ERR_LIMIT), 2);
    int taken;
    struct entry *e = made(x, ENTRY_DEAL, "one more");
    assert_int_equal(board_admit(x->board[0], e, &taken, &f), ERR_LIMIT);
    assert_int_equal(taken, 0);
    entry_free(e);
}

/* Few entries, but of many bytes. */
static void test_too_much_of_strangers(void **state)
{
    struct fixture *x = *state;
    struct merge_report report;
    struct board *b = x->board[0];
    struct entry *e = calloc(1, sizeof *e);
    assert_non_null(e);
    e->bytes_len = BOARD_STRANGE_BYTES - 100;
    b->entry = calloc(1, sizeof *b->entry);
    assert_non_null(b->entry);
    b->entry[b->entry_count++] = e;
    add(x, 1, &x->signer, ENTRY_PARTIAL, "some bytes", NULL);
    assert_int_equal(board_merge(b, x->dir[1], &report, &f), OK);
    assert_int_equal(report.added, 0);
    assert_int_equal(refused_with(b, ERR_LIMIT), 1);
}

/* Only partial decryptions grow with the election. */
static void test_large_entry(void **state)
{
    struct fixture *x = *state;
    struct cbor_out st = CBOR_OUT_INIT;
    struct entry *e, *out;
    uint8_t *much = calloc(1, ENTRY_SMALL_MAX);
    assert_non_null(much);
    cbor_put_bytes(&st, much, ENTRY_SMALL_MAX);
    assert_int_equal(entry_make(&e, ENTRY_PARTIAL, &x->election, NULL, NULL, &st, NULL, &x->signer, &f), OK);
    assert_int_equal(parse_copy(&out, e->bytes, e->bytes_len, &x->election), OK);
    entry_free(out);
    entry_free(e);
    assert_int_equal(entry_make(&e, ENTRY_DEAL, &x->election, NULL, NULL, &st, NULL, &x->signer, &f),
                     ERR_LIMIT);
    cbor_out_free(&st);
    free(much);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_every_byte),
        T(test_other_election),
        T(test_malleated_signature),
        T(test_signature_to_the_identity),
        T(test_evidence_where_none_belongs),
        T(test_merge),
        T(test_repetition_and_equivocation),
        T(test_rubbish),
        T(test_damaged_own_file),
        T(test_many_bad_files),
        T(test_strangers_after_the_roster),
        T(test_admit_one),
        T(test_too_many_strangers),
        T(test_too_much_of_strangers),
        T(test_large_entry),
    };
    return cmocka_run_group_tests(tests, secrets_setup, NULL);
}
