#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/obj_mac.h>
#include <string.h>

#include "ceremony/base/openssl.h"
#include "ceremony/base/secret.h"
#include "hsm/client.h"

err_t check_point(const pubkey_t *key)
{
    err_t e = ERR_MEMORY;
    EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
    EC_POINT *p = group == NULL ? NULL : EC_POINT_new(group);
    openssl_begin();
    if (p != NULL)
        e = EC_POINT_oct2point(group, p, key->b, POINT_LEN, NULL) == 1 ? OK : openssl_point_error();
    EC_POINT_free(p);
    EC_GROUP_free(group);
    return e;
}

static err_t exchange(uint8_t peer[65], uint8_t x_out[32], const pubkey_t *key, const EC_GROUP *group,
                      BIGNUM *d, EC_POINT *p, EC_POINT *q)
{
    uint8_t shared[65];
    openssl_begin();
    if (EC_POINT_oct2point(group, q, key->b, POINT_LEN, NULL) != 1)
        return openssl_point_error();
    if (BN_priv_rand_range(d, EC_GROUP_get0_order(group)) != 1 || BN_is_zero(d))
        return ERR_RANDOM;
    if (EC_POINT_mul(group, p, d, NULL, NULL, NULL) != 1 ||
        EC_POINT_point2oct(group, p, POINT_CONVERSION_UNCOMPRESSED, peer, 65, NULL) != 65 ||
        EC_POINT_mul(group, p, NULL, q, d, NULL) != 1 ||
        EC_POINT_point2oct(group, p, POINT_CONVERSION_UNCOMPRESSED, shared, 65, NULL) != 65)
        return ERR_MEMORY;
    memcpy(x_out, shared + 1, 32);
    secret_wipe(shared, sizeof shared);
    return OK;
}

err_t check_ecdh(uint8_t peer[65], uint8_t x_out[32], const pubkey_t *key)
{
    err_t e = ERR_MEMORY;
    EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
    EC_POINT *p = group == NULL ? NULL : EC_POINT_new(group);
    EC_POINT *q = group == NULL ? NULL : EC_POINT_new(group);
    BIGNUM *d = BN_secure_new();
    memset(peer, 0, 65);
    memset(x_out, 0, 32);
    if (p != NULL && q != NULL && d != NULL)
        e = exchange(peer, x_out, key, group, d, p, q);
    BN_clear_free(d);
    EC_POINT_clear_free(p);
    EC_POINT_clear_free(q);
    EC_GROUP_free(group);
    return e;
}
