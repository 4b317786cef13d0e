#include <string.h>
#include <time.h>

#include "tally/import.h"
#include "tally/verb.h"

static err_t one_file(struct verb_run *v, const struct arg_list *files)
{
    return files->count == 1 ? OK : fault_set(&v->fault, ERR_USAGE, "one file of precinct results is wanted");
}

static void print_summary(struct verb_run *v, const struct import_summary *s)
{
    fprintf(v->out, "rows       %llu, skipped %llu\nvotes      %llu, largest count %llu (%u bits)\n",
            (unsigned long long)s->rows, (unsigned long long)s->skipped, (unsigned long long)s->votes,
            (unsigned long long)s->largest, s->bits);
    fprintf(v->out,
            "places     %zu states, %zu counties, %zu precincts\ncontests   %zu with %zu options, %zu "
            "styles, %zu counts\n",
            s->states, s->counties, s->precincts, s->contests, s->options, s->styles, s->counts);
}

err_t verb_import_prepare(struct verb_run *v, int argc, char **argv)
{
    const char *out = NULL, *key = NULL, *title = NULL, *date = NULL, *n = NULL, *t = NULL, *minimum = NULL;
    int rehearsal = 0, by_county = 0, skip_local = 0;
    struct arg_list files = {.count = 0};
    const struct arg options[] = {
        {"out", ARG_TEXT, &out, "DIR", "board to begin: manifest.json and jurisdictions.csv", 1},
        {"key", ARG_TEXT, &key, "FILE", "key that will sign the exports (key new)", 1},
        {"title", ARG_TEXT, &title, "TEXT", "default: made from the file", 0},
        {"date", ARG_TEXT, &date, "DATE", "YYYY-MM-DD; default: the latest in the file", 0},
        {"trustees", ARG_TEXT, &n, "N", "default 9", 0},
        {"threshold", ARG_TEXT, &t, "T", "default 5", 0},
        {"minimum", ARG_TEXT, &minimum, "N", "votes below which a place is not decrypted (default 1)", 0},
        {"rehearsal", ARG_FLAG, &rehearsal, NULL, "tokens may all be of one model", 0},
        {"local-by-county", ARG_FLAG, &by_county, NULL, "local contests are distinct in each county", 0},
        {"skip-local", ARG_FLAG, &skip_local, NULL, "leave local contests out", 0},
        {0},
    };
    struct import_options how = {.title = NULL};
    struct import_summary summary;
    uint64_t n_number = 9, t_number = 5, minimum_number = 1;
    TRY(verb_options(v, argc, argv, options, &files));
    if (v->help_shown)
        return OK;
    TRY(one_file(v, &files));
    TRY(args_number(&n_number, n, "trustees", 0, TRUSTEES_MAX, &v->fault));
    TRY(args_number(&t_number, t, "threshold", 0, TRUSTEES_MAX, &v->fault));
    TRY(args_number(&minimum_number, minimum, "minimum", 0, UINT32_MAX, &v->fault));
    how.title = title;
    how.date = date;
    how.n = (uint32_t)n_number;
    how.t = (uint32_t)t_number;
    how.minimum = (uint32_t)minimum_number;
    how.rehearsal = rehearsal;
    how.rules = (struct medsl_rules){by_county, skip_local};
    TRY(signkey_public(&how.key, key, &v->fault));
    TRY(import_prepare(&summary, files.item[0], out, &how, &v->fault));
    print_summary(v, &summary);
    return OK;
}

static err_t step(void *ctx, uint64_t done, uint64_t total)
{
    return progress_step(ctx, "exports", done, total);
}

err_t verb_import_encrypt(struct verb_run *v, int argc, char **argv)
{
    const char *board = NULL, *out = NULL, *key = NULL, *passphrase = NULL, *hours = NULL, *threads = NULL;
    int none = 0, by_county = 0, skip_local = 0;
    struct arg_list files = {.count = 0};
    const struct arg options[] = {
        {"board", ARG_TEXT, &board, "DIR", "the board, with the ceremony record", 1},
        {"exports", ARG_TEXT, &out, "DIR", "where the exports go; can be interrupted and run again", 1},
        {"key", ARG_TEXT, &key, "FILE", "the key that the jurisdictions name", 1},
        {"passphrase-file", ARG_TEXT, &passphrase, "FILE", "passphrase of the key; otherwise asked for", 0},
        {"no-passphrase", ARG_FLAG, &none, NULL, "the key has none", 0},
        {"time", ARG_TEXT, &hours, "HOURS", "hours since 1970, UTC; default: now", 0},
        {"threads", ARG_TEXT, &threads, "N", "default: one for each processor", 0},
        {"local-by-county", ARG_FLAG, &by_county, NULL, "as in import prepare", 0},
        {"skip-local", ARG_FLAG, &skip_local, NULL, "as in import prepare", 0},
        {0},
    };
    struct bundle_election *be = NULL;
    struct signkey *signkey = NULL;
    struct progress progress;
    struct import_progress watch = {&progress, step};
    struct import_encrypted made;
    uint64_t now = (uint64_t)time(NULL) / 3600, thread_count = 0;
    TRY(verb_options(v, argc, argv, options, &files));
    if (v->help_shown)
        return OK;
    TRY(one_file(v, &files));
    TRY(args_number(&now, hours, "time", 0, UINT32_MAX, &v->fault));
    TRY(args_number(&thread_count, threads, "threads", 0, 1024, &v->fault));
    struct medsl_rules rules = {by_county, skip_local};
    err_t e = OK;
    progress_init(&progress, v->err, v->program->stop);
    GO(bundle_election_load(&be, board, 1, &v->fault));
    GO(verb_key_open(v, &signkey, key, passphrase, none));
    GO(import_encrypt(&made, files.item[0], &rules, &be->ctx, out, signkey_signer(signkey), now,
                      (int)thread_count, &watch, &v->fault));
    progress_end(&progress);
    fprintf(v->out, "exports    %llu made, %llu here before\n", (unsigned long long)made.made,
            (unsigned long long)made.known);
out:
    progress_end(&progress);
    signkey_close(signkey);
    bundle_election_free(be);
    return e;
}
