/* A growing HTML text. Everything that comes from files goes through html_text, which escapes; html_raw is
 * for the program's own markup, html_fmt for own markup with numbers and identifiers (characters
 * [A-Za-z0-9._-] only). The first error is kept; the rest is ignored then. */
#ifndef TALLY_REPORT_HTML_H
#define TALLY_REPORT_HTML_H

#include "ceremony/base/hash.h"

struct html {
    char *text;
    size_t len, cap;
    err_t err; /* ERR_MEMORY once growing failed */
};

#define HTML_INIT                                                                                            \
    {                                                                                                        \
        NULL, 0, 0, OK                                                                                       \
    }

void html_free(struct html *h);
/* Markup as it is. */
void html_raw(struct html *h, const char *markup);
void html_fmt(struct html *h, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Escapes & < > " '. */
void html_text(struct html *h, const char *text);
/* Decimal with commas: 1,234,567. */
void html_number(struct html *h, uint64_t v);
/* part of whole in percent with one decimal, rounded half up; "-" if whole is 0. */
void html_percent(struct html *h, uint64_t part, uint64_t whole);
/* A hash in hex. */
void html_hash(struct html *h, const hash_t *v);
/* Content security policy of a page: no script, no network, no frames; only its own style sheet, named by its
 * hash, which stands in one <style> as it is. */
void html_policy(struct html *h, const char *style);

#endif
