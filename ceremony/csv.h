/* CSV files (RFC 4180) as people's spreadsheets write them, read as a stream of rows.
 *
 * Strict: a quote inside an unquoted field, text behind a closing quote, an open quote at the end, a blank
 * line, a NUL, a carriage return that is not before a line feed, and rows of another number of fields than
 * the header are errors with the line. Lines end with LF or CRLF, the last one may lack it; a UTF-8 byte
 * order mark is skipped. What fields contain is the caller's to check (text_check); spaces are kept. Parsed
 * by libcsv. */
#ifndef CEREMONY_CSV_H
#define CEREMONY_CSV_H

#include "ceremony/base/err.h"

#define CSV_COLUMNS_MAX 128
#define CSV_ROW_MAX ((size_t)64 << 10) /* bytes of one row */

struct csv_cell {
    const char *text; /* with a NUL behind; valid during the call only */
    size_t len;
};

struct csv_row {
    long long line; /* where the row starts; the first line is 1 */
    size_t count;
    const struct csv_cell *cell;
};

/* Called for the header (line 1) and for each row; an error ends the reading and is returned. */
typedef err_t csv_row_fn(void *ctx, const struct csv_row *row, struct fault *f);

/* From memory. ERR_FORMAT, ERR_TEXT (a NUL), ERR_TRUNCATED (an open quote), ERR_LIMIT name the line;
 * ERR_MEMORY. */
MUST err_t csv_read(const void *data, size_t len, csv_row_fn *fn, void *ctx, struct fault *f);
/* A regular file of at most max bytes, streamed. ERR_MISSING, ERR_IO, ERR_LIMIT as well. */
MUST err_t csv_read_file(const char *path, uint64_t max, csv_row_fn *fn, void *ctx, struct fault *f);

/* Sets f with the line. Returns e. */
err_t csv_fault(struct fault *f, err_t e, long long line, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

#endif
