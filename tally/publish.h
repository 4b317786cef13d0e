/* Publishing: a board, exports, records, plan and result become a bundle (docs/spec/bundle.md).
 *
 * What is copied is checked first, or on the way: the ceremony record from its entries, the records as sums
 * of each other, the plan's rules, every export's signature, items and root, of chains everything but proofs,
 * and the result by decrypting it again. Ballot proofs were checked by aggregate() and are checked by every
 * verifier; they are not repeated here.
 *
 * The bundle is built in OUT.tmp, synced, and renamed: it is there completely or not at all. The same content
 * gives the same bytes. A bundle that is there already is left as it is: OK if it is the same, ERR_EXISTS if
 * it is not. */
#ifndef TALLY_PUBLISH_H
#define TALLY_PUBLISH_H

#include "tally/bundle.h"
#include "tally/report_data.h"

struct publish_paths {
    const char *board; /* manifest, places, record, entries */
    const char
        *exports; /* directory of exports of precincts (files) and of chains (directories), any names */
    const char *records; /* DIR/LEVEL/PLACE.cbor */
    const char *plan, *result;
    const char *out;
};

struct publish_report {
    uint64_t files, bytes, exports, chains, entries;
    int already; /* the same bundle was there */
};

/* progress may be NULL; it counts files (total 0: not known) and ends the work with ERR_STOPPED. report may
 * be NULL. ERR_MISSING: an export that the records name is not there; ERR_HASH, ERR_MISMATCH, ERR_SUM and
 * others by what was checked. */
MUST err_t publish(struct publish_report *report, const struct publish_paths *paths, progress_fn progress,
                   void *progress_ctx, struct fault *f);

#endif
