/* Sentences that the program's rooms write in English, found again by their form and said in another
 * language. A sentence of the list has places {1} to {9} where the program puts what it found: names,
 * numbers, or another sentence. */
#include <stdio.h>
#include <string.h>

#include "ui/messages_list.h"

#define NESTED_MAX 3 /* a sentence in a sentence in a sentence */
#define PART_MAX 600

struct span {
    const char *at;
    size_t len;
};

static int is_place(const char *s)
{
    return s[0] == '{' && s[1] >= '1' && s[1] <= '9' && s[2] == '}';
}

/* Literal text at the head of a pattern. */
static size_t literal_len(const char *pattern)
{
    size_t n = 0;
    while (pattern[n] != '\0' && !is_place(pattern + n))
        n++;
    return n;
}

/* Where the literal is in text: what ends the pattern must end the text, the rest is looked for from left. */
static const char *find_literal(const char *text, const char *literal, size_t len, int is_last)
{
    size_t have = strlen(text);
    if (len > have)
        return NULL;
    if (is_last)
        return memcmp(text + have - len, literal, len) == 0 ? text + have - len : NULL;
    return memmem(text, have, literal, len);
}

/* 1 if text has the pattern's form; arg: what stands in its places. */
static int matches(const char *text, const char *pattern, struct span arg[MESSAGE_ARGS_MAX])
{
    size_t n = literal_len(pattern);
    memset(arg, 0, MESSAGE_ARGS_MAX * sizeof *arg);
    if (strncmp(text, pattern, n) != 0)
        return 0;
    text += n;
    pattern += n;
    while (*pattern != '\0') {
        size_t place = (size_t)(pattern[1] - '1');
        pattern += 3;
        n = literal_len(pattern);
        const char *end = find_literal(text, pattern, n, pattern[n] == '\0');
        if (end == NULL || end == text)
            return 0;
        arg[place] = (struct span){text, (size_t)(end - text)};
        text = end + n;
        pattern += n;
    }
    return *text == '\0';
}

static int translate(char *out, size_t out_len, enum language l, const char *text, int depth);

static int fill(char *out, size_t out_len, enum language l, const char *form, const struct span *arg,
                int depth)
{
    size_t at = 0;
    for (const char *s = form; *s != '\0' && at + 1 < out_len;) {
        char part[PART_MAX], said[PART_MAX];
        if (!is_place(s)) {
            out[at++] = *s++;
            continue;
        }
        const struct span *a = &arg[s[1] - '1'];
        snprintf(part, sizeof part, "%.*s", (int)(a->len < sizeof part ? a->len : sizeof part - 1), a->at);
        if (!translate(said, sizeof said, l, part, depth + 1))
            snprintf(said, sizeof said, "%s", part);
        at += (size_t)snprintf(out + at, out_len - at, "%s", said);
        at = at < out_len ? at : out_len - 1;
        s += 3;
    }
    out[at] = '\0';
    return 1;
}

static int translate(char *out, size_t out_len, enum language l, const char *text, int depth)
{
    const struct message_list *list = message_list_of(l);
    struct span arg[MESSAGE_ARGS_MAX];
    for (size_t i = 0; depth < NESTED_MAX && i < list->details; i++)
        if (matches(text, list->detail[i].english, arg))
            return fill(out, out_len, l, list->detail[i].said, arg, depth);
    return 0;
}

int message_detail(char *out, size_t out_len, enum language l, const char *english)
{
    char said[MESSAGE_MAX];
    int known = l == LANGUAGE_EN || translate(said, sizeof said, l, english, 0);
    message_clean(out, out_len, l == LANGUAGE_EN || !known ? english : said);
    return known;
}

void message_detail_text(char *out, size_t out_len, enum language l, const char *english)
{
    char said[MESSAGE_MAX];
    if (message_detail(said, sizeof said, l, english))
        snprintf(out, out_len, "%s", said);
    else
        snprintf(out, out_len, "%s: %s", message_text(l, MSG_DETAIL), said);
}
