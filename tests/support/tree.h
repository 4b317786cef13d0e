/* Elections for tests of aggregation and planning: a small tree of places in a directory of its own, a
 * known key, exports with real ballots, and records with made-up sums where ballots would take too long.
 * Everything fails the test on error. */
#ifndef TESTS_SUPPORT_TREE_H
#define TESTS_SUPPORT_TREE_H

#include "tally/export.h"
#include "tally/node.h"
#include "tally/signkey.h"

struct tree_shape {
    enum election_kind kind;
    const char *duplicates; /* "first" or "none"; NULL: first */
    unsigned minimum;       /* 0: 10 */
    const char *options;    /* of mayor besides x and y: JSON of each with a comma before; NULL: none */
    const char *levels;     /* JSON list; NULL: nation, county, precinct */
    const char *decrypt;    /* JSON list; NULL: all three */
    /* rows behind the header without the column key; "whole,LEVEL,,..." first. NULL: a nation of two
     * counties a and b with precincts a1 a2 a3, b1 b2 b3. Styles: "one" has contest mayor; "both" has mayor
     * and judge. */
    const char *rows;
};

struct tree {
    char dir[64];
    struct manifest *m;
    struct places *places;
    struct record r;
    scalar_t secret; /* of Y */
    struct election_context ctx;
    struct signkey *key; /* signs for every place */
    struct ballot_maker *maker;
};

void tree_new(struct tree *t, const struct tree_shape *shape);
void tree_free(struct tree *t); /* removes the directory */
/* DIR/a or DIR/a/b; a static buffer per call site would be shared: out has 256 bytes. */
const char *tree_path(const struct tree *t, char out[256], const char *a, const char *b);
uint32_t tree_place(const struct tree *t, const char *id);
void tree_rm(const char *path); /* with what is in it */

/* --- real ballots --- */

struct tree_box {
    size_t count;
    struct cbor_out ballot[128];
    struct ballot_info info[128];
};
/* Adds n ballots for place that select option (of mayor; NULL: blank). */
void tree_cast(struct tree *t, struct tree_box *box, const char *place, const char *style, const char *option,
               size_t n);
/* One ballot of style one for x, under the one-time key of this number: the same number gives the same
 * ballot id anywhere. */
void tree_cast_key(struct tree *t, struct tree_box *box, const char *place, unsigned key);
void tree_box_free(struct tree_box *box);
/* Signed export DIR/exports/NAME. replaces may be NULL, id too. */
void tree_export(struct tree *t, const char *name, const char *place, const struct tree_box *box,
                 uint64_t revision, const hash_t *replaces, hash_t *id);
/* The same with sums that are not those of the ballots, or another header: tallies as given. */
void tree_export_tallies(struct tree *t, const char *name, const char *place, const struct tree_box *box,
                         const struct tallies *tallies, hash_t *id);

/* --- made-up records --- */

/* Ballots of one contest on a lowest-level place. Places without any have an export all the same, unless
 * absent. */
struct tree_votes {
    const char *place;
    uint64_t mayor, judge;
    int absent;
    unsigned salt; /* other ballots, as many */
};
/* Writes DIR/NAME/LEVEL/PLACE.cbor for all places; lowest-level places that are not in votes (ended by a
 * NULL place) have 0 ballots. root may be NULL. */
void tree_records(struct tree *t, const char *name, const struct tree_votes *votes, hash_t *root);
/* Reads a record, lets change alter the node, and writes it again. */
void tree_alter(struct tree *t, const char *name, const char *place,
                void (*change)(const struct tree *t, struct node *n, void *arg), void *arg);
/* Makes the records above a place agree with it again: sums and hashes from below. */
void tree_repair(struct tree *t, const char *name);

#endif
