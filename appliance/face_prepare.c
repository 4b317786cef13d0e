/* Preparing a token: a label, the security officer's PIN and the user's, each typed twice. It is hsm_init's
 * work, as for the verb: a token in use is erased only if its present label was typed exactly, which the
 * token's process compares again. What is enrolled on the board at hand is never erased from here. PINs are
 * in locked memory, for one page and for hsm_init, which wipes them. */
#include <stdlib.h>
#include <string.h>

#include "appliance/face_parts.h"
#include "ceremony/base/secret.h"

#define LABEL_MAX 32

struct preparing {
    struct face *face;
    const struct hsm_token *token;
    struct tokens *before; /* those that could be seen */
    char label[LABEL_MAX + 1], present[LABEL_MAX + 1], word[32];
};

const char *token_name(char out[160], const struct face *face, const struct hsm_token *t)
{
    char place[160], slot[24];
    const char *id = strstr(t->uri, "slot-id=");
    const char *const arg = message_number(slot, id != NULL ? strtoull(id + 8, NULL, 10) : 0);
    if (t->initialized || message_format(place, sizeof place, face->language, MSG_TOKEN_EMPTY, &arg, 1) != OK)
        snprintf(out, 160, "%s  %s  %s %s", t->info.label[0] != '\0' ? t->info.label : "-", t->info.serial,
                 t->info.manufacturer, t->info.model);
    else
        snprintf(out, 160, "%.100s  %s", place, t->info.model);
    return out;
}

/* --- may it be? --- */

/* Whose token it is on the board at hand; empty: nobody's. */
static err_t enrolled_as(char out[TEXT_TITLE_MAX + 1], const struct preparing *x, struct fault *f)
{
    struct session s;
    struct enrolment own;
    out[0] = '\0';
    if (x->face->c.board == NULL || x->token->info.serial[0] == '\0')
        return OK;
    TRY(face_session(x->face, &s, 0, f));
    err_t e = work_self(&own, &s, x->token->info.serial, NULL);
    if (e == OK || e == ERR_CONFLICT)
        snprintf(out, TEXT_TITLE_MAX + 1, "%s", e == OK ? own.name : x->token->info.label);
    session_close(&s);
    return OK;
}

/* OK: go on. */
static err_t explain(struct preparing *x, struct fault *f)
{
    struct page_event ev;
    char name[160];
    struct page *p = page_new(x->face->ui, MSG_PREPARE_TITLE);
    page_value(p, token_name(name, x->face, x->token), MSG_PREPARE_TOKEN);
    page_text(p, MSG_PREPARE_TEXT);
    page_text(p, MSG_PREPARE_PINS);
    page_text(p, MSG_PREPARE_KEEP);
    page_action(p, 'g', 1, MSG_OK);
    err_t e = page_run(p, &ev, f);
    page_free(p);
    return e != OK ? e : ev.action == 1 ? OK : face_back(f);
}

/* The explicit word for a token in use: its present label. */
static err_t ask_present(struct preparing *x, struct fault *f)
{
    const char *label = x->token->info.label;
    for (int wrong = 0;; wrong = 1) {
        struct page_event ev;
        struct page *p = page_new(x->face->ui, MSG_PREPARE_USED_TITLE);
        page_warn(p, MSG_PREPARE_USED, label, x->token->info.serial);
        page_field_text(p, x->present, sizeof x->present, 1, MSG_PREPARE_PRESENT);
        page_action_flags(p, 'e', 1, PAGE_NEEDS_ALL | PAGE_DANGER, MSG_PREPARE_ERASE);
        if (wrong)
            page_note(p, MSG_PREPARE_NOT_LABEL);
        err_t e = page_run(p, &ev, f);
        page_free(p);
        if (e != OK || ev.action != 1)
            return e != OK ? e : face_back(f);
        if (strcmp(x->present, label) == 0)
            return OK;
    }
}

static int label_taken(const struct preparing *x)
{
    for (size_t i = 0; i < x->before->count; i++) {
        const struct hsm_token *t = &x->before->list[i];
        if (t->initialized && strcmp(t->info.label, x->label) == 0 && strcmp(t->uri, x->token->uri) != 0)
            return 1;
    }
    return 0;
}

static err_t ask_label(struct preparing *x, struct fault *f)
{
    for (int taken = 0;; taken = 1) {
        struct page_event ev;
        struct page *p = page_new(x->face->ui, MSG_PREPARE_LABEL_TITLE);
        page_text(p, MSG_PREPARE_LABEL_TEXT);
        page_field_text(p, x->label, sizeof x->label, 1, MSG_PREPARE_LABEL);
        page_action_flags(p, 'g', 1, PAGE_NEEDS_ALL, MSG_OK);
        if (taken)
            page_note(p, MSG_PREPARE_TAKEN);
        err_t e = page_run(p, &ev, f);
        page_free(p);
        if (e != OK || ev.action != 1)
            return e != OK ? e : face_back(f);
        if (!label_taken(x))
            return OK;
    }
}

/* --- PINs, asked for by hsm_init --- */

static err_t run_pins(struct preparing *x, char *secret_out, char *secret_again, size_t max,
                      enum message title, enum message text, int differ, struct fault *f)
{
    struct page_event ev;
    struct page *p = page_new(x->face->ui, title);
    if (differ)
        page_warn(p, MSG_PREPARE_DIFFER);
    page_text(p, text);
    page_field_pin(p, secret_out, max, PIN_MIN, MSG_PREPARE_PIN);
    page_field_pin(p, secret_again, max, PIN_MIN, MSG_PREPARE_AGAIN);
    page_action_flags(p, 'g', 1, PAGE_NEEDS_ALL, MSG_OK);
    err_t e = page_run(p, &ev, f);
    page_free(p);
    return e != OK ? e : ev.action == 1 ? OK : face_back(f);
}

static err_t ask_twice(struct preparing *x, char *secret_out, size_t max, enum message title,
                       enum message text, struct fault *f)
{
    void *again = NULL;
    err_t e = secret_alloc(&again, max);
    if (e != OK)
        return fault_set(f, e, "no locked memory for a PIN");
    for (int differ = 0;; differ = 1) {
        e = run_pins(x, secret_out, again, max, title, text, differ, f);
        if (e != OK)
            break;
        size_t len = strnlen(secret_out, max);
        if (len == strnlen(again, max) && secret_equal(secret_out, again, len))
            break;
        secret_wipe(secret_out, max);
        secret_wipe(again, max);
    }
    secret_free(again);
    if (e != OK)
        secret_wipe(secret_out, max);
    return e;
}

struct pin_wanted {
    struct preparing *x;
    char *secret_out;
    size_t max;
};

static err_t ask_so_pin(void *ctx, struct fault *f)
{
    const struct pin_wanted *w = ctx;
    return ask_twice(w->x, w->secret_out, w->max, MSG_PREPARE_SO_TITLE,
                     w->x->token->initialized ? MSG_PREPARE_SO_PRESENT : MSG_PREPARE_SO_TEXT, f);
}

static err_t so_pin(void *ctx, char *secret_out, size_t max, const struct hsm_pin_info *info, struct fault *f)
{
    (void)info;
    struct pin_wanted w = {ctx, secret_out, max};
    return face_ask(w.x->face, ask_so_pin, &w, f);
}

/* The last page: nothing was sent to the token so far. */
static err_t confirm(struct preparing *x, struct fault *f)
{
    struct page_event ev;
    char name[160];
    struct page *p = page_new(x->face->ui, MSG_PREPARE_CONFIRM_TITLE);
    page_value(p, token_name(name, x->face, x->token), MSG_PREPARE_TOKEN);
    page_value(p, x->label, MSG_PREPARE_LABEL);
    page_warn(p, MSG_PREPARE_DESTROYS);
    page_field_exact(p, message_text(x->face->language, MSG_PREPARE_WORD), MSG_PREPARE_TYPE);
    page_action_flags(p, 'd', 1, PAGE_NEEDS_ALL, MSG_PREPARE_DO);
    err_t e = page_run(p, &ev, f);
    page_free(p);
    return e != OK ? e : ev.action == 1 ? OK : face_back(f);
}

static err_t ask_user_pin(void *ctx, struct fault *f)
{
    const struct pin_wanted *w = ctx;
    TRY(ask_twice(w->x, w->secret_out, w->max, MSG_PREPARE_USER_TITLE, MSG_PREPARE_USER_TEXT, f));
    err_t e = confirm(w->x, f);
    if (e != OK)
        secret_wipe(w->secret_out, w->max);
    return e;
}

static err_t user_pin(void *ctx, char *secret_out, size_t max, const struct hsm_pin_info *info,
                      struct fault *f)
{
    (void)info;
    struct pin_wanted w = {ctx, secret_out, max};
    return face_ask(w.x->face, ask_user_pin, &w, f);
}

/* --- the work --- */

/* A token with its own keypad asks for both PINs itself. */
static err_t init_work(void *ctx, struct fault *f)
{
    struct preparing *x = ctx;
    int keypad = x->token->keypad;
    struct hsm_init_request request = {x->label, x->token->initialized ? x->present : NULL,
                                       keypad ? NULL : so_pin, keypad ? NULL : user_pin, x};
    struct hsm_options opt = token_options(x->face);
    err_t e = hsm_init(x->token->uri, &opt, &request, f);
    secret_burn_stack();
    return e;
}

static err_t prepare(struct preparing *x, struct fault *f)
{
    if (x->token->keypad) {
        TRY(ui_show(x->face->ui, MSG_PREPARE_TITLE, f, MSG_PREPARE_KEYPAD));
        TRY(confirm(x, f));
    }
    for (;;) {
        err_t e = face_busy(x->face, init_work, x, f);
        x->face->c.last_try = 0;
        if (e != ERR_TOKEN_LAST_TRY)
            return e;
        TRY(token_again(x->face, e, f)); /* of the security officer's PIN */
        fault_clear(f);
    }
}

/* It has another serial number and another URI now. */
static const struct hsm_token *find_prepared(const struct preparing *x, const struct tokens *now)
{
    for (size_t i = 0; i < now->count; i++) {
        const struct hsm_token *t = &now->list[i];
        int known = 0;
        for (size_t k = 0; k < x->before->count; k++)
            known |= x->before->list[k].initialized && strcmp(x->before->list[k].uri, x->token->uri) != 0 &&
                     strcmp(x->before->list[k].info.serial, t->info.serial) == 0;
        if (t->initialized && !known && strcmp(t->info.label, x->label) == 0)
            return t;
    }
    return NULL;
}

static err_t show_result(struct preparing *x, struct tokens *now, struct fault *f)
{
    enum { PROBE = 1 };
    struct page_event ev;
    TRY(token_find(now, x->face, f));
    const struct hsm_token *t = find_prepared(x, now);
    struct page *p = page_new(x->face->ui, MSG_PREPARED_TITLE);
    if (t != NULL) {
        token_choose(x->face, t, t->uri);
        page_text(p, MSG_PREPARED);
        page_value(p, t->info.label, MSG_PREPARE_LABEL);
        page_value(p, t->info.serial, MSG_PREPARED_SERIAL);
        page_text(p, MSG_PREPARED_NEXT);
        page_action(p, 'p', PROBE, MSG_TOKEN_PROBE);
    } else {
        page_text(p, MSG_PREPARED_UNSEEN);
    }
    err_t e = page_run(p, &ev, f);
    page_free(p);
    return e == OK && ev.action == PROBE ? token_probe(x->face, f) : e;
}

static err_t run(struct preparing *x, struct fault *f)
{
    char name[TEXT_TITLE_MAX + 1];
    TRY(enrolled_as(name, x, f));
    if (name[0] != '\0')
        return ui_show(x->face->ui, MSG_PREPARE_TITLE, f, MSG_PREPARE_ENROLLED, name);
    TRY(explain(x, f));
    if (x->token->initialized)
        TRY(ask_present(x, f));
    TRY(ask_label(x, f));
    TRY(prepare(x, f));
    struct tokens *now = malloc(sizeof *now);
    if (now == NULL)
        return fault_set(f, ERR_MEMORY, "list of tokens");
    err_t e = show_result(x, now, f);
    free(now);
    return e;
}

err_t token_prepare(struct face *face, struct tokens *all, const struct hsm_token *t, struct fault *f)
{
    struct preparing x = {.face = face, .token = t, .before = all};
    err_t e = run(&x, f);
    secret_burn_stack();
    return e;
}
