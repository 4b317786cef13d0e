/* What a page is made of, for the renderers. Inside page.h's module. */
#ifndef UI_PAGE_MODEL_H
#define UI_PAGE_MODEL_H

#include "ui/keys.h"
#include "ui/page.h"

enum block_kind {
    BLOCK_TEXT,
    BLOCK_HEAD,
    BLOCK_WARN,
    BLOCK_VALUE,
    BLOCK_CHECK,
    BLOCK_BAR,
    BLOCK_TABLE,
    BLOCK_QR,
    BLOCK_FIELD
};

struct block {
    enum block_kind kind;
    enum page_state state;
    char *text, *detail; /* texts; label and value; QR: the text of the code */
    uint64_t value, max;
    size_t field;
    /* table */
    enum table_kind column[TABLE_COLUMNS_MAX];
    char **cell; /* heads first */
    size_t columns, cells;
    /* QR message */
    uint8_t *message;
    size_t message_len;
    char message_kind;
};

enum field_kind {
    FIELD_TEXT,
    FIELD_NUMBER,
    FIELD_WORDS,
    FIELD_EXACT,
    FIELD_PIN,
    FIELD_CHOICE,
    FIELD_COMPARE
};

struct item {
    char *text, *detail;
};

struct field {
    enum field_kind kind;
    char *label;
    char *text;  /* what is typed: the caller's buffer (text, PIN) or own */
    size_t size; /* of text, bytes */
    int own;
    size_t min_len;
    uint64_t *number, min, max;
    hash_t hash;
    char *expected;
    size_t *index;
    struct item *item;
    size_t items;
    char words[WORDS_TEXT_SIZE]; /* compare */
    size_t ticked;               /* words */
    int needs_ticks;             /* compare: not only shown */
    int asked;                   /* lines: was filled in */
};

struct action {
    char key;
    int id, flags;
    char *text;
};

#define PAGE_ACTIONS_MAX 36
#define PAGE_FIELDS_MAX 16

struct page {
    struct ui *ui;
    err_t err; /* first thing that went wrong while building */
    char *title, *help, *note;
    int note_is_bad, is_help;
    struct block *block;
    size_t blocks, blocks_cap;
    struct field field[PAGE_FIELDS_MAX];
    size_t fields;
    struct action action[PAGE_ACTIONS_MAX];
    size_t actions;
    unsigned tick;
    int watch;
    /* while it is shown */
    size_t focus; /* fields first, then actions */
    size_t scroll;
    int ask_danger;     /* 1 + index of the action that waits for y */
    int actions_inside; /* listed in the body, not in the foot */
    int was_read;       /* its end was seen */
    struct job_view *job;
};

/* What is kept of a page that may be built again. Public values only. */
#define KEPT_MAX 8
struct kept {
    char *title;
    size_t blocks, focus, scroll, ticked;
    hash_t compared;
    hash_t content; /* of what was shown, and whether it was seen to its end */
    int was_read;
    char *typed[PAGE_FIELDS_MAX]; /* of words, exact, number */
};

struct ui {
    struct ui_config config;
    int lines;
    struct keys keys;
    struct screen *screen; /* NULL for lines */
    struct kept kept[KEPT_MAX];
    size_t kept_next;
    int ended; /* input is at its end */
};

/* Texts in the page's language; never NULL. */
const char *page_say(const struct page *p, enum message id);
void ui_say(char *out, size_t out_len, const struct ui *ui, struct ui_args a);

/* Kept state. */
void page_keep(struct page *p, int action);
void page_recall(struct page *p);

/* --- fields (page_field.c) --- */

/* Takes a key; 1 if it was for the field. problem: filled with a message for the person, or empty. */
int field_key(struct page *p, struct field *f, int key, char *problem, size_t problem_len);
/* OK, or ERR_FORMAT and the message what is missing. Numbers are stored. */
MUST err_t field_check(struct page *p, struct field *f, char *problem, size_t problem_len);
int field_number_is_valid(const struct field *f);
/* 1 if letters are typed into it. */
int field_types(const struct field *f);
/* Words of a comparison that stand in one row of width characters. */
size_t field_words_per_row(size_t width);
/* Copies count words from number first on, in capitals, spaced where wide. */
void field_words_row(char *out, size_t out_len, const struct field *f, size_t first, size_t count,
                     size_t width);
/* "Words 1 to 4: ...", "Word 17: ..." */
void field_words_line(char *out, size_t out_len, const struct ui *ui, const struct field *f, size_t first,
                      size_t last);
void field_tick(struct field *f, size_t width);
/* Wipes PINs. */
void page_wipe_pins(struct page *p);

/* 1 if the action waits until the page was read. */
int page_waits(const struct page *p, const struct action *a);
int page_has_qr(const struct page *p);
int page_has_compare(const struct page *p);
int page_has_pin(const struct page *p);
/* The action of a key, or -1; the one that Enter after the last field takes, or -1. */
int page_action_of(const struct page *p, int key);
int page_action_default(const struct page *p);

/* --- renderers --- */

MUST err_t screen_run(struct page *p, struct page_event *event, struct fault *f);
MUST err_t line_run(struct page *p, struct page_event *event, struct fault *f);
/* A line of input without its end. LINE_END: a signal, or the end of the input; LINE_OTHER: other can be
 * read; LINE_LATE: ms are over. */
enum line_got { LINE_TEXT, LINE_END, LINE_OTHER, LINE_LATE };
enum line_got line_read(struct ui *ui, char *out, size_t out_len, int other, int ms);
void line_say(const struct ui *ui, const char *text);
/* All QR codes of the page, one after the other. */
MUST err_t screen_qr(struct page *p, struct fault *f);

#define WORDS_SPOKEN 4 /* words in one line that is read aloud */

/* Help as a page of its own. */
MUST err_t page_show_help(struct page *p, struct fault *f);

#endif
