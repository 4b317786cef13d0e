#include "hsm/bind.h"

#include <string.h>

#include "hsm/keys.h"

#define BINDINGS_MAX 8
#define OID_MAX 24
#define KEY_ID_LEN (OBJECT_ID_LEN + HASH_LEN) /* of the substitute: what it is, then the value */
#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static const char *const binding_word[] = {[BIND_CEREMONY] = "bind-ceremony", [BIND_PLAN] = "bind-plan"};

struct bound_object {
    CK_OBJECT_HANDLE handle;
    hash_t value;
};

/* DER of 2.25.N: N in base 128, most significant first, at least one digit. */
static size_t label_oid(uint8_t out[OID_MAX], const struct key_label *label)
{
    uint8_t digit[19];
    int first = (int)sizeof digit - 1;
    for (int i = 0; i < (int)sizeof digit; i++) { /* 7 bits each, least significant first */
        int bit = 7 * i;
        unsigned v = 0;
        for (int k = 6; k >= 0; k--) {
            int b = bit + k;
            v = v << 1 | (b < 128 ? (label->b[15 - b / 8] >> (b % 8)) & 1u : 0);
        }
        digit[sizeof digit - 1 - (size_t)i] = (uint8_t)v;
    }
    for (int i = (int)sizeof digit - 1; i >= 0; i--)
        if (digit[i] != 0)
            first = i;
    size_t n = 0;
    out[n++] = 0x06;
    out[n++] = (uint8_t)(1 + sizeof digit - (size_t)first);
    out[n++] = 2 * 40 + 25;
    for (int i = first; i < (int)sizeof digit; i++)
        out[n++] = (uint8_t)(digit[i] | (i + 1 < (int)sizeof digit ? 0x80 : 0));
    return n;
}

/* --- reading --- */

static void key_id(uint8_t out[KEY_ID_LEN], enum binding what, const struct key_label *label,
                   const hash_t *value)
{
    out[0] = what == BIND_CEREMONY ? 0x11 : 0x12;
    memcpy(out + 1, label->b, KEY_LABEL_LEN);
    memcpy(out + OBJECT_ID_LEN, value->b, HASH_LEN);
}

static err_t read_value(struct session *s, hash_t *value, CK_OBJECT_HANDLE object, CK_OBJECT_CLASS class,
                        struct fault *f)
{
    uint8_t buf[KEY_ID_LEN];
    CK_ULONG len, at = class == CKO_DATA ? 0 : OBJECT_ID_LEN;
    TRY(session_get(s, object, class == CKO_DATA ? CKA_VALUE : CKA_ID, buf, sizeof buf, &len, f));
    if (len != at + HASH_LEN)
        return fault_set(f, ERR_TOKEN_BOUND, "a binding of this enrolment in the token is not readable");
    memcpy(value->b, buf + at, HASH_LEN);
    return OK;
}

/* Objects of one class with this name, appended to out. */
static err_t find_class(struct session *s, struct bound_object *out, size_t *count, const char *name,
                        CK_OBJECT_CLASS class, struct fault *f)
{
    CK_BBOOL yes = CK_TRUE;
    CK_OBJECT_HANDLE found[BINDINGS_MAX];
    CK_ULONG n;
    CK_ATTRIBUTE t[] = {{CKA_CLASS, &class, sizeof class},
                        {CKA_TOKEN, &yes, sizeof yes},
                        {CKA_LABEL, (void *)(uintptr_t)name, strlen(name)}};
    TRY(session_find(s, found, &n, BINDINGS_MAX - *count, t, COUNT(t), f));
    for (CK_ULONG i = 0; i < n; i++) {
        out[*count].handle = found[i];
        TRY(read_value(s, &out[*count].value, found[i], class, f));
        (*count)++;
    }
    return OK;
}

static err_t find_all(struct session *s, struct bound_object out[BINDINGS_MAX], size_t *count,
                      const struct key_label *label, enum binding what, struct fault *f)
{
    char name[OBJECT_NAME_MAX];
    *count = 0;
    TRY(session_login(s, f));
    keys_name(name, binding_word[what], label);
    TRY(find_class(s, out, count, name, CKO_DATA, f));
    return find_class(s, out, count, name, CKO_SECRET_KEY, f);
}

static int holds(const struct bound_object *b, size_t count, const hash_t *value)
{
    for (size_t i = 0; i < count; i++)
        if (hash_cmp(&b[i].value, value) == 0)
            return 1;
    return 0;
}

/* 1 if every value is a or b. */
static int holds_only(const struct bound_object *o, size_t count, const hash_t *a, const hash_t *b)
{
    for (size_t i = 0; i < count; i++)
        if (hash_cmp(&o[i].value, a) != 0 && hash_cmp(&o[i].value, b) != 0)
            return 0;
    return 1;
}

static err_t two_values(struct fault *f)
{
    return fault_set(
        f, ERR_TOKEN_BOUND,
        "the token is bound to two values, because replacing one was interrupted; repeat that step");
}

err_t bind_get(struct session *s, hash_t *value, const struct key_label *label, enum binding what,
               struct fault *f)
{
    struct bound_object b[BINDINGS_MAX];
    size_t count;
    memset(value, 0, sizeof *value);
    TRY(find_all(s, b, &count, label, what, f));
    if (count == 0)
        return fault_set(f, ERR_MISSING, "nothing is bound in the token for this enrolment");
    if (!holds_only(b, count, &b[0].value, &b[0].value))
        return two_values(f);
    *value = b[0].value;
    return OK;
}

/* --- writing --- */

static int is_refusal(CK_RV rv)
{
    return rv == CKR_ATTRIBUTE_VALUE_INVALID || rv == CKR_ATTRIBUTE_TYPE_INVALID ||
           rv == CKR_ATTRIBUTE_READ_ONLY || rv == CKR_TEMPLATE_INCONSISTENT ||
           rv == CKR_TEMPLATE_INCOMPLETE || rv == CKR_FUNCTION_NOT_SUPPORTED;
}

static CK_RV write_data(struct session *s, const char *name, const struct key_label *label,
                        const hash_t *value)
{
    uint8_t oid[OID_MAX];
    CK_OBJECT_CLASS class = CKO_DATA;
    CK_OBJECT_HANDLE handle;
    CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
    static const char application[] = "conclave";
    CK_ATTRIBUTE t[] = {
        {CKA_CLASS, &class, sizeof class},
        {CKA_TOKEN, &yes, sizeof yes},
        {CKA_PRIVATE, &yes, sizeof yes},
        {CKA_MODIFIABLE, &no, sizeof no},
        {CKA_APPLICATION, (void *)(uintptr_t)application, strlen(application)},
        {CKA_LABEL, (void *)(uintptr_t)name, strlen(name)},
        {CKA_OBJECT_ID, oid, label_oid(oid, label)},
        {CKA_VALUE, (void *)(uintptr_t)value->b, HASH_LEN},
    };
    return s->p11->C_CreateObject(s->handle, t, COUNT(t), &handle);
}

static CK_RV write_key(struct session *s, const char *name, const struct key_label *label, enum binding what,
                       const hash_t *value)
{
    uint8_t id[KEY_ID_LEN];
    CK_OBJECT_CLASS class = CKO_SECRET_KEY;
    CK_KEY_TYPE type = CKK_GENERIC_SECRET;
    CK_OBJECT_HANDLE handle;
    CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
    key_id(id, what, label, value);
    CK_ATTRIBUTE t[] = {
        {CKA_CLASS, &class, sizeof class}, {CKA_KEY_TYPE, &type, sizeof type},
        {CKA_TOKEN, &yes, sizeof yes},     {CKA_PRIVATE, &yes, sizeof yes},
        {CKA_MODIFIABLE, &no, sizeof no},  {CKA_LABEL, (void *)(uintptr_t)name, strlen(name)},
        {CKA_ID, id, sizeof id},           {CKA_VALUE, (void *)(uintptr_t)value->b, HASH_LEN},
    };
    return s->p11->C_CreateObject(s->handle, t, COUNT(t), &handle);
}

/* Writes, and reads back that the token keeps it. */
static err_t write_one(struct session *s, const struct key_label *label, enum binding what,
                       const hash_t *value, struct fault *f)
{
    char name[OBJECT_NAME_MAX];
    struct bound_object b[BINDINGS_MAX];
    size_t count;
    keys_name(name, binding_word[what], label);
    CK_RV rv = write_data(s, name, label, value);
    if (is_refusal(rv))
        rv = write_key(s, name, label, what, value);
    if (rv != CKR_OK)
        return session_fail(s, rv, "C_CreateObject", f);
    TRY(find_all(s, b, &count, label, what, f));
    if (!holds(b, count, value))
        return fault_set(f, ERR_TOKEN_CANNOT, "the token took a binding but does not give it back");
    return OK;
}

err_t bind_put(struct session *s, const struct key_label *label, enum binding what, const hash_t *value,
               struct fault *f)
{
    struct bound_object b[BINDINGS_MAX];
    size_t count;
    TRY(find_all(s, b, &count, label, what, f));
    if (count == 0)
        return write_one(s, label, what, value, f);
    if (!holds_only(b, count, &b[0].value, &b[0].value))
        return two_values(f);
    if (hash_cmp(&b[0].value, value) != 0)
        return fault_set(f, ERR_TOKEN_BOUND, "the token holds another %s for this enrolment",
                         what == BIND_PLAN ? "decryption plan" : "ceremony");
    return OK;
}

err_t bind_replace(struct session *s, const struct key_label *label, enum binding what, const hash_t *from,
                   const hash_t *to, struct fault *f)
{
    struct bound_object b[BINDINGS_MAX];
    size_t count;
    if (what != BIND_PLAN)
        return fault_set(f, ERR_BUG, "only the binding to a plan can be replaced");
    TRY(find_all(s, b, &count, label, what, f));
    if (count == 0 || !holds_only(b, count, from, to))
        return fault_set(f, ERR_TOKEN_BOUND, "the token is not bound to the plan that is to be replaced");
    /* Only the new value is there: the replacement was done before. */
    if (!holds(b, count, to))
        TRY(write_one(s, label, what, to, f));
    for (size_t i = 0; i < count; i++)
        if (hash_cmp(&b[i].value, to) != 0)
            TRY(session_destroy(s, b[i].handle, f));
    return OK;
}

err_t bind_destroy(struct session *s, const struct key_label *label, struct fault *f)
{
    static const CK_OBJECT_CLASS classes[] = {CKO_DATA, CKO_SECRET_KEY};
    char name[OBJECT_NAME_MAX];
    CK_OBJECT_HANDLE found[BINDINGS_MAX];
    CK_ULONG count;
    TRY(session_login(s, f));
    for (enum binding what = BIND_CEREMONY; what <= BIND_PLAN; what++)
        for (size_t c = 0; c < COUNT(classes); c++) {
            CK_OBJECT_CLASS class = classes[c];
            keys_name(name, binding_word[what], label);
            CK_ATTRIBUTE t[] = {{CKA_CLASS, &class, sizeof class}, {CKA_LABEL, name, strlen(name)}};
            TRY(session_find(s, found, &count, BINDINGS_MAX, t, COUNT(t), f));
            for (CK_ULONG i = 0; i < count; i++)
                TRY(session_destroy(s, found[i], f));
        }
    return OK;
}
