/* Secret memory: the one allocator for secrets, and wiping.
 *
 * secret_init() is called first in every program: it starts libsodium, turns core dumps off and
 * installs allocators in OpenSSL and GMP that wipe what they free, so that temporaries which
 * these libraries leave on the heap do not outlive their use.
 * Secrets then live in secret_alloc() memory: guard pages around, locked (failure to lock is an
 * error), not dumped, wiped on free (libsodium sodium_malloc; mlock(2)).
 * What this does not do: clean the stack that libraries used. secret_burn_stack() overwrites a
 * stretch below the caller's frame and is called after each operation on secrets. */
#ifndef CEREMONY_BASE_SECRET_H
#define CEREMONY_BASE_SECRET_H

#include "ceremony/base/err.h"

/* Returns OK, or ERR_RANDOM / ERR_MEMORY when a library cannot start. Idempotent. */
MUST err_t secret_init(void);

/* *out: len bytes, zeroed, in guarded locked memory; freed with secret_free.
 * Returns ERR_MEMORY or ERR_LOCK. On error *out is NULL. */
MUST err_t secret_alloc(void **out, size_t len);

/* Wipes and frees; NULL is allowed. */
void secret_free(void *p);

/* In a process made by fork(), which inherits the bytes but not the lock: locks secret_alloc memory again.
 * ERR_LOCK. */
MUST err_t secret_lock_again(const void *p, size_t len);

/* Overwrites len bytes, not optimised away (sodium_memzero). */
void secret_wipe(void *p, size_t len);

/* Overwrites 64 KiB of stack below the caller. */
void secret_burn_stack(void);

/* Says that what these bytes hold is public from here on, though it was computed from secrets: that no error
 * occurred, a commitment. Does nothing; a test that watches secrets (tests/e2e/ctime.sh) stops watching
 * these. */
void secret_declassify(void *p, size_t len);

/* 1 if equal; time depends on len only. */
MUST int secret_equal(const void *a, const void *b, size_t len);

/* out: len random bytes of the operating system (getrandom). Never fails on a running system;
 * the program is ended by libsodium if it does. */
void random_bytes(void *out, size_t len);

#endif
