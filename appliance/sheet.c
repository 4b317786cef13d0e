#include "appliance/sheet.h"

#include <stdlib.h>
#include <string.h>

#include "ceremony/base/array.h"
#include "ceremony/base/file.h"
#include "ui/table.h"

#define SHEET_TEXT_WIDTH 96

struct part {
    enum sheet_kind kind;
    size_t count; /* texts */
    char *text[SHEET_COLUMNS_MAX];
};

struct sheet {
    enum language language;
    char *title;
    size_t count, cap;
    struct part *part;
    err_t err;
};

static const char style[] =
    "@page{margin:18mm 16mm}\n"
    "body{margin:2rem auto;max-width:52rem;padding:0 1rem;color:#000;background:#fff;font:11pt/1.45 \"Noto "
    "Sans\","
    "\"DejaVu Sans\",sans-serif}\n"
    "h1{font-size:1.5rem;margin:0 0 .6rem}\nh2{font-size:1.1rem;margin:1.6rem 0 .5rem;border-bottom:1px "
    "solid #888;"
    "break-after:avoid}\n"
    "dl{margin:.4rem 0}\ndt{font-weight:600;float:left;clear:left;margin-right:.5rem}\ndd{margin:0 0 .15rem;"
    "overflow-wrap:anywhere}\n"
    "table{border-collapse:collapse;width:100%;font-size:.9rem}\nth,td{border:1px solid #888;padding:.2rem "
    ".45rem;"
    "text-align:left;vertical-align:top;overflow-wrap:anywhere}\ntr{break-inside:avoid}\n"
    "ol{padding-left:2.2rem}\nli{margin:.25rem 0;break-inside:avoid}\n"
    "code{display:block;font:.78rem/1.3 \"DejaVu Sans Mono\",monospace;overflow-wrap:anywhere}\n"
    ".sign{margin:2.4rem 0 0;border-top:1px solid #000;width:70%;padding-top:.15rem;break-inside:avoid}\n"
    ".rule{border-bottom:1px solid #888;height:1.7rem}\n";

/* --- adding --- */

struct sheet *sheet_new(enum language l, const char *title)
{
    struct sheet *s = calloc(1, sizeof *s);
    if (s == NULL)
        return NULL;
    s->language = l;
    s->title = calloc(1, MESSAGE_MAX);
    if (s->title == NULL) {
        free(s);
        return NULL;
    }
    message_clean(s->title, MESSAGE_MAX, title);
    return s;
}

void sheet_free(struct sheet *s)
{
    if (s == NULL)
        return;
    for (size_t i = 0; i < s->count; i++)
        for (size_t k = 0; k < s->part[i].count; k++)
            free(s->part[i].text[k]);
    free(s->part);
    free(s->title);
    free(s);
}

static char *copy(struct sheet *s, const char *text)
{
    char clean[MESSAGE_MAX];
    message_clean(clean, sizeof clean, text);
    char *out = strdup(clean);
    if (out == NULL)
        s->err = ERR_MEMORY;
    return out;
}

static void add(struct sheet *s, enum sheet_kind kind, const char *const *text, size_t count)
{
    if (s == NULL || s->err != OK)
        return;
    if (count > SHEET_COLUMNS_MAX) {
        s->err = ERR_BUG;
        return;
    }
    if (array_room(&s->part, s->count + 1, &s->cap, sizeof *s->part, 64) != OK) {
        s->err = ERR_MEMORY;
        return;
    }
    struct part *p = &s->part[s->count++];
    *p = (struct part){.kind = kind, .count = count};
    for (size_t i = 0; i < count; i++)
        p->text[i] = copy(s, text[i]);
}

void sheet_head(struct sheet *s, const char *text)
{
    add(s, SHEET_HEAD, (const char *const[]){text}, 1);
}

void sheet_para(struct sheet *s, const char *text)
{
    add(s, SHEET_PARA, (const char *const[]){text}, 1);
}

void sheet_fact(struct sheet *s, const char *label, const char *value)
{
    add(s, SHEET_FACT, (const char *const[]){label, value}, 2);
}

void sheet_table(struct sheet *s, const char *const *heads, size_t count)
{
    add(s, SHEET_TABLE, heads, count);
}

void sheet_row(struct sheet *s, const char *const *cells)
{
    size_t i = s != NULL ? s->count : 0;
    if (i == 0 || s->err != OK)
        return;
    if (s->part[i - 1].kind != SHEET_TABLE && s->part[i - 1].kind != SHEET_ROW)
        s->err = ERR_BUG;
    else
        add(s, SHEET_ROW, cells, s->part[i - 1].count);
}

void sheet_step(struct sheet *s, const char *what, const char *fixed)
{
    add(s, SHEET_STEP, (const char *const[]){what, fixed}, 2);
}

void sheet_sign(struct sheet *s, const char *name)
{
    add(s, SHEET_SIGN, (const char *const[]){name}, 1);
}

void sheet_rule(struct sheet *s)
{
    add(s, SHEET_RULE, NULL, 0);
}

/* --- as text --- */

/* Words of text in lines of the width, all but the first one indented. */
static void put_wrapped(FILE *out, const char *text, size_t indent, size_t width)
{
    size_t at = indent;
    for (const char *p = text; *p != '\0';) {
        size_t n = strcspn(p, " \n");
        if (at > indent && at + n + 1 > width) {
            fprintf(out, "\n%*s", (int)indent, "");
            at = indent;
        } else if (p != text && n > 0 && at > indent) {
            fputc(' ', out);
            at++;
        }
        fwrite(p, 1, n, out);
        at += n;
        p += n;
        if (*p == '\n') {
            fprintf(out, "\n%*s", (int)indent, "");
            at = indent;
        }
        p += *p != '\0';
    }
    fputc('\n', out);
}

/* The table that starts at part *i, which is left at its last row. */
static err_t put_table(FILE *out, const struct sheet *s, size_t *i)
{
    const struct part *head = &s->part[*i];
    struct table_column column[SHEET_COLUMNS_MAX];
    struct table *t;
    for (size_t k = 0; k < head->count; k++)
        column[k] = (struct table_column){head->text[k], TABLE_LEFT};
    TRY(table_new(&t, column, head->count));
    err_t e = OK;
    while (e == OK && *i + 1 < s->count && s->part[*i + 1].kind == SHEET_ROW)
        e = table_row(t, (const char *const *)s->part[++*i].text);
    if (e == OK)
        e = table_print(t, out, TABLE_UNICODE, 1);
    table_free(t);
    return e;
}

static void put_rule(FILE *out, char c, size_t n)
{
    while (n-- > 0)
        fputc(c, out);
    fputc('\n', out);
}

#define SIGN_WIDTH 60

static err_t put_text(FILE *out, const struct sheet *s, size_t width)
{
    unsigned step = 0;
    fprintf(out, "%s\n", s->title);
    put_rule(out, '=', width);
    for (size_t i = 0; i < s->count; i++) {
        const struct part *p = &s->part[i];
        switch (p->kind) {
        case SHEET_HEAD:
            fprintf(out, "\n%s\n", p->text[0]);
            put_rule(out, '-', width);
            step = 0;
            break;
        case SHEET_PARA:
            put_wrapped(out, p->text[0], 0, width);
            break;
        case SHEET_FACT:
            fprintf(out, "%s:\n    ", p->text[0]);
            put_wrapped(out, p->text[1], 4, width);
            break;
        case SHEET_TABLE:
            TRY(put_table(out, s, &i));
            break;
        case SHEET_ROW:
            return ERR_BUG;
        case SHEET_STEP:
            fprintf(out, "%4u. ", ++step);
            put_wrapped(out, p->text[0], 6, width);
            fprintf(out, "      %s\n", p->text[1]);
            break;
        case SHEET_SIGN:
            fprintf(out, "\n\n    ");
            put_rule(out, '_', SIGN_WIDTH);
            fprintf(out, "    %s\n", p->text[0]);
            break;
        case SHEET_RULE:
            fprintf(out, "\n");
            put_rule(out, '_', width);
            break;
        }
    }
    return ferror(out) ? ERR_IO : OK;
}

err_t sheet_text(char **out, size_t *len, const struct sheet *s)
{
    *out = NULL;
    if (s == NULL || s->err != OK)
        return s == NULL ? ERR_MEMORY : s->err;
    FILE *stream = open_memstream(out, len);
    if (stream == NULL)
        return ERR_MEMORY;
    err_t e = put_text(stream, s, SHEET_TEXT_WIDTH);
    err_t end = file_memstream_end(stream, out);
    e = e == OK ? end : e;
    if (e != OK) {
        free(*out);
        *out = NULL;
    }
    return e;
}

err_t sheet_each(const struct sheet *s, sheet_part_fn *fn, void *ctx)
{
    if (s == NULL || s->err != OK)
        return s == NULL ? ERR_MEMORY : s->err;
    fn(ctx, SHEET_HEAD, (const char *const[]){s->title}, 1);
    for (size_t i = 0; i < s->count; i++)
        fn(ctx, s->part[i].kind, (const char *const *)s->part[i].text, s->part[i].count);
    return OK;
}

/* --- as a page --- */

/* What a run of parts of one kind stands in. */
static const char *wrapper(enum sheet_kind k)
{
    return k == SHEET_FACT                      ? "dl"
           : k == SHEET_STEP                    ? "ol"
           : k == SHEET_TABLE || k == SHEET_ROW ? "table"
                                                : NULL;
}

static void put_cells(struct html *h, const struct part *p, const char *cell)
{
    html_raw(h, "<tr>");
    for (size_t k = 0; k < p->count; k++) {
        html_fmt(h, "<%s>", cell);
        html_text(h, p->text[k]);
        html_fmt(h, "</%s>", cell);
    }
    html_raw(h, "</tr>\n");
}

static void put_element(struct html *h, const char *open, const char *text, const char *close)
{
    html_raw(h, open);
    html_text(h, text);
    html_raw(h, close);
}

static void put_part(struct html *h, const struct part *p)
{
    switch (p->kind) {
    case SHEET_HEAD:
        put_element(h, "<h2>", p->text[0], "</h2>\n");
        break;
    case SHEET_PARA:
        put_element(h, "<p>", p->text[0], "</p>\n");
        break;
    case SHEET_FACT:
        put_element(h, "<dt>", p->text[0], "</dt>");
        put_element(h, "<dd>", p->text[1], "</dd>\n");
        break;
    case SHEET_TABLE:
        put_cells(h, p, "th");
        break;
    case SHEET_ROW:
        put_cells(h, p, "td");
        break;
    case SHEET_STEP:
        put_element(h, "<li>", p->text[0], "");
        put_element(h, "<code>", p->text[1], "</code></li>\n");
        break;
    case SHEET_SIGN:
        put_element(h, "<p class=\"sign\">", p->text[0], "</p>\n");
        break;
    case SHEET_RULE:
        html_raw(h, "<div class=\"rule\"></div>\n");
        break;
    }
}

err_t sheet_html(char **out, size_t *len, const struct sheet *s)
{
    struct html h = HTML_INIT;
    const char *in = NULL;
    *out = NULL;
    if (s == NULL || s->err != OK)
        return s == NULL ? ERR_MEMORY : s->err;
    html_fmt(&h, "<!DOCTYPE html>\n<html lang=\"%s\">\n<head>\n<meta charset=\"utf-8\">\n",
             language_tag(s->language));
    html_policy(&h, style);
    html_raw(&h, "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>");
    html_text(&h, s->title);
    html_raw(&h, "</title>\n<style>");
    html_raw(&h, style);
    html_raw(&h, "</style>\n</head>\n<body>\n");
    put_element(&h, "<h1>", s->title, "</h1>\n");
    for (size_t i = 0; i < s->count; i++) {
        const char *needs = wrapper(s->part[i].kind);
        if (in != NULL && (in != needs || s->part[i].kind == SHEET_TABLE)) {
            html_fmt(&h, "</%s>\n", in);
            in = NULL;
        }
        if (needs != NULL && in == NULL)
            html_fmt(&h, "<%s>\n", needs);
        in = needs;
        put_part(&h, &s->part[i]);
    }
    if (in != NULL)
        html_fmt(&h, "</%s>\n", in);
    html_raw(&h, "</body>\n</html>\n");
    if (h.err != OK) {
        html_free(&h);
        return ERR_MEMORY;
    }
    *out = h.text;
    *len = h.len;
    return OK;
}
