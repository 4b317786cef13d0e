#include "ceremony/base/pages.h"

#include <stdlib.h>
#include <sys/mman.h>

#define LARGE_PAGE ((size_t)2 << 20)
#define LINE ((size_t)64)

void *pages_alloc(size_t size)
{
    void *p;
    if (posix_memalign(&p, size < LARGE_PAGE ? LINE : LARGE_PAGE, size) != 0)
        return NULL;
    if (size >= LARGE_PAGE)
        (void)madvise(p, size / LARGE_PAGE * LARGE_PAGE, MADV_HUGEPAGE); /* a wish: it works without */
    return p;
}
