/* A part of a verification, its merging, and aggregation in parts, with the i-th allocation and disk call
 * failing: it is done, or the machine's want is said; what was written is whole. */
#include "tests/faults/inject.h"

#include "ceremony/base/file.h"
#include "tally/verify_merge.h"
#include "tally/verify_part.h"
#include "tests/mutants/lab.h"
#include "tests/support/tree.h"

static struct faulty {
    char dir[64], bundle[128], parts[128], good[128], out[256];
    struct verify_part_run *run;
    struct verify_parts *merged;
    struct verify_report *report;
    struct part *part;
    uint8_t *bytes;
    size_t len;
} z;

static void one(const char *name, void (*before)(void *), err_t (*run)(void *, struct fault *),
                void (*after)(void *, err_t))
{
    struct inject_op op = {
        .name = name, .before = before, .run = run, .after = after, .ctx = &z, .dir = z.parts};
    inject_all(&op);
}

static int setup(void **state)
{
    static const struct verify_options o = {.threads = 1};
    struct verify_part_run *r;
    struct fault f;
    if (inject_setup(state) != 0)
        return -1;
    snprintf(z.dir, sizeof z.dir, "/tmp/conclave-faults-XXXXXX");
    assert_non_null(mkdtemp(z.dir));
    snprintf(z.bundle, sizeof z.bundle, "%s/bundle", z.dir);
    snprintf(z.parts, sizeof z.parts, "%s/parts", z.dir);
    snprintf(z.good, sizeof z.good, "%s/good", z.dir);
    lab_free(lab_build(z.bundle, NULL));
    assert_int_equal(verify_part_open(&r, z.bundle, &o, &f), OK);
    for (unsigned k = 1; k <= 2; k++)
        assert_int_equal(verify_part_make(r, z.good, k, 2, NULL, &f), OK);
    verify_part_close(r);
    assert_int_equal(part_path(z.out, sizeof z.out, z.good, 1, 2, VERIFY_PART_SUFFIX), OK);
    assert_int_equal(file_read(&z.bytes, &z.len, z.out, PART_FILE_MAX, &f), OK);
    assert_int_equal(part_path(z.out, sizeof z.out, z.parts, 1, 2, VERIFY_PART_SUFFIX), OK);
    assert_int_equal(file_mkdir(z.parts, &f), OK);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free(z.bytes);
    tree_rm(z.dir);
    return 0;
}

/* --- making --- */

static void before_make(void *ctx)
{
    struct fault f;
    (void)ctx;
    tree_rm(z.parts);
    inject_check(file_mkdir(z.parts, &f) == OK, "no directory");
}

static err_t run_make(void *ctx, struct fault *f)
{
    static const struct verify_options o = {.threads = 1};
    (void)ctx;
    z.run = INJECT_POISON;
    err_t e = verify_part_open(&z.run, z.bundle, &o, f);
    if (e != OK)
        return e == ERR_UNVERIFIED ? fault_set(f, ERR_IO, "a file could not be read") : e;
    e = verify_part_make(z.run, z.parts, 1, 2, NULL, f);
    verify_part_close(z.run);
    z.run = NULL;
    return e;
}

/* There is the one report, or none. */
static void after_make(void *ctx, err_t e)
{
    uint8_t *data;
    size_t len;
    struct fault f;
    (void)ctx;
    inject_zero(z.run);
    err_t there = file_read(&data, &len, z.out, PART_FILE_MAX, &f);
    inject_check(e != OK || there == OK, "success, but no report");
    if (there != OK)
        return;
    inject_check(len == z.len && memcmp(data, z.bytes, len) == 0, "another report");
    free(data);
}

static err_t run_read(void *ctx, struct fault *f)
{
    struct cose c;
    (void)ctx;
    z.part = INJECT_POISON;
    return part_read(&z.part, &c, z.bytes, z.len, f);
}

static void after_read(void *ctx, err_t e)
{
    (void)ctx;
    if (e != OK)
        inject_zero(z.part);
    else
        part_free(z.part);
}

/* --- merging --- */

static err_t run_merge(void *ctx, struct fault *f)
{
    static const struct part_signers nobody;
    hash_t program;
    (void)ctx;
    z.merged = INJECT_POISON;
    z.report = NULL;
    TRY(part_program(&program, f));
    err_t e = verify_parts_new(&z.merged, z.bundle, &nobody, &program, 1, f);
    if (e != OK)
        return e;
    e = verify_parts_add(z.merged, z.good, f);
    const struct verify_options o = {.threads = 1, .parts = z.merged};
    if (e == OK)
        e = verify_bundle(&z.report, z.bundle, &o, f);
    verify_parts_free(z.merged);
    z.merged = NULL;
    /* Files that could not be read look as if they were others than those of the parts. */
    return e == ERR_HASH || e == ERR_MISMATCH || e == ERR_UNKNOWN
               ? fault_set(f, ERR_IO, "a file could not be read")
               : e;
}

static void after_merge(void *ctx, err_t e)
{
    (void)ctx;
    if (e != OK)
        inject_zero(z.report);
    else
        verify_report_free(z.report);
}

static void parts(void **state)
{
    (void)state;
    one("part: read", NULL, run_read, after_read);
    one("part: make", before_make, run_make, after_make);
    one("part: merge", NULL, run_merge, after_merge);
    inject_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(parts)};
    return cmocka_run_group_tests_name("faults: parts of a verification", tests, setup, teardown);
}
