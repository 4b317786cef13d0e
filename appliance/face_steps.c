/* Steps of the ceremony up to the deal, and its end: enrol, compare and sign the roster, deal; the record. */
#include <stdlib.h>
#include <string.h>

#include "appliance/face_steps.h"
#include "tally/fingerprint.h"
#include "tally/resultqr.h"
#include "ui/qrtext.h"

/* --- what steps have in common --- */

err_t step_token(struct face *face, struct fault *f)
{
    if (face->c.token == NULL)
        TRY(face_token(face, f));
    return face->c.token != NULL ? OK : face_back(f);
}

struct page *step_summary(struct face *face, enum message title, enum message text, const struct manifest *m)
{
    struct page *p = page_new(face->ui, title);
    page_text(p, text);
    face_election(p, m);
    page_text(p, MSG_SUMMARY_TOKEN, face->token_label, face->token_serial);
    return p;
}

err_t step_agree(struct page *p, enum message action, struct fault *f)
{
    struct page_event ev;
    page_text(p, MSG_SUMMARY_PIN);
    page_action_flags(p, 'g', 1, PAGE_NEEDS_ALL | PAGE_NEEDS_READ, action);
    err_t e = page_run(p, &ev, f);
    page_free(p);
    return e != OK ? e : ev.action == 1 ? OK : face_back(f);
}

err_t step_type_words(struct face *face, enum message title, enum message text, const hash_t *h, int flags,
                      enum message action, struct fault *f)
{
    struct page_event ev;
    struct page *p = page_new(face->ui, title);
    page_text(p, text);
    page_field_words(p, h, MSG_TYPE_WORDS);
    page_action_flags(p, 'g', 1, PAGE_NEEDS_ALL | flags, action);
    err_t e = page_run(p, &ev, f);
    page_free(p);
    return e != OK ? e : ev.action == 1 ? OK : face_back(f);
}

err_t step_load(struct face *face, struct step_view *v, struct fault *f)
{
    memset(v, 0, sizeof *v);
    TRY(face_session(face, &v->s, 0, f));
    v->self = face_self(face, &v->s, &v->key);
    err_t e = work_status(&v->st, &v->s, v->self, f);
    if (e != OK)
        step_free(v);
    return e;
}

void step_free(struct step_view *v)
{
    status_free(v->st);
    session_close(&v->s);
    memset(v, 0, sizeof *v);
}

/* The roster that was shown is the one that the token knows. */
err_t step_begin(struct session *s, struct roster *r, const hash_t *ceremony, struct fault *f)
{
    TRY(work_begin(s, r, f));
    return hash_cmp(&r->ceremony, ceremony) == 0
               ? OK
               : fault_set(f, ERR_MISMATCH, "this token signed another roster than the one shown");
}

/* --- enrol --- */

static err_t enroll_work(struct face *face, struct session *s, void *ctx, struct fault *f)
{
    (void)ctx;
    return enroll_make(&s->t, face->name, face->organisation, f);
}

static err_t ask_names(struct face *face, struct fault *f)
{
    struct page_event ev;
    struct page *p = page_new(face->ui, MSG_STEP_ENROLL);
    page_text(p, MSG_ENROLL_NAMES);
    page_field_text(p, face->name, sizeof face->name, 1, MSG_ENROLL_NAME);
    page_field_text(p, face->organisation, sizeof face->organisation, 1, MSG_ENROLL_ORGANISATION);
    page_action_flags(p, 'g', 1, PAGE_NEEDS_ALL, MSG_OK);
    err_t e = page_run(p, &ev, f);
    page_free(p);
    return e != OK ? e : ev.action == 1 ? OK : face_back(f);
}

err_t step_enroll(struct face *face, enum message *note, struct fault *f)
{
    TRY(step_token(face, f));
    for (;;) {
        struct session s;
        TRY(ask_names(face, f));
        TRY(face_session(face, &s, 0, f));
        struct page *p = step_summary(face, MSG_STEP_ENROLL, MSG_ENROLL_PROMISE, s.el->m);
        page_value(p, face->name, MSG_ENROLL_NAME);
        page_value(p, face->organisation, MSG_ENROLL_ORGANISATION);
        session_close(&s);
        err_t e = step_agree(p, MSG_ENROLL_SIGN, f);
        if (e == ERR_REFUSED) /* back to the names */
            continue;
        if (e == OK)
            e = face_with_token(face, 0, enroll_work, NULL, f);
        if (e == OK)
            *note = MSG_ENROLL_DONE;
        return e;
    }
}

/* --- roster --- */

struct roster_work {
    struct roster *r;
    hash_t left_out[TRUSTEES_MAX];
    size_t left;
    int is_signed;
};

struct candidates {
    size_t count;
    int chosen[2 * TRUSTEES_MAX];
    hash_t id[2 * TRUSTEES_MAX];
    char text[2 * TRUSTEES_MAX][2 * TEXT_TITLE_MAX + 64];
};

/* All enrolments; those that the roster of others leaves out are proposed to be left out. */
static void find_candidates(struct candidates *c, const struct step_view *v)
{
    c->count = 0;
    for (size_t i = 0; i < v->s.b->entry_count && c->count < 2 * TRUSTEES_MAX; i++) {
        struct enrolment x;
        const struct entry *e = v->s.b->entry[i];
        char hex[17];
        if (e->kind != ENTRY_ENROLL || enrolment_parse(&x, e, v->s.el->m, v->s.g, NULL) != OK)
            continue;
        hex_put(hex, e->id.b, 8);
        snprintf(c->text[c->count], sizeof c->text[0], "%s, %s (%s, %s)", x.name, x.organisation, x.serial,
                 hex);
        c->id[c->count] = e->id;
        c->chosen[c->count] = v->st->has_roster;
        for (uint32_t j = 0; v->st->has_roster && j < v->st->roster.n; j++)
            c->chosen[c->count] &= hash_cmp(&v->st->roster.seat[j].id, &e->id) != 0;
        c->count++;
    }
}

/* More enrolled than there are seats: a person says who is left out. */
static err_t leave_out(struct face *face, struct roster_work *w, const struct step_view *v, struct fault *f)
{
    const char *label[2 * TRUSTEES_MAX];
    struct candidates *c = malloc(sizeof *c);
    if (c == NULL)
        return fault_set(f, ERR_MEMORY, "enrolments");
    find_candidates(c, v);
    for (size_t i = 0; i < c->count; i++)
        label[i] = c->text[i];
    err_t e = face_pick(face, MSG_LEAVE_OUT_TITLE, MSG_LEAVE_OUT_TEXT, MSG_LEAVE_OUT_MARK, label, c->chosen,
                        c->count, f);
    w->left = 0;
    for (size_t i = 0; i < c->count && w->left < TRUSTEES_MAX; i++)
        if (c->chosen[i])
            w->left_out[w->left++] = c->id[i];
    free(c);
    return e;
}

static err_t find_roster(struct face *face, struct roster_work *w, const struct step_view *v, struct fault *f)
{
    err_t e = work_roster(w->r, &w->is_signed, &v->s, v->self, NULL, 0, f);
    if (e != ERR_QUORUM || v->st->enrolled <= v->s.el->m->n)
        return e;
    fault_clear(f);
    TRY(leave_out(face, w, v, f));
    return work_roster(w->r, &w->is_signed, &v->s, v->self, w->left_out, w->left, f);
}

static err_t show_names(struct face *face, const struct roster *r, struct fault *f)
{
    struct page_event ev;
    struct page *p = page_new(face->ui, MSG_STEP_ROSTER);
    page_text(p, MSG_ROSTER_NAMES);
    face_names(p, r, 1);
    page_action_flags(p, 'g', 1, PAGE_NEEDS_READ, MSG_ROSTER_RIGHT);
    page_action(p, 's', 2, MSG_ROSTER_WRONG);
    err_t e = page_run(p, &ev, f);
    page_free(p);
    if (e != OK || ev.action == 1)
        return e;
    if (ev.action == 2)
        TRY(face_stop(face, f));
    return face_back(f);
}

static err_t roster_token(struct face *face, struct session *s, void *ctx, struct fault *f)
{
    (void)face;
    struct roster_work *w = ctx;
    hash_t shown = w->r->ceremony;
    TRY(trustee_find(&s->t, f));
    TRY(work_roster(w->r, &w->is_signed, s, &s->t.identity, w->left_out, w->left, f));
    if (hash_cmp(&w->r->ceremony, &shown) != 0) {
        w->r->ceremony = shown;
        return fault_set(
            f, ERR_MISMATCH,
            "the board has changed since the roster was shown, or this token signed another one");
    }
    return roster_sign(&s->t, w->r, f);
}

static err_t roster_steps(struct face *face, struct roster_work *w, const struct manifest *m, struct fault *f)
{
    TRY(show_names(face, w->r, f));
    TRY(face_compare(face, &w->r->ceremony, MSG_ROSTER_WORDS, MSG_ROSTER_COMPARE, f));
    struct page *p = step_summary(face, MSG_STEP_ROSTER, MSG_ROSTER_PROMISE, m);
    face_names(p, w->r, 0);
    TRY(step_agree(p, MSG_OK, f));
    TRY(step_type_words(face, MSG_STEP_ROSTER, MSG_ROSTER_TYPE, &w->r->ceremony, 0, MSG_ROSTER_SIGN, f));
    return face_with_token(face, 0, roster_token, w, f);
}

err_t step_roster(struct face *face, enum message *note, struct fault *f)
{
    struct step_view v;
    struct roster_work *w = calloc(1, sizeof *w);
    struct roster *r = calloc(1, sizeof *r);
    err_t e = w == NULL || r == NULL ? fault_set(f, ERR_MEMORY, "roster") : step_token(face, f);
    if (e != OK)
        goto out;
    w->r = r;
    GO(step_load(face, &v, f));
    e = find_roster(face, w, &v, f);
    if (e == OK)
        e = roster_steps(face, w, v.s.el->m, f);
    step_free(&v);
    if (e == OK)
        *note = MSG_ROSTER_DONE;
out:
    free(r);
    free(w);
    return e;
}

/* --- deal --- */

static err_t deal_work(struct face *face, struct session *s, void *ctx, struct fault *f)
{
    (void)face;
    struct roster *r = malloc(sizeof *r);
    if (r == NULL)
        return fault_set(f, ERR_MEMORY, "roster");
    err_t e = step_begin(s, r, ctx, f);
    if (e == OK)
        e = deal_make(&s->t, r, f);
    free(r);
    return e;
}

err_t step_deal(struct face *face, enum message *note, struct fault *f)
{
    struct step_view v;
    char who[MESSAGE_MAX];
    uint32_t has_signed = 0;
    TRY(step_token(face, f));
    TRY(step_load(face, &v, f));
    if (!v.st->has_roster) {
        step_free(&v);
        return fault_set(f, ERR_EARLY, "no roster is signed on this board");
    }
    hash_t ceremony = v.st->roster.ceremony;
    struct page *p = step_summary(face, MSG_STEP_DEAL, MSG_DEAL_PROMISE, v.s.el->m);
    face_names(p, &v.st->roster, 0);
    for (uint32_t j = 0; j < v.st->roster.n; j++)
        has_signed |= (uint32_t)v.st->seat[j].roster_signed << j;
    face_seats(who, sizeof who, &v.st->roster, has_signed);
    page_value(p, who, MSG_DEAL_SIGNED);
    page_head(p, MSG_ROSTER_WORDS);
    page_words(p, &ceremony, 0);
    step_free(&v);
    TRY(step_agree(p, MSG_DEAL_SIGN, f));
    TRY(face_with_token(face, 0, deal_work, &ceremony, f));
    *note = MSG_DEAL_DONE;
    return OK;
}

/* --- the record, and words to look at again --- */

err_t step_record(struct face *face, enum message *note, struct fault *f)
{
    struct step_view v;
    hash_t anchor;
    int made = 0;
    TRY(step_load(face, &v, f));
    err_t e = work_record(&v.s, v.st, &made, f);
    if (e == OK)
        record_anchor(&anchor, &v.s.el->m->election, &v.s.el->r->id);
    step_free(&v);
    if (e != OK)
        return e;
    *note = MSG_RECORD_DONE;
    e = face_compare(face, &anchor, MSG_KEY_WORDS, MSG_KEY_COMPARE, f);
    return e == ERR_REFUSED ? OK : e; /* it is written, compared or not */
}

static err_t put_words(struct page *p, const struct step_view *v)
{
    struct cbor_out o = CBOR_OUT_INIT;
    hash_t anchor;
    char kind = QRTEXT_FINGERPRINT;
    if (v->s.el->r != NULL) {
        record_anchor(&anchor, &v->s.el->m->election, &v->s.el->r->id);
        page_head(p, MSG_KEY_WORDS);
        page_words(p, &anchor, 0);
        anchor_write(&o, &v->s.el->m->election, &v->s.el->r->id);
        kind = QRTEXT_CEREMONY;
    } else if (v->st->has_roster) {
        fingerprint_write(&o, FINGERPRINT_ROSTER, &v->st->roster.ceremony);
    } else {
        fingerprint_write(&o, FINGERPRINT_ELECTION, &v->s.el->m->election);
    }
    if (v->st->has_roster) {
        page_head(p, MSG_ROSTER_WORDS);
        page_words(p, &v->st->roster.ceremony, 0);
    }
    page_head(p, MSG_ELECTION_WORDS);
    page_words(p, &v->s.el->m->election, 0);
    err_t e = o.err;
    if (e == OK)
        page_qr_message(p, kind, o.data, o.len);
    cbor_out_free(&o);
    return e;
}

err_t step_words(struct face *face, enum message *note, struct fault *f)
{
    struct step_view v;
    struct page_event ev;
    (void)note;
    TRY(step_load(face, &v, f));
    struct page *p = page_new(face->ui, MSG_SHOW_WORDS);
    page_text(p, MSG_WORDS_TEXT);
    err_t e = put_words(p, &v);
    step_free(&v);
    if (e == OK)
        e = page_run(p, &ev, f);
    page_free(p);
    return e;
}
