/* Precinct results in the layout of the MIT Election Data and Science Lab, tabulated.
 *
 * One row is the votes of one candidate in one precinct by one mode of voting. Columns are found by their
 * names in the header; needed are precinct, office, candidate, votes, state_po or state, and county_name or
 * jurisdiction_name; used if there: party_detailed (or party_simplified), mode, county_name, county_fips,
 * jurisdiction_name, jurisdiction_fips, district, dataverse, stage, special, writein, date, magnitude.
 *
 * A place is a distinct (state, county, jurisdiction, precinct), names and codes; precincts called FLOATING
 * are places like others. A contest is a distinct (office, district, special, stage), within a state unless
 * it is for president. An option is a distinct (candidate, party, written in) of a contest: fusion candidates
 * have one for each party. Modes are added up; where a row of mode TOTAL is there too, the others must add up
 * to it. Rows with an empty dataverse are not votes (registered voters and the like): they are counted in
 * `skipped` and left out.
 *
 * Refused, with the line: a missing (ERR_MISSING), negative (ERR_LIMIT) or non-numeric count (ERR_FORMAT),
 * one over 2^32-1 (ERR_LIMIT), the same mode twice for one option in one place (ERR_DUPLICATE), a TOTAL that
 * is not the sum of the modes (ERR_SUM), a missing precinct, office, candidate, county or state
 * (ERR_MISSING), text that text_check refuses (ERR_TEXT), other values than TRUE and FALSE, a contest with
 * two magnitudes (ERR_CONFLICT).
 *
 * Rows are streamed: memory grows with the distinct (place, option), not with the rows. What comes out does
 * not depend on the order of the rows. */
#ifndef TALLY_MEDSL_H
#define TALLY_MEDSL_H

#include "ceremony/base/err.h"

#define MEDSL_MAX ((uint64_t)16 << 30) /* bytes of the file */

struct medsl_rules {
    int local_by_county; /* contests of the dataverse LOCAL are distinct in each county */
    int skip_local;      /* rows of the dataverse LOCAL are left out */
};

/* Texts are never NULL; a column that is not there is empty. */
struct medsl_place {
    const char *state;      /* postal code, or the name if there is no code */
    const char *state_name; /* the code if there is no name */
    const char *county, *county_fips, *jurisdiction, *jurisdiction_fips, *precinct;
};

struct medsl_contest {
    const char *state;  /* empty: national */
    const char *county; /* empty unless local_by_county */
    const char *county_fips;
    const char *dataverse, *office, *district, *stage;
    int special;
    uint32_t magnitude; /* 0: not known */
    uint32_t first_option, option_count;
};

struct medsl_option {
    uint32_t contest;
    const char *candidate, *party;
    int write_in;
};

struct medsl_cell {
    uint32_t place, option;
    uint64_t votes;
};

struct medsl {
    char date[11]; /* the latest one in the file, or empty */
    uint64_t rows, skipped, votes;
    size_t place_count, contest_count, option_count, cell_count;
    struct medsl_place *place;     /* by state, county, jurisdiction, precinct */
    struct medsl_contest *contest; /* president, senate, house, state, local; then by office and district */
    struct medsl_option *option;   /* by contest; write-ins last; by candidate and party */
    struct medsl_cell *cell;       /* by place and option: one for each that has a row */
    uint32_t *place_cell;          /* first cell of each place; place_count + 1 */
    void *texts;
};

/* rules may be NULL: none. Freed with medsl_free. */
MUST err_t medsl_read(struct medsl **out, const char *path, const struct medsl_rules *rules, struct fault *f);
MUST err_t medsl_parse(struct medsl **out, const void *data, size_t len, const struct medsl_rules *rules,
                       struct fault *f);
void medsl_free(struct medsl *t);

#endif
