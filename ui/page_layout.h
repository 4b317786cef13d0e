/* A page as rows of characters of a given width, for both renderers. Inside page.h's module. */
#ifndef UI_PAGE_LAYOUT_H
#define UI_PAGE_LAYOUT_H

#include "ui/page_model.h"

enum style {
    STYLE_PLAIN,
    STYLE_BOLD,
    STYLE_HEAD,
    STYLE_WARN,
    STYLE_DIM,
    STYLE_PASS,
    STYLE_FAIL,
    STYLE_FOCUS,
    STYLE_INPUT,
    STYLE_COUNT
};

struct row {
    char *text;
    uint8_t *style; /* of each byte */
    size_t len, width;
    int focus; /* number of the field or action it belongs to, -1 none */
};

struct rows {
    struct row *row;
    size_t count, cap;
    size_t width;
    int ascii;  /* letters lose their accents, other characters become '?' or a likeness */
    int spoken; /* for lines: tables row by row, bars as numbers, no fields */
    int cursor; /* row with the cursor, -1 none; it stands after cursor_column */
    size_t cursor_column;
    err_t err;
};

void rows_init(struct rows *r, size_t width, int ascii, int spoken);
void rows_free(struct rows *r);

/* A new empty row; text after what is in the last row, cut at the width. */
void rows_begin(struct rows *r, int focus);
void rows_put(struct rows *r, enum style s, const char *text);
void rows_blank_to(struct rows *r, size_t column);
/* Wrapped text: first before the first row, later rows indented as far. */
void rows_wrap(struct rows *r, int focus, enum style s, const char *first, const char *text);
/* As rows_wrap, the first row being the last one, filled so far. */
void rows_wrap_on(struct rows *r, enum style s, size_t indent, const char *text);

size_t text_width(const char *text);
/* text with nothing but ASCII, in out. */
void text_ascii(char *out, size_t out_len, const char *text);

/* All blocks of the page; actions too if inside. Fields show the focus. */
MUST err_t page_layout(struct rows *r, struct page *p, int inside);
/* Actions in as few rows as there can be. */
MUST err_t page_layout_actions(struct rows *r, const struct page *p);
/* "[#####     ]" of width characters; max 0 draws nothing. */
void rows_put_bar(struct rows *r, enum style s, uint64_t value, uint64_t max, size_t width);

#endif
