#include "tally/precinct.h"

#include <stdlib.h>
#include <string.h>

#include "tally/precinct_form.h"

#define REPLAY 4 /* ballots parsed at a time */

/* --- reading back (rule 3) --- */

struct replay {
    struct precinct *p;
    struct tallies *sums;
    size_t used;
    struct ballot *ballot[REPLAY];
};

static void replay_clear(struct replay *r)
{
    for (size_t i = 0; i < r->used; i++)
        ballot_free(r->ballot[i]);
    r->used = 0;
}

static err_t replay_flush(struct replay *r, struct fault *f)
{
    uint8_t bad[REPLAY];
    err_t e =
        r->used ? ballot_verify_many_var(r->p->ctx, (const struct ballot *const *)r->ballot, r->used, bad, f)
                : OK;
    for (size_t i = 0; i < r->used && e == OK; i++) {
        e = tallies_add_ballot_var(r->sums, r->ballot[i]);
        if (e != OK)
            fault_set(f, e, "adding up the journal");
    }
    replay_clear(r);
    return e;
}

/* A row (id, leaf, bytes) whose ballot is parsed, verified and added up. */
static err_t replay_row(struct replay *r, sqlite3_stmt *s, struct fault *f)
{
    hash_t id, leaf;
    struct ballot *b;
    TRY(db_hash(r->p, s, 0, &id, f));
    TRY(db_hash(r->p, s, 1, &leaf, f));
    TRY(ballot_parse_var(&b, r->p->ctx, sqlite3_column_blob(s, 2), (size_t)sqlite3_column_bytes(s, 2), f));
    r->ballot[r->used++] = b;
    if (hash_cmp(&id, &b->id) != 0 || hash_cmp(&leaf, &b->leaf) != 0)
        return fault_set(f, ERR_HASH, "a ballot in the journal is not the one it was");
    if (b->place != r->p->place.index)
        return fault_set(f, ERR_UNKNOWN, "a ballot of another place is in the journal");
    return r->used == REPLAY ? replay_flush(r, f) : OK;
}

static err_t replay_query(struct replay *r, sqlite3_stmt *s, uint64_t *count, struct fault *f)
{
    int row;
    err_t e;
    *count = 0;
    for (;;) {
        GO(db_step(r->p, s, &row, f));
        if (!row)
            break;
        GO(replay_row(r, s, f));
        ++*count;
    }
    e = replay_flush(r, f);
out:
    replay_clear(r);
    sqlite3_finalize(s);
    return e;
}

static err_t replay_new(struct replay *r, struct precinct *p, struct fault *f)
{
    memset(r, 0, sizeof *r);
    r->p = p;
    err_t e = tallies_new(&r->sums, p->ctx, p->place.index);
    return e == OK ? OK : fault_set(f, e, "reading the journal");
}

/* Tallies of a checkpoint; zeros before the first. */
static err_t checkpoint_tallies(struct precinct *p, struct tallies *t, int64_t batch, struct fault *f)
{
    sqlite3_stmt *s;
    int row;
    struct cbor_in in;
    tallies_zero(t);
    if (batch < 0)
        return OK;
    TRY(db_prepare(p, &s, "SELECT tallies FROM checkpoint WHERE batch = ?1", f));
    sqlite3_bind_int64(s, 1, batch);
    err_t e = db_step(p, s, &row, f);
    if (e == OK && !row)
        e = fault_set(f, ERR_FORMAT, "a checkpoint is missing");
    if (e == OK) {
        cbor_in_init(&in, sqlite3_column_blob(s, 0), (size_t)sqlite3_column_bytes(s, 0));
        cbor_get_tallies_var(&in, p->ctx, t);
        e = cbor_in_end(&in, f);
    }
    sqlite3_finalize(s);
    return e;
}

/* The last checkpoint is the one before and the ballots between. */
static err_t check_last(struct precinct *p, struct fault *f)
{
    struct replay r;
    struct tallies *before = NULL;
    sqlite3_stmt *s;
    uint64_t count;
    int64_t last = (int64_t)p->status.batches - 1;
    err_t e;
    GO(replay_new(&r, p, f));
    GO(checkpoint_tallies(p, p->sums, last, f));
    if (last < 0)
        goto out;
    e = tallies_new(&before, p->ctx, p->place.index);
    if (e != OK) {
        fault_set(f, e, "reading the journal");
        goto out;
    }
    GO(checkpoint_tallies(p, before, last - 1, f));
    GO(db_prepare(p, &s, "SELECT id, leaf, bytes FROM ballot WHERE batch = ?1 ORDER BY id", f));
    sqlite3_bind_int64(s, 1, last);
    GO(replay_query(&r, s, &count, f));
    e = tallies_add_var(r.sums, before);
    if (e != OK || !tallies_equal_var(r.sums, p->sums, NULL))
        e = fault_set(f, ERR_SUM, "the last checkpoint is not the sum of its ballots");
out:
    tallies_free(r.sums);
    tallies_free(before);
    return e;
}

static err_t check_batch_end(struct precinct *p, sqlite3_stmt *points, int64_t batch, struct fault *f)
{
    int row;
    hash_t root, want;
    TRY(db_step(p, points, &row, f));
    if (!row || sqlite3_column_int64(points, 0) != batch ||
        (uint64_t)sqlite3_column_int64(points, 1) != p->tree.count)
        return fault_set(f, ERR_FORMAT, "batch %lld has no fitting checkpoint", (long long)batch);
    TRY(db_hash(p, points, 2, &want, f));
    merkle_root(&p->tree, &root);
    if (hash_cmp(&root, &want) != 0)
        return fault_set(f, ERR_HASH, "the ballots of batch %lld are not those of its checkpoint",
                         (long long)batch);
    return OK;
}

/* Hashes of all finished batches, from the bytes. */
static err_t check_hashes(struct precinct *p, struct fault *f)
{
    sqlite3_stmt *rows = NULL, *points = NULL;
    int row;
    int64_t batch = -1;
    hash_t leaf;
    err_t e;
    merkle_init(&p->tree);
    GO(db_prepare(p, &points, "SELECT batch, count, root FROM checkpoint ORDER BY batch", f));
    GO(db_prepare(p, &rows, "SELECT batch, bytes FROM ballot ORDER BY batch, id", f));
    for (;;) {
        GO(db_step(p, rows, &row, f));
        if (batch >= 0 && (!row || sqlite3_column_int64(rows, 0) != batch))
            GO(check_batch_end(p, points, batch, f));
        if (!row)
            break;
        batch = sqlite3_column_int64(rows, 0);
        merkle_leaf(&leaf, sqlite3_column_blob(rows, 1), (size_t)sqlite3_column_bytes(rows, 1));
        merkle_add(&p->tree, &leaf);
    }
    p->status.batches = (uint64_t)(batch + 1);
    GO(db_step(p, points, &row, f));
    if (row || p->status.batches != (p->tree.count + BALLOT_BATCH - 1) / BALLOT_BATCH)
        e = fault_set(f, ERR_FORMAT, "the batches do not have %d ballots each", BALLOT_BATCH);
out:
    sqlite3_finalize(rows);
    sqlite3_finalize(points);
    return e;
}

static err_t replay_pending(struct precinct *p, struct fault *f)
{
    struct replay r;
    sqlite3_stmt *s;
    TRY(replay_new(&r, p, f));
    err_t e = db_prepare(p, &s, "SELECT id, leaf, bytes FROM pending ORDER BY id", f);
    if (e == OK)
        e = replay_query(&r, s, &p->status.pending, f);
    if (e == OK && tallies_add_var(p->sums, r.sums) != OK)
        e = fault_set(f, ERR_SUM, "adding up the journal");
    tallies_free(r.sums);
    p->status.ballots = p->tree.count + p->status.pending;
    return e;
}

static err_t get_hash(struct precinct *p, const char *key, hash_t *out, int *found, struct fault *f)
{
    uint8_t *value;
    size_t len;
    memset(out, 0, sizeof *out);
    TRY(db_get(p, key, &value, &len, found, f));
    err_t e = OK;
    if (*found && len == HASH_LEN)
        memcpy(out->b, value, HASH_LEN);
    else if (*found)
        e = fault_set(f, ERR_FORMAT, "journal of the precinct: %s", key);
    free(value);
    return e;
}

static err_t load_state(struct precinct *p, struct fault *f)
{
    uint64_t state;
    TRY(db_get_uint(p, "state", &state, f));
    TRY(db_get_uint(p, "revision", &p->status.revision, f));
    TRY(get_hash(p, "export", &p->status.export_id, &p->status.has_export, f));
    TRY(get_hash(p, "replaces", &p->replaces, &p->has_replaces, f));
    p->status.state = state == PRECINCT_CLOSED ? PRECINCT_CLOSED : PRECINCT_OPEN;
    p->status.place = p->place.index;
    return OK;
}

err_t precinct_load(struct precinct *p, struct fault *f)
{
    memset(&p->status, 0, sizeof p->status);
    err_t e;
    GO(load_state(p, f));
    GO(check_hashes(p, f));
    GO(check_last(p, f));
    e = replay_pending(p, f);
out:
    return fault_file(f, e, p->path);
}

/* --- opening --- */

static err_t check_hash(struct precinct *p, const char *key, const hash_t *want, struct fault *f)
{
    hash_t h;
    int found;
    TRY(get_hash(p, key, &h, &found, f));
    return found && hash_cmp(&h, want) == 0
               ? OK
               : fault_set(f, ERR_ELECTION, "the journal belongs to another election or ceremony record");
}

static err_t check_bound(struct precinct *p, struct fault *f)
{
    uint8_t *value;
    size_t len;
    int found;
    uint64_t format;
    TRY(db_get_uint(p, "format", &format, f));
    if (format != 1)
        return fault_set(f, ERR_VERSION, "journal of the precinct");
    TRY(check_hash(p, "election", &p->ctx->m->election, f));
    TRY(check_hash(p, "record", &p->ctx->r->id, f));
    TRY(db_get(p, "place", &value, &len, &found, f));
    err_t e = OK;
    if (!found || len != strlen(p->place.id) || memcmp(value, p->place.id, len) != 0)
        e = fault_set(f, ERR_ELECTION, "the journal belongs to another place than %s", p->place.id);
    free(value);
    return e;
}

static err_t check_place(struct precinct *p, uint32_t place, struct fault *f)
{
    if (p->ctx->m->kind != KIND_BALLOTS)
        return fault_set(f, ERR_RULE, "an election of imported counts takes no ballots");
    if (place >= places_count(p->ctx->places))
        return fault_set(f, ERR_UNKNOWN, "there is no place %u", place);
    places_get(p->ctx->places, place, &p->place);
    if (p->place.level + 1 != p->ctx->m->level_count)
        return fault_set(f, ERR_RULE, "%s is not a place where ballots are cast", p->place.id);
    return OK;
}

err_t precinct_open(struct precinct **out, const struct election_context *ctx, uint32_t place,
                    const char *path, int create, struct fault *f)
{
    *out = NULL;
    int fresh;
    err_t e;
    struct precinct *p = calloc(1, sizeof *p);
    if (!p)
        return fault_set(f, ERR_MEMORY, "opening a precinct");
    p->ctx = ctx;
    if (snprintf(p->path, sizeof p->path, "%s", path) >= (int)sizeof p->path) {
        e = fault_set(f, ERR_LIMIT, "the path is too long");
        goto out;
    }
    GO(check_place(p, place, f));
    e = tallies_new(&p->sums, ctx, place);
    if (e != OK) {
        fault_set(f, e, "opening a precinct");
        goto out;
    }
    GO(db_open(p, create, &fresh, f));
    GO(check_bound(p, f));
    GO(precinct_load(p, f));
    *out = p;
    p = NULL;
out:
    precinct_free(p);
    return fault_file(f, e, path);
}

void precinct_free(struct precinct *p)
{
    if (!p)
        return;
    db_close(p);
    tallies_free(p->sums);
    free(p);
}

err_t precinct_usable(struct precinct *p, struct fault *f)
{
    if (!p->failed)
        return OK;
    fault_set(f, ERR_IO, "writing failed before; open the precinct again");
    return fault_file(f, ERR_IO, p->path);
}

void precinct_get_status(const struct precinct *p, struct precinct_status *out)
{
    *out = p->status;
}
