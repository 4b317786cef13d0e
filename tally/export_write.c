#include <stdlib.h>
#include <string.h>

#include "ceremony/base/file.h"
#include "tally/export_form.h"

struct export_writer {
    const struct election_context *ctx;
    uint32_t place;
    char path[4096];
    struct file_writer spool;
    struct merkle tree;
};

void export_writer_abandon(struct export_writer *w)
{
    if (!w)
        return;
    file_writer_abandon(&w->spool);
    free(w);
}

err_t export_writer_open(struct export_writer **out, const struct election_context *ctx, uint32_t place,
                         const char *path, struct fault *f)
{
    *out = NULL;
    struct export_writer *w = calloc(1, sizeof *w);
    if (!w)
        return fault_set(f, ERR_MEMORY, "writing an export");
    w->ctx = ctx;
    w->place = place;
    merkle_init(&w->tree);
    err_t e = OK;
    if (snprintf(w->path, sizeof w->path, "%s", path) >= (int)sizeof w->path)
        e = fault_set(f, ERR_LIMIT, "the path is too long");
    if (e == OK)
        e = file_writer_open(&w->spool, path, f);
    if (e != OK) {
        export_writer_abandon(w);
        return e;
    }
    *out = w;
    return OK;
}

err_t export_writer_item(struct export_writer *w, const void *item, size_t len, struct fault *f)
{
    uint8_t head[9];
    hash_t leaf;
    size_t n = export_bytes_head(head, len);
    merkle_leaf(&leaf, item, len);
    TRY(file_writer_add(&w->spool, head, n, f));
    TRY(file_writer_add(&w->spool, item, len, f));
    merkle_add(&w->tree, &leaf);
    return OK;
}

static err_t copy_spool(struct export_writer *w, struct file_writer *to, struct fault *f)
{
    uint8_t part[16384];
    size_t n;
    if (fflush(w->spool.stream) != 0)
        return fault_set(f, ERR_IO, "cannot write beside %s", w->path);
    FILE *from = fopen(w->spool.temp, "rbe");
    if (!from)
        return fault_set(f, ERR_IO, "the temporary file beside %s is gone", w->path);
    err_t e = OK;
    while (e == OK && (n = fread(part, 1, sizeof part, from)) > 0)
        e = file_writer_add(to, part, n, f);
    if (e == OK && ferror(from))
        e = fault_set(f, ERR_IO, "cannot read back what was written beside %s", w->path);
    fclose(from);
    return e;
}

err_t export_writer_finish(struct export_writer *w, hash_t *id, const struct tallies *tallies,
                           uint64_t revision, const hash_t *replaces, uint64_t time,
                           const struct signer *signer, struct fault *f)
{
    struct cbor_out header = CBOR_OUT_INIT;
    struct file_writer file = {0};
    struct export_content content = {w->place, w->tree.count, {{0}}, tallies};
    hash_t message;
    err_t e;
    merkle_root(&w->tree, &content.root);
    GO(export_header_make(&header, &message, w->ctx, &content, revision, replaces, time, signer, f));
    GO(file_writer_open(&file, w->path, f));
    GO(file_writer_add(&file, header.data, header.len, f));
    GO(copy_spool(w, &file, f));
    GO(file_writer_commit(&file, FILE_NEW, f));
    if (id)
        *id = message;
out:
    if (e != OK && id)
        memset(id, 0, sizeof *id);
    file_writer_abandon(&file);
    cbor_out_free(&header);
    export_writer_abandon(w);
    return e;
}
