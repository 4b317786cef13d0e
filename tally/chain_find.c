/* Single ballots of a chain export that was verified. */
#include <stdlib.h>
#include <string.h>

#include "tally/chain_segment.h"
#include "tally/chain_verify_run.h"

struct finding {
    struct chain_run run;
    struct chain_sums *sums;
    const struct chain_spooled *b;
    size_t count, next; /* the one wanted next */
    uint64_t base;      /* ballots of the shards before this one */
    size_t shard;
};

static err_t add_one(struct finding *x, const struct chain_pair *p, struct fault *f)
{
    const struct chain_spooled *want = &x->b[x->next];
    struct ballot *b = NULL;
    hash_t leaf;
    merkle_leaf(&leaf, p->ballot, p->len);
    if (memcmp(leaf.b, want->leaf, sizeof want->leaf) != 0)
        return fault_set(f, ERR_HASH, "ballot %llu is not the one that was verified",
                         (unsigned long long)(want->at - x->base));
    TRY(ballot_parse_var(&b, x->run.ctx->e, p->ballot, p->len, f));
    err_t e = chain_sums_add_ballot_var(x->sums, x->run.ctx, b);
    ballot_free(b);
    x->next++;
    return e;
}

/* One segment, whose first ballot has this number in the shard. */
static err_t read_segment(struct finding *x, uint64_t number, uint64_t first, uint64_t ballots,
                          struct fault *f)
{
    char file[CHAIN_FILE_MAX], path[CHAIN_PATH_MAX];
    struct chain_segment *s = NULL;
    struct chain_pair p;
    snprintf(file, sizeof file, "segments/s%s/%08llu.zst", x->run.s->shard[x->shard].name.s,
             (unsigned long long)number);
    TRY(chain_path(&x->run, path, file, f));
    err_t e = chain_segment_open(&s, x->run.ctx->e, path, ballots, f);
    for (uint64_t i = 0; i < ballots && e == OK; i++) {
        e = chain_segment_next(s, &p, f);
        if (e == OK && p.ballot == NULL)
            e = ERR_MISSING;
        if (e == OK && x->next < x->count && x->b[x->next].at == x->base + first + i)
            e = add_one(x, &p, f);
    }
    chain_segment_close(s);
    return e == OK ? OK : fault_file(f, e, path);
}

static err_t read_shard(struct finding *x, struct fault *f)
{
    const struct chain_header *h = NULL;
    struct chain_headers *headers = NULL;
    enum chain_check check;
    struct chain_link start;
    uint64_t segment_first = 0, size = 0, blocks = 0;
    uint64_t end = x->base + x->run.s->shard[x->shard].size;
    err_t e;
    chain_link_start(&x->run, &start, x->shard);
    GO(chain_headers_open(&headers, &x->run, x->shard, &start, 0, f));
    while (x->next < x->count && x->b[x->next].at < end) {
        GO(chain_headers_next(headers, &h, &check, f));
        if (h != NULL) {
            size = h->size;
            blocks++;
        }
        if (h != NULL && blocks % CHAIN_SEGMENT_BLOCKS != 0)
            continue;
        if (size > segment_first && x->b[x->next].at < x->base + size)
            GO(read_segment(x, (blocks - 1) / CHAIN_SEGMENT_BLOCKS, segment_first, size - segment_first, f));
        segment_first = size;
        if (h == NULL)
            break;
    }
out:
    chain_headers_close(headers);
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
    for (; x.shard < s->shard_count && e == OK; x.base += s->shard[x.shard++].size)
        if (x.next < count && b[x.next].at < x.base + s->shard[x.shard].size)
            e = read_shard(&x, f);
    free(x.run.end);
    if (e == OK && x.next < count)
        e = ERR_MISSING;
    if (e != OK && (f == NULL || f->err == OK))
        fault_set(f, e, "a ballot that was verified is not there any more");
    return e;
}
