/* The headers of a shard: each signed, each the successor of the one before, the last one the snapshot's. */
#include <stdlib.h>
#include <string.h>

#include "ceremony/base/file.h"
#include "tally/chain_verify_run.h"

#define CHUNK 256 /* headers whose signatures are checked at once */

struct one {
    uint8_t data[CHAIN_HEADER_MAX];
    size_t len;
    struct chain_header h;
    err_t err;
    struct fault fault;
};

struct chain_headers {
    const struct chain_run *v;
    const struct chain_shard *shard;
    char file[CHAIN_FILE_MAX];
    FILE *stream;
    struct chain_link link;
    int ended; /* by its last header: split or closed */
    uint64_t offset, read_at;
    size_t count, next;
    err_t late; /* what stopped reading, behind the headers of this chunk */
    struct fault late_fault;
    struct one one[CHUNK];
};

err_t chain_head_digest(hash_t *out, const hash_t *id, uint64_t size, const hash_t *root, const hash_t *ids,
                        enum chain_state state)
{
    struct cbor_out o = CBOR_OUT_INIT;
    cbor_put_array(&o, 5);
    cbor_put_hash(&o, id);
    cbor_put_uint(&o, size);
    cbor_put_hash(&o, root);
    cbor_put_hash(&o, ids);
    cbor_put_uint(&o, state);
    return cbor_out_hash(&o, out);
}

void chain_link_start(const struct chain_run *v, struct chain_link *out, size_t shard)
{
    struct chain_shard_name name = v->s->shard[shard].name;
    size_t len = strlen(name.s);
    memset(out, 0, sizeof *out);
    hash_one(&out->root, "", 0);
    out->ids = out->root;
    out->tally = v->zero_tally;
    if (len == 0)
        return;
    name.s[len - 1] = '\0';
    const struct chain_shard *from = chain_shard_find(v->s->shard, v->s->shard_count, name.s);
    if (from == NULL)
        return;
    out->previous = from->head;
    out->time = v->end[from - v->s->shard].time;
}

err_t chain_headers_open(struct chain_headers **out, const struct chain_run *v, size_t shard,
                         const struct chain_link *from, uint64_t offset, struct fault *f)
{
    char path[CHAIN_PATH_MAX];
    *out = NULL;
    struct chain_headers *r = calloc(1, sizeof *r);
    if (r == NULL)
        return fault_set(f, ERR_MEMORY, "reading headers");
    r->v = v;
    r->shard = &v->s->shard[shard];
    r->link = *from;
    r->offset = r->read_at = offset;
    chain_shard_file(r->file, "headers", r->shard, ".cbor");
    err_t e = chain_path(v, path, r->file, f);
    if (e == OK)
        e = file_open(&r->stream, path, f);
    if (e == OK && offset > 0 && fseeko(r->stream, (off_t)offset, SEEK_SET) != 0)
        e = fault_set(f, ERR_IO, "cannot be read from the middle");
    if (e != OK)
        chain_headers_close(r);
    else
        *out = r;
    return e;
}

void chain_headers_close(struct chain_headers *r)
{
    if (r == NULL)
        return;
    if (r->stream != NULL)
        fclose(r->stream);
    free(r);
}

const uint8_t *chain_headers_bytes(const struct chain_headers *r, size_t *len)
{
    const struct one *x = &r->one[r->next - 1];
    *len = x->len;
    return x->data;
}

uint64_t chain_headers_offset(const struct chain_headers *r)
{
    return r->offset;
}

const struct chain_link *chain_headers_link(const struct chain_headers *r)
{
    return &r->link;
}

/* --- bytes --- */

static err_t stopped(struct chain_headers *r, err_t e, const char *what)
{
    fault_set(&r->late_fault, e, "%s", what);
    r->late_fault.at = (long long)r->read_at;
    return e;
}

static err_t cut_off(struct chain_headers *r)
{
    return ferror(r->stream) ? stopped(r, ERR_IO, "cannot be read")
                             : stopped(r, ERR_TRUNCATED, "the file ends inside of a header");
}

/* One byte string. *len = 0: the end of the file. */
static err_t read_one(struct chain_headers *r, uint8_t *data, size_t *len)
{
    uint8_t more[2] = {0};
    *len = 0;
    int first = getc(r->stream);
    if (first == EOF)
        return ferror(r->stream) ? stopped(r, ERR_IO, "cannot be read") : OK;
    size_t n = (size_t)first & 31, head = 1;
    if ((first & 0xe0) != 0x40 || n > 25)
        return stopped(r, (first & 0xe0) == 0x40 && n < 28 ? ERR_LIMIT : ERR_FORMAT,
                       "no byte string of a header's size");
    if (n >= 24) {
        head = n == 24 ? 2 : 3;
        if (fread(more, 1, head - 1, r->stream) != head - 1)
            return cut_off(r);
        int canonical = n == 24 ? more[0] >= 24 : more[0] > 0;
        n = n == 24 ? more[0] : (size_t)more[0] << 8 | more[1];
        if (!canonical)
            return stopped(r, ERR_CANONICAL, "a length is not in its shortest form");
    }
    if (n == 0 || n > CHAIN_HEADER_MAX)
        return stopped(r, ERR_LIMIT, "no byte string of a header's size");
    if (fread(data, 1, n, r->stream) != n)
        return cut_off(r);
    r->read_at += head + n;
    *len = n;
    return OK;
}

static err_t fill(struct chain_headers *r)
{
    r->count = r->next = 0;
    while (r->count < CHUNK && r->late == OK) {
        struct one *x = &r->one[r->count];
        r->late = read_one(r, x->data, &x->len);
        if (r->late != OK || x->len == 0)
            break;
        r->count++;
    }
#pragma omp parallel for schedule(dynamic, 4) if (r->count > 4)
    for (size_t i = 0; i < r->count; i++) {
        struct one *x = &r->one[i];
        fault_clear(&x->fault);
        x->err = chain_header_parse(&x->h, r->v->ctx, x->data, x->len, &x->fault);
    }
    return OK;
}

/* --- one after the other --- */

static err_t wrong(struct fault *f, err_t e, uint64_t height, const char *what)
{
    return fault_set(f, e, "header %llu: %s", (unsigned long long)height, what);
}

static err_t check_follows(const struct chain_headers *r, const struct chain_header *h, struct fault *f)
{
    const struct chain_link *l = &r->link;
    if (strcmp(h->shard.s, r->shard->name.s) != 0)
        return wrong(f, ERR_UNKNOWN, l->height, "is of another shard than the file");
    if (r->ended)
        return wrong(f, ERR_TRAILING, l->height, "follows one that ended the shard");
    if (h->height < l->height)
        return h->height + 1 == l->height && hash_cmp(&h->id, &l->previous) == 0
                   ? wrong(f, ERR_DUPLICATE, h->height, "is here twice")
                   : wrong(f, ERR_EQUIVOCATION, h->height,
                           "there is another one of this height, both signed by the key of the chain");
    if (h->height > l->height)
        return wrong(f, ERR_MISSING, l->height, "was skipped");
    if (hash_cmp(&h->previous, &l->previous) != 0)
        return wrong(f, ERR_HASH, l->height, "names another header before it than the one here");
    if (h->time < l->time)
        return wrong(f, ERR_RULE, l->height, "is earlier than the one before");
    if (h->size < l->size || h->size - l->size > CHAIN_BLOCK_MAX)
        return wrong(f, ERR_RULE, l->height, "its size does not follow from the one before by one block");
    if (h->size > l->size)
        return OK;
    if (h->state == CHAIN_OPEN)
        return wrong(f, ERR_RULE, l->height, "has no ballots and does not end the shard");
    if (hash_cmp(&h->root, &l->root) != 0 || hash_cmp(&h->ids, &l->ids) != 0 ||
        hash_cmp(&h->tally, &l->tally) != 0)
        return wrong(f, ERR_MISMATCH, l->height,
                     "has no new ballots, and other roots or another tally than the one before");
    return OK;
}

static err_t check_end(const struct chain_headers *r, struct fault *f)
{
    const struct chain_shard *s = r->shard;
    const struct chain_link *l = &r->link;
    if (l->height < s->headers)
        return fault_set(f, ERR_MISSING, "%llu headers, the snapshot has %llu", (unsigned long long)l->height,
                         (unsigned long long)s->headers);
    if (hash_cmp(&l->previous, &s->head) != 0)
        return fault_set(f, ERR_HASH, "the last header is not the one that the snapshot names");
    if (l->size != s->size || hash_cmp(&l->root, &s->root) != 0 || hash_cmp(&l->ids, &s->ids) != 0)
        return fault_set(f, ERR_MISMATCH, "size or roots of the snapshot are not those of the last header");
    if (r->ended != (s->state != CHAIN_OPEN))
        return fault_set(f, ERR_MISMATCH, "the snapshot gives another state than the last header");
    return OK;
}

err_t chain_headers_next(struct chain_headers *r, const struct chain_header **h, enum chain_check *check,
                         struct fault *f)
{
    *h = NULL;
    *check = CHAIN_CHECK_HEADERS;
    if (r->next == r->count && r->late == OK)
        TRY(fill(r));
    if (r->next == r->count && r->late != OK) {
        *check = CHAIN_CHECK_FORM;
        if (f != NULL)
            *f = r->late_fault;
        return r->late;
    }
    if (r->next == r->count)
        return check_end(r, f);
    struct one *x = &r->one[r->next];
    if (x->err != OK) {
        *check = x->err == ERR_SIGNATURE ? CHAIN_CHECK_HEADERS : CHAIN_CHECK_FORM;
        if (f != NULL) {
            *f = x->fault;
            f->at = (long long)r->offset;
        }
        return x->err;
    }
    if (r->link.height == r->shard->headers)
        return wrong(f, ERR_TRAILING, r->link.height, "is behind the last one of the snapshot");
    TRY(check_follows(r, &x->h, f));
    r->link =
        (struct chain_link){x->h.id, x->h.height + 1, x->h.size, x->h.time, x->h.root, x->h.ids, x->h.tally};
    r->ended = x->h.state != CHAIN_OPEN;
    if (r->ended && x->h.state != r->shard->state)
        return wrong(f, ERR_MISMATCH, x->h.height, "the snapshot gives another state than it");
    r->offset += x->len + (x->len < 24 ? 1 : x->len < 256 ? 2 : 3);
    r->next++;
    *h = &x->h;
    return OK;
}

/* --- all shards --- */

struct pass {
    struct chain_run *v;
    size_t shard;
    const struct chain_expected *next, *stop;      /* of this shard */
    const struct chain_header *other, *other_stop; /* evidence about it */
};

static err_t compare(struct pass *p, const struct chain_header *h)
{
    hash_t digest;
    struct chain_run *v = p->v;
    TRY(chain_head_digest(&digest, &h->id, h->size, &h->root, &h->ids, h->state));
    for (; p->next < p->stop && p->next->height <= h->height; p->next++)
        if (p->next->height == h->height && hash_cmp(&digest, &p->next->digest) != 0)
            chain_failf(v, CHAIN_CHECK_HEADERS, ERR_EQUIVOCATION, NULL, (int64_t)p->shard,
                        "header %llu is another one than snapshot %llu names", (unsigned long long)h->height,
                        (unsigned long long)p->next->number);
    for (; p->other < p->other_stop && p->other->height <= h->height; p->other++)
        if (p->other->height == h->height && hash_cmp(&h->id, &p->other->id) != 0)
            chain_failf(v, CHAIN_CHECK_HEADERS, ERR_EQUIVOCATION, NULL, (int64_t)p->shard,
                        "header %llu: evidence/ has another one, both signed by the key of the chain",
                        (unsigned long long)h->height);
    for (size_t i = 0; i < v->o->anchor_count; i++) {
        const struct chain_anchor *a = &v->o->anchor[i];
        if (a->size != h->size || strcmp(a->shard.s, h->shard.s) != 0 || v->anchor_seen[i])
            continue;
        v->anchor_seen[i] = 1;
        if (hash_cmp(&a->root, &h->root) != 0)
            chain_failf(v, CHAIN_CHECK_ANCHOR, ERR_MISMATCH, NULL, (int64_t)p->shard,
                        "header %llu: the root of %llu ballots is not the one printed elsewhere",
                        (unsigned long long)h->height, (unsigned long long)h->size);
    }
    return OK;
}

/* Older snapshots and evidence can be many, and so can shards: both lists are sorted. */
static const struct chain_expected *expected_from(const struct chain_run *v, size_t shard)
{
    size_t low = 0, high = v->expected_count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (v->expected[mid].shard < shard)
            low = mid + 1;
        else
            high = mid;
    }
    return v->expected + low;
}

static const struct chain_header *evidence_from(const struct chain_run *v, const char *name)
{
    size_t low = 0, high = v->evidence_count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (strcmp(v->evidence[mid].shard.s, name) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return v->evidence + low;
}

static void begin_pass(struct pass *p, struct chain_run *v, size_t shard)
{
    const char *name = v->s->shard[shard].name.s;
    *p = (struct pass){.v = v, .shard = shard};
    if (v->expected_count) {
        p->next = p->stop = expected_from(v, shard);
        while (p->stop < v->expected + v->expected_count && p->stop->shard == shard)
            p->stop++;
    }
    if (v->evidence_count) {
        p->other = p->other_stop = evidence_from(v, name);
        while (p->other_stop < v->evidence + v->evidence_count && strcmp(p->other_stop->shard.s, name) == 0)
            p->other_stop++;
    }
}

static err_t one_shard(struct chain_run *v, size_t shard, struct fault *f)
{
    const struct chain_header *h = NULL;
    struct chain_headers *r = NULL;
    enum chain_check check = CHAIN_CHECK_FORM;
    struct chain_link start;
    struct pass pass;
    struct fault why;
    char file[CHAIN_FILE_MAX];
    err_t e;
    fault_clear(&why);
    chain_shard_file(file, "headers", &v->s->shard[shard], ".cbor");
    chain_link_start(v, &start, shard);
    v->end[shard] = start;
    if (v->s->shard[shard].headers == 0) {
        if (chain_has(v, file))
            chain_failf(v, CHAIN_CHECK_FORM, ERR_TRAILING, file, (int64_t)shard,
                        "has headers that the snapshot does not");
        return OK;
    }
    begin_pass(&pass, v, shard);
    e = chain_headers_open(&r, v, shard, &start, 0, &why);
    while (e == OK && (e = chain_headers_next(r, &h, &check, &why)) == OK && h != NULL) {
        v->r->headers++;
        v->end[shard] = *chain_headers_link(r);
        e = compare(&pass, h);
        if (e == OK && v->r->headers % CHUNK == 0)
            e = chain_tick(v, 0);
    }
    if (e != OK && e != ERR_STOPPED) {
        v->bad_shard[shard] = 1;
        e = chain_file(v, check, e, &why, file, (int64_t)shard, f);
    }
    for (; e == OK && !v->bad_shard[shard] && pass.other < pass.other_stop; pass.other++)
        if (v->s->shard[shard].state != CHAIN_OPEN)
            chain_failf(v, CHAIN_CHECK_HEADERS, ERR_EQUIVOCATION, NULL, (int64_t)shard,
                        "evidence/ has header %llu, behind the one that ended the shard",
                        (unsigned long long)pass.other->height);
    chain_headers_close(r);
    return e;
}

/* Whether one shard can be read depends on those that it was split from, and on no other. */
static int is_wanted(const struct chain_run *v, size_t shard)
{
    const char *name = v->s->shard[shard].name.s;
    return v->o->only == NULL || strncmp(v->o->only->s, name, strlen(name)) == 0;
}

err_t chain_verify_headers(struct chain_run *v, struct fault *f)
{
    size_t bad = 0;
    v->bad_shard = calloc(v->s->shard_count, 1);
    v->end = calloc(v->s->shard_count, sizeof *v->end);
    if (v->bad_shard == NULL || v->end == NULL)
        return fault_set(f, ERR_MEMORY, "reading headers");
    for (size_t i = 0; i < v->s->shard_count; i++) {
        if (!is_wanted(v, i))
            continue;
        TRY(one_shard(v, i, f));
        bad += v->bad_shard[i];
    }
    if (bad)
        chain_skip(v, CHAIN_CHECK_HEADERS, "the headers of %zu shards cannot be followed to the end", bad);
    return OK;
}
