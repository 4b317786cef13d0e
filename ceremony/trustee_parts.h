/* Internal to the trustee's phases: telling the vault what it must know, and posting what it signed. */
#ifndef CEREMONY_TRUSTEE_PARTS_H
#define CEREMONY_TRUSTEE_PARTS_H

#include "ceremony/trustee.h"

/* Puts an entry that the vault signed on the board; frees it. ERR_MISMATCH if it is of another kind or
 * author. */
MUST err_t trustee_post(struct trustee *t, const struct entry **out, enum entry_kind kind,
                        struct cbor_out *entry, struct fault *f);

/* Tells the vault the own enrolment, and the roster if r is not NULL; with the own sealed seed if with_seed.
 */
MUST err_t trustee_ready(struct trustee *t, const struct roster *r, int with_seed, struct fault *f);

/* A share's ciphertext from the board. ERR_MISSING if it is not here, or damaged; ERR_FORMAT and so on. */
MUST err_t trustee_sealed_share(struct trustee *t, struct sealed *out, const struct roster *r,
                                const struct deal *d, uint32_t seat, struct fault *f);

/* Whether the dealer can be blamed for this error of opening a share: not for a token or disk that fails, or
 * a ciphertext that is not here. */
MUST int share_is_bad(err_t e);

/* What the share of this seat is rebuilt from: *in is freed with free(). Checks the record first
 * (ERR_MISMATCH unless it carries this token's confirmation, which is *confirmation) and tells the vault the
 * roster. */
MUST err_t trustee_shares(struct trustee *t, const struct record *r, struct vault_shares **in, uint32_t *seat,
                          struct bytes *confirmation, struct fault *f);

/* The roster of a record. */
MUST err_t trustee_roster_of(struct roster *out, const struct trustee *t, const struct record *r,
                             struct fault *f);

#endif
