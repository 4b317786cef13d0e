#include "ui/page_layout.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NARROW 60
#define LABEL_MAX 28
#define BAR_MAX 40

static int is_narrow(const struct rows *r)
{
    return r->spoken || r->width < NARROW;
}

/* An empty row, but not two, and none at the top. */
static void gap(struct rows *r)
{
    if (r->count > 0 && r->row[r->count - 1].len > 0)
        rows_begin(r, -1);
}

/* Widest label in the run of blocks of one kind that starts here. */
static size_t label_width(const struct page *p, size_t first)
{
    size_t width = 0;
    for (size_t i = first; i < p->blocks && p->block[i].kind == p->block[first].kind; i++) {
        size_t w = text_width(p->block[i].text);
        width = w > width ? w : width;
    }
    return width > LABEL_MAX ? LABEL_MAX : width;
}

/* --- blocks --- */

static void put_value(struct rows *r, const struct block *b, size_t label)
{
    rows_begin(r, -1);
    rows_put(r, STYLE_DIM, b->text);
    rows_put(r, STYLE_DIM, ":");
    if (!r->spoken)
        rows_blank_to(r, is_narrow(r) ? 0 : label + 1);
    rows_put(r, STYLE_PLAIN, " ");
    rows_wrap_on(r, STYLE_PLAIN, is_narrow(r) ? 2 : label + 2, b->detail);
}

static void put_check(struct rows *r, const struct page *p, const struct block *b)
{
    static const struct {
        enum message text;
        enum style style;
    } state[] = {{MSG_STATE_PENDING, STYLE_DIM},
                 {MSG_STATE_PASS, STYLE_PASS},
                 {MSG_STATE_FAIL, STYLE_FAIL},
                 {MSG_STATE_NOT_CHECKED, STYLE_WARN},
                 {MSG_STATE_NOTE, STYLE_DIM}};
    size_t width = 0;
    for (size_t i = 0; i < sizeof state / sizeof state[0]; i++) {
        size_t w = text_width(page_say(p, state[i].text));
        width = w > width ? w : width;
    }
    rows_begin(r, -1);
    rows_put(r, state[b->state].style, page_say(p, state[b->state].text));
    if (is_narrow(r))
        rows_put(r, STYLE_PLAIN, r->spoken ? ": " : "  ");
    else
        rows_blank_to(r, width + 2);
    size_t indent = is_narrow(r) ? 6 : width + 2;
    rows_wrap_on(r, STYLE_PLAIN, indent, b->text);
    if (b->detail != NULL && b->detail[0] != '\0') {
        rows_begin(r, -1);
        rows_blank_to(r, indent);
        rows_wrap_on(r, STYLE_DIM, indent, b->detail);
    }
}

static void put_bar(struct rows *r, const struct page *p, const struct block *b, size_t label)
{
    char text[MESSAGE_MAX];
    if (r->spoken) {
        ui_say(text, sizeof text, p->ui,
               UI_ARGS(MSG_BAR_SPOKEN, b->text, UI_NUMBER(b->value), UI_NUMBER(b->max)));
        rows_wrap(r, -1, STYLE_PLAIN, "", text);
        return;
    }
    rows_begin(r, -1);
    rows_put(r, STYLE_PLAIN, b->text);
    if (is_narrow(r) && label + 20 > r->width) {
        rows_begin(r, -1);
        rows_put(r, STYLE_PLAIN, "  ");
    } else {
        rows_blank_to(r, label + 2);
    }
    size_t room = r->width - r->row[r->count - 1].width;
    room = room > 12 ? room - 12 : 4;
    rows_put_bar(r, STYLE_BOLD, b->value, b->max, room < BAR_MAX ? room : BAR_MAX);
    snprintf(text, sizeof text, " %llu", (unsigned long long)b->value);
    rows_put(r, STYLE_PLAIN, text);
}

/* --- tables --- */

/* "8/21" where there is no room for columns; the number itself is in another column. */
static void put_cell_bar(struct rows *r, const char *cell)
{
    char *slash;
    uint64_t value = strtoull(cell, &slash, 10);
    if (r->spoken || *slash != '/')
        return;
    rows_begin(r, -1);
    rows_put(r, STYLE_PLAIN, "  ");
    rows_put_bar(r, STYLE_BOLD, value, strtoull(slash + 1, NULL, 10),
                 r->width - 4 < BAR_MAX ? r->width - 4 : BAR_MAX);
}

/* Each row as "head: cell" lines. */
static void put_table_narrow(struct rows *r, const struct block *b)
{
    for (size_t i = b->columns; i < b->cells; i++) {
        size_t c = i % b->columns;
        if (b->column[c] == TABLE_BAR) {
            put_cell_bar(r, b->cell[i]);
            continue;
        }
        rows_begin(r, -1);
        rows_put(r, STYLE_PLAIN, c == 0 ? "" : "  ");
        rows_put(r, STYLE_DIM, b->cell[c]);
        rows_put(r, STYLE_PLAIN, ": ");
        rows_wrap_on(r, c == 0 ? STYLE_BOLD : STYLE_PLAIN, 4, b->cell[i]);
    }
}

static err_t table_text(char **out, const struct block *b, int ascii, size_t bar)
{
    struct table_column column[TABLE_COLUMNS_MAX];
    struct table *t = NULL;
    size_t len = 0;
    *out = NULL;
    for (size_t c = 0; c < b->columns; c++)
        column[c] = (struct table_column){b->cell[c], b->column[c]};
    TRY(table_new(&t, column, b->columns));
    err_t e = OK;
    for (size_t i = b->columns; e == OK && i < b->cells; i += b->columns)
        e = table_row(t, (const char *const *)b->cell + i);
    FILE *s = e == OK ? open_memstream(out, &len) : NULL;
    if (s != NULL) {
        e = table_print(t, s, ascii ? TABLE_ASCII : TABLE_UNICODE, bar);
        if (fclose(s) != 0)
            e = ERR_MEMORY;
    }
    table_free(t);
    return *out == NULL && e == OK ? ERR_MEMORY : e;
}

static size_t widest_line(char *text)
{
    size_t width = 0;
    for (char *s = text, *end; *s != '\0'; s = end + 1) {
        end = strchrnul(s, '\n');
        char c = *end;
        *end = '\0';
        size_t w = text_width(s);
        width = w > width ? w : width;
        *end = c;
        if (c == '\0')
            break;
    }
    return width;
}

static void put_table_lines(struct rows *r, char *text)
{
    int line = 0;
    for (char *s = text, *end; *s != '\0'; s = end + 1, line++) {
        end = strchrnul(s, '\n');
        int last = *end == '\0';
        *end = '\0';
        rows_begin(r, -1);
        rows_put(r, line == 0 ? STYLE_BOLD : line == 1 ? STYLE_DIM : STYLE_PLAIN, s);
        if (last)
            break;
    }
}

static void put_table(struct rows *r, const struct block *b)
{
    static const size_t bars[] = {40, 20, 8};
    for (size_t i = 0; !r->spoken && i < 3; i++) {
        char *text;
        err_t e = table_text(&text, b, r->ascii, bars[i]);
        if (e == OK && widest_line(text) <= r->width) {
            put_table_lines(r, text);
            free(text);
            return;
        }
        free(text);
        if (e == ERR_MEMORY)
            r->err = e;
    }
    put_table_narrow(r, b);
}

/* --- fields --- */

static const char *marker(int focused)
{
    return focused ? "> " : "  ";
}

static void put_words_spoken(struct rows *r, const struct page *p, const struct field *f)
{
    char text[MESSAGE_MAX];
    for (size_t i = 0; i < WORDS_COUNT; i += WORDS_SPOKEN) {
        size_t last = i + WORDS_SPOKEN < WORDS_COUNT ? i + WORDS_SPOKEN : WORDS_COUNT;
        field_words_line(text, sizeof text, p->ui, f, i, last);
        rows_wrap(r, -1, STYLE_PLAIN, "", text);
    }
}

static void put_compare(struct rows *r, const struct page *p, const struct field *f, int number)
{
    char text[256], label[32];
    size_t n = field_words_per_row(r->width);
    int focused = f->needs_ticks && (size_t)number == p->focus;
    for (size_t i = 0; i < WORDS_COUNT; i += n) {
        size_t last = i + n < WORDS_COUNT ? i + n : WORDS_COUNT;
        int current = focused && f->ticked >= i && f->ticked < last;
        int ticked = f->needs_ticks && f->ticked >= last;
        field_words_row(text, sizeof text, f, i, last - i, r->width);
        if (r->width >= NARROW && r->count > 0 && i > 0)
            rows_begin(r, -1);
        rows_begin(r, current ? number : -1);
        rows_put(r, STYLE_BOLD, marker(current));
        snprintf(label, sizeof label, "%2zu ", i + 1);
        rows_put(r, STYLE_DIM, label);
        rows_put(r, ticked ? STYLE_PASS : STYLE_PLAIN, ticked ? "\xe2\x9c\x93 " : "  ");
        rows_put(r, current ? STYLE_FOCUS : STYLE_BOLD, text);
    }
}

static void put_choice(struct rows *r, const struct page *p, const struct field *f, int number)
{
    int focused = (size_t)number == p->focus;
    rows_wrap(r, -1, focused ? STYLE_BOLD : STYLE_PLAIN, "", f->label);
    for (size_t i = 0; i < f->items; i++) {
        int chosen = i == *f->index;
        enum style s = chosen ? focused ? STYLE_FOCUS : STYLE_BOLD : STYLE_PLAIN;
        rows_begin(r, chosen ? number : -1);
        rows_put(r, s, chosen ? focused ? "> " : "* " : "  ");
        rows_wrap_on(r, s, 2, f->item[i].text);
        if (f->item[i].detail != NULL && f->item[i].detail[0] != '\0')
            rows_wrap(r, -1, STYLE_DIM, "    ", f->item[i].detail);
    }
}

/* The end of what was typed, as much as there is room for. */
static const char *tail(const char *text, size_t room)
{
    while (text_width(text) > room) {
        text++;
        while (((unsigned char)*text & 0xc0) == 0x80)
            text++;
    }
    return text;
}

static void put_typed(struct rows *r, const struct field *f, enum style s)
{
    size_t room = r->width > 6 ? r->width - 6 : 2;
    if (f->kind == FIELD_PIN) {
        for (size_t i = 0, n = strlen(f->text); i < n && i < room; i++)
            rows_put(r, s, "*");
    } else if (f->kind == FIELD_WORDS) {
        rows_wrap_on(r, s, 2, f->text);
    } else {
        rows_put(r, s, tail(f->text, room));
    }
}

static size_t count_words(const char *s)
{
    size_t n = 0;
    for (int inside = 0; *s != '\0'; s++) {
        int letter = *s != ' ' && *s != '-';
        n += letter && !inside;
        inside = letter;
    }
    return n;
}

static void put_input(struct rows *r, struct page *p, const struct field *f, int number)
{
    int focused = (size_t)number == p->focus;
    rows_wrap(r, -1, focused ? STYLE_BOLD : STYLE_PLAIN, "", f->label);
    rows_begin(r, number);
    rows_put(r, STYLE_BOLD, marker(focused));
    put_typed(r, f, STYLE_INPUT);
    if (r->count == 0)
        return;
    struct row *last = &r->row[r->count - 1];
    last->focus = number;
    if (focused) {
        r->cursor = (int)r->count - 1;
        r->cursor_column = last->width;
    }
    size_t typed = last->width, end = f->size + 2 < 42 ? f->size + 2 : 42;
    while (typed++ < end && r->row[r->count - 1].width < r->width)
        rows_put(r, STYLE_INPUT, "_");
    if (f->kind == FIELD_WORDS) {
        char text[MESSAGE_MAX];
        ui_say(text, sizeof text, p->ui,
               UI_ARGS(MSG_WORDS_COUNT, UI_NUMBER(count_words(f->text)), UI_NUMBER(WORDS_COUNT)));
        rows_wrap(r, -1, STYLE_DIM, "  ", text);
    }
}

static void put_field(struct rows *r, struct page *p, size_t number)
{
    const struct field *f = &p->field[number];
    if (f->kind == FIELD_COMPARE) {
        if (!r->spoken)
            put_compare(r, p, f, (int)number);
        else if (!f->needs_ticks)
            put_words_spoken(r, p, f);
    } else if (r->spoken) {
        return;
    } else if (f->kind == FIELD_CHOICE) {
        put_choice(r, p, f, (int)number);
    } else {
        put_input(r, p, f, (int)number);
    }
}

/* --- the whole --- */

static void put_actions(struct rows *r, const struct page *p)
{
    for (size_t i = 0; i < p->actions; i++) {
        const struct action *a = &p->action[i];
        int focused = p->focus == p->fields + i;
        char key[8];
        snprintf(key, sizeof key, "%c  ", a->key);
        rows_begin(r, (int)(p->fields + i));
        rows_put(r, focused ? STYLE_FOCUS : STYLE_PLAIN, marker(focused));
        rows_put(r, focused ? STYLE_FOCUS : STYLE_BOLD, key);
        enum style s = a->flags & PAGE_DANGER ? STYLE_WARN : STYLE_PLAIN;
        rows_wrap_on(r, focused ? STYLE_FOCUS : s, 5, a->text);
    }
}

static int stays_close(enum block_kind before, enum block_kind now)
{
    return before == BLOCK_HEAD ||
           (before == now && (now == BLOCK_VALUE || now == BLOCK_CHECK || now == BLOCK_BAR));
}

err_t page_layout(struct rows *r, struct page *p, int inside)
{
    size_t label = 0;
    for (size_t i = 0; i < p->blocks && r->err == OK; i++) {
        const struct block *b = &p->block[i];
        if (i > 0 && !stays_close(p->block[i - 1].kind, b->kind))
            gap(r);
        if (i == 0 || p->block[i - 1].kind != b->kind)
            label = b->text != NULL ? label_width(p, i) : 0;
        switch (b->kind) {
        case BLOCK_TEXT:
            rows_wrap(r, -1, STYLE_PLAIN, "", b->text);
            break;
        case BLOCK_HEAD:
            rows_wrap(r, -1, STYLE_HEAD, "", b->text);
            break;
        case BLOCK_WARN:
            rows_wrap(r, -1, STYLE_WARN, "! ", b->text);
            break;
        case BLOCK_VALUE:
            put_value(r, b, label);
            break;
        case BLOCK_CHECK:
            put_check(r, p, b);
            break;
        case BLOCK_BAR:
            put_bar(r, p, b, label);
            break;
        case BLOCK_TABLE:
            put_table(r, b);
            break;
        case BLOCK_QR:
            rows_wrap(r, -1, STYLE_DIM, "", page_say(p, b->text != NULL ? MSG_QR_LINE : MSG_QR_LINES));
            break;
        case BLOCK_FIELD:
            put_field(r, p, b->field);
            break;
        }
    }
    if (inside && p->actions > 0) {
        gap(r);
        put_actions(r, p);
    }
    return r->err;
}

err_t page_layout_actions(struct rows *r, const struct page *p)
{
    int waits = 0;
    for (size_t i = 0; i < p->actions && r->err == OK; i++) {
        const struct action *a = &p->action[i];
        int focused = p->focus == p->fields + i;
        char text[512];
        snprintf(text, sizeof text, "[%c] %s", a->key, a->text);
        if (page_waits(p, a)) { /* in its place, what to do first */
            if (waits++ > 0)
                continue;
            snprintf(text, sizeof text, "%s", page_say(p, MSG_READ_ON));
        }
        size_t width = text_width(text);
        enum style s = focused ? STYLE_FOCUS : a->flags & PAGE_DANGER ? STYLE_WARN : STYLE_BOLD;
        if (r->count == 0 || r->row[r->count - 1].width + 2 + width > r->width)
            rows_begin(r, -1);
        else
            rows_put(r, STYLE_PLAIN, "  ");
        if (width > r->width)
            rows_wrap_on(r, s, 4, text);
        else
            rows_put(r, s, text);
    }
    return r->err;
}
