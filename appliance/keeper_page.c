#include "appliance/keeper_page.h"

#include <errno.h>
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
#define TALL 20     /* lines from which on some may be empty */
#define SIZE_MS 200 /* between two looks at the terminal's size */
#define RESIZED (-1)
#define LABEL 5 /* "> 13 " */

struct paper {
    const struct keeper_page *k;
    const char *about; /* which plan */
    size_t width, rows;
    size_t ticked; /* words */
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

/* --- the terminal --- */

/* Whether its size is another one than before. */
static int measure(struct paper *p)
{
    struct winsize size = {0};
    size_t width = p->width, rows = p->rows;
    if (ioctl(p->k->tty, TIOCGWINSZ, &size) != 0)
        return 0;
    p->width = size.ws_col >= 20 ? size.ws_col : 80;
    p->rows = size.ws_row;
    p->tall = size.ws_row >= TALL;
    return width != p->width || rows != p->rows;
}

/* RESIZED: a page has to be drawn anew. A screen reader's lines stay as they were read. */
static int wait_key(struct paper *p)
{
    struct pollfd key = {p->k->tty, POLLIN, 0};
    for (;;) {
        if (measure(p) && p->k->show == KEEPER_SCREEN)
            return RESIZED;
        int n = poll(&key, 1, SIZE_MS);
        if (n > 0 || (n < 0 && errno != EINTR))
            return 0;
    }
}

/* One that means something here: Enter (also for Space), 'x', or Esc for all that stops. Or RESIZED. */
static int next_key(struct paper *p)
{
    int tty = p->k->tty;
    for (;;) {
        char key = ESCAPE;
        struct pollfd more = {tty, POLLIN, 0};
        if (wait_key(p) == RESIZED)
            return RESIZED;
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

static void say_words(const struct paper *p, size_t first, size_t last)
{
    if (p->k->show == KEEPER_LINES)
        speak_line(p, first, last);
    else
        say_line(p, first, last);
}

static void say_tick(const struct paper *p)
{
    if (p->k->show == KEEPER_SCREEN)
        say(p, p->ascii ? "\r+\n" : "\r\xe2\x9c\x93\n");
}

/* The end of the line that starts with this word. */
static size_t line_end(const struct paper *p, size_t first)
{
    size_t n = words_per_line(p);
    return first + n < WORDS_COUNT ? first + n : WORDS_COUNT;
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

static void say_head(const struct paper *p)
{
    say_title(p);
    say_wrapped(p, p->about);
    say(p, p->tall ? "\n" : "");
    if (p->k->show == KEEPER_PRINT)
        return;
    say_message(p, MSG_KEEPER_HOW);
    say(p, "\n");
}

/* In another size. A line that is not whole any more is compared again; keys pressed before it could be seen
 * do not count. */
static void draw_again(struct paper *p)
{
    if (p->ticked < WORDS_COUNT)
        p->ticked -= p->ticked % words_per_line(p);
    say_head(p);
    for (size_t i = 0; i < p->ticked; i = line_end(p, i)) {
        say_words(p, i, line_end(p, i));
        say_tick(p);
    }
    tcflush(p->k->tty, TCIFLUSH);
}

/* What waits for a key: a line, or the question after the last one. */
static void say_current(const struct paper *p)
{
    if (p->ticked < WORDS_COUNT) {
        say_words(p, p->ticked, line_end(p, p->ticked));
        return;
    }
    say(p, "\n");
    say_message(p, MSG_KEEPER_COMPARED);
    say_message(p, MSG_KEEPER_ENTER);
}

static err_t compare(struct paper *p, struct fault *f)
{
    for (;;) {
        size_t last = line_end(p, p->ticked);
        say_current(p);
        switch (next_key(p)) {
        case RESIZED:
            draw_again(p);
            break;
        case '\n':
            if (p->ticked == WORDS_COUNT)
                return OK;
            say_tick(p);
            p->ticked = last;
            break;
        case 'x':
            return fault_set(f, ERR_MISMATCH,
                             "the plan's words differ from those compared; nothing was signed");
        default:
            return fault_set(f, ERR_REFUSED, "stopped before the plan was signed");
        }
    }
}

/* Keys one by one, so that no way out leaves the terminal changed; what was typed before it is dropped. */
static err_t ask(struct paper *p, struct fault *f)
{
    struct termios saved, keys;
    if (tcgetattr(p->k->tty, &saved) != 0)
        return fault_set(f, ERR_IO, "the terminal cannot be set up");
    keys = saved;
    keys.c_lflag &= (tcflag_t) ~(ECHO | ICANON | ISIG | IEXTEN);
    keys.c_cc[VMIN] = 1;
    keys.c_cc[VTIME] = 0;
    tcsetattr(p->k->tty, TCSAFLUSH, &keys);
    err_t e = compare(p, f);
    say(p, "\n");
    tcsetattr(p->k->tty, TCSAFLUSH, &saved);
    return e;
}

err_t keeper_page_plan(const struct keeper_page *k, const hash_t *id, uint64_t sums, struct fault *f)
{
    char text[256], number[24];
    struct paper p = {.k = k, .about = text, .width = 80};
    const char *const count = message_number(number, sums);
    p.ascii = strcmp(nl_langinfo(CODESET), "UTF-8") != 0;
    measure(&p);
    err_t e = take_words(&p, id);
    if (e == OK)
        e = message_format(text, sizeof text, k->language, MSG_KEEPER_PLAN, &count, 1);
    if (e != OK)
        return fault_set(f, e, "the plan's words");
    say_head(&p);
    if (k->show != KEEPER_PRINT)
        return ask(&p, f);
    print(&p);
    return OK;
}
