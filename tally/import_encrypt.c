/* After the ceremony: one signed export for each precinct. */
#include <omp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ceremony/base/file.h"
#include "tally/export.h"
#include "tally/import_plan.h"

struct job {
    const struct election_context *ctx;
    const struct import_plan *p;
    const char *dir;
    const struct signer *signer; /* asked by one thread at a time */
    uint64_t time;
    const struct import_progress *progress;
    uint64_t total;
    struct import_encrypted *done;
    err_t err; /* the first one; ends the others */
    struct fault fault;
};

/* --- is this the file that the election was made from? --- */

static err_t other_file(struct fault *f, const char *what)
{
    return fault_set(f, ERR_MISMATCH, "the election was not made from this file with these rules: %s differ",
                     what);
}

static err_t check_contests(const struct import_plan *p, const struct manifest *m, struct fault *f)
{
    if (m->contest_count != p->t->contest_count)
        return other_file(f, "the contests");
    for (size_t i = 0; i < m->contest_count; i++) {
        const struct contest *c = &m->contest[i];
        const struct medsl_contest *from = &p->t->contest[i];
        if (strcmp(c->id, p->contest_id[i]) != 0 || c->option_count != from->option_count)
            return other_file(f, "the contests");
        for (size_t k = 0; k < c->option_count; k++)
            if (strcmp(c->option[k].id, p->option_id[from->first_option + k]) != 0)
                return other_file(f, "the options");
    }
    return OK;
}

static err_t check_places(const struct import_plan *p, const struct election_context *ctx, struct fault *f)
{
    if (ctx->m->level_count != IMPORT_LEVELS || places_count(ctx->places) != p->node_count)
        return other_file(f, "the places");
    for (uint32_t i = 0; i < p->node_count; i++) {
        struct place place;
        places_get(ctx->places, i, &place);
        if (strcmp(place.id, p->node_id[i]) != 0 || place.level != p->node[i].level)
            return other_file(f, "the places");
        if (place.level != IMPORT_PRECINCT)
            continue;
        const struct style *want = &p->style[p->node[i].style];
        const struct style *have = &ctx->m->style[place.style[0]];
        if (place.style_count != 1 || want->contest_count != have->contest_count ||
            memcmp(want->contest, have->contest, have->contest_count * sizeof *have->contest) != 0)
            return other_file(f, "the contests of a precinct");
    }
    return OK;
}

/* --- one precinct --- */

/* Writes the contest's counts at value; cells of the place are sorted, *cell runs over them. */
static void take_values(uint64_t *value, uint32_t *cell, const struct medsl *t, uint32_t place,
                        uint32_t contest)
{
    const struct medsl_contest *c = &t->contest[contest];
    memset(value, 0, c->option_count * sizeof *value);
    for (; *cell < t->place_cell[place + 1] && t->option[t->cell[*cell].option].contest == contest; (*cell)++)
        value[t->cell[*cell].option - c->first_option] = t->cell[*cell].votes;
}

static err_t add_count(struct job *j, struct ballot_maker *mk, struct export_writer *w, struct tallies *sums,
                       uint32_t node, uint32_t contest, const uint64_t *value, struct fault *f)
{
    struct cbor_out bytes = CBOR_OUT_INIT;
    struct count *c = NULL;
    err_t e;
    GO(count_make(mk, &bytes, node, contest, value, j->ctx->m->contest[contest].option_count, f));
    GO(count_parse_var(&c, j->ctx, bytes.data, bytes.len, f));
    e = tallies_add_count_var(sums, c);
    if (e != OK)
        GO(fault_set(f, e, "adding up"));
    GO(export_writer_item(w, bytes.data, bytes.len, f));
out:
    count_free(c);
    cbor_out_free(&bytes);
    return e;
}

static err_t write_export(struct job *j, struct ballot_maker *mk, uint32_t node, const char *path,
                          struct fault *f)
{
    const struct medsl *t = j->p->t;
    uint32_t place = j->p->node[node].place, cell = t->place_cell[place];
    const struct style *s = &j->p->style[j->p->node[node].style];
    struct export_writer *w = NULL;
    struct tallies *sums = NULL;
    uint64_t *value = calloc(OPTIONS_MAX, sizeof *value);
    err_t e;
    if (value == NULL || tallies_new(&sums, j->ctx, node) != OK)
        GO(fault_set(f, ERR_MEMORY, "export"));
    GO(export_writer_open(&w, j->ctx, node, path, f));
    for (size_t i = 0; i < s->contest_count; i++) {
        take_values(value, &cell, t, place, s->contest[i]);
        GO(add_count(j, mk, w, sums, node, s->contest[i], value, f));
    }
    e = export_writer_finish(w, NULL, sums, 0, NULL, j->time, j->signer, f);
    w = NULL;
out:
    if (w != NULL)
        export_writer_abandon(w);
    tallies_free(sums);
    free(value);
    return e;
}

static err_t one_precinct(struct job *j, struct ballot_maker *mk, uint32_t node, int *known, struct fault *f)
{
    char path[4096], name[TEXT_ID_MAX + sizeof EXPORT_SUFFIX];
    struct export_header *h;
    *known = 0;
    memcpy(name, j->p->node_id[node], strlen(j->p->node_id[node]) + 1);
    strcat(name, EXPORT_SUFFIX);
    if (file_path(path, sizeof path, j->dir, name) != OK)
        return fault_set(f, ERR_LIMIT, "path too long");
    if (access(path, F_OK) != 0)
        return write_export(j, mk, node, path, f);
    /* Files appear complete or not at all: a good header of this place is a finished export. */
    TRY(export_header_read(&h, j->ctx, path, f));
    int mine = h->place == node;
    export_header_free(h);
    *known = 1;
    return mine ? OK : fault_file(f, fault_set(f, ERR_CONFLICT, "this is the export of another place"), path);
}

/* --- all of them --- */

static void settle(struct job *j, err_t e, int known, const struct fault *f)
{
#pragma omp critical(import_settle)
    {
        if (e == OK) {
            *(known ? &j->done->known : &j->done->made) += 1;
            if (j->err == OK && j->progress != NULL)
                e = j->progress->step(j->progress->ctx, j->done->known + j->done->made, j->total);
            if (e != OK)
                fault_set(&j->fault, e, "importing");
        } else if (j->err == OK) {
            j->fault = *f;
        }
        if (e != OK && j->err == OK) {
#pragma omp atomic write
            j->err = e;
        }
    }
}

static int ended(struct job *j)
{
    err_t e;
#pragma omp atomic read
    e = j->err;
    return e != OK;
}

static void run(struct job *j, int threads)
{
#pragma omp parallel num_threads(threads)
    {
        struct fault f;
        struct ballot_maker *mk = NULL;
        fault_clear(&f);
        err_t ready = ballot_maker_new(&mk, j->ctx);
        if (ready != OK)
            fault_set(&f, ready, "table of the joint key");
#pragma omp for schedule(dynamic, 1)
        for (size_t i = 0; i < j->p->node_count; i++) {
            if (j->p->node[i].level != IMPORT_PRECINCT || ended(j))
                continue;
            int known = 0;
            err_t e = ready != OK ? ready : one_precinct(j, mk, (uint32_t)i, &known, &f);
            if (e != OK)
                fault_who(&f, e, "%s", j->p->node_id[i]);
            settle(j, e, known, &f);
        }
        ballot_maker_free(mk);
    }
}

/* A signer may be a token or a file: it is not asked for two signatures at a time. */
static err_t sign_alone(void *ctx, uint8_t signature[SIGNATURE_LEN], const hash_t *digest, struct fault *f)
{
    const struct signer *s = ctx;
    err_t e;
#pragma omp critical(import_sign)
    e = s->sign(s->ctx, signature, digest, f);
    return e;
}

err_t import_encrypt(struct import_encrypted *out, const char *csv_path, const struct medsl_rules *rules,
                     const struct election_context *ctx, const char *dir, const struct signer *signer,
                     uint64_t time, int threads, const struct import_progress *progress, struct fault *f)
{
    struct import_plan *p = NULL;
    struct signer alone = {signer->key, (void *)(uintptr_t)signer, sign_alone};
    memset(out, 0, sizeof *out);
    if (ctx->m->kind != KIND_IMPORT)
        return fault_set(f, ERR_RULE, "counts are imported only into an election of the kind import");
    TRY(import_plan_make(&p, csv_path, rules, f));
    struct job j = {.ctx = ctx, .p = p, .dir = dir, .signer = &alone, .time = time, .progress = progress};
    err_t e;
    GO(check_contests(p, ctx->m, f));
    GO(check_places(p, ctx, f));
    GO(file_mkdir(dir, f));
    j.total = p->level_nodes[IMPORT_PRECINCT];
    j.done = out;
    run(&j, threads > 0 ? threads : omp_get_max_threads());
    e = j.err;
    if (e != OK && f != NULL)
        *f = j.fault;
out:
    import_plan_free(p);
    return e;
}
