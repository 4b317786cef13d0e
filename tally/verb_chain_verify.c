#include <stdlib.h>
#include <string.h>

#include "tally/chain_verify.h"
#include "tally/metrics.h"
#include "tally/settings.h"
#include "tally/verb.h"

#define SHOWN_MAX 1000 /* failures of one check that are printed */

struct watch {
    struct verb_run *v;
    struct progress progress;
    uint64_t shown[CHAIN_CHECK_COUNT];
    struct fault first;
    struct metrics *metrics;
    const char *metrics_path;
};

static void on_found(void *ctx, enum chain_check check, const struct fault *f)
{
    struct watch *w = ctx;
    char text[1200];
    if (w->first.err == OK)
        w->first = *f;
    if (w->shown[check]++ >= SHOWN_MAX)
        return;
    progress_end(&w->progress);
    fault_text(text, sizeof text, f);
    fprintf(w->v->out, "FAIL %s %s\n", chain_check_id(check), text);
}

static err_t on_progress(void *ctx, const char *what, uint64_t done, uint64_t total)
{
    struct watch *w = ctx;
    struct fault ignored; /* numbers that cannot be written stop nothing; the end says so */
    (void)!metrics_publish_file(w->metrics, w->metrics_path, 0, &ignored);
    if (verb_stopped(w->v))
        return ERR_STOPPED;
    return progress_step(&w->progress, what, done, total);
}

static void print_report(struct verb_run *v, const struct chain_context *ctx, const struct chain_report *r)
{
    fprintf(v->out, "\nchain      %s\n", ctx->c->id);
    if (r->snapshot != NULL) {
        fprintf(v->out, "snapshot   %llu, %s, %u of %u validators, %zu shards\n",
                (unsigned long long)r->snapshot->number,
                chain_snapshot_complete(r->snapshot) ? "complete" : "voting goes on", r->signers,
                ctx->c->validator_count, r->snapshot->shard_count);
        fprintf(v->out, "ballots    %llu: proved %llu, known %llu, trusted %llu, pruned %llu\n",
                (unsigned long long)chain_sums_ballots(r->snapshot->sums), (unsigned long long)r->proved,
                (unsigned long long)r->known, (unsigned long long)r->trusted, (unsigned long long)r->pruned);
        verb_print_fingerprint(v, "snapshot", &r->snapshot->id);
    }
    fprintf(v->out, "\n");
    for (size_t i = 0; i < CHAIN_CHECK_COUNT; i++) {
        const struct chain_verdict *x = &r->check[i];
        fprintf(v->out, "%-11s %-14s %s\n", verify_verdict_name(x->verdict), chain_check_id(i),
                x->verdict == VERIFY_NOT_CHECKED ? x->reason : chain_check_title(i));
    }
}

/* The first failure; or that not all was checked, where nobody asked for less. */
static err_t verdict(struct verb_run *v, const struct watch *w, const struct chain_report *r, int less)
{
    enum verify_verdict all = chain_report_verdict(r);
    if (all == VERIFY_FAIL) {
        v->fault = w->first;
        return w->first.err;
    }
    return all == VERIFY_NOT_CHECKED && !less
               ? fault_set(&v->fault, ERR_UNVERIFIED, "not everything could be checked")
               : OK;
}

struct wanted {
    const char *board, *chain, *work, *threads, *settings, *metrics;
    struct arg_list trust, anchor, rest;
    int quick;
};

static err_t read_lists(struct verb_run *v, const struct wanted *want, hash_t **trust,
                        struct chain_anchor **anchor)
{
    *trust = calloc(want->trust.count + 1, sizeof **trust);
    *anchor = calloc(want->anchor.count + 1, sizeof **anchor);
    if (*trust == NULL || *anchor == NULL)
        return fault_set(&v->fault, ERR_MEMORY, "options");
    for (size_t i = 0; i < want->trust.count; i++)
        TRY(verb_hash(v, &(*trust)[i], want->trust.item[i], "trust"));
    for (size_t i = 0; i < want->anchor.count; i++)
        if (chain_anchor_parse(&(*anchor)[i], want->anchor.item[i]) != OK)
            return fault_set(&v->fault, ERR_USAGE, "--anchor needs SHARD:SIZE:ROOT, the root in hex");
    return OK;
}

static err_t find_chain(struct verb_run *v, const struct wanted *want, const struct bundle_election *be,
                        uint32_t *out)
{
    if (want->chain == NULL)
        return chain_export_chain(out, &be->ctx, want->rest.item[0], &v->fault);
    int i = manifest_chain(be->m, want->chain);
    *out = i < 0 ? 0 : (uint32_t)i;
    return i < 0 ? fault_set(&v->fault, ERR_UNKNOWN, "the manifest has no chain %s", want->chain) : OK;
}

static err_t verify_wanted(struct verb_run *v, const struct wanted *want)
{
    struct bundle_election *be = NULL;
    struct chain_anchor *anchor = NULL;
    struct chain_report *r = NULL;
    struct chain_context ctx;
    hash_t *trust = NULL;
    uint64_t threads = 0;
    uint32_t chain;
    err_t e;
    TRY(args_number(&threads, want->threads, "threads", 0, 1024, &v->fault));
    struct settings tuned;
    TRY(settings_load(&tuned, want->settings, want->work, &v->fault));
    struct watch w = {.v = v, .metrics_path = want->metrics};
    TRY(metrics_new_for(&w.metrics, "verify", want->metrics, &v->fault));
    progress_init(&w.progress, v->err, v->program->stop);
    GO(read_lists(v, want, &trust, &anchor));
    GO(bundle_election_load(&be, want->board, 1, &v->fault));
    GO(find_chain(v, want, be, &chain));
    chain_context_init(&ctx, &be->ctx, chain);
    struct chain_verify_options o = {.quick = want->quick,
                                     .trust = trust,
                                     .trust_count = want->trust.count,
                                     .anchor = anchor,
                                     .anchor_count = want->anchor.count,
                                     .work = want->work,
                                     .threads = (int)(threads ? threads : tuned.threads),
                                     .batch_points = tuned.batch_points,
                                     .window = tuned.window,
                                     .metrics = w.metrics,
                                     .ctx = &w,
                                     .found = on_found,
                                     .progress = on_progress,
                                     .progress_ctx = &w};
    e = chain_verify(&r, &ctx, want->rest.item[0], &o, &v->fault);
    progress_end(&w.progress);
    verb_metrics_end(v, w.metrics, want->metrics);
    if (e == OK) {
        print_report(v, &ctx, r);
        e = verdict(v, &w, r, want->quick || want->trust.count);
    }
out:
    free(w.metrics);
    chain_report_free(r);
    bundle_election_free(be);
    free(trust);
    free(anchor);
    return e;
}

err_t verb_chain_verify(struct verb_run *v, int argc, char **argv)
{
    struct wanted want = {0};
    const struct arg options[] = {
        {"board", ARG_TEXT, &want.board, "DIR", "manifest, jurisdictions and record of the election", 1},
        {"chain", ARG_TEXT, &want.chain, "ID",
         "must be the export of this chain (default: the one that it says)", 0},
        {"quick", ARG_FLAG, &want.quick, NULL, "headers and snapshot only", 0},
        {"trust", ARG_LIST, &want.trust, "HEX", "start at the snapshot with this id; can be repeated", 0},
        {"anchor", ARG_LIST, &want.anchor, "SHARD:SIZE:ROOT",
         "a root that was printed elsewhere; can be repeated", 0},
        {"work", ARG_TEXT, &want.work, "DIR", "where to go on is kept here", 0},
        {"threads", ARG_TEXT, &want.threads, "N", "default: as the settings say, or one for each processor",
         0},
        {"metrics", ARG_TEXT, &want.metrics, "FILE.prom", "write numbers about the run, each second", 0},
        {"settings", ARG_TEXT, &want.settings, "FILE", "made by tune (default WORK/settings.json, if there)",
         0},
        {0},
    };
    TRY(verb_options(v, argc, argv, options, &want.rest));
    if (v->help_shown)
        return OK;
    if (want.rest.count != 1)
        return fault_set(&v->fault, ERR_USAGE, "one directory with the export of a chain");
    return verify_wanted(v, &want);
}
