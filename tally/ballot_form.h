/* What making and reading a ballot share: its memory, its bytes, its challenge. Internal to ballot*.c and
 * count*.c. */
#ifndef TALLY_BALLOT_FORM_H
#define TALLY_BALLOT_FORM_H

#include "tally/ballot.h"

#define BALLOT_VERSION 1

struct ballot_maker {
    const struct election_context *ctx;
    struct group *g;
    struct elgamal_key *key;
    void *secret_work; /* secret_alloc: what making one ballot needs; wiped after each */
    size_t secret_work_len;
};

/* An empty ballot of this shape; freed with ballot_free. */
MUST err_t ballot_alloc(struct ballot **out, const struct election_context *ctx, uint32_t place,
                        uint32_t style);

/* b->c from everything else in b that is compressed. */
MUST err_t ballot_challenge(const struct election_context *ctx, struct ballot *b);

/* Appends the bytes. */
void ballot_put(struct cbor_out *o, const struct election_context *ctx, const struct ballot *b);

/* Label, version, scheme, election, record: how every format of the tally starts. The cursor fails with
 * ERR_VERSION or ERR_ELECTION. */
void tally_put_start(struct cbor_out *o, const struct election_context *ctx, const char *label);
void tally_get_start(struct cbor_in *in, const struct election_context *ctx, const char *label);

/* Identifier of a place of the lowest level; its index. The cursor fails with ERR_UNKNOWN. */
void tally_get_place(struct cbor_in *in, const struct election_context *ctx, struct place *out);

/* cbor_in_end, and what was being read in f->detail. */
MUST err_t tally_get_end(struct cbor_in *in, struct fault *f, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Bytes of the head of a CBOR string or array of n. */
MUST size_t cbor_head_len(uint64_t n);

#endif
