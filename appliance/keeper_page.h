/* The keeper's own page: the plan's words, as the process that holds the token computed them, before it asks
 * for the PIN. Plain writes to the terminal and single keys: no ncurses, nothing is parsed but those keys,
 * and nothing is opened. It runs with the keeper's rights (sandbox.h). */
#ifndef APPLIANCE_KEEPER_PAGE_H
#define APPLIANCE_KEEPER_PAGE_H

#include "ceremony/base/hash.h"
#include "ui/messages.h"

/* How a plan's words are shown: all at once for a verb, which asks for them itself; on a page, ticked line by
 * line; the same for a screen reader. */
enum keeper_show { KEEPER_PRINT, KEEPER_SCREEN, KEEPER_LINES };

struct keeper_page {
    int tty;
    enum keeper_show show;
    enum language language;
    int rehearsal; /* said at its head */
};

/* Shows the words of the plan id, of so many sums. KEEPER_PRINT: all of them, and no question. Otherwise line
 * by line: Enter or Space when a line is equal, and Enter at the end. ERR_REFUSED: Esc, Ctrl-C, Ctrl-D, or
 * the terminal ended; ERR_MISMATCH: 'x', a line differs; ERR_IO, ERR_MEMORY. KEEPER_SCREEN is drawn anew when
 * the terminal changes its size. The terminal is as before on every way out. */
MUST err_t keeper_page_plan(const struct keeper_page *k, const hash_t *id, uint64_t sums, struct fault *f);

#endif
