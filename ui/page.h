/* Screens as data: a page is described once and shown full screen (ncurses) or line by line (for screen
 * readers and plain terminals).
 *
 *   struct page *p = page_new(ui, MSG_HOME_TITLE);
 *   page_value(p, name, MSG_HOME_TRUSTEE);
 *   page_action(p, 'v', ACT_VERIFY, MSG_HOME_VERIFY);
 *   GO(page_run(p, &event, f));          an action's id, or PAGE_BACK
 *   page_free(p);
 *
 * Functions that add to a page return nothing. What goes wrong there (memory, a wrong argument) is kept in
 * the page and returned by page_run; all of them accept a page that is NULL. Texts are copied and cleaned
 * (message_clean): what comes from outside may be given as it is, and cannot command the terminal.
 *
 * Every page has the same keys: arrows, PgUp, PgDn, Home, End scroll or move between fields; Tab goes to the
 * next field; Enter chooses; Esc goes back; '?' or F1 shows help; Ctrl-L draws anew. Wrong input shows a
 * message and asks again. Values of fields live in the caller's variables and survive Esc, so that a page
 * that is built again shows what was typed; only a PIN is wiped.
 *
 * When a page is built again under the same title with as many blocks, scroll position, focus and ticks stay.
 * One thread, one struct ui a process. After ui_open no other code may write to the terminal until ui_close,
 * and stdout and stderr must not be used. */
#ifndef UI_PAGE_H
#define UI_PAGE_H

#include <stdio.h>

#include "ceremony/base/hash.h"
#include "ceremony/base/progress.h"
#include "ui/messages.h"
#include "ui/table.h"

/* --- the terminal --- */

enum ui_mode {
    UI_AUTO, /* full screen if it is a terminal that can do it, else lines */
    UI_SCREEN,
    UI_LINES
};

struct ui_config {
    enum ui_mode mode;
    enum language language;
    int rehearsal; /* "REHEARSAL" stands on every screen */
    int ascii;     /* only ASCII on the screen; set by itself when the locale is not UTF-8 */
};

struct ui;

/* Takes over the terminal of the process (descriptors 0 and 1) until ui_close, and restores it however the
 * process ends: exit, SIGINT, SIGTERM, SIGHUP, SIGQUIT, a crash, death of the parent (pages return
 * ERR_STOPPED after the signals that ask to end). ERR_MISSING: full screen was asked for and there is no such
 * terminal; ERR_MEMORY. On error *ui is NULL. */
MUST err_t ui_open(struct ui **ui, const struct ui_config *config, struct fault *f);
void ui_close(struct ui *ui); /* NULL allowed; idempotent for the terminal */

void ui_set_language(struct ui *ui, enum language l);
int ui_is_lines(const struct ui *ui);

/* Gives the terminal to another program or to plain output, and takes it back. */
void ui_suspend(struct ui *ui);
MUST err_t ui_resume(struct ui *ui);

/* --- a page --- */

struct page;

/* NULL if there is no memory: page_run says so. */
#define page_new(ui, ...) page_new_args(ui, UI_ARGS(__VA_ARGS__))
void page_free(struct page *p); /* NULL allowed */

/* Text of '?'; pages without one show the keys only. */
#define page_help(p, ...) page_help_args(p, UI_ARGS(__VA_ARGS__))

/* --- blocks, from the top --- */

#define page_text(p, ...) page_text_args(p, UI_ARGS(__VA_ARGS__)) /* a paragraph, wrapped */
#define page_head(p, ...) page_head_args(p, UI_ARGS(__VA_ARGS__)) /* a heading */
#define page_warn(p, ...) page_warn_args(p, UI_ARGS(__VA_ARGS__)) /* a paragraph that stands out */
#define page_value(p, value, ...) page_value_args(p, value, UI_ARGS(__VA_ARGS__)) /* "label: value" */
/* A paragraph of text from elsewhere, line ends kept. */
void page_raw(struct page *p, const char *text);
/* The whole of a fault in the person's language, standing out. */
void page_fault(struct page *p, const struct fault *f);

/* A row of a list of checks; detail may be NULL. */
/* PAGE_NOTE: information, which is no verdict. */
enum page_state { PAGE_PENDING, PAGE_PASS, PAGE_FAIL, PAGE_NOT_CHECKED, PAGE_NOTE };
#define page_check(p, state, detail, ...) page_check_args(p, state, detail, UI_ARGS(__VA_ARGS__))

/* A bar; all bars of a run of page_bar are aligned. value over max is drawn full. */
void page_bar(struct page *p, const char *label, uint64_t value, uint64_t max);

/* A table: columns first, then each row with as many cells. Kinds as in ui/table.h. On narrow screens each
 * row becomes "head: cell" lines. */
void page_table(struct page *p, const enum table_kind *kinds, const enum message *heads, size_t count);
void page_row(struct page *p, const char *const *cells);

/* The words of h in the person's language, large. With compare, each line is ticked with Space or Enter once
 * it was compared aloud, and 'x' says that a line differs (PAGE_DIFFERS); actions with PAGE_NEEDS_ALL can be
 * chosen only when all lines are ticked. */
void page_words(struct page *p, const hash_t *h, int compare);

/* One code for text (printable ASCII), or a message (ui/qrtext.h) as a sequence of codes sized to the
 * terminal. Key 'q' shows them full screen. A code is shown only if it decodes from the characters that are
 * drawn; if none fits, the text itself is shown. */
void page_qr(struct page *p, const char *text);
void page_qr_message(struct page *p, char kind, const void *message, size_t len);

/* --- fields; the values stay where the caller has them --- */

/* A line of text; value: size bytes, NUL-terminated, also the first content. min_len: bytes at least.
 * Only text that text_check accepts can be typed. */
#define page_field_text(p, value, size, min_len, ...)                                                        \
    page_field_text_args(p, value, size, min_len, UI_ARGS(__VA_ARGS__))
/* A number min..max. */
#define page_field_number(p, value, min, max, ...)                                                           \
    page_field_number_args(p, value, min, max, UI_ARGS(__VA_ARGS__))
/* The gate: the 17 words of h must be typed (words_match) before an action with PAGE_NEEDS_ALL. */
#define page_field_words(p, h, ...) page_field_words_args(p, h, UI_ARGS(__VA_ARGS__))
/* The same for one given word or sentence, compared without case: "last try", "DECRYPT". */
#define page_field_exact(p, expected, ...) page_field_exact_args(p, expected, UI_ARGS(__VA_ARGS__))
/* A PIN: masked, NUL-terminated in secret (memory of secret_alloc, size bytes); wiped when the page is left
 * by anything but an action with PAGE_NEEDS_ALL. At least min_len characters. */
#define page_field_pin(p, secret, size, min_len, ...)                                                        \
    page_field_pin_args(p, secret, size, min_len, UI_ARGS(__VA_ARGS__))
/* A list to choose from with arrows; *index is the chosen one. Items follow with page_item (a message) or
 * page_item_raw; detail may be NULL. Enter on an item goes on to the next field or the first action. */
#define page_field_choice(p, index, ...) page_field_choice_args(p, index, UI_ARGS(__VA_ARGS__))
#define page_item(p, ...) page_item_args(p, UI_ARGS(__VA_ARGS__))
void page_item_raw(struct page *p, const char *text, const char *detail);

/* --- actions --- */

/* Ids of the caller are 1 and more. */
enum {
    PAGE_BACK = 0,     /* Esc */
    PAGE_DIFFERS = -1, /* 'x' on a comparison of words */
    PAGE_TICK = -2,    /* page_tick */
    PAGE_WATCH = -3    /* page_watch: the descriptor can be read */
};

/* Flags of an action. */
#define PAGE_NEEDS_ALL                                                                                       \
    1                 /* all fields must be valid, all lines ticked; Enter after the last field chooses it */
#define PAGE_DANGER 2 /* stands out, and is chosen only after a second question */
#define PAGE_NEEDS_READ                                                                                      \
    4 /* offered only once the page was seen to its end; until then its key reads on. For what is signed */

/* key: a-z or 0-9, once a page; not q where there is a QR block, not x where words are compared. With flags:
 * page_action_flags. An action without PAGE_NEEDS_ALL can be chosen whatever the fields hold. */
#define page_action(p, key, id, ...) page_action_args(p, key, id, 0, UI_ARGS(__VA_ARGS__))
#define page_action_flags(p, key, id, flags, ...) page_action_args(p, key, id, flags, UI_ARGS(__VA_ARGS__))

/* page_run returns PAGE_TICK after ms milliseconds without a key: the page is built again with fresh data. */
void page_tick(struct page *p, unsigned ms);
/* page_run returns PAGE_WATCH when fd can be read: a token process, a child. One a page. */
void page_watch(struct page *p, int fd);
/* The message line at the bottom when the page appears: result of what was just done. */
#define page_note(p, ...) page_note_args(p, UI_ARGS(__VA_ARGS__))

struct page_event {
    int action; /* id, or one of PAGE_* */
};

/* Shows the page until an action is chosen, Esc, tick or watch. Returns OK; ERR_STOPPED: a signal asked the
 * program to end, or the input ended; ERR_BUG, ERR_MEMORY: a page that could not be built; ERR_IO. */
MUST err_t page_run(struct page *p, struct page_event *event, struct fault *f);

/* Shorthands: a page with the fault and "back"; a page with one text and "back"; yes or no. */
MUST err_t ui_show_fault(struct ui *ui, const struct fault *shown, struct fault *f);
#define ui_show(ui, title, f, ...) ui_show_args(ui, title, f, UI_ARGS(__VA_ARGS__))
/* OK for yes; ERR_REFUSED for no and Esc. */
#define ui_ask(ui, title, f, ...) ui_ask_args(ui, title, f, UI_ARGS(__VA_ARGS__))

/* --- long jobs --- */

/* How far a job is. */
struct job_report {
    char what[64];        /* phase, English key or text; shown as it is */
    uint64_t done, total; /* total 0: not known */
    int ended;
    struct fault fault; /* when ended: how; fault.err is OK or the error */
};

/* Work in slices: step does at most 50 ms of work and fills r. Or work in another process: fd is this side's
 * end of a socket pair, step is NULL (job_fork). */
struct page_job {
    err_t (*step)(void *ctx, struct job_report *r); /* an error ends the job as that error */
    void *ctx;
    int fd;
    int pid; /* of job_fork, else 0 */
};

/* Runs work(ctx, progress, progress_ctx, f) in a child process, which sees a copy of this one's memory; its
 * error and fault come back. out_fd (may be NULL): readable end of a pipe, whose other end the child gets as
 * fd in work, for results. Not to be called with secrets in memory. ERR_IO, ERR_MEMORY. */
typedef err_t (*job_work)(void *ctx, progress_fn progress, void *progress_ctx, int out, struct fault *f);
MUST err_t job_fork(struct page_job *job, int *out_fd, job_work work, void *ctx, struct fault *f);

/* The child's progress_fn, which work is given; ctx: an int * (the socket). Pause and stop of the screen arrive
 * here: it waits, or returns ERR_STOPPED. */
MUST err_t job_progress(void *fd, const char *what, uint64_t done, uint64_t total);

/* Shows p with a bar, rate and time left below its blocks while the job runs; never blocks on it. 's' pauses,
 * 'r' goes on, Esc asks and stops the job. Returns what the job ended with, its fault in f; ERR_STOPPED if
 * the person stopped it: running the job again may go on where it was. The child of job_fork is waited for.
 * Does not free p. */
MUST err_t page_run_job(struct page *p, struct page_job *job, struct fault *f);

/* --- what the macros stand on: a message and its arguments --- */

struct ui_args {
    enum message id;
    const char *const *arg;
    size_t count;
};
#define UI_REST(first, ...) __VA_ARGS__
#define UI_FIRST(first, ...) first
#define UI_ARGS(...)                                                                                         \
    ((struct ui_args){UI_FIRST(__VA_ARGS__, ), (const char *const[]){UI_REST(__VA_ARGS__, (const char *)0)}, \
                      UI_COUNT(__VA_ARGS__)})
#define UI_COUNT(...) UI_COUNT_(__VA_ARGS__, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0, )
#define UI_COUNT_(id, a, b, c, d, e, f, g, h, i, n, ...) n

struct page *page_new_args(struct ui *ui, struct ui_args a);
void page_help_args(struct page *p, struct ui_args a);
void page_text_args(struct page *p, struct ui_args a);
void page_head_args(struct page *p, struct ui_args a);
void page_warn_args(struct page *p, struct ui_args a);
void page_note_args(struct page *p, struct ui_args a);
void page_value_args(struct page *p, const char *value, struct ui_args a);
void page_check_args(struct page *p, enum page_state state, const char *detail, struct ui_args a);
void page_field_text_args(struct page *p, char *value, size_t size, size_t min_len, struct ui_args a);
void page_field_number_args(struct page *p, uint64_t *value, uint64_t min, uint64_t max, struct ui_args a);
void page_field_words_args(struct page *p, const hash_t *h, struct ui_args a);
void page_field_exact_args(struct page *p, const char *expected, struct ui_args a);
void page_field_pin_args(struct page *p, char *secret, size_t size, size_t min_len, struct ui_args a);
void page_field_choice_args(struct page *p, size_t *index, struct ui_args a);
void page_item_args(struct page *p, struct ui_args a);
void page_action_args(struct page *p, char key, int id, int flags, struct ui_args a);
MUST err_t ui_show_args(struct ui *ui, enum message title, struct fault *f, struct ui_args a);
MUST err_t ui_ask_args(struct ui *ui, enum message title, struct fault *f, struct ui_args a);

#endif
