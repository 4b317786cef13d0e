#include "hsm/keys.h"

#include <stdio.h>
#include <string.h>

static const uint8_t p256_oid[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
static const CK_BBOOL yes = CK_TRUE, no = CK_FALSE;

/* PKCS#11 templates have no const; the functions that read them do not write. */
#define ATTR(type, data, len)                                                                                \
    {                                                                                                        \
        type, (void *)(uintptr_t)(data), len                                                                 \
    }
#define ATTR_YES(type) ATTR(type, &yes, sizeof yes)
#define ATTR_NO(type) ATTR(type, &no, sizeof no)
#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static const char *const role_word[] = {[KEY_IDENTITY] = "identity", [KEY_CEREMONY] = "ceremony"};

void keys_name(char out[OBJECT_NAME_MAX], const char *word, const struct key_label *label)
{
    char hex[2 * KEY_LABEL_LEN + 1];
    hex_put(hex, label->b, KEY_LABEL_LEN);
    snprintf(out, OBJECT_NAME_MAX, "conclave %s %s", word, hex);
}

static void object_id(uint8_t out[OBJECT_ID_LEN], enum key_role role, const struct key_label *label)
{
    out[0] = role == KEY_IDENTITY ? 1 : 2;
    memcpy(out + 1, label->b, KEY_LABEL_LEN);
}

static err_t find_class(struct session *s, CK_OBJECT_HANDLE *out, CK_ULONG *count, CK_ULONG max,
                        CK_OBJECT_CLASS class, const struct key_label *label, enum key_role role,
                        struct fault *f)
{
    uint8_t id[OBJECT_ID_LEN];
    object_id(id, role, label);
    CK_ATTRIBUTE t[] = {ATTR(CKA_CLASS, &class, sizeof class), ATTR_YES(CKA_TOKEN),
                        ATTR(CKA_ID, id, sizeof id)};
    return session_find(s, out, count, max, t, COUNT(t), f);
}

static err_t private_key(struct session *s, CK_OBJECT_HANDLE *out, const struct key_label *label,
                         enum key_role role, struct fault *f)
{
    CK_OBJECT_HANDLE found[2];
    CK_ULONG count;
    TRY(session_login(s, f));
    TRY(find_class(s, found, &count, 2, CKO_PRIVATE_KEY, label, role, f));
    if (count == 0)
        return fault_set(f, ERR_TOKEN_KEY, "the token has no %s key of this enrolment", role_word[role]);
    if (count > 1)
        return fault_set(f, ERR_TOKEN_KEY, "the token has two %s keys of this enrolment", role_word[role]);
    *out = found[0];
    return OK;
}

/* --- attributes, as they must be --- */

enum want { WANT_NO, WANT_YES, WANT_SIGN, WANT_DERIVE };

static const struct {
    CK_ATTRIBUTE_TYPE type;
    const char *name;
    enum want want;
    int may_lack; /* younger than many modules, or about something they cannot do */
} rules[] = {
    {CKA_TOKEN, "CKA_TOKEN", WANT_YES, 0},
    {CKA_PRIVATE, "CKA_PRIVATE", WANT_YES, 0},
    {CKA_SENSITIVE, "CKA_SENSITIVE", WANT_YES, 0},
    {CKA_ALWAYS_SENSITIVE, "CKA_ALWAYS_SENSITIVE", WANT_YES, 0},
    {CKA_EXTRACTABLE, "CKA_EXTRACTABLE", WANT_NO, 0},
    {CKA_NEVER_EXTRACTABLE, "CKA_NEVER_EXTRACTABLE", WANT_YES, 0},
    {CKA_LOCAL, "CKA_LOCAL", WANT_YES, 0},
    {CKA_MODIFIABLE, "CKA_MODIFIABLE", WANT_NO, 0},
    {CKA_COPYABLE, "CKA_COPYABLE", WANT_NO, 1},
    {CKA_SIGN, "CKA_SIGN", WANT_SIGN, 0},
    {CKA_DERIVE, "CKA_DERIVE", WANT_DERIVE, 0},
    {CKA_SIGN_RECOVER, "CKA_SIGN_RECOVER", WANT_NO, 1},
    {CKA_DECRYPT, "CKA_DECRYPT", WANT_NO, 1},
    {CKA_UNWRAP, "CKA_UNWRAP", WANT_NO, 1},
    {CKA_ALWAYS_AUTHENTICATE, "CKA_ALWAYS_AUTHENTICATE", WANT_NO, 1},
};

static err_t bad_attribute(const char *name, const char *how, enum key_role role, struct fault *f)
{
    return fault_set(f, ERR_TOKEN_KEY, "%s of the %s key %s", name, role_word[role], how);
}

static err_t check_flag(struct session *s, CK_OBJECT_HANDLE key, size_t rule, enum key_role role,
                        struct fault *f)
{
    CK_BBOOL value[8] = {CK_FALSE};
    CK_ULONG len;
    int want = rules[rule].want == WANT_YES || (rules[rule].want == WANT_SIGN && role == KEY_IDENTITY) ||
               (rules[rule].want == WANT_DERIVE && role == KEY_CEREMONY);
    TRY(session_get(s, key, rules[rule].type, value, sizeof value, &len, f));
    if (len == CK_UNAVAILABLE_INFORMATION && rules[rule].may_lack)
        return OK;
    if (len != sizeof(CK_BBOOL))
        return bad_attribute(rules[rule].name, "cannot be read", role, f);
    /* NSS never sets CKA_LOCAL; there the two historical attributes, checked above, say it alone. */
    if (s->nss && rules[rule].type == CKA_LOCAL)
        return OK;
    if ((value[0] != CK_FALSE) != want)
        return bad_attribute(rules[rule].name,
                             want ? "is false and must be true" : "is true and must be false", role, f);
    return OK;
}

static err_t check_value_hidden(struct session *s, CK_OBJECT_HANDLE key, enum key_role role, struct fault *f)
{
    void *buf;
    CK_ULONG len;
    TRY(secret_alloc(&buf, 256));
    err_t e = session_get(s, key, CKA_VALUE, buf, 256, &len, f);
    secret_free(buf);
    if (e == OK && len != CK_UNAVAILABLE_INFORMATION)
        e = bad_attribute("CKA_VALUE", "can be read out of the token", role, f);
    return e;
}

static err_t check_private(struct session *s, CK_OBJECT_HANDLE key, enum key_role role, struct fault *f)
{
    uint8_t oid[64];
    CK_ULONG len, type = 0;
    TRY(session_get(s, key, CKA_KEY_TYPE, &type, sizeof type, &len, f));
    if (len != sizeof type || type != CKK_EC)
        return bad_attribute("CKA_KEY_TYPE", "is not CKK_EC", role, f);
    TRY(session_get(s, key, CKA_EC_PARAMS, oid, sizeof oid, &len, f));
    if (len != sizeof p256_oid || memcmp(oid, p256_oid, sizeof p256_oid) != 0)
        return bad_attribute("CKA_EC_PARAMS", "is not P-256", role, f);
    for (size_t i = 0; i < COUNT(rules); i++)
        TRY(check_flag(s, key, i, role, f));
    return check_value_hidden(s, key, role, f);
}

/* The public half: of the public key object, or of the private one where a token keeps no other. */
static err_t read_point(struct session *s, pubkey_t *out, CK_OBJECT_HANDLE private,
                        const struct key_label *label, enum key_role role, struct fault *f)
{
    CK_OBJECT_HANDLE found[2];
    CK_ULONG count, len;
    uint8_t point[128];
    TRY(find_class(s, found, &count, 2, CKO_PUBLIC_KEY, label, role, f));
    if (count > 1)
        return fault_set(f, ERR_TOKEN_KEY, "the token has two public %s keys of this enrolment",
                         role_word[role]);
    TRY(session_get(s, count == 1 ? found[0] : private, CKA_EC_POINT, point, sizeof point, &len, f));
    if (len == CK_UNAVAILABLE_INFORMATION)
        return bad_attribute("CKA_EC_POINT", "cannot be read", role, f);
    err_t e = keys_point(out, point, len);
    if (e == ERR_POINT)
        return bad_attribute("CKA_EC_POINT", "is not a point of P-256", role, f);
    return e;
}

static err_t find_one(struct session *s, pubkey_t *out, const struct key_label *label, enum key_role role,
                      struct fault *f)
{
    CK_OBJECT_HANDLE key;
    TRY(private_key(s, &key, label, role, f));
    TRY(check_private(s, key, role, f));
    return read_point(s, out, key, label, role, f);
}

err_t keys_find(struct session *s, pubkey_t *identity, pubkey_t *ceremony, const struct key_label *label,
                struct fault *f)
{
    memset(ceremony, 0, sizeof *ceremony);
    err_t e = find_one(s, identity, label, KEY_IDENTITY, f);
    if (e == OK)
        e = find_one(s, ceremony, label, KEY_CEREMONY, f);
    if (e != OK)
        memset(identity, 0, sizeof *identity);
    return e;
}

/* --- making --- */

/* A template with an attribute that the module does not know is refused as a whole, and the return
 * value differs between modules. */
static int is_template_error(CK_RV rv)
{
    return rv == CKR_ATTRIBUTE_TYPE_INVALID || rv == CKR_ATTRIBUTE_VALUE_INVALID ||
           rv == CKR_ATTRIBUTE_READ_ONLY || rv == CKR_TEMPLATE_INCONSISTENT || rv == CKR_GENERAL_ERROR;
}

static err_t generate(struct session *s, const struct key_label *label, enum key_role role, struct fault *f)
{
    uint8_t id[OBJECT_ID_LEN];
    char name[OBJECT_NAME_MAX];
    const CK_BBOOL sign = role == KEY_IDENTITY, derive = role == KEY_CEREMONY;
    CK_MECHANISM mechanism = {CKM_EC_KEY_PAIR_GEN, NULL, 0};
    CK_OBJECT_HANDLE public, private;
    object_id(id, role, label);
    keys_name(name, role_word[role], label);
    CK_ATTRIBUTE pub[] = {
        ATTR_YES(CKA_TOKEN),         ATTR_NO(CKA_PRIVATE),
        ATTR_NO(CKA_MODIFIABLE),     ATTR(CKA_VERIFY, &sign, sizeof sign),
        ATTR_NO(CKA_ENCRYPT),        ATTR_NO(CKA_WRAP),
        ATTR_NO(CKA_VERIFY_RECOVER), ATTR(CKA_EC_PARAMS, p256_oid, sizeof p256_oid),
        ATTR(CKA_ID, id, sizeof id), ATTR(CKA_LABEL, name, strlen(name)),
    };
    CK_ATTRIBUTE priv[] = {
        ATTR_YES(CKA_TOKEN),         ATTR_YES(CKA_PRIVATE),
        ATTR_YES(CKA_SENSITIVE),     ATTR_NO(CKA_EXTRACTABLE),
        ATTR_NO(CKA_MODIFIABLE),     ATTR(CKA_SIGN, &sign, sizeof sign),
        ATTR_NO(CKA_DECRYPT),        ATTR_NO(CKA_UNWRAP),
        ATTR_NO(CKA_SIGN_RECOVER),   ATTR(CKA_DERIVE, &derive, sizeof derive),
        ATTR(CKA_ID, id, sizeof id), ATTR(CKA_LABEL, name, strlen(name)),
        ATTR_NO(CKA_COPYABLE),
    };
    CK_RV rv = s->p11->C_GenerateKeyPair(s->handle, &mechanism, pub, COUNT(pub), priv, COUNT(priv), &public,
                                         &private);
    if (is_template_error(rv)) /* once more without CKA_COPYABLE, the last */
        rv = s->p11->C_GenerateKeyPair(s->handle, &mechanism, pub, COUNT(pub), priv, COUNT(priv) - 1, &public,
                                       &private);
    return rv == CKR_OK ? OK : session_fail(s, rv, "C_GenerateKeyPair", f);
}

static err_t label_free(struct session *s, const struct key_label *label, struct fault *f)
{
    CK_OBJECT_HANDLE found[2];
    CK_ULONG count;
    for (enum key_role role = KEY_IDENTITY; role <= KEY_CEREMONY; role++) {
        TRY(find_class(s, found, &count, 2, CKO_PRIVATE_KEY, label, role, f));
        if (count == 0)
            TRY(find_class(s, found, &count, 2, CKO_PUBLIC_KEY, label, role, f));
        if (count > 0)
            return fault_set(f, ERR_EXISTS, "the token has keys of this enrolment already");
    }
    return OK;
}

err_t keys_make(struct session *s, pubkey_t *identity, pubkey_t *ceremony, const struct key_label *label,
                struct fault *f)
{
    struct fault undo;
    memset(identity, 0, sizeof *identity);
    memset(ceremony, 0, sizeof *ceremony);
    TRY(session_login(s, f));
    TRY(label_free(s, label, f));
    err_t e = generate(s, label, KEY_IDENTITY, f);
    if (e == OK)
        e = generate(s, label, KEY_CEREMONY, f);
    if (e == OK)
        e = keys_find(s, identity, ceremony, label, f);
    if (e != OK && !s->removed) {
        /* The first error is the one to report. */
        (void)!keys_destroy(s, label, KEY_CEREMONY, &undo);
        (void)!keys_destroy(s, label, KEY_IDENTITY, &undo);
    }
    return e;
}

err_t keys_destroy(struct session *s, const struct key_label *label, enum key_role role, struct fault *f)
{
    static const CK_OBJECT_CLASS classes[] = {CKO_PRIVATE_KEY, CKO_PUBLIC_KEY};
    CK_OBJECT_HANDLE found[8];
    CK_ULONG count;
    TRY(session_login(s, f));
    for (size_t c = 0; c < COUNT(classes); c++) {
        TRY(find_class(s, found, &count, COUNT(found), classes[c], label, role, f));
        for (CK_ULONG i = 0; i < count; i++)
            TRY(session_destroy(s, found[i], f));
    }
    return OK;
}

/* --- using --- */

err_t keys_sign(struct session *s, uint8_t signature[SIGNATURE_LEN], const struct key_label *label,
                const hash_t *digest, struct fault *f)
{
    CK_MECHANISM mechanism = {CKM_ECDSA, NULL, 0};
    CK_OBJECT_HANDLE key;
    CK_ULONG len = SIGNATURE_LEN;
    memset(signature, 0, SIGNATURE_LEN);
    TRY(private_key(s, &key, label, KEY_IDENTITY, f));
    P11(s, f, C_SignInit, s->handle, &mechanism, key);
    CK_RV rv = s->p11->C_Sign(s->handle, (CK_BYTE *)(uintptr_t)digest->b, HASH_LEN, signature, &len);
    if (rv == CKR_OK && len == SIGNATURE_LEN)
        return OK;
    memset(signature, 0, SIGNATURE_LEN);
    if (rv != CKR_OK)
        return session_fail(s, rv, "C_Sign", f);
    return fault_set(f, ERR_TOKEN_CANNOT, "C_Sign gave %lu bytes in place of %d", len, SIGNATURE_LEN);
}

static CK_RV derive(struct session *s, CK_OBJECT_HANDLE *out, CK_OBJECT_HANDLE key, uint8_t *peer,
                    CK_ULONG len)
{
    CK_OBJECT_CLASS class = CKO_SECRET_KEY;
    CK_KEY_TYPE type = CKK_GENERIC_SECRET;
    CK_ULONG value_len = 32;
    CK_ECDH1_DERIVE_PARAMS params = {CKD_NULL, 0, NULL, len, peer};
    CK_MECHANISM mechanism = {CKM_ECDH1_DERIVE, &params, sizeof params};
    CK_ATTRIBUTE t[] = {
        ATTR(CKA_CLASS, &class, sizeof class),
        ATTR(CKA_KEY_TYPE, &type, sizeof type),
        ATTR_NO(CKA_TOKEN),
        ATTR_YES(CKA_PRIVATE),
        ATTR_NO(CKA_SENSITIVE),
        ATTR_YES(CKA_EXTRACTABLE),
        ATTR(CKA_VALUE_LEN, &value_len, sizeof value_len),
    };
    return s->p11->C_DeriveKey(s->handle, &mechanism, key, t, COUNT(t), out);
}

err_t keys_ecdh(struct session *s, uint8_t secret_x[32], const struct key_label *label,
                const uint8_t peer[65], struct fault *f)
{
    uint8_t der[67] = {0x04, 65};
    CK_OBJECT_HANDLE key, secret;
    CK_ULONG len;
    struct fault undo;
    memset(secret_x, 0, 32);
    TRY(private_key(s, &key, label, KEY_CEREMONY, f));
    memcpy(der + 2, peer, 65);
    /* PKCS#11 wants the bare point and allows the DER form; some modules know only the second. */
    CK_RV rv = derive(s, &secret, key, der + 2, 65);
    if (rv == CKR_MECHANISM_PARAM_INVALID || rv == CKR_ARGUMENTS_BAD || rv == CKR_DATA_INVALID ||
        rv == CKR_DATA_LEN_RANGE)
        rv = derive(s, &secret, key, der, sizeof der);
    if (rv != CKR_OK)
        return session_fail(s, rv, "C_DeriveKey", f);
    err_t e = session_get(s, secret, CKA_VALUE, secret_x, 32, &len, f);
    if (e == OK && len == CK_UNAVAILABLE_INFORMATION)
        e = fault_set(f, ERR_TOKEN_CANNOT, "the result of C_DeriveKey cannot be read");
    else if (e == OK && len != 32)
        e = fault_set(f, ERR_TOKEN_CANNOT, "C_DeriveKey gave %s than 32 bytes", len < 32 ? "less" : "more");
    err_t destroyed = session_destroy(s, secret, e == OK ? f : &undo);
    if (e == OK)
        e = destroyed;
    if (e != OK)
        secret_wipe(secret_x, 32);
    secret_burn_stack();
    return e;
}

err_t keys_labels(struct session *s, struct key_label *out, size_t *count, size_t max, struct fault *f)
{
    enum { HANDLES = 1024 };
    CK_OBJECT_HANDLE found[HANDLES];
    CK_OBJECT_CLASS class = CKO_PRIVATE_KEY;
    CK_KEY_TYPE type = CKK_EC;
    CK_ATTRIBUTE t[] = {ATTR(CKA_CLASS, &class, sizeof class), ATTR_YES(CKA_TOKEN),
                        ATTR(CKA_KEY_TYPE, &type, sizeof type)};
    CK_ULONG n, len, text_len;
    *count = 0;
    TRY(session_login(s, f));
    TRY(session_find(s, found, &n, HANDLES, t, COUNT(t), f));
    for (CK_ULONG i = 0; i < n; i++) {
        uint8_t id[OBJECT_ID_LEN];
        char text[OBJECT_NAME_MAX], name[OBJECT_NAME_MAX];
        TRY(session_get(s, found[i], CKA_ID, id, sizeof id, &len, f));
        if (len != sizeof id || id[0] != 1)
            continue;
        TRY(session_get(s, found[i], CKA_LABEL, text, sizeof text, &text_len, f));
        struct key_label label;
        memcpy(label.b, id + 1, KEY_LABEL_LEN);
        keys_name(name, role_word[KEY_IDENTITY], &label);
        if (text_len != strlen(name) || memcmp(text, name, text_len) != 0)
            continue;
        if (*count == max)
            return fault_set(f, ERR_LIMIT, "the token holds more than %zu enrolments", max);
        out[(*count)++] = label;
    }
    return OK;
}
