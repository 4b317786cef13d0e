/* The phases of a key ceremony as anyone can check them from the board: enrolments, roster, deals,
 * complaints, reveals, cuts, what follows from a cut, confirmations. No secrets here.
 *
 * Statements, and evidence behind the stroke (deterministic CBOR; docs/spec/ceremony.md):
 *   enroll     [n, t, name, organisation, ceremony key, manufacturer, model, serial, sealed seed hash,
 *              commitment] / -
 *   roster     [+ enrolment id] in seat order, which is the order of the ids / -
 *   deal       [[C_0 .. C_t-1], [share hash 1 .. n]] / [R, z]
 *   complaint  [deal statement id] / -                                          subject: the same
 *   reveal     [deal statement id, seat, ephemeral private key, bstr detached ciphertext] / -
 *                                                                               subject: the seat
 *   cut        ["deal", [* entry id], [* absent seat]] / -                      subject: cut hash
 *   confirm    [cut, qual, holders, Y, [S_j of holders], D] / [[R, z], [a, b, z]]
 *                                                                               subject: cut hash
 *   drill      [challenge, S] / [R, z]                                          subject: challenge
 *   plan       [plan, previous / null] / -                                      subject: plan hash
 *   partial    see partial.h                                                    subject: plan hash
 *   retire     [record] / -                                                     subject: record hash
 *   exception  see exception.h */
#ifndef CEREMONY_PHASE_H
#define CEREMONY_PHASE_H

#include "ceremony/board.h"
#include "ceremony/math/dleq.h"
#include "ceremony/math/pok.h"

/* --- enrolment --- */

struct enrolment {
    hash_t id; /* message id */
    char name[TEXT_TITLE_MAX + 1], organisation[TEXT_TITLE_MAX + 1];
    char manufacturer[33], model[17], serial[17];
    point_t identity, ceremony_key;
    hash_t sealed, commitment;
};

/* ERR_MISMATCH if n or t are not the manifest's; ERR_POINT for bad keys. */
MUST err_t enrolment_parse(struct enrolment *out, const struct entry *e, const struct manifest *m,
                           struct group *g, struct fault *f);
/* The same without a manifest: what it says of n and t. */
MUST err_t enrolment_read(struct enrolment *out, uint32_t *n, uint32_t *t, const struct entry *e,
                          struct group *g, struct fault *f);
/* SHA-256(CBOR ["conclave/commit", election, identity, C_0]) */
MUST err_t enrolment_commitment(hash_t *out, const hash_t *election, const point_t *identity,
                                const point_t *C0);
/* info of the sealed seed. */
void seed_info(struct cbor_out *o, const hash_t *election, const point_t *identity,
               const point_t *ceremony_key, const hash_t *commitment);

/* --- roster --- */

struct roster {
    hash_t election, ceremony;
    uint32_t n, t;
    struct enrolment seat[TRUSTEES_MAX]; /* seat j at [j-1] */
};

/* From the enrolments on the board; leave_out: message ids not to be seated (an enrolment that was given up).
 * ERR_QUORUM unless exactly n remain; ERR_DUPLICATE for a key that is there twice; ERR_EQUIVOCATION; ERR_RULE
 * for too many tokens of one model. */
MUST err_t roster_make(struct roster *out, const struct manifest *m, const struct board *b, struct group *g,
                       const hash_t *leave_out, size_t leave_out_count, struct fault *f);
/* The list of ids that a roster entry states. */
MUST err_t roster_ids(hash_t id[TRUSTEES_MAX], size_t *count, const struct entry *e, struct fault *f);
/* From a list of ids, as in a roster entry or a record: the same rules, except that what else is on the board
 * does not matter (a second enrolment that turns up later must not stop anybody); ERR_CANONICAL for another
 * order. */
MUST err_t roster_from_ids(struct roster *out, const struct manifest *m, const struct board *b,
                           struct group *g, const hash_t *id, size_t count, struct fault *f);
/* For a roster whose election, n, t and seats are set: their order (ERR_CANONICAL), that no key is there
 * twice (ERR_DUPLICATE); sets ceremony = SHA-256(CBOR ["conclave/ceremony", election, n, t, [enrolment
 * ids]]). */
MUST err_t roster_complete(struct roster *r, struct fault *f);
/* Before signing: ERR_EQUIVOCATION if a key of the roster signed another enrolment too. */
MUST err_t roster_single(const struct board *b, const struct roster *r, struct fault *f);
/* The roster that a seat signed, by the author's roster entry. ERR_MISSING; ERR_EQUIVOCATION if the author
 * signed two. */
MUST err_t roster_signed_by(struct roster *out, const struct manifest *m, const struct board *b,
                            struct group *g, const point_t *identity, struct fault *f);
void roster_statement(struct cbor_out *o, const struct roster *r);
/* Seat 1..n of an identity key, 0 if it has none. */
MUST uint32_t roster_seat(const struct roster *r, const point_t *identity);

/* --- deals --- */

struct deal {
    hash_t statement_id;
    uint32_t seat;
    point_t C[TRUSTEES_MAX];    /* t */
    hash_t share[TRUSTEES_MAX]; /* n, hashes of the detached ciphertexts */
};

/* Public check: form, commitment opened, proof of knowledge. ERR_COMMITMENT, ERR_PROOF, ... */
MUST err_t deal_check(struct deal *out, const struct entry *e, const struct roster *r, struct group *g,
                      struct fault *f);
/* The deal of a seat among the entries of the board, or of a list of ids: every statement is looked at.
 * ERR_MISSING, ERR_EQUIVOCATION, or what deal_check says. ids NULL: all. */
MUST err_t deal_of_seat(struct deal *out, const struct board *b, const struct roster *r, struct group *g,
                        uint32_t seat, const hash_t *ids, size_t id_count, struct fault *f);
/* info of a share: ["conclave/share", election, ceremony, dealer seat, recipient seat, dealer identity,
 * recipient ceremony key, SHA-256(CBOR ["conclave/points", election, ceremony, dealer seat, [C]])]. */
void share_info(struct cbor_out *o, const struct roster *r, const struct deal *d, uint32_t recipient);
/* The bytes of a detached ciphertext: [enc, ct]. */
MUST err_t sealed_parse(uint8_t enc[65], uint8_t ct[48], const uint8_t *data, size_t len, struct fault *f);
/* f_i(j) G from the points: sum j^k C_k. */
MUST err_t deal_expected(struct group *g, point_t *out, const struct deal *d, uint32_t t, uint32_t recipient);

/* --- complaints and reveals --- */

/* Statement id of the deal that a complaint names. ERR_FORMAT unless it is a complaint whose subject is the
 * same. */
MUST err_t complaint_parse(hash_t *deal, const struct entry *e);

/* Whether enc and ct are what the ephemeral private key eph (below q) seals to this recipient of the deal:
 * eph gives enc and opens ct to one canonical scalar on the polynomial of the points. share is set if so,
 * else zeroed; ERR_SHARE. For a share that is public, or in secret memory. */
MUST err_t share_opens(scalar_t *share, const struct roster *r, const struct deal *d, uint32_t recipient,
                       const scalar_t *eph, const uint8_t enc[65], const uint8_t ct[48], struct group *g);

/* Whether the reveal fits: it carries the ciphertext whose hash the deal names, the key is in range, gives
 * its enc, opens it to one canonical scalar that matches the points. share (public from now on) is set if it
 * fits; ERR_SHARE when it does not. */
MUST err_t reveal_check(scalar_t *share, const struct entry *e, const struct roster *r, const struct deal *d,
                        uint32_t complainer, struct group *g, struct fault *f);
void subject_seat(hash_t *out, uint32_t seat);
/* The seat 1..n that a subject stands for, or 0. */
MUST uint32_t seat_of_subject(const hash_t *subject, uint32_t n);

/* --- the cut, and what follows from it --- */

struct cut {
    hash_t hash; /* SHA-256(CBOR ["conclave/cut", election, ceremony, bstr statement]) */
    size_t entry_count;
    hash_t *entry;   /* ascending */
    uint32_t absent; /* bit j-1: seat j is marked as absent by hand */
};

/* All deals, complaints and reveals of this ceremony that the board holds and that can decide something:
 * of repeated statements one entry (of a deal, one with a good proof), of a seat's deals and of a seat's
 * reveals for one complainer two different statements (which are equivocation already), complaints about
 * deals that are in the cut, reveals about seats of the roster. So a seat cannot make cuts endless. */
MUST err_t cut_make(struct cut *out, const struct board *b, const struct roster *r, uint32_t absent,
                    struct fault *f);
MUST err_t cut_parse(struct cut *out, const struct entry *e, const struct roster *r, struct fault *f);
void cut_free(struct cut *c);
void cut_statement(struct cbor_out *o, const struct cut *c);
/* OK if nothing on the board would have to be added to the cut (by the rule of cut_make); else ERR_RULE
 * naming one. */
MUST err_t cut_covers(const struct cut *c, const struct board *b, const struct roster *r, struct fault *f);

enum seat_fate {
    FATE_QUALIFIED,
    FATE_ABSENT,      /* no deal in the cut */
    FATE_EQUIVOCATED, /* two deals */
    FATE_BAD_DEAL,    /* publicly bad */
    FATE_OUT_MANY,    /* at least t complainers */
    FATE_OUT_SILENT,  /* a complaint without a reveal */
    FATE_OUT_REVEAL,  /* a reveal that does not fit, or two */
}; /* no share holds also: who is marked absent, whose complaints are void, whose S_j is the identity */
/* A few words for people. */
const char *seat_fate_name(enum seat_fate f);

struct outcome {
    uint32_t qual, holders, voided; /* bits */
    enum seat_fate fate[TRUSTEES_MAX];
    uint32_t complaints[TRUSTEES_MAX]; /* by dealer: who complained, void ones left out */
    uint32_t dismissed[TRUSTEES_MAX];  /* by dealer: complaints answered with a reveal that fits */
    scalar_t public_share[TRUSTEES_MAX][TRUSTEES_MAX]; /* [dealer][complainer] where dismissed */
    struct deal deal[TRUSTEES_MAX];                    /* of qualified dealers */
    point_t Y, S[TRUSTEES_MAX];                        /* S of holders, zeros elsewhere */
};

/* A function of manifest, roster and cut (and the bytes the cut names). ERR_MISSING if an entry of the cut or
 * a detached ciphertext is not here; ERR_QUORUM if QUAL or holders are too few (out is filled then too). */
MUST err_t cut_outcome(struct outcome *out, const struct manifest *m, const struct board *b,
                       const struct roster *r, const struct cut *c, struct group *g, struct fault *f);

/* Y and S of the holders, from qual, holders and the points of the deals in out; takes a holder whose S is
 * the identity out of holders. ERR_POINT if Y is the identity. */
MUST err_t outcome_sum(struct outcome *out, const struct roster *r, struct group *g, struct fault *f);

/* --- confirmation --- */

/* Test ciphertext of a cut: (A, B) = (r G, v G + r Y), r and v hashed from the cut. */
MUST err_t test_ciphertext(struct group *g, point_t *A, point_t *B, point_t *V, const struct roster *r,
                           const hash_t *cut, const point_t *Y);
void confirm_statement(struct cbor_out *o, const struct roster *r, const struct cut *c,
                       const struct outcome *oc, const point_t *D);
/* What the proofs of a confirmation bind. */
void confirm_context(struct cbor_out *o, const struct roster *r, const struct cut *c,
                     const struct outcome *oc, uint32_t seat);
/* The seat's confirmation of this cut: same values, both proofs. *D: its test decryption. *used: the entry.
 * There is only one statement that passes; others by the same seat are evidence against it (board_find) but
 * undo nothing. ERR_MISSING; ERR_EQUIVOCATION if there are several and none passes; or what is wrong with the
 * first. */
MUST err_t confirm_check(point_t *D, const struct entry **used, const struct board *b, const struct roster *r,
                         const struct cut *c, const struct outcome *oc, uint32_t seat, struct group *g,
                         struct fault *f);
/* OK if the test decrypts with the partials D of the holders: every t-subset gives V, checked through
 * interpolation of all. */
MUST err_t test_decrypts(struct group *g, const struct roster *r, const struct cut *c,
                         const struct outcome *oc, const point_t D[TRUSTEES_MAX], struct fault *f);

#endif
