/* Base45 (RFC 9285): bytes as text in the 45 characters of a QR code's alphanumeric mode.
 * Strict in reading: each byte string has one encoding and only that one is accepted. */
#ifndef UI_BASE45_H
#define UI_BASE45_H

#include "ceremony/base/err.h"

/* Characters that len bytes take, without a NUL. */
#define BASE45_LEN(len) ((len) / 2 * 3 + (len) % 2 * 2)

/* out: BASE45_LEN(len) characters and a NUL (RFC 9285 section 4). */
void base45_put(char *out, const void *data, size_t len);

/* out: at most out_max bytes, *len set. ERR_FORMAT: a character outside the alphabet, a group that
 * stands for no bytes, or a length that cannot be (RFC 9285 section 6); ERR_LIMIT: over out_max.
 * On error *len is 0 and out is zeroed. */
MUST err_t base45_get(uint8_t *out, size_t *len, size_t out_max, const char *text, size_t text_len);

#endif
