#include "ui/args.h"

#include <string.h>

static err_t list_add(struct arg_list *list, const char *text, struct fault *f)
{
    if (list->count == ARG_LIST_MAX)
        return fault_set(f, ERR_USAGE, "more than %d of one kind", ARG_LIST_MAX);
    list->item[list->count++] = text;
    return OK;
}

static err_t set(const struct arg *a, const char *value, struct fault *f)
{
    if (a->kind == ARG_FLAG) {
        *(int *)a->to = 1;
        return value == NULL ? OK : fault_set(f, ERR_USAGE, "--%s takes no value", a->name);
    }
    if (value == NULL || *value == '\0')
        return fault_set(f, ERR_USAGE, "--%s needs a value", a->name);
    if (a->kind == ARG_LIST)
        return list_add(a->to, value, f);
    if (*(const char **)a->to != NULL)
        return fault_set(f, ERR_USAGE, "--%s is there twice", a->name);
    *(const char **)a->to = value;
    return OK;
}

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
    const char *word = argv[*i], *value = strchr(word, '=');
    size_t len = value != NULL ? (size_t)(value - word) : strlen(word);
    const struct arg *a = len > 2 && word[1] == '-' ? find(spec, word + 2, len - 2) : NULL;
    if (a == NULL)
        return fault_set(f, ERR_USAGE, "argument %d is not an option of this command", *i + 1);
    if (value != NULL)
        value++;
    else if (a->kind != ARG_FLAG && *i + 1 < argc)
        value = argv[++*i];
    return set(a, value, f);
}

static err_t check_required(const struct arg *a, struct fault *f)
{
    for (; a->name != NULL; a++) {
        int given = a->kind == ARG_TEXT   ? *(const char **)a->to != NULL
                    : a->kind == ARG_LIST ? ((struct arg_list *)a->to)->count > 0
                                          : *(int *)a->to;
        if (a->required && !given)
            return fault_set(f, ERR_USAGE, "--%s%s%s is required", a->name, a->value != NULL ? " " : "",
                             a->value != NULL ? a->value : "");
    }
    return OK;
}

err_t args_parse(int argc, char **argv, const struct arg *spec, struct arg_list *rest, int *help,
                 struct fault *f)
{
    int ended = 0;
    *help = 0;
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++)
        *help |= strcmp(argv[i], "--help") == 0;
    if (*help)
        return OK;
    for (int i = 0; i < argc; i++) {
        if (!ended && strcmp(argv[i], "--") == 0)
            ended = 1;
        else if (!ended && argv[i][0] == '-' && argv[i][1] != '\0')
            TRY(take(argc, argv, &i, spec, f));
        else if (rest != NULL)
            TRY(list_add(rest, argv[i], f));
        else
            return fault_set(f, ERR_USAGE, "there is a word too many: argument %d", i + 1);
    }
    return check_required(spec, f);
}

void args_print(FILE *out, const struct arg *spec)
{
    for (; spec->name != NULL; spec++) {
        char left[64];
        snprintf(left, sizeof left, "--%s%s%s", spec->name, spec->value != NULL ? " " : "",
                 spec->value != NULL ? spec->value : "");
        fprintf(out, "  %-28s %s%s\n", left, spec->help, spec->required ? " (required)" : "");
    }
    fprintf(out, "  %-28s %s\n", "--help", "this text");
}

err_t args_number(uint64_t *out, const char *text, const char *name, uint64_t min, uint64_t max,
                  struct fault *f)
{
    uint64_t n = 0;
    size_t i = 0;
    if (text == NULL)
        return OK;
    *out = 0;
    for (; text[i] >= '0' && text[i] <= '9' && i < 19; i++)
        n = n * 10 + (uint64_t)(text[i] - '0');
    if (i == 0 || text[i] != '\0' || n < min || n > max)
        return fault_set(f, ERR_USAGE, "--%s takes a number from %llu to %llu", name, (unsigned long long)min,
                         (unsigned long long)max);
    *out = n;
    return OK;
}
