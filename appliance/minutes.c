#include "appliance/minutes.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ceremony/base/file.h"
#include "ceremony/exception.h"
#include "ui/page.h"

#define HOURS_MAX 17500000 /* the year 3966; more is no time */
#define SHORT_LEN 8        /* bytes of a hash that is told in a sentence */

struct making {
    struct sheet *sheet;
    enum language l;
    const struct session *s;
    struct status *st;
    struct record *own_record; /* made from the board, when it has none yet */
    const struct record *r;    /* or NULL */
};

/* --- words --- */

struct line {
    char text[MESSAGE_MAX];
};

static const char *say_args(struct line *out, const struct making *k, struct ui_args a)
{
    if (message_format(out->text, sizeof out->text, k->l, a.id, a.arg, a.count) != OK)
        out->text[0] = '\0';
    return out->text;
}
#define SAY(out, k, ...) say_args(out, k, UI_ARGS(__VA_ARGS__))

static const char *label(const struct making *k, enum message id)
{
    return message_text(k->l, id);
}

static void put_hash(const struct making *k, enum message what, const hash_t *h)
{
    char hex[2 * HASH_LEN + 1];
    hex_put(hex, h->b, HASH_LEN);
    sheet_fact(k->sheet, label(k, what), hex);
}

static err_t put_words(const struct making *k, const hash_t *h)
{
    char words[WORDS_TEXT_SIZE];
    TRY(words_put(words, language_words(k->l), h));
    sheet_fact(k->sheet, label(k, MSG_MINUTES_WORDS), words);
    return OK;
}

static const char *hour_text(struct line *out, const struct making *k, uint64_t hours)
{
    time_t t = (time_t)hours * 3600;
    struct tm tm;
    if (hours > HOURS_MAX || gmtime_r(&t, &tm) == NULL)
        return SAY(out, k, MSG_MINUTES_NO_TIME, UI_NUMBER(hours));
    strftime(out->text, sizeof out->text, "%Y-%m-%d %H h", &tm);
    return out->text;
}

/* --- who --- */

static const struct enrolment *seat_of(const struct making *k, const point_t *author, uint32_t *seat)
{
    *seat = k->st->has_roster ? roster_seat(&k->st->roster, author) : 0;
    return *seat != 0 ? &k->st->roster.seat[*seat - 1] : NULL;
}

static const char *who_text(struct line *out, const struct making *k, const struct entry *e)
{
    uint32_t seat;
    const struct enrolment *x = seat_of(k, &e->author, &seat);
    struct enrolment own;
    if (x != NULL)
        return SAY(out, k, MSG_MINUTES_SEAT_NAME, UI_NUMBER(seat), x->name);
    if (e->kind == ENTRY_ENROLL && enrolment_parse(&own, e, k->s->el->m, k->s->g, NULL) == OK) {
        snprintf(out->text, sizeof out->text, "%s", own.name);
        return out->text;
    }
    char hex[2 * SHORT_LEN + 1];
    hex_put(hex, e->kid.b, SHORT_LEN);
    return SAY(out, k, MSG_MINUTES_STRANGER, hex);
}

static enum message fate_text(const struct making *k, uint32_t seat)
{
    static const enum message text[] = {
        [FATE_QUALIFIED] = MSG_MINUTES_FATE_QUALIFIED,     [FATE_ABSENT] = MSG_MINUTES_FATE_ABSENT,
        [FATE_EQUIVOCATED] = MSG_MINUTES_FATE_EQUIVOCATED, [FATE_BAD_DEAL] = MSG_MINUTES_FATE_BAD_DEAL,
        [FATE_OUT_MANY] = MSG_MINUTES_FATE_OUT_MANY,       [FATE_OUT_SILENT] = MSG_MINUTES_FATE_OUT_SILENT,
        [FATE_OUT_REVEAL] = MSG_MINUTES_FATE_OUT_REVEAL};
    enum seat_fate fate = k->st->outcome.fate[seat - 1];
    if (fate == FATE_QUALIFIED && !(k->st->outcome.holders >> (seat - 1) & 1))
        return MSG_MINUTES_FATE_NO_SHARE;
    return text[fate];
}

static void put_party(const struct making *k, uint32_t seat, const struct enrolment *x)
{
    char number[24] = "-", token[128];
    struct line name, organisation;
    if (seat != 0)
        message_number(number, seat);
    snprintf(token, sizeof token, "%s %s %s", x->manufacturer, x->model, x->serial);
    message_clean(name.text, sizeof name.text, x->name);
    message_clean(organisation.text, sizeof organisation.text, x->organisation);
    const char *cells[] = {number, name.text, organisation.text, token,
                           seat != 0 && k->st->has_cut ? label(k, fate_text(k, seat)) : "-"};
    sheet_row(k->sheet, cells);
}

static void put_parties(const struct making *k)
{
    const char *heads[] = {label(k, MSG_MINUTES_SEAT), label(k, MSG_MINUTES_NAME),
                           label(k, MSG_MINUTES_ORGANISATION), label(k, MSG_MINUTES_TOKEN),
                           label(k, MSG_MINUTES_FATE)};
    const struct board *b = k->s->b;
    sheet_head(k->sheet, label(k, MSG_MINUTES_PARTIES));
    if (!k->st->has_roster)
        sheet_para(k->sheet, label(k, MSG_MINUTES_NO_ROSTER));
    sheet_table(k->sheet, heads, 5);
    for (uint32_t j = 1; k->st->has_roster && j <= k->st->roster.n; j++)
        put_party(k, j, &k->st->roster.seat[j - 1]);
    for (size_t i = 0; !k->st->has_roster && i < b->entry_count; i++) {
        struct enrolment x;
        if (b->entry[i]->kind == ENTRY_ENROLL &&
            enrolment_parse(&x, b->entry[i], k->s->el->m, k->s->g, NULL) == OK)
            put_party(k, 0, &x);
    }
}

/* --- the beginning --- */

static const char *stage_text(struct line *out, const struct making *k)
{
    static const enum message text[] = {
        [STAGE_ROSTER] = MSG_MINUTES_STAGE_ROSTER,   [STAGE_DEAL] = MSG_MINUTES_STAGE_DEAL,
        [STAGE_CUT] = MSG_MINUTES_STAGE_CUT,         [STAGE_COMPLAIN] = MSG_MINUTES_STAGE_COMPLAIN,
        [STAGE_CONFIRM] = MSG_MINUTES_STAGE_CONFIRM, [STAGE_RELEASED] = MSG_MINUTES_STAGE_RELEASED};
    if (k->st->stage == STAGE_ENROLL)
        return SAY(out, k, MSG_MINUTES_STAGE_ENROLL, UI_NUMBER(k->st->enrolled), UI_NUMBER(k->s->el->m->n));
    return label(k, k->r != NULL ? MSG_MINUTES_STAGE_RELEASED : text[k->st->stage]);
}

static err_t put_election(const struct making *k)
{
    const struct manifest *m = k->s->el->m;
    struct line line;
    hash_t anchor;
    if (m->rehearsal)
        sheet_para(k->sheet, label(k, MSG_MINUTES_REHEARSAL));
    sheet_fact(k->sheet, label(k, MSG_MINUTES_ELECTION), m->title);
    sheet_fact(k->sheet, label(k, MSG_MINUTES_DATE), m->date);
    put_hash(k, MSG_MINUTES_ELECTION_HASH, &m->election);
    TRY(put_words(k, &m->election));
    sheet_fact(k->sheet, label(k, MSG_MINUTES_THRESHOLD),
               SAY(&line, k, MSG_MINUTES_THRESHOLD_VALUE, UI_NUMBER(m->n), UI_NUMBER(m->t)));
    sheet_fact(k->sheet, label(k, MSG_MINUTES_STAGE), stage_text(&line, k));
    if (k->st->rosters_differ)
        sheet_para(k->sheet, label(k, MSG_MINUTES_ROSTERS_DIFFER));
    if (k->st->has_roster) {
        put_hash(k, MSG_MINUTES_ROSTER_HASH, &k->st->roster.ceremony);
        TRY(put_words(k, &k->st->roster.ceremony));
    }
    if (k->r == NULL)
        return OK;
    record_anchor(&anchor, &m->election, &k->r->id);
    put_hash(k, MSG_MINUTES_RECORD_HASH, &k->r->id);
    put_hash(k, MSG_MINUTES_ANCHOR, &anchor);
    return put_words(k, &anchor);
}

/* --- the steps --- */

static uint32_t dealer_of(const struct making *k, const hash_t *statement)
{
    uint32_t seat;
    for (size_t i = 0; i < k->s->b->entry_count; i++) {
        const struct entry *e = k->s->b->entry[i];
        if (e->kind == ENTRY_DEAL && hash_cmp(&e->statement_id, statement) == 0 &&
            seat_of(k, &e->author, &seat))
            return seat;
    }
    return 0;
}

static const char *what_text(struct line *out, const struct making *k, const struct entry *e)
{
    char hex[2 * SHORT_LEN + 1];
    uint32_t seat;
    hex_put(hex, e->subject.b, SHORT_LEN);
    switch (e->kind) {
    case ENTRY_ENROLL:
        return label(k, MSG_MINUTES_ENTRY_ENROLL);
    case ENTRY_ROSTER:
        return label(k, MSG_MINUTES_ENTRY_ROSTER);
    case ENTRY_DEAL:
        return label(k, MSG_MINUTES_ENTRY_DEAL);
    case ENTRY_COMPLAINT:
        seat = dealer_of(k, &e->subject);
        return seat == 0 ? label(k, MSG_MINUTES_ENTRY_COMPLAINT)
                         : SAY(out, k, MSG_MINUTES_ENTRY_COMPLAINT_SEAT, UI_NUMBER(seat));
    case ENTRY_REVEAL:
        return SAY(out, k, MSG_MINUTES_ENTRY_REVEAL, UI_NUMBER(seat_of_subject(&e->subject, k->s->el->m->n)));
    case ENTRY_CUT:
        return SAY(out, k, MSG_MINUTES_ENTRY_CUT, hex);
    case ENTRY_CONFIRM:
        return SAY(out, k, MSG_MINUTES_ENTRY_CONFIRM, hex);
    case ENTRY_DRILL:
        return SAY(out, k, MSG_MINUTES_ENTRY_DRILL, hex);
    case ENTRY_PLAN:
        return SAY(out, k, MSG_MINUTES_ENTRY_PLAN, hex);
    case ENTRY_PARTIAL:
        return SAY(out, k, MSG_MINUTES_ENTRY_PARTIAL, hex);
    case ENTRY_RETIRE:
        return label(k, MSG_MINUTES_ENTRY_RETIRE);
    case ENTRY_EXCEPTION:
        return label(k, MSG_MINUTES_ENTRY_EXCEPTION);
    default:
        return SAY(out, k, MSG_MINUTES_ENTRY_OTHER, entry_kind_name(e->kind));
    }
}

static int step_cmp(const void *x, const void *y)
{
    const struct entry *a = *(const struct entry *const *)x, *b = *(const struct entry *const *)y;
    if (a->time != b->time)
        return a->time < b->time ? -1 : 1;
    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    return hash_cmp(&a->id, &b->id);
}

static err_t put_steps(const struct making *k)
{
    const struct board *b = k->s->b;
    sheet_head(k->sheet, label(k, MSG_MINUTES_STEPS));
    sheet_para(k->sheet, label(k, b->entry_count > 0 ? MSG_MINUTES_STEPS_ABOUT : MSG_MINUTES_NO_STEPS));
    const struct entry **sorted = calloc(b->entry_count + 1, sizeof *sorted);
    if (sorted == NULL)
        return ERR_MEMORY;
    for (size_t i = 0; i < b->entry_count; i++)
        sorted[i] = b->entry[i];
    qsort(sorted, b->entry_count, sizeof *sorted, step_cmp);
    for (size_t i = 0; i < b->entry_count; i++) {
        struct line line, hour, who, what;
        char hex[2 * HASH_LEN + 1];
        hex_put(hex, sorted[i]->id.b, HASH_LEN);
        sheet_step(k->sheet,
                   SAY(&line, k, MSG_MINUTES_STEP, hour_text(&hour, k, sorted[i]->time),
                       who_text(&who, k, sorted[i]), what_text(&what, k, sorted[i])),
                   hex);
    }
    free(sorted);
    return OK;
}

static void put_refused(const struct making *k)
{
    const struct board *b = k->s->b;
    const char *heads[] = {label(k, MSG_MINUTES_FILE), label(k, MSG_MINUTES_WHY)};
    if (b->refused_count == 0)
        return;
    sheet_head(k->sheet, label(k, MSG_MINUTES_REFUSED));
    sheet_para(k->sheet, label(k, MSG_MINUTES_REFUSED_ABOUT));
    sheet_table(k->sheet, heads, 2);
    for (size_t i = 0; i < b->refused_count; i++) {
        const char *cells[] = {b->refused[i].file, message_error_meaning(k->l, b->refused[i].fault.err)};
        sheet_row(k->sheet, cells);
    }
}

/* --- decryption --- */

static uint32_t seats_with(const struct making *k, enum entry_kind kind, const hash_t *plan)
{
    uint32_t bits = 0, seat;
    for (size_t i = 0; i < k->s->b->entry_count; i++) {
        const struct entry *e = k->s->b->entry[i];
        if (e->kind == kind && hash_cmp(&e->subject, plan) == 0 && seat_of(k, &e->author, &seat) != NULL)
            bits |= UINT32_C(1) << (seat - 1);
    }
    return bits;
}

/* Whether an entry before the i-th one is about the same plan. */
static int plan_seen(const struct board *b, size_t i)
{
    for (size_t j = 0; j < i; j++)
        if ((b->entry[j]->kind == ENTRY_PLAN || b->entry[j]->kind == ENTRY_PARTIAL) &&
            hash_cmp(&b->entry[j]->subject, &b->entry[i]->subject) == 0)
            return 1;
    return 0;
}

static err_t put_plans(const struct making *k)
{
    const struct board *b = k->s->b;
    int any = 0;
    for (size_t i = 0; i < b->entry_count; i++) {
        const struct entry *e = b->entry[i];
        char seats[128];
        if ((e->kind != ENTRY_PLAN && e->kind != ENTRY_PARTIAL) || plan_seen(b, i))
            continue;
        if (!any++)
            sheet_head(k->sheet, label(k, MSG_MINUTES_PLANS));
        put_hash(k, MSG_MINUTES_PLAN, &e->subject);
        TRY(put_words(k, &e->subject));
        seats_text(seats, seats_with(k, ENTRY_PLAN, &e->subject));
        sheet_fact(k->sheet, label(k, MSG_MINUTES_PLAN_SIGNED), seats);
        seats_text(seats, seats_with(k, ENTRY_PARTIAL, &e->subject));
        sheet_fact(k->sheet, label(k, MSG_MINUTES_PLAN_PARTIALS), seats);
    }
    return OK;
}

/* --- the end --- */

static err_t put_exception(void *ctx, const struct exception_shown *x, struct fault *f)
{
    const struct making *k = ctx;
    struct line line, hour, who;
    char hex[2 * HASH_LEN + 1];
    (void)f;
    hex_put(hex, x->entry->id.b, HASH_LEN);
    sheet_step(k->sheet,
               SAY(&line, k, MSG_MINUTES_STEP, hour_text(&hour, k, x->entry->time),
                   who_text(&who, k, x->entry), x->what.text),
               hex);
    return OK;
}

static err_t put_deviations(struct making *k, struct fault *f)
{
    sheet_head(k->sheet, label(k, MSG_MINUTES_DEVIATIONS));
    TRY(exception_each(k->s->b, k->s->el->m, k->s->g, put_exception, k, f));
    sheet_para(k->sheet, label(k, MSG_MINUTES_BY_HAND));
    for (int i = 0; i < 4; i++)
        sheet_rule(k->sheet);
    return OK;
}

static void put_signatures(const struct making *k)
{
    struct line line;
    sheet_head(k->sheet, label(k, MSG_MINUTES_SIGNATURES));
    sheet_para(k->sheet, label(k, MSG_MINUTES_SIGN_ABOUT));
    for (uint32_t j = 1; k->st->has_roster && j <= k->st->roster.n; j++) {
        const struct enrolment *x = &k->st->roster.seat[j - 1];
        sheet_sign(k->sheet, SAY(&line, k, MSG_MINUTES_SIGN_SEAT, UI_NUMBER(j), x->name, x->organisation));
    }
    for (int i = 0; i < 2; i++)
        sheet_sign(k->sheet, label(k, MSG_MINUTES_WITNESS));
    sheet_head(k->sheet, "");
    sheet_para(k->sheet, label(k, MSG_MINUTES_FOOT));
}

/* The record that is there must be good; one that is not there yet follows from the board. */
static err_t find_record(struct making *k, struct fault *f)
{
    const struct session *s = k->s;
    struct cbor_out bytes = CBOR_OUT_INIT;
    k->r = s->el->r;
    if (k->r != NULL)
        return fault_file(f, record_check(k->r, s->el->m, s->b, f), BUNDLE_RECORD);
    if (!k->st->has_roster || k->st->rosters_differ || k->st->stage != STAGE_RELEASED)
        return OK;
    err_t e = record_make(&k->own_record, &bytes, s->el->m, s->b, &k->st->roster.ceremony, f);
    cbor_out_free(&bytes);
    k->r = k->own_record;
    return e;
}

err_t minutes_make(struct sheet **out, const struct session *s, enum language l, struct fault *f)
{
    struct making k = {.l = l, .s = s};
    struct line title;
    err_t e;
    *out = NULL;
    GO(status_read_of(&k.st, s->el->m, s->b, s->g, s->el->r != NULL ? &s->el->r->ceremony : NULL, NULL, f));
    GO(find_record(&k, f));
    k.sheet = sheet_new(l, SAY(&title, &k, MSG_MINUTES_TITLE, s->el->m->title));
    GO(put_election(&k));
    put_parties(&k);
    GO(put_steps(&k));
    put_refused(&k);
    GO(put_plans(&k));
    GO(put_deviations(&k, f));
    put_signatures(&k);
    *out = k.sheet;
    k.sheet = NULL;
    e = *out != NULL ? OK : ERR_MEMORY;
out:
    if (e != OK && f != NULL && f->err == OK)
        fault_set(f, e, "making the minutes");
    sheet_free(k.sheet);
    record_free(k.own_record);
    status_free(k.st);
    return e;
}

/* --- writing --- */

static err_t write_one(err_t (*make)(char **, size_t *, const struct sheet *), const struct sheet *s,
                       const char *path, struct fault *f)
{
    char *text;
    size_t len;
    if (path == NULL || path[0] == '\0')
        return OK;
    err_t e = make(&text, &len, s);
    if (e != OK)
        return fault_set(f, e, "making the minutes");
    e = file_write(path, text, len, FILE_NEW, f);
    free(text);
    return e;
}

err_t minutes_write(const struct sheet *s, const char *text_path, const char *html_path, struct fault *f)
{
    TRY(write_one(sheet_text, s, text_path, f));
    return write_one(sheet_html, s, html_path, f);
}

err_t verb_minutes(struct verb_run *v, int argc, char **argv)
{
    struct fault *f = &v->fault;
    const char *text_path = NULL, *html_path = NULL, *tag = NULL;
    struct common c = {0};
    struct arg spec[] = {
        {"board", ARG_TEXT, &c.board, "DIR", "the board: a directory, on removable media for example", 1},
        {"out", ARG_TEXT, &text_path, "FILE", "as text (default: printed); never overwritten", 0},
        {"html", ARG_TEXT, &html_path, "FILE", "also as a page to print; never overwritten", 0},
        {"language", ARG_TEXT, &tag, "en|es", "default en", 0},
        {0}};
    enum language l = LANGUAGE_EN;
    struct session s;
    struct sheet *sheet = NULL;
    char *text = NULL;
    size_t len;
    TRY(verb_options(v, argc, argv, spec, NULL));
    if (v->help_shown)
        return OK;
    if (tag != NULL && language_find(&l, tag) != OK)
        return fault_set(f, ERR_USAGE, "--language is en or es");
    TRY(session_open(&s, &c, 0, v->err, f));
    err_t e;
    GO(minutes_make(&sheet, &s, l, f));
    GO(minutes_write(sheet, text_path, html_path, f));
    if (text_path == NULL && html_path == NULL) {
        GO(sheet_text(&text, &len, sheet));
        if (fwrite(text, 1, len, v->out) != len)
            e = fault_set(f, ERR_IO, "standard output");
    }
out:
    free(text);
    sheet_free(sheet);
    session_close(&s);
    return e;
}
