#include <stdlib.h>

#include "ceremony/base/file.h"
#include "tally/metrics_serve.h"
#include "tally/verb.h"

err_t verb_chain_serve_metrics(struct verb_run *v, int argc, char **argv)
{
    const char *work = NULL, *port_text = NULL;
    int six = 0;
    const struct arg options[] = {
        {"work", ARG_TEXT, &work, "DIR", "work directory of the chain; its folder metrics is read", 1},
        {"port", ARG_TEXT, &port_text, "N", "default 9472; 0: any that is free", 0},
        {"ipv6", ARG_FLAG, &six, NULL, "on ::1 instead of 127.0.0.1", 0},
        {0},
    };
    char dir[BUNDLE_PATH_MAX];
    struct metrics_server *server = NULL;
    uint64_t port = METRICS_PORT;
    TRY(verb_options(v, argc, argv, options, NULL));
    if (v->help_shown)
        return OK;
    TRY(args_number(&port, port_text, "port", 0, 65535, &v->fault));
    TRY(verb_path(v, dir, NULL, work, "metrics", "work"));
    struct metrics *own = calloc(1, sizeof *own);
    if (own == NULL)
        return fault_set(&v->fault, ERR_MEMORY, "the server of numbers");
    err_t e = metrics_init(own, "metrics", "serve-metrics", NULL, NULL);
    if (e == OK)
        e = metrics_server_open(&server, dir, (uint16_t)port, six, own, &v->fault);
    if (e == OK) {
        fprintf(v->out, "serving http://%s:%u/metrics\n", six ? "[::1]" : "127.0.0.1",
                metrics_server_port(server));
        fflush(v->out);
        e = metrics_server_run(server, v->program->stop, &v->fault);
    }
    metrics_server_free(server);
    free(own);
    return e;
}
