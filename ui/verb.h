/* A program as a table of verbs: conclave and conclave-tally. A verb is one or two words ("precinct cast");
 * it reads its options with verb_options, works through the libraries, and returns an error with v->fault
 * filled. verb_main prints that and gives the exit status: 0 done, 1 refused or failed, 2 wrong command line.
 */
#ifndef UI_VERB_H
#define UI_VERB_H

#include <signal.h>

#include "ui/args.h"

struct verb_run;

struct verb {
    const char *name;      /* one or two words */
    const char *arguments; /* what follows the options, for the usage line */
    const char *summary;   /* one line */
    const char *text;      /* more, or NULL */
    err_t (*run)(struct verb_run *v, int argc, char **argv);
};

struct verb_program {
    const char *name, *about; /* "conclave-tally"; what it is for, one line */
    const struct verb *verb;
    size_t count;
    const volatile sig_atomic_t *stop; /* not 0: end at the next safe place; NULL if signals just end it */
};

struct verb_run {
    const struct verb_program *program;
    const struct verb *verb;
    FILE *out, *err;
    struct fault fault;
    int help_shown; /* --help was given: the verb returns OK at once */
};

/* Finds the verb, runs it, reports; the exit status. --help, and the first word of a family of verbs, list
 * them. */
int verb_main(const struct verb_program *p, int argc, char **argv);
/* What main says when a verb, or what comes before it, ends with e. */
int verb_report(const struct verb_program *p, FILE *err, err_t e, struct fault *f);

/* args_parse for a verb: argv[0] is the word after its name. With --help prints the verb's usage and sets
 * help_shown. ERR_USAGE. */
MUST err_t verb_options(struct verb_run *v, int argc, char **argv, const struct arg *spec,
                        struct arg_list *rest);
/* One line on err: the whole fault. */
void verb_print_fault(struct verb_run *v, const struct fault *f);
/* 1 after a signal that asks the program to end. */
int verb_stopped(const struct verb_run *v);

#endif
