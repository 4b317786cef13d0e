/* Questions to a person: the typed gate, yes or no, and secrets without echo.
 *
 * Answers come from a FILE, so that scripts and tests can give them; secrets come from the terminal
 * or from a file named by path, never from an argument or the environment. */
#ifndef UI_PROMPT_H
#define UI_PROMPT_H

#include <stdio.h>

#include "ceremony/base/err.h"
#include "ceremony/base/hash.h"
#include "ui/words.h"

#define PROMPT_LINE_MAX 1024  /* bytes of an answer */
#define PROMPT_SECRET_MAX 256 /* bytes of a passphrase or PIN */

/* Asks until the 17 words of h are typed: what was compared by ear is now in the record of the
 * session. The words may be spread over several lines; an empty line starts again. OK, or ERR_REFUSED
 * at the end of in. Wrong words are named by number on out, and asked for again. */
MUST err_t prompt_words(FILE *in, FILE *out, const char *question, const struct word_list *list,
                        const hash_t *h, struct fault *f);

/* Asks on the terminal of the process (/dev/tty) without echo. *secret: NUL-terminated, in memory of
 * secret_alloc, freed by the caller with secret_free; *len without the NUL, 0 allowed.
 * The terminal is as before on every way out: SIGINT, SIGTERM, SIGHUP and SIGQUIT restore it, take
 * their course and, if the process lives on, give ERR_STOPPED; SIGTSTP suspends and asks again.
 * ERR_MISSING: there is no terminal; ERR_STOPPED: end of input; ERR_LIMIT: over PROMPT_SECRET_MAX;
 * ERR_IO, ERR_MEMORY, ERR_LOCK. On error *secret is NULL. */
MUST err_t prompt_secret(char **secret, size_t *len, const char *question, struct fault *f);

/* The same on a terminal that is open for reading and writing. */
MUST err_t prompt_secret_fd(char **secret, size_t *len, int fd, const char *question, struct fault *f);

/* The first line of a file, as prompt_secret. ERR_RULE: not a regular file, of another user, or
 * open to group or world; ERR_MISSING: no such file, or an empty first line; ERR_TEXT: a NUL. */
MUST err_t prompt_secret_file(char **secret, size_t *len, const char *path, struct fault *f);

#endif
