#include "ui/keys.h"

#include <string.h>
#include <unistr.h>

#include "ceremony/base/secret.h"

static int take(struct keys *k, size_t n, int key)
{
    memmove(k->byte, k->byte + n, k->len - n);
    k->len -= n;
    secret_wipe(k->byte + k->len, n);
    return key;
}

static int of_control(uint8_t c)
{
    switch (c) {
    case '\r':
    case '\n':
        return KEY_ENTER_;
    case '\t':
        return KEY_TAB;
    case 0x08:
    case 0x7f:
        return KEY_ERASE;
    case 0x15:
        return KEY_ERASE_LINE;
    case 0x0c:
        return KEY_REDRAW;
    case 0x03: /* Ctrl-C: raw mode makes it a key, and it harms as little as Esc */
    case 0x1b:
        return KEY_ESC;
    default:
        return KEY_OTHER;
    }
}

/* The number of "ESC [ number ~". */
static int of_number(int n)
{
    switch (n) {
    case 1:
    case 7:
        return KEY_HOME_;
    case 4:
    case 8:
        return KEY_END_;
    case 3:
        return KEY_ERASE;
    case 5:
        return KEY_PGUP;
    case 6:
        return KEY_PGDN;
    case 11:
        return KEY_HELP_;
    default:
        return KEY_OTHER;
    }
}

static int of_letter(uint8_t c)
{
    switch (c) {
    case 'A':
        return KEY_UP_;
    case 'B':
        return KEY_DOWN_;
    case 'C':
        return KEY_RIGHT_;
    case 'D':
        return KEY_LEFT_;
    case 'H':
        return KEY_HOME_;
    case 'F':
        return KEY_END_;
    case 'Z':
        return KEY_BACKTAB;
    case 'M':
        return KEY_ENTER_;
    case 'P':
        return KEY_HELP_;
    default:
        return KEY_OTHER;
    }
}

/* "ESC [" parameters, one final byte (ECMA-48 section 5.4). 0: not complete. */
static size_t csi(int *key, const uint8_t *b, size_t len)
{
    int number = 0;
    if (len >= 3 && b[2] == '[') { /* Linux console: ESC [ [ A is F1 */
        *key = len >= 4 && b[3] == 'A' ? KEY_HELP_ : KEY_OTHER;
        return len >= 4 ? 4 : 0;
    }
    for (size_t i = 2; i < len; i++) {
        if (b[i] >= '0' && b[i] <= '9' && number < 1000)
            number = number * 10 + b[i] - '0';
        else if (b[i] == ';')
            number = number * 1000; /* modifiers: only ESC [ 1 ; 5 A and the like matter, by their letter */
        if (b[i] >= 0x40 && b[i] <= 0x7e) {
            *key = b[i] == '~' ? of_number(number) : of_letter(b[i]);
            return i + 1;
        }
        if (b[i] < 0x20 || b[i] > 0x3f) {
            *key = KEY_OTHER;
            return i;
        }
    }
    *key = KEY_OTHER;
    return len == KEYS_BYTES ? len : 0;
}

static int escape(struct keys *k, int final)
{
    int key = KEY_OTHER;
    size_t n = 0;
    if (k->len == 1)
        return final ? take(k, 1, KEY_ESC) : KEY_NONE;
    if (k->byte[1] == '[')
        n = csi(&key, k->byte, k->len);
    else if (k->byte[1] == 'O' && k->len >= 3)
        key = of_letter(k->byte[2]), n = 3;
    else if (k->byte[1] != 'O') /* Esc, then another key: quick typing, not a sequence */
        return take(k, 1, KEY_ESC);
    if (n > 0)
        return take(k, n, key);
    return final ? take(k, 1, KEY_ESC) : KEY_NONE;
}

int keys_next(struct keys *k, int final)
{
    ucs4_t c;
    if (k->len == 0)
        return KEY_NONE;
    if (k->byte[0] == 0x1b)
        return escape(k, final);
    if (k->byte[0] < 0x20 || k->byte[0] == 0x7f)
        return take(k, 1, of_control(k->byte[0]));
    int n = u8_mbtoucr(&c, k->byte, k->len);
    if (n == -2 && !final)
        return KEY_NONE;
    return n > 0 ? take(k, (size_t)n, (int)c) : take(k, 1, KEY_OTHER);
}
