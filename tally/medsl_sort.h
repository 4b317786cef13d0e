/* Second half of reading MEDSL files: numbers of arrival become sorted tables. For tally/medsl.c only. */
#ifndef TALLY_MEDSL_SORT_H
#define TALLY_MEDSL_SORT_H

#include "ceremony/names.h"
#include "tally/medsl.h"

/* Tuples of numbers; texts by their number in `texts`. No padding. */
struct medsl_place_key {
    uint32_t state, state_name, county, county_fips, jurisdiction, jurisdiction_fips, precinct;
};

struct medsl_contest_key {
    uint32_t state, county, county_fips, office, district, stage, special;
};

struct medsl_option_key {
    uint32_t contest, candidate, party, write_in;
};

struct medsl_cell_key {
    uint32_t place, option;
};

struct medsl_contest_more {
    uint32_t dataverse; /* the first in rank that a row says */
    uint32_t magnitude; /* 0: not known */
};

struct medsl_loaded {
    const struct names *texts, *places, *contests, *options, *cells;
    const uint64_t *votes;                 /* by cell */
    const struct medsl_contest_more *more; /* by contest */
};

/* By rank (president, senate, house, state, local, others), then by name. */
int medsl_dataverse_order(const char *a, const char *b);

/* Fills the tables of t. ERR_MEMORY: what was made is freed with t. */
MUST err_t medsl_sort(struct medsl *t, const struct medsl_loaded *all);

#endif
