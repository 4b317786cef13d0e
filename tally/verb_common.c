#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ceremony/base/file.h"
#include "ceremony/base/secret.h"
#include "tally/metrics.h"
#include "tally/verb.h"
#include "ui/prompt.h"
#include "ui/words.h"

/* --- values --- */

err_t verb_hash(struct verb_run *v, hash_t *out, const char *text, const char *option)
{
    if (hex_get(out->b, HASH_LEN, text) != OK)
        return fault_set(&v->fault, ERR_USAGE, "--%s: 64 hex digits in lower case", option);
    return OK;
}

err_t verb_place(struct verb_run *v, uint32_t *out, const struct bundle_election *be, const char *id)
{
    int64_t index = text_is_id(id, strlen(id)) ? places_find(be->places, id) : -1;
    if (index < 0)
        return fault_set(&v->fault, ERR_UNKNOWN, "there is no place of this name in the jurisdictions");
    *out = (uint32_t)index;
    return OK;
}

err_t verb_path(struct verb_run *v, char out[BUNDLE_PATH_MAX], const char *given, const char *dir,
                const char *name, const char *option)
{
    if (given == NULL && dir == NULL)
        return fault_set(&v->fault, ERR_USAGE, "--%s or --work is required", option);
    if (given == NULL ? file_path(out, BUNDLE_PATH_MAX, dir, name) != OK
                      : snprintf(out, BUNDLE_PATH_MAX, "%s", given) >= BUNDLE_PATH_MAX)
        return fault_set(&v->fault, ERR_USAGE, "--%s: the path is too long", option);
    return OK;
}

/* --- keys --- */

err_t verb_passphrase(struct verb_run *v, char **secret, size_t *len, const char *file, int none,
                      const char *key)
{
    char *again = NULL, question[300];
    size_t again_len = 0;
    *secret = NULL;
    *len = 0;
    if (none) {
        void *p = NULL;
        err_t e = secret_alloc(&p, 1);
        *secret = p;
        return e == OK ? OK : fault_set(&v->fault, e, "the passphrase");
    }
    if (file != NULL)
        return prompt_secret_file(secret, len, file, &v->fault);
    if (key != NULL)
        snprintf(question, sizeof question, "Passphrase of %.255s: ", key);
    TRY(prompt_secret(secret, len, key != NULL ? question : "New passphrase: ", &v->fault));
    if (key != NULL)
        return OK;
    err_t e = prompt_secret(&again, &again_len, "Again: ", &v->fault);
    if (e == OK && (again_len != *len || !secret_equal(again, *secret, *len)))
        e = fault_set(&v->fault, ERR_MISMATCH, "the two passphrases differ");
    secret_free(again);
    if (e != OK) {
        secret_free(*secret);
        *secret = NULL;
        *len = 0;
    }
    return e;
}

err_t verb_key_open(struct verb_run *v, struct signkey **out, const char *path, const char *passphrase_file,
                    int none)
{
    char *secret;
    size_t len;
    *out = NULL;
    TRY(verb_passphrase(v, &secret, &len, passphrase_file, none, path));
    err_t e = signkey_open(out, path, secret, len, &v->fault);
    secret_free(secret);
    return e;
}

/* --- printing --- */

void verb_metrics_end(struct verb_run *v, struct metrics *m, const char *path)
{
    struct fault f;
    fault_clear(&f);
    if (metrics_publish_file(m, path, 1, &f) != OK)
        verb_print_fault(v, &f);
}

void verb_print_fingerprint(struct verb_run *v, const char *name, const hash_t *h)
{
    char words[WORDS_TEXT_SIZE], hex[2 * HASH_LEN + 1];
    hex_put(hex, h->b, HASH_LEN);
    if (words_put(words, &words_en, h) == OK)
        fprintf(v->out, "%s words  %s\n", name, words);
    fprintf(v->out, "%s hex    %s\n", name, hex);
}

/* --- ballots in a file --- */

static err_t item_fault(struct verb_run *v, err_t e, uint64_t offset, const char *what)
{
    fault_set(&v->fault, e, "%s", what);
    v->fault.at = (long long)offset;
    return e;
}

/* Reads exactly len bytes. */
static err_t read_all(struct verb_run *v, uint8_t *out, size_t len, FILE *in, uint64_t offset)
{
    if (fread(out, 1, len, in) == len)
        return OK;
    if (verb_stopped(v))
        return item_fault(v, ERR_STOPPED, offset, "while waiting for ballots");
    return ferror(in) ? item_fault(v, ERR_IO, offset, "reading failed")
                      : item_fault(v, ERR_TRUNCATED, offset, "the last ballot is not complete");
}

err_t verb_item_read(struct verb_run *v, uint8_t *buffer, size_t *len, size_t max, FILE *in, uint64_t *offset)
{
    uint8_t head[8];
    *len = 0;
    int first = getc(in);
    if (first == EOF) {
        if (verb_stopped(v))
            return item_fault(v, ERR_STOPPED, *offset, "while waiting for ballots");
        return ferror(in) ? item_fault(v, ERR_IO, *offset, "reading failed") : OK;
    }
    if (first >> 5 != 2 || (first & 31) > 26)
        return item_fault(v, ERR_FORMAT, *offset, "not a CBOR byte string");
    uint64_t n = (uint64_t)(first & 31);
    size_t extra = n < 24 ? 0 : (size_t)1 << (n - 24);
    if (extra > 0) {
        TRY(read_all(v, head, extra, in, *offset));
        n = 0;
        for (size_t i = 0; i < extra; i++)
            n = n << 8 | head[i];
        if ((extra == 1 && n < 24) || (extra == 2 && n < 0x100) || (extra == 4 && n < 0x10000))
            return item_fault(v, ERR_CANONICAL, *offset, "a length in a longer form than needed");
    }
    if (n == 0 || n > max)
        return item_fault(v, ERR_LIMIT, *offset, "a ballot of this length cannot be");
    TRY(read_all(v, buffer, (size_t)n, in, *offset));
    *offset += 1 + extra + n;
    *len = (size_t)n;
    return OK;
}
