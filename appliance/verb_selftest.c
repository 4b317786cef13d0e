/* selftest */
#include "appliance/selftest.h"
#include "appliance/session.h"
#include "ui/table.h"

static err_t print_results(const struct selftest *st)
{
    static const struct table_column column[] = {
        {"test", TABLE_LEFT}, {"what", TABLE_LEFT}, {"result", TABLE_LEFT}, {"detail", TABLE_LEFT}};
    struct table *t;
    TRY(table_new(&t, column, 4));
    err_t e = OK;
    for (size_t i = 0; i < st->count && e == OK; i++) {
        const struct selftest_check *c = &st->check[i];
        const char *cell[] = {c->id, c->title, c->err == OK ? "PASS" : "FAIL", c->detail};
        e = table_row(t, cell);
    }
    if (e == OK)
        e = table_print(t, stdout, TABLE_UNICODE, 20);
    table_free(t);
    return e;
}

static err_t probe(const struct common *c, const struct hsm_options *opt, struct fault *f)
{
    struct hsm_probe p;
    TRY(hsm_probe(&p, c->token, opt, NULL, 0, f));
    for (size_t i = 0; i < p.count; i++)
        if (p.check[i].verdict == HSM_FAIL)
            printf("token: %s: FAIL %s\n", p.check[i].title, p.check[i].note);
    if (p.failed > 0)
        return fault_set(f, ERR_TOKEN_CANNOT, "%zu checks of the token failed", p.failed);
    printf("token %s: %zu checks passed\n", p.info.label, p.count);
    return OK;
}

err_t verb_selftest(struct verb_run *v, int argc, char **argv)
{
    struct fault *f = &v->fault;
    struct common c = {0};
    struct arg spec[] = {COMMON_ARGS(&c, 0, 0), {0}};
    struct selftest st;
    struct keystore ks;
    TRY(verb_options(v, argc, argv, spec, NULL));
    if (v->help_shown)
        return OK;
    struct hsm_options opt = {.program = "/proc/self/exe", .pin = hsm_pin_prompt, .last_try = c.last_try};
    if (c.token != NULL)
        TRY(hsm_open(&ks, c.token, &opt, f));
    err_t e = selftest_run(&st, c.token != NULL ? &ks : NULL, NULL, f);
    if (c.token != NULL)
        ks.ops->close(ks.ctx);
    err_t shown = print_results(&st);
    TRY(e);
    TRY(shown);
    if (c.token != NULL)
        TRY(probe(&c, &opt, f));
    printf("%zu tests passed\n", st.count);
    return OK;
}
