/* One part of a verification: some of the exports of a bundle, looked at as in a whole run, and a partial
 * report of what was found (part_form.h). Parts are independent of each other, and put together by
 * verify_merge.h.
 *
 *   verify_part_open -> verify_part_make for each part wanted -> verify_part_close
 *   verify_part_ready says whether a part was made before, by the same program, of the same bundle
 *
 * Part k of n has the exports whose middle byte is in the k-th of n equal ranges of all bytes, exports in the
 * order of places: so parts are alike in size, as far as no single export is larger, and anybody can say
 * which export belongs to which part. Beside each report is a file with all its ballot ids, sorted, from
 * which merging shows that none is in two exports. Public data, variable time; holds no secret and signs
 * nothing. */
#ifndef TALLY_VERIFY_PART_H
#define TALLY_VERIFY_PART_H

#include "tally/verify.h"

#define VERIFY_PART_SUFFIX ".part"
#define VERIFY_PART_MAX 65536u

struct verify_part_run;

/* o outlives it; anchor and the like are not used. ERR_UNVERIFIED: manifest, places or record are not good;
 * then a run of the whole bundle says why, quickly, and there are no parts. */
MUST err_t verify_part_open(struct verify_part_run **out, const char *dir, const struct verify_options *o,
                            struct fault *f);
void verify_part_close(struct verify_part_run *r);

/* exports[k - 1], bytes[k - 1]: what is in part k of n. */
void verify_part_sizes(const struct verify_part_run *r, unsigned n, uint64_t *exports, uint64_t *bytes);
/* Verifies part k of n and writes DIR/part-K-of-N.part and .ids, the report last. What is wrong with the
 * exports is in the report; failures: how much (may be NULL). */
MUST err_t verify_part_make(struct verify_part_run *r, const char *dir, unsigned k, unsigned n,
                            uint64_t *failures, struct fault *f);
/* Chains of the manifest, and the bytes of each that is here (else 0). */
MUST size_t verify_part_chains(const struct verify_part_run *r);
uint64_t verify_part_chain_bytes(const struct verify_part_run *r, size_t chain);
/* Verifies a chain into DIR. A run of the whole with resume = DIR then goes on where this ended: for a
 * directory that is one's own, as nobody signs it. */
MUST err_t verify_part_chain(struct verify_part_run *r, const char *dir, size_t chain, struct fault *f);
/* *ready = 1 if DIR has this part of this bundle, made by this very program, with its ids. ERR_MEMORY. */
MUST err_t verify_part_ready(const struct verify_part_run *r, const char *dir, unsigned k, unsigned n,
                             int *ready, struct fault *f);

#endif
