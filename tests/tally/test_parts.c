/* A verification in parts: merged it says what a run on one machine says, to the byte; and whatever is wrong
 * with reports, signatures and files of ids is refused or said. */
#include "tests/support/unit.h"

#include <endian.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ceremony/base/file.h"
#include "ceremony/base/secret.h"
#include "tally/id_sort.h"
#include "tally/part_ids.h"
#include "tally/signkey.h"
#include "tally/verify_merge.h"
#include "tally/verify_part.h"
#include "tally/verify_print.h"
#include "tests/mutants/mutants.h"
#include "tests/support/tree.h"

struct fixture {
    char dir[64], good[128], parts[128], anchor[2 * HASH_LEN + 1];
    struct lab *l;
    struct signkey *key[2];
    struct part_signers signers; /* the first of them, "Anna" */
    hash_t program;
};

static struct signkey *new_key(const struct fixture *x, const char *name, pubkey_t *key)
{
    char path[256], *secret;
    void *p;
    struct fault f;
    struct signkey *k;
    assert_int_equal(secret_alloc(&p, 1), OK);
    secret = p;
    snprintf(path, sizeof path, "%s/%s", x->dir, name);
    assert_int_equal(signkey_new(key, path, SIGNKEY_REHEARSAL, secret, 0, &f), OK);
    assert_int_equal(signkey_open(&k, path, secret, 0, &f), OK);
    secret_free(secret);
    return k;
}

static void put(const char *path, const void *data, size_t len)
{
    struct fault f;
    assert_int_equal(file_write(path, data, len, FILE_REPLACE, &f), OK);
}

static uint8_t *get(const char *path, size_t *len)
{
    uint8_t *data;
    struct fault f;
    assert_int_equal(file_read(&data, len, path, (size_t)1 << 28, &f), OK);
    return data;
}

static int setup(void **state)
{
    struct fixture *x = calloc(1, sizeof *x);
    struct fault f;
    pubkey_t key[2];
    char path[128], hex[2 * POINT_LEN + 1], lines[256];
    assert_non_null(x);
    assert_int_equal(secret_init(), OK);
    snprintf(x->dir, sizeof x->dir, "/tmp/conclave-parts-XXXXXX");
    assert_non_null(mkdtemp(x->dir));
    snprintf(x->good, sizeof x->good, "%s/good", x->dir);
    snprintf(x->parts, sizeof x->parts, "%s/parts", x->dir);
    x->l = lab_build(x->good, NULL);
    hex_put(x->anchor, x->l->anchor.b, HASH_LEN);
    x->key[0] = new_key(x, "anna", &key[0]);
    x->key[1] = new_key(x, "bert", &key[1]);
    hex_put(hex, key[0].b, POINT_LEN);
    snprintf(lines, sizeof lines, "# who verified\n%s Anna\n\n", hex);
    snprintf(path, sizeof path, "%s/signers", x->dir);
    put(path, lines, strlen(lines));
    assert_int_equal(part_signers_read(&x->signers, path, &f), OK);
    assert_int_equal(part_program(&x->program, &f), OK);
    *state = x;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *x = *state;
    part_signers_free(&x->signers);
    signkey_close(x->key[0]);
    signkey_close(x->key[1]);
    lab_free(x->l);
    tree_rm(x->dir);
    free(x);
    return 0;
}

/* --- making, signing, merging --- */

static char *name_of(const struct fixture *x, unsigned k, unsigned n, const char *suffix, char out[256])
{
    assert_int_equal(part_path(out, 256, x->parts, k, n, suffix), OK);
    return out;
}

static void make(const struct fixture *x, const char *bundle, unsigned n)
{
    const struct verify_options o = {.threads = 2};
    struct verify_part_run *r;
    struct fault f;
    tree_rm(x->parts);
    assert_int_equal(verify_part_open(&r, bundle, &o, &f), OK);
    for (unsigned k = n; k >= 1; k--) {
        int ready;
        assert_int_equal(verify_part_ready(r, x->parts, k, n, &ready, &f), OK);
        assert_false(ready);
        assert_int_equal(verify_part_make(r, x->parts, k, n, NULL, &f), OK);
        assert_int_equal(verify_part_ready(r, x->parts, k, n, &ready, &f), OK);
        assert_true(ready);
    }
    verify_part_close(r);
}

static void sign(const struct fixture *x, int who, unsigned k, unsigned n, const char *suffix)
{
    char path[256];
    size_t len;
    struct fault f;
    struct cbor_out out = CBOR_OUT_INIT;
    uint8_t *data = get(name_of(x, k, n, ".part", path), &len);
    assert_int_equal(cose_sign(&out, signkey_signer(x->key[who]), data, len, &f), OK);
    put(name_of(x, k, n, suffix, path), out.data, out.len);
    cbor_out_free(&out);
    free(data);
}

static void make_signed(const struct fixture *x, unsigned n)
{
    make(x, x->good, n);
    for (unsigned k = 1; k <= n; k++)
        sign(x, 0, k, n, ".signed");
}

static char *json_of(struct verify_report *r)
{
    const struct verify_report *one[] = {r};
    char *out;
    size_t len;
    FILE *stream = open_memstream(&out, &len);
    assert_non_null(stream);
    assert_int_equal(verify_print_json(stream, one, 1, verify_exit_status(r)), OK);
    assert_int_equal(fclose(stream), 0);
    return out;
}

static const char *chain_anchor[24]; /* of alone() and merge() */
static size_t chain_anchor_count;

static char *alone(const char *bundle, const char *anchor)
{
    struct verify_options o = {
        .anchor = anchor, .chain_anchor = chain_anchor, .chain_anchor_count = chain_anchor_count};
    struct verify_report *r;
    struct fault f;
    assert_int_equal(verify_bundle(&r, bundle, &o, &f), OK);
    char *out = json_of(r);
    verify_report_free(r);
    return out;
}

static err_t last_error; /* of merge(), with its text */
static char last_text[1200];

/* The report, or NULL and last_error. trust: reports need no signature. */
static struct verify_report *merge(const struct fixture *x, const char *bundle, const char *anchor, int trust)
{
    struct verify_parts *p;
    struct verify_report *r = NULL;
    struct fault f;
    fault_clear(&f);
    last_error = verify_parts_new(&p, bundle, &x->signers, &x->program, trust, &f);
    assert_int_equal(last_error, OK);
    last_error = verify_parts_add(p, x->parts, &f);
    struct verify_options o = {
        .anchor = anchor, .parts = p, .chain_anchor = chain_anchor, .chain_anchor_count = chain_anchor_count};
    if (last_error == OK)
        last_error = verify_bundle(&r, bundle, &o, &f);
    assert_int_equal(f.err, last_error);
    fault_text(last_text, sizeof last_text, &f);
    verify_parts_free(p);
    return r;
}

static enum verify_verdict verdict_of(const struct verify_report *r, enum verify_id id)
{
    return r->outcome[id].verdict;
}

static void expect_error(const struct fixture *x, err_t e, const char *part_of_text)
{
    struct verify_report *r = merge(x, x->good, x->anchor, 0);
    if (r != NULL || last_error != e || strstr(last_text, part_of_text) == NULL)
        fail_msg("%s wanted, and %s: %s", err_name(e), part_of_text, last_text);
}

/* --- the same, to the byte --- */

static void test_same(void **state)
{
    struct fixture *x = *state;
    static const unsigned counts[] = {1, 2, 3, 7};
    char *want = alone(x->good, x->anchor);
    assert_non_null(strstr(want, "\"verdict\": \"PASS\""));
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        make_signed(x, counts[i]);
        struct verify_report *r = merge(x, x->good, x->anchor, 0);
        assert_non_null(r);
        char *got = json_of(r);
        assert_string_equal(got, want);
        free(got);
        verify_report_free(r);
    }
    free(want);
}

static const struct mutant *mutant_named(const char *name)
{
    for (size_t i = 0; i < mutants_count(); i++)
        if (strcmp(mutant_at(i)->name, name) == 0)
            return mutant_at(i);
    fail_msg("no mutant %s", name);
    return NULL;
}

struct stop {
    unsigned calls, after;
};

static err_t stop_after(void *ctx, const char *what, uint64_t done, uint64_t total)
{
    struct stop *s = ctx;
    assert_non_null(what);
    assert_true(done <= total);
    return ++s->calls == s->after ? ERR_STOPPED : OK;
}

static err_t count_kept(void *ctx, const char *name, struct fault *f)
{
    (void)f;
    *(size_t *)ctx += strncmp(name, "chain-", 6) == 0;
    return OK;
}

/* A report is the same bytes whatever the threads, and however often its making was stopped. */
static void stopped(const struct fixture *x, const char *bundle)
{
    char path[256], resume[256];
    size_t len[2], again;
    uint8_t *want[2];
    unsigned stops = 0;
    make(x, bundle, 1);
    want[0] = get(name_of(x, 1, 1, ".part", path), &len[0]);
    want[1] = get(name_of(x, 1, 1, ".ids", path), &len[1]);
    snprintf(resume, sizeof resume, "%s/resume", x->dir);
    for (int threads = 1; threads <= 4; threads += 3) {
        tree_rm(resume);
        tree_rm(x->parts);
        for (unsigned after = 1, over = 0; !over; after++) {
            struct stop s = {.after = after};
            const struct verify_options o = {
                .threads = threads, .resume = resume, .progress = stop_after, .progress_ctx = &s};
            struct verify_part_run *run;
            struct fault f;
            err_t e = verify_part_open(&run, bundle, &o, &f);
            if (e == OK)
                e = verify_part_make(run, x->parts, 1, 1, NULL, &f);
            verify_part_close(run);
            over = e == OK;
            if (!over) {
                assert_int_equal(e, ERR_STOPPED);
                assert_int_equal(f.err, e);
                assert_int_not_equal(access(name_of(x, 1, 1, ".part", path), F_OK), 0);
                stops++;
            }
        }
        for (int i = 0; i < 2; i++) {
            uint8_t *got = get(name_of(x, 1, 1, i ? ".ids" : ".part", path), &again);
            assert_int_equal(again, len[i]);
            assert_memory_equal(got, want[i], again);
            free(got);
        }
    }
    assert_true(stops > 2);
    struct fault f;
    size_t kept = 0; /* where shards go on is forgotten at the end */
    assert_int_equal(file_list(x->parts, count_kept, &kept, &f), OK);
    assert_int_equal(kept, 0);
    free(want[0]);
    free(want[1]);
}

/* Also where a shard cannot be read, or is wrong: that it was not looked at is not forgotten. */
static void test_stopped(void **state)
{
    struct fixture *x = *state;
    static const char *const bad[] = {"chain-header-skipped", "chain-truncated", "chain-proof-flipped"};
    char path[256];
    stopped(x, x->good);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(path, sizeof path, "%s/stopped", x->dir);
        tree_rm(path);
        lab_free(lab_build(path, mutant_named(bad[i])->hook));
        stopped(x, path);
    }
}

static int concerns_exports(const struct mutant *m)
{
    return strncmp(m->target, "exports.", 8) == 0 || strncmp(m->target, "records.", 8) == 0 ||
           strcmp(m->target, "bundle.files") == 0 || strcmp(m->target, "chain.ballots") == 0;
}

static void test_mutants(void **state)
{
    struct fixture *x = *state;
    size_t seen = 0;
    for (size_t i = 0; i < mutants_count(); i++) {
        char path[256], anchor[2 * HASH_LEN + 1];
        if (!concerns_exports(mutant_at(i)))
            continue;
        snprintf(path, sizeof path, "%s/mutant", x->dir);
        tree_rm(path);
        struct lab *l = lab_build(path, mutant_at(i)->hook);
        hex_put(anchor, l->anchor.b, HASH_LEN);
        lab_free(l);
        char *want = alone(path, anchor);
        assert_non_null(strstr(want, "\"verdict\": \"FAIL\""));
        make(x, path, 2 + i % 2);
        struct verify_report *r = merge(x, path, anchor, 1);
        if (r == NULL)
            fail_msg("%s: %s", mutant_at(i)->name, last_text);
        char *got = json_of(r);
        if (strcmp(got, want) != 0)
            fail_msg("%s: another report from parts", mutant_at(i)->name);
        free(got);
        verify_report_free(r);
        free(want);
        seen++;
    }
    assert_true(seen > 20);
}

/* Shards of chains in parts, good and bad ones. An anchor inside of a block needs the ballots themselves. */
static void test_chains(void **state)
{
    struct fixture *x = *state;
    size_t seen = 0;
    for (size_t i = 0; i <= mutants_count(); i++) {
        const struct mutant *m = i < mutants_count() ? mutant_at(i) : NULL;
        char path[256], anchor[2 * HASH_LEN + 1];
        struct verify_part_run *run;
        struct fault f;
        if (m != NULL && (strncmp(m->target, "chain.", 6) != 0 || m->chain_anchor))
            continue;
        snprintf(path, sizeof path, "%s/chains", x->dir);
        tree_rm(path);
        struct lab *l = lab_build(path, m != NULL ? m->hook : NULL);
        hex_put(anchor, l->anchor.b, HASH_LEN);
        lab_free(l);
        const struct verify_options o = {.threads = 2};
        err_t e = verify_part_open(&run, path, &o, &f);
        verify_part_close(run);
        if (e != OK)
            fail_msg("%s: %s", m != NULL ? m->name : "good", err_name(e));
        char *want = alone(path, anchor);
        make(x, path, m == NULL ? 40 : 1 + (unsigned)(seen % 9));
        struct verify_report *r = merge(x, path, anchor, 1);
        if (r == NULL)
            fail_msg("%s: %s", m != NULL ? m->name : "good", last_text);
        char *got = json_of(r);
        if (strcmp(got, want) != 0)
            fail_msg("%s: another report from parts: %s\n%s", m != NULL ? m->name : "good", got, want);
        free(got);
        free(want);
        verify_report_free(r);
        seen++;
    }
    assert_true(seen > 15);
}

/* --- several things wrong at once --- */

struct wrong {
    const char *name;
    int lists;             /* ids and leaves are there */
    const char *forget[3]; /* files of the chain that are not */
    const char *garble;    /* in the middle of this one a byte is another */
    int many;              /* more ballots in the wrong shard, and twice, than a report lists */
    int twice;             /* the chain counts one again */
};
static const struct wrong *wrong;

/* A ballot of each half many times in the other one. */
static void put_many(struct chain_maker *mk)
{
    const struct chain_made_ballot other[] = {mk->shard[2].ballot[0], mk->shard[1].ballot[0]};
    for (size_t i = 1; i < 3; i++) {
        for (size_t k = 0; k < VERIFY_KEPT_MAX / 2 + 10; k++)
            chain_maker_put_to(mk, i, other[i - 1].data, other[i - 1].len);
        mk->shard[i].block_count = 0; /* one block */
        chain_maker_block(mk, i);
    }
}

static void do_wrong(struct lab *l, enum lab_stage s)
{
    char name[128];
    size_t len;
    if (s == LAB_CHAIN) {
        l->chain.lists = wrong->lists;
        if (wrong->many)
            put_many(&l->chain);
        if (wrong->twice)
            mutant_named("chain-counted-twice")->hook(l, s);
    }
    if (s != LAB_PAGE)
        return;
    for (size_t i = 0; i < 3 && wrong->forget[i] != NULL; i++) {
        snprintf(name, sizeof name, LAB_CHAIN_DIR "/%s", wrong->forget[i]);
        lab_forget(l, name);
    }
    if (wrong->garble == NULL)
        return;
    snprintf(name, sizeof name, LAB_CHAIN_DIR "/%s", wrong->garble);
    uint8_t *data = lab_read(l, name, &len);
    data[len / 2] ^= 0x20;
    lab_write(l, name, data, len);
    free(data);
}

/* Roots at every size of every shard, most of them wrong ones, the last ballots first. */
static void all_anchors(const struct chain_snapshot *s, char text[][160])
{
    chain_anchor_count = 0;
    for (size_t i = s->shard_count; i-- > 0;)
        for (uint64_t size = s->shard[i].size < 5 ? s->shard[i].size : 5; size > 0; size--) {
            char root[2 * HASH_LEN + 1];
            hex_put(root, s->shard[i].root.b, HASH_LEN);
            assert_true(chain_anchor_count < sizeof chain_anchor / sizeof *chain_anchor);
            snprintf(text[chain_anchor_count], 160, "net:%s:%llu:%s", s->shard[i].name.s,
                     (unsigned long long)size, root);
            chain_anchor[chain_anchor_count] = text[chain_anchor_count];
            chain_anchor_count++;
        }
}

static void same_report(const struct fixture *x, const char *bundle, const char *anchor, unsigned n)
{
    char *want = alone(bundle, anchor);
    struct verify_report *r = merge(x, bundle, anchor, 1);
    assert_true(!wrong->many || strstr(want, "\"failure_count\": 1020") != NULL);
    if (r == NULL)
        fail_msg("%s, %u parts: %s", wrong->name, n, last_text);
    char *got = json_of(r);
    size_t at = 0, back;
    while (got[at] != '\0' && got[at] == want[at])
        at++;
    back = at < 300 ? at : 300;
    if (got[at] != want[at])
        fail_msg("%s, %u parts, %zu anchors: %.600s\n--- wanted:\n%.600s", wrong->name, n, chain_anchor_count,
                 got + at - back, want + at - back);
    free(got);
    free(want);
    verify_report_free(r);
}

static void test_wrong(void **state)
{
#define S "segments/s/00000000.zst"
#define S0 "segments/s0/00000000.zst"
#define S1 "segments/s1/00000000.zst"
    static const struct wrong list[] = {
        {.name = "more failures than are listed", .many = 1, .lists = 1, .garble = "leaves/s0"},
        {.name = "no segment of the first", .forget = {S}},
        {.name = "no segment of the second", .forget = {S0}, .twice = 1},
        {.name = "no segments", .forget = {S, S0, S1}},
        {.name = "pruned", .lists = 1, .forget = {S, S0, S1}},
        {.name = "pruned, and one twice", .lists = 1, .forget = {S, S0, S1}, .twice = 1},
        {.name = "pruned in part", .lists = 1, .forget = {S0}},
        {.name = "pruned, without ids", .lists = 1, .forget = {S0, "ids/s0"}},
        {.name = "pruned, other ids", .lists = 1, .forget = {S, S0}, .garble = "ids/s"},
        {.name = "other leaves", .lists = 1, .garble = "leaves/s"},
        {.name = "first broken", .garble = S},
        {.name = "second broken", .garble = S0, .twice = 1},
        {.name = "no tallies", .forget = {"tallies/s.cbor", "tallies/s1.cbor"}, .garble = "tallies/s0.cbor"},
        {.name = "headers and segment", .garble = "headers/s1.cbor", .forget = {S0}},
        {.name = "no snapshot", .forget = {"snapshot.cbor"}},
        {.name = "other snapshot", .garble = "snapshot.cbor"},
    };
#undef S
#undef S0
#undef S1
    struct fixture *x = *state;
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        char path[256], anchor[2 * HASH_LEN + 1], text[24][160];
        wrong = &list[i];
        snprintf(path, sizeof path, "%s/wrong", x->dir);
        tree_rm(path);
        struct lab *l = lab_build(path, do_wrong);
        hex_put(anchor, l->anchor.b, HASH_LEN);
        unsigned n = 1 + (unsigned)((i + 3) % 6);
        make(x, path, n);
        same_report(x, path, anchor, n);
        if (!wrong->many)
            all_anchors(l->chain.made, text);
        if (!wrong->many)
            same_report(x, path, anchor, n);
        chain_anchor_count = 0;
        lab_free(l);
    }
}

static void keep_duplicate(struct lab *l, enum lab_stage s)
{
    if (s == LAB_START)
        l->keep_duplicate = 1;
}

/* An id that is in exports of two parts, and counts in both. */
static void test_id_in_two_parts(void **state)
{
    struct fixture *x = *state;
    char path[256], anchor[2 * HASH_LEN + 1], ids[256];
    size_t len[2], common = 0;
    uint8_t *data[2];
    snprintf(path, sizeof path, "%s/twice", x->dir);
    struct lab *l = lab_build(path, keep_duplicate);
    hex_put(anchor, l->anchor.b, HASH_LEN);
    lab_free(l);
    make(x, path, 3);
    data[0] = get(name_of(x, 1, 3, ".ids", ids), &len[0]);
    data[1] = get(name_of(x, 2, 3, ".ids", ids), &len[1]);
    for (size_t i = 0; i < len[0]; i += PART_ENTRY_LEN)
        for (size_t k = 0; k < len[1]; k += PART_ENTRY_LEN)
            common += memcmp(data[0] + i, data[1] + k, HASH_LEN) == 0;
    assert_int_equal(common, 1);
    free(data[0]);
    free(data[1]);
    struct verify_report *r = merge(x, path, anchor, 1);
    assert_non_null(r);
    assert_int_equal(verdict_of(r, CHECK_R_DROPPED), VERIFY_FAIL);
    assert_int_equal(r->outcome[CHECK_R_DROPPED].failure[0].err, ERR_DUPLICATE);
    verify_report_free(r);
}

/* --- who says so --- */

static const enum verify_id of_exports[] = {
    CHECK_SIGNED, CHECK_BALLOTS, CHECK_IDS,       CHECK_ORDER,     CHECK_ROOT,
    CHECK_TALLY,  CHECK_R_SUMS,  CHECK_R_DROPPED, CHECK_R_SOURCES, CHECK_R_CORRECTIONS};

static void expect_unchecked(const struct fixture *x, const char *why)
{
    struct verify_report *r = merge(x, x->good, x->anchor, 0);
    if (r == NULL)
        fail_msg("%s", last_text);
    for (size_t i = 0; i < sizeof of_exports / sizeof *of_exports; i++) {
        assert_int_equal(verdict_of(r, of_exports[i]), VERIFY_NOT_CHECKED);
        if (strstr(r->outcome[of_exports[i]].reason, why) == NULL)
            fail_msg("%s", r->outcome[of_exports[i]].reason);
    }
    assert_int_equal(verdict_of(r, CHECK_FILES), VERIFY_PASS); /* hashed here instead */
    assert_int_equal(verify_exit_status(r), VERIFY_EXIT_UNCHECKED);
    verify_report_free(r);
}

static void test_missing(void **state)
{
    struct fixture *x = *state;
    char path[256];
    make_signed(x, 3);
    assert_int_equal(unlink(name_of(x, 2, 3, ".signed", path)), 0);
    expect_unchecked(x, "part 2 of 3: it is not here");
    assert_int_equal(unlink(name_of(x, 1, 3, ".signed", path)), 0);
    assert_int_equal(unlink(name_of(x, 3, 3, ".signed", path)), 0);
    expect_error(x, ERR_MISSING, "no partial report");
}

static void test_signers(void **state)
{
    struct fixture *x = *state;
    char path[256];
    size_t len;
    make_signed(x, 3);
    sign(x, 1, 2, 3, ".signed"); /* Bert is nobody */
    expect_unchecked(x, "part 2 of 3: others said so");
    uint8_t *data = get(name_of(x, 2, 3, ".part", path), &len);
    put(name_of(x, 2, 3, ".signed", path), data, len); /* unsigned under this name */
    expect_unchecked(x, "part 2 of 3: others said so");
    free(data);
    sign(x, 0, 2, 3, ".signed");
    data = get(name_of(x, 2, 3, ".signed", path), &len);
    data[len - 1] ^= 1;
    put(path, data, len);
    expect_unchecked(x, "part 2 of 3: its signature is not valid");
    free(data);
    struct part_signers nobody = {.count = 0}, known = x->signers;
    sign(x, 0, 2, 3, ".signed");
    x->signers = nobody;
    expect_unchecked(x, "part 1 of 3: others said so");
    x->signers = known;
}

static void test_list(void **state)
{
    struct fixture *x = *state;
    struct verify_parts *p;
    struct verify_parts_entry en;
    struct fault f;
    char *text;
    size_t len;
    make_signed(x, 2);
    sign(x, 1, 1, 2, ".bert.signed");
    sign(x, 0, 2, 2, ".again.signed"); /* another signature of the same */
    assert_int_equal(verify_parts_new(&p, x->good, &x->signers, &x->program, 0, &f), OK);
    assert_int_equal(verify_parts_add(p, x->parts, &f), OK);
    assert_int_equal(verify_parts_count(p), 4);
    verify_parts_entry(p, 0, &en); /* part-1-of-2.bert.signed */
    assert_int_equal(en.standing, PART_SIGNER_UNKNOWN);
    assert_false(en.is_used);
    verify_parts_entry(p, 1, &en);
    assert_int_equal(en.standing, PART_COUNTS);
    assert_string_equal(en.signer, "Anna");
    assert_true(en.is_used);
    verify_parts_entry(p, 2, &en);
    assert_true(en.is_used);
    verify_parts_entry(p, 3, &en);
    assert_false(en.is_used || en.is_disputed);
    FILE *out = open_memstream(&text, &len);
    assert_int_equal(verify_parts_print(out, p), OK);
    assert_int_equal(verify_parts_json(out, p), OK);
    assert_int_equal(fclose(out), 0);
    assert_non_null(strstr(text, "signed by Anna"));
    assert_non_null(strstr(text, "signer unknown"));
    assert_non_null(strstr(text, "the same as another report"));
    free(text);
    verify_parts_free(p);
}

/* --- reports that are wrong --- */

static void put_part(const char *path, const struct part *p)
{
    struct cbor_out out = CBOR_OUT_INIT;
    struct part_list findings = {.count = p->count}, shards = {.count = p->shard_count};
    struct fault f;
    for (size_t i = 0; i < p->count; i++)
        part_finding_put(&findings.bytes, &p->finding[i]);
    for (size_t i = 0; i < p->shard_count; i++)
        part_shard_put(&shards.bytes, &p->shard[i]);
    assert_int_equal(part_build(&out, &p->head, &findings, &shards, &f), OK);
    put(path, out.data, out.len);
    cbor_out_free(&out);
    cbor_out_free(&findings.bytes);
    cbor_out_free(&shards.bytes);
}

typedef void change_fn(struct part *p);

/* Part k of 3 says something else, and Anna signs it. Exports are in the first two, shards in the third. */
static void forge_part(const struct fixture *x, unsigned k, change_fn *change, const char *suffix)
{
    char path[256];
    struct cose c;
    struct part *p;
    struct fault f;
    size_t len;
    uint8_t *data = get(name_of(x, k, 3, ".part", path), &len);
    assert_int_equal(part_read(&p, &c, data, len, &f), OK);
    assert_int_equal(p->count, k == 2 ? 2 : 0);
    assert_int_equal(p->shard_count, k == 2 ? 0 : 3);
    change(p);
    put_part(path, p);
    sign(x, 0, k, 3, suffix);
    put(path, data, len);
    part_free(p);
    free(data);
}

static void forge(const struct fixture *x, change_fn *change, const char *suffix)
{
    forge_part(x, 2, change, suffix);
}

static void nothing(struct part *p)
{
    (void)p;
}
static void other_bundle(struct part *p)
{
    p->head.bundle.b[0] ^= 1;
}
static void other_program(struct part *p)
{
    p->head.program.b[0] ^= 1;
}
static void other_count(struct part *p)
{
    p->head.n = 4;
}
static void other_number(struct part *p)
{
    p->head.k = 1;
}
static void third(struct part *p)
{
    p->head.k = 3;
}
static void other_election(struct part *p)
{
    p->head.election.b[5] ^= 1;
}
static void other_ceremony(struct part *p)
{
    p->head.record.b[5] ^= 1;
}
static void other_record(struct part *p)
{
    p->finding[0].record.b[9] ^= 1;
}
static void other_place(struct part *p)
{
    snprintf(p->finding[0].place, sizeof p->finding[0].place, "nowhere");
}
static void more_items(struct part *p)
{
    p->finding[0].items++;
}
static void more_ids(struct part *p)
{
    p->head.id_count++;
}
static void other_file(struct part *p)
{
    p->finding[0].file.b[3] ^= 1;
}

static void test_forged(void **state)
{
    struct fixture *x = *state;
    static const struct {
        change_fn *change;
        err_t e;
        const char *text;
    } bad[] = {
        {other_bundle, ERR_HASH, "another bundle"},
        {other_program, ERR_VERSION, "another program"},
        {other_count, ERR_MISMATCH, "others are of"},
        {other_election, ERR_ELECTION, "another election"},
        {other_ceremony, ERR_ELECTION, "another election"},
        {other_record, ERR_HASH, "another record"},
        {other_place, ERR_MISMATCH, "part 2 says nothing"},
        {more_ids, ERR_SUM, "number of ballot ids"},
    };
    make_signed(x, 3);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        forge(x, bad[i].change, ".signed");
        expect_error(x, bad[i].e, bad[i].text);
    }
    forge(x, other_file, ".signed"); /* its hash is not that of SHA256SUMS */
    struct verify_report *r = merge(x, x->good, x->anchor, 0);
    assert_non_null(r);
    assert_int_equal(verdict_of(r, CHECK_FILES), VERIFY_FAIL);
    verify_report_free(r);
    forge(x, nothing, ".signed");
    r = merge(x, x->good, x->anchor, 0);
    assert_non_null(r);
    assert_int_equal(verify_verdict(r), VERIFY_PASS);
    verify_report_free(r);
}

static void other_snapshot(struct part *p)
{
    p->shard[1].snapshot.b[0] ^= 1;
}
static void other_headers(struct part *p)
{
    p->shard[2].headers.b[31] ^= 1;
}
static void other_records(struct part *p)
{
    p->shard[0].records.b[7] ^= 1;
}
static void other_shard(struct part *p)
{
    snprintf(p->shard[2].shard, sizeof p->shard[2].shard, "111");
}
static void other_chain(struct part *p)
{
    snprintf(p->shard[2].chain, sizeof p->shard[2].chain, "other");
}
static void same_shard(struct part *p)
{
    snprintf(p->shard[2].shard, sizeof p->shard[2].shard, "%s", p->shard[1].shard);
}
static void bad_name(struct part *p)
{
    snprintf(p->shard[2].shard, sizeof p->shard[2].shard, "12");
}
static void shard_ids(struct part *p)
{
    p->shard[0].ids++;
}
static void files_unsorted(struct part *p)
{
    struct part_shard *s = &p->shard[0];
    s->file = realloc(s->file, 2 * sizeof *s->file);
    assert_non_null(s->file);
    s->file[1] = s->file[0];
    s->file[1].name = strdup(s->file[0].name);
    s->file_count = 2;
}
static void foreign_check(struct part *p)
{
    static struct part_found found = {.check = CHECK_BALLOTS, .failure_count = 1};
    p->shard[0].found_count = 1;
    free(p->shard[0].found);
    p->shard[0].found = calloc(1, sizeof found);
    *p->shard[0].found = found;
}
static void foreign_reason(struct part *p)
{
    struct part_reason *x = calloc(1, sizeof *x);
    assert_non_null(x);
    x->check = CHECK_BALLOTS;
    x->text = strdup("none");
    p->shard[0].reason = x;
    p->shard[0].reason_count = 1;
}
static void reason_empty(struct part *p)
{
    foreign_reason(p);
    p->shard[0].reason[0].text[0] = '\0';
}
static void other_segment(struct part *p)
{
    struct part_shard *s = &p->shard[0];
    s->file[s->file_count - 1].hash.b[0] ^= 1;
}
static void fewer_proved(struct part *p)
{
    p->shard[1].proved--;
}
static void more_pruned(struct part *p)
{
    p->shard[1].pruned++;
}
static void none_proved(struct part *p)
{
    p->shard[2].proved = 0;
}
static void many_proved(struct part *p)
{
    foreign_check(p); /* whatever else is found */
    p->shard[0].found[0].check = CHECK_C_TREES;
    p->shard[0].proved = CHAIN_BALLOTS_MAX;
}
/* The one ballot that is left out. */
static struct part_left *left_of(struct part *p)
{
    for (size_t i = 0; i < p->shard_count; i++)
        if (p->shard[i].left_count)
            return &p->shard[i].left[0];
    fail_msg("no ballot is left out");
    return NULL;
}
static void left_elsewhere(struct part *p)
{
    left_of(p)->at = PART_AT_MAX;
}
static void other_leaf(struct part *p)
{
    left_of(p)->leaf[0] ^= 1;
}
static void nothing_left(struct part *p)
{
    for (size_t i = 0; i < p->shard_count; i++)
        p->shard[i].left_count = 0;
}
static void tree_is_bad(struct part *p)
{
    foreign_check(p);
    p->shard[0].found[0].check = CHECK_C_TREES;
}
static void tree_unchecked(struct part *p)
{
    foreign_reason(p);
    p->shard[0].reason[0].check = CHECK_C_TREES;
}

/* Roots that were printed elsewhere are compared while merging, also inside of blocks. */
static void test_anchors(void **state)
{
    struct fixture *x = *state;
    const struct chain_snapshot *s = x->l->chain.made;
    make_signed(x, 3);
    for (size_t i = 0; i < s->shard_count; i++)
        for (uint64_t size = 1; size <= s->shard[i].size + 1; size++) {
            char text[128], root[2 * HASH_LEN + 1];
            hex_put(root, s->shard[i].root.b, HASH_LEN); /* right at the end only */
            snprintf(text, sizeof text, "net:%s:%llu:%s", s->shard[i].name.s, (unsigned long long)size, root);
            chain_anchor[0] = text;
            chain_anchor_count = 1;
            char *want = alone(x->good, x->anchor);
            struct verify_report *r = merge(x, x->good, x->anchor, 0);
            chain_anchor_count = 0;
            assert_non_null(r);
            assert_int_equal(verdict_of(r, CHECK_C_ANCHOR),
                             size == s->shard[i].size ? VERIFY_PASS : VERIFY_FAIL);
            char *got = json_of(r);
            assert_string_equal(got, want);
            free(got);
            free(want);
            verify_report_free(r);
        }
}

/* What a report says of shards. */
static void test_forged_shards(void **state)
{
    struct fixture *x = *state;
    static const struct {
        change_fn *change;
        err_t e;
        const char *text;
    } bad[] = {
        {other_snapshot, ERR_HASH, "another snapshot"},
        {other_headers, ERR_HASH, "other headers"},
        {other_records, ERR_HASH, "other records"},
        {other_shard, ERR_MISMATCH, "part 3 says nothing of shard s"},
        {other_chain, ERR_MISMATCH, "part 3 says nothing of shard s"},
        {same_shard, ERR_DUPLICATE, "is in part 3 and in part 3"},
        {bad_name, ERR_FORMAT, ""},
        {shard_ids, ERR_SUM, "number of ballot ids"},
        {files_unsorted, ERR_CANONICAL, ""},
        {fewer_proved, ERR_SUM, "ballots of shard s"},
        {more_pruned, ERR_SUM, "ballots of shard s"},
        {none_proved, ERR_SUM, "looked at 0 ballots of shard s"},
        {many_proved, ERR_SUM, "ballots of shard s"},
        {left_elsewhere, ERR_MISMATCH, "is not in it"},
        {foreign_check, ERR_RULE, "not of chains"},
        {foreign_reason, ERR_RULE, "not of chains"},
        {reason_empty, ERR_LIMIT, ""},
    };
    static const struct {
        change_fn *change;
        enum verify_id check;
        enum verify_verdict verdict;
    } said[] = {
        {nothing, CHECK_C_TREES, VERIFY_PASS},          {other_segment, CHECK_FILES, VERIFY_FAIL},
        {other_leaf, CHECK_R_SUMS, VERIFY_NOT_CHECKED}, {nothing_left, CHECK_R_DROPPED, VERIFY_FAIL},
        {tree_is_bad, CHECK_C_TREES, VERIFY_FAIL},      {tree_unchecked, CHECK_C_TREES, VERIFY_NOT_CHECKED},
    };
    make_signed(x, 3);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        forge_part(x, 3, bad[i].change, ".signed");
        expect_error(x, bad[i].e, bad[i].text);
    }
    for (size_t i = 0; i < sizeof said / sizeof *said; i++) {
        forge_part(x, 3, said[i].change, ".signed");
        struct verify_report *r = merge(x, x->good, x->anchor, 0);
        if (r == NULL)
            fail_msg("%s", last_text);
        assert_int_equal(verdict_of(r, said[i].check), said[i].verdict);
        assert_int_equal(verify_verdict(r), said[i].verdict);
        verify_report_free(r);
    }
}

/* A shard that nobody looked at: what is about its ballots is not checked, all else is. */
static void test_missing_shards(void **state)
{
    struct fixture *x = *state;
    static const enum verify_id unlooked[] = {CHECK_C_FORM,  CHECK_C_BALLOTS, CHECK_C_ORDER, CHECK_C_TREES,
                                              CHECK_C_TALLY, CHECK_C_IDS,     CHECK_R_SUMS,  CHECK_R_DROPPED};
    static const enum verify_id looked[] = {CHECK_FILES,   CHECK_C_QUORUM, CHECK_C_HEADERS, CHECK_SIGNED,
                                            CHECK_BALLOTS, CHECK_ORDER,    CHECK_R_SOURCES};
    char path[256];
    make_signed(x, 3);
    assert_int_equal(unlink(name_of(x, 3, 3, ".signed", path)), 0);
    struct verify_report *r = merge(x, x->good, x->anchor, 0);
    if (r == NULL)
        fail_msg("%s", last_text);
    for (size_t i = 0; i < sizeof unlooked / sizeof *unlooked; i++) {
        assert_int_equal(verdict_of(r, unlooked[i]), VERIFY_NOT_CHECKED);
        assert_non_null(strstr(r->outcome[unlooked[i]].reason, "chain net: part 3 of 3: it is not here"));
    }
    for (size_t i = 0; i < sizeof looked / sizeof *looked; i++)
        assert_int_equal(verdict_of(r, looked[i]), VERIFY_PASS);
    assert_int_equal(verify_exit_status(r), VERIFY_EXIT_UNCHECKED);
    verify_report_free(r);
}

/* One part under the number of another. */
static void test_swapped(void **state)
{
    struct fixture *x = *state;
    char path[256], ids[256];
    make_signed(x, 3);
    forge(x, other_number, ".signed"); /* 2 as 1, beside the real 1: they differ */
    struct verify_report *r = merge(x, x->good, x->anchor, 0);
    assert_non_null(r);
    assert_int_equal(verdict_of(r, CHECK_BALLOTS), VERIFY_FAIL);
    verify_report_free(r);
    assert_int_equal(unlink(name_of(x, 1, 3, ".signed", path)), 0);
    expect_error(x, ERR_MISMATCH, "part");
    make_signed(x, 3);
    forge(x, third, ".signed");
    assert_int_equal(unlink(name_of(x, 3, 3, ".signed", path)), 0);
    expect_error(x, ERR_MISMATCH, "part");
    make_signed(x, 3); /* the ids of one as those of the other */
    assert_int_equal(rename(name_of(x, 1, 3, ".ids", path), name_of(x, 3, 3, ".ids", ids)), 0);
    expect_error(x, ERR_MISSING, "part-1-of-3.ids");
    make_signed(x, 3);
    assert_int_equal(rename(name_of(x, 3, 3, ".ids", path), name_of(x, 1, 3, ".ids", ids)), 0);
    expect_error(x, ERR_TRAILING, "part-1-of-3.ids");
}

static void test_disputed(void **state)
{
    struct fixture *x = *state;
    for (int round = 0; round < 2; round++) {
        make_signed(x, 3);
        forge(x, more_items, ".other.signed");
        struct part_signers known = x->signers, both = {.count = 2};
        both.signer = calloc(2, sizeof *both.signer);
        both.signer[0] = known.signer[0];
        both.signer[1].key = signkey_signer(x->key[1])->key;
        cose_kid(&both.signer[1].kid, &both.signer[1].key);
        snprintf(both.signer[1].name, sizeof both.signer[1].name, "Bert");
        if (round == 1) { /* two people */
            x->signers = both;
            sign(x, 1, 2, 3, ".signed");
        }
        struct verify_report *r = merge(x, x->good, x->anchor, 0);
        assert_non_null(r);
        const struct verify_outcome *o = &r->outcome[CHECK_BALLOTS];
        assert_int_equal(o->verdict, VERIFY_FAIL);
        assert_int_equal(o->failure[0].err, round == 0 ? ERR_EQUIVOCATION : ERR_CONFLICT);
        assert_non_null(strstr(o->failure[0].detail, "part 2 of 3: two reports differ"));
        assert_int_equal(verdict_of(r, CHECK_IDS), VERIFY_NOT_CHECKED);
        assert_int_equal(verify_exit_status(r), VERIFY_EXIT_FAILED);
        verify_report_free(r);
        x->signers = known;
        free(both.signer);
    }
}

static void test_bytes(void **state)
{
    struct fixture *x = *state;
    char path[256];
    size_t len;
    struct cose c;
    struct part *p;
    struct fault f;
    make(x, x->good, 1);
    uint8_t *data = get(name_of(x, 1, 1, ".part", path), &len);
    for (size_t i = 0; i < len; i++) {
        assert_int_not_equal(part_read(&p, &c, data, i, &f), OK);
        assert_null(p);
        data[i] ^= 0x80;
        if (part_read(&p, &c, data, len, &f) == OK)
            part_free(p);
        data[i] ^= 0x80;
    }
    assert_int_equal(part_read(&p, &c, data, len, &f), OK);
    part_free(p);
    free(data);
}

/* A count of findings that cannot fit into what follows is refused before memory for them is asked for. */
static void test_count_that_cannot_be(void **state)
{
    struct fixture *x = *state;
    char path[256];
    size_t len;
    struct cose c;
    struct part *p;
    struct fault f;
    struct cbor_out o = CBOR_OUT_INIT;
    struct part_list none = {0}, rest = {.count = (1 << 16) / 64};
    static const uint8_t zeros[1 << 16];
    make(x, x->good, 1);
    uint8_t *data = get(name_of(x, 1, 1, ".part", path), &len);
    assert_int_equal(part_read(&p, &c, data, len, &f), OK);
    cbor_put_raw(&rest.bytes, zeros, sizeof zeros);
    struct part_head head = p->head;
    part_free(p);
    for (int shards = 0; shards < 2; shards++) {
        assert_int_equal(part_build(&o, &head, shards ? &none : &rest, shards ? &rest : &none, &f), OK);
        assert_int_equal(part_read(&p, &c, o.data, o.len, &f), ERR_TRUNCATED);
        assert_null(p);
        cbor_out_free(&o);
    }
    cbor_out_free(&rest.bytes);
    free(data);
}

static err_t read_findings(const struct part_finding *finding, size_t count)
{
    struct part_head head = {.k = 1, .n = 1, .version = "1"};
    struct cbor_out o = CBOR_OUT_INIT;
    struct part_list list = {.count = count}, none = {0};
    struct cose c;
    struct part *p;
    struct fault f;
    for (size_t i = 0; i < count; i++)
        part_finding_put(&list.bytes, &finding[i]);
    assert_int_equal(part_build(&o, &head, &list, &none, &f), OK);
    err_t e = part_read(&p, &c, o.data, o.len, &f);
    assert_int_equal(e == OK, p != NULL);
    part_free(p);
    cbor_out_free(&o);
    cbor_out_free(&list.bytes);
    return e;
}

/* Of one check a report lists what a whole run keeps, over all findings: small items that need much memory
 * do not come in any number. */
static void test_lists_that_are_too_long(void **state)
{
    static struct verify_failure failure[VERIFY_KEPT_MAX];
    static char *note[VERIFY_KEPT_MAX];
    struct part_found found[2][2] = {{{.check = CHECK_BALLOTS}, {.check = CHECK_TALLY}},
                                     {{.check = CHECK_BALLOTS}, {.check = CHECK_TALLY}}};
    struct part_finding finding[2] = {{.place = "a", .found_count = 2, .found = found[0]},
                                      {.place = "b", .found_count = 2, .found = found[1]}};
    (void)state;
    for (size_t i = 0; i < VERIFY_KEPT_MAX; i++) {
        failure[i].err = ERR_PROOF;
        note[i] = "";
    }
    for (size_t i = 0; i < 2; i++)
        for (size_t k = 0; k < 2; k++) {
            struct part_found *o = &found[i][k];
            o->failure = failure;
            o->note = note;
            o->failure_count = o->failure_kept = o->note_count = VERIFY_KEPT_MAX / 2;
        }
    assert_int_equal(read_findings(finding, 2), OK);
    found[1][0].failure_count = ++found[1][0].failure_kept;
    assert_int_equal(read_findings(finding, 2), ERR_LIMIT);
    found[1][0].failure_kept--;
    assert_int_equal(read_findings(finding, 2), OK); /* more may be counted */
    found[1][1].note_count++;
    assert_int_equal(read_findings(finding, 2), ERR_LIMIT);
    found[1][1].note_count--;
    found[1][1].check = CHECK_BALLOTS;
    assert_int_equal(read_findings(finding, 2), ERR_CANONICAL);
    found[1][0].check = CHECK_TALLY;
    assert_int_equal(read_findings(finding, 2), ERR_CANONICAL);
}

/* --- the ids --- */

static void entry(uint8_t out[PART_ENTRY_LEN], uint64_t id, uint32_t place)
{
    id = htobe64(id);
    place = htobe32(place);
    memset(out, 0, PART_ENTRY_LEN);
    memcpy(out, &id, 8);
    memcpy(out + HASH_LEN, &place, 4);
}

/* A file of ids 3i + add of this place, as part k of n. */
static void put_ids(const struct fixture *x, struct part_head *h, unsigned k, unsigned n, size_t count,
                    uint64_t step, uint64_t add)
{
    char path[256];
    uint8_t *data = malloc(count * PART_ENTRY_LEN + 1);
    assert_non_null(data);
    for (size_t i = 0; i < count; i++)
        entry(data + i * PART_ENTRY_LEN, step * i + add, k);
    put(name_of(x, k, n, ".ids", path), data, count * PART_ENTRY_LEN);
    *h = (struct part_head){.k = k, .n = n, .id_count = count};
    hash_one(&h->ids, data, count * PART_ENTRY_LEN);
    free(data);
}

static uint64_t id_of(const struct part_id *p)
{
    uint64_t v;
    memcpy(&v, p->id.b, 8);
    return be64toh(v);
}

/* Longer than a block, in different lengths, one of them empty. */
static void test_ids_merged(void **state)
{
    struct fixture *x = *state;
    static const struct {
        size_t count;
        uint64_t step, add;
    } file[] = {{100000, 2, 0}, {70001, 3, 1}, {0, 1, 0}, {5, 100000, 7}};
    struct part_head h;
    struct part_ids *s;
    struct part_id *next, before = {.k = 0};
    struct fault f;
    char path[256];
    size_t count[5] = {0}, twice = 0, want = 0;
    tree_rm(x->parts);
    assert_int_equal(mkdir(x->parts, 0755), 0);
    assert_int_equal(part_ids_new(&s, &f), OK);
    for (unsigned k = 1; k <= 4; k++) {
        put_ids(x, &h, k, 4, file[k - 1].count, file[k - 1].step, file[k - 1].add);
        assert_int_equal(part_ids_add(s, name_of(x, k, 4, ".part", path), &h, &f), OK);
    }
    for (;;) {
        assert_int_equal(part_ids_peek(s, &next, &f), OK);
        if (next == NULL)
            break;
        assert_true(before.k == 0 || hash_cmp(&before.id, &next->id) <= 0);
        assert_int_equal(next->place, next->k);
        assert_int_equal((id_of(next) - file[next->k - 1].add) % file[next->k - 1].step, 0);
        twice += before.k != 0 && hash_cmp(&before.id, &next->id) == 0;
        count[next->k]++;
        before = *next;
        assert_int_equal(part_ids_step(s, &f), OK);
    }
    for (unsigned k = 1; k <= 4; k++)
        assert_int_equal(count[k], file[k - 1].count);
    for (uint64_t v = 0; v < 500000; v++) {
        size_t n = 0;
        for (unsigned k = 0; k < 4; k++)
            n += v >= file[k].add && (v - file[k].add) % file[k].step == 0 &&
                 (v - file[k].add) / file[k].step < file[k].count;
        want += n > 1 ? n - 1 : 0;
    }
    assert_true(want > 1000);
    assert_int_equal(twice, want);
    part_ids_free(s);
}

/* Reads all of one file. */
static err_t read_ids(const struct fixture *x, const struct part_head *h)
{
    struct part_ids *s;
    struct part_id *next;
    struct fault f;
    char path[256];
    assert_int_equal(part_ids_new(&s, &f), OK);
    assert_int_equal(part_ids_add(s, name_of(x, h->k, h->n, ".part", path), h, &f), OK);
    err_t e = OK;
    while (e == OK) {
        e = part_ids_peek(s, &next, &f);
        if (e != OK || next == NULL)
            break;
        e = part_ids_step(s, &f);
    }
    part_ids_free(s);
    return e;
}

static void test_ids_bad(void **state)
{
    struct fixture *x = *state;
    struct part_head h;
    char path[256];
    size_t len;
    tree_rm(x->parts);
    assert_int_equal(mkdir(x->parts, 0755), 0);
    put_ids(x, &h, 1, 1, 50, 2, 0);
    assert_int_equal(read_ids(x, &h), OK);
    uint8_t *data = get(name_of(x, 1, 1, ".ids", path), &len), t[PART_ENTRY_LEN];
    put(path, data, len - 1);
    assert_int_equal(read_ids(x, &h), ERR_TRUNCATED);
    put(path, data, len - PART_ENTRY_LEN);
    assert_int_equal(read_ids(x, &h), ERR_TRUNCATED);
    h.id_count--;
    put(path, data, len);
    assert_int_equal(read_ids(x, &h), ERR_TRAILING);
    h.id_count++;
    data[len - 9] ^= 1; /* another place */
    put(path, data, len);
    assert_int_equal(read_ids(x, &h), ERR_HASH);
    data[len - 1] ^= 1;
    memcpy(t, data, PART_ENTRY_LEN);
    memcpy(data, data + PART_ENTRY_LEN, PART_ENTRY_LEN);
    memcpy(data + PART_ENTRY_LEN, t, PART_ENTRY_LEN);
    put(path, data, len);
    assert_int_equal(read_ids(x, &h), ERR_HASH);
    hash_one(&h.ids, data, len); /* signed like that */
    assert_int_equal(read_ids(x, &h), ERR_CANONICAL);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(read_ids(x, &h), ERR_MISSING);
    free(data);
}

/* Ids of another part's exports, with their hash in the report. */
static void test_ids_of_others(void **state)
{
    struct fixture *x = *state;
    char path[256];
    size_t len;
    struct cose c;
    struct part *p;
    struct fault f;
    make_signed(x, 3);
    uint8_t *data = get(name_of(x, 2, 3, ".part", path), &len);
    assert_int_equal(part_read(&p, &c, data, len, &f), OK);
    free(data);
    data = get(name_of(x, 2, 3, ".ids", path), &len);
    for (int i = 0; i < 4;
         i++) { /* a place, a chain, a number of another part's shard, a chain that is none */
        static const uint8_t what[][PART_ENTRY_LEN - HASH_LEN] = {
            {0xff}, {0, 0, 0, 0, 0, 1}, {0, 0, 0, 0, 0, 1, 0xff}, {0, 0, 0, 0, 0xff, 0xff}};
        char ids[256];
        for (size_t k = 0; k < sizeof what[i]; k++)
            data[HASH_LEN + k] ^= what[i][k];
        put(name_of(x, 2, 3, ".ids", ids), data, len);
        hash_one(&p->head.ids, data, len);
        put_part(name_of(x, 2, 3, ".part", path), p);
        sign(x, 0, 2, 3, ".signed");
        expect_error(x, ERR_MISMATCH, "of other exports or shards than its own");
        for (size_t k = 0; k < sizeof what[i]; k++)
            data[HASH_LEN + k] ^= what[i][k];
    }
    part_free(p);
    free(data);
}

struct sorted {
    hash_t last;
    uint64_t count, same;
};

static err_t on_sorted(void *ctx, const struct id_copy *copy, int first, struct fault *f)
{
    struct sorted *s = ctx;
    (void)f;
    int c = s->count ? hash_cmp(&s->last, &copy->id) : -1;
    assert_true(c <= 0);
    assert_int_equal(first, c < 0);
    s->same += c == 0;
    s->count++;
    s->last = copy->id;
    return OK;
}

/* All of them, in order, whether they fit into memory or not. */
static void test_sorted(void **state)
{
    static const size_t counts[] = {0, 1, 40, 20000, 400000};
    (void)state;
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        struct id_sort *s;
        struct fault f;
        struct sorted got = {.count = 0};
        hash_t id;
        assert_int_equal(id_sort_new(&s, 1), OK);
        for (size_t k = 0; k < counts[i]; k++) {
            if (k % 10 != 9) /* each tenth as the one before */
                hash_one(&id, &k, sizeof k);
            assert_int_equal(id_sort_add(s, &id, 7, 0, &f), OK);
        }
        assert_int_equal(id_sort_each(s, on_sorted, &got, &f), OK);
        assert_int_equal(got.count, counts[i]);
        assert_int_equal(got.same, counts[i] / 10);
        id_sort_free(s);
    }
}

/* --- small things --- */

static void test_numbers(void **state)
{
    static const char *const bad[] = {
        "",     "1",    "/3",      "0/3",  "4/3",  "1/0",  "1/3x", "a/3",
        "1//3", "-1/3", "1/65537", "01/3", "1/03", " 1/3", "1/3 ", "1/99999999999999999999"};
    unsigned k, n;
    struct fault f;
    (void)state;
    assert_int_equal(part_parse_number(&k, &n, "2/17", &f), OK);
    assert_int_equal(k, 2);
    assert_int_equal(n, 17);
    assert_int_equal(part_parse_number(&k, &n, "65536/65536", &f), OK);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(part_parse_number(&k, &n, bad[i], &f), ERR_USAGE);
}

static void test_signers_file(void **state)
{
    struct fixture *x = *state;
    struct part_signers s;
    struct fault f;
    char path[256], hex[2 * POINT_LEN + 1], text[512];
    snprintf(path, sizeof path, "%s/list", x->dir);
    hex_put(hex, x->signers.signer[0].key.b, POINT_LEN);
    put(path, "# nobody\n", 9);
    assert_int_equal(part_signers_read(&s, path, &f), ERR_FORMAT);
    snprintf(text, sizeof text, "%s Anna\n%s\n", hex, hex);
    put(path, text, strlen(text));
    assert_int_equal(part_signers_read(&s, path, &f), ERR_DUPLICATE);
    assert_int_equal(f.at, 2);
    snprintf(text, sizeof text, "%s A\033na\n", hex);
    put(path, text, strlen(text));
    assert_int_equal(part_signers_read(&s, path, &f), ERR_TEXT);
    put(path, text, 20);
    assert_int_equal(part_signers_read(&s, path, &f), ERR_FORMAT);
    snprintf(text, sizeof text, "%s\r\n", hex);
    put(path, text, strlen(text));
    assert_int_equal(part_signers_read(&s, path, &f), OK);
    assert_string_equal(s.signer[0].name, hex);
    part_signers_free(&s);
    text[strlen(text) + 1] = 'x'; /* behind a zero */
    put(path, text, strlen(text) + 2);
    assert_int_equal(part_signers_read(&s, path, &f), ERR_TEXT);
}

/* What was made by another program, or of another bundle, is made again. */
static void test_ready(void **state)
{
    struct fixture *x = *state;
    static change_fn *const change[] = {other_bundle, other_program, other_count, other_election, third};
    const struct verify_options o = {.threads = 1};
    struct verify_part_run *r;
    struct fault f;
    char path[256];
    size_t len;
    int ready;
    make(x, x->good, 3);
    uint8_t *data = get(name_of(x, 2, 3, ".part", path), &len);
    assert_int_equal(verify_part_open(&r, x->good, &o, &f), OK);
    for (size_t i = 0; i < sizeof change / sizeof *change; i++) {
        struct cose c;
        struct part *p;
        assert_int_equal(part_read(&p, &c, data, len, &f), OK);
        change[i](p);
        put_part(path, p);
        part_free(p);
        assert_int_equal(verify_part_ready(r, x->parts, 2, 3, &ready, &f), OK);
        assert_false(ready);
    }
    put(path, data, len);
    assert_int_equal(verify_part_ready(r, x->parts, 2, 3, &ready, &f), OK);
    assert_true(ready);
    put(name_of(x, 2, 3, ".ids", path), data, 10);
    assert_int_equal(verify_part_ready(r, x->parts, 2, 3, &ready, &f), OK);
    assert_false(ready);
    uint64_t exports[5], bytes[5], all = 0;
    verify_part_sizes(r, 5, exports, bytes);
    for (int i = 0; i < 5; i++)
        all += exports[i];
    assert_int_equal(all, 6);
    assert_int_equal(verify_part_make(r, x->parts, 4, 3, NULL, &f), ERR_USAGE);
    verify_part_close(r);
    free(data);
    /* Without a good record there are no parts. */
    char bundle[256], record[300];
    snprintf(bundle, sizeof bundle, "%s/broken", x->dir);
    lab_free(lab_build(bundle, NULL));
    snprintf(record, sizeof record, "%s/record.cbor", bundle);
    put(record, "x", 1);
    assert_int_equal(verify_part_open(&r, bundle, &o, &f), ERR_UNVERIFIED);
}

/* Files with holes pretend to any length: what they weigh stays a number, and everything is in a part. */
static void test_wide(void **state)
{
    char dir[] = "/dev/shm/conclave-parts-XXXXXX", bundle[64], path[128];
    static const char *const name[] = {"exports/a1.cexp", "exports/a2.cexp",
                                       LAB_CHAIN_DIR "/segments/s0/00000000.zst"};
    const struct verify_options o = {.threads = 1};
    uint64_t items[5], bytes[5], all = 0;
    struct verify_part_run *r;
    struct fault f;
    int wide = 1;
    (void)state;
    if (mkdtemp(dir) == NULL)
        skip(); /* only there can files be as long */
    snprintf(bundle, sizeof bundle, "%s/bundle", dir);
    lab_free(lab_build(bundle, NULL));
    for (size_t i = 0; i < sizeof name / sizeof *name; i++) {
        snprintf(path, sizeof path, "%s/%s", bundle, name[i]);
        wide = wide && truncate(path, INT64_MAX) == 0;
    }
    if (wide) {
        assert_int_equal(verify_part_open(&r, bundle, &o, &f), OK);
        verify_part_sizes(r, 5, items, bytes);
        verify_part_close(r);
        for (int i = 0; i < 5; i++)
            all += items[i];
        assert_int_equal(all, 6);
    }
    tree_rm(dir);
    if (!wide)
        skip();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same),
        cmocka_unit_test(test_mutants),
        cmocka_unit_test(test_id_in_two_parts),
        cmocka_unit_test(test_missing),
        cmocka_unit_test(test_stopped),
        cmocka_unit_test(test_chains),
        cmocka_unit_test(test_wrong),
        cmocka_unit_test(test_signers),
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_forged),
        cmocka_unit_test(test_forged_shards),
        cmocka_unit_test(test_missing_shards),
        cmocka_unit_test(test_anchors),
        cmocka_unit_test(test_swapped),
        cmocka_unit_test(test_disputed),
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_count_that_cannot_be),
        cmocka_unit_test(test_lists_that_are_too_long),
        cmocka_unit_test(test_ids_merged),
        cmocka_unit_test(test_ids_bad),
        cmocka_unit_test(test_ids_of_others),
        cmocka_unit_test(test_sorted),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_signers_file),
        cmocka_unit_test(test_ready),
        cmocka_unit_test(test_wide),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
