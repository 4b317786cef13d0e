#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tally/precinct_form.h"

#define FORMAT_VERSION 1

static const char *const sql[STMT_COUNT] = {
    [STMT_BEGIN] = "BEGIN IMMEDIATE",
    [STMT_COMMIT] = "COMMIT",
    [STMT_ROLLBACK] = "ROLLBACK",
    [STMT_GET] = "SELECT value FROM node WHERE key = ?1",
    [STMT_SET] = "INSERT OR REPLACE INTO node VALUES(?1, ?2)",
    [STMT_UNSET] = "DELETE FROM node WHERE key = ?1",
    [STMT_FIND] =
        "SELECT leaf, batch FROM ballot WHERE id = ?1 UNION ALL SELECT leaf, -1 FROM pending WHERE id = ?1",
    [STMT_INSERT] = "INSERT INTO pending VALUES(?1, ?2, ?3)",
    [STMT_PENDING_LEAVES] = "SELECT leaf FROM pending ORDER BY id",
    [STMT_MOVE] = "INSERT INTO ballot SELECT ?1, id, leaf, bytes FROM pending ORDER BY id",
    [STMT_CLEAR] = "DELETE FROM pending",
    [STMT_CHECKPOINT] = "INSERT INTO checkpoint VALUES(?1, ?2, ?3, ?4)",
};

static const char schema[] =
    "BEGIN;"
    "CREATE TABLE node(key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE pending(id BLOB PRIMARY KEY, leaf BLOB NOT NULL, bytes BLOB NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE ballot(batch INTEGER NOT NULL, id BLOB NOT NULL, leaf BLOB NOT NULL, bytes BLOB NOT NULL,"
    " PRIMARY KEY(batch, id)) WITHOUT ROWID;"
    "CREATE UNIQUE INDEX ballot_id ON ballot(id);"
    "CREATE TABLE checkpoint(batch INTEGER PRIMARY KEY, count INTEGER NOT NULL, root BLOB NOT NULL,"
    " tallies BLOB NOT NULL);";

/* The error of SQLite's result code, with a sentence. */
static err_t db_fault(struct precinct *p, int rc, struct fault *f)
{
    err_t e = ERR_IO;
    switch (rc & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        e = ERR_BUSY;
        break;
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
        e = ERR_FORMAT;
        break;
    case SQLITE_NOMEM:
        e = ERR_MEMORY;
        break;
    default:
        break;
    }
    fault_set(f, e, "journal of the precinct: %s", p->db ? sqlite3_errmsg(p->db) : sqlite3_errstr(rc));
    return fault_file(f, e, p->path);
}

err_t db_exec(struct precinct *p, const char *text, struct fault *f)
{
    int rc = sqlite3_exec(p->db, text, NULL, NULL, NULL);
    return rc == SQLITE_OK ? OK : db_fault(p, rc, f);
}

err_t db_prepare(struct precinct *p, sqlite3_stmt **s, const char *text, struct fault *f)
{
    int rc = sqlite3_prepare_v2(p->db, text, -1, s, NULL);
    return rc == SQLITE_OK ? OK : db_fault(p, rc, f);
}

sqlite3_stmt *db_stmt(struct precinct *p, enum stmt which, struct fault *f)
{
    if (!p->stmt[which] && db_prepare(p, &p->stmt[which], sql[which], f) != OK)
        return NULL;
    sqlite3_reset(p->stmt[which]);
    return p->stmt[which];
}

err_t db_step(struct precinct *p, sqlite3_stmt *s, int *row, struct fault *f)
{
    int rc = sqlite3_step(s);
    *row = rc == SQLITE_ROW;
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? OK : db_fault(p, rc, f);
}

err_t db_run(struct precinct *p, sqlite3_stmt *s, struct fault *f)
{
    int row;
    if (!s)
        return f && f->err != OK ? f->err : ERR_IO;
    err_t e = db_step(p, s, &row, f);
    sqlite3_reset(s);
    sqlite3_clear_bindings(s);
    return e;
}

err_t db_hash(struct precinct *p, sqlite3_stmt *s, int column, hash_t *out, struct fault *f)
{
    const void *v = sqlite3_column_blob(s, column);
    memset(out, 0, sizeof *out);
    if (v && sqlite3_column_bytes(s, column) == HASH_LEN) {
        memcpy(out->b, v, HASH_LEN);
        return OK;
    }
    fault_set(f, ERR_FORMAT, "journal of the precinct: not a hash");
    return fault_file(f, ERR_FORMAT, p->path);
}

/* --- node --- */

err_t db_get(struct precinct *p, const char *key, uint8_t **value, size_t *len, int *found, struct fault *f)
{
    *value = NULL;
    *len = 0;
    *found = 0;
    sqlite3_stmt *s = db_stmt(p, STMT_GET, f);
    if (!s)
        return db_run(p, s, f);
    sqlite3_bind_text(s, 1, key, -1, SQLITE_STATIC);
    err_t e = db_step(p, s, found, f);
    if (e == OK && *found) {
        *len = (size_t)sqlite3_column_bytes(s, 0);
        *value = malloc(*len + 1);
        if (*value && *len)
            memcpy(*value, sqlite3_column_blob(s, 0), *len);
        if (!*value)
            e = fault_set(f, ERR_MEMORY, "reading the journal");
    }
    sqlite3_reset(s);
    return e;
}

err_t db_set(struct precinct *p, const char *key, const void *value, size_t len, struct fault *f)
{
    sqlite3_stmt *s = db_stmt(p, STMT_SET, f);
    if (s) {
        sqlite3_bind_text(s, 1, key, -1, SQLITE_STATIC);
        sqlite3_bind_blob64(s, 2, value, len, SQLITE_STATIC);
    }
    return db_run(p, s, f);
}

err_t db_unset(struct precinct *p, const char *key, struct fault *f)
{
    sqlite3_stmt *s = db_stmt(p, STMT_UNSET, f);
    if (s)
        sqlite3_bind_text(s, 1, key, -1, SQLITE_STATIC);
    return db_run(p, s, f);
}

err_t db_set_uint(struct precinct *p, const char *key, uint64_t v, struct fault *f)
{
    struct cbor_out o = CBOR_OUT_INIT;
    cbor_put_uint(&o, v);
    err_t e = o.err == OK ? db_set(p, key, o.data, o.len, f) : fault_set(f, o.err, "writing the journal");
    cbor_out_free(&o);
    return e;
}

err_t db_get_uint(struct precinct *p, const char *key, uint64_t *v, struct fault *f)
{
    uint8_t *value;
    size_t len;
    int found;
    struct cbor_in in;
    *v = 0;
    TRY(db_get(p, key, &value, &len, &found, f));
    cbor_in_init(&in, value, len);
    *v = cbor_get_uint(&in, UINT32_MAX);
    err_t e =
        found ? cbor_in_end(&in, f) : fault_set(f, ERR_FORMAT, "journal of the precinct: %s is missing", key);
    free(value);
    return fault_file(f, e, p->path);
}

/* --- opening --- */

static err_t is_fresh(struct precinct *p, int *fresh, struct fault *f)
{
    sqlite3_stmt *s;
    int row;
    TRY(db_prepare(p, &s, "SELECT count(*) FROM sqlite_master", f));
    err_t e = db_step(p, s, &row, f);
    *fresh = e == OK && sqlite3_column_int(s, 0) == 0;
    sqlite3_finalize(s);
    return e;
}

/* Binds the new journal; one transaction, so that a journal is bound or empty. */
static err_t bind(struct precinct *p, struct fault *f)
{
    err_t e = db_exec(p, schema, f);
    if (e == OK)
        e = db_set_uint(p, "format", FORMAT_VERSION, f);
    if (e == OK)
        e = db_set(p, "election", p->ctx->m->election.b, HASH_LEN, f);
    if (e == OK)
        e = db_set(p, "record", p->ctx->r->id.b, HASH_LEN, f);
    if (e == OK)
        e = db_set(p, "place", p->place.id, strlen(p->place.id), f);
    if (e == OK)
        e = db_set_uint(p, "state", PRECINCT_OPEN, f);
    if (e == OK)
        e = db_set_uint(p, "revision", 0, f);
    return e == OK ? db_exec(p, "COMMIT", f) : e;
}

err_t db_open(struct precinct *p, int create, int *fresh, struct fault *f)
{
    *fresh = 0;
    if (!create && access(p->path, F_OK) != 0) {
        fault_set(f, ERR_MISSING, "there is no journal of a precinct");
        return fault_file(f, ERR_MISSING, p->path);
    }
    /* No page cache in advance; has no effect (SQLITE_MISUSE) once the process has used SQLite. */
    (void)sqlite3_config(SQLITE_CONFIG_PAGECACHE, NULL, 0, 0);
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | (create ? SQLITE_OPEN_CREATE : 0);
    int rc = sqlite3_open_v2(p->path, &p->db, flags, NULL);
    if (rc != SQLITE_OK)
        return db_fault(p, rc, f);
    /* No look-aside, few pages in memory: the budget of a small machine. */
    sqlite3_db_config(p->db, SQLITE_DBCONFIG_LOOKASIDE, NULL, 0, 0);
    sqlite3_db_config(p->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_busy_timeout(p->db, 0);
    TRY(db_exec(
        p,
        "PRAGMA locking_mode=EXCLUSIVE; PRAGMA page_size=16384; PRAGMA cache_size=-64;"
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA secure_delete=ON; PRAGMA temp_store=FILE;"
        "PRAGMA wal_autocheckpoint=32; PRAGMA trusted_schema=OFF",
        f));
    TRY(is_fresh(p, fresh, f));
    if (*fresh && !create) {
        fault_set(f, ERR_MISSING, "the journal was never bound to a precinct");
        return fault_file(f, ERR_MISSING, p->path);
    }
    return *fresh ? bind(p, f) : OK;
}

void db_close(struct precinct *p)
{
    for (size_t i = 0; i < STMT_COUNT; i++) {
        sqlite3_finalize(p->stmt[i]);
        p->stmt[i] = NULL;
    }
    sqlite3_close(p->db);
    p->db = NULL;
}

/* --- transactions --- */

err_t precinct_begin(struct precinct *p, struct precinct_mark *mark, struct fault *f)
{
    mark->status = p->status;
    mark->tree = p->tree;
    err_t e = tallies_copy(&mark->sums, p->sums);
    if (e != OK)
        return fault_set(f, e, "casting");
    e = db_run(p, db_stmt(p, STMT_BEGIN, f), f);
    if (e != OK) {
        tallies_free(mark->sums);
        mark->sums = NULL;
    }
    return e;
}

void precinct_back(struct precinct *p, struct precinct_mark *mark)
{
    if (!sqlite3_get_autocommit(p->db) && db_run(p, db_stmt(p, STMT_ROLLBACK, NULL), NULL) != OK)
        p->failed = 1;
    p->status = mark->status;
    p->tree = mark->tree;
    tallies_free(p->sums);
    p->sums = mark->sums;
    mark->sums = NULL;
}

err_t precinct_commit(struct precinct *p, struct precinct_mark *mark, struct fault *f)
{
    err_t e = db_run(p, db_stmt(p, STMT_COMMIT, f), f);
    if (e != OK) {
        precinct_back(p, mark);
        p->failed = 1; /* written or not: only the file knows */
        return e;
    }
    tallies_free(mark->sums);
    mark->sums = NULL;
    return OK;
}
