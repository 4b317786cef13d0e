/* One part of a verification: some of the exports and of the shards of voting chains, looked at as in a whole
 * run, and a partial report of what was found (part_form.h). Parts are independent of each other, and put
 * together by verify_merge.h.
 *
 *   verify_part_open -> verify_part_make for each part wanted -> verify_part_close
 *   verify_part_ready says whether a part was made before, by the same program, of the same bundle
 *
 * Part k of n has the exports and shards whose middle byte is in the k-th of n equal ranges of all bytes, in
 * the order of places, then chains and shards: so parts are alike in size, as far as no single one is larger,
 * and anybody can say which belongs to which part. A shard that was stopped in the middle goes on there, if
 * DIR is the same. Beside each report is a file with all its ballot ids, sorted, from
 * which merging shows that none is in two exports. Public data, variable time; holds no secret and signs
 * nothing. */
#ifndef TALLY_VERIFY_PART_H
#define TALLY_VERIFY_PART_H

#include "tally/verify.h"

#define VERIFY_PART_SUFFIX ".part"

struct verify_part_run;

/* o outlives it; anchor and the like are not used. ERR_UNVERIFIED: manifest, places or record are not good;
 * then a run of the whole bundle says why, quickly, and there are no parts. */
MUST err_t verify_part_open(struct verify_part_run **out, const char *dir, const struct verify_options *o,
                            struct fault *f);
void verify_part_close(struct verify_part_run *r);

/* items[k - 1] (exports and shards), bytes[k - 1]: what is in part k of n. */
void verify_part_sizes(const struct verify_part_run *r, unsigned n, uint64_t *items, uint64_t *bytes);
/* Verifies part k of n and writes DIR/part-K-of-N.part and .ids, the report last. What is wrong with the
 * exports is in the report; failures: how much (may be NULL). */
MUST err_t verify_part_make(struct verify_part_run *r, const char *dir, unsigned k, unsigned n,
                            uint64_t *failures, struct fault *f);
/* *ready = 1 if DIR has this part of this bundle, made by this very program, with its ids. ERR_MEMORY. */
MUST err_t verify_part_ready(const struct verify_part_run *r, const char *dir, unsigned k, unsigned n,
                             int *ready, struct fault *f);

#endif
