/* Writes the corpus: mutate DIR makes DIR/good and DIR/NAME for every mutant, and DIR/expected, one line
 * each: name, anchor to verify against, check that the mutant is there for, checks that must fail. mutate
 * DIR NAME... makes only these. */
#include "tests/mutants/mutants.h"

#include "ceremony/base/file.h"
#include "ceremony/base/secret.h"
#include "tests/support/unit.h"

static int is_asked(const char *name, int argc, char **argv)
{
    for (int i = 2; i < argc; i++)
        if (strcmp(argv[i], name) == 0)
            return 1;
    return argc <= 2;
}

static void make(FILE *list, const char *dir, const char *name, const struct mutant *m, hash_t *good)
{
    char path[200], hex[2 * HASH_LEN + 1];
    if (snprintf(path, sizeof path, "%s/%s", dir, name) >= (int)sizeof path)
        exit(2);
    struct lab *l = lab_build(path, m ? m->hook : NULL);
    if (!m)
        *good = l->anchor;
    hex_put(hex, m && m->other_anchor ? good->b : l->anchor.b, HASH_LEN);
    fprintf(list, "%s %s %s %s\n", name, hex, m ? m->target : "-", m ? m->expected : "-");
    lab_free(l);
}

int main(int argc, char **argv)
{
    char path[300];
    hash_t good;
    struct fault f;
    if (argc < 2 || secret_init() != OK || file_mkdir(argv[1], &f) != OK) {
        fprintf(stderr, "usage: mutate DIR [NAME...]\n");
        return 2;
    }
    snprintf(path, sizeof path, "%s/expected", argv[1]);
    FILE *list = fopen(path, "w");
    if (!list)
        return 1;
    make(list, argv[1], "good", NULL, &good);
    for (size_t i = 0; i < mutant_count; i++)
        if (is_asked(mutants[i].name, argc, argv))
            make(list, argv[1], mutants[i].name, &mutants[i], &good);
    return fclose(list) == 0 ? 0 : 1;
}
