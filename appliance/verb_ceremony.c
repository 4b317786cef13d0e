/* The verbs of a key ceremony, one per phase. */
#include <stdlib.h>
#include <string.h>

#include "appliance/work.h"
#include "ui/prompt.h"
#include "ui/table.h"

/* Opens board and token, finds the enrolment and the roster. */
static err_t begin(struct session *s, const struct common *c, struct roster *r, struct fault *f)
{
    TRY(session_open_token(s, c, 0, stderr, f));
    err_t e = work_begin(s, r, f);
    if (e != OK)
        session_close(s);
    return e;
}

err_t verb_enroll(struct verb_run *v, int argc, char **argv)
{
    struct fault *f = &v->fault;
    struct common c = {0};
    const char *name = NULL, *organisation = NULL;
    struct arg spec[] = {COMMON_ARGS(&c, 1, 1),
                         {"name", ARG_TEXT, &name, "NAME", "your name, as it will stand in the record", 1},
                         {"organisation", ARG_TEXT, &organisation, "NAME", "your organisation", 1},
                         {0}};
    struct session s;
    TRY(verb_options(v, argc, argv, spec, NULL));
    if (v->help_shown)
        return OK;
    TRY(session_open_token(&s, &c, 0, stderr, f));
    err_t e = enroll_make(&s.t, name, organisation, f);
    if (e == OK) {
        char hex[17];
        hex_put(hex, s.t.enrolment->id.b, 8);
        printf("enrolled: %s, %s (%s)\n", name, organisation, hex);
    }
    session_close(&s);
    return e;
}

static err_t print_roster(const struct roster *r)
{
    static const struct table_column column[] = {{"seat", TABLE_RIGHT},        {"name", TABLE_LEFT},
                                                 {"organisation", TABLE_LEFT}, {"token", TABLE_LEFT},
                                                 {"serial", TABLE_LEFT},       {"enrolment", TABLE_LEFT}};
    struct table *t;
    TRY(table_new(&t, column, 6));
    err_t e = OK;
    for (uint32_t j = 0; j < r->n && e == OK; j++) {
        const struct enrolment *x = &r->seat[j];
        char seat[16], token[64], id[17];
        snprintf(seat, sizeof seat, "%u", j + 1);
        snprintf(token, sizeof token, "%s %s", x->manufacturer, x->model);
        hex_put(id, x->id.b, 8);
        const char *cell[] = {seat, x->name, x->organisation, token, x->serial, id};
        e = table_row(t, cell);
    }
    if (e == OK)
        e = table_print(t, stdout, TABLE_UNICODE, 20);
    table_free(t);
    return e;
}

err_t verb_roster(struct verb_run *v, int argc, char **argv)
{
    struct fault *f = &v->fault;
    struct common c = {0};
    const char *leave_out = NULL;
    struct arg spec[] = {COMMON_ARGS(&c, 1, 1),
                         {"leave-out", ARG_TEXT, &leave_out, "IDS",
                          "enrolments that were given up, full hex ids separated by comma", 0},
                         {0}};
    size_t left = 0;
    int is_signed;
    struct session s;
    struct roster r;
    hash_t out[TRUSTEES_MAX];
    TRY(verb_options(v, argc, argv, spec, NULL));
    if (v->help_shown)
        return OK;
    for (const char *p = leave_out; p != NULL && *p != '\0' && left < TRUSTEES_MAX;
         p += p[64] == ',' ? 65 : 64) {
        char hex[65];
        snprintf(hex, sizeof hex, "%.64s", p);
        if (hex_get(out[left++].b, HASH_LEN, hex) != OK || (p[64] != ',' && p[64] != '\0'))
            return fault_set(f, ERR_USAGE, "--leave-out takes ids of 64 hex digits");
    }
    TRY(session_open_token(&s, &c, 0, stderr, f));
    err_t e;
    GO(trustee_find(&s.t, f));
    GO(work_roster(&r, &is_signed, &s, &s.t.identity, out, left, f));
    if (is_signed) {
        printf("You signed this roster before.\n");
        GO(print_roster(&r));
        GO(print_fingerprint(stdout, "Roster", &r.ceremony, session_words(&c)));
        goto out;
    }
    GO(roster_check_own(&s.t, &r, f));
    printf("%s: %u of %u\n", s.el->m->title, r.t, r.n);
    GO(print_roster(&r));
    GO(print_fingerprint(stdout, "Roster", &r.ceremony, session_words(&c)));
    GO(prompt_words(stdin, stdout, "Compare the words aloud with the others, then type them: ",
                    session_words(&c), &r.ceremony, f));
    GO(roster_sign(&s.t, &r, f));
    printf("roster signed; you have seat %u\n", roster_seat(&r, &s.t.identity));
out:
    session_close(&s);
    return e;
}

/* Verbs that only need board, token and roster. */
static err_t simple(struct verb_run *v, int argc, char **argv,
                    err_t (*run)(struct session *s, const struct roster *r, struct fault *f))
{
    struct fault *f = &v->fault;
    struct common c = {0};
    struct arg spec[] = {COMMON_ARGS(&c, 1, 1), {0}};
    TRY(verb_options(v, argc, argv, spec, NULL));
    if (v->help_shown)
        return OK;
    struct roster *r = malloc(sizeof *r);
    if (r == NULL)
        return fault_set(f, ERR_MEMORY, "roster");
    struct session s;
    err_t e = begin(&s, &c, r, f);
    if (e == OK) {
        e = run(&s, r, f);
        session_close(&s);
    }
    free(r);
    return e;
}

static err_t run_deal(struct session *s, const struct roster *r, struct fault *f)
{
    TRY(deal_make(&s->t, r, f));
    printf("dealt: %u shares for the others are on the board, sealed to their tokens\n", r->n);
    return OK;
}

err_t verb_deal(struct verb_run *v, int argc, char **argv)
{
    return simple(v, argc, argv, run_deal);
}

static err_t run_reveal(struct session *s, const struct roster *r, struct fault *f)
{
    size_t count;
    TRY(reveal_make(&s->t, r, &count, f));
    if (count > 0)
        printf("answered %zu complaint(s) with a reveal\n", count);
    else
        printf("no complaint to answer\n");
    return OK;
}

err_t verb_reveal(struct verb_run *v, int argc, char **argv)
{
    return simple(v, argc, argv, run_reveal);
}

err_t verb_complain(struct verb_run *v, int argc, char **argv)
{
    struct fault *f = &v->fault;
    struct common c = {0};
    int include_missing = 0;
    struct arg spec[] = {COMMON_ARGS(&c, 1, 1),
                         {"missing", ARG_FLAG, &include_missing, NULL,
                          "complain also about shares whose ciphertext never arrived", 0},
                         {0}};
    struct session s;
    struct roster r;
    uint32_t bad, missing;
    char text[128];
    TRY(verb_options(v, argc, argv, spec, NULL));
    if (v->help_shown)
        return OK;
    TRY(begin(&s, &c, &r, f));
    err_t e;
    GO(shares_check(&s.t, &r, &bad, &missing, f));
    if (missing != 0 && !include_missing) {
        seats_text(text, missing);
        printf("not on this board: the shares from seats %s (fetch them, or say --missing)\n", text);
    }
    if (include_missing)
        bad |= missing;
    GO(complaint_make(&s.t, &r, bad, f));
    seats_text(text, bad);
    if (bad == 0)
        printf("every share that is here opens and matches; nothing to complain about\n");
    else
        printf("complained about seats %s\n", text);
out:
    session_close(&s);
    return e;
}

err_t verb_cut(struct verb_run *v, int argc, char **argv)
{
    struct fault *f = &v->fault;
    struct common c = {0};
    const char *absent_text = NULL;
    struct arg spec[] = {COMMON_ARGS(&c, 1, 1),
                         {"absent", ARG_TEXT, &absent_text, "SEATS",
                          "seats that are missing, such as 3,7; they will hold no share", 0},
                         {0}};
    struct session s;
    struct roster r;
    uint32_t absent = 0;
    struct cut cut = {0};
    struct outcome *oc = NULL;
    char text[128];
    TRY(verb_options(v, argc, argv, spec, NULL));
    if (v->help_shown)
        return OK;
    TRY(begin(&s, &c, &r, f));
    err_t e = OK;
    if (absent_text != NULL)
        GO(seats_parse(&absent, absent_text, r.n, f));
    oc = malloc(sizeof *oc);
    if (oc == NULL) {
        e = fault_set(f, ERR_MEMORY, "cut");
        goto out;
    }
    GO(work_cut(&cut, oc, &s, &r, absent, f));
    GO(cut_sign(&s.t, &r, &cut, f));
    seats_text(text, oc->qual);
    printf("cut of %zu entries; dealers that count: %s\n", cut.entry_count, text);
    seats_text(text, oc->holders);
    printf("holders of a share: %s\n", text);
out:
    cut_free(&cut);
    free(oc);
    session_close(&s);
    return e;
}

static err_t run_confirm(struct session *s, const struct roster *r, struct fault *f)
{
    TRY(work_confirm(s, r, NULL, f));
    printf(
        "confirmed: your share was rebuilt from board and token, proved, and used on the test ciphertext\n");
    return OK;
}

err_t verb_confirm(struct verb_run *v, int argc, char **argv)
{
    return simple(v, argc, argv, run_confirm);
}
