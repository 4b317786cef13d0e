/* Chain exports for tests, made in one go by whoever has every key: any part can be made wrong, and what
 * depends on it right again. Everything fails the test on error.
 *
 *   chain_maker_init, _shard, _put and _block, _write; _free */
#ifndef TESTS_SUPPORT_CHAIN_MAKER_H
#define TESTS_SUPPORT_CHAIN_MAKER_H

#include "tally/chain_form.h"

#define CHAIN_MAKER_SHARDS 8
#define CHAIN_MAKER_BLOCKS 64

struct chain_made_ballot {
    uint8_t *data, *hints;
    size_t len, hints_len;
    hash_t id;
};

struct chain_made_shard {
    struct chain_shard_name name;
    enum chain_state state; /* of the last header */
    size_t count, cap;
    struct chain_made_ballot *ballot; /* in order */
    size_t block_count;
    size_t block_end[CHAIN_MAKER_BLOCKS]; /* ballots up to the end of each; equal to the one before: none */
    struct chain_header last;
};

struct chain_maker {
    const struct chain_context *ctx;
    const struct signer *key,
        *validator[VALIDATORS_MAX]; /* in the order of the manifest; NULL: does not sign */
    int hints;                      /* segments have y coordinates; set by init */
    int lists;                      /* `ids` and `leaves` are written */
    uint64_t time, number;
    hash_t previous;
    size_t shard_count;
    struct chain_made_shard shard[CHAIN_MAKER_SHARDS]; /* sorted by name */
    /* Called with what is about to be signed, encoded; NULL: nothing is changed. */
    void *hook_ctx;
    void (*header)(void *ctx, struct chain_maker *mk, size_t shard, struct chain_header *h);
    void (*running)(void *ctx, struct chain_maker *mk, size_t shard, struct chain_sums *s);
    void (*snapshot)(void *ctx, struct chain_maker *mk, struct chain_snapshot *s);
    struct chain_snapshot *made; /* what _write wrote */
};

/* Points of a ballot that was parsed; and its hints, 32 bytes for each of them. */
MUST size_t chain_maker_points(const struct ballot *b);
void chain_maker_hints(uint8_t *out, const struct ballot *b);

void chain_maker_init(struct chain_maker *mk, const struct chain_context *ctx, const struct signer *key);
void chain_maker_free(struct chain_maker *mk);
/* A shard, in order of names; its index. state: how it ends. */
size_t chain_maker_shard(struct chain_maker *mk, const char *name, enum chain_state state);
/* A ballot into the open shard that takes it, or into this one; it is in the next block. */
void chain_maker_put(struct chain_maker *mk, const uint8_t *data, size_t len);
void chain_maker_put_to(struct chain_maker *mk, size_t shard, const uint8_t *data, size_t len);
/* Ends the block: what was put since is sorted by id. */
void chain_maker_block(struct chain_maker *mk, size_t shard);
/* The same for all that was put: blocks of so many. */
void chain_maker_cut_blocks(struct chain_maker *mk, size_t shard, size_t per_block);
/* Takes a shard away; or all behind its first blocks. */
void chain_maker_drop(struct chain_maker *mk, size_t shard);
void chain_maker_cut(struct chain_maker *mk, size_t shard, size_t blocks);
/* Writes the export into dir, which is made anew. Blocks that were not ended end here; shards whose state is
 * not open get a last header without ballots if they have no block. */
void chain_maker_write(struct chain_maker *mk, const char *dir);

/* Files of the export, for what hooks cannot do. data is freed with free(). */
uint8_t *chain_maker_read(const char *dir, const char *name, size_t *len);
void chain_maker_file(const char *dir, const char *name, const void *data, size_t len);
/* The headers file of a shard as its messages: *count views into data, offsets of the items. */
void chain_maker_items(const uint8_t *data, size_t len, size_t *offset, size_t *count, size_t max);

#endif
