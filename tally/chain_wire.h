/* What the front of a chain's node and the processes of its shards say to each other, over a socket pair.
 * Both are one program; frames are bounded all the same. Internal to chain_front.c and chain_worker.c.
 *
 *   frame = length of what follows (4 bytes, least significant first), type, number (8 bytes), content
 *
 * To a worker: an envelope with its number; or split, finish. From it, in the order of the envelopes:
 * verdicts on them; at the end that it is done, or why it failed. */
#ifndef TALLY_CHAIN_WIRE_H
#define TALLY_CHAIN_WIRE_H

#include "tally/chain_node.h"

#define FRAME_HEAD 13
#define VERDICT_LEN (3 + HASH_LEN)

enum chain_frame_type {
    FRAME_ENVELOPE = 1, /* content: the envelope */
    FRAME_SPLIT,        /* make the last block, state split; then done */
    FRAME_FINISH,       /* make a block of what is pending; then done */
    FRAME_READY,        /* the shard is open */
    FRAME_VERDICT,      /* error (2 bytes), again (1), ballot id (32) */
    FRAME_DONE,
    FRAME_FAILED /* struct fault */
};

/* A buffer of bytes: filled at the end, taken from the start. */
struct chain_buffer {
    uint8_t *data;
    size_t pos, len, cap;
};
void chain_buffer_free(struct chain_buffer *b);
/* Appends a frame. */
MUST err_t chain_frame_put(struct chain_buffer *b, enum chain_frame_type type, uint64_t number,
                           const void *data, size_t len);

struct chain_frame {
    enum chain_frame_type type;
    uint64_t number;
    const uint8_t *data; /* until the buffer changes */
    size_t len;
};
/* The next frame; *got 0: it is not complete. ERR_LIMIT: longer than max. */
MUST err_t chain_frame_get(struct chain_buffer *b, struct chain_frame *out, size_t max, int *got);
/* Reads what is there; *closed at the end of the stream. */
MUST err_t chain_buffer_fill(struct chain_buffer *b, int fd, size_t most, int *closed);
/* Writes what can be written without waiting. ERR_IO: the other side is gone. */
MUST err_t chain_buffer_drain(struct chain_buffer *b, int fd);

struct chain_worker_job {
    const struct chain_dir *d;
    const struct signkey *header;   /* signs headers */
    const struct signkey *envelope; /* opens envelopes */
    const char *metrics;            /* directory of numbers */
    struct chain_shard_name shard;
    int fd;
};
/* The process of a shard: until the front says so or is gone. Returns the exit status. */
MUST int chain_worker_run(const struct chain_worker_job *job);

#endif
