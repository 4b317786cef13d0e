/* The inside of a chain's front. Internal to chain_front*.c. */
#ifndef TALLY_CHAIN_FRONT_PARTS_H
#define TALLY_CHAIN_FRONT_PARTS_H

#include <sys/types.h>

#include "tally/chain_front.h"
#include "tally/chain_wire.h"

/* An envelope that waits for its answer. */
struct waiting {
    struct waiting *next;
    uint64_t number;
    hash_t id;
    double since;
    size_t len;
    uint8_t data[];
};

struct shard_process {
    struct chain_shard_name name;
    pid_t pid; /* 0: none */
    int fd;
    struct chain_buffer in, out;
    struct waiting *first, *last, *unsent; /* unsent: the first that is not in out yet */
    size_t count;
    int ready;                   /* its shard is open */
    int deaths, refusals;        /* since its last answer: died; envelopes refused for it */
    int careful;                 /* one envelope at a time */
    enum chain_frame_type asked; /* FRAME_SPLIT or FRAME_FINISH, or 0 */
    int done;
};

struct chain_front {
    const struct chain_front_job *job;
    struct metrics *metrics;
    char metrics_dir[CHAIN_PATH_MAX];
    struct shard_process *shard;
    size_t shard_count, shard_cap;
    uint64_t number;
    size_t bytes;        /* of all that waits */
    int control, client; /* sockets, or -1 */
    char asked[64];      /* what the client has said so far */
    size_t asked_len;
    struct chain_shard_name splitting;
    int is_splitting, verdicts; /* verdicts: some were given since the last flush */
};

/* --- chain_front.c --- */

/* The shard of this name, NULL if there is none. */
struct shard_process *front_shard(struct chain_front *fr, const char *name);

/* --- chain_front_control.c --- */

MUST err_t control_open(struct chain_front *fr, struct fault *f);
void control_close(struct chain_front *fr);
/* Something came on one of its sockets. */
void control_accept(struct chain_front *fr);
void control_read(struct chain_front *fr);
void control_answer(struct chain_front *fr, err_t e, const char *text);

#endif
