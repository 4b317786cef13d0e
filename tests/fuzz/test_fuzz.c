/* Each fuzz target with its seed, with every truncation of it, and with random mutations. A short lane for
 * make check; make fuzz goes on from the same seeds with libFuzzer. */
#include <time.h>

#include "ceremony/base/secret.h"
#include "tests/fuzz/targets.h"
#include "tests/support/unit.h"

#define MILLISECONDS 500 /* for each target: bounds the lane, asserts nothing */

static struct fuzz_world world;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static uint32_t below(uint32_t n)
{
    uint32_t v;
    random_bytes(&v, sizeof v);
    return n == 0 ? 0 : v % n;
}

/* Bytes changed, a piece cut out, doubled, or filled with something interesting. */
static size_t mutate(uint8_t *buf, size_t len, size_t cap)
{
    static const uint8_t edge[] = {0,    1,    0x17, 0x18, 0x19, 0x1a, 0x1b, 0x40,
                                   0x58, 0x7f, 0x80, 0x9f, 0xbf, 0xd2, 0xf6, 0xff};
    for (uint32_t k = 1 + below(4); k > 0 && len > 0; k--) {
        size_t at = below((uint32_t)len), n = 1 + below(8);
        n = n > len - at ? len - at : n;
        switch (below(5)) {
        case 0:
            buf[at] ^= (uint8_t)(1u << below(8));
            break;
        case 1:
            buf[at] = edge[below(sizeof edge)];
            break;
        case 2:
            memmove(buf + at, buf + at + n, len - at - n);
            len -= n;
            break;
        case 3:
            if (len + n <= cap) {
                memmove(buf + at + n, buf + at, len - at);
                len += n;
            }
            break;
        default:
            random_bytes(buf + at, n);
        }
    }
    return len;
}

/* An exact copy on the heap, so that the sanitizer sees every step outside. */
static void run_exact(const struct fuzz_target *t, const uint8_t *data, size_t len)
{
    uint8_t *copy = malloc(len > 0 ? len : 1);
    assert_non_null(copy);
    memcpy(copy, data, len);
    t->run(&world, copy, len);
    free(copy);
}

static void one_target(void **state)
{
    const struct fuzz_target *t = *state;
    struct cbor_out seed = CBOR_OUT_INIT;
    t->seed(&world, &seed);
    assert_true(seed.len > 0);
    run_exact(t, seed.data, seed.len);
    size_t step = 1 + seed.len / 300, cap = 2 * seed.len + 64, runs = 0;
    for (size_t n = 0; n < seed.len; n += step)
        run_exact(t, seed.data, n);
    uint8_t *buf = malloc(cap);
    assert_non_null(buf);
    for (double end = now() + MILLISECONDS; now() < end; runs++) {
        memcpy(buf, seed.data, seed.len);
        run_exact(t, buf, mutate(buf, seed.len, cap));
    }
    print_message("%s: %zu mutations\n", t->name, runs);
    free(buf);
    cbor_out_free(&seed);
}

int main(void)
{
    struct CMUnitTest *tests = calloc(fuzz_target_count, sizeof *tests);
    if (tests == NULL || secret_init() != OK)
        return 1;
    fuzz_world_init(&world);
    for (size_t i = 0; i < fuzz_target_count; i++)
        tests[i] = (struct CMUnitTest){fuzz_targets[i].name, one_target, NULL, NULL,
                                       (void *)(uintptr_t)&fuzz_targets[i]};
    int failed = _cmocka_run_group_tests("fuzz", tests, fuzz_target_count, NULL, NULL);
    fuzz_world_free(&world);
    free(tests);
    return failed;
}
