/* The fuzz targets of partial reports, and of parts of an aggregation, for the table in targets.c. */
#ifndef TESTS_FUZZ_TARGETS_PART_H
#define TESTS_FUZZ_TARGETS_PART_H

#include "tests/fuzz/targets.h"

void run_part(struct fuzz_world *w, const uint8_t *data, size_t len);
void seed_part(struct fuzz_world *w, struct cbor_out *out);
void run_aggpart(struct fuzz_world *w, const uint8_t *data, size_t len);
void seed_aggpart(struct fuzz_world *w, struct cbor_out *out);

#endif
