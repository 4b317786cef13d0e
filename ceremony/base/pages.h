/* Memory for large arrays that are read here and there, as points are: in pages of 2 MB if the system has
 * such, so that looking up where they are does not take longer than reading them. Called by
 * ceremony/math/p256_pippenger.c and tally/ballot_batch.c; never for secrets. */
#ifndef CEREMONY_BASE_PAGES_H
#define CEREMONY_BASE_PAGES_H

#include <stddef.h>

/* size bytes, aligned to 64, not zeroed; free or realloc as after malloc. NULL without memory. Less than 2
 * MB: plain memory. */
void *pages_alloc(size_t size);

#endif
