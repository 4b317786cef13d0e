/* Partial decryptions: the statement of one trustee for a whole plan, its check, and combination.
 *
 * A target is what one unit of the decryption plan asks for: the ciphertexts of one contest in one
 * place (or reporting group). The board entry of kind "partial" has subject = plan hash, statement =
 * [plan, [+ [place, contest, [+ D]]]], evidence = [[+ dleq], ...] in the order of the plan. */
#ifndef CEREMONY_PARTIAL_H
#define CEREMONY_PARTIAL_H

#include "ceremony/math/dleq.h"
#include "ceremony/record.h"

struct target {
    char place[TEXT_ID_MAX + 1], contest[TEXT_ID_MAX + 1];
    uint64_t ballots;
    size_t count;
    point_t *A, *B; /* sums; an A may be the identity only if nothing can be decrypted: refused */
};

/* A parsed partial decryption. */
struct partial {
    hash_t statement_id, plan;
    uint32_t seat;
    size_t target_count;
    point_t **D;        /* [target][option] */
    struct dleq *proof; /* [target] */
};

/* Makes statement and evidence for all targets with the share in memory (constant time in it).
 * fresh is asked for once per target. Everything is verified before it is put out: ERR_SELFTEST if it is
 * wrong. The caller signs and posts. */
MUST err_t partial_make(struct cbor_out *statement, struct cbor_out *evidence, struct group *g,
                        const struct record *r, uint32_t seat, const hash_t *plan,
                        const struct target *target, size_t target_count, const scalar_t *secret_share,
                        err_t (*fresh)(void *ctx, uint8_t out[32], struct fault *f), void *fresh_ctx,
                        struct fault *f);

/* Reads an entry against the targets of the plan. ERR_FORMAT and so on; ERR_MISMATCH if it is for other
 * targets. Does not check the proofs. */
MUST err_t partial_parse(struct partial **out, const struct entry *entry, const struct record *r,
                         const hash_t *plan, const struct target *target, size_t target_count,
                         struct fault *f);
void partial_free(struct partial *p);

/* All proofs in one batch. ERR_PROOF naming the first bad (place, contest) in f. Variable time. */
MUST err_t partial_verify_var(const struct partial *p, const struct record *r, const struct target *target,
                              size_t target_count, struct fault *f);

/* Combines exactly t verified partials of distinct holders: M_o = B_o - sum lambda_i D_o,i for every option
 * of every target, in order, then finds the counts up to limit[target]. count: target_count arrays of the
 * caller, of target.count entries each; zeroed on error. ERR_LIMIT naming the target if a count is not found.
 */
MUST err_t partial_combine_var(uint64_t *const *count, const struct partial *const *p, const struct record *r,
                               const struct target *target, size_t target_count, const uint64_t *limit,
                               struct fault *f);

#endif
