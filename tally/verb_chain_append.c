/* Taking ballots into a chain. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ceremony/base/file.h"
#include "tally/chain_front.h"
#include "tally/settings.h"
#include "tally/verb_chain.h"

struct append {
    struct verb_run *v;
    uint64_t accepted, again, refused;
    err_t first;
    uint64_t first_number;
};

/* Told only after the ballot is on disk. */
static void on_verdict(void *ctx, uint64_t number, const hash_t *id, err_t e, int again)
{
    struct append *a = ctx;
    char hex[2 * HASH_LEN + 1];
    if (e != OK) {
        a->refused++;
        if (a->first == OK || number < a->first_number) {
            a->first = e;
            a->first_number = number;
        }
        fprintf(a->v->out, "refused %llu %s\n", (unsigned long long)number, err_name(e));
        return;
    }
    hex_put(hex, id->b, HASH_LEN);
    *(again ? &a->again : &a->accepted) += 1;
    fprintf(a->v->out, "%s %s\n", again ? "again" : "accepted", hex);
}

static err_t on_flush(void *ctx, struct fault *f)
{
    struct append *a = ctx;
    return fflush(a->v->out) == 0 ? OK : fault_set(f, ERR_IO, "writing to standard output failed");
}

static err_t take_file(struct chain_front *fr, const char *name, struct fault *f)
{
    if (strcmp(name, "-") == 0)
        return chain_front_take(fr, STDIN_FILENO, "standard input", f);
    FILE *in;
    err_t e = file_open(&in, name, f);
    if (e == ERR_FORMAT)
        fault_set(f, e, "not a regular file; a stream of envelopes is given on standard input");
    TRY(fault_file(f, e, name));
    e = chain_front_take(fr, fileno(in), name, f);
    fclose(in);
    return e;
}

static int is_about_input(err_t e)
{
    return err_class(e) == CLASS_INPUT || e == ERR_STOPPED;
}

/* What was read completely still counts when the input ends in the middle. */
static err_t take_all(struct append *a, const struct chain_front_job *job, const struct arg_list *files)
{
    struct chain_front *fr;
    struct fault why;
    struct verb_run *v = a->v;
    TRY(chain_front_new(&fr, job, &v->fault));
    err_t e = files->count == 0 ? take_file(fr, "-", &v->fault) : OK;
    for (size_t i = 0; i < files->count && e == OK; i++)
        e = take_file(fr, files->item[i], &v->fault);
    why = v->fault;
    err_t end = e == OK || is_about_input(e) ? chain_front_finish(fr, &v->fault) : e;
    if (end == OK && e != OK) {
        v->fault = why;
        end = e;
    }
    chain_front_free(fr);
    return end;
}

struct wanted {
    const char *batch, *queue, *threads;
};

/* What the command line says goes before the settings. */
static err_t tune(struct verb_run *v, struct chain_dir *d, const char *settings, const struct wanted *want)
{
    uint64_t batch = 0, queue = 0, threads = 0;
    struct settings s;
    TRY(args_number(&batch, want->batch, "batch", 1, SETTINGS_NODE_BATCH_MAX, &v->fault));
    TRY(args_number(&queue, want->queue, "queue", 1, SETTINGS_NODE_QUEUE_MAX, &v->fault));
    TRY(args_number(&threads, want->threads, "threads", 1, SETTINGS_NODE_THREADS_MAX, &v->fault));
    TRY(settings_load(&s, settings, d->path, &v->fault));
    d->tuning = (struct chain_tuning){.batch = settings_or(batch, s.node_batch, SETTINGS_NODE_BATCH),
                                      .queue = settings_or(queue, s.node_queue, SETTINGS_NODE_QUEUE),
                                      .threads = settings_or(threads, s.node_threads, SETTINGS_NODE_THREADS),
                                      .batch_points = s.batch_points,
                                      .window = s.window};
    return OK;
}

err_t verb_chain_append(struct verb_run *v, int argc, char **argv)
{
    struct chain_options o = {0};
    struct arg_list rest = {.count = 0};
    struct chain_opened c = {0};
    struct signkey *envelope = NULL;
    struct append a = {.v = v};
    const char *envelope_key = NULL;
    struct wanted want = {0};
    const struct arg options[] = {
        CHAIN_BOARD(o),
        CHAIN_KEY(o, "the chain's key, which signs headers"),
        {"envelope-key", ARG_TEXT, &envelope_key, "FILE", "the key that opens envelopes", 1},
        {"batch", ARG_TEXT, &want.batch, "N", "ballots that a shard answers together (default 512)", 0},
        {"queue", ARG_TEXT, &want.queue, "N", "ballots that wait, for each shard (default 4096)", 0},
        {"threads", ARG_TEXT, &want.threads, "N", "of each shard's process, that check ballots (default 1)",
         0},
        CHAIN_SETTINGS(o),
        {0}};
    TRY(verb_options(v, argc, argv, options, &rest));
    if (v->help_shown)
        return OK;
    if (rest.count == 0)
        return fault_set(&v->fault, ERR_USAGE, "the directory of the chain is needed");
    const char *path = rest.item[0];
    memmove(rest.item, rest.item + 1, --rest.count * sizeof rest.item[0]);
    err_t e;
    GO(chain_opened_open(&c, v, &o, path, 1));
    GO(tune(v, &c.dir, o.settings, &want));
    GO(verb_key_open(v, &envelope, envelope_key, o.passphrase, o.none));
    if (memcmp(signkey_signer(envelope)->key.b, c.dir.ctx.c->envelope.b, POINT_LEN) != 0)
        GO(fault_set(&v->fault, ERR_MISMATCH, "this key does not open envelopes of %s", c.dir.ctx.c->id));
    const struct chain_front_job job = {&c.dir, c.key, envelope, v->program->stop, &a, on_verdict, on_flush};
    e = take_all(&a, &job, &rest);
    fprintf(v->out, "taken %llu, already here %llu, refused %llu\n", (unsigned long long)a.accepted,
            (unsigned long long)a.again, (unsigned long long)a.refused);
    if (e == OK && a.first != OK)
        e = fault_set(&v->fault, a.first, "ballot %llu, the first that was refused",
                      (unsigned long long)a.first_number);
out:
    signkey_close(envelope);
    chain_opened_close(&c);
    return e;
}
