#include "ui/verb.h"

#include <string.h>

/* --- what verbs use --- */

err_t verb_options(struct verb_run *v, int argc, char **argv, const struct arg *spec, struct arg_list *rest)
{
    TRY(args_parse(argc, argv, spec, rest, &v->help_shown, &v->fault));
    if (!v->help_shown)
        return OK;
    fprintf(v->out, "%s\n\nusage: %s %s%s%s%s\n", v->verb->summary, v->program->name, v->verb->name,
            spec->name != NULL ? " [OPTIONS]" : "", v->verb->arguments[0] ? " " : "", v->verb->arguments);
    if (v->verb->text != NULL)
        fprintf(v->out, "\n%s\n", v->verb->text);
    fprintf(v->out, "\n");
    args_print(v->out, spec);
    return OK;
}

static void print_fault(FILE *err, const struct verb_program *p, const struct fault *f)
{
    char text[2048];
    fault_text(text, sizeof text, f);
    fprintf(err, "%s: %s\n", p->name, text);
}

void verb_print_fault(struct verb_run *v, const struct fault *f)
{
    print_fault(v->err, v->program, f);
}

int verb_stopped(const struct verb_run *v)
{
    return v->program->stop != NULL && *v->program->stop != 0;
}

/* --- main --- */

int verb_report(const struct verb_program *p, FILE *err, err_t e, struct fault *f)
{
    if (e == OK)
        return 0;
    if (f->err != e) /* set by nobody, or about something that was handled */
        fault_set(f, e, "%s", "");
    print_fault(err, p, f);
    return e == ERR_USAGE ? 2 : 1;
}

static void usage(FILE *out, const struct verb_program *p)
{
    fprintf(out, "%s: %s\n\nusage: %s VERB [OPTIONS]\n\n", p->name, p->about, p->name);
    for (size_t i = 0; i < p->count; i++)
        fprintf(out, "  %-19s %s\n", p->verb[i].name, p->verb[i].summary);
    fprintf(out, "\n%s VERB --help says more. Exit status: 0 done, 1 refused or failed, 2 wrong use.\n",
            p->name);
}

/* How many words of argv the name takes, or 0 if it is another verb. */
static int matches(const struct verb *v, int argc, char **argv)
{
    const char *space = strchr(v->name, ' ');
    if (space == NULL)
        return strcmp(argv[0], v->name) == 0;
    size_t first = (size_t)(space - v->name);
    if (argc < 2 || strlen(argv[0]) != first || strncmp(argv[0], v->name, first) != 0)
        return 0;
    return strcmp(argv[1], space + 1) == 0 ? 2 : 0;
}

/* Lists the verbs whose first of two words this is; 0 if there are none. */
static int family(const struct verb_program *p, const char *word, FILE *out)
{
    int found = 0;
    size_t len = strlen(word);
    for (size_t i = 0; i < p->count; i++) {
        const struct verb *v = &p->verb[i];
        if (strncmp(v->name, word, len) != 0 || v->name[len] != ' ')
            continue;
        fprintf(out, "%s%s %-19s %s\n", found ? "       " : "usage: ", p->name, v->name, v->summary);
        found = 1;
    }
    return found;
}

static int run(const struct verb_program *p, const struct verb *verb, int argc, char **argv)
{
    struct verb_run v = {.program = p, .verb = verb, .out = stdout, .err = stderr};
    fault_clear(&v.fault);
    err_t e = verb->run(&v, argc, argv);
    if (e == OK && fflush(stdout) != 0)
        e = fault_set(&v.fault, ERR_IO, "writing to standard output failed");
    return verb_report(p, stderr, e, &v.fault);
}

int verb_main(const struct verb_program *p, int argc, char **argv)
{
    struct fault f;
    fault_clear(&f);
    if (argc < 2) {
        usage(stderr, p);
        return 2;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
        usage(stdout, p);
        return 0;
    }
    for (size_t i = 0; i < p->count; i++) {
        int words = matches(&p->verb[i], argc - 1, argv + 1);
        if (words > 0)
            return run(p, &p->verb[i], argc - 1 - words, argv + 1 + words);
    }
    int helped = argc > 2 && strcmp(argv[2], "--help") == 0;
    if (family(p, argv[1], helped ? stdout : stderr) && helped)
        return 0;
    fault_set(&f, ERR_USAGE, "there is no such verb; usage: %s VERB [OPTIONS]", p->name);
    return verb_report(p, stderr, ERR_USAGE, &f);
}
