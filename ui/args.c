#include "ui/args.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct arg *find(const struct arg *spec, const char *name, size_t len)
{
    for (; spec->name != NULL; spec++)
        if (strlen(spec->name) == len && memcmp(spec->name, name, len) == 0)
            return spec;
    return NULL;
}

/* Takes the option at argv[*i], and the value behind it. */
static err_t take(int argc, char **argv, int *i, const struct arg *spec, struct fault *f)
{
    const char *name = argv[*i] + 2, *equals = strchr(name, '=');
    size_t len = equals != NULL ? (size_t)(equals - name) : strlen(name);
    const struct arg *a = find(spec, name, len);
    if (a == NULL)
        return fault_set(f, ERR_USAGE, "unknown option --%.*s", (int)(len < 60 ? len : 60), name);
    if (a->flag != NULL) {
        if (equals != NULL)
            return fault_set(f, ERR_USAGE, "--%s takes no value", a->name);
        *a->flag = 1;
        return OK;
    }
    if (*a->value != NULL)
        return fault_set(f, ERR_USAGE, "--%s is given twice", a->name);
    if (equals != NULL)
        *a->value = equals + 1;
    else if (*i + 1 < argc)
        *a->value = argv[++*i];
    else
        return fault_set(f, ERR_USAGE, "--%s needs a value", a->name);
    return OK;
}

err_t args_parse(int argc, char **argv, const struct arg *spec, const char **positional, size_t max, size_t *count,
                 int *help, struct fault *f)
{
    *count = 0;
    *help = 0;
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0)
            *help = 1;
    for (int i = 1, only_positional = 0; i < argc && !*help; i++) {
        if (!only_positional && strcmp(argv[i], "--") == 0) {
            only_positional = 1;
        } else if (!only_positional && strncmp(argv[i], "--", 2) == 0) {
            TRY(take(argc, argv, &i, spec, f));
        } else {
            if (*count == max)
                return fault_set(f, ERR_USAGE, "one argument too many: %.60s", argv[i]);
            positional[(*count)++] = argv[i];
        }
    }
    return OK;
}

void args_help(FILE *out, const char *program, const char *usage, const char *about, const struct arg *spec)
{
    fprintf(out, "usage: %s %s\n\n%s\n", program, usage, about);
    if (spec->name != NULL)
        fprintf(out, "\n");
    for (; spec->name != NULL; spec++) {
        char left[64];
        snprintf(left, sizeof left, "--%s%s%s", spec->name, spec->metavar != NULL ? " " : "",
                 spec->metavar != NULL ? spec->metavar : "");
        fprintf(out, "  %-26s %s\n", left, spec->help);
    }
}

err_t args_number(uint64_t *out, const char *text, const char *name, uint64_t min, uint64_t max, struct fault *f)
{
    char *end;
    errno = 0;
    unsigned long long v = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || v < min || v > max)
        return fault_set(f, ERR_USAGE, "--%s takes a number from %llu to %llu", name, (unsigned long long)min,
                         (unsigned long long)max);
    *out = v;
    return OK;
}
