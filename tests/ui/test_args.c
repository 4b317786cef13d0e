#include "tests/support/unit.h"
#include "ui/verb.h"

struct given {
    const char *board, *token;
    int last_try, help;
    struct arg_list accept, rest;
};

static struct fault fault;

/* Words are separated by space; an empty one is written as a comma. */
static err_t parse(struct given *g, const char *words, int takes_rest)
{
    static char text[20000];
    static char *argv[3000];
    char *save = NULL;
    int argc = 0;
    memset(g, 0, sizeof *g);
    const struct arg spec[] = {
        {"board", ARG_TEXT, &g->board, "DIR", "where", 1},
        {"token", ARG_TEXT, &g->token, "URI", "which", 0},
        {"last-try", ARG_FLAG, &g->last_try, NULL, "spend it", 0},
        {"accept", ARG_LIST, &g->accept, "HEX", "can be repeated", 0},
        {0},
    };
    assert_true(strlen(words) < sizeof text);
    strcpy(text, words);
    for (char *w = strtok_r(text, " ", &save); w != NULL; w = strtok_r(NULL, " ", &save)) {
        if (strcmp(w, ",") == 0)
            *w = '\0';
        argv[argc++] = w;
    }
    fault_clear(&fault);
    return args_parse(argc, argv, spec, takes_rest ? &g->rest : NULL, &g->help, &fault);
}

static void values_flags_and_lists(void **state)
{
    struct given g;
    (void)state;
    assert_err(parse(&g, "--board a --last-try --accept 1 --token=b=c --accept=2", 0), OK);
    assert_string_equal(g.board, "a");
    assert_string_equal(g.token, "b=c");
    assert_int_equal(g.last_try, 1);
    assert_int_equal(g.accept.count, 2);
    assert_string_equal(g.accept.item[1], "2");
    assert_int_equal(g.help, 0);
    assert_err(parse(&g, "--board --token", 0),
               OK); /* the word behind is the value, whatever it looks like */
    assert_string_equal(g.board, "--token");
}

static void other_words_are_the_rest(void **state)
{
    struct given g;
    (void)state;
    assert_err(parse(&g, "x --board a - -- --token y", 1), OK);
    assert_int_equal(g.rest.count, 4);
    assert_string_equal(g.rest.item[0], "x");
    assert_string_equal(g.rest.item[1], "-");
    assert_string_equal(g.rest.item[2], "--token");
    assert_null(g.token);
    assert_err(parse(&g, "--board a x", 0), ERR_USAGE);
    assert_err(parse(&g, "--board a -- x", 0), ERR_USAGE);
}

static void wrong_use_is_refused(void **state)
{
    static const char *const wrong[] = {
        "",                       /* required */
        "--token b",              /* required */
        "--board",                /* no value */
        "--board ,",              /* empty */
        "--board=",               /* empty */
        "--board a --board b",    /* twice */
        "--board a --last-try=1", /* a flag with a value */
        "--board a --boards b",   /* unknown: longer */
        "--board a --toke b",     /* unknown: shorter */
        "--board a --=b",         /* no name */
        "--board a -t",           /* no short options */
        "--board a --accept",     /* list without a value */
    };
    struct given g;
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        if (parse(&g, wrong[i], 1) != ERR_USAGE || fault.err != ERR_USAGE)
            fail_msg("accepted: %s", wrong[i]);
    assert_err(parse(&g, "--board a --pin=471123", 1), ERR_USAGE);
    assert_null(strstr(fault.detail, "471123")); /* what is refused is not repeated */
    assert_null(strstr(fault.detail, "pin"));
}

static void a_list_has_an_end(void **state)
{
    static char words[2 * ARG_LIST_MAX + 32] = "--board a";
    struct given g;
    size_t at = strlen(words);
    (void)state;
    for (size_t i = 0; i < ARG_LIST_MAX; i++, at += 2)
        memcpy(words + at, " x", 2);
    assert_err(parse(&g, words, 1), OK);
    memcpy(words + at, " x", 2);
    assert_err(parse(&g, words, 1), ERR_USAGE);
}

static void help_comes_first(void **state)
{
    struct given g;
    (void)state;
    assert_err(parse(&g, "--nonsense --help --board", 0), OK);
    assert_int_equal(g.help, 1);
    assert_err(parse(&g, "--board a -- --help", 1), OK);
    assert_int_equal(g.help, 0);
}

static void numbers_have_bounds(void **state)
{
    static const char *const wrong[] = {"",   "-1",  "+7", " 7", "7 ",
                                        "7x", "0x7", "4",  "21", "99999999999999999999"};
    uint64_t n = 77;
    (void)state;
    assert_err(args_number(&n, NULL, "n", 5, 20, &fault), OK);
    assert_int_equal(n, 77);
    assert_err(args_number(&n, "5", "n", 5, 20, &fault), OK);
    assert_int_equal(n, 5);
    assert_err(args_number(&n, "20", "n", 5, 20, &fault), OK);
    assert_int_equal(n, 20);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_err(args_number(&n, wrong[i], "threads", 5, 20, &fault), ERR_USAGE);
        assert_int_equal(n, 0);
        assert_non_null(strstr(fault.detail, "--threads"));
    }
    assert_err(args_number(&n, "9223372036854775807", "n", 0, INT64_MAX, &fault), OK);
    assert_int_equal(n, INT64_MAX);
}

/* --- verbs --- */

static err_t run_say(struct verb_run *v, int argc, char **argv)
{
    const char *what = NULL;
    const struct arg spec[] = {{"what", ARG_TEXT, &what, "TEXT", "what to say", 1}, {0}};
    TRY(verb_options(v, argc, argv, spec, NULL));
    if (v->help_shown)
        return OK;
    if (strcmp(what, "no") == 0)
        return fault_set(&v->fault, ERR_RULE, "it is refused");
    return strcmp(what, "bare") == 0 ? ERR_IO : OK; /* an error without words */
}

static int call(const char *a, const char *b, const char *c)
{
    static const struct verb verbs[] = {{"say", "", "says it", NULL, run_say},
                                        {"loud say", "", "says it aloud", NULL, run_say}};
    static const struct verb_program program = {.name = "p", .about = "tests", .verb = verbs, .count = 2};
    const char *argv[] = {"p", a, b, c, NULL};
    int argc = 1;
    while (argv[argc] != NULL)
        argc++;
    return verb_main(&program, argc, (char **)argv);
}

static void exit_status(void **state)
{
    (void)state;
    assert_int_equal(call("say", "--what", "yes"), 0);
    assert_int_equal(call("loud", "say", "--what=yes"), 0);
    assert_int_equal(call("say", "--help", NULL), 0);
    assert_int_equal(call("loud", "--help", NULL), 0);
    assert_int_equal(call("--help", NULL, NULL), 0);
    assert_int_equal(call("say", "--what", "no"), 1);
    assert_int_equal(call("say", "--what", "bare"), 1);
    assert_int_equal(call("say", NULL, NULL), 2);
    assert_int_equal(call("loud", NULL, NULL), 2);
    assert_int_equal(call("loud", "cry", NULL), 2);
    assert_int_equal(call("cry", NULL, NULL), 2);
    assert_int_equal(call("sa", NULL, NULL), 2);
    assert_int_equal(call(NULL, NULL, NULL), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_flags_and_lists),
        cmocka_unit_test(other_words_are_the_rest),
        cmocka_unit_test(wrong_use_is_refused),
        cmocka_unit_test(a_list_has_an_end),
        cmocka_unit_test(help_comes_first),
        cmocka_unit_test(numbers_have_bounds),
        cmocka_unit_test(exit_status),
    };
    return cmocka_run_group_tests_name("args", tests, NULL, NULL);
}
