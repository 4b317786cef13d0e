#include "ceremony/base/array.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

err_t array_room(void *array, size_t need, size_t *cap, size_t size, size_t first)
{
    void *p;
    if (need <= *cap)
        return OK;
    size_t more = *cap > 0 ? 2 * *cap : first;
    more = more < need ? need : more;
    if (more > PTRDIFF_MAX / size) /* the sanitizers' reallocarray would end the program */
        return ERR_MEMORY;
    memcpy(&p, array, sizeof p); /* a pointer of any type */
    p = realloc(p, more * size);
    if (p == NULL)
        return ERR_MEMORY;
    memcpy(array, &p, sizeof p);
    *cap = more;
    return OK;
}
