/* Token URIs (RFC 7512), parsed by p11-kit, with what this program refuses in them. */
#ifndef HSM_URI_H
#define HSM_URI_H

#include <p11-kit/p11-kit.h>
#include <p11-kit/uri.h>

#include "ceremony/base/err.h"

/* *out: freed by the caller with p11_kit_uri_free. ERR_USAGE, with the reason and never the text itself:
 * not a pkcs11: URI, unknown attributes, pin-value, pin-source that runs a program, x-init-reserved
 * without module-path. ERR_MEMORY. */
MUST err_t uri_parse(P11KitUri **out, const char *text, struct fault *f);

/* The string for C_Initialize, or NULL. Lives as long as u. */
const char *uri_init_reserved(const P11KitUri *u);

/* Copies text of a token that is padded with spaces and not terminated: cut, and '?' for each byte that is
 * not printable ASCII unless all of it passes text_check. out has len + 1 bytes. */
void uri_clean(char *out, const unsigned char *text, size_t len);

#endif
