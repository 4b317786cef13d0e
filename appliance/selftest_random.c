/* Health tests of generators. The cutoffs are for full entropy and a false alarm of 2^-40 a test:
 *   repetition count     C = 1 + ceil(40 / H): 6 equal bytes, 41 equal bits in a row
 *   adaptive proportion  C = 1 + CRITBINOM(W, 2^-H, 1 - 2^-40): 19 of 512 bytes, 625 of 1024 bits */
#include <stdio.h>
#include <string.h>

#include "appliance/selftest.h"

#define BYTE_RUN 6
#define BYTE_WINDOW 512
#define BYTE_SHARE 19
#define BIT_RUN 41
#define BIT_WINDOW 1024
#define BIT_SHARE 625
#define BLOCK 32

static unsigned byte_at(const uint8_t *data, size_t i)
{
    return data[i];
}

static unsigned bit_at(const uint8_t *data, size_t i)
{
    return data[i / 8] >> (7 - i % 8) & 1u;
}

typedef unsigned sample_fn(const uint8_t *data, size_t i);

/* SP 800-90B 4.4.1 */
static int repeats(const uint8_t *data, size_t samples, sample_fn *at, size_t cutoff)
{
    size_t run = 1;
    for (size_t i = 1; i < samples; i++) {
        run = at(data, i) == at(data, i - 1) ? run + 1 : 1;
        if (run >= cutoff)
            return 1;
    }
    return 0;
}

/* SP 800-90B 4.4.2: how often the first sample of a window comes in it */
static int too_frequent(const uint8_t *data, size_t samples, sample_fn *at, size_t window, size_t cutoff)
{
    for (size_t first = 0; first + window <= samples; first += window) {
        size_t count = 0;
        for (size_t i = 0; i < window; i++)
            count += at(data, first + i) == at(data, first);
        if (count >= cutoff)
            return 1;
    }
    return 0;
}

/* A generator that was reset gives the same again. */
static int comes_twice(const uint8_t *data, size_t len)
{
    for (size_t i = 0; i + BLOCK <= len; i += BLOCK)
        for (size_t j = i + BLOCK; j + BLOCK <= len; j += BLOCK)
            if (memcmp(data + i, data + j, BLOCK) == 0)
                return 1;
    return 0;
}

err_t selftest_health(const uint8_t *data, size_t len, char detail[160])
{
    const char *what = NULL;
    detail[0] = '\0';
    if (repeats(data, len, byte_at, BYTE_RUN) || repeats(data, len * 8, bit_at, BIT_RUN))
        what = "repetition count test";
    else if (too_frequent(data, len, byte_at, BYTE_WINDOW, BYTE_SHARE) ||
             too_frequent(data, len * 8, bit_at, BIT_WINDOW, BIT_SHARE))
        what = "adaptive proportion test";
    else if (comes_twice(data, len))
        what = "the same block came twice";
    if (what == NULL)
        return OK;
    snprintf(detail, 160, "%s", what);
    return ERR_RANDOM;
}
