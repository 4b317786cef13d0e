/* Coverage-guided fuzzing of one target, named by the environment variable FUZZ_TARGET (make fuzz).
 * With FUZZ_SEEDS set to a directory it writes the seed there first. */
#include <stdlib.h>
#include <string.h>

#include "ceremony/base/file.h"
#include "ceremony/base/secret.h"
#include "tests/fuzz/targets.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static struct fuzz_world world;
static const struct fuzz_target *target;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    const char *name = getenv("FUZZ_TARGET"), *seeds = getenv("FUZZ_SEEDS");
    if (name == NULL || secret_init() != OK)
        abort();
    for (size_t i = 0; i < fuzz_target_count; i++)
        if (strcmp(fuzz_targets[i].name, name) == 0)
            target = &fuzz_targets[i];
    if (target == NULL)
        abort();
    fuzz_world_init(&world);
    if (seeds != NULL) {
        struct cbor_out seed = CBOR_OUT_INIT;
        char path[4096];
        target->seed(&world, &seed);
        if (file_path(path, sizeof path, seeds, "seed") != OK ||
            file_write(path, seed.data, seed.len, FILE_REPLACE, NULL) != OK)
            abort();
        cbor_out_free(&seed);
    }
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    target->run(&world, data, len);
    return 0;
}
