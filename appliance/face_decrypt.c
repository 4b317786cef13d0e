/* What am I about to decrypt? Everything is verified here first; then the plan, its words, and the token. */
#include <stdlib.h>
#include <string.h>

#include "appliance/night.h"
#include "ceremony/base/file.h"

struct decrypting {
    struct night n;
    struct night_older older; /* plans before this one */
    uint32_t despite;
    int is_signed;
    uint32_t partials; /* on the board, when all was done */
};

/* --- which files --- */

static err_t ask_files(struct face *face, enum message note, struct fault *f)
{
    struct page_event ev;
    struct page *p = page_new(face->ui, MSG_DECRYPT_TITLE);
    page_text(p, MSG_DECRYPT_FILES);
    page_field_text(p, face->plan, sizeof face->plan, 1, MSG_DECRYPT_PLAN_FILE);
    page_field_text(p, face->exports, sizeof face->exports, 1, MSG_DECRYPT_EXPORTS_DIR);
    page_field_text(p, face->work, sizeof face->work, 1, MSG_DECRYPT_WORK_DIR);
    page_action_flags(p, 'v', 1, PAGE_NEEDS_ALL, MSG_DECRYPT_VERIFY);
    if (note != MSG_DECRYPT_TITLE)
        page_note(p, note);
    err_t e = page_run(p, &ev, f);
    page_free(p);
    if (e == OK && ev.action == PAGE_BACK)
        e = face_back(f);
    return e;
}

static err_t open_plan(struct decrypting *d, struct fault *f)
{
    const char *path[NIGHT_OLDER_MAX];
    struct plan_watch watch = {.ctx = NULL};
    plan_work_free(&d->n.w);
    return work_plan_open(&d->n.w, &d->n.s, d->n.face->plan, night_older_paths(&d->older, path),
                          d->older.count, &watch, f);
}

/* Opens the plan, after every plan before it was named. */
static err_t open_all(struct decrypting *d, struct fault *f)
{
    d->older.count = 0;
    err_t e = open_plan(d, f);
    if (e != ERR_MISSING || d->n.w.p == NULL || !d->n.w.p->has_supersedes)
        return e;
    fault_clear(f);
    TRY(night_ask_older(&d->n, &d->older, d->n.w.p, f));
    return open_plan(d, f);
}

/* --- verifying, in a child --- */

static err_t verify_work(struct night_child *child, void *ctx, struct fault *f)
{
    struct decrypting *d = ctx;
    struct night *n = &d->n;
    struct plan_watch watch = {child, night_progress, night_event, night_violation};
    /* the rules between plans again, so that what breaks them is told by name */
    TRY(plan_supersede_all(n->w.older.plan, n->w.older.count, n->w.p, &n->s.el->ctx, night_violation, child,
                           f));
    err_t e = work_plan_verify(&n->w, &n->s, n->face->exports, n->face->work, &watch, f);
    if (e == ERR_MINIMUM && strncmp(f->detail, "supersede-exchange", strlen("supersede-exchange")) == 0)
        night_violation(child, "supersede-exchange",
                        f); /* aggregation says it, which has no report of rules */
    struct tape_item item = {.kind = FOUND_TOTALS};
    memcpy(item.text, &n->w.found, sizeof n->w.found);
    err_t put = tape_put(&child->tape, &item);
    return e != OK ? e : put;
}

static void take_totals(struct night *n)
{
    _Static_assert(sizeof n->w.found < sizeof n->found->text, "totals fit into an item");
    for (size_t i = 0; i < n->found_count; i++)
        if (n->found[i].kind == FOUND_TOTALS)
            memcpy(&n->w.found, n->found[i].text, sizeof n->w.found);
}

static err_t verify(struct decrypting *d, struct fault *f)
{
    struct night *n = &d->n;
    struct night_rights may = {.temp = n->face->work};
    free(n->found);
    n->found = NULL;
    n->found_count = 0;
    plan_reach_free(&n->reach);
    TRY(file_mkdir(n->face->work, f)); /* only what is there can be named */
    night_allow(&may, n->face->c.board, 0);
    night_allow(&may, n->face->exports, 0);
    night_allow(&may, n->face->plan, 0);
    for (size_t i = 0; i < d->older.count; i++)
        night_allow(&may, d->older.path[i], 0);
    TRY(night_job_confined(n->face, MSG_DECRYPT_VERIFYING, MSG_DECRYPT_VERIFYING_TEXT, verify_work, d, &may,
                           &n->found, &n->found_count, f));
    take_totals(n);
    return work_plan_reach(&n->reach, &n->s.el->ctx, n->w.p, n->face->work, f);
}

/* Something is wrong with the plan, and not only with a path or the machine. */
static int is_refusal(const struct night *n, err_t e)
{
    return night_count(n->found, n->found_count, FOUND_RULE) > 0 || err_class(e) == CLASS_RULE ||
           err_class(e) == CLASS_CRYPTO;
}

/* Until a plan is verified. ERR_REFUSED: went back. */
static err_t find_plan(struct decrypting *d, struct fault *f)
{
    static const struct refusal refusal = {MSG_REFUSE_TITLE, MSG_REFUSE_TEXT};
    struct night *n = &d->n;
    enum message note = MSG_DECRYPT_TITLE;
    for (;;) {
        TRY(ask_files(n->face, note, f));
        note = MSG_DECRYPT_TITLE;
        err_t e = open_all(d, f);
        int opened = e == OK || (n->w.p != NULL && e != ERR_MISSING && e != ERR_REFUSED);
        if (opened)
            e = verify(d, f);
        if (e == OK)
            return OK;
        if (e == ERR_STOPPED)
            note = MSG_DECRYPT_STOPPED; /* by the person; after a signal no page opens any more */
        else if (opened && is_refusal(n, e))
            TRY(night_refusal(n, &refusal, e, f));
        else
            TRY(face_show(n->face, e, f));
        fault_clear(f);
    }
}

/* --- what it is, and whether it is wanted --- */

static err_t show_plan(struct decrypting *d, struct fault *f)
{
    enum { GO_ON = 1, PLACES, MISSING, NOTES };
    struct night *n = &d->n;
    for (;;) {
        struct page_event ev;
        struct page *p = page_new(n->face->ui, MSG_DECRYPT_TITLE);
        night_plan_blocks(p, n);
        page_action_flags(p, 'g', GO_ON, PAGE_NEEDS_READ, MSG_DECRYPT_GO_ON);
        page_action(p, 'l', PLACES, MSG_PLAN_PLACES);
        if (n->reach.missing_count > 0)
            page_action(p, 'm', MISSING, MSG_PLAN_MISSING_LIST);
        page_action(p, 'n', NOTES, MSG_PLAN_NOTES);
        err_t e = page_run(p, &ev, f);
        page_free(p);
        if (e != OK || ev.action == GO_ON)
            return e;
        if (ev.action == PAGE_BACK)
            return face_back(f);
        TRY(ev.action == PLACES    ? night_places(n, f)
            : ev.action == MISSING ? night_missing(n, f)
                                   : night_notes(n, f));
    }
}

static err_t ask_rivals(struct decrypting *d, struct fault *f)
{
    struct night *n = &d->n;
    char seats[128];
    struct page_event ev;
    uint32_t rivals = work_plan_rivals(&n->w, &n->s);
    d->despite = 0;
    if (rivals == 0)
        return OK;
    seats_text(seats, rivals);
    struct page *p = page_new(n->face->ui, MSG_DECRYPT_RIVALS_TITLE);
    page_warn(p, MSG_DECRYPT_RIVALS, seats);
    page_action_flags(p, 'd', 1, PAGE_DANGER | PAGE_NEEDS_READ, MSG_DECRYPT_RIVALS_GO);
    err_t e = page_run(p, &ev, f);
    page_free(p);
    if (e != OK || ev.action == PAGE_BACK)
        return e != OK ? e : face_back(f);
    d->despite = rivals;
    return OK;
}

/* What is promised, rebuilt from the plan. */
static err_t agree(struct decrypting *d, struct fault *f)
{
    struct night *n = &d->n;
    char hex[2 * HASH_LEN + 1], sums[24];
    struct page_event ev;
    hex_put(hex, n->w.p->id.b, HASH_LEN);
    struct page *p = page_new(n->face->ui, MSG_DECRYPT_CONFIRM_TITLE);
    page_text(p, MSG_DECRYPT_CONFIRM_TEXT, UI_NUMBER(n->s.el->m->t));
    face_election(p, n->s.el->m);
    page_value(p, message_number(sums, n->w.p->unit_count), MSG_DECRYPT_SUMS);
    page_value(p, hex, MSG_PLAN_HASH);
    page_action_flags(p, 'g', 1, PAGE_NEEDS_READ, MSG_OK);
    err_t e = page_run(p, &ev, f);
    page_free(p);
    return e != OK ? e : ev.action == PAGE_BACK ? face_back(f) : OK;
}

/* The last page before the PIN: the plan's words, typed. */
static err_t confirm(struct decrypting *d, struct fault *f)
{
    struct night *n = &d->n;
    struct page_event ev;
    struct page *p = page_new(n->face->ui, MSG_DECRYPT_CONFIRM_TITLE);
    page_words(p, &n->w.p->id, 0);
    page_field_words(p, &n->w.p->id, MSG_DECRYPT_TYPE);
    page_action_flags(p, 'd', 1, PAGE_NEEDS_ALL | PAGE_DANGER, MSG_DECRYPT_DO);
    err_t e = page_run(p, &ev, f);
    page_free(p);
    return e != OK ? e : ev.action == PAGE_BACK ? face_back(f) : OK;
}

/* --- the token --- */

static err_t sign(struct face *face, struct session *s, void *ctx, struct fault *f)
{
    struct decrypting *d = ctx;
    const struct plan *plan = d->n.w.p;
    if (hash_cmp(&s->el->m->election, &plan->election) != 0 || hash_cmp(&s->el->r->id, &plan->record) != 0)
        return fault_set(f, ERR_ELECTION, "%s", message_text(face->language, MSG_DECRYPT_OTHER_ELECTION));
    TRY(fault_file(f, record_check(s->el->r, s->el->m, s->b, f), BUNDLE_RECORD));
    TRY(work_plan_show(&d->n.w, s, f));
    TRY(trustee_find(&s->t, f));
    s->t.despite = d->despite;
    err_t e = work_plan_sign(&d->n.w, s, &d->is_signed, f);
    d->partials = 0;
    for (uint32_t j = 1; j <= s->el->r->n; j++) {
        const struct entry *one;
        err_t found = board_find(s->b, &one, NULL, ENTRY_PARTIAL, &s->el->r->ceremony,
                                 &s->el->r->seat[j - 1].identity, &plan->id);
        d->partials |= found == OK && one != NULL ? UINT32_C(1) << (j - 1) : 0;
    }
    return e;
}

static err_t finish(struct decrypting *d, struct fault *f)
{
    struct face *face = d->n.face;
    const struct manifest *m = d->n.s.el->m;
    err_t e;
    for (;;) {
        int enough = 0;
        d->is_signed = 0;
        e = face_with_token(face, 1, sign, d, f);
        if (e != ERR_QUORUM || !d->is_signed)
            break;
        fault_clear(f);
        TRY(night_wait_quorum(&d->n, &enough, f));
        if (!enough)
            return OK;
    }
    if (e != OK)
        return e;
    return ui_show(face->ui, MSG_DECRYPT_DONE_TITLE, f, MSG_DECRYPT_DONE, UI_NUMBER(d->n.w.p->unit_count),
                   UI_NUMBER(__builtin_popcount(d->partials)), UI_NUMBER(m->t));
}

/* From the verified plan on; each Esc goes one page back. */
static err_t decide(struct decrypting *d, struct fault *f)
{
    struct night *n = &d->n;
    for (;;) {
        TRY(show_plan(d, f));
        err_t e = ask_rivals(d, f);
        if (e == OK)
            e = face_compare(n->face, &n->w.p->id, MSG_DECRYPT_WORDS_TITLE, MSG_DECRYPT_WORDS_WHAT, f);
        if (e == ERR_MISMATCH)
            return face_back(f);
        if (e == OK)
            e = agree(d, f);
        if (e == OK)
            e = confirm(d, f);
        if (e == OK)
            e = finish(d, f);
        if (e == OK)
            return OK;
        TRY(face_show(n->face, e, f));
        if (e == ERR_STOPPED || err_class(e) == CLASS_BUG)
            return e;
    }
}

err_t face_decrypt(struct face *face, struct fault *f)
{
    struct decrypting *d = calloc(1, sizeof *d);
    err_t e;
    if (d == NULL)
        return fault_set(f, ERR_MEMORY, "a screen");
    d->n.face = face;
    GO(face_session(face, &d->n.s, 1, f));
    night_guess(face, &d->n.s.el->m->election);
    for (;;) {
        GO(find_plan(d, f));
        e = decide(d, f);
        if (e != ERR_REFUSED)
            break;
        fault_clear(f); /* back to the files */
    }
out:
    free(d->n.found);
    plan_reach_free(&d->n.reach);
    plan_work_free(&d->n.w);
    session_close(&d->n.s);
    free(d);
    return face_show(face, e, f);
}
