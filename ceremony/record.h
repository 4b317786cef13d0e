/* The ceremony record: what a key ceremony ends with, and what every ballot is bound to.
 *
 * It is a function of manifest, roster and cut: whoever makes it makes the same bytes, whatever signatures
 * and repetitions the board holds besides. Reading it back (record_load) checks its form and that the
 * holders' S_j interpolate to Y; record_check recomputes all of it from the signed entries, which is what a
 * verifier and a trustee do. */
#ifndef CEREMONY_RECORD_H
#define CEREMONY_RECORD_H

#include "ceremony/board.h"
#include "ceremony/manifest.h"
#include "ceremony/math/group.h"

#define RECORD_MAX ((size_t)1 << 20)

struct seat {
    char name[TEXT_TITLE_MAX + 1], organisation[TEXT_TITLE_MAX + 1];
    char model[17], serial[17], manufacturer[33];
    point_t identity, ceremony_key; /* public keys in the token */
    hash_t enrolment;               /* message id */
    point_t S;                      /* s_j G; zeros if the seat holds no share */
};

struct record {
    hash_t id, election, ceremony;
    uint32_t scheme, n, t;
    uint32_t qual, holders; /* bit j-1: seat j */
    hash_t cut;             /* hash of the deal cut */
    point_t Y;
    hash_t transcript;              /* RFC 9162 root over the ids listed */
    struct seat seat[TRUSTEES_MAX]; /* n of them, seat j at [j-1] */
    size_t entry_count;
    hash_t *entry; /* message ids of the enrolments (in seat order) and of the cut's entries (ascending), then
                      statement ids of the holders' confirmations (in seat order) */
};

/* 1 if the record lists this entry. */
MUST int record_lists(const struct record *r, const struct entry *e);

/* From bytes or a file; freed with record_free. ERR_ELECTION if it is of another election. */
MUST err_t record_parse(struct record **out, const struct manifest *m, const uint8_t *data, size_t len,
                        struct fault *f);
MUST err_t record_load(struct record **out, const struct manifest *m, const char *path, struct fault *f);
void record_free(struct record *r);

/* Makes the record from the board, and its bytes (freed with cbor_out_free). ERR_EARLY with what is missing
 * if the key is not released. If several cuts of one ceremony release a key (who withheld a confirmation
 * sends it after all), the one with more entries counts, then the one with fewer holders, then the one with
 * the smaller hash. ERR_CONFLICT if several ceremonies do: anyone can play a whole ceremony with keys of
 * their own, so a trustee asks for the ceremony whose roster it signed, and NULL takes any. */
MUST err_t record_make(struct record **out, struct cbor_out *bytes, const struct manifest *m,
                       const struct board *b, const hash_t *ceremony, struct fault *f);

/* Recomputes the record from exactly the entries it lists and compares. */
MUST err_t record_check(const struct record *r, const struct manifest *m, const struct board *b,
                        struct fault *f);

/* The trust anchor: SHA-256(CBOR ["conclave/anchor", election, record]). */
void record_anchor(hash_t *out, const hash_t *election, const hash_t *record);

#endif
