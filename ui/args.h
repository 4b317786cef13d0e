/* Options of a command line, as a table: --name value, --name=value, --flag. Long options only; "--" ends
 * them, "-" is a word like others. What is not known, doubled or empty is refused, and not repeated in the
 * error. Nothing secret is ever an argument. */
#ifndef UI_ARGS_H
#define UI_ARGS_H

#include <stdio.h>

#include "ceremony/base/err.h"

enum arg_kind { ARG_TEXT, ARG_FLAG, ARG_LIST };

#define ARG_LIST_MAX 1024
struct arg_list {
    const char *item[ARG_LIST_MAX];
    size_t count;
};

struct arg {
    const char *name; /* without --; NULL ends the table */
    enum arg_kind kind;
    void *to;          /* const char ** (NULL before), int *, struct arg_list * */
    const char *value; /* name of the value in the help; NULL for flags */
    const char *help;
    int required;
};

/* Fills what the table names. argv[0] is the first word after program and verb. Other words go to rest, which
 * may be NULL: none is allowed. *help is 1 when --help is among the words; then nothing else is read.
 * ERR_USAGE. */
MUST err_t args_parse(int argc, char **argv, const struct arg *spec, struct arg_list *rest, int *help,
                      struct fault *f);

/* One line for each option of the table, and one for --help. */
void args_print(FILE *out, const struct arg *spec);

/* text as a decimal number min..max; *out stays what it is if text is NULL. ERR_USAGE naming the option. */
MUST err_t args_number(uint64_t *out, const char *text, const char *name, uint64_t min, uint64_t max,
                       struct fault *f);

#endif
