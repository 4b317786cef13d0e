/* The caller's side: the vault over the keeper's socket. */
#include "appliance/keeper.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "appliance/keeper_wire.h"
#include "ceremony/base/process.h"
#include "ceremony/base/secret.h"

struct keeper {
    struct wire wire;
    pid_t pid;
    int dead;
    struct keeper_options opt;
};

/* --- the process --- */

static err_t lost(struct keeper *k, struct fault *f)
{
    k->dead = 1;
    return fault_set(f, ERR_TOKEN_FAILED,
                     "the process that keeps the token's session has ended; start again");
}

/* --- calls --- */

static void begin(struct keeper *k, struct cbor_out *o, enum keeper_op op, size_t args)
{
    wire_begin(&k->wire, o, 1 + args);
    cbor_put_uint(o, op);
}

static void get_text(struct cbor_in *in, char *out, size_t max)
{
    size_t len;
    const uint8_t *p = cbor_get_bytes(in, 0, max, &len);
    if (p != NULL)
        memcpy(out, p, len);
    out[len] = '\0';
}

static err_t refused(struct keeper *k, struct cbor_in *in, uint64_t status, struct fault *f)
{
    char detail[KEEPER_DETAIL_MAX + 1], who[KEEPER_WHO_MAX + 1], file[KEEPER_FILE_MAX + 1];
    get_text(in, detail, KEEPER_DETAIL_MAX);
    get_text(in, who, KEEPER_WHO_MAX);
    get_text(in, file, KEEPER_FILE_MAX);
    if (cbor_in_end(in, NULL) != OK)
        return lost(k, f);
    fault_set(f, (err_t)status, "%s", detail);
    fault_who(f, (err_t)status, "%s", who);
    fault_file(f, (err_t)status, file);
    return (err_t)status;
}

/* The caller's own page asks for the PIN. */
static err_t give_pin(struct keeper *k, struct cbor_in *in, struct fault *f)
{
    struct hsm_pin_info info = {0};
    struct fault why;
    struct cbor_out o;
    void *secret_pin = NULL;
    cbor_get_text(in, info.label, sizeof info.label - 1);
    cbor_get_text(in, info.serial, sizeof info.serial - 1);
    info.tries_low = (int)cbor_get_uint(in, 1);
    info.final_try = (int)cbor_get_uint(in, 1);
    info.keypad = (int)cbor_get_uint(in, 1);
    if (cbor_in_end(in, NULL) != OK || k->opt.pin == NULL)
        return lost(k, f);
    fault_clear(&why);
    err_t e = info.keypad ? OK : secret_alloc(&secret_pin, HSM_PIN_MAX + 1);
    if (e == OK)
        e = k->opt.pin(k->opt.pin_ctx, secret_pin, info.keypad ? 0 : HSM_PIN_MAX + 1, &info, &why);
    begin(k, &o, e == OK ? KEEPER_GO : KEEPER_NO, e == OK ? 1 : 2);
    if (e == OK) {
        cbor_put_bytes(&o, secret_pin, info.keypad ? 0 : strnlen(secret_pin, HSM_PIN_MAX));
    } else {
        cbor_put_uint(&o, (uint64_t)e);
        cbor_put_bytes(&o, why.detail, strnlen(why.detail, KEEPER_DETAIL_MAX));
    }
    secret_free(secret_pin);
    return wire_send(&k->wire, &o) == WIRE_GOT ? OK : lost(k, f);
}

static err_t lend_terminal(struct keeper *k, struct cbor_in *in, struct fault *f)
{
    struct cbor_out o;
    int lend = (int)cbor_get_uint(in, 1);
    if (cbor_in_end(in, NULL) != OK)
        return lost(k, f);
    if (k->opt.terminal != NULL)
        k->opt.terminal(k->opt.terminal_ctx, lend);
    begin(k, &o, KEEPER_GO, 0);
    return wire_send(&k->wire, &o) == WIRE_GOT ? OK : lost(k, f);
}

/* Sends the request and leaves results items in in. A person may take any time for a PIN; when the keeper
 * ends, its socket closes. */
static err_t call(struct keeper *k, const struct cbor_out *o, struct cbor_in *in, size_t results,
                  struct fault *f)
{
    size_t items;
    if (k->dead || wire_send(&k->wire, o) != WIRE_GOT)
        return lost(k, f);
    for (;;) {
        if (wire_recv(&k->wire, -1, in, &items) != WIRE_GOT)
            return lost(k, f);
        uint64_t status = cbor_get_uint(in, KEEPER_ASK_PIN);
        if (in->err == OK && status == KEEPER_ASK_PIN && items == 6)
            TRY(give_pin(k, in, f));
        else if (in->err == OK && status == KEEPER_TERMINAL && items == 2)
            TRY(lend_terminal(k, in, f));
        else if (in->err == OK && status == OK && items == 1 + results)
            return OK;
        else if (in->err == OK && status != OK && status <= ERR_STOPPED && items == 4)
            return refused(k, in, status, f);
        else
            return lost(k, f);
    }
}

static err_t end(struct keeper *k, struct cbor_in *in, struct fault *f)
{
    return cbor_in_end(in, NULL) == OK ? OK : lost(k, f);
}

static err_t call_plain(struct keeper *k, const struct cbor_out *o, struct fault *f)
{
    struct cbor_in in;
    TRY(call(k, o, &in, 0, f));
    return end(k, &in, f);
}

/* What is longer than a frame, before the request that uses it. */
static err_t give(struct keeper *k, const struct bytes *b, struct fault *f)
{
    for (size_t at = 0; at < b->len;) {
        size_t n = b->len - at < KEEPER_PIECE ? b->len - at : KEEPER_PIECE;
        struct cbor_out o;
        begin(k, &o, KEEPER_PUT, 1);
        cbor_put_bytes(&o, b->data + at, n);
        TRY(call_plain(k, &o, f));
        at += n;
    }
    return OK;
}

static err_t fetch(struct keeper *k, struct cbor_out *entry, uint64_t total, struct fault *f)
{
    for (uint64_t at = 0; at < total;) {
        struct cbor_out o;
        struct cbor_in in;
        size_t n;
        begin(k, &o, KEEPER_GET, 1);
        cbor_put_uint(&o, at);
        TRY(call(k, &o, &in, 1, f));
        const uint8_t *p = cbor_get_bytes(&in, 1, KEEPER_PIECE, &n);
        if (p != NULL)
            cbor_put_raw(entry, p, n);
        TRY(end(k, &in, f));
        at += n;
    }
    return entry->err == OK ? OK : fault_set(f, entry->err, "signed entry");
}

static err_t call_entry(struct keeper *k, const struct cbor_out *o, struct cbor_out *entry, struct fault *f)
{
    struct cbor_in in;
    TRY(call(k, o, &in, 1, f));
    uint64_t len = cbor_get_uint(&in, ENTRY_MAX);
    TRY(end(k, &in, f));
    return fetch(k, entry, len, f);
}

/* Frames stay below KEEPER_MAX. */
static err_t fits(const struct bytes *b, size_t max, struct fault *f)
{
    return b->len <= max ? OK : fault_set(f, ERR_LIMIT, "an entry of %zu bytes", b->len);
}

static void put_bytes(struct cbor_out *o, const struct bytes *b)
{
    cbor_put_bytes(o, b->data, b->len);
}

/* --- keys, enrolment, roster --- */

static err_t k_keys(void *ctx, struct vault_keys *out, struct fault *f)
{
    struct keeper *k = ctx;
    struct cbor_out o;
    struct cbor_in in;
    memset(out, 0, sizeof *out);
    begin(k, &o, KEEPER_KEYS, 0);
    TRY(call(k, &o, &in, 2, f));
    out->enrolled = cbor_get_uint(&in, VAULT_KEYS_MAX);
    size_t count = cbor_get_array(&in, 0, VAULT_KEYS_MAX);
    for (size_t i = 0; i < count && in.err == OK; i++)
        keeper_get_key(&in, &out->key[i]);
    out->count = in.err == OK ? count : 0;
    return end(k, &in, f);
}

static err_t k_enroll(void *ctx, struct cbor_out *entry, struct vault_key *key, struct sealed *seed,
                      const struct vault_person *who, struct fault *f)
{
    struct keeper *k = ctx;
    struct cbor_out o;
    struct cbor_in in;
    memset(key, 0, sizeof *key);
    memset(seed, 0, sizeof *seed);
    struct bytes name = {(const uint8_t *)who->name, strlen(who->name)};
    struct bytes organisation = {(const uint8_t *)who->organisation, strlen(who->organisation)};
    TRY(fits(&name, TEXT_TITLE_MAX, f));
    TRY(fits(&organisation, TEXT_TITLE_MAX, f));
    begin(k, &o, KEEPER_ENROLL, 5);
    cbor_put_hash(&o, &who->election);
    cbor_put_uint(&o, who->n);
    cbor_put_uint(&o, who->t);
    cbor_put_text(&o, who->name);
    cbor_put_text(&o, who->organisation);
    TRY(call(k, &o, &in, 3, f));
    uint64_t len = cbor_get_uint(&in, ENTRY_MAX);
    keeper_get_key(&in, key);
    keeper_get_sealed(&in, seed);
    TRY(end(k, &in, f));
    return fetch(k, entry, len, f);
}

static err_t call_op(struct keeper *k, enum keeper_op op, struct fault *f)
{
    struct cbor_out o;
    begin(k, &o, op, 0);
    return call_plain(k, &o, f);
}

static err_t call_op_entry(struct keeper *k, enum keeper_op op, struct cbor_out *entry, struct fault *f)
{
    struct cbor_out o;
    begin(k, &o, op, 0);
    return call_entry(k, &o, entry, f);
}

static err_t k_forget(void *ctx, struct fault *f)
{
    return call_op(ctx, KEEPER_FORGET, f);
}

static err_t k_own(void *ctx, const struct vault_own *own, struct fault *f)
{
    struct keeper *k = ctx;
    struct cbor_out o;
    TRY(fits(&own->enrolment, VAULT_ENROLMENT_MAX, f));
    begin(k, &o, KEEPER_OWN, 4);
    cbor_put_hash(&o, &own->election);
    cbor_put_bytes(&o, own->label.b, KEY_LABEL_LEN);
    put_bytes(&o, &own->enrolment);
    if (own->seed != NULL)
        keeper_put_sealed(&o, own->seed);
    else
        cbor_put_null(&o);
    return call_plain(k, &o, f);
}

static err_t k_seed_check(void *ctx, struct fault *f)
{
    return call_op(ctx, KEEPER_SEED_CHECK, f);
}

static err_t k_roster(void *ctx, const struct vault_roster *r, struct fault *f)
{
    struct keeper *k = ctx;
    struct cbor_out o;
    if (r->n > TRUSTEES_MAX)
        return fault_set(f, ERR_BUG, "roster");
    for (uint32_t j = 0; j < r->n; j++)
        TRY(fits(&r->enrolment[j], VAULT_ENROLMENT_MAX, f));
    begin(k, &o, KEEPER_ROSTER, 2);
    cbor_put_hash(&o, &r->ceremony);
    cbor_put_array(&o, r->n);
    for (uint32_t j = 0; j < r->n; j++)
        put_bytes(&o, &r->enrolment[j]);
    return call_plain(k, &o, f);
}

static err_t k_roster_sign(void *ctx, struct cbor_out *entry, struct fault *f)
{
    return call_op_entry(ctx, KEEPER_ROSTER_SIGN, entry, f);
}

static err_t k_bind(void *ctx, struct fault *f)
{
    return call_op(ctx, KEEPER_BIND, f);
}

static err_t k_sign(void *ctx, struct cbor_out *entry, enum entry_kind kind, const hash_t *subject,
                    const struct bytes *statement, struct fault *f)
{
    struct keeper *k = ctx;
    struct cbor_out o;
    TRY(give(k, statement, f));
    begin(k, &o, KEEPER_SIGN, 2);
    cbor_put_uint(&o, kind);
    cbor_put_hash(&o, subject);
    return call_entry(k, &o, entry, f);
}

/* --- dealing, confirming --- */

static err_t k_deal(void *ctx, struct cbor_out *entry, struct vault_dealt *out, struct fault *f)
{
    struct keeper *k = ctx;
    struct cbor_out o;
    struct cbor_in in;
    memset(out, 0, sizeof *out);
    begin(k, &o, KEEPER_DEAL, 0);
    TRY(call(k, &o, &in, 3, f));
    uint64_t len = cbor_get_uint(&in, ENTRY_MAX);
    keeper_get_points(&in, out->C);
    size_t n = cbor_get_array(&in, 2, TRUSTEES_MAX);
    for (size_t j = 0; j < n && in.err == OK; j++)
        keeper_get_sealed(&in, &out->share[j]);
    TRY(end(k, &in, f));
    return fetch(k, entry, len, f);
}

static err_t k_share_check(void *ctx, uint32_t dealer, const point_t C[TRUSTEES_MAX],
                           const struct sealed *share, struct fault *f)
{
    struct keeper *k = ctx;
    struct cbor_out o;
    begin(k, &o, KEEPER_SHARE_CHECK, 3);
    cbor_put_uint(&o, dealer);
    keeper_put_points(&o, C);
    keeper_put_sealed(&o, share);
    return call_plain(k, &o, f);
}

static err_t k_reveal(void *ctx, struct cbor_out *entry, const struct bytes *complaint, struct fault *f)
{
    struct keeper *k = ctx;
    struct cbor_out o;
    TRY(fits(complaint, VAULT_ENTRY_MAX, f));
    begin(k, &o, KEEPER_REVEAL, 1);
    put_bytes(&o, complaint);
    return call_entry(k, &o, entry, f);
}

static err_t k_confirm(void *ctx, struct cbor_out *entry, const struct vault_shares *s, struct fault *f)
{
    struct keeper *k = ctx;
    struct cbor_out o;
    begin(k, &o, KEEPER_CONFIRM, 4);
    keeper_put_shares(&o, s);
    return call_entry(k, &o, entry, f);
}

static err_t k_drill(void *ctx, struct cbor_out *entry, const struct vault_shares *s,
                     const struct bytes *confirmation, const hash_t *record, const hash_t *challenge,
                     struct fault *f)
{
    struct keeper *k = ctx;
    struct cbor_out o;
    TRY(fits(confirmation, VAULT_ENTRY_MAX, f));
    begin(k, &o, KEEPER_DRILL, 7);
    keeper_put_shares(&o, s);
    put_bytes(&o, confirmation);
    cbor_put_hash(&o, record);
    cbor_put_hash(&o, challenge);
    return call_entry(k, &o, entry, f);
}

/* --- the plan --- */

static err_t offer_plan(struct keeper *k, const hash_t *id, int *taken, struct fault *f)
{
    struct cbor_out o;
    struct cbor_in in;
    begin(k, &o, KEEPER_PLAN, 1);
    cbor_put_hash(&o, id);
    TRY(call(k, &o, &in, 1, f));
    *taken = (int)cbor_get_uint(&in, 1);
    return end(k, &in, f);
}

static err_t k_plan(void *ctx, const hash_t *id, const struct bytes *plan, struct fault *f)
{
    struct keeper *k = ctx;
    int taken;
    if (plan->len == 0 || plan->len > VAULT_PLAN_MAX)
        return fault_set(f, ERR_LIMIT, "a plan of %zu bytes", plan->len);
    TRY(offer_plan(k, id, &taken, f));
    if (taken)
        return OK;
    TRY(give(k, plan, f));
    TRY(offer_plan(k, id, &taken, f));
    return taken ? OK : lost(k, f);
}

static err_t k_plan_before(void *ctx, const struct bytes *plan, struct fault *f)
{
    TRY(give(ctx, plan, f));
    return call_op(ctx, KEEPER_PLAN_BEFORE, f);
}

static err_t k_plan_sign(void *ctx, struct cbor_out *entry, struct fault *f)
{
    return call_op_entry(ctx, KEEPER_PLAN_SIGN, entry, f);
}

static err_t k_plan_bound(void *ctx, struct fault *f)
{
    return call_op(ctx, KEEPER_PLAN_BOUND, f);
}

static err_t k_decrypt(void *ctx, struct cbor_out *entry, const struct vault_shares *s,
                       const struct bytes *confirmation, struct fault *f)
{
    struct keeper *k = ctx;
    struct cbor_out o;
    TRY(fits(confirmation, VAULT_ENTRY_MAX, f));
    begin(k, &o, KEEPER_DECRYPT, 5);
    keeper_put_shares(&o, s);
    put_bytes(&o, confirmation);
    return call_entry(k, &o, entry, f);
}

static err_t k_retire(void *ctx, const hash_t *election, const struct bytes *retirement, struct fault *f)
{
    struct keeper *k = ctx;
    struct cbor_out o;
    TRY(fits(retirement, VAULT_ENTRY_MAX, f));
    begin(k, &o, KEEPER_RETIRE, 2);
    cbor_put_hash(&o, election);
    put_bytes(&o, retirement);
    return call_plain(k, &o, f);
}

/* --- opening and closing --- */

static void k_close(void *ctx)
{
    struct keeper *k = ctx;
    struct cbor_out o;
    if (k->pid > 0 && !k->dead) {
        begin(k, &o, KEEPER_CLOSE, 0);
        (void)!wire_send(&k->wire, &o);
    }
    wire_end(&k->wire); /* which ends it in any case */
    while (k->pid > 0 && waitpid(k->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    free(k);
}

static const struct vault_ops keeper_ops = {
    .keys = k_keys,
    .enroll = k_enroll,
    .forget = k_forget,
    .own = k_own,
    .seed_check = k_seed_check,
    .roster = k_roster,
    .roster_sign = k_roster_sign,
    .bind = k_bind,
    .sign = k_sign,
    .deal = k_deal,
    .share_check = k_share_check,
    .reveal = k_reveal,
    .confirm = k_confirm,
    .drill = k_drill,
    .plan = k_plan,
    .plan_before = k_plan_before,
    .plan_sign = k_plan_sign,
    .plan_bound = k_plan_bound,
    .decrypt = k_decrypt,
    .retire = k_retire,
    .close = k_close,
};

static err_t start(struct keeper *k, struct fault *f)
{
    int fd[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd) != 0)
        return fault_set(f, ERR_IO, "no socket for the keeper");
    err_t e = wire_init(&k->wire, fd[0], KEEPER_MAX);
    if (e != OK)
        fault_set(f, e, "no locked memory for the keeper");
    /* In the caller's process group: it asks for the PIN on the terminal, which a background group may not
     * read. */
    const struct process_start how = {.program = k->opt.program,
                                      .verb = "keeper-process",
                                      .fd = fd[1],
                                      .as_fd = KEEPER_FD,
                                      .keep_stderr = 1};
    int r = e != OK                ? 0
            : k->opt.spawn != NULL ? k->opt.spawn(k->opt.spawn_ctx, &k->pid, fd[1])
                                   : process_spawn(&k->pid, &how);
    close(fd[1]);
    if (r != 0) {
        k->pid = 0;
        e = fault_set(f, ERR_TOKEN_FAILED, "the keeper cannot be started: %s", strerror(r));
    }
    return e;
}

err_t keeper_open(struct vault *out, struct sandbox_state *state, const char *uri,
                  const struct keeper_options *opt, struct fault *f)
{
    struct cbor_out o;
    struct cbor_in in;
    memset(out, 0, sizeof *out);
    memset(state, 0, sizeof *state);
    if (strlen(uri) > KEEPER_URI_MAX)
        return fault_set(f, ERR_USAGE, "the token's URI is too long");
    struct keeper *k = calloc(1, sizeof *k);
    if (k == NULL)
        return fault_set(f, ERR_MEMORY, "no memory for the keeper");
    k->wire.fd = -1;
    k->opt = *opt;
    err_t e;
    GO(start(k, f));
    begin(k, &o, KEEPER_OPEN, 6);
    cbor_put_bytes(&o, uri, strlen(uri));
    cbor_put_uint(&o, opt->last_try != 0);
    cbor_put_uint(&o, (unsigned)opt->show);
    cbor_put_uint(&o, opt->pin != NULL);
    cbor_put_uint(&o, (unsigned)opt->language);
    cbor_put_uint(&o, opt->rehearsal != 0);
    GO(call(k, &o, &in, 3, f));
    state->seccomp = (int)cbor_get_uint(&in, 1);
    state->landlock = (int)cbor_get_uint(&in, 1000);
    state->others = (int)cbor_get_uint(&in, 1);
    GO(end(k, &in, f));
    *out = (struct vault){k, &keeper_ops};
    return OK;
out:
    k_close(k);
    return e;
}
