/* The vault in this process, over a keystore: what the keeper runs, and tests. */
#ifndef CEREMONY_VAULT_LOCAL_H
#define CEREMONY_VAULT_LOCAL_H

#include "ceremony/vault.h"

/* What a plan's bytes say, as far as the vault must know. */
struct vault_plan {
    hash_t id, election, record;
    int has_supersedes;
    hash_t supersedes;
    size_t count;
    struct target *target; /* B is NULL: it is not multiplied */
};

struct vault_local;

/* Takes the keystore over: it is closed with the vault. ERR_MEMORY; then ks is still the caller's. */
MUST err_t vault_local_open(struct vault *out, const struct keystore *ks, struct fault *f);

/* fn is called with every plan that is taken, before anything is done with it; an error of it refuses the
 * plan. */
void vault_local_on_plan(struct vault *v, err_t (*fn)(void *ctx, const struct vault_plan *p, struct fault *f),
                         void *ctx);

/* Reads plan.cbor: form and points, whatever the election; docs/spec/plan.md. vault_plan_free also after an
 * error. */
MUST err_t vault_plan_read(struct vault_plan *out, const struct bytes *plan, struct fault *f);
void vault_plan_free(struct vault_plan *p);

/* --- parts, for tests that look for secrets ---
 * All outputs are secret. *secret: secret memory, freed with secret_free. */
MUST err_t vault_secret_seed(struct vault_local *v, uint8_t **secret_seed, struct fault *f);
MUST err_t vault_secret_share_of(struct vault_local *v, scalar_t *secret_share, const struct deal *d,
                                 const struct sealed *s, struct fault *f);
MUST err_t vault_secret_share(struct vault_local *v, scalar_t **secret_share, const struct vault_shares *in,
                              struct outcome *values, struct fault *f);

#endif
