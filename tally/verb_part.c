/* conclave-tally part sign: who verified a part stands for its report. (conclave-verify makes it, and holds
 * no key.) */
#include <stdlib.h>
#include <string.h>

#include "ceremony/base/file.h"
#include "tally/aggregate_part.h"
#include "tally/verb.h"

static err_t directory(struct verb_run *v, char out[BUNDLE_PATH_MAX], const char *path)
{
    const char *slash = strrchr(path, '/');
    int n = snprintf(out, BUNDLE_PATH_MAX, "%.*s", slash ? (int)(slash - path) + (slash == path) : 1,
                     slash ? path : ".");
    return n >= 0 && n < BUNDLE_PATH_MAX ? OK : fault_set(&v->fault, ERR_LIMIT, "the path is too long");
}

/* The ids beside the report must be its own: nobody signs for what cannot be merged. */
static err_t check_ids(struct verb_run *v, const char *path, const struct part_head *h)
{
    char dir[BUNDLE_PATH_MAX], ids[BUNDLE_PATH_MAX];
    hash_t have;
    TRY(directory(v, dir, path));
    if (part_path(ids, sizeof ids, dir, h->k, h->n, PART_IDS_SUFFIX) != OK)
        return fault_set(&v->fault, ERR_LIMIT, "the path is too long");
    err_t e = file_hash_max(&have, ids, h->id_count * PART_ENTRY_LEN, &v->fault);
    if (e != OK && e != ERR_LIMIT)
        return e;
    if (e == OK && hash_cmp(&have, &h->ids) == 0)
        return OK;
    fault_set(&v->fault, ERR_HASH, "these are not the ballot ids of the report: nothing was signed");
    return fault_file(&v->fault, ERR_HASH, ids);
}

/* A part of a verification; what it says. */
static err_t check_report(struct verb_run *v, const char *path, const uint8_t *data, size_t len,
                          char text[128])
{
    struct part *p = NULL;
    struct cose unused;
    err_t e;
    GO(part_read(&p, &unused, data, len, &v->fault));
    if (p->is_signed)
        GO(fault_set(&v->fault, ERR_DONE, "it is signed already"));
    GO(check_ids(v, path, &p->head));
    snprintf(text, 128, "part %u of %u: %zu exports, %zu shards, %llu ballot ids", p->head.k, p->head.n,
             p->count, p->shard_count, (unsigned long long)p->head.id_count);
out:
    part_free(p);
    return e;
}

/* A part of an aggregation. */
static err_t check_sealed(struct verb_run *v, const char *path, const uint8_t *data, size_t len,
                          char text[128])
{
    char dir[BUNDLE_PATH_MAX];
    struct agg_part *p = NULL;
    struct cose unused;
    err_t e;
    GO(agg_part_read(&p, &unused, data, len, &v->fault));
    GO(directory(v, dir, path));
    GO(agg_part_files(p, dir, &v->fault));
    snprintf(text, 128, "part %u of %u of an aggregation, %zu files", p->k, p->n, p->file_count);
out:
    agg_part_free(p);
    return e;
}

static err_t sign_one(struct verb_run *v, const struct signkey *key, const char *path)
{
    char out_path[BUNDLE_PATH_MAX], text[128];
    struct cbor_out out = CBOR_OUT_INIT;
    uint8_t *data = NULL;
    size_t len;
    err_t e;
    GO(file_read(&data, &len, path, PART_FILE_MAX, &v->fault));
    GO(agg_part_sealed(data, len) ? check_sealed(v, path, data, len, text)
                                  : check_report(v, path, data, len, text));
    size_t cut = strlen(path);
    if (cut > 5 && strcmp(path + cut - 5, ".part") == 0)
        cut -= 5;
    if (snprintf(out_path, sizeof out_path, "%.*s.signed", (int)cut, path) >= (int)sizeof out_path)
        GO(fault_set(&v->fault, ERR_LIMIT, "the path is too long"));
    GO(cose_sign(&out, signkey_signer(key), data, len, &v->fault));
    GO(file_write(out_path, out.data, out.len, FILE_REPLACE, &v->fault));
    fprintf(v->out, "signed     %s; %s\n", text, out_path);
out:
    cbor_out_free(&out);
    free(data);
    return e == OK ? OK : fault_file(&v->fault, e, path);
}

err_t verb_part_sign(struct verb_run *v, int argc, char **argv)
{
    const char *path = NULL, *file = NULL;
    int none = 0;
    struct signkey *key;
    struct arg_list rest = {.count = 0};
    const struct arg options[] = {
        {"key", ARG_TEXT, &path, "FILE", "key file of whoever ran the verification", 1},
        {"passphrase-file", ARG_TEXT, &file, "FILE", "passphrase on its first line; otherwise asked for", 0},
        {"no-passphrase", ARG_FLAG, &none, NULL, "the key has none", 0},
        {0},
    };
    TRY(verb_options(v, argc, argv, options, &rest));
    if (v->help_shown)
        return OK;
    if (rest.count == 0)
        return fault_set(&v->fault, ERR_USAGE, "which partial reports?");
    TRY(verb_key_open(v, &key, path, file, none));
    err_t e = OK;
    for (size_t i = 0; i < rest.count && e == OK; i++)
        e = sign_one(v, key, rest.item[i]);
    signkey_close(key);
    return e;
}
