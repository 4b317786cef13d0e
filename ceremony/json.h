/* Strict reading of JSON written by people: exact key sets, exact types, limits, and errors that name the
 * place ("contests[3].options[1].title"). On top of jansson.
 *
 * A place is a chain of struct json_at on the stack, from the value up to the document. */
#ifndef CEREMONY_JSON_H
#define CEREMONY_JSON_H

#include <jansson.h>

#include "ceremony/base/err.h"
#include "ceremony/base/hash.h"

struct json_at {
    const struct json_at *up; /* NULL at the document */
    const char *key;          /* member of up, or NULL: */
    size_t index;             /* element of up */
};

/* Parses the whole of data. Duplicate keys: ERR_DUPLICATE with the line; otherwise ERR_FORMAT, ERR_TEXT for
 * bad UTF-8, ERR_TRUNCATED, ERR_TRAILING. *out is released with json_decref. */
MUST err_t json_read(json_t **out, const void *data, size_t len, struct fault *f);

/* The text of v, indented by one space, NUL-terminated; freed with free(). ERR_MEMORY. */
MUST err_t json_write(char **out, const json_t *v);

/* Sets f with the place in front of the sentence; returns e. */
err_t json_fault(struct fault *f, err_t e, const struct json_at *at, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* v is an object whose keys are all of keys (NULL-terminated; those starting with '?' are optional).
 * ERR_FORMAT for another type or an unknown key, ERR_MISSING. */
MUST err_t json_keys(const json_t *v, const struct json_at *at, const char *const *keys, struct fault *f);

/* Members of the object v at the place `at`. A missing member: ERR_MISSING; another type: ERR_FORMAT. */
MUST err_t json_uint(uint32_t *out, const json_t *v, const char *key, uint32_t min, uint32_t max,
                     const struct json_at *at, struct fault *f); /* ERR_LIMIT */
MUST err_t json_flag(int *out, const json_t *v, const char *key, const struct json_at *at, struct fault *f);
/* *out: min..max elements, ERR_LIMIT. */
MUST err_t json_list(const json_t **out, const json_t *v, const char *key, size_t min, size_t max,
                     const struct json_at *at, struct fault *f);
/* Shown to people: 1..max bytes of text_check. out has max+1. ERR_TEXT, ERR_LIMIT. */
MUST err_t json_text(char *out, size_t max, const json_t *v, const char *key, const struct json_at *at,
                     struct fault *f);
MUST err_t json_hash(hash_t *out, const json_t *v, const char *key, const struct json_at *at,
                     struct fault *f);
/* Identifiers (text_is_id), as a member and as a value. out has TEXT_ID_MAX+1. ERR_TEXT. */
MUST err_t json_id(char *out, const json_t *v, const char *key, const struct json_at *at, struct fault *f);
MUST err_t json_id_value(char *out, const json_t *v, const struct json_at *at, struct fault *f);

#endif
