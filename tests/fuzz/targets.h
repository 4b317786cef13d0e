/* Every parser of bytes from outside, as a fuzz target with seeds made by the program itself.
 *
 * The same table serves `make check` (test_fuzz.c: seeds and random mutations of them, also under the
 * sanitizers) and `make fuzz` (libfuzzer.c: coverage-guided). */
#ifndef TESTS_FUZZ_TARGETS_H
#define TESTS_FUZZ_TARGETS_H

#include "ceremony/phase.h"
#include "tests/support/ballots.h"

struct fuzz_world {
    struct fixture *ballots, *import;
    struct roster roster;
};

struct fuzz_target {
    const char *name;
    void (*run)(struct fuzz_world *w, const uint8_t *data, size_t len);
    void (*seed)(struct fuzz_world *w, struct cbor_out *out); /* one good input, or something near to one */
};

extern const struct fuzz_target fuzz_targets[];
extern const size_t fuzz_target_count;

void fuzz_world_init(struct fuzz_world *w);
void fuzz_world_free(struct fuzz_world *w);

#endif
