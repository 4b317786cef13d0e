#include "ui/screen.h"

#define NCURSES_WIDECHAR 1
#include <curses.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <term.h>
#include <unistd.h>
#include <wchar.h>
#undef columns /* macros of term.h */
#undef lines

#include "ui/qr_draw.h"
#include "ui/term.h"

struct screen {
    SCREEN *curses;
    int ascii, colour;
    size_t width, height;
};

/* Pairs of colours, by number. */
enum { PAIR_HEAD = 1, PAIR_WARN, PAIR_PASS, PAIR_FAIL, PAIR_CODE, PAIR_CODE_INVERTED };

/* --- opening --- */

static char *capability(const char *name)
{
    char id[8];
    snprintf(id, sizeof id, "%s", name);
    char *s = tigetstr(id);
    return s == (char *)-1 ? NULL : s;
}

/* Without the delays that a VT100 once needed. */
static void add_sequence(char out[TERM_SEQUENCE_MAX], const char *s)
{
    size_t at = strlen(out);
    for (; s != NULL && *s != '\0' && at + 1 < TERM_SEQUENCE_MAX; s++) {
        if (s[0] == '$' && s[1] == '<' && strchr(s, '>') != NULL)
            s = strchr(s, '>');
        else
            out[at++] = *s;
    }
    out[at] = '\0';
}

/* What makes the screen a plain one again, whatever was being drawn. */
static void way_back(char out[TERM_SEQUENCE_MAX])
{
    out[0] = '\0';
    add_sequence(out, capability("sgr0"));
    add_sequence(out, capability("op"));
    add_sequence(out, capability("rmkx"));
    add_sequence(out, capability("cnorm"));
    add_sequence(out, capability("rmcup"));
    if (capability("rmcup") == NULL) {
        add_sequence(out, tparm(capability("cup"), tigetnum((char[]){"lines"}) - 1, 0, 0, 0, 0, 0, 0, 0, 0));
        add_sequence(out, "\r\n");
    }
}

static void colours(struct screen *s)
{
    s->colour = has_colors() && getenv("NO_COLOR") == NULL;
    if (!s->colour)
        return;
    start_color();
    use_default_colors();
    init_pair(PAIR_HEAD, COLOR_CYAN, -1);
    init_pair(PAIR_WARN, COLOR_YELLOW, -1);
    init_pair(PAIR_PASS, COLOR_GREEN, -1);
    init_pair(PAIR_FAIL, COLOR_RED, -1);
    init_pair(PAIR_CODE, COLOR_BLACK, COLORS >= 16 ? 15 : COLOR_WHITE);
    init_pair(PAIR_CODE_INVERTED, COLORS >= 16 ? 15 : COLOR_WHITE, COLOR_BLACK);
}

err_t screen_open(struct screen **out, int ascii, struct fault *f)
{
    char sequence[TERM_SEQUENCE_MAX];
    int known;
    *out = NULL;
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO) || setupterm(NULL, STDOUT_FILENO, &known) != 0 ||
        capability("cup") == NULL)
        return fault_set(f, ERR_MISSING, "there is no terminal for full screens");
    struct screen *s = calloc(1, sizeof *s);
    if (s == NULL)
        return fault_set(f, ERR_MEMORY, "a screen");
    s->ascii = ascii;
    way_back(sequence);
    del_curterm(cur_term); /* newterm makes its own */
    err_t e = term_take(STDIN_FILENO, sequence);
    if (e == OK) {
        s->curses = newterm(NULL, stdout, stdin);
        e = s->curses == NULL ? ERR_MISSING : term_again();
    }
    if (e != OK) {
        term_give_back();
        free(s);
        return fault_set(f, e, "the terminal cannot be taken over");
    }
    leaveok(stdscr, FALSE);
    scrollok(stdscr, FALSE);
    colours(s);
    screen_resize(s);
    *out = s;
    return OK;
}

void screen_close(struct screen *s)
{
    if (s == NULL)
        return;
    endwin();
    term_give_back();
    delscreen(s->curses);
    free(s);
}

void screen_pause(struct screen *s)
{
    (void)s;
    endwin();
    term_pause();
}

err_t screen_again(struct screen *s)
{
    TRY(term_again());
    screen_resize(s);
    screen_redraw(s);
    return OK;
}

void screen_resize(struct screen *s)
{
    struct winsize w;
    int y, x;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_row > 0 && w.ws_col > 0)
        resizeterm(w.ws_row, w.ws_col);
    getmaxyx(stdscr, y, x);
    s->height = (size_t)y;
    s->width = (size_t)x;
}

size_t screen_width(const struct screen *s)
{
    return s->width;
}

size_t screen_height(const struct screen *s)
{
    return s->height;
}

/* --- drawing --- */

static attr_t look(const struct screen *s, enum style style, short *pair)
{
    static const struct {
        attr_t with_colour, without;
        short pair;
    } looks[STYLE_COUNT] = {
        [STYLE_PLAIN] = {A_NORMAL, A_NORMAL, 0},
        [STYLE_BOLD] = {A_BOLD, A_BOLD, 0},
        [STYLE_HEAD] = {A_BOLD, A_BOLD | A_UNDERLINE, PAIR_HEAD},
        [STYLE_WARN] = {A_BOLD, A_BOLD, PAIR_WARN},
        [STYLE_DIM] = {A_NORMAL, A_NORMAL, 0},
        [STYLE_PASS] = {A_BOLD, A_NORMAL, PAIR_PASS},
        [STYLE_FAIL] = {A_BOLD, A_REVERSE, PAIR_FAIL},
        [STYLE_FOCUS] = {A_REVERSE, A_REVERSE, 0},
        [STYLE_INPUT] = {A_BOLD, A_BOLD, 0},
    };
    *pair = s->colour ? looks[style].pair : 0;
    return s->colour ? looks[style].with_colour : looks[style].without;
}

void screen_clear(struct screen *s)
{
    (void)s;
    erase();
}

void screen_redraw(struct screen *s)
{
    (void)s;
    clearok(curscr, TRUE);
}

static void put_bytes(struct screen *s, enum style style, const char *text, size_t len)
{
    short pair;
    attr_t a = look(s, style, &pair);
    attr_set(a, pair, NULL);
    addnstr(text, (int)len);
    attr_set(A_NORMAL, 0, NULL);
}

void screen_put(struct screen *s, size_t y, size_t x, enum style style, const char *text)
{
    struct rows r;
    if (y >= s->height || x >= s->width)
        return;
    rows_init(&r, s->width - x, s->ascii, 0);
    r.width = s->width - x;
    rows_begin(&r, -1);
    rows_put(&r, style, text);
    if (r.count > 0)
        screen_put_row(s, y, x, &r.row[0]);
    rows_free(&r);
}

void screen_put_row(struct screen *s, size_t y, size_t x, const struct row *row)
{
    if (y >= s->height || x >= s->width || move((int)y, (int)x) == ERR)
        return;
    for (size_t i = 0; i < row->len;) {
        size_t n = 1;
        while (i + n < row->len && row->style[i + n] == row->style[i])
            n++;
        put_bytes(s, (enum style)row->style[i], row->text + i, n);
        i += n;
    }
}

void screen_put_line(struct screen *s, size_t y, enum style style, const char *text)
{
    if (y >= s->height)
        return;
    move((int)y, 0);
    for (size_t x = 0; x < s->width; x++)
        put_bytes(s, style, " ", 1);
    screen_put(s, y, 0, style, text);
}

void screen_show(struct screen *s, int cursor, size_t y, size_t x)
{
    curs_set(cursor && y < s->height && x < s->width ? 1 : 0);
    if (y < s->height && x < s->width)
        move((int)y, (int)x);
    refresh();
}

/* --- codes --- */

void screen_qr_size(const struct screen *s, const struct qr *q, size_t *columns, size_t *rows)
{
    size_t side = q->side + 2 * QR_QUIET;
    *columns = s->ascii ? 2 * side : side;
    *rows = s->ascii ? side : (side + 1) / 2;
}

static int dark_at(const struct qr *q, size_t x, size_t y)
{
    size_t end = q->side + QR_QUIET;
    return x >= QR_QUIET && y >= QR_QUIET && x < end && y < end &&
           q->module[(y - QR_QUIET) * q->side + x - QR_QUIET];
}

static void draw_modules(const struct screen *s, size_t y, size_t x, const struct qr *q, int inverted)
{
    static const wchar_t half[] = {L' ', 0x2580, 0x2584, 0x2588};
    size_t columns, rows;
    screen_qr_size(s, q, &columns, &rows);
    attr_t light = s->colour || inverted ? A_NORMAL : A_REVERSE;
    attr_t dark = s->colour ? A_NORMAL : inverted ? A_REVERSE : A_NORMAL;
    short light_pair = !s->colour ? 0 : inverted ? PAIR_CODE_INVERTED : PAIR_CODE;
    short dark_pair = !s->colour ? 0 : inverted ? PAIR_CODE : PAIR_CODE_INVERTED;
    for (size_t row = 0; row < rows; row++) {
        for (size_t column = 0; column < columns; column++) {
            wchar_t text[2] = {L' ', 0};
            int is_dark = s->ascii && dark_at(q, column / 2, row);
            cchar_t cell;
            if (!s->ascii)
                text[0] = half[dark_at(q, column, 2 * row) + 2 * dark_at(q, column, 2 * row + 1)];
            setcchar(&cell, text, is_dark ? dark : light, is_dark ? dark_pair : light_pair, NULL);
            mvadd_wch((int)(y + row), (int)(x + column), &cell);
        }
    }
}

/* Modules from the cells of the window: what stands there, not what was meant to. */
static err_t read_modules(const struct screen *s, struct qr_grid *g, size_t y, size_t x, const struct qr *q,
                          int inverted)
{
    size_t columns, rows;
    screen_qr_size(s, q, &columns, &rows);
    g->width = s->ascii ? columns / 2 : columns;
    g->height = s->ascii ? rows : 2 * rows;
    g->dark = calloc(g->width, g->height);
    if (g->dark == NULL)
        return ERR_MEMORY;
    for (size_t row = 0; row < rows; row++) {
        for (size_t column = 0; column < columns; column++) {
            cchar_t cell;
            wchar_t text[CCHARW_MAX + 1] = {0};
            attr_t a;
            short pair;
            if (mvin_wch((int)(y + row), (int)(x + column), &cell) == ERR ||
                getcchar(&cell, text, &a, &pair, NULL) == ERR)
                return ERR_MISMATCH;
            int ground_is_light = s->colour ? pair == PAIR_CODE : (a & A_REVERSE) != 0;
            if (s->ascii) {
                g->dark[row * g->width + column / 2] = ground_is_light == inverted;
                continue;
            }
            int top = text[0] == 0x2580 || text[0] == 0x2588, low = text[0] == 0x2584 || text[0] == 0x2588;
            if ((text[0] != L' ' && !top && !low) || ground_is_light == inverted)
                return ERR_MISMATCH;
            g->dark[2 * row * g->width + column] = (uint8_t)top;
            g->dark[(2 * row + 1) * g->width + column] = (uint8_t)low;
        }
    }
    return OK;
}

static void blank(size_t y, size_t x, size_t columns, size_t rows)
{
    for (size_t row = 0; row < rows; row++)
        for (size_t column = 0; column < columns; column++)
            mvaddch((int)(y + row), (int)(x + column), ' ');
}

err_t screen_put_qr(struct screen *s, size_t y, size_t x, const struct qr *q, const char *text, int inverted,
                    struct fault *f)
{
    struct qr_grid g = {0};
    size_t columns, rows;
    screen_qr_size(s, q, &columns, &rows);
    if (y + rows > s->height || x + columns > s->width)
        return fault_set(f, ERR_LIMIT, "the code does not fit into the window");
    draw_modules(s, y, x, q, inverted);
    err_t e = read_modules(s, &g, y, x, q, inverted);
    if (e == OK)
        e = qr_check_grid(&g, text, f);
    qr_grid_free(&g);
    if (e != OK)
        blank(y, x, columns, rows);
    return e;
}
