/* Looking: status, election check, fingerprints, merging boards, the record when the key is released. */
#include <stdlib.h>
#include <string.h>

#include "appliance/work.h"
#include "tally/fingerprint.h"
#include "tally/plan.h"
#include "tally/resultqr.h"
#include "ui/qr.h"
#include "ui/qrtext.h"
#include "ui/table.h"

static void print_warning(void *ctx, const char *sentence)
{
    fprintf(ctx, "warning: %s\n", sentence);
}

err_t verb_election_check(struct verb_run *v, int argc, char **argv)
{
    struct fault *f = &v->fault;
    struct common c = {0};
    struct arg spec[] = {COMMON_ARGS(&c, 1, 0), {0}};
    struct session s;
    TRY(verb_options(v, argc, argv, spec, NULL));
    if (v->help_shown)
        return OK;
    TRY(session_open(&s, &c, 0, stderr, f));
    const struct manifest *m = s.el->m;
    printf("%s, %s\n", m->title, m->date);
    printf("%u of %u trustees decrypt; %u dealers must qualify\n", m->t, m->n, m->min_qual);
    printf("%u places on %zu levels, %zu contests, %zu ballot styles\n", places_count(s.el->places),
           m->level_count, m->contest_count, m->style_count);
    manifest_warnings(m, print_warning, stdout);
    err_t e = print_fingerprint(stdout, "Election", &m->election, session_words(&c));
    session_close(&s);
    return e;
}

/* --- status --- */

static err_t print_seats(const struct status *st)
{
    static const struct table_column column[] = {{"seat", TABLE_RIGHT},      {"name", TABLE_LEFT},
                                                 {"roster", TABLE_LEFT},     {"deal", TABLE_LEFT},
                                                 {"complaints", TABLE_LEFT}, {"confirmed", TABLE_LEFT},
                                                 {"drills", TABLE_LEFT},     {"partials", TABLE_RIGHT}};
    struct table *t;
    TRY(table_new(&t, column, 8));
    err_t e = OK;
    for (uint32_t j = 0; j < st->roster.n && e == OK; j++) {
        const struct status_seat *x = &st->seat[j];
        char seat[16], complaints[128], partials[16];
        snprintf(seat, sizeof seat, "%u", j + 1);
        snprintf(partials, sizeof partials, "%d", x->partials);
        seats_text(complaints, x->complaints);
        const char *deal = x->dealt                            ? "yes"
                           : x->deal_error == ERR_MISSING      ? "-"
                           : x->deal_error == ERR_EQUIVOCATION ? "two different"
                                                               : "bad";
        int out = st->has_cut && st->outcome.fate[j] != FATE_QUALIFIED;
        const char *confirmed = x->confirmed ? "yes"
                                : out        ? seat_fate_name(st->outcome.fate[j])
                                : x->confirm_error == OK || x->confirm_error == ERR_MISSING ? "-"
                                                                                            : "bad";
        const char *cell[] = {seat,
                              st->roster.seat[j].name,
                              x->roster_signed ? "signed" : "-",
                              deal,
                              complaints,
                              confirmed,
                              x->drilled ? "yes" : "-",
                              partials};
        e = table_row(t, cell);
    }
    if (e == OK)
        e = table_print(t, stdout, TABLE_UNICODE, 20);
    table_free(t);
    return e;
}

static const char *next_step(const struct status *st)
{
    switch (st->stage) {
    case STAGE_ENROLL:
        return "every trustee runs enroll";
    case STAGE_ROSTER:
        return "compare the roster's words: every trustee runs roster";
    case STAGE_DEAL:
        return "every trustee runs roster and deal";
    case STAGE_CUT:
        return "one trustee runs cut, then every trustee runs confirm";
    case STAGE_COMPLAIN:
        return "dealers concerned run reveal; then one trustee runs cut, and every trustee confirm";
    case STAGE_CONFIRM:
        return "every holder runs confirm";
    case STAGE_RELEASED:
        return "the key is released: publish its words";
    }
    return "";
}

/* What this machine cannot do for a process that holds a token. */
static void print_confinement(void)
{
    char text[160];
    struct sandbox_state s;
    sandbox_probe(&s);
    sandbox_text(text, sizeof text, &s);
    if (text[0] != '\0')
        printf("on this machine processes are %s\n", text);
}

err_t verb_status(struct verb_run *v, int argc, char **argv)
{
    struct fault *f = &v->fault;
    struct common c = {0};
    struct arg spec[] = {COMMON_ARGS(&c, 1, 0), {0}};
    int made = 0;
    struct session s;
    struct status *st = NULL;
    hash_t anchor;
    TRY(verb_options(v, argc, argv, spec, NULL));
    if (v->help_shown)
        return OK;
    TRY(session_open(&s, &c, 0, stderr, f));
    err_t e;
    GO(status_read(&st, s.el->m, s.b, s.g, f));
    printf("%s: %s. %zu of %u enrolled\n", s.el->m->title, stage_name(st->stage), st->enrolled, s.el->m->n);
    if (st->rosters_differ)
        printf("STOP: trustees signed different rosters\n");
    if (st->has_roster)
        GO(print_seats(st));
    GO(print_exceptions(stdout, &s, f));
    print_confinement();
    printf("next: %s\n", next_step(st));
    if (st->stage != STAGE_RELEASED && s.el->r == NULL)
        goto out;
    GO(work_record(&s, st, &made, f));
    record_anchor(&anchor, &s.el->m->election, &s.el->r->id);
    printf(made ? "ceremony record written\n" : "ceremony record checked\n");
    GO(print_fingerprint(stdout, "Trust anchor (election and ceremony record)", &anchor, session_words(&c)));
out:
    status_free(st);
    session_close(&s);
    return e;
}

/* --- fingerprints --- */

struct shown {
    int qr;
    const struct word_list *words;
    struct fault *f;
};

/* Words, and the message as QR code; frees o. */
static err_t show_with(const struct shown *w, const char *title, const hash_t *h, char kind,
                       struct cbor_out *o)
{
    err_t e = print_fingerprint(stdout, title, h, w->words);
    if (e == OK)
        e = o->err;
    if (e == OK && w->qr)
        e = qr_print(stdout, kind, o->data, o->len, w->f);
    cbor_out_free(o);
    return e;
}

static err_t show_one(const struct shown *w, const char *title, enum fingerprint_kind kind, const hash_t *h)
{
    struct cbor_out o = CBOR_OUT_INIT;
    fingerprint_write(&o, kind, h);
    return show_with(w, title, h, QRTEXT_FINGERPRINT, &o);
}

static err_t show_key(const struct shown *w, const struct session *s)
{
    struct cbor_out o = CBOR_OUT_INIT;
    hash_t anchor;
    TRY(fault_file(w->f, record_check(s->el->r, s->el->m, s->b, w->f), BUNDLE_RECORD));
    record_anchor(&anchor, &s->el->m->election, &s->el->r->id);
    anchor_write(&o, &s->el->m->election, &s->el->r->id);
    return show_with(w, "Trust anchor (election and ceremony record)", &anchor, QRTEXT_CEREMONY, &o);
}

err_t verb_fingerprint(struct verb_run *v, int argc, char **argv)
{
    struct fault *f = &v->fault;
    struct common c = {0};
    const char *plan_file = NULL;
    struct shown w = {.f = f};
    struct arg spec[] = {COMMON_ARGS(&c, 1, 0),
                         {"plan", ARG_TEXT, &plan_file, "FILE", "also of this decryption plan", 0},
                         {"qr", ARG_FLAG, &w.qr, NULL, "each as a QR code too", 0},
                         {0}};
    struct session s;
    struct roster *r = NULL;
    TRY(verb_options(v, argc, argv, spec, NULL));
    if (v->help_shown)
        return OK;
    TRY(session_open(&s, &c, 0, stderr, f));
    err_t e;
    w.words = session_words(&c);
    GO(show_one(&w, "Election", FINGERPRINT_ELECTION, &s.el->m->election));
    r = malloc(sizeof *r);
    if (r != NULL && session_roster(&s, r, NULL) == OK)
        GO(show_one(&w, "Roster", FINGERPRINT_ROSTER, &r->ceremony));
    if (s.el->r != NULL)
        GO(show_key(&w, &s));
    if (plan_file != NULL) {
        struct plan *p;
        GO(plan_load_var(&p, &s.el->ctx, plan_file, f));
        e = show_one(&w, "Decryption plan", FINGERPRINT_PLAN, &p->id);
        plan_free(p);
    }
out:
    free(r);
    session_close(&s);
    return e;
}

/* --- merging --- */

err_t verb_merge(struct verb_run *v, int argc, char **argv)
{
    struct fault *f = &v->fault;
    struct common c = {0};
    struct arg spec[] = {COMMON_ARGS(&c, 1, 0), {0}};
    struct arg_list from = {.count = 0};
    struct session s;
    struct merge_report rep;
    TRY(verb_options(v, argc, argv, spec, &from));
    if (v->help_shown)
        return OK;
    if (from.count != 1)
        return fault_set(f, ERR_USAGE, "name the board to merge from");
    TRY(session_open(&s, &c, 0, stderr, f));
    size_t before = s.b->refused_count;
    err_t e = board_merge(s.b, from.item[0], &rep, f);
    for (size_t i = before; i < s.b->refused_count; i++) {
        char text[2048];
        fault_text(text, sizeof text, &s.b->refused[i].fault);
        fprintf(stderr, "refused: %s\n", text);
    }
    if (e == OK)
        printf("%zu new, %zu known, %zu refused, %zu ciphertexts\n", rep.added, rep.known, rep.refused,
               rep.detached);
    session_close(&s);
    return e;
}
