#include "tally/chain_wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

void chain_buffer_free(struct chain_buffer *b)
{
    free(b->data);
    memset(b, 0, sizeof *b);
}

/* Room for more bytes behind len. ERR_MEMORY. */
static err_t room(struct chain_buffer *b, size_t more)
{
    if (b->pos > 0 && (b->pos == b->len || b->cap - b->len < more)) {
        memmove(b->data, b->data + b->pos, b->len - b->pos);
        b->len -= b->pos;
        b->pos = 0;
    }
    if (b->cap - b->len >= more)
        return OK;
    size_t cap = b->len + more + b->cap / 2 + 4096;
    uint8_t *grown = realloc(b->data, cap);
    if (!grown)
        return ERR_MEMORY;
    b->data = grown;
    b->cap = cap;
    return OK;
}

err_t chain_frame_put(struct chain_buffer *b, enum chain_frame_type type, uint64_t number, const void *data,
                      size_t len)
{
    TRY(room(b, FRAME_HEAD + len));
    uint8_t *p = b->data + b->len;
    size_t rest = FRAME_HEAD - 4 + len;
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(rest >> (8 * i));
    p[4] = (uint8_t)type;
    for (int i = 0; i < 8; i++)
        p[5 + i] = (uint8_t)(number >> (8 * i));
    if (len > 0)
        memcpy(p + FRAME_HEAD, data, len);
    b->len += FRAME_HEAD + len;
    return OK;
}

err_t chain_frame_get(struct chain_buffer *b, struct chain_frame *out, size_t max, int *got)
{
    const uint8_t *p = b->data + b->pos;
    size_t have = b->len - b->pos, rest = 0;
    *got = 0;
    if (have < FRAME_HEAD)
        return OK;
    for (int i = 4; i-- > 0;)
        rest = rest << 8 | p[i];
    if (rest < FRAME_HEAD - 4 || rest - (FRAME_HEAD - 4) > max)
        return ERR_LIMIT;
    if (have < 4 + rest)
        return OK;
    out->type = (enum chain_frame_type)p[4];
    out->number = 0;
    for (int i = 8; i-- > 0;)
        out->number = out->number << 8 | p[5 + i];
    out->data = p + FRAME_HEAD;
    out->len = rest - (FRAME_HEAD - 4);
    b->pos += 4 + rest;
    *got = 1;
    return OK;
}

err_t chain_buffer_fill(struct chain_buffer *b, int fd, size_t most, int *closed)
{
    *closed = 0;
    TRY(room(b, most));
    ssize_t n = read(fd, b->data + b->len, most);
    if (n < 0)
        return errno == EINTR || errno == EAGAIN ? OK : ERR_IO;
    *closed = n == 0;
    b->len += (size_t)n;
    return OK;
}

err_t chain_buffer_drain(struct chain_buffer *b, int fd)
{
    while (b->pos < b->len) {
        ssize_t n = send(fd, b->data + b->pos, b->len - b->pos, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN ? OK : ERR_IO;
        b->pos += (size_t)n;
    }
    return OK;
}
