#include "tally/chain_export.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "ceremony/base/file.h"
#include "tally/chain_node_parts.h"

#define COPY_LEN ((size_t)1 << 20)
#define TRIES 50 /* a node that runs is faster than we are, but not so often */
#define MOVE_TRIES 4

struct export
{
    const struct chain_dir *d;
    const char *to;
    int with_ids;
    struct chain_shard_look *look;
    size_t count;
    struct chain_snapshot *snapshot;
    struct cbor_out bytes; /* of the snapshot */
};

/* --- copying --- */

static err_t to_path(char out[CHAIN_PATH_MAX], const struct export *x, const char *dir, const char *shard,
                     const char *suffix)
{
    int n = snprintf(out, CHAIN_PATH_MAX, "%s/%s/s%s%s", x->to, dir, shard, suffix);
    return n > 0 && n < CHAIN_PATH_MAX ? OK : ERR_LIMIT;
}

/* The first len bytes of a file. */
static err_t copy_start(const char *to, const char *from, uint64_t len, struct fault *f)
{
    struct file_writer w = {0};
    FILE *in = NULL;
    uint8_t *buffer = malloc(COPY_LEN);
    err_t e = buffer ? OK : fault_set(f, ERR_MEMORY, "copying");
    if (e == OK)
        e = file_open(&in, from, f);
    if (e == OK)
        e = file_writer_open(&w, to, f);
    while (e == OK && len > 0) {
        size_t n = fread(buffer, 1, len < COPY_LEN ? (size_t)len : COPY_LEN, in);
        if (n == 0)
            e = fault_file(f, fault_set(f, ferror(in) ? ERR_IO : ERR_TRUNCATED, "it ends too early"), from);
        else
            e = file_writer_add(&w, buffer, n, f);
        len -= n;
    }
    if (e == OK)
        e = file_writer_commit(&w, FILE_REPLACE, f);
    file_writer_abandon(&w);
    if (in)
        fclose(in);
    free(buffer);
    return e;
}

static err_t link_or_copy(const char *to, const char *from, struct fault *f)
{
    struct stat st;
    unlink(to);
    if (link(from, to) == 0)
        return OK;
    if (stat(from, &st) != 0)
        return fault_file(f, fault_set(f, ERR_MISSING, "it is not there any more"), from);
    return copy_start(to, from, (uint64_t)st.st_size, f);
}

/* --- a shard --- */

/* From its file or from the blocks; *pruned if it is gone. ERR_MISSING: it has just moved. */
static err_t copy_segment(const struct export *x, const char *shard, uint64_t k,
                          const uint64_t ballots[CHAIN_SEGMENT_BLOCKS], unsigned blocks, int *pruned,
                          struct fault *f)
{
    char from[CHAIN_PATH_MAX], to[CHAIN_PATH_MAX], name[32];
    int there = 0, needed = 0;
    *pruned = 0;
    chain_number_name(name, "segments", k);
    TRY(to_path(to, x, "segments", shard, name + strlen("segments")));
    TRY(chain_shard_path(from, x->d, shard, name));
    if (access(from, F_OK) == 0)
        return link_or_copy(to, from, f);
    for (unsigned i = 0; i < blocks; i++) {
        chain_number_name(name, "blocks", k * CHAIN_SEGMENT_BLOCKS + i);
        TRY(chain_shard_path(from, x->d, shard, name));
        needed += ballots[i] > 0;
        there += ballots[i] > 0 && access(from, F_OK) == 0;
    }
    if (there == needed)
        return segment_join(x->d, shard, k, ballots, blocks, to, f);
    *pruned = 1;
    return OK;
}

static err_t export_segment(const struct export *x, const char *shard, const uint64_t *sizes,
                            uint64_t headers, uint64_t k, int *any_pruned, struct fault *f)
{
    uint64_t ballots[CHAIN_SEGMENT_BLOCKS], sum = 0;
    unsigned blocks = segment_counts(ballots, sizes, headers, k);
    int pruned = 0;
    err_t e = OK;
    for (unsigned i = 0; i < blocks; i++)
        sum += ballots[i];
    if (sum == 0)
        return OK;
    for (int i = 0; i < MOVE_TRIES; i++) {
        e = copy_segment(x, shard, k, ballots, blocks, &pruned, f);
        if (e != ERR_MISSING && !(e == OK && pruned))
            break;
    }
    *any_pruned |= pruned;
    return e;
}

static err_t export_segments(const struct export *x, const struct chain_shard_look *s, int *pruned,
                             struct fault *f)
{
    char path[CHAIN_PATH_MAX];
    uint64_t *sizes;
    *pruned = 0;
    TRY(to_path(path, x, "segments", s->name.s, ""));
    if (s->last.size > 0)
        TRY(file_mkdir(path, f));
    TRY(chain_shard_sizes(&sizes, x->d, s, f));
    err_t e = OK;
    for (uint64_t k = 0; k * CHAIN_SEGMENT_BLOCKS < s->headers && e == OK; k++)
        e = export_segment(x, s->name.s, sizes, s->headers, k, pruned, f);
    free(sizes);
    return e;
}

static err_t export_leaves(const struct export *x, const struct chain_shard_look *s, struct fault *f)
{
    char path[CHAIN_PATH_MAX];
    struct file_writer w = {0};
    struct mmr *m = NULL;
    err_t e;
    GO(chain_shard_path(path, x->d, s->name.s, "ballots.mmr"));
    GO(mmr_open_read(&m, path, s->last.size, f));
    GO(to_path(path, x, "leaves", s->name.s, ""));
    GO(file_writer_open(&w, path, f));
    for (uint64_t i = 0; i < s->last.size; i++) {
        hash_t leaf;
        GO(mmr_leaf(m, &leaf, i, f));
        GO(file_writer_add(&w, leaf.b, HASH_LEN, f));
    }
    GO(file_writer_commit(&w, FILE_REPLACE, f));
out:
    file_writer_abandon(&w);
    mmr_free(m);
    return e;
}

static err_t export_shard(const struct export *x, const struct chain_shard_look *s, struct fault *f)
{
    char from[CHAIN_PATH_MAX], to[CHAIN_PATH_MAX];
    int pruned;
    if (s->headers == 0)
        return OK;
    TRY(export_segments(x, s, &pruned, f));
    if (pruned || x->with_ids) {
        TRY(chain_shard_path(from, x->d, s->name.s, "ids"));
        TRY(to_path(to, x, "ids", s->name.s, ""));
        TRY(copy_start(to, from, s->last.size * HASH_LEN, f));
        TRY(export_leaves(x, s, f));
    }
    TRY(chain_shard_path(from, x->d, s->name.s, "headers"));
    TRY(to_path(to, x, "headers", s->name.s, ".cbor"));
    return copy_start(to, from, s->end, f);
}

/* --- the snapshot --- */

err_t chain_snapshot_read(struct chain_snapshot **out, uint8_t **bytes, size_t *len,
                          const struct chain_context *ctx, const char *path, struct fault *f)
{
    uint8_t *data;
    size_t data_len;
    *out = NULL;
    TRY(file_read(&data, &data_len, path, CHAIN_SNAPSHOT_MAX, f));
    err_t e = chain_snapshot_parse_var(out, ctx, data, data_len, f);
    if (e != OK || !bytes) {
        free(data);
        return fault_file(f, e, path);
    }
    *bytes = data;
    *len = data_len;
    return OK;
}

/* Adds a shard's running tally to the sums, and writes it. */
static err_t take_tally(struct export *x, struct chain_sums *sums, const struct chain_shard_look *s,
                        struct fault *f)
{
    char path[CHAIN_PATH_MAX];
    struct cbor_out o = CBOR_OUT_INIT;
    struct chain_sums *part;
    TRY(chain_shard_tally(&part, x->d, s, f));
    err_t e = chain_sums_add_var(sums, part);
    if (e == OK && s->headers > 0) {
        e = chain_running_put(&o, &x->d->ctx, part);
        if (e == OK)
            e = to_path(path, x, "tallies", s->name.s, ".cbor");
        if (e == OK)
            e = file_write(path, o.data, o.len, FILE_REPLACE, f);
        cbor_out_free(&o);
    }
    chain_sums_free(part);
    return e == OK ? OK : fault_set(f, e, "running tally of shard s%s", s->name.s);
}

/* All shards at about one moment, and their sums. ERR_HASH, ERR_MISSING, ERR_RULE: one went on, or was split,
 * while we looked. */
static err_t look_at_shards(struct export *x, struct chain_snapshot *s, struct fault *f)
{
    free(x->look);
    x->look = NULL;
    chain_sums_free(s->sums);
    s->sums = NULL;
    free(s->shard);
    s->shard = NULL;
    TRY(chain_dir_shards(&x->look, &x->count, x->d, f));
    s->shard = calloc(x->count + 1, sizeof *s->shard);
    s->shard_count = x->count;
    err_t e = s->shard ? chain_sums_new(&s->sums, &x->d->ctx) : ERR_MEMORY;
    if (e != OK)
        return fault_set(f, e, "snapshot");
    for (size_t i = 0; i < x->count; i++) {
        chain_shard_row(&s->shard[i], &x->look[i]);
        TRY(take_tally(x, s->sums, &x->look[i], f));
    }
    return chain_shards_check(s->shard, s->shard_count, f);
}

static err_t settle_on(struct export *x, struct chain_snapshot *s, struct fault *f)
{
    err_t e = OK;
    for (int i = 0; i < TRIES; i++) {
        e = look_at_shards(x, s, f);
        if (e != ERR_HASH && e != ERR_MISSING && e != ERR_RULE)
            break;
    }
    if (e == OK)
        fault_clear(f);
    return e;
}

static int same_shards(const struct chain_snapshot *a, const struct chain_snapshot *b)
{
    if (a->shard_count != b->shard_count)
        return 0;
    for (size_t i = 0; i < a->shard_count; i++)
        if (strcmp(a->shard[i].name.s, b->shard[i].name.s) != 0 ||
            a->shard[i].headers != b->shard[i].headers || hash_cmp(&a->shard[i].head, &b->shard[i].head) != 0)
            return 0;
    return 1;
}

/* The node writes a header and then syncs it; read between, and lost with the power after, it would be in a
 * snapshot and another in its place at the node: what is shown is durable first. */
static err_t sync_headers(const struct export *x, struct fault *f)
{
    for (size_t i = 0; i < x->count; i++) {
        char path[CHAIN_PATH_MAX];
        if (x->look[i].headers == 0)
            continue;
        TRY(chain_shard_path(path, x->d, x->look[i].name.s, "headers"));
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        int bad = fd < 0 || fdatasync(fd) != 0, why = errno;
        if (fd >= 0)
            close(fd);
        if (bad)
            return fault_file(f, fault_set(f, ERR_IO, "making it durable: %s", strerror(why)), path);
    }
    return OK;
}

/* A new one, or the last one again if no header came since. */
static err_t make_snapshot(struct export *x, struct fault *f)
{
    char path[CHAIN_PATH_MAX];
    struct chain_snapshot *last = NULL, *s = calloc(1, sizeof *s);
    err_t e = OK;
    x->snapshot = s;
    if (!s)
        return fault_set(f, ERR_MEMORY, "snapshot");
    GO(settle_on(x, s, f));
    GO(sync_headers(x, f));
    s->time = (uint64_t)time(NULL) / 3600;
    for (size_t i = 0; i < x->count; i++)
        s->time = x->look[i].last.time > s->time ? x->look[i].last.time : s->time;
    GO(chain_snapshot_last(&last, &s->number, x->d, f));
    if (last) {
        GO(chain_shards_grew(last, s->shard, s->shard_count, x->d, f));
        s->time = last->time > s->time ? last->time : s->time;
        s->previous = last->id;
    }
    if (last && same_shards(last, s)) {
        s->number = last->number;
        s->previous = last->previous;
        s->time = last->time;
    }
    GO(chain_snapshot_make(&x->bytes, s, &x->d->ctx, f));
    GO(chain_snapshot_path(path, x->d->path, s->number));
    GO(file_write(path, x->bytes.data, x->bytes.len, FILE_NEW, f));
out:
    chain_snapshot_free(last);
    return e;
}

/* --- all of it --- */

static err_t make_dirs(const struct export *x, struct fault *f)
{
    static const char *const dirs[] = {"finality", "headers", "tallies",  "segments",
                                       "ids",      "leaves",  "snapshots"};
    char path[CHAIN_PATH_MAX];
    TRY(file_path(path, sizeof path, x->to, "snapshot.cbor"));
    if (access(path, F_OK) == 0)
        return fault_file(f, fault_set(f, ERR_EXISTS, "there is an export already"), path);
    for (size_t i = 0; i < sizeof dirs / sizeof *dirs; i++) {
        TRY(file_path(path, sizeof path, x->to, dirs[i]));
        TRY(file_mkdir(path, f));
    }
    return OK;
}

/* What is empty is not there. */
static void drop_empty_dirs(const struct export *x)
{
    static const char *const dirs[] = {"ids", "leaves", "snapshots", "segments"};
    char path[CHAIN_PATH_MAX];
    for (size_t i = 0; i < sizeof dirs / sizeof *dirs; i++)
        if (file_path(path, sizeof path, x->to, dirs[i]) == OK)
            rmdir(path);
}

static err_t export_earlier(const struct export *x, struct fault *f)
{
    char from[CHAIN_PATH_MAX], to[CHAIN_PATH_MAX];
    for (uint64_t i = 0; i < x->snapshot->number; i++) {
        TRY(chain_snapshot_path(from, x->d->path, i));
        TRY(chain_snapshot_path(to, x->to, i));
        TRY(link_or_copy(to, from, f));
    }
    return OK;
}

static err_t export_all(struct export *x, struct fault *f)
{
    char path[CHAIN_PATH_MAX];
    TRY(make_dirs(x, f));
    TRY(make_snapshot(x, f));
    for (size_t i = 0; i < x->count; i++)
        TRY(export_shard(x, &x->look[i], f));
    TRY(export_earlier(x, f));
    drop_empty_dirs(x);
    TRY(file_path(path, sizeof path, x->to, "snapshot.cbor"));
    return file_write(path, x->bytes.data, x->bytes.len, FILE_NEW, f);
}

err_t chain_export(struct chain_snapshot **out, const struct chain_dir *d, const char *to, int with_ids,
                   struct fault *f)
{
    struct export x = {.d = d, .to = to, .with_ids = with_ids, .bytes = CBOR_OUT_INIT};
    int lock;
    if (out)
        *out = NULL;
    TRY(chain_dir_lock_export(&lock, d, f));
    err_t e = export_all(&x, f);
    close(lock);
    if (e == OK && out) {
        *out = x.snapshot;
        x.snapshot = NULL;
    }
    chain_snapshot_free(x.snapshot);
    cbor_out_free(&x.bytes);
    free(x.look);
    return e;
}

/* --- finality and pruning --- */

struct finals {
    const struct chain_context *ctx;
    const struct chain_snapshot *s;
    const char *dir;
    uint8_t signed_by[VALIDATORS_MAX];
};

static err_t final_one(void *ctx, const char *name, struct fault *f)
{
    struct finals *x = ctx;
    struct chain_finality fin;
    char path[CHAIN_PATH_MAX];
    uint8_t *data;
    size_t len;
    TRY(file_path(path, sizeof path, x->dir, name));
    TRY(file_read(&data, &len, path, CHAIN_FINALITY_MAX, f));
    err_t e = chain_finality_parse(&fin, x->ctx, data, len, f);
    free(data);
    if (e == OK && (fin.number != x->s->number || hash_cmp(&fin.snapshot, &x->s->id) != 0))
        e = fault_set(f, ERR_MISMATCH, "it is about another snapshot");
    if (e == OK)
        x->signed_by[fin.validator] = 1;
    return fault_file(f, e, path);
}

err_t chain_final_count(uint32_t *out, const struct chain_context *ctx, const char *export_dir,
                        const struct chain_snapshot *s, struct fault *f)
{
    char dir[CHAIN_PATH_MAX];
    struct finals x = {.ctx = ctx, .s = s, .dir = dir};
    *out = 0;
    TRY(file_path(dir, sizeof dir, export_dir, "finality"));
    TRY(file_list(dir, final_one, &x, f));
    for (size_t i = 0; i < VALIDATORS_MAX; i++)
        *out += x.signed_by[i];
    return OK;
}

static err_t drop(struct chain_pruned *out, const struct chain_dir *d, const char *shard, const char *in,
                  uint64_t number, struct fault *f)
{
    char path[CHAIN_PATH_MAX], name[32];
    struct stat st;
    chain_number_name(name, in, number);
    TRY(chain_shard_path(path, d, shard, name));
    if (stat(path, &st) != 0)
        return OK;
    if (unlink(path) != 0 && access(path, F_OK) == 0)
        return fault_file(f, fault_set(f, ERR_IO, "deleting"), path);
    out->segments++;
    out->bytes += (uint64_t)st.st_size;
    return OK;
}

/* With blocks of it that a crash has left: without the segment they would be taken for ones to be joined. */
static err_t prune_segment(struct chain_pruned *out, const struct chain_dir *d, const char *shard, uint64_t k,
                           struct fault *f)
{
    char path[CHAIN_PATH_MAX], name[32];
    chain_number_name(name, "segments", k);
    TRY(chain_shard_path(path, d, shard, name));
    if (access(path, F_OK) != 0)
        return OK;
    for (uint64_t i = 0; i < CHAIN_SEGMENT_BLOCKS; i++)
        TRY(drop(out, d, shard, "blocks", k * CHAIN_SEGMENT_BLOCKS + i, f));
    return drop(out, d, shard, "segments", k, f);
}

/* The whole segments below the snapshot, and of a shard that has ended the rest. */
static err_t prune_shard(struct chain_pruned *out, const struct chain_dir *d, const struct chain_shard *s,
                         struct fault *f)
{
    uint64_t whole = s->headers / CHAIN_SEGMENT_BLOCKS;
    for (uint64_t k = 0; k < whole; k++)
        TRY(prune_segment(out, d, s->name.s, k, f));
    if (s->state == CHAIN_OPEN)
        return OK;
    for (uint64_t h = whole * CHAIN_SEGMENT_BLOCKS; h < s->headers; h++)
        TRY(drop(out, d, s->name.s, "blocks", h, f));
    return OK;
}

/* Is this snapshot one that this node has made? */
static err_t is_own(const struct chain_dir *d, const struct chain_snapshot *s, struct fault *f)
{
    char path[CHAIN_PATH_MAX];
    struct chain_snapshot *own;
    TRY(chain_snapshot_path(path, d->path, s->number));
    if (access(path, F_OK) != 0)
        return fault_set(f, ERR_UNKNOWN, "this node has made no snapshot %llu",
                         (unsigned long long)s->number);
    TRY(chain_snapshot_read(&own, NULL, NULL, &d->ctx, path, f));
    int same = hash_cmp(&own->id, &s->id) == 0;
    chain_snapshot_free(own);
    return same ? OK
                : fault_set(f, ERR_UNKNOWN, "snapshot %llu of this node is another one",
                            (unsigned long long)s->number);
}

#define FINAL_LEN 24

/* DIR/final: a number and a line feed. */
static err_t write_final(const struct chain_dir *d, uint64_t number, struct fault *f)
{
    char path[CHAIN_PATH_MAX], text[FINAL_LEN];
    int n = snprintf(text, sizeof text, "%llu\n", (unsigned long long)number);
    TRY(chain_dir_path(path, d, "final"));
    return file_write(path, text, (size_t)n, FILE_REPLACE, f);
}

static double read_final(const struct chain_dir *d)
{
    char path[CHAIN_PATH_MAX];
    uint8_t *text;
    size_t len;
    if (chain_dir_path(path, d, "final") != OK || file_read(&text, &len, path, FINAL_LEN, NULL) != OK)
        return -1;
    double number = strtod((const char *)text, NULL);
    free(text);
    return number;
}

err_t chain_export_publish(const struct chain_dir *d, struct fault *f)
{
    char dir[CHAIN_PATH_MAX];
    uint64_t count;
    struct metrics *m = calloc(1, sizeof *m);
    err_t e = m ? OK : fault_set(f, ERR_MEMORY, "numbers");
    if (e == OK)
        e = metrics_init(m, "chain", "chain-export", d->ctx.c->id, NULL);
    if (e == OK)
        e = chain_snapshots_count(&count, d);
    if (e == OK)
        e = chain_dir_path(dir, d, "metrics");
    if (e == OK) {
        metrics_set(m, METRIC_CHAIN_SNAPSHOT, (double)count - 1);
        metrics_set(m, METRIC_CHAIN_FINAL, read_final(d));
        e = metrics_publish(m, dir, 1, f);
    }
    free(m);
    return e;
}

err_t chain_prune(struct chain_pruned *out, const struct chain_dir *d, const char *export_dir,
                  struct fault *f)
{
    struct chain_snapshot *s = NULL;
    char path[CHAIN_PATH_MAX];
    uint32_t count;
    int lock = -1;
    err_t e;
    memset(out, 0, sizeof *out);
    GO(chain_dir_lock_export(&lock, d, f));
    GO(file_path(path, sizeof path, export_dir, "snapshot.cbor"));
    GO(chain_snapshot_read(&s, NULL, NULL, &d->ctx, path, f));
    GO(is_own(d, s, f));
    GO(chain_final_count(&count, &d->ctx, export_dir, s, f));
    if (count < d->ctx.c->quorum)
        GO(fault_set(f, ERR_QUORUM, "%u of %u validators have signed it, %u are needed", count,
                     d->ctx.c->validator_count, d->ctx.c->quorum));
    for (size_t i = 0; i < s->shard_count; i++)
        GO(prune_shard(out, d, &s->shard[i], f));
    GO(write_final(d, s->number, f));
out:
    if (lock >= 0)
        close(lock);
    chain_snapshot_free(s);
    return e;
}
