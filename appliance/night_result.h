/* The result as tables with bars, place by place. Inside face.h's module. */
#ifndef APPLIANCE_NIGHT_RESULT_H
#define APPLIANCE_NIGHT_RESULT_H

#include "appliance/night.h"

/* n: with an open session and the plan; path: result.cbor of that plan. Every row is held against the
 * manifest and the plan; whether it is true is for the verifier to say. Errors of result_load, ERR_MISMATCH.
 */
MUST err_t night_result(struct night *n, const char *path, struct fault *f);

#endif
