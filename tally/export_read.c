#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tally/ballot_form.h"
#include "tally/export_form.h"

static err_t at(struct export_reader *r, struct fault *f, err_t e, uint64_t offset)
{
    if (f)
        f->at = (long long)offset;
    return fault_file(f, e, r->path);
}

static err_t open_stream(struct export_reader *r, const char *path, struct fault *f)
{
    struct stat st;
    if (snprintf(r->path, sizeof r->path, "%s", path) >= (int)sizeof r->path)
        return fault_set(f, ERR_LIMIT, "the path is too long");
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        err_t e = errno == ENOENT ? ERR_MISSING : ERR_IO;
        fault_set(f, e, "cannot open: %s", strerror(errno));
        return fault_file(f, e, path);
    }
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        close(fd);
        fault_set(f, ERR_FORMAT, "not a regular file");
        return fault_file(f, ERR_FORMAT, path);
    }
    r->stream = fdopen(fd, "rb");
    if (!r->stream) {
        close(fd);
        return fault_set(f, ERR_MEMORY, "opening an export");
    }
    return OK;
}

static err_t get_exact(struct export_reader *r, void *out, size_t len, struct fault *f)
{
    uint64_t start = r->offset;
    size_t got = fread(out, 1, len, r->stream);
    r->offset += got;
    hash_add(&r->hash, out, got);
    if (got == len)
        return OK;
    if (ferror(r->stream)) {
        fault_set(f, ERR_IO, "cannot read: %s", strerror(errno));
        return at(r, f, ERR_IO, r->offset);
    }
    fault_set(f, ERR_TRUNCATED, "the file ends inside an item");
    return at(r, f, ERR_TRUNCATED, start);
}

/* Head of a byte string whose first byte was read: canonical, at most max. */
static err_t get_head(struct export_reader *r, uint8_t first, uint8_t head[9], size_t *head_len,
                      uint64_t *len, uint64_t max, struct fault *f)
{
    uint64_t start = r->offset - 1, v = first & 31;
    err_t e = (first & 0xe0) != 0x40 || v > 27 ? ERR_FORMAT : OK;
    head[0] = first;
    *head_len = 1;
    if (e == OK && v >= 24) {
        size_t n = (size_t)1 << (v - 24);
        TRY(get_exact(r, head + 1, n, f));
        v = 0;
        for (size_t i = 0; i < n; i++)
            v = v << 8 | head[1 + i];
        *head_len = 1 + n;
        if (cbor_head_len(v) != *head_len)
            e = ERR_CANONICAL;
    }
    if (e == OK && v > max)
        e = ERR_LIMIT;
    *len = e == OK ? v : 0;
    if (e == OK)
        return OK;
    fault_set(f, e,
              e == ERR_LIMIT ? "an item is longer than this election allows"
                             : "not the head of a byte string");
    return at(r, f, e, start);
}

/* Copies a byte string into out, head included. */
static err_t copy_bytes(struct export_reader *r, struct cbor_out *out, size_t max, struct fault *f)
{
    uint8_t first, head[9];
    size_t head_len;
    uint64_t len;
    TRY(get_exact(r, &first, 1, f));
    TRY(get_head(r, first, head, &head_len, &len, max, f));
    cbor_put_raw(out, head, head_len);
    uint8_t part[4096];
    while (len > 0) {
        size_t n = len < sizeof part ? (size_t)len : sizeof part;
        TRY(get_exact(r, part, n, f));
        cbor_put_raw(out, part, n);
        len -= n;
    }
    return out->err == OK ? OK : fault_set(f, out->err, "reading an export");
}

static err_t copy_exact(struct export_reader *r, struct cbor_out *out, const char *bytes, size_t len,
                        struct fault *f)
{
    uint8_t got[4];
    TRY(get_exact(r, got, len, f));
    if (memcmp(got, bytes, len) != 0) {
        fault_set(f, ERR_FORMAT, "not an export: it does not start with a signed message");
        return at(r, f, ERR_FORMAT, 0);
    }
    cbor_put_raw(out, got, len);
    return OK;
}

/* The first item, a COSE_Sign1, taken from the stream piece by piece; cose_parse then checks all of it. */
static err_t read_header(struct export_reader *r, struct fault *f)
{
    struct cbor_out m = CBOR_OUT_INIT;
    err_t e;
    GO(copy_exact(r, &m, "\xd2\x84", 2, f));
    GO(copy_bytes(r, &m, 64, f));
    GO(copy_exact(r, &m, "\xa0", 1, f));
    GO(copy_bytes(r, &m, export_header_max(r->ctx), f));
    GO(copy_bytes(r, &m, SIGNATURE_LEN, f));
    e = export_header_parse(&r->header, r->ctx, m.data, m.len, f);
    if (e == OK)
        r->items = r->header->items;
out:
    cbor_out_free(&m);
    return fault_file(f, e, r->path);
}

/* No longer than the items that were signed can be: somebody who carries the file can make it as long as he
 * likes at no cost (sparse files), and others hash and copy all of it. */
static err_t check_size(struct export_reader *r, struct fault *f)
{
    struct stat st;
    if (fstat(fileno(r->stream), &st) != 0) {
        fault_set(f, ERR_IO, "cannot read: %s", strerror(errno));
        return at(r, f, ERR_IO, 0);
    }
    uint64_t max = r->header->body + r->header->items * (r->item_max + 9); /* 2^32 items of some megabytes */
    if ((uint64_t)st.st_size <= max)
        return OK;
    fault_set(f, ERR_TRAILING, "%llu bytes; the %llu items of its header cannot have more than %llu",
              (unsigned long long)st.st_size, (unsigned long long)r->header->items, (unsigned long long)max);
    return at(r, f, ERR_TRAILING, max);
}

err_t export_open(struct export_reader **out, const struct election_context *ctx, const char *path,
                  struct fault *f)
{
    *out = NULL;
    struct export_reader *r = calloc(1, sizeof *r);
    if (!r)
        return fault_set(f, ERR_MEMORY, "opening an export");
    r->ctx = ctx;
    hash_init(&r->hash);
    r->item_max = ctx->m->kind == KIND_IMPORT ? count_len_max(ctx) : ballot_len_max(ctx);
    err_t e = open_stream(r, path, f);
    if (e == OK)
        e = read_header(r, f);
    if (e == OK)
        e = check_size(r, f);
    if (e != OK) {
        export_close(r);
        return e;
    }
    *out = r;
    return OK;
}

void export_close(struct export_reader *r)
{
    if (!r)
        return;
    if (r->stream)
        fclose(r->stream);
    export_header_free(r->header);
    free(r->item);
    free(r);
}

const struct export_header *export_reader_header(const struct export_reader *r)
{
    return r->header;
}

uint64_t export_item_offset(const struct export_reader *r)
{
    return r->item_offset;
}

uint64_t export_item_index(const struct export_reader *r)
{
    return r->done ? r->done - 1 : 0;
}

static err_t at_end(struct export_reader *r, struct fault *f)
{
    if (ferror(r->stream)) {
        fault_set(f, ERR_IO, "cannot read: %s", strerror(errno));
        return at(r, f, ERR_IO, r->offset);
    }
    r->at_end = r->done == r->items;
    if (r->at_end)
        return OK;
    fault_set(f, ERR_MISSING, "the file ends after %llu of %llu items", (unsigned long long)r->done,
              (unsigned long long)r->items);
    return at(r, f, ERR_MISSING, r->offset);
}

void export_reader_hash(const struct export_reader *r, hash_t *out)
{
    struct hash_ctx c = r->hash;
    hash_end(&c, out);
}

err_t export_next(struct export_reader *r, const uint8_t **item, size_t *len, struct fault *f)
{
    *item = NULL;
    *len = 0;
    int first = getc(r->stream);
    if (first == EOF)
        return at_end(r, f);
    uint8_t byte = (uint8_t)first;
    hash_add(&r->hash, &byte, 1);
    r->item_offset = r->offset++;
    if (r->done == r->items) {
        fault_set(f, ERR_TRAILING, "the header promises %llu items, more follow",
                  (unsigned long long)r->items);
        return at(r, f, ERR_TRAILING, r->item_offset);
    }
    uint8_t head[9];
    size_t head_len;
    uint64_t n;
    TRY(get_head(r, byte, head, &head_len, &n, r->item_max, f));
    if (n > r->cap || !r->item) {
        uint8_t *grown = realloc(r->item, (size_t)n + 1);
        if (!grown)
            return fault_set(f, ERR_MEMORY, "reading an export");
        r->item = grown;
        r->cap = (size_t)n;
    }
    TRY(get_exact(r, r->item, (size_t)n, f));
    r->done++;
    *item = r->item;
    *len = (size_t)n;
    return OK;
}

err_t export_header_read(struct export_header **out, const struct election_context *ctx, const char *path,
                         struct fault *f)
{
    struct export_reader *r;
    *out = NULL;
    TRY(export_open(&r, ctx, path, f));
    *out = r->header;
    r->header = NULL;
    export_close(r);
    return OK;
}
