#include "ui/qrtext.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ceremony/base/cbor.h"
#include "ui/base45.h"

#define PREFIX "CONCLAVE1:"
#define PREFIX_ANY "CONCLAVE"
#define HASH_DIGITS 8

static err_t short_hash(char out[HASH_DIGITS + 1], char kind, const void *message, size_t len)
{
    struct cbor_out o = CBOR_OUT_INIT;
    hash_t h;
    cbor_put_array(&o, 3);
    cbor_put_text(&o, "conclave/qr");
    cbor_put_text_len(&o, &kind, 1);
    cbor_put_bytes(&o, message, len);
    TRY(cbor_out_hash(&o, &h));
    snprintf(out, HASH_DIGITS + 1, "%02X%02X%02X%02X", h.b[0], h.b[1], h.b[2], h.b[3]);
    return OK;
}

void qrtext_free(struct qrtext *q)
{
    for (size_t i = 0; q->part != NULL && i < q->count; i++)
        free(q->part[i]);
    free(q->part);
    memset(q, 0, sizeof *q);
}

err_t qrtext_split(struct qrtext *out, char kind, const void *message, size_t len)
{
    return qrtext_split_parts(out, kind, message, len, QRTEXT_PART_LEN);
}

err_t qrtext_split_parts(struct qrtext *out, char kind, const void *message, size_t len, size_t part_len)
{
    char hash[HASH_DIGITS + 1];
    memset(out, 0, sizeof *out);
    if (kind < 'A' || kind > 'Z' || part_len < 1 || part_len > QRTEXT_PART_LEN)
        return ERR_BUG;
    if (len < 1 || len > part_len * QRTEXT_PARTS_MAX)
        return ERR_LIMIT;
    TRY(short_hash(hash, kind, message, len));
    size_t count = (len + part_len - 1) / part_len;
    out->part = calloc(count, sizeof *out->part);
    if (out->part == NULL)
        return ERR_MEMORY;
    out->count = count;
    for (size_t i = 0; i < count; i++) {
        size_t first = i * part_len;
        size_t n = len - first < part_len ? len - first : part_len;
        char *text = out->part[i] = malloc(QRTEXT_TEXT_MAX + 1);
        if (text == NULL) {
            qrtext_free(out);
            return ERR_MEMORY;
        }
        int head = snprintf(text, QRTEXT_TEXT_MAX, PREFIX "%c:%zu/%zu:%s:", kind, i + 1, count, hash);
        base45_put(text + head, (const uint8_t *)message + first, n);
    }
    return OK;
}

int qrtext_is(const char *text)
{
    return strncmp(text, PREFIX_ANY, sizeof PREFIX_ANY - 1) == 0;
}

/* One text, taken apart; payload is a view into it. */
struct piece {
    char kind;
    size_t k, n;
    const char *hash;
    const char *payload;
    size_t payload_len;
};

/* Reads 1..QRTEXT_PARTS_MAX without sign or leading zero, then the character end. */
static err_t read_number(size_t *out, const char **p, char end)
{
    size_t v = 0;
    const char *s = *p;
    if (*s == '0')
        return ERR_FORMAT;
    while (*s >= '0' && *s <= '9') {
        v = v * 10 + (size_t)(*s++ - '0');
        if (v > QRTEXT_PARTS_MAX)
            return ERR_LIMIT;
    }
    if (v == 0 || *s != end)
        return ERR_FORMAT;
    *out = v;
    *p = s + 1;
    return OK;
}

static err_t take_apart(struct piece *out, const char *text)
{
    size_t len = strnlen(text, QRTEXT_TEXT_MAX + 3);
    while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r'))
        len--;
    if (len > QRTEXT_TEXT_MAX)
        return ERR_LIMIT;
    if (!qrtext_is(text))
        return ERR_FORMAT;
    if (strncmp(text, PREFIX, sizeof PREFIX - 1) != 0)
        return ERR_VERSION;
    const char *p = text + sizeof PREFIX - 1;
    if (*p < 'A' || *p > 'Z' || p[1] != ':')
        return ERR_FORMAT;
    out->kind = *p;
    p += 2;
    TRY(read_number(&out->k, &p, '/'));
    TRY(read_number(&out->n, &p, ':'));
    if (out->k > out->n)
        return ERR_FORMAT;
    if (strspn(p, "0123456789ABCDEF") != HASH_DIGITS || p[HASH_DIGITS] != ':')
        return ERR_FORMAT;
    out->hash = p;
    out->payload = p + HASH_DIGITS + 1;
    out->payload_len = len - (size_t)(out->payload - text);
    return OK;
}

err_t qrtext_look(struct qrtext_place *out, const char *text)
{
    struct piece p;
    memset(out, 0, sizeof *out);
    TRY(take_apart(&p, text));
    out->kind = p.kind;
    out->part = p.k;
    out->parts = p.n;
    memcpy(out->hash, p.hash, HASH_DIGITS);
    return OK;
}

static int same_message(const struct piece *a, const struct piece *b)
{
    return a->kind == b->kind && a->n == b->n && memcmp(a->hash, b->hash, HASH_DIGITS) == 0;
}

/* The texts by place: piece[k-1].payload is NULL where none was seen. */
static err_t sort_pieces(struct piece piece[QRTEXT_PARTS_MAX], struct piece *first, const char *const *texts,
                         size_t count, struct fault *f)
{
    for (size_t i = 0; i < count; i++) {
        struct piece p = {0};
        err_t e = take_apart(&p, texts[i]);
        if (e != OK)
            return fault_set(f, e, "text %zu is not a whole text of this program's QR codes", i + 1);
        if (i == 0)
            *first = p;
        if (!same_message(first, &p))
            return fault_set(f, ERR_CONFLICT, "text %zu belongs to another message than text 1", i + 1);
        struct piece *place = &piece[p.k - 1];
        if (place->payload != NULL &&
            (place->payload_len != p.payload_len || memcmp(place->payload, p.payload, p.payload_len) != 0))
            return fault_set(f, ERR_CONFLICT, "there are two different parts %zu/%zu", p.k, p.n);
        *place = p;
    }
    return OK;
}

static err_t none_missing(const struct piece *piece, size_t n, struct fault *f)
{
    char list[5 * QRTEXT_PARTS_MAX + 1] = "";
    size_t at = 0;
    for (size_t i = 0; i < n; i++)
        if (piece[i].payload == NULL)
            at += (size_t)snprintf(list + at, sizeof list - at, "%s%zu", at > 0 ? ", " : "", i + 1);
    if (at > 0)
        return fault_set(f, ERR_MISSING, "of %zu parts these are not here: %s", n, list);
    return OK;
}

static err_t put_together(uint8_t *out, size_t *len, const struct piece *piece, size_t n, struct fault *f)
{
    size_t part_len = 0;
    for (size_t i = 0; i < n; i++) {
        size_t got;
        err_t e = base45_get(out + *len, &got, QRTEXT_PART_LEN, piece[i].payload, piece[i].payload_len);
        part_len = i == 0 ? got : part_len;
        if (e == OK && (got == 0 || got > part_len || (i + 1 < n && got != part_len)))
            e = ERR_FORMAT;
        if (e != OK)
            return fault_set(f, e, "the content of part %zu/%zu is damaged", i + 1, n);
        *len += got;
    }
    return OK;
}

err_t qrtext_join(uint8_t **message, size_t *len, char *kind, const char *const *texts, size_t count,
                  struct fault *f)
{
    struct piece piece[QRTEXT_PARTS_MAX] = {{0}}, first = {0};
    char hash[HASH_DIGITS + 1];
    err_t e;
    uint8_t *buf = NULL;
    size_t total = 0;
    *message = NULL;
    *len = 0;
    *kind = '\0';
    if (count == 0)
        return fault_set(f, ERR_MISSING, "there is no text at all");
    if (count > QRTEXT_INPUTS_MAX)
        return fault_set(f, ERR_LIMIT, "more than %d texts", QRTEXT_INPUTS_MAX);
    TRY(sort_pieces(piece, &first, texts, count, f));
    TRY(none_missing(piece, first.n, f));
    buf = malloc(first.n * QRTEXT_PART_LEN);
    if (buf == NULL)
        return fault_set(f, ERR_MEMORY, "no memory for %zu parts", first.n);
    GO(put_together(buf, &total, piece, first.n, f));
    GO(short_hash(hash, first.kind, buf, total));
    if (memcmp(hash, first.hash, HASH_DIGITS) != 0) {
        e = fault_set(f, ERR_HASH, "the parts together do not have the hash they name");
        goto out;
    }
    *message = buf;
    *len = total;
    *kind = first.kind;
    buf = NULL;
out:
    free(buf);
    return e;
}
