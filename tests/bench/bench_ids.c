/* Ids that are there twice, in bulk: ids per second of one core, with writing, reading and sorting; memory
 * and disk. Usage: bench_ids [COUNT], 10 million if not said. */
#include <string.h>
#include <sys/resource.h>

#include "tally/id_sort.h"
#include "tests/bench/bench.h"

static err_t count_copy(void *ctx, const struct id_copy *c, int first, struct fault *f)
{
    (void)c;
    (void)first;
    (void)f;
    ++*(uint64_t *)ctx;
    return OK;
}

static void one(uint64_t n)
{
    struct id_sort *s;
    struct fault f;
    struct rusage u;
    uint64_t copies = 0, x = 88172645463325252u;
    double wall_start = wall(), start = cpu(), making = 0;
    char name[64];
    CHECK(id_sort_new(&s, 0));
    for (uint64_t i = 0; i < n; i++) {
        hash_t id;
        for (size_t k = 0; k < 4; k++) {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            memcpy(id.b + 8 * k, &x, 8);
        }
        if (i % 1000000 == 7)
            memset(id.b, 7, sizeof id.b);
        CHECK(id_sort_add(s, &id, 0, i, &f));
    }
    making = cpu() - start;
    CHECK(id_sort_finish(s, count_copy, &copies, &f));
    double seconds = cpu() - start;
    if (copies != (n > 1000007 ? (n - 8) / 1000000 + 1 : 0))
        exit(1);
    snprintf(name, sizeof name, "nullifier/bulk-%llu", (unsigned long long)n);
    figure(name, (double)n / seconds, "checks/s", 1);
    fprintf(stderr, "dealing %.3f s, sorting %.3f s, wall %.3f s\n", making, seconds - making,
            wall() - wall_start);
    getrusage(RUSAGE_SELF, &u);
    snprintf(name, sizeof name, "nullifier/bulk-%llu-memory", (unsigned long long)n);
    figure(name, (double)u.ru_maxrss / 1024, "MB", 1);
    snprintf(name, sizeof name, "nullifier/bulk-%llu-disk", (unsigned long long)n);
    figure(name, (double)id_sort_disk(s) / 1048576, "MB", 1);
    id_sort_free(s);
}

int main(int argc, char **argv)
{
    uint64_t n = argc > 1 ? strtoull(argv[1], NULL, 10) : 10000000;
    if (n < 10)
        return 2;
    one(n / 10);
    one(n);
    return 0;
}
