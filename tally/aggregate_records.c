/* Node records from what was settled. Every run makes all of them again and leaves alone what is right
 * already: there is no progress to keep, and nothing old can stay. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ceremony/base/file.h"
#include "tally/aggregate_run.h"

/* --- files --- */

static int has_content(const char *path, const struct cbor_out *bytes)
{
    uint8_t *old = NULL;
    size_t len;
    if (file_read(&old, &len, path, NODE_MAX, NULL) != OK)
        return 0;
    int same = len == bytes->len && memcmp(old, bytes->data, len) == 0;
    free(old);
    return same;
}

static err_t write_all(int fd, const uint8_t *data, size_t len)
{
    while (len) {
        ssize_t n = write(fd, data, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return ERR_IO;
        data += n;
        len -= (size_t)n;
    }
    return OK;
}

/* Atomic like file_write, but synced once at the end of the run (sync_records): ten thousand small files
 * would otherwise wait for the disk each on its own. What a power cut leaves is compared and written again
 * by the next run. */
static err_t put_file(const struct agg_run *run, uint32_t place, const struct cbor_out *bytes,
                      struct fault *f)
{
    char path[4096], temp[4200], name[TEXT_ID_MAX + 16];
    struct place p;
    err_t e = node_path(path, sizeof path, run->ctx, run->records_dir, place);
    if (e != OK)
        return fault_set(f, e, "the path of a record is too long");
    if (has_content(path, bytes))
        return OK;
    places_get(run->ctx->places, place, &p);
    snprintf(name, sizeof name, ".tmp-%s", p.id);
    int dir_len = (int)(strrchr(path, '/') - path);
    snprintf(temp, sizeof temp, "%.*s/%s", dir_len, path, name);
    int fd;
    TRY(file_open_state(&fd, temp, O_WRONLY | O_CREAT | O_TRUNC, 0644, f));
    e = write_all(fd, bytes->data, bytes->len);
    if (close(fd) != 0)
        e = ERR_IO;
    if (e == OK && rename(temp, path) != 0)
        e = ERR_IO;
    if (e != OK) {
        fault_set(f, e, "writing a record: %s", strerror(errno));
        fault_file(f, e, path);
        unlink(temp);
    }
    return e;
}

static err_t make_dirs(const struct agg_run *run, struct fault *f)
{
    for (size_t i = 0; i < run->ctx->m->level_count; i++) {
        char path[4096];
        if (file_path(path, sizeof path, run->records_dir, run->ctx->m->level[i]) != OK)
            return fault_set(f, ERR_LIMIT, "the path of the records is too long");
        TRY(file_mkdir(path, f));
    }
    return OK;
}

static err_t sync_records(const struct agg_run *run, struct fault *f)
{
    int fd = open(run->records_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = fd >= 0 ? syncfs(fd) : -1;
    if (fd >= 0)
        close(fd);
    if (rc == 0)
        return OK;
    fault_set(f, ERR_IO, "syncing the records: %s", strerror(errno));
    return fault_file(f, ERR_IO, run->records_dir);
}

/* --- nodes --- */

/* Takes ballots that do not count out of the sums; they are read from the export again. */
static err_t take_out(const struct agg_run *run, struct node *n, const char *name, struct fault *f)
{
    struct tallies *gone = NULL;
    char path[4096];
    err_t e = file_path(path, sizeof path, run->exports_dir, name);
    if (e != OK)
        return fault_set(f, e, "the path of an export is too long");
    GO(tallies_new(&gone, run->ctx, n->place));
    GO(export_find_ballots(gone, run->ctx, path, &n->source[0].hash, n->dropped, n->dropped_count, f));
    GO(tallies_sub_var(n->tallies, gone));
    n->ballots -= n->dropped_count;
out:
    tallies_free(gone);
    return e;
}

static err_t fill_lowest(struct agg_run *run, struct node *n, struct fault *f)
{
    struct agg_export x;
    char name[256];
    int from_chain = places_chain(run->ctx->places, n->place) >= 0;
    err_t e = from_chain ? agg_chain_fill(run, n, f)
                         : agg_taken(run->ix, &x, n->tallies, name, run->ctx, n->place, f);
    if (e == ERR_MISSING) {
        struct aggregate_event ev = {.kind = AGGREGATE_MISSING, .place = agg_place_id(run, n->place)};
        n->missing = malloc(sizeof *n->missing);
        if (!n->missing)
            return ERR_MEMORY;
        n->missing[0] = n->place;
        n->missing_count = n->missing_cap = 1;
        run->result->missing++;
        return agg_tell(run, &ev);
    }
    TRY(e);
    if (from_chain)
        return OK;
    n->source = malloc(sizeof *n->source);
    if (!n->source)
        return ERR_MEMORY;
    n->source[0] = (struct node_source){n->place, x.id};
    n->source_count = n->source_cap = 1;
    n->ballots = run->ctx->m->kind == KIND_BALLOTS ? x.items : 0;
    TRY(agg_replacements(run->ix, &n->replaced, &n->replaced_count, n->place, f));
    TRY(agg_dropped(run->ix, &n->dropped, &n->dropped_count, x.row, f));
    return n->dropped_count ? take_out(run, n, name, f) : OK;
}

/* Children first, each added to its parent and freed: what is held is one path from the root. */
static err_t build(struct agg_run *run, uint32_t place, struct node **out, hash_t *hash, struct fault *f)
{
    struct cbor_out bytes = CBOR_OUT_INIT;
    struct node *n = NULL, *child = NULL;
    err_t e;

    *out = NULL;
    GO(node_new(&n, run->ctx, place));
    if (n->level + 1 == run->ctx->m->level_count)
        GO(fill_lowest(run, n, f));
    for (int64_t c = places_first_child(run->ctx->places, place); c >= 0;
         c = places_next_sibling(run->ctx->places, (uint32_t)c)) {
        hash_t h;
        GO(build(run, (uint32_t)c, &child, &h, f));
        GO(node_add(n, run->ctx, child, &h));
        node_free(child);
        child = NULL;
    }
    GO(node_encode(&bytes, hash, run->ctx, n));
    if (bytes.len > NODE_MAX) {
        e = fault_set(f, ERR_LIMIT, "the record of %s is too large", agg_place_id(run, place));
        goto out;
    }
    GO(put_file(run, place, &bytes, f));
    run->result->places++;
    struct aggregate_event ev = {
        .kind = AGGREGATE_NODE, .place = agg_place_id(run, place), .id = *hash, .items = n->ballots};
    GO(agg_tell(run, &ev));
out:
    node_free(child);
    cbor_out_free(&bytes);
    if (e != OK)
        node_free(n);
    else
        *out = n;
    return e;
}

err_t agg_write_records(struct agg_run *run, struct fault *f)
{
    struct node *root = NULL;
    if (places_count(run->ctx->places) == 0)
        return fault_set(f, ERR_MISSING, "there are no places");
    TRY(make_dirs(run, f));
    TRY(build(run, 0, &root, &run->result->root, f));
    run->result->ballots = root->ballots;
    node_free(root);
    return sync_records(run, f);
}
