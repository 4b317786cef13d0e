/* What a verification that is interrupted need not do again: DIR/verified-exports, the hashes of export files
 * in which nothing was wrong, for one election and one record (docs/spec/verify-resume.md). It saves the
 * proofs, no more: files are hashed again, headers, ballot ids, records, sums of records, the plan and the
 * result are checked again, and the report is the same to the byte. Whoever can write the directory can make
 * the verifier pass over bad ballots: it is as much to be trusted as the program. Inside verify*.c only. */
#ifndef TALLY_VERIFY_RESUME_H
#define TALLY_VERIFY_RESUME_H

#include "ceremony/base/err.h"
#include "ceremony/base/hash.h"

struct verify_resume;

/* Makes the directory if it is absent. What a power cut left half written is dropped. Memory: 32 bytes for
 * each export. ERR_ELECTION: it is of another election or record. ERR_BUSY: another program uses it.
 * ERR_FORMAT, ERR_IO, ERR_MEMORY. */
MUST err_t verify_resume_open(struct verify_resume **out, const char *dir, const hash_t *election,
                              const hash_t *record, struct fault *f);
void verify_resume_close(struct verify_resume *r);

/* Whether it was there when the directory was opened. For any number of threads. */
MUST int verify_resume_has(const struct verify_resume *r, const hash_t *file);
/* Remembers; durable after verify_resume_save. One thread. */
MUST err_t verify_resume_add(struct verify_resume *r, const hash_t *file, struct fault *f);
MUST err_t verify_resume_save(struct verify_resume *r, struct fault *f);

#endif
