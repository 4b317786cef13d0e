/* What a vault never gives out, for tests that look for it: only of a local vault. Told roster and record as
 * by the trustee's phases. All outputs are secret; *secret is freed with secret_free. */
#ifndef TESTS_SUPPORT_SECRETS_H
#define TESTS_SUPPORT_SECRETS_H

#include "ceremony/seed.h"
#include "ceremony/trustee_parts.h"
#include "ceremony/vault_local.h"

MUST err_t trustee_seed(struct trustee *t, uint8_t **secret_seed, struct fault *f);
MUST err_t trustee_share_of(struct trustee *t, scalar_t *secret_share, const struct roster *r,
                            const struct deal *d, uint32_t seat, struct fault *f);
MUST err_t share_rebuild(struct trustee *t, const struct record *r, scalar_t **secret, uint32_t *seat,
                         struct fault *f);

#endif
