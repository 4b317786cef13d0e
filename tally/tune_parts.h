/* Inside of struct tune_sample, for tune*.c only. */
#ifndef TALLY_TUNE_PARTS_H
#define TALLY_TUNE_PARTS_H

#include "ceremony/base/secret.h"
#include "tally/ballot_batch.h"
#include "tally/metrics.h"
#include "tally/tune.h"

struct tune_sample {
    struct manifest *m;
    struct places *places;
    struct record r; /* of a key that nobody has */
    struct election_context ctx;
    struct ballot_layout *layout;
    struct cbor_out ballot[TUNE_BALLOTS];
    size_t points;
    double make; /* seconds for each of them */
};

#endif
