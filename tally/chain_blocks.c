/* Blocks of the last segment, and joining sixteen of them. Both kinds of file are segments in form. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ceremony/base/file.h"
#include "tally/chain_node_parts.h"
#include "tally/chain_segment.h"

#define NICE 10

static err_t number_path(char out[CHAIN_PATH_MAX], const struct chain_dir *d, const char *shard,
                         const char *in, uint64_t number)
{
    char name[32];
    chain_number_name(name, in, number);
    return chain_shard_path(out, d, shard, name);
}

static uint64_t file_size(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
}

err_t blocks_write(struct chain_node *n, uint64_t height, struct fault *f)
{
    char path[CHAIN_PATH_MAX];
    struct chain_segment_writer *w;
    uint64_t content = 0;
    if (n->count == 0)
        return OK;
    for (size_t i = 0; i < n->count; i++)
        content += chain_pair_len(n->pending[i].len, n->pending[i].hints_len);
    TRY(number_path(path, n->d, n->look.name.s, "blocks", height));
    TRY(chain_segment_create(&w, path, content, f));
    for (size_t i = 0; i < n->count; i++) {
        const struct pending *p = &n->pending[i];
        err_t e = chain_segment_put(w, p->data, p->len, p->data + p->len, p->hints_len, f);
        if (e != OK) {
            chain_segment_abandon(w);
            return e;
        }
    }
    TRY(chain_segment_commit(w, f));
    metrics_add(n->metrics, METRIC_CHAIN_WRITTEN, file_size(path));
    return OK;
}

struct cutting {
    const struct chain_dir *d;
    const char *shard;
    uint64_t height;
};

static err_t cut_one(void *ctx, const char *name, struct fault *f)
{
    const struct cutting *c = ctx;
    char path[CHAIN_PATH_MAX];
    char *end;
    unsigned long long number = strtoull(name, &end, 10);
    if (end != name + 8 || strcmp(end, ".zst") != 0)
        return fault_set(f, ERR_FORMAT, "%s among the blocks is no block", name);
    if (number < c->height)
        return OK;
    TRY(number_path(path, c->d, c->shard, "blocks", number));
    return unlink(path) == 0 ? OK : fault_file(f, fault_set(f, ERR_IO, "deleting"), path);
}

err_t blocks_cut(const struct chain_dir *d, const char *shard, uint64_t height, struct fault *f)
{
    struct cutting c = {d, shard, height};
    char path[CHAIN_PATH_MAX];
    TRY(chain_shard_path(path, d, shard, "blocks"));
    return file_list(path, cut_one, &c, f);
}

/* --- joining --- */

unsigned segment_counts(uint64_t ballots[CHAIN_SEGMENT_BLOCKS], const uint64_t *sizes, uint64_t headers,
                        uint64_t k)
{
    unsigned blocks = 0;
    memset(ballots, 0, CHAIN_SEGMENT_BLOCKS * sizeof *ballots);
    for (uint64_t h = k * CHAIN_SEGMENT_BLOCKS; h < headers && blocks < CHAIN_SEGMENT_BLOCKS; h++)
        ballots[blocks++] = sizes[h] - (h > 0 ? sizes[h - 1] : 0);
    return blocks;
}

struct joining {
    const struct chain_dir *d;
    const char *shard;
    uint64_t first; /* height */
    const uint64_t *ballots;
};

static err_t block_open(struct chain_segment **out, const struct joining *j, unsigned i, struct fault *f)
{
    char path[CHAIN_PATH_MAX];
    TRY(number_path(path, j->d, j->shard, "blocks", j->first + i));
    return chain_segment_open(out, j->d->ctx.e, path, j->ballots[i], f);
}

static err_t copy_block(struct chain_segment_writer *w, const struct joining *j, unsigned i, struct fault *f)
{
    struct chain_segment *s;
    struct chain_pair p;
    TRY(block_open(&s, j, i, f));
    err_t e = OK;
    for (;;) {
        e = chain_segment_next(s, &p, f);
        if (e != OK || !p.ballot)
            break;
        e = chain_segment_put(w, p.ballot, p.len, p.hints, p.hints_len, f);
        if (e != OK)
            break;
    }
    chain_segment_close(s);
    return e;
}

err_t segment_join(const struct chain_dir *d, const char *shard, uint64_t k,
                   const uint64_t ballots[CHAIN_SEGMENT_BLOCKS], unsigned blocks, const char *to,
                   struct fault *f)
{
    struct joining j = {d, shard, k * CHAIN_SEGMENT_BLOCKS, ballots};
    struct chain_segment_writer *w;
    struct chain_segment *s;
    uint64_t content = 0;
    for (unsigned i = 0; i < blocks; i++) {
        if (ballots[i] == 0)
            continue;
        TRY(block_open(&s, &j, i, f));
        content += chain_segment_content(s);
        chain_segment_close(s);
    }
    if (content == 0)
        return OK;
    TRY(chain_segment_create(&w, to, content, f));
    for (unsigned i = 0; i < blocks; i++) {
        err_t e = ballots[i] == 0 ? OK : copy_block(w, &j, i, f);
        if (e != OK) {
            chain_segment_abandon(w);
            return e;
        }
    }
    return chain_segment_commit(w, f);
}

/* The segment is there: its blocks are not needed any more. */
static err_t drop_blocks(const struct chain_dir *d, const char *shard, uint64_t k, struct fault *f)
{
    char path[CHAIN_PATH_MAX];
    for (unsigned i = 0; i < CHAIN_SEGMENT_BLOCKS; i++) {
        TRY(number_path(path, d, shard, "blocks", k * CHAIN_SEGMENT_BLOCKS + i));
        if (unlink(path) != 0 && access(path, F_OK) == 0)
            return fault_file(f, fault_set(f, ERR_IO, "deleting"), path);
    }
    return OK;
}

static err_t join_whole(const struct chain_dir *d, const char *shard, uint64_t k,
                        const uint64_t ballots[CHAIN_SEGMENT_BLOCKS], struct fault *f)
{
    char path[CHAIN_PATH_MAX];
    TRY(number_path(path, d, shard, "segments", k));
    TRY(segment_join(d, shard, k, ballots, CHAIN_SEGMENT_BLOCKS, path, f));
    return drop_blocks(d, shard, k, f);
}

err_t segments_complete(const struct chain_dir *d, const char *shard, const uint64_t *sizes, uint64_t headers,
                        struct fault *f)
{
    char path[CHAIN_PATH_MAX];
    uint64_t ballots[CHAIN_SEGMENT_BLOCKS], whole = headers / CHAIN_SEGMENT_BLOCKS;
    for (uint64_t k = whole; k-- > 0;) {
        int blocks_there = 0;
        segment_counts(ballots, sizes, headers, k);
        for (unsigned i = 0; i < CHAIN_SEGMENT_BLOCKS && !blocks_there; i++) {
            TRY(number_path(path, d, shard, "blocks", k * CHAIN_SEGMENT_BLOCKS + i));
            blocks_there = access(path, F_OK) == 0;
        }
        if (!blocks_there) /* one after the other is joined: those before are, too */
            return OK;
        TRY(number_path(path, d, shard, "segments", k));
        if (access(path, F_OK) == 0)
            TRY(drop_blocks(d, shard, k, f));
        else
            TRY(join_whole(d, shard, k, ballots, f));
    }
    return OK;
}

uint64_t segment_size(const struct chain_dir *d, const char *shard, uint64_t k)
{
    char path[CHAIN_PATH_MAX];
    return number_path(path, d, shard, "segments", k) == OK ? file_size(path) : 0;
}

/* --- in a thread --- */

struct chain_merge {
    pthread_t thread;
    const struct chain_dir *d;
    struct chain_shard_name shard;
    uint64_t k, ballots[CHAIN_SEGMENT_BLOCKS];
    err_t err;
    struct fault fault;
};

static void *merge_run(void *ctx)
{
    struct chain_merge *m = ctx;
    /* Ballots that wait go first; without the right to do so it is only slower. */
    setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), NICE);
    m->err = join_whole(m->d, m->shard.s, m->k, m->ballots, &m->fault);
    return NULL;
}

err_t merge_start(struct chain_merge **out, const struct chain_dir *d, const char *shard, uint64_t k,
                  const uint64_t ballots[CHAIN_SEGMENT_BLOCKS], struct fault *f)
{
    *out = NULL;
    struct chain_merge *m = calloc(1, sizeof *m);
    if (!m)
        return fault_set(f, ERR_MEMORY, "joining blocks");
    m->d = d;
    m->k = k;
    memcpy(m->ballots, ballots, sizeof m->ballots);
    fault_clear(&m->fault);
    err_t e = chain_shard_parse(&m->shard, shard);
    if (e == OK && pthread_create(&m->thread, NULL, merge_run, m) != 0)
        e = fault_set(f, ERR_MEMORY, "a thread to join blocks");
    if (e != OK) {
        free(m);
        return e;
    }
    *out = m;
    return OK;
}

err_t merge_end(struct chain_merge *m, struct fault *f)
{
    if (!m)
        return OK;
    pthread_join(m->thread, NULL);
    err_t e = m->err;
    if (e != OK && f)
        *f = m->fault;
    free(m);
    return e;
}
