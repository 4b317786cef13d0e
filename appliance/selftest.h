/* The self-test: does this machine calculate right, is its randomness alive, can the token do its work.
 *
 *   known answers   every primitive once, against published values or values of a second implementation
 *   randomness      health tests of NIST SP 800-90B section 4.4 on the system's and the token's generator
 *   token           the probe of hsm/hsm.h
 *
 * The appliance runs the first two at start-up (well under a second) and stops if one fails: a machine
 * that fails must not be used. It holds no secrets and prints nothing. */
#ifndef APPLIANCE_SELFTEST_H
#define APPLIANCE_SELFTEST_H

#include "ceremony/keystore.h"
#include "ceremony/math/group.h"

#define SELFTEST_MAX 32

struct selftest_check {
    const char *id, *title; /* "sha256"; a few words, English */
    err_t err;
    char detail[160];
};

struct selftest {
    struct selftest_check check[SELFTEST_MAX];
    size_t count, failed;
};

/* len bytes of a generator. */
typedef err_t selftest_random_fn(void *ctx, uint8_t *out, size_t len, struct fault *f);

/* For tests; all may be NULL. */
struct selftest_hook {
    const char *broken;         /* id of the known answer of which one byte is expected otherwise */
    selftest_random_fn *random; /* instead of the system's generator */
    void *random_ctx;
};

/* Known answers and the system's generator; token: its generator too, if not NULL (no login is needed).
 * out is filled in any case. ERR_SELFTEST, naming the test, if an answer is wrong; ERR_RANDOM if a
 * generator fails; an error of the token. The first failure is returned; all tests run. hook: NULL. */
MUST err_t selftest_run(struct selftest *out, const struct keystore *token, const struct selftest_hook *hook,
                        struct fault *f);

/* --- parts --- */

/* One known answer; broken: expect something else. ERR_SELFTEST. */
struct selftest_kat {
    const char *id, *title;
    err_t (*run)(struct group *g, int broken);
};
extern const struct selftest_kat selftest_kats[];
extern const size_t selftest_kat_count;

#define SELFTEST_RANDOM_LEN 4096 /* bytes drawn of a generator */

/* Repetition count and adaptive proportion tests (SP 800-90B 4.4.1, 4.4.2), over bytes (8 bits of entropy
 * claimed) and over bits (1 bit), false alarms at most 2^-40 for each; and no block of 32 bytes comes
 * twice. ERR_RANDOM; detail says which. */
MUST err_t selftest_health(const uint8_t *data, size_t len, char detail[160]);

#endif
