/* The fuzz targets of voting chains, for the table in targets.c. */
#ifndef TESTS_FUZZ_TARGETS_CHAIN_H
#define TESTS_FUZZ_TARGETS_CHAIN_H

#include "tests/fuzz/targets.h"

#define CHAIN_TARGETS(X)                                                                                     \
    X(chainheader)                                                                                           \
    X(chaintally) X(chainsnapshot) X(finality) X(envelope) X(segment) X(journal) X(chains) X(chainexport)

#define X(name)                                                                                              \
    void run_##name(struct fuzz_world *w, const uint8_t *data, size_t len);                                  \
    void seed_##name(struct fuzz_world *w, struct cbor_out *out);
CHAIN_TARGETS(X)
#undef X

/* What chainexport made. */
void fuzz_export_free(void);

#endif
