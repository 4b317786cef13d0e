/* Steps of the third visit: open the shares, complain, answer, cut, confirm. */
#include <stdlib.h>
#include <string.h>

#include "appliance/face_steps.h"

#define BIT(seat) (UINT32_C(1) << ((seat)-1))

struct share_work {
    struct roster r;
    hash_t ceremony;
    uint32_t bad, missing, undealt, complain;
    size_t count;
};

static err_t new_work(struct share_work **out, struct fault *f)
{
    *out = calloc(1, sizeof **out);
    return *out != NULL ? OK : fault_set(f, ERR_MEMORY, "shares");
}

/* The ceremony that counts here. */
static err_t need_roster(const struct step_view *v, hash_t *ceremony, struct fault *f)
{
    if (v->st->rosters_differ)
        return fault_set(f, ERR_CONFLICT,
                         "trustees signed different rosters; stop and compare the words again");
    if (!v->st->has_roster)
        return fault_set(f, ERR_EARLY, "no roster is signed on this board");
    *ceremony = v->st->roster.ceremony;
    return OK;
}

/* --- open, and complain --- */

static err_t open_token(struct face *face, struct session *s, void *ctx, struct fault *f)
{
    (void)face;
    struct share_work *w = ctx;
    TRY(step_begin(s, &w->r, &w->ceremony, f));
    TRY(shares_check(&s->t, &w->r, &w->bad, &w->missing, f));
    return work_undealt(&w->undealt, s, &w->r);
}

static err_t complain_token(struct face *face, struct session *s, void *ctx, struct fault *f)
{
    (void)face;
    struct share_work *w = ctx;
    TRY(step_begin(s, &w->r, &w->ceremony, f));
    return complaint_make(&s->t, &w->r, w->complain, f);
}

enum { GO_ON = 1, COMPLAIN, COMPLAIN_ALL };

static err_t show_shares(struct face *face, const struct share_work *w, int *action, struct fault *f)
{
    struct page_event ev;
    struct page *p = page_new(face->ui, MSG_STEP_OPEN);
    page_text(p, w->bad != 0 ? MSG_SHARES_BAD : w->missing != 0 ? MSG_SHARES_MISSING : MSG_SHARES_GOOD);
    for (uint32_t j = 1; j <= w->r.n; j++) {
        enum message what = w->bad & BIT(j)       ? MSG_SHARE_BAD
                            : w->missing & BIT(j) ? MSG_SHARE_MISSING
                            : w->undealt & BIT(j) ? MSG_SHARE_UNDEALT
                                                  : MSG_SHARE_GOOD;
        enum page_state state = w->bad & BIT(j)                      ? PAGE_FAIL
                                : (w->missing | w->undealt) & BIT(j) ? PAGE_NOT_CHECKED
                                                                     : PAGE_PASS;
        page_check(p, state, message_text(face->language, what), MSG_SHARE_OF, UI_NUMBER(j),
                   w->r.seat[j - 1].name);
    }
    page_action(p, 'g', GO_ON, MSG_OK);
    if (w->bad != 0)
        page_action_flags(p, 'c', COMPLAIN, PAGE_DANGER | PAGE_NEEDS_READ, MSG_COMPLAIN);
    if (w->missing != 0)
        page_action_flags(p, 'm', COMPLAIN_ALL, PAGE_DANGER | PAGE_NEEDS_READ, MSG_COMPLAIN_MISSING);
    err_t e = page_run(p, &ev, f);
    page_free(p);
    *action = ev.action;
    return e;
}

static err_t complain(struct face *face, struct share_work *w, const struct manifest *m, struct fault *f)
{
    char who[MESSAGE_MAX];
    struct page *p = step_summary(face, MSG_COMPLAIN, MSG_COMPLAIN_PROMISE, m);
    face_seats(who, sizeof who, &w->r, w->complain);
    page_value(p, who, MSG_COMPLAIN_ABOUT);
    TRY(step_agree(p, MSG_COMPLAIN_SIGN, f));
    return face_with_token(face, 0, complain_token, w, f);
}

static err_t open_steps(struct face *face, struct share_work *w, const struct manifest *m, enum message *note,
                        struct fault *f)
{
    int action;
    struct page *p = step_summary(face, MSG_STEP_OPEN, MSG_OPEN_PROMISE, m);
    TRY(step_agree(p, MSG_OPEN_DO, f));
    TRY(face_with_token(face, 0, open_token, w, f));
    if (w->bad == 0 && w->missing == 0) {
        face->opened = w->ceremony;
        *note = MSG_OPEN_DONE;
    }
    TRY(show_shares(face, w, &action, f));
    if (action != COMPLAIN && action != COMPLAIN_ALL)
        return OK;
    w->complain = action == COMPLAIN ? w->bad : w->bad | w->missing;
    TRY(complain(face, w, m, f));
    *note = MSG_COMPLAIN_DONE;
    return OK;
}

err_t step_open(struct face *face, enum message *note, struct fault *f)
{
    struct step_view v;
    struct share_work *w;
    TRY(step_token(face, f));
    TRY(new_work(&w, f));
    err_t e = step_load(face, &v, f);
    if (e == OK) {
        e = need_roster(&v, &w->ceremony, f);
        if (e == OK)
            e = open_steps(face, w, v.s.el->m, note, f);
        step_free(&v);
    }
    free(w);
    return e;
}

/* --- answer complaints --- */

static err_t reveal_token(struct face *face, struct session *s, void *ctx, struct fault *f)
{
    (void)face;
    struct share_work *w = ctx;
    TRY(step_begin(s, &w->r, &w->ceremony, f));
    return reveal_make(&s->t, &w->r, &w->count, f);
}

err_t step_reveal(struct face *face, enum message *note, struct fault *f)
{
    struct step_view v;
    struct share_work *w;
    TRY(step_token(face, f));
    TRY(new_work(&w, f));
    err_t e = step_load(face, &v, f);
    if (e != OK) {
        free(w);
        return e;
    }
    e = need_roster(&v, &w->ceremony, f);
    uint32_t seat = e == OK && v.self != NULL ? roster_seat(&v.st->roster, v.self) : 0;
    if (e == OK) {
        char who[MESSAGE_MAX];
        struct page *p = step_summary(face, MSG_STEP_REVEAL, MSG_REVEAL_PROMISE, v.s.el->m);
        face_seats(who, sizeof who, &v.st->roster, seat != 0 ? v.st->seat[seat - 1].complaints : 0);
        page_value(p, who, MSG_REVEAL_WHO);
        e = step_agree(p, MSG_REVEAL_SIGN, f);
    }
    step_free(&v);
    if (e == OK)
        e = face_with_token(face, 0, reveal_token, w, f);
    if (e == OK)
        *note = w->count > 0 ? MSG_REVEAL_DONE : MSG_REVEAL_NONE;
    free(w);
    return e;
}

/* --- the cut --- */

struct cut_work {
    struct roster r;
    struct outcome oc;
    struct cut cut;
    uint32_t absent, undealt;
    hash_t ceremony, hash;
};

/* Which seats are absent is for people to say, seat by seat. */
static err_t pick_absent(struct face *face, struct cut_work *w, struct fault *f)
{
    const char *label[TRUSTEES_MAX];
    int chosen[TRUSTEES_MAX];
    size_t size = TEXT_TITLE_MAX + 200;
    char *text = malloc(TRUSTEES_MAX * size);
    if (text == NULL)
        return fault_set(f, ERR_MEMORY, "seats");
    for (uint32_t j = 0; j < w->r.n; j++) {
        snprintf(text + j * size, size, "%u  %s, %s", j + 1, w->r.seat[j].name,
                 message_text(face->language, w->undealt & BIT(j + 1) ? MSG_HAS_NOT_DEALT : MSG_HAS_DEALT));
        label[j] = text + j * size;
        chosen[j] = w->absent >> j & 1;
    }
    err_t e = face_pick(face, MSG_ABSENT_TITLE, MSG_ABSENT_TEXT, MSG_ABSENT_MARK, label, chosen, w->r.n, f);
    w->absent = 0;
    for (uint32_t j = 0; e == OK && j < w->r.n; j++)
        w->absent |= (uint32_t)(chosen[j] != 0) << j;
    free(text);
    return e;
}

/* What follows from a cut: who counts, who holds a share, who is out and why. */
static void put_outcome(struct face *face, struct page *p, const struct roster *r, const struct cut *c,
                        const struct outcome *oc)
{
    char text[MESSAGE_MAX], hex[2 * HASH_LEN + 1];
    face_seats(text, sizeof text, r, oc->qual);
    page_value(p, text, MSG_CUT_QUAL);
    face_seats(text, sizeof text, r, oc->holders);
    page_value(p, text, MSG_CUT_HOLDERS);
    for (uint32_t j = 1; j <= r->n; j++)
        if (oc->fate[j - 1] != FATE_QUALIFIED || (c->absent & BIT(j)) || (oc->voided & BIT(j)))
            page_warn(p, MSG_CUT_OUT, UI_NUMBER(j), r->seat[j - 1].name,
                      message_text(face->language, oc->fate[j - 1] != FATE_QUALIFIED
                                                       ? fate_message(oc->fate[j - 1])
                                                   : c->absent & BIT(j) ? MSG_FATE_CALLED_ABSENT
                                                                        : MSG_FATE_VOID));
    page_text(p, MSG_CUT_ENTRIES, UI_NUMBER(c->entry_count));
    hex_put(hex, c->hash.b, HASH_LEN);
    page_value(p, hex, MSG_CUT_HASH);
}

static err_t cut_token(struct face *face, struct session *s, void *ctx, struct fault *f)
{
    (void)face;
    struct cut_work *w = ctx;
    cut_free(&w->cut);
    TRY(step_begin(s, &w->r, &w->ceremony, f));
    TRY(work_cut(&w->cut, &w->oc, s, &w->r, w->absent, f));
    if (hash_cmp(&w->cut.hash, &w->hash) != 0)
        return fault_set(f, ERR_MISMATCH, "the board has changed since the cut was shown");
    return cut_sign(&s->t, &w->r, &w->cut, f);
}

enum { SIGN = 1, ABSENT };

/* One round: the cut as it would be; *action: SIGN, ABSENT (choose again) or back. */
static err_t show_cut(struct face *face, struct cut_work *w, struct step_view *v, int *action,
                      struct fault *f)
{
    struct page_event ev;
    cut_free(&w->cut);
    TRY(work_cut(&w->cut, &w->oc, &v->s, &w->r, w->absent, f));
    w->hash = w->cut.hash;
    struct page *p = step_summary(face, MSG_DO_CUT, MSG_CUT_PROMISE, v->s.el->m);
    put_outcome(face, p, &w->r, &w->cut, &w->oc);
    page_text(p, MSG_SUMMARY_PIN);
    page_action_flags(p, 'g', SIGN, PAGE_NEEDS_ALL | PAGE_NEEDS_READ, MSG_CUT_SIGN);
    page_action(p, 'a', ABSENT, MSG_CUT_ABSENT);
    err_t e = page_run(p, &ev, f);
    page_free(p);
    *action = ev.action;
    return e;
}

static err_t cut_steps(struct face *face, struct cut_work *w, struct step_view *v, struct fault *f)
{
    int action = ABSENT, need = w->undealt != 0;
    while (action == ABSENT) {
        if (need)
            TRY(pick_absent(face, w, f));
        need = 1;
        err_t e = show_cut(face, w, v, &action, f);
        if (e == ERR_EARLY || e == ERR_QUORUM) { /* somebody is still to be named, or too many are */
            TRY(face_show(face, e, f));
            action = ABSENT;
        } else if (e != OK) {
            return e;
        }
    }
    return action == SIGN ? face_with_token(face, 0, cut_token, w, f) : face_back(f);
}

err_t step_cut(struct face *face, enum message *note, struct fault *f)
{
    struct step_view v;
    struct cut_work *w = calloc(1, sizeof *w);
    if (w == NULL)
        return fault_set(f, ERR_MEMORY, "cut");
    err_t e = step_token(face, f);
    if (e == OK)
        e = step_load(face, &v, f);
    if (e != OK) {
        free(w);
        return e;
    }
    e = need_roster(&v, &w->ceremony, f);
    if (e == OK) {
        w->r = v.st->roster;
        e = work_undealt(&w->undealt, &v.s, &w->r);
    }
    if (e == OK)
        e = cut_steps(face, w, &v, f);
    if (e == OK)
        *note = MSG_CUT_DONE;
    cut_free(&w->cut);
    step_free(&v);
    free(w);
    return e;
}

/* --- confirm --- */

struct confirm_work {
    struct roster r;
    hash_t ceremony, cut;
};

static err_t confirm_token(struct face *face, struct session *s, void *ctx, struct fault *f)
{
    (void)face;
    struct confirm_work *w = ctx;
    TRY(step_begin(s, &w->r, &w->ceremony, f));
    return work_confirm(s, &w->r, &w->cut, f);
}

static err_t confirm_steps(struct face *face, struct confirm_work *w, const struct step_view *v,
                           struct fault *f)
{
    TRY(need_roster(v, &w->ceremony, f));
    if (!v->st->has_cut)
        return fault_set(f, ERR_EARLY,
                         "no cut on this board contains all of its entries: one trustee makes a cut first");
    w->cut = v->st->cut.hash;
    struct page *p = step_summary(face, MSG_STEP_CONFIRM, MSG_CONFIRM_PROMISE, v->s.el->m);
    put_outcome(face, p, &v->st->roster, &v->st->cut, &v->st->outcome);
    TRY(step_agree(p, MSG_CONFIRM_SIGN, f));
    return face_with_token(face, 0, confirm_token, w, f);
}

err_t step_confirm(struct face *face, enum message *note, struct fault *f)
{
    struct step_view v;
    struct confirm_work *w = calloc(1, sizeof *w);
    if (w == NULL)
        return fault_set(f, ERR_MEMORY, "confirmation");
    err_t e = step_token(face, f);
    if (e == OK)
        e = step_load(face, &v, f);
    if (e == OK) {
        e = confirm_steps(face, w, &v, f);
        step_free(&v);
    }
    if (e == OK)
        *note = MSG_CONFIRM_DONE;
    free(w);
    return e;
}
