/* Exceptions as verbs: noting one, and listing those of a board. */
#include <time.h>

#include "appliance/session.h"
#include "ceremony/exception.h"

static err_t print_one(void *ctx, const struct exception_shown *x, struct fault *f)
{
    FILE *out = ctx;
    char when[32] = "?";
    struct tm tm;
    time_t t = (time_t)x->what.time;
    (void)f;
    if (gmtime_r(&t, &tm) != NULL)
        strftime(when, sizeof when, "%Y-%m-%d %H:%M UTC", &tm);
    fprintf(out, "exception, %s, %s: %s\n", when,
            x->author[0] != '\0' ? x->author : "a key that has not enrolled", x->what.text);
    return OK;
}

err_t print_exceptions(FILE *out, const struct session *s, struct fault *f)
{
    return exception_each(s->b, s->el->m, s->g, print_one, out, f);
}

err_t verb_exception(struct verb_run *v, int argc, char **argv)
{
    struct fault *f = &v->fault;
    struct common c = {0};
    const char *text = NULL;
    struct arg spec[] = {COMMON_ARGS(&c, 1, 0),
                         {"text", ARG_TEXT, &text, "TEXT",
                          "what happened; without it the exceptions on the board are shown", 0},
                         {0}};
    struct session s;
    TRY(verb_options(v, argc, argv, spec, NULL));
    if (v->help_shown)
        return OK;
    if (text != NULL)
        TRY(session_open_token(&s, &c, 0, stderr, f));
    else
        TRY(session_open(&s, &c, 0, stderr, f));
    err_t e = text != NULL ? trustee_find(&s.t, f) : OK;
    if (e == OK && text != NULL)
        e = exception_make(&s.t, text, f);
    if (e == OK)
        e = print_exceptions(stdout, &s, f);
    session_close(&s);
    return e;
}
