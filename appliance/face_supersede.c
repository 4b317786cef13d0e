/* Officials: a plan that replaces one that may have been decrypted. Everything is aggregated anew into a
 * folder of its own; the rules between plans are checked before anything of the plan is written, those about
 * corrections as the trustees' machines will check them. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "appliance/night.h"
#include "ceremony/base/file.h"
#include "tally/steps.h"

struct superseding {
    struct night *n;
    char folder[4096], plan[4200], records[4200];
    struct night_older older;
};

/* --- the page --- */

/* DIR, DIR-2, DIR-3, ...: the first one that has no plan. */
static void next_folder(char out[4096], const char *dir)
{
    char plan[4200];
    size_t stem = strlen(dir);
    while (stem > 0 && dir[stem - 1] >= '0' && dir[stem - 1] <= '9')
        stem--;
    if (stem == 0 || dir[stem - 1] != '-' || stem == strlen(dir))
        stem = strlen(dir) + 1;
    for (unsigned i = 2; i < 100; i++) {
        int n = snprintf(out, 4096, "%.*s-%u", (int)stem - 1, dir, i);
        if (n < 0 || n >= 4096) {
            out[0] = '\0';
            return;
        }
        if (strcmp(out, dir) != 0 && file_path(plan, sizeof plan, out, BUNDLE_PLAN) == OK &&
            access(plan, F_OK) != 0)
            return;
    }
}

static uint32_t partials_of(const struct session *s, const hash_t *plan)
{
    uint32_t here = 0;
    for (uint32_t j = 1; j <= s->el->r->n; j++) {
        const struct entry *one = NULL;
        err_t e = board_find(s->b, &one, NULL, ENTRY_PARTIAL, &s->el->r->ceremony,
                             &s->el->r->seat[j - 1].identity, plan);
        here += e != OK || one != NULL;
    }
    return here;
}

static err_t explain(struct superseding *x, struct fault *f)
{
    struct page_event ev;
    struct page *p = page_new(x->n->face->ui, MSG_SUPERSEDE_TITLE);
    page_text(p, MSG_SUPERSEDE_TEXT);
    page_head(p, MSG_SUPERSEDE_HEAD);
    page_text(p, MSG_SUPERSEDE_BOTH);
    page_text(p, MSG_SUPERSEDE_RULES, UI_NUMBER(x->n->s.el->m->minimum));
    page_text(p, MSG_SUPERSEDE_TRUSTEES);
    page_action_flags(p, 'g', 1, PAGE_NEEDS_READ, MSG_OK);
    err_t e = page_run(p, &ev, f);
    page_free(p);
    return e != OK ? e : ev.action == PAGE_BACK ? face_back(f) : OK;
}

static err_t agree(struct superseding *x, struct fault *f)
{
    struct night *n = x->n;
    struct page_event ev;
    char hex[2 * HASH_LEN + 1], seats[128];
    const struct plan *plan = n->w.p;
    uint32_t signers = plan_signers(n->s.b, n->s.el->r, &plan->id), partials = partials_of(&n->s, &plan->id);
    hex_put(hex, plan->id.b, HASH_LEN);
    seats_text(seats, signers);
    struct page *p = page_new(n->face->ui, MSG_SUPERSEDE_TITLE);
    page_value(p, n->s.el->m->title, MSG_ELECTION);
    page_value(p, hex, MSG_SUPERSEDE_OLD);
    page_value(p, seats, MSG_SUPERSEDE_SIGNERS);
    if (partials > 0)
        page_warn(p, MSG_SUPERSEDE_PARTIALS, UI_NUMBER(partials));
    page_field_text(p, x->folder, sizeof x->folder, 1, MSG_SUPERSEDE_FOLDER);
    page_action_flags(p, 'g', 1, PAGE_NEEDS_ALL | PAGE_DANGER, MSG_SUPERSEDE_GO);
    err_t e = page_run(p, &ev, f);
    page_free(p);
    return e != OK ? e : ev.action == PAGE_BACK ? face_back(f) : OK;
}

/* --- the work, in a child --- */

/* The rule that a fault names at its beginning, for the page that tells it in plain words. */
static void tell_rule(struct night_child *child, const struct fault *f)
{
    char rule[64];
    size_t n = strcspn(f->detail, ":");
    if (n >= sizeof rule)
        return;
    memcpy(rule, f->detail, n);
    rule[n] = '\0';
    if (night_rule_text(rule) != MSG_RULE_OTHER)
        night_violation(child, rule, f);
}

static err_t make_plan(struct superseding *x, struct night_child *child, const struct plan_set *older,
                       struct fault *f)
{
    const struct election_context *ctx = &x->n->s.el->ctx;
    struct aggregate_result result;
    struct aggregate_options how = {.accept_corrections = 1};
    struct aggregate_report report = {child, night_aggregate};
    struct plan *plan = NULL;
    err_t e;
    GO(aggregate(&result, ctx, x->n->face->exports, x->folder, x->records, &how, &report, f));
    GO(night_progress(child, "plan", 0, 0));
    GO(step_plan_var(&plan, ctx, x->records, older, NULL, f));
    GO(aggregate_verified(&result, ctx, x->n->face->exports, x->folder, plan, older, &how, NULL, f));
    plan_free(plan);
    plan = NULL;
    GO(step_plan_var(&plan, ctx, x->records, older, x->plan, f));
out:
    if (e != OK)
        tell_rule(child, f);
    plan_free(plan);
    return e;
}

static err_t supersede_work(struct night_child *child, void *ctx, struct fault *f)
{
    struct superseding *x = ctx;
    struct plan_set older = {0};
    const char *path[NIGHT_OLDER_MAX];
    TRY(file_is_dir(x->n->face->exports, f));
    TRY(plan_set_load_var(&older, &x->n->s.el->ctx, night_older_paths(&x->older, path), x->older.count, f));
    err_t e = make_plan(x, child, &older, f);
    plan_set_free(&older);
    return e;
}

static err_t work(struct superseding *x, struct fault *f)
{
    struct night *n = x->n;
    free(n->found);
    n->found = NULL;
    n->found_count = 0;
    TRY(file_path(x->plan, sizeof x->plan, x->folder, BUNDLE_PLAN));
    TRY(file_path(x->records, sizeof x->records, x->folder, BUNDLE_RECORDS));
    if (access(x->plan, F_OK) == 0)
        return fault_file(f, fault_set(f, ERR_EXISTS, "take another folder for the new plan"), x->plan);
    struct night_rights may = {.temp = x->folder};
    TRY(file_mkdir(x->folder, f)); /* only what is there can be named */
    night_allow(&may, n->face->c.board, 0);
    night_allow(&may, n->face->exports, 0);
    for (size_t i = 0; i < x->older.count; i++)
        night_allow(&may, x->older.path[i], 0);
    return night_job_confined(n->face, MSG_SUPERSEDE_WORKING, MSG_DECRYPT_VERIFYING_TEXT, supersede_work, x,
                              &may, &n->found, &n->found_count, f);
}

err_t night_supersede(struct night *n, const char *path, int *made, struct fault *f)
{
    static const struct refusal refusal = {MSG_SUPERSEDE_REFUSED_TITLE, MSG_SUPERSEDE_REFUSED};
    struct superseding *x = calloc(1, sizeof *x);
    err_t e;
    *made = 0;
    if (x == NULL)
        return fault_set(f, ERR_MEMORY, "a screen");
    x->n = n;
    next_folder(x->folder, n->face->tally);
    snprintf(x->older.path[0], sizeof x->older.path[0], "%s", path);
    GO(explain(x, f));
    GO(agree(x, f));
    x->older.count = 1;
    GO(night_ask_older(n, &x->older, n->w.p, f));
    e = work(x, f);
    if (e == OK) {
        snprintf(n->face->tally, sizeof n->face->tally, "%s", x->folder);
        *made = 1;
    } else if (night_count(n->found, n->found_count, FOUND_RULE) > 0 || e == ERR_MINIMUM) {
        e = night_refusal(n, &refusal, e, f);
    }
out:
    free(x);
    return e;
}
