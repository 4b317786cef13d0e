#include "ceremony/base/secret.h"

#include <gmp.h>
#include <malloc.h>
#include <openssl/crypto.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

static void wiping_free(void *p)
{
    if (p == NULL)
        return;
    sodium_memzero(p, malloc_usable_size(p));
    free(p);
}

static void *wiping_realloc(void *p, size_t len)
{
    if (p == NULL)
        return malloc(len);
    if (len <= malloc_usable_size(p))
        return p;
    void *q = malloc(len);
    if (q == NULL)
        return NULL;
    memcpy(q, p, malloc_usable_size(p));
    wiping_free(p);
    return q;
}

static void *ossl_malloc(size_t n, const char *file, int line)
{
    (void)file;
    (void)line;
    return malloc(n);
}

static void *ossl_realloc(void *p, size_t n, const char *file, int line)
{
    (void)file;
    (void)line;
    if (n == 0) {
        wiping_free(p);
        return NULL;
    }
    return wiping_realloc(p, n);
}

static void ossl_free(void *p, const char *file, int line)
{
    (void)file;
    (void)line;
    wiping_free(p);
}

/* GMP has no way to report that memory is out: its functions may not return NULL. */
static void *gmp_malloc(size_t n)
{
    void *p = malloc(n);
    if (p == NULL)
        abort();
    return p;
}

static void *gmp_realloc(void *p, size_t old, size_t n)
{
    (void)old;
    void *q = wiping_realloc(p, n);
    if (q == NULL)
        abort();
    return q;
}

static void gmp_free(void *p, size_t n)
{
    (void)n;
    wiping_free(p);
}

err_t secret_init(void)
{
    if (sodium_init() < 0)
        return ERR_RANDOM;
    struct rlimit none = {0, 0}, locked;
    setrlimit(RLIMIT_CORE, &none);
    if (getrlimit(RLIMIT_MEMLOCK, &locked) == 0 && locked.rlim_cur < locked.rlim_max) {
        locked.rlim_cur = locked.rlim_max; /* what the machine allows; what it does not gives ERR_LOCK */
        setrlimit(RLIMIT_MEMLOCK, &locked);
    }
    /* Fails when OpenSSL has allocated already: then it was called before, or too late. */
    CRYPTO_set_mem_functions(ossl_malloc, ossl_realloc, ossl_free);
    mp_set_memory_functions(gmp_malloc, gmp_realloc, gmp_free);
    return OK;
}

err_t secret_alloc(void **out, size_t len)
{
    *out = NULL;
    void *p = sodium_malloc(len);
    if (p == NULL)
        return ERR_MEMORY;
    /* sodium_malloc locks too but keeps silent when that fails. */
    if (mlock(p, len) != 0) {
        sodium_free(p);
        return ERR_LOCK;
    }
    memset(p, 0, len);
    *out = p;
    return OK;
}

void secret_free(void *p)
{
    sodium_free(p);
}

err_t secret_lock_again(const void *p, size_t len)
{
    return mlock(p, len) == 0 ? OK : ERR_LOCK;
}

void secret_wipe(void *p, size_t len)
{
    sodium_memzero(p, len);
}

__attribute__((noinline)) void secret_burn_stack(void)
{
    unsigned char frame[65536];
    sodium_memzero(frame, sizeof frame);
    __asm__ volatile("" : : "r"(frame) : "memory");
}

__attribute__((noinline)) void secret_declassify(void *p, size_t len)
{
    __asm__ volatile("" : : "r"(p), "r"(len) : "memory");
}

int secret_equal(const void *a, const void *b, size_t len)
{
    return sodium_memcmp(a, b, len) == 0;
}

void random_bytes(void *out, size_t len)
{
    randombytes_buf(out, len);
}
