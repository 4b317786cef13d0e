/* Minutes of the ceremony: shown, and saved as text and as a page to print. */
#include <stdlib.h>
#include <string.h>

#include "appliance/face.h"
#include "appliance/minutes.h"
#include "ceremony/base/file.h"

static err_t save(struct face *face, const struct sheet *sheet, char dir[4096], int *saved, struct fault *f)
{
    char text[4200], html[4200];
    *saved = 0;
    TRY(face_ask_text(face, dir, 4096, 1, MSG_MINUTES_PAGE, MSG_MINUTES_DIR, f));
    TRY(file_mkdir(dir, f));
    TRY(file_path(text, sizeof text, dir, "minutes.txt"));
    TRY(file_path(html, sizeof html, dir, "minutes.html"));
    TRY(minutes_write(sheet, text, html, f));
    *saved = 1;
    return OK;
}

/* Lines that belong together are one paragraph, which has a limit. */
struct putting {
    struct page *p;
    enum sheet_kind kind; /* of the lines gathered */
    unsigned step;
    size_t len;
    char lines[8192];
};

static void put_lines(struct putting *w)
{
    if (w->len > 0)
        page_raw(w->p, w->lines);
    w->len = 0;
    w->lines[0] = '\0';
}

static void gather(struct putting *w, const char *before, const char *a, const char *between, const char *b)
{
    size_t need = strlen(before) + strlen(a) + strlen(between) + strlen(b) + 2;
    if (w->len + need >= sizeof w->lines)
        put_lines(w);
    int n = snprintf(w->lines + w->len, sizeof w->lines - w->len, "%s%s%s%s%s", w->len > 0 ? "\n" : "",
                     before, a, between, b);
    w->len += n > 0 && (size_t)n < sizeof w->lines - w->len ? (size_t)n : 0;
}

static void put_part(void *ctx, enum sheet_kind kind, const char *const *text, size_t count)
{
    struct putting *w = ctx;
    char number[32];
    if (kind != w->kind && !(kind == SHEET_ROW && w->kind == SHEET_TABLE))
        put_lines(w);
    w->kind = kind;
    switch (kind) {
    case SHEET_HEAD:
        page_head(w->p, MSG_RAW, text[0]);
        w->step = 0;
        break;
    case SHEET_PARA:
        page_raw(w->p, text[0]);
        break;
    case SHEET_FACT:
        page_value(w->p, text[1], MSG_RAW, text[0]);
        break;
    case SHEET_STEP:
        snprintf(number, sizeof number, "%u. ", ++w->step);
        gather(w, number, text[0], "\n    ", text[1]);
        break;
    case SHEET_TABLE:
    case SHEET_ROW: {
        char line[4096] = "";
        for (size_t i = 0, n = 0; i < count && n < sizeof line; i++)
            n += (size_t)snprintf(line + n, sizeof line - n, "%s%s", i > 0 ? " | " : "", text[i]);
        gather(w, "", line, "", "");
        break;
    }
    case SHEET_SIGN:
        gather(w, "____________________  ", text[0], "", "");
        break;
    case SHEET_RULE: /* to be written on: of no use on a screen */
        break;
    }
}

static err_t put_sheet(struct page *p, const struct sheet *sheet)
{
    struct putting *w = calloc(1, sizeof *w);
    if (w == NULL)
        return ERR_MEMORY;
    w->p = p;
    err_t e = sheet_each(sheet, put_part, w);
    put_lines(w);
    free(w);
    return e;
}

static err_t show(struct face *face, const struct sheet *sheet, struct fault *f)
{
    enum { SAVE = 1 };
    char dir[4096];
    int saved = 0;
    snprintf(dir, sizeof dir, "%s", face->media[0] != '\0' ? face->media : face->board);
    for (;;) {
        struct page_event ev;
        struct page *p = page_new(face->ui, MSG_MINUTES_PAGE);
        page_text(p, MSG_MINUTES_ABOUT);
        err_t e = put_sheet(p, sheet);
        page_action(p, 's', SAVE, MSG_MINUTES_SAVE);
        if (saved)
            page_note(p, MSG_MINUTES_SAVED, dir);
        if (e == OK)
            e = page_run(p, &ev, f);
        page_free(p);
        if (e != OK || ev.action == PAGE_BACK)
            return e;
        e = save(face, sheet, dir, &saved, f);
        TRY(face_show(face, e, f));
    }
}

err_t face_minutes(struct face *face, struct fault *f)
{
    struct session s;
    struct sheet *sheet = NULL;
    err_t e = face_session(face, &s, 0, f);
    if (e != OK)
        return face_show(face, e, f);
    e = minutes_make(&sheet, &s, face->language, f);
    session_close(&s);
    GO(e);
    e = show(face, sheet, f);
out:
    sheet_free(sheet);
    return face_show(face, e, f);
}
