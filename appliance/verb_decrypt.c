/* Decryption night, drills and retirement. */
#include <stdlib.h>
#include <string.h>

#include "appliance/work.h"
#include "ceremony/base/file.h"
#include "tally/aggregate.h"
#include "tally/plan.h"
#include "ui/progress.h"
#include "ui/prompt.h"
#include "ui/table.h"

/* --- verification on this machine --- */

struct watch {
    struct progress progress;
    uint64_t total;
};

static err_t on_event(void *ctx, const struct aggregate_event *ev)
{
    struct watch *w = ctx;
    if (ev->kind == AGGREGATE_REFUSED) {
        char text[2048];
        fault_text(text, sizeof text, ev->fault);
        progress_end(&w->progress);
        fprintf(stderr, "refused: %s\n", text);
    }
    if (ev->kind == AGGREGATE_FEW) {
        progress_end(&w->progress);
        fprintf(stderr, "note: a correction of %s takes away or adds only %llu ballots: no plan may be decrypted both before "
                "and after it\n", ev->place, (unsigned long long)ev->items);
    }
    if (ev->kind == AGGREGATE_VERIFIED || ev->kind == AGGREGATE_KNOWN)
        return progress_step(&w->progress, "verifying every ballot", ev->done, w->total);
    return OK;
}

static err_t count_file(void *ctx, const char *name, struct fault *f)
{
    (void)name;
    (void)f;
    ++*(uint64_t *)ctx;
    return OK;
}

static void on_violation(void *ctx, const char *rule, const struct fault *f)
{
    char text[2048];
    fault_text(text, sizeof text, f);
    fprintf(ctx, "rule %s broken: %s\n", rule, text);
}

/* Recomputes every record from the ballots, then the plan's rules against these records. */
static err_t verify_plan(struct session *s, const struct plan *p, const struct plan_set *older, const char *exports,
                         const char *work, struct fault *f)
{
    struct watch w = {0};
    struct aggregate_result res;
    struct node_provider nodes;
    char records[4200];
    progress_init(&w.progress, stderr, NULL);
    TRY(file_list(exports, count_file, &w.total, f));
    struct aggregate_report report = {&w, on_event};
    err_t e = aggregate_verified(&res, &s->el->ctx, exports, work, p, older, NULL, &report, f);
    progress_end(&w.progress);
    if (e != OK)
        return e;
    printf("verified on this machine: %llu ballots in %llu exports; %llu places missing, %llu ballots dropped, %llu "
           "exports corrected\n",
           (unsigned long long)res.ballots, (unsigned long long)(res.verified + res.known),
           (unsigned long long)res.missing, (unsigned long long)res.dropped, (unsigned long long)res.replaced);
    TRY(file_path(records, sizeof records, work, "records"));
    node_provider_dir(&nodes, records);
    return plan_check(p, &s->el->ctx, &nodes, on_violation, stderr, f);
}

/* --- what am I about to decrypt? --- */

static err_t print_plan(const struct session *s, const struct plan *p)
{
    static const struct table_column column[] = {
        {"level", TABLE_LEFT}, {"contests and places", TABLE_RIGHT}, {"ballots, fewest", TABLE_RIGHT}, {"most", TABLE_RIGHT}};
    const struct manifest *m = s->el->m;
    struct table *t;
    TRY(table_new(&t, column, 4));
    err_t e = OK;
    for (uint32_t level = 0; level < m->level_count && e == OK; level++) {
        uint64_t count = 0, low = UINT64_MAX, high = 0;
        for (size_t i = 0; i < p->unit_count; i++) {
            if (p->unit[i].level != level)
                continue;
            count++;
            low = p->unit[i].ballots < low ? p->unit[i].ballots : low;
            high = p->unit[i].ballots > high ? p->unit[i].ballots : high;
        }
        char a[24], b[24], c[24];
        if (count == 0)
            continue;
        snprintf(a, sizeof a, "%llu", (unsigned long long)count);
        snprintf(b, sizeof b, "%llu", (unsigned long long)low);
        snprintf(c, sizeof c, "%llu", (unsigned long long)high);
        const char *cell[] = {m->level[level], a, b, c};
        e = table_row(t, cell);
    }
    if (e == OK)
        e = table_print(t, stdout, TABLE_UNICODE, 20);
    table_free(t);
    return e;
}

/* --- decrypt --- */

struct decrypt_args {
    struct common c;
    const char *plan, *exports, *work, *despite;
    struct arg_list supersedes; /* back to the first plan */
};

/* This token, or another, may have decrypted every plan before this one. */
static err_t check_older(struct plan_set *older, struct session *s, const struct decrypt_args *a, const struct plan *p,
                         struct fault *f)
{
    if (a->supersedes.count == 0 && p->has_supersedes)
        return fault_set(f, ERR_MISSING, "this plan supersedes another one: name it, and all before it, with --supersedes");
    TRY(plan_set_load_var(older, &s->el->ctx, a->supersedes.item, a->supersedes.count, f));
    err_t e = plan_supersede_all(older->plan, older->count, p, &s->el->ctx, on_violation, stderr, f);
    /* Those who signed one of these have nothing against this one. */
    for (size_t i = 0; i < older->count && e == OK; i++)
        s->t.despite |= plan_signers(s->b, s->el->r, &older->plan[i]->id);
    return e;
}

/* The token may be bound to any plan of the chain: whose trustee was not there for the second one signs the third
 * after the first. All of them were compared with this one. */
static err_t sign_plan(struct session *s, const struct plan *p, const struct plan_set *older, struct fault *f)
{
    err_t e = plan_sign(&s->t, s->el->r, &p->id, p->has_supersedes ? &p->supersedes : NULL, f);
    for (size_t i = 0; e == ERR_TOKEN_BOUND && i < older->count; i++)
        e = plan_sign(&s->t, s->el->r, &p->id, &older->plan[i]->id, f);
    return e;
}

static err_t sign_and_decrypt(struct session *s, const struct plan *p, const struct plan_set *older, struct fault *f)
{
    struct target *target;
    TRY(plan_targets(&target, &s->el->ctx, p));
    err_t e = sign_plan(s, p, older, f);
    if (e == OK) {
        printf("plan signed\n");
        e = decrypt_make(&s->t, s->el->r, &p->id, target, p->unit_count, f);
    }
    if (e == OK)
        printf("partial decryption of %zu sums, with proofs, is on the board\n", p->unit_count);
    plan_targets_free(target, p->unit_count);
    return e;
}

static err_t run_decrypt(struct session *s, const struct decrypt_args *a, struct fault *f)
{
    struct plan *p = NULL;
    struct plan_set older = {0};
    err_t e;
    GO(fault_file(f, record_check(s->el->r, s->el->m, s->b, f), BUNDLE_RECORD));
    GO(plan_load_var(&p, &s->el->ctx, a->plan, f));
    if (a->despite != NULL)
        GO(seats_parse(&s->t.despite, a->despite, s->el->m->n, f));
    GO(check_older(&older, s, a, p, f));
    GO(verify_plan(s, p, &older, a->exports, a->work, f));
    GO(trustee_find(&s->t, f)); /* the token, only now */
    printf("%s\n", s->el->m->title);
    GO(print_plan(s, p));
    GO(print_fingerprint(stdout, "Decryption plan", &p->id));
    GO(prompt_words(stdin, stdout, "Compare the plan's words aloud, then type them to decrypt: ", &words_en, &p->id, f));
    GO(sign_and_decrypt(s, p, &older, f));
out:
    plan_set_free(&older);
    plan_free(p);
    return e;
}

err_t verb_decrypt(struct verb_run *v, int argc, char **argv)
{
    struct fault *f = &v->fault;
    struct decrypt_args a = {0};
    struct arg spec[] = {COMMON_ARGS(&a.c, 1, 1),
                         {"plan", ARG_TEXT, &a.plan, "FILE", "the decryption plan", 1},
                         {"exports", ARG_TEXT, &a.exports, "DIR", "all exports of the precincts, complete with ballots", 1},
                         {"work", ARG_TEXT, &a.work, "DIR", "where this machine keeps what it verified", 1},
                         {"supersedes", ARG_LIST, &a.supersedes, "FILE", "every plan before this one, back to the first; can be repeated", 0},
                         {"despite", ARG_TEXT, &a.despite, "SEATS", "disregard that these seats signed another plan", 0},
                         {0}};
    struct session s;
    TRY(verb_options(v, argc, argv, spec, NULL));
    if (v->help_shown)
        return OK;
    TRY(session_open_token(&s, &a.c, 1, stderr, f));
    err_t e = run_decrypt(&s, &a, f);
    session_close(&s);
    return e;
}

/* --- drill --- */

static err_t check_drills(struct session *s, const hash_t *challenge, struct fault *f)
{
    uint32_t good, bad;
    char text[128];
    TRY(work_drills(&good, &bad, s, challenge, f));
    if (bad != 0) {
        seats_text(text, bad);
        printf("drills that do not verify, by seats: %s\n", text);
    }
    seats_text(text, good);
    printf("seats that proved their share on this challenge: %s\n", text);
    return OK;
}

err_t verb_drill(struct verb_run *v, int argc, char **argv)
{
    struct fault *f = &v->fault;
    struct common c = {0};
    const char *text = NULL;
    int only_check = 0;
    struct arg spec[] = {COMMON_ARGS(&c, 1, 0),
                         {"challenge", ARG_TEXT, &text, "TEXT", "fresh words of another trustee, or of a public beacon", 1},
                         {"check", ARG_FLAG, &only_check, NULL, "only check the drills on the board; needs no token", 0},
                         {0}};
    struct session s;
    hash_t challenge;
    TRY(verb_options(v, argc, argv, spec, NULL));
    if (v->help_shown)
        return OK;
    TRY(work_challenge(&challenge, text));
    if (only_check)
        TRY(session_open(&s, &c, 1, stderr, f));
    else
        TRY(session_open_token(&s, &c, 1, stderr, f));
    err_t e = OK;
    if (!only_check)
        e = trustee_find(&s.t, f);
    if (e == OK && !only_check)
        e = drill_make(&s.t, s.el->r, &challenge, f);
    if (e == OK)
        e = check_drills(&s, &challenge, f);
    session_close(&s);
    return e;
}

/* --- retire --- */

err_t verb_retire(struct verb_run *v, int argc, char **argv)
{
    struct fault *f = &v->fault;
    struct common c = {0};
    struct arg spec[] = {COMMON_ARGS(&c, 1, 1), {0}};
    struct session s;
    hash_t anchor;
    TRY(verb_options(v, argc, argv, spec, NULL));
    if (v->help_shown)
        return OK;
    TRY(session_open_token(&s, &c, 1, stderr, f));
    err_t e = trustee_find(&s.t, f);
    if (e == ERR_MISSING && retire_again(&s.t, s.el->r, NULL) == OK) {
        printf("retired before: the ceremony key in the token is destroyed\n");
        e = OK;
        goto out;
    }
    GO(e);
    record_anchor(&anchor, &s.el->m->election, &s.el->r->id);
    GO(print_fingerprint(stdout, "Key to be given up", &anchor));
    GO(prompt_words(stdin, stdout, "Type the words of the key to destroy your part of it: ", &words_en, &anchor, f));
    int again;
    GO(work_retire(&s, &again, f));
    printf("retired: the ceremony key in the token is destroyed\n");
out:
    session_close(&s);
    return e;
}
