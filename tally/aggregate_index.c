#include "tally/aggregate_index.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "ceremony/base/array.h"
#include "ceremony/base/file.h"
#include "tally/node.h"

#define NAME_LEN 256

enum {
    Q_FIND,
    Q_ADD,
    Q_BALLOT,
    Q_PRESENT,
    Q_TAKE,
    Q_REPLACED,
    Q_DROP,
    Q_TAKEN,
    Q_DROPPED,
    Q_REPLACEMENTS,
    Q_EACH_PRESENT,
    Q_EACH_BALLOT,
    Q_FIRST,
    Q_CHANGED,
    Q_COUNT
};

#define EXPORT_COLUMNS "e.row, e.id, e.place, e.revision, e.items, e.replaces"

/* Ballots of one export are stored one after the other. */
#define BALLOTS_OF(row)                                                                                      \
    "ballots WHERE export = " row " AND rowid >= (SELECT first FROM exports WHERE row = " row ")"            \
    " AND rowid < (SELECT first + items FROM exports WHERE row = " row ")"

static const char *const sql[Q_COUNT] = {
    [Q_FIND] = "SELECT " EXPORT_COLUMNS " FROM exports e WHERE e.file = ?1",
    [Q_ADD] = "INSERT INTO exports(file, id, place, revision, items, replaces, tallies) "
              "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    [Q_BALLOT] = "INSERT INTO ballots(export, id, leaf, style) VALUES(?1, ?2, ?3, ?4)",
    [Q_FIRST] = "UPDATE exports SET first = ?2 WHERE row = ?1",
    [Q_PRESENT] = "INSERT INTO present(export, name) VALUES(?1, ?2)",
    [Q_TAKE] = "INSERT OR REPLACE INTO taken(place, export, name) VALUES(?1, ?2, ?3)",
    [Q_REPLACED] = "INSERT INTO replaced(place, number, older, newer) VALUES(?1, ?2, ?3, ?4)",
    [Q_DROP] = "INSERT INTO dropped(export, id) VALUES(?1, ?2)",
    [Q_TAKEN] = "SELECT " EXPORT_COLUMNS ", t.name, e.tallies FROM taken t "
                "JOIN exports e ON e.row = t.export WHERE t.place = ?1",
    [Q_DROPPED] = "SELECT id FROM dropped WHERE export = ?1 ORDER BY id",
    [Q_REPLACEMENTS] = "SELECT older, newer FROM replaced WHERE place = ?1 ORDER BY number",
    [Q_EACH_PRESENT] = "SELECT " EXPORT_COLUMNS ", p.name FROM present p JOIN exports e ON e.row = p.export "
                       "ORDER BY e.place, e.revision, e.id, p.name",
    [Q_EACH_BALLOT] =
        "SELECT b.id, t.place, t.export FROM ballots b CROSS JOIN taken t ON t.export = b.export",
    [Q_CHANGED] = "SELECT style, count(*) FROM (SELECT id, leaf, style FROM " BALLOTS_OF(
        "?1") " EXCEPT SELECT id, leaf, style FROM " BALLOTS_OF("?2") ") GROUP BY style",
};

/* ballots is only appended to, and sorted when it is needed (tally/id_sort.h): an index over hashes would be
 * written all over. */
static const char schema[] =
    "CREATE TABLE IF NOT EXISTS meta(name TEXT PRIMARY KEY, value BLOB);"
    "CREATE TABLE IF NOT EXISTS exports(row INTEGER PRIMARY KEY, file BLOB UNIQUE, id BLOB, place INTEGER,"
    " revision INTEGER, items INTEGER, replaces BLOB, tallies BLOB, first INTEGER);"
    "CREATE TABLE IF NOT EXISTS ballots(export INTEGER, id BLOB, leaf BLOB, style INTEGER);"
    "CREATE TABLE IF NOT EXISTS present(export INTEGER, name TEXT);"
    "CREATE TABLE IF NOT EXISTS taken(place INTEGER PRIMARY KEY, export INTEGER UNIQUE, name TEXT);"
    "CREATE TABLE IF NOT EXISTS replaced(place INTEGER, number INTEGER, older BLOB, newer BLOB,"
    " PRIMARY KEY(place, number)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS dropped(export INTEGER, id BLOB, PRIMARY KEY(export, id)) WITHOUT ROWID;";

struct agg_index {
    sqlite3 *db;
    sqlite3_stmt *q[Q_COUNT];
    char path[4096];
};

static err_t failed(struct agg_index *ix, struct fault *f)
{
    err_t e = ERR_IO;
    switch (sqlite3_errcode(ix->db) & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        e = ERR_BUSY;
        break;
    case SQLITE_NOMEM:
        e = ERR_MEMORY;
        break;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        e = ERR_FORMAT;
        break;
    }
    fault_set(f, e, "the index of verified exports: %s%s", sqlite3_errmsg(ix->db),
              e == ERR_FORMAT ? "; remove it and everything is verified again" : "");
    return fault_file(f, e, ix->path);
}

static err_t run(struct agg_index *ix, const char *text, struct fault *f)
{
    return sqlite3_exec(ix->db, text, NULL, NULL, NULL) == SQLITE_OK ? OK : failed(ix, f);
}

err_t agg_begin(struct agg_index *ix, struct fault *f)
{
    return run(ix, "BEGIN IMMEDIATE", f);
}

err_t agg_commit(struct agg_index *ix, struct fault *f)
{
    return run(ix, "COMMIT", f);
}

void agg_rollback(struct agg_index *ix)
{
    if (!sqlite3_get_autocommit(ix->db))
        sqlite3_exec(ix->db, "ROLLBACK", NULL, NULL, NULL);
}

/* Binds of a statement that was reset. A failed bind shows when it is run. */
static void bind_hash(sqlite3_stmt *s, int at, const hash_t *h)
{
    sqlite3_bind_blob(s, at, h->b, HASH_LEN, SQLITE_TRANSIENT);
}

static err_t run_once(struct agg_index *ix, int q, struct fault *f)
{
    int rc = sqlite3_step(ix->q[q]);
    err_t e = rc == SQLITE_DONE ? OK : failed(ix, f);
    sqlite3_reset(ix->q[q]);
    return e;
}

static void column_hash(sqlite3_stmt *s, int at, hash_t *out)
{
    memset(out, 0, sizeof *out);
    const void *p = sqlite3_column_blob(s, at);
    if (p && sqlite3_column_bytes(s, at) == HASH_LEN)
        memcpy(out->b, p, HASH_LEN);
}

static void column_export(sqlite3_stmt *s, struct agg_export *x)
{
    x->row = sqlite3_column_int64(s, 0);
    column_hash(s, 1, &x->id);
    x->place = (uint32_t)sqlite3_column_int64(s, 2);
    x->revision = (uint64_t)sqlite3_column_int64(s, 3);
    x->items = (uint64_t)sqlite3_column_int64(s, 4);
    x->has_replaces = sqlite3_column_type(s, 5) != SQLITE_NULL;
    column_hash(s, 5, &x->replaces);
}

static void column_name(sqlite3_stmt *s, int at, char out[NAME_LEN])
{
    const char *t = (const char *)sqlite3_column_text(s, at);
    size_t len = t ? strlen(t) : 0;
    if (len >= NAME_LEN)
        len = NAME_LEN - 1;
    if (len)
        memcpy(out, t, len);
    out[len] = '\0';
}

/* --- opening --- */

err_t agg_remember(struct agg_index *ix, const char *name, const void *value, size_t len, int *same,
                   struct fault *f)
{
    static const char *const text[] = {"INSERT OR IGNORE INTO meta VALUES(?1, ?2)",
                                       "SELECT value = ?2 FROM meta WHERE name = ?1"};
    err_t e = OK;
    *same = 0;
    for (int i = 0; i < 2 && e == OK; i++) {
        sqlite3_stmt *s = NULL;
        if (sqlite3_prepare_v2(ix->db, text[i], -1, &s, NULL) != SQLITE_OK)
            return failed(ix, f);
        sqlite3_bind_text(s, 1, name, -1, SQLITE_STATIC);
        sqlite3_bind_blob(s, 2, value, (int)len, SQLITE_STATIC);
        if (sqlite3_step(s) != (i == 0 ? SQLITE_DONE : SQLITE_ROW))
            e = failed(ix, f);
        else if (i == 1)
            *same = sqlite3_column_int(s, 0) == 1;
        sqlite3_finalize(s);
    }
    return e;
}

/* The work directory is for one election and one record. */
static err_t check_owner(struct agg_index *ix, const struct election_context *ctx, struct fault *f)
{
    uint8_t mine[1 + 2 * HASH_LEN] = {2}; /* version of what is stored */
    int same;
    memcpy(mine + 1, ctx->m->election.b, HASH_LEN);
    memcpy(mine + 1 + HASH_LEN, ctx->r->id.b, HASH_LEN);
    TRY(agg_remember(ix, "owner", mine, sizeof mine, &same, f));
    if (same)
        return OK;
    fault_set(f, ERR_ELECTION,
              "the work directory is of another election, key or version of the program; use a new one");
    return fault_file(f, ERR_ELECTION, ix->path);
}

err_t agg_open(struct agg_index **out, const struct election_context *ctx, const char *work_dir,
               struct fault *f)
{
    *out = NULL;
    struct agg_index *ix = calloc(1, sizeof *ix);
    struct stat st;
    err_t e;
    if (!ix)
        return fault_set(f, ERR_MEMORY, "opening the index");
    e = file_path(ix->path, sizeof ix->path, work_dir, "index.sqlite");
    if (e != OK) {
        fault_set(f, e, "the path of the work directory is too long");
        goto out;
    }
    /* SQLite would make a file where a link leads to. */
    if (lstat(ix->path, &st) == 0 && !S_ISREG(st.st_mode)) {
        fault_set(f, ERR_FORMAT, "not a regular file");
        e = fault_file(f, ERR_FORMAT, ix->path);
        goto out;
    }
    if (sqlite3_open(ix->path, &ix->db) != SQLITE_OK) {
        e = ix->db ? failed(ix, f) : fault_set(f, ERR_MEMORY, "opening the index");
        goto out;
    }
    GO(run(ix,
           "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
           "PRAGMA cache_size=-8192; PRAGMA temp_store=FILE",
           f));
    GO(agg_begin(ix, f));
    GO(run(ix, schema, f));
    GO(check_owner(ix, ctx, f));
    GO(agg_commit(ix, f));
    for (int i = 0; i < Q_COUNT; i++)
        if (sqlite3_prepare_v3(ix->db, sql[i], -1, SQLITE_PREPARE_PERSISTENT, &ix->q[i], NULL) != SQLITE_OK)
            GO(failed(ix, f));
out:
    if (e != OK)
        agg_close(ix);
    else
        *out = ix;
    return e;
}

void agg_close(struct agg_index *ix)
{
    if (!ix)
        return;
    for (int i = 0; i < Q_COUNT; i++)
        sqlite3_finalize(ix->q[i]);
    sqlite3_close(ix->db);
    free(ix);
}

/* --- verified exports --- */

err_t agg_find(struct agg_index *ix, struct agg_export *out, const hash_t *file, struct fault *f)
{
    sqlite3_stmt *s = ix->q[Q_FIND];
    memset(out, 0, sizeof *out);
    bind_hash(s, 1, file);
    int rc = sqlite3_step(s);
    err_t e = rc == SQLITE_ROW ? OK : rc == SQLITE_DONE ? ERR_MISSING : failed(ix, f);
    if (rc == SQLITE_ROW)
        column_export(s, out);
    sqlite3_reset(s);
    return e;
}

err_t agg_add(struct agg_index *ix, const struct election_context *ctx, const hash_t *file,
              const struct export_header *h, const struct agg_ballot *ballot, size_t count, struct fault *f)
{
    struct cbor_out sums = CBOR_OUT_INIT;
    sqlite3_stmt *s = ix->q[Q_ADD];
    err_t e;

    GO(cbor_put_tallies(&sums, ctx, h->tallies));
    bind_hash(s, 1, file);
    bind_hash(s, 2, &h->id);
    sqlite3_bind_int64(s, 3, h->place);
    sqlite3_bind_int64(s, 4, (sqlite3_int64)h->revision);
    sqlite3_bind_int64(s, 5, (sqlite3_int64)h->items);
    if (h->has_replaces)
        bind_hash(s, 6, &h->replaces);
    else
        sqlite3_bind_null(s, 6);
    sqlite3_bind_blob64(s, 7, sums.data, sums.len, SQLITE_TRANSIENT);
    GO(run_once(ix, Q_ADD, f));
    sqlite3_int64 row = sqlite3_last_insert_rowid(ix->db);
    for (size_t i = 0; i < count; i++) {
        sqlite3_bind_int64(ix->q[Q_BALLOT], 1, row);
        bind_hash(ix->q[Q_BALLOT], 2, &ballot[i].id);
        bind_hash(ix->q[Q_BALLOT], 3, &ballot[i].leaf);
        sqlite3_bind_int64(ix->q[Q_BALLOT], 4, ballot[i].style);
        GO(run_once(ix, Q_BALLOT, f));
        if (i > 0)
            continue;
        sqlite3_bind_int64(ix->q[Q_FIRST], 1, row);
        sqlite3_bind_int64(ix->q[Q_FIRST], 2, sqlite3_last_insert_rowid(ix->db));
        GO(run_once(ix, Q_FIRST, f));
    }
out:
    if (e != OK) {
        if (f && f->err == OK)
            fault_set(f, e, "storing a verified export");
        agg_rollback(ix);
    }
    cbor_out_free(&sums);
    return e;
}

/* --- what was verified elsewhere --- */

#define COPY_BALLOTS 8192 /* in one transaction */

static err_t copy_ballots(struct agg_index *ix, struct agg_index *from, sqlite3_stmt *of, int64_t old,
                          int64_t row, uint64_t *count, struct fault *f)
{
    sqlite3_stmt *q = ix->q[Q_BALLOT];
    int rc;
    *count = 0;
    sqlite3_bind_int64(of, 1, old);
    while ((rc = sqlite3_step(of)) == SQLITE_ROW) {
        sqlite3_bind_int64(q, 1, row);
        for (int i = 0; i < 3; i++)
            sqlite3_bind_value(q, 2 + i, sqlite3_column_value(of, i));
        TRY(run_once(ix, Q_BALLOT, f));
        if (++*count > 1)
            continue;
        sqlite3_bind_int64(ix->q[Q_FIRST], 1, row);
        sqlite3_bind_int64(ix->q[Q_FIRST], 2, sqlite3_last_insert_rowid(ix->db));
        TRY(run_once(ix, Q_FIRST, f));
    }
    err_t e = rc == SQLITE_DONE ? OK : failed(from, f);
    sqlite3_reset(of);
    return e;
}

/* One row of exports: row, file, id, place, revision, items, replaces, tallies. */
static err_t copy_export(struct agg_index *ix, struct agg_index *from, sqlite3_stmt *s, sqlite3_stmt *of,
                         uint64_t *done, struct fault *f)
{
    struct agg_export known;
    hash_t file;
    uint64_t count;
    column_hash(s, 1, &file);
    err_t e = agg_find(ix, &known, &file, f);
    if (e != ERR_MISSING)
        return e;
    for (int i = 1; i <= 7; i++)
        sqlite3_bind_value(ix->q[Q_ADD], i, sqlite3_column_value(s, i));
    TRY(run_once(ix, Q_ADD, f));
    TRY(copy_ballots(ix, from, of, sqlite3_column_int64(s, 0), sqlite3_last_insert_rowid(ix->db), &count, f));
    if (sqlite3_column_type(s, 8) != SQLITE_NULL && count != (uint64_t)sqlite3_column_int64(s, 5)) {
        fault_set(f, ERR_FORMAT,
                  "the index of verified exports lacks ballots of one; verify that part again");
        return fault_file(f, ERR_FORMAT, from->path);
    }
    *done += count + 1;
    return OK;
}

err_t agg_copy(struct agg_index *ix, struct agg_index *from, struct fault *f)
{
    sqlite3_stmt *s = NULL, *of = NULL;
    uint64_t done = 0;
    int rc = SQLITE_DONE;
    err_t e;
    GO(agg_begin(ix, f));
    if (sqlite3_prepare_v2(
            from->db,
            "SELECT row, file, id, place, revision, items, replaces, tallies, first FROM exports "
            "ORDER BY row",
            -1, &s, NULL) != SQLITE_OK ||
        sqlite3_prepare_v2(from->db, "SELECT id, leaf, style FROM " BALLOTS_OF("?1") " ORDER BY rowid", -1,
                           &of, NULL) != SQLITE_OK)
        GO(failed(from, f));
    while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
        GO(copy_export(ix, from, s, of, &done, f));
        if (done < COPY_BALLOTS)
            continue;
        done = 0;
        GO(agg_commit(ix, f));
        GO(agg_begin(ix, f));
    }
    if (rc != SQLITE_DONE)
        GO(failed(from, f));
    e = agg_commit(ix, f);
out:
    sqlite3_finalize(s);
    sqlite3_finalize(of);
    if (e != OK)
        agg_rollback(ix);
    return e;
}

/* --- the run --- */

err_t agg_clear(struct agg_index *ix, struct fault *f)
{
    return run(ix, "DELETE FROM present; DELETE FROM taken; DELETE FROM replaced; DELETE FROM dropped", f);
}

err_t agg_present(struct agg_index *ix, int64_t row, const char *name, struct fault *f)
{
    sqlite3_bind_int64(ix->q[Q_PRESENT], 1, row);
    sqlite3_bind_text(ix->q[Q_PRESENT], 2, name, -1, SQLITE_TRANSIENT);
    return run_once(ix, Q_PRESENT, f);
}

err_t agg_each_present(struct agg_index *ix, agg_row_fn *fn, void *ctx, struct fault *f)
{
    sqlite3_stmt *s = ix->q[Q_EACH_PRESENT];
    err_t e = OK;
    int rc = SQLITE_DONE;
    while (e == OK && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        struct agg_export x;
        char name[NAME_LEN];
        column_export(s, &x);
        column_name(s, 6, name);
        e = fn(ctx, &x, name, f);
    }
    if (e == OK && rc != SQLITE_DONE)
        e = failed(ix, f);
    sqlite3_reset(s);
    return e;
}

err_t agg_take(struct agg_index *ix, uint32_t place, int64_t row, const char *name, struct fault *f)
{
    sqlite3_bind_int64(ix->q[Q_TAKE], 1, place);
    sqlite3_bind_int64(ix->q[Q_TAKE], 2, row);
    sqlite3_bind_text(ix->q[Q_TAKE], 3, name, -1, SQLITE_TRANSIENT);
    return run_once(ix, Q_TAKE, f);
}

err_t agg_replaced(struct agg_index *ix, uint32_t place, size_t number, const hash_t *older,
                   const hash_t *newer, struct fault *f)
{
    sqlite3_stmt *s = ix->q[Q_REPLACED];
    sqlite3_bind_int64(s, 1, place);
    sqlite3_bind_int64(s, 2, (sqlite3_int64)number);
    bind_hash(s, 3, older);
    bind_hash(s, 4, newer);
    return run_once(ix, Q_REPLACED, f);
}

err_t agg_each_ballot(struct agg_index *ix, agg_ballot_fn *fn, void *ctx, struct fault *f)
{
    sqlite3_stmt *s = ix->q[Q_EACH_BALLOT];
    err_t e = OK;
    int rc = SQLITE_DONE;
    while (e == OK && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        hash_t id;
        column_hash(s, 0, &id);
        e = fn(ctx, &id, (uint32_t)sqlite3_column_int64(s, 1), sqlite3_column_int64(s, 2), f);
    }
    if (e == OK && rc != SQLITE_DONE)
        e = failed(ix, f);
    sqlite3_reset(s);
    return e;
}

err_t agg_drop(struct agg_index *ix, int64_t row, const hash_t *id, struct fault *f)
{
    sqlite3_bind_int64(ix->q[Q_DROP], 1, row);
    bind_hash(ix->q[Q_DROP], 2, id);
    return run_once(ix, Q_DROP, f);
}

err_t agg_changed(struct agg_index *ix, uint64_t *count, size_t style_count, int64_t in, int64_t not_in,
                  struct fault *f)
{
    sqlite3_stmt *s = ix->q[Q_CHANGED];
    int rc;
    sqlite3_bind_int64(s, 1, in);
    sqlite3_bind_int64(s, 2, not_in);
    while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
        sqlite3_int64 style = sqlite3_column_int64(s, 0);
        if (style >= 0 && (uint64_t)style < style_count)
            count[style] += (uint64_t)sqlite3_column_int64(s, 1);
    }
    err_t e = rc == SQLITE_DONE ? OK : failed(ix, f);
    sqlite3_reset(s);
    return e;
}

err_t agg_taken(struct agg_index *ix, struct agg_export *out, struct tallies *tallies, char *name,
                const struct election_context *ctx, uint32_t place, struct fault *f)
{
    sqlite3_stmt *s = ix->q[Q_TAKEN];
    memset(out, 0, sizeof *out);
    sqlite3_bind_int64(s, 1, place);
    int rc = sqlite3_step(s);
    err_t e = rc == SQLITE_ROW ? OK : rc == SQLITE_DONE ? ERR_MISSING : failed(ix, f);
    if (rc == SQLITE_ROW) {
        struct cbor_in in;
        column_export(s, out);
        column_name(s, 6, name);
        cbor_in_init(&in, sqlite3_column_blob(s, 7), (size_t)sqlite3_column_bytes(s, 7));
        cbor_get_tallies_var(&in, ctx, tallies);
        e = cbor_in_end(&in, f);
        if (e != OK)
            fault_file(f, e, ix->path);
    }
    sqlite3_reset(s);
    return e;
}

err_t agg_dropped(struct agg_index *ix, hash_t **out, size_t *count, int64_t row, struct fault *f)
{
    sqlite3_stmt *s = ix->q[Q_DROPPED];
    hash_t *list = NULL;
    size_t n = 0, cap = 0;
    err_t e = OK;
    int rc;
    sqlite3_bind_int64(s, 1, row);
    while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
        if (array_room(&list, n + 1, &cap, sizeof *list, 16) != OK) {
            e = fault_set(f, ERR_MEMORY, "listing dropped ballots");
            break;
        }
        column_hash(s, 0, &list[n++]);
    }
    if (e == OK && rc != SQLITE_DONE)
        e = failed(ix, f);
    sqlite3_reset(s);
    if (e != OK) {
        free(list);
        list = NULL;
        n = 0;
    }
    *out = list;
    *count = n;
    return e;
}

err_t agg_replacements(struct agg_index *ix, struct node_replaced **out, size_t *count, uint32_t place,
                       struct fault *f)
{
    sqlite3_stmt *s = ix->q[Q_REPLACEMENTS];
    struct node_replaced *list = NULL;
    size_t n = 0;
    int rc;
    sqlite3_bind_int64(s, 1, place);
    while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
        if (!list)
            list = calloc(NODE_REPLACED_MAX, sizeof *list);
        if (!list || n == NODE_REPLACED_MAX)
            break;
        column_hash(s, 0, &list[n].older);
        column_hash(s, 1, &list[n++].newer);
    }
    err_t e = rc == SQLITE_DONE  ? OK
              : rc == SQLITE_ROW ? fault_set(f, list ? ERR_LIMIT : ERR_MEMORY, "listing corrections")
                                 : failed(ix, f);
    sqlite3_reset(s);
    if (e != OK || n == 0) {
        free(list);
        list = NULL;
        n = 0;
    }
    *out = list;
    *count = n;
    return e;
}
