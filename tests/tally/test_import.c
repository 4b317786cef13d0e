/* Imports: real precinct results, refusals with their lines, and a small election from file to decrypted
 * counts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "ceremony/base/file.h"
#include "ceremony/base/secret.h"
#include "tally/export.h"
#include "tally/import.h"
#include "tests/support/tree.h"

#define HEADER                                                                                               \
    "precinct,office,party_detailed,party_simplified,mode,votes,county_name,county_fips,jurisdiction_name,"  \
    "jurisdiction_fips,candidate,district,dataverse,year,stage,state,special,writein,state_po,date,"         \
    "magnitude\n"

/* precinct, office, party, mode, votes, county, candidate, district, dataverse, special, writein, magnitude
 */
#define ROW(p, o, pa, mo, v, co, ca, d, dv, sp, w, mag)                                                      \
    p "," o "," pa "," pa "," mo "," v "," co ",10001," co ",10001," ca "," d "," dv                         \
      ",2024,GEN,DELAWARE," sp "," w ",DE,2024-11-05," mag "\n"
#define SIMPLE(p, ca, mo, v) ROW(p, "GOVERNOR", "DEM", mo, v, "KENT", ca, "", "STATE", "FALSE", "FALSE", "1")

static err_t parse(struct medsl **t, const char *text, struct fault *f)
{
    fault_clear(f);
    return medsl_parse(t, text, strlen(text), NULL, f);
}

/* --- refusals --- */

static const struct {
    const char *text;
    err_t err;
    long long line;
    const char *what; /* start of the detail */
} refused[] = {
    {HEADER SIMPLE("1", "A", "TOTAL", "5") SIMPLE("2", "A", "TOTAL", ""), ERR_MISSING, 3, "votes:"},
    {HEADER SIMPLE("1", "A", "TOTAL", "5") SIMPLE("2", "A", "TOTAL", "-3"), ERR_LIMIT, 3, "votes:"},
    {HEADER SIMPLE("1", "A", "TOTAL", "-"), ERR_FORMAT, 2, "votes:"},
    {HEADER SIMPLE("1", "A", "TOTAL", "+3"), ERR_FORMAT, 2, "votes:"},
    {HEADER SIMPLE("1", "A", "TOTAL", "3.0"), ERR_FORMAT, 2, "votes:"},
    {HEADER SIMPLE("1", "A", "TOTAL", "1e3"), ERR_FORMAT, 2, "votes:"},
    {HEADER SIMPLE("1", "A", "TOTAL", " 3"), ERR_FORMAT, 2, "votes:"},
    {HEADER SIMPLE("1", "A", "TOTAL", "0x3"), ERR_FORMAT, 2, "votes:"},
    {HEADER SIMPLE("1", "A", "TOTAL", "\"1,200\""), ERR_FORMAT, 2, "votes:"},
    {HEADER SIMPLE("1", "A", "TOTAL", "NA"), ERR_FORMAT, 2, "votes:"},
    {HEADER SIMPLE("1", "A", "TOTAL", "*"), ERR_FORMAT, 2, "votes:"},
    {HEADER SIMPLE("1", "A", "TOTAL", "4294967296"), ERR_LIMIT, 2, "votes:"},
    {HEADER SIMPLE("1", "A", "TOTAL", "99999999999999999999999999"), ERR_LIMIT, 2, "votes:"},
    /* the same count twice */
    {HEADER SIMPLE("1", "A", "TOTAL", "5") SIMPLE("1", "B", "TOTAL", "5") SIMPLE("1", "A", "TOTAL", "5"),
     ERR_DUPLICATE, 4, "the same place, option and mode as in line 2"},
    {HEADER SIMPLE("1", "A", "EARLY", "5") SIMPLE("1", "A", "MAIL", "5") SIMPLE("1", "A", "EARLY", "6"),
     ERR_DUPLICATE, 4, "the same place"},
    /* modes and totals */
    {HEADER SIMPLE("1", "A", "EARLY", "5") SIMPLE("1", "A", "TOTAL", "11") SIMPLE("1", "A", "MAIL", "5"),
     ERR_SUM, 3, "the TOTAL"},
    {HEADER SIMPLE("1", "A", "TOTAL", "11") SIMPLE("2", "A", "TOTAL", "4") SIMPLE("2", "A", "EARLY", "5"),
     ERR_SUM, 3, "the TOTAL"},
    /* fields */
    {HEADER SIMPLE("", "A", "TOTAL", "1"), ERR_MISSING, 2, "precinct:"},
    {HEADER SIMPLE("1", "", "TOTAL", "1"), ERR_MISSING, 2, "candidate:"},
    {HEADER ROW("1", "", "", "TOTAL", "1", "KENT", "A", "", "STATE", "FALSE", "FALSE", "1"), ERR_MISSING, 2,
     "office:"},
    {HEADER ROW("1", "O", "", "TOTAL", "1", "", "A", "", "STATE", "FALSE", "FALSE", "1"), ERR_MISSING, 2,
     "county_name:"},
    {HEADER ROW("1", "O", "", "TOTAL", "1", "KENT", "A", "", "STATE", "MAYBE", "FALSE", "1"), ERR_FORMAT, 2,
     "special:"},
    {HEADER ROW("1", "O", "", "TOTAL", "1", "KENT", "A", "", "STATE", "FALSE", "2", "1"), ERR_FORMAT, 2,
     "writein:"},
    {HEADER ROW("1", "O", "", "TOTAL", "1", "KENT", "A", "", "STATE", "FALSE", "FALSE", "0"), ERR_LIMIT, 2,
     "magnitude:"},
    {HEADER ROW("1", "O", "", "TOTAL", "1", "KENT", "A", "", "STATE", "FALSE", "FALSE", "two"), ERR_FORMAT, 2,
     "magnitude:"},
    {HEADER ROW("1", "O", "", "TOTAL", "1", "KENT", "A", "", "STATE", "FALSE", "FALSE", "2")
         ROW("1", "O", "", "TOTAL", "1", "KENT", "B", "", "STATE", "FALSE", "FALSE", "3"),
     ERR_CONFLICT, 3, "magnitude:"},
    {HEADER SIMPLE("1", "A\xff", "TOTAL", "1"), ERR_TEXT, 2, "candidate:"},
    {HEADER SIMPLE("1", "A\xe2\x80\xae", "TOTAL", "1"), ERR_TEXT, 2, "candidate:"},
    {HEADER SIMPLE("1\t", "A", "TOTAL", "1"), ERR_TEXT, 2, "precinct:"},
    {HEADER SIMPLE("1", "\"A\nB\"", "TOTAL", "1"), ERR_TEXT, 2, "candidate:"},
    {HEADER SIMPLE("1", "\"A", "TOTAL", "1"), ERR_TRUNCATED, 2, "a quote is open"},
    {HEADER SIMPLE("1", "A", "TOTAL", "1") "1,2,3\n", ERR_FORMAT, 3, "3 fields"},
    {HEADER SIMPLE("1", "A", "TOTAL", "1") "\n", ERR_FORMAT, 3, "a blank line"},
    /* columns */
    {"precinct,office,candidate,county_name,state_po\n", ERR_MISSING, 1, "votes:"},
    {"precinct,office,candidate,votes,county_name\n", ERR_MISSING, 1, "state_po:"},
    {"precinct,office,candidate,votes,state_po\n", ERR_MISSING, 1, "county_name:"},
    {"precinct,office,candidate,votes,votes,county_name,state_po\n", ERR_DUPLICATE, 1, "votes:"},
    {HEADER, ERR_MISSING, -1, "there are no votes"},
    {"", ERR_FORMAT, 1, "the file is empty"},
};

static void test_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        struct medsl *t;
        struct fault f;
        err_t e = parse(&t, refused[i].text, &f);
        if (e != refused[i].err || f.at != refused[i].line ||
            strncmp(f.detail, refused[i].what, strlen(refused[i].what)) != 0)
            print_error("%zu: %s, line %lld: %s\n", i, err_name(e), f.at, f.detail);
        assert_int_equal(e, refused[i].err);
        assert_int_equal(f.at, refused[i].line);
        assert_memory_equal(f.detail, refused[i].what, strlen(refused[i].what));
        assert_null(t);
    }
}

/* --- what is understood --- */

static uint64_t total(const struct medsl *t, const char *candidate, const char *party)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < t->cell_count; i++) {
        const struct medsl_option *o = &t->option[t->cell[i].option];
        if (strcmp(o->candidate, candidate) == 0 && strcmp(o->party, party) == 0)
            sum += t->cell[i].votes;
    }
    return sum;
}

static void test_modes(void **state)
{
    (void)state;
    struct medsl *t;
    struct fault f;
    assert_int_equal(parse(&t,
                           HEADER SIMPLE("1", "A", "TOTAL", "12") SIMPLE("1", "A", "EARLY", "7")
                               SIMPLE("1", "A", "MAIL", "5") SIMPLE("1", "B", "MAIL", "2")
                                   SIMPLE("1", "B", "EARLY", "1") SIMPLE("2", "A", "TOTAL", "100")
                                       SIMPLE("2", "B", "", "4294967295"),
                           &f),
                     OK);
    assert_int_equal(total(t, "A", "DEM"), 112);
    assert_int_equal(total(t, "B", "DEM"), 4294967298);
    assert_int_equal(t->place_count, 2);
    assert_int_equal(t->cell_count, 4);
    assert_int_equal(t->rows, 7);
    assert_int_equal(t->votes, 4294967410);
    assert_string_equal(t->date, "2024-11-05");
    medsl_free(t);
}

static void test_identities(void **state)
{
    (void)state;
    struct medsl *t;
    struct fault f;
    assert_int_equal(
        parse(&t,
              HEADER
                  /* one candidate of two parties; a write-in; the special election; another district */
                  ROW("1", "SENATE", "DEM", "TOTAL", "1", "KENT", "ANN", "", "SENATE", "FALSE", "FALSE", "1")
                      ROW("1", "SENATE", "GREEN", "TOTAL", "2", "KENT", "ANN", "", "SENATE", "FALSE", "FALSE",
                          "") ROW("1", "SENATE", "", "TOTAL", "4", "KENT", "WRITEIN", "", "SENATE", "FALSE",
                                  "TRUE", "1") ROW("1", "SENATE", "DEM", "TOTAL", "8", "KENT", "ANN", "",
                                                   "SENATE", "TRUE", "FALSE", "1")
                          ROW("1", "COUNCIL", "DEM", "TOTAL", "16", "KENT", "BOB", "001", "LOCAL", "FALSE",
                              "FALSE", "3") ROW("1", "COUNCIL", "DEM", "TOTAL", "32", "KENT", "BOB", "002",
                                                "LOCAL", "FALSE", "FALSE", "NA")
              /* one name in two counties; not votes; a floating precinct */
              ROW("1", "COUNCIL", "DEM", "TOTAL", "64", "SUSSEX", "BOB", "001", "LOCAL", "FALSE", "FALSE",
                  "3") ROW("1", "REGISTERED VOTERS", "", "TOTAL", "9999", "KENT", "", "", "", "FALSE",
                           "FALSE", "") ROW("FLOATING", "SENATE", "DEM", "TOTAL", "128", "STATE FLOATING",
                                            "ANN", "", "SENATE", "FALSE", "FALSE", "1"),
              &f),
        OK);
    assert_int_equal(t->skipped, 1);
    assert_int_equal(t->place_count, 3);
    assert_int_equal(t->contest_count, 4);
    assert_int_equal(t->option_count, 6);
    assert_int_equal(total(t, "ANN", "DEM"), 137);
    assert_int_equal(total(t, "ANN", "GREEN"), 2);
    assert_int_equal(t->contest[0].special, 0);
    assert_int_equal(t->contest[1].special, 1);
    assert_string_equal(t->contest[2].district, "001");
    assert_int_equal(t->contest[2].magnitude, 3);
    assert_int_equal(t->contest[3].magnitude, 0);
    assert_string_equal(t->option[2].candidate, "WRITEIN");
    assert_int_equal(t->option[2].write_in, 1);
    assert_string_equal(t->place[1].county, "STATE FLOATING");
    medsl_free(t);

    const char *two =
        HEADER ROW("1", "SHERIFF", "DEM", "TOTAL", "1", "KENT", "X", "", "LOCAL", "FALSE", "FALSE", "1")
            ROW("1", "SHERIFF", "DEM", "TOTAL", "2", "SUSSEX", "Y", "", "LOCAL", "FALSE", "FALSE", "1");
    const char *third =
        ROW("1", "GOVERNOR", "DEM", "TOTAL", "2", "SUSSEX", "Y", "", "STATE", "FALSE", "FALSE", "1");
    char text[2048];
    struct medsl_rules rules = {0};
    snprintf(text, sizeof text, "%s%s", two, third);
    assert_int_equal(medsl_parse(&t, text, strlen(text), &rules, &f), OK);
    assert_int_equal(t->contest_count, 2);
    medsl_free(t);
    rules.local_by_county = 1;
    assert_int_equal(medsl_parse(&t, text, strlen(text), &rules, &f), OK);
    assert_int_equal(t->contest_count, 3);
    medsl_free(t);
    rules = (struct medsl_rules){.skip_local = 1};
    assert_int_equal(medsl_parse(&t, text, strlen(text), &rules, &f), OK);
    assert_int_equal(t->contest_count, 1);
    assert_int_equal(t->skipped, 2);
    medsl_free(t);
}

static void test_few_columns(void **state)
{
    (void)state;
    struct medsl *t;
    struct fault f;
    assert_int_equal(
        parse(&t,
              "readme_check,votes,candidate,office,precinct,jurisdiction_name,state\n"
              "x,3,\"O\"\"NEIL, ANN\",MAYOR,1,TOWN A,MAINE\nx,4,\"O\"\"NEIL, ANN\",MAYOR,1,TOWN B,MAINE\n",
              &f),
        OK);
    assert_int_equal(t->place_count, 2);
    assert_int_equal(total(t, "O\"NEIL, ANN", ""), 7);
    assert_string_equal(t->place[1].county, "TOWN B");
    assert_string_equal(t->place[0].state, "MAINE");
    assert_string_equal(t->date, "");
    medsl_free(t);
}

/* Every length of a line moves its end over the borders of the pieces in which a file is read. */
static void test_pieces(void **state)
{
    (void)state;
    char path[] = "/tmp/conclave-import-XXXXXX";
    struct medsl *t;
    struct fault f;
    int fd = mkstemp(path);
    FILE *out = fdopen(fd, "w");
    assert_non_null(out);
    fputs("\xef\xbb\xbfprecinct,office,candidate,votes,county_name,state_po\r\n", out);
    for (int i = 0; i < 40000; i++)
        fprintf(out, "%d,\"A \"\"%.*s\"\"\",C,%d,KENT,DE\r\n", i, i % 7, "xxxxxxx", i % 3);
    fputs("last,O,C,1000000,KENT,DE", out);
    assert_int_equal(fclose(out), 0);
    assert_int_equal(medsl_read(&t, path, NULL, &f), OK);
    assert_int_equal(t->rows, 40001);
    assert_int_equal(t->place_count, 40001);
    assert_int_equal(t->contest_count, 8);
    assert_int_equal(t->votes, 1039999);
    medsl_free(t);
    assert_int_equal(medsl_read(&t, "/tmp", NULL, &f), ERR_IO);
    unlink(path);
    assert_int_equal(medsl_read(&t, path, NULL, &f), ERR_MISSING);
    assert_string_equal(f.file, path);
}

/* --- the real file --- */

struct line {
    char *key;
    uint64_t votes;
};

static int by_key(const void *a, const void *b)
{
    return strcmp(((const struct line *)a)->key, ((const struct line *)b)->key);
}

/* Sorts and adds up equal keys. Returns how many are left. */
static size_t merge(struct line *l, size_t count)
{
    size_t n = 0;
    qsort(l, count, sizeof *l, by_key);
    for (size_t i = 0; i < count; i++) {
        if (n > 0 && strcmp(l[n - 1].key, l[i].key) == 0) {
            l[n - 1].votes += l[i].votes;
            free(l[i].key);
        } else {
            l[n++] = l[i];
        }
    }
    return n;
}

static void merge_free(struct line *l, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(l[i].key);
    free(l);
}

/* One line of the file into its fields, in place. */
static size_t split(char *s, char *field[64])
{
    size_t n = 0;
    for (;;) {
        char *out = s;
        int quoted = *s == '"';
        field[n++] = s;
        for (s += quoted; *s != '\0' && *s != '\n' && (quoted || *s != ','); s++) {
            if (quoted && *s == '"' && *++s != '"')
                quoted = 0;
            if (*s == '\0' || *s == '\n' || (!quoted && *s == ','))
                break;
            *out++ = *s;
        }
        int more = *s == ',';
        *out = '\0';
        if (!more || n == 64)
            return n;
        s++;
    }
}

/* The independent pass: rows of mode TOTAL (or the others) added up by contest and option. */
static struct line *simple_pass(size_t *count, const char *path, int totals)
{
    char text[8192], *field[64];
    size_t cap = 60000, n = 0;
    struct line *l = calloc(cap, sizeof *l);
    FILE *in = fopen(path, "r");
    assert_non_null(l);
    assert_non_null(in);
    assert_non_null(fgets(text, sizeof text, in));
    while (fgets(text, sizeof text, in) != NULL) {
        assert_int_equal(split(text, field), 24);
        /* precinct 0, office 1, party 2, mode 4, votes 5, county 6, candidate 10, district 11, special 16,
         * writein 17 */
        if ((strcmp(field[4], "TOTAL") == 0) != totals)
            continue;
        assert_true(n < cap);
        assert_true(asprintf(&l[n].key, "%s|%s|%s|%s|%s|%s", field[1], field[11], field[16], field[10],
                             field[2], field[17]) > 0);
        l[n++].votes = strtoull(field[5], NULL, 10);
    }
    fclose(in);
    *count = merge(l, n);
    return l;
}

static struct line *table_pass(size_t *count, const struct medsl *t)
{
    struct line *l = calloc(t->cell_count, sizeof *l);
    assert_non_null(l);
    for (size_t i = 0; i < t->cell_count; i++) {
        const struct medsl_option *o = &t->option[t->cell[i].option];
        const struct medsl_contest *c = &t->contest[o->contest];
        assert_true(asprintf(&l[i].key, "%s|%s|%s|%s|%s|%s", c->office, c->district,
                             c->special ? "TRUE" : "FALSE", o->candidate, o->party,
                             o->write_in ? "TRUE" : "FALSE") > 0);
        l[i].votes = t->cell[i].votes;
    }
    *count = merge(l, t->cell_count);
    return l;
}

static const char *delaware(void)
{
    static char path[4096];
    const char *dir = getenv("CONCLAVE_DATA");
    snprintf(path, sizeof path, "%s/medsl-delaware-2024/de24_cleaned.csv",
             dir != NULL ? dir : "../shared/data");
    return access(path, R_OK) == 0 ? path : NULL;
}

static void test_delaware(void **state)
{
    (void)state;
    const char *path = delaware();
    if (path == NULL) {
        print_message("skipped: the Delaware file is not in CONCLAVE_DATA\n");
        skip();
    }
    struct medsl *t;
    struct fault f;
    assert_int_equal(medsl_read(&t, path, NULL, &f), OK);
    assert_int_equal(t->rows, 48504);
    assert_int_equal(t->place_count, 533);
    assert_int_equal(t->contest_count, 87);
    assert_int_equal(t->cell_count, 12126);
    size_t count, other_count;
    struct line *mine = table_pass(&count, t);
    for (int totals = 0; totals < 2; totals++) {
        struct line *other = simple_pass(&other_count, path, totals);
        assert_int_equal(count, other_count);
        assert_int_equal(count, t->option_count);
        for (size_t i = 0; i < count; i++) {
            assert_string_equal(mine[i].key, other[i].key);
            assert_int_equal(mine[i].votes, other[i].votes);
        }
        merge_free(other, other_count);
    }
    merge_free(mine, count);
    medsl_free(t);
}

/* --- from file to decrypted counts --- */

static void join(char out[512], const char *dir, const char *name)
{
    assert_int_equal(file_path(out, 512, dir, name), OK);
}

static struct import_options options_of(const pubkey_t *key)
{
    return (struct import_options){.n = 9, .t = 5, .rehearsal = 1, .key = *key};
}

static void test_prepare_delaware(void **state)
{
    (void)state;
    const char *path = delaware();
    if (path == NULL) {
        print_message("skipped: the Delaware file is not in CONCLAVE_DATA\n");
        skip();
    }
    char dir[] = "/tmp/conclave-import-XXXXXX", file[512];
    assert_non_null(mkdtemp(dir));
    struct import_options o = options_of(&group_generator);
    struct import_summary s;
    struct fault f;
    assert_int_equal(import_prepare(&s, path, dir, &o, &f), OK);
    assert_int_equal(s.precincts, 533);
    assert_int_equal(s.contests, 87);
    assert_int_equal(s.counties, 3);
    assert_int_equal(s.states, 1);
    assert_int_equal(s.largest, 2629);
    assert_int_equal(s.bits, 12);
    assert_int_equal(import_prepare(&s, path, dir, &o, &f), OK); /* a repetition */
    o.minimum = 5;
    assert_int_equal(import_prepare(&s, path, dir, &o, &f), ERR_EXISTS);
    struct manifest *m;
    struct places *p;
    join(file, dir, "manifest.json");
    assert_int_equal(manifest_load(&m, file, &f), OK);
    join(file, dir, "jurisdictions.csv");
    assert_int_equal(places_load(&p, m, file, &f), OK);
    assert_int_equal(m->kind, KIND_IMPORT);
    assert_int_equal(m->contest_count, 87);
    assert_int_equal(m->decrypt_levels, 15);
    assert_string_equal(m->contest[0].id, "us-president");
    assert_int_equal(places_count(p), 538);
    assert_true(places_find(p, "de-new-castle-01-01") > 0);
    places_free(p);
    manifest_free(m);
    tree_rm(dir);
}

static void test_ids(void **state)
{
    (void)state;
    /* Names that differ only in what an identifier cannot say, in either order of rows. */
    static const char *const rows[] = {SIMPLE("1-2", "A B", "TOTAL", "1"), SIMPLE("1/2", "A-B", "TOTAL", "2"),
                                       SIMPLE("***", "\xc3\x89", "TOTAL", "3")};
    char first[2][TEXT_ID_MAX + 1];
    for (int turn = 0; turn < 2; turn++) {
        char dir[] = "/tmp/conclave-import-XXXXXX", file[512], text[4096];
        assert_non_null(mkdtemp(dir));
        join(file, dir, "in.csv");
        snprintf(text, sizeof text, "%s%s%s%s", HEADER, rows[turn ? 2 : 0], rows[1], rows[turn ? 0 : 2]);
        struct fault f;
        struct import_options o = options_of(&group_generator);
        assert_int_equal(file_write(file, text, strlen(text), FILE_NEW, &f), OK);
        assert_int_equal(import_prepare(NULL, file, dir, &o, &f), OK);
        struct manifest *m;
        struct places *p;
        struct place place;
        join(file, dir, "manifest.json");
        assert_int_equal(manifest_load(&m, file, &f), OK);
        join(file, dir, "jurisdictions.csv");
        assert_int_equal(places_load(&p, m, file, &f), OK);
        places_get(p, 4, &place);
        assert_memory_equal(place.id, "de-kent-1-2-", 12);
        if (turn == 0) {
            strcpy(first[0], place.id);
            strcpy(first[1], m->contest[0].option[0].id);
        }
        assert_string_equal(first[0], place.id);
        assert_string_equal(first[1], m->contest[0].option[0].id);
        places_free(p);
        manifest_free(m);
        tree_rm(dir);
    }
}

/* A prepared import with a joint key that the test knows. */
struct election {
    char dir[64], csv[512], exports[512];
    struct signkey *key;
    struct manifest *m;
    struct places *places;
    struct record r;
    scalar_t secret;
    struct election_context ctx;
};

/* Three precincts in two counties; the mayor is elected in one of them, two of three for the council. */
static const char small[] =
    HEADER ROW("1", "GOVERNOR", "DEM", "EARLY", "5", "KENT", "ANN", "", "STATE", "FALSE", "FALSE", "1")
        ROW("1", "GOVERNOR", "DEM", "MAIL", "6", "KENT", "ANN", "", "STATE", "FALSE", "FALSE",
            "1") ROW("1", "GOVERNOR", "", "TOTAL", "0", "KENT", "WRITEIN", "", "STATE", "FALSE", "TRUE", "1")
            ROW("2", "GOVERNOR", "DEM", "TOTAL", "1", "KENT", "ANN", "", "STATE", "FALSE", "FALSE",
                "1") ROW("2", "COUNCIL", "A", "TOTAL", "2", "KENT", "X", "", "LOCAL", "FALSE", "FALSE", "2")
                ROW("2", "COUNCIL", "B", "TOTAL", "3", "KENT", "X", "", "LOCAL", "FALSE", "FALSE", "2")
                    ROW("2", "COUNCIL", "B", "TOTAL", "4", "KENT", "Y", "", "LOCAL", "FALSE", "FALSE", "2")
                        ROW("1", "GOVERNOR", "", "TOTAL", "15", "SUSSEX", "WRITEIN", "", "STATE", "FALSE",
                            "TRUE", "1");

static void election_new(struct election *t, const char *csv)
{
    char path[512];
    struct fault f;
    struct group *g;
    pubkey_t pub;
    void *pass;
    memset(t, 0, sizeof *t);
    assert_int_equal(secret_init(), OK);
    strcpy(t->dir, "/tmp/conclave-import-XXXXXX");
    assert_non_null(mkdtemp(t->dir));
    join(path, t->dir, "official.key");
    assert_int_equal(secret_alloc(&pass, 8), OK);
    assert_int_equal(signkey_new(&pub, path, SIGNKEY_REHEARSAL, pass, 0, &f), OK);
    assert_int_equal(signkey_open(&t->key, path, pass, 0, &f), OK);
    secret_free(pass);
    join(t->csv, t->dir, "in.csv");
    join(t->exports, t->dir, "exports");
    assert_int_equal(file_write(t->csv, csv, strlen(csv), FILE_NEW, &f), OK);
    struct import_options o = options_of(&pub);
    struct import_summary s;
    assert_int_equal(import_prepare(&s, t->csv, t->dir, &o, &f), OK);
    join(path, t->dir, "manifest.json");
    assert_int_equal(manifest_load(&t->m, path, &f), OK);
    join(path, t->dir, "jurisdictions.csv");
    assert_int_equal(places_load(&t->places, t->m, path, &f), OK);
    t->r.election = t->m->election;
    t->r.id.b[0] = 7;
    scalar_random(&t->secret);
    assert_int_equal(group_new(&g), OK);
    assert_int_equal(point_mul_base(g, &t->r.Y, &t->secret), OK);
    group_free(g);
    t->ctx = (struct election_context){t->m, t->places, &t->r};
}

static void election_free(struct election *t)
{
    signkey_close(t->key);
    places_free(t->places);
    manifest_free(t->m);
    tree_rm(t->dir);
}

static err_t encrypt(struct election *t, struct import_encrypted *out, const struct import_progress *progress,
                     struct fault *f)
{
    return import_encrypt(out, t->csv, NULL, &t->ctx, t->exports, signkey_signer(t->key), 480000, 2, progress,
                          f);
}

/* Counts of the verified export of a place, decrypted with the key itself. */
static void decrypted(const struct election *t, const char *place, const char *contest, uint64_t *count)
{
    char path[512], name[128];
    struct export_header *h;
    struct fault f;
    struct dlog *d;
    struct elgamal ct[8];
    scalar_t minus;
    snprintf(name, sizeof name, "%s.cexp", place);
    join(path, t->exports, name);
    assert_int_equal(export_verify(&h, &t->ctx, path, NULL, &f), OK);
    assert_int_equal(h->place, places_find(t->places, place));
    assert_int_equal(h->kind, KIND_IMPORT);
    const struct tally *sum = tallies_find(h->tallies, (uint32_t)manifest_contest(t->m, contest));
    assert_non_null(sum);
    assert_true(sum->option_count <= 8);
    assert_int_equal(tally_compress_var(ct, sum), OK);
    assert_int_equal(dlog_new(&d, 100), OK);
    scalar_neg(&minus, &t->secret);
    for (size_t i = 0; i < sum->option_count; i++) {
        struct p256_affine a, b;
        struct p256_jacobian m;
        assert_int_equal(p256_decompress_sum_var(&a, &ct[i].A), OK);
        assert_int_equal(p256_decompress_sum_var(&b, &ct[i].B), OK);
        assert_int_equal(p256_mul_var(&m, &minus, &a), OK);
        p256_add_affine_var(&m, &m, &b);
        assert_int_equal(dlog_find_var(d, &count[i], &m, 100), OK);
    }
    dlog_free(d);
    export_header_free(h);
}

static err_t stop_after_one(void *ctx, uint64_t done, uint64_t all)
{
    (void)ctx;
    assert_int_equal(all, 3);
    return done >= 1 ? ERR_STOPPED : OK;
}

static void test_encrypt(void **state)
{
    (void)state;
    struct election t;
    struct import_encrypted done;
    struct fault f;
    struct import_progress stop = {NULL, stop_after_one};
    uint64_t count[8];
    char path[512];
    election_new(&t, small);
    assert_int_equal(t.m->import_bits, 4);
    assert_int_equal(t.m->contest_count, 2);
    assert_int_equal(t.m->contest[manifest_contest(t.m, "council")].limit, 2);
    assert_int_equal(encrypt(&t, &done, &stop, &f), ERR_STOPPED);
    assert_int_equal(f.err, ERR_STOPPED);
    uint64_t before = done.made;
    assert_true(before >= 1 && before <= 2);
    assert_int_equal(encrypt(&t, &done, NULL, &f), OK);
    assert_int_equal(done.known, before);
    assert_int_equal(done.made, 3 - before);
    decrypted(&t, "de-kent-1", "governor", count);
    assert_int_equal(count[0], 11);
    assert_int_equal(count[1], 0);
    decrypted(&t, "de-kent-2", "governor", count);
    assert_int_equal(count[0], 1);
    assert_int_equal(count[1], 0); /* no row */
    decrypted(&t, "de-kent-2", "council", count);
    assert_int_equal(count[0], 2);
    assert_int_equal(count[1], 3);
    assert_int_equal(count[2], 4);
    decrypted(&t, "de-sussex-1", "governor", count);
    assert_int_equal(count[0], 0);
    assert_int_equal(count[1], 15);
    /* Everything there: nothing is made. A damaged one is named and left alone. */
    assert_int_equal(encrypt(&t, &done, NULL, &f), OK);
    assert_int_equal(done.known, 3);
    assert_int_equal(done.made, 0);
    join(path, t.exports, "de-kent-2.cexp");
    assert_int_equal(truncate(path, 100), 0);
    assert_int_not_equal(encrypt(&t, &done, NULL, &f), OK);
    assert_non_null(strstr(f.file, "de-kent-2.cexp"));
    election_free(&t);
}

static void test_encrypt_refusals(void **state)
{
    (void)state;
    struct election t;
    struct import_encrypted done;
    struct fault f;
    election_new(&t, small);
    /* Another file than the manifest was made from. */
    const char *other =
        HEADER ROW("1", "GOVERNOR", "DEM", "TOTAL", "5", "KENT", "ANN", "", "STATE", "FALSE", "FALSE", "1");
    assert_int_equal(file_write(t.csv, other, strlen(other), FILE_REPLACE, &f), OK);
    assert_int_equal(encrypt(&t, &done, NULL, &f), ERR_MISMATCH);
    /* A row less: that precinct's contests differ. */
    char *shorter = strdup(small);
    assert_non_null(shorter);
    *strstr(shorter, "1,GOVERNOR,,,TOTAL,15") = '\0';
    assert_int_equal(file_write(t.csv, shorter, strlen(shorter), FILE_REPLACE, &f), OK);
    free(shorter);
    assert_int_equal(encrypt(&t, &done, NULL, &f), ERR_MISMATCH);
    /* A count that the bits of the manifest do not hold. */
    char *more = strdup(small);
    assert_non_null(more);
    memcpy(strstr(more, ",15,"), ",16,", 4);
    assert_int_equal(file_write(t.csv, more, strlen(more), FILE_REPLACE, &f), OK);
    free(more);
    assert_int_equal(encrypt(&t, &done, NULL, &f), ERR_LIMIT);
    assert_string_equal(f.who, "de-sussex-1");
    /* The wrong signer. */
    assert_int_equal(file_write(t.csv, small, strlen(small), FILE_REPLACE, &f), OK);
    struct signer wrong = *signkey_signer(t.key);
    wrong.key = group_generator;
    assert_int_equal(import_encrypt(&done, t.csv, NULL, &t.ctx, t.exports, &wrong, 1, 1, NULL, &f),
                     ERR_SIGNATURE);
    t.m->kind = KIND_BALLOTS;
    assert_int_equal(encrypt(&t, &done, NULL, &f), ERR_RULE);
    election_free(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused),          cmocka_unit_test(test_modes),
        cmocka_unit_test(test_identities),       cmocka_unit_test(test_few_columns),
        cmocka_unit_test(test_pieces),           cmocka_unit_test(test_delaware),
        cmocka_unit_test(test_prepare_delaware), cmocka_unit_test(test_ids),
        cmocka_unit_test(test_encrypt),          cmocka_unit_test(test_encrypt_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
