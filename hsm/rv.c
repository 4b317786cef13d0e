#include "hsm/rv.h"

#include <string.h>

/* clang-format off */
#define RV_LIST(X)                                                                                     \
    X(CKR_CANCEL, FAILED) X(CKR_HOST_MEMORY, FAILED) X(CKR_SLOT_ID_INVALID, REMOVED)                   \
    X(CKR_GENERAL_ERROR, FAILED) X(CKR_FUNCTION_FAILED, FAILED) X(CKR_ARGUMENTS_BAD, FAILED)           \
    X(CKR_NO_EVENT, FAILED) X(CKR_NEED_TO_CREATE_THREADS, FAILED) X(CKR_CANT_LOCK, FAILED)             \
    X(CKR_ATTRIBUTE_READ_ONLY, CANNOT) X(CKR_ATTRIBUTE_SENSITIVE, CANNOT)                              \
    X(CKR_ATTRIBUTE_TYPE_INVALID, CANNOT) X(CKR_ATTRIBUTE_VALUE_INVALID, CANNOT)                       \
    X(CKR_ACTION_PROHIBITED, CANNOT) X(CKR_DATA_INVALID, FAILED) X(CKR_DATA_LEN_RANGE, FAILED)         \
    X(CKR_DEVICE_ERROR, REMOVED) X(CKR_DEVICE_MEMORY, FULL) X(CKR_DEVICE_REMOVED, REMOVED)             \
    X(CKR_ENCRYPTED_DATA_INVALID, FAILED) X(CKR_ENCRYPTED_DATA_LEN_RANGE, FAILED)                      \
    X(CKR_FUNCTION_CANCELED, FAILED) X(CKR_FUNCTION_NOT_PARALLEL, FAILED)                              \
    X(CKR_FUNCTION_NOT_SUPPORTED, CANNOT) X(CKR_KEY_HANDLE_INVALID, KEY) X(CKR_KEY_SIZE_RANGE, CANNOT) \
    X(CKR_KEY_TYPE_INCONSISTENT, KEY) X(CKR_KEY_NOT_NEEDED, FAILED) X(CKR_KEY_CHANGED, KEY)            \
    X(CKR_KEY_NEEDED, FAILED) X(CKR_KEY_INDIGESTIBLE, FAILED)                                          \
    X(CKR_KEY_FUNCTION_NOT_PERMITTED, KEY) X(CKR_KEY_NOT_WRAPPABLE, KEY) X(CKR_KEY_UNEXTRACTABLE, KEY) \
    X(CKR_MECHANISM_INVALID, CANNOT) X(CKR_MECHANISM_PARAM_INVALID, CANNOT)                            \
    X(CKR_OBJECT_HANDLE_INVALID, KEY) X(CKR_OPERATION_ACTIVE, FAILED)                                  \
    X(CKR_OPERATION_NOT_INITIALIZED, FAILED) X(CKR_PIN_INCORRECT, PIN) X(CKR_PIN_INVALID, PIN)         \
    X(CKR_PIN_LEN_RANGE, PIN) X(CKR_PIN_EXPIRED, PIN) X(CKR_PIN_LOCKED, LOCKED)                        \
    X(CKR_SESSION_CLOSED, REMOVED) X(CKR_SESSION_COUNT, FAILED) X(CKR_SESSION_HANDLE_INVALID, REMOVED) \
    X(CKR_SESSION_PARALLEL_NOT_SUPPORTED, CANNOT) X(CKR_SESSION_READ_ONLY, CANNOT)                     \
    X(CKR_SESSION_EXISTS, FAILED) X(CKR_SESSION_READ_ONLY_EXISTS, FAILED)                              \
    X(CKR_SESSION_READ_WRITE_SO_EXISTS, FAILED) X(CKR_SIGNATURE_INVALID, FAILED)                       \
    X(CKR_SIGNATURE_LEN_RANGE, FAILED) X(CKR_TEMPLATE_INCOMPLETE, CANNOT)                              \
    X(CKR_TEMPLATE_INCONSISTENT, CANNOT) X(CKR_TOKEN_NOT_PRESENT, REMOVED)                             \
    X(CKR_TOKEN_NOT_RECOGNIZED, CANNOT) X(CKR_TOKEN_WRITE_PROTECTED, CANNOT)                           \
    X(CKR_USER_ALREADY_LOGGED_IN, FAILED)                    \
    X(CKR_USER_NOT_LOGGED_IN, FAILED) X(CKR_USER_PIN_NOT_INITIALIZED, CANNOT)                          \
    X(CKR_USER_TYPE_INVALID, CANNOT) X(CKR_USER_ANOTHER_ALREADY_LOGGED_IN, FAILED)                     \
    X(CKR_USER_TOO_MANY_TYPES, FAILED) X(CKR_RANDOM_SEED_NOT_SUPPORTED, CANNOT)                        \
    X(CKR_RANDOM_NO_RNG, CANNOT) X(CKR_DOMAIN_PARAMS_INVALID, CANNOT) X(CKR_CURVE_NOT_SUPPORTED, CANNOT) \
    X(CKR_BUFFER_TOO_SMALL, FAILED) X(CKR_SAVED_STATE_INVALID, FAILED)                                 \
    X(CKR_INFORMATION_SENSITIVE, CANNOT) X(CKR_STATE_UNSAVEABLE, FAILED)                               \
    X(CKR_CRYPTOKI_NOT_INITIALIZED, FAILED) X(CKR_CRYPTOKI_ALREADY_INITIALIZED, FAILED)                \
    X(CKR_MUTEX_BAD, FAILED) X(CKR_MUTEX_NOT_LOCKED, FAILED) X(CKR_FUNCTION_REJECTED, FAILED)
/* clang-format on */

static const struct {
    CK_RV rv;
    const char *name;
    err_t err;
} table[] = {
#define X(rv, class) {rv, #rv, ERR_TOKEN_##class},
    RV_LIST(X)
#undef X
};

#define TABLE_LEN (sizeof table / sizeof table[0])

const char *rv_name(CK_RV rv)
{
    for (size_t i = 0; i < TABLE_LEN; i++)
        if (table[i].rv == rv)
            return table[i].name;
    return NULL;
}

CK_RV rv_value(const char *name)
{
    for (size_t i = 0; i < TABLE_LEN; i++)
        if (strcmp(table[i].name, name) == 0)
            return table[i].rv;
    return CKR_VENDOR_DEFINED;
}

err_t rv_err(CK_RV rv)
{
    for (size_t i = 0; i < TABLE_LEN; i++)
        if (table[i].rv == rv)
            return table[i].err;
    return ERR_TOKEN_FAILED;
}
