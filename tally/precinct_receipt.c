#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tally/ballot_form.h"
#include "tally/precinct_form.h"

err_t receipt_make(struct cbor_out *out, const struct receipt *r)
{
    cbor_put_array(out, 12);
    cbor_put_text(out, "conclave/receipt");
    cbor_put_uint(out, 1);
    cbor_put_uint(out, SCHEME_P256_ELGAMAL);
    cbor_put_hash(out, &r->election);
    cbor_put_hash(out, &r->record);
    cbor_put_text(out, r->place);
    cbor_put_hash(out, &r->ballot);
    cbor_put_hash(out, &r->leaf);
    cbor_put_hash(out, &r->root);
    cbor_put_uint(out, r->size);
    cbor_put_uint(out, r->index);
    cbor_put_array(out, r->path_count);
    for (size_t i = 0; i < r->path_count; i++)
        cbor_put_hash(out, &r->path[i]);
    return out->err;
}

static void get_one(struct cbor_in *in)
{
    if (cbor_get_uint(in, UINT64_MAX) != 1)
        cbor_fail(in, ERR_VERSION);
}

err_t receipt_parse(struct receipt *out, const uint8_t *data, size_t len, struct fault *f)
{
    struct cbor_in in;
    memset(out, 0, sizeof *out);
    cbor_in_init(&in, data, len);
    cbor_get_array_exact(&in, 12);
    cbor_get_text_exact(&in, "conclave/receipt");
    get_one(&in);
    get_one(&in);
    cbor_get_hash(&in, &out->election);
    cbor_get_hash(&in, &out->record);
    cbor_get_id(&in, out->place, TEXT_ID_MAX);
    cbor_get_hash(&in, &out->ballot);
    cbor_get_hash(&in, &out->leaf);
    cbor_get_hash(&in, &out->root);
    out->size = cbor_get_uint(&in, EXPORT_ITEMS_MAX);
    out->index = cbor_get_uint(&in, EXPORT_ITEMS_MAX);
    out->path_count = cbor_get_array(&in, 0, RECEIPT_PATH_MAX);
    for (size_t i = 0; i < out->path_count; i++)
        cbor_get_hash(&in, &out->path[i]);
    /* An unfinished batch has nothing to show yet. */
    if (in.err == OK &&
        (out->size ? out->index >= out->size : out->index || out->path_count || !hash_is_zero(&out->root)))
        cbor_fail(&in, ERR_FORMAT);
    err_t e = tally_get_end(&in, f, "not a receipt");
    if (e != OK)
        memset(out, 0, sizeof *out);
    return e;
}

static err_t check_ballot(const struct election_context *ctx, const struct receipt *r, const uint8_t *ballot,
                          size_t len, struct fault *f)
{
    struct ballot *b;
    TRY(ballot_parse_var(&b, ctx, ballot, len, f));
    int same = hash_cmp(&b->id, &r->ballot) == 0 && hash_cmp(&b->leaf, &r->leaf) == 0;
    ballot_free(b);
    return same ? OK : fault_set(f, ERR_MISMATCH, "the receipt is for another ballot than this one");
}

err_t receipt_check(const struct election_context *ctx, const struct receipt *r, const hash_t *root,
                    uint64_t size, const uint8_t *ballot, size_t ballot_len, struct fault *f)
{
    if (hash_cmp(&r->election, &ctx->m->election) != 0 || hash_cmp(&r->record, &ctx->r->id) != 0)
        return fault_set(f, ERR_ELECTION, "the receipt is of another election");
    if (places_find(ctx->places, r->place) < 0)
        return fault_set(f, ERR_UNKNOWN, "the receipt names a place that is not in this election");
    if (ballot)
        TRY(check_ballot(ctx, r, ballot, ballot_len, f));
    if (r->size == 0)
        return fault_set(f, ERR_EARLY, "the ballot was taken; its batch is not finished, ask again later");
    if (merkle_path_check(&r->root, r->size, r->index, &r->leaf, r->path, r->path_count) != OK)
        return fault_set(f, ERR_HASH, "the path does not lead from the ballot to the root");
    if (root && (hash_cmp(root, &r->root) != 0 || size != r->size))
        return fault_set(f, ERR_MISMATCH, "the receipt leads to another root than that of the export");
    return OK;
}

/* Leaves of the batches up to last, and where id is among them. */
static err_t read_leaves(struct precinct *p, hash_t *leaves, uint64_t *count, uint64_t *index,
                         const hash_t *id, int64_t last, uint64_t max, struct fault *f)
{
    sqlite3_stmt *s;
    int row;
    hash_t mine;
    err_t e;
    *count = 0;
    TRY(db_prepare(p, &s, "SELECT id, leaf FROM ballot WHERE batch <= ?1 ORDER BY batch, id", f));
    sqlite3_bind_int64(s, 1, last);
    for (;;) {
        GO(db_step(p, s, &row, f));
        if (!row || *count == max)
            break;
        GO(db_hash(p, s, 0, &mine, f));
        GO(db_hash(p, s, 1, &leaves[*count], f));
        if (hash_cmp(&mine, id) == 0)
            *index = *count;
        ++*count;
    }
out:
    sqlite3_finalize(s);
    return e;
}

static err_t prove(struct precinct *p, struct receipt *r, int64_t last, struct fault *f)
{
    struct merkle tree;
    hash_t *leaves = malloc(p->tree.count * sizeof *leaves);
    if (!leaves)
        return fault_set(f, ERR_MEMORY, "making a receipt");
    err_t e = read_leaves(p, leaves, &r->size, &r->index, &r->ballot, last, p->tree.count, f);
    if (e == OK) {
        merkle_init(&tree);
        for (uint64_t i = 0; i < r->size; i++)
            merkle_add(&tree, &leaves[i]);
        merkle_root(&tree, &r->root);
        merkle_path(r->path, &r->path_count, leaves, r->size, r->index);
    }
    free(leaves);
    return e;
}

err_t precinct_receipt(struct precinct *p, struct receipt *out, const hash_t *ballot_id, struct fault *f)
{
    int64_t batch = -1;
    int found;
    memset(out, 0, sizeof *out);
    TRY(precinct_usable(p, f));
    TRY(precinct_find(p, ballot_id, &out->leaf, &batch, &found, f));
    if (!found)
        return fault_set(f, ERR_MISSING, "no ballot with this id was taken at %s", p->place.id);
    out->election = p->ctx->m->election;
    out->record = p->ctx->r->id;
    out->ballot = *ballot_id;
    snprintf(out->place, sizeof out->place, "%s", p->place.id);
    if (batch < 0)
        return OK;
    int64_t last = p->status.state == PRECINCT_CLOSED ? (int64_t)p->status.batches - 1 : batch;
    err_t e = prove(p, out, last, f);
    if (e != OK)
        memset(out, 0, sizeof *out);
    return e;
}
