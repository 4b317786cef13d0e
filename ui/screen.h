/* The full screen: cells of ncurses, and nothing of its keyboard (ui/keys.h). Inside page.h's module. */
#ifndef UI_SCREEN_H
#define UI_SCREEN_H

#include "ui/page_layout.h"
#include "ui/qr.h"

struct screen;

/* Takes the terminal (term_take) and starts ncurses. ERR_MISSING: no terminal, or one that cannot place its
 * cursor; ERR_IO, ERR_MEMORY. */
MUST err_t screen_open(struct screen **out, int ascii, struct fault *f);
void screen_close(struct screen *s);
void screen_pause(struct screen *s);
MUST err_t screen_again(struct screen *s);

/* Size as it is now. */
void screen_resize(struct screen *s);
size_t screen_width(const struct screen *s);
size_t screen_height(const struct screen *s);

void screen_clear(struct screen *s);
/* All cells are sent again with the next screen_show. */
void screen_redraw(struct screen *s);
void screen_put(struct screen *s, size_t y, size_t x, enum style style, const char *text);
void screen_put_row(struct screen *s, size_t y, size_t x, const struct row *row);
/* The whole row y in a style, with text at its start. */
void screen_put_line(struct screen *s, size_t y, enum style style, const char *text);
/* y, x: where the cursor stands; hidden if not shown. */
void screen_show(struct screen *s, int cursor, size_t y, size_t x);

/* Cells that a code needs. */
void screen_qr_size(const struct screen *s, const struct qr *q, size_t *columns, size_t *rows);
/* Draws the code with its quiet zone, dark on light, then reads the cells back and decodes them: text must
 * come out. ERR_LIMIT: no room; ERR_MISMATCH: it does not decode, and the cells are blank again;
 * ERR_MEMORY. */
MUST err_t screen_put_qr(struct screen *s, size_t y, size_t x, const struct qr *q, const char *text,
                         int inverted, struct fault *f);

#endif
