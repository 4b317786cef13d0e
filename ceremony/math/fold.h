/* Folding many equations over P-256 into one sum that must be the identity (Bellare, Garay, Rabin 1998), for
 * those who hold the points themselves: batch.c for single proofs, tally/ballot_batch.c for ballots by the
 * thousand. Public data only; variable time.
 *
 *   fold_start           for each check and each step of a bisection: fresh weights, once all bytes are
 *                        fixed
 *   fold_zero_one, ...   each equation gets its own random 128-bit weight. The weights are the scalars of the
 *                        commitments and are handed out; what the ciphertext is multiplied with is added
 *                        to the caller's sums, so that equations about the same point cost one scalar;
 *                        what falls on G and on the key is collected here
 *   fold_end             the scalars of G and of the key
 *
 * Weights come from ChaCha20 (RFC 8439) under a key that the operating system draws at each fold_start. Who
 * made the proofs cannot know them: a wrong equation passes with probability 2^-128.
 * Sums are kept over 448 bits and reduced once: 2^64 products of 128 by 256 bits have room. */
#ifndef CEREMONY_MATH_FOLD_H
#define CEREMONY_MATH_FOLD_H

#include "ceremony/math/scalar_var.h"

#define FOLD_WEIGHT_BITS 128
#define FOLD_BUFFER 1024

typedef struct {
    uint64_t w[2];
} fold_weight_t;

struct fold {
    scalar_wide_t at_G, at_Y; /* what is subtracted there */
    uint8_t key[32];
    uint64_t blocks; /* of the buffer drawn so far */
    size_t used;
    uint8_t buffer[FOLD_BUFFER];
};

/* The scalars of one 0/1 proof or exact proof: checked to be below q. */
struct fold_zero_one {
    scalar_var_t c0, z0, z1;
};

void fold_start(struct fold *f);

/* w0 (a0 + c0 A - z0 G) + w1 (b0 + c0 B - z0 Y) + w2 (a1 + c1 A - z1 G) + w3 (b1 + c1 (B - G) - z1 Y),
 * c1 = c - c0. k: scalars of a0, b0, a1, b1. a, b: sums to which the scalars of A and B are added. */
void fold_zero_one(struct fold *f, scalar_t k[4], scalar_wide_t *a, scalar_wide_t *b,
                   const struct fold_zero_one *p, const scalar_var_t *c);
/* w0 (a + c A - z G) + w1 (b + c (B - L G) - z Y). k: scalars of the two commitments. */
void fold_exact(struct fold *f, scalar_t k[2], scalar_wide_t *a, scalar_wide_t *b, const scalar_var_t *z,
                uint32_t L, const scalar_var_t *c);
/* w0 (R + c X - z G). k: scalars of R and X. */
void fold_schnorr(struct fold *f, scalar_t k[2], const scalar_var_t *z, const scalar_var_t *c);

/* Scalars of G and of Y. */
void fold_end(const struct fold *f, scalar_t *at_G, scalar_t *at_Y);

#endif
