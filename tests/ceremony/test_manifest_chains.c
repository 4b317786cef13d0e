/* The key `chains` of the manifest, and the places it names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ceremony/manifest.h"

/* k G for k = 1 to 5: points everybody can check. */
#define G1 "036b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
#define G2 "037cf27b188d034f7e8a52380304b51ac3c08969e277f21b35a60b48fc47669978"
#define G3 "025ecbe4d1a6330a44c8f7ef951d4bf165e6c6b721efada985fb41661bc6e7fd6c"
#define G4 "02e2534a3532d08fbba02dde659ee62bd0031fe2db785596ef509302446b030852"
#define G5 "0251590b7a515140d2d784c85608668fdfef8c82fd1f5be52421554a0dc3d033ed"

static const char head[] =
    "{\"conclave\": 1, \"scheme\": \"p256-elgamal\", \"kind\": \"ballots\", \"title\": \"T\", \"date\": "
    "\"2028-11-07\","
    " \"trustees\": {\"n\": 3, \"t\": 2}, \"levels\": [\"nation\", \"precinct\"],"
    " \"jurisdictions\": {\"file\": \"j.csv\", \"sha256\": "
    "\"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\"},"
    " \"contests\": [{\"id\": \"c\", \"title\": \"C\", \"limit\": 1, \"options\": [{\"id\": \"x\", "
    "\"title\": \"X\"}]}],"
    " \"styles\": [{\"id\": \"s\", \"contests\": [\"c\"]}],"
    " \"decryption\": {\"levels\": [\"nation\"], \"minimum\": 5}, \"duplicate_ballots\": \"first\"";
static const char good[] =
    ", \"chains\": [{\"id\": \"home\", \"title\": \"From home\", \"places\": [\"p1\", \"p3\"], \"key\": \"" G1
    "\", \"envelope\": \"" G2 "\", \"validators\": [\"" G3 "\", \"" G4 "\"], \"quorum\": 2},"
    " {\"id\": \"abroad\", \"title\": \"Abroad\", \"places\": [\"p2\"], \"key\": \"" G1
    "\", \"envelope\": \"" G5 "\", \"validators\": [\"" G3 "\"], \"quorum\": 1}]";
static const char csv[] = "place,level,parent,title,styles,group,key\n"
                          "all,nation,,All,,,\n"
                          "p1,precinct,all,One,s,,\n"
                          "p2,precinct,all,Two,s,,\n"
                          "p3,precinct,all,Three,s,,\n"
                          "p4,precinct,all,Four,s,,\n";

static err_t parse(struct manifest **m, const char *from, const char *to, struct fault *f)
{
    char text[4096];
    const char *at = strstr(good, from);
    assert_non_null(at);
    snprintf(text, sizeof text, "%s%.*s%s%s}\n", head, (int)(at - good), good, to, at + strlen(from));
    fault_clear(f);
    return manifest_parse(m, (const uint8_t *)text, strlen(text), f);
}

static void test_good(void **state)
{
    (void)state;
    struct manifest *m, *again;
    struct fault f;
    uint8_t *bytes;
    size_t len;
    assert_int_equal(parse(&m, "", "", &f), OK);
    assert_int_equal(m->chain_count, 2);
    assert_int_equal(m->chain[0].place_count, 2);
    assert_string_equal(m->chain[0].place[1], "p3");
    assert_int_equal(m->chain[0].validator_count, 2);
    assert_int_equal(m->chain[0].quorum, 2);
    assert_int_equal(m->chain[1].envelope.b[1], 0x51);
    assert_int_equal(manifest_chain(m, "abroad"), 1);
    assert_int_equal(manifest_chain(m, "p1"), -1);
    assert_int_equal(manifest_write(&bytes, &len, m, &f), OK);
    assert_int_equal(manifest_parse(&again, bytes, len, &f), OK);
    assert_int_equal(again->chain_count, 2);
    assert_string_equal(again->chain[1].title, "Abroad");
    assert_memory_equal(again->chain[0].validator, m->chain[0].validator, 2 * POINT_LEN);
    free(bytes);
    manifest_free(again);
    manifest_free(m);
}

static void test_broken(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to, *where;
        err_t e;
    } row[] = {
        {"\"id\": \"abroad\"", "\"id\": \"home\"", "chains[1].id", ERR_DUPLICATE},
        {"\"id\": \"home\"", "\"id\": \"-\"", "chains[0].id", ERR_TEXT},
        {"\"quorum\": 2", "\"quorum\": 1", "chains[0].quorum", ERR_LIMIT},
        {"\"quorum\": 2", "\"quorum\": 3", "chains[0].quorum", ERR_LIMIT},
        {", \"quorum\": 1", "", "chains[1]", ERR_MISSING},
        {"\"quorum\": 2", "\"quorum\": 2, \"more\": 1", "chains[0]", ERR_FORMAT},
        {G4, G3, "chains[0].validators[1]", ERR_DUPLICATE},
        {G4, G1, "chains[0].validators[1]", ERR_DUPLICATE},
        {G4, G2, "chains[0].validators[1]", ERR_DUPLICATE},
        {G2, G1, "chains[0].envelope", ERR_DUPLICATE},
        {G5, "025ecbe4d1a6330a44c8f7ef951d4bf165e6c6b721efada985fb41661bc6e7fd6b", "chains[1].envelope",
         ERR_POINT},
        {G5, "5ecb", "chains[1].envelope", ERR_FORMAT},
        {"[\"p2\"]", "[]", "chains[1].places", ERR_LIMIT},
        {"[\"p2\"]", "[\"\"]", "chains[1].places[0]", ERR_TEXT},
        {"[\"" G3 "\"], \"quorum\": 1", "[], \"quorum\": 1", "chains[1].validators", ERR_LIMIT},
        {good + 12, "[]", "chains", ERR_LIMIT},
        {good + 12, "{}", "chains", ERR_FORMAT},
    };
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        struct manifest *m;
        struct fault f;
        err_t e = parse(&m, row[i].from, row[i].to, &f);
        if (e != row[i].e || strstr(f.detail, row[i].where) != f.detail)
            fail_msg("row %zu: %s, %s", i, err_name(e), f.detail);
        assert_null(m);
    }
}

static void test_import_has_none(void **state)
{
    (void)state;
    char text[4096];
    struct manifest *m;
    struct fault f;
    snprintf(text, sizeof text, "%s%s, \"import\": {\"bits\": 8}}\n", head, good);
    memcpy(strstr(text, "\"ballots\""), "\"import\" ", 9);
    fault_clear(&f);
    assert_int_equal(manifest_parse(&m, (const uint8_t *)text, strlen(text), &f), ERR_RULE);
    assert_non_null(strstr(f.detail, "chains"));
}

static void test_places(void **state)
{
    (void)state;
    struct manifest *m;
    struct places *p;
    struct fault f;
    assert_int_equal(parse(&m, "", "", &f), OK);
    assert_int_equal(places_parse(&p, m, (const uint8_t *)csv, strlen(csv), &f), OK);
    assert_int_equal(places_of_chain(p, 0)[0], 1);
    assert_int_equal(places_of_chain(p, 0)[1], 3);
    assert_int_equal(places_of_chain(p, 1)[0], 2);
    assert_int_equal(places_chain(p, 0), -1);
    assert_int_equal(places_chain(p, 1), 0);
    assert_int_equal(places_chain(p, 2), 1);
    assert_int_equal(places_chain(p, 4), -1);
    places_free(p);
    manifest_free(m);
}

static void test_broken_places(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to;
        err_t e;
    } row[] = {
        {"[\"p1\", \"p3\"]", "[\"p1\", \"p5\"]", ERR_UNKNOWN},
        {"[\"p1\", \"p3\"]", "[\"all\", \"p3\"]", ERR_RULE},
        {"[\"p1\", \"p3\"]", "[\"p3\", \"p1\"]", ERR_RULE},
        {"[\"p1\", \"p3\"]", "[\"p3\", \"p3\"]", ERR_DUPLICATE},
        {"[\"p1\", \"p3\"]", "[\"p1\", \"p2\"]", ERR_CONFLICT},
    };
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        struct manifest *m;
        struct places *p;
        struct fault f;
        assert_int_equal(parse(&m, row[i].from, row[i].to, &f), OK);
        assert_int_equal(places_parse(&p, m, (const uint8_t *)csv, strlen(csv), &f), row[i].e);
        assert_null(p);
        manifest_free(m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_broken),
        cmocka_unit_test(test_import_has_none),
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_broken_places),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
