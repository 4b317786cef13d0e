/* Inside "conclave-tally show" only. */
#ifndef TALLY_VERB_SHOW_H
#define TALLY_VERB_SHOW_H

#include "tally/verb.h"

struct show {
    struct verb_run *v;
    struct bundle_election *be; /* NULL without --board; be->r may be NULL */
    int full;
};

/* One CBOR item that fills data: by its label if it is one of ours, else as diagnostic notation (RFC 8949
 * section 8). */
MUST err_t show_item(struct show *s, const uint8_t *data, size_t len);
/* Header of an export file, and with the election its check. */
MUST err_t show_export(struct show *s, const char *path);
/* Diagnostic notation. ERR_FORMAT and others for what is not deterministic CBOR. */
MUST err_t show_diagnostic(struct show *s, const uint8_t *data, size_t len);

#endif
