/* The QR codes of a page, one after the other, on the whole window. */
#include <stdlib.h>
#include <string.h>

#include "ui/qrtext.h"
#include "ui/screen.h"
#include "ui/term.h"
#include "ui/ui_parts.h"

#define HEADER_MAX 34 /* characters of a text before its payload */

struct codes {
    char **text; /* printable ASCII */
    size_t count, at;
    int inverted;
};

static void codes_free(struct codes *c)
{
    for (size_t i = 0; i < c->count; i++)
        free(c->text[i]);
    free(c->text);
    c->text = NULL;
    c->count = 0;
}

static err_t codes_add(struct codes *c, const char *text)
{
    char **t = reallocarray(c->text, c->count + 1, sizeof *t);
    if (t == NULL)
        return ERR_MEMORY;
    c->text = t;
    c->text[c->count] = strdup(text);
    if (c->text[c->count] == NULL)
        return ERR_MEMORY;
    c->count++;
    return OK;
}

/* --- sizes --- */

/* What stands below a code: which one it is, the keys, and whether it is a rehearsal. */
static size_t hint_width(const struct page *p)
{
    size_t mark = p->ui->config.rehearsal ? text_width(page_say(p, MSG_REHEARSAL)) + 1 : 0;
    return text_width(page_say(p, MSG_QR_HINT)) + mark;
}

/* In one row if all of it fits there. */
static size_t caption_rows(const struct page *p)
{
    char place[128], hash[128];
    ui_say(place, sizeof place, p->ui, UI_ARGS(MSG_QR_OF, "99", "99"));
    ui_say(hash, sizeof hash, p->ui, UI_ARGS(MSG_QR_HASH, "01234567"));
    size_t all = text_width(place) + 2 + text_width(hash) + 2 + hint_width(p);
    return all <= screen_width(p->ui->screen) ? 1 : 2;
}

static int fits(const struct page *p, const struct qr *q)
{
    const struct screen *s = p->ui->screen;
    size_t columns, rows;
    screen_qr_size(s, q, &columns, &rows);
    return columns <= screen_width(s) && rows + caption_rows(p) <= screen_height(s);
}

static int part_fits(const struct page *p, size_t part_len)
{
    char text[QRTEXT_TEXT_MAX + HEADER_MAX + 1];
    struct qr q;
    size_t len = HEADER_MAX + (part_len * 3 + 1) / 2;
    if (len >= sizeof text)
        len = sizeof text - 1;
    memset(text, 'A', len);
    text[len] = '\0';
    if (qr_make(&q, text, NULL) != OK)
        return 0;
    int yes = fits(p, &q);
    qr_free(&q);
    return yes;
}

/* The most bytes whose code fits; 0: none. */
static size_t best_part(const struct page *p)
{
    size_t low = 0, high = QRTEXT_PART_LEN;
    while (low < high) {
        size_t middle = (low + high + 1) / 2;
        if (part_fits(p, middle))
            low = middle;
        else
            high = middle - 1;
    }
    return low & ~(size_t)1; /* Base45 wastes half a character on an odd one */
}

/* The most bytes whose text can be read in the window, if no code can. */
static size_t readable_part(const struct page *p)
{
    struct screen *s = p->ui->screen;
    size_t taken = caption_rows(p) + 4; /* why it is a text: three rows at most, and a blank one */
    size_t rows = screen_height(s) > taken ? screen_height(s) - taken : 1, room = rows * screen_width(s);
    size_t part = room > HEADER_MAX + 12 ? (room - HEADER_MAX) * 2 / 3 : 8;
    return (part < QRTEXT_PART_LEN ? part : QRTEXT_PART_LEN) & ~(size_t)1;
}

static err_t add_message(struct codes *c, const struct page *p, const struct block *b)
{
    struct qrtext t;
    size_t part = best_part(p), text = readable_part(p);
    err_t e =
        part == 0 ? ERR_LIMIT : qrtext_split_parts(&t, b->message_kind, b->message, b->message_len, part);
    if (e == ERR_LIMIT) /* no code, but the text can be read and typed */
        e = qrtext_split_parts(&t, b->message_kind, b->message, b->message_len, text);
    if (e == ERR_LIMIT)
        e = qrtext_split(&t, b->message_kind, b->message, b->message_len);
    TRY(e);
    for (size_t i = 0; i < t.count && e == OK; i++)
        e = codes_add(c, t.part[i]);
    qrtext_free(&t);
    return e;
}

/* All codes for the window as it is now; the place in them is kept as well as can be. */
static err_t codes_make(struct codes *c, const struct page *p)
{
    size_t before = c->count, at = c->at;
    err_t e = OK;
    codes_free(c);
    for (size_t i = 0; i < p->blocks && e == OK; i++) {
        const struct block *b = &p->block[i];
        if (b->kind == BLOCK_QR)
            e = b->text != NULL ? codes_add(c, b->text) : add_message(c, p, b);
    }
    c->at = c->count == before ? at : 0;
    return e;
}

/* --- showing --- */

/* Filled rows, without regard to words: a blank in it is part of it. */
static void put_filled(struct screen *s, size_t y, size_t last, const char *text)
{
    char row[512];
    size_t width = screen_width(s) < sizeof row - 1 ? screen_width(s) : sizeof row - 1;
    for (; *text != '\0' && y < last; y++) {
        size_t n = strnlen(text, width);
        memcpy(row, text, n);
        row[n] = '\0';
        screen_put(s, y, 0, STYLE_PLAIN, row);
        text += n;
    }
}

static void show_text(const struct page *p, enum message why, const char *text)
{
    struct screen *s = p->ui->screen;
    struct rows r;
    size_t last = screen_height(s) - caption_rows(p);
    rows_init(&r, screen_width(s), p->ui->config.ascii, 0);
    rows_wrap(&r, -1, STYLE_WARN, "", page_say(p, why));
    for (size_t i = 0; i < r.count && i < last; i++)
        screen_put_row(s, i, 0, &r.row[i]);
    put_filled(s, r.count + 1, last, text);
    rows_free(&r);
}

/* "QR code 2 of 7  hash 89ABCDEF  keys": the hash that qrtext carries, over the whole message. */
static void show_caption(const struct page *p, const struct codes *c)
{
    struct screen *s = p->ui->screen;
    char caption[512], hash[128] = "", digits[9];
    const char *text = c->text[c->at], *end = qrtext_is(text) ? strrchr(text, ':') : NULL;
    size_t y = screen_height(s) - 1, two = caption_rows(p) == 2;
    ui_say(caption, sizeof caption, p->ui, UI_ARGS(MSG_QR_OF, UI_NUMBER(c->at + 1), UI_NUMBER(c->count)));
    for (int colons = 0; *text != '\0' && colons < 3; text++)
        colons += *text == ':';
    if (end != NULL && strlen(text) > 8) {
        memcpy(digits, text, 8);
        digits[8] = '\0';
        ui_say(hash, sizeof hash, p->ui, UI_ARGS(MSG_QR_HASH, digits));
        strncat(caption, "  ", sizeof caption - strlen(caption) - 1);
        strncat(caption, hash, sizeof caption - strlen(caption) - 1);
    }
    screen_put(s, two && y > 0 ? y - 1 : y, 0, STYLE_PLAIN, caption);
    screen_put(s, y, two ? 0 : text_width(caption) + 2, STYLE_PLAIN, page_say(p, MSG_QR_HINT));
    if (p->ui->config.rehearsal) {
        const char *mark = page_say(p, MSG_REHEARSAL);
        size_t width = text_width(mark), row = two && y > 0 ? y - 1 : y;
        if (two && text_width(caption) + width + 1 > screen_width(s))
            row = y;
        if (width < screen_width(s))
            screen_put(s, row, screen_width(s) - width, STYLE_FOCUS, mark);
    }
}

static err_t show(const struct page *p, const struct codes *c, struct fault *f)
{
    struct screen *s = p->ui->screen;
    const char *text = c->text[c->at];
    struct qr q = {0};
    size_t columns, rows;
    screen_clear(s);
    err_t e = qr_make(&q, text, f);
    if (e == OK && fits(p, &q)) {
        screen_qr_size(s, &q, &columns, &rows);
        e = screen_put_qr(s, 0, (screen_width(s) - columns) / 2, &q, text, c->inverted, f);
    } else if (e == OK) {
        e = ERR_LIMIT;
    }
    qr_free(&q);
    if (e == ERR_MEMORY)
        return e;
    if (e != OK)
        show_text(p, e == ERR_LIMIT ? MSG_QR_TOO_SMALL : MSG_QR_FAILED, text);
    show_caption(p, c);
    screen_show(s, 0, 0, 0);
    return OK;
}

err_t screen_qr(struct page *p, struct fault *f)
{
    struct codes c = {0};
    int seen;
    err_t e = codes_make(&c, p);
    while (e == OK && c.count > 0) {
        GO(show(p, &c, f));
        int key = ui_key(p->ui, -1, -1, &seen);
        if (key == KEY_ESC || key == 'q' || key == KEY_ENTER_)
            break;
        if (key == KEY_RIGHT_ || key == KEY_DOWN_ || key == KEY_PGDN || key == ' ' || key == 'n')
            c.at = (c.at + 1) % c.count;
        else if (key == KEY_LEFT_ || key == KEY_UP_ || key == KEY_PGUP || key == 'p')
            c.at = (c.at + c.count - 1) % c.count;
        else if (key == 'i')
            c.inverted = !c.inverted;
        if (key == KEY_NONE && (seen & TERM_STOP))
            e = fault_set(f, ERR_STOPPED, "a signal, or the end of the terminal");
        else if (key == KEY_NONE && (seen & TERM_RESIZED))
            e = codes_make(&c, p);
    }
out:
    codes_free(&c);
    return e == OK || e == ERR_STOPPED ? e : fault_set(f, e, "the QR codes of the page");
}
