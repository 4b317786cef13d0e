#include "hsm/admin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int is_initialized(const CK_TOKEN_INFO *t)
{
    return (t->flags & (CKF_TOKEN_INITIALIZED | CKF_USER_PIN_INITIALIZED)) != 0;
}

/* --- list --- */

struct list {
    struct session *s;
    struct hsm_token *out;
    size_t index, seen;
    int found;
};

static err_t token_uri(struct session *s, char out[512], CK_SLOT_ID slot, const CK_TOKEN_INFO *token)
{
    char *text = NULL;
    P11KitUri *u = p11_kit_uri_new();
    if (u == NULL)
        return ERR_MEMORY;
    out[0] = 0;
    *p11_kit_uri_get_token_info(u) = *token;
    if (!is_initialized(token))
        p11_kit_uri_set_slot_id(u, slot); /* it has no name yet */
    if (s->module != NULL)
        p11_kit_uri_set_module_path(u, p11_kit_uri_get_module_path(s->uri));
    if (uri_init_reserved(s->uri) != NULL)
        p11_kit_uri_set_vendor_query(u, "x-init-reserved", uri_init_reserved(s->uri));
    if (p11_kit_uri_format(u, P11_KIT_URI_FOR_TOKEN | P11_KIT_URI_FOR_SLOT, &text) == P11_KIT_URI_OK &&
        strlen(text) < 512)
        memcpy(out, text, strlen(text) + 1);
    free(text);
    p11_kit_uri_free(u);
    return OK;
}

static err_t list_visit(void *ctx, CK_FUNCTION_LIST *p11, CK_SLOT_ID slot, const CK_TOKEN_INFO *token,
                        int matches, struct fault *f)
{
    struct list *l = ctx;
    (void)f;
    if (!matches || !(token->flags & CKF_LOGIN_REQUIRED) || l->seen++ != l->index)
        return OK;
    struct hsm_token *t = l->out;
    session_set_token(l->s, p11, slot, token);
    t->info = l->s->info;
    t->initialized = is_initialized(token);
    t->pin_set = (token->flags & CKF_USER_PIN_INITIALIZED) != 0;
    t->tries_low = (token->flags & CKF_USER_PIN_COUNT_LOW) != 0;
    t->final_try = (token->flags & CKF_USER_PIN_FINAL_TRY) != 0;
    t->locked = (token->flags & CKF_USER_PIN_LOCKED) != 0;
    t->keypad = (token->flags & CKF_PROTECTED_AUTHENTICATION_PATH) != 0;
    char *file = p11_kit_module_get_filename(p11);
    const char *module = file != NULL ? file : p11_kit_uri_get_module_path(l->s->uri);
    if (module != NULL && strlen(module) < sizeof t->module)
        uri_clean(t->module, (const unsigned char *)module, strlen(module));
    free(file);
    l->found = 1;
    return token_uri(l->s, t->uri, slot, token);
}

err_t admin_token(struct session *s, struct hsm_token *out, int *found, size_t index, struct fault *f)
{
    struct list l = {.s = s, .out = out, .index = index};
    memset(out, 0, sizeof *out);
    err_t e = session_walk(s, list_visit, &l, f);
    *found = l.found;
    return e;
}

/* --- init --- */

struct choice {
    struct session *s;
    struct {
        CK_FUNCTION_LIST *p11;
        CK_SLOT_ID slot;
        CK_TOKEN_INFO token;
        int count;
    } fresh, used;
};

static err_t init_visit(void *ctx, CK_FUNCTION_LIST *p11, CK_SLOT_ID slot, const CK_TOKEN_INFO *token,
                        int matches, struct fault *f)
{
    struct choice *c = ctx;
    (void)f;
    if (!matches || !(token->flags & CKF_LOGIN_REQUIRED) || (token->flags & CKF_WRITE_PROTECTED))
        return OK;
    if (is_initialized(token)) {
        c->used.p11 = p11;
        c->used.slot = slot;
        c->used.token = *token;
        c->used.count++;
    } else {
        c->fresh.p11 = p11;
        c->fresh.slot = slot;
        c->fresh.token = *token;
        c->fresh.count++;
    }
    return OK;
}

static err_t init_choose(struct session *s, const char *force_label, struct fault *f)
{
    struct choice c = {.s = s};
    TRY(session_walk(s, init_visit, &c, f));
    if (force_label[0] == 0 && c.fresh.count == 1) {
        session_set_token(s, c.fresh.p11, c.fresh.slot, &c.fresh.token);
        return OK;
    }
    if (force_label[0] == 0 && c.fresh.count > 1)
        return fault_set(f, ERR_USAGE, "the URI names %d new tokens; add slot-id= to it", c.fresh.count);
    if (c.used.count > 1)
        return fault_set(f, ERR_USAGE, "the URI names %d tokens; add token= or serial= to it", c.used.count);
    if (c.used.count == 0)
        return fault_set(f, ERR_TOKEN_ABSENT, "the URI names no token that can be initialised");
    session_set_token(s, c.used.p11, c.used.slot, &c.used.token);
    if (strcmp(force_label, s->info.label) != 0)
        return fault_set(f, ERR_EXISTS,
                         "the token \"%s\" is in use; to erase it, its present label must be typed exactly",
                         s->info.label);
    return OK;
}

static err_t so_tries(struct session *s, struct fault *f)
{
    if (!is_initialized(&s->token)) /* there is no PIN yet, whatever the flags are */
        return OK;
    if (s->token.flags & CKF_SO_PIN_LOCKED)
        return fault_set(f, ERR_TOKEN_LOCKED, "the security officer's PIN is locked (CKF_SO_PIN_LOCKED)");
    if ((s->token.flags & CKF_SO_PIN_FINAL_TRY) && !s->last_try)
        return fault_set(f, ERR_TOKEN_LAST_TRY,
                         "one try of the security officer's PIN is left (CKF_SO_PIN_FINAL_TRY)");
    return OK;
}

/* PKCS#11 has no const here; the functions only read. NULL: typed on the keypad. */
static CK_UTF8CHAR *pin_arg(const uint8_t *pin, size_t len)
{
    return len == 0 ? NULL : (CK_UTF8CHAR *)(uintptr_t)pin;
}

err_t admin_init(struct session *s, const char *label, const char *force_label, const uint8_t *so_pin,
                 size_t so_pin_len, const uint8_t *user_pin, size_t user_pin_len, struct fault *f)
{
    CK_UTF8CHAR padded[33];
    static const uint8_t empty[1] = {0};
    TRY(init_choose(s, force_label, f));
    TRY(so_tries(s, f));
    memset(padded, ' ', 32);
    memcpy(padded, label, strnlen(label, 32));
    P11(s, f, C_InitToken, s->slot, pin_arg(so_pin, so_pin_len), so_pin_len, padded);
    TRY(session_start(s, f));
    CK_RV rv = s->nss ? s->p11->C_Login(s->handle, CKU_SO, (CK_UTF8CHAR *)(uintptr_t)empty, 0)
                      : s->p11->C_Login(s->handle, CKU_SO, pin_arg(so_pin, so_pin_len), so_pin_len);
    if (rv != CKR_OK)
        return session_fail(s, rv, "C_Login", f);
    s->logged_in = 1;
    P11(s, f, C_InitPIN, s->handle, pin_arg(user_pin, user_pin_len), user_pin_len);
    return OK;
}

/* --- status --- */

static uint64_t memory(CK_ULONG v)
{
    return v == CK_UNAVAILABLE_INFORMATION || v == CK_EFFECTIVELY_INFINITE ? UINT64_MAX : v;
}

err_t admin_status(struct session *s, struct admin_status *out, struct fault *f)
{
    static const CK_MECHANISM_TYPE wanted[] = {CKM_EC_KEY_PAIR_GEN, CKM_ECDSA, CKM_ECDH1_DERIVE};
    CK_MECHANISM_INFO info;
    memset(out, 0, sizeof *out);
    TRY(session_token_refresh(s, f));
    out->flags = s->token.flags;
    out->total_memory = memory(s->token.ulTotalPrivateMemory);
    out->free_memory = memory(s->token.ulFreePrivateMemory);
    out->firmware = (uint64_t)s->token.firmwareVersion.major << 8 | s->token.firmwareVersion.minor;
    out->nss = (uint64_t)s->nss;
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        CK_RV rv = s->p11->C_GetMechanismInfo(s->slot, wanted[i], &info);
        if (rv == CKR_OK)
            out->mechanisms |= 1u << i;
        else if (rv != CKR_MECHANISM_INVALID)
            return session_fail(s, rv, "C_GetMechanismInfo", f);
    }
    return OK;
}
