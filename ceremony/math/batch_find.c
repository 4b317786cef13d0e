#include <omp.h>
#include <string.h>

#include "ceremony/math/elgamal.h"

#define PARTS 16

struct search {
    const point_t *Y;
    batch_add_fn *add;
    const void *items;
};

/* One equation for the range; if it does not hold, each sixteenth again, with new weights: one bad item costs
 * about as much as the range once more, and if all are bad it is a few times that. Errors other than of the
 * proofs end it. */
static err_t check_range(struct batch *b, const struct search *s, size_t from, size_t to, uint8_t *bad)
{
    err_t e = OK;
    batch_reset(b);
    for (size_t i = from; i < to && e == OK; i++)
        e = s->add(s->items, b, i);
    if (e == OK)
        e = batch_check(b);
    if (e == OK || err_class(e) != CLASS_CRYPTO)
        return e;
    if (to - from == 1) {
        bad[from] = 1;
        return OK;
    }
    size_t count = to - from, parts = count < PARTS ? count : PARTS;
    for (size_t i = 0; i < parts; i++)
        TRY(check_range(b, s, from + count * i / parts, from + count * (i + 1) / parts, bad));
    return OK;
}

static err_t check_part(const struct search *s, size_t from, size_t to, uint8_t *bad)
{
    struct batch *b;
    if (from == to)
        return OK;
    TRY(batch_new(&b, s->Y));
    err_t e = check_range(b, s, from, to, bad);
    batch_free(b);
    return e;
}

err_t batch_find_bad(const point_t *Y, uint8_t *bad, size_t count, size_t part, batch_add_fn *add,
                     const void *items)
{
    struct search s = {Y, add, items};
    memset(bad, 0, count);
    size_t parts = omp_in_parallel() ? 1 : (size_t)omp_get_max_threads();
    if (parts > count / part)
        parts = count / part > 0 ? count / part : 1;
    err_t e = OK;
#pragma omp parallel for schedule(static) if (parts > 1)
    for (size_t p = 0; p < parts; p++) {
        err_t mine = check_part(&s, count * p / parts, count * (p + 1) / parts, bad);
        if (mine != OK) {
#pragma omp critical(batch_find_bad_error)
            e = mine;
        }
    }
    if (e != OK)
        memset(bad, 1, count);
    return e;
}
