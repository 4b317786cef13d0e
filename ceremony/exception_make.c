/* Noting an exception with a token; apart from what a verifier needs. */
#include <string.h>
#include <time.h>

#include "ceremony/exception.h"
#include "ceremony/trustee_secret.h"

static err_t ceremony_signed(hash_t *out, struct trustee *t)
{
    const struct entry *roster;
    memset(out, 0, sizeof *out);
    err_t e = board_find(t->b, &roster, NULL, ENTRY_ROSTER, NULL, &t->identity, NULL);
    if (e == ERR_EQUIVOCATION)
        return OK; /* of two ceremonies; it belongs to neither alone */
    if (e == OK && roster != NULL)
        *out = roster->ceremony;
    return e;
}

err_t exception_make(struct trustee *t, const char *text, struct fault *f)
{
    struct cbor_out st = CBOR_OUT_INIT;
    hash_t ceremony, subject;
    size_t len = strlen(text);
    if (len == 0 || len > EXCEPTION_TEXT_MAX)
        return fault_set(f, ERR_LIMIT, "an exception is noted in 1 to %d bytes of text", EXCEPTION_TEXT_MAX);
    if (text_check(text, len) != OK)
        return fault_set(f, ERR_TEXT, "an exception is one paragraph of printable characters");
    TRY(ceremony_signed(&ceremony, t));
    exception_statement(&st, (uint64_t)time(NULL), text);
    err_t e = st.err;
    if (e == OK)
        e = exception_subject(&subject, &t->m->election, st.data, st.len);
    if (e != OK) {
        cbor_out_free(&st);
        return fault_set(f, e, "exception");
    }
    return trustee_post(t, NULL, ENTRY_EXCEPTION, &ceremony, &subject, &st, NULL, f);
}
