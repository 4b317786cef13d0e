/* Arrays that grow. Not for secrets: what is moved is not wiped. */
#ifndef CEREMONY_BASE_ARRAY_H
#define CEREMONY_BASE_ARRAY_H

#include <stddef.h>

#include "ceremony/base/err.h"

/* Room for need items in all: array is the address of the pointer to them (NULL before the first), *cap how
 * many fit, size bytes each. It grows to first, then to twice as many, or to need if that is more; the caller
 * frees it with free(). ERR_MEMORY: nothing has changed. */
MUST err_t array_room(void *array, size_t need, size_t *cap, size_t size, size_t first);

#endif
