/* The rehearsal: a whole election on one machine, with throw-away tokens, each party a process of its own.
 *
 *   DIR/tokens/trustee-N/   SoftHSM2 token of one trustee: configuration, store, PIN
 *   DIR/board/              the board that all share
 *   DIR/precincts/PLACE/    a precinct node: key, journal, ballots as they came from voters' devices
 *   DIR/exports, DIR/tally, DIR/bundle, DIR/anchor, DIR/log */
#ifndef APPLIANCE_REHEARSE_H
#define APPLIANCE_REHEARSE_H

#include <stdio.h>
#include <sys/resource.h>

#include "appliance/session.h"

struct rehearsal {
    const char *dir, *self, *module; /* program directory parts; PKCS#11 module */
    char tally[4096], verify[4096];  /* the other two programs */
    uint64_t precincts, ballots, seed;
    const char *import; /* results to import instead of made-up voters, or NULL */
    uint32_t n, t;
    double started;
    FILE *out;
};

/* --- running the parties (rehearse_run.c) --- */

struct party {
    const char *conf;  /* SOFTHSM2_CONF of the one token it sees, or NULL: none */
    const char *input; /* what the person types, or NULL */
    int show;          /* its output goes to the terminal, not only to the log */
    int expect_status; /* exit status that is right */
};

/* Runs argv (NULL-terminated) and waits. ERR_MISMATCH with the last lines of its output when the exit status
 * is not the expected one. */
MUST err_t rehearse_run(struct rehearsal *r, const struct party *p, const char *const *argv, struct fault *f);
/* Seconds since the start, monotonic; CPU seconds of all finished children. */
double rehearse_clock(void);
double rehearse_cpu(void);
void rehearse_say(struct rehearsal *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* DIR/a/b... into out. */
MUST err_t rehearse_path(char out[4096], const struct rehearsal *r, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* --- the election (rehearse_election.c) --- */

/* Writes board/manifest.json and board/jurisdictions.csv, and a signing key for each precinct. */
MUST err_t rehearse_election(struct rehearsal *r, struct fault *f);

#endif
