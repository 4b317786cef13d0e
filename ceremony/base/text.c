#include "ceremony/base/text.h"

#include <stdlib.h>
#include <string.h>
#include <unictype.h>
#include <uninorm.h>
#include <unistr.h>

static int char_allowed(ucs4_t c)
{
    if (c == 0x20)
        return 1;
    if (!uc_is_general_category_withtable(c, UC_CATEGORY_MASK_L | UC_CATEGORY_MASK_M | UC_CATEGORY_MASK_N |
                                                 UC_CATEGORY_MASK_P | UC_CATEGORY_MASK_S))
        return 0;
    return !uc_is_property_default_ignorable_code_point(c) && !uc_is_property_bidi_control(c);
}

err_t text_check(const char *text, size_t len)
{
    const uint8_t *s = (const uint8_t *)text;
    for (size_t i = 0; i < len;) {
        ucs4_t c;
        int n = u8_mbtoucr(&c, s + i, len - i);
        if (n <= 0 || !char_allowed(c))
            return ERR_TEXT;
        i += (size_t)n;
    }
    if (len == 0)
        return OK;
    size_t nfc_len;
    uint8_t *nfc = u8_normalize(UNINORM_NFC, s, len, NULL, &nfc_len);
    if (nfc == NULL)
        return ERR_MEMORY;
    int same = nfc_len == len && memcmp(nfc, s, len) == 0;
    free(nfc);
    return same ? OK : ERR_TEXT;
}

static int is_alnum(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

int text_is_id(const char *text, size_t len)
{
    if (len < 1 || len > TEXT_ID_MAX || !is_alnum(text[0]))
        return 0;
    for (size_t i = 1; i < len; i++)
        if (!is_alnum(text[i]) && text[i] != '.' && text[i] != '_' && text[i] != '-')
            return 0; /* not strchr: it would find a NUL */
    return 1;
}
