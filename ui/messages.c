#include "ui/messages.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uninorm.h>
#include <unistr.h>

#include "ceremony/base/text.h"
#include "ui/messages_list.h"

static const struct message_list *const lists[LANGUAGE_COUNT] = {&messages_en, &messages_es};

const struct message_list *message_list_of(enum language l)
{
    return lists[(unsigned)l < LANGUAGE_COUNT ? l : LANGUAGE_EN];
}

const char *message_text(enum language l, enum message id)
{
    return (unsigned)id < MESSAGE_COUNT ? message_list_of(l)->text[id] : "?";
}

const char *message_error_meaning(enum language l, err_t e)
{
    return message_list_of(l)->error[(unsigned)e < ERR_COUNT ? e : ERR_BUG].meaning;
}

const char *message_error_advice(enum language l, err_t e)
{
    return message_list_of(l)->error[(unsigned)e < ERR_COUNT ? e : ERR_BUG].advice;
}

const char *language_tag(enum language l)
{
    return message_list_of(l)->tag;
}

const char *language_name(enum language l)
{
    return message_list_of(l)->name;
}

const struct word_list *language_words(enum language l)
{
    return message_list_of(l)->words;
}

err_t language_find(enum language *out, const char *tag)
{
    *out = LANGUAGE_EN;
    for (int l = 0; tag != NULL && l < LANGUAGE_COUNT; l++) {
        size_t n = strlen(lists[l]->tag);
        if (strncasecmp(tag, lists[l]->tag, n) == 0 && strchr("_-.@", tag[n]) != NULL) {
            *out = (enum language)l;
            return OK;
        }
    }
    return ERR_UNKNOWN;
}

const char *message_number(char out[24], uint64_t n)
{
    snprintf(out, 24, "%llu", (unsigned long long)n);
    return out;
}

/* --- cleaning --- */

/* Copies n bytes if they fit whole; 0 when the text is full. */
static int append(char *out, size_t out_len, size_t *at, const char *from, size_t n)
{
    if (out_len - *at <= n)
        return 0;
    memcpy(out + *at, from, n);
    *at += n;
    out[*at] = '\0';
    return 1;
}

static void clean_characters(char *out, size_t out_len, const char *text)
{
    size_t len = strlen(text), at = 0;
    out[0] = '\0';
    for (size_t i = 0; i < len;) {
        int n = u8_mblen((const uint8_t *)text + i, len - i);
        size_t step = n > 0 ? (size_t)n : 1;
        int keep = n > 0 && (text[i] == '\n' || (step == 1 && text[i] >= ' ' && text[i] < 0x7f) ||
                             text_check(text + i, step) == OK);
        if (!append(out, out_len, &at, keep ? text + i : text[i] == '\t' ? " " : "?", keep ? step : 1))
            return;
        i += step;
    }
}

/* Composes what was given in pieces, so that tables accept it. */
static void compose(char *out, size_t out_len)
{
    size_t len = strlen(out), nfc_len = 0;
    uint8_t *nfc = u8_normalize(UNINORM_NFC, (const uint8_t *)out, len, NULL, &nfc_len);
    if (nfc != NULL && nfc_len < out_len) {
        memcpy(out, nfc, nfc_len);
        out[nfc_len] = '\0';
    }
    free(nfc);
}

void message_clean(char *out, size_t out_len, const char *text)
{
    if (out_len == 0)
        return;
    clean_characters(out, out_len, text);
    for (const char *s = out; *s != '\0'; s++) {
        if ((unsigned char)*s >= 0x80) {
            compose(out, out_len);
            return;
        }
    }
}

/* --- arguments --- */

/* "{3}" at s: 3; no place: 0. */
static size_t place_at(const char *s)
{
    return s[0] == '{' && s[1] >= '1' && s[1] <= '9' && s[2] == '}' ? (size_t)(s[1] - '0') : 0;
}

err_t message_format(char *out, size_t out_len, enum language l, enum message id, const char *const *args,
                     size_t count)
{
    const char *s = message_text(l, id);
    unsigned used = 0;
    size_t at = 0;
    err_t e = count > MESSAGE_ARGS_MAX || (unsigned)id >= MESSAGE_COUNT ? ERR_BUG : OK;
    if (out_len == 0)
        return ERR_BUG;
    out[0] = '\0';
    while (*s != '\0') {
        size_t place = place_at(s);
        int n = place > 0 ? 3 : u8_mblen((const uint8_t *)s, strlen(s));
        if (n <= 0)
            return ERR_BUG;
        if (place > 0 && (place > count || args[place - 1] == NULL)) {
            e = ERR_BUG;
            append(out, out_len, &at, "?", 1);
        } else if (place > 0) {
            message_clean(out + at, out_len - at, args[place - 1]);
            at += strlen(out + at);
            used |= 1u << place;
        } else if (!append(out, out_len, &at, s, (size_t)n)) {
            break;
        }
        s += n;
    }
    for (size_t i = 1; *s == '\0' && i <= count; i++)
        e = used >> i & 1 ? e : ERR_BUG;
    return e;
}

void message_fault(char *out, size_t out_len, enum language l, const struct fault *f)
{
    char text[MESSAGE_MAX], at[48] = "", todo[512] = "", detail[1024] = "", technical[1200] = "";
    const char *advice = message_error_advice(l, f->err);
    if (advice[0] != '\0')
        snprintf(todo, sizeof todo, "%s: %s. ", message_text(l, MSG_TO_DO), advice);
    if (f->at >= 0)
        snprintf(at, sizeof at, ", %s %lld", message_text(l, f->is_line ? MSG_LINE : MSG_BYTE), f->at);
    if (f->detail[0] != '\0' && !message_detail(detail, sizeof detail, l, f->detail)) {
        snprintf(technical, sizeof technical, "%s: %s. ", message_text(l, MSG_DETAIL), detail);
        detail[0] = '\0';
    }
    snprintf(text, sizeof text, "%s%s%s%s%s%s%s%s. %s%s[%s]", f->file, f->file[0] != '\0' ? at : "",
             f->file[0] != '\0' && f->who[0] != '\0' ? ", " : "", f->who,
             f->file[0] != '\0' || f->who[0] != '\0' ? ": " : "", message_error_meaning(l, f->err),
             detail[0] != '\0' ? ": " : "", detail, todo, technical, err_name(f->err));
    message_clean(out, out_len, text);
}
