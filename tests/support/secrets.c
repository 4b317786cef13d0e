#include "tests/support/secrets.h"

#include <stdlib.h>

err_t trustee_seed(struct trustee *t, uint8_t **secret_seed, struct fault *f)
{
    *secret_seed = NULL;
    TRY(trustee_ready(t, NULL, 1, f));
    return vault_secret_seed(t->vault.ctx, secret_seed, f);
}

err_t trustee_share_of(struct trustee *t, scalar_t *secret_share, const struct roster *r,
                       const struct deal *d, uint32_t seat, struct fault *f)
{
    struct sealed s;
    TRY(trustee_ready(t, r, 0, f));
    TRY(trustee_sealed_share(t, &s, r, d, seat, f));
    return vault_secret_share_of(t->vault.ctx, secret_share, d, &s, f);
}

err_t share_rebuild(struct trustee *t, const struct record *r, scalar_t **secret, uint32_t *seat,
                    struct fault *f)
{
    struct vault_shares *in;
    struct bytes confirmation;
    *secret = NULL;
    TRY(trustee_shares(t, r, &in, seat, &confirmation, f));
    struct outcome *oc = calloc(1, sizeof *oc);
    err_t e = oc == NULL ? ERR_MEMORY : vault_secret_share(t->vault.ctx, secret, in, oc, f);
    free(oc);
    free(in);
    return e;
}
