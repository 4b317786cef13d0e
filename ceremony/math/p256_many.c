/* Points read by the thousand. */
#include <string.h>

#include "ceremony/math/p256_field.h"
#include "ceremony/math/p256_path.h"

int p256_path_available(enum p256_path path)
{
    return path == P256_PORTABLE;
}

enum p256_path p256_path_best(void)
{
    return p256_path_available(P256_IFMA) ? P256_IFMA : P256_PORTABLE;
}

/* y = hint, if it fits in */
static err_t lift(struct p256_affine *out, const point_t *in, const uint8_t y[32])
{
    struct p256_affine p;
    memset(out, 0, sizeof *out);
    if ((in->b[0] != 2 && in->b[0] != 3) || (y[31] & 1) != (in->b[0] & 1) || !fe_load(p.x, in->b + 1) ||
        !fe_load(p.y, y) || !p256_on_curve_var(&p))
        return ERR_POINT;
    *out = p;
    return OK;
}

err_t p256_decompress_many_on_var(enum p256_path path, struct p256_affine *out, const point_t *in,
                                  size_t count, size_t *bad)
{
    *bad = count;
    if (!p256_path_available(path))
        return ERR_BUG;
    for (size_t i = count; i-- > 0;)
        if (p256_decompress_var(&out[i], &in[i]) != OK)
            *bad = i;
    return *bad == count ? OK : ERR_POINT;
}

err_t p256_decompress_sums_on_var(enum p256_path path, struct p256_affine *out, const point_t *in,
                                  size_t count, size_t *bad)
{
    *bad = count;
    if (!p256_path_available(path))
        return ERR_BUG;
    for (size_t i = count; i-- > 0;)
        if (p256_decompress_sum_var(&out[i], &in[i]) != OK)
            *bad = i;
    return *bad == count ? OK : ERR_POINT;
}

err_t p256_lift_many_on_var(enum p256_path path, struct p256_affine *out, const point_t *in,
                            const uint8_t (*y)[32], size_t count, size_t *bad)
{
    *bad = count;
    if (!p256_path_available(path))
        return ERR_BUG;
    for (size_t i = count; i-- > 0;)
        if (lift(&out[i], &in[i], y[i]) != OK)
            *bad = i;
    return *bad == count ? OK : ERR_POINT;
}

err_t p256_decompress_many_var(struct p256_affine *out, const point_t *in, size_t count, size_t *bad)
{
    return p256_decompress_many_on_var(p256_path_best(), out, in, count, bad);
}

err_t p256_decompress_sums_var(struct p256_affine *out, const point_t *in, size_t count, size_t *bad)
{
    return p256_decompress_sums_on_var(p256_path_best(), out, in, count, bad);
}

err_t p256_lift_many_var(struct p256_affine *out, const point_t *in, const uint8_t (*y)[32], size_t count,
                         size_t *bad)
{
    return p256_lift_many_on_var(p256_path_best(), out, in, y, count, bad);
}
