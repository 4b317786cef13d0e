#include "tests/support/chain_maker.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "ceremony/base/file.h"
#include "ceremony/math/p256_field.h"
#include "tally/chain_segment.h"
#include "tests/support/tree.h"
#include "tests/support/unit.h"

#define GOOD(call)                                                                                           \
    do {                                                                                                     \
        err_t e_ = (call);                                                                                   \
        if (e_ != OK)                                                                                        \
            fail_msg("%s: %s", #call, err_name(e_));                                                         \
    } while (0)

/* --- hints --- */

size_t chain_maker_points(const struct ballot *b)
{
    size_t n = 2;
    for (size_t i = 0; i < b->vote_count; i++)
        n += 6 * b->vote[i].cipher_count + (b->vote[i].limit > 1 ? 2 : 4);
    return n;
}

static uint8_t *put_y(uint8_t *out, const struct p256_affine *p)
{
    fe_store(out, p->y);
    return out + 32;
}

static uint8_t *put_zero_one_y(uint8_t *out, const struct zero_one_affine *p)
{
    out = put_y(out, &p->a0);
    out = put_y(out, &p->b0);
    out = put_y(out, &p->a1);
    return put_y(out, &p->b1);
}

void chain_maker_hints(uint8_t *out, const struct ballot *b)
{
    out = put_y(out, &b->pk_a);
    for (size_t i = 0; i < b->vote_count; i++) {
        const struct ballot_vote *v = &b->vote[i];
        for (size_t k = 0; k < v->cipher_count; k++) {
            out = put_y(out, &v->cta[k].A);
            out = put_y(out, &v->cta[k].B);
        }
        for (size_t k = 0; k < v->cipher_count; k++)
            out = put_zero_one_y(out, &v->proof_a[k]);
        if (v->limit == 1) {
            out = put_zero_one_y(out, &v->sum_zero_one_a);
        } else {
            out = put_y(out, &v->sum_exact_a.a);
            out = put_y(out, &v->sum_exact_a.b);
        }
    }
    put_y(out, &b->id_commitment_a);
}

/* --- the chain --- */

void chain_maker_init(struct chain_maker *mk, const struct chain_context *ctx, const struct signer *key)
{
    memset(mk, 0, sizeof *mk);
    mk->ctx = ctx;
    mk->key = key;
    mk->hints = 1;
    mk->time = 500000;
}

static void free_ballots(struct chain_made_shard *s, size_t from)
{
    for (size_t i = from; i < s->count; i++) {
        free(s->ballot[i].data);
        free(s->ballot[i].hints);
    }
    s->count = from;
}

void chain_maker_free(struct chain_maker *mk)
{
    for (size_t i = 0; i < mk->shard_count; i++) {
        free_ballots(&mk->shard[i], 0);
        free(mk->shard[i].ballot);
    }
    chain_snapshot_free(mk->made);
    memset(mk, 0, sizeof *mk);
}

void chain_maker_drop(struct chain_maker *mk, size_t shard)
{
    free_ballots(&mk->shard[shard], 0);
    free(mk->shard[shard].ballot);
    mk->shard_count--;
    memmove(&mk->shard[shard], &mk->shard[shard + 1], (mk->shard_count - shard) * sizeof mk->shard[0]);
}

void chain_maker_cut(struct chain_maker *mk, size_t shard, size_t blocks)
{
    struct chain_made_shard *s = &mk->shard[shard];
    assert_true(blocks > 0 && blocks <= s->block_count);
    s->block_count = blocks;
    free_ballots(s, s->block_end[blocks - 1]);
}

size_t chain_maker_shard(struct chain_maker *mk, const char *name, enum chain_state state)
{
    assert_true(mk->shard_count < CHAIN_MAKER_SHARDS);
    assert_true(mk->shard_count == 0 || strcmp(mk->shard[mk->shard_count - 1].name.s, name) < 0);
    struct chain_made_shard *s = &mk->shard[mk->shard_count];
    memset(s, 0, sizeof *s);
    GOOD(chain_shard_parse(&s->name, name));
    s->state = state;
    return mk->shard_count++;
}

static struct ballot *parse(const struct chain_maker *mk, const uint8_t *data, size_t len)
{
    struct ballot *b;
    err_t e = ballot_parse_var(&b, mk->ctx->e, data, len, NULL);
    return e == OK ? b : NULL;
}

void chain_maker_put_to(struct chain_maker *mk, size_t shard, const uint8_t *data, size_t len)
{
    struct chain_made_shard *s = &mk->shard[shard];
    if (s->count == s->cap) {
        s->cap = s->cap ? 2 * s->cap : 16;
        s->ballot = realloc(s->ballot, s->cap * sizeof *s->ballot);
        assert_non_null(s->ballot);
    }
    struct chain_made_ballot *b = &s->ballot[s->count++];
    memset(b, 0, sizeof *b);
    b->data = malloc(len + 1);
    assert_non_null(b->data);
    memcpy(b->data, data, len);
    b->len = len;
    struct ballot *x = parse(mk, data, len);
    if (x == NULL)
        return;
    b->id = x->id;
    if (mk->hints) {
        b->hints_len = 32 * chain_maker_points(x);
        b->hints = malloc(b->hints_len);
        assert_non_null(b->hints);
        chain_maker_hints(b->hints, x);
    }
    ballot_free(x);
}

void chain_maker_put(struct chain_maker *mk, const uint8_t *data, size_t len)
{
    struct ballot *x = parse(mk, data, len);
    assert_non_null(x);
    for (size_t i = 0; i < mk->shard_count; i++)
        if (mk->shard[i].state != CHAIN_SPLIT && chain_shard_has(&mk->shard[i].name, &x->id)) {
            ballot_free(x);
            chain_maker_put_to(mk, i, data, len);
            return;
        }
    fail_msg("no shard takes this ballot");
}

static int by_id(const void *a, const void *b)
{
    return hash_cmp(&((const struct chain_made_ballot *)a)->id, &((const struct chain_made_ballot *)b)->id);
}

void chain_maker_block(struct chain_maker *mk, size_t shard)
{
    struct chain_made_shard *s = &mk->shard[shard];
    size_t from = s->block_count ? s->block_end[s->block_count - 1] : 0;
    assert_true(s->block_count < CHAIN_MAKER_BLOCKS);
    if (s->count > from)
        qsort(s->ballot + from, s->count - from, sizeof *s->ballot, by_id);
    s->block_end[s->block_count++] = s->count;
}

void chain_maker_cut_blocks(struct chain_maker *mk, size_t shard, size_t per_block)
{
    struct chain_made_shard *s = &mk->shard[shard];
    size_t all = s->count, at = s->block_count ? s->block_end[s->block_count - 1] : 0;
    while (at < all) {
        at = at + per_block < all ? at + per_block : all;
        s->count = at;
        chain_maker_block(mk, shard);
    }
}

/* --- files --- */

void chain_maker_file(const char *dir, const char *name, const void *data, size_t len)
{
    char path[512];
    assert_true(snprintf(path, sizeof path, "%s/%s", dir, name) < (int)sizeof path);
    for (char *p = strchr(path + strlen(dir) + 1, '/'); p != NULL; p = strchr(p + 1, '/')) {
        *p = '\0';
        mkdir(path, 0755);
        *p = '/';
    }
    FILE *f = fopen(path, "wb");
    if (f == NULL)
        fail_msg("cannot write %s", path);
    if (len)
        assert_int_equal(fwrite(data, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
}

uint8_t *chain_maker_read(const char *dir, const char *name, size_t *len)
{
    char path[512];
    uint8_t *data;
    assert_true(snprintf(path, sizeof path, "%s/%s", dir, name) < (int)sizeof path);
    GOOD(file_read(&data, len, path, (size_t)1 << 28, NULL));
    return data;
}

void chain_maker_items(const uint8_t *data, size_t len, size_t *offset, size_t *count, size_t max)
{
    struct cbor_in in;
    cbor_in_init(&in, data, len);
    *count = 0;
    while (in.pos < len) {
        size_t n;
        assert_true(*count < max);
        offset[(*count)++] = in.pos;
        assert_non_null(cbor_get_bytes(&in, 1, CHAIN_HEADER_MAX, &n));
    }
}

static void write_segments(const struct chain_maker *mk, const struct chain_made_shard *s, const char *dir)
{
    for (size_t first = 0, k = 0; first < s->block_count; first += CHAIN_SEGMENT_BLOCKS, k++) {
        size_t last =
            first + CHAIN_SEGMENT_BLOCKS < s->block_count ? first + CHAIN_SEGMENT_BLOCKS : s->block_count;
        size_t from = first ? s->block_end[first - 1] : 0, to = s->block_end[last - 1];
        struct chain_segment_writer *w;
        char name[64], path[512];
        uint64_t content = 0;
        if (from == to)
            continue;
        for (size_t i = from; i < to; i++)
            content += chain_pair_len(s->ballot[i].len, s->ballot[i].hints_len);
        snprintf(name, sizeof name, "segments/s%s/%08zu.zst", s->name.s, k);
        chain_maker_file(dir, name, "", 0);
        snprintf(path, sizeof path, "%s/%s", dir, name);
        GOOD(chain_segment_create(&w, path, content, NULL));
        for (size_t i = from; i < to; i++)
            GOOD(chain_segment_put(w, s->ballot[i].data, s->ballot[i].len, s->ballot[i].hints,
                                   s->ballot[i].hints_len, NULL));
        GOOD(chain_segment_commit(w, NULL));
    }
    (void)mk;
}

static void write_lists(const struct chain_made_shard *s, const char *dir)
{
    struct cbor_out ids = CBOR_OUT_INIT, leaves = CBOR_OUT_INIT;
    char name[64];
    hash_t leaf;
    for (size_t i = 0; i < s->count; i++) {
        merkle_leaf(&leaf, s->ballot[i].data, s->ballot[i].len);
        cbor_put_raw(&ids, s->ballot[i].id.b, HASH_LEN);
        cbor_put_raw(&leaves, leaf.b, HASH_LEN);
    }
    snprintf(name, sizeof name, "ids/s%s", s->name.s);
    chain_maker_file(dir, name, ids.data, ids.len);
    snprintf(name, sizeof name, "leaves/s%s", s->name.s);
    chain_maker_file(dir, name, leaves.data, leaves.len);
    cbor_out_free(&ids);
    cbor_out_free(&leaves);
}

/* Headers, one for each block; sums of the whole shard are added to all. */
static void write_headers(struct chain_maker *mk, size_t shard, const char *dir, struct chain_sums *all)
{
    struct chain_made_shard *s = &mk->shard[shard];
    struct chain_header h = {.shard = s->name, .time = mk->time};
    struct cbor_out file = CBOR_OUT_INIT, bytes = CBOR_OUT_INIT;
    struct merkle leaves, ids;
    struct chain_sums *sums;
    char name[64];
    size_t at = 0, len = strlen(s->name.s);
    merkle_init(&leaves);
    merkle_init(&ids);
    GOOD(chain_sums_new(&sums, mk->ctx));
    for (size_t i = 0; i < shard; i++)
        if (strlen(mk->shard[i].name.s) + 1 == len && strncmp(mk->shard[i].name.s, s->name.s, len - 1) == 0)
            h.previous = mk->shard[i].last.id;
    for (size_t k = 0; k < s->block_count; k++) {
        struct cbor_out message = CBOR_OUT_INIT;
        for (; at < s->block_end[k]; at++) {
            hash_t leaf;
            struct ballot *b = parse(mk, s->ballot[at].data, s->ballot[at].len);
            merkle_leaf(&leaf, s->ballot[at].data, s->ballot[at].len);
            merkle_add(&leaves, &leaf);
            merkle_leaf(&leaf, s->ballot[at].id.b, HASH_LEN);
            merkle_add(&ids, &leaf);
            if (b != NULL && chain_row_of(mk->ctx, b->place) >= 0)
                GOOD(chain_sums_add_ballot_var(sums, mk->ctx, b));
            else { /* counted all the same, somewhere */
                sums->row[0].ballots++;
                free(sums->row[0].bytes);
                sums->row[0].bytes = NULL;
            }
            ballot_free(b);
        }
        h.height = k;
        h.size = at;
        h.state = k + 1 < s->block_count ? CHAIN_OPEN : s->state;
        merkle_root(&leaves, &h.root);
        merkle_root(&ids, &h.ids);
        if (mk->running != NULL)
            mk->running(mk->hook_ctx, mk, shard, sums);
        GOOD(chain_running_hash(&h.tally, mk->ctx, sums));
        if (mk->header != NULL)
            mk->header(mk->hook_ctx, mk, shard, &h);
        GOOD(chain_header_make(&message, &h, mk->ctx, mk->key, NULL));
        cbor_put_bytes(&file, message.data, message.len);
        cbor_out_free(&message);
        s->last = h;
        h.previous = h.id;
    }
    if (s->block_count) {
        snprintf(name, sizeof name, "headers/s%s.cbor", s->name.s);
        chain_maker_file(dir, name, file.data, file.len);
        GOOD(chain_running_put(&bytes, mk->ctx, sums));
        snprintf(name, sizeof name, "tallies/s%s.cbor", s->name.s);
        chain_maker_file(dir, name, bytes.data, bytes.len);
    }
    GOOD(chain_sums_add_var(all, sums));
    chain_sums_free(sums);
    cbor_out_free(&file);
    cbor_out_free(&bytes);
}

static void fill_snapshot(const struct chain_maker *mk, struct chain_snapshot *s)
{
    s->number = mk->number;
    s->previous = mk->previous;
    s->time = mk->time;
    s->shard_count = mk->shard_count;
    s->shard = calloc(mk->shard_count, sizeof *s->shard);
    assert_non_null(s->shard);
    for (size_t i = 0; i < mk->shard_count; i++) {
        const struct chain_made_shard *m = &mk->shard[i];
        struct chain_shard *x = &s->shard[i];
        x->name = m->name;
        x->headers = m->block_count;
        hash_one(&x->root, "", 0);
        x->ids = x->root;
        if (m->block_count == 0)
            continue;
        x->state = m->last.state;
        x->head = m->last.id;
        x->size = m->last.size;
        x->root = m->last.root;
        x->ids = m->last.ids;
    }
}

static void write_finality(const struct chain_maker *mk, const char *dir)
{
    for (size_t i = 0; i < mk->ctx->c->validator_count; i++) {
        struct cbor_out o = CBOR_OUT_INIT;
        char name[2 * HASH_LEN + 32] = "finality/";
        hash_t kid;
        if (mk->validator[i] == NULL)
            continue;
        GOOD(chain_finality_make(&o, &kid, mk->ctx, mk->made->number, &mk->made->id, mk->validator[i], NULL));
        hex_put(name + 9, kid.b, HASH_LEN);
        memcpy(name + 9 + 2 * HASH_LEN, ".cose", 6);
        chain_maker_file(dir, name, o.data, o.len);
        cbor_out_free(&o);
    }
}

void chain_maker_write(struct chain_maker *mk, const char *dir)
{
    struct chain_snapshot *s = calloc(1, sizeof *s);
    struct cbor_out o = CBOR_OUT_INIT;
    assert_non_null(s);
    tree_rm(dir);
    assert_int_equal(mkdir(dir, 0755), 0);
    GOOD(chain_sums_new(&s->sums, mk->ctx));
    for (size_t i = 0; i < mk->shard_count; i++) {
        struct chain_made_shard *m = &mk->shard[i];
        size_t ended = m->block_count ? m->block_end[m->block_count - 1] : 0;
        if (ended < m->count || (m->block_count == 0 && m->state != CHAIN_OPEN))
            chain_maker_block(mk, i);
        write_headers(mk, i, dir, s->sums);
        write_segments(mk, m, dir);
        if (mk->lists && m->block_count)
            write_lists(m, dir);
    }
    fill_snapshot(mk, s);
    if (mk->snapshot != NULL)
        mk->snapshot(mk->hook_ctx, mk, s);
    GOOD(chain_snapshot_make(&o, s, mk->ctx, NULL));
    chain_maker_file(dir, "snapshot.cbor", o.data, o.len);
    cbor_out_free(&o);
    chain_snapshot_free(mk->made);
    mk->made = s;
    write_finality(mk, dir);
}
