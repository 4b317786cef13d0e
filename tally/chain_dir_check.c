/* Is all of a node's directory there? A shard's disk that is not mounted looks like a shard without ballots.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tally/chain_export.h"
#include "tally/chain_parts.h"

err_t chain_snapshot_path(char out[CHAIN_PATH_MAX], const char *dir, uint64_t number)
{
    int n = snprintf(out, CHAIN_PATH_MAX, "%s/snapshots/%08llu.cbor", dir, (unsigned long long)number);
    return n > 0 && n < CHAIN_PATH_MAX ? OK : ERR_LIMIT;
}

err_t chain_snapshots_count(uint64_t *out, const struct chain_dir *d)
{
    char path[CHAIN_PATH_MAX];
    for (*out = 0;; ++*out) {
        TRY(chain_snapshot_path(path, d->path, *out));
        if (access(path, F_OK) != 0)
            return OK;
    }
}

err_t chain_snapshot_last(struct chain_snapshot **out, uint64_t *number, const struct chain_dir *d,
                          struct fault *f)
{
    char path[CHAIN_PATH_MAX];
    *out = NULL;
    TRY(chain_snapshots_count(number, d));
    if (*number == 0)
        return OK;
    TRY(chain_snapshot_path(path, d->path, *number - 1));
    return chain_snapshot_read(out, NULL, NULL, &d->ctx, path, f);
}

void chain_shard_row(struct chain_shard *out, const struct chain_shard_look *s)
{
    *out = (struct chain_shard){.name = s->name,
                                .state = s->last.state,
                                .headers = s->headers,
                                .head = s->last.id,
                                .size = s->last.size,
                                .root = s->last.root,
                                .ids = s->last.ids};
}

err_t chain_shards_grew(const struct chain_snapshot *last, const struct chain_shard *shard, size_t count,
                        const struct chain_dir *d, struct fault *f)
{
    for (size_t i = 0; i < last->shard_count; i++) {
        const struct chain_shard *was = &last->shard[i], *is = chain_shard_find(shard, count, was->name.s);
        char path[CHAIN_PATH_MAX];
        err_t e = OK;
        if (is == NULL || is->headers < was->headers)
            e = fault_set(f, ERR_MISSING,
                          "snapshot %llu has %llu headers of this shard, and %llu are here: put them back",
                          (unsigned long long)last->number, (unsigned long long)was->headers,
                          (unsigned long long)(is != NULL ? is->headers : 0));
        else if (was->headers > 0 && is->headers == was->headers && hash_cmp(&is->head, &was->head) != 0)
            e = fault_set(f, ERR_CONFLICT, "its last header is another one than in snapshot %llu",
                          (unsigned long long)last->number);
        if (e != OK)
            return chain_shard_path(path, d, was->name.s, NULL) == OK ? fault_file(f, e, path) : e;
    }
    return OK;
}

err_t chain_dir_check(const struct chain_dir *d, struct fault *f)
{
    struct chain_shard_look *look;
    struct chain_snapshot *last = NULL;
    uint64_t number;
    size_t count;
    TRY(chain_dir_shards(&look, &count, d, f));
    struct chain_shard *row = calloc(count + 1, sizeof *row);
    err_t e = row ? OK : fault_set(f, ERR_MEMORY, "shards");
    for (size_t i = 0; i < count && e == OK; i++)
        chain_shard_row(&row[i], &look[i]);
    if (e == OK)
        e = fault_file(f, chain_shards_check(row, count, f), d->path);
    if (e == OK)
        e = chain_snapshot_last(&last, &number, d, f);
    if (e == OK && last)
        e = chain_shards_grew(last, row, count, d, f);
    chain_snapshot_free(last);
    free(row);
    free(look);
    return e;
}
