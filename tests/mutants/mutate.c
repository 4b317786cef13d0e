/* Writes the corpus: mutate DIR makes DIR/good and DIR/NAME for every mutant, and DIR/expected, one line
 * each: name, anchor to verify against, check that the mutant is there for, checks that must fail. mutate
 * DIR NAME... makes only these. Also DIR/anchor.txt and DIR/result.txt with their pictures: QR messages
 * about the good bundle. */
#include "tests/mutants/mutants.h"

#include "ceremony/base/file.h"
#include "ceremony/base/secret.h"
#include "tally/resultqr.h"
#include "tests/support/picture.h"
#include "tests/support/unit.h"
#include "ui/qr.h"
#include "ui/qrtext.h"

static int is_asked(const char *name, int argc, char **argv)
{
    for (int i = 2; i < argc; i++)
        if (strcmp(argv[i], name) == 0)
            return 1;
    return argc <= 2;
}

/* DIR/NAME.txt, one text a line, and DIR/NAME-K.png. */
static void put_message(const char *dir, const char *name, char kind, struct cbor_out *o)
{
    struct qrtext q;
    struct gray g;
    char path[300];
    struct fault f;
    assert_int_equal(qrtext_split(&q, kind, o->data, o->len), OK);
    snprintf(path, sizeof path, "%s/%s.txt", dir, name);
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    for (size_t i = 0; i < q.count; i++) {
        fprintf(out, "%s\n", q.part[i]);
        snprintf(path, sizeof path, "%s/%s-%zu.png", dir, name, i + 1);
        assert_int_equal(picture_qr(&g, q.part[i], 4, &f), OK);
        assert_int_equal(picture_write(path, &g, &f), OK);
        gray_free(&g);
    }
    fclose(out);
    qrtext_free(&q);
    cbor_out_free(o);
}

static void put_messages(const char *dir, const struct lab *l)
{
    struct cbor_out o = CBOR_OUT_INIT;
    struct resultqr *q;
    struct fault f;
    const struct partial *two[] = {l->partial[0], l->partial[1]};
    anchor_write(&o, &l->m->election, &l->r->id);
    put_message(dir, "anchor", QRTEXT_CEREMONY, &o);
    assert_int_equal(resultqr_make(&q, l->m, l->r, &l->plan->id, l->target, 0, "Whole",
                                   l->result->row[0].votes, two, 2, &f),
                     OK);
    resultqr_write(&o, q);
    put_message(dir, "result", QRTEXT_RESULT, &o);
    resultqr_free(q);
}

static void make(FILE *list, const char *dir, const char *name, const struct mutant *m, hash_t *good)
{
    char path[200], hex[2 * HASH_LEN + 1];
    if (snprintf(path, sizeof path, "%s/%s", dir, name) >= (int)sizeof path)
        exit(2);
    struct lab *l = lab_build(path, m ? m->hook : NULL);
    if (!m) {
        *good = l->anchor;
        put_messages(dir, l);
    }
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
    for (size_t i = 0; i < mutants_count(); i++)
        if (is_asked(mutant_at(i)->name, argc, argv) &&
            !mutant_at(i)->chain_anchor) /* that needs no bundle */
            make(list, argv[1], mutant_at(i)->name, mutant_at(i), &good);
    return fclose(list) == 0 ? 0 : 1;
}
