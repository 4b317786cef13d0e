#include "hsm/client.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ceremony/base/process.h"
#include "ceremony/base/secret.h"

#define TIMEOUT_MS 60000
#define KEYPAD_TIMEOUT_MS 300000
#define END_TIMEOUT_MS 3000

/* --- the process --- */

/* Reaps the process, killing it when it has not ended by itself in time. Returns its wait status. */
static int reap(struct client *c, int timeout_ms)
{
    struct timespec pause = {0, 2000000};
    int status = 0;
    for (int waited = 0; c->pid > 0; waited += 2) {
        pid_t p = waitpid(c->pid, &status, WNOHANG);
        if (p == c->pid || (p < 0 && errno != EINTR))
            break;
        if (waited >= timeout_ms)
            kill(c->pid, SIGKILL);
        nanosleep(&pause, NULL);
    }
    c->pid = 0;
    return status;
}

static err_t client_lost(struct client *c, enum wire_result r, struct fault *f)
{
    int already = c->dead;
    c->dead = 1;
    if (already)
        return fault_set(f, ERR_TOKEN_FAILED,
                         "the process of the token's module has ended; open the token again");
    if (r == WIRE_TIMEOUT) {
        reap(c, 0);
        return fault_set(f, ERR_TOKEN_FAILED, "the token's module did not answer in time and was ended");
    }
    int status = reap(c, r == WIRE_CLOSED ? 500 : 0);
    if (r == WIRE_BROKEN)
        return fault_set(f, ERR_TOKEN_FAILED, "the process of the token's module sent something meaningless");
    if (WIFSIGNALED(status))
        return fault_set(f, ERR_TOKEN_FAILED, "the token's module crashed (signal %d)", WTERMSIG(status));
    return fault_set(f, ERR_TOKEN_FAILED, "the process of the token's module ended by itself");
}

err_t client_start(struct client **out, const char *uri, const struct hsm_options *opt, struct fault *f)
{
    int fd[2] = {-1, -1};
    err_t e = OK;
    *out = NULL;
    struct client *c = calloc(1, sizeof *c);
    if (c == NULL)
        return fault_set(f, ERR_MEMORY, "no memory for the token's process");
    c->opt = *opt;
    c->wire.fd = c->pin_fd = -1;
    if (uri != NULL)
        GO(uri_parse(&c->uri, uri, f));
    c->pin_source = c->uri == NULL ? NULL : p11_kit_uri_get_pin_source(c->uri);
    if (opt->open_pin_file && c->pin_source != NULL)
        GO(hsm_pin_file_open(&c->pin_fd, c->pin_source, f));
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd) != 0) {
        e = fault_set(f, ERR_IO, "no socket for the token's process");
        goto out;
    }
    e = wire_init(&c->wire, fd[0], WIRE_MAX);
    if (e != OK) {
        fault_set(f, e, "no locked memory for the token's process");
        goto out;
    }
    /* A process group of its own: Ctrl-C at the PIN prompt is for this process alone. */
    const struct process_start how = {.program = opt->program,
                                      .verb = "token-process",
                                      .fd = fd[1],
                                      .as_fd = HSM_SERVER_FD,
                                      .own_group = 1,
                                      .keep_stderr = opt->keep_stderr};
    int r = opt->spawn != NULL ? opt->spawn(opt->spawn_ctx, &c->pid, fd[1], opt->keep_stderr)
                               : process_spawn(&c->pid, &how);
    if (r != 0) {
        c->pid = 0;
        e = fault_set(f, ERR_TOKEN_FAILED, "the token's process cannot be started: %s", strerror(r));
        goto out;
    }
    *out = c;
out:
    if (fd[1] >= 0)
        close(fd[1]);
    if (e != OK) {
        if (c->wire.fd < 0 && fd[0] >= 0)
            close(fd[0]);
        client_free(c);
    }
    return e;
}

void client_free(struct client *c)
{
    struct cbor_out o;
    if (c == NULL)
        return;
    if (c->pid > 0 && !c->dead) {
        wire_begin(&c->wire, &o, 1);
        cbor_put_uint(&o, WIRE_CLOSE);
        (void)!wire_send(&c->wire, &o);
    }
    reap(c, END_TIMEOUT_MS);
    wire_end(&c->wire);
    if (c->pin_fd >= 0)
        close(c->pin_fd);
    if (c->uri != NULL)
        p11_kit_uri_free(c->uri);
    free(c);
}

/* --- the PIN --- */

static err_t pin_get(struct client *c, char *secret_pin, const struct hsm_pin_info *info, struct fault *f)
{
    if (info->keypad)
        return c->opt.pin == NULL ? OK : c->opt.pin(c->opt.pin_ctx, NULL, 0, info, f);
    if (c->pin_fd >= 0) {
        err_t e = hsm_pin_file_read(secret_pin, HSM_PIN_MAX + 1, c->pin_fd, f);
        return e == OK ? OK : fault_file(f, e, c->pin_source);
    }
    if (c->pin_source != NULL)
        return hsm_pin_file(secret_pin, HSM_PIN_MAX + 1, c->pin_source, f);
    if (c->opt.pin == NULL)
        return fault_set(f, ERR_USAGE, "the token needs a PIN: give pin-source in its URI, or a terminal");
    return c->opt.pin(c->opt.pin_ctx, secret_pin, HSM_PIN_MAX + 1, info, f);
}

/* Answers the question in in. The error of asking is handed on after the token process has replied. */
static enum wire_result pin_answer(struct client *c, struct cbor_in *in, int *keypad, err_t *pin_err,
                                   struct fault *f)
{
    struct hsm_pin_info info;
    struct cbor_out o;
    struct fault bad;
    void *secret_pin;
    memset(&info, 0, sizeof info);
    cbor_get_text(in, info.label, sizeof info.label - 1);
    cbor_get_text(in, info.serial, sizeof info.serial - 1);
    info.tries_low = (int)cbor_get_uint(in, 1);
    info.final_try = (int)cbor_get_uint(in, 1);
    info.keypad = (int)cbor_get_uint(in, 1);
    *keypad = info.keypad;
    if (cbor_in_end(in, &bad) != OK)
        return WIRE_BROKEN;
    *pin_err = secret_alloc(&secret_pin, HSM_PIN_MAX + 1);
    if (*pin_err != OK)
        fault_set(f, *pin_err, "no locked memory for the PIN");
    else
        *pin_err = pin_get(c, secret_pin, &info, f);
    wire_begin(&c->wire, &o, *pin_err == OK ? 2 : 1);
    cbor_put_uint(&o, *pin_err == OK ? WIRE_PIN : WIRE_NO_PIN);
    if (*pin_err == OK)
        cbor_put_bytes(&o, secret_pin, info.keypad ? 0 : strnlen(secret_pin, HSM_PIN_MAX));
    secret_free(secret_pin);
    return wire_send(&c->wire, &o);
}

/* --- calls --- */

void client_begin(struct client *c, struct cbor_out *o, enum wire_op op, size_t args)
{
    wire_begin(&c->wire, o, 1 + args);
    cbor_put_uint(o, op);
}

static err_t token_error(struct client *c, struct cbor_in *in, uint64_t status, struct fault *f)
{
    char detail[WIRE_DETAIL_MAX + 1];
    struct fault bad;
    cbor_get_text(in, detail, WIRE_DETAIL_MAX);
    if (cbor_in_end(in, &bad) != OK)
        return client_lost(c, WIRE_BROKEN, f);
    fault_set(f, (err_t)status, "%s", detail);
    if (c->info.label[0] != 0)
        return fault_who(f, (err_t)status, "token \"%s\"", c->info.label);
    return (err_t)status;
}

err_t client_call(struct client *c, const struct cbor_out *o, struct cbor_in *in, size_t *results,
                  struct fault *f)
{
    int timeout = c->opt.timeout_ms > 0 ? c->opt.timeout_ms : TIMEOUT_MS;
    int asked = 0, keypad;
    err_t pin_err = OK;
    struct fault pin_fault;
    size_t items = 0;
    *results = 0;
    if (c->dead)
        return client_lost(c, WIRE_CLOSED, f);
    enum wire_result r = wire_send(&c->wire, o);
    while (r == WIRE_GOT) {
        r = wire_recv(&c->wire, timeout, in, &items);
        if (r != WIRE_GOT)
            break;
        uint64_t status = cbor_get_uint(in, WIRE_ASK_PIN);
        if (in->err != OK)
            r = WIRE_BROKEN;
        else if (status == WIRE_ASK_PIN && items == 6 && !asked) {
            fault_clear(&pin_fault);
            r = pin_answer(c, in, &keypad, &pin_err, &pin_fault);
            asked = 1;
            timeout = keypad ? KEYPAD_TIMEOUT_MS : timeout;
        } else if (status == OK) {
            *results = items - 1;
            return OK;
        } else if (status <= ERR_STOPPED && items == 2) {
            err_t e = token_error(c, in, status, f);
            if (pin_err != OK && e == ERR_REFUSED) { /* what asking for the PIN said is the reason */
                if (f != NULL)
                    *f = pin_fault;
                return pin_err;
            }
            return e;
        } else
            r = WIRE_BROKEN;
    }
    return client_lost(c, r, f);
}

err_t client_end(struct client *c, struct cbor_in *in, err_t e, struct fault *f)
{
    struct fault bad;
    err_t end = cbor_in_end(in, &bad);
    wire_wipe(&c->wire);
    if (end != OK)
        return client_lost(c, WIRE_BROKEN, f);
    return e;
}

void client_get_info(struct cbor_in *in, struct token_info *out)
{
    cbor_get_text(in, out->label, sizeof out->label - 1);
    cbor_get_text(in, out->manufacturer, sizeof out->manufacturer - 1);
    cbor_get_text(in, out->model, sizeof out->model - 1);
    cbor_get_text(in, out->serial, sizeof out->serial - 1);
}

err_t client_open(struct client *c, const char *uri, struct fault *f)
{
    struct cbor_out o;
    struct cbor_in in;
    size_t results;
    client_begin(c, &o, WIRE_OPEN, 2);
    cbor_put_bytes(&o, uri, strlen(uri));
    cbor_put_uint(&o, c->opt.last_try != 0);
    TRY(client_call(c, &o, &in, &results, f));
    client_get_info(&in, &c->info);
    return client_end(c, &in, OK, f);
}

err_t client_status(struct client *c, struct client_status *out, struct fault *f)
{
    struct cbor_out o;
    struct cbor_in in;
    size_t results;
    memset(out, 0, sizeof *out);
    client_begin(c, &o, WIRE_STATUS, 0);
    TRY(client_call(c, &o, &in, &results, f));
    out->flags = cbor_get_uint(&in, UINT64_MAX);
    out->total_memory = cbor_get_uint(&in, UINT64_MAX);
    out->free_memory = cbor_get_uint(&in, UINT64_MAX);
    out->firmware = cbor_get_uint(&in, UINT64_MAX);
    out->mechanisms = cbor_get_uint(&in, UINT64_MAX);
    out->nss = cbor_get_uint(&in, UINT64_MAX);
    return client_end(c, &in, OK, f);
}
