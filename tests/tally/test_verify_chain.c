/* Bundles with a voting chain: every mutant of a chain fails exactly what it should; a chain that was pruned
 * is not good; going on after a stop gives the same report. */
#include <unistd.h>

#include "ceremony/base/secret.h"
#include "tally/verify_print.h"
#include "tally/verify_state.h"
#include "tests/mutants/mutants.h"
#include "tests/support/tree.h"
#include "tests/support/unit.h"

static char dir[64];

static int setup(void **state)
{
    (void)state;
    assert_int_equal(secret_init(), OK);
    snprintf(dir, sizeof dir, "/tmp/conclave-verify-XXXXXX");
    assert_non_null(mkdtemp(dir));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tree_rm(dir);
    return 0;
}

struct stopping {
    uint64_t after; /* calls; 0: never */
    uint64_t calls;
};

static err_t on_progress(void *ctx, const char *what, uint64_t done, uint64_t total)
{
    struct stopping *s = ctx;
    (void)what;
    (void)done;
    (void)total;
    return s->after && ++s->calls >= s->after ? ERR_STOPPED : OK;
}

static err_t run(struct verify_report **r, const struct lab *l, const char *root, const char *resume,
                 uint64_t stop)
{
    char anchor[2 * HASH_LEN + 1];
    const char *const roots[] = {root};
    struct stopping s = {stop, 0};
    struct fault f;
    hex_put(anchor, l->anchor.b, HASH_LEN);
    struct verify_options o = {.anchor = anchor,
                               .resume = resume,
                               .chain_anchor = roots,
                               .chain_anchor_count = root != NULL,
                               .progress = on_progress,
                               .progress_ctx = &s};
    fault_clear(&f);
    return verify_bundle(r, l->dir, &o, &f);
}

static void ids_of(const struct verify_report *r, enum verify_verdict v, char *out, size_t size)
{
    size_t at = 0;
    out[0] = '\0';
    for (size_t i = 0; i < r->count; i++)
        if (r->outcome[i].verdict == v && at < size)
            at += (size_t)snprintf(out + at, size - at, "%s%s", at ? " " : "", r->outcome[i].id);
}

static void show(const struct verify_report *r)
{
    for (size_t i = 0; i < r->count; i++)
        for (size_t k = 0; k < r->outcome[i].failure_kept; k++) {
            const struct verify_failure *x = &r->outcome[i].failure[k];
            print_message("    %s: %s %s %s [%s]\n", r->outcome[i].id, x->file, x->who, x->detail,
                          err_name(x->err));
        }
}

static void test_mutants(void **state)
{
    (void)state;
    char path[100], ids[1024], root[128], hex[2 * HASH_LEN + 1];
    size_t wrong = 0;
    snprintf(path, sizeof path, "%s/mutant", dir);
    for (size_t i = 0; i < chain_mutant_count; i++) {
        const struct mutant *m = &chain_mutants[i];
        struct lab *l = lab_build(path, m->hook);
        struct verify_report *r;
        hash_t printed = l->chain.shard[0].last.root;
        printed.b[0] ^= (uint8_t)m->chain_anchor;
        hex_put(hex, printed.b, HASH_LEN);
        snprintf(root, sizeof root, "net::%llu:%s", (unsigned long long)l->chain.shard[0].last.size, hex);
        assert_err(run(&r, l, m->chain_anchor ? root : NULL, NULL, 0), OK);
        ids_of(r, VERIFY_FAIL, ids, sizeof ids);
        if (strcmp(ids, m->expected) != 0 || verify_exit_status(r) != 1) {
            print_message("%s: expected %s, got %s\n", m->name, m->expected, ids);
            show(r);
            wrong++;
        }
        verify_report_free(r);
        lab_free(l);
    }
    assert_int_equal(wrong, 0);
}

/* Headers, snapshot, ids and leaves of the chain are here, some ballots are not: nothing fails, and it is not
 * good. */
static void pruned(struct lab *l, enum lab_stage s)
{
    if (s == LAB_CHAIN)
        l->chain.lists = 1;
    if (s == LAB_CHAIN_FILES)
        lab_forget(l, LAB_CHAIN_DIR "/segments/s/00000000.zst");
}

static void test_pruned(void **state)
{
    (void)state;
    char path[100], ids[1024];
    snprintf(path, sizeof path, "%s/pruned", dir);
    struct lab *l = lab_build(path, pruned);
    struct verify_report *r;
    assert_err(run(&r, l, NULL, NULL, 0), OK);
    show(r);
    assert_int_equal(verify_exit_status(r), 3);
    ids_of(r, VERIFY_NOT_CHECKED, ids, sizeof ids);
    assert_string_equal(ids, "chain.ballots chain.tally chain.anchor");
    verify_report_free(r);
    lab_free(l);
}

/* Texts that are no anchors, of another chain, and of none. */
static void test_anchor_texts(void **state)
{
    (void)state;
    char path[100], ids[1024];
    static const char *const text[] = {"net:0:5", "net::4:xyz", "net"};
    snprintf(path, sizeof path, "%s/good", dir);
    struct lab *l = lab_build(path, NULL);
    struct verify_report *r;
    for (size_t i = 0; i < 3; i++) {
        assert_err(run(&r, l, text[i], NULL, 0), OK);
        ids_of(r, VERIFY_FAIL, ids, sizeof ids);
        assert_string_equal(ids, "chain.anchor");
        verify_report_free(r);
    }
    assert_err(run(&r, l, "nett:0:5", NULL, 0), OK);
    ids_of(r, VERIFY_FAIL, ids, sizeof ids);
    assert_string_equal(ids, "chain.anchor");
    verify_report_free(r);
    lab_free(l);
}

static char *json_of(const struct verify_report *r)
{
    char *text = NULL;
    size_t len;
    FILE *f = open_memstream(&text, &len);
    assert_non_null(f);
    assert_int_equal(verify_print_json(f, &r, 1, verify_exit_status(r)), OK);
    assert_int_equal(fclose(f), 0);
    return text;
}

/* Stopped anywhere and run again, also when something was changed in between. */
static void test_resume(void **state)
{
    (void)state;
    char path[100], resume[100];
    snprintf(path, sizeof path, "%s/resumed", dir);
    snprintf(resume, sizeof resume, "%s/resume", dir);
    struct lab *l = lab_build(path, NULL);
    struct verify_report *r;
    assert_err(run(&r, l, NULL, NULL, 0), OK);
    char *plain = json_of(r);
    verify_report_free(r);
    for (uint64_t stop = 3; stop < 200; stop += 7) {
        err_t e = run(&r, l, NULL, resume, stop);
        if (e == OK) {
            verify_report_free(r);
            break;
        }
        assert_err(e, ERR_STOPPED);
    }
    for (int i = 0; i < 2; i++) {
        assert_err(run(&r, l, NULL, resume, 0), OK);
        char *again = json_of(r);
        assert_string_equal(plain, again);
        free(again);
        verify_report_free(r);
    }
    free(plain);
    /* a segment is another one now, and SHA256SUMS says so: what was remembered is of no use */
    size_t len;
    uint8_t *data = lab_read(l, LAB_CHAIN_DIR "/segments/s/00000000.zst", &len);
    data[len / 2] ^= 1;
    lab_write(l, LAB_CHAIN_DIR "/segments/s/00000000.zst", data, len);
    free(data);
    lab_sums(l);
    assert_err(run(&r, l, NULL, resume, 0), OK);
    assert_int_equal(verify_exit_status(r), 1);
    verify_report_free(r);
    lab_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mutants),
        cmocka_unit_test(test_pruned),
        cmocka_unit_test(test_anchor_texts),
        cmocka_unit_test(test_resume),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
