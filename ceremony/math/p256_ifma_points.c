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

/* Eight points. */
struct eight {
    fv_t x;         /* as a number, clean; 0 in lanes that are not in good */
    __mmask8 there; /* lanes that have a point; the others are as if x were 0 */
    __mmask8 odd, good;
};

/* Big-endian numbers in rows, clean; 0 in the lanes that are not in below, as they are not below p. */
IFMA_INLINE fv_t numbers_read(__mmask8 *below, const uint8_t *const row[8])
{
    const __m512i swap = _mm512_set4_epi32(0x08090a0b, 0x0c0d0e0f, 0x00010203, 0x04050607);
    __m512i v[4], w[4];
    transpose_in(v, row[0], row[1], row[2], row[3], row[4], row[5], row[6], row[7]);
    for (int i = 0; i < 4; i++)
        w[i] = _mm512_shuffle_epi8(v[3 - i], swap);
    fv_t a = fv_unpack(w);
    *below = _mm512_movepi64_mask(fv_carry(fv_sub_wide(a, fv_p(1))).l[4]);
    return fv_select((fv_t){{FV_ZERO, FV_ZERO, FV_ZERO, FV_ZERO, FV_ZERO}}, a, *below);
}

static const uint8_t nothing[32];

/* count may be more than eight, or none. */
IFMA_INLINE void eight_read(struct eight *e, const point_t *in, size_t count)
{
    const uint8_t *row[8];
    e->there = e->odd = e->good = 0;
    for (size_t i = 0; i < 8; i++) {
        uint8_t head = i < count ? in[i].b[0] : 0;
        row[i] = i < count ? in[i].b + 1 : nothing;
        e->there |= (__mmask8)((i < count) << i);
        e->odd |= (__mmask8)((head & 1) << i);
        e->good |= (__mmask8)(((head | 1) == 3) << i);
    }
    __mmask8 below;
    e->x = numbers_read(&below, row);
    e->good &= below;
}

/* The points of a vector, from canonical coordinates with R = 2^256; lanes that are not good become the
 * identity. Returns the lanes that have a bad point. */
IFMA_INLINE uint32_t eight_write(struct p256_affine *out, const struct eight *e, fv_t x, fv_t y)
{
    struct p256_affine *to[8], nowhere;
    __m512i wx[4], wy[4];
    for (size_t i = 0; i < 8; i++)
        to[i] = e->there >> i & 1 ? &out[i] : &nowhere;
    fv_pack(wx, x);
    fv_pack(wy, y);
    for (int i = 0; i < 4; i++) {
        wx[i] = _mm512_maskz_mov_epi64(e->good, wx[i]);
        wy[i] = _mm512_maskz_mov_epi64(e->good, wy[i]);
    }
    transpose_out(wx, to[0]->x, to[1]->x, to[2]->x, to[3]->x, to[4]->x, to[5]->x, to[6]->x, to[7]->x);
    transpose_out(wy, to[0]->y, to[1]->y, to[2]->y, to[3]->y, to[4]->y, to[5]->y, to[6]->y, to[7]->y);
    return e->there & (__mmask8)~e->good;
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

/* y of the wanted parity, with R = 2^256 */
IFMA_INLINE fv_t root_choose(fv_t y, __mmask8 odd)
{
    fv_t plain = fv_canonical(fv_mul_wide(y, fv_const(plain_one)));
    __mmask8 other = _mm512_test_epi64_mask(plain.l[0], FV_SET(1)) ^ odd;
    y = fv_canonical(fv_mul_wide(y, fv_const(from_260_to_256)));
    fv_t minus = fv_clean(fv_carry(fv_sub_wide(fv_p(1), y)));
    return fv_select(y, minus, other);
}

IFMA_TARGET uint32_t p256_ifma_decompress_var(struct p256_affine *out, const point_t *in, size_t count)
{
    struct eight e[VECTORS];
    many_t y2 = {0}, root;
    size_t vectors = (count + 7) / 8;
    uint32_t bad = 0;
    for (size_t i = 0; i < vectors; i++) {
        eight_read(&e[i], in + 8 * i, count - 8 * i);
        y2.v[i] = curve_y2(fv_clean(fv_mul(e[i].x, fv_const(to_260))));
    }
    square_root(&root, &y2, vectors);
    for (size_t i = 0; i < vectors; i++) {
        e[i].good &= fv_equal(fv_canonical(fv_sqr_wide(root.v[i])), y2.v[i]);
        fv_t x = fv_canonical(fv_mul_wide(e[i].x, fv_const(to_256)));
        bad |= eight_write(out + 8 * i, &e[i], x, root_choose(root.v[i], e[i].odd)) << 8 * i;
    }
    return bad;
}

/* y as numbers; lanes whose hint is not below p, or of the other parity, are not good. */
IFMA_INLINE fv_t hints_read(struct eight *e, const uint8_t (*hint)[32], size_t count)
{
    const uint8_t *row[8];
    __mmask8 below;
    for (size_t i = 0; i < 8; i++)
        row[i] = i < count ? hint[i] : nothing;
    fv_t y = numbers_read(&below, row);
    e->good &= below & (__mmask8) ~(_mm512_test_epi64_mask(y.l[0], FV_SET(1)) ^ e->odd);
    return y;
}

IFMA_TARGET uint32_t p256_ifma_lift_var(struct p256_affine *out, const point_t *in, const uint8_t (*hint)[32],
                                        size_t count)
{
    uint32_t bad = 0;
    for (size_t i = 0; i < count; i += 8) {
        struct eight e;
        eight_read(&e, in + i, count - i);
        fv_t y = hints_read(&e, hint + i, count - i);
        fv_t y2 = curve_y2(fv_clean(fv_mul(e.x, fv_const(to_260))));
        e.good &= fv_equal(fv_canonical(fv_sqr_wide(fv_mul(y, fv_const(to_260)))), y2);
        bad |= eight_write(out + i, &e, fv_canonical(fv_mul_wide(e.x, fv_const(to_256))),
                           fv_canonical(fv_mul_wide(y, fv_const(to_256))))
               << i;
    }
    return bad;
}

#else
typedef int p256_ifma_points_absent;
#endif
