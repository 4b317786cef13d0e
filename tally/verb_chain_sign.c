/* What a validator does: verify an export completely, then sign that its snapshot is final. */
#include <stdlib.h>
#include <string.h>

#include "ceremony/base/file.h"
#include "tally/chain_export.h"
#include "tally/chain_signed.h"
#include "tally/chain_verify.h"
#include "tally/settings.h"
#include "tally/verb_chain.h"

struct watch {
    struct verb_run *v;
    struct progress progress;
};

static void on_found(void *ctx, enum chain_check check, const struct fault *f)
{
    struct watch *w = ctx;
    char text[1200];
    if (check == CHAIN_CHECK_QUORUM) /* which is what signing is for */
        return;
    progress_end(&w->progress);
    fault_text(text, sizeof text, f);
    fprintf(w->v->out, "FAIL %s %s\n", chain_check_id(check), text);
}

static err_t on_progress(void *ctx, const char *what, uint64_t done, uint64_t total)
{
    struct watch *w = ctx;
    return verb_stopped(w->v) ? ERR_STOPPED : progress_step(&w->progress, what, done, total);
}

/* Everything but the quorum, of every ballot. */
static err_t check_report(struct verb_run *v, const struct chain_report *r)
{
    for (int i = 0; i < CHAIN_CHECK_COUNT; i++) {
        if (i == CHAIN_CHECK_QUORUM || i == CHAIN_CHECK_ANCHOR)
            continue;
        if (r->check[i].verdict == VERIFY_FAIL)
            return fault_set(&v->fault, ERR_UNVERIFIED, "%s failed: nothing was signed",
                             chain_check_id((enum chain_check)i));
        if (r->check[i].verdict != VERIFY_PASS)
            return fault_set(&v->fault, ERR_UNVERIFIED, "%s was not checked (%s): nothing was signed",
                             chain_check_id((enum chain_check)i), r->check[i].reason);
    }
    if (!r->snapshot || r->pruned > 0)
        return fault_set(&v->fault, ERR_UNVERIFIED, "not every ballot is there: nothing was signed");
    return OK;
}

static err_t sign(struct verb_run *v, const struct chain_context *ctx, const struct chain_snapshot *s,
                  const struct signkey *key, const char *path)
{
    char name[BUNDLE_PATH_MAX], file[BUNDLE_PATH_MAX], hex[2 * HASH_LEN + 1];
    struct cbor_out o = CBOR_OUT_INIT;
    hash_t kid;
    err_t e;
    GO(file_path(name, sizeof name, path, "finality"));
    GO(file_mkdir(name, &v->fault));
    GO(chain_finality_make(&o, &kid, ctx, s->number, &s->id, signkey_signer(key), &v->fault));
    hex_put(hex, kid.b, HASH_LEN);
    int n = snprintf(file, sizeof file, "%s/finality/%s.cose", path, hex);
    if (n < 0 || n >= (int)sizeof file)
        GO(ERR_LIMIT);
    /* ECDSA signatures differ: one that is there already says the same. */
    e = file_write(file, o.data, o.len, FILE_NEW, &v->fault);
    if (e == ERR_EXISTS)
        e = OK;
    if (e == OK)
        fprintf(v->out, "signed     snapshot %llu, finality/%s.cose\n", (unsigned long long)s->number, hex);
out:
    cbor_out_free(&o);
    return e;
}

struct how {
    const char *state;
    struct settings tuned;
};

static err_t verify_and_sign(struct verb_run *v, const struct bundle_election *be,
                             const struct chain_options *o, const struct how *how, const char *path)
{
    struct chain_signed memory = {.lock_fd = -1};
    struct chain_context ctx;
    struct chain_report *r = NULL;
    struct signkey *key = NULL;
    struct watch w = {.v = v};
    uint32_t chain, signers;
    err_t e;
    GO(chain_export_chain(&chain, &be->ctx, path, &v->fault));
    chain_context_init(&ctx, &be->ctx, chain);
    GO(chain_signed_open(&memory, &ctx, how->state, o->key, &v->fault));
    progress_init(&w.progress, v->err, v->program->stop);
    const struct chain_verify_options options = {.threads = (int)how->tuned.threads,
                                                 .batch_points = how->tuned.batch_points,
                                                 .window = how->tuned.window,
                                                 .ctx = &w,
                                                 .found = on_found,
                                                 .progress = on_progress,
                                                 .progress_ctx = &w};
    e = chain_verify(&r, &ctx, path, &options, &v->fault);
    progress_end(&w.progress);
    GO(e);
    GO(check_report(v, r));
    fprintf(v->out, "verified   %llu ballots\n", (unsigned long long)r->proved);
    verb_print_fingerprint(v, "snapshot", &r->snapshot->id);
    GO(chain_signed_allow(&memory, path, r->snapshot, &v->fault));
    GO(verb_key_open(v, &key, o->key, o->passphrase, o->none));
    GO(chain_signed_keep(&memory, r->snapshot, &v->fault));
    GO(sign(v, &ctx, r->snapshot, key, path));
    GO(chain_final_count(&signers, &ctx, path, r->snapshot, &v->fault));
    fprintf(v->out, "signatures %u of %u, needed %u\n", signers, ctx.c->validator_count, ctx.c->quorum);
out:
    chain_signed_close(&memory);
    signkey_close(key);
    chain_report_free(r);
    return e;
}

err_t verb_chain_sign(struct verb_run *v, int argc, char **argv)
{
    struct chain_options o = {0};
    struct arg_list rest = {.count = 0};
    struct bundle_election *be;
    const char *path, *threads = NULL;
    struct how how = {0};
    uint64_t n = 0;
    const struct arg options[] = {
        CHAIN_BOARD(o),
        CHAIN_KEY(o, "the validator's key"),
        {"state", ARG_TEXT, &how.state, "FILE", "what this key signed last (default: a file beside the key)",
         0},
        {"threads", ARG_TEXT, &threads, "N", "default: as the settings say, or one for each processor", 0},
        {"settings", ARG_TEXT, &o.settings, "FILE", "made by tune", 0},
        {0}};
    TRY(verb_options(v, argc, argv, options, &rest));
    if (v->help_shown)
        return OK;
    TRY(chain_word(v, &path, &rest, "the directory of the export"));
    TRY(args_number(&n, threads, "threads", 0, SETTINGS_THREADS_MAX, &v->fault));
    TRY(settings_load(&how.tuned, o.settings, NULL, &v->fault));
    how.tuned.threads = settings_or(n, how.tuned.threads, 0);
    TRY(bundle_election_load(&be, o.board, 1, &v->fault));
    err_t e = verify_and_sign(v, be, &o, &how, path);
    bundle_election_free(be);
    return e;
}
