/* A PKCS#11 module that misbehaves on cue. It passes everything on to a real module, SoftHSM2, so that
 * what it does not spoil is real. The environment says what goes wrong:
 *
 *   MOCK_P11_MODULE  path of the real module
 *   MOCK_P11         cues, separated by commas: CALL:N=WHAT, where CALL is a C_ function or * for any but
 *                    those that close, N counts its calls from 1 (0: every call), and WHAT is a CKR_ name,
 *                    "crash", "hang" or "slow" (4 s, then as usual)
 *   MOCK_P11_LOG     file to which the name of each call that a cue hit is appended
 *   MOCK_P11_TOKEN   flags of the token, any of: locked final low keypad nologin nopin sofinal
 *   MOCK_P11_ATTR    private keys' attributes, separated by commas: TYPE=WHAT, TYPE in hex, WHAT one of
 *                    0, 1 (booleans), absent, leak (32 bytes that should be secret)
 *   MOCK_P11_QUIRK   any of: rawpoint (CKA_EC_POINT without DER), offcurve, deronly (C_DeriveKey wants
 *                    DER), short (31 bytes of shared secret), wrongecdh, fixedkey (every key pair is the
 *                    same), constrandom, nodata (no data objects), losebinding, shortsign, swapped
 *                    (another token, of another serial number, is in the slot of an open session) */
#include <dlfcn.h>
#include <p11-kit/pkcs11.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hsm/rv.h"

CK_RV C_GetFunctionList(CK_FUNCTION_LIST_PTR_PTR list);

static CK_FUNCTION_LIST *real, mock;
static CK_OBJECT_HANDLE derived;
static unsigned total;
static int opened;

static int has(const char *variable, const char *word)
{
    const char *v = getenv(variable);
    size_t len = strlen(word);
    for (const char *p = v == NULL ? NULL : strstr(v, word); p != NULL; p = strstr(p + 1, word))
        if ((p == v || p[-1] == ',') && (p[len] == 0 || p[len] == ','))
            return 1;
    return 0;
}

static void cue_log(const char *call)
{
    const char *path = getenv("MOCK_P11_LOG");
    FILE *f = path == NULL ? NULL : fopen(path, "a");
    if (f == NULL)
        return;
    fprintf(f, "%s\n", call);
    fclose(f);
}

static CK_RV cue_act(const char *call, const char *what)
{
    cue_log(call);
    if (strcmp(what, "crash") == 0) {
        signal(SIGSEGV, SIG_DFL); /* past a sanitizer's handler */
        raise(SIGSEGV);
    }
    if (strcmp(what, "hang") == 0)
        for (;;)
            pause();
    if (strcmp(what, "slow") == 0) {
        sleep(4);
        return CKR_OK;
    }
    return rv_value(what);
}

/* CKR_OK unless a cue names this call. */
static CK_RV cue(const char *call, int closing, unsigned *count)
{
    char cues[1024];
    const char *v = getenv("MOCK_P11");
    ++*count;
    total += !closing;
    if (v == NULL || strlen(v) >= sizeof cues)
        return CKR_OK;
    strcpy(cues, v);
    char *save = NULL;
    for (char *c = strtok_r(cues, ",", &save); c != NULL; c = strtok_r(NULL, ",", &save)) {
        char name[64], what[64];
        unsigned n;
        if (sscanf(c, "%63[^:]:%u=%63s", name, &n, what) != 3)
            continue;
        int any = strcmp(name, "*") == 0;
        if ((any && !closing && (n == 0 || n == total)) ||
            (strcmp(name, call) == 0 && (n == 0 || n == *count)))
            return cue_act(call, what);
    }
    return CKR_OK;
}

#define CUE(name, closing)                                                                                   \
    do {                                                                                                     \
        static unsigned count_;                                                                              \
        CK_RV rv_ = cue(#name, closing, &count_);                                                            \
        if (rv_ != CKR_OK)                                                                                   \
            return rv_;                                                                                      \
    } while (0)

#define PASS(name, closing, params, args)                                                                    \
    static CK_RV mock_##name params                                                                          \
    {                                                                                                        \
        CUE(name, closing);                                                                                  \
        return real->name args;                                                                              \
    }

PASS(C_Initialize, 0, (void *a), (a))
PASS(C_Finalize, 1, (void *a), (a))
PASS(C_GetInfo, 0, (CK_INFO * a), (a))
PASS(C_GetSlotList, 0, (CK_BBOOL a, CK_SLOT_ID *b, CK_ULONG *c), (a, b, c))
PASS(C_GetSlotInfo, 0, (CK_SLOT_ID a, CK_SLOT_INFO *b), (a, b))
PASS(C_GetMechanismInfo, 0, (CK_SLOT_ID a, CK_MECHANISM_TYPE b, CK_MECHANISM_INFO *c), (a, b, c))
PASS(C_InitToken, 0, (CK_SLOT_ID a, CK_BYTE *b, CK_ULONG c, CK_BYTE *d), (a, b, c, d))
PASS(C_InitPIN, 0, (CK_SESSION_HANDLE a, CK_BYTE *b, CK_ULONG c), (a, b, c))
PASS(C_CloseSession, 1, (CK_SESSION_HANDLE a), (a))
PASS(C_Logout, 1, (CK_SESSION_HANDLE a), (a))
PASS(C_DestroyObject, 0, (CK_SESSION_HANDLE a, CK_OBJECT_HANDLE b), (a, b))
PASS(C_FindObjectsInit, 0, (CK_SESSION_HANDLE a, CK_ATTRIBUTE *b, CK_ULONG c), (a, b, c))
PASS(C_FindObjects, 0, (CK_SESSION_HANDLE a, CK_OBJECT_HANDLE *b, CK_ULONG c, CK_ULONG *d), (a, b, c, d))
PASS(C_FindObjectsFinal, 0, (CK_SESSION_HANDLE a), (a))
PASS(C_SignInit, 0, (CK_SESSION_HANDLE a, CK_MECHANISM *b, CK_OBJECT_HANDLE c), (a, b, c))

static CK_RV mock_C_OpenSession(CK_SLOT_ID a, CK_FLAGS b, void *c, CK_NOTIFY d, CK_SESSION_HANDLE *e)
{
    CUE(C_OpenSession, 0);
    opened = 1;
    return real->C_OpenSession(a, b, c, d, e);
}

static CK_RV mock_C_GetTokenInfo(CK_SLOT_ID slot, CK_TOKEN_INFO *info)
{
    CUE(C_GetTokenInfo, 0);
    CK_RV rv = real->C_GetTokenInfo(slot, info);
    if (rv != CKR_OK || !(info->flags & CKF_TOKEN_INITIALIZED))
        return rv;
    if (has("MOCK_P11_TOKEN", "locked"))
        info->flags |= CKF_USER_PIN_LOCKED;
    if (has("MOCK_P11_TOKEN", "final"))
        info->flags |= CKF_USER_PIN_FINAL_TRY | CKF_USER_PIN_COUNT_LOW;
    if (has("MOCK_P11_TOKEN", "low"))
        info->flags |= CKF_USER_PIN_COUNT_LOW;
    if (has("MOCK_P11_TOKEN", "keypad"))
        info->flags |= CKF_PROTECTED_AUTHENTICATION_PATH;
    if (has("MOCK_P11_TOKEN", "nologin"))
        info->flags &= ~(CK_FLAGS)CKF_LOGIN_REQUIRED;
    if (has("MOCK_P11_TOKEN", "nopin"))
        info->flags &= ~(CK_FLAGS)CKF_USER_PIN_INITIALIZED;
    if (has("MOCK_P11_TOKEN", "sofinal"))
        info->flags |= CKF_SO_PIN_FINAL_TRY;
    if (opened && has("MOCK_P11_QUIRK", "swapped"))
        info->serialNumber[0] = info->serialNumber[0] == '0' ? '1' : '0';
    return rv;
}

static CK_RV mock_C_Login(CK_SESSION_HANDLE session, CK_USER_TYPE user, CK_BYTE *pin, CK_ULONG len)
{
    CUE(C_Login, 0);
    cue_log("C_Login called");
    if (has("MOCK_P11_TOKEN", "keypad")) {
        char keyed[] = "12345678";
        if (pin != NULL)
            return CKR_ARGUMENTS_BAD;
        return real->C_Login(session, user, (CK_BYTE *)keyed, 8);
    }
    return real->C_Login(session, user, pin, len);
}

static CK_RV mock_C_GenerateRandom(CK_SESSION_HANDLE session, CK_BYTE *out, CK_ULONG len)
{
    CUE(C_GenerateRandom, 0);
    if (has("MOCK_P11_QUIRK", "constrandom")) {
        memset(out, 0x55, len);
        return CKR_OK;
    }
    return real->C_GenerateRandom(session, out, len);
}

static CK_RV mock_C_CreateObject(CK_SESSION_HANDLE session, CK_ATTRIBUTE *t, CK_ULONG n,
                                 CK_OBJECT_HANDLE *out)
{
    CUE(C_CreateObject, 0);
    for (CK_ULONG i = 0; i < n; i++)
        if (t[i].type == CKA_CLASS && *(CK_OBJECT_CLASS *)t[i].pValue == CKO_DATA &&
            has("MOCK_P11_QUIRK", "nodata"))
            return CKR_ATTRIBUTE_VALUE_INVALID;
    CK_RV rv = real->C_CreateObject(session, t, n, out);
    if (rv == CKR_OK && has("MOCK_P11_QUIRK", "losebinding"))
        rv = real->C_DestroyObject(session, *out);
    return rv;
}

/* Private key 1, public key the generator: what a vendor who knows all keys could do. */
static CK_RV fixed_pair(CK_SESSION_HANDLE session, CK_ATTRIBUTE *pub, CK_ULONG pub_count, CK_ATTRIBUTE *priv,
                        CK_ULONG priv_count, CK_OBJECT_HANDLE *pub_out, CK_OBJECT_HANDLE *priv_out)
{
    static CK_BYTE one[32] = {[31] = 1};
    static CK_BYTE point[] = {
        0x04, 0x41, 0x04, 0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6, 0xe5, 0x63, 0xa4,
        0x40, 0xf2, 0x77, 0x03, 0x7d, 0x81, 0x2d, 0xeb, 0x33, 0xa0, 0xf4, 0xa1, 0x39, 0x45, 0xd8, 0x98, 0xc2,
        0x96, 0x4f, 0xe3, 0x42, 0xe2, 0xfe, 0x1a, 0x7f, 0x9b, 0x8e, 0xe7, 0xeb, 0x4a, 0x7c, 0x0f, 0x9e, 0x16,
        0x2b, 0xce, 0x33, 0x57, 0x6b, 0x31, 0x5e, 0xce, 0xcb, 0xb6, 0x40, 0x68, 0x37, 0xbf, 0x51, 0xf5};
    static CK_BYTE oid[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
    CK_OBJECT_CLASS pub_class = CKO_PUBLIC_KEY, priv_class = CKO_PRIVATE_KEY;
    CK_KEY_TYPE type = CKK_EC;
    CK_ATTRIBUTE a[40], b[40];
    memcpy(a, pub, pub_count * sizeof *a);
    memcpy(b, priv, priv_count * sizeof *b);
    a[pub_count++] = (CK_ATTRIBUTE){CKA_CLASS, &pub_class, sizeof pub_class};
    a[pub_count++] = (CK_ATTRIBUTE){CKA_KEY_TYPE, &type, sizeof type};
    a[pub_count++] = (CK_ATTRIBUTE){CKA_EC_POINT, point, sizeof point};
    b[priv_count++] = (CK_ATTRIBUTE){CKA_CLASS, &priv_class, sizeof priv_class};
    b[priv_count++] = (CK_ATTRIBUTE){CKA_KEY_TYPE, &type, sizeof type};
    b[priv_count++] = (CK_ATTRIBUTE){CKA_EC_PARAMS, oid, sizeof oid};
    b[priv_count++] = (CK_ATTRIBUTE){CKA_VALUE, one, sizeof one};
    CK_RV rv = real->C_CreateObject(session, a, pub_count, pub_out);
    return rv != CKR_OK ? rv : real->C_CreateObject(session, b, priv_count, priv_out);
}

static CK_RV mock_C_GenerateKeyPair(CK_SESSION_HANDLE session, CK_MECHANISM *m, CK_ATTRIBUTE *pub,
                                    CK_ULONG pub_count, CK_ATTRIBUTE *priv, CK_ULONG priv_count,
                                    CK_OBJECT_HANDLE *pub_out, CK_OBJECT_HANDLE *priv_out)
{
    CUE(C_GenerateKeyPair, 0);
    if (has("MOCK_P11_QUIRK", "fixedkey"))
        return fixed_pair(session, pub, pub_count, priv, priv_count, pub_out, priv_out);
    return real->C_GenerateKeyPair(session, m, pub, pub_count, priv, priv_count, pub_out, priv_out);
}

static CK_RV mock_C_Sign(CK_SESSION_HANDLE session, CK_BYTE *in, CK_ULONG in_len, CK_BYTE *out,
                         CK_ULONG *out_len)
{
    CUE(C_Sign, 0);
    CK_RV rv = real->C_Sign(session, in, in_len, out, out_len);
    if (rv == CKR_OK && has("MOCK_P11_QUIRK", "shortsign"))
        *out_len -= 1;
    return rv;
}

static CK_RV mock_C_DeriveKey(CK_SESSION_HANDLE session, CK_MECHANISM *m, CK_OBJECT_HANDLE base,
                              CK_ATTRIBUTE *t, CK_ULONG n, CK_OBJECT_HANDLE *out)
{
    CUE(C_DeriveKey, 0);
    CK_ECDH1_DERIVE_PARAMS *p = m->pParameter;
    if (has("MOCK_P11_QUIRK", "deronly") && p->ulPublicDataLen == 65)
        return CKR_MECHANISM_PARAM_INVALID;
    CK_RV rv = real->C_DeriveKey(session, m, base, t, n, out);
    derived = rv == CKR_OK ? *out : 0;
    return rv;
}

/* What MOCK_P11_ATTR says of a type, or NULL. */
static const char *attr_cue(CK_ATTRIBUTE_TYPE type, char what[16])
{
    char cues[256];
    const char *v = getenv("MOCK_P11_ATTR");
    if (v == NULL || strlen(v) >= sizeof cues)
        return NULL;
    strcpy(cues, v);
    char *save = NULL;
    for (char *c = strtok_r(cues, ",", &save); c != NULL; c = strtok_r(NULL, ",", &save)) {
        unsigned long t;
        if (sscanf(c, "%lx=%15s", &t, what) == 2 && t == type)
            return what;
    }
    return NULL;
}

static int is_private(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object)
{
    CK_OBJECT_CLASS class = 0;
    CK_ATTRIBUTE a = {CKA_CLASS, &class, sizeof class};
    return real->C_GetAttributeValue(session, object, &a, 1) == CKR_OK && class == CKO_PRIVATE_KEY;
}

static void spoil_value(CK_OBJECT_HANDLE object, CK_ATTRIBUTE *a)
{
    if (a->type == CKA_EC_POINT && a->ulValueLen == 67 && has("MOCK_P11_QUIRK", "offcurve"))
        ((CK_BYTE *)a->pValue)[66] ^= 1;
    if (a->type == CKA_EC_POINT && a->ulValueLen == 67 && has("MOCK_P11_QUIRK", "rawpoint")) {
        a->ulValueLen = 65;
        memmove(a->pValue, (CK_BYTE *)a->pValue + 2, 65);
    }
    if (a->type != CKA_VALUE || object != derived || derived == 0)
        return;
    if (has("MOCK_P11_QUIRK", "short"))
        a->ulValueLen = 31;
    if (has("MOCK_P11_QUIRK", "wrongecdh"))
        ((CK_BYTE *)a->pValue)[0] ^= 1;
}

static CK_RV mock_C_GetAttributeValue(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE *a,
                                      CK_ULONG n)
{
    char buf[16];
    CUE(C_GetAttributeValue, 0);
    const char *what = n == 1 ? attr_cue(a->type, buf) : NULL;
    if (what != NULL && is_private(session, object)) {
        if (strcmp(what, "absent") == 0) {
            a->ulValueLen = CK_UNAVAILABLE_INFORMATION;
            return CKR_ATTRIBUTE_TYPE_INVALID;
        }
        a->ulValueLen = strcmp(what, "leak") == 0 ? 32 : 1;
        memset(a->pValue, what[0] == '1' ? CK_TRUE : CK_FALSE, a->ulValueLen);
        return CKR_OK;
    }
    CK_RV rv = real->C_GetAttributeValue(session, object, a, n);
    if (rv == CKR_OK && n == 1)
        spoil_value(object, a);
    return rv;
}

static void mock_fill(void)
{
    mock = *real;
#define SET(name) mock.name = mock_##name
    SET(C_Initialize), SET(C_Finalize), SET(C_GetInfo), SET(C_GetSlotList), SET(C_GetSlotInfo);
    SET(C_GetMechanismInfo), SET(C_InitToken), SET(C_InitPIN), SET(C_OpenSession), SET(C_CloseSession);
    SET(C_Logout), SET(C_DestroyObject), SET(C_FindObjectsInit), SET(C_FindObjects), SET(C_FindObjectsFinal);
    SET(C_SignInit), SET(C_GetTokenInfo), SET(C_Login), SET(C_GenerateRandom), SET(C_CreateObject);
    SET(C_GenerateKeyPair), SET(C_Sign), SET(C_DeriveKey), SET(C_GetAttributeValue);
#undef SET
    mock.C_GetFunctionList = C_GetFunctionList;
}

CK_RV C_GetFunctionList(CK_FUNCTION_LIST_PTR_PTR list)
{
    const char *path = getenv("MOCK_P11_MODULE");
    if (real == NULL) {
        void *module = path == NULL ? NULL : dlopen(path, RTLD_NOW | RTLD_LOCAL);
        CK_C_GetFunctionList get = NULL;
        if (module != NULL)
            *(void **)&get = dlsym(module, "C_GetFunctionList");
        if (get == NULL || get(&real) != CKR_OK)
            return CKR_GENERAL_ERROR;
        mock_fill();
    }
    *list = &mock;
    return CKR_OK;
}
