/* How this machine is best used: threads, and the size of batches. Measured by `conclave-tally tune`
 * (tune.h), read by whoever verifies. A file of JSON, {"settings": 1, "threads": N, "batch_points": N,
 * "about": "..."}; "about" is optional.
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

struct settings {
    uint32_t threads;      /* 0: as many as there are processors */
    uint32_t batch_points; /* points in the equation of one thread; 0: as ballot_batch_points says */
};

/* path, or DIR/settings.json where path is NULL, or nothing where dir is NULL too: then all is 0. ERR_MISSING
 * only if path was given. ERR_FORMAT, ERR_LIMIT, ERR_VERSION, ERR_DUPLICATE: *out is all 0. */
MUST err_t settings_load(struct settings *out, const char *path, const char *dir, struct fault *f);
/* Writes it, replacing an older one. about: one line for people, or NULL. ERR_IO, ERR_LIMIT. */
MUST err_t settings_save(const struct settings *s, const char *about, const char *path, struct fault *f);

#endif
