/* The verbs of conclave-tally, called as main calls them. */
#include <fcntl.h>
#include <unistd.h>

#include "ceremony/base/file.h"
#include "tally/verb.h"
#include "tests/support/unit.h"
#include "tests/support/whole.h"

static struct whole whole; /* made once; precinct b2 is there to be played with */

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

typedef err_t verb_fn(struct verb_run *v, int argc, char **argv);

static char *printed; /* what the last verb wrote to its output */
static struct fault fault;

/* Words are separated by space; "@name" is a path in the directory. */
static err_t call(struct whole *w, verb_fn *verb, const char *words)
{
    static const struct verb about = {"verb", "", "summary", NULL, NULL};
    static const struct verb_program program = {.name = "program"};
    char text[4096], arg[64][300], *argv[64], *save = NULL;
    size_t len;
    int argc = 0;
    snprintf(text, sizeof text, "%s", words);
    for (char *word = strtok_r(text, " ", &save); word != NULL; word = strtok_r(NULL, " ", &save)) {
        assert_true(argc < 64);
        snprintf(arg[argc], sizeof arg[argc], "%s%s%s", word[0] == '@' ? w->dir : "",
                 word[0] == '@' ? "/" : "", word[0] == '@' ? word + 1 : word);
        argv[argc] = arg[argc];
        argc++;
    }
    free(printed);
    printed = NULL;
    FILE *out = open_memstream(&printed, &len), *err = fopen("/dev/null", "w");
    assert_non_null(out);
    assert_non_null(err);
    struct verb_run v = {.program = &program, .verb = &about, .out = out, .err = err};
    fault_clear(&v.fault);
    err_t e = verb(&v, argc, argv);
    fclose(out);
    fclose(err);
    fault = v.fault;
    if (e != OK)
        assert_int_equal(v.fault.err, e);
    return e;
}

static int says(const char *text)
{
    return strstr(printed, text) != NULL;
}

static size_t lines_with(const char *start)
{
    size_t count = 0;
    for (const char *p = printed; p != NULL && *p != 0; p = strchr(p, '\n') ? strchr(p, '\n') + 1 : NULL)
        count += strncmp(p, start, strlen(start)) == 0;
    return count;
}

/* --- options --- */

static void wrong_use_is_named(void **state)
{
    struct whole *w = *state;
    assert_err(call(w, verb_plan, ""), ERR_USAGE);
    assert_non_null(strstr(fault.detail, "--board"));
    assert_err(call(w, verb_plan, "--board @board"), ERR_USAGE); /* neither work nor records */
    assert_err(call(w, verb_plan, "--board @board --board @board"), ERR_USAGE);
    assert_err(call(w, verb_plan, "--board"), ERR_USAGE);
    assert_err(call(w, verb_plan, "--boards x"), ERR_USAGE);
    assert_err(call(w, verb_plan, "word"), ERR_USAGE);
    assert_err(call(w, verb_aggregate, "--verbose=1 --board b"), ERR_USAGE);
    assert_err(call(w, verb_aggregate, "--board @board --exports @exports --work @work --threads -1"),
               ERR_USAGE);
    assert_err(call(w, verb_aggregate, "--board @board --exports @exports --work @work --accept 00"),
               ERR_USAGE);
    assert_err(call(w, verb_ballot_make, "--board @board --place b2 --out @o --random 1 --select mayor=x"),
               ERR_USAGE);
    assert_err(call(w, verb_show, ""), ERR_USAGE);
    assert_err(call(w, verb_plan, "--help"), OK);
    assert_true(says("--supersedes FILE"));
}

static void keys_are_made_once(void **state)
{
    struct whole *w = *state;
    assert_err(call(w, verb_key_new, "--out @k --no-passphrase"), OK);
    assert_int_equal(strlen(printed), 67);
    char *first = strdup(printed);
    assert_err(call(w, verb_key_show, "@k"), OK);
    assert_string_equal(printed, first);
    free(first);
    assert_err(call(w, verb_key_new, "--out @k --no-passphrase"), ERR_EXISTS);
    assert_err(call(w, verb_key_show, "@absent"), ERR_MISSING);
}

/* --- ballots --- */

static void a_seed_decides_votes_not_ciphertexts(void **state)
{
    struct whole *w = *state;
    uint8_t *a, *b;
    size_t la, lb;
    assert_err(call(w, verb_ballot_make, "--board @board --place b2 --random 5 --seed 9 --out @s1"), OK);
    char *first = strdup(printed);
    assert_err(call(w, verb_ballot_make, "--board @board --place b2 --random 5 --seed 9 --out @s2"), OK);
    assert_string_equal(printed, first);
    assert_int_equal(lines_with("total mayor "), 3);
    free(first);
    assert_err(file_read(&a, &la, whole_path(w, "s1"), 1 << 20, &fault), OK);
    assert_err(file_read(&b, &lb, whole_path(w, "s2"), 1 << 20, &fault), OK);
    assert_int_equal(la, lb);
    assert_memory_not_equal(a, b, la);
    free(a);
    free(b);
    assert_err(call(w, verb_ballot_make, "--board @board --place b2 --random 5 --out @s1"), ERR_EXISTS);
    assert_err(call(w, verb_ballot_make, "--board @board --place land --random 5 --out @s3"), ERR_RULE);
    assert_err(call(w, verb_ballot_make, "--board @board --place nowhere --random 5 --out @s3"), ERR_UNKNOWN);
}

static void ballots_can_be_chosen(void **state)
{
    struct whole *w = *state;
    static const char good[] =
        "[{\"votes\": {\"mayor\": [\"x\"], \"board\": [\"p\", \"r\"]}}, {\"style\": \"all\", \"votes\": {}}]";
    static const char bad[] = "[{\"votes\": {\"mayor\": \"x\"}}]",
                      twice[] = "[{\"votes\": {\"mayor\": [], \"mayor\": []}}]";
    assert_err(
        call(w, verb_ballot_make, "--board @board --place b2 --select mayor=y --select board=p,q --out @c1"),
        OK);
    assert_int_equal(lines_with("ballot "), 1);
    assert_err(call(w, verb_ballot_make, "--board @board --place b2 --select mayor=x,y --out @c2"), ERR_RULE);
    assert_err(call(w, verb_ballot_make, "--board @board --place b2 --select mayor=nobody --out @c2"),
               ERR_UNKNOWN);
    assert_err(call(w, verb_ballot_make, "--board @board --place a1 --select mayor=x --out @c2"),
               ERR_USAGE); /* two styles */
    assert_err(call(w, verb_ballot_make, "--board @board --place a1 --style few --select mayor=x --out @c2"),
               OK);
    assert_err(file_write(whole_path(w, "good.json"), good, strlen(good), FILE_NEW, &fault), OK);
    assert_err(file_write(whole_path(w, "bad.json"), bad, strlen(bad), FILE_NEW, &fault), OK);
    assert_err(file_write(whole_path(w, "twice.json"), twice, strlen(twice), FILE_NEW, &fault), OK);
    assert_err(call(w, verb_ballot_make, "--board @board --place b2 --votes @good.json --out @c3"), OK);
    assert_int_equal(lines_with("ballot "), 2);
    assert_err(call(w, verb_ballot_make, "--board @board --place b2 --votes @bad.json --out @c4"),
               ERR_FORMAT);
    assert_err(call(w, verb_ballot_make, "--board @board --place b2 --votes @twice.json --out @c4"),
               ERR_FORMAT);
    assert_int_not_equal(access(whole_path(w, "c4"), F_OK), 0);
}

static void append(struct whole *w, const char *name, const void *data, size_t len)
{
    FILE *f = fopen(whole_path(w, name), "ab");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
}

#define B2 "--board @board --place b2 --journal @b2.journal "

static void casting_names_what_it_refuses(void **state)
{
    struct whole *w = *state;
    uint8_t *data, other;
    size_t len;
    assert_err(call(w, verb_precinct_status, B2), ERR_MISSING);
    assert_err(call(w, verb_precinct_open, B2), OK);
    assert_err(call(w, verb_ballot_make, "--board @board --place b2 --random 7 --out @seven"), OK);
    assert_err(call(w, verb_precinct_cast, B2 "@seven"), OK);
    assert_int_equal(lines_with("accepted "), 7);
    assert_err(call(w, verb_precinct_cast, B2 "@seven"), OK);
    assert_int_equal(lines_with("again "), 7);

    /* a good one, one of another place, a good one with a byte changed, and then the end of a torn copy */
    assert_err(call(w, verb_ballot_make, "--board @board --place b2 --select mayor=x --out @mix"), OK);
    assert_err(call(w, verb_ballot_make, "--board @board --place a2 --random 1 --out @foreign"), OK);
    assert_err(call(w, verb_ballot_make, "--board @board --place b2 --select mayor=y --out @changed"), OK);
    assert_err(file_read(&data, &len, whole_path(w, "foreign"), 1 << 20, &fault), OK);
    append(w, "mix", data, len);
    free(data);
    assert_err(file_read(&data, &len, whole_path(w, "changed"), 1 << 20, &fault), OK);
    data[len - 1] ^= 1;
    append(w, "mix", data, len);
    data[len - 1] ^= 1;
    append(w, "mix", data, len - 10);
    free(data);
    assert_err(call(w, verb_precinct_cast, B2 "@mix"), ERR_TRUNCATED);
    assert_int_equal(lines_with("accepted "), 1);
    assert_true(says("refused 2 ERR_UNKNOWN"));
    assert_true(says("refused 3 ERR_PROOF"));
    assert_true(fault.at > 0);
    other = 0x01;
    assert_err(file_write(whole_path(w, "notballots"), &other, 1, FILE_NEW, &fault), OK);
    assert_err(call(w, verb_precinct_cast, B2 "@notballots"), ERR_FORMAT);
    assert_err(file_write(whole_path(w, "long"), "\x5a\xff\xff\xff\xff", 5, FILE_NEW, &fault), OK);
    assert_err(call(w, verb_precinct_cast, B2 "@long"), ERR_LIMIT);
    assert_err(file_write(whole_path(w, "loose"), "\x58\x01\x00", 3, FILE_NEW, &fault), OK);
    assert_err(call(w, verb_precinct_cast, B2 "@loose"), ERR_CANONICAL);
    assert_err(call(w, verb_precinct_cast, B2 "@nofile"), ERR_MISSING);
    assert_err(call(w, verb_precinct_status, B2), OK);
    assert_true(says("ballots   8\n"));
}

static void closing_and_receipts(void **state)
{
    struct whole *w = *state;
    char words[300], id[65];
    assert_err(call(w, verb_precinct_cast, B2 "@seven"), OK);
    snprintf(id, sizeof id, "%.64s", strstr(printed, "again ") + 6);
    assert_err(call(w, verb_precinct_close, B2 "--key @k2 --no-passphrase --export @e"), ERR_MISSING);
    assert_err(call(w, verb_precinct_close, B2 "--key @sign.key --no-passphrase --export @e --time 500000"),
               OK);
    assert_err(call(w, verb_precinct_close, B2 "--key @sign.key --no-passphrase --export @e --time 500001"),
               OK);
    assert_err(call(w, verb_precinct_cast, B2 "@seven"), ERR_DONE);
    snprintf(words, sizeof words, B2 "--ballot %s --out @receipt", id);
    assert_err(call(w, verb_precinct_receipt, words), OK);
    assert_err(call(w, verb_show, "--board @board @receipt"), OK);
    assert_true(says("The path leads to the root"));
    assert_err(call(w, verb_show, "--board @board @e"), OK);
    assert_true(says("items      8"));
    snprintf(words, sizeof words, B2 "--ballot %064d", 0);
    assert_err(call(w, verb_precinct_receipt, words), ERR_MISSING);
    assert_err(call(w, verb_precinct_correct, B2), OK);
    snprintf(words, sizeof words, B2 "--ballot %s", id);
    assert_err(call(w, verb_precinct_remove, words), OK);
    assert_true(says("ballots   7\n"));
}

/* --- from exports to the bundle --- */

static void the_night_by_verbs(void **state)
{
    struct whole *w = *state;
    assert_err(call(w, verb_aggregate, "--board @board --exports @exports --work @night"), OK);
    assert_true(says("missing b2"));
    assert_err(call(w, verb_plan, "--board @board --work @night"), OK);
    assert_true(says("plan words  "));
    assert_err(call(w, verb_plan, "--board @board --work @night"), OK); /* the same again */
    assert_err(call(w, verb_combine, "--board @board --work @night"), OK);
    assert_true(says("Xavier"));
    assert_true(says("good, used"));
    assert_err(call(w, verb_combine, "--board @board --work @night"), OK);
    assert_err(call(w, verb_publish, "--board @board --exports @exports --work @night --out @bundle"), OK);
    assert_true(says("published"));
    assert_err(call(w, verb_publish, "--board @board --exports @exports --work @night --out @bundle"), OK);
    assert_true(says("unchanged"));
    assert_err(call(w, verb_combine, "--board @board --work @nothing"), ERR_MISSING);
    assert_err(file_write(whole_path(w, "exports/rubbish"), "x", 1, FILE_NEW, &fault), OK);
    assert_err(call(w, verb_aggregate, "--board @board --exports @exports --work @night"), ERR_TRUNCATED);
    assert_true(says("refused - "));
    assert_true(says("ballots    18")); /* and the rest was added up */
    assert_int_equal(unlink(whole_path(w, "exports/rubbish")), 0);
}

static void everything_can_be_shown(void **state)
{
    struct whole *w = *state;
    static const char *const files[] = {"board/manifest.json",
                                        "board/record.cbor",
                                        "work/plan.cbor",
                                        "work/result.cbor",
                                        "work/records/nation/land.cbor",
                                        "work/records/precinct/b2.cbor",
                                        "s1",
                                        "exports/of-a1"};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        char words[300];
        snprintf(words, sizeof words, "--board @board @%s", files[i]);
        err_t e = call(w, verb_show, words);
        if (e != OK)
            fail_msg("%s: %s %s", files[i], err_name(e), fault.detail);
        assert_true(strlen(printed) > 20);
        snprintf(words, sizeof words, "--full @%s", files[i]);
        e = call(w, verb_show, words);
        if (e != (i == 7 ? ERR_USAGE : OK)) /* an export needs its election */
            fail_msg("%s: %s %s", files[i], err_name(e), fault.detail);
    }
    assert_err(file_write(whole_path(w, "torn"), "\x82\x01", 2, FILE_NEW, &fault), OK);
    assert_err(call(w, verb_show, "@torn"), ERR_TRUNCATED);
    assert_err(call(w, verb_show, "CONCLAVE1:C:1/2:00000000:00"), ERR_MISSING);
}

static err_t show_entry(void *ctx, const char *name, struct fault *f)
{
    struct whole *w = ctx;
    char words[300];
    (void)f;
    snprintf(words, sizeof words, "--full --board @board @board/entries/%s", name);
    err_t e = call(w, verb_show, words);
    if (e != OK)
        fail_msg("%s: %s %s", name, err_name(e), fault.detail);
    assert_true(says("signature good"));
    return OK;
}

static void every_entry_can_be_shown(void **state)
{
    struct whole *w = *state;
    assert_err(file_list(whole_path(w, "board/entries"), show_entry, w, &fault), OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_use_is_named),
        cmocka_unit_test(keys_are_made_once),
        cmocka_unit_test(a_seed_decides_votes_not_ciphertexts),
        cmocka_unit_test(ballots_can_be_chosen),
        cmocka_unit_test(casting_names_what_it_refuses),
        cmocka_unit_test(closing_and_receipts),
        cmocka_unit_test(the_night_by_verbs),
        cmocka_unit_test(everything_can_be_shown),
        cmocka_unit_test(every_entry_can_be_shown),
    };
    int failed = cmocka_run_group_tests_name("verbs", tests, setup, teardown);
    free(printed);
    return failed;
}
