/* Every block, field and kind of page on the screen, for tests/screens/run.sh.
 * usage: demo [--lines] [--es] [--rehearsal] [--ascii] PAGE...   (pages one after the other; the last line
 * printed says how it ended) */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ceremony/base/secret.h"
#include "ui/page.h"

#define ACT_GO 1
#define ACT_OTHER 2

static void demo_hash(hash_t *h)
{
    for (int i = 0; i < HASH_LEN; i++)
        h->b[i] = (uint8_t)i;
}

static err_t blocks(struct ui *ui, int *action, struct fault *f)
{
    static const enum table_kind kinds[] = {TABLE_LEFT, TABLE_RIGHT, TABLE_BAR};
    static const enum message heads[] = {MSG_DEMO_TOKEN, MSG_BYTE, MSG_LINE};
    const char *rows[][3] = {
        {"Ana Pérez", "12", "12"}, {"Jürgen \x1b[31mroot", "7", "7"}, {"O'Neil", "3", "3"}};
    struct page_event event;
    struct page *p = page_new(ui, MSG_DEMO_CEREMONY);
    page_help(p, MSG_HELP_BACK);
    page_text(p, MSG_HELP_MOVE);
    page_head(p, MSG_DEMO_VERIFY);
    page_value(p, "Demonstration of a title", MSG_DEMO_TOKEN);
    page_value(p, "two\nlines", MSG_DEMO_MEDIA);
    page_check(p, PAGE_PASS, NULL, MSG_BACK);
    page_check(p, PAGE_FAIL, "the sum is 12, not 13", MSG_HELP_TITLE, "sum");
    page_check(p, PAGE_NOT_CHECKED, NULL, MSG_GO_ON);
    page_check(p, PAGE_PENDING, NULL, MSG_YES);
    page_warn(p, MSG_DEMO_MEDIA);
    page_table(p, kinds, heads, 3);
    for (size_t i = 0; i < 3; i++)
        page_row(p, rows[i]);
    page_bar(p, "North", 40, 80);
    page_bar(p, "South and East", 80, 80);
    page_action(p, 'g', ACT_GO, MSG_GO_ON);
    page_action_flags(p, 'd', ACT_OTHER, PAGE_DANGER, MSG_DEMO_TOOLS);
    err_t e = page_run(p, &event, f);
    *action = event.action;
    page_free(p);
    return e;
}

/* Shown again after each tick: the clock counts, what was typed stays. */
static err_t fields(struct ui *ui, int *action, struct fault *f)
{
    char name[32] = "";
    uint64_t number = 5;
    size_t index = 0;
    struct page_event event = {PAGE_TICK};
    err_t e = OK;
    while (e == OK && event.action == PAGE_TICK) {
        struct page *p = page_new(ui, MSG_DEMO_HOME);
        page_help(p, MSG_HELP_CHOOSE);
        page_field_text(p, name, sizeof name, 3, MSG_DEMO_TOKEN);
        page_field_number(p, &number, 1, 9, MSG_BYTE);
        page_field_choice(p, &index, MSG_DEMO_MEDIA);
        page_item(p, MSG_DEMO_VERIFY);
        page_item_raw(p, "USB stick", "8 GB, label ELECTION");
        page_item(p, MSG_DEMO_NIGHT);
        page_field_exact(p, "last try", MSG_DEMO_TOOLS);
        page_action_flags(p, 'g', ACT_GO, PAGE_NEEDS_ALL, MSG_GO_ON);
        page_action(p, 'o', ACT_OTHER, MSG_NO);
        page_tick(p, 300);
        e = page_run(p, &event, f);
        page_free(p);
    }
    *action = event.action;
    if (e == OK && event.action == ACT_GO)
        e = ui_show(ui, MSG_DEMO_HOME, f, MSG_LINE_KEEP, name, UI_NUMBER(10 * number + index));
    return e;
}

static err_t pin(struct ui *ui, int *action, struct fault *f)
{
    void *secret;
    struct page_event event;
    TRY(secret_alloc(&secret, 33));
    struct page *p = page_new(ui, MSG_DEMO_TOKEN);
    page_field_pin(p, secret, 33, 4, MSG_DEMO_TOKEN);
    page_action_flags(p, 'g', ACT_GO, PAGE_NEEDS_ALL, MSG_GO_ON);
    err_t e = page_run(p, &event, f);
    page_free(p);
    *action = event.action;
    int right = strcmp(secret, "246810") == 0, empty = ((char *)secret)[0] == '\0';
    secret_free(secret);
    if (e == OK)
        e = ui_show(ui, MSG_DEMO_TOKEN, f, right ? MSG_YES : empty ? MSG_BACK : MSG_NO);
    return e;
}

static err_t compare(struct ui *ui, int *action, struct fault *f)
{
    struct page_event event;
    hash_t h;
    demo_hash(&h);
    struct page *p = page_new(ui, MSG_DEMO_VERIFY);
    page_words(p, &h, 1);
    page_action_flags(p, 'g', ACT_GO, PAGE_NEEDS_ALL, MSG_GO_ON);
    err_t e = page_run(p, &event, f);
    *action = event.action;
    page_free(p);
    return e;
}

static err_t gate(struct ui *ui, int *action, struct fault *f)
{
    struct page_event event;
    hash_t h;
    demo_hash(&h);
    struct page *p = page_new(ui, MSG_DEMO_NIGHT);
    page_words(p, &h, 0);
    page_field_words(p, &h, MSG_DEMO_NIGHT);
    page_action_flags(p, 'g', ACT_GO, PAGE_NEEDS_ALL | PAGE_DANGER, MSG_GO_ON);
    err_t e = page_run(p, &event, f);
    *action = event.action;
    page_free(p);
    return e;
}

static err_t qr(struct ui *ui, int *action, struct fault *f, int long_message)
{
    struct page_event event;
    uint8_t message[150];
    for (size_t i = 0; i < sizeof message; i++)
        message[i] = (uint8_t)(i * 7);
    struct page *p = page_new(ui, MSG_DEMO_TOOLS);
    page_text(p, MSG_HELP_BACK);
    if (long_message)
        page_qr_message(p, 'C', message, sizeof message);
    else
        page_qr(p, "CONCLAVE TEST 123");
    err_t e = page_run(p, &event, f);
    *action = event.action;
    page_free(p);
    return e;
}

static err_t menu(struct ui *ui, int *action, struct fault *f)
{
    struct page_event event;
    struct page *p = page_new(ui, MSG_DEMO_HOME);
    for (int i = 0; i < 40; i++)
        page_check(p, PAGE_PASS, NULL, MSG_DEMO_MEDIA);
    for (char c = 'a'; c < 'm'; c++)
        page_action(p, c, c, MSG_HINT_HELP);
    page_note(p, MSG_NOT_DONE);
    err_t e = page_run(p, &event, f);
    *action = event.action;
    page_free(p);
    return e;
}

static err_t shown_fault(struct ui *ui, int *action, struct fault *f)
{
    struct fault shown;
    fault_clear(&shown);
    fault_set(&shown, ERR_SIGNATURE, "key 7 \x1b[2J did not sign it");
    snprintf(shown.file, sizeof shown.file, "board/7.cbor");
    *action = PAGE_BACK;
    return ui_show_fault(ui, &shown, f);
}

static err_t slice(void *ctx, struct job_report *r)
{
    int *n = ctx;
    snprintf(r->what, sizeof r->what, "slices");
    usleep(20000);
    r->total = 150;
    r->done = (uint64_t)++ * n;
    r->ended = *n == 150;
    return OK;
}

static err_t work(void *ctx, progress_fn progress, void *progress_ctx, int out, struct fault *f)
{
    for (uint64_t i = 0; i <= 60; i++) {
        usleep(20000);
        TRY(progress(progress_ctx, "ballots", i, 60));
        if (ctx != NULL && i == 30)
            return fault_set(f, ERR_PROOF, "ballot 30");
    }
    return write(out, "result", 6) == 6 ? OK : ERR_IO;
}

static err_t job(struct ui *ui, int *action, struct fault *f, const char *kind)
{
    struct page_job j = {.step = slice, .ctx = &(int){0}, .fd = -1};
    char result[8] = "";
    int out = -1;
    *action = PAGE_BACK;
    if (strcmp(kind, "job-slices") != 0)
        TRY(job_fork(&j, &out, work, strcmp(kind, "job-bad") == 0 ? f : NULL, f));
    struct page *p = page_new(ui, MSG_DEMO_VERIFY);
    page_text(p, MSG_HELP_BACK);
    err_t e = page_run_job(p, &j, f);
    page_free(p);
    if (e == OK && out >= 0 && (read(out, result, 6) != 6 || strcmp(result, "result") != 0))
        e = ERR_IO;
    if (out >= 0)
        close(out);
    if (e == ERR_STOPPED || e == OK)
        return ui_show(ui, MSG_DEMO_VERIFY, f, e == OK ? MSG_YES : MSG_JOB_PAUSED);
    return ui_show_fault(ui, f, f);
}

static err_t crash(struct ui *ui, const char *how)
{
    (void)ui;
    if (strcmp(how, "abort") == 0)
        abort();
    if (strcmp(how, "exit") == 0)
        exit(7);
    raise(strcmp(how, "segv") == 0 ? SIGSEGV : strcmp(how, "kill") == 0 ? SIGKILL : SIGTERM);
    return OK;
}

static err_t show(struct ui *ui, const char *name, int *action, struct fault *f)
{
    if (strcmp(name, "blocks") == 0)
        return blocks(ui, action, f);
    if (strcmp(name, "fields") == 0)
        return fields(ui, action, f);
    if (strcmp(name, "pin") == 0)
        return pin(ui, action, f);
    if (strcmp(name, "compare") == 0)
        return compare(ui, action, f);
    if (strcmp(name, "gate") == 0)
        return gate(ui, action, f);
    if (strncmp(name, "qr", 2) == 0)
        return qr(ui, action, f, strcmp(name, "qr-message") == 0);
    if (strcmp(name, "menu") == 0)
        return menu(ui, action, f);
    if (strcmp(name, "fault") == 0)
        return shown_fault(ui, action, f);
    if (strncmp(name, "job", 3) == 0)
        return job(ui, action, f, name);
    return crash(ui, name);
}

int main(int argc, char **argv)
{
    struct ui_config config = {.mode = UI_AUTO, .language = LANGUAGE_EN};
    struct ui *ui = NULL;
    struct fault f;
    char text[1024];
    int action = 0, i = 1;
    fault_clear(&f);
    if (secret_init() != OK)
        return 3;
    for (; i < argc && strncmp(argv[i], "--", 2) == 0; i++) {
        config.mode = strcmp(argv[i], "--lines") == 0 ? UI_LINES : config.mode;
        config.language = strcmp(argv[i], "--es") == 0 ? LANGUAGE_ES : config.language;
        config.rehearsal |= strcmp(argv[i], "--rehearsal") == 0;
        config.ascii |= strcmp(argv[i], "--ascii") == 0;
    }
    err_t e = ui_open(&ui, &config, &f);
    for (; e == OK && i < argc; i++)
        e = show(ui, argv[i], &action, &f);
    ui_close(ui);
    fault_text(text, sizeof text, &f);
    printf("ended: action %d, %s\n", action, e == OK ? "OK" : text);
    return e == OK ? 0 : 1;
}
