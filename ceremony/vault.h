/* The vault: whoever holds the token's session, and for a moment the seed and the share.
 *
 * A trustee's other processes read boards, exports and plans that strangers wrote. The vault does not: it
 * takes and gives bounded canonical values only, and what it needs to believe it finds out itself, from bytes
 * that are signed or hashed. It trusts neither the process that calls it. vault_local.h implements it in the
 * same process over a keystore; appliance/keeper.h puts that into a process of its own.
 *
 * Order: keys, then enroll or own; roster; then the steps of a ceremony; plan before plan_sign and decrypt.
 *
 * What the vault refuses, whoever asks:
 *   own                     an enrolment that is not signed by the token's own key, or names another
 *                           ceremony key
 *   roster                  enrolments (whole, signed; their hashes make the ceremony id) that give another
 *                           id than is claimed, that lack the own one byte for byte, that hold a key twice
 *   deal, confirm           while the token is bound to another ceremony; they bind it
 *   reveal, drill, decrypt  unless it is bound to this one
 *   sign                    anything but complaints, cuts, exceptions and retirements; a complaint only
 *                           after the own sealed seed opened
 *   reveal                  without a complaint about exactly the own deal (computed again), signed by that
 *                           seat
 *   confirm                 first points that are not those committed to in the roster, shares that are not
 *                           on their dealer's polynomial, S_j other than follow from the points
 *   drill, decrypt          without a confirmation of these values signed by the own key
 *   plan_sign, decrypt      any plan but one: its bytes were given whole, hashed and read here, and the
 *                           token is bound to this hash; it can be replaced only by a plan whose bytes say
 *                           that they supersede it, or a plan of which bytes were given that say so, and so
 *                           on
 *   decrypt                 anything but what stands in these bytes: it multiplies that, in their order
 *   retire                  without a retirement signed by the key that goes
 *
 * All functions take struct fault, and fail with the token's errors and those of the rule that is broken.
 * entry: a signed message, appended; the caller frees it with cbor_out_free, also after an error. */
#ifndef CEREMONY_VAULT_H
#define CEREMONY_VAULT_H

#include "ceremony/keystore.h"
#include "ceremony/phase.h"

#define VAULT_KEYS_MAX 256
#define VAULT_ENROLMENT_MAX 1536 /* bytes of a signed enrolment */
#define VAULT_ENTRY_MAX 4096     /* of a complaint, confirmation, retirement */
#define VAULT_PLAN_MAX ((size_t)1 << 29)
#define VAULT_PLANS_MAX 64

struct bytes { /* the caller's */
    const uint8_t *data;
    size_t len;
};

struct sealed {
    uint8_t enc[65], ct[48];
};

struct vault_key {
    struct key_label label;
    point_t identity, ceremony_key;
};

struct vault_keys {
    size_t enrolled; /* identity keys in the token, retired ones included */
    size_t count;
    struct vault_key key[VAULT_KEYS_MAX]; /* complete ones */
};

struct vault_person {
    hash_t election;
    uint32_t n, t;
    const char *name, *organisation;
};

struct vault_own {
    hash_t election;
    struct key_label label;
    struct bytes enrolment;
    const struct sealed *seed; /* NULL: not needed for what is to come */
};

struct vault_roster {
    hash_t ceremony;
    uint32_t n;
    struct bytes enrolment[TRUSTEES_MAX]; /* in seat order */
};

struct vault_dealt {
    point_t C[TRUSTEES_MAX];           /* t */
    struct sealed share[TRUSTEES_MAX]; /* n */
};

struct vault_dealer {
    point_t C[TRUSTEES_MAX];
    int is_public; /* the share was revealed */
    scalar_t public_share;
    struct sealed share;
};

struct vault_shares { /* what the own share is rebuilt from, by the cut */
    hash_t cut;
    uint32_t qual, holders;
    struct vault_dealer dealer[TRUSTEES_MAX]; /* those in qual */
};

struct vault {
    void *ctx;
    const struct vault_ops *ops;
};

struct vault_ops {
    err_t (*keys)(void *ctx, struct vault_keys *out, struct fault *f);

    /* New keys and a new seed; the enrolment names the ciphertext [enc, ct] of *seed. The key is the own one
     * from now on. */
    err_t (*enroll)(void *ctx, struct cbor_out *entry, struct vault_key *key, struct sealed *seed,
                    const struct vault_person *who, struct fault *f);
    /* Destroys the keys that enroll made in this session, if they were not published. */
    err_t (*forget)(void *ctx, struct fault *f);

    /* Which enrolment all that follows is about. */
    err_t (*own)(void *ctx, const struct vault_own *own, struct fault *f);
    /* Opens the own sealed seed: ERR_DECRYPT, ERR_COMMITMENT if it is not the one committed to. */
    err_t (*seed_check)(void *ctx, struct fault *f);

    err_t (*roster)(void *ctx, const struct vault_roster *r, struct fault *f);
    err_t (*roster_sign)(void *ctx, struct cbor_out *entry, struct fault *f);
    /* Binds the token to the roster's ceremony. */
    err_t (*bind)(void *ctx, struct fault *f);

    err_t (*sign)(void *ctx, struct cbor_out *entry, enum entry_kind kind, const hash_t *subject,
                  const struct bytes *statement, struct fault *f);

    /* The same points and ciphertexts each time; the proof in the entry differs. */
    err_t (*deal)(void *ctx, struct cbor_out *entry, struct vault_dealt *out, struct fault *f);
    /* Whether the share that dealer (seat) sealed to the own seat opens and is on the polynomial. ERR_SHARE,
     * ERR_DECRYPT, ERR_POINT. */
    err_t (*share_check)(void *ctx, uint32_t dealer, const point_t C[TRUSTEES_MAX],
                         const struct sealed *share, struct fault *f);
    err_t (*reveal)(void *ctx, struct cbor_out *entry, const struct bytes *complaint, struct fault *f);
    err_t (*confirm)(void *ctx, struct cbor_out *entry, const struct vault_shares *in, struct fault *f);

    err_t (*drill)(void *ctx, struct cbor_out *entry, const struct vault_shares *in,
                   const struct bytes *confirmation, const hash_t *record, const hash_t *challenge,
                   struct fault *f);

    /* Takes the bytes of plan.cbor, whose id they must have, and shows its words where there is a person. */
    err_t (*plan)(void *ctx, const hash_t *id, const struct bytes *plan, struct fault *f);
    /* Takes a plan that this one, or a plan before it, supersedes, so that the token can be bound to any of
     * the chain. At most VAULT_PLANS_MAX. */
    err_t (*plan_before)(void *ctx, const struct bytes *plan, struct fault *f);
    err_t (*plan_sign)(void *ctx, struct cbor_out *entry, struct fault *f);
    /* OK if the token is bound to the plan; ERR_EARLY, ERR_TOKEN_BOUND. */
    err_t (*plan_bound)(void *ctx, struct fault *f);
    err_t (*decrypt)(void *ctx, struct cbor_out *entry, const struct vault_shares *in,
                     const struct bytes *confirmation, struct fault *f);

    /* Destroys the ceremony key whose identity key signed this retirement; also without own, and again.
     * ERR_MISSING if no key of the token did. */
    err_t (*retire)(void *ctx, const hash_t *election, const struct bytes *retirement, struct fault *f);

    void (*close)(void *ctx); /* ends the token's session, frees ctx */
};

/* The same for the caller's files: [enc, ct]. */
void sealed_put(struct cbor_out *o, const struct sealed *s);

#endif
