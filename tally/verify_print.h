/* A verifier's report for people, and as JSON (docs/spec/verify-json.md). For verify_main.c only: the
 * library prints nothing of itself. */
#ifndef TALLY_VERIFY_PRINT_H
#define TALLY_VERIFY_PRINT_H

#include <stdio.h>

#include "tally/verify.h"

#define VERIFY_VERSION "1.0"

/* The table of checks with all failures and notes, the verdict and what it means, and what it does not
 * show. quiet: what did not pass, and the verdict. */
MUST err_t verify_print(FILE *out, const struct verify_report *r, int quiet);

/* One JSON object for count reports, with a line end. exit_status: that of the program. */
MUST err_t verify_print_json(FILE *out, const struct verify_report *const *r, size_t count, int exit_status);

#endif
