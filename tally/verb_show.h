/* Inside "conclave-tally show" only. */
#ifndef TALLY_VERB_SHOW_H
#define TALLY_VERB_SHOW_H

#include "ceremony/base/cose.h"
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
/* A signed message that is no entry of a board; what a voting chain signs is checked against its election. */
MUST err_t show_signed(struct show *s, const struct cose *m, const uint8_t *data, size_t len);
/* Files of voting chains. */
MUST err_t show_chain_snapshot(struct show *s, const uint8_t *data, size_t len);
MUST err_t show_chain_running(struct show *s, const uint8_t *data, size_t len);
MUST err_t show_chain_envelope(struct show *s, const uint8_t *data, size_t len);
void show_hash(struct show *s, const char *name, const hash_t *h);
/* Diagnostic notation. ERR_FORMAT and others for what is not deterministic CBOR. */
MUST err_t show_diagnostic(struct show *s, const uint8_t *data, size_t len);

#endif
