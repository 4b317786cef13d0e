#include "tests/support/vectors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

json_t *vectors_json(const char *name)
{
    char path[1024];
    json_error_t error;
    const char *dir = getenv("CONCLAVE_VECTORS");
    snprintf(path, sizeof path, "%s/%s", dir != NULL ? dir : "../shared/vectors", name);
    json_t *j = json_load_file(path, 0, &error);
    if (j == NULL)
        print_message("skipped: no vectors in %s (set CONCLAVE_VECTORS)\n", path);
    return j;
}

const char *vectors_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    if (text == NULL)
        fail_msg("the vector has no text \"%s\"", key);
    return text;
}

static int digit(char c)
{
    const char *all = "0123456789abcdefABCDEF", *p = c == '\0' ? NULL : strchr(all, c);
    if (p == NULL)
        fail_msg("not a hex digit: %d", c);
    int v = (int)(p - all);
    return v < 16 ? v : v - 6;
}

size_t unhex(uint8_t *out, size_t max, const char *hex, size_t hex_len)
{
    if (hex_len == SIZE_MAX)
        hex_len = strlen(hex);
    assert_true(hex_len % 2 == 0 && hex_len / 2 <= max);
    for (size_t i = 0; i < hex_len / 2; i++)
        out[i] = (uint8_t)(digit(hex[2 * i]) << 4 | digit(hex[2 * i + 1]));
    return hex_len / 2;
}

void unhex_exact(void *out, size_t len, const char *hex)
{
    assert_int_equal(unhex(out, len, hex, SIZE_MAX), len);
}
