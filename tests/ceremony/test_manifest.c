/* manifest.json: a good one, and for every rule one that breaks it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ceremony/base/cbor.h"
#include "ceremony/manifest.h"

#define HEX64 "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static const char good[] =
    "{\"conclave\": 1, \"scheme\": \"p256-elgamal\", \"kind\": \"ballots\",\n"
    " \"title\": \"General Election\", \"date\": \"2028-02-29\",\n"
    " \"trustees\": {\"n\": 9, \"t\": 5},\n"
    " \"levels\": [\"nation\", \"state\", \"county\", \"precinct\"],\n"
    " \"jurisdictions\": {\"file\": \"jurisdictions.csv\", \"sha256\": \"" HEX64 "\"},\n"
    " \"contests\": [\n"
    "  {\"id\": \"president\", \"title\": \"President\", \"limit\": 1,\n"
    "   \"options\": [{\"id\": \"a\", \"title\": \"Ada\"}, {\"id\": \"w\", \"title\": \"Write-in\", "
    "\"write_in\": true}]},\n"
    "  {\"id\": \"council\", \"title\": \"Council\", \"limit\": 2,\n"
    "   \"options\": [{\"id\": \"x\", \"title\": \"X\"}, {\"id\": \"y\", \"title\": \"Y\"}, {\"id\": \"z\", "
    "\"title\": \"Z\"}]}],\n"
    " \"styles\": [{\"id\": \"town\", \"contests\": [\"president\", \"council\"]}, {\"id\": \"rural\", "
    "\"contests\": "
    "[\"president\"]}],\n"
    " \"decryption\": {\"levels\": [\"nation\", \"county\"], \"minimum\": 30},\n"
    " \"duplicate_ballots\": \"first\"}\n";

static char *replaced(const char *from, const char *to)
{
    const char *at = strstr(good, from);
    assert_non_null(at);
    size_t size = sizeof good + strlen(to);
    char *text = calloc(1, size);
    assert_non_null(text);
    snprintf(text, size, "%.*s%s%s", (int)(at - good), good, to, at + strlen(from));
    return text;
}

static err_t parse(struct manifest **m, const char *text, struct fault *f)
{
    fault_clear(f);
    return manifest_parse(m, (const uint8_t *)text, strlen(text), f);
}

static void test_good(void **state)
{
    (void)state;
    struct manifest *m;
    struct fault f;
    assert_int_equal(parse(&m, good, &f), OK);
    assert_int_equal(m->n, 9);
    assert_int_equal(m->t, 5);
    assert_int_equal(m->min_qual, 9);
    assert_int_equal(m->same_model_max, 4);
    assert_int_equal(m->rehearsal, 0);
    assert_int_equal(m->level_count, 4);
    assert_string_equal(m->level[0], "nation");
    assert_string_equal(m->level[3], "precinct");
    assert_string_equal(m->places_file, "jurisdictions.csv");
    assert_int_equal(m->places_hash.b[1], 0x11);
    assert_int_equal(m->contest_count, 2);
    assert_int_equal(m->contest[1].limit, 2);
    assert_int_equal(m->contest[0].option[1].write_in, 1);
    assert_int_equal(m->style[0].contest_count, 2);
    assert_int_equal(m->decrypt_levels, 5);
    assert_int_equal(m->minimum, 30);
    assert_int_equal(m->plan_quorum, 0);
    assert_int_equal(m->duplicates, DUPLICATE_FIRST);
    assert_int_equal(m->import_bits, 0);
    assert_int_equal(manifest_contest(m, "council"), 1);
    assert_int_equal(manifest_contest(m, "nothing"), -1);
    assert_int_equal(manifest_style(m, "rural"), 1);
    assert_int_equal(manifest_style(m, ""), -1);
    struct cbor_out o = CBOR_OUT_INIT;
    hash_t h;
    cbor_put_array(&o, 2);
    cbor_put_text(&o, "conclave/election");
    cbor_put_bytes(&o, good, strlen(good));
    assert_int_equal(cbor_out_hash(&o, &h), OK);
    assert_int_equal(hash_cmp(&h, &m->election), 0);
    manifest_free(m);
}

#define T_OLD "\"trustees\": {\"n\": 9, \"t\": 5}"
#define D_OLD "\"decryption\": {\"levels\": [\"nation\", \"county\"], \"minimum\": 30}"
#define LONG50 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static const struct {
    const char *from, *to;
    err_t err;
    const char *place; /* start of the detail */
} broken[] = {
    /* form */
    {"{\"conclave\"", "[\"conclave\"", ERR_FORMAT, ""},
    {"\"first\"}\n", "\"first\"", ERR_TRUNCATED, ""},
    {"\"first\"}\n", "\"first\"}}", ERR_TRAILING, ""},
    {"\"Ada\"", "\"\xc3(\"", ERR_TEXT, ""},
    {"\"Ada\"", "\"A\\u0000\"", ERR_TEXT, ""},
    {"\"kind\": \"ballots\"", "\"kind\": \"ballots\", \"kind\": \"ballots\"", ERR_DUPLICATE, ""},
    {"\"title\": \"Ada\"", "\"title\": \"Ada\", \"id\": \"b\"", ERR_DUPLICATE, ""},
    {"\"conclave\": 1, ", "", ERR_MISSING, "the key \"conclave\""},
    {"\"conclave\": 1", "\"conclave\": 2", ERR_VERSION, "conclave:"},
    {"\"conclave\": 1", "\"conclave\": 1.0", ERR_FORMAT, "conclave:"},
    {"\"conclave\": 1", "\"conclave\": \"1\"", ERR_FORMAT, "conclave:"},
    {"p256-elgamal", "paillier", ERR_VERSION, "scheme:"},
    {"\"kind\": \"ballots\"", "\"kind\": \"both\"", ERR_FORMAT, "kind:"},
    {"\"kind\": \"ballots\"", "\"kind\": \"ballots\", \"Kind\": 1", ERR_FORMAT, "unknown key \"Kind\""},
    {"\"kind\": \"ballots\"", "\"kind\": \"ballots\", \"\\u202ea\": 1", ERR_FORMAT, "an unknown key"},
    {"\"General Election\"", "7", ERR_FORMAT, "title:"},
    {"\"General Election\"", "\"\"", ERR_LIMIT, "title:"},
    {"\"General Election\"", "\"a\\nb\"", ERR_TEXT, "title:"},
    {"\"General Election\"", "\"a\\u202eb\"", ERR_TEXT, "title:"},
    {"General Election", LONG50 LONG50 LONG50 LONG50 "b", ERR_LIMIT, "title:"},
    {"2028-02-29", "2027-02-29", ERR_FORMAT, "date:"},
    {"2028-02-29", "2028-13-01", ERR_FORMAT, "date:"},
    {"2028-02-29", "2028-2-29", ERR_FORMAT, "date:"},
    {"2028-02-29", "2028-00-10", ERR_FORMAT, "date:"},
    {" \"duplicate_ballots\": \"first\"", " \"duplicate_ballots\": \"last\"", ERR_FORMAT,
     "duplicate_ballots:"},
    /* trustees */
    {T_OLD, "\"trustees\": [9, 5]", ERR_FORMAT, "trustees:"},
    {T_OLD, "\"trustees\": {\"n\": 33, \"t\": 5}", ERR_LIMIT, "trustees.n:"},
    {T_OLD, "\"trustees\": {\"n\": 1, \"t\": 1}", ERR_LIMIT, "trustees.n:"},
    {T_OLD, "\"trustees\": {\"n\": 9, \"t\": 1}", ERR_LIMIT, "trustees.t:"},
    {T_OLD, "\"trustees\": {\"n\": 9, \"t\": 10}", ERR_LIMIT, "trustees.t:"},
    {T_OLD, "\"trustees\": {\"n\": -9, \"t\": 5}", ERR_LIMIT, "trustees.n:"},
    {T_OLD, "\"trustees\": {\"n\": 9, \"t\": 5.5}", ERR_FORMAT, "trustees.t:"},
    {T_OLD, "\"trustees\": {\"n\": 9}", ERR_MISSING, "trustees: the key \"t\""},
    {T_OLD, "\"trustees\": {\"n\": 9, \"t\": 5, \"min_qual\": 4}", ERR_LIMIT, "trustees.min_qual:"},
    {T_OLD, "\"trustees\": {\"n\": 9, \"t\": 5, \"min_qual\": 10}", ERR_LIMIT, "trustees.min_qual:"},
    {T_OLD, "\"trustees\": {\"n\": 9, \"t\": 5, \"max_same_model\": 5}", ERR_LIMIT,
     "trustees.max_same_model:"},
    {T_OLD, "\"trustees\": {\"n\": 9, \"t\": 5, \"rehearsal\": 1}", ERR_FORMAT, "trustees.rehearsal:"},
    {T_OLD, "\"trustees\": {\"n\": 9, \"t\": 5, \"k\": 1}", ERR_FORMAT, "trustees: unknown key"},
    {T_OLD, "\"trustees\": {\"n\": 99999999999999999999, \"t\": 5}", ERR_FORMAT, ""},
    /* levels, jurisdictions */
    {"\"state\", \"county\"", "\"state\", \"state\"", ERR_DUPLICATE, "levels[2]:"},
    {"\"state\", \"county\"", "\"state\", 3", ERR_FORMAT, "levels[2]:"},
    {"\"state\", \"county\"", "\"state\", \"../x\"", ERR_TEXT, "levels[2]:"},
    {"\"state\", \"county\"", "\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\"", ERR_LIMIT, "levels:"},
    {"[\"nation\", \"state\", \"county\", \"precinct\"]", "[]", ERR_LIMIT, "levels:"},
    {"\"jurisdictions.csv\"", "\"../a.csv\"", ERR_TEXT, "jurisdictions.file:"},
    {HEX64, "00", ERR_FORMAT, "jurisdictions.sha256:"},
    /* contests */
    {"\"id\": \"council\"", "\"id\": \"president\"", ERR_DUPLICATE, "contests[1].id:"},
    {"\"id\": \"council\"", "\"id\": \"-council\"", ERR_TEXT, "contests[1].id:"},
    {"\"id\": \"council\", \"title\": \"Council\"", "\"id\": \"council\"", ERR_MISSING,
     "contests[1]: the key \"title\""},
    {"\"id\": \"y\"", "\"id\": \"x\"", ERR_DUPLICATE, "contests[1].options[1].id:"},
    {"\"title\": \"Y\"", "\"title\": null", ERR_FORMAT, "contests[1].options[1].title:"},
    {"\"title\": \"Y\"", "\"title\": \"\"", ERR_LIMIT, "contests[1].options[1].title:"},
    {"\"title\": \"Y\"", "\"title\": \"e\xcc\x81\"", ERR_TEXT, "contests[1].options[1].title:"},
    {"\"title\": \"Y\"", "\"title\": \"Y\", \"party\": \"P\"", ERR_FORMAT,
     "contests[1].options[1]: unknown key"},
    {"\"write_in\": true", "\"write_in\": \"yes\"", ERR_FORMAT, "contests[0].options[1].write_in:"},
    {"\"limit\": 2", "\"limit\": 4", ERR_LIMIT, "contests[1].limit:"},
    {"\"limit\": 2", "\"limit\": 0", ERR_LIMIT, "contests[1].limit:"},
    {"\"limit\": 2", "\"limit\": 2e0", ERR_FORMAT, "contests[1].limit:"},
    {"{\"id\": \"x\", \"title\": \"X\"}, {\"id\": \"y\", \"title\": \"Y\"}, {\"id\": \"z\", \"title\": "
     "\"Z\"}",
     "", ERR_LIMIT, "contests[1].options:"},
    /* styles */
    {"\"id\": \"rural\"", "\"id\": \"town\"", ERR_DUPLICATE, "styles[1].id:"},
    {"[\"president\", \"council\"]", "[\"council\", \"president\"]", ERR_FORMAT, "styles[0].contests[1]:"},
    {"[\"president\", \"council\"]", "[\"president\", \"president\"]", ERR_DUPLICATE,
     "styles[0].contests[1]:"},
    {"[\"president\", \"council\"]", "[\"president\", \"mayor\"]", ERR_UNKNOWN, "styles[0].contests[1]:"},
    {"[\"president\", \"council\"]", "[\"president\"]", ERR_RULE, "contests[1]:"},
    {"[\"president\", \"council\"]", "[]", ERR_LIMIT, "styles[0].contests:"},
    /* decryption */
    {D_OLD, "\"decryption\": {\"levels\": [\"county\"], \"minimum\": 30}", ERR_RULE, "decryption.levels:"},
    {D_OLD, "\"decryption\": {\"levels\": [\"nation\"], \"minimum\": 1}", ERR_LIMIT, "decryption.minimum:"},
    {D_OLD, "\"decryption\": {\"levels\": [], \"minimum\": 30}", ERR_LIMIT, "decryption.levels:"},
    {D_OLD, "\"decryption\": {\"levels\": [\"nation\", \"town\"], \"minimum\": 30}", ERR_UNKNOWN,
     "decryption.levels[1]:"},
    {D_OLD, "\"decryption\": {\"levels\": [\"nation\", \"nation\"], \"minimum\": 30}", ERR_DUPLICATE,
     "decryption.levels[1]:"},
    {D_OLD, "\"decryption\": {\"levels\": [\"county\", \"nation\"], \"minimum\": 30}", ERR_FORMAT,
     "decryption.levels[1]:"},
    {D_OLD, "\"decryption\": {\"levels\": [\"nation\"], \"minimum\": 0}", ERR_LIMIT, "decryption.minimum:"},
    {D_OLD, "\"decryption\": {\"levels\": [\"nation\"], \"minimum\": 2, \"plan_quorum\": 4}", ERR_LIMIT,
     "decryption.plan_quorum:"},
    {D_OLD, "\"decryption\": {\"levels\": [\"nation\"], \"minimum\": 2, \"plan_quorum\": 10}", ERR_LIMIT,
     "decryption.plan_quorum:"},
    {D_OLD, "\"decryption\": {\"levels\": [\"nation\"]}", ERR_MISSING, "decryption: the key \"minimum\""},
    /* import */
    {"\"first\"}", "\"first\", \"import\": {\"bits\": 12}}", ERR_RULE, "import:"},
    {"\"ballots\"", "\"import\"", ERR_MISSING, "import:"},
};

static void test_broken(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        char *text = replaced(broken[i].from, broken[i].to);
        struct manifest *m;
        struct fault f;
        err_t e = parse(&m, text, &f);
        if (e != broken[i].err || strncmp(f.detail, broken[i].place, strlen(broken[i].place)) != 0)
            print_error("%zu: %s -> %s: %s: %s\n", i, broken[i].from, broken[i].to, err_name(e), f.detail);
        assert_int_equal(e, broken[i].err);
        assert_int_equal(f.err, e);
        assert_null(m);
        assert_memory_equal(f.detail, broken[i].place, strlen(broken[i].place));
        free(text);
    }
}

static void test_import(void **state)
{
    (void)state;
    static const struct {
        const char *bits;
        err_t err;
    } cases[] = {{"{\"bits\": 12}", OK},
                 {"{\"bits\": 32}", OK},
                 {"{\"bits\": 33}", ERR_LIMIT},
                 {"{\"bits\": 0}", ERR_LIMIT},
                 {"{}", ERR_MISSING},
                 {"12", ERR_FORMAT},
                 {"{\"bits\": true}", ERR_FORMAT},
                 {"{\"bits\": 1, \"x\": 2}", ERR_FORMAT}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char tail[128], text[4096];
        snprintf(tail, sizeof tail, "\"first\", \"import\": %s}", cases[i].bits);
        char *once = replaced("\"first\"}", tail);
        char *at = strstr(once, "\"ballots\"");
        snprintf(text, sizeof text, "%.*s\"import\"%s", (int)(at - once), once, at + strlen("\"ballots\""));
        struct manifest *m;
        struct fault f;
        assert_int_equal(parse(&m, text, &f), cases[i].err);
        if (m != NULL) {
            assert_int_equal(m->kind, KIND_IMPORT);
            assert_true(m->import_bits == 12 || m->import_bits == 32);
        }
        manifest_free(m);
        free(once);
    }
}

static void test_defaults_can_be_set(void **state)
{
    (void)state;
    struct manifest *m;
    struct fault f;
    char *text =
        replaced(T_OLD, "\"trustees\": {\"n\": 9, \"t\": 5, \"min_qual\": 6, \"max_same_model\": 2}");
    assert_int_equal(parse(&m, text, &f), OK);
    assert_int_equal(m->min_qual, 6);
    assert_int_equal(m->same_model_max, 2);
    manifest_free(m);
    free(text);
    text = replaced(T_OLD, "\"trustees\": {\"n\": 32, \"t\": 2, \"rehearsal\": true}");
    assert_int_equal(parse(&m, text, &f), OK);
    assert_int_equal(m->same_model_max, 32);
    manifest_free(m);
    free(text);
    text = replaced(D_OLD, "\"decryption\": {\"levels\": [\"nation\"], \"minimum\": 2, \"plan_quorum\": 9}");
    assert_int_equal(parse(&m, text, &f), OK);
    assert_int_equal(m->plan_quorum, 9);
    manifest_free(m);
    free(text);
}

/* A single ballot may be decrypted where it is nobody's. */
static void test_minimum_of_one(void **state)
{
    (void)state;
    struct manifest *m;
    struct fault f;
    char *text = replaced(D_OLD, "\"decryption\": {\"levels\": [\"nation\"], \"minimum\": 1}"),
         rehearsal[4096];
    assert_int_equal(parse(&m, text, &f), ERR_LIMIT);
    const char *at = strstr(text, T_OLD);
    snprintf(rehearsal, sizeof rehearsal, "%.*s\"trustees\": {\"n\": 9, \"t\": 5, \"rehearsal\": true}%s",
             (int)(at - text), text, at + strlen(T_OLD));
    assert_int_equal(parse(&m, rehearsal, &f), OK);
    assert_int_equal(m->minimum, 1);
    manifest_free(m);
    free(text);
    text = replaced("\"minimum\": 30", "\"minimum\": 2");
    assert_int_equal(parse(&m, text, &f), OK);
    manifest_free(m);
    free(text);
}

static void test_every_prefix_fails(void **state)
{
    (void)state;
    for (size_t len = 0; len < strlen(good) - 1; len++) {
        struct manifest *m;
        struct fault f;
        assert_int_not_equal(manifest_parse(&m, (const uint8_t *)good, len, &f), OK);
        assert_null(m);
    }
}

static void test_write(void **state)
{
    (void)state;
    struct manifest *m, *again;
    struct fault f;
    assert_int_equal(parse(&m, good, &f), OK);
    uint8_t *one, *two;
    size_t one_len, two_len;
    assert_int_equal(manifest_write(&one, &one_len, m, &f), OK);
    assert_int_equal(manifest_parse(&again, one, one_len, &f), OK);
    assert_int_equal(manifest_write(&two, &two_len, again, &f), OK);
    assert_int_equal(one_len, two_len);
    assert_memory_equal(one, two, one_len);
    assert_int_equal(again->decrypt_levels, m->decrypt_levels);
    assert_int_equal(again->style[1].contest_count, 1);
    free(one);
    free(two);
    again->minimum = 0;
    assert_int_equal(manifest_write(&one, &one_len, again, &f), ERR_LIMIT);
    assert_null(one);
    manifest_free(again);
    manifest_free(m);
}

static void collect(void *ctx, const char *sentence)
{
    char *all = ctx;
    strcat(all, sentence);
    strcat(all, "\n");
}

static void test_warnings(void **state)
{
    (void)state;
    struct manifest *m;
    struct fault f;
    char all[4096] = "";
    char *text = replaced(T_OLD, "\"trustees\": {\"n\": 9, \"t\": 5, \"rehearsal\": true}");
    assert_int_equal(parse(&m, text, &f), OK);
    m->minimum = 9;
    m->decrypt_levels = 15;
    manifest_warnings(m, collect, all);
    assert_non_null(strstr(all, "rehearsal"));
    assert_non_null(strstr(all, "as few as 9 ballots"));
    assert_non_null(strstr(all, "lowest level (precinct)"));
    assert_null(strstr(all, "nothing can be decrypted"));
    all[0] = '\0';
    m->t = 9;
    manifest_warnings(m, collect, all);
    assert_non_null(strstr(all, "If 1 of 9 trustees fail"));
    /* 7 of 9 with t = 5 is the smallest quorum of which no two plans can have one. */
    m->t = 5;
    for (uint32_t quorum = 0; quorum <= 9; quorum += quorum == 0 ? 5 : 1) {
        all[0] = '\0';
        m->plan_quorum = quorum;
        manifest_warnings(m, collect, all);
        assert_int_equal(strstr(all, "There is no plan quorum") != NULL, quorum == 0);
        assert_int_equal(strstr(all, "With fewer than 7 signatures under a plan 4 dishonest") != NULL,
                         quorum < 7);
        uint32_t both = 9 + 5 - 1; /* signatures for two plans */
        assert_int_equal(2 * quorum <= both, quorum < 7);
    }
    manifest_free(m);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),           cmocka_unit_test(test_broken),
        cmocka_unit_test(test_import),         cmocka_unit_test(test_defaults_can_be_set),
        cmocka_unit_test(test_minimum_of_one), cmocka_unit_test(test_every_prefix_fails),
        cmocka_unit_test(test_write),          cmocka_unit_test(test_warnings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
