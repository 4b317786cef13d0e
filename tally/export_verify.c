#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "tally/ballot_form.h"
#include "tally/export_form.h"

#define BATCH_ITEMS 256
#define BATCH_BYTES ((size_t)48 << 20) /* parsed; large ballots come in smaller batches */

struct item {
    uint8_t *data;
    size_t len;
    uint64_t offset;
    struct ballot *ballot;
    struct count *count;
    err_t err;
};

struct check {
    const struct election_context *ctx;
    const struct export_callbacks *cb;
    struct export_reader *r;
    struct id_set *ids;
    struct merkle tree;
    struct tallies *sums;
    hash_t previous;
    uint64_t done;
    size_t cap, used;
    struct item item[BATCH_ITEMS];
};

/* What is said of an item: which, where in which file. */
static err_t item_fault(struct check *c, struct fault *f, err_t e, size_t i)
{
    if (!f)
        return e;
    const struct item *it = &c->item[i];
    char detail[sizeof f->detail];
    memcpy(detail, f->detail, sizeof detail);
    detail[sizeof detail - 1] = '\0';
    long long inner = f->at > 0 ? f->at : 0;
    fault_set(f, e, "%s %llu: %.400s", c->ctx->m->kind == KIND_IMPORT ? "count" : "ballot",
              (unsigned long long)(c->done + i), detail);
    f->at = (long long)(it->offset + cbor_head_len(it->len)) + inner;
    return fault_file(f, e, c->r->path);
}

static void batch_clear(struct check *c)
{
    for (size_t i = 0; i < c->used; i++) {
        free(c->item[i].data);
        ballot_free(c->item[i].ballot);
        count_free(c->item[i].count);
    }
    c->used = 0;
}

static err_t batch_read(struct check *c, int *end, struct fault *f)
{
    *end = 0;
    while (c->used < c->cap) {
        const uint8_t *data;
        size_t len;
        TRY(export_next(c->r, &data, &len, f));
        if (!data) {
            *end = 1;
            return OK;
        }
        struct item *it = &c->item[c->used];
        *it = (struct item){.data = malloc(len + 1), .len = len, .offset = export_item_offset(c->r)};
        if (!it->data)
            return fault_set(f, ERR_MEMORY, "reading an export");
        memcpy(it->data, data, len);
        c->used++;
    }
    return OK;
}

static err_t item_parse(struct check *c, struct item *it, struct fault *f)
{
    if (c->ctx->m->kind == KIND_IMPORT)
        return count_parse_var(&it->count, c->ctx, it->data, it->len, f);
    return ballot_parse_var(&it->ballot, c->ctx, it->data, it->len, f);
}

/* Form first, in threads; the first bad item in order is the one reported. */
static err_t batch_parse(struct check *c, struct fault *f)
{
#pragma omp parallel for schedule(dynamic, 4) if (c->used > 8 && !omp_in_parallel())
    for (size_t i = 0; i < c->used; i++)
        c->item[i].err = item_parse(c, &c->item[i], NULL);
    for (size_t i = 0; i < c->used; i++) {
        struct item *it = &c->item[i];
        if (it->err != OK)
            return item_fault(c, f, item_parse(c, it, f), i);
        uint32_t place = it->ballot ? it->ballot->place : it->count->place;
        if (place != c->r->header->place) {
            fault_set(f, ERR_UNKNOWN, "it is of another place than the export");
            return item_fault(c, f, ERR_UNKNOWN, i);
        }
    }
    return OK;
}

/* Names the first bad item with its reason and lists the others. */
static err_t name_bad(struct check *c, const uint8_t *bad, struct fault *f)
{
    size_t first = 0;
    while (first < c->used && !bad[first])
        first++;
    item_fault(c, f, ERR_PROOF, first);
    for (size_t i = first + 1; i < c->used && f; i++) {
        size_t len = strlen(f->detail);
        if (bad[i] && len + 32 < sizeof f->detail)
            snprintf(f->detail + len, sizeof f->detail - len, "; also %llu",
                     (unsigned long long)(c->done + i));
    }
    return ERR_PROOF;
}

static err_t batch_proofs(struct check *c, struct fault *f)
{
    const struct ballot *ballot[BATCH_ITEMS];
    const struct count *count[BATCH_ITEMS];
    uint8_t bad[BATCH_ITEMS];
    for (size_t i = 0; i < c->used; i++) {
        ballot[i] = c->item[i].ballot;
        count[i] = c->item[i].count;
    }
    err_t e = c->ctx->m->kind == KIND_IMPORT ? count_verify_many_var(c->ctx, count, c->used, bad, f)
                                             : ballot_verify_many_var(c->ctx, ballot, c->used, bad, f);
    return e == ERR_PROOF ? name_bad(c, bad, f) : e;
}

static err_t take_ballot(struct check *c, size_t i, struct fault *f)
{
    const struct ballot *b = c->item[i].ballot;
    uint64_t index = c->done + i;
    int cmp = index % BALLOT_BATCH ? hash_cmp(&c->previous, &b->id) : -1;
    err_t e = id_set_add(c->ids, &b->id);
    if (e != OK) {
        fault_set(f, e,
                  e == ERR_DUPLICATE ? "its ballot id was used before in this export" : "keeping ballot ids");
        return item_fault(c, f, e, i);
    }
    if (cmp >= 0) {
        fault_set(f, ERR_RULE, "ballots are not sorted by ballot id within their batch");
        return item_fault(c, f, ERR_RULE, i);
    }
    c->previous = b->id;
    merkle_add(&c->tree, &b->leaf);
    e = tallies_add_ballot_var(c->sums, b);
    if (e != OK) {
        fault_set(f, e, "adding the ballot up");
        return item_fault(c, f, e, i);
    }
    return c->cb && c->cb->ballot ? c->cb->ballot(c->cb->ctx, &b->id, &b->leaf, b->style, index, f) : OK;
}

static err_t take_count(struct check *c, size_t i, struct fault *f)
{
    const struct count *n = c->item[i].count;
    uint64_t index = c->done + i;
    if (index >= c->sums->count || c->sums->tally[index].contest != n->contest) {
        fault_set(f, ERR_MISMATCH, "contest %s is not the next of this place",
                  c->ctx->m->contest[n->contest].id);
        return item_fault(c, f, ERR_MISMATCH, i);
    }
    merkle_add(&c->tree, &n->leaf);
    err_t e = tallies_add_count_var(c->sums, n);
    if (e != OK) {
        fault_set(f, e, "adding the count up");
        return item_fault(c, f, e, i);
    }
    return OK;
}

static err_t batch_take(struct check *c, struct fault *f)
{
    for (size_t i = 0; i < c->used; i++)
        TRY(c->ctx->m->kind == KIND_IMPORT ? take_count(c, i, f) : take_ballot(c, i, f));
    c->done += c->used;
    batch_clear(c);
    if (!c->cb || !c->cb->progress)
        return OK;
    err_t e = c->cb->progress(c->cb->ctx, c->done, c->r->header->items);
    return e == OK ? OK : fault_set(f, e, "verifying an export");
}

/* The header against what was counted. */
static err_t settle(struct check *c, struct fault *f)
{
    const struct export_header *h = c->r->header;
    hash_t root;
    uint32_t contest;
    err_t e = OK;
    merkle_root(&c->tree, &root);
    if (c->ctx->m->kind == KIND_IMPORT && c->done != c->sums->count)
        e = fault_set(f, ERR_MISMATCH, "%llu counts for %zu contests", (unsigned long long)c->done,
                      c->sums->count);
    else if (hash_cmp(&root, &h->root) != 0)
        e = fault_set(f, ERR_HASH, "the items do not have the Merkle root that was signed");
    else if (!tallies_equal_var(c->sums, h->tallies, &contest))
        e = fault_set(f, ERR_SUM, "contest %s: the signed tally is not the sum of the items",
                      c->ctx->m->contest[contest].id);
    return fault_file(f, e, c->r->path);
}

static size_t batch_cap(const struct election_context *ctx)
{
    size_t len = ctx->m->kind == KIND_IMPORT ? count_len_max(ctx) : ballot_len_max(ctx);
    size_t cap = BATCH_BYTES / (4 * len + 1); /* parsed, with points decompressed: about thrice the bytes */
    return cap < 1 ? 1 : cap > BATCH_ITEMS ? BATCH_ITEMS : cap;
}

static err_t check_items(struct check *c, struct fault *f)
{
    int end;
    do {
        TRY(batch_read(c, &end, f));
        if (c->used == 0)
            break;
        TRY(batch_parse(c, f));
        TRY(batch_proofs(c, f));
        TRY(batch_take(c, f));
    } while (!end);
    return settle(c, f);
}

err_t export_verify(struct export_header **out, const struct election_context *ctx, const char *path,
                    const struct export_callbacks *cb, struct fault *f)
{
    *out = NULL;
    struct check *c = calloc(1, sizeof *c);
    err_t e;
    if (!c)
        return fault_set(f, ERR_MEMORY, "verifying an export");
    c->ctx = ctx;
    c->cb = cb;
    c->cap = batch_cap(ctx);
    merkle_init(&c->tree);
    GO(export_open(&c->r, ctx, path, f));
    e = tallies_new(&c->sums, ctx, c->r->header->place);
    if (e == OK)
        e = id_set_new(&c->ids, c->r->header->items);
    if (e != OK) {
        fault_set(f, e, "verifying an export");
        goto out;
    }
    GO(check_items(c, f));
    *out = c->r->header;
    c->r->header = NULL;
out:
    batch_clear(c);
    export_close(c->r);
    id_set_free(c->ids);
    tallies_free(c->sums);
    free(c);
    return e;
}

/* --- single ballots --- */

/* Ballot id of an item without reading the rest of it. */
static err_t peek_id(hash_t *id, const struct election_context *ctx, const uint8_t *data, size_t len)
{
    struct cbor_in in;
    struct place place;
    char style[TEXT_ID_MAX + 1];
    point_t pk;
    cbor_in_init(&in, data, len);
    cbor_get_array_exact(&in, 11);
    tally_get_start(&in, ctx, "conclave/ballot");
    tally_get_place(&in, ctx, &place);
    cbor_get_id(&in, style, TEXT_ID_MAX);
    cbor_get_fixed(&in, pk.b, POINT_LEN);
    return in.err != OK ? in.err : ballot_id(id, &ctx->m->election, &pk);
}

static int by_hash(const void *a, const void *b)
{
    return hash_cmp(a, b);
}

static err_t find_in(struct export_reader *r, struct tallies *out, const hash_t *id, size_t count,
                     size_t *found, struct fault *f)
{
    struct merkle tree;
    hash_t mine, leaf, root;
    const uint8_t *data;
    size_t len;
    merkle_init(&tree);
    for (;;) {
        TRY(export_next(r, &data, &len, f));
        if (!data)
            break;
        err_t e = peek_id(&mine, r->ctx, data, len);
        if (e != OK)
            return fault_set(f, e, "ballot %llu cannot be read", (unsigned long long)export_item_index(r));
        merkle_leaf(&leaf, data, len);
        merkle_add(&tree, &leaf);
        if (!bsearch(&mine, id, count, sizeof *id, by_hash))
            continue;
        struct ballot *b;
        TRY(ballot_parse_var(&b, r->ctx, data, len, f));
        e = tallies_add_ballot_var(out, b);
        ballot_free(b);
        if (e != OK)
            return fault_set(f, e, "adding ballots up");
        ++*found;
    }
    merkle_root(&tree, &root);
    return hash_cmp(&root, &r->header->root) == 0
               ? OK
               : fault_set(f, ERR_HASH, "the items do not have the Merkle root that was signed");
}

err_t export_find_ballots(struct tallies *out, const struct election_context *ctx, const char *path,
                          const hash_t *export_id, const hash_t *id, size_t count, struct fault *f)
{
    struct export_reader *r;
    size_t found = 0;
    tallies_zero(out);
    if (ctx->m->kind != KIND_BALLOTS)
        return fault_set(f, ERR_RULE, "an import has no ballots");
    TRY(export_open(&r, ctx, path, f));
    err_t e = hash_cmp(&r->header->id, export_id) == 0
                  ? find_in(r, out, id, count, &found, f)
                  : fault_set(f, ERR_HASH, "this is not the export that was verified");
    if (e == OK && found != count)
        e = fault_set(f, found < count ? ERR_MISSING : ERR_DUPLICATE, "%zu of %zu ballots are in the export",
                      found, count);
    if (e != OK)
        tallies_zero(out);
    export_close(r);
    return fault_file(f, e, path);
}
