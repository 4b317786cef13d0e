/* A set of names, each with the number of its arrival: 0, 1, 2, ...
 *
 * Names are byte strings of any content, kept with a NUL behind. Memory: the names, one NUL and about 12
 * bytes each. The hash is keyed at random (SipHash), so that nobody can prepare names that collide. */
#ifndef CEREMONY_NAMES_H
#define CEREMONY_NAMES_H

#include "ceremony/base/err.h"

struct names;

/* An empty set. ERR_MEMORY. */
MUST err_t names_new(struct names **out);
void names_free(struct names *n);

/* *index: its number, new or known; *added: 1 if new. ERR_MEMORY; ERR_LIMIT after 2^31 names or 4 GiB. */
MUST err_t names_add(struct names *n, uint32_t *index, int *added, const char *text, size_t len);
/* Its number, or -1. */
MUST int64_t names_find(const struct names *n, const char *text, size_t len);
/* Valid until the next names_add. */
const char *names_get(const struct names *n, uint32_t index);
uint32_t names_count(const struct names *n);

#endif
