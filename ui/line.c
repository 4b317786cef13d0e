/* Pages as plain lines: for screen readers, and for terminals that cannot place their cursor. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ceremony/base/secret.h"
#include "ui/prompt.h"
#include "ui/qr.h"
#include "ui/qrtext.h"
#include "ui/term.h"
#include "ui/ui_parts.h"

#define WIDTH 78
#define ANSWER_MAX 2048

/* What came of a question. */
enum answer { ANSWER_OK, ANSWER_BACK, ANSWER_DIFFERS, ANSWER_END, ANSWER_WATCH };

/* --- in and out --- */

void line_say(const struct ui *ui, const char *text)
{
    char like[4 * MESSAGE_MAX];
    if (ui->config.ascii) {
        text_ascii(like, sizeof like, text);
        text = like;
    }
    fputs(text, stdout);
    fputc('\n', stdout);
}

static void say(const struct ui *ui, struct ui_args a)
{
    char text[MESSAGE_MAX];
    ui_say(text, sizeof text, ui, a);
    line_say(ui, text);
}

/* What is over out_len is read and dropped. */
enum line_got line_read(struct ui *ui, char *out, size_t out_len, int other, int ms)
{
    size_t n = 0;
    out[0] = '\0';
    fflush(stdout);
    for (;;) {
        char c;
        int seen = ui->ended ? TERM_STOP : term_wait(STDIN_FILENO, n == 0 ? other : -1, ms);
        if (seen & TERM_STOP)
            return LINE_END;
        if (seen & TERM_SUSPEND)
            raise(SIGSTOP);
        if (seen & TERM_INPUT) {
            ssize_t got = read(STDIN_FILENO, &c, 1);
            if (got < 0 && errno == EINTR)
                continue;
            if (got <= 0) {
                ui->ended = 1;
                return LINE_END;
            }
            if (c == '\n')
                return LINE_TEXT;
            if (n + 1 < out_len && c != '\r') {
                out[n++] = c;
                out[n] = '\0';
            }
        } else if (seen & TERM_OTHER) {
            return LINE_OTHER;
        } else if (seen == 0 && n == 0) {
            return LINE_LATE;
        }
    }
}

static int is_back(const char *answer)
{
    return strcmp(answer, "<") == 0 || strcmp(answer, "\x1b") == 0;
}

static enum answer ask(struct ui *ui, char answer[ANSWER_MAX], int watch)
{
    enum line_got got = line_read(ui, answer, ANSWER_MAX, watch, -1);
    if (got == LINE_END)
        return ANSWER_END;
    if (got == LINE_OTHER)
        return ANSWER_WATCH;
    return is_back(answer) ? ANSWER_BACK : ANSWER_OK;
}

/* --- the page --- */

static err_t print_page(struct page *p)
{
    struct rows r;
    char title[MESSAGE_MAX];
    rows_init(&r, WIDTH, p->ui->config.ascii, 1);
    err_t e = page_layout(&r, p, 0);
    const char *mark = p->ui->config.rehearsal ? page_say(p, MSG_REHEARSAL) : "";
    snprintf(title, sizeof title, "\n== %s ==%s%s", p->title, mark[0] != '\0' ? "  " : "", mark);
    line_say(p->ui, title);
    for (size_t i = 0; e == OK && i < r.count; i++)
        line_say(p->ui, r.row[i].text != NULL ? r.row[i].text : "");
    rows_free(&r);
    return e;
}

static void print_menu(struct page *p)
{
    char text[MESSAGE_MAX];
    line_say(p->ui, "");
    for (size_t i = 0; i < p->actions; i++) {
        snprintf(text, sizeof text, "%zu  %c  %s", i + 1, p->action[i].key, p->action[i].text);
        line_say(p->ui, text);
    }
    snprintf(text, sizeof text, "%s   %s", page_say(p, MSG_LINE_BACK),
             p->is_help ? "" : page_say(p, MSG_LINE_HELP));
    line_say(p->ui, text);
    if (page_has_qr(p))
        say(p->ui, UI_ARGS(MSG_LINE_QR));
    say(p->ui, UI_ARGS(MSG_LINE_CHOOSE));
}

static err_t draw_code(struct ui *ui, const char *text, struct fault *f)
{
    char *drawing = NULL;
    err_t e = ui->config.ascii ? ERR_LIMIT : qr_draw_utf8(&drawing, text, QR_ANSI, f);
    if (e == OK)
        fputs(drawing, stdout);
    free(drawing);
    line_say(ui, text);
    return e == ERR_MEMORY ? e : OK;
}

static err_t print_codes(struct page *p, struct fault *f)
{
    err_t e = OK;
    for (size_t i = 0; i < p->blocks && e == OK; i++) {
        const struct block *b = &p->block[i];
        struct qrtext t = {0};
        if (b->kind != BLOCK_QR)
            continue;
        if (b->text != NULL) {
            e = draw_code(p->ui, b->text, f);
            continue;
        }
        e = qrtext_split(&t, b->message_kind, b->message, b->message_len);
        for (size_t k = 0; k < t.count && e == OK; k++)
            e = draw_code(p->ui, t.part[k], f);
        qrtext_free(&t);
    }
    return e;
}

/* --- fields --- */

static enum answer ask_pin(struct page *p, struct field *f, char *problem, size_t problem_len)
{
    char *secret = NULL;
    char question[MESSAGE_MAX];
    size_t len = 0;
    struct fault fault;
    fault_clear(&fault);
    if (!isatty(STDIN_FILENO)) {
        say(p->ui, UI_ARGS(MSG_LINE_NO_TERMINAL));
        return ANSWER_BACK;
    }
    ui_say(question, sizeof question, p->ui, UI_ARGS(MSG_LINE_ASK, f->label));
    strncat(question, " ", sizeof question - strlen(question) - 1);
    fflush(stdout);
    err_t e = prompt_secret_fd(&secret, &len, STDIN_FILENO, question, &fault);
    if (e == OK && len < f->size)
        memcpy(f->text, secret, len + 1);
    secret_free(secret);
    if (e != OK && e != ERR_LIMIT)
        return ANSWER_END;
    if (e == OK && is_back(f->text)) {
        secret_wipe(f->text, f->size);
        return ANSWER_BACK;
    }
    if (e == OK && len >= f->size)
        ui_say(problem, problem_len, p->ui, UI_ARGS(MSG_TEXT_FULL, UI_NUMBER(f->size - 1)));
    return ANSWER_OK;
}

static enum answer ask_compare(struct page *p, struct field *f, char answer[ANSWER_MAX])
{
    char words[MESSAGE_MAX];
    while (f->ticked < WORDS_COUNT) {
        size_t first = f->ticked, last = first + WORDS_SPOKEN;
        last = last < WORDS_COUNT ? last : WORDS_COUNT;
        field_words_line(words, sizeof words, p->ui, f, first, last);
        line_say(p->ui, words);
        say(p->ui, UI_ARGS(MSG_COMPARE_ASK));
        enum answer got = ask(p->ui, answer, p->watch);
        if (got != ANSWER_OK)
            return got;
        if (strcasecmp(answer, "x") == 0)
            return ANSWER_DIFFERS;
        if (answer[0] == '\0' || strcmp(answer, " ") == 0)
            f->ticked = last;
        else
            say(p->ui, UI_ARGS(MSG_LINE_NOT_THERE, answer));
    }
    return ANSWER_OK;
}

static enum answer ask_choice(struct page *p, struct field *f, char answer[ANSWER_MAX])
{
    char text[2 * MESSAGE_MAX];
    line_say(p->ui, f->label);
    for (size_t i = 0; i < f->items; i++) {
        const char *detail = f->item[i].detail;
        snprintf(text, sizeof text, "%zu  %s%s%s", i + 1, f->item[i].text, detail != NULL ? ": " : "",
                 detail != NULL ? detail : "");
        line_say(p->ui, text);
    }
    for (;;) {
        say(p->ui, UI_ARGS(MSG_LINE_ITEM, UI_NUMBER(*f->index + 1)));
        enum answer got = ask(p->ui, answer, p->watch);
        if (got != ANSWER_OK || answer[0] == '\0')
            return got;
        size_t n = strspn(answer, "0123456789") == strlen(answer) ? strtoul(answer, NULL, 10) : 0;
        if (n >= 1 && n <= f->items) {
            *f->index = n - 1;
            return ANSWER_OK;
        }
        say(p->ui, UI_ARGS(MSG_LINE_NOT_THERE, answer));
    }
}

/* Types the answer as if it came from the keyboard, so that the same rules hold. */
static void type_answer(struct page *p, struct field *f, const char *answer, char *problem,
                        size_t problem_len)
{
    struct keys k = {0};
    size_t len = strlen(answer), at = 0;
    memset(f->text, 0, f->size);
    while (problem[0] == '\0' && (at < len || k.len > 0)) {
        size_t n = len - at < KEYS_BYTES - k.len ? len - at : KEYS_BYTES - k.len;
        memcpy(k.byte + k.len, answer + at, n);
        k.len += n;
        at += n;
        int key = keys_next(&k, at == len);
        if (key != KEY_NONE && key != KEY_ESC && key < 0x110000)
            field_key(p, f, key, problem, problem_len);
    }
}

static enum answer ask_text(struct page *p, struct field *f, char answer[ANSWER_MAX], char *problem,
                            size_t problem_len)
{
    int kept = f->kind != FIELD_WORDS && f->kind != FIELD_EXACT && f->text[0] != '\0';
    if (kept)
        say(p->ui, UI_ARGS(MSG_LINE_KEEP, f->label, f->text));
    else
        say(p->ui, UI_ARGS(MSG_LINE_ASK, f->label));
    enum answer got = ask(p->ui, answer, p->watch);
    if (got == ANSWER_OK && !(kept && answer[0] == '\0'))
        type_answer(p, f, answer, problem, problem_len);
    return got;
}

static enum answer ask_field(struct page *p, struct field *f, struct fault *fault)
{
    char answer[ANSWER_MAX], problem[512];
    for (;;) {
        enum answer got;
        problem[0] = answer[0] = '\0';
        if (f->kind == FIELD_PIN)
            got = ask_pin(p, f, problem, sizeof problem);
        else if (f->kind == FIELD_COMPARE)
            got = ask_compare(p, f, answer);
        else if (f->kind == FIELD_CHOICE)
            got = ask_choice(p, f, answer);
        else
            got = ask_text(p, f, answer, problem, sizeof problem);
        if (got != ANSWER_OK)
            return got;
        if (strcmp(answer, "?") == 0 && page_show_help(p, fault) != OK)
            return ANSWER_END;
        if (problem[0] == '\0' && field_check(p, f, problem, sizeof problem) == OK) {
            f->asked = 1;
            return ANSWER_OK;
        }
        line_say(p->ui, problem);
    }
}

static enum answer ask_fields(struct page *p, struct fault *fault)
{
    for (size_t i = 0; i < p->fields; i++) {
        struct field *f = &p->field[i];
        if (f->kind == FIELD_COMPARE && !f->needs_ticks)
            continue;
        enum answer got = ask_field(p, f, fault);
        if (got != ANSWER_OK)
            return got;
    }
    return ANSWER_OK;
}

static enum answer ask_danger(struct page *p, const struct action *a)
{
    char answer[ANSWER_MAX], plain[64], yes[64];
    say(p->ui, UI_ARGS(MSG_LINE_DANGER, a->text));
    enum answer got = ask(p->ui, answer, -1);
    if (got != ANSWER_OK)
        return got;
    text_ascii(plain, sizeof plain, answer);
    text_ascii(yes, sizeof yes, page_say(p, MSG_LINE_YES));
    if (strcasecmp(plain, yes) == 0)
        return ANSWER_OK;
    say(p->ui, UI_ARGS(MSG_NOT_DONE));
    return ANSWER_BACK;
}

/* --- choosing --- */

/* Of a number or a key; -1 none. */
static int chosen_action(const struct page *p, const char *answer)
{
    if (answer[0] != '\0' && strspn(answer, "0123456789") == strlen(answer)) {
        size_t n = strtoul(answer, NULL, 10);
        return n >= 1 && n <= p->actions ? (int)n - 1 : -1;
    }
    int c = answer[0] >= 'A' && answer[0] <= 'Z' ? answer[0] - 'A' + 'a' : answer[0];
    return answer[0] != '\0' && answer[1] == '\0' ? page_action_of(p, c) : -1;
}

/* ANSWER_OK: the event is the action; ANSWER_BACK: to the menu. */
static enum answer take_action(struct page *p, int i, struct page_event *event, struct fault *f)
{
    const struct action *a = &p->action[i];
    enum answer got = a->flags & PAGE_NEEDS_ALL ? ask_fields(p, f) : ANSWER_OK;
    if (got == ANSWER_OK && (a->flags & PAGE_DANGER))
        got = ask_danger(p, a);
    if (got == ANSWER_OK)
        event->action = a->id;
    if (got == ANSWER_DIFFERS)
        event->action = PAGE_DIFFERS;
    return got == ANSWER_DIFFERS ? ANSWER_OK : got;
}

/* One round at the menu; *done when there is an event. */
static err_t round_of_menu(struct page *p, struct page_event *event, int *done, struct fault *f)
{
    char answer[ANSWER_MAX];
    print_menu(p);
    enum answer got = ask(p->ui, answer, p->watch);
    int action = got == ANSWER_OK ? chosen_action(p, answer) : -1;
    if (action >= 0)
        got = take_action(p, action, event, f);
    if (got == ANSWER_END)
        return fault_set(f, ERR_STOPPED, "a signal, or the end of the input");
    if (got == ANSWER_WATCH)
        event->action = PAGE_WATCH;
    else if (action < 0 && (got == ANSWER_BACK || strcmp(answer, "0") == 0))
        event->action = PAGE_BACK;
    else if (action >= 0 && got == ANSWER_OK)
        ;
    else if (action >= 0)
        return OK;
    else if (strcmp(answer, "?") == 0)
        return page_show_help(p, f);
    else if (strcasecmp(answer, "q") == 0 && page_has_qr(p))
        return print_codes(p, f);
    else if (answer[0] == '\0')
        return print_page(p);
    else {
        char clean[ANSWER_MAX];
        message_clean(clean, sizeof clean, answer);
        say(p->ui, UI_ARGS(MSG_LINE_NOT_THERE, clean));
        return OK;
    }
    *done = 1;
    return OK;
}

err_t line_run(struct page *p, struct page_event *event, struct fault *f)
{
    int done = 0;
    err_t e = print_page(p);
    if (p->note != NULL)
        line_say(p->ui, p->note);
    while (e == OK && !done)
        e = round_of_menu(p, event, &done, f);
    return e;
}
