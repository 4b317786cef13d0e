#include <stdlib.h>
#include <string.h>

#include "ceremony/base/file.h"
#include "ceremony/base/text.h"
#include "tally/aggregate.h"
#include "tally/combine.h"
#include "tally/part_form.h"
#include "tally/publish.h"
#include "tally/settings.h"
#include "tally/steps.h"
#include "tally/verb.h"
#include "ui/table.h"

/* --- aggregate --- */

struct watch {
    struct verb_run *v;
    struct progress progress;
    struct fault first;
    struct metrics *metrics;
    const char *metrics_path;
    int all; /* print known, verified and node events too */
};

static void print_event(struct watch *w, const struct aggregate_event *ev)
{
    FILE *out = w->v->out;
    char id[2 * HASH_LEN + 1], other[2 * HASH_LEN + 1];
    hex_put(id, ev->id.b, HASH_LEN);
    hex_put(other, ev->other.b, HASH_LEN);
    switch (ev->kind) {
    case AGGREGATE_VERIFIED:
    case AGGREGATE_KNOWN:
        if (w->all)
            fprintf(out, "%s %s %llu items (%s)\n", ev->kind == AGGREGATE_KNOWN ? "known" : "verified",
                    ev->place, (unsigned long long)ev->items,
                    text_check(ev->file, strlen(ev->file)) == OK ? ev->file : "?");
        break;
    case AGGREGATE_REFUSED:
        fprintf(out, "refused %s %s\n", ev->place[0] ? ev->place : "-",
                ev->fault ? err_name(ev->fault->err) : "");
        break;
    case AGGREGATE_REPLACED:
        fprintf(out, "replaced %s %s by %s\n", ev->place, id, other);
        break;
    case AGGREGATE_DROPPED:
        fprintf(out, "dropped %s ballot %s\n", ev->place, id);
        break;
    case AGGREGATE_FEW:
        fprintf(out, "few %s %llu ballots, %s to %s\n", ev->place, (unsigned long long)ev->items, id, other);
        break;
    case AGGREGATE_MISSING:
        fprintf(out, "missing %s\n", ev->place);
        break;
    case AGGREGATE_NODE:
        if (w->all)
            fprintf(out, "record %s %s\n", ev->place, id);
        break;
    case AGGREGATE_TAKEN:
        if (ev->place[0])
            fprintf(out, "taken %s, part %llu of %llu, signed by %s\n", ev->file,
                    (unsigned long long)ev->items, (unsigned long long)ev->total, ev->place);
        else
            fprintf(out, "taken %s, as one's own\n", ev->file);
        break;
    case AGGREGATE_CHAIN:
        break;
    }
}

static err_t on_event(void *ctx, const struct aggregate_event *ev)
{
    struct watch *w = ctx;
    if (ev->kind == AGGREGATE_CHAIN && !verb_stopped(w->v))
        return progress_step(&w->progress, "ballots of a chain", ev->items, ev->total);
    struct fault ignored; /* numbers that cannot be written stop nothing; the end says so */
    (void)!metrics_publish_file(w->metrics, w->metrics_path, 0, &ignored);
    int is_quiet =
        ev->kind == AGGREGATE_VERIFIED || ev->kind == AGGREGATE_KNOWN || ev->kind == AGGREGATE_NODE;
    if (!is_quiet || w->all)
        progress_end(&w->progress);
    print_event(w, ev);
    if (ev->kind == AGGREGATE_REFUSED && ev->fault != NULL) {
        verb_print_fault(w->v, ev->fault);
        if (w->first.err == OK && ev->fault->err != ERR_DUPLICATE)
            w->first = *ev->fault;
    }
    if (verb_stopped(w->v))
        return ERR_STOPPED;
    return is_quiet && !w->all ? progress_step(&w->progress, "exports", ev->done, 0) : OK;
}

static void print_aggregate(struct verb_run *v, const struct aggregate_result *r, const char *part)
{
    if (part) {
        fprintf(v->out, "part       %s: files %llu, verified %llu, known %llu, refused %llu\n", part,
                (unsigned long long)r->files, (unsigned long long)r->verified, (unsigned long long)r->known,
                (unsigned long long)r->refused);
        return;
    }
    fprintf(v->out, "files      %llu: verified %llu, known %llu, refused %llu, copies %llu\n",
            (unsigned long long)r->files, (unsigned long long)r->verified, (unsigned long long)r->known,
            (unsigned long long)r->refused, (unsigned long long)r->duplicates);
    fprintf(v->out, "places     %llu, missing %llu, replaced %llu\nballots    %llu, dropped %llu\n",
            (unsigned long long)r->places, (unsigned long long)r->missing, (unsigned long long)r->replaced,
            (unsigned long long)r->ballots, (unsigned long long)r->dropped);
    verb_print_fingerprint(v, "root", &r->root);
}

static err_t read_corrections(struct verb_run *v, hash_t **out, const struct arg_list *list)
{
    *out = calloc(list->count ? list->count : 1, sizeof **out);
    if (*out == NULL)
        return fault_set(&v->fault, ERR_MEMORY, "corrections");
    for (size_t i = 0; i < list->count; i++) {
        err_t e = verb_hash(v, &(*out)[i], list->item[i], "accept");
        if (e != OK)
            return e;
    }
    return OK;
}

struct wanted {
    const char *board, *exports, *work, *records, *threads, *settings, *metrics, *part, *signers, *program;
    struct arg_list accept, from;
    int all_corrections, verbose;
};

static err_t aggregate_wanted(struct verb_run *v, const struct wanted *want)
{
    char records[BUNDLE_PATH_MAX];
    struct bundle_election *be = NULL;
    hash_t *correction = NULL;
    uint64_t thread_count = 0;
    unsigned part_k = 0, part_n = 0;
    TRY(args_number(&thread_count, want->threads, "threads", 0, 1024, &v->fault));
    if (want->part)
        TRY(part_parse_number(&part_k, &part_n, want->part, &v->fault));
    TRY(verb_path(v, records, want->records, want->work, BUNDLE_RECORDS, "records"));
    struct part_signers signers = {.count = 0};
    hash_t program;
    if (want->signers && want->from.count == 0)
        return fault_set(&v->fault, ERR_USAGE, "--signers is about directories that --from names");
    if (want->program && !want->signers)
        return fault_set(&v->fault, ERR_USAGE,
                         "--program is about parts that are signed: --signers is missing");
    if (want->program)
        TRY(verb_hash(v, &program, want->program, "program"));
    struct settings tuned;
    TRY(settings_load(&tuned, want->settings, want->work, &v->fault));
    struct watch w = {.v = v, .all = want->verbose, .metrics_path = want->metrics};
    TRY(metrics_new_for(&w.metrics, "aggregate", want->metrics, &v->fault));
    struct aggregate_report report = {&w, on_event};
    struct aggregate_result result;
    err_t e = OK;
    progress_init(&w.progress, v->err, v->program->stop);
    GO(read_corrections(v, &correction, &want->accept));
    if (want->signers)
        GO(part_signers_read(&signers, want->signers, &v->fault));
    GO(bundle_election_load(&be, want->board, 1, &v->fault));
    struct aggregate_options how = {.accept_corrections = want->all_corrections,
                                    .correction = correction,
                                    .correction_count = want->accept.count,
                                    .threads = (int)(thread_count ? thread_count : tuned.threads),
                                    .batch_points = tuned.batch_points,
                                    .window = tuned.window,
                                    .metrics = w.metrics,
                                    .part = part_k,
                                    .parts = part_n,
                                    .from = want->from.item,
                                    .from_count = want->from.count,
                                    .signers = want->signers ? &signers : NULL,
                                    .program = want->program ? &program : NULL};
    e = aggregate(&result, &be->ctx, want->exports, want->work, records, &how, &report, &v->fault);
    progress_end(&w.progress);
    verb_metrics_end(v, w.metrics, want->metrics);
    GO(e);
    print_aggregate(v, &result, want->part);
    e = w.first.err; /* done, but not with everything that was there */
    if (e != OK)
        v->fault = w.first;
out:
    free(w.metrics);
    free(correction);
    part_signers_free(&signers);
    bundle_election_free(be);
    return e;
}

err_t verb_aggregate(struct verb_run *v, int argc, char **argv)
{
    struct wanted want = {0};
    const struct arg options[] = {
        {"board", ARG_TEXT, &want.board, "DIR", "manifest, jurisdictions and record of the election", 1},
        {"exports", ARG_TEXT, &want.exports, "DIR",
         "precinct exports, any file names; exports of voting chains, any directories", 1},
        {"work", ARG_TEXT, &want.work, "DIR", "index of what was verified here", 1},
        {"records", ARG_TEXT, &want.records, "DIR", "records to write (default WORK/records)", 0},
        {"accept-corrections", ARG_FLAG, &want.all_corrections, NULL, "take every correction", 0},
        {"accept", ARG_LIST, &want.accept, "HEX", "take the correction with this message id; can be repeated",
         0},
        {"threads", ARG_TEXT, &want.threads, "N", "default: as the settings say, or one for each processor",
         0},
        {"settings", ARG_TEXT, &want.settings, "FILE", "made by tune (default WORK/settings.json, if there)",
         0},
        {"metrics", ARG_TEXT, &want.metrics, "FILE.prom", "write numbers about the run, each second", 0},
        {"part", ARG_TEXT, &want.part, "K/N", "verify this part of the exports only, on one of many machines",
         0},
        {"from", ARG_LIST, &want.from, "DIR", "take over what was verified with --work DIR; can be repeated",
         0},
        {"signers", ARG_TEXT, &want.signers, "FILE",
         "with --from: lines KEY NAME, whose signed parts count; without it they are one's own", 0},
        {"program", ARG_TEXT, &want.program, "HEX",
         "with --signers: SHA-256 of the program that made the parts; this one if left out", 0},
        {"verbose", ARG_FLAG, &want.verbose, NULL, "a line for each export and record", 0},
        {0},
    };
    TRY(verb_options(v, argc, argv, options, NULL));
    return v->help_shown ? OK : aggregate_wanted(v, &want);
}

/* --- plan --- */

err_t verb_plan(struct verb_run *v, int argc, char **argv)
{
    const char *board = NULL, *work = NULL, *records = NULL, *out = NULL;
    struct arg_list supersedes = {.count = 0};
    const struct arg options[] = {
        {"board", ARG_TEXT, &board, "DIR", "manifest, jurisdictions and record of the election", 1},
        {"work", ARG_TEXT, &work, "DIR", "where records are and the plan goes", 0},
        {"records", ARG_TEXT, &records, "DIR", "default WORK/records", 0},
        {"out", ARG_TEXT, &out, "FILE", "default WORK/plan.cbor; never overwritten", 0},
        {"supersedes", ARG_LIST, &supersedes, "FILE",
         "the plan that this one replaces; then the one that it replaced, back to the first", 0},
        {0},
    };
    char records_path[BUNDLE_PATH_MAX], out_path[BUNDLE_PATH_MAX];
    struct bundle_election *be = NULL;
    struct plan_set older = {0};
    struct plan *plan = NULL;
    TRY(verb_options(v, argc, argv, options, NULL));
    if (v->help_shown)
        return OK;
    TRY(verb_path(v, records_path, records, work, BUNDLE_RECORDS, "records"));
    TRY(verb_path(v, out_path, out, work, BUNDLE_PLAN, "out"));
    err_t e = OK;
    GO(bundle_election_load(&be, board, 1, &v->fault));
    GO(plan_set_load_var(&older, &be->ctx, supersedes.item, supersedes.count, &v->fault));
    GO(step_plan_var(&plan, &be->ctx, records_path, &older, out_path, &v->fault));
    fprintf(v->out, "units      %zu\n", plan->unit_count);
    verb_print_fingerprint(v, "plan", &plan->id);
out:
    plan_free(plan);
    plan_set_free(&older);
    bundle_election_free(be);
    return e;
}

/* --- combine --- */

static err_t print_row(struct verb_run *v, const struct manifest *m, const struct contest *c,
                       const struct result_row *row)
{
    static const struct table_column columns[] = {
        {"option", TABLE_LEFT}, {"votes", TABLE_RIGHT}, {"", TABLE_BAR}};
    struct table *t;
    err_t e = table_new(&t, columns, 3);
    if (e != OK)
        return fault_set(&v->fault, e, "the table of the result");
    for (size_t o = 0; o < row->count && e == OK; o++) {
        char votes[24];
        snprintf(votes, sizeof votes, "%llu", (unsigned long long)row->votes[o]);
        const char *cells[] = {c->option[o].title, votes, votes};
        e = table_row(t, cells);
    }
    fprintf(v->out, "\n%s (%llu %s)\n", c->title, (unsigned long long)row->ballots,
            m->kind == KIND_IMPORT ? "votes" : "ballots");
    if (e == OK)
        e = table_print(t, v->out, TABLE_UNICODE, 32);
    table_free(t);
    return e == OK ? OK : fault_set(&v->fault, e, "the table of the result");
}

static err_t print_result(struct verb_run *v, const struct bundle_election *be, const struct plan *plan,
                          const struct result *r)
{
    for (size_t i = 0; i < r->row_count; i++)
        if (plan->unit[i].level == 0)
            TRY(print_row(v, be->m, &be->m->contest[plan->unit[i].contest], &r->row[i]));
    return OK;
}

static void print_seats(struct verb_run *v, const struct combination *c, const struct record *r)
{
    for (size_t i = 0; c != NULL && i < c->seat_count; i++) {
        char line[1024];
        combine_seat_text(line, sizeof line, &c->seat[i], r);
        fprintf(v->out, "%s\n", line);
    }
}

static err_t combine_and_write(struct verb_run *v, const struct bundle_election *be, const struct board *b,
                               const struct plan *plan, const char *out_path)
{
    struct combination *c = NULL;
    struct progress progress;
    progress_init(&progress, v->err, v->program->stop);
    err_t e = step_combine_var(&c, be, b, plan, out_path, progress.is_terminal ? progress_step : NULL,
                               &progress, &v->fault);
    progress_end(&progress);
    print_seats(v, c, be->r);
    if (e == OK)
        e = print_result(v, be, plan, c->result);
    combination_free(c);
    return e;
}

err_t verb_combine(struct verb_run *v, int argc, char **argv)
{
    const char *board = NULL, *work = NULL, *plan_file = NULL, *out = NULL;
    const struct arg options[] = {
        {"board", ARG_TEXT, &board, "DIR", "the board with the partial decryptions", 1},
        {"work", ARG_TEXT, &work, "DIR", "where the plan is and the result goes", 0},
        {"plan", ARG_TEXT, &plan_file, "FILE", "default WORK/plan.cbor", 0},
        {"out", ARG_TEXT, &out, "FILE", "default WORK/result.cbor", 0},
        {0},
    };
    char plan_path[BUNDLE_PATH_MAX], out_path[BUNDLE_PATH_MAX];
    struct bundle_election *be = NULL;
    struct board *b = NULL;
    struct plan *plan = NULL;
    TRY(verb_options(v, argc, argv, options, NULL));
    if (v->help_shown)
        return OK;
    TRY(verb_path(v, plan_path, plan_file, work, BUNDLE_PLAN, "plan"));
    TRY(verb_path(v, out_path, out, work, BUNDLE_RESULT, "out"));
    err_t e = OK;
    GO(bundle_election_load(&be, board, 1, &v->fault));
    GO(board_open(&b, board, &be->m->election, &v->fault));
    for (size_t i = 0; i < b->refused_count; i++)
        verb_print_fault(v, &b->refused[i].fault);
    GO(plan_load_var(&plan, &be->ctx, plan_path, &v->fault));
    e = combine_and_write(v, be, b, plan, out_path);
out:
    plan_free(plan);
    board_free(b);
    bundle_election_free(be);
    return e;
}

/* --- publish --- */

err_t verb_publish(struct verb_run *v, int argc, char **argv)
{
    struct publish_paths p = {0};
    const char *work = NULL, *records = NULL, *plan = NULL, *result = NULL;
    const struct arg options[] = {
        {"board", ARG_TEXT, &p.board, "DIR", "the board", 1},
        {"exports", ARG_TEXT, &p.exports, "DIR", "the exports of precincts and chains", 1},
        {"work", ARG_TEXT, &work, "DIR", "where records, plan and result are", 0},
        {"records", ARG_TEXT, &records, "DIR", "default WORK/records", 0},
        {"plan", ARG_TEXT, &plan, "FILE", "default WORK/plan.cbor", 0},
        {"result", ARG_TEXT, &result, "FILE", "default WORK/result.cbor", 0},
        {"out", ARG_TEXT, &p.out, "DIR", "the bundle to make; never overwritten", 1},
        {0},
    };
    char records_path[BUNDLE_PATH_MAX], plan_path[BUNDLE_PATH_MAX], result_path[BUNDLE_PATH_MAX];
    struct publish_report report;
    struct progress progress;
    TRY(verb_options(v, argc, argv, options, NULL));
    if (v->help_shown)
        return OK;
    TRY(verb_path(v, records_path, records, work, BUNDLE_RECORDS, "records"));
    TRY(verb_path(v, plan_path, plan, work, BUNDLE_PLAN, "plan"));
    TRY(verb_path(v, result_path, result, work, BUNDLE_RESULT, "result"));
    p.records = records_path;
    p.plan = plan_path;
    p.result = result_path;
    progress_init(&progress, v->err, v->program->stop);
    err_t e = publish(&report, &p, progress_step, &progress, &v->fault);
    progress_end(&progress);
    if (e != OK)
        return e;
    fprintf(v->out, "%s %s: %llu files, %llu bytes, %llu exports, %llu chains, %llu entries\n",
            report.already ? "unchanged" : "published", p.out, (unsigned long long)report.files,
            (unsigned long long)report.bytes, (unsigned long long)report.exports,
            (unsigned long long)report.chains, (unsigned long long)report.entries);
    return OK;
}
