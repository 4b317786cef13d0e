/* jurisdictions.csv: good trees, and for every rule a file that breaks it, with the line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "ceremony/base/file.h"
#include "ceremony/csv.h"
#include "ceremony/manifest.h"

/* The generator of P-256 (SEC 2, 2.4.2) and its double serve as public keys. */
#define KEY_G "036b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
#define KEY_2G "037cf27b188d034f7e8a52380304b51ac3c08969e277f21b35a60b48fc47669978"
#define HEADER "place,level,parent,title,styles,group,key\n"

static const char good[] = HEADER "us,nation,,United States,,," KEY_G "\n"
                                  "us-de,state,us,Delaware,,,\n"
                                  "kent,county,us-de,\"Kent, County\",,," KEY_2G "\n"
                                  "k-1,precinct,kent,Kent 1,town rural,small,\n"
                                  "k-2,precinct,kent,Kent 2,rural,small,\n"
                                  "sussex,county,us-de,\"Sussex \"\"S\"\"\",,,\n"
                                  "s-1,precinct,sussex,Süd 1,rural,,\n"
                                  "k-3,precinct,kent,Kent 3,town,,\n";

/* A manifest with these levels, contests a and b, styles town (a, b) and rural (a). */
static struct manifest *manifest_of(const char *levels, const hash_t *places)
{
    char hex[65], text[2048], root[65];
    hex_put(hex, places->b, 32);
    sscanf(levels, "\"%64[^\"]\"", root);
    snprintf(
        text, sizeof text,
        "{\"conclave\":1,\"scheme\":\"p256-elgamal\",\"kind\":\"ballots\",\"title\":\"T\",\"date\":\"2028-11-"
        "07\","
        "\"trustees\":{\"n\":9,\"t\":5},\"levels\":[%s],\"jurisdictions\":{\"file\":\"j.csv\",\"sha256\":\"%"
        "s\"},"
        "\"contests\":[{\"id\":\"a\",\"title\":\"A\",\"limit\":1,\"options\":[{\"id\":\"x\",\"title\":\"X\"}]"
        "},"
        "{\"id\":\"b\",\"title\":\"B\",\"limit\":1,\"options\":[{\"id\":\"x\",\"title\":\"X\"}]}],"
        "\"styles\":[{\"id\":\"town\",\"contests\":[\"a\",\"b\"]},{\"id\":\"rural\",\"contests\":[\"a\"]}],"
        "\"decryption\":{\"levels\":[\"%s\"],\"minimum\":30},\"duplicate_ballots\":\"first\"}",
        levels, hex, root);
    struct manifest *m;
    struct fault f;
    assert_int_equal(manifest_parse(&m, (const uint8_t *)text, strlen(text), &f), OK);
    return m;
}

static struct manifest *four_levels(void)
{
    hash_t h;
    hash_one(&h, good, strlen(good));
    return manifest_of("\"nation\",\"state\",\"county\",\"precinct\"", &h);
}

static err_t parse(struct places **p, const struct manifest *m, const char *text, struct fault *f)
{
    fault_clear(f);
    return places_parse(p, m, (const uint8_t *)text, strlen(text), f);
}

static void check_good(const struct places *p)
{
    struct place a;
    assert_int_equal(places_count(p), 8);
    places_get(p, 0, &a);
    assert_int_equal(a.parent, -1);
    assert_int_equal(a.level, 0);
    assert_int_equal(a.style_count, 0);
    assert_non_null(a.key);
    pubkey_t g = *a.key;
    assert_int_equal(places_find(p, "kent"), 2);
    assert_int_equal(places_find(p, "Kent"), -1);
    places_get(p, 2, &a);
    assert_string_equal(a.title, "Kent, County");
    assert_int_equal(a.parent, 1);
    places_get(p, 3, &a);
    assert_string_equal(a.id, "k-1");
    assert_int_equal(a.level, 3);
    assert_int_equal(a.style_count, 2);
    assert_int_equal(a.style[0], 0);
    assert_int_equal(a.style[1], 1);
    assert_string_equal(a.group, "small");
    assert_int_equal(a.key->b[1], 0x7c); /* of the county */
    places_get(p, 5, &a);
    assert_string_equal(a.title, "Sussex \"S\"");
    places_get(p, 6, &a);
    assert_string_equal(a.title, "S\xc3\xbc"
                                 "d 1");
    assert_string_equal(a.group, "");
    assert_memory_equal(a.key, &g, sizeof g); /* of the nation */
    assert_int_equal(places_first_child(p, 2), 3);
    assert_int_equal(places_next_sibling(p, 3), 4);
    assert_int_equal(places_next_sibling(p, 4), 7);
    assert_int_equal(places_next_sibling(p, 7), -1);
    assert_int_equal(places_next_sibling(p, 2), 5);
    assert_int_equal(places_first_child(p, 7), -1);
    assert_int_equal(places_has_contest(p, 0, 1), 1);
    assert_int_equal(places_has_contest(p, 2, 1), 1);
    assert_int_equal(places_has_contest(p, 5, 0), 1);
    assert_int_equal(places_has_contest(p, 5, 1), 0);
    assert_int_equal(places_has_contest(p, 3, 1), 1);
    assert_int_equal(places_has_contest(p, 4, 1), 0);
    assert_int_equal(places_has_contest(p, 0, 2), 0);
}

static void test_good(void **state)
{
    (void)state;
    struct manifest *m = four_levels();
    struct places *p;
    struct fault f;
    assert_int_equal(parse(&p, m, good, &f), OK);
    check_good(p);
    places_free(p);
    /* As a spreadsheet may save it: byte order mark, CRLF, no line feed at the end. */
    char text[2048] = "\xef\xbb\xbf";
    size_t n = 3;
    for (const char *s = good; *s != '\0'; s++) {
        if (*s == '\n')
            text[n++] = '\r';
        text[n++] = *s;
    }
    text[n - 2] = '\0';
    assert_int_equal(parse(&p, m, text, &f), OK);
    check_good(p);
    places_free(p);
    manifest_free(m);
}

static void test_load(void **state)
{
    (void)state;
    char dir[] = "/tmp/conclave-places-XXXXXX", path[64];
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/j.csv", dir);
    struct manifest *m = four_levels();
    struct places *p;
    struct fault f;
    assert_int_equal(places_load(&p, m, path, &f), ERR_MISSING);
    assert_int_equal(file_write(path, good, strlen(good), FILE_NEW, &f), OK);
    assert_int_equal(places_load(&p, m, path, &f), OK);
    check_good(p);
    places_free(p);
    assert_int_equal(file_write(path, good, strlen(good) - 1, FILE_REPLACE, &f), OK);
    assert_int_equal(places_load(&p, m, path, &f), ERR_HASH);
    assert_string_equal(f.file, path);
    assert_null(p);
    manifest_free(m);
    unlink(path);
    rmdir(dir);
}

static const struct {
    const char *from, *to;
    err_t err;
    long long line;
    const char *what; /* start of the detail */
} broken[] = {
    /* form */
    {"place,level,parent", "place,parent,level", ERR_FORMAT, 1, "the columns"},
    {"group,key\n", "group,key,more\n", ERR_FORMAT, 1, "the columns"},
    {"Delaware,,,\n", "Delaware,,\n", ERR_FORMAT, 3, "6 fields"},
    {"Delaware,,,\n", "Delaware,,,,\n", ERR_FORMAT, 3, "8 fields"},
    {"Delaware,,,\n", "Dela\"ware,,,\n", ERR_FORMAT, 3, "quotes"},
    {"Delaware,,,\n", "\"Dela\"ware,,,\n", ERR_FORMAT, 3, "quotes"},
    {"Delaware,,,\n", " \"Delaware\",,,\n", ERR_FORMAT, 3, "quotes"},
    {"Delaware,,,\n", "Delaware,,,\n\n", ERR_FORMAT, 4, "a blank line"},
    {"Delaware,,,\n", "Delaware,,,\rx\n", ERR_FORMAT, 3, "a carriage return"},
    {"Kent 3,town,,\n", "Kent 3,town,,\n\n", ERR_FORMAT, 10, "a blank line"},
    {"Kent 3,town,,\n", "Kent 3,town,,\r", ERR_FORMAT, 9, "a carriage return"},
    {"Kent 3,town,,\n", "\"Kent 3,town,,\n", ERR_TRUNCATED, 9, "a quote is open"},
    {"\"Kent, County\"", "\"Kent,\nCounty\"", ERR_TEXT, 4, "title:"},
    {"Delaware", "Dela\xe2\x80\x8bware", ERR_TEXT, 3, "title:"},
    {"Delaware", "Dela\xff", ERR_TEXT, 3, "title:"},
    {"Delaware", "", ERR_LIMIT, 3, "title:"},
    /* identifiers */
    {"us-de,state", ",state", ERR_TEXT, 3, "place:"},
    {"us-de,state", "us de,state", ERR_TEXT, 3, "place:"},
    {"us-de,state", "../de,state", ERR_TEXT, 3, "place:"},
    {"k-2,precinct", "k-1,precinct", ERR_DUPLICATE, 6, "place:"},
    /* levels and parents */
    {"us-de,state", "us-de,province", ERR_UNKNOWN, 3, "level:"},
    {"us-de,state,us,", "us-de,state,eu,", ERR_UNKNOWN, 3, "parent:"},
    {"us-de,state,us,", "us-de,state,,", ERR_DUPLICATE, 3, "parent:"},
    {"us,nation,,", "us,state,,", ERR_RULE, 2, "level:"},
    {"us,nation,,", "us,nation,us,", ERR_UNKNOWN, 2, "parent:"},
    {"us-de,state,us,", "us-de,county,us,", ERR_RULE, 3, "parent:"},
    {"us-de,state,us,", "us-de,nation,us,", ERR_RULE, 3, "parent:"},
    {"k-1,precinct,kent", "k-1,precinct,sussex", ERR_UNKNOWN, 5, "parent:"}, /* comes later */
    {"s-1,precinct,sussex", "s-1,precinct,kent", ERR_MISSING, -1, "the place sussex has no places"},
    {"k-1,precinct,kent", "k-1,precinct,k-2", ERR_UNKNOWN, 5, "parent:"},
    {"k-2,precinct,kent", "k-2,precinct,k-1", ERR_RULE, 6, "parent:"},
    /* styles */
    {"Delaware,,", "Delaware,town,", ERR_RULE, 3, "styles:"},
    {"Kent 2,rural", "Kent 2,", ERR_MISSING, 6, "styles:"},
    {"Kent 2,rural", "Kent 2,village", ERR_UNKNOWN, 6, "styles:"},
    {"town rural", "town town", ERR_DUPLICATE, 5, "styles:"},
    {"town rural", "town  rural", ERR_TEXT, 5, "styles:"},
    {"town rural", "town;rural", ERR_TEXT, 5, "styles:"},
    {"town rural", "town rural ", ERR_TEXT, 5, "styles:"},
    /* groups */
    {"1,rural,,", "1,rural,small,", ERR_CONFLICT, 8, "group:"}, /* s-1 is in another county */
    {"Kent 3,town,,", "Kent 3,town,a b,", ERR_TEXT, 9, "group:"},
    {"Kent 3,town,,", "Kent 3,town,kent,", ERR_DUPLICATE, -1, "the group kent"},
    {"United States,,,", "United States,,all,", ERR_RULE, 2, "group:"},
    {"us-de,state,us,Delaware,,,", "us-de,state,us,Delaware,,small,", ERR_CONFLICT, 5, "group:"},
    /* keys */
    {KEY_G, "036B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296", ERR_FORMAT, 2, "key:"},
    {KEY_G, "03", ERR_FORMAT, 2, "key:"},
    {KEY_G, KEY_G "00", ERR_FORMAT, 2, "key:"},
    {KEY_G, "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296", ERR_POINT, 2, "key:"},
    {KEY_G, "000000000000000000000000000000000000000000000000000000000000000000", ERR_POINT, 2, "key:"},
    {KEY_G, "03ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", ERR_POINT, 2, "key:"},
};

static void test_broken(void **state)
{
    (void)state;
    struct manifest *m = four_levels();
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        const char *at = strstr(good, broken[i].from);
        assert_non_null(at);
        char text[4096];
        snprintf(text, sizeof text, "%.*s%s%s", (int)(at - good), good, broken[i].to,
                 at + strlen(broken[i].from));
        struct places *p;
        struct fault f;
        err_t e = parse(&p, m, text, &f);
        if (e != broken[i].err || f.at != broken[i].line ||
            strncmp(f.detail, broken[i].what, strlen(broken[i].what)))
            print_error("%zu: %s: %s line %lld: %s\n", i, broken[i].to, err_name(e), f.at, f.detail);
        assert_int_equal(e, broken[i].err);
        assert_null(p);
        assert_int_equal(f.at, broken[i].line);
        assert_int_equal(f.is_line, broken[i].line >= 0);
        assert_memory_equal(f.detail, broken[i].what, strlen(broken[i].what));
    }
    manifest_free(m);
}

static void test_empty(void **state)
{
    (void)state;
    struct manifest *m = four_levels();
    struct places *p;
    struct fault f;
    assert_int_equal(parse(&p, m, "", &f), ERR_FORMAT);
    assert_int_equal(parse(&p, m, "\n", &f), ERR_FORMAT);
    assert_int_equal(parse(&p, m, HEADER, &f), ERR_MISSING);
    assert_int_equal(
        places_parse(&p, m, (const uint8_t *)HEADER "u\0s,nation,,T,,,\n", sizeof HEADER + 16, &f), ERR_TEXT);
    assert_int_equal(f.at, 2);
    manifest_free(m);
}

static void test_long_row(void **state)
{
    (void)state;
    struct manifest *m = four_levels();
    struct places *p;
    struct fault f;
    size_t n = CSV_ROW_MAX + 10;
    char *text = malloc(n + sizeof HEADER);
    assert_non_null(text);
    strcpy(text, HEADER);
    memset(text + sizeof HEADER - 1, 'a', n);
    text[n + sizeof HEADER - 1] = '\0';
    assert_int_equal(parse(&p, m, text, &f), ERR_LIMIT);
    assert_int_equal(f.at, 2);
    memset(text + sizeof HEADER - 1, ',', n);
    assert_int_equal(parse(&p, m, text, &f), ERR_LIMIT);
    /* A quoted field over many lines is one row. */
    for (size_t i = 0; i < n; i += 2)
        memcpy(text + sizeof HEADER - 1 + i, i == 0 ? "\"a" : "a\n", 2);
    assert_int_equal(parse(&p, m, text, &f), ERR_LIMIT);
    assert_int_equal(f.at, 2);
    free(text);
    manifest_free(m);
}

static void test_other_depths(void **state)
{
    (void)state;
    hash_t zero = {{0}};
    struct places *p;
    struct fault f;
    struct place a;
    struct manifest *m = manifest_of("\"town\"", &zero);
    assert_int_equal(parse(&p, m, HEADER "t,town,,Town,town,,\n", &f), OK);
    places_get(p, 0, &a);
    assert_int_equal(a.parent, -1);
    assert_int_equal(a.style_count, 1);
    assert_null(a.key);
    assert_int_equal(places_has_contest(p, 0, 1), 1);
    places_free(p);
    manifest_free(m);
    m = manifest_of("\"town\",\"ward\"", &zero);
    assert_int_equal(parse(&p, m, HEADER "t,town,,Town,,,\nw1,ward,t,W,rural,,\nw2,ward,t,W,rural,,\n", &f),
                     OK);
    assert_int_equal(places_first_child(p, 0), 1);
    assert_int_equal(places_next_sibling(p, 1), 2);
    assert_int_equal(places_has_contest(p, 0, 0), 1);
    assert_int_equal(places_has_contest(p, 0, 1), 0);
    places_free(p);
    manifest_free(m);
    m = manifest_of("\"1\",\"2\",\"3\",\"4\",\"5\",\"6\"", &zero);
    assert_int_equal(
        parse(&p, m, HEADER "a,1,,A,,,\nb,2,a,B,,,\nc,3,b,C,,,\nd,4,c,D,,,\ne,5,d,E,,,\nf,6,e,F,town,,\n",
              &f),
        OK);
    places_get(p, 5, &a);
    assert_int_equal(a.level, 5);
    assert_int_equal(places_has_contest(p, 0, 1), 1);
    places_free(p);
    manifest_free(m);
}

static void test_many(void **state)
{
    (void)state;
    struct manifest *m = four_levels();
    size_t cap = (size_t)6 << 20, n = 0;
    char *text = malloc(cap);
    assert_non_null(text);
    n += (size_t)snprintf(text + n, cap - n, HEADER "us,nation,,US,,," KEY_G "\ns,state,us,State,,,\n");
    for (int c = 0; c < 500; c++) {
        n += (size_t)snprintf(text + n, cap - n, "c%d,county,s,County %d,,,%s\n", c, c, c % 2 ? KEY_2G : "");
        for (int i = 0; i < 100; i++)
            n += (size_t)snprintf(text + n, cap - n, "p%d-%d,precinct,c%d,Precinct %d of %d,rural,,\n", c, i,
                                  c, i, c);
    }
    struct timespec t0, t1;
    struct places *p;
    struct fault f;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t0);
    assert_int_equal(places_parse(&p, m, (const uint8_t *)text, n, &f), OK);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t1);
    print_message("%u places: %.0f ms\n", places_count(p),
                  (double)(t1.tv_sec - t0.tv_sec) * 1e3 + (double)(t1.tv_nsec - t0.tv_nsec) / 1e6);
    assert_int_equal(places_count(p), 50502);
    assert_int_equal(places_find(p, "p499-99"), 50501);
    size_t below = 0;
    for (int64_t i = places_first_child(p, 1); i >= 0; i = places_next_sibling(p, (uint32_t)i))
        for (int64_t k = places_first_child(p, (uint32_t)i); k >= 0; k = places_next_sibling(p, (uint32_t)k))
            below++;
    assert_int_equal(below, 50000);
    places_free(p);
    free(text);
    manifest_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),  cmocka_unit_test(test_load),     cmocka_unit_test(test_broken),
        cmocka_unit_test(test_empty), cmocka_unit_test(test_long_row), cmocka_unit_test(test_other_depths),
        cmocka_unit_test(test_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
