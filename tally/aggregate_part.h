/* What one machine verified for an aggregation, sealed so that somebody else can take it over
 * (docs/spec/parts.md, "Aggregation").
 *
 *   agg_part_write   at the end of aggregate with a part: WORK/aggregate.part lists its files by their hashes
 *   agg_part_sealed  1 if these bytes are such a list; agg_part_read and agg_part_files check one
 *   agg_part_check   before a directory is taken over: signed by one of the signers, and nothing was changed
 *
 * conclave-tally part sign signs it, as WORK/aggregate.signed. Public data, variable time. */
#ifndef TALLY_AGGREGATE_PART_H
#define TALLY_AGGREGATE_PART_H

#include "tally/node.h"
#include "tally/part_form.h"

#define AGG_PART "aggregate.part"
#define AGG_PART_SIGNED "aggregate.signed"

struct agg_part {
    hash_t election, record, program;
    unsigned k, n;
    char version[PART_VERSION_MAX + 1];
    int is_signed;
    hash_t kid;
    size_t file_count;
    struct part_file *file; /* in the work directory, sorted by name; err is OK */
};

/* The index must be closed. ERR_IO, ERR_LIMIT. */
MUST err_t agg_part_write(const char *work, const struct election_context *ctx, unsigned k, unsigned n,
                          struct fault *f);

MUST int agg_part_sealed(const uint8_t *data, size_t len);
/* *signature: a view into data; meaningless if !(*out)->is_signed. Freed with agg_part_free. */
MUST err_t agg_part_read(struct agg_part **out, struct cose *signature, const uint8_t *data, size_t len,
                         struct fault *f);
void agg_part_free(struct agg_part *p);
/* The directory has exactly these files. ERR_HASH, ERR_MISSING, ERR_UNKNOWN: one that is not listed. */
MUST err_t agg_part_files(const struct agg_part *p, const char *work, struct fault *f);

/* The signer's name, and which part it is. ERR_SIGNATURE: none, or not valid; ERR_UNKNOWN: not one of the signers;
 * ERR_ELECTION; ERR_VERSION: another program. */
struct agg_part_standing {
    char signer[PART_NAME_MAX + 1];
    unsigned k, n;
};
MUST err_t agg_part_check(struct agg_part_standing *out, const char *work, const struct election_context *ctx,
                          const struct part_signers *signers, const hash_t *program, struct fault *f);

#endif
