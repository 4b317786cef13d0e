/* Two exports of one chain: where do they part? */
#include <stdlib.h>
#include <string.h>

#include "tally/chain_verify_run.h"

struct side {
    struct chain_run run;
    struct chain_headers *headers;
};

static err_t open_side(struct side *x, size_t shard, struct fault *f)
{
    struct chain_link start;
    chain_link_start(&x->run, &start, shard);
    return chain_headers_open(&x->headers, &x->run, shard, &start, 0, f);
}

/* One shard that both have headers of. ERR_MISSING: these are the same as far as both go. */
static err_t compare_shard(struct chain_fork *out, struct side side[2], const size_t shard[2],
                           struct fault *f)
{
    const struct chain_header *h[2];
    enum chain_check check;
    err_t e = OK;
    for (size_t i = 0; i < 2; i++)
        GO(open_side(&side[i], shard[i], f));
    for (;;) {
        for (size_t i = 0; i < 2; i++)
            GO(chain_headers_next(side[i].headers, &h[i], &check, f));
        if (h[0] == NULL || h[1] == NULL) {
            e = ERR_MISSING;
            goto out;
        }
        if (hash_cmp(&h[0]->id, &h[1]->id) != 0)
            break;
    }
    out->shard = h[0]->shard;
    out->height = h[0]->height;
    for (size_t i = 0; i < 2; i++) {
        size_t len;
        const uint8_t *data = chain_headers_bytes(side[i].headers, &len);
        out->header[i].id = h[i]->id;
        out->header[i].len = len;
        memcpy(out->header[i].data, data, len);
    }
out:
    for (size_t i = 0; i < 2; i++) {
        chain_headers_close(side[i].headers);
        side[i].headers = NULL;
    }
    return e;
}

err_t chain_fork_find(struct chain_fork *out, const struct chain_context *ctx, const char *const dir[2],
                      struct chain_snapshot *const s[2], struct fault *f)
{
    struct side side[2] = {{.headers = NULL}, {.headers = NULL}};
    err_t e = ERR_MISSING;
    memset(out, 0, sizeof *out);
    for (size_t i = 0; i < 2; i++) {
        if (chain_run_again(&side[i].run, ctx, dir[i], s[i]) != OK)
            e = fault_set(f, ERR_MEMORY, "comparing exports of a chain");
    }
    for (size_t i = 0; i < s[0]->shard_count && e == ERR_MISSING; i++) {
        const struct chain_shard *a = &s[0]->shard[i],
                                 *b = chain_shard_find(s[1]->shard, s[1]->shard_count, a->name.s);
        if (b != NULL && a->headers > 0 && b->headers > 0)
            e = compare_shard(out, side, (const size_t[]){i, (size_t)(b - s[1]->shard)}, f);
    }
    for (size_t i = 0; i < 2; i++)
        free(side[i].run.end);
    return e;
}
