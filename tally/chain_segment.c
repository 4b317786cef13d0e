#include "tally/chain_segment.h"

#include <stdlib.h>
#include <string.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "ceremony/base/file.h"
#include "ceremony/math/p256_field.h"
#include "tally/ballot_form.h"
#include "tally/export_form.h"

#define LEVEL 1 /* points and scalars do not compress; the rest does at any level */
#define FILE_BUFFER ((size_t)128 << 10)
#define FRAME_HEAD 18 /* the largest head of a frame (RFC 8878, 3.1.1.1) and its magic number */
#define Y_LEN 32

/* --- hints --- */

static size_t vote_points(size_t ciphers, uint32_t limit)
{
    return 6 * ciphers + (limit > 1 ? 2 : 4); /* A, B, and a0, b0, a1, b1 for each; the last proof */
}

size_t chain_points_max(const struct election_context *e)
{
    size_t max = 0;
    for (size_t i = 0; i < e->m->style_count; i++) {
        size_t n = 2;
        for (size_t k = 0; k < e->m->style[i].contest_count; k++) {
            const struct contest *c = &e->m->contest[e->m->style[i].contest[k]];
            n += vote_points(c->option_count + (c->limit > 1 ? c->limit : 0), c->limit);
        }
        max = n > max ? n : max;
    }
    return max;
}

void chain_hints_of(uint8_t *out, const struct p256_affine *point, size_t count)
{
    for (size_t i = 0; i < count; i++)
        fe_store(out + i * Y_LEN, point[i].y);
}

/* --- writing --- */

struct chain_segment_writer {
    struct file_writer file;
    ZSTD_CCtx *z;
    uint64_t content, done;
    uint8_t *buffer;
    size_t cap;
};

uint64_t chain_pair_len(size_t ballot_len, size_t hints_len)
{
    return cbor_head_len(ballot_len) + ballot_len + cbor_head_len(hints_len) + hints_len;
}

static err_t zstd_fault(size_t code, struct fault *f, const char *what)
{
    return fault_set(f, ERR_MEMORY, "%s: %s", what, ZSTD_getErrorName(code));
}

static void writer_free(struct chain_segment_writer *w)
{
    if (!w)
        return;
    file_writer_abandon(&w->file);
    ZSTD_freeCCtx(w->z);
    free(w->buffer);
    free(w);
}

err_t chain_segment_create(struct chain_segment_writer **out, const char *path, uint64_t content,
                           struct fault *f)
{
    err_t e = OK;
    *out = NULL;
    struct chain_segment_writer *w = calloc(1, sizeof *w);
    if (!w)
        return fault_set(f, ERR_MEMORY, "segment");
    w->content = content;
    w->cap = ZSTD_CStreamOutSize();
    w->buffer = malloc(w->cap);
    w->z = ZSTD_createCCtx();
    if (!w->buffer || !w->z)
        GO(fault_set(f, ERR_MEMORY, "segment"));
    size_t code = ZSTD_CCtx_setParameter(w->z, ZSTD_c_compressionLevel, LEVEL);
    if (!ZSTD_isError(code))
        code = ZSTD_CCtx_setPledgedSrcSize(w->z, content);
    if (ZSTD_isError(code))
        GO(zstd_fault(code, f, "segment"));
    GO(file_writer_open(&w->file, path, f));
    *out = w;
    w = NULL;
out:
    writer_free(w);
    return e;
}

static err_t squeeze(struct chain_segment_writer *w, const void *data, size_t len, ZSTD_EndDirective how,
                     struct fault *f)
{
    ZSTD_inBuffer in = {data, len, 0};
    for (;;) {
        ZSTD_outBuffer out = {w->buffer, w->cap, 0};
        size_t code = ZSTD_compressStream2(w->z, &out, &in, how);
        if (ZSTD_isError(code))
            return zstd_fault(code, f, "compressing a segment");
        if (out.pos > 0)
            TRY(file_writer_add(&w->file, w->buffer, out.pos, f));
        if (how == ZSTD_e_end ? code == 0 : in.pos == in.size)
            return OK;
    }
}

static err_t put_string(struct chain_segment_writer *w, const uint8_t *data, size_t len, struct fault *f)
{
    uint8_t head[9];
    TRY(squeeze(w, head, export_bytes_head(head, len), ZSTD_e_continue, f));
    return len > 0 ? squeeze(w, data, len, ZSTD_e_continue, f) : OK;
}

err_t chain_segment_put(struct chain_segment_writer *w, const uint8_t *ballot, size_t len,
                        const uint8_t *hints, size_t hints_len, struct fault *f)
{
    uint64_t more = chain_pair_len(len, hints_len);
    if (more > w->content - w->done)
        return fault_set(f, ERR_BUG, "a segment is longer than was said");
    w->done += more;
    TRY(put_string(w, ballot, len, f));
    return put_string(w, hints, hints_len, f);
}

err_t chain_segment_commit(struct chain_segment_writer *w, struct fault *f)
{
    err_t e = OK;
    if (w->done != w->content)
        GO(fault_set(f, ERR_BUG, "a segment is shorter than was said"));
    GO(squeeze(w, NULL, 0, ZSTD_e_end, f));
    GO(file_writer_commit(&w->file, FILE_REPLACE, f));
out:
    writer_free(w);
    return e;
}

void chain_segment_abandon(struct chain_segment_writer *w)
{
    writer_free(w);
}

/* --- reading --- */

struct chain_segment {
    FILE *file;
    char path[4096];
    ZSTD_DCtx *z;
    uint64_t ballots, done, content, given; /* given: bytes of content that came out of the frame */
    size_t ballot_max, hints_max;
    int frame_end;
    uint8_t in[FILE_BUFFER];
    size_t in_len, in_pos;
    uint8_t *data; /* content that was not consumed yet: pos..len */
    size_t pos, len, cap;
};

static err_t bad(struct chain_segment *s, err_t e, struct fault *f, const char *what)
{
    fault_set(f, e, "ballot %llu of the segment: %s", (unsigned long long)s->done, what);
    return fault_file(f, e, s->path);
}

static err_t more_input(struct chain_segment *s, struct fault *f)
{
    if (s->in_pos < s->in_len)
        return OK;
    s->in_pos = 0;
    s->in_len = fread(s->in, 1, sizeof s->in, s->file);
    return ferror(s->file) ? bad(s, ERR_IO, f, "reading") : OK;
}

/* RFC 8878, 3.1.1.1.2. Asked of the head, as zstd does not look where there is room for the whole content. */
static uint64_t frame_window(const uint8_t *head, uint64_t content)
{
    uint64_t base = 1ULL << (10 + (head[5] >> 3));
    return (head[4] & 0x20) != 0 ? content : base + base / 8 * (head[5] & 7);
}

static err_t check_frame(struct chain_segment *s, struct fault *f)
{
    TRY(more_input(s, f));
    size_t head = s->in_len < FRAME_HEAD ? s->in_len : FRAME_HEAD;
    unsigned long long size = ZSTD_getFrameContentSize(s->in, head);
    uint64_t pair = chain_pair_len(s->ballot_max, s->hints_max);
    if (s->in_len < 4 || memcmp(s->in, "\x28\xb5\x2f\xfd", 4) != 0)
        return bad(s, s->in_len < 4 ? ERR_TRUNCATED : ERR_FORMAT, f, "this is no zstd frame");
    if (size == ZSTD_CONTENTSIZE_ERROR)
        return bad(s, ERR_FORMAT, f, "the head of the zstd frame cannot be read");
    if (size == ZSTD_CONTENTSIZE_UNKNOWN)
        return bad(s, ERR_FORMAT, f, "the zstd frame does not say how large its content is");
    if (s->ballots > UINT64_MAX / pair || size > s->ballots * pair)
        return bad(s, ERR_LIMIT, f, "the content is larger than the ballots expected can be");
    if (head < 6 || frame_window(s->in, size) > 1ULL << CHAIN_WINDOW_LOG)
        return bad(s, head < 6 ? ERR_TRUNCATED : ERR_LIMIT, f, "the zstd frame wants a window over 8 MiB");
    s->content = size;
    return OK;
}

err_t chain_segment_open(struct chain_segment **out, const struct election_context *e, const char *path,
                         uint64_t ballots, struct fault *f)
{
    err_t err = OK;
    *out = NULL;
    if (ballots == 0)
        return fault_set(f, ERR_BUG, "a segment without ballots has no file");
    struct chain_segment *s = calloc(1, sizeof *s);
    if (!s)
        return fault_set(f, ERR_MEMORY, "segment");
    snprintf(s->path, sizeof s->path, "%s", path);
    s->ballots = ballots;
    s->ballot_max = ballot_len_max(e);
    s->hints_max = Y_LEN * chain_points_max(e);
    s->cap = (size_t)chain_pair_len(s->ballot_max, s->hints_max) + ZSTD_DStreamOutSize();
    s->data = malloc(s->cap);
    s->z = ZSTD_createDCtx();
    if (!s->data || !s->z ||
        ZSTD_isError(ZSTD_DCtx_setParameter(s->z, ZSTD_d_windowLogMax, CHAIN_WINDOW_LOG)))
        err = fault_set(f, ERR_MEMORY, "segment");
    if (err == OK)
        err = file_open(&s->file, path, f);
    if (err == OK)
        err = check_frame(s, f);
    if (err != OK)
        chain_segment_close(s);
    else
        *out = s;
    return err;
}

/* Decompresses once into the free space of the buffer. */
static err_t inflate_some(struct chain_segment *s, struct fault *f)
{
    TRY(more_input(s, f));
    if (s->frame_end || s->in_pos == s->in_len)
        return bad(s, ERR_TRUNCATED, f, "the segment ends too early");
    ZSTD_inBuffer in = {s->in, s->in_len, s->in_pos};
    ZSTD_outBuffer out = {s->data, s->cap, s->len};
    size_t code = ZSTD_decompressStream(s->z, &out, &in);
    if (ZSTD_isError(code) && ZSTD_getErrorCode(code) == ZSTD_error_memory_allocation)
        return bad(s, ERR_MEMORY, f, "decompressing");
    if (ZSTD_isError(code))
        return bad(s, ERR_FORMAT, f, "the zstd frame is damaged");
    s->given += out.pos - s->len;
    s->in_pos = in.pos;
    s->len = out.pos;
    s->frame_end = code == 0;
    return OK;
}

/* At least n bytes behind offset `at` of what is being read. The buffer has room for a whole pair. */
static err_t need(struct chain_segment *s, size_t at, size_t n, struct fault *f)
{
    while (s->len - s->pos < at + n) {
        if (s->pos > 0) {
            memmove(s->data, s->data + s->pos, s->len - s->pos);
            s->len -= s->pos;
            s->pos = 0;
        }
        TRY(inflate_some(s, f));
    }
    return OK;
}

/* Head of a byte string at offset at; *len its length, *head that of the head. */
static err_t read_head(struct chain_segment *s, size_t at, size_t max, size_t *head, size_t *len,
                       struct fault *f)
{
    TRY(need(s, at, 1, f));
    uint8_t first = s->data[s->pos + at];
    size_t more = first < 0x58 ? 0 : first == 0x58 ? 1 : first == 0x59 ? 2 : first == 0x5a ? 4 : 8;
    if (first >> 5 != 2 || more == 8)
        return bad(s, first == 0x5b ? ERR_LIMIT : ERR_FORMAT, f, "there is no byte string");
    TRY(need(s, at + 1, more, f));
    uint64_t n = first & 31;
    if (more > 0)
        n = 0;
    for (size_t i = 0; i < more; i++)
        n = n << 8 | s->data[s->pos + at + 1 + i];
    if (cbor_head_len(n) != 1 + more)
        return bad(s, ERR_CANONICAL, f, "a length is not in its shortest form");
    if (n > max)
        return bad(s, ERR_LIMIT, f, "it is larger than any ballot in this election");
    *head = 1 + more;
    *len = (size_t)n;
    return OK;
}

static err_t at_end(struct chain_segment *s, struct fault *f)
{
    while (!s->frame_end && s->len == s->pos) {
        s->pos = s->len = 0;
        TRY(inflate_some(s, f));
    }
    if (s->len > s->pos)
        return bad(s, ERR_TRAILING, f, "there are more ballots than the headers say");
    TRY(more_input(s, f));
    if (s->in_pos < s->in_len)
        return bad(s, ERR_TRAILING, f, "there are data behind the zstd frame");
    return OK;
}

err_t chain_segment_next(struct chain_segment *s, struct chain_pair *p, struct fault *f)
{
    size_t head, hints_head;
    memset(p, 0, sizeof *p);
    if (s->done == s->ballots)
        return at_end(s, f);
    if (s->given == s->content && s->len == s->pos)
        return bad(s, ERR_MISSING, f, "there are fewer ballots than the headers say");
    TRY(read_head(s, 0, s->ballot_max, &head, &p->len, f));
    TRY(need(s, head, p->len, f));
    TRY(read_head(s, head + p->len, s->hints_max, &hints_head, &p->hints_len, f));
    TRY(need(s, head + p->len + hints_head, p->hints_len, f));
    if (p->hints_len % Y_LEN != 0)
        return bad(s, ERR_FORMAT, f, "the hints are not of 32 bytes each");
    p->ballot = s->data + s->pos + head;
    if (p->hints_len > 0)
        p->hints = p->ballot + p->len + hints_head;
    s->pos += head + p->len + hints_head + p->hints_len;
    s->done++;
    return OK;
}

uint64_t chain_segment_content(const struct chain_segment *s)
{
    return s->content;
}

void chain_segment_close(struct chain_segment *s)
{
    if (!s)
        return;
    if (s->file)
        fclose(s->file);
    ZSTD_freeDCtx(s->z);
    free(s->data);
    free(s);
}
