/* Some ballots of a chain export that was verified: what single ones contribute, and the root of a shard's
 * tree at any size. */
#include <stdlib.h>
#include <string.h>

#include "ceremony/base/file.h"
#include "tally/chain_segment.h"
#include "tally/chain_verify_run.h"

#define NO_MORE UINT64_MAX

/* Takes ballot *want of the shard, and says which one is wanted next: a later one, or NO_MORE. */
typedef err_t take_fn(void *ctx, const struct chain_pair *p, uint64_t *want, struct fault *f);

struct reading {
    struct chain_run *run;
    size_t shard;
    take_fn *take;
    void *ctx;
    uint64_t want;
    FILE *leaves; /* for segments that are not here, or NULL */
    struct growing *tree;
};

static err_t read_leaves(struct reading *x, uint64_t first, uint64_t ballots, struct fault *f);

/* One segment, whose first ballot has this number in the shard. */
static err_t read_segment(struct reading *x, uint64_t number, uint64_t first, uint64_t ballots,
                          struct fault *f)
{
    char file[CHAIN_FILE_MAX], path[CHAIN_PATH_MAX];
    struct chain_segment *s = NULL;
    struct chain_pair p;
    snprintf(file, sizeof file, "segments/s%s/%08llu.zst", x->run->s->shard[x->shard].name.s,
             (unsigned long long)number);
    if (x->leaves != NULL && !chain_has(x->run, file))
        return read_leaves(x, first, ballots, f);
    TRY(chain_path(x->run, path, file, f));
    err_t e = chain_segment_open(&s, x->run->ctx->e, path, ballots, f);
    for (uint64_t i = 0; i < ballots && e == OK && x->want < first + ballots; i++) {
        e = chain_segment_next(s, &p, f);
        if (e == OK && p.ballot == NULL)
            e = ERR_MISSING;
        if (e == OK && x->want == first + i)
            e = x->take(x->ctx, &p, &x->want, f);
    }
    chain_segment_close(s);
    return e == OK ? OK : fault_file(f, e, path);
}

/* Only segments with ballots that are wanted are read. */
static err_t read_shard(struct reading *x, struct fault *f)
{
    const struct chain_header *h = NULL;
    struct chain_headers *headers = NULL;
    enum chain_check check;
    struct chain_link start;
    uint64_t segment_first = 0, size = 0, blocks = 0;
    err_t e;
    chain_link_start(x->run, &start, x->shard);
    GO(chain_headers_open(&headers, x->run, x->shard, &start, 0, f));
    while (x->want < x->run->s->shard[x->shard].size) {
        GO(chain_headers_next(headers, &h, &check, f));
        if (h != NULL) {
            size = h->size;
            blocks++;
        }
        if (h != NULL && blocks % CHAIN_SEGMENT_BLOCKS != 0)
            continue;
        if (size > segment_first && x->want < size)
            GO(read_segment(x, (blocks - 1) / CHAIN_SEGMENT_BLOCKS, segment_first, size - segment_first, f));
        segment_first = size;
        if (h == NULL)
            break;
    }
out:
    chain_headers_close(headers);
    return e;
}

/* --- single ballots --- */

struct finding {
    struct chain_run run;
    struct chain_sums *sums;
    const struct chain_spooled *b;
    size_t count, next; /* the one wanted next */
    uint64_t base;      /* ballots of the shards before this one */
};

static uint64_t wanted(const struct finding *x)
{
    return x->next < x->count ? x->b[x->next].at - x->base : NO_MORE;
}

static err_t add_one(void *ctx, const struct chain_pair *p, uint64_t *want, struct fault *f)
{
    struct finding *x = ctx;
    struct ballot *b = NULL;
    hash_t leaf;
    merkle_leaf(&leaf, p->ballot, p->len);
    if (memcmp(leaf.b, x->b[x->next].leaf, sizeof x->b->leaf) != 0)
        return fault_set(f, ERR_HASH, "ballot %llu is not the one that was verified",
                         (unsigned long long)*want);
    TRY(ballot_parse_var(&b, x->run.ctx->e, p->ballot, p->len, f));
    const struct chain_spooled *said = &x->b[x->next];
    err_t e = hash_cmp(&b->id, &said->id) == 0 && b->place == said->place
                  ? chain_sums_add_ballot_var(x->sums, x->run.ctx, b)
                  : fault_set(f, ERR_MISMATCH, "ballot %llu has another id or is of another place",
                              (unsigned long long)*want);
    ballot_free(b);
    x->next++;
    *want = wanted(x);
    return e;
}

err_t chain_find_ballots(struct chain_sums *sums, const struct chain_context *ctx, const char *dir,
                         struct chain_snapshot *s, const struct chain_spooled *b, size_t count,
                         struct fault *f)
{
    struct finding x = {.sums = sums, .b = b, .count = count};
    if (f != NULL)
        fault_clear(f);
    err_t e = chain_run_again(&x.run, ctx, dir, s);
    for (size_t i = 0; i < s->shard_count && e == OK; x.base += s->shard[i++].size) {
        struct reading r = {.run = &x.run, .shard = i, .take = add_one, .ctx = &x, .want = wanted(&x)};
        if (r.want < s->shard[i].size)
            e = read_shard(&r, f);
    }
    free(x.run.end);
    if (e == OK && x.next < count)
        e = ERR_MISSING;
    if (e != OK && (f == NULL || f->err == OK))
        fault_set(f, e, "a ballot that was verified is not there any more");
    return e;
}

/* --- the root of a tree at any size --- */

struct growing {
    struct merkle tree;
    uint64_t size;
};

static void add_leaf(struct growing *x, const hash_t *leaf, uint64_t *want)
{
    merkle_add(&x->tree, leaf);
    *want = x->tree.count < x->size ? x->tree.count : NO_MORE;
}

static err_t grow(void *ctx, const struct chain_pair *p, uint64_t *want, struct fault *f)
{
    hash_t leaf;
    (void)f;
    merkle_leaf(&leaf, p->ballot, p->len);
    add_leaf(ctx, &leaf, want);
    return OK;
}

static err_t read_leaves(struct reading *x, uint64_t first, uint64_t ballots, struct fault *f)
{
    hash_t leaf;
    if (fseeko(x->leaves, (off_t)(first * HASH_LEN), SEEK_SET) != 0)
        return fault_set(f, ERR_IO, "leaves cannot be read");
    for (uint64_t i = 0; i < ballots && x->want == first + i; i++) {
        if (fread(leaf.b, 1, HASH_LEN, x->leaves) != HASH_LEN)
            return fault_set(f, ERR_TRUNCATED, "leaves end too early");
        add_leaf(x->tree, &leaf, &x->want);
    }
    return OK;
}

/* The list of this kind, if there is one: as long as it must be, or nothing behind its end is read. */
static err_t open_list(const struct chain_run *v, FILE **out, size_t shard, const char *kind, uint64_t size,
                       struct fault *f)
{
    char file[CHAIN_FILE_MAX], path[CHAIN_PATH_MAX];
    *out = NULL;
    chain_shard_file(file, kind, &v->s->shard[shard], "");
    if (!chain_has(v, file))
        return OK;
    TRY(chain_path(v, path, file, f));
    TRY(file_open(out, path, f));
    if (fseeko(*out, 0, SEEK_END) == 0 && ftello(*out) >= 0 && (uint64_t)ftello(*out) / HASH_LEN >= size)
        return OK;
    return fault_set(f, ERR_TRUNCATED, "%s end too early", kind);
}

err_t chain_root_at(struct chain_run *v, size_t shard, uint64_t size, hash_t *out)
{
    struct growing x = {.size = size};
    struct reading r = {.run = v, .shard = shard, .take = grow, .ctx = &x, .tree = &x};
    FILE *ids = NULL, *leaves = NULL;
    struct fault f;
    merkle_init(&x.tree);
    err_t e = open_list(v, &ids, shard, "ids", size, &f);
    if (e == OK)
        e = open_list(v, &leaves, shard, "leaves", size, &f);
    r.leaves = ids != NULL ? leaves : NULL;
    if (e == OK)
        e = read_shard(&r, &f);
    if (e == OK && x.tree.count < size)
        e = ERR_MISSING;
    if (e == OK)
        merkle_root(&x.tree, out);
    if (ids != NULL)
        fclose(ids);
    if (leaves != NULL)
        fclose(leaves);
    return e;
}
