/* The verbs of conclave-tally: table, options, and what they share. Only main.c and verb_*.c print.
 *
 * A verb reads its options with verb_options, works through the library, and returns an error with v->fault
 * filled; main prints it and sets the exit status: 0 done, 1 refused or failed, 2 wrong use. */
#ifndef TALLY_VERB_H
#define TALLY_VERB_H

#include <signal.h>
#include <stdio.h>

#include "tally/bundle.h"
#include "tally/signkey.h"
#include "ui/progress.h"

struct verb;

struct verb_run {
    const struct verb *verb;
    FILE *out, *err;
    const volatile sig_atomic_t *stop; /* not 0: end at the next safe place */
    struct fault fault;
    int help_shown; /* --help was given: the verb returns OK at once */
};

struct verb {
    const char *name;      /* "precinct cast": one or two words */
    const char *arguments; /* what follows the options, for the usage line */
    const char *summary;   /* one line */
    const char *text;      /* more, or NULL */
    err_t (*run)(struct verb_run *v, int argc, char **argv);
};

/* --- options: --name value, --name=value, --flag; "--" ends them --- */

enum verb_option_kind { OPTION_TEXT, OPTION_FLAG, OPTION_LIST };

#define VERB_LIST_MAX 1024
struct verb_list {
    const char *item[VERB_LIST_MAX];
    size_t count;
};

struct verb_option {
    const char *name; /* without -- */
    enum verb_option_kind kind;
    void *to;          /* const char **, int *, struct verb_list * */
    const char *value; /* name of the value in the help; NULL for flags */
    const char *help;
    int required;
};

/* argv[0] is the first word after the verb's name. Other words go to rest (may be NULL: none allowed).
 * ERR_USAGE for anything unknown, doubled, empty or left out. */
MUST err_t verb_options(struct verb_run *v, int argc, char **argv, const struct verb_option *option,
                        size_t count, struct verb_list *rest);

/* --- shared by verbs --- */

/* Number 0..max in decimal digits. ERR_USAGE naming the option. */
MUST err_t verb_number(struct verb_run *v, uint64_t *out, const char *text, uint64_t max, const char *option);
/* 64 hex digits. ERR_USAGE. */
MUST err_t verb_hash(struct verb_run *v, hash_t *out, const char *text, const char *option);
/* Index of a lowest-level place. ERR_UNKNOWN. */
MUST err_t verb_place(struct verb_run *v, uint32_t *out, const struct bundle_election *be, const char *id);
/* given, or DIR/name in static memory of the caller (BUNDLE_PATH_MAX). ERR_USAGE if neither given nor dir is
 * there. */
MUST err_t verb_path(struct verb_run *v, char out[BUNDLE_PATH_MAX], const char *given, const char *dir,
                     const char *name, const char *option);
/* The passphrase: from a file, none, or asked for (twice if it is new). Freed with secret_free. */
MUST err_t verb_passphrase(struct verb_run *v, char **secret, size_t *len, const char *file, int none,
                           int is_new);
MUST err_t verb_key_open(struct verb_run *v, struct signkey **out, const char *path,
                         const char *passphrase_file, int none);
/* "NAME  words" and the hex below. */
void verb_print_fingerprint(struct verb_run *v, const char *name, const hash_t *h);
/* One line on err: the whole fault. */
void verb_print_fault(struct verb_run *v, const struct fault *f);
int verb_stopped(const struct verb_run *v);

/* --- a file of ballots: CBOR sequence (RFC 8742) of byte strings --- */

/* Reads the next item. *len = 0 and OK at the end of the file. buffer has max bytes. ERR_LIMIT,
 * ERR_TRUNCATED, ERR_CANONICAL, ERR_FORMAT; ERR_STOPPED if interrupted. *offset (bytes so far) moves on. */
MUST err_t verb_item_read(struct verb_run *v, uint8_t *buffer, size_t *len, size_t max, FILE *in,
                          uint64_t *offset);
MUST err_t verb_item_write(FILE *out, const void *item, size_t len, struct fault *f);

/* --- the verbs --- */

err_t verb_key_new(struct verb_run *v, int argc, char **argv);
err_t verb_key_show(struct verb_run *v, int argc, char **argv);
err_t verb_import_prepare(struct verb_run *v, int argc, char **argv);
err_t verb_import_encrypt(struct verb_run *v, int argc, char **argv);
err_t verb_ballot_make(struct verb_run *v, int argc, char **argv);
err_t verb_precinct_open(struct verb_run *v, int argc, char **argv);
err_t verb_precinct_cast(struct verb_run *v, int argc, char **argv);
err_t verb_precinct_close(struct verb_run *v, int argc, char **argv);
err_t verb_precinct_correct(struct verb_run *v, int argc, char **argv);
err_t verb_precinct_remove(struct verb_run *v, int argc, char **argv);
err_t verb_precinct_status(struct verb_run *v, int argc, char **argv);
err_t verb_precinct_receipt(struct verb_run *v, int argc, char **argv);
err_t verb_aggregate(struct verb_run *v, int argc, char **argv);
err_t verb_plan(struct verb_run *v, int argc, char **argv);
err_t verb_combine(struct verb_run *v, int argc, char **argv);
err_t verb_publish(struct verb_run *v, int argc, char **argv);
err_t verb_show(struct verb_run *v, int argc, char **argv);

#endif
