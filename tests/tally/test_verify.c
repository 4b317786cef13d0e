/* conclave-verify against the corpus of mutants: each fails exactly the checks that it is said to fail,
 * and every check has a mutant. Then: any byte of any file; what is not a bundle; QR messages. */
#include "tests/support/unit.h"

#include <sys/stat.h>
#include <unistd.h>

#include "ceremony/base/secret.h"
#include "tally/precinct.h"
#include "tally/resultqr.h"
#include "tally/verify_print.h"
#include "tally/verify_state.h"
#include "tests/mutants/mutants.h"
#include "tests/support/tree.h"
#include "ui/qrtext.h"
#include "ui/words.h"

struct fixture {
    char dir[64], good[128], anchor[2 * HASH_LEN + 1];
    struct lab *l;
};

static int setup(void **state)
{
    struct fixture *x = calloc(1, sizeof *x);
    assert_non_null(x);
    assert_int_equal(secret_init(), OK);
    snprintf(x->dir, sizeof x->dir, "/tmp/conclave-verify-XXXXXX");
    assert_non_null(mkdtemp(x->dir));
    snprintf(x->good, sizeof x->good, "%s/good", x->dir);
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

static struct verify_report *run_chain(const char *dir, const char *anchor, int stop_early, const char *root)
{
    const char *const roots[] = {root};
    struct verify_options o = {.anchor = anchor,
                               .stop_early = stop_early,
                               .chain_anchor = roots,
                               .chain_anchor_count = root != NULL};
    struct verify_report *r;
    struct fault f;
    fault_clear(&f);
    err_t e = verify_bundle(&r, dir, &o, &f);
    if (e != OK)
        fail_msg("%s: %s %s", dir, err_name(e), f.detail);
    return r;
}

static struct verify_report *run(const char *dir, const char *anchor, int stop_early)
{
    return run_chain(dir, anchor, stop_early, NULL);
}

/* The root of the first shard of the lab's chain, as it was printed somewhere. */
static void chain_anchor(const struct lab *l, char out[128])
{
    char hex[2 * HASH_LEN + 1];
    hash_t root = l->chain.shard[0].last.root;
    hex_put(hex, root.b, HASH_LEN);
    snprintf(out, 128, "net::%llu:%s", (unsigned long long)l->chain.shard[0].last.size, hex);
}

static void failed_ids(const struct verify_report *r, char *out, size_t size)
{
    size_t at = 0;
    out[0] = '\0';
    for (size_t i = 0; i < r->count; i++)
        if (r->outcome[i].verdict == VERIFY_FAIL && at < size)
            at += (size_t)snprintf(out + at, size - at, "%s%s", at ? " " : "", r->outcome[i].id);
}

static void show_failures(const struct verify_report *r)
{
    for (size_t i = 0; i < r->count; i++)
        for (size_t k = 0; k < r->outcome[i].failure_kept; k++) {
            const struct verify_failure *x = &r->outcome[i].failure[k];
            print_message("    %s: %s %s %s [%s]\n", r->outcome[i].id, x->file, x->who, x->detail,
                          err_name(x->err));
        }
}

/* --- the good bundle --- */

static void test_good(void **state)
{
    struct fixture *x = *state;
    char root[128];
    chain_anchor(x->l, root);
    struct verify_report *r = run_chain(x->good, x->anchor, 0, root);
    assert_int_equal(r->outcome[CHECK_C_ANCHOR].verdict, VERIFY_PASS);
    if (verify_verdict(r) != VERIFY_PASS)
        show_failures(r);
    for (size_t i = 0; i < r->count; i++)
        if (r->outcome[i].verdict != VERIFY_PASS)
            print_message("%s %s\n", r->outcome[i].id, r->outcome[i].reason);
    assert_int_equal(verify_verdict(r), VERIFY_PASS);
    assert_int_equal(verify_exit_status(r), 0);
    assert_int_equal(r->count, verify_check_count());
    verify_report_free(r);
}

static void test_words(void **state)
{
    struct fixture *x = *state;
    char words[WORDS_TEXT_SIZE];
    assert_int_equal(words_put(words, &words_en, &x->l->anchor), OK);
    struct verify_report *r = run(x->good, words, 0);
    assert_int_equal(verify_verdict(r), VERIFY_PASS);
    verify_report_free(r);
}

/* Without an anchor nothing fails, and it is not good all the same. */
static void test_no_anchor(void **state)
{
    struct fixture *x = *state;
    struct verify_report *r = run(x->good, NULL, 0);
    assert_int_equal(verify_verdict(r), VERIFY_NOT_CHECKED);
    assert_int_equal(verify_exit_status(r), 3);
    for (size_t i = 0; i < r->count; i++)
        assert_int_equal(r->outcome[i].verdict,
                         i == CHECK_ANCHOR || i == CHECK_C_ANCHOR ? VERIFY_NOT_CHECKED : VERIFY_PASS);
    verify_report_free(r);
}

static void test_print(void **state)
{
    struct fixture *x = *state;
    struct verify_report *r = run(x->good, NULL, 0);
    const struct verify_report *one[] = {r};
    char *text = NULL;
    size_t len;
    FILE *f = open_memstream(&text, &len);
    assert_non_null(f);
    assert_int_equal(verify_print(f, r, 0), OK);
    assert_int_equal(verify_print_json(f, one, 1, 3), OK);
    assert_int_equal(fclose(f), 0);
    assert_non_null(strstr(text, "VERDICT: NOT CHECKED"));
    assert_non_null(strstr(text, "\"result\": \"PASS\""));
    assert_non_null(strstr(text, "\"exit\": 3"));
    free(text);
    verify_report_free(r);
}

static void make_import(struct lab *l, enum lab_stage s)
{
    if (s == LAB_START)
        l->import = 1;
}

static void test_good_import(void **state)
{
    struct fixture *x = *state;
    char path[200], anchor[2 * HASH_LEN + 1];
    snprintf(path, sizeof path, "%s/import", x->dir);
    struct lab *l = lab_build(path, make_import);
    hex_put(anchor, l->anchor.b, HASH_LEN);
    struct verify_report *r = run(path, anchor, 0);
    show_failures(r);
    assert_int_equal(verify_exit_status(r), 0);
    for (size_t i = 0; i < r->count; i++) /* nothing is said to be right that is not there */
        assert_int_not_equal(strncmp(r->outcome[i].id, "chain.", 6), 0);
    verify_report_free(r);
    r = run_chain(path, anchor, 0, "net::1:00"); /* a root of no chain of this election */
    char failed[256];
    failed_ids(r, failed, sizeof failed);
    assert_string_equal(failed, "chain.anchor");
    verify_report_free(r);
    lab_free(l);
}

/* --- entries that anybody, or one trustee, can add --- */

/* Anybody can sign what looks like a partial decryption. */
static void by_a_stranger(struct lab *l, enum lab_stage s)
{
    struct entry *e;
    struct fault f;
    char name[256];
    if (s != LAB_PARTIALS)
        return;
    struct signer official = softkeys_signer(l->official, 0);
    lab_partial(l, 3, &l->plan->id);
    assert_int_equal(entry_make(&e, ENTRY_PARTIAL, &l->m->election, &l->roster.ceremony, &l->plan->id,
                                &l->statement, &l->evidence, &official, &f),
                     OK);
    assert_int_equal(bundle_entry_name(name, sizeof name, e), OK);
    lab_write(l, name, e->bytes, e->bytes_len);
    entry_free(e);
}

/* The seat that was not needed repeats itself with bad proofs: each costs whoever checks it as much as a good
 * one. */
static void bad_and_again(struct lab *l, enum lab_stage s)
{
    if (s == LAB_PARTIAL && l->seat == 3)
        l->evidence.data[l->evidence.len - 1] ^= 1;
    for (int i = 0; i < 3 && s == LAB_PARTIALS; i++) {
        lab_partial(l, 3, &l->plan->id);
        l->evidence.data[l->evidence.len - 1] ^= 1;
        lab_post(l, 3, ENTRY_PARTIAL, &l->roster.ceremony, &l->plan->id, &l->statement, &l->evidence);
    }
}

static void test_added_entries(void **state)
{
    struct fixture *x = *state;
    char path[200], anchor[2 * HASH_LEN + 1];
    void (*const hook[])(struct lab *, enum lab_stage) = {by_a_stranger, bad_and_again};
    for (size_t i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/added-%zu", x->dir, i);
        struct lab *l = lab_build(path, hook[i]);
        hex_put(anchor, l->anchor.b, HASH_LEN);
        struct verify_report *r = run(path, anchor, 0);
        show_failures(r);
        assert_int_equal(verify_exit_status(r), 0);
        /* one sentence for each statement: a stranger's beside seat 3's, seat 3's alone */
        assert_int_equal(r->outcome[CHECK_PARTIAL_PROOFS].note_count, 2 - i);
        verify_report_free(r);
        lab_free(l);
    }
}

/* --- three plans, one after the other --- */

static const hash_t first_plan = {{1}}, second_plan = {{2}};
static int said; /* 1: that the second superseded the first; 2: that the third did */

static void third_plan(struct lab *l, enum lab_stage s)
{
    struct cbor_out st = CBOR_OUT_INIT;
    if (s == LAB_PLAN) {
        l->plan->has_supersedes = 1;
        l->plan->supersedes = second_plan;
        l->has_previous = said == 2;
        l->previous = first_plan;
    }
    if (s != LAB_PARTIALS)
        return;
    lab_partial(l, 3, &first_plan);
    lab_post(l, 3, ENTRY_PARTIAL, &l->roster.ceremony, &first_plan, &l->statement, &l->evidence);
    cbor_put_array(&st, 2);
    cbor_put_hash(&st, &second_plan);
    cbor_put_hash(&st, &first_plan);
    if (said == 1)
        lab_post(l, 3, ENTRY_PLAN, &l->roster.ceremony, &second_plan, &st, NULL);
    else
        cbor_out_free(&st);
}

/* Who decrypted the first of three plans, each signed as the successor of the one before, did nothing wrong.
 * Seat 3 alone, whose part is not used, opens nothing else: without the chain that is a note. */
static void test_third_plan(void **state)
{
    struct fixture *x = *state;
    char path[200], anchor[2 * HASH_LEN + 1];
    for (said = 0; said < 3; said++) {
        snprintf(path, sizeof path, "%s/third-%d", x->dir, said);
        struct lab *l = lab_build(path, third_plan);
        hex_put(anchor, l->anchor.b, HASH_LEN);
        struct verify_report *r = run(path, anchor, 0);
        const struct verify_outcome *o = &r->outcome[CHECK_PLAN_SINGLE];
        assert_int_equal(o->verdict, said ? VERIFY_NOT_CHECKED : VERIFY_PASS);
        assert_int_equal(verify_exit_status(r), said ? VERIFY_EXIT_UNCHECKED : VERIFY_EXIT_GOOD);
        assert_int_equal(o->note_count, said ? 0 : 1);
        if (!said)
            assert_non_null(strstr(o->note[0], "seat 3"));
        verify_report_free(r);
        lab_free(l);
    }
}

static void other_plan_twice(struct lab *l, enum lab_stage s)
{
    for (uint32_t seat = 2; seat <= 3 && s == LAB_PARTIALS; seat++) {
        lab_partial(l, seat, &first_plan);
        lab_post(l, seat, ENTRY_PARTIAL, &l->roster.ceremony, &first_plan, &l->statement, &l->evidence);
    }
}

/* As many as open another plan fail the check, also when the result uses none of them. */
static void test_other_plan_opened(void **state)
{
    struct fixture *x = *state;
    char path[200];
    struct verify_options o = {0};
    struct verify *v;
    struct fault f;
    snprintf(path, sizeof path, "%s/opened", x->dir);
    struct lab *l = lab_build(path, other_plan_twice);
    assert_int_equal(verify_run(&v, path, &o, &f), OK);
    assert_int_equal(verify_failures(v, CHECK_PLAN_SINGLE), 2);
    v->used_seat[1] = 0; /* seat 2 */
    assert_int_equal(verify_check_plan_single(v, CHECK_PLAN_SINGLE), OK);
    assert_int_equal(verify_failures(v, CHECK_PLAN_SINGLE), 4);
    v->r->t = 3;
    assert_int_equal(verify_check_plan_single(v, CHECK_PLAN_SINGLE), OK);
    assert_int_equal(verify_failures(v, CHECK_PLAN_SINGLE), 4);
    v->r->t = LAB_T;
    verify_close(v);
    lab_free(l);
}

/* --- mutants --- */

static void test_mutants(void **state)
{
    struct fixture *x = *state;
    char path[200], anchor[2 * HASH_LEN + 1], ids[1024];
    size_t wrong = 0;
    for (size_t i = 0; i < mutants_count() - chain_mutant_count; i++) { /* the others: test_verify_chain.c */
        const struct mutant *m = mutant_at(i);
        snprintf(path, sizeof path, "%s/mutant", x->dir);
        struct lab *l = lab_build(path, m->hook);
        hex_put(anchor, m->other_anchor ? x->l->anchor.b : l->anchor.b, HASH_LEN);
        struct verify_report *r = run(path, anchor, 0);
        failed_ids(r, ids, sizeof ids);
        if (strcmp(ids, m->expected) != 0 || verify_exit_status(r) != 1) {
            print_message("%s: expected %s, got %s\n", m->name, m->expected, ids);
            show_failures(r);
            wrong++;
        }
        verify_report_free(r);
        lab_free(l);
    }
    assert_int_equal(wrong, 0);
}

static void test_every_check_has_a_mutant(void **state)
{
    (void)state;
    size_t without = 0;
    for (size_t i = 0; i < verify_check_count(); i++) {
        size_t found = 0;
        for (size_t k = 0; k < mutants_count(); k++)
            found += strcmp(mutant_at(k)->target, verify_check_id(i)) == 0 &&
                     strstr(mutant_at(k)->expected, verify_check_id(i)) != NULL;
        if (found == 0)
            print_message("%s has no mutant\n", verify_check_id(i));
        without += found == 0;
    }
    assert_int_equal(without, 0);
}

/* --- any byte --- */

#define LANE_POSITIONS 40

static void write_byte(const struct fixture *x, const char *name, size_t at, uint8_t v)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", x->good, name);
    FILE *f = fopen(path, "r+b");
    assert_non_null(f);
    assert_int_equal(fseek(f, (long)at, SEEK_SET), 0);
    assert_int_equal(fputc(v, f), v);
    assert_int_equal(fclose(f), 0);
}

static void expect_failure(const struct fixture *x, const char *name, size_t at, int by_more_than_sums)
{
    struct verify_report *r = run(x->good, x->anchor, 1);
    if (verify_exit_status(r) != 1)
        fail_msg("%s: byte %zu can be changed%s", name, at,
                 by_more_than_sums ? " if SHA256SUMS is changed with it" : "");
    verify_report_free(r);
}

/* Positions: the ends and evenly between; CONCLAVE_FLIPS gives another number for each file. resum: the
 * sums are made right again, so that another check has to find it. */
static void flip_file(const struct fixture *x, const char *name, size_t positions, int resum)
{
    size_t len;
    uint8_t *data = lab_read(x->l, name, &len);
    if (positions > len)
        positions = len;
    for (size_t k = 0; k < positions; k++) {
        size_t at = positions > 1 ? k * (len - 1) / (positions - 1) : 0;
        write_byte(x, name, at, data[at] ^ (uint8_t)(1u << (at + k) % 8));
        if (resum)
            lab_sums(x->l);
        expect_failure(x, name, at, resum);
        write_byte(x, name, at, data[at]);
    }
    free(data);
    if (resum)
        lab_sums(x->l);
}

static size_t lane(size_t usual)
{
    const char *text = getenv("CONCLAVE_FLIPS");
    return text ? (size_t)strtoul(text, NULL, 10) : usual;
}

static void test_any_byte(void **state)
{
    struct fixture *x = *state;
    size_t count = x->l->file_count;
    for (size_t i = 0; i < count; i++)
        flip_file(x, x->l->file[i], lane(LANE_POSITIONS), 0);
    flip_file(x, "SHA256SUMS", lane(LANE_POSITIONS), 0);
}

/* Somebody who changes the sums too is found by the check of the content. */
static void test_any_byte_with_sums(void **state)
{
    struct fixture *x = *state;
    size_t count = x->l->file_count;
    for (size_t i = 0; i < count; i++)
        flip_file(x, x->l->file[i], lane(6), 1);
    struct verify_report *r = run(x->good, x->anchor, 0);
    assert_int_equal(verify_verdict(r), VERIFY_PASS);
    verify_report_free(r);
}

/* Every file cut off anywhere, and every file gone. */
static void test_cut_off(void **state)
{
    struct fixture *x = *state;
    size_t count = x->l->file_count;
    for (size_t i = 0; i < count; i++) {
        size_t len;
        char name[256];
        snprintf(name, sizeof name, "%s", x->l->file[i]);
        uint8_t *data = lab_read(x->l, name, &len);
        const size_t cuts[] = {0, len / 2, len - 1};
        for (size_t k = 0; k < sizeof cuts / sizeof *cuts; k++) {
            lab_write(x->l, name, data, cuts[k]);
            lab_sums(x->l);
            expect_failure(x, name, cuts[k], 1);
        }
        lab_write(x->l, name, data, len);
        lab_sums(x->l);
        free(data);
    }
}

/* A file with holes costs nothing to make and would take an hour to hash. */
static void test_holes(void **state)
{
    struct fixture *x = *state;
    char path[512], entry[256];
    lab_entry_name(x->l, ENTRY_PARTIAL, 1, entry);
    const char *name[] = {"manifest.json", "plan.cbor",       "result.cbor",
                          "index.html",    "exports/a1.cexp", entry};
    for (size_t i = 0; i < sizeof name / sizeof *name; i++) {
        size_t len;
        uint8_t *data = lab_read(x->l, name[i], &len);
        snprintf(path, sizeof path, "%s/%s", x->good, name[i]);
        assert_int_equal(truncate(path, (off_t)1 << 42), 0);
        struct verify_report *r = run(x->good, x->anchor, 1);
        assert_int_equal(verify_exit_status(r), 1);
        assert_int_equal(r->outcome[CHECK_FILES].failure_count, 1);
        assert_int_equal(r->outcome[CHECK_FILES].failure[0].err, ERR_LIMIT);
        assert_string_equal(r->outcome[CHECK_FILES].failure[0].file, name[i]);
        verify_report_free(r);
        assert_int_equal(truncate(path, (off_t)len), 0);
        free(data);
    }
}

/* --- what is not a bundle --- */

static void test_not_a_bundle(void **state)
{
    struct fixture *x = *state;
    char path[200];
    struct verify_report *r = run("/nonexistent/bundle", x->anchor, 0);
    assert_int_equal(verify_exit_status(r), 1);
    verify_report_free(r);
    snprintf(path, sizeof path, "%s/empty", x->dir);
    assert_int_equal(mkdir(path, 0755), 0);
    r = run(path, x->anchor, 0);
    assert_int_equal(verify_exit_status(r), 1);
    for (size_t i = 0; i < r->count; i++)
        if (r->outcome[i].verdict == VERIFY_PASS)
            fail_msg("%s passes on an empty directory", r->outcome[i].id);
    verify_report_free(r);
}

/* --- QR messages --- */

static struct verify_report *run_message(char kind, const struct cbor_out *o, const char *bundle,
                                         const struct verify_options *opt)
{
    struct verify_report *r;
    struct fault f;
    fault_clear(&f);
    assert_int_equal(o->err, OK);
    assert_int_equal(verify_message(&r, "test", kind, o->data, o->len, bundle, opt, &f), OK);
    return r;
}

static void expect_message(char kind, const struct cbor_out *o, const char *bundle,
                           const struct verify_options *opt, int exit_status, const char *ids)
{
    char got[512];
    struct verify_report *r = run_message(kind, o, bundle, opt);
    failed_ids(r, got, sizeof got);
    assert_string_equal(got, ids);
    assert_int_equal(verify_exit_status(r), exit_status);
    verify_report_free(r);
}

static struct resultqr *make_proof(const struct fixture *x)
{
    struct resultqr *q;
    struct fault f;
    const struct partial *two[] = {x->l->partial[0], x->l->partial[1]};
    assert_int_equal(resultqr_make(&q, x->l->m, x->l->r, &x->l->plan->id, x->l->target, 0, "Whole",
                                   x->l->result->row[0].votes, two, 2, &f),
                     OK);
    return q;
}

static void test_result_message(void **state)
{
    struct fixture *x = *state;
    struct resultqr *q = make_proof(x);
    struct cbor_out o = CBOR_OUT_INIT;
    hash_t key;
    char words[WORDS_TEXT_SIZE];
    struct verify_options none = {0}, anchor = {.anchor = x->anchor},
                          keyed = {.anchor = x->anchor, .key = words},
                          other = {.anchor = x->anchor, .key = x->anchor}, wrong = {.anchor = words};
    assert_int_equal(resultqr_key_hash(&key, &q->election, &q->record, &q->Y), OK);
    assert_int_equal(words_put(words, &words_en, &key), OK);
    resultqr_write(&o, q);
    expect_message(QRTEXT_RESULT, &o, NULL, &none, 3, "");
    expect_message(QRTEXT_RESULT, &o, NULL, &anchor, 3, ""); /* hashes alone do not bind the key */
    expect_message(QRTEXT_RESULT, &o, NULL, &keyed, 0, "");
    expect_message(QRTEXT_RESULT, &o, NULL, &other, 1, "qr.real");
    expect_message(QRTEXT_RESULT, &o, NULL, &wrong, 1, "qr.real");
    expect_message(QRTEXT_RESULT, &o, x->good, &anchor, 0, "");
    expect_message(QRTEXT_RESULT, &o, x->good, &none, 3, "");
    o.data[o.len - 1] ^= 1; /* a count */
    expect_message(QRTEXT_RESULT, &o, x->good, &anchor, 1, "qr.decrypts");
    o.data[o.len - 1] ^= 1;
    o.len--;
    expect_message(QRTEXT_RESULT, &o, x->good, &anchor, 1, "qr.form");
    cbor_out_free(&o);
    q->votes[0] = q->ballots + 1;
    resultqr_write(&o, q);
    expect_message(QRTEXT_RESULT, &o, x->good, &anchor, 1, "qr.range");
    cbor_out_free(&o);
    q->votes[0] = x->l->result->row[0].votes[0];
    q->partial[1].proof.z.b[31] ^= 1;
    resultqr_write(&o, q);
    expect_message(QRTEXT_RESULT, &o, x->good, &anchor, 1, "qr.proofs");
    cbor_out_free(&o);
    q->Y = group_generator;
    resultqr_write(&o, q);
    expect_message(QRTEXT_RESULT, &o, x->good, &anchor, 1, "qr.shares qr.real");
    cbor_out_free(&o);
    resultqr_free(q);
}

static void test_anchor_message(void **state)
{
    struct fixture *x = *state;
    struct cbor_out o = CBOR_OUT_INIT;
    struct verify_options none = {0}, anchor = {.anchor = x->anchor};
    anchor_write(&o, &x->l->m->election, &x->l->r->id);
    expect_message(QRTEXT_CEREMONY, &o, NULL, &none, 3, "");
    expect_message(QRTEXT_CEREMONY, &o, NULL, &anchor, 0, "");
    o.data[o.len - 1] ^= 1;
    expect_message(QRTEXT_CEREMONY, &o, NULL, &anchor, 1, "qr.real");
    expect_message(QRTEXT_CEREMONY, &o, x->good, &none, 1, "qr.real");
    expect_message('X', &o, NULL, &anchor, 1, "qr.form");
    cbor_out_free(&o);
}

static void test_receipt_message(void **state)
{
    struct fixture *x = *state;
    const struct lab_box *b = &x->l->box[lab_place(x->l, "a1")];
    struct receipt r = {.election = x->l->m->election,
                        .record = x->l->r->id,
                        .ballot = b->info[2].id,
                        .root = b->root,
                        .place = "a1",
                        .size = b->count,
                        .index = 2};
    hash_t leaves[LAB_BALLOTS_MAX];
    struct cbor_out o = CBOR_OUT_INIT;
    struct verify_options none = {0}, anchor = {.anchor = x->anchor};
    for (size_t i = 0; i < b->count; i++)
        merkle_leaf(&leaves[i], b->ballot[i].data, b->ballot[i].len);
    r.leaf = leaves[2];
    merkle_path(r.path, &r.path_count, leaves, b->count, 2);
    assert_int_equal(receipt_make(&o, &r), OK);
    expect_message(QRTEXT_RECEIPT, &o, x->good, &anchor, 0, "");
    expect_message(QRTEXT_RECEIPT, &o, NULL, &anchor, 3, "");
    expect_message(QRTEXT_RECEIPT, &o, x->good, &none, 3, "");
    cbor_out_free(&o);
    r.path[0].b[0] ^= 1;
    assert_int_equal(receipt_make(&o, &r), OK);
    expect_message(QRTEXT_RECEIPT, &o, x->good, &anchor, 1, "qr.path");
    cbor_out_free(&o);
    r.path[0].b[0] ^= 1;
    snprintf(r.place, sizeof r.place, "a2"); /* another root is there */
    assert_int_equal(receipt_make(&o, &r), OK);
    expect_message(QRTEXT_RECEIPT, &o, x->good, &anchor, 1, "qr.root");
    cbor_out_free(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),           cmocka_unit_test(test_words),
        cmocka_unit_test(test_no_anchor),      cmocka_unit_test(test_print),
        cmocka_unit_test(test_good_import),    cmocka_unit_test(test_added_entries),
        cmocka_unit_test(test_third_plan),     cmocka_unit_test(test_other_plan_opened),
        cmocka_unit_test(test_mutants),        cmocka_unit_test(test_every_check_has_a_mutant),
        cmocka_unit_test(test_any_byte),       cmocka_unit_test(test_any_byte_with_sums),
        cmocka_unit_test(test_cut_off),        cmocka_unit_test(test_holes),
        cmocka_unit_test(test_not_a_bundle),   cmocka_unit_test(test_result_message),
        cmocka_unit_test(test_anchor_message), cmocka_unit_test(test_receipt_message),
    };
    return cmocka_run_group_tests_name("tally/verify", tests, setup, teardown);
}
