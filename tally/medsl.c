#include "tally/medsl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "ceremony/base/text.h"
#include "ceremony/csv.h"
#include "ceremony/names.h"
#include "tally/medsl_sort.h"

#define FIELD_MAX 2048
#define MODES_MAX 64
#define MAGNITUDE_MAX 10000

enum column {
    PRECINCT,
    OFFICE,
    CANDIDATE,
    VOTES,
    STATE_PO,
    STATE,
    COUNTY,
    COUNTY_FIPS,
    JURISDICTION,
    JURISDICTION_FIPS,
    PARTY,
    PARTY_SIMPLE,
    MODE,
    DISTRICT,
    DATAVERSE,
    STAGE,
    SPECIAL,
    WRITEIN,
    DATE,
    MAGNITUDE,
    COLUMNS
};

static const char *const column_name[COLUMNS] = {"precinct",
                                                 "office",
                                                 "candidate",
                                                 "votes",
                                                 "state_po",
                                                 "state",
                                                 "county_name",
                                                 "county_fips",
                                                 "jurisdiction_name",
                                                 "jurisdiction_fips",
                                                 "party_detailed",
                                                 "party_simplified",
                                                 "mode",
                                                 "district",
                                                 "dataverse",
                                                 "stage",
                                                 "special",
                                                 "writein",
                                                 "date",
                                                 "magnitude"};

/* One (place, option): the sum of its modes, and what a row of mode TOTAL says. */
struct cell {
    uint64_t split, modes; /* bit: number of the mode */
    uint32_t total, line;  /* line of the TOTAL; 0: there is none */
};

struct load {
    struct medsl *t;
    struct medsl_rules rules;
    int at[COLUMNS]; /* position, -1: not there */
    int header;
    struct names *texts, *modes;
    struct names *places, *contests, *options, *cells; /* tuples of numbers */
    struct cell *cell;
    struct medsl_contest_more *more; /* by contest */
    size_t cell_cap, contest_cap;
};

/* --- fields --- */

static err_t bad(struct fault *f, err_t e, const struct csv_row *r, enum column c, const char *what)
{
    return csv_fault(f, e, r->line, "%s: %s", column_name[c], what);
}

static struct csv_cell field(const struct load *l, const struct csv_row *r, enum column c)
{
    static const struct csv_cell none = {"", 0};
    return l->at[c] >= 0 ? r->cell[l->at[c]] : none;
}

static err_t read_header(struct load *l, const struct csv_row *r, struct fault *f)
{
    for (size_t c = 0; c < COLUMNS; c++) {
        l->at[c] = -1;
        for (size_t i = 0; i < r->count; i++) {
            if (strcmp(r->cell[i].text, column_name[c]) != 0)
                continue;
            if (l->at[c] >= 0)
                return bad(f, ERR_DUPLICATE, r, (enum column)c, "this column is here twice");
            l->at[c] = (int)i;
        }
        if (c <= VOTES && l->at[c] < 0)
            return bad(f, ERR_MISSING, r, (enum column)c, "the column is missing");
    }
    if (l->at[STATE_PO] < 0 && l->at[STATE] < 0)
        return bad(f, ERR_MISSING, r, STATE_PO, "the column is missing, and state too");
    if (l->at[COUNTY] < 0 && l->at[JURISDICTION] < 0)
        return bad(f, ERR_MISSING, r, COUNTY, "the column is missing, and jurisdiction_name too");
    if (l->at[PARTY] < 0)
        l->at[PARTY] = l->at[PARTY_SIMPLE];
    return OK;
}

static err_t read_count(uint32_t *out, const struct load *l, const struct csv_row *r, enum column c,
                        struct fault *f)
{
    struct csv_cell v = field(l, r, c);
    uint64_t n = 0;
    *out = 0;
    if (v.len == 0)
        return bad(f, ERR_MISSING, r, c, "the number is missing");
    size_t start = v.text[0] == '-';
    if (start == v.len || strspn(v.text + start, "0123456789") != v.len - start)
        return bad(f, ERR_FORMAT, r, c, "not a whole number in digits");
    if (start != 0)
        return bad(f, ERR_LIMIT, r, c, "the number is negative");
    for (size_t i = 0; i < v.len && n <= UINT32_MAX; i++)
        n = n * 10 + (uint64_t)(v.text[i] - '0');
    if (n > UINT32_MAX)
        return bad(f, ERR_LIMIT, r, c, "the number is over 4294967295");
    *out = (uint32_t)n;
    return OK;
}

static err_t read_flag(uint32_t *out, const struct load *l, const struct csv_row *r, enum column c,
                       struct fault *f)
{
    struct csv_cell v = field(l, r, c);
    *out = strcasecmp(v.text, "TRUE") == 0;
    if (*out || v.len == 0 || strcasecmp(v.text, "FALSE") == 0 || strcmp(v.text, "NA") == 0)
        return OK;
    return bad(f, ERR_FORMAT, r, c, "must be TRUE or FALSE");
}

/* Number of the text. Texts are checked once, when they come first. */
static err_t intern(struct load *l, uint32_t *out, const char *text, size_t len, const struct csv_row *r,
                    enum column c, struct fault *f)
{
    int added;
    if (len > FIELD_MAX)
        return bad(f, ERR_LIMIT, r, c, "the text is too long");
    err_t e = names_add(l->texts, out, &added, text, len);
    if (e != OK)
        return fault_set(f, e, "tabulating");
    e = added ? text_check(text, len) : OK;
    return e == OK ? OK : bad(f, e, r, c, "characters that cannot be shown, or not in NFC");
}

static err_t get(struct load *l, uint32_t *out, const struct csv_row *r, enum column c, struct fault *f)
{
    struct csv_cell v = field(l, r, c);
    return intern(l, out, v.text, v.len, r, c, f);
}

static err_t need(struct load *l, uint32_t *out, const struct csv_row *r, enum column c, struct fault *f)
{
    if (field(l, r, c).len == 0)
        return bad(f, ERR_MISSING, r, c, "is empty");
    return get(l, out, r, c, f);
}

/* The first of two columns that is not empty. */
static err_t need_either(struct load *l, uint32_t *out, const struct csv_row *r, enum column c,
                         enum column other, struct fault *f)
{
    return field(l, r, c).len > 0 || field(l, r, other).len == 0 ? need(l, out, r, c, f)
                                                                 : get(l, out, r, other, f);
}

/* Codes come with or without leading zeros. */
static err_t get_code(struct load *l, uint32_t *out, const struct csv_row *r, enum column c, struct fault *f)
{
    struct csv_cell v = field(l, r, c);
    size_t zeros = strspn(v.text, "0");
    return intern(l, out, v.text + zeros, v.len - zeros, r, c, f);
}

static err_t read_date(struct load *l, const struct csv_row *r, struct fault *f)
{
    struct csv_cell v = field(l, r, DATE);
    if (v.len == 0 || strcmp(v.text, "NA") == 0)
        return OK;
    if (v.len != 10 || strspn(v.text, "0123456789-") != 10 || v.text[4] != '-' || v.text[7] != '-')
        return bad(f, ERR_FORMAT, r, DATE, "must be YYYY-MM-DD");
    if (strcmp(v.text, l->t->date) > 0)
        memcpy(l->t->date, v.text, 11);
    return OK;
}

/* --- tuples --- */

static err_t tuple(struct names *n, uint32_t *out, int *added, const void *numbers, size_t size,
                   struct fault *f)
{
    err_t e = names_add(n, out, added, numbers, size);
    return e == OK ? OK : fault_set(f, e, "tabulating");
}

static err_t read_place(struct load *l, uint32_t *out, struct medsl_place_key *k, const struct csv_row *r,
                        struct fault *f)
{
    int added;
    TRY(need_either(l, &k->state, r, STATE_PO, STATE, f));
    TRY(need_either(l, &k->state_name, r, STATE, STATE_PO, f));
    TRY(need_either(l, &k->county, r, COUNTY, JURISDICTION, f));
    TRY(get_code(l, &k->county_fips, r, COUNTY_FIPS, f));
    TRY(get(l, &k->jurisdiction, r, JURISDICTION, f));
    TRY(get_code(l, &k->jurisdiction_fips, r, JURISDICTION_FIPS, f));
    TRY(need(l, &k->precinct, r, PRECINCT, f));
    return tuple(l->places, out, &added, k, sizeof *k, f);
}

/* What rows say about a contest and does not tell contests apart. */
static err_t read_more(struct load *l, uint32_t contest, int added, const struct csv_row *r, struct fault *f)
{
    struct csv_cell v = field(l, r, MAGNITUDE);
    uint32_t n = 0, dataverse;
    if (added && contest >= l->contest_cap) {
        size_t cap = l->contest_cap * 2 + 64;
        struct medsl_contest_more *grown = realloc(l->more, cap * sizeof *grown);
        if (grown == NULL)
            return fault_set(f, ERR_MEMORY, "tabulating");
        l->more = grown;
        l->contest_cap = cap;
    }
    struct medsl_contest_more *more = &l->more[contest];
    TRY(get(l, &dataverse, r, DATAVERSE, f));
    if (added)
        *more = (struct medsl_contest_more){dataverse, 0};
    if (medsl_dataverse_order(names_get(l->texts, dataverse), names_get(l->texts, more->dataverse)) < 0)
        more->dataverse = dataverse;
    if (v.len == 0 || strcmp(v.text, "NA") == 0)
        return OK;
    TRY(read_count(&n, l, r, MAGNITUDE, f));
    if (n < 1 || n > MAGNITUDE_MAX)
        return bad(f, ERR_LIMIT, r, MAGNITUDE, "must be 1 to 10000");
    if (more->magnitude != 0 && more->magnitude != n)
        return bad(f, ERR_CONFLICT, r, MAGNITUDE, "another number than in a row above of the same contest");
    more->magnitude = n;
    return OK;
}

static err_t read_contest(struct load *l, uint32_t *out, const struct medsl_place_key *place,
                          const struct csv_row *r, struct fault *f)
{
    struct medsl_contest_key k;
    const char *dataverse = field(l, r, DATAVERSE).text;
    int added, by_county = l->rules.local_by_county && strcasecmp(dataverse, "LOCAL") == 0;
    uint32_t empty;
    memset(&k, 0, sizeof k);
    TRY(intern(l, &empty, "", 0, r, OFFICE, f));
    k.state = strcasecmp(dataverse, "PRESIDENT") == 0 ? empty : place->state;
    k.county = by_county ? place->county : empty;
    k.county_fips = by_county ? place->county_fips : empty;
    TRY(need(l, &k.office, r, OFFICE, f));
    TRY(get(l, &k.district, r, DISTRICT, f));
    TRY(get(l, &k.stage, r, STAGE, f));
    TRY(read_flag(&k.special, l, r, SPECIAL, f));
    TRY(tuple(l->contests, out, &added, &k, sizeof k, f));
    return read_more(l, *out, added, r, f);
}

static err_t read_option(struct load *l, uint32_t *out, uint32_t contest, const struct csv_row *r,
                         struct fault *f)
{
    struct medsl_option_key k;
    int added;
    memset(&k, 0, sizeof k);
    k.contest = contest;
    TRY(need(l, &k.candidate, r, CANDIDATE, f));
    TRY(get(l, &k.party, r, PARTY, f));
    TRY(read_flag(&k.write_in, l, r, WRITEIN, f));
    return tuple(l->options, out, &added, &k, sizeof k, f);
}

/* --- counts --- */

static err_t get_cell(struct load *l, struct cell **out, uint32_t place, uint32_t option, struct fault *f)
{
    struct medsl_cell_key k = {place, option};
    uint32_t i;
    int added;
    TRY(tuple(l->cells, &i, &added, &k, sizeof k, f));
    if (i >= l->cell_cap) {
        size_t cap = l->cell_cap + l->cell_cap / 2 + 1024;
        struct cell *grown = realloc(l->cell, cap * sizeof *grown);
        if (grown == NULL)
            return fault_set(f, ERR_MEMORY, "tabulating");
        l->cell = grown;
        l->cell_cap = cap;
    }
    if (added)
        memset(&l->cell[i], 0, sizeof l->cell[i]);
    *out = &l->cell[i];
    return OK;
}

static err_t add_votes(struct load *l, struct cell *c, uint32_t votes, const struct csv_row *r,
                       struct fault *f)
{
    struct csv_cell mode = field(l, r, MODE);
    uint32_t m;
    int added;
    if (mode.len == 0 || strcasecmp(mode.text, "TOTAL") == 0) {
        if (c->line != 0)
            return csv_fault(f, ERR_DUPLICATE, r->line, "the same place, option and mode as in line %u",
                             c->line);
        c->total = votes;
        c->line = (uint32_t)r->line;
        return OK;
    }
    TRY(tuple(l->modes, &m, &added, mode.text, mode.len, f));
    if (m >= MODES_MAX)
        return bad(f, ERR_LIMIT, r, MODE, "more than 64 different modes");
    if (c->modes >> m & 1)
        return csv_fault(f, ERR_DUPLICATE, r->line, "the same place, option and mode as in a line above");
    c->modes |= UINT64_C(1) << m;
    c->split += votes;
    return OK;
}

static err_t on_row(void *ctx, const struct csv_row *r, struct fault *f)
{
    struct load *l = ctx;
    struct medsl_place_key k;
    struct cell *c = NULL;
    uint32_t votes, place, contest, option;
    if (!l->header) {
        l->header = 1;
        return read_header(l, r, f);
    }
    if (r->line > UINT32_MAX)
        return csv_fault(f, ERR_LIMIT, r->line, "too many lines");
    l->t->rows++;
    TRY(read_count(&votes, l, r, VOTES, f));
    const char *dataverse = field(l, r, DATAVERSE).text;
    if ((l->at[DATAVERSE] >= 0 && dataverse[0] == '\0') ||
        (l->rules.skip_local && strcasecmp(dataverse, "LOCAL") == 0)) {
        l->t->skipped++;
        return OK;
    }
    memset(&k, 0, sizeof k);
    TRY(read_place(l, &place, &k, r, f));
    TRY(read_contest(l, &contest, &k, r, f));
    TRY(read_option(l, &option, contest, r, f));
    TRY(read_date(l, r, f));
    TRY(get_cell(l, &c, place, option, f));
    return add_votes(l, c, votes, r, f);
}

/* --- the end --- */

/* Where the file has both modes and totals they must agree; the first that does not is named. */
static err_t settle(struct load *l, struct fault *f)
{
    uint32_t count = names_count(l->cells);
    const struct cell *wrong = NULL;
    for (uint32_t i = 0; i < count; i++) {
        struct cell *c = &l->cell[i];
        if (c->line == 0)
            continue;
        if (c->modes != 0 && c->split != c->total && (wrong == NULL || c->line < wrong->line))
            wrong = c;
        c->split = c->total;
    }
    if (wrong != NULL)
        return csv_fault(f, ERR_SUM, wrong->line, "the TOTAL is not the sum of the modes");
    for (uint32_t i = 0; i < count; i++) {
        if (l->cell[i].split > UINT32_MAX)
            return fault_set(f, ERR_LIMIT, "the sum of a precinct's modes is over 4294967295");
        l->t->votes += l->cell[i].split;
    }
    return count > 0 ? OK : fault_set(f, ERR_MISSING, "there are no votes in this file");
}

static err_t load_new(struct load *l, const struct medsl_rules *rules, struct fault *f)
{
    memset(l, 0, sizeof *l);
    if (rules != NULL)
        l->rules = *rules;
    l->t = calloc(1, sizeof *l->t);
    if (l->t == NULL || names_new(&l->texts) != OK || names_new(&l->modes) != OK ||
        names_new(&l->places) != OK || names_new(&l->contests) != OK || names_new(&l->options) != OK ||
        names_new(&l->cells) != OK)
        return fault_set(f, ERR_MEMORY, "tabulating");
    return OK;
}

static err_t load_end(struct medsl **out, struct load *l, err_t e, struct fault *f)
{
    if (e == OK)
        e = settle(l, f);
    if (e == OK) {
        uint32_t count = names_count(l->cells);
        uint64_t *votes = calloc(count, sizeof *votes);
        for (uint32_t i = 0; votes != NULL && i < count; i++)
            votes[i] = l->cell[i].split;
        struct medsl_loaded all = {l->texts, l->places, l->contests, l->options, l->cells, votes, l->more};
        e = votes != NULL ? medsl_sort(l->t, &all) : ERR_MEMORY;
        if (e != OK)
            fault_set(f, e, "sorting");
        free(votes);
    }
    if (e == OK) {
        l->t->texts = l->texts;
        l->texts = NULL;
        *out = l->t;
        l->t = NULL;
    }
    names_free(l->texts);
    names_free(l->modes);
    names_free(l->places);
    names_free(l->contests);
    names_free(l->options);
    names_free(l->cells);
    free(l->cell);
    free(l->more);
    medsl_free(l->t);
    return e;
}

err_t medsl_read(struct medsl **out, const char *path, const struct medsl_rules *rules, struct fault *f)
{
    struct load l;
    *out = NULL;
    err_t e = load_new(&l, rules, f);
    if (e == OK)
        e = csv_read_file(path, MEDSL_MAX, on_row, &l, f);
    return fault_file(f, load_end(out, &l, e, f), path);
}

err_t medsl_parse(struct medsl **out, const void *data, size_t len, const struct medsl_rules *rules,
                  struct fault *f)
{
    struct load l;
    *out = NULL;
    err_t e = load_new(&l, rules, f);
    if (e == OK)
        e = csv_read(data, len, on_row, &l, f);
    return load_end(out, &l, e, f);
}

void medsl_free(struct medsl *t)
{
    if (t == NULL)
        return;
    free(t->place);
    free(t->contest);
    free(t->option);
    free(t->cell);
    free(t->place_cell);
    names_free(t->texts);
    free(t);
}
