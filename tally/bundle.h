/* The names of files in a board and in a published bundle (docs/spec/bundle.md), and opening an election by
 * directory.
 *
 *   DIR/manifest.json, jurisdictions.csv, record.cbor, entries/     a board, and every bundle
 *   DIR/exports/PLACE.cexp, chains/CHAIN/, records/LEVEL/PLACE.cbor  the encrypted votes and their sums
 *   DIR/plan.cbor, result.cbor, index.html, SHA256SUMS
 *
 * jurisdictions.csv stands for the name that the manifest gives. */
#ifndef TALLY_BUNDLE_H
#define TALLY_BUNDLE_H

#include "tally/sums.h"

#define BUNDLE_MANIFEST "manifest.json"
#define BUNDLE_RECORD "record.cbor"
#define BUNDLE_ENTRIES "entries"
#define BUNDLE_EXPORTS "exports"
#define BUNDLE_CHAINS "chains"
#define BUNDLE_RECORDS "records"
#define BUNDLE_PLAN "plan.cbor"
#define BUNDLE_RESULT "result.cbor"
#define BUNDLE_REPORT "index.html"
#define BUNDLE_SUMS "SHA256SUMS"
#define BUNDLE_SUMS_MAX ((size_t)1 << 30) /* bytes of it */

#define BUNDLE_PATH_MAX 4096

/* Manifest, places and record of a directory, and the context that binds them. */
struct bundle_election {
    struct manifest *m;
    struct places *places;
    struct record *r; /* NULL if there is none yet and it was not asked for */
    struct election_context ctx;
};

/* Loads from a board or bundle. need_record: ERR_MISSING without record.cbor. Freed with
 * bundle_election_free. */
MUST err_t bundle_election_load(struct bundle_election **out, const char *dir, int need_record,
                                struct fault *f);
void bundle_election_free(struct bundle_election *b);

/* entries/KIND.AUTHOR.ID.cose, as the board names it. ERR_LIMIT if out is too small. */
MUST err_t bundle_entry_name(char *out, size_t out_len, const struct entry *e);

#endif
