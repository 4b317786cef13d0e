#include "ceremony/math/p256_field.h"

const fe_t fe_one = {UINT64_C(0x0000000000000001), UINT64_C(0xffffffff00000000), UINT64_C(0xffffffffffffffff),
                     UINT64_C(0x00000000fffffffe)};
const fe_t fe_curve_b = {UINT64_C(0xd89cdf6229c4bddf), UINT64_C(0xacf005cd78843090),
                         UINT64_C(0xe5a220abf7212ed6), UINT64_C(0xdc30061d04874834)};
static const fe_t fe_rr = {UINT64_C(0x0000000000000003), UINT64_C(0xfffffffbffffffff),
                           UINT64_C(0xfffffffffffffffe), UINT64_C(0x00000004fffffffd)};

/* One step of Montgomery's reduction. p = -1 mod 2^64, so the multiplier is the lowest limb itself:
 * t + m p = (t - m) + m 2^96 + m (2^64 - 2^32 + 1) 2^192. The result stays below 2^192 + p. */
#define REDUCE_STEP(t0, t1, t2, t3)                                                                          \
    do {                                                                                                     \
        uint64_t m_ = (t0);                                                                                  \
        fe_wide s_ = (fe_wide)(t1) + (m_ << 32);                                                             \
        (t0) = (uint64_t)s_;                                                                                 \
        s_ = (fe_wide)(t2) + (m_ >> 32) + (uint64_t)(s_ >> 64);                                              \
        (t1) = (uint64_t)s_;                                                                                 \
        s_ = (fe_wide)m_ * FE_P3 + (t3) + (uint64_t)(s_ >> 64);                                              \
        (t2) = (uint64_t)s_;                                                                                 \
        (t3) = (uint64_t)(s_ >> 64);                                                                         \
    } while (0)

static inline void reduce_wide(fe_t r, const uint64_t t[8])
{
    uint64_t a = t[0], b = t[1], c = t[2], d = t[3], u[4];
    REDUCE_STEP(a, b, c, d);
    REDUCE_STEP(a, b, c, d);
    REDUCE_STEP(a, b, c, d);
    REDUCE_STEP(a, b, c, d);
    fe_wide s = (fe_wide)a + t[4];
    u[0] = (uint64_t)s;
    s = (fe_wide)b + t[5] + (uint64_t)(s >> 64);
    u[1] = (uint64_t)s;
    s = (fe_wide)c + t[6] + (uint64_t)(s >> 64);
    u[2] = (uint64_t)s;
    s = (fe_wide)d + t[7] + (uint64_t)(s >> 64);
    u[3] = (uint64_t)s;
    fe_reduce_once(r, u, (uint64_t)(s >> 64));
}

/* (hi:lo) = a b + x + y, which cannot overflow. */
#define MULADD(hi, lo, a, b, x, y)                                                                           \
    do {                                                                                                     \
        fe_wide w_ = (fe_wide)(a) * (b) + (x) + (y);                                                         \
        (lo) = (uint64_t)w_;                                                                                 \
        (hi) = (uint64_t)(w_ >> 64);                                                                         \
    } while (0)

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

/* REDUCE_STEP with m (2^64 - 2^32 + 1) by shifts; the new top limb takes the place of t0. */
#define STEP(t0, t1, t2, t3)                                                                                 \
    "movq %[" t0 "], %[lo]\n\tmovq %[" t0 "], %[hi]\n\t"                                                     \
    "movq %[" t0 "], %%rdx\n\t"                                                                              \
    "shlq $32, %[lo]\n\tshrq $32, %[hi]\n\t"                                                                 \
    "subq %[lo], %%rdx\n\tsbbq %[hi], %[" t0 "]\n\t"                                                         \
    "addq %[lo], %[" t1 "]\n\tadcq %[hi], %[" t2 "]\n\t"                                                     \
    "adcq %%rdx, %[" t3 "]\n\tadcq $0, %[" t0 "]\n\t"

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

static void mul_adx(fe_t r, const fe_t a, const fe_t b)
{
    uint64_t t0, t1, t2, t3, t4, t5, t6, t7, lo, hi;
    __asm__("movq (%[a]), %%rdx\n\t"
            "mulxq (%[b]), %[t0], %[t1]\n\t"
            "mulxq 8(%[b]), %[lo], %[t2]\n\taddq %[lo], %[t1]\n\t"
            "mulxq 16(%[b]), %[lo], %[t3]\n\tadcq %[lo], %[t2]\n\t"
            "mulxq 24(%[b]), %[lo], %[t4]\n\tadcq %[lo], %[t3]\n\t"
            "adcq $0, %[t4]\n\t" ROW("8", "t1", "t2", "t3", "t4", "t5")
                ROW("16", "t2", "t3", "t4", "t5", "t6") ROW("24", "t3", "t4", "t5", "t6", "t7") REDUCE:OUTPUTS
            : [a] "r"(a), [b] "r"(b), "m"(*(const fe_t *)a), "m"(*(const fe_t *)b)
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

static void sqr_adx(fe_t r, const fe_t a)
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
            : [a] "r"(a), "m"(*(const fe_t *)a)
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
    uint64_t t[8], c;
    uint64_t b0 = b[0], b1 = b[1], b2 = b[2], b3 = b[3], x = a[0];
    MULADD(c, t[0], x, b0, 0, 0);
    MULADD(c, t[1], x, b1, c, 0);
    MULADD(c, t[2], x, b2, c, 0);
    MULADD(t[4], t[3], x, b3, c, 0);
    x = a[1];
    MULADD(c, t[1], x, b0, t[1], 0);
    MULADD(c, t[2], x, b1, t[2], c);
    MULADD(c, t[3], x, b2, t[3], c);
    MULADD(t[5], t[4], x, b3, t[4], c);
    x = a[2];
    MULADD(c, t[2], x, b0, t[2], 0);
    MULADD(c, t[3], x, b1, t[3], c);
    MULADD(c, t[4], x, b2, t[4], c);
    MULADD(t[6], t[5], x, b3, t[5], c);
    x = a[3];
    MULADD(c, t[3], x, b0, t[3], 0);
    MULADD(c, t[4], x, b1, t[4], c);
    MULADD(c, t[5], x, b2, t[5], c);
    MULADD(t[7], t[6], x, b3, t[6], c);
    reduce_wide(r, t);
}

void fe_sqr(fe_t r, const fe_t a)
{
#if FE_ADX
    if (HAVE_ADX) {
        sqr_adx(r, a);
        return;
    }
#endif
    uint64_t t[8], c;
    uint64_t a0 = a[0], a1 = a[1], a2 = a[2], a3 = a[3];
    MULADD(c, t[1], a0, a1, 0, 0);
    MULADD(c, t[2], a0, a2, c, 0);
    MULADD(t[4], t[3], a0, a3, c, 0);
    MULADD(c, t[3], a1, a2, t[3], 0);
    MULADD(t[5], t[4], a1, a3, t[4], c);
    MULADD(t[6], t[5], a2, a3, t[5], 0);
    t[7] = t[6] >> 63;
    t[6] = t[6] << 1 | t[5] >> 63;
    t[5] = t[5] << 1 | t[4] >> 63;
    t[4] = t[4] << 1 | t[3] >> 63;
    t[3] = t[3] << 1 | t[2] >> 63;
    t[2] = t[2] << 1 | t[1] >> 63;
    t[1] = t[1] << 1;
    fe_wide s = (fe_wide)a0 * a0, q;
    t[0] = (uint64_t)s;
    s = (fe_wide)t[1] + (uint64_t)(s >> 64);
    t[1] = (uint64_t)s;
    q = (fe_wide)a1 * a1;
    s = (fe_wide)t[2] + (uint64_t)q + (uint64_t)(s >> 64);
    t[2] = (uint64_t)s;
    s = (fe_wide)t[3] + (uint64_t)(q >> 64) + (uint64_t)(s >> 64);
    t[3] = (uint64_t)s;
    q = (fe_wide)a2 * a2;
    s = (fe_wide)t[4] + (uint64_t)q + (uint64_t)(s >> 64);
    t[4] = (uint64_t)s;
    s = (fe_wide)t[5] + (uint64_t)(q >> 64) + (uint64_t)(s >> 64);
    t[5] = (uint64_t)s;
    q = (fe_wide)a3 * a3;
    s = (fe_wide)t[6] + (uint64_t)q + (uint64_t)(s >> 64);
    t[6] = (uint64_t)s;
    t[7] += (uint64_t)(q >> 64) + (uint64_t)(s >> 64);
    reduce_wide(r, t);
}

/* r = a^(2^n) b */
static void sqr_n_mul(fe_t r, const fe_t a, unsigned n, const fe_t b)
{
    fe_t t;
    fe_copy(t, a);
    for (unsigned i = 0; i < n; i++)
        fe_sqr(t, t);
    fe_mul(r, t, b);
}

/* x2, x30, x32: a to the powers 2^2 - 1, 2^30 - 1, 2^32 - 1 */
static void power_runs(fe_t x2, fe_t x30, fe_t x32, const fe_t a)
{
    fe_t x3, x6, x12, x15;
    sqr_n_mul(x2, a, 1, a);
    sqr_n_mul(x3, x2, 1, a);
    sqr_n_mul(x6, x3, 3, x3);
    sqr_n_mul(x12, x6, 6, x6);
    sqr_n_mul(x15, x12, 3, x3);
    sqr_n_mul(x30, x15, 15, x15);
    sqr_n_mul(x32, x30, 2, x2);
}

void fe_invert(fe_t r, const fe_t a)
{
    /* p - 2 = ffffffff 00000001 00000000 00000000 00000000 ffffffff ffffffff fffffffd */
    fe_t x, x2, x30, x32, t;
    fe_copy(x, a);
    power_runs(x2, x30, x32, x);
    sqr_n_mul(t, x32, 32, x);
    sqr_n_mul(t, t, 128, x32);
    sqr_n_mul(t, t, 32, x32);
    sqr_n_mul(t, t, 30, x30);
    sqr_n_mul(r, t, 2, x);
}

void fe_sqrt(fe_t r, const fe_t a)
{
    /* (p + 1)/4 = ((2^32 - 1) 2^32 + 1) 2^190 + 2^94 */
    fe_t x, x2, x30, x32, t;
    fe_copy(x, a);
    power_runs(x2, x30, x32, x);
    sqr_n_mul(t, x32, 32, x);
    sqr_n_mul(t, t, 96, x);
    for (unsigned i = 0; i < 94; i++)
        fe_sqr(t, t);
    fe_copy(r, t);
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
