/* The inside of a precinct node. Internal to precinct*.c.
 *
 *   node(key, value)              what it is bound to, its state, the header of its last export
 *   pending(id, leaf, bytes)      ballots of the unfinished batch
 *   ballot(batch, id, leaf, bytes) ballots of finished batches; together in the order of the export
 *   checkpoint(batch, count, root, tallies)  after each batch: all ballots so far */
#ifndef TALLY_PRECINCT_FORM_H
#define TALLY_PRECINCT_FORM_H

#include <sqlite3.h>

#include "tally/precinct.h"

enum stmt {
    STMT_BEGIN,
    STMT_COMMIT,
    STMT_ROLLBACK,
    STMT_GET,
    STMT_SET,
    STMT_UNSET,
    STMT_FIND,
    STMT_INSERT,
    STMT_PENDING_LEAVES,
    STMT_MOVE,
    STMT_CLEAR,
    STMT_CHECKPOINT,
    STMT_COUNT
};

struct precinct {
    const struct election_context *ctx;
    struct place place;
    char path[4096];
    sqlite3 *db;
    sqlite3_stmt *stmt[STMT_COUNT];
    int failed; /* a commit is in doubt: only opening again tells */
    struct precinct_status status;
    int has_replaces;
    hash_t replaces;
    struct merkle tree;   /* over the finished batches */
    struct tallies *sums; /* of all ballots */
};

/* What a transaction changes in memory, to put it back. */
struct precinct_mark {
    struct precinct_status status;
    struct merkle tree;
    struct tallies *sums;
};

/* --- precinct_db.c --- */

/* The journal's database; *fresh: it was made now. */
MUST err_t db_open(struct precinct *p, int create, int *fresh, struct fault *f);
void db_close(struct precinct *p);
MUST err_t db_exec(struct precinct *p, const char *sql, struct fault *f);
/* A statement of the list, reset; NULL on error. */
sqlite3_stmt *db_stmt(struct precinct *p, enum stmt which, struct fault *f);
/* Steps once, expects no row, resets. */
MUST err_t db_run(struct precinct *p, sqlite3_stmt *s, struct fault *f);
/* For queries of one place only; finalized by the caller. */
MUST err_t db_prepare(struct precinct *p, sqlite3_stmt **s, const char *sql, struct fault *f);
/* *row = 1 while there are rows. */
MUST err_t db_step(struct precinct *p, sqlite3_stmt *s, int *row, struct fault *f);
/* Column as a hash; ERR_FORMAT. */
MUST err_t db_hash(struct precinct *p, sqlite3_stmt *s, int column, hash_t *out, struct fault *f);

/* node(key): *found = 0 if there is none. value: malloc'ed. */
MUST err_t db_get(struct precinct *p, const char *key, uint8_t **value, size_t *len, int *found,
                  struct fault *f);
MUST err_t db_set(struct precinct *p, const char *key, const void *value, size_t len, struct fault *f);
MUST err_t db_set_uint(struct precinct *p, const char *key, uint64_t v, struct fault *f);
MUST err_t db_get_uint(struct precinct *p, const char *key, uint64_t *v, struct fault *f);
MUST err_t db_unset(struct precinct *p, const char *key, struct fault *f);

/* begin takes the mark; commit drops it; back undoes on disk and in memory. */
MUST err_t precinct_begin(struct precinct *p, struct precinct_mark *mark, struct fault *f);
MUST err_t precinct_commit(struct precinct *p, struct precinct_mark *mark, struct fault *f);
void precinct_back(struct precinct *p, struct precinct_mark *mark);

/* --- precinct.c --- */

/* Reads the state from disk and recomputes it (rule 3). */
MUST err_t precinct_load(struct precinct *p, struct fault *f);
MUST err_t precinct_usable(struct precinct *p, struct fault *f);

/* --- precinct_cast.c --- */

/* Inside a transaction: pending becomes the next batch, with its checkpoint. */
MUST err_t precinct_finish_batch(struct precinct *p, struct fault *f);
/* Where a ballot is: its batch, -1 for the unfinished one. */
MUST err_t precinct_find(struct precinct *p, const hash_t *id, hash_t *leaf, int64_t *batch, int *found,
                         struct fault *f);
/* Empties the journal after a batch. */
void precinct_truncate(struct precinct *p);

#endif
