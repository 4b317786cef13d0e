/* One trustee's side of a ceremony: a board, a token, and the phases of docs/spec/ceremony.md.
 *
 * Order of the phases, each of which can be repeated and then gives the same statements:
 *   enroll_make  ->  roster_sign  ->  deal_make  ->  confirm_make        (three visits)
 *                                                 |  complaint_make, reveal_make, then confirm_make (five)
 * What others can check without a token is in ceremony/phase.h. Nothing secret is here: board and files are
 * read and checked, and the vault is given the values; seed and share are in the vault (ceremony/vault.h).
 * All take struct fault; they fail with the token's errors and those of the rule that is broken. */
#ifndef CEREMONY_TRUSTEE_H
#define CEREMONY_TRUSTEE_H

#include "ceremony/partial.h"
#include "ceremony/phase.h"
#include "ceremony/record.h"
#include "ceremony/vault.h"

struct trustee {
    const struct manifest *m;
    struct board *b;
    struct group *g;
    struct vault vault;
    /* set by trustee_find and enroll_make */
    struct key_label label;
    point_t identity, ceremony_key;
    const struct entry *enrolment;
    uint32_t despite; /* seats whose signatures of other plans the person decided to disregard (plan_sign) */
};

/* Finds this token's enrolment on the board. ERR_MISSING if the token holds no key enrolled here. */
MUST err_t trustee_find(struct trustee *t, struct fault *f);

/* Makes keys, seed, sealed seed and the signed enrolment; does nothing if the token is enrolled on this
 * board already. name, organisation: text_check. */
MUST err_t enroll_make(struct trustee *t, const char *name, const char *organisation, struct fault *f);

/* This trustee's checks of a roster: own enrolment in it, opened with the own token; then signs it. Call
 * after the person has typed the roster's words. */
MUST err_t roster_check_own(struct trustee *t, const struct roster *r, struct fault *f);
MUST err_t roster_sign(struct trustee *t, const struct roster *r, struct fault *f);

/* Binds the token to the ceremony, writes shares and the deal. ERR_EARLY without an own signed roster,
 * ERR_TOKEN_BOUND if the token is bound to another ceremony. */
MUST err_t deal_make(struct trustee *t, const struct roster *r, struct fault *f);

/* Opens the shares of all public deals on the board for this seat. Bit i-1 of bad: the share of dealer i does
 * not open or match; of missing: its ciphertext is not on this board, so nothing can be said. */
MUST err_t shares_check(struct trustee *t, const struct roster *r, uint32_t *bad, uint32_t *missing,
                        struct fault *f);

/* Signs complaints about every dealer in bad, after opening the own sealed seed to rule out the own token. */
MUST err_t complaint_make(struct trustee *t, const struct roster *r, uint32_t bad, struct fault *f);

/* Answers the complaints about the own deal that are on the board and signed by the seat concerned.
 * *count: how many were answered. */
MUST err_t reveal_make(struct trustee *t, const struct roster *r, size_t *count, struct fault *f);

/* Signs a cut if it contains every statement of its kinds that this board holds (ERR_RULE names one that it
 * lacks). */
MUST err_t cut_sign(struct trustee *t, const struct roster *r, const struct cut *cut, struct fault *f);

/* Checks everything, rebuilds the share, proves it, decrypts the test. ERR_SHARE if a share is bad and
 * no complaint was made; ERR_REFUSED if the cut calls seats absent that dealt and this trustee did not sign
 * it; ERR_DONE if another cut that was confirmed before released the key. */
MUST err_t confirm_make(struct trustee *t, const struct roster *r, const struct cut *cut, struct fault *f);

/* Proof of knowledge of the share on a challenge from outside. */
MUST err_t drill_make(struct trustee *t, const struct record *r, const hash_t *challenge, struct fault *f);

/* Checks a drill entry: *seat is whose. ERR_PROOF, ERR_MISMATCH. Needs no token. */
MUST err_t drill_check(const struct entry *e, const struct record *r, struct group *g, uint32_t *seat,
                       struct fault *f);

struct plan_file { /* the bytes of plan.cbor, and what was read there */
    hash_t id;     /* SHA-256(CBOR ["conclave/plan-id", bstr of them]) */
    int has_supersedes;
    hash_t supersedes;
    struct bytes bytes;
};

/* Signs a plan and binds the token to it, instead of the plan that it supersedes, or of one before that:
 * older are plans of that chain, in any order. The caller has checked the plan and, if it supersedes others,
 * the rules between them; the vault reads the bytes for itself. ERR_CONFLICT naming the seat if a holder's
 * signature of another plan is on the board (see plan_rivals) and is not in t->despite. */
MUST err_t plan_sign(struct trustee *t, const struct record *r, const struct plan_file *plan,
                     const struct plan_file *older, size_t older_count, struct fault *f);

/* Holders who signed a plan that is neither this one nor the one it supersedes, and none of these two (bits).
 */
uint32_t plan_rivals(const struct board *b, const struct record *r, const hash_t *plan,
                     const hash_t *previous);

/* Holders whose signature of the plan is on the board (bits). */
uint32_t plan_signers(const struct board *b, const struct record *r, const hash_t *plan);

/* The partial decryption of a plan that this token has signed (ERR_EARLY, ERR_TOKEN_BOUND); with the
 * manifest's plan quorum on the board (ERR_QUORUM). target: as in the plan, which the caller has verified. */
MUST err_t decrypt_make(struct trustee *t, const struct record *r, const struct plan_file *plan,
                        const struct target *target, size_t target_count, struct fault *f);

/* Signed record of the retirement, then destroys the ceremony key in the token. */
MUST err_t retire_make(struct trustee *t, const struct record *r, struct fault *f);

/* For a token that trustee_find does not find any more: OK if it signed a retirement that is on the board;
 * finishes it. ERR_MISSING otherwise. */
MUST err_t retire_again(struct trustee *t, const struct record *r, struct fault *f);

#endif
