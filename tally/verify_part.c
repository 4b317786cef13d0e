/* Making a part of a verification: the run over the exports and shards of it, with what it finds written down
 * instead of filed. */
#include "tally/verify_part.h"

#include <endian.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "ceremony/base/file.h"
#include "tally/id_sort.h"
#include "tally/part_form.h"
#include "tally/verify_piece.h"
#include "tally/verify_print.h"
#include "tally/verify_shard.h"

struct verify_piece {
    uint8_t *has; /* of each place */
    size_t count; /* exports */
    uint64_t failures, ids, bytes;
    size_t given[CHECK_COUNT]; /* failures and notes in the report so far: not more than a whole run keeps */
    size_t noted[CHECK_COUNT];
    struct part_list findings, shards;
    size_t work_count;
    char **work; /* directories to be forgotten when the report is there */
};

struct verify_part_run {
    struct verify *v;
    struct verify_options o;
    struct verify_shares shares;
    struct part_head head;
};

int verify_piece_has(const struct verify_piece *p, uint32_t place)
{
    return p->has[place];
}

uint64_t verify_piece_bytes(const struct verify_piece *p)
{
    return p->bytes;
}

/* --- what was found in one export --- */

/* The first of them: what follows is counted only, as in a whole run. */
static void keep_some(struct verify_piece *p, struct part_found *x)
{
    size_t failures = VERIFY_KEPT_MAX - p->given[x->check], notes = VERIFY_KEPT_MAX - p->noted[x->check];
    if (x->failure_kept > failures)
        x->failure_kept = failures;
    if (x->note_count > notes)
        x->note_count = notes;
    p->given[x->check] += x->failure_kept;
    p->noted[x->check] += x->note_count;
    p->failures += x->failure_count;
}

/* That a disk did not do what it should says nothing about the export: nobody is to sign that. */
static err_t disk_failed(struct verify *v, const struct verify_job *j)
{
    int failed = j->file_err == ERR_IO;
    for (size_t i = 0; j->v && i < CHECK_COUNT; i++)
        for (size_t k = 0; k < j->v->rep->outcome[i].failure_kept; k++)
            failed = failed || j->v->rep->outcome[i].failure[k].err == ERR_IO;
    if (!failed)
        return OK;
    fault_set(&v->fault, ERR_IO, "it could not be read");
    return fault_file(&v->fault, ERR_IO, j->file);
}

err_t verify_piece_keep(struct verify *v, const struct verify_job *j)
{
    struct verify_piece *p = v->piece;
    struct part_found found[CHECK_COUNT];
    struct part_finding x = {.file_err = j->file_err, .file = j->file_hash, .found = found};
    snprintf(x.place, sizeof x.place, "%s", j->who);
    x.record = j->record_hash;
    TRY(disk_failed(v, j));
    x.items = j->done;
    x.flags = (j->bad ? PART_BAD : 0) | (j->unread ? PART_UNREAD : 0) | (j->missing ? PART_MISSING : 0);
    x.left_out = j->left_out;
    x.left_out_count = j->missing ? 0 : j->left_out_count;
    x.ids = j->id_count;
    p->ids += x.ids;
    for (int i = 0; j->v && i < CHECK_COUNT; i++) {
        const struct verify_outcome *o = &j->v->rep->outcome[i];
        TRY(o->broken);
        if (o->failure_count == 0 && o->note_count == 0)
            continue;
        found[x.found_count] = part_found_of((enum verify_id)i, o);
        keep_some(p, &found[x.found_count++]);
    }
    part_finding_put(&p->findings.bytes, &x);
    p->findings.count++;
    return p->findings.bytes.err;
}

/* --- what was found in one shard --- */

static err_t keep_shard(struct verify_piece *p, struct part_shard *s)
{
    struct part_found found[CHECK_COUNT];
    struct part_shard x = *s;
    for (size_t i = 0; i < s->found_count; i++) {
        found[i] = s->found[i];
        keep_some(p, &found[i]);
    }
    x.found = found;
    p->ids += s->ids;
    part_shard_put(&p->shards.bytes, &x);
    p->shards.count++;
    return p->shards.bytes.err;
}

static err_t forget_later(struct verify_piece *p, const char *work)
{
    char **more = realloc(p->work, (p->work_count + 1) * sizeof *more);
    if (more == NULL)
        return ERR_MEMORY;
    p->work = more;
    p->work[p->work_count] = strdup(work);
    return p->work[p->work_count++] != NULL ? OK : ERR_MEMORY;
}

static err_t look_at_shards(struct verify_part_run *r, struct verify_piece *p, const char *dir, unsigned k,
                            unsigned n)
{
    struct part_shard found;
    char work[BUNDLE_PATH_MAX];
    err_t e = OK;
    for (size_t i = 0; i < r->shares.count && e == OK; i++) {
        if (r->shares.share[i].chain < 0 || verify_share_part(&r->shares, i, n) != k)
            continue;
        e = verify_shard_make(r->v, &r->shares, i, &r->head.program, dir, &found, work);
        if (e == OK)
            e = keep_shard(p, &found);
        if (e == OK && work[0] != '\0')
            e = forget_later(p, work);
        part_shard_free(&found);
    }
    return e;
}

/* --- the ids --- */

struct dump {
    struct file_writer w;
    struct hash_ctx hash;
    uint64_t count;
};

static err_t put_id(void *ctx, const struct id_copy *copy, int first, struct fault *f)
{
    struct dump *d = ctx;
    uint8_t entry[PART_ENTRY_LEN];
    uint32_t place = htobe32(copy->source);
    uint64_t origin = htobe64(copy->position);
    (void)first;
    memcpy(entry, copy->id.b, HASH_LEN);
    memcpy(entry + HASH_LEN, &place, 4);
    memcpy(entry + HASH_LEN + 4, &origin, 8);
    hash_add(&d->hash, entry, sizeof entry);
    d->count++;
    return file_writer_add(&d->w, entry, sizeof entry, f);
}

static err_t write_ids(struct verify *v, struct part_head *h, const char *path, struct fault *f)
{
    struct dump *d = calloc(1, sizeof *d);
    err_t e;
    if (d == NULL)
        return fault_set(f, ERR_MEMORY, "ballot ids");
    hash_init(&d->hash);
    GO(file_writer_open(&d->w, path, f));
    if (v->ids)
        GO(id_sort_each(v->ids, put_id, d, f));
    hash_end(&d->hash, &h->ids);
    h->id_count = d->count;
    e = file_writer_commit(&d->w, FILE_REPLACE, f);
out:
    file_writer_abandon(&d->w);
    free(d);
    return e;
}

/* --- a part --- */

static err_t choose(struct verify_part_run *r, struct verify_piece *p, unsigned k, unsigned n)
{
    p->has = calloc((size_t)places_count(r->v->places) + 1, 1);
    if (p->has == NULL)
        return ERR_MEMORY;
    for (size_t i = 0; i < r->shares.count; i++)
        if (r->shares.share[i].chain < 0 && verify_share_part(&r->shares, i, n) == k) {
            p->has[r->shares.share[i].place] = 1;
            p->bytes += r->shares.share[i].size;
            p->count++;
        }
    return OK;
}

static err_t look(struct verify_part_run *r, struct verify_piece *p, const char *dir, unsigned k, unsigned n)
{
    int threads = omp_get_max_threads();
    id_sort_free(r->v->ids);
    r->v->ids = NULL;
    r->v->piece = p;
    if (r->o.threads > 0)
        omp_set_num_threads(r->o.threads);
    err_t e = verify_exports(r->v);
    if (e == OK)
        e = look_at_shards(r, p, dir, k, n);
    omp_set_num_threads(threads);
    r->v->piece = NULL;
    return e;
}

static err_t finish(struct verify_part_run *r, struct verify_piece *p, const char *dir, unsigned k,
                    unsigned n, struct fault *f)
{
    char path[BUNDLE_PATH_MAX], ids[BUNDLE_PATH_MAX];
    struct cbor_out out = CBOR_OUT_INIT;
    err_t e;
    r->head.k = k;
    r->head.n = n;
    GO(part_path(ids, sizeof ids, dir, k, n, PART_IDS_SUFFIX));
    GO(part_path(path, sizeof path, dir, k, n, VERIFY_PART_SUFFIX));
    GO(write_ids(r->v, &r->head, ids, f));
    if (p->findings.count != p->count || p->ids != r->head.id_count)
        GO(fault_set(f, ERR_BUG, "a part has other exports or ids than it was given"));
    GO(part_build(&out, &r->head, &p->findings, &p->shards, f));
    GO(file_write(path, out.data, out.len, FILE_REPLACE, f));
    for (size_t i = 0; i < p->work_count; i++)
        chain_verify_forget(p->work[i]);
out:
    cbor_out_free(&out);
    return e;
}

err_t verify_part_make(struct verify_part_run *r, const char *dir, unsigned k, unsigned n, uint64_t *failures,
                       struct fault *f)
{
    struct verify_piece *p = calloc(1, sizeof *p);
    err_t e;
    if (p == NULL)
        return fault_set(f, ERR_MEMORY, "a part");
    fault_clear(f);
    if (failures)
        *failures = 0;
    if (k < 1 || k > n || n > PART_COUNT_MAX)
        GO(fault_set(f, ERR_USAGE, "there is no such part"));
    GO(file_mkdir(dir, f));
    GO(choose(r, p, k, n));
    GO(look(r, p, dir, k, n));
    if (failures)
        *failures = p->failures;
    e = finish(r, p, dir, k, n, f);
out:
    if (e != OK && f && f->err == OK) {
        if (r->v->fault.err == e)
            *f = r->v->fault;
        else
            fault_set(f, e, "verifying a part");
    }
    for (size_t i = 0; i < p->work_count; i++)
        free(p->work[i]);
    free(p->work);
    free(p->has);
    cbor_out_free(&p->findings.bytes);
    cbor_out_free(&p->shards.bytes);
    free(p);
    return e;
}

/* --- the run --- */

static err_t start(struct verify_part_run *r, const char *dir, struct fault *f)
{
    char sums[BUNDLE_PATH_MAX];
    TRY(verify_run_first(&r->v, dir, &r->o, CHECK_RECORD + 1, f));
    const struct verify_outcome *files = &r->v->rep->outcome[CHECK_FILES];
    for (size_t i = 0; i < files->failure_kept; i++)
        if (files->failure[i].err == ERR_IO) {
            fault_set(f, ERR_IO, "%s", files->failure[i].detail);
            return fault_file(f, ERR_IO, files->failure[i].file);
        }
    if (r->v->m == NULL || r->v->places == NULL || r->v->r == NULL)
        return fault_set(f, ERR_UNVERIFIED,
                         "manifest, places or ceremony record are not good; verify the whole");
    if (verify_path(r->v, sums, BUNDLE_SUMS) != OK)
        return fault_set(f, ERR_LIMIT, "the path is too long");
    TRY(file_hash_max(&r->head.bundle, sums, BUNDLE_SUMS_MAX, f));
    TRY(part_program(&r->head.program, f));
    r->head.election = r->v->m->election;
    r->head.record = r->v->record_id;
    snprintf(r->head.version, sizeof r->head.version, "%s", VERIFY_VERSION);
    err_t e = verify_shares_new(&r->shares, r->v);
    return e == OK ? OK : fault_set(f, e, "the list of exports");
}

err_t verify_part_open(struct verify_part_run **out, const char *dir, const struct verify_options *o,
                       struct fault *f)
{
    *out = NULL;
    struct verify_part_run *r = calloc(1, sizeof *r);
    if (r == NULL)
        return fault_set(f, ERR_MEMORY, "a part");
    r->o = *o;
    r->o.parts = NULL;
    r->o.list_only = 1;
    err_t e = start(r, dir, f);
    if (e == OK)
        *out = r;
    else
        verify_part_close(r);
    return e;
}

void verify_part_close(struct verify_part_run *r)
{
    if (r == NULL)
        return;
    verify_shares_free(&r->shares);
    verify_close(r->v);
    free(r);
}

void verify_part_sizes(const struct verify_part_run *r, unsigned n, uint64_t *items, uint64_t *bytes)
{
    memset(items, 0, n * sizeof *items);
    memset(bytes, 0, n * sizeof *bytes);
    for (size_t i = 0; i < r->shares.count; i++) {
        unsigned k = verify_share_part(&r->shares, i, n);
        items[k - 1]++;
        bytes[k - 1] += r->shares.share[i].size;
    }
}

static int is_same(const struct part_head *a, const struct part_head *b)
{
    return hash_cmp(&a->election, &b->election) == 0 && hash_cmp(&a->record, &b->record) == 0 &&
           hash_cmp(&a->bundle, &b->bundle) == 0 && hash_cmp(&a->program, &b->program) == 0 &&
           strcmp(a->version, b->version) == 0;
}

err_t verify_part_ready(const struct verify_part_run *r, const char *dir, unsigned k, unsigned n, int *ready,
                        struct fault *f)
{
    char path[BUNDLE_PATH_MAX], ids[BUNDLE_PATH_MAX];
    struct part *p = NULL;
    struct cose unused;
    uint8_t *data = NULL;
    size_t len;
    hash_t h;
    *ready = 0;
    err_t e = part_path(path, sizeof path, dir, k, n, VERIFY_PART_SUFFIX);
    if (e == OK)
        e = part_path(ids, sizeof ids, dir, k, n, PART_IDS_SUFFIX);
    if (e == OK)
        e = file_read(&data, &len, path, PART_FILE_MAX, NULL);
    if (e == OK)
        e = part_read(&p, &unused, data, len, NULL);
    if (e == OK)
        e = file_hash_max(&h, ids, p->head.id_count * PART_ENTRY_LEN, NULL);
    if (e == OK)
        *ready = is_same(&p->head, &r->head) && p->head.k == k && p->head.n == n &&
                 hash_cmp(&h, &p->head.ids) == 0;
    part_free(p);
    free(data);
    return e == ERR_MEMORY ? fault_set(f, e, "a partial report") : OK;
}
