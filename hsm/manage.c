/* hsm_list and hsm_init, the side of the trustee's process. */
#include <string.h>

#include "ceremony/base/secret.h"
#include "ceremony/base/text.h"
#include "hsm/client.h"

#define TOKENS_MAX 1000

/* --- list --- */

static err_t list_one(struct client *c, struct hsm_token *t, int *found, const char *uri, size_t index,
                      struct fault *f)
{
    struct cbor_out o;
    struct cbor_in in;
    size_t results;
    memset(t, 0, sizeof *t);
    client_begin(c, &o, WIRE_LIST, 2);
    cbor_put_bytes(&o, uri, strlen(uri));
    cbor_put_uint(&o, index);
    TRY(client_call(c, &o, &in, &results, f));
    *found = (int)cbor_get_uint(&in, 1);
    if (*found) {
        int *flags[] = {&t->initialized, &t->pin_set, &t->tries_low, &t->final_try, &t->locked, &t->keypad};
        client_get_info(&in, &t->info);
        cbor_get_text(&in, t->uri, sizeof t->uri - 1);
        cbor_get_text(&in, t->module, sizeof t->module - 1);
        for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++)
            *flags[i] = (int)cbor_get_uint(&in, 1);
    }
    return client_end(c, &in, OK, f);
}

err_t hsm_list(const char *uri, const struct hsm_options *opt,
               err_t (*fn)(void *ctx, const struct hsm_token *token), void *ctx, struct fault *f)
{
    struct client *c;
    struct hsm_token t;
    int found = 1;
    err_t e = OK;
    TRY(client_start(&c, uri, opt, f));
    for (size_t i = 0; e == OK && i < TOKENS_MAX; i++) {
        e = list_one(c, &t, &found, uri == NULL ? "pkcs11:" : uri, i, f);
        if (e != OK || !found)
            break;
        e = fn(ctx, &t);
    }
    client_free(c);
    return e;
}

/* --- init --- */

/* A NULL callback stands for the token's keypad: the PIN stays empty. */
static err_t ask(char *secret_pin, hsm_pin_fn *fn, void *ctx, const char *label, struct fault *f)
{
    struct hsm_pin_info info;
    if (fn == NULL)
        return OK;
    memset(&info, 0, sizeof info);
    memcpy(info.label, label, strnlen(label, sizeof info.label - 1));
    TRY(fn(ctx, secret_pin, HSM_PIN_MAX + 1, &info, f));
    if (secret_pin[0] == 0)
        return fault_set(f, ERR_USAGE, "an empty PIN protects nothing");
    return OK;
}

static err_t init_send(struct client *c, const char *uri, const struct hsm_init_request *r,
                       const char *so_pin, const char *user_pin, struct fault *f)
{
    struct cbor_out o;
    struct cbor_in in;
    size_t results;
    const char *force = r->force_label == NULL ? "" : r->force_label;
    client_begin(c, &o, WIRE_INIT, 6);
    cbor_put_bytes(&o, uri, strlen(uri));
    cbor_put_bytes(&o, r->label, strlen(r->label));
    cbor_put_bytes(&o, force, strlen(force));
    cbor_put_uint(&o, c->opt.last_try != 0);
    cbor_put_bytes(&o, so_pin, strnlen(so_pin, HSM_PIN_MAX));
    cbor_put_bytes(&o, user_pin, strnlen(user_pin, HSM_PIN_MAX));
    TRY(client_call(c, &o, &in, &results, f));
    return client_end(c, &in, OK, f);
}

err_t hsm_init(const char *uri, const struct hsm_options *opt, const struct hsm_init_request *r,
               struct fault *f)
{
    struct client *c;
    void *so_pin = NULL, *user_pin = NULL;
    size_t len = strnlen(r->label, 33);
    if (len < 1 || len > 32 || text_check(r->label, len) != OK)
        return fault_set(f, ERR_USAGE, "a token's label is 1 to 32 bytes of plain text");
    if (r->force_label != NULL && strnlen(r->force_label, 33) > 32)
        return fault_set(f, ERR_USAGE, "the label typed is longer than a token's label can be");
    TRY(client_start(&c, uri, opt, f));
    err_t e = OK;
    GO(secret_alloc(&so_pin, HSM_PIN_MAX + 1));
    GO(secret_alloc(&user_pin, HSM_PIN_MAX + 1));
    GO(ask(so_pin, r->so_pin, r->pin_ctx, r->label, f));
    GO(ask(user_pin, r->user_pin, r->pin_ctx, r->label, f));
    GO(init_send(c, uri, r, so_pin, user_pin, f));
out:
    if (e == ERR_LOCK || e == ERR_MEMORY)
        fault_set(f, e, "no locked memory for the PINs");
    secret_free(so_pin);
    secret_free(user_pin);
    client_free(c);
    return e;
}
