#include "ceremony/math/p256_field.h"

#include <gmp.h>

const fe_t fe_one = {UINT64_C(0x0000000000000001), UINT64_C(0xffffffff00000000), UINT64_C(0xffffffffffffffff),
                     UINT64_C(0x00000000fffffffe)};
const fe_t fe_curve_b = {UINT64_C(0xd89cdf6229c4bddf), UINT64_C(0xacf005cd78843090),
                         UINT64_C(0xe5a220abf7212ed6), UINT64_C(0xdc30061d04874834)};
static const fe_t fe_rr = {UINT64_C(0x0000000000000003), UINT64_C(0xfffffffbffffffff),
                           UINT64_C(0xfffffffffffffffe), UINT64_C(0x00000004fffffffd)};

/* lo:hi = a b */
static inline uint64_t mul_wide(uint64_t *hi, uint64_t a, uint64_t b)
{
    fe_wide w = (fe_wide)a * b;
    *hi = (uint64_t)(w >> 64);
    return (uint64_t)w;
}

/* One step of Montgomery's reduction. p = -1 mod 2^64, so the multiplier is the lowest limb itself:
 * t + m p = (t - m) + m 2^96 + m (2^64 - 2^32 + 1) 2^192. The result stays below 2^192 + p; its top limb
 * takes the place of t0. */
#define REDUCE_STEP(t0, t1, t2, t3)                                                                          \
    do {                                                                                                     \
        uint64_t hi_, lo_ = mul_wide(&hi_, t0, FE_P3);                                                       \
        uint64_t c_ = fe_adc(&(t1), t1, (t0) << 32, 0);                                                      \
        c_ = fe_adc(&(t2), t2, (t0) >> 32, c_);                                                              \
        c_ = fe_adc(&(t3), t3, lo_, c_);                                                                     \
        (t0) = hi_ + c_;                                                                                     \
    } while (0)

static inline void reduce_wide(fe_t r, const uint64_t t[8])
{
    uint64_t a = t[0], b = t[1], c = t[2], d = t[3], u[4], carry;
    REDUCE_STEP(a, b, c, d);
    REDUCE_STEP(b, c, d, a);
    REDUCE_STEP(c, d, a, b);
    REDUCE_STEP(d, a, b, c);
    carry = fe_adc(&u[0], a, t[4], 0);
    carry = fe_adc(&u[1], b, t[5], carry);
    carry = fe_adc(&u[2], c, t[6], carry);
    carry = fe_adc(&u[3], d, t[7], carry);
    fe_reduce_once(r, u, carry);
}

/* t += x b, at t, where there are four limbs so far; the fifth is new. */
static inline void mul_row(uint64_t t[5], uint64_t x, const fe_t b)
{
    uint64_t l0, l1, l2, l3, h0, h1, h2, h3, c;
    l0 = mul_wide(&h0, x, b[0]);
    l1 = mul_wide(&h1, x, b[1]);
    l2 = mul_wide(&h2, x, b[2]);
    l3 = mul_wide(&h3, x, b[3]);
    c = fe_adc(&l1, l1, h0, 0);
    c = fe_adc(&l2, l2, h1, c);
    c = fe_adc(&l3, l3, h2, c);
    h3 += c;
    c = fe_adc(&t[0], t[0], l0, 0);
    c = fe_adc(&t[1], t[1], l1, c);
    c = fe_adc(&t[2], t[2], l2, c);
    c = fe_adc(&t[3], t[3], l3, c);
    t[4] = h3 + c;
}

/* Clang 14 cannot ask for ADX by name, and its C is not far behind; so it keeps the C path tested. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define FE_ADX 1
#else
#define FE_ADX 0
#endif

#if FE_ADX
/* The same product for processors with MULX, ADCX and ADOX, which C does not reach: two independent carry
 * chains, lows along one and highs along the other. Compilers of today need twice the time. */
#define ROW(at, t0, t1, t2, t3, t4)                                                                          \
    "movq " at "(%[a]), %%rdx\n\t"                                                                           \
    "xorl %k[" t4 "], %k[" t4 "]\n\t"                                                                        \
    "mulxq (%[b]), %[lo], %[hi]\n\t"                                                                         \
    "adcxq %[lo], %[" t0 "]\n\tadoxq %[hi], %[" t1 "]\n\t"                                                   \
    "mulxq 8(%[b]), %[lo], %[hi]\n\t"                                                                        \
    "adcxq %[lo], %[" t1 "]\n\tadoxq %[hi], %[" t2 "]\n\t"                                                   \
    "mulxq 16(%[b]), %[lo], %[hi]\n\t"                                                                       \
    "adcxq %[lo], %[" t2 "]\n\tadoxq %[hi], %[" t3 "]\n\t"                                                   \
    "mulxq 24(%[b]), %[lo], %[hi]\n\t"                                                                       \
    "adcxq %[lo], %[" t3 "]\n\tadoxq %[hi], %[" t4 "]\n\t"                                                   \
    "movl $0, %k[lo]\n\tadcxq %[lo], %[" t4 "]\n\t"

/* REDUCE_STEP; shifts are products too, since the units that shift are those that add with carry, and these
 * are what there is too few of. The new top limb takes the place of t0. */
#define STEP(t0, t1, t2, t3)                                                                                 \
    "movq %[" t0 "], %%rdx\n\t"                                                                              \
    "mulxq %[c32], %[lo], %[hi]\n\t"                                                                         \
    "addq %[lo], %[" t1 "]\n\tadcq %[hi], %[" t2 "]\n\t"                                                     \
    "mulxq %[p3], %[lo], %[" t0 "]\n\t"                                                                      \
    "adcq %[lo], %[" t3 "]\n\tadcq $0, %[" t0 "]\n\t"

/* reduce_wide on t0 .. t7, the result in t0 .. t3 */
#define REDUCE                                                                                               \
    STEP("t0", "t1", "t2", "t3")                                                                             \
    STEP("t1", "t2", "t3", "t0")                                                                             \
    STEP("t2", "t3", "t0", "t1")                                                                             \
    STEP("t3", "t0", "t1", "t2")                                                                             \
    "addq %[t4], %[t0]\n\tadcq %[t5], %[t1]\n\t"                                                             \
    "adcq %[t6], %[t2]\n\tadcq %[t7], %[t3]\n\t"                                                             \
    "movl $0, %k[lo]\n\tadcq $0, %[lo]\n\t"                                                                  \
    "movq %[t0], %[t4]\n\tmovq %[t1], %[t5]\n\t"                                                             \
    "movq %[t2], %[t6]\n\tmovq %[t3], %[t7]\n\t"                                                             \
    "movl $0xffffffff, %k[hi]\n\tmovabsq $0xffffffff00000001, %%rdx\n\t"                                     \
    "subq $-1, %[t0]\n\tsbbq %[hi], %[t1]\n\t"                                                               \
    "sbbq $0, %[t2]\n\tsbbq %%rdx, %[t3]\n\tsbbq $0, %[lo]\n\t"                                              \
    "cmovcq %[t4], %[t0]\n\tcmovcq %[t5], %[t1]\n\t"                                                         \
    "cmovcq %[t6], %[t2]\n\tcmovcq %[t7], %[t3]\n\t"

#define OUTPUTS                                                                                              \
    [t0] "=&r"(t0), [t1] "=&r"(t1), [t2] "=&r"(t2), [t3] "=&r"(t3), [t4] "=&r"(t4), [t5] "=&r"(t5),          \
        [t6] "=&r"(t6), [t7] "=&r"(t7), [lo] "=&r"(lo), [hi] "=&r"(hi)

static const uint64_t two_32 = UINT64_C(1) << 32, p_top = FE_P3;

static inline __attribute__((always_inline)) void mul_adx(fe_t r, const fe_t a, const fe_t b)
{
    uint64_t t0, t1, t2, t3, t4, t5, t6, t7, lo, hi;
    __asm__("movq (%[a]), %%rdx\n\t"
            "mulxq (%[b]), %[t0], %[t1]\n\t"
            "mulxq 8(%[b]), %[lo], %[t2]\n\taddq %[lo], %[t1]\n\t"
            "mulxq 16(%[b]), %[lo], %[t3]\n\tadcq %[lo], %[t2]\n\t"
            "mulxq 24(%[b]), %[lo], %[t4]\n\tadcq %[lo], %[t3]\n\t"
            "adcq $0, %[t4]\n\t" ROW("8", "t1", "t2", "t3", "t4", "t5")
                ROW("16", "t2", "t3", "t4", "t5", "t6") ROW("24", "t3", "t4", "t5", "t6", "t7") REDUCE:OUTPUTS
            : [a] "r"(a), [b] "r"(b), [c32] "m"(two_32), [p3] "m"(p_top), "m"(*(const fe_t *)a),
              "m"(*(const fe_t *)b)
            : "rdx", "cc");
    r[0] = t0;
    r[1] = t1;
    r[2] = t2;
    r[3] = t3;
}

/* limb at position i of a, squared, onto t[2i] and t[2i + 1] */
#define DIAGONAL(at, even, odd)                                                                              \
    "movq " at "(%[a]), %%rdx\n\t"                                                                           \
    "mulxq %%rdx, %[lo], %[hi]\n\t"                                                                          \
    "adcq %[lo], %[" even "]\n\tadcq %[hi], %[" odd "]\n\t"

static inline __attribute__((always_inline)) void sqr_adx(fe_t r, const fe_t a)
{
    uint64_t t0, t1, t2, t3, t4, t5, t6, t7, lo, hi;
    __asm__("movq (%[a]), %%rdx\n\t"
            "mulxq 8(%[a]), %[t1], %[t2]\n\t"
            "mulxq 16(%[a]), %[lo], %[t3]\n\taddq %[lo], %[t2]\n\t"
            "mulxq 24(%[a]), %[lo], %[t4]\n\tadcq %[lo], %[t3]\n\tadcq $0, %[t4]\n\t"
            "movq 8(%[a]), %%rdx\n\t"
            "mulxq 24(%[a]), %[lo], %[t5]\n\taddq %[lo], %[t4]\n\tadcq $0, %[t5]\n\t"
            "mulxq 16(%[a]), %[lo], %[hi]\n\t"
            "addq %[lo], %[t3]\n\tadcq %[hi], %[t4]\n\tadcq $0, %[t5]\n\t"
            "movq 16(%[a]), %%rdx\n\t"
            "mulxq 24(%[a]), %[lo], %[t6]\n\taddq %[lo], %[t5]\n\tadcq $0, %[t6]\n\t"
            "xorl %k[t0], %k[t0]\n\txorl %k[t7], %k[t7]\n\t"
            "addq %[t1], %[t1]\n\tadcq %[t2], %[t2]\n\tadcq %[t3], %[t3]\n\t"
            "adcq %[t4], %[t4]\n\tadcq %[t5], %[t5]\n\tadcq %[t6], %[t6]\n\tadcq %[t7], %[t7]\n\t" DIAGONAL(
                "", "t0", "t1") DIAGONAL("8", "t2", "t3") DIAGONAL("16", "t4", "t5")
                DIAGONAL("24", "t6", "t7") REDUCE:OUTPUTS
            : [a] "r"(a), [c32] "m"(two_32), [p3] "m"(p_top), "m"(*(const fe_t *)a)
            : "rdx", "cc");
    r[0] = t0;
    r[1] = t1;
    r[2] = t2;
    r[3] = t3;
}

#define HAVE_ADX (__builtin_cpu_supports("bmi2") && __builtin_cpu_supports("adx"))
#endif

void fe_mul(fe_t r, const fe_t a, const fe_t b)
{
#if FE_ADX
    if (HAVE_ADX) {
        mul_adx(r, a, b);
        return;
    }
#endif
    uint64_t t[8] = {0, 0, 0, 0};
    mul_row(t, a[0], b);
    mul_row(t + 1, a[1], b);
    mul_row(t + 2, a[2], b);
    mul_row(t + 3, a[3], b);
    reduce_wide(r, t);
}

/* products of two different limbs, in t[1] .. t[6] */
static inline void sqr_cross(uint64_t t[8], const fe_t a)
{
    uint64_t lo, hi, c, top;
    t[1] = mul_wide(&t[2], a[0], a[1]);
    lo = mul_wide(&t[3], a[0], a[2]);
    c = fe_adc(&t[2], t[2], lo, 0);
    lo = mul_wide(&t[4], a[0], a[3]);
    c = fe_adc(&t[3], t[3], lo, c);
    t[4] += c;
    lo = mul_wide(&hi, a[1], a[2]);
    c = fe_adc(&t[3], t[3], lo, 0);
    t[5] = fe_adc(&t[4], t[4], hi, c);
    lo = mul_wide(&hi, a[1], a[3]);
    c = fe_adc(&t[4], t[4], lo, 0);
    top = fe_adc(&t[5], t[5], hi, c);
    lo = mul_wide(&hi, a[2], a[3]);
    c = fe_adc(&t[5], t[5], lo, 0);
    t[6] = top + hi + c;
}

void fe_sqr(fe_t r, const fe_t a)
{
#if FE_ADX
    if (HAVE_ADX) {
        sqr_adx(r, a);
        return;
    }
#endif
    uint64_t t[8], lo, hi, c;
    sqr_cross(t, a);
    c = fe_adc(&t[1], t[1], t[1], 0);
    c = fe_adc(&t[2], t[2], t[2], c);
    c = fe_adc(&t[3], t[3], t[3], c);
    c = fe_adc(&t[4], t[4], t[4], c);
    c = fe_adc(&t[5], t[5], t[5], c);
    t[7] = fe_adc(&t[6], t[6], t[6], c);
    t[0] = mul_wide(&hi, a[0], a[0]);
    c = fe_adc(&t[1], t[1], hi, 0);
    lo = mul_wide(&hi, a[1], a[1]);
    c = fe_adc(&t[2], t[2], lo, c);
    c = fe_adc(&t[3], t[3], hi, c);
    lo = mul_wide(&hi, a[2], a[2]);
    c = fe_adc(&t[4], t[4], lo, c);
    c = fe_adc(&t[5], t[5], hi, c);
    lo = mul_wide(&hi, a[3], a[3]);
    c = fe_adc(&t[6], t[6], lo, c);
    t[7] += hi + c;
    reduce_wide(r, t);
}

void fe_mul_each(fe_t *r, const fe_t *a, const fe_t *b, size_t n)
{
#if FE_ADX
    if (HAVE_ADX) {
        for (size_t i = 0; i < n; i++)
            mul_adx(r[i], a[i], b[i]);
        return;
    }
#endif
    for (size_t i = 0; i < n; i++)
        fe_mul(r[i], a[i], b[i]);
}

void fe_sqr_each(fe_t *r, const fe_t *a, size_t n)
{
#if FE_ADX
    if (HAVE_ADX) {
        for (size_t i = 0; i < n; i++)
            sqr_adx(r[i], a[i]);
        return;
    }
#endif
    for (size_t i = 0; i < n; i++)
        fe_sqr(r[i], a[i]);
}

/* r[i] = a[i]^(2^n) b[i], side by side: a square waits for the one before, not for its neighbours. */
static void sqr_n_mul(fe_t *r, const fe_t *a, unsigned n, const fe_t *b, size_t count)
{
    fe_t t[FE_MANY];
    memcpy(t, a, count * sizeof(fe_t));
    for (unsigned i = 0; i < n; i++)
        fe_sqr_each(t, (const fe_t *)t, count);
    fe_mul_each(r, (const fe_t *)t, b, count);
}

/* x2, x30, x32: a to the powers 2^2 - 1, 2^30 - 1, 2^32 - 1 */
static void power_runs(fe_t *x2, fe_t *x30, fe_t *x32, const fe_t *a, size_t count)
{
    fe_t x3[FE_MANY], x6[FE_MANY], x12[FE_MANY], x15[FE_MANY];
    sqr_n_mul(x2, a, 1, a, count);
    sqr_n_mul(x3, x2, 1, a, count);
    sqr_n_mul(x6, x3, 3, x3, count);
    sqr_n_mul(x12, x6, 6, x6, count);
    sqr_n_mul(x15, x12, 3, x3, count);
    sqr_n_mul(x30, x15, 15, x15, count);
    sqr_n_mul(x32, x30, 2, x2, count);
}

void fe_invert(fe_t r, const fe_t a)
{
    /* p - 2 = ffffffff 00000001 00000000 00000000 00000000 ffffffff ffffffff fffffffd */
    fe_t x[1], x2[1], x30[1], x32[1], t[1];
    fe_copy(x[0], a);
    power_runs(x2, x30, x32, (const fe_t *)x, 1);
    sqr_n_mul(t, (const fe_t *)x32, 32, (const fe_t *)x, 1);
    sqr_n_mul(t, (const fe_t *)t, 128, (const fe_t *)x32, 1);
    sqr_n_mul(t, (const fe_t *)t, 32, (const fe_t *)x32, 1);
    sqr_n_mul(t, (const fe_t *)t, 30, (const fe_t *)x30, 1);
    sqr_n_mul(t, (const fe_t *)t, 2, (const fe_t *)x, 1);
    fe_copy(r, t[0]);
}

_Static_assert(sizeof(mp_limb_t) == sizeof(uint64_t), "limbs of GMP are limbs of the field");

void fe_invert_var(fe_t r, const fe_t a)
{
    static const uint64_t p[4] = {FE_P0, FE_P1, 0, FE_P3};
    mp_limb_t u[4], v[5], g[5], s[6] = {0}; /* g = u s + v t; u and v are used up */
    mp_size_t len;
    fe_t t;
    if (fe_is_zero(a)) {
        fe_zero(r);
        return;
    }
    for (int i = 0; i < 4; i++) {
        u[i] = a[i];
        v[i] = p[i];
    }
    mpn_gcdext(g, s, &len, u, 4, v, 4);
    for (int i = 0; i < 4; i++)
        t[i] = i < (len < 0 ? -len : len) ? s[i] : 0;
    if (len < 0)
        fe_neg(t, t);
    fe_mul(t, t, fe_rr); /* the inverse of a 2^256, so twice 2^256 is missing */
    fe_mul(r, t, fe_rr);
}

void fe_sqrt_many(fe_t *r, const fe_t *a, size_t count)
{
    /* (p + 1)/4 = ((2^32 - 1) 2^32 + 1) 2^190 + 2^94 */
    fe_t x2[FE_MANY], x30[FE_MANY], x32[FE_MANY], t[FE_MANY];
    power_runs(x2, x30, x32, a, count);
    sqr_n_mul(t, (const fe_t *)x32, 32, a, count);
    sqr_n_mul(t, (const fe_t *)t, 96, a, count);
    for (unsigned i = 0; i < 94; i++)
        fe_sqr_each(t, (const fe_t *)t, count);
    memcpy(r, t, count * sizeof(fe_t));
}

int fe_load(fe_t r, const uint8_t in[32])
{
    uint64_t t[4], s[4];
    for (int i = 0; i < 4; i++) {
        uint64_t v = 0;
        for (int j = 0; j < 8; j++)
            v = v << 8 | in[8 * (3 - i) + j];
        t[i] = v;
    }
    fe_reduce_once(s, t, 0);
    if (!fe_equal(s, t)) {
        fe_zero(r);
        return 0;
    }
    fe_mul(r, t, fe_rr);
    return 1;
}

void fe_store(uint8_t out[32], const fe_t a)
{
    static const fe_t plain_one = {1, 0, 0, 0};
    fe_t t;
    fe_mul(t, a, plain_one);
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 8; j++)
            out[8 * (3 - i) + j] = (uint8_t)(t[i] >> (56 - 8 * j));
}
