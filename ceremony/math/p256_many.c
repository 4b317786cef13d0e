/* Points read by the thousand. */
#include <string.h>

#include "ceremony/math/p256_field.h"
#include "ceremony/math/p256_ifma.h"
#include "ceremony/math/p256_path.h"

int p256_path_available(enum p256_path path)
{
#if P256_HAVE_IFMA
    if (path == P256_IFMA)
        return p256_ifma_available();
#endif
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

/* y: NULL, or hints. Bit i of the result says that point i is bad. */
static uint32_t portable_step(struct p256_affine *out, const point_t *in, const uint8_t (*y)[32],
                              size_t count)
{
    uint32_t bad = 0;
    if (y == NULL)
        return p256_decompress_few_var(out, in, count);
    for (size_t i = 0; i < count; i++)
        if (lift(&out[i], &in[i], y[i]) != OK)
            bad |= UINT32_C(1) << i;
    return bad;
}

static uint32_t step(enum p256_path path, struct p256_affine *out, const point_t *in, const uint8_t (*y)[32],
                     size_t count)
{
#if P256_HAVE_IFMA
    if (path == P256_IFMA)
        return y == NULL ? p256_ifma_decompress_var(out, in, count) : p256_ifma_lift_var(out, in, y, count);
#endif
    (void)path;
    return portable_step(out, in, y, count);
}

/* From the end, so that the lowest bad index stays. */
static err_t many(enum p256_path path, struct p256_affine *out, const point_t *in, const uint8_t (*y)[32],
                  size_t count, size_t *bad)
{
    size_t at = count, most = P256_FEW;
    *bad = count;
    if (!p256_path_available(path))
        return ERR_BUG;
#if P256_HAVE_IFMA
    if (path == P256_IFMA)
        most = P256_IFMA_POINTS;
#endif
    while (at > 0) {
        size_t n = (at - 1) % most + 1;
        at -= n;
        uint32_t found = step(path, out + at, in + at, y == NULL ? NULL : y + at, n);
        if (found != 0)
            *bad = at + (size_t)__builtin_ctz(found);
    }
    return *bad == count ? OK : ERR_POINT;
}

err_t p256_decompress_many_on_var(enum p256_path path, struct p256_affine *out, const point_t *in,
                                  size_t count, size_t *bad)
{
    return many(path, out, in, NULL, count, bad);
}

/* Identities are few: they are bad points at first, and looked at again. */
err_t p256_decompress_sums_on_var(enum p256_path path, struct p256_affine *out, const point_t *in,
                                  size_t count, size_t *bad)
{
    static const point_t identity;
    err_t e = many(path, out, in, NULL, count, bad);
    if (e != ERR_POINT)
        return e;
    while (*bad < count &&
           (!p256_affine_is_zero_var(&out[*bad]) || memcmp(&in[*bad], &identity, sizeof identity) == 0))
        ++*bad;
    return *bad == count ? OK : ERR_POINT;
}

err_t p256_lift_many_on_var(enum p256_path path, struct p256_affine *out, const point_t *in,
                            const uint8_t (*y)[32], size_t count, size_t *bad)
{
    return many(path, out, in, y, count, bad);
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
