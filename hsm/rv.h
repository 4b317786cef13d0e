/* PKCS#11 return values: their names, and what each means to a trustee. */
#ifndef HSM_RV_H
#define HSM_RV_H

#include <p11-kit/pkcs11.h>

#include "ceremony/base/err.h"

/* "CKR_DEVICE_REMOVED"; NULL if not known. */
const char *rv_name(CK_RV rv);

/* The value of a name; CKR_VENDOR_DEFINED if not known. For the mock module. */
CK_RV rv_value(const char *name);

/* One of ERR_TOKEN_*; ERR_TOKEN_FAILED for CKR_OK too, which is no error. */
err_t rv_err(CK_RV rv);

#endif
