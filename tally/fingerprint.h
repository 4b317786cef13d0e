/* Fingerprints that people compare, as messages for a QR code (docs/spec/result-qr.md):
 * CBOR ["conclave/fingerprint", "election" / "roster" / "plan", hash]. That of the key is the anchor
 * (tally/resultqr.h). It proves nothing: it spares reading words aloud, not comparing them. */
#ifndef TALLY_FINGERPRINT_H
#define TALLY_FINGERPRINT_H

#include "ceremony/base/cbor.h"

enum fingerprint_kind { FINGERPRINT_ELECTION, FINGERPRINT_ROSTER, FINGERPRINT_PLAN };

/* "election", "roster", "plan". */
const char *fingerprint_name(enum fingerprint_kind kind);

void fingerprint_write(struct cbor_out *out, enum fingerprint_kind kind, const hash_t *h);
/* Strict. ERR_UNKNOWN for another kind; outputs are zero on error. */
MUST err_t fingerprint_parse(enum fingerprint_kind *kind, hash_t *h, const uint8_t *data, size_t len,
                             struct fault *f);

#endif
