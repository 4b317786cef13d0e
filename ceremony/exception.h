/* Exceptions: what did not go as planned, noted by hand by a trustee and signed onto the board.
 *
 *   exception [time, text] / -      subject: SHA-256(CBOR ["conclave/exception", election, bstr statement])
 *
 * A trustee may note any number of them, at any time after enrolling; nothing in a ceremony depends on
 * one. The subject makes each of them a statement of its own, so that two are no equivocation. The form is
 * checked when an entry is parsed: a board holds no exception that cannot be shown. */
#ifndef CEREMONY_EXCEPTION_H
#define CEREMONY_EXCEPTION_H

#include "ceremony/trustee.h"

#define EXCEPTION_TEXT_MAX 2000 /* bytes of UTF-8, text_check */

struct exception {
    uint64_t time; /* seconds since 1970, when it was noted, by that machine's clock */
    char text[EXCEPTION_TEXT_MAX + 1];
};

/* ERR_FORMAT, ERR_TEXT, ERR_LIMIT; ERR_MISMATCH if the subject is not that of the statement. */
MUST err_t exception_parse(struct exception *out, const struct entry *e, struct fault *f);

/* The statement, and its subject. */
void exception_statement(struct cbor_out *o, uint64_t time, const char *text);
MUST err_t exception_subject(hash_t *out, const hash_t *election, const void *statement, size_t len);

/* Calls fn for every exception of the board, in order of time (and of ids where it is equal). author: name
 * in the author's enrolment, empty if the key has not enrolled. Stops at the first error. */
struct exception_shown {
    struct exception what;
    const struct entry *entry;
    char author[TEXT_TITLE_MAX + 1];
};
typedef err_t exception_fn(void *ctx, const struct exception_shown *x, struct fault *f);
MUST err_t exception_each(const struct board *b, const struct manifest *m, struct group *g, exception_fn *fn,
                          void *ctx, struct fault *f);

/* Signs the text as noted now and puts it on the board, under the ceremony whose roster this token signed
 * (zeros before that). After trustee_find. A text that is empty, too long or not for people: ERR_TEXT,
 * ERR_LIMIT. The same text within one second is the same entry. */
MUST err_t exception_make(struct trustee *t, const char *text, struct fault *f);

#endif
