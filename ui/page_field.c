/* What can be typed into fields, and when it is enough. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistr.h>

#include "ceremony/base/secret.h"
#include "ceremony/base/text.h"
#include "ui/page_model.h"

#define SAY(...) ui_say(problem, problem_len, p->ui, UI_ARGS(__VA_ARGS__))

int field_types(const struct field *f)
{
    return f->kind != FIELD_CHOICE && f->kind != FIELD_COMPARE;
}

/* --- words of a comparison --- */

/* Large, with blanks between the letters: 17 characters a word. */
#define WORD_CELL 18

static int is_wide(size_t width)
{
    return width >= 2 * WORD_CELL + 8;
}

size_t field_words_per_row(size_t width)
{
    size_t n = is_wide(width) ? (width - 8) / WORD_CELL : (width - 8) / (WORDS_WORD_MAX + 2);
    return n < 1 ? 1 : n > 4 ? 4 : n;
}

static const char *nth_word(const char *words, size_t n)
{
    for (; n > 0 && words != NULL; n--) {
        words = strchr(words, ' ');
        words += words != NULL;
    }
    return words;
}

void field_words_row(char *out, size_t out_len, const struct field *f, size_t first, size_t count,
                     size_t width)
{
    size_t cell = is_wide(width) ? WORD_CELL : WORDS_WORD_MAX + 2, at = 0;
    const char *s = nth_word(f->words, first);
    for (size_t i = 0; s != NULL && *s != '\0' && i < count; i++) {
        size_t end = at + cell;
        for (; *s != '\0' && *s != ' ' && at + 2 < out_len; s++) {
            out[at++] = (char)(*s - 'a' + 'A');
            if (is_wide(width))
                out[at++] = ' ';
        }
        s += *s == ' ';
        while (at < end && at + 1 < out_len)
            out[at++] = ' ';
    }
    while (at > 0 && out[at - 1] == ' ')
        at--;
    out[at] = '\0';
}

/* Count words from number first on, with single blanks. */
static void words_plain(char *out, size_t out_len, const struct field *f, size_t first, size_t count)
{
    const char *s = nth_word(f->words, first), *end = s != NULL ? nth_word(s, count) : NULL;
    size_t n = s == NULL ? 0 : end == NULL ? strlen(s) : (size_t)(end - s) - 1;
    snprintf(out, out_len, "%.*s", (int)n, s != NULL ? s : "");
}

void field_words_line(char *out, size_t out_len, const struct ui *ui, const struct field *f, size_t first,
                      size_t last)
{
    char words[128];
    words_plain(words, sizeof words, f, first, last - first);
    if (last - first == 1)
        ui_say(out, out_len, ui, UI_ARGS(MSG_COMPARE_LAST, UI_NUMBER(last), words));
    else
        ui_say(out, out_len, ui, UI_ARGS(MSG_COMPARE_LINE, UI_NUMBER(first + 1), UI_NUMBER(last), words));
}

void field_tick(struct field *f, size_t width)
{
    size_t n = field_words_per_row(width);
    f->ticked = (f->ticked / n + 1) * n;
    f->ticked = f->ticked > WORDS_COUNT ? WORDS_COUNT : f->ticked;
}

/* --- typing --- */

static void erase_last(struct field *f)
{
    size_t n = strlen(f->text);
    while (n > 0 && ((unsigned char)f->text[n - 1] & 0xc0) == 0x80)
        f->text[--n] = '\0';
    if (n > 0)
        f->text[n - 1] = '\0';
}

static int is_allowed(const struct field *f, const char *c, size_t n)
{
    if (f->kind == FIELD_NUMBER)
        return c[0] >= '0' && c[0] <= '9';
    if (f->kind == FIELD_PIN)
        return n == 1 && c[0] >= ' ' && c[0] <= '~';
    return text_check(c, n) == OK;
}

static void type(struct page *p, struct field *f, int key, char *problem, size_t problem_len)
{
    uint8_t c[6] = {0};
    int n = u8_uctomb(c, (ucs4_t)key, sizeof c);
    size_t len = strlen(f->text);
    if (n <= 0 || !is_allowed(f, (const char *)c, (size_t)n)) {
        SAY(MSG_TEXT_WRONG);
    } else if (len + (size_t)n >= f->size) {
        SAY(MSG_TEXT_FULL, UI_NUMBER(f->size - 1));
    } else {
        memcpy(f->text + len, c, (size_t)n);
        f->text[len + (size_t)n] = '\0';
    }
    secret_wipe(c, sizeof c);
}

/* A number is the caller's as soon as it is one, so that Esc and ticks lose nothing. */
static err_t store_number(struct field *f)
{
    errno = 0;
    uint64_t v = strtoull(f->text, NULL, 10);
    if (f->text[0] == '\0' || errno != 0 || v < f->min || v > f->max)
        return ERR_FORMAT;
    *f->number = v;
    return OK;
}

int field_number_is_valid(const struct field *f)
{
    struct field copy = *f;
    uint64_t v;
    copy.number = &v;
    return store_number(&copy) == OK;
}

static int choice_key(struct field *f, int key)
{
    if (key == KEY_UP_ && *f->index > 0) {
        --*f->index;
        return 1;
    }
    if (key == KEY_DOWN_ && *f->index + 1 < f->items) {
        ++*f->index;
        return 1;
    }
    return 0;
}

int field_key(struct page *p, struct field *f, int key, char *problem, size_t problem_len)
{
    if (f->kind == FIELD_CHOICE)
        return choice_key(f, key);
    if (!field_types(f))
        return 0;
    if (key == '?' && (f->kind == FIELD_NUMBER || f->kind == FIELD_WORDS))
        return 0;
    if (key == KEY_ERASE)
        erase_last(f);
    else if (key == KEY_ERASE_LINE)
        secret_wipe(f->text, f->size);
    else if (key >= 0 && key < 0x110000)
        type(p, f, key, problem, problem_len);
    else
        return 0;
    if (f->kind == FIELD_NUMBER)
        (void)store_number(f);
    return 1;
}

/* --- enough? --- */

static err_t check_words(struct page *p, const struct field *f, char *problem, size_t problem_len)
{
    struct fault fault;
    unsigned n = 0;
    fault_clear(&fault);
    err_t e = words_match(language_words(p->ui->config.language), &f->hash, f->text, &fault);
    const char *digits = strpbrk(fault.detail, "0123456789");
    if (digits != NULL)
        n = (unsigned)strtoul(digits, NULL, 10);
    switch (e) {
    case OK:
        return OK;
    case ERR_FORMAT:
        SAY(MSG_WORDS_UNKNOWN, UI_NUMBER(n));
        break;
    case ERR_MISMATCH:
        SAY(MSG_WORDS_DIFFER, UI_NUMBER(n));
        break;
    case ERR_TRUNCATED:
        SAY(MSG_WORDS_FEW, UI_NUMBER(n), UI_NUMBER(WORDS_COUNT));
        break;
    case ERR_TRAILING:
        SAY(MSG_WORDS_MANY, UI_NUMBER(WORDS_COUNT));
        break;
    default:
        SAY(MSG_WORDS_WRONG);
        break;
    }
    return ERR_FORMAT;
}

err_t field_check(struct page *p, struct field *f, char *problem, size_t problem_len)
{
    switch (f->kind) {
    case FIELD_TEXT:
        if (strlen(f->text) >= f->min_len)
            return OK;
        SAY(MSG_TEXT_SHORT, UI_NUMBER(f->min_len));
        return ERR_FORMAT;
    case FIELD_PIN:
        if (strlen(f->text) >= f->min_len)
            return OK;
        SAY(MSG_PIN_SHORT, UI_NUMBER(f->min_len));
        return ERR_FORMAT;
    case FIELD_NUMBER:
        if (store_number(f) == OK)
            return OK;
        SAY(MSG_NUMBER_WRONG, UI_NUMBER(f->min), UI_NUMBER(f->max));
        return ERR_FORMAT;
    case FIELD_EXACT:
        if (strcasecmp(f->text, f->expected) == 0)
            return OK;
        SAY(MSG_EXACT_WRONG, f->expected);
        return ERR_FORMAT;
    case FIELD_WORDS:
        return check_words(p, f, problem, problem_len);
    case FIELD_COMPARE:
        if (!f->needs_ticks || f->ticked == WORDS_COUNT)
            return OK;
        SAY(MSG_COMPARE_FIRST);
        return ERR_FORMAT;
    case FIELD_CHOICE:
        return f->items > 0 && *f->index < f->items ? OK : ERR_FORMAT;
    }
    return ERR_BUG;
}

void page_wipe_pins(struct page *p)
{
    for (size_t i = 0; i < p->fields; i++)
        if (p->field[i].kind == FIELD_PIN)
            secret_wipe(p->field[i].text, p->field[i].size);
}
