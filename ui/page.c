#include "ui/page.h"

#include <stdlib.h>
#include <string.h>

#include "ceremony/base/array.h"
#include "ceremony/base/secret.h"
#include "ui/page_model.h"

static void fail(struct page *p, err_t e)
{
    if (p->err == OK)
        p->err = e;
}

/* --- texts --- */

void ui_say(char *out, size_t out_len, const struct ui *ui, struct ui_args a)
{
    err_t e = message_format(out, out_len, ui->config.language, a.id, a.arg, a.count);
    (void)e; /* the places show it */
}

const char *page_say(const struct page *p, enum message id)
{
    return message_text(p->ui->config.language, id);
}

static char *keep(struct page *p, const char *text)
{
    char *copy = strdup(text);
    if (copy == NULL)
        fail(p, ERR_MEMORY);
    return copy;
}

static char *say(struct page *p, struct ui_args a)
{
    char text[MESSAGE_MAX];
    err_t e = message_format(text, sizeof text, p->ui->config.language, a.id, a.arg, a.count);
    if (e != OK)
        fail(p, e);
    return keep(p, text);
}

static char *clean(struct page *p, const char *text)
{
    char out[4 * MESSAGE_MAX];
    message_clean(out, sizeof out, text);
    return keep(p, out);
}

/* --- making and freeing --- */

struct page *page_new_args(struct ui *ui, struct ui_args a)
{
    struct page *p = calloc(1, sizeof *p);
    if (p == NULL)
        return NULL;
    p->ui = ui;
    p->watch = -1;
    p->title = say(p, a);
    return p;
}

static void block_free(struct block *b)
{
    for (size_t i = 0; i < b->cells; i++)
        free(b->cell[i]);
    free(b->cell);
    free(b->text);
    free(b->detail);
    free(b->message);
}

static void field_free(struct field *f)
{
    for (size_t i = 0; i < f->items; i++) {
        free(f->item[i].text);
        free(f->item[i].detail);
    }
    free(f->item);
    free(f->label);
    free(f->expected);
    if (f->own)
        free(f->text);
}

void page_free(struct page *p)
{
    if (p == NULL)
        return;
    for (size_t i = 0; i < p->blocks; i++)
        block_free(&p->block[i]);
    for (size_t i = 0; i < p->fields; i++)
        field_free(&p->field[i]);
    for (size_t i = 0; i < p->actions; i++)
        free(p->action[i].text);
    free(p->block);
    free(p->title);
    free(p->help);
    free(p->note);
    free(p);
}

void page_help_args(struct page *p, struct ui_args a)
{
    if (p == NULL)
        return;
    free(p->help);
    p->help = say(p, a);
}

void page_note_args(struct page *p, struct ui_args a)
{
    if (p == NULL)
        return;
    free(p->note);
    p->note = say(p, a);
    p->note_is_bad = 0;
}

/* --- blocks --- */

static struct block *add(struct page *p, enum block_kind kind)
{
    if (p == NULL || p->err != OK)
        return NULL;
    if (array_room(&p->block, p->blocks + 1, &p->blocks_cap, sizeof *p->block, 16) != OK) {
        fail(p, ERR_MEMORY);
        return NULL;
    }
    struct block *b = &p->block[p->blocks++];
    memset(b, 0, sizeof *b);
    b->kind = kind;
    return b;
}

static void add_text(struct page *p, enum block_kind kind, struct ui_args a)
{
    struct block *b = add(p, kind);
    if (b != NULL)
        b->text = say(p, a);
}

void page_text_args(struct page *p, struct ui_args a)
{
    add_text(p, BLOCK_TEXT, a);
}

void page_head_args(struct page *p, struct ui_args a)
{
    add_text(p, BLOCK_HEAD, a);
}

void page_warn_args(struct page *p, struct ui_args a)
{
    add_text(p, BLOCK_WARN, a);
}

void page_raw(struct page *p, const char *text)
{
    struct block *b = add(p, BLOCK_TEXT);
    if (b != NULL)
        b->text = clean(p, text);
}

void page_fault(struct page *p, const struct fault *f)
{
    char text[2048];
    struct block *b = add(p, BLOCK_WARN);
    if (b == NULL)
        return;
    message_fault(text, sizeof text, p->ui->config.language, f);
    b->text = keep(p, text);
}

void page_value_args(struct page *p, const char *value, struct ui_args a)
{
    struct block *b = add(p, BLOCK_VALUE);
    if (b == NULL)
        return;
    b->text = say(p, a);
    b->detail = clean(p, value);
}

void page_check_args(struct page *p, enum page_state state, const char *detail, struct ui_args a)
{
    struct block *b = add(p, BLOCK_CHECK);
    if (b == NULL)
        return;
    b->state = state;
    b->text = say(p, a);
    b->detail = detail != NULL ? clean(p, detail) : NULL;
}

void page_bar(struct page *p, const char *label, uint64_t value, uint64_t max)
{
    struct block *b = add(p, BLOCK_BAR);
    if (b == NULL)
        return;
    b->text = clean(p, label);
    b->value = value;
    b->max = max;
}

/* Cells have no line ends. */
static void add_cells(struct page *p, struct block *b, const char *const *cells)
{
    char **cell = reallocarray(b->cell, b->cells + b->columns, sizeof *cell);
    if (cell == NULL) {
        fail(p, ERR_MEMORY);
        return;
    }
    b->cell = cell;
    for (size_t i = 0; i < b->columns; i++) {
        char *c = clean(p, cells[i]);
        for (char *s = c; s != NULL && *s != '\0'; s++)
            *s = *s == '\n' ? ' ' : *s;
        b->cell[b->cells++] = c;
    }
}

void page_table(struct page *p, const enum table_kind *kinds, const enum message *heads, size_t count)
{
    const char *head[TABLE_COLUMNS_MAX];
    struct block *b = add(p, BLOCK_TABLE);
    if (b == NULL)
        return;
    if (count < 1 || count > TABLE_COLUMNS_MAX) {
        fail(p, ERR_BUG);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        b->column[i] = kinds[i];
        head[i] = page_say(p, heads[i]);
    }
    b->columns = count;
    add_cells(p, b, head);
}

void page_row(struct page *p, const char *const *cells)
{
    if (p == NULL || p->err != OK)
        return;
    if (p->blocks == 0 || p->block[p->blocks - 1].kind != BLOCK_TABLE)
        fail(p, ERR_BUG);
    else
        add_cells(p, &p->block[p->blocks - 1], cells);
}

void page_qr(struct page *p, const char *text)
{
    struct block *b = add(p, BLOCK_QR);
    if (b != NULL)
        b->text = keep(p, text);
}

void page_qr_message(struct page *p, char kind, const void *message, size_t len)
{
    struct block *b = add(p, BLOCK_QR);
    if (b == NULL)
        return;
    b->message = malloc(len > 0 ? len : 1);
    if (b->message == NULL) {
        fail(p, ERR_MEMORY);
        return;
    }
    memcpy(b->message, message, len);
    b->message_len = len;
    b->message_kind = kind;
}

/* --- fields --- */

static struct field *add_field(struct page *p, enum field_kind kind)
{
    struct block *b = add(p, BLOCK_FIELD);
    if (b == NULL)
        return NULL;
    if (p->fields == PAGE_FIELDS_MAX) {
        p->blocks--;
        fail(p, ERR_BUG);
        return NULL;
    }
    b->field = p->fields;
    struct field *f = &p->field[p->fields++];
    f->kind = kind;
    return f;
}

static struct field *add_labelled(struct page *p, enum field_kind kind, struct ui_args a)
{
    struct field *f = add_field(p, kind);
    if (f != NULL)
        f->label = say(p, a);
    return f;
}

static void own_text(struct page *p, struct field *f, size_t size)
{
    f->own = 1;
    f->size = size;
    f->text = calloc(1, size);
    if (f->text == NULL)
        fail(p, ERR_MEMORY);
}

void page_words(struct page *p, const hash_t *h, int compare)
{
    struct field *f = add_field(p, FIELD_COMPARE);
    if (f == NULL)
        return;
    f->hash = *h;
    f->needs_ticks = compare;
    f->ticked = compare ? 0 : WORDS_COUNT;
    err_t e = words_put(f->words, language_words(p->ui->config.language), h);
    if (e != OK)
        fail(p, e);
}

void page_field_text_args(struct page *p, char *value, size_t size, size_t min_len, struct ui_args a)
{
    struct field *f = add_labelled(p, FIELD_TEXT, a);
    if (f == NULL)
        return;
    f->text = value;
    f->size = size;
    f->min_len = min_len;
}

void page_field_number_args(struct page *p, uint64_t *value, uint64_t min, uint64_t max, struct ui_args a)
{
    struct field *f = add_labelled(p, FIELD_NUMBER, a);
    if (f == NULL)
        return;
    own_text(p, f, 24);
    f->number = value;
    f->min = min;
    f->max = max;
    if (f->text != NULL && *value >= min && *value <= max)
        message_number(f->text, *value);
}

void page_field_words_args(struct page *p, const hash_t *h, struct ui_args a)
{
    struct field *f = add_labelled(p, FIELD_WORDS, a);
    if (f == NULL)
        return;
    own_text(p, f, WORDS_INPUT_MAX);
    f->hash = *h;
}

void page_field_exact_args(struct page *p, const char *expected, struct ui_args a)
{
    struct field *f = add_labelled(p, FIELD_EXACT, a);
    if (f == NULL)
        return;
    own_text(p, f, 256);
    f->expected = clean(p, expected);
}

void page_field_pin_args(struct page *p, char *secret, size_t size, size_t min_len, struct ui_args a)
{
    struct field *f = add_labelled(p, FIELD_PIN, a);
    if (f == NULL)
        return;
    f->text = secret;
    f->size = size;
    f->min_len = min_len;
    secret_wipe(secret, size);
}

void page_field_choice_args(struct page *p, size_t *index, struct ui_args a)
{
    struct field *f = add_labelled(p, FIELD_CHOICE, a);
    if (f != NULL)
        f->index = index;
}

static void add_item(struct page *p, char *text, char *detail)
{
    struct field *f = p->fields > 0 ? &p->field[p->fields - 1] : NULL;
    struct item *item = NULL;
    if (f == NULL || f->kind != FIELD_CHOICE)
        fail(p, ERR_BUG);
    else if ((item = reallocarray(f->item, f->items + 1, sizeof *item)) == NULL)
        fail(p, ERR_MEMORY);
    if (item == NULL) {
        free(text);
        free(detail);
        return;
    }
    f->item = item;
    f->item[f->items++] = (struct item){text, detail};
}

void page_item_args(struct page *p, struct ui_args a)
{
    if (p != NULL)
        add_item(p, say(p, a), NULL);
}

void page_item_raw(struct page *p, const char *text, const char *detail)
{
    if (p != NULL)
        add_item(p, clean(p, text), detail != NULL ? clean(p, detail) : NULL);
}

/* --- actions and events --- */

void page_action_args(struct page *p, char key, int id, int flags, struct ui_args a)
{
    if (p == NULL)
        return;
    int known = (key >= 'a' && key <= 'z') || (key >= '0' && key <= '9');
    if (!known || id < 1 || p->actions == PAGE_ACTIONS_MAX || page_action_of(p, key) >= 0) {
        fail(p, ERR_BUG);
        return;
    }
    p->action[p->actions++] = (struct action){key, id, flags, say(p, a)};
}

void page_tick(struct page *p, unsigned ms)
{
    if (p != NULL)
        p->tick = ms;
}

void page_watch(struct page *p, int fd)
{
    if (p != NULL)
        p->watch = fd;
}

int page_action_of(const struct page *p, int key)
{
    for (size_t i = 0; i < p->actions; i++)
        if (p->action[i].key == key)
            return (int)i;
    return -1;
}

int page_action_default(const struct page *p)
{
    for (size_t i = 0; i < p->actions; i++)
        if (p->action[i].flags & PAGE_NEEDS_ALL)
            return (int)i;
    return p->actions > 0 ? 0 : -1;
}

int page_waits(const struct page *p, const struct action *a)
{
    return (a->flags & PAGE_NEEDS_READ) && !p->was_read && !p->ui->lines;
}

int page_has_qr(const struct page *p)
{
    for (size_t i = 0; i < p->blocks; i++)
        if (p->block[i].kind == BLOCK_QR)
            return 1;
    return 0;
}

static int has_field(const struct page *p, enum field_kind kind)
{
    for (size_t i = 0; i < p->fields; i++)
        if (p->field[i].kind == kind && (kind != FIELD_COMPARE || p->field[i].needs_ticks))
            return 1;
    return 0;
}

int page_has_compare(const struct page *p)
{
    return has_field(p, FIELD_COMPARE);
}

int page_has_pin(const struct page *p)
{
    return has_field(p, FIELD_PIN);
}
