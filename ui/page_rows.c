/* Rows of styled text: cutting, wrapping, likenesses in ASCII. */
#include <stdlib.h>
#include <string.h>
#include <unistr.h>
#include <uniwidth.h>

#include "ceremony/base/array.h"
#include "ui/page_layout.h"

void rows_init(struct rows *r, size_t width, int ascii, int spoken)
{
    *r = (struct rows){.width = width < 8 ? 8 : width, .ascii = ascii, .spoken = spoken, .cursor = -1};
}

void rows_free(struct rows *r)
{
    for (size_t i = 0; i < r->count; i++) {
        free(r->row[i].text);
        free(r->row[i].style);
    }
    free(r->row);
    r->row = NULL;
    r->count = r->cap = 0;
}

/* --- characters --- */

struct character {
    size_t len, width;
};

static struct character character_at(const char *s)
{
    ucs4_t c;
    int n = u8_mbtoucr(&c, (const uint8_t *)s, strlen(s));
    if (n <= 0)
        return (struct character){1, 1};
    int w = uc_width(c, "UTF-8");
    return (struct character){(size_t)n, w < 0 ? 1 : (size_t)w};
}

size_t text_width(const char *text)
{
    size_t w = 0;
    for (const char *s = text; *s != '\0';) {
        struct character c = character_at(s);
        w += c.width;
        s += c.len;
    }
    return w;
}

static const char *likeness(ucs4_t c)
{
    static const struct {
        ucs4_t c;
        const char *text;
    } known[] = {{0xa1, ""},    {0xbf, ""},    {0xd1, "N"},   {0xf1, "n"},    {0xc1, "A"},    {0xe1, "a"},
                 {0xc9, "E"},   {0xe9, "e"},   {0xcd, "I"},   {0xed, "i"},    {0xd3, "O"},    {0xf3, "o"},
                 {0xda, "U"},   {0xfa, "u"},   {0xdc, "U"},   {0xfc, "u"},    {0xd7, "x"},    {0x2013, "-"},
                 {0x2014, "-"}, {0x2018, "'"}, {0x2019, "'"}, {0x201c, "\""}, {0x201d, "\""}, {0x2026, "..."},
                 {0x2500, "-"}, {0x2588, "#"}, {0x2713, "x"}, {0xe0, "a"},    {0xe8, "e"},    {0xe4, "a"},
                 {0xf6, "o"},   {0xe7, "c"},   {0xc7, "C"},   {0xaa, "a"},    {0xba, "o"},    {0x2192, "->"}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (known[i].c == c)
            return known[i].text;
    return c < 0x80 ? NULL : "?";
}

void text_ascii(char *out, size_t out_len, const char *text)
{
    size_t at = 0;
    for (const char *s = text; *s != '\0';) {
        ucs4_t c = 0;
        int n = u8_mbtoucr(&c, (const uint8_t *)s, strlen(s));
        const char *like = n <= 0 ? "?" : likeness(c);
        char self[2] = {*s, '\0'};
        like = like != NULL ? like : self;
        if (at + strlen(like) >= out_len)
            break;
        at = (size_t)(stpcpy(out + at, like) - out);
        s += n > 0 ? n : 1;
    }
    out[at] = '\0';
}

/* --- rows --- */

void rows_begin(struct rows *r, int focus)
{
    if (array_room(&r->row, r->count + 1, &r->cap, sizeof *r->row, 32) != OK) {
        r->err = ERR_MEMORY;
        return;
    }
    r->row[r->count++] = (struct row){.focus = focus};
}

static void append(struct rows *r, enum style s, const char *text, struct character c)
{
    struct row *row = &r->row[r->count - 1];
    char *t = realloc(row->text, row->len + c.len + 1);
    row->text = t != NULL ? t : row->text;
    uint8_t *styles = realloc(row->style, row->len + c.len + 1);
    row->style = styles != NULL ? styles : row->style;
    if (t == NULL || styles == NULL) {
        r->err = ERR_MEMORY;
        return;
    }
    memcpy(row->text + row->len, text, c.len);
    memset(row->style + row->len, s, c.len);
    row->len += c.len;
    row->text[row->len] = '\0';
    row->width += c.width;
}

/* As much of text as fits; in ASCII if need be. */
void rows_put(struct rows *r, enum style s, const char *text)
{
    char like[2048];
    if (r->err != OK || r->count == 0)
        return;
    if (r->ascii) {
        text_ascii(like, sizeof like, text);
        text = like;
    }
    while (*text != '\0') {
        struct character c = character_at(text);
        if (r->row[r->count - 1].width + c.width > r->width)
            return;
        append(r, s, text, c);
        text += c.len;
    }
}

void rows_blank_to(struct rows *r, size_t column)
{
    while (r->err == OK && r->count > 0 && r->row[r->count - 1].width < column &&
           r->row[r->count - 1].width < r->width)
        append(r, STYLE_PLAIN, " ", (struct character){1, 1});
}

/* --- wrapping --- */

/* Bytes of text that go into room columns: up to a line end, else to the last blank, else as they come. */
static size_t fit(const char *text, size_t room)
{
    size_t width = 0, at = 0, blank = 0;
    while (text[at] != '\0' && text[at] != '\n') {
        struct character c = character_at(text + at);
        if (width + c.width > room)
            return blank > 0 ? blank : at > 0 ? at : c.len;
        if (text[at] == ' ' && at > 0)
            blank = at;
        width += c.width;
        at += c.len;
    }
    return at;
}

void rows_wrap_on(struct rows *r, enum style s, size_t indent, const char *text)
{
    char piece[2048];
    int focus = r->count > 0 ? r->row[r->count - 1].focus : -1;
    indent = indent + 8 > r->width ? 2 : indent;
    for (int first = 1; r->err == OK && r->count > 0; first = 0) {
        if (!first) {
            rows_begin(r, focus);
            rows_blank_to(r, indent);
        }
        size_t room = r->width - r->row[r->count - 1].width;
        size_t n = fit(text, room < 1 ? 1 : room);
        n = n < sizeof piece ? n : sizeof piece - 1;
        memcpy(piece, text, n);
        piece[n] = '\0';
        rows_put(r, s, piece);
        text += n;
        if (*text == '\0')
            return;
        text += *text == '\n' || *text == ' ';
        while (text[-1] == ' ' && *text == ' ')
            text++;
    }
}

void rows_wrap(struct rows *r, int focus, enum style s, const char *first, const char *text)
{
    rows_begin(r, focus);
    rows_put(r, s, first);
    rows_wrap_on(r, s, text_width(first), text);
}

void rows_put_bar(struct rows *r, enum style s, uint64_t value, uint64_t max, size_t width)
{
    size_t inside = width > 2 ? width - 2 : 1;
    value = value > max ? max : value;
    size_t n = max == 0 ? 0 : (size_t)((__uint128_t)value * inside / max);
    rows_put(r, STYLE_PLAIN, "[");
    for (size_t i = 0; i < inside; i++)
        rows_put(r, s, i < n ? "#" : i == n && value > 0 && n == 0 ? "#" : " ");
    rows_put(r, STYLE_PLAIN, "]");
}
