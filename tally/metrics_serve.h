/* The numbers of all processes of a directory (metrics.h) over HTTP on this machine's loopback address, for
 * Prometheus: GET /metrics and nothing else.
 *
 *   metrics_server_open -> print _port -> _run until *stop -> _free
 *
 * Clients are not trusted: METRICS_CLIENTS_MAX at once (the next waits), a request of at most
 * METRICS_REQUEST_MAX bytes, complete within METRICS_WAIT seconds, and read out within the same again; one
 * answer per connection. The name in Host must be a loopback name, so that a web page cannot read the numbers
 * by way of a name that it makes point here. Nothing in a request chooses a file. Never: another address,
 * TLS, writing anything. Only conclave-tally links this; the appliance has no network code. */
#ifndef TALLY_METRICS_SERVE_H
#define TALLY_METRICS_SERVE_H

#include <signal.h>

#include "tally/metrics.h"

#define METRICS_PORT 9472
#define METRICS_CLIENTS_MAX 16
#define METRICS_REQUEST_MAX 4096
#define METRICS_WAIT 5

struct metrics_server;

/* Listens on 127.0.0.1, or on ::1 if six. port 0: any that is free. own: counted in and written
 * with the rest; outlives the server. dir need not be there yet. ERR_BUSY: the port is taken; ERR_IO,
 * ERR_MEMORY. */
MUST err_t metrics_server_open(struct metrics_server **out, const char *dir, uint16_t port, int six,
                               struct metrics *own, struct fault *f);
uint16_t metrics_server_port(const struct metrics_server *s);
/* Answers until *stop is not 0, which it looks at several times a second. ERR_IO. */
MUST err_t metrics_server_run(struct metrics_server *s, const volatile sig_atomic_t *stop, struct fault *f);
void metrics_server_free(struct metrics_server *s);

/* The status line's number and words for a request (its head, NUL-terminated), by the request alone.
 * *only_head: HEAD. */
const char *metrics_serve_judge(const char *head, int *only_head);

#endif
