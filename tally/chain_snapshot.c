/* Snapshots: all shards that ever were, and the sums over them. */
#include <stdlib.h>
#include <string.h>

#include "tally/ballot_form.h"
#include "tally/chain_parts.h"

const struct chain_shard *chain_shard_find(const struct chain_shard *shard, size_t count, const char *name)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int order = strcmp(name, shard[mid].name.s);
        if (order == 0)
            return &shard[mid];
        if (order < 0)
            high = mid;
        else
            low = mid + 1;
    }
    return NULL;
}

static err_t bad(struct fault *f, err_t e, const struct chain_shard *s, const char *what)
{
    return fault_set(f, e, "shard s%s: %s", s->name.s, what);
}

/* Is the half of a split shard there? */
static int has_half(const struct chain_shard *shard, size_t count, const struct chain_shard *s, char bit)
{
    char name[CHAIN_SHARD_MAX + 2];
    size_t len = strlen(s->name.s);
    memcpy(name, s->name.s, len);
    name[len] = bit;
    name[len + 1] = '\0';
    return chain_shard_find(shard, count, name) != NULL;
}

static err_t check_halves(const struct chain_shard *shard, size_t count, const struct chain_shard *s,
                          struct fault *f)
{
    int halves = has_half(shard, count, s, '0') + has_half(shard, count, s, '1');
    if (s->state == CHAIN_SPLIT && strlen(s->name.s) == CHAIN_SHARD_MAX)
        return bad(f, ERR_RULE, s, "such a small shard cannot be split");
    if (s->state == CHAIN_SPLIT && halves != 2)
        return bad(f, ERR_RULE, s, "it is split, but its halves are not both there");
    if (s->state != CHAIN_SPLIT && halves != 0)
        return bad(f, ERR_RULE, s, "it is not split, but there is a half of it");
    return OK;
}

static err_t check_values(const struct chain_shard *s, struct fault *f)
{
    hash_t empty;
    hash_one(&empty, "", 0);
    if (s->headers == 0 && s->state != CHAIN_OPEN)
        return bad(f, ERR_RULE, s, "it has ended without a header");
    if (s->headers == 0 && (s->size != 0 || !hash_is_zero(&s->head)))
        return bad(f, ERR_RULE, s, "it has no header, but a head or ballots");
    if (s->size == 0 && (hash_cmp(&s->root, &empty) != 0 || hash_cmp(&s->ids, &empty) != 0))
        return bad(f, ERR_HASH, s, "it has no ballots, but roots of some");
    return OK;
}

err_t chain_shards_check(const struct chain_shard *shard, size_t count, struct fault *f)
{
    size_t shortest = CHAIN_SHARD_MAX, of_shortest = 0;
    if (count == 0)
        return fault_set(f, ERR_RULE, "there are no shards");
    for (size_t i = 0; i < count; i++) {
        size_t len = strlen(shard[i].name.s);
        int order = i == 0 ? -1 : strcmp(shard[i - 1].name.s, shard[i].name.s);
        if (order == 0)
            return bad(f, ERR_DUPLICATE, &shard[i], "it is there twice");
        if (order > 0)
            return bad(f, ERR_RULE, &shard[i], "the shards are not sorted");
        if (len < shortest)
            of_shortest = 0;
        if (len <= shortest) {
            shortest = len;
            of_shortest++;
        }
    }
    if (of_shortest != (size_t)1 << shortest)
        return fault_set(f, ERR_RULE, "the shards with names of %zu characters do not cover all ids",
                         shortest);
    for (size_t i = 0; i < count; i++) {
        char parent[CHAIN_SHARD_MAX + 1];
        size_t len = strlen(shard[i].name.s);
        TRY(check_values(&shard[i], f));
        TRY(check_halves(shard, count, &shard[i], f));
        if (len == shortest)
            continue;
        memcpy(parent, shard[i].name.s, len - 1);
        parent[len - 1] = '\0';
        if (!chain_shard_find(shard, count, parent))
            return bad(f, ERR_RULE, &shard[i], "the shard that it is a half of is not there");
    }
    return OK;
}

static err_t check_sum(const struct chain_snapshot *s, struct fault *f)
{
    uint64_t ballots = 0;
    for (size_t i = 0; i < s->shard_count; i++)
        ballots += s->shard[i].size;
    if (ballots != chain_sums_ballots(s->sums))
        return fault_set(f, ERR_SUM, "the shards have %llu ballots, the places %llu",
                         (unsigned long long)ballots, (unsigned long long)chain_sums_ballots(s->sums));
    return OK;
}

int chain_snapshot_complete(const struct chain_snapshot *s)
{
    for (size_t i = 0; i < s->shard_count; i++)
        if (s->shard[i].state == CHAIN_OPEN)
            return 0;
    return 1;
}

err_t chain_snapshot_id(hash_t *out, const uint8_t *data, size_t len)
{
    struct cbor_out o = CBOR_OUT_INIT;
    struct hash_ctx h;
    memset(out, 0, sizeof *out);
    cbor_put_array(&o, 2);
    cbor_put_text(&o, "conclave/chain-snapshot-id");
    cbor_put_bytes_head(&o, len);
    err_t e = o.err;
    if (e == OK) {
        hash_init(&h);
        hash_add(&h, o.data, o.len);
        hash_add(&h, data, len);
        hash_end(&h, out);
    }
    cbor_out_free(&o);
    return e;
}

/* --- writing --- */

static void put_shard(struct cbor_out *o, const struct chain_shard *s)
{
    cbor_put_array(o, 7);
    cbor_put_text(o, s->name.s);
    cbor_put_uint(o, s->state);
    cbor_put_uint(o, s->headers);
    if (s->headers == 0)
        cbor_put_null(o);
    else
        cbor_put_hash(o, &s->head);
    cbor_put_uint(o, s->size);
    cbor_put_hash(o, &s->root);
    cbor_put_hash(o, &s->ids);
}

err_t chain_snapshot_make(struct cbor_out *out, struct chain_snapshot *s, const struct chain_context *ctx,
                          struct fault *f)
{
    struct cbor_out o = CBOR_OUT_INIT;
    TRY(chain_shards_check(s->shard, s->shard_count, f));
    TRY(check_sum(s, f));
    cbor_put_array(&o, 11);
    chain_put_start(&o, ctx, "conclave/chain-snapshot");
    cbor_put_uint(&o, s->number);
    cbor_put_hash(&o, &s->previous);
    cbor_put_uint(&o, s->time);
    cbor_put_array(&o, s->shard_count);
    for (size_t i = 0; i < s->shard_count; i++)
        put_shard(&o, &s->shard[i]);
    err_t e = chain_sums_put(&o, ctx, s->sums);
    if (e == OK)
        e = chain_snapshot_id(&s->id, o.data, o.len);
    if (e == OK) {
        cbor_put_raw(out, o.data, o.len);
        e = out->err;
    }
    if (e != OK)
        fault_set(f, e, "making a snapshot");
    cbor_out_free(&o);
    return e;
}

/* --- reading --- */

static void get_shard(struct cbor_in *in, struct chain_shard *s)
{
    cbor_get_array_exact(in, 7);
    chain_get_shard(in, &s->name);
    s->state = (enum chain_state)cbor_get_uint(in, CHAIN_CLOSED);
    s->headers = cbor_get_uint(in, CHAIN_HEADERS_MAX);
    if (s->headers == 0) {
        if (!cbor_get_null(in))
            cbor_fail(in, ERR_FORMAT);
    } else {
        cbor_get_hash(in, &s->head);
    }
    s->size = cbor_get_uint(in, CHAIN_BALLOTS_MAX);
    cbor_get_hash(in, &s->root);
    cbor_get_hash(in, &s->ids);
}

/* The smallest row of a shard takes more than 70 bytes: what is claimed is there before it gets memory. */
static err_t get_shards(struct cbor_in *in, struct chain_snapshot *s)
{
    size_t count = cbor_get_array(in, 1, CHAIN_SHARDS_MAX);
    if (in->err == OK && count > (in->len - in->pos) / 70)
        cbor_fail(in, ERR_TRUNCATED);
    if (in->err != OK)
        return OK;
    s->shard = calloc(count, sizeof *s->shard);
    if (!s->shard)
        return ERR_MEMORY;
    s->shard_count = count;
    for (size_t i = 0; i < count && in->err == OK; i++)
        get_shard(in, &s->shard[i]);
    return OK;
}

static err_t get_snapshot(struct chain_snapshot *s, const struct chain_context *ctx, const uint8_t *data,
                          size_t len, struct fault *f)
{
    struct cbor_in in;
    cbor_in_init(&in, data, len);
    cbor_get_array_exact(&in, 11);
    chain_get_start(&in, ctx, "conclave/chain-snapshot");
    s->number = cbor_get_uint(&in, UINT32_MAX);
    cbor_get_hash(&in, &s->previous);
    s->time = cbor_get_uint(&in, UINT32_MAX);
    TRY(get_shards(&in, s));
    if (in.err == OK) {
        TRY(chain_shards_check(s->shard, s->shard_count, f));
        TRY(chain_sums_new(&s->sums, ctx));
        chain_sums_get_var(&in, ctx, s->sums);
    }
    TRY(tally_get_end(&in, f, "snapshot of the chain %s", ctx->c->id));
    if (s->number == 0 && !hash_is_zero(&s->previous))
        return fault_set(f, ERR_FORMAT, "the first snapshot has no previous one");
    return check_sum(s, f);
}

err_t chain_snapshot_parse_var(struct chain_snapshot **out, const struct chain_context *ctx,
                               const uint8_t *data, size_t len, struct fault *f)
{
    *out = NULL;
    if (len > CHAIN_SNAPSHOT_MAX)
        return fault_set(f, ERR_LIMIT, "a snapshot of %zu bytes, at most %zu allowed", len,
                         CHAIN_SNAPSHOT_MAX);
    struct chain_snapshot *s = calloc(1, sizeof *s);
    if (!s)
        return fault_set(f, ERR_MEMORY, "reading a snapshot");
    err_t e;
    GO(get_snapshot(s, ctx, data, len, f));
    GO(chain_snapshot_id(&s->id, data, len));
    *out = s;
    s = NULL;
out:
    if (e != OK && f && f->err != e)
        fault_set(f, e, "reading a snapshot");
    chain_snapshot_free(s);
    return e;
}

void chain_snapshot_free(struct chain_snapshot *s)
{
    if (!s)
        return;
    free(s->shard);
    chain_sums_free(s->sums);
    free(s);
}
