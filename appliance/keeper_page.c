#include "appliance/keeper_page.h"

#include <langinfo.h>
#include <locale.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "ui/page_layout.h"

#define ESCAPE 0x1b
#define SEQUENCE_MS 50 /* what follows Esc sooner is another key, an arrow for example */
#define WIDE_CELL 18   /* of a word with blanks between its letters, as on the page where they are compared */
#define NARROW_CELL (WORDS_WORD_MAX + 2)
#define TALL 20 /* lines from which on some may be empty */
#define LABEL 5 /* "> 13 " */

struct paper {
    const struct keeper_page *k;
    size_t width;
    int ascii, tall;
    char word[WORDS_COUNT][WORDS_WORD_MAX + 1];
};

/* --- writing --- */

static void say(const struct paper *p, const char *text)
{
    char like[2048];
    if (p->ascii) {
        text_ascii(like, sizeof like, text);
        text = like;
    }
    for (size_t len = strlen(text); len > 0;) {
        ssize_t n = write(p->k->tty, text, len);
        if (n <= 0)
            return;
        text += n;
        len -= (size_t)n;
    }
}

/* A paragraph, wrapped between words. */
static void say_wrapped(const struct paper *p, const char *text)
{
    size_t used = 0;
    while (*text != '\0') {
        char word[256];
        size_t n = strcspn(text, " ");
        snprintf(word, sizeof word, "%.*s", (int)n, text);
        size_t wide = text_width(word);
        if (used > 0 && used + 1 + wide >= p->width) {
            say(p, "\n");
            used = 0;
        }
        say(p, used > 0 ? " " : "");
        say(p, word);
        used += wide + (used > 0);
        text += n + strspn(text + n, " ");
    }
    say(p, "\n");
}

static void say_message(const struct paper *p, enum message id)
{
    say_wrapped(p, message_text(p->k->language, id));
}

/* " Title            REHEARSAL" */
static void say_title(const struct paper *p)
{
    const char *title = message_text(p->k->language, MSG_KEEPER_TITLE),
               *mark = p->k->rehearsal ? message_text(p->k->language, MSG_REHEARSAL) : "";
    size_t used = 1 + text_width(title) + text_width(mark);
    if (p->k->show == KEEPER_SCREEN)
        say(p, "\x1b[H\x1b[2J");
    say(p, p->k->show == KEEPER_SCREEN ? " " : "\n== ");
    say(p, title);
    for (; p->k->show == KEEPER_SCREEN && mark[0] != '\0' && used < p->width; used++)
        say(p, " ");
    say(p, p->k->show == KEEPER_SCREEN ? mark : " ==  ");
    say(p, p->k->show == KEEPER_SCREEN ? "\n" : mark);
    say(p, p->k->show == KEEPER_SCREEN && !p->tall ? "" : "\n");
}

/* --- keys --- */

/* One that means something here: Enter (also for Space), 'x', or Esc for all that stops. */
static int next_key(int tty)
{
    for (;;) {
        char key = ESCAPE;
        struct pollfd more = {tty, POLLIN, 0};
        if (read(tty, &key, 1) != 1)
            return ESCAPE;
        if (key == ESCAPE && poll(&more, 1, SEQUENCE_MS) == 1) {
            tcflush(tty, TCIFLUSH);
            continue;
        }
        if (key == '\r' || key == '\n' || key == ' ')
            return '\n';
        if (key == 'x' || key == 'X')
            return 'x';
        if (key == ESCAPE || key == 0x03 || key == 0x04)
            return ESCAPE;
    }
}

static err_t wait_equal(const struct paper *p, struct fault *f)
{
    switch (next_key(p->k->tty)) {
    case '\n':
        return OK;
    case 'x':
        return fault_set(f, ERR_MISMATCH, "the plan's words differ from those compared; nothing was signed");
    default:
        return fault_set(f, ERR_REFUSED, "stopped before the plan was signed");
    }
}

/* --- the words --- */

static err_t take_words(struct paper *p, const hash_t *id)
{
    char text[WORDS_TEXT_SIZE];
    size_t n = 0;
    TRY(words_put(text, language_words(p->k->language), id));
    for (char *save, *w = strtok_r(text, " ", &save); w != NULL && n < WORDS_COUNT;
         w = strtok_r(NULL, " ", &save))
        snprintf(p->word[n++], sizeof p->word[0], "%s", w);
    return n == WORDS_COUNT ? OK : ERR_BUG;
}

static size_t words_per_line(const struct paper *p)
{
    size_t cell = p->width >= LABEL + 2 * WIDE_CELL ? WIDE_CELL : NARROW_CELL,
           n = p->width > LABEL ? (p->width - LABEL) / cell : 1;
    return p->k->show == KEEPER_LINES || n > 4 ? 4 : n < 1 ? 1 : n;
}

static void say_line(const struct paper *p, size_t first, size_t last)
{
    char label[16], text[2 * WORDS_WORD_MAX + 1];
    int wide = p->width >= LABEL + 2 * WIDE_CELL;
    snprintf(label, sizeof label, "> %2zu ", first + 1);
    say(p, label);
    for (size_t i = first; i < last; i++) {
        size_t at = 0;
        for (const char *s = p->word[i]; *s != '\0'; s++) {
            text[at++] = (char)(*s - 'a' + 'A');
            text[at] = ' ';
            at += (size_t)wide;
        }
        text[at] = '\0';
        say(p, text);
        for (; i + 1 < last && at < (wide ? WIDE_CELL : NARROW_CELL); at++)
            say(p, " ");
    }
}

/* To be read aloud by a screen reader. */
static void speak_line(const struct paper *p, size_t first, size_t last)
{
    char words[128] = "", text[256], from[24], to[24];
    for (size_t i = first, at = 0; i < last; i++)
        at += (size_t)snprintf(words + at, sizeof words - at, "%s%s", i > first ? " " : "", p->word[i]);
    const char *const args[] = {message_number(from, first + 1), message_number(to, last), words};
    if (message_format(text, sizeof text, p->k->language, MSG_COMPARE_LINE, args, 3) == OK)
        say_wrapped(p, text);
}

static err_t compare(const struct paper *p, struct fault *f)
{
    size_t n = words_per_line(p);
    for (size_t i = 0; i < WORDS_COUNT; i += n) {
        size_t last = i + n < WORDS_COUNT ? i + n : WORDS_COUNT;
        if (p->k->show == KEEPER_LINES)
            speak_line(p, i, last);
        else
            say_line(p, i, last);
        TRY(wait_equal(p, f));
        if (p->k->show == KEEPER_SCREEN)
            say(p, p->ascii ? "\r+\n" : "\r\xe2\x9c\x93\n");
    }
    say(p, "\n");
    say_message(p, MSG_KEEPER_COMPARED);
    say_message(p, MSG_KEEPER_ENTER);
    return wait_equal(p, f);
}

static void print(const struct paper *p)
{
    char line[64];
    for (size_t i = 0; i < WORDS_COUNT; i++) {
        snprintf(line, sizeof line, "%s%2zu %-9s", i % 6 == 0 ? (i > 0 ? "\n  " : "\n  ") : " ", i + 1,
                 p->word[i]);
        say(p, line);
    }
    say(p, "\n\n");
    say_message(p, MSG_KEEPER_COMPARED);
}

/* --- the page --- */

/* Keys one by one, so that no way out leaves the terminal changed; what was typed before it is dropped. */
static err_t ask(const struct paper *p, struct fault *f)
{
    struct termios saved, keys;
    if (tcgetattr(p->k->tty, &saved) != 0)
        return fault_set(f, ERR_IO, "the terminal cannot be set up");
    keys = saved;
    keys.c_lflag &= (tcflag_t) ~(ECHO | ICANON | ISIG | IEXTEN);
    keys.c_cc[VMIN] = 1;
    keys.c_cc[VTIME] = 0;
    tcsetattr(p->k->tty, TCSAFLUSH, &keys);
    say_message(p, MSG_KEEPER_HOW);
    say(p, "\n");
    err_t e = compare(p, f);
    say(p, "\n");
    tcsetattr(p->k->tty, TCSAFLUSH, &saved);
    return e;
}

err_t keeper_page_plan(const struct keeper_page *k, const hash_t *id, uint64_t sums, struct fault *f)
{
    struct paper p = {.k = k, .width = 80};
    struct winsize size = {0};
    char text[256], number[24];
    const char *const count = message_number(number, sums);
    p.ascii = strcmp(nl_langinfo(CODESET), "UTF-8") != 0;
    if (ioctl(k->tty, TIOCGWINSZ, &size) == 0 && size.ws_col >= 20)
        p.width = size.ws_col;
    p.tall = size.ws_row >= TALL;
    err_t e = take_words(&p, id);
    if (e == OK)
        e = message_format(text, sizeof text, k->language, MSG_KEEPER_PLAN, &count, 1);
    if (e != OK)
        return fault_set(f, e, "the plan's words");
    say_title(&p);
    say_wrapped(&p, text);
    say(&p, p.tall ? "\n" : "");
    if (k->show != KEEPER_PRINT)
        return ask(&p, f);
    print(&p);
    return OK;
}
