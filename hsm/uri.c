#include "hsm/uri.h"

#include <string.h>

#include "ceremony/base/text.h"
#include "hsm/hsm.h"

static err_t uri_rules(P11KitUri *u, struct fault *f)
{
    const char *source = p11_kit_uri_get_pin_source(u);
    if (p11_kit_uri_any_unrecognized(u))
        return fault_set(f, ERR_USAGE, "the token URI has an attribute this program does not know");
    if (p11_kit_uri_get_pin_value(u) != NULL)
        return fault_set(f, ERR_USAGE, "pin-value in a token URI shows the PIN to everybody; use pin-source");
    if (source != NULL && source[0] == '|')
        return fault_set(f, ERR_USAGE, "a pin-source that starts with | runs a program and is refused");
    if (uri_init_reserved(u) != NULL && p11_kit_uri_get_module_path(u) == NULL)
        return fault_set(f, ERR_USAGE, "x-init-reserved in a token URI needs module-path");
    if (p11_kit_uri_get_module_path(u) != NULL && p11_kit_uri_get_module_path(u)[0] != '/')
        return fault_set(f, ERR_USAGE, "module-path in a token URI must be an absolute path");
    return OK;
}

err_t uri_parse(P11KitUri **out, const char *text, struct fault *f)
{
    *out = NULL;
    if (strnlen(text, HSM_URI_MAX + 1) > HSM_URI_MAX)
        return fault_set(f, ERR_USAGE, "the token URI is longer than %d bytes", HSM_URI_MAX);
    P11KitUri *u = p11_kit_uri_new();
    if (u == NULL)
        return fault_set(f, ERR_MEMORY, "no memory for the token URI");
    int r = p11_kit_uri_parse(text, P11_KIT_URI_FOR_ANY, u);
    err_t e = OK;
    if (r == P11_KIT_URI_BAD_SCHEME)
        e = fault_set(f, ERR_USAGE, "a token is named by a URI that starts with pkcs11:");
    else if (r != P11_KIT_URI_OK)
        e = fault_set(f, ERR_USAGE, "the token URI is not well formed (RFC 7512)");
    else
        e = uri_rules(u, f);
    if (e != OK) {
        p11_kit_uri_free(u);
        return e;
    }
    *out = u;
    return OK;
}

const char *uri_init_reserved(const P11KitUri *u)
{
    return p11_kit_uri_get_vendor_query(u, "x-init-reserved");
}

err_t hsm_uri_module(char *out, size_t out_len, const char *uri, struct fault *f)
{
    P11KitUri *u;
    out[0] = '\0';
    TRY(uri_parse(&u, uri, f));
    const char *module = p11_kit_uri_get_module_path(u);
    int fits = module == NULL || strlen(module) < out_len;
    if (module != NULL && fits)
        memcpy(out, module, strlen(module) + 1);
    p11_kit_uri_free(u);
    return fits ? OK : fault_set(f, ERR_LIMIT, "the module-path of the token URI is too long");
}

void uri_clean(char *out, const unsigned char *text, size_t len)
{
    while (len > 0 && (text[len - 1] == ' ' || text[len - 1] == 0))
        len--;
    memcpy(out, text, len);
    out[len] = 0;
    if (text_check(out, len) == OK)
        return;
    for (size_t i = 0; i < len; i++)
        if (out[i] < 0x20 || out[i] > 0x7e)
            out[i] = '?';
}
