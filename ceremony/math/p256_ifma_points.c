/* Decompression, sixteen points at a time: two vectors of eight, so that the steps of one square root fill
 * the time in which those of the other wait for their products. Here elements are in Montgomery form with R =
 * 2^260. */
#include "ceremony/math/p256_ifma.h"

#if P256_HAVE_IFMA

#include <string.h>

#include "ceremony/math/p256_ifma_field.h"

#define VECTORS (P256_IFMA_POINTS / 8)

/* 2^520, 2^516, 2^256 and b 2^260 modulo p */
static const uint64_t to_260[5] = {0x0000000000300, 0xffffffff00000, 0xffffefffffffb, 0xfdfffffffffff,
                                   0x0000004ffffff};
static const uint64_t to_256[5] = {0x0000000000030, 0xbffffffff0000, 0xfffffefffffff, 0xffdffffffffff,
                                   0x00000004fffff};
static const uint64_t from_260_to_256[5] = {0x0000000000001, 0xff00000000000, 0xfffffffffffff,
                                            0xfffefffffffff, 0x000000000ffff};
static const uint64_t curve_b[5] = {0xdf6229c4bddfd, 0xca8843090d89c, 0x212ed6acf005c, 0x83415a220abf7,
                                    0x0c30061dd4874};
static const uint64_t plain_one[5] = {1, 0, 0, 0, 0};

/* words of eight elements, word by word */
typedef struct {
    _Alignas(64) uint64_t w[4][8];
} words_t;

IFMA_INLINE fv_t words_load(const words_t *in)
{
    __m512i w[4];
    for (int i = 0; i < 4; i++)
        w[i] = _mm512_load_si512(in->w[i]);
    return fv_unpack(w);
}

IFMA_INLINE void words_store(words_t *out, fv_t a)
{
    __m512i w[4];
    fv_pack(w, a);
    for (int i = 0; i < 4; i++)
        _mm512_store_si512(out->w[i], w[i]);
}

/* Big-endian into a lane; 0, and the lane 0, unless below p. */
static int words_read(words_t *out, int lane, const uint8_t in[32])
{
    static const uint64_t p[4] = {UINT64_C(0xffffffffffffffff), UINT64_C(0x00000000ffffffff), 0,
                                  UINT64_C(0xffffffff00000001)};
    uint64_t v[4];
    for (int i = 0; i < 4; i++) {
        memcpy(&v[i], in + 8 * (3 - i), 8);
        v[i] = __builtin_bswap64(v[i]);
    }
    int at = 3;
    while (at > 0 && v[at] == p[at])
        at--;
    int below = v[at] < p[at];
    for (int i = 0; i < 4; i++)
        out->w[i][lane] = below ? v[i] : 0;
    return below;
}

static void words_write(struct p256_affine *out, const words_t *x, const words_t *y, int lane)
{
    for (int i = 0; i < 4; i++) {
        out->x[i] = x->w[i][lane];
        out->y[i] = y->w[i][lane];
    }
}

/* x and the parity of y. Bit i: point i cannot be one. Lanes behind count are those of x = 0. */
static uint32_t points_read(words_t x[VECTORS], uint8_t odd[VECTORS], const point_t *in, size_t count)
{
    uint32_t bad = 0;
    memset(x, 0, VECTORS * sizeof *x);
    memset(odd, 0, VECTORS);
    for (size_t i = 0; i < count; i++) {
        odd[i / 8] |= (uint8_t)((in[i].b[0] & 1) << i % 8);
        if ((in[i].b[0] | 1) != 3 || !words_read(&x[i / 8], i % 8, in[i].b + 1))
            bad |= UINT32_C(1) << i;
    }
    return bad;
}

static void points_write(struct p256_affine *out, const words_t x[VECTORS], const words_t y[VECTORS],
                         uint32_t bad, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (bad >> i & 1)
            memset(&out[i], 0, sizeof out[i]);
        else
            words_write(&out[i], &x[i / 8], &y[i / 8], i % 8);
    }
}

/* x^3 - 3x + b, clean and below p; x clean */
IFMA_INLINE fv_t curve_y2(fv_t x)
{
    fv_t t = fv_mul_wide(fv_sqr(x), x);
    for (int i = 0; i < 3; i++)
        t = fv_sub_wide(t, x);
    t = fv_add_wide(t, fv_const(curve_b));
    return fv_canonical(fv_add_wide(t, fv_p(6)));
}

/* Vectors of eight, side by side. */
typedef struct {
    fv_t v[VECTORS];
} many_t;

/* a^(2^n) b */
static IFMA_TARGET void sqr_n_mul(many_t *r, const many_t *a, unsigned n, const many_t *b, size_t vectors)
{
    many_t t = *a;
    for (unsigned i = 0; i < n; i++)
        for (size_t j = 0; j < vectors; j++)
            t.v[j] = fv_sqr(t.v[j]);
    for (size_t j = 0; j < vectors; j++)
        r->v[j] = b == NULL ? t.v[j] : fv_mul(t.v[j], b->v[j]);
}

/* a^((p + 1) / 4), and (p + 1) / 4 = ((2^32 - 1) 2^32 + 1) 2^190 + 2^94 */
static IFMA_TARGET void square_root(many_t *r, const many_t *a, size_t vectors)
{
    many_t x2, x3, x6, x12, x15, t;
    sqr_n_mul(&x2, a, 1, a, vectors);
    sqr_n_mul(&x3, &x2, 1, a, vectors);
    sqr_n_mul(&x6, &x3, 3, &x3, vectors);
    sqr_n_mul(&x12, &x6, 6, &x6, vectors);
    sqr_n_mul(&x15, &x12, 3, &x3, vectors);
    sqr_n_mul(&t, &x15, 15, &x15, vectors);
    sqr_n_mul(&t, &t, 2, &x2, vectors);
    sqr_n_mul(&t, &t, 32, a, vectors);
    sqr_n_mul(&t, &t, 96, a, vectors);
    sqr_n_mul(r, &t, 94, NULL, vectors);
}

/* y of the wanted parity, to words with R = 2^256 */
IFMA_INLINE void root_store(words_t *out, fv_t y, uint8_t odd)
{
    fv_t plain = fv_canonical(fv_mul_wide(y, fv_const(plain_one)));
    __mmask8 other = _mm512_test_epi64_mask(plain.l[0], FV_SET(1)) ^ odd;
    y = fv_canonical(fv_mul_wide(y, fv_const(from_260_to_256)));
    fv_t minus = fv_clean(fv_carry(fv_sub_wide(fv_p(1), y)));
    words_store(out, fv_select(y, minus, other));
}

IFMA_TARGET uint32_t p256_ifma_decompress_var(struct p256_affine *out, const point_t *in, size_t count)
{
    words_t x[VECTORS], y[VECTORS];
    uint8_t odd[VECTORS];
    many_t y2 = {0}, root;
    size_t vectors = (count + 7) / 8;
    uint32_t bad = points_read(x, odd, in, count);
    for (size_t i = 0; i < vectors; i++)
        y2.v[i] = curve_y2(fv_clean(fv_mul(words_load(&x[i]), fv_const(to_260))));
    square_root(&root, &y2, vectors);
    for (size_t i = 0; i < vectors; i++) {
        fv_t square = fv_canonical(fv_sqr_wide(root.v[i]));
        bad |= (uint32_t)(uint8_t)~fv_equal(square, y2.v[i]) << 8 * i;
        root_store(&y[i], root.v[i], odd[i]);
        words_store(&x[i], fv_canonical(fv_mul_wide(words_load(&x[i]), fv_const(to_256))));
    }
    points_write(out, x, y, bad, count);
    return bad & (uint32_t)((UINT64_C(1) << count) - 1);
}

IFMA_TARGET uint32_t p256_ifma_lift_var(struct p256_affine *out, const point_t *in, const uint8_t (*hint)[32],
                                        size_t count)
{
    words_t x[VECTORS], y[VECTORS];
    uint8_t odd[VECTORS];
    uint32_t bad = points_read(x, odd, in, count);
    memset(y, 0, sizeof y);
    for (size_t i = 0; i < count; i++)
        if (!words_read(&y[i / 8], i % 8, hint[i]) || (hint[i][31] & 1) != (in[i].b[0] & 1))
            bad |= UINT32_C(1) << i;
    for (size_t i = 0; i < (count + 7) / 8; i++) {
        fv_t u = words_load(&x[i]), v = words_load(&y[i]);
        fv_t y2 = curve_y2(fv_clean(fv_mul(u, fv_const(to_260))));
        fv_t square = fv_canonical(fv_sqr_wide(fv_mul(v, fv_const(to_260))));
        bad |= (uint32_t)(uint8_t)~fv_equal(square, y2) << 8 * i;
        words_store(&x[i], fv_canonical(fv_mul_wide(u, fv_const(to_256))));
        words_store(&y[i], fv_canonical(fv_mul_wide(v, fv_const(to_256))));
    }
    points_write(out, x, y, bad, count);
    return bad & (uint32_t)((UINT64_C(1) << count) - 1);
}

#else
typedef int p256_ifma_points_absent;
#endif
