/* Noting an exception with a token; apart from what a verifier needs. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ceremony/exception.h"
#include "ceremony/trustee_parts.h"

/* The ceremony whose roster this trustee signed, if it signed one. */
static err_t tell_vault(struct trustee *t, struct fault *f)
{
    struct roster *r = malloc(sizeof *r);
    if (r == NULL)
        return fault_set(f, ERR_MEMORY, "exception");
    err_t e = roster_signed_by(r, t->m, t->b, t->g, &t->identity, f);
    if (e == OK || err_class(e) != CLASS_SYSTEM) /* of two, it belongs to neither alone */
        e = trustee_ready(t, e == OK ? r : NULL, 0, f);
    free(r);
    return e;
}

err_t exception_make(struct trustee *t, const char *text, struct fault *f)
{
    struct cbor_out st = CBOR_OUT_INIT, entry = CBOR_OUT_INIT;
    hash_t subject;
    size_t len = strlen(text);
    if (len == 0 || len > EXCEPTION_TEXT_MAX)
        return fault_set(f, ERR_LIMIT, "an exception is noted in 1 to %d bytes of text", EXCEPTION_TEXT_MAX);
    if (text_check(text, len) != OK)
        return fault_set(f, ERR_TEXT, "an exception is one paragraph of printable characters");
    TRY(tell_vault(t, f));
    exception_statement(&st, (uint64_t)time(NULL), text);
    err_t e = st.err;
    if (e == OK)
        e = exception_subject(&subject, &t->m->election, st.data, st.len);
    struct bytes statement = {st.data, st.len};
    if (e != OK)
        fault_set(f, e, "exception");
    if (e == OK)
        e = t->vault.ops->sign(t->vault.ctx, &entry, ENTRY_EXCEPTION, &subject, &statement, f);
    if (e == OK)
        e = trustee_post(t, NULL, ENTRY_EXCEPTION, &entry, f);
    cbor_out_free(&st);
    cbor_out_free(&entry);
    return e;
}
