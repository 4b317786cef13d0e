/* Putting partial reports (verify_part.h) together: the whole verification, where what is said of exports
 * comes from reports that signers of the caller's choice stand for.
 *
 *   verify_parts_new -> verify_parts_add for each report -> verify_bundle with them in its options
 *   -> verify_parts_entry for the list of who signed what -> verify_parts_free
 *
 * All other checks are done here. Exports of parts that are not here, or that nobody who counts signed, are
 * NOT CHECKED. If the parts are all here and count, the report is the same to the byte as that of a run that
 * looks at all exports itself. Reports of another bundle, program or number of parts are refused, and so is
 * one that says something of other exports than its own. Memory: some hundred bytes an export; ids are read
 * as streams. */
#ifndef TALLY_VERIFY_MERGE_H
#define TALLY_VERIFY_MERGE_H

#include "tally/part_form.h"

struct verify_parts;

enum part_standing {
    PART_COUNTS,         /* signed by one of the signers */
    PART_UNSIGNED,       /* nobody stands for it */
    PART_SIGNER_UNKNOWN, /* not one of the signers */
    PART_SIGNATURE_BAD,
};

/* dir: the bundle. signers: whose reports count; may be empty. program: of all reports. trust: reports count
 * without a signature: for a directory to which only this machine, or one's own cluster, writes. */
MUST err_t verify_parts_new(struct verify_parts **out, const char *dir, const struct part_signers *signers,
                            const hash_t *program, int trust, struct fault *f);
void verify_parts_free(struct verify_parts *p);

/* A report, with the file of its ids beside it; or all *.signed of a directory (if trusted: all *.part).
 * ERR_HASH: of another bundle. ERR_VERSION: of another program. ERR_MISMATCH: of another number of parts. */
MUST err_t verify_parts_add(struct verify_parts *p, const char *path, struct fault *f);

struct verify_parts_entry {
    const char *path;
    const struct part *part;
    enum part_standing standing;
    const char *signer; /* name, or "" */
    int is_used;        /* another report of the same part says the same, if not */
    int is_disputed;    /* another report of the same part that counts says something else */
};
size_t verify_parts_count(const struct verify_parts *p);
/* In order of parts, then paths. Good after the last _add. */
void verify_parts_entry(const struct verify_parts *p, size_t i, struct verify_parts_entry *out);
const char *part_standing_name(enum part_standing s);
/* Who signed what, for people and as JSON (docs/spec/parts.md). */
MUST err_t verify_parts_print(FILE *out, const struct verify_parts *p);
MUST err_t verify_parts_json(FILE *out, const struct verify_parts *p);

#endif
