/* Which files of a bundle were found to have the hash that SHA256SUMS lists, in an earlier run that was
 * stopped: DIR/files-HASH, HASH being that of SHA256SUMS (docs/spec/verify-resume.md). A file that is still
 * the same to the kernel (device, inode, size, time of change of content and of anything) need not be read
 * again for bundle.files. It says nothing about any other list, or the same file elsewhere.
 *
 *   verify_hashed_open -> verify_hashed_has (any number of threads), verify_hashed_add, verify_hashed_save
 *                      -> verify_hashed_close
 *
 * Never: trusts a file of somebody else's; remembers a file that may still be being written, or one on a file
 * system whose times and numbers mean less than that. Inside verify*.c only. */
#ifndef TALLY_VERIFY_HASHED_H
#define TALLY_VERIFY_HASHED_H

#include <sys/stat.h>

#include "ceremony/base/err.h"
#include "ceremony/base/hash.h"

struct verify_hashed;

/* Makes dir if it is absent. sums: hash of SHA256SUMS. Memory: 64 bytes for each file. ERR_BUSY: another
 * program uses it. ERR_REFUSED: others than this user may write the file. ERR_FORMAT, ERR_IO, ERR_MEMORY. */
MUST err_t verify_hashed_open(struct verify_hashed **out, const char *dir, const hash_t *sums,
                              struct fault *f);
void verify_hashed_close(struct verify_hashed *h);

/* Whether path (inside the bundle), with the hash that is listed for it, was read and right when it was what
 * st says it is now. */
MUST int verify_hashed_has(const struct verify_hashed *h, const char *path, const hash_t *listed,
                           const struct stat *st);

/* Hashes the file at full. *st: what it was all the while; *steady: 1 if that may be remembered. ERR_IO. */
MUST err_t verify_hashed_read(hash_t *out, struct stat *st, int *steady, const char *full, struct fault *f);
/* Remembers; durable after verify_hashed_save. One thread. */
MUST err_t verify_hashed_add(struct verify_hashed *h, const char *path, const hash_t *listed,
                             const struct stat *st, struct fault *f);
MUST err_t verify_hashed_save(struct verify_hashed *h, struct fault *f);

#endif
