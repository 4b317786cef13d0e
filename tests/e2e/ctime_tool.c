/* Makes ballots while valgrind's memcheck takes everything secret for uninitialised: random numbers, and
 * whether an option is the one that was chosen. A branch or an address that depends on a secret is then an
 * error, as in secp256k1's ctime_tests. What the code declassifies (ceremony/base/secret.h) is watched no
 * longer. usage: ctime_tool ballot | leak-branch | leak-address     the last two must be reported */
#include <stdlib.h>
#include <string.h>

#include "ceremony/base/secret.h"
#include "tests/support/ballots.h"

#if __has_include(<valgrind/memcheck.h>)
#include <valgrind/memcheck.h>
#else
#define VALGRIND_MAKE_MEM_UNDEFINED(p, len) ((void)(p), (void)(len))
#define VALGRIND_MAKE_MEM_DEFINED(p, len) ((void)(p), (void)(len))
#define RUNNING_ON_VALGRIND 0
#endif

static int watching;

void __real_random_bytes(void *out, size_t len);
void __wrap_random_bytes(void *out, size_t len);
int __real_secret_equal(const void *a, const void *b, size_t len);
int __wrap_secret_equal(const void *a, const void *b, size_t len);
void __wrap_secret_declassify(void *p, size_t len);

void __wrap_random_bytes(void *out, size_t len)
{
    __real_random_bytes(out, len);
    if (watching)
        VALGRIND_MAKE_MEM_UNDEFINED(out, len);
}

int __wrap_secret_equal(const void *a, const void *b, size_t len)
{
    int r = __real_secret_equal(a, b, len);
    if (watching)
        VALGRIND_MAKE_MEM_UNDEFINED(&r, sizeof r);
    return r;
}

void __wrap_secret_declassify(void *p, size_t len)
{
    VALGRIND_MAKE_MEM_DEFINED(p, len);
}

/* One ballot of each kind of contest; it must be a good one. */
static void make_ballots(void)
{
    struct fixture *x = fixture_new(KIND_BALLOTS);
    static const struct {
        const char *style, *votes;
    } one[] = {{"small", "mayor=a"}, {"small", ""}, {"town", "mayor=b council=p,q"}};
    for (size_t i = 0; i < sizeof one / sizeof one[0]; i++) {
        struct cbor_out b = CBOR_OUT_INIT;
        struct ballot_info info;
        struct ballot *parsed;
        watching = 1;
        fixture_ballot(x, &b, &info, x->e1, one[i].style, one[i].votes);
        watching = 0;
        VALGRIND_MAKE_MEM_DEFINED(b.data, b.len); /* cast now */
        if (ballot_parse_var(&parsed, &x->ctx, b.data, b.len, NULL) != OK ||
            ballot_verify_var(&x->ctx, parsed, NULL) != OK) {
            fprintf(stderr, "not a good ballot\n");
            exit(1);
        }
        ballot_free(parsed);
        cbor_out_free(&b);
    }
    fixture_free(x);
}

/* A secret that does show. */
static int leak(int by_address)
{
    static const uint8_t table[256] = {1, 2, 3};
    uint8_t secret;
    watching = 1;
    random_bytes(&secret, 1);
    volatile int out = 0;
    if (by_address)
        out = table[secret];
    else if (secret & 1)
        out = 1;
    return out;
}

int main(int argc, char **argv)
{
    if (argc != 2 || secret_init() != OK)
        return 2;
    if (!RUNNING_ON_VALGRIND)
        fprintf(stderr, "not under valgrind: nothing is watched\n");
    if (strcmp(argv[1], "ballot") == 0)
        make_ballots();
    else if (strncmp(argv[1], "leak-", 5) == 0)
        (void)leak(strcmp(argv[1], "leak-address") == 0);
    else
        return 2;
    return 0;
}
