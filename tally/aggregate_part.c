#include "tally/aggregate_part.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "ceremony/base/file.h"
#include "tally/verify_print.h"

#define LABEL "conclave/aggregate-part"
#define INDEX "index.sqlite"
#define CHAINS "chains"
#define REPORT_MAX ((size_t)64 << 20)
#define FILES_MAX ((size_t)1 << 20)
#define NAME_MAX_HERE 255

/* --- the files of a work directory that are taken over --- */

struct files {
    const char *work, *dir; /* dir: chains/NAME at hand */
    size_t count, cap;
    struct part_file *file;
};

static void free_files(struct part_file *file, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(file[i].name);
    free(file);
}

static err_t add_file(struct files *x, const char *name, struct fault *f)
{
    char path[4096];
    struct stat st;
    if (file_path(path, sizeof path, x->work, name) != OK || strlen(name) > NAME_MAX_HERE)
        return fault_set(f, ERR_LIMIT, "a path of the work directory is too long");
    if (lstat(path, &st) != 0 || !S_ISREG(st.st_mode)) {
        fault_set(f, ERR_FORMAT, "not a regular file");
        return fault_file(f, ERR_FORMAT, path);
    }
    if (x->count == x->cap) {
        size_t cap = x->cap ? 2 * x->cap : 16;
        struct part_file *more = realloc(x->file, cap * sizeof *more);
        if (more == NULL)
            return fault_set(f, ERR_MEMORY, "a part");
        x->file = more;
        x->cap = cap;
    }
    struct part_file *p = &x->file[x->count];
    memset(p, 0, sizeof *p);
    TRY(file_hash(&p->hash, path, f));
    p->name = strdup(name);
    if (p->name == NULL)
        return fault_set(f, ERR_MEMORY, "a part");
    x->count++;
    return OK;
}

static err_t add_in_chain(void *ctx, const char *name, struct fault *f)
{
    struct files *x = ctx;
    char inside[4096];
    if (file_path(inside, sizeof inside, x->dir, name) != OK)
        return fault_set(f, ERR_LIMIT, "a path of the work directory is too long");
    return add_file(x, inside, f);
}

static err_t add_chain(void *ctx, const char *name, struct fault *f)
{
    struct files *x = ctx;
    char inside[4096], path[4096];
    if (file_path(inside, sizeof inside, CHAINS, name) != OK ||
        file_path(path, sizeof path, x->work, inside) != OK)
        return fault_set(f, ERR_LIMIT, "a path of the work directory is too long");
    x->dir = inside;
    return file_list(path, add_in_chain, x, f);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct part_file *)a)->name, ((const struct part_file *)b)->name);
}

/* SQLite would play it back when it opens the index, whatever the index says. */
static err_t no_journal(void *ctx, const char *name, struct fault *f)
{
    const struct files *x = ctx;
    char path[4096];
    if (strncmp(name, INDEX "-", sizeof INDEX) != 0)
        return OK;
    fault_set(f, ERR_UNKNOWN, "a journal of the index, which is no file of a part that is closed");
    return file_path(path, sizeof path, x->work, name) == OK ? fault_file(f, ERR_UNKNOWN, path) : ERR_UNKNOWN;
}

/* file and count are the caller's to free, after errors too. */
static err_t gather(struct files *x, struct fault *f)
{
    char path[4096];
    struct stat st;
    if (file_path(path, sizeof path, x->work, CHAINS) != OK)
        return fault_set(f, ERR_LIMIT, "the path of the work directory is too long");
    TRY(file_list(x->work, no_journal, x, f));
    TRY(add_file(x, INDEX, f));
    if (lstat(path, &st) == 0)
        TRY(file_list(path, add_chain, x, f));
    if (x->count > FILES_MAX)
        return fault_set(f, ERR_LIMIT, "the part has too many files");
    qsort(x->file, x->count, sizeof *x->file, by_name);
    return OK;
}

/* --- the report --- */

err_t agg_part_write(const char *work, const struct election_context *ctx, unsigned k, unsigned n,
                     struct fault *f)
{
    char path[4096];
    struct files x = {.work = work};
    struct cbor_out o = CBOR_OUT_INIT;
    hash_t program;
    err_t e;
    GO(part_program(&program, f));
    GO(gather(&x, f));
    cbor_put_array(&o, 9);
    cbor_put_text(&o, LABEL);
    cbor_put_uint(&o, 1);
    cbor_put_hash(&o, &ctx->m->election);
    cbor_put_hash(&o, &ctx->r->id);
    cbor_put_uint(&o, k);
    cbor_put_uint(&o, n);
    cbor_put_text(&o, VERIFY_VERSION);
    cbor_put_hash(&o, &program);
    cbor_put_array(&o, x.count);
    for (size_t i = 0; i < x.count; i++) {
        cbor_put_array(&o, 2);
        cbor_put_bytes(&o, x.file[i].name, strlen(x.file[i].name));
        cbor_put_hash(&o, &x.file[i].hash);
    }
    e = o.err != OK ? fault_set(f, o.err, "a part") : file_path(path, sizeof path, work, AGG_PART);
    GO(e == ERR_LIMIT ? fault_set(f, e, "the path of the work directory is too long") : e);
    e = file_write(path, o.data, o.len, FILE_REPLACE, f);
out:
    cbor_out_free(&o);
    free_files(x.file, x.count);
    return e;
}

int agg_part_sealed(const uint8_t *data, size_t len)
{
    struct cbor_in in;
    char label[sizeof LABEL];
    cbor_in_init(&in, data, len);
    cbor_get_array_exact(&in, 9);
    cbor_get_text(&in, label, sizeof label - 1);
    return in.err == OK && strcmp(label, LABEL) == 0;
}

static void get_files(struct cbor_in *in, struct agg_part *p)
{
    size_t count = cbor_get_array(in, 1, FILES_MAX);
    if (in->err != OK || count > (in->len - in->pos) / (1 + 2 + 2 + HASH_LEN)) {
        cbor_fail(in, ERR_TRUNCATED);
        return;
    }
    p->file = calloc(count, sizeof *p->file);
    if (p->file == NULL)
        cbor_fail(in, ERR_MEMORY);
    for (size_t i = 0; i < count && in->err == OK; i++) {
        size_t len;
        cbor_get_array_exact(in, 2);
        const uint8_t *name = cbor_get_bytes(in, 1, NAME_MAX_HERE, &len);
        if (name == NULL || memchr(name, '\0', len) != NULL) {
            cbor_fail(in, ERR_TEXT);
            return;
        }
        p->file[i].name = strndup((const char *)name, len);
        if (p->file[i].name == NULL) {
            cbor_fail(in, ERR_MEMORY);
            return;
        }
        p->file_count++;
        cbor_get_hash(in, &p->file[i].hash);
        if (i > 0 && by_name(&p->file[i - 1], &p->file[i]) >= 0)
            cbor_fail(in, ERR_CANONICAL);
    }
}

err_t agg_part_read(struct agg_part **out, struct cose *signature, const uint8_t *data, size_t len,
                    struct fault *f)
{
    struct cbor_in in;
    err_t e = OK;
    *out = NULL;
    struct agg_part *p = calloc(1, sizeof *p);
    if (p == NULL)
        return fault_set(f, ERR_MEMORY, "a part");
    GO(part_unwrap(signature, &p->is_signed, &p->kid, &data, &len, f));
    cbor_in_init(&in, data, len);
    cbor_get_array_exact(&in, 9);
    cbor_get_text_exact(&in, LABEL);
    if (cbor_get_uint(&in, UINT32_MAX) != 1)
        cbor_fail(&in, ERR_VERSION);
    cbor_get_hash(&in, &p->election);
    cbor_get_hash(&in, &p->record);
    p->k = (unsigned)cbor_get_uint(&in, PART_COUNT_MAX);
    p->n = (unsigned)cbor_get_uint(&in, PART_COUNT_MAX);
    cbor_get_text(&in, p->version, PART_VERSION_MAX);
    cbor_get_hash(&in, &p->program);
    if (p->k < 1 || p->k > p->n)
        cbor_fail(&in, ERR_LIMIT);
    get_files(&in, p);
    e = cbor_in_end(&in, f);
out:
    if (e == OK)
        *out = p;
    else
        agg_part_free(p);
    return e;
}

void agg_part_free(struct agg_part *p)
{
    if (p == NULL)
        return;
    free_files(p->file, p->file_count);
    free(p);
}

/* --- checking --- */

static err_t wrong(struct fault *f, err_t e, const char *work, const char *name, const char *what)
{
    char path[4096];
    fault_set(f, e, "%s", what);
    return file_path(path, sizeof path, work, name) == OK ? fault_file(f, e, path) : e;
}

err_t agg_part_files(const struct agg_part *p, const char *work, struct fault *f)
{
    struct files x = {.work = work};
    err_t e = gather(&x, f);
    for (size_t i = 0, k = 0; e == OK && (i < p->file_count || k < x.count);) {
        int c = i == p->file_count ? 1 : k == x.count ? -1 : by_name(&p->file[i], &x.file[k]);
        if (c < 0)
            e = wrong(f, ERR_MISSING, work, p->file[i].name, "is in the list of the part, and not here");
        else if (c > 0)
            e = wrong(f, ERR_UNKNOWN, work, x.file[k].name, "is not in the list of the part");
        else if (hash_cmp(&p->file[i].hash, &x.file[k].hash) != 0)
            e = wrong(f, ERR_HASH, work, x.file[k].name,
                      "is not the one that the part lists: it was changed");
        i += c <= 0;
        k += c >= 0;
    }
    free_files(x.file, x.count);
    return e;
}

static err_t check_head(const struct agg_part *p, const struct election_context *ctx, const hash_t *program,
                        struct fault *f)
{
    if (hash_cmp(&p->election, &ctx->m->election) != 0 || hash_cmp(&p->record, &ctx->r->id) != 0)
        return fault_set(f, ERR_ELECTION, "it is about another election or ceremony record");
    if (hash_cmp(&p->program, program) != 0)
        return fault_set(f, ERR_VERSION, "it was made by another program than the one that counts here");
    return OK;
}

static err_t check_signer(const struct agg_part *p, const struct cose *signature,
                          const struct part_signers *signers, char name[PART_NAME_MAX + 1], struct fault *f)
{
    if (!p->is_signed)
        return fault_set(f, ERR_SIGNATURE, "nobody signed it");
    const struct part_signer *s = part_signer_find(signers, &p->kid);
    if (s == NULL)
        return fault_set(f, ERR_UNKNOWN, "it is signed by somebody who is not in the list of signers");
    TRY(cose_verify(signature, &s->key, f));
    snprintf(name, PART_NAME_MAX + 1, "%s", s->name);
    return OK;
}

err_t agg_part_check(struct agg_part_standing *out, const char *work, const struct election_context *ctx,
                     const struct part_signers *signers, const hash_t *program, struct fault *f)
{
    char path[4096];
    struct agg_part *p = NULL;
    struct cose signature;
    uint8_t *data = NULL;
    size_t len;
    err_t e;
    memset(out, 0, sizeof *out);
    if (file_path(path, sizeof path, work, AGG_PART_SIGNED) != OK)
        return fault_set(f, ERR_LIMIT, "the path of the work directory is too long");
    TRY(file_read(&data, &len, path, REPORT_MAX, f));
    GO(agg_part_read(&p, &signature, data, len, f));
    GO(check_signer(p, &signature, signers, out->signer, f));
    GO(check_head(p, ctx, program, f));
    out->k = p->k;
    out->n = p->n;
out:
    free(data);
    if (e != OK)
        e = fault_file(f, e, path);
    else
        e = agg_part_files(p, work, f);
    agg_part_free(p);
    if (e != OK)
        memset(out, 0, sizeof *out);
    return e;
}
