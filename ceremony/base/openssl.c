#include "ceremony/base/openssl.h"

#include <openssl/ec.h>
#include <openssl/err.h>

void openssl_begin(void)
{
    ERR_clear_error();
}

err_t openssl_point_error(void)
{
    /* Whatever failed for want of memory is in the queue before the conclusions that OpenSSL drew from it; a
     * queue that could not be made itself is empty. */
    unsigned long first = ERR_peek_error();
    int reason = ERR_GET_REASON(first);
    ERR_clear_error();
    if (ERR_GET_LIB(first) != ERR_LIB_EC)
        return ERR_MEMORY;
    return reason == EC_R_INVALID_COMPRESSED_POINT || reason == EC_R_INVALID_ENCODING ||
                   reason == EC_R_POINT_IS_NOT_ON_CURVE
               ? ERR_POINT
               : ERR_MEMORY;
}

err_t openssl_signature_error(void)
{
    unsigned long first = ERR_peek_error();
    ERR_clear_error();
    return ERR_GET_LIB(first) == ERR_LIB_EC && ERR_GET_REASON(first) == EC_R_POINT_AT_INFINITY ? ERR_SIGNATURE
                                                                                               : ERR_MEMORY;
}
