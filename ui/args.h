/* Command lines: a verb is a table of options. Long options only, "--name value" or "--name=value"; "--" ends
 * them. What is not known is refused. Nothing secret is ever an argument. */
#ifndef UI_ARGS_H
#define UI_ARGS_H

#include <stdio.h>

#include "ceremony/base/err.h"

struct arg {
    const char *name;   /* without dashes; NULL ends the table */
    const char *metavar; /* "DIR", or NULL for a flag */
    const char *help;
    const char **value; /* where the text goes; or */
    int *flag;          /* set to 1 */
};

/* Fills values, flags and up to max positional arguments. argv[0] is the verb and is skipped. ERR_USAGE names what is
 * wrong. *help is set when --help is among them, and nothing else is checked then. */
MUST err_t args_parse(int argc, char **argv, const struct arg *spec, const char **positional, size_t max,
                      size_t *count, int *help, struct fault *f);

/* "usage: PROGRAM VERB ..." with a sentence and the table of options. */
void args_help(FILE *out, const char *program, const char *usage, const char *about, const struct arg *spec);

/* Decimal number within min..max. ERR_USAGE names the option. */
MUST err_t args_number(uint64_t *out, const char *text, const char *name, uint64_t min, uint64_t max, struct fault *f);

#endif
