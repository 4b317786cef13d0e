#include "tally/metrics_serve.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define LINGER 1                       /* seconds until a client that has its answer is gone */
#define LINGER_MAX ((size_t)256 << 10) /* bytes that it may still send */

struct client {
    int fd;
    double until; /* monotonic */
    char request[METRICS_REQUEST_MAX + 1];
    size_t got;
    char *answer; /* NULL: still reading */
    size_t len, sent;
    int closing;    /* all is sent; what the client still sends is thrown away */
    size_t dropped; /* of that */
};

struct metrics_server {
    const char *dir;
    struct metrics *own;
    int fd;
    uint16_t port;
    size_t count;
    struct client client[METRICS_CLIENTS_MAX];
};

static err_t socket_fault(struct fault *f, const char *what)
{
    err_t e = errno == EADDRINUSE ? ERR_BUSY : ERR_IO;
    return fault_set(f, e, "%s: %s", what, strerror(errno));
}

static err_t listen_on(int *out, uint16_t port, int six, struct fault *f)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } a;
    int on = 1;
    memset(&a, 0, sizeof a);
    if (six) {
        a.v6 = (struct sockaddr_in6){
            .sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = in6addr_loopback};
    } else {
        a.v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port)};
        a.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    }
    int fd = socket(a.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return socket_fault(f, "no socket");
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        (six && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) != 0) ||
        bind(fd, &a.any, six ? sizeof a.v6 : sizeof a.v4) != 0 || listen(fd, METRICS_CLIENTS_MAX) != 0) {
        err_t e = socket_fault(f, six ? "cannot listen on ::1" : "cannot listen on 127.0.0.1");
        close(fd);
        return e;
    }
    *out = fd;
    return OK;
}

err_t metrics_server_open(struct metrics_server **out, const char *dir, uint16_t port, int six,
                          struct metrics *own, struct fault *f)
{
    struct sockaddr_storage a;
    socklen_t len = sizeof a;
    *out = NULL;
    struct metrics_server *s = calloc(1, sizeof *s);
    if (s == NULL)
        return fault_set(f, ERR_MEMORY, "the server of numbers");
    s->dir = dir;
    s->own = own;
    s->fd = -1;
    err_t e = listen_on(&s->fd, port, six, f);
    if (e == OK && getsockname(s->fd, (struct sockaddr *)&a, &len) != 0)
        e = socket_fault(f, "no port");
    if (e != OK) {
        metrics_server_free(s);
        return e;
    }
    s->port = ntohs(six ? ((struct sockaddr_in6 *)&a)->sin6_port : ((struct sockaddr_in *)&a)->sin_port);
    *out = s;
    return OK;
}

uint16_t metrics_server_port(const struct metrics_server *s)
{
    return s->port;
}

static void client_drop(struct metrics_server *s, size_t i)
{
    close(s->client[i].fd);
    free(s->client[i].answer);
    if (i != --s->count)
        s->client[i] = s->client[s->count];
}

void metrics_server_free(struct metrics_server *s)
{
    if (s == NULL)
        return;
    while (s->count > 0)
        client_drop(s, s->count - 1);
    if (s->fd >= 0)
        close(s->fd);
    free(s);
}

/* --- one request --- */

/* The whole request is there: its empty line. */
static int is_complete(const struct client *c)
{
    return strstr(c->request, "\r\n\r\n") != NULL || strstr(c->request, "\n\n") != NULL;
}

/* A loopback name, with or without a port. */
static int is_local(const char *host, size_t len)
{
    static const char *const names[] = {"localhost", "127.0.0.1", "[::1]"};
    for (size_t i = 0; i < 3; i++) {
        size_t n = strlen(names[i]);
        if (len < n || strncasecmp(host, names[i], n) != 0)
            continue;
        if (len == n)
            return 1;
        if (host[n] == ':' && len - n <= 6 && strspn(host + n + 1, "0123456789") >= len - n - 1)
            return 1;
    }
    return 0;
}

/* 1: one Host at the most, which HTTP/1.1 demands, and a local one. */
static int host_is_local(const char *head, int needed)
{
    int found = 0, local = 1;
    for (const char *line = strchr(head, '\n'); line != NULL; line = strchr(line, '\n')) {
        line++;
        if (strncasecmp(line, "host:", 5) != 0)
            continue;
        const char *value = line + 5 + strspn(line + 5, " \t");
        found++;
        local &= is_local(value, strcspn(value, " \t\r\n"));
    }
    return found <= 1 && found >= needed && local;
}

const char *metrics_serve_judge(const char *head, int *only_head)
{
    char method[8], target[256], version[9], line[sizeof method + sizeof target + sizeof version];
    *only_head = 0;
    if (sscanf(head, "%7[A-Z] %255[!-~] %8[!-~]", method, target, version) != 3)
        return "400 Bad Request";
    int len = snprintf(line, sizeof line, "%s %s %s", method, target, version);
    if (strncmp(head, line, (size_t)len) != 0 || (head[len] != '\r' && head[len] != '\n') ||
        (strcmp(version, "HTTP/1.1") != 0 && strcmp(version, "HTTP/1.0") != 0))
        return "400 Bad Request";
    if (!host_is_local(head, strcmp(version, "HTTP/1.1") == 0))
        return "421 Misdirected Request";
    *only_head = strcmp(method, "HEAD") == 0;
    if (strcmp(method, "GET") != 0 && !*only_head)
        return "405 Method Not Allowed";
    target[strcspn(target, "?")] = '\0';
    return strcmp(target, "/metrics") == 0 ? "200 OK" : "404 Not Found";
}

static err_t put_answer(struct client *c, const char *status, const char *body, size_t body_len,
                        int only_head)
{
    FILE *out = open_memstream(&c->answer, &c->len);
    if (out == NULL)
        return ERR_MEMORY;
    fprintf(out,
            "HTTP/1.1 %s\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: %zu\r\n"
            "Connection: close\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n%s\r\n",
            status, body_len, strncmp(status, "405", 3) == 0 ? "Allow: GET, HEAD\r\n" : "");
    if (!only_head)
        fwrite(body, 1, body_len, out);
    if (fclose(out) == 0 && c->answer != NULL)
        return OK;
    free(c->answer);
    c->answer = NULL;
    return ERR_MEMORY;
}

static err_t refuse(struct metrics_server *s, struct client *c, const char *status)
{
    metrics_add(s->own, METRIC_SERVED_ERRORS, 1);
    return put_answer(c, status, status, strlen(status), 0);
}

static err_t answer(struct metrics_server *s, struct client *c)
{
    char *body;
    size_t len;
    int only_head;
    struct fault f;
    const char *status = metrics_serve_judge(c->request, &only_head);
    if (status[0] != '2')
        return refuse(s, c, status);
    metrics_add(s->own, METRIC_SERVED_REQUESTS, 1);
    fault_clear(&f);
    if (metrics_merge(&body, &len, s->dir, s->own, &f) != OK)
        return refuse(s, c, "500 Internal Server Error");
    err_t e = put_answer(c, status, body, len, only_head);
    free(body);
    return e;
}

/* --- many clients --- */

static int is_later(void)
{
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

/* 0: the connection is over. */
static int client_read(struct metrics_server *s, struct client *c)
{
    ssize_t n = recv(c->fd, c->request + c->got, METRICS_REQUEST_MAX - c->got, 0);
    if (n <= 0)
        return n < 0 && is_later();
    if (memchr(c->request + c->got, '\0', (size_t)n) != NULL)
        return refuse(s, c, "400 Bad Request") == OK;
    c->got += (size_t)n;
    c->request[c->got] = '\0';
    err_t e = OK;
    if (is_complete(c))
        e = answer(s, c);
    else if (c->got == METRICS_REQUEST_MAX)
        e = refuse(s, c, "431 Request Header Fields Too Large");
    if (c->answer != NULL)
        c->until = metrics_now() + METRICS_WAIT;
    return e == OK;
}

static int client_write(struct client *c)
{
    ssize_t n = send(c->fd, c->answer + c->sent, c->len - c->sent, MSG_NOSIGNAL);
    if (n < 0)
        return is_later();
    c->sent += (size_t)n;
    if (c->sent < c->len)
        return 1;
    shutdown(c->fd, SHUT_WR);
    c->closing = 1;
    c->until = metrics_now() + LINGER;
    return 1;
}

/* A socket that is closed with something unread in it takes back what was sent. */
static int client_drop_input(struct client *c)
{
    char buf[METRICS_REQUEST_MAX];
    ssize_t n = recv(c->fd, buf, sizeof buf, 0);
    if (n <= 0)
        return n < 0 && is_later();
    c->dropped += (size_t)n;
    return c->dropped < LINGER_MAX;
}

static void accept_one(struct metrics_server *s)
{
    int fd = accept4(s->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return;
    struct client *c = &s->client[s->count++];
    memset(c, 0, sizeof *c);
    c->fd = fd;
    c->until = metrics_now() + METRICS_WAIT;
}

static void serve_ready(struct metrics_server *s, const struct pollfd *p)
{
    for (size_t i = s->count; i-- > 0;) { /* dropping moves the last one, which was served already */
        struct client *c = &s->client[i];
        int alive = 1;
        if (p[i].revents != 0)
            alive = c->closing          ? client_drop_input(c)
                    : c->answer == NULL ? client_read(s, c)
                                        : client_write(c);
        if (alive && metrics_now() > c->until) {
            if (c->answer == NULL)
                metrics_add(s->own, METRIC_SERVED_ERRORS, 1);
            alive = 0;
        }
        if (!alive)
            client_drop(s, i);
    }
}

err_t metrics_server_run(struct metrics_server *s, const volatile sig_atomic_t *stop, struct fault *f)
{
    while (stop == NULL || *stop == 0) {
        struct pollfd p[METRICS_CLIENTS_MAX + 1];
        size_t clients = s->count;
        for (size_t i = 0; i < clients; i++)
            p[i] = (struct pollfd){.fd = s->client[i].fd,
                                   .events = s->client[i].answer == NULL || s->client[i].closing ? POLLIN
                                                                                                 : POLLOUT};
        p[clients] = (struct pollfd){.fd = clients < METRICS_CLIENTS_MAX ? s->fd : -1, .events = POLLIN};
        if (poll(p, clients + 1, 250) < 0) {
            if (errno == EINTR)
                continue;
            return socket_fault(f, "waiting for clients");
        }
        serve_ready(s, p);
        if (p[clients].revents != 0)
            accept_one(s);
    }
    return OK;
}
