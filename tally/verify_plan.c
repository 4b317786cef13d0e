/* The decryption plan against records and board. */
#include <stdlib.h>
#include <string.h>

#include "tally/verify_state.h"

err_t verify_check_plan_form(struct verify *v, enum verify_id id)
{
    char path[BUNDLE_PATH_MAX];
    struct fault f;
    fault_clear(&f);
    if (v->r == NULL || v->places == NULL) {
        verify_skip(v, id, "there are no good manifest, places and ceremony record");
        return OK;
    }
    err_t e = verify_path(v, path, BUNDLE_PLAN);
    if (e == OK)
        e = plan_load_var(&v->plan, &v->ctx, path, &f);
    if (e == ERR_MEMORY)
        return e;
    if (e != OK) {
        if (f.err == OK)
            fault_set(&f, e, "cannot be read");
        verify_fail(v, id, &f);
        return OK;
    }
    if (v->plan->has_supersedes)
        verify_note(v, id, "it supersedes an earlier plan; the rules between the two take the earlier one");
    return plan_targets(&v->target, &v->ctx, v->plan);
}

/* --- the rules of plan.h, by check --- */

static enum verify_id check_of(const char *rule)
{
    if (strcmp(rule, "plan-root") == 0 || strcmp(rule, "plan-hash") == 0)
        return CHECK_PLAN_RECORDS;
    if (strcmp(rule, "plan-ballots") == 0 || strcmp(rule, "plan-sum") == 0 ||
        strcmp(rule, "plan-identity") == 0)
        return CHECK_PLAN_SUMS;
    if (strcmp(rule, "plan-minimum") == 0 || strcmp(rule, "plan-remainder") == 0)
        return CHECK_PLAN_MINIMUM;
    return CHECK_PLAN_UNITS;
}

static void violated(void *ctx, const char *rule, const struct fault *f)
{
    struct verify *v = ctx;
    if (strcmp(rule, "plan-records") == 0) { /* reported by records.*, with all details */
        v->records_consistent = 0;
        return;
    }
    struct fault mine = *f;
    fault_file(&mine, f->err, BUNDLE_PLAN);
    verify_fail(v, check_of(rule), &mine);
}

static err_t check_rules(struct verify *v)
{
    char dir[BUNDLE_PATH_MAX];
    struct fault f;
    fault_clear(&f);
    if (verify_path(v, dir, BUNDLE_RECORDS) != OK)
        return ERR_LIMIT;
    v->records_consistent = 1;
    node_provider_dir(&v->nodes, dir);
    err_t e = plan_check(v->plan, &v->ctx, &v->nodes, violated, v, &f);
    enum err_class c = err_class(e);
    if ((c == CLASS_SYSTEM && e != ERR_IO) || c == CLASS_BUG)
        return e;
    if (e == ERR_IO)
        v->records_consistent = 0;
    v->plan_checked = 1;
    return OK;
}

err_t verify_check_plan_rules(struct verify *v, enum verify_id id)
{
    if (v->plan == NULL) {
        verify_skip(v, id, "there is no good plan");
        return OK;
    }
    if (!v->plan_checked)
        TRY(check_rules(v));
    if (!v->records_consistent && id != CHECK_PLAN_MINIMUM)
        verify_skip(v, id,
                    "the records are not consistent; what the plan says of them was not fully compared");
    return OK;
}

err_t verify_check_plan_complete(struct verify *v, enum verify_id id)
{
    if (v->plan == NULL || v->whole == NULL) {
        verify_skip(v, id, "there are no good plan and records");
        return OK;
    }
    uint8_t shown[CONTESTS_MAX] = {0}; /* by contest: the whole is a unit */
    for (size_t i = 0; i < v->plan->unit_count; i++)
        if (v->plan->unit[i].level == 0)
            shown[v->plan->unit[i].contest] = 1;
    for (size_t i = 0; i < v->whole->tallies->count; i++) {
        const struct tally *t = &v->whole->tallies->tally[i];
        if (shown[t->contest])
            continue;
        const char *contest = v->m->contest[t->contest].id;
        if (t->ballots >= v->m->minimum)
            verify_failf(v, id, ERR_MISSING, BUNDLE_PLAN, NULL,
                         "contest %s of the whole election is not in the plan", contest);
        else
            verify_note(v, id, "contest %s is not decrypted: it has %llu ballots", contest,
                        (unsigned long long)t->ballots);
    }
    return OK;
}

/* --- who signed --- */

static const struct entry *plan_signature(const struct verify *v, uint32_t seat)
{
    for (size_t i = 0; i < v->b->entry_count; i++) {
        const struct entry *e = v->b->entry[i];
        struct cbor_in in;
        hash_t plan, previous;
        if (e->kind != ENTRY_PLAN || hash_cmp(&e->ceremony, &v->r->ceremony) != 0 ||
            hash_cmp(&e->subject, &v->plan->id) != 0 ||
            !point_equal(&e->author, &v->r->seat[seat - 1].identity))
            continue;
        cbor_in_init(&in, e->statement, e->statement_len);
        cbor_get_array_exact(&in, 2);
        cbor_get_hash(&in, &plan);
        if (!cbor_get_null(&in))
            cbor_get_hash(&in, &previous);
        if (cbor_in_end(&in, NULL) == OK && hash_cmp(&plan, &v->plan->id) == 0)
            return e;
    }
    return NULL;
}

err_t verify_check_plan_signed(struct verify *v, enum verify_id id)
{
    uint32_t count = 0;
    if (v->plan == NULL || v->b == NULL) {
        verify_skip(v, id, "there are no good plan and entries");
        return OK;
    }
    for (uint32_t j = 1; j <= v->r->n; j++)
        count += (v->r->holders >> (j - 1) & 1) && plan_signature(v, j) != NULL;
    if (count < v->m->plan_quorum)
        verify_failf(v, id, ERR_QUORUM, BUNDLE_ENTRIES, NULL,
                     "%u trustees signed this plan, the manifest asks for %u", count, v->m->plan_quorum);
    verify_note(v, id, "%u trustees signed this plan", count);
    if (!v->used_known) {
        verify_skip(v, id, "it is not known who decrypted");
        return OK;
    }
    for (size_t i = 0; i < v->result->partial_count; i++) {
        const struct seat *s = &v->r->seat[v->used_seat[i] - 1];
        if (plan_signature(v, v->used_seat[i]) == NULL)
            verify_failf(v, id, ERR_MISSING, BUNDLE_ENTRIES, s->name,
                         "seat %u decrypted, and has not signed this plan", v->used_seat[i]);
    }
    return OK;
}
