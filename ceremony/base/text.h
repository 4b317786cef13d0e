/* Text from files that a person will read, and identifiers that become file names. */
#ifndef CEREMONY_BASE_TEXT_H
#define CEREMONY_BASE_TEXT_H

#include "ceremony/base/err.h"

#define TEXT_TITLE_MAX 200 /* bytes of UTF-8 */
#define TEXT_ID_MAX 64

/* OK if text is UTF-8 in NFC, of letters, marks, numbers, punctuation, symbols and single-width
 * spaces (U+0020); no control, format, bidirectional or zero-width characters, no private use, no
 * unassigned code points. ERR_TEXT otherwise; ERR_MEMORY. The empty text is OK. */
MUST err_t text_check(const char *text, size_t len);

/* 1 if text is 1..64 of [A-Za-z0-9._-], starting with a letter or digit: safe as a file name. */
MUST int text_is_id(const char *text, size_t len);

#endif
