#include "ceremony/base/cbor.h"

#include <cbor.h>
#include <stdlib.h>
#include <string.h>

#include "ceremony/base/secret.h"
#include "ceremony/base/text.h"

#define HEAD_MAX 9
#define DEPTH_MAX 16

/* --- writing --- */

static uint8_t *out_room(struct cbor_out *o, size_t more)
{
    if (o->err != OK)
        return NULL;
    if (more > o->cap - o->len) {
        size_t cap = o->cap == 0 ? 256 : o->cap;
        while (cap - o->len < more && cap <= SIZE_MAX / 2)
            cap *= 2;
        uint8_t *p = cap - o->len < more ? NULL : malloc(cap);
        if (p == NULL) {
            o->err = ERR_MEMORY;
            return NULL;
        }
        if (o->len > 0)
            memcpy(p, o->data, o->len);
        if (o->data != NULL)
            secret_wipe(o->data, o->len);
        free(o->data);
        o->data = p;
        o->cap = cap;
    }
    return o->data + o->len;
}

static void put_head(struct cbor_out *o, size_t (*encode)(uint64_t, unsigned char *, size_t), uint64_t v)
{
    uint8_t *p = out_room(o, HEAD_MAX);
    if (p != NULL)
        o->len += encode(v, p, HEAD_MAX);
}

static size_t encode_size(size_t (*encode)(size_t, unsigned char *, size_t), struct cbor_out *o, size_t v)
{
    uint8_t *p = out_room(o, HEAD_MAX);
    return p == NULL ? 0 : encode(v, p, HEAD_MAX);
}

static void put_raw(struct cbor_out *o, const void *data, size_t len)
{
    uint8_t *p = out_room(o, len);
    if (p != NULL && len > 0) {
        memcpy(p, data, len);
        o->len += len;
    }
}

void cbor_put_uint(struct cbor_out *o, uint64_t v)
{
    put_head(o, cbor_encode_uint, v);
}

void cbor_put_bytes(struct cbor_out *o, const void *data, size_t len)
{
    o->len += encode_size(cbor_encode_bytestring_start, o, len);
    put_raw(o, data, len);
}

void cbor_put_bytes_head(struct cbor_out *o, size_t len)
{
    o->len += encode_size(cbor_encode_bytestring_start, o, len);
}

void cbor_put_text_len(struct cbor_out *o, const char *text, size_t len)
{
    o->len += encode_size(cbor_encode_string_start, o, len);
    put_raw(o, text, len);
}

void cbor_put_text(struct cbor_out *o, const char *text)
{
    cbor_put_text_len(o, text, strlen(text));
}

void cbor_put_array(struct cbor_out *o, size_t count)
{
    o->len += encode_size(cbor_encode_array_start, o, count);
}

void cbor_put_map(struct cbor_out *o, size_t count)
{
    o->len += encode_size(cbor_encode_map_start, o, count);
}

void cbor_put_tag(struct cbor_out *o, uint64_t tag)
{
    put_head(o, cbor_encode_tag, tag);
}

void cbor_put_null(struct cbor_out *o)
{
    uint8_t *p = out_room(o, HEAD_MAX);
    if (p != NULL)
        o->len += cbor_encode_null(p, HEAD_MAX);
}

void cbor_put_hash(struct cbor_out *o, const hash_t *h)
{
    cbor_put_bytes(o, h->b, HASH_LEN);
}

void cbor_put_raw(struct cbor_out *o, const void *item, size_t len)
{
    put_raw(o, item, len);
}

void cbor_out_free(struct cbor_out *o)
{
    if (o->data != NULL)
        secret_wipe(o->data, o->len);
    free(o->data);
    *o = (struct cbor_out)CBOR_OUT_INIT;
}

err_t cbor_out_hash(struct cbor_out *o, hash_t *out)
{
    err_t e = o->err;
    if (e == OK)
        hash_one(out, o->data, o->len);
    else
        memset(out, 0, sizeof *out);
    cbor_out_free(o);
    return e;
}

/* --- reading --- */

enum item { ITEM_NONE, ITEM_UINT, ITEM_BYTES, ITEM_TEXT, ITEM_ARRAY, ITEM_MAP, ITEM_TAG, ITEM_NULL };

struct head {
    enum item item;
    uint64_t value;
};

#define ON_UINT(name, type)                                                                                  \
    static void name(void *ctx, type v)                                                                      \
    {                                                                                                        \
        *(struct head *)ctx = (struct head){ITEM_UINT, v};                                                   \
    }
ON_UINT(on_uint8, uint8_t)
ON_UINT(on_uint16, uint16_t)
ON_UINT(on_uint32, uint32_t)
ON_UINT(on_uint64, uint64_t)

static void on_bytes(void *ctx, cbor_data data, size_t len)
{
    (void)data;
    *(struct head *)ctx = (struct head){ITEM_BYTES, len};
}

static void on_text(void *ctx, cbor_data data, size_t len)
{
    (void)data;
    *(struct head *)ctx = (struct head){ITEM_TEXT, len};
}

static void on_array(void *ctx, size_t count)
{
    *(struct head *)ctx = (struct head){ITEM_ARRAY, count};
}

static void on_map(void *ctx, size_t count)
{
    *(struct head *)ctx = (struct head){ITEM_MAP, count};
}

static void on_tag(void *ctx, uint64_t tag)
{
    *(struct head *)ctx = (struct head){ITEM_TAG, tag};
}

static void on_null(void *ctx)
{
    *(struct head *)ctx = (struct head){ITEM_NULL, 0};
}

static size_t encode_head(const struct head *h, uint8_t out[HEAD_MAX])
{
    switch (h->item) {
    case ITEM_UINT:
        return cbor_encode_uint(h->value, out, HEAD_MAX);
    case ITEM_BYTES:
        return cbor_encode_bytestring_start(h->value, out, HEAD_MAX);
    case ITEM_TEXT:
        return cbor_encode_string_start(h->value, out, HEAD_MAX);
    case ITEM_ARRAY:
        return cbor_encode_array_start(h->value, out, HEAD_MAX);
    case ITEM_MAP:
        return cbor_encode_map_start(h->value, out, HEAD_MAX);
    case ITEM_TAG:
        return cbor_encode_tag(h->value, out, HEAD_MAX);
    case ITEM_NULL:
        return cbor_encode_null(out, HEAD_MAX);
    case ITEM_NONE:
        break;
    }
    return 0;
}

void cbor_in_init(struct cbor_in *in, const void *data, size_t len)
{
    *in = (struct cbor_in){data, len, 0, OK, 0};
}

static void in_fail(struct cbor_in *in, err_t e, size_t pos)
{
    if (in->err == OK) {
        in->err = e;
        in->err_pos = pos;
    }
}

void cbor_fail(struct cbor_in *in, err_t e)
{
    in_fail(in, e, in->pos);
}

/* Reads one head and, for strings, makes sure the content is there. Does not move past content. */
static struct head get_head(struct cbor_in *in)
{
    static const struct head none = {ITEM_NONE, 0};
    if (in->err != OK)
        return none;
    struct head h = none;
    struct cbor_callbacks on = cbor_empty_callbacks;
    on.uint8 = on_uint8;
    on.uint16 = on_uint16;
    on.uint32 = on_uint32;
    on.uint64 = on_uint64;
    on.byte_string = on_bytes;
    on.string = on_text;
    on.array_start = on_array;
    on.map_start = on_map;
    on.tag = on_tag;
    on.null = on_null;
    size_t left = in->len - in->pos;
    /* libcbor 0.8 knows no tags from 6 to 20; COSE_Sign1 is 18. */
    if (left > 0 && in->data[in->pos] >= 0xc0 && in->data[in->pos] <= 0xd7)
        return (struct head){ITEM_TAG, in->data[in->pos++] & 0x1f};
    struct cbor_decoder_result r = cbor_stream_decode(in->data + in->pos, left, &on, &h);
    if (r.status == CBOR_DECODER_NEDATA) {
        in_fail(in, ERR_TRUNCATED, in->pos);
        return none;
    }
    if (r.status != CBOR_DECODER_FINISHED || h.item == ITEM_NONE) {
        in_fail(in, ERR_FORMAT, in->pos);
        return none;
    }
    uint8_t again[HEAD_MAX];
    size_t head_len = encode_head(&h, again);
    if (head_len > left || memcmp(again, in->data + in->pos, head_len) != 0) {
        in_fail(in, ERR_CANONICAL, in->pos);
        return none;
    }
    in->pos += head_len;
    return h;
}

static struct head get_kind(struct cbor_in *in, enum item item)
{
    size_t at = in->pos;
    struct head h = get_head(in);
    if (in->err == OK && h.item != item)
        in_fail(in, ERR_FORMAT, at);
    if (in->err != OK)
        h.value = 0;
    return h;
}

uint64_t cbor_get_uint(struct cbor_in *in, uint64_t max)
{
    size_t at = in->pos;
    uint64_t v = get_kind(in, ITEM_UINT).value;
    if (v > max)
        in_fail(in, ERR_LIMIT, at);
    return in->err == OK ? v : 0;
}

void cbor_get_uint_exact(struct cbor_in *in, uint64_t v)
{
    size_t at = in->pos;
    if (get_kind(in, ITEM_UINT).value != v)
        in_fail(in, ERR_FORMAT, at);
}

static size_t get_count(struct cbor_in *in, enum item item, size_t min, size_t max)
{
    size_t at = in->pos;
    uint64_t n = get_kind(in, item).value;
    if (in->err == OK && (n < min || n > max))
        in_fail(in, ERR_LIMIT, at);
    return in->err == OK ? (size_t)n : 0;
}

size_t cbor_get_array(struct cbor_in *in, size_t min, size_t max)
{
    return get_count(in, ITEM_ARRAY, min, max);
}

void cbor_get_array_exact(struct cbor_in *in, size_t count)
{
    size_t at = in->pos;
    if (get_kind(in, ITEM_ARRAY).value != count)
        in_fail(in, ERR_FORMAT, at);
}

size_t cbor_get_map(struct cbor_in *in, size_t min, size_t max)
{
    return get_count(in, ITEM_MAP, min, max);
}

void cbor_get_tag_exact(struct cbor_in *in, uint64_t tag)
{
    size_t at = in->pos;
    if (get_kind(in, ITEM_TAG).value != tag)
        in_fail(in, ERR_FORMAT, at);
}

static const uint8_t *get_string(struct cbor_in *in, enum item item, size_t min, size_t max, size_t *len)
{
    size_t at = in->pos;
    uint64_t n = get_kind(in, item).value;
    *len = 0;
    if (in->err == OK && (n < min || n > max))
        in_fail(in, ERR_LIMIT, at);
    if (in->err == OK && n > in->len - in->pos)
        in_fail(in, ERR_TRUNCATED, at);
    if (in->err != OK)
        return NULL;
    const uint8_t *p = in->data + in->pos;
    in->pos += (size_t)n;
    *len = (size_t)n;
    return p;
}

const uint8_t *cbor_get_bytes(struct cbor_in *in, size_t min, size_t max, size_t *len)
{
    return get_string(in, ITEM_BYTES, min, max, len);
}

void cbor_get_fixed(struct cbor_in *in, void *out, size_t len)
{
    size_t n;
    const uint8_t *p = get_string(in, ITEM_BYTES, len, len, &n);
    if (p != NULL)
        memcpy(out, p, len);
    else
        memset(out, 0, len);
}

void cbor_get_hash(struct cbor_in *in, hash_t *out)
{
    cbor_get_fixed(in, out->b, HASH_LEN);
}

void cbor_get_text(struct cbor_in *in, char *out, size_t max)
{
    size_t at = in->pos, n;
    const uint8_t *p = get_string(in, ITEM_TEXT, 0, max, &n);
    err_t e = p != NULL ? text_check((const char *)p, n) : OK;
    if (e != OK)
        in_fail(in, e, at);
    if (in->err != OK)
        n = 0;
    if (n > 0)
        memcpy(out, p, n);
    out[n] = '\0';
}

void cbor_get_id(struct cbor_in *in, char *out, size_t max)
{
    size_t at = in->pos, n;
    const uint8_t *p = get_string(in, ITEM_TEXT, 1, max, &n);
    if (p != NULL && !text_is_id((const char *)p, n))
        in_fail(in, ERR_TEXT, at);
    if (in->err != OK)
        n = 0;
    if (n > 0)
        memcpy(out, p, n);
    out[n] = '\0';
}

void cbor_get_text_exact(struct cbor_in *in, const char *text)
{
    size_t at = in->pos, n, want = strlen(text);
    const uint8_t *p = get_string(in, ITEM_TEXT, 0, SIZE_MAX, &n);
    if (p != NULL && (n != want || memcmp(p, text, want) != 0))
        in_fail(in, ERR_FORMAT, at);
}

int cbor_get_null(struct cbor_in *in)
{
    if (in->err != OK || in->pos >= in->len || in->data[in->pos] != 0xf6)
        return 0;
    in->pos++;
    return 1;
}

static void skip_item(struct cbor_in *in, unsigned depth)
{
    size_t at = in->pos;
    struct head h = get_head(in);
    if (in->err != OK)
        return;
    if (depth == 0) {
        in_fail(in, ERR_LIMIT, at);
        return;
    }
    if (h.item == ITEM_BYTES || h.item == ITEM_TEXT) {
        if (h.value > in->len - in->pos)
            in_fail(in, ERR_TRUNCATED, at);
        else
            in->pos += (size_t)h.value;
    } else if (h.item == ITEM_ARRAY || h.item == ITEM_MAP || h.item == ITEM_TAG) {
        uint64_t n = h.item == ITEM_TAG ? 1 : h.value;
        for (unsigned pass = h.item == ITEM_MAP ? 2 : 1; pass > 0; pass--)
            for (uint64_t i = 0; i < n && in->err == OK; i++)
                skip_item(in, depth - 1);
    }
}

const uint8_t *cbor_get_raw(struct cbor_in *in, size_t *len)
{
    size_t at = in->pos;
    skip_item(in, DEPTH_MAX);
    *len = in->err == OK ? in->pos - at : 0;
    return in->err == OK ? in->data + at : NULL;
}

err_t cbor_in_end(struct cbor_in *in, struct fault *f)
{
    if (in->err == OK && in->pos != in->len)
        in_fail(in, ERR_TRAILING, in->pos);
    if (in->err != OK) {
        fault_set(f, in->err, "CBOR item");
        if (f != NULL)
            f->at = (long long)in->err_pos;
    }
    return in->err;
}
