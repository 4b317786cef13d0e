/* The keeper process: a local vault over the token, for whoever holds the other end of the socket. */
#include <fcntl.h>
#include <locale.h>
#include <omp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "appliance/keeper.h"
#include "appliance/keeper_page.h"
#include "appliance/keeper_wire.h"
#include "ceremony/base/secret.h"
#include "ceremony/vault_local.h"
#include "hsm/hsm.h"

struct process {
    struct wire wire;
    uint8_t *request; /* a copy: asking for the terminal reuses the frame */
    struct cbor_in in;
    struct cbor_out out;
    struct cbor_out entry; /* what was signed last */
    uint8_t *input;        /* what KEEPER_PUT gave */
    size_t input_len, input_cap;
    struct vault vault;
    int open, tty, asks;
    const char *module; /* the only one that a URI may name; NULL: any */
    struct keeper_page page;
};

typedef err_t op_fn(struct process *p, struct fault *f);

static void reply(struct process *p, size_t results)
{
    wire_begin(&p->wire, &p->out, 1 + results);
    cbor_put_uint(&p->out, OK);
}

/* --- the terminal --- */

static err_t borrow(struct process *p, int lend, struct fault *f)
{
    struct cbor_out o;
    struct cbor_in in;
    size_t items;
    wire_begin(&p->wire, &o, 2);
    cbor_put_uint(&o, KEEPER_TERMINAL);
    cbor_put_uint(&o, (unsigned)lend);
    if (wire_send(&p->wire, &o) != WIRE_GOT || wire_recv(&p->wire, -1, &in, &items) != WIRE_GOT)
        return fault_set(f, ERR_STOPPED, "the trustee's process has ended");
    cbor_get_uint_exact(&in, KEEPER_GO);
    return cbor_in_end(&in, f);
}

/* On the caller's page. */
static err_t ask_caller(struct process *p, char *secret_out, size_t max, const struct hsm_pin_info *info,
                        struct fault *f)
{
    struct cbor_out o;
    struct cbor_in in;
    size_t items, len = 0;
    char detail[KEEPER_DETAIL_MAX + 1];
    wire_begin(&p->wire, &o, 6);
    cbor_put_uint(&o, KEEPER_ASK_PIN);
    cbor_put_text(&o, info->label);
    cbor_put_text(&o, info->serial);
    cbor_put_uint(&o, info->tries_low != 0);
    cbor_put_uint(&o, info->final_try != 0);
    cbor_put_uint(&o, info->keypad != 0);
    if (wire_send(&p->wire, &o) != WIRE_GOT || wire_recv(&p->wire, -1, &in, &items) != WIRE_GOT)
        return fault_set(f, ERR_STOPPED, "the trustee's process has ended");
    err_t e = OK;
    if (items == 3) {
        cbor_get_uint_exact(&in, KEEPER_NO);
        e = (err_t)cbor_get_uint(&in, ERR_STOPPED);
    } else {
        cbor_get_uint_exact(&in, KEEPER_GO);
    }
    const uint8_t *b = cbor_get_bytes(&in, 0, items == 3 ? KEEPER_DETAIL_MAX : HSM_PIN_MAX, &len);
    if (cbor_in_end(&in, f) != OK)
        e = ERR_FORMAT;
    else if (items == 3) {
        memcpy(detail, b, len);
        detail[len] = '\0';
        e = fault_set(f, e != OK ? e : ERR_REFUSED, "%s", detail);
    } else if (secret_out != NULL && len < max) {
        memset(secret_out, 0, max);
        memcpy(secret_out, b, len);
    }
    wire_wipe(&p->wire);
    return e;
}

/* What stands before the PIN. */
static err_t pin_question(char *out, size_t out_len, const struct process *p, const struct hsm_pin_info *info)
{
    const char *const about[] = {info->label, info->serial};
    char question[200];
    TRY(message_format(question, sizeof question, p->page.language,
                       info->keypad ? MSG_KEEPER_KEYPAD : MSG_KEEPER_PIN, about, 2));
    const char *warning = info->final_try   ? message_text(p->page.language, MSG_KEEPER_FINAL)
                          : info->tries_low ? message_text(p->page.language, MSG_KEEPER_LOW)
                                            : "";
    snprintf(out, out_len, "%s%s%s%s", warning, warning[0] != '\0' ? "\n" : "", question,
             info->keypad ? "\n" : ": ");
    return OK;
}

static err_t ask_pin(void *ctx, char *secret_out, size_t max, const struct hsm_pin_info *info,
                     struct fault *f)
{
    struct process *p = ctx;
    struct fault given_back;
    char question[400];
    if (p->asks)
        return ask_caller(p, secret_out, max, info, f);
    if (p->tty < 0)
        return fault_set(f, ERR_IO, "there is no terminal to ask for the PIN");
    TRY(pin_question(question, sizeof question, p, info));
    TRY(borrow(p, 1, f));
    err_t e = hsm_pin_prompt_on(p->tty, secret_out, max, info, question, f);
    if (borrow(p, 0, &given_back) != OK && e == OK)
        e = fault_set(f, ERR_STOPPED, "%s", given_back.detail);
    return e;
}

static err_t on_plan(void *ctx, const struct vault_plan *plan, struct fault *f)
{
    struct process *p = ctx;
    struct fault given_back;
    if (p->tty < 0)
        return p->module == NULL ? OK : fault_set(f, ERR_IO, "there is no terminal to compare a plan on");
    TRY(borrow(p, 1, f));
    p->page.tty = p->tty;
    err_t e = keeper_page_plan(&p->page, &plan->id, plan->count, f);
    if (borrow(p, 0, &given_back) != OK && e == OK)
        e = fault_set(f, ERR_STOPPED, "%s", given_back.detail);
    return e;
}

/* --- opening, pieces --- */

/* What loads code comes from the command line, and not from who reads boards. */
static err_t check_module(const struct process *p, const char *uri, struct fault *f)
{
    char module[1024];
    if (p->module == NULL)
        return OK;
    TRY(hsm_uri_module(module, sizeof module, uri, f));
    return module[0] == '\0' || strcmp(module, p->module) == 0
               ? OK
               : fault_set(f, ERR_USAGE, "this module-path was not named when the program was started");
}

static err_t op_open(struct process *p, struct fault *f)
{
    char uri[KEEPER_URI_MAX + 1];
    size_t len;
    struct keystore ks;
    struct sandbox_state state;
    const uint8_t *text = cbor_get_bytes(&p->in, 1, KEEPER_URI_MAX, &len);
    int last_try = (int)cbor_get_uint(&p->in, 1);
    p->page.show = (enum keeper_show)cbor_get_uint(&p->in, KEEPER_LINES);
    p->asks = (int)cbor_get_uint(&p->in, 1);
    p->page.language = (enum language)cbor_get_uint(&p->in, LANGUAGE_COUNT - 1);
    p->page.rehearsal = (int)cbor_get_uint(&p->in, 1);
    TRY(cbor_in_end(&p->in, f));
    memcpy(uri, text, len);
    uri[len] = '\0';
    /* Whoever the launcher started this for reads boards, and does not get a plan signed unseen. */
    if (p->module != NULL && p->page.show == KEEPER_PRINT)
        return fault_set(f, ERR_USAGE, "a plan's words must be compared where the screens ask for it");
    TRY(check_module(p, uri, f));
    p->tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    struct hsm_options opt = {
        .program = "/proc/self/exe", .pin = ask_pin, .pin_ctx = p, .last_try = last_try, .open_pin_file = 1};
    TRY(hsm_open(&ks, uri, &opt, f));
    err_t e = vault_local_open(&p->vault, &ks, f);
    if (e != OK) {
        ks.ops->close(ks.ctx);
        return e;
    }
    p->open = 1;
    vault_local_on_plan(&p->vault, on_plan, p);
    sandbox_enter(&state, SANDBOX_KEEPER, NULL, 0);
    reply(p, 3);
    cbor_put_uint(&p->out, (unsigned)state.seccomp);
    cbor_put_uint(&p->out, (unsigned)state.landlock);
    cbor_put_uint(&p->out, (unsigned)state.others);
    return OK;
}

static err_t op_put(struct process *p, struct fault *f)
{
    size_t len;
    const uint8_t *piece = cbor_get_bytes(&p->in, 1, KEEPER_PIECE, &len);
    TRY(cbor_in_end(&p->in, f));
    if (len > VAULT_PLAN_MAX - p->input_len)
        return fault_set(f, ERR_LIMIT, "more than a plan can be");
    if (len > p->input_cap - p->input_len) {
        size_t cap = p->input_cap > 0 ? 2 * p->input_cap : 2 * (size_t)KEEPER_PIECE;
        uint8_t *more = realloc(p->input, cap);
        if (more == NULL)
            return fault_set(f, ERR_MEMORY, "keeper");
        p->input = more;
        p->input_cap = cap;
    }
    memcpy(p->input + p->input_len, piece, len);
    p->input_len += len;
    reply(p, 0);
    return OK;
}

static void drop_input(struct process *p)
{
    free(p->input);
    p->input = NULL;
    p->input_len = p->input_cap = 0;
}

static err_t op_get(struct process *p, struct fault *f)
{
    size_t at = cbor_get_uint(&p->in, ENTRY_MAX);
    TRY(cbor_in_end(&p->in, f));
    if (at >= p->entry.len)
        return fault_set(f, ERR_BUG, "nothing there was signed");
    size_t n = p->entry.len - at < KEEPER_PIECE ? p->entry.len - at : KEEPER_PIECE;
    reply(p, 1);
    cbor_put_bytes(&p->out, p->entry.data + at, n);
    return OK;
}

/* --- replies --- */

static err_t done(struct process *p, err_t e)
{
    if (e == OK)
        reply(p, 0);
    return e;
}

static err_t signed_entry(struct process *p, err_t e, size_t more)
{
    if (e == OK) {
        reply(p, 1 + more);
        cbor_put_uint(&p->out, p->entry.len);
    }
    return e;
}

static struct bytes get_bytes(struct cbor_in *in, size_t max)
{
    size_t len;
    const uint8_t *p = cbor_get_bytes(in, 1, max, &len);
    return (struct bytes){p, len};
}

/* --- keys, enrolment, roster --- */

static err_t op_keys(struct process *p, struct fault *f)
{
    TRY(cbor_in_end(&p->in, f));
    struct vault_keys *keys = malloc(sizeof *keys);
    if (keys == NULL)
        return fault_set(f, ERR_MEMORY, "keeper");
    err_t e = p->vault.ops->keys(p->vault.ctx, keys, f);
    if (e == OK) {
        reply(p, 2);
        cbor_put_uint(&p->out, keys->enrolled);
        cbor_put_array(&p->out, keys->count);
        for (size_t i = 0; i < keys->count; i++)
            keeper_put_key(&p->out, &keys->key[i]);
    }
    free(keys);
    return e;
}

static err_t op_enroll(struct process *p, struct fault *f)
{
    struct vault_person who;
    struct vault_key key;
    struct sealed seed;
    char name[TEXT_TITLE_MAX + 1], organisation[TEXT_TITLE_MAX + 1];
    cbor_get_hash(&p->in, &who.election);
    who.n = (uint32_t)cbor_get_uint(&p->in, TRUSTEES_MAX);
    who.t = (uint32_t)cbor_get_uint(&p->in, TRUSTEES_MAX);
    cbor_get_text(&p->in, name, TEXT_TITLE_MAX);
    cbor_get_text(&p->in, organisation, TEXT_TITLE_MAX);
    TRY(cbor_in_end(&p->in, f));
    who.name = name;
    who.organisation = organisation;
    err_t e = p->vault.ops->enroll(p->vault.ctx, &p->entry, &key, &seed, &who, f);
    TRY(signed_entry(p, e, 2));
    keeper_put_key(&p->out, &key);
    keeper_put_sealed(&p->out, &seed);
    return OK;
}

static err_t op_forget(struct process *p, struct fault *f)
{
    TRY(cbor_in_end(&p->in, f));
    return done(p, p->vault.ops->forget(p->vault.ctx, f));
}

static err_t op_own(struct process *p, struct fault *f)
{
    struct vault_own own;
    struct sealed seed;
    cbor_get_hash(&p->in, &own.election);
    cbor_get_fixed(&p->in, own.label.b, KEY_LABEL_LEN);
    own.enrolment = get_bytes(&p->in, VAULT_ENROLMENT_MAX);
    own.seed = NULL;
    if (!cbor_get_null(&p->in)) {
        keeper_get_sealed(&p->in, &seed);
        own.seed = &seed;
    }
    TRY(cbor_in_end(&p->in, f));
    return done(p, p->vault.ops->own(p->vault.ctx, &own, f));
}

static err_t op_seed_check(struct process *p, struct fault *f)
{
    TRY(cbor_in_end(&p->in, f));
    return done(p, p->vault.ops->seed_check(p->vault.ctx, f));
}

static err_t op_roster(struct process *p, struct fault *f)
{
    struct vault_roster r;
    memset(&r, 0, sizeof r);
    cbor_get_hash(&p->in, &r.ceremony);
    r.n = (uint32_t)cbor_get_array(&p->in, 2, TRUSTEES_MAX);
    for (uint32_t j = 0; j < r.n; j++)
        r.enrolment[j] = get_bytes(&p->in, VAULT_ENROLMENT_MAX);
    TRY(cbor_in_end(&p->in, f));
    return done(p, p->vault.ops->roster(p->vault.ctx, &r, f));
}

static err_t op_roster_sign(struct process *p, struct fault *f)
{
    TRY(cbor_in_end(&p->in, f));
    return signed_entry(p, p->vault.ops->roster_sign(p->vault.ctx, &p->entry, f), 0);
}

static err_t op_bind(struct process *p, struct fault *f)
{
    TRY(cbor_in_end(&p->in, f));
    return done(p, p->vault.ops->bind(p->vault.ctx, f));
}

static err_t op_sign(struct process *p, struct fault *f)
{
    hash_t subject;
    enum entry_kind kind = (enum entry_kind)cbor_get_uint(&p->in, ENTRY_KINDS - 1);
    cbor_get_hash(&p->in, &subject);
    TRY(cbor_in_end(&p->in, f));
    struct bytes statement = {p->input, p->input_len};
    err_t e = p->vault.ops->sign(p->vault.ctx, &p->entry, kind, &subject, &statement, f);
    drop_input(p);
    return signed_entry(p, e, 0);
}

/* --- dealing, confirming --- */

static err_t op_deal(struct process *p, struct fault *f)
{
    TRY(cbor_in_end(&p->in, f));
    struct vault_dealt *dealt = malloc(sizeof *dealt);
    if (dealt == NULL)
        return fault_set(f, ERR_MEMORY, "keeper");
    err_t e = signed_entry(p, p->vault.ops->deal(p->vault.ctx, &p->entry, dealt, f), 2);
    uint32_t n = TRUSTEES_MAX;
    if (e == OK) {
        keeper_put_points(&p->out, dealt->C);
        while (n > 0 && dealt->share[n - 1].enc[0] == 0) /* 04 where there is one */
            n--;
        cbor_put_array(&p->out, n);
        for (uint32_t j = 0; j < n; j++)
            keeper_put_sealed(&p->out, &dealt->share[j]);
    }
    free(dealt);
    return e;
}

static err_t op_share_check(struct process *p, struct fault *f)
{
    point_t C[TRUSTEES_MAX];
    struct sealed share;
    uint32_t dealer = (uint32_t)cbor_get_uint(&p->in, TRUSTEES_MAX);
    keeper_get_points(&p->in, C);
    keeper_get_sealed(&p->in, &share);
    TRY(cbor_in_end(&p->in, f));
    return done(p, p->vault.ops->share_check(p->vault.ctx, dealer, C, &share, f));
}

static err_t op_reveal(struct process *p, struct fault *f)
{
    struct bytes complaint = get_bytes(&p->in, VAULT_ENTRY_MAX);
    TRY(cbor_in_end(&p->in, f));
    return signed_entry(p, p->vault.ops->reveal(p->vault.ctx, &p->entry, &complaint, f), 0);
}

/* Operations that start with the shares. */
static err_t with_shares(struct process *p, struct fault *f,
                         err_t (*run)(struct process *p, const struct vault_shares *s, struct fault *f))
{
    struct vault_shares *s = malloc(sizeof *s);
    if (s == NULL)
        return fault_set(f, ERR_MEMORY, "keeper");
    keeper_get_shares(&p->in, s);
    err_t e = signed_entry(p, run(p, s, f), 0);
    free(s);
    return e;
}

static err_t run_confirm(struct process *p, const struct vault_shares *s, struct fault *f)
{
    TRY(cbor_in_end(&p->in, f));
    return p->vault.ops->confirm(p->vault.ctx, &p->entry, s, f);
}

static err_t run_drill(struct process *p, const struct vault_shares *s, struct fault *f)
{
    hash_t record, challenge;
    struct bytes confirmation = get_bytes(&p->in, VAULT_ENTRY_MAX);
    cbor_get_hash(&p->in, &record);
    cbor_get_hash(&p->in, &challenge);
    TRY(cbor_in_end(&p->in, f));
    return p->vault.ops->drill(p->vault.ctx, &p->entry, s, &confirmation, &record, &challenge, f);
}

static err_t run_decrypt(struct process *p, const struct vault_shares *s, struct fault *f)
{
    struct bytes confirmation = get_bytes(&p->in, VAULT_ENTRY_MAX);
    TRY(cbor_in_end(&p->in, f));
    return p->vault.ops->decrypt(p->vault.ctx, &p->entry, s, &confirmation, f);
}

static err_t op_confirm(struct process *p, struct fault *f)
{
    return with_shares(p, f, run_confirm);
}

static err_t op_drill(struct process *p, struct fault *f)
{
    return with_shares(p, f, run_drill);
}

static err_t op_decrypt(struct process *p, struct fault *f)
{
    return with_shares(p, f, run_decrypt);
}

/* --- the plan, retiring --- */

static err_t op_plan(struct process *p, struct fault *f)
{
    hash_t id;
    struct bytes plan = {p->input, p->input_len};
    cbor_get_hash(&p->in, &id);
    TRY(cbor_in_end(&p->in, f));
    /* Without bytes it is a question: is this plan here already? */
    err_t e = p->vault.ops->plan(p->vault.ctx, &id, &plan, f);
    int asked = plan.len == 0;
    drop_input(p);
    if (e != OK && !asked)
        return e;
    fault_clear(f);
    reply(p, 1);
    cbor_put_uint(&p->out, e == OK);
    return OK;
}

static err_t op_plan_before(struct process *p, struct fault *f)
{
    struct bytes plan = {p->input, p->input_len};
    TRY(cbor_in_end(&p->in, f));
    err_t e = p->vault.ops->plan_before(p->vault.ctx, &plan, f);
    drop_input(p);
    return done(p, e);
}

static err_t op_plan_sign(struct process *p, struct fault *f)
{
    TRY(cbor_in_end(&p->in, f));
    return signed_entry(p, p->vault.ops->plan_sign(p->vault.ctx, &p->entry, f), 0);
}

static err_t op_plan_bound(struct process *p, struct fault *f)
{
    TRY(cbor_in_end(&p->in, f));
    return done(p, p->vault.ops->plan_bound(p->vault.ctx, f));
}

static err_t op_retire(struct process *p, struct fault *f)
{
    hash_t election;
    cbor_get_hash(&p->in, &election);
    struct bytes retirement = get_bytes(&p->in, VAULT_ENTRY_MAX);
    TRY(cbor_in_end(&p->in, f));
    return done(p, p->vault.ops->retire(p->vault.ctx, &election, &retirement, f));
}

/* --- the loop --- */

static const struct {
    op_fn *fn;
    size_t args;
} ops[] = {
    [KEEPER_OPEN] = {op_open, 6},
    [KEEPER_PUT] = {op_put, 1},
    [KEEPER_GET] = {op_get, 1},
    [KEEPER_KEYS] = {op_keys, 0},
    [KEEPER_ENROLL] = {op_enroll, 5},
    [KEEPER_FORGET] = {op_forget, 0},
    [KEEPER_OWN] = {op_own, 4},
    [KEEPER_SEED_CHECK] = {op_seed_check, 0},
    [KEEPER_ROSTER] = {op_roster, 2},
    [KEEPER_ROSTER_SIGN] = {op_roster_sign, 0},
    [KEEPER_BIND] = {op_bind, 0},
    [KEEPER_SIGN] = {op_sign, 2},
    [KEEPER_DEAL] = {op_deal, 0},
    [KEEPER_SHARE_CHECK] = {op_share_check, 3},
    [KEEPER_REVEAL] = {op_reveal, 1},
    [KEEPER_CONFIRM] = {op_confirm, 4},
    [KEEPER_DRILL] = {op_drill, 7},
    [KEEPER_PLAN] = {op_plan, 1},
    [KEEPER_PLAN_BEFORE] = {op_plan_before, 0},
    [KEEPER_PLAN_SIGN] = {op_plan_sign, 0},
    [KEEPER_PLAN_BOUND] = {op_plan_bound, 0},
    [KEEPER_DECRYPT] = {op_decrypt, 5},
    [KEEPER_RETIRE] = {op_retire, 2},
};

static err_t serve_op(struct process *p, uint64_t op, size_t items, struct fault *f)
{
    if (op >= sizeof ops / sizeof ops[0] || ops[op].fn == NULL || items != ops[op].args + 1 ||
        p->open != (op != KEEPER_OPEN))
        return fault_set(f, ERR_BUG, "the keeper was asked for something unknown, or out of order");
    if (op != KEEPER_GET)
        cbor_out_free(&p->entry);
    return ops[op].fn(p, f);
}

static int serve_one(struct process *p)
{
    struct fault f;
    size_t items;
    fault_clear(&f);
    if (wire_recv(&p->wire, -1, &p->in, &items) != WIRE_GOT)
        return 0;
    memcpy(p->request, p->in.data, p->in.len);
    p->in.data = p->request;
    uint64_t op = cbor_get_uint(&p->in, KEEPER_CLOSE);
    if (p->in.err != OK || op == KEEPER_CLOSE)
        return 0;
    err_t e = serve_op(p, op, items, &f);
    if (e != OK) {
        wire_begin(&p->wire, &p->out, 4);
        cbor_put_uint(&p->out, (uint64_t)e);
        cbor_put_bytes(&p->out, f.detail, strnlen(f.detail, KEEPER_DETAIL_MAX));
        cbor_put_bytes(&p->out, f.who, strnlen(f.who, KEEPER_WHO_MAX));
        cbor_put_bytes(&p->out, f.file, strnlen(f.file, KEEPER_FILE_MAX));
    }
    return wire_send(&p->wire, &p->out) == WIRE_GOT;
}

int keeper_main(int fd, const char *module)
{
    struct process p = {.wire = {.fd = fd}, .tty = -1, .module = module};
    int status = 1;
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* the token's process is not killed: it may be writing */
    signal(SIGTTOU, SIG_IGN);
    setlocale(LC_CTYPE, ""); /* before it may not open files any more */
    omp_set_num_threads(1);  /* nor start threads: what it made is checked by this one */
    if (secret_init() == OK && wire_init(&p.wire, fd, KEEPER_MAX) == OK &&
        (p.request = malloc(KEEPER_MAX)) != NULL) {
        while (serve_one(&p))
            ;
        if (p.open)
            p.vault.ops->close(p.vault.ctx);
        status = 0;
    }
    drop_input(&p);
    cbor_out_free(&p.entry);
    free(p.request);
    wire_end(&p.wire);
    return status;
}
