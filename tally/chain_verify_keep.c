/* What a verification of a chain keeps on disk: where to go on, and the ballot ids. WORK/state.cbor is
 * written after WORK/ids is synced, so that what it counts is there. It ends with a hash over itself and has
 * one over the ids: what a disk has changed is not gone on with. */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "ceremony/base/file.h"
#include "tally/chain_verify_full.h"

#define STATE "state.cbor"
#define SPOOL "ids"
#define RECORD (HASH_LEN + 4 + 16) /* struct chain_spooled without its number */
#define LABEL "conclave/chain-verify"

struct chain_keep {
    char state[CHAIN_PATH_MAX], spool[CHAIN_PATH_MAX];
    FILE *file;
    struct hash_ctx hash; /* over all ids so far */
};

/* hash over all ids so far; more can be added */
static void ids_hash(hash_t *out, const struct chain_keep *k)
{
    struct hash_ctx copy = k->hash;
    hash_end(&copy, out);
}

static err_t failed(const struct chain_keep *k, const char *what, struct fault *f)
{
    fault_set(f, ERR_IO, "%s: %s", what, strerror(errno));
    return fault_file(f, ERR_IO, k->spool);
}

/* --- the state --- */

static void put_tree(struct cbor_out *o, const struct merkle *m)
{
    cbor_put_uint(o, m->count);
    cbor_put_bytes(o, m->peak, (size_t)__builtin_popcountll(m->count) * sizeof *m->peak);
}

static void get_tree(struct cbor_in *in, struct merkle *m)
{
    size_t len;
    merkle_init(m);
    m->count = cbor_get_uint(in, CHAIN_BALLOTS_MAX);
    size_t want = (size_t)__builtin_popcountll(m->count) * sizeof *m->peak;
    const uint8_t *p = cbor_get_bytes(in, want, want, &len);
    if (p != NULL && len)
        memcpy(m->peak, p, len);
}

static void put_link(struct cbor_out *o, const struct chain_resume *r)
{
    cbor_put_uint(o, r->segment);
    cbor_put_uint(o, r->offset);
    cbor_put_hash(o, &r->link.previous);
    cbor_put_uint(o, r->link.height);
    cbor_put_uint(o, r->link.size);
    cbor_put_uint(o, r->link.time);
    cbor_put_hash(o, &r->link.root);
    cbor_put_hash(o, &r->link.ids);
    cbor_put_hash(o, &r->link.tally);
}

static void get_link(struct cbor_in *in, struct chain_resume *r)
{
    r->segment = cbor_get_uint(in, CHAIN_HEADERS_MAX);
    r->offset = cbor_get_uint(in, INT64_MAX);
    cbor_get_hash(in, &r->link.previous);
    r->link.height = cbor_get_uint(in, CHAIN_HEADERS_MAX);
    r->link.size = cbor_get_uint(in, CHAIN_BALLOTS_MAX);
    r->link.time = cbor_get_uint(in, UINT32_MAX);
    cbor_get_hash(in, &r->link.root);
    cbor_get_hash(in, &r->link.ids);
    cbor_get_hash(in, &r->link.tally);
}

/* The run that this state belongs to. */
struct owner {
    const hash_t *snapshot, *trusted;
    const struct chain_shard_name *only;
};

static struct owner owner_of(const struct chain_run *v)
{
    return (struct owner){&v->s->id, v->trusted != NULL ? &v->trusted->id : NULL, v->o->only};
}

static void put_owner(struct cbor_out *o, const struct chain_context *ctx, const struct owner *w)
{
    static const hash_t none;
    cbor_put_text(o, LABEL);
    cbor_put_uint(o, 3);
    cbor_put_hash(o, &ctx->e->m->election);
    cbor_put_hash(o, &ctx->e->r->id);
    cbor_put_text(o, ctx->c->id);
    cbor_put_hash(o, w->snapshot);
    cbor_put_hash(o, w->trusted != NULL ? w->trusted : &none);
    cbor_put_text(o, w->only != NULL ? w->only->s : "all");
}

static int is_owner(struct cbor_in *in, const struct chain_context *ctx, const struct owner *w)
{
    struct cbor_out want = CBOR_OUT_INIT;
    put_owner(&want, ctx, w);
    int same = want.err == OK && in->err == OK && in->len - in->pos >= want.len &&
               memcmp(in->data + in->pos, want.data, want.len) == 0;
    if (same)
        in->pos += want.len;
    cbor_out_free(&want);
    return same;
}

err_t chain_keep_save(struct chain_keep *k, const struct chain_run *v, const struct chain_progress *p,
                      struct fault *f)
{
    struct cbor_out o = CBOR_OUT_INIT;
    struct owner w = owner_of(v);
    hash_t h;
    if (k == NULL)
        return OK;
    if (fflush(k->file) != 0 || fdatasync(fileno(k->file)) != 0)
        return failed(k, "writing ballot ids", f);
    cbor_put_array(&o, 34);
    put_owner(&o, v->ctx, &w);
    cbor_put_uint(&o, p->shard);
    cbor_put_uint(&o, (uint64_t)p->inside);
    put_link(&o, &p->at);
    put_tree(&o, &p->leaves);
    put_tree(&o, &p->ids);
    cbor_put_uint(&o, (uint64_t)p->partial);
    cbor_put_hash(&o, &p->trusted_tally);
    cbor_put_uint(&o, p->no_tally);
    cbor_put_uint(&o, p->untold);
    cbor_put_uint(&o, p->spooled);
    cbor_put_uint(&o, p->checked);
    cbor_put_uint(&o, p->trusted);
    cbor_put_uint(&o, p->pruned);
    err_t e = chain_sums_put(&o, v->ctx, p->running);
    ids_hash(&h, k);
    cbor_put_hash(&o, &h);
    if (e == OK && o.err == OK) {
        hash_one(&h, o.data, o.len);
        cbor_put_hash(&o, &h);
    }
    if (e == OK)
        e = o.err;
    if (e == OK)
        e = file_write(k->state, o.data, o.len, FILE_REPLACE, f);
    cbor_out_free(&o);
    return e == OK || (f != NULL && f->err != OK) ? e : fault_set(f, e, "keeping where to go on");
}

static err_t get_state(struct cbor_in *in, const struct chain_context *ctx, const struct owner *w,
                       struct chain_progress *p, hash_t *ids)
{
    hash_t check, said;
    cbor_get_array_exact(in, 34);
    if (!is_owner(in, ctx, w))
        return ERR_UNKNOWN;
    p->shard = cbor_get_uint(in, CHAIN_SHARDS_MAX);
    p->inside = (int)cbor_get_uint(in, 2);
    get_link(in, &p->at);
    get_tree(in, &p->leaves);
    get_tree(in, &p->ids);
    p->partial = (int)cbor_get_uint(in, 1);
    cbor_get_hash(in, &p->trusted_tally);
    p->no_tally = cbor_get_uint(in, UINT64_MAX);
    p->untold = cbor_get_uint(in, UINT64_MAX);
    p->spooled = cbor_get_uint(in, BALLOTS_MAX);
    p->checked = cbor_get_uint(in, BALLOTS_MAX);
    p->trusted = cbor_get_uint(in, BALLOTS_MAX);
    p->pruned = cbor_get_uint(in, BALLOTS_MAX);
    TRY(chain_sums_new(&p->running, ctx));
    chain_sums_get_var(in, ctx, p->running);
    cbor_get_hash(in, ids);
    hash_one(&check, in->data, in->pos);
    cbor_get_hash(in, &said);
    TRY(cbor_in_end(in, NULL));
    return hash_cmp(&check, &said) == 0 ? OK : ERR_HASH;
}

/* A state that cannot be read, or is of another snapshot, is none: everything is checked from the start. */
static err_t load_state(const char *path, const struct chain_context *ctx, const struct owner *w,
                        struct chain_progress *p, hash_t *ids)
{
    uint8_t *data = NULL;
    size_t len;
    struct cbor_in in;
    *p = (struct chain_progress){0};
    err_t e = file_read(&data, &len, path, CHAIN_SNAPSHOT_MAX, NULL);
    if (e == OK) {
        cbor_in_init(&in, data, len);
        e = get_state(&in, ctx, w, p, ids);
    }
    free(data);
    if (e != OK) {
        chain_sums_free(p->running);
        *p = (struct chain_progress){0};
    }
    return e;
}

/* --- the ids --- */

static err_t open_spool(struct chain_keep *k, const char *work, struct fault *f)
{
    if (file_path(k->state, sizeof k->state, work, STATE) != OK ||
        file_path(k->spool, sizeof k->spool, work, SPOOL) != OK)
        return fault_set(f, ERR_LIMIT, "the path of the work directory is too long");
    int fd;
    TRY(file_open_state(&fd, k->spool, O_RDWR | O_CREAT, 0644, f));
    k->file = fdopen(fd, "r+b");
    if (k->file == NULL) {
        close(fd);
        return fault_set(f, ERR_MEMORY, "opening ballot ids");
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        fault_set(f, ERR_BUSY, "another program is verifying this chain in this directory");
        return fault_file(f, ERR_BUSY, k->spool);
    }
    return OK;
}

/* Hashes the ids of a run that was interrupted; *same: they are those that its state counts. */
static err_t take_up(struct chain_keep *k, uint64_t count, const hash_t *want, int *same, struct fault *f)
{
    uint8_t buf[RECORD * 256];
    hash_t have;
    *same = 0;
    hash_init(&k->hash);
    if (fseeko(k->file, 0, SEEK_SET) != 0)
        return failed(k, "reading ballot ids", f);
    while (count > 0) {
        size_t n = count < 256 ? (size_t)count : 256;
        if (fread(buf, RECORD, n, k->file) != n)
            return ferror(k->file) ? failed(k, "reading ballot ids", f) : OK;
        hash_add(&k->hash, buf, n * RECORD);
        count -= n;
    }
    ids_hash(&have, k);
    *same = hash_cmp(&have, want) == 0;
    return OK;
}

/* Where to go on; from the start if nothing that is here tells. */
static err_t find_place(struct chain_keep *k, const struct chain_run *v, struct chain_progress *p,
                        struct fault *f)
{
    struct owner w = owner_of(v);
    hash_t ids;
    int same = 0;
    err_t known = load_state(k->state, v->ctx, &w, p, &ids);
    err_t e = known == OK ? take_up(k, p->spooled, &ids, &same, f) : OK;
    if (e != OK || !same || p->shard > v->s->shard_count) {
        chain_sums_free(p->running);
        *p = (struct chain_progress){0};
        hash_init(&k->hash);
    }
    if (e == OK &&
        (ftruncate(fileno(k->file), (off_t)(p->spooled * RECORD)) != 0 || fseeko(k->file, 0, SEEK_END) != 0))
        e = failed(k, "cutting ballot ids", f);
    return e;
}

err_t chain_keep_open(struct chain_keep **out, struct chain_run *v, struct chain_progress *p, struct fault *f)
{
    *out = NULL;
    TRY(file_mkdir(v->o->work, f));
    struct chain_keep *k = calloc(1, sizeof *k);
    if (k == NULL)
        return fault_set(f, ERR_MEMORY, "keeping where to go on");
    err_t e = open_spool(k, v->o->work, f);
    if (e == OK)
        e = find_place(k, v, p, f);
    if (e != OK)
        chain_keep_close(k);
    else
        *out = k;
    return e;
}

void chain_keep_close(struct chain_keep *k)
{
    if (k == NULL)
        return;
    if (k->file != NULL)
        fclose(k->file);
    free(k);
}

err_t chain_keep_put(struct chain_keep *k, const struct chain_spooled *b, struct fault *f)
{
    uint8_t record[RECORD];
    uint32_t be = htobe32(b->place);
    memcpy(record, b->id.b, HASH_LEN);
    memcpy(record + HASH_LEN, &be, 4);
    memcpy(record + HASH_LEN + 4, b->leaf, sizeof b->leaf);
    if (k == NULL)
        return OK;
    hash_add(&k->hash, record, RECORD);
    return fwrite(record, 1, RECORD, k->file) == RECORD ? OK : failed(k, "writing ballot ids", f);
}

/* Each id, and at the end whether they are those that have this hash. */
static err_t each(struct chain_keep *k, uint64_t count, const hash_t *want, chain_spool_fn *fn, void *ctx,
                  struct fault *f)
{
    uint8_t record[RECORD];
    uint32_t be;
    struct chain_spooled b;
    struct hash_ctx all;
    hash_t have;
    hash_init(&all);
    if (fflush(k->file) != 0 || fseeko(k->file, 0, SEEK_SET) != 0)
        return failed(k, "reading ballot ids", f);
    for (uint64_t i = 0; i < count; i++) {
        if (fread(record, 1, RECORD, k->file) != RECORD)
            return failed(k, "reading ballot ids", f);
        hash_add(&all, record, RECORD);
        memcpy(b.id.b, record, HASH_LEN);
        memcpy(&be, record + HASH_LEN, 4);
        b.place = be32toh(be);
        memcpy(b.leaf, record + HASH_LEN + 4, sizeof b.leaf);
        b.at = i;
        TRY(fn(ctx, &b, f));
    }
    hash_end(&all, &have);
    if (hash_cmp(&have, want) != 0) {
        fault_set(f, ERR_HASH, "was changed since it was written here; delete its directory and repeat");
        return fault_file(f, ERR_HASH, k->spool);
    }
    return fseeko(k->file, 0, SEEK_END) == 0 ? OK : failed(k, "reading ballot ids", f);
}

err_t chain_keep_each(struct chain_keep *k, uint64_t count, chain_spool_fn *fn, void *ctx, struct fault *f)
{
    hash_t want;
    ids_hash(&want, k);
    return each(k, count, &want, fn, ctx, f);
}

err_t chain_spool_each(const struct chain_context *ctx, const char *work, const hash_t *snapshot,
                       chain_spool_fn *fn, void *fn_ctx, struct fault *f)
{
    struct chain_progress p = {0};
    struct owner w = {.snapshot = snapshot};
    hash_t ids;
    struct chain_keep *k = calloc(1, sizeof *k);
    if (k == NULL)
        return fault_set(f, ERR_MEMORY, "reading ballot ids");
    err_t e = open_spool(k, work, f);
    if (e == OK)
        e = load_state(k->state, ctx, &w, &p, &ids);
    if (e == OK ? p.inside != 2 : err_class(e) != CLASS_SYSTEM) {
        fault_set(f, ERR_FORMAT, "is not of a chain that was verified here");
        e = fault_file(f, ERR_FORMAT, k->state);
    }
    if (e == OK)
        e = each(k, p.spooled, &ids, fn, fn_ctx, f);
    chain_sums_free(p.running);
    chain_keep_close(k);
    return e;
}

/* --- what runs over one shard leave --- */

static err_t append(struct chain_keep *k, struct chain_keep *from, uint64_t count, struct fault *f)
{
    uint8_t record[RECORD];
    if (fseeko(from->file, 0, SEEK_SET) != 0)
        return failed(from, "reading ballot ids", f);
    for (uint64_t i = 0; i < count; i++) {
        if (fread(record, 1, RECORD, from->file) != RECORD)
            return failed(from, "reading ballot ids", f);
        hash_add(&k->hash, record, RECORD);
        if (fwrite(record, 1, RECORD, k->file) != RECORD)
            return failed(k, "writing ballot ids", f);
    }
    return OK;
}

err_t chain_keep_take(struct chain_keep *k, const struct chain_run *v, const struct chain_shard *shard,
                      const char *dir, int *taken, struct fault *f)
{
    char path[CHAIN_PATH_MAX];
    struct chain_keep from = {0};
    struct chain_progress p = {0};
    struct owner w = owner_of(v);
    hash_t ids;
    int same = 0;
    *taken = 0;
    w.only = &shard->name;
    if (file_path(path, sizeof path, dir, STATE) != OK || access(path, F_OK) != 0)
        return OK;
    err_t e = open_spool(&from, dir, f);
    err_t known = e == OK ? load_state(from.state, v->ctx, &w, &p, &ids) : e;
    if (known == OK && p.inside == 2 && p.spooled == shard->size && p.checked == shard->size)
        e = take_up(&from, p.spooled, &ids, &same, f);
    if (e == OK && same)
        e = append(k, &from, p.spooled, f);
    *taken = e == OK && same;
    chain_sums_free(p.running);
    if (from.file != NULL)
        fclose(from.file);
    return e;
}

void chain_verify_forget(const char *work)
{
    static const char *const name[] = {STATE, SPOOL};
    char path[CHAIN_PATH_MAX];
    for (size_t i = 0; i < sizeof name / sizeof *name; i++)
        if (file_path(path, sizeof path, work, name[i]) == OK)
            unlink(path);
    rmdir(work);
}
