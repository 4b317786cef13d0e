/* The process of one shard. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ceremony/base/secret.h"
#include "tally/chain_wire.h"
#include "tally/signkey.h"

#define READ_MAX ((size_t)1 << 20) /* bytes at a time */
#define PUBLISH_MS 1000            /* numbers are written so often at the least */

struct worker {
    const struct chain_worker_job *job;
    struct chain_node *node;
    struct metrics *metrics;
    struct chain_opener *opener;
    struct chain_buffer in, out;
    size_t envelope_max, ballot_max;
    size_t count, batch;       /* batch: envelopes answered together */
    uint8_t *ballots;          /* a slot of ballot_max for each */
    struct chain_offer *offer; /* and these */
    uint64_t *number;
    enum chain_frame_type end; /* what the front has asked for, or 0 */
    int gone;                  /* the front */
    struct fault fault;
};

/* Out of its envelope, into a slot. */
static err_t open_envelope(struct worker *w, struct chain_offer *o, uint8_t *slot, const uint8_t *data,
                           size_t len)
{
    const struct chain_context *ctx = &w->job->d->ctx;
    struct chain_envelope v;
    uint8_t dh[32];
    TRY(chain_envelope_parse(&v, ctx, data, len, NULL));
    o->id = v.ballot;
    if (v.ct_len - 16 > w->ballot_max)
        return ERR_LIMIT;
    err_t e = signkey_dh(dh, w->job->envelope, v.enc);
    if (e == OK)
        e = chain_envelope_open(slot, w->opener, &v, dh);
    secret_wipe(dh, sizeof dh);
    o->data = slot;
    o->len = v.ct_len - 16;
    return e;
}

static err_t take_frame(struct worker *w, const struct chain_frame *frame)
{
    if (frame->type == FRAME_SPLIT || frame->type == FRAME_FINISH) {
        w->end = frame->type;
        return OK;
    }
    struct chain_offer *o = &w->offer[w->count];
    memset(o, 0, sizeof *o);
    o->err = open_envelope(w, o, w->ballots + w->count * w->ballot_max, frame->data, frame->len);
    metrics_add(w->metrics, METRIC_CHAIN_RECEIVED, frame->len);
    if (err_class(o->err) == CLASS_SYSTEM)
        return fault_set(&w->fault, o->err, "opening an envelope");
    w->number[w->count++] = frame->number;
    return OK;
}

/* What is complete, up to a batch. */
static err_t take_frames(struct worker *w)
{
    w->count = 0;
    while (w->count < w->batch && w->end == 0) {
        struct chain_frame frame;
        int got;
        if (chain_frame_get(&w->in, &frame, w->envelope_max, &got) != OK)
            return fault_set(&w->fault, ERR_BUG, "a frame that is too long");
        if (!got)
            return OK;
        TRY(take_frame(w, &frame));
    }
    return OK;
}

/* Waits until all of it is out: the front always reads. */
static err_t send_all(struct worker *w)
{
    while (w->out.pos < w->out.len) {
        struct pollfd p = {w->job->fd, POLLOUT, 0};
        if (chain_buffer_drain(&w->out, w->job->fd) != OK)
            return fault_set(&w->fault, ERR_IO, "the front is gone");
        if (w->out.pos < w->out.len && poll(&p, 1, -1) < 0 && errno != EINTR)
            return fault_set(&w->fault, ERR_IO, "waiting for the front");
    }
    return OK;
}

static err_t answer(struct worker *w)
{
    for (size_t i = 0; i < w->count; i++) {
        const struct chain_offer *o = &w->offer[i];
        uint8_t verdict[VERDICT_LEN] = {(uint8_t)o->err, (uint8_t)((unsigned)o->err >> 8), (uint8_t)o->again};
        memcpy(verdict + 3, o->id.b, HASH_LEN);
        if (chain_frame_put(&w->out, FRAME_VERDICT, w->number[i], verdict, sizeof verdict) != OK)
            return fault_set(&w->fault, ERR_MEMORY, "answers");
    }
    return send_all(w);
}

static err_t work_off(struct worker *w)
{
    for (;;) {
        TRY(take_frames(w));
        if (w->count == 0)
            return OK;
        TRY(chain_node_offer(w->node, w->offer, w->count, &w->fault));
        TRY(answer(w));
        if (chain_node_due(w->node) == 0)
            TRY(chain_node_block(w->node, &w->fault));
    }
}

static err_t wait_for_more(struct worker *w)
{
    int due = chain_node_due(w->node);
    struct pollfd p = {w->job->fd, POLLIN, 0};
    int ready = poll(&p, 1, due < 0 || due > PUBLISH_MS ? PUBLISH_MS : due);
    if (ready < 0 && errno != EINTR)
        return fault_set(&w->fault, ERR_IO, "waiting for the front");
    if (ready > 0) {
        err_t e = chain_buffer_fill(&w->in, w->job->fd, READ_MAX, &w->gone);
        if (e != OK)
            return fault_set(&w->fault, e, "reading from the front");
    }
    return OK;
}

static err_t serve(struct worker *w)
{
    struct fault ignored; /* numbers that cannot be written stop nothing */
    while (w->end == 0 && !w->gone) {
        TRY(wait_for_more(w));
        TRY(work_off(w));
        if (chain_node_due(w->node) == 0)
            TRY(chain_node_block(w->node, &w->fault));
        if (metrics_publish(w->metrics, w->job->metrics, 0, &ignored) != OK)
            continue;
    }
    if (w->end == FRAME_SPLIT)
        return chain_node_end(w->node, CHAIN_SPLIT, &w->fault);
    return w->end == FRAME_FINISH ? chain_node_block(w->node, &w->fault) : OK;
}

static err_t worker_start(struct worker *w)
{
    const struct chain_worker_job *job = w->job;
    char process[TEXT_ID_MAX + 1], shard[CHAIN_SHARD_MAX + 2];
    w->envelope_max = chain_envelope_len_max(job->d->ctx.e);
    w->ballot_max = ballot_len_max(job->d->ctx.e);
    w->batch = job->d->tuning.batch;
    w->ballots = calloc(w->batch, w->ballot_max);
    w->offer = calloc(w->batch, sizeof *w->offer);
    w->number = calloc(w->batch, sizeof *w->number);
    w->metrics = calloc(1, sizeof *w->metrics);
    if (signkey_forked(job->header) != OK || signkey_forked(job->envelope) != OK)
        return fault_set(&w->fault, ERR_LOCK, "the keys of the chain");
    if (!w->ballots || !w->offer || !w->number || !w->metrics ||
        chain_opener_new(&w->opener, &job->d->ctx) != OK)
        return fault_set(&w->fault, ERR_MEMORY, "the process of a shard");
    snprintf(process, sizeof process, "chain-s%s", job->shard.s);
    snprintf(shard, sizeof shard, "s%s", job->shard.s);
    TRY(metrics_init(w->metrics, "chain", process, job->d->ctx.c->id, shard));
    TRY(chain_node_open(&w->node, job->d, job->shard.s, signkey_signer(job->header), w->metrics, &w->fault));
    if (chain_frame_put(&w->out, FRAME_READY, 0, NULL, 0) != OK)
        return fault_set(&w->fault, ERR_MEMORY, "the process of a shard");
    return send_all(w);
}

static void report(struct worker *w, err_t e)
{
    if (w->fault.err != e)
        fault_set(&w->fault, e, "the process of the shard");
    err_t put = e == OK ? chain_frame_put(&w->out, FRAME_DONE, 0, NULL, 0)
                        : chain_frame_put(&w->out, FRAME_FAILED, 0, &w->fault, sizeof w->fault);
    if (put == OK)
        put = send_all(w);
    if (put != OK)
        w->gone = 1; /* who is not there is not told */
}

int chain_worker_run(const struct chain_worker_job *job)
{
    struct worker *w = calloc(1, sizeof *w);
    struct fault ignored;
    if (!w)
        return 1;
    w->job = job;
    fault_clear(&w->fault);
    err_t e = worker_start(w);
    if (e == OK)
        e = serve(w);
    if (w->metrics && metrics_publish(w->metrics, job->metrics, 1, &ignored) != OK)
        fault_clear(&ignored);
    chain_node_free(w->node);
    report(w, e);
    chain_buffer_free(&w->in);
    chain_buffer_free(&w->out);
    chain_opener_free(w->opener);
    free(w->ballots);
    free(w->offer);
    free(w->number);
    free(w->metrics);
    free(w);
    return e == OK ? 0 : 1;
}
