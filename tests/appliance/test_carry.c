/* Files besides the board on a medium: what is found, what is refused, that what arrives is what was checked.
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/unit.h"

#include "appliance/carry.h"
#include "ceremony/base/file.h"
#include "tests/support/secrets.h"
#include "tests/support/tree.h"
#include "tests/support/whole.h"

static struct whole w;
static struct fault f;
static struct carry c;

static int setup(void **state)
{
    struct publish_report report;
    (void)state;
    whole_new(&w, 3);
    struct publish_paths p = whole_paths(&w, "bundle");
    assert_err(publish(&report, &p, NULL, NULL, &f), OK);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    whole_free(&w);
    return 0;
}

static char office[256], stick[256];

/* An empty folder below the election's. */
static void folder(const char *name)
{
    const char *path = whole_path(&w, name);
    snprintf(office, sizeof office, "%s/office", w.dir);
    snprintf(stick, sizeof stick, "%s/stick/e", w.dir);
    tree_rm(path);
    assert_err(file_mkdir(path, &f), OK);
}

static void sh(const char *command)
{
    char line[2048];
    snprintf(line, sizeof line, "cd %s && %s", w.dir, command);
    assert_int_equal(system(line), 0);
}

static struct carry_paths paths(void)
{
    struct carry_paths p;
    p.plans = p.results = whole_path(&w, "work");
    p.exports = whole_path(&w, "exports");
    p.records = whole_path(&w, "work/records");
    p.bundle = whole_path(&w, "bundle");
    return p;
}

static size_t how_many(enum carry_kind kind, enum carry_state state)
{
    size_t n = 0;
    for (size_t i = 0; i < c.count; i++)
        n += c.item[i].kind == kind && c.item[i].state == state;
    return n;
}

static size_t refused_with(err_t e)
{
    size_t n = 0;
    for (size_t i = 0; i < c.count; i++)
        n += c.item[i].state == CARRY_REFUSED && c.item[i].fault->err == e;
    return n;
}

static void find(const char *medium, const char *to)
{
    carry_free(&c);
    assert_err(carry_find(&c, medium, w.el, &f), OK);
    assert_err(carry_check(&c, to, w.el, NULL, NULL, &f), OK);
}

static void give_out(const char *to)
{
    struct carry_paths p = paths();
    struct carry_report report;
    carry_free(&c);
    assert_err(carry_gather(&c, &p, ~UINT32_C(0), w.el, &f), OK);
    assert_err(carry_check(&c, to, w.el, NULL, NULL, &f), OK);
    assert_int_equal(how_many(CARRY_EXPORT, CARRY_REFUSED) + how_many(CARRY_BUNDLE, CARRY_REFUSED), 0);
    assert_err(carry_copy(&report, &c, to, w.el, NULL, NULL, &f), OK);
}

static err_t take_in(struct carry_report *report, const char *to)
{
    return carry_copy(report, &c, to, w.el, NULL, NULL, &f);
}

/* Out to a medium, in at another machine; twice each. */
static void test_there_and_back(void **state)
{
    struct carry_report report;
    char plan[CARRY_PATH];
    (void)state;
    folder("stick");
    folder("office");
    give_out(stick);
    sh("cmp work/plan.cbor stick/e/plan.cbor && cmp work/result.cbor stick/e/result.cbor && "
       "diff -r exports stick/e/exports && diff -r work/records stick/e/records && diff -r bundle "
       "stick/e/bundle");
    find(whole_path(&w, "stick"), office);
    assert_int_equal(how_many(CARRY_PLAN, CARRY_NEW), 1);
    assert_int_equal(how_many(CARRY_EXPORT, CARRY_NEW), 3);
    assert_int_equal(how_many(CARRY_RESULT, CARRY_NEW), 1);
    assert_true(how_many(CARRY_RECORD, CARRY_NEW) >= 6);
    assert_true(how_many(CARRY_BUNDLE, CARRY_NEW) > 10);
    sh("[ -z \"$(ls office)\" ]"); /* looking changes nothing */
    assert_err(take_in(&report, office), OK);
    assert_int_equal(report.copied, c.count);
    sh("diff -r stick/e office && [ -z \"$(find office -name '.tmp*')\" ]");
    assert_err(carry_newest(plan, office, w.el, &f), OK);
    assert_string_equal(plan, whole_path(&w, "office/plan.cbor"));
    find(whole_path(&w, "stick"), office);
    for (size_t i = 0; i < c.count; i++)
        if (c.item[i].state != CARRY_KNOWN)
            fail_msg("%s: state %d", c.item[i].name, (int)c.item[i].state);
    assert_err(take_in(&report, office), OK);
    assert_int_equal(report.copied, 0);
}

/* Bytes changed, other elections, links, holes, names: each is named, and none is taken. */
static void test_hostile(void **state)
{
    struct carry_report report;
    (void)state;
    folder("bad");
    folder("office");
    /* always another byte than the one that is there */
    sh("flip() { printf \"\\\\$(printf %03o $(($(od -An -tu1 -j $2 -N 1 $1) ^ 1)))\" | "
       "dd of=$1 bs=1 seek=$2 conv=notrunc status=none; }; "
       "mkdir bad/exports bad/records bad/records/precinct && cp exports/* bad/exports/ && "
       "cp work/plan.cbor bad/plan.cbor && printf x >>bad/plan.cbor && "
       "cp work/plan.cbor bad/plan-two.cbor && cp work/result.cbor bad/result.cbor && "
       "flip bad/result.cbor 60 && flip $(ls bad/exports/* | head -1) 100 && "
       "ln -s /etc/passwd bad/exports/link.cexp && mkfifo bad/exports/pipe.cexp && "
       "truncate -s 20G bad/exports/large.cexp && cp work/plan.cbor 'bad/plan evil.cbor' && "
       "echo x >bad/records/precinct/a1.cbor && echo x >bad/records/precinct/zz.cbor && "
       "printf x >>bad/exports/$(ls exports | tail -1) && "
       "f=bad/exports/$(ls exports | sed -n 2p) && "
       "printf '\\377\\377\\377\\377' | dd of=$f bs=1 seek=$(($(stat -c %s $f) - 9)) conv=notrunc "
       "status=none && "
       "echo hello >bad/letter.txt && mkdir -p bad/1/2/3/4/5 && cp work/plan.cbor bad/1/2/3/4/5/");
    find(whole_path(&w, "bad"), office);
    assert_int_equal(how_many(CARRY_EXPORT, CARRY_NEW), 0);
    assert_int_equal(how_many(CARRY_EXPORT, CARRY_REFUSED), 6);
    assert_int_equal(refused_with(ERR_HASH), 1);
    assert_int_equal(refused_with(ERR_TRAILING), 2);
    assert_int_equal(how_many(CARRY_PLAN, CARRY_NEW), 1);
    assert_int_equal(how_many(CARRY_PLAN, CARRY_REFUSED), 2);
    assert_int_equal(how_many(CARRY_RESULT, CARRY_REFUSED), 1);
    assert_int_equal(how_many(CARRY_RECORD, CARRY_REFUSED), 2);
    assert_int_equal(refused_with(ERR_LIMIT), 2); /* one is too long, one says it has too many ballots */
    assert_true(refused_with(ERR_FORMAT) >= 3);
    assert_int_equal(refused_with(ERR_UNKNOWN), 1);
    assert_err(take_in(&report, office), OK);
    assert_int_equal(report.copied, 1);
    sh("[ $(find office -type f | wc -l) -eq 1 ]");
}

/* A name that something else has: a plan, an export and a result get another one, a record stays away. */
static void test_names_are_taken(void **state)
{
    struct carry_report report;
    (void)state;
    folder("stick2");
    folder("office");
    sh("mkdir -p stick2/exports stick2/again stick2/records/precinct office/exports office/records/precinct "
       "&& "
       "cp work/plan.cbor stick2/ && cp exports/of-a1 stick2/exports/a1.cexp && cp exports/of-a2 "
       "stick2/again/a1.cexp "
       "&& cp work/records/precinct/a1.cbor stick2/records/precinct/ && echo other >office/plan.cbor && "
       "echo other >office/records/precinct/a1.cbor");
    find(whole_path(&w, "stick2"), office);
    assert_int_equal(how_many(CARRY_EXPORT, CARRY_NEW), 2);
    assert_int_equal(refused_with(ERR_EXISTS), 1);
    assert_err(take_in(&report, office), OK);
    assert_int_equal(report.copied, 3);
    sh("grep -q other office/plan.cbor && cmp work/plan.cbor office/plan-*.cbor && "
       "[ $(ls office/exports | wc -l) -eq 2 ] && grep -q other office/records/precinct/a1.cbor");
    find(whole_path(&w, "stick2"), office); /* and again: nothing new */
    assert_int_equal(how_many(CARRY_EXPORT, CARRY_KNOWN), 2);
    assert_int_equal(how_many(CARRY_PLAN, CARRY_KNOWN), 1);
}

/* A bundle is what its list says; its list cannot lead out of it. */
static void test_bundles(void **state)
{
    struct carry_report report;
    (void)state;
    folder("stick3");
    folder("office");
    snprintf(stick, sizeof stick, "%s/stick3", w.dir);
    sh("cp -r bundle stick3/b && printf x >>stick3/b/plan.cbor && rm stick3/b/record.cbor && "
       "echo unlisted >stick3/b/more.html");
    find(stick, office);
    assert_int_equal(refused_with(ERR_HASH), 1);
    assert_int_equal(refused_with(ERR_MISSING), 1);
    for (size_t i = 0; i < c.count; i++)
        assert_null(strstr(c.item[i].from, "more.html"));
    assert_err(take_in(&report, office), OK);
    sh("[ ! -e office/bundle/plan.cbor ] && cmp bundle/manifest.json office/bundle/manifest.json");
    sh("rm -r stick3/b && cp -r bundle stick3/b && h=$(head -c 64 stick3/b/SHA256SUMS) && "
       "printf '%s  ../../evil\\n%s  /etc/passwd\\n%s a\\nzz\\n' $h $h $h >>stick3/b/SHA256SUMS");
    find(stick, office);
    assert_int_equal(refused_with(ERR_FORMAT), 4);
    for (size_t i = 0; i < c.count; i++)
        assert_null(strstr(c.item[i].name, "evil"));
    /* its list differs from that of the bundle that is there: a folder of its own */
    assert_err(take_in(&report, office), OK);
    sh("ls -d office/bundle-[0-9a-f]*/entries >/dev/null");
    /* of another election: nothing of it is looked at */
    sh("sed -i 's/\"title\": *\"/&X/' stick3/b/manifest.json");
    find(stick, office);
    assert_int_equal(c.count, 0);
}

struct swap {
    int calls;
    const char *path;
};

/* Once the checking is over, the medium gives something else. */
static err_t swap_file(void *ctx, const char *what, uint64_t done, uint64_t total)
{
    struct swap *s = ctx;
    (void)done;
    (void)total;
    if (strcmp(what, "copy") == 0 && s->calls++ == 0)
        assert_err(file_write(s->path, "else", 4, FILE_REPLACE, &f), OK);
    return OK;
}

static void test_changed_while_copying(void **state)
{
    struct carry_report report;
    (void)state;
    folder("stick4");
    folder("office");
    sh("mkdir stick4/exports && cp exports/* stick4/exports/");
    find(whole_path(&w, "stick4"), office);
    assert_int_equal(how_many(CARRY_EXPORT, CARRY_NEW), 3);
    struct swap s = {0, c.item[1].from};
    assert_err(carry_copy(&report, &c, office, w.el, swap_file, &s, &f), OK);
    assert_int_equal(report.copied, 2);
    assert_int_equal(c.item[1].state, CARRY_REFUSED);
    assert_int_equal(c.item[1].fault->err, ERR_HASH);
    sh("[ $(ls -A office/exports | wc -l) -eq 2 ]");
}

static err_t stop_at_once(void *ctx, const char *what, uint64_t done, uint64_t total)
{
    (void)what;
    (void)total;
    return done > 0 && --*(int *)ctx == 0 ? ERR_STOPPED : OK;
}

static void test_stopped(void **state)
{
    struct carry_report report;
    (void)state;
    int after = 1;
    folder("office");
    give_out(stick);
    carry_free(&c);
    assert_err(carry_find(&c, stick, w.el, &f), OK);
    assert_int_equal(carry_check(&c, office, w.el, stop_at_once, &after, &f), ERR_STOPPED);
    find(stick, office);
    after = 3;
    assert_int_equal(carry_copy(&report, &c, office, w.el, stop_at_once, &after, &f), ERR_STOPPED);
    sh("[ -z \"$(find office -name '.tmp*')\" ]");
    find(stick, office);
    assert_err(take_in(&report, office), OK);
    sh("diff -r stick/e office");
}

/* Full, in a child whose files cannot grow; gone; without a record; a folder that is none. */
static void test_full_and_gone(void **state)
{
    struct carry_report report;
    (void)state;
    folder("office");
    give_out(stick);
    find(stick, office);
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct rlimit limit = {3000, 3000};
        signal(SIGXFSZ, SIG_IGN);
        if (setrlimit(RLIMIT_FSIZE, &limit) != 0)
            _exit(9);
        _exit(take_in(&report, office) == ERR_IO ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    sh("[ -z \"$(find office -name '.tmp*')\" ]");
    sh("mv stick/e stick/away");
    assert_true(err_class(take_in(&report, office)) != CLASS_OK || report.copied == 0);
    sh("mv stick/away stick/e");
    carry_free(&c);
    assert_int_equal(carry_find(&c, whole_path(&w, "nothing"), w.el, &f), ERR_MISSING);
    struct record *r = w.el->r;
    w.el->r = NULL;
    assert_int_equal(carry_check(&c, office, w.el, NULL, NULL, &f), ERR_MISSING);
    w.el->r = r;
    find(stick, office);
    assert_err(take_in(&report, office), OK);
    sh("diff -r stick/e office");
    carry_free(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back),        cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_names_are_taken),       cmocka_unit_test(test_bundles),
        cmocka_unit_test(test_changed_while_copying), cmocka_unit_test(test_stopped),
        cmocka_unit_test(test_full_and_gone),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
