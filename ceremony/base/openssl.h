/* What a failed call of OpenSSL means: that its input is bad, or that the system gave it no memory. The two
 * must not be mixed up: one accuses a person, the other asks to repeat. */
#ifndef CEREMONY_BASE_OPENSSL_H
#define CEREMONY_BASE_OPENSSL_H

#include "ceremony/base/err.h"

/* Call before the call in question: what others left in this thread's error queue is forgotten. */
void openssl_begin(void);

/* After reading a point failed: ERR_POINT if the first thing that went wrong is that it is none, else
 * ERR_MEMORY. Empties the queue. */
MUST err_t openssl_point_error(void);

/* After verifying a signature ended without a verdict: ERR_SIGNATURE if the first thing that went wrong is
 * that it leads to the identity, else ERR_MEMORY. Empties the queue. */
MUST err_t openssl_signature_error(void);

#endif
