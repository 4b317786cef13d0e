/* What writing, reading and verifying exports share. Internal to export*.c and precinct*.c. */
#ifndef TALLY_EXPORT_FORM_H
#define TALLY_EXPORT_FORM_H

#include "tally/export.h"

struct export_reader {
    const struct election_context *ctx;
    FILE *stream;
    char path[4096];
    uint64_t offset;            /* of the next byte */
    uint64_t item_offset, done; /* of the item last returned; items returned */
    uint64_t items;             /* that the header promises */
    struct hash_ctx hash;       /* of what was read */
    int at_end;                 /* of the file, and all was there */
    size_t item_max, cap;
    uint8_t *item;
    struct export_header *header;
};

/* What a header says about its items. */
struct export_content {
    uint32_t place;
    uint64_t items;
    hash_t root;
    const struct tallies *tallies;
};

/* Appends the signed header. ERR_SIGNATURE if the signer is not the place's, ERR_BUG if revision and replaces
 * do not fit. *id: its message id. */
MUST err_t export_header_make(struct cbor_out *out, hash_t *id, const struct election_context *ctx,
                              const struct export_content *content, uint64_t revision, const hash_t *replaces,
                              uint64_t time, const struct signer *signer, struct fault *f);

/* Parses and checks the signed header that fills data. */
MUST err_t export_header_parse(struct export_header **out, const struct election_context *ctx,
                               const uint8_t *data, size_t len, struct fault *f);

/* Upper bound of the payload of any header in this election. */
MUST size_t export_header_max(const struct election_context *ctx);

/* Writes the head of a byte string of len into out (9 bytes of room); returns its length. */
MUST size_t export_bytes_head(uint8_t out[9], uint64_t len);

/* Ballot id of an item without reading the rest of it. Errors as ballot_parse_var. */
MUST err_t export_peek_id(hash_t *id, const struct election_context *ctx, const uint8_t *data, size_t len);

/* --- the ids seen in one export --- */

struct id_set;
/* A set for at most expected ids; on disk if they are many. ERR_MEMORY, ERR_IO. */
MUST err_t id_set_new(struct id_set **out, uint64_t expected);
void id_set_free(struct id_set *s);
/* ERR_DUPLICATE if it is there already; ERR_MEMORY, ERR_IO. */
MUST err_t id_set_add(struct id_set *s, const hash_t *id);

#endif
