/* The token: which one, what it can do, its PIN, and what to do when it is not there. */
#include <stdlib.h>
#include <string.h>

#include "appliance/face_parts.h"
#include "appliance/work.h"
#include "hsm/hsm.h"

#define RESCAN_MS 2000 /* a page of its own would flicker for what looks again so often */

struct hsm_options token_options(struct face *face)
{
    return (struct hsm_options){.program = "/proc/self/exe",
                                .pin = face_pin,
                                .pin_ctx = face,
                                .last_try = face->c.last_try,
                                .spawn = face->c.launcher != NULL ? launcher_token : NULL,
                                .spawn_ctx = face->c.launcher};
}

static err_t take_one(void *ctx, const struct hsm_token *t)
{
    struct tokens *all = ctx;
    if (all->count < TOKENS_MAX)
        all->list[all->count++] = *t;
    return OK;
}

struct finding {
    struct face *face;
    struct tokens *all;
};

static err_t list_work(void *ctx, struct fault *f)
{
    const struct finding *w = ctx;
    struct face *face = w->face;
    struct hsm_options opt = token_options(face);
    w->all->count = 0;
    return hsm_list(face->token_filter[0] != '\0' ? face->token_filter : NULL, &opt, take_one, w->all, f);
}

static err_t find(struct tokens *all, struct face *face, int silent_ms, struct fault *f)
{
    struct finding w = {face, all};
    err_t e = face_busy_after(face, silent_ms, list_work, &w, f);
    if (e != ERR_TOKEN_ABSENT)
        return e;
    fault_clear(f);
    return OK;
}

err_t token_find(struct tokens *all, struct face *face, struct fault *f)
{
    return find(all, face, FACE_SILENT_MS, f);
}

void token_choose(struct face *face, const struct hsm_token *t, const char *uri)
{
    static const hash_t none;
    snprintf(face->token_uri, sizeof face->token_uri, "%s", uri);
    snprintf(face->token_label, sizeof face->token_label, "%s", t->info.label);
    snprintf(face->token_serial, sizeof face->token_serial, "%s", t->info.serial);
    face->c.token = face->token_uri;
    face->self_election = face->opened = none;
}

/* What is known of the token's state, as one word for a list. */
static enum message state_of(const struct hsm_token *t)
{
    return t->locked                        ? MSG_TOKEN_LOCKED
           : !t->initialized || !t->pin_set ? MSG_TOKEN_NEW
           : t->final_try                   ? MSG_TOKEN_FINAL
           : t->tries_low                   ? MSG_TOKEN_LOW
                                            : MSG_TOKEN_GOOD;
}

err_t token_preset(struct face *face, struct fault *f)
{
    struct tokens *all = malloc(sizeof *all);
    if (all == NULL)
        return fault_set(f, ERR_MEMORY, "list of tokens");
    err_t e = token_find(all, face, f);
    /* the URI as it was given: it may say where the PIN comes from */
    if (e == OK && all->count == 1)
        token_choose(face, &all->list[0], face->token_filter);
    free(all);
    return face_show(face, e, f);
}

/* --- the PIN --- */

struct pin_question {
    struct face *face;
    char *secret_out;
    size_t max;
    const struct hsm_pin_info *info;
};

static err_t ask_pin(void *ctx, struct fault *f)
{
    const struct pin_question *q = ctx;
    struct face *face = q->face;
    char *secret_out = q->secret_out;
    size_t max = q->max;
    const struct hsm_pin_info *info = q->info;
    struct page_event ev;
    struct page *p = page_new(face->ui, MSG_PIN_TITLE);
    page_help(p, MSG_PIN_HELP);
    page_text(p, MSG_PIN_TOKEN, info->label, info->serial);
    if (info->final_try)
        page_warn(p, MSG_PIN_FINAL);
    else if (info->tries_low)
        page_warn(p, MSG_PIN_LOW);
    else
        page_text(p, MSG_PIN_TRIES);
    if (info->keypad) {
        page_text(p, MSG_PIN_KEYPAD);
        page_action(p, 'g', 1, MSG_OK);
    } else {
        page_field_pin(p, secret_out, max, PIN_MIN, MSG_PIN_FIELD);
        page_action_flags(p, 'g', 1, PAGE_NEEDS_ALL, MSG_OK);
    }
    err_t e = page_run(p, &ev, f);
    page_free(p);
    if (e != OK)
        return e;
    return ev.action == 1 ? OK : face_back(f);
}

err_t face_pin(void *ctx, char *secret_out, size_t max, const struct hsm_pin_info *info, struct fault *f)
{
    struct face *face = ctx;
    struct pin_question q = {face, secret_out, max, info};
    return face_ask(face, ask_pin, &q, f);
}

/* --- waiting, and trying again --- */

/* Until the chosen token is there, or the person gives up. */
static err_t wait_for_token(struct face *face, enum message text, struct fault *f)
{
    struct tokens *all = malloc(sizeof *all);
    if (all == NULL)
        return fault_set(f, ERR_MEMORY, "list of tokens");
    err_t e;
    struct page_event ev = {.action = PAGE_BACK};
    for (;;) {
        struct page *p = page_new(face->ui, MSG_TOKEN_WAIT_TITLE);
        page_text(p, text);
        page_text(p, MSG_TOKEN_WAIT, face->token_label, face->token_serial);
        page_action(p, 'g', 1, MSG_TOKEN_WAIT_DONE);
        page_tick(p, RESCAN_MS);
        e = page_run(p, &ev, f);
        page_free(p);
        if (e != OK || ev.action == PAGE_BACK || ev.action == 1)
            break;
        if (find(all, face, RESCAN_MS, f) != OK)
            continue;
        int there = 0;
        for (size_t i = 0; i < all->count; i++)
            there |= strcmp(all->list[i].info.serial, face->token_serial) == 0;
        if (there)
            break;
    }
    free(all);
    return e == OK && ev.action == PAGE_BACK ? face_back(f) : e;
}

static err_t ask_last_try(struct face *face, struct fault *f)
{
    struct page_event ev;
    struct page *p = page_new(face->ui, MSG_LAST_TITLE);
    page_warn(p, MSG_LAST_TEXT);
    page_field_exact(p, message_text(face->language, MSG_PIN_FINAL_WORD), MSG_PIN_FINAL_FIELD);
    page_action_flags(p, 'g', 1, PAGE_NEEDS_ALL, MSG_LAST_ACTION);
    err_t e = page_run(p, &ev, f);
    page_free(p);
    if (e != OK)
        return e;
    if (ev.action != 1)
        return face_back(f);
    face->c.last_try = 1;
    return OK;
}

static err_t ask_pin_again(struct face *face, struct fault *f)
{
    struct page_event ev;
    struct page *p = page_new(face->ui, MSG_PIN_WRONG_TITLE);
    page_warn(p, MSG_PIN_WRONG);
    page_action(p, 'g', 1, MSG_PIN_WRONG_ACTION);
    err_t e = page_run(p, &ev, f);
    page_free(p);
    return e != OK ? e : ev.action == 1 ? OK : face_back(f);
}

err_t token_again(struct face *face, err_t e, struct fault *f)
{
    switch (e) {
    case ERR_TOKEN_PIN:
        return ask_pin_again(face, f);
    case ERR_TOKEN_LAST_TRY:
        return ask_last_try(face, f);
    case ERR_TOKEN_ABSENT:
        return wait_for_token(face, MSG_TOKEN_IS_ABSENT, f);
    case ERR_TOKEN_REMOVED:
        return wait_for_token(face, MSG_TOKEN_WAS_REMOVED, f);
    case ERR_TOKEN_WRONG:
        return wait_for_token(face, MSG_TOKEN_IS_WRONG, f);
    default:
        return e;
    }
}

/* --- probe --- */

static err_t show_probe(struct face *face, const struct hsm_probe *probe, struct fault *f)
{
    static const enum page_state state[] = {PAGE_PASS, PAGE_FAIL, PAGE_NOTE};
    struct page_event ev;
    struct page *p = page_new(face->ui, MSG_PROBE_TITLE);
    page_text(p, MSG_HOME_TOKEN_VALUE, probe->info.label, probe->info.serial);
    if (probe->failed > 0)
        page_warn(p, MSG_PROBE_BAD, UI_NUMBER(probe->failed));
    else
        page_text(p, MSG_PROBE_GOOD);
    for (size_t i = 0; i < probe->count; i++) {
        const struct hsm_check *c = &probe->check[i];
        char title[200], note[400] = "";
        message_detail_text(title, sizeof title, face->language, c->title);
        if (c->note[0] != '\0')
            message_detail_text(note, sizeof note, face->language, c->note);
        page_check(p, state[c->verdict], note, MSG_RAW, title);
    }
    page_action(p, 'g', 1, MSG_OK);
    err_t e = page_run(p, &ev, f);
    page_free(p);
    return e;
}

struct probing {
    struct face *face;
    struct hsm_probe *result;
    const hash_t *seen;
    size_t count;
};

static err_t probe_work(void *ctx, struct fault *f)
{
    const struct probing *w = ctx;
    struct hsm_options opt = token_options(w->face);
    return hsm_probe(w->result, w->face->token_uri, &opt, w->seen, w->count, f);
}

err_t token_probe(struct face *face, struct fault *f)
{
    struct session s;
    hash_t seen[2 * TRUSTEES_MAX];
    size_t count = 0;
    if (face->c.board != NULL) {
        TRY(face_session(face, &s, 0, f));
        work_enrolled_keys(seen, &count, &s);
        session_close(&s);
    }
    struct hsm_probe *result = malloc(sizeof *result);
    if (result == NULL)
        return fault_set(f, ERR_MEMORY, "probe");
    err_t e;
    for (;;) {
        struct probing w = {face, result, seen, count};
        e = face_busy(face, probe_work, &w, f);
        face->c.last_try = 0;
        if (e == OK)
            e = result->login;
        if (e == OK || err_class(e) != CLASS_TOKEN)
            break;
        e = token_again(face, e, f);
        if (e != OK)
            break;
        fault_clear(f);
    }
    if (e == OK)
        e = show_probe(face, result, f);
    free(result);
    return e;
}

/* --- the screen --- */

enum { USE = 1, PROBE, AGAIN, PREPARE };

static struct page *token_page(struct face *face, const struct tokens *all, size_t *at)
{
    struct page *p = page_new(face->ui, MSG_TOKEN_TITLE);
    page_help(p, MSG_TOKEN_HELP);
    if (all->count == 0) {
        page_text(p, MSG_TOKEN_NONE);
        page_action(p, 'r', AGAIN, MSG_TOKEN_AGAIN);
        page_tick(p, RESCAN_MS);
        return p;
    }
    page_text(p, MSG_TOKEN_TEXT);
    page_field_choice(p, at, MSG_TOKEN_FIELD);
    for (size_t i = 0; i < all->count; i++) {
        char text[160];
        const struct hsm_token *t = &all->list[i];
        page_item_raw(p, token_name(text, face, t), message_text(face->language, state_of(t)));
    }
    page_action_flags(p, 'g', USE, PAGE_NEEDS_ALL, MSG_TOKEN_USE);
    page_action(p, 'p', PROBE, MSG_TOKEN_PROBE);
    page_action(p, 'i', PREPARE, MSG_TOKEN_PREPARE);
    page_action(p, 'r', AGAIN, MSG_TOKEN_AGAIN);
    return p;
}

static size_t chosen_of(const struct face *face, const struct tokens *all)
{
    for (size_t i = 0; i < all->count; i++)
        if (face->c.token != NULL && strcmp(all->list[i].info.serial, face->token_serial) == 0)
            return i;
    return 0;
}

static err_t act(struct face *face, const struct hsm_token *t, int action, int *done, struct fault *f)
{
    if (t->locked || !t->initialized || !t->pin_set)
        return ui_show(face->ui, MSG_TOKEN_TITLE, f, t->locked ? MSG_TOKEN_LOCKED_TEXT : MSG_TOKEN_NEW_TEXT);
    if (face->c.token == NULL || strcmp(t->info.serial, face->token_serial) != 0)
        token_choose(face, t, t->uri);
    *done = action == USE;
    return action == PROBE ? face_show(face, token_probe(face, f), f) : OK;
}

err_t face_token(struct face *face, struct fault *f)
{
    struct tokens *all = malloc(sizeof *all);
    if (all == NULL)
        return fault_set(f, ERR_MEMORY, "list of tokens");
    int done = 0;
    size_t at = 0;
    err_t e = token_find(all, face, f);
    if (e == OK)
        at = chosen_of(face, all);
    else
        e = face_show(face, e, f);
    while (e == OK && !done) {
        struct page_event ev;
        struct page *p = token_page(face, all, &at);
        e = page_run(p, &ev, f);
        page_free(p);
        if (e != OK || ev.action == PAGE_BACK)
            break;
        if (ev.action == AGAIN || ev.action == PAGE_TICK) {
            int silent_ms = ev.action == AGAIN ? FACE_SILENT_MS : RESCAN_MS;
            e = face_show(face, find(all, face, silent_ms, f), f);
            at = chosen_of(face, all);
        } else if (at < all->count && ev.action == PREPARE) {
            e = face_show(face, token_prepare(face, all, &all->list[at], f), f);
            if (e == OK)
                e = face_show(face, token_find(all, face, f), f);
            at = chosen_of(face, all);
        } else if (at < all->count) {
            e = act(face, &all->list[at], ev.action, &done, f);
        }
    }
    free(all);
    return e;
}
