#include "tally/bundle.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "ceremony/base/file.h"

err_t bundle_election_load(struct bundle_election **out, const char *dir, int need_record, struct fault *f)
{
    char path[BUNDLE_PATH_MAX];
    struct bundle_election *b = calloc(1, sizeof *b);
    err_t e = OK;
    *out = NULL;
    if (b == NULL)
        return fault_set(f, ERR_MEMORY, "the election");
    e = file_path(path, sizeof path, dir, BUNDLE_MANIFEST);
    if (e != OK) {
        fault_set(f, e, "the path of the board is too long");
        goto out;
    }
    GO(manifest_load(&b->m, path, f));
    GO(file_path(path, sizeof path, dir, b->m->places_file));
    GO(places_load(&b->places, b->m, path, f));
    GO(file_path(path, sizeof path, dir, BUNDLE_RECORD));
    if (need_record || access(path, F_OK) == 0)
        GO(record_load(&b->r, b->m, path, f));
    b->ctx = (struct election_context){b->m, b->places, b->r};
    *out = b;
    return OK;
out:
    bundle_election_free(b);
    return e;
}

void bundle_election_free(struct bundle_election *b)
{
    if (b == NULL)
        return;
    record_free(b->r);
    places_free(b->places);
    manifest_free(b->m);
    free(b);
}

err_t bundle_entry_name(char *out, size_t out_len, const struct entry *e)
{
    char name[ENTRY_NAME_SIZE];
    entry_file_name(name, e);
    int n = snprintf(out, out_len, BUNDLE_ENTRIES "/%s", name);
    return n > 0 && (size_t)n < out_len ? OK : ERR_LIMIT;
}
