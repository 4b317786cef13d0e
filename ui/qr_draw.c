#include "ui/qr_draw.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ceremony/base/file.h"

#define ANSI_START "\x1b[30;107m" /* black on bright white */
#define ANSI_END "\x1b[0m"
#define GRID_SIDE_MAX 256

/* Upper and lower half of a character cell. */
static const struct cell {
    const char *text;
    uint8_t top, bottom;
} cells[] = {
    {" ", 0, 0},
    {"\xe2\x96\x80", 1, 0},
    {"\xe2\x96\x84", 0, 1},
    {"\xe2\x96\x88", 1, 1},
};

void qr_grid_free(struct qr_grid *g)
{
    free(g->dark);
    memset(g, 0, sizeof *g);
}

static err_t grid_new(struct qr_grid *g, size_t width, size_t height)
{
    memset(g, 0, sizeof *g);
    if (width < 1 || height < 1 || width > GRID_SIDE_MAX || height > GRID_SIDE_MAX)
        return ERR_MISMATCH;
    g->dark = calloc(width, height);
    if (g->dark == NULL)
        return ERR_MEMORY;
    g->width = width;
    g->height = height;
    return OK;
}

/* --- terminal --- */

/* x and y count from the corner of the quiet zone; outside the code everything is light. */
static int dark_at(const struct qr *q, size_t x, size_t y)
{
    if (x < QR_QUIET || y < QR_QUIET || x >= q->side + QR_QUIET || y >= q->side + QR_QUIET)
        return 0;
    return q->module[(y - QR_QUIET) * q->side + x - QR_QUIET];
}

static err_t put_utf8(char **out, const struct qr *q, enum qr_style style)
{
    const char *start = style == QR_ANSI ? ANSI_START : "", *end = style == QR_ANSI ? ANSI_END "\n" : "\n";
    size_t side = q->side + 2 * QR_QUIET;
    size_t rows = (side + 1) / 2;
    char *p = *out = malloc(rows * (side * 3 + strlen(start) + strlen(end)) + 1);
    if (p == NULL)
        return ERR_MEMORY;
    for (size_t row = 0; row < rows; row++) {
        p = stpcpy(p, start);
        for (size_t x = 0; x < side; x++)
            p = stpcpy(p, cells[dark_at(q, x, 2 * row) + 2 * dark_at(q, x, 2 * row + 1)].text);
        p = stpcpy(p, end);
    }
    return OK;
}

static int skip(const char **p, const char *text)
{
    size_t n = strlen(text);
    if (strncmp(*p, text, n) != 0)
        return 0;
    *p += n;
    return 1;
}

/* Reads one cell, or nothing: 0. */
static int read_cell(const struct cell **out, const char **p)
{
    for (size_t i = 0; i < sizeof cells / sizeof cells[0]; i++) {
        if (skip(p, cells[i].text)) {
            *out = &cells[i];
            return 1;
        }
    }
    return 0;
}

/* One line; dark, if not NULL, gets two rows of width modules. Returns the width, 0 if wrong. */
static size_t read_line(uint8_t *dark, size_t width, const char **p, enum qr_style style)
{
    const struct cell *c;
    size_t x = 0;
    if (style == QR_ANSI && !skip(p, ANSI_START))
        return 0;
    for (; read_cell(&c, p); x++) {
        if (dark == NULL)
            continue;
        if (x >= width)
            return 0;
        dark[x] = c->top;
        dark[width + x] = c->bottom;
    }
    return skip(p, style == QR_ANSI ? ANSI_END "\n" : "\n") ? x : 0;
}

err_t qr_get_utf8(struct qr_grid *g, const char *text, enum qr_style style)
{
    const char *p = text;
    size_t rows = 0;
    for (const char *s = text; *s != '\0'; s++)
        rows += *s == '\n';
    size_t width = read_line(NULL, 0, &p, style);
    TRY(grid_new(g, width, 2 * rows));
    p = text;
    for (size_t row = 0; row < rows; row++) {
        if (read_line(g->dark + 2 * row * width, width, &p, style) != width) {
            qr_grid_free(g);
            return ERR_MISMATCH;
        }
    }
    if (*p != '\0') {
        qr_grid_free(g);
        return ERR_MISMATCH;
    }
    return OK;
}

/* --- SVG --- */

#define SVG_HEAD                                                                                             \
    "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %zu %zu\" role=\"img\" "                        \
    "aria-label=\"QR code\" shape-rendering=\"crispEdges\"><path fill=\"#fff\" d=\"M0 0h%zuv%zuH0z\"/>"      \
    "<path d=\""
#define SVG_TAIL "\"/></svg>\n"

static size_t run_length(const struct qr *q, size_t x, size_t y)
{
    size_t n = 0;
    while (x + n < q->side && q->module[y * q->side + x + n])
        n++;
    return n;
}

static err_t put_svg(char **out, const struct qr *q)
{
    size_t len, side = q->side + 2 * QR_QUIET;
    *out = NULL;
    FILE *s = open_memstream(out, &len);
    if (s == NULL)
        return ERR_MEMORY;
    fprintf(s, SVG_HEAD, side, side, side, side);
    for (size_t y = 0; y < q->side; y++) {
        for (size_t x = 0; x < q->side;) {
            size_t n = run_length(q, x, y);
            if (n > 0)
                fprintf(s, "M%zu %zuh%zuv1h-%zuz", x + QR_QUIET, y + QR_QUIET, n, n);
            x += n > 0 ? n : 1;
        }
    }
    fputs(SVG_TAIL, s);
    return file_memstream_end(s, out);
}

/* Text before the number, then at most three digits. */
static int read_after(size_t *v, const char **p, const char *before)
{
    if (!skip(p, before) || **p < '0' || **p > '9')
        return 0;
    *v = 0;
    for (int i = 0; i < 3 && **p >= '0' && **p <= '9'; i++)
        *v = *v * 10 + (size_t)(*(*p)++ - '0');
    return 1;
}

static int read_run(struct qr_grid *g, const char **p)
{
    size_t x, y, n, back;
    if (!read_after(&x, p, "M") || !read_after(&y, p, " ") || !read_after(&n, p, "h") ||
        !read_after(&back, p, "v1h-") || !skip(p, "z"))
        return 0;
    if (back != n || y >= g->height || x >= g->width || n > g->width - x)
        return 0;
    memset(g->dark + y * g->width + x, 1, n);
    return 1;
}

err_t qr_get_svg(struct qr_grid *g, const char *text)
{
    size_t side;
    char head[512];
    const char *box = strstr(text, "viewBox=\"0 0 "), *p = box;
    memset(g, 0, sizeof *g);
    if (box == NULL || !read_after(&side, &p, "viewBox=\"0 0 "))
        return ERR_MISMATCH;
    snprintf(head, sizeof head, SVG_HEAD, side, side, side, side);
    p = text;
    if (!skip(&p, head))
        return ERR_MISMATCH;
    TRY(grid_new(g, side, side));
    while (*p == 'M') {
        if (!read_run(g, &p))
            break;
    }
    if (strcmp(p, SVG_TAIL) != 0) {
        qr_grid_free(g);
        return ERR_MISMATCH;
    }
    return OK;
}

/* --- both, with the check --- */

static err_t finish(char **out, err_t e, struct qr_grid *g, const char *text, struct fault *f)
{
    if (e == OK)
        e = qr_check_grid(g, text, f);
    else
        fault_set(f, e, "the QR code that was drawn cannot be taken apart");
    qr_grid_free(g);
    if (e != OK) {
        free(*out);
        *out = NULL;
    }
    return e;
}

err_t qr_draw_utf8(char **out, const char *text, enum qr_style style, struct fault *f)
{
    struct qr q;
    struct qr_grid g = {0};
    *out = NULL;
    TRY(qr_make(&q, text, f));
    err_t e = put_utf8(out, &q, style);
    qr_free(&q);
    if (e == OK)
        e = qr_get_utf8(&g, *out, style);
    return finish(out, e, &g, text, f);
}

err_t qr_draw_svg(char **out, const char *text, struct fault *f)
{
    struct qr q;
    struct qr_grid g = {0};
    *out = NULL;
    TRY(qr_make(&q, text, f));
    err_t e = put_svg(out, &q);
    qr_free(&q);
    if (e == OK)
        e = qr_get_svg(&g, *out);
    return finish(out, e, &g, text, f);
}
