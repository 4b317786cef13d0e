/* token list | probe | init */
#include <stdlib.h>
#include <string.h>

#include "appliance/session.h"
#include "hsm/hsm.h"
#include "ui/table.h"

struct token_args {
    struct common c;
    const char *label, *force, *so_pin, *user_pin;
};

static err_t print_token(void *ctx, const struct hsm_token *t)
{
    FILE *out = ctx;
    fprintf(out, "%s\n  label %s, %s %s, serial %s, module %s\n ", t->uri, t->info.label, t->info.manufacturer,
            t->info.model, t->info.serial, t->module);
    fprintf(out, "%s%s%s%s%s%s\n", t->initialized ? " initialised" : " not initialised", t->pin_set ? ", PIN set" : "",
            t->tries_low ? ", a wrong PIN was given" : "", t->final_try ? ", LAST TRY" : "", t->locked ? ", LOCKED" : "",
            t->keypad ? ", own keypad" : "");
    return OK;
}

static err_t list(const struct token_args *a, const struct hsm_options *opt, struct fault *f)
{
    return hsm_list(a->c.token, opt, print_token, stdout, f);
}

static err_t probe(const struct token_args *a, const struct hsm_options *opt, struct fault *f)
{
    static const struct table_column column[] = {{"check", TABLE_LEFT}, {"result", TABLE_LEFT}, {"note", TABLE_LEFT}};
    static const char *const verdict[] = {"PASS", "FAIL", "note"};
    struct hsm_probe p;
    struct table *t;
    if (a->c.token == NULL)
        return fault_set(f, ERR_USAGE, "--token is missing");
    TRY(hsm_probe(&p, a->c.token, opt, NULL, 0, f));
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
        e = fault_set(f, ERR_TOKEN_CANNOT, "%zu checks failed", p.failed);
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

static err_t user_pin(void *ctx, char *secret_out, size_t max, const struct hsm_pin_info *info, struct fault *f)
{
    struct both_pins *p = ctx;
    return pin_of(&p->user, secret_out, max, info, f);
}

static err_t init(const struct token_args *a, const struct hsm_options *opt, struct fault *f)
{
    struct both_pins pins = {{a->so_pin, "security officer's PIN"}, {a->user_pin, "PIN"}};
    if (a->c.token == NULL || a->label == NULL)
        return fault_set(f, ERR_USAGE, "--token and --label are needed");
    struct hsm_init_request request = {a->label, a->force, so_pin, user_pin, &pins};
    TRY(hsm_init(a->c.token, opt, &request, f));
    printf("token %s is ready\n", a->label);
    return OK;
}

err_t verb_token(int argc, char **argv, struct fault *f)
{
    struct token_args a = {0};
    struct arg spec[] = {COMMON_ARGS(&a.c),
                         {"label", "TEXT", "init: the new label", &a.label, NULL},
                         {"erase", "LABEL", "init: erase a token in use, whose present label is this", &a.force, NULL},
                         {"so-pin-file", "FILE", "init: the security officer's PIN", &a.so_pin, NULL},
                         {"pin-file", "FILE", "init: the user's PIN", &a.user_pin, NULL},
                         {0}};
    const char *what[1];
    size_t count;
    int help;
    TRY(args_parse(argc, argv, spec, what, 1, &count, &help, f));
    struct hsm_options opt = {.program = "/proc/self/exe", .pin = hsm_pin_prompt, .last_try = a.c.last_try};
    if (help || count != 1) {
        args_help(help ? stdout : stderr, "conclave", "token list|probe|init --token URI",
                  "list:  tokens that can be seen, with their URIs\n"
                  "probe: tries on the token, for real, everything a ceremony needs, and cleans up\n"
                  "init:  gives a new token its label and PINs; destroys what is on it",
                  spec);
        return help ? OK : fault_set(f, ERR_USAGE, "token list, probe or init");
    }
    if (strcmp(what[0], "list") == 0)
        return list(&a, &opt, f);
    if (strcmp(what[0], "probe") == 0)
        return probe(&a, &opt, f);
    if (strcmp(what[0], "init") == 0)
        return init(&a, &opt, f);
    return fault_set(f, ERR_USAGE, "token list, probe or init");
}
