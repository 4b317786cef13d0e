#include <openssl/ec.h>
#include <openssl/obj_mac.h>
#include <string.h>

#include "ceremony/base/openssl.h"
#include "hsm/keys.h"

err_t keys_point(pubkey_t *out, const uint8_t *point, size_t len)
{
    err_t e = ERR_MEMORY;
    memset(out, 0, sizeof *out);
    /* The lengths of the four forms differ, so that none can be taken for another. */
    if ((len == 67 || len == 35) && point[0] == 0x04 && point[1] == len - 2) {
        point += 2;
        len -= 2;
    }
    if (!(len == 65 && point[0] == 0x04) && !(len == 33 && (point[0] == 0x02 || point[0] == 0x03)))
        return ERR_POINT;
    EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
    EC_POINT *p = group == NULL ? NULL : EC_POINT_new(group);
    openssl_begin();
    if (p != NULL)
        e = EC_POINT_oct2point(group, p, point, len, NULL) == 1 &&
                    EC_POINT_point2oct(group, p, POINT_CONVERSION_COMPRESSED, out->b, POINT_LEN, NULL) ==
                        POINT_LEN
                ? OK
                : openssl_point_error();
    if (e != OK)
        memset(out, 0, sizeof *out);
    EC_POINT_free(p);
    EC_GROUP_free(group);
    return e;
}
