/* Ballots by the million, for measuring and for nothing else. INSECURE BY DESIGN: every nonce and every key
 * is the sum of two numbers from a small pool, so that a point costs an addition instead of a multiplication,
 * and who has seen some ballots can open all of them. Never linked into a program; the ballots are otherwise
 * valid, and verify as all others do.
 *
 *   pool_new -> pool_make (any number of times) -> pool_free; one pool for each thread
 *
 * Elections of one contest with limit 1 only. Identifiers of the places must be equally long. Errors end the
 * process. */
#ifndef TESTS_BENCH_POOL_H
#define TESTS_BENCH_POOL_H

#include "tally/ballot.h"

#define POOL_ROW 4096                            /* numbers in each of the two rows */
#define POOL_MAX ((uint64_t)POOL_ROW * POOL_ROW) /* ballots of one pool before ids repeat */
#define POOL_MANY 1024                           /* ballots made at once */

struct pool;

/* seed: the same pool and ballots again. place: any of those that will be used. */
struct pool *pool_new(const struct election_context *ctx, uint32_t place, uint64_t seed);
void pool_free(struct pool *p);

size_t pool_len(const struct pool *p);     /* bytes of a ballot */
size_t pool_points(const struct pool *p);  /* points of a ballot */
size_t pool_options(const struct pool *p); /* of the contest */

/* What becomes of one ballot. data has pool_len bytes, hints 32 * pool_points (NULL: not wanted), cipher 2 *
 * pool_options: A and B of each option. */
struct pool_ballot {
    uint32_t place;
    uint8_t *data, *hints;
    struct p256_affine *cipher;
    hash_t id;
};
/* count <= POOL_MANY ballots, numbers first.. of this pool, for their places. A tenth of them is blank. */
void pool_make(struct pool *p, struct pool_ballot *b, size_t count, uint64_t first);

#endif
