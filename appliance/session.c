#include "appliance/session.h"

#include <stdlib.h>
#include <string.h>

#include "appliance/keeper.h"

static err_t fill(struct session *s, const struct common *c, int need_record, FILE *err, struct fault *f)
{
    TRY(bundle_election_load(&s->el, c->board, need_record, f));
    TRY(board_open(&s->b, c->board, &s->el->m->election, f));
    TRY(group_new(&s->g));
    s->t.m = s->el->m;
    s->t.b = s->b;
    s->t.g = s->g;
    for (size_t i = 0; err != NULL && i < s->b->refused_count; i++) {
        char text[2048];
        fault_text(text, sizeof text, &s->b->refused[i].fault);
        fprintf(err, "left out: %s\n", text);
    }
    return OK;
}

static enum language language_of(const struct common *c)
{
    enum language l = c->language;
    return c->language_tag != NULL && language_find(&l, c->language_tag) != OK ? c->language : l;
}

static err_t check_language(const struct common *c, struct fault *f)
{
    enum language l;
    return c->language_tag == NULL || language_find(&l, c->language_tag) == OK
               ? OK
               : fault_set(f, ERR_USAGE, "this language is not there; en and es are");
}

const struct word_list *session_words(const struct common *c)
{
    return language_words(language_of(c));
}

err_t session_open(struct session *s, const struct common *c, int need_record, FILE *err, struct fault *f)
{
    memset(s, 0, sizeof *s);
    TRY(check_language(c, f));
    err_t e = fill(s, c, need_record, err, f);
    if (e != OK)
        session_close(s);
    return e;
}

static void say_missing(FILE *err, const char *who, const struct sandbox_state *state)
{
    char text[160];
    sandbox_text(text, sizeof text, state);
    if (err != NULL && text[0] != '\0')
        fprintf(err, "%s %s\n", who, text);
}

/* From here on files of strangers are read: with no program, no socket, and no file but those that the verb
 * needs. */
static void confine(struct session *s, const struct common *c, FILE *err)
{
    struct sandbox_path path[SESSION_PATHS_MAX + 2];
    size_t n = 0;
    path[n++] = (struct sandbox_path){c->board, 1};
    path[n++] = (struct sandbox_path){"/sys/devices/system/cpu", 0};
    for (size_t i = 0; i < c->path_count && i < SESSION_PATHS_MAX; i++)
        path[n++] = c->path[i];
    sandbox_enter(&s->self, SANDBOX_CHECKER, path, n);
    say_missing(err, "the process that reads the board is", &s->self);
}

err_t session_open_token(struct session *s, const struct common *c, int need_record, FILE *err,
                         struct fault *f)
{
    struct keeper_options opt = {.program = "/proc/self/exe",
                                 .spawn = c->launcher != NULL ? launcher_keeper : NULL,
                                 .spawn_ctx = c->launcher,
                                 .last_try = c->last_try,
                                 .language = language_of(c),
                                 .show = c->terminal == NULL ? KEEPER_PRINT
                                         : c->lines          ? KEEPER_LINES
                                                             : KEEPER_SCREEN,
                                 .rehearsal = c->rehearsal,
                                 .terminal = c->terminal,
                                 .terminal_ctx = c->terminal_ctx,
                                 .pin = c->pin,
                                 .pin_ctx = c->pin_ctx};
    struct sandbox_state keeper;
    struct vault vault;
    memset(s, 0, sizeof *s);
    TRY(check_language(c, f));
    if (c->token == NULL)
        return fault_set(f, ERR_USAGE, "--token URI is required");
    TRY(keeper_open(&vault, &keeper, c->token, &opt, f));
    say_missing(err, "the process that holds the token is", &keeper);
    if (!c->keep_rights)
        confine(s, c, err);
    struct sandbox_state self = s->self;
    err_t e = session_open(s, c, need_record, err, f);
    s->self = self;
    s->keeper = keeper;
    if (e != OK) {
        vault.ops->close(vault.ctx);
        return e;
    }
    s->t.vault = vault;
    s->has_token = 1;
    return OK;
}

void session_close(struct session *s)
{
    if (s->has_token)
        s->t.vault.ops->close(s->t.vault.ctx);
    group_free(s->g);
    board_free(s->b);
    bundle_election_free(s->el);
    memset(s, 0, sizeof *s);
}

err_t session_roster(struct session *s, struct roster *out, struct fault *f)
{
    if (s->t.enrolment != NULL) {
        err_t e = roster_signed_by(out, s->el->m, s->b, s->g, &s->t.identity, f);
        if (e != ERR_MISSING)
            return e;
    }
    struct status *st;
    TRY(status_read(&st, s->el->m, s->b, s->g, f));
    int has = st->has_roster, differ = st->rosters_differ;
    *out = st->roster;
    status_free(st);
    if (differ)
        return fault_set(f, ERR_CONFLICT,
                         "trustees signed different rosters; stop and compare the words again");
    return has ? OK : roster_make(out, s->el->m, s->b, s->g, NULL, 0, f);
}

err_t print_fingerprint(FILE *out, const char *title, const hash_t *h, const struct word_list *list)
{
    char words[WORDS_TEXT_SIZE], hex[2 * HASH_LEN + 1];
    TRY(words_put(words, list, h));
    hex_put(hex, h->b, HASH_LEN);
    fprintf(out, "%s\n  %s\n", title, hex);
    size_t n = 0;
    for (char *save = NULL, *w = strtok_r(words, " ", &save); w != NULL; w = strtok_r(NULL, " ", &save), n++)
        fprintf(out, "%s%2zu %-9s", n % 6 == 0 ? (n > 0 ? "\n  " : "  ") : " ", n + 1, w);
    fprintf(out, "\n");
    return OK;
}

void seats_text(char out[128], uint32_t seats)
{
    size_t len = 0;
    out[0] = '\0';
    for (uint32_t j = 1; j <= TRUSTEES_MAX; j++)
        if (seats >> (j - 1) & 1)
            len += (size_t)snprintf(out + len, 128 - len, "%s%u", len > 0 ? ", " : "", j);
    if (len == 0)
        snprintf(out, 128, "-");
}

err_t seats_parse(uint32_t *out, const char *text, uint32_t n, struct fault *f)
{
    *out = 0;
    for (const char *p = text;; p++) {
        char *end;
        unsigned long seat = strtoul(p, &end, 10);
        if (*p < '0' || *p > '9' || seat < 1 || seat > n || (*end != ',' && *end != '\0'))
            return fault_set(f, ERR_USAGE, "seats are given as 1,4,7 with numbers from 1 to %u", n);
        *out |= UINT32_C(1) << (seat - 1);
        p = end;
        if (*p == '\0')
            return OK;
    }
}
