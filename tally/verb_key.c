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
    const struct verb_option options[] = {
        {"out", OPTION_TEXT, &out, "FILE", "key file to make; never overwritten", 1},
        {"passphrase-file", OPTION_TEXT, &file, "FILE", "passphrase on its first line; otherwise asked for",
         0},
        {"high", OPTION_FLAG, &high, NULL, "1 GiB of memory to open it, instead of 256 MiB", 0},
        {"rehearsal", OPTION_FLAG, &rehearsal, NULL, "quick to open; not for elections", 0},
        {"no-passphrase", OPTION_FLAG, &none, NULL, "empty passphrase; implies --rehearsal", 0},
    };
    TRY(verb_options(v, argc, argv, options, sizeof options / sizeof options[0], NULL));
    if (v->help_shown)
        return OK;
    char *secret;
    size_t len;
    pubkey_t key;
    enum signkey_level level = none || rehearsal ? SIGNKEY_REHEARSAL : high ? SIGNKEY_HIGH : SIGNKEY_STANDARD;
    TRY(verb_passphrase(v, &secret, &len, file, none, 1));
    err_t e = signkey_new(&key, out, level, secret, len, &v->fault);
    secret_free(secret);
    if (e == OK)
        print_key(v, &key);
    return e;
}

err_t verb_key_show(struct verb_run *v, int argc, char **argv)
{
    struct verb_list files = {.count = 0};
    TRY(verb_options(v, argc, argv, NULL, 0, &files));
    if (v->help_shown)
        return OK;
    if (files.count != 1)
        return fault_set(&v->fault, ERR_USAGE, "one key file is wanted");
    pubkey_t key;
    TRY(signkey_public(&key, files.item[0], &v->fault));
    print_key(v, &key);
    return OK;
}
