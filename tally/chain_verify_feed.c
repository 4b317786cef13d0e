/* Reading a shard: headers sixteen at a time, the segment of their ballots, and what `ids` and `leaves` say.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "ceremony/base/file.h"
#include "tally/chain_verify_full.h"
#include "tally/metrics.h"

struct chain_feed {
    struct chain_run *v;
    const struct chain_shard *shard;
    uint64_t trusted_size; /* ballots of it in the trusted snapshot */
    struct chain_headers *headers;
    struct chain_segment *segment;
    FILE *ids, *leaves;
    uint64_t number; /* of the segment at hand */
    char file[CHAIN_FILE_MAX];
    size_t count, at; /* headers of the segment; the one whose ballots are next */
    struct chain_header header[CHAIN_SEGMENT_BLOCKS];
    uint64_t size;                                  /* ballots given so far */
    uint64_t segment_bytes, from_offset, from_size; /* of the segment at hand: its file; where it began */
    int inside;                                     /* of a segment */
    int over;                                       /* no more headers */
};

static err_t open_list(const struct chain_run *v, FILE **out, const struct chain_shard *shard,
                       const char *kind, uint64_t from, struct fault *f)
{
    char file[CHAIN_FILE_MAX], path[CHAIN_PATH_MAX];
    *out = NULL;
    chain_shard_file(file, kind, shard, "");
    if (!chain_has(v, file))
        return OK;
    TRY(chain_path(v, path, file, f));
    TRY(file_open(out, path, f));
    return fseeko(*out, (off_t)(from * HASH_LEN), SEEK_SET) == 0
               ? OK
               : fault_set(f, ERR_IO, "cannot be read from the middle");
}

err_t chain_feed_open(struct chain_feed **out, struct chain_run *v, size_t shard,
                      const struct chain_resume *from, struct fault *f)
{
    err_t e;
    *out = NULL;
    struct chain_feed *d = calloc(1, sizeof *d);
    if (d == NULL)
        return fault_set(f, ERR_MEMORY, "reading a shard");
    d->v = v;
    d->shard = &v->s->shard[shard];
    d->number = from->segment;
    d->size = from->link.size;
    if (v->trusted != NULL) {
        const struct chain_shard *old =
            chain_shard_find(v->trusted->shard, v->trusted->shard_count, d->shard->name.s);
        d->trusted_size = old != NULL ? old->size : 0;
    }
    GO(chain_headers_open(&d->headers, v, shard, &from->link, from->offset, f));
    GO(open_list(v, &d->ids, d->shard, "ids", d->size, f));
    GO(open_list(v, &d->leaves, d->shard, "leaves", d->size, f));
out:
    if (e != OK)
        chain_feed_close(d);
    else
        *out = d;
    return e;
}

void chain_feed_close(struct chain_feed *d)
{
    if (d == NULL)
        return;
    chain_headers_close(d->headers);
    chain_segment_close(d->segment);
    if (d->ids != NULL)
        fclose(d->ids);
    if (d->leaves != NULL)
        fclose(d->leaves);
    free(d);
}

/* --- room in the batch --- */

static err_t grow(void **p, size_t *cap, size_t want, size_t size, size_t least)
{
    if (want <= *cap)
        return OK;
    size_t n = *cap ? *cap : least;
    while (n < want)
        n *= 2;
    void *more = realloc(*p, n * size);
    if (more == NULL)
        return ERR_MEMORY;
    *p = more;
    *cap = n;
    return OK;
}

static err_t add_block(struct chain_batch *b, const struct chain_header *h, int complete)
{
    void *p = b->block;
    err_t e = grow(&p, &b->block_cap, b->block_count + 1, sizeof *b->block, 64);
    b->block = p;
    if (e == OK)
        b->block[b->block_count++] = (struct chain_block){*h, b->slot_count, complete};
    return e;
}

static err_t add_slot(struct chain_batch *b, struct chain_slot **out, size_t bytes)
{
    void *p = b->slot, *d = b->data;
    err_t e = grow(&p, &b->slot_cap, b->slot_count + 1, sizeof *b->slot, 1024);
    b->slot = p;
    if (e == OK)
        e = grow(&d, &b->cap, b->used + bytes, 1, (size_t)1 << 20);
    b->data = d;
    if (e != OK)
        return e;
    *out = &b->slot[b->slot_count++];
    **out = (struct chain_slot){.at = b->used, .place = CHAIN_NO_PLACE};
    b->used += bytes;
    return OK;
}

/* --- segments --- */

static uint64_t file_bytes(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
}

static uint64_t named_bytes(const struct chain_run *v, const char *file)
{
    char path[CHAIN_PATH_MAX];
    return chain_path(v, path, file, NULL) == OK ? file_bytes(path) : 0;
}

/* Bytes of a shard that are read from segment `from` on, of its lists the whole. */
static uint64_t shard_bytes(const struct chain_run *v, const struct chain_shard *s, uint64_t from)
{
    static const char *const lists[][2] = {{"headers", ".cbor"}, {"ids", ""}, {"leaves", ""}};
    char file[CHAIN_FILE_MAX];
    uint64_t bytes = 0;
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        chain_shard_file(file, lists[i][0], s, lists[i][1]);
        bytes += named_bytes(v, file);
    }
    for (uint64_t n = from; n * CHAIN_SEGMENT_BLOCKS < s->headers; n++) {
        snprintf(file, sizeof file, "segments/s%s/%08llu.zst", s->name.s, (unsigned long long)n);
        bytes += named_bytes(v, file);
    }
    return bytes;
}

void chain_feed_expect(const struct chain_run *v, const struct chain_progress *p)
{
    uint64_t bytes = 0;
    if (v->o->metrics == NULL)
        return;
    size_t to = v->o->only != NULL ? (size_t)p->shard + 1 : v->s->shard_count;
    for (size_t i = (size_t)p->shard; i < to && i < v->s->shard_count; i++)
        bytes += shard_bytes(v, &v->s->shard[i], i == p->shard && p->inside ? p->at.segment : 0);
    metrics_more(v->o->metrics, METRIC_VERIFY_EXPECTED, (double)bytes);
}

static err_t broken(struct chain_batch *b, enum chain_check check, const char *file)
{
    b->check = check;
    snprintf(b->file, sizeof b->file, "%s", file);
    return b->fault.err;
}

static err_t read_headers(struct chain_feed *d, struct chain_batch *b)
{
    const struct chain_header *h;
    enum chain_check check;
    d->count = d->at = 0;
    while (d->count < CHAIN_SEGMENT_BLOCKS) {
        if (chain_headers_next(d->headers, &h, &check, &b->fault) != OK) {
            char file[CHAIN_FILE_MAX];
            chain_shard_file(file, "headers", d->shard, ".cbor");
            return broken(b, check, file);
        }
        if (h == NULL) {
            d->over = 1;
            break;
        }
        d->header[d->count++] = *h;
    }
    return OK;
}

/* Opens what the next sixteen blocks are in. */
static err_t begin_segment(struct chain_feed *d, struct chain_batch *b)
{
    char path[CHAIN_PATH_MAX];
    d->from_offset = chain_headers_offset(d->headers);
    TRY(read_headers(d, b));
    if (d->count == 0)
        return OK;
    uint64_t ballots = d->header[d->count - 1].size - d->size;
    snprintf(d->file, sizeof d->file, "segments/s%s/%08llu.zst", d->shard->name.s,
             (unsigned long long)d->number);
    d->inside = 1;
    d->segment_bytes = 0;
    d->from_size = d->size;
    int here = chain_has(d->v, d->file), listed = d->ids != NULL && d->leaves != NULL;
    if (ballots == 0) {
        if (here) {
            fault_set(&b->fault, ERR_TRAILING, "is there, and its blocks have no ballots");
            return broken(b, CHAIN_CHECK_FORM, d->file);
        }
        return OK;
    }
    int trusted = d->size + ballots <= d->trusted_size;
    if (listed && (!here || trusted))
        return OK;
    if (!here) {
        fault_set(&b->fault, ERR_MISSING, "is not here, nor are ids and leaves of its ballots");
        return broken(b, CHAIN_CHECK_FORM, d->file);
    }
    err_t e = chain_path(d->v, path, d->file, &b->fault);
    if (e == OK)
        e = chain_segment_open(&d->segment, d->v->ctx->e, path, ballots, &b->fault);
    d->segment_bytes = file_bytes(path);
    if (e != OK && b->fault.err == OK)
        fault_set(&b->fault, e, "cannot be read");
    return e == OK ? OK : broken(b, CHAIN_CHECK_FORM, d->file);
}

/* What was read for the segment that ends: its file, its headers, what ids and leaves say of it. */
static void count_segment(const struct chain_feed *d)
{
    struct metrics *m = d->v->o->metrics;
    uint64_t lists = (uint64_t)(d->ids != NULL) + (d->leaves != NULL);
    metrics_add(m, METRIC_VERIFY_EXPORTS, d->segment != NULL);
    metrics_add(m, METRIC_VERIFY_READ,
                d->segment_bytes + chain_headers_offset(d->headers) - d->from_offset +
                    lists * HASH_LEN * (d->size - d->from_size));
}

static void end_segment(struct chain_feed *d, struct chain_batch *b)
{
    count_segment(d);
    chain_segment_close(d->segment);
    d->segment = NULL;
    d->inside = 0;
    d->number++;
    b->at_boundary = 1;
    b->resume =
        (struct chain_resume){d->number, chain_headers_offset(d->headers), *chain_headers_link(d->headers)};
}

static err_t read_list(FILE *in, hash_t *out, struct chain_batch *b, const char *kind,
                       const struct chain_feed *d)
{
    char file[CHAIN_FILE_MAX];
    if (fread(out->b, 1, HASH_LEN, in) == HASH_LEN)
        return OK;
    fault_set(&b->fault, ferror(in) ? ERR_IO : ERR_TRUNCATED, "ends before ballot %llu",
              (unsigned long long)d->size);
    chain_shard_file(file, kind, d->shard, "");
    return broken(b, CHAIN_CHECK_FORM, file);
}

/* A count that is not that of the headers is a matter of what was signed; the rest is form. */
static err_t pair_error(struct chain_feed *d, struct chain_batch *b, err_t e)
{
    if (b->fault.err == OK)
        fault_set(&b->fault, e, "cannot be read");
    char detail[sizeof b->fault.detail];
    memcpy(detail, b->fault.detail, sizeof detail);
    snprintf(b->fault.detail, sizeof b->fault.detail, "ballot %llu: %.400s", (unsigned long long)d->size,
             detail);
    return broken(b, e == ERR_MISSING || e == ERR_TRAILING ? CHAIN_CHECK_TREES : CHAIN_CHECK_FORM, d->file);
}

static err_t next_slot(struct chain_feed *d, struct chain_batch *b)
{
    struct chain_pair p = {0};
    struct chain_slot *x;
    err_t e = OK;
    if (d->segment != NULL) {
        e = chain_segment_next(d->segment, &p, &b->fault);
        if (e == OK && p.ballot == NULL)
            e = ERR_MISSING;
        if (e != OK)
            return pair_error(d, b, e);
    }
    e = add_slot(b, &x, p.len + p.hints_len);
    if (e != OK)
        return fault_set(&b->fault, e, "reading a shard");
    if (d->ids != NULL)
        e = read_list(d->ids, &x->said_id, b, "ids", d);
    if (e == OK && d->leaves != NULL)
        e = read_list(d->leaves, &x->said_leaf, b, "leaves", d);
    if (e != OK) {
        b->slot_count--;
        return e;
    }
    x->has_said = (d->ids != NULL) | (d->leaves != NULL) << 1;
    x->kind = d->segment == NULL ? SLOT_KNOWN : d->size < d->trusted_size ? SLOT_HASHED : SLOT_FULL;
    if (d->segment == NULL) {
        x->leaf = x->said_leaf;
        x->id = x->said_id;
    } else {
        x->len = p.len;
        x->hints_len = p.hints_len;
        memcpy(b->data + x->at, p.ballot, p.len);
        if (p.hints_len)
            memcpy(b->data + x->at + p.len, p.hints, p.hints_len);
    }
    d->size++;
    return OK;
}

/* Behind the last ballot of a segment there is nothing. */
static err_t check_segment_end(struct chain_feed *d, struct chain_batch *b)
{
    struct chain_pair p;
    if (d->segment == NULL)
        return OK;
    err_t e = chain_segment_next(d->segment, &p, &b->fault);
    if (e == OK && p.ballot != NULL)
        e = ERR_TRAILING;
    return e == OK ? OK : pair_error(d, b, e);
}

static err_t fill(struct chain_feed *d, struct chain_batch *b, size_t bytes)
{
    err_t e;
    while (!b->last && b->used < bytes && b->slot_count < CHAIN_BATCH_SLOTS) {
        if (!d->inside) {
            if (b->used >= bytes / 2 || b->slot_count >= CHAIN_BATCH_SLOTS / 2)
                return OK;
            b->last = d->over;
            if (b->last)
                return OK;
            TRY(begin_segment(d, b));
            b->last = d->count == 0;
            if (b->last)
                return OK;
        }
        b->at_boundary = 0;
        while (d->at < d->count && d->size == d->header[d->at].size) {
            e = add_block(b, &d->header[d->at++], 1);
            if (e != OK)
                return fault_set(&b->fault, e, "reading a shard");
        }
        if (d->at < d->count) {
            TRY(next_slot(d, b));
            continue;
        }
        TRY(check_segment_end(d, b));
        end_segment(d, b);
    }
    return OK;
}

void chain_feed_fill(struct chain_feed *d, struct chain_batch *b, size_t bytes)
{
    b->first = d->size;
    b->check = CHAIN_CHECK_COUNT;
    fault_clear(&b->fault);
    b->err = fill(d, b, bytes);
    b->broken = b->err != OK && b->check != CHAIN_CHECK_COUNT;
    if ((b->err == OK || b->broken) && d->inside && d->at < d->count) { /* what goes on in the next batch */
        err_t e = add_block(b, &d->header[d->at], 0);
        if (e != OK) {
            b->broken = 0;
            b->err = fault_set(&b->fault, e, "reading a shard");
        }
    }
}
