/* Internal to the local vault: its state, and what its files share. */
#ifndef CEREMONY_VAULT_PARTS_H
#define CEREMONY_VAULT_PARTS_H

#include "ceremony/partial.h"
#include "ceremony/seed.h"
#include "ceremony/vault_local.h"

struct vault_local {
    struct keystore ks;
    struct group *g;
    struct vault_keys keys;                   /* of the last call of keys */
    int has_own, has_seed, seed_opened, made; /* made: by enroll, in this session */
    hash_t election;
    uint32_t n, t;
    struct vault_key key;
    struct enrolment own;
    struct sealed seed;
    int has_roster, bound;
    uint32_t seat;
    struct roster roster;
    int has_plan;
    struct vault_plan plan;
    size_t before_count;
    struct {
        hash_t id, supersedes;
    } before[VAULT_PLANS_MAX];
    err_t (*on_plan)(void *ctx, const struct vault_plan *p, struct fault *f);
    void *on_plan_ctx;
};

/* A signed entry of at most max bytes; freed with entry_free. */
MUST err_t vault_entry_read(struct vault_local *v, struct entry **out, const struct bytes *in, size_t max,
                            struct fault *f);
/* Signs with the own key; frees statement and evidence (may be NULL). */
MUST err_t vault_entry_sign(struct vault_local *v, struct cbor_out *entry, enum entry_kind kind,
                            const hash_t *ceremony, const hash_t *subject, struct cbor_out *statement,
                            struct cbor_out *evidence, struct fault *f);
/* ERR_BUG without a roster. */
MUST err_t vault_needs_roster(const struct vault_local *v, struct fault *f);
/* Binds the token to the roster's ceremony; or asks whether it is bound to it (ERR_EARLY, ERR_TOKEN_BOUND).
 */
MUST err_t vault_bind(struct vault_local *v, struct fault *f);
MUST err_t vault_is_bound(struct vault_local *v, struct fault *f);
/* Opens 32 bytes with the token; frees info. */
MUST err_t vault_open(struct vault_local *v, uint8_t secret_out[32], const struct sealed *s,
                      struct cbor_out *info, struct fault *f);

/* Every proof and share is checked before it leaves: a machine that computed wrongly would name its trustee
 * as a cheat, for ever, and what it published could tell about the secret. e: of the check; ERR_SELFTEST if
 * it found something. */
MUST err_t vault_made(err_t e, const char *what, struct fault *f);

/* The operations, by file. */
err_t vault_local_deal(void *ctx, struct cbor_out *entry, struct vault_dealt *out, struct fault *f);
err_t vault_local_share_check(void *ctx, uint32_t dealer, const point_t C[TRUSTEES_MAX],
                              const struct sealed *share, struct fault *f);
err_t vault_local_reveal(void *ctx, struct cbor_out *entry, const struct bytes *complaint, struct fault *f);
err_t vault_local_confirm(void *ctx, struct cbor_out *entry, const struct vault_shares *in, struct fault *f);
err_t vault_local_drill(void *ctx, struct cbor_out *entry, const struct vault_shares *in,
                        const struct bytes *confirmation, const hash_t *record, const hash_t *challenge,
                        struct fault *f);
err_t vault_local_plan(void *ctx, const hash_t *id, const struct bytes *plan, struct fault *f);
err_t vault_local_plan_before(void *ctx, const struct bytes *plan, struct fault *f);
err_t vault_local_plan_sign(void *ctx, struct cbor_out *entry, struct fault *f);
err_t vault_local_plan_bound(void *ctx, struct fault *f);
err_t vault_local_decrypt(void *ctx, struct cbor_out *entry, const struct vault_shares *in,
                          const struct bytes *confirmation, struct fault *f);

#endif
