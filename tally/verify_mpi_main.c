/* conclave-verify-mpi: a bundle verified by all ranks of an Open MPI job.
 *
 * Exports and shards of voting chains are divided into pieces, which are parts as conclave-verify --part
 * makes them (verify_part.h), by the bundle alone and not by the number of ranks. Rank 0 hands them out, the
 * largest first, to whoever is idle; each result is a file in a directory that all ranks share. A rank that
 * is lost ends the job, as is usual with MPI; what was finished is there, and the next job goes on with the
 * rest. At the end rank 0 merges, and its report is that of one machine, to the byte. Whoever can write to
 * the directory can make it say anything: it is to be trusted like the program. Ranks say nothing to each
 * other but numbers of pieces and, at most, one fault. */
#include <mpi.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ceremony/base/secret.h"
#include "tally/settings.h"
#include "tally/verify_merge.h"
#include "tally/verify_part.h"
#include "tally/verify_print.h"
#include "ui/args.h"

#define PIECE_BYTES ((uint64_t)32 << 20)
#define PIECES_MAX 4096u
#define TAG 1

enum word { WORD_IDLE, WORD_DONE, WORD_FAILED };
struct say { /* of a rank, to rank 0 */
    int word;
    unsigned piece;
    char text[1200]; /* of WORD_FAILED */
};

struct job {
    int rank, ranks;
    const char *bundle, *state, *pieces, *threads, *settings;
    int json, quiet, help;
    struct verify_options o;
    struct arg_list given, chain_anchor;
    unsigned n; /* pieces; 0: there is nothing to be done */
    struct verify_part_run *run;
};

struct piece {
    unsigned k; /* part of n */
    uint64_t bytes;
};

static int complain(const struct fault *f)
{
    char text[1200];
    fault_text(text, sizeof text, f);
    fprintf(stderr, "conclave-verify-mpi: %s\n", text);
    return f->err == ERR_USAGE ? VERIFY_EXIT_USAGE : VERIFY_EXIT_FAILED;
}

/* --- the pieces --- */

/* As many as the bundle is large, so that a job with other ranks finds the same ones. */
static err_t count_pieces(struct job *j, unsigned *n, struct fault *f)
{
    uint64_t items, bytes, given = 0;
    TRY(args_number(&given, j->pieces, "pieces", 1, PIECES_MAX, f));
    verify_part_sizes(j->run, 1, &items, &bytes);
    uint64_t want = given ? given : bytes / PIECE_BYTES + 1;
    want = want > items && items > 0 ? items : want;
    *n = want > PIECES_MAX ? PIECES_MAX : (unsigned)want;
    return OK;
}

static int by_size(const void *a, const void *b)
{
    const struct piece *x = a, *y = b;
    return x->bytes != y->bytes ? (x->bytes < y->bytes) - (x->bytes > y->bytes)
                                : (x->k > y->k) - (x->k < y->k);
}

/* Those that are not there yet, the largest first. */
static err_t list_pieces(struct job *j, struct piece **out, size_t *count, struct fault *f)
{
    uint64_t *size = calloc(2 * (size_t)j->n, sizeof *size);
    struct piece *list = calloc(j->n, sizeof *list);
    err_t e = size && list ? OK : fault_set(f, ERR_MEMORY, "pieces");
    *count = 0;
    if (e == OK)
        verify_part_sizes(j->run, j->n, size, size + j->n);
    for (unsigned k = 1; k <= j->n && e == OK; k++) {
        int ready;
        e = verify_part_ready(j->run, j->state, k, j->n, &ready, f);
        if (e == OK && !ready)
            list[(*count)++] = (struct piece){k, size[j->n + k - 1]};
    }
    free(size);
    if (e == OK)
        qsort(list, *count, sizeof *list, by_size);
    else
        free(list);
    *out = e == OK ? list : NULL;
    return e;
}

/* A rank that is lost in a shard loses what followed the last whole segment. */
static err_t do_piece(struct job *j, unsigned k, struct fault *f)
{
    return verify_part_make(j->run, j->state, k, j->n, NULL, f);
}

static void say_done(const struct job *j, unsigned k, int rank)
{
    if (!j->quiet)
        fprintf(stderr, "piece %u of %u by rank %d\n", k, j->n, rank);
}

/* --- rank 0 --- */

/* Without taking a processor from those that work. */
static void hear(struct say *s, int *from)
{
    MPI_Status status;
    int there = 0;
    for (;;) {
        MPI_Iprobe(MPI_ANY_SOURCE, TAG, MPI_COMM_WORLD, &there, &status);
        if (there)
            break;
        nanosleep(&(struct timespec){0, 1000000}, NULL);
    }
    MPI_Recv(s, sizeof *s, MPI_BYTE, status.MPI_SOURCE, TAG, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    s->text[sizeof s->text - 1] = '\0';
    *from = status.MPI_SOURCE;
}

/* Until every rank was told that there is no more. *good = 0 if one failed. */
static void hand_out(const struct job *j, const struct piece *list, size_t count, int *good)
{
    size_t next = 0;
    int left = j->ranks - 1, from;
    struct say s;
    while (left > 0) {
        hear(&s, &from);
        if (s.word == WORD_FAILED) {
            fprintf(stderr, "conclave-verify-mpi: rank %d: %s\n", from, s.text);
            *good = 0;
        }
        if (s.word == WORD_DONE)
            say_done(j, s.piece, from);
        unsigned k = *good && next < count ? list[next++].k : 0;
        left -= k == 0;
        MPI_Send(&k, 1, MPI_UNSIGNED, from, TAG, MPI_COMM_WORLD);
    }
}

static err_t all_here(struct job *j, const struct piece *list, size_t count, struct fault *f)
{
    for (size_t i = 0; i < count; i++) {
        TRY(do_piece(j, list[i].k, f));
        say_done(j, list[i].k, 0);
    }
    return OK;
}

static err_t lead(struct job *j, struct fault *f)
{
    struct piece *list = NULL;
    size_t count = 0;
    int good = 1;
    unsigned n = 0;
    err_t e = verify_part_open(&j->run, j->bundle, &j->o, f);
    if (e == OK)
        e = count_pieces(j, &n, f);
    j->n = n;
    if (e == OK)
        e = list_pieces(j, &list, &count, f);
    if (e != OK)
        j->n = 0;
    MPI_Bcast(&j->n, 1, MPI_UNSIGNED, 0, MPI_COMM_WORLD);
    if (e == OK && !j->quiet)
        fprintf(stderr, "%u pieces, %zu were there; %d ranks\n", j->n, j->n - count, j->ranks);
    if (e == OK && j->ranks == 1)
        e = all_here(j, list, count, f);
    else if (e == OK)
        hand_out(j, list, count, &good);
    free(list);
    return e == OK && !good ? fault_set(f, ERR_IO, "a rank failed; run it again to go on") : e;
}

/* --- the others --- */

static void tell(struct say *s, enum word word, const struct fault *f)
{
    s->word = word;
    s->text[0] = '\0';
    if (f)
        fault_text(s->text, sizeof s->text, f);
    MPI_Send(s, sizeof *s, MPI_BYTE, 0, TAG, MPI_COMM_WORLD);
}

static void follow(struct job *j)
{
    struct say s;
    struct fault f;
    unsigned k = 0;
    fault_clear(&f);
    memset(&s, 0, sizeof s);
    MPI_Bcast(&j->n, 1, MPI_UNSIGNED, 0, MPI_COMM_WORLD);
    if (j->n == 0)
        return;
    err_t e = verify_part_open(&j->run, j->bundle, &j->o, &f);
    tell(&s, e == OK ? WORD_IDLE : WORD_FAILED, e == OK ? NULL : &f);
    for (;;) {
        MPI_Recv(&k, 1, MPI_UNSIGNED, 0, TAG, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        if (k == 0)
            return;
        s.piece = k;
        e = do_piece(j, k, &f);
        tell(&s, e == OK ? WORD_DONE : WORD_FAILED, e == OK ? NULL : &f);
    }
}

/* --- the verdict --- */

static err_t merge(struct job *j, struct verify_report **out, struct fault *f)
{
    static const struct part_signers nobody;
    char path[BUNDLE_PATH_MAX];
    struct verify_parts *p = NULL;
    hash_t program;
    err_t e;
    GO(part_program(&program, f));
    GO(verify_parts_new(&p, j->bundle, &nobody, &program, 1, f));
    for (unsigned k = 1; k <= j->n; k++) {
        GO(part_path(path, sizeof path, j->state, k, j->n, VERIFY_PART_SUFFIX));
        GO(verify_parts_add(p, path, f));
    }
    j->o.parts = p;
    e = verify_bundle(out, j->bundle, &j->o, f);
out:
    verify_parts_free(p);
    j->o.parts = NULL;
    return e;
}

/* Where there are no parts, as the record is not good, the rest is quick. */
static int report(struct job *j, struct fault *f)
{
    struct verify_report *r = NULL;
    fault_clear(f);
    err_t e = j->n ? merge(j, &r, f) : verify_bundle(&r, j->bundle, &j->o, f);
    if (e != OK) {
        if (f->err == OK)
            fault_set(f, e, "merging");
        return complain(f);
    }
    const struct verify_report *const one[] = {r};
    int status = verify_exit_status(r);
    e = j->json ? verify_print_json(stdout, one, 1, status) : verify_print(stdout, r, j->quiet);
    if (e != OK || fflush(stdout) != 0) {
        fault_set(f, ERR_IO, "the report cannot be written");
        status = complain(f);
    }
    verify_report_free(r);
    return status;
}

static err_t read_arguments(struct job *j, int argc, char **argv, struct fault *f)
{
    uint64_t threads = 0;
    struct settings tuned;
    const struct arg spec[] = {
        {"state", ARG_TEXT, &j->state, "DIR", "shared by all ranks: the results of pieces", 0},
        {"pieces", ARG_TEXT, &j->pieces, "N", "how many; by the size of the bundle if left out", 0},
        {"election", ARG_TEXT, &j->o.anchor, "WORDS|HEX",
         "anchor of the real election, from a source that you trust", 0},
        {"chain-anchor", ARG_LIST, &j->chain_anchor, "CHAIN:SHARD:SIZE:ROOT",
         "root of a voting chain that was printed elsewhere; can be repeated", 0},
        {"threads", ARG_TEXT, &j->threads, "N", "processors of each rank; all it may use if left out", 0},
        {"settings", ARG_TEXT, &j->settings, "FILE", "made by conclave-tally tune on such a machine", 0},
        {"json", ARG_FLAG, &j->json, NULL, "the report as JSON (docs/spec/verify-json.md)", 0},
        {"quiet", ARG_FLAG, &j->quiet, NULL, "only what did not pass, and the verdict", 0},
        {0},
    };
    TRY(args_parse(argc - 1, argv + 1, spec, &j->given, &j->help, f));
    if (j->help && j->rank == 0) {
        printf("usage: mpirun conclave-verify-mpi BUNDLE --state DIR [--election WORDS|HEX]\n\n"
               "Verifies a bundle on all ranks; rank 0 only hands out work, and merges. Run again after a "
               "stop, it "
               "goes on\nwhere it was. DIR is to be trusted like the program. Exit status: as "
               "conclave-verify.\n\n");
        args_print(stdout, spec);
    }
    if (j->help)
        return OK;
    TRY(args_number(&threads, j->threads, "threads", 1, 1024, f));
    if (j->given.count != 1 || j->state == NULL)
        return fault_set(f, ERR_USAGE, "one bundle and --state are wanted");
    TRY(settings_load(&tuned, j->settings, NULL, f));
    j->bundle = j->given.item[0];
    j->o.threads = (int)(threads ? threads : tuned.threads);
    j->o.batch_points = tuned.batch_points;
    j->o.window = tuned.window;
    j->o.chain_anchor = j->chain_anchor.item;
    j->o.chain_anchor_count = j->chain_anchor.count;
    return OK;
}

int main(int argc, char **argv)
{
    struct fault f;
    struct job *j = calloc(1, sizeof *j);
    int status = VERIFY_EXIT_GOOD;
    fault_clear(&f);
    if (j == NULL || MPI_Init(&argc, &argv) != MPI_SUCCESS)
        return VERIFY_EXIT_FAILED;
    MPI_Comm_rank(MPI_COMM_WORLD, &j->rank);
    MPI_Comm_size(MPI_COMM_WORLD, &j->ranks);
    err_t e = secret_init(); /* for the libraries; nothing secret is ever here */
    if (e != OK) {           /* of this rank alone: the others would wait for it */
        fault_set(&f, e, "starting");
        MPI_Abort(MPI_COMM_WORLD, complain(&f));
    }
    e = read_arguments(j, argc, argv, &f); /* the same on all ranks */
    if (e == OK && !j->help) {
        if (j->rank == 0)
            e = lead(j, &f);
        else
            follow(j);
    }
    verify_part_close(j->run);
    MPI_Finalize(); /* the others end here, and leave their processors to rank 0 */
    if (j->rank == 0 && (e == OK || e == ERR_UNVERIFIED) && !j->help)
        status = report(j, &f);
    else if (j->rank == 0 && e != OK)
        status = complain(&f);
    free(j);
    return status;
}
