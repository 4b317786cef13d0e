/* Deterministic CBOR (RFC 8949 section 4.2.1), writing and reading.
 *
 * Only these items exist: unsigned integer, byte string, text string, array, map, tag, null; definite
 * lengths; shortest heads. Reading refuses anything else, so that what was read re-encodes to the
 * same bytes. Heads are coded by libcbor; the rules above are enforced here.
 *
 * Both directions keep the first error: later calls do nothing and return zeros, so that a parser
 * is a plain list of gets followed by one cbor_in_end(). Loops run over a count that came from a
 * get and is 0 after an error. Positions refer to the start of the buffer given. */
#ifndef CEREMONY_BASE_CBOR_H
#define CEREMONY_BASE_CBOR_H

#include "ceremony/base/err.h"
#include "ceremony/base/hash.h"

/* --- writing: a growing buffer --- */

struct cbor_out {
    uint8_t *data;
    size_t len, cap;
    err_t err; /* ERR_MEMORY once growing failed */
};

#define CBOR_OUT_INIT                                                                                        \
    {                                                                                                        \
        NULL, 0, 0, OK                                                                                       \
    }

/* One item each, in its shortest form. An array is followed by its items, a tag by what it tags. */
void cbor_put_uint(struct cbor_out *o, uint64_t v);
void cbor_put_bytes(struct cbor_out *o, const void *data, size_t len);
void cbor_put_bytes_head(struct cbor_out *o, size_t len); /* len bytes must follow, from elsewhere */
void cbor_put_text(struct cbor_out *o, const char *text); /* NUL-terminated UTF-8 */
void cbor_put_text_len(struct cbor_out *o, const char *text, size_t len);
void cbor_put_array(struct cbor_out *o, size_t count);
void cbor_put_map(struct cbor_out *o, size_t count); /* keys: caller puts them in bytewise order */
void cbor_put_tag(struct cbor_out *o, uint64_t tag);
void cbor_put_null(struct cbor_out *o);
void cbor_put_hash(struct cbor_out *o, const hash_t *h);
/* Bytes that are already one deterministic item. */
void cbor_put_raw(struct cbor_out *o, const void *item, size_t len);
/* Wipes and frees; o can be used again. */
void cbor_out_free(struct cbor_out *o);
/* out = SHA-256 of what was written; frees o. Returns o's error; out is zeroed then. */
MUST err_t cbor_out_hash(struct cbor_out *o, hash_t *out);

/* --- reading: a bounded cursor over bytes that stay the caller's --- */

struct cbor_in {
    const uint8_t *data;
    size_t len, pos;
    err_t err;
    size_t err_pos; /* where the item that failed starts */
};

/* A cursor at the start of data, which stays the caller's and must outlive it. */
void cbor_in_init(struct cbor_in *in, const void *data, size_t len);

/* ERR_LIMIT when the value is over max. */
uint64_t cbor_get_uint(struct cbor_in *in, uint64_t max);
/* ERR_FORMAT when it is another number. */
void cbor_get_uint_exact(struct cbor_in *in, uint64_t v);
/* Number of items that follow; ERR_LIMIT outside min..max. */
size_t cbor_get_array(struct cbor_in *in, size_t min, size_t max);
void cbor_get_array_exact(struct cbor_in *in, size_t count);
size_t cbor_get_map(struct cbor_in *in, size_t min, size_t max);
void cbor_get_tag_exact(struct cbor_in *in, uint64_t tag);
/* View into the buffer, NULL and *len = 0 on error; ERR_LIMIT outside min..max. */
const uint8_t *cbor_get_bytes(struct cbor_in *in, size_t min, size_t max, size_t *len);
/* Copies a byte string of exactly len bytes; out zeroed on error. */
void cbor_get_fixed(struct cbor_in *in, void *out, size_t len);
void cbor_get_hash(struct cbor_in *in, hash_t *out);
/* Text shown to people: checked by text_check (see text.h). Copied with NUL into out, max bytes
 * without the NUL, so out has max+1. Empty is allowed. */
void cbor_get_text(struct cbor_in *in, char *out, size_t max);
/* Identifier: 1..max characters of text_is_id (see text.h). */
void cbor_get_id(struct cbor_in *in, char *out, size_t max);
/* Text that must be exactly this (labels). */
void cbor_get_text_exact(struct cbor_in *in, const char *text);
/* 1 and consumed if the next item is null, else 0 and nothing consumed. */
int cbor_get_null(struct cbor_in *in);
/* View of the next whole item, whatever it is (depth at most 16). */
const uint8_t *cbor_get_raw(struct cbor_in *in, size_t *len);
/* Fails with e at the item last read, unless there is an error already (semantic checks). */
void cbor_fail(struct cbor_in *in, err_t e);
/* ERR_TRAILING if bytes are left; otherwise the cursor's error. Fills f with the position. */
MUST err_t cbor_in_end(struct cbor_in *in, struct fault *f);

#endif
