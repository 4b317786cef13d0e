/* What an import is made of: the tables of the file, and how its places, contests and options are called. */
#ifndef TALLY_IMPORT_PLAN_H
#define TALLY_IMPORT_PLAN_H

#include "tally/import.h"
#include "tally/slug.h"

enum { IMPORT_NATION, IMPORT_STATE, IMPORT_COUNTY, IMPORT_PRECINCT, IMPORT_LEVELS };

struct import_node {
    uint32_t level, parent; /* parent: row */
    uint32_t place;         /* the first (for a precinct: the) place of the tables */
    uint32_t style;         /* precinct only */
};

struct import_plan {
    struct medsl *t;
    size_t node_count, level_nodes[IMPORT_LEVELS]; /* rows of jurisdictions.csv, depth first */
    struct import_node *node;
    slug_t *node_id, *contest_id, *option_id;
    size_t style_count;
    struct style *style; /* as in the manifest */
    uint64_t largest;
    uint32_t bits;
};

/* Freed with import_plan_free. */
MUST err_t import_plan_make(struct import_plan **out, const char *csv_path, const struct medsl_rules *rules,
                            struct fault *f);
void import_plan_free(struct import_plan *p);

/* Titles, cut to TEXT_TITLE_MAX bytes. */
void import_node_title(char out[TEXT_TITLE_MAX + 1], const struct import_plan *p, size_t node);
void import_contest_title(char out[TEXT_TITLE_MAX + 1], const struct import_plan *p, size_t contest);
void import_option_title(char out[TEXT_TITLE_MAX + 1], const struct import_plan *p, size_t option);

#endif
