/* The page on the full screen: title, body, actions, message, hints. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ui/screen.h"
#include "ui/ui_parts.h"

#define HEIGHT_MIN 5
#define WIDTH_MIN 16
#define ROOMY 16 /* rows from which on a blank row and one for messages are spent */

static int focus_types(const struct page *p)
{
    return p->focus < p->fields && field_types(&p->field[p->focus]);
}

/* --- layout --- */

/* Actions in the body as a menu when all fits without scrolling, else in the foot if they are few. */
static err_t layout(struct view *v, struct page *p, size_t height)
{
    size_t taken = height >= ROOMY ? 3 : 2;
    size_t whole = height - taken;
    int ascii = p->ui->config.ascii;
    rows_init(&v->body, v->width, ascii, 0);
    rows_init(&v->foot, v->width, ascii, 0);
    TRY(page_layout(&v->body, p, 1));
    job_layout(&v->body, p);
    p->actions_inside = 1;
    v->room = whole;
    if (v->body.count <= whole || p->actions == 0)
        return v->body.err;
    TRY(page_layout_actions(&v->foot, p));
    size_t most = height / 3 > 2 ? height / 3 : 2;
    if (v->foot.count > most || v->foot.count + 5 > whole) {
        rows_free(&v->foot);
        rows_init(&v->foot, v->width, ascii, 0);
        return v->body.err;
    }
    rows_free(&v->body);
    rows_init(&v->body, v->width, ascii, 0);
    p->actions_inside = 0;
    v->room = whole - v->foot.count - (height >= ROOMY ? 1 : 0);
    TRY(page_layout(&v->body, p, 0));
    job_layout(&v->body, p);
    return v->body.err;
}

void view_free(struct view *v)
{
    rows_free(&v->body);
    rows_free(&v->foot);
}

int view_find(const struct view *v, size_t focus, size_t *first, size_t *last)
{
    int found = 0;
    for (size_t i = 0; i < v->body.count; i++) {
        if (v->body.row[i].focus != (int)focus)
            continue;
        *first = found ? *first : i;
        *last = i;
        found = 1;
    }
    return found;
}

void view_clamp(const struct view *v, struct page *p)
{
    size_t most = v->body.count > v->room ? v->body.count - v->room : 0;
    p->scroll = p->scroll > most ? most : p->scroll;
}

/* --- drawing --- */

static void draw_title(struct screen *s, const struct page *p)
{
    char text[MESSAGE_MAX];
    const char *mark = p->ui->config.rehearsal ? page_say(p, MSG_REHEARSAL) : "";
    size_t width = screen_width(s), mark_width = text_width(mark);
    snprintf(text, sizeof text, " %s", p->title);
    screen_put_line(s, 0, STYLE_FOCUS, text);
    if (mark_width > 0 && mark_width + 4 < width) {
        snprintf(text, sizeof text, "  %s ", mark);
        screen_put(s, 0, width - mark_width - 3, STYLE_FOCUS, text);
    }
}

static void add_hint(struct rows *r, const char *text)
{
    size_t width = text_width(text);
    if (r->count == 0)
        rows_begin(r, -1);
    if (r->err != OK || r->row[0].width + 2 + width > r->width)
        return;
    rows_put(r, STYLE_PLAIN, r->row[0].len > 0 ? "  " : "");
    rows_put(r, STYLE_PLAIN, text);
}

static void draw_hints(struct screen *s, const struct view *v, const struct page *p, size_t y)
{
    struct rows r;
    char place[64] = "";
    size_t width = screen_width(s);
    if (v->body.count > v->room)
        snprintf(place, sizeof place, "%zu-%zu/%zu", p->scroll + 1, p->scroll + v->room, v->body.count);
    rows_init(&r, width - text_width(place) - 1, p->ui->config.ascii, 0);
    add_hint(&r, page_say(p, MSG_HINT_BACK));
    add_hint(&r, page_say(p, focus_types(p) ? MSG_HINT_HELP_F1 : MSG_HINT_HELP));
    if (page_has_qr(p))
        add_hint(&r, page_say(p, MSG_HINT_QR));
    if (page_has_compare(p))
        add_hint(&r, page_say(p, MSG_HINT_COMPARE));
    else if (p->fields + p->actions > 0)
        add_hint(&r, page_say(p, MSG_HINT_ENTER));
    if (v->body.count > v->room)
        add_hint(&r, page_say(p, MSG_HINT_SCROLL));
    if (p->fields + p->actions > 1)
        add_hint(&r, page_say(p, MSG_HINT_MOVE));
    if (p->fields > 1)
        add_hint(&r, page_say(p, MSG_HINT_TAB));
    if (r.count > 0)
        screen_put_row(s, y, 0, &r.row[0]);
    screen_put(s, y, width - text_width(place), STYLE_BOLD, place);
    rows_free(&r);
}

static void draw_small(struct screen *s, const struct page *p)
{
    screen_put(s, 0, 0, STYLE_BOLD, page_say(p, MSG_TOO_SMALL));
    screen_show(s, 0, 0, 0);
}

/* A message in as many rows as it takes, but some of the page stays. */
static err_t wrap_message(struct rows *r, const struct view *v, const struct page *p, size_t height)
{
    rows_init(r, v->width, p->ui->config.ascii, 0);
    if (v->message[0] != '\0')
        rows_wrap(r, -1, v->message_is_bad ? STYLE_WARN : STYLE_BOLD, "", v->message);
    size_t most = height >= ROOMY ? 1 + height - ROOMY : height / 3;
    while (r->count > 1 && r->count > most) {
        struct row *last = &r->row[--r->count];
        free(last->text);
        free(last->style);
    }
    return r->err;
}

static void draw_foot(struct screen *s, const struct view *v, const struct page *p, size_t height,
                      const struct rows *message)
{
    size_t y = height - 1;
    int own_row = height >= ROOMY;
    if (own_row || v->message[0] == '\0')
        draw_hints(s, v, p, y);
    if (own_row)
        y--;
    for (size_t i = message->count; i-- > 0;) {
        screen_put_row(s, y, 0, &message->row[i]);
        y -= i > 0;
    }
    if (v->message[0] == '\0' && !own_row)
        y = height - 1;
    for (size_t i = 0; i < v->foot.count; i++)
        screen_put_row(s, y - v->foot.count + i, 0, &v->foot.row[i]);
}

err_t view_draw(struct view *v, struct page *p)
{
    struct screen *s = p->ui->screen;
    size_t height = screen_height(s);
    v->width = screen_width(s);
    screen_clear(s);
    if (height < HEIGHT_MIN || v->width < WIDTH_MIN) {
        rows_init(&v->body, 8, 0, 0);
        rows_init(&v->foot, 8, 0, 0);
        v->room = 1;
        draw_small(s, p);
        return OK;
    }
    struct rows message;
    err_t e = wrap_message(&message, v, p, height);
    if (e == OK)
        e = layout(v, p, height - (message.count > 1 ? message.count - 1 : 0));
    if (e != OK) {
        rows_free(&message);
        return e;
    }
    view_clamp(v, p);
    draw_title(s, p);
    for (size_t i = 0; i < v->room && p->scroll + i < v->body.count; i++)
        screen_put_row(s, 1 + i, 0, &v->body.row[p->scroll + i]);
    draw_foot(s, v, p, height, &message);
    rows_free(&message);
    size_t cursor = v->body.cursor >= 0 ? (size_t)v->body.cursor : 0;
    int shown = v->body.cursor >= 0 && cursor >= p->scroll && cursor < p->scroll + v->room;
    size_t column = v->body.cursor_column < v->width ? v->body.cursor_column : v->width - 1;
    screen_show(s, shown, shown ? 1 + cursor - p->scroll : 0, shown ? column : 0);
    return OK;
}
