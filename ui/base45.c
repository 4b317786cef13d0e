#include "ui/base45.h"

#include <string.h>

static const char alphabet[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:";

void base45_put(char *out, const void *data, size_t len)
{
    const uint8_t *in = data;
    size_t i = 0;
    for (; i + 1 < len; i += 2) {
        unsigned v = (unsigned)in[i] << 8 | in[i + 1];
        *out++ = alphabet[v % 45];
        *out++ = alphabet[v / 45 % 45];
        *out++ = alphabet[v / 45 / 45];
    }
    if (i < len) {
        *out++ = alphabet[in[i] % 45];
        *out++ = alphabet[in[i] / 45];
    }
    *out = '\0';
}

/* Value of a group of 2 or 3 characters, least significant first; -1 for a foreign character. */
static long group(const char *text, size_t count)
{
    long v = 0;
    while (count-- > 0) {
        const char *at = memchr(alphabet, text[count], sizeof alphabet - 1);
        if (at == NULL)
            return -1;
        v = v * 45 + (at - alphabet);
    }
    return v;
}

static err_t decode(uint8_t *out, const char *text, size_t text_len)
{
    while (text_len > 0) {
        size_t count = text_len >= 3 ? 3 : 2;
        long v = group(text, count);
        if (v < 0 || v > (count == 3 ? 0xffff : 0xff))
            return ERR_FORMAT;
        if (count == 3)
            *out++ = (uint8_t)(v >> 8);
        *out++ = (uint8_t)v;
        text += count;
        text_len -= count;
    }
    return OK;
}

err_t base45_get(uint8_t *out, size_t *len, size_t out_max, const char *text, size_t text_len)
{
    *len = 0;
    memset(out, 0, out_max);
    if (text_len % 3 == 1)
        return ERR_FORMAT;
    size_t bytes = text_len / 3 * 2 + (text_len % 3 == 2);
    if (bytes > out_max)
        return ERR_LIMIT;
    err_t e = decode(out, text, text_len);
    if (e != OK) {
        memset(out, 0, out_max);
        return e;
    }
    *len = bytes;
    return OK;
}
