#include <string.h>
#include <sys/prctl.h>

#include "hsm/admin.h"
#include "hsm/bind.h"
#include "hsm/keys.h"

/* The request served: arguments are read from in and copied before anything is done, because asking for
 * the PIN reuses the buffer. Results go to out, which op_reply opens. */
struct request {
    struct wire wire;
    struct session session;
    struct cbor_in in;
    struct cbor_out out;
};

typedef err_t op_fn(struct request *r, struct fault *f);

static void op_reply(struct request *r, size_t results)
{
    wire_begin(&r->wire, &r->out, 1 + results);
    cbor_put_uint(&r->out, OK);
}

static err_t op_label(struct request *r, struct key_label *label, struct fault *f)
{
    cbor_get_fixed(&r->in, label->b, KEY_LABEL_LEN);
    return cbor_in_end(&r->in, f);
}

static void put_info(struct cbor_out *o, const struct token_info *info)
{
    cbor_put_text(o, info->label);
    cbor_put_text(o, info->manufacturer);
    cbor_put_text(o, info->model);
    cbor_put_text(o, info->serial);
}

static void get_text_any(struct cbor_in *in, char *out, size_t max)
{
    size_t len;
    const uint8_t *p = cbor_get_bytes(in, 0, max, &len);
    if (p != NULL)
        memcpy(out, p, len);
    out[len] = 0;
}

static err_t op_open(struct request *r, struct fault *f)
{
    char uri[HSM_URI_MAX + 1];
    get_text_any(&r->in, uri, HSM_URI_MAX);
    int last_try = (int)cbor_get_uint(&r->in, 1);
    TRY(cbor_in_end(&r->in, f));
    if (r->session.uri != NULL)
        return fault_set(f, ERR_BUG, "the token process was opened twice");
    r->session.last_try = last_try;
    TRY(session_load(&r->session, uri, f));
    TRY(session_pick(&r->session, f));
    TRY(session_start(&r->session, f));
    op_reply(r, 4);
    put_info(&r->out, &r->session.info);
    return OK;
}

static err_t op_random(struct request *r, struct fault *f)
{
    uint8_t buf[1024];
    size_t len = cbor_get_uint(&r->in, sizeof buf);
    TRY(cbor_in_end(&r->in, f));
    CK_RV rv = r->session.p11->C_GenerateRandom(r->session.handle, buf, len);
    if (rv != CKR_OK)
        return session_fail(&r->session, rv, "C_GenerateRandom", f);
    op_reply(r, 1);
    cbor_put_bytes(&r->out, buf, len);
    secret_wipe(buf, sizeof buf);
    return OK;
}

static err_t op_keys(struct request *r, struct fault *f,
                     err_t (*fn)(struct session *, pubkey_t *, pubkey_t *, const struct key_label *,
                                 struct fault *))
{
    struct key_label label;
    pubkey_t identity, ceremony;
    TRY(op_label(r, &label, f));
    TRY(fn(&r->session, &identity, &ceremony, &label, f));
    op_reply(r, 2);
    cbor_put_bytes(&r->out, identity.b, POINT_LEN);
    cbor_put_bytes(&r->out, ceremony.b, POINT_LEN);
    return OK;
}

static err_t op_keys_make(struct request *r, struct fault *f)
{
    return op_keys(r, f, keys_make);
}

static err_t op_keys_find(struct request *r, struct fault *f)
{
    return op_keys(r, f, keys_find);
}

static err_t op_sign(struct request *r, struct fault *f)
{
    struct key_label label;
    hash_t digest;
    uint8_t signature[SIGNATURE_LEN];
    cbor_get_fixed(&r->in, label.b, KEY_LABEL_LEN);
    cbor_get_hash(&r->in, &digest);
    TRY(cbor_in_end(&r->in, f));
    TRY(keys_sign(&r->session, signature, &label, &digest, f));
    op_reply(r, 1);
    cbor_put_bytes(&r->out, signature, sizeof signature);
    return OK;
}

static err_t op_ecdh(struct request *r, struct fault *f)
{
    struct key_label label;
    uint8_t peer[65];
    void *secret_x;
    cbor_get_fixed(&r->in, label.b, KEY_LABEL_LEN);
    cbor_get_fixed(&r->in, peer, sizeof peer);
    TRY(cbor_in_end(&r->in, f));
    TRY(secret_alloc(&secret_x, 32));
    err_t e = keys_ecdh(&r->session, secret_x, &label, peer, f);
    if (e == OK) {
        op_reply(r, 1);
        cbor_put_bytes(&r->out, secret_x, 32);
    }
    secret_free(secret_x);
    return e;
}

static err_t op_bind(struct request *r, struct fault *f)
{
    struct key_label label;
    hash_t value;
    cbor_get_fixed(&r->in, label.b, KEY_LABEL_LEN);
    enum binding what = (enum binding)cbor_get_uint(&r->in, BIND_PLAN);
    cbor_get_hash(&r->in, &value);
    TRY(cbor_in_end(&r->in, f));
    TRY(bind_put(&r->session, &label, what, &value, f));
    op_reply(r, 0);
    return OK;
}

static err_t op_bound(struct request *r, struct fault *f)
{
    struct key_label label;
    hash_t value;
    cbor_get_fixed(&r->in, label.b, KEY_LABEL_LEN);
    enum binding what = (enum binding)cbor_get_uint(&r->in, BIND_PLAN);
    TRY(cbor_in_end(&r->in, f));
    TRY(bind_get(&r->session, &value, &label, what, f));
    op_reply(r, 1);
    cbor_put_hash(&r->out, &value);
    return OK;
}

static err_t op_rebind(struct request *r, struct fault *f)
{
    struct key_label label;
    hash_t from, to;
    cbor_get_fixed(&r->in, label.b, KEY_LABEL_LEN);
    enum binding what = (enum binding)cbor_get_uint(&r->in, BIND_PLAN);
    cbor_get_hash(&r->in, &from);
    cbor_get_hash(&r->in, &to);
    TRY(cbor_in_end(&r->in, f));
    TRY(bind_replace(&r->session, &label, what, &from, &to, f));
    op_reply(r, 0);
    return OK;
}

static err_t op_retire(struct request *r, struct fault *f)
{
    struct key_label label;
    TRY(op_label(r, &label, f));
    TRY(keys_destroy(&r->session, &label, KEY_CEREMONY, f));
    op_reply(r, 0);
    return OK;
}

/* The identity key goes last: while it is there, labels() shows what is left to be destroyed. */
static err_t op_forget(struct request *r, struct fault *f)
{
    struct key_label label;
    TRY(op_label(r, &label, f));
    TRY(bind_destroy(&r->session, &label, f));
    TRY(keys_destroy(&r->session, &label, KEY_CEREMONY, f));
    TRY(keys_destroy(&r->session, &label, KEY_IDENTITY, f));
    op_reply(r, 0);
    return OK;
}

static err_t op_labels(struct request *r, struct fault *f)
{
    struct key_label labels[WIRE_LABELS_MAX];
    size_t count;
    TRY(cbor_in_end(&r->in, f));
    TRY(keys_labels(&r->session, labels, &count, WIRE_LABELS_MAX, f));
    op_reply(r, 1);
    cbor_put_array(&r->out, count);
    for (size_t i = 0; i < count; i++)
        cbor_put_bytes(&r->out, labels[i].b, KEY_LABEL_LEN);
    return OK;
}

static err_t op_status(struct request *r, struct fault *f)
{
    struct admin_status s;
    TRY(cbor_in_end(&r->in, f));
    TRY(admin_status(&r->session, &s, f));
    op_reply(r, 6);
    cbor_put_uint(&r->out, s.flags);
    cbor_put_uint(&r->out, s.total_memory);
    cbor_put_uint(&r->out, s.free_memory);
    cbor_put_uint(&r->out, s.firmware);
    cbor_put_uint(&r->out, s.mechanisms);
    cbor_put_uint(&r->out, s.nss);
    return OK;
}

static err_t op_list(struct request *r, struct fault *f)
{
    char uri[HSM_URI_MAX + 1];
    struct hsm_token t;
    int found;
    get_text_any(&r->in, uri, HSM_URI_MAX);
    size_t index = cbor_get_uint(&r->in, 1000);
    TRY(cbor_in_end(&r->in, f));
    if (r->session.uri == NULL)
        TRY(session_load(&r->session, uri, f));
    TRY(admin_token(&r->session, &t, &found, index, f));
    op_reply(r, found ? 13 : 1);
    cbor_put_uint(&r->out, (unsigned)found);
    if (!found)
        return OK;
    put_info(&r->out, &t.info);
    cbor_put_text(&r->out, t.uri);
    cbor_put_text(&r->out, t.module);
    int flags[] = {t.initialized, t.pin_set, t.tries_low, t.final_try, t.locked, t.keypad};
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++)
        cbor_put_uint(&r->out, (unsigned)flags[i]);
    return OK;
}

static err_t op_init(struct request *r, struct fault *f)
{
    char uri[HSM_URI_MAX + 1], label[33], force_label[33];
    size_t so_len, user_len;
    get_text_any(&r->in, uri, HSM_URI_MAX);
    get_text_any(&r->in, label, 32);
    get_text_any(&r->in, force_label, 32);
    int last_try = (int)cbor_get_uint(&r->in, 1);
    const uint8_t *so_pin = cbor_get_bytes(&r->in, 0, HSM_PIN_MAX, &so_len);
    const uint8_t *user_pin = cbor_get_bytes(&r->in, 0, HSM_PIN_MAX, &user_len);
    TRY(cbor_in_end(&r->in, f));
    r->session.last_try = last_try;
    err_t e = session_load(&r->session, uri, f);
    if (e == OK)
        e = admin_init(&r->session, label, force_label, so_pin, so_len, user_pin, user_len, f);
    wire_wipe(&r->wire);
    secret_burn_stack();
    if (e == OK)
        op_reply(r, 0);
    return e;
}

static const struct {
    op_fn *fn;
    size_t args;
    int needs_token;
} ops[] = {
    [WIRE_OPEN] = {op_open, 2, 0},           [WIRE_RANDOM] = {op_random, 1, 1},
    [WIRE_KEYS_MAKE] = {op_keys_make, 1, 1}, [WIRE_KEYS_FIND] = {op_keys_find, 1, 1},
    [WIRE_SIGN] = {op_sign, 2, 1},           [WIRE_ECDH] = {op_ecdh, 2, 1},
    [WIRE_BIND] = {op_bind, 3, 1},           [WIRE_BOUND] = {op_bound, 2, 1},
    [WIRE_REBIND] = {op_rebind, 4, 1},       [WIRE_RETIRE] = {op_retire, 1, 1},
    [WIRE_FORGET] = {op_forget, 1, 1},       [WIRE_LABELS] = {op_labels, 0, 1},
    [WIRE_STATUS] = {op_status, 0, 1},       [WIRE_LIST] = {op_list, 2, 0},
    [WIRE_INIT] = {op_init, 6, 0},
};

static err_t serve_op(struct request *r, size_t items, uint64_t op, struct fault *f)
{
    if (op >= sizeof ops / sizeof ops[0] || ops[op].fn == NULL || items != ops[op].args + 1)
        return fault_set(f, ERR_BUG, "the token process was asked for something unknown");
    if (ops[op].needs_token && !r->session.started)
        return fault_set(f, ERR_BUG, "the token process has no token open");
    if (ops[op].needs_token && r->session.removed)
        return fault_set(f, ERR_TOKEN_REMOVED, "the token was removed before, or failed; open it again");
    return ops[op].fn(r, f);
}

static int serve_one(struct request *r)
{
    struct fault f;
    size_t items;
    fault_clear(&f);
    if (wire_recv(&r->wire, -1, &r->in, &items) != WIRE_GOT)
        return 0;
    uint64_t op = cbor_get_uint(&r->in, WIRE_CLOSE);
    if (r->in.err != OK || op == WIRE_CLOSE)
        return 0;
    err_t e = serve_op(r, items, op, &f);
    if (e != OK) {
        char detail[WIRE_DETAIL_MAX + 1];
        uri_clean(detail, (const unsigned char *)f.detail, strnlen(f.detail, WIRE_DETAIL_MAX));
        wire_begin(&r->wire, &r->out, 2);
        cbor_put_uint(&r->out, (uint64_t)e);
        cbor_put_text(&r->out, detail);
    }
    return wire_send(&r->wire, &r->out) == WIRE_GOT;
}

int hsm_server_main(int fd, const char *module)
{
    struct request r = {.wire = {.fd = fd}};
    int status = 1;
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
#ifndef __SANITIZE_ADDRESS__ /* its leak check reads the process as a debugger does */
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
    if (secret_init() == OK && wire_init(&r.wire, fd, WIRE_MAX) == OK) {
        r.session.wire = &r.wire;
        r.session.only_module = module;
        while (serve_one(&r))
            ;
        session_end(&r.session);
        status = 0;
    }
    wire_end(&r.wire);
    return status;
}
