/* A sheet to print: facts, paragraphs, tables, numbered steps and lines to sign on, as plain text and as one
 * self-contained HTML page.
 *
 * sheet_new, sheet_* in the order in which it is read, then sheet_text and sheet_html, sheet_free. Functions
 * that add return nothing; memory that ran out is said by sheet_text and sheet_html. Texts are copied and
 * cleaned (message_clean). No clock and no environment: the same content gives the same bytes. */
#ifndef APPLIANCE_SHEET_H
#define APPLIANCE_SHEET_H

#include "tally/report_html.h"
#include "ui/messages.h"

struct sheet;

/* NULL if there is no memory; all functions accept that. l: the page's language tag. */
struct sheet *sheet_new(enum language l, const char *title);
void sheet_free(struct sheet *s);

void sheet_head(struct sheet *s, const char *text);
void sheet_para(struct sheet *s, const char *text);
void sheet_fact(struct sheet *s, const char *label, const char *value);
/* Columns of the rows that follow; at most SHEET_COLUMNS_MAX. */
#define SHEET_COLUMNS_MAX 8
void sheet_table(struct sheet *s, const char *const *heads, size_t count);
void sheet_row(struct sheet *s, const char *const *cells);
/* A numbered step: what, and below it a line in fixed width (hashes). Numbers go up to the next heading. */
void sheet_step(struct sheet *s, const char *what, const char *fixed);
/* A line to sign on, with the name below it; a line to write on. */
void sheet_sign(struct sheet *s, const char *name);
void sheet_rule(struct sheet *s);

/* *out: len bytes, freed with free(). ERR_MEMORY. */
MUST err_t sheet_text(char **out, size_t *len, const struct sheet *s);
/* Calls with each part in order, for a screen that lays it out itself; the title first, as a heading. */
enum sheet_kind {
    SHEET_HEAD,
    SHEET_PARA,
    SHEET_FACT,  /* label, value */
    SHEET_TABLE, /* heads */
    SHEET_ROW,
    SHEET_STEP, /* what, fixed */
    SHEET_SIGN, /* name */
    SHEET_RULE
};
typedef void sheet_part_fn(void *ctx, enum sheet_kind kind, const char *const *text, size_t count);
MUST err_t sheet_each(const struct sheet *s, sheet_part_fn *fn, void *ctx);
MUST err_t sheet_html(char **out, size_t *len, const struct sheet *s);

#endif
