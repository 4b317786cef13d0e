/* The kernel's parts that exist in AVX-512 IFMA too, for p256_many.c and p256_add_many.c only. Where
 * P256_HAVE_IFMA is 0 there are none; where p256_ifma_available is 0 they must not be called. */
#ifndef CEREMONY_MATH_P256_IFMA_H
#define CEREMONY_MATH_P256_IFMA_H

#include "ceremony/math/p256_var.h"

#if defined(__x86_64__) && defined(__GNUC__)
#define P256_HAVE_IFMA 1
#else
#define P256_HAVE_IFMA 0
#endif

#if P256_HAVE_IFMA

static inline int p256_ifma_available(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512ifma");
}

/* p256_decompress_many_var, p256_lift_many_var for count <= P256_IFMA_POINTS points: bit i of the result says
 * that point i is bad; it is the identity then. */
#define P256_IFMA_POINTS 32
uint32_t p256_ifma_decompress_var(struct p256_affine *out, const point_t *in, size_t count);
uint32_t p256_ifma_lift_var(struct p256_affine *out, const point_t *in, const uint8_t (*y)[32], size_t count);

/* The scratch of struct additions (free gives it back; NULL without memory), and what waits there, done. */
struct additions;
void *p256_ifma_additions_scratch(size_t most);
void p256_ifma_additions_flush(struct additions *q);

#endif
#endif
