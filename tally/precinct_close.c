#include <stdlib.h>
#include <string.h>

#include "ceremony/base/file.h"
#include "tally/export_form.h"
#include "tally/precinct_form.h"

/* --- closing --- */

static err_t sign_header(struct precinct *p, struct cbor_out *header, hash_t *id, uint64_t time,
                         const struct signer *signer, struct fault *f)
{
    struct export_content content = {p->place.index, p->tree.count, {{0}}, p->sums};
    merkle_root(&p->tree, &content.root);
    return export_header_make(header, id, p->ctx, &content, p->status.revision,
                              p->has_replaces ? &p->replaces : NULL, time, signer, f);
}

/* The last batch, the signed header and the state, in one transaction: from then on the export is settled,
 * and writing its file can be repeated. */
static err_t settle(struct precinct *p, uint64_t time, const struct signer *signer, struct fault *f)
{
    struct precinct_mark mark;
    struct cbor_out header = CBOR_OUT_INIT;
    hash_t id;
    err_t e;
    TRY(precinct_begin(p, &mark, f));
    e = p->status.pending ? precinct_finish_batch(p, f) : OK;
    if (e == OK)
        e = sign_header(p, &header, &id, time, signer, f);
    if (e == OK)
        e = db_set(p, "header", header.data, header.len, f);
    if (e == OK)
        e = db_set(p, "export", id.b, HASH_LEN, f);
    if (e == OK)
        e = db_set_uint(p, "state", PRECINCT_CLOSED, f);
    if (e != OK) {
        precinct_back(p, &mark);
        goto out;
    }
    GO(precinct_commit(p, &mark, f));
    p->status.state = PRECINCT_CLOSED;
    p->status.has_export = 1;
    p->status.export_id = id;
    precinct_truncate(p);
out:
    cbor_out_free(&header);
    return e;
}

static err_t write_items(struct precinct *p, struct file_writer *w, struct fault *f)
{
    sqlite3_stmt *s;
    int row;
    uint8_t head[9];
    TRY(db_prepare(p, &s, "SELECT bytes FROM ballot ORDER BY batch, id", f));
    err_t e;
    for (;;) {
        GO(db_step(p, s, &row, f));
        if (!row)
            break;
        size_t len = (size_t)sqlite3_column_bytes(s, 0);
        GO(file_writer_add(w, head, export_bytes_head(head, len), f));
        GO(file_writer_add(w, sqlite3_column_blob(s, 0), len, f));
    }
out:
    sqlite3_finalize(s);
    return e;
}

static err_t write_export(struct precinct *p, const char *path, struct fault *f)
{
    struct file_writer w = {0};
    uint8_t *header;
    size_t len;
    int found;
    err_t e;
    TRY(db_get(p, "header", &header, &len, &found, f));
    if (!found) {
        e = fault_set(f, ERR_FORMAT, "the journal has no header of an export");
        goto out;
    }
    GO(file_writer_open(&w, path, f));
    GO(file_writer_add(&w, header, len, f));
    GO(write_items(p, &w, f));
    e = file_writer_commit(&w, FILE_NEW, f);
out:
    file_writer_abandon(&w);
    free(header);
    return e;
}

err_t precinct_close(struct precinct *p, hash_t *export_id, const char *path, uint64_t time,
                     const struct signer *signer, struct fault *f)
{
    if (export_id)
        memset(export_id, 0, sizeof *export_id);
    TRY(precinct_usable(p, f));
    if (p->status.state != PRECINCT_CLOSED)
        TRY(settle(p, time, signer, f));
    TRY(write_export(p, path, f));
    if (export_id)
        *export_id = p->status.export_id;
    return OK;
}

/* --- corrections --- */

/* Ballots of the batches from first on go back to pending; their checkpoints go. */
static err_t unbatch(struct precinct *p, uint64_t first, struct fault *f)
{
    char sql[256];
    snprintf(sql, sizeof sql,
             "INSERT INTO pending SELECT id, leaf, bytes FROM ballot WHERE batch >= %llu;"
             "DELETE FROM ballot WHERE batch >= %llu; DELETE FROM checkpoint WHERE batch >= %llu",
             (unsigned long long)first, (unsigned long long)first, (unsigned long long)first);
    return db_exec(p, sql, f);
}

err_t precinct_correct(struct precinct *p, struct fault *f)
{
    struct precinct_mark mark;
    TRY(precinct_usable(p, f));
    if (p->status.state != PRECINCT_CLOSED)
        return fault_set(f, ERR_EARLY, "%s is not closed yet", p->place.id);
    TRY(precinct_begin(p, &mark, f));
    err_t e = p->tree.count % BALLOT_BATCH ? unbatch(p, p->status.batches - 1, f) : OK;
    if (e == OK)
        e = db_set(p, "replaces", p->status.export_id.b, HASH_LEN, f);
    if (e == OK)
        e = db_set_uint(p, "revision", p->status.revision + 1, f);
    if (e == OK)
        e = db_set_uint(p, "state", PRECINCT_OPEN, f);
    if (e == OK)
        e = db_unset(p, "header", f);
    if (e != OK) {
        precinct_back(p, &mark);
        return e;
    }
    TRY(precinct_commit(p, &mark, f));
    e = precinct_load(p, f);
    p->failed = e != OK;
    return e;
}

static err_t delete_from(struct precinct *p, const char *sql, const hash_t *id, struct fault *f)
{
    sqlite3_stmt *s;
    TRY(db_prepare(p, &s, sql, f));
    sqlite3_bind_blob(s, 1, id->b, HASH_LEN, SQLITE_STATIC);
    err_t e = db_run(p, s, f);
    sqlite3_finalize(s);
    return e;
}

/* A finished batch lost a ballot: one of the unfinished batch fills the gap (the last batch becomes
 * unfinished if there is none), so that batches stay full and those between do not change. */
static err_t fill_gap(struct precinct *p, uint64_t batch, struct fault *f)
{
    char sql[320];
    uint64_t last = p->status.batches - 1;
    if (p->status.pending == 0 && batch == last)
        return unbatch(p, last, f);
    if (p->status.pending == 0)
        TRY(unbatch(p, last, f));
    snprintf(sql, sizeof sql,
             "INSERT INTO ballot SELECT %llu, id, leaf, bytes FROM pending ORDER BY id DESC LIMIT 1;"
             "DELETE FROM pending WHERE id = (SELECT max(id) FROM pending)",
             (unsigned long long)batch);
    return db_exec(p, sql, f);
}

static err_t add_row(struct precinct *p, struct tallies *sums, struct merkle *tree, sqlite3_stmt *s,
                     struct fault *f)
{
    struct ballot *b;
    TRY(ballot_parse_var(&b, p->ctx, sqlite3_column_blob(s, 1), (size_t)sqlite3_column_bytes(s, 1), f));
    merkle_add(tree, &b->leaf);
    err_t e = tallies_add_ballot_var(sums, b);
    ballot_free(b);
    return e == OK ? OK : fault_set(f, e, "adding up the journal");
}

static err_t replace_checkpoint(struct precinct *p, int64_t batch, const struct tallies *sums,
                                const struct merkle *tree, struct fault *f)
{
    struct cbor_out o = CBOR_OUT_INIT;
    sqlite3_stmt *s = NULL;
    hash_t root;
    merkle_root(tree, &root);
    err_t e = cbor_put_tallies(&o, p->ctx, sums);
    if (e != OK) {
        fault_set(f, e, "checkpoint");
        goto out;
    }
    GO(db_prepare(p, &s, "UPDATE checkpoint SET count = ?2, root = ?3, tallies = ?4 WHERE batch = ?1", f));
    sqlite3_bind_int64(s, 1, batch);
    sqlite3_bind_int64(s, 2, (sqlite3_int64)tree->count);
    sqlite3_bind_blob(s, 3, root.b, HASH_LEN, SQLITE_STATIC);
    sqlite3_bind_blob64(s, 4, o.data, o.len, SQLITE_STATIC);
    e = db_run(p, s, f);
out:
    sqlite3_finalize(s);
    cbor_out_free(&o);
    return e;
}

/* New checkpoints from a batch on, from the ballots. */
static err_t recheck(struct precinct *p, uint64_t first, struct fault *f)
{
    struct tallies *sums = NULL;
    struct merkle tree;
    sqlite3_stmt *s = NULL;
    int row;
    int64_t batch = -1;
    err_t e = tallies_new(&sums, p->ctx, p->place.index);
    if (e != OK)
        return fault_set(f, e, "adding up the journal");
    merkle_init(&tree);
    GO(db_prepare(p, &s, "SELECT batch, bytes FROM ballot ORDER BY batch, id", f));
    for (;;) {
        GO(db_step(p, s, &row, f));
        int next = !row || sqlite3_column_int64(s, 0) != batch;
        if (next && batch >= (int64_t)first)
            GO(replace_checkpoint(p, batch, sums, &tree, f));
        if (!row)
            break;
        batch = sqlite3_column_int64(s, 0);
        GO(add_row(p, sums, &tree, s, f));
    }
out:
    sqlite3_finalize(s);
    tallies_free(sums);
    return e;
}

err_t precinct_remove(struct precinct *p, const hash_t *ballot_id, struct fault *f)
{
    struct precinct_mark mark;
    int64_t batch = -1;
    int found;
    hash_t leaf;
    TRY(precinct_usable(p, f));
    if (p->status.state == PRECINCT_CLOSED || p->status.revision == 0)
        return fault_set(f, ERR_EARLY, "ballots are taken out in a correction only");
    TRY(precinct_find(p, ballot_id, &leaf, &batch, &found, f));
    if (!found)
        return fault_set(f, ERR_MISSING, "no ballot with this id was taken at %s", p->place.id);
    TRY(precinct_begin(p, &mark, f));
    err_t e = delete_from(p, "DELETE FROM pending WHERE id = ?1", ballot_id, f);
    if (e == OK)
        e = delete_from(p, "DELETE FROM ballot WHERE id = ?1", ballot_id, f);
    if (e == OK && batch >= 0)
        e = fill_gap(p, (uint64_t)batch, f);
    if (e == OK && batch >= 0)
        e = recheck(p, (uint64_t)batch, f);
    if (e != OK) {
        precinct_back(p, &mark);
        return e;
    }
    TRY(precinct_commit(p, &mark, f));
    precinct_truncate(p);
    e = precinct_load(p, f);
    p->failed = e != OK;
    return e;
}
