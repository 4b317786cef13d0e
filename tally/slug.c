#include "tally/slug.h"

#include <stdlib.h>
#include <string.h>

#include "ceremony/base/hash.h"
#include "ceremony/names.h"

#define TAIL_LEN 9 /* '-' and 8 hex digits */

/* At most TEXT_ID_MAX characters; 0 if it did not fit or is empty: it needs a tail then. */
static int slug_of(slug_t out, const char *key)
{
    size_t n = 0;
    int gap = 0;
    for (; *key != '\0' && *key != SLUG_HIDDEN; key++) {
        char c = *key;
        if (c >= 'A' && c <= 'Z')
            c = (char)(c - 'A' + 'a');
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))) {
            gap = n > 0;
            continue;
        }
        if (n + (size_t)gap + 1 > TEXT_ID_MAX)
            break;
        if (gap)
            out[n++] = '-';
        out[n++] = c;
        gap = 0;
    }
    int whole = *key == '\0' || *key == SLUG_HIDDEN;
    if (n == 0)
        out[n++] = 'x';
    else if (whole)
        whole = 2;
    out[n] = '\0';
    return whole == 2;
}

static void add_tail(slug_t id, const char *key)
{
    hash_t h;
    char hex[2 * HASH_LEN + 1];
    hash_one(&h, key, strlen(key));
    hex_put(hex, h.b, HASH_LEN);
    size_t n = strlen(id);
    if (n > TEXT_ID_MAX - TAIL_LEN)
        n = TEXT_ID_MAX - TAIL_LEN;
    while (n > 1 && id[n - 1] == '-')
        n--;
    id[n] = '-';
    memcpy(id + n + 1, hex, TAIL_LEN - 1);
    id[n + TAIL_LEN] = '\0';
}

/* times[k]: how often the k-th different slug is there. number[i]: which one item i has. */
static err_t count_slugs(const slug_t *out, size_t count, uint32_t *number, uint32_t *times)
{
    struct names *seen;
    int added;
    TRY(names_new(&seen));
    err_t e = OK;
    for (size_t i = 0; i < count && e == OK; i++) {
        e = names_add(seen, &number[i], &added, out[i], strlen(out[i]));
        if (e == OK)
            times[number[i]]++;
    }
    names_free(seen);
    return e;
}

static err_t all_distinct(const slug_t *out, size_t count)
{
    struct names *seen;
    uint32_t index;
    int added = 1;
    TRY(names_new(&seen));
    err_t e = OK;
    for (size_t i = 0; i < count && e == OK; i++) {
        e = names_add(seen, &index, &added, out[i], strlen(out[i]));
        if (e == OK && !added)
            e = ERR_CONFLICT;
    }
    names_free(seen);
    return e;
}

err_t slug_make(slug_t *out, size_t count, slug_key_fn *key, const void *ctx)
{
    char *text = malloc(SLUG_KEY_MAX);
    uint8_t *cut = calloc(count + 1, 1);
    uint32_t *number = calloc(count + 1, sizeof *number), *times = calloc(count + 1, sizeof *times);
    err_t e = ERR_MEMORY;
    if (text == NULL || cut == NULL || number == NULL || times == NULL)
        goto out;
    for (size_t i = 0; i < count; i++) {
        key(ctx, i, text);
        cut[i] = !slug_of(out[i], text);
    }
    GO(count_slugs((const slug_t *)out, count, number, times));
    for (size_t i = 0; i < count; i++) {
        if (!cut[i] && times[number[i]] == 1)
            continue;
        key(ctx, i, text);
        add_tail(out[i], text);
    }
    e = all_distinct((const slug_t *)out, count);
out:
    free(text);
    free(cut);
    free(number);
    free(times);
    return e;
}
