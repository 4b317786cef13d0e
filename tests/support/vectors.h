/* Published vectors, which live outside the repository: $CONCLAVE_VECTORS, else ../shared/vectors. */
#ifndef TESTS_SUPPORT_VECTORS_H
#define TESTS_SUPPORT_VECTORS_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

/* The parsed file, freed by the caller; NULL, with the reason printed, when it is not there: the test then
 * calls skip(). */
json_t *vectors_json(const char *name);

/* The string at key; the test fails when it is not there. */
const char *vectors_text(const json_t *object, const char *key);

/* Reads hex_len digits (all of hex if SIZE_MAX) into out; returns bytes. The test fails when they are
 * not hex or do not fit. */
size_t unhex(uint8_t *out, size_t max, const char *hex, size_t hex_len);
/* Exactly len bytes. */
void unhex_exact(void *out, size_t len, const char *hex);

#endif
