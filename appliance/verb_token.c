/* token list, token probe, token init */
#include <stdlib.h>
#include <string.h>

#include "appliance/work.h"
#include "hsm/hsm.h"
#include "ui/table.h"

static struct hsm_options options(const struct common *c)
{
    return (struct hsm_options){.program = "/proc/self/exe", .pin = hsm_pin_prompt, .last_try = c->last_try};
}

static err_t print_token(void *ctx, const struct hsm_token *t)
{
    FILE *out = ctx;
    fprintf(out, "%s\n  label %s, %s %s, serial %s, module %s\n ", t->uri, t->info.label,
            t->info.manufacturer, t->info.model, t->info.serial, t->module);
    fprintf(out, "%s%s%s%s%s%s\n", t->initialized ? " initialised" : " not initialised",
            t->pin_set ? ", PIN set" : "", t->tries_low ? ", a wrong PIN was given" : "",
            t->final_try ? ", LAST TRY" : "", t->locked ? ", LOCKED" : "", t->keypad ? ", own keypad" : "");
    return OK;
}

err_t verb_token_list(struct verb_run *v, int argc, char **argv)
{
    struct common c = {0};
    struct arg spec[] = {COMMON_ARGS(&c, 0, 0), {0}};
    TRY(verb_options(v, argc, argv, spec, NULL));
    if (v->help_shown)
        return OK;
    struct hsm_options opt = options(&c);
    return hsm_list(c.token, &opt, print_token, stdout, &v->fault);
}

/* Public keys that are enrolled on a board: a throw-away key must not be one of them. */
static err_t enrolled_keys(hash_t seen[2 * TRUSTEES_MAX], size_t *count, const struct common *c,
                           struct fault *f)
{
    struct session s;
    *count = 0;
    if (c->board == NULL)
        return OK;
    err_t e = session_open(&s, c, 0, stderr, f);
    if (e == ERR_MISSING) { /* no election there yet: nothing to compare with */
        fault_clear(f);
        return OK;
    }
    TRY(e);
    work_enrolled_keys(seen, count, &s);
    session_close(&s);
    return OK;
}

err_t verb_token_probe(struct verb_run *v, int argc, char **argv)
{
    static const struct table_column column[] = {
        {"check", TABLE_LEFT}, {"result", TABLE_LEFT}, {"note", TABLE_LEFT}};
    static const char *const verdict[] = {"PASS", "FAIL", "note"};
    struct common c = {0};
    struct arg spec[] = {COMMON_ARGS(&c, 0, 1), {0}};
    struct hsm_probe p;
    struct table *t;
    hash_t seen[2 * TRUSTEES_MAX];
    size_t seen_count;
    TRY(verb_options(v, argc, argv, spec, NULL));
    if (v->help_shown)
        return OK;
    struct hsm_options opt = options(&c);
    TRY(enrolled_keys(seen, &seen_count, &c, &v->fault));
    TRY(hsm_probe(&p, c.token, &opt, seen, seen_count, &v->fault));
    printf("%s %s, label %s, serial %s\n", p.info.manufacturer, p.info.model, p.info.label, p.info.serial);
    TRY(table_new(&t, column, 3));
    err_t e = OK;
    for (size_t i = 0; i < p.count && e == OK; i++) {
        const char *cell[] = {p.check[i].title, verdict[p.check[i].verdict], p.check[i].note};
        e = table_row(t, cell);
    }
    if (e == OK)
        e = table_print(t, stdout, TABLE_UNICODE, 20);
    table_free(t);
    if (e == OK && p.failed > 0)
        e = fault_set(&v->fault, ERR_TOKEN_CANNOT, "%zu checks failed", p.failed);
    if (e == OK)
        printf("this token can do all that a ceremony needs\n");
    return e;
}

/* --- init: PINs from files, or asked for twice --- */

struct pins {
    const char *file;
    const char *question;
};

static err_t pin_of(void *ctx, char *secret_out, size_t max, const struct hsm_pin_info *info, struct fault *f)
{
    const struct pins *p = ctx;
    if (info->keypad || p->file == NULL)
        return hsm_pin_prompt(NULL, secret_out, max, info, f);
    return hsm_pin_file(secret_out, max, p->file, f);
}

struct both_pins {
    struct pins so, user;
};

static err_t so_pin(void *ctx, char *secret_out, size_t max, const struct hsm_pin_info *info, struct fault *f)
{
    struct both_pins *p = ctx;
    return pin_of(&p->so, secret_out, max, info, f);
}

static err_t user_pin(void *ctx, char *secret_out, size_t max, const struct hsm_pin_info *info,
                      struct fault *f)
{
    struct both_pins *p = ctx;
    return pin_of(&p->user, secret_out, max, info, f);
}

err_t verb_token_init(struct verb_run *v, int argc, char **argv)
{
    struct common c = {0};
    struct both_pins pins = {{NULL, "security officer's PIN"}, {NULL, "PIN"}};
    const char *label = NULL, *force = NULL;
    struct arg spec[] = {
        COMMON_ARGS(&c, 0, 1),
        {"label", ARG_TEXT, &label, "TEXT", "the new label", 1},
        {"erase", ARG_TEXT, &force, "LABEL", "erase a token in use, whose present label is this", 0},
        {"so-pin-file", ARG_TEXT, &pins.so.file, "FILE", "the security officer's PIN; otherwise asked for",
         0},
        {"pin-file", ARG_TEXT, &pins.user.file, "FILE", "the user's PIN; otherwise asked for", 0},
        {0},
    };
    TRY(verb_options(v, argc, argv, spec, NULL));
    if (v->help_shown)
        return OK;
    struct hsm_options opt = options(&c);
    struct hsm_init_request request = {label, force, so_pin, user_pin, &pins};
    TRY(hsm_init(c.token, &opt, &request, &v->fault));
    printf("token %s is ready\n", label);
    return OK;
}
