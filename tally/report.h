/* The report page: index.html of a bundle, for people (docs/spec/bundle.md).
 *
 * One self-contained file: no script, nothing fetched, readable on a phone and in the dark. A pure function
 * of verified data: the same input gives the same bytes, so a verifier makes it again and compares. No clock,
 * no environment. The caller has verified what it gives; the page says what was proved and what was not. */
#ifndef TALLY_REPORT_H
#define TALLY_REPORT_H

#include "tally/plan.h"
#include "tally/result.h"

/* QR codes are drawn for so many contests of the whole election, in the order of the plan; the rest is in the
 * bundle. */
#define REPORT_QR_MAX 32

struct report_dropped {
    uint32_t place;
    hash_t ballot;
};

struct report_replaced {
    uint32_t place;
    hash_t older, newer;
};

struct report_qr {
    char title[TEXT_TITLE_MAX + 1];
    char kind; /* letter of ui/qrtext.h */
    uint8_t *data;
    size_t len;
};

struct report_input {
    const struct election_context *ctx;
    const struct plan *plan;
    const struct result *result; /* rows in the order of the plan's units */
    uint32_t used;               /* bit j-1: seat j decrypted */
    uint64_t ballots;            /* of the whole; in an import 0 */
    uint64_t place_count;        /* of the lowest level */
    size_t missing_count, dropped_count, replaced_count, qr_count;
    const uint32_t *missing; /* indexes of places */
    const struct report_dropped *dropped;
    const struct report_replaced *replaced;
    const struct report_qr *qr; /* the anchor first, then the contests of the whole */
};

/* *out: *len bytes of UTF-8, malloc'ed, freed by the caller with free(). ERR_MISMATCH if result and plan do
 * not fit each other; ERR_MEMORY. */
MUST err_t report_make(uint8_t **out, size_t *len, const struct report_input *in, struct fault *f);

#endif
