/* conclave-tally part sign: who verified a part stands for its report. (conclave-verify makes it, and holds
 * no key.) */
#include <stdlib.h>
#include <string.h>

#include "ceremony/base/file.h"
#include "tally/part_form.h"
#include "tally/verb.h"

/* The ids beside the report must be its own: nobody signs for what cannot be merged. */
static err_t check_ids(struct verb_run *v, const char *path, const struct part_head *h)
{
    char dir[BUNDLE_PATH_MAX], ids[BUNDLE_PATH_MAX];
    const char *slash = strrchr(path, '/');
    hash_t have;
    snprintf(dir, sizeof dir, "%.*s", slash ? (int)(slash - path) + (slash == path) : 1, slash ? path : ".");
    if (part_path(ids, sizeof ids, dir, h->k, h->n, PART_IDS_SUFFIX) != OK)
        return fault_set(&v->fault, ERR_LIMIT, "the path is too long");
    TRY(file_hash(&have, ids, &v->fault));
    if (hash_cmp(&have, &h->ids) == 0)
        return OK;
    fault_set(&v->fault, ERR_HASH, "these are not the ballot ids of the report: nothing was signed");
    return fault_file(&v->fault, ERR_HASH, ids);
}

static err_t sign_one(struct verb_run *v, const struct signkey *key, const char *path)
{
    char out_path[BUNDLE_PATH_MAX];
    struct cbor_out out = CBOR_OUT_INIT;
    struct part *p = NULL;
    struct cose unused;
    uint8_t *data = NULL;
    size_t len;
    err_t e;
    GO(file_read(&data, &len, path, PART_FILE_MAX, &v->fault));
    GO(part_read(&p, &unused, data, len, &v->fault));
    if (p->is_signed)
        GO(fault_set(&v->fault, ERR_DONE, "it is signed already"));
    GO(check_ids(v, path, &p->head));
    size_t cut = strlen(path);
    if (cut > 5 && strcmp(path + cut - 5, ".part") == 0)
        cut -= 5;
    if (snprintf(out_path, sizeof out_path, "%.*s.signed", (int)cut, path) >= (int)sizeof out_path)
        GO(fault_set(&v->fault, ERR_LIMIT, "the path is too long"));
    GO(cose_sign(&out, signkey_signer(key), data, len, &v->fault));
    GO(file_write(out_path, out.data, out.len, FILE_REPLACE, &v->fault));
    fprintf(v->out, "signed     part %u of %u: %zu exports, %llu ballot ids; %s\n", p->head.k, p->head.n,
            p->count, (unsigned long long)p->head.id_count, out_path);
out:
    cbor_out_free(&out);
    part_free(p);
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
