#include "tally/chain_node.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "ceremony/base/file.h"
#include "ceremony/base/secret.h"
#include "tally/chain_node_parts.h"
#include "tally/chain_segment.h"

/* --- opening --- */

static err_t shard_file(char out[CHAIN_PATH_MAX], const struct chain_node *n, const char *file,
                        struct fault *f)
{
    err_t e = chain_shard_path(out, n->d, n->look.name.s, file);
    return e == OK ? OK : fault_set(f, e, "the name of the directory is too long");
}

static err_t open_headers(struct chain_node *n, struct fault *f)
{
    char path[CHAIN_PATH_MAX];
    TRY(shard_file(path, n, "headers", f));
    TRY(file_open_state(&n->headers_fd, path, O_RDWR | O_CREAT, 0644, f));
    if (ftruncate(n->headers_fd, (off_t)n->look.end) != 0 || fsync(n->headers_fd) != 0)
        return fault_file(f, fault_set(f, ERR_IO, "opening headers: %s", strerror(errno)), path);
    return OK;
}

/* The shards that this one was split from, the nearest last. */
static err_t open_above(struct chain_node *n, struct fault *f)
{
    char path[CHAIN_PATH_MAX];
    struct chain_shard_look up;
    struct chain_shard_name name = {""};
    size_t len = strlen(n->look.name.s);
    for (size_t i = 0; i < len; i++) {
        memcpy(name.s, n->look.name.s, i);
        TRY(chain_shard_path(path, n->d, name.s, NULL));
        if (access(path, F_OK) != 0)
            continue;
        TRY(chain_shard_look(&up, n->d, name.s, f));
        if (up.last.state != CHAIN_SPLIT)
            return fault_set(f, ERR_RULE, "shard s%s was not split, but there is a half of it", name.s);
        struct above *a = &n->above[n->above_count++];
        TRY(chain_seen_open(&a->seen, path, up.last.size, 0, f));
        TRY(chain_shard_path(path, n->d, name.s, "ballots.mmr"));
        TRY(mmr_open_read(&a->ballots, path, up.last.size, f));
        if (n->look.headers == 0)
            n->previous = up.last.id;
        n->least_time = up.last.time;
    }
    if (n->look.headers > 0) {
        n->previous = n->look.last.id;
        n->least_time = n->look.last.time;
    }
    return OK;
}

static err_t open_tree(struct mmr **out, const struct chain_node *n, const char *name, const hash_t *root,
                       struct fault *f)
{
    char path[CHAIN_PATH_MAX];
    TRY(shard_file(path, n, name, f));
    return mmr_open(out, path, n->look.last.size, root, f);
}

/* Threads have an equation each, and room for it: for what is answered together, not for more. */
static err_t new_batch(struct chain_node *n)
{
    const struct chain_tuning *t = &n->d->tuning;
    size_t points = t->batch_points ? t->batch_points : ballot_batch_points(t->threads);
    size_t most = t->batch * chain_points_max(n->d->ctx.e) / t->threads;
    most += most / 4 + 1; /* room is by bytes, and ballots have some besides their points */
    points = points < most ? points : most;
    ballot_layout_set_window(n->layout, t->window);
    return ballot_batch_new(&n->batch, n->layout, n->d->ctx.e, points * t->threads, t->threads);
}

static err_t open_pending(struct chain_node *n, struct fault *f)
{
    uint32_t block = n->d->settings.block;
    for (n->slots = 64; n->slots < 2 * (size_t)block;)
        n->slots *= 2;
    n->pending = calloc(block, sizeof *n->pending);
    n->slot = calloc(n->slots, sizeof *n->slot);
    random_bytes(n->key, sizeof n->key);
    if (!n->pending || !n->slot)
        return fault_set(f, ERR_MEMORY, "the unfinished block");
    err_t e = ballot_layout_new(&n->layout, n->d->ctx.e);
    if (e == OK)
        e = new_batch(n);
    return e == OK ? OK : fault_set(f, e, "checking ballots");
}

static err_t open_blocks(struct chain_node *n, struct fault *f)
{
    uint64_t *sizes;
    const char *shard = n->look.name.s;
    TRY(blocks_cut(n->d, shard, n->look.headers, f));
    TRY(chain_shard_sizes(&sizes, n->d, &n->look, f));
    segment_counts(n->in_block, sizes, n->look.headers, n->look.headers / CHAIN_SEGMENT_BLOCKS);
    err_t e = segments_complete(n->d, shard, sizes, n->look.headers, f);
    for (uint64_t k = 0; k < n->look.headers / CHAIN_SEGMENT_BLOCKS; k++)
        n->segment_bytes += segment_size(n->d, shard, k);
    free(sizes);
    return e;
}

/* --- the journal, again --- */

static err_t retake(struct chain_node *n, struct fault *f)
{
    TRY(ballot_batch_run(n->batch));
    for (size_t i = 0; i < ballot_batch_count(n->batch); i++) {
        const struct ballot_item *it = ballot_batch_item(n->batch, i);
        hash_t leaf;
        int found;
        if (it->err != OK)
            return ballot_batch_fault(n->batch, i, f);
        TRY(node_find(n, &it->id, &leaf, &found, f));
        if (found || chain_row_of(&n->d->ctx, it->place) < 0 || !chain_shard_has(&n->look.name, &it->id))
            return fault_set(f, ERR_DUPLICATE, "a ballot in the journal does not belong there");
        TRY(node_keep(n, i));
    }
    ballot_batch_clear(n->batch);
    return OK;
}

static err_t on_journal(void *ctx, const uint8_t *data, size_t len, struct fault *f)
{
    struct chain_node *n = ctx;
    if (n->count + ballot_batch_count(n->batch) == n->d->settings.block)
        return fault_set(f, ERR_LIMIT, "more ballots than a block has");
    if (!ballot_batch_has_room(n->batch, len))
        TRY(retake(n, f));
    err_t e = ballot_batch_put(n->batch, data, len, 0);
    return e == OK ? OK : fault_set(f, e, "reading the journal");
}

static err_t open_journal(struct chain_node *n, struct fault *f)
{
    char path[CHAIN_PATH_MAX];
    TRY(shard_file(path, n, "journal", f));
    TRY(chain_journal_open(&n->journal, path, n->look.headers, ballot_len_max(n->d->ctx.e), on_journal, n,
                           f));
    err_t e = retake(n, f);
    return e == OK ? OK : fault_file(f, e, path);
}

static void show(struct chain_node *n)
{
    struct statvfs fs;
    metrics_set(n->metrics, METRIC_CHAIN_SIZE, (double)n->look.last.size);
    metrics_set(n->metrics, METRIC_CHAIN_STATE, (double)n->look.last.state);
    metrics_set(n->metrics, METRIC_CHAIN_LAG, (double)n->count);
    metrics_set(n->metrics, METRIC_CHAIN_SEGMENTS, (double)n->segment_bytes);
    if (n->look.headers > 0)
        metrics_set(n->metrics, METRIC_CHAIN_HEIGHT, (double)n->look.last.height);
    if (statvfs(n->d->path, &fs) == 0)
        metrics_set(n->metrics, METRIC_CHAIN_FREE, (double)fs.f_bavail * (double)fs.f_frsize);
}

/* An empty directory in its place, where a disk is not mounted for example, is no shard without ballots. */
static err_t check_made(const struct chain_node *n, struct fault *f)
{
    static const char *const made[] = {"blocks", "segments"};
    char path[CHAIN_PATH_MAX];
    for (size_t i = 0; i < 2; i++) {
        TRY(shard_file(path, n, made[i], f));
        TRY(file_is_dir(path, f));
    }
    return OK;
}

/* What is behind the last header is cut off in all files: not while the journal knows of later ones. */
static err_t check_journal(const struct chain_node *n, struct fault *f)
{
    char path[CHAIN_PATH_MAX];
    TRY(shard_file(path, n, "journal", f));
    return chain_journal_check(path, n->look.headers, ballot_len_max(n->d->ctx.e), f);
}

static err_t open_all(struct chain_node *n, const char *shard, struct fault *f)
{
    char dir[CHAIN_PATH_MAX];
    TRY(chain_shard_path(dir, n->d, shard, NULL));
    if (access(dir, F_OK) != 0)
        return fault_set(f, ERR_MISSING, "there is no shard s%s", shard);
    TRY(chain_shard_look(&n->look, n->d, shard, f));
    if (n->look.last.state != CHAIN_OPEN)
        return fault_set(f, ERR_DONE, "shard s%s has been %s", shard,
                         n->look.last.state == CHAIN_SPLIT ? "split" : "closed");
    TRY(check_made(n, f));
    TRY(check_journal(n, f));
    TRY(open_above(n, f));
    TRY(open_headers(n, f));
    TRY(open_blocks(n, f));
    TRY(open_tree(&n->ballots, n, "ballots.mmr", &n->look.last.root, f));
    TRY(open_tree(&n->ids, n, "ids.mmr", &n->look.last.ids, f));
    TRY(chain_seen_open(&n->seen, dir, n->look.last.size, 1, f));
    TRY(chain_shard_tally(&n->sums, n->d, &n->look, f));
    TRY(open_pending(n, f));
    TRY(open_journal(n, f));
    return chain_sync_dir(dir, f); /* the files may be new */
}

err_t chain_node_open(struct chain_node **out, const struct chain_dir *d, const char *shard,
                      const struct signer *signer, struct metrics *metrics, struct fault *f)
{
    *out = NULL;
    if (memcmp(signer->key.b, d->ctx.c->key.b, POINT_LEN) != 0)
        return fault_set(f, ERR_SIGNATURE, "this key does not sign headers of %s", d->ctx.c->id);
    struct chain_node *n = calloc(1, sizeof *n);
    if (!n)
        return fault_set(f, ERR_MEMORY, "shard");
    n->d = d;
    n->signer = signer;
    n->metrics = metrics;
    n->headers_fd = -1;
    err_t e = open_all(n, shard, f);
    if (e != OK) {
        if (f && f->err != e)
            fault_set(f, e, "opening a shard");
        chain_node_free(n);
        return fault_who(f, e, "shard s%s", shard);
    }
    show(n);
    *out = n;
    return OK;
}

void chain_node_free(struct chain_node *n)
{
    if (!n)
        return;
    if (merge_end(n->merge, NULL) != OK)
        n->merge = NULL; /* opening again joins it */
    node_pending_clear(n);
    if (n->headers_fd >= 0)
        close(n->headers_fd);
    mmr_free(n->ballots);
    mmr_free(n->ids);
    chain_seen_free(n->seen);
    for (size_t i = 0; i < n->above_count; i++) {
        chain_seen_free(n->above[i].seen);
        mmr_free(n->above[i].ballots);
    }
    chain_journal_free(n->journal);
    chain_sums_free(n->sums);
    ballot_batch_free(n->batch);
    ballot_layout_free(n->layout);
    free(n->pending);
    free(n->slot);
    free(n);
}

void chain_node_get_status(const struct chain_node *n, struct chain_node_status *out)
{
    *out = (struct chain_node_status){n->look.last.state, n->look.headers, n->look.last.size, n->count,
                                      n->look.last.id};
}

int chain_node_due(const struct chain_node *n)
{
    if (n->count == 0)
        return -1;
    double left = n->since + n->d->settings.seconds - metrics_now();
    return left <= 0 ? 0 : (int)(left * 1000) + 1;
}

/* --- blocks --- */

static int pending_order(const void *a, const void *b)
{
    return hash_cmp(&((const struct pending *)a)->id, &((const struct pending *)b)->id);
}

/* Of a tree with so many leaves. */
static uint64_t tree_nodes(uint64_t leaves)
{
    return 2 * leaves - (uint64_t)__builtin_popcountll(leaves);
}

/* Leaves and ids, handed to the system. */
static err_t grow_trees(struct chain_node *n, struct fault *f)
{
    double start = metrics_now();
    hash_t *id = malloc((n->count + 1) * sizeof *id);
    err_t e = id ? OK : ERR_MEMORY;
    for (size_t i = 0; i < n->count && e == OK; i++) {
        hash_t leaf;
        id[i] = n->pending[i].id;
        merkle_leaf(&leaf, id[i].b, HASH_LEN);
        e = mmr_add(n->ballots, &n->pending[i].leaf);
        if (e == OK)
            e = mmr_add(n->ids, &leaf);
    }
    if (e != OK)
        fault_set(f, e, "trees");
    if (e == OK)
        e = mmr_write(n->ballots, f);
    if (e == OK)
        e = mmr_write(n->ids, f);
    if (e == OK)
        e = chain_seen_append(n->seen, id, n->count, f);
    free(id);
    uint64_t nodes = tree_nodes(mmr_size(n->ballots)) - tree_nodes(mmr_size(n->ballots) - n->count);
    metrics_add(n->metrics, METRIC_CHAIN_WRITTEN, (2 * nodes + n->count) * HASH_LEN); /* two trees, ids */
    metrics_observe(n->metrics, METRIC_CHAIN_APPEND, metrics_now() - start);
    return e;
}

/* In place: the one of the header before is in the other file, and what is torn has not the header's hash. */
static err_t write_tally(struct chain_node *n, struct chain_header *h, int *fd, struct fault *f)
{
    char path[CHAIN_PATH_MAX];
    struct cbor_out o = CBOR_OUT_INIT;
    TRY(shard_file(path, n, chain_tally_name(h->height), f));
    err_t e = chain_running_put(&o, &n->d->ctx, n->sums);
    if (e != OK)
        fault_set(f, e, "running tally");
    if (e == OK)
        e = file_open_state(fd, path, O_WRONLY | O_CREAT | O_TRUNC, 0644, f);
    for (size_t at = 0; e == OK && at < o.len;) {
        ssize_t got = write(*fd, o.data + at, o.len - at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            e = fault_file(f, fault_set(f, ERR_IO, "writing: %s", strerror(errno)), path);
        else
            at += (size_t)got;
    }
    hash_one(&h->tally, o.data, o.len);
    metrics_add(n->metrics, METRIC_CHAIN_WRITTEN, o.len);
    cbor_out_free(&o);
    return e;
}

/* Everything that the header will cover. All of it is written before anything is synced, so that most of it
 * goes in one go. */
static err_t make_durable(struct chain_node *n, struct chain_header *h, struct fault *f)
{
    char path[CHAIN_PATH_MAX];
    int tally = -1;
    err_t e;
    GO(grow_trees(n, f));
    h->size = mmr_size(n->ballots);
    mmr_root(n->ballots, &h->root);
    mmr_root(n->ids, &h->ids);
    GO(write_tally(n, h, &tally, f));
    GO(blocks_write(n, h->height, f));
    GO(mmr_sync(n->ballots, f));
    GO(mmr_sync(n->ids, f));
    GO(chain_seen_sync(n->seen, f));
    if (fsync(tally) != 0)
        GO(fault_set(f, ERR_IO, "writing the running tally: %s", strerror(errno)));
    /* The first of each name: also in the directory. */
    if (h->height < 2) {
        GO(chain_shard_path(path, n->d, n->look.name.s, NULL));
        GO(chain_sync_dir(path, f));
    }
out:
    if (tally >= 0)
        close(tally);
    return e;
}

static err_t append_header(struct chain_node *n, struct chain_header *h, struct fault *f)
{
    struct cbor_out message = CBOR_OUT_INIT, o = CBOR_OUT_INIT;
    err_t e;
    GO(chain_header_make(&message, h, &n->d->ctx, n->signer, f));
    cbor_put_bytes(&o, message.data, message.len);
    if (o.err != OK)
        GO(fault_set(f, o.err, "header"));
    if (pwrite(n->headers_fd, o.data, o.len, (off_t)n->look.end) != (ssize_t)o.len ||
        fdatasync(n->headers_fd) != 0)
        GO(fault_set(f, ERR_IO, "writing a header: %s", strerror(errno)));
    n->look.end += o.len;
    metrics_add(n->metrics, METRIC_CHAIN_WRITTEN, o.len);
out:
    cbor_out_free(&message);
    cbor_out_free(&o);
    return e;
}

/* A whole segment is joined behind our back; the one before must be done by then. */
static err_t join(struct chain_node *n, uint64_t height, struct fault *f)
{
    if ((height + 1) % CHAIN_SEGMENT_BLOCKS != 0)
        return OK;
    uint64_t k = height / CHAIN_SEGMENT_BLOCKS;
    int joined = n->merge != NULL;
    err_t e = merge_end(n->merge, f);
    n->merge = NULL;
    TRY(e);
    if (joined) {
        uint64_t bytes = segment_size(n->d, n->look.name.s, k - 1);
        n->segment_bytes += bytes;
        metrics_add(n->metrics, METRIC_CHAIN_WRITTEN, bytes);
    }
    return merge_start(&n->merge, n->d, n->look.name.s, k, n->in_block, f);
}

static err_t finish(struct chain_node *n, enum chain_state state, struct fault *f)
{
    struct chain_header h = {
        .shard = n->look.name, .height = n->look.headers, .previous = n->previous, .state = state};
    uint64_t now = (uint64_t)time(NULL) / 3600;
    h.time = now > n->least_time ? now : n->least_time;
    if (h.height >= CHAIN_HEADERS_MAX)
        return fault_set(f, ERR_LIMIT, "the shard has as many blocks as there can be");
    qsort(n->pending, n->count, sizeof *n->pending, pending_order);
    TRY(make_durable(n, &h, f));
    TRY(append_header(n, &h, f));
    n->look.last = h;
    n->look.headers++;
    n->previous = h.id;
    n->least_time = h.time;
    n->in_block[h.height % CHAIN_SEGMENT_BLOCKS] = n->count;
    node_pending_clear(n);
    TRY(chain_journal_next(n->journal, f));
    TRY(chain_seen_commit(n->seen, f));
    metrics_set(n->metrics, METRIC_CHAIN_HEADER, (double)time(NULL));
    show(n);
    return join(n, h.height, f);
}

static err_t block(struct chain_node *n, enum chain_state state, struct fault *f)
{
    if (n->broken || n->look.last.state != CHAIN_OPEN)
        return fault_set(f, n->broken ? ERR_IO : ERR_DONE, "the shard does not take blocks");
    err_t e = finish(n, state, f);
    if (e != OK)
        n->broken = 1;
    return fault_who(f, e, "shard s%s", n->look.name.s);
}

err_t chain_node_block(struct chain_node *n, struct fault *f)
{
    return n->count == 0 ? OK : block(n, CHAIN_OPEN, f);
}

err_t chain_node_end(struct chain_node *n, enum chain_state state, struct fault *f)
{
    if (state == CHAIN_OPEN)
        return fault_set(f, ERR_BUG, "a shard ends split or closed");
    if (state == CHAIN_SPLIT && strlen(n->look.name.s) == CHAIN_SHARD_MAX)
        return fault_set(f, ERR_RULE, "shard s%s cannot be split any more", n->look.name.s);
    return block(n, state, f);
}
