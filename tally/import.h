/* Real results as an election: precinct results (tally/medsl.h) become an election of the kind import, whose
 * key never meets a ballot.
 *
 *   import_prepare   before the key ceremony: manifest.json and jurisdictions.csv
 *   import_encrypt   after it, with the same file and rules: one signed export with range proofs for each
 *                    precinct
 *
 * Levels: nation, state, county, precinct. One style for each different set of contests. The identifiers
 * depend on the names only. A precinct's contests are those it has a row of; an option without a row there
 * has 0. */
#ifndef TALLY_IMPORT_H
#define TALLY_IMPORT_H

#include "ceremony/base/cose.h"
#include "tally/medsl.h"
#include "tally/sums.h"

struct import_options {
    const char *title;       /* NULL: made from the file */
    const char *date;        /* YYYY-MM-DD; NULL: the latest one in the file */
    uint32_t n, t;           /* trustees */
    int rehearsal;           /* tokens of one model */
    uint32_t decrypt_levels; /* bit i: level i; 0: all */
    uint32_t minimum;        /* 0: 1, these counts are public */
    pubkey_t key;            /* signs the exports; on the row of the whole */
    struct medsl_rules rules;
};

struct import_summary {
    uint64_t rows, skipped, votes, largest; /* largest: count of one option in one precinct */
    size_t states, counties, precincts, contests, options, styles, counts;
    uint32_t bits;
};

/* Writes DIR/manifest.json and DIR/jurisdictions.csv (the same again: OK; others there: ERR_EXISTS). out may
 * be NULL. Errors as medsl_read; ERR_LIMIT for more contests, options or styles than a manifest may have. */
MUST err_t import_prepare(struct import_summary *out, const char *csv_path, const char *dir,
                          const struct import_options *options, struct fault *f);

/* Called from one thread at a time after each precinct; ERR_STOPPED ends. */
struct import_progress {
    void *ctx;
    err_t (*step)(void *ctx, uint64_t done, uint64_t total);
};

struct import_encrypted {
    uint64_t made, known; /* exports; known: there already, from an interrupted run */
};

/* Writes DIR/PLACE.cexp for every precinct, on all threads of OpenMP (threads 0) or so many. rules: those of
 * import_prepare. time: hours since 1970. progress may be NULL. ERR_MISMATCH: the file is not the one the
 * election was made from. ERR_RULE: not an election of the kind import. An export that is there and whose
 * header is good is not made again; one that is not good is an error with its name. */
MUST err_t import_encrypt(struct import_encrypted *out, const char *csv_path, const struct medsl_rules *rules,
                          const struct election_context *ctx, const char *dir, const struct signer *signer,
                          uint64_t time, int threads, const struct import_progress *progress,
                          struct fault *f);

#endif
