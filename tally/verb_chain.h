/* What the verbs of a chain share. Internal to verb_chain*.c. */
#ifndef TALLY_VERB_CHAIN_H
#define TALLY_VERB_CHAIN_H

#include "tally/chain_dir.h"
#include "tally/verb.h"

struct chain_options {
    const char *board, *key, *passphrase, *settings;
    int none; /* no passphrase */
};

#define CHAIN_BOARD(o)                                                                                       \
    {                                                                                                        \
        "board", ARG_TEXT, &(o).board, "DIR", "manifest, jurisdictions and record of the election", 1        \
    }
#define CHAIN_KEY(o, help)                                                                                   \
    {"key", ARG_TEXT, &(o).key, "FILE", help, 1}, {"passphrase-file",                                        \
                                                   ARG_TEXT,                                                 \
                                                   &(o).passphrase,                                          \
                                                   "FILE",                                                   \
                                                   "passphrase of the key; otherwise asked for",             \
                                                   0},                                                       \
    {                                                                                                        \
        "no-passphrase", ARG_FLAG, &(o).none, NULL, "the key has none", 0                                    \
    }

#define CHAIN_SETTINGS(o)                                                                                    \
    {                                                                                                        \
        "settings", ARG_TEXT, &(o).settings, "FILE", "made by tune (default DIR/settings.json, if there)", 0 \
    }

/* An election and a chain's directory. */
struct chain_opened {
    struct bundle_election *be;
    struct chain_dir dir;
    struct signkey *key; /* if it was asked for */
    int is_open;
};
/* The one word that must follow the options. ERR_USAGE. */
MUST err_t chain_word(struct verb_run *v, const char **out, const struct arg_list *rest, const char *what);
/* o->key NULL: no key. The rest is closed by chain_opened_close, also after an error. */
MUST err_t chain_opened_open(struct chain_opened *c, struct verb_run *v, const struct chain_options *o,
                             const char *path, int lock);
void chain_opened_close(struct chain_opened *c);

#endif
