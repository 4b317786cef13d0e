#include "ceremony/base/secret.h"
#include "tally/verb.h"

static void print_key(struct verb_run *v, const pubkey_t *key)
{
    char hex[2 * POINT_LEN + 1];
    hex_put(hex, key->b, POINT_LEN);
    fprintf(v->out, "%s\n", hex);
}

err_t verb_key_new(struct verb_run *v, int argc, char **argv)
{
    const char *out = NULL, *file = NULL;
    int none = 0, high = 0, rehearsal = 0;
    const struct arg options[] = {
        {"out", ARG_TEXT, &out, "FILE", "key file to make; never overwritten", 1},
        {"passphrase-file", ARG_TEXT, &file, "FILE", "passphrase on its first line; otherwise asked for", 0},
        {"high", ARG_FLAG, &high, NULL, "1 GiB of memory to open it, instead of 256 MiB", 0},
        {"rehearsal", ARG_FLAG, &rehearsal, NULL, "quick to open; not for elections", 0},
        {"no-passphrase", ARG_FLAG, &none, NULL, "empty passphrase; implies --rehearsal", 0},
        {0},
    };
    TRY(verb_options(v, argc, argv, options, NULL));
    if (v->help_shown)
        return OK;
    char *secret;
    size_t len;
    pubkey_t key;
    enum signkey_level level = none || rehearsal ? SIGNKEY_REHEARSAL : high ? SIGNKEY_HIGH : SIGNKEY_STANDARD;
    TRY(verb_passphrase(v, &secret, &len, file, none, NULL));
    err_t e = signkey_new(&key, out, level, secret, len, &v->fault);
    secret_free(secret);
    if (e == OK)
        print_key(v, &key);
    return e;
}

err_t verb_key_show(struct verb_run *v, int argc, char **argv)
{
    struct arg_list files = {.count = 0};
    const struct arg options[] = {{0}};
    TRY(verb_options(v, argc, argv, options, &files));
    if (v->help_shown)
        return OK;
    if (files.count != 1)
        return fault_set(&v->fault, ERR_USAGE, "one key file is wanted");
    pubkey_t key;
    TRY(signkey_public(&key, files.item[0], &v->fault));
    print_key(v, &key);
    return OK;
}
