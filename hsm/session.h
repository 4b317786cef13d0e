/* Inside the token process: modules, the token that a URI names, one session, its login.
 *
 *   zeroed struct -> session_load -> session_pick -> session_start -> (session_login) -> session_end
 *
 * All functions return ERR_TOKEN_* with the PKCS#11 return value by name in f->detail. */
#ifndef HSM_SESSION_H
#define HSM_SESSION_H

#include "ceremony/base/secret.h"
#include "ceremony/keystore.h"
#include "hsm/hsm.h"
#include "hsm/rv.h"
#include "hsm/uri.h"
#include "hsm/wire.h"

struct session {
    struct wire *wire; /* where the PIN is asked for */
    P11KitUri *uri;
    CK_FUNCTION_LIST **modules; /* all configured, managed by p11-kit, or */
    CK_FUNCTION_LIST *module;   /* the one of module-path, */
    int module_started;         /* which C_Initialize was called on */

    CK_FUNCTION_LIST *p11; /* of the token picked */
    CK_SLOT_ID slot;
    CK_TOKEN_INFO token;
    struct token_info info;
    int nss; /* NSS softoken: never sets CKA_LOCAL, sets no SO PIN in C_InitToken */

    CK_SESSION_HANDLE handle;
    int started, logged_in, login_refused, removed, last_try;
    const char *only_module; /* that may be loaded by its path; NULL: any */
};

/* Loads the module that the URI names, or all that p11-kit knows, and initialises it. */
MUST err_t session_load(struct session *s, const char *uri, struct fault *f);

/* Calls fn for each token that is present and matches the URI's module, slot and token attributes
 * (matches = 1) or does not (matches = 0). An error of fn ends the walk. */
typedef err_t session_token_fn(void *ctx, CK_FUNCTION_LIST *p11, CK_SLOT_ID slot, const CK_TOKEN_INFO *token,
                               int matches, struct fault *f);
MUST err_t session_walk(struct session *s, session_token_fn *fn, void *ctx, struct fault *f);

/* The one token that matches and can hold keys. */
MUST err_t session_pick(struct session *s, struct fault *f);
void session_set_token(struct session *s, CK_FUNCTION_LIST *p11, CK_SLOT_ID slot, const CK_TOKEN_INFO *token);

MUST err_t session_start(struct session *s, struct fault *f); /* C_OpenSession, read-write */
MUST err_t session_login(struct session *s, struct fault *f); /* does nothing when logged in */
/* Reads the token's flags again: how many PIN tries are left. ERR_TOKEN_WRONG if it is another token by now; nothing
 * more is done with it. */
MUST err_t session_token_refresh(struct session *s, struct fault *f);
void session_end(struct session *s); /* logs out and unloads; s is zeroed but for wire */

/* The error of a failed C_ function; call names it. */
err_t session_fail(struct session *s, CK_RV rv, const char *call, struct fault *f);

/* Handles of the objects that match; at most max, ERR_TOKEN_FAILED when there are more. */
MUST err_t session_find(struct session *s, CK_OBJECT_HANDLE *out, CK_ULONG *count, CK_ULONG max,
                        CK_ATTRIBUTE *wanted, CK_ULONG wanted_count, struct fault *f);

/* Reads one attribute into buf. *len: bytes; max + 1 when it is longer than buf (which then holds nothing);
 * CK_UNAVAILABLE_INFORMATION when the object has none or the token does not give it away. */
MUST err_t session_get(struct session *s, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type, void *buf,
                       CK_ULONG max, CK_ULONG *len, struct fault *f);

/* C_DestroyObject. */
MUST err_t session_destroy(struct session *s, CK_OBJECT_HANDLE object, struct fault *f);

/* Calls a function of the module and returns from the caller when it fails. */
#define P11(s, f, call, ...)                                                                                 \
    do {                                                                                                     \
        CK_RV p11_rv_ = (s)->p11->call(__VA_ARGS__);                                                         \
        if (p11_rv_ != CKR_OK)                                                                               \
            return session_fail(s, p11_rv_, #call, f);                                                       \
    } while (0)

#endif
