/* Which ids are there more than once, however many there are: external radix sort with bounded memory.
 *
 *   id_sort_new -> id_sort_add (any number) -> id_sort_finish, which reports the copies -> id_sort_free
 *
 * or id_sort_each instead of id_sort_finish, which reports them all, sorted. Every id comes with a source
 * (place, shard, part: the caller's numbers) and a position in it. Ids are dealt to partitions by their
 * leading bits; what does not fit in memory goes to one temporary file, unlinked as soon as it is made, in
 * the first of SQLITE_TMPDIR, TMPDIR, /var/tmp and /tmp that takes it. Each partition is then sorted in
 * memory; one that is too large is dealt again by the first bits in which its ids differ. So the memory is
 * that of id_sort_memory() for any input, ids made to collide included; these cost time and disk, at most a
 * pass over the partition for each byte that they share. One thread at a time. id_sort_finish never says
 * anything about ids that are there once. */
#ifndef TALLY_ID_SORT_H
#define TALLY_ID_SORT_H

#include "ceremony/base/err.h"
#include "ceremony/base/hash.h"

struct id_sort;

struct id_copy {
    hash_t id;
    uint32_t source;
    uint64_t position;
};

/* memory: bytes it may take, 0 for 80 MiB; less than 20 MiB is raised to that. ERR_MEMORY. */
MUST err_t id_sort_new(struct id_sort **out, size_t memory);
void id_sort_free(struct id_sort *s);

/* ERR_IO: the temporary file cannot be made or written. */
MUST err_t id_sort_add(struct id_sort *s, const hash_t *id, uint32_t source, uint64_t position,
                       struct fault *f);
uint64_t id_sort_count(const struct id_sort *s);
/* Where id_sort_finish counts what an id took (metrics.h), or NULL. */
struct metrics;
void id_sort_observe(struct id_sort *s, struct metrics *m);
/* Most bytes of memory it had so far, and bytes written to the temporary file. */
size_t id_sort_memory(const struct id_sort *s);
uint64_t id_sort_disk(const struct id_sort *s);

/* Calls fn once for each copy of each id that was added more than once, in order of id, source and position;
 * first: it is the first copy of this id. What fn returns other than OK ends it. Call it once; nothing can be
 * added afterwards (ERR_BUG). ERR_MEMORY, ERR_IO. */
typedef err_t id_sort_fn(void *ctx, const struct id_copy *copy, int first, struct fault *f);
MUST err_t id_sort_finish(struct id_sort *s, id_sort_fn *fn, void *ctx, struct fault *f);

/* The same with every id that was added, in the same order. */
MUST err_t id_sort_each(struct id_sort *s, id_sort_fn *fn, void *ctx, struct fault *f);

#endif
