/* The result of an election: the counts of every unit of the decryption plan (docs/spec/formats.md,
 * "Result").
 *
 * combine.h makes it, publish.h puts it into the bundle, the verifier reads it and compares. This module
 * is its form and the rules that every row must keep; it decrypts nothing and checks no proof. */
#ifndef TALLY_RESULT_H
#define TALLY_RESULT_H

#include "ceremony/base/cbor.h"
#include "ceremony/manifest.h"

#define RESULT_MAX ((size_t)512 << 20) /* bytes of result.cbor */
#define RESULT_ROWS_MAX ((size_t)4 << 20)
#define RESULT_BALLOTS_MAX ((uint64_t)1 << 40)

struct result_row {
    char place[TEXT_ID_MAX + 1], contest[TEXT_ID_MAX + 1]; /* place: a place or a reporting group */
    uint64_t ballots;
    size_t count;
    uint64_t *votes; /* one for each option in order */
};

struct result {
    hash_t election, record, plan;
    size_t partial_count;         /* t */
    hash_t partial[TRUSTEES_MAX]; /* statement ids, in seat order */
    size_t row_count;
    struct result_row *row; /* in the order of the plan */
};

/* Zeroed result with row_count rows that have no votes yet; freed with result_free. ERR_MEMORY. */
MUST err_t result_new(struct result **out, size_t row_count);
/* Gives row i its votes array of count zeros. ERR_MEMORY, ERR_LIMIT for 0 or too many. */
MUST err_t result_row_votes(struct result *r, size_t i, size_t count);
void result_free(struct result *r);

/* Appends the deterministic CBOR of r. Errors stay in out->err. */
void result_write(struct cbor_out *out, const struct result *r);

/* Reads bytes or a file strictly. ERR_FORMAT, ERR_CANONICAL, ERR_TRAILING, ERR_LIMIT, ERR_DUPLICATE (a
 * partial twice). *out is freed with result_free. */
MUST err_t result_parse(struct result **out, const uint8_t *data, size_t len, struct fault *f);
MUST err_t result_load(struct result **out, const char *path, struct fault *f);

/* The rules of one row: contest known with as many options (ERR_UNKNOWN, ERR_MISMATCH), every count within
 * 0..ballots, their sum within limit * ballots (ERR_LIMIT), in an import exactly ballots (ERR_SUM). */
MUST err_t result_row_check(const struct result_row *row, const struct manifest *m, struct fault *f);

#endif
