#include "hsm/session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS_MAX 256
#define NSS_MANUFACTURER "Mozilla Foundation"

err_t session_fail(struct session *s, CK_RV rv, const char *call, struct fault *f)
{
    err_t e = rv_err(rv);
    const char *name = rv_name(rv);
    if (e == ERR_TOKEN_REMOVED && s->started)
        s->removed = 1;
    if (name != NULL)
        return fault_set(f, e, "%s returned %s", call, name);
    return fault_set(f, e, "%s returned 0x%08lx, a value of the vendor's own", call, rv);
}

/* --- modules --- */

/* As PKCS#11's structure, but NSS reads one more pointer behind it, which must be NULL. */
struct init_args {
    CK_C_INITIALIZE_ARGS args;
    void *more;
};

static err_t load_one(struct session *s, const char *path, struct fault *f)
{
    struct init_args ia;
    memset(&ia, 0, sizeof ia);
    ia.args.flags = CKF_OS_LOCKING_OK;
    /* The module only reads the string; PKCS#11's structure has no const. */
    ia.args.pReserved = (void *)(uintptr_t)uri_init_reserved(s->uri);
    s->module = p11_kit_module_load(path, P11_KIT_MODULE_UNMANAGED | P11_KIT_MODULE_CRITICAL);
    if (s->module == NULL)
        return fault_set(f, ERR_TOKEN_FAILED, "the module %s cannot be loaded; is its package installed",
                         path);
    CK_RV rv = s->module->C_Initialize(&ia);
    if (rv != CKR_OK)
        return session_fail(s, rv, "C_Initialize", f);
    s->module_started = 1;
    return OK;
}

err_t session_load(struct session *s, const char *uri, struct fault *f)
{
    TRY(uri_parse(&s->uri, uri, f));
    const char *path = p11_kit_uri_get_module_path(s->uri);
    if (path != NULL && s->only_module != NULL && strcmp(path, s->only_module) != 0)
        return fault_set(f, ERR_USAGE, "this module-path was not named when the program was started");
    if (path != NULL)
        return load_one(s, path, f);
    s->modules = p11_kit_modules_load_and_initialize(0);
    if (s->modules == NULL)
        return fault_set(f, ERR_TOKEN_FAILED, "p11-kit cannot load the configured modules");
    return OK;
}

void session_end(struct session *s)
{
    struct wire *wire = s->wire;
    const char *only = s->only_module;
    if (s->started) {
        if (s->logged_in)
            (void)s->p11->C_Logout(s->handle);
        (void)s->p11->C_CloseSession(s->handle);
    }
    if (s->module != NULL) {
        if (s->module_started)
            (void)s->module->C_Finalize(NULL);
        p11_kit_module_release(s->module);
    }
    if (s->modules != NULL)
        p11_kit_modules_finalize_and_release(s->modules);
    if (s->uri != NULL)
        p11_kit_uri_free(s->uri);
    memset(s, 0, sizeof *s);
    s->wire = wire;
    s->only_module = only;
}

/* --- tokens --- */

static int token_matches(struct session *s, CK_FUNCTION_LIST *p11, CK_SLOT_ID slot,
                         const CK_TOKEN_INFO *token)
{
    CK_INFO info;
    CK_SLOT_INFO slot_info;
    CK_SLOT_ID wanted = p11_kit_uri_get_slot_id(s->uri);
    if (wanted != (CK_SLOT_ID)-1 && wanted != slot)
        return 0;
    if (p11->C_GetInfo(&info) != CKR_OK || p11->C_GetSlotInfo(slot, &slot_info) != CKR_OK)
        return 0;
    return p11_kit_uri_match_module_info(s->uri, &info) && p11_kit_uri_match_slot_info(s->uri, &slot_info) &&
           p11_kit_uri_match_token_info(s->uri, token);
}

static err_t walk_module(struct session *s, CK_FUNCTION_LIST *p11, session_token_fn *fn, void *ctx,
                         struct fault *f)
{
    CK_SLOT_ID slots[SLOTS_MAX];
    CK_ULONG count = SLOTS_MAX;
    CK_TOKEN_INFO token;
    CK_RV rv = p11->C_GetSlotList(CK_TRUE, slots, &count);
    /* A configured module that fails is somebody else's; the one that was asked for is an error. */
    if (rv != CKR_OK)
        return s->module == NULL ? OK : session_fail(s, rv, "C_GetSlotList", f);
    for (CK_ULONG i = 0; i < count && i < SLOTS_MAX; i++) {
        memset(&token, 0, sizeof token);
        rv = p11->C_GetTokenInfo(slots[i], &token);
        if (rv == CKR_TOKEN_NOT_PRESENT || rv == CKR_TOKEN_NOT_RECOGNIZED ||
            (rv != CKR_OK && s->module == NULL))
            continue;
        if (rv != CKR_OK)
            return session_fail(s, rv, "C_GetTokenInfo", f);
        TRY(fn(ctx, p11, slots[i], &token, token_matches(s, p11, slots[i], &token), f));
    }
    return OK;
}

err_t session_walk(struct session *s, session_token_fn *fn, void *ctx, struct fault *f)
{
    if (s->module != NULL)
        return walk_module(s, s->module, fn, ctx, f);
    for (CK_FUNCTION_LIST **m = s->modules; *m != NULL; m++)
        TRY(walk_module(s, *m, fn, ctx, f));
    return OK;
}

void session_set_token(struct session *s, CK_FUNCTION_LIST *p11, CK_SLOT_ID slot, const CK_TOKEN_INFO *token)
{
    s->p11 = p11;
    s->slot = slot;
    s->token = *token;
    uri_clean(s->info.label, token->label, sizeof token->label);
    uri_clean(s->info.manufacturer, token->manufacturerID, sizeof token->manufacturerID);
    uri_clean(s->info.model, token->model, sizeof token->model);
    uri_clean(s->info.serial, token->serialNumber, sizeof token->serialNumber);
    s->nss = strcmp(s->info.manufacturer, NSS_MANUFACTURER) == 0;
}

struct pick {
    struct session *s;
    int found, no_pin, uninitialized, others;
    char seen[200]; /* labels of other tokens that could be a trustee's */
};

static err_t pick_visit(void *ctx, CK_FUNCTION_LIST *p11, CK_SLOT_ID slot, const CK_TOKEN_INFO *token,
                        int matches, struct fault *f)
{
    struct pick *p = ctx;
    char label[33];
    (void)f;
    if (!(token->flags & CKF_LOGIN_REQUIRED)) {
        p->no_pin += matches;
        return OK;
    }
    if (!(token->flags & (CKF_TOKEN_INITIALIZED | CKF_USER_PIN_INITIALIZED))) {
        p->uninitialized += matches;
        return OK;
    }
    if (matches) {
        session_set_token(p->s, p11, slot, token);
        p->found++;
        return OK;
    }
    uri_clean(label, token->label, sizeof token->label);
    size_t at = strlen(p->seen);
    if (at + strlen(label) + 5 < sizeof p->seen)
        snprintf(p->seen + at, sizeof p->seen - at, "%s\"%s\"", at > 0 ? ", " : "", label);
    p->others++;
    return OK;
}

err_t session_pick(struct session *s, struct fault *f)
{
    struct pick p = {.s = s};
    TRY(session_walk(s, pick_visit, &p, f));
    if (p.found == 1)
        return OK;
    if (p.found > 1)
        return fault_set(f, ERR_USAGE, "the URI names %d tokens; add token= or serial= to it", p.found);
    if (p.others > 0)
        return fault_set(f, ERR_TOKEN_WRONG, "the URI names none of the tokens that are there: %s", p.seen);
    if (p.no_pin > 0)
        return fault_set(f, ERR_TOKEN_CANNOT, "the token works without a PIN and so protects nothing");
    if (p.uninitialized > 0)
        return fault_set(f, ERR_TOKEN_CANNOT, "the token is not initialised; run token init first");
    return fault_set(f, ERR_TOKEN_ABSENT, "no token that can hold keys is there");
}

err_t session_token_refresh(struct session *s, struct fault *f)
{
    CK_TOKEN_INFO token;
    memset(&token, 0, sizeof token);
    P11(s, f, C_GetTokenInfo, s->slot, &token);
    /* A PIN that was asked for by one token's name is not given to another. */
    if (memcmp(token.label, s->token.label, sizeof token.label) != 0 ||
        memcmp(token.serialNumber, s->token.serialNumber, sizeof token.serialNumber) != 0) {
        s->removed = 1;
        return fault_set(f, ERR_TOKEN_WRONG, "another token is in the place of \"%s\" (%s)", s->info.label,
                         s->info.serial);
    }
    s->token = token;
    return OK;
}

err_t session_start(struct session *s, struct fault *f)
{
    P11(s, f, C_OpenSession, s->slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &s->handle);
    s->started = 1;
    return OK;
}

/* --- login --- */

/* *pin: a view into the incoming buffer, NULL for the keypad. */
static err_t ask_pin(struct session *s, const uint8_t **pin, size_t *len, struct fault *f)
{
    struct cbor_out o;
    struct cbor_in in;
    struct fault inner;
    size_t items;
    int keypad = (s->token.flags & CKF_PROTECTED_AUTHENTICATION_PATH) != 0;
    wire_begin(s->wire, &o, 6);
    cbor_put_uint(&o, WIRE_ASK_PIN);
    cbor_put_text(&o, s->info.label);
    cbor_put_text(&o, s->info.serial);
    cbor_put_uint(&o, (s->token.flags & CKF_USER_PIN_COUNT_LOW) != 0);
    cbor_put_uint(&o, (s->token.flags & CKF_USER_PIN_FINAL_TRY) != 0);
    cbor_put_uint(&o, (unsigned)keypad);
    /* The person may take any time; when the trustee's process ends, the socket closes. */
    if (wire_send(s->wire, &o) != WIRE_GOT || wire_recv(s->wire, -1, &in, &items) != WIRE_GOT)
        return fault_set(f, ERR_TOKEN_FAILED, "the trustee's process did not answer");
    if (items == 1) {
        cbor_get_uint_exact(&in, WIRE_NO_PIN);
        TRY(cbor_in_end(&in, &inner));
        return fault_set(f, ERR_REFUSED, "no PIN was given");
    }
    cbor_get_uint_exact(&in, WIRE_PIN);
    *pin = cbor_get_bytes(&in, keypad ? 0 : 1, keypad ? 0 : HSM_PIN_MAX, len);
    TRY(cbor_in_end(&in, f));
    if (keypad)
        *pin = NULL;
    return OK;
}

/* What a wrong PIN means now: the token's flags say how many tries are left, as far as it tells. */
static err_t pin_refused(struct session *s, CK_RV rv, struct fault *f)
{
    err_t e = session_fail(s, rv, "C_Login", f);
    if (e != ERR_TOKEN_PIN || s->p11->C_GetTokenInfo(s->slot, &s->token) != CKR_OK)
        return e;
    if (s->token.flags & CKF_USER_PIN_LOCKED)
        return fault_set(f, ERR_TOKEN_LOCKED, "C_Login returned %s, and the token is locked now",
                         rv_name(rv));
    if (s->token.flags & CKF_USER_PIN_FINAL_TRY)
        return fault_set(f, e, "C_Login returned %s; one try is left before the token locks", rv_name(rv));
    return fault_set(f, e, "C_Login returned %s; it was tried once and is not tried again", rv_name(rv));
}

static err_t login_allowed(struct session *s, struct fault *f)
{
    if (s->login_refused)
        return fault_set(f, ERR_TOKEN_PIN,
                         "the login failed before and is not tried again with the same PIN");
    TRY(session_token_refresh(s, f));
    if (s->token.flags & CKF_USER_PIN_LOCKED)
        return fault_set(f, ERR_TOKEN_LOCKED, "too many wrong PINs were given (CKF_USER_PIN_LOCKED)");
    if (!(s->token.flags & CKF_USER_PIN_INITIALIZED))
        return fault_set(f, ERR_TOKEN_CANNOT, "the token has no PIN yet; run token init first");
    if ((s->token.flags & CKF_USER_PIN_FINAL_TRY) && !s->last_try)
        return fault_set(f, ERR_TOKEN_LAST_TRY,
                         "the token says that one try is left (CKF_USER_PIN_FINAL_TRY)");
    return OK;
}

err_t session_login(struct session *s, struct fault *f)
{
    const uint8_t *pin = NULL;
    size_t len = 0;
    if (s->logged_in)
        return OK;
    err_t e = login_allowed(s, f);
    if (e == OK)
        e = ask_pin(s, &pin, &len, f);
    if (e == OK) {
        CK_RV rv = s->p11->C_Login(s->handle, CKU_USER, (CK_UTF8CHAR *)(uintptr_t)pin, len);
        wire_wipe(s->wire);
        secret_burn_stack();
        if (rv == CKR_OK || rv == CKR_USER_ALREADY_LOGGED_IN) {
            s->logged_in = 1;
            return OK;
        }
        s->login_refused = rv_err(rv) == ERR_TOKEN_PIN;
        e = pin_refused(s, rv, f);
    }
    wire_wipe(s->wire);
    return e;
}

/* --- objects --- */

err_t session_find(struct session *s, CK_OBJECT_HANDLE *out, CK_ULONG *count, CK_ULONG max,
                   CK_ATTRIBUTE *wanted, CK_ULONG wanted_count, struct fault *f)
{
    CK_OBJECT_HANDLE extra;
    CK_ULONG n = 0, extra_count = 0;
    *count = 0;
    P11(s, f, C_FindObjectsInit, s->handle, wanted, wanted_count);
    CK_RV rv;
    do {
        n = 0;
        rv = s->p11->C_FindObjects(s->handle, out + *count, max - *count, &n);
        *count += rv == CKR_OK && n <= max - *count ? n : 0;
    } while (rv == CKR_OK && n > 0 && *count < max);
    if (rv == CKR_OK && *count == max)
        rv = s->p11->C_FindObjects(s->handle, &extra, 1, &extra_count);
    CK_RV end = s->p11->C_FindObjectsFinal(s->handle);
    if (rv != CKR_OK)
        return session_fail(s, rv, "C_FindObjects", f);
    if (end != CKR_OK)
        return session_fail(s, end, "C_FindObjectsFinal", f);
    if (extra_count > 0)
        return fault_set(f, ERR_TOKEN_FAILED, "the token holds more than %lu objects of one name", max);
    return OK;
}

err_t session_get(struct session *s, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type, void *buf, CK_ULONG max,
                  CK_ULONG *len, struct fault *f)
{
    CK_ATTRIBUTE a = {type, buf, max};
    CK_RV rv = s->p11->C_GetAttributeValue(s->handle, object, &a, 1);
    *len = CK_UNAVAILABLE_INFORMATION;
    if (rv == CKR_ATTRIBUTE_SENSITIVE || rv == CKR_ATTRIBUTE_TYPE_INVALID)
        return OK;
    if (rv != CKR_OK && rv != CKR_BUFFER_TOO_SMALL)
        return session_fail(s, rv, "C_GetAttributeValue", f);
    if (rv == CKR_BUFFER_TOO_SMALL || (a.ulValueLen > max && a.ulValueLen != CK_UNAVAILABLE_INFORMATION))
        *len = max + 1;
    else
        *len = a.ulValueLen;
    return OK;
}

err_t session_destroy(struct session *s, CK_OBJECT_HANDLE object, struct fault *f)
{
    P11(s, f, C_DestroyObject, s->handle, object);
    return OK;
}
