/* Readable identifiers from names: "NEW CASTLE" + "39-01" gives "new-castle-39-01".
 *
 * Letters and digits of ASCII in lower case, everything else one '-'. Where two names would get one
 * identifier, or it would be empty or over 64 characters, all of these get 8 hex digits of a hash behind, so
 * that what a name gets does not depend on the order. */
#ifndef TALLY_SLUG_H
#define TALLY_SLUG_H

#include "ceremony/base/err.h"
#include "ceremony/base/text.h"

#define SLUG_KEY_MAX 32768

typedef char slug_t[TEXT_ID_MAX + 1];

/* Writes the name of item i: what is seen, then SLUG_HIDDEN, then what only makes it distinct. */
#define SLUG_HIDDEN '\x1e'
#define SLUG_BETWEEN '\x1f'
typedef void slug_key_fn(const void *ctx, size_t i, char key[SLUG_KEY_MAX]);

/* out: count identifiers. ERR_CONFLICT if two are equal all the same, ERR_MEMORY. */
MUST err_t slug_make(slug_t *out, size_t count, slug_key_fn *key, const void *ctx);

#endif
