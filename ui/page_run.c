/* A page on the full screen, from its appearance to an event. */
#include <stdio.h>
#include <string.h>

#include "ui/screen.h"
#include "ui/term.h"
#include "ui/ui_parts.h"

struct run {
    struct page *p;
    struct page_event *event;
    struct fault *fault;
    struct view view;
    char message[512];
    int message_is_bad;
    int done, show_focus, reads_on; /* reads_on: the message says to */
};

static void say(struct run *r, int bad, struct ui_args a)
{
    ui_say(r->message, sizeof r->message, r->p->ui, a);
    r->message_is_bad = bad;
}

static void finish(struct run *r, int action)
{
    r->event->action = action;
    r->done = 1;
}

/* --- moving --- */

static int can_focus(const struct page *p, size_t i)
{
    if (i < p->fields)
        return p->field[i].kind != FIELD_COMPARE || p->field[i].needs_ticks;
    return i < p->fields + p->actions;
}

/* The next that can have the focus, or SIZE_MAX. */
static size_t neighbour(const struct page *p, int direction)
{
    size_t i = p->focus;
    for (;;) {
        if (direction < 0 && i == 0)
            return SIZE_MAX;
        i = direction < 0 ? i - 1 : i + 1;
        if (i >= p->fields + p->actions)
            return SIZE_MAX;
        if (can_focus(p, i))
            return i;
    }
}

static void focus_on(struct run *r, size_t i)
{
    r->p->focus = i;
    r->show_focus = 1;
}

static int scroll_by(struct run *r, long rows)
{
    struct page *p = r->p;
    size_t before = p->scroll;
    if (rows < 0 && (size_t)-rows > p->scroll)
        p->scroll = 0;
    else
        p->scroll = (size_t)((long)p->scroll + rows);
    view_clamp(&r->view, p);
    return p->scroll != before;
}

static int is_visible(const struct run *r, size_t focus)
{
    size_t first, last;
    if (focus >= r->p->fields && !r->p->actions_inside)
        return 1;
    if (!view_find(&r->view, focus, &first, &last))
        return 1;
    return first >= r->p->scroll && first < r->p->scroll + r->view.room;
}

/* Up and down: to the neighbour if it can be seen, else one row further. */
static void go(struct run *r, int direction)
{
    struct page *p = r->p;
    size_t next = neighbour(p, direction);
    int in_foot = p->focus >= p->fields && !p->actions_inside;
    if (in_foot && (direction > 0 || scroll_by(r, -1))) {
        if (direction > 0)
            scroll_by(r, 1);
        return;
    }
    if (in_foot) {
        for (size_t i = p->fields; i-- > 0;) {
            if (can_focus(p, i)) {
                focus_on(r, i);
                return;
            }
        }
        return;
    }
    int next_in_foot = next != SIZE_MAX && next >= p->fields && !p->actions_inside;
    if (next != SIZE_MAX && is_visible(r, next) && !(next_in_foot && scroll_by(r, direction)))
        focus_on(r, next);
    else if (!scroll_by(r, direction) && next != SIZE_MAX)
        focus_on(r, next);
}

static void go_to(struct run *r, int direction)
{
    size_t next = neighbour(r->p, direction);
    if (next == SIZE_MAX && direction > 0) {
        for (next = 0; next < r->p->fields + r->p->actions && !can_focus(r->p, next); next++)
            ;
    }
    if (next < r->p->fields + r->p->actions)
        focus_on(r, next);
}

/* Brings what has the focus into the window, once it was moved to. */
static int bring_into_view(struct run *r)
{
    struct page *p = r->p;
    size_t first, last, before = p->scroll;
    if (!view_find(&r->view, p->focus, &first, &last))
        return 0;
    if (first < p->scroll + 1)
        p->scroll = first > 0 ? first - 1 : 0;
    else if (last >= p->scroll + r->view.room)
        p->scroll = last + 1 - r->view.room;
    if (first < p->scroll)
        p->scroll = first;
    view_clamp(&r->view, p);
    return p->scroll != before;
}

/* --- choosing --- */

static int all_valid(struct run *r)
{
    struct page *p = r->p;
    for (size_t i = 0; i < p->fields; i++) {
        if (field_check(p, &p->field[i], r->message, sizeof r->message) != OK) {
            r->message_is_bad = 1;
            focus_on(r, i);
            return 0;
        }
    }
    return 1;
}

static void choose(struct run *r, size_t i)
{
    struct page *p = r->p;
    const struct action *a = &p->action[i];
    if (page_waits(p, a)) {
        scroll_by(r, r->view.room > 1 ? (long)r->view.room - 1 : 1);
        say(r, 0, UI_ARGS(MSG_READ_FIRST));
        r->reads_on = 1;
        return;
    }
    if ((a->flags & PAGE_NEEDS_ALL) && !all_valid(r))
        return;
    if (a->flags & PAGE_DANGER) {
        p->ask_danger = (int)i + 1;
        say(r, 1, UI_ARGS(MSG_DANGER, a->text));
        return;
    }
    finish(r, a->id);
}

static void answer_danger(struct run *r, int key)
{
    struct page *p = r->p;
    size_t i = (size_t)p->ask_danger - 1;
    p->ask_danger = 0;
    if (key == 'y' || key == 'Y')
        finish(r, p->action[i].id);
    else
        say(r, 0, UI_ARGS(MSG_NOT_DONE));
}

static void enter(struct run *r)
{
    struct page *p = r->p;
    if (p->focus >= p->fields && p->focus < p->fields + p->actions &&
        page_waits(p, &p->action[p->focus - p->fields])) {
        choose(r, p->focus - p->fields);
        return;
    }
    if (!is_visible(r, p->focus)) {
        r->show_focus = 1;
        return;
    }
    if (p->focus >= p->fields) {
        if (p->focus < p->fields + p->actions)
            choose(r, p->focus - p->fields);
        return;
    }
    struct field *f = &p->field[p->focus];
    if (f->kind == FIELD_COMPARE && f->ticked < WORDS_COUNT) {
        field_tick(f, r->view.width);
        r->show_focus = 1;
        if (f->ticked < WORDS_COUNT)
            return;
    } else if (field_check(p, f, r->message, sizeof r->message) != OK) {
        r->message_is_bad = 1;
        return;
    }
    size_t next = neighbour(p, 1);
    if (next < p->fields || f->kind == FIELD_COMPARE) {
        go_to(r, 1);
        return;
    }
    int action = page_action_default(p);
    if (action >= 0)
        choose(r, (size_t)action);
}

/* --- keys --- */

static err_t help(struct run *r)
{
    return page_show_help(r->p, r->fault);
}

/* Letters and signs, when nothing is being typed into. */
static err_t letter(struct run *r, int key)
{
    struct page *p = r->p;
    int lower = key >= 'A' && key <= 'Z' ? key - 'A' + 'a' : key;
    int action = page_action_of(p, lower);
    if (key == '?')
        return help(r);
    if (action >= 0)
        choose(r, (size_t)action);
    else if (lower == 'q' && page_has_qr(p))
        return screen_qr(p, r->fault);
    else if (lower == 'x' && page_has_compare(p))
        finish(r, PAGE_DIFFERS);
    else if (key == ' ' && p->focus < p->fields && p->field[p->focus].kind == FIELD_COMPARE)
        enter(r);
    else if (key == ' ')
        scroll_by(r, (long)r->view.room - 1);
    else
        say(r, 1, UI_ARGS(MSG_UNKNOWN_KEY));
    return OK;
}

static int typing(const struct page *p)
{
    return p->focus < p->fields && field_types(&p->field[p->focus]);
}

static err_t take_key(struct run *r, int key)
{
    struct page *p = r->p;
    long page = (long)r->view.room > 1 ? (long)r->view.room - 1 : 1;
    r->message[0] = '\0';
    r->reads_on = 0;
    if (p->ask_danger) {
        answer_danger(r, key);
        return OK;
    }
    if (p->focus < p->fields && field_key(p, &p->field[p->focus], key, r->message, sizeof r->message)) {
        r->message_is_bad = 1;
        r->show_focus = 1;
        return OK;
    }
    switch (key) {
    case KEY_ESC:
        finish(r, PAGE_BACK);
        break;
    case KEY_ENTER_:
        enter(r);
        break;
    case KEY_UP_:
    case KEY_DOWN_:
        go(r, key == KEY_UP_ ? -1 : 1);
        break;
    case KEY_LEFT_:
    case KEY_BACKTAB:
        go_to(r, -1);
        break;
    case KEY_RIGHT_:
    case KEY_TAB:
        go_to(r, 1);
        break;
    case KEY_PGUP:
    case KEY_PGDN:
        scroll_by(r, key == KEY_PGUP ? -page : page);
        break;
    case KEY_HOME_:
    case KEY_END_:
        scroll_by(r, key == KEY_HOME_ ? -1000000 : 1000000);
        break;
    case KEY_HELP_:
        return help(r);
    case KEY_REDRAW:
        screen_redraw(p->ui->screen);
        break;
    case KEY_OTHER:
        break;
    default:
        return typing(p) && key != '?' ? OK : letter(r, key);
    }
    return OK;
}

/* --- the loop --- */

/* All rows before the actions have been in the window. */
static int end_was_seen(const struct run *r)
{
    size_t text = r->view.body.count;
    for (size_t i = 0; r->p->actions_inside && i < r->view.body.count; i++)
        if (r->view.body.row[i].focus >= (int)r->p->fields) {
            text = i;
            break;
        }
    while (text > 0 && r->view.body.row[text - 1].len == 0)
        text--;
    return r->p->scroll + r->view.room >= text;
}

static err_t draw(struct run *r)
{
    view_free(&r->view);
    r->view.message = r->message;
    r->view.message_is_bad = r->message_is_bad;
    TRY(view_draw(&r->view, r->p));
    if (!r->p->was_read && end_was_seen(r)) {
        r->p->was_read = 1;
        r->message[0] = r->reads_on ? '\0' : r->message[0];
        view_free(&r->view);
        TRY(view_draw(&r->view, r->p));
    }
    if (r->show_focus && bring_into_view(r)) {
        view_free(&r->view);
        TRY(view_draw(&r->view, r->p));
    }
    r->show_focus = 0;
    return OK;
}

/* A tick must not take a half-typed PIN away. */
static int pin_begun(const struct page *p)
{
    for (size_t i = 0; i < p->fields; i++)
        if (p->field[i].kind == FIELD_PIN && p->field[i].text[0] != '\0')
            return 1;
    return 0;
}

static err_t step(struct run *r)
{
    struct page *p = r->p;
    int seen;
    err_t e = draw(r);
    if (e != OK)
        return fault_set(r->fault, e, "the page \"%s\" cannot be drawn", p->title);
    int key = ui_key(p->ui, p->watch, p->tick > 0 ? (int)p->tick : -1, &seen);
    if (key != KEY_NONE)
        return take_key(r, key);
    if (seen & TERM_STOP)
        return fault_set(r->fault, ERR_STOPPED, "a signal, or the end of the terminal");
    if (seen & TERM_OTHER)
        finish(r, PAGE_WATCH);
    else if (seen == 0 && p->tick > 0 && !pin_begun(p) && !p->ask_danger)
        finish(r, PAGE_TICK);
    else if (seen & TERM_RESIZED)
        r->show_focus = p->focus < p->fields;
    return OK;
}

err_t screen_run(struct page *p, struct page_event *event, struct fault *f)
{
    struct run r = {.p = p, .event = event, .fault = f};
    err_t e = OK;
    p->ask_danger = 0;
    if (p->note != NULL)
        snprintf(r.message, sizeof r.message, "%s", p->note);
    r.show_focus = p->focus > 0 && p->focus < p->fields;
    while (e == OK && !r.done)
        e = step(&r);
    view_free(&r.view);
    return e;
}
