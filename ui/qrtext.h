/* A binary message as texts for QR codes, and back (docs/spec/qr.md, docs/decisions/qr-encoding.md).
 *
 *   CONCLAVE1:T:2/5:89ABCDEF:<Base45>
 *
 * T is a letter that names the kind of message, 2/5 part and number of parts, then the first four
 * bytes of a hash over kind and whole message, then the part's bytes in Base45. All characters are
 * of the QR alphanumeric mode. Every part but the last carries QRTEXT_PART_LEN bytes; where a code
 * must fit into a small window, all but the last carry another number of bytes, the same in all.
 * The hash tells parts of different messages apart; it authenticates nothing. */
#ifndef UI_QRTEXT_H
#define UI_QRTEXT_H

#include "ceremony/base/err.h"

#define QRTEXT_PART_LEN 600 /* bytes; the text fits QR version 20, level M */
#define QRTEXT_PARTS_MAX 500
#define QRTEXT_MESSAGE_MAX (QRTEXT_PART_LEN * QRTEXT_PARTS_MAX)
#define QRTEXT_TEXT_MAX 960    /* characters of one text, without NUL */
#define QRTEXT_INPUTS_MAX 5000 /* texts that one join looks at, with repetitions */

/* Kinds of message; formats in docs/spec/result-qr.md. */
#define QRTEXT_RESULT 'R'
#define QRTEXT_CEREMONY 'C'
#define QRTEXT_FINGERPRINT 'F'
#define QRTEXT_RECEIPT 'B'
#define QRTEXT_ENTRY 'E' /* the bytes of a signed board entry */

struct qrtext {
    char **part; /* count texts, NUL-terminated */
    size_t count;
};

/* Fills out; freed by qrtext_free. kind: 'A'..'Z', else ERR_BUG. ERR_LIMIT: len is 0 or over
 * QRTEXT_MESSAGE_MAX. On error out is zeroed. */
MUST err_t qrtext_split(struct qrtext *out, char kind, const void *message, size_t len);
/* The same with part_len bytes a part (1..QRTEXT_PART_LEN, else ERR_BUG). ERR_LIMIT also: more than
 * QRTEXT_PARTS_MAX parts. */
MUST err_t qrtext_split_parts(struct qrtext *out, char kind, const void *message, size_t len,
                              size_t part_len);
void qrtext_free(struct qrtext *q);

/* 1 if text starts like one of these. */
MUST int qrtext_is(const char *text);

/* Which part of which message a text is, whatever it contains. Errors as those of qrtext_join about one text.
 */
struct qrtext_place {
    char kind, hash[9];
    size_t part, parts; /* from 1 */
};
MUST err_t qrtext_look(struct qrtext_place *out, const char *text);

/* Joins texts given in any order, with repetitions; line ends after a text are ignored.
 * *message: malloc'ed, freed by the caller with free(); *kind: its letter.
 * ERR_FORMAT, ERR_LIMIT: a text is not of this form (f names its number, from 1); ERR_VERSION: it
 * is of a later format; ERR_CONFLICT: texts of different messages, or two contents for one part;
 * ERR_MISSING: f lists the parts that are not here; ERR_HASH: the whole has another hash.
 * On error outputs are zero. */
MUST err_t qrtext_join(uint8_t **message, size_t *len, char *kind, const char *const *texts, size_t count,
                       struct fault *f);

#endif
