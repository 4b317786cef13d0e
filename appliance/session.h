/* What every verb of conclave starts with: an election on a board, and a trustee's token. */
#ifndef APPLIANCE_SESSION_H
#define APPLIANCE_SESSION_H

#include <stdio.h>

#include "appliance/launcher.h"
#include "appliance/sandbox.h"
#include "ceremony/status.h"
#include "ceremony/trustee.h"
#include "hsm/hsm.h"
#include "tally/bundle.h"
#include "ui/messages.h"
#include "ui/verb.h"
#include "ui/words.h"

#define SESSION_PATHS_MAX 64 /* of common.path */

struct common {
    const char *board, *token;
    int last_try;
    enum language language;   /* of words, and of the keeper's own lines on the terminal */
    const char *language_tag; /* the option; NULL: language */
    hsm_pin_fn *pin;          /* NULL: the keeper asks on the terminal */
    void *pin_ctx;
    /* What the verb needs besides the board, once it reads files of strangers. */
    const struct sandbox_path *path;
    size_t path_count;
    /* For a face, which draws on the terminal and starts other processes: see keeper.h. */
    int keep_rights;
    void (*terminal)(void *ctx, int lend);
    void *terminal_ctx;
    int lines, rehearsal;
    struct launcher *launcher; /* starts the keeper; NULL: this process does */
};
/* Options that all verbs have; which of the first two are required, 0 or 1. */
#define COMMON_ARGS(c, needs_board, needs_token)                                                             \
    {"board",    ARG_TEXT, &(c)->board, "DIR", "the board: a directory, on removable media for example",     \
     needs_board},                                                                                           \
        {"token", ARG_TEXT, &(c)->token, "URI", "the token, pkcs11:... (RFC 7512)", needs_token},            \
        {"last-try", ARG_FLAG, &(c)->last_try, NULL, "spend the last PIN try before the token locks", 0},    \
    {                                                                                                        \
        "language", ARG_TEXT, &(c)->language_tag, "TAG",                                                     \
            "en or es: of fingerprint words and of the PIN's question", 0                                    \
    }

struct session {
    struct bundle_election *el;
    struct board *b;
    struct group *g;
    struct trustee t; /* vault is open only if has_token */
    int has_token;
    struct sandbox_state self, keeper; /* what they may not do any more, if has_token */
};

/* Opens the board and the election on it; need_record as in bundle.h. Refused entries are listed on err,
 * which may be NULL. */
MUST err_t session_open(struct session *s, const struct common *c, int need_record, FILE *err,
                        struct fault *f);
/* Starts the keeper with the token, gives up this process's rights (unless keep_rights), then as
 * session_open. What the kernel does not allow is said on err. */
MUST err_t session_open_token(struct session *s, const struct common *c, int need_record, FILE *err,
                              struct fault *f);
void session_close(struct session *s);

/* The roster that counts here: the one this token signed, or else the one that trustees signed, or else what
 * the enrolments on the board make. ERR_CONFLICT: trustees signed different ones; errors of roster_make. */
MUST err_t session_roster(struct session *s, struct roster *out, struct fault *f);

/* The words of the option --language; English without it. */
const struct word_list *session_words(const struct common *c);
/* A fingerprint: title, hex in groups, words. */
MUST err_t print_fingerprint(FILE *out, const char *title, const hash_t *h, const struct word_list *list);
/* "1, 4, 7" for bits. */
void seats_text(char out[128], uint32_t seats);
/* "1,4" to bits; ERR_USAGE. */
MUST err_t seats_parse(uint32_t *out, const char *text, uint32_t n, struct fault *f);

/* The exceptions noted on the board, a line each. */
MUST err_t print_exceptions(FILE *out, const struct session *s, struct fault *f);

typedef err_t verb_fn(struct verb_run *v, int argc, char **argv);
verb_fn verb_token_list, verb_token_probe, verb_token_init, verb_election_check, verb_enroll, verb_roster,
    verb_deal, verb_complain, verb_reveal, verb_cut, verb_confirm, verb_status, verb_fingerprint, verb_merge,
    verb_drill, verb_decrypt, verb_retire, verb_rehearse, verb_exception, verb_selftest;

#endif
