/* Settings, what is measured and what follows from it; and that neither settings nor numbers change a result.
 */
#include <math.h>
#include <unistd.h>

#include "ceremony/base/file.h"
#include "tally/ballot_batch.h"
#include "tally/tune_parts.h"
#include "tally/verb.h"
#include "tests/support/tree.h"
#include "tests/support/unit.h"
#include "tests/support/whole.h"

static struct whole whole;

static int setup(void **state)
{
    whole_new(&whole, 6);
    *state = &whole;
    return 0;
}

static int teardown(void **state)
{
    whole_free(*state);
    return 0;
}

/* --- settings --- */

static err_t load_text(struct settings *s, const char *text)
{
    struct fault f;
    const char *path = whole_path(&whole, "some.json");
    fault_clear(&f);
    assert_err(file_write(path, text, strlen(text), FILE_REPLACE, &f), OK);
    memset(s, 0xff, sizeof *s);
    return settings_load(s, path, NULL, &f);
}

static void settings_come_back(void **state)
{
    (void)state;
    struct settings in = {.threads = 7,
                          .batch_points = 8192,
                          .window = 9,
                          .block = 500,
                          .seconds = 2,
                          .node_batch = 64,
                          .node_queue = 100,
                          .node_threads = 3},
                    out;
    struct fault f;
    const char *path = whole_path(&whole, "settings.json");
    assert_err(settings_save(&in, "a line", path, &f), OK);
    assert_err(settings_load(&out, path, NULL, &f), OK);
    assert_memory_equal(&in, &out, sizeof in);
    assert_err(settings_load(&out, NULL, whole.dir, &f), OK); /* beside the work directory's files */
    assert_int_equal(out.threads, 7);
    unlink(path);
    assert_err(settings_load(&out, NULL, whole.dir, &f), OK); /* there need not be any */
    static const struct settings none;
    assert_memory_equal(&out, &none, sizeof none);
    assert_err(settings_load(&out, path, whole.dir, &f), ERR_MISSING);
    assert_err(settings_load(&out, NULL, NULL, &f), OK);
    for (size_t i = 0; i < 8; i++) { /* each of them has limits */
        struct settings bad = in;
        (&bad.threads)[i] = i == 1 ? 5 : 1u << 30;
        assert_err(settings_save(&bad, NULL, path, &f), ERR_LIMIT);
    }
    assert_int_equal(settings_or(3, 2, 1) * 100 + settings_or(0, 2, 1) * 10 + settings_or(0, 0, 1), 321);
    assert_err(settings_save(&out, NULL, "/nowhere/x.json", &f), ERR_IO);
}

static void bad_settings_are_named(void **state)
{
    (void)state;
    struct settings s;
    static const struct {
        const char *text;
        err_t err;
    } bad[] = {
        {"", ERR_TRUNCATED},
        {"[]", ERR_FORMAT},
        {"{\"settings\":1,\"threads\":1}", ERR_MISSING},
        {"{\"settings\":2,\"threads\":1,\"batch_points\":0}", ERR_VERSION},
        {"{\"settings\":1,\"threads\":1025,\"batch_points\":0}", ERR_LIMIT},
        {"{\"settings\":1,\"threads\":-1,\"batch_points\":0}", ERR_LIMIT},
        {"{\"settings\":1,\"threads\":1,\"batch_points\":1023}", ERR_LIMIT},
        {"{\"settings\":1,\"threads\":1,\"batch_points\":262145}", ERR_LIMIT},
        {"{\"settings\":1,\"threads\":\"1\",\"batch_points\":0}", ERR_FORMAT},
        {"{\"settings\":1,\"threads\":1,\"batch_points\":0,\"verdict\":1}", ERR_FORMAT},
        {"{\"settings\":1,\"threads\":1,\"batch_points\":0,\"window\":3}", ERR_LIMIT},
        {"{\"settings\":1,\"threads\":1,\"batch_points\":0,\"window\":16}", ERR_LIMIT},
        {"{\"settings\":1,\"threads\":1,\"batch_points\":0,\"chain_block\":65536}", ERR_LIMIT},
        {"{\"settings\":1,\"threads\":1,\"batch_points\":0,\"chain_seconds\":6}", ERR_LIMIT},
        {"{\"settings\":1,\"threads\":1,\"batch_points\":0,\"chain_batch\":4097}", ERR_LIMIT},
        {"{\"settings\":1,\"threads\":1,\"batch_points\":0,\"chain_queue\":65537}", ERR_LIMIT},
        {"{\"settings\":1,\"threads\":1,\"batch_points\":0,\"chain_threads\":65}", ERR_LIMIT},
        {"{\"settings\":1,\"threads\":1,\"batch_points\":0,\"chain_batch\":\"8\"}", ERR_FORMAT},
        {"{\"settings\":1,\"threads\":1,\"threads\":1,\"batch_points\":0}", ERR_DUPLICATE},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        err_t e = load_text(&s, bad[i].text);
        if (e != bad[i].err)
            fail_msg("%s: %s", bad[i].text, err_name(e));
        assert_int_equal(s.threads + s.batch_points, 0);
    }
    assert_err(load_text(&s, "{\"settings\":1,\"threads\":0,\"batch_points\":262144,\"about\":\"x\"}"), OK);
    assert_err(load_text(&s, "{\"settings\":1,\"threads\":0,\"batch_points\":0,\"chain_queue\":9}"), OK);
    assert_int_equal(s.node_queue, 9);
}

/* --- shapes --- */

static void shapes(void **state)
{
    (void)state;
    struct tune_shape *s = calloc(1, sizeof *s);
    struct fault f;
    assert_err(tune_shape_even(s, 12, 60, &f), OK);
    assert_int_equal(s->contest_count, 12);
    for (size_t i = 0; i < 12; i++)
        assert_int_equal(s->contest[i].options, 5);
    assert_err(tune_shape_even(s, 3, 10, &f), OK);
    assert_int_equal(s->contest[0].options + s->contest[1].options + s->contest[2].options, 10);
    assert_err(tune_shape_even(s, 0, 4, &f), ERR_LIMIT);
    assert_err(tune_shape_even(s, 3, 5, &f), ERR_LIMIT);
    assert_err(tune_shape_even(s, 1, OPTIONS_MAX + 1, &f), ERR_LIMIT);
    assert_err(tune_shape_even(s, TUNE_CONTESTS_MAX + 1, 1000, &f), ERR_LIMIT);
    assert_err(tune_shape_manifest(s, whole.el->m, &f), OK);
    assert_true(s->contest_count >= 1 && s->contest[0].options >= 2);
    struct tune_sample *t;
    assert_err(tune_sample_new(&t, s, whole.dir, &f), OK); /* such ballots can be made */
    assert_true(tune_sample_len(t) > 500);
    tune_sample_free(t);
    enum election_kind kind = whole.el->m->kind;
    whole.el->m->kind = KIND_IMPORT;
    assert_err(tune_shape_manifest(s, whole.el->m, &f), ERR_RULE);
    whole.el->m->kind = kind;
    free(s);
}

/* --- choosing --- */

static struct tune_machine some_machine(void)
{
    struct tune_machine m = {.processors = 4,
                             .ballot_len = 1000,
                             .ballot_points = 30,
                             .segment_len = 2000,
                             .step_count = 3,
                             .hash = 1e-9,
                             .copy = 1e-9,
                             .hash_short = 1e-7,
                             .decompress = 2e-6,
                             .hinted = 60e-6,
                             .segment = 2e-6,
                             .precinct = 1e-3,
                             .id = 1e-7,
                             .read = 1e-9};
    static const double ballot[TUNE_SIZES] = {200e-6, 150e-6, 101e-6, 100e-6, 99.5e-6, 120e-6};
    memcpy(m.ballot, ballot, sizeof ballot);
    for (int i = 0; i < 3; i++)
        m.step[i].threads = 1u << i;
    m.step[0].ballot = m.step[0].clock = 100e-6;
    m.step[1].ballot = m.step[1].clock = 50e-6;
    m.step[2].ballot = m.step[2].clock = 49.5e-6;
    m.msm[2] = 0.5e-6;
    return m;
}

static int near(double a, double b)
{
    return fabs(a - b) <= 1e-6 * fabs(b);
}

static void the_choice_follows_from_the_figures(void **state)
{
    (void)state;
    struct tune_machine m = some_machine();
    struct settings s;
    unsigned own = tune_window(16384);
    assert_true(own > 5 && own < 15);
    tune_choose(&s, &m);
    assert_int_equal(s.batch_points, 16384); /* the smallest within 2 % */
    assert_int_equal(s.threads, 2);
    assert_int_equal(s.window, 0);
    assert_int_equal(s.node_batch, 297); /* 30 ms */
    for (unsigned i = 0; i < 3; i++) {
        m.window[i].width = own - 1 + i;
        m.window[i].ballot = (i == 2 ? 99e-6 : 100e-6);
    }
    tune_choose(&s, &m);
    assert_int_equal(s.window, 0); /* gains 1 % */
    m.window[2].ballot = 97e-6;
    tune_choose(&s, &m);
    assert_int_equal(s.window, own + 1);
    for (size_t i = 0; i < TUNE_SIZES; i++)
        m.ballot[i] /= 10;
    tune_choose(&s, &m);
    assert_int_equal(s.node_batch, 0); /* the usual number is not too many */
    for (size_t i = 0; i < TUNE_SIZES; i++)
        m.ballot[i] *= 10000;
    tune_choose(&s, &m);
    assert_int_equal(s.node_batch, 16);
}

static void the_prediction_follows_from_the_figures(void **state)
{
    (void)state;
    struct tune_machine m = some_machine();
    struct settings s;
    struct tune_prediction p;
    tune_choose(&s, &m);
    tune_predict(&p, &m, &s, 1000000, 2000);
    assert_true(near(p.exports.arithmetic, 51) && near(p.exports.disk, 1) && near(p.exports.ids, 0.1));
    assert_true(near(p.exports.alone, 2) && near(p.exports.seconds, 53.1) && near(p.exports.now, 53.1));
    assert_true(near(p.exports.processor, 104.1));
    assert_true(near(p.chain.arithmetic, 32) && near(p.chain.disk, 2) && near(p.chain.alone, 0.4));
    assert_true(near(p.chain.seconds, 32.5) && near(p.chain.processor, 64.5));
    assert_string_equal(p.bottleneck, "decompression");
    double sum = 0;
    for (int i = 0; i < TUNE_PART_COUNT; i++)
        sum += p.part[i];
    assert_true(fabs(sum - 1) < 1e-9);
    /* Others take nine tenths of the machine: the choice is the same, and now it takes ten times as long. */
    for (int i = 0; i < 3; i++)
        m.step[i].clock *= 10;
    tune_choose(&s, &m);
    assert_int_equal(s.threads, 2);
    tune_predict(&p, &m, &s, 1000000, 2000);
    assert_true(near(p.exports.seconds, 53.1) && near(p.exports.now, 531));
    m.read = 1e-6; /* a slow disk */
    tune_predict(&p, &m, &s, 1000000, 2000);
    assert_string_equal(p.bottleneck, "disk");
    assert_true(near(p.exports.seconds, 1002.1));
    m.read = 0;
    tune_predict(&p, &m, &s, 1000000, 1000000); /* of one ballot */
    assert_string_equal(p.bottleneck, "precincts");
    s.threads = 1;
    tune_predict(&p, &m, &s, 1000000, 1);
    assert_true(near(p.exports.arithmetic, 102));
}

/* What a container may use is less than the machine has. */
static void limits_of_control_groups(void **state)
{
    (void)state;
    static const struct {
        const char *own, *inner, *outer;
        uint32_t allowed;
    } row[] = {
        {"0::/\n", NULL, NULL, 16},
        {"0::/\n", NULL, "max 100000\n", 16},
        {"0::/\n", NULL, "150000 100000\n", 2},
        {"1:cpu:/x\n0::/a/b\n", "400000 100000\n", "max 100000\n", 4},
        {"0::/a/b\n", "400000 100000\n", "20000 100000\n", 1},
        {"0::/a/b\n", "9900000 100000\n", NULL, 16},
        {"0::/a/b\n", "-1 100000\n", "rubbish", 16},
        {"1:cpu:/\n", "100000 100000\n", "100000 100000\n", 16},
    };
    struct fault f;
    char own[300], root[300], path[2][400];
    snprintf(own, sizeof own, "%s", whole_path(&whole, "own"));
    snprintf(root, sizeof root, "%s", whole_path(&whole, "groups"));
    snprintf(path[0], sizeof path[0], "%s/a/b/cpu.max", root);
    snprintf(path[1], sizeof path[1], "%s/cpu.max", root);
    assert_err(file_mkdir(whole_path(&whole, "groups/a/b"), &f), OK);
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        const char *text[2] = {row[i].inner, row[i].outer};
        assert_err(file_write(own, row[i].own, strlen(row[i].own), FILE_REPLACE, &f), OK);
        for (int k = 0; k < 2; k++) {
            unlink(path[k]);
            if (text[k] != NULL)
                assert_err(file_write(path[k], text[k], strlen(text[k]), FILE_REPLACE, &f), OK);
        }
        assert_int_equal(tune_allowed(16, own, root), row[i].allowed);
    }
    assert_int_equal(tune_allowed(16, "/nowhere", root), 16);
}

/* Every figure is there, and what follows from them. How close that comes to a real run depends on what
 * else this machine does: docs/scale.md compares. */
static void a_machine_is_measured(void **state)
{
    (void)state;
    struct tune_shape *shape = calloc(1, sizeof *shape);
    struct tune_sample *sample;
    struct tune_machine m;
    struct settings s;
    struct tune_prediction p;
    struct fault f;
    char dir[300];
    snprintf(dir, sizeof dir, "%s", whole_path(&whole, "measured"));
    assert_err(tune_shape_even(shape, 1, 4, &f), OK);
    assert_err(tune_sample_new(&sample, shape, dir, &f), OK);
    fault_clear(&f);
    err_t e = tune_measure(&m, sample, 0.001, NULL, NULL, &f);
    if (e != OK)
        fail_msg("%s %s %s", err_name(e), f.file, f.detail);
    const double all[] = {m.make,     m.hash,          m.hash_short,     m.decompress, m.lift,
                          m.id,       m.unpack,        m.packed,         m.read,       m.write,
                          m.sync,     m.msm[0],        m.hinted,         m.segment,    m.copy,
                          m.precinct, m.step[0].clock, m.step[0].ballot, m.ballot[0]};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        assert_true(isfinite(all[i]) && all[i] > 0);
    for (size_t i = 0; i < TUNE_SIZES; i++)
        assert_true(m.msm[i] > 0 && m.ballot[i] > 0);
    for (size_t i = 0; i < TUNE_WINDOWS; i++)
        assert_true(m.window[i].width == 0 || m.window[i].ballot > 0);
    assert_true(m.segment_len > m.ballot_len);
    assert_true(m.processors >= 1 && m.step[m.step_count - 1].threads == m.processors);
    tune_choose(&s, &m);
    assert_true(s.threads >= 1 && s.threads <= m.processors && s.batch_points >= SETTINGS_POINTS_MIN);
    tune_predict(&p, &m, &s, 3000, 3);
    assert_true(p.exports.seconds > 0 && p.chain.seconds > 0 && isfinite(p.exports.rate));
    tune_sample_free(sample);
    assert_int_equal(rmdir(dir), 0); /* nothing is left in it */
    assert_err(tune_sample_new(&sample, shape, "/proc/nowhere", &f), ERR_IO);
    free(shape);
}

/* --- the verbs --- */

static char *printed;

static err_t call(err_t (*verb)(struct verb_run *, int, char **), const char *words)
{
    static const struct verb about = {"verb", "", "summary", NULL, NULL};
    static const struct verb_program program = {.name = "program"};
    char text[2048], arg[32][300], *argv[32], *save = NULL;
    size_t len;
    int argc = 0;
    snprintf(text, sizeof text, "%s", words);
    for (char *word = strtok_r(text, " ", &save); word != NULL; word = strtok_r(NULL, " ", &save)) {
        snprintf(arg[argc], sizeof arg[argc], "%s%s%s", word[0] == '@' ? whole.dir : "",
                 word[0] == '@' ? "/" : "", word[0] == '@' ? word + 1 : word);
        argv[argc] = arg[argc];
        argc++;
    }
    free(printed);
    printed = NULL;
    FILE *out = open_memstream(&printed, &len), *err = fopen("/dev/null", "w");
    struct verb_run v = {.program = &program, .verb = &about, .out = out, .err = err};
    fault_clear(&v.fault);
    err_t e = verb(&v, argc, argv);
    fclose(out);
    fclose(err);
    return e;
}

static void the_verb_writes_settings(void **state)
{
    (void)state;
    struct settings s;
    struct fault f;
    assert_err(call(verb_tune, "--explain"), ERR_USAGE);
    assert_err(call(verb_tune, "--work @t --contests 2 --election @board/manifest.json"), ERR_USAGE);
    assert_err(call(verb_tune, "--work @t --contests 0"), ERR_USAGE);
    assert_err(call(verb_tune, "--work @t --election @nothing.json"), ERR_MISSING);
    assert_err(call(verb_tune, "--work @t --milliseconds 1 --explain --ballots 350000000 --election "
                               "@board/manifest.json"),
               OK);
    assert_non_null(strstr(printed, "prediction     350000000 ballots on "));
    assert_non_null(strstr(printed, ", in 388889 precincts, and in one chain:"));
    assert_non_null(strstr(printed, "of processors; arithmetic "));
    assert_non_null(strstr(printed, "by the clock now"));
    assert_non_null(strstr(printed, "bottleneck     "));
    assert_non_null(strstr(printed, "<- chosen"));
    assert_err(settings_load(&s, NULL, whole_path(&whole, "t"), &f), OK);
    assert_err(call(verb_tune, "--work @t --milliseconds 1 --ballots 5 --precincts 6"), ERR_USAGE);
    assert_true(s.threads >= 1 && s.batch_points >= SETTINGS_POINTS_MIN);
}

static uint64_t number_of(const char *text, const char *name)
{
    const char *at = strstr(text, name);
    while (at != NULL && (at == text || at[-1] != '\n' || at[strlen(name)] != '{'))
        at = strstr(at + 1, name);
    assert_non_null(at);
    return strtoull(strchr(at, ' ') + 1, NULL, 10);
}

/* The same records whatever the settings say; the numbers of the run are written beside. */
static void settings_and_numbers_change_no_result(void **state)
{
    (void)state;
    static const struct settings odd = {.threads = 3, .batch_points = SETTINGS_POINTS_MIN, .window = 5};
    struct fault f;
    uint8_t *text;
    size_t len;
    assert_err(call(verb_aggregate, "--board @board --exports @exports --work @plain"), OK);
    char *plain = strdup(printed);
    assert_non_null(strstr(plain, "root hex"));
    assert_err(file_mkdir(whole_path(&whole, "tuned"), &f), OK);
    assert_err(settings_save(&odd, NULL, whole_path(&whole, "tuned/settings.json"), &f), OK);
    assert_err(call(verb_aggregate, "--board @board --exports @exports --work @tuned --metrics @run-1.prom"),
               OK);
    assert_string_equal(plain, printed);
    free(plain);
    assert_err(file_read(&text, &len, whole_path(&whole, "run-1.prom"), 1 << 20, &f), OK);
    assert_non_null(strstr((char *)text,
                           "\nconclave_verify_ballots_total{process=\"run-1\",program=\"aggregate\"} 18\n"));
    assert_non_null(
        strstr((char *)text, "\nconclave_verify_threads{process=\"run-1\",program=\"aggregate\"} 3\n"));
    assert_null(strstr((char *)text, "conclave_verify_refused_total"));
    uint64_t read = number_of((char *)text, "conclave_verify_read_bytes_total");
    assert_true(read > 1000 && read == number_of((char *)text, "conclave_verify_expected_bytes"));
    assert_int_equal(number_of((char *)text, "conclave_verify_nullifier_seconds_count"), 18);
    free(text);
    assert_err(call(verb_aggregate, "--board @board --exports @exports --work @plain --settings @none.json"),
               ERR_MISSING);
    assert_err(call(verb_aggregate, "--board @board --exports @exports --work @plain --metrics @x.txt"),
               ERR_USAGE);
    assert_err(call(verb_aggregate, "--board @board --exports @exports --work @plain --metrics @no/x.prom"),
               OK);
    free(printed);
    printed = NULL;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settings_come_back),
        cmocka_unit_test(bad_settings_are_named),
        cmocka_unit_test(shapes),
        cmocka_unit_test(the_choice_follows_from_the_figures),
        cmocka_unit_test(the_prediction_follows_from_the_figures),
        cmocka_unit_test(limits_of_control_groups),
        cmocka_unit_test(a_machine_is_measured),
        cmocka_unit_test(the_verb_writes_settings),
        cmocka_unit_test(settings_and_numbers_change_no_result),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
