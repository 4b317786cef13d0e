#include "ceremony/seed.h"

#include <string.h>

#include "ceremony/base/secret.h"

static err_t derive(scalar_t *out, const uint8_t *secret_seed, struct cbor_out *info)
{
    static const char salt[] = "conclave/seed";
    uint8_t okm[48];
    err_t e = info->err;
    if (e == OK)
        e = hkdf(okm, sizeof okm, salt, sizeof salt - 1, secret_seed, SEED_LEN, info->data, info->len);
    if (e == OK)
        scalar_reduce(out, okm, sizeof okm);
    else
        memset(out, 0, sizeof *out);
    secret_wipe(okm, sizeof okm);
    cbor_out_free(info);
    /* Probability 2^-256; a zero would be an invalid key or polynomial. */
    return e == OK && scalar_is_zero(out) ? ERR_RANDOM : e;
}

err_t seed_contribution(scalar_t *out, const uint8_t *secret_seed, const hash_t *election,
                        const point_t *identity)
{
    struct cbor_out info = CBOR_OUT_INIT;
    cbor_put_array(&info, 3);
    cbor_put_text(&info, "conclave/contribution");
    cbor_put_hash(&info, election);
    cbor_put_point(&info, identity);
    return derive(out, secret_seed, &info);
}

static err_t indexed(scalar_t *out, const uint8_t *secret_seed, const char *purpose, const hash_t *ceremony,
                     uint32_t index)
{
    struct cbor_out info = CBOR_OUT_INIT;
    cbor_put_array(&info, 3);
    cbor_put_text(&info, purpose);
    cbor_put_hash(&info, ceremony);
    cbor_put_uint(&info, index);
    return derive(out, secret_seed, &info);
}

err_t seed_coefficient(scalar_t *out, const uint8_t *secret_seed, const hash_t *ceremony, uint32_t k)
{
    return indexed(out, secret_seed, "conclave/coefficient", ceremony, k);
}

err_t seed_encapsulation(scalar_t *out, const uint8_t *secret_seed, const hash_t *ceremony, uint32_t j)
{
    return indexed(out, secret_seed, "conclave/encapsulation", ceremony, j);
}

err_t seed_fresh(struct keystore *ks, uint8_t out[32], struct fault *f)
{
    uint8_t token[32], system[32];
    hash_t h;
    memset(out, 0, 32);
    TRY(ks->ops->random(ks->ctx, token, sizeof token, f));
    random_bytes(system, sizeof system);
    struct cbor_out o = CBOR_OUT_INIT;
    cbor_put_array(&o, 3);
    cbor_put_text(&o, "conclave/fresh");
    cbor_put_bytes(&o, token, sizeof token);
    cbor_put_bytes(&o, system, sizeof system);
    err_t e = cbor_out_hash(&o, &h);
    if (e == OK)
        memcpy(out, h.b, 32);
    secret_wipe(token, sizeof token);
    secret_wipe(system, sizeof system);
    secret_wipe(&h, sizeof h);
    return e;
}
