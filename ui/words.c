#include "ui/words.h"

#include <stdlib.h>
#include <string.h>
#include <unictype.h>
#include <unistr.h>

#include "ceremony/base/cbor.h"

#define DATA_WORDS (WORDS_COUNT - 1)
#define WORD_BITS 11
#define PREFIX_MIN 4

static unsigned bits_at(const uint8_t *data, size_t first)
{
    unsigned v = 0;
    for (size_t i = first; i < first + WORD_BITS; i++)
        v = v << 1 | (data[i / 8] >> (7 - i % 8) & 1);
    return v;
}

static void bits_put(uint8_t *data, size_t first, unsigned v)
{
    for (size_t i = 0; i < WORD_BITS; i++)
        if (v >> (WORD_BITS - 1 - i) & 1)
            data[(first + i) / 8] |= (uint8_t)(0x80 >> (first + i) % 8);
}

static err_t check_word(unsigned *index, const uint8_t prefix[WORDS_PREFIX_LEN])
{
    struct cbor_out o = CBOR_OUT_INIT;
    hash_t h;
    cbor_put_array(&o, 2);
    cbor_put_text(&o, "conclave/words");
    cbor_put_bytes(&o, prefix, WORDS_PREFIX_LEN);
    TRY(cbor_out_hash(&o, &h));
    *index = bits_at(h.b, 0);
    return OK;
}

static err_t indexes(unsigned out[WORDS_COUNT], const uint8_t prefix[WORDS_PREFIX_LEN])
{
    for (size_t i = 0; i < DATA_WORDS; i++)
        out[i] = bits_at(prefix, i * WORD_BITS);
    return check_word(&out[DATA_WORDS], prefix);
}

err_t words_put(char out[WORDS_TEXT_SIZE], const struct word_list *list, const hash_t *h)
{
    unsigned index[WORDS_COUNT];
    out[0] = '\0';
    TRY(indexes(index, h->b));
    char *p = out;
    for (size_t i = 0; i < WORDS_COUNT; i++) {
        if (i > 0)
            *p++ = ' ';
        p = stpcpy(p, list->word[index[i]]);
    }
    return OK;
}

/* Place of the one word that starts with these letters, or -1. */
static int find(const struct word_list *list, const char *token, size_t len)
{
    int lo = 0, hi = WORDS_LIST_COUNT - 1;
    while (lo <= hi) {
        int mid = lo + (hi - lo) / 2;
        int order = strncmp(token, list->word[mid], len);
        if (order == 0)
            return len >= PREFIX_MIN || list->word[mid][len] == '\0' ? mid : -1;
        if (order < 0)
            hi = mid - 1;
        else
            lo = mid + 1;
    }
    return -1;
}

/* Length in bytes of the separator at text, 0 if there is none, -1 if it is not UTF-8. */
static int separator(const uint8_t *text, size_t len)
{
    ucs4_t c;
    int n = u8_mbtoucr(&c, text, len);
    if (n <= 0)
        return -1;
    return c == '-' || uc_is_property_white_space(c) ? n : 0;
}

/* Cuts the next word out of text from *pos on, into token in lower case; *token_len is 0 at the end
 * and WORDS_WORD_MAX + 1 for a word that is too long. */
static err_t next_token(char token[WORDS_WORD_MAX + 1], size_t *token_len, const char *text, size_t len,
                        size_t *pos)
{
    const uint8_t *s = (const uint8_t *)text;
    *token_len = 0;
    while (*pos < len) {
        int sep = separator(s + *pos, len - *pos);
        if (sep < 0)
            return ERR_TEXT;
        if (sep > 0 && *token_len > 0)
            return OK;
        if (sep > 0) {
            *pos += (size_t)sep;
            continue;
        }
        /* Continuation bytes never start here: a character that is no separator is taken whole. */
        int n = u8_mblen(s + *pos, len - *pos);
        for (int i = 0; i < n; i++, (*pos)++) {
            char c = text[*pos];
            if (*token_len < WORDS_WORD_MAX)
                token[*token_len] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
            if (*token_len <= WORDS_WORD_MAX)
                ++*token_len;
        }
    }
    return OK;
}

static err_t parse(unsigned index[WORDS_COUNT], const struct word_list *list, const char *text,
                   struct fault *f)
{
    size_t len = strnlen(text, WORDS_INPUT_MAX + 1), pos = 0, count = 0;
    if (len > WORDS_INPUT_MAX)
        return fault_set(f, ERR_LIMIT, "the words are longer than %d bytes", WORDS_INPUT_MAX);
    for (;;) {
        char token[WORDS_WORD_MAX + 1];
        size_t token_len;
        err_t e = next_token(token, &token_len, text, len, &pos);
        if (e != OK)
            return fault_set(f, e, "after word %zu the text is not UTF-8", count);
        if (token_len == 0)
            break;
        if (count == WORDS_COUNT)
            return fault_set(f, ERR_TRAILING, "more than %d words", WORDS_COUNT);
        int found = token_len > WORDS_WORD_MAX ? -1 : find(list, token, token_len);
        if (found < 0)
            return fault_set(f, ERR_FORMAT, "word %zu is not in the list", count + 1);
        index[count++] = (unsigned)found;
    }
    if (count < WORDS_COUNT)
        return fault_set(f, ERR_TRUNCATED, "%zu words instead of %d", count, WORDS_COUNT);
    return OK;
}

err_t words_get(uint8_t prefix[WORDS_PREFIX_LEN], const struct word_list *list, const char *text,
                struct fault *f)
{
    unsigned index[WORDS_COUNT], check;
    memset(prefix, 0, WORDS_PREFIX_LEN);
    TRY(parse(index, list, text, f));
    for (size_t i = 0; i < DATA_WORDS; i++)
        bits_put(prefix, i * WORD_BITS, index[i]);
    err_t e = check_word(&check, prefix);
    if (e == OK && check != index[DATA_WORDS])
        e = fault_set(f, ERR_MISMATCH, "the words do not fit their check word; one of them is wrong");
    if (e != OK)
        memset(prefix, 0, WORDS_PREFIX_LEN);
    return e;
}

err_t words_match(const struct word_list *list, const hash_t *h, const char *text, struct fault *f)
{
    unsigned got[WORDS_COUNT], want[WORDS_COUNT];
    TRY(parse(got, list, text, f));
    TRY(indexes(want, h->b));
    for (size_t i = 0; i < WORDS_COUNT; i++)
        if (got[i] != want[i])
            return fault_set(f, ERR_MISMATCH, "word %zu differs", i + 1);
    return OK;
}

err_t words_anchor_match(const struct word_list *list, const hash_t *h, const char *text, struct fault *f)
{
    const char *space = " \t\r\n";
    const char *start = text + strspn(text, space);
    size_t digits = strspn(start, "0123456789abcdefABCDEF");
    if (digits != 2 * HASH_LEN || start[digits + strspn(start + digits, space)] != '\0')
        return words_match(list, h, text, f);
    char want[2 * HASH_LEN + 1];
    hex_put(want, h->b, HASH_LEN);
    if (strncasecmp(want, start, digits) != 0)
        return fault_set(f, ERR_MISMATCH, "the hex digits differ");
    return OK;
}
