/* Exports of voting chains on a medium: what is found, refused, gone on with; that what arrives is what was
 * there, and that nobody takes half of one for a chain. */
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "appliance/carry.h"
#include "ceremony/base/file.h"
#include "ceremony/base/secret.h"
#include "tally/chain_verify.h"
#include "tests/mutants/mutants.h"
#include "tests/support/tree.h"
#include "tests/support/unit.h"

static char dir[64];
static struct lab *lab;
static struct bundle_election *el;
static struct fault f;
static struct carry c;

static const char *at(const char *name)
{
    static char path[8][300];
    static unsigned turn;
    char *p = path[turn++ % 8];
    assert_true(snprintf(p, sizeof path[0], "%s/%s", dir, name) < (int)sizeof path[0]);
    return p;
}

static void sh(const char *command)
{
    char line[2048];
    snprintf(line, sizeof line, "cd %s && %s", dir, command);
    if (system(line) != 0)
        fail_msg("%s", command);
}

static void with_lists(struct lab *l, enum lab_stage s)
{
    if (s == LAB_CHAIN)
        l->chain.lists = 1;
}

static int setup(void **state)
{
    (void)state;
    assert_int_equal(secret_init(), OK);
    snprintf(dir, sizeof dir, "/tmp/conclave-carry-XXXXXX");
    assert_non_null(mkdtemp(dir));
    lab = lab_build(at("bundle"), with_lists);
    assert_err(bundle_election_load(&el, at("bundle"), 1, &f), OK);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    carry_free(&c);
    bundle_election_free(el);
    lab_free(lab);
    tree_rm(dir);
    return 0;
}

/* A medium with the chain in a folder "net", beside something else; an empty office. */
static void fresh(void)
{
    sh("rm -rf stick office && mkdir -p stick/some/where office && cp -r bundle/" LAB_CHAIN_DIR
       " stick/some/where/net && echo hello >stick/letter.txt");
}

static void look(void)
{
    carry_free(&c);
    assert_err(carry_find(&c, at("stick"), el, &f), OK);
    assert_err(carry_check(&c, at("office"), el, NULL, NULL, &f), OK);
}

static err_t take(struct carry_report *report)
{
    return carry_copy(report, &c, at("office"), el, NULL, NULL, &f);
}

static size_t count(enum carry_state state, err_t e)
{
    size_t n = 0;
    for (size_t i = 0; i < c.count; i++)
        n += c.item[i].kind == CARRY_CHAIN && c.item[i].state == state &&
             (state != CARRY_REFUSED || c.item[i].fault->err == e);
    return n;
}

/* In and, from there, out again: the same files; then nothing is new. The copy is a good chain. */
static void test_there_and_back(void **state)
{
    (void)state;
    struct carry_report report;
    struct chain_report *r;
    struct chain_context ctx;
    struct carry_paths p = {.exports = at("office/exports")};
    static const struct chain_verify_options o = {.threads = 1};
    char exports[300];
    fresh();
    look();
    assert_true(c.count > 15);
    assert_int_equal(count(CARRY_NEW, OK), c.count);
    sh("[ -z \"$(ls office)\" ]");
    assert_err(take(&report), OK);
    assert_int_equal(report.copied, c.count);
    sh("diff -r stick/some/where/net office/exports/net && [ -z \"$(find office -name '.tmp*')\" ]");
    look();
    assert_int_equal(count(CARRY_KNOWN, OK), c.count);
    chain_context_init(&ctx, &el->ctx, 0);
    assert_err(chain_verify(&r, &ctx, at("office/exports/net"), &o, &f), OK);
    assert_int_equal(chain_report_verdict(r) == VERIFY_FAIL, 0);
    assert_true(r->proved > 0);
    chain_report_free(r);
    sh("mkdir stick/e");
    snprintf(exports, sizeof exports, "%s", at("office/exports"));
    p.exports = exports;
    carry_free(&c);
    assert_err(carry_gather(&c, &p, UINT32_C(1) << CARRY_CHAIN, el, &f), OK);
    assert_err(carry_check(&c, at("stick/e"), el, NULL, NULL, &f), OK);
    assert_err(carry_copy(&report, &c, at("stick/e"), el, NULL, NULL, &f), OK);
    sh("diff -r stick/some/where/net stick/e/exports/net");
    carry_free(&c);
    assert_err(carry_gather(&c, &p, UINT32_C(1) << CARRY_EXPORT, el, &f), OK);
    assert_int_equal(c.count, 0); /* not asked for */
}

/* A published bundle goes with its chains, by its list. */
static void test_in_a_bundle(void **state)
{
    (void)state;
    struct carry_report report;
    sh("rm -rf stick office && mkdir stick office && cp -r bundle stick/b");
    look();
    assert_int_equal(count(CARRY_NEW, OK), 0);
    assert_err(take(&report), OK);
    sh("diff -r bundle office/bundle");
    sh("s=$(find stick/b/chains -name '*.zst' | head -1) && printf x >>$s && rm -r office/bundle");
    look();
    size_t bad = 0;
    for (size_t i = 0; i < c.count; i++)
        bad += c.item[i].state == CARRY_REFUSED && c.item[i].fault->err == ERR_HASH;
    assert_int_equal(bad, 1);
}

static err_t stop_late(void *ctx, const char *what, uint64_t done, uint64_t total)
{
    uint64_t *left = ctx;
    (void)done;
    (void)total;
    return strcmp(what, "copy") == 0 && (*left)-- == 0 ? ERR_STOPPED : OK;
}

/* Stopped after each number of files: never a snapshot without what belongs to it; the rest comes later. */
static void test_stopped(void **state)
{
    (void)state;
    struct carry_report report;
    fresh();
    look();
    size_t all = c.count, stops = 0;
    for (uint64_t after = 0; after < all; after += 3, stops++) {
        uint64_t left = after;
        sh("rm -rf office && mkdir office");
        look();
        assert_int_equal(carry_copy(&report, &c, at("office"), el, stop_late, &left, &f), ERR_STOPPED);
        sh("[ ! -e office/exports/net/snapshot.cbor ]");
        look();
        assert_int_equal(count(CARRY_KNOWN, OK) + count(CARRY_NEW, OK), all);
        assert_true(count(CARRY_KNOWN, OK) >= (after > 2 ? after - 2 : 0));
        assert_err(take(&report), OK);
        sh("diff -r stick/some/where/net office/exports/net && [ $(ls office/exports | wc -l) = 1 ]");
    }
    assert_true(stops > 4);
}

/* The medium is pulled out: files that were listed are not there, or end in the middle. */
static void test_pulled(void **state)
{
    (void)state;
    struct carry_report report;
    fresh();
    look();
    sh("mv stick away && mkdir stick");
    assert_true(take(&report) != OK || report.copied == 0);
    sh("[ ! -e office/exports/net/snapshot.cbor ] && rm -r stick && mv away stick");
    look();
    sh("s=$(find stick -name '*.zst' | head -1) && truncate -s -1 $s && cp $s cut");
    err_t e = take(&report);
    assert_true(e != OK || count(CARRY_REFUSED, ERR_HASH) == 1);
    sh("[ ! -e office/exports/net/snapshot.cbor ]");
    fresh();
    look();
    assert_err(take(&report), OK);
    sh("diff -r stick/some/where/net office/exports/net");
}

/* Not of this election, forged, with holes, links, and strange names. */
static void test_hostile(void **state)
{
    (void)state;
    struct carry_report report;
    static const struct {
        const char *how;
        err_t e;
    } row[] = {
        {"head -c 40 bundle/record.cbor >snapshot", ERR_FORMAT},
        {"cp stick/some/where/net/snapshot.cbor snapshot && printf '\\377' | dd of=snapshot bs=1 seek=90 "
         "conv=notrunc status=none",
         OK},
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        fresh();
        sh(row[i].how);
        sh("cp snapshot stick/some/where/net/snapshot.cbor");
        look();
        assert_int_equal(count(CARRY_NEW, OK), 0);
        assert_true(count(CARRY_REFUSED, row[i].e) > 0 || row[i].e == OK);
        assert_err(take(&report), OK);
        sh("[ ! -e office/exports ]");
    }
    /* a header whose signature is wrong: a quick look finds it, and none of the files is taken */
    fresh();
    sh("h=$(ls stick/some/where/net/headers/*.cbor | head -1) && n=$(($(stat -c %s $h) - 3)) && "
       "printf '\\125' | dd of=$h bs=1 seek=$n conv=notrunc status=none");
    sh("cp -r bundle/" LAB_CHAIN_DIR " stick/some/zgood");
    look();
    assert_int_equal(count(CARRY_REFUSED, ERR_SIGNATURE), 1);
    assert_int_equal(count(CARRY_NEW, OK), c.count - 1);
    assert_err(take(&report), OK);
    sh("diff -r stick/some/zgood office/exports/zgood && [ $(ls office/exports) = zgood ]");
    /* a link in place of a segment */
    fresh();
    sh("s=$(find stick -name '*.zst' | head -1) && mv $s moved && ln -s $PWD/moved $s");
    look();
    assert_int_equal(c.count, 1); /* one sentence for all of it */
    assert_int_equal(c.item[0].state, CARRY_REFUSED);
    assert_non_null(strstr(c.item[0].fault->detail, "segments/"));
    assert_err(take(&report), OK);
    sh("[ ! -e office/exports ]");
    /* the folder's own name cannot be */
    fresh();
    sh("mv stick/some/where/net 'stick/some/where/ne t'");
    look();
    assert_int_equal(c.count, 1);
    assert_int_equal(count(CARRY_REFUSED, ERR_FORMAT), 1);
    /* evidence that is none, under a name that cannot be */
    fresh();
    sh("mkdir stick/some/where/net/evidence && echo no >'stick/some/where/net/evidence/a b'");
    look();
    assert_int_equal(count(CARRY_NEW, OK), 0);
    assert_int_equal(c.count, 1);
}

/* Another chain has the name: a folder of its own. More signatures of the same: they join it. */
static void test_names(void **state)
{
    (void)state;
    struct carry_report report;
    fresh();
    sh("mkdir -p office/exports/net && echo other >office/exports/net/snapshot.cbor");
    look();
    assert_err(take(&report), OK);
    sh("[ $(cat office/exports/net/snapshot.cbor) = other ] && "
       "diff -r stick/some/where/net office/exports/net-[0-9a-f]*");
    look();
    assert_int_equal(count(CARRY_KNOWN, OK), c.count);
    fresh();
    sh("mkdir kept && mv stick/some/where/net/finality/* kept/");
    look();
    assert_int_equal(count(CARRY_REFUSED, OK), 0); /* validators get it without signatures */
    assert_err(take(&report), OK);
    sh("mv kept/* stick/some/where/net/finality/ && rmdir kept");
    look();
    assert_true(count(CARRY_NEW, OK) >= 1 && count(CARRY_KNOWN, OK) + count(CARRY_NEW, OK) == c.count);
    assert_err(take(&report), OK);
    sh("diff -r stick/some/where/net office/exports/net");
    /* the same twice on one medium */
    sh("cp -r stick/some/where/net stick/more");
    sh("mkdir stick/twice && mv stick/more stick/twice/net && rm -r office && mkdir office");
    look();
    assert_err(take(&report), OK);
    sh("diff -r stick/twice/net office/exports/net && [ $(ls office/exports | wc -l) = 1 ]");
}

/* Full, in a child whose files cannot grow. */
static void test_full(void **state)
{
    (void)state;
    struct carry_report report;
    int status;
    fresh();
    look();
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct rlimit limit = {2000, 2000};
        signal(SIGXFSZ, SIG_IGN);
        if (setrlimit(RLIMIT_FSIZE, &limit) != 0)
            _exit(9);
        _exit(take(&report) == ERR_IO ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    sh("[ ! -e office/exports/net/snapshot.cbor ] && [ -z \"$(find office -name '.tmp*')\" ]");
    look();
    assert_err(take(&report), OK);
    sh("diff -r stick/some/where/net office/exports/net");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back), cmocka_unit_test(test_in_a_bundle),
        cmocka_unit_test(test_stopped),        cmocka_unit_test(test_pulled),
        cmocka_unit_test(test_hostile),        cmocka_unit_test(test_names),
        cmocka_unit_test(test_full),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
