/* How this machine is best used: threads, the size of batches, and what a chain's node has of such. Measured
 * by `conclave-tally tune` (tune.h), read by whoever verifies or runs a chain. A file of JSON,
 * docs/spec/settings.md.
 *
 * Settings make a run faster or slower and take more or less memory. They never change a verdict, a record or
 * any byte of output; so the file is not signed, and a wrong one can do no more than waste time. Its values
 * are bounded all the same.
 *
 * Where it is: the file that --settings names (it must be there then), else DIR/settings.json, DIR being the
 * work directory, if there is one. What the command line says (--threads) goes before it. */
#ifndef TALLY_SETTINGS_H
#define TALLY_SETTINGS_H

#include "ceremony/base/err.h"

#define SETTINGS_FILE "settings.json"
#define SETTINGS_THREADS_MAX 1024
#define SETTINGS_POINTS_MIN 1024
#define SETTINGS_POINTS_MAX (1u << 18)
#define SETTINGS_WINDOW_MIN 4
#define SETTINGS_WINDOW_MAX 15
/* Of a chain's node, and what 0 stands for there. */
#define SETTINGS_BLOCK_MAX 65535
#define SETTINGS_BLOCK 1000
#define SETTINGS_SECONDS_MAX 5
#define SETTINGS_SECONDS 5
#define SETTINGS_NODE_BATCH_MAX 4096
#define SETTINGS_NODE_BATCH 512
#define SETTINGS_NODE_QUEUE_MAX 65536
#define SETTINGS_NODE_QUEUE 4096
#define SETTINGS_NODE_THREADS_MAX 64
#define SETTINGS_NODE_THREADS 1

/* 0 everywhere: as the program chooses. */
struct settings {
    uint32_t threads;      /* 0: as many as there are processors */
    uint32_t batch_points; /* points in the equation of one thread; 0: as ballot_batch_points says */
    uint32_t window;       /* bits of a digit there */
    uint32_t block;        /* chain open: ballots of a block */
    uint32_t seconds;      /* chain open: a block is made after so long */
    uint32_t node_batch;   /* chain append: envelopes that a shard's process answers together */
    uint32_t node_queue;   /* chain append: envelopes that wait, for each shard */
    uint32_t node_threads; /* chain append: threads in each shard's process that check ballots */
};

/* path, or DIR/settings.json where path is NULL, or nothing where dir is NULL too: then all is 0. ERR_MISSING
 * only if path was given. ERR_FORMAT, ERR_LIMIT, ERR_VERSION, ERR_DUPLICATE: *out is all 0. */
MUST err_t settings_load(struct settings *out, const char *path, const char *dir, struct fault *f);
/* Writes it, replacing an older one. about: one line for people, or NULL. ERR_IO, ERR_LIMIT. */
MUST err_t settings_save(const struct settings *s, const char *about, const char *path, struct fault *f);
/* What the command line says, else the settings, else the program: the first that is not 0. */
uint32_t settings_or(uint64_t given, uint32_t set, uint32_t otherwise);

#endif
