#include <stdlib.h>
#include <string.h>

#include "tally/precinct_form.h"

#define GROUP_MAX 16
#define GROUP_BYTES ((size_t)4 << 10) /* of ballots parsed at a time: the budget */

/* --- batches --- */

void precinct_truncate(struct precinct *p)
{
    /* Best effort: what stays in the journal is the order within a batch, never a ballot too few. */
    sqlite3_wal_checkpoint_v2(p->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
}

static err_t add_pending_leaves(struct precinct *p, struct fault *f)
{
    sqlite3_stmt *s = db_stmt(p, STMT_PENDING_LEAVES, f);
    int row = s != NULL;
    hash_t leaf;
    if (!s)
        return db_run(p, s, f);
    err_t e = OK;
    while (e == OK && row) {
        e = db_step(p, s, &row, f);
        if (e == OK && row)
            e = db_hash(p, s, 0, &leaf, f);
        if (e == OK && row)
            merkle_add(&p->tree, &leaf);
    }
    sqlite3_reset(s);
    return e;
}

static err_t put_checkpoint(struct precinct *p, struct fault *f)
{
    struct cbor_out o = CBOR_OUT_INIT;
    hash_t root;
    merkle_root(&p->tree, &root);
    err_t e = cbor_put_tallies(&o, p->ctx, p->sums);
    if (e != OK) {
        fault_set(f, e, "checkpoint");
    } else {
        sqlite3_stmt *s = db_stmt(p, STMT_CHECKPOINT, f);
        if (s) {
            sqlite3_bind_int64(s, 1, (sqlite3_int64)p->status.batches);
            sqlite3_bind_int64(s, 2, (sqlite3_int64)p->tree.count);
            sqlite3_bind_blob(s, 3, root.b, HASH_LEN, SQLITE_STATIC);
            sqlite3_bind_blob64(s, 4, o.data, o.len, SQLITE_STATIC);
        }
        e = db_run(p, s, f);
    }
    cbor_out_free(&o);
    return e;
}

err_t precinct_finish_batch(struct precinct *p, struct fault *f)
{
    TRY(add_pending_leaves(p, f));
    sqlite3_stmt *s = db_stmt(p, STMT_MOVE, f);
    if (s)
        sqlite3_bind_int64(s, 1, (sqlite3_int64)p->status.batches);
    TRY(db_run(p, s, f));
    TRY(db_run(p, db_stmt(p, STMT_CLEAR, f), f));
    TRY(put_checkpoint(p, f));
    p->status.batches++;
    p->status.pending = 0;
    return OK;
}

/* --- one ballot --- */

err_t precinct_find(struct precinct *p, const hash_t *id, hash_t *leaf, int64_t *batch, int *found,
                    struct fault *f)
{
    sqlite3_stmt *s = db_stmt(p, STMT_FIND, f);
    *found = 0;
    if (!s)
        return db_run(p, s, f);
    sqlite3_bind_blob(s, 1, id->b, HASH_LEN, SQLITE_STATIC);
    err_t e = db_step(p, s, found, f);
    if (e == OK && *found) {
        *batch = sqlite3_column_int64(s, 1);
        e = db_hash(p, s, 0, leaf, f);
    }
    sqlite3_reset(s);
    return e;
}

static err_t insert(struct precinct *p, const struct ballot *b, const uint8_t *data, size_t len,
                    struct fault *f)
{
    sqlite3_stmt *s = db_stmt(p, STMT_INSERT, f);
    if (s) {
        sqlite3_bind_blob(s, 1, b->id.b, HASH_LEN, SQLITE_STATIC);
        sqlite3_bind_blob(s, 2, b->leaf.b, HASH_LEN, SQLITE_STATIC);
        sqlite3_bind_blob64(s, 3, data, len, SQLITE_STATIC);
    }
    return db_run(p, s, f);
}

/* Inside a transaction: adds a ballot that was verified. ERR_DUPLICATE; *again for the same bytes. */
static err_t take_one(struct precinct *p, const struct ballot *b, const uint8_t *data, size_t len, int *again,
                      struct fault *f)
{
    hash_t leaf;
    int64_t batch;
    int found;
    *again = 0;
    TRY(precinct_find(p, &b->id, &leaf, &batch, &found, f));
    if (found) {
        *again = hash_cmp(&leaf, &b->leaf) == 0;
        return *again ? OK : fault_set(f, ERR_DUPLICATE, "another ballot has used this ballot id");
    }
    TRY(insert(p, b, data, len, f));
    if (tallies_add_ballot_var(p->sums, b) != OK)
        return fault_set(f, ERR_BUG, "a ballot that does not fit this place");
    p->status.pending++;
    p->status.ballots++;
    return p->status.pending == BALLOT_BATCH ? precinct_finish_batch(p, f) : OK;
}

/* --- many --- */

struct cast {
    struct precinct *p;
    struct cast_item *item;
    struct fault *f; /* of the caller: the first refusal */
    size_t first_refused, used;
    size_t index[GROUP_MAX];
    struct ballot *ballot[GROUP_MAX];
    struct fault fault; /* of one ballot */
};

/* Refuses one item; the first in order is the one told. */
static void refuse(struct cast *c, size_t i, err_t e)
{
    c->item[c->index[i]].err = e;
    if (c->index[i] >= c->first_refused)
        return;
    c->first_refused = c->index[i];
    if (c->f)
        *c->f = c->fault;
}

static err_t parse(struct cast *c, size_t i, struct fault *f)
{
    const struct cast_item *it = &c->item[c->index[i]];
    TRY(ballot_parse_var(&c->ballot[i], c->p->ctx, it->data, it->len, f));
    if (c->ballot[i]->place == c->p->place.index)
        return OK;
    struct place other;
    places_get(c->p->ctx->places, c->ballot[i]->place, &other);
    return fault_set(f, ERR_UNKNOWN, "the ballot is for %s, not for %s", other.id, c->p->place.id);
}

static void drop(struct cast *c, size_t i)
{
    ballot_free(c->ballot[i]);
    c->ballot[i] = NULL;
}

/* Form and proofs; what is bad is refused, the rest stays in c->ballot. Errors of the system refuse nobody.
 */
static err_t examine(struct cast *c)
{
    const struct ballot *good[GROUP_MAX];
    size_t at[GROUP_MAX], count = 0;
    uint8_t bad[GROUP_MAX];
    for (size_t i = 0; i < c->used; i++) {
        err_t parsed = parse(c, i, &c->fault);
        /* No memory says nothing about the ballot: the voter tries again. */
        if (err_class(parsed) == CLASS_SYSTEM)
            return fault_set(&c->fault, parsed, "reading a ballot");
        if (parsed != OK) {
            refuse(c, i, parsed);
            drop(c, i);
            continue;
        }
        at[count] = i;
        good[count++] = c->ballot[i];
    }
    err_t e = count ? ballot_verify_many_var(c->p->ctx, good, count, bad, &c->fault) : OK;
    if (e != OK && e != ERR_PROOF)
        return e;
    for (size_t k = 0; k < count && e == ERR_PROOF; k++) {
        if (!bad[k])
            continue;
        refuse(c, at[k], ERR_PROOF);
        drop(c, at[k]);
    }
    return OK;
}

static err_t take(struct cast *c)
{
    for (size_t i = 0; i < c->used; i++) {
        const struct ballot *b = c->ballot[i];
        struct cast_item *it = &c->item[c->index[i]];
        if (!b)
            continue;
        err_t e = take_one(c->p, b, it->data, it->len, &it->again, &c->fault);
        if (e == ERR_DUPLICATE)
            refuse(c, i, e);
        else if (e != OK)
            return e;
        else
            it->info = (struct ballot_info){b->id, b->leaf, b->pk};
    }
    return OK;
}

static err_t flush(struct cast *c)
{
    err_t e = examine(c);
    if (e == OK)
        e = take(c);
    for (size_t i = 0; i < c->used; i++)
        drop(c, i);
    c->used = 0;
    return e;
}

static err_t run(struct cast *c, size_t count)
{
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        c->item[i].err = OK;
        c->item[i].again = 0;
        memset(&c->item[i].info, 0, sizeof c->item[i].info);
    }
    for (size_t i = 0; i < count; i++) {
        c->index[c->used++] = i;
        bytes += c->item[i].len;
        if (c->used < GROUP_MAX && bytes < GROUP_BYTES && i + 1 < count)
            continue;
        TRY(flush(c));
        bytes = 0;
    }
    return OK;
}

/* Also those that were good: nobody may be told that a ballot is kept which was rolled back. */
static void none_taken(struct cast_item *item, size_t count, err_t e)
{
    for (size_t i = 0; i < count; i++) {
        item[i].err = e;
        item[i].again = 0;
        memset(&item[i].info, 0, sizeof item[i].info);
    }
}

err_t precinct_cast_batch(struct precinct *p, struct cast_item *item, size_t count, struct fault *f)
{
    struct precinct_mark mark;
    struct cast *c = NULL;
    err_t e = precinct_usable(p, f);
    if (e == OK && p->status.state == PRECINCT_CLOSED)
        e = fault_set(f, ERR_DONE, "%s is closed", p->place.id);
    if (e == OK && (c = calloc(1, sizeof *c)) == NULL)
        e = fault_set(f, ERR_MEMORY, "casting");
    if (e != OK) {
        none_taken(item, count, e);
        return e;
    }
    c->p = p;
    c->item = item;
    c->f = f;
    c->first_refused = count;
    e = precinct_begin(p, &mark, f);
    if (e != OK) {
        none_taken(item, count, e);
        goto out;
    }
    uint64_t batches = p->status.batches;
    e = run(c, count);
    if (e != OK) {
        precinct_back(p, &mark);
        none_taken(item, count, e);
        if (f)
            *f = c->fault;
        goto out;
    }
    e = precinct_commit(p, &mark, f);
    if (e != OK) {
        none_taken(item, count, e);
        goto out;
    }
    if (p->status.batches != batches)
        precinct_truncate(p);
    for (size_t i = 0; i < count && e == OK; i++)
        e = item[i].err;
out:
    free(c);
    return fault_who(f, e, "%s", p->place.id);
}

err_t precinct_cast(struct precinct *p, struct ballot_info *info, int *again, const uint8_t *ballot,
                    size_t len, struct fault *f)
{
    struct cast_item item = {.data = ballot, .len = len};
    err_t e = precinct_cast_batch(p, &item, 1, f);
    if (info)
        *info = e == OK ? item.info : (struct ballot_info){0};
    if (again)
        *again = e == OK && item.again;
    return e;
}
