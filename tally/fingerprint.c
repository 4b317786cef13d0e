#include "tally/fingerprint.h"

#include <string.h>

static const char *const names[] = {"election", "roster", "plan"};

const char *fingerprint_name(enum fingerprint_kind kind)
{
    return names[kind];
}

void fingerprint_write(struct cbor_out *out, enum fingerprint_kind kind, const hash_t *h)
{
    cbor_put_array(out, 3);
    cbor_put_text(out, "conclave/fingerprint");
    cbor_put_text(out, names[kind]);
    cbor_put_hash(out, h);
}

err_t fingerprint_parse(enum fingerprint_kind *kind, hash_t *h, const uint8_t *data, size_t len,
                        struct fault *f)
{
    struct cbor_in in;
    char name[16];
    size_t i = 0;
    *kind = FINGERPRINT_ELECTION;
    cbor_in_init(&in, data, len);
    cbor_get_array_exact(&in, 3);
    cbor_get_text_exact(&in, "conclave/fingerprint");
    cbor_get_text(&in, name, sizeof name - 1);
    while (i < sizeof names / sizeof names[0] && strcmp(names[i], name) != 0)
        i++;
    if (i == sizeof names / sizeof names[0])
        cbor_fail(&in, ERR_UNKNOWN);
    cbor_get_hash(&in, h);
    err_t e = cbor_in_end(&in, f);
    if (e == OK)
        *kind = (enum fingerprint_kind)i;
    else
        memset(h, 0, sizeof *h);
    return e;
}
