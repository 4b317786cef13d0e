/* Settings, what is measured and what follows from it; and that neither settings nor numbers change a result.
 */
#include <math.h>
#include <unistd.h>

#include "ceremony/base/file.h"
#include "tally/ballot_batch.h"
#include "tally/tune.h"
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
    assert_err(tune_sample_new(&t, s, &f), OK); /* such ballots can be made */
    assert_true(tune_sample_len(t) > 500);
    tune_sample_free(t);
    enum election_kind kind = whole.el->m->kind;
    whole.el->m->kind = KIND_IMPORT;
    assert_err(tune_shape_manifest(s, whole.el->m, &f), ERR_RULE);
    whole.el->m->kind = kind;
    free(s);
}

/* --- choosing --- */

static void the_choice_follows_from_the_figures(void **state)
{
    (void)state;
    struct tune_machine m = {.processors = 4, .ballot_len = 1000, .ballot_points = 30, .step_count = 3};
    struct settings s;
    struct tune_prediction p;
    static const double ballot[TUNE_SIZES] = {200e-6, 150e-6, 101e-6, 100e-6, 99.5e-6, 120e-6};
    memcpy(m.ballot, ballot, sizeof ballot);
    for (int i = 0; i < 3; i++)
        m.step[i].threads = 1u << i;
    m.step[0].ballot = 100e-6;
    m.step[1].ballot = 51e-6;
    m.step[2].ballot = 50.5e-6;
    tune_choose(&s, &m);
    assert_int_equal(s.batch_points, 16384); /* the smallest within 2 % */
    assert_int_equal(s.threads, 2);
    assert_true(tune_window(16384) > 5 && tune_window(16384) < 20);

    m.hash = 1e-9;
    m.decompress = 2e-6;
    m.msm[2] = 0.5e-6;
    m.read = 1e-9;
    m.id = 1e-7;
    tune_predict(&p, &m, &s, 1000000);
    assert_true(fabs(p.arithmetic - 51) < 0.01 && fabs(p.disk - 1) < 0.01 && fabs(p.ids - 0.1) < 0.01);
    assert_true(fabs(p.seconds - 51.1) < 0.01);
    assert_string_equal(p.bottleneck, "decompression");
    double sum = 0;
    for (int i = 0; i < TUNE_PART_COUNT; i++)
        sum += p.part[i];
    assert_true(fabs(sum - 1) < 1e-9);
    m.read = 1e-6; /* a slow disk */
    tune_predict(&p, &m, &s, 1000000);
    assert_string_equal(p.bottleneck, "disk");
    assert_true(fabs(p.seconds - 1000.1) < 0.1);
    s.threads = 1;
    m.read = 0;
    tune_predict(&p, &m, &s, 1000000);
    assert_true(fabs(p.arithmetic - 100) < 0.01);
}

/* Every figure is there, and a prediction from them can be compared with a run. How close they are depends on
 * what else this machine does, so that is printed and not demanded. */
static void a_machine_is_measured(void **state)
{
    (void)state;
    struct tune_shape *shape = calloc(1, sizeof *shape);
    struct tune_sample *sample;
    struct tune_machine m;
    struct settings s;
    struct tune_prediction p;
    struct fault f;
    assert_err(tune_shape_even(shape, 1, 4, &f), OK);
    assert_err(tune_sample_new(&sample, shape, &f), OK);
    assert_err(tune_measure(&m, sample, whole.dir, 0.001, NULL, NULL, &f), OK);
    const double all[] = {m.make, m.hash,   m.hash_short, m.decompress,    m.lift,
                          m.id,   m.unpack, m.packed,     m.read,          m.write,
                          m.sync, m.msm[0], m.ballot[0],  m.step[0].ballot};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        assert_true(isfinite(all[i]) && all[i] > 0);
    for (size_t i = 0; i < TUNE_SIZES; i++)
        assert_true(m.msm[i] > 0 && m.ballot[i] > 0);
    assert_true(m.processors >= 1 && m.step[m.step_count - 1].threads == m.processors);
    tune_choose(&s, &m);
    assert_true(s.threads >= 1 && s.threads <= m.processors && s.batch_points >= SETTINGS_POINTS_MIN);
    tune_predict(&p, &m, &s, 3000);
    assert_true(p.seconds > 0 && isfinite(p.rate));
    tune_sample_free(sample);
    assert_err(tune_shape_even(shape, 2, 4, &f), OK);
    assert_err(tune_sample_new(&sample, shape, &f), OK);
    fault_clear(&f);
    assert_err(tune_measure(&m, sample, "/proc/nowhere", 0.001, NULL, NULL, &f), ERR_IO);
    tune_sample_free(sample);
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
    assert_non_null(strstr(printed, "prediction     350000000 ballots in "));
    assert_non_null(strstr(printed, "bottleneck     "));
    assert_non_null(strstr(printed, "<- chosen"));
    assert_err(settings_load(&s, NULL, whole_path(&whole, "t"), &f), OK);
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
        cmocka_unit_test(a_machine_is_measured),
        cmocka_unit_test(the_verb_writes_settings),
        cmocka_unit_test(settings_and_numbers_change_no_result),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
