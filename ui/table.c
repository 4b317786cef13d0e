#include "ui/table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <uniwidth.h>

#include "ceremony/base/text.h"

#define GAP 2 /* blanks between columns */
#define BAR_WIDTH_MAX 200

struct table {
    const struct table_column *column;
    size_t count;
    char **cell; /* rows * count */
    size_t rows, cap;
};

err_t table_new(struct table **out, const struct table_column *columns, size_t count)
{
    *out = NULL;
    if (count < 1 || count > TABLE_COLUMNS_MAX)
        return ERR_BUG;
    struct table *t = calloc(1, sizeof *t);
    if (t == NULL)
        return ERR_MEMORY;
    t->column = columns;
    t->count = count;
    *out = t;
    return OK;
}

void table_free(struct table *t)
{
    if (t == NULL)
        return;
    for (size_t i = 0; i < t->rows * t->count; i++)
        free(t->cell[i]);
    free(t->cell);
    free(t);
}

static err_t read_number(uint64_t *out, const char *text)
{
    size_t digits = strspn(text, "0123456789");
    errno = 0;
    *out = strtoull(text, NULL, 10);
    return digits == 0 || text[digits] != '\0' || errno != 0 ? ERR_FORMAT : OK;
}

/* "8" or "8/21"; *whole is left as it is without one. */
static err_t read_bar(uint64_t *out, uint64_t *whole, const char *text)
{
    char part[24];
    const char *slash = strchr(text, '/');
    if (slash == NULL)
        return read_number(out, text);
    if (slash - text >= (ptrdiff_t)sizeof part)
        return ERR_FORMAT;
    memcpy(part, text, (size_t)(slash - text));
    part[slash - text] = '\0';
    TRY(read_number(whole, slash + 1));
    TRY(read_number(out, part));
    return *out <= *whole ? OK : ERR_FORMAT;
}

static err_t check_row(const struct table *t, const char *const *cells)
{
    for (size_t i = 0; i < t->count; i++) {
        uint64_t v, whole;
        TRY(text_check(cells[i], strlen(cells[i])));
        if (t->column[i].kind == TABLE_BAR)
            TRY(read_bar(&v, &whole, cells[i]));
    }
    return OK;
}

static err_t make_room(struct table *t)
{
    if (t->rows == TABLE_ROWS_MAX)
        return ERR_LIMIT;
    if (t->rows < t->cap)
        return OK;
    size_t cap = t->cap == 0 ? 16 : 2 * t->cap;
    char **cell = reallocarray(t->cell, cap * t->count, sizeof *cell);
    if (cell == NULL)
        return ERR_MEMORY;
    t->cell = cell;
    t->cap = cap;
    return OK;
}

err_t table_row(struct table *t, const char *const *cells)
{
    TRY(check_row(t, cells));
    TRY(make_room(t));
    char **row = t->cell + t->rows * t->count;
    for (size_t i = 0; i < t->count; i++) {
        row[i] = strdup(cells[i]);
        if (row[i] == NULL) {
            while (i-- > 0)
                free(row[i]);
            return ERR_MEMORY;
        }
    }
    t->rows++;
    return OK;
}

static size_t width_of(const char *text)
{
    int w = u8_strwidth((const uint8_t *)text, "UTF-8");
    return w < 0 ? 0 : (size_t)w;
}

/* Blanks wait until something follows them, so that no line ends in blanks. */
struct pen {
    FILE *out;
    size_t blanks;
};

static void put(struct pen *p, const char *text, size_t times)
{
    if (times == 0 || text[0] == '\0')
        return;
    for (; p->blanks > 0; p->blanks--)
        fputc(' ', p->out);
    while (times-- > 0)
        fputs(text, p->out);
}

static void end_line(struct pen *p)
{
    fputc('\n', p->out);
    p->blanks = 0;
}

static void put_text(struct pen *p, const char *text, size_t width, enum table_kind kind)
{
    size_t fill = width - width_of(text);
    p->blanks += kind == TABLE_RIGHT ? fill : 0;
    put(p, text, 1);
    p->blanks += kind == TABLE_RIGHT ? 0 : fill;
}

/* value of max on bar_width characters, in eighths; what is more than nothing shows at least one. */
static void put_bar(struct pen *p, uint64_t value, uint64_t max, enum table_style style, size_t bar_width,
                    size_t width)
{
    static const char *const eighths[] = {"",
                                          "\xe2\x96\x8f",
                                          "\xe2\x96\x8e",
                                          "\xe2\x96\x8d",
                                          "\xe2\x96\x8c",
                                          "\xe2\x96\x8b",
                                          "\xe2\x96\x8a",
                                          "\xe2\x96\x89"};
    size_t steps = style == TABLE_ASCII ? 1 : 8;
    size_t n = max == 0 ? 0 : (size_t)((__uint128_t)value * bar_width * steps / max);
    if (n == 0 && value > 0)
        n = 1;
    put(p, style == TABLE_ASCII ? "#" : "\xe2\x96\x88", n / steps);
    put(p, eighths[n % steps], 1);
    p->blanks += width - (n + steps - 1) / steps;
}

/* Width of each column on the screen, and the largest number of each bar column. */
static void measure(const struct table *t, size_t *width, uint64_t *max, size_t bar_width)
{
    for (size_t c = 0; c < t->count; c++) {
        width[c] = width_of(t->column[c].head);
        max[c] = 0;
        if (t->column[c].kind == TABLE_BAR && width[c] < bar_width)
            width[c] = bar_width;
        for (size_t r = 0; r < t->rows; r++) {
            const char *cell = t->cell[r * t->count + c];
            uint64_t v = 0, whole = 0;
            if (t->column[c].kind != TABLE_BAR) {
                size_t w = width_of(cell);
                width[c] = w > width[c] ? w : width[c];
            } else if (read_bar(&v, &whole, cell) == OK && v > max[c]) {
                max[c] = v;
            }
        }
    }
}

static void print_head(const struct table *t, struct pen *p, const size_t *width, enum table_style style)
{
    for (size_t c = 0; c < t->count; c++) {
        p->blanks += c > 0 ? GAP : 0;
        put_text(p, t->column[c].head, width[c], t->column[c].kind);
    }
    end_line(p);
    for (size_t c = 0; c < t->count; c++) {
        p->blanks += c > 0 ? GAP : 0;
        put(p, style == TABLE_ASCII ? "-" : "\xe2\x94\x80", width[c]);
    }
    end_line(p);
}

err_t table_print(const struct table *t, FILE *out, enum table_style style, size_t bar_width)
{
    size_t width[TABLE_COLUMNS_MAX];
    uint64_t max[TABLE_COLUMNS_MAX];
    struct pen pen = {out, 0};
    if (bar_width < 1 || bar_width > BAR_WIDTH_MAX)
        return ERR_BUG;
    measure(t, width, max, bar_width);
    print_head(t, &pen, width, style);
    for (size_t r = 0; r < t->rows; r++) {
        for (size_t c = 0; c < t->count; c++) {
            const char *cell = t->cell[r * t->count + c];
            uint64_t v = 0, whole = max[c];
            pen.blanks += c > 0 ? GAP : 0;
            if (t->column[c].kind == TABLE_BAR && read_bar(&v, &whole, cell) == OK)
                put_bar(&pen, v, whole, style, bar_width, width[c]);
            else
                put_text(&pen, cell, width[c], t->column[c].kind);
        }
        end_line(&pen);
    }
    return ferror(out) || fflush(out) != 0 ? ERR_IO : OK;
}
