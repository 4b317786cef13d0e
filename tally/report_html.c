#include "tally/report_html.h"

#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void html_free(struct html *h)
{
    free(h->text);
    *h = (struct html)HTML_INIT;
}

static int grow(struct html *h, size_t more)
{
    if (h->err != OK)
        return 0;
    if (h->cap - h->len > more)
        return 1;
    size_t cap = h->cap ? h->cap : 65536;
    while (cap - h->len <= more) {
        if (cap > SIZE_MAX / 2) {
            h->err = ERR_MEMORY;
            return 0;
        }
        cap *= 2;
    }
    char *text = realloc(h->text, cap);
    if (text == NULL) {
        h->err = ERR_MEMORY;
        return 0;
    }
    h->text = text;
    h->cap = cap;
    return 1;
}

static void html_raw_len(struct html *h, const char *markup, size_t len)
{
    if (!grow(h, len))
        return;
    memcpy(h->text + h->len, markup, len);
    h->len += len;
    h->text[h->len] = 0;
}

void html_raw(struct html *h, const char *markup)
{
    html_raw_len(h, markup, strlen(markup));
}

void html_fmt(struct html *h, const char *fmt, ...)
{
    char line[1024];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    if (n < 0 || (size_t)n >= sizeof line) {
        if (h->err == OK)
            h->err = ERR_BUG; /* only short lines of our own are written this way */
        return;
    }
    html_raw_len(h, line, (size_t)n);
}

void html_text(struct html *h, const char *text)
{
    size_t run = strcspn(text, "&<>\"'");
    while (text[run] != 0) {
        html_raw_len(h, text, run);
        switch (text[run]) {
        case '&':
            html_raw(h, "&amp;");
            break;
        case '<':
            html_raw(h, "&lt;");
            break;
        case '>':
            html_raw(h, "&gt;");
            break;
        case '"':
            html_raw(h, "&quot;");
            break;
        default:
            html_raw(h, "&#39;");
            break;
        }
        text += run + 1;
        run = strcspn(text, "&<>\"'");
    }
    html_raw_len(h, text, run);
}

void html_number(struct html *h, uint64_t v)
{
    char digits[24], out[32];
    int n = snprintf(digits, sizeof digits, "%llu", (unsigned long long)v), k = 0;
    for (int i = 0; i < n; i++) {
        if (i > 0 && (n - i) % 3 == 0)
            out[k++] = ',';
        out[k++] = digits[i];
    }
    html_raw_len(h, out, (size_t)k);
}

void html_percent(struct html *h, uint64_t part, uint64_t whole)
{
    if (whole == 0) {
        html_raw(h, "-");
        return;
    }
    unsigned __int128 tenths = ((unsigned __int128)part * 2000 + whole) / ((unsigned __int128)whole * 2);
    html_fmt(h, "%llu.%u%%", (unsigned long long)(tenths / 10), (unsigned)(tenths % 10));
}

void html_hash(struct html *h, const hash_t *v)
{
    char hex[2 * HASH_LEN + 1];
    hex_put(hex, v->b, HASH_LEN);
    html_raw(h, hex);
}

void html_policy(struct html *h, const char *style)
{
    hash_t hash;
    char text[64];
    hash_one(&hash, style, strlen(style));
    sodium_bin2base64(text, sizeof text, hash.b, sizeof hash.b, sodium_base64_VARIANT_ORIGINAL);
    html_raw(h,
             "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'sha256-");
    html_raw(h, text);
    html_raw(h, "'; base-uri 'none'; form-action 'none'\">\n");
}
