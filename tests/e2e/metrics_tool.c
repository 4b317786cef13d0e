/* Writes the numbers of three processes into a directory, every metric of the table used.
 * usage: metrics_tool DIR */
#include <stdlib.h>

#include "tally/metrics.h"

static err_t one(const char *dir, const char *program, const char *process, const char *chain,
                 const char *shard)
{
    struct fault f;
    struct metrics *m = calloc(1, sizeof *m);
    if (m == NULL)
        return ERR_MEMORY;
    fault_clear(&f);
    err_t e = metrics_init(m, program, process, chain, shard);
    for (enum metric i = 0; i < METRIC_COUNT; i++) { /* each call leaves other kinds alone */
        metrics_add(m, i, 17);
        metrics_refused(m, i, ERR_PROOF, 2);
        metrics_refused(m, i, ERR_DUPLICATE, 1);
        metrics_set(m, i, 3.25);
        metrics_observe(m, i, 0.002);
        metrics_observe(m, i, 1200);
    }
    if (e == OK)
        e = metrics_publish(m, dir, 1, &f);
    free(m);
    return e;
}

int main(int argc, char **argv)
{
    if (argc != 2)
        return 2;
    if (one(argv[1], "chain", "chain-s0", "web", "s0") != OK ||
        one(argv[1], "chain", "chain-s1", "web", "s1") != OK ||
        one(argv[1], "aggregate", "aggregate", NULL, NULL) != OK)
        return 1;
    return 0;
}
