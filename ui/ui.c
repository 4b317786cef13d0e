/* The terminal as a whole, and what every page does the same way. */
#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ceremony/base/secret.h"
#include "ui/screen.h"
#include "ui/term.h"
#include "ui/ui_parts.h"

/* --- opening --- */

static int wants_ascii(void)
{
    const char *terminal = getenv("TERM");
    setlocale(LC_CTYPE, "");
    return strcmp(nl_langinfo(CODESET), "UTF-8") != 0 ||
           (terminal != NULL && strncmp(terminal, "vt", 2) == 0);
}

err_t ui_open(struct ui **out, const struct ui_config *config, struct fault *f)
{
    *out = NULL;
    struct ui *ui = calloc(1, sizeof *ui);
    if (ui == NULL)
        return fault_set(f, ERR_MEMORY, "the screens");
    ui->config = *config;
    ui->config.ascii |= wants_ascii();
    const char *terminal = getenv("TERM");
    int plain = terminal == NULL || terminal[0] == '\0' || strcmp(terminal, "dumb") == 0;
    err_t e = ERR_MISSING;
    if (config->mode == UI_SCREEN || (config->mode == UI_AUTO && !plain))
        e = screen_open(&ui->screen, ui->config.ascii, f);
    if (e == ERR_MISSING && config->mode != UI_SCREEN) {
        ui->lines = 1;
        e = term_watch();
    }
    if (e != OK) {
        free(ui);
        return e;
    }
    *out = ui;
    return OK;
}

void ui_close(struct ui *ui)
{
    if (ui == NULL)
        return;
    screen_close(ui->screen);
    for (size_t i = 0; i < KEPT_MAX; i++) {
        free(ui->kept[i].title);
        for (size_t k = 0; k < PAGE_FIELDS_MAX; k++)
            free(ui->kept[i].typed[k]);
    }
    secret_wipe(&ui->keys, sizeof ui->keys);
    free(ui);
}

void ui_set_language(struct ui *ui, enum language l)
{
    ui->config.language = l;
}

int ui_is_lines(const struct ui *ui)
{
    return ui->lines;
}

void ui_suspend(struct ui *ui)
{
    if (ui->screen != NULL)
        screen_pause(ui->screen);
}

err_t ui_resume(struct ui *ui)
{
    return ui->screen != NULL ? screen_again(ui->screen) : OK;
}

/* --- keys --- */

static void read_bytes(struct ui *ui)
{
    struct keys *k = &ui->keys;
    ssize_t n = read(STDIN_FILENO, k->byte + k->len, KEYS_BYTES - k->len);
    if (n > 0)
        k->len += (size_t)n;
    else if (n == 0 || (errno != EINTR && errno != EAGAIN))
        ui->ended = 1;
}

static void stop_for_a_while(struct ui *ui)
{
    ui_suspend(ui);
    raise(SIGSTOP);
    if (ui_resume(ui) != OK)
        ui->ended = 1;
}

int ui_key(struct ui *ui, int other, int ms, int *seen)
{
    *seen = 0;
    for (;;) {
        int key = keys_next(&ui->keys, 0);
        if (key != KEY_NONE)
            return key;
        int partial = ui->keys.len > 0;
        *seen = TERM_STOP;
        if (!ui->ended)
            *seen = term_wait(STDIN_FILENO, partial ? -1 : other, partial ? KEYS_WAIT_MS : ms);
        if (*seen & TERM_SUSPEND) {
            stop_for_a_while(ui);
            *seen |= TERM_RESIZED;
        }
        if ((*seen & TERM_RESIZED) && ui->screen != NULL) {
            screen_resize(ui->screen);
            screen_redraw(ui->screen);
        }
        if (*seen & TERM_INPUT)
            read_bytes(ui);
        if (ui->ended)
            *seen |= TERM_STOP;
        if (partial && *seen == 0)
            return keys_next(&ui->keys, 1);
        if ((*seen & ~TERM_INPUT) != 0 || *seen == 0)
            return KEY_NONE;
    }
}

/* --- what is kept of pages --- */

static struct kept *kept_of(struct ui *ui, const struct page *p)
{
    for (size_t i = 0; i < KEPT_MAX; i++)
        if (ui->kept[i].title != NULL && strcmp(ui->kept[i].title, p->title) == 0)
            return &ui->kept[i];
    return NULL;
}

/* A page that is only drawn anew keeps all that was typed. One that was left keeps no gate that was passed,
 * and no word that was asked for as a warning. */
static int is_kept_field(const struct field *f, int redrawn, int passed)
{
    if (!f->own || f->text == NULL)
        return 0;
    if (f->kind == FIELD_NUMBER && field_number_is_valid(f))
        return 0; /* the caller has it */
    return redrawn || (!passed && f->kind != FIELD_EXACT);
}

static int was_passed(const struct page *p, int action)
{
    for (size_t i = 0; i < p->actions; i++)
        if (p->action[i].id == action)
            return (p->action[i].flags & PAGE_NEEDS_ALL) != 0;
    return 0;
}

static void add_text(struct hash_ctx *h, const char *text)
{
    if (text != NULL)
        hash_add(h, text, strlen(text) + 1);
}

/* What there is to read: the same again was read already. */
static void content_of(hash_t *out, const struct page *p)
{
    struct hash_ctx h;
    hash_init(&h);
    for (size_t i = 0; i < p->blocks; i++) {
        const struct block *b = &p->block[i];
        add_text(&h, b->text);
        add_text(&h, b->detail);
        for (size_t k = 0; k < b->cells; k++)
            add_text(&h, b->cell[k]);
    }
    for (size_t i = 0; i < p->fields; i++)
        add_text(&h, p->field[i].words);
    hash_end(&h, out);
}

void page_keep(struct page *p, int action)
{
    int redrawn = action == PAGE_TICK || action == PAGE_WATCH, passed = was_passed(p, action);
    struct ui *ui = p->ui;
    struct kept *k = kept_of(ui, p);
    if (k == NULL) {
        k = &ui->kept[ui->kept_next];
        ui->kept_next = (ui->kept_next + 1) % KEPT_MAX;
    }
    free(k->title);
    k->title = strdup(p->title);
    k->blocks = p->blocks;
    k->focus = p->focus;
    k->scroll = p->scroll;
    k->was_read = p->was_read;
    content_of(&k->content, p);
    k->ticked = 0;
    for (size_t i = 0; i < PAGE_FIELDS_MAX; i++) {
        free(k->typed[i]);
        k->typed[i] = NULL;
        if (i < p->fields && is_kept_field(&p->field[i], redrawn, passed))
            k->typed[i] = strdup(p->field[i].text);
        if (i < p->fields && p->field[i].kind == FIELD_COMPARE && p->field[i].needs_ticks) {
            k->ticked = passed ? 0 : p->field[i].ticked;
            k->compared = p->field[i].hash;
        }
    }
}

void page_recall(struct page *p)
{
    const struct kept *k = kept_of(p->ui, p);
    if (k == NULL || k->blocks != p->blocks || k->focus >= p->fields + p->actions)
        return;
    p->focus = k->focus;
    p->scroll = k->scroll;
    hash_t content;
    content_of(&content, p);
    int same = hash_cmp(&content, &k->content) == 0;
    p->was_read = same && k->was_read;
    for (size_t i = 0; i < p->actions; i++)
        if ((p->action[i].flags & PAGE_NEEDS_READ) && !same) /* from its beginning */
            p->scroll = 0;
    for (size_t i = 0; i < p->fields; i++) {
        struct field *f = &p->field[i];
        if (f->own && f->text != NULL && k->typed[i] != NULL && strlen(k->typed[i]) < f->size)
            memcpy(f->text, k->typed[i], strlen(k->typed[i]) + 1);
        if (f->kind == FIELD_COMPARE && f->needs_ticks && hash_cmp(&f->hash, &k->compared) == 0)
            f->ticked = k->ticked;
    }
}

/* --- running --- */

static size_t first_focus(const struct page *p)
{
    for (size_t i = 0; i < p->fields; i++)
        if (p->field[i].kind != FIELD_COMPARE || p->field[i].needs_ticks)
            return i;
    return p->fields;
}

err_t page_run(struct page *p, struct page_event *event, struct fault *f)
{
    event->action = PAGE_BACK;
    if (p == NULL)
        return fault_set(f, ERR_MEMORY, "no memory for a page");
    if (p->err != OK)
        return fault_set(f, p->err, "the page \"%s\" is not built as it must be", p->title);
    for (size_t i = 0; i < p->fields; i++)
        if (p->field[i].kind == FIELD_CHOICE && *p->field[i].index >= p->field[i].items)
            *p->field[i].index = 0;
    p->focus = first_focus(p);
    page_recall(p);
    err_t e = p->ui->lines ? line_run(p, event, f) : screen_run(p, event, f);
    if (e != OK || !was_passed(p, event->action))
        page_wipe_pins(p);
    page_keep(p, event->action);
    if (page_has_pin(p))
        secret_burn_stack();
    return e;
}

/* --- shorthands --- */

err_t page_show_help(struct page *p, struct fault *f)
{
    struct page_event event;
    if (p->is_help)
        return OK;
    struct page *help = page_new(p->ui, MSG_HELP_TITLE, p->title);
    if (help != NULL)
        help->is_help = 1;
    if (p->help != NULL)
        page_raw(help, p->help);
    page_head(help, MSG_HELP_KEYS);
    page_text(help, MSG_HELP_MOVE);
    page_text(help, MSG_HELP_CHOOSE);
    page_text(help, MSG_HELP_BACK);
    page_text(help, MSG_HELP_OTHER);
    err_t e = page_run(help, &event, f);
    page_free(help);
    return e;
}

err_t ui_show_fault(struct ui *ui, const struct fault *shown, struct fault *f)
{
    struct page_event event;
    struct page *p = page_new(ui, MSG_FAULT_TITLE);
    page_fault(p, shown);
    page_action(p, 'b', 1, MSG_BACK);
    err_t e = page_run(p, &event, f);
    page_free(p);
    return e;
}

err_t ui_show_args(struct ui *ui, enum message title, struct fault *f, struct ui_args a)
{
    struct page_event event;
    struct page *p = page_new(ui, title);
    page_text_args(p, a);
    page_action(p, 'b', 1, MSG_BACK);
    err_t e = page_run(p, &event, f);
    page_free(p);
    return e;
}

err_t ui_ask_args(struct ui *ui, enum message title, struct fault *f, struct ui_args a)
{
    struct page_event event;
    struct page *p = page_new(ui, title);
    page_text_args(p, a);
    page_action(p, 'n', 2, MSG_NO);
    page_action(p, 'y', 1, MSG_YES);
    err_t e = page_run(p, &event, f);
    page_free(p);
    if (e == OK && event.action != 1)
        e = fault_set(f, ERR_REFUSED, "the answer was no");
    return e;
}
