/* Proofs small enough for a QR code (docs/spec/result-qr.md).
 *
 *   result proof   the result of one contest in one place, with the partial decryptions and their proofs
 *   anchor         election and record hash: the fingerprint of the ceremony
 *
 * A result proof can be checked offline. What it proves: t holders of shares of the key Y decrypted this
 * ciphertext to these counts. What it does not prove: that Y is the key of the real election (compare the
 * words of the key, or check against the record with resultqr_check_record), and that the ciphertext is
 * the sum of the valid ballots (that takes the whole bundle).
 * Bytes only: text and pictures are made by ui/qrtext and ui/qr. Everything is public; variable time. */
#ifndef TALLY_RESULTQR_H
#define TALLY_RESULTQR_H

#include "ceremony/math/dleq.h"
#include "ceremony/partial.h"
#include "ceremony/record.h"

#define RESULTQR_MAX ((size_t)256 << 10) /* bytes of a result proof */

struct resultqr_partial {
    uint32_t seat;
    point_t S;
    point_t *D; /* one for each option */
    struct dleq proof;
};

struct resultqr_option {
    char id[TEXT_ID_MAX + 1], title[TEXT_TITLE_MAX + 1];
};

struct resultqr {
    hash_t election, record, plan;
    point_t Y;
    char election_title[TEXT_TITLE_MAX + 1], place_title[TEXT_TITLE_MAX + 1],
        contest_title[TEXT_TITLE_MAX + 1];
    char place[TEXT_ID_MAX + 1], contest[TEXT_ID_MAX + 1];
    uint32_t limit; /* votes on one ballot at the most */
    uint64_t ballots;
    size_t option_count, partial_count;
    struct resultqr_option *option;
    point_t *A, *B; /* the sums, option_count of each */
    uint64_t *votes;
    struct resultqr_partial *partial; /* ascending seats */
};

/* Makes the proof of target number index from t verified partials in ascending order of seats. place_title:
 * what people call the place or group. votes: target->count counts. Freed with resultqr_free.
 * ERR_UNKNOWN for a contest that the manifest does not have; ERR_BUG for wrong partials. */
MUST err_t resultqr_make(struct resultqr **out, const struct manifest *m, const struct record *r,
                         const hash_t *plan, const struct target *target, size_t index,
                         const char *place_title, const uint64_t *votes, const struct partial *const *partial,
                         size_t partial_count, struct fault *f);
void resultqr_write(struct cbor_out *out, const struct resultqr *q);
/* Strict. ERR_POINT and ERR_SCALAR for values off the curve or out of range, ERR_FORMAT for seats that do not
 * ascend. Checks no proof. */
MUST err_t resultqr_parse(struct resultqr **out, const uint8_t *data, size_t len, struct fault *f);
void resultqr_free(struct resultqr *q);

/* Everything that the proof itself can show. In this order: ranges of the counts (ERR_LIMIT); sum lambda_i
 * S_i = Y (ERR_MISMATCH); each proof that D_o = s_i A_o (ERR_PROOF, naming the seat); B_o - sum lambda_i
 * D_o,i = v_o G (ERR_SUM, naming the option). */
MUST err_t resultqr_check(const struct resultqr *q, struct fault *f);

/* That the proof belongs to this record: election, record, Y, t, the S of every seat used. ERR_ELECTION,
 * ERR_MISMATCH. */
MUST err_t resultqr_check_record(const struct resultqr *q, const struct record *r, struct fault *f);

/* Fingerprint of the joint key: SHA-256(CBOR ["conclave/key", election, record, Y]). */
MUST err_t resultqr_key_hash(hash_t *out, const hash_t *election, const hash_t *record, const point_t *Y);

/* --- anchor: CBOR ["conclave/anchor", election, record] --- */

/* Writer, and strict reader; outputs of the reader are zero on error. */
void anchor_write(struct cbor_out *out, const hash_t *election, const hash_t *record);
MUST err_t anchor_parse(hash_t *election, hash_t *record, const uint8_t *data, size_t len, struct fault *f);

#endif
