/* The verbs that make, end and publish a chain. Taking ballots: verb_chain_append.c. */
#include "tally/verb_chain.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tally/chain_export.h"
#include "tally/chain_front.h"
#include "tally/chain_node.h"
#include "tally/settings.h"

err_t chain_word(struct verb_run *v, const char **out, const struct arg_list *rest, const char *what)
{
    *out = NULL;
    if (rest->count != 1)
        return fault_set(&v->fault, ERR_USAGE, "%s is needed, and nothing else", what);
    *out = rest->item[0];
    return OK;
}

/* Reads options and the directory of the chain; help may have been shown instead. */
static err_t directory(struct verb_run *v, const char **path, int argc, char **argv,
                       const struct arg *options)
{
    struct arg_list rest = {.count = 0};
    *path = NULL;
    TRY(verb_options(v, argc, argv, options, &rest));
    return v->help_shown ? OK : chain_word(v, path, &rest, "the directory of the chain");
}

err_t chain_opened_open(struct chain_opened *c, struct verb_run *v, const struct chain_options *o,
                        const char *path, int lock)
{
    memset(c, 0, sizeof *c);
    TRY(bundle_election_load(&c->be, o->board, 1, &v->fault));
    TRY(chain_dir_open(&c->dir, path, &c->be->ctx, lock, &v->fault));
    c->is_open = 1;
    return o->key ? verb_key_open(v, &c->key, o->key, o->passphrase, o->none) : OK;
}

void chain_opened_close(struct chain_opened *c)
{
    if (c->is_open)
        chain_dir_close(&c->dir);
    signkey_close(c->key);
    bundle_election_free(c->be);
}

static const char *state_name(enum chain_state s)
{
    return s == CHAIN_OPEN ? "open" : s == CHAIN_SPLIT ? "split" : "closed";
}

/* --- open --- */

err_t verb_chain_open(struct verb_run *v, int argc, char **argv)
{
    struct chain_options o = {0};
    const char *chain = NULL, *bits = NULL, *block = NULL, *seconds = NULL, *path;
    int no_hints = 0;
    const struct arg options[] = {
        CHAIN_BOARD(o),
        {"chain", ARG_TEXT, &chain, "ID", "the chain in the manifest", 1},
        {"shard-bits", ARG_TEXT, &bits, "N", "begin with 2^N shards (default 0)", 0},
        {"block", ARG_TEXT, &block, "N", "ballots of a block (default: as the settings say, or 1000)", 0},
        {"seconds", ARG_TEXT, &seconds, "N",
         "a block is made after so long, 1 to 5 (default: as the settings say, or 5)", 0},
        CHAIN_SETTINGS(o),
        {"no-hints", ARG_FLAG, &no_hints, NULL, "segments without y coordinates: smaller, slower to verify",
         0},
        {0}};
    TRY(directory(v, &path, argc, argv, options));
    if (v->help_shown)
        return OK;
    uint64_t n_bits = 0, n_block = 0, n_seconds = 0;
    struct settings tuned;
    TRY(args_number(&n_bits, bits, "shard-bits", 0, 8, &v->fault));
    TRY(args_number(&n_block, block, "block", 1, CHAIN_BLOCK_MAX, &v->fault));
    TRY(args_number(&n_seconds, seconds, "seconds", 1, SETTINGS_SECONDS_MAX, &v->fault));
    TRY(settings_load(&tuned, o.settings, path, &v->fault));
    struct chain_settings settings = {settings_or(n_block, tuned.block, SETTINGS_BLOCK),
                                      settings_or(n_seconds, tuned.seconds, SETTINGS_SECONDS), !no_hints};
    struct bundle_election *be;
    TRY(bundle_election_load(&be, o.board, 1, &v->fault));
    err_t e = chain_dir_create(path, &be->ctx, chain, &settings, (unsigned)n_bits, &v->fault);
    if (e == OK)
        fprintf(v->out, "chain %s in %s, %u shards\n", chain, path, 1u << n_bits);
    bundle_election_free(be);
    return e;
}

/* --- status --- */

static err_t print_status(struct verb_run *v, const struct chain_dir *d)
{
    struct chain_shard_look *look;
    size_t count;
    uint64_t ballots = 0, open = 0;
    char hex[2 * HASH_LEN + 1];
    TRY(chain_dir_shards(&look, &count, d, &v->fault));
    for (size_t i = 0; i < count; i++) {
        const struct chain_shard_look *s = &look[i];
        ballots += s->last.size;
        open += s->last.state == CHAIN_OPEN;
        hex_put(hex, s->last.root.b, HASH_LEN);
        fprintf(v->out, "shard s%s  %s  headers %llu  ballots %llu\n", s->name.s, state_name(s->last.state),
                (unsigned long long)s->headers, (unsigned long long)s->last.size);
        if (s->last.size > 0)
            fprintf(v->out, "anchor %s:%llu:%s\n", s->name.s, (unsigned long long)s->last.size, hex);
    }
    fprintf(v->out, "chain    %s (%s)\nstate    %s\nshards   %zu, of which %llu open\nballots  %llu\n",
            d->ctx.c->id, d->ctx.c->title, open ? "open" : "closed", count, (unsigned long long)open,
            (unsigned long long)ballots);
    free(look);
    return OK;
}

err_t verb_chain_status(struct verb_run *v, int argc, char **argv)
{
    struct chain_options o = {0};
    struct chain_opened c;
    const char *path;
    const struct arg options[] = {CHAIN_BOARD(o), {0}};
    TRY(directory(v, &path, argc, argv, options));
    if (v->help_shown)
        return OK;
    err_t e = chain_opened_open(&c, v, &o, path, 0);
    if (e == OK)
        e = print_status(v, &c.dir);
    chain_opened_close(&c);
    return e;
}

/* --- split, close --- */

/* The numbers of the shard's process, which this one is for a moment; NULL without memory. */
static struct metrics *shard_metrics(const struct chain_dir *d, const char *shard)
{
    char process[TEXT_ID_MAX + 1], label[TEXT_ID_MAX + 1];
    struct metrics *m = calloc(1, sizeof *m);
    snprintf(process, sizeof process, "chain-s%s", shard);
    snprintf(label, sizeof label, "s%s", shard);
    if (m != NULL && metrics_init(m, "chain", process, d->ctx.c->id, label) == OK)
        return m;
    free(m);
    return NULL;
}

/* That they cannot be written is said, and no failure. */
static void publish_numbers(struct verb_run *v, const struct chain_dir *d, struct metrics *m)
{
    struct fault f;
    char dir[CHAIN_PATH_MAX];
    fault_clear(&f);
    err_t e = chain_dir_path(dir, d, "metrics");
    if (e == OK)
        e = metrics_publish(m, dir, 1, &f);
    if (e != OK)
        verb_print_fault(v, &f);
}

static err_t end_shard(struct verb_run *v, const struct chain_opened *c, const char *shard,
                       enum chain_state how)
{
    struct chain_node *n;
    struct chain_node_status s;
    struct metrics *m = shard_metrics(&c->dir, shard);
    err_t e = chain_node_open(&n, &c->dir, shard, signkey_signer(c->key), m, &v->fault);
    if (e != OK) {
        free(m);
        return e;
    }
    e = chain_node_end(n, how, &v->fault);
    chain_node_get_status(n, &s);
    publish_numbers(v, &c->dir, m);
    chain_node_free(n);
    free(m);
    if (e == OK)
        fprintf(v->out, "%s s%s with %llu ballots\n", state_name(how), shard, (unsigned long long)s.ballots);
    return e;
}

err_t verb_chain_split(struct verb_run *v, int argc, char **argv)
{
    struct chain_options o = {0};
    struct chain_opened c = {0};
    const char *path, *shard = NULL;
    int running;
    const struct arg options[] = {
        CHAIN_BOARD(o),
        {"shard", ARG_TEXT, &shard, "NAME", "the shard, as s or s01", 1},
        {"key", ARG_TEXT, &o.key, "FILE", "the chain's key, if no node runs", 0},
        {"passphrase-file", ARG_TEXT, &o.passphrase, "FILE", "passphrase of the key", 0},
        {"no-passphrase", ARG_FLAG, &o.none, NULL, "the key has none", 0},
        {0}};
    TRY(directory(v, &path, argc, argv, options));
    if (v->help_shown)
        return OK;
    if (shard[0] != 's')
        return fault_set(&v->fault, ERR_USAGE, "a shard is s and its bits");
    TRY(chain_front_ask_split(path, shard + 1, &running, &v->fault));
    if (running) {
        fprintf(v->out, "split %s while it runs\n", shard);
        return OK;
    }
    if (o.key == NULL)
        return fault_set(&v->fault, ERR_USAGE, "no node runs: --key is needed");
    err_t e = chain_opened_open(&c, v, &o, path, 1);
    if (e == OK)
        e = end_shard(v, &c, shard + 1, CHAIN_SPLIT);
    chain_opened_close(&c);
    return e;
}

err_t verb_chain_close(struct verb_run *v, int argc, char **argv)
{
    struct chain_options o = {0};
    struct chain_opened c = {0};
    struct chain_shard_look *look = NULL;
    const char *path;
    size_t count = 0;
    const struct arg options[] = {CHAIN_BOARD(o), CHAIN_KEY(o, "the chain's key"), {0}};
    TRY(directory(v, &path, argc, argv, options));
    if (v->help_shown)
        return OK;
    err_t e = chain_opened_open(&c, v, &o, path, 1);
    if (e == OK)
        e = chain_dir_shards(&look, &count, &c.dir, &v->fault);
    for (size_t i = 0; i < count && e == OK; i++)
        if (look[i].last.state == CHAIN_OPEN)
            e = end_shard(v, &c, look[i].name.s, CHAIN_CLOSED);
    free(look);
    if (e == OK)
        e = print_status(v, &c.dir);
    chain_opened_close(&c);
    return e;
}

/* --- export, prune --- */

err_t verb_chain_export(struct verb_run *v, int argc, char **argv)
{
    struct chain_options o = {0};
    struct chain_opened c = {0};
    struct chain_snapshot *s = NULL;
    const char *path, *out = NULL;
    int ids = 0;
    const struct arg options[] = {
        CHAIN_BOARD(o),
        {"out", ARG_TEXT, &out, "DIR", "where the export goes; never overwritten", 1},
        {"ids", ARG_FLAG, &ids, NULL, "with ids and leaf hashes, as after pruning", 0},
        {0}};
    TRY(directory(v, &path, argc, argv, options));
    if (v->help_shown)
        return OK;
    err_t e = chain_opened_open(&c, v, &o, path, 0);
    if (e == OK)
        e = chain_dir_settle(&c.dir, &v->fault);
    if (e == OK)
        e = chain_export(&s, &c.dir, out, ids, &v->fault);
    if (e == OK)
        e = chain_export_publish(&c.dir, &v->fault);
    if (e == OK) {
        fprintf(v->out, "snapshot   %llu, %s, %zu shards, %llu ballots\n", (unsigned long long)s->number,
                chain_snapshot_complete(s) ? "complete" : "voting goes on", s->shard_count,
                (unsigned long long)chain_sums_ballots(s->sums));
        verb_print_fingerprint(v, "snapshot", &s->id);
    }
    chain_snapshot_free(s);
    chain_opened_close(&c);
    return e;
}

err_t verb_chain_prune(struct verb_run *v, int argc, char **argv)
{
    struct chain_options o = {0};
    struct chain_opened c = {0};
    struct chain_pruned pruned;
    const char *path, *from = NULL;
    const struct arg options[] = {
        CHAIN_BOARD(o),
        {"export", ARG_TEXT, &from, "DIR", "an export that enough validators signed", 1},
        {0}};
    TRY(directory(v, &path, argc, argv, options));
    if (v->help_shown)
        return OK;
    err_t e = chain_opened_open(&c, v, &o, path, 0);
    if (e == OK)
        e = chain_prune(&pruned, &c.dir, from, &v->fault);
    if (e == OK)
        e = chain_export_publish(&c.dir, &v->fault);
    if (e == OK)
        fprintf(v->out, "pruned %llu files, %llu bytes\n", (unsigned long long)pruned.segments,
                (unsigned long long)pruned.bytes);
    chain_opened_close(&c);
    return e;
}
