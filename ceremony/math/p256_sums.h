/* Sums of many lists of points at once, by additions that share inversions: a third of the cost of adding
 * them one after the other, less with vectors. Public data, variable time. One struct for one thread. */
#ifndef CEREMONY_MATH_P256_SUMS_H
#define CEREMONY_MATH_P256_SUMS_H

#include "ceremony/math/p256_path.h"

struct p256_sums; /* some hundred kilobytes, and 64 bytes for every two points of a call */
MUST err_t p256_sums_new(struct p256_sums **out, enum p256_path path); /* p256_path_best() */
void p256_sums_free(struct p256_sums *s);

/* sum[i] = from[index[start[i]]] + ... + from[index[start[i + 1] - 1]] for each i < lists; start has lists +
 * 1 entries. An empty list gives the identity. Any points, also equal, opposite and the identity. Indexes are
 * below 2^30. sum and from do not overlap. ERR_MEMORY. */
MUST err_t p256_sums_var(struct p256_sums *s, struct p256_affine *sum, const struct p256_affine *from,
                         const uint32_t *index, const size_t *start, size_t lists);

#endif
