/* What programs of a chain keep for themselves and read again, and words that people type or print. */
#ifndef TESTS_FUZZ_TARGETS_STATE_H
#define TESTS_FUZZ_TARGETS_STATE_H

#include "tests/fuzz/targets.h"

#define STATE_TARGETS(X) X(chainnode) X(chainsigned) X(resume) X(partids) X(signers) X(chainanchor)

#define X(name)                                                                                              \
    void run_##name(struct fuzz_world *w, const uint8_t *data, size_t len);                                  \
    void seed_##name(struct fuzz_world *w, struct cbor_out *out);
STATE_TARGETS(X)
#undef X

#endif
