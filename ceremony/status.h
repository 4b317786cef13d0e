/* Where a ceremony stands, seen from one board: for status pages and screens. Nothing is decided by it. */
#ifndef CEREMONY_STATUS_H
#define CEREMONY_STATUS_H

#include "ceremony/phase.h"
#include "ceremony/record.h"

enum stage {
    STAGE_ENROLL,   /* fewer than n enrolments */
    STAGE_ROSTER,   /* n enrolments, no roster signed */
    STAGE_DEAL,     /* a roster, deals missing */
    STAGE_CUT,      /* deals are there (or seats absent), no cut that covers the board */
    STAGE_COMPLAIN, /* complaints without answers */
    STAGE_CONFIRM,  /* a cut, confirmations missing */
    STAGE_RELEASED  /* the key is released */
};

struct status_seat {
    int roster_signed, dealt, confirmed, drilled, partials;
    err_t deal_error;    /* why the deal does not count; ERR_MISSING: none there */
    uint32_t complaints; /* who complained about this dealer */
    err_t confirm_error;
};

struct status {
    enum stage stage;
    size_t enrolled;    /* enrolments on the board */
    int has_roster;     /* roster and ceremony below are set */
    int rosters_differ; /* trustees signed different rosters: stop */
    struct roster roster;
    struct status_seat seat[TRUSTEES_MAX];
    int has_cut;
    struct cut cut; /* the cut that released the key; else the one to go on with, which covers the board */
    struct outcome outcome;
    err_t cut_error; /* cut_outcome's verdict */
};

/* Reads the board. On OK freed with status_free. ceremony: the one whose roster the trustee signed; NULL
 * looks for any, which on a board with entries of outsiders may be theirs. self: the trustee's identity key;
 * cuts that it signed come first. */
MUST err_t status_read_of(struct status **out, const struct manifest *m, const struct board *b,
                          struct group *g, const hash_t *ceremony, const point_t *self, struct fault *f);
MUST err_t status_read(struct status **out, const struct manifest *m, const struct board *b, struct group *g,
                       struct fault *f);
void status_free(struct status *s);
const char *stage_name(enum stage s);

#endif
