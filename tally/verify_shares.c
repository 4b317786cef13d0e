/* Which export, and which shard of a voting chain, belongs to which part of a verification. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "ceremony/base/file.h"
#include "tally/verify_piece.h"

#define WEIGHT_MAX ((uint64_t)1 << 34) /* of a file: no longer one is good */

void verify_export_name(const struct verify *v, uint32_t place, char *out)
{
    struct place p;
    places_get(v->places, place, &p);
    snprintf(out, TEXT_ID_MAX + 32, BUNDLE_EXPORTS "/%s" EXPORT_SUFFIX, p.id);
}

static int is_export(const struct verify *v, uint32_t place, char *name)
{
    struct place p;
    places_get(v->places, place, &p);
    if (p.level + 1 != v->m->level_count)
        return 0;
    verify_export_name(v, place, name);
    return verify_has_file(v, name);
}

/* With holes a file can pretend to any length: all of them together must stay a number. */
static uint64_t size_of(const struct verify *v, const char *name)
{
    char path[BUNDLE_PATH_MAX];
    struct stat st;
    if (verify_path(v, path, name) != OK || lstat(path, &st) != 0 || st.st_size < 0)
        return 0;
    return (uint64_t)st.st_size < WEIGHT_MAX ? (uint64_t)st.st_size : WEIGHT_MAX;
}

/* --- shards --- */

/* The first name that is not before this one. */
static size_t name_from(const struct verify *v, const char *name)
{
    size_t low = 0, high = v->name_count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (strcmp(v->name[mid].path, name) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

void verify_shard_names(const struct verify *v, uint32_t chain, const struct chain_shard_name *shard,
                        unsigned kind, size_t *from, size_t *count)
{
    static const char *const dir[VERIFY_SHARD_KINDS] = {"ids", "leaves", "segments"};
    char name[TEXT_ID_MAX + 64];
    int whole = kind < 2;
    int len = snprintf(name, sizeof name, BUNDLE_CHAINS "/%s/%s/s%s%s", v->m->chain[chain].id, dir[kind],
                       shard->s, whole ? "" : "/");
    *count = 0;
    for (*from = name_from(v, name); *from + *count < v->name_count; ++*count) {
        const char *path = v->name[*from + *count].path;
        if (whole ? strcmp(path, name) != 0 : strncmp(path, name, (size_t)len) != 0)
            break;
    }
}

static uint64_t shard_size(const struct verify *v, uint32_t chain, const struct chain_shard_name *shard)
{
    uint64_t size = 0;
    for (unsigned kind = 0; kind < VERIFY_SHARD_KINDS; kind++) {
        size_t from, count;
        verify_shard_names(v, chain, shard, kind, &from, &count);
        for (size_t i = from; i < from + count; i++)
            size += v->name[i].kind == 'f' ? size_of(v, v->name[i].path) : 0;
    }
    return size;
}

static err_t number_ballots(struct verify_chain_shards *c)
{
    c->first = calloc(c->count + 1, sizeof *c->first);
    if (c->first == NULL)
        return ERR_MEMORY;
    for (size_t i = 0; i < c->count; i++)
        c->first[i + 1] = c->first[i] + c->shard[i].size;
    return OK;
}

/* The shards that the snapshot lists. What is wrong with it is found where it is verified. */
static err_t list_shards(struct verify_chain_shards *out, const struct verify *v, uint32_t chain)
{
    char name[TEXT_ID_MAX + 32], path[BUNDLE_PATH_MAX];
    struct chain_context ctx;
    struct chain_snapshot *s = NULL;
    uint8_t *data = NULL;
    size_t len;
    chain_context_init(&ctx, &v->ctx, chain);
    snprintf(name, sizeof name, BUNDLE_CHAINS "/%s/snapshot.cbor", ctx.c->id);
    if (!verify_has_file(v, name) || verify_path(v, path, name) != OK)
        return OK;
    err_t e = file_read(&data, &len, path, CHAIN_SNAPSHOT_MAX, NULL);
    if (e == OK)
        e = chain_snapshot_parse_var(&s, &ctx, data, len, NULL);
    free(data);
    if (e == OK) {
        *out = (struct verify_chain_shards){s->id, s->shard_count, s->shard, NULL};
        s->shard = NULL;
        s->shard_count = 0;
        e = number_ballots(out);
    }
    chain_snapshot_free(s);
    return e == ERR_MEMORY ? e : OK;
}

/* --- all --- */

static err_t add(struct verify_shares *out, size_t *cap, struct verify_share x)
{
    if (out->count == *cap) {
        size_t more = *cap ? 2 * *cap : 256;
        struct verify_share *p = realloc(out->share, more * sizeof *p);
        if (p == NULL)
            return ERR_MEMORY;
        out->share = p;
        *cap = more;
    }
    x.before = out->total;
    x.size++; /* so that every one has a middle of its own */
    out->share[out->count++] = x;
    out->total += x.size;
    return OK;
}

static err_t add_chain(struct verify_shares *out, size_t *cap, const struct verify *v, uint32_t chain)
{
    TRY(list_shards(&out->chain[chain], v, chain));
    for (size_t i = 0; i < out->chain[chain].count; i++) {
        const struct chain_shard *s = &out->chain[chain].shard[i];
        struct verify_share x = {.chain = chain, .shard = (uint32_t)i};
        if (s->headers == 0)
            continue;
        x.size = shard_size(v, chain, &s->name);
        TRY(add(out, cap, x));
    }
    return OK;
}

err_t verify_shares_new(struct verify_shares *out, const struct verify *v)
{
    char name[TEXT_ID_MAX + 32];
    size_t cap = 0;
    err_t e = OK;
    memset(out, 0, sizeof *out);
    for (uint32_t i = 0; i < places_count(v->places) && e == OK; i++)
        if (is_export(v, i, name))
            e = add(out, &cap, (struct verify_share){.chain = -1, .place = i, .size = size_of(v, name)});
    for (uint32_t i = 0; i < v->m->chain_count && e == OK; i++)
        e = add_chain(out, &cap, v, i);
    if (e != OK)
        verify_shares_free(out);
    return e;
}

void verify_shares_free(struct verify_shares *s)
{
    for (size_t i = 0; i < CHAINS_MAX; i++) {
        free(s->chain[i].shard);
        free(s->chain[i].first);
    }
    free(s->share);
    memset(s, 0, sizeof *s);
}

size_t verify_share_of_shard(const struct verify_shares *s, uint32_t chain, size_t shard)
{
    size_t low = 0, high = s->count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        const struct verify_share *x = &s->share[mid];
        if (x->chain < chain || (x->chain == chain && x->shard < shard))
            low = mid + 1;
        else
            high = mid;
    }
    return low < s->count && s->share[low].chain == chain && s->share[low].shard == shard ? low : s->count;
}

unsigned verify_share_part(const struct verify_shares *s, size_t i, unsigned n)
{
    const struct verify_share *x = &s->share[i];
    __extension__ unsigned __int128 middle = (unsigned __int128)(x->before + x->size / 2) * n;
    return (unsigned)(middle / s->total) + 1;
}
