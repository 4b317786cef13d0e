#include "ceremony/names.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

struct names {
    unsigned char key[crypto_shorthash_KEYBYTES];
    char *text;
    size_t text_len, text_cap;
    uint32_t *offset; /* of each name in text */
    uint32_t count, cap;
    uint32_t *slot; /* number + 1, 0 is free; slot_count is a power of two */
    size_t slot_count;
};

err_t names_new(struct names **out)
{
    struct names *n = calloc(1, sizeof *n);
    *out = n;
    if (n == NULL)
        return ERR_MEMORY;
    n->slot_count = 64;
    n->slot = calloc(n->slot_count, sizeof *n->slot);
    if (n->slot == NULL) {
        free(n);
        *out = NULL;
        return ERR_MEMORY;
    }
    randombytes_buf(n->key, sizeof n->key);
    return OK;
}

void names_free(struct names *n)
{
    if (n == NULL)
        return;
    free(n->text);
    free(n->offset);
    free(n->slot);
    free(n);
}

const char *names_get(const struct names *n, uint32_t index)
{
    return n->text + n->offset[index];
}

uint32_t names_count(const struct names *n)
{
    return n->count;
}

static size_t len_of(const struct names *n, uint32_t index)
{
    size_t end = index + 1 < n->count ? n->offset[index + 1] : n->text_len;
    return end - n->offset[index] - 1;
}

static size_t hash_of(const struct names *n, const char *text, size_t len)
{
    uint64_t h;
    unsigned char out[crypto_shorthash_BYTES];
    crypto_shorthash(out, (const unsigned char *)text, len, n->key);
    memcpy(&h, out, sizeof h);
    return (size_t)h;
}

/* The slot that holds the name, or the free one where it would go. */
static size_t slot_of(const struct names *n, const char *text, size_t len)
{
    size_t mask = n->slot_count - 1, i = hash_of(n, text, len) & mask;
    for (; n->slot[i] != 0; i = (i + 1) & mask) {
        uint32_t index = n->slot[i] - 1;
        if (len_of(n, index) == len && memcmp(names_get(n, index), text, len) == 0)
            break;
    }
    return i;
}

int64_t names_find(const struct names *n, const char *text, size_t len)
{
    return (int64_t)n->slot[slot_of(n, text, len)] - 1;
}

static err_t grow_slots(struct names *n)
{
    uint32_t *slot = calloc(n->slot_count * 2, sizeof *slot);
    if (slot == NULL)
        return ERR_MEMORY;
    free(n->slot);
    n->slot = slot;
    n->slot_count *= 2;
    for (uint32_t i = 0; i < n->count; i++)
        n->slot[slot_of(n, names_get(n, i), len_of(n, i))] = i + 1;
    return OK;
}

static err_t make_room(struct names *n, size_t len)
{
    if (n->count >= INT32_MAX || n->text_len + len + 1 > UINT32_MAX)
        return ERR_LIMIT;
    if (n->text_len + len + 1 > n->text_cap) {
        size_t cap = (n->text_len + len + 1) * 3 / 2 + 256;
        char *text = realloc(n->text, cap);
        if (text == NULL)
            return ERR_MEMORY;
        n->text = text;
        n->text_cap = cap;
    }
    if (n->count == n->cap) {
        uint32_t cap = n->cap + n->cap / 2 + 32;
        uint32_t *offset = realloc(n->offset, cap * sizeof *offset);
        if (offset == NULL)
            return ERR_MEMORY;
        n->offset = offset;
        n->cap = cap;
    }
    return (n->count + 1) * (size_t)4 > n->slot_count * 3 ? grow_slots(n) : OK;
}

err_t names_add(struct names *n, uint32_t *index, int *added, const char *text, size_t len)
{
    *added = 0;
    *index = 0;
    size_t i = slot_of(n, text, len);
    if (n->slot[i] != 0) {
        *index = n->slot[i] - 1;
        return OK;
    }
    TRY(make_room(n, len));
    i = slot_of(n, text, len);
    n->offset[n->count] = (uint32_t)n->text_len;
    memcpy(n->text + n->text_len, text, len);
    n->text[n->text_len + len] = '\0';
    n->text_len += len + 1;
    *index = n->count++;
    n->slot[i] = *index + 1;
    *added = 1;
    return OK;
}
