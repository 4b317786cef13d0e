#include "tally/steps.h"

#include "ceremony/base/file.h"

err_t step_plan_var(struct plan **out, const struct election_context *ctx, const char *records,
                    const struct plan_set *older, const char *out_path, struct fault *f)
{
    struct cbor_out bytes = CBOR_OUT_INIT;
    struct node_provider nodes;
    hash_t id;
    err_t e;
    *out = NULL;
    node_provider_dir(&nodes, records);
    if (older->count > 0)
        GO(plan_make_after(&bytes, &id, ctx, &nodes, older->plan, older->count, f));
    else
        GO(plan_make(&bytes, &id, ctx, &nodes, NULL, f));
    GO(plan_parse_var(out, ctx, bytes.data, bytes.len, f));
    GO(plan_check(*out, ctx, &nodes, NULL, NULL, f));
    GO(plan_supersede_all(older->plan, older->count, *out, ctx, NULL, NULL, f));
    if (out_path != NULL)
        GO(file_write(out_path, bytes.data, bytes.len, FILE_NEW, f));
out:
    cbor_out_free(&bytes);
    if (e != OK) {
        plan_free(*out);
        *out = NULL;
    }
    return e;
}

/* A result that is there keeps its partials: later ones change nothing. *out NULL: there is none. */
static err_t existing_result(struct result **out, const char *path, const hash_t *plan, struct fault *f)
{
    struct fault g;
    *out = NULL;
    err_t e = result_load(out, path, &g);
    if (e == ERR_MISSING)
        return OK;
    if (e == OK && hash_cmp(&(*out)->plan, plan) != 0) {
        fault_set(&g, ERR_EXISTS, "it is the result of another plan");
        e = fault_file(&g, ERR_EXISTS, path);
    }
    if (e != OK && f != NULL)
        *f = g;
    return e;
}

err_t step_combine_var(struct combination **out, const struct bundle_election *be, const struct board *b,
                       const struct plan *plan, const char *out_path, progress_fn progress,
                       void *progress_ctx, struct fault *f)
{
    struct target *target = NULL;
    struct result *before = NULL;
    struct cbor_out bytes = CBOR_OUT_INIT;
    err_t e;
    *out = NULL;
    GO(fault_file(f, record_check(be->r, be->m, b, f), BUNDLE_RECORD));
    GO(plan_targets(&target, &be->ctx, plan));
    GO(existing_result(&before, out_path, &plan->id, f));
    struct combine_options options = {before ? before->partial : NULL, before ? before->partial_count : 0,
                                      progress, progress_ctx};
    GO(combine_partials_var(out, be->m, be->r, b, &plan->id, target, plan->unit_count, &options, f));
    result_write(&bytes, (*out)->result);
    GO(bytes.err);
    GO(file_write(out_path, bytes.data, bytes.len, FILE_NEW, f));
out:
    cbor_out_free(&bytes);
    result_free(before);
    plan_targets_free(target, plan->unit_count);
    return e;
}
