/* What is said between the keeper and its caller, in frames of at most KEEPER_MAX bytes.
 *
 *   request   [op, arguments...]
 *   response  [0, results...]  or  [error, detail, who, file]
 *             [KEEPER_TERMINAL, lend]      to which the request is [KEEPER_GO]
 *             [KEEPER_ASK_PIN, label, serial, tries_low, final_try, keypad]    [KEEPER_GO, pin] or
 *                                                                              [KEEPER_NO, error, detail]
 *
 * Input longer than a frame is given before, with KEEPER_PUT; signed entries are fetched afterwards, with
 * KEEPER_GET. All limits of ceremony/vault.h keep the other frames below KEEPER_MAX: at most 32 enrolments of
 * VAULT_ENROLMENT_MAX, 32 dealers of 32 points and a ciphertext, VAULT_KEYS_MAX keys. */
#ifndef APPLIANCE_KEEPER_WIRE_H
#define APPLIANCE_KEEPER_WIRE_H

#include "ceremony/base/wire.h"
#include "ceremony/vault.h"

#define KEEPER_MAX 65536
#define KEEPER_PIECE 49152
#define KEEPER_TERMINAL 2000
#define KEEPER_ASK_PIN 2001
#define KEEPER_DETAIL_MAX 511
#define KEEPER_WHO_MAX 127
#define KEEPER_FILE_MAX 255
#define KEEPER_URI_MAX 2000

enum keeper_op {
    KEEPER_OPEN = 1, /* uri, last_try, show, asks, language, rehearsal -> seccomp, landlock, others */
    KEEPER_PUT,      /* piece */
    KEEPER_GET,      /* offset -> piece */
    KEEPER_KEYS,     /* -> enrolled, [[label, identity, ceremony key]] */
    KEEPER_ENROLL,   /* election, n, t, name, organisation -> entry, key, sealed */
    KEEPER_FORGET,
    KEEPER_OWN, /* election, label, enrolment, sealed or null */
    KEEPER_SEED_CHECK,
    KEEPER_ROSTER,      /* ceremony, [enrolment] */
    KEEPER_ROSTER_SIGN, /* -> entry */
    KEEPER_BIND,
    KEEPER_SIGN,        /* kind, subject; PUT: statement -> entry */
    KEEPER_DEAL,        /* -> entry, [point], [sealed] */
    KEEPER_SHARE_CHECK, /* dealer, [point], sealed */
    KEEPER_REVEAL,      /* complaint -> entry */
    KEEPER_CONFIRM,     /* shares -> entry */
    KEEPER_DRILL,       /* shares, confirmation, record, challenge -> entry */
    KEEPER_PLAN,        /* id; PUT: plan, or nothing, to ask -> 1 if taken */
    KEEPER_PLAN_BEFORE, /* PUT: plan */
    KEEPER_PLAN_SIGN,   /* -> entry */
    KEEPER_PLAN_BOUND,
    KEEPER_DECRYPT, /* shares, confirmation -> entry */
    KEEPER_RETIRE,  /* election, retirement */
    KEEPER_GO,
    KEEPER_NO,
    KEEPER_CLOSE
}; /* entry: its length; fetched with KEEPER_GET */

void keeper_put_sealed(struct cbor_out *o, const struct sealed *s);
void keeper_get_sealed(struct cbor_in *in, struct sealed *s);
void keeper_put_key(struct cbor_out *o, const struct vault_key *k);
void keeper_get_key(struct cbor_in *in, struct vault_key *k);
/* Points up to the first one that is zero. Read back as they are: the vault checks them. */
void keeper_put_points(struct cbor_out *o, const point_t C[TRUSTEES_MAX]);
void keeper_get_points(struct cbor_in *in, point_t C[TRUSTEES_MAX]);
/* shares: cut, qual, holders, [dealer], 4 items. */
void keeper_put_shares(struct cbor_out *o, const struct vault_shares *s);
void keeper_get_shares(struct cbor_in *in, struct vault_shares *s);

#endif
