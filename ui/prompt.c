#include "ui/prompt.h"

#include <string.h>

/* Reads a line without its end. The rest of a line that is too long is read and dropped: ERR_LIMIT.
 * ERR_MISSING at the end of in. */
static err_t read_line(char *out, size_t out_len, FILE *in)
{
    size_t n = 0;
    int c = getc(in), too_long = 0;
    out[0] = '\0';
    if (c == EOF)
        return ERR_MISSING;
    for (; c != EOF && c != '\n'; c = getc(in)) {
        if (n + 1 < out_len && c != '\0')
            out[n++] = (char)c;
        else
            too_long = 1;
    }
    out[n] = '\0';
    return too_long ? ERR_LIMIT : OK;
}

/* Collects lines until there are words enough to judge: *e is what the words are worth. Returns
 * ERR_MISSING at the end of in. */
static err_t read_words(err_t *e, FILE *in, const struct word_list *list, const hash_t *h, struct fault *f)
{
    char all[PROMPT_LINE_MAX + 1] = "", line[PROMPT_LINE_MAX + 1];
    for (;;) {
        err_t got = read_line(line, sizeof line, in);
        if (got == ERR_MISSING)
            return got;
        if (got == ERR_LIMIT || strlen(all) + strlen(line) + 2 > sizeof all) {
            *e = fault_set(f, ERR_LIMIT, "the answer is too long");
            return OK;
        }
        strcat(all, line);
        strcat(all, " ");
        *e = words_match(list, h, all, f);
        if (*e != ERR_TRUNCATED || line[strspn(line, " \t\r")] == '\0')
            return OK;
    }
}

err_t prompt_words(FILE *in, FILE *out, const char *question, const struct word_list *list, const hash_t *h,
                   struct fault *f)
{
    struct fault wrong;
    for (;;) {
        err_t e = OK;
        fprintf(out, "%s\n> ", question);
        fflush(out);
        fault_clear(&wrong);
        if (read_words(&e, in, list, h, &wrong) != OK)
            return fault_set(f, ERR_REFUSED, "the input ended before the right words were typed");
        if (e == OK)
            return OK;
        if (e != ERR_TRUNCATED && e != ERR_TRAILING && e != ERR_FORMAT && e != ERR_MISMATCH &&
            e != ERR_LIMIT && e != ERR_TEXT)
            return fault_set(f, e, "%s", wrong.detail);
        fprintf(out, "Not accepted: %s. Compare again and type all the words.\n", wrong.detail);
    }
}
