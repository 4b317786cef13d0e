#include "ceremony/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ceremony/base/text.h"

static size_t put_at(char *out, size_t size, const struct json_at *at)
{
    if (at == NULL || (at->up == NULL && at->key == NULL)) {
        out[0] = '\0';
        return 0;
    }
    size_t used = put_at(out, size, at->up);
    int n;
    if (at->key != NULL)
        n = snprintf(out + used, size - used, "%s%s", used > 0 ? "." : "", at->key);
    else
        n = snprintf(out + used, size - used, "[%zu]", at->index);
    if (n < 0)
        return used;
    used += (size_t)n;
    return used < size ? used : size - 1;
}

err_t json_fault(struct fault *f, err_t e, const struct json_at *at, const char *fmt, ...)
{
    char detail[256], place[200];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(detail, sizeof detail, fmt, ap);
    va_end(ap);
    size_t len = put_at(place, sizeof place, at);
    return fault_set(f, e, "%s%s%s", place, len > 0 ? ": " : "", detail);
}

/* When memory runs out jansson calls a good document bad, or leaves characters out of a text without a word.
 * So its allocations are watched; it hands no context to them. */
static _Thread_local int memory_ran_out;

static void *watched_malloc(size_t len)
{
    void *p = malloc(len);
    memory_ran_out |= p == NULL;
    return p;
}

err_t json_read(json_t **out, const void *data, size_t len, struct fault *f)
{
    json_error_t error;
    json_set_alloc_funcs(watched_malloc, free);
    memory_ran_out = 0;
    *out = json_loadb(data, len, JSON_REJECT_DUPLICATES, &error);
    if (memory_ran_out) {
        json_decref(*out);
        *out = NULL;
        return fault_set(f, ERR_MEMORY, "JSON reader");
    }
    if (*out != NULL)
        return OK;
    err_t e = ERR_FORMAT;
    const char *what = "not valid JSON";
    switch (json_error_code(&error)) {
    case json_error_duplicate_key:
        e = ERR_DUPLICATE;
        what = "the same key twice in one object";
        break;
    case json_error_invalid_utf8:
    case json_error_null_character:
    case json_error_null_byte_in_key:
        e = ERR_TEXT;
        what = "not valid UTF-8, or a NUL";
        break;
    case json_error_premature_end_of_input:
        e = ERR_TRUNCATED;
        what = "the JSON is not complete";
        break;
    case json_error_end_of_input_expected:
        e = ERR_TRAILING;
        what = "something after the JSON object";
        break;
    default:
        break;
    }
    fault_set(f, e, "column %d: %s", error.column, what);
    if (f != NULL) {
        f->at = error.line;
        f->is_line = 1;
    }
    return e;
}

err_t json_write(char **out, const json_t *v)
{
    json_set_alloc_funcs(watched_malloc, free);
    memory_ran_out = 0;
    *out = json_dumps(v, JSON_INDENT(1));
    if (*out != NULL && !memory_ran_out)
        return OK;
    free(*out);
    *out = NULL;
    return ERR_MEMORY;
}

static int known_key(const char *key, const char *const *keys)
{
    for (; *keys != NULL; keys++)
        if (strcmp(key, **keys == '?' ? *keys + 1 : *keys) == 0)
            return 1;
    return 0;
}

err_t json_keys(const json_t *v, const struct json_at *at, const char *const *keys, struct fault *f)
{
    if (!json_is_object(v))
        return json_fault(f, ERR_FORMAT, at, "must be an object");
    json_t *object = (json_t *)v; /* jansson's iterator takes no const; nothing is changed */
    for (void *i = json_object_iter(object); i != NULL; i = json_object_iter_next(object, i)) {
        const char *key = json_object_iter_key(i);
        if (known_key(key, keys))
            continue;
        /* Only what is harmless on a terminal is repeated. */
        if (text_is_id(key, strlen(key)))
            return json_fault(f, ERR_FORMAT, at, "unknown key \"%s\"", key);
        return json_fault(f, ERR_FORMAT, at, "an unknown key");
    }
    for (; *keys != NULL; keys++)
        if (**keys != '?' && json_object_get(v, *keys) == NULL)
            return json_fault(f, ERR_MISSING, at, "the key \"%s\" is missing", *keys);
    return OK;
}

static err_t member(const json_t **out, const json_t *v, const struct json_at *at, struct fault *f)
{
    *out = json_object_get(v, at->key);
    return *out != NULL ? OK : json_fault(f, ERR_MISSING, at, "is missing");
}

err_t json_uint(uint32_t *out, const json_t *v, const char *key, uint32_t min, uint32_t max,
                const struct json_at *at, struct fault *f)
{
    struct json_at here = {at, key, 0};
    const json_t *m;
    *out = 0;
    TRY(member(&m, v, &here, f));
    if (!json_is_integer(m))
        return json_fault(f, ERR_FORMAT, &here, "must be an integer");
    json_int_t n = json_integer_value(m);
    if (n < (json_int_t)min || n > (json_int_t)max)
        return json_fault(f, ERR_LIMIT, &here, "must be %u to %u", min, max);
    *out = (uint32_t)n;
    return OK;
}

err_t json_flag(int *out, const json_t *v, const char *key, const struct json_at *at, struct fault *f)
{
    struct json_at here = {at, key, 0};
    const json_t *m;
    *out = 0;
    TRY(member(&m, v, &here, f));
    if (!json_is_boolean(m))
        return json_fault(f, ERR_FORMAT, &here, "must be true or false");
    *out = json_is_true(m);
    return OK;
}

err_t json_list(const json_t **out, const json_t *v, const char *key, size_t min, size_t max,
                const struct json_at *at, struct fault *f)
{
    struct json_at here = {at, key, 0};
    TRY(member(out, v, &here, f));
    if (!json_is_array(*out))
        return json_fault(f, ERR_FORMAT, &here, "must be a list");
    size_t n = json_array_size(*out);
    if (n < min || n > max)
        return json_fault(f, ERR_LIMIT, &here, "has %zu elements, must have %zu to %zu", n, min, max);
    return OK;
}

err_t json_text(char *out, size_t max, const json_t *v, const char *key, const struct json_at *at,
                struct fault *f)
{
    struct json_at here = {at, key, 0};
    const json_t *m;
    out[0] = '\0';
    TRY(member(&m, v, &here, f));
    if (!json_is_string(m))
        return json_fault(f, ERR_FORMAT, &here, "must be text");
    size_t len = json_string_length(m);
    if (len < 1 || len > max)
        return json_fault(f, ERR_LIMIT, &here, "has %zu bytes, must have 1 to %zu", len, max);
    err_t e = text_check(json_string_value(m), len);
    if (e != OK)
        return json_fault(f, e, &here, "characters that cannot be shown, or not in NFC");
    memcpy(out, json_string_value(m), len + 1);
    return OK;
}

err_t json_hash(hash_t *out, const json_t *v, const char *key, const struct json_at *at, struct fault *f)
{
    struct json_at here = {at, key, 0};
    const json_t *m;
    memset(out, 0, sizeof *out);
    TRY(member(&m, v, &here, f));
    if (!json_is_string(m) || hex_get(out->b, sizeof out->b, json_string_value(m)) != OK)
        return json_fault(f, ERR_FORMAT, &here, "must be 64 hex digits in lower case");
    return OK;
}

err_t json_id_value(char *out, const json_t *v, const struct json_at *at, struct fault *f)
{
    out[0] = '\0';
    if (!json_is_string(v))
        return json_fault(f, ERR_FORMAT, at, "must be text");
    if (!text_is_id(json_string_value(v), json_string_length(v)))
        return json_fault(f, ERR_TEXT, at, "must be an identifier: 1 to %d of A-Z a-z 0-9 . _ -",
                          TEXT_ID_MAX);
    memcpy(out, json_string_value(v), json_string_length(v) + 1);
    return OK;
}

err_t json_id(char *out, const json_t *v, const char *key, const struct json_at *at, struct fault *f)
{
    struct json_at here = {at, key, 0};
    const json_t *m;
    out[0] = '\0';
    TRY(member(&m, v, &here, f));
    return json_id_value(out, m, &here, f);
}
