/* Decryption night, drills and retirement. */
#include <stdlib.h>
#include <string.h>

#include "appliance/work.h"
#include "appliance/work_plan.h"
#include "ceremony/base/file.h"
#include "ui/progress.h"
#include "ui/prompt.h"
#include "ui/table.h"

/* --- what verification says on the way --- */

static err_t on_progress(void *ctx, const char *what, uint64_t done, uint64_t total)
{
    if (strcmp(what, "plan") == 0) /* the rules take no time */
        return OK;
    if (strcmp(what, "chain") == 0)
        return progress_step(ctx, "verifying every ballot of a chain", done, total);
    return progress_step(ctx, "verifying every ballot", done, total);
}

static void on_event(void *ctx, const struct aggregate_event *ev)
{
    if (ev->kind == AGGREGATE_REFUSED) {
        char text[2048];
        fault_text(text, sizeof text, ev->fault);
        progress_end(ctx);
        fprintf(stderr, "refused: %s\n", text);
    }
    if (ev->kind == AGGREGATE_FEW) {
        progress_end(ctx);
        fprintf(stderr,
                "note: a correction of %s takes away or adds only %llu ballots: no plan may be decrypted "
                "both before "
                "and after it\n",
                ev->place, (unsigned long long)ev->items);
    }
}

static void on_violation(void *ctx, const char *rule, const struct fault *f)
{
    char text[2048];
    fault_text(text, sizeof text, f);
    progress_end(ctx);
    fprintf(stderr, "rule %s broken: %s\n", rule, text);
}

/* --- what am I about to decrypt? --- */

static err_t print_plan(const struct session *s, const struct plan *p)
{
    static const struct table_column column[] = {{"level", TABLE_LEFT},
                                                 {"contests and places", TABLE_RIGHT},
                                                 {"ballots, fewest", TABLE_RIGHT},
                                                 {"most", TABLE_RIGHT}};
    const struct manifest *m = s->el->m;
    struct plan_level level[LEVELS_MAX];
    struct table *t;
    TRY(table_new(&t, column, 4));
    err_t e = OK;
    work_plan_levels(level, m, p);
    for (size_t i = 0; i < m->level_count && e == OK; i++) {
        char a[24], b[24], c[24];
        if (level[i].sums == 0)
            continue;
        snprintf(a, sizeof a, "%llu", (unsigned long long)level[i].sums);
        snprintf(b, sizeof b, "%llu", (unsigned long long)level[i].low);
        snprintf(c, sizeof c, "%llu", (unsigned long long)level[i].high);
        const char *cell[] = {m->level[i], a, b, c};
        e = table_row(t, cell);
    }
    if (e == OK)
        e = table_print(t, stdout, TABLE_UNICODE, 20);
    table_free(t);
    return e;
}

static void print_found(const struct aggregate_result *r)
{
    printf("verified on this machine: %llu ballots in %llu exports; %llu places missing, %llu ballots "
           "dropped, %llu "
           "exports corrected\n",
           (unsigned long long)r->ballots, (unsigned long long)(r->verified + r->known),
           (unsigned long long)r->missing, (unsigned long long)r->dropped, (unsigned long long)r->replaced);
}

/* --- decrypt --- */

struct decrypt_args {
    struct common c;
    const char *plan, *exports, *work, *despite;
    struct arg_list supersedes; /* back to the first plan */
};

static err_t open_plan(struct plan_work *w, struct session *s, const struct decrypt_args *a,
                       const struct plan_watch *watch, struct fault *f)
{
    err_t e = work_plan_open(w, s, a->plan, a->supersedes.item, a->supersedes.count, watch, f);
    if (e == ERR_MISSING && w->p != NULL && a->supersedes.count == 0)
        return fault_set(f, ERR_MISSING,
                         "this plan supersedes another one: name it, and all before it, with --supersedes");
    return e;
}

static err_t sign_and_decrypt(struct session *s, const struct plan_work *w, struct fault *f)
{
    int is_signed;
    err_t e = work_plan_sign(w, s, &is_signed, f);
    if (is_signed)
        printf("plan signed\n");
    if (e == OK)
        printf("partial decryption of %zu sums, with proofs, is on the board\n", w->p->unit_count);
    return e;
}

static err_t run_decrypt(struct session *s, const struct decrypt_args *a, struct fault *f)
{
    struct plan_work w = {0};
    struct progress progress;
    struct plan_watch watch = {&progress, on_progress, on_event, on_violation};
    err_t e;
    progress_init(&progress, stderr, NULL);
    if (a->despite != NULL)
        GO(seats_parse(&s->t.despite, a->despite, s->el->m->n, f));
    GO(open_plan(&w, s, a, &watch, f));
    e = work_plan_verify(&w, s, a->exports, a->work, &watch, f);
    progress_end(&progress);
    GO(e);
    print_found(&w.found);
    printf("%s\n", s->el->m->title);
    GO(print_plan(s, w.p));
    GO(print_fingerprint(stdout, "Decryption plan", &w.p->id, session_words(&a->c)));
    GO(prompt_words(stdin, stdout, "Compare the plan's words aloud, then type them to decrypt: ",
                    session_words(&a->c), &w.p->id, f));
    /* The vault shows the words it computed itself; the token, and the PIN, only after that. */
    GO(work_plan_show(&w, s, f));
    GO(trustee_find(&s->t, f));
    GO(sign_and_decrypt(s, &w, f));
out:
    plan_work_free(&w);
    return e;
}

/* What this verb reads and writes besides the board. */
static err_t decrypt_paths(struct decrypt_args *a, struct sandbox_path path[SESSION_PATHS_MAX],
                           struct fault *f)
{
    size_t n = 0;
    TRY(file_mkdir(a->work, f)); /* only what is there can be named */
    if (setenv("SQLITE_TMPDIR", a->work, 1) != 0)
        return fault_set(f, ERR_MEMORY, "decrypt");
    path[n++] = (struct sandbox_path){a->work, 1};
    path[n++] = (struct sandbox_path){a->exports, 0};
    path[n++] = (struct sandbox_path){a->plan, 0};
    if (a->supersedes.count > SESSION_PATHS_MAX - n)
        return fault_set(f, ERR_LIMIT, "more than %d plans before this one", SESSION_PATHS_MAX - 3);
    for (size_t i = 0; i < a->supersedes.count; i++)
        path[n++] = (struct sandbox_path){a->supersedes.item[i], 0};
    a->c.path = path;
    a->c.path_count = n;
    return OK;
}

err_t verb_decrypt(struct verb_run *v, int argc, char **argv)
{
    struct fault *f = &v->fault;
    struct decrypt_args a = {0};
    struct arg spec[] = {
        COMMON_ARGS(&a.c, 1, 1),
        {"plan", ARG_TEXT, &a.plan, "FILE", "the decryption plan", 1},
        {"exports", ARG_TEXT, &a.exports, "DIR", "all exports of the precincts, complete with ballots", 1},
        {"work", ARG_TEXT, &a.work, "DIR", "where this machine keeps what it verified", 1},
        {"supersedes", ARG_LIST, &a.supersedes, "FILE",
         "every plan before this one, back to the first; can be repeated", 0},
        {"despite", ARG_TEXT, &a.despite, "SEATS", "disregard that these seats signed another plan", 0},
        {0}};
    struct session s;
    struct sandbox_path path[SESSION_PATHS_MAX];
    TRY(verb_options(v, argc, argv, spec, NULL));
    if (v->help_shown)
        return OK;
    TRY(decrypt_paths(&a, path, f));
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
    struct arg spec[] = {
        COMMON_ARGS(&c, 1, 0),
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
    GO(print_fingerprint(stdout, "Key to be given up", &anchor, session_words(&c)));
    GO(prompt_words(stdin, stdout,
                    "Type the words of the key to destroy your part of it: ", session_words(&c), &anchor, f));
    int again;
    GO(work_retire(&s, &again, f));
    printf("retired: the ceremony key in the token is destroyed\n");
out:
    session_close(&s);
    return e;
}
