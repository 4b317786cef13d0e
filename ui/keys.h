/* Keys from the bytes a terminal sends. Made by hand instead of taken from ncurses, so that the bytes of a
 * PIN stay in no buffer but this one, which is wiped after every key; and so that one poll(2) can wait for
 * keys and for other descriptors. Knows the sequences of VT100, VT220, Linux console, xterm, screen, rxvt. */
#ifndef UI_KEYS_H
#define UI_KEYS_H

#include "ceremony/base/err.h"

enum {
    KEY_NONE = -1,         /* the sequence is not complete yet, or nothing is there */
    KEY_ENTER_ = 0x110000, /* above Unicode */
    KEY_ESC,
    KEY_UP_,
    KEY_DOWN_,
    KEY_LEFT_,
    KEY_RIGHT_,
    KEY_PGUP,
    KEY_PGDN,
    KEY_HOME_,
    KEY_END_,
    KEY_TAB,
    KEY_BACKTAB,
    KEY_ERASE,      /* Backspace, Del */
    KEY_ERASE_LINE, /* Ctrl-U */
    KEY_HELP_,      /* F1 */
    KEY_REDRAW,     /* Ctrl-L */
    KEY_OTHER       /* known to be a key, of no use here */
};

#define KEYS_BYTES 64
#define KEYS_WAIT_MS 40 /* an Esc that nothing follows for so long is the key Esc */

struct keys {
    uint8_t byte[KEYS_BYTES];
    size_t len;
};

/* Room for bytes that were read: byte + len on, KEYS_BYTES - len of them. */

/* Takes the next key out: a code point, one of KEY_*, or KEY_NONE. final: nothing more will come for now, so
 * what is there is taken as it is. What was taken is wiped. */
int keys_next(struct keys *k, int final);

#endif
