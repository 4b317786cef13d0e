#include "ceremony/base/wire.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "ceremony/base/secret.h"

err_t wire_init(struct wire *w, int fd, size_t max)
{
    void *in, *out;
    w->fd = fd;
    w->max = max;
    w->in = w->out = NULL;
    TRY(secret_alloc(&in, max));
    w->in = in;
    TRY(secret_alloc(&out, max));
    w->out = out;
    return OK;
}

void wire_end(struct wire *w)
{
    secret_free(w->in);
    secret_free(w->out);
    w->in = w->out = NULL;
    if (w->fd >= 0)
        close(w->fd);
    w->fd = -1;
}

void wire_begin(struct wire *w, struct cbor_out *o, size_t items)
{
    *o = (struct cbor_out){w->out, 0, w->max, OK};
    cbor_put_array(o, items);
}

enum wire_result wire_send(struct wire *w, const struct cbor_out *o)
{
    ssize_t n;
    if (o->err != OK || o->data != w->out)
        return WIRE_BROKEN;
    do
        n = send(w->fd, o->data, o->len, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    secret_wipe(w->out, o->len);
    return n == (ssize_t)o->len ? WIRE_GOT : WIRE_CLOSED;
}

static long long now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

static enum wire_result wait_readable(int fd, int timeout_ms)
{
    long long end = now_ms() + timeout_ms;
    for (;;) {
        long long left = timeout_ms < 0 ? -1 : end - now_ms();
        if (timeout_ms >= 0 && left < 0)
            left = 0;
        struct pollfd p = {fd, POLLIN, 0};
        int n = poll(&p, 1, (int)left);
        if (n > 0)
            return WIRE_GOT;
        if (n == 0)
            return WIRE_TIMEOUT;
        if (errno != EINTR)
            return WIRE_BROKEN;
    }
}

enum wire_result wire_recv(struct wire *w, int timeout_ms, struct cbor_in *in, size_t *items)
{
    cbor_in_init(in, w->in, 0);
    *items = 0;
    enum wire_result r = wait_readable(w->fd, timeout_ms);
    if (r != WIRE_GOT)
        return r;
    ssize_t n;
    do
        n = recv(w->fd, w->in, w->max, MSG_TRUNC);
    while (n < 0 && errno == EINTR);
    if (n == 0 || (n < 0 && errno == ECONNRESET))
        return WIRE_CLOSED;
    if (n < 0 || (size_t)n > w->max)
        return WIRE_BROKEN;
    cbor_in_init(in, w->in, (size_t)n);
    *items = cbor_get_array(in, 1, 16);
    return in->err == OK ? WIRE_GOT : WIRE_BROKEN;
}

void wire_wipe(struct wire *w)
{
    secret_wipe(w->in, w->max);
}
