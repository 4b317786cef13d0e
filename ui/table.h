/* Tables of aligned columns for a terminal or a text file, with bars: results, status, benchmarks.
 *
 * Columns are aligned by the width that characters have on a terminal (Unicode TR 11, libunistring),
 * not by bytes. Order of calls: table_new, table_row for each row, table_print, table_free. */
#ifndef UI_TABLE_H
#define UI_TABLE_H

#include <stdio.h>

#include "ceremony/base/err.h"

#define TABLE_COLUMNS_MAX 16
#define TABLE_ROWS_MAX 1000000

enum table_kind {
    TABLE_LEFT,
    TABLE_RIGHT,
    TABLE_BAR /* cells are decimal numbers, drawn as bars; the largest has the full width. "8/21": 8 of 21, of
               * which the full width is 21 */
};

struct table_column {
    const char *head; /* not copied */
    enum table_kind kind;
};

enum table_style { TABLE_UNICODE, TABLE_ASCII };

struct table;

/* *out: freed by table_free. columns must stay until then. ERR_BUG: count outside
 * 1..TABLE_COLUMNS_MAX; ERR_MEMORY. */
MUST err_t table_new(struct table **out, const struct table_column *columns, size_t count);
void table_free(struct table *t);

/* Adds a row of as many cells as there are columns; texts are copied. ERR_TEXT: a cell that is not
 * printable (text_check), which could command the terminal; ERR_FORMAT: a bar that is no number;
 * ERR_LIMIT: over TABLE_ROWS_MAX; ERR_MEMORY. On error the table is as before. */
MUST err_t table_row(struct table *t, const char *const *cells);

/* Heads, a rule, rows. bar_width: characters of the longest bar, 1..200, else ERR_BUG.
 * ERR_IO when writing fails. */
MUST err_t table_print(const struct table *t, FILE *out, enum table_style style, size_t bar_width);

#endif
