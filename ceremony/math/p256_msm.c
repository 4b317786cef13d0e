/* Sums k_1 P_1 + ... + k_n P_n: interleaved wNAF (Straus) for few points; for many, buckets
 * (p256_pippenger.c). */
#include <stdlib.h>
#include <string.h>

#include "ceremony/math/p256_field.h"
#include "ceremony/math/p256_path.h"
#include "ceremony/math/p256_pippenger.h"

#define STRAUS_MAX 24 /* above this count the buckets are faster */

#define WNAF_WIDTH 5
#define WNAF_TABLE (1 << (WNAF_WIDTH - 2))
#define WNAF_LEN (SCALAR_BITS + 1)

/* count <= 32 bits from position at */
static uint32_t wide_bits(const wide_t w, unsigned at, unsigned count)
{
    unsigned limb = at / 64, shift = at % 64;
    if (limb > 4)
        return 0;
    uint64_t v = w[limb] >> shift;
    if (shift + count > 64 && limb < 4)
        v |= w[limb + 1] << (64 - shift);
    return (uint32_t)(v & ((UINT64_C(1) << count) - 1));
}

/* --- Straus --- */

struct straus {
    size_t count;
    int8_t (*digit)[WNAF_LEN];
    struct p256_affine (*odd)[WNAF_TABLE]; /* P, 3P, 5P, ... */
    struct p256_jacobian (*odd_jacobian)[WNAF_TABLE];
};

/* k = sum digit[i] 2^i, digits odd or 0, below 2^(WNAF_WIDTH - 1); returns the number of digits. */
static unsigned wnaf(int8_t digit[WNAF_LEN], const wide_t k)
{
    unsigned len = 0, carry = 0;
    memset(digit, 0, WNAF_LEN);
    for (unsigned at = 0; at < WNAF_LEN;) {
        if (wide_bits(k, at, 1) == carry) {
            at++;
            continue;
        }
        int word = (int)(wide_bits(k, at, WNAF_WIDTH) + carry);
        carry = (unsigned)word >> (WNAF_WIDTH - 1) & 1;
        word -= (int)(carry << WNAF_WIDTH);
        digit[at] = (int8_t)word;
        len = at + 1;
        at += WNAF_WIDTH;
    }
    return len;
}

static void odd_multiples(struct p256_jacobian out[WNAF_TABLE], const struct p256_affine *p)
{
    struct p256_jacobian twice;
    p256_from_affine(&out[0], p);
    p256_double_var(&twice, &out[0]);
    for (int i = 1; i < WNAF_TABLE; i++)
        p256_add_var(&out[i], &out[i - 1], &twice);
}

static void straus_run(struct p256_jacobian *out, const struct straus *s, unsigned len)
{
    p256_zero(out);
    for (unsigned at = len; at-- > 0;) {
        p256_double_var(out, out);
        for (size_t i = 0; i < s->count; i++) {
            int d = s->digit[i][at];
            if (d > 0)
                p256_add_affine_var(out, out, &s->odd[i][d / 2]);
            if (d < 0) {
                struct p256_affine minus;
                p256_neg(&minus, &s->odd[i][-d / 2]);
                p256_add_affine_var(out, out, &minus);
            }
        }
    }
}

static err_t straus(struct p256_jacobian *out, const scalar_t *k, const struct p256_affine *p, size_t count)
{
    err_t e = ERR_MEMORY;
    unsigned len = 0;
    struct straus s = {.count = count};
    s.digit = calloc(count, sizeof *s.digit);
    s.odd = calloc(count, sizeof *s.odd);
    s.odd_jacobian = calloc(count, sizeof *s.odd_jacobian);
    if (s.digit == NULL || s.odd == NULL || s.odd_jacobian == NULL)
        goto out;
    for (size_t i = 0; i < count; i++) {
        wide_t w;
        wide_load(w, &k[i]);
        unsigned n = wnaf(s.digit[i], w);
        len = n > len ? n : len;
        odd_multiples(s.odd_jacobian[i], &p[i]);
    }
    GO(p256_to_affine_many_var(s.odd[0], s.odd_jacobian[0], count * WNAF_TABLE));
    straus_run(out, &s, len);
    e = OK;
out:
    free(s.digit);
    free(s.odd);
    free(s.odd_jacobian);
    return e;
}

err_t p256_msm_width_var(enum p256_path path, struct p256_jacobian *out, const scalar_t *k,
                         const struct p256_affine *p, size_t count, unsigned bits, unsigned width)
{
    p256_zero(out);
    if (bits > SCALAR_BITS || count > P256_PIPPENGER_POINTS || !p256_path_available(path))
        return ERR_BUG;
    if (width != 0 && (width < P256_WIDTH_MIN || width > P256_WIDTH_MAX))
        return ERR_BUG;
    if (count == 0)
        return OK;
    struct p256_jacobian sum;
    unsigned longest = 0;
    for (size_t i = 0; i < count; i++) {
        unsigned n = p256_bit_length(&k[i]);
        longest = n > longest ? n : longest;
    }
    if (longest > bits)
        return ERR_BUG;
    if (longest == 0)
        return OK;
    if (count <= STRAUS_MAX)
        TRY(straus(&sum, k, p, count));
    else
        TRY(p256_pippenger_var(path, &sum, k, p, count, longest, width));
    *out = sum;
    return OK;
}

err_t p256_msm_on_var(enum p256_path path, struct p256_jacobian *out, const scalar_t *k,
                      const struct p256_affine *p, size_t count, unsigned bits)
{
    return p256_msm_width_var(path, out, k, p, count, bits, 0);
}

err_t p256_msm_var(struct p256_jacobian *out, const scalar_t *k, const struct p256_affine *p, size_t count,
                   unsigned bits)
{
    return p256_msm_on_var(p256_path_best(), out, k, p, count, bits);
}

err_t p256_mul_var(struct p256_jacobian *out, const scalar_t *k, const struct p256_affine *p)
{
    return p256_msm_var(out, k, p, 1, SCALAR_BITS);
}
