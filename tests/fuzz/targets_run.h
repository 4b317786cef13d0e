/* What a running program reads of others about running: numbers, requests for them, settings, what was
 * hashed before. */
#ifndef TESTS_FUZZ_TARGETS_RUN_H
#define TESTS_FUZZ_TARGETS_RUN_H

#include "tests/fuzz/targets.h"

void run_metrics(struct fuzz_world *w, const uint8_t *data, size_t len);
void seed_metrics(struct fuzz_world *w, struct cbor_out *out);
void run_request(struct fuzz_world *w, const uint8_t *data, size_t len);
void seed_request(struct fuzz_world *w, struct cbor_out *out);
void run_settings(struct fuzz_world *w, const uint8_t *data, size_t len);
void seed_settings(struct fuzz_world *w, struct cbor_out *out);

void run_hashed(struct fuzz_world *w, const uint8_t *data, size_t len);
void seed_hashed(struct fuzz_world *w, struct cbor_out *out);

#endif
