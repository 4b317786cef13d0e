#include "tally/export_flow.h"

#include <stdlib.h>
#include <string.h>

#define PENDING_MAX 4096

struct pending {
    const struct export_flow_ops *ops;
    void *ctx;
    size_t from, count; /* its ballots in the batch */
    int ended;
    err_t why;
    struct fault *fault; /* of why */
};

struct export_flow {
    struct ballot_batch *batch;
    size_t count; /* exports that wait; the last one may still be read */
    struct pending pending[PENDING_MAX];
};

err_t export_flow_new(struct export_flow **out, const struct ballot_layout *layout,
                      const struct election_context *ctx, size_t points, size_t threads)
{
    *out = NULL;
    struct export_flow *flow = calloc(1, sizeof *flow);
    if (!flow)
        return ERR_MEMORY;
    err_t e = ballot_batch_new(&flow->batch, layout, ctx, points, threads);
    if (e != OK) {
        free(flow);
        return e;
    }
    *out = flow;
    return OK;
}

void export_flow_free(struct export_flow *flow)
{
    if (!flow)
        return;
    for (size_t i = 0; i < flow->count; i++) {
        struct pending *p = &flow->pending[i];
        if (p->ops)
            p->ops->drop(p->ctx);
        free(p->fault);
    }
    ballot_batch_free(flow->batch);
    free(flow);
}

static err_t hand_out(struct export_flow *flow, struct pending *p)
{
    if (p->count)
        TRY(p->ops->span(p->ctx, flow->batch, p->from, p->from + p->count));
    p->from = p->count = 0;
    if (!p->ended)
        return OK;
    const struct export_flow_ops *ops = p->ops;
    p->ops = NULL; /* it is over, whatever comes */
    return ops->end(p->ctx, p->why, p->fault);
}

static err_t run(struct export_flow *flow)
{
    size_t left = 0;
    TRY(ballot_batch_run(flow->batch));
    for (size_t i = 0; i < flow->count; i++)
        TRY(hand_out(flow, &flow->pending[i]));
    for (size_t i = 0; i < flow->count; i++) {
        struct pending p = flow->pending[i];
        if (p.ended)
            free(p.fault);
        else
            flow->pending[left++] = p;
    }
    flow->count = left;
    ballot_batch_clear(flow->batch);
    return OK;
}

static err_t keep_fault(struct pending *p, err_t why, const struct fault *f)
{
    p->fault = malloc(sizeof *p->fault);
    if (!p->fault)
        return ERR_MEMORY;
    *p->fault = *f;
    p->why = why;
    return OK;
}

err_t export_flow_add(struct export_flow *flow, struct export_reader *r, const struct export_flow_ops *ops,
                      void *ctx)
{
    const uint8_t *item;
    size_t len;
    struct fault f;
    if (flow->count == PENDING_MAX)
        TRY(run(flow));
    struct pending *p = &flow->pending[flow->count++];
    *p = (struct pending){.ops = ops, .ctx = ctx, .from = ballot_batch_count(flow->batch)};
    for (;;) {
        fault_clear(&f);
        err_t e = export_next(r, &item, &len, &f);
        if (e == ERR_MEMORY)
            return e;
        if (e != OK)
            TRY(keep_fault(p, e, &f));
        if (e != OK || !item)
            break;
        if (!ballot_batch_has_room(flow->batch, len)) {
            TRY(run(flow));
            p = &flow->pending[0]; /* the only one that is not ended */
            if (ops->enough(ctx))
                break;
        }
        TRY(ballot_batch_put(flow->batch, item, len, export_item_offset(r)));
        p->count++;
    }
    p->ended = 1;
    return OK;
}

err_t export_flow_end(struct export_flow *flow)
{
    return flow->count ? run(flow) : OK;
}
