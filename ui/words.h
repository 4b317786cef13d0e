/* Fingerprints as words, to be read aloud and compared (docs/spec/words.md).
 *
 * 16 words carry the first 176 bits of a SHA-256 hash, 11 bits each, most significant bit first. The
 * 17th word is a check: it makes a slip of the tongue visible without the other copy at hand. It
 * adds no security. All values are public; nothing here is constant time. */
#ifndef UI_WORDS_H
#define UI_WORDS_H

#include "ceremony/base/err.h"
#include "ceremony/base/hash.h"

#define WORDS_LIST_COUNT 2048
#define WORDS_COUNT 17                                       /* 16 and the check word */
#define WORDS_PREFIX_LEN 22                                  /* bytes of the hash that the words carry */
#define WORDS_WORD_MAX 8                                     /* letters */
#define WORDS_TEXT_SIZE (WORDS_COUNT * (WORDS_WORD_MAX + 1)) /* with spaces between and a NUL */
#define WORDS_INPUT_MAX 1024                                 /* bytes of text that words_get looks at */

/* One language. Words are sorted in byte order, of the letters a-z, 4 to 8 of them, and differ within
 * the first four. */
struct word_list {
    const char *language; /* BCP 47 */
    const char *word[WORDS_LIST_COUNT];
};

extern const struct word_list words_en, words_es;

/* out: the 17 words of h, lower case, single spaces. Returns OK or ERR_MEMORY (out is empty then). */
MUST err_t words_put(char out[WORDS_TEXT_SIZE], const struct word_list *list, const hash_t *h);

/* Reads 17 words: any case, separated by white space or '-', each whole or cut to four letters or
 * more. prefix: 22 bytes, zeroed on error. ERR_FORMAT: f names the number of the unknown word;
 * ERR_TRUNCATED, ERR_TRAILING: too few, too many words; ERR_MISMATCH: the check word is another;
 * ERR_LIMIT: over WORDS_INPUT_MAX; ERR_TEXT: not UTF-8. */
MUST err_t words_get(uint8_t prefix[WORDS_PREFIX_LEN], const struct word_list *list, const char *text,
                     struct fault *f);

/* OK if text is the words of h. ERR_MISMATCH names the first word that differs; other errors as
 * words_get. */
MUST err_t words_match(const struct word_list *list, const hash_t *h, const char *text, struct fault *f);

/* The trust anchor as a person gives it: 64 hex digits of any case (compared whole), or words.
 * Errors as words_match. */
MUST err_t words_anchor_match(const struct word_list *list, const hash_t *h, const char *text,
                              struct fault *f);

#endif
