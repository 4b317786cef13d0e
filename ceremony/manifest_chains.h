/* The key `chains` of the manifest (docs/spec/chain.md). Internal to manifest*.c and places.c. */
#ifndef CEREMONY_MANIFEST_CHAINS_H
#define CEREMONY_MANIFEST_CHAINS_H

#include <jansson.h>

#include "ceremony/manifest.h"

/* Reads the key, if it is there, into m. ERR_RULE in an import; ERR_POINT, ERR_DUPLICATE, ERR_LIMIT, ... */
MUST err_t chains_read(struct manifest *m, const json_t *doc, struct fault *f);
/* The key's value; NULL without memory. */
MUST json_t *chains_write(const struct manifest *m);
void chains_free(struct manifest *m);

/* The rows of a chain's places, freed with free(). ERR_UNKNOWN: no such place; ERR_RULE: not of the lowest
 * level, or not in order of rows; ERR_DUPLICATE. */
MUST err_t chain_places_read(uint32_t **out, const struct places *p, const struct manifest *m, uint32_t chain,
                             struct fault *f);

#endif
