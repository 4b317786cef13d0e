/* Publishing a whole small election: what is in the bundle, that it is repeatable, and each refusal. */
#include <sys/stat.h>
#include <unistd.h>

#include "ceremony/base/file.h"
#include "tally/report_data.h"
#include "tests/support/tree.h"
#include "tests/support/unit.h"
#include "tests/support/whole.h"

static struct whole whole; /* made once, and only read but where a test says otherwise */

static int setup(void **state)
{
    whole_new(&whole, 12);
    *state = &whole;
    return 0;
}

static int teardown(void **state)
{
    whole_free(*state);
    return 0;
}

static err_t publish_to(struct whole *w, const char *name, struct publish_report *report, struct fault *f)
{
    struct publish_paths p = whole_paths(w, name);
    return publish(report, &p, NULL, NULL, f);
}

static int exists(const struct whole *w, const char *name)
{
    struct stat st;
    return lstat(whole_path(w, name), &st) == 0;
}

static uint8_t *slurp(const struct whole *w, const char *name, size_t *len)
{
    uint8_t *data;
    struct fault f;
    assert_err(file_read(&data, len, whole_path(w, name), (size_t)1 << 26, &f), OK);
    return data;
}

static void assert_same_file(const struct whole *w, const char *a, const char *b)
{
    size_t la, lb;
    uint8_t *da = slurp(w, a, &la), *db = slurp(w, b, &lb);
    assert_int_equal(la, lb);
    assert_memory_equal(da, db, la);
    free(da);
    free(db);
}

/* --- what is there --- */

static void votes_come_out_as_they_were_cast(void **state)
{
    struct whole *w = *state;
    struct result *r;
    struct fault f;
    size_t found = 0;
    assert_err(result_load(&r, whole_path(w, "work/result.cbor"), &f), OK);
    for (size_t i = 0; i < r->row_count; i++) {
        if (strcmp(r->row[i].place, "land") != 0)
            continue;
        int c = manifest_contest(w->el->m, r->row[i].contest);
        assert_int_equal(r->row[i].ballots, w->totals->ballots[c]);
        for (size_t o = 0; o < r->row[i].count; o++)
            assert_int_equal(r->row[i].votes[o], w->totals->votes[c][o]);
        found++;
    }
    assert_int_equal(found, 2);
    result_free(r);
}

static void the_bundle_is_complete(void **state)
{
    struct whole *w = *state;
    struct publish_report report;
    struct fault f;
    char command[512];
    assert_err(publish_to(w, "bundle", &report, &f), OK);
    assert_int_equal(report.already, 0);
    assert_int_equal(report.exports, 3);
    static const char *const names[] = {"manifest.json",
                                        "jurisdictions.csv",
                                        "record.cbor",
                                        "plan.cbor",
                                        "result.cbor",
                                        "index.html",
                                        "SHA256SUMS",
                                        "exports/a1.cexp",
                                        "exports/b1.cexp",
                                        "records/nation/land.cbor",
                                        "records/precinct/b2.cbor"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char name[80];
        snprintf(name, sizeof name, "bundle/%s", names[i]);
        if (!exists(w, name))
            fail_msg("%s is missing", name);
    }
    assert_false(exists(w, "bundle/detached"));
    assert_false(exists(w, "bundle/exports/b2.cexp"));
    assert_false(exists(w, "bundle.tmp"));
    assert_same_file(w, "bundle/plan.cbor", "work/plan.cbor");
    assert_same_file(w, "bundle/exports/a1.cexp", "exports/of-a1");
    snprintf(command, sizeof command,
             "cd %s/bundle && sha256sum -c --quiet --strict SHA256SUMS && "
             "test $(find . -type f | wc -l) = $(( $(wc -l < SHA256SUMS) + 1 ))",
             w->dir);
    assert_int_equal(system(command), 0);
    struct board *b;
    assert_err(board_open(&b, whole_path(w, "bundle"), &w->el->m->election, &f), OK);
    assert_int_equal(b->refused_count, 0);
    assert_int_equal(b->entry_count, report.entries);
    board_free(b);
}

static void the_same_content_gives_the_same_bytes(void **state)
{
    struct whole *w = *state;
    struct publish_report report;
    struct fault f;
    assert_err(publish_to(w, "bundle", &report, &f), OK);
    assert_err(publish_to(w, "bundle", &report, &f), OK);
    assert_int_equal(report.already, 1);
    assert_err(publish_to(w, "second/", &report, &f), OK);
    assert_same_file(w, "bundle/SHA256SUMS", "second/SHA256SUMS");
    assert_same_file(w, "bundle/index.html", "second/index.html");
}

/* A verifier makes the page again from the bundle alone. */
static void the_page_can_be_made_again(void **state)
{
    struct whole *w = *state;
    struct bundle_election *el;
    struct board *b;
    struct plan *plan;
    struct target *target;
    struct result *result;
    struct combination *c;
    struct report_data *d;
    struct node_provider nodes;
    struct fault f;
    uint8_t *page;
    size_t len, there_len;
    assert_err(publish_to(w, "bundle", NULL, &f), OK);
    const char *dir = whole_path(w, "bundle");
    assert_err(bundle_election_load(&el, dir, 1, &f), OK);
    assert_err(board_open(&b, dir, &el->m->election, &f), OK);
    assert_err(plan_load_var(&plan, &el->ctx, whole_path(w, "bundle/plan.cbor"), &f), OK);
    assert_err(plan_targets(&target, &el->ctx, plan), OK);
    assert_err(result_load(&result, whole_path(w, "bundle/result.cbor"), &f), OK);
    struct combine_options only = {result->partial, result->partial_count, NULL, NULL};
    assert_err(combine_partials_var(&c, el->m, el->r, b, &plan->id, target, plan->unit_count, &only, &f), OK);
    node_provider_dir(&nodes, whole_path(w, "bundle/records"));
    c->result->row[0].count--; /* a result from a file may have any rows */
    assert_err(report_gather_var(&d, &el->ctx, &nodes, plan, target, c, &f), ERR_MISMATCH);
    c->result->row[0].count++;
    assert_err(report_gather_var(&d, &el->ctx, &nodes, plan, target, c, &f), OK);
    assert_int_equal(d->in.missing_count, 1);
    assert_int_equal(d->in.ballots, 36);
    assert_err(report_make(&page, &len, &d->in, &f), OK);
    uint8_t *there = slurp(w, "bundle/index.html", &there_len);
    assert_int_equal(len, there_len);
    assert_memory_equal(page, there, len);
    free(page);
    free(there);
    report_data_free(d);
    combination_free(c);
    result_free(result);
    plan_targets_free(target, plan->unit_count);
    plan_free(plan);
    board_free(b);
    bundle_election_free(el);
}

/* --- refusals --- */

static void another_bundle_is_never_overwritten(void **state)
{
    struct whole *w = *state;
    struct fault f;
    size_t len;
    assert_err(publish_to(w, "other", NULL, &f), OK);
    assert_err(file_write(whole_path(w, "other/plan.cbor"), "mine", 4, FILE_REPLACE, &f), OK);
    assert_err(publish_to(w, "other", NULL, &f), ERR_EXISTS);
    uint8_t *data = slurp(w, "other/plan.cbor", &len);
    assert_int_equal(len, 4);
    free(data);
    assert_false(exists(w, "other.tmp"));
    assert_err(file_write(whole_path(w, "plain"), "x", 1, FILE_NEW, &f), OK);
    assert_err(publish_to(w, "plain", NULL, &f), ERR_EXISTS);
}

static void what_a_killed_run_left_is_removed(void **state)
{
    struct whole *w = *state;
    struct fault f;
    assert_err(file_mkdir(whole_path(w, "third.tmp/entries/deep"), &f), OK);
    assert_err(file_write(whole_path(w, "third.tmp/entries/x"), "x", 1, FILE_NEW, &f), OK);
    assert_err(publish_to(w, "third", NULL, &f), OK);
    assert_false(exists(w, "third/entries/deep"));
    assert_false(exists(w, "third.tmp"));
}

/* Changes one byte of a file, expects a refusal, and puts it back. */
static err_t with_byte_changed(struct whole *w, const char *name, size_t from_end)
{
    struct fault f;
    size_t len;
    uint8_t *data = slurp(w, name, &len);
    data[len - 1 - from_end] ^= 1;
    assert_err(file_write(whole_path(w, name), data, len, FILE_REPLACE, &f), OK);
    err_t e = publish_to(w, "broken", NULL, &f);
    data[len - 1 - from_end] ^= 1;
    assert_err(file_write(whole_path(w, name), data, len, FILE_REPLACE, &f), OK);
    free(data);
    assert_false(exists(w, "broken"));
    assert_false(exists(w, "broken.tmp"));
    return e;
}

static void changed_files_are_refused(void **state)
{
    struct whole *w = *state;
    assert_err(with_byte_changed(w, "work/result.cbor", 0), ERR_MISMATCH);
    assert_int_not_equal(with_byte_changed(w, "work/plan.cbor", 40), OK);
    assert_int_not_equal(with_byte_changed(w, "work/records/precinct/a1.cbor", 20), OK);
    assert_int_not_equal(with_byte_changed(w, "work/records/nation/land.cbor", 20), OK);
    assert_err(with_byte_changed(w, "exports/of-a2", 5), ERR_HASH); /* the last ballot's proof */
    assert_int_not_equal(with_byte_changed(w, "board/record.cbor", 30), OK);
    assert_int_not_equal(with_byte_changed(w, "board/jurisdictions.csv", 3), OK);
    assert_int_not_equal(with_byte_changed(w, "board/manifest.json", 3), OK);
}

static void a_missing_export_is_named(void **state)
{
    struct whole *w = *state;
    struct fault f;
    assert_int_equal(rename(whole_path(w, "exports/of-a1"), whole_path(w, "elsewhere")), 0);
    assert_err(publish_to(w, "broken", NULL, &f), ERR_MISSING);
    assert_non_null(strstr(f.detail, "a1"));
    assert_int_equal(rename(whole_path(w, "elsewhere"), whole_path(w, "exports/of-a1")), 0);
}

static err_t stop_at_once(void *ctx, const char *what, uint64_t done, uint64_t total)
{
    (void)ctx;
    (void)what;
    (void)total;
    return done > 5 ? ERR_STOPPED : OK;
}

static void it_can_be_stopped(void **state)
{
    struct whole *w = *state;
    struct fault f;
    struct publish_paths p = whole_paths(w, "stopped");
    assert_err(publish(NULL, &p, stop_at_once, NULL, &f), ERR_STOPPED);
    assert_false(exists(w, "stopped"));
    assert_false(exists(w, "stopped.tmp"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(votes_come_out_as_they_were_cast),
        cmocka_unit_test(the_bundle_is_complete),
        cmocka_unit_test(the_same_content_gives_the_same_bytes),
        cmocka_unit_test(the_page_can_be_made_again),
        cmocka_unit_test(another_bundle_is_never_overwritten),
        cmocka_unit_test(what_a_killed_run_left_is_removed),
        cmocka_unit_test(changed_files_are_refused),
        cmocka_unit_test(a_missing_export_is_named),
        cmocka_unit_test(it_can_be_stopped),
    };
    return cmocka_run_group_tests_name("publish", tests, setup, teardown);
}
