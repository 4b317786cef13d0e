/* Which export belongs to which part of a verification. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tally/verify_piece.h"

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

err_t verify_shares_new(struct verify_shares *out, const struct verify *v)
{
    char name[TEXT_ID_MAX + 32], path[BUNDLE_PATH_MAX];
    struct stat st;
    uint32_t places = places_count(v->places);
    memset(out, 0, sizeof *out);
    out->share = calloc((size_t)places + 1, sizeof *out->share);
    if (out->share == NULL)
        return ERR_MEMORY;
    for (uint32_t i = 0; i < places; i++) {
        if (!is_export(v, i, name))
            continue;
        uint64_t size = 1; /* so that every export has a middle of its own */
        if (verify_path(v, path, name) == OK && lstat(path, &st) == 0)
            size += (uint64_t)st.st_size;
        out->share[out->count++] = (struct verify_share){i, out->total, size};
        out->total += size;
    }
    return OK;
}

void verify_shares_free(struct verify_shares *s)
{
    free(s->share);
    memset(s, 0, sizeof *s);
}

unsigned verify_share_part(const struct verify_shares *s, size_t i, unsigned n)
{
    const struct verify_share *x = &s->share[i];
    __extension__ unsigned __int128 middle = (unsigned __int128)(x->before + x->size / 2) * n;
    return (unsigned)(middle / s->total) + 1;
}
